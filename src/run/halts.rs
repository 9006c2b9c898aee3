//! Who needs which container stopped.
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
        container::ContainerId,
        diagnostic::Diagnostic,
        halt::Halt,
        name::JobId,
        origin::Origin,
        run::{Item, RunId},
    },
    telemetry::report,
};

/// All containers that are stopped for runs; cheap to clone.
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
    containers: HashMap<ContainerId, Halted>,
    /// Runs that have all of theirs stopped.
    done: HashSet<RunId>,
    /// What cannot be started again, by container.
    problems: BTreeMap<ContainerId, Diagnostic>,
}

#[derive(Debug)]
struct Halted {
    name: String,
    job: JobId,
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

impl Halts {
    /// With what the last agent had stopped.
    pub fn after(left: &[Halt]) -> Self {
        let halts = Self::default();
        halts.claim(left);
        // How far that agent came is not known.
        halts.shared().containers.values_mut().for_each(|it| it.stop = Stop::Asked);
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

    /// A run needs these stopped.
    pub(super) fn claim(&self, halts: &[Halt]) {
        let mut shared = self.shared();
        for it in halts {
            let halted = shared.containers.entry(it.container.clone()).or_insert_with(|| Halted {
                name: it.name.clone(),
                job: it.job.clone(),
                users: BTreeMap::new(),
                over: BTreeSet::new(),
                stop: Stop::NotAsked,
                in_hand: false,
                gate: Arc::default(),
            });
            if halted.users.is_empty() {
                halted.job = it.job.clone();
            }
            halted.users.insert(it.run.clone(), it.place);
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

    /// Whether a run needs it stopped, or it is not started yet after one did.
    pub(super) fn is_halted(&self, container: &ContainerId) -> bool {
        self.shared().containers.contains_key(container)
    }

    /// Who stops or starts it holds this.
    pub(super) fn gate(&self, container: &ContainerId) -> Option<Arc<Gate<()>>> {
        self.shared().containers.get(container).map(|it| it.gate.clone())
    }

    /// Stopping it has come so far.
    pub(super) fn is_stopped(&self, container: &ContainerId, stop: Stop) {
        if let Some(it) = self.shared().containers.get_mut(container) {
            it.stop = stop;
        }
    }

    /// Of the runs that the last agent began, these are taken up; what the others had stopped is free.
    pub fn left(&self, taken_up: &HashSet<RunId>, keeper: &Keeper) -> Vec<ContainerId> {
        let runs: BTreeSet<RunId> = {
            let shared = self.shared();
            let users: BTreeSet<RunId> =
                shared.containers.values().flat_map(|it| it.users.keys().cloned()).collect();
            // Of those that are taken up, a further attempt sees to it that all of theirs are stopped: the last agent may
            // have died on the way.
            users.into_iter().filter(|run| !taken_up.contains(run)).collect()
        };
        // The newest first, for it was stopped last.
        let mut free: Vec<ContainerId> = Vec::new();
        for run in runs.iter().rev() {
            free.extend(self.release(run, keeper));
        }
        free
    }

    /// The run has ended. What nobody needs stopped any more is to be started, in the order of the answer: what was
    /// stopped last comes first.
    pub fn release(&self, run: &RunId, keeper: &Keeper) -> Vec<ContainerId> {
        let mut shared = self.shared();
        shared.done.remove(run);
        let (mut free, mut rows) = (Vec::new(), Vec::new());
        for (id, it) in &mut shared.containers {
            let Some(place) = it.users.remove(run) else { continue };
            if it.users.is_empty() {
                it.over.insert(run.clone());
                free.push((place, id.clone()));
            } else {
                rows.push(Item::Restored { container: id.clone(), run: run.clone() });
            }
        }
        drop(shared);
        if !rows.is_empty() {
            keeper.keep(rows);
        }
        free.sort_by(|a, b| b.cmp(a));
        free.into_iter().map(|(_, id)| id).collect()
    }

    /// Takes it in hand to start it, unless somebody has it already.
    pub(super) fn takes_in_hand(&self, container: &ContainerId) -> bool {
        let mut shared = self.shared();
        shared.containers.get_mut(container).is_some_and(|it| !std::mem::replace(&mut it.in_hand, true))
    }

    /// It runs again, or is gone. Where someone needs it stopped meanwhile, it is theirs from here on.
    pub(super) fn restored(&self, container: &ContainerId, keeper: &Keeper) {
        let mut shared = self.shared();
        let Some(it) = shared.containers.get_mut(container) else { return };
        let over = std::mem::take(&mut it.over);
        it.stop = Stop::NotAsked;
        it.in_hand = false;
        if it.users.is_empty() {
            shared.containers.remove(container);
        }
        let mended = shared.problems.remove(container).is_some();
        drop(shared);
        keeper.keep(over.into_iter().map(|run| Item::Restored { container: container.clone(), run }));
        if mended {
            self.news.send_modify(|news| *news += 1);
        }
    }

    /// It cannot be started.
    pub(super) fn failing(&self, container: &ContainerId, error: &str) {
        let mut shared = self.shared();
        let Some(it) = shared.containers.get(container) else { return };
        let (name, job) = (it.name.clone(), it.job.clone());
        let reason = format!(
            "the container was stopped for a run (stop-during) and cannot be started again: {error}; it is tried again \
             until it can, or start it by hand: docker start {name}"
        );
        let problem = Diagnostic::error(Origin::Container((&*name).into()), reason.clone()).about(&job);
        let new = shared.problems.insert(container.clone(), problem.clone()) != Some(problem);
        drop(shared);
        report::container_not_restored(&job, &name, &reason);
        if new {
            self.news.send_modify(|news| *news += 1);
        }
    }

    /// The containers that are still stopped, or may be.
    pub fn names(&self) -> Vec<String> {
        let shared = self.shared();
        let stopped = shared.containers.values().filter(|it| it.stop != Stop::NotAsked);
        let mut names: Vec<String> = stopped.map(|it| it.name.clone()).collect();
        names.sort_unstable();
        names
    }

    /// A container that nobody needs stopped, and that is not started yet: its name, its job and how far its
    /// stop has come. What a run needs again is not in anybody's hand any more.
    pub(super) fn waiting(&self, container: &ContainerId) -> Option<(String, JobId, Stop)> {
        let mut shared = self.shared();
        let it = shared.containers.get_mut(container)?;
        if !it.users.is_empty() {
            it.in_hand = false;
            return None;
        }
        Some((it.name.clone(), it.job.clone(), it.stop))
    }
}
