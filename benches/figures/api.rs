//! How long the agent takes to answer, with many jobs.

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::UnixStream,
    task::JoinSet,
    time::{Duration, Instant, timeout},
};
use watchbell::time::Clock;

use super::idle_jobs;
use crate::kit::{Failure, agent::Agent, samples::Samples, table::Table};

const JOBS: usize = 10_000;
const FEW: usize = 10;
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
    drop(agent);
    let few = Agent::start(&idle_jobs(FEW), &[]).await?;
    let alone = median(&few, "/api/jobs/idle-7").await?;
    let what = format!("the same over GET /api/jobs/{{name}} among {FEW} jobs");
    table.figure("api_job_growth_ratio", what, one / alone, "", 2.0);
    drop(few);
    for (key, followers, reach) in [("follow_p99_ms", 1, Some(100.0)), ("follow_50_p99_ms", 50, None)] {
        let late = lateness(followers).await?.p99();
        let what = format!("a line printed to its arrival at one of {followers} who follow, 99th percentile");
        match reach {
            Some(reach) => table.figure(key, what, late, "ms", reach),
            None => table.beside(key, what, late, "ms"),
        }
    }
    Ok(())
}

/// Each line is the moment at which it was printed, in nanoseconds.
const PRINTS: &str = "[job-local \"tells\"]\nschedule = @triggered\nshell = true\n\
                      command = for i in $$(seq 200); do date +%s%N; sleep 0.02; done\n";

/// How late those who follow a run see its lines, in milliseconds.
async fn lateness(followers: usize) -> Result<Samples, Failure> {
    let mut agent = Agent::start(PRINTS, &[]).await?;
    let socket = agent.directory().join("agent.sock");
    let begun: Value = {
        let mut stream = UnixStream::connect(&socket).await?;
        stream
            .write_all(b"POST /api/jobs/tells/run HTTP/1.0\r\nhost: agent\r\ncontent-length: 0\r\n\r\n")
            .await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        serde_json::from_str(answer.split_once("\r\n\r\n").ok_or("no answer")?.1)?
    };
    let path = format!("/api/runs/{}/output?follow=true", begun["run"].as_str().ok_or("no run")?);
    let mut all = JoinSet::new();
    for _ in 0..followers {
        let (socket, path) = (socket.clone(), path.clone());
        all.spawn(async move {
            let mut stream = UnixStream::connect(&socket).await?;
            stream.write_all(format!("GET {path} HTTP/1.0\r\nhost: agent\r\n\r\n").as_bytes()).await?;
            let mut lines = BufReader::new(stream).lines();
            let mut late = Vec::new();
            while let Some(line) = lines.next_line().await? {
                let Some(Ok(event)) = line.strip_prefix("data: ").map(serde_json::from_str::<Value>) else {
                    continue;
                };
                let now = Clock::System.now().as_nanosecond();
                // What had been printed before it followed came late for another reason.
                for printed in event["text"].as_str().unwrap_or_default().lines().rev().take(1) {
                    let printed: i128 = printed.parse()?;
                    #[expect(clippy::cast_precision_loss, reason = "it is a figure")]
                    late.push((now - printed) as f64 / 1e6);
                }
            }
            Ok::<_, Failure>(late)
        });
    }
    let record = agent.record("run.finished", Duration::from_secs(60), |_| true).await?;
    if record["outcome"] != "succeeded" {
        return Err(format!("the run went wrong: {record}").into());
    }
    let mut samples = Samples::default();
    while let Some(late) = timeout(Duration::from_secs(10), all.join_next()).await? {
        // The first is what there was already.
        late??.into_iter().skip(1).for_each(|it| samples.push(it));
    }
    if samples.len() < followers * 100 {
        return Err(format!("only {} lines were followed", samples.len()).into());
    }
    Ok(samples)
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
