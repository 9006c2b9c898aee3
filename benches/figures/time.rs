//! What time itself costs: the timetable with a hundred thousand jobs, and a year of a thousand.

#[path = "../../integration/support/year.rs"]
mod year;

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;
use watchbell::{
    agent::timetable::Timetable,
    model::{
        job::{Environment, JobSpec, LocalSpec, Work},
        name::JobId,
        schedule::{Schedule, Zone},
    },
};

use crate::kit::{Failure, samples::Samples, table::Table};

const JOBS: u32 = 100_000;

pub fn measure(table: &mut Table) -> Result<(), Failure> {
    let jobs = (0..JOBS).map(job).collect::<Result<Vec<_>, _>>()?;
    let before = resident()?;
    let mut timetable = Timetable::default();
    let start = Timestamp::from_second(1_767_225_600)?;
    for job in &jobs {
        timetable.set(job, None, start);
    }
    let each = (resident()? - before) / f64::from(JOBS);
    table.beside("timetable_bytes_per_job", "timetable with 100000 jobs, memory of each", each, "B");
    table.beside(
        "due_job_us",
        "of them, a due job: taken, and put back in order",
        due(&mut timetable, start),
        "us",
    );
    for (key, schedule) in
        [("next_hourly_us", "0 * * * *"), ("next_daily_us", "30 2 * * *"), ("next_rare_us", "0 0 29 2 *")]
    {
        let what = format!("next occurrence of \"{schedule}\" in Europe/Berlin");
        table.beside(key, what, next(schedule, start)?, "us");
    }
    let began = Instant::now();
    let lived = year::live(1_000);
    let took = began.elapsed().as_secs_f64();
    let what = format!("a year of {} jobs, {} records", lived.jobs.len(), lived.count());
    table.figure("year_s", what, took, "s", 10.0);
    Ok(())
}

fn job(number: u32) -> Result<Arc<JobSpec>, Failure> {
    let schedule = format!("{} {} * * *", number % 60, number / 60 % 24);
    let argv = vec!["true".to_owned()];
    Ok(Arc::new(JobSpec::new(
        JobId::plain(&format!("job-{number:06}")),
        Schedule::parse(&schedule, &Zone::parse("Europe/Berlin")?)?,
        Work::Local(LocalSpec { argv, user: None, workdir: None, environment: Environment::default() }),
    )))
}

/// A day, minute by minute: every job is due once. The mean in microseconds.
fn due(timetable: &mut Timetable, start: Timestamp) -> f64 {
    let mut count = 0_u32;
    let began = Instant::now();
    for minute in 0..=24 * 60 {
        let now = start + SignedDuration::from_mins(minute);
        while timetable.pop(now).is_some() {
            count += 1;
        }
    }
    began.elapsed().as_secs_f64() * 1e6 / f64::from(count.max(1))
}

/// The median of many, in microseconds.
fn next(schedule: &str, start: Timestamp) -> Result<f64, Failure> {
    let schedule = Schedule::parse(schedule, &Zone::parse("Europe/Berlin")?)?;
    let mut times = Samples::default();
    let mut at = start;
    for _ in 0..200 {
        let began = Instant::now();
        // A rare one ends with the years that there are.
        let Some(next) = schedule.next_after(at, start) else { break };
        times.push(began.elapsed().as_secs_f64() * 1e6);
        at = next;
    }
    if at == start { Err("there is none".into()) } else { Ok(times.median()) }
}

/// Bytes of this process in memory.
fn resident() -> Result<f64, Failure> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<f64>()? * 1024.0)
}
