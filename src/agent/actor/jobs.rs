//! The jobs that there should be: put together whenever something of it changes, and changed where someone asks for a job
//! over the API.

use std::sync::Arc;

use tokio::{sync::oneshot, task::JoinError, time::Instant};

use crate::{
    agent::{
        event::Event,
        making::{Done, Expected, Making, NotDone},
    },
    model::{channel::Telling, diagnostic::Diagnostic, made::MadeChange, name::JobId},
    settings::{
        made::{self, MadeJob, MadeJobs},
        resolve::{Desired, Sources, View, resolve_again},
    },
    shutdown::Stage,
    telemetry::report::{self, Reconciled},
};

use super::{Actor, Basis, run_id};

/// What is said where the jobs of the API are not known.
const UNREAD: &str = "the jobs that were made over the API could not be read when the agent started: start it again with a \
                      state directory that can be read";

/// A change that is being kept, and who waits for it.
#[derive(Debug)]
pub(super) struct Settled {
    job: JobId,
    made: Option<Arc<MadeJob>>,
    done: Done,
    result: Result<(), String>,
    answer: oneshot::Sender<Result<Done, NotDone>>,
}

impl Actor {
    /// Who can be told is known before anyone is to be.
    fn tell_of_channels(&self, desired: &Desired) {
        let Some(settings) = &self.settings else { return };
        let telling = Telling {
            channels: desired.channels.clone(),
            public_url: settings.access.public_url.as_ref().map(|it| it.text.clone()),
            zone: settings.timezone.clone(),
        };
        self.ends.telling.send_if_modified(|last| {
            let news = **last != telling;
            if news {
                *last = Arc::new(telling);
            }
            news
        });
    }

    pub(super) fn reconcile(&mut self) {
        // What comes after the end has begun changes nothing any more.
        if *self.stage.borrow() >= Stage::Drain {
            self.inventory.mark_unchanged();
            self.sources.mark_unchanged();
            return;
        }
        let (began, changes) = (Instant::now(), self.state.changes());
        // What goes on already is known before anything begins on the Engine.
        let seen = self.inventory.borrow_and_update().clone();
        let inventory = seen.filter(|_| self.looking.is_empty());
        let view = inventory.as_deref().map_or(View::Unknown, View::Observed);
        let sources = self.all_sources();
        let desired = resolve_again(&sources, view, self.context.clock.now(), &mut self.memo);
        if let Some(settings) = &desired.settings {
            self.grace.send_replace(settings.shutdown_grace);
            let in_force = sources.started.as_ref().map(|started| Arc::new(settings.in_force(started)));
            self.settings = in_force.or_else(|| Some(settings.clone()));
        }
        self.tell_of_channels(&desired);
        self.basis = Basis { sources: Some(sources.clone()), inventory: inventory.clone() };
        report::notify_channels(&desired.channels);
        self.feed(Event::Desired(desired));
        let result = match () {
            () if inventory.is_none() => Reconciled::Incomplete,
            () if self.state.changes() == changes => Reconciled::Unchanged,
            () => Reconciled::Changed,
        };
        report::reconciled(result, began.elapsed());
        self.reconciled = Some(Instant::now());
        if inventory.is_some() {
            self.tell_of_jobs();
        }
        if inventory.is_some() && !self.ready {
            self.ready = true;
            report::agent_ready(self.state.catalog().len(), self.state.problem_count());
        }
    }

    /// What is written, with the jobs of the API.
    fn all_sources(&mut self) -> Arc<Sources> {
        let written = self.sources.borrow_and_update().clone();
        let same = self.written.as_ref().is_some_and(|before| Arc::ptr_eq(before, &written));
        if !same {
            // What was read follows from the sources as they were.
            self.memo.renew();
        }
        let made = self.made.clone().unwrap_or_default();
        if let Some(all) = self.basis.sources.as_ref().filter(|all| same && Arc::ptr_eq(&all.made, &made)) {
            return all.clone();
        }
        let all = Arc::new(written.with_made(made));
        self.written = Some(written);
        all
    }

    /// Someone asks for a job, or that one goes. He is answered when it is kept and in force, or why it is not.
    pub(super) fn make(&mut self, making: Making, answer: oneshot::Sender<Result<Done, NotDone>>) {
        let job = making.job.clone();
        match self.prepare(making) {
            Err(refused) => drop(answer.send(Err(refused))),
            Ok((made, done)) => {
                let change = match &made {
                    Some(made) => MadeChange::Put(made.kept(&job)),
                    None => MadeChange::Remove(job.clone()),
                };
                let keeper = self.keeper.clone();
                self.making.spawn(async move {
                    let result = keeper.change(change).await;
                    Settled { job, made, done, result, answer }
                });
            }
        }
    }

    /// It is kept, or it is not.
    pub(super) fn made(&mut self, settled: Result<Settled, JoinError>) {
        let Ok(Settled { job, made, done, result, answer }) = settled else { return };
        let answered = result.map(|()| done).map_err(NotDone::NotKept);
        if answered.is_ok() {
            self.made = self.made.take().map(|all| Arc::new(with(&all, &job, made)));
            self.reconcile();
            // Who has the answer and asks again sees what it has done.
            self.publish();
        }
        // Who asked may have gone away meanwhile.
        let _ = answer.send(answered);
    }

    /// What is to be kept, and what will have been done then.
    fn prepare(&mut self, making: Making) -> Result<(Option<Arc<MadeJob>>, Done), NotDone> {
        let Making { job, made, expected } = making;
        if *self.stage.borrow() >= Stage::Drain {
            return Err(NotDone::Ending);
        }
        let all = self.made.clone().ok_or_else(|| NotDone::NotKept(UNREAD.to_owned()))?;
        let sources = self.basis.sources.clone().ok_or(NotDone::Ending)?;
        let inventory = self.basis.inventory.clone();
        // What is not seen yet cannot say what is right.
        let view = inventory.as_deref().map_or(View::FilesOnly, View::Observed);
        let before = all.get(&job);
        // One that somebody else's hides can go, and nothing else.
        if (made.is_some() || before.is_none())
            && let Some(by) = made::defined_elsewhere(&sources, view, &mut self.memo, &job)
        {
            return Err(NotDone::Elsewhere { job, by });
        }
        let done = match (before, &made) {
            (Some(_), None) => Done::Removed,
            (None, None) => return Err(NotDone::NoJob(job)),
            (None, Some(_)) => Done::Created,
            (Some(_), Some(_)) => Done::Changed,
        };
        if !expected.is_met_by(before.map(|it| &*it.revision)) {
            return Err(if expected == Expected::New { NotDone::There(job) } else { NotDone::Changed(job) });
        }
        let Some(made) = made else { return Ok((None, done)) };
        let now = self.context.clock.now();
        let made = Arc::new(MadeJob { revision: run_id(&mut self.ids, now).0, ..made });
        let sources = sources.with_made(Arc::new(with(&all, &job, Some(made.clone()))));
        let desired = resolve_again(&sources, view, now, &mut self.memo);
        if desired.jobs.contains_key(&job) {
            return Ok((Some(made), done));
        }
        Err(NotDone::Wrong { found: why_not(&job, desired), job })
    }
}

/// Why what was written makes no job.
fn why_not(job: &JobId, desired: Desired) -> Vec<Diagnostic> {
    let found = desired.diagnostics.into_iter().filter(|it| it.job.as_ref() == Some(job));
    let mut found: Vec<Diagnostic> = found.collect();
    if !found.iter().any(|it| it.rejects) {
        let reason = "it takes a default of the file that is wrong: mend that, or write the parameter here; GET \
                      /api/problems says which it is";
        found.push(Diagnostic::rejects(job, made::place(), reason));
    }
    found
}

/// The same jobs but for this one.
fn with(all: &MadeJobs, job: &JobId, made: Option<Arc<MadeJob>>) -> MadeJobs {
    let mut all = all.clone();
    match made {
        Some(made) => drop(all.insert(job.clone(), made)),
        None => drop(all.remove(job)),
    }
    all
}
