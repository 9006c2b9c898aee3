//! A command that prints a lot.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use watchbell::time::Clock;

use crate::kit::{
    Failure,
    agent::Agent,
    bare::Bare,
    engine::{self, Worker},
    table::Table,
};

const MEGABYTES: u32 = 200;

/// 200 MB in lines of 100 bytes.
const COMMAND: &str = "yes 0123456789abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopq | head -c 200000000";

/// The same bytes through a bare client that throws them away, and through the agent, whose log is read.
pub async fn measure(worker: &Worker, table: &mut Table) -> Result<(), Failure> {
    let bare = Bare::at(&engine::host())?;
    let done = bare.exec(&worker.id, &["sh", "-c", COMMAND]).await?;
    if done.bytes < 200_000_000 {
        return Err(format!("the bare client read only {} bytes", done.bytes).into());
    }
    let by_bare = f64::from(MEGABYTES) / done.took.as_secs_f64();

    let file = loud(worker, "loud", COMMAND);
    let mut agent = Agent::start(&file, &[]).await?;
    sleep(Duration::from_secs(4)).await;
    let cpu = agent.cpu()?;
    let began = Instant::now();
    let record = agent.record("run.finished", Duration::from_secs(90), |it| it["job"] == "loud").await?;
    if record["outcome"] != "succeeded" {
        return Err(format!("the run went wrong after {:?}: {record}", began.elapsed()).into());
    }
    let lines = agent.output_lines();
    if lines < 2_000_000 - 100 {
        return Err(format!("only {lines} lines were logged").into());
    }
    let took = record["duration_seconds"].as_f64().ok_or("no duration")?;
    let by_agent = f64::from(MEGABYTES) / took;
    let spent = agent.cpu()? - cpu;
    table.beside("output_bare_mb_per_s", "200 MB of output, bare client, thrown away", by_bare, "MB/s");
    table.beside("output_agent_mb_per_s", "200 MB of output, logged by the agent", by_agent, "MB/s");
    table.beside("output_agent_cpu_s", "CPU of the agent for it", spent, "s");
    drop(agent);
    let grown = growth(worker, 1, 1_000).await?;
    table.figure("output_growth_mb", "memory during 1 GB of output, above idle", grown, "MB", 16.0);
    let grown = growth(worker, 20, 100).await?;
    table.beside("output_growth_20_mb", "the same during 20 runs at once of 100 MB each", grown, "MB");
    Ok(())
}

/// A job with one occurrence, soon, and none after it while this runs.
fn loud(worker: &Worker, name: &str, command: &str) -> String {
    let soon = (Clock::System.now() + Duration::from_secs(8)).to_zoned(jiff::tz::TimeZone::UTC);
    let schedule = soon.strftime("%S %M %H %d %m *");
    format!(
        "[job-exec \"{name}\"]\nschedule = {schedule}\ncontainer = {}\nshell = true\ncommand = {command}\n",
        worker.name
    )
}

/// The most memory above idle, in MB, while so many jobs print so many megabytes each, all at once.
async fn growth(worker: &Worker, jobs: u32, megabytes: u32) -> Result<f64, Failure> {
    let line = "y".repeat(999);
    let command = format!("yes {line} | head -c {megabytes}000000");
    let file: String = (0..jobs).map(|n| loud(worker, &format!("loud-{n}"), &command)).collect();
    let mut agent = Agent::start(&file, &[]).await?;
    sleep(Duration::from_secs(4)).await;
    let idle = agent.memory("VmRSS")?;
    for _ in 0..jobs {
        let record = agent.record("run.finished", Duration::from_secs(240), |_| true).await?;
        if record["outcome"] != "succeeded" {
            return Err(format!("a run went wrong: {record}").into());
        }
    }
    let lines = agent.output_lines();
    if lines < u64::from(jobs) * u64::from(megabytes) * 1_000 {
        return Err(format!("only {lines} lines were logged").into());
    }
    Ok(agent.memory("VmHWM")? - idle)
}
