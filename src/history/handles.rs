//! What an attempt is called by whoever carries it out, as three columns of its row.

use crate::model::{
    run::WorkHandle,
    service::{Followed, Tasks, Wants},
};

use super::schema::{nanos, time};

/// What stands in the row of a service that is changed: `name=number`, one after the other. What is not said is none.
fn written(back: Option<u64>, it: &Followed) -> String {
    let Followed { mark, version, newest, wants } = *it;
    let mut words = vec![format!("mark={mark}"), format!("version={version}")];
    words.extend(back.map(|it| format!("back={it}")));
    words.extend(newest.map(|it| format!("newest={}", nanos(it))));
    // So many tasks have ended, 0 for one on each node; or so many run. Where neither is said, the change is carried out.
    match wants {
        Wants::Ended(Tasks::Replicas(count)) => words.push(format!("ended={count}")),
        Wants::Ended(Tasks::EachNode) => words.push("ended=0".to_owned()),
        Wants::Running(count) => words.push(format!("running={count}")),
        Wants::RolledOut => {}
    }
    words.join(" ")
}

fn read(text: &str) -> Option<(Option<u64>, Followed)> {
    let find = |name: &str| {
        text.split(' ').filter_map(|it| it.split_once('=')).find(|it| it.0 == name).map(|it| it.1)
    };
    let (ended, running) = (find("ended"), find("running"));
    let wants = match (ended, running) {
        (Some("0"), _) => Wants::Ended(Tasks::EachNode),
        (Some(count), _) => Wants::Ended(Tasks::Replicas(count.parse().ok()?)),
        (None, Some(count)) => Wants::Running(count.parse().ok()?),
        (None, None) => Wants::RolledOut,
    };
    let newest = find("newest").and_then(|it| it.parse().ok()).map(time);
    let back = find("back").and_then(|it| it.parse().ok());
    let (mark, version) = (find("mark")?.parse().ok()?, find("version")?.parse().ok()?);
    Some((back, Followed { mark, version, newest, wants }))
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
                Some(it) => Some(written(*back, it)),
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
    let (back, followed) = read(text)?;
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
