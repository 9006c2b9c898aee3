//! How a message goes through `DATA`, where a line with nothing but a dot is its end.

/// The message with its end. Each line ends with CRLF, whatever it ended with before: a lone CR or LF is the end of a line
/// to some servers and not to others, and what follows it could be commands to one of them.
pub fn stuffed(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(message.len() + message.len() / 50 + 5);
    let mut at_start = true;
    let mut bytes = message.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\r' | b'\n' => {
                if byte == b'\r' {
                    bytes.next_if_eq(&b'\n');
                }
                out.extend_from_slice(b"\r\n");
                at_start = true;
                continue;
            }
            b'.' if at_start => out.extend_from_slice(b".."),
            _ => out.push(byte),
        }
        at_start = false;
    }
    if !at_start {
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b".\r\n");
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What a receiver makes of it, and what it takes for further commands.
    fn received(wire: &[u8]) -> (Vec<u8>, &[u8]) {
        let mut message = Vec::new();
        let mut rest = wire;
        loop {
            let end = rest.windows(2).position(|it| it == b"\r\n").unwrap() + 2;
            let (line, after) = rest.split_at(end);
            rest = after;
            match line {
                b".\r\n" => return (message, rest),
                [b'.', unstuffed @ ..] => message.extend_from_slice(unstuffed),
                _ => message.extend_from_slice(line),
            }
        }
    }

    proptest! {
        #[test]
        fn what_is_sent_arrives_and_nothing_of_it_is_a_command(
            message in proptest::collection::vec(
                prop_oneof![Just(b'.'), Just(b'\r'), Just(b'\n'), Just(0), any::<u8>()], 0..60,
            ),
        ) {
            let wire = stuffed(&message);
            let (arrived, rest) = received(&wire);
            prop_assert!(rest.is_empty());
            let lone = wire.iter().enumerate().any(|(at, it)| match it {
                b'\r' => wire.get(at + 1) != Some(&b'\n'),
                b'\n' => at == 0 || wire[at - 1] != b'\r',
                _ => false,
            });
            prop_assert!(!lone, "a lone CR or LF");
            // Apart from how lines end it is the same.
            let text = |bytes: &[u8]| {
                let text: String = bytes.iter().map(|it| char::from(*it)).collect();
                text.replace("\r\n", "\n").replace('\r', "\n").trim_end_matches('\n').to_owned()
            };
            prop_assert_eq!(text(&arrived), text(&message));
        }
    }

    #[test]
    fn a_leading_dot_is_doubled_and_the_end_is_a_line_of_its_own() {
        assert_eq!(stuffed(b".\r\n..a\r\nb."), b"..\r\n...a\r\nb.\r\n.\r\n");
        assert_eq!(stuffed(b""), b".\r\n");
        assert_eq!(stuffed(b"a\n.\nQUIT\r\n"), b"a\r\n..\r\nQUIT\r\n.\r\n");
    }
}
