//! Reads containers and services from files, for the commands that need no Engine: the JSON of `docker inspect` or
//! `docker service inspect`, or a compose file.

use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    io::Read,
    path::Path,
    sync::Arc,
};

use jiff::Timestamp;
use serde_json::Value;

use crate::model::gather::Gather;
use crate::{
    model::{
        container::{Container, ContainerId, ContainerState, Inventory},
        diagnostic::{Diagnostic, Severity},
        origin::Origin,
        swarm::{Service, Services},
    },
    settings::{compose, dialect::Dialect},
};

use super::{Environment, render::Files};

/// Containers, and where their labels are written.
#[derive(Debug, Default)]
pub struct Labels {
    containers: BTreeMap<Arc<str>, Container>,
    services: BTreeMap<Arc<str>, Service>,
    /// What could not be taken.
    pub diagnostics: Vec<Diagnostic>,
    /// The texts, for showing their lines.
    pub files: Files,
    /// Whether only the labels matter, and not whether their container was ever started.
    pub in_any_state: bool,
    /// The containers of `docker inspect`: where each stands.
    inspected: BTreeMap<Arc<str>, String>,
    /// Labels that are read stand where no container has them.
    pub under_deploy: bool,
    dialects: Vec<Dialect>,
    unread: bool,
}

impl Labels {
    /// None yet; `dialects` are those whose labels will be read.
    pub fn new(dialects: &[Dialect]) -> Self {
        Self { dialects: dialects.to_vec(), ..Self::default() }
    }

    /// Reads each of `paths`, of which `-` is standard input. A container that two compose files name has the labels
    /// of both, the later over the earlier.
    pub fn read(paths: &[String], environment: &Environment, dialects: &[Dialect]) -> Self {
        let mut labels = Self::new(dialects);
        for path in paths {
            labels.take(path, environment);
        }
        labels
    }

    /// All containers; `None` if there are some that could not be read.
    pub fn inventory(&self) -> Option<Inventory> {
        let containers = self.containers.values().cloned().collect();
        let services = Services { list: self.services.values().cloned().collect(), unseen: None };
        (!self.unread).then_some(Inventory { containers, own: None, services })
    }

    /// What is left of `found` when a label that Compose refuses was told of: what follows from it is no second
    /// mistake.
    pub fn told_once(&self, found: Vec<Diagnostic>) -> Vec<Diagnostic> {
        let refused = |it: &&Diagnostic| it.severity == Severity::Error && it.origin.is_label();
        let refused: BTreeSet<&Origin> =
            self.diagnostics.iter().filter(refused).map(|it| &it.origin).into_set();
        found.into_iter().filter(|it| !refused.contains(&it.origin)).collect()
    }

    fn take(&mut self, path: &str, environment: &Environment) {
        let text = match text(path) {
            Ok(text) => text,
            Err(reason) => return self.unreadable(Origin::Flag("--labels".into()), reason),
        };
        self.understand(path, &text, environment);
    }

    /// Takes a text that was read from `path`.
    pub fn understand(&mut self, path: &str, text: &str, environment: &Environment) {
        let name = if path == "-" { "standard input" } else { path };
        match serde_json::from_slice::<Value>(text.as_bytes()) {
            Ok(Value::Array(all)) => self.inspected(name, &all),
            Ok(one @ Value::Object(_)) if one.get("Config").is_some() || is_service(&one) => {
                self.inspected(name, &[one]);
            }
            Err(error) if text.trim_start().starts_with('[') => {
                let line = u32::try_from(error.line()).unwrap_or(u32::MAX);
                let column = u32::try_from(error.column()).unwrap_or(u32::MAX);
                self.files.column(name, line, column.max(1));
                // Its own words may repeat what stands there.
                let reason = "the JSON is broken: give what docker inspect CONTAINER… prints, as a whole";
                self.unreadable(Origin::File { path: name.into(), line }, reason);
            }
            _ => self.compose(path, name, text, environment),
        }
        self.files.keep(name, text);
    }

    fn unreadable(&mut self, origin: Origin, reason: impl Into<String>) {
        self.unread = true;
        self.diagnostics.push(Diagnostic::error(origin, reason));
    }

    fn inspected(&mut self, path: &str, all: &[Value]) {
        for (number, it) in (1..).zip(all) {
            let place = format!("{path}, container {number}");
            if is_service(it) {
                match service(it, path, number) {
                    Ok(found) => drop(self.services.insert(found.name.clone(), found)),
                    Err(reason) => self.unreadable(Origin::Place(place.into()), reason),
                }
                continue;
            }
            match container(it, path, number) {
                Ok(found) => self.put(found, state(it).is_none(), place),
                Err(reason) => self.unreadable(Origin::Place(place.into()), reason),
            }
        }
    }

    /// Takes one container of `docker inspect`. No Engine has two of one name, so a second one is no replica.
    fn put(&mut self, it: Container, idle: bool, place: String) {
        if let Some(known) = self.containers.get(&it.name) {
            if known.id == it.id && known.labels == it.labels {
                return;
            }
            let before = self.inspected.get(&it.name).map(|place| format!(" ({place})")).unwrap_or_default();
            let reason = format!(
                "the container {} was given before{before}, and this one has no effect: give each container once",
                it.name
            );
            self.diagnostics.push(Diagnostic::error(Origin::Place(place.into()), reason));
        } else if idle && !self.in_any_state {
            let ours = |label: &String| {
                let head = label.split('.').next().unwrap_or_default();
                head == "swarm" || Dialect::parse(head).is_some()
            };
            if it.labels.keys().any(ours) {
                let reason = "it was never started, or is being removed, and so defines nothing";
                self.diagnostics.push(Diagnostic::warning(Origin::Container(it.name), reason));
            }
        } else {
            self.inspected.insert(it.name.clone(), place);
            self.containers.insert(it.name.clone(), it);
        }
    }

    fn compose(&mut self, path: &str, name: &str, text: &str, environment: &Environment) {
        let folder = std::fs::canonicalize(Path::new(if path == "-" { "." } else { path }));
        let project = folder.ok().and_then(|it| {
            let folder = if path == "-" { Some(it.as_path()) } else { it.parent() };
            folder?.file_name()?.to_str().map(str::to_owned)
        });
        let variable = |name: &str| environment.get(name).cloned();
        let file = compose::parse_for(&self.dialects, name, text, project.as_deref(), &variable);
        self.under_deploy |= file.under_deploy;
        self.unread |= file.containers.is_empty();
        self.diagnostics.extend(file.diagnostics);
        for (line, column) in file.columns {
            self.files.column(name, line, column);
        }
        let of_services = file.services.iter().map(|it| (Origin::Service(it.name.clone()), &it.labels));
        let of_containers = file.containers.iter().map(|it| (Origin::Container(it.name.clone()), &it.labels));
        let by_name: BTreeMap<Arc<str>, _> =
            of_services.chain(of_containers).map(|(on, labels)| (compose::of_places(&on), labels)).into_map();
        for ((container, label), place) in file.places {
            let value = by_name.get(&container).and_then(|it| it.get(&*label)).map_or("", String::as_str);
            self.files.label(container, label, name, place, value);
        }
        for service in file.services {
            match self.services.entry(service.name.clone()) {
                Entry::Vacant(free) => {
                    free.insert(service);
                }
                Entry::Occupied(there) => there.into_mut().labels.extend(service.labels),
            }
        }
        for container in file.containers {
            match self.containers.entry(container.name.clone()) {
                Entry::Vacant(free) => {
                    free.insert(container);
                }
                Entry::Occupied(there) => there.into_mut().labels.extend(container.labels),
            }
        }
    }
}

/// The text at `path`, of which `-` is standard input.
pub fn text(path: &str) -> Result<String, String> {
    let mut bytes = Vec::new();
    let read = if path == "-" {
        std::io::stdin().read_to_end(&mut bytes)
    } else {
        std::fs::File::open(path).and_then(|mut file| file.read_to_end(&mut bytes))
    };
    read.map_err(|error| format!("{path} cannot be read: {error}"))?;
    String::from_utf8(bytes).map_err(|error| {
        let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = good.split(|b| *b == b'\n').count();
        format!("{path}, line {line}, is not UTF-8: save the file as UTF-8")
    })
}

/// Whether `docker service inspect` printed it.
fn is_service(it: &Value) -> bool {
    it.get("Config").is_none() && it.pointer("/Spec/TaskTemplate").is_some()
}

fn labels_of(all: Option<&Value>) -> Result<BTreeMap<String, String>, String> {
    match all {
        None | Some(Value::Null) => Ok(BTreeMap::new()),
        Some(Value::Object(all)) => {
            let text = |(key, value): (&String, &Value)| match value.as_str() {
                Some(value) => Ok((key.clone(), value.to_owned())),
                None => Err(format!("the label \"{key}\" is no text")),
            };
            all.iter().map(text).collect()
        }
        Some(_) => Err("its \"Labels\" are no map".to_owned()),
    }
}

/// One service as `docker service inspect` shows it, as far as it matters here.
fn service(it: &Value, path: &str, number: u32) -> Result<Service, String> {
    let text = |pointer: &str| it.pointer(pointer).and_then(Value::as_str).filter(|it| !it.is_empty());
    let id = text("/ID").map_or_else(|| format!("{path}#{number}"), str::to_owned);
    Ok(Service {
        name: text("/Spec/Name").unwrap_or(&id).into(),
        id: id.into(),
        created: text("/CreatedAt").and_then(|it| it.parse().ok()).map_or(0, Timestamp::as_second),
        labels: labels_of(it.pointer("/Spec/Labels"))?,
        is_replicated: it.pointer("/Spec/Mode/Replicated").is_some(),
        here: BTreeMap::new(),
        elsewhere: 0,
    })
}

/// One container as `docker inspect` shows it, as far as it matters here.
fn container(it: &Value, path: &str, number: u32) -> Result<Container, String> {
    let Some(config) = it.get("Config") else {
        return Err("it has no \"Config\": give what docker inspect CONTAINER… prints".to_owned());
    };
    let text = |key: &str| it.get(key).and_then(Value::as_str).unwrap_or_default();
    let labels = labels_of(config.get("Labels"))?;
    let id = match text("Id") {
        "" => format!("{path}#{number}"),
        id => id.to_owned(),
    };
    let name = match text("Name").trim_start_matches('/') {
        "" => id.clone(),
        name => name.to_owned(),
    };
    let created = text("Created").parse::<Timestamp>().map_or(0, Timestamp::as_second);
    let health = it.pointer("/State/Health/Status").and_then(Value::as_str);
    Ok(Container {
        id: ContainerId(id.into()),
        name: name.into(),
        state: state(it).unwrap_or(ContainerState::Stopped),
        healthy: health.filter(|it| *it != "none").map(|it| it == "healthy"),
        created,
        labels,
    })
}

/// As the Engine's list has it; `None` for one that is not asked for there, and so defines nothing.
fn state(it: &Value) -> Option<ContainerState> {
    match it.pointer("/State/Status").and_then(Value::as_str) {
        // Whoever leaves it out means a container that is used.
        None | Some("running") => Some(ContainerState::Running),
        Some("paused") => Some(ContainerState::Paused),
        Some("restarting") => Some(ContainerState::Restarting),
        Some("created" | "removing" | "dead") => None,
        Some(_) => Some(ContainerState::Stopped),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::cli::render::Colours;

    fn any_text() -> impl Strategy<Value = String> {
        let part = prop::sample::select(vec![
            "services:",
            "  web:",
            "    labels:",
            "      ",
            "\n",
            "\n",
            "\t",
            "\r",
            "{",
            "}",
            "[",
            "]",
            ", ",
            ": ",
            "- ",
            "\"",
            "'",
            "&a ",
            "*a",
            "<<: ",
            "# ",
            "|",
            ">-",
            "é",
            "\u{feff}",
            "!reset ",
            "---",
            "watchbell.enabled",
            "=",
            "$",
            "${",
            "watchbell.job-exec.a.schedule",
            "watchbell.job-exec.a.environment.0",
            "soon",
            "a=b",
            "\0",
        ]);
        let lines = prop::collection::vec(part, 0..12).prop_map(|parts| parts.concat());
        lines.prop_flat_map(|tail| {
            let heads = ["", "services:\n  web:\n    labels:\n      ", "services: {web: {labels: {"];
            prop::sample::select(heads.to_vec()).prop_map(move |head| format!("{head}{tail}"))
        })
    }

    proptest! {
        /// Whatever stands in a file, each mistake is told, in a few lines.
        #[test]
        fn no_text_makes_it_panic(text in any_text()) {
            let mut labels = Labels::default();
            labels.compose("-", "standard input", &text, &Environment::new());
            labels.files.keep("standard input", &text);
            let mut all = labels.diagnostics.clone();
            for container in labels.containers.values() {
                for label in container.labels.keys() {
                    let origin = Origin::Label { container: container.name.clone(), label: label.as_str().into() };
                    all.extend(["schedule: no", "unknown"].map(|it| Diagnostic::error(origin.clone(), it)));
                }
            }
            for it in all {
                let shown = labels.files.text(&it, Colours::none());
                prop_assert!(shown.starts_with(it.severity.as_str()) && shown.lines().count() <= 5, "{}", shown);
                prop_assert!(!shown.contains(['\0', '\t', '\r']), "{shown:?}");
            }
        }
    }
}
