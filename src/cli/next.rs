//! `next`: when a schedule comes.

use std::process::ExitCode;

use jiff::Timestamp;

use crate::{
    model::{
        diagnostic::{Diagnostic, Severity},
        name::JobId,
        schedule::{Schedule, Zone},
    },
    settings::{
        dialect::Dialect,
        resolve::{Sources, View, resolve},
    },
    telemetry::report::rfc3339,
    time::Clock,
};

use super::{
    Environment, Output, USAGE,
    args::{NextArgs, SettingFlags},
    load,
    moment::moment,
    print,
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
                Output::Json => print::json(serde_json::json!({
                    "schedule": schedule.text(),
                    "words": schedule.words(),
                    "timezone": zone.name(),
                    "occurrences": times,
                })),
            }
            ExitCode::SUCCESS
        }
        Err(Failure { reasons, code }) => {
            for reason in &reasons {
                print::complain(format_args!("watchbell: {reason}"));
            }
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
    reasons: Vec<String>,
    code: u8,
}

fn usage(reason: String) -> Failure {
    Failure { reasons: vec![reason], code: USAGE }
}

fn failed(reason: String) -> Failure {
    Failure { reasons: vec![reason], code: 1 }
}

fn occurrences(args: &NextArgs, environment: &Environment, now: Timestamp) -> Result<Found, Failure> {
    let mut notes = Vec::new();
    let schedule = match &args.dialect {
        Some(name) => foreign(args, name, environment, &mut notes)?,
        None => ours(args, environment, now)?,
    };
    let from = match &args.from {
        Some(text) => {
            let read = moment(text, schedule.zone()).map_err(|reason| usage(format!("--from: {reason}")))?;
            notes.extend(read.note.map(|note| format!("--from: {note}")));
            read.at
        }
        None => now,
    };
    let times: Vec<Timestamp> =
        std::iter::successors(schedule.next_after(from, from), |at| schedule.next_after(*at, from))
            .take(args.count.into())
            .collect();
    if let Some(reason) = schedule.why_never(from) {
        return Err(failed(format!("\"{}\" never comes after {from}: {reason}", schedule.text())));
    }
    notes.extend(doubts(args, &schedule));
    if times.is_empty() {
        notes.push(format!("\"{}\" comes at no moment of its own: {}", schedule.text(), schedule.words()));
    }
    Ok(Found { schedule, times, notes })
}

/// Why the answer may not be what was asked for.
fn doubts(args: &NextArgs, schedule: &Schedule) -> Vec<String> {
    let mut doubts = Vec::new();
    if schedule.is_anchored() {
        doubts.push(
            "@every counts from --from here, and in the agent from when it first saw the job".to_owned(),
        );
    }
    let named = args.timezone.as_ref().and_then(|name| Zone::parse(name).ok());
    if let Some(named) = named.filter(|named| schedule.names_zone() && !schedule.zone().agrees_with(named)) {
        let (there, here) = (schedule.zone().name(), named.name());
        doubts.push(format!(
            "its prefix says {there}, which counts, and --timezone says {here}: remove one of them"
        ));
    }
    doubts
}

/// A job of the file, or a schedule as we write it.
fn ours(args: &NextArgs, environment: &Environment, now: Timestamp) -> Result<Schedule, Failure> {
    let (sources, zone) = settings(args, environment)?;
    let desired = resolve(&sources, View::FilesOnly, now);
    let job = JobId::plain(&args.what);
    if let Some(found) = desired.jobs.get(&job) {
        in_force(&sources, args.timezone.is_some())?;
        return Ok(found.spec.schedule.clone());
    }
    let rejected = desired.diagnostics.iter().filter(|it| it.rejects && it.job.as_ref() == Some(&job));
    told(rejected.cloned())?;
    match read(args, &args.what, &zone) {
        Ok(schedule) => {
            let known = schedule.names_zone() || args.timezone.is_some();
            if known { Ok(schedule) } else { in_force(&sources, false).map(|()| schedule) }
        }
        Err(error) => {
            // The job may stand in what could not be read.
            in_force(&sources, true)?;
            Err(failed(no_schedule(&args.what, &with_identity(args, error))))
        }
    }
}

/// What is written in files and settings, and the zone of a schedule that names none.
fn settings(args: &NextArgs, environment: &Environment) -> Result<(Sources, Zone), Failure> {
    let flags = SettingFlags {
        config: args.config.clone(),
        timezone: args.timezone.clone(),
        ..SettingFlags::default()
    };
    let sources = load::load(&flags, environment).sources;
    let zone = match &args.timezone {
        Some(name) => Zone::parse(name).map_err(|error| usage(format!("--timezone: {error}")))?,
        None => sources.settings.timezone.clone(),
    };
    Ok((sources, zone))
}

/// Fails where a file, or the zone unless it is `known` without, is not as it was written: the agent would not start.
fn in_force(sources: &Sources, known: bool) -> Result<(), Failure> {
    let zone = if known { Vec::new() } else { sources.mistakes_of("timezone", "TZ") };
    let broken = sources.diagnostics.iter().chain(&sources.file.broken).cloned();
    told(broken.chain(zone).filter(|it| it.severity == Severity::Error))
}

/// Fails with these, if there are any.
fn told(mistakes: impl Iterator<Item = Diagnostic>) -> Result<(), Failure> {
    let reasons: Vec<String> = mistakes.map(|it| format!("{}: {}", it.origin, it.reason)).collect();
    if reasons.is_empty() { Ok(()) } else { Err(Failure { reasons, code: 1 }) }
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
    let (sources, zone) = settings(args, environment)?;
    let schedule = read(args, &text, &zone).map_err(|error| failed(with_identity(args, error)))?;
    if !schedule.names_zone() && args.timezone.is_none() {
        in_force(&sources, false)?;
    }
    if schedule.text() != args.what.trim() {
        notes.push(format!("here it is \"{}\"", schedule.text()));
    }
    Ok(schedule)
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
