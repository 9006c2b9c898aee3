//! Jobs of kind `run`, from the INI file: a container for each run, and none afterwards.

use crate::support::live_engine::{LIMIT, Record, Stage, WORKER, eventually, text};

/// The containers with this name, stopped ones included.
fn there(stage: &Stage, name: &str) -> String {
    stage.docker(["ps", "-aq", "--filter", &format!("name={name}")])
}

fn unix_time(record: &Record) -> i64 {
    text(record, "occurrence").parse::<jiff::Timestamp>().expect("a time").as_second()
}

/// Mistake 28.
#[test]
fn a_run_has_its_own_container_with_name_labels_environment_and_exactly_its_networks() {
    let stage = Stage::new();
    let job = stage.name("report");
    let network = stage.network("net");
    // Names that contain the name, and that it contains: matching a part would take one of these.
    stage.network("net-2");
    stage.network("ne");
    let parameters = [
        ("schedule", "@every 2s"),
        ("image", WORKER),
        ("shell", "true"),
        ("command", "echo $$GREETING $$(id -u) $$(pwd); echo oops >&2; sleep 4; exit 4"),
        ("environment", "GREETING=a b; c"),
        ("user", "nobody"),
        ("workdir", "/tmp"),
        ("network", &network),
    ];
    let agent = stage.agent().file_job("run", &job, &parameters).start();

    let started = agent.wait_for_event("run.started", &job);
    let (name, run) = (text(&started, "container"), text(&started, "run"));
    assert_eq!(name, format!("watchbell-{job}-{}", unix_time(&started)));
    let networks = "{{range $name, $_ := .NetworkSettings.Networks}}{{$name}} {{end}}";
    assert_eq!(stage.inspect(name, networks).trim(), network);
    let label = |key: &str| stage.inspect(name, &format!("{{{{index .Config.Labels \"{key}\"}}}}"));
    assert_eq!(label("watchbell.job"), job);
    assert_eq!(label("watchbell.run"), run);
    assert_eq!(label("watchbell.occurrence"), text(&started, "occurrence"));
    assert_ne!(label("watchbell.agent"), "");

    let ended = agent.wait_for("it ends", |it| it["event"] == "run.finished" && it["run"] == *run);
    assert_eq!((text(&ended, "outcome"), &ended["exit_code"]), ("failed", &4.into()), "{ended}");
    assert_eq!(agent.lines(run, "stdout"), ["a b; c 65534 /tmp"]);
    assert_eq!(agent.lines(run, "stderr"), ["oops"]);
    eventually("its container is removed", || there(&stage, name).is_empty());
    let misread = agent.records(|it| text(it, "origin").contains(name));
    assert_eq!(misread, Vec::<Record>::new(), "what the agent makes is not taken for what someone wrote");
}

#[test]
fn a_run_of_several_networks_is_connected_to_all_of_them() {
    let stage = Stage::new();
    let job = stage.name("report");
    let (a, b) = (stage.network("net-a"), stage.network("net-b"));
    let both = format!("[\"{a}\", \"{b}\"]");
    let parameters =
        [("schedule", "@every 2s"), ("image", WORKER), ("command", "sleep 3"), ("network", &both)];
    let agent = stage.agent().file_job("run", &job, &parameters).start();
    let started = agent.wait_for_event("run.started", &job);
    let networks = "{{range $name, $_ := .NetworkSettings.Networks}}{{$name}} {{end}}";
    let mut found: Vec<String> =
        stage.inspect(text(&started, "container"), networks).split_whitespace().map(str::to_owned).collect();
    found.sort();
    assert_eq!(found, [a, b]);
}

#[test]
fn a_missing_image_is_not_started_and_says_what_to_do() {
    let stage = Stage::new();
    let job = stage.name("report");
    let parameters = [
        ("schedule", "@every 1s"),
        ("image", "watchbell-no-such-image:1"),
        ("pull", "never"),
        ("command", "true"),
    ];
    let agent = stage.agent().file_job("run", &job, &parameters).start();
    let ended = agent.wait_for_end(&job);
    assert_eq!(text(&ended, "outcome"), "not-started", "{ended}");
    assert!(text(&ended, "reason").contains("docker pull watchbell-no-such-image:1"), "{ended}");
    assert_eq!(agent.records(|it| it["event"] == "run.started").len(), 0);
    assert_eq!(there(&stage, text(&ended, "container")), "");
}

#[test]
fn a_program_that_the_image_does_not_have_is_not_started_and_leaves_no_container() {
    let stage = Stage::new();
    let job = stage.name("report");
    let parameters = [
        ("schedule", "@every 2s"),
        ("image", WORKER),
        ("network", "none"),
        ("command", "no-such-program --now"),
    ];
    let agent = stage.agent().file_job("run", &job, &parameters).start();
    let ended = agent.wait_for_end(&job);
    assert_eq!(text(&ended, "outcome"), "not-started", "{ended}");
    assert!(text(&ended, "reason").contains("no-such-program"), "{ended}");
    eventually("its container is removed", || there(&stage, text(&ended, "container")).is_empty());
}

#[test]
fn an_occurrence_that_has_a_container_already_is_not_run_twice() {
    let stage = Stage::new();
    let job = stage.name("report");
    let parameters = [("schedule", "@every 4s"), ("image", WORKER), ("network", "none"), ("command", "true")];
    let agent = stage.agent().file_job("run", &job, &parameters).start();
    let added = agent.wait_for_event("job.added", &job);
    // All three that are told of: the first could come before its name is taken.
    let names: Vec<String> = added["next"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|at| at.as_str().and_then(|at| at.parse::<jiff::Timestamp>().ok()).expect("a time"))
        .map(|at| format!("watchbell-{job}-{}", at.as_second()))
        .collect();
    for name in names.iter().rev() {
        let made = ["create", "--network", "none", "--label", &stage.label(), "--name", name, WORKER];
        // The agent may have been first.
        let _ = stage.try_docker(made);
    }
    let refused = agent.wait_for("an occurrence is refused", |it| {
        it["event"] == "run.finished" && it["job"] == *job && it["outcome"] == "not-started"
    });
    assert!(text(&refused, "reason").contains("is not run twice"), "{refused}");
    let name = text(&refused, "container");
    assert!(names.iter().any(|it| it == name), "{refused}");
    assert_ne!(there(&stage, name), "", "a container that is not this run's stays");
}

#[test]
fn a_timeout_kills_and_removes_the_container() {
    let stage = Stage::new();
    let job = stage.name("stubborn");
    let parameters = [
        ("schedule", "@every 1s"),
        ("image", WORKER),
        ("network", "none"),
        ("shell", "true"),
        ("command", "trap '' TERM; echo begun; sleep 35; sleep 35"),
        ("timeout", "1s"),
        ("grace-period", "1s"),
    ];
    let agent = stage.agent().file_job("run", &job, &parameters).start();
    let ended = agent.wait_for_end(&job);
    assert_eq!(text(&ended, "outcome"), "timed-out", "{ended}");
    assert_eq!(text(&ended, "reason"), "", "it could be ended");
    assert_eq!(agent.lines(text(&ended, "run"), "stdout"), ["begun"]);
    eventually("its container is removed", || there(&stage, text(&ended, "container")).is_empty());
}

/// How many jobs there are: a thousand take minutes.
fn many() -> usize {
    let told = std::env::var_os("WATCHBELL_TEST_RUNS").and_then(|it| it.into_string().ok()?.parse().ok());
    told.unwrap_or(60)
}

#[test]
fn of_many_jobs_that_run_a_few_at_a_time_nothing_is_left_behind() {
    let stage = Stage::new();
    let count = many();
    let mut agent =
        stage.agent().config("[global]\nmax-concurrent-runs = 4\n[job-defaults]\nenabled = false\n");
    for number in 0..count {
        let job = stage.name(&format!("many-{number}"));
        let parameters = [
            ("schedule", "@startup"),
            ("image", WORKER),
            ("network", "none"),
            ("command", "true"),
            ("label", "of=many"),
        ];
        agent = agent.file_job("run", &job, &parameters);
    }
    let agent = agent.start();
    let limit = LIMIT * u32::try_from(1 + count / 20).expect("small");
    let outcomes = agent.wait_within(limit, "all have ended", |records| {
        let ended = records.iter().filter(|it| it["event"] == "run.finished");
        let outcomes: Vec<String> = ended.map(|it| text(it, "outcome").to_owned()).collect();
        (outcomes.len() >= count).then_some(outcomes)
    });
    assert!(outcomes.iter().all(|it| it == "succeeded"), "{outcomes:?}");
    let filter = format!("name=^/watchbell-{}", stage.name("many-"));
    eventually("no container is left", || stage.docker(["ps", "-aq", "--filter", &filter]).is_empty());
    assert_eq!(agent.records(|it| it["event"] == "run.leftover"), Vec::<Record>::new());
}

/// Mistake 34.
#[test]
fn runs_of_one_job_that_overlap_have_containers_of_their_own() {
    let stage = Stage::new();
    let job = stage.name("overlapping");
    let parameters = [
        ("schedule", "@every 1s"),
        ("image", WORKER),
        ("network", "none"),
        ("shell", "true"),
        ("command", "echo $$WATCHBELL_RUN; sleep 4; exit $$(( $$(echo $$WATCHBELL_RUN | wc -c) % 2 ))"),
        ("overlap", "allow"),
    ];
    let agent = stage.agent().file_job("run", &job, &parameters).start();
    let ended = agent.wait_within(LIMIT, "three have ended", |records| {
        let ended: Vec<Record> =
            records.iter().filter(|it| it["event"] == "run.finished" && it["job"] == *job).cloned().collect();
        (ended.len() >= 3).then_some(ended)
    });
    for it in &ended {
        let run = text(it, "run");
        assert_eq!((text(it, "outcome"), &it["exit_code"]), ("failed", &1.into()), "{it}");
        assert_eq!(agent.lines(run, "stdout"), [run], "each has its own output");
    }
    let mut containers: Vec<&str> = ended.iter().map(|it| text(it, "container")).collect();
    containers.dedup();
    assert_eq!(containers.len(), ended.len());
    let seconds = |it: &Record, field: &str| it[field].as_f64().unwrap_or_default();
    assert!(
        ended.iter().all(|it| seconds(it, "duration_seconds") >= 3.5),
        "none was ended by another: {ended:?}"
    );
}
