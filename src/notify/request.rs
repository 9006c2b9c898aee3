//! What a service takes.

use std::fmt;

use bytes::Bytes;

/// One HTTP request. Addresses and headers may hold secrets: it shows neither.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    /// `POST`, `PUT` or `GET`.
    pub method: &'static str,
    /// The whole address.
    pub url: String,
    /// Headers beside those that each request has.
    pub headers: Vec<(String, String)>,
    /// What is sent.
    pub body: Bytes,
    /// Which status means that it was taken; none is every one of 200 to 299.
    pub expect: Vec<u16>,
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("body", &self.body.len())
            .finish_non_exhaustive()
    }
}

impl Request {
    /// A value as JSON, sent by `POST`.
    pub fn json(url: impl Into<String>, body: &serde_json::Value) -> Self {
        Self {
            method: "POST",
            url: url.into(),
            headers: vec![("content-type".to_owned(), "application/json".to_owned())],
            body: Bytes::from(body.to_string()),
            expect: Vec::new(),
        }
    }

    /// With a further header.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }
}
