//! What the agent costs, as far as it can be measured beside what the Engine alone costs.
//!
//! `make bench` finds an Engine and runs this; `cargo bench --locked -- exec pure` measures single groups. A figure
//! that is missed is marked, named in the last line, and ends nothing: a machine that others share is no judge, the
//! person who reads it is.
//! Each group has a limit, so that this always ends.

mod figures;
mod kit;

use std::{process::ExitCode, time::Duration};

use tokio::time::{error::Elapsed, timeout};

use kit::{engine::Worker, table::Table};

/// The groups, in the order of the table, each with its limit.
const GROUPS: [(&str, u64); 12] = [
    ("exec", 150),
    ("delay", 90),
    ("labels", 120),
    ("pure", 120),
    ("schedules", 60),
    ("time", 120),
    ("history", 240),
    ("api", 90),
    ("resident", 180),
    ("runs", 620),
    ("notify", 180),
    ("output", 300),
];

fn main() -> ExitCode {
    let chosen: Vec<String> = std::env::args().skip(1).filter(|it| !it.starts_with('-')).collect();
    if let Some(unknown) = chosen.iter().find(|it| GROUPS.iter().all(|(name, _)| name != it)) {
        let names = GROUPS.map(|(name, _)| name).join(", ");
        eprintln!("bench: there is no group \"{unknown}\": the groups are {names}");
        return ExitCode::from(2);
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("bench: the runtime could not be started: {error}");
            return ExitCode::FAILURE;
        }
    };
    let table = runtime.block_on(measure(&chosen));
    // Reading an agent's output may still wait for it; nothing that is left is worth waiting for.
    runtime.shutdown_background();
    table.print();
    ExitCode::SUCCESS
}

async fn measure(chosen: &[String]) -> Table {
    let mut table = Table::default();
    let worker = match timeout(Duration::from_secs(60), Worker::start()).await {
        Ok(Ok(worker)) => Some(worker),
        Ok(Err(error)) => {
            table.note(format!("no Engine: {error}"));
            None
        }
        Err(Elapsed { .. }) => {
            table.note("no Engine: it took longer than a minute to start a container".to_owned());
            None
        }
    };
    for (group, limit) in GROUPS {
        if !chosen.is_empty() && !chosen.iter().any(|it| it == group) {
            continue;
        }
        eprintln!("bench: {group}");
        let done =
            timeout(Duration::from_secs(limit), figures::group(group, worker.as_ref(), &mut table)).await;
        match done {
            Ok(Ok(())) => {}
            Ok(Err(error)) => table.note(format!("{group}: {error}")),
            Err(Elapsed { .. }) => table.note(format!("{group}: not done within {limit} s")),
        }
    }
    drop(worker);
    table
}
