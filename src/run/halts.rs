//! Who needs which container, or which service of a Swarm, stopped.
//!
//! Several runs may need the same one: it is started when the last of them has ended. Whoever stops or starts one holds
//! its gate, so that no two are at it at once.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::{Mutex as Gate, watch};

use crate::{
    history::keeper::Keeper,
    model::{
        diagnostic::Diagnostic,
        halt::{Halt, HaltId},
        name::JobId,
        origin::Origin,
        run::{Item, RunId},
    },
    telemetry::report,
};

/// All that is stopped for runs; cheap to clone.
#[derive(Debug, Clone)]
pub struct Halts {
    shared: Arc<Mutex<Shared>>,
    /// Counts the changes of what is wrong.
    news: watch::Sender<u64>,
}

impl Default for Halts {
    fn default() -> Self {
        Self { shared: Arc::default(), news: watch::Sender::new(0) }
    }
}

#[derive(Debug, Default)]
struct Shared {
    halted: HashMap<HaltId, Halted>,
    /// Runs that have all of theirs stopped.
    done: HashSet<RunId>,
    /// Runs whose work is to run a service of a Swarm, by that service's ID, with their job.
    actions: HashMap<Arc<str>, (RunId, JobId)>,
    /// What cannot be started again.
    problems: BTreeMap<HaltId, Diagnostic>,
}

#[derive(Debug)]
struct Halted {
    name: String,
    job: JobId,
    /// How many tasks a service has again afterwards.
    replicas: Option<u64>,
    /// The runs that need it stopped, and which of theirs it is.
    users: BTreeMap<RunId, u32>,
    /// Runs that needed it and have ended, whose rows go when it is started.
    over: BTreeSet<RunId>,
    /// How far stopping it has come.
    stop: Stop,
    /// Whether somebody sees to it that it is started.
    in_hand: bool,
    gate: Arc<Gate<()>>,
}

/// How far stopping one has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// The Engine was not asked for it.
    NotAsked,
    /// It was, and may still be at it.
    Asked,
    /// It is stopped.
    Done,
}

/// What helps where two runs want one service.
const APART: &str = "give both jobs one group, so that the one waits for the other";

impl Shared {
    fn claim(&mut self, halts: &[Halt]) {
        for it in halts {
            let halted = self.halted.entry(it.what.clone()).or_insert_with(|| Halted {
                name: it.name.clone(),
                job: it.job.clone(),
                replicas: None,
                users: BTreeMap::new(),
                over: BTreeSet::new(),
                stop: Stop::NotAsked,
                in_hand: false,
                gate: Arc::default(),
            });
            if halted.users.is_empty() {
                halted.job = it.job.clone();
            }
            // Who changed it since has the last word.
            halted.replicas = it.replicas;
            halted.users.insert(it.run.clone(), it.place);
        }
    }
}

impl Halts {
    /// With what the last agent had stopped.
    pub fn after(left: &[Halt]) -> Self {
        let halts = Self::default();
        let mut shared = halts.shared();
        shared.claim(left);
        // How far that agent came is not known.
        shared.halted.values_mut().for_each(|it| it.stop = Stop::Asked);
        drop(shared);
        halts
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What cannot be started again, from now on: the number changes when that does.
    pub fn news(&self) -> watch::Receiver<u64> {
        self.news.subscribe()
    }

    /// What cannot be started again now.
    pub fn problems(&self) -> Vec<Diagnostic> {
        self.shared().problems.values().cloned().collect()
    }

    /// A run needs these stopped; an error is why it cannot have them so.
    pub(super) fn claim(&self, halts: &[Halt]) -> Result<(), String> {
        let mut shared = self.shared();
        for it in halts {
            if let HaltId::Service(id) = &it.what
                && let Some((run, job)) = shared.actions.get(id)
            {
                return Err(format!("run {run} of {job} runs the service {}: {APART}", it.name));
            }
        }
        shared.claim(halts);
        Ok(())
    }

    /// A run is about to run a service (`action=run`), until it has ended; an error is why it cannot. What another run does to
    /// its number of tasks would be undone by the one and the other.
    pub(super) fn runs_service(&self, service: &str, run: &RunId, job: &JobId) -> Result<(), String> {
        let mut shared = self.shared();
        if let Some(it) = shared.halted.get(&HaltId::Service(service.into())) {
            return Err(format!("the service is stopped for a run of {} (stop-during): {APART}", it.job));
        }
        if let Some((other, job)) = shared.actions.get(service).filter(|(other, _)| other != run) {
            return Err(format!("run {other} of {job} runs the service already: {APART}"));
        }
        shared.actions.insert(service.into(), (run.clone(), job.clone()));
        Ok(())
    }

    /// The same for a run that another agent began: it has the service already.
    pub(super) fn ran_service(&self, service: &str, run: &RunId, job: &JobId) {
        self.shared().actions.insert(service.into(), (run.clone(), job.clone()));
    }

    /// What was to be stopped for a run is at rest already, by its owner.
    pub(super) fn is_at_rest(&self, what: &HaltId, run: &RunId, keeper: &Keeper) {
        let mut shared = self.shared();
        let Some(it) = shared.halted.get_mut(what).filter(|it| it.stop == Stop::NotAsked) else { return };
        it.users.remove(run);
        if it.users.is_empty() && it.over.is_empty() {
            shared.halted.remove(what);
        }
        drop(shared);
        keeper.keep([Item::Restored { what: what.clone(), run: run.clone() }]);
    }

    /// A service has this number of tasks again afterwards.
    pub(super) fn has_again(&self, what: &HaltId, replicas: u64) {
        if let Some(it) = self.shared().halted.get_mut(what) {
            it.replicas = Some(replicas);
        }
    }

    /// Whether all that this run needs stopped was stopped.
    pub(super) fn has_all(&self, run: &RunId) -> bool {
        self.shared().done.contains(run)
    }

    /// It was.
    pub(super) fn got_all(&self, run: &RunId) {
        self.shared().done.insert(run.clone());
    }

    /// What runs need stopped, or what is not started yet after they did; of a service with the number of tasks that it
    /// has again then.
    pub(super) fn all(&self) -> HashMap<HaltId, Option<u64>> {
        self.shared().halted.iter().map(|(what, it)| (what.clone(), it.replicas)).collect()
    }

    /// Who stops or starts it holds this.
    pub(super) fn gate(&self, what: &HaltId) -> Option<Arc<Gate<()>>> {
        self.shared().halted.get(what).map(|it| it.gate.clone())
    }

    /// Stopping it has come so far.
    pub(super) fn is_stopped(&self, what: &HaltId, stop: Stop) {
        if let Some(it) = self.shared().halted.get_mut(what) {
            it.stop = stop;
        }
    }

    /// Of the runs that the last agent began, these are taken up; what the others had stopped is free.
    pub fn left(&self, taken_up: &HashSet<RunId>, keeper: &Keeper) -> Vec<HaltId> {
        let runs: BTreeSet<RunId> = {
            let shared = self.shared();
            let users: BTreeSet<RunId> =
                shared.halted.values().flat_map(|it| it.users.keys().cloned()).collect();
            // Of those that are taken up, a further attempt sees to it that all of theirs are stopped: the last agent may
            // have died on the way.
            users.into_iter().filter(|run| !taken_up.contains(run)).collect()
        };
        // The newest first, for it was stopped last.
        let mut free: Vec<HaltId> = Vec::new();
        for run in runs.iter().rev() {
            free.extend(self.release(run, keeper));
        }
        free
    }

    /// The run has ended. What nobody needs stopped any more is to be started, in the order of the answer: what was
    /// stopped last comes first.
    pub fn release(&self, run: &RunId, keeper: &Keeper) -> Vec<HaltId> {
        let mut shared = self.shared();
        shared.done.remove(run);
        shared.actions.retain(|_, (other, _)| other != run);
        let (mut free, mut rows) = (Vec::new(), Vec::new());
        for (what, it) in &mut shared.halted {
            let Some(place) = it.users.remove(run) else { continue };
            if it.users.is_empty() {
                it.over.insert(run.clone());
                free.push((place, what.clone()));
            } else {
                rows.push(Item::Restored { what: what.clone(), run: run.clone() });
            }
        }
        drop(shared);
        if !rows.is_empty() {
            keeper.keep(rows);
        }
        free.sort_by(|a, b| b.cmp(a));
        free.into_iter().map(|(_, what)| what).collect()
    }

    /// Takes it in hand to start it, unless somebody has it already.
    pub(super) fn takes_in_hand(&self, what: &HaltId) -> bool {
        let mut shared = self.shared();
        shared.halted.get_mut(what).is_some_and(|it| !std::mem::replace(&mut it.in_hand, true))
    }

    /// It runs again, or is gone. Where someone needs it stopped meanwhile, it is theirs from here on.
    pub(super) fn restored(&self, what: &HaltId, keeper: &Keeper) {
        let mut shared = self.shared();
        let Some(it) = shared.halted.get_mut(what) else { return };
        let over = std::mem::take(&mut it.over);
        it.stop = Stop::NotAsked;
        it.in_hand = false;
        if it.users.is_empty() {
            shared.halted.remove(what);
        }
        let mended = shared.problems.remove(what).is_some();
        drop(shared);
        keeper.keep(over.into_iter().map(|run| Item::Restored { what: what.clone(), run }));
        if mended {
            self.news.send_modify(|news| *news += 1);
        }
    }

    /// It cannot be started.
    pub(super) fn failing(&self, what: &HaltId, error: &str) {
        let mut shared = self.shared();
        let Some(it) = shared.halted.get(what) else { return };
        let (name, job) = (it.name.clone(), it.job.clone());
        let (origin, by_hand) = match what {
            HaltId::Container(_) => (Origin::Container((&*name).into()), format!("docker start {name}")),
            HaltId::Service(_) => {
                let replicas = it.replicas.unwrap_or_default();
                (Origin::Service((&*name).into()), format!("docker service scale {name}={replicas}"))
            }
        };
        let reason = format!(
            "the {} was stopped for a run (stop-during) and cannot be started again: {error}; it is tried again \
             until it can, or start it by hand: {by_hand}",
            what.word()
        );
        let problem = Diagnostic::error(origin, reason.clone()).about(&job);
        let new = shared.problems.insert(what.clone(), problem.clone()) != Some(problem);
        drop(shared);
        report::not_restored(&job, what, &name, &reason);
        if new {
            self.news.send_modify(|news| *news += 1);
        }
    }

    /// The names of what is still stopped, or may be: containers, and services of a Swarm.
    pub fn names(&self) -> (Vec<String>, Vec<String>) {
        let shared = self.shared();
        let stopped = shared.halted.iter().filter(|(_, it)| it.stop != Stop::NotAsked);
        let (mut containers, mut services) = (Vec::new(), Vec::new());
        for (what, it) in stopped {
            match what {
                HaltId::Container(_) => containers.push(it.name.clone()),
                HaltId::Service(_) => services.push(it.name.clone()),
            }
        }
        containers.sort_unstable();
        services.sort_unstable();
        (containers, services)
    }

    /// One that nobody needs stopped, and that is not started yet. What a run needs again is not in anybody's hand any
    /// more.
    pub(super) fn waiting(&self, what: &HaltId) -> Option<Waiting> {
        let mut shared = self.shared();
        let it = shared.halted.get_mut(what)?;
        if !it.users.is_empty() {
            it.in_hand = false;
            return None;
        }
        Some(Waiting { name: it.name.clone(), job: it.job.clone(), replicas: it.replicas, stop: it.stop })
    }
}

/// What is to be started again.
#[derive(Debug)]
pub(super) struct Waiting {
    /// Its name.
    pub name: String,
    /// The job for which it was stopped.
    pub job: JobId,
    /// How many tasks a service is to have.
    pub replicas: Option<u64>,
    /// How far stopping it has come.
    pub stop: Stop,
}
