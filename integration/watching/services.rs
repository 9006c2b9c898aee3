//! Labels on the services of a Swarm: jobs that run in the containers of their tasks on the agent's own node.

use tokio::time::sleep;

use crate::support::{
    fake_engine::{FakeEngine, Health},
    test_agent::{
        AT_ONCE, HOUR, MINUTE, MOMENT, Setup, TestAgent, clock, engine, labelled, seconds, with_job,
    },
};

const STACK: (&str, &str) = ("com.docker.stack.namespace", "shop");
const ON: (&str, &str) = ("watchbell.enabled", "true");
const COMMAND: (&str, &str) = ("watchbell.job-exec.sync.command", "work");

fn job(schedule: &str) -> [(&str, &str); 4] {
    [STACK, ON, ("watchbell.job-exec.sync.schedule", schedule), COMMAND]
}

/// An agent on a manager, with a service whose job comes each minute.
async fn agent(setup: impl FnOnce(&FakeEngine)) -> TestAgent {
    let clock = clock();
    let engine = engine(&clock);
    engine.manage(&[], &[]);
    engine.deploy("shop_web", &job("* * * * *"));
    setup(&engine);
    let agent = TestAgent::on(clock, engine, Setup::default());
    agent.wait_for("agent.ready", 1).await;
    agent
}

/// In which containers the commands ran.
fn places(agent: &TestAgent) -> Vec<String> {
    agent.all("run.finished").iter().map(|it| it.text("container")).collect()
}

#[tokio::test(start_paused = true)]
async fn a_job_on_a_service_is_called_as_in_its_stack_and_runs_in_the_container_of_its_task() {
    let agent = agent(|engine| drop(engine.start_task("shop_web", 1))).await;
    let added = agent.one("job.added");
    assert_eq!(added.text("job"), "shop.web.sync");
    assert_eq!(added.text("origin"), "service shop_web (label watchbell.job-exec.sync.schedule)");
    assert!(added.text("container").starts_with("shop_web.1."), "{added:?}");
    agent.wait_for("run.finished", 1).await;
    assert_eq!(agent.outcomes("shop.web.sync"), ["succeeded"]);
    assert!(places(&agent)[0].starts_with("shop_web.1."));
    assert_eq!(agent.engine.unknown_requests(), [""; 0]);
    assert_eq!(agent.handle.snapshot().diagnostics.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_comes_changes_and_goes_is_seen_at_once() {
    let agent = agent(|_| {}).await;
    sleep(seconds(10)).await;
    agent.engine.deploy("solo", &job("@daily")[1..]);
    sleep(AT_ONCE).await;
    agent.engine.relabel("solo", &job("@hourly")[1..]);
    sleep(AT_ONCE).await;
    agent.engine.undeploy("solo");
    sleep(AT_ONCE).await;
    assert_eq!(
        agent.job_events(),
        ["job.added shop.web.sync", "job.added solo.sync", "job.updated solo.sync", "job.removed solo.sync"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_job_moves_when_its_task_is_replaced_and_keeps_its_next_occurrence() {
    let agent = agent(|engine| drop(engine.start_task("shop_web", 1))).await;
    let next = agent.one("job.added").next();
    sleep(seconds(5)).await;
    let first = agent.engine.start_task("shop_web", 2);
    sleep(seconds(5)).await;
    assert_eq!(agent.all("job.updated"), [], "it stays where it is");
    let old: Vec<String> = agent.engine.container_names().into_iter().filter(|name| *name != first).collect();
    agent.engine.end_task(&old[0]);
    sleep(AT_ONCE).await;
    let moved = agent.one("job.updated");
    assert_eq!((moved.text("container"), moved.next()), (first.clone(), next));
    agent.wait_for("run.finished", 1).await;
    assert_eq!(places(&agent), [first]);
}

#[tokio::test(start_paused = true)]
async fn of_several_tasks_the_healthy_one_is_first_and_then_the_lowest() {
    let agent = agent(|engine| {
        engine.start_task_with("shop_web", 1, |it| it.health(Health::Unhealthy));
        engine.start_task_with("shop_web", 3, |it| it.health(Health::Healthy));
        engine.start_task_with("shop_web", 2, |it| it.health(Health::Healthy));
    })
    .await;
    assert!(agent.one("job.added").text("container").starts_with("shop_web.2."));
}

#[tokio::test(start_paused = true)]
async fn without_a_task_on_this_node_an_occurrence_is_skipped_and_says_where_they_run() {
    let agent = agent(|engine| {
        engine.task_elsewhere("shop_web", 1);
        engine.task_elsewhere("shop_web", 2);
    })
    .await;
    let skipped = agent.wait_for("run.skipped", 1).await;
    assert_eq!(
        skipped.text("reason"),
        "the 2 tasks of the service shop_web run on other nodes, and commands run on the agent's own"
    );
    agent.engine.start_task("shop_web", 3);
    agent.wait_for("run.finished", 1).await;
    agent.engine.deploy("idle", &job("* * * * *")[1..]);
    let skipped = agent.wait_for("run.skipped", 2).await;
    assert_eq!(skipped.text("reason"), "no task of the service idle runs");
}

/// Whoever can label a container cannot have the commands of a service, and what their environment holds.
#[tokio::test(start_paused = true)]
async fn a_container_that_only_says_that_it_is_a_task_is_none() {
    let agent = agent(|engine| {
        let id = engine.deploy("other", &[]);
        engine.start(
            labelled("forged", &[])
                .label("com.docker.swarm.service.id", &id)
                .label("com.docker.swarm.service.name", "shop_web")
                .label("com.docker.swarm.task.id", "t".repeat(25))
                .label("com.docker.swarm.task.name", "shop_web.1.t"),
        );
    })
    .await;
    agent.wait_for("run.skipped", 1).await;
    assert_eq!(agent.engine.execs(), []);
}

#[tokio::test(start_paused = true)]
async fn where_service_and_task_both_define_a_job_the_service_is_in_force_and_both_are_named() {
    let agent = agent(|engine| {
        engine.start_task_with("shop_web", 1, |it| {
            it.labels([STACK, ON, ("watchbell.job-exec.sync.schedule", "@daily"), COMMAND])
        });
    })
    .await;
    assert_eq!(
        agent.one("job.added").text("origin"),
        "service shop_web (label watchbell.job-exec.sync.schedule)"
    );
    let problem = agent.one("config.doubtful");
    assert!(problem.text("origin").starts_with("container shop_web.1."), "{problem:?}");
    assert_eq!(
        problem.text("reason"),
        "it defines the job otherwise than service shop_web, whose definition is in force because the labels of a \
         service go over those of a container"
    );
}

#[tokio::test(start_paused = true)]
async fn labels_on_the_tasks_alone_are_one_job_that_is_called_as_in_the_stack() {
    let agent = TestAgent::new().await;
    agent.engine.manage(&[], &[]);
    agent.engine.deploy("shop_api", &[STACK]);
    for slot in [1, 2] {
        agent.engine.start_task_with("shop_api", slot, |it| it.labels(job("@daily")));
    }
    sleep(AT_ONCE).await;
    let added = agent.one("job.added");
    assert_eq!(added.text("job"), "shop.api.sync");
    assert!(added.text("container").starts_with("shop_api.1."), "{added:?}");
}

/// Mistake 1, of services: unknown is not empty.
#[tokio::test(start_paused = true)]
async fn a_failed_list_of_services_or_tasks_removes_no_job_and_is_told() {
    let agent = agent(|engine| drop(engine.start_task("shop_web", 1))).await;
    for pattern in ["GET /services", "GET /tasks"] {
        agent.engine.fail(pattern, 3, 503, "rpc error: The swarm does not have a leader");
        agent.start(with_job("db", "dump", "@hourly")).await;
        sleep(seconds(1)).await;
        let problems = agent.handle.snapshot().diagnostics;
        assert!(problems.iter().any(|it| it.reason.contains("does not have a leader")), "{problems:?}");
        agent.engine.remove("db");
        sleep(4 * MINUTE).await;
        assert_eq!(agent.handle.snapshot().diagnostics.len(), 0, "it answers again");
    }
    let of_services: Vec<String> =
        agent.job_events().into_iter().filter(|it| it.ends_with("shop.web.sync")).collect();
    assert_eq!(of_services, ["job.added shop.web.sync"]);
    assert!(agent.outcomes("shop.web.sync").iter().all(|it| it == "succeeded"));
}

/// A Swarm that does not answer keeps nobody waiting who needs none.
#[tokio::test(start_paused = true)]
async fn a_list_of_services_that_does_not_come_holds_up_the_jobs_of_containers_for_seconds_only() {
    let agent = agent(|engine| drop(engine.start_task("shop_web", 1))).await;
    let held = agent.engine.hold("GET /services");
    agent.start(with_job("db", "dump", "@hourly")).await;
    sleep(seconds(6)).await;
    agent.start(with_job("web", "sync", "@hourly")).await;
    sleep(AT_ONCE).await;
    drop(held);
    let expected = ["job.added shop.web.sync", "job.added db.dump", "job.added web.sync"];
    assert_eq!(agent.job_events(), expected);
}

#[tokio::test(start_paused = true)]
async fn a_docker_outage_removes_no_job_of_a_service() {
    let agent = agent(|engine| drop(engine.start_task("shop_web", 1))).await;
    agent.engine.down();
    sleep(HOUR).await;
    agent.engine.up();
    sleep(2 * MINUTE).await;
    assert_eq!(agent.job_events(), ["job.added shop.web.sync"]);
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_is_no_manager_any_more_keeps_the_jobs_and_one_that_left_its_swarm_does_not() {
    let agent = agent(|engine| drop(engine.start_task("shop_web", 1))).await;
    agent.engine.demote();
    sleep(HOUR).await;
    assert_eq!(agent.job_events(), ["job.added shop.web.sync"]);
    let problems = agent.handle.snapshot().diagnostics;
    assert!(
        problems.iter().any(|it| it.reason.contains("does not manage its Swarm any more")),
        "{problems:?}"
    );
    agent.engine.leave();
    sleep(2 * MINUTE).await;
    assert_eq!(agent.job_events(), ["job.added shop.web.sync", "job.removed shop.web.sync"]);
    assert_eq!(agent.handle.snapshot().diagnostics.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_engine_without_a_swarm_and_a_worker_are_asked_for_no_services() {
    for worker in [false, true] {
        let clock = clock();
        let engine = engine(&clock);
        if worker {
            engine.demote();
        }
        let agent = TestAgent::on(clock, engine, Setup::default());
        agent.start(with_job("web", "sync", "* * * * *")).await;
        sleep(HOUR).await;
        assert_eq!((agent.engine.count("GET /services"), agent.engine.count("GET /tasks")), (0, 0));
        let asked = agent.engine.queries("GET /events");
        assert!(asked.iter().all(|it| !it["filters"].contains("service")), "{asked:?}");
        assert_eq!(agent.handle.snapshot().diagnostics.len(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_label_on_a_service_may_do_is_what_one_on_a_container_may() {
    let agent = agent(|engine| {
        engine.deploy(
            "greedy",
            &[
                ON,
                ("watchbell.job-exec.other.schedule", "@daily"),
                ("watchbell.job-exec.other.command", "x"),
                ("watchbell.job-exec.other.container", "greedy"),
                ("watchbell.job-run.new.schedule", "@daily"),
                ("watchbell.job-run.new.image", "x"),
                ("watchbell.timezone", "Asia/Tokyo"),
            ],
        );
    })
    .await;
    let told: Vec<String> = agent.all("job.rejected").iter().map(|it| it.text("reason")).collect();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told.iter().any(|it| it.contains("allow-from-labels=exec-other")), "{told:?}");
    assert!(told.iter().any(|it| it.contains("allow-from-labels=run")), "{told:?}");
    assert!(agent.one("config.rejected").text("reason").contains("a setting of the agent"));
}

#[tokio::test(start_paused = true)]
async fn with_the_grant_a_job_on_a_service_is_like_that_service_and_not_like_another_one() {
    let clock = clock();
    let engine = engine(&clock);
    engine.manage(&[], &[]);
    engine.deploy("other", &[]);
    engine.deploy(
        "shop_web",
        &[
            STACK,
            ON,
            ("watchbell.job-service-run.again.schedule", "* * * * *"),
            ("watchbell.job-service-run.again.command", "work twice"),
            ("watchbell.job-service-run.copy.schedule", "@daily"),
            ("watchbell.job-service-run.copy.like", "other"),
            ("watchbell.job-service-run.down.schedule", "@daily"),
            ("watchbell.job-service-run.down.action", "scale"),
            ("watchbell.job-service-run.down.replicas", "0"),
        ],
    );
    let agent = TestAgent::on(clock, engine, Setup::ini("[global]\nallow-from-labels = service-run\n"));
    agent.wait_for("run.finished", 1).await;
    assert_eq!(agent.outcomes("shop.web.again"), ["succeeded"]);
    let made = agent.engine.services_made().remove(0).body;
    let container = &made["TaskTemplate"]["ContainerSpec"];
    assert_eq!(
        (&container["Image"], &container["Args"]),
        (&"app:1".into(), &serde_json::json!(["work", "twice"]))
    );
    let told: Vec<String> = agent.all("job.rejected").iter().map(|it| it.text("reason")).collect();
    assert_eq!(told.len(), 3, "{told:?}");
    for grant in ["exec-other", "host-mounts", "privileged"] {
        let refusal = format!("allow-from-labels={grant}");
        assert!(
            told.iter().any(|it| it.contains("copy of the service other") && it.contains(&refusal)),
            "{told:?}"
        );
    }
    let added: Vec<String> = agent.all("job.added").iter().map(|it| it.text("job")).collect();
    assert_eq!(added, ["shop.web.again", "shop.web.down"]);
}

/// A burst of changes costs few lists.
#[tokio::test(start_paused = true)]
async fn a_rollout_of_many_services_costs_few_lists() {
    let agent = agent(|_| {}).await;
    sleep(seconds(10)).await;
    let before = agent.engine.count("GET /services");
    for n in 0..50 {
        agent.engine.deploy(&format!("svc{n}"), &job("@daily")[1..]);
        sleep(MOMENT / 2).await;
    }
    sleep(seconds(2)).await;
    assert_eq!(agent.handle.snapshot().jobs, 51);
    let lists = agent.engine.count("GET /services") - before;
    assert!(lists <= 8, "{lists}");
}

#[tokio::test(start_paused = true)]
async fn our_own_services_are_no_hint_and_define_nothing() {
    let clock = clock();
    let engine = engine(&clock);
    engine.manage(&[], &[]);
    let ini = "[job-service-run \"backup\"]\nschedule = 1 0 * * *\nimage = backup:1\n";
    let agent = TestAgent::on(clock, engine, Setup::ini(ini));
    sleep(seconds(30)).await;
    let before = agent.engine.count("GET /services");
    agent.wait_for("run.finished", 1).await;
    sleep(MOMENT).await;
    assert!(agent.engine.count("GET /services") <= before + 1, "only the resync");
    assert_eq!(agent.job_events(), ["job.added backup"]);
}
