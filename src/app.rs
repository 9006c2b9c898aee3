//! Puts the agent together, lets it run and takes it apart. The only place that starts long-lived tasks.

use std::{collections::BTreeMap, path::PathBuf, process::ExitCode, sync::Arc, time::Duration};

use jiff::Timestamp;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
    task::{JoinSet, spawn_blocking},
    time::{Instant, timeout},
};

use crate::{
    agent::{
        actor::Actor,
        handle::{self, Handle},
    },
    docker::{client::Engine, probe::Probe},
    history::{
        self, Opened,
        keeper::{Condition, Keeper},
        query::{self, LastEnd},
    },
    http::{
        api::{self, Api},
        audit::{Auditor, audited},
        guard::Guard,
        health::{self, Health},
        listen, login, metrics,
        opened::{Concerns, Told},
        plan,
        sessions::Sessions,
        socket::{self, Bound, SocketError},
    },
    model::{
        compose::ComposeFinder,
        connection::{Connection, Pulse},
        diagnostic::Diagnostic,
        notification::Notification,
        origin::Origin,
        session::Session,
    },
    notify::{
        board::Board,
        courier::Courier,
        digest::Digests,
        exec::Beside,
        handle::Notifications,
        notifier::{Notifier, Parts},
    },
    outward::http::{Client, UnusableProxy},
    run::{
        ending::Program, halts::Halts, own_variables::OwnVariables, pull::Pulls, reap::Children,
        unit::Context,
    },
    settings::global::Settings,
    shutdown::{self, Stage},
    telemetry::{
        metrics::{LastRun, Metrics},
        otlp::{Export, Traces},
        report,
        sink::LogSink,
        stream::EventStream,
    },
    time::Clock,
    watch::{
        engine::Watcher,
        file::{FileWatcher, Reader, Reading},
        identity,
    },
};

/// How long the last log records may take to be written.
const FLUSH_LIMIT: Duration = Duration::from_millis(200);

/// How long what is to be kept may take to be written at the end.
const KEEP_LIMIT: Duration = Duration::from_millis(100);

/// How long the last metrics and traces may take to be exported, where there is time left.
const EXPORT_LIMIT: Duration = Duration::from_secs(1);

/// How long the state directory may take to answer before the agent begins without it.
const OPEN_LIMIT: Duration = Duration::from_secs(5);

/// As many files as a few thousand runs need; local jobs inherit the limit, and some programs walk through all of it.
const FILES: u64 = 65_536;

/// What the agent found around it when it began.
pub type Found = (Option<PathBuf>, ComposeFinder, OwnVariables, Result<Client, UnusableProxy>);

/// Runs the agent until it is asked to stop. `reading` is what `reader` read for it, and `seen` what the files looked
/// like before; `events` are the records of the log that goes to `sink`, `metrics` what is counted beside it, and `export` what goes elsewhere.
/// `registries` is the file with credentials for registries of images, `compose` finds Compose, `own_variables` is what no
/// process beside the agent gets, and `client` speaks to those who are told of jobs.
pub async fn run(
    reading: Reading,
    reader: Reader,
    seen: u64,
    (sink, events, metrics, export): (LogSink, EventStream, Metrics, Export),
    (registries, compose, own_variables, client): Found,
) -> ExitCode {
    let Reading { mut sources, files, diagnostics: _ } = reading;
    let settings = Arc::new(sources.settings.clone());
    sources.started = Some(settings.clone());
    tell_of_the_start(&settings);
    raise_file_limit();
    let (Some(asked_to_end), Some(engine), Ok(bound)) =
        (signals(), engine(&settings), listen(&settings).await)
    else {
        sink.flush(FLUSH_LIMIT).await;
        return ExitCode::FAILURE;
    };
    let (terminate, interrupt, hangup) = asked_to_end;

    let opened = open_history(&settings).await;
    let Opened { keeper, writer, memory, legacy, halts, made, installation, .. } = opened;
    opened.diagnostics.iter().for_each(report::problem);

    let children = Children::default();
    let (inventory, observed) = watch::channel(None);
    let (connection, connected) = watch::channel(Connection::Waiting);
    let (pulse, felt) = watch::channel(Pulse::default());
    let (stage, staged) = watch::channel(Stage::Run);
    let (handle, ends) = handle::handle();
    let (grace, graced) = watch::channel(settings.shutdown_grace);
    let (sources, written) = watch::channel(Arc::new(sources));

    let mut tasks = JoinSet::new();
    tasks.spawn(children.clone().reap_orphans());
    tasks.spawn(FileWatcher { reader, watched: files.clone(), files, seen, sources }.watch(hangup));
    tasks.spawn(
        Watcher {
            engine: engine.clone(),
            clock: Clock::System,
            own_ids: identity::of_this_process(),
            inventory,
            connection,
            pulse,
        }
        .watch(),
    );
    let seen = (handle.clone(), keeper.clone(), connected.clone());
    let scraped = scraped(&mut tasks, &settings, seen, (metrics, sink.clone(), export.traces()));
    let exported = export.condition();
    let (close, closed) = watch::channel(false);
    let mut exporters = exporters(export, scraped.clone(), &closed);
    let guard = Guard {
        sources: written.clone(),
        sessions: Sessions::new(logged_in(&settings, &keeper).await, keeper.clone(), Clock::System),
    };
    let (told, concerns) = watch::channel(Concerns::default());
    let state_dir = settings.state_dir.clone();
    let beside = Beside { children: children.clone(), own_variables: own_variables.clone() };
    let courier = Courier::new(client, state_dir.clone(), beside, handle.telling());
    let left = (opened.waiting, opened.digests);
    let (notifications, mut notifiers) = notifier(courier, keeper.clone(), closed.clone(), left);
    let told_there = (concerns, exported, notifications);
    let api = Api::new(handle, keeper.clone(), state_dir, Clock::System, events, told_there);
    let health = Health { api, connection: connected.clone(), pulse: felt, probe: Probe::of(engine.clone()) };
    answer(&mut tasks, bound, guard, (health, told), scraped);
    let context = Context {
        engine,
        clock: Clock::System,
        sink: sink.clone(),
        children,
        keeper: keeper.clone(),
        installation,
        pulls: Pulls::default(),
        registries,
        compose,
        program: Program::own(),
        halts: Halts::after(&halts),
        own_variables,
    };
    // It ends after all others: until then there may be something to keep.
    let mut writers = JoinSet::new();
    writers.spawn(writer.run());
    let remembered = (memory, opened.notify_memory, legacy, made);
    let actor = Actor::new(written, context, (observed, connected), (staged, grace), ends, remembered);
    let stopping = std::sync::OnceLock::new();
    let grace_of_end = graced.clone();
    let drive = shutdown::drive(stage, graced, first_of(terminate, interrupt, &stopping));
    let failed = tokio::select! {
        ((), ()) = async { tokio::join!(actor.run(), drive) } => None,
        error = first_failure(&mut tasks) => Some(error),
    };
    tasks.shutdown().await;
    close.send_replace(true);
    let limit = export_limit(*grace_of_end.borrow(), stopping.get().map(Instant::elapsed));
    // What the disk, or a receiver, does not take by then was not worth a later end. What someone is to be told is kept for
    // the next agent.
    let _ = timeout(limit, async { tokio::join!(all_over(&mut notifiers), all_over(&mut exporters)) }).await;
    keeper.close();
    let _ = timeout(KEEP_LIMIT, writers.join_next()).await;
    if let Some(error) = failed {
        // Without its watcher the agent would go on as if nothing ever changed; started anew, it knows again.
        report::agent_failed(&error);
        sink.flush(FLUSH_LIMIT).await;
        return ExitCode::FAILURE;
    }
    report::agent_stopped(stopping.get().map_or(Duration::ZERO, Instant::elapsed));
    sink.flush(FLUSH_LIMIT).await;
    ExitCode::SUCCESS
}

/// The Engine of these settings; `None`, which was told, if there is no way to it that is as safe as they ask for.
fn engine(settings: &Settings) -> Option<Engine> {
    let engine = Engine::at(&settings.docker_host, settings.certificates());
    let Some(reason) = engine.obstacle() else { return Some(engine) };
    let place = if settings.docker_tls_verify { "setting docker-cert-path" } else { "setting docker-host" };
    let reason = format!("{reason}; the agent does not start, rather than talk in the clear");
    report::problem(&Diagnostic::error(Origin::Place(place.into()), reason));
    None
}

/// The agent's socket, if it can be made now. An error, which was told: another agent has it.
async fn listen(settings: &Settings) -> Result<Option<Bound>, ()> {
    let error = match socket::bind(&settings.state_dir, OPEN_LIMIT).await {
        Ok(bound) => return Ok(Some(bound)),
        Err(error) => error,
    };
    report::problem(&Diagnostic::error(Origin::Place("setting state-dir".into()), no_socket(&error)));
    if matches!(error, SocketError::InUse) { Err(()) } else { Ok(None) }
}

/// Opens the store, unless its disk does not answer: then the agent begins without.
async fn open_history(settings: &Settings) -> Opened {
    let (directory, most) = (settings.state_dir.clone(), settings.history_max_size);
    let opening = spawn_blocking(move || history::open(&directory, most, Clock::System));
    match timeout(OPEN_LIMIT, opening).await {
        Ok(Ok(opened)) => opened,
        Ok(Err(_)) | Err(_) => {
            history::unanswered(&settings.state_dir, settings.history_max_size, Clock::System)
        }
    }
}

fn tell_of_the_start(settings: &Settings) {
    report::agent_started(
        env!("CARGO_PKG_VERSION"),
        &settings.docker_host,
        &settings.state_dir.display().to_string(),
        settings.timezone.name(),
        settings.max_concurrent_runs.get(),
    );
}

/// Starts all that answers.
fn answer(
    tasks: &mut JoinSet<()>,
    bound: Option<Bound>,
    guard: Guard,
    (health, told): (Health, Told),
    scraped: metrics::Sources,
) {
    let api = health.api.clone();
    let routes = api::routes(api.clone())
        .merge(login::routes(guard.clone()))
        .merge(metrics::routes(scraped))
        .merge(health::routes(health));
    let Api { agent, keeper, state_dir, clock, .. } = api;
    let routes = audited(routes, Auditor { keeper, clock });
    tasks.spawn(listen::serve(guard, routes.clone(), told));
    // What would change is asked with all that is wanted, secrets and all: that goes over no network.
    tasks.spawn(socket::serve(bound, state_dir, routes.merge(plan::routes(agent))));
}

/// Starts what tells of jobs; `waiting` is what the last agent left, and `digests` when it sent the daily messages.
fn notifier(
    deliver: Courier,
    keeper: Keeper,
    closed: watch::Receiver<bool>,
    (waiting, digests): (Vec<Notification>, BTreeMap<Arc<str>, Timestamp>),
) -> (Notifications, JoinSet<()>) {
    let (clock, directory, board) = (deliver.clock.clone(), deliver.directory.clone(), Board::default());
    let notifications = Notifications::new(deliver.clone(), board.clone());
    let digests = Digests::new(clock.clone(), directory.clone(), digests);
    let (outbox, telling) = (keeper.outbox(), deliver.telling.clone());
    let parts = Parts { outbox, telling, closed, board, deliver, keeper, clock, digests, directory };
    let mut tasks = JoinSet::new();
    tasks.spawn(Notifier::new(parts, waiting).run());
    (notifications, tasks)
}

/// Who had logged in when the last agent ended. One whom it does not find logs in again.
async fn logged_in(settings: &Settings, keeper: &Keeper) -> Vec<Session> {
    if *keeper.condition().borrow() != Condition::Well {
        return Vec::new();
    }
    let directory = settings.state_dir.clone();
    let read = spawn_blocking(move || query::Reader::open(&directory).ok().flatten()?.sessions().ok());
    timeout(OPEN_LIMIT, read).await.ok().and_then(Result::ok).flatten().unwrap_or_default()
}

/// Starts what is exported.
fn exporters(export: Export, scraped: metrics::Sources, closed: &watch::Receiver<bool>) -> JoinSet<()> {
    let look = Arc::new(move || scraped.exposition());
    export.tasks(look, &Clock::System, closed).into_iter().collect()
}

/// How long what is left to export may take: longer where the runs have ended before their time was over.
fn export_limit(grace: Duration, ending_for: Option<Duration>) -> Duration {
    let whole = grace + shutdown::STOP_TIME + shutdown::KILL_TIME;
    let left = whole.saturating_sub(ending_for.unwrap_or_default());
    EXPORT_LIMIT.min(left).max(KEEP_LIMIT)
}

async fn all_over(tasks: &mut JoinSet<()>) {
    while tasks.join_next().await.is_some() {}
}

/// What `/metrics` reads. How last runs ended and when jobs last succeeded is taken from the history beside the start: an
/// alert about a backup that does not succeed must not wait for the next one.
fn scraped(
    tasks: &mut JoinSet<()>,
    settings: &Settings,
    (agent, keeper, connection): (Handle, Keeper, watch::Receiver<Connection>),
    (metrics, sink, traces): (Metrics, LogSink, Traces),
) -> metrics::Sources {
    let (known, remembered) = watch::channel(());
    let (directory, to) = (settings.state_dir.clone(), metrics.clone());
    let remember = move || {
        // A history that cannot be read is told of by who writes it.
        let reader = query::Reader::open(&directory).ok().flatten();
        for it in reader.and_then(|it| it.last_ends().ok()).unwrap_or_default() {
            let LastEnd { job, succeeded, ended, duration, exit_code } = it;
            to.remember(job, ended.map(|ended| LastRun { ended, duration, exit_code }), succeeded);
        }
        drop(known);
    };
    if *keeper.condition().borrow() == Condition::Well {
        tasks.spawn(async move { drop(spawn_blocking(remember).await) });
    }
    metrics::Sources { metrics, agent, keeper, connection, sink, traces, clock: Clock::System, remembered }
}

/// Waits until one of the tasks that should go on for ever has failed by a mistake of ours.
async fn first_failure(tasks: &mut JoinSet<()>) -> String {
    loop {
        match tasks.join_next().await {
            Some(Err(error)) => return error.to_string(),
            Some(Ok(())) => {}
            None => std::future::pending().await,
        }
    }
}

fn no_socket(error: &SocketError) -> String {
    match error {
        SocketError::InUse => error.to_string(),
        SocketError::Unanswered => {
            format!("{error}; jobs run, but nothing can ask the agent until it does")
        }
        SocketError::Io { .. } => format!(
            "{error}; jobs run, but no command can ask the agent until it can be made: make the state directory \
             writable, in a container by a volume"
        ),
    }
}

/// One connection a call: many runs at once need many files.
fn raise_file_limit() {
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
        && soft < hard.min(FILES)
    {
        // With the lower limit fewer runs can go on at once, and each that cannot says so.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard.min(FILES), hard);
    }
}

/// Terminate, interrupt and hang up, as they come. `None`, which was told, if they cannot be heard.
fn signals() -> Option<(Signal, Signal, Signal)> {
    let kinds = [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()].map(signal);
    match kinds {
        [Ok(terminate), Ok(interrupt), Ok(hangup)] => Some((terminate, interrupt, hangup)),
        [Err(error), ..] | [_, Err(error), _] | [.., Err(error)] => {
            let reason = format!("signals cannot be handled: {error}");
            report::problem(&Diagnostic::error(Origin::Default, reason));
            None
        }
    }
}

/// Waits for either of the two; notes when the first came.
fn first_of(
    mut terminate: Signal,
    mut interrupt: Signal,
    first: &std::sync::OnceLock<Instant>,
) -> impl AsyncFnMut() {
    async move || {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        first.get_or_init(Instant::now);
    }
}
