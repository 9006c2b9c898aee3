//! What can be seen of the state, without changing it.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use jiff::Timestamp;

use crate::{
    model::{diagnostic::Diagnostic, name::JobId},
    plan::Catalog,
};

use super::State;

impl State {
    /// The jobs.
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// The jobs, for someone to look at later.
    pub fn shared_catalog(&self) -> Arc<Catalog> {
        self.catalog.clone()
    }

    /// How many changes the jobs saw so far.
    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// The jobs that are paused, and until when.
    pub fn paused(&self) -> Arc<BTreeMap<JobId, Option<Timestamp>>> {
        self.paused.clone()
    }

    /// From where `@every` counts, for the jobs whose schedule has it.
    pub fn anchors(&self) -> Arc<HashMap<JobId, Timestamp>> {
        self.timetable.anchors()
    }

    /// What is wrong with what was written.
    pub fn diagnostics(&self) -> Arc<BTreeSet<Diagnostic>> {
        self.problems.clone()
    }

    /// How many things are wrong with what was written.
    pub fn problem_count(&self) -> usize {
        self.problems.len()
    }

    /// How many runs go on.
    pub fn running_count(&self) -> usize {
        self.admission.running_count()
    }

    /// How many occurrences wait their turn.
    pub fn waiting_count(&self) -> usize {
        self.admission.waiting_count() + self.dependencies.held_count() + self.left.len()
    }
}
