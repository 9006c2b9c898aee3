//! How a mail is written (RFC 5322, 2045 to 2047): in ASCII alone and in short lines, so that no server on the way has to be
//! able to do more.

use std::fmt::Write;

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};

use crate::model::mailbox::Mailbox;

/// A line is not longer, but for an address that is, in bytes.
const LINE: usize = 76;

/// So many bytes are an encoded word (RFC 2047) of less than 75 characters: `=?utf-8?B?` + 4/3 of them + `?=`.
const WORD: usize = 45;

/// A header with any text. What would end its line becomes a blank.
pub fn header(name: &str, text: &str) -> String {
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let text = text.trim();
    let is_plain = text.bytes().all(|it| matches!(it, b' '..=b'~'))
        && !text.contains("=?")
        && text.split(' ').all(|word| (1..LINE - name.len()).contains(&word.len()));
    if !is_plain && !text.is_empty() {
        return format!("{name}: {}\r\n", encoded(text, LINE.saturating_sub(name.len() + 2)));
    }
    let mut out = format!("{name}:");
    let mut column = out.len();
    for word in text.split(' ') {
        if column + 1 + word.len() > LINE {
            out.push_str("\r\n");
            column = 0;
        }
        let _ = write!(out, " {word}");
        column += 1 + word.len();
    }
    out + "\r\n"
}

/// A header with addresses, one in a line; nothing where there are none.
pub fn addresses(name: &str, all: &[Mailbox]) -> String {
    if all.is_empty() {
        return String::new();
    }
    let all: Vec<String> = all.iter().map(|it| address(it, LINE.saturating_sub(name.len() + 2))).collect();
    format!("{name}: {}\r\n", all.join(",\r\n "))
}

fn address(it: &Mailbox, room: usize) -> String {
    let Mailbox { name, address } = it;
    let is_atom = |c: char| c.is_ascii_alphanumeric() || " !#$%&'*+-/^_`{|}~".contains(c);
    let shown = if name.is_empty() {
        return format!("<{address}>");
    } else if name.chars().all(is_atom) && !name.contains("  ") && name.len() < room {
        name.clone()
    } else if name.chars().all(|c| matches!(c, ' '..='~')) && name.len() < room / 2 {
        format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\""))
    } else {
        encoded(name, room)
    };
    // The address goes into a line of its own where the name has filled one.
    let gap = if shown.len() + address.len() > LINE / 2 { "\r\n " } else { " " };
    format!("{shown}{gap}<{address}>")
}

/// Text as encoded words, one in a line; the first has to fit behind the name of its header.
fn encoded(text: &str, room: usize) -> String {
    let mut words = Vec::new();
    let mut word = String::new();
    // Fewer bytes in the first: a third more become of them, and a dozen around them.
    let mut limit = WORD.min(room.saturating_sub(16) * 3 / 4);
    for c in text.chars().filter(|c| !c.is_control()) {
        // A character is never in two words: each is read by itself.
        if word.len() + c.len_utf8() > limit {
            words.push(std::mem::take(&mut word));
            limit = WORD;
        }
        word.push(c);
    }
    words.push(word);
    let words: Vec<_> = words.iter().map(|it| format!("=?utf-8?B?{}?=", BASE64.encode(it))).collect();
    words.join("\r\n ")
}

/// Several parts as one; the boundary has to be one of [`boundary`].
pub fn multipart(kind: &str, boundary: &str, parts: &[String]) -> String {
    let mut out = format!("Content-Type: multipart/{kind};\r\n boundary=\"{boundary}\"\r\n\r\n");
    for part in parts {
        let _ = write!(out, "--{boundary}\r\n{part}\r\n");
    }
    let _ = write!(out, "--{boundary}--\r\n");
    out
}

/// What stands between parts and in none of them: neither of the two encodings can write `=_`.
pub fn boundary(kind: &str, mail: &str) -> String {
    format!("=_{kind}_{mail}")
}

/// Text as a part.
pub fn text(kind: &str, text: &str) -> String {
    format!(
        "Content-Type: text/{kind}; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n{}",
        quoted(&printable(text))
    )
}

/// A file as a part; its name is one of ours. What is no text is shown by no program as if it were.
pub fn attachment(name: &str, bytes: &[u8]) -> String {
    let is_text = std::str::from_utf8(bytes).is_ok_and(|it| !it.contains('\0'));
    let kind = if is_text { "text/plain; charset=utf-8" } else { "application/octet-stream" };
    let mut out = format!(
        "Content-Type: {kind}\r\nContent-Transfer-Encoding: base64\r\nContent-Disposition: attachment; \
         filename=\"{name}\"\r\n\r\n"
    );
    out.reserve(bytes.len() * 7 / 5 + 2);
    for line in bytes.chunks(LINE / 4 * 3) {
        BASE64.encode_string(line, &mut out);
        out.push_str("\r\n");
    }
    out
}

/// Text without what no mail has: control characters other than the ends of lines and tabs.
fn printable(text: &str) -> String {
    let text = text.replace("\r\n", "\n");
    let shown = |c: char| match c {
        '\r' => '\n',
        c if c.is_control() && !matches!(c, '\n' | '\t') => char::REPLACEMENT_CHARACTER,
        c => c,
    };
    text.chars().map(shown).collect()
}

/// Quoted-printable.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 5 / 4);
    for line in text.split('\n') {
        let mut column = 0;
        let end = line.len();
        for (at, byte) in line.bytes().enumerate() {
            // Room for the widest, for how it is written depends on whether it begins a line.
            if column + 3 >= LINE {
                out.push_str("=\r\n");
                column = 0;
            }
            let is_plain = match byte {
                b' ' | b'\t' => at + 1 < end,
                b'=' => false,
                // Programs on the way have changed lines that begin so.
                b'.' | b'F' => column > 0,
                byte => byte.is_ascii_graphic(),
            };
            if is_plain {
                out.push(char::from(byte));
            } else {
                let _ = write!(out, "={byte:02X}");
            }
            column += if is_plain { 1 } else { 3 };
        }
        out.push_str("\r\n");
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Reads a header as a receiver does: lines that go on, then encoded words, between which blanks are none.
    fn read(header: &str) -> String {
        let unfolded = header.trim_end().replace("\r\n ", " ");
        let (_, text) = unfolded.split_once(':').unwrap();
        let text = text.trim();
        if !text.contains("=?utf-8?B?") {
            return text.to_owned();
        }
        let word = |it: &str| {
            let inner = it.strip_prefix("=?utf-8?B?").and_then(|it| it.strip_suffix("?=")).unwrap();
            assert!(it.len() <= 75, "{it}");
            String::from_utf8(BASE64.decode(inner).unwrap()).unwrap()
        };
        text.split(' ').map(word).collect()
    }

    fn unquoted(text: &str) -> String {
        let joined = text.replace("=\r\n", "");
        let mut out = Vec::new();
        let mut bytes = joined.bytes();
        while let Some(byte) = bytes.next() {
            if byte == b'=' {
                let digits = [bytes.next().unwrap(), bytes.next().unwrap()];
                out.push(u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap());
            } else {
                out.push(byte);
            }
        }
        String::from_utf8(out).unwrap()
    }

    fn is_sound(written: &str) {
        assert!(written.ends_with("\r\n"), "{written:?}");
        assert!(written.is_ascii() && !written.replace("\r\n", "").contains(char::is_control), "{written:?}");
        assert!(written.split("\r\n").all(|it| it.len() <= 78), "{written:?}");
    }

    fn any_text() -> impl Strategy<Value = String> {
        let pieces = prop_oneof![
            Just("\r\n".to_owned()),
            Just("\n.\r".to_owned()),
            Just("=?utf-8?B?aGk=?=".to_owned()),
            Just("x".repeat(90)),
            Just("  ".to_owned()),
            "[a-z]{1,9} ",
            "\\PC{0,12}",
            any::<String>(),
        ];
        proptest::collection::vec(pieces, 0..8).prop_map(|it| it.concat())
    }

    proptest! {
        #[test]
        fn a_header_is_one_header_and_reads_as_it_was_written(text in any_text()) {
            let written = header("Subject", &text);
            is_sound(&written);
            let lines: Vec<_> = written.trim_end().split("\r\n").collect();
            prop_assert!(lines[1..].iter().all(|it| it.starts_with(' ') && !it.trim().is_empty()), "{:?}", lines);
            let wanted: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
            prop_assert_eq!(read(&written), wanted.trim());
        }

        #[test]
        fn names_beside_addresses_are_one_header(name in any_text()) {
            let all = [
                Mailbox { name: name.clone(), address: "ops@example.com".to_owned() },
                Mailbox { name: String::new(), address: "b@example.com".to_owned() },
            ];
            let written = addresses("To", &all);
            let own = name.chars().all(|c| !c.is_control());
            // `Mailbox::parse` lets no control character in.
            if own {
                is_sound(&written);
                prop_assert!(written.ends_with("<ops@example.com>,\r\n <b@example.com>\r\n"), "{}", written);
            }
        }

        #[test]
        fn quoted_text_reads_as_it_was_written(text in any_text()) {
            let text = printable(&text);
            let written = quoted(&text);
            is_sound(&written);
            prop_assert!(!written.split("\r\n").any(|it| it.ends_with([' ', '\t']) || it.starts_with('.')));
            prop_assert!(!written.contains("=_"));
            prop_assert_eq!(unquoted(&written), format!("{}\r\n", text.replace('\n', "\r\n")));
        }
    }

    #[test]
    fn what_is_plain_stays_readable() {
        assert_eq!(
            header("Subject", "backup failed with exit code 3"),
            "Subject: backup failed with exit code 3\r\n"
        );
        assert_eq!(header("Subject", "a\r\nBcc: b@c"), "Subject: =?utf-8?B?YSAgQmNjOiBiQGM=?=\r\n");
        let named = |name: &str| Mailbox { name: name.to_owned(), address: "a@b.c".to_owned() };
        assert_eq!(addresses("To", &[named("The Ops")]), "To: The Ops <a@b.c>\r\n");
        assert_eq!(addresses("To", &[named("Ops, \"x\"")]), "To: \"Ops, \\\"x\\\"\" <a@b.c>\r\n");
        assert_eq!(addresses("Cc", &[]), "");
        assert_eq!(quoted("From a = ü "), "=46rom a =3D =C3=BC=20\r\n");
    }

    #[test]
    fn a_file_is_called_text_only_if_it_is() {
        assert!(
            attachment("stdout.txt", "ü".as_bytes())
                .starts_with("Content-Type: text/plain; charset=utf-8\r\n")
        );
        for bytes in [&b"\xff"[..], b"a\0b"] {
            let part = attachment("stdout.txt", bytes);
            assert!(part.starts_with("Content-Type: application/octet-stream\r\n"), "{part}");
            is_sound(&part);
        }
        is_sound(&attachment("stdout.txt", &vec![b'x'; 10_000]));
    }
}
