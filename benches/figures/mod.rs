//! One file for each group of figures.

mod api;
mod delay;
mod exec;
mod history;
mod labels;
mod notify;
mod output;
mod pure;
mod resident;
mod runs;
mod schedules;
mod time;

use crate::kit::{Failure, engine::Worker, table::Table};

/// Measures one group. `worker` is a container of the real Engine, if there is one.
pub async fn group(name: &str, worker: Option<&Worker>, table: &mut Table) -> Result<(), Failure> {
    if name == "pure" {
        return pure::measure(table);
    }
    if name == "schedules" {
        return schedules::measure(table);
    }
    if name == "time" {
        return time::measure(table);
    }
    if name == "history" {
        return history::measure(table).await;
    }
    let worker = worker.ok_or("it needs an Engine")?;
    match name {
        "exec" => exec::measure(worker, table).await,
        "delay" => delay::measure(worker, table).await,
        "labels" => labels::measure(table).await,
        "api" => api::measure(table).await,
        "runs" => runs::measure(table).await,
        "notify" => notify::measure(table).await,
        "resident" => resident::measure(table).await,
        "output" => output::measure(worker, table).await,
        _ => Err("there is no such group".into()),
    }
}

/// A file with jobs that are not due while this runs.
pub fn idle_jobs(count: usize) -> String {
    use std::fmt::Write as _;

    let mut file = String::new();
    for job in 0..count {
        let (minute, hour) = (job % 60, job / 60 % 24);
        let _ = writeln!(
            file,
            "[job-local \"idle-{job}\"]\nschedule = {minute} {hour} 29 2 *\ncommand = echo {job} of many"
        );
    }
    file
}
