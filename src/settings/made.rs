//! Jobs that someone asks for over the API → layers of jobs, and back to what is kept of them.
//!
//! Each is a layer as a section of the file is: the same parameters, the same reading, its own place. It lies below labels
//! and files as a whole: where one of those defines a job of its name, that one is in force.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::Value;

use crate::model::gather::Gather;
use crate::model::{
    diagnostic::{Diagnostic, did_you_mean},
    made::Made,
    name::{JobId, JobKind, check_name},
    origin::Origin,
};

use super::{
    labelled::read_labels,
    layer::{JobLayer, Text, Written},
    memo::Memo,
    params::{self, Param, Shape},
    resolve::{Sources, View, known_jobs},
};

/// Every job that was made over the API.
pub type MadeJobs = BTreeMap<JobId, Arc<MadeJob>>;

/// A job that was made over the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MadeJob {
    /// Its kind.
    pub kind: JobKind,
    /// Its parameters.
    pub layer: JobLayer,
    /// What tells this definition from every other that there was under its name.
    pub revision: Arc<str>,
    /// What could not be taken.
    pub diagnostics: Vec<Diagnostic>,
}

/// The place of what was asked for as a whole.
pub fn place() -> Origin {
    Origin::Api(None)
}

fn key(name: &str) -> Origin {
    Origin::Api(Some(name.into()))
}

/// The identity that a name stands for. A dot cannot be part of it: that is how jobs of containers are told apart.
pub fn identity(name: &str) -> Result<JobId, Diagnostic> {
    match check_name(name) {
        Ok(()) => Ok(JobId::plain(name)),
        Err(error) => Err(Diagnostic::error(key("name"), format!("{error}: write another"))),
    }
}

/// The kind of a job.
pub fn kind(text: &str) -> Result<JobKind, Diagnostic> {
    JobKind::parse(text).ok_or_else(|| {
        let kinds = JobKind::ALL.map(JobKind::as_str);
        let hint = did_you_mean(text, kinds).unwrap_or_else(|| format!("the kinds are {}", kinds.join(", ")));
        Diagnostic::error(key("kind"), format!("unknown job kind \"{text}\": {hint}"))
    })
}

/// Reads the parameters of a job.
pub fn read<'a>(
    job: &JobId,
    kind: JobKind,
    revision: Arc<str>,
    parameters: impl IntoIterator<Item = (&'a str, &'a Value)>,
) -> MadeJob {
    let mut made = MadeJob { kind, layer: JobLayer::default(), revision, diagnostics: Vec::new() };
    for (name, value) in parameters {
        let read = params::look_up(name, kind).and_then(|param| {
            let text = text(param, value).map_err(|reason| format!("{}: {reason}", param.name))?;
            Ok((param, text))
        });
        let told = match read {
            Ok((param, text)) => {
                let written = Written::new(Text::One(text.into()), key(name));
                let before = made.layer.set(param, written);
                before.map(|it| format!("the parameter \"{}\" is also given at {}", param.name, it.origin))
            }
            Err(reason) => Some(reason),
        };
        made.diagnostics.extend(told.map(|reason| Diagnostic::rejects(job, key(name), reason)));
    }
    made
}

/// A value of JSON as the one text that it would be in a label. What is wrong with it is told without it: it may be
/// secret.
fn text(param: &Param, value: &Value) -> Result<String, String> {
    let is_list = param.shape.is_list();
    match value {
        Value::Null => Err("it has no value: write one, or leave it out".to_owned()),
        Value::Array(items) if is_list || param.shape == Shape::Command => {
            let items: Option<Vec<String>> = items.iter().map(scalar).collect();
            let items = items.ok_or("an item of it is neither a text, a number nor a boolean")?;
            Ok(Value::from(items).to_string())
        }
        Value::Object(map) if param.shape == Shape::Map || param.name == "label" => {
            let items: Result<Vec<String>, String> = map.iter().map(|(name, it)| item(name, it)).collect();
            Ok(Value::from(items?).to_string())
        }
        Value::Object(_) if is_list => Err("it is a list: write an array of texts".to_owned()),
        Value::Array(_) | Value::Object(_) => Err("it has one value: write a text".to_owned()),
        Value::String(_) | Value::Number(_) | Value::Bool(_) => Ok(scalar(value).unwrap_or_default()),
    }
}

fn item(name: &str, value: &Value) -> Result<String, String> {
    if name.contains('=') {
        return Err("a name in it has a \"=\": write it without".to_owned());
    }
    let value = scalar(value).ok_or("a value in it is neither a text, a number nor a boolean")?;
    Ok(format!("{name}={value}"))
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

impl MadeJob {
    /// As it is kept.
    pub fn kept(&self, job: &JobId) -> Made {
        let parameters = self.layer.iter().filter_map(|(name, written)| match &written.text {
            Text::One(text) => Some((name.to_owned(), text.to_string())),
            Text::Items(_) => None,
        });
        Made {
            job: job.clone(),
            kind: self.kind,
            revision: self.revision.clone(),
            parameters: parameters.into_map(),
        }
    }
}

/// What was kept. A parameter that this version does not know any more costs its job.
pub fn of_kept(kept: impl IntoIterator<Item = Made>) -> MadeJobs {
    let read = |Made { job, kind, revision, parameters }: Made| {
        let values: Vec<(String, Value)> =
            parameters.into_iter().map(|(name, text)| (name, Value::String(text))).collect();
        let made = read(&job, kind, revision, values.iter().map(|(name, value)| (name.as_str(), value)));
        (job, Arc::new(made))
    };
    kept.into_iter().map(read).into_map()
}

/// Who else defines a job of this name: a file, or a label.
pub fn defined_elsewhere(sources: &Sources, view: View<'_>, memo: &mut Memo, job: &JobId) -> Option<Origin> {
    if let Some(section) = sources.file.jobs.get(job) {
        return Some(section.origin.clone());
    }
    memo.begin();
    let read = read_labels(sources, view, memo);
    let known = known_jobs(sources, view, &read, &mut Vec::new());
    let home = known.get(job)?.home.as_ref()?;
    let label = home.job.layer.get("schedule").or_else(|| home.job.layer.iter().next().map(|(_, it)| it));
    Some(label.map_or_else(|| home.on.origin(), |it| it.origin.clone()))
}

/// What the job of the API is told whose name somebody else took.
pub(super) fn hidden(job: &JobId, by: &Origin) -> Diagnostic {
    let reason = format!(
        "it has no effect, because {by} defines a job of this name: remove that one, or this one with DELETE \
         /api/jobs/{job}"
    );
    Diagnostic::error(place(), reason).about(job)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn made(kind: JobKind, parameters: &Value) -> MadeJob {
        let parameters = parameters.as_object().unwrap();
        let parameters = parameters.iter().map(|(name, value)| (name.as_str(), value));
        read(&JobId::plain("a"), kind, "1".into(), parameters)
    }

    fn told(parameters: &Value) -> Vec<String> {
        let made = made(JobKind::Run, parameters);
        made.diagnostics.iter().map(|it| format!("{}: {}", it.origin, it.reason)).collect()
    }

    #[test]
    fn every_sort_of_value_is_the_text_that_a_label_would_have() {
        let made = made(
            JobKind::Run,
            &json!({
                "schedule": "@daily", "image": "i", "command": ["echo", "a b", 1], "Retries": 3, "cpus": 1.5,
                "init": true, "success_codes": [0, 3], "volume": ["a:/a"],
                "environment": { "A": "1", "B": true }, "label": { "team": "x" }, "tmpfs": "/tmp",
            }),
        );
        assert_eq!(made.diagnostics, []);
        let kept = made.kept(&JobId::plain("a")).parameters;
        for (name, text) in [
            ("command", "[\"echo\",\"a b\",\"1\"]"),
            ("retries", "3"),
            ("cpus", "1.5"),
            ("init", "true"),
            ("success-codes", "[\"0\",\"3\"]"),
            ("volume", "[\"a:/a\"]"),
            ("environment", "[\"A=1\",\"B=true\"]"),
            ("label", "[\"team=x\"]"),
            ("tmpfs", "/tmp"),
        ] {
            assert_eq!(kept.get(name).map(String::as_str), Some(text), "{name}");
        }
        let again = of_kept([made.kept(&JobId::plain("a"))]);
        assert_eq!(again[&JobId::plain("a")].kept(&JobId::plain("a")), made.kept(&JobId::plain("a")));
    }

    #[test]
    fn what_no_parameter_can_be_says_which_and_why_and_never_the_value() {
        for (parameters, reason) in [
            (json!({ "shedule": "hunter2" }), "unknown parameter \"shedule\": did you mean \"schedule\"?"),
            (json!({ "image": null }), "image: it has no value: write one, or leave it out"),
            (json!({ "image": ["hunter2"] }), "image: it has one value: write a text"),
            (json!({ "volume": { "hunter2": 1 } }), "volume: it is a list: write an array of texts"),
            (
                json!({ "environment": [["hunter2"]] }),
                "environment: an item of it is neither a text, a number nor a boolean",
            ),
            (
                json!({ "environment": { "A": null } }),
                "environment: a value in it is neither a text, a number nor a boolean",
            ),
            (
                json!({ "environment": { "A=hunter2": "" } }),
                "environment: a name in it has a \"=\": write it without",
            ),
        ] {
            let key = parameters.as_object().unwrap().keys().next().unwrap();
            assert_eq!(told(&parameters), [format!("API (parameter {key}): {reason}")]);
        }
        let twice = told(&json!({ "working-dir": "/a", "workdir": "/b" }));
        assert_eq!(
            twice,
            [
                "API (parameter working-dir): the parameter \"workdir\" is also given at API (parameter workdir)"
            ]
        );
    }

    #[test]
    fn names_and_kinds_are_those_of_the_file_without_a_dot() {
        assert!(identity("db-backup_2").is_ok());
        for (name, part) in [("a.b", "contains '.'"), ("", "has no name"), ("-a", "must begin")] {
            assert!(identity(name).unwrap_err().reason.contains(part), "{name}");
        }
        assert_eq!(kind("Service-Run"), Ok(JobKind::ServiceRun));
        assert!(kind("exce").unwrap_err().reason.contains("did you mean \"exec\"?"));
    }
}
