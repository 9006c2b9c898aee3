//! What can be wrong with a schedule as it was written.
//!
//! Each message names the place, what was written there, why it is refused and how to mend it. Nothing here decides
//! what is wrong.

use std::fmt::{self, Display, Formatter};

/// How much of an offending text a message repeats, in characters: labels may hold anything.
const SHOWN: usize = 60;

/// Why a schedule or a time zone was refused. Every message is a lowercase fragment that ends with the mend.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
pub enum ScheduleError {
    /// Nothing was written, or only a `TZ=` prefix.
    #[error("the schedule is empty; write a cron expression such as `0 3 * * *`, or `@every 1h`")]
    Empty,
    /// Not 5, 6 or 7 fields.
    #[error(
        "`{text}` has {}; expected 5 (minute hour day-of-month month day-of-week), 6 (with a leading second) or 7 \
         (with a trailing year as well)",
        count(*found)
    )]
    FieldCount {
        /// The expression, shortened.
        text: String,
        /// How many fields it has.
        found: usize,
    },
    /// One field of a cron expression cannot be read.
    #[error("{field} field: `{text}` {reason}; {mend}")]
    Field {
        /// `second`, `minute`, `hour`, `day-of-month`, `month`, `day-of-week` or `year`.
        field: &'static str,
        /// The part of the field that is wrong, shortened.
        text: String,
        /// What is wrong with it.
        reason: String,
        /// What to write instead.
        mend: String,
    },
    /// An `@word` that does not exist.
    #[error(
        "unknown schedule `{text}`{}; the words are @yearly, @monthly, @weekly, @daily, @hourly, @every, @startup and \
         @triggered",
        did_you_mean(suggestion.as_deref())
    )]
    UnknownWord {
        /// The word, shortened.
        text: String,
        /// The closest word that exists.
        suggestion: Option<String>,
    },
    /// More text after an `@word` that takes none.
    #[error("`{word}` takes nothing after it, but `{text}` follows; remove it")]
    Trailing {
        /// The word.
        word: String,
        /// What follows it, shortened.
        text: String,
    },
    /// The duration of `@every` cannot be used.
    #[error("@every: `{text}` {reason}; write a duration with units, such as `@every 90s` or `@every 1h30m`")]
    Every {
        /// The duration as written, shortened.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The time zone database has no such zone.
    #[error(
        "unknown time zone `{name}`{}; write an IANA name such as `Europe/Berlin` or `UTC`",
        did_you_mean(suggestion.as_deref())
    )]
    UnknownZone {
        /// The name as written, shortened.
        name: String,
        /// The closest name that exists.
        suggestion: Option<String>,
    },
    /// The cron engine refused what passed our own checks.
    #[error("`{text}` cannot be scheduled: {reason}; write it in a simpler form")]
    Engine {
        /// The expression, shortened.
        text: String,
        /// What the engine said.
        reason: String,
    },
}

/// `text` cut to what a message may repeat.
pub(super) fn shown(text: &str) -> String {
    if text.chars().nth(SHOWN).is_none() {
        return text.to_owned();
    }
    text.chars().take(SHOWN).chain(['…']).collect()
}

fn count(fields: usize) -> String {
    if fields == 1 { "1 field".to_owned() } else { format!("{fields} fields") }
}

/// Lets an absent suggestion vanish from the message.
struct Suggestion<'a>(Option<&'a str>);

impl Display for Suggestion<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |s| write!(f, ", did you mean `{s}`?"))
    }
}

fn did_you_mean(suggestion: Option<&str>) -> Suggestion<'_> {
    Suggestion(suggestion)
}

/// The candidate that `written` most likely stands for; `None` when nothing is close. Case does not count.
pub(super) fn closest<I, S>(written: &str, candidates: I) -> Option<String>
where
    I: IntoIterator<Item = S>,
    S: AsRef<str>,
{
    // A text far longer than any candidate resembles none, and comparing it would cost its square.
    if written.is_empty() || written.len() > SHOWN {
        return None;
    }
    let written = written.to_ascii_lowercase();
    candidates
        .into_iter()
        .map(|c| (strsim::jaro_winkler(&written, &c.as_ref().to_ascii_lowercase()), c))
        .filter(|(score, _)| *score >= 0.8)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, c)| c.as_ref().to_owned())
}
