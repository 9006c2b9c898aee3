//! INI text → settings and layers of jobs, with the line of every value.
//!
//! `serde_ini`'s parser is the line tokenizer: its deserializer would lose repeated keys and line numbers. A line
//! that it cannot read costs one diagnostic, and nothing else.

use std::{collections::BTreeMap, sync::Arc};

use serde_ini::parse::{Item, Parser};

use crate::model::{
    diagnostic::{Diagnostic, did_you_mean},
    name::{JobId, JobKind},
    origin::Origin,
};

use super::{
    layer::{JobLayer, Text, Written},
    params::{self, Param},
};

/// A setting of the agent as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawSetting {
    /// The key as written.
    pub key: String,
    /// The text.
    pub value: String,
    /// The place.
    pub origin: Origin,
}

/// A job's section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileJob {
    /// The job's kind.
    pub kind: JobKind,
    /// The parameters.
    pub layer: JobLayer,
    /// The section's line.
    pub origin: Origin,
}

/// What the files say together; a later file goes over an earlier one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ini {
    /// `[global]`, in order.
    pub global: Vec<RawSetting>,
    /// `[job-defaults]`.
    pub defaults: JobLayer,
    /// `[job-defaults-<kind>]`.
    pub kind_defaults: BTreeMap<JobKind, JobLayer>,
    /// `[job-<kind> "name"]`.
    pub jobs: BTreeMap<JobId, FileJob>,
    /// What could not be taken.
    pub diagnostics: Vec<Diagnostic>,
    /// Lines that could not be read at all: the agent does not start with them.
    pub broken: Vec<Diagnostic>,
}

enum Section {
    /// Before the first header, or after one that could not be read: its lines are passed over, having been told of.
    Unknown,
    Global,
    Defaults(Option<JobKind>),
    Job(JobId, JobKind),
}

/// Reads one file's text. `variable` gives the value of `${NAME}`.
pub fn parse(path: &str, text: &str, variable: &dyn Fn(&str) -> Option<String>) -> Ini {
    let path: Arc<str> = path.into();
    let mut reader = Reader { ini: Ini::default(), section: Section::Unknown, variable, complained: false };
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for (number, line) in (1u32..).zip(text.split('\n')) {
        reader.line(line.trim(), Origin::File { path: path.clone(), line: number });
    }
    reader.ini
}

/// One line, as it stands.
pub(super) enum Line {
    /// Empty, or a comment.
    Nothing,
    /// What stands between the brackets.
    Section(String),
    /// Key and value.
    Value(String, String),
}

/// Reads one line, without white space around it; or says why it is none.
pub(super) fn tokenize(line: &str) -> Result<Line, String> {
    match Parser::from_str(line).next() {
        None | Some(Ok(Item::Empty | Item::Comment { .. })) => Ok(Line::Nothing),
        Some(Ok(Item::Section { name })) => Ok(Line::Section(name)),
        Some(Ok(Item::Value { key, value })) => Ok(Line::Value(key, value)),
        Some(Err(error)) => {
            let reason = error.to_string();
            let reason = reason.strip_prefix("INI syntax error: ").unwrap_or(&reason);
            Err(format!("{reason}: a line is [section], key = value, or a comment that begins with # or ;"))
        }
    }
}

struct Reader<'a> {
    ini: Ini,
    section: Section,
    variable: &'a dyn Fn(&str) -> Option<String>,
    /// Lines before any header were complained of once already.
    complained: bool,
}

impl Reader<'_> {
    fn line(&mut self, line: &str, origin: Origin) {
        match tokenize(line) {
            Ok(Line::Nothing) => {}
            Ok(Line::Section(name)) => self.section(&name, &origin),
            Ok(Line::Value(key, value)) => self.value(&key, &value, origin),
            Err(reason) => self.ini.broken.push(Diagnostic::error(origin, reason)),
        }
    }

    fn section(&mut self, header: &str, origin: &Origin) {
        self.complained = true;
        let (word, name) = match header.trim().split_once(char::is_whitespace) {
            Some((word, name)) => (params::spelling(word), Some(name.trim())),
            None => (params::spelling(header.trim()), None),
        };
        let name =
            name.map(|name| name.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(name));
        self.section = match (word.as_str(), name) {
            ("global", None) => Section::Global,
            ("job-defaults", None) => Section::Defaults(None),
            (word, name) => match self.job_section(word, name, origin) {
                Ok(section) => section,
                // What was meant for the agent itself must not be missing without a word; a job's section costs its job.
                Err(diagnostic) if !word.starts_with("job") => {
                    self.ini.broken.push(diagnostic);
                    Section::Unknown
                }
                Err(diagnostic) => {
                    self.ini.diagnostics.push(diagnostic);
                    Section::Unknown
                }
            },
        };
    }

    fn job_section(
        &mut self,
        word: &str,
        name: Option<&str>,
        origin: &Origin,
    ) -> Result<Section, Diagnostic> {
        let known: Vec<String> = JobKind::SUPPORTED
            .iter()
            .flat_map(|kind| [format!("job-{kind}"), format!("job-defaults-{kind}")])
            .chain(["global".to_owned(), "job-defaults".to_owned()])
            .collect();
        let unknown = || {
            let hint = did_you_mean(word, known.iter().map(String::as_str)).unwrap_or_else(|| {
                "the sections are [global], [job-defaults], [job-defaults-<kind>] and [job-<kind> \"name\"]".to_owned()
            });
            Diagnostic::error(
                origin.clone(),
                format!("unknown section \"{word}\", and its lines have no effect: {hint}"),
            )
        };
        if word == "notify" {
            return Err(Diagnostic::error(
                origin.clone(),
                "notification channels are not yet supported: remove the section",
            ));
        }
        let kind_of = |text: &str| JobKind::parse(text).ok_or_else(unknown);
        if let Some(kind) = word.strip_prefix("job-defaults-") {
            return Ok(Section::Defaults(Some(kind_of(kind)?)));
        }
        let kind = kind_of(word.strip_prefix("job-").ok_or_else(unknown)?)?;
        let Some(name) = name.filter(|name| !name.is_empty()) else {
            return Err(Diagnostic::error(
                origin.clone(),
                format!("the section needs the job's name: [{word} \"name\"]"),
            ));
        };
        let id = JobId::parse(name).map_err(|error| Diagnostic::error(origin.clone(), error.to_string()))?;
        if !JobKind::SUPPORTED.contains(&kind) {
            return Err(Diagnostic::rejects(
                &id,
                origin.clone(),
                format!("jobs of kind {kind} are not yet supported"),
            ));
        }
        if let Some(before) = self.ini.jobs.get(&id) {
            return Err(Diagnostic::rejects(
                &id,
                origin.clone(),
                format!("the job is also defined at {}", before.origin),
            ));
        }
        let job = FileJob { kind, layer: JobLayer::default(), origin: origin.clone() };
        self.ini.jobs.insert(id.clone(), job);
        Ok(Section::Job(id, kind))
    }

    fn value(&mut self, key: &str, value: &str, origin: Origin) {
        let job = match &self.section {
            Section::Job(id, _) => Some(id.clone()),
            _ => None,
        };
        let reject = |ini: &mut Ini, origin, reason: String| {
            ini.diagnostics.push(match &job {
                Some(job) => Diagnostic::rejects(job, origin, reason),
                None => Diagnostic::error(origin, reason),
            });
        };
        let value = match substitute(value, self.variable) {
            Ok(value) => value,
            // A setting that cannot be read is no default: the agent would talk to another Engine than was meant.
            Err(reason) if matches!(self.section, Section::Global) => {
                self.ini.broken.push(Diagnostic::error(origin, reason));
                return;
            }
            Err(reason) => return reject(&mut self.ini, origin, reason),
        };
        let (layer, kind) = match &self.section {
            Section::Unknown if self.complained => return,
            Section::Unknown => {
                self.complained = true;
                let reason = "the line stands before the first section and has no effect: begin with [global] or [job-<kind> \"name\"]";
                self.ini.broken.push(Diagnostic::error(origin, reason));
                return;
            }
            Section::Global => {
                return self.ini.global.push(RawSetting { key: key.to_owned(), value, origin });
            }
            Section::Defaults(None) => (&mut self.ini.defaults, None),
            Section::Defaults(Some(kind)) => (self.ini.kind_defaults.entry(*kind).or_default(), Some(*kind)),
            Section::Job(id, kind) => match self.ini.jobs.get_mut(id) {
                Some(job) => (&mut job.layer, Some(*kind)),
                None => return,
            },
        };
        let param = match kind {
            Some(kind) => params::look_up(key, kind),
            None => for_any_kind(key),
        };
        match param {
            Err(reason) => reject(&mut self.ini, origin, reason),
            Ok(param) if param.shape.is_list() => {
                // A single line keeps its text, so that a JSON array or lines can be written in one value.
                if layer.get(param.name).is_some() {
                    layer.add_item(param, value.into(), origin);
                } else {
                    layer.set(param, Written { text: Text::One(value.into()), origin });
                }
            }
            Ok(param) => {
                let written = Written { text: Text::One(value.into()), origin: origin.clone() };
                if let Some(before) = layer.set(param, written) {
                    let reason =
                        format!("the parameter \"{}\" is also given at {}", param.name, before.origin);
                    reject(&mut self.ini, origin, reason);
                }
            }
        }
    }
}

fn for_any_kind(key: &str) -> Result<&'static Param, String> {
    let results = JobKind::SUPPORTED.map(|kind| params::look_up(key, kind));
    let [first, ..] = results.clone();
    results.into_iter().find(Result::is_ok).unwrap_or(first)
}

/// Replaces `${NAME}`, `${NAME:-default}` and `$$`. It runs on values after parsing, so that a value can never
/// change the structure.
fn substitute(text: &str, variable: &dyn Fn(&str) -> Option<String>) -> Result<String, String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        let tail = &rest[at + 1..];
        if let Some(after) = tail.strip_prefix('$') {
            out.push('$');
            rest = after;
        } else if let Some(inside) = tail.strip_prefix('{') {
            let end =
                inside.find('}').ok_or("\"${\" is not closed: write ${NAME}, or $${ for the text itself")?;
            let (name, default) = match inside[..end].split_once(":-") {
                Some((name, default)) => (name, Some(default)),
                None => (&inside[..end], None),
            };
            match variable(name).filter(|value| !value.is_empty() || default.is_none()) {
                Some(value) => out.push_str(&value),
                None => out.push_str(default.ok_or_else(|| {
                    format!("the variable {name} is not set: set it, or write ${{{name}:-default}}")
                })?),
            }
            rest = &inside[end + 1..];
        } else {
            out.push('$');
            rest = tail;
        }
    }
    out.push_str(rest);
    Ok(out)
}

impl Ini {
    /// Whether the files define the job by themselves, rather than give values to one that labels define.
    pub fn defines(&self, id: &JobId, kind: JobKind) -> bool {
        self.jobs.get(id).is_some_and(|job| job.kind == kind && job.layer.get("schedule").is_some())
    }

    /// Lays a later file over this one.
    pub fn over(&mut self, later: Self) {
        let Self { global, defaults, kind_defaults, jobs, diagnostics, broken } = later;
        self.global.extend(global);
        self.defaults = std::mem::take(&mut self.defaults).under(&defaults);
        for (kind, layer) in kind_defaults {
            let lower = self.kind_defaults.entry(kind).or_default();
            *lower = std::mem::take(lower).under(&layer);
        }
        self.diagnostics.extend(diagnostics);
        self.broken.extend(broken);
        for (id, job) in jobs {
            if let Some(before) = self.jobs.get(&id) {
                let reason = format!("it is in force instead of the definition at {}", before.origin);
                self.diagnostics.push(Diagnostic::warning(job.origin.clone(), reason).about(&id));
            }
            self.jobs.insert(id, job);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Ini {
        parse("config.ini", text, &|name| (name == "SET").then(|| "[x]\n#y".to_owned()))
    }

    fn text<'a>(ini: &'a Ini, job: &str, param: &str) -> &'a str {
        match &ini.jobs[&JobId::plain(job)].layer.get(param).unwrap().text {
            Text::One(text) => text,
            Text::Items(_) => panic!("items"),
        }
    }

    #[test]
    fn comment_characters_inside_a_value_stay() {
        let ini =
            read("[job-local \"a\"]\ncommand = sh -c 'a; b' # c\n  ; comment\n# comment\nschedule=@daily");
        assert_eq!(text(&ini, "a", "command"), "sh -c 'a; b' # c");
        assert_eq!((ini.diagnostics, ini.broken), (vec![], vec![]));
    }

    #[test]
    fn every_value_keeps_its_line_and_repeated_keys_make_a_list() {
        let ini = read("\u{feff}[job-run \"a\"]\r\nenvironment=A=1\r\nenvironment=B=2\r\nimage=x\r\n");
        let layer = &ini.jobs[&JobId::plain("a")].layer;
        assert_eq!(layer.get("image").unwrap().origin.to_string(), "config.ini:4");
        assert_eq!(layer.get("environment").unwrap().text, Text::Items(vec!["A=1".into(), "B=2".into()]));
        assert_eq!(text(&ini, "a", "image"), "x");
    }

    #[test]
    fn a_line_that_cannot_be_read_costs_one_diagnostic_with_its_place() {
        let ini = read("[job-local \"a\"]\nschedule\n[job-local \"b\"\ncommand=x\n[glob]\nx=1\ny=2\n");
        let broken: Vec<_> = ini.broken.iter().map(|it| it.origin.to_string()).collect();
        assert_eq!(broken, ["config.ini:2", "config.ini:3", "config.ini:5"]);
        assert_eq!(ini.diagnostics.len(), 0);
        assert!(ini.broken[2].reason.contains("unknown section \"glob\""));
        assert!(read("a=1\nb=2\n[global]\n").broken.len() == 1);
    }

    #[test]
    fn keys_given_twice_and_unknown_keys_reject_their_own_job() {
        let ini = read(
            "[job-local \"a\"]\nschedule=@daily\nSchedule=@hourly\n[job-local \"b\"]\ncomand=x\n[job-local \"c\"]\nschedule=@daily\ncommand=x",
        );
        let rejected: Vec<_> =
            ini.diagnostics.iter().map(|it| (it.job.clone().unwrap(), it.origin.to_string())).collect();
        assert_eq!(
            rejected,
            [(JobId::plain("a"), "config.ini:3".to_owned()), (JobId::plain("b"), "config.ini:5".to_owned())]
        );
    }

    #[test]
    fn variables_are_put_in_after_parsing() {
        let ini = read("[job-local \"a\"]\ncommand=${SET} ${UNSET:-d e} $$ $x\nschedule=${UNSET}\n");
        assert_eq!(text(&ini, "a", "command"), "[x]\n#y d e $ $x");
        assert_eq!(ini.jobs.len(), 1, "a value with a header in it opens no section");
        assert!(ini.diagnostics[0].reason.contains("the variable UNSET is not set"));
    }

    #[test]
    fn a_setting_whose_variable_is_not_set_keeps_the_agent_from_starting() {
        let ini = read("[global]\ndocker-host=${UNSET}\nlog-level=${UNSET:-warn}\n");
        assert_eq!(ini.broken.len(), 1);
        assert!(ini.broken[0].reason.contains("the variable UNSET is not set"));
        assert_eq!(ini.global.len(), 1);
    }

    #[test]
    fn defaults_are_taken_for_every_kind_that_has_them() {
        let ini = read("[job-defaults]\ntimeout=5m\nimage=x\nbanana=1\n[job-defaults-exec]\nuser=www\n");
        assert!(ini.defaults.get("timeout").is_some() && ini.defaults.get("image").is_some());
        assert!(ini.kind_defaults[&JobKind::Exec].get("user").is_some());
        assert_eq!(ini.diagnostics.len(), 1);
    }
}
