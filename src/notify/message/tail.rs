//! The last lines of what a run printed.

use super::show::{cut, without_commands};

/// The most characters of output in a message.
pub const TAIL_LIMIT: usize = 4000;

/// What is looked at of one line: the rest of a longer one could not be shown.
const LINE_BYTES: usize = 16 * TAIL_LIMIT;

/// The last `lines` lines of each stream, at most [`TAIL_LIMIT`] characters in all.
///
/// Where both printed, each stands under its name, standard error first: what went wrong mostly stands there, and a
/// service that takes less cuts the end. A line `…` stands where something before was left out. Whole lines are left
/// out rather than parts of one; only a line that is too long by itself is cut, and then its end is shown. Escape sequences
/// and control characters are taken out, and what is no UTF-8 becomes `U+FFFD`.
pub fn tail(stdout: &[u8], stderr: &[u8], lines: usize) -> String {
    let [stdout, stderr] = [stdout, stderr].map(|stream| last(stream, lines));
    match (stdout.is_empty(), stderr.is_empty()) {
        (true, true) => String::new(),
        (false, true) => stdout.text(TAIL_LIMIT),
        (true, false) => stderr.text(TAIL_LIMIT),
        (false, false) => {
            const HEADS: [&str; 2] = ["stderr:\n", "\nstdout:\n"];
            let room = TAIL_LIMIT - HEADS.iter().map(|head| head.len()).sum::<usize>();
            // Each has half of the room, and what the other does not need of its half.
            let half = room / 2;
            let of_stderr = half.max(room.saturating_sub(stdout.chars()));
            let stderr = stderr.text(of_stderr);
            let stdout = stdout.text(room - stderr.chars().count());
            format!("{}{stderr}{}{stdout}", HEADS[0], HEADS[1])
        }
    }
}

/// The last lines of a stream, the last one first.
struct Lines {
    lines: Vec<String>,
    more: bool,
}

/// Reads from the end, so that what it costs follows from what is shown and not from what was printed.
fn last(stream: &[u8], lines: usize) -> Lines {
    let end = stream.iter().rposition(|byte| !byte.is_ascii_whitespace()).map_or(0, |at| at + 1);
    let mut found = Lines { lines: Vec::new(), more: false };
    let mut taken = 0;
    for line in stream[..end].rsplit(|byte| *byte == b'\n') {
        if end == 0 || lines == 0 {
            break;
        }
        if found.lines.len() == lines || taken > TAIL_LIMIT {
            found.more = true;
            break;
        }
        let mut clean = String::new();
        without_commands(
            &String::from_utf8_lossy(&line[line.len().saturating_sub(LINE_BYTES)..]),
            &mut clean,
        );
        clean.truncate(clean.trim_end().len());
        taken += clean.chars().count() + 1;
        found.lines.push(clean);
    }
    // What had nothing but escape sequences shows nothing.
    if found.lines.iter().all(String::is_empty) {
        found.lines.clear();
    }
    found
}

impl Lines {
    fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// How many characters it would have if there were room for all.
    fn chars(&self) -> usize {
        let mark = if self.more { 2 } else { 0 };
        self.lines.iter().map(|line| line.chars().count() + 1).sum::<usize>().saturating_sub(1) + mark
    }

    /// As many of them, from the last, as there is room for.
    fn text(&self, room: usize) -> String {
        if self.chars() <= room {
            let mark = if self.more { Some("…") } else { None };
            let lines: Vec<&str> = mark.into_iter().chain(self.lines.iter().rev().map(|it| &**it)).collect();
            return lines.join("\n");
        }
        let mut left = room.saturating_sub(1);
        let mut kept: Vec<&str> = Vec::new();
        for line in &self.lines {
            let needs = line.chars().count() + 1;
            if needs > left {
                break;
            }
            left -= needs;
            kept.push(line);
        }
        if kept.is_empty() {
            return self.lines.first().map_or_else(String::new, |line| end_of(line, room));
        }
        kept.push("…");
        kept.reverse();
        kept.join("\n")
    }
}

/// The last characters of a line, with a mark before them.
fn end_of(line: &str, room: usize) -> String {
    let more = line.chars().count().saturating_sub(room.saturating_sub(1));
    let rest: String = line.chars().skip(more).collect();
    cut(&format!("…{rest}"), room)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_last_lines_are_shown_with_a_mark_where_there_were_more() {
        assert_eq!(tail(b"one\ntwo\nthree\n", b"", 2), "…\ntwo\nthree");
        assert_eq!(tail(b"one\ntwo\nthree\n\n\n", b"", 3), "one\ntwo\nthree");
        assert_eq!(tail(b"one", b"", 0), "");
        assert_eq!(tail(b"\n \n", b"", 5), "");
        assert_eq!(tail(b"\x1b[2J\x1b[0m\n", b"", 5), "", "what only moves the cursor prints nothing");
        assert_eq!(tail(b"a\n\nb\n", b"", 5), "a\n\nb", "an empty line between stays");
    }

    #[test]
    fn streams_are_told_apart_where_both_printed() {
        assert_eq!(
            tail(b"dumped 3 tables\n", b"warning: slow\n", 20),
            "stderr:\nwarning: slow\nstdout:\ndumped 3 tables"
        );
        assert_eq!(tail(b"", b"warning: slow\n", 20), "warning: slow");
    }

    #[test]
    fn control_characters_and_what_is_no_utf8_do_no_harm() {
        assert_eq!(tail(b"\x1b[31mred\x1b[0m \xff\xfe \0\x07\n", b"", 5), "red \u{fffd}\u{fffd}");
        assert_eq!(tail(b"0%\r50%\r100%\r\ndone\r\n", b"", 5), "100%\ndone");
        assert_eq!(tail("\"quotes\" <b>&amp; 🚀👩‍👧 ünï\n".as_bytes(), b"", 5), "\"quotes\" <b>&amp; 🚀👩‍👧 ünï");
    }

    #[test]
    fn a_megabyte_is_cut_to_whole_lines() {
        let lines: Vec<String> = (0..100_000).map(|number| format!("line {number}")).collect();
        let printed = lines.join("\n");
        let shown = tail(printed.as_bytes(), b"", 1000);
        assert!(shown.chars().count() <= TAIL_LIMIT && shown.chars().count() > TAIL_LIMIT - 20);
        assert!(shown.starts_with("…\nline ") && shown.ends_with("\nline 99999"));
        let both = tail(printed.as_bytes(), printed.as_bytes(), 1000);
        assert!(both.starts_with("stderr:\n…\nline ") && both.contains("line 99999\nstdout:\n…\nline "));
        assert!(both.chars().count() <= TAIL_LIMIT);
        let short = tail(printed.as_bytes(), b"oh\n", 1000);
        assert!(short.starts_with("stderr:\noh\nstdout:\n…\n") && short.chars().count() > TAIL_LIMIT - 20);
        // One line without an end: its end is shown.
        let mut line = "ä".repeat(500_000);
        line.push_str("the end");
        let shown = tail(line.as_bytes(), b"", 20);
        assert_eq!(shown.chars().count(), TAIL_LIMIT);
        assert!(shown.starts_with('…') && shown.ends_with("äthe end"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn whatever_was_printed_a_tail_is_short_and_plain(
            stdout in prop::collection::vec(any::<u8>(), 0..5000),
            stderr in prop::collection::vec(prop_oneof![Just(b'\n'), Just(b'\x1b'), Just(b'['), Just(b'\r'), any::<u8>()], 0..5000),
            lines in 0_usize..1001,
        ) {
            let shown = tail(&stdout, &stderr, lines);
            prop_assert!(shown.chars().count() <= TAIL_LIMIT);
            prop_assert!(!shown.contains(|c: char| c.is_control() && c != '\n'));
            prop_assert!(shown.lines().count() <= 2 * lines + 4);
        }
    }
}
