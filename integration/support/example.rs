//! Examples of the documentation, read by the real pipeline.

use std::{collections::BTreeMap, path::PathBuf};

use clap::Parser;
use jiff::Timestamp;
use serde_json::Value;
use watchbell::{
    cli::{
        args::{Cli, Command, SettingFlags},
        load,
    },
    model::{
        container::{Container, ContainerId, ContainerState, Inventory},
        name::JobId,
        swarm::{STACK_LABEL, Service, Services},
    },
    settings::resolve::{DesiredJob, View, resolve},
};

use super::{docs::Fence, scenario};

/// Where an agent looks for its file unless it is told otherwise.
const DEFAULT_FILE: &str = "/etc/watchbell/config.ini";

/// Sources that belong together.
#[derive(Debug, Default)]
pub struct Example {
    /// Where it begins.
    pub place: String,
    /// The INI file.
    pub ini: String,
    /// Variables of the agent.
    pub environment: BTreeMap<String, String>,
    /// Arguments of `watchbell`.
    pub arguments: Vec<String>,
    /// The labels of services of a Swarm, by name.
    pub services: BTreeMap<String, BTreeMap<String, String>>,
    /// Containers with their labels; one named `watchbell` is the agent's own.
    pub containers: BTreeMap<String, BTreeMap<String, String>>,
    /// Files in the agent's container, by their path there.
    pub files: BTreeMap<String, String>,
    /// The diagnostics that the document shows.
    pub expected: Vec<String>,
}

/// The examples among the fences, each with the diagnostics shown below it. `and` behind a fence joins it to the one
/// before; labels are those of a Compose service, or with `own` of the agent's own container.
pub fn examples(fences: &[Fence]) -> Result<Vec<Example>, String> {
    let mut all: Vec<Example> = Vec::new();
    for fence in fences {
        let fail = |reason: &str| format!("{}: {reason}", fence.place);
        if fence.tag == "diagnostics" {
            let last = all.last_mut().ok_or_else(|| fail("there is no example before it"))?;
            last.expected = fence.text.lines().map(str::to_owned).collect();
            continue;
        }
        if !matches!(&*fence.tag, "labels" | "ini" | "yaml") {
            continue;
        }
        if !fence.words.iter().any(|word| word == "and") {
            all.push(Example { place: fence.place.clone(), ..Example::default() });
        }
        let last = all.last_mut().ok_or_else(|| fail("there is no example before it"))?;
        for (name, value) in fence.words.iter().filter_map(|word| word.split_once('=')) {
            last.environment.insert(name.to_owned(), value.to_owned());
        }
        match &*fence.tag {
            "ini" => last.ini.push_str(&fence.text),
            "yaml" => compose(last, &fence.text).map_err(|reason| fail(&reason))?,
            _ => {
                let own = fence.words.iter().any(|word| word == "own");
                let (name, mut labels) =
                    if own { ("watchbell", BTreeMap::new()) } else { ("web", of_compose("shop", "web")) };
                for line in fence.text.lines().filter(|line| !line.is_empty()) {
                    let (key, value) = line.split_once('=').ok_or_else(|| fail("write KEY=VALUE"))?;
                    labels.insert(key.to_owned(), value.to_owned());
                }
                last.containers.insert(name.to_owned(), labels);
            }
        }
    }
    Ok(all)
}

fn of_compose(project: &str, service: &str) -> BTreeMap<String, String> {
    [("project", project), ("service", service), ("container-number", "1")]
        .map(|(key, value)| (format!("com.docker.compose.{key}"), value.to_owned()))
        .into()
}

/// Takes in a Compose file: its services' labels, and the agent's command and variables.
pub fn compose(example: &mut Example, text: &str) -> Result<(), String> {
    let file: Value = serde_saphyr::from_str(text).map_err(|error| error.to_string())?;
    let services = file["services"].as_object().ok_or("it has no services")?;
    for (name, service) in services {
        let mut labels = of_compose("example", name);
        labels.extend(pairs(&service["labels"])?);
        let deployed = pairs(&service["deploy"]["labels"])?;
        if !deployed.is_empty() {
            example.services.insert(format!("example_{name}"), deployed);
        }
        let image = service["image"].as_str().unwrap_or_default();
        if image.split(':').next().is_some_and(|it| it.ends_with("watchbell")) {
            let ours = pairs(&service["environment"])?;
            // What Compose puts in is not ours to know.
            example.environment.extend(ours.into_iter().filter(|(_, value)| !value.contains("${")));
            if let Some(words) = service["command"].as_array() {
                example.arguments = words.iter().filter_map(Value::as_str).map(str::to_owned).collect();
            }
            example.containers.insert("watchbell".to_owned(), labels);
        } else {
            example.containers.insert(format!("example-{name}-1"), labels);
        }
    }
    Ok(())
}

/// A map, or a list of `NAME=VALUE`, as Compose takes both; a value is handed on as its text.
fn pairs(value: &Value) -> Result<BTreeMap<String, String>, String> {
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    match value {
        Value::Null => Ok(BTreeMap::new()),
        Value::Object(map) => Ok(map.iter().map(|(key, value)| (key.clone(), text(value))).collect()),
        Value::Array(items) => items
            .iter()
            .map(|item| {
                let item = text(item);
                let (key, value) = item.split_once('=').ok_or_else(|| format!("{item} is not NAME=VALUE"))?;
                Ok((key.to_owned(), value.to_owned()))
            })
            .collect(),
        other => Err(format!("{other} is neither a map nor a list")),
    }
}

impl Example {
    /// Reads everything, and gives the jobs and the diagnostics as `watchbell validate` would.
    pub fn read(&self) -> Result<(BTreeMap<JobId, DesiredJob>, Vec<String>), String> {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let at = folder.path().display().to_string();
        let path = folder.path().join("config.ini");
        std::fs::write(&path, &self.ini).map_err(|error| error.to_string())?;
        let placed = |text: &str| {
            self.files.keys().fold(text.to_owned(), |text, file| text.replace(file, &format!("{at}{file}")))
        };
        for (file, text) in &self.files {
            let path = PathBuf::from(format!("{at}{file}"));
            let written = path.parent().map_or(Ok(()), std::fs::create_dir_all);
            written.and_then(|()| std::fs::write(&path, placed(text))).map_err(|error| error.to_string())?;
        }
        let mut flags = SettingFlags::default();
        if !self.arguments.is_empty()
            && let Command::Daemon(typed) = command_line(&self.arguments)?.command
        {
            flags = typed;
        }
        // Paths of an example are not there when it is tried, but for those of files that it has itself.
        flags.config = match &flags.config[..] {
            [] if self.files.contains_key(DEFAULT_FILE) => vec![placed(DEFAULT_FILE)],
            named if named.iter().any(|it| placed(it) != *it) => named.iter().map(|it| placed(it)).collect(),
            _ => vec![path.display().to_string()],
        };
        let environment = self.environment.iter().map(|(name, value)| (name.clone(), placed(value)));
        let loaded = load::load(&flags, &environment.collect());
        let containers: Vec<Container> = self
            .containers
            .iter()
            .map(|(name, labels)| Container {
                id: ContainerId(name.as_str().into()),
                name: name.as_str().into(),
                state: ContainerState::Running,
                healthy: None,
                created: 0,
                labels: labels.clone(),
            })
            .collect();
        let own = containers.iter().map(|it| &it.id).find(|id| &*id.0 == "watchbell").cloned();
        let stack = || (STACK_LABEL.to_owned(), "example".to_owned());
        let services = self.services.iter().map(|(name, labels)| Service {
            id: name.as_str().into(),
            name: name.as_str().into(),
            created: 0,
            labels: labels.clone().into_iter().chain([stack()]).collect(),
            is_replicated: true,
            here: BTreeMap::new(),
            elsewhere: 0,
        });
        let services = Services { list: services.collect(), unseen: None };
        let inventory = Inventory { containers, own, services };
        let view = if self.containers.is_empty() { View::FilesOnly } else { View::Observed(&inventory) };
        let now = Timestamp::from_second(1_790_000_000).map_err(|error| error.to_string())?;
        let desired = resolve(&loaded.sources, view, now);
        let found = loaded.diagnostics.iter().chain(&desired.diagnostics);
        let shown = |text: String| {
            let text = self.files.keys().fold(text, |text, file| text.replace(&format!("{at}{file}"), file));
            text.replace(&format!("{at}/"), "")
        };
        let found = found.map(|it| shown(scenario::problem(it))).collect();
        Ok((desired.jobs, found))
    }

    /// What is wrong with the example, if anything is.
    pub fn check(&self) -> Result<(), String> {
        let (jobs, found) = self.read().map_err(|reason| format!("{}: {reason}", self.place))?;
        if found != self.expected {
            let shown = found.join("\n  ");
            return Err(format!("{}: not the diagnostics that are shown, but:\n  {shown}", self.place));
        }
        if jobs.is_empty() && self.expected.is_empty() {
            return Err(format!("{}: it makes no job", self.place));
        }
        Ok(())
    }
}

/// The arguments as `watchbell` reads them.
pub fn command_line(arguments: &[String]) -> Result<Cli, String> {
    let arguments = std::iter::once("watchbell").chain(arguments.iter().map(String::as_str));
    Cli::try_parse_from(arguments).map_err(|error| error.to_string())
}
