//! Why a message did not arrive.

use std::{fmt, time::Duration};

/// More of what somebody else wrote is not repeated, in characters.
const SAID_LIMIT: usize = 200;

/// Why a message did not arrive, and whether a later try may help.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// A fragment that ends with the mend; nothing secret and no control characters.
    pub reason: String,
    /// Whether a later try may help: it passes by itself, or an operator can mend it meanwhile.
    pub again: bool,
    /// How long to wait before it at least, where the receiver said so.
    pub after: Option<Duration>,
}

impl Trouble {
    /// One that may be over at the next try.
    pub fn passing(reason: impl fmt::Display) -> Self {
        Self { reason: escaped(&reason.to_string()), again: true, after: None }
    }

    /// One that every further try would meet again.
    pub fn lasting(reason: impl fmt::Display) -> Self {
        Self { again: false, ..Self::passing(reason) }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

/// The beginning of what somebody else wrote, fit to be repeated in one line.
pub fn said(text: &str) -> String {
    let mut short: String = text.trim().chars().take(SAID_LIMIT).collect();
    if short.len() < text.trim().len() {
        short.push('…');
    }
    escaped(&short)
}

/// The text in one line, with its control characters, and those that turn the direction of writing, visible.
pub fn escaped(text: &str) -> String {
    let turns = |c| matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() || turns(c) { out.extend(c.escape_default()) } else { out.push(c) }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_wrote_is_short_and_in_one_line() {
        assert_eq!(said(" no\r\nforged\u{1b}[31m\u{202e} "), "no\\r\\nforged\\u{1b}[31m\\u{202e}");
        assert_eq!(said(&"ö".repeat(300)), format!("{}…", "ö".repeat(200)));
        assert_eq!(Trouble::passing("a\nb").reason, "a\\nb");
    }
}
