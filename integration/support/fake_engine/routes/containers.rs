//! Containers: seen, created, run, waited for and removed.

use std::collections::BTreeMap;

use axum::{
    extract::{Path, RawQuery, Request, State},
    http::StatusCode,
    response::Response,
};
use bytes::Bytes;
use serde_json::{Value, json};
use tokio::{sync::watch, time::timeout};

use super::{RAW_STREAM, answer, body, empty, flow, grace, hijack, refuse, signal_number, strings};
use crate::support::fake_engine::{
    FakeEngine,
    process::{Extent, Listen, Process},
    query::{self, Filters},
    shapes,
    spec::CreateRecord,
    world::{self, Container, Life, World, no_such_container, no_such_image, tagged},
};

pub async fn list(State(engine): State<FakeEngine>, RawQuery(query): RawQuery) -> Response {
    let parameters = query::parameters(&query.unwrap_or_default());
    let listed = Filters::parse(&parameters, shapes::LIST_FILTERS)
        .and_then(|filters| shapes::list(&engine.world(), &filters, query::flag(&parameters, "all")));
    match listed {
        Ok(list) => answer(200, &list),
        Err(message) => refuse(400, &message),
    }
}

pub async fn inspect(State(engine): State<FakeEngine>, Path(reference): Path<String>) -> Response {
    match engine.world().find(&reference) {
        Some(container) => answer(200, &shapes::inspection(container)),
        None => refuse(404, &no_such_container(&reference)),
    }
}

/// Unpacks an archive of one file.
pub async fn put_archive(
    State(engine): State<FakeEngine>,
    Path(reference): Path<String>,
    RawQuery(query): RawQuery,
    request: Request,
) -> Response {
    let parameters = query::parameters(&query.unwrap_or_default());
    let Ok(archive) = axum::body::to_bytes(request.into_body(), usize::MAX).await else {
        return refuse(400, "unexpected EOF");
    };
    let mut world = engine.world();
    let Some(container) = world.find_mut(&reference) else {
        return refuse(404, &no_such_container(&reference));
    };
    let directory = parameters.get("path").cloned().unwrap_or_default();
    if container.read_only && !container.volumes.contains(&directory) {
        return refuse(403, "container rootfs is marked read-only");
    }
    let name = archive.split(|byte| *byte == 0).next().unwrap_or_default();
    let file = format!("{}/{}", directory.trim_end_matches('/'), String::from_utf8_lossy(name));
    container.files.push(file);
    empty(StatusCode::OK)
}

pub async fn create(
    State(engine): State<FakeEngine>,
    RawQuery(query): RawQuery,
    mut request: Request,
) -> Response {
    let parameters = query::parameters(&query.unwrap_or_default());
    let body = match body(&mut request).await {
        Ok(body) => body,
        Err(message) => return refuse(400, &message),
    };
    let (record, rule) = {
        let mut world = engine.world();
        let id = world.next_id();
        let name = parameters.get("name").map_or_else(|| format!("nameless_{}", &id[..8]), Clone::clone);
        (requested(id, name.trim_start_matches('/').to_owned(), body), world.run_rule.clone())
    };
    // The rule is the test's code, and may use the Engine.
    let behaviour = rule(&record);
    let mut world = engine.world();
    if let Some((status, message)) = &behaviour.create_error {
        return refuse(*status, message);
    }
    if let Some(refusal) = conflict(&world, &record) {
        return refusal;
    }
    let container = Container {
        id: record.id.clone(),
        name: record.name.clone(),
        image: record.image.clone(),
        labels: record.labels.clone(),
        networks: record.networks.clone(),
        cmd: record.cmd.clone(),
        env: record.env.clone(),
        tty: record.body["Tty"].as_bool().unwrap_or_default(),
        auto_remove: record.body["HostConfig"]["AutoRemove"].as_bool().unwrap_or_default(),
        stop_timeout: record.body["StopTimeout"].as_i64(),
        health: None,
        state: world::State::Created,
        strange_state: None,
        created: world.now(),
        started: None,
        finished: None,
        read_only: false,
        volumes: Vec::new(),
        binds: Vec::new(),
        files: Vec::new(),
        behaviour,
        process: Process::new(),
        life: watch::Sender::default(),
    };
    world.created.push(record);
    let id = world.insert(container);
    answer(201, &json!({ "Id": id, "Warnings": [] }))
}

/// A create body as a record of what was asked for.
fn requested(id: String, name: String, body: Value) -> CreateRecord {
    let labels = body["Labels"].as_object().into_iter().flatten();
    let labels: BTreeMap<String, String> =
        labels.map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned())).collect();
    let endpoints = body["NetworkingConfig"]["EndpointsConfig"].as_object().into_iter().flatten();
    let mut networks: Vec<String> = endpoints.map(|(network, _)| network.clone()).collect();
    let mode = body["HostConfig"]["NetworkMode"].as_str().unwrap_or("default");
    match mode {
        "default" | "" if networks.is_empty() => networks.push("bridge".into()),
        "default" | "" => {}
        mode if networks.iter().any(|network| network == mode) => {}
        mode => networks.insert(0, mode.to_owned()),
    }
    CreateRecord {
        id,
        name,
        image: body["Image"].as_str().unwrap_or_default().to_owned(),
        cmd: strings(&body["Cmd"]),
        env: strings(&body["Env"]),
        labels,
        networks,
        body,
    }
}

/// Why the Engine would not create this container.
fn conflict(world: &World, record: &CreateRecord) -> Option<Response> {
    if record.image.is_empty() {
        return Some(refuse(400, "No image specified"));
    }
    if world.missing_images.contains(&tagged(&record.image)) {
        return Some(refuse(404, &no_such_image(&record.image)));
    }
    let holder = world.containers.iter().find(|container| container.name == record.name)?;
    let message = format!(
        "Conflict. The container name \"/{}\" is already in use by container \"{}\". You have to remove (or rename) that \
         container to be able to reuse that name.",
        record.name, holder.id
    );
    Some(refuse(409, &message))
}

pub async fn start(State(engine): State<FakeEngine>, Path(reference): Path<String>) -> Response {
    let id = {
        let mut world = engine.world();
        let missing = {
            let Some(container) = world.find(&reference) else {
                return refuse(404, &no_such_container(&reference));
            };
            if container.is_running() {
                return empty(StatusCode::NOT_MODIFIED);
            }
            container.networks.iter().find(|network| !world.networks.contains(*network)).cloned()
        };
        if let Some(network) = missing.filter(|network| !network.starts_with("container:")) {
            return refuse(404, &format!("network {network} not found"));
        }
        let container = world.find_mut(&reference).expect("it was found above");
        if let Some((status, message)) = container.behaviour.start_error.clone() {
            // It stays "created", and says with which code it failed.
            let code = container.behaviour.script.exit;
            container.life.send_modify(|life| life.last_exit = code);
            return refuse(status, &message);
        }
        container.id.clone()
    };
    engine.begin(&id);
    empty(StatusCode::NO_CONTENT)
}

pub async fn stop(
    State(engine): State<FakeEngine>,
    Path(reference): Path<String>,
    RawQuery(query): RawQuery,
) -> Response {
    let parameters = query::parameters(&query.unwrap_or_default());
    let signal = parameters.get("signal").and_then(|name| signal_number(name)).unwrap_or(15);
    let (id, own, mut life) = {
        let mut world = engine.world();
        let (id, own, life) = match world.find(&reference) {
            None => return refuse(404, &no_such_container(&reference)),
            Some(container) if !container.is_running() => return empty(StatusCode::NOT_MODIFIED),
            Some(container) => (container.id.clone(), container.stop_timeout, container.life.subscribe()),
        };
        if world.signal(&id, signal) {
            world.stopped(&id);
            return empty(StatusCode::NO_CONTENT);
        }
        (id, own, life)
    };
    // It did not obey; it may still end by itself before the last signal.
    let exits = life.borrow().exits;
    let ended = timeout(grace(&parameters, own), life.wait_for(|life| life.exits > exits || life.removed))
        .await
        .is_ok();
    let mut world = engine.world();
    if !ended && world.find(&id).is_some_and(Container::is_running) {
        world.signal(&id, 9);
    }
    world.stopped(&id);
    empty(StatusCode::NO_CONTENT)
}

pub async fn kill(
    State(engine): State<FakeEngine>,
    Path(reference): Path<String>,
    RawQuery(query): RawQuery,
) -> Response {
    let parameters = query::parameters(&query.unwrap_or_default());
    let signal = match parameters.get("signal").filter(|name| !name.is_empty()) {
        None => 9,
        Some(name) => match signal_number(name) {
            Some(signal) => signal,
            None => return refuse(400, &format!("Invalid signal: {name}")),
        },
    };
    let mut world = engine.world();
    let Some((id, running)) = world.find(&reference).map(|c| (c.id.clone(), c.is_running())) else {
        return refuse(404, &no_such_container(&reference));
    };
    if !running {
        return refuse(409, &format!("Cannot kill container: {reference}: Container {id} is not running"));
    }
    world.signal(&id, signal);
    empty(StatusCode::NO_CONTENT)
}

pub async fn remove(
    State(engine): State<FakeEngine>,
    Path(reference): Path<String>,
    RawQuery(query): RawQuery,
) -> Response {
    let force = query::flag(&query::parameters(&query.unwrap_or_default()), "force");
    let mut world = engine.world();
    let Some((id, running)) = world.find(&reference).map(|c| (c.id.clone(), c.is_running())) else {
        return refuse(404, &no_such_container(&reference));
    };
    if running && !force {
        return refuse(
            409,
            &format!(
                "You cannot remove a running container {id}. Stop the container before attempting removal or force remove"
            ),
        );
    }
    if running {
        world.signal(&id, 9);
    }
    // With `AutoRemove` its death has removed it.
    if world.find(&id).is_some() {
        world.destroy(&id);
    }
    empty(StatusCode::NO_CONTENT)
}

/// Headers at once, so that the client knows that it waits; the body when there is something to tell.
pub async fn wait(
    State(engine): State<FakeEngine>,
    Path(reference): Path<String>,
    RawQuery(query): RawQuery,
) -> Response {
    let parameters = query::parameters(&query.unwrap_or_default());
    let condition = parameters.get("condition").map_or("not-running", String::as_str);
    let world = engine.world();
    let Some(container) = world.find(&reference) else {
        return refuse(404, &no_such_container(&reference));
    };
    let mut life = container.life.subscribe();
    let before = life.borrow().exits;
    let reached: fn(&Life, u64) -> bool = match condition {
        "not-running" | "" if !container.is_running() => |_, _| true,
        "not-running" | "" | "next-exit" => |life, before| life.exits > before || life.removed,
        "removed" => |life, _| life.removed,
        other => return refuse(400, &format!("invalid condition: \"{other}\"")),
    };
    drop(world);
    let exit = async move {
        // An error would mean that the container is gone; its last words still count.
        let _ = life.wait_for(|life| reached(life, before)).await;
        let code = life.borrow().last_exit;
        Bytes::from(format!("{}\n", json!({ "Error": null, "StatusCode": code })))
    };
    flow("application/json", futures::stream::once(exit))
}

pub async fn attach(
    State(engine): State<FakeEngine>,
    Path(reference): Path<String>,
    RawQuery(query): RawQuery,
    mut request: Request,
) -> Response {
    let parameters = query::parameters(&query.unwrap_or_default());
    let (output, cut) = {
        let mut world = engine.world();
        let cut = world.outputs.clone();
        let Some(container) = world.find(&reference) else {
            return refuse(404, &no_such_container(&reference));
        };
        let past = query::flag(&parameters, "logs");
        let listen = Listen {
            from: if past { 0 } else { container.process.chunks() },
            extent: Extent::follow(query::flag(&parameters, "stream")),
            ..listen(container, &parameters)
        };
        let (output, id) = (container.process.listen(listen), container.id.clone());
        world.emit(&id, "attach", &[]);
        (output, cut)
    };
    hijack(&mut request, output, cut)
}

/// The output of the last run. `tail` counts chunks; times are not looked at.
pub async fn logs(
    State(engine): State<FakeEngine>,
    Path(reference): Path<String>,
    RawQuery(query): RawQuery,
) -> Response {
    let parameters = query::parameters(&query.unwrap_or_default());
    let world = engine.world();
    let Some(container) = world.find(&reference) else {
        return refuse(404, &no_such_container(&reference));
    };
    let listen = listen(container, &parameters);
    if !listen.stdout && !listen.stderr {
        return refuse(400, "Bad parameters: you must choose at least one stream");
    }
    let tail = parameters.get("tail").and_then(|tail| tail.parse::<usize>().ok());
    let from = tail.map_or(0, |tail| container.process.chunks().saturating_sub(tail));
    let extent = Extent::follow(query::flag(&parameters, "follow") && container.is_running());
    flow(RAW_STREAM, container.process.listen(Listen { from, extent, ..listen }))
}

fn listen(container: &Container, parameters: &BTreeMap<String, String>) -> Listen {
    Listen {
        stdout: query::flag(parameters, "stdout"),
        stderr: query::flag(parameters, "stderr"),
        tty: container.tty,
        from: 0,
        extent: Extent::Present,
    }
}
