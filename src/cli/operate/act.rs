//! `run`, `stop`, `pause` and `resume`.

use std::process::ExitCode;

use clap::{Args, builder::NonEmptyStringValueParser};

use crate::{
    cli::{
        Output, USAGE,
        call::{self, CallError, encoded},
        moment::moment,
        print,
    },
    http::{
        dto::{Begun, NothingToSay, PauseRequest, Paused},
        dto_runs::RunItem,
    },
    model::duration,
};

use super::{AgentArgs, Desk, JobArgs, length, logs::followed, print_json, second};

/// Which job is run.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// The job's identity.
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    pub job: String,
    /// Print what it prints as it comes, and end with its exit code.
    #[arg(long)]
    pub wait: bool,
    /// The agent.
    #[command(flatten)]
    pub agent: AgentArgs,
}

/// Which run is stopped.
#[derive(Debug, Args)]
pub struct StopArgs {
    /// The run's ID, or a beginning that no other has.
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    pub run: String,
    /// The agent.
    #[command(flatten)]
    pub agent: AgentArgs,
}

/// Which job is paused, and for how long.
#[derive(Debug, Args)]
pub struct PauseArgs {
    /// The job's identity.
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    pub job: String,
    /// For so long, such as 2h; without it and --until until it is resumed.
    #[arg(long, value_name = "DURATION", conflicts_with = "until")]
    pub r#for: Option<String>,
    /// Until this moment: RFC 3339, or what a clock of the agent's zone shows, such as 2026-03-29T06:00:00.
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
    /// The agent.
    #[command(flatten)]
    pub agent: AgentArgs,
}

/// Runs a job now, on the same way as one that is due.
pub async fn run(args: RunArgs, desk: Desk) -> ExitCode {
    let question = format!("/api/jobs/{}/run", encoded(&args.job));
    let begun = call::post::<Begun>(&desk.way, &question, &NothingToSay {}).await;
    let begun = match begun {
        Ok(Some(begun)) => begun,
        Ok(None) => return desk.fail(&CallError::NoAgent("the agent did not say which run".to_owned())),
        Err(error) => return desk.fail(&error),
    };
    if !args.wait {
        match desk.output {
            Output::Json => print_json(&begun),
            Output::Text => begun.runs().for_each(print::line),
        }
        return ExitCode::SUCCESS;
    }
    // What several print is kept apart: the history has what is printed while another one is followed.
    let mut worst = 0;
    for run in begun.runs() {
        match followed(&desk, &format!("/api/runs/{run}/output")).await {
            Ok(Some(ended)) => {
                if desk.output == Output::Text {
                    tell_end(&ended);
                }
                if worst == 0 {
                    worst = code(&ended);
                }
            }
            Ok(None) => {
                return desk.fail(&CallError::NoAgent(format!("the agent ended before the run {run} did")));
            }
            Err(error) => return desk.fail(&error),
        }
    }
    ExitCode::from(worst)
}

/// On standard error: standard output has what the job printed, and nothing else.
fn tell_end(it: &RunItem) {
    let outcome = it.outcome.as_deref().unwrap_or("ended");
    let code = it.exit_code.map_or_else(String::new, |code| format!(" with exit code {code}"));
    let took = it.duration_seconds.map_or_else(String::new, |it| format!(" after {}", length(it)));
    let why = it.reason.as_ref().map_or_else(String::new, |why| format!(": {why}"));
    print::complain(format_args!("watchbell: run {} of {} {outcome}{code}{took}{why}", it.run, it.job));
}

/// The command's own exit code; where there is none, 0 for a success. 1 where one that would tell of success is none.
fn code(it: &RunItem) -> u8 {
    let succeeded = it.outcome.as_deref() == Some("succeeded");
    match it.exit_code.and_then(|code| u8::try_from(code).ok()) {
        Some(0) if !succeeded => 1,
        Some(code) => code,
        // What runs no command has none.
        None => u8::from(!succeeded),
    }
}

/// Asks a run to end.
pub async fn stop(args: StopArgs, desk: Desk) -> ExitCode {
    let question = format!("/api/runs/{}/stop", encoded(&args.run));
    match call::post::<Begun>(&desk.way, &question, &NothingToSay {}).await {
        Ok(begun) => {
            let run = begun.map_or(args.run, |it| it.run);
            match desk.output {
                Output::Json => print_json(&Begun { run, further: Vec::new() }),
                Output::Text => print::line(format_args!("run {run} was asked to end")),
            }
            ExitCode::SUCCESS
        }
        Err(error) => desk.fail(&error),
    }
}

/// Pauses a job.
pub async fn pause(args: PauseArgs, desk: Desk) -> ExitCode {
    let until = args.until.as_deref().map(|text| moment(text, &desk.timezone)).transpose();
    let length = args.r#for.as_deref().map(|text| {
        duration::parse(text).map(drop).map_err(|why| format!("--for: \"{text}\" {why}: write 2h"))
    });
    let until = match (until, length.transpose()) {
        (Ok(until), Ok(_)) => until,
        (Err(why), _) | (_, Err(why)) => {
            print::complain(format_args!("watchbell: {why}"));
            return ExitCode::from(USAGE);
        }
    };
    if let Some(note) = until.as_ref().and_then(|it| it.note.as_ref()) {
        print::complain(format_args!("watchbell: {note}"));
    }
    let request = PauseRequest { until: until.map(|it| it.at.to_string()), r#for: args.r#for };
    let question = format!("/api/jobs/{}/pause", encoded(&args.job));
    match call::post::<Paused>(&desk.way, &question, &request).await {
        Ok(paused) => {
            let paused = paused.unwrap_or(Paused { until: None });
            match (desk.output, &paused.until) {
                (Output::Json, _) => print_json(&paused),
                (Output::Text, Some(until)) => {
                    print::line(format_args!("{} is paused until {}", args.job, second(until)));
                }
                (Output::Text, None) => {
                    print::line(format_args!("{} is paused until it is resumed", args.job));
                }
            }
            ExitCode::SUCCESS
        }
        Err(error) => desk.fail(&error),
    }
}

/// Ends a pause.
pub async fn resume(args: JobArgs, desk: Desk) -> ExitCode {
    let question = format!("/api/jobs/{}/resume", encoded(&args.job));
    match call::post::<Paused>(&desk.way, &question, &NothingToSay {}).await {
        Ok(_) => {
            match desk.output {
                Output::Json => print_json(&serde_json::json!({ "job": args.job, "paused": null })),
                Output::Text => print::line(format_args!("{} goes on", args.job)),
            }
            ExitCode::SUCCESS
        }
        Err(error) => desk.fail(&error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exit_code_is_the_commands_own_and_tells_success_also_where_there_is_none() {
        for (outcome, exit_code, expected) in [
            ("succeeded", Some(0), 0),
            ("succeeded", Some(24), 24),
            ("failed", Some(3), 3),
            ("succeeded", None, 0),
            ("failed", None, 1),
            ("not-started", None, 1),
            ("skipped", None, 1),
            // One of these would be a success to whoever asks the shell.
            ("timed-out", Some(0), 1),
            ("failed", Some(256), 1),
            ("failed", Some(-1), 1),
        ] {
            let run = serde_json::json!({
                "run": "01", "job": "act", "kind": "container", "trigger": "manual", "phase": "ended",
                "occurrence": "", "fires": "", "admitted": "", "attempts": 1, "and_more": 0, "stdout_bytes": 0, "stderr_bytes": 0,
                "outcome": outcome, "exit_code": exit_code,
            });
            let run: RunItem = serde_json::from_value(run).unwrap();
            assert_eq!(code(&run), expected, "{run:?}");
        }
    }
}
