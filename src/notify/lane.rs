//! One channel: what waits for it, in order, until it has arrived or is given up. No channel waits for another.

use std::{
    collections::VecDeque,
    hash::{BuildHasher, Hasher, RandomState},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::SignedDuration;
use tokio::{
    sync::{Notify, watch},
    time::sleep,
};

use crate::{
    history::{
        keeper::{Keeper, Kept},
        outbox::Outbox,
    },
    model::{channel::Channel, notification::Notification, run::Item},
    telemetry::report,
    time::Clock,
};

use super::{board::Board, trouble::Trouble};

/// So many wait for one channel in memory; when there are more, the oldest is given up. The store has room for fewer, so
/// this is for when it cannot be written.
pub const LIMIT: usize = 2_000;

/// What has not arrived so long after it was decided is given up.
pub const GIVE_UP: SignedDuration = SignedDuration::from_hours(24);

/// The wait after a first failure, which doubles from one to the next.
const FIRST: Duration = Duration::from_secs(10);

/// The longest wait of our own accord.
const LAST: Duration = Duration::from_secs(15 * 60);

/// The longest that a receiver may ask us to wait.
const LONGEST: Duration = Duration::from_secs(6 * 3600);

/// How long a message may take to be in the store before it is sent.
const KEPT_LIMIT: Duration = Duration::from_secs(2);

/// Sends a message somewhere.
pub trait Deliver: Clone + Send + Sync + 'static {
    /// What is remembered of a message from one attempt to the next.
    type Progress: Default + Send;

    /// Sends it, once.
    fn deliver(
        &self,
        channel: &Arc<Channel>,
        notification: &Notification,
        progress: &mut Self::Progress,
    ) -> impl Future<Output = Result<(), Trouble>> + Send;

    /// The last lines that its run printed, where they belong into the message.
    fn tail(
        &self,
        channel: Option<&Arc<Channel>>,
        notification: &Notification,
    ) -> impl Future<Output = Option<Arc<str>>> + Send;
}

/// What waits.
#[derive(Debug, Default)]
pub(super) struct Queue {
    entries: Mutex<VecDeque<Entry>>,
    news: Notify,
}

#[derive(Debug)]
struct Entry {
    it: Notification,
    kept: Kept,
    /// Whether what its run printed was looked up.
    looked: bool,
}

/// One channel.
#[derive(Debug)]
pub(super) struct Lane<D> {
    pub name: Arc<str>,
    pub queue: Arc<Queue>,
    /// The channel as it is now; `None` where there is none of this name.
    pub channel: watch::Receiver<Option<Arc<Channel>>>,
    pub closed: watch::Receiver<bool>,
    pub board: Board,
    pub deliver: D,
    /// Knows what is given up in the store.
    pub outbox: Outbox,
    pub keeper: Keeper,
    pub clock: Clock,
}

impl Queue {
    fn entries(&self) -> MutexGuard<'_, VecDeque<Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It is sent after all that came before. The answer is how many wait, and what is given up for it.
    pub fn put(&self, it: Notification, kept: Kept) -> (usize, Option<Notification>) {
        let mut entries = self.entries();
        let looked = it.run.as_ref().is_none_or(|run| run.tail.is_some() || run.ended.is_none());
        entries.push_back(Entry { it, kept, looked });
        // The first may be on its way at this moment.
        let over = if entries.len() > LIMIT { entries.remove(1).map(|it| it.it) } else { None };
        self.news.notify_one();
        (entries.len(), over)
    }

    pub fn len(&self) -> usize {
        self.entries().len()
    }

    /// The first, which nobody sends any more.
    pub fn pop(&self) -> Option<Notification> {
        self.entries().pop_front().map(|it| it.it)
    }

    /// This one is not to be sent any more, unless it is on its way; the answer is how many wait, if it did.
    pub fn forget(&self, id: &str) -> Option<usize> {
        let mut entries = self.entries();
        let at = entries.iter().skip(1).position(|it| *it.it.id == *id)?;
        entries.remove(at + 1);
        Some(entries.len())
    }

    /// Whether this one waits.
    pub fn holds(&self, id: &str) -> bool {
        self.entries().iter().any(|it| *it.it.id == *id)
    }

    fn first(&self) -> Option<(Notification, Kept)> {
        self.entries().front().map(|it| (it.it.clone(), it.kept.clone()))
    }

    fn unlooked(&self) -> Option<(Notification, Kept)> {
        self.entries().iter().find(|it| !it.looked).map(|it| (it.it.clone(), it.kept.clone()))
    }

    fn looked(&self, id: &str, tail: Option<&Arc<str>>) {
        for entry in self.entries().iter_mut().filter(|entry| *entry.it.id == *id) {
            entry.looked = true;
            if let Some(run) = &mut entry.it.run {
                run.tail = tail.cloned();
            }
        }
    }
}

/// How a message came to its end.
enum End {
    Sent {
        attempts: u32,
    },
    GivenUp(Trouble),
    /// It was given up in the store, for newer ones, which was told there.
    Forgotten,
    /// The agent ends: the next one sends it.
    Left,
}

impl<D: Deliver> Lane<D> {
    /// Sends what there is, until the agent ends.
    pub async fn run(mut self) {
        loop {
            self.look_up().await;
            let Some((it, mut kept)) = self.queue.first() else {
                tokio::select! {
                    () = over(&mut self.closed) => return,
                    () = self.queue.news.notified() => continue,
                }
            };
            // Else a second agent could find its run once more, and tell of it once more.
            kept.within(KEPT_LIMIT).await;
            match self.send(&it).await {
                End::Left => return,
                End::Forgotten => {}
                End::Sent { attempts } => {
                    self.board.sent(&self.name, self.clock.now());
                    let took = self.clock.now().duration_since(it.at);
                    report::notify_sent((&it).into(), attempts, took.try_into().unwrap_or_default());
                    self.keeper.keep([Item::Delivered(it.id.clone())]);
                }
                End::GivenUp(why) => {
                    self.board.failed(&self.name, &why, self.clock.now(), None);
                    report::notify_given_up((&it).into(), &why.reason);
                    self.keeper.keep([Item::GivenUp(it.id.clone())]);
                }
            }
            self.queue.pop();
            self.board.waits(&self.name, self.queue.len());
        }
    }

    async fn send(&mut self, it: &Notification) -> End {
        let mut progress = D::Progress::default();
        for attempts in 1.. {
            if *self.closed.borrow() {
                return End::Left;
            }
            if self.outbox.is_given_up(&it.id) {
                return End::Forgotten;
            }
            let channel = self.channel.borrow_and_update().clone();
            let tried = match &channel {
                Some(channel) => self.deliver.deliver(channel, it, &mut progress).await,
                None => Err(Trouble::passing(
                    "there is no such channel: write its [notify] section, or its messages are given up",
                )),
            };
            let why = match tried {
                Ok(()) => return End::Sent { attempts },
                Err(why) => why,
            };
            let now = self.clock.now();
            let left = GIVE_UP.checked_sub(now.duration_since(it.at)).unwrap_or(SignedDuration::ZERO);
            let left = Duration::try_from(left).unwrap_or(Duration::ZERO);
            if !why.again || left.is_zero() {
                return End::GivenUp(why);
            }
            let wait = wait(attempts, why.after, random()).min(left.max(FIRST));
            let next = now.checked_add(wait).unwrap_or(now);
            self.board.failed(&self.name, &why, now, Some(next));
            report::notify_failed(it.into(), attempts, &why.reason, next);
            self.pause(wait).await;
        }
        End::Left
    }

    /// Waits until it is tried again: after that time, or at once where the channel was changed.
    async fn pause(&mut self, wait: Duration) {
        let passed = sleep(wait);
        let mut passed = std::pin::pin!(passed);
        loop {
            let came = tokio::select! {
                () = &mut passed => false,
                Ok(()) = self.channel.changed() => false,
                () = over(&mut self.closed) => false,
                () = self.queue.news.notified() => true,
            };
            if !came {
                return;
            }
            self.look_up().await;
        }
    }

    /// Looks up what was printed by the runs of those that came: later it may be in the history no more.
    async fn look_up(&self) {
        while let Some((it, mut kept)) = self.queue.unlooked() {
            kept.within(KEPT_LIMIT).await;
            let channel = self.channel.borrow().clone();
            let tail = self.deliver.tail(channel.as_ref(), &it).await;
            self.queue.looked(&it.id, tail.as_ref());
            if let Some(text) = tail {
                self.keeper.keep([Item::Tail { id: it.id.clone(), text }]);
            }
        }
    }
}

/// Waits until the agent ends.
pub(super) async fn over(closed: &mut watch::Receiver<bool>) {
    // One whose other side has gone has ended as well.
    let _ = closed.wait_for(|it| *it).await;
}

/// How long to wait after so many attempts. `random`, in 0..1, moves it by up to a fifth either way.
fn wait(attempts: u32, asked: Option<Duration>, random: f64) -> Duration {
    let own = FIRST.saturating_mul(1 << attempts.saturating_sub(1).min(10)).min(LAST);
    let own = own.mul_f64(0.8 + 0.4 * random.clamp(0.0, 1.0));
    asked.map_or(own, |asked| asked.min(LONGEST).max(own.min(FIRST)))
}

/// A number in 0..1; it only has to differ between agents.
#[expect(clippy::cast_precision_loss, reason = "the last bits do not matter")]
fn random() -> f64 {
    RandomState::new().build_hasher().finish() as f64 / u64::MAX as f64
}

#[cfg(test)]
mod tests;
