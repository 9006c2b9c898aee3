//! The one way of the commands to standard output and standard error.
//!
//! A reader that goes away, as `head` does, is no failure: what follows is dropped, and the exit code is what it would
//! have been. Output that is lost for another reason, such as a full disk, is told and is a failure.

use std::{
    borrow::Cow,
    fmt::{Display, Write as _},
    io::{self, ErrorKind, IsTerminal, Write},
    process::ExitCode,
    sync::OnceLock,
};

use super::render::{is_obeyed, visible};

/// Why nothing more is written.
static LOST: OnceLock<io::Error> = OnceLock::new();

/// One line for people. It may hold what anyone wrote: a terminal shows it and does not obey it.
pub fn line(text: impl Display) {
    write(&format!("{}\n", visible(&text.to_string())));
}

/// A text as it is, with its own line ends: scripts and what is made visible already.
pub fn exactly(text: impl Display) {
    write(&text.to_string());
}

/// A value of JSON on a line of its own. What a terminal would obey is escaped, which is the same value for who reads it.
pub fn json(value: impl Display) {
    write(&(shown_json(&value.to_string()) + "\n"));
}

fn shown_json(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        // They stand in strings alone, and all of them in the basic plane, so that four digits name one.
        if is_obeyed(c) {
            let _ = write!(out, "\\u{:04x}", u32::from(c));
        } else {
            out.push(c);
        }
    }
    out
}

/// What a job printed to standard output or standard error. For programs these are its bytes; a terminal shows them and does
/// not obey them.
pub fn printed(is_error: bool, bytes: &[u8]) {
    if is_error {
        let mut out = io::stderr();
        // As for complaints: there is nowhere left to say that this failed.
        let _ = out.write_all(&shown(bytes, out.is_terminal()));
    } else if LOST.get().is_none() {
        let mut out = io::stdout();
        let terminal = out.is_terminal();
        keep(out.write_all(&shown(bytes, terminal)).and_then(|()| out.flush()));
    }
}

fn shown(bytes: &[u8], terminal: bool) -> Cow<'_, [u8]> {
    if !terminal {
        return bytes.into();
    }
    let text = String::from_utf8_lossy(bytes);
    let lines: Vec<String> = text.split('\n').map(|line| visible(line.trim_end_matches('\r'))).collect();
    lines.join("\n").into_bytes().into()
}

/// One line for people on standard error, as safe as [`line()`].
pub fn complain(text: impl Display) {
    // There is nowhere left to say that this failed.
    let _ = writeln!(io::stderr(), "{}", visible(&text.to_string()));
}

/// The exit code of a command that is done with printing: `code`, unless its output was lost.
pub fn end(code: ExitCode) -> ExitCode {
    keep(io::stdout().flush());
    match LOST.get() {
        Some(error) if error.kind() != ErrorKind::BrokenPipe => {
            complain(format_args!("watchbell: the output cannot be written: {error}"));
            ExitCode::FAILURE
        }
        _ => code,
    }
}

fn write(text: &str) {
    if LOST.get().is_none() {
        keep(io::stdout().write_all(text.as_bytes()));
    }
}

fn keep(written: io::Result<()>) {
    if let Err(error) = written {
        // Only the first one says why.
        let _ = LOST.set(error);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_the_same_value_of_json_and_is_not_obeyed() {
        let evil =
            serde_json::json!({ "path": "\u{9b}2J \u{202e}gnp.exe \u{7f}\u{feff} \u{1b}[31m ä 漢 🦀" });
        let shown = shown_json(&evil.to_string());
        assert!(!shown.chars().any(is_obeyed) && shown.contains("ä 漢 🦀"), "{shown}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).unwrap(), evil);
    }
}
