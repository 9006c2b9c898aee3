//! What can be asked for: a run, a pause and its end, the end of a run.

use axum::{Json, extract::State, http::StatusCode};
use jiff::{SignedDuration, Timestamp};

use crate::model::{duration, name::JobId, run::StopCause};

use super::{
    api::Api,
    dto::{Begun, NothingToSay, PauseRequest, Paused, ProblemDetails},
    problem::{Named, Problem, Said},
    runs,
};

/// The job, if it is there.
fn known(api: &Api, name: &str) -> Result<JobId, Problem> {
    let (id, snapshot) = (JobId::plain(name), api.agent.snapshot());
    if snapshot.catalog.get(&id).is_some() { Ok(id) } else { Err(Api::no_job(&snapshot, name)) }
}

/// A run of a job, now, on the same way as one that is due.
#[utoipa::path(
    post, path = "/api/jobs/{name}/run", params(("name" = String, Path, description = "The job's identity")),
    request_body = Option<NothingToSay>,
    responses(
        (status = 202, description = "It was begun, or waits its turn", body = Begun),
        (status = 400, description = "The body makes no sense", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 404, description = "There is no such job", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 409, description = "The job is not enabled, or the run was skipped", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 503, description = "The agent is shutting down", body = ProblemDetails, content_type = "application/problem+json"),
    )
)]
pub async fn run_job(
    State(api): State<Api>,
    Named(name): Named,
    Said(NothingToSay {}): Said<NothingToSay>,
) -> Result<(StatusCode, Json<Begun>), Problem> {
    use crate::agent::event::Refused;
    let mut runs = api.agent.run_now(known(&api, &name)?).await?.into_iter().map(|it| it.to_string());
    let run = runs.next().ok_or(Refused::Ending)?;
    Ok((StatusCode::ACCEPTED, Json(Begun { run, further: runs.collect() })))
}

/// Nothing of a job is due any more, until a moment or until it is resumed.
#[utoipa::path(
    post, path = "/api/jobs/{name}/pause", params(("name" = String, Path, description = "The job's identity")),
    request_body = Option<PauseRequest>,
    responses(
        (status = 200, description = "It is paused", body = Paused),
        (status = 400, description = "The time makes no sense", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 404, description = "There is no such job", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 503, description = "The agent is shutting down", body = ProblemDetails, content_type = "application/problem+json"),
    )
)]
pub async fn pause_job(
    State(api): State<Api>,
    Named(name): Named,
    Said(request): Said<PauseRequest>,
) -> Result<Json<Paused>, Problem> {
    let until = until(&request, api.clock.now()).map_err(Problem::bad)?;
    api.agent.pause(known(&api, &name)?, until).await?;
    Ok(Json(Paused { until: until.map(|it| it.to_string()) }))
}

fn until(request: &PauseRequest, now: Timestamp) -> Result<Option<Timestamp>, String> {
    match request {
        PauseRequest { until: None, r#for: None } => Ok(None),
        PauseRequest { until: Some(_), r#for: Some(_) } => {
            Err("until and for are both there: write one of them".to_owned())
        }
        PauseRequest { until: Some(text), r#for: None } => {
            let until = text.parse().map_err(|_| {
                format!("until is \"{text}\", which is no moment: write one such as 2026-03-29T00:00:00Z")
            });
            until.map(Some)
        }
        PauseRequest { until: None, r#for: Some(text) } => {
            let length = duration::parse(text).map_err(|why| format!("for: \"{text}\" {why}: write 2h"))?;
            let until = SignedDuration::try_from(length).ok().and_then(|length| now.checked_add(length).ok());
            // A part of a second is nothing that someone meant.
            let until = until.and_then(|it| Timestamp::from_second(it.as_second()).ok());
            until.map(Some).ok_or_else(|| format!("for: \"{text}\" is too long: leave it out"))
        }
    }
}

/// A job that was paused goes on.
#[utoipa::path(
    post, path = "/api/jobs/{name}/resume", params(("name" = String, Path, description = "The job's identity")),
    request_body = Option<NothingToSay>,
    responses(
        (status = 204, description = "It goes on, or was not paused"),
        (status = 400, description = "The body makes no sense", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 404, description = "There is no such job", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 503, description = "The agent is shutting down", body = ProblemDetails, content_type = "application/problem+json"),
    )
)]
pub async fn resume_job(
    State(api): State<Api>,
    Named(name): Named,
    Said(NothingToSay {}): Said<NothingToSay>,
) -> Result<StatusCode, Problem> {
    let (id, snapshot) = (JobId::plain(&name), api.agent.snapshot());
    // One that is not there now may be paused.
    if snapshot.catalog.get(&id).is_none() && !snapshot.paused.contains_key(&id) {
        return Err(Api::no_job(&snapshot, &name));
    }
    api.agent.resume(id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A run is to end: what goes on is stopped, and what waits its turn is given up.
#[utoipa::path(
    post, path = "/api/runs/{id}/stop", params(("id" = String, Path, description = "The run's ID, or a beginning that no other has")),
    request_body = Option<NothingToSay>,
    responses(
        (status = 202, description = "It was asked to end", body = Begun),
        (status = 400, description = "Several begin like that", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 404, description = "There is no such run", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 409, description = "It has ended", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 503, description = "The agent is shutting down", body = ProblemDetails, content_type = "application/problem+json"),
    )
)]
pub async fn stop_run(
    State(api): State<Api>,
    Named(id): Named,
    Said(NothingToSay {}): Said<NothingToSay>,
) -> Result<(StatusCode, Json<Begun>), Problem> {
    use crate::agent::event::Refused;
    let run = runs::find(&api, &id).await?;
    match api.agent.stop_run(run.clone(), StopCause::Operator).await {
        Err(Refused::NoRun(run)) => {
            let detail = format!("the run {run} does not go on: there is nothing to stop");
            Err(Problem::new(StatusCode::CONFLICT, detail))
        }
        answer => {
            answer?;
            Ok((StatusCode::ACCEPTED, Json(Begun { run: run.to_string(), further: Vec::new() })))
        }
    }
}
