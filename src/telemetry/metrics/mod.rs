//! What is counted, and how it is exposed to Prometheus. The only place that names OpenTelemetry.
//!
//! What happens is counted by the functions of [`super::report`] that tell of it; what there is, is seen at the moment of a
//! scrape ([`Seen`]), so a series of a job is gone with the job. Whoever reports finds the metrics where the log is found: on
//! the subscriber. Without them, nothing is counted.

mod exposition;
mod instruments;
mod points;
mod table;
mod tally;

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use tracing::{Subscriber, dispatcher};
use tracing_subscriber::Layer;

use crate::{
    model::{
        job::JobSpec,
        name::JobId,
        run::{RunRecord, Trigger},
    },
    telemetry::otlp::Signal,
};

pub use exposition::{CONTENT_TYPE, Exposition};
pub use points::{Family, Point, Value};
pub use table::{METRICS, Metric, Shape};
pub use tally::LastRun;

use instruments::{Instruments, Page};
use tally::Tallies;

/// All that is counted; cheap to clone. To be added to the subscriber that the log is on.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    shared: Arc<Shared>,
    instruments: Instruments,
    /// What is there once, and what is there for each job.
    general: Page,
    by_job: Page,
    /// One piece of an exposition at a time.
    turn: Mutex<()>,
}

/// What the instruments read when they are asked.
#[derive(Debug, Default)]
struct Shared {
    tallies: Mutex<Tallies>,
    asked: Mutex<Option<Asked>>,
}

/// What of it they are asked for now.
#[derive(Debug, Clone)]
struct Asked {
    seen: Arc<Seen>,
    part: Part,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// What is there once.
    General,
    /// One metric of these jobs.
    Jobs { metric: usize, from: usize, to: usize },
}

/// Why there are no metrics.
#[derive(Debug, thiserror::Error)]
#[error("setting up the metrics: {0}")]
pub struct MetricsError(String);

/// What there is at the moment of a scrape.
#[derive(Debug, Default)]
pub struct Seen {
    /// The jobs.
    pub jobs: Vec<SeenJob>,
    /// How many runs go on.
    pub running: usize,
    /// How many mistakes cost something.
    pub errors: usize,
    /// How many do not.
    pub warnings: usize,
    /// Whether the Engine answers.
    pub engine_connected: bool,
    /// Whether what happens is not kept.
    pub history_failing: bool,
    /// How much news of runs was lost so far because of that.
    pub history_lost: u64,
    /// How many records of the log were lost so far.
    pub log_dropped: u64,
    /// How many spans could not be exported so far.
    pub spans_dropped: u64,
}

/// One job.
#[derive(Debug)]
pub struct SeenJob {
    /// The job.
    pub spec: Arc<JobSpec>,
    /// Whether an operator paused it.
    pub paused: bool,
    /// The next moment that its schedule names.
    pub next: Option<Timestamp>,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl<S: Subscriber> Layer<S> for Metrics {}

/// Counts something, where someone counts.
pub(super) fn count(it: impl Fn(&Metrics)) {
    dispatcher::get_default(|subscriber| {
        if let Some(metrics) = subscriber.downcast_ref::<Metrics>() {
            it(metrics);
        }
    });
}

/// What came of comparing the jobs with what is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reconciled {
    /// Jobs came, changed or went.
    Changed,
    /// All was as it should be.
    Unchanged,
    /// The Engine was not seen yet: jobs of containers are not known.
    Incomplete,
}

impl Reconciled {
    /// Each of them.
    pub const ALL: [Self; 3] = [Self::Changed, Self::Unchanged, Self::Incomplete];

    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::Unchanged => "unchanged",
            Self::Incomplete => "incomplete",
        }
    }
}

/// What became of one try to tell someone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notified {
    /// It arrived.
    Sent,
    /// It did not, and is tried again.
    Failed,
    /// It will not arrive.
    GivenUp,
}

impl Notified {
    /// Each of them.
    pub const ALL: [Self; 3] = [Self::Sent, Self::Failed, Self::GivenUp];

    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Failed => "failed",
            Self::GivenUp => "given-up",
        }
    }
}

impl Metrics {
    /// Nothing was counted yet.
    pub fn new() -> Result<Self, MetricsError> {
        let shared = Arc::<Shared>::default();
        let (general, instruments) = instruments::general(&shared)?;
        let by_job = instruments::by_job(&shared)?;
        let inner = Inner { shared, instruments, general, by_job, turn: Mutex::default() };
        Ok(Self(Arc::new(inner)))
    }

    /// Everything, as text for Prometheus, piece by piece.
    pub fn exposition(&self, seen: Seen) -> Exposition {
        Exposition::new(self.clone(), seen)
    }

    /// What an earlier agent knew of the last run of a job and of its last success.
    pub fn remember(&self, job: JobId, last: Option<LastRun>, succeeded: Option<Timestamp>) {
        self.0.shared.tallies().remember(job, last, succeeded);
    }

    pub(super) fn job_came(&self, job: &JobId) {
        self.0.shared.tallies().came(job);
    }

    pub(super) fn job_went(&self, job: &JobId) {
        self.0.shared.tallies().went(job);
    }

    pub(super) fn record(&self, it: &RunRecord) {
        self.0.shared.tallies().count(it);
        if let Some(duration) = it.duration {
            self.0.instruments.run_took(it.kind, duration);
        }
    }

    pub(super) fn run_started(&self, trigger: Trigger, delay: Option<SignedDuration>) {
        // How late those are that are caught up says when the agent was away, and not how it does.
        if let Some(delay) = delay.filter(|_| trigger != Trigger::CatchUp) {
            self.0.instruments.started_after(delay);
        }
    }

    pub(super) fn engine_event(&self) {
        self.0.instruments.engine_event();
    }

    pub(super) fn notified(&self, channel: &str, result: Notified) {
        self.0.instruments.notified(channel, result);
    }

    pub(super) fn channels<'a>(&self, names: impl Iterator<Item = &'a str>) {
        names.for_each(|it| self.0.instruments.channel(it));
    }

    pub(super) fn reconciled(&self, result: Reconciled, took: Duration) {
        self.0.instruments.reconciled(result, took);
    }

    pub(super) fn export_failed(&self, signal: Signal) {
        self.0.instruments.export_failed(signal);
    }
}

impl Shared {
    fn tallies(&self) -> MutexGuard<'_, Tallies> {
        self.tallies.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn asked(&self) -> MutexGuard<'_, Option<Asked>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
