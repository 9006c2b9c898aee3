//! The commands that ask the running agent: what there is, and what is to be done.
//!
//! `history`, `logs` and `show` read the history by themselves where no agent answers, and say so.

mod act;
mod backup;
mod history;
mod jobs;
mod logs;
mod notify;
mod problems;
mod table;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Args;
use serde_json::json;

use crate::history::{query::Reader, store::StoreError};

use super::{
    Environment, Output, args::SettingFlags, call::CallError, files, load, print, render::Colours, way::Way,
};

pub use self::{
    act::{PauseArgs, RunArgs, StopArgs, pause, resume, run, stop},
    backup::{BackupArgs, backup},
    history::{HistoryArgs, history},
    jobs::{JobArgs, JobsArgs, jobs, show},
    logs::{LogsArgs, logs},
    notify::{NotifyArgs, NotifyCommand, notify},
    problems::{ProblemsArgs, problems},
};

/// Which agent is asked, and how it is printed.
#[derive(Debug, Clone, Args)]
pub struct AgentArgs {
    /// The directory of the agent's socket and state.
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<String>,
    /// The address of an agent elsewhere, such as `https://cron.example.org`; else `WATCHBELL_URL`, else the socket.
    #[arg(long, value_name = "URL", conflicts_with = "state_dir")]
    pub url: Option<String>,
    /// A file with the token that is shown there; else `WATCHBELL_TOKEN`.
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<String>,
    /// Who signs the certificate of that address, in PEM; else those whom this machine believes, or where it has none, those whom Mozilla does.
    #[arg(long, value_name = "FILE")]
    pub tls_ca: Option<PathBuf>,
    /// Text or JSON.
    #[arg(long, value_enum, default_value_t)]
    pub output: Output,
}

/// One who asks.
#[derive(Debug)]
pub struct Desk {
    way: Way,
    state_dir: PathBuf,
    timezone: crate::model::schedule::Zone,
    output: Output,
    colours: Colours,
}

impl Desk {
    /// With this to say of the agent, in this environment.
    pub fn new(args: &AgentArgs, environment: &Environment) -> Self {
        let flags = SettingFlags { state_dir: args.state_dir.clone(), ..SettingFlags::default() };
        // What else may be wrong is not the question here.
        let settings = load::load(&flags, environment).sources.settings;
        Self {
            way: way(args, environment, &settings.state_dir),
            state_dir: settings.state_dir,
            timezone: settings.timezone,
            output: args.output,
            colours: Colours::of_stdout(environment),
        }
    }

    fn fail(&self, error: &CallError) -> ExitCode {
        match self.output {
            Output::Json => print::json(json!({ "error": error.to_string() })),
            Output::Text => print::complain(format_args!("watchbell: {error}")),
        }
        ExitCode::FAILURE
    }

    /// The history, where no agent answers.
    fn store(&self, no_agent: &CallError) -> Result<Reader, CallError> {
        let why = match no_agent {
            CallError::NoAgent(_) | CallError::TooLate => no_agent.to_string(),
            CallError::Refused(_) => return Err(CallError::Refused(no_agent.to_string())),
        };
        // Of an agent elsewhere there is no history here.
        if !matches!(self.way, Way::Socket(_)) {
            return Err(CallError::NoAgent(why));
        }
        match Reader::open(&self.state_dir) {
            Ok(Some(reader)) => Ok(reader),
            Ok(None) => Err(CallError::NoAgent(format!("{why} And there is no history in it"))),
            Err(error) => Err(unreadable(&error)),
        }
    }

    /// Says that what follows is not the agent's word.
    fn say_so(&self, no_agent: &CallError) {
        if self.output == Output::Text {
            print::complain(format_args!("watchbell: {no_agent}"));
            print::complain("watchbell: this is what its history has:");
        }
    }
}

/// Where the agent is asked. What someone types is over what stands in the environment.
fn way(args: &AgentArgs, environment: &Environment, state_dir: &Path) -> Way {
    let named = |name: &str| environment.get(name).filter(|it| !it.is_empty()).cloned();
    let url = match (&args.url, &args.state_dir) {
        (Some(url), _) => Some(url.clone()),
        (None, Some(_)) => None,
        (None, None) => named("WATCHBELL_URL"),
    };
    let Some(url) = url else { return Way::Socket(state_dir.to_owned()) };
    let shown = match &args.token_file {
        Some(path) => files::secret(files::secret_contents(path))
            .and_then(|text| token(&text))
            .map(Some)
            .map_err(|reason| format!("--token-file {path}: {reason}")),
        None => named("WATCHBELL_TOKEN")
            .map(|text| token(&text))
            .transpose()
            .map_err(|reason| format!("WATCHBELL_TOKEN: {reason}")),
    };
    match shown {
        Ok(shown) => Way::to(&url, shown, args.tls_ca.as_deref()),
        Err(reason) => Way::Nowhere(reason),
    }
}

/// What can be sent; no reason repeats it.
fn token(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() || !text.bytes().all(|it| it.is_ascii_graphic()) {
        return Err(
            "it holds no token: write one line of ASCII without blanks, as the agent's settings have it"
                .to_owned(),
        );
    }
    Ok(text.to_owned())
}

fn print_json(answer: &impl serde::Serialize) {
    print::json(json!(answer));
}

fn unreadable(error: &StoreError) -> CallError {
    CallError::Refused(error.to_string())
}

/// A moment without the part of a second.
fn second(text: &str) -> String {
    let Some((whole, rest)) = text.split_once('.') else { return text.to_owned() };
    format!("{whole}{}", rest.trim_start_matches(|c: char| c.is_ascii_digit()))
}

fn length(seconds: f64) -> String {
    if seconds < 60.0 {
        return format!("{seconds:.1}s");
    }
    let whole = std::time::Duration::from_secs_f64(seconds.min(1e12)).as_secs();
    humantime::format_duration(std::time::Duration::from_secs(whole)).to_string()
}
