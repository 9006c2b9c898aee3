//! `next`: when a schedule comes.

use std::process::ExitCode;

use jiff::{Timestamp, civil};

use crate::{
    model::{
        name::JobId,
        schedule::{Schedule, Zone},
    },
    settings::{
        dialect::Dialect,
        resolve::{View, resolve},
    },
    telemetry::report::rfc3339,
    time::Clock,
};

use super::{
    Environment, Output, USAGE,
    args::{NextArgs, SettingFlags},
    load, print,
};

/// Prints the occurrences.
pub fn run(args: &NextArgs, environment: &Environment, clock: &Clock) -> ExitCode {
    match occurrences(args, environment, clock.now()) {
        Ok(Found { schedule, times, notes }) => {
            for note in &notes {
                print::complain(format_args!("watchbell: {note}"));
            }
            let zone = schedule.zone();
            let times: Vec<String> = times.iter().map(|at| rfc3339(*at, zone.time_zone())).collect();
            match args.output {
                Output::Text => times.iter().for_each(print::line),
                Output::Json => print::exactly(format_args!(
                    "{}\n",
                    serde_json::json!({
                        "schedule": schedule.text(),
                        "words": schedule.words(),
                        "timezone": zone.name(),
                        "occurrences": times,
                    })
                )),
            }
            ExitCode::SUCCESS
        }
        Err(Failure { reason, code }) => {
            print::complain(format_args!("watchbell: {reason}"));
            ExitCode::from(code)
        }
    }
}

struct Found {
    schedule: Schedule,
    times: Vec<Timestamp>,
    /// What is to be said beside them.
    notes: Vec<String>,
}

struct Failure {
    reason: String,
    code: u8,
}

fn usage(reason: String) -> Failure {
    Failure { reason, code: USAGE }
}

fn failed(reason: String) -> Failure {
    Failure { reason, code: 1 }
}

fn occurrences(args: &NextArgs, environment: &Environment, now: Timestamp) -> Result<Found, Failure> {
    let mut notes = Vec::new();
    let schedule = match &args.dialect {
        Some(name) => foreign(args, name, environment, &mut notes)?,
        None => ours(args, environment, now)?,
    };
    let from = match &args.from {
        Some(text) => moment(text, schedule.zone()).map_err(|reason| usage(format!("--from: {reason}")))?,
        None => now,
    };
    let times: Vec<Timestamp> =
        std::iter::successors(schedule.next_after(from, from), |at| schedule.next_after(*at, from))
            .take(args.count.into())
            .collect();
    if let Some(reason) = schedule.why_never(from) {
        return Err(failed(format!("\"{}\" never comes after {from}: {reason}", schedule.text())));
    }
    if times.is_empty() {
        notes.push(format!("\"{}\" comes at no moment of its own: {}", schedule.text(), schedule.words()));
    }
    Ok(Found { schedule, times, notes })
}

/// A job of the file, or a schedule as we write it.
fn ours(args: &NextArgs, environment: &Environment, now: Timestamp) -> Result<Schedule, Failure> {
    let flags = SettingFlags {
        config: args.config.clone(),
        timezone: args.timezone.clone(),
        ..SettingFlags::default()
    };
    let loaded = load::load(&flags, environment);
    let zone = zone(args, &loaded.sources.settings.timezone)?;
    let desired = resolve(&loaded.sources, View::FilesOnly, now);
    match desired.jobs.get(&JobId::plain(&args.what)) {
        Some(job) => Ok(job.spec.schedule.clone()),
        None => read(args, &args.what, &zone)
            .map_err(|error| failed(no_schedule(&args.what, &with_identity(args, error)))),
    }
}

/// A schedule as another tool writes it.
fn foreign(
    args: &NextArgs,
    dialect: &str,
    environment: &Environment,
    notes: &mut Vec<String>,
) -> Result<Schedule, Failure> {
    let dialects = Dialect::list(dialect).map_err(|reason| usage(format!("--dialect: {reason}")))?;
    let [dialect] = dialects[..] else { return Err(usage("--dialect: name one".to_owned())) };
    let (text, warning) = dialect.schedule(&args.what).map_err(failed)?;
    notes.extend(warning.map(str::to_owned));
    let flags = SettingFlags { timezone: args.timezone.clone(), ..SettingFlags::default() };
    let zone = zone(args, &load::load(&flags, environment).sources.settings.timezone)?;
    let schedule = read(args, &text, &zone).map_err(|error| failed(with_identity(args, error)))?;
    if schedule.text() != args.what.trim() {
        notes.push(format!("here it is \"{}\"", schedule.text()));
    }
    Ok(schedule)
}

fn zone(args: &NextArgs, usual: &Zone) -> Result<Zone, Failure> {
    match &args.timezone {
        Some(name) => Zone::parse(name).map_err(|error| usage(format!("--timezone: {error}"))),
        None => Ok(usual.clone()),
    }
}

fn read(args: &NextArgs, text: &str, zone: &Zone) -> Result<Schedule, String> {
    let schedule = match &args.identity {
        Some(identity) => Schedule::of_job(text, zone, identity),
        None => Schedule::parse(text, zone),
    };
    schedule.map_err(|error| error.to_string())
}

/// Without a job `H` has no value, and here one can be named.
fn with_identity(args: &NextArgs, error: String) -> String {
    let hashed = args.identity.is_none() && error.contains("the name of a job");
    if hashed { format!("{error}, or name the job with --identity") } else { error }
}

/// One word may have been meant as a job's name.
fn no_schedule(what: &str, error: &str) -> String {
    match JobId::parse(what) {
        Ok(job) => format!("there is no job {job} in the file, and as a schedule: {error}"),
        Err(_) => error.to_owned(),
    }
}

/// RFC 3339 with offset, or a local time of the schedule's zone.
pub(super) fn moment(text: &str, zone: &Zone) -> Result<Timestamp, String> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(at);
    }
    let local: civil::DateTime = text.parse().map_err(|_| {
        format!("\"{text}\" is no time: write 2026-03-29T00:00:00 or 2026-03-29T00:00:00+01:00")
    })?;
    let zoned = local.to_zoned(zone.time_zone().clone()).map_err(|error| error.to_string())?;
    Ok(zoned.timestamp())
}
