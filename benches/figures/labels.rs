//! How soon a labelled container that starts has its job, and one that goes has none.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use tokio::time::{sleep, timeout};

use crate::kit::{
    Failure,
    agent::Agent,
    engine::{Events, Worker},
    samples::Samples,
    table::Table,
};

const CONTAINERS: usize = 20;
const LIMIT: Duration = Duration::from_secs(10);

/// From the Engine's event to the agent's record, both by the same machine's clock.
pub async fn measure(table: &mut Table) -> Result<(), Failure> {
    let mut agent = Agent::start("", &[]).await?;
    let mut events = Events::follow()?;
    // Until the client listens.
    sleep(Duration::from_secs(1)).await;
    let (mut added, mut removed) = (Samples::default(), Samples::default());
    for number in 0..CONTAINERS {
        let name = format!("watchbell-bench-{}-{number}", std::process::id());
        let labels = ["enabled=true", "job-exec.it.schedule=@hourly", "job-exec.it.command=true"]
            .map(|it| format!("watchbell.{it}"));
        let job = format!("{name}.it");
        // One container at a time is what is asked: a burst is answered in fewer lists, and later.
        sleep(Duration::from_millis(1_200)).await;
        let container = Worker::labelled(&name, &labels).await?;
        let started = timeout(LIMIT, events.moment("start", &name)).await??;
        added.push(moment(&agent.record("job.added", LIMIT, |it| it["job"] == job).await?)? - started);
        container.remove().await?;
        let destroyed = timeout(LIMIT, events.moment("destroy", &name)).await??;
        removed.push(moment(&agent.record("job.removed", LIMIT, |it| it["job"] == job).await?)? - destroyed);
    }
    for (keys, what, samples) in [
        (("label_to_job_p50_ms", "label_to_job_p99_ms"), "container started to job added", added),
        (("gone_to_no_job_p50_ms", "gone_to_no_job_p99_ms"), "container gone to job removed", removed),
    ] {
        table.beside(keys.0, format!("{what}, p50 of {CONTAINERS}"), samples.median() * 1e3, "ms");
        table.figure(keys.1, format!("{what}, p99"), samples.p99() * 1e3, "ms", 100.0);
    }
    Ok(())
}

/// When a record was made, in seconds since 1970.
fn moment(record: &Value) -> Result<f64, Failure> {
    let at: Timestamp = record["timestamp"].as_str().ok_or("no timestamp")?.parse()?;
    Ok(at.duration_since(Timestamp::UNIX_EPOCH).as_secs_f64())
}
