//! What a value in a file of Ofelia or Chadburn comes to: its quotes, escapes, comment and variables.
//!
//! Chadburn and the original Ofelia read files with gcfg, netresearch's Ofelia with ini.v1. gcfg takes bare double
//! quotes off wherever they stand, knows four escapes, and begins a comment at any `#` or `;` outside of quotes. ini.v1
//! takes quotes off around a whole value only and knows no escapes. For Ofelia the value tells which of the two was
//! meant: with an escape it is gcfg's. Without one a comment begins after a blank and outside of quotes, which is where
//! people mean it.

use super::ofelia::Tool;

/// What gcfg takes for a character of its own.
const ESCAPES: [(char, char); 4] = [('"', '"'), ('\\', '\\'), ('n', '\n'), ('t', '\t')];

/// A value, and what is to be said about it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Value {
    pub text: String,
    pub warning: Option<String>,
}

/// Reads the text behind the `=` of a key. The reason why it cannot be read never repeats it.
pub(super) fn read(tool: &Tool, key: &str, text: &str) -> Result<Value, String> {
    let text = text.trim();
    let is_command = is_command(key);
    let comment = "what follows is a comment there: put the value in double quotes to keep it";
    if tool.gcfg {
        let (value, cut) = gcfg(text).map_err(|reason| format!("{key}: {reason}"))?;
        let warning =
            (cut && is_command).then(|| format!("\"{key}\" ends at the first \"#\" or \";\": {comment}"));
        return Ok(Value { text: value, warning });
    }
    if has_escape(text)
        && let Ok((value, cut)) = gcfg(text)
    {
        let mut warning = format!(
            "\"{key}\" has escapes, which are read as the original {} does; netresearch's leaves them as they stand",
            tool.name
        );
        if cut && is_command {
            warning.push_str(", and it ends at the first \"#\" or \";\" outside of double quotes");
        }
        return Ok(Value { text: value, warning: Some(warning) });
    }
    let (value, cut) = bare(text);
    let warning = if cut && is_command {
        Some(format!("\"{key}\": what follows \" #\" or \" ;\" is a comment: put it in quotes to keep it"))
    } else if value.contains(['#', ';']) && !is_quoted(text) {
        Some(format!(
            "\"{key}\": {} begins a comment at any \"#\" or \";\"; here the value is taken as a whole",
            tool.name
        ))
    } else {
        None
    };
    Ok(Value { text: value, warning })
}

/// Whether the value is split into words, and may be meant for a shell.
pub fn is_command(key: &str) -> bool {
    matches!(key, "command" | "entrypoint")
}

fn has_escape(text: &str) -> bool {
    let escape = |c: char| ESCAPES.iter().any(|(known, _)| *known == c);
    // Behind the first of two backslashes stands nothing.
    text.split('\\').skip(1).any(|after| after.chars().next().is_none_or(escape))
}

/// The value as gcfg has it, and whether a comment was taken off.
fn gcfg(text: &str) -> Result<(String, bool), &'static str> {
    let mut out = String::new();
    // The length without the blanks at the end that stand outside of quotes.
    let mut end = 0;
    let mut in_quotes = false;
    let mut cut = false;
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match c {
            '\\' => {
                let escaped = rest.next();
                let meant =
                    ESCAPES.iter().find(|(known, _)| Some(*known) == escaped).map(|(_, meant)| *meant);
                out.push(meant.ok_or("a backslash stands only before \", \\, n or t: write it twice")?);
                end = out.len();
            }
            '"' => {
                in_quotes = !in_quotes;
                end = out.len();
            }
            '#' | ';' if !in_quotes => {
                cut = true;
                break;
            }
            c => {
                out.push(c);
                if in_quotes || !c.is_whitespace() {
                    end = out.len();
                }
            }
        }
    }
    if in_quotes {
        return Err("a double quote is not closed: close it, or write \\\" for the character itself");
    }
    out.truncate(end);
    Ok((out, cut))
}

/// Puts in the variables that are set, and defaults; any other text stays. The names of what was put in as well.
pub(super) fn put_in(text: &str, variable: &dyn Fn(&str) -> Option<String>) -> (String, Vec<String>) {
    let (mut out, mut names) = (String::new(), Vec::new());
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        out.push_str(&rest[..at]);
        let inside = &rest[at + 2..];
        let found = inside.find('}').and_then(|end| {
            let (name, default) = reference(&inside[..end])?;
            let value = variable(name).filter(|value| !value.is_empty() || default.is_none());
            Some((name, value.or_else(|| default.map(str::to_owned))?, end))
        });
        if let Some((name, value, end)) = found {
            out.push_str(&value);
            names.push(name.to_owned());
            rest = &inside[end + 1..];
        } else {
            out.push_str("${");
            rest = inside;
        }
    }
    (out + rest, names)
}

/// The name and the default in `NAME` or `NAME:-default`. A default with a variable of its own is left alone, as it would
/// end at the inner brace.
pub fn reference(inside: &str) -> Option<(&str, Option<&str>)> {
    let (name, default) = match inside.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (inside, None),
    };
    let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    (is_name && !default.is_some_and(|default| default.contains("${"))).then_some((name, default))
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
    use super::super::{chadburn::CHADBURN, ofelia::OFELIA};
    use super::*;

    #[test]
    fn variables_that_are_set_and_defaults_are_put_in() {
        let set = |name: &str| match name {
            "A" => Some("${B}".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        };
        for (there, here) in [
            ("x${A}y${A}", "x${B}y${B}"),
            ("$A $$ ${B} ${A", "$A $$ ${B} ${A"),
            ("${B:-a b} ${A:-c} ${EMPTY:-d}${EMPTY}", "a b ${B} d"),
            ("${1:-x} ${B:-${C}} ${B-x}", "${1:-x} ${B:-${C}} ${B-x}"),
            ("", ""),
        ] {
            assert_eq!(put_in(there, &set).0, here);
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

    #[test]
    fn gcfg_has_escapes_and_takes_bare_quotes_off_anywhere() {
        for (there, here) in [
            (r#"sh -c \"mysqldump x | gzip > y\""#, r#"sh -c "mysqldump x | gzip > y""#),
            (r#"a "b # c" d # e"#, "a b # c d"),
            (r#"a\tb\n\\ "  ""#, "a\tb\n\\   "),
            ("sh -c 'a; b'", "sh -c 'a"),
            ("", ""),
        ] {
            assert_eq!(read(&CHADBURN, "command", there).map(|it| it.text), Ok(here.to_owned()), "{there}");
        }
        for wrong in [r"hunter2 \d", r#"hunter2 "a"#, "hunter2 \\"] {
            let reason = read(&CHADBURN, "command", wrong).unwrap_err();
            assert!(reason.starts_with("command: ") && !reason.contains("hunter2"), "{reason}");
        }
    }

    #[test]
    fn ofelias_value_is_gcfgs_where_it_has_an_escape_and_that_is_told() {
        let read = |text| read(&OFELIA, "command", text).unwrap();
        let escaped = read(r#"sh -c \"a | b\""#);
        assert_eq!(escaped.text, r#"sh -c "a | b""#);
        assert!(escaped.warning.unwrap().contains("netresearch's leaves them as they stand"));
        for other in [r"grep \d+ x", r#"sh -c "a b""#, r"a \ b"] {
            assert_eq!(read(other), Value { text: other.to_owned(), warning: None });
        }
    }
}
