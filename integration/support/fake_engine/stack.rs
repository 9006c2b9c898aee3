//! Services that people deploy: what they are labelled with, and where their tasks run.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{
    FakeEngine,
    spec::ContainerSpec,
    swarm::{NODE, Service},
    world::World,
};

/// A task that is to run for ever.
pub struct PlainTask {
    pub id: String,
    pub service: String,
    pub slot: u64,
    pub node: String,
    pub container: Option<String>,
    /// Whether it is to run, or on its way to its end.
    pub wanted: bool,
}

impl PlainTask {
    pub fn json(&self) -> Value {
        json!({
            "ID": self.id,
            "ServiceID": self.service,
            "Slot": self.slot,
            "NodeID": self.node,
            "Status": {
                "State": "running",
                "ContainerStatus": { "ContainerID": self.container },
            },
            "DesiredState": if self.wanted { "running" } else { "shutdown" },
        })
    }
}

/// The hand of the test: what people do with `docker service` and `docker stack`.
impl FakeEngine {
    /// Makes a service without tasks; gives its ID.
    pub fn deploy(&self, name: &str, labels: &[(&str, &str)]) -> String {
        let labels: BTreeMap<&str, &str> = labels.iter().copied().collect();
        let mut world = self.world();
        let id = world.next_id()[..25].to_owned();
        let spec = json!({
            "Name": name,
            "Labels": labels,
            "TaskTemplate": { "ContainerSpec": { "Image": "app:1" }, "ForceUpdate": 0 },
            "Mode": { "Replicated": { "Replicas": 1 } },
        });
        let created = world.now().to_string();
        world.swarm.services.push(Service { id: id.clone(), spec, version: 10, created });
        world.emit_service(&id, "create");
        id
    }

    /// The labels of a service become these.
    pub fn relabel(&self, name: &str, labels: &[(&str, &str)]) {
        let labels: BTreeMap<&str, &str> = labels.iter().copied().collect();
        let mut world = self.world();
        let service = world.swarm.find_mut(name);
        service.spec["Labels"] = json!(labels);
        service.version += 1;
        let id = service.id.clone();
        world.emit_service(&id, "update");
    }

    /// A service goes; its tasks' containers too.
    pub fn undeploy(&self, name: &str) {
        let (id, containers) = {
            let mut world = self.world();
            let id = world.swarm.find_mut(name).id.clone();
            world.emit_service(&id, "remove");
            world.swarm.services.retain(|it| it.id != id);
            let (gone, kept) =
                std::mem::take(&mut world.swarm.plain).into_iter().partition(|it| it.service == id);
            world.swarm.plain = kept;
            let gone: Vec<PlainTask> = gone;
            (id, gone.into_iter().filter_map(|it| it.container).collect::<Vec<String>>())
        };
        assert!(!id.is_empty());
        for container in containers {
            self.remove(&container);
        }
    }

    /// A task of a service starts on this node; gives its container's name.
    pub fn start_task(&self, service: &str, slot: u64) -> String {
        self.start_task_with(service, slot, |spec| spec)
    }

    /// The same, with something more to say of its container.
    pub fn start_task_with(
        &self,
        service: &str,
        slot: u64,
        more: impl FnOnce(ContainerSpec) -> ContainerSpec,
    ) -> String {
        let (task, id) = {
            let mut world = self.world();
            (world.next_id()[..25].to_owned(), world.swarm.find_mut(service).id.clone())
        };
        let name = format!("{service}.{slot}.{task}");
        let spec = ContainerSpec::new(&name)
            .label("com.docker.swarm.service.id", &id)
            .label("com.docker.swarm.service.name", service)
            .label("com.docker.swarm.task.id", &task)
            .label("com.docker.swarm.task.name", &name);
        let plain = |container| PlainTask {
            id: task.clone(),
            service: id.clone(),
            slot,
            node: NODE.to_owned(),
            container,
            wanted: true,
        };
        // The Swarm has it before its container is there, and learns of that a little later.
        self.world().swarm.plain.push(plain(None));
        self.start(more(spec));
        let mut world = self.world();
        world.swarm.plain.retain(|it| it.id != task);
        world.swarm.plain.push(plain(Some(name.clone())));
        name
    }

    /// A task of a service runs on another node.
    pub fn task_elsewhere(&self, service: &str, slot: u64) {
        let mut world = self.world();
        let (id, service) = (world.next_id()[..25].to_owned(), world.swarm.find_mut(service).id.clone());
        let node = "node2xxxxxxxxxxxxxxxxxxxx".to_owned();
        world.swarm.plain.push(PlainTask { id, service, slot, node, container: None, wanted: true });
    }

    /// The Swarm ends a task of this node, for another one or none, and its container is gone.
    pub fn end_task(&self, container: &str) {
        let it = Some(container.to_owned());
        self.world().swarm.plain.retain(|task| task.container != it);
        self.remove(container);
    }

    /// Its owner, or someone else, gives a replicated service another number of tasks.
    pub fn scale(&self, name: &str, replicas: u64) {
        let id = {
            let mut world = self.world();
            let service = world.swarm.find_mut(name);
            service.spec["Mode"]["Replicated"]["Replicas"] = replicas.into();
            service.version += 1;
            service.id.clone()
        };
        self.scaled(&id, replicas);
    }

    /// How many tasks a service wants.
    pub fn replicas(&self, name: &str) -> u64 {
        self.world().swarm.find_mut(name).spec["Mode"]["Replicated"]["Replicas"].as_u64().unwrap_or_default()
    }

    /// A service has another number of tasks: without any, those that it had are gone.
    pub(super) fn scaled(&self, id: &str, replicas: u64) {
        let mut world = self.world();
        world.emit_service(id, "update");
        let (gone, kept): (Vec<PlainTask>, Vec<PlainTask>) = std::mem::take(&mut world.swarm.plain)
            .into_iter()
            .partition(|it| it.service == id && it.slot > replicas);
        world.swarm.plain = kept;
        drop(world);
        for container in gone.into_iter().filter_map(|it| it.container) {
            self.remove(&container);
        }
    }

    /// It is a worker from now on, or a manager again.
    pub fn demote(&self) {
        let mut world = self.world();
        world.swarm.manages = false;
        world.swarm.worker = true;
    }

    /// It leaves the Swarm.
    pub fn leave(&self) {
        let mut world = self.world();
        world.swarm.manages = false;
        world.swarm.worker = false;
        world.swarm.services.clear();
        world.swarm.plain.clear();
    }
}

impl World {
    pub fn emit_service(&mut self, id: &str, action: &str) {
        let name = self.swarm.find(id).map(|it| it.spec["Name"].as_str().unwrap_or_default().to_owned());
        let attributes = BTreeMap::from([("name".to_owned(), name.unwrap_or_default())]);
        self.publish("service", action.to_owned(), id.to_owned(), attributes);
    }
}
