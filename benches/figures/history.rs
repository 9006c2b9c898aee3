//! What keeping every run costs: the wait for a row, the size of the file, and the memory of many runs and much output.

use std::{path::Path, time::Duration};

use jiff::Timestamp;
use tokio::{task::JoinSet, time::Instant};
use watchbell::{
    history::{self, Opened, keeper::Keeper},
    model::{
        job::Retention,
        name::{JobId, JobKind},
        run::{Admitted, Item, Outcome, Printed, RunId, RunRecord, Stream, Trigger, WorkHandle},
    },
    time::Clock,
};

use crate::kit::{Failure, samples::Samples, table::Table};

const ROUNDS: u32 = 2_000;
const MANY: u32 = 100_000;
const PATIENCE: Duration = Duration::from_secs(10);

pub async fn measure(table: &mut Table) -> Result<(), Failure> {
    let folder = std::env::temp_dir().join(format!("watchbell-bench-{}", std::process::id()));
    let done = in_folder(&folder, table).await;
    std::fs::remove_dir_all(&folder)?;
    done
}

async fn in_folder(folder: &Path, table: &mut Table) -> Result<(), Failure> {
    let most = 16 << 20;
    let Opened { keeper, writer, .. } = history::open(folder, most, Clock::System);
    let mut writers = JoinSet::new();
    writers.spawn(writer.run());
    wait(&keeper, table).await;
    let before = resident()?;
    for n in ROUNDS..ROUNDS + MANY {
        one(&keeper, n).await;
    }
    keeper.keep([]).within(PATIENCE).await;
    table.figure(
        "history_growth_mb",
        "growth of memory over 100000 short runs",
        resident()? - before,
        "MB",
        5.0,
    );
    let before = resident()?;
    flood(&keeper).await?;
    table.figure(
        "history_flood_mb",
        "memory of 20 runs printing 1 GB each",
        resident()? - before,
        "MB",
        16.0,
    );
    keeper.close();
    while writers.join_next().await.is_some() {}
    let size = std::fs::metadata(folder.join("watchbell.db"))?.len();
    #[expect(clippy::cast_precision_loss, reason = "it is a figure")]
    let part = size as f64 / most as f64;
    table.figure("history_size_ratio", "size of the file over its cap of 16 MiB", part, "", 1.1);
    Ok(())
}

/// How long a run waits for its row.
async fn wait(keeper: &Keeper, table: &mut Table) {
    let mut samples = Samples::default();
    for n in 0..ROUNDS {
        let began = Instant::now();
        keeper.keep([Item::Begins(admitted(n))]).within(PATIENCE).await;
        samples.push(began.elapsed().as_secs_f64() * 1e3);
        one(keeper, n).await;
    }
    table.beside("history_wait_ms", "a run waits for its row, median", samples.median(), "ms");
    table.beside("history_wait_p99_ms", "the same, 99th percentile", samples.p99(), "ms");
}

/// A run that prints 1 KB.
async fn one(keeper: &Keeper, n: u32) {
    let mut recorder = keeper.recorder(id(n), 1 << 20);
    recorder.settle(keeper.keep([Item::Begins(admitted(n))])).await;
    let handle = WorkHandle::Exec { exec: "e".repeat(64), container: "c".repeat(64) };
    recorder.settle(recorder.attempt_started(1, Timestamp::UNIX_EPOCH, handle)).await;
    recorder.tap().put(Stream::Stdout, &line(n).repeat(16));
    recorder.attempt_ended(1, Timestamp::UNIX_EPOCH, Outcome::Succeeded { exit_code: Some(0) });
    let record = RunRecord { printed: recorder.printed(), ..record(n) };
    keeper.keep([Item::Ended(record, Some(Retention { runs: Some(1_000), age: None }))]);
}

/// Twenty runs that print as fast as they can.
async fn flood(keeper: &Keeper) -> Result<(), Failure> {
    let mut runs = JoinSet::new();
    for n in 0..20 {
        let keeper = keeper.clone();
        runs.spawn(async move {
            let n = 1_000_000 + n;
            let mut recorder = keeper.recorder(id(n), 1 << 20);
            recorder.settle(keeper.keep([Item::Begins(admitted(n))])).await;
            let tap = recorder.tap();
            let chunk = line(n).repeat(512);
            for _ in 0..(1 << 30) / chunk.len() {
                tap.put(Stream::Stdout, &chunk);
                tokio::task::yield_now().await;
            }
            let record = RunRecord { printed: recorder.printed(), ..record(n) };
            keeper.keep([Item::Ended(record, None)]);
        });
    }
    while let Some(run) = runs.join_next().await {
        run?;
    }
    keeper.keep([]).within(PATIENCE).await;
    Ok(())
}

/// 64 bytes.
fn line(n: u32) -> Vec<u8> {
    format!("2026-11-22T08:48:21Z INFO  imported row {n:010} of customers.csv\n").into_bytes()
}

fn id(n: u32) -> RunId {
    RunId(format!("01{n:024}").into())
}

fn admitted(n: u32) -> Admitted {
    let at = Timestamp::from_second(n.into()).unwrap_or_default();
    let (job, kind) = (JobId::plain(&format!("job-{}", n % 50)), JobKind::Exec);
    let trigger = Trigger::Schedule;
    Admitted {
        run: id(n),
        job,
        kind,
        trigger,
        occurrence: at,
        fires: at,
        admitted: at,
        container: None,
        terms: None,
    }
}

fn record(n: u32) -> RunRecord {
    let Admitted { run, job, kind, trigger, occurrence, fires, admitted, container, .. } = admitted(n);
    RunRecord {
        run,
        job,
        kind,
        trigger,
        occurrence,
        fires,
        admitted,
        started: Some(fires),
        ended: fires,
        container,
        duration: Some(Duration::ZERO),
        outcome: Outcome::Succeeded { exit_code: Some(0) },
        attempts: 1,
        printed: Printed::default(),
        no_more: None,
        note: None,
        and_more: 0,
    }
}

/// The memory of this process, in MB.
fn resident() -> Result<f64, Failure> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).ok_or("no VmRSS")?;
    let kilobytes: f64 = line.split_whitespace().nth(1).ok_or("no number")?.parse()?;
    Ok(kilobytes * 1024.0 / 1e6)
}
