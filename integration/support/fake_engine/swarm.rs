//! A Swarm of one node, with services in job mode as Engine 20.10 has them: a failed task gets another one in line, and
//! the tasks and containers of a service that is removed stay.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::{sync::watch, time::sleep};

use super::{
    FakeEngine,
    behaviour::RunBehaviour,
    process::Process,
    query::Filters,
    stack::PlainTask,
    world::{Container, State, World},
};

/// The ID of the node.
pub const NODE: &str = "node1xxxxxxxxxxxxxxxxxxxx";

/// How long the Swarm takes from a container's start or end to a task that says so.
const LAG: Duration = Duration::from_millis(80);

/// What a task does.
#[derive(Debug, Clone)]
pub enum TaskBehaviour {
    /// It runs.
    Runs(RunBehaviour),
    /// The node does not take it, and says this.
    Rejected(String),
    /// No node is found for it, and the Swarm says this.
    Pending(String),
}

type Rule = Arc<dyn Fn(u64) -> TaskBehaviour + Send + Sync>;

/// A service as its creator asked for it.
#[derive(Debug, Clone, PartialEq)]
pub struct ServiceRecord {
    pub id: String,
    pub name: String,
    /// The whole body.
    pub body: Value,
    /// The credentials that came with it, as they were sent.
    pub registry_auth: Option<String>,
}

pub struct Service {
    pub id: String,
    pub spec: Value,
    pub version: u64,
    pub created: String,
}

pub struct SwarmTask {
    pub id: String,
    pub service: String,
    pub slot: u64,
    pub created: Timestamp,
    labels: BTreeMap<String, String>,
    behaviour: TaskBehaviour,
    /// The container, whose end is also that of the task.
    pub container: Option<String>,
    pub process: Process,
    started: Option<Timestamp>,
    /// It is over, in a state of this name, since then.
    over: Option<(&'static str, Timestamp)>,
    /// It waits for the place of a failed one.
    in_line: bool,
}

/// Everything of the Swarm.
pub struct Swarm {
    pub manages: bool,
    /// It is in a Swarm that it does not manage.
    pub worker: bool,
    /// Tasks of services that are no jobs.
    pub plain: Vec<PlainTask>,
    rule: Rule,
    pub services: Vec<Service>,
    pub tasks: Vec<SwarmTask>,
    pub made: Vec<ServiceRecord>,
    pub secrets: Vec<String>,
    pub configs: Vec<String>,
}

impl Default for Swarm {
    fn default() -> Self {
        Self {
            manages: false,
            worker: false,
            plain: Vec::new(),
            rule: Arc::new(|_| TaskBehaviour::Runs(RunBehaviour::exit(0))),
            services: Vec::new(),
            tasks: Vec::new(),
            made: Vec::new(),
            secrets: Vec::new(),
            configs: Vec::new(),
        }
    }
}

impl Swarm {
    pub fn find(&self, reference: &str) -> Option<&Service> {
        self.services.iter().find(|it| it.id == reference || it.spec["Name"] == reference)
    }

    /// One that is there.
    pub fn find_mut(&mut self, reference: &str) -> &mut Service {
        let found = self.services.iter_mut().find(|it| it.id == reference || it.spec["Name"] == reference);
        found.unwrap_or_else(|| panic!("no service {reference}"))
    }
}

/// The hand of the test.
impl FakeEngine {
    /// Makes a manager of it, with these secrets and configs.
    pub fn manage(&self, secrets: &[&str], configs: &[&str]) {
        let mut world = self.world();
        world.swarm.manages = true;
        world.swarm.secrets = secrets.iter().map(|it| (*it).to_owned()).collect();
        world.swarm.configs = configs.iter().map(|it| (*it).to_owned()).collect();
    }

    /// Decides what each new task does, by its number.
    pub fn on_task(&self, rule: impl Fn(u64) -> TaskBehaviour + Send + Sync + 'static) {
        self.world().swarm.rule = Arc::new(rule);
    }

    /// Every service ever made, in order.
    pub fn services_made(&self) -> Vec<ServiceRecord> {
        self.world().swarm.made.clone()
    }

    /// The names of all services that exist.
    pub fn service_names(&self) -> Vec<String> {
        let world = self.world();
        world
            .swarm
            .services
            .iter()
            .map(|it| it.spec["Name"].as_str().unwrap_or_default().to_owned())
            .collect()
    }

    /// A service that somebody else made, without tasks.
    pub fn other_service(&self, name: &str) {
        let mut world = self.world();
        let id = world.next_id()[..25].to_owned();
        let created = world.now().to_string();
        world.swarm.services.push(Service { id, spec: json!({ "Name": name }), version: 1, created });
    }

    /// Removes a service by other hands, as a newer Engine does: with its tasks.
    pub fn remove_service(&self, name: &str) {
        let id = self.world().swarm.find(name).expect("it is there").id.clone();
        self.end_tasks(&id, Duration::ZERO);
        self.world().swarm.services.retain(|it| it.id != id);
    }
}

impl FakeEngine {
    /// Makes a service and its tasks.
    pub(super) fn make_service(&self, spec: Value, registry_auth: Option<String>) -> String {
        let (id, count, rule, labels) = {
            let mut world = self.world();
            let id = world.next_id()[..25].to_owned();
            let name = spec["Name"].as_str().unwrap_or_default().to_owned();
            let record =
                ServiceRecord { id: id.clone(), name: name.clone(), body: spec.clone(), registry_auth };
            world.swarm.made.push(record);
            let count = match &spec["Mode"] {
                mode if mode["ReplicatedJob"].is_object() => {
                    mode["ReplicatedJob"]["TotalCompletions"].as_u64().expect("a number")
                }
                mode if mode["GlobalJob"].is_object() => 1,
                mode => panic!("no job mode: {mode}"),
            };
            let labels = spec["TaskTemplate"]["ContainerSpec"]["Labels"].as_object().into_iter().flatten();
            let labels: BTreeMap<String, String> = labels
                .map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned()))
                .collect();
            let created = world.now().to_string();
            world.swarm.services.push(Service { id: id.clone(), spec, version: 10, created });
            (id, count, world.swarm.rule.clone(), labels)
        };
        for slot in 0..count {
            // The rule is the test's code, and may use the Engine.
            let behaviour = rule(slot);
            self.make_task(&id, slot, &labels, behaviour);
        }
        id
    }

    fn make_task(
        &self,
        service: &str,
        slot: u64,
        labels: &BTreeMap<String, String>,
        behaviour: TaskBehaviour,
    ) {
        let mut world = self.world();
        let id = world.next_id()[..25].to_owned();
        let created = world.now();
        let mut task = SwarmTask {
            id: id.clone(),
            service: service.to_owned(),
            slot,
            created,
            labels: labels.clone(),
            behaviour: behaviour.clone(),
            container: None,
            process: Process::new(),
            started: None,
            over: None,
            in_line: false,
        };
        let TaskBehaviour::Runs(run) = behaviour else {
            world.swarm.tasks.push(task);
            return;
        };
        let container = world.add_of_task(&task, run);
        task.process = world.find(&container).expect("it was just added").process.clone();
        task.container = Some(container.clone());
        world.swarm.tasks.push(task);
        drop(world);
        let engine = self.clone();
        tokio::spawn(async move {
            sleep(LAG).await;
            if engine.world().find(&container).is_some_and(|it| it.state == State::Created) {
                engine.begin(&container);
                sleep(LAG).await;
                let mut world = engine.world();
                let now = world.now();
                if let Some(task) = world.swarm.tasks.iter_mut().find(|it| it.id == id) {
                    task.started = Some(now);
                }
            }
        });
    }

    /// Ends what goes on of a service, as an update to no tasks does: asked, and killed after the grace period; then the
    /// tasks that were ended are gone.
    pub(super) fn end_tasks(&self, service: &str, grace: Duration) {
        let mut world = self.world();
        let going: Vec<(String, Option<String>)> = world
            .swarm
            .tasks
            .iter()
            .filter(|task| task.service == service && !task.is_over())
            .map(|task| (task.id.clone(), task.container.clone()))
            .collect();
        for (id, container) in going {
            let Some(container) = container else {
                world.swarm.tasks.retain(|it| it.id != id);
                continue;
            };
            let engine = self.clone();
            tokio::spawn(async move {
                sleep(LAG).await;
                let running = |world: &World| world.find(&container).is_some_and(Container::is_running);
                let obeys = {
                    let mut world = engine.world();
                    running(&world) && world.signal(&container, 15)
                };
                if !obeys {
                    sleep(grace).await;
                    let mut world = engine.world();
                    if running(&world) {
                        world.signal(&container, 9);
                    }
                }
                sleep(LAG).await;
                {
                    let mut world = engine.world();
                    let now = world.now();
                    if let Some(task) = world.swarm.tasks.iter_mut().find(|it| it.id == id) {
                        task.over = Some(("shutdown", now));
                    }
                }
                sleep(LAG).await;
                let mut world = engine.world();
                world.swarm.tasks.retain(|it| it.id != id);
                if world.find(&container).is_some() {
                    world.destroy(&container);
                }
            });
        }
    }
}

impl World {
    /// The container of a task, not started yet.
    fn add_of_task(&mut self, task: &SwarmTask, behaviour: RunBehaviour) -> String {
        let service = self.swarm.find(&task.service).expect("it was just made");
        let name = service.spec["Name"].as_str().unwrap_or_default().to_owned();
        let image =
            service.spec["TaskTemplate"]["ContainerSpec"]["Image"].as_str().unwrap_or_default().to_owned();
        let place = if task.slot > 0 { task.slot.to_string() } else { NODE.to_owned() };
        let mut labels = task.labels.clone();
        labels.insert("com.docker.swarm.service.id".to_owned(), task.service.clone());
        labels.insert("com.docker.swarm.task.id".to_owned(), task.id.clone());
        let container = Container {
            id: self.next_id(),
            name: format!("{name}.{place}.{}", task.id),
            image,
            labels,
            networks: vec!["bridge".into()],
            cmd: Vec::new(),
            env: Vec::new(),
            tty: false,
            auto_remove: false,
            stop_timeout: None,
            health: None,
            state: State::Created,
            strange_state: None,
            read_only: false,
            volumes: Vec::new(),
            binds: Vec::new(),
            files: Vec::new(),
            created: self.now(),
            started: None,
            finished: None,
            behaviour,
            process: Process::new(),
            life: watch::Sender::default(),
        };
        self.insert(container)
    }

    /// All tasks that pass, after what failed has got another in line.
    pub fn tasks(&mut self, filters: &Filters) -> Value {
        let now = self.now();
        let mut next = Vec::new();
        for task in &self.swarm.tasks {
            let has_next = self
                .swarm
                .tasks
                .iter()
                .any(|it| it.in_line && it.service == task.service && it.slot == task.slot);
            let failed = matches!(task.state(), "failed" | "rejected");
            if failed && !has_next && self.swarm.find(&task.service).is_some() {
                next.push((task.service.clone(), task.slot, task.labels.clone(), task.behaviour.clone()));
            }
        }
        for (service, slot, labels, behaviour) in next {
            let id = self.next_id()[..25].to_owned();
            self.swarm.tasks.push(SwarmTask {
                id,
                service,
                slot,
                // Never at the same moment as what it is to take the place of.
                created: now + Duration::from_millis(1),
                labels,
                behaviour,
                container: None,
                process: Process::new(),
                started: None,
                over: None,
                in_line: true,
            });
        }
        let jobs =
            self.swarm.tasks.iter().filter(|task| filters.labels(&task.labels)).map(|task| task.json(self));
        let plain = self.swarm.plain.iter().filter(|_| filters.labels(&BTreeMap::new())).map(PlainTask::json);
        let of_service = |task: &Value| filters.any("service", |it| task["ServiceID"] == it);
        let desired = |task: &Value| filters.any("desired-state", |it| task["DesiredState"] == it);
        jobs.chain(plain).filter(|task| of_service(task) && desired(task)).collect()
    }
}

impl SwarmTask {
    fn is_over(&self) -> bool {
        matches!(self.state(), "complete" | "failed" | "rejected" | "shutdown")
    }

    fn state(&self) -> &'static str {
        if let Some((state, _)) = self.over {
            return state;
        }
        match (&self.behaviour, self.process.exit()) {
            (TaskBehaviour::Rejected(_), _) if !self.in_line => "rejected",
            (TaskBehaviour::Pending(_), _) => "pending",
            _ if self.in_line => "ready",
            (_, Some(0)) => "complete",
            (_, Some(_)) => "failed",
            (_, None) if self.started.is_some() => "running",
            (_, None) => "preparing",
        }
    }

    fn json(&self, world: &World) -> Value {
        let code = self.process.exit();
        let error = match (&self.behaviour, self.state()) {
            (TaskBehaviour::Rejected(why), "rejected") | (TaskBehaviour::Pending(why), "pending") => {
                why.clone()
            }
            (_, "failed") => format!("task: non-zero exit ({})", code.unwrap_or_default()),
            _ => String::new(),
        };
        let ended = self.container.as_ref().and_then(|id| world.find(id)?.finished);
        let since = self.over.map(|(_, at)| at).or(ended).or(self.started).unwrap_or(self.created);
        let mut status =
            json!({ "Timestamp": since.to_string(), "State": self.state(), "Message": self.state() });
        if !error.is_empty() {
            status["Err"] = error.into();
        }
        if let Some(container) = &self.container {
            status["ContainerStatus"] =
                json!({ "ContainerID": container, "PID": 1, "ExitCode": code.unwrap_or_default() });
        }
        let mut task = json!({
            "ID": self.id,
            "Version": { "Index": 1 },
            "CreatedAt": self.created.to_string(),
            "UpdatedAt": since.to_string(),
            "ServiceID": self.service,
            "NodeID": NODE,
            "Status": status,
            "DesiredState": if self.in_line { "ready" } else { "complete" },
        });
        if self.slot > 0 {
            task["Slot"] = self.slot.into();
        }
        task
    }
}
