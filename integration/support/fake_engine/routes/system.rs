//! The Engine about itself: version, time, events, images and networks.

use std::time::Duration;

use axum::{
    extract::{Path, RawQuery, Request, State},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures::{FutureExt, StreamExt, future::Either};
use serde_json::json;
use tokio::time::timeout;

use super::{answer, body, empty, flow, refuse};
use crate::support::fake_engine::{
    FakeEngine, events, query,
    query::Filters,
    shapes,
    swarm::NODE,
    world::{no_such_container, tagged},
};

pub async fn ping() -> Response {
    ([("Content-Type", "text/plain; charset=utf-8")], "OK").into_response()
}

pub async fn version() -> Response {
    answer(
        200,
        &json!({
            "Platform": { "Name": "" },
            "Components": [{ "Name": "Engine", "Version": "20.10.24", "Details": { "ApiVersion": "1.41" } }],
            "Version": "20.10.24",
            "ApiVersion": "1.41",
            "MinAPIVersion": "1.12",
            "Os": "linux",
            "Arch": "amd64",
        }),
    )
}

pub async fn info(State(engine): State<FakeEngine>) -> Response {
    let world = engine.world();
    let running = world.containers.iter().filter(|container| container.is_running()).count();
    answer(
        200,
        &json!({
            "ID": "FAKE:ENGINE",
            "Name": "engine",
            "ServerVersion": "20.10.24",
            "Containers": world.containers.len(),
            "ContainersRunning": running,
            "SystemTime": format!("{:.9}", world.now()),
            "OSType": "linux",
            "Architecture": "x86_64",
            "NCPU": 2,
            "Swarm": {
                "LocalNodeState": if world.swarm.manages || world.swarm.worker { "active" } else { "inactive" },
                "NodeID": if world.swarm.manages || world.swarm.worker { NODE } else { "" },
                "ControlAvailable": world.swarm.manages,
            },
            "Warnings": null,
        }),
    )
}

/// Replay and subscription are one step under the lock: between them nothing can be lost.
pub async fn events(State(engine): State<FakeEngine>, RawQuery(query): RawQuery) -> Response {
    let parameters = query::parameters(&query.unwrap_or_default());
    let filters = match Filters::parse(&parameters, events::FILTERS) {
        Ok(filters) => filters,
        Err(message) => return refuse(400, &message),
    };
    let moment = |name: &str| match parameters.get(name).filter(|text| !text.is_empty()) {
        None => Ok(None),
        Some(text) => nanoseconds(text).map(Some).ok_or_else(|| format!("invalid {name}: {text}")),
    };
    let (since, until) = match (moment("since"), moment("until")) {
        (Ok(since), Ok(until)) => (since, until),
        (Err(message), _) | (_, Err(message)) => return refuse(400, &message),
    };
    let mut world = engine.world();
    let end = until.map(|until| u64::try_from(until - world.now().as_nanosecond()).unwrap_or(0));
    let receiver = world.events.subscribe(filters, since);
    drop(world);

    let lines = futures::stream::unfold(receiver, |mut receiver| async move {
        receiver.recv().await.map(|line| (line, receiver))
    });
    flow(
        "application/json",
        lines.take_until(match end {
            None => Either::Left(std::future::pending()),
            Some(nanos) => Either::Right(tokio::time::sleep(Duration::from_nanos(nanos)).map(|()| ())),
        }),
    )
}

pub async fn images(State(engine): State<FakeEngine>) -> Response {
    answer(200, &shapes::images(&engine.world()))
}

/// A pull: a stream of progress that ends well, or with an error inside a successful answer, as the Engine's does.
pub async fn pull(State(engine): State<FakeEngine>, RawQuery(query): RawQuery, request: Request) -> Response {
    let shown = request.headers().get("x-registry-auth").and_then(|it| it.to_str().ok()).map(str::to_owned);
    let parameters = query::parameters(&query.unwrap_or_default());
    let from = parameters.get("fromImage").cloned().unwrap_or_default();
    let image = match parameters.get("tag").filter(|tag| !tag.is_empty()) {
        Some(tag) => format!("{from}:{tag}"),
        None => tagged(&from),
    };
    let (error, gate) = {
        let mut world = engine.world();
        world.pulls.push((image.clone(), shown));
        let gate = world.slow_pulls.iter().find(|(slow, _)| *slow == image).map(|(_, gate)| gate.clone());
        (world.pull_error.clone(), gate)
    };
    let line = |line: serde_json::Value| Bytes::from(format!("{line}\r\n"));
    let begin = line(json!({ "status": format!("Pulling from {from}"), "id": image }));
    // Every ten seconds a layer, for as long as it is slow.
    let layers = futures::stream::unfold((gate, 0), move |(gate, number)| async move {
        let gate = gate?;
        timeout(Duration::from_secs(10), gate.released()).await.is_err().then(|| {
            let detail = json!({ "current": 1_000, "total": 1_000 });
            let layer =
                json!({ "status": "Downloading", "id": format!("layer{number}"), "progressDetail": detail });
            (line(layer), (Some(gate), number + 1))
        })
    });
    let end = async move {
        if let Some(message) = error {
            return line(json!({ "errorDetail": { "message": message }, "error": message }));
        }
        engine.world().missing_images.remove(&image);
        line(json!({ "status": format!("Status: Downloaded newer image for {image}") }))
    };
    let lines = futures::stream::iter([begin]).chain(layers).chain(futures::stream::once(end));
    flow("application/json", lines)
}

pub async fn networks(State(engine): State<FakeEngine>) -> Response {
    answer(200, &shapes::network_list(&engine.world()))
}

pub async fn connect(
    State(engine): State<FakeEngine>,
    Path(network): Path<String>,
    mut request: Request,
) -> Response {
    let wanted = match body(&mut request).await {
        Ok(body) => body["Container"].as_str().unwrap_or_default().to_owned(),
        Err(message) => return refuse(400, &message),
    };
    let mut world = engine.world();
    if !world.networks.contains(&network) {
        return refuse(404, &format!("network {network} not found"));
    }
    let Some(container) = world.find_mut(&wanted) else {
        return refuse(404, &no_such_container(&wanted));
    };
    container.networks.push(network.clone());
    let id = container.id.clone();
    if let Some(record) = world.created.iter_mut().find(|record| record.id == id) {
        record.networks.push(network);
    }
    empty(axum::http::StatusCode::OK)
}

/// "seconds" or "seconds.fraction", as nanoseconds since 1970.
fn nanoseconds(text: &str) -> Option<i128> {
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let nanos: i128 = format!("{fraction:0<9}").get(..9)?.parse().ok()?;
    Some(seconds.parse::<i128>().ok()? * 1_000_000_000 + nanos)
}
