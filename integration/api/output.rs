//! What runs print, as a text and as it comes.

use std::io::Write;

use serde_json::Value;

use crate::support::beside::{Beside, Event};

fn job(name: &str, command: &str, more: &str) -> String {
    format!("[job-local \"{name}\"]\nschedule = @yearly\ncommand = {command}\nshell = true\n{more}\n")
}

fn make_fifo(path: &std::path::Path) {
    assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
}

/// The bytes of a stream in events; they are at their places.
fn printed(events: &[Event], stream: &str) -> String {
    let mut text = String::new();
    for event in events.iter().filter(|it| it.name == stream) {
        let it = event.json();
        assert_eq!(it["place"], text.len(), "without a gap and nothing twice: {it}");
        text.push_str(it["text"].as_str().unwrap());
    }
    text
}

#[test]
fn output_is_a_text_of_which_parts_can_be_asked_for_and_says_what_was_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let ini = job("talk", "echo one; echo two >&2", "")
        + &job(
            "much",
            "i=0; while [ $$i -lt 9000 ]; do echo line $$i; i=$$((i+1)); done",
            "max-output = 8KiB",
        );
    let agent = Beside::start(folder.path(), &ini);
    let path = format!("/api/runs/{}/output", agent.run_to_its_end("talk"));
    let all = agent.get(&path);
    assert_eq!((all.text().as_str(), all.header("content-length")), ("one\ntwo\n", "8"));
    assert_eq!(all.header("content-type"), "text/plain; charset=utf-8");
    assert!(all.header("content-disposition").starts_with("inline; filename=\"talk-"), "{all:?}");
    let file = agent.get(&format!("{path}?stream=stderr&download=true"));
    assert_eq!(file.text(), "two\n");
    assert!(file.header("content-disposition").starts_with("attachment; "), "{file:?}");
    let part = agent.ask("GET", &path, &[("range", "bytes=2-5")], "");
    assert_eq!((part.status, part.text().as_str()), (206, "e\ntw"));
    assert_eq!(part.header("content-range"), "bytes 2-5/8");
    // A range means nothing for any other method.
    let head = agent.ask("HEAD", &path, &[("range", "bytes=2-5")], "");
    assert_eq!((head.status, head.header("content-length"), head.body.len()), (200, "8", 0));
    assert_eq!(agent.ask("HEAD", &path, &[("range", "bytes=8-")], "").status, 200);
    let behind = agent.ask("GET", &path, &[("range", "bytes=8-")], "");
    assert_eq!(behind.header("content-range"), "bytes */8");
    behind.refusal(416);

    let path = format!("/api/runs/{}/output", agent.run_to_its_end("much"));
    let much = agent.get(&path);
    let dropped: u64 = much.header("watchbell-dropped-bytes").parse().unwrap();
    assert!(dropped > 60_000, "{dropped}");
    assert!(much.text().contains(&format!("\n[watchbell: {dropped} bytes were dropped here]\n")));
    assert!(much.text().starts_with("line 0\n") && much.text().ends_with("line 8999\n"));
    let end = agent.ask("GET", &path, &[("range", "bytes=-10")], "");
    assert_eq!(end.text(), "line 8999\n");
    let told: Vec<Event> = agent.follow(&format!("{path}?follow=true"), &[]).collect();
    let gap = told.iter().find(|it| it.name == "dropped").unwrap().json();
    assert_eq!(gap["bytes"], dropped);
    assert_eq!(told.last().unwrap().json()["outcome"], "succeeded");
}

/// It waits at each step until the test has seen the last one: what is seen is seen while the run goes on.
fn in_steps(folder: &std::path::Path) -> (std::path::PathBuf, String) {
    let fifo = folder.join("steps");
    make_fifo(&fifo);
    let script =
        format!("echo first; while read step; do echo $$step; echo e-$$step >&2; done <{}", fifo.display());
    (fifo, job("steps", &script, ""))
}

#[test]
fn who_follows_is_told_what_there_was_and_what_comes_without_a_gap_and_nothing_twice() {
    let folder = tempfile::tempdir().unwrap();
    let (fifo, ini) = in_steps(folder.path());
    let agent = Beside::start(folder.path(), &ini);
    let run = agent.run("steps");
    let path = format!("/api/runs/{run}/output");
    let mut steps = std::fs::OpenOptions::new().write(true).open(fifo).unwrap();
    agent.wait_for_event("run.output", "steps");
    let mut early = agent.follow(&path, &[("accept", "text/event-stream")]);
    let mut seen = vec![early.next().unwrap()];
    assert_eq!(seen[0].json()["text"], "first\n");
    let mut late = None;
    for n in 0..20 {
        writeln!(steps, "step {n}").unwrap();
        // Line by line: each is seen before the next is asked for.
        let both = |seen: &[Event]| {
            printed(seen, "stdout").ends_with(&format!("step {n}\n"))
                && printed(seen, "stderr").ends_with(&format!("e-step {n}\n"))
        };
        while !both(&seen) {
            seen.push(early.next().unwrap());
        }
        if n == 10 {
            late = Some(agent.follow(&format!("{path}?stream=stdout"), &[("accept", "text/event-stream")]));
        }
    }
    let last = seen[seen.len() / 2].clone();
    let resumed = agent.follow(&path, &[("accept", "text/event-stream"), ("last-event-id", &last.id)]);
    drop(steps);
    seen.extend(early);
    assert_eq!(seen.last().unwrap().name, "end");
    assert_eq!(seen.last().unwrap().json()["outcome"], "succeeded");
    let late: Vec<Event> = late.unwrap().collect();
    assert_eq!(printed(&late, "stdout"), printed(&seen, "stdout"));
    assert_eq!(printed(&late, "stderr"), "");
    let resumed: Vec<Event> = resumed.collect();
    let text = |events: &[Event]| -> String {
        let of = events.iter().filter(|it| it.name == "stdout").map(Event::json);
        of.map(|it: Value| it["text"].as_str().unwrap().to_owned()).collect()
    };
    let at = seen.iter().position(|it| it.id == last.id).unwrap();
    assert_eq!(text(&resumed), text(&seen[at + 1..]), "it goes on from there");
    // When it has ended, the same is answered.
    let again: Vec<Event> = agent.follow(&path, &[("accept", "text/event-stream")]).collect();
    assert_eq!(printed(&again, "stdout"), printed(&seen, "stdout"));
}

#[test]
fn a_follower_that_takes_nothing_costs_the_run_nothing_and_is_given_up() {
    let folder = tempfile::tempdir().unwrap();
    let fifo = folder.path().join("go");
    make_fifo(&fifo);
    let script = format!("read go <{}; head -c 8000000 /dev/zero | tr '\\\\0' x", fifo.display());
    let agent = Beside::start(folder.path(), &job("flood", &script, ""));
    let run = agent.run("flood");
    let path = format!("/api/runs/{run}/output?follow=true");
    let mut stuck: Vec<_> = (0..50).map(|_| agent.follow(&path, &[])).collect();
    writeln!(std::fs::OpenOptions::new().write(true).open(fifo).unwrap()).unwrap();
    let ended = agent.wait_for(1, |it| it["event"] == "run.finished" && it["run"] == *run).remove(0);
    assert_eq!(ended["outcome"], "succeeded");
    let last = stuck.pop().unwrap().last().unwrap();
    assert_eq!(last.name, "lagged", "{last:?}");
}
