//! The instruments behind the metrics, as OpenTelemetry has them.
//!
//! An instrument that is told of each thing never forgets a label, and one that is asked for more than its limit of label
//! sets lets go of all labels. So what has a job as label is asked for when it is exposed, a part of the jobs at a time.
#![expect(clippy::cast_precision_loss, reason = "Prometheus has no other numbers")]

use std::{sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use opentelemetry::{
    KeyValue,
    metrics::{AsyncInstrument, Counter, Histogram, Meter, MeterProvider},
};
use opentelemetry_sdk::{
    Resource,
    metrics::{Instrument, SdkMeterProvider, Stream},
};
use prometheus::Registry;

use crate::{
    model::{diagnostic::Severity, job::JobSpec, name::JobKind, run::Outcome, skip::Skip},
    telemetry::otlp::Signal,
};

use super::{
    Asked, MetricsError, Notified, Part, Reconciled, Seen, SeenJob, Shared,
    table::{self, Metric, Shape},
    tally::Tally,
};

/// How many jobs are asked for at a time. A piece is made on whichever thread is free, and what one takes stays with that
/// thread's heap: a few hundred series take some hundred kilobytes.
pub(super) const AT_ONCE: usize = 20;

/// How many series of one metric a job has at most.
const SERIES: usize =
    if Outcome::NAMES.len() > Skip::ALL.len() { Outcome::NAMES.len() } else { Skip::ALL.len() };

/// Instruments that are exposed together. They live as long as their provider.
pub(super) struct Page {
    pub registry: Registry,
    _provider: SdkMeterProvider,
}

/// What is told of things as they happen.
pub(super) struct Instruments {
    run_duration: Histogram<f64>,
    start_delay: Histogram<f64>,
    engine_events: Counter<u64>,
    reconciles: Counter<u64>,
    reconcile_duration: Histogram<f64>,
    export_failures: Counter<u64>,
    notifications: Counter<u64>,
}

impl Instruments {
    pub fn run_took(&self, kind: JobKind, took: Duration) {
        self.run_duration.record(took.as_secs_f64(), &[KeyValue::new("kind", kind.as_str())]);
    }

    pub fn started_after(&self, delay: SignedDuration) {
        self.start_delay.record(delay.as_secs_f64(), &[]);
    }

    pub fn engine_event(&self) {
        self.engine_events.add(1, &[]);
    }

    pub fn reconciled(&self, result: Reconciled, took: Duration) {
        self.reconciles.add(1, &[KeyValue::new("result", result.as_str())]);
        self.reconcile_duration.record(took.as_secs_f64(), &[]);
    }

    pub fn export_failed(&self, signal: Signal) {
        self.export_failures.add(1, &[KeyValue::new("signal", signal.as_str())]);
    }

    pub fn notified(&self, channel: &str, result: Notified) {
        self.count_notified(channel, result, 1);
    }

    /// A counter is there from the first scrape on.
    pub fn channel(&self, channel: &str) {
        for result in Notified::ALL {
            self.count_notified(channel, result, 0);
        }
    }

    fn count_notified(&self, channel: &str, result: Notified, count: u64) {
        let labels = [KeyValue::new("channel", channel.to_owned()), KeyValue::new("result", result.as_str())];
        self.notifications.add(count, &labels);
    }
}

/// What is there once.
pub(super) fn general(shared: &Arc<Shared>) -> Result<(Page, Instruments), MetricsError> {
    let (page, meter) = page(None)?;
    let instruments = Instruments {
        run_duration: histogram(&meter, &table::RUN_DURATION),
        start_delay: histogram(&meter, &table::START_DELAY),
        engine_events: counter(&meter, &table::ENGINE_EVENTS),
        reconciles: counter(&meter, &table::RECONCILES),
        reconcile_duration: histogram(&meter, &table::RECONCILE_DURATION),
        export_failures: counter(&meter, &table::EXPORT_FAILURES),
        notifications: counter(&meter, &table::NOTIFICATIONS),
    };
    // A counter is there from the first scrape on.
    instruments.engine_events.add(0, &[]);
    for result in Reconciled::ALL {
        instruments.reconciles.add(0, &[KeyValue::new("result", result.as_str())]);
    }
    for signal in Signal::ALL {
        instruments.export_failures.add(0, &[KeyValue::new("signal", signal.as_str())]);
    }
    let gauge = |metric, observe: fn(&Seen, &mut Put<'_>)| observable(&meter, shared, metric, observe);
    gauge(&table::JOBS, |seen, put| {
        for kind in JobKind::ALL {
            for state in State::ALL {
                let is_it = |job: &&SeenJob| job.spec.kind() == kind && State::of(job) == state;
                let count = seen.jobs.iter().filter(is_it).count();
                let labels = [KeyValue::new("kind", kind.as_str()), KeyValue::new("state", state.as_str())];
                put(number(count), &labels);
            }
        }
    });
    gauge(&table::RUNNING_RUNS, |seen, put| put(number(seen.running), &[]));
    gauge(&table::ENGINE_CONNECTED, |seen, put| put(number(seen.engine_connected.into()), &[]));
    gauge(&table::PROBLEMS, |seen, put| {
        let errors = seen.errors + usize::from(seen.history_failing);
        for (severity, count) in [(Severity::Error, errors), (Severity::Warning, seen.warnings)] {
            put(number(count), &[KeyValue::new("severity", severity.as_str())]);
        }
    });
    gauge(&table::HISTORY_FAILING, |seen, put| put(number(seen.history_failing.into()), &[]));
    gauge(&table::BUILD_INFO, |_, put| {
        put(1.0, &[KeyValue::new("version", env!("CARGO_PKG_VERSION"))]);
    });
    gauge(&table::HISTORY_LOST, |seen, put| put(seen.history_lost as f64, &[]));
    gauge(&table::LOG_DROPPED, |seen, put| put(seen.log_dropped as f64, &[]));
    gauge(&table::SPANS_DROPPED, |seen, put| put(seen.spans_dropped as f64, &[]));
    Ok((page, instruments))
}

/// The state of a job, as long as nothing is changed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Enabled,
    Paused,
    Disabled,
}

impl State {
    const ALL: [Self; 3] = [Self::Enabled, Self::Paused, Self::Disabled];

    fn of(job: &SeenJob) -> Self {
        match (job.spec.enabled, job.paused) {
            (false, _) => Self::Disabled,
            (true, true) => Self::Paused,
            (true, false) => Self::Enabled,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Enabled => "enabled",
            Self::Paused => "paused",
            Self::Disabled => "disabled",
        }
    }
}

/// What is there for each job, in this order.
pub(super) const BY_JOB: [(&Metric, ByJob); 7] = [
    (&table::RUNS, runs),
    (&table::RUNS_SKIPPED, skipped),
    (&table::NEXT_RUN, |job, _, put| put_some(job.next.map(seconds), job, put)),
    (&table::LAST_RUN, |job, tally, put| {
        put_some(tally.and_then(|it| it.last).map(|it| seconds(it.ended)), job, put);
    }),
    (&table::LAST_SUCCESS, |job, tally, put| {
        put_some(tally.and_then(|it| it.succeeded).map(seconds), job, put);
    }),
    (&table::LAST_DURATION, |job, tally, put| {
        put_some(tally.and_then(|it| it.last?.duration).map(|it| it.as_secs_f64()), job, put);
    }),
    (&table::LAST_EXIT_CODE, |job, tally, put| {
        put_some(tally.and_then(|it| it.last?.exit_code).map(|it| it as f64), job, put);
    }),
];

/// Takes a number and its labels.
type Put<'a> = dyn FnMut(f64, &[KeyValue]) + 'a;

type ByJob = fn(&SeenJob, Option<&Tally>, &mut Put<'_>);

fn job_label(spec: &JobSpec) -> KeyValue {
    KeyValue::new("job", spec.id.as_str().to_owned())
}

fn put_some(value: Option<f64>, job: &SeenJob, put: &mut Put<'_>) {
    if let Some(value) = value {
        put(value, &[job_label(&job.spec)]);
    }
}

fn runs(job: &SeenJob, tally: Option<&Tally>, put: &mut Put<'_>) {
    let (name, kind) = (job_label(&job.spec), KeyValue::new("kind", job.spec.kind().as_str()));
    let nothing = Tally::default();
    for (outcome, count) in tally.unwrap_or(&nothing).outcomes() {
        put(count as f64, &[name.clone(), kind.clone(), KeyValue::new("outcome", outcome)]);
    }
}

/// What cannot befall the job as it is, and never has, is left out.
fn skipped(job: &SeenJob, tally: Option<&Tally>, put: &mut Put<'_>) {
    let name = job_label(&job.spec);
    let nothing = Tally::default();
    for (by, count) in tally.unwrap_or(&nothing).skipped() {
        if count > 0 || by.can_befall(&job.spec) {
            put(count as f64, &[name.clone(), KeyValue::new("reason", by.as_str())]);
        }
    }
}

/// What is there for each job.
pub(super) fn by_job(shared: &Arc<Shared>) -> Result<Page, MetricsError> {
    let (page, meter) = page(Some(AT_ONCE * SERIES))?;
    for (index, (metric, observe)) in BY_JOB.into_iter().enumerate() {
        let shared = shared.clone();
        observed(&meter, metric, move |put| {
            let Some(Asked { seen, part: Part::Jobs { metric, from, to } }) = shared.asked().clone() else {
                return;
            };
            if metric == index {
                let tallies = shared.tallies();
                let jobs = seen.jobs.get(from..to).unwrap_or_default();
                for job in jobs {
                    observe(job, tallies.get(&job.spec.id), put);
                }
            }
        });
    }
    Ok(page)
}

/// A place of its own for some instruments. `limit` is how many label sets each may have; by default 2000.
fn page(limit: Option<usize>) -> Result<(Page, Meter), MetricsError> {
    let registry = Registry::new();
    let exporter = opentelemetry_prometheus::exporter()
        .with_registry(registry.clone())
        // The names are those of the table, whatever the unit is.
        .without_units()
        .without_counter_suffixes()
        .without_target_info()
        .scope_info_enabled(false)
        .build()
        .map_err(|error| MetricsError(error.to_string()))?;
    // Nothing is taken from the environment, which is read elsewhere.
    let mut provider =
        SdkMeterProvider::builder().with_reader(exporter).with_resource(Resource::builder_empty().build());
    if let Some(limit) = limit {
        let view = move |_: &Instrument| Stream::builder().with_cardinality_limit(limit).build().ok();
        provider = provider.with_view(view);
    }
    let provider = provider.build();
    let meter = provider.meter("watchbell");
    Ok((Page { registry, _provider: provider }, meter))
}

fn unit(metric: &Metric) -> &'static str {
    if metric.name.ends_with("_seconds") { "s" } else { "" }
}

fn counter(meter: &Meter, metric: &Metric) -> Counter<u64> {
    meter.u64_counter(metric.name).with_description(metric.doc).build()
}

fn histogram(meter: &Meter, metric: &Metric) -> Histogram<f64> {
    let bounds = match metric.shape {
        Shape::Histogram(bounds) => bounds,
        Shape::Counter | Shape::Gauge => &[],
    };
    let builder = meter.f64_histogram(metric.name).with_unit(unit(metric)).with_description(metric.doc);
    builder.with_boundaries(bounds.to_vec()).build()
}

/// A metric that is read off what is seen at the moment of a scrape.
fn observable(meter: &Meter, shared: &Arc<Shared>, metric: &Metric, observe: fn(&Seen, &mut Put<'_>)) {
    let shared = shared.clone();
    observed(meter, metric, move |put| {
        if let Some(Asked { seen, part: Part::General }) = shared.asked().clone() {
            observe(&seen, put);
        }
    });
}

fn observed(meter: &Meter, metric: &Metric, observe: impl Fn(&mut Put<'_>) + Send + Sync + 'static) {
    let observe = move |instrument: &dyn AsyncInstrument<f64>| {
        observe(&mut |value, labels| instrument.observe(value, labels));
    };
    // The provider keeps it.
    if metric.shape == Shape::Counter {
        let builder = meter.f64_observable_counter(metric.name).with_unit(unit(metric));
        let _ = builder.with_description(metric.doc).with_callback(observe).build();
    } else {
        let builder = meter.f64_observable_gauge(metric.name).with_unit(unit(metric));
        let _ = builder.with_description(metric.doc).with_callback(observe).build();
    }
}

fn number(count: usize) -> f64 {
    count as f64
}

fn seconds(at: Timestamp) -> f64 {
    at.as_nanosecond() as f64 / 1e9
}
