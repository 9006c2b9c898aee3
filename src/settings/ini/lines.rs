//! Bytes → one line at a time: blank, a section's header, `key = value`, or the reason why it cannot be read.
//!
//! `serde_ini`'s parser splits the line: its deserializer would lose repeated keys and line numbers. It is shown one
//! line at a time, so that a bad line costs itself and not what follows.

use serde_ini::parse::{Item, Parser};

/// The longest line, in bytes. What is longer was not written by a person, and no command could take it.
pub const LIMIT: usize = 64 * 1024;

const FORM: &str = "a line is [section], key = value, or a comment that begins with # or ;";

/// What a line is.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::settings) enum Line {
    /// Blank, or a comment.
    Nothing,
    /// What stands between the brackets.
    Header(String),
    /// A key and its value, without the blanks around them.
    Value(String, String),
}

/// Why a line cannot be read. It never repeats the line, which may hold a secret.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::settings) struct Unreadable {
    /// The line was to be a header, so that what follows belongs to no section that is known.
    pub is_header: bool,
    pub reason: String,
}

/// The lines of a file with their numbers, from 1. A line ends with a newline, or a carriage return and a newline.
pub(in crate::settings) fn numbered(text: &[u8]) -> impl Iterator<Item = (u32, &[u8])> {
    (1u32..).zip(text.split(|byte| *byte == b'\n')).map(|(number, line)| {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        (number, line)
    })
}

/// Takes a byte order mark off the beginning of a line.
pub(in crate::settings) fn unmark(line: &[u8]) -> Option<&[u8]> {
    line.strip_prefix("\u{feff}".as_bytes())
}

/// Reads one line.
pub(in crate::settings) fn read(line: &[u8]) -> Result<Line, Unreadable> {
    let line = line.trim_ascii();
    let is_header = line.starts_with(b"[");
    let unreadable = |reason: String| Err(Unreadable { is_header, reason });
    // A comment may hold anything: nobody reads it.
    if line.is_empty() || line.starts_with(b"#") || line.starts_with(b";") {
        return Ok(Line::Nothing);
    }
    if line.len() > LIMIT {
        return unreadable(format!("the line has {} bytes: at most {LIMIT} are read", line.len()));
    }
    let Ok(text) = std::str::from_utf8(line) else {
        return unreadable("the line is not UTF-8: save the file as UTF-8".to_owned());
    };
    if let Some(control) = text.chars().find(|c| c.is_control() && *c != '\t') {
        return unreadable(match control {
            '\r' => "a carriage return stands inside the line: end each line with a newline".to_owned(),
            _ => format!("the line contains the control character U+{:04X}: remove it", u32::from(control)),
        });
    }
    match Parser::from_str(text.trim()).next() {
        None | Some(Ok(Item::Empty | Item::Comment { .. })) => Ok(Line::Nothing),
        Some(Ok(Item::Section { name })) => Ok(Line::Header(name.trim().to_owned())),
        Some(Ok(Item::Value { key, .. })) if key.is_empty() => {
            unreadable(format!("nothing stands before the \"=\": {FORM}"))
        }
        Some(Ok(Item::Value { key, value })) => Ok(Line::Value(key, value)),
        Some(Err(_)) => unreadable(misread(text.trim())),
    }
}

/// Whether a value is a JSON array that goes on after its line, which no value can.
pub(super) fn is_open(value: &str) -> bool {
    value.starts_with('[')
        && serde_json::from_slice::<Vec<String>>(value.as_bytes()).is_err_and(|error| error.is_eof())
}

/// Whether a line looks like the rest of such an array: no key begins like this.
pub(super) fn goes_on(line: &[u8]) -> bool {
    matches!(line.trim_ascii_start(), [b'"' | b'\'' | b']', ..])
}

/// What is wrong with a line that the parser refuses, more exactly than the parser says it.
fn misread(line: &str) -> String {
    match (line.starts_with('['), line.rfind(']')) {
        (false, _) => format!("there is no \"=\" in the line: {FORM}"),
        (true, None) => "the section is not closed: end it with \"]\"".to_owned(),
        (true, Some(at)) if at + 1 < line.len() => {
            "text stands after the section's \"]\": a comment needs a line of its own".to_owned()
        }
        (true, Some(_)) => {
            "the section's name contains \"]\": a name has only letters, digits, \"_\", \"-\" \
                            and \".\""
                .to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(line: &[u8]) -> String {
        read(line).unwrap_err().reason
    }

    #[test]
    fn a_comment_may_hold_anything_and_begins_only_at_the_start_of_a_line() {
        for line in [&b"# f\xfcr"[..], b"  ; \0 [x]", b"#", b" \t ", b""] {
            assert_eq!(read(line), Ok(Line::Nothing), "{line:?}");
        }
        assert_eq!(
            read(b"\tcommand = sh -c 'a; b' # c "),
            Ok(Line::Value("command".into(), "sh -c 'a; b' # c".into()))
        );
    }

    #[test]
    fn an_indented_section_is_a_section() {
        assert_eq!(read(b"  [ job-local \"a\" ]\t"), Ok(Line::Header("job-local \"a\"".into())));
    }

    #[test]
    fn a_line_that_cannot_be_read_says_why_and_is_not_repeated() {
        for (line, part) in [
            (&b"hunter2"[..], "no \"=\""),
            (b"= hunter2", "nothing stands before"),
            (b"password = hunter2\0", "U+0000"),
            (b"password = hunter2\x1b[0m", "U+001B"),
            (b"a = hunter2\rb = 2", "carriage return"),
            (b"password = hunter2\xff", "not UTF-8"),
            (b"[hunter2", "not closed"),
            (b"[hunter2] # c", "after the section's"),
            (b"[hunter2 \"a]b\"]", "contains \"]\""),
        ] {
            let reason = reason(line);
            assert!(reason.contains(part) && !reason.contains("hunter2"), "{reason}");
        }
        assert!(reason(&vec![b'x'; 1 << 20]).contains("1048576 bytes"));
    }

    #[test]
    fn a_list_on_several_lines_is_recognised_and_a_test_of_the_shell_is_none() {
        assert!(is_open("[") && is_open("[\"A=1\",") && is_open("[\"A"));
        assert!(!is_open("[\"a\"]") && !is_open("[ -f /x ] && y") && !is_open("a"));
        assert!(goes_on(b"  \"A=1\",") && goes_on(b"]") && !goes_on(b"[global]") && !goes_on(b"a = 1"));
    }

    #[test]
    fn a_line_ends_with_or_without_a_carriage_return() {
        let lines: Vec<_> = numbered(b"a\r\nb\n\r\nc\r").collect();
        assert_eq!(lines, [(1, &b"a"[..]), (2, b"b"), (3, b""), (4, b"c")]);
    }
}
