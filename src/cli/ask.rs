//! Asks the running agent over its socket.

use std::{fmt::Display, path::Path, time::Duration};

use http_body_util::{BodyExt, Full};
use hyper::{Request, body::Bytes, client::conn::http1::handshake};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::{net::UnixStream, time::timeout};

use crate::http::socket;

/// How long the answer may take; a container's health check gives five seconds.
const LIMIT: Duration = Duration::from_secs(4);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// Nobody listens, or what was said was no answer.
    #[error("{0}")]
    NoAgent(String),
    /// It listens and does not answer.
    #[error("the agent did not answer in time")]
    TooLate,
}

/// The answer of the agent of this state directory to a question; with a `body` it is posted.
pub async fn ask<T: DeserializeOwned>(
    state_dir: &Path,
    question: &str,
    body: Option<String>,
) -> Result<T, AskError> {
    let answer = timeout(LIMIT, exchange(state_dir, question, body)).await;
    answer.map_or(Err(AskError::TooLate), |answer| answer.map_err(AskError::NoAgent))
}

async fn exchange<T: DeserializeOwned>(
    state_dir: &Path,
    question: &str,
    body: Option<String>,
) -> Result<T, String> {
    let path = socket::path(state_dir);
    let why = |error: &dyn Display| {
        format!("no agent answers at {}: {error}; is it running with this --state-dir?", path.display())
    };
    let stream = UnixStream::connect(&path).await.map_err(|error| why(&error))?;
    let (mut sender, connection) = handshake(TokioIo::new(stream)).await.map_err(|error| why(&error))?;
    let method = if body.is_some() { "POST" } else { "GET" };
    let request = Request::builder()
        .method(method)
        .uri(question)
        .header("host", "agent")
        .header("content-type", "application/json")
        .body(Full::new(Bytes::from(body.unwrap_or_default())))
        .map_err(|error| why(&error))?;
    let exchange = async {
        let response = sender.send_request(request).await.map_err(|error| why(&error))?;
        let body = response.into_body().collect().await.map_err(|error| why(&error))?.to_bytes();
        serde_json::from_slice(&body).map_err(|error| why(&error))
    };
    tokio::select! {
        answer = exchange => answer,
        Err(error) = connection => Err(why(&error)),
    }
}
