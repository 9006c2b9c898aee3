//! How long the agent takes to answer, with many jobs.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
    time::Instant,
};

use super::idle_jobs;
use crate::kit::{Failure, agent::Agent, samples::Samples, table::Table};

const JOBS: usize = 10_000;
const TIMES: usize = 100;

pub async fn measure(table: &mut Table) -> Result<(), Failure> {
    let agent = Agent::start(&idle_jobs(JOBS), &[]).await?;
    let first = median(&agent, "/api/jobs").await?;
    let what = format!("GET /api/jobs with {JOBS} jobs");
    table.figure("api_jobs_page_ms", format!("{what}, first page"), first, "ms", 20.0);
    let found = median(&agent, "/api/jobs?name=idle-99&state=enabled").await?;
    table.beside("api_jobs_found_ms", format!("{what}, by name and state"), found, "ms");
    let one = median(&agent, "/api/jobs/idle-77").await?;
    table.beside("api_job_ms", "GET /api/jobs/{name} among them", one, "ms");
    Ok(())
}

/// In milliseconds, the connection included.
async fn median(agent: &Agent, path: &str) -> Result<f64, Failure> {
    let mut samples = Samples::default();
    for _ in 0..TIMES {
        let since = Instant::now();
        let mut stream = UnixStream::connect(agent.directory().join("agent.sock")).await?;
        stream.write_all(format!("GET {path} HTTP/1.0\r\nhost: agent\r\n\r\n").as_bytes()).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        samples.push(since.elapsed().as_secs_f64() * 1e3);
        if !answer.starts_with(b"HTTP/1.0 200") && !answer.starts_with(b"HTTP/1.1 200") {
            return Err(format!("{path}: {}", String::from_utf8_lossy(&answer)).into());
        }
    }
    Ok(samples.median())
}
