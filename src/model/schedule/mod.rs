//! When a job is due: a schedule read from text, and the moments it names.
//!
//! Everything here is a pure function of its arguments: nothing reads a clock, so the caller passes every moment, and
//! nothing panics or waits. The only thing looked at outside is the time zone database.

mod cron;
mod error;
mod every;
mod field;
mod words;
mod zone;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use jiff::Timestamp;

use self::cron::CronRule;
pub use self::error::ScheduleError;
use self::error::{closest, shown};
use self::every::Every;
use self::field::Kind;
pub use self::zone::Zone;

/// A schedule that was read. Cloning it copies a pointer; two are equal when their text and their zone's name are.
#[derive(Debug, Clone)]
pub struct Schedule(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    text: String,
    zone: Zone,
    rule: Rule,
}

#[derive(Debug)]
enum Rule {
    Cron(Box<CronRule>),
    Every(Every),
}

/// The words that stand for an expression.
const WORDS: [(&str, &str); 7] = [
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
    ("@monthly", "0 0 1 * *"),
    ("@weekly", "0 0 * * 0"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@hourly", "0 * * * *"),
];

/// The words of the language that are read, and refused, by this version.
const LATER: [&str; 5] = ["@reboot", "@startup", "@triggered", "@manual", "@none"];

impl Schedule {
    /// Reads a schedule: 5 fields (minute first), 6 fields (second first), `@daily` and the like, or `@every 1h30m`;
    /// each may follow `TZ=Zone` or `CRON_TZ=Zone`. Without such a prefix `zone` is the zone that counts.
    ///
    /// Whether it ever fires is not part of reading it: ask [`Schedule::never_fires`].
    pub fn parse(text: &str, zone: &Zone) -> Result<Self, ScheduleError> {
        let text = text.trim();
        let (zone, expression) = match split_zone(text) {
            Some((name, rest)) => (Zone::parse(name)?, rest),
            None => (zone.clone(), text),
        };
        let rule = if expression.is_empty() {
            return Err(ScheduleError::Empty);
        } else if expression.starts_with('@') {
            parse_word(expression)?
        } else {
            Rule::Cron(Box::new(CronRule::parse(expression)?))
        };
        Ok(Self(Arc::new(Inner { text: text.to_owned(), zone, rule })))
    }

    /// The schedule as it was written, with its prefix, without white space around it.
    pub fn text(&self) -> &str {
        &self.0.text
    }

    /// The zone whose clock counts.
    pub fn zone(&self) -> &Zone {
        &self.0.zone
    }

    /// The schedule in plain English, with its zone in brackets: `at 03:00, Monday to Friday (Europe/Berlin)`. An
    /// `@every` schedule has no zone: `every 1h 30m`.
    pub fn words(&self) -> String {
        match &self.0.rule {
            Rule::Cron(rule) => format!("{} ({})", words::of(rule), self.0.zone.name()),
            Rule::Every(every) => every.words(),
        }
    }

    /// What is allowed but seldom meant, one lowercase sentence each, with the mend.
    pub fn warnings(&self) -> Vec<String> {
        match &self.0.rule {
            Rule::Cron(rule) if rule.second.values == Kind::Second.all() => {
                let rest = self.0.text.split_whitespace().rev().take(5).collect::<Vec<_>>();
                let rest: Vec<&str> = rest.into_iter().rev().collect();
                let rest = rest.join(" ");
                vec![format!(
                    "runs every second, because the first of six fields is the second; write `0 {rest}` to run on the \
                     full minute only, or drop the first field"
                )]
            }
            _ => Vec::new(),
        }
    }

    /// The first occurrence strictly after `after`, or `None` when there is none. `anchor` is the moment the job was
    /// first seen; it only matters for `@every`, whose occurrences are `anchor + k * period` with `k >= 1`.
    pub fn next_after(&self, after: Timestamp, anchor: Timestamp) -> Option<Timestamp> {
        match &self.0.rule {
            Rule::Cron(rule) => rule.next_after(after, self.0.zone.time_zone()),
            Rule::Every(every) => every.next_after(after, anchor),
        }
    }

    /// Whether no occurrence lies after `from`, as for 30 February.
    pub fn never_fires(&self, from: Timestamp) -> bool {
        self.next_after(from, from).is_none()
    }
}

impl PartialEq for Schedule {
    fn eq(&self, other: &Self) -> bool {
        self.0.text == other.0.text && self.0.zone == other.0.zone
    }
}

impl Eq for Schedule {}

/// Splits `TZ=Zone rest` or `CRON_TZ=Zone rest`; `None` without such a prefix.
fn split_zone(text: &str) -> Option<(&str, &str)> {
    let (first, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    let (key, name) = first.split_once('=')?;
    let known = key.eq_ignore_ascii_case("TZ") || key.eq_ignore_ascii_case("CRON_TZ");
    known.then_some((name, rest.trim()))
}

/// Reads a schedule that begins with `@`.
fn parse_word(expression: &str) -> Result<Rule, ScheduleError> {
    let (word, rest) = expression.split_once(char::is_whitespace).unwrap_or((expression, ""));
    let (lower, rest) = (word.to_ascii_lowercase(), rest.trim());
    if lower == "@every" {
        return Every::parse(rest).map(Rule::Every);
    }
    if LATER.contains(&lower.as_str()) {
        let mend = "write a cron expression or `@every`";
        return Err(ScheduleError::NotYetSupported { form: format!("`{word}`"), mend });
    }
    let Some((_, expression)) = WORDS.iter().find(|(known, _)| *known == lower) else {
        // `@every5m` lacks its space; as a whole it resembles nothing.
        let suggestion = match lower.strip_prefix("@every") {
            Some(duration) => Some(format!("@every {}", shown(duration))),
            None => closest(&lower, WORDS.iter().map(|(known, _)| *known).chain(["@every"])),
        };
        return Err(ScheduleError::UnknownWord { text: shown(word), suggestion });
    };
    if !rest.is_empty() {
        return Err(ScheduleError::Trailing { word: word.to_owned(), text: shown(rest) });
    }
    CronRule::parse(expression).map(|rule| Rule::Cron(Box::new(rule)))
}
