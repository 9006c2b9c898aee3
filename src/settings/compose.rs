//! A compose file → the containers that Compose would make of it, and the services that a Swarm would, as far as their
//! labels go.
//!
//! It is read as Compose reads it: anchors and merge keys, labels as a map or a list, types of YAML, variables. What
//! Compose would refuse and what cannot be followed from one file's text is a diagnostic. Nothing is read but the text
//! that is given.

mod deploy;
pub mod interpolate;
mod tools;
pub mod yaml;

use std::{
    collections::BTreeMap,
    path::{Component, Path},
    rc::Rc,
    sync::Arc,
};

use crate::model::{
    container::{Container, ContainerId, ContainerState},
    diagnostic::{Diagnostic, Severity},
    origin::Origin,
    swarm::Service,
};

use super::dialect::Dialect;
use yaml::{Kind, Node, Place};

/// What a compose file says.
#[derive(Debug, Default)]
pub struct ComposeFile {
    /// One container for each service, as if it ran.
    pub containers: Vec<Container>,
    /// Each service with labels under `deploy`, as a Swarm would have it of a stack that is called as the project.
    pub services: Vec<Service>,
    /// Where each label of each container was written, by the container's name and the label's key; of a service by what
    /// [`Origin::Service`] shows.
    pub places: BTreeMap<(Arc<str>, Arc<str>), LabelPlace>,
    /// What Compose would refuse, and what was not followed.
    pub diagnostics: Vec<Diagnostic>,
    /// The column of a diagnostic whose origin is a line of the file, by line.
    pub columns: BTreeMap<u32, u32>,
    /// Labels that are read stand under `deploy`, which was told.
    pub under_deploy: bool,
}

/// Where a label was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LabelPlace {
    /// Where its key begins; in a list, where the item begins.
    pub key: Place,
    /// Where its value begins; in a list, where the item begins.
    pub value: Place,
}

/// What all aliases together may come to, in bytes: a file that repeats much is small and what it says is not.
const BUDGET: usize = 32 << 20;

/// As [`parse_for`], where only our own labels are read.
pub fn parse(
    path: &str,
    text: &str,
    project: Option<&str>,
    variable: &dyn Fn(&str) -> Option<String>,
) -> ComposeFile {
    parse_for(&[Dialect::Watchbell], path, text, project, variable)
}

/// Reads the text of the file at `path`, for those whose labels are read. `project` is its project where it does not name one itself; without it, the
/// folder in `path` is. `variable` gives the value of `${NAME}`.
pub fn parse_for(
    dialects: &[Dialect],
    path: &str,
    text: &str,
    project: Option<&str>,
    variable: &dyn Fn(&str) -> Option<String>,
) -> ComposeFile {
    let mut reader = Reader {
        dialects,
        path: path.into(),
        project: String::new(),
        variable,
        budget: Some(BUDGET),
        out: ComposeFile::default(),
    };
    match yaml::read(text.strip_prefix('\u{feff}').unwrap_or(text)) {
        Ok((root, problems)) => {
            for it in problems {
                reader.tell(it.at, it.severity, it.reason);
            }
            match root {
                Some(root) => reader.file(&root, project),
                None => reader.error(Place { line: 1, column: 1 }, "the file is empty"),
            }
        }
        Err(it) => reader.tell(it.at, it.severity, it.reason),
    }
    reader.out
}

/// A folder's name as Compose makes a project's name of it: lower case letters, digits, `-` and `_`.
pub fn normalise(name: &str) -> String {
    let fits = |c: &char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_');
    let name: String = name.to_lowercase().chars().filter(fits).collect();
    name.trim_start_matches(['-', '_']).to_owned()
}

/// The entries of a mapping, merged, by key: where the key stands, and the value.
type Entries = BTreeMap<String, (Place, Rc<Node>)>;

struct Reader<'a> {
    dialects: &'a [Dialect],
    path: Arc<str>,
    project: String,
    variable: &'a dyn Fn(&str) -> Option<String>,
    /// What is left of [`BUDGET`]; `None` once it was not enough.
    budget: Option<usize>,
    out: ComposeFile,
}

impl Reader<'_> {
    fn tell(&mut self, at: Place, severity: Severity, reason: impl Into<String>) {
        let origin = Origin::File { path: self.path.clone(), line: at.line };
        self.out.columns.entry(at.line).or_insert(at.column);
        self.out.diagnostics.push(Diagnostic { severity, ..Diagnostic::error(origin, reason) });
    }

    fn error(&mut self, at: Place, reason: impl Into<String>) {
        self.tell(at, Severity::Error, reason);
    }

    fn warning(&mut self, at: Place, reason: impl Into<String>) {
        self.tell(at, Severity::Warning, reason);
    }

    /// Takes `bytes` from the budget; `false` if there is none left.
    fn spend(&mut self, at: Place, bytes: usize) -> bool {
        let Some(budget) = self.budget else { return false };
        self.budget = budget.checked_sub(bytes);
        if self.budget.is_none() {
            self.error(at, "the file repeats too much: the rest is not read");
        }
        self.budget.is_some()
    }

    fn file(&mut self, root: &Rc<Node>, project: Option<&str>) {
        let top = self.entries(root);
        let Some((at, services)) = top.get("services") else {
            return self.error(root.at, "it is no compose file: it has no \"services\"");
        };
        let named = top.get("name").and_then(|(_, name)| self.text(name));
        let by_variable = (self.variable)("COMPOSE_PROJECT_NAME");
        let folder = || Path::new(&*self.path).parent()?.components().next_back();
        let folder = folder().and_then(|it| match it {
            Component::Normal(name) => name.to_str().map(str::to_owned),
            _ => None,
        });
        self.project = [by_variable, named, project.map(str::to_owned), folder]
            .into_iter()
            .flatten()
            .map(|it| normalise(&it))
            .find(|it| !it.is_empty())
            .unwrap_or_else(|| "default".to_owned());
        if let Some((at, _)) = top.get("include") {
            self.warning(*at, "\"include\" is not followed: name the other files as well");
        }
        if !matches!(services.kind, Kind::Map(_)) {
            return self.error(*at, "\"services\" holds no services: write each with its name and a colon");
        }
        for (service, (at, node)) in self.entries(services) {
            self.service(&service, at, &node);
        }
    }

    fn service(&mut self, service: &str, at: Place, node: &Rc<Node>) {
        if node.is_null() {
            return;
        }
        if !matches!(node.kind, Kind::Map(_)) {
            return self.error(at, format!("the service \"{}\" has nothing in it", short(service)));
        }
        let entries = self.entries(node);
        for key in ["extends", "label_file"] {
            if let Some((at, _)) = entries.get(key) {
                self.warning(*at, format!("\"{key}\" is not followed: labels from there are not looked at"));
            }
        }
        if let Some((_, node)) = entries.get("deploy") {
            self.deploy(service, node);
        }
        let name = entries.get("container_name").and_then(|(_, node)| self.text(node));
        let name: Arc<str> = match name.filter(|it| !it.is_empty()) {
            Some(name) => name.into(),
            None => format!("{}-{service}-1", self.project).into(),
        };
        if let Some((at, _)) = entries.get("container_name")
            && self.out.containers.iter().any(|it| it.name == name)
        {
            self.error(
                *at,
                "another service has this container_name, and Compose refuses both: give each its own",
            );
        }
        let mut labels = BTreeMap::new();
        if let Some((at, node)) = entries.get("labels") {
            labels = self.labels(&Origin::Container(name.clone()), *at, node);
        }
        let image = entries.get("image").and_then(|(_, node)| node.text());
        let image = image.and_then(|it| interpolate::fill(&it, self.variable).ok());
        for label in image.and_then(|it| tools::of_image(&it.text)).into_iter().flatten() {
            labels.entry(label).or_insert_with(|| "true".to_owned());
        }
        for (key, value) in [
            ("project", self.project.as_str()),
            ("service", service),
            ("container-number", "1"),
            ("oneoff", "False"),
        ] {
            labels.insert(format!("com.docker.compose.{key}"), value.to_owned());
        }
        self.out.containers.push(Container {
            id: ContainerId(format!("{}#{service}", self.path).into()),
            name,
            state: ContainerState::Running,
            healthy: None,
            created: 0,
            labels,
        });
    }

    /// The labels of one service, by key.
    fn labels(&mut self, on: &Origin, at: Place, node: &Rc<Node>) -> BTreeMap<String, String> {
        let mut labels = BTreeMap::new();
        match &node.kind {
            Kind::Map(_) => {
                for (key, (at, value)) in self.entries(node) {
                    let place = LabelPlace { key: at, value: value.at };
                    let text = value.text().unwrap_or_else(|| {
                        self.no_text(on, &key);
                        as_json(&value)
                    });
                    let text = self.fill(on, &key, &text);
                    self.label(&mut labels, on, (key, text), place);
                }
            }
            Kind::List(items) => {
                for item in items {
                    let Some(text) = item.text() else {
                        self.error(
                            item.at,
                            "a label in a list is written KEY=VALUE; without \"- \" it is KEY: VALUE",
                        );
                        continue;
                    };
                    // Compose puts variables into the key of a list's item too.
                    let key =
                        interpolate::fill(&text, self.variable).map_or_else(|_| text.clone(), |it| it.text);
                    let key = key.split('=').next().unwrap_or_default();
                    let text = self.fill(on, key, &text);
                    let (key, value) = text.split_once('=').unwrap_or((&text, ""));
                    let place = LabelPlace { key: item.at, value: item.at };
                    if labels.contains_key(key) {
                        self.warning(
                            item.at,
                            format!("the label \"{}\" is given twice: this one counts", short(key)),
                        );
                    }
                    self.label(&mut labels, on, (key.to_owned(), value.to_owned()), place);
                }
            }
            _ if node.is_null() => {}
            Kind::Scalar(..) | Kind::Nothing => {
                self.error(at, "\"labels\" is a map of KEY: VALUE or a list of KEY=VALUE");
            }
        }
        labels
    }

    fn label(
        &mut self,
        labels: &mut BTreeMap<String, String>,
        on: &Origin,
        (key, value): (String, String),
        place: LabelPlace,
    ) {
        if self.spend(place.key, 2 * key.len() + value.len() + 200) {
            self.out.places.insert((of_places(on), key.as_str().into()), place);
            labels.insert(key, value);
        }
    }

    fn no_text(&mut self, on: &Origin, key: &str) {
        let reason = "a label is one text, and Compose refuses a list or a map: put it in quotes as JSON, or use a key with an index for each item";
        self.about_label(on, key, Severity::Error, reason.to_owned());
    }

    fn about_label(&mut self, on: &Origin, key: &str, severity: Severity, reason: String) {
        let label = key.into();
        let origin = match on {
            Origin::Service(name) => Origin::ServiceLabel { service: name.clone(), label },
            Origin::Container(name) => Origin::Label { container: name.clone(), label },
            other => other.clone(),
        };
        self.out.diagnostics.push(Diagnostic { severity, ..Diagnostic::error(origin, reason) });
    }

    /// The text with its variables put in. Where Compose would refuse the text it stays as it is, so that one mistake
    /// is told once.
    fn fill(&mut self, on: &Origin, key: &str, text: &str) -> String {
        match interpolate::fill(text, self.variable) {
            Ok(filled) => {
                if let Some(name) = filled.unset.first() {
                    let reason = format!(
                        "the variable {} is not set and Compose puts nothing in its place: set it, or write $$ for a dollar sign",
                        short(name)
                    );
                    self.about_label(on, key, Severity::Warning, reason);
                }
                filled.text
            }
            Err(reason) => {
                self.about_label(on, key, Severity::Error, reason);
                text.to_owned()
            }
        }
    }

    /// A text outside of labels.
    fn text(&mut self, node: &Rc<Node>) -> Option<String> {
        match interpolate::fill(&node.text()?, self.variable) {
            Ok(filled) => Some(filled.text),
            Err(reason) => {
                self.error(node.at, reason);
                None
            }
        }
    }

    /// The entries of a mapping with those of its merge keys under them; of anything else none.
    fn entries(&mut self, node: &Rc<Node>) -> Entries {
        let Kind::Map(pairs) = &node.kind else { return Entries::new() };
        let mut entries = Entries::new();
        let mut merges: Vec<&Rc<Node>> = Vec::new();
        for (key, value) in pairs {
            match &key.kind {
                Kind::Scalar(text, true) if **text == *"<<" => match &value.kind {
                    Kind::List(items) => merges.extend(items),
                    _ => merges.push(value),
                },
                _ => {
                    let Some(name) = key.text() else {
                        self.error(key.at, "a key is a text, and no list or map");
                        continue;
                    };
                    if !self.spend(key.at, name.len() + 100) {
                        return entries;
                    }
                    entries.insert(name, (key.at, value.clone()));
                }
            }
        }
        for merge in merges {
            if !self.spend(merge.at, 100) {
                return entries;
            }
            for (name, it) in self.entries(merge) {
                entries.entry(name).or_insert(it);
            }
        }
        entries
    }
}

/// By what the places of its labels are found.
pub(crate) fn of_places(on: &Origin) -> Arc<str> {
    match on {
        Origin::Container(name) => name.clone(),
        // No container's name has a blank.
        other => other.to_string().into(),
    }
}

/// What was probably meant by a list in a label's place: its items as JSON.
fn as_json(node: &Node) -> String {
    let items: Option<Vec<String>> = node.items().iter().map(|it| it.text()).collect();
    items.and_then(|items| serde_json::to_string(&items).ok()).unwrap_or_default()
}

/// A name that a file can make as long as it likes.
fn short(name: &str) -> String {
    name.chars().take(100).collect()
}

#[cfg(test)]
mod tests;
