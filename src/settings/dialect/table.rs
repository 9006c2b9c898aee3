//! What the tables of the other tools are made of: a key there, and what it becomes here.
//!
//! Whether a parameter of ours works is asked of [`params`] when a key is read, so that a key begins to have effect
//! with the version that can do it, and until then says so.

use std::collections::{BTreeMap, BTreeSet, btree_map::Entry};

use crate::model::{
    diagnostic::{Diagnostic, did_you_mean},
    name::{JobId, JobKind},
    origin::Origin,
};

use super::super::{
    ini::RawSetting,
    layer::{JobLayer, Text, Written},
    params,
};
use super::names;

/// One key of another tool.
#[derive(Debug)]
pub struct Key {
    /// The key as that tool writes it.
    pub name: &'static str,
    /// The kinds of jobs that have it; none for a setting of the tool itself.
    pub kinds: &'static [JobKind],
    /// What it becomes.
    pub becomes: Becomes,
    /// What that means, in one line.
    pub doc: &'static str,
}

/// What a key of another tool becomes.
#[derive(Debug, Clone, Copy)]
pub enum Becomes {
    /// A parameter of ours; the function says what the text there is as text here.
    Parameter(&'static str, fn(&str) -> Taken),
    /// Something that the reader itself acts on.
    Reader,
    /// Nothing: it has no meaning here, or not yet.
    Nothing,
}

/// A text of another tool as text of ours.
#[derive(Debug)]
pub struct Taken {
    /// The text, or why there is none.
    pub text: Result<Option<Text>, String>,
    /// What is to be said about it.
    pub warning: Option<String>,
    /// It says what holds here anyway, so that nothing is lost if the parameter does not work yet.
    pub holds: bool,
}

impl Default for Taken {
    fn default() -> Self {
        Self { text: Ok(None), warning: None, holds: false }
    }
}

impl Taken {
    /// One value.
    pub fn one(text: impl Into<std::sync::Arc<str>>) -> Self {
        Self { text: Ok(Some(Text::One(text.into()))), ..Self::default() }
    }

    /// A list.
    pub fn items<'a>(items: impl IntoIterator<Item = &'a str>) -> Self {
        let items = items.into_iter().map(Into::into).collect();
        Self { text: Ok(Some(Text::Items(items))), ..Self::default() }
    }

    /// It cannot be read.
    pub fn wrong(reason: impl Into<String>) -> Self {
        Self { text: Err(reason.into()), ..Self::default() }
    }
}

/// The same text.
pub fn same(text: &str) -> Taken {
    Taken::one(text)
}

/// A list: a JSON array of texts, or else the whole text as its one item.
pub fn list(text: &str) -> Taken {
    match serde_json::from_slice::<Vec<String>>(text.as_bytes()) {
        Ok(items) => Taken::items(items.iter().map(String::as_str)),
        Err(_) => Taken::items([text]),
    }
}

/// A list with commas between its items.
pub fn commas(text: &str) -> Taken {
    if let Ok(items) = serde_json::from_slice::<Vec<String>>(text.as_bytes()) {
        return Taken::items(items.iter().map(String::as_str));
    }
    Taken::items(text.split(',').map(str::trim).filter(|item| !item.is_empty()))
}

/// One job on its way from another tool to a layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// The job's kind.
    pub kind: JobKind,
    /// The parameters as ours.
    pub layer: JobLayer,
    /// Where the job as a whole was written.
    pub origin: Origin,
    /// Its schedule as it stands there.
    pub schedule: Option<String>,
    /// The keys of that tool that were given, whatever became of them.
    pub given: BTreeSet<&'static str>,
}

impl Draft {
    /// A job of which nothing is known yet.
    pub fn new(kind: JobKind, origin: Origin) -> Self {
        Self { kind, layer: JobLayer::default(), origin, schedule: None, given: BTreeSet::new() }
    }
}

/// What was read of another tool.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Foreign {
    /// The jobs. One that a diagnostic rejects may be among them.
    pub jobs: BTreeMap<JobId, Draft>,
    /// Settings of ours that its settings became.
    pub global: Vec<RawSetting>,
    /// Parameters under all jobs.
    pub defaults: JobLayer,
    /// What could not be taken, or was probably meant otherwise.
    pub diagnostics: Vec<Diagnostic>,
    /// What is told once for a whole source, by each job that it concerns.
    pub once: Vec<(JobId, Diagnostic)>,
    /// Lines that could not be read at all.
    pub broken: Vec<Diagnostic>,
    /// The jobs that a diagnostic rejects.
    pub rejected: BTreeSet<JobId>,
    /// Something has no counterpart here.
    pub lost: bool,
}

impl Foreign {
    /// Something has no effect; `job` says whose it was.
    pub fn without_effect(&mut self, job: Option<&JobId>, origin: Origin, reason: impl Into<String>) {
        self.lost = true;
        let diagnostic = Diagnostic::warning(origin, reason);
        self.diagnostics.push(match job {
            Some(job) => diagnostic.about(job),
            None => diagnostic,
        });
    }

    /// A job cannot be taken. Each job says so once.
    pub fn rejects(&mut self, job: &JobId, origin: Origin, reason: impl Into<String>) {
        self.lost = true;
        if self.rejected.insert(job.clone()) {
            self.diagnostics.push(Diagnostic::rejects(job, origin, reason));
        }
    }

    /// Something that holds for a whole source and is told once, at the first of the jobs that it concerns.
    pub fn once(&mut self, job: &JobId, origin: Origin, reason: &'static str) {
        self.once.push((job.clone(), Diagnostic::warning(origin, reason)));
    }

    /// The job that a line or label speaks of: `None` if it cannot be one, which was said.
    ///
    /// `name` is the one that it has there, `here` the one that it has with us; where they differ, that is said once.
    pub fn job(
        &mut self,
        id: &JobId,
        kind: JobKind,
        origin: &Origin,
        name: &str,
        here: &str,
    ) -> Option<&mut Draft> {
        match self.jobs.entry(id.clone()) {
            Entry::Occupied(known) => Some(known.into_mut()),
            Entry::Vacant(place) => {
                if let Some(told) = names::told(name, here) {
                    self.diagnostics.push(Diagnostic::warning(origin.clone(), told).about(id));
                }
                Some(place.insert(Draft::new(kind, origin.clone())))
            }
        }
    }

    /// Takes one key of a job.
    pub fn take(&mut self, id: &JobId, key: &Key, text: &str, origin: Origin) {
        let Some(draft) = self.jobs.get_mut(id) else { return };
        draft.given.insert(key.name);
        if key.name == "schedule" {
            draft.schedule = Some(text.trim().to_owned());
        }
        let Becomes::Parameter(name, read) = key.becomes else {
            if matches!(key.becomes, Becomes::Nothing) {
                self.without_effect(Some(id), origin, no_effect(key));
            }
            return;
        };
        let taken = read(text);
        let param = params::look_up(name, draft.kind);
        match (taken.text, param) {
            (Err(reason), _) => self.rejects(id, origin, format!("{}: {reason}", key.name)),
            (Ok(None), _) => {}
            (Ok(Some(Text::Items(items))), Ok(param)) if param.shape.is_list() => {
                for item in items {
                    draft.layer.add_item(param, item, origin.clone());
                }
            }
            (Ok(Some(text)), Ok(param)) => {
                let before = draft.layer.set(param, Written::new(text, origin.clone()));
                if let Some(before) = before.filter(|before| before.origin != origin) {
                    let reason =
                        format!("\"{}\" is in force instead of the value at {}", key.name, before.origin);
                    self.diagnostics.push(Diagnostic::warning(origin.clone(), reason).about(id));
                }
                if let Some(warning) = taken.warning {
                    let reason = format!("{}: {warning}", key.name);
                    self.diagnostics.push(Diagnostic::warning(origin, reason).about(id));
                }
            }
            (Ok(Some(_)), Err(_)) if taken.holds => {}
            (Ok(Some(_)), Err(_)) => {
                let mend =
                    if name == key.name { "remove it".to_owned() } else { format!("it would be \"{name}\"") };
                let reason = format!("\"{}\" is not yet supported here and has no effect: {mend}", key.name);
                self.without_effect(Some(id), origin, reason);
            }
        }
    }

    /// Takes what holds in that tool where nobody says otherwise, for a job that says nothing.
    pub fn unless_given(&mut self, id: &JobId, name: &str, text: &str) {
        let Some(draft) = self.jobs.get_mut(id) else { return };
        if let Ok(param) = params::look_up(name, draft.kind)
            && draft.layer.get(name).is_none()
        {
            let written = Written::new(Text::One(text.into()), draft.origin.clone());
            draft.layer.set(param, written);
        }
    }
}

/// Of what is told once for a whole source: each reason where it comes first.
pub fn firsts(told: impl IntoIterator<Item = Diagnostic>) -> Vec<Diagnostic> {
    let mut firsts: BTreeMap<String, Diagnostic> = BTreeMap::new();
    for it in told {
        let known = firsts.entry(it.reason.clone()).or_insert_with(|| it.clone());
        if it.origin < known.origin {
            *known = it;
        }
    }
    firsts.into_values().collect()
}

/// Why a key without a counterpart has no effect.
pub fn no_effect(key: &Key) -> String {
    format!("\"{}\" is not yet supported here and has no effect: {}", key.name, key.doc)
}

/// The key of this name, of a job of this kind; without a kind, a setting of the tool. The reason when there is none
/// has the nearest right spelling of that tool.
pub fn find(
    tool: &str,
    tables: &[&'static [Key]],
    name: &str,
    kind: Option<JobKind>,
) -> Result<&'static Key, String> {
    let spelt = params::spelling(name);
    let all = || tables.iter().flat_map(|table| table.iter());
    let fits = |key: &Key| kind.map_or(key.kinds.is_empty(), |kind| key.kinds.contains(&kind));
    if let Some(key) = all().find(|key| key.name == spelt && fits(key)) {
        return Ok(key);
    }
    let what = kind.map_or_else(|| "setting".to_owned(), |kind| format!("key of a job of kind {kind}"));
    let hint = did_you_mean(&spelt, all().filter(|key| fits(key)).map(|key| key.name));
    let hint = hint.map(|hint| format!(": {hint}")).unwrap_or_default();
    Err(format!("\"{name}\" is no {what} of {tool} and has no effect{hint}"))
}
