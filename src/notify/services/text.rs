//! Text cut to what a service takes, and escaped so that what a command printed stays text.
//!
//! A service counts characters, UTF-16 units or bytes, before or after escaping. A [`Cost`] says what one character
//! uses up, so that a cut is never inside a character or an escape. It may say too much; it never says too little.

use std::fmt::Write;

use ring::digest::{SHA256, digest};

use crate::notify::message::{Message, Severity};

/// What one character uses up of a limit.
pub type Cost = fn(char) -> usize;

/// Where something was left out.
const MARK: char = '…';

/// It is not seen, and keeps two characters apart that together would mean something.
const APART: char = '\u{200b}';

/// Unicode characters.
pub fn characters(_: char) -> usize {
    1
}

/// UTF-16 units; never fewer than characters.
pub fn units(c: char) -> usize {
    c.len_utf16()
}

/// Bytes of JSON.
pub fn json_bytes(c: char) -> usize {
    match c {
        '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
        c if c < ' ' => 6,
        c => c.len_utf8(),
    }
}

/// UTF-16 units after [`slack`].
pub fn slack_units(c: char) -> usize {
    match c {
        '&' => 5,
        '<' | '>' => 4,
        '`' => 2,
        c => c.len_utf16(),
    }
}

/// UTF-16 units after [`html`].
pub fn html_units(c: char) -> usize {
    match c {
        '&' => 5,
        '<' | '>' => 4,
        '"' => 6,
        c => c.len_utf16(),
    }
}

/// Bytes of JSON after [`html`].
pub fn html_json_bytes(c: char) -> usize {
    match c {
        '&' | '<' | '>' | '"' => html_units(c),
        c => json_bytes(c),
    }
}

/// UTF-16 units after [`markdown`].
pub fn markdown_units(c: char) -> usize {
    if is_markup(c) || is_mention(c) { 2 } else { c.len_utf16() }
}

/// UTF-16 units after [`unfenced`].
pub fn unfenced_units(c: char) -> usize {
    if c == '`' { 2 } else { c.len_utf16() }
}

/// The beginning of a text.
pub fn head(text: &str, limit: usize, cost: Cost) -> String {
    let text = clean(text);
    if text.chars().map(cost).sum::<usize>() <= limit {
        return text;
    }
    let Some(mut left) = limit.checked_sub(cost(MARK)) else { return String::new() };
    let mut kept = String::new();
    for c in text.chars() {
        let Some(rest) = left.checked_sub(cost(c)) else { break };
        left = rest;
        kept.push(c);
    }
    kept.push(MARK);
    kept
}

/// The end of a text: of what was printed the last lines say most.
pub fn tail(text: &str, limit: usize, cost: Cost) -> String {
    let text = clean(text);
    if text.chars().map(cost).sum::<usize>() <= limit {
        return text;
    }
    let Some(mut left) = limit.checked_sub(cost(MARK)) else { return String::new() };
    let mut from = text.len();
    for (at, c) in text.char_indices().rev() {
        let Some(rest) = left.checked_sub(cost(c)) else { break };
        left = rest;
        from = at;
    }
    format!("{MARK}{}", &text[from..])
}

/// The title as one line that is never empty.
pub fn title(message: &Message, limit: usize, cost: Cost) -> String {
    let line = message.title.split_whitespace().collect::<Vec<_>>().join(" ");
    let line = head(&line, limit, cost);
    if line.is_empty() { message.cause.as_str().to_owned() } else { line }
}

/// Text and output as plain text, the output behind an empty line; the title where there is neither.
pub fn plain(message: &Message, limit: usize, cost: Cost) -> String {
    // The text is short as a rule; where it is not, half is left for the output.
    let most = if message.tail.trim().is_empty() { limit } else { limit / 2 };
    let mut all = head(&message.text, most, cost);
    let gap = if all.is_empty() { "" } else { "\n\n" };
    let used: usize = all.chars().chain(gap.chars()).map(cost).sum();
    let output = tail(&message.tail, limit.saturating_sub(used), cost);
    if !output.is_empty() {
        all.push_str(gap);
        all.push_str(&output);
    }
    if all.is_empty() { title(message, limit, cost) } else { all }
}

/// What was printed as a code block of Markdown, of at most so many UTF-16 units; nothing where nothing was printed.
pub fn code_block(output: &str, limit: usize) -> String {
    let fences = "```\n\n```".len();
    let output = unfenced(&tail(output, limit.saturating_sub(fences), unfenced_units));
    if output.is_empty() { output } else { format!("```\n{output}\n```") }
}

/// A text without what moves a terminal's cursor or colours it, which services show as boxes or refuse (a NUL), and
/// without empty lines around it.
pub fn clean(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\u{1b}' => skip_escape(&mut chars),
            '\r' if chars.peek() == Some(&'\n') => {}
            '\r' => kept.push('\n'),
            '\n' | '\t' => kept.push(c),
            c if c.is_control() => {}
            c => kept.push(c),
        }
    }
    let end = kept.trim_end().len();
    kept.truncate(end);
    let start = kept.len() - kept.trim_start_matches('\n').len();
    kept.drain(..start);
    kept
}

/// Goes behind an escape sequence (ECMA-48); one that does not end is left where it breaks off.
fn skip_escape(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    if chars.next_if_eq(&'[').is_none() {
        chars.next_if(|c| matches!(c, '@'..='_' | '0'..='?' | '`'..='~'));
        return;
    }
    while chars.next_if(|c| matches!(c, ' '..='?')).is_some() {}
    chars.next_if(|c| matches!(c, '@'..='~'));
}

/// For Slack: `&`, `<` and `>` as entities, and no code fence.
pub fn slack(text: &str) -> String {
    let escaped = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    unfenced(&escaped)
}

/// For HTML, in text and in the value of an attribute.
pub fn html(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// For Markdown: no markup, and nobody is mentioned.
pub fn markdown(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if is_markup(c) {
            escaped.push('\\');
        }
        escaped.push(c);
        if is_mention(c) {
            escaped.push(APART);
        }
    }
    escaped
}

fn is_markup(c: char) -> bool {
    matches!(c, '\\' | '`' | '*' | '_' | '~' | '|' | '>' | '#' | '[' | ']')
}

/// `@everyone`, and what Mattermost makes of `<!channel>`.
fn is_mention(c: char) -> bool {
    matches!(c, '@' | '<')
}

/// For inside a code block: no run of backticks ends it.
pub fn unfenced(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        kept.push(c);
        if c == '`' && chars.peek() == Some(&'`') {
            kept.push(APART);
        }
    }
    kept
}

/// A key of at most so many characters: a longer one by its SHA-256, since two that are cut could be the same.
pub fn key(key: &str, limit: usize) -> String {
    if key.chars().map(units).sum::<usize>() <= limit {
        key.to_owned()
    } else {
        hex(digest(&SHA256, key.as_bytes()).as_ref())
    }
}

/// Bytes as hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// What is seen of a message before it is read: red, yellow, green.
pub fn emoji(severity: Severity) -> &'static str {
    match severity {
        Severity::Bad => "🔴",
        Severity::Odd => "🟡",
        Severity::Good => "🟢",
    }
}

/// The same as a colour: 0xRRGGBB.
pub fn colour(severity: Severity) -> u32 {
    match severity {
        Severity::Bad => 0x00d9_2d20,
        Severity::Odd => 0x00f7_9009,
        Severity::Good => 0x0012_b76a,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const COSTS: [Cost; 8] = [
        characters,
        units,
        json_bytes,
        slack_units,
        html_units,
        html_json_bytes,
        markdown_units,
        unfenced_units,
    ];

    fn utf16(text: &str) -> usize {
        text.encode_utf16().count()
    }

    /// Texts that are full of what must be escaped.
    fn texts() -> impl Strategy<Value = String> {
        prop_oneof![
            any::<String>(),
            "[`<>&\"'@#*_~|\\\\\\[\\]\n\ta😀é…]{0,200}",
            proptest::collection::vec(any::<char>(), 0..100).prop_map(|chars| chars.into_iter().collect()),
        ]
    }

    proptest! {
        #[test]
        fn a_cut_text_fits_and_is_the_beginning_or_the_end(text in texts(), limit in 0usize..120) {
            let whole = clean(&text);
            for cost in COSTS {
                let sum = |text: &str| text.chars().map(cost).sum::<usize>();
                let (head, tail) = (head(&text, limit, cost), tail(&text, limit, cost));
                prop_assert!(sum(&head) <= limit && sum(&tail) <= limit);
                if sum(&whole) <= limit {
                    prop_assert_eq!((&head, &tail), (&whole, &whole));
                } else if limit >= cost(MARK) {
                    prop_assert!(whole.starts_with(head.strip_suffix(MARK).unwrap()));
                    prop_assert!(whole.ends_with(tail.strip_prefix(MARK).unwrap()));
                    // One more character would not have fitted: as much as possible is kept.
                    let next = whole.chars().nth(head.chars().count() - 1).unwrap();
                    prop_assert!(sum(&head) + cost(next) > limit);
                }
            }
        }

        #[test]
        fn no_cost_is_too_low(text in texts()) {
            let text = clean(&text);
            let sum = |cost: Cost| text.chars().map(cost).sum::<usize>();
            let json = |text: &str| serde_json::Value::from(text).to_string().len() - 2;
            prop_assert_eq!(sum(characters), text.chars().count());
            prop_assert_eq!(sum(units), utf16(&text));
            prop_assert_eq!(sum(json_bytes), json(&text));
            prop_assert_eq!(sum(html_units), utf16(&html(&text)));
            prop_assert_eq!(sum(html_json_bytes), json(&html(&text)));
            prop_assert_eq!(sum(markdown_units), utf16(&markdown(&text)));
            prop_assert!(sum(slack_units) >= utf16(&slack(&text)));
            prop_assert!(sum(unfenced_units) >= utf16(&unfenced(&text)));
        }

        #[test]
        fn what_is_escaped_means_nothing(text in texts()) {
            prop_assert!(!slack(&text).contains(['<', '>']) && !slack(&text).contains("``"));
            prop_assert!(!html(&text).contains(['<', '>', '"']));
            prop_assert!(!unfenced(&text).contains("``"));
            prop_assert!(!markdown(&text).contains("@everyone") && !markdown(&text).contains("``"));
            let unescaped = html(&text).replace("&quot;", "\"").replace("&gt;", ">").replace("&lt;", "<");
            prop_assert_eq!(unescaped.replace("&amp;", "&"), text);
        }

        #[test]
        fn a_code_block_fits_and_ends_where_it_ends(text in texts(), limit in 0usize..200) {
            let block = code_block(&text, limit);
            prop_assert!(utf16(&block) <= limit);
            if !block.is_empty() {
                let inside = block.strip_prefix("```\n").and_then(|it| it.strip_suffix("\n```")).unwrap();
                prop_assert!(!inside.is_empty() && !inside.contains("```"));
            }
        }

        #[test]
        fn a_clean_text_stays_as_it_is(text in texts()) {
            let once = clean(&text);
            prop_assert!(!once.chars().any(|c| c.is_control() && c != '\n' && c != '\t'));
            prop_assert_eq!(clean(&once), once);
        }
    }

    #[test]
    fn colours_of_a_terminal_are_left_out_and_line_ends_are_kept() {
        let printed = "\u{1b}[1;31merror\u{1b}[0m: disk\r\n\u{1b}]8;;x\u{7}50%\r100%\0\n\n";
        assert_eq!(clean(printed), "error: disk\n8;;x50%\n100%");
        assert_eq!(clean("\n\n  indented"), "  indented");
        assert_eq!(clean("\u{1b}"), "");
    }

    #[test]
    fn long_keys_stay_different() {
        let (a, b) = ("x".repeat(300) + "a", "x".repeat(300) + "b");
        assert_eq!(key("short", 255), "short");
        assert_ne!(key(&a, 255), key(&b, 255));
        assert_eq!((key(&a, 255).len(), key(&a, 255)), (64, key(&a, 255)));
    }

    #[test]
    fn the_cut_is_to_be_seen() {
        assert_eq!(head("abcdef", 4, characters), "abc…");
        assert_eq!(tail("abcdef", 4, characters), "…def");
        assert_eq!(tail("😀😀😀", 4, units), "…😀");
        assert_eq!(head("<<<", 9, html_units), "<<…");
    }
}
