//! The whole agent but for its socket: watcher, actor and the stages of its end, on a fake Engine under a paused clock,
//! with its log read back as records.
#![expect(
    clippy::disallowed_methods,
    reason = "the agent's tasks live as long as the test; dropping it ends them"
)]

mod record;
mod signals;

use std::{cell::RefCell, collections::BTreeMap, fmt, path::PathBuf, sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::{Layer, layer::SubscriberExt};
use watchbell::{
    agent::{
        actor::Actor,
        handle::{self, Handle},
    },
    docker::{client::Engine, inventory::OwnIds},
    history::{self, Opened, keeper::Keeper},
    http::metrics::Sources as Scraped,
    model::{
        compose::ComposeFinder,
        connection::{Connection, Pulse},
        unfinished::Legacy,
    },
    run::{
        ending::Program, halts::Halts, own_variables::OwnVariables, pull::Pulls, reap::Children,
        unit::Context,
    },
    settings::{
        env,
        global::layers::Upper,
        ini::{self, RawSetting},
        resolve::Sources,
    },
    shutdown::{self, Stage},
    telemetry::{
        logging::{self, LogFilter, LogFormat, LogLevel},
        metrics::Metrics,
        otlp::Traces,
        report,
        sink::{LogSink, MemoryLog},
    },
    time::Clock,
    watch::engine::Watcher,
};

pub use self::{
    record::Record,
    signals::{Signalling, program, signalled, signals, without_shell},
};
use super::{
    exposition::Exposition,
    fake_engine::{ContainerSpec, FakeEngine},
};
use crate::endpoints;

/// When every test begins: a Monday, at midnight.
pub const START: &str = "2026-01-05T00:00:00Z";

/// Long enough, in virtual time, for everything that can happen without a timer to have happened.
pub const MOMENT: Duration = Duration::from_millis(20);

/// Sooner than this is at once: nothing waited for a timer of the watcher.
pub const AT_ONCE: Duration = Duration::from_millis(100);

pub const MINUTE: Duration = Duration::from_secs(60);
pub const HOUR: Duration = Duration::from_secs(3600);

pub fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// A container that opted in, with labels below `watchbell.job-`.
pub fn labelled(name: &str, labels: &[(&str, &str)]) -> ContainerSpec {
    let labels = labels.iter().map(|(key, value)| (format!("watchbell.job-{key}"), *value));
    ContainerSpec::new(name).label("watchbell.enabled", "true").labels(labels)
}

/// A container with one job of kind `exec` whose command is `work`.
pub fn with_job(container: &str, job: &str, schedule: &str) -> ContainerSpec {
    labelled(
        container,
        &[(&format!("exec.{job}.schedule"), schedule), (&format!("exec.{job}.command"), "work")],
    )
}

/// What the agent is started with.
#[derive(Default)]
pub struct Setup {
    pub ini: String,
    /// Arguments of `--set`.
    pub set: Vec<String>,
    pub environment: BTreeMap<String, String>,
    /// IDs that the agent believes its own container may have.
    pub own_ids: Vec<String>,
    /// Whether the agent panics when it is about to write this event.
    pub panic_at: Option<&'static str>,
    /// What it copies into containers without a shell; by default itself.
    pub program: Option<PathBuf>,
    /// Where it keeps what outlives it; without it nothing is kept.
    pub state_dir: Option<PathBuf>,
    /// The file with credentials for registries.
    pub registries: Option<PathBuf>,
    /// What finds Compose; without it there is none.
    pub compose: Option<ComposeFinder>,
}

impl Setup {
    pub fn ini(text: &str) -> Self {
        Self { ini: text.to_owned(), ..Self::default() }
    }
}

/// The agent. Dropping it ends it on the spot.
pub struct TestAgent {
    pub engine: FakeEngine,
    pub handle: Handle,
    /// What is written but for the labels: a test sends what was read anew.
    pub written: watch::Sender<Arc<Sources>>,
    pub connection: watch::Receiver<Connection>,
    scraped: Scraped,
    clock: Clock,
    log: MemoryLog,
    records: RefCell<Vec<Record>>,
    signals: mpsc::UnboundedSender<()>,
    watcher: JoinHandle<()>,
    actor: JoinHandle<()>,
    _subscriber: DefaultGuard,
}

impl Drop for TestAgent {
    fn drop(&mut self) {
        self.watcher.abort();
        self.actor.abort();
        // A failing test's own message is the one that counts.
        if !std::thread::panicking() {
            let unknown = endpoints::not_in_the_table(self.engine.requests());
            assert!(
                unknown.is_empty(),
                "no row of src/docker/endpoints.rs says that it is asked: {unknown:?}"
            );
        }
    }
}

/// The wall clock of a test; agent and Engine share it.
pub fn clock() -> Clock {
    Clock::anchored(START.parse().expect("it is a time"))
}

/// An Engine that goes by `clock`.
pub fn engine(clock: &Clock) -> FakeEngine {
    engine_off_by(clock, SignedDuration::ZERO)
}

/// An Engine whose clock is wrong by `skew`.
pub fn engine_off_by(clock: &Clock, skew: SignedDuration) -> FakeEngine {
    let clock = clock.clone();
    FakeEngine::new(move || clock.now() + skew)
}

impl TestAgent {
    /// An agent without settings on an Engine without containers, which it has seen.
    pub async fn new() -> Self {
        Self::with(Setup::default()).await
    }

    /// The same with settings.
    pub async fn with(setup: Setup) -> Self {
        let clock = clock();
        let engine = engine(&clock);
        let agent = Self::on(clock, engine, setup);
        agent.wait_for("agent.ready", 1).await;
        agent
    }

    /// An agent on an Engine that may be in any state. Nothing has happened yet when this returns.
    pub fn on(clock: Clock, engine: FakeEngine, setup: Setup) -> Self {
        let (sink, log) = LogSink::memory();
        let metrics = Metrics::new().expect("they can be set up");
        let panics = setup.panic_at.map(|event| PanicAt { event });
        let subscriber = tracing_subscriber::registry()
            .with(LogFilter::new(LogLevel::Info))
            .with(logging::layer(LogFormat::Json, clock.clone(), sink.clone(), false))
            .with(metrics.clone())
            .with(panics);
        let subscriber = tracing::subscriber::set_default(subscriber);
        let sources = sources(&setup);
        let (grace, graced) = watch::channel(sources.settings.shutdown_grace);
        let (written, sources) = watch::channel(Arc::new(sources));

        let client = Engine::with_client(engine.docker());
        let (inventory, observed) = watch::channel(None);
        let (connection, connected) = watch::channel(Connection::Waiting);
        let (stage, staged) = watch::channel(Stage::Run);
        let (handle, ends) = handle::handle();
        let watcher = Watcher {
            engine: client.clone(),
            clock: clock.clone(),
            own_ids: OwnIds { ids: setup.own_ids, certain: false },
            inventory,
            connection,
            pulse: watch::channel(Pulse::default()).0,
        };
        let most = sources.borrow().settings.history_max_size;
        let opened = setup.state_dir.map(|it| history::open(&it, most, clock.clone()));
        let (keeper, writer, remembered, installation) = match opened {
            Some(opened) => {
                let Opened {
                    keeper, writer, memory, notify_memory, legacy, halts, made, installation, ..
                } = opened;
                opened.diagnostics.iter().for_each(report::problem);
                let remembered = (memory, notify_memory, legacy, Halts::after(&halts), made);
                (keeper, Some(tokio::spawn(writer.run())), remembered, installation)
            }
            None => (Keeper::none(), None, <_>::default(), history::installation::unknown()),
        };
        let (memory, notify_memory, legacy, halts, made): (_, _, Legacy, Halts, _) = remembered;
        let remembered = (memory, notify_memory, legacy, made);
        let scraped = Scraped {
            metrics,
            agent: handle.clone(),
            keeper: keeper.clone(),
            connection: connected.clone(),
            sink: sink.clone(),
            traces: Traces::default(),
            clock: clock.clone(),
            remembered: watch::channel(()).1,
        };
        let context = Context {
            engine: client,
            clock: clock.clone(),
            sink,
            children: Children::default(),
            keeper: keeper.clone(),
            installation,
            pulls: Pulls::default(),
            registries: setup.registries,
            compose: setup.compose.unwrap_or_else(|| ComposeFinder::new(|| None)),
            program: setup.program.map_or_else(Program::own, Program::at),
            halts,
            own_variables: OwnVariables::default(),
        };
        let actor =
            Actor::new(sources, context, (observed, connected.clone()), (staged, grace), ends, remembered);
        let (signals, mut signalled) = mpsc::unbounded_channel::<()>();
        let drive = shutdown::drive(stage, graced, async move || {
            if signalled.recv().await.is_none() {
                std::future::pending::<()>().await;
            }
        });
        Self {
            engine,
            handle,
            written,
            connection: connected,
            scraped,
            clock,
            log,
            records: RefCell::default(),
            signals,
            watcher: tokio::spawn(watcher.watch()),
            actor: tokio::spawn(async move {
                tokio::join!(actor.run(), drive);
                keeper.close();
                if let Some(writer) = writer {
                    writer.await.expect("it writes until the end");
                }
            }),
            _subscriber: subscriber,
        }
    }

    /// The clock that agent and Engine go by, for the next agent.
    pub fn clock(&self) -> Clock {
        self.clock.clone()
    }

    /// The wall clock of agent and Engine.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Sets the clock of agent and Engine.
    pub fn step(&self, by: SignedDuration) {
        self.clock.step(by);
    }

    /// Sleeps until this moment of the day on which the test began, such as `01:30`.
    pub async fn sleep_until(&self, time: &str) {
        let day = START.split_once('T').expect("it is a time").0;
        let at: Timestamp = format!("{day}T{time}:00Z").parse().expect("a time of day");
        let wait = at.duration_since(self.now());
        sleep(wait.try_into().expect("the moment is to come")).await;
    }

    /// What `/metrics` says now.
    pub fn scrape(&self) -> Exposition {
        Exposition::read(&self.scraped.exposition().collect::<String>())
    }

    /// Everything logged so far.
    pub fn records(&self) -> Vec<Record> {
        let mut records = self.records.borrow_mut();
        let text = self.log.take();
        records.extend(text.lines().map(Record::read));
        records.clone()
    }

    /// What was logged as this event.
    pub fn all(&self, event: &str) -> Vec<Record> {
        self.records().into_iter().filter(|it| it.text("event") == event).collect()
    }

    /// What was logged as this event about this job.
    pub fn of(&self, event: &str, job: &str) -> Vec<Record> {
        self.all(event).into_iter().filter(|it| it.text("job") == job).collect()
    }

    /// The only record of this event.
    pub fn one(&self, event: &str) -> Record {
        let mut all = self.all(event);
        assert_eq!(all.len(), 1, "{event}: {all:?}");
        all.remove(0)
    }

    /// Events about jobs as `event job`, in order.
    pub fn job_events(&self) -> Vec<String> {
        let about_jobs = self.records().into_iter().filter(|it| it.text("event").starts_with("job."));
        about_jobs.map(|it| format!("{} {}", it.text("event"), it.text("job"))).collect()
    }

    /// How the occurrences of a job ended so far, in order.
    pub fn outcomes(&self, job: &str) -> Vec<String> {
        let of_job = self.records().into_iter().filter(|it| it.text("job") == job && it.has("outcome"));
        of_job.map(|it| it.text("outcome")).collect()
    }

    /// What a job's runs printed so far, as `stream: line`.
    pub fn output(&self, job: &str) -> Vec<String> {
        let lines = self.of("run.output", job);
        lines.iter().map(|it| format!("{}: {}", it.text("stream"), it.text("line"))).collect()
    }

    /// Waits until there are `n` records of this event. A day that does not bring them is a failure.
    pub async fn wait_for(&self, event: &str, n: usize) -> Record {
        self.wait_until(&format!("{n} {event}"), |agent| agent.all(event).get(n.wrapping_sub(1)).cloned())
            .await
    }

    /// Waits until there are `n` records of this event about this job.
    pub async fn wait_for_job(&self, event: &str, job: &str, n: usize) -> Record {
        self.wait_until(&format!("{n} {event} of {job}"), |agent| agent.of(event, job).get(n - 1).cloned())
            .await
    }

    async fn wait_until<T>(&self, what: &str, found: impl Fn(&Self) -> Option<T>) -> T {
        let begun = Instant::now();
        loop {
            if let Some(found) = found(self) {
                return found;
            }
            assert!(begun.elapsed() < 24 * HOUR, "no {what} within a day: {:#?}", self.records());
            assert!(!self.actor.is_finished(), "no {what} before the end: {:#?}", self.records());
            // Finely at first, where the time is measured, and then not at the price of a day of polling.
            let young = begun.elapsed() < seconds(2);
            sleep(Duration::from_millis(if young { 1 } else { 250 })).await;
        }
    }

    /// Starts a container, and waits for the jobs that it brings.
    pub async fn start(&self, container: ContainerSpec) -> String {
        let added = self.all("job.added").len();
        let id = self.engine.start(container);
        self.wait_for("job.added", added + 1).await;
        id
    }

    /// Removes a container and starts another one in its place, between two looks of the agent.
    pub fn replace(&self, name: &str, by: ContainerSpec) -> String {
        self.engine.remove(name);
        self.engine.start(by)
    }

    /// How many lists of containers were asked for so far.
    pub fn lists(&self) -> usize {
        self.engine.count("GET /containers/json")
    }

    /// SIGTERM, or SIGINT.
    pub fn signal(&self) {
        self.signals.send(()).expect("the agent listens for as long as it lives");
    }

    /// Whether the agent has ended.
    pub fn has_ended(&self) -> bool {
        self.actor.is_finished()
    }

    /// Waits for the agent's end, and says how long that took.
    pub async fn end(&mut self) -> Duration {
        let begun = Instant::now();
        timeout(HOUR, &mut self.actor).await.expect("it ends within an hour").expect("it does not panic");
        begun.elapsed()
    }
}

fn sources(setup: &Setup) -> Sources {
    let variable = |name: &str| setup.environment.get(name).cloned();
    let file = ini::parse("config.ini", &setup.ini, &variable);
    assert_eq!(file.broken, [], "the file of a test can be read");
    let ours = setup.environment.iter().filter_map(|(name, value)| {
        let key = name.strip_prefix(env::PREFIX).filter(|key| !key.starts_with("JOB_"))?;
        let origin = watchbell::model::origin::Origin::Environment(name.as_str().into());
        Some(RawSetting::new(key, value.as_str(), origin))
    });
    let upper = Upper::new(Vec::new(), ours.collect(), &variable);
    let mut overrides: Vec<_> =
        setup.set.iter().map(|argument| env::parse_set(argument).expect("it can be read")).collect();
    overrides
        .extend(env::from_environment(setup.environment.iter().map(|(name, value)| (&**name, &**value))));
    let sources = Sources::new(file, upper, overrides);
    assert_eq!(sources.mistakes(), [], "the settings of a test are right");
    sources
}

/// Makes whoever writes an event panic, which stands for a mistake anywhere in a run.
struct PanicAt {
    event: &'static str,
}

impl<S: tracing::Subscriber> Layer<S> for PanicAt {
    fn on_event(&self, event: &tracing::Event<'_>, _: tracing_subscriber::layer::Context<'_, S>) {
        struct Find<'a>(&'a str, bool);
        impl tracing::field::Visit for Find<'_> {
            fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn fmt::Debug) {
                self.1 |= field.name() == "event" && format!("{value:?}").trim_matches('"') == self.0;
            }
        }
        let mut find = Find(self.event, false);
        event.record(&mut find);
        assert!(!find.1, "staged by the test");
    }
}
