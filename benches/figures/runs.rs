//! What many runs leave in the agent's memory.

use std::{path::PathBuf, sync::Arc};

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
    sync::Semaphore,
    task::JoinSet,
    time::{Duration, Instant, sleep},
};

use crate::kit::{Failure, agent::Agent, table::Table};

const RUNS: u32 = 100_000;

/// So many clients ask for one run after the other, and so many may be under way or waiting: more than the agent carries
/// out at once, and no more. What waits is there to be kept, and is not what is measured.
const CLIENTS: u32 = 4;
const AT_ONCE: usize = 100;

/// 1 KB of output; without a shell, a run costs the machine little more than the agent's part of it.
pub(super) const FILE: &str =
    "[job-local \"small\"]\nschedule = @triggered\noverlap = allow\ncommand = head -c 1000 /dev/zero\n";

/// Until what starting up needs is given back or known to stay.
const SETTLE: Duration = Duration::from_secs(4);
const LIMIT: Duration = Duration::from_secs(600);

pub async fn measure(table: &mut Table) -> Result<(), Failure> {
    let mut agent = Agent::start(FILE, &[]).await?;
    sleep(SETTLE).await;
    let idle = agent.memory("VmRSS")?;
    let rate = rate(&mut agent, RUNS).await?;
    sleep(SETTLE).await;
    let grown = agent.memory("VmRSS")? - idle;
    let what = format!("growth of the agent's memory over {RUNS} runs");
    table.figure("runs_growth_mb", what, grown, "MB", 5.0);
    table.beside("runs_per_s", "runs of kind local asked for over HTTP, ended a second", rate, "");
    Ok(())
}

/// Has so many runs of the job `small` ended; the answer is how many did a second.
pub(super) async fn rate(agent: &mut Agent, runs: u32) -> Result<f64, Failure> {
    let (began, socket) = (Instant::now(), agent.directory().join("agent.sock"));
    let mut clients = JoinSet::new();
    let turns = Arc::new(Semaphore::new(AT_ONCE));
    for _ in 0..CLIENTS {
        clients.spawn(ask(socket.clone(), runs / CLIENTS, turns.clone()));
    }
    let mut ended = 0;
    while ended < runs {
        let left = LIMIT.saturating_sub(began.elapsed());
        let record = agent.record("run.finished", left, |_| true).await?;
        if record["outcome"] != "succeeded" {
            return Err(format!("a run went wrong: {record}").into());
        }
        ended += 1;
        turns.add_permits(1);
    }
    while let Some(client) = clients.join_next().await {
        client??;
    }
    Ok(f64::from(runs) / began.elapsed().as_secs_f64())
}

/// Asks for so many runs on one connection, each when the last was answered and there is a turn.
async fn ask(socket: PathBuf, runs: u32, turns: Arc<Semaphore>) -> Result<(), Failure> {
    let mut stream = UnixStream::connect(socket).await?;
    let mut answer = vec![0; 4_096];
    for _ in 0..runs {
        turns.acquire().await?.forget();
        stream
            .write_all(b"POST /api/jobs/small/run HTTP/1.1\r\nhost: agent\r\ncontent-length: 0\r\n\r\n")
            .await?;
        let mut got = 0;
        while whole(&answer[..got]).is_none() {
            match stream.read(&mut answer[got..]).await? {
                0 => return Err("the agent closed the connection".into()),
                more => got += more,
            }
        }
        if !answer.starts_with(b"HTTP/1.1 2") {
            return Err(format!("no run: {}", String::from_utf8_lossy(&answer[..got])).into());
        }
    }
    Ok(())
}

/// The body of an answer that has come whole: one JSON object.
fn whole(answer: &[u8]) -> Option<Value> {
    let head = answer.windows(4).position(|it| it == b"\r\n\r\n")?;
    serde_json::from_slice(&answer[head + 4..]).ok()
}
