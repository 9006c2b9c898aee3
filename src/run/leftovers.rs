//! What an earlier agent of this state directory made and nobody waits for any more: looked for once, at the start, by the
//! label that tells ours from what belongs to other agents.

use std::{collections::HashSet, sync::Arc};

use crate::{
    docker::{
        client::Engine,
        containers::{ContainerFacts, ContainerPhase},
        error::EngineError,
    },
    model::{
        container::{AGENT_LABEL, RUN_LABEL},
        kept::Keep,
        options::Delete,
        run::{RunId, WorkHandle},
    },
    telemetry::report,
};

use super::{in_container, new_container, process, service, takeover};

/// What is looked for.
#[derive(Debug)]
pub struct Sweep {
    /// The Engine.
    pub engine: Engine,
    /// Whose it is.
    pub installation: Arc<str>,
    /// Runs that are taken up: what is theirs is theirs.
    pub taken_up: HashSet<RunId>,
    /// Runs from this one on are this agent's own.
    pub before: RunId,
}

impl Sweep {
    /// Waits for the Engine, removes what has ended, and tells of what goes on.
    pub async fn sweep(self) {
        let label = format!("{AGENT_LABEL}={}", self.installation);
        let services = self.services(&label).await.unwrap_or_default();
        let labels = [&*label];
        let found =
            takeover::answer_of(|| self.engine.labelled_containers(&labels)).await.unwrap_or_default();
        let found = found.into_iter().filter_map(|it| Some((it.id, it.labels.get(RUN_LABEL)?.clone())));
        let found = found.filter(|(_, run)| self.is_nobodys(run));
        // What the tasks of a service left goes with it, or stays for it.
        for (id, run) in found.filter(|(_, run)| !services.contains(run)) {
            match self.container(&id).await {
                Ok(None) => {}
                Ok(Some(said)) => report::leftover(&run, &id, said),
                Err(error) => report::leftover(&run, &id, &error.to_string()),
            }
        }
    }

    fn is_nobodys(&self, run: &str) -> bool {
        *run < *self.before.0 && !self.taken_up.iter().any(|it| *it.0 == *run)
    }

    /// The answer is what there is to say of it; nothing of what has gone by itself.
    async fn container(&self, id: &str) -> Result<Option<&'static str>, EngineError> {
        let Some(facts) = self.engine.container_facts(id).await? else { return Ok(None) };
        if facts.phase == ContainerPhase::Running {
            return Ok(Some(GOES_ON));
        }
        if is_kept(&facts) {
            return Ok(None);
        }
        new_container::remove(&self.engine, id).await?;
        Ok(Some(REMOVED))
    }

    /// The runs that have a service.
    async fn services(&self, label: &str) -> Result<HashSet<String>, EngineError> {
        let mut runs = HashSet::new();
        if takeover::answer_of(|| self.engine.facts()).await?.manager != Some(true) {
            return Ok(runs);
        }
        for (id, run) in self.engine.services_with_label(label, RUN_LABEL).await? {
            if self.is_nobodys(&run) {
                let over = self.engine.service_is_over(&format!("{RUN_LABEL}={run}")).await?;
                if over {
                    self.engine.remove_service(&id).await?;
                }
                report::leftover(&run, &id, if over { REMOVED } else { GOES_ON });
                if over {
                    continue;
                }
            }
            runs.insert(run);
        }
        Ok(runs)
    }
}

/// Waits until what could not be ended has gone by itself. Until then its job counts as running.
pub async fn until_gone(engine: &Engine, run: &RunId, handle: &WorkHandle) {
    match handle {
        WorkHandle::Exec { exec, container } => in_container::until_gone(engine, container, exec).await,
        WorkHandle::Container { id } | WorkHandle::Existing { id } => {
            new_container::until_gone(engine, id).await;
        }
        WorkHandle::Service { id } => service::until_gone(engine, id, run).await,
        WorkHandle::Process { pid, start } => process::until_gone(*pid, *start, run).await,
        // What is done to a container is over with its run.
        WorkHandle::Action { .. } => {}
    }
}

/// Whether it was left on purpose: its run may have been recorded or not.
pub(super) fn is_kept(facts: &ContainerFacts) -> bool {
    match Keep::of(&facts.labels).map(|keep| keep.delete) {
        None | Some(Delete::Always) => false,
        Some(Delete::OnSuccess) => !matches!(facts.phase, ContainerPhase::Ended { code: 0, .. }),
        Some(Delete::Never) => true,
    }
}

const REMOVED: &str = "an earlier agent made it and nobody waits for it: it has ended and was removed";
const GOES_ON: &str = "an earlier agent made it and its run is recorded as ended: it goes on and is left as it is; end it by hand";
