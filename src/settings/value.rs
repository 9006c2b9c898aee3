//! From text to typed values: the one place that knows how a boolean, a length of time, a list or a command is
//! written.

use std::{sync::Arc, time::Duration};

use crate::model::{bytes, diagnostic::did_you_mean, duration, job::Retention, variable};

use super::layer::Text;

/// Reads a boolean liberally: `true/false/1/0/yes/no/on/off` in any letter case.
pub fn boolean(text: &str) -> Result<bool, String> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" => Ok(false),
        _ => Err(format!("\"{text}\" is no boolean: write true or false")),
    }
}

/// Reads a length of time such as `90s` or `1h30m`.
pub fn duration(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    duration::parse(text).map_err(|reason| format!("\"{text}\" {reason}: write for example 90s or 1h30m"))
}

/// Reads a length of time that may be absent: `none` is none.
pub fn optional_duration(text: &str) -> Result<Option<Duration>, String> {
    if text.trim().eq_ignore_ascii_case("none") {
        return Ok(None);
    }
    match duration(text)? {
        Duration::ZERO => Err("a length of 0 ends every run at once: write none for no limit".to_owned()),
        length => Ok(Some(length)),
    }
}

/// Reads how late something may be: `none` is however late.
pub fn deadline(text: &str) -> Result<Option<Duration>, String> {
    if text.trim().eq_ignore_ascii_case("none") {
        return Ok(None);
    }
    match duration(text)? {
        Duration::ZERO => Err("nothing begins within 0 of its moment: write none for no deadline".to_owned()),
        length => Ok(Some(length)),
    }
}

/// Reads how long to wait for a turn: `none` is as long as it takes, and 0 not at all.
pub fn wait(text: &str) -> Result<Option<Duration>, String> {
    if text.trim().eq_ignore_ascii_case("none") { Ok(None) } else { duration(text).map(Some) }
}

/// Reads a number from 0 to `most`.
pub fn count(text: &str, most: u16) -> Result<u16, String> {
    let text = text.trim();
    text.parse()
        .ok()
        .filter(|it| *it <= most)
        .ok_or_else(|| format!("\"{text}\" is no number from 0 to {most}: write for example 3"))
}

/// Reads a number from 1 to `most`.
pub fn number(text: &str, most: u16) -> Result<u16, String> {
    let text = text.trim();
    text.parse()
        .ok()
        .filter(|it| (1..=most).contains(it))
        .ok_or_else(|| format!("\"{text}\" is no number from 1 to {most}: write for example 10"))
}

/// More of one run's output than this cannot be asked to be kept.
const OUTPUT_LIMIT: u64 = 1 << 30;

/// Reads how many bytes of a stream are kept: `0` is none.
pub fn output(text: &str) -> Result<u64, String> {
    let length = size(text)?;
    if length > OUTPUT_LIMIT {
        return Err(format!("\"{}\" is more than 1GiB, the most that is kept of a run", text.trim()));
    }
    Ok(length)
}

/// Reads a size such as `64KiB` or `1MB`.
pub fn size(text: &str) -> Result<u64, String> {
    let text = text.trim();
    bytes::parse(text).map_err(|reason| format!("\"{text}\" {reason}: write for example 64KiB, 1MB or 0"))
}

/// Reads how long runs are kept: a number of runs, a length of time, or both; `none` is the newest run alone.
pub fn retention(text: &str) -> Result<Retention, String> {
    Retention::parse(text)
}

/// Takes off literal quotes around a whole value, as some files and shells leave them there; `true` if there were any.
pub fn unquote(text: &str) -> (&str, bool) {
    let text = text.trim();
    for quote in ['"', '\''] {
        if let Some(inner) = text.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote))
            && !inner.contains(quote)
        {
            return (inner, true);
        }
    }
    (text, false)
}

/// Takes off literal quotes around the value, or around each item of a list; `true` if there were any.
pub fn bare(text: &Text) -> (Text, bool) {
    let mut any = false;
    let mut bare = |text: &Arc<str>| match unquote(text) {
        (bare, true) => {
            any = true;
            bare.into()
        }
        _ => text.clone(),
    };
    let text = match text {
        Text::One(text) => Text::One(bare(text)),
        Text::Items(items) => Text::Items(items.iter().map(bare).collect()),
    };
    (text, any)
}

/// Reads a list: items written apart, else a JSON array of texts, else one item a line. A comma never splits.
pub fn list(text: &Text) -> Result<Vec<String>, String> {
    match text {
        Text::Items(items) => Ok(items.iter().map(ToString::to_string).collect()),
        Text::One(text) if text.trim_start().starts_with('[') => json_list(text.trim()),
        Text::One(text) => {
            Ok(text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect())
        }
    }
}

fn json_list(text: &str) -> Result<Vec<String>, String> {
    serde_json::from_slice(text.as_bytes()).map_err(|error| {
        format!(
            "a value that begins with \"[\" must be a JSON array of texts, such as [\"a\", \"b\"]: {error}"
        )
    })
}

/// Reads a list of `NAME=VALUE`, split at the first `=`.
pub fn map(text: &Text) -> Result<Vec<(String, String)>, String> {
    list(text)
        // What is wrong in a list of variables may be a secret: the parser's own words would show it.
        .map_err(|_| {
            "a value that begins with \"[\" must be a JSON array of texts, such as [\"A=1\", \"B=2\"]"
                .to_owned()
        })?
        .into_iter()
        .enumerate()
        // What stands there may be a secret, or a piece of one: it is told by its number only.
        .map(|(index, item)| variable::parse(&item).map_err(|reason| format!("item {} {reason}", index + 1)))
        .collect()
}

/// A command, and what is to be said about how it was written.
#[derive(Debug, PartialEq, Eq)]
pub struct Command {
    /// Program and arguments.
    pub argv: Vec<String>,
    /// What was probably meant otherwise.
    pub warning: Option<String>,
}

/// Reads a command: a JSON array is taken as it is, other text is split into POSIX shell words without a shell, or
/// handed to `shell` as a whole.
pub fn command(text: &str, shell: Option<&str>) -> Result<Command, String> {
    if let Some(shell) = shell {
        if text.trim().is_empty() {
            return Err("the command is empty".to_owned());
        }
        if text.trim_start().starts_with('[') && json_list(text).is_ok() {
            return Err("a JSON array is not run through a shell: write the command as one text, or remove \
                        \"shell\""
                .to_owned());
        }
        return Ok(Command { argv: vec![shell.to_owned(), "-c".to_owned(), text.to_owned()], warning: None });
    }
    let argv = if text.trim_start().starts_with('[') && !text.trim_start().starts_with("[ ") {
        json_list(text)?
    } else {
        shell_words::split(text).map_err(|_| {
            "the command has a quote that is not closed: close it, or write the command as a JSON array"
                .to_owned()
        })?
    };
    if argv.first().is_none_or(String::is_empty) {
        return Err("the command is empty".to_owned());
    }
    if argv.iter().any(|word| word.contains('\0')) {
        return Err("the command contains a NUL character".to_owned());
    }
    let warning = if text.trim_start().starts_with('[') { None } else { shell_syntax(text) };
    Ok(Command { argv, warning })
}

/// Shell syntax outside quotes, which means nothing where there is no shell.
fn shell_syntax(text: &str) -> Option<String> {
    let mut quote = None;
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        let next = characters.peek().copied();
        let found = match (quote, c) {
            (None | Some('"'), '\\') => {
                characters.next();
                continue;
            }
            (None, '\'' | '"') => {
                quote = Some(c);
                continue;
            }
            (Some(open), _) if open == c => {
                quote = None;
                continue;
            }
            (None | Some('"'), '$') if next == Some('(') => "$(",
            (None, '&') if next == Some('&') => "&&",
            (None, '|') if next == Some('|') => "||",
            (None, '|') => "|",
            (None, '>') => ">",
            (None, '<') => "<",
            (None, ';') => ";",
            _ => continue,
        };
        return Some(format!(
            "\"{found}\" has no meaning without a shell and is handed to the program as it is: set shell=true, or \
             quote it"
        ));
    }
    None
}

/// Reads `shell`: `true` is `/bin/sh`, `false` none, a path that shell.
pub fn shell(text: &str) -> Result<Option<String>, String> {
    if text.trim().starts_with('/') {
        return Ok(Some(text.trim().to_owned()));
    }
    match boolean(text) {
        Ok(true) => Ok(Some("/bin/sh".to_owned())),
        Ok(false) => Ok(None),
        Err(_) => Err(format!("\"{text}\" is neither true, false nor the path of a shell such as /bin/bash")),
    }
}

/// One of the words that a parameter knows.
pub fn choice<'a>(text: &str, words: &[&'a str]) -> Result<&'a str, String> {
    let word = text.trim().to_ascii_lowercase();
    words.iter().copied().find(|known| *known == word).ok_or_else(|| {
        let hint = did_you_mean(&word, words.iter().copied());
        let hint = hint.map(|hint| format!("; {hint}")).unwrap_or_default();
        format!("\"{text}\" is none of {}{hint}", words.join(", "))
    })
}

/// A text that is not empty and has no characters that nobody could mean.
pub fn text(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err("the value is empty: write one, or remove it".to_owned()),
        text if text.contains(char::is_control) => {
            Err("the value contains a control character: remove it".to_owned())
        }
        text => Ok(text.to_owned()),
    }
}

/// One text of a value that is no list.
pub fn single(text: &Text) -> Result<Arc<str>, String> {
    match text {
        Text::One(text) => Ok(text.clone()),
        Text::Items(items) if items.len() == 1 => Ok(items[0].clone()),
        Text::Items(items) => Err(format!("it is given {} times: it takes one value", items.len())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn argv(text: &str) -> Vec<String> {
        command(text, None).unwrap().argv
    }

    /// Mistake 29.
    #[test]
    fn quoted_arguments_stay_together() {
        assert_eq!(argv(r#"sh -c "echo 'a b'" c\ d"#), ["sh", "-c", "echo 'a b'", "c d"]);
        assert_eq!(argv(r#"["echo", "a b", "$HOME"]"#), ["echo", "a b", "$HOME"]);
        assert_eq!(argv("[ -f /tmp/x ]"), ["[", "-f", "/tmp/x", "]"]);
    }

    #[test]
    fn a_shell_gets_the_command_as_a_whole() {
        let it = command("a && b; c", Some("/bin/sh")).unwrap();
        assert_eq!(it.argv, ["/bin/sh", "-c", "a && b; c"]);
        assert_eq!(it.warning, None);
    }

    #[test]
    fn shell_syntax_without_a_shell_is_pointed_out_unless_quoted() {
        for (text, found) in
            [("a && b", "&&"), ("a | b", "|"), ("a > b", ">"), ("a; b", ";"), ("a $(b)", "$(")]
        {
            let warning = command(text, None).unwrap().warning.unwrap();
            assert!(warning.contains(&format!("\"{found}\"")), "{text}: {warning}");
        }
        for text in
            ["echo 'a && b'", "echo \"a | b\"", "echo a\\;b", "[\"a\", \"&&\"]", "curl 'http://x/?a=1&b=2'"]
        {
            assert_eq!(command(text, None).unwrap().warning, None, "{text}");
        }
        assert!(command("echo \"$(date)\"", None).unwrap().warning.is_some());
    }

    #[test]
    fn a_command_that_cannot_be_run_is_refused() {
        for text in ["", "   ", "echo 'a", "[\"a\"", "[]", "[1]", "[\"\"]", "''"] {
            assert!(command(text, None).is_err(), "{text}");
        }
    }

    #[test]
    fn lengths_of_time_need_a_unit() {
        assert_eq!(duration("1h30m"), Ok(Duration::from_secs(5400)));
        assert!(duration("90").unwrap_err().contains("has no unit"));
        assert!(duration("soon").is_err());
        assert_eq!(optional_duration("none"), Ok(None));
        assert!(optional_duration("0s").is_err());
    }

    #[test]
    fn how_long_runs_are_kept_is_a_number_an_age_or_both_and_reads_as_it_is_written() {
        let kept = |runs, days: Option<u64>| Retention {
            runs,
            age: days.map(|it| Duration::from_secs(it * 86_400)),
        };
        for (text, meant) in [
            ("100 runs, 30 days", kept(Some(100), Some(30))),
            ("1 run", kept(Some(1), None)),
            ("7d", kept(None, Some(7))),
            ("30 days,5 runs", kept(Some(5), Some(30))),
            ("none", kept(Some(0), None)),
        ] {
            assert_eq!(retention(text), Ok(meant), "{text}");
            assert_eq!(retention(&meant.to_string()), Ok(meant), "{text}");
        }
        assert_eq!(retention("100 runs, 30 days"), Ok(Retention::default()), "as the table says");
        for text in
            ["", "100", "0 runs", "0s", "runs", "5 runs, 6 runs", "1d, 2d", "-1 runs", "5 months", "1 run,"]
        {
            assert!(retention(text).is_err(), "{text}");
        }
        assert!(output("2GiB").is_err() && output("0") == Ok(0));
    }

    #[test]
    fn lists_are_items_json_or_lines_and_commas_never_split() {
        assert_eq!(list(&Text::One("a,b\n c ".into())).unwrap(), ["a,b", "c"]);
        assert_eq!(list(&Text::One(r#"["a", "b,c"]"#.into())).unwrap(), ["a", "b,c"]);
        assert_eq!(list(&Text::Items(vec!["a\nb".into()])).unwrap(), ["a\nb"]);
        assert!(list(&Text::One("[a]".into())).is_err());
    }

    #[test]
    fn map_items_split_at_the_first_equals_sign_and_never_show_their_text() {
        assert_eq!(map(&Text::One("A=b=c".into())).unwrap(), [("A".to_owned(), "b=c".to_owned())]);
        let error = map(&Text::One("hunter2".into())).unwrap_err();
        assert!(!error.contains("hunter2"), "{error}");
    }
}
