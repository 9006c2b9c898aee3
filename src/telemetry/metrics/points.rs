//! What is exposed, as numbers instead of text: the same names, types, labels and values.

use prometheus::proto::{self, MetricFamily, MetricType};

/// One metric with some of its series.
#[derive(Debug, Clone, PartialEq)]
pub struct Family {
    /// Its name.
    pub name: String,
    /// What it says.
    pub doc: String,
    /// Whether it only grows.
    pub grows: bool,
    /// The series.
    pub points: Vec<Point>,
}

/// One series at this moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// Its labels.
    pub labels: Vec<(String, String)>,
    /// Its value.
    pub value: Value,
}

/// The value of a series.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A number.
    Number(f64),
    /// How lengths of time are spread.
    Spread {
        /// The upper bounds of the buckets; the last bucket has none.
        bounds: Vec<f64>,
        /// How many are in each bucket.
        counts: Vec<u64>,
        /// All of them together.
        sum: f64,
    },
}

impl Family {
    pub(super) fn of(it: &MetricFamily) -> Self {
        let kind = it.get_field_type();
        Self {
            name: it.name().to_owned(),
            doc: it.help().to_owned(),
            grows: kind == MetricType::COUNTER,
            points: it.get_metric().iter().map(|series| Point::of(kind, series)).collect(),
        }
    }

    /// In what it is measured, as OpenTelemetry writes it.
    pub fn unit(&self) -> &'static str {
        if self.name.ends_with("_seconds") { "s" } else { "" }
    }
}

impl Point {
    fn of(kind: MetricType, it: &proto::Metric) -> Self {
        let labels = it.get_label().iter().map(|pair| (pair.name().to_owned(), pair.value().to_owned()));
        let value = match kind {
            MetricType::HISTOGRAM => spread(it.get_histogram()),
            MetricType::COUNTER => Value::Number(it.get_counter().get_value()),
            _ => Value::Number(it.get_gauge().get_value()),
        };
        Self { labels: labels.collect(), value }
    }
}

/// Each of Prometheus's buckets has those of the smaller ones as well.
fn spread(it: &proto::Histogram) -> Value {
    let (mut bounds, mut counts, mut before) = (Vec::new(), Vec::new(), 0);
    for bucket in it.get_bucket().iter().filter(|it| it.upper_bound().is_finite()) {
        bounds.push(bucket.upper_bound());
        counts.push(bucket.cumulative_count().saturating_sub(before));
        before = bucket.cumulative_count();
    }
    counts.push(it.get_sample_count().saturating_sub(before));
    Value::Spread { bounds, counts, sum: it.get_sample_sum() }
}
