//! Jobs that were made over the API, as they outlive the agent.

use std::{collections::BTreeMap, fmt, sync::Arc};

use super::name::{JobId, JobKind};

/// A job that was made over the API.
#[derive(Clone, PartialEq, Eq)]
pub struct Made {
    /// Its identity.
    pub job: JobId,
    /// Its kind.
    pub kind: JobKind,
    /// What tells this definition from every other that there was under its name.
    pub revision: Arc<str>,
    /// Its parameters by name, each as one text.
    pub parameters: BTreeMap<String, String>,
}

impl fmt::Debug for Made {
    /// What the parameters are may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { job, kind, revision, parameters } = self;
        let names: Vec<&String> = parameters.keys().collect();
        f.debug_tuple("Made").field(job).field(kind).field(revision).field(&names).finish()
    }
}

/// What is to be kept of jobs that are made over the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MadeChange {
    /// This one is there from now on, instead of another of its name.
    Put(Made),
    /// There is none of this name any more.
    Remove(JobId),
}
