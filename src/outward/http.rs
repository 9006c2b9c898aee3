//! Requests to others: by the environment's proxies, within their time, and told of without what is secret in them.

use std::{fmt, path::PathBuf, sync::Arc, time::Duration};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    HeaderMap, Method, Request, StatusCode,
    header::{self, HeaderName, HeaderValue},
};
use jiff::{Timestamp, fmt::rfc2822::DateTimeParser};
use tokio::time::{Instant, timeout_at};

pub use super::proxy::UnusableProxy;

use super::{
    address::Address,
    exchange::{self, Opened, Way},
    proxy::Proxies,
};

/// No more of an answer is read.
pub const ANSWER: usize = 64 << 10;

/// So often an answer may lead on.
const REDIRECTS: usize = 3;

/// Headers that say how a request is sent, which is not for whoever writes one.
const OURS: [HeaderName; 4] =
    [header::CONNECTION, header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::UPGRADE];

/// Sends requests. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Client {
    proxies: Arc<Proxies>,
    authorities: &'static str,
}

/// One request. Its address, its headers and its body may hold secrets, and it shows none of them.
#[derive(Clone)]
pub struct Call {
    /// `POST`, `PUT`, `PATCH` or `GET`.
    pub method: &'static str,
    /// The whole address; a user and a password in it are sent as `Authorization`.
    pub url: String,
    /// Headers beside those that each request has.
    pub headers: Vec<(String, String)>,
    /// What is sent.
    pub body: Bytes,
    /// How long it may take, with everything.
    pub timeout: Duration,
    /// Whether a label named the address: it may not lead everywhere then.
    pub from_label: bool,
    /// Whose certificates are believed; without a file, those whom this machine believes.
    pub authorities: Option<PathBuf>,
}

/// What came back.
#[derive(Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// After which time another try is welcome, where it says so.
    pub retry_after: Option<Duration>,
    /// The beginning of what it said, which may repeat what it was sent: not to be shown.
    pub body: Bytes,
}

/// Why nothing came back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Failed {
    /// The reason with its mend, without anything of the request but its host and port, and nothing of what came back.
    pub reason: String,
    /// Whether the same request may get there another time.
    pub again: bool,
}

impl Failed {
    pub(super) fn for_good(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), again: false }
    }

    pub(super) fn for_now(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), again: true }
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("method", &self.method)
            .field("place", &place(&self.url))
            .field("body", &self.body.len())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer")
            .field("status", &self.status)
            .field("retry_after", &self.retry_after)
            .field("body", &self.body.len())
            .finish()
    }
}

/// An address as it may be shown: scheme, host and port. `None` where it is no address.
pub fn place(url: &str) -> Option<String> {
    Address::read(url).ok().map(|it| it.place())
}

impl Client {
    /// With the proxies that the environment names. A variable counts in lower case before the same in upper case.
    pub fn new(variable: &dyn Fn(&str) -> Option<String>) -> Result<Self, UnusableProxy> {
        Ok(Self { proxies: Arc::new(Proxies::read(variable)?), authorities: "ca-file" })
    }

    /// The same, whose reasons name another setting for the file of authorities.
    #[must_use]
    pub fn naming(self, authorities: &'static str) -> Self {
        Self { authorities, ..self }
    }

    /// Sends it and waits for the answer. `now` is what a date in the answer is compared with.
    pub async fn call(&self, call: Call, now: Timestamp) -> Result<Answer, Failed> {
        let deadline = Instant::now() + call.timeout;
        let mut to = Address::read(&call.url).map_err(Failed::for_good)?;
        for _ in 0..=REDIRECTS {
            let way = Way {
                proxy: self.proxies.of(&to),
                from_label: call.from_label,
                believed: call.authorities.as_deref(),
                authorities: self.authorities,
            };
            let request = request(&call, &to)?;
            let opened = timeout_at(deadline, exchange::open(&to, &way, request)).await;
            let opened = opened.unwrap_or_else(|_| Err(late(call.timeout)))?;
            match led(&to, opened.status(), opened.headers())? {
                Some(next) => to = next,
                None => return Ok(answer(opened, deadline, now).await),
            }
        }
        Err(Failed::for_good("it redirects again and again: write the address that it ends at"))
    }
}

fn late(limit: Duration) -> Failed {
    Failed::for_now(format!("it did not answer within {}", humantime::format_duration(limit)))
}

async fn answer(mut opened: Opened, deadline: Instant, now: Timestamp) -> Answer {
    let retry_after = opened.headers().get(header::RETRY_AFTER).and_then(|it| wait(it.to_str().ok()?, now));
    let mut body = Vec::new();
    // The status is the answer: that more of the body never comes changes nothing about it.
    let _ = timeout_at(deadline, opened.read(&mut body, ANSWER)).await;
    Answer { status: opened.status().as_u16(), retry_after, body: body.into() }
}

/// `Retry-After`, in seconds or as a date.
fn wait(text: &str, now: Timestamp) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = DateTimeParser::new().parse_timestamp(text).ok()?;
    Some(Duration::try_from(date.duration_since(now)).unwrap_or(Duration::ZERO))
}

/// Where an answer leads, if it does and is followed.
fn led(from: &Address, status: StatusCode, headers: &HeaderMap) -> Result<Option<Address>, Failed> {
    let code = status.as_u16();
    if !matches!(code, 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let refused = |what: &str| Err(Failed::for_good(format!("it redirects (status {code}) {what}")));
    let location = headers.get(header::LOCATION).and_then(|it| it.to_str().ok());
    let Some(next) = location.and_then(|it| from.led(it)) else {
        return refused("without saying where to: look at its address");
    };
    if !from.is_same_server(&next) {
        return refused("to another server, which is sent nothing: write the new address if it is meant");
    }
    if matches!(code, 307 | 308) {
        return Ok(Some(next));
    }
    // What is sent would be lost: who follows these asks for the new place with nothing in hand.
    match (from.tls, next.tls) {
        (false, true) => refused("to the same host over TLS: write https:// in its address"),
        _ => refused("to another path: write the new address"),
    }
}

/// The request without what its way adds.
fn request(call: &Call, to: &Address) -> Result<Request<Full<Bytes>>, Failed> {
    let wrong = |what: String| Failed::for_good(what);
    let method = Method::from_bytes(call.method.as_bytes())
        .map_err(|_| wrong("its method is none: write POST, PUT, PATCH or GET".to_owned()))?;
    let has_body = !call.body.is_empty() || !matches!(method, Method::GET | Method::HEAD);
    let mut request = Request::new(Full::new(call.body.clone()));
    *request.method_mut() = method;
    let headers = request.headers_mut();
    let host =
        HeaderValue::try_from(&to.authority).map_err(|_| wrong("its host is none: mend it".to_owned()))?;
    headers.insert(header::HOST, host);
    headers.insert(
        header::USER_AGENT,
        HeaderValue::from_static(concat!("watchbell/", env!("CARGO_PKG_VERSION"))),
    );
    if let Some(user) = &to.user {
        headers.insert(header::AUTHORIZATION, user.clone());
    }
    let mut own = HeaderMap::new();
    for (name, value) in &call.headers {
        let name = HeaderName::try_from(name).map_err(|_| {
            wrong(
                "one of its headers has no name that a header may have: write letters, digits and hyphens"
                    .to_owned(),
            )
        })?;
        if OURS.contains(&name) {
            return Err(wrong(format!("header {name} is for the agent to say: leave it out")));
        }
        let mut value = HeaderValue::try_from(value).map_err(|_| {
            wrong(format!(
                "header {name} holds what no header may hold, such as a line break: mend its value"
            ))
        })?;
        value.set_sensitive(true);
        own.append(name, value);
    }
    headers.extend(own);
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    if has_body {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(call.body.len()));
    }
    Ok(request)
}
