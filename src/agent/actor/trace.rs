//! The trace of a run, once its record is kept.

use crate::{
    history::keeper::Kept,
    model::run::RunRecord,
    telemetry::{legs::Legs, report},
    time::Clock,
};

use super::KEEP_LIMIT;

/// Waits for that, a little, and gives the trace to who exports it.
pub(super) async fn trace((record, legs): (RunRecord, Legs), mut kept: Kept, clock: Clock) {
    kept.within(KEEP_LIMIT).await;
    report::run_traced(&record, &legs, clock.now());
}
