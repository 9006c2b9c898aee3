//! Answers and requests of the Engine as they are, for what the client library's types would lose or choke on: a value
//! that it does not know fails a whole list, and a service that is sent back without a field loses what that field held.

use bollard::{BollardRequest, models::ServiceSpec, query_parameters::UpdateServiceOptionsBuilder};
use futures::StreamExt;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{client::Engine, error::EngineError};

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
        let text = self.text(path, filters).await?;
        serde_json::from_slice(&text).map_err(|error| EngineError::Malformed(error.to_string()))
    }

    async fn text(&self, path: &str, filters: Option<&Value>) -> Result<Vec<u8>, EngineError> {
        let joint = if path.contains('?') { '&' } else { '?' };
        let filters = filters.map(|it| format!("{joint}filters={}", escaped(&it.to_string())));
        let path = format!("{path}{}", filters.unwrap_or_default());
        // The only request of the library whose answer comes as it is.
        let docker = self.docker()?.with_request_modifier(move |mut request: BollardRequest| {
            let uri = request.uri().to_string();
            let base = uri.strip_suffix(&format!("/containers/{NAMED}/export"));
            if let Some(Ok(uri)) = base.map(|base| format!("{base}{path}").parse()) {
                *request.uri_mut() = uri;
            }
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
        let version = i32::try_from(version)
            .map_err(|_| EngineError::Malformed(format!("the service's version is {version}")))?;
        let text = bytes::Bytes::from(spec.to_string());
        let docker = self.docker()?.with_request_modifier(move |mut request: BollardRequest| {
            *request.body_mut() = bollard::body_full(text.clone());
            request
        });
        let options = UpdateServiceOptionsBuilder::new().version(version).build();
        docker.update_service(id, ServiceSpec::default(), options, None).await?;
        Ok(())
    }
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
