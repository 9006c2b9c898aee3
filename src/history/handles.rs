//! What an attempt is called by whoever carries it out, as three columns of its row.

use serde::{Deserialize, Serialize};

use crate::model::{
    run::WorkHandle,
    service::{Followed, Tasks, Wants},
};

use super::schema::{nanos, time};

/// What stands in the row of a service that is changed. What is not said is none.
#[derive(Debug, Serialize, Deserialize)]
struct StoredChange {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    back: Option<u64>,
    mark: u64,
    version: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    newest: Option<i64>,
    /// So many tasks have ended; 0 is one on each node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ended: Option<u16>,
    /// So many run. Where neither is said, the change is carried out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    running: Option<u16>,
}

impl StoredChange {
    fn of(back: Option<u64>, it: &Followed) -> Self {
        let Followed { mark, version, newest, wants } = *it;
        let (ended, running) = match wants {
            Wants::Ended(Tasks::Replicas(count)) => (Some(count), None),
            Wants::Ended(Tasks::EachNode) => (Some(0), None),
            Wants::RolledOut => (None, None),
            Wants::Running(count) => (None, Some(count)),
        };
        Self { back, mark, version, newest: newest.map(nanos), ended, running }
    }

    fn read(self) -> (Option<u64>, Followed) {
        let Self { back, mark, version, newest, ended, running } = self;
        let wants = match (ended, running) {
            (Some(0), _) => Wants::Ended(Tasks::EachNode),
            (Some(count), _) => Wants::Ended(Tasks::Replicas(count)),
            (None, Some(count)) => Wants::Running(count),
            (None, None) => Wants::RolledOut,
        };
        (back, Followed { mark, version, newest: newest.map(time), wants })
    }
}

/// What an attempt is called, as three columns.
pub(super) fn stored(handle: &WorkHandle) -> (&'static str, String, Option<String>) {
    match handle {
        WorkHandle::Exec { exec, container } => ("exec", exec.clone(), Some(container.clone())),
        WorkHandle::Container { id } => ("container", id.clone(), None),
        WorkHandle::Existing { id } => ("existing", id.clone(), None),
        WorkHandle::Service { id } => ("service", id.clone(), None),
        WorkHandle::Action { container, started } => {
            ("action", container.clone(), started.map(|it| it.to_string()))
        }
        WorkHandle::Change { service, back, followed } => {
            let of = match followed {
                // It is numbers only, and always can be written.
                Some(it) => serde_json::to_string(&StoredChange::of(*back, it)).ok(),
                None => back.map(|it| it.to_string()),
            };
            ("change", service.clone(), of)
        }
        WorkHandle::Process { pid, start } => ("process", pid.to_string(), Some(start.to_string())),
    }
}

/// The three columns read back; `None` for what nobody could have stored.
pub(super) fn handle(what: &str, id: String, of: Option<String>) -> Option<WorkHandle> {
    Some(match what {
        "exec" => WorkHandle::Exec { exec: id, container: of? },
        "container" => WorkHandle::Container { id },
        "existing" => WorkHandle::Existing { id },
        "service" => WorkHandle::Service { id },
        "action" => WorkHandle::Action { container: id, started: of.and_then(|it| it.parse().ok()) },
        "change" => {
            let (back, followed) = change(of.as_deref())?;
            WorkHandle::Change { service: id, back, followed }
        }
        "process" => WorkHandle::Process { pid: id.parse().ok()?, start: of?.parse().ok()? },
        _ => return None,
    })
}

/// An earlier version kept no more than what is given back: a number, or nothing.
fn change(of: Option<&str>) -> Option<(Option<u64>, Option<Followed>)> {
    let Some(text) = of else { return Some((None, None)) };
    if let Ok(back) = text.parse() {
        return Some((Some(back), None));
    }
    let it: StoredChange = serde_json::from_slice(text.as_bytes()).ok()?;
    let (back, followed) = it.read();
    Some((back, Some(followed)))
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    #[test]
    fn every_handle_reads_back_as_what_it_was() {
        let text = || "0123abc".to_owned();
        let at = Timestamp::from_nanosecond(1_767_571_260_123_456_789).unwrap();
        let change = |back, followed| WorkHandle::Change { service: text(), back, followed };
        let followed = |newest, wants| Some(Followed { mark: u64::MAX, version: 7, newest, wants });
        for it in [
            WorkHandle::Exec { exec: text(), container: text() },
            WorkHandle::Container { id: text() },
            WorkHandle::Existing { id: text() },
            WorkHandle::Service { id: text() },
            WorkHandle::Action { container: text(), started: None },
            WorkHandle::Action { container: text(), started: Some(at) },
            change(None, None),
            change(Some(0), None),
            change(Some(0), followed(None, Wants::Ended(Tasks::Replicas(2)))),
            change(None, followed(Some(at), Wants::Ended(Tasks::EachNode))),
            change(None, followed(Some(at), Wants::RolledOut)),
            change(None, followed(None, Wants::Running(0))),
            WorkHandle::Process { pid: 7, start: u64::MAX },
        ] {
            let (what, id, of) = stored(&it);
            assert_eq!(handle(what, id, of), Some(it));
        }
    }

    #[test]
    fn a_change_that_an_earlier_version_entered_is_known_without_how_it_is_followed() {
        let read = |of: Option<&str>| handle("change", "s".to_owned(), of.map(str::to_owned));
        let change = |back| Some(WorkHandle::Change { service: "s".to_owned(), back, followed: None });
        assert_eq!((read(None), read(Some("3"))), (change(None), change(Some(3))));
        assert_eq!(read(Some("{")), None);
    }
}
