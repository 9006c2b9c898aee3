//! What is to be kept, on its way to the store. The agent hands it over and goes on; the store writes when it can.
//!
//! What waits is held by job, so it is bounded by the number of jobs however slow the disk is.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Notify, watch},
    task::spawn_blocking,
    time::timeout,
};

use crate::{
    model::{memory::Memory, name::JobId},
    telemetry::report,
};

use super::{cannot_keep, store::Store};

/// After a transaction, the time in which what happens is gathered for the next one.
const PACE: Duration = Duration::from_secs(1);

/// After a transaction that failed, the time until the next try.
const RETRY: Duration = Duration::from_secs(30);

/// No more jobs than this wait while the store cannot be written; further ones are not kept.
const WAITING_LIMIT: usize = 50_000;

/// The agent's end; cheap to clone.
#[derive(Debug, Clone)]
pub struct Keeper {
    /// Nothing, where there is no store.
    shared: Option<Arc<Shared>>,
}

#[derive(Debug)]
struct Shared {
    waiting: Mutex<HashMap<JobId, Option<Memory>>>,
    news: Notify,
    closed: watch::Sender<bool>,
}

impl Keeper {
    /// One that keeps nothing.
    pub fn none() -> Self {
        Self { shared: None }
    }

    /// One for a store that is written by [`Self::write`].
    pub fn new() -> Self {
        let (closed, _) = watch::channel(false);
        let shared = Shared { waiting: Mutex::default(), news: Notify::new(), closed };
        Self { shared: Some(Arc::new(shared)) }
    }

    /// Keeps this, of one job the last. Never waits for the store.
    pub fn keep(&self, notes: Vec<(JobId, Option<Memory>)>) {
        let Some(shared) = &self.shared else { return };
        let mut waiting = shared.waiting();
        for (job, memory) in notes {
            if waiting.len() < WAITING_LIMIT || waiting.contains_key(&job) {
                waiting.insert(job, memory);
            }
        }
        drop(waiting);
        shared.news.notify_one();
    }

    /// Nothing comes any more: what waits is written at once, and [`Self::write`] ends.
    pub fn close(&self) {
        if let Some(shared) = &self.shared {
            shared.closed.send_replace(true);
            shared.news.notify_one();
        }
    }

    /// Writes what is to be kept until it is closed: at once, and under load about once a second.
    pub async fn write(self, mut store: Store) {
        let Some(shared) = self.shared else { return };
        let mut closed = shared.closed.subscribe();
        let mut told = false;
        loop {
            let batch = std::mem::take(&mut *shared.waiting());
            if batch.is_empty() {
                if *closed.borrow() {
                    return;
                }
                shared.news.notified().await;
                continue;
            }
            let work = spawn_blocking(move || {
                let result = store.keep(&batch);
                (store, batch, result)
            });
            let Ok((again, batch, result)) = work.await else { return };
            store = again;
            let rest = match result {
                Ok(()) => {
                    told = false;
                    PACE
                }
                Err(error) => {
                    if !std::mem::replace(&mut told, true) {
                        report::problem(&cannot_keep(&error));
                    }
                    shared.give_back(batch);
                    if *closed.borrow() {
                        return;
                    }
                    RETRY
                }
            };
            let _ = timeout(rest, closed.wait_for(|closed| *closed)).await;
        }
    }
}

impl Default for Keeper {
    fn default() -> Self {
        Self::new()
    }
}

impl Shared {
    fn waiting(&self) -> MutexGuard<'_, HashMap<JobId, Option<Memory>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What could not be written, unless there is news of the job.
    fn give_back(&self, batch: HashMap<JobId, Option<Memory>>) {
        let mut waiting = self.waiting();
        for (job, memory) in batch {
            waiting.entry(job).or_insert(memory);
        }
    }
}
