//! Containers that are stopped while runs go on: in which order, for how long, and started again whatever happens.

use std::path::Path;

use tempfile::TempDir;
use tokio::time::sleep;
use watchbell::{
    history::store::Store,
    model::run::{RunId, StopCause},
};

use crate::support::{
    fake_engine::{ContainerSpec, ExecBehaviour, RunBehaviour},
    test_agent::{MINUTE, MOMENT, Setup, TestAgent, labelled, seconds, signalled},
};

/// A job that runs in `db` at one minute past midnight, while `app` and `worker` are stopped.
const DUMP: &str = "[job-exec \"dump\"]\nschedule = 1 0 * * *\ncontainer = db\ncommand = work\n\
                    stop-during = app\nstop-during = worker\n";

const STOP: &str = "POST /containers/*/stop";
const START: &str = "POST /containers/*/start";

fn setup(folder: &TempDir, ini: &str) -> Setup {
    Setup { state_dir: Some(folder.path().to_owned()), ..Setup::ini(ini) }
}

/// An agent with these jobs on an Engine with `db`, `app` and `worker`.
async fn agent(folder: &TempDir, ini: &str) -> TestAgent {
    on_three(setup(folder, ini)).await
}

async fn on_three(setup: Setup) -> TestAgent {
    let clock = crate::support::test_agent::clock();
    let engine = crate::support::test_agent::engine(&clock);
    for name in ["db", "app", "worker"] {
        engine.start(ContainerSpec::new(name));
    }
    let agent = TestAgent::on(clock, engine, setup);
    agent.wait_for("agent.ready", 1).await;
    agent
}

/// The next agent in the place of this one, which is dead on the spot.
fn next(agent: TestAgent, setup: Setup) -> TestAgent {
    let (clock, engine) = (agent.clock(), agent.engine.clone());
    drop(agent);
    TestAgent::on(clock, engine, setup)
}

/// What was done to which container, in order, and when commands were started.
fn steps(agent: &TestAgent) -> Vec<String> {
    let step = |line: String| {
        let (path, did) = line.strip_prefix("POST /")?.rsplit_once('/')?;
        match (path.split_once('/')?, did) {
            (("containers", id), "stop" | "start") => {
                Some(format!("{did} {}", agent.engine.name_of(id).unwrap_or_else(|| "run".to_owned())))
            }
            (("exec", _), "start") => Some("work".to_owned()),
            _ => None,
        }
    };
    agent.engine.requests().into_iter().filter_map(step).collect()
}

fn states(agent: &TestAgent) -> [String; 2] {
    ["app", "worker"].map(|name| agent.engine.container_state(name).unwrap_or_default())
}

/// What the store says is to be started again.
fn kept(folder: &Path) -> Vec<String> {
    let halts = Store::open(folder, 256 << 20).unwrap().halts().unwrap();
    halts.into_iter().map(|it| it.name).collect()
}

#[tokio::test(start_paused = true)]
async fn they_are_stopped_in_the_order_written_and_started_in_the_reverse_whatever_the_run_comes_to() {
    for (further, code, outcome) in [
        ("", 0, "succeeded"),
        ("", 3, "failed"),
        ("timeout = 30s\n", -1, "timed-out"),
        ("retries = 2\n", 3, "failed"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let agent = agent(&folder, &format!("{DUMP}{further}")).await;
        if code < 0 {
            signalled(&agent.engine, &["TERM"], || ExecBehaviour::exit(0).hold_until_killed());
        } else {
            agent.engine.on_exec(move |_| ExecBehaviour::exit(code).takes(seconds(5)));
        }
        agent.wait_for("run.started", 1).await;
        assert_eq!(states(&agent), ["exited", "exited"]);
        assert_eq!(kept(folder.path()), ["app", "worker"]);
        let finished = agent.wait_for("run.finished", 1).await;
        assert_eq!(finished.text("outcome"), outcome, "{finished:?}");
        agent.wait_for("container.restored", 2).await;
        let steps: Vec<_> = steps(&agent).into_iter().filter(|it| it != "work").collect();
        assert_eq!(steps, ["stop app", "stop worker", "start worker", "start app"], "once for all attempts");
        assert_eq!(states(&agent), ["running", "running"]);
        sleep(seconds(5)).await;
        assert_eq!(kept(folder.path()), [""; 0]);
        assert_eq!(agent.engine.unknown_requests(), [""; 0]);
        let queries = agent.engine.queries(STOP);
        assert!(queries.iter().all(|it| !it.contains_key("t")), "each has its own time to stop: {queries:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_does_not_run_is_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let agent = agent(&folder, DUMP).await;
    agent.engine.stop("app");
    agent.engine.pause("worker");
    agent.wait_for("run.finished", 1).await;
    sleep(seconds(5)).await;
    assert_eq!(agent.outcomes("dump"), ["succeeded"]);
    assert_eq!((steps(&agent), states(&agent)), (vec!["work".into()], ["exited".into(), "paused".into()]));
}

#[tokio::test(start_paused = true)]
async fn two_jobs_share_a_container_that_is_stopped_once_and_started_when_the_last_has_ended() {
    let folder = tempfile::tempdir().unwrap();
    let second = "[job-run \"copy\"]\nschedule = 30 1 0 * * *\nimage = copy:1\nstop-during = app\n";
    let agent = agent(&folder, &format!("{DUMP}{second}")).await;
    agent.engine.on_exec(|_| ExecBehaviour::exit(0).takes(MINUTE));
    agent.engine.on_run(|_| RunBehaviour::exit(0).takes(MINUTE));
    agent.wait_for_job("run.finished", "dump", 1).await;
    sleep(seconds(10)).await;
    assert_eq!(states(&agent), ["exited", "running"], "the other job still needs it");
    assert_eq!(kept(folder.path()), ["app"]);
    agent.wait_for_job("run.finished", "copy", 1).await;
    sleep(seconds(5)).await;
    let of_app: Vec<_> = steps(&agent).into_iter().filter(|it| it.ends_with(" app")).collect();
    assert_eq!(of_app, ["stop app", "start app"]);
    assert_eq!((states(&agent), kept(folder.path())), (["running".into(), "running".into()], vec![]));
}

#[tokio::test(start_paused = true)]
async fn one_that_is_being_started_for_the_first_is_stopped_anew_for_the_second() {
    let folder = tempfile::tempdir().unwrap();
    let second = DUMP.replace("\"dump\"", "\"copy\"").replace("1 0 * * *", "30 1 0 * * *");
    let agent = agent(&folder, &format!("{DUMP}{second}")).await;
    agent.engine.on_exec(|_| ExecBehaviour::exit(0).takes(seconds(10)));
    let held = agent.engine.hold(START);
    agent.wait_for_job("run.finished", "dump", 1).await;
    sleep(seconds(40)).await;
    assert_eq!(agent.of("run.started", "copy"), [], "it waits until that is done");
    held.release();
    agent.wait_for_job("run.finished", "copy", 1).await;
    sleep(seconds(5)).await;
    assert_eq!((states(&agent), kept(folder.path())), (["running".into(), "running".into()], vec![]));
    assert_eq!(agent.outcomes("copy"), ["succeeded"]);
}

#[tokio::test(start_paused = true)]
async fn it_is_in_the_store_before_anything_is_stopped_and_without_a_store_nothing_is() {
    let folder = tempfile::tempdir().unwrap();
    let agent_with = agent(&folder, DUMP).await;
    let held = agent_with.engine.hold(STOP);
    agent_with.engine.requested(STOP, 1).await;
    assert_eq!(kept(folder.path()), ["app", "worker"]);
    assert_eq!(states(&agent_with), ["running", "running"]);
    held.release();
    drop(agent_with);

    let agent = on_three(Setup::ini(DUMP)).await;
    let finished = agent.wait_for("run.finished", 1).await;
    assert_eq!(finished.text("outcome"), "not-started");
    assert!(finished.text("reason").starts_with("nothing was stopped before the run"), "{finished:?}");
    sleep(MINUTE).await;
    assert_eq!((steps(&agent), agent.all("container.restored")), (vec![], vec![]));
}

/// A crash leaves nothing stopped.
#[tokio::test(start_paused = true)]
async fn the_next_agent_starts_what_one_that_was_killed_had_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let agent = agent(&folder, DUMP).await;
    agent.engine.on_exec(|_| ExecBehaviour::exit(0).hold_until_killed());
    agent.wait_for("run.started", 1).await;
    for exec in agent.engine.execs() {
        agent.engine.end_exec(&exec.id, 0);
    }
    agent.engine.down();
    let agent = next(agent, setup(&folder, DUMP));
    sleep(MINUTE).await;
    assert_eq!(states(&agent), ["exited", "exited"], "the Engine does not answer");
    agent.engine.up();
    agent.wait_for("container.restored", 2).await;
    assert_eq!(states(&agent), ["running", "running"]);
    sleep(seconds(5)).await;
    assert_eq!(kept(folder.path()), [""; 0]);
    // Those that nobody adopts are started as well.
    assert_eq!(agent.handle.snapshot().problems, 0);
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_was_killed_between_the_stops_and_the_run_leaves_nothing_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let agent = agent(&folder, DUMP).await;
    let held = agent.engine.hold_answers(STOP);
    agent.engine.requested(STOP, 1).await;
    sleep(seconds(1)).await;
    assert_eq!(states(&agent), ["exited", "running"]);
    let agent = next(agent, setup(&folder, DUMP));
    held.release();
    agent.wait_for("container.restored", 2).await;
    assert_eq!(states(&agent), ["running", "running"]);
    assert_eq!(agent.engine.execs().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_next_attempt_of_a_run_whose_agent_was_killed_between_the_stops_has_all_of_them_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let ini = "[job-run \"copy\"]\nschedule = 1 0 * * *\nimage = copy:1\nretries = 1\nstop-during = app\nstop-during = worker\n";
    let agent = agent(&folder, ini).await;
    agent.engine.on_run(|_| RunBehaviour::exit(0).takes(MINUTE));
    let held = agent.engine.hold_answers(STOP);
    agent.engine.requested(STOP, 1).await;
    sleep(seconds(1)).await;
    assert_eq!(states(&agent), ["exited", "running"]);
    let agent = next(agent, setup(&folder, ini));
    held.release();
    agent.wait_for("run.started", 1).await;
    assert_eq!(states(&agent), ["exited", "exited"]);
    agent.wait_for("container.restored", 2).await;
    assert_eq!(
        (agent.outcomes("copy"), states(&agent)),
        (vec!["not-started".into(), "succeeded".into()], ["running", "running"].map(str::to_owned))
    );
}

#[tokio::test(start_paused = true)]
async fn runs_that_follow_each_other_do_not_try_one_that_cannot_be_started_more_often() {
    let folder = tempfile::tempdir().unwrap();
    let agent = agent(
        &folder,
        "[job-exec \"dump\"]\nschedule = @every 10s\ncontainer = db\ncommand = dump\nstop-during = app\n",
    )
    .await;
    agent.engine.fail(START, 1000, 500, "no room");
    agent.wait_for("container.not_restored", 1).await;
    sleep(4 * MINUTE).await;
    let tried = agent.all("container.not_restored").len();
    assert!(tried <= 12, "{tried} times in four minutes");
}

#[tokio::test(start_paused = true)]
async fn what_an_adopted_run_needs_stopped_stays_so_until_it_has_ended() {
    let folder = tempfile::tempdir().unwrap();
    let ini = "[job-run \"copy\"]\nschedule = 1 0 * * *\nimage = copy:1\nstop-during = app\n";
    let first = agent(&folder, ini).await;
    first.engine.on_run(|_| RunBehaviour::exit(0).takes(5 * MINUTE));
    first.wait_for("run.started", 1).await;
    let second = next(first, setup(&folder, ini));
    second.wait_for("run.adopted", 1).await;
    sleep(2 * MINUTE).await;
    assert_eq!(states(&second)[0], "exited");
    assert_eq!(second.all("container.restored"), []);
    second.wait_for("run.finished", 1).await;
    second.wait_for("container.restored", 1).await;
    assert_eq!(
        (second.outcomes("copy"), states(&second)[0].clone()),
        (vec!["succeeded".into()], "running".into())
    );
}

#[tokio::test(start_paused = true)]
async fn one_that_cannot_be_started_is_told_is_a_problem_and_is_tried_until_it_can() {
    let folder = tempfile::tempdir().unwrap();
    let agent = agent(&folder, DUMP).await;
    agent.engine.fail(START, 6, 500, "no room");
    let told = agent.wait_for("container.not_restored", 1).await;
    assert!(told.text("reason").contains("no room (status 500)"), "{told:?}");
    assert!(told.text("reason").contains("docker start worker"), "{told:?}");
    sleep(MOMENT).await;
    let snapshot = agent.handle.snapshot();
    assert_eq!((snapshot.problems, snapshot.diagnostics.len()), (2, 2));
    assert!(snapshot.diagnostics.iter().all(|it| it.reason.contains("cannot be started again")));
    agent.wait_for("container.restored", 2).await;
    sleep(MOMENT).await;
    let snapshot = agent.handle.snapshot();
    assert_eq!((snapshot.problems, snapshot.diagnostics.len()), (0, 0), "it is mended");
    assert_eq!(agent.all("container.not_restored").len(), 6);
}

#[tokio::test(start_paused = true)]
async fn what_someone_did_with_one_meanwhile_is_left_as_it_is_and_told() {
    let folder = tempfile::tempdir().unwrap();
    let agent = agent(&folder, DUMP).await;
    agent.engine.on_exec(|_| ExecBehaviour::exit(0).takes(MINUTE));
    agent.wait_for("run.started", 1).await;
    agent.engine.remove("app");
    agent.engine.create(ContainerSpec::new("app"));
    agent.engine.start_again("worker");
    agent.wait_for("container.restored", 2).await;
    let found: Vec<_> = agent.all("container.restored").iter().map(|it| it.text("reason")).collect();
    assert_eq!(
        found,
        ["it runs already", "it was removed meanwhile; what was made in its place is left as it is"]
    );
    assert_eq!((states(&agent), agent.engine.count(START)), (["created".into(), "running".into()], 0));
    sleep(seconds(5)).await;
    assert_eq!(kept(folder.path()), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_stop_that_fails_keeps_the_run_from_starting_and_what_was_stopped_before_is_started() {
    let folder = tempfile::tempdir().unwrap();
    let agent = agent(&folder, DUMP).await;
    let worker = agent.engine.id_of("worker");
    agent.engine.fail(&format!("POST /containers/{worker}/stop"), 1, 500, "cannot stop");
    let finished = agent.wait_for("run.finished", 1).await;
    assert_eq!(finished.text("outcome"), "not-started");
    let reason = "stopping container worker before the run: cannot stop (status 500)";
    assert_eq!(finished.text("reason"), reason);
    agent.wait_for("container.restored", 1).await;
    sleep(MINUTE).await;
    assert_eq!(states(&agent), ["running", "running"]);
    assert_eq!(agent.engine.execs().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_name_that_nobody_has_keeps_the_run_from_starting_with_everything_running() {
    let folder = tempfile::tempdir().unwrap();
    let agent = agent(&folder, &DUMP.replace("= worker", "= wroker")).await;
    let doubtful = agent.one("config.doubtful");
    assert!(doubtful.text("reason").contains("no service or container \"wroker\" now"), "{doubtful:?}");
    let finished = agent.wait_for("run.finished", 1).await;
    assert_eq!(finished.text("outcome"), "not-started");
    assert_eq!(finished.text("reason"), "stop-during: there is no service or container \"wroker\"");
    assert_eq!(steps(&agent), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_mistake_of_ours_in_the_run_leaves_nothing_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let agent = on_three(Setup { panic_at: Some("run.output"), ..setup(&folder, DUMP) }).await;
    agent.engine.on_exec(|_| ExecBehaviour::exit(0).stdout("x\n").takes(seconds(5)));
    agent.wait_for("run.lost", 1).await;
    agent.wait_for("container.restored", 2).await;
    assert_eq!(states(&agent), ["running", "running"]);
}

/// Mistake 30.
#[tokio::test(start_paused = true)]
async fn an_agent_that_ends_starts_what_it_had_stopped_before_it_goes() {
    let folder = tempfile::tempdir().unwrap();
    let mut agent = agent(&folder, DUMP).await;
    signalled(&agent.engine, &["TERM"], || ExecBehaviour::exit(0).hold_until_killed());
    agent.wait_for("run.started", 1).await;
    agent.signal();
    let took = agent.end().await;
    assert!(took <= seconds(10), "{took:?}");
    assert_eq!(agent.outcomes("dump"), ["stopped"]);
    assert_eq!((states(&agent), kept(folder.path())), (["running".into(), "running".into()], vec![]));
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_cannot_start_them_within_its_grace_leaves_them_to_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let mut agent = agent(&folder, DUMP).await;
    agent.engine.on_exec(|_| ExecBehaviour::exit(0).takes(seconds(5)));
    agent.wait_for("run.started", 1).await;
    let held = agent.engine.hold(START);
    agent.wait_for("run.finished", 1).await;
    agent.signal();
    let took = agent.end().await;
    assert!(took <= seconds(11), "{took:?}");
    assert!(!agent.all("container.not_restored").is_empty());
    assert_eq!(kept(folder.path()), ["app", "worker"]);
    let agent = next(agent, setup(&folder, DUMP));
    held.release();
    agent.wait_for("container.restored", 2).await;
    assert_eq!(states(&agent), ["running", "running"]);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_stopped_while_they_are_being_stopped_waits_for_that_and_starts_them() {
    let folder = tempfile::tempdir().unwrap();
    let agent = agent(&folder, DUMP).await;
    let held = agent.engine.hold_answers(STOP);
    agent.engine.requested(STOP, 1).await;
    let run: RunId = {
        sleep(MOMENT).await;
        let reader = watchbell::history::query::Reader::open(folder.path()).unwrap().unwrap();
        reader.unfinished().unwrap().remove(0).0.run
    };
    agent.handle.stop_run(run, StopCause::Operator).await.unwrap();
    sleep(seconds(3)).await;
    assert_eq!(agent.all("run.finished"), [], "a stop that comes late would undo the start");
    held.release();
    let finished = agent.wait_for("run.finished", 1).await;
    assert_eq!([finished.text("outcome"), finished.text("reason")], ["stopped", "an operator stopped it"]);
    agent.wait_for("container.restored", 1).await;
    sleep(seconds(1)).await;
    assert_eq!((states(&agent), agent.engine.count(STOP)), (["running".into(), "running".into()], 1));
}

#[tokio::test(start_paused = true)]
async fn a_label_stops_all_containers_of_a_service_of_its_project() {
    let folder = tempfile::tempdir().unwrap();
    let ini = "[global]\nallow-from-labels = container exec-other\n";
    let agent = TestAgent::with(setup(&folder, ini)).await;
    let compose = |spec: ContainerSpec, project: &str, service: &str| {
        spec.label("com.docker.compose.project", project).label("com.docker.compose.service", service)
    };
    for (name, project) in [("shop-app-1", "shop"), ("shop-app-2", "shop"), ("blog-app-1", "blog")] {
        agent.engine.start(compose(ContainerSpec::new(name), project, "app"));
    }
    let labels = [
        ("exec.dump.schedule", "1 0 * * *"),
        ("exec.dump.command", "work"),
        ("exec.dump.stop-during", "app"),
    ];
    agent.start(compose(labelled("shop-db-1", &labels), "shop", "db")).await;
    agent.wait_for("run.started", 1).await;
    let state = |name: &str| agent.engine.container_state(name).unwrap_or_default();
    agent.wait_for("container.restored", 2).await;
    assert_eq!(agent.outcomes("shop.db.dump"), ["succeeded"]);
    let stopped: Vec<_> = agent.all("container.stopped").iter().map(|it| it.text("container")).collect();
    assert_eq!(stopped, ["shop-app-1", "shop-app-2"]);
    assert_eq!([state("shop-app-1"), state("blog-app-1")], ["running", "running"]);
}
