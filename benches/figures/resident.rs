//! What an agent with nothing to do takes of the machine, and the image.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::idle_jobs;
use crate::kit::{Failure, agent::Agent, engine::docker, table::Table};

/// Until what starting up needs is given back or known to stay.
const SETTLE: Duration = Duration::from_secs(4);

/// Longer than the time between two of the agent's own looks at the Engine.
const WATCHED: Duration = Duration::from_secs(70);

pub async fn measure(table: &mut Table) -> Result<(), Failure> {
    for (key, jobs, reach) in [
        ("rss_0_jobs_mb", 0, None),
        ("rss_100_jobs_mb", 100, Some(12.0)),
        ("rss_10000_jobs_mb", 10_000, Some(40.0)),
    ] {
        let agent = Agent::start(&idle_jobs(jobs), &[]).await?;
        sleep(SETTLE).await;
        let resident = agent.memory("VmRSS")?;
        let what = format!("resident memory, idle with {jobs} jobs");
        match reach {
            Some(reach) => table.figure(key, what, resident, "MB", reach),
            None => table.beside(key, what, resident, "MB"),
        }
    }
    let agent = Agent::start(&idle_jobs(1_000), &[]).await?;
    sleep(SETTLE).await;
    let (before, since) = (agent.cpu()?, Instant::now());
    sleep(WATCHED).await;
    let part = (agent.cpu()? - before) / since.elapsed().as_secs_f64() * 100.0;
    table.figure("idle_cpu_percent", "CPU with 1000 jobs not due", part, "% of a core", 0.1);
    match docker(&["image", "inspect", "--format", "{{.Size}}", "watchbell:latest"]).await {
        Ok(size) => {
            let size = size.parse::<f64>()? / 1e6;
            table.figure("image_mb", "image watchbell:latest", size, "MB", 12.0);
        }
        Err(_) => table.note("image: there is no watchbell:latest; make image".to_owned()),
    }
    Ok(())
}
