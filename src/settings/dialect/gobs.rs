//! Commands as Ofelia and Chadburn split them into words, which is not how a shell does.
//!
//! A quote is one only where a word begins, and the word ends with it; backquotes are quotes. A backslash is taken off
//! everywhere, inside of quotes too. What begins with a bracket goes on to the one that closes it. What begins with
//! `|`, `>`, `<` or `#` is one word to the end of the text.

use std::str::Chars;

use super::super::value;
use super::table::Taken;

/// The command with the same words: as it is where we split it alike, else as a JSON array.
pub(super) fn command(text: &str) -> Taken {
    let there = words(text);
    let (bare, quoted) = value::unquote(text);
    let here = value::command(bare, None);
    let same = !quoted && here.as_ref().is_ok_and(|here| here.argv == there);
    // What is no command in either is told of where it is read.
    if same || there.is_empty() {
        return Taken::one(text);
    }
    let warning = here.ok().and_then(|here| here.warning);
    Taken { warning, ..Taken::one(serde_json::Value::from(there).to_string()) }
}

fn words(text: &str) -> Vec<String> {
    let mut rest = text.chars();
    std::iter::from_fn(|| word(&mut rest)).collect()
}

fn word(rest: &mut Chars<'_>) -> Option<String> {
    match rest.find(|c| !c.is_whitespace())? {
        quote @ ('\'' | '"' | '`') => quoted(quote, rest),
        open @ ('{' | '[' | '(') => Some(bracketed(open, rest)),
        symbol @ ('|' | '>' | '<' | '#') => Some(std::iter::once(symbol).chain(rest).collect()),
        first => plain(first, rest),
    }
}

fn plain(first: char, rest: &mut Chars<'_>) -> Option<String> {
    let mut word = String::new();
    let mut next = Some(first);
    while let Some(c) = next {
        match c {
            '\\' => word.extend(rest.next()),
            c if c.is_whitespace() => break,
            c => word.push(c),
        }
        next = rest.next();
    }
    (!word.is_empty()).then_some(word)
}

fn quoted(quote: char, rest: &mut Chars<'_>) -> Option<String> {
    let mut word = String::new();
    while let Some(c) = rest.next() {
        match c {
            '\\' => word.extend(rest.next()),
            c if c == quote => return Some(word),
            c => word.push(c),
        }
    }
    // A quote that nothing follows is no word.
    (!word.is_empty()).then_some(word)
}

fn bracketed(open: char, rest: &mut Chars<'_>) -> String {
    let mut word = String::from(open);
    let mut closing = vec![other(open)];
    let mut quote = None;
    while let Some(c) = rest.next() {
        if c == '\\' {
            word.extend(rest.next());
            continue;
        }
        word.push(c);
        match (quote, c) {
            (Some(open), c) if open == c => quote = None,
            (None, c) if closing.last() == Some(&c) => {
                closing.pop();
                if closing.is_empty() {
                    break;
                }
            }
            (None, '\'' | '"' | '`') => quote = Some(c),
            (None, '{' | '[' | '(') => closing.push(other(c)),
            (Some(_) | None, _) => {}
        }
    }
    word
}

fn other(open: char) -> char {
    match open {
        '{' => '}',
        '[' => ']',
        _ => ')',
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::layer::Text;
    use super::*;

    fn written(text: &str) -> String {
        match command(text).text {
            Ok(Some(Text::One(text))) => text.to_string(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn words_end_where_those_tools_end_them() {
        for (text, there) in [
            ("sh -c 'a b' c", &["sh", "-c", "a b", "c"][..]),
            ("a --x='b c'", &["a", "--x='b", "c'"]),
            ("'a'b", &["a", "b"]),
            ("sh -c 'grep \\. x'", &["sh", "-c", "grep . x"]),
            ("x {a b} `c d`", &["x", "{a b}", "c d"]),
            ("x [a (b] c) '}' ] d", &["x", "[a (b] c) '}' ]", "d"]),
            ("a > b c", &["a", "> b c"]),
            ("a>b #c d", &["a>b", "#c d"]),
            ("a '' 'b", &["a", "", "b"]),
            ("\\'a b'", &["'a", "b'"]),
            ("a\\", &["a"]),
            (" ", &[]),
            ("'", &[]),
        ] {
            assert_eq!(words(text), there, "{text}");
        }
    }

    #[test]
    fn a_command_that_we_split_alike_stays_and_any_other_is_an_array() {
        for (text, here) in [
            ("sh -c \"echo 'a b'\"", "sh -c \"echo 'a b'\""),
            ("sh -c 'a\\.b'", r#"["sh","-c","a.b"]"#),
            ("a --x='b c'", r#"["a","--x='b","c'"]"#),
            ("'a b'", r#"["a b"]"#),
            ("[\"a\", \"b\"]", r#"["[\"a\", \"b\"]"]"#),
            ("", ""),
        ] {
            assert_eq!(written(text), here, "{text}");
        }
        assert!(command("a | b").warning.is_some_and(|it| it.contains("without a shell")));
    }

    proptest::proptest! {
        #[test]
        fn whatever_is_written_has_the_words_of_those_tools(text in "[a-c '\"`\\\\{}()|>$#;\\[\\]]{0,16}") {
            let words = words(&text);
            let read = value::command(value::unquote(&written(&text)).0, None);
            if words.first().is_some_and(|word| !word.is_empty()) {
                proptest::prop_assert_eq!(read.map(|it| it.argv), Ok(words));
            }
        }
    }
}
