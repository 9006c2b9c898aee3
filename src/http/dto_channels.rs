//! What is said over HTTP of channels and of what they are told. Stable, as all that is said.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Every channel.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ChannelList {
    /// By their names.
    pub channels: Vec<ChannelItem>,
}

/// A channel and how it does.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ChannelItem {
    /// Its name.
    pub name: String,
    /// Its `type`; absent where it is in no settings any more, and messages still wait for it.
    pub r#type: Option<String>,
    /// Where it is written.
    pub origin: Option<String>,
    /// Of what it is told, where the job does not say.
    pub notify_on: Vec<String>,
    /// How many messages wait for it.
    pub waiting: usize,
    /// How many arrived since the agent started.
    pub sent: u64,
    /// How many were given up since the agent started.
    pub given_up: u64,
    /// When one last arrived.
    pub last_sent: Option<String>,
    /// Why messages do not arrive; absent where they do.
    pub failing: Option<ChannelFailing>,
}

/// Why messages do not arrive.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ChannelFailing {
    /// Since when.
    pub since: String,
    /// Why.
    pub reason: String,
    /// When it is tried again; absent where nothing waits.
    pub next: Option<String>,
}

/// Which message is shown.
#[derive(Debug, Default, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PreviewQuery {
    /// For which channel; without it the first of the job's.
    pub channel: Option<String>,
    /// Why, such as `failure`; without it what the job's last run would be told for.
    pub cause: Option<String>,
}

/// A message in the words of a channel.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct MessageItem {
    /// The channel.
    pub channel: String,
    /// Why it is sent.
    pub cause: String,
    /// Its first line.
    pub title: String,
    /// What follows.
    pub text: String,
    /// The last lines that the run printed.
    pub output: String,
    /// The page that it leads to.
    pub link: Option<String>,
    /// The same for programs: what a `webhook` is sent.
    #[schema(value_type = Object)]
    pub data: serde_json::Value,
}
