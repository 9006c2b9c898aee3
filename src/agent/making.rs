//! What is asked of the jobs that are made over the API, and why it is not done.

use crate::{
    model::{diagnostic::Diagnostic, name::JobId, origin::Origin},
    settings::made::MadeJob,
};

/// A job of the API is to be as it is said, or to go.
#[derive(Debug)]
pub struct Making {
    /// Its identity.
    pub job: JobId,
    /// What it is to be; `None` is to go. Its revision is given to it by the agent.
    pub made: Option<MadeJob>,
    /// What must be there for that.
    pub expected: Expected,
}

/// What must be there for something to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expected {
    /// Whatever it is.
    Whatever,
    /// No job of this name: it is a new one.
    New,
    /// No job of this name, as far as who asks knows.
    Nothing,
    /// A job of the API.
    Something,
    /// A job of the API with one of these revisions.
    OneOf(Vec<String>),
}

impl Expected {
    /// Whether it is so where there is a job of the API with this revision, or none.
    pub fn is_met_by(&self, there: Option<&str>) -> bool {
        match self {
            Self::Whatever => true,
            Self::New | Self::Nothing => there.is_none(),
            Self::Something => there.is_some(),
            Self::OneOf(revisions) => there.is_some_and(|there| revisions.iter().any(|it| it == there)),
        }
    }
}

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Done {
    /// There is a job that there was not.
    Created,
    /// A job is another one.
    Changed,
    /// A job is gone.
    Removed,
}

/// Why nothing was done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotDone {
    /// A file or a label defines a job of this name.
    #[error(
        "the job \"{job}\" is defined at {by}: change it there, or pause it with POST /api/jobs/{job}/pause"
    )]
    Elsewhere {
        /// The job.
        job: JobId,
        /// Where.
        by: Origin,
    },
    /// It is not new.
    #[error("the job \"{0}\" was made over the API already: change it with PUT /api/jobs/{0}")]
    There(JobId),
    /// There is none that was made over the API.
    #[error("no job \"{0}\" was made over the API")]
    NoJob(JobId),
    /// It is not what who asks believes.
    #[error("the job \"{0}\" is another one by now: GET /api/jobs/{0} has it, with its ETag")]
    Changed(JobId),
    /// What was written makes no job.
    #[error("what was written makes no job \"{job}\", and nothing was changed")]
    Wrong {
        /// The job.
        job: JobId,
        /// All that is wrong with it.
        found: Vec<Diagnostic>,
    },
    /// It cannot be kept.
    #[error("nothing was changed, because it cannot be kept: {0}")]
    NotKept(String),
    /// Nothing is changed any more.
    #[error("the agent is shutting down")]
    Ending,
}
