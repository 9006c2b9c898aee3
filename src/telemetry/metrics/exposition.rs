//! The text that Prometheus reads, piece by piece: however many jobs there are, no more is held at a time than one piece.

use std::sync::{Arc, PoisonError};

use prometheus::{TextEncoder, proto::MetricFamily};

use super::{
    Asked, Metrics, Part, Seen,
    instruments::{AT_ONCE, BY_JOB},
    points::Family,
};

/// What the text is served as.
pub const CONTENT_TYPE: &str = prometheus::TEXT_FORMAT;

/// The pieces; each takes a moment to be made, and nobody waits for another's.
#[derive(Debug)]
pub struct Exposition {
    metrics: Metrics,
    seen: Arc<Seen>,
    next: Next,
}

#[derive(Debug, Clone, Copy)]
enum Next {
    General,
    /// Of this metric, from this job on; and whether its head was written.
    Jobs {
        metric: usize,
        from: usize,
        headed: bool,
    },
}

impl Exposition {
    pub(super) fn new(metrics: Metrics, seen: Seen) -> Self {
        Self { metrics, seen: Arc::new(seen), next: Next::General }
    }

    fn piece(&self, part: Part) -> Vec<MetricFamily> {
        let inner = &self.metrics.0;
        let _turn = inner.turn.lock().unwrap_or_else(PoisonError::into_inner);
        *inner.shared.asked() = Some(Asked { seen: self.seen.clone(), part });
        let families = match part {
            Part::General => inner.general.registry.gather(),
            Part::Jobs { .. } => inner.by_job.registry.gather(),
        };
        *inner.shared.asked() = None;
        families
    }

    /// The next piece that has something, and whether its head was written before.
    fn step(&mut self) -> Option<(Vec<MetricFamily>, bool)> {
        loop {
            let Next::Jobs { metric, from, headed } = self.next else {
                self.next = Next::Jobs { metric: 0, from: 0, headed: false };
                return Some((self.piece(Part::General), false));
            };
            if metric >= BY_JOB.len() {
                return None;
            }
            let to = (from + AT_ONCE).min(self.seen.jobs.len());
            let families = self.piece(Part::Jobs { metric, from, to });
            self.next = if to < self.seen.jobs.len() {
                Next::Jobs { metric, from: to, headed: headed || !families.is_empty() }
            } else {
                Next::Jobs { metric: metric + 1, from: 0, headed: false }
            };
            if !families.is_empty() {
                return Some((families, headed));
            }
        }
    }

    /// The next piece as numbers instead of text.
    pub fn numbers(&mut self) -> Option<Vec<Family>> {
        self.step().map(|(families, _)| families.iter().map(Family::of).collect())
    }
}

impl Iterator for Exposition {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        self.step().map(|(families, headed)| {
            let text = text(&families);
            if headed { without_head(&text) } else { text }
        })
    }
}

/// A metric has one head, before its first series.
fn without_head(text: &str) -> String {
    text.split_inclusive('\n').filter(|line| !line.starts_with('#')).collect()
}

fn text(families: &[MetricFamily]) -> String {
    // It fails only where a metric has no series, and those are not among them.
    TextEncoder::new().encode_to_string(families).unwrap_or_default()
}
