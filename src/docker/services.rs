//! One-shot services of a Swarm: made in job mode, ended and removed.

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use bollard::models::{
    Limit, Mount as MountBody, MountBindOptions, MountBindOptionsPropagationEnum as Propagation,
    MountTmpfsOptions, MountType, MountVolumeOptions, MountVolumeOptionsDriverConfig,
    NetworkAttachmentConfig, ServiceSpec, ServiceSpecMode, ServiceSpecModeReplicatedJob, TaskSpec,
    TaskSpecContainerSpec, TaskSpecContainerSpecConfigs, TaskSpecContainerSpecFile,
    TaskSpecContainerSpecFile1, TaskSpecContainerSpecSecrets, TaskSpecPlacement, TaskSpecResources,
    TaskSpecRestartPolicy, TaskSpecRestartPolicyConditionEnum as Restart,
};
use serde_json::{Map, Value, json};

use crate::model::service::{Mount, MountSource, Reference, Tasks};

use super::{
    answers::{self, Made, Named},
    client::Engine,
    credentials::Credentials,
    error::EngineError,
};

/// A failed task is put into line again after this long, which is never: its service is removed before. Without a
/// policy of restarting, the Swarm makes up for a failed task of several at once and for ever (seen on 20.10, and so in
/// the source since), for what may not be restarted does not count as one that was wanted.
const NEVER: Duration = Duration::from_secs(365 * 24 * 3600);

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

/// What the tasks of a service are.
#[derive(Debug)]
pub struct Template(Box<TaskSpec>);

impl Template {
    /// The image.
    pub fn image(&self) -> Option<&str> {
        self.0.container_spec.as_ref()?.image.as_deref()
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
        template.networks = template.networks.or(spec.networks);
        Ok(Some(Template(Box::new(template))))
    }

    /// Makes a service; the answer is its ID. A service of that name that is there already is a refusal.
    pub async fn create_service(&self, request: ServiceRequest) -> Result<String, EngineError> {
        let secrets = self.secrets(&request.secrets).await?;
        let configs = self.configs(&request.configs).await?;
        let mut docker = self.docker()?;
        if let Some(credentials) = &request.credentials {
            docker = credentials.sent_by(docker);
        }
        let made = docker.create_service(body(request, secrets, configs), None).await?;
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

    async fn secrets(&self, wanted: &[Reference]) -> Result<Vec<TaskSpecContainerSpecSecrets>, EngineError> {
        let mut found = Vec::new();
        for it in wanted {
            let id = self.id_of("/secrets", &it.name).await?.ok_or_else(|| missing("secret", &it.name))?;
            found.push(TaskSpecContainerSpecSecrets {
                file: Some(TaskSpecContainerSpecFile {
                    name: Some(it.target.clone()),
                    uid: Some(it.uid.clone()),
                    gid: Some(it.gid.clone()),
                    mode: Some(it.mode),
                }),
                secret_id: Some(id),
                secret_name: Some(it.name.clone()),
            });
        }
        Ok(found)
    }

    async fn configs(&self, wanted: &[Reference]) -> Result<Vec<TaskSpecContainerSpecConfigs>, EngineError> {
        let mut found = Vec::new();
        for it in wanted {
            let id = self.id_of("/configs", &it.name).await?.ok_or_else(|| missing("config", &it.name))?;
            found.push(TaskSpecContainerSpecConfigs {
                file: Some(TaskSpecContainerSpecFile1 {
                    name: Some(it.target.clone()),
                    uid: Some(it.uid.clone()),
                    gid: Some(it.gid.clone()),
                    mode: Some(it.mode),
                }),
                config_id: Some(id),
                config_name: Some(it.name.clone()),
                ..TaskSpecContainerSpecConfigs::default()
            });
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

fn body(
    request: ServiceRequest,
    secrets: Vec<TaskSpecContainerSpecSecrets>,
    configs: Vec<TaskSpecContainerSpecConfigs>,
) -> ServiceSpec {
    let like = request.like.map(|it| *it.0).unwrap_or_default();
    let base = like.container_spec.unwrap_or_default();
    let mounts: Vec<MountBody> = request.mounts.into_iter().map(mount).collect();
    let container = TaskSpecContainerSpec {
        image: request.image.or(base.image),
        // What the field `Command` holds goes over the image's entrypoint.
        args: request.argv.or(base.args),
        env: Some(over(base.env, request.environment)),
        user: request.user.or(base.user),
        dir: request.workdir.or(base.dir),
        labels: Some(request.labels.clone()),
        mounts: unless_empty(mounts, base.mounts),
        secrets: unless_empty(secrets, base.secrets),
        configs: unless_empty(configs, base.configs),
        stop_grace_period: Some(nanoseconds(request.grace)),
        // A task that runs once is not the service that is looked after so.
        health_check: None,
        tty: None,
        open_stdin: None,
        ..base
    };
    let signed = |amount: u64| i64::try_from(amount).unwrap_or(i64::MAX);
    let limits = like.resources.and_then(|it| it.limits).unwrap_or_default();
    let limits = Limit {
        memory_bytes: request.memory.map(signed).or(limits.memory_bytes),
        nano_cpus: request.cpus.map(signed).or(limits.nano_cpus),
        ..limits
    };
    let restart = TaskSpecRestartPolicy {
        condition: Some(Restart::ON_FAILURE),
        delay: Some(nanoseconds(NEVER)),
        ..TaskSpecRestartPolicy::default()
    };
    let network = |name| NetworkAttachmentConfig { target: Some(name), ..NetworkAttachmentConfig::default() };
    let networks: Vec<_> = request.networks.into_iter().map(network).collect();
    // Under its aliases the service is called by others, who must not come to the task of a job.
    let others = like
        .networks
        .map(|all| all.into_iter().map(|it| NetworkAttachmentConfig { aliases: None, ..it }).collect());
    let placement = like.placement.unwrap_or_default();
    ServiceSpec {
        name: Some(request.name),
        labels: Some(request.labels),
        task_template: Some(TaskSpec {
            container_spec: Some(container),
            resources: Some(TaskSpecResources { limits: Some(limits), ..TaskSpecResources::default() }),
            restart_policy: Some(restart),
            placement: Some(TaskSpecPlacement {
                constraints: unless_empty(request.constraints, placement.constraints),
                max_replicas: None,
                ..placement
            }),
            networks: unless_empty(networks, others),
            log_driver: like.log_driver,
            runtime: like.runtime,
            ..TaskSpec::default()
        }),
        mode: Some(match request.tasks {
            Tasks::Replicas(count) => ServiceSpecMode {
                replicated_job: Some(ServiceSpecModeReplicatedJob {
                    max_concurrent: Some(count.into()),
                    total_completions: Some(count.into()),
                }),
                ..ServiceSpecMode::default()
            },
            Tasks::EachNode => ServiceSpecMode {
                global_job: Some(std::iter::empty().collect()),
                ..ServiceSpecMode::default()
            },
        }),
        ..ServiceSpec::default()
    }
}

/// What was asked for, else what the template has.
fn unless_empty<T>(asked: Vec<T>, template: Option<Vec<T>>) -> Option<Vec<T>> {
    if asked.is_empty() { template.or(Some(asked)) } else { Some(asked) }
}

/// Variables over those of a template: of one name there is one.
fn over(template: Option<Vec<String>>, ours: Vec<String>) -> Vec<String> {
    let name = |it: &str| it.split('=').next().unwrap_or_default().to_owned();
    let set: BTreeSet<String> = ours.iter().map(|it| name(it)).collect();
    let kept = template.unwrap_or_default().into_iter().filter(|it| !set.contains(&name(it)));
    kept.chain(ours).collect()
}

fn nanoseconds(length: Duration) -> i64 {
    i64::try_from(length.as_nanos()).unwrap_or(i64::MAX)
}

/// The same for a container and for the tasks of a service.
pub(super) fn mount(it: Mount) -> MountBody {
    let body = MountBody { target: Some(it.target), read_only: Some(it.read_only), ..MountBody::default() };
    match it.source {
        MountSource::Bind { path, propagation } => MountBody {
            source: Some(path),
            typ: Some(MountType::BIND),
            bind_options: propagation.and_then(|it| it.parse::<Propagation>().ok()).map(|propagation| {
                MountBindOptions { propagation: Some(propagation), ..MountBindOptions::default() }
            }),
            ..body
        },
        MountSource::Volume { name, no_copy, driver, options, labels } => {
            let driver = (driver.is_some() || !options.is_empty()).then(|| MountVolumeOptionsDriverConfig {
                name: driver,
                options: Some(options.into_iter().collect()),
            });
            MountBody {
                source: name,
                typ: Some(MountType::VOLUME),
                volume_options: Some(MountVolumeOptions {
                    no_copy: Some(no_copy),
                    labels: Some(labels.into_iter().collect()),
                    driver_config: driver,
                    ..MountVolumeOptions::default()
                }),
                ..body
            }
        }
        MountSource::Tmpfs { size, mode } => MountBody {
            typ: Some(MountType::TMPFS),
            tmpfs_options: Some(MountTmpfsOptions {
                size_bytes: size.map(|it| i64::try_from(it.0).unwrap_or(i64::MAX)),
                mode: mode.map(i64::from),
                ..MountTmpfsOptions::default()
            }),
            ..body
        },
    }
}
