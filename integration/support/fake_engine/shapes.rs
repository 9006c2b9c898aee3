//! The JSON shapes of Engine 20.10 (API 1.41).

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{
    query::Filters,
    world::{Container, Exec, State, World, digest},
};

/// The filters of `/containers/json` that this Engine knows.
pub const LIST_FILTERS: &[&str] = &["status", "label", "name", "id", "health", "network", "ancestor"];

const STATUSES: &[&str] = &["created", "running", "paused", "restarting", "removing", "exited", "dead"];

/// What the Engine says when a moment never came.
const NEVER: &str = "0001-01-01T00:00:00Z";

/// The containers that a list shows, newest first.
pub fn list(world: &World, filters: &Filters, all: bool) -> Result<Value, String> {
    if let Some(bad) =
        filters.values("status").unwrap_or_default().iter().find(|s| !STATUSES.contains(&s.as_str()))
    {
        return Err(format!("Invalid filter 'status={bad}'"));
    }
    let all = all || filters.values("status").is_some();
    let now = world.now();
    let shown = world.containers.iter().rev().filter(|container| {
        (all || container.is_running() || container.strange_state.is_some())
            && filters
                .any("status", |status| status == container.shown_state() || is_podmans(container, status))
            && filters
                .any("name", |name| format!("/{}", container.name).contains(name.trim_matches(['^', '$'])))
            && filters.any("id", |id| container.id.starts_with(id))
            && filters.any("ancestor", |image| image == container.image)
            && filters.any("network", |network| container.networks.iter().any(|given| given == network))
            && filters
                .any("health", |health| health == container.health.map_or("none", super::Health::as_str))
            && filters.labels(&container.labels)
    });
    Ok(shown.map(|container| summary(container, now)).collect())
}

/// Podman counts one that has just stopped among those that have ended, and shows its own word for it.
fn is_podmans(container: &Container, status: &str) -> bool {
    status == "exited" && container.shown_state() == "stopped"
}

fn summary(container: &Container, now: Timestamp) -> Value {
    json!({
        "Id": container.id,
        "Names": [format!("/{}", container.name)],
        "Image": container.image,
        "ImageID": image_id(&container.image),
        "Command": container.cmd.join(" "),
        "Created": container.created.as_second(),
        "Ports": [],
        "Labels": container.labels,
        "State": container.shown_state(),
        "Status": status(container, now),
        "HostConfig": { "NetworkMode": network_mode(container) },
        "NetworkSettings": { "Networks": networks(&container.networks) },
        "Mounts": [],
    })
}

pub fn inspection(container: &Container) -> Value {
    let state = container.state;
    let moment = |at: Option<Timestamp>| at.map_or(NEVER.to_owned(), |at| at.to_string());
    let mut shown_state = json!({
        "Status": container.shown_state(),
        "Running": container.is_running(),
        "Paused": state == State::Paused,
        "Restarting": false,
        "OOMKilled": false,
        "Dead": false,
        "Pid": if container.is_running() { 4242 } else { 0 },
        "ExitCode": container.life.borrow().last_exit,
        "Error": "",
        "StartedAt": moment(container.started),
        "FinishedAt": moment(container.finished),
    });
    if let Some(health) = container.health {
        shown_state["Health"] = json!({ "Status": health.as_str(), "FailingStreak": 0, "Log": [] });
    }
    let volumes = container.volumes.iter();
    let volumes =
        volumes.map(|it| json!({ "Type": "volume", "Name": digest(it), "Destination": it, "RW": true }));
    let binds = container.binds.iter();
    let binds = binds.map(
        |(source, target)| json!({ "Type": "bind", "Source": source, "Destination": target, "RW": true }),
    );
    let mounts: Vec<Value> = volumes.chain(binds).collect();
    json!({
        "Id": container.id,
        "Created": container.created.to_string(),
        "Path": container.cmd.first(),
        "Args": container.cmd.get(1..).unwrap_or_default(),
        "State": shown_state,
        "Image": image_id(&container.image),
        "Name": format!("/{}", container.name),
        "RestartCount": 0,
        "Driver": "overlay2",
        "Platform": "linux",
        "HostConfig": {
            "NetworkMode": network_mode(container),
            "AutoRemove": container.auto_remove,
            "ReadonlyRootfs": container.read_only,
        },
        "Mounts": mounts,
        "Config": {
            "Hostname": &container.id[..12],
            "User": "",
            "Tty": container.tty,
            "Env": container.env,
            "Cmd": container.cmd,
            "Image": container.image,
            "Labels": container.labels,
            "StopTimeout": container.stop_timeout,
        },
        "NetworkSettings": { "Networks": networks(&container.networks) },
    })
}

/// An inspection of an exec. Each one counts: the code may be late.
pub fn exec_inspection(exec: &mut Exec) -> Value {
    let mut exit = exec.process.exit();
    let mut running = exec.started.is_some() && exit.is_none();
    if exit.is_some() && exec.process.is_closed() {
        if exec.behaviour.inspects_running > 0 {
            exec.behaviour.inspects_running -= 1;
            running = true;
            exit = None;
        } else if exec.behaviour.inspects_without_code > 0 {
            exec.behaviour.inspects_without_code -= 1;
            exit = None;
        }
    }
    json!({
        "ID": exec.request.id,
        "Running": running,
        "ExitCode": exit,
        "ProcessConfig": {
            "tty": exec.listen.tty,
            "entrypoint": exec.request.cmd.first(),
            "arguments": exec.request.cmd.get(1..).unwrap_or_default(),
            "privileged": false,
        },
        "OpenStdin": false,
        "OpenStderr": exec.listen.stderr,
        "OpenStdout": exec.listen.stdout,
        "CanRemove": exit.is_some(),
        "ContainerID": exec.request.container_id,
        "DetachKeys": "",
        "Pid": if exec.started.is_some() && !exec.behaviour.never_starts { 4243 } else { 0 },
    })
}

pub fn images(world: &World) -> Value {
    let counted = world.containers.iter().fold(BTreeMap::<&str, u32>::new(), |mut counted, container| {
        *counted.entry(&container.image).or_default() += 1;
        counted
    });
    counted
        .into_iter()
        .map(|(image, containers)| {
            json!({
                "Id": image_id(image),
                "ParentId": "",
                "RepoTags": [image],
                "RepoDigests": [],
                "Created": 0,
                "Size": 1,
                "SharedSize": -1,
                "VirtualSize": 1,
                "Labels": {},
                "Containers": containers,
            })
        })
        .collect()
}

pub fn network_list(world: &World) -> Value {
    world
        .networks
        .iter()
        .map(|name| json!({ "Name": name, "Id": digest(name), "Scope": "local", "Driver": "bridge", "Labels": {} }))
        .collect()
}

pub fn image_id(image: &str) -> String {
    format!("sha256:{}", digest(image))
}

fn network_mode(container: &Container) -> String {
    container.networks.first().cloned().unwrap_or_else(|| "none".into())
}

fn networks(names: &[String]) -> Map<String, Value> {
    names.iter().map(|name| (name.clone(), json!({ "NetworkID": digest(name), "IPAddress": "" }))).collect()
}

/// The sentence in lists, such as "Up 5 minutes (healthy)".
fn status(container: &Container, now: Timestamp) -> String {
    let since = |at: Option<Timestamp>| {
        at.map_or_else(|| "Less than a second".into(), |at| human(now.duration_since(at).as_secs()))
    };
    match container.state {
        State::Created => "Created".into(),
        State::Exited => {
            format!("Exited ({}) {} ago", container.life.borrow().last_exit, since(container.finished))
        }
        State::Paused => format!("Up {} (Paused)", since(container.started)),
        State::Running => {
            let health = match container.health {
                None => String::new(),
                Some(super::Health::Starting) => " (health: starting)".into(),
                Some(health) => format!(" ({})", health.as_str()),
            };
            format!("Up {}{health}", since(container.started))
        }
    }
}

/// A length of time in the Engine's words.
fn human(seconds: i64) -> String {
    let hours = (seconds + 1800) / 3600;
    match seconds {
        ..1 => "Less than a second".into(),
        1 => "1 second".into(),
        2..60 => format!("{seconds} seconds"),
        60..120 => "About a minute".into(),
        120..3600 => format!("{} minutes", seconds / 60),
        _ if hours == 1 => "About an hour".into(),
        _ if hours < 48 => format!("{hours} hours"),
        _ if hours < 24 * 14 => format!("{} days", hours / 24),
        _ if hours < 24 * 60 => format!("{} weeks", hours / 24 / 7),
        _ if hours < 24 * 365 * 2 => format!("{} months", hours / 24 / 30),
        _ => format!("{} years", hours / 24 / 365),
    }
}
