//! Services of a real Swarm that have no tasks while runs go on (`stop-during`), and as many as before afterwards.

use nix::sys::signal::Signal;

use crate::support::live_engine::{Agent, Record, Stage, WORKER, eventually, manager, pause, text};

/// A service that goes when the test ends.
struct Deployed<'a> {
    stage: &'a Stage,
    name: String,
}

impl<'a> Deployed<'a> {
    /// So many tasks of it run.
    fn new(stage: &'a Stage, name: &str, options: &[&str], replicas: usize) -> Self {
        let it = Self { stage, name: stage.name(name) };
        it.create(options);
        eventually("its tasks run", || it.tasks() == replicas);
        it
    }

    fn create(&self, options: &[&str]) {
        let first = [
            "service",
            "create",
            "-d",
            "--no-resolve-image",
            "--stop-grace-period",
            "1s",
            "--name",
            &self.name,
        ];
        self.stage.docker([&first[..], options, &[WORKER, "sleep", "1000"]].concat());
    }

    /// How many containers of it run.
    fn tasks(&self) -> usize {
        let filter = format!("label=com.docker.swarm.service.name={}", self.name);
        self.stage.docker(["ps", "-q", "--filter", &filter]).lines().count()
    }

    /// How many tasks it wants.
    fn replicas(&self) -> String {
        let format = "{{.Spec.Mode.Replicated.Replicas}}";
        self.stage.docker(["service", "inspect", "--format", format, &self.name])
    }

    fn restored(&self, agent: &Agent) -> Record {
        let of_it = |it: &Record| it["event"] == "service.restored" && it["service"] == *self.name;
        agent.wait_for("it has its tasks again", of_it)
    }
}

impl Drop for Deployed<'_> {
    fn drop(&mut self) {
        let _ = self.stage.try_docker(["service", "rm", &self.name]);
    }
}

const WAIT: &str = "sh -c 'until [ -e /tmp/go-on ]; do sleep 0.1; done'";

#[test]
fn it_has_no_tasks_while_the_run_goes_on_and_as_many_as_before_whatever_that_comes_to() {
    let stage = Stage::at(manager());
    let db = stage.worker("db").start();
    let web = Deployed::new(&stage, "web", &["--replicas", "2"], 2);
    for (command, timeout, outcome) in
        [(WAIT, "5m", "succeeded"), ("false", "5m", "failed"), ("sleep 76", "1s", "timed-out")]
    {
        let job = stage.name(outcome);
        let parameters = [
            ("schedule", "@startup"),
            ("container", &*db),
            ("command", command),
            ("timeout", timeout),
            ("grace-period", "1s"),
            ("stop-during", &*web.name),
        ];
        let agent = stage.agent().file_job("exec", &job, &parameters).start();
        agent.wait_for("it was stopped", |it| it["event"] == "service.stopped" && it["service"] == *web.name);
        if command == WAIT {
            agent.wait_for_event("run.started", &job);
            assert_eq!((web.tasks(), &*web.replicas()), (0, "0"));
            stage.docker(["exec", &db, "touch", "/tmp/go-on"]);
        }
        let ended = agent.wait_for_end(&job);
        assert_eq!(text(&ended, "outcome"), outcome, "{ended}");
        let told = web.restored(&agent);
        assert_eq!(text(&told, "reason"), "it was given its number of tasks again, 2", "{told}");
        agent.terminate();
        agent.wait_for_exit();
        assert_eq!(web.replicas(), "2");
        eventually("its tasks run again", || web.tasks() == 2);
    }
}

/// A crash leaves nothing stopped.
#[test]
fn after_a_kill_in_the_middle_the_next_agent_gives_it_its_tasks_again() {
    let stage = Stage::at(manager());
    let db = stage.worker("db").start();
    let web = Deployed::new(&stage, "web", &["--replicas", "3"], 3);
    let job = stage.name("dump");
    let parameters =
        [("schedule", "@startup"), ("container", &*db), ("command", "sleep 75"), ("stop-during", &*web.name)];
    let first = stage.agent().file_job("exec", &job, &parameters).start();
    first.wait_for_event("run.started", &job);
    first.signal(Signal::SIGKILL);
    first.wait_for_exit();
    assert_eq!((web.tasks(), &*web.replicas()), (0, "0"));
    // The command goes with its container, so that the run is not taken up for long.
    stage.docker(["kill", &db]);
    let second = stage.agent().after(&first).start();
    web.restored(&second);
    assert_eq!(web.replicas(), "3");
    eventually("its tasks run again", || web.tasks() == 3);
}

#[test]
fn two_jobs_share_it_and_who_scales_it_meanwhile_has_the_last_word() {
    let stage = Stage::at(manager());
    let db = stage.worker("db").start();
    let web = Deployed::new(&stage, "web", &["--replicas", "1"], 1);
    let (short, long) = (stage.name("short"), stage.name("long"));
    let job = |command: &'static str| {
        [("schedule", "@startup"), ("container", &*db), ("command", command), ("stop-during", &*web.name)]
    };
    let agent =
        stage.agent().file_job("exec", &short, &job("sleep 1")).file_job("exec", &long, &job(WAIT)).start();
    agent.wait_for_end(&short);
    agent.wait_for_event("run.started", &long);
    assert_eq!((web.tasks(), &*web.replicas()), (0, "0"), "the other one goes on");
    stage.docker(["service", "scale", "-d", &format!("{}=2", web.name)]);
    stage.docker(["exec", &db, "touch", "/tmp/go-on"]);
    agent.wait_for_end(&long);
    let told = web.restored(&agent);
    assert_eq!(text(&told, "reason"), "it has tasks already, 2, and is left as it is", "{told}");
    assert_eq!(agent.records(|it| it["event"] == "service.stopped").len(), 1);
    assert_eq!(web.replicas(), "2");
}

/// As `docker stack deploy` labels them.
#[test]
fn a_granted_label_on_a_service_stops_another_one_of_its_stack() {
    let stage = Stage::at(manager());
    let stack = stage.name("shop");
    let of_stack = format!("com.docker.stack.namespace={stack}");
    let web = Deployed::new(&stage, "shop_web", &["--replicas", "1", "--label", &of_stack], 1);
    let label = |name: &str, value: &str| format!("watchbell.job-exec.dump.{name}={value}");
    let labels = [
        "watchbell.enabled=true".to_owned(),
        label("schedule", "@triggered"),
        label("run-on-startup", "true"),
        label("command", "sleep 2"),
        label("stop-during", "web"),
    ];
    let mut options = vec!["--label", &of_stack];
    for it in &labels {
        options.extend(["--label", it]);
    }
    let _db = Deployed::new(&stage, "shop_db", &options, 1);
    let job = format!("{stack}.db.dump");
    let agent =
        stage.agent().jobs([&job]).arguments(&["--allow-from-labels", "container,exec-other"]).start();
    agent.wait_for_event("run.started", &job);
    assert_eq!(web.tasks(), 0);
    let ended = agent.wait_for_end(&job);
    assert_eq!(text(&ended, "outcome"), "succeeded", "{ended}");
    web.restored(&agent);
    eventually("its task runs again", || web.tasks() == 1);
}

#[test]
fn what_cannot_be_stopped_for_a_while_is_refused_with_the_mend() {
    let stage = Stage::at(manager());
    let db = stage.worker("db").start();
    let global = Deployed::new(&stage, "each", &["--mode", "global"], 1);
    let web = Deployed::new(&stage, "web", &["--replicas", "1"], 1);
    let filter = format!("label=com.docker.swarm.service.name={}", web.name);
    let task = stage.docker(["ps", "--format", "{{.Names}}", "--filter", &filter]);
    let [of_global, of_task] = ["of-global", "of-task"].map(|it| stage.name(it));
    let job = [("schedule", "@daily"), ("container", &*db), ("command", "true")];
    let with = |stop| [&job[..], &[("stop-during", stop)]].concat();
    let agent = stage
        .agent()
        .file_job("exec", &of_global, &with(&global.name))
        .file_job("exec", &of_task, &with(&task))
        .start();
    let rejected = |job: &str| {
        let told = agent.wait_for_event("job.rejected", job);
        text(&told, "reason").to_owned()
    };
    let reason = rejected(&of_global);
    assert!(
        reason.contains("is global or in job mode") && reason.contains("take it out of the list"),
        "{reason}"
    );
    let reason = rejected(&of_task);
    assert!(reason.contains(&web.name) && reason.contains("name the service"), "{reason}");
    assert_eq!((global.tasks(), web.tasks()), (1, 1));
}

/// What is stopped before it takes a while.
#[test]
fn who_scales_it_before_its_turn_has_come_has_the_last_word() {
    let stage = Stage::at(manager());
    let db = stage.worker("db").start();
    let slow = stage.name("slow");
    let (label, deaf) = (stage.label(), "trap '' TERM; while :; do sleep 1; done");
    stage.docker([
        "run",
        "-d",
        "--network",
        "none",
        "--label",
        &label,
        "--name",
        &slow,
        "--stop-timeout",
        "6",
        WORKER,
        "sh",
        "-c",
        deaf,
    ]);
    let web = Deployed::new(&stage, "web", &["--replicas", "1"], 1);
    let job = stage.name("dump");
    let parameters = [
        ("schedule", "@triggered"),
        ("container", &*db),
        ("command", "true"),
        ("stop-during", &*slow),
        ("stop-during", &*web.name),
    ];
    let agent = stage.agent().file_job("exec", &job, &parameters).start();
    agent.wait_for_event("job.added", &job);
    let meanwhile = |replicas: &str| {
        let (code, run) = agent.operate(&["run", &job]);
        assert_eq!(code, Some(0));
        pause(std::time::Duration::from_secs(2));
        stage.docker(["service", "scale", "-d", &format!("{}={replicas}", web.name)]);
        let run = run.trim();
        let ended = agent.wait_for("its end", |it| it["event"] == "run.finished" && it["run"] == *run);
        assert_eq!(text(&ended, "outcome"), "succeeded", "{ended}");
    };
    meanwhile("2");
    let told = web.restored(&agent);
    assert_eq!(text(&told, "reason"), "it was given its number of tasks again, 2", "{told}");
    meanwhile("0");
    let slow_again = |it: &Record| it["event"] == "container.restored" && it["container"] == *slow;
    agent.wait_for_nth("all of it is over", 2, slow_again);
    assert_eq!(agent.records(|it| it["event"] == "service.stopped").len(), 1, "its owner has stopped it");
    assert_eq!(web.replicas(), "0");
}

#[test]
fn who_runs_a_service_and_who_stops_it_do_not_undo_each_others_number() {
    let stage = Stage::at(manager());
    let db = stage.worker("db").start();
    let once = ["--replicas", "0", "--restart-condition", "none"];
    let web = Deployed::new(&stage, "web", &once, 0);
    let forgotten = || stage.docker(["service", "ps", "-q", &web.name]).is_empty();
    let [run, dump, other] = ["run", "dump", "other"].map(|it| stage.name(it));
    let runs = [("schedule", "@triggered"), ("service", &*web.name), ("action", "run")];
    let stops =
        [("schedule", "@triggered"), ("container", &*db), ("command", WAIT), ("stop-during", &*web.name)];
    let agent = stage
        .agent()
        .file_job("service-run", &run, &runs)
        .file_job("service-run", &other, &runs)
        .file_job("exec", &dump, &stops)
        .start();
    agent.wait_for_event("job.added", &dump);
    let refused = |job: &str, nth: usize, part: &str| {
        assert_eq!(agent.operate(&["run", job]).0, Some(0));
        let of_it = |it: &Record| it["event"] == "run.finished" && it["job"] == *job;
        let ended = agent.wait_for_nth("its end", nth, of_it);
        assert_eq!(text(&ended, "outcome"), "not-started", "{ended}");
        let reason = text(&ended, "reason");
        assert!(reason.contains(part) && reason.contains("give both jobs one group"), "{ended}");
    };
    agent.operate(&["run", &run]);
    agent.wait_for_event("run.started", &run);
    eventually("its task runs", || web.tasks() == 1);
    refused(&dump, 1, &format!("of {run} runs the service"));
    refused(&other, 1, &format!("of {run} runs the service already"));
    assert_eq!((web.tasks(), &*web.replicas()), (1, "1"));
    let begun = text(&agent.wait_for_event("run.started", &run), "run").to_owned();
    agent.operate(&["stop", &begun]);
    agent.wait_for_end(&run);
    assert_eq!(web.replicas(), "0");

    eventually("its task is forgotten, and another one may come", forgotten);
    stage.docker(["service", "scale", "-d", &format!("{}=1", web.name)]);
    eventually("its task runs", || web.tasks() == 1);
    agent.operate(&["run", &dump]);
    agent.wait_for_event("run.started", &dump);
    refused(&other, 2, &format!("the service is stopped for a run of {dump}"));
    stage.docker(["exec", &db, "touch", "/tmp/go-on"]);
    web.restored(&agent);
    assert_eq!(web.replicas(), "1");
    eventually("its task runs again", || web.tasks() == 1);
}

/// A Swarm makes no task of such a service in the place of one that it has not forgotten yet.
#[test]
fn a_service_that_restarts_nothing_has_its_tasks_again_also_after_a_short_run() {
    let stage = Stage::at(manager());
    let db = stage.worker("db").start();
    let web = Deployed::new(&stage, "web", &["--replicas", "2", "--restart-condition", "none"], 2);
    let job = stage.name("dump");
    let parameters =
        [("schedule", "@startup"), ("container", &*db), ("command", "true"), ("stop-during", &*web.name)];
    let agent = stage.agent().file_job("exec", &job, &parameters).start();
    web.restored(&agent);
    assert_eq!(web.replicas(), "2");
    eventually("its tasks run again", || web.tasks() == 2);
}
