//! What one run hands over: its attempts, and what it prints.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio::time::Instant;

use crate::model::{
    run::{Item, Outcome, Printed, RunId, Stream, WorkHandle},
    unfinished::KeptOutput,
};

use super::{
    keeper::{Condition, Keeper, Kept, PATIENCE},
    live::Line,
    output::{Spool, Wanted},
};

impl Keeper {
    /// For what becomes of one run. Of each stream of its output at most `max_output` bytes are kept.
    pub fn recorder(&self, run: RunId, max_output: u64) -> Recorder {
        let spool = Arc::new(Spool::new(run.clone(), max_output, self.shared.stock.clone()));
        Recorder { keeper: self.clone(), run, spool, patience: PATIENCE }
    }

    /// The same for a run of which this is kept already.
    pub fn recorder_after(&self, run: RunId, max_output: u64, kept: &KeptOutput) -> Recorder {
        let spool = Arc::new(Spool::after(run.clone(), max_output, self.shared.stock.clone(), kept));
        Recorder { keeper: self.clone(), run, spool, patience: PATIENCE }
    }
}

/// What one run tells the store.
#[derive(Debug)]
pub struct Recorder {
    keeper: Keeper,
    run: RunId,
    spool: Arc<Spool>,
    /// How long the run goes on waiting for the store.
    patience: Duration,
}

impl Recorder {
    /// Waits until this is in the file, as long as this run has patience and the store is well. Whether it is makes no
    /// difference to the run: it must neither be lost nor come late because of the store.
    pub async fn settle(&mut self, mut kept: Kept) {
        let since = Instant::now();
        kept.within(self.patience).await;
        self.patience = self.patience.saturating_sub(since.elapsed());
    }

    /// An attempt is called this. Where it can be waited for before it begins, it is found again whenever the agent dies.
    pub fn attempt_started(&self, number: u32, at: Timestamp, handle: WorkHandle) -> Kept {
        self.spool.attempt(number);
        self.keeper.keep([Item::AttemptStarted { run: self.run.clone(), number, at, handle }])
    }

    /// An attempt ended.
    pub fn attempt_ended(&self, number: u32, at: Timestamp, outcome: Outcome) -> Kept {
        // The run's record follows, or another attempt.
        self.keeper
            .keep_soon([Item::AttemptEnded { run: self.run.clone(), number, at, outcome }], Wanted::Sometime)
    }

    /// What is printed goes here.
    pub fn tap(&self) -> Tap {
        Tap { keeper: self.keeper.clone(), spool: self.spool.clone() }
    }

    /// Everything from here on belongs to this attempt.
    pub fn attempt(&self, number: u32) {
        self.spool.attempt(number);
    }

    /// Everything until here is wanted in the file now.
    pub fn now(&self) -> Kept {
        self.keeper.keep([])
    }

    /// What was printed so far, kept or not.
    pub fn printed(&self) -> Printed {
        self.spool.printed()
    }
}

/// Takes in what a run prints.
#[derive(Debug, Clone)]
pub struct Tap {
    keeper: Keeper,
    spool: Arc<Spool>,
}

impl Tap {
    /// This attempt takes longer than its timeout, and is being ended for that.
    pub fn timed_out(&self, number: u32) {
        self.keeper.keep([Item::TimedOut { run: self.spool.run().clone(), number }]);
    }

    /// Keeps this, as far as there is room. Never waits.
    pub fn put(&self, stream: Stream, bytes: &[u8]) {
        let shared = &self.keeper.shared;
        let holds = *shared.condition.borrow() == Condition::Well;
        let (before, wanted) = self.spool.put(stream, bytes, holds);
        // Only now: who begins to follow later finds it in the spool.
        if shared.live.is_followed() && !bytes.is_empty() {
            shared.live.publish(self.spool.run(), || {
                let (attempt, printed) = self.spool.at(stream);
                let place = printed.saturating_sub(bytes.len() as u64);
                Line { stream, attempt, place, bytes: bytes.into() }
            });
        }
        if wanted == before {
            return;
        }
        let mut queue = shared.queue();
        if before == Wanted::NotAtAll {
            queue.spools.push(self.spool.clone());
        }
        queue.wanted = queue.wanted.max(Some(wanted));
        drop(queue);
        shared.news.notify_one();
    }
}
