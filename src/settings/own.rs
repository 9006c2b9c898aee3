//! What would be done to the agent's own container: a run that ends the agent could never be recorded.

use std::collections::BTreeMap;

use crate::model::{diagnostic::Diagnostic, job::Work, name::JobId};

use super::resolve::{DesiredJob, View};

/// Takes out the jobs that would hold up or end the agent that is to record them.
pub(super) fn check(
    jobs: &mut BTreeMap<JobId, DesiredJob>,
    view: View<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let View::Observed(inventory) = view else { return };
    let Some(own) = &inventory.own else { return };
    let disturbs = |job: &DesiredJob| match &job.spec.work {
        Work::Container(it) if it.action.disturbs() => {
            job.candidates.iter().any(|candidate| candidate.id == *own).then_some(it.action)
        }
        _ => None,
    };
    let refused: Vec<Diagnostic> = jobs
        .iter()
        .filter_map(|(id, job)| {
            let action = disturbs(job)?.as_str();
            let reason = format!(
                "action: {action} of the agent's own container would end or hold up the agent before it could record \
                 the run: let something else do that, or name another container"
            );
            Some(Diagnostic::rejects(id, job.spec.origin.clone(), reason))
        })
        .collect();
    for it in &refused {
        if let Some(job) = &it.job {
            jobs.remove(job);
        }
    }
    diagnostics.extend(refused);
}
