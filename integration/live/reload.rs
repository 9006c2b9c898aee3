//! Files that change while the agent runs, in every way in which people and programs change them.

use std::{fs, path::Path, time::Duration};

use nix::sys::signal::Signal;

use crate::support::live_engine::{Agent, Record, Stage, pause, text};

/// A file with these jobs, which run every two seconds.
fn file(jobs: &[(&str, &str)]) -> String {
    let section = |(name, command): &(&str, &str)| {
        format!("[job-local \"{name}\"]\nenabled = true\nschedule = @every 2s\ncommand = {command}\n")
    };
    "[job-defaults]\nenabled = false\n".to_owned() + &jobs.iter().map(section).collect::<String>()
}

fn wait_for_reload(agent: &Agent, number: usize) {
    agent.wait_for_nth(&format!("reading number {number}"), number, |it| it["event"] == "config.reloaded");
}

/// What became of a job, in order.
fn changes(agent: &Agent, job: &str) -> Vec<String> {
    let events = agent.records(|it| text(it, "job") == job && text(it, "event").starts_with("job."));
    events.iter().map(|it| format!("{} {}", text(it, "event"), text(it, "reason"))).collect()
}

fn replace(path: &Path, content: &str) {
    let beside = path.with_extension("new");
    fs::write(&beside, content).expect("it is written");
    fs::rename(beside, path).expect("it is put in place");
}

#[test]
fn a_file_is_taken_again_however_it_was_changed_and_what_it_does_not_touch_goes_on() {
    let stage = Stage::new();
    let [stays, edited] = ["stays", "edited"].map(|it| stage.name(it));
    let agent = stage.agent().config(&file(&[(&stays, "echo same"), (&edited, "echo 1")])).start();
    let path = agent.config();
    agent.wait_for_end(&stays);

    // In place.
    fs::write(&path, file(&[(&stays, "echo same"), (&edited, "echo 2")])).expect("it is written");
    wait_for_reload(&agent, 1);
    // By a rename over it.
    replace(&path, &file(&[(&stays, "echo same"), (&edited, "echo 3")]));
    wait_for_reload(&agent, 2);
    // Emptied, and written a moment later.
    fs::write(&path, "").expect("it is emptied");
    pause(Duration::from_millis(300));
    fs::write(&path, file(&[(&stays, "echo same"), (&edited, "echo 4")])).expect("it is written");
    wait_for_reload(&agent, 3);
    // By a link that points elsewhere, as a volume of Kubernetes is changed.
    let data = path.with_file_name("data");
    fs::write(&data, file(&[(&stays, "echo same"), (&edited, "echo 5")])).expect("it is written");
    let link = path.with_file_name("link");
    std::os::unix::fs::symlink(&data, &link).expect("a link");
    fs::rename(&link, &path).expect("it is put in place");
    wait_for_reload(&agent, 4);

    let last = agent.wait_for("the last command ran", |it| {
        it["event"] == "run.output" && it["job"] == *edited && it["line"] == "5"
    });
    assert_eq!(text(&last, "stream"), "stdout");
    assert_eq!(changes(&agent, &stays), ["job.added "]);
    let expected: Vec<_> =
        ["job.added "].into_iter().chain(["job.updated changed: command"; 4]).map(str::to_owned).collect();
    assert_eq!(changes(&agent, &edited), expected);
    // Every occurrence of the job that was not touched came, and in its time.
    let begun = agent.records(|it| it["event"] == "run.started" && it["job"] == *stays);
    let at = |it: &Record| text(it, "occurrence").parse::<jiff::Timestamp>().expect("a time").as_second();
    assert!(begun.len() > 4);
    for pair in begun.windows(2) {
        assert_eq!(at(&pair[1]) - at(&pair[0]), 2, "{pair:?}");
    }
    assert_eq!(agent.records(|it| it["event"] == "run.missed").len(), 0);
}

#[test]
fn a_broken_file_and_one_that_is_gone_keep_the_old_set_until_they_are_mended() {
    let stage = Stage::new();
    let [kept, running] = ["kept", "running"].map(|it| stage.name(it));
    let good = file(&[(&kept, "echo kept"), (&running, "sleep 9")]);
    let agent = stage.agent().config(&good).start();
    let path = agent.config();
    agent.wait_for_event("run.started", &running);

    replace(&path, &good.replace("echo kept", "echo new").replace("[job-defaults]", "[job-defaults\n"));
    let told = agent.wait_for("it is refused", |it| it["event"] == "config.rejected");
    assert_eq!(text(&told, "origin"), format!("{}:1", path.display()));
    fs::remove_file(&path).expect("it is removed");
    let told = agent.wait_for("its absence is told", |it| {
        it["event"] == "config.rejected" && text(it, "reason").contains("cannot be read")
    });
    assert!(text(&told, "reason").contains("what was read before stays in force"), "{told}");
    assert_eq!(agent.records(|it| it["event"] == "config.reloaded").len(), 0);
    assert_eq!(changes(&agent, &kept), ["job.added "]);

    // What it was before is a reading like any other.
    replace(&path, &good.replace("echo kept", "echo mended"));
    wait_for_reload(&agent, 1);
    agent.wait_for("the new command ran", |it| it["job"] == *kept && it["line"] == "mended");
    let ended = agent.wait_for_end(&running);
    assert_eq!(text(&ended, "outcome"), "succeeded", "the run that went on meanwhile: {ended}");
}

#[test]
fn sighup_reads_the_files_at_once_and_settings_that_cannot_change_say_so() {
    let stage = Stage::new();
    let job = stage.name("job");
    let agent = stage.agent().config(&file(&[(&job, "sleep 3")])).start();
    agent.wait_for_event("job.added", &job);
    agent.signal(Signal::SIGHUP);
    wait_for_reload(&agent, 1);
    assert_eq!(changes(&agent, &job), ["job.added "]);

    let settings = "[global]\nmax-concurrent-runs = 1\nlog-level = debug\nshutdown-grace = 1s\n";
    let two = file(&[(&job, "sleep 3"), (&stage.name("other"), "sleep 3")]);
    fs::write(agent.config(), format!("{settings}{two}")).expect("it is written");
    agent.signal(Signal::SIGHUP);
    let told = agent.wait_for("the setting is told", |it| it["event"] == "config.doubtful");
    assert_eq!(text(&told, "origin"), format!("{}:3", agent.config().display()));
    assert!(text(&told, "reason").contains("start it again to take the new value"), "{told}");
    agent.wait_for("the cap holds", |it| {
        it["event"] == "run.skipped" && text(it, "reason").contains("max-concurrent-runs")
    });
    agent.signal(Signal::SIGTERM);
    let stopping = agent.wait_for("it stops", |it| it["event"] == "agent.stopping");
    assert_eq!(stopping["grace_seconds"], 1.0, "{stopping}");
}
