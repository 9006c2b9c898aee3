//! How everyone else asks the agent.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot, watch};

use crate::{plan::Catalog, settings::global::Settings};

/// What readers see without waiting for the agent.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// Whether a plan was carried out on a complete observation.
    pub ready: bool,
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
    /// The settings in force; `None` before they were first read.
    pub settings: Option<Arc<Settings>>,
}

impl Snapshot {
    /// Whether nothing has changed since `last`; the jobs are not gone through for that.
    pub fn is_the_same_as(&self, last: &Self) -> bool {
        let counts = |it: &Self| (it.ready, it.jobs, it.running, it.waiting, it.problems);
        counts(self) == counts(last)
            && Arc::ptr_eq(&self.catalog, &last.catalog)
            && self.settings == last.settings
    }
}

/// Something asked of the agent itself.
#[derive(Debug)]
pub enum Request {
    /// Whether it still goes round.
    Ping(oneshot::Sender<()>),
}

/// A way to the agent; cheap to clone.
#[derive(Debug, Clone)]
pub struct Handle {
    requests: mpsc::Sender<Request>,
    snapshot: watch::Receiver<Snapshot>,
}

/// The agent's side of a handle.
#[derive(Debug)]
pub struct Ends {
    /// What is asked.
    pub requests: mpsc::Receiver<Request>,
    /// What readers see.
    pub snapshot: watch::Sender<Snapshot>,
}

/// A handle and its other side.
pub fn handle() -> (Handle, Ends) {
    let (requests, requests_end) = mpsc::channel(16);
    let (snapshot_end, snapshot) = watch::channel(Snapshot::default());
    (Handle { requests, snapshot }, Ends { requests: requests_end, snapshot: snapshot_end })
}

impl Handle {
    /// Whether the agent goes round: waits for its answer, and is `false` once it has ended.
    pub async fn ping(&self) -> bool {
        let (answer, answered) = oneshot::channel();
        self.requests.send(Request::Ping(answer)).await.is_ok() && answered.await.is_ok()
    }

    /// What there is now.
    pub fn snapshot(&self) -> Snapshot {
        self.snapshot.borrow().clone()
    }
}
