//! To which containers the runs of a job can go.

use std::{cell::OnceCell, collections::HashMap};

use crate::model::{
    container::Container,
    job::{JobSpec, Replica, Work},
};

use super::{
    like,
    resolve::{Candidate, Home, View, candidate},
};

/// The containers, for jobs that name theirs; by name, put in order when the first of them asks.
pub(super) struct Places<'a> {
    view: View<'a>,
    by_name: OnceCell<HashMap<&'a str, Vec<&'a Container>>>,
}

impl<'a> Places<'a> {
    pub(super) fn new(view: View<'a>) -> Self {
        Self { view, by_name: OnceCell::new() }
    }

    /// Those that a run of the job can go to.
    pub(super) fn candidates(&self, spec: &JobSpec, home: Option<&Home<'_>>) -> Vec<Candidate> {
        match &spec.work {
            Work::Exec(exec) => match (exec.replica, &exec.container, home) {
                (Replica::All, None, Some(home)) => home.each.clone(),
                _ => self.called(exec.container.as_ref(), home),
            },
            Work::Container(it) => {
                // One that does not run is one to act on as well, and of several it is always the same one.
                let called = self.called(it.container.as_ref(), home).into_iter();
                let mut candidates: Vec<_> = called.map(|it| Candidate { running: true, ..it }).collect();
                candidates
                    .sort_by(|a, b| (a.name.len(), &a.name, &a.id).cmp(&(b.name.len(), &b.name, &b.id)));
                candidates
            }
            Work::Run(run) => {
                let like = run.like.as_ref();
                like.map_or_else(Vec::new, |it| {
                    like::candidates(&it.name, home, self.view, |name| self.named(name))
                })
            }
            Work::Start(_)
            | Work::Local(_)
            | Work::ServiceRun(_)
            | Work::ServiceAction(_)
            | Work::Compose(_) => Vec::new(),
        }
    }

    fn called(&self, container: Option<&String>, home: Option<&Home<'_>>) -> Vec<Candidate> {
        match (container, home) {
            (None, Some(home)) => home.candidates.clone(),
            (Some(name), _) => self.named(name).iter().map(|it| candidate(it)).collect(),
            (None, None) => Vec::new(),
        }
    }

    fn named(&self, name: &str) -> &[&'a Container] {
        let View::Observed(inventory) = self.view else { return &[] };
        let by_name = self.by_name.get_or_init(|| {
            let mut by_name: HashMap<&str, Vec<&Container>> = HashMap::new();
            for it in &inventory.containers {
                by_name.entry(&it.name).or_default().push(it);
            }
            by_name
        });
        by_name.get(name).map_or(&[], |all| all)
    }
}
