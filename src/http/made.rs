//! Jobs that are made, changed and removed over the API. Once it is answered, it is so, and outlives the agent.

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

use crate::{
    agent::making::{Done, Expected, Making, NotDone},
    model::{diagnostic::Diagnostic, name::JobId},
    settings::made::{self, MadeJob},
};

use super::{
    api::Api,
    dto::{JobDetails, ProblemDetails},
    dto_made::{JobDefinition, NewJob, Parameters},
    job,
    problem::{Named, Problem, Said},
};

/// A new job. It is there once this is answered, and stays until it is removed. The header `Location` says where.
#[utoipa::path(
    post, path = "/api/jobs", request_body = NewJob,
    responses(
        (status = 201, description = "It was made; with an ETag", body = JobDetails),
        (status = 400, description = "The body makes no sense", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 409, description = "There is a job of this name; where it is defined", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 422, description = "What was written makes no job; `problems` says why", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 503, description = "It cannot be kept, or the agent is shutting down; nothing was changed", body = ProblemDetails, content_type = "application/problem+json"),
    )
)]
pub async fn make_job(State(api): State<Api>, Said(new): Said<NewJob>) -> Result<Response, Problem> {
    let NewJob { name, kind, parameters } = new;
    put(&api, &name, (&kind, &parameters), Expected::New).await
}

/// What a job of the API is to be, all of it; where there is none of this name, a new one. With `If-Match` and the `ETag` of
/// `GET` only if nobody changed it meanwhile, with `If-None-Match: *` only if there is none.
#[utoipa::path(
    put, path = "/api/jobs/{name}", request_body = JobDefinition,
    params(
        ("name" = String, Path, description = "The job's name"),
        ("If-Match" = Option<String>, Header, description = "ETags of the job as it must be"),
        ("If-None-Match" = Option<String>, Header, description = "`*`: it must not be there"),
    ),
    responses(
        (status = 200, description = "It was changed; with an ETag", body = JobDetails),
        (status = 201, description = "It was made; with an ETag", body = JobDetails),
        (status = 400, description = "The body or a header makes no sense", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 409, description = "A label or a file defines it; where", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 412, description = "It is not what If-Match or If-None-Match says", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 422, description = "What was written makes no job; `problems` says why", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 503, description = "It cannot be kept, or the agent is shutting down; nothing was changed", body = ProblemDetails, content_type = "application/problem+json"),
    )
)]
pub async fn put_job(
    State(api): State<Api>,
    Named(name): Named,
    headers: HeaderMap,
    Said(definition): Said<JobDefinition>,
) -> Result<Response, Problem> {
    let JobDefinition { name: said, kind, parameters } = definition;
    if let Some(said) = said.filter(|said| *said != name) {
        let detail = format!("the body is about the job \"{said}\", and the path about \"{name}\"");
        return Err(Problem::bad(detail));
    }
    let expected = expected(&headers)?;
    put(&api, &name, (&kind, &parameters), expected).await
}

/// A job of the API goes. A run of it that goes on is not stopped, and its runs stay in the history.
#[utoipa::path(
    delete, path = "/api/jobs/{name}",
    params(
        ("name" = String, Path, description = "The job's name"),
        ("If-Match" = Option<String>, Header, description = "ETags of the job as it must be"),
    ),
    responses(
        (status = 204, description = "It is gone"),
        (status = 400, description = "The header makes no sense", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 404, description = "There is no such job", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 409, description = "A label or a file defines it; where", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 412, description = "It is not what If-Match says", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 503, description = "That cannot be kept, or the agent is shutting down; nothing was changed", body = ProblemDetails, content_type = "application/problem+json"),
    )
)]
pub async fn delete_job(
    State(api): State<Api>,
    Named(name): Named,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    let making = Making { job: JobId::plain(&name), made: None, expected: expected(&headers)? };
    match api.agent.make(making).await {
        Err(NotDone::NoJob(_)) => Err(Api::no_job(&api.agent.snapshot(), &name)),
        done => {
            done?;
            Ok(StatusCode::NO_CONTENT)
        }
    }
}

async fn put(
    api: &Api,
    name: &str,
    (kind, parameters): (&str, &Parameters),
    expected: Expected,
) -> Result<Response, Problem> {
    let job = JobId::plain(name);
    let made = read(name, kind, parameters).map_err(|found| {
        // Whose name it is goes before what is wrong with the rest.
        match api.agent.snapshot().basis.defined_elsewhere(&job) {
            Some(by) => NotDone::Elsewhere { job: job.clone(), by },
            None => NotDone::Wrong { job: job.clone(), found },
        }
    })?;
    let done = api.agent.make(Making { job: job.clone(), made: Some(made), expected }).await?;
    let Some((details, tag)) = job::details(api, &job).await else {
        let detail = format!("the job \"{job}\" was made, and someone removed it at once");
        return Err(Problem::new(StatusCode::CONFLICT, detail));
    };
    let status = if done == Done::Created { StatusCode::CREATED } else { StatusCode::OK };
    let mut answer = (status, tag, Json(details)).into_response();
    // The name has nothing that would have to be written otherwise.
    if let Some(place) =
        HeaderValue::try_from(format!("/api/jobs/{job}")).ok().filter(|_| done == Done::Created)
    {
        answer.headers_mut().insert(header::LOCATION, place);
    }
    Ok(answer)
}

fn read(name: &str, kind: &str, parameters: &Parameters) -> Result<MadeJob, Vec<Diagnostic>> {
    let (job, kind) = (made::identity(name), made::kind(kind));
    let parameters = parameters.0.iter().map(|(name, value)| (name.as_str(), value));
    let made = kind.map(|kind| made::read(&JobId::plain(name), kind, "".into(), parameters));
    match (job, made) {
        (Ok(_), Ok(made)) => Ok(made),
        // All of it at once.
        (job, Ok(made)) => Err(job.err().into_iter().chain(made.diagnostics).collect()),
        (job, Err(kind)) => Err(job.err().into_iter().chain([kind]).collect()),
    }
}

/// What the headers say must be there.
fn expected(headers: &HeaderMap) -> Result<Expected, Problem> {
    let wrong = |name: &HeaderName, mend: &str| Problem::bad(format!("{name} makes no sense here: {mend}"));
    let mut tags = Vec::new();
    for value in headers.get_all(header::IF_MATCH) {
        let mend = "write the ETag of GET /api/jobs/{name}, or *";
        let text = value.to_str().map_err(|_| wrong(&header::IF_MATCH, mend))?;
        for tag in text.split(',').map(str::trim) {
            if tag == "*" {
                return Ok(Expected::Something);
            }
            let bare = tag.strip_prefix('"').and_then(|it| it.strip_suffix('"'));
            tags.push(bare.ok_or_else(|| wrong(&header::IF_MATCH, mend))?.to_owned());
        }
    }
    if !tags.is_empty() {
        return Ok(Expected::OneOf(tags));
    }
    match headers.get(header::IF_NONE_MATCH).map(HeaderValue::as_bytes) {
        None => Ok(Expected::Whatever),
        Some(b"*") => Ok(Expected::Nothing),
        Some(_) => Err(wrong(&header::IF_NONE_MATCH, "write *")),
    }
}
