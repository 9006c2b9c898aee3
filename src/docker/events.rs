//! The Engine's event stream, as hints that a new list is worth its while.

use std::collections::HashMap;

use bollard::{
    models::{EventMessage, EventMessageTypeEnum as Type},
    query_parameters::EventsOptionsBuilder,
};
use futures::{Stream, StreamExt};
use jiff::Timestamp;

use crate::model::container::RUN_LABEL;

use super::{client::Engine, error::EngineError};

/// What can change the jobs. Podman calls some of them otherwise, and an Engine passes over names it does not know.
/// Our own runs and health checks of other containers give no hint, however many there are.
const NAMES: [&str; 9] =
    ["start", "restart", "die", "died", "destroy", "remove", "rename", "pause", "unpause"];

/// What happens to services, where those are asked for as well.
const SERVICE_NAMES: [&str; 3] = ["create", "update", "remove"];

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
    /// polled, which is why `since` must be from before the list that it goes with. `services`: also of services.
    pub fn hints(
        &self,
        since: Timestamp,
        services: bool,
    ) -> Result<impl Stream<Item = Result<Hint, EngineError>> + Send + 'static, EngineError> {
        let docker = self.docker()?;
        let mut filters = HashMap::from([("type", vec!["container"]), ("event", NAMES.to_vec())]);
        if services {
            filters.entry("type").or_default().push("service");
            filters.entry("event").or_default().extend(&SERVICE_NAMES[..2]);
        }
        let since = format!("{}.{:09}", since.as_second(), since.subsec_nanosecond());
        let options = EventsOptionsBuilder::new().since(&since).filters(&filters).build();
        Ok(docker.events(Some(options)).filter_map(|event| {
            let hint = match event {
                Ok(event) if is_of_a_run(&event) || !is_wanted(&event) => None,
                Ok(event) => Some(Ok(hint(event))),
                Err(error) => Some(Err(error.into())),
            };
            std::future::ready(hint)
        }))
    }
}

fn is_of_a_service(event: &EventMessage) -> bool {
    event.typ == Some(Type::SERVICE)
}

/// The filter has the names of both types together.
fn is_wanted(event: &EventMessage) -> bool {
    let names = if is_of_a_service(event) { &SERVICE_NAMES[..] } else { &NAMES[..] };
    event.action.as_deref().is_none_or(|action| names.contains(&action))
}

/// Whether it is about what we made for a run: a container by its label, and a service, of which an event has no labels,
/// by its name.
fn is_of_a_run(event: &EventMessage) -> bool {
    let attributes = event.actor.as_ref().and_then(|actor| actor.attributes.as_ref());
    attributes.is_some_and(|attributes| {
        let name = attributes.get("name").filter(|_| is_of_a_service(event));
        attributes.contains_key(RUN_LABEL) || name.is_some_and(|name| is_name_of_a_run(name))
    })
}

/// `watchbell-<job>-<occurrence>`, with a part of the run's ID or without. What else is called so costs no more than that
/// its change is seen with the next list.
fn is_name_of_a_run(name: &str) -> bool {
    let is_moment = |part: &str| part.len() >= 10 && part.bytes().all(|byte| byte.is_ascii_digit());
    name.strip_prefix("watchbell-").is_some_and(|rest| rest.split('-').skip(1).any(is_moment))
}

fn hint(event: EventMessage) -> Hint {
    let died = event.action.as_deref().is_some_and(|action| matches!(action, "die" | "died"));
    let service = is_of_a_service(&event);
    Hint { container: event.actor.and_then(|actor| actor.id).filter(|_| !service), died }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_of_a_run_is_known_by_its_name() {
        for name in ["watchbell-backup-1767571260", "watchbell-a-b_c-1767571260-01jabcde"] {
            assert!(is_name_of_a_run(name), "{name}");
        }
        for name in ["watchbell", "watchbell_agent", "watchbell-1767571260", "watchbell-web-2", "shop_web"] {
            assert!(!is_name_of_a_run(name), "{name}");
        }
    }
}
