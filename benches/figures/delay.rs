//! How long after its due moment a run begins, with many jobs live.

use std::{fmt::Write as _, time::Duration};

use jiff::Timestamp;
use serde_json::Value;
use tokio::time::sleep;
use watchbell::time::{Alarm, Clock};

use super::idle_jobs;
use crate::kit::{Failure, agent::Agent, engine::Worker, samples::Samples, table::Table};

const JOBS: usize = 10_000;
const DUE: usize = 4;
const SECONDS: usize = 40;

/// [`DUE`] jobs are due each second, as is usual of jobs of a minute; the others never.
pub async fn measure(worker: &Worker, table: &mut Table) -> Result<(), Failure> {
    let mut file = idle_jobs(JOBS - DUE);
    for job in 0..DUE {
        let _ = writeln!(
            file,
            "[job-exec \"due-{job}\"]\nschedule = @every 1s\ncommand = true\ncontainer = {}",
            worker.name
        );
    }
    let mut agent = Agent::start(&file, &[]).await?;
    // What starting up leaves to be done is not what is asked here.
    sleep(Duration::from_secs(3)).await;
    agent.forget();
    // The Engine may have labelled containers of someone else.
    let ours = |it: &Value| it["job"].as_str().is_some_and(|job| job.starts_with("due-"));
    let mut delays = Samples::default();
    // How late the machine itself is meanwhile: other work on it makes every process wait its turn.
    let mut alarm = Alarm::new(Clock::System);
    let mut alone = Samples::default();
    for _ in 0..SECONDS {
        let now = Clock::System.now();
        let due = Timestamp::from_second(now.as_second() + 1)?;
        while Clock::System.now() < due {
            alarm.until(Some(due)).await;
        }
        alone.push(Clock::System.now().duration_since(due).as_secs_f64());
        for _ in 0..DUE {
            let record = agent.record("run.started", Duration::from_secs(5), ours).await?;
            delays.push(record["start_delay_seconds"].as_f64().ok_or("no delay")?);
        }
    }
    table.beside("timer_p50_ms", "a bare timer in the same seconds, p50", alone.median() * 1e3, "ms");
    table.beside("timer_p99_ms", "a bare timer in the same seconds, p99", alone.p99() * 1e3, "ms");
    let what = format!("start delay with {JOBS} jobs live");
    table.beside(
        "start_delay_p50_ms",
        format!("{what}, p50 of {}", delays.len()),
        delays.median() * 1e3,
        "ms",
    );
    table.figure("start_delay_p99_ms", format!("{what}, p99"), delays.p99() * 1e3, "ms", 2.0);
    Ok(())
}
