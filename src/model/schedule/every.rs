//! `@every`: one length of time again and again, counted from an anchor.
//!
//! It knows no calendar and no time zone: a day is 24 hours here, also when the clocks change.

use std::time::Duration;

use jiff::Timestamp;

use crate::model::duration;

use super::error::{ScheduleError, shown};

const NANOS_PER_SECOND: u128 = 1_000_000_000;

/// The period of an `@every` schedule; at least a second.
#[derive(Debug, Clone, Copy)]
pub(super) struct Every(Duration);

impl Every {
    /// Reads `90s`, `1h30m`, `1d`, `1w`, `1h 30m`: each number with its unit, together at least a second.
    pub(super) fn parse(text: &str) -> Result<Self, ScheduleError> {
        let fail = |reason: &str| ScheduleError::Every { text: shown(text), reason: reason.to_owned() };
        let period = duration::parse(text).map_err(|reason| fail(&reason))?;
        if period < Duration::from_secs(1) {
            return Err(fail("is shorter than a second"));
        }
        Ok(Self(period))
    }

    /// The first `anchor + k * period`, `k >= 1`, after `after`. `None` past the last moment that can be written.
    pub(super) fn next_after(self, after: Timestamp, anchor: Timestamp) -> Option<Timestamp> {
        let period = i128::try_from(self.0.as_nanos()).ok()?;
        let anchor = anchor.as_nanosecond();
        let passed = (after.as_nanosecond() - anchor).max(0);
        let steps = passed / period + 1;
        Timestamp::from_nanosecond(steps.checked_mul(period)?.checked_add(anchor)?).ok()
    }

    /// Why it does not come after `from`, as a fragment.
    pub(super) fn why_never(self, from: Timestamp) -> String {
        let last = Timestamp::from_second(Timestamp::MAX.as_second()).unwrap_or(Timestamp::MAX);
        let reason =
            format!("the next occurrence would be later than {last}, the last moment that can be written");
        // Whether it is the length or the moment that reaches too far.
        let short = self.next_after(Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH).is_some();
        let mend = if short && from > Timestamp::UNIX_EPOCH {
            "ask from an earlier moment"
        } else {
            "write a shorter time"
        };
        format!("{reason}; {mend}")
    }

    /// `every 10 seconds`, `every hour`, `every 1h 30m`.
    pub(super) fn words(self) -> String {
        let mut left = self.0.as_nanos();
        let mut parts: Vec<(u128, &str, &str)> = Vec::new();
        let second = NANOS_PER_SECOND;
        let units = [
            (86_400 * second, "d", "day"),
            (3_600 * second, "h", "hour"),
            (60 * second, "m", "minute"),
            (second, "s", "second"),
            (1_000_000, "ms", "millisecond"),
            (1_000, "us", "microsecond"),
            (1, "ns", "nanosecond"),
        ];
        for (length, short, long) in units {
            let count = left / length;
            if count > 0 {
                parts.push((count, short, long));
                left %= length;
            }
        }
        if let [(count, _, long)] = parts.as_slice() {
            return if *count == 1 { format!("every {long}") } else { format!("every {count} {long}s") };
        }
        let parts: Vec<String> = parts.iter().map(|(count, short, _)| format!("{count}{short}")).collect();
        format!("every {}", parts.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn occurrences_are_whole_periods_after_the_anchor() {
        let every = Every::parse("90s").unwrap();
        let anchor = at("2026-01-01T00:00:07.5Z");
        assert_eq!(every.next_after(anchor, anchor), Some(at("2026-01-01T00:01:37.5Z")));
        assert_eq!(
            every.next_after(at("2026-01-01T00:01:37.5Z"), anchor),
            Some(at("2026-01-01T00:03:07.5Z"))
        );
        // Before the anchor nothing is due: the job was not there yet.
        assert_eq!(every.next_after(at("2020-01-01T00:00:00Z"), anchor), Some(at("2026-01-01T00:01:37.5Z")));
    }

    #[test]
    fn a_search_that_starts_again_in_the_middle_does_not_shift_the_occurrences() {
        let every = Every::parse("1h30m").unwrap();
        let anchor = at("2026-01-01T00:10:00Z");
        let steady = every.next_after(at("2026-03-01T12:00:00Z"), anchor).unwrap();
        for minute in 0..89 {
            let again = steady - Duration::from_secs(60 * minute + 1);
            assert_eq!(every.next_after(again, anchor), Some(steady));
        }
    }

    #[test]
    fn the_far_ends_of_time_give_an_answer_or_none() {
        let every = Every::parse("1w").unwrap();
        assert_eq!(every.next_after(Timestamp::MAX, Timestamp::MIN), None);
        assert_eq!(every.next_after(Timestamp::MAX, Timestamp::MAX), None);
        assert!(every.next_after(Timestamp::MIN, Timestamp::MIN).is_some());
        let ages = Every::parse("999999999999w").unwrap();
        assert_eq!(ages.next_after(Timestamp::MIN, Timestamp::MIN), None);
    }

    #[test]
    fn a_unit_is_required_and_a_second_is_the_least() {
        for (text, reason) in [
            ("", "not a duration"),
            ("90", "no unit"),
            ("0s", "shorter than a second"),
            ("999ms", "shorter than a second"),
            ("5M", "months or years"),
            ("1y", "months or years"),
            ("1H", "has the unit `H`"),
            ("5 parsecs", "has the unit `parsecs`"),
            ("1h5", "has no unit behind `5`"),
            ("-5s", "not a duration"),
            ("5µs", "not a duration"),
            ("99999999999999999999s", "not a duration"),
            ("18446744073709551615s 1000000000ns", "not a duration"),
        ] {
            let error = Every::parse(text).unwrap_err().to_string();
            assert!(error.contains(reason), "{text}: {error}");
            assert!(error.starts_with("@every: `"), "{error}");
            assert!(
                !error.contains("month") || reason.contains("month"),
                "what is refused is not offered: {error}"
            );
        }
        Every::parse("1500ms").unwrap();
    }

    #[test]
    fn words_name_one_unit_in_full_and_several_in_short() {
        for (text, words) in [
            ("10s", "every 10 seconds"),
            ("1h", "every hour"),
            ("90s", "every 1m 30s"),
            ("1h30m", "every 1h 30m"),
            ("1w", "every 7 days"),
            ("1500ms", "every 1s 500ms"),
        ] {
            assert_eq!(Every::parse(text).unwrap().words(), words);
        }
    }
}
