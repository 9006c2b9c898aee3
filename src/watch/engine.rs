//! Keeps the observation of the Engine's containers, and of the services of the Swarm that it manages, up to date.
//!
//! Events are hints, the list is the truth. Engine's time, list, events since that time; a hint means a new list. The
//! end of the stream, an event that cannot be decoded and silence all mean: begin again. An Engine that does not
//! answer leaves the last observation as it is.

use std::{
    collections::BTreeSet,
    hash::{BuildHasher, Hasher, RandomState},
    sync::Arc,
    time::Duration,
};

use futures::StreamExt;
use jiff::SignedDuration;
use tokio::{
    sync::watch,
    time::{Instant, sleep, sleep_until, timeout},
};

use crate::{
    docker::{client::Engine, error::EngineError, events::Hint, inventory::OwnIds, swarm::Membership},
    model::{
        connection::{Connection, Pulse},
        container::{ContainerState, Inventory},
        swarm::Services,
    },
    telemetry::report,
    time::Clock,
};

use super::backoff::Backoff;

/// How long the Engine may take to answer a list, before it counts as gone.
const LIST_LIMIT: Duration = Duration::from_secs(30);

/// How long a Swarm may take to list its services; a manager that finds no leader is slow to say so. The list of
/// containers does not wait for more, and for as long after a failure it is not asked again.
const SERVICES_LIMIT: Duration = Duration::from_secs(5);
const SERVICES_PAUSE: Duration = Duration::from_secs(10);

/// A new subscription and a new list after this long, whatever happened: a connection that something on the way has
/// silently dropped cannot be told from a quiet one.
const RESYNC: Duration = Duration::from_secs(60);

/// A stream that has not ended after this long is one: whoever is refused it, or loses it again, knows sooner.
const STANDS: Duration = Duration::from_secs(1);

/// How long a list that a hint asks for may be put off, so that a burst of hints costs few lists.
const SPACING: Duration = Duration::from_millis(300);

/// How many lists may come without that spacing after a quiet time: a container that is replaced gives two or three
/// hints, and each is a change that someone waits to see.
const AT_ONCE: u32 = 3;

/// The Engine is asked for events from a little before the list: what comes twice costs a list, what is missed costs
/// a job. Where the Engine does not tell its time, ours may differ by more.
const OVERLAP: SignedDuration = SignedDuration::from_secs(1);
const OVERLAP_UNKNOWN_TIME: SignedDuration = SignedDuration::from_secs(120);

/// Where the observations go.
#[derive(Debug)]
pub struct Watcher {
    /// The Engine.
    pub engine: Engine,
    /// The wall clock.
    pub clock: Clock,
    /// IDs that the agent's own container may have.
    pub own_ids: OwnIds,
    /// `None` until the first complete list.
    pub inventory: watch::Sender<Option<Arc<Inventory>>>,
    /// How the Engine is doing.
    pub connection: watch::Sender<Connection>,
    /// When it was last heard of.
    pub pulse: watch::Sender<Pulse>,
}

/// Why a subscription ended.
enum End {
    /// It was time for a new one.
    Resync,
    /// The stream ended or could not be read; the Engine may well be there.
    Stream(String),
}

impl Watcher {
    /// Observes for ever; dropping the future ends it.
    pub async fn watch(self) {
        let mut backoff = Backoff::default();
        loop {
            let error = match self.session(&mut backoff).await {
                Ok(never) => match never {},
                Err(error) => error,
            };
            self.lost(&error);
            sleep(backoff.next(random())).await;
        }
    }

    fn lost(&self, error: &EngineError) {
        let reason = error.to_string();
        let news = self.connection.send_if_modified(|connection| {
            let news = !matches!(connection, Connection::Lost { .. });
            *connection = Connection::Lost { reason: reason.clone() };
            news
        });
        if news {
            report::engine_lost(self.engine.host(), &reason);
        }
    }

    /// One time of being connected; ends with the first call that fails.
    async fn session(&self, backoff: &mut Backoff) -> Result<std::convert::Infallible, EngineError> {
        let mut stream_backoff = Backoff::default();
        loop {
            let facts = limited(self.engine.facts()).await?;
            let since = match facts.time {
                Some(time) => time.saturating_sub(OVERLAP),
                None => self.clock.now().saturating_sub(OVERLAP_UNKNOWN_TIME),
            }
            .unwrap_or(jiff::Timestamp::MIN);
            let mut swarm = Swarm { part: facts.swarm, ask_at: Instant::now() };
            self.list(&mut swarm).await?;
            backoff.reset();
            let connected = Connection::Connected { version: facts.version.clone() };
            if self.connection.send_if_modified(|it| std::mem::replace(it, connected.clone()) != connected) {
                report::engine_connected(self.engine.host(), &facts.version);
            }
            let began = Instant::now();
            match self.subscription(since, &mut swarm).await? {
                End::Resync => stream_backoff.reset(),
                End::Stream(reason) => {
                    if began.elapsed() > RESYNC / 2 {
                        stream_backoff.reset();
                    }
                    report::event_stream_ended(&reason);
                    self.pulse.send_modify(|it| it.broken = Some(reason));
                    sleep(stream_backoff.next(random())).await;
                }
            }
        }
    }

    /// Follows the events; lists whenever one says that it is worth its while.
    async fn subscription(&self, since: jiff::Timestamp, swarm: &mut Swarm) -> Result<End, EngineError> {
        let manages = matches!(swarm.part, Membership::Manager(_));
        let mut hints = Box::pin(self.engine.hints(since, manages)?);
        self.pulse.send_modify(|it| it.heard = Some(Instant::now().into_std()));
        let (stands, mut stood) = (Instant::now() + STANDS, false);
        let resync = Instant::now() + RESYNC;
        let mut spacing = Spacing::new(Instant::now());
        let mut wanted = None;
        let mut dying = Dying::default();
        loop {
            let next = wanted.map(|at| spacing.next_at().max(at));
            tokio::select! {
                hint = hints.next() => match hint {
                    Some(Ok(hint)) => {
                        report::engine_event();
                        self.heard();
                        let at = dying.heard(hint);
                        wanted = Some(wanted.map_or(at, |wanted: Instant| wanted.min(at)));
                    }
                    Some(Err(error)) => return Ok(End::Stream(error.to_string())),
                    None => return Ok(End::Stream("the stream ended".to_owned())),
                },
                () = sleep_until(next.unwrap_or(resync)), if next.is_some() => {
                    spacing.take(Instant::now());
                    self.list(swarm).await?;
                    wanted = dying.seen(self.inventory.borrow().as_deref());
                }
                () = sleep_until(stands), if !stood => {
                    stood = true;
                    self.pulse.send_modify(|it| it.broken = None);
                }
                () = sleep_until(resync) => return Ok(End::Resync),
            }
        }
    }

    /// Its events have just given something.
    fn heard(&self) {
        self.pulse.send_modify(|it| {
            it.heard = Some(Instant::now().into_std());
            it.broken = None;
        });
    }

    async fn list(&self, swarm: &mut Swarm) -> Result<(), EngineError> {
        let containers = limited(self.engine.inventory(&self.own_ids));
        let (listed, services) = tokio::join!(containers, self.services(swarm));
        let (inventory, unclear) = listed?;
        self.pulse.send_modify(|it| it.listed = Some(Instant::now().into_std()));
        let inventory = Inventory { services, ..inventory };
        self.inventory.send_if_modified(|last| {
            let news = last.as_deref() != Some(&inventory);
            if let Some(unclear) = unclear.filter(|_| last.as_ref().is_none_or(|last| last.own.is_some())) {
                report::problem(&unclear);
            }
            if news {
                *last = Some(Arc::new(inventory));
            }
            news
        });
        Ok(())
    }
}

/// The Engine's part in a Swarm, as it was when the subscription began.
#[derive(Debug)]
struct Swarm {
    part: Membership,
    /// Its services are not listed before.
    ask_at: Instant,
}

impl Watcher {
    /// The services. Unknown is not empty: those that cannot be listed are as they were.
    async fn services(&self, swarm: &mut Swarm) -> Services {
        let last = self.inventory.borrow().as_ref().map(|it| it.services.clone());
        if let Some(last) = last.as_ref().filter(|_| Instant::now() < swarm.ask_at) {
            return last.clone();
        }
        let asked = timeout(SERVICES_LIMIT, self.engine.services(&swarm.part, last.as_ref())).await;
        let services = asked.unwrap_or_else(|_| Services {
            list: last.map(|it| it.list).unwrap_or_default(),
            unseen: Some("the Swarm did not list its services in time".into()),
        });
        if services.unseen.is_some() {
            swarm.ask_at = Instant::now() + SERVICES_PAUSE;
        }
        services
    }
}

/// Containers whose process has ended and that the list may still call running: on a real Engine for some twenty
/// milliseconds, and no further event says when it is over.
#[derive(Debug, Default)]
struct Dying {
    containers: BTreeSet<String>,
    asked: u32,
}

/// How long after a death the list is worth its while, and how often it is asked again, each time after twice as long.
const DEATH_TAKES: Duration = Duration::from_millis(30);
const ASK_AGAIN: u32 = 6;

impl Dying {
    /// A hint came; the answer is when a list is worth its while.
    fn heard(&mut self, hint: Hint) -> Instant {
        let now = Instant::now();
        let Some(container) = hint.container else { return now };
        if hint.died {
            self.containers.insert(container);
            self.asked = 0;
            return now + DEATH_TAKES;
        }
        self.containers.remove(&container);
        now
    }

    /// A list came; the answer is when the next one is worth its while, if it tells an old story.
    fn seen(&mut self, inventory: Option<&Inventory>) -> Option<Instant> {
        let running = |id: &String| {
            inventory.is_some_and(|it| {
                it.containers.iter().any(|it| *it.id.0 == **id && it.state == ContainerState::Running)
            })
        };
        self.containers.retain(running);
        self.asked += 1;
        if self.containers.is_empty() || self.asked > ASK_AGAIN {
            self.containers.clear();
            return None;
        }
        Some(Instant::now() + DEATH_TAKES * 2u32.pow(self.asked))
    }
}

async fn limited<T>(call: impl Future<Output = Result<T, EngineError>>) -> Result<T, EngineError> {
    timeout(LIST_LIMIT, call).await.unwrap_or(Err(EngineError::TimedOut))
}

/// A number in 0..1; it only has to differ between agents.
#[expect(clippy::cast_precision_loss, reason = "the last bits do not matter")]
fn random() -> f64 {
    RandomState::new().build_hasher().finish() as f64 / u64::MAX as f64
}

/// How soon the next list may be: [`AT_ONCE`] of them at once after a quiet time, then one each [`SPACING`].
#[derive(Debug)]
struct Spacing {
    /// When the allowance would be whole again, had nothing been taken.
    whole_at: Instant,
}

impl Spacing {
    fn new(now: Instant) -> Self {
        Self { whole_at: now }
    }

    fn next_at(&self) -> Instant {
        self.whole_at.checked_sub(SPACING * (AT_ONCE - 1)).unwrap_or(self.whole_at)
    }

    fn take(&mut self, now: Instant) {
        self.whole_at = self.whole_at.max(now) + SPACING;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_burst_is_spaced_and_what_comes_alone_is_not() {
        let start = Instant::now() + Duration::from_secs(3600);
        let mut spacing = Spacing::new(start);
        let mut at = Vec::new();
        for _ in 0..6 {
            let when = spacing.next_at().max(start);
            spacing.take(when);
            at.push((when - start).as_millis());
        }
        assert_eq!(at, [0, 0, 0, 300, 600, 900]);
        let later = start + Duration::from_secs(10);
        assert!(spacing.next_at() <= later, "after a quiet time at once again");
    }
}
