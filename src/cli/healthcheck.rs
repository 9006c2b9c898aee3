//! `healthcheck`: asks the running agent whether it is well.

use std::{fmt::Display, path::Path, process::ExitCode, time::Duration};

use http_body_util::{BodyExt, Empty};
use hyper::{Request, body::Bytes, client::conn::http1::handshake};
use hyper_util::rt::TokioIo;
use tokio::{net::UnixStream, time::timeout};

use crate::http::{health::HealthReport, socket};

use super::Output;

/// How long the answer may take; a container's health check gives five seconds.
const LIMIT: Duration = Duration::from_secs(4);

/// Asks the agent of this state directory.
pub async fn run(state_dir: &Path, output: Output) -> ExitCode {
    let answer = timeout(LIMIT, ask(state_dir)).await;
    let report = match answer {
        Ok(Ok(report)) => report,
        Ok(Err(reason)) => return failed(output, &reason),
        Err(_) => return failed(output, "the agent did not answer in time"),
    };
    match output {
        Output::Json => println!("{}", serde_json::to_string(&report).unwrap_or_default()),
        Output::Text => println!(
            "{}: agent {}, engine {}, {} jobs, {} running, {} waiting, {} problems",
            report.status,
            report.agent,
            report.engine,
            report.jobs,
            report.running,
            report.waiting,
            report.problems
        ),
    }
    if report.status == "ok" { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn failed(output: Output, reason: &str) -> ExitCode {
    match output {
        Output::Json => println!("{}", serde_json::json!({ "status": "down", "agent": reason })),
        Output::Text => eprintln!("watchbell: {reason}"),
    }
    ExitCode::FAILURE
}

pub(super) async fn ask(state_dir: &Path) -> Result<HealthReport, String> {
    let path = socket::path(state_dir);
    let why = |error: &dyn Display| {
        format!("no agent answers at {}: {error}; is it running with this --state-dir?", path.display())
    };
    let stream = UnixStream::connect(&path).await.map_err(|error| why(&error))?;
    let (mut sender, connection) = handshake(TokioIo::new(stream)).await.map_err(|error| why(&error))?;
    let request = Request::get("/health").header("host", "agent").body(Empty::<Bytes>::new());
    let request = request.map_err(|error| why(&error))?;
    let exchange = async {
        let response = sender.send_request(request).await.map_err(|error| why(&error))?;
        let body = response.into_body().collect().await.map_err(|error| why(&error))?.to_bytes();
        serde_json::from_slice(&body).map_err(|error| why(&error))
    };
    tokio::select! {
        answer = exchange => answer,
        Err(error) = connection => Err(why(&error)),
    }
}
