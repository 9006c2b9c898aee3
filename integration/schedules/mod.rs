//! When jobs come: our answers beside those of an oracle, the nights on which clocks change, and what is refused.

pub mod expression;
mod named;
pub mod oracle;
mod refused;
mod triples;

use jiff::Timestamp;
use watchbell::model::schedule::{Schedule, Zone};

/// Whose schedules these are, for `H`.
const IDENTITY: &str = "shop.web.sync";

fn at(text: &str) -> Timestamp {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn schedule(text: &str, zone: &str) -> Schedule {
    Schedule::of_job(text, &Zone::parse(zone).unwrap(), IDENTITY)
        .unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// The first occurrences after a moment.
fn occurrences(schedule: &Schedule, after: Timestamp, count: usize) -> Vec<Timestamp> {
    std::iter::successors(schedule.next_after(after, after), |at| schedule.next_after(*at, after))
        .take(count)
        .collect()
}
