//! What decided that an occurrence does not run, in one word: the same for all occurrences that it befell, so that they can
//! be counted.

use super::{
    job::{JobSpec, Overlap, Work},
    policy::EdgeKind,
};

/// What decided that an occurrence does not run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Skip {
    /// An earlier run of the job goes on or waits its turn (`overlap`).
    Overlap,
    /// A newer occurrence took its place before its turn came (`overlap=replace`).
    Replaced,
    /// It waited for its group for as long as it may (`group-wait`).
    GroupWait,
    /// A newer occurrence came while it waited for other jobs (`depends-on`).
    DependsOn,
    /// There is no container, it does not run, or one that is to be started runs already.
    Container,
    /// The job is paused.
    Paused,
    /// The job is not enabled.
    Disabled,
    /// The job was removed before its turn came.
    Removed,
    /// The agent is shutting down.
    Shutdown,
    /// An operator gave it up.
    Operator,
}

impl Skip {
    /// Each of them.
    pub const ALL: [Self; 10] = [
        Self::Overlap,
        Self::Replaced,
        Self::GroupWait,
        Self::DependsOn,
        Self::Container,
        Self::Paused,
        Self::Disabled,
        Self::Removed,
        Self::Shutdown,
        Self::Operator,
    ];

    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Overlap => "overlap",
            Self::Replaced => "replaced",
            Self::GroupWait => "group-wait",
            Self::DependsOn => "depends-on",
            Self::Container => "container",
            Self::Paused => "paused",
            Self::Disabled => "disabled",
            Self::Removed => "removed",
            Self::Shutdown => "shutdown",
            Self::Operator => "operator",
        }
    }

    /// Whether it can befall a job as it is now. What comes of a change of the job cannot.
    pub fn can_befall(self, spec: &JobSpec) -> bool {
        match self {
            Self::Overlap => matches!(spec.overlap, Overlap::Skip | Overlap::Queue),
            Self::Replaced => spec.overlap == Overlap::Replace,
            Self::GroupWait => spec.policies.group.is_some(),
            Self::DependsOn => spec.policies.named(EdgeKind::DependsOn).next().is_some(),
            Self::Container => matches!(spec.work, Work::Exec(_)),
            Self::Disabled | Self::Removed => false,
            Self::Paused | Self::Shutdown | Self::Operator => true,
        }
    }
}
