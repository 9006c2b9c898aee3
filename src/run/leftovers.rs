//! What an earlier agent of this state directory made and nobody waits for any more: looked for once, at the start, by the
//! label that tells ours from what belongs to other agents.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use futures::future::join_all;
use jiff::Timestamp;
use tokio::time::{sleep, timeout};

use crate::{
    docker::{
        client::Engine,
        containers::{ContainerFacts, ContainerPhase},
        error::EngineError,
    },
    history::keeper::Keeper,
    model::{
        container::{AGENT_LABEL, JOB_LABEL, OCCURRENCE_LABEL, RUN_LABEL},
        kept::Keep,
        name::{JobId, JobKind},
        options::Delete,
        run::{Admitted, RunId, Trigger, WorkHandle},
        unfinished::{KeptOutput, Unfinished},
    },
    telemetry::report,
};

use super::{in_container, new_container, order::name_end, process, service, service_action, takeover};

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

/// How often, at last, it is asked whether a container that could not be ended goes on.
const ASK_EVERY: Duration = Duration::from_secs(15);

/// How long a Swarm may take to tell of its services, while jobs wait for it.
const SERVICES_LIMIT: Duration = Duration::from_secs(5);

/// What the Engine puts on the containers of a service.
const SERVICE_LABEL: &str = "com.docker.swarm.service.id";

impl Sweep {
    /// Waits for the Engine, and looks for runs of which the store knows nothing: it was lost, or could not be written when
    /// they began.
    pub async fn unknown(&self, keeper: &Keeper) -> Vec<Unfinished> {
        let label = format!("{AGENT_LABEL}={}", self.installation);
        let labels = [&*label];
        let containers = takeover::answer_of(|| self.engine.labelled_containers(&labels)).await;
        let containers = containers.unwrap_or_default().into_iter();
        let containers = containers.filter(|it| !it.labels.contains_key(SERVICE_LABEL));
        let services = timeout(SERVICES_LIMIT, async {
            let manages = self.engine.facts().await?.manager == Some(true);
            if manages { self.engine.labelled_services(&label).await } else { Ok(Vec::new()) }
        });
        let services = services.await.ok().and_then(Result::ok).unwrap_or_default().into_iter();
        let mut found = Vec::new();
        for (kind, id, name, labels) in containers
            .map(|it| (JobKind::Run, it.id, it.name, it.labels))
            .chain(services.map(|(id, name, labels)| (JobKind::ServiceRun, id, name, labels)))
        {
            let Some(run) = unfinished(kind, &name, &labels) else { continue };
            if !self.is_nobodys(&run.admitted.run.0) || keeper.has_row(run.admitted.run.clone()).await {
                continue;
            }
            // What is kept on purpose was recorded once, and its row may have gone since.
            if kind == JobKind::Run && self.is_kept(&id).await {
                continue;
            }
            found.push(run);
        }
        found
    }

    async fn is_kept(&self, id: &str) -> bool {
        match self.engine.container_facts(id).await {
            Ok(Some(facts)) => matches!(facts.phase, ContainerPhase::Ended { .. }) && is_kept(&facts),
            Ok(None) | Err(_) => false,
        }
    }

    /// Removes what has ended, and tells of what goes on and removes it when it has ended.
    pub async fn sweep(self) {
        let label = format!("{AGENT_LABEL}={}", self.installation);
        let services = self.services(&label).await.unwrap_or_default();
        let labels = [&*label];
        let found =
            takeover::answer_of(|| self.engine.labelled_containers(&labels)).await.unwrap_or_default();
        let found = found.into_iter().filter_map(|it| Some((it.id, it.labels.get(RUN_LABEL)?.clone())));
        let found = found.filter(|(_, run)| self.is_nobodys(run));
        // What the tasks of a service left goes with it, or stays for it.
        let mut going_on = Vec::new();
        for (id, run) in found.filter(|(_, run)| !services.contains(run)) {
            match self.container(&id).await {
                Ok(None) => {}
                Ok(Some(said)) => {
                    report::leftover(&run, &id, said);
                    going_on.extend((said == GOES_ON).then_some(id));
                }
                Err(error) => report::leftover(&run, &id, &error.to_string()),
            }
        }
        join_all(going_on.iter().map(|id| container_gone(&self.engine, id, true))).await;
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
        for (id, _, labels) in self.engine.labelled_services(label).await? {
            let Some(run) = labels.get(RUN_LABEL).cloned() else { continue };
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
        WorkHandle::Container { id } => container_gone(engine, id, true).await,
        // It was there before, and stays.
        WorkHandle::Existing { id } => container_gone(engine, id, false).await,
        WorkHandle::Service { id } => service::until_gone(engine, id, run).await,
        WorkHandle::Change { service, back, followed } => {
            service_action::until_gone(engine, service).await;
            if let Some(back) = back {
                // It was given them for the run only. Where that fails, whoever looks at the service sees it.
                let _ =
                    service_action::scale_back(engine, service, followed.and_then(|it| it.given()), *back)
                        .await;
            }
        }
        WorkHandle::Process { pid, start } => process::until_gone(*pid, *start, run).await,
        // What is done to a container is over with its run.
        WorkHandle::Action { .. } => {}
    }
}

/// Waits until a container that could not be ended has, and removes it if it is `ours`.
async fn container_gone(engine: &Engine, id: &str, ours: bool) {
    let mut wait = Duration::from_secs(1);
    loop {
        match engine.container_facts(id).await {
            Ok(None) => return,
            Ok(Some(ContainerFacts { phase: ContainerPhase::Running, .. })) | Err(_) => {}
            Ok(Some(facts)) => {
                if ours && !is_kept(&facts) {
                    // One that cannot be removed is found at the next start.
                    let _ = new_container::remove(engine, id).await;
                }
                return;
            }
        }
        sleep(wait).await;
        wait = (wait * 2).min(ASK_EVERY);
    }
}

/// A run as its labels tell of it.
fn unfinished(kind: JobKind, name: &str, labels: &HashMap<String, String>) -> Option<Unfinished> {
    let run = RunId(labels.get(RUN_LABEL)?.as_str().into());
    let occurrence: Timestamp = labels.get(OCCURRENCE_LABEL)?.parse().ok()?;
    let by_schedule = !name.ends_with(&format!("-{}", name_end(&run)));
    let admitted = Admitted {
        job: JobId::plain(labels.get(JOB_LABEL)?),
        kind,
        trigger: if by_schedule { Trigger::Schedule } else { Trigger::Manual },
        occurrence,
        fires: occurrence,
        admitted: occurrence,
        container: Some(name.to_owned()),
        terms: None,
        run,
    };
    let output = KeptOutput::default();
    Some(Unfinished { admitted, begun: true, started: None, stop: None, last: None, output })
}

/// Whether it was left on purpose: its run may have been recorded or not.
fn is_kept(facts: &ContainerFacts) -> bool {
    match Keep::of(&facts.labels).map(|keep| keep.delete) {
        None | Some(Delete::Always) => false,
        Some(Delete::OnSuccess) => !matches!(facts.phase, ContainerPhase::Ended { code: 0, .. }),
        Some(Delete::Never) => true,
    }
}

const REMOVED: &str = "an earlier agent made it and nobody waits for it: it has ended and was removed";
const GOES_ON: &str = "an earlier agent made it and its run is recorded as ended: it goes on and is left as it is until it has ended, and removed then; end it by hand";
