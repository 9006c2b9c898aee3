//! Runs that go on while one agent ends and the next takes its place.

use std::{
    path::Path,
    process::Command,
    time::{Duration, SystemTime},
};

use nix::sys::signal::Signal;
use watchbell::{
    history::{
        query::{KeptRun, Reader},
        store::Store,
        write::Batch,
    },
    model::{
        name::{JobId, JobKind},
        run::{Item, Outcome, Printed, RunId, RunRecord, Stream, Trigger},
    },
};

use crate::support::live_engine::{
    Agent, Record, Stage, WORKER, eventually, manager, pause, run as run_command, text,
};

/// Prints a number each half second, and one to the other stream at its end.
const COUNT: &str = "i=0; while [ $$i -lt 16 ]; do i=$$((i+1)); echo line $$i; sleep 0.5; done; echo end >&2";

fn of_job<'a>(event: &'a str, job: &'a str) -> impl Fn(&Record) -> bool + 'a {
    move |it| it["event"] == event && it["job"] == job
}

/// The run as the history has it, and what it printed.
fn kept(agent: &Agent, run: &str) -> (KeptRun, String) {
    let reader = Reader::open(Path::new(agent.state_dir())).unwrap().unwrap();
    let run = RunId(run.into());
    let out = reader.output(&run, Stream::Stdout, 0, u64::MAX).unwrap();
    let text = out.into_iter().flat_map(|it| it.bytes).collect();
    (reader.run(&run).unwrap().unwrap().0, String::from_utf8(text).unwrap())
}

fn lines(last: u32) -> String {
    (1..=last).fold(String::new(), |text, n| text + &format!("line {n}\n"))
}

/// What `docker` has of the containers and services of a job.
fn left(stage: &Stage, job: &str) -> String {
    let filter = format!("label=watchbell.job={job}");
    stage.docker(["ps", "-aq", "--filter", &filter])
}

/// Lets an agent begin a run of a job that comes once, and ends that agent in this way when it has told of `after`.
fn begun(stage: &Stage, kind: &str, job: &str, parameters: &[(&str, &str)], how: Signal) -> (Agent, String) {
    let all =
        [[("run-on-startup", "true"), ("schedule", "@triggered")].to_vec(), parameters.to_vec()].concat();
    let first = stage.agent().file_job(kind, job, &all).arguments(&["--shutdown-grace", "1s"]).start();
    let run = text(&first.wait_for_event("run.started", job), "run").to_owned();
    (ended(first, how), run)
}

fn ended(agent: Agent, how: Signal) -> Agent {
    agent.signal(how);
    agent.wait_for_exit();
    agent
}

/// The next agent in its place, with a job that does not come again by itself.
fn next(stage: &Stage, first: &Agent, kind: &str, job: &str, parameters: &[(&str, &str)]) -> Agent {
    let all = [[("schedule", "@triggered")].to_vec(), parameters.to_vec()].concat();
    stage.agent().file_job(kind, job, &all).after(first).start()
}

#[test]
fn a_container_that_goes_on_while_the_agent_is_replaced_has_succeeded_with_every_line_once() {
    for how in [Signal::SIGTERM, Signal::SIGKILL] {
        let stage = Stage::new();
        let job = stage.name("report");
        let parameters = [("image", WORKER), ("network", "none"), ("shell", "true"), ("command", COUNT)];
        let (first, run) = begun(&stage, "run", &job, &parameters, how);
        let second = next(&stage, &first, "run", &job, &parameters);
        let adopted = second.wait_for_event("run.adopted", &job);
        assert_eq!(text(&adopted, "run"), run, "{adopted}");
        let ended = second.wait_for_end(&job);
        assert_eq!((text(&ended, "outcome"), text(&ended, "run")), ("succeeded", &*run), "{ended}");
        let told: Vec<String> = [&first, &second].iter().flat_map(|it| it.lines(&run, "stdout")).collect();
        let wanted: Vec<String> = lines(16).lines().map(str::to_owned).collect();
        if how == Signal::SIGTERM {
            assert_eq!(told, wanted, "the log has every line once");
        } else {
            // Of the last moment before a kill the history may not have what the log has.
            assert!(wanted.iter().all(|line| told.contains(line)), "{told:?}");
        }
        assert_eq!(second.lines(&run, "stderr"), ["end"]);
        second.terminate();
        second.wait_for_exit();
        let (row, out) = kept(&second, &run);
        assert_eq!(out, lines(16), "the history has every line once");
        assert_eq!(row.printed.stdout, lines(16).len() as u64);
        assert!(row.duration.unwrap() >= Duration::from_secs(8), "from its true start: {row:?}");
        assert_eq!(left(&stage, &job), "");
        assert!(first.records(of_job("run.finished", &job)).is_empty(), "one record");
    }
}

#[test]
fn a_container_that_ends_while_no_agent_runs_is_recorded_with_the_engines_times_and_removed() {
    let stage = Stage::new();
    let job = stage.name("short");
    let command = [("command", "echo one; sleep 1; echo two; exit 3")];
    let parameters =
        [[("image", WORKER), ("network", "none"), ("shell", "true")].to_vec(), command.to_vec()].concat();
    let now = || SystemTime::UNIX_EPOCH.elapsed().expect("after 1970");
    let since = now();
    let (first, run) = begun(&stage, "run", &job, &parameters, Signal::SIGKILL);
    let running = format!("label=watchbell.run={run}");
    eventually("it has ended", || stage.docker(["ps", "-q", "--filter", &running]).is_empty());
    let at_most = now().saturating_sub(since);
    pause(Duration::from_secs(2));
    let second = next(&stage, &first, "run", &job, &parameters);
    let ended = second.wait_for_end(&job);
    assert_eq!((text(&ended, "outcome"), &ended["exit_code"]), ("failed", &3.into()), "{ended}");
    let took = ended["duration_seconds"].as_f64().unwrap();
    assert!(took >= 1.0 && took < at_most.as_secs_f64(), "{at_most:?}: {ended}");
    second.terminate();
    second.wait_for_exit();
    assert_eq!(kept(&second, &run).1, "one\ntwo\n");
    assert_eq!(left(&stage, &job), "");
}

/// The end of this run, however it is told.
#[test]
fn what_the_end_of_a_run_starts_is_started_also_where_it_ended_while_no_agent_ran() {
    for how in [Signal::SIGTERM, Signal::SIGKILL] {
        let stage = Stage::new();
        let (good, bad) = (stage.name("good"), stage.name("bad"));
        let (then, tell, web) = (stage.name("then"), stage.name("tell"), stage.worker("web").start());
        let builder = |schedule| {
            let new = |command| {
                [
                    ("schedule", schedule),
                    ("image", WORKER),
                    ("network", "none"),
                    ("shell", "true"),
                    ("command", command),
                    ("on-success", &*then),
                    ("on-failure", &*tell),
                ]
            };
            let follows = [("schedule", "@triggered"), ("container", &*web), ("command", "true")];
            stage
                .agent()
                .file_job("run", &good, &new("sleep 3"))
                .file_job("run", &bad, &new("sleep 3; exit 3"))
                .file_job("exec", &then, &follows)
                .file_job("exec", &tell, &follows)
                .arguments(&["--shutdown-grace", "1s"])
        };
        let first = builder("@startup").start();
        for job in [&good, &bad] {
            first.wait_for_event("run.started", job);
        }
        let first = ended(first, how);
        eventually("both have ended", || {
            let running =
                |job: &str| stage.docker(["ps", "-q", "--filter", &format!("label=watchbell.job={job}")]);
            running(&good).is_empty() && running(&bad).is_empty()
        });
        let second = builder("@triggered").after(&first).start();
        for (job, outcome, follower) in [(&good, "succeeded", &then), (&bad, "failed", &tell)] {
            assert_eq!(text(&second.wait_for_end(job), "outcome"), outcome);
            let followed = second.wait_for_end(follower);
            assert_eq!(text(&followed, "outcome"), "succeeded", "{followed}");
            assert_eq!(text(&followed, "trigger"), "dependency", "{followed}");
        }
        let ends = second.records(|it| it["event"] == "run.finished");
        assert_eq!(ends.len(), 4, "each once: {ends:?}");
    }
}

fn end_of(agent: &Agent, run: &str) -> Record {
    agent.wait_for("its end", |it| {
        ["run.finished", "run.lost"].contains(&text(it, "event")) && it["run"] == *run
    })
}

#[test]
fn a_command_in_a_container_is_followed_to_its_end_and_its_record_says_what_is_not_known() {
    let stage = Stage::new();
    let web = stage.worker("web").start();
    // What prints when nobody listens has its connection cut: then an Engine of 20.10 does not know how it ends; a later
    // one, and Podman, do.
    for (part, print, outcomes) in [
        ("quiet", "", &["failed"][..]),
        ("loud", "echo unheard; sleep 1; echo and this;", &["lost", "failed"][..]),
    ] {
        let job = stage.name(part);
        let command = format!("sleep 3; {print} sleep 2; echo once >> /tmp/ran-{part}; exit 4");
        let parameters = [("container", &*web), ("shell", "true"), ("command", &*command)];
        let (first, run) = begun(&stage, "exec", &job, &parameters, Signal::SIGKILL);
        let second = next(&stage, &first, "exec", &job, &parameters);
        assert_eq!(text(&second.wait_for_event("run.adopted", &job), "run"), run);
        let ended = end_of(&second, &run);
        assert!(outcomes.contains(&text(&ended, "outcome")), "{ended}");
        if text(&ended, "outcome") == "failed" {
            assert_eq!(ended["exit_code"], 4, "{ended}");
        }
        assert!(text(&ended, "reason").contains("cannot be read"), "{ended}");
        let ran = stage.docker(["exec", &web, "cat", &format!("/tmp/ran-{part}")]);
        assert_eq!(ran, "once", "it is followed until its process has gone, and ran once");
    }
}

#[test]
fn a_command_that_was_adopted_is_ended_at_its_timeout_from_its_true_start() {
    let stage = Stage::new();
    let web = stage.worker("web").start();
    let jobs = ["exec", "run"].map(|kind| (kind, stage.name(kind)));
    for (kind, job) in &jobs {
        let own = if *kind == "exec" { ("container", &*web) } else { ("image", WORKER) };
        let parameters = [own, ("command", "sleep 301"), ("timeout", "6s"), ("grace-period", "1s")];
        let (first, run) = begun(&stage, kind, job, &parameters, Signal::SIGKILL);
        // The job is gone; its run is ended as was ordered.
        let second = stage.agent().after(&first).start();
        let ended = second.wait_for_end(job);
        assert_eq!((text(&ended, "outcome"), text(&ended, "run")), ("timed-out", &*run), "{ended}");
        let took = ended["duration_seconds"].as_f64().unwrap();
        assert!((6.0..12.0).contains(&took), "from its true start: {ended}");
        if *kind == "exec" {
            eventually("its process is gone", || !stage.has_process(&web, "sleep 301"));
        } else {
            eventually("its container is gone", || left(&stage, job).is_empty());
        }
    }
}

#[test]
fn a_run_that_was_adopted_holds_off_the_next_occurrence() {
    let stage = Stage::new();
    let job = stage.name("long");
    let parameters = [("image", WORKER), ("network", "none"), ("command", "sleep 6")];
    let (first, run) = begun(&stage, "run", &job, &parameters, Signal::SIGKILL);
    let all = [[("schedule", "@every 1s")].to_vec(), parameters.to_vec()].concat();
    let second = stage.agent().file_job("run", &job, &all).after(&first).start();
    let skipped = second.wait_for_event("run.skipped", &job);
    assert!(text(&skipped, "reason").contains(&format!("run {run} of {job} is still running")), "{skipped}");
    let ended = second.wait_for_end(&job);
    assert_eq!((text(&ended, "run"), text(&ended, "outcome")), (&*run, "succeeded"), "{ended}");
}

#[test]
fn a_service_is_followed_like_a_fresh_one_with_every_line_once() {
    let stage = Stage::at(manager());
    let job = stage.name("swarm");
    let parameters = [("image", WORKER), ("shell", "true"), ("command", COUNT)];
    let (first, run) = begun(&stage, "service-run", &job, &parameters, Signal::SIGKILL);
    let second = next(&stage, &first, "service-run", &job, &parameters);
    second.wait_for_event("run.adopted", &job);
    let ended = second.wait_for_end(&job);
    assert_eq!((text(&ended, "outcome"), text(&ended, "run")), ("succeeded", &*run), "{ended}");
    second.terminate();
    second.wait_for_exit();
    assert_eq!(kept(&second, &run).1, lines(16));
    let filter = format!("label=watchbell.job={job}");
    eventually("it is gone", || stage.docker(["service", "ls", "-q", "--filter", &filter]).is_empty());
}

#[test]
fn a_process_beside_the_agent_that_outlives_it_is_followed_and_ended_at_its_timeout() {
    let stage = Stage::new();
    let job = stage.name("local");
    let parameters = [("command", "sleep 302"), ("timeout", "4s"), ("grace-period", "1s")];
    let (first, run) = begun(&stage, "local", &job, &parameters, Signal::SIGKILL);
    let second = stage.agent().after(&first).start();
    let ended = second.wait_for_end(&job);
    assert_eq!((text(&ended, "outcome"), text(&ended, "run")), ("timed-out", &*run), "{ended}");
    assert_eq!(super::local::processes_of(&run), Vec::<String>::new());

    let brief = stage.name("brief");
    let (first, run) = begun(&stage, "local", &brief, &[("command", "sleep 2")], Signal::SIGKILL);
    let second = stage.agent().after(&first).start();
    let lost = second.wait_for_event("run.lost", &brief);
    assert_eq!(text(&lost, "run"), run);
    assert!(text(&lost, "reason").contains("exit code"), "{lost}");
}

#[test]
fn a_failed_run_that_was_adopted_makes_the_attempts_that_it_has_left_if_its_job_is_the_same() {
    for same in [true, false] {
        let stage = Stage::new();
        let job = stage.name("again");
        let command = "sleep 3; exit 5";
        let parameters = [
            ("image", WORKER),
            ("network", "none"),
            ("shell", "true"),
            ("command", command),
            ("retries", "1"),
            ("retry-delay", "100ms"),
        ];
        let (first, run) = begun(&stage, "run", &job, &parameters, Signal::SIGKILL);
        let changed = parameters.map(|(name, value)| (name, if value == command { "exit 6" } else { value }));
        let second = next(&stage, &first, "run", &job, if same { &parameters } else { &changed });
        let ended = second.wait_for_end(&job);
        assert_eq!((text(&ended, "run"), &ended["exit_code"]), (&*run, &5.into()), "{ended}");
        assert_eq!(ended["attempt"], if same { 2 } else { 1 }, "{ended}");
        assert_eq!(text(&ended, "reason").contains("removed or changed"), !same, "{ended}");
        eventually("nothing is left", || left(&stage, &job).is_empty());
    }
}

/// A second after it began a run is asked to end, which it ignores; half a second later the agent is killed.
fn asked_to_end(stage: &Stage, kind: &str, job: &str, parameters: &[(&str, &str)]) -> (Agent, String) {
    let all =
        [[("run-on-startup", "true"), ("schedule", "@triggered")].to_vec(), parameters.to_vec()].concat();
    let first = stage.agent().file_job(kind, job, &all).start();
    let run = text(&first.wait_for_event("run.started", job), "run").to_owned();
    pause(Duration::from_secs(1));
    let mut stop = Command::new(env!("CARGO_BIN_EXE_watchbell"));
    run_command(stop.args(["stop", &run, "--state-dir"]).arg(first.state_dir())).unwrap();
    pause(Duration::from_millis(500));
    (ended(first, Signal::SIGKILL), run)
}

#[test]
fn what_an_operator_asked_to_end_is_stopped_by_the_next_agent_and_not_tried_again() {
    let stage = Stage::new();
    let web = stage.worker("web").start();
    let ignores = "trap '' TERM; while true; do sleep 0.2; done";
    for kind in ["run", "exec", "local"] {
        let job = stage.name(kind);
        let own = match kind {
            "run" => [("image", WORKER), ("network", "none")].to_vec(),
            "exec" => [("container", &*web)].to_vec(),
            _ => Vec::new(),
        };
        let common = [
            ("shell", "true"),
            ("command", ignores),
            ("grace-period", "4s"),
            ("retries", "2"),
            ("retry-delay", "1s"),
        ];
        let parameters = [own, common.to_vec()].concat();
        let (first, run) = asked_to_end(&stage, kind, &job, &parameters);
        if kind == "run" {
            // The Engine goes on with what it was asked.
            let running = format!("label=watchbell.run={run}");
            eventually("it has ended", || stage.docker(["ps", "-q", "--filter", &running]).is_empty());
        }
        let second = next(&stage, &first, kind, &job, &parameters);
        let ended = second.wait_for_end(&job);
        assert_eq!((text(&ended, "run"), text(&ended, "outcome")), (&*run, "stopped"), "{ended}");
        assert_eq!(text(&ended, "reason").split(';').next(), Some("an operator stopped it"), "{ended}");
        assert!(second.records(of_job("run.started", &job)).is_empty());
        eventually("nothing is left", || left(&stage, &job).is_empty());
    }
    assert!(!stage.has_process(&web, "sleep 0.2"));
}

#[test]
fn what_ended_in_the_grace_period_of_its_timeout_while_no_agent_ran_has_timed_out() {
    let stage = Stage::new();
    let job = stage.name("late");
    let parameters = [
        ("image", WORKER),
        ("network", "none"),
        ("shell", "true"),
        ("command", "trap '' TERM; while true; do sleep 0.2; done"),
        ("timeout", "2s"),
        ("grace-period", "4s"),
    ];
    let all =
        [[("run-on-startup", "true"), ("schedule", "@triggered")].to_vec(), parameters.to_vec()].concat();
    let first = stage.agent().file_job("run", &job, &all).start();
    let run = text(&first.wait_for_event("run.started", &job), "run").to_owned();
    pause(Duration::from_secs(3));
    let first = ended(first, Signal::SIGKILL);
    let running = format!("label=watchbell.run={run}");
    eventually("it has ended", || stage.docker(["ps", "-q", "--filter", &running]).is_empty());
    let second = next(&stage, &first, "run", &job, &parameters);
    let ended = second.wait_for_end(&job);
    assert_eq!((text(&ended, "run"), text(&ended, "outcome")), (&*run, "timed-out"), "{ended}");
}

#[test]
fn a_container_and_a_service_go_on_as_runs_where_the_history_was_lost() {
    let stage = Stage::at(manager());
    for kind in ["run", "service-run"] {
        let job = stage.name(kind);
        let mut parameters = vec![("image", WORKER), ("command", "sleep 8")];
        if kind == "run" {
            parameters.push(("network", "none"));
        }
        let (first, run) = begun(&stage, kind, &job, &parameters, Signal::SIGKILL);
        let file = Path::new(first.state_dir()).join("watchbell.db");
        std::fs::write(&file, [0x5a; 8192]).unwrap();
        for companion in ["watchbell.db-wal", "watchbell.db-shm"] {
            let _ = std::fs::remove_file(Path::new(first.state_dir()).join(companion));
        }
        let all = [[("schedule", "@every 1s")].to_vec(), parameters.clone()].concat();
        let second = stage.agent().file_job(kind, &job, &all).after(&first).start();
        let skipped = second.wait_for_event("run.skipped", &job);
        assert!(
            text(&skipped, "reason").contains(&format!("run {run} of {job} is still running")),
            "{skipped}"
        );
        let mut problems = Command::new(env!("CARGO_BIN_EXE_watchbell"));
        let problems = problems.args(["problems", "--state-dir"]).arg(second.state_dir()).output().unwrap();
        assert!(String::from_utf8_lossy(&problems.stdout).contains("put aside"), "{problems:?}");
        let ended = second.wait_for_end(&job);
        assert_eq!((text(&ended, "run"), text(&ended, "outcome")), (&*run, "succeeded"), "{ended}");
        assert_eq!(second.records(|it| it["event"] == "run.leftover" && it["run"] == *run).len(), 0);
        second.terminate();
        second.wait_for_exit();
        assert_eq!(kept(&second, &run).0.end.unwrap().outcome, "succeeded");
        let label = format!("label=watchbell.run={run}");
        eventually("it is removed", || {
            stage.docker(["ps", "-aq", "--filter", &label]).is_empty()
                && stage.docker(["service", "ls", "-q", "--filter", &label]).is_empty()
        });
    }
}

/// A run that has its record.
fn recorded(run: &str) -> RunRecord {
    let at: jiff::Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    RunRecord {
        run: RunId(run.into()),
        job: JobId::plain("old"),
        kind: JobKind::Run,
        trigger: Trigger::Schedule,
        occurrence: at,
        fires: at,
        admitted: at,
        started: Some(at),
        ended: at,
        container: None,
        duration: None,
        outcome: Outcome::Lost { reason: "it was given up".to_owned() },
        attempts: 1,
        printed: Printed::default(),
        no_more: None,
        note: None,
        and_more: 0,
    }
}

#[test]
fn what_nobody_waits_for_is_removed_and_what_is_another_agents_is_not() {
    let stage = Stage::new();
    let agent = stage.agent().start();
    agent.wait_until_ready();
    let agent = ended(agent, Signal::SIGTERM);
    let own = std::fs::read_to_string(Path::new(agent.state_dir()).join("installation")).unwrap();
    let make = |part: &str, installation: &str, command: &[&str]| {
        let labels = [
            format!("watchbell.agent={installation}"),
            "watchbell.job=old".to_owned(),
            format!("watchbell.run=00000000000000000000000{part}"),
            "watchbell.occurrence=2026-01-01T00:00:00Z".to_owned(),
            stage.label(),
        ];
        let name = stage.name(part);
        let mut arguments = vec!["run", "-d", "--network", "none", "--name", &name];
        arguments.extend(labels.iter().flat_map(|it| ["--label", it]));
        arguments.push(WORKER);
        arguments.extend(command);
        stage.docker(arguments);
        name
    };
    let [ended_one, runs, foreign] = [
        make("ead", own.trim(), &["true"]),
        make("eaf", own.trim(), &["sleep", "100"]),
        make("eag", "SOMEONEELSE", &["true"]),
    ];
    let there = |name: &str| !stage.docker(["ps", "-aq", "--filter", &format!("name=^{name}$")]).is_empty();
    let mut store = Store::open(Path::new(agent.state_dir()), 64 << 20).unwrap();
    let items =
        ["ead", "eaf"].map(|part| Item::Ended(recorded(&format!("00000000000000000000000{part}")), None));
    store.write(&Batch { items: items.into(), ..Batch::default() }).unwrap();
    drop(store);
    let second = stage.agent().after(&agent).start();
    eventually("what has ended is gone", || !there(&ended_one));
    second.wait_for("that one goes on", |it| {
        it["event"] == "run.leftover" && text(it, "reason").contains("goes on")
    });
    assert!(there(&runs) && there(&foreign));
    stage.docker(["kill", &runs]);
    eventually("that one is gone as well when it has ended", || !there(&runs));
    assert!(there(&foreign));
}

/// Mistake 26. The worst of it: the history that knew of that run is gone.
#[test]
fn a_container_that_a_crash_left_blocks_no_later_run() {
    let stage = Stage::new();
    let job = stage.name("beat");
    let parameters = |command: &'static str| {
        [("image", WORKER), ("network", "none"), ("schedule", "* * * * * *"), ("command", command)]
    };
    let first = stage.agent().file_job("run", &job, &parameters("sleep 8")).start();
    let begun = first.wait_for_event("run.started", &job);
    let first = ended(first, Signal::SIGKILL);
    let name = text(&begun, "container").to_owned();
    let there = || stage.docker(["ps", "-aq", "--filter", &format!("name=^{name}$")]);
    assert!(!there().is_empty(), "the crash left {name}");
    for file in ["watchbell.db", "watchbell.db-wal", "watchbell.db-shm"] {
        std::fs::remove_file(Path::new(first.state_dir()).join(file)).unwrap();
    }

    let second = stage.agent().file_job("run", &job, &parameters("true")).after(&first).start();
    let adopted = second.wait_for_event("run.adopted", &job);
    assert_eq!(adopted["run"], begun["run"], "whose work may be worth something is not ended");
    let succeeded = |it: &Record| of_job("run.finished", &job)(it) && it["outcome"] == "succeeded";
    let third = second.wait_for_nth("itself and two runs after it", 3, succeeded);
    let ends = second.records(|it| text(it, "event") == "run.finished" && it["run"] == begun["run"]);
    assert_eq!(ends.len(), 1, "it has its record");
    eventually("and is removed", || there().is_empty());
    // Those that were due meanwhile had a run each, or a record that says why not.
    let passed = second.records(|it| it["job"] == *job && it["occurrence"].is_string());
    assert!(passed.iter().all(|it| {
        ["run.adopted", "run.started", "run.finished", "run.skipped"].contains(&text(it, "event"))
    }));
    assert_ne!(third["occurrence"], begun["occurrence"]);
}
