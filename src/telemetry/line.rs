//! One log line as text, in each of the three formats.
//!
//! A [`Line`] is a set of buffers that is used again for the next line, so that formatting allocates next to
//! nothing. Nothing in here knows of tracing, of a clock or of stdout. Whatever a value holds, it can neither start
//! a second line nor reach the terminal as an escape.

use std::fmt::{self, Display, Write as _};
use std::io::Write as _;
use std::str::FromStr;

use jiff::Timestamp;
use serde_json::Value;
use thiserror::Error;

/// How a log line reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LogFormat {
    /// One JSON object a line, for machines.
    Json,
    /// `key=value` pairs, for machines and `grep`.
    Logfmt,
    /// Columns, for people at a terminal.
    Pretty,
}

/// A log format that does not exist.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("unknown log format \"{0}\": expected json, logfmt or pretty")]
pub struct UnknownLogFormat(String);

impl FromStr for LogFormat {
    type Err = UnknownLogFormat;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Json, Self::Logfmt, Self::Pretty]
            .into_iter()
            .find(|format| format.name().eq_ignore_ascii_case(text))
            .ok_or_else(|| UnknownLogFormat(text.to_owned()))
    }
}

impl LogFormat {
    fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Logfmt => "logfmt",
            Self::Pretty => "pretty",
        }
    }
}

impl Display for LogFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What is the same for every line of a log.
#[derive(Debug, Clone, Copy)]
pub(super) struct Style {
    pub(super) format: LogFormat,
    /// Only [`LogFormat::Pretty`] has colours.
    pub(super) colour: bool,
}

/// The level of one line, in words and, for a terminal, as an SGR parameter.
#[derive(Debug, Clone, Copy)]
pub(super) struct Severity {
    pub(super) lower: &'static str,
    pub(super) padded: &'static str,
    pub(super) colour: &'static str,
}

/// A buffer that grew past this for one line is given back after it.
const KEEP: usize = 64 * 1024;
/// The width of the event column; the longest common names fit.
const EVENT_WIDTH: usize = 16;

/// The buffers of one line: [`clear`](Line::clear), any number of fields, then [`finish`](Line::finish).
#[derive(Debug, Default)]
pub(super) struct Line {
    event: String,
    message: String,
    /// What a line of job output shows at a terminal.
    job: String,
    stream: String,
    output: String,
    /// The other fields, formatted.
    fields: Vec<u8>,
    out: Vec<u8>,
}

impl Line {
    pub(super) fn clear(&mut self) {
        for text in [&mut self.event, &mut self.message, &mut self.job, &mut self.stream, &mut self.output] {
            text.clear();
            text.shrink_to(KEEP);
        }
        for bytes in [&mut self.fields, &mut self.out] {
            bytes.clear();
            bytes.shrink_to(KEEP);
        }
    }

    /// A field with a text. An empty one is left out, save a line of output: a job may print empty lines.
    pub(super) fn text(&mut self, style: Style, name: &str, value: &str) {
        match name {
            "event" => return value.clone_into(&mut self.event),
            "message" => return value.clone_into(&mut self.message),
            _ if value.is_empty() && name != "line" => return,
            _ => {}
        }
        if let Some(name) = name.strip_suffix("_json")
            && let Ok(parsed) = serde_json::from_slice(value.as_bytes())
        {
            return self.json(style, name, value, &parsed);
        }
        if style.format == LogFormat::Pretty {
            match name {
                "job" => value.clone_into(&mut self.job),
                "stream" => value.clone_into(&mut self.stream),
                "line" => value.clone_into(&mut self.output),
                _ => {}
            }
        }
        let name = name.strip_suffix("_json").unwrap_or(name);
        self.key(style, name);
        match style.format {
            LogFormat::Json => json_text(&mut self.fields, value),
            LogFormat::Logfmt | LogFormat::Pretty => pair_text(&mut self.fields, value),
        }
    }

    /// A field with a number or a bool, which reads the same in all formats.
    pub(super) fn literal(&mut self, style: Style, name: &str, value: impl Display) {
        if matches!(name, "event" | "message") {
            return self.text(style, name, &value.to_string());
        }
        self.key(style, name);
        let _ = write!(self.fields, "{value}");
    }

    /// A field with a number that may have a fraction.
    pub(super) fn float(&mut self, style: Style, name: &str, value: f64) {
        match serde_json::Number::from_f64(value) {
            Some(number) => self.literal(style, name, number),
            // JSON has no such number, and null would not tell which.
            None => self.text(style, name, &value.to_string()),
        }
    }

    /// Puts the line together, its line end included.
    pub(super) fn finish(&mut self, style: Style, at: Timestamp, severity: Severity) -> &[u8] {
        if self.event.is_empty() {
            self.event.push_str("log");
        }
        match style.format {
            LogFormat::Json => self.finish_json(at, severity),
            LogFormat::Logfmt => self.finish_logfmt(at, severity),
            LogFormat::Pretty => self.finish_pretty(at, severity, style.colour),
        }
        self.out.push(b'\n');
        &self.out
    }

    /// The name of what it tells.
    pub(super) fn event(&self) -> &str {
        &self.event
    }

    /// A field whose text is known to be JSON.
    fn json(&mut self, style: Style, name: &str, raw: &str, parsed: &Value) {
        match (style.format, parsed) {
            (LogFormat::Json, _) => {
                self.key(style, name);
                // Between tokens a line end is legal JSON, and within a string it is not.
                self.fields.extend(raw.trim().bytes().map(|b| if b < b' ' { b' ' } else { b }));
            }
            (_, Value::Array(items)) if items.iter().all(Value::is_string) => {
                let separator = if style.format == LogFormat::Pretty { ", " } else { "," };
                let texts: Vec<_> = items.iter().filter_map(Value::as_str).collect();
                self.text(style, name, &texts.join(separator));
            }
            (_, Value::String(text)) => self.text(style, name, text),
            _ => self.text(style, name, raw.trim()),
        }
    }

    fn key(&mut self, style: Style, name: &str) {
        let name = name.strip_prefix("r#").unwrap_or(name);
        // The line has these already, and a key must not come twice.
        let suffix = if matches!(name, "timestamp" | "level" | "event" | "message") { "_" } else { "" };
        if style.format == LogFormat::Json {
            self.fields.push(b',');
            if suffix.is_empty() {
                json_text(&mut self.fields, name);
            } else {
                json_text(&mut self.fields, &format!("{name}{suffix}"));
            }
            self.fields.push(b':');
        } else {
            self.fields.push(b' ');
            let plain = |c: char| if c.is_ascii_alphanumeric() || "_-./".contains(c) { c } else { '_' };
            self.fields.extend(name.chars().map(|c| plain(c) as u8));
            self.fields.extend_from_slice(suffix.as_bytes());
            self.fields.push(b'=');
        }
    }

    fn finish_json(&mut self, at: Timestamp, severity: Severity) {
        let out = &mut self.out;
        let _ = write!(out, r#"{{"timestamp":"{at:.6}","level":"{}","event":"#, severity.lower);
        json_text(out, &self.event);
        if !self.message.is_empty() {
            out.extend_from_slice(br#","message":"#);
            json_text(out, &self.message);
        }
        out.extend_from_slice(&self.fields);
        out.push(b'}');
    }

    fn finish_logfmt(&mut self, at: Timestamp, severity: Severity) {
        let out = &mut self.out;
        let _ = write!(out, "timestamp={at:.6} level={} event=", severity.lower);
        pair_text(out, &self.event);
        if !self.message.is_empty() {
            out.extend_from_slice(b" message=");
            pair_text(out, &self.message);
        }
        out.extend_from_slice(&self.fields);
    }

    /// The time of day is in UTC, like the times in the other formats.
    fn finish_pretty(&mut self, at: Timestamp, severity: Severity, colour: bool) {
        let out = &mut self.out;
        let painted = |out: &mut Vec<u8>, code: &str, put: &dyn Fn(&mut Vec<u8>)| {
            if colour {
                let _ = write!(out, "\x1b[{code}m");
            }
            put(out);
            if colour {
                out.extend_from_slice(b"\x1b[0m");
            }
        };
        painted(out, "2", &|out| {
            let _ = write!(out, "{}", at.strftime("%H:%M:%S%.3f"));
        });
        out.push(b' ');
        if self.event == "run.output" {
            painted(out, "1", &|out| free_text(out, &self.job));
            let is_error = self.stream == "stderr";
            let (bar, code) = if is_error { (" │! ", "31") } else { (" │ ", "2") };
            painted(out, code, &|out| out.extend_from_slice(bar.as_bytes()));
            free_text(out, &self.output);
            return;
        }
        painted(out, severity.colour, &|out| out.extend_from_slice(severity.padded.as_bytes()));
        out.push(b' ');
        painted(out, "1", &|out| free_text(out, &self.event));
        if self.message.is_empty() && self.fields.is_empty() {
            return;
        }
        let gap = EVENT_WIDTH.saturating_sub(self.event.chars().count());
        out.extend(std::iter::repeat_n(b' ', gap));
        if !self.message.is_empty() {
            out.extend_from_slice(b"  ");
            free_text(out, &self.message);
        }
        if !self.fields.is_empty() {
            out.push(b' ');
            out.extend_from_slice(&self.fields);
        }
    }
}

/// What JSON need not escape and a terminal obeys is escaped all the same: someone looks at the log in one, and whoever
/// reads it as JSON reads the same.
fn json_text(out: &mut Vec<u8>, text: &str) {
    let from = out.len();
    // Writing a str into memory cannot fail.
    let _ = serde_json::to_writer(&mut *out, text);
    if !text.is_ascii() || text.contains('\u{7f}') {
        let written = String::from_utf8_lossy(&out.split_off(from)).into_owned();
        escaped(out, &written, unsafe_to_show);
    }
}

/// A value as logfmt has it: bare where that is clear, else quoted as a JSON string that is free of anything
/// [`unsafe_to_show`].
fn pair_text(out: &mut Vec<u8>, text: &str) {
    let quote = |c: char| c.is_whitespace() || matches!(c, '=' | '"') || unsafe_to_show(c);
    if !text.is_empty() && !text.contains(quote) {
        return out.extend_from_slice(text.as_bytes());
    }
    out.push(b'"');
    escaped(out, text, |c| matches!(c, '"' | '\\') || unsafe_to_show(c));
    out.push(b'"');
}

/// A text for people, without quotes; tabs stay.
fn free_text(out: &mut Vec<u8>, text: &str) {
    escaped(out, text, |c| c != '\t' && unsafe_to_show(c));
}

fn escaped(out: &mut Vec<u8>, text: &str, escape: impl Fn(char) -> bool) {
    let mut rest = text;
    while let Some((at, found)) = rest.char_indices().find(|&(_, c)| escape(c)) {
        out.extend_from_slice(&rest.as_bytes()[..at]);
        match found {
            '"' => out.extend_from_slice(br#"\""#),
            '\\' => out.extend_from_slice(br"\\"),
            '\n' => out.extend_from_slice(br"\n"),
            '\r' => out.extend_from_slice(br"\r"),
            '\t' => out.extend_from_slice(br"\t"),
            other => {
                let _ = write!(out, "\\u{:04x}", u32::from(other));
            }
        }
        rest = &rest[at + found.len_utf8()..];
    }
    out.extend_from_slice(rest.as_bytes());
}

/// Characters that move the cursor, start an escape, end a line or turn the reading direction around. All lie in
/// the basic plane, so four hexadecimal digits name them.
fn unsafe_to_show(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Formats into a text that is used again, for values that only know how to format themselves.
pub(super) fn format_into(text: &mut String, value: fmt::Arguments<'_>) {
    text.clear();
    text.shrink_to(KEEP);
    // A value that fails to format has said what it could.
    let _ = text.write_fmt(value);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const JSON: Style = Style { format: LogFormat::Json, colour: false };
    const LOGFMT: Style = Style { format: LogFormat::Logfmt, colour: false };
    const PRETTY: Style = Style { format: LogFormat::Pretty, colour: false };
    const INFO: Severity = Severity { lower: "info", padded: "INFO ", colour: "32" };

    fn formatted(style: Style, fields: impl Fn(&mut Line)) -> String {
        let mut line = Line::default();
        fields(&mut line);
        let at = "2026-03-29T03:00:00.123456789Z".parse().unwrap();
        String::from_utf8(line.finish(style, at, INFO).to_vec()).unwrap()
    }

    fn texts(style: Style, fields: &[(&str, &str)]) -> String {
        formatted(style, |line| fields.iter().for_each(|(name, value)| line.text(style, name, value)))
    }

    /// Reads what [`LOGFMT`] wrote, by the rules of logfmt.
    fn read_logfmt(line: &str) -> Vec<(String, String)> {
        let mut rest = line.strip_suffix('\n').unwrap();
        let mut pairs = Vec::new();
        while !rest.is_empty() {
            let (key, after) = rest.split_once('=').unwrap();
            let value;
            if after.starts_with('"') {
                let mut stream = serde_json::Deserializer::from_str(after).into_iter::<String>();
                value = stream.next().unwrap().unwrap();
                rest = &after[stream.byte_offset()..];
            } else {
                let end = after.find(' ').unwrap_or(after.len());
                value = after[..end].to_owned();
                rest = &after[end..];
            }
            pairs.push((key.to_owned(), value));
            rest = rest.strip_prefix(' ').unwrap_or(rest);
        }
        pairs
    }

    #[test]
    fn each_format_is_read_from_its_name_and_others_are_refused() {
        for format in [LogFormat::Json, LogFormat::Logfmt, LogFormat::Pretty] {
            assert_eq!(format.to_string().parse(), Ok(format));
        }
        let error = "xml".parse::<LogFormat>().unwrap_err();
        assert_eq!(error.to_string(), r#"unknown log format "xml": expected json, logfmt or pretty"#);
    }

    #[test]
    fn the_first_keys_come_in_a_fixed_order_and_the_others_as_recorded() {
        let fields = [("zone", "b"), ("event", "job.added"), ("job", "a"), ("message", "hello there")];
        assert_eq!(
            texts(JSON, &fields),
            "{\"timestamp\":\"2026-03-29T03:00:00.123456Z\",\"level\":\"info\",\"event\":\"job.added\",\
             \"message\":\"hello there\",\"zone\":\"b\",\"job\":\"a\"}\n"
        );
        assert_eq!(
            texts(LOGFMT, &fields),
            "timestamp=2026-03-29T03:00:00.123456Z level=info event=job.added message=\"hello there\" zone=b job=a\n"
        );
        assert_eq!(
            texts(PRETTY, &fields),
            "03:00:00.123 INFO  job.added         hello there  zone=b job=a\n"
        );
    }

    #[test]
    fn numbers_and_bools_stay_typed() {
        let line = formatted(JSON, |line| {
            line.literal(JSON, "attempt", 2);
            line.literal(JSON, "ok", true);
            line.float(JSON, "duration_seconds", 1.5);
            line.float(JSON, "whole", 3.0);
            line.float(JSON, "odd", f64::NAN);
            line.literal(JSON, "message", 7);
        });
        assert!(
            line.ends_with(
                "\"message\":\"7\",\"attempt\":2,\"ok\":true,\"duration_seconds\":1.5,\"whole\":3.0,\"odd\":\"NaN\"}\n"
            ),
            "{line}"
        );
    }

    #[test]
    fn an_empty_value_is_left_out_unless_it_is_a_line_of_output() {
        assert!(texts(LOGFMT, &[("reason", ""), ("message", "")]).ends_with(" event=log\n"));
        assert!(texts(LOGFMT, &[("line", "")]).ends_with(" line=\"\"\n"));
        assert!(texts(PRETTY, &[("message", "")]).ends_with(" INFO  log\n"));
    }

    #[test]
    fn a_key_that_every_line_has_does_not_come_twice() {
        let line = texts(JSON, &[("level", "fake"), ("timestamp", "never"), ("r#type", "x")]);
        assert!(line.ends_with(",\"level_\":\"fake\",\"timestamp_\":\"never\",\"type\":\"x\"}\n"), "{line}");
    }

    #[test]
    fn a_field_of_json_text_is_json_in_json_and_a_list_elsewhere() {
        let next = [("next_json", "[\"a\",\n\"b c\"]")];
        assert!(texts(JSON, &next).ends_with(",\"next\":[\"a\", \"b c\"]}\n"));
        assert!(texts(LOGFMT, &next).ends_with(" next=\"a,b c\"\n"));
        assert!(texts(PRETTY, &next).ends_with(" next=\"a, b c\"\n"));
        assert!(texts(LOGFMT, &[("next_json", "[1,2]")]).ends_with(" next=[1,2]\n"));
        assert!(texts(LOGFMT, &[("next_json", "[]")]).ends_with(" event=log\n"));
    }

    #[test]
    fn what_claims_to_be_json_and_is_not_becomes_a_string() {
        let claim = [("next_json", "[1],\"level\":\"fake\"")];
        assert!(texts(JSON, &claim).ends_with(",\"next\":\"[1],\\\"level\\\":\\\"fake\\\"\"}\n"));
    }

    #[test]
    fn a_value_can_neither_start_a_line_nor_reach_the_terminal() {
        let evil = "\"\n{\"level\":\"fake\"\r\x1b[31m\u{7f}\u{9b}31m\u{202e}\x07 level=fake";
        let fields =
            [("message", evil), ("event", evil), ("job", evil), ("line", evil), ("bad\n\x1b=\"key", evil)];
        for style in [JSON, LOGFMT, PRETTY] {
            let line = texts(style, &fields);
            assert_eq!(line.matches('\n').count(), 1, "{line:?}");
            assert!(line.ends_with('\n') && !line.contains(['\x1b', '\r', '\x07']), "{line:?}");
            assert!(!line.contains(['\u{7f}', '\u{9b}', '\u{202e}']), "{line:?}");
        }
        let json: Value = serde_json::from_str(&texts(JSON, &fields)).unwrap();
        assert_eq!(json["level"], "info");
        assert_eq!(json["line"], evil);
        let output = texts(PRETTY, &[("event", "run.output"), ("job", evil), ("line", evil)]);
        assert_eq!(output.matches('\n').count(), 1);
        assert!(!output.contains('\x1b'));
    }

    #[test]
    fn output_of_a_job_is_compact_at_a_terminal_and_stderr_is_marked() {
        let output = |stream| {
            texts(PRETTY, &[("event", "run.output"), ("job", "a.b"), ("stream", stream), ("line", "x\ty")])
        };
        assert_eq!(output("stdout"), "03:00:00.123 a.b │ x\ty\n");
        assert_eq!(output("stderr"), "03:00:00.123 a.b │! x\ty\n");
    }

    #[test]
    fn colours_appear_only_when_asked_for() {
        let coloured = Style { colour: true, ..PRETTY };
        let fields = [("event", "job.added"), ("message", "m"), ("job", "a")];
        assert!(!texts(PRETTY, &fields).contains('\x1b'));
        assert_eq!(
            texts(coloured, &fields),
            "\x1b[2m03:00:00.123\x1b[0m \x1b[32mINFO \x1b[0m \x1b[1mjob.added\x1b[0m         m  job=a\n"
        );
    }

    #[test]
    fn a_line_leaves_nothing_behind_for_the_next() {
        let mut line = Line::default();
        line.text(PRETTY, "job", &"x".repeat(2 * KEEP));
        line.text(PRETTY, "event", "run.output");
        line.clear();
        let out = line.finish(LOGFMT, Timestamp::UNIX_EPOCH, INFO);
        assert_eq!(out, b"timestamp=1970-01-01T00:00:00.000000Z level=info event=log\n");
        assert!(line.fields.capacity() <= KEEP && line.job.capacity() <= KEEP);
    }

    proptest! {
        #[test]
        fn logfmt_reads_back_what_was_written(values in prop::collection::vec(any::<String>(), 0..4)) {
            let names = ["a", "b", "c", "d"];
            let fields: Vec<_> = names.into_iter().zip(values.iter().map(String::as_str)).collect();
            let written: Vec<_> = read_logfmt(&texts(LOGFMT, &fields)).into_iter().skip(3).collect();
            let expected: Vec<_> = fields
                .iter()
                .filter(|(_, value)| !value.is_empty())
                .map(|&(name, value)| (name.to_owned(), value.to_owned()))
                .collect();
            prop_assert_eq!(written, expected);
        }

        #[test]
        fn json_reads_back_what_was_written(value in any::<String>(), name in "[ -~]{1,8}") {
            let line = texts(JSON, &[(&format!("x{name}x"), &value), ("line", &value)]);
            let json: Value = serde_json::from_str(&line).unwrap();
            prop_assert_eq!(json["line"].as_str(), Some(value.as_str()));
        }
    }
}
