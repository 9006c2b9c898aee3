//! One small file for each service that is told over HTTP: pure, from a channel and a message to what the service's
//! documentation asks for.

pub mod address;
pub mod discord;
pub mod gotify;
pub mod healthchecks;
pub mod matrix;
pub mod mattermost;
pub mod ntfy;
pub mod opsgenie;
pub mod pagerduty;
pub mod pushover;
pub mod slack;
pub mod teams;
pub mod telegram;
pub mod text;
pub mod webhook;

#[cfg(test)]
mod tests;

use std::time::Duration;

use jiff::Timestamp;

use super::{
    message::{Data, Message, Severity},
    request::Request,
};
use crate::model::{
    channel::{Channel, ChannelKind},
    notification::Cause,
};

/// The kinds of channel that are told over HTTP.
pub const HTTP: [ChannelKind; 13] = [
    ChannelKind::Slack,
    ChannelKind::Discord,
    ChannelKind::Teams,
    ChannelKind::Matrix,
    ChannelKind::Mattermost,
    ChannelKind::Telegram,
    ChannelKind::Ntfy,
    ChannelKind::Gotify,
    ChannelKind::Pushover,
    ChannelKind::PagerDuty,
    ChannelKind::Opsgenie,
    ChannelKind::Webhook,
    ChannelKind::Healthchecks,
];

/// What of a channel's values its service could never be sent: the key and why.
pub fn check(channel: &Channel) -> Result<(), String> {
    let data = Data::sample();
    let sample = Message {
        key: data.key.as_str().into(),
        thread: data.thread.as_str().into(),
        cause: Cause::Failure,
        severity: Severity::Bad,
        at: Timestamp::UNIX_EPOCH,
        title: data.title.clone(),
        text: data.text.clone(),
        tail: "one line\nanother".to_owned(),
        link: data.link.clone(),
        facts: vec![("exit code", "3".to_owned())],
        job: data.job.clone().unwrap_or_default(),
        run: data.run.as_ref().map(|it| it.id.clone()).unwrap_or_default(),
        exit_code: Some(3),
        duration: Some(Duration::from_secs(12)),
        data: serde_json::to_value(data).map_err(|error| error.to_string())?,
    };
    request(channel, &sample).map(drop)
}

/// What a channel's service is sent; nothing where it has nothing for such a message, or is not told over HTTP.
///
/// An error names a key of the channel and never its value.
pub fn request(channel: &Channel, message: &Message) -> Result<Option<Request>, String> {
    let request = match channel.kind {
        ChannelKind::Slack => slack::request(channel, message),
        ChannelKind::Discord => discord::request(channel, message),
        ChannelKind::Teams => teams::request(channel, message),
        ChannelKind::Matrix => matrix::request(channel, message),
        ChannelKind::Mattermost => mattermost::request(channel, message),
        ChannelKind::Telegram => telegram::request(channel, message),
        ChannelKind::Ntfy => ntfy::request(channel, message),
        ChannelKind::Gotify => gotify::request(channel, message),
        ChannelKind::Pushover => pushover::request(channel, message),
        ChannelKind::PagerDuty => pagerduty::request(channel, message),
        ChannelKind::Opsgenie => opsgenie::request(channel, message),
        ChannelKind::Webhook => webhook::request(channel, message),
        ChannelKind::Healthchecks => healthchecks::request(channel, message),
        ChannelKind::Email | ChannelKind::Save | ChannelKind::Exec => return Ok(None),
    }?;
    // By it a receiver knows a message that it was sent before, when the answer was lost.
    Ok(request.map(|it| it.header("idempotency-key", address::percent(&message.key))))
}
