//! Calls the running agent's API, over its socket or at an address.

use std::{error::Error, fmt::Write as _, time::Duration};

use http_body_util::{BodyExt, Collected, Full};
use hyper::{Request, Response, StatusCode, body::Bytes, body::Incoming, client::conn::http1::handshake};
use hyper_util::rt::TokioIo;
use serde::{Serialize, de::DeserializeOwned};
use tokio::time::timeout;

use crate::http::dto::ProblemDetails;

use super::way::Way;

/// How long an answer may take to begin.
const LIMIT: Duration = Duration::from_secs(10);

/// The same where someone else is asked first: longer than a channel may take.
const SLOW_LIMIT: Duration = Duration::from_secs(630);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// Nobody listens, or what was said was no answer.
    #[error("{0}")]
    NoAgent(String),
    /// It listens and does not answer.
    #[error("the agent did not answer in time")]
    TooLate,
    /// It said no.
    #[error("{0}")]
    Refused(String),
}

/// One server-sent event.
#[derive(Debug, Default)]
pub struct Event {
    /// How far it goes.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What it says.
    pub data: String,
}

/// A text as a part of a path or of what stands behind its question mark.
pub fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// What is answered to `GET path`.
pub async fn get<T: DeserializeOwned>(way: &Way, path: &str) -> Result<T, CallError> {
    let mut body = Vec::new();
    exchange(way, Asked::get(path), |bytes| body.extend_from_slice(bytes)).await?;
    parsed(&body)
}

/// The body of the answer to `GET path`, as it comes.
pub async fn read(way: &Way, path: &str, take: impl FnMut(&[u8])) -> Result<(), CallError> {
    exchange(way, Asked { accept: "text/plain", ..Asked::get(path) }, take).await
}

/// What is answered to `POST path`; nothing where there is nothing to say.
pub async fn post<T: DeserializeOwned>(
    way: &Way,
    path: &str,
    body: &impl Serialize,
) -> Result<Option<T>, CallError> {
    ask_to(way, path, body, LIMIT).await
}

async fn ask_to<T: DeserializeOwned>(
    way: &Way,
    path: &str,
    body: &impl Serialize,
    limit: Duration,
) -> Result<Option<T>, CallError> {
    let body = serde_json::to_string(body).unwrap_or_default();
    let mut answer = Vec::new();
    let asked = Asked { method: "POST", body: Some(body), limit, ..Asked::get(path) };
    exchange(way, asked, |bytes| {
        answer.extend_from_slice(bytes);
    })
    .await?;
    if answer.is_empty() { Ok(None) } else { parsed(&answer).map(Some) }
}

/// The events of `GET path` after the one whose ID is `last`, as they come.
pub async fn follow(
    way: &Way,
    path: &str,
    last: Option<&str>,
    mut take: impl FnMut(Event),
) -> Result<(), CallError> {
    let (mut rest, mut event) = (Vec::new(), Event::default());
    let asked = Asked { accept: "text/event-stream", last, ..Asked::get(path) };
    exchange(way, asked, |bytes| {
        rest.extend_from_slice(bytes);
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = rest.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            match line.trim_end().split_once(':') {
                Some(("event", name)) => name.trim_start().clone_into(&mut event.name),
                Some(("id", id)) => id.trim_start().clone_into(&mut event.id),
                Some(("data", data)) => event.data.push_str(data.strip_prefix(' ').unwrap_or(data)),
                None if !event.data.is_empty() => take(std::mem::take(&mut event)),
                _ => {}
            }
        }
    })
    .await
}

/// The same, where the agent asks someone else before it answers.
pub async fn post_slowly<T: DeserializeOwned>(
    way: &Way,
    path: &str,
    body: &impl Serialize,
) -> Result<Option<T>, CallError> {
    ask_to(way, path, body, SLOW_LIMIT).await
}

fn parsed<T: DeserializeOwned>(body: &[u8]) -> Result<T, CallError> {
    serde_json::from_slice(body)
        .map_err(|error| CallError::NoAgent(format!("what the agent said cannot be read: {error}")))
}

/// What is asked.
struct Asked<'a> {
    method: &'static str,
    path: &'a str,
    accept: &'static str,
    body: Option<String>,
    /// The ID of the last event that was seen.
    last: Option<&'a str>,
    /// How long the answer may take to begin.
    limit: Duration,
}

impl<'a> Asked<'a> {
    fn get(path: &'a str) -> Self {
        Self { method: "GET", path, accept: "application/json", body: None, last: None, limit: LIMIT }
    }
}

/// The body of an answer that is none of refusal.
async fn exchange(
    way: &Way,
    Asked { method, path, accept, body, last, limit }: Asked<'_>,
    mut take: impl FnMut(&[u8]),
) -> Result<(), CallError> {
    let why = |error: &(dyn Error + 'static)| CallError::NoAgent(way.unanswered(error));
    if let Way::Nowhere(reason) = way {
        return Err(CallError::Refused(reason.clone()));
    }
    let stream = way.connect().await.map_err(|error| why(&error))?;
    let (mut sender, connection) = handshake(TokioIo::new(stream)).await.map_err(|error| why(&error))?;
    let (host, prefix, token) = way.says();
    let request = Request::builder()
        .method(method)
        .uri(format!("{prefix}{path}"))
        .header("host", host)
        .header("accept", accept)
        .header("content-type", "application/json");
    let request = last.iter().fold(request, |request, last| request.header("last-event-id", *last));
    let request =
        token.iter().fold(request, |request, it| request.header("authorization", format!("Bearer {it}")));
    let request =
        request.body(Full::new(Bytes::from(body.unwrap_or_default()))).map_err(|error| why(&error))?;
    let exchange = async {
        let response = timeout(limit, sender.send_request(request)).await;
        let response = response.map_err(|_| CallError::TooLate)?.map_err(|error| why(&error))?;
        let response = not_refused(response).await?;
        let mut body = response.into_body();
        while let Some(frame) = body.frame().await {
            let frame =
                frame.map_err(|_| CallError::NoAgent("the agent ended while it answered".to_owned()))?;
            if let Ok(bytes) = frame.into_data() {
                take(&bytes);
            }
        }
        Ok(())
    };
    let mut exchange = std::pin::pin!(exchange);
    tokio::select! {
        biased;
        answer = &mut exchange => answer,
        // It may have ended after it had said all.
        _ = connection => exchange.await,
    }
}

async fn not_refused(response: Response<Incoming>) -> Result<Response<Incoming>, CallError> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let body = response.into_body().collect().await.map(Collected::to_bytes).unwrap_or_default();
    let detail = serde_json::from_slice::<ProblemDetails>(&body).map(|it| it.detail);
    let detail = detail.unwrap_or_else(|_| format!("the agent answered {status}"));
    let token = if status == StatusCode::UNAUTHORIZED {
        "; name a token with --token-file, or put it into WATCHBELL_TOKEN"
    } else {
        ""
    };
    Err(CallError::Refused(format!("{detail}{token}")))
}
