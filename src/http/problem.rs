//! How a question is refused: always as `application/problem+json`, with what is wrong in words and nothing of the
//! agent's inside. And how what is asked is read, so that each mistake in it is refused like that.

use std::time::Duration;

use axum::{
    Json, RequestPartsExt,
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Path, Query, Request, rejection::BytesRejection},
    http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header, request::Parts},
    response::{IntoResponse, Response},
};
use serde::{Serialize, de::DeserializeOwned};
use tokio::time::timeout;

use crate::agent::{event::Refused, making::NotDone};

use super::{
    dto::{ProblemDetails, ProblemRow},
    job,
};

/// How long a body may take to come.
const BODY_TIME: Duration = Duration::from_secs(10);

/// A refusal.
#[derive(Debug)]
pub struct Problem {
    status: StatusCode,
    detail: String,
    run: Option<String>,
    problems: Vec<ProblemRow>,
}

impl Problem {
    /// With this status, and this to say.
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into(), run: None, problems: Vec::new() }
    }

    /// There is no such thing.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, detail)
    }

    /// What was asked makes no sense.
    pub fn bad(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    /// The history cannot be read.
    pub fn no_history() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "the history of runs cannot be read now: GET /health and the agent's log say why",
        )
    }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        let (status, run) = match &refused {
            Refused::NoJob(_) | Refused::NoRun(_) => (StatusCode::NOT_FOUND, None),
            Refused::Disabled(_) => (StatusCode::CONFLICT, None),
            Refused::Over(_) => (StatusCode::BAD_REQUEST, None),
            Refused::Skipped { run, .. } => (StatusCode::CONFLICT, Some(run.to_string())),
            Refused::Ending => (StatusCode::SERVICE_UNAVAILABLE, None),
        };
        Self { run, ..Self::new(status, refused.to_string()) }
    }
}

impl From<NotDone> for Problem {
    fn from(refused: NotDone) -> Self {
        let (status, found) = match &refused {
            NotDone::Elsewhere { .. } | NotDone::There(_) => (StatusCode::CONFLICT, &[][..]),
            NotDone::NoJob(_) => (StatusCode::NOT_FOUND, &[][..]),
            NotDone::Changed(_) => (StatusCode::PRECONDITION_FAILED, &[][..]),
            NotDone::Wrong { found, .. } => (StatusCode::UNPROCESSABLE_ENTITY, &found[..]),
            NotDone::NotKept(_) | NotDone::Ending => (StatusCode::SERVICE_UNAVAILABLE, &[][..]),
        };
        let problems = found.iter().map(job::problem).collect();
        Self { problems, ..Self::new(status, refused.to_string()) }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let Self { status, detail, run, problems } = self;
        let title = status.canonical_reason().unwrap_or_default().to_owned();
        let r#type = "about:blank".to_owned();
        let details = ProblemDetails { r#type, title, status: status.as_u16(), detail, run, problems };
        let mut response = (status, Json(details)).into_response();
        let json = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, json);
        response
    }
}

/// What is answered where there is nothing.
pub async fn unknown_path(uri: Uri) -> Problem {
    Problem::not_found(format!(
        "there is nothing at {}: GET /api/openapi.json says what there is",
        uri.path()
    ))
}

/// What is answered where something else may be asked; the header `Allow` says what.
pub async fn wrong_method(method: Method, uri: Uri) -> Problem {
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        format!("{method} is not for {}: the header Allow says what is", uri.path()),
    )
}

/// What stands behind the question mark.
#[derive(Debug)]
pub struct Asked<T>(pub T);

impl<T: DeserializeOwned + 'static, S: Send + Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let Query(it) = parts.extract::<Query<T>>().await.map_err(|error| Problem::bad(error.body_text()))?;
        Ok(Self(it))
    }
}

/// The one name in a path.
#[derive(Debug)]
pub struct Named(pub String);

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let Path(it) =
            parts.extract::<Path<String>>().await.map_err(|error| Problem::bad(error.body_text()))?;
        Ok(Self(it))
    }
}

/// A body of JSON; one that is not there, or is `null`, says nothing.
#[derive(Debug)]
pub struct Said<T>(pub T);

impl<T: DeserializeOwned + Default, S: Send + Sync> FromRequest<S> for Said<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let bytes = timeout(BODY_TIME, Bytes::from_request(request, state)).await.map_err(|_| {
            let detail = "the body did not come to its end in time";
            Problem::new(StatusCode::REQUEST_TIMEOUT, detail)
        })?;
        let bytes = bytes.map_err(|error| match error {
            BytesRejection::FailedToBufferBody(it) if it.status() == StatusCode::PAYLOAD_TOO_LARGE => {
                Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large for what is asked here")
            }
            _ => Problem::bad("the body could not be read to its end"),
        })?;
        if matches!(bytes.trim_ascii(), b"" | b"null") {
            return Ok(Self(T::default()));
        }
        // A list would be taken for the fields in their order.
        if !bytes.trim_ascii_start().starts_with(b"{") {
            return Err(Problem::bad("the body is not what is expected here: write an object of JSON"));
        }
        let it = serde_json::from_slice(&bytes);
        it.map(Self).map_err(|error| Problem::bad(format!("the body is not what is expected here: {error}")))
    }
}

/// An answer with its tag: who has it already is told no more than that.
pub fn tagged(asked: &HeaderMap, answer: &impl Serialize) -> Response {
    let body = serde_json::to_vec(answer).unwrap_or_default();
    let tag = format!("\"{:016x}\"", hash(&body));
    let known = asked.get_all(header::IF_NONE_MATCH).iter().filter_map(|it| it.to_str().ok());
    let is_known = known
        .flat_map(|it| it.split(','))
        .map(str::trim)
        .any(|it| it == "*" || it.strip_prefix("W/").unwrap_or(it) == tag);
    if is_known {
        return (StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response();
    }
    ([(header::ETAG, tag), (header::CONTENT_TYPE, "application/json".to_owned())], body).into_response()
}

fn hash(bytes: &[u8]) -> u64 {
    use std::hash::{DefaultHasher, Hasher};
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    hasher.finish()
}
