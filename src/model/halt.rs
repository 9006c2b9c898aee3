//! Containers that are stopped while a job runs, as for a backup that must not see them write.

use jiff::Timestamp;

use super::{
    container::{Container, ContainerId},
    name::JobId,
    origin::Origin,
    run::RunId,
};

/// What is stopped before a run's first attempt, and started again after its last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StopDuring {
    /// Names of services or containers, in the order in which they are stopped.
    pub names: Vec<String>,
    /// The Compose project of the container on which the job is labelled: a name is first of all one of its services.
    pub project: Option<String>,
    /// Where it was written.
    pub origin: Origin,
}

/// Why it cannot be told what is to be stopped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unclear {
    /// Nobody is called so.
    #[error("there is no service or container \"{0}\"")]
    Nobody(String),
    /// A Swarm would put another one in its place.
    #[error(
        "\"{name}\" is of the Swarm service {service}, and the Swarm would start another task in place of one that is \
         stopped: name containers that are no tasks of a Swarm"
    )]
    OfSwarm {
        /// As it was written.
        name: String,
        /// The service.
        service: String,
    },
}

impl StopDuring {
    /// The containers that are meant, in the order of the names, whether or not they run.
    pub fn meant<'a>(&self, containers: &'a [Container]) -> Result<Vec<&'a Container>, Unclear> {
        let mut meant: Vec<&Container> = Vec::new();
        for name in &self.names {
            let found = self.called(name, containers);
            if found.is_empty() {
                let of_swarm = containers.iter().any(|it| it.swarm_service() == Some(name));
                let (name, service) = (name.clone(), name.clone());
                return Err(if of_swarm {
                    Unclear::OfSwarm { name, service }
                } else {
                    Unclear::Nobody(name)
                });
            }
            if let Some(service) = found.iter().find_map(|it| it.swarm_service()) {
                return Err(Unclear::OfSwarm { name: name.clone(), service: service.to_owned() });
            }
            for it in found {
                if meant.iter().all(|known| known.id != it.id) {
                    meant.push(it);
                }
            }
        }
        Ok(meant)
    }

    /// A service of the job's own project, else the container of that name, else a service with its project before it.
    fn called<'a>(&self, name: &str, containers: &'a [Container]) -> Vec<&'a Container> {
        let of = |project: &str, service: &str| -> Vec<&'a Container> {
            let same = |it: &&Container| {
                it.service() == Some((project, service)) && !it.is_one_off() && !it.is_run()
            };
            let mut found: Vec<&Container> = containers.iter().filter(same).collect();
            found.sort_by(|a, b| (a.replica(), &a.name).cmp(&(b.replica(), &b.name)));
            found
        };
        let own = self.project.as_deref().map(|project| of(project, name)).unwrap_or_default();
        if !own.is_empty() {
            return own;
        }
        if let Some(found) = containers.iter().find(|it| *it.name == *name) {
            return vec![found];
        }
        // A project's name has no dot, and a service's may.
        name.split_once('.').map(|(project, service)| of(project, service)).unwrap_or_default()
    }
}

/// One container that is stopped for one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Halt {
    /// The container.
    pub container: ContainerId,
    /// Its name.
    pub name: String,
    /// The run.
    pub run: RunId,
    /// The run's job.
    pub job: JobId,
    /// Which of the run's containers it is, in the order in which they are stopped.
    pub place: u32,
    /// Since when.
    pub at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::container::ContainerState;

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
        let all = [
            service("shop", "db", "2"),
            service("shop", "db", "1"),
            service("blog", "db", "1"),
            container("db", &[]),
            container("task", &[("com.docker.swarm.service.name", "stack_web")]),
        ];
        let meant = |project: Option<&str>, names: &[&str]| {
            let it = StopDuring {
                names: names.iter().map(|it| (*it).to_owned()).collect(),
                project: project.map(str::to_owned),
                origin: Origin::Default,
            };
            it.meant(&all)
                .map(|found| found.iter().map(|it| it.name.to_string()).collect::<Vec<_>>().join(" "))
        };
        assert_eq!(meant(Some("shop"), &["db"]), Ok("shop-db-1 shop-db-2".to_owned()));
        assert_eq!(meant(None, &["db", "shop-db-2", "db"]), Ok("db shop-db-2".to_owned()));
        assert_eq!(meant(Some("shop"), &["blog.db", "db"]), Ok("blog-db-1 shop-db-1 shop-db-2".to_owned()));
        assert_eq!(meant(None, &["web"]), Err(Unclear::Nobody("web".to_owned())));
        for name in ["task", "stack_web"] {
            assert!(matches!(meant(None, &["db", name]), Err(Unclear::OfSwarm { .. })), "{name}");
        }
    }
}
