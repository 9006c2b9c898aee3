//! `notify`: the channels, a message for trial, and what one would be told of a job.

use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::{
    cli::{
        Output,
        call::{self, CallError, encoded},
        print,
        render::visible,
    },
    http::{
        dto::NothingToSay,
        dto_channels::{ChannelItem, ChannelList, MessageItem},
    },
};

use super::{
    AgentArgs, Desk, print_json, second,
    table::{Cell, print_table, state},
};

/// What is asked about channels.
#[derive(Debug, Args)]
pub struct NotifyArgs {
    /// What.
    #[command(subcommand)]
    pub command: NotifyCommand,
}

/// What is asked about channels.
#[derive(Debug, Subcommand)]
pub enum NotifyCommand {
    /// Print the channels and how they do; exit code 1 if messages do not arrive at one.
    Channels(ChannelsArgs),
    /// Send a message for trial to a channel, now; exit code 0 if it arrived.
    Test(TestArgs),
    /// Print what a channel would be told of a job; nothing is sent.
    Preview(PreviewArgs),
}

/// Which agent is asked.
#[derive(Debug, Args)]
pub struct ChannelsArgs {
    /// The agent.
    #[command(flatten)]
    pub agent: AgentArgs,
}

/// Which channel is tried.
#[derive(Debug, Args)]
pub struct TestArgs {
    /// The channel's name.
    pub channel: String,
    /// The agent.
    #[command(flatten)]
    pub agent: AgentArgs,
}

/// Which message is shown.
#[derive(Debug, Args)]
pub struct PreviewArgs {
    /// The job's identity.
    pub job: String,
    /// The channel whose words they are; else the first of the job's.
    #[arg(long, value_name = "CHANNEL")]
    pub channel: Option<String>,
    /// Why it would be sent, such as failure or recovery; else what the job's last run would be told for.
    #[arg(long, value_name = "CAUSE")]
    pub cause: Option<String>,
    /// The agent.
    #[command(flatten)]
    pub agent: AgentArgs,
}

impl NotifyArgs {
    /// Which agent is asked.
    pub fn agent(&self) -> &AgentArgs {
        match &self.command {
            NotifyCommand::Channels(args) => &args.agent,
            NotifyCommand::Test(args) => &args.agent,
            NotifyCommand::Preview(args) => &args.agent,
        }
    }
}

/// Asks.
pub async fn notify(args: NotifyArgs, desk: Desk) -> ExitCode {
    match args.command {
        NotifyCommand::Channels(_) => channels(&desk).await,
        NotifyCommand::Test(args) => test(&args.channel, &desk).await,
        NotifyCommand::Preview(args) => preview(&args, &desk).await,
    }
}

async fn channels(desk: &Desk) -> ExitCode {
    let list: ChannelList = match call::get(&desk.way, "/api/channels").await {
        Ok(list) => list,
        Err(error) => return desk.fail(&error),
    };
    match desk.output {
        Output::Json => print_json(&list),
        Output::Text => {
            let rows = list.channels.iter().map(row).collect();
            print_table(
                &["CHANNEL", "TYPE", "TOLD OF", "WAITING", "SENT", "LAST", "STATE"],
                rows,
                desk.colours,
            );
        }
    }
    ExitCode::from(u8::from(list.channels.iter().any(|it| it.failing.is_some())))
}

fn row(it: &ChannelItem) -> Vec<Cell> {
    let how = it.failing.as_ref().map_or_else(|| "ok".to_owned(), |it| format!("failing: {}", it.reason));
    vec![
        it.name.clone().into(),
        it.r#type.as_deref().unwrap_or("-").into(),
        it.notify_on.join(", ").into(),
        it.waiting.to_string().into(),
        it.sent.to_string().into(),
        it.last_sent.as_deref().map_or_else(|| "-".to_owned(), second).into(),
        state(&how, if it.failing.is_some() { "failed" } else { "succeeded" }),
    ]
}

async fn test(channel: &str, desk: &Desk) -> ExitCode {
    let question = format!("/api/channels/{}/test", encoded(channel));
    match call::post_slowly::<MessageItem>(&desk.way, &question, &NothingToSay {}).await {
        Ok(Some(message)) => {
            match desk.output {
                Output::Json => print_json(&message),
                Output::Text => print::line(format_args!("the message arrived at {}", visible(channel))),
            }
            ExitCode::SUCCESS
        }
        Ok(None) => desk.fail(&CallError::NoAgent("the agent did not say what became of it".to_owned())),
        Err(error) => desk.fail(&error),
    }
}

async fn preview(args: &PreviewArgs, desk: &Desk) -> ExitCode {
    let asked = [("channel", &args.channel), ("cause", &args.cause)];
    let asked: Vec<String> = asked
        .into_iter()
        .filter_map(|(name, value)| Some(format!("{name}={}", encoded(value.as_ref()?))))
        .collect();
    let question = format!("/api/jobs/{}/notification?{}", encoded(&args.job), asked.join("&"));
    match call::get::<MessageItem>(&desk.way, &question).await {
        Ok(message) => {
            match desk.output {
                Output::Json => print_json(&message),
                Output::Text => print_message(&message),
            }
            ExitCode::SUCCESS
        }
        Err(error) => desk.fail(&error),
    }
}

fn print_message(it: &MessageItem) {
    let parts = [&it.title, &it.text, &it.output].map(|part| part.trim_end());
    let parts: Vec<&str> =
        parts.into_iter().chain(it.link.as_deref()).filter(|part| !part.is_empty()).collect();
    for line in parts.join("\n\n").lines() {
        print::line(visible(line));
    }
}
