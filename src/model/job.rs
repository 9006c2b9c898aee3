//! A job as it is meant: every value settled, nothing left to look up but the container of the moment.

use std::{fmt, sync::Arc, time::Duration};

use super::{
    action::ActionSpec,
    compose::ComposeSpec,
    duration,
    image::{Like, Pull},
    name::{JobId, JobKind},
    options::{ContainerOptions, Delete},
    origin::Origin,
    policy::Policies,
    schedule::Schedule,
    service::{ServiceActionSpec, ServiceRunSpec},
    word,
};

/// One job, complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobSpec {
    /// Its identity.
    pub id: JobId,
    /// When it is due.
    pub schedule: Schedule,
    /// What is done when it is due.
    pub work: Work,
    /// `false` keeps it listed, never due.
    pub enabled: bool,
    /// What happens when it is due while its last run goes on.
    pub overlap: Overlap,
    /// How long a run may take; `None` for as long as it likes.
    pub timeout: Option<Duration>,
    /// Between asking a run to stop and killing it.
    pub grace_period: Duration,
    /// An occurrence begins at random within this after its moment; zero for at its moment.
    pub jitter: Duration,
    /// What becomes of occurrences whose moment passed while the agent could not act.
    pub missed: MissedPolicy,
    /// How many of them run at most, where all of them do.
    pub missed_max: u16,
    /// How late an occurrence may begin; `None` is however late.
    pub start_deadline: Option<Duration>,
    /// Whether it also runs once when the agent starts.
    pub run_on_startup: bool,
    /// How many bytes of each stream of a run are kept.
    pub max_output: u64,
    /// How long its runs are kept.
    pub history: Retention,
    /// Further attempts, turns with others, and what comes before and after.
    pub policies: Arc<Policies>,
    /// Where it was defined: the place of its schedule.
    pub origin: Origin,
}

/// What a job does, by kind. The large ones are apart, so that none takes more room than it needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Work {
    /// A command in a running container.
    Exec(Box<ExecSpec>),
    /// A new container.
    Run(Box<RunSpec>),
    /// A container that is there already and is started; also of kind `run`.
    Start(StartSpec),
    /// A process beside the agent.
    Local(LocalSpec),
    /// A one-shot service of a Swarm.
    ServiceRun(Box<ServiceRunSpec>),
    /// An action on a service that is there, of kind `service-run` as well.
    ServiceAction(ServiceActionSpec),
    /// A Compose command.
    Compose(Box<ComposeSpec>),
    /// An action on a container that is there already.
    Container(Box<ActionSpec>),
}

/// A command in a running container.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ExecSpec {
    /// The container's name; `None` is the container that the job is labelled on.
    pub container: Option<String>,
    /// Program and arguments, at least the program.
    pub argv: Vec<String>,
    /// `user`, `uid`, `user:group` or `uid:gid`; the container's own without it.
    pub user: Option<String>,
    /// The working directory; the container's own without it.
    pub workdir: Option<String>,
    /// Variables added to the container's.
    pub environment: Environment,
    /// Files beside the agent with more of them, under `environment`.
    pub env_files: Vec<String>,
    /// Whether it has all rights that root has on the machine.
    pub privileged: bool,
    /// Whether it has a terminal, on which its two streams are one.
    pub tty: bool,
    /// In how many of a service's containers it runs.
    pub replica: Replica,
}

/// An existing container that is started and not removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartSpec {
    /// Its name.
    pub container: String,
}

/// A new container that runs one command and is removed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RunSpec {
    /// The image; `None` is that of the container in `like`.
    pub image: Option<String>,
    /// When it is pulled.
    pub pull: Pull,
    /// The container that it is like in all that is not said here.
    pub like: Option<Like>,
    /// The command; `None` is the image's own.
    pub argv: Option<Vec<String>>,
    /// As in [`ExecSpec::user`].
    pub user: Option<String>,
    /// The working directory; the image's own without it.
    pub workdir: Option<String>,
    /// Variables added to the image's.
    pub environment: Environment,
    /// As in [`ExecSpec::env_files`].
    pub env_files: Vec<String>,
    /// Names of networks; none means the Engine's default. The first may be `none`, `host` or `container:<name>`.
    pub networks: Vec<String>,
    /// What `argv` is handed to; `None` is the image's own.
    pub entrypoint: Option<Vec<String>>,
    /// The container's host name.
    pub hostname: Option<String>,
    /// What is mounted into it.
    pub volumes: Vec<Volume>,
    /// Whether it has all rights that root has on the machine.
    pub privileged: bool,
    /// When it is removed.
    pub delete: Delete,
    /// What else it is given; `None` where nothing is.
    pub options: Option<Box<ContainerOptions>>,
}

/// A directory of a new container that outlives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    /// A path of the machine, or a volume's name.
    pub source: String,
    /// The absolute path in the container.
    pub target: String,
    /// What stands after a second colon, such as `ro`.
    pub mode: Option<String>,
}

impl Volume {
    /// The path of the machine that it shows, if it is none of the Engine's own volumes.
    pub fn host_path(&self) -> Option<&str> {
        self.source.starts_with('/').then_some(&*self.source)
    }
}

impl fmt::Display for Volume {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.source, self.target)?;
        self.mode.as_ref().map_or(Ok(()), |mode| write!(f, ":{mode}"))
    }
}

/// A process beside the agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalSpec {
    /// Program and arguments, at least the program.
    pub argv: Vec<String>,
    /// As in [`ExecSpec::user`], as the machine of the agent knows it; the agent's own without it.
    pub user: Option<String>,
    /// The working directory; the agent's own without it.
    pub workdir: Option<String>,
    /// Variables added to the agent's.
    pub environment: Environment,
}

/// Variables of a command, in the order they were written. Values may be secret: the debug form shows names only.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Environment(pub Vec<(String, String)>);

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

/// What happens when a job is due while its last run goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Overlap {
    /// The new occurrence is skipped.
    #[default]
    Skip,
    /// Both run.
    Allow,
    /// The new occurrence waits for the run to end; one may wait.
    Queue,
    /// The run is stopped, then the new occurrence starts.
    Replace,
}

/// In how many of a service's containers a command runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Replica {
    /// In one that runs.
    #[default]
    One,
    /// In each that runs, in each of them as a run of its own.
    All,
}

/// What becomes of occurrences whose moment passed while the agent could not act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MissedPolicy {
    /// None of them runs.
    #[default]
    Skip,
    /// The newest of them runs.
    Once,
    /// The newest of them run, in order and one after the other.
    All,
}

/// How long the runs of a job are kept. The newest of them always is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// How many of them; `None` is any number.
    pub runs: Option<u32>,
    /// For how long after their end; `None` is for ever.
    pub age: Option<Duration>,
}

impl Default for Retention {
    fn default() -> Self {
        Self { runs: Some(100), age: Some(Duration::from_secs(30 * 86_400)) }
    }
}

impl Retention {
    /// Reads how long runs are kept: a number of runs, a length of time, or both; `none` is the newest run alone.
    pub fn parse(text: &str) -> Result<Self, String> {
        const MEND: &str = "write for example 100 runs, 30 days; or none";
        let text = text.trim();
        if text.eq_ignore_ascii_case("none") {
            return Ok(Self { runs: Some(0), age: None });
        }
        let mut kept = Self { runs: None, age: None };
        for part in text.split(',').map(str::trim) {
            let number = part.split(' ').next().unwrap_or_default();
            let word = part[number.len()..].trim();
            let twice = if matches!(word, "run" | "runs") {
                let runs = number.parse().ok().filter(|it| *it > 0);
                let runs = runs.ok_or_else(|| format!("\"{part}\" is no number of runs from 1: {MEND}"))?;
                kept.runs.replace(runs).is_some()
            } else {
                let age = duration::parse(part).map_err(|reason| format!("\"{part}\" {reason}: {MEND}"))?;
                if age.is_zero() {
                    return Err(format!("\"{part}\" keeps nothing: {MEND}"));
                }
                kept.age.replace(age).is_some()
            };
            if twice {
                return Err(format!("\"{text}\" says the same twice: {MEND}"));
            }
        }
        Ok(kept)
    }
}

impl fmt::Display for Retention {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let runs = match self.runs {
            Some(0) => return f.write_str("none"),
            Some(1) => Some("1 run".to_owned()),
            Some(runs) => Some(format!("{runs} runs")),
            None => None,
        };
        let age = self.age.map(|age| humantime::format_duration(age).to_string());
        let both: Vec<String> = runs.into_iter().chain(age).collect();
        f.write_str(if both.is_empty() { "all" } else { "" })?;
        f.write_str(&both.join(", "))
    }
}

/// How many bytes of each stream of a run are kept, unless someone says otherwise.
pub const DEFAULT_MAX_OUTPUT: u64 = 1 << 20;

impl MissedPolicy {
    /// The policies by their names.
    pub const NAMES: [(&'static str, Self); 3] =
        [("skip", Self::Skip), ("once", Self::Once), ("all", Self::All)];

    /// The policy's name.
    pub fn as_str(self) -> &'static str {
        word::of(Self::NAMES, self)
    }
}

impl Replica {
    /// The answers by their names.
    pub const NAMES: [(&'static str, Self); 2] = [("one", Self::One), ("all", Self::All)];

    /// The answer's name.
    pub fn as_str(self) -> &'static str {
        word::of(Self::NAMES, self)
    }
}

impl Overlap {
    /// The policies by their names.
    pub const NAMES: [(&'static str, Self); 4] =
        [("skip", Self::Skip), ("allow", Self::Allow), ("queue", Self::Queue), ("replace", Self::Replace)];

    /// The policy's name.
    pub fn as_str(self) -> &'static str {
        word::of(Self::NAMES, self)
    }
}

impl JobSpec {
    /// A job of which nothing was written but this: everything else is the built-in default.
    pub fn new(id: JobId, schedule: Schedule, work: Work) -> Self {
        Self {
            id,
            schedule,
            work,
            enabled: true,
            overlap: Overlap::default(),
            timeout: None,
            grace_period: Duration::from_secs(10),
            jitter: Duration::ZERO,
            missed: MissedPolicy::default(),
            missed_max: 10,
            start_deadline: None,
            run_on_startup: false,
            max_output: DEFAULT_MAX_OUTPUT,
            history: Retention::default(),
            policies: Policies::default().shared(),
            origin: Origin::Default,
        }
    }

    /// When it runs, behind its name: `runs every 30 seconds`.
    pub fn when(&self) -> String {
        if self.enabled {
            format!("runs {}", self.schedule.words())
        } else {
            "is not enabled and never runs".to_owned()
        }
    }

    /// The job's kind.
    pub fn kind(&self) -> JobKind {
        match self.work {
            Work::Exec(_) => JobKind::Exec,
            Work::Run(_) | Work::Start(_) => JobKind::Run,
            Work::Local(_) => JobKind::Local,
            Work::ServiceRun(_) | Work::ServiceAction(_) => JobKind::ServiceRun,
            Work::Compose(_) => JobKind::Compose,
            Work::Container(_) => JobKind::Container,
        }
    }
}
