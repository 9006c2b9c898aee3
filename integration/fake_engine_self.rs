//! The fake Engine keeps its own promises, seen through the real client: a test of the product that stands on it may then
//! blame the product.

use std::time::Duration;

use bollard::{
    Docker,
    container::LogOutput,
    errors::Error,
    exec::{CreateExecOptions, StartExecResults},
    models::{ContainerCreateBody, EventMessage},
    query_parameters::{
        AttachContainerOptionsBuilder, CreateContainerOptionsBuilder, EventsOptions, EventsOptionsBuilder,
        InspectContainerOptions, ListContainersOptions, ListContainersOptionsBuilder, LogsOptionsBuilder,
        RemoveContainerOptionsBuilder, StartContainerOptions, StopContainerOptionsBuilder,
        WaitContainerOptionsBuilder,
    },
};
use futures::{FutureExt, Stream, StreamExt, TryStreamExt};
use jiff::Timestamp;
use tokio::time::{Instant, sleep, timeout};
use watchbell::time::Clock;

use crate::support::fake_engine::{ContainerSpec, ExecBehaviour, FakeEngine, Gate, Health, RunBehaviour};

const HOUR: Duration = Duration::from_secs(3600);
/// Long enough, in virtual time, for everything that can happen without a timer to have happened.
const MOMENT: Duration = Duration::from_millis(5);

fn engine() -> FakeEngine {
    let clock = Clock::anchored(Timestamp::from_second(1_800_000_000).unwrap());
    FakeEngine::new(move || clock.now())
}

/// An event stream that is subscribed when this returns: bollard sends nothing before the first poll.
async fn subscribed(
    docker: &Docker,
    options: Option<EventsOptions>,
) -> impl Stream<Item = Result<EventMessage, Error>> + Unpin + use<> {
    let mut events = Box::pin(docker.events(options));
    let first = timeout(MOMENT, events.next()).await.ok().flatten();
    futures::stream::iter(first).chain(events)
}

/// The actions of all events that come before nothing comes for a moment.
async fn actions(events: &mut (impl Stream<Item = Result<EventMessage, Error>> + Unpin)) -> Vec<String> {
    let mut seen = Vec::new();
    while let Ok(Some(event)) = timeout(MOMENT, events.next()).await {
        seen.push(event.unwrap().action.unwrap());
    }
    seen
}

async fn names(docker: &Docker) -> Result<Vec<String>, Error> {
    let listed = docker.list_containers(None::<ListContainersOptions>).await?;
    Ok(listed.into_iter().flat_map(|container| container.names.unwrap()).collect())
}

async fn create_exec(docker: &Docker, container: &str, cmd: &[&str]) -> Result<String, Error> {
    let options = CreateExecOptions {
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        cmd: Some(cmd.to_vec()),
        // What kills by a mark must not carry it.
        env: (cmd[0] != "sh").then(|| vec!["MARK=1"]),
        ..CreateExecOptions::default()
    };
    Ok(docker.create_exec(container, options).await?.id)
}

type Output = std::pin::Pin<Box<dyn Stream<Item = Result<LogOutput, Error>> + Send>>;

async fn start_exec(docker: &Docker, id: &str) -> Output {
    match docker.start_exec(id, None).await.unwrap() {
        StartExecResults::Attached { output, .. } => output,
        StartExecResults::Detached => panic!("nobody asked for that"),
    }
}

async fn create(docker: &Docker, name: &str) -> Result<String, Error> {
    let body = ContainerCreateBody {
        image: Some("worker:1".into()),
        cmd: Some(vec!["work".into()]),
        ..ContainerCreateBody::default()
    };
    let options = CreateContainerOptionsBuilder::new().name(name).build();
    Ok(docker.create_container(Some(options), body).await?.id)
}

fn status(error: &Error) -> (u16, &str) {
    match error {
        Error::DockerResponseServerError { status_code, message } => (*status_code, message),
        other => panic!("not an answer of the Engine: {other:?}"),
    }
}

fn container_events() -> EventsOptionsBuilder {
    EventsOptionsBuilder::new().filters(&[("type", vec!["container"])].into())
}

#[tokio::test(start_paused = true)]
async fn events_come_live_in_the_order_of_a_real_engine() {
    let engine = engine();
    let docker = engine.docker();
    let mut events = subscribed(&docker, Some(container_events().build())).await;

    engine.start(ContainerSpec::new("web").health(Health::Starting));
    engine.set_health("web", Health::Healthy);
    engine.pause("web");
    engine.unpause("web");
    engine.restart("web");
    engine.rename("web", "site");
    engine.stop("site");
    engine.start_again("site");
    engine.remove("site");
    assert_eq!(
        actions(&mut events).await.join(" "),
        "create start health_status: healthy pause unpause kill die stop start restart rename kill die stop start kill \
         die destroy"
    );
    assert_eq!(engine.container_names(), [""; 0]);
    assert_eq!(engine.unknown_requests(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn events_since_a_moment_are_replayed_and_filtered_and_then_go_on() {
    let engine = engine();
    let docker = engine.docker();
    engine.start(ContainerSpec::new("old"));
    sleep(Duration::from_millis(1500)).await;
    let id = engine.start(ContainerSpec::new("new").label("a", "b"));

    let filters = [("type", vec!["container"]), ("event", vec!["start", "destroy"])].into();
    let since = EventsOptionsBuilder::new().since("1800000001.25").filters(&filters).build();
    let mut events = subscribed(&docker, Some(since)).await;
    engine.remove("new");
    let seen: Vec<_> = events.by_ref().take(2).try_collect().await.unwrap();
    assert_eq!(seen[0].action.as_deref(), Some("start"));
    let actor = seen[0].actor.clone().unwrap();
    assert_eq!(actor.id, Some(id));
    assert_eq!(actor.attributes.unwrap()["a"], "b");
    let at = seen[0].time_nano.unwrap();
    assert!((1_800_000_001_500_000_000..1_800_000_001_600_000_000).contains(&at), "{at}");
    assert_eq!(seen[1].action.as_deref(), Some("destroy"));
    assert!(timeout(HOUR, events.next()).await.is_err(), "the stream stays open");
    assert_eq!(engine.queries("GET /events")[0]["since"], "1800000001.25");
}

#[tokio::test(start_paused = true)]
async fn the_engine_remembers_only_so_many_events() {
    let engine = engine();
    engine.start(ContainerSpec::new("web"));
    engine.unrelated_events(256);
    let mut events = subscribed(&engine.docker(), Some(container_events().since("0").build())).await;
    let seen = actions(&mut events).await;
    assert_eq!(seen.len(), 256);
    assert!(!seen.contains(&"start".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn lists_and_inspections_have_the_shapes_of_a_real_engine() {
    let engine = engine();
    let docker = engine.docker();
    let id = engine
        .start(ContainerSpec::new("web").image("web:2").health(Health::Healthy).compose("shop", "web", 1));
    engine.start(ContainerSpec::new("db"));
    engine.stop("db");
    sleep(Duration::from_secs(300)).await;

    let listed = docker.list_containers(None::<ListContainersOptions>).await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].id.as_deref(), Some(id.as_str()));
    assert_eq!(listed[0].names, Some(vec!["/web".into()]));
    assert_eq!(listed[0].status.as_deref(), Some("Up 5 minutes (healthy)"));
    assert_eq!(listed[0].labels.as_ref().unwrap()["com.docker.compose.service"], "web");

    let filters = [("status", vec!["exited"])].into();
    let exited = ListContainersOptionsBuilder::new().filters(&filters).build();
    let listed = docker.list_containers(Some(exited)).await.unwrap();
    assert_eq!(listed[0].names, Some(vec!["/db".into()]));
    assert_eq!(listed[0].status.as_deref(), Some("Exited (143) 5 minutes ago"));
    let filters = [("label", vec!["com.docker.compose.project=shop"])].into();
    let shop = ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
    assert_eq!(docker.list_containers(Some(shop)).await.unwrap().len(), 1);

    for reference in ["web", &id, &id[..12]] {
        let seen = docker.inspect_container(reference, None::<InspectContainerOptions>).await.unwrap();
        assert_eq!(seen.name.as_deref(), Some("/web"));
        assert_eq!(seen.state.unwrap().running, Some(true));
    }
    let error = docker.inspect_container("nobody", None::<InspectContainerOptions>).await.unwrap_err();
    assert_eq!(status(&error), (404, "No such container: nobody"));

    assert_eq!(docker.ping().await.unwrap(), "OK");
    assert_eq!(docker.version().await.unwrap().api_version.as_deref(), Some("1.41"));
    assert_eq!(docker.info().await.unwrap().system_time.as_deref(), Some("2027-01-15T08:05:00.000000000Z"));
    assert_eq!(engine.count("GET /containers/*/json"), 4);
    assert_eq!(engine.unknown_requests(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_state_that_the_client_does_not_know_fails_its_whole_list() {
    let engine = engine();
    let docker = engine.docker();
    engine.start(ContainerSpec::new("web"));
    engine.start(ContainerSpec::new("odd"));
    engine.unknown_state("odd");
    assert!(matches!(names(&docker).await, Err(Error::JsonDataError { .. })));
    let filters = [("status", vec!["running"])].into();
    let known = ListContainersOptionsBuilder::new().filters(&filters).build();
    assert_eq!(docker.list_containers(Some(known)).await.unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_created_container_is_attached_waited_for_started_and_removed() {
    let engine = engine();
    let docker = engine.docker();
    engine.on_run(|created| {
        assert_eq!(
            (created.image.as_str(), created.cmd.as_slice()),
            ("worker:1", ["work".to_owned()].as_slice())
        );
        RunBehaviour::exit(4).stdout("one\n").stderr_after(Duration::from_secs(60), "two\n").takes(HOUR)
    });
    let id = create(&docker, "job").await.unwrap();
    let error = create(&docker, "job").await.unwrap_err();
    assert_eq!(status(&error).0, 409);
    assert!(status(&error).1.starts_with(&format!(
        "Conflict. The container name \"/job\" is already in use by container \"{id}\"."
    )));

    let options = AttachContainerOptionsBuilder::new().stream(true).stdout(true).stderr(true).build();
    let mut output = docker.attach_container(&id, Some(options)).await.unwrap().output;
    let options = WaitContainerOptionsBuilder::new().condition("next-exit").build();
    let mut wait = Box::pin(docker.wait_container(&id, Some(options)));
    assert!(wait.next().now_or_never().is_none());
    engine.requested("POST /containers/*/wait", 1).await;

    let start = Instant::now();
    docker.start_container(&id, None::<StartContainerOptions>).await.unwrap();
    assert_eq!(output.next().await.unwrap().unwrap(), LogOutput::StdOut { message: "one\n".into() });
    assert_eq!(output.next().await.unwrap().unwrap(), LogOutput::StdErr { message: "two\n".into() });
    assert!(output.next().await.is_none());
    assert_eq!(start.elapsed().as_secs(), 3600);
    let end = wait.next().await.unwrap();
    assert!(matches!(end, Err(Error::DockerContainerWaitError { code: 4, .. })), "{end:?}");

    let options = LogsOptionsBuilder::new().stdout(true).stderr(true).build();
    let logged: Vec<_> = docker.logs(&id, Some(options)).try_collect().await.unwrap();
    assert_eq!(logged.len(), 2);
    docker.remove_container(&id, Some(RemoveContainerOptionsBuilder::new().build())).await.unwrap();
    assert_eq!(engine.container_names(), [""; 0]);
    assert_eq!(engine.created().len(), 1);
    assert_eq!(engine.unknown_requests(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_container_that_ignores_sigterm_is_killed_after_its_grace() {
    let engine = engine();
    let docker = engine.docker();
    engine.on_run(|_| RunBehaviour::exit(0).hold_until_killed().ignores_term());
    let id = create(&docker, "deaf").await.unwrap();
    docker.start_container(&id, None::<StartContainerOptions>).await.unwrap();
    let mut events = subscribed(&docker, Some(container_events().build())).await;

    let error = docker.remove_container(&id, None).await.unwrap_err();
    assert_eq!(status(&error).0, 409);
    let start = Instant::now();
    docker.stop_container(&id, Some(StopContainerOptionsBuilder::new().t(30).build())).await.unwrap();
    assert_eq!(start.elapsed().as_secs(), 30);
    assert_eq!(actions(&mut events).await, ["kill", "kill", "die", "stop"]);
    let state = docker.inspect_container(&id, None::<InspectContainerOptions>).await.unwrap().state.unwrap();
    assert_eq!(state.exit_code, Some(137));
}

#[tokio::test(start_paused = true)]
async fn creating_and_starting_fail_as_told() {
    let engine = engine();
    let docker = engine.docker();
    engine.without_image("worker:1");
    assert_eq!(status(&create(&docker, "a").await.unwrap_err()), (404, "No such image: worker:1"));
    let options =
        bollard::query_parameters::CreateImageOptionsBuilder::new().from_image("worker").tag("1").build();
    docker.create_image(Some(options), None, None).try_collect::<Vec<_>>().await.unwrap();
    engine.on_run(|_| RunBehaviour::missing_command("work"));
    let id = create(&docker, "a").await.unwrap();
    let error = docker.start_container(&id, None::<StartContainerOptions>).await.unwrap_err();
    assert_eq!(status(&error).0, 400);
    assert_eq!(engine.container_state("a").as_deref(), Some("created"));
}

#[tokio::test(start_paused = true)]
async fn an_exec_sends_both_streams_with_their_delays_and_leaves_its_code() {
    let engine = engine();
    let docker = engine.docker();
    engine.start(ContainerSpec::new("web"));
    engine.on_exec(|exec| {
        assert_eq!((exec.container.as_str(), exec.env.as_slice()), ("web", ["MARK=1".to_owned()].as_slice()));
        ExecBehaviour::exit(3)
            .stdout("a\n")
            .stderr_after(Duration::from_secs(10), "b\n")
            .stdout_after(Duration::from_secs(20), "c\n")
            .still_running_for(2)
            .without_code_for(1)
    });
    let id = create_exec(&docker, "web", &["ls", "-l"]).await.unwrap();
    let start = Instant::now();
    let mut output = start_exec(&docker, &id).await;
    let mut seen = Vec::new();
    while let Some(chunk) = output.next().await {
        seen.push((start.elapsed().as_secs(), chunk.unwrap()));
    }
    assert_eq!(
        seen,
        [
            (0, LogOutput::StdOut { message: "a\n".into() }),
            (10, LogOutput::StdErr { message: "b\n".into() }),
            (30, LogOutput::StdOut { message: "c\n".into() }),
        ]
    );
    let mut inspected = Vec::new();
    for _ in 0..4 {
        let seen = docker.inspect_exec(&id).await.unwrap();
        inspected.push((seen.running.unwrap(), seen.exit_code));
    }
    assert_eq!(inspected, [(true, None), (true, None), (false, None), (false, Some(3))]);
    assert_eq!(engine.execs()[0].exit, Some(3));
    assert_eq!(engine.unknown_requests(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn an_exec_of_a_missing_command_starts_and_says_so_as_output() {
    let engine = engine();
    let docker = engine.docker();
    engine.start(ContainerSpec::new("web"));
    engine.on_exec(|exec| ExecBehaviour::missing_command(&exec.cmd[0], 126));
    let id = create_exec(&docker, "web", &["nope"]).await.unwrap();
    let output: Vec<_> = start_exec(&docker, &id).await.try_collect().await.unwrap();
    assert_eq!(output.len(), 1);
    assert!(output[0].to_string().contains("exec: \"nope\": executable file not found in $PATH"));
    assert_eq!(docker.inspect_exec(&id).await.unwrap().exit_code, Some(126));
}

#[tokio::test(start_paused = true)]
async fn an_exec_needs_a_container_that_runs() {
    let engine = engine();
    let docker = engine.docker();
    let id = engine.start(ContainerSpec::new("web"));
    assert_eq!(
        status(&create_exec(&docker, "none", &["x"]).await.unwrap_err()),
        (404, "No such container: none")
    );
    engine.pause("web");
    assert_eq!(
        status(&create_exec(&docker, "web", &["x"]).await.unwrap_err()),
        (409, "Container web is paused, unpause the container before exec")
    );
    engine.unpause("web");
    engine.stop("web");
    let stopped = create_exec(&docker, "web", &["x"]).await.unwrap_err();
    assert_eq!(status(&stopped), (409, format!("Container {id} is not running").as_str()));
}

#[tokio::test(start_paused = true)]
async fn an_exec_goes_on_without_its_client_and_is_killed_by_another() {
    let engine = engine();
    let docker = engine.docker();
    engine.start(ContainerSpec::new("web"));
    engine.on_exec(|exec| match exec.cmd[0].as_str() {
        "sh" => ExecBehaviour::exit(0).on_start(|engine| {
            engine.end_execs_with_env("MARK=1", 137);
        }),
        _ => ExecBehaviour::exit(0).stdout("up\n").hold_until_killed(),
    });
    let id = create_exec(&docker, "web", &["serve"]).await.unwrap();
    let mut output = start_exec(&docker, &id).await;
    assert!(output.next().await.is_some());
    drop(output);
    sleep(HOUR).await;
    assert_eq!(docker.inspect_exec(&id).await.unwrap().running, Some(true));

    let second = create_exec(&docker, "web", &["serve"]).await.unwrap();
    let mut output = start_exec(&docker, &second).await;
    assert!(output.next().await.is_some());
    let killer = create_exec(&docker, "web", &["sh", "-c", "scan"]).await.unwrap();
    let said: Vec<_> = start_exec(&docker, &killer).await.try_collect().await.unwrap();
    assert_eq!(said, []);
    assert_eq!(docker.inspect_exec(&killer).await.unwrap().exit_code, Some(0));
    assert!(output.next().await.is_none());
    for id in [id, second] {
        let end = docker.inspect_exec(&id).await.unwrap();
        assert_eq!((end.running, end.exit_code), (Some(false), Some(137)));
    }
}

#[tokio::test(start_paused = true)]
async fn held_execs_end_when_released_and_die_with_their_container() {
    let engine = engine();
    let docker = engine.docker();
    engine.start(ContainerSpec::new("web"));
    let gate = Gate::new();
    let held = gate.clone();
    engine.on_exec(move |_| ExecBehaviour::exit(5).hold_until_released(&held));
    let id = create_exec(&docker, "web", &["a"]).await.unwrap();
    let mut output = start_exec(&docker, &id).await;
    assert!(timeout(HOUR, output.next()).await.is_err());
    gate.release();
    assert!(output.next().await.is_none());
    assert_eq!(docker.inspect_exec(&id).await.unwrap().exit_code, Some(5));

    engine.on_exec(|_| ExecBehaviour::exit(0).hold_until_killed());
    let id = create_exec(&docker, "web", &["b"]).await.unwrap();
    let mut output = start_exec(&docker, &id).await;
    engine.kill("web");
    assert!(output.next().await.is_none());
    assert_eq!(docker.inspect_exec(&id).await.unwrap().exit_code, Some(137));
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_is_down_refuses_and_cuts_and_comes_back() {
    let engine = engine();
    let docker = engine.docker();
    engine.start(ContainerSpec::new("web"));
    engine.on_exec(|_| ExecBehaviour::exit(0).takes(Duration::from_secs(10)));
    let id = create_exec(&docker, "web", &["a"]).await.unwrap();
    let mut output = start_exec(&docker, &id).await;
    let mut events = subscribed(&docker, None).await;

    engine.down();
    assert!(matches!(names(&docker).await, Err(Error::IOError { .. })));
    assert_eq!(engine.refused(), 1);
    assert!(matches!(timeout(MOMENT, output.next()).await, Ok(None | Some(Err(_)))));
    assert!(matches!(timeout(MOMENT, events.next()).await, Ok(None | Some(Err(_)))));
    sleep(Duration::from_secs(20)).await;
    engine.up();
    assert_eq!(names(&docker).await.unwrap(), ["/web"]);
    assert_eq!(docker.inspect_exec(&id).await.unwrap().exit_code, Some(0));
}

#[tokio::test(start_paused = true)]
async fn event_streams_are_cut_wedged_and_garbled() {
    let engine = engine();
    let docker = engine.docker();
    let mut events = subscribed(&docker, None).await;
    engine.cut_event_streams();
    assert!(events.next().await.is_none());

    let mut wedged = subscribed(&docker, None).await;
    engine.wedge_event_streams();
    let mut later = subscribed(&docker, Some(container_events().build())).await;
    engine.start(ContainerSpec::new("web"));
    assert_eq!(actions(&mut later).await, ["create", "start"]);
    assert!(timeout(24 * HOUR, wedged.next()).await.is_err());
    assert_eq!(engine.event_streams(), 2);
    drop(wedged);
    sleep(MOMENT).await;
    assert_eq!(engine.event_streams(), 1, "a client that leaves is noticed");

    engine.garble_events();
    engine.stop("web");
    assert!(later.next().await.unwrap().is_err());
    let mut foreign = subscribed(&docker, None).await;
    engine.foreign_event();
    assert!(matches!(foreign.next().await, Some(Err(Error::JsonDataError { .. }))));
}

#[tokio::test(start_paused = true)]
async fn lists_fail_and_wait_as_told() {
    let engine = engine();
    let docker = engine.docker();
    engine.fail_lists(2, 500);
    for _ in 0..2 {
        assert_eq!(status(&names(&docker).await.unwrap_err()).0, 500);
    }
    assert_eq!(names(&docker).await.unwrap(), [""; 0]);

    let hold = engine.hold_lists();
    let mut listing = Box::pin(names(&docker));
    assert!(timeout(Duration::from_secs(60), &mut listing).await.is_err());
    engine.start(ContainerSpec::new("web"));
    hold.release();
    assert_eq!(listing.await.unwrap(), ["/web"]);

    let hold = engine.hold_answers("GET /containers/json");
    let mut listing = Box::pin(names(&docker));
    assert!(timeout(MOMENT, &mut listing).await.is_err());
    engine.remove("web");
    drop(hold);
    assert_eq!(listing.await.unwrap(), ["/web"], "the answer is stale");
    assert_eq!(names(&docker).await.unwrap(), [""; 0]);

    let _hold = engine.hold_lists();
    assert!(matches!(names(&docker).await, Err(Error::RequestTimeoutError)));
    assert_eq!(engine.count("GET /containers/json"), 7);
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_was_carried_out() {
    let engine = engine();
    let docker = engine.docker();
    engine.lose_answers("POST /containers/create", 1);
    assert!(matches!(create(&docker, "job").await, Err(Error::IOError { .. })));
    assert_eq!(engine.container_names(), ["job"]);
    assert_eq!(status(&create(&docker, "job").await.unwrap_err()).0, 409);
}

#[tokio::test(start_paused = true)]
async fn what_the_engine_does_not_know_is_refused_and_recorded() {
    let engine = engine();
    let docker = engine.docker();
    assert_eq!(status(&docker.df(None).await.unwrap_err()).0, 404);
    assert_eq!(engine.unknown_requests(), ["GET /system/df"]);
}

#[tokio::test(start_paused = true)]
#[expect(clippy::disallowed_methods, reason = "real time is what this measures")]
async fn a_virtual_hour_passes_in_well_under_a_second() {
    let real = std::time::Instant::now();
    let engine = engine();
    let docker = engine.docker();
    engine.start(ContainerSpec::new("web"));
    engine.on_exec(|_| ExecBehaviour::exit(0).stdout("tick\n").takes(Duration::from_secs(30)));
    let start = Instant::now();
    for _ in 0..60 {
        let id = create_exec(&docker, "web", &["tick"]).await.unwrap();
        let output: Vec<_> = start_exec(&docker, &id).await.try_collect().await.unwrap();
        assert_eq!(output.len(), 1);
        sleep(Duration::from_secs(30)).await;
    }
    let virtual_time = start.elapsed();
    assert!((HOUR..HOUR + Duration::from_secs(1)).contains(&virtual_time), "{virtual_time:?}");
    assert!(real.elapsed() < Duration::from_secs(1), "{:?}", real.elapsed());
}
