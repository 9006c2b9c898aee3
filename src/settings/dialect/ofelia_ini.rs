//! Files of Ofelia and Chadburn.
//!
//! They are close to ours, with these differences, each told where it matters: a section that comes twice goes on; a
//! key without a value is `true`; a line that ends in `\` goes on in the next; double quotes around a whole value are
//! taken off; and a value ends where a comment begins. There any `#` or `;` begins one. Here it does so after a blank
//! and outside quotes, which is where people mean it.

use std::sync::Arc;

use crate::model::{
    diagnostic::{Diagnostic, did_you_mean},
    name::{JobId, JobKind, check_name},
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
    go,
    ofelia::{self, Tool},
    table::{self, Becomes, Foreign},
};

/// Reads a file's text. `variable` gives the value of `${NAME}`.
pub fn read(
    tool: &'static Tool,
    path: &str,
    text: &[u8],
    variable: &dyn Fn(&str) -> Option<String>,
) -> Foreign {
    let path: Arc<str> = path.into();
    let mut reader =
        Reader { tool, variable, out: Foreign::default(), section: Section::Before, user: "root".to_owned() };
    let mut lines = lines::numbered(lines::unmark(text).unwrap_or(text));
    while let Some((number, line)) = lines.next() {
        let mut whole = line.trim_ascii().to_vec();
        while whole.ends_with(b"\\") && !whole.starts_with(b"#") && !whole.starts_with(b";") {
            whole.pop();
            let Some((_, more)) = lines.next() else { break };
            whole.truncate(whole.trim_ascii_end().len());
            whole.push(b' ');
            whole.extend(more.trim_ascii());
        }
        reader.line(&whole, Origin::File { path: path.clone(), line: number });
    }
    reader.finish()
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
    variable: &'a dyn Fn(&str) -> Option<String>,
    out: Foreign,
    section: Section,
    /// The user of jobs that name none.
    user: String,
}

impl Reader<'_> {
    fn line(&mut self, line: &[u8], origin: Origin) {
        match (lines::read(line), std::str::from_utf8(line)) {
            (Ok(Line::Nothing), _) => {}
            (Ok(Line::Header(header)), _) => self.section = self.header(&header, &origin),
            (Ok(Line::Value(key, value)), _) => self.value(key.trim(), &value, origin),
            // A key alone is a switch that is turned on.
            (Err(_), Ok(key)) if key.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') => {
                self.value(key, "true", origin);
            }
            (Err(unreadable), _) => {
                self.out.lost = true;
                if unreadable.is_header {
                    self.section = Section::Passed;
                }
                self.out.broken.push(Diagnostic::error(origin, unreadable.reason));
            }
        }
    }

    fn header(&mut self, header: &str, origin: &Origin) -> Section {
        let (word, name) = header.trim().split_once(char::is_whitespace).unwrap_or((header.trim(), ""));
        let name = name.trim();
        let name = name.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(name);
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
        if let Err(error) = check_name(name) {
            self.out.lost = true;
            self.out.diagnostics.push(Diagnostic::error(origin.clone(), error.to_string()));
            return Section::Passed;
        }
        let id = JobId::plain(name);
        match self.out.job(&id, kind, origin) {
            Some(_) => Section::Job(id, kind),
            None => Section::Passed,
        }
    }

    fn value(&mut self, key: &str, text: &str, origin: Origin) {
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
        let (bare, cut) = bare(text);
        if cut && matches!(found.name, "command" | "entrypoint") {
            let reason =
                format!("\"{key}\": what follows \" #\" or \" ;\" is a comment: put it in quotes to keep it");
            self.warn(job.as_ref(), origin.clone(), reason);
        } else if bare.contains(['#', ';']) && !is_quoted(text) {
            let reason = format!(
                "\"{key}\": {} begins a comment at any \"#\" or \";\"; here the value is taken as a whole",
                self.tool.name
            );
            self.warn(job.as_ref(), origin.clone(), reason);
        }
        // A command's `${NAME}` is for the shell that it runs.
        let is_command = matches!(found.name, "command" | "entrypoint");
        let bare = if is_command { bare } else { put_in(&bare, self.variable) };
        match job {
            Some(id) => ofelia::take(self.tool, &id, found, &bare, origin, &mut self.out),
            None => self.setting(found, &bare, origin),
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
            ("default-user", _) => text.trim().clone_into(&mut self.user),
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
            // An empty default leaves it to the container.
            let user = self.user.clone();
            let kind = self.out.jobs.get(id).map(|draft| draft.kind);
            if user != "root" && matches!(kind, Some(JobKind::Exec | JobKind::Run)) {
                if user.is_empty() {
                    self.out.unless_given(id, "overlap", "allow");
                    self.out.unless_given(id, "pull", "always");
                    continue;
                }
                self.out.unless_given(id, "user", &user);
            }
            ofelia::defaults(id, &mut self.out);
        }
        self.out
    }
}

/// Puts in the variables that are set. Only one of the makers of Ofelia does so at all: any other text stays.
fn put_in(text: &str, variable: &dyn Fn(&str) -> Option<String>) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        out.push_str(&rest[..at]);
        let inside = &rest[at + 2..];
        let value = inside.find('}').and_then(|end| Some((variable(&inside[..end])?, end)));
        if let Some((value, end)) = value {
            out.push_str(&value);
            rest = &inside[end + 1..];
        } else {
            out.push_str("${");
            rest = inside;
        }
    }
    out + rest
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

fn is_quoted(text: &str) -> bool {
    let text = text.trim();
    text.len() >= 2 && text.starts_with('"') && text.ends_with('"') && !text[1..text.len() - 1].contains('"')
}

/// The value without its comment and without the quotes around the whole, and whether there was a comment.
fn bare(text: &str) -> (String, bool) {
    let text = text.trim();
    let mut quote = None;
    let mut before = ' ';
    let mut end = text.len();
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (None, '"' | '\'') if before != '\\' => quote = Some(c),
            (Some(open), _) if open == c && before != '\\' => quote = None,
            (None, '#' | ';') if before.is_whitespace() => {
                end = at;
                break;
            }
            _ => {}
        }
        before = c;
    }
    let value = text[..end].trim_end();
    let inner = if is_quoted(value) { &value[1..value.len() - 1] } else { value };
    (inner.to_owned(), end < text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_that_are_set_are_put_in() {
        let set = |name: &str| (name == "A").then(|| "${B}".to_owned());
        for (there, here) in [("x${A}y${A}", "x${B}y${B}"), ("$A $$ ${B} ${A", "$A $$ ${B} ${A"), ("", "")] {
            assert_eq!(put_in(there, &set), here);
        }
    }

    #[test]
    fn a_comment_ends_a_value_and_quotes_keep_it() {
        for (there, here, cut) in [
            ("www-data   # who", "www-data", true),
            ("sh -c 'a; b # c'", "sh -c 'a; b # c'", false),
            ("\"a # b\"", "a # b", false),
            ("echo \"a b\"", "echo \"a b\"", false),
            ("a;b", "a;b", false),
            ("# all", "", true),
            ("", "", false),
            ("\"", "\"", false),
        ] {
            assert_eq!(bare(there), (here.to_owned(), cut), "{there}");
        }
    }
}
