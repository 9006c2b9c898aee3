//! What is remembered of a job while the agent does not run.

use jiff::{SignedDuration, Timestamp};

use super::{schedule::Schedule, spread};

/// What is remembered of a later moment than this from now is not believed: the clock was wrong then, or is now, and
/// a clock that was wrong must not silence a job for ever.
pub const TRUST_LIMIT: SignedDuration = SignedDuration::from_hours(24);

/// What is remembered of one job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// When the job was first seen: `@every` counts from there.
    pub anchor: Timestamp,
    /// The [`fingerprint`] of the schedule that it had.
    pub schedule: u64,
    /// Everything up to here was dealt with.
    pub seen: Timestamp,
    /// Since then the job was disabled or nobody defined it: nothing was due.
    pub idle: bool,
    /// What happened to it, and what an operator wants of it.
    pub marks: Marks,
}

/// What is remembered of a job whatever becomes of its schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Marks {
    /// When its last run began. These moments and those of the other jobs are in the order in which things happened,
    /// whatever was done to the clock meanwhile.
    pub ran: Option<Timestamp>,
    /// When its last success was seen.
    pub succeeded: Option<Timestamp>,
    /// Whether an operator paused it.
    pub paused: Option<Pause>,
}

/// A pause of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pause {
    /// Its end; `None` is when an operator says so.
    pub until: Option<Timestamp>,
}

/// A number that stands for a schedule and its zone: two that differ have different ones. White space is no difference.
pub fn fingerprint(schedule: &Schedule) -> u64 {
    let text = schedule.text().split_whitespace().collect::<Vec<_>>().join(" ");
    spread::hash(&[text.as_bytes(), schedule.zone().name().as_bytes()])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::schedule::Zone;

    #[test]
    fn a_schedule_that_differs_in_white_space_only_is_the_same() {
        let [one, spaced, other] = ["TZ=UTC 0 3 * * *", " TZ=UTC\t0  3 * * * ", "TZ=UTC 0 3 * * 1"]
            .map(|text| Schedule::parse(text, &Zone::utc()).unwrap());
        assert_eq!((&one, fingerprint(&one)), (&spaced, fingerprint(&spaced)));
        assert!(one != other && fingerprint(&one) != fingerprint(&other));
    }
}
