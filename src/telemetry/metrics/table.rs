//! Every metric: its name, type, labels and meaning. The instruments, the documentation and the tests come from here.

/// One metric.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Metric {
    /// Its name, as it is exposed.
    pub name: &'static str,
    /// What kind of number it is.
    pub shape: Shape,
    /// The names of its labels.
    pub labels: &'static [&'static str],
    /// What it says, one sentence.
    pub doc: &'static str,
}

/// What kind of number a metric is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Shape {
    /// It only grows while the agent lives.
    Counter,
    /// It is as it is.
    Gauge,
    /// How lengths of time are spread; with the upper bounds of its buckets, in seconds.
    Histogram(&'static [f64]),
}

impl Shape {
    /// The type as Prometheus calls it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram(_) => "histogram",
        }
    }
}

impl Metric {
    /// Whether there is one for each job: such a series goes with its job.
    pub fn is_by_job(&self) -> bool {
        self.labels.contains(&"job")
    }
}

const fn counter(name: &'static str, labels: &'static [&'static str], doc: &'static str) -> Metric {
    Metric { name, shape: Shape::Counter, labels, doc }
}

const fn gauge(name: &'static str, labels: &'static [&'static str], doc: &'static str) -> Metric {
    Metric { name, shape: Shape::Gauge, labels, doc }
}

pub(super) const JOBS: Metric =
    gauge("watchbell_jobs", &["kind", "state"], "The jobs that there are: enabled, paused or disabled.");

pub(super) const RUNS: Metric = counter(
    "watchbell_runs_total",
    &["job", "kind", "outcome"],
    "Occurrences by what became of them; each leaves one record and is counted once.",
);

pub(super) const RUNS_SKIPPED: Metric = counter(
    "watchbell_runs_skipped_total",
    &["job", "reason"],
    "Those that were skipped, by what decided it.",
);

pub(super) const RUN_DURATION: Metric = Metric {
    name: "watchbell_run_duration_seconds",
    shape: Shape::Histogram(&[
        0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3_600.0, 14_400.0, 43_200.0,
    ]),
    labels: &["kind"],
    doc: "How long runs took whose command was started.",
};

pub(super) const RUNNING_RUNS: Metric = gauge("watchbell_running_runs", &[], "The runs that go on.");

pub(super) const START_DELAY: Metric = Metric {
    name: "watchbell_start_delay_seconds",
    shape: Shape::Histogram(&[
        0.000_5, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0, 60.0, 300.0,
    ]),
    labels: &[],
    doc: "From the moment at which a run was due to its first request; runs that are caught up are not among them.",
};

pub(super) const NEXT_RUN: Metric = gauge(
    "watchbell_job_next_run_timestamp_seconds",
    &["job"],
    "The next moment that the schedule names; none where nothing is due.",
);

pub(super) const LAST_RUN: Metric = gauge(
    "watchbell_job_last_run_timestamp_seconds",
    &["job"],
    "When the last run ended, also of an earlier agent; what was skipped or missed is no run.",
);

pub(super) const LAST_SUCCESS: Metric = gauge(
    "watchbell_job_last_success_timestamp_seconds",
    &["job"],
    "When the last run ended that succeeded, also of an earlier agent.",
);

pub(super) const LAST_DURATION: Metric =
    gauge("watchbell_job_last_duration_seconds", &["job"], "How long the last run took, if it was started.");

pub(super) const LAST_EXIT_CODE: Metric = gauge(
    "watchbell_job_last_exit_code",
    &["job"],
    "The exit code of the last run; none where it had none, as after a timeout.",
);

pub(super) const ENGINE_CONNECTED: Metric =
    gauge("watchbell_engine_connected", &[], "1 while the Engine answers, else 0.");

pub(super) const ENGINE_EVENTS: Metric =
    counter("watchbell_engine_events_total", &[], "Events of containers that the Engine sent.");

pub(super) const RECONCILES: Metric = counter(
    "watchbell_reconciles_total",
    &["result"],
    "How often the jobs were compared with what is written: changed, unchanged, or incomplete before the Engine was seen.",
);

pub(super) const RECONCILE_DURATION: Metric = Metric {
    name: "watchbell_reconcile_duration_seconds",
    shape: Shape::Histogram(&[
        0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0,
    ]),
    labels: &[],
    doc: "How long that took.",
};

pub(super) const PROBLEMS: Metric = gauge(
    "watchbell_problems",
    &["severity"],
    "What is wrong with what was written, and a store that is failing.",
);

pub(super) const HISTORY_FAILING: Metric =
    gauge("watchbell_history_failing", &[], "1 while the history of runs cannot be written, else 0.");

pub(super) const HISTORY_LOST: Metric = counter(
    "watchbell_history_lost_total",
    &[],
    "News of runs that found no room while the history could not be written.",
);

pub(super) const LOG_DROPPED: Metric =
    counter("watchbell_log_dropped_total", &[], "Records of the log that nothing took in time.");

pub(super) const SPANS_DROPPED: Metric =
    counter("watchbell_spans_dropped_total", &[], "Spans that could not be exported.");

pub(super) const EXPORT_FAILURES: Metric = counter(
    "watchbell_export_failures_total",
    &["signal"],
    "Requests to a receiver that did not arrive or were refused: traces or metrics.",
);

pub(super) const NOTIFICATIONS: Metric = counter(
    "watchbell_notifications_total",
    &["channel", "result"],
    "Messages by what became of them: sent, failed for each try that failed and is made again, or given-up.",
);

pub(super) const BUILD_INFO: Metric =
    gauge("watchbell_build_info", &["version"], "1; the version is the label.");

/// Every metric, in the order of the documentation.
pub const METRICS: &[Metric] = &[
    JOBS,
    RUNS,
    RUNS_SKIPPED,
    RUN_DURATION,
    RUNNING_RUNS,
    START_DELAY,
    NEXT_RUN,
    LAST_RUN,
    LAST_SUCCESS,
    LAST_DURATION,
    LAST_EXIT_CODE,
    ENGINE_CONNECTED,
    ENGINE_EVENTS,
    RECONCILES,
    RECONCILE_DURATION,
    PROBLEMS,
    HISTORY_FAILING,
    HISTORY_LOST,
    LOG_DROPPED,
    SPANS_DROPPED,
    EXPORT_FAILURES,
    NOTIFICATIONS,
    BUILD_INFO,
];
