//! What schedules take: to be refused, and to say when they come next.

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;
use watchbell::model::schedule::{Schedule, Zone};

use crate::kit::{Failure, samples::Samples, table::Table};

/// The lists that the tests refuse.
const REFUSED: [&str; 2] = [
    include_str!("../../integration/schedules/malformed.txt"),
    include_str!("../../integration/schedules/never.txt"),
];

/// Schedules that search little and much.
const USUAL: [&str; 5] = ["*/5 * * * *", "0 3 * * 1-5", "0 0 L-3 * *", "0 0 29 2 MON#5", "0,30 2 * * *"];

/// Schedules whose days are seldom: the search goes through years and centuries.
const RARE: [&str; 5] =
    ["0 0 29 2 MON#5", "0 0 */28 2 SUN#5", "* * * */29 2 MON", "0 0 0 1 1 * 2199", "* * 1 1 1 SUN 2190/7"];

pub fn measure(table: &mut Table) -> Result<(), Failure> {
    let zone = Zone::parse("Europe/Berlin")?;
    // The moment at which the lists were written: what had passed by then never comes.
    let now: Timestamp = "2026-11-22T12:00:00Z".parse()?;
    let (mut worst, mut text) = (0.0_f64, "");
    let lines = REFUSED.iter().flat_map(|list| list.lines()).filter(|line| !line.starts_with("##"));
    for expression in lines.filter_map(|line| line.split(" | ").next()) {
        let began = Instant::now();
        let refused = Schedule::of_job(expression, &zone, "job").map(|schedule| schedule.why_never(now));
        let took = began.elapsed().as_secs_f64();
        if matches!(refused, Ok(None)) {
            return Err(format!("{expression} is taken").into());
        }
        if took > worst {
            (worst, text) = (took, expression);
        }
    }
    table.figure(
        "refused_worst_ms",
        format!("a wrong schedule refused, the slowest ({text})"),
        worst * 1e3,
        "ms",
        50.0,
    );
    let (worst, text) = rare(&zone, now)?;
    table.figure(
        "rare_worst_ms",
        format!("a schedule read and its rare day found, the slowest ({text})"),
        worst * 1e3,
        "ms",
        50.0,
    );
    table.beside(
        "next_occurrence_us",
        "the next occurrence of a schedule, median",
        next(&zone, now)? * 1e6,
        "us",
    );
    Ok(())
}

/// Seconds for the slowest of the rare ones, and which that is.
fn rare(zone: &Zone, now: Timestamp) -> Result<(f64, &'static str), Failure> {
    let mut worst = (0.0, "");
    for text in RARE {
        let began = Instant::now();
        Schedule::parse(text, zone)?.next_after(now, now).ok_or_else(|| format!("{text} never comes"))?;
        let took = began.elapsed().as_secs_f64();
        if took > worst.0 {
            worst = (took, text);
        }
    }
    Ok(worst)
}

/// Seconds for one, as the timetable asks for it: each after the one before.
fn next(zone: &Zone, now: Timestamp) -> Result<f64, Failure> {
    let mut times = Samples::default();
    for text in USUAL {
        let schedule = Schedule::parse(text, zone)?;
        for start in 0..200 {
            let mut at = now + SignedDuration::from_hours(24 * start);
            let began = Instant::now();
            for _ in 0..5 {
                at = schedule.next_after(at, now).ok_or("it ends")?;
            }
            times.push(began.elapsed().as_secs_f64() / 5.0);
        }
    }
    Ok(times.median())
}
