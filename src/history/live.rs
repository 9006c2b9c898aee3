//! What goes on now, for who asks and for who follows: the runs that have no record yet, and what they print as it comes.
//!
//! It is known whether or not the store can be written. Nobody waits here: who follows has a queue of his own, and one
//! that is full is given up. While nobody follows a run, nothing of what it prints is copied or held.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use jiff::Timestamp;
use tokio::sync::Notify;

use crate::model::{
    name::JobId,
    run::{Admitted, Item, RunId, RunRecord, Stream},
    unfinished::Unfinished,
};

/// So many bytes wait for one follower; they are shared by all who follow the run.
const QUEUE_LIMIT: usize = 1 << 20;

/// So many pieces wait for one follower, however small they are.
const PIECES_LIMIT: usize = 4096;

/// So many follow at once; further ones are refused.
const FOLLOWERS_LIMIT: usize = 512;

/// So many runs that have ended are known for a moment longer: who has just begun one may ask for its end before it is in
/// the file, or where it never will be. While the store cannot be written it is as many as wait for it.
pub(super) const RECENT: usize = 64;

/// A run that has no record yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveRun {
    /// What is known of it.
    pub admitted: Admitted,
    /// Whether it was begun; else it waits its turn.
    pub running: bool,
    /// When its first attempt began.
    pub started: Option<Timestamp>,
    /// Which of its attempts this is; 0 before the first.
    pub attempt: u32,
}

/// How much goes on of one job.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Going {
    /// Runs that were begun.
    pub running: usize,
    /// Occurrences that wait their turn.
    pub waiting: usize,
}

/// Something that was printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Where.
    pub stream: Stream,
    /// In which attempt.
    pub attempt: u32,
    /// How many bytes of the stream come before it.
    pub place: u64,
    /// What.
    pub bytes: Arc<[u8]>,
}

/// What a follower is told.
#[derive(Debug, Clone)]
pub enum News {
    /// The run printed something.
    Printed(Line),
    /// The run has its record, and prints nothing more.
    Ended(Arc<RunRecord>),
    /// The follower took too little for too long, and is given up.
    TooSlow,
}

/// Everything that goes on.
#[derive(Debug, Default)]
pub(super) struct Live {
    table: Mutex<Table>,
    followers: AtomicUsize,
}

#[derive(Debug, Default)]
struct Table {
    runs: BTreeMap<RunId, LiveRun>,
    /// A job of which nothing goes on has no entry.
    jobs: HashMap<JobId, Going>,
    queues: HashMap<RunId, Vec<Arc<Queue>>>,
    /// The newest records, the oldest first.
    recent: VecDeque<Arc<RunRecord>>,
}

/// What waits for one follower.
#[derive(Debug, Default)]
struct Queue {
    held: Mutex<Held>,
    news: Notify,
}

#[derive(Debug, Default)]
struct Held {
    lines: VecDeque<Line>,
    bytes: usize,
    end: Option<News>,
}

impl Live {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in what is to be kept. So many records are known until they are in the file.
    pub fn note(&self, items: &[Item], most: usize) {
        if items.iter().all(|it| matches!(it, Item::Memory(..) | Item::NotifyMemory(..))) {
            return;
        }
        let mut table = self.table();
        for item in items {
            table.note(item);
        }
        let too_many = table.recent.len().saturating_sub(most);
        table.recent.drain(..too_many);
    }

    /// What the last agent left without a record.
    pub fn left(&self, left: &[Unfinished]) {
        let mut table = self.table();
        for it in left {
            let attempt = it.last.as_ref().map_or(0, |it| it.number);
            table.insert(LiveRun {
                admitted: it.admitted.clone(),
                running: it.begun,
                started: it.started,
                attempt,
            });
        }
    }

    /// How much goes on of each job of which something does.
    pub fn jobs(&self) -> HashMap<JobId, Going> {
        self.table().jobs.clone()
    }

    /// The runs of a job, or of all, that have no record, the oldest first.
    pub fn runs(&self, job: Option<&JobId>) -> Vec<LiveRun> {
        let table = self.table();
        table.runs.values().filter(|it| job.is_none_or(|job| it.admitted.job == *job)).cloned().collect()
    }

    /// Those whose ID begins so; two are enough to know that it is not one.
    pub fn beginning(&self, prefix: &str) -> Vec<LiveRun> {
        let table = self.table();
        let from = table.runs.range(RunId(prefix.into())..);
        from.take_while(|(run, _)| run.0.starts_with(prefix)).take(2).map(|(_, it)| it.clone()).collect()
    }

    /// Those that ended a moment ago and whose ID begins so.
    pub fn ended(&self, prefix: &str) -> Vec<Arc<RunRecord>> {
        let table = self.table();
        table.recent.iter().filter(|it| it.run.0.starts_with(prefix)).cloned().collect()
    }

    /// Whether someone may follow something now.
    pub fn is_followed(&self) -> bool {
        self.followers.load(Ordering::SeqCst) > 0
    }

    /// Gives it to everyone who follows the run.
    pub fn publish(&self, run: &RunId, line: impl FnOnce() -> Line) {
        let mut table = self.table();
        let Some(queues) = table.queues.get_mut(run) else { return };
        let line = line();
        queues.retain(|queue| queue.put(&line));
    }

    /// Everything that the run prints from now on; `None` if it does not go on, or too many follow already.
    pub fn follow(self: &Arc<Self>, run: &RunId) -> Option<Follower> {
        let mut table = self.table();
        if !table.runs.contains_key(run) || self.followers.load(Ordering::SeqCst) >= FOLLOWERS_LIMIT {
            return None;
        }
        let queue = Arc::<Queue>::default();
        table.queues.entry(run.clone()).or_default().push(queue.clone());
        self.followers.fetch_add(1, Ordering::SeqCst);
        Some(Follower { live: self.clone(), run: run.clone(), queue })
    }
}

impl Table {
    fn note(&mut self, item: &Item) {
        match item {
            Item::Memory(..)
            | Item::NotifyMemory(..)
            | Item::Notify(_)
            | Item::Tail { .. }
            | Item::Digested { .. }
            | Item::Delivered(_)
            | Item::GivenUp(_)
            | Item::Stops(..)
            | Item::TimedOut { .. }
            | Item::AttemptEnded { .. }
            | Item::Gone(_)
            | Item::Halted(_)
            | Item::Restored { .. }
            | Item::LoggedIn(_)
            | Item::LoggedOut(_)
            | Item::Audited(_) => {}
            Item::Waits(admitted) => self.set(admitted, false),
            Item::Begins(admitted) => self.set(admitted, true),
            Item::AttemptStarted { run, number, at, .. } => {
                if let Some(it) = self.runs.get_mut(run) {
                    it.attempt = *number;
                    it.started.get_or_insert(*at);
                }
            }
            Item::Ended(record, _) => {
                if let Some(it) = self.runs.remove(&record.run) {
                    self.count(&it, false);
                }
                let record = Arc::new(record.clone());
                for queue in self.queues.remove(&record.run).unwrap_or_default() {
                    queue.end(News::Ended(record.clone()));
                }
                self.recent.push_back(record);
            }
        }
    }

    fn set(&mut self, admitted: &Admitted, running: bool) {
        self.insert(LiveRun { admitted: admitted.clone(), running, started: None, attempt: 0 });
    }

    fn insert(&mut self, run: LiveRun) {
        self.count(&run, true);
        if let Some(before) = self.runs.insert(run.admitted.run.clone(), run) {
            self.count(&before, false);
        }
    }

    fn count(&mut self, it: &LiveRun, comes: bool) {
        let going = self.jobs.entry(it.admitted.job.clone()).or_default();
        let count = if it.running { &mut going.running } else { &mut going.waiting };
        *count = if comes { *count + 1 } else { count.saturating_sub(1) };
        if *going == Going::default() {
            self.jobs.remove(&it.admitted.job);
        }
    }
}

impl Queue {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there was room. Where there is none, what waits is let go as well: nobody takes it.
    fn put(&self, line: &Line) -> bool {
        let mut held = self.held();
        let room = held.bytes + line.bytes.len() <= QUEUE_LIMIT || held.lines.is_empty();
        if room && held.lines.len() < PIECES_LIMIT {
            held.bytes += line.bytes.len();
            held.lines.push_back(line.clone());
            drop(held);
            self.news.notify_one();
            return true;
        }
        (held.lines, held.bytes) = (VecDeque::new(), 0);
        drop(held);
        self.end(News::TooSlow);
        false
    }

    fn end(&self, end: News) {
        self.held().end = Some(end);
        self.news.notify_one();
    }
}

/// Someone who follows a run.
#[derive(Debug)]
pub struct Follower {
    live: Arc<Live>,
    run: RunId,
    queue: Arc<Queue>,
}

impl Follower {
    /// The next piece, or the end. May be dropped and asked again at any time.
    pub async fn next(&mut self) -> News {
        loop {
            {
                let mut held = self.queue.held();
                if let Some(line) = held.lines.pop_front() {
                    held.bytes -= line.bytes.len();
                    return News::Printed(line);
                }
                if let Some(end) = &held.end {
                    return end.clone();
                }
            }
            self.queue.news.notified().await;
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let mut table = self.live.table();
        if let Some(queues) = table.queues.get_mut(&self.run) {
            queues.retain(|queue| !Arc::ptr_eq(queue, &self.queue));
            if queues.is_empty() {
                table.queues.remove(&self.run);
            }
        }
        self.live.followers.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{
        name::JobKind,
        run::{Outcome, Printed, Trigger},
    };

    const T0: Timestamp = Timestamp::UNIX_EPOCH;

    fn admitted(run: &str) -> Admitted {
        Admitted {
            run: RunId(run.into()),
            job: JobId::plain("a"),
            kind: JobKind::Local,
            trigger: Trigger::Schedule,
            occurrence: T0,
            fires: T0,
            admitted: T0,
            container: None,
            terms: None,
        }
    }

    fn ended(run: &str) -> Item {
        let Admitted { run, job, kind, trigger, occurrence, fires, admitted, container, terms: _ } =
            admitted(run);
        let record = RunRecord {
            run,
            job,
            kind,
            trigger,
            occurrence,
            fires,
            admitted,
            started: None,
            ended: T0,
            container,
            duration: None,
            outcome: Outcome::Succeeded { exit_code: Some(0) },
            attempts: 1,
            printed: Printed::default(),
            no_more: None,
            note: None,
            and_more: 0,
        };
        Item::Ended(record, None)
    }

    fn line(place: u64, length: usize) -> Line {
        Line { stream: Stream::Stdout, attempt: 1, place, bytes: vec![b'x'; length].into() }
    }

    #[test]
    fn what_waits_and_runs_is_counted_by_job_and_nothing_is_left_of_what_ended() {
        let live = Live::default();
        live.note(&[Item::Waits(admitted("01AA")), Item::Begins(admitted("01AB"))], RECENT);
        assert_eq!(live.jobs()[&JobId::plain("a")], Going { running: 1, waiting: 1 });
        live.note(&[Item::Begins(admitted("01AA"))], RECENT);
        assert_eq!(live.jobs()[&JobId::plain("a")], Going { running: 2, waiting: 0 });
        assert_eq!(live.beginning("01A").len(), 2);
        assert_eq!(live.beginning("01AB").len(), 1);
        live.note(&[ended("01AA"), ended("01AB"), ended("01AC")], 2);
        assert_eq!(live.ended("01").len(), 2);
        assert!(live.jobs().is_empty() && live.runs(None).is_empty());
    }

    #[tokio::test]
    async fn a_follower_that_takes_nothing_is_given_up_and_the_others_are_not() {
        let live = Arc::new(Live::default());
        let run = RunId("01AA".into());
        assert!(live.follow(&run).is_none(), "it does not go on");
        live.note(&[Item::Begins(admitted("01AA"))], RECENT);
        let (mut stuck, mut well) = (live.follow(&run).unwrap(), live.follow(&run).unwrap());
        for place in 0..40 {
            live.publish(&run, || line(place * 65_536, 65_536));
            let News::Printed(it) = well.next().await else { panic!() };
            assert_eq!(it.place, place * 65_536);
        }
        assert!(matches!(stuck.next().await, News::TooSlow));
        live.note(&[ended("01AA")], RECENT);
        assert!(matches!(well.next().await, News::Ended(_)));
        drop((stuck, well));
        assert!(!live.is_followed() && live.table().queues.is_empty());
    }
}
