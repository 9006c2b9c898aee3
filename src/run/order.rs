//! What is to be run, settled to the last detail.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;

use crate::model::{
    container::Holder,
    job::{JobSpec, Work},
    name::{JobId, JobKind},
    run::{Admitted, Outcome, Printed, RunId, RunRecord, Trigger},
    spread,
};

/// The longest name that a Swarm takes.
const SERVICE_NAME_LIMIT: usize = 63;

/// One admitted run. It leaves no choices: the container is the one of the moment of admission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunOrder {
    /// The run's ID.
    pub run: RunId,
    /// The job as it was at admission; a later change of the job does not touch this run.
    pub spec: Arc<JobSpec>,
    /// The container to run in, for jobs of kind `exec`.
    pub container: Option<Holder>,
    /// Why it began.
    pub trigger: Trigger,
    /// The moment that the schedule named.
    pub occurrence: Timestamp,
    /// The moment from which it was to begin: with jitter a little later.
    pub fires: Timestamp,
    /// When it came due and was given its ID.
    pub admitted: Timestamp,
}

impl RunOrder {
    /// The job.
    pub fn job(&self) -> &JobId {
        &self.spec.id
    }

    /// The job's kind.
    pub fn kind(&self) -> JobKind {
        self.spec.kind()
    }

    /// What is kept of it when it begins.
    pub fn as_admitted(&self) -> Admitted {
        Admitted {
            run: self.run.clone(),
            job: self.job().clone(),
            kind: self.kind(),
            trigger: self.trigger,
            occurrence: self.occurrence,
            fires: self.fires,
            admitted: self.admitted,
            container: self.container_name(),
        }
    }

    /// The record of this run, which was tried once, began at `started` and was over at `ended`.
    pub fn record(
        &self,
        started: Option<Timestamp>,
        ended: Timestamp,
        duration: Option<Duration>,
        outcome: Outcome,
    ) -> RunRecord {
        RunRecord {
            run: self.run.clone(),
            job: self.job().clone(),
            kind: self.kind(),
            trigger: self.trigger,
            occurrence: self.occurrence,
            fires: self.fires,
            admitted: self.admitted,
            started,
            ended,
            container: self.container_name(),
            duration,
            outcome,
            attempts: 1,
            printed: Printed::default(),
            no_more: None,
            and_more: 0,
        }
    }

    /// How long it may take.
    pub fn timeout(&self) -> Option<Duration> {
        self.spec.timeout
    }

    /// Between being asked to stop and being killed.
    pub fn grace_period(&self) -> Duration {
        self.spec.grace_period
    }

    /// The name of the container in or as which it runs, or of the service.
    pub fn container_name(&self) -> Option<String> {
        match &self.spec.work {
            Work::Exec(_) => self.container.as_ref().map(|it| it.name.to_string()),
            Work::Run(_) => Some(self.created_name()),
            Work::Local(_) => None,
            Work::ServiceRun(_) => Some(self.service_name()),
        }
    }

    /// The name of a container that is made for this occurrence. A second create of the same occurrence is refused
    /// by the Engine, which guards against running it twice. What no schedule named has no occurrence that could come
    /// twice, and may come several times in a second: the end of its run's ID tells these apart.
    pub fn created_name(&self) -> String {
        let name = format!("watchbell-{}-{}", self.job(), self.occurrence.as_second());
        match self.trigger {
            Trigger::Schedule | Trigger::Startup | Trigger::CatchUp => name,
            Trigger::Manual | Trigger::Dependency => {
                let run = &self.run.0;
                let end = run.get(run.len().saturating_sub(8)..).unwrap_or(run).to_ascii_lowercase();
                format!("{name}-{end}")
            }
        }
    }

    /// The same for a service, whose name a Swarm takes for one of DNS: it has no dots and not more than 63 characters.
    /// Where the job's identity does not fit, the name has so much of it as does, and a number that follows from the
    /// whole.
    pub fn service_name(&self) -> String {
        let name = self.created_name();
        if name.len() <= SERVICE_NAME_LIMIT && !name.contains('.') {
            return name;
        }
        let job = self.job().as_str();
        let part: String = job.chars().map(|c| if c == '.' { '_' } else { c }).take(32).collect();
        // Half of the digits are enough for the jobs of one second.
        let number = spread::hash(&[job.as_bytes()]) >> 32;
        format!("watchbell-{part}-{number:08x}-{}", self.occurrence.as_second())
    }
}
