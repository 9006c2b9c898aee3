//! `${NAME}`, `${NAME:-default}` and `$$` in values.
//!
//! It runs on values after parsing, so that a value can never change the structure.

/// Replaces what stands for something else. The reason why it cannot be done never repeats the value.
pub(super) fn substitute(text: &str, variable: &dyn Fn(&str) -> Option<String>) -> Result<String, String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        let tail = &rest[at + 1..];
        if let Some(after) = tail.strip_prefix('$') {
            out.push('$');
            rest = after;
        } else if let Some(inside) = tail.strip_prefix('{') {
            let (inside, after) = inside
                .split_once('}')
                .ok_or("\"${\" is not closed: write ${NAME}, or $${ for the text itself")?;
            out.push_str(&expand(inside, variable)?);
            rest = after;
        } else {
            out.push('$');
            rest = tail;
        }
    }
    out.push_str(rest);
    Ok(out)
}

fn expand(inside: &str, variable: &dyn Fn(&str) -> Option<String>) -> Result<String, String> {
    let (name, default) = match inside.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (inside, None),
    };
    let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if !is_name {
        return Err(
            "\"${\" is followed by no variable's name: write ${NAME} or ${NAME:-default}, or $${ for \
                    the text itself"
                .to_owned(),
        );
    }
    // It would end at the inner brace.
    if default.is_some_and(|default| default.contains("${")) {
        return Err(format!("the default of {name} holds another \"${{\": a default is plain text"));
    }
    match (variable(name).filter(|value| !value.is_empty() || default.is_none()), default) {
        (Some(value), _) => Ok(value),
        (None, Some(default)) => Ok(default.to_owned()),
        (None, None) => Err(format!("the variable {name} is not set: set it, or write ${{{name}:-default}}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(text: &str) -> Result<String, String> {
        substitute(text, &|name| match name {
            "SET" => Some("[x]\n#y".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        })
    }

    #[test]
    fn variables_defaults_and_dollars_are_put_in() {
        assert_eq!(put("${SET} ${UNSET:-d e} $$ $x $").unwrap(), "[x]\n#y d e $ $x $");
        assert_eq!(put("${EMPTY}|${EMPTY:-d}|${UNSET:-}").unwrap(), "|d|");
        assert_eq!(put("$${SET} $$$$").unwrap(), "${SET} $$");
    }

    #[test]
    fn what_cannot_be_put_in_says_why_and_shows_no_more_than_the_variables_name() {
        assert!(put("a${UNSET}b").unwrap_err().contains("the variable UNSET is not set"));
        assert!(put("hunter2${SET").unwrap_err().contains("not closed"));
        assert!(put("${UNSET:-${SET}}").unwrap_err().contains("plain text"));
        for odd in ["${hunter2!}", "${}", "${hunter2-x}", "${:-hunter2}", "${1A}"] {
            let reason = put(odd).unwrap_err();
            assert!(reason.contains("no variable's name") && !reason.contains("hunter2"), "{reason}");
        }
    }
}
