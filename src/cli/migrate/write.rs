//! Our equivalent as text: an INI file, or labels for a compose file.

use std::collections::BTreeMap;

use crate::{
    cli::args::Form,
    model::{
        container::Container,
        diagnostic::Diagnostic,
        job::{JobSpec, Work},
        name::JobId,
    },
    settings::{
        grants::{Grants, Home},
        layer::{JobLayer, Text},
        params, print,
    },
};

use super::{
    super::render::{is_obeyed, visible},
    Migration, Moved, Variables,
};

/// What is wrong with each job.
type Problems<'a> = BTreeMap<&'a JobId, Vec<&'a Diagnostic>>;

/// The service of the agent itself, whose labels name jobs without a home.
const OWN: &str = "watchbell";

impl Migration {
    /// Everything in one of the two forms.
    pub(super) fn text(&self, form: Form) -> Lines {
        let mut out = Lines::default();
        out.comment(&format!("made by watchbell migrate from {} ({})", self.path, self.from.as_str()));
        for it in self.problems.iter().filter(|it| it.job.is_none()) {
            out.comment(&format!("{}: {}: {}", it.severity.as_str(), it.origin, it.reason));
        }
        let mut problems = Problems::new();
        for it in &self.problems {
            if let Some(id) = &it.job {
                problems.entry(id).or_default().push(it);
            }
        }
        let rejected = |id: &JobId| self.jobs.get(id).is_none_or(|job| job.spec.is_none());
        for it in &self.problems {
            if let Some(id) = it.job.as_ref().filter(|id| rejected(id)) {
                out.comment(&format!("job {id} is not here: {}: {}", it.origin, it.reason));
            }
        }
        match form {
            Form::Ini => self.ini(&mut out, &problems),
            Form::Labels => self.labels(&mut out, &problems),
        }
        out
    }

    fn brought(&self) -> impl Iterator<Item = (&JobId, &Moved, &JobSpec)> {
        self.jobs.iter().filter_map(|(id, job)| Some((id, job, job.spec.as_deref()?)))
    }

    fn ini(&self, out: &mut Lines, problems: &Problems<'_>) {
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
            out.lines("the defaults", &self.defaults, &self.variables);
        }
        for (id, job, spec) in self.brought() {
            out.line("");
            out.line(&format!("[job-{} \"{}\"]", spec.kind(), visible(id.as_str())));
            self.about(out, problems, id, job, spec);
            // Without the label there is no labelled container.
            if let (Work::Exec(exec), Some(container)) = (&spec.work, &job.container)
                && exec.container.is_none()
            {
                out.line(&format!("container = {}", visible(container)));
            }
            out.lines(&format!("job {id}"), &one_line(&job.draft.layer, spec), &self.variables);
        }
    }

    fn labels(&self, out: &mut Lines, problems: &Problems<'_>) {
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
                // The jobs' identities begin with it.
                if !of.is_empty() {
                    out.line(&format!("name: {}", quoted_name(&of)));
                }
                out.line("services:");
                project = Some(of);
            }
            out.line(&format!("  {}:", quoted_name(&service)));
            out.line("    labels:");
            out.indent = "      ";
            out.line("watchbell.enabled: \"true\"");
            for (id, job, spec) in jobs {
                self.about(out, problems, id, job, spec);
                let mut layer = JobLayer::default();
                for (name, written) in self.defaults.iter() {
                    if let Ok(param) = params::look_up(name, spec.kind()) {
                        layer.set(param, written.clone());
                    }
                }
                let layer = layer.under(&job.draft.layer);
                let name = id.as_str().rsplit('.').next().unwrap_or_default();
                for (key, value) in print::labels(spec.kind(), name, &layer) {
                    // Compose would put variables in for `$`.
                    let parameter = key.split('.').nth(3).unwrap_or_default();
                    let value = self.variables.keep(parameter, &value.replace('$', "$$"));
                    out.line(&format!("{key}: {}", json(&value)));
                }
            }
            out.indent = "";
        }
    }

    /// The comments on one job.
    fn about(&self, out: &mut Lines, problems: &Problems<'_>, id: &JobId, job: &Moved, spec: &JobSpec) {
        let schedule = job.draft.schedule.as_deref().unwrap_or_default();
        out.comment(&format!("from {}", job.draft.origin));
        out.comment(&format!("there: {schedule} means {}", self.there(&job.draft)));
        out.comment(&format!("here: {} means {}", spec.schedule.text(), spec.schedule.words()));
        out.comment(&format!("next: {}", self.next(spec).join(", ")));
        for it in problems.get(id).into_iter().flatten() {
            out.comment(&format!("{}: {}: {}", it.severity.as_str(), it.origin, it.reason));
        }
        if let Some(container) = &job.container {
            for refusal in Grants::default().refusals(spec, Home::Name(container), true) {
                out.comment(&format!("as a label: {}", refusal.reason));
            }
        }
    }
}

/// Lines of output; a comment never breaks out of its line.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// The text.
    pub text: String,
    /// Something could not be written in this form.
    pub lost: bool,
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

    /// The lines of an INI section.
    fn lines(&mut self, what: &str, layer: &JobLayer, variables: &Variables) {
        match print::lines(layer) {
            Ok(lines) => {
                for line in lines.lines() {
                    let parameter = line.split(' ').next().unwrap_or_default();
                    self.line(&variables.keep(parameter, line));
                }
            }
            Err(error) => {
                self.lost = true;
                self.comment(&format!("{what} is not here: {error}"));
            }
        }
    }

    fn comment(&mut self, text: &str) {
        self.line(&format!("# {}", visible(text)));
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

/// JSON in which a terminal finds nothing to obey.
fn json(value: &(impl serde::Serialize + ?Sized)) -> String {
    let text = serde_json::to_string(value).unwrap_or_default();
    let escape = |c: char| {
        if is_obeyed(c) { format!("\\u{:04x}", u32::from(c)) } else { c.to_string() }
    };
    text.chars().map(escape).collect()
}

fn array<T: AsRef<str>>(items: &[T]) -> String {
    json(&items.iter().map(AsRef::as_ref).collect::<Vec<&str>>())
}

/// The layer as it can stand in an INI file: a command of several lines becomes the words that it comes to.
fn one_line(layer: &JobLayer, spec: &JobSpec) -> JobLayer {
    let command = layer.get("command").map(|written| &written.text);
    let argv = argv(spec).filter(|_| matches!(command, Some(Text::One(text)) if text.contains(['\n', '\r'])));
    let Some(argv) = argv else { return layer.clone() };
    let mut out = JobLayer::default();
    // The words have the shell in them.
    for (name, written) in layer.iter().filter(|(name, _)| *name != "shell") {
        let Some(param) = params::find(name) else { continue };
        let mut written = written.clone();
        if name == "command" {
            written.text = Text::One(array(argv).into());
        }
        out.set(param, written);
    }
    out
}

fn argv(spec: &JobSpec) -> Option<&Vec<String>> {
    match &spec.work {
        Work::Exec(it) => Some(&it.argv),
        Work::Run(it) => it.argv.as_ref(),
        Work::Start(_) | Work::ServiceAction(_) | Work::Container(_) => None,
        Work::Local(it) => Some(&it.argv),
        Work::ServiceRun(it) => it.argv.as_ref(),
        Work::Compose(it) => it.argv.as_ref(),
    }
}
