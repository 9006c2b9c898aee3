//! When the containers of runs that are kept after their end are looked at: after a run that may have kept one, and as long
//! as there are any every hour, because they also go by age.

use std::time::Duration;

use tokio::{
    task::JoinSet,
    time::{Instant, sleep_until},
};

use crate::{
    model::{job::Work, options::Delete},
    run::{kept::Pruning, order::RunOrder},
};

use super::{Actor, run_id};

/// How long until the next look.
const LOOK_AGAIN: Duration = Duration::from_secs(3600);

/// The looks at them.
#[derive(Debug, Default)]
pub(super) struct Looks {
    /// When the next one comes.
    at: Option<Instant>,
    /// The one that goes on, and whether it leaves anything.
    one: JoinSet<bool>,
}

impl Looks {
    /// Soon.
    pub(super) fn look(&mut self) {
        self.at = Some(Instant::now());
    }

    /// Waits until a look is to be begun.
    pub(super) async fn due(&mut self) {
        while let Some(end) = self.one.join_next().await {
            if end.unwrap_or(true) {
                self.at.get_or_insert_with(|| Instant::now() + LOOK_AGAIN);
            }
        }
        match self.at {
            Some(at) => sleep_until(at).await,
            None => std::future::pending().await,
        }
    }
}

impl Actor {
    /// A look at the containers that are kept.
    pub(super) fn look_at_the_kept(&mut self) {
        let now = self.context.clock.now();
        let before = run_id(&mut self.ids, now);
        let pruning = Pruning {
            engine: self.context.engine.clone(),
            installation: self.context.installation.id.clone(),
            going_on: self.orders.values().map(|(order, _)| order.run.clone()).collect(),
            before,
            now,
        };
        self.looks.at = None;
        self.looks.one.spawn(pruning.prune());
    }

    /// A run has ended, and its container may have been kept.
    pub(super) fn may_be_kept(&mut self, order: &RunOrder, taken_up: bool) {
        // Of a run that another agent began only the container itself can tell.
        if matches!(&order.spec.work, Work::Run(run) if taken_up || run.delete != Delete::Always) {
            self.looks.look();
        }
    }
}
