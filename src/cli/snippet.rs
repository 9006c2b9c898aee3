//! One line of a file around a mistake: which part of it is meant, and which part may be seen.
//!
//! What is not known to be harmless is not shown: the value of a key that may hold a secret, and of any key that is not
//! ours, for it may be a slip in one that does. Such a line ends behind its `=` or `:`.

use std::ops::Range;

use crate::settings::{
    channels::table::CHANNEL_PARAMS,
    compose::{LabelPlace, yaml::Place},
    global, params,
};

/// What stands where something is not shown.
const HIDDEN: char = '…';

/// A line as it may be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snippet {
    /// The line, from 1.
    pub line: u32,
    /// The column of what is meant in the file, from 1, in characters.
    pub column: u32,
    /// What may be seen of the line, if there is anything.
    pub text: Option<String>,
    /// What is meant, in characters of `text`.
    pub mark: Range<usize>,
}

/// Whether the value of this parameter or setting may be seen.
fn is_harmless(key: &str) -> bool {
    let key = params::spelling(key);
    // `user` is a key of Pushover, too.
    let secret = ["environment", "env-file", "label", "log-opt", "user"].contains(&key.as_str())
        || ["password", "token", "secret", "webhook"].iter().any(|it| key.contains(it))
        || key.ends_with("-file");
    let (param, setting) = (params::find(&key), global::find(&key));
    let of_channel: Vec<_> = CHANNEL_PARAMS.iter().filter(|it| it.name == key).collect();
    let secret = secret || of_channel.iter().any(|it| it.secret);
    let known = key == "enabled" || param.is_some() || setting.is_some() || !of_channel.is_empty();
    known && !secret && !param.is_some_and(|it| it.secret) && !setting.is_some_and(|it| it.secret)
}

/// An address can hold a password whatever its key.
fn is_address_with_user(value: &str) -> bool {
    value.split_once("://").is_some_and(|(_, rest)| rest.contains('@'))
}

/// The parameter that a label's key names: its last part, or the one before an index.
fn parameter(label: &str) -> &str {
    let mut parts = label.rsplit('.');
    let last = parts.next().unwrap_or_default();
    if last.parse::<u32>().is_ok() { parts.next().unwrap_or(last) } else { last }
}

/// Whether a reason speaks of the value and not of the key. Those about a parameter's value begin with its name.
fn is_about_value(reason: &str, key: &str) -> bool {
    let named = reason.get(..key.len()).is_some_and(|it| params::spelling(it) == params::spelling(key));
    (named && reason[key.len()..].starts_with(": "))
        || ["the value", "the variable", "Compose takes", "\"${\"", "variables are", "what follows"]
            .iter()
            .any(|it| reason.starts_with(it))
        || reason.contains("is no boolean")
}

/// The line of an INI file.
pub fn of_ini(raw: &str, line: u32, reason: &str) -> Snippet {
    let raw = raw.strip_prefix('\u{feff}').filter(|_| line == 1).unwrap_or(raw);
    let all: Vec<char> = raw.trim_end().chars().collect();
    let start = all.iter().take_while(|c| c.is_whitespace()).count();
    let whole =
        || Snippet { line, column: column(start), text: Some(all.iter().collect()), mark: start..all.len() };
    if all.get(start) == Some(&'[') {
        return whole();
    }
    let Some(equals) = all.iter().position(|c| *c == '=') else {
        // A line that is no line of ours may be a secret that lost its key.
        return Snippet { line, column: column(start), text: None, mark: 0..0 };
    };
    let key: String = all[start..equals.max(start)].iter().collect();
    let key = key.trim_end();
    let key_range = start..start + key.chars().count();
    let value_start = equals + 1 + all[equals + 1..].iter().take_while(|c| c.is_whitespace()).count();
    let value: String = all[value_start..].iter().collect();
    if !is_harmless(key) || is_address_with_user(&value) {
        return hidden(&all, line, equals, key_range);
    }
    // What is wrong with a setting speaks of its value, but for these.
    let about_key = [
        "unknown setting",
        "unknown parameter",
        "the parameter",
        "a job of kind",
        "the line",
        "the key",
        "a channel",
    ]
    .iter()
    .any(|it| reason.starts_with(it))
        || reason.starts_with(&format!("\"{}\"", params::spelling(key)));
    let mark = if about_key || value.is_empty() { key_range } else { value_start..all.len() };
    Snippet { mark, column: column(mark_start(about_key || value.is_empty(), start, value_start)), ..whole() }
}

fn mark_start(key: bool, start: usize, value_start: usize) -> usize {
    if key { start } else { value_start }
}

/// A label in a compose file. `value` is what Compose makes of its value.
pub fn of_label<L: AsRef<str>>(
    lines: &[L],
    place: LabelPlace,
    label: &str,
    value: &str,
    reason: &str,
) -> Snippet {
    let key = parameter(label);
    let line = place.key.line;
    let all = characters(lines, line);
    let at = index(place.key).min(all.len());
    let quoted = usize::from(matches!(all.get(at), Some('"' | '\'')));
    let key_range = at..(at + label.chars().count() + quoted).min(all.len());
    let is_item = place.key == place.value;
    let separator =
        all[key_range.end..].iter().position(|c| matches!(c, ':' | '=')).map(|it| it + key_range.end);
    // A key that is written otherwise than it reads, or a line that is counted otherwise, is not looked into.
    let is_there = label.chars().eq(all[key_range.clone()].iter().skip(quoted).copied());
    let Some(separator) = separator.filter(|_| is_there) else {
        return Snippet { line, column: place.key.column, text: None, mark: 0..0 };
    };
    let mark = at + if is_item { quoted } else { 0 }..key_range.end;
    let about_value = is_about_value(reason, key);
    if !is_harmless(key) || is_address_with_user(value) {
        return alone(hidden(&all, line, separator, mark));
    }
    if !is_item && place.value.line != line {
        return if about_value {
            of_value_below(lines, place.value, value)
        } else {
            alone(hidden(&all, line, separator, mark))
        };
    }
    let begin = if is_item { separator + 1 } else { index(place.value).min(all.len()) };
    let Some(end) = end_of(&all[begin..], value).map(|it| begin + it) else {
        // It is written otherwise than it reads; other labels may follow in the line.
        let only = is_alone(&all, at) && !all.contains(&',');
        if !only {
            return alone(hidden(&all, line, separator, mark));
        }
        let text: String = all.iter().collect();
        let end = text.trim_end().chars().count();
        let mark = if about_value { begin..end } else { mark };
        return Snippet { line, column: column(mark.start), text: Some(text), mark };
    };
    let mark = if about_value && end > begin { begin..end } else { mark };
    let column = column(mark.start);
    alone_from(Snippet { line, column, text: Some(all[..end].iter().collect()), mark }, at)
}

/// A value that begins in a line of its own. Behind it may stand others'.
fn of_value_below<L: AsRef<str>>(lines: &[L], place: Place, value: &str) -> Snippet {
    let all = characters(lines, place.line);
    let at = index(place).min(all.len());
    let end = end_of(&all[at..], value).map(|it| at + it).filter(|_| is_alone(&all, at));
    let Some(end) = end else {
        return Snippet { line: place.line, column: place.column, text: None, mark: 0..0 };
    };
    Snippet { line: place.line, column: place.column, text: Some(all[..end].iter().collect()), mark: at..end }
}

/// A line of a compose file that is no label's: only what stands before its first value is shown.
pub fn of_other<L: AsRef<str>>(lines: &[L], line: u32, at: u32) -> Snippet {
    let all = characters(lines, line);
    let start = usize::try_from(at).unwrap_or(usize::MAX).saturating_sub(1);
    let first = all.iter().position(|c| matches!(c, ':' | '='));
    match first {
        Some(separator) if start <= separator => {
            let from = all.iter().take_while(|c| c.is_whitespace()).count();
            alone(hidden(&all, line, separator, start.max(from)..separator))
        }
        _ => Snippet { line, column: at, text: None, mark: 0..0 },
    }
}

/// Where the value ends, with the quote that closes it, if it is written there as it reads.
fn end_of(written: &[char], value: &str) -> Option<usize> {
    let value: Vec<char> = value.chars().collect();
    let quote = written.first().filter(|c| matches!(c, '"' | '\''));
    let from = usize::from(quote.is_some());
    let end = from + value.len();
    (!value.is_empty() && written.get(from..end)? == &value[..]).then_some(())?;
    match quote {
        Some(quote) => (written.get(end) == Some(quote)).then_some(end + 1),
        None => Some(end),
    }
}

/// The line up to the separator, and that there is more.
fn hidden(all: &[char], line: u32, separator: usize, mark: Range<usize>) -> Snippet {
    let text: String = all[..=separator].iter().chain(&[' ', HIDDEN]).collect();
    Snippet { line, column: column(mark.start), text: Some(text), mark }
}

/// Without what stands before the mark, if that is more than the beginning of an item.
fn alone(it: Snippet) -> Snippet {
    let at = it.mark.start;
    alone_from(it, at)
}

fn alone_from(it: Snippet, at: usize) -> Snippet {
    let Some(text) = &it.text else { return it };
    let all: Vec<char> = text.chars().collect();
    if is_alone(&all, at) {
        return it;
    }
    let text = [HIDDEN, ' '].iter().chain(&all[at..]).collect();
    Snippet { text: Some(text), mark: it.mark.start + 2 - at..it.mark.end + 2 - at, ..it }
}

fn is_alone(all: &[char], at: usize) -> bool {
    all[..at.min(all.len())].iter().all(|c| c.is_whitespace() || matches!(c, '-' | '"' | '\''))
}

fn characters<L: AsRef<str>>(lines: &[L], line: u32) -> Vec<char> {
    let at = usize::try_from(line).unwrap_or(usize::MAX).saturating_sub(1);
    let text = lines.get(at).map(L::as_ref).unwrap_or_default();
    text.strip_prefix('\u{feff}').unwrap_or(text).trim_end_matches('\r').chars().collect()
}

fn index(place: Place) -> usize {
    usize::try_from(place.column).unwrap_or(usize::MAX).saturating_sub(1)
}

fn column(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX).saturating_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::compose;

    fn marked(it: &Snippet) -> (u32, String, String) {
        let text = it.text.clone().unwrap_or_default();
        let mark = text.chars().skip(it.mark.start).take(it.mark.len()).collect();
        (it.column, text, mark)
    }

    fn ini(raw: &str, reason: &str) -> (u32, String, String) {
        marked(&of_ini(raw, 3, reason))
    }

    #[test]
    fn a_line_of_an_ini_file_is_marked_at_the_key_or_the_value() {
        assert_eq!(
            ini(" schedule = @dayly ", "schedule: unknown"),
            (13, " schedule = @dayly".into(), "@dayly".into())
        );
        assert_eq!(
            ini("timezone = Mars/X", "unknown time zone `Mars/X`"),
            (12, "timezone = Mars/X".into(), "Mars/X".into())
        );
        assert_eq!(ini("log-levl=x", "unknown setting \"log-levl\"").2, "log-levl");
        assert_eq!(ini("log-level=x", "\"x\" is none of"), (11, "log-level=x".into(), "x".into()));
        assert_eq!(ini("[glob]", "unknown section"), (1, "[glob]".into(), "[glob]".into()));
        assert_eq!(
            ini("timeout = 1", "the parameter \"timeout\" is also"),
            (1, "timeout = 1".into(), "timeout".into())
        );
    }

    #[test]
    fn what_may_be_a_secret_is_not_shown() {
        for raw in [
            "environment = PASSWORD=hunter2",
            "environmnt = hunter2",
            "password=hunter2",
            "hunter2",
            "docker-host = tcp://user:hunter2@engine:2375",
            "timeout-file = hunter2",
        ] {
            let it = of_ini(raw, 1, "anything");
            assert!(!format!("{it:?}").contains("hunter2"), "{it:?}");
        }
        assert_eq!(ini("environmnt = x", "unknown"), (1, "environmnt = …".into(), "environmnt".into()));
    }

    fn label(text: &str, key: &str, reason: &str) -> (u32, String, String) {
        let file = compose::parse("c.yaml", text, Some("p"), &|_| Some("filled".to_owned()));
        let container = &file.containers[0];
        let place = file.places[&(container.name.clone(), key.into())];
        let lines: Vec<&str> = text.lines().collect();
        marked(&of_label(&lines, place, key, &container.labels[key], reason))
    }

    #[test]
    fn a_label_is_marked_at_its_key_or_its_value_and_its_neighbours_are_not_shown() {
        let head = "services:\n  web:\n    labels:\n";
        let key = "watchbell.job-exec.a.schedule";
        let map = format!("{head}      {key}: \"@dayly\" # hunter2\n");
        assert_eq!(
            label(&map, key, "schedule: unknown"),
            (38, format!("      {key}: \"@dayly\""), "\"@dayly\"".into())
        );
        assert_eq!(label(&map, key, "unknown").2, key);
        let list = format!("{head}      - {key}=@dayly\n");
        assert_eq!(label(&list, key, "schedule: unknown").2, "@dayly");
        assert_eq!(label(&list, key, "unknown"), (9, format!("      - {key}=@dayly"), key.into()));
        let quoted = format!("{head}      - \"{key}=a b\"\n");
        assert_eq!(label(&quoted, key, "schedule: unknown").2, "a b");
        let flow = format!("services: {{web: {{labels: {{x: hunter2, {key}: x, y: hunter2}}}}}}\n");
        assert_eq!(label(&flow, key, "schedule: unknown").1, format!("… {key}: x"));
        let below = format!("{head}      {key}: >-\n        @dayly\n");
        assert_eq!(label(&below, key, "unknown").2, key);
        let beneath = format!("services: {{web: {{labels: {{{key}:\n   x, y: hunter2}}}}}}\n");
        assert_eq!(label(&beneath, key, "schedule: unknown"), (4, "   x".into(), "x".into()));
        let alias = format!("x-y: &y hunter2\nservices:\n  web:\n    labels:\n      {key}: *y\n");
        assert_eq!(label(&alias, key, "schedule: unknown").1, "");
        let carriage = format!(
            "services:\n  web:\n    x: \r\n    labels:\r      {key}: x\n      y: hunter2\n      z: hunter2\n"
        );
        assert_eq!(label(&carriage, key, "schedule: unknown").1, "");
        let secret = "watchbell.job-exec.a.environment.0";
        for text in
            [format!("{head}      {secret}: A=hunter2\n"), format!("{head}      - {secret}=A=hunter2\n")]
        {
            let (_, text, mark) = label(&text, secret, "environment: item 1");
            assert!(mark == secret && text.ends_with(" …") && !text.contains("hunter2"), "{text}");
        }
    }

    #[test]
    fn of_another_line_only_the_key_is_shown() {
        assert_eq!(
            marked(&of_other(&["  PASSWORD: hunter2"], 1, 3)),
            (3, "  PASSWORD: …".into(), "PASSWORD".into())
        );
        assert_eq!(of_other(&["  - hunter2"], 1, 3).text, None);
        assert_eq!(of_other(&["a: hunter2: b"], 1, 12).text, None);
        assert_eq!(of_other::<&str>(&[], 7, 1).text, None);
    }
}
