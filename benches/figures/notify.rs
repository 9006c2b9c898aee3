//! What it costs runs that someone is told of each.

use crate::kit::{Failure, agent::Agent, table::Table};

use super::runs::{FILE, rate};

const RUNS: u32 = 4_000;

/// Each way is measured so often, in turn: what else the machine does comes over both.
const TURNS: u32 = 3;

pub async fn measure(table: &mut Table) -> Result<(), Failure> {
    let saved = tempfile::Builder::new().prefix("watchbell-bench.").tempdir()?;
    let channel = format!("[notify \"files\"]\ntype = save\ndirectory = {}\n", saved.path().display());
    let told = format!("{channel}{FILE}notify = files\nnotify-on = success\ncooldown = 0s\n");
    let (mut without, mut with) = (0.0, 0.0);
    for _ in 0..TURNS {
        without += rate(&mut Agent::start(FILE, &[]).await?, RUNS).await? / f64::from(TURNS);
        with += rate(&mut Agent::start(&told, &[]).await?, RUNS).await? / f64::from(TURNS);
    }
    table.beside("told_runs_per_s", "the same where each run is told to a channel of type save", with, "");
    let what = "runs ended a second, by those of which a channel of type save is told";
    table.figure("told_runs_ratio", what, without / with, "x", 2.0);
    Ok(())
}
