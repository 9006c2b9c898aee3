//! When a job is due: a schedule read from text, and the moments it names.
//!
//! Everything here is a pure function of its arguments: nothing reads a clock, so the caller passes every moment, and
//! nothing panics or waits. The only thing looked at outside is the time zone database.

mod cron;
mod days;
mod error;
mod every;
mod field;
mod hash;
mod month_end;
mod never;
mod part;
mod shapes;
mod shared;
mod words;
mod year;
mod zone;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use jiff::Timestamp;

use self::cron::CronRule;
pub use self::error::ScheduleError;
use self::error::{closest, shown};
use self::every::Every;
use self::field::{Field, Kind};
pub use self::zone::Zone;

/// A schedule that was read. Cloning it copies a pointer; two are equal when their text, but for white space, and their
/// zone's name are, and if they have an `H` the identity that it follows from.
#[derive(Debug, Clone)]
pub struct Schedule(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    text: Box<str>,
    zone: Zone,
    /// Whether `TZ=` or `CRON_TZ=` names the zone.
    prefixed: bool,
    /// Whose it is, if that has a part in it.
    identity: Option<Box<str>>,
    rule: Rule,
}

#[derive(Debug)]
enum Rule {
    Cron(Box<CronRule>),
    Every(Every),
    /// `@startup`.
    Startup,
    /// `@triggered`.
    Triggered,
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

/// The words for once at each start of the agent.
const STARTUP: [&str; 2] = ["@startup", "@reboot"];

/// The words for never by itself.
const TRIGGERED: [&str; 3] = ["@triggered", "@manual", "@none"];

impl Schedule {
    /// Reads a schedule that belongs to no job, and in which `H` therefore has no value and is refused; else as
    /// [`Schedule::of_job`].
    pub fn parse(text: &str, zone: &Zone) -> Result<Self, ScheduleError> {
        Self::read(text, zone, None)
    }

    /// Reads the schedule of the job with this identity, which gives `H` its value: 5 fields (minute first), 6 fields
    /// (second first), 7 fields (year last), `@daily` and the like, `@every 1h30m`, `@startup`, or `@triggered`; each
    /// may follow `TZ=Zone` or `CRON_TZ=Zone`. Without such a prefix `zone` is the zone that counts.
    ///
    /// Whether it ever fires is not part of reading it: ask [`Schedule::never_fires`].
    pub fn of_job(text: &str, zone: &Zone, identity: &str) -> Result<Self, ScheduleError> {
        Self::read(text, zone, Some(identity))
    }

    /// `@triggered`: of what no clock decides.
    pub fn triggered() -> Self {
        let rule = Rule::Triggered;
        let inner =
            Inner { text: TRIGGERED[0].into(), zone: Zone::utc(), prefixed: false, identity: None, rule };
        Self(shared::one_of_them(inner))
    }

    fn read(text: &str, zone: &Zone, identity: Option<&str>) -> Result<Self, ScheduleError> {
        let text = text.trim();
        let (zone, expression, prefixed) = match split_zone(text) {
            Some((name, rest)) => (Zone::parse(name)?, rest, true),
            None => (zone.clone(), text, false),
        };
        let rule = if expression.is_empty() {
            return Err(ScheduleError::Empty);
        } else if expression.starts_with('@') {
            parse_word(expression)?
        } else {
            Rule::Cron(Box::new(CronRule::parse(expression, identity)?))
        };
        let hashed = matches!(&rule, Rule::Cron(rule) if rule.hashed);
        let identity = identity.filter(|_| hashed).map(Into::into);
        Ok(Self(shared::one_of_them(Inner { text: text.into(), zone, prefixed, identity, rule })))
    }

    /// The schedule as it was written, with its prefix, without white space around it.
    pub fn text(&self) -> &str {
        &self.0.text
    }

    /// The zone whose clock counts.
    pub fn zone(&self) -> &Zone {
        &self.0.zone
    }

    /// Whether the schedule itself names its zone, with `TZ=` or `CRON_TZ=`.
    pub fn names_zone(&self) -> bool {
        self.0.prefixed
    }

    /// Whether it comes once at each start of the agent, and at no moment that could be told before.
    pub fn at_startup(&self) -> bool {
        matches!(self.0.rule, Rule::Startup)
    }

    /// Whether it counts from the moment at which the job was first seen: `@every`.
    pub fn is_anchored(&self) -> bool {
        matches!(self.0.rule, Rule::Every(_))
    }

    /// Whether it never comes by itself, so that only a trigger starts the job.
    pub fn only_triggered(&self) -> bool {
        matches!(self.0.rule, Rule::Triggered)
    }

    /// Whether it names years, and so may come to its end.
    pub fn names_years(&self) -> bool {
        matches!(&self.0.rule, Rule::Cron(rule) if rule.days.years.named().is_some())
    }

    /// The schedule in plain English, with its zone in brackets: `at 03:00, Monday to Friday (Europe/Berlin)`. One that
    /// no clock decides has no zone: `every 1h 30m`, `when the agent starts`, `only when triggered`.
    pub fn words(&self) -> String {
        match &self.0.rule {
            Rule::Cron(rule) => format!("{} ({})", words::of(rule), self.0.zone.name()),
            Rule::Every(every) => every.words(),
            Rule::Startup => "when the agent starts".to_owned(),
            Rule::Triggered => "only when triggered".to_owned(),
        }
    }

    /// What is allowed but seldom meant, one lowercase sentence each, with the mend.
    pub fn warnings(&self) -> Vec<String> {
        match &self.0.rule {
            Rule::Cron(rule) if rule.second.values == Kind::Second.all() => {
                let fields: Vec<&str> = self.expression().split_whitespace().collect();
                let rest = fields.get(1..).unwrap_or_default().join(" ");
                let (count, drop) = match fields.len() {
                    7 => ("seven", ""),
                    _ => ("six", ", or drop the first field"),
                };
                let minute = [&rule.minute, &rule.hour].map(Field::len);
                let when = if minute == [60, 24] { "" } else { " of each minute that is named" };
                vec![format!(
                    "runs every second{when}, because the first of {count} fields is the second; write `0 {rest}` to run on \
                     the full minute only{drop}"
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
            Rule::Startup | Rule::Triggered => None,
        }
    }

    /// Whether it names moments and none of them lies after `from`: 30 February, or a year that is past.
    pub fn never_fires(&self, from: Timestamp) -> bool {
        !self.at_startup() && !self.only_triggered() && self.next_after(from, from).is_none()
    }

    /// Why no occurrence lies after `from`, with the field that is to blame and the mend; `None` if one does.
    pub fn why_never(&self, from: Timestamp) -> Option<String> {
        self.never_fires(from).then(|| match &self.0.rule {
            Rule::Cron(rule) => never::why(rule, self.expression(), from, &self.0.zone),
            Rule::Every(every) => every.why_never(from),
            Rule::Startup | Rule::Triggered => String::new(),
        })
    }

    fn expression(&self) -> &str {
        split_zone(&self.0.text).map_or(&*self.0.text, |(_, rest)| rest)
    }
}

impl Inner {
    /// Whether it is the other one to the letter.
    fn is_same(&self, other: &Self) -> bool {
        self.text == other.text
            && self.zone == other.zone
            && self.prefixed == other.prefixed
            && self.identity == other.identity
    }
}

impl PartialEq for Schedule {
    fn eq(&self, other: &Self) -> bool {
        let words = |it: &Self| it.0.text.split_whitespace().eq(other.0.text.split_whitespace());
        words(self) && self.0.zone == other.0.zone && self.0.identity == other.0.identity
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
    let rule = if STARTUP.contains(&&*lower) {
        Rule::Startup
    } else if TRIGGERED.contains(&&*lower) {
        Rule::Triggered
    } else if let Some((_, expression)) = WORDS.iter().find(|(known, _)| *known == lower) {
        Rule::Cron(Box::new(CronRule::parse(expression, None)?))
    } else {
        // `@every5m` lacks its space; as a whole it resembles nothing.
        let known = WORDS.iter().map(|(known, _)| *known).chain(["@every"]).chain(STARTUP).chain(TRIGGERED);
        let suggestion = match lower.strip_prefix("@every") {
            Some(duration) => Some(format!("@every {}", shown(duration))),
            None => closest(&lower, known),
        };
        return Err(ScheduleError::UnknownWord { text: shown(word), suggestion });
    };
    if !rest.is_empty() {
        return Err(ScheduleError::Trailing { word: word.to_owned(), text: shown(rest) });
    }
    Ok(rule)
}
