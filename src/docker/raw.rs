//! Answers and requests of the Engine as they are, for what the client library's types would lose or choke on: a value
//! that it does not know fails a whole list, and a service that is sent back without a field loses what that field held.

use bollard::BollardRequest;
use futures::StreamExt;
use hyper::Method;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::Value;

use super::{client::Engine, credentials::Credentials, error::EngineError};

/// The most that an answer may come to, in bytes.
const ANSWER_LIMIT: usize = 256 << 20;

/// What the library's own request names, in place of which comes ours.
const NAMED: &str = "_";

impl Engine {
    /// What a GET of this path answers, as far as `T` reads it; `filters` is JSON.
    pub(super) async fn get<T: DeserializeOwned>(
        &self,
        path: &str,
        filters: Option<&Value>,
    ) -> Result<T, EngineError> {
        let joint = if path.contains('?') { '&' } else { '?' };
        let filters = filters.map(|it| format!("{joint}filters={}", escaped(&it.to_string())));
        let path = format!("{path}{}", filters.unwrap_or_default());
        read(&self.exchange(path, |_| ()).await?)
    }

    /// What a POST of this body answers, as far as `T` reads it; `credentials` are shown along with it.
    pub(super) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &Value,
        credentials: Option<&Credentials>,
    ) -> Result<T, EngineError> {
        let text = bytes::Bytes::from(body.to_string());
        let put = credentials.map(Credentials::put);
        let change = move |request: &mut BollardRequest| {
            *request.method_mut() = Method::POST;
            *request.body_mut() = bollard::body_full(text.clone());
            if let Some(put) = &put {
                put(request);
            }
        };
        read(&self.exchange(path.to_owned(), change).await?)
    }

    /// What a request for this path answers, with all else about it as `change` makes it.
    async fn exchange(
        &self,
        path: String,
        change: impl Fn(&mut BollardRequest) + Send + Sync + 'static,
    ) -> Result<Vec<u8>, EngineError> {
        // The only request of the library whose answer comes as it is.
        let docker = self.docker()?.with_request_modifier(move |mut request: BollardRequest| {
            let uri = request.uri().to_string();
            let base = uri.strip_suffix(&format!("/containers/{NAMED}/export"));
            if let Some(Ok(uri)) = base.map(|base| format!("{base}{path}").parse()) {
                *request.uri_mut() = uri;
            }
            change(&mut request);
            request
        });
        let mut stream = Box::pin(docker.export_container(NAMED));
        let mut text = Vec::new();
        while let Some(chunk) = stream.next().await {
            text.extend_from_slice(&chunk?);
            if text.len() > ANSWER_LIMIT {
                return Err(EngineError::Malformed(format!("it is longer than {ANSWER_LIMIT} bytes")));
            }
        }
        Ok(text)
    }

    /// Changes a service to what is given, if it is still the one of this version.
    pub(super) async fn put_service(&self, id: &str, version: u64, spec: &Value) -> Result<(), EngineError> {
        // As a service is changed by the library: the credentials of its images stay what they are.
        let path = format!("/services/{}/update?version={version}&registryAuthFrom=spec", escaped(id));
        self.post::<IgnoredAny>(&path, spec, None).await?;
        Ok(())
    }
}

fn read<T: DeserializeOwned>(text: &[u8]) -> Result<T, EngineError> {
    serde_json::from_slice(text).map_err(|error| EngineError::Malformed(error.to_string()))
}

/// A text as it may stand in a query.
pub(super) fn escaped(text: &str) -> String {
    use std::fmt::Write as _;
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            out.push(char::from(byte));
        } else {
            // Writing to a text never fails.
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}
