//! From what there should be to what there is: the plan carried out on catalog and timetable, and what there is to tell.

use std::{collections::BTreeSet, sync::Arc};

use jiff::Timestamp;

use crate::{
    model::{
        container::Holder,
        diagnostic::Diagnostic,
        job::JobSpec,
        memory::Pause,
        name::{JobId, JobKind},
        run::RunId,
    },
    plan::{self, Change},
    settings::resolve::{Desired, DesiredJob},
};

use super::{
    event::{Effect, Told},
    records,
    state::{State, problem},
};

/// How many occurrences to come are told when a job is registered.
const UPCOMING: usize = 3;

impl State {
    pub(super) fn reconcile(
        &mut self,
        desired: Desired,
        now: Timestamp,
        ids: &mut dyn FnMut() -> RunId,
        effects: &mut Vec<Effect>,
    ) {
        let mut distrusted = Vec::new();
        if let Some(settings) = &desired.settings {
            self.admission.set_cap(settings.max_concurrent_runs);
        }
        self.notices.set_channels(&desired.channels);
        for change in plan::plan(&self.catalog, &desired) {
            let removed = match &change {
                Change::Remove(id) => self.catalog.get(id).map(|entry| entry.spec.kind()),
                _ => None,
            };
            Arc::make_mut(&mut self.catalog).apply(&change);
            self.changes += 1;
            effects.extend(self.follow(change, removed, &desired, now, &mut distrusted).map(Effect::Tell));
        }
        let nowhere = |(id, job): (&JobId, &DesiredJob)| Some((id.clone(), job.nowhere.clone()?));
        self.nowhere = desired.jobs.iter().filter_map(nowhere).collect();
        effects.extend(records::distrusted(&distrusted, now).map(problem));
        let complete = desired.complete;
        self.complete |= complete;
        let problems: BTreeSet<Diagnostic> = desired.diagnostics.into_iter().collect();
        let new = problems.difference(&self.problems).cloned();
        effects.extend(new.map(problem));
        if problems != *self.problems {
            self.problems = Arc::new(problems);
        }
        self.adopt(effects);
        if !self.draining {
            self.go_on_with_the_left(complete, now, ids, effects);
            self.go_on_with_startup(complete, now, ids, effects);
            self.start_the_unknown(now, ids, effects);
        }
        self.open_gates(now, ids, effects);
        // The cap may have been raised.
        self.begin_next(now, effects);
    }

    /// What a change of the catalog means for the timetable, and what there is to tell.
    fn follow(
        &mut self,
        change: Change,
        removed: Option<JobKind>,
        desired: &Desired,
        now: Timestamp,
        distrusted: &mut Vec<JobId>,
    ) -> Option<Told> {
        let name = |holder: &Option<Holder>| holder.as_ref().map(|it| it.name.clone());
        match change {
            Change::Remove(job) => {
                self.unschedule(&job, now);
                self.dependencies.went(&job, removed?, now);
                let rejected =
                    desired.diagnostics.iter().any(|it| it.rejects && it.job.as_ref() == Some(&job));
                let reason = if rejected {
                    "its definition is no longer right: see job.rejected"
                } else {
                    "nothing defines it any more"
                };
                Some(Told::JobRemoved { job, kind: removed?, reason })
            }
            Change::Update { spec, holder, replicas: _, changed } => {
                self.schedule(&spec, now, distrusted);
                let next = self.timetable.upcoming(&spec.id, UPCOMING, now);
                let reason = format!("changed: {}", changed.join(", "));
                Some(Told::JobUpdated { spec, container: name(&holder), next, reason })
            }
            Change::Place { job, holder: Some(holder), moved: true, replicas } => {
                let spec = self.catalog.get(&job)?.spec.clone();
                // Whoever runs in each of them has not moved because one of them has gone.
                if replicas.len() > 1 {
                    return None;
                }
                let next = self.timetable.upcoming(&job, UPCOMING, now);
                let reason = match spec.kind() {
                    JobKind::Run => format!("its runs are made like container {} now", holder.name),
                    _ => format!("its runs go to container {} now", holder.name),
                };
                Some(Told::JobUpdated { spec, container: Some(holder.name), next, reason })
            }
            Change::Place { .. } => None,
            Change::Add { spec, holder, replicas: _ } => {
                self.dependencies.came(&spec.id);
                self.schedule(&spec, now, distrusted);
                let next = self.timetable.upcoming(&spec.id, UPCOMING, now);
                Some(Told::JobAdded { spec, container: name(&holder), next })
            }
        }
    }

    fn schedule(&mut self, spec: &Arc<JobSpec>, now: Timestamp, distrusted: &mut Vec<JobId>) {
        if !spec.enabled {
            return self.unschedule(&spec.id, now);
        }
        let memory = self.keep.take(&spec.id);
        let taken = self.timetable.set(spec, memory, now);
        if taken.distrusted {
            distrusted.push(spec.id.clone());
            if let Some(memory) = memory {
                self.keep.doubt(&spec.id, memory);
            }
        }
        if let Some(memory) = taken.memory {
            self.keep.note(&spec.id, memory);
        }
        if let Some(until) = self.paused.get(&spec.id) {
            self.timetable.hold(&spec.id, Pause { until: *until });
        }
    }

    fn unschedule(&mut self, job: &JobId, now: Timestamp) {
        match self.timetable.remove(job, now) {
            Some(memory) => {
                let forgotten = self.keep.gone(job, memory);
                if let Some(forgotten) = forgotten.filter(|it| self.paused.contains_key(it)) {
                    Arc::make_mut(&mut self.paused).remove(&forgotten);
                }
            }
            None => self.keep.idle(job, now),
        }
    }
}
