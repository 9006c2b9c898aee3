//! Who is told of what, and when.
//!
//! What one step of [`super::state::State`] came to is looked at once, at its end, wherever in it an occurrence left its
//! record or a run began; so what is to be told is kept with the record, all of it or nothing. `rules` says what becomes
//! of one job. Here is what is remembered of all of them, and when something is due without a run: what was held back, and a
//! success that did not come.
//!
//! A job without a channel has no place here.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;

use crate::{
    model::{
        channel::Channels,
        job::JobSpec,
        name::JobId,
        notification::{Cause, Notification, Notify, RunFacts},
        notify_memory::{Expectation, NotifyMemory},
        run::{Item, RunRecord},
    },
    plan::Catalog,
    run::order::RunOrder,
};

use super::{
    event::{Effect, Told},
    keep::{Keep, Note},
};

mod rules;
#[cfg(test)]
mod tests;

/// How long an agent that starts waits for all jobs to be known before it says that one did not succeed: it may be there,
/// and catch up.
const PATIENCE: Duration = Duration::from_secs(60);

/// A clock that is set back by less than this changes nothing.
const STEP: Duration = Duration::from_secs(60);

/// What is remembered of the jobs of which someone is told.
#[derive(Debug, Default)]
pub struct Notices {
    jobs: HashMap<JobId, Entry>,
    /// The jobs of which something is due without a run, by when.
    order: BTreeSet<(Timestamp, JobId)>,
    channels: Arc<Channels>,
    /// Whether they are others than those by which the jobs were looked at.
    renewed: bool,
    /// The jobs of which something else is to be remembered.
    changed: BTreeSet<JobId>,
    /// Before this no expectation is unmet; `None` before the first look at the clock.
    patient_until: Option<Timestamp>,
    /// The latest moment that the clock has shown, as far as it is believed.
    latest: Timestamp,
    /// Whether the clock was never set, as far as it was seen.
    unset: bool,
    complete: bool,
}

#[derive(Debug, Default)]
struct Entry {
    memory: NotifyMemory,
    /// Its place in the order.
    due: Option<Timestamp>,
}

/// What there is to see of the agent's state at the end of a step.
#[derive(Debug, Clone, Copy)]
pub(super) struct Step<'a> {
    pub effects: &'a [Effect],
    pub notes: &'a [Note],
    pub catalog: &'a Catalog,
    pub keep: &'a Keep,
    /// The job of the run that ended, as it was admitted.
    pub admitted: Option<&'a Arc<JobSpec>>,
    /// Whether all jobs are known.
    pub complete: bool,
    /// Nothing that only time brings is due any more.
    pub draining: bool,
    pub now: Timestamp,
    /// Whether the clock shows a time before anyone ran this.
    pub unset: bool,
}

impl Notices {
    /// With what was kept of the last agent.
    pub fn new(memory: HashMap<JobId, NotifyMemory>) -> Self {
        let entry = |memory| Entry { memory, due: None };
        Self { jobs: memory.into_iter().map(|(job, it)| (job, entry(it))).collect(), ..Self::default() }
    }

    /// These are the channels now.
    pub fn set_channels(&mut self, channels: &Arc<Channels>) {
        if self.channels != *channels {
            self.channels = channels.clone();
            self.renewed = true;
        }
    }

    /// When something is due without a run.
    pub fn next(&self) -> Option<Timestamp> {
        self.order.first().map(|(at, _)| *at)
    }

    /// Looks at what one step came to; the answer is what is to be told, and what is to be remembered from now on.
    pub(super) fn of_step(&mut self, step: Step<'_>) -> (Vec<Notification>, Vec<Item>) {
        self.look_at_the_clock(step.now, step.unset);
        if step.complete && !self.complete {
            self.complete = true;
            self.patient_until = Some(step.now);
            self.arm_all();
        }
        if std::mem::take(&mut self.renewed) {
            for (_, entry) in step.catalog.iter() {
                self.set(&entry.spec, step);
            }
        }
        let mut messages = Vec::new();
        for effect in step.effects {
            match effect {
                Effect::Tell(Told::JobAdded { spec, .. } | Told::JobUpdated { spec, .. }) => {
                    self.set(spec, step);
                }
                Effect::Tell(Told::Record(record)) => messages.extend(self.ended(record, step)),
                Effect::Start(order) => messages.extend(self.begins(order, step.now)),
                _ => {}
            }
        }
        for (job, memory) in step.notes {
            if memory.is_none() {
                self.forget(job);
            }
        }
        if !step.draining {
            self.tell_what_is_due(step, &mut messages);
        }
        (messages, self.items())
    }

    fn items(&mut self) -> Vec<Item> {
        let changed = std::mem::take(&mut self.changed);
        let memory = |job: &JobId| self.jobs.get(job).map(|it| Box::new(it.memory.clone()));
        changed.into_iter().map(|job| Item::NotifyMemory(job.clone(), memory(&job))).collect()
    }

    /// The job is there, and this is what it says.
    fn set(&mut self, spec: &JobSpec, step: Step<'_>) {
        let known = self.jobs.contains_key(&spec.id);
        let Some(notify) = heard(spec.policies.notify.as_deref()) else {
            if known {
                self.remove(&spec.id);
            }
            return;
        };
        if !known && notify.expect_every.is_none() {
            return;
        }
        let listeners = rules::listeners(notify, &self.channels);
        let wants = listeners.iter().filter(|it| it.causes.contains(Cause::Expect));
        let mut expects: Vec<Arc<str>> = wants.map(|it| it.channel.clone()).collect();
        // Where no channel asks for it by its words, the job does by naming a time.
        if expects.is_empty() {
            expects.extend(listeners.iter().map(|it| it.channel.clone()));
        }
        let first = || {
            let last = step.keep.marks(&spec.id).succeeded;
            // Of a clock that was never set no moment of before is later.
            let last = last.map(|it| if step.unset { it } else { it.min(step.now) });
            Expectation {
                every: Duration::ZERO,
                from: last.unwrap_or(step.now),
                last_success: last,
                told: None,
                channels: Vec::new(),
                kind: spec.kind(),
            }
        };
        self.change(&spec.id, |memory| {
            memory.heard.retain(|channel, _| notify.channels.contains(channel));
            if notify.duration_over.is_none() {
                memory.durations.clear();
            }
            let before = memory.expectation.take();
            memory.expectation = notify.expect_every.filter(|_| !expects.is_empty()).map(|every| {
                let before = before.unwrap_or_else(first);
                let is_other = before.every != every;
                let mut it = Expectation { every, kind: spec.kind(), ..before };
                // By what the job says now it may be met.
                if is_other && it.deadline() > step.now {
                    it.told = None;
                }
                if it.told.is_none() {
                    it.channels = expects;
                }
                it
            });
        });
    }

    fn begins(&self, order: &RunOrder, now: Timestamp) -> Vec<Notification> {
        let spec = &order.spec;
        let Some(notify) = heard(spec.policies.notify.as_deref()) else { return Vec::new() };
        let run = RunFacts {
            run: order.run.0.clone(),
            trigger: order.trigger.as_str().into(),
            occurrence: order.occurrence,
            started: None,
            ended: None,
            duration: None,
            outcome: None,
            exit_code: None,
            reason: None,
            container: order.container.as_ref().map(|it| it.name.clone()),
            attempts: 0,
            and_more: 0,
            tail: None,
        };
        rules::begins(&spec.id, spec.kind(), &run, &rules::listeners(notify, &self.channels), now)
    }

    fn ended(&mut self, record: &RunRecord, step: Step<'_>) -> Vec<Notification> {
        // What the job says now goes over what it said when the run began; of one that is not there, that is all.
        let now = step.catalog.get(&record.job).map(|entry| &entry.spec);
        let spec = now.or(step.admitted.filter(|it| it.id == record.job));
        let notify = spec.and_then(|it| it.policies.notify.clone());
        let Some(notify) = heard(notify.as_deref()) else { return Vec::new() };
        let listeners = rules::listeners(notify, &self.channels);
        if listeners.is_empty() {
            return Vec::new();
        }
        self.change(&record.job, |memory| rules::ended(memory, record, notify, &listeners, step.now))
    }

    fn tell_what_is_due(&mut self, step: Step<'_>, messages: &mut Vec<Notification>) {
        while let Some((at, job)) = self.order.first().cloned()
            && at <= step.now
        {
            self.order.pop_first();
            if let Some(entry) = self.jobs.get_mut(&job) {
                entry.due = None;
            }
            let there = step.catalog.get(&job).is_some() || !self.complete;
            let expects = self.patient_until.is_some_and(|until| until <= step.now) && !step.unset;
            let told = self.change(&job, |memory| {
                let mut told = rules::flush(memory, &job, step.now);
                let is_unmet = memory.expectation.as_ref().is_some_and(|it| it.deadline() <= step.now);
                if expects && is_unmet {
                    told.extend(rules::unmet(memory, &job, there, step.now));
                }
                told
            });
            messages.extend(told);
            // Nobody remembers it, and nothing is left to be told.
            if !there && !step.keep.knows(&job) {
                self.forget(&job);
            }
        }
    }

    /// The job is not remembered any more; what is still to be told of it is told.
    fn forget(&mut self, job: &JobId) {
        let Some(entry) = self.jobs.get(job) else { return };
        let expects = entry.memory.expectation.as_ref().is_some_and(|it| it.told.is_none());
        if !expects && entry.memory.held_until().is_none() {
            self.remove(job);
        }
    }

    fn remove(&mut self, job: &JobId) {
        if let Some(Entry { due: Some(due), .. }) = self.jobs.remove(job) {
            self.order.remove(&(due, job.clone()));
        }
        self.changed.insert(job.clone());
    }

    /// Changes what is remembered of a job, and notes whether that is news.
    fn change<T>(&mut self, job: &JobId, change: impl FnOnce(&mut NotifyMemory) -> T) -> T {
        let before = self.jobs.get(job).map(|it| it.memory.clone());
        let mut memory = before.clone().unwrap_or_default();
        let done = change(&mut memory);
        if before.as_ref().map_or(memory == NotifyMemory::default(), |before| *before == memory) {
            return done;
        }
        if memory == NotifyMemory::default() {
            self.remove(job);
            return done;
        }
        self.jobs.entry(job.clone()).or_default().memory = memory;
        self.changed.insert(job.clone());
        self.arm(job);
        done
    }

    /// Gives a job its place in the order.
    fn arm(&mut self, job: &JobId) {
        let (patient_until, never_set) = (self.patient_until, self.unset);
        let Some(entry) = self.jobs.get_mut(job) else { return };
        let expectation = entry.memory.expectation.as_ref().filter(|it| it.told.is_none() && !never_set);
        let deadline =
            expectation.map(|it| patient_until.map_or(it.deadline(), |until| it.deadline().max(until)));
        let due = entry.memory.held_until().into_iter().chain(deadline).min();
        if due != entry.due {
            if let Some(before) = std::mem::replace(&mut entry.due, due) {
                self.order.remove(&(before, job.clone()));
            }
            if let Some(due) = due {
                self.order.insert((due, job.clone()));
            }
        }
    }

    fn arm_all(&mut self) {
        let jobs: Vec<JobId> = self.jobs.keys().cloned().collect();
        for job in jobs {
            self.arm(&job);
        }
    }

    /// Notices that the clock was set, also while no agent looked.
    fn look_at_the_clock(&mut self, now: Timestamp, unset: bool) {
        let first = self.patient_until.is_none();
        let set_back = now.saturating_add(STEP).is_ok_and(|limit| limit < self.latest);
        if !first && !set_back && unset == self.unset {
            self.latest = self.latest.max(now);
            return;
        }
        (self.latest, self.unset) = (now, unset);
        let patience = now.saturating_add(PATIENCE).unwrap_or(now);
        self.patient_until = Some(if self.complete { now } else { patience });
        // Where the clock was never set, all that is remembered is of a later time, and right.
        if !unset {
            let jobs: Vec<JobId> = self.jobs.keys().cloned().collect();
            for job in jobs {
                self.change(&job, |memory| not_later(memory, now));
            }
        }
        self.arm_all();
    }
}

/// The channels of a job, if it has any.
fn heard(notify: Option<&Notify>) -> Option<&Notify> {
    notify.filter(|it| !it.channels.is_empty())
}

/// Nothing that is remembered is later than now: the clock was wrong then, or is now, and nobody is silent for longer than
/// one cooldown because of that. What was counted from a clock that was never set is counted from now.
fn not_later(memory: &mut NotifyMemory, now: Timestamp) {
    memory.since = memory.since.map(|it| it.min(now));
    for told in memory.heard.values_mut().flat_map(|it| it.sorts.values_mut()) {
        let Some(last) = told.last.filter(|last| *last > now) else { continue };
        told.last = Some(now);
        if let Some(held) = &mut told.held {
            held.until = now.saturating_add(held.until.duration_since(last)).unwrap_or(held.until);
        }
    }
    if let Some(it) = &mut memory.expectation {
        it.from = if super::state::was_never_set(it.from) { now } else { it.from.min(now) };
    }
}
