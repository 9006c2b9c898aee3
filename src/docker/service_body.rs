//! What an Engine is asked for a service with: the body of the request. It is plain JSON, for what comes from another
//! service only goes back, and the client library's types for that are a tenth of a megabyte of the binary.

use std::{collections::BTreeSet, time::Duration};

use bollard::models::{
    Mount as MountBody, MountBindOptions, MountBindOptionsPropagationEnum as Propagation, MountTmpfsOptions,
    MountType, MountVolumeOptions, MountVolumeOptionsDriverConfig,
};
use serde_json::{Map, Value, json};

use crate::model::service::{Mount, MountSource, Tasks};

use super::{error::EngineError, services::ServiceRequest};

/// A failed task is put into line again after this long, which is never: its service is removed before. Without a
/// policy of restarting, the Swarm makes up for a failed task of several at once and for ever (seen on 20.10, and so in
/// the source since), for what may not be restarted does not count as one that was wanted.
const NEVER: Duration = Duration::from_secs(365 * 24 * 3600);

/// A task that runs once is not the service that is looked after so. Of a health check, an Engine writes the first, and
/// its API's description has the second.
const NOT_OF_A_RUN: [&str; 4] = ["Healthcheck", "HealthCheck", "TTY", "OpenStdin"];

/// The body; `secrets` and `configs` are as the API has them.
pub(super) fn body(
    request: ServiceRequest,
    secrets: Vec<Value>,
    configs: Vec<Value>,
) -> Result<Value, EngineError> {
    let mut like = request.like.map(|it| it.0).unwrap_or_default();
    let labels: Value = request.labels.into_iter().collect();
    let mut container = object(like.remove("ContainerSpec"));
    for name in NOT_OF_A_RUN {
        container.remove(name);
    }
    // What the field `Command` holds goes over the image's entrypoint.
    let asked = [
        ("Image", request.image.map(Value::from)),
        ("Args", request.argv.map(Value::from)),
        ("User", request.user.map(Value::from)),
        ("Dir", request.workdir.map(Value::from)),
    ];
    for (name, value) in asked {
        put(&mut container, name, value);
    }
    let environment = over(container.remove("Env"), request.environment);
    put(&mut container, "Env", Some(environment.into()));
    put(&mut container, "Labels", Some(labels.clone()));
    put(&mut container, "StopGracePeriod", Some(nanoseconds(request.grace).into()));
    for (name, asked) in [("Mounts", mounts(request.mounts)?), ("Secrets", secrets), ("Configs", configs)] {
        unless_empty(&mut container, name, asked);
    }
    let signed = |amount: u64| Value::from(i64::try_from(amount).unwrap_or(i64::MAX));
    let mut limits = object(object(like.remove("Resources")).remove("Limits"));
    put(&mut limits, "MemoryBytes", request.memory.map(signed));
    put(&mut limits, "NanoCPUs", request.cpus.map(signed));
    let mut placement = object(like.remove("Placement"));
    placement.remove("MaxReplicas");
    unless_empty(&mut placement, "Constraints", request.constraints.into_iter().map(Value::from).collect());
    let mut task = Map::new();
    for name in ["LogDriver", "Runtime", "Networks"] {
        put(&mut task, name, like.remove(name).filter(|it| !it.is_null()));
    }
    // Under its aliases the service is called by others, who must not come to the task of a job.
    for network in task.get_mut("Networks").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(network) = network.as_object_mut() {
            network.remove("Aliases");
        }
    }
    let networks = request.networks.into_iter().map(|name| json!({ "Target": name })).collect();
    unless_empty(&mut task, "Networks", networks);
    let restart = json!({ "Condition": "on-failure", "Delay": nanoseconds(NEVER) });
    put(&mut task, "RestartPolicy", Some(restart));
    put(&mut task, "Resources", Some(Value::from_iter([("Limits", limits)])));
    put(&mut task, "Placement", Some(placement.into()));
    put(&mut task, "ContainerSpec", Some(container.into()));
    let mode = match request.tasks {
        Tasks::Replicas(count) => {
            json!({ "ReplicatedJob": { "MaxConcurrent": count, "TotalCompletions": count } })
        }
        Tasks::EachNode => json!({ "GlobalJob": {} }),
    };
    let fields = [
        ("Name", request.name.into()),
        ("Labels", labels),
        ("TaskTemplate", Value::Object(task)),
        ("Mode", mode),
    ];
    Ok(Value::from_iter(fields))
}

/// The fields that are there.
fn object(it: Option<Value>) -> Map<String, Value> {
    let Some(Value::Object(mut fields)) = it else { return Map::new() };
    fields.retain(|_, value| !value.is_null());
    fields
}

fn put(of: &mut Map<String, Value>, name: &str, value: Option<Value>) {
    if let Some(value) = value {
        of.insert(name.to_owned(), value);
    }
}

/// What was asked for, else what the template has.
fn unless_empty(of: &mut Map<String, Value>, name: &str, asked: Vec<Value>) {
    if !asked.is_empty() || !of.contains_key(name) {
        of.insert(name.to_owned(), asked.into());
    }
}

/// Variables over those of a template: of one name there is one.
fn over(template: Option<Value>, ours: Vec<String>) -> Vec<Value> {
    let name = |it: &str| it.split('=').next().unwrap_or_default().to_owned();
    let set: BTreeSet<String> = ours.iter().map(|it| name(it)).collect();
    let Some(Value::Array(mut all)) = template else { return ours.into_iter().map(Value::from).collect() };
    all.retain(|it| it.as_str().is_some_and(|it| !set.contains(&name(it))));
    all.extend(ours.into_iter().map(Value::from));
    all
}

fn nanoseconds(length: Duration) -> i64 {
    i64::try_from(length.as_nanos()).unwrap_or(i64::MAX)
}

/// By way of a text, which the mounts of a container become anyway: it is the writer that is in the binary already.
fn mounts(all: Vec<Mount>) -> Result<Vec<Value>, EngineError> {
    let all: Vec<MountBody> = all.into_iter().map(mount).collect();
    let read = serde_json::to_vec(&all).and_then(|text| serde_json::from_slice(&text));
    read.map_err(|error| EngineError::Malformed(error.to_string()))
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

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::{super::services::Template, *};

    fn request(like: &Value) -> ServiceRequest {
        ServiceRequest {
            name: "run".to_owned(),
            like: like.as_object().cloned().map(Template),
            image: None,
            argv: None,
            environment: vec!["B=ours".to_owned()],
            user: None,
            workdir: None,
            networks: Vec::new(),
            mounts: Vec::new(),
            secrets: Vec::new(),
            configs: Vec::new(),
            constraints: Vec::new(),
            tasks: Tasks::EachNode,
            memory: None,
            cpus: None,
            grace: Duration::from_secs(2),
            labels: HashMap::from([("l".to_owned(), "run".to_owned())]),
            credentials: None,
        }
    }

    /// As an Engine tells it.
    fn template() -> Value {
        json!({
            "ContainerSpec": {
                "Image": "app:1", "Command": ["/entry"], "Args": ["serve"], "Hostname": "h", "Dir": "/srv", "User": "1",
                "Labels": { "of": "it" }, "Env": ["A=its", "B=its"], "Groups": null, "TTY": true, "OpenStdin": true,
                "Healthcheck": { "Test": ["NONE"] }, "Init": false, "Isolation": "default", "ReadOnly": true,
                "Privileges": { "NoNewPrivileges": true, "Seccomp": { "Mode": "default" } },
                "StopGracePeriod": 9, "StopSignal": "INT", "Hosts": ["1.2.3.4 x"], "DNSConfig": { "Search": ["y"] },
                "Mounts": [{ "Type": "volume", "Source": "v", "Target": "/v" }], "Secrets": null,
                "Configs": [{ "ConfigID": "i", "ConfigName": "c", "File": { "Name": "/c", "Mode": 292 } }],
                "Sysctls": { "a": "1" }, "CapabilityAdd": ["CAP_X"], "Ulimits": [{ "Name": "nofile", "Hard": 2, "Soft": 1 }],
            },
            "Resources": { "Limits": { "MemoryBytes": 5, "Pids": 7 }, "Reservations": { "NanoCPUs": 1 } },
            "RestartPolicy": { "Condition": "any", "MaxAttempts": 4 },
            "Placement": {
                "Constraints": ["node.role==worker"], "MaxReplicas": 1,
                "Preferences": [{ "Spread": { "SpreadDescriptor": "z" } }],
                "Platforms": [{ "Architecture": "amd64", "OS": "linux" }],
            },
            "Networks": [{ "Target": "n", "Aliases": ["app"], "DriverOpts": { "o": "1" } }],
            "LogDriver": { "Name": "local", "Options": { "max-size": "1m" } },
            "ForceUpdate": 3,
            "Runtime": "container",
        })
    }

    #[test]
    fn a_template_gives_what_a_run_is_like_and_nothing_that_looks_after_a_service() {
        let body = body(request(&template()), Vec::new(), Vec::new()).unwrap();
        let mut expected = template();
        let container = expected["ContainerSpec"].as_object_mut().unwrap();
        for gone in ["Groups", "TTY", "OpenStdin", "Healthcheck"] {
            container.remove(gone);
        }
        container["Labels"] = json!({ "l": "run" });
        container["Env"] = json!(["A=its", "B=ours"]);
        container["StopGracePeriod"] = json!(2_000_000_000);
        container["Secrets"] = json!([]);
        expected["Resources"] = json!({ "Limits": { "MemoryBytes": 5, "Pids": 7 } });
        expected["RestartPolicy"] = json!({ "Condition": "on-failure", "Delay": 31_536_000_000_000_000_u64 });
        expected["Placement"].as_object_mut().unwrap().remove("MaxReplicas");
        expected["Networks"] = json!([{ "Target": "n", "DriverOpts": { "o": "1" } }]);
        expected.as_object_mut().unwrap().remove("ForceUpdate");
        let expected = json!({
            "Name": "run", "Labels": { "l": "run" }, "TaskTemplate": expected, "Mode": { "GlobalJob": {} },
        });
        assert_eq!(body, expected);
        // The library's types have the names of the API.
        let known: bollard::models::ServiceSpec = serde_json::from_value(body).unwrap();
        assert_eq!(serde_json::to_value(known).unwrap(), expected);
    }

    #[test]
    fn what_is_asked_for_goes_over_the_template() {
        let mount = Mount {
            source: MountSource::Tmpfs { size: None, mode: Some(0o700) },
            target: "/t".to_owned(),
            read_only: false,
            text: String::new(),
        };
        let asked = ServiceRequest {
            image: Some("app:2".to_owned()),
            argv: Some(vec!["dump".to_owned()]),
            user: Some("2".to_owned()),
            workdir: Some("/".to_owned()),
            networks: vec!["m".to_owned()],
            mounts: vec![mount],
            constraints: vec!["a==b".to_owned()],
            tasks: Tasks::Replicas(2),
            memory: Some(6),
            cpus: Some(u64::MAX),
            ..request(&template())
        };
        let body = body(asked, vec![json!("s")], vec![json!("c")]).unwrap();
        let task = &body["TaskTemplate"];
        let container = &task["ContainerSpec"];
        assert_eq!((&container["Image"], &container["Args"]), (&json!("app:2"), &json!(["dump"])));
        assert_eq!((&container["User"], &container["Dir"]), (&json!("2"), &json!("/")));
        assert_eq!(container["Command"], json!(["/entry"]));
        let mount =
            json!({ "Target": "/t", "Type": "tmpfs", "ReadOnly": false, "TmpfsOptions": { "Mode": 0o700 } });
        assert_eq!(container["Mounts"], json!([mount]));
        assert_eq!((&container["Secrets"], &container["Configs"]), (&json!(["s"]), &json!(["c"])));
        assert_eq!(task["Networks"], json!([{ "Target": "m" }]));
        assert_eq!(task["Placement"]["Constraints"], json!(["a==b"]));
        let limits = json!({ "MemoryBytes": 6, "NanoCPUs": i64::MAX, "Pids": 7 });
        assert_eq!(task["Resources"], json!({ "Limits": limits }));
        assert_eq!(body["Mode"], json!({ "ReplicatedJob": { "MaxConcurrent": 2, "TotalCompletions": 2 } }));
    }

    #[test]
    fn without_a_template_there_is_what_was_asked_for() {
        let body = body(request(&Value::Null), Vec::new(), Vec::new()).unwrap();
        let expected = json!({
            "ContainerSpec": {
                "Env": ["B=ours"], "Labels": { "l": "run" }, "StopGracePeriod": 2_000_000_000,
                "Mounts": [], "Secrets": [], "Configs": [],
            },
            "Networks": [],
            "Placement": { "Constraints": [] },
            "Resources": { "Limits": {} },
            "RestartPolicy": { "Condition": "on-failure", "Delay": 31_536_000_000_000_000_u64 },
        });
        assert_eq!(body["TaskTemplate"], expected);
    }
}
