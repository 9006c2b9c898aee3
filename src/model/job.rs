//! A job as it is meant: every value settled, nothing left to look up but the container of the moment.

use std::{fmt, time::Duration};

use super::{
    name::{JobId, JobKind},
    origin::Origin,
    schedule::Schedule,
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
    /// Where it was defined: the place of its schedule.
    pub origin: Origin,
}

/// What a job does, by kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Work {
    /// A command in a running container.
    Exec(ExecSpec),
    /// A new container.
    Run(RunSpec),
    /// A process beside the agent.
    Local(LocalSpec),
}

/// A command in a running container.
#[derive(Debug, Clone, PartialEq, Eq)]
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
}

/// A new container that runs one command and is removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunSpec {
    /// The image.
    pub image: String,
    /// The command; `None` is the image's own.
    pub argv: Option<Vec<String>>,
    /// As in [`ExecSpec::user`].
    pub user: Option<String>,
    /// The working directory; the image's own without it.
    pub workdir: Option<String>,
    /// Variables added to the image's.
    pub environment: Environment,
    /// Names of networks; none means the Engine's default. The first may be `none`, `host` or `container:<name>`.
    pub networks: Vec<String>,
}

/// A process beside the agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalSpec {
    /// Program and arguments, at least the program.
    pub argv: Vec<String>,
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

impl Overlap {
    /// The policies by their names.
    pub const NAMES: [(&'static str, Self); 4] =
        [("skip", Self::Skip), ("allow", Self::Allow), ("queue", Self::Queue), ("replace", Self::Replace)];
}

impl JobSpec {
    /// The job's kind.
    pub fn kind(&self) -> JobKind {
        match self.work {
            Work::Exec(_) => JobKind::Exec,
            Work::Run(_) => JobKind::Run,
            Work::Local(_) => JobKind::Local,
        }
    }

    /// The parameters in which `newer` differs. Every field is taken apart by name, so that a new one does not
    /// compile until someone decides whether it matters.
    pub fn differences(&self, newer: &Self) -> Vec<&'static str> {
        let Self { id: _, schedule, work, enabled, overlap, timeout, grace_period, origin: _ } = self;
        let mut changed = Vec::new();
        let mut note = |name, differs| {
            if differs {
                changed.push(name);
            }
        };
        note("schedule", schedule.text() != newer.schedule.text());
        note("timezone", schedule.zone() != newer.schedule.zone());
        note("enabled", *enabled != newer.enabled);
        note("overlap", *overlap != newer.overlap);
        note("timeout", *timeout != newer.timeout);
        note("grace-period", *grace_period != newer.grace_period);
        match (work, &newer.work) {
            (Work::Exec(old), Work::Exec(new)) => {
                let ExecSpec { container, argv, user, workdir, environment } = old;
                note("container", *container != new.container);
                note("command", *argv != new.argv);
                note("user", *user != new.user);
                note("workdir", *workdir != new.workdir);
                note("environment", *environment != new.environment);
            }
            (Work::Run(old), Work::Run(new)) => {
                let RunSpec { image, argv, user, workdir, environment, networks } = old;
                note("image", *image != new.image);
                note("command", *argv != new.argv);
                note("user", *user != new.user);
                note("workdir", *workdir != new.workdir);
                note("environment", *environment != new.environment);
                note("network", *networks != new.networks);
            }
            (Work::Local(old), Work::Local(new)) => {
                let LocalSpec { argv, workdir, environment } = old;
                note("command", *argv != new.argv);
                note("workdir", *workdir != new.workdir);
                note("environment", *environment != new.environment);
            }
            _ => note("kind", true),
        }
        changed
    }
}
