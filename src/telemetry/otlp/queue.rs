//! The traces that wait to be exported. There is room for so many; whoever ends a run never waits.

use std::{
    collections::VecDeque,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use jiff::Timestamp;
use tokio::sync::Notify;
use tracing::{Subscriber, dispatcher};
use tracing_subscriber::Layer;

use crate::{
    model::run::RunRecord,
    telemetry::{legs::Legs, report},
};

use super::json;

/// So many spans go together.
const TOGETHER: usize = 512;

/// Where traces are put, if anyone exports them; cheap to clone. To be added to the subscriber that the log is on.
#[derive(Clone, Default)]
pub struct Traces(Option<Arc<Queue>>);

pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    room: usize,
    dropped: AtomicU64,
    /// Whether it was told that some are dropped.
    told: AtomicBool,
    news: Notify,
}

#[derive(Default)]
struct Waiting {
    traces: VecDeque<Trace>,
    spans: usize,
}

/// The spans of one run.
#[derive(Debug, Clone)]
pub(super) struct Trace {
    pub json: Arc<str>,
    pub spans: usize,
}

impl fmt::Debug for Traces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Traces").field(&self.0.is_some()).finish()
    }
}

impl<S: Subscriber> Layer<S> for Traces {}

/// Gives the traces of whoever logs here, if they are exported.
fn exported<T>(with: impl Fn(&Queue) -> T) -> Option<T> {
    dispatcher::get_default(|to| to.downcast_ref::<Traces>()?.0.as_deref().map(&with))
}

/// Whether traces are exported.
pub fn is_on() -> bool {
    exported(|_| ()).is_some()
}

/// The trace of a run is to be exported.
pub fn put(record: &RunRecord, legs: &Legs, kept: Timestamp) {
    exported(|queue| {
        if let Some((json, spans)) = json::trace(record, legs, kept) {
            queue.put(Trace { json: json.into(), spans });
        }
    });
}

impl Traces {
    /// Exported ones, with room for so many spans.
    pub fn exported(room: usize) -> Self {
        Self(Some(Arc::new(Queue {
            waiting: Mutex::default(),
            room,
            dropped: AtomicU64::new(0),
            told: AtomicBool::new(false),
            news: Notify::new(),
        })))
    }

    /// How many spans could not be exported so far.
    pub fn dropped(&self) -> u64 {
        self.0.as_ref().map_or(0, |it| it.dropped.load(Ordering::Relaxed))
    }

    pub(super) fn queue(&self) -> Option<Arc<Queue>> {
        self.0.clone()
    }
}

impl Queue {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, trace: Trace) {
        let mut waiting = self.waiting();
        if waiting.spans + trace.spans > self.room {
            drop(waiting);
            self.drop_spans(trace.spans, "there is no room for more");
            return;
        }
        waiting.spans += trace.spans;
        waiting.traces.push_back(trace);
        if waiting.spans >= TOGETHER.min(self.room) {
            self.news.notify_one();
        }
    }

    /// Counts spans that are dropped, and tells of the first.
    pub fn drop_spans(&self, spans: usize, why: &str) {
        self.dropped.fetch_add(spans as u64, Ordering::Relaxed);
        if !self.told.swap(true, Ordering::Relaxed) {
            report::export_dropped(why);
        }
    }

    /// What is dropped from now on is told anew; the answer is how many were, in all.
    pub fn goes_well(&self) -> u64 {
        self.told.store(false, Ordering::Relaxed);
        self.dropped.load(Ordering::Relaxed)
    }

    /// Waits until there is enough for a request.
    pub async fn enough(&self) {
        self.news.notified().await;
    }

    /// Those that go next. They stay here until they are [gone](Self::gone).
    pub fn next(&self) -> Vec<Trace> {
        let mut spans = 0;
        let fits = |it: &&Trace| {
            let first = spans == 0;
            spans += it.spans;
            first || spans <= TOGETHER
        };
        self.waiting().traces.iter().take_while(fits).cloned().collect()
    }

    /// The first so many need not wait any more.
    pub fn gone(&self, traces: usize) {
        let mut waiting = self.waiting();
        let gone: usize = waiting.traces.drain(..traces).map(|it| it.spans).sum();
        waiting.spans -= gone;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace(name: &str, spans: usize) -> Trace {
        Trace { json: name.into(), spans }
    }

    fn names(queue: &Queue) -> Vec<String> {
        queue.next().iter().map(|it| it.json.to_string()).collect()
    }

    #[test]
    fn what_finds_no_room_is_dropped_and_counted_and_what_waits_stays() {
        let traces = Traces::exported(10);
        let queue = traces.queue().unwrap();
        for name in ["a", "b", "c"] {
            queue.put(trace(name, 4));
        }
        assert_eq!((names(&queue), traces.dropped()), (vec!["a".into(), "b".into()], 4));
        queue.gone(1);
        queue.put(trace("d", 6));
        assert_eq!((names(&queue), traces.dropped()), (vec!["b".into(), "d".into()], 4));
    }

    #[test]
    fn a_request_is_of_bounded_size_and_takes_at_least_one_trace() {
        let traces = Traces::exported(usize::MAX);
        let queue = traces.queue().unwrap();
        queue.put(trace("large", TOGETHER + 1));
        queue.put(trace("a", TOGETHER - 1));
        queue.put(trace("b", 1));
        queue.put(trace("c", 1));
        assert_eq!(names(&queue), ["large"]);
        queue.gone(1);
        assert_eq!(names(&queue), ["a", "b"]);
    }
}
