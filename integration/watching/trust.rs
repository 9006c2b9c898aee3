//! What a label may not do, however it is written.

use tokio::time::sleep;

use crate::support::{
    fake_engine::ContainerSpec,
    test_agent::{AT_ONCE, HOUR, Setup, TestAgent, clock, engine, labelled, seconds},
};

/// An agent that itself runs in the container `watchbell`.
async fn in_a_container() -> (TestAgent, String) {
    let clock = clock();
    let engine = engine(&clock);
    let own = ContainerSpec::new("watchbell")
        .label("watchbell.job-exec.own.schedule", "@hourly")
        .label("watchbell.job-exec.own.command", "tidy");
    let id = engine.start(own);
    let agent = TestAgent::on(clock, engine, Setup { own_ids: vec![id.clone()], ..Setup::default() });
    agent.wait_for("agent.ready", 1).await;
    assert_eq!(agent.job_events(), ["job.added own"]);
    (agent, id)
}

/// Mistake 43.
#[tokio::test(start_paused = true)]
async fn a_label_on_any_container_cannot_aim_a_command_at_the_agents_own() {
    let (agent, own_id) = in_a_container().await;
    for (n, (key, value)) in [
        ("container", "watchbell"),
        ("CONTAINER", "watchbell"),
        ("Container", " watchbell "),
        ("container", "'watchbell'"),
        ("container", "/watchbell"),
        ("container", &*own_id),
    ]
    .into_iter()
    .enumerate()
    {
        let job = format!("exec.e{n}");
        agent.engine.start(labelled(
            &format!("rogue{n}"),
            &[
                (&format!("{job}.schedule"), "@hourly"),
                (&format!("{job}.command"), "steal"),
                (&format!("{job}.{key}"), value),
            ],
        ));
    }
    sleep(seconds(5)).await;
    let rejected = agent.all("job.rejected");
    assert_eq!(rejected.len(), 6, "{rejected:#?}");
    assert_eq!(
        rejected[0].text("reason"),
        "a label may not ask for a command in the container \"watchbell\": the operator can allow it with \
         allow-from-labels=exec-other"
    );
    assert_eq!(rejected[0].text("origin"), "container rogue0 (label watchbell.job-exec.e0.container)");
    sleep(2 * HOUR).await;
    let commands: Vec<_> = agent.engine.execs().into_iter().flat_map(|exec| exec.cmd).collect();
    assert_eq!(commands, ["tidy", "tidy"]);
}

/// Mistake 44.
#[tokio::test(start_paused = true)]
async fn a_container_cannot_promote_itself_to_the_agent_by_a_label() {
    let (agent, _) = in_a_container().await;
    let rogue = labelled(
        "rogue",
        &[
            ("local.l.schedule", "@hourly"),
            ("local.l.command", "steal"),
            ("run.r.schedule", "@hourly"),
            ("run.r.image", "evil"),
            ("exec.own.schedule", "* * * * *"),
            ("exec.own.command", "steal"),
        ],
    )
    .labels([
        ("watchbell.agent", "true"),
        ("watchbell.service", "true"),
        ("watchbell.own", "true"),
        ("watchbell.allow-from-labels", "all"),
        ("watchbell.ALLOW_FROM_LABELS", "all"),
    ]);
    agent.engine.start(rogue);
    sleep(AT_ONCE).await;
    let rejected: Vec<_> = agent.all("job.rejected").iter().map(|it| it.text("job")).collect();
    assert_eq!(rejected, ["rogue.l", "rogue.r"]);
    let added: Vec<_> = agent.all("job.added").iter().map(|it| it.text("job")).collect();
    assert_eq!(added, ["own", "rogue.own"], "its jobs have its name, and the agent's own stays as it is");
    let told: Vec<_> = agent.all("config.rejected").iter().map(|it| it.text("reason")).collect();
    assert!(told.iter().any(|it| it.contains("is never taken from another container's label")), "{told:#?}");
    sleep(HOUR).await;
    assert_eq!(agent.engine.created(), []);
    assert!(agent.engine.execs().iter().all(|exec| exec.cmd != ["steal"] || exec.container_name == "rogue"));
}

#[tokio::test(start_paused = true)]
async fn a_container_that_calls_itself_by_the_agents_name_or_host_name_is_not_the_agent() {
    let clock = clock();
    let engine = engine(&clock);
    // What the agent read about itself is not the ID of any container: it runs on the host.
    let setup = Setup { own_ids: vec!["watchbell".into(), "0123456789ab".into()], ..Setup::default() };
    engine.start(labelled("watchbell", &[("local.l.schedule", "@hourly"), ("local.l.command", "steal")]));
    let agent = TestAgent::on(clock, engine, setup);
    agent.wait_for("agent.ready", 1).await;
    assert_eq!(agent.one("job.rejected").text("job"), "watchbell.l");
    assert_eq!(agent.handle.snapshot().jobs, 0);
}

#[tokio::test(start_paused = true)]
async fn what_the_operator_allows_works_and_nothing_else_does() {
    let agent = TestAgent::with(Setup::ini("[global]\nallow-from-labels = run, exec-other\n")).await;
    agent.engine.start(ContainerSpec::new("db"));
    agent.engine.start(labelled(
        "web",
        &[
            ("exec.e.schedule", "@hourly"),
            ("exec.e.command", "dump"),
            ("exec.e.container", "db"),
            ("run.r.schedule", "@hourly"),
            ("run.r.image", "worker:1"),
            ("local.l.schedule", "@hourly"),
            ("local.l.command", "steal"),
        ],
    ));
    agent.sleep_until("01:01").await;
    assert_eq!(agent.one("job.rejected").text("job"), "web.l");
    assert_eq!(agent.outcomes("web.e"), ["succeeded"]);
    assert_eq!(agent.outcomes("web.r"), ["succeeded"]);
    assert_eq!(agent.engine.execs()[0].container_name, "db");
}

/// On the first list the agent's own container may not be running yet; whose network it shares must count all the same.
#[tokio::test(start_paused = true)]
async fn an_agent_that_shares_a_network_takes_nobody_for_itself_not_even_while_it_is_being_started() {
    let clock = clock();
    let engine = engine(&clock);
    let victim =
        engine.start(labelled("victim", &[("local.l.schedule", "@hourly"), ("local.l.command", "steal")]));
    engine.create(ContainerSpec::new("watchbell").networks(["container:victim"]));
    // What the kernel tells of files that the two have in common names the other one.
    let setup = Setup { own_ids: vec![victim], ..Setup::default() };
    let agent = TestAgent::on(clock, engine, setup);
    agent.wait_for("agent.ready", 1).await;
    agent.engine.start_again("watchbell");
    sleep(AT_ONCE).await;
    assert_eq!(agent.one("job.rejected").text("job"), "victim.l");
    assert_eq!(agent.all("job.added"), []);
}
