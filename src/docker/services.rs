//! One-shot services of a Swarm: made in job mode, ended and removed.

use std::{collections::HashMap, time::Duration};

use serde_json::{Map, Value, json};

use crate::model::service::{Mount, Reference, Tasks};

use super::{
    answers::{self, CreatedService, Made, Named},
    client::Engine,
    credentials::Credentials,
    error::EngineError,
    service_body::body,
};

/// What no node has: with this constraint a service has no tasks.
const NOWHERE: &str = "node.id==none";

/// A service to be made.
#[derive(Debug)]
pub struct ServiceRequest {
    /// Its name.
    pub name: String,
    /// What holds where nothing else is said.
    pub like: Option<Template>,
    /// The image of its tasks; `None` is that of the template.
    pub image: Option<String>,
    /// The command; `None` is the image's own.
    pub argv: Option<Vec<String>>,
    /// `NAME=VALUE`.
    pub environment: Vec<String>,
    /// As whom.
    pub user: Option<String>,
    /// Where.
    pub workdir: Option<String>,
    /// By exact name.
    pub networks: Vec<String>,
    /// What each task sees of the machine, of volumes and of memory.
    pub mounts: Vec<Mount>,
    /// Secrets by name.
    pub secrets: Vec<Reference>,
    /// Configs by name.
    pub configs: Vec<Reference>,
    /// What a node must be.
    pub constraints: Vec<String>,
    /// How many tasks.
    pub tasks: Tasks,
    /// The most memory of each, in bytes.
    pub memory: Option<u64>,
    /// The most processors of each, in billionths.
    pub cpus: Option<u64>,
    /// Between being asked to stop and being killed.
    pub grace: Duration,
    /// What says whose it is; on the service and on its containers.
    pub labels: HashMap<String, String>,
    /// What a node shows to the image's registry.
    pub credentials: Option<Credentials>,
}

/// What the tasks of a service are, as the Engine tells it: most of it only goes back there.
#[derive(Debug)]
pub struct Template(pub(super) Map<String, Value>);

impl Template {
    /// The image.
    pub fn image(&self) -> Option<&str> {
        self.0.get("ContainerSpec")?.get("Image")?.as_str()
    }
}

impl Engine {
    /// What the tasks of the service of this name are; none where there is no such service.
    pub async fn service_template(&self, name: &str) -> Result<Option<Template>, EngineError> {
        let spec = match self.inspect_service::<Made<answers::ServiceSpec>>(name).await {
            Ok(service) => service.spec.unwrap_or_default(),
            Err(error) if error.is_not_found() => return Ok(None),
            Err(error) => return Err(error),
        };
        // The beginning of an ID is no name.
        if spec.name.as_deref() != Some(name) {
            return Ok(None);
        }
        let mut template = spec.task_template.unwrap_or_default();
        if let Some(networks) = spec.networks
            && template.get("Networks").is_none_or(Value::is_null)
        {
            template.insert("Networks".to_owned(), networks);
        }
        Ok(Some(Template(template)))
    }

    /// Makes a service; the answer is its ID. A service of that name that is there already is a refusal.
    pub async fn create_service(&self, request: ServiceRequest) -> Result<String, EngineError> {
        let secrets = self.secrets(&request.secrets).await?;
        let configs = self.configs(&request.configs).await?;
        let credentials = request.credentials.clone();
        let body = body(request, secrets, configs)?;
        let made: CreatedService = self.post("/services/create", &body, credentials.as_ref()).await?;
        made.id.ok_or_else(|| EngineError::Malformed("the service has no ID".to_owned()))
    }

    /// The service of this name, if it has this label: its ID.
    pub async fn service_with_label(
        &self,
        name: &str,
        (label, value): (&str, &str),
    ) -> Result<Option<String>, EngineError> {
        match self.inspect_service::<Made<Named>>(name).await {
            Ok(service) => {
                let labels = service.spec.and_then(|spec| spec.labels).unwrap_or_default();
                Ok(service.id.filter(|_| labels.get(label).is_some_and(|it| it == value)))
            }
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Asks for the end of all that runs of a service: it is changed so that it wants no tasks. To remove it would not be
    /// enough, for an Engine may then leave the tasks of a service in job mode to themselves (as 20.10 does). One that
    /// is gone already is no failure.
    pub async fn end_service(&self, id: &str) -> Result<(), EngineError> {
        let mut service: Value = match self.inspect_service(id).await {
            Ok(service) => service,
            Err(error) if error.is_not_found() => return Ok(()),
            Err(error) => return Err(error),
        };
        let version = service.pointer("/Version/Index").and_then(Value::as_u64).unwrap_or_default();
        let Some(spec) = service.get_mut("Spec").and_then(Value::as_object_mut) else {
            return Err(EngineError::Malformed("the service has no specification".to_owned()));
        };
        if let Some(job) = spec.get_mut("Mode").and_then(|mode| mode.get_mut("ReplicatedJob"))
            && job.is_object()
        {
            *job = json!({ "MaxConcurrent": 1, "TotalCompletions": 0 });
        }
        if let Some(template) = within(spec, "TaskTemplate") {
            let force = template.get("ForceUpdate").and_then(Value::as_u64).unwrap_or_default();
            template.insert("ForceUpdate".to_owned(), json!(force.wrapping_add(1)));
            if let Some(placement) = within(template, "Placement") {
                placement.insert("Constraints".to_owned(), json!([NOWHERE]));
            }
        }
        let spec = Value::Object(std::mem::take(spec));
        self.put_service(id, version, &spec).await
    }

    /// Removes it. One that is gone already is no failure.
    pub async fn remove_service(&self, id: &str) -> Result<(), EngineError> {
        match self.docker()?.delete_service(id).await.map_err(EngineError::from) {
            Err(error) if error.is_not_found() => Ok(()),
            other => other,
        }
    }

    /// The ID of a secret or a config.
    async fn id_of(&self, path: &str, name: &str) -> Result<Option<String>, EngineError> {
        let list: Vec<Made<Named>> = self.get(path, Some(&json!({ "name": [name] }))).await?;
        // The filter is by the beginning of a name.
        let is = |it: &Made<Named>| it.spec.as_ref().is_some_and(|spec| spec.name.as_deref() == Some(name));
        Ok(list.into_iter().find(is).and_then(|it| it.id))
    }

    async fn secrets(&self, wanted: &[Reference]) -> Result<Vec<Value>, EngineError> {
        let mut found = Vec::new();
        for it in wanted {
            let id = self.id_of("/secrets", &it.name).await?.ok_or_else(|| missing("secret", &it.name))?;
            found.push(json!({ "File": file(it), "SecretID": id, "SecretName": it.name }));
        }
        Ok(found)
    }

    async fn configs(&self, wanted: &[Reference]) -> Result<Vec<Value>, EngineError> {
        let mut found = Vec::new();
        for it in wanted {
            let id = self.id_of("/configs", &it.name).await?.ok_or_else(|| missing("config", &it.name))?;
            found.push(json!({ "File": file(it), "ConfigID": id, "ConfigName": it.name }));
        }
        Ok(found)
    }
}

/// The object under this name, which is an empty one where there was none.
fn within<'a>(of: &'a mut Map<String, Value>, name: &str) -> Option<&'a mut Map<String, Value>> {
    let it = of.entry(name).or_insert(Value::Null);
    if it.is_null() {
        *it = json!({});
    }
    it.as_object_mut()
}

fn missing(what: &str, name: &str) -> EngineError {
    EngineError::Refused { status: 404, message: format!("{what} not found: {name}") }
}

/// Where a secret or a config is in the container.
fn file(it: &Reference) -> Value {
    json!({ "Name": it.target, "UID": it.uid, "GID": it.gid, "Mode": it.mode })
}
