//! The one task that writes, and what it does when it cannot: it tells once, tries again and tells when it is over.
//!
//! Whatever is wrong, a run is neither lost nor late because of it.

use std::{path::PathBuf, time::Duration};

use tokio::{
    task::{JoinHandle, spawn_blocking},
    time::{Instant, timeout, timeout_at},
};

use crate::{model::diagnostic::Diagnostic, telemetry::report, time::Clock};

use super::{
    UNANSWERED,
    changes::Wish,
    failing,
    keeper::{Condition, Keeper, PATIENCE, Shared, Taken},
    outbox::GivenUp,
    output::Wanted,
    place,
    retain::Left,
    store::{self, Store, StoreError},
};

/// Where nobody waits, what happens is gathered for so long.
const PACE: Duration = Duration::from_secs(1);

/// When nothing happens for so long, there is time to tidy up.
const IDLE: Duration = Duration::from_millis(200);

/// So often runs are looked for that have grown too old.
const AGE_EVERY: Duration = Duration::from_secs(60);

/// So many transactions are worth being moved into the file itself; so many, although there is no idle moment.
const CHECKPOINT_AFTER: u32 = 64;
const CHECKPOINT_AT_LAST: u32 = 512;

/// After so many transactions, or so many bytes of output, the file may be too large, although there is no idle moment.
const TIDY_AFTER: u32 = 64;
const TIDY_AFTER_BYTES: usize = 1 << 20;

/// A transaction that takes longer is not waited for by any run; one that takes much longer is told.
const STALLED: Duration = PATIENCE;
const HUNG: Duration = Duration::from_secs(5);

/// After a transaction that failed, the time until the next try: at first, and at most.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// Why a message is given up for newer ones.
const CROWDED: &str = "more than 1000 messages wait for its channel: see why they do not arrive";

/// So many steps are taken towards the allowed size before someone else has a turn.
const STEPS: u32 = 4;

/// More damaged files than this are not put aside: it is the disk that is broken.
const ASIDE_LIMIT: u32 = 3;

/// Writes what is handed to its [`Keeper`].
#[derive(Debug)]
pub struct Writer {
    keeper: Keeper,
    directory: PathBuf,
    most: u64,
    clock: Clock,
    store: Option<Store>,
    aside: u32,
    retry: Duration,
    /// Transactions since what was written went into the file itself.
    since_checkpoint: u32,
    /// Whether the file may be too large, and what went into it since that was looked at.
    grown: bool,
    since_tidy: (u32, usize),
    aged: Option<Instant>,
}

/// What is to be done with the store, away from the agent's threads.
enum Task {
    Write(Taken),
    Tidy { checkpoint: bool, age: bool },
    Change(Wish),
}

impl Writer {
    pub(super) fn new(
        keeper: Keeper,
        directory: PathBuf,
        most: u64,
        clock: Clock,
        store: Option<Store>,
    ) -> Self {
        Self {
            keeper,
            directory,
            most,
            clock,
            store,
            aside: 0,
            retry: RETRY.0,
            since_checkpoint: 0,
            grown: true,
            since_tidy: (0, 0),
            aged: None,
        }
    }

    /// Writes until the keeper is closed.
    pub async fn run(mut self) {
        let shared = self.keeper.shared.clone();
        if let Condition::Failing { reason } = &*shared.condition.borrow() {
            report::history_failing(reason);
        }
        let mut closed = shared.closed.subscribe();
        let mut last = Instant::now().checked_sub(PACE);
        loop {
            let ended = *closed.borrow();
            if let Some(wish) = shared.changes.next() {
                self.carry_out(Task::Change(wish)).await;
                continue;
            }
            match shared.wanted() {
                Some(Wanted::Now) => {}
                Some(_) if ended => {}
                Some(_) => {
                    let at = last.map_or_else(Instant::now, |last| last + PACE);
                    if timeout_at(at, shared.news.notified()).await.is_ok() {
                        continue;
                    }
                }
                None if ended => {
                    // The last one to close it waits for the disk.
                    let store = self.store.take();
                    let _ = spawn_blocking(move || drop(store)).await;
                    return;
                }
                None => {
                    self.rest(&shared).await;
                    continue;
                }
            }
            last = Some(Instant::now());
            let well = self.carry_out(Task::Write(shared.take())).await;
            if !well {
                if ended {
                    return;
                }
                // What it waits for is not news.
                let _ = timeout(self.retry, closed.wait_for(|closed| *closed)).await;
                self.retry = (self.retry * 2).min(RETRY.1);
            } else if self.since_tidy.0 >= TIDY_AFTER || self.since_tidy.1 >= TIDY_AFTER_BYTES {
                let checkpoint = self.since_checkpoint >= CHECKPOINT_AT_LAST;
                self.carry_out(Task::Tidy { checkpoint, age: self.is_age_due() }).await;
            }
        }
    }

    fn is_age_due(&self) -> bool {
        self.aged.is_none_or(|at| at.elapsed() >= AGE_EVERY)
    }

    /// Nothing is to be written: tidies up, and waits for news.
    async fn rest(&mut self, shared: &Shared) {
        let age = self.is_age_due();
        let checkpoint = self.since_checkpoint >= CHECKPOINT_AFTER;
        if self.store.is_none() || !(self.grown || checkpoint || age) {
            let next = self.aged.map_or(AGE_EVERY, |at| AGE_EVERY.saturating_sub(at.elapsed()));
            let next = if self.store.is_none() { self.retry } else { next };
            if timeout(next, shared.news.notified()).await.is_err() && self.store.is_none() {
                // Also while nothing happens: whoever looks wants to know whether it is well again.
                self.carry_out(Task::Tidy { checkpoint: false, age: false }).await;
                self.retry = (self.retry * 2).min(RETRY.1);
            }
            return;
        }
        if timeout(IDLE, shared.news.notified()).await.is_err() {
            self.carry_out(Task::Tidy { checkpoint, age }).await;
        }
    }

    /// Does it, and follows how that goes; whether it went well.
    async fn carry_out(&mut self, task: Task) -> bool {
        let shared = self.keeper.shared.clone();
        let (store, directory, most) = (self.store.take(), self.directory.clone(), self.most);
        let (clock, of) = (self.clock.clone(), self.keeper.clone());
        let may_put_aside = self.aside < ASIDE_LIMIT;
        let work = spawn_blocking(move || {
            let shared = of.shared;
            let done = Done {
                shared,
                store,
                task,
                put_aside: None,
                given_up: Vec::new(),
                more: Left::Nothing,
                error: None,
            };
            done.go(&directory, most, &clock, may_put_aside)
        });
        let Some(done) = watched(work, &shared).await else {
            fail(&shared, "a mistake in watchbell itself: please report it".to_owned());
            return false;
        };
        self.store = done.store;
        if let Some(reason) = done.put_aside {
            self.aside += 1;
            let problem = Diagnostic::error(place(), reason);
            report::problem(&problem);
            self.keeper.put_aside(problem);
        }
        for it in &done.given_up {
            shared.outbox.give_up(&it.id);
            report::notify_given_up(it.into(), CROWDED);
        }
        let Some(error) = done.error else {
            self.retry = RETRY.0;
            match &done.task {
                Task::Write(taken) => {
                    self.since_checkpoint += 1;
                    self.grown = true;
                    self.since_tidy.0 += 1;
                    self.since_tidy.1 += taken.batch.output.iter().map(|it| it.bytes.len()).sum::<usize>();
                    well(&shared, Some(taken.last));
                }
                Task::Tidy { checkpoint, age } => {
                    if *checkpoint {
                        self.since_checkpoint = 0;
                    }
                    if *age && done.more == Left::Nothing {
                        self.aged = Some(Instant::now());
                    }
                    self.grown = done.more == Left::More;
                    self.since_tidy = (0, 0);
                    well(&shared, None);
                }
                Task::Change(_) => {
                    self.since_checkpoint += 1;
                    self.grown = true;
                    well(&shared, None);
                }
            }
            return true;
        };
        let reason = failing(&error);
        fail(&shared, reason.clone());
        match done.task {
            Task::Write(taken) => shared.give_back(taken.batch),
            Task::Change(wish) => wish.refuse(&reason),
            Task::Tidy { .. } => {}
        }
        shared.changes.refuse(&reason);
        // Another try with the same connection serves where someone else has a lock, and nowhere else.
        if !error.is_busy() {
            self.store = None;
        }
        false
    }
}

struct Done {
    shared: std::sync::Arc<Shared>,
    store: Option<Store>,
    task: Task,
    put_aside: Option<String>,
    given_up: Vec<GivenUp>,
    more: Left,
    error: Option<StoreError>,
}

impl Done {
    fn go(mut self, directory: &std::path::Path, most: u64, clock: &Clock, may_put_aside: bool) -> Self {
        if let Task::Write(taken) = &mut self.task {
            let chunks = taken.spools.iter().flat_map(|spool| spool.take());
            taken.batch.output.extend(chunks);
            taken.spools.clear();
        }
        if let Err(error) = self.try_it(directory, most, clock) {
            if !(error.is_damage() && may_put_aside) {
                self.error = Some(error);
                return self;
            }
            self.store = None;
            match store::put_aside(directory, clock.now()) {
                Ok(aside) => self.put_aside = Some(super::was_put_aside(&error, &aside)),
                Err(error) => self.error = Some(error),
            }
            if self.error.is_none() {
                self.error = self.try_it(directory, most, clock).err();
            }
        }
        self
    }

    fn try_it(&mut self, directory: &std::path::Path, most: u64, clock: &Clock) -> Result<(), StoreError> {
        let changes = &self.shared.changes;
        let store = match &mut self.store {
            Some(store) => store,
            none => {
                let mut store = Store::open(directory, most)?;
                changes.write_anew(&mut store)?;
                none.insert(store)
            }
        };
        match &mut self.task {
            Task::Change(wish) => wish.write(store, changes),
            Task::Write(taken) => {
                self.given_up = store.write(&taken.batch)?;
                Ok(())
            }
            Task::Tidy { checkpoint, age } => {
                store.check_place()?;
                if *checkpoint {
                    store.checkpoint()?;
                }
                if *age {
                    self.more = store.age(clock.now())?;
                }
                for _ in 0..STEPS {
                    if store.shrink()? == Left::Nothing {
                        return Ok(());
                    }
                }
                self.more = Left::More;
                Ok(())
            }
        }
    }
}

/// Waits for what is done with the store. The longer it takes, the fewer wait for it.
async fn watched(mut work: JoinHandle<Done>, shared: &Shared) -> Option<Done> {
    if let Ok(done) = timeout(STALLED, &mut work).await {
        return done.ok();
    }
    shared.progress.send_modify(|it| it.prompt = false);
    if let Ok(done) = timeout(HUNG, &mut work).await {
        return done.ok();
    }
    fail(shared, UNANSWERED.to_owned());
    work.await.ok()
}

/// It was done.
fn well(shared: &Shared, written: Option<u64>) {
    let was = shared.condition.send_replace(Condition::Well);
    shared.progress.send_modify(|it| {
        it.prompt = true;
        it.written = written.unwrap_or(it.written);
    });
    if was != Condition::Well {
        report::history_restored(shared.lost());
    }
}

/// It could not be done: told when it begins.
fn fail(shared: &Shared, reason: String) {
    shared.progress.send_modify(|it| it.prompt = false);
    let was = shared.condition.borrow().clone();
    if was == Condition::Well {
        report::history_failing(&reason);
    }
    shared.condition.send_replace(Condition::Failing { reason });
}
