//! The Engine's event stream, as hints that a new list is worth its while.

use std::collections::HashMap;

use bollard::query_parameters::EventsOptionsBuilder;
use futures::{Stream, StreamExt};
use jiff::Timestamp;

use super::{client::Engine, error::EngineError};

/// What can change the jobs. Podman calls some of them otherwise, and an Engine passes over names it does not know.
/// Our own runs and health checks of other containers give no hint, however many there are.
const NAMES: [&str; 9] =
    ["start", "restart", "die", "died", "destroy", "remove", "rename", "pause", "unpause"];

impl Engine {
    /// Everything since `since`, by the Engine's clock, and on from there. Nothing is sent before the stream is first
    /// polled, which is why `since` must be from before the list that it goes with.
    pub fn hints(
        &self,
        since: Timestamp,
    ) -> Result<impl Stream<Item = Result<(), EngineError>> + Send + 'static, EngineError> {
        let docker = self.docker()?;
        let filters = HashMap::from([("type", vec!["container"]), ("event", NAMES.to_vec())]);
        let since = format!("{}.{:09}", since.as_second(), since.subsec_nanosecond());
        let options = EventsOptionsBuilder::new().since(&since).filters(&filters).build();
        Ok(docker.events(Some(options)).map(|event| event.map(|_| ()).map_err(EngineError::from)))
    }
}
