//! One request to a receiver, within its time.

use std::{io, sync::Arc};

use bytes::Bytes;
use futures::FutureExt;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{Request, StatusCode, client::conn::http1::handshake};
use hyper_util::rt::TokioIo;
use tokio::time::timeout;

use crate::outward::{self, Stream};

use super::config::Endpoint;

/// No more of an answer is read.
const ANSWER: usize = 64 << 10;

/// Why a receiver did not take what it was sent.
#[derive(Debug)]
pub(super) struct Refusal {
    /// The reason, with the mend where there is one; never what the receiver wrote, which may repeat a secret.
    pub reason: String,
    /// Whether it may take it another time.
    pub again: bool,
}

fn unreached(error: &dyn std::fmt::Display) -> Refusal {
    Refusal { reason: error.to_string(), again: true }
}

/// Sends it. The answer is how many spans or points of it the receiver did not want.
pub(super) async fn post(to: &Endpoint, body: String) -> Result<usize, Refusal> {
    let late = || Refusal {
        reason: format!("it did not answer within {}", humantime::format_duration(to.timeout)),
        again: true,
    };
    timeout(to.timeout, exchange(to, body)).await.unwrap_or_else(|_| Err(late()))
}

/// Authorities are read anew for each connection: a file may be renewed, and what is not held takes no room.
async fn connect(to: &Endpoint) -> io::Result<Box<dyn Stream>> {
    let tls = to.tls.then(|| outward::believing(to.certificate.as_deref()).map(Arc::new)).transpose();
    let tls =
        tls.map_err(|error| io::Error::other(format!("{error}: check OTEL_EXPORTER_OTLP_CERTIFICATE")))?;
    outward::connect(&to.host, to.port, tls).await
}

async fn exchange(to: &Endpoint, body: String) -> Result<usize, Refusal> {
    let stream = connect(to).await.map_err(|error| unreached(&error))?;
    let (mut sender, connection) =
        handshake(TokioIo::new(stream)).await.map_err(|error| unreached(&error))?;
    let mut request = Request::post(&to.path)
        .header("host", &to.authority)
        .header("user-agent", concat!("watchbell/", env!("CARGO_PKG_VERSION")))
        .header("connection", "close");
    for (name, value) in &to.headers {
        request = request.header(name, value);
    }
    let request = request.header("content-type", "application/json").body(Full::new(Bytes::from(body)));
    let request = request.map_err(|error| unreached(&error))?;
    let answer = async move {
        let response = sender.send_request(request).await.map_err(|error| unreached(&error))?;
        let status = response.status();
        let body = Limited::new(response.into_body(), ANSWER).collect().await;
        let body = body.map_or_else(|_| Bytes::new(), http_body_util::Collected::to_bytes);
        judge(status, &body)
    };
    let mut answer = std::pin::pin!(answer);
    tokio::select! {
        answer = &mut answer => answer,
        // What it had to say was read by then.
        _ = connection.fuse() => answer.await,
    }
}

fn judge(status: StatusCode, body: &[u8]) -> Result<usize, Refusal> {
    if status.is_success() {
        return Ok(unwanted(body));
    }
    let again = matches!(status.as_u16(), 408 | 429 | 502 | 503 | 504);
    let mend = match status.as_u16() {
        401 | 403 => ": check OTEL_EXPORTER_OTLP_HEADERS",
        404 | 405 => ": check the path of its address",
        415 => ": it has to take http/json",
        _ => "",
    };
    Err(Refusal { reason: format!("it answers with status {}{mend}", status.as_u16()), again })
}

/// How many of what it took in it did not want.
fn unwanted(body: &[u8]) -> usize {
    let answer: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let rejected = ["rejectedSpans", "rejectedDataPoints"].iter().find_map(|name| {
        let it = answer.get("partialSuccess")?.get(name)?;
        it.as_u64().or_else(|| it.as_str()?.parse().ok())
    });
    rejected.and_then(|it| usize::try_from(it).ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_pass_is_tried_again_and_what_does_not_is_told_with_its_mend() {
        for (status, again) in
            [(429, true), (503, true), (400, false), (401, false), (404, false), (500, false)]
        {
            let refusal = judge(StatusCode::from_u16(status).unwrap(), b"").unwrap_err();
            assert_eq!(refusal.again, again, "{status}");
        }
        let refused = judge(StatusCode::FORBIDDEN, b"token hunter2").unwrap_err().reason;
        assert_eq!(refused, "it answers with status 403: check OTEL_EXPORTER_OTLP_HEADERS");
    }

    #[test]
    fn what_a_receiver_did_not_want_of_a_request_is_counted() {
        assert_eq!(unwanted(br#"{"partialSuccess":{"rejectedSpans":"3","errorMessage":"x"}}"#), 3);
        assert_eq!(unwanted(br#"{"partialSuccess":{"rejectedDataPoints":2}}"#), 2);
        assert_eq!((unwanted(b"{}"), unwanted(b"")), (0, 0));
    }
}
