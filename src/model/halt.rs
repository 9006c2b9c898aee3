//! Containers, and services of a Swarm, that are stopped while a job runs, as for a backup that must not see them write.

use std::sync::Arc;

use jiff::Timestamp;

use super::{
    container::{Container, ContainerId, Inventory},
    name::JobId,
    origin::Origin,
    run::RunId,
    swarm::{Labelled, STACK_LABEL, Service},
};

/// What is stopped before a run's first attempt, and started again after its last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StopDuring {
    /// Names of services or containers, in the order in which they are stopped.
    pub names: Vec<String>,
    /// What the job is labelled on belongs to this: a name is first of all one of its services.
    pub near: Option<Near>,
    /// Whether services of a Swarm are among what is meant, as far as was seen.
    pub of_swarm: bool,
    /// Where it was written.
    pub origin: Origin,
}

/// What has services of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Near {
    /// A project of Compose.
    Project(String),
    /// A stack on a Swarm.
    Stack(String),
}

impl Near {
    /// That of what is labelled.
    pub fn of(home: Labelled<'_>) -> Option<Self> {
        match home {
            Labelled::Container(it) => it.service().map(|(project, _)| Self::Project(project.to_owned())),
            Labelled::Service(it) => it.labels.get(STACK_LABEL).cloned().map(Self::Stack),
        }
    }
}

/// Why it cannot be told what is to be stopped, or why that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unclear {
    /// Nobody is called so.
    #[error("there is no service or container \"{0}\"")]
    Nobody(String),
    /// A Swarm would put another one in its place.
    #[error(
        "\"{name}\" is of the Swarm service {service}, and the Swarm would start another task in place of one that is \
         stopped: name the service, where the agent's Engine manages the Swarm"
    )]
    OfSwarm {
        /// As it was written.
        name: String,
        /// The service.
        service: String,
    },
    /// It has no number of tasks that could be changed.
    #[error(
        "the Swarm service {0} is global or in job mode, and only one with a number of replicas can be stopped for a while: \
         take it out of the list"
    )]
    NotReplicated(Arc<str>),
}

impl StopDuring {
    /// The containers and services of a Swarm that are meant, in the order of the names, whether or not they run.
    pub fn meant<'a>(&self, inventory: &'a Inventory) -> Result<Vec<Labelled<'a>>, Unclear> {
        let mut meant: Vec<Labelled<'a>> = Vec::new();
        for name in &self.names {
            for it in self.called(name, inventory)? {
                if !meant.iter().any(|known| known.is(it)) {
                    meant.push(it);
                }
            }
        }
        Ok(meant)
    }

    fn called<'a>(&self, name: &str, inventory: &'a Inventory) -> Result<Vec<Labelled<'a>>, Unclear> {
        if let Some(Near::Stack(stack)) = &self.near
            && let Some(found) = of_stack(stack, name, inventory)
        {
            return found;
        }
        let found = self.containers(name, &inventory.containers);
        if let Some(task) = found.iter().find_map(|it| it.swarm_service()) {
            return Err(Unclear::OfSwarm { name: name.to_owned(), service: task.to_owned() });
        }
        if !found.is_empty() {
            return Ok(found.into_iter().map(Labelled::Container).collect());
        }
        let services = &inventory.services.list;
        let called = services.iter().find(|it| *it.name == *name);
        if let Some(service) = called.or_else(|| services.iter().find(|it| it.home() == name)) {
            return replicated(service);
        }
        // An Engine that does not manage its Swarm has the tasks and not the services.
        if inventory.containers.iter().any(|it| it.swarm_service() == Some(name)) {
            return Err(Unclear::OfSwarm { name: name.to_owned(), service: name.to_owned() });
        }
        Err(Unclear::Nobody(name.to_owned()))
    }

    /// A service of the job's own project, else the container of that name, else a service with its project before it.
    fn containers<'a>(&self, name: &str, containers: &'a [Container]) -> Vec<&'a Container> {
        let of = |project: &str, service: &str| -> Vec<&'a Container> {
            let same = |it: &&Container| {
                it.service() == Some((project, service)) && !it.is_one_off() && !it.is_run()
            };
            let mut found: Vec<&Container> = containers.iter().filter(same).collect();
            found.sort_by(|a, b| (a.replica(), &a.name).cmp(&(b.replica(), &b.name)));
            found
        };
        if let Some(Near::Project(project)) = &self.near {
            let own = of(project, name);
            if !own.is_empty() {
                return own;
            }
        }
        if let Some(found) = containers.iter().find(|it| *it.name == *name) {
            return vec![found];
        }
        // A project's name has no dot, and a service's may.
        name.split_once('.').map(|(project, service)| of(project, service)).unwrap_or_default()
    }
}

/// A service of the stack, as its file calls it; none where there is no such one.
fn of_stack<'a>(
    stack: &str,
    name: &str,
    inventory: &'a Inventory,
) -> Option<Result<Vec<Labelled<'a>>, Unclear>> {
    let whole = format!("{stack}.{name}");
    let of_it =
        |it: &&Service| it.labels.get(STACK_LABEL).is_some_and(|its| its == stack) && it.home() == whole;
    inventory.services.list.iter().find(of_it).map(replicated)
}

fn replicated(service: &Service) -> Result<Vec<Labelled<'_>>, Unclear> {
    if service.is_replicated {
        Ok(vec![Labelled::Service(service)])
    } else {
        Err(Unclear::NotReplicated(service.name.clone()))
    }
}

/// What is stopped, by the ID that the Engine has for it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HaltId {
    /// A container.
    Container(ContainerId),
    /// A service of a Swarm.
    Service(Arc<str>),
}

impl HaltId {
    /// As the Engine writes it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Container(id) => &id.0,
            Self::Service(id) => id,
        }
    }

    /// What it is, in one word.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Container(_) => "container",
            Self::Service(_) => "service",
        }
    }
}

/// One container or service that is stopped for one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Halt {
    /// What it is.
    pub what: HaltId,
    /// Its name.
    pub name: String,
    /// How many tasks a service has when it is not stopped.
    pub replicas: Option<u64>,
    /// The run.
    pub run: RunId,
    /// The run's job.
    pub job: JobId,
    /// Which of what the run stops it is, in the order in which it is stopped.
    pub place: u32,
    /// Since when.
    pub at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    use crate::model::{container::ContainerState, swarm::Services};

    fn container(name: &str, labels: &[(&str, &str)]) -> Container {
        Container {
            id: ContainerId(name.into()),
            name: name.into(),
            state: ContainerState::Running,
            healthy: None,
            created: 0,
            labels: labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
        }
    }

    fn service(project: &str, service: &str, number: &str) -> Container {
        container(
            &format!("{project}-{service}-{number}"),
            &[
                ("com.docker.compose.project", project),
                ("com.docker.compose.service", service),
                ("com.docker.compose.container-number", number),
            ],
        )
    }

    #[test]
    fn a_name_is_a_service_of_the_own_project_then_a_container_then_a_service_with_its_project() {
        let containers = vec![
            service("shop", "db", "2"),
            service("shop", "db", "1"),
            service("blog", "db", "1"),
            container("db", &[]),
        ];
        let all = inventory(containers, Vec::new());
        let meant = |project: Option<&str>, names: &[&str]| {
            meant(&all, project.map(|it| Near::Project(it.to_owned())), names)
        };
        assert_eq!(meant(Some("shop"), &["db"]), Ok("shop-db-1 shop-db-2".to_owned()));
        assert_eq!(meant(None, &["db", "shop-db-2", "db"]), Ok("db shop-db-2".to_owned()));
        assert_eq!(meant(Some("shop"), &["blog.db", "db"]), Ok("blog-db-1 shop-db-1 shop-db-2".to_owned()));
        assert_eq!(meant(None, &["web"]), Err(Unclear::Nobody("web".to_owned())));
    }

    #[test]
    fn a_name_is_a_service_of_the_own_stack_then_a_container_then_any_service_of_the_swarm() {
        let task = container("shop_web.1.x", &[("com.docker.swarm.service.name", "shop_web")]);
        let of_stack = |name: &str, stack: &str| swarm(name, &[(STACK_LABEL, stack)]);
        let services = vec![
            of_stack("shop_web", "shop"),
            of_stack("blog_web", "blog"),
            swarm("web", &[]),
            swarm("db", &[]),
        ];
        let all = inventory(vec![container("db", &[]), task.clone()], services);
        let shop = || Some(Near::Stack("shop".to_owned()));
        for (near, name, found) in [
            (shop(), "web", "service shop_web"),
            (None, "web", "service web"),
            (None, "shop_web", "service shop_web"),
            (None, "blog.web", "service blog_web"),
            (shop(), "db", "container db"),
        ] {
            let it = stop(near, &[name]);
            let meant = it.meant(&all).unwrap();
            let told: Vec<String> = meant.iter().map(|it| format!("{} {}", it.word(), it.name())).collect();
            assert_eq!(told, [found], "{name}");
        }
        assert_eq!(meant(&all, None, &["shop.web", "shop_web"]), Ok("shop_web".to_owned()), "once is enough");
        let of_swarm =
            |name: &str| Unclear::OfSwarm { name: name.to_owned(), service: "shop_web".to_owned() };
        assert_eq!(meant(&all, None, &["shop_web.1.x"]), Err(of_swarm("shop_web.1.x")));
        let worker = inventory(vec![task], Vec::new());
        assert_eq!(
            meant(&worker, None, &["shop_web"]),
            Err(of_swarm("shop_web")),
            "services are not seen there"
        );
        let global = Service { is_replicated: false, ..swarm("each", &[]) };
        let it = meant(&inventory(Vec::new(), vec![global]), None, &["each"]);
        assert_eq!(it, Err(Unclear::NotReplicated("each".into())));
    }

    fn stop(near: Option<Near>, names: &[&str]) -> StopDuring {
        let names = names.iter().map(|it| (*it).to_owned()).collect();
        StopDuring { names, near, of_swarm: false, origin: Origin::Default }
    }

    fn meant(all: &Inventory, near: Option<Near>, names: &[&str]) -> Result<String, Unclear> {
        let it = stop(near, names);
        let found = it.meant(all)?;
        Ok(found.iter().map(|it| it.name().to_string()).collect::<Vec<_>>().join(" "))
    }

    fn inventory(containers: Vec<Container>, services: Vec<Service>) -> Inventory {
        Inventory { containers, own: None, services: Services { list: services, unseen: None } }
    }

    fn swarm(name: &str, labels: &[(&str, &str)]) -> Service {
        Service {
            id: name.into(),
            name: name.into(),
            created: 0,
            labels: labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
            is_replicated: true,
            here: BTreeMap::new(),
            elsewhere: 0,
        }
    }
}
