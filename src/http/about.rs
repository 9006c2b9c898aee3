//! The agent itself: what is wrong with what was written, and its settings.

use axum::{Json, extract::State, http::HeaderMap, response::Response};
use tokio::task::spawn_blocking;

use crate::{
    agent::handle::Basis,
    history::keeper::Condition,
    settings::{access::CallerSection, explain::explain_settings, resolve::View},
};

use super::{
    api::Api,
    dto::{ProblemDetails, ProblemRow},
    dto_runs::{AgentConfig, CallerRow, ProblemList},
    job,
    problem::{Problem, tagged},
};

/// Everything that is wrong with what was written, with where what happens is kept, exported and told, and with where the agent is asked.
#[utoipa::path(
    get, path = "/api/problems",
    responses(
        (status = 200, description = "All of it; with an ETag", body = ProblemList),
        (status = 304, description = "It is what If-None-Match names"),
    )
)]
pub async fn problems(State(api): State<Api>, headers: HeaderMap) -> Response {
    tagged(&headers, &ProblemList { problems: all_problems(&api) })
}

/// All of it.
pub(super) fn all_problems(api: &Api) -> Vec<ProblemRow> {
    let mut problems: Vec<ProblemRow> = api.agent.snapshot().diagnostics.iter().map(job::problem).collect();
    problems.extend(api.keeper.problems().iter().map(job::problem));
    let concerns = api.concerns.borrow().clone();
    problems.extend([concerns.obstacle, concerns.opened].iter().flatten().map(job::problem));
    problems.extend(api.export.problems().iter().map(job::problem));
    problems.extend(api.notifications.problems().iter().map(job::problem));
    if let Condition::Failing { reason } = &*api.keeper.condition().borrow() {
        problems.push(ProblemRow {
            severity: "error".to_owned(),
            job: None,
            rejects: false,
            origin: "setting state-dir".to_owned(),
            parameter: None,
            reason: reason.clone(),
        });
    }
    problems
}

/// The agent's settings, and where each value comes from; and those whom the files let in.
#[utoipa::path(
    get, path = "/api/config",
    responses(
        (status = 200, description = "Every setting", body = AgentConfig),
        (status = 503, description = "They were not read yet", body = ProblemDetails, content_type = "application/problem+json"),
    )
)]
pub async fn config(State(api): State<Api>) -> Result<Json<AgentConfig>, Problem> {
    let Basis { sources, inventory } = api.agent.snapshot().basis;
    let early = || {
        let detail = "the agent has only just started: ask again";
        Problem::new(axum::http::StatusCode::SERVICE_UNAVAILABLE, detail)
    };
    let sources = sources.ok_or_else(early)?;
    let explained = spawn_blocking(move || {
        let view = inventory.as_deref().map_or(View::Unknown, View::Observed);
        explain_settings(&sources, view)
    });
    let explained = explained.await.map_err(|_| early())?;
    Ok(Json(AgentConfig {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        settings: explained.settings.iter().map(job::parameter).collect(),
        channels: explained.channels.iter().map(job::channel).collect(),
        callers: explained.callers.iter().map(caller).collect(),
        problems: explained.diagnostics.iter().map(job::problem).collect(),
    }))
}

fn caller(it: &CallerSection) -> CallerRow {
    CallerRow {
        section: it.sort.as_str().to_owned(),
        name: it.name.clone(),
        role: it.role.as_str().to_owned(),
        origin: it.origin.to_string(),
    }
}
