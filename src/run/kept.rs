//! Containers of runs that stay after their end (`delete`): those that are past what their job's history keeps go.

use std::{collections::HashSet, sync::Arc};

use jiff::Timestamp;

use crate::{
    docker::{client::Engine, error::EngineError},
    model::{
        container::{AGENT_LABEL, JOB_LABEL, RUN_LABEL},
        kept::{KEEP_LABEL, Keep, KeptContainer, past},
        run::RunId,
    },
    telemetry::report,
};

use super::new_container;

/// One look at them.
#[derive(Debug)]
pub struct Pruning {
    /// The Engine.
    pub engine: Engine,
    /// Whose they are.
    pub installation: Arc<str>,
    /// Runs that go on: what is theirs is theirs.
    pub going_on: HashSet<RunId>,
    /// Runs from this one on are too new to be looked at.
    pub before: RunId,
    /// The moment.
    pub now: Timestamp,
}

impl Pruning {
    /// Removes what is past; the answer is whether anything stays that will be some day, as far as it is known.
    pub async fn prune(self) -> bool {
        // Whatever there is will be there at the next look.
        let Ok(kept) = self.kept().await else { return true };
        let count = kept.len();
        let past = past(kept, self.now);
        let stays = count > past.len();
        for it in past {
            if let Err(error) = new_container::remove(&self.engine, &it.id).await {
                report::leftover(
                    &it.run,
                    &it.id,
                    &format!("it was kept, its time is over, and it stays: {error}"),
                );
            }
        }
        stays
    }

    async fn kept(&self) -> Result<Vec<KeptContainer>, EngineError> {
        let whose = format!("{AGENT_LABEL}={}", self.installation);
        let found = self.engine.labelled_containers(&[&whose, KEEP_LABEL]).await?;
        let kept = found.into_iter().filter(|it| !it.runs).filter_map(|it| {
            let run = it.labels.get(RUN_LABEL)?.clone();
            let is_over = *run < *self.before.0 && !self.going_on.iter().any(|it| *it.0 == *run);
            let made = Timestamp::from_second(it.created).ok()?;
            let job = it.labels.get(JOB_LABEL)?.clone();
            Some(KeptContainer { id: it.id, job, run, made, keep: Keep::of(&it.labels)? }).filter(|_| is_over)
        });
        Ok(kept.collect())
    }
}
