//! Who asks something of the Engine.

/// What asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum By {
    /// Every agent, whatever its jobs.
    Agent,
    /// Every agent, when it is asked how it does; a proxy may refuse it.
    Health,
    /// Every agent whose Engine manages a Swarm; a proxy may refuse it, and then there are no jobs of services.
    Swarm,
    /// Jobs of kind `exec`.
    Exec,
    /// Commands in containers without a shell, when they are ended; a proxy may refuse it.
    Helper,
    /// Jobs of kind `run`.
    Run,
    /// Those of them whose image may be pulled.
    Pull,
    /// Those of them that are like a container.
    Like,
    /// Jobs of kind `service-run`.
    Service,
    /// Jobs of kind `container`.
    Action,
    /// Jobs that stop containers while they run.
    Halt,
    /// Those of them that stop services of a Swarm.
    HaltService,
    /// Jobs of kind `service-run` with an action.
    ServiceAction,
    /// The next agent, of commands in containers that the last one began.
    NextExec,
    /// The next agent, of containers that the last one began.
    NextRun,
    /// The next agent, of services that the last one began.
    NextService,
    /// Compose, for jobs of kind `compose`.
    Compose(ByCompose),
}

impl By {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Agent => "every agent",
            Self::Health => "every agent, when it is asked for `/health`; a proxy may refuse it",
            Self::Swarm => "an agent whose Engine manages a Swarm",
            Self::Exec => "jobs of kind `exec`",
            Self::Helper => "jobs of kind `exec` without `/bin/sh`",
            Self::Run => "jobs of kind `run`",
            Self::Pull => "jobs of kind `run`, unless with `pull=never`",
            Self::Like => "jobs of kind `run` with `like`",
            Self::Service => "jobs of kind `service-run`",
            Self::Action => "jobs of kind `container`",
            Self::Halt => "jobs with `stop-during`",
            Self::HaltService => "jobs with `stop-during` of a service of a Swarm",
            Self::ServiceAction => "jobs of kind `service-run` with `action`",
            Self::NextExec => "jobs of kind `exec`, at the start of an agent that follows another one",
            Self::NextRun => "jobs of kind `run`, at the start of an agent that follows another one",
            Self::NextService => {
                "jobs of kind `service-run`, at the start of an agent that follows another one"
            }
            Self::Compose(it) => it.words(),
        }
    }

    /// Whether it is Compose that asks, which begins each path with a version of the API; the agent does not.
    pub fn is_compose(self) -> bool {
        matches!(self, Self::Compose(_))
    }
}

/// What Compose asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ByCompose {
    /// Whatever it is to do.
    Any,
    /// Whatever has to do with the containers of a project.
    Containers,
    /// A project of which it knows no more than the name.
    ByName,
    /// `exec`: a command in a container that runs.
    Exec,
    /// `run` and `up`: services that are to be there and to run.
    Up,
    /// Images that it makes itself.
    Build,
    /// `run`: a command in a new container.
    Run,
    /// `start`.
    Start,
    /// `restart`.
    Restart,
    /// `stop`.
    Stop,
    /// `down`.
    Down,
    /// `pull`.
    Pull,
    /// Commands that its files want in containers which were started or are to be stopped.
    Hooks,
}

impl ByCompose {
    fn words(self) -> &'static str {
        match self {
            Self::Any => "jobs of kind `compose`",
            Self::Containers => "jobs of kind `compose`, unless with `action=pull`",
            Self::ByName => {
                "jobs of kind `compose` with `action=restart`, `stop` or `down` and without `file`"
            }
            Self::Exec => "jobs of kind `compose` with `action=exec`",
            Self::Up => "jobs of kind `compose` with `action=run` or `up`",
            Self::Build => {
                "jobs of kind `compose` with `action=run` or `up`, of services with `build`; a proxy may refuse it \
                 where there are none"
            }
            Self::Run => "jobs of kind `compose` with `action=run`",
            Self::Start => "jobs of kind `compose` with `action=start`",
            Self::Restart => "jobs of kind `compose` with `action=restart`",
            Self::Stop => "jobs of kind `compose` with `action=stop`",
            Self::Down => "jobs of kind `compose` with `action=down`",
            Self::Pull => "jobs of kind `compose` with `action=pull`",
            Self::Hooks => {
                "jobs of kind `compose`, of services with `post_start` or `pre_stop`; a proxy may refuse it where \
                 there are none"
            }
        }
    }
}
