//! The Engine's part in a Swarm, and the services that it knows of as a manager → our [`Service`]s.

use std::{collections::BTreeMap, sync::Arc};

use bollard::models::LocalNodeState as State;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::model::gather::Gather;
use crate::model::swarm::{Service, Services};

use super::{answers::SwarmInfo, client::Engine, error::EngineError};

/// Of no more services than this the tasks are asked for by the service: a question may be only so long.
const BY_SERVICE: usize = 200;

/// What labels begin with that may define a job, in our words and in those of another tool.
const DEFINING: [&str; 2] = ["watchbell.", "swarm.cronjob."];

/// The Engine's part in a Swarm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Membership {
    /// It does not say.
    Untold,
    /// It is in none, and so there are no services.
    Outside,
    /// It is in one and does not manage it.
    Worker,
    /// It is in one, and cannot say what its part is: why.
    Unclear(&'static str),
    /// It manages one, as the node of this ID.
    Manager(String),
}

impl Membership {
    pub(super) fn of(info: Option<SwarmInfo>) -> Self {
        let Some(info) = info else { return Self::Outside };
        match info.local_node_state {
            Some(State::INACTIVE | State::EMPTY) | None => Self::Outside,
            _ if info.control_available == Some(true) => Self::Manager(info.node_id.unwrap_or_default()),
            Some(State::LOCKED) => {
                Self::Unclear("the Engine's part of the Swarm is locked: docker swarm unlock opens it")
            }
            Some(State::PENDING | State::ERROR) => Self::Unclear("the Engine does not reach its Swarm"),
            Some(State::ACTIVE) => Self::Worker,
        }
    }
}

impl Engine {
    /// The services of the Swarm, where the Engine manages one. What cannot be seen is as it was `before`.
    pub async fn services(&self, part: &Membership, before: Option<&Services>) -> Services {
        let known = before.is_some_and(|it| !it.list.is_empty());
        let unseen = match part {
            // Whether there is a Swarm is not known, and an Engine without one would refuse.
            Membership::Untold | Membership::Outside => return Services::none(),
            // Most workers never were anything else.
            Membership::Worker if !known => return Services::none(),
            Membership::Worker => "the Engine does not manage its Swarm any more".to_owned(),
            Membership::Unclear(why) => (*why).to_owned(),
            Membership::Manager(node) => match self.list_services(node).await {
                Ok(list) => return Services { list, unseen: None },
                // A proxy that keeps the Swarm from the agent.
                Err(EngineError::Refused { status: 403..=405, .. }) if !known => return Services::none(),
                Err(error) => format!("the services of the Swarm cannot be listed: {error}"),
            },
        };
        let list = before.map(|it| it.list.clone()).unwrap_or_default();
        Services { list, unseen: Some(unseen.into()) }
    }

    async fn list_services(&self, node: &str) -> Result<Vec<Service>, EngineError> {
        let answer = self.get::<Value>("/services", None).await?;
        let mut services: Vec<Service> = rows(&answer)?.iter().filter_map(service).collect();
        // Where the tasks are matters for those that may define a job.
        let asked: Vec<&str> = services.iter().filter(|it| may_define(it)).map(|it| &*it.id).collect();
        if asked.is_empty() {
            return Ok(services);
        }
        let mut filters = json!({ "desired-state": ["running"] });
        if asked.len() <= BY_SERVICE {
            filters["service"] = json!(asked);
        }
        let answer = self.get::<Value>("/tasks", Some(&filters)).await?;
        let mut here: BTreeMap<&str, BTreeMap<String, i64>> = BTreeMap::new();
        let mut elsewhere: BTreeMap<&str, usize> = BTreeMap::new();
        for task in rows(&answer)? {
            let (Some(id), Some(service)) = (text(task, "/ID"), text(task, "/ServiceID")) else { continue };
            if text(task, "/NodeID") == Some(node) {
                let slot = task.get("Slot").and_then(Value::as_i64).unwrap_or_default();
                here.entry(service).or_default().insert(id.to_owned(), slot);
            } else if text(task, "/Status/State") == Some("running") {
                *elsewhere.entry(service).or_default() += 1;
            }
        }
        for service in &mut services {
            service.here = here.remove(&*service.id).unwrap_or_default();
            service.elsewhere = elsewhere.remove(&*service.id).unwrap_or_default();
        }
        Ok(services)
    }
}

fn rows(answer: &Value) -> Result<&Vec<Value>, EngineError> {
    answer.as_array().ok_or_else(|| EngineError::Malformed("it is no list".to_owned()))
}

fn text<'a>(of: &'a Value, pointer: &str) -> Option<&'a str> {
    of.pointer(pointer)?.as_str().filter(|it| !it.is_empty())
}

/// Whether its labels may have something to say.
fn may_define(service: &Service) -> bool {
    let begins = |label: &String, with: &str| {
        label.get(..with.len()).is_some_and(|head| head.eq_ignore_ascii_case(with))
    };
    !service.is_run() && service.labels.keys().any(|label| DEFINING.iter().any(|it| begins(label, it)))
}

/// `None` for what has neither ID nor name, which no Swarm sends.
fn service(row: &Value) -> Option<Service> {
    let labels = row.pointer("/Spec/Labels").and_then(Value::as_object).into_iter().flatten();
    let labels = labels.map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned()));
    let created = text(row, "/CreatedAt").and_then(|it| it.parse::<Timestamp>().ok());
    Some(Service {
        id: Arc::from(text(row, "/ID")?),
        name: Arc::from(text(row, "/Spec/Name")?),
        created: created.map_or(0, Timestamp::as_second),
        labels: labels.into_map(),
        is_replicated: row.pointer("/Spec/Mode/Replicated").is_some(),
        here: BTreeMap::new(),
        elsewhere: 0,
    })
}
