//! Services of a Swarm, their tasks and what these print.

use std::time::Duration;

use axum::{
    extract::{Path, RawQuery, Request, State},
    http::StatusCode,
    response::Response,
};
use bytes::{BufMut, Bytes, BytesMut};
use futures::{Stream, StreamExt, stream};
use serde_json::{Value, json};

use super::{RAW_STREAM, answer, body, empty, flow, refuse};
use crate::support::fake_engine::{
    FakeEngine,
    process::{Extent, Listen},
    query::{self, Filters},
    swarm::{NODE, Service, SwarmTask},
};

/// What an Engine says that is in no Swarm.
fn no_manager(engine: &FakeEngine) -> Option<Response> {
    let message = "This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm join\" to connect this \
                   node to swarm and try again.";
    (!engine.world().swarm.manages).then(|| refuse(503, message))
}

pub async fn create(State(engine): State<FakeEngine>, mut request: Request) -> Response {
    if let Some(refusal) = no_manager(&engine) {
        return refusal;
    }
    let auth = request.headers().get("x-registry-auth").and_then(|it| it.to_str().ok()).map(str::to_owned);
    let spec = match body(&mut request).await {
        Ok(spec) => spec,
        Err(message) => return refuse(400, &message),
    };
    let name = spec["Name"].as_str().unwrap_or_default();
    let is_name =
        name.len() <= 63 && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
    if !is_name {
        let message = "rpc error: code = InvalidArgument desc = name must be valid as a DNS name component";
        return refuse(400, message);
    }
    if engine.world().swarm.find(name).is_some() {
        let message = format!(
            "rpc error: code = AlreadyExists desc = name conflicts with an existing object: service {name} already exists"
        );
        return refuse(409, &message);
    }
    let id = engine.make_service(spec, auth);
    answer(201, &json!({ "ID": id }))
}

pub async fn list(State(engine): State<FakeEngine>, RawQuery(query): RawQuery) -> Response {
    if let Some(refusal) = no_manager(&engine) {
        return refusal;
    }
    let filters = match Filters::parse(&query::parameters(&query.unwrap_or_default()), &["label"]) {
        Ok(filters) => filters,
        Err(message) => return refuse(400, &message),
    };
    let labels = |it: &Service| {
        let labels = it.spec["Labels"].as_object().into_iter().flatten();
        labels.map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned())).collect()
    };
    let world = engine.world();
    let found = world.swarm.services.iter().filter(|it| filters.labels(&labels(it)));
    answer(200, &found.map(shape).collect::<Value>())
}

fn shape(it: &Service) -> Value {
    json!({ "ID": it.id, "Version": { "Index": it.version }, "CreatedAt": it.created, "Spec": it.spec })
}

fn not_found(reference: &str) -> Response {
    refuse(404, &format!("service {reference} not found"))
}

pub async fn inspect(State(engine): State<FakeEngine>, Path(reference): Path<String>) -> Response {
    let world = engine.world();
    match world.swarm.find(&reference) {
        Some(it) => answer(200, &shape(it)),
        None => not_found(&reference),
    }
}

pub async fn update(
    State(engine): State<FakeEngine>,
    Path(reference): Path<String>,
    RawQuery(query): RawQuery,
    mut request: Request,
) -> Response {
    let spec = match body(&mut request).await {
        Ok(spec) => spec,
        Err(message) => return refuse(400, &message),
    };
    let version = query::parameters(&query.unwrap_or_default()).get("version").cloned().unwrap_or_default();
    let (id, grace) = {
        let mut world = engine.world();
        let Some(service) =
            world.swarm.services.iter_mut().find(|it| it.id == reference || it.spec["Name"] == *reference)
        else {
            return not_found(&reference);
        };
        if version != service.version.to_string() {
            return refuse(500, "rpc error: code = Unknown desc = update out of sequence");
        }
        service.version += 7;
        service.spec = spec.clone();
        let grace =
            spec["TaskTemplate"]["ContainerSpec"]["StopGracePeriod"].as_u64().unwrap_or(10_000_000_000);
        (service.id.clone(), Duration::from_nanos(grace))
    };
    if let Some(replicas) = spec["Mode"]["Replicated"]["Replicas"].as_u64() {
        engine.scaled(&id, replicas);
        return answer(200, &json!({ "Warnings": null }));
    }
    let wants_none = spec["Mode"]["ReplicatedJob"]["TotalCompletions"] == 0
        || spec["TaskTemplate"]["Placement"]["Constraints"] == json!(["node.id==none"]);
    assert!(wants_none, "an update that is no end is a hole here: {spec}");
    engine.end_tasks(&id, grace);
    answer(200, &json!({ "Warnings": null }))
}

/// As 20.10 does it: the tasks stay.
pub async fn remove(State(engine): State<FakeEngine>, Path(reference): Path<String>) -> Response {
    let mut world = engine.world();
    let Some(id) = world.swarm.find(&reference).map(|it| it.id.clone()) else { return not_found(&reference) };
    world.swarm.services.retain(|it| it.id != id);
    empty(StatusCode::OK)
}

pub async fn tasks(State(engine): State<FakeEngine>, RawQuery(query): RawQuery) -> Response {
    if let Some(refusal) = no_manager(&engine) {
        return refusal;
    }
    match Filters::parse(
        &query::parameters(&query.unwrap_or_default()),
        &["label", "service", "desired-state"],
    ) {
        Ok(filters) => answer(200, &engine.world().tasks(&filters)),
        Err(message) => refuse(400, &message),
    }
}

pub async fn secrets(State(engine): State<FakeEngine>, RawQuery(query): RawQuery) -> Response {
    named(&engine.world().swarm.secrets, query)
}

pub async fn configs(State(engine): State<FakeEngine>, RawQuery(query): RawQuery) -> Response {
    named(&engine.world().swarm.configs, query)
}

/// The filter is by the beginning of the name.
fn named(names: &[String], query: Option<String>) -> Response {
    match Filters::parse(&query::parameters(&query.unwrap_or_default()), &["name"]) {
        Ok(filters) => {
            let found = names.iter().filter(|name| filters.any("name", |wanted| name.starts_with(wanted)));
            answer(
                200,
                &found
                    .map(|name| json!({ "ID": format!("id-of-{name}"), "Spec": { "Name": name } }))
                    .collect::<Value>(),
            )
        }
        Err(message) => refuse(400, &message),
    }
}

pub async fn logs(
    State(engine): State<FakeEngine>,
    Path(reference): Path<String>,
    RawQuery(query): RawQuery,
) -> Response {
    let parameters = query::parameters(&query.unwrap_or_default());
    let world = engine.world();
    let Some(service) = world.swarm.find(&reference).map(|it| it.id.clone()) else {
        return not_found(&reference);
    };
    let tasks = world.swarm.tasks.iter().filter(|it| it.service == service);
    let all: Vec<_> = tasks.map(|task| printed(task, Extent::Follow, 0).boxed()).collect();
    assert!(query::flag(&parameters, "follow") && query::flag(&parameters, "details"), "{parameters:?}");
    let cut = world.outputs.clone();
    // It goes on for as long as the connection does.
    let lines = stream::select_all(all).chain(stream::pending());
    flow(RAW_STREAM, lines.take_until(async move { cut.cancelled().await }))
}

pub async fn task_logs(
    State(engine): State<FakeEngine>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Response {
    let parameters = query::parameters(&query.unwrap_or_default());
    let since = parameters.get("since").and_then(|it| it.parse().ok()).unwrap_or_default();
    let world = engine.world();
    match world.swarm.tasks.iter().find(|it| it.id == id) {
        Some(task) => flow(RAW_STREAM, printed(task, Extent::Present, since)),
        None => refuse(404, &format!("task {id} not found")),
    }
}

/// Each chunk as a message with its time, which is always the same, and its details.
fn printed(task: &SwarmTask, extent: Extent, since: i64) -> impl Stream<Item = Bytes> + Send + use<> {
    let begun = task.created;
    let details = format!(
        "com.docker.swarm.node.id={NODE},com.docker.swarm.service.id={},com.docker.swarm.task.id={}",
        task.service, task.id
    );
    let listen = Listen { stdout: true, stderr: true, tty: false, from: 0, extent };
    task.process.listen(listen).enumerate().filter_map(move |(index, frame)| {
        let at = begun + Duration::from_micros(u64::try_from(index).expect("a few"));
        let head = format!("{at:.9} {details} ");
        let mut out = BytesMut::new();
        out.put_slice(&frame[..4]);
        out.put_u32(u32::try_from(head.len() + frame.len() - 8).expect("a chunk is smaller than 4 GiB"));
        out.put_slice(head.as_bytes());
        out.put_slice(&frame[8..]);
        std::future::ready((at.as_second() >= since).then(|| out.freeze()))
    })
}
