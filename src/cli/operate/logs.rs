//! `logs`: what a run printed, and with `--follow` what it prints as it comes.

use std::process::ExitCode;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use clap::{Args, builder::NonEmptyStringValueParser};
use serde_json::{Value, json};

use crate::{
    cli::{
        Output,
        call::{self, CallError, Event},
        print,
    },
    history::query::Reader,
    http::dto_runs::{DroppedPiece, PrintedPiece, RunItem},
    model::run::{RunId, Stream},
};

use super::{AgentArgs, Desk, print_json, unreadable};

/// So much is read from the history at once.
const WINDOW: u64 = 256 << 10;

/// Which run is meant.
#[derive(Debug, Args)]
pub struct LogsArgs {
    /// The run's ID, or a beginning that no other has.
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    pub run: String,
    /// Go on with what it prints until it has ended.
    #[arg(long, short)]
    pub follow: bool,
    /// The agent.
    #[command(flatten)]
    pub agent: AgentArgs,
}

/// Prints it: what went to standard error there goes to standard error here.
pub async fn logs(args: LogsArgs, desk: Desk) -> ExitCode {
    let question = format!("/api/runs/{}/output", call::encoded(&args.run));
    let answered =
        if args.follow { followed(&desk, &question).await.map(drop) } else { whole(&desk, &question).await };
    match answered {
        Ok(()) => ExitCode::SUCCESS,
        Err(error @ (CallError::NoAgent(_) | CallError::TooLate)) => {
            match from_store(&desk, &error, &args.run) {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => desk.fail(&error),
            }
        }
        Err(error) => desk.fail(&error),
    }
}

async fn whole(desk: &Desk, question: &str) -> Result<(), CallError> {
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    for (stream, is_error) in [("stdout", false), ("stderr", true)] {
        let question = format!("{question}?stream={stream}");
        let kept = if is_error { &mut stderr } else { &mut stdout };
        let take = |bytes: &[u8]| match desk.output {
            Output::Json => kept.extend_from_slice(bytes),
            Output::Text => print::printed(is_error, bytes),
        };
        call::read(&desk.way, &question, take).await?;
    }
    if desk.output == Output::Json {
        print_streams(&stdout, &stderr, "ok");
    }
    Ok(())
}

fn print_streams(stdout: &[u8], stderr: &[u8], agent: &str) {
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    print_json(&json!({ "agent": agent, "stdout": text(stdout), "stderr": text(stderr) }));
}

/// Prints what comes; the answer is the run when it has ended.
pub(super) async fn followed(desk: &Desk, question: &str) -> Result<Option<RunItem>, CallError> {
    let question = format!("{question}?follow=true");
    let mut ended = None;
    let mut last: Option<String> = None;
    loop {
        let mut given_up = false;
        let from = last.clone();
        let take = |event: Event| {
            if event.name == "lagged" {
                given_up = true;
                return;
            }
            last = Some(event.id.clone());
            shown(desk, &event);
            if event.name == "end" {
                ended = serde_json::from_slice(event.data.as_bytes()).ok();
            }
        };
        call::follow(&desk.way, &question, from.as_deref(), take).await?;
        // Whoever reads what is printed here was slow. The agent does not wait for that, and its history has what is missed.
        if !given_up {
            return Ok(ended);
        }
    }
}

fn shown(desk: &Desk, event: &Event) {
    match desk.output {
        Output::Json => {
            let data: Value = serde_json::from_slice(event.data.as_bytes()).unwrap_or_default();
            print::json(json!({ "event": event.name, "data": data }));
        }
        Output::Text => print_event(event),
    }
}

fn print_event(event: &Event) {
    if event.name == "dropped" {
        if let Ok(DroppedPiece { stream, bytes, .. }) = serde_json::from_slice(event.data.as_bytes()) {
            print_dropped(stream == "stderr", bytes);
        }
        return;
    }
    let Ok(PrintedPiece { text, base64, .. }) = serde_json::from_slice(event.data.as_bytes()) else { return };
    let decoded = base64.and_then(|it| STANDARD.decode(it).ok());
    let bytes = text.map(String::into_bytes).or(decoded).unwrap_or_default();
    print::printed(event.name == "stderr", &bytes);
}

fn print_dropped(is_error: bool, bytes: u64) {
    print::printed(is_error, format!("\n[watchbell: {bytes} bytes were dropped here]\n").as_bytes());
}

fn from_store(desk: &Desk, no_agent: &CallError, text: &str) -> Result<(), CallError> {
    let reader = desk.store(no_agent)?;
    let found = reader.beginning(&text.to_ascii_uppercase()).map_err(|error| unreadable(&error))?;
    let run = match &found[..] {
        [run] => run,
        [] => return Err(CallError::Refused(format!("{no_agent}, and its history has no run {text}"))),
        _ => return Err(CallError::Refused(format!("several runs begin with {text}: write more of the ID"))),
    };
    desk.say_so(no_agent);
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    for (stream, is_error) in [(Stream::Stdout, false), (Stream::Stderr, true)] {
        let kept = if is_error { &mut stderr } else { &mut stdout };
        let take = |bytes: &[u8]| match desk.output {
            Output::Json => kept.extend_from_slice(bytes),
            Output::Text => print::printed(is_error, bytes),
        };
        read(&reader, run, stream, take)?;
    }
    if desk.output == Output::Json {
        print_streams(&stdout, &stderr, &no_agent.to_string());
    }
    Ok(())
}

fn read(reader: &Reader, run: &RunId, stream: Stream, mut take: impl FnMut(&[u8])) -> Result<(), CallError> {
    let mut at = 0;
    for extent in reader.extents(run, stream).map_err(|error| unreadable(&error))? {
        if extent.place > at {
            let bytes = extent.place - at;
            take(format!("\n[watchbell: {bytes} bytes were dropped here]\n").as_bytes());
        }
        let end = extent.place + extent.length;
        let mut from = extent.place;
        while from < end {
            let to = end.min(from + WINDOW);
            let pieces = reader.output(run, stream, from, to).map_err(|error| unreadable(&error))?;
            for it in pieces {
                take(&it.bytes);
            }
            from = to;
        }
        at = end;
    }
    Ok(())
}
