//! What is not a schedule, and what never comes: each is refused with the field and the reason. The lists are text.

use watchbell::model::schedule::{Schedule, Zone};

use super::{IDENTITY, at};

/// `expression | field | words`, without comments.
fn rows(text: &'static str) -> Vec<[&'static str; 3]> {
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with("##"));
    let row = |line: &'static str| {
        let cells: Vec<&str> = line.split(" | ").map(str::trim).collect();
        <[&str; 3]>::try_from(cells).unwrap_or_else(|_| panic!("three cells: {line}"))
    };
    lines.map(row).collect()
}

/// The message names the field, says why, and ends with the mend.
fn check(expression: &str, message: &str, field: &str, words: &str) -> Result<(), String> {
    let place = if field == "-" { String::new() } else { format!("{field} field: `") };
    let fine = message.starts_with(&place) && message.contains(words) && !message.ends_with('.');
    let one_line = !message.contains('\n') && message.chars().next().is_some_and(|it| !it.is_uppercase());
    if fine && one_line { Ok(()) } else { Err(format!("{expression}: {message}")) }
}

#[test]
fn a_hundred_malformed_expressions_are_refused_with_field_and_reason() {
    let rows = rows(include_str!("malformed.txt"));
    assert!(rows.len() >= 100, "only {}", rows.len());
    let wrong: Vec<String> = rows
        .into_iter()
        .filter_map(|[text, field, words]| match Schedule::of_job(text, &Zone::utc(), IDENTITY) {
            Ok(_) => Some(format!("{text}: it is taken")),
            Err(error) => check(text, &error.to_string(), field, words).err(),
        })
        .collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn what_never_comes_is_refused_with_field_and_reason() {
    let rows = rows(include_str!("never.txt"));
    assert!(rows.len() >= 20, "only {}", rows.len());
    let now = at("2026-11-22T12:00:00Z");
    let wrong: Vec<String> = rows
        .into_iter()
        .filter_map(|[text, field, words]| {
            let schedule = Schedule::of_job(text, &Zone::utc(), IDENTITY);
            let schedule = schedule.unwrap_or_else(|error| panic!("{text}: {error}"));
            match schedule.why_never(now) {
                None => Some(format!("{text}: it comes")),
                Some(reason) => check(text, &reason, field, words).err(),
            }
        })
        .collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}
