//! What a job of kind `container` does to a container that is there already.

use std::time::Duration;

use super::word;

/// An action on a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActionSpec {
    /// The container's name; `None` is the container that the job is labelled on.
    pub container: Option<String>,
    /// What is done to it.
    pub action: Action,
    /// The signal that it gets; `None` is `KILL` for a kill, and else the container's own.
    pub signal: Option<String>,
    /// How long it has between being asked to stop and being killed; `None` is the container's own stop timeout.
    pub grace: Option<Duration>,
}

/// What can be done to a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// It runs afterwards.
    Start,
    /// It does not run afterwards.
    Stop,
    /// It is stopped and started.
    Restart,
    /// Its processes are frozen.
    Pause,
    /// They go on.
    Unpause,
    /// It gets a signal.
    Kill,
}

impl Action {
    /// The actions by their names.
    pub const NAMES: [(&'static str, Self); 6] = [
        ("start", Self::Start),
        ("stop", Self::Stop),
        ("restart", Self::Restart),
        ("pause", Self::Pause),
        ("unpause", Self::Unpause),
        ("kill", Self::Kill),
    ];

    /// The action's name.
    pub fn as_str(self) -> &'static str {
        word::of(Self::NAMES, self)
    }

    /// What is being done, before the container's name.
    pub fn doing(self) -> &'static str {
        match self {
            Self::Start => "starting",
            Self::Stop => "stopping",
            Self::Restart => "restarting",
            Self::Pause => "pausing",
            Self::Unpause => "unpausing",
            Self::Kill => "killing",
        }
    }

    /// Whether a signal can be given along.
    pub fn takes_signal(self) -> bool {
        matches!(self, Self::Stop | Self::Restart | Self::Kill)
    }

    /// Whether whoever runs in the container is held up or ended by it.
    pub fn disturbs(self) -> bool {
        match self {
            Self::Stop | Self::Restart | Self::Pause | Self::Kill => true,
            Self::Start | Self::Unpause => false,
        }
    }
}

impl ActionSpec {
    /// Whether the container is to be without a process afterwards, whatever it does with a signal.
    pub fn ends_it(&self) -> bool {
        match self.action {
            Action::Stop => true,
            Action::Kill => self.signal.as_ref().is_none_or(|signal| signal == "KILL" || signal == "9"),
            Action::Start | Action::Restart | Action::Pause | Action::Unpause => false,
        }
    }

    /// Whether the container shows afterwards that it was done.
    pub fn is_seen(&self) -> bool {
        self.action != Action::Kill || self.ends_it()
    }
}
