//! `next`: when a schedule comes.

use std::process::ExitCode;

use jiff::{Timestamp, civil};

use crate::{
    model::{
        name::JobId,
        schedule::{Schedule, Zone},
    },
    settings::resolve::{View, resolve},
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
        Ok((schedule, times)) => {
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

struct Failure {
    reason: String,
    code: u8,
}

fn occurrences(
    args: &NextArgs,
    environment: &Environment,
    now: Timestamp,
) -> Result<(Schedule, Vec<Timestamp>), Failure> {
    let usage = |reason: String| Failure { reason, code: USAGE };
    let flags = SettingFlags {
        config: args.config.clone(),
        timezone: args.timezone.clone(),
        ..SettingFlags::default()
    };
    let loaded = load::load(&flags, environment);
    let zone = match &args.timezone {
        Some(name) => Zone::parse(name).map_err(|error| usage(format!("--timezone: {error}")))?,
        None => loaded.sources.settings.timezone.clone(),
    };
    let desired = resolve(&loaded.sources, View::FilesOnly, now);
    let schedule = match desired.jobs.get(&JobId::plain(&args.what)) {
        Some(job) => job.spec.schedule.clone(),
        None => Schedule::parse(&args.what, &zone)
            .map_err(|error| Failure { reason: no_schedule(&args.what, &error.to_string()), code: 1 })?,
    };
    let from = match &args.from {
        Some(text) => moment(text, schedule.zone()).map_err(|reason| usage(format!("--from: {reason}")))?,
        None => now,
    };
    let times: Vec<Timestamp> =
        std::iter::successors(schedule.next_after(from, from), |at| schedule.next_after(*at, from))
            .take(args.count.into())
            .collect();
    if times.is_empty() {
        return Err(Failure { reason: format!("\"{}\" never comes after {from}", schedule.text()), code: 1 });
    }
    Ok((schedule, times))
}

/// One word may have been meant as a job's name.
fn no_schedule(what: &str, error: &str) -> String {
    match JobId::parse(what) {
        Ok(job) => format!("there is no job {job} in the file, and as a schedule: {error}"),
        Err(_) => error.to_owned(),
    }
}

/// RFC 3339 with offset, or a local time of the schedule's zone.
fn moment(text: &str, zone: &Zone) -> Result<Timestamp, String> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(at);
    }
    let local: civil::DateTime = text.parse().map_err(|_| {
        format!("\"{text}\" is no time: write 2026-03-29T00:00:00 or 2026-03-29T00:00:00+01:00")
    })?;
    let zoned = local.to_zoned(zone.time_zone().clone()).map_err(|error| error.to_string())?;
    Ok(zoned.timestamp())
}
