//! What an agent leaves that ended before its runs did: how each is found again, and how it is to be ended.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;

use super::{
    action::{Action, ActionSpec},
    compose::{ComposeAction, ComposeSpec},
    job::{DEFAULT_MAX_OUTPUT, Environment, ExecSpec, JobSpec, LocalSpec, Work},
    name::{JobId, JobKind},
    notification::Notify,
    origin::Origin,
    policy::{Edge, EdgeKind, Group, Policies, SuccessCodes},
    run::{Admitted, Outcome, RunId, StopRequest, WorkHandle},
    schedule::Schedule,
    service::{ServiceRunSpec, Tasks},
    spread,
};

/// As much of a job as a run needs that has begun: the job may be another one when the next agent starts, or none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// How long an attempt may take.
    pub timeout: Option<Duration>,
    /// Between asking it to stop and killing it.
    pub grace: Duration,
    /// Exit codes that count as success.
    pub success_codes: SuccessCodes,
    /// How many further attempts the run may make.
    pub retries: u16,
    /// With whom it takes turns.
    pub group: Option<Group>,
    /// Which jobs its end starts.
    pub edges: Vec<(EdgeKind, Arc<str>)>,
    /// Who is told how it ended, where nobody knows its job then.
    pub notify: Option<Arc<Notify>>,
    /// How many bytes of each stream are kept.
    pub max_output: u64,
    /// As whom a command in a container runs.
    pub user: Option<String>,
    /// How many tasks a service has.
    pub tasks: Option<Tasks>,
    /// What is done with a project of Compose, and where.
    pub compose: Option<ComposeTerms>,
    /// What is done to a container, and with which signal.
    pub action: Option<(Action, Option<String>)>,
    /// The [`shape`] of what it does.
    pub shape: u64,
}

/// As much of a Compose command as is needed to follow and to end it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComposeTerms {
    /// What is done.
    pub action: ComposeAction,
    /// The project, where the job names it.
    pub project: Option<String>,
    /// The service in which a command runs.
    pub service: Option<String>,
}

/// A number that stands for what a job does. Values of variables do not count: they may be secret.
pub fn shape(work: &Work) -> u64 {
    spread::hash(&[format!("{work:?}").as_bytes()])
}

impl Terms {
    /// Those of a run that begins now.
    pub fn of(spec: &JobSpec) -> Self {
        let (mut user, mut tasks, mut compose, mut action) = (None, None, None, None);
        match &spec.work {
            Work::Exec(exec) => user.clone_from(&exec.user),
            Work::ServiceRun(service) => tasks = Some(service.tasks),
            Work::Compose(it) => {
                user.clone_from(&it.user);
                compose = Some(ComposeTerms {
                    action: it.action,
                    project: it.project.clone(),
                    service: it.service().map(str::to_owned),
                });
            }
            Work::Container(it) => action = Some((it.action, it.signal.clone())),
            Work::Run(_) | Work::Start(_) | Work::Local(_) | Work::ServiceAction(_) => {}
        }
        Self {
            timeout: spec.timeout,
            grace: spec.grace_period,
            success_codes: spec.policies.success_codes.clone(),
            retries: spec.policies.retry.retries,
            group: spec.policies.group.clone(),
            edges: spec.policies.edges.iter().map(|edge| (edge.kind, edge.name.clone())).collect(),
            notify: spec.policies.notify.clone(),
            max_output: spec.max_output,
            user,
            tasks,
            compose,
            action,
            shape: shape(&spec.work),
        }
    }

    /// What holds for a run of which nothing is said: the built-in defaults.
    pub fn unknown() -> Self {
        Self {
            timeout: None,
            grace: Duration::from_secs(10),
            success_codes: SuccessCodes::default(),
            retries: 0,
            group: None,
            edges: Vec::new(),
            notify: None,
            max_output: DEFAULT_MAX_OUTPUT,
            user: None,
            tasks: None,
            compose: None,
            action: None,
            shape: 0,
        }
    }

    /// What stands for the job of a run that goes on: enough to follow and to end it, and nothing that could begin it.
    pub fn stand_in(&self, job: &JobId, kind: JobKind) -> JobSpec {
        let none = Environment::default;
        let work = match kind {
            JobKind::Run => Work::Run(Box::default()),
            JobKind::ServiceRun => Work::ServiceRun(Box::new(ServiceRunSpec {
                image: None,
                like: None,
                argv: None,
                user: None,
                workdir: None,
                environment: none(),
                env_files: Vec::new(),
                networks: Vec::new(),
                mounts: Vec::new(),
                secrets: Vec::new(),
                configs: Vec::new(),
                constraints: Vec::new(),
                tasks: self.tasks.unwrap_or(Tasks::Replicas(1)),
                memory: None,
                cpus: None,
                with_registry_auth: false,
            })),
            JobKind::Local => {
                Work::Local(LocalSpec { argv: Vec::new(), user: None, workdir: None, environment: none() })
            }
            JobKind::Compose => {
                let it = self.compose.as_ref();
                Work::Compose(Box::new(ComposeSpec {
                    // What ends it may have left no more than what is known of every process.
                    action: it.map_or(ComposeAction::Up, |it| it.action),
                    files: Vec::new(),
                    project: it.and_then(|it| it.project.clone()),
                    services: it.and_then(|it| it.service.clone()).into_iter().collect(),
                    argv: None,
                    user: self.user.clone(),
                    workdir: None,
                    environment: none(),
                }))
            }
            JobKind::Container => {
                let (action, signal) = self.action.clone().unwrap_or((Action::Restart, None));
                Work::Container(Box::new(ActionSpec { container: None, action, signal, grace: None }))
            }
            JobKind::Exec => {
                Work::Exec(Box::new(ExecSpec { user: self.user.clone(), ..ExecSpec::default() }))
            }
        };
        let edge = |(kind, name): &(EdgeKind, Arc<str>)| Edge {
            kind: *kind,
            name: name.clone(),
            origin: Origin::Default,
        };
        let policies = Policies {
            success_codes: self.success_codes.clone(),
            group: self.group.clone(),
            edges: self.edges.iter().map(edge).collect(),
            notify: self.notify.clone(),
            ..Policies::default()
        };
        JobSpec {
            timeout: self.timeout,
            grace_period: self.grace,
            max_output: self.max_output,
            policies: policies.shared(),
            ..JobSpec::new(job.clone(), Schedule::triggered(), work)
        }
    }
}

/// All that the last agent left.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Legacy {
    /// Occurrences without a record, the oldest first.
    pub runs: Vec<Unfinished>,
    /// Runs that have their record, and whose commands could not be ended.
    pub going_on: Vec<GoingOn>,
}

/// A run whose command could not be ended: it has its record and counts as running until that has gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GoingOn {
    /// The run.
    pub run: RunId,
    /// Its job.
    pub job: JobId,
    /// With whom it takes turns.
    pub group: Option<Group>,
    /// The container in which it goes on, by name.
    pub container: Option<String>,
    /// When it began.
    pub since: Timestamp,
    /// How its command is found.
    pub handle: WorkHandle,
}

/// An occurrence that the last agent left without a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfinished {
    /// What it was when it came due or began.
    pub admitted: Admitted,
    /// Whether it had begun; else it waited its turn.
    pub begun: bool,
    /// When its command was first started.
    pub started: Option<Timestamp>,
    /// Who asked it to end, and how hard.
    pub stop: Option<StopRequest>,
    /// Its last attempt.
    pub last: Option<LastAttempt>,
    /// What of its output is kept.
    pub output: KeptOutput,
}

/// The last attempt that was made of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastAttempt {
    /// Which, from 1.
    pub number: u32,
    /// When it was about to begin.
    pub started: Option<Timestamp>,
    /// How to find it.
    pub handle: Option<WorkHandle>,
    /// Whether it took longer than its timeout, and was being ended for that.
    pub timed_out: bool,
    /// How it ended, where that was known.
    pub ended: Option<(Timestamp, Outcome)>,
}

/// What is kept of a run's output: of each stream its chunks, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeptOutput {
    /// Standard output.
    pub stdout: Vec<KeptChunk>,
    /// Standard error.
    pub stderr: Vec<KeptChunk>,
}

/// Where a chunk lies in its stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeptChunk {
    /// Which of the stream's chunks it is.
    pub sequence: u32,
    /// In which attempt.
    pub attempt: u32,
    /// How many bytes of the stream come before it.
    pub place: u64,
    /// How many there are in it.
    pub length: u64,
}

impl KeptChunk {
    fn end(&self) -> u64 {
        self.place + self.length
    }
}

/// How much of a stream is known: to the end of its last chunk.
pub fn printed(chunks: &[KeptChunk]) -> u64 {
    chunks.iter().map(KeptChunk::end).max().unwrap_or(0)
}

/// How much of it was printed in this attempt.
pub fn printed_in(chunks: &[KeptChunk], attempt: u32) -> u64 {
    let before = chunks.iter().filter(|it| it.attempt < attempt).map(KeptChunk::end).max().unwrap_or(0);
    printed(chunks) - before
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::schedule::Zone;

    #[test]
    fn what_stands_for_a_job_ends_as_the_job_would_have_been_ended_and_has_its_edges() {
        let zone = Zone::utc();
        let schedule = Schedule::parse("@daily", &zone).unwrap();
        for kind in JobKind::ALL {
            let policies = Policies {
                success_codes: SuccessCodes::new(vec![0, 3]).unwrap(),
                edges: vec![Edge { kind: EdgeKind::OnSuccess, name: "b".into(), origin: Origin::Default }],
                ..Policies::default()
            };
            let sample = Terms::of(&JobSpec::new(
                JobId::plain("a"),
                schedule.clone(),
                Work::Local(LocalSpec {
                    argv: vec![],
                    user: None,
                    workdir: None,
                    environment: Environment::default(),
                }),
            ));
            let sample = Terms { tasks: None, user: None, action: None, ..sample };
            let job = JobSpec {
                timeout: Some(Duration::from_secs(7)),
                grace_period: Duration::from_secs(3),
                policies: policies.shared(),
                ..sample.stand_in(&JobId::plain("a"), kind)
            };
            let terms = Terms::of(&job);
            let again = terms.stand_in(&job.id, kind);
            assert_eq!(again.kind(), kind);
            assert_eq!(Terms::of(&again), terms);
        }
    }

    #[test]
    fn what_was_printed_in_an_attempt_begins_where_the_one_before_ended() {
        let chunk = |sequence, attempt, place, length| KeptChunk { sequence, attempt, place, length };
        let chunks = [chunk(0, 1, 0, 10), chunk(1, 2, 10, 5), chunk(3, 2, 40, 2)];
        assert_eq!((printed(&chunks), printed_in(&chunks, 2), printed_in(&chunks, 3)), (42, 32, 0));
        assert_eq!((printed(&[]), printed_in(&chunks[..1], 1)), (0, 10));
    }
}
