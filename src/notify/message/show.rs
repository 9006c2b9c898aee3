//! How lengths, moments and texts of others are shown to people.

use std::{fmt::Write, time::Duration};

use jiff::{Timestamp, tz::TimeZone};

/// A length with its two greatest units: `350ms`, `3.2s`, `41s`, `2h 5m`, `26h`, `3d 4h`.
///
/// Hours go up to two days: `26h` is what is written where something is to happen once a day.
pub fn duration(length: Duration) -> String {
    const MINUTE: u64 = 60;
    const HOUR: u64 = 60 * MINUTE;
    const DAY: u64 = 24 * HOUR;
    let two = |great: u64, unit: char, small: u64, part: char| match small {
        0 => format!("{great}{unit}"),
        _ => format!("{great}{unit} {small}{part}"),
    };
    match length.as_secs() {
        0 => match length.subsec_millis() {
            0 => "0s".to_owned(),
            millis => format!("{millis}ms"),
        },
        seconds @ 1..10 => match length.subsec_millis() / 100 {
            0 => format!("{seconds}s"),
            tenths => format!("{seconds}.{tenths}s"),
        },
        seconds @ 10..MINUTE => format!("{seconds}s"),
        seconds if seconds < HOUR => two(seconds / MINUTE, 'm', seconds % MINUTE, 's'),
        seconds if seconds < 2 * DAY => two(seconds / HOUR, 'h', seconds % HOUR / MINUTE, 'm'),
        seconds => two(seconds / DAY, 'd', seconds % DAY / HOUR, 'h'),
    }
}

/// `2026-11-30 03:00:00 +01:00`.
pub fn moment(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S %:z").to_string()
}

/// How long it is from one moment to another; nothing where the clock was set back between them.
pub fn between(from: Timestamp, to: Timestamp) -> Option<Duration> {
    Duration::try_from(to.duration_since(from)).ok()
}

/// `1 failure`, `2 failures`.
pub fn count(number: u64, one: &str, several: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { several })
}

/// The text without what a terminal or a mail program obeys, and no longer than `limit` characters. Lines stay lines.
pub fn plain(text: &str, limit: usize) -> String {
    // Of what is very long only so much is looked at as can be shown, escape sequences and all.
    let mut out = String::new();
    for (index, line) in text.split('\n').enumerate() {
        if out.len() > limit.saturating_mul(4) {
            break;
        }
        if index > 0 {
            out.push('\n');
        }
        without_commands(line, &mut out);
    }
    cut(out.trim_end(), limit)
}

/// The same as one line.
pub fn line(text: &str, limit: usize) -> String {
    // Escape sequences may hold blanks, so they go first.
    let text = plain(text, limit.saturating_mul(2));
    cut(&text.split_whitespace().collect::<Vec<_>>().join(" "), limit)
}

/// At most so many characters, and `…` where there were more.
pub fn cut(text: &str, limit: usize) -> String {
    if text.char_indices().nth(limit).is_none() {
        return text.to_owned();
    }
    let end = text.char_indices().nth(limit.saturating_sub(1)).map_or(0, |(at, _)| at);
    format!("{}…", &text[..end])
}

/// Adds a line without escape sequences and control characters. Of what was written over with a carriage return, as a
/// bar of progress is, what was to be seen last is left.
pub fn without_commands(line: &str, out: &mut String) {
    let line = line.trim_end_matches('\r');
    let line = line.rsplit_once('\r').map_or(line, |(_, last)| last);
    let mut rest = line;
    while let Some(c) = rest.chars().next() {
        let behind = &rest[c.len_utf8()..];
        rest = match c {
            '\u{1b}' => escaped(behind),
            '\u{9b}' => control_sequence(behind),
            '\t' => {
                out.push_str("    ");
                behind
            }
            c if is_command(c) => behind,
            c => {
                out.push(c);
                behind
            }
        };
    }
}

/// Control characters, further ends of lines, and what turns the reading direction around. What joins an emoji stays.
fn is_command(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// What is behind an escape sequence whose first character has been read.
fn escaped(text: &str) -> &str {
    let Some(c) = text.chars().next() else { return text };
    let behind = &text[c.len_utf8()..];
    match c {
        '[' => control_sequence(behind),
        // Titles, links and other strings end by themselves; one that does not end in this line is no string.
        ']' | 'P' | 'X' | '^' | '_' => {
            let bell = behind.find('\u{7}').map(|at| at + 1);
            let end = behind.find("\u{1b}\\").map(|at| at + 2);
            bell.into_iter().chain(end).min().map_or(behind, |end| &behind[end..])
        }
        ' '..='/' => {
            let last = behind.trim_start_matches(|c| matches!(c, ' '..='/'));
            last.strip_prefix(|c| matches!(c, '0'..='~')).unwrap_or(last)
        }
        '0'..='~' => behind,
        _ => text,
    }
}

/// What is behind the parameters and the last character of `ESC [`.
fn control_sequence(text: &str) -> &str {
    let last = text.trim_start_matches(|c| matches!(c, ' '..='?'));
    last.strip_prefix(|c| matches!(c, '@'..='~')).unwrap_or(last)
}

/// Percent-encoded as one part of a path.
pub fn path_part(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_has_its_two_greatest_units() {
        let shown = |millis| duration(Duration::from_millis(millis));
        for (millis, wanted) in [
            (0, "0s"),
            (350, "350ms"),
            (3_000, "3s"),
            (3_250, "3.2s"),
            (41_900, "41s"),
            (60_000, "1m"),
            (61_000, "1m 1s"),
            (3_600_500, "1h"),
            (7_500_000, "2h 5m"),
            (26 * 3_600_000, "26h"),
            (76 * 3_600_000, "3d 4h"),
        ] {
            assert_eq!(shown(millis), wanted);
        }
        assert_eq!(duration(Duration::from_nanos(1)), "0s");
        assert_eq!(duration(Duration::MAX), "213503982334601d 7h");
    }

    #[test]
    fn a_moment_is_told_in_the_zone_and_with_its_offset() {
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        let at = |text: &str| moment(text.parse().unwrap(), &berlin);
        assert_eq!(at("2026-03-29T00:59:59Z"), "2026-03-29 01:59:59 +01:00");
        assert_eq!(at("2026-03-29T01:00:00.5Z"), "2026-03-29 03:00:00 +02:00");
        for end in [Timestamp::MIN, Timestamp::MAX] {
            assert!(moment(end, &berlin).len() > 20);
        }
        assert_eq!(between(Timestamp::MAX, Timestamp::MIN), None, "a clock that was set back");
        assert!(between(Timestamp::MIN, Timestamp::MAX).is_some());
    }

    #[test]
    fn what_a_terminal_obeys_is_taken_out_and_the_words_stay() {
        let line = |text: &str| line(text, 100);
        assert_eq!(line("\u{1b}[1;31mred\u{1b}[0m \u{9b}4mline\u{9b}m"), "red line");
        assert_eq!(
            line("\u{1b}]0;a title\u{7}a\u{1b}]8;;https://x\u{1b}\\b\u{1b}(Bc\u{1b}7d\u{1b}=e"),
            "abcde"
        );
        assert_eq!(line("\u{1b}]never ended"), "never ended");
        assert_eq!(line("a\u{0}b\u{8}c\u{202e}d\u{1b}"), "abcd");
        assert_eq!(line("👩‍👩‍👧 \"<b>\" 'x'\n\n y"), "👩‍👩‍👧 \"<b>\" 'x' y");
        assert_eq!(plain("a\tb\n10%\r50%\r100%\r\nc\n\n", 100), "a    b\n100%\nc");
        assert_eq!(cut("äöü", 3), "äöü");
        assert_eq!(cut("äöüß", 3), "äö…");
        assert_eq!(cut("ab", 0), "…");
    }

    #[test]
    fn a_part_of_a_path_cannot_become_another_path() {
        assert_eq!(path_part("shop.web-1.naïve"), "shop.web-1.na%C3%AFve");
        assert_eq!(path_part("../a b?c#d%/e"), "..%2Fa%20b%3Fc%23d%25%2Fe");
    }
}
