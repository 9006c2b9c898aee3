//! What is stopped while a job runs: how it is written, what a label may say of it, and whom it would hit.

use std::collections::BTreeMap;

use crate::model::{
    container::{Container, ContainerId},
    diagnostic::Diagnostic,
    halt::{StopDuring, Unclear},
    job::Work,
    name::JobId,
    swarm::Labelled,
};

use super::{
    grants::{Grants, Refusal},
    layer::{JobLayer, Text},
    resolve::{DesiredJob, View},
    settle::Settle,
    value,
};

/// The parameter.
const NAME: &str = "stop-during";

impl Settle<'_> {
    /// What is stopped while the job runs.
    pub(super) fn stop_during(&mut self, layer: &JobLayer) -> Option<StopDuring> {
        let (names, origin) = self.read(layer, NAME, names)?;
        let project = self.home.and_then(|home| compose(home.on)).map(|(project, _)| project.to_owned());
        (!names.is_empty()).then_some(StopDuring { names, project, origin })
    }
}

/// Reads names of containers and services.
pub(super) fn names(text: &Text) -> Result<Vec<String>, String> {
    let names: Vec<String> = value::list(text)?.iter().map(|name| name.trim().to_owned()).collect();
    if names.iter().any(String::is_empty) {
        return Err(
            "a name is empty: write the name of a container or a service, or remove the item".to_owned()
        );
    }
    Ok(names)
}

/// What a label on an ordinary container asks for with it and may not have.
pub(super) fn refusals(grants: &Grants, stop: &StopDuring, home: Labelled<'_>) -> Vec<Refusal> {
    if !stop.origin.is_label() {
        return Vec::new();
    }
    let own = |name: &str| {
        let of_service = compose(home).is_some_and(|(project, service)| {
            name == service || name.split_once('.') == Some((project, service))
        });
        // On a project, the name could be that of another service, which goes before a container's.
        of_service || (compose(home).is_none() && home.container() == Some(name))
    };
    grants.refusals_to_stop(&stop.names, own)
}

/// Compose project and service of what is labelled.
fn compose(home: Labelled<'_>) -> Option<(&str, &str)> {
    match home {
        Labelled::Container(container) => container.service(),
        Labelled::Service(_) => None,
    }
}

/// Takes out the jobs that would stop the container in which their command runs, the agent's own or a task of a Swarm, and
/// tells of names that nobody has.
pub(super) fn check(
    jobs: &mut BTreeMap<JobId, DesiredJob>,
    view: View<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let View::Observed(inventory) = view else { return };
    let found: Vec<Diagnostic> = jobs
        .iter()
        .filter_map(|(id, job)| {
            let stop = job.spec.policies.stop_during.as_ref()?;
            match stop.meant(&inventory.containers) {
                Ok(meant) => {
                    let reason = hits(&meant, inventory.own.as_ref(), job)?;
                    Some(Diagnostic::rejects(id, stop.origin.clone(), reason))
                }
                Err(error @ Unclear::OfSwarm { .. }) => {
                    Some(Diagnostic::rejects(id, stop.origin.clone(), format!("{NAME}: {error}")))
                }
                Err(error @ Unclear::Nobody(_)) => {
                    let reason =
                        format!("{NAME}: {error} now: the job's runs are not started until there is one");
                    Some(Diagnostic::warning(stop.origin.clone(), reason).about(id))
                }
            }
        })
        .collect();
    for it in found.iter().filter(|it| it.rejects) {
        if let Some(job) = &it.job {
            jobs.remove(job);
        }
    }
    diagnostics.extend(found);
}

fn hits(meant: &[&Container], own: Option<&ContainerId>, job: &DesiredJob) -> Option<String> {
    let agent = meant.iter().find(|it| Some(&it.id) == own);
    if let Some(it) = agent {
        return Some(format!(
            "{NAME}: {} is the agent's own container, and a stopped agent starts nothing again: take it out of the list",
            it.name
        ));
    }
    match &job.spec.work {
        Work::Exec(_) => {
            let place =
                meant.iter().find(|it| job.candidates.iter().any(|candidate| candidate.id == it.id))?;
            Some(format!(
                "{NAME}: the job's command runs in container {}, which cannot be stopped for it: take it out of the \
                 list, or use a job of kind run",
                place.name
            ))
        }
        Work::Start(start) => meant.iter().find(|it| *it.name == *start.container).map(|it| {
            format!("{NAME}: container {} is what the job starts: take it out of the list", it.name)
        }),
        // What a new container is like may well be stopped while it runs.
        Work::Run(run) => {
            let joined: Vec<&str> =
                run.networks.iter().filter_map(|it| it.strip_prefix("container:")).collect();
            let place = meant.iter().find(|it| joined.contains(&&*it.name))?;
            Some(format!(
                "{NAME}: the job's container is in the network of container {}, which goes when that is stopped: take it \
                 out of the list, or out of network",
                place.name
            ))
        }
        _ => None,
    }
}
