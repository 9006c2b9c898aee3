//! What is to be run, settled to the last detail.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;

use crate::model::{
    container::Holder,
    job::{JobSpec, Work},
    name::{JobId, JobKind},
    run::{Admitted, Outcome, Printed, RunId, RunRecord, Trigger},
};

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

    /// The name of the container in or as which it runs.
    pub fn container_name(&self) -> Option<String> {
        match &self.spec.work {
            Work::Exec(_) => self.container.as_ref().map(|it| it.name.to_string()),
            Work::Run(_) => Some(self.created_name()),
            Work::Local(_) => None,
        }
    }

    /// The name of a container that is made for this occurrence. A second create of the same occurrence is refused
    /// by the Engine, which guards against running it twice.
    pub fn created_name(&self) -> String {
        format!("watchbell-{}-{}", self.job(), self.occurrence.as_second())
    }
}
