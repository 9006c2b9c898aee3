//! Files of Ofelia and Chadburn.
//!
//! They are close to ours, with these differences, each told where it matters: a section that comes twice goes on; a
//! key without a value is `true`; a line that ends in `\` goes on in the next. What a value comes to is for
//! [`ofelia_values`] to say. Ofelia also has `key: value`, and values between backquotes or three double quotes, which
//! are as they stand and may have several lines.

use std::{collections::VecDeque, sync::Arc};

use crate::model::{
    diagnostic::{Diagnostic, did_you_mean},
    name::{JobId, JobKind},
    origin::Origin,
};

use super::super::{
    ini::{
        RawSetting,
        lines::{self, Line},
    },
    layer::{Text, Written},
    params,
};
use super::{
    Variable, go,
    names::Names,
    ofelia::{self, Tool},
    ofelia_values::{self, put_in},
    table::{self, Becomes, Foreign},
};

/// Reads a file's text. `variable` gives the value of `${NAME}`; without it that stays as it is.
pub fn read(tool: &'static Tool, path: &str, text: &[u8], variable: Option<&Variable<'_>>) -> Foreign {
    let path: Arc<str> = path.into();
    let text = lines::unmark(text).unwrap_or(text);
    let mut reader = Reader {
        tool,
        variable: variable.filter(|_| tool.substitutes),
        out: Foreign::default(),
        section: Section::Before,
        user: None,
        names: names(tool, text),
    };
    let mut lines =
        Lines { tool, rest: lines::numbered(text).collect::<Vec<_>>().into(), unclosed: Vec::new() };
    while let Some((number, line)) = lines.next() {
        let origin = Origin::File { path: path.clone(), line: number };
        match line {
            Whole::Line(line) => reader.line(&line, origin),
            Whole::Verbatim(key, value) => reader.value(&key, &value, true, origin),
        }
    }
    reader.finish()
}

/// The names of all jobs of the file.
fn names(tool: &Tool, text: &[u8]) -> Names {
    let headers: Vec<String> = lines::numbered(text)
        .filter_map(|(_, line)| match lines::read(line) {
            Ok(Line::Header(header)) => Some(header),
            _ => None,
        })
        .collect();
    let jobs: Vec<(JobKind, &str)> = headers
        .iter()
        .filter_map(|header| {
            let (word, name) = split_header(header);
            Some((ofelia::kind_of(tool, word).ok()?, name))
        })
        .collect();
    Names::new(&jobs)
}

/// The first word of a section's header, and the name behind it.
fn split_header(header: &str) -> (&str, &str) {
    let (word, name) = header.trim().split_once(char::is_whitespace).unwrap_or((header.trim(), ""));
    let name = name.trim();
    (word, name.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(name))
}

/// A line with those on which it goes on.
enum Whole {
    Line(Vec<u8>),
    /// A key and a value that is as it stands.
    Verbatim(String, String),
}

struct Lines<'a> {
    tool: &'static Tool,
    rest: VecDeque<(u32, &'a [u8])>,
    /// The quotes that no line closes any more.
    unclosed: Vec<&'static str>,
}

impl Lines<'_> {
    fn next(&mut self) -> Option<(u32, Whole)> {
        let (number, line) = self.rest.pop_front()?;
        let line = line.trim_ascii();
        if line.starts_with(b"#") || line.starts_with(b";") {
            return Some((number, Whole::Line(Vec::new())));
        }
        if !self.tool.gcfg
            && let Some((key, value)) = self.verbatim(line)
        {
            return Some((number, Whole::Verbatim(key, value)));
        }
        let mut whole = line.to_vec();
        // The second of two backslashes is text.
        while whole.iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 1 {
            whole.pop();
            let Some((_, more)) = self.rest.pop_front() else { break };
            whole.extend(if self.tool.gcfg { more.trim_ascii_end() } else { more.trim_ascii() });
        }
        if !self.tool.gcfg
            && let Some(colon) = delimiter(&whole).filter(|at| whole[*at] == b':')
        {
            whole[colon] = b'=';
        }
        Some((number, Whole::Line(whole)))
    }

    /// A value between backquotes or three double quotes, to the last of them in the line or else to the next.
    fn verbatim(&mut self, line: &[u8]) -> Option<(String, String)> {
        let at = delimiter(line)?;
        let key = std::str::from_utf8(&line[..at]).ok()?.trim();
        let value = std::str::from_utf8(&line[at + 1..]).ok()?.trim();
        let quote = ["\"\"\"", "`"].into_iter().find(|quote| value.starts_with(quote))?;
        let value = &value[quote.len()..];
        if let Some(end) = value.rfind(quote) {
            return Some((key.to_owned(), value[..end].to_owned()));
        }
        if self.unclosed.contains(&quote) {
            return None;
        }
        let closes = |(_, line): &(u32, &[u8])| {
            line.len() < lines::LIMIT && std::str::from_utf8(line).is_ok_and(|line| line.contains(quote))
        };
        let Some(last) = self.rest.iter().position(closes) else {
            self.unclosed.push(quote);
            return None;
        };
        let mut whole = value.to_owned();
        for (_, line) in self.rest.drain(..=last) {
            whole.push('\n');
            whole.push_str(&String::from_utf8_lossy(line));
        }
        whole.truncate(whole.rfind(quote)?);
        Some((key.to_owned(), whole))
    }
}

/// Where a key ends: at the first `=` or `:`.
fn delimiter(line: &[u8]) -> Option<usize> {
    let at = line.iter().position(|byte| matches!(byte, b'=' | b':'))?;
    let key = line[..at].trim_ascii();
    let is_key = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    (!key.is_empty() && key.iter().all(is_key)).then_some(at)
}

enum Section {
    /// Before the first header.
    Before,
    /// After a header that was told of; its lines go with it.
    Passed,
    Global,
    Job(JobId, JobKind),
}

struct Reader<'a> {
    tool: &'static Tool,
    variable: Option<&'a Variable<'a>>,
    out: Foreign,
    section: Section,
    /// The user of jobs that name none, if the file says one.
    user: Option<String>,
    names: Names,
}

impl Reader<'_> {
    fn line(&mut self, line: &[u8], origin: Origin) {
        match (lines::read(line), std::str::from_utf8(line)) {
            (Ok(Line::Nothing), _) => {}
            (Ok(Line::Header(header)), _) => self.section = self.header(&header, &origin),
            (Ok(Line::Value(key, value)), _) => self.value(key.trim(), &value, false, origin),
            // A key alone is a switch that is turned on.
            (Err(_), Ok(key)) if key.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') => {
                self.value(key, "true", false, origin);
            }
            (Err(unreadable), _) => {
                self.out.lost = true;
                let found = match &self.section {
                    // The job's own mistakes that follow from it are no further ones.
                    Section::Job(id, _) if !unreadable.is_header => {
                        Diagnostic::rejects(id, origin, unreadable.reason)
                    }
                    _ => Diagnostic::error(origin, unreadable.reason),
                };
                self.out.broken.push(found);
                if unreadable.is_header {
                    self.section = Section::Passed;
                }
            }
        }
    }

    fn header(&mut self, header: &str, origin: &Origin) -> Section {
        let (word, name) = split_header(header);
        let spelt = params::spelling(word);
        if spelt == "global" && name.is_empty() {
            return Section::Global;
        }
        if spelt == "webhook" || spelt == "docker" {
            let reason = format!("the section \"{spelt}\" is not yet supported here and has no effect");
            self.out.without_effect(None, origin.clone(), reason);
            return Section::Passed;
        }
        if !spelt.starts_with("job") {
            let hint = did_you_mean(&spelt, ["global", "job-exec", "job-run", "job-local"]);
            let hint =
                hint.unwrap_or_else(|| "the sections are [global] and [job-<kind> \"name\"]".to_owned());
            let reason = format!("unknown section \"{spelt}\", and its lines have no effect: {hint}");
            self.out.lost = true;
            self.out.broken.push(Diagnostic::error(origin.clone(), reason));
            return Section::Passed;
        }
        match ofelia::kind_of(self.tool, word) {
            Ok(kind) => self.job(kind, name, origin),
            Err(reason) => {
                self.out.without_effect(None, origin.clone(), reason);
                Section::Passed
            }
        }
    }

    fn job(&mut self, kind: JobKind, name: &str, origin: &Origin) -> Section {
        let here = self.names.of(kind, name);
        let id = JobId::plain(here);
        match self.out.job(&id, kind, origin, name, here) {
            Some(_) => Section::Job(id, kind),
            None => Section::Passed,
        }
    }

    /// A key and its value; `verbatim` says that the value is as it stands.
    fn value(&mut self, key: &str, text: &str, verbatim: bool, origin: Origin) {
        let kind = match &self.section {
            Section::Passed => return,
            Section::Before => {
                self.out.lost = true;
                let reason = "the line stands before the first section and has no effect";
                return self.out.broken.push(Diagnostic::error(origin, reason));
            }
            Section::Global => None,
            Section::Job(_, kind) => Some(*kind),
        };
        let job = match &self.section {
            Section::Job(id, _) => Some(id.clone()),
            _ => None,
        };
        let found = match table::find(self.tool.name, self.tool.keys, key, kind) {
            Ok(found) => found,
            Err(reason) => return self.out.without_effect(job.as_ref(), origin, reason),
        };
        let value = if verbatim {
            text.to_owned()
        } else {
            match ofelia_values::read(self.tool, found.name, text) {
                Ok(value) => {
                    if let Some(warning) = value.warning {
                        self.warn(job.as_ref(), origin.clone(), warning);
                    }
                    value.text
                }
                Err(reason) => return self.refuse(job.as_ref(), origin, reason),
            }
        };
        let value = self.put_in(found.name, value, job.as_ref(), &origin);
        match job {
            Some(id) => ofelia::take(self.tool, &id, found, &value, origin, &mut self.out),
            None => self.setting(found, &value, origin),
        }
    }

    /// The value with its variables put in. In a command they may be meant for the shell that it runs.
    fn put_in(&mut self, key: &str, value: String, job: Option<&JobId>, origin: &Origin) -> String {
        let Some(variable) = self.variable else { return value };
        let (value, names) = put_in(&value, variable);
        if !names.is_empty() && ofelia_values::is_command(key) {
            let names: Vec<String> = names.iter().map(|name| format!("${{{name}}}")).collect();
            let reason = format!(
                "\"{key}\": {} is replaced here, as netresearch's {} does; the original leaves it to the shell",
                names.join(", "),
                self.tool.name
            );
            self.warn(job, origin.clone(), reason);
        }
        value
    }

    /// A value that the tool itself cannot read.
    fn refuse(&mut self, job: Option<&JobId>, origin: Origin, reason: String) {
        match job {
            Some(id) => self.out.rejects(id, origin, reason),
            None => self.out.without_effect(None, origin, reason),
        }
    }

    fn warn(&mut self, job: Option<&JobId>, origin: Origin, reason: String) {
        let diagnostic = Diagnostic::warning(origin, reason);
        self.out.diagnostics.push(match job {
            Some(job) => diagnostic.about(job),
            None => diagnostic,
        });
    }

    fn setting(&mut self, key: &'static table::Key, text: &str, origin: Origin) {
        match (key.name, key.becomes) {
            ("log-level", _) => match level(text) {
                Some(value) => {
                    self.out.global.push(RawSetting::new("log-level", value, origin));
                }
                None => {
                    self.out.without_effect(None, origin, "\"log-level\" names no level and has no effect");
                }
            },
            ("default-user", _) => self.user = Some(text.trim().to_owned()),
            ("max-runtime", _) => match (go::duration(text), params::find("timeout")) {
                (Some(length), Some(param)) => {
                    let length = if length == "0s" { "none".to_owned() } else { length };
                    self.out.defaults.set(param, Written { text: Text::One(length.into()), origin });
                }
                _ => self.out.without_effect(
                    None,
                    origin,
                    "\"max-runtime\" is no length of time and has no effect",
                ),
            },
            (_, Becomes::Nothing | Becomes::Parameter(..) | Becomes::Reader) => {
                self.out.without_effect(None, origin, table::no_effect(key));
            }
        }
    }

    fn finish(mut self) -> Foreign {
        let ids: Vec<JobId> = self.out.jobs.keys().cloned().collect();
        for id in &ids {
            let kind = self.out.jobs.get(id).map(|draft| draft.kind);
            match self
                .user
                .as_deref()
                .filter(|_| matches!(kind, Some(JobKind::Exec | JobKind::Run | JobKind::ServiceRun)))
            {
                // An empty default leaves it to the container.
                Some("") => ofelia::other_defaults(id, &mut self.out),
                Some(user) => {
                    self.out.unless_given(id, "user", user);
                    ofelia::defaults(self.tool, id, &mut self.out);
                }
                None => ofelia::defaults(self.tool, id, &mut self.out),
            }
        }
        self.out
    }
}

/// A level of theirs as one of ours.
fn level(text: &str) -> Option<&'static str> {
    match text.trim().to_ascii_lowercase().as_str() {
        "trace" => Some("trace"),
        "debug" => Some("debug"),
        "info" | "notice" => Some("info"),
        "warn" | "warning" => Some("warn"),
        "error" | "critical" | "fatal" | "panic" => Some("error"),
        _ => None,
    }
}
