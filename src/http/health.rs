//! Whether the agent is well, told truly: from the agent's own answer, within a bounded time.

use std::time::Duration;

use axum::{Json, Router, extract::State, http::StatusCode, routing::get};
use serde::{Deserialize, Serialize};
use tokio::{sync::watch, time::timeout};

use crate::{agent::handle::Handle, history::keeper::Condition, model::connection::Connection};

/// How long the agent may take to answer before it counts as stuck.
const ANSWER_LIMIT: Duration = Duration::from_secs(2);

/// What there is to ask.
#[derive(Debug, Clone)]
pub struct Health {
    /// The agent.
    pub agent: Handle,
    /// The Engine, as the watcher sees it.
    pub connection: watch::Receiver<Connection>,
    /// The store of what happens.
    pub history: watch::Receiver<Condition>,
}

/// The answer of `/health`.
#[derive(Debug, Serialize, Deserialize)]
pub struct HealthReport {
    /// `ok` or `down`.
    pub status: String,
    /// `ok`, or that the agent does not answer.
    pub agent: String,
    /// `connected`, `waiting` or `lost`, with the reason.
    pub engine: String,
    /// `ok`, `none` or why what happens is not kept; jobs run all the same.
    pub history: String,
    /// How many jobs there are.
    pub jobs: usize,
    /// How many runs go on.
    pub running: usize,
    /// How many occurrences wait their turn.
    pub waiting: usize,
    /// How many things are wrong with what was written.
    pub problems: usize,
}

/// `/health`, `/live` and `/ready`.
pub fn routes(health: Health) -> Router {
    Router::new()
        .route("/health", get(report))
        .route("/live", get(live))
        .route("/ready", get(ready))
        .with_state(health)
}

async fn agent_answers(health: &Health) -> bool {
    timeout(ANSWER_LIMIT, health.agent.ping()).await.unwrap_or(false)
}

fn code(well: bool) -> StatusCode {
    if well { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
}

async fn live(State(health): State<Health>) -> StatusCode {
    code(agent_answers(&health).await)
}

async fn ready(State(health): State<Health>) -> StatusCode {
    let connected = matches!(&*health.connection.borrow(), Connection::Connected { .. });
    code(connected && health.agent.snapshot().ready)
}

async fn report(State(health): State<Health>) -> (StatusCode, Json<HealthReport>) {
    let answers = agent_answers(&health).await;
    let (engine, connected) = match &*health.connection.borrow() {
        Connection::Connected { version } => (format!("connected, version {version}"), true),
        Connection::Waiting => ("waiting for its first answer".to_owned(), false),
        Connection::Lost { reason } => (format!("lost: {reason}"), false),
    };
    let snapshot = health.agent.snapshot();
    let well = answers && connected;
    let report = HealthReport {
        status: if well { "ok" } else { "down" }.to_owned(),
        agent: if answers { "ok" } else { "does not answer" }.to_owned(),
        engine,
        history: match &*health.history.borrow() {
            Condition::Well => "ok".to_owned(),
            Condition::Absent => "none".to_owned(),
            Condition::Failing { reason } => reason.clone(),
        },
        jobs: snapshot.jobs,
        running: snapshot.running,
        waiting: snapshot.waiting,
        problems: snapshot.problems,
    };
    (code(well), Json(report))
}
