//! What is to be run, settled to the last detail.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;

use crate::{
    model::{
        compose::ComposeAction,
        container::{ContainerId, Holder},
        job::{JobSpec, StartSpec, Work},
        name::{JobId, JobKind},
        run::{Admitted, Outcome, Printed, RunId, RunRecord, StopRequest, Trigger, WorkHandle},
        service::{ServiceAction, ServiceActionSpec},
        spread,
        unfinished::{KeptOutput, LastAttempt, Terms, Unfinished},
    },
    telemetry::report::RunTags,
};

use super::interrupts::Ending;

/// What the names of a run end with that no schedule named.
pub(super) fn name_end(run: &RunId) -> String {
    run.0.get(run.0.len().saturating_sub(8)..).unwrap_or(&run.0).to_ascii_lowercase()
}

/// The longest name that a Swarm takes.
const SERVICE_NAME_LIMIT: usize = 63;

/// One admitted run. It leaves no choices: the container is the one of the moment of admission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunOrder {
    /// The run's ID.
    pub run: RunId,
    /// The job as it was at admission; a later change of the job does not touch this run.
    pub spec: Arc<JobSpec>,
    /// The container to run in, for jobs of kind `exec`; the one to be like, for those of kind `run`; to act on, for those of
    /// kind `container`.
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

/// What the job of a run is now that another agent began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobNow {
    /// Not all jobs are known.
    Unknown,
    /// There is none, or it does something else.
    Changed,
    /// It does what it did.
    There(Arc<JobSpec>),
}

/// A run that the last agent began, with what it left of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakenUp {
    /// The run; its job is one that stands for the true one, of which this is all that is known.
    pub order: RunOrder,
    /// How the last agent found its way to it.
    pub terms: Arc<Terms>,
    /// When its command was first started.
    pub started: Option<Timestamp>,
    /// Whether the store knows of it.
    pub has_row: bool,
    /// Who asked it to end already, and how hard.
    pub stop: Option<StopRequest>,
    /// Its last attempt.
    pub last: Option<LastAttempt>,
    /// What of its output is kept.
    pub output: KeptOutput,
}

impl TakenUp {
    /// The run as it is to be followed; none where it had not begun.
    pub fn new(left: Unfinished) -> Option<Self> {
        let Unfinished { admitted, begun, started, stop, last, output } = left;
        let Admitted { run, job, kind, trigger, occurrence, fires, admitted, container, terms } = admitted;
        let terms = terms.filter(|_| begun)?;
        let was = container.clone();
        let container = match last.as_ref().and_then(|it| it.handle.as_ref()) {
            Some(WorkHandle::Exec { container: id, .. } | WorkHandle::Action { container: id, .. }) => {
                let name = container.map_or_else(|| id.as_str().into(), Into::into);
                Some(Holder { id: ContainerId(id.as_str().into()), name, running: true, passing: false })
            }
            // Where it was to run is known by name only.
            _ => {
                container.filter(|_| matches!(kind, JobKind::Exec | JobKind::Container)).map(|name| Holder {
                    id: ContainerId(name.as_str().into()),
                    name: name.into(),
                    running: true,
                    passing: false,
                })
            }
        };
        let mut spec = terms.stand_in(&job, kind);
        match last.as_ref().and_then(|it| it.handle.as_ref()) {
            Some(WorkHandle::Existing { id }) => {
                spec.work = Work::Start(StartSpec { container: was.unwrap_or_else(|| id.clone()) });
            }
            Some(WorkHandle::Change { service, followed, .. }) => {
                let service = was.unwrap_or_else(|| service.clone());
                let action = followed.map_or(ServiceAction::Run(None), |it| it.wants.action());
                spec.work = Work::ServiceAction(ServiceActionSpec { service, action });
            }
            _ => {}
        }
        let spec = Arc::new(spec);
        let order = RunOrder { run, spec, container, trigger, occurrence, fires, admitted };
        Some(Self { order, terms, started, has_row: true, stop, last, output })
    }

    /// How its last attempt is found.
    pub fn handle(&self) -> Option<&WorkHandle> {
        self.last.as_ref()?.handle.as_ref()
    }

    /// Why its last attempt was being ended already. A timeout that came after a request ends nothing more.
    pub fn ending(&self) -> Option<Ending> {
        if self.last.as_ref().is_some_and(|it| it.timed_out) {
            return Some(Ending::TimedOut);
        }
        self.stop.map(|request| Ending::Stopped(request.cause))
    }

    /// When its last attempt was about to begin.
    pub fn began(&self) -> Option<Timestamp> {
        self.last.as_ref()?.started
    }

    /// Which of the run's attempts is the last one.
    pub fn number(&self) -> u32 {
        self.last.as_ref().map_or(1, |it| it.number)
    }
}

impl RunOrder {
    /// How one of its attempts is told of.
    pub fn tags(&self, attempt: u32) -> RunTags {
        RunTags {
            run: self.run.clone(),
            job: self.job().clone(),
            kind: self.kind(),
            trigger: self.trigger,
            container: self.container_name(),
            task: None,
            attempt,
        }
    }

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
            terms: Some(Arc::new(Terms::of(&self.spec))),
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
            note: None,
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
            Work::Exec(_) | Work::Container(_) => self.container.as_ref().map(|it| it.name.to_string()),
            Work::Run(_) => Some(self.created_name()),
            Work::Start(spec) => Some(spec.container.clone()),
            Work::Local(_) => None,
            Work::ServiceRun(_) => Some(self.service_name()),
            Work::ServiceAction(it) => Some(it.service.clone()),
            Work::Compose(compose) => (compose.action == ComposeAction::Run).then(|| self.created_name()),
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
                format!("{name}-{}", name_end(&self.run))
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
