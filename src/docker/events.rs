//! The Engine's event stream, as hints that a new list is worth its while.

use std::collections::HashMap;

use bollard::{models::EventMessage, query_parameters::EventsOptionsBuilder};
use futures::{Stream, StreamExt};
use jiff::Timestamp;

use crate::model::container::RUN_LABEL;

use super::{client::Engine, error::EngineError};

/// What can change the jobs. Podman calls some of them otherwise, and an Engine passes over names it does not know.
/// Our own runs and health checks of other containers give no hint, however many there are.
const NAMES: [&str; 9] =
    ["start", "restart", "die", "died", "destroy", "remove", "rename", "pause", "unpause"];

/// A hint that a new list is worth its while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hint {
    /// The container that it is about.
    pub container: Option<String>,
    /// Whether its process has ended. The list may go on to call it running for a while after that.
    pub died: bool,
}

impl Engine {
    /// Everything since `since`, by the Engine's clock, and on from there. Nothing is sent before the stream is first
    /// polled, which is why `since` must be from before the list that it goes with.
    pub fn hints(
        &self,
        since: Timestamp,
    ) -> Result<impl Stream<Item = Result<Hint, EngineError>> + Send + 'static, EngineError> {
        let docker = self.docker()?;
        let filters = HashMap::from([("type", vec!["container"]), ("event", NAMES.to_vec())]);
        let since = format!("{}.{:09}", since.as_second(), since.subsec_nanosecond());
        let options = EventsOptionsBuilder::new().since(&since).filters(&filters).build();
        Ok(docker.events(Some(options)).filter_map(|event| {
            let hint = match event {
                Ok(event) if is_of_a_run(&event) => None,
                Ok(event) => Some(Ok(hint(event))),
                Err(error) => Some(Err(error.into())),
            };
            std::future::ready(hint)
        }))
    }
}

/// Whether it is about a container that we made for a run.
fn is_of_a_run(event: &EventMessage) -> bool {
    let attributes = event.actor.as_ref().and_then(|actor| actor.attributes.as_ref());
    attributes.is_some_and(|attributes| attributes.contains_key(RUN_LABEL))
}

fn hint(event: EventMessage) -> Hint {
    let died = event.action.as_deref().is_some_and(|action| matches!(action, "die" | "died"));
    Hint { container: event.actor.and_then(|actor| actor.id), died }
}
