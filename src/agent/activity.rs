//! What goes on of each job: runs that are active, and occurrences that wait for them.
//!
//! Occurrences that run in each replica of a service (`replica=all`) are in each of them a matter of their own: a slow
//! replica holds up no other.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use crate::model::{name::JobId, run::RunId};

use super::admission::Ticket;

/// The container of an occurrence that is one of several, by name.
pub type Place = Option<Arc<str>>;

/// By job: what is active or waits for it. A job with nothing has no entry, and one of which each occurrence has one run
/// has one.
#[derive(Debug, Default)]
pub struct Activities(HashMap<JobId, Vec<Activity>>);

/// What is active, and what waits for it.
#[derive(Debug, Default)]
pub struct Activity {
    /// Where.
    pub place: Place,
    /// Runs that go on or stand in line.
    pub active: Vec<RunId>,
    /// Occurrences of one gap, which run one after the other whatever the overlap policy is.
    pub behind: VecDeque<Ticket>,
    /// The one of them that is active.
    pub of_gap: Option<RunId>,
    /// Whether they wait for each other only, because the job's runs may overlap.
    pub beside: bool,
    /// The one occurrence that waits for all these to end.
    pub next: Option<Ticket>,
}

impl Activities {
    /// Where an occurrence belongs. One of a job with one run an occurrence has to do with all that goes on of the job,
    /// wherever that is. `runs_in` says whether a run goes on in a container.
    pub fn place_of(&mut self, ticket: &Ticket, runs_in: impl Fn(&RunId, &str) -> bool) -> Place {
        let Some(all) = self.0.get_mut(&ticket.job) else { return ticket.place.clone() };
        let Some(place) = &ticket.place else {
            unite(all);
            return None;
        };
        // When the job had one run an occurrence, that run knew of no place.
        let of_old = |it: &Activity| it.place.is_none() && it.active.iter().any(|run| runs_in(run, place));
        if all.iter().any(of_old) { None } else { Some(place.clone()) }
    }

    /// What goes on of a job in one place.
    pub fn get_mut(&mut self, job: &JobId, place: &Place) -> Option<&mut Activity> {
        self.0.get_mut(job)?.iter_mut().find(|it| it.place == *place)
    }

    /// The same, even if nothing has been going on.
    pub fn enter(&mut self, job: &JobId, place: &Place) -> &mut Activity {
        let all = self.0.entry(job.clone()).or_default();
        let at = all.iter().position(|it| it.place == *place).unwrap_or_else(|| {
            all.push(Activity { place: place.clone(), ..Activity::default() });
            all.len() - 1
        });
        &mut all[at]
    }

    /// Where a run is active.
    pub fn of_run(&self, job: &JobId, run: &RunId) -> Option<Place> {
        self.0.get(job)?.iter().find(|it| it.active.contains(run)).map(|it| it.place.clone())
    }

    /// Nothing goes on in this place any more.
    pub fn remove(&mut self, job: &JobId, place: &Place) {
        if let Some(all) = self.0.get_mut(job) {
            all.retain(|it| it.place != *place);
            if all.is_empty() {
                self.0.remove(job);
            }
        }
    }

    /// All of all jobs.
    pub fn iter(&self) -> impl Iterator<Item = &Activity> {
        self.0.values().flatten()
    }

    /// All of all jobs.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Activity> {
        self.0.values_mut().flatten()
    }
}

/// From now on the job has one run an occurrence. What waits is not lost by that, and runs in order.
fn unite(all: &mut Vec<Activity>) {
    let mut others = std::mem::take(all).into_iter();
    let Some(mut first) = others.next() else { return };
    first.place = None;
    for Activity { place: _, active, behind, of_gap, beside, next } in others {
        first.active.extend(active);
        first.behind.extend(behind);
        first.of_gap = first.of_gap.or(of_gap);
        first.beside &= beside;
        match (&first.next, next) {
            (None, next) => first.next = next,
            (Some(_), next) => first.behind.extend(next),
        }
    }
    all.push(first);
}
