//! What is stopped while a job runs: how it is written, what a label may say of it, and whom it would hit.

use std::{collections::BTreeMap, sync::Arc};

use crate::model::{
    container::{Container, Inventory},
    diagnostic::Diagnostic,
    halt::{Near, StopDuring, Unclear},
    job::{JobSpec, Work},
    name::JobId,
    swarm::{Labelled, STACK_LABEL},
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
        let near = self.home.and_then(|home| Near::of(home.on));
        (!names.is_empty()).then_some(StopDuring { names, near, of_swarm: false, origin })
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
    let own = |name: &str| match home {
        // On a project, the name could be that of another service, which goes before a container's.
        Labelled::Container(it) => match it.service() {
            Some((project, service)) => name == service || name.split_once('.') == Some((project, service)),
            None => *it.name == *name,
        },
        // By any other name than that in its stack, a container's would go before it.
        Labelled::Service(it) => {
            let stack = it.labels.get(STACK_LABEL).map_or("", |it| &**it);
            !stack.is_empty() && it.home() == format!("{stack}.{name}")
        }
    };
    grants.refusals_to_stop(&stop.names, own)
}

/// Takes out the jobs that would stop the container in which their command runs, the agent's own or what cannot be stopped
/// for a while, and tells of names that nobody has.
pub(super) fn check(
    jobs: &mut BTreeMap<JobId, DesiredJob>,
    view: View<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let View::Observed(inventory) = view else { return };
    let found: Vec<Diagnostic> = jobs
        .iter_mut()
        .filter_map(|(id, job)| {
            let stop = job.spec.policies.stop_during.as_ref()?;
            match stop.meant(inventory) {
                Ok(meant) => {
                    if let Some(reason) = hits(&meant, inventory, job) {
                        return Some(Diagnostic::rejects(id, stop.origin.clone(), reason));
                    }
                    if meant.iter().any(|it| matches!(it, Labelled::Service(_))) {
                        tell_of_swarm(&mut job.spec);
                    }
                    None
                }
                Err(error @ (Unclear::OfSwarm { .. } | Unclear::NotReplicated(_))) => {
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

/// What such a job asks of the Engine is more than one that stops containers asks.
fn tell_of_swarm(spec: &mut Arc<JobSpec>) {
    let policies = Arc::make_mut(&mut Arc::make_mut(spec).policies);
    if let Some(stop) = &mut policies.stop_during {
        stop.of_swarm = true;
    }
}

/// Whether a container goes when this is stopped.
fn goes_with(container: &Container, it: Labelled<'_>) -> bool {
    match it {
        Labelled::Container(it) => it.id == container.id,
        Labelled::Service(it) => container.swarm_service() == Some(&it.name),
    }
}

fn hits(meant: &[Labelled<'_>], inventory: &Inventory, job: &DesiredJob) -> Option<String> {
    let all = &inventory.containers;
    let hit = |of: &dyn Fn(&Container) -> bool| {
        meant.iter().find(|it| all.iter().any(|container| of(container) && goes_with(container, **it)))
    };
    if let Some(it) = hit(&|container| Some(&container.id) == inventory.own.as_ref()) {
        let own = match it {
            Labelled::Container(it) => format!("{} is the agent's own container", it.name),
            Labelled::Service(it) => format!("{} is the service of which the agent is a task", it.name),
        };
        return Some(format!(
            "{NAME}: {own}, and a stopped agent starts nothing again: take it out of the list"
        ));
    }
    match &job.spec.work {
        Work::Exec(_) => {
            let place =
                hit(&|container| job.candidates.iter().any(|candidate| candidate.id == container.id))?;
            Some(format!(
                "{NAME}: the job's command runs in {}, which cannot be stopped for it: take it out of the \
                 list, or use a job of kind run",
                called(*place)
            ))
        }
        Work::Start(start) => hit(&|container| *container.name == *start.container)
            .map(|it| format!("{NAME}: {} is what the job starts: take it out of the list", called(*it))),
        // What a new container is like may well be stopped while it runs.
        Work::Run(run) => {
            let joined: Vec<&str> =
                run.networks.iter().filter_map(|it| it.strip_prefix("container:")).collect();
            // By name, or by what of the ID is enough of it.
            let is = |it: &str, container: &Container| {
                *it == *container.name || (it.len() >= 12 && container.id.0.starts_with(it))
            };
            let place = hit(&|container| joined.iter().any(|it| is(it, container)))?;
            Some(format!(
                "{NAME}: the job's container is in the network of {}, which goes when that is stopped: take it \
                 out of the list, or out of network",
                called(*place)
            ))
        }
        _ => None,
    }
}

fn called(it: Labelled<'_>) -> String {
    match it {
        Labelled::Container(it) => format!("container {}", it.name),
        Labelled::Service(it) => format!("a task of the service {}", it.name),
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        model::{
            container::{ContainerId, ContainerState},
            origin::Origin,
            swarm::{SERVICE_NAME_LABEL, Service, Services},
        },
        settings::{
            global::layers::Upper,
            ini,
            resolve::{Sources, resolve},
        },
    };

    use super::*;

    fn container(id: &str, service: Option<&str>) -> Container {
        Container {
            id: ContainerId(id.into()),
            name: format!("{id}-name").into(),
            state: ContainerState::Running,
            healthy: None,
            created: 0,
            labels: service.map(|it| (SERVICE_NAME_LABEL.to_owned(), it.to_owned())).into_iter().collect(),
        }
    }

    /// What is told of a job, `None` where it stops a service and is none the worse for it.
    fn told(kind: &str, parameters: &str) -> Option<String> {
        let text = format!("[job-{kind} \"it\"]\nschedule = @daily\n{parameters}");
        let service = |name: &str| Service {
            id: name.into(),
            name: name.into(),
            created: 0,
            labels: BTreeMap::new(),
            is_replicated: true,
            here: BTreeMap::new(),
            elsewhere: 0,
        };
        let inventory = Inventory {
            containers: vec![
                container("0123456789abcdef", Some("agents")),
                container("fedcba9876543210", Some("web")),
            ],
            own: Some(ContainerId("0123456789abcdef".into())),
            services: Services { list: vec![service("agents"), service("web"), service("db")], unseen: None },
        };
        let sources = Sources::new(ini::parse("f", &text, &|_: &str| None), Upper::default(), Vec::new());
        let now = "2026-03-01T00:00:00Z".parse().unwrap();
        let desired = resolve(&sources, View::Observed(&inventory), now);
        let reasons: Vec<String> = desired.diagnostics.into_iter().map(|it| it.reason).collect();
        let of_swarm =
            |job: &DesiredJob| job.spec.policies.stop_during.as_ref().is_some_and(|it| it.of_swarm);
        assert_eq!(desired.jobs.values().any(of_swarm), reasons.is_empty(), "{reasons:?}");
        assert!(reasons.len() < 2, "{reasons:?}");
        reasons.into_iter().next()
    }

    /// Whose a name is that is no service's of the own stack is not sure: a container of that name goes before.
    #[test]
    fn a_label_on_a_service_has_its_own_by_the_name_in_its_stack_alone() {
        let refused = |stack: Option<&str>, name: &str| {
            let labels = stack.map(|it| (STACK_LABEL.to_owned(), it.to_owned()));
            let service = Service {
                id: "s".into(),
                name: "shop_web".into(),
                created: 0,
                labels: labels.into_iter().collect(),
                is_replicated: true,
                here: BTreeMap::new(),
                elsewhere: 0,
            };
            let label = Origin::ServiceLabel { service: "shop_web".into(), label: "l".into() };
            let stop =
                StopDuring { names: vec![name.to_owned()], near: None, of_swarm: false, origin: label };
            let found = refusals(&Grants::parse("container").unwrap(), &stop, Labelled::Service(&service));
            found.into_iter().map(|it| it.reason).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(refused(Some("shop"), "web"), "");
        for (stack, name) in
            [(Some("shop"), "shop.web"), (Some("shop"), "shop_web"), (None, "shop_web"), (Some("shop"), "db")]
        {
            assert!(refused(stack, name).contains("allow-from-labels=exec-other"), "{stack:?} {name}");
        }
    }

    #[test]
    fn a_service_is_not_stopped_where_its_task_is_the_agent_or_what_the_job_needs() {
        let run = |more: &str| told("run", &format!("image = i\nstop-during = web\n{more}"));
        let exec = |stops: &str| {
            told("exec", &format!("container = fedcba9876543210-name\ncommand = x\nstop-during = {stops}\n"))
        };
        assert_eq!((run(""), exec("db")), (None, None));
        for (told, part) in [
            (exec("agents"), "agents is the service of which the agent is a task"),
            (exec("web"), "runs in a task of the service web"),
            (
                run("network = container:fedcba9876543210-name\n"),
                "in the network of a task of the service web",
            ),
            (run("network = container:fedcba987654\n"), "in the network of a task of the service web"),
            (
                told("run", "container = fedcba9876543210-name\nstop-during = web\n"),
                "web is what the job starts",
            ),
        ] {
            assert!(told.as_ref().is_some_and(|it| it.contains(part)), "{told:?}");
        }
    }
}
