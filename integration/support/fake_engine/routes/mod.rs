//! The Engine's HTTP API: which request is answered by what.

mod actions;
mod containers;
mod execs;
mod services;
mod system;

use std::{convert::Infallible, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{HeaderValue, StatusCode, header::CONTENT_TYPE},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::{delete, get, post, put},
};
use bytes::Bytes;
use futures::{Stream, StreamExt};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::{FakeEngine, faults::Verdict, process::pump};

/// The type of raw and multiplexed output.
const RAW_STREAM: &str = "application/vnd.docker.raw-stream";

/// A router for one connection, whose one request has met its fate already.
pub fn router(engine: FakeEngine, verdict: Verdict) -> Router {
    Router::new()
        .route("/_ping", get(system::ping))
        .route("/version", get(system::version))
        .route("/info", get(system::info))
        .route("/events", get(system::events))
        .route("/images/json", get(system::images))
        .route("/images/create", post(system::pull))
        .route("/networks", get(system::networks))
        .route("/networks/{id}/connect", post(system::connect))
        .route("/containers/json", get(containers::list))
        .route("/containers/create", post(containers::create))
        .route("/containers/{id}", delete(containers::remove))
        .route("/containers/{id}/json", get(containers::inspect))
        .route("/containers/{id}/start", post(containers::start))
        .route("/containers/{id}/stop", post(containers::stop))
        .route("/containers/{id}/kill", post(containers::kill))
        .route("/containers/{id}/restart", post(actions::restart))
        .route("/containers/{id}/pause", post(actions::pause))
        .route("/containers/{id}/unpause", post(actions::unpause))
        .route("/containers/{id}/wait", post(containers::wait))
        .route("/containers/{id}/attach", post(containers::attach))
        .route("/containers/{id}/logs", get(containers::logs))
        .route("/containers/{id}/archive", put(containers::put_archive))
        .route("/containers/{id}/exec", post(execs::create))
        .route("/services", get(services::list))
        .route("/services/create", post(services::create))
        .route("/services/{id}", get(services::inspect).delete(services::remove))
        .route("/services/{id}/update", post(services::update))
        .route("/services/{id}/logs", get(services::logs))
        .route("/tasks", get(services::tasks))
        .route("/tasks/{id}/logs", get(services::task_logs))
        .route("/secrets", get(services::secrets))
        .route("/configs", get(services::configs))
        .route("/exec/{id}/start", post(execs::start))
        .route("/exec/{id}/json", get(execs::inspect))
        .fallback(unknown)
        .method_not_allowed_fallback(unknown)
        .layer(from_fn_with_state(verdict, meet_fate))
        .with_state(engine)
}

async fn unknown(State(engine): State<FakeEngine>, request: Request) -> Response {
    engine.world().unknown.push(format!("{} {}", request.method(), request.uri().path()));
    refuse(404, "page not found")
}

/// Carries out the verdict on this request, and adds the headers that every answer has.
async fn meet_fate(State(verdict): State<Verdict>, request: Request, next: Next) -> Response {
    let mut response = match verdict {
        Verdict::Pass | Verdict::LoseAnswer => next.run(request).await,
        Verdict::Fail { status, message } => refuse(status, &message),
        Verdict::HoldRequest(gate) => {
            gate.released().await;
            next.run(request).await
        }
        Verdict::HoldAnswer(gate) => {
            let response = next.run(request).await;
            gate.released().await;
            response
        }
    };
    let headers = response.headers_mut();
    headers.insert("Api-Version", HeaderValue::from_static("1.41"));
    headers.insert("Ostype", HeaderValue::from_static("linux"));
    headers.insert("Server", HeaderValue::from_static("Docker/20.10.24 (linux)"));
    response
}

/// An error as the Engine puts it.
fn refuse(status: u16, message: &str) -> Response {
    answer(status, &json!({ "message": message }))
}

fn answer(status: u16, body: &Value) -> Response {
    let status = StatusCode::from_u16(status).expect("a test stages a real status");
    (status, [(CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

fn empty(status: StatusCode) -> Response {
    status.into_response()
}

/// An answer whose headers go out at once and whose body follows as it comes.
fn flow(kind: &'static str, body: impl Stream<Item = Bytes> + Send + 'static) -> Response {
    ([(CONTENT_TYPE, kind)], Body::from_stream(body.map(Ok::<_, Infallible>))).into_response()
}

/// Output on a connection taken over from HTTP, or as a plain body for a client that did not ask for that.
fn hijack(
    request: &mut Request,
    output: impl Stream<Item = Bytes> + Send + 'static,
    cut: CancellationToken,
) -> Response {
    if !request.headers().contains_key("upgrade") {
        return flow(RAW_STREAM, output.take_until(async move { cut.cancelled().await }));
    }
    let upgraded = hyper::upgrade::on(request);
    tokio::spawn(async move {
        // A client that went away between request and upgrade gets nothing.
        if let Ok(connection) = upgraded.await {
            pump(TokioIo::new(connection), output, cut).await;
        }
    });
    let headers = [("Connection", "Upgrade"), ("Upgrade", "tcp"), ("Content-Type", RAW_STREAM)];
    (StatusCode::SWITCHING_PROTOCOLS, headers).into_response()
}

/// A whole request body as JSON; an empty one is null.
async fn body(request: &mut Request) -> Result<Value, String> {
    let taken = std::mem::take(request.body_mut());
    let bytes = axum::body::to_bytes(taken, usize::MAX).await.map_err(|error| error.to_string())?;
    if bytes.is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_slice(&bytes).map_err(|error| error.to_string())
}

/// A list of strings in a body; absent is empty.
fn strings(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).map(ToOwned::to_owned).collect()
}

/// How long after the first signal of a stop the last one follows: its `t` parameter, else what the container has.
fn grace(parameters: &std::collections::BTreeMap<String, String>, own: Option<i64>) -> Duration {
    let seconds = parameters.get("t").and_then(|t| t.parse().ok()).or(own).unwrap_or(10);
    u64::try_from(seconds).map_or(Duration::MAX, Duration::from_secs)
}

/// A signal by name (with or without SIG) or number.
fn signal_number(name: &str) -> Option<u8> {
    let name = name.to_ascii_uppercase();
    Some(match name.strip_prefix("SIG").unwrap_or(&name) {
        "HUP" => 1,
        "INT" => 2,
        "QUIT" => 3,
        "ABRT" => 6,
        "KILL" => 9,
        "USR1" => 10,
        "USR2" => 12,
        "TERM" => 15,
        number => return number.parse().ok().filter(|n| (1..=64).contains(n)),
    })
}
