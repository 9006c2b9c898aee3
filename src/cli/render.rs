//! Shows diagnostics: for people with the line and a caret under the place, as compilers do; for programs as JSON.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    fmt::{self, Write},
    io::IsTerminal,
    sync::Arc,
};

use serde_json::{Value, json};

use crate::{
    model::{
        diagnostic::{Diagnostic, Severity},
        origin::Origin,
    },
    settings::compose::{LabelPlace, of_places},
};

use super::{
    Environment,
    snippet::{self, Snippet},
};

/// The longest part of a line that is shown, in characters.
const WIDTH: usize = 100;

/// Texts that diagnostics speak of, and where in them labels stand. INI files are read when one is asked for.
#[derive(Debug, Default)]
pub struct Files {
    texts: RefCell<BTreeMap<String, Option<Lines>>>,
    columns: BTreeMap<(String, u32), u32>,
    labels: BTreeMap<(Arc<str>, Arc<str>), Written>,
}

/// The lines of a text, which are split once: a file can have as many mistakes as lines.
type Lines = Arc<[String]>;

fn lines(text: &str) -> Lines {
    text.split('\n').map(str::to_owned).collect()
}

#[derive(Debug)]
struct Written {
    path: String,
    place: LabelPlace,
    value: String,
}

/// A place in a file.
#[derive(Debug)]
pub struct Located {
    /// The file.
    pub path: String,
    /// Line, column and what may be seen.
    pub snippet: Snippet,
}

impl Files {
    /// Keeps a text that was read.
    pub fn keep(&mut self, path: &str, text: &str) {
        self.texts.get_mut().insert(path.to_owned(), Some(lines(text)));
    }

    /// Keeps the column of what is wrong in a line of a compose file or of JSON.
    pub fn column(&mut self, path: &str, line: u32, column: u32) {
        self.columns.entry((path.to_owned(), line)).or_insert(column);
    }

    /// Keeps where a label stands.
    pub fn label(
        &mut self,
        container: Arc<str>,
        label: Arc<str>,
        path: &str,
        place: LabelPlace,
        value: &str,
    ) {
        let written = Written { path: path.to_owned(), place, value: value.to_owned() };
        self.labels.insert((container, label), written);
    }

    fn read(&self, path: &str) -> Option<Lines> {
        let mut texts = self.texts.borrow_mut();
        if let Some(known) = texts.get(path) {
            return known.clone();
        }
        let read = || std::fs::read(path).ok().map(|bytes| lines(&String::from_utf8_lossy(&bytes)));
        texts.entry(path.to_owned()).or_insert_with(read).clone()
    }

    /// Where a diagnostic's place is, if that is in a file.
    pub fn locate(&self, it: &Diagnostic) -> Option<Located> {
        match &it.origin {
            Origin::File { path, line } => {
                let nothing = || Snippet { line: *line, column: 1, text: None, mark: 0..0 };
                let text = self.read(path);
                let snippet = match (text, self.columns.get(&(path.to_string(), *line))) {
                    (Some(text), Some(column)) => snippet::of_other(&text, *line, *column),
                    (None, Some(column)) => Snippet { column: *column, ..nothing() },
                    (Some(text), None) => {
                        let at = usize::try_from(line.saturating_sub(1)).unwrap_or(usize::MAX);
                        text.get(at).map_or_else(nothing, |raw| snippet::of_ini(raw, *line, &it.reason))
                    }
                    (None, None) => nothing(),
                };
                Some(Located { path: path.to_string(), snippet })
            }
            Origin::Label { label, .. } | Origin::ServiceLabel { label, .. } => {
                let on = match &it.origin {
                    Origin::ServiceLabel { service, .. } => Origin::Service(service.clone()),
                    Origin::Label { container, .. } => Origin::Container(container.clone()),
                    other => other.clone(),
                };
                let written = self.labels.get(&(of_places(&on), label.clone()))?;
                let lines = self.read(&written.path).unwrap_or_default();
                let snippet = snippet::of_label(&lines, written.place, label, &written.value, &it.reason);
                Some(Located { path: written.path.clone(), snippet })
            }
            _ => None,
        }
    }

    /// The diagnostic for programs.
    pub fn json(&self, it: &Diagnostic) -> Value {
        let located = self.locate(it);
        let located = located.as_ref();
        json!({
            "severity": it.severity.as_str(),
            "job": it.job.as_ref().map(ToString::to_string),
            "origin": it.origin.to_string(),
            "file": located.map(|it| &it.path),
            "line": located.map(|it| it.snippet.line),
            "column": located.map(|it| it.snippet.column),
            "reason": it.reason,
        })
    }

    /// The diagnostic for people; lines that end with a line break.
    pub fn text(&self, it: &Diagnostic, colours: Colours) -> String {
        let mut out = String::new();
        // Writing to a text never fails.
        let _ = self.write(&mut out, it, colours);
        out
    }

    fn write(&self, out: &mut String, it: &Diagnostic, colours: Colours) -> fmt::Result {
        let severity = colours.severity(it.severity);
        let job = it.job.as_ref().map(|job| format!(" job {}:", visible(job.as_str()))).unwrap_or_default();
        let reason = visible(&it.reason);
        let Some(Located { path, snippet }) = self.locate(it) else {
            return writeln!(out, "{severity}: {}:{job} {reason}", visible(&it.origin.to_string()));
        };
        writeln!(out, "{severity}:{job} {reason}")?;
        let Snippet { line, column, text, mark } = snippet;
        let gutter = " ".repeat(line.to_string().len());
        let arrow = colours.place("-->");
        let of = match &it.origin {
            Origin::Label { container, label } => format!(" (container {container}, label {label})"),
            Origin::ServiceLabel { service, label } => format!(" (service {service}, label {label})"),
            _ => String::new(),
        };
        writeln!(out, "{gutter}{arrow} {}:{line}:{column}{}", visible(&path), visible(&of))?;
        let Some(text) = text else { return Ok(()) };
        let (text, from, to) = shorten(&text, mark.start, mark.end);
        let bar = colours.place("|");
        writeln!(out, "{gutter} {bar}")?;
        writeln!(out, "{} {bar} {text}", colours.place(&line.to_string()))?;
        let carets = "^".repeat(to.saturating_sub(from).max(1));
        writeln!(out, "{gutter} {bar} {}{}", " ".repeat(from), colours.mark(&carets, it.severity))
    }
}

/// The part of a line around what is meant, with everything visible, and where that is in it.
fn shorten(text: &str, from: usize, to: usize) -> (String, usize, usize) {
    let all: Vec<char> = text.chars().collect();
    let (start, end) = if all.len() <= WIDTH {
        (0, all.len())
    } else {
        let start = from.saturating_sub(WIDTH / 3).min(all.len() - WIDTH);
        (start, start + WIDTH)
    };
    let part = |range: &[char]| visible(&range.iter().collect::<String>());
    let before = if start > 0 { "… " } else { "" };
    let after = if end < all.len() { " …" } else { "" };
    let (from, to) = (from.clamp(start, end), to.clamp(start, end));
    let head = format!("{before}{}", part(&all[start..from]));
    let marked = part(&all[from..to]);
    let (at, length) = (head.chars().count(), marked.chars().count());
    (format!("{head}{marked}{}{after}", part(&all[to..end])), at, at + length)
}

/// A text that a terminal shows and does not obey: what has no shape of its own gets one, and a tab four columns, so
/// that the caret stands where it should.
pub fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\t' => out.push_str("    "),
            '\u{0}'..='\u{1f}' => out.extend(char::from_u32(0x2400 + u32::from(c))),
            '\u{7f}' => out.push('␡'),
            c if is_obeyed(c) => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// Whether a terminal takes the character for a command, or it turns the rest of the line around or hides in it.
pub fn is_obeyed(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// Whether to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Colours(bool);

impl Colours {
    /// Only where a person looks, and did not say no.
    pub fn of_stdout(environment: &Environment) -> Self {
        let refused = environment.get("NO_COLOR").is_some_and(|it| !it.is_empty());
        Self(std::io::stdout().is_terminal() && !refused)
    }

    /// Without colours.
    pub fn none() -> Self {
        Self(false)
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.0 { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    fn severity(self, severity: Severity) -> String {
        self.mark(severity.as_str(), severity)
    }

    /// Text in the colour of how much something costs.
    pub fn mark(self, text: &str, severity: Severity) -> String {
        let code = if severity == Severity::Error { "1;31" } else { "1;33" };
        self.paint(code, text)
    }

    /// Text in the colour of how a run ended or a job does.
    pub fn state(self, text: &str, state: &str) -> String {
        match state {
            "succeeded" | "enabled" => self.paint("32", text),
            "running" => self.paint("1;34", text),
            "failed" | "timed-out" | "not-started" | "lost" | "rejected" => self.paint("1;31", text),
            "waiting" | "paused" | "stopped" | "skipped" | "missed" => self.paint("33", text),
            "disabled" => self.paint("2", text),
            _ => text.to_owned(),
        }
    }

    fn place(self, text: &str) -> String {
        self.paint("1;34", text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, reason: &str) -> String {
        let mut files = Files::default();
        files.keep("config.ini", text);
        let it = Diagnostic::error(Origin::File { path: "config.ini".into(), line: 2 }, reason);
        files.text(&it, Colours(false))
    }

    #[test]
    fn a_caret_stands_under_what_is_meant() {
        assert_eq!(
            shown("[job-exec \"a\"]\n\tschedule\t= @dayly\n", "schedule: unknown"),
            "error: schedule: unknown\n --> config.ini:2:13\n  |\n2 |     schedule    = @dayly\n  |                   ^^^^^^\n"
        );
    }

    #[test]
    fn a_long_line_is_shortened_around_the_place_and_control_characters_are_seen() {
        let long = shown(&format!("\ntimeout = {}\u{1b}[31m\n", "x".repeat(1 << 20)), "timeout: no");
        assert!(long.len() < 800 && long.contains('…') && !long.contains('\u{1b}'), "{long}");
        assert_eq!(visible("a\u{1b}[1m\u{202e}\0"), "a␛[1m\u{fffd}␀");
        let (text, from, to) = shorten(&format!("{}KEY{}", "a".repeat(300), "b".repeat(300)), 300, 303);
        let marked: String = text.chars().skip(from).take(to - from).collect();
        assert_eq!(marked, "KEY");
        assert!(text.starts_with("… ") && text.ends_with(" …"));
    }

    #[test]
    fn a_text_is_split_into_lines_once_however_many_mistakes_it_has() {
        let mut files = Files::default();
        files.keep("config.ini", "a\nb");
        let lines = [files.read("config.ini").unwrap(), files.read("config.ini").unwrap()];
        assert!(Arc::ptr_eq(&lines[0], &lines[1]));
        assert_eq!(&lines[0][..], ["a", "b"]);
    }

    #[test]
    fn what_has_no_file_is_one_line() {
        let it = Diagnostic::warning(Origin::Container("web".into()), "words")
            .about(&crate::model::name::JobId::plain("a"));
        assert_eq!(Files::default().text(&it, Colours(false)), "warning: container web: job a: words\n");
        assert!(Files::default().text(&it, Colours(true)).starts_with("\u{1b}[1;33mwarning\u{1b}[0m"));
    }
}
