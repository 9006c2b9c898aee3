//! `${VAR}` in a compose file, as Compose puts variables in.

/// Variables inside the default of a variable, and so on: nobody writes more.
const DEPTH: usize = 16;

/// A text with its variables put in.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Filled {
    /// The text.
    pub text: String,
    /// Variables that are not set, in whose place nothing was put.
    pub unset: Vec<String>,
}

/// Puts variables in: `$NAME`, `${NAME}`, and with `:-`, `-`, `:?`, `?`, `:+`, `+`; `$$` is a dollar sign. The error is
/// the reason for which Compose refuses the text.
pub fn fill(text: &str, variable: &dyn Fn(&str) -> Option<String>) -> Result<Filled, String> {
    let mut filled = Filled::default();
    fill_into(&mut filled, text, variable, 0)?;
    Ok(filled)
}

fn fill_into(
    out: &mut Filled,
    text: &str,
    variable: &dyn Fn(&str) -> Option<String>,
    depth: usize,
) -> Result<(), String> {
    if depth > DEPTH {
        return Err("variables are nested too deep".to_owned());
    }
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.text.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            out.text.push('$');
            rest = after;
        } else if let Some(inside) = rest.strip_prefix('{') {
            let end = closing(inside)
                .ok_or("\"${\" is not closed: write ${NAME}, or $${ for the characters themselves")?;
            braced(out, &inside[..end], variable, depth)?;
            rest = &inside[end + 1..];
        } else {
            let end = name_end(rest);
            if end == 0 {
                return Err(
                    "Compose takes \"$\" for the beginning of a variable: write $$ for the character itself"
                        .to_owned(),
                );
            }
            put(out, &rest[..end], variable);
            rest = &rest[end..];
        }
    }
    out.text.push_str(rest);
    Ok(())
}

fn put(out: &mut Filled, name: &str, variable: &dyn Fn(&str) -> Option<String>) {
    match variable(name) {
        Some(value) => out.text.push_str(&value),
        None => out.unset.push(name.to_owned()),
    }
}

/// What stands between the braces.
fn braced(
    out: &mut Filled,
    inside: &str,
    variable: &dyn Fn(&str) -> Option<String>,
    depth: usize,
) -> Result<(), String> {
    let (name, operator) = inside.split_at(name_end(inside));
    if name.is_empty() {
        return Err(
            "\"${\" needs the name of a variable: write ${NAME}, or $${ for the characters themselves"
                .to_owned(),
        );
    }
    let (nonempty, operator) = match operator.strip_prefix(':') {
        Some(rest) => (true, rest),
        None => (false, operator),
    };
    let value = variable(name);
    let is_set = value.as_ref().is_some_and(|value| !nonempty || !value.is_empty());
    let mut characters = operator.chars();
    let (sign, word) = (characters.next(), characters.as_str());
    match sign {
        None if !nonempty => put(out, name, variable),
        Some('-' | '?') if is_set => out.text.push_str(&value.unwrap_or_default()),
        Some('-') => fill_into(out, word, variable, depth + 1)?,
        Some('+') if is_set => fill_into(out, word, variable, depth + 1)?,
        Some('+') => {}
        Some('?') => return Err(format!("the variable {name} is not set, and the file demands it: set it")),
        _ => {
            return Err(format!(
                "what follows the variable {name} is not understood: write ${{{name}}} or ${{{name}:-default}}"
            ));
        }
    }
    Ok(())
}

/// The end of the name that the text begins with; 0 if it begins with none.
fn name_end(text: &str) -> usize {
    let fits = |(at, c): (usize, char)| c == '_' || c.is_ascii_alphabetic() || (at > 0 && c.is_ascii_digit());
    text.char_indices().find(|it| !fits(*it)).map_or(text.len(), |(at, _)| at)
}

/// The brace that closes; those of variables inside are passed over.
fn closing(text: &str) -> Option<usize> {
    let mut open = 0_usize;
    let bytes = text.as_bytes();
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            b'{' if at > 0 && bytes[at - 1] == b'$' => open += 1,
            b'}' if open == 0 => return Some(at),
            b'}' => open -= 1,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variable(name: &str) -> Option<String> {
        match name {
            "A" => Some("one".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        }
    }

    #[test]
    fn variables_are_put_in_as_compose_does() {
        for (written, is) in [
            ("$A-${A}", "one-one"),
            ("$$A $${A}", "$A ${A}"),
            ("${EMPTY:-d}${EMPTY-d}", "d"),
            ("${NO:-d e}", "d e"),
            ("${NO-${A}}!", "one!"),
            ("${NO:-${NO2:-x}}y}", "xy}"),
            ("${A:+yes}${EMPTY:+no}${EMPTY+y}", "yesy"),
            ("${A:?must}", "one"),
            ("${EMPTY?x}", ""),
            ("a$A", "aone"),
        ] {
            assert_eq!(
                fill(written, &variable),
                Ok(Filled { text: is.to_owned(), unset: vec![] }),
                "{written}"
            );
        }
        assert_eq!(fill("x${NO}$NO2", &variable).unwrap().unset, ["NO", "NO2"]);
    }

    #[test]
    fn what_compose_refuses_is_refused_and_no_value_is_told() {
        for written in
            ["$(date)", "5 $", "${A", "${}", "${1}", "${A!x}", "${EMPTY:?hunter2}", "${NO?hunter2}"]
        {
            let reason = fill(written, &variable).unwrap_err();
            assert!(!reason.contains("hunter2") && !reason.contains("one"), "{written}: {reason}");
        }
        assert!(fill(&"${A:+".repeat(1000), &variable).is_err());
        let deep = "${NO:-".repeat(1000) + &"}".repeat(1000);
        assert!(fill(&deep, &variable).unwrap_err().contains("too deep"));
    }
}
