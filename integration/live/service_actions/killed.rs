//! Actions whose agent ends in the middle of them: the next one follows them to their end, and does nothing twice.

use std::{fmt::Write, path::Path, sync::Arc, time::Duration};

use nix::sys::signal::Signal;
use serde_json::Value;
use watchbell::{
    history::{
        query::{Filter, Reader},
        store::Store,
        write::Batch,
    },
    model::{
        name::{JobId, JobKind},
        run::{Admitted, Item, RunId, Trigger, WorkHandle},
        service::{Followed, Tasks, Wants},
        unfinished::Terms,
    },
};

use crate::support::live_engine::{Agent, Record, Stage, WORKER, eventually, manager, pause, text};

use super::{Deployed, ONCE, outcome};

/// Which of its service's tasks it is, in each of them.
const SLOT: [&str; 2] = ["--env", "SLOT={{.Task.Slot}}"];

type Parameters<'a> = [(&'a str, &'a str)];

/// A run that goes on, and the agent that began it and has ended.
struct Begun {
    agent: Agent,
    job: String,
    run: String,
}

/// Lets an agent begin a run, and ends it in this way as soon as that shows.
fn begun(deployed: &Deployed, own: &Parameters<'_>, how: Signal, shows: impl FnMut() -> bool) -> Begun {
    let job = deployed.stage.name("job");
    let once = [&[("schedule", "@triggered"), ("run-on-startup", "true")], own].concat();
    let agent = deployed.stage.agent().arguments(&["--shutdown-grace", "100ms"]);
    let agent = agent.file_job("service-run", &job, &once).start();
    let run = text(&agent.wait_for_event("run.started", &job), "run").to_owned();
    eventually("it has begun", shows);
    agent.signal(how);
    agent.wait_for_exit();
    let told = |it: &Record| it["run"] == *run && ["run.finished", "run.output"].contains(&text(it, "event"));
    assert_eq!(agent.records(told), Vec::<Record>::new(), "it went on");
    Begun { agent, job, run }
}

/// The next agent, when it has recorded the run, and that record.
fn next(deployed: &Deployed, begun: &Begun, own: &Parameters<'_>) -> (Agent, Record) {
    let after = [&[("schedule", "@triggered")], own].concat();
    let agent = deployed.stage.agent().file_job("service-run", &begun.job, &after).after(&begun.agent);
    ended(agent.start(), &begun.run)
}

fn ended(agent: Agent, run: &str) -> (Agent, Record) {
    let is_end = |it: &Record| ["run.finished", "run.lost"].contains(&text(it, "event"));
    let ended = agent.wait_for("its end", |it| is_end(it) && it["run"] == *run);
    agent.terminate();
    agent.wait_for_exit();
    assert_eq!(agent.records(|it| it["event"] == "run.leftover"), Vec::<Record>::new());
    (agent, ended)
}

fn was_adopted(agent: &Agent, run: &str) -> bool {
    !agent.records(|it| it["event"] == "run.adopted" && it["run"] == *run).is_empty()
}

fn own<'a>(deployed: &'a Deployed, action: &'a str, more: &Parameters<'a>) -> Vec<(&'a str, &'a str)> {
    [&[("service", &*deployed.service), ("action", action)], more].concat()
}

fn replicas(deployed: &Deployed) -> Value {
    deployed.spec()["Mode"]["Replicated"]["Replicas"].clone()
}

#[test]
fn a_run_has_the_result_of_its_tasks_their_output_once_and_the_service_is_left_as_it_was() {
    let command = "echo begun $SLOT; sleep 6; echo done $SLOT; exit $CODE";
    for (how, code, good, result) in [
        (Signal::SIGKILL, "0", "0", "succeeded"),
        (Signal::SIGKILL, "3", "0", "failed"),
        (Signal::SIGTERM, "3", "0,3", "succeeded"),
    ] {
        let variable = format!("CODE={code}");
        let deployed =
            Deployed::new(&[&ONCE[..], &SLOT, &["--env", &variable]].concat(), &["sh", "-c", command]);
        let own = own(&deployed, "run", &[("replicas", "2"), ("success-codes", good)]);
        let begun = begun(&deployed, &own, how, || deployed.running().len() == 2);
        let (agent, ended) = next(&deployed, &begun, &own);
        assert!(was_adopted(&agent, &begun.run));
        assert_eq!(outcome(&ended), (result, &code.parse::<i64>().unwrap().into()), "{ended}");
        assert_eq!(text(&ended, "container"), deployed.service, "{ended}");
        assert_eq!(agent.lines(&begun.run, "stdout"), ["begun 1", "done 1", "begun 2", "done 2"]);
        let spec = deployed.spec();
        assert_eq!((replicas(&deployed), &spec["TaskTemplate"]["ForceUpdate"]), (0.into(), &1.into()));
        eventually("its tasks are gone", || deployed.running().is_empty());
    }
}

#[test]
fn a_run_that_ended_while_no_agent_ran_is_recorded_with_its_exit_code_and_output() {
    let deployed = Deployed::new(&ONCE, &["sh", "-c", "echo ran; sleep 2; exit 3"]);
    let own = own(&deployed, "run", &[]);
    let begun = begun(&deployed, &own, Signal::SIGKILL, || deployed.running().len() == 1);
    eventually("it has ended", || deployed.running().is_empty());
    let (agent, ended) = next(&deployed, &begun, &own);
    assert_eq!(outcome(&ended), ("failed", &3.into()), "{ended}");
    assert_eq!(agent.lines(&begun.run, "stdout"), ["ran"]);
    assert_eq!(replicas(&deployed), 0);
}

#[test]
fn a_run_is_ended_at_its_timeout_from_its_true_start() {
    let deployed = Deployed::new(&ONCE, &["sleep", "1000"]);
    let own = own(&deployed, "run", &[("timeout", "6s")]);
    let begun = begun(&deployed, &own, Signal::SIGKILL, || deployed.running().len() == 1);
    let (_, ended) = next(&deployed, &begun, &own);
    assert_eq!((text(&ended, "outcome"), text(&ended, "reason")), ("timed-out", ""), "{ended}");
    let took = ended["duration_seconds"].as_f64().unwrap();
    assert!((6.0..15.0).contains(&took), "{ended}");
    assert_eq!(replicas(&deployed), 0);
    eventually("its task is gone", || deployed.running().is_empty());
}

#[test]
fn a_restart_is_done_once_and_has_succeeded_when_the_swarm_calls_it_complete() {
    for how in [Signal::SIGKILL, Signal::SIGTERM] {
        let deployed = Deployed::new(&["--replicas", "2", "--update-monitor", "3s"], &["sleep", "1000"]);
        eventually("both run", || deployed.running().len() == 2);
        let (before, own) = (deployed.running(), own(&deployed, "restart", &[]));
        let begun = begun(&deployed, &own, how, || true);
        let (agent, ended) = next(&deployed, &begun, &own);
        assert!(was_adopted(&agent, &begun.run));
        assert_eq!(outcome(&ended), ("succeeded", &Value::Null), "{ended}");
        let after = deployed.running();
        assert!(after.len() == 2 && after.iter().all(|it| !before.contains(it)), "{before:?} {after:?}");
        assert_eq!(deployed.spec()["TaskTemplate"]["ForceUpdate"], 1, "once");
    }
}

/// The Swarm tells how its newest update goes, and nothing of the one before.
#[test]
fn a_restart_after_which_someone_else_restarted_the_service_is_lost_and_says_so() {
    let deployed = Deployed::new(&["--replicas", "1", "--update-monitor", "3s"], &["sleep", "1000"]);
    eventually("it runs", || deployed.running().len() == 1);
    let own = own(&deployed, "restart", &[]);
    let begun = begun(&deployed, &own, Signal::SIGKILL, || true);
    deployed.stage.docker(["service", "update", "-d", "--force", "--no-resolve-image", &deployed.service]);
    let (_, ended) = next(&deployed, &begun, &own);
    assert_eq!(text(&ended, "outcome"), "lost", "{ended}");
    let reason = text(&ended, "reason");
    assert!(reason.contains("someone else") && reason.contains("docker service ps"), "{ended}");
}

#[test]
fn a_service_is_scaled_and_the_record_waits_for_its_tasks() {
    let deployed = Deployed::new(&["--replicas", "1"], &["sleep", "1000"]);
    eventually("it runs", || deployed.running().len() == 1);
    for (how, count) in [(Signal::SIGKILL, "3"), (Signal::SIGTERM, "0")] {
        let own = own(&deployed, "scale", &[("replicas", count)]);
        let begun = begun(&deployed, &own, how, || true);
        let (agent, ended) = next(&deployed, &begun, &own);
        assert!(was_adopted(&agent, &begun.run));
        assert_eq!(outcome(&ended), ("succeeded", &Value::Null), "{ended}");
        assert_eq!(deployed.running().len(), count.parse::<usize>().unwrap());
    }
}

#[test]
fn of_a_service_that_is_scaled_tasks_that_failed_before_do_not_count_and_new_ones_do() {
    // The first start of the first task finds no flag, and the third task no folder.
    let command = "[ $SLOT != 1 ] || [ -e /own/x ] || { touch /own/x; exit 5; }; sleep 1000";
    let folders = Stage::at(manager());
    for slot in ["1", "2"] {
        std::fs::create_dir(folders.dir().join(slot)).expect("a folder");
    }
    let mount = format!("type=bind,source={}/{{{{.Task.Slot}}}},target=/own", folders.dir().display());
    let options = ["--replicas", "0", "--mount", &mount, "--restart-delay", "1s"];
    let deployed = Deployed::new(&[&options[..], &SLOT].concat(), &["sh", "-c", command]);
    deployed.stage.docker(["service", "scale", "-d", &format!("{}=1", deployed.service)]);
    eventually("it has failed once and runs", || {
        let states = ["service", "ps", "--format", "{{.CurrentState}}", &deployed.service];
        let states = deployed.stage.docker(states);
        states.contains("Failed") && states.contains("Running")
    });
    for (count, result) in [("2", "succeeded"), ("3", "failed")] {
        let own = own(&deployed, "scale", &[("replicas", count)]);
        let begun = begun(&deployed, &own, Signal::SIGKILL, || true);
        let (_, ended) = next(&deployed, &begun, &own);
        assert_eq!(outcome(&ended), (result, &Value::Null), "{ended}");
        assert_eq!(text(&ended, "reason").contains("task 3: "), result == "failed", "{ended}");
    }
}

#[test]
fn a_service_that_someone_else_scaled_since_is_lost_and_says_so() {
    let deployed = Deployed::new(&["--replicas", "1"], &["sleep", "1000"]);
    let own = own(&deployed, "scale", &[("replicas", "3")]);
    let begun = begun(&deployed, &own, Signal::SIGKILL, || true);
    deployed.stage.docker(["service", "scale", "-d", &format!("{}=2", deployed.service)]);
    let (_, ended) = next(&deployed, &begun, &own);
    assert_eq!(text(&ended, "outcome"), "lost", "{ended}");
    assert!(text(&ended, "reason").contains("it wants 2 tasks now and not 3"), "{ended}");
    assert_eq!(replicas(&deployed), 2);
}

/// Writes a run as an agent leaves it that is killed with this in its row, and has the next one record it.
fn left(deployed: &Deployed, back: Option<u64>, followed: Option<Followed>) -> Record {
    let first = deployed.stage.agent().start();
    first.wait_until_ready();
    first.terminate();
    first.wait_for_exit();
    let (run, at) = (RunId("00000000000000000000000ead".into()), "2026-01-01T00:00:00Z".parse().unwrap());
    let admitted = Admitted {
        run: run.clone(),
        job: JobId::plain(&deployed.stage.name("job")),
        kind: JobKind::ServiceRun,
        trigger: Trigger::Manual,
        occurrence: at,
        fires: at,
        admitted: at,
        container: Some(deployed.service.clone()),
        terms: Some(Arc::new(Terms::unknown())),
    };
    let service = deployed.stage.docker(["service", "inspect", "--format", "{{.ID}}", &deployed.service]);
    let handle = WorkHandle::Change { service, back, followed };
    let items =
        vec![Item::Begins(admitted), Item::AttemptStarted { run: run.clone(), number: 1, at, handle }];
    let mut store = Store::open(Path::new(first.state_dir()), 64 << 20).unwrap();
    store.write(&Batch { items, ..Batch::default() }).unwrap();
    drop(store);
    ended(deployed.stage.agent().after(&first).start(), &run.0).1
}

#[test]
fn a_service_that_was_not_changed_yet_is_not_changed_any_more_and_its_run_was_not_started() {
    let deployed = Deployed::new(&ONCE, &["true"]);
    let (spec, format) = (deployed.spec(), "{{.Version.Index}}");
    let version = deployed.stage.docker(["service", "inspect", "--format", format, &deployed.service]);
    let version = version.parse().expect("a number");
    let wants = Wants::Ended(Tasks::Replicas(1));
    let ended = left(&deployed, Some(0), Some(Followed { mark: 1, version, newest: None, wants }));
    assert_eq!(text(&ended, "outcome"), "not-started", "{ended}");
    assert!(text(&ended, "reason").contains("ended before it changed the service"), "{ended}");
    assert_eq!(deployed.spec(), spec);
}

#[test]
fn what_an_earlier_version_began_is_lost_and_what_it_gave_the_service_is_taken_back() {
    let deployed = Deployed::new(&ONCE, &["sleep", "5"]);
    deployed.stage.docker(["service", "scale", "-d", &format!("{}=1", deployed.service)]);
    eventually("its task runs", || deployed.running().len() == 1);
    let ended = left(&deployed, Some(0), None);
    assert_eq!(text(&ended, "outcome"), "lost", "{ended}");
    let reason = text(&ended, "reason");
    assert!(reason.contains("docker service ps") && reason.contains("it has 0 again"), "{ended}");
    assert!(deployed.running().is_empty(), "its task went on to its end");
    assert_eq!(replicas(&deployed), 0);
}

/// Moments that nobody chose: some are between the row and the change, and between the end and the record.
#[test]
fn whenever_the_agent_is_killed_each_run_has_one_record_and_the_service_is_left_as_it_was() {
    let volume = Stage::at(manager());
    let name = volume.name("ran");
    let mount = format!("type=volume,source={name},target=/ran");
    let command = "echo $SLOT at $(date -u +%T) >> /ran/ran; sleep 0.5";
    let deployed = Deployed::new(&[&ONCE[..], &SLOT, &["--mount", &mount]].concat(), &["sh", "-c", command]);
    let job = deployed.stage.name("job");
    let agent = |last: Option<&Agent>, schedule| {
        let all = [&[("schedule", schedule)], &*own(&deployed, "run", &[("history", "1000 runs")])].concat();
        let builder = deployed.stage.agent().file_job("service-run", &job, &all);
        match last {
            Some(last) => builder.after(last).start(),
            None => builder.start(),
        }
    };
    // What was told of its runs, for whoever has to find out why they are not as many as they should be.
    let mut told = String::new();
    let mut tell = |of: &Agent| {
        for it in of.records(|it| !it["run"].is_null()) {
            writeln!(told, "{} {} {}", it["timestamp"], it["event"], it["run"]).unwrap();
        }
        told += "killed\n";
    };
    let mut last = agent(None, "@triggered");
    for round in 0..8_u64 {
        last.signal(Signal::SIGKILL);
        last.wait_for_exit();
        tell(&last);
        last = agent(Some(&last), "@every 1s");
        last.wait_for("it began", |it| it["event"] == "agent.started");
        pause(Duration::from_millis(900 + 370 * round));
    }
    last.signal(Signal::SIGKILL);
    last.wait_for_exit();
    tell(&last);
    let last = agent(Some(&last), "@triggered");
    last.wait_until_ready();
    let reader = || Reader::open(Path::new(last.state_dir())).unwrap().unwrap();
    eventually("each has its record", || reader().unfinished().unwrap().is_empty());
    last.terminate();
    last.wait_for_exit();
    tell(&last);
    assert_eq!(replicas(&deployed), 0);
    eventually("nothing runs", || deployed.running().is_empty());

    let rows = reader().runs(&Filter::default(), u32::MAX).unwrap();
    let outcomes: Vec<String> = rows.iter().filter_map(|it| Some(it.end.as_ref()?.outcome.clone())).collect();
    let kept: Vec<String> = rows.iter().map(|it| format!("{} {:?}", it.run, it.end)).collect();
    let all = format!("{told}and kept is\n{}", kept.join("\n"));
    let begun = |it: &&String| ["succeeded", "lost"].contains(&&***it);
    let ran = ["run", "--rm", "--network", "none", "-v", &format!("{name}:/ran"), WORKER, "cat", "/ran/ran"];
    let ran = volume.docker(ran);
    assert!(ran.lines().count() <= outcomes.iter().filter(begun).count(), "{ran}\n{all}");
    let succeeded = outcomes.iter().filter(|it| **it == "succeeded").count();
    assert!(ran.lines().count() >= succeeded, "{ran}\n{all}");
    drop(deployed);
    eventually("the volume is free", || volume.try_docker(["volume", "rm", &name]).is_ok());
}
