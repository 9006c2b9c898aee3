//! What can be asked about jobs, runs and the agent, and what can be asked for: one router, wherever it is served, and
//! its description from the same code.

use std::{path::PathBuf, sync::Arc};

use axum::{
    Router,
    extract::DefaultBodyLimit,
    http::{StatusCode, header},
    response::IntoResponse,
    routing::{get, post},
};
use tokio::{
    sync::{Semaphore, watch},
    task::spawn_blocking,
    time::timeout,
};
use utoipa::OpenApi;

use crate::{
    agent::handle::{Handle, Snapshot},
    history::{
        keeper::{Condition, Keeper},
        query::Reader,
        store::StoreError,
    },
    model::{diagnostic::did_you_mean, name::JobId},
    notify::handle::Notifications,
    telemetry::{otlp::Condition as ExportCondition, stream::EventStream},
    time::Clock,
};

use super::{
    about, actions, audit, channels, dto_runs, endpoints, events, health, job, jobs, login, made, metrics,
    opened::Concerns,
    output,
    problem::{Problem, unknown_path, wrong_method},
    rights, runs,
};

/// No body that is asked for here is longer.
const BODY_LIMIT: usize = 64 << 10;

/// So many read the history at once; each has a connection with a small cache of its own.
const READERS: usize = 4;

/// How long a disk may take to answer.
const READ_LIMIT: std::time::Duration = std::time::Duration::from_secs(10);

/// How long an answer waits for what happened before it to be in the history.
pub(super) const FLUSH_LIMIT: std::time::Duration = std::time::Duration::from_millis(500);

/// What [`document`] gives, from openapi.json, which a test writes anew with `UPDATE_EXPECT=1`; packed by the build.
const DESCRIPTION: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/openapi.lz4"));

/// What there is to ask; cheap to clone.
#[derive(Debug, Clone)]
pub struct Api {
    /// The agent.
    pub agent: Handle,
    /// What goes on, and where the history comes from.
    pub keeper: Keeper,
    /// Where the history is.
    pub state_dir: PathBuf,
    /// The agent's clock.
    pub clock: Clock,
    /// Everything that happens.
    pub events: EventStream,
    /// What is wrong with how the agent is asked over TCP.
    pub concerns: watch::Receiver<Concerns>,
    /// Whether what is exported arrives.
    pub export: ExportCondition,
    /// The channels.
    pub notifications: Notifications,
    readers: Arc<Semaphore>,
}

/// The description of everything below.
#[derive(Debug, OpenApi)]
#[openapi(
    info(
        title = "watchbell",
        description = "Jobs, runs and the agent. Every refusal is application/problem+json, but for that of what is no HTTP, or whose head is longer than 16 KiB: that has no body.",
        license(name = "MIT OR Apache-2.0")
    ),
    paths(
        jobs::list_jobs,
        job::get_job,
        made::make_job,
        made::put_job,
        made::delete_job,
        actions::run_job,
        actions::pause_job,
        actions::resume_job,
        runs::job_history,
        runs::list_runs,
        runs::get_run,
        output::run_output,
        actions::stop_run,
        about::problems,
        about::config,
        audit::list_audits,
        channels::list_channels,
        channels::test_channel,
        channels::preview,
        endpoints::endpoints,
        events::events,
        login::login,
        login::logout,
        login::session,
        health::health,
        health::live,
        health::ready,
        metrics::metrics,
        description,
    ),
    components(schemas(dto_runs::PrintedPiece, dto_runs::DroppedPiece))
)]
struct Description;

/// Everything under `/api`. The refusals of what is not there are the whole router's: it is merged with what else is
/// served in the same place.
pub fn routes(api: Api) -> Router {
    Router::new()
        .route("/api/jobs", get(jobs::list_jobs).post(made::make_job))
        .route("/api/jobs/{name}", get(job::get_job).put(made::put_job).delete(made::delete_job))
        .route("/api/jobs/{name}/run", post(actions::run_job))
        .route("/api/jobs/{name}/pause", post(actions::pause_job))
        .route("/api/jobs/{name}/resume", post(actions::resume_job))
        .route("/api/jobs/{name}/history", get(runs::job_history))
        .route("/api/runs", get(runs::list_runs))
        .route("/api/runs/{id}", get(runs::get_run))
        .route("/api/runs/{id}/output", get(output::run_output))
        .route("/api/runs/{id}/stop", post(actions::stop_run))
        .route("/api/problems", get(about::problems))
        .route("/api/config", get(about::config))
        .route("/api/jobs/{name}/notification", get(channels::preview))
        .route("/api/channels", get(channels::list_channels))
        .route("/api/channels/{name}/test", post(channels::test_channel))
        .route("/api/audits", get(audit::list_audits))
        .route("/api/endpoints", get(endpoints::endpoints))
        .route("/api/events", get(events::events))
        .route("/api/openapi.json", get(description))
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .fallback(unknown_path)
        .method_not_allowed_fallback(wrong_method)
        .with_state(api)
}

/// What the description says, as JSON.
pub fn described() -> serde_json::Value {
    serde_json::to_value(document()).unwrap_or_default()
}

/// The description as the code has it. Only a test asks for it, which compares what is served with it: what puts it
/// together would be a twentieth of the binary.
pub fn document() -> utoipa::openapi::OpenApi {
    let mut document = Description::openapi();
    rights::describe(&mut document);
    document
}

/// This description.
#[utoipa::path(get, path = "/api/openapi.json", responses((status = 200, description = "OpenAPI 3.1", body = Object)))]
async fn description() -> impl IntoResponse {
    let text = lz4_flex::block::decompress_size_prepended(DESCRIPTION);
    text.map(|text| ([(header::CONTENT_TYPE, "application/json")], text)).map_err(|error| {
        // Only a build that went wrong has one.
        Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            format!("the description cannot be unpacked: {error}"),
        )
    })
}

impl Api {
    /// Of this agent.
    pub fn new(
        agent: Handle,
        keeper: Keeper,
        state_dir: PathBuf,
        clock: Clock,
        events: EventStream,
        (concerns, export, notifications): (watch::Receiver<Concerns>, ExportCondition, Notifications),
    ) -> Self {
        let readers = Arc::new(Semaphore::new(READERS));
        Self { agent, keeper, state_dir, clock, events, concerns, export, notifications, readers }
    }

    /// What happened until here is in the history from now on, unless the store does not do well.
    pub(super) async fn settle(&self) {
        self.keeper.flush().within(FLUSH_LIMIT).await;
    }

    /// Looks something up in the history; `None` where there is none yet.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Reader) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<Option<T>, Problem> {
        if *self.keeper.condition().borrow() == Condition::Absent {
            return Ok(None);
        }
        let (readers, directory) = (self.readers.clone(), self.state_dir.clone());
        let found = async move {
            let turn = readers.acquire_owned().await.ok()?;
            let found = spawn_blocking(move || {
                // As long as the disk keeps it: one that hangs costs no more threads than there are turns.
                let _turn = turn;
                match Reader::open(&directory)? {
                    Some(reader) => look(&reader).map(Some),
                    None => Ok(None),
                }
            });
            found.await.ok()?.ok()
        };
        timeout(READ_LIMIT, found).await.ok().flatten().ok_or_else(Problem::no_history)
    }

    /// The answer where there is no job of this name.
    pub(super) fn no_job(snapshot: &Snapshot, name: &str) -> Problem {
        let near = did_you_mean(name, snapshot.catalog.iter().map(|(id, _)| JobId::as_str(id)));
        let near = near.map_or_else(String::new, |it| format!(": {it}"));
        Problem::not_found(format!("there is no job \"{name}\" now{near}"))
    }
}
