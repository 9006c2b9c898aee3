//! How everyone else asks the agent.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
    time::Instant,
};

use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot, watch};

use crate::{
    model::{
        channel::Telling,
        container::Inventory,
        diagnostic::Diagnostic,
        name::JobId,
        origin::Origin,
        run::{RunId, StopCause},
    },
    plan::Catalog,
    settings::{
        global::Settings,
        made::defined_elsewhere,
        memo::Memo,
        resolve::{Sources, View},
    },
};

use super::{
    event::{Answer, Event, Refused},
    making::{Done, Making, NotDone},
};

/// What readers see without waiting for the agent.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// Whether a plan was carried out on a complete observation.
    pub ready: bool,
    /// When the last plan was carried out; what reads it is not woken by it.
    pub reconciled: Option<Instant>,
    /// How many jobs there are.
    pub jobs: usize,
    /// How many runs go on.
    pub running: usize,
    /// How many occurrences wait their turn.
    pub waiting: usize,
    /// How many things are wrong with what was written.
    pub problems: usize,
    /// The jobs themselves.
    pub catalog: Arc<Catalog>,
    /// The jobs that are paused, and until when.
    pub paused: Arc<BTreeMap<JobId, Option<Timestamp>>>,
    /// From where `@every` counts, for the jobs whose schedule has it.
    pub anchors: Arc<HashMap<JobId, Timestamp>>,
    /// What is wrong with what was written.
    pub diagnostics: Arc<BTreeSet<Diagnostic>>,
    /// The settings in force; `None` before they were first read.
    pub settings: Option<Arc<Settings>>,
    /// What the jobs and settings follow from: what was written, and the last complete look at the Engine.
    pub basis: Basis,
}

/// What jobs and settings follow from, for who wants to know where something comes from.
#[derive(Debug, Clone, Default)]
pub struct Basis {
    /// Files, flags and environment; `None` before they were first taken in.
    pub sources: Option<Arc<Sources>>,
    /// The Engine's containers; `None` before it answered.
    pub inventory: Option<Arc<Inventory>>,
}

impl Basis {
    /// Where a file or a label defines this job, if one does.
    pub fn defined_elsewhere(&self, job: &JobId) -> Option<Origin> {
        let view = self.inventory.as_deref().map_or(View::FilesOnly, View::Observed);
        defined_elsewhere(self.sources.as_deref()?, view, &mut Memo::default(), job)
    }
}

impl Snapshot {
    /// Whether nothing has changed since `last`; the jobs are not gone through for that.
    pub fn is_the_same_as(&self, last: &Self) -> bool {
        let counts = |it: &Self| (it.ready, it.jobs, it.running, it.waiting, it.problems);
        counts(self) == counts(last)
            && Arc::ptr_eq(&self.catalog, &last.catalog)
            && Arc::ptr_eq(&self.paused, &last.paused)
            && Arc::ptr_eq(&self.anchors, &last.anchors)
            && Arc::ptr_eq(&self.diagnostics, &last.diagnostics)
            && self.settings == last.settings
    }
}

/// Something asked of the agent itself.
#[derive(Debug)]
pub enum Request {
    /// Whether it still goes round.
    Ping(oneshot::Sender<()>),
    /// Something that an operator wants: one of the events that are answered.
    Operator(Event, oneshot::Sender<Answer>),
}

/// A way to the agent; cheap to clone.
#[derive(Debug, Clone)]
pub struct Handle {
    requests: mpsc::Sender<Request>,
    making: mpsc::Sender<(Making, oneshot::Sender<Result<Done, NotDone>>)>,
    snapshot: watch::Receiver<Snapshot>,
    telling: watch::Receiver<Arc<Telling>>,
}

/// The agent's side of a handle.
#[derive(Debug)]
pub struct Ends {
    /// What is asked.
    pub requests: mpsc::Receiver<Request>,
    /// The jobs of the API that are to change: each once the one before is kept.
    pub making: mpsc::Receiver<(Making, oneshot::Sender<Result<Done, NotDone>>)>,
    /// What readers see.
    pub snapshot: watch::Sender<Snapshot>,
    /// Who can be told, and how.
    pub telling: watch::Sender<Arc<Telling>>,
}

/// A handle and its other side.
pub fn handle() -> (Handle, Ends) {
    let (requests, requests_end) = mpsc::channel(16);
    let (making, making_end) = mpsc::channel(16);
    let (snapshot_end, snapshot) = watch::channel(Snapshot::default());
    let (telling_end, telling) = watch::channel(Arc::default());
    let ends =
        Ends { requests: requests_end, making: making_end, snapshot: snapshot_end, telling: telling_end };
    (Handle { requests, making, snapshot, telling }, ends)
}

impl Handle {
    /// Whether the agent goes round: waits for its answer, and is `false` once it has ended.
    pub async fn ping(&self) -> bool {
        let (answer, answered) = oneshot::channel();
        self.requests.send(Request::Ping(answer)).await.is_ok() && answered.await.is_ok()
    }

    /// Nothing of a job is due any more, until this moment or until it is resumed.
    pub async fn pause(&self, job: JobId, until: Option<Timestamp>) -> Result<(), Refused> {
        self.ask(Event::Pause { job, until }).await.map(drop)
    }

    /// A job that was paused goes on.
    pub async fn resume(&self, job: JobId) -> Result<(), Refused> {
        self.ask(Event::Resume { job }).await.map(drop)
    }

    /// A run of a job, as soon as overlap, group and cap allow; of one with `replica=all` in each container. The answer
    /// is their IDs, or why the first was skipped where all were.
    pub async fn run_now(&self, job: JobId) -> Result<Vec<RunId>, Refused> {
        self.ask(Event::RunNow { job }).await
    }

    /// A run is to end: what goes on is stopped, and what waits for its turn is given up.
    pub async fn stop_run(&self, run: RunId, by: StopCause) -> Result<(), Refused> {
        self.ask(Event::StopRun { run, by }).await.map(drop)
    }

    /// A job of the API is made, changed or removed. Once this is answered, it outlives the agent and is in force.
    pub async fn make(&self, making: Making) -> Result<Done, NotDone> {
        let (answer, answered) = oneshot::channel();
        if self.making.send((making, answer)).await.is_err() {
            return Err(NotDone::Ending);
        }
        answered.await.unwrap_or(Err(NotDone::Ending))
    }

    /// An agent that has ended is one that begins nothing any more.
    async fn ask(&self, event: Event) -> Answer {
        let (answer, answered) = oneshot::channel();
        if self.requests.send(Request::Operator(event, answer)).await.is_err() {
            return Err(Refused::Ending);
        }
        answered.await.unwrap_or(Err(Refused::Ending))
    }

    /// Who can be told, and how, from now on.
    pub fn telling(&self) -> watch::Receiver<Arc<Telling>> {
        self.telling.clone()
    }

    /// What there is now.
    pub fn snapshot(&self) -> Snapshot {
        self.snapshot.borrow().clone()
    }
}
