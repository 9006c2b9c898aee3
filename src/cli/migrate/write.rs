//! Our equivalent as text: an INI file, or labels for a compose file.

use std::collections::BTreeMap;

use crate::{
    cli::args::Form,
    model::{
        container::Container,
        job::{JobSpec, Work},
        name::JobId,
    },
    settings::{
        grants::Grants,
        layer::{JobLayer, Text},
        params,
    },
};

use super::{Migration, Moved};

/// The service of the agent itself, whose labels name jobs without a home.
const OWN: &str = "watchbell";

impl Migration {
    /// Everything in one of the two forms.
    pub(super) fn text(&self, form: Form) -> String {
        let mut out = Lines::default();
        out.comment(&format!("made by watchbell migrate from {} ({})", self.path, self.from.as_str()));
        for it in self.problems.iter().filter(|it| it.job.is_none()) {
            out.comment(&format!("{}: {}: {}", it.severity.as_str(), it.origin, it.reason));
        }
        let rejected = |id: &JobId| self.jobs.get(id).is_none_or(|job| job.spec.is_none());
        for it in &self.problems {
            if let Some(id) = it.job.as_ref().filter(|id| rejected(id)) {
                out.comment(&format!("job {id} is not here: {}: {}", it.origin, it.reason));
            }
        }
        match form {
            Form::Ini => self.ini(&mut out),
            Form::Labels => self.labels(&mut out),
        }
        out.text
    }

    fn brought(&self) -> impl Iterator<Item = (&JobId, &Moved, &JobSpec)> {
        self.jobs.iter().filter_map(|(id, job)| Some((id, job, job.spec.as_deref()?)))
    }

    fn ini(&self, out: &mut Lines) {
        if !self.global.is_empty() {
            out.line("");
            out.line("[global]");
            for it in &self.global {
                out.line(&format!("{} = {}", it.key, it.value.replace('$', "$$")));
            }
        }
        if !self.defaults.is_empty() {
            out.line("");
            out.line("[job-defaults]");
            for (name, written) in self.defaults.iter() {
                ini_value(out, name, &written.text);
            }
        }
        for (id, job, spec) in self.brought() {
            out.line("");
            out.line(&format!("[job-{} \"{id}\"]", spec.kind()));
            self.about(out, id, job, spec);
            let mut layer = job.draft.layer.clone();
            // Without the label there is no labelled container.
            if let (Work::Exec(exec), Some(container)) = (&spec.work, &job.container)
                && exec.container.is_none()
            {
                out.line(&format!("container = {container}"));
            }
            one_line(&mut layer, spec);
            for (name, written) in layer.iter().filter(|(name, _)| !hidden(name, &layer, spec)) {
                ini_value(out, name, &written.text);
            }
        }
    }

    fn labels(&self, out: &mut Lines) {
        for it in &self.global {
            out.comment(&format!("the setting {} = {} has no label: give it as a flag", it.key, it.value));
        }
        let mut places: BTreeMap<(String, String), Vec<_>> = BTreeMap::new();
        for it in self.brought() {
            let container = it.1.container.as_ref().and_then(|name| self.containers.get(name));
            places.entry(place(container)).or_default().push(it);
        }
        let mut project = None;
        for ((of, service), jobs) in places {
            if project.as_ref() != Some(&of) {
                if project.is_some() {
                    out.line("---");
                }
                out.line("services:");
                project = Some(of);
            }
            out.line(&format!("  {}:", quoted_name(&service)));
            out.line("    labels:");
            out.indent = "      ";
            out.line("watchbell.enabled: \"true\"");
            for (id, job, spec) in jobs {
                self.about(out, id, job, spec);
                let mut layer = JobLayer::default();
                for (name, written) in self.defaults.iter() {
                    if let Ok(param) = params::look_up(name, spec.kind()) {
                        layer.set(param, written.clone());
                    }
                }
                let layer = layer.under(&job.draft.layer);
                let name = id.as_str().rsplit('.').next().unwrap_or_default();
                for (parameter, written) in layer.iter() {
                    let key = format!("watchbell.job-{}.{name}.{parameter}", spec.kind());
                    out.line(&format!("{key}: {}", yaml(&written.text)));
                }
            }
            out.indent = "";
        }
    }

    /// The comments on one job.
    fn about(&self, out: &mut Lines, id: &JobId, job: &Moved, spec: &JobSpec) {
        let schedule = job.draft.schedule.as_deref().unwrap_or_default();
        out.comment(&format!("from {}", job.draft.origin));
        out.comment(&format!("there: {schedule} means {}", self.there(&job.draft)));
        out.comment(&format!("here: {} means {}", spec.schedule.text(), spec.schedule.words()));
        out.comment(&format!("next: {}", self.next(spec).join(", ")));
        for it in self.problems.iter().filter(|it| it.job.as_ref() == Some(id)) {
            out.comment(&format!("{}: {}: {}", it.severity.as_str(), it.origin, it.reason));
        }
        if let Some(container) = &job.container {
            for refusal in Grants::default().refusals(spec, container, true) {
                out.comment(&format!("as a label: {refusal}"));
            }
        }
    }
}

/// Lines of output; a comment never breaks out of its line.
#[derive(Default)]
struct Lines {
    text: String,
    indent: &'static str,
}

impl Lines {
    fn line(&mut self, line: &str) {
        if !line.is_empty() {
            self.text.push_str(self.indent);
        }
        self.text.push_str(line);
        self.text.push('\n');
    }

    fn comment(&mut self, text: &str) {
        let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        self.line(&format!("# {text}"));
    }
}

/// Project and service of a container; the agent's own where there is none.
fn place(container: Option<&Container>) -> (String, String) {
    let Some(container) = container else { return (String::new(), OWN.to_owned()) };
    let label = |key: &str| container.labels.get(&format!("com.docker.compose.{key}")).cloned();
    match (label("project"), label("service")) {
        (Some(project), Some(service)) => (project, service),
        _ => (String::new(), container.name.to_string()),
    }
}

fn quoted_name(name: &str) -> String {
    let plain = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'));
    if plain { name.to_owned() } else { json(&name) }
}

fn json(value: &(impl serde::Serialize + ?Sized)) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// A value in a compose file, which would put variables in for `$`.
fn yaml(text: &Text) -> String {
    let text = match text {
        Text::One(text) => text.to_string(),
        Text::Items(items) => array(items),
    };
    json(&text.replace('$', "$$"))
}

fn array<T: AsRef<str>>(items: &[T]) -> String {
    json(&items.iter().map(AsRef::as_ref).collect::<Vec<&str>>())
}

/// Whether a text means something else when it stands behind `key =`.
fn is_odd(text: &str) -> bool {
    text.trim() != text
        || text.contains(['\n', '\r'])
        || text.starts_with(['[', '"', '\''])
        || text.is_empty()
}

/// A command of several lines, or one that begins like something else, becomes the words that it comes to.
fn one_line(layer: &mut JobLayer, spec: &JobSpec) {
    let Some(written) = layer.get("command") else { return };
    let odd = match &written.text {
        Text::One(text) => text.trim() != &**text || text.contains(['\n', '\r']),
        Text::Items(_) => true,
    };
    if odd
        && let Some(argv) = argv(spec)
        && let Ok(param) = params::look_up("command", spec.kind())
    {
        let mut written = written.clone();
        written.text = Text::One(array(argv).into());
        layer.set(param, written);
    }
}

/// Words that were made of command and shell need no shell any more.
fn hidden(name: &str, layer: &JobLayer, spec: &JobSpec) -> bool {
    let words = |text: &Text| matches!(text, Text::One(text) if argv(spec).is_some_and(|argv| **text == *array(argv)));
    name == "shell" && layer.get("command").is_some_and(|command| words(&command.text))
}

fn argv(spec: &JobSpec) -> Option<&Vec<String>> {
    match &spec.work {
        Work::Exec(it) => Some(&it.argv),
        Work::Run(it) => it.argv.as_ref(),
        Work::Local(it) => Some(&it.argv),
    }
}

fn ini_value(out: &mut Lines, name: &str, text: &Text) {
    let is_list = params::find(name).is_some_and(|param| param.shape.is_list());
    let lines: Vec<String> = match text {
        Text::One(text) if is_list && text.contains('\n') => {
            vec![array(&text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>())]
        }
        Text::One(text) => vec![text.replace(['\n', '\r'], " ").trim().to_owned()],
        Text::Items(items) if items.iter().any(|item| is_odd(item)) => vec![array(items)],
        Text::Items(items) => items.iter().map(ToString::to_string).collect(),
    };
    for line in lines {
        out.line(&format!("{name} = {}", line.replace('$', "$$")));
    }
}
