//! What is to be kept, on its way to the store. The agent and its runs hand it over and go on; [`super::writer`] writes it.
//!
//! What belongs together is handed over together, and is in the file together or not at all. Who must not go on before
//! that waits for it, a short time and only while the store is well.
//!
//! What waits is bounded: memory by the number of jobs, news of runs by `ITEMS_LIMIT`, output by [`super::output`].

use std::{
    collections::{HashMap, VecDeque},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Notify, watch},
    time::timeout,
};

use crate::model::{
    diagnostic::Diagnostic,
    memory::Memory,
    name::JobId,
    notify_memory::NotifyMemory,
    run::{Item, RunId, RunRecord},
};

pub use super::recorder::{Recorder, Tap};
use super::{
    changes::Changes,
    live::{Follower, Going, Live, LiveRun, RECENT},
    outbox::Outbox,
    output::{Spool, Stock, Wanted},
    write::Batch,
};

/// No more jobs than this wait while the store cannot be written; further ones are not kept.
const JOBS_LIMIT: usize = 50_000;

/// No more news of runs than this waits while the store cannot be written; the oldest goes, and is counted.
const ITEMS_LIMIT: usize = 10_000;

/// How long one run waits for the store, in all. A disk that other work keeps busy takes a second now and then, and a run
/// that began without its row is unknown to the next agent if this one is killed before the row is there.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);

/// How the store does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// Everything is kept.
    Well,
    /// There is none: nothing is to be kept.
    Absent,
    /// What happens is not kept now.
    Failing {
        /// Why, and the mend.
        reason: String,
    },
}

/// The agent's end; cheap to clone.
#[derive(Debug, Clone)]
pub struct Keeper {
    pub(super) shared: Arc<Shared>,
}

#[derive(Debug)]
pub(super) struct Shared {
    queue: Mutex<Queue>,
    pub(super) stock: Arc<Stock>,
    pub(super) live: Arc<Live>,
    pub(super) changes: Changes,
    pub(super) outbox: Outbox,
    pub(super) news: Notify,
    pub(super) closed: watch::Sender<bool>,
    pub(super) progress: watch::Sender<Progress>,
    pub(super) condition: watch::Sender<Condition>,
    pub(super) directory: Option<PathBuf>,
    pub(super) aside: Mutex<Vec<Diagnostic>>,
}

/// How far the store has come.
#[derive(Debug, Clone, Copy)]
pub(super) struct Progress {
    /// Everything up to this submission is in the file.
    pub written: u64,
    /// Whether it is worth waiting for more.
    pub prompt: bool,
}

#[derive(Debug, Default)]
pub(super) struct Queue {
    memory: HashMap<JobId, Option<Memory>>,
    notify_memory: HashMap<JobId, Option<Box<NotifyMemory>>>,
    items: VecDeque<Item>,
    pub(super) spools: Vec<Arc<Spool>>,
    /// The number of the last submission.
    last: u64,
    /// How much news of runs found no room since it was asked last, and since the start.
    lost: u64,
    lost_so_far: u64,
    pub(super) wanted: Option<Wanted>,
}

/// What was taken for one transaction.
#[derive(Debug, Default)]
pub(super) struct Taken {
    pub batch: Batch,
    pub spools: Vec<Arc<Spool>>,
    /// The number of the last submission in it.
    pub last: u64,
}

/// Something that was handed over.
#[derive(Debug, Clone)]
pub struct Kept {
    number: u64,
    progress: Option<watch::Receiver<Progress>>,
}

impl Kept {
    /// Nothing was to be kept, and nobody waits for it.
    pub fn nothing() -> Self {
        Self { number: 0, progress: None }
    }

    /// Whether it is in the file. Waits for that no longer than `limit`, and not at all while the store is not well.
    /// What was written survives the end of this process.
    pub async fn within(&mut self, limit: Duration) -> bool {
        let number = self.number;
        let Some(progress) = &mut self.progress else { return true };
        let settled = progress.wait_for(|it| it.written >= number || !it.prompt);
        matches!(timeout(limit, settled).await, Ok(Ok(progress)) if progress.written >= number)
    }
}

impl Default for Keeper {
    fn default() -> Self {
        Self::none()
    }
}

impl Keeper {
    /// One that keeps nothing.
    pub fn none() -> Self {
        Self::of(Condition::Absent, None)
    }

    /// One for a store that is written by [`super::writer::Writer`].
    pub(super) fn new(condition: Condition, directory: &Path) -> Self {
        Self::of(condition, Some(directory.to_owned()))
    }

    fn of(condition: Condition, directory: Option<PathBuf>) -> Self {
        let (closed, _) = watch::channel(false);
        let prompt = condition == Condition::Well;
        let (progress, _) = watch::channel(Progress { written: 0, prompt });
        let (condition, _) = watch::channel(condition);
        let shared = Shared {
            queue: Mutex::default(),
            stock: Arc::default(),
            live: Arc::default(),
            changes: Changes::default(),
            outbox: Outbox::default(),
            news: Notify::new(),
            closed,
            progress,
            condition,
            directory,
            aside: Mutex::default(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Where what is to be told goes, beside the file.
    pub fn outbox(&self) -> Outbox {
        self.shared.outbox.clone()
    }

    /// How the store does, from now on.
    pub fn condition(&self) -> watch::Receiver<Condition> {
        self.shared.condition.subscribe()
    }

    /// Keeps all of this, together. Never waits for the store.
    pub fn keep(&self, items: impl IntoIterator<Item = Item>) -> Kept {
        self.keep_soon(items, Wanted::Now)
    }

    pub(super) fn keep_soon(&self, items: impl IntoIterator<Item = Item>, wanted: Wanted) -> Kept {
        let shared = &self.shared;
        let items: Vec<Item> = items.into_iter().collect();
        let (absent, failing) = match *shared.condition.borrow() {
            Condition::Well => (false, false),
            Condition::Absent => (true, false),
            Condition::Failing { .. } => (false, true),
        };
        shared.live.note(&items, if failing { ITEMS_LIMIT } else { RECENT });
        if absent {
            return Kept::nothing();
        }
        let progress = Some(shared.progress.subscribe());
        let mut queue = shared.queue();
        for item in items {
            queue.add(item);
        }
        queue.last += 1;
        queue.wanted = queue.wanted.max(Some(wanted));
        let number = queue.last;
        drop(queue);
        shared.news.notify_one();
        Kept { number, progress }
    }

    /// Everything that was handed over until here is wanted in the file now, what runs have printed as well.
    pub fn flush(&self) -> Kept {
        self.keep([])
    }

    /// How much news of runs found no room since the start, because the store could not be written.
    pub fn lost_so_far(&self) -> u64 {
        self.shared.queue().lost_so_far
    }

    /// How much goes on of each job of which something does.
    pub fn going(&self) -> HashMap<JobId, Going> {
        self.shared.live.jobs()
    }

    /// The runs of a job, or of all, that have no record, the oldest first.
    pub fn live(&self, job: Option<&JobId>) -> Vec<LiveRun> {
        self.shared.live.runs(job)
    }

    /// Those whose ID begins so, at most two of them.
    pub fn live_beginning(&self, prefix: &str) -> Vec<LiveRun> {
        self.shared.live.beginning(prefix)
    }

    /// Runs that ended a moment ago and whose ID begins so, kept or not.
    pub fn ended_beginning(&self, prefix: &str) -> Vec<Arc<RunRecord>> {
        self.shared.live.ended(prefix)
    }

    /// What a run prints from now on; `None` if it does not go on, or too many follow already. What it printed before is
    /// in the file after a [`flush`](Self::flush) that comes later than this.
    pub fn follow(&self, run: &RunId) -> Option<Follower> {
        self.shared.live.follow(run)
    }

    /// Nothing comes any more: what waits is written at once, and the writer ends.
    pub fn close(&self) {
        self.shared.closed.send_replace(true);
        self.shared.news.notify_one();
    }
}

impl Queue {
    fn add(&mut self, item: Item) {
        match item {
            Item::Memory(job, memory) => {
                if self.memory.len() < JOBS_LIMIT || self.memory.contains_key(&job) {
                    self.memory.insert(job, memory);
                }
            }
            Item::NotifyMemory(job, memory) => {
                if self.notify_memory.len() < JOBS_LIMIT || self.notify_memory.contains_key(&job) {
                    self.notify_memory.insert(job, memory);
                }
            }
            item => {
                if self.items.len() >= ITEMS_LIMIT {
                    self.items.pop_front();
                    self.lost += 1;
                    self.lost_so_far += 1;
                }
                self.items.push_back(item);
            }
        }
    }
}

impl Shared {
    pub(super) fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How soon the store should look; `None` is not at all.
    pub fn wanted(&self) -> Option<Wanted> {
        self.queue().wanted
    }

    /// All that is to be written.
    pub fn take(&self) -> Taken {
        let mut queue = self.queue();
        queue.wanted = None;
        let batch = Batch {
            memory: std::mem::take(&mut queue.memory),
            notify_memory: std::mem::take(&mut queue.notify_memory),
            items: std::mem::take(&mut queue.items).into(),
            output: Vec::new(),
        };
        Taken { batch, spools: std::mem::take(&mut queue.spools), last: queue.last }
    }

    /// What could not be written, to be tried again together with what came since. Output is not: it would pile up.
    pub fn give_back(&self, batch: Batch) {
        let mut queue = self.queue();
        for (job, memory) in batch.memory {
            queue.memory.entry(job).or_insert(memory);
        }
        for (job, memory) in batch.notify_memory {
            queue.notify_memory.entry(job).or_insert(memory);
        }
        let newer = std::mem::replace(&mut queue.items, batch.items.into());
        for item in newer {
            queue.add(item);
        }
        queue.wanted = Some(Wanted::Now);
    }

    /// How much news of runs found no room since it was asked last.
    pub fn lost(&self) -> u64 {
        std::mem::take(&mut self.queue().lost)
    }
}
