//! The one table of what a channel takes: parser, suggestions and `labels-spec.md` come from it.

use crate::{
    model::channel::ChannelKind::{
        self, Discord, Email, Exec, Gotify, Healthchecks, Matrix, Mattermost, Ntfy, Opsgenie, PagerDuty,
        Pushover, Save, Slack, Teams, Telegram, Webhook,
    },
    settings::params::spelling,
};

use super::shape::Shape;

/// One key of a channel.
#[derive(Debug)]
pub struct ChannelParam {
    /// Its name, lower case with `-`.
    pub name: &'static str,
    /// The types that have it. A name may have several rows, each for other types.
    pub kinds: &'static [ChannelKind],
    /// What can be written.
    pub shape: Shape,
    /// Whether such a channel cannot be without it.
    pub required: bool,
    /// Whether it is a secret: it is never shown, and `<name>-file` reads it from a file.
    pub secret: bool,
    /// What holds when nobody writes it, in words or as it would be written.
    pub default: &'static str,
    /// What it does, in one line.
    pub doc: &'static str,
}

const fn row(
    name: &'static str,
    kinds: &'static [ChannelKind],
    shape: Shape,
    default: &'static str,
    doc: &'static str,
) -> ChannelParam {
    ChannelParam { name, kinds, shape, required: false, secret: false, default, doc }
}

/// One without which there is no channel.
const fn must(
    name: &'static str,
    kinds: &'static [ChannelKind],
    shape: Shape,
    doc: &'static str,
) -> ChannelParam {
    ChannelParam { required: true, ..row(name, kinds, shape, "required", doc) }
}

impl ChannelParam {
    const fn secret(self) -> Self {
        Self { secret: true, ..self }
    }
}

/// Every type.
pub const ALL: &[ChannelKind] = &[
    Slack,
    Discord,
    Teams,
    Matrix,
    Mattermost,
    Telegram,
    Ntfy,
    Gotify,
    Pushover,
    PagerDuty,
    Opsgenie,
    Webhook,
    Email,
    Healthchecks,
    Save,
    Exec,
];
/// Those that say something in words.
const WORDS: &[ChannelKind] = &[
    Slack,
    Discord,
    Teams,
    Matrix,
    Mattermost,
    Telegram,
    Ntfy,
    Gotify,
    Pushover,
    PagerDuty,
    Opsgenie,
    Webhook,
    Email,
    Healthchecks,
    Exec,
];
/// Those that ask a server.
const SERVERS: &[ChannelKind] = &[
    Slack,
    Discord,
    Teams,
    Matrix,
    Mattermost,
    Telegram,
    Ntfy,
    Gotify,
    Pushover,
    PagerDuty,
    Opsgenie,
    Webhook,
    Email,
    Healthchecks,
];

/// Every key, in the order of the documentation.
pub static CHANNEL_PARAMS: &[ChannelParam] = &[
    must("type", ALL, Shape::Kind, "The service, or the way."),
    row("notify-on", ALL, Shape::Causes, "`failure, recovery, timeout, lost, expect`; of `healthchecks` `start, success, failure, timeout, lost`; of `save` `always`", "Of what it is told, where the job does not say."),
    row("template", ALL, Shape::Template, "our own", "The text, as a template."),
    row("title-template", ALL, Shape::Template, "our own", "The title, as a template."),
    row("output-lines", WORDS, Shape::Number(0, 1000), "20", "How many of the last lines of each of the run's two streams are in the message."),
    row("timeout", ALL, Shape::Duration, "30s", "How long one try may take."),
    row("digest", ALL, Shape::Moment, "none", "Once a day at this time, in the agent's time zone, what happened in the 24 hours before."),
    row("ca-file", SERVERS, Shape::Path, "the system's, else Mozilla's", "The certificates in PEM that are believed in place of the system's; where it has none, as in the image, they are those that Mozilla believed when the agent was built."),
    must("url", &[Slack, Discord, Mattermost], Shape::Url, "The incoming webhook.").secret(),
    must("url", &[Teams], Shape::Url, "The webhook of a workflow.").secret(),
    must("url", &[Matrix], Shape::Url, "The home server."),
    must("url", &[Ntfy], Shape::Url, "The server and the topic, such as `https://ntfy.sh/backups`."),
    must("url", &[Gotify], Shape::Url, "The server."),
    must("url", &[Webhook], Shape::Url, "Where it is sent.").secret(),
    must("url", &[Healthchecks], Shape::Url, "The check's ping address, such as `https://hc-ping.com/<uuid>`.").secret(),
    row("url", &[Telegram], Shape::Url, "https://api.telegram.org", "The server of the Bot API."),
    row("url", &[Pushover], Shape::Url, "https://api.pushover.net", "The server."),
    row("url", &[PagerDuty], Shape::Url, "https://events.pagerduty.com", "The server of the Events API."),
    row("url", &[Opsgenie], Shape::Url, "https://api.opsgenie.com", "The server; in Europe `https://api.eu.opsgenie.com`."),
    must("room", &[Matrix], Shape::Text, "The room's ID, such as `!abc:example.org`."),
    must("token", &[Matrix], Shape::Text, "The access token.").secret(),
    must("token", &[Telegram], Shape::Text, "The bot's token.").secret(),
    must("token", &[Gotify, Pushover], Shape::Text, "The application's token.").secret(),
    row("token", &[Ntfy], Shape::Text, "none", "An access token, in place of `user` and `password`.").secret(),
    row("channel", &[Mattermost], Shape::Text, "the webhook's", "Another channel than the webhook's."),
    row("username", &[Mattermost], Shape::Text, "the webhook's", "The name under which it is posted."),
    must("chat", &[Telegram], Shape::Text, "The chat's ID, or `@name`."),
    row("thread", &[Telegram], Shape::Number(1, i64::MAX), "none", "The topic within the chat, by its number."),
    must("user", &[Pushover], Shape::Text, "The key of the user or the group.").secret(),
    row("user", &[Ntfy, Email], Shape::Text, "none", "As whom the server is asked, with `password`."),
    row("password", &[Ntfy, Email], Shape::Text, "none", "The password for that.").secret(),
    row("device", &[Pushover], Shape::Text, "all", "The name of one device."),
    row("priority", &[Ntfy], Shape::Number(1, 5), "by how bad it is", "How urgent it is."),
    row("priority", &[Gotify], Shape::Number(0, 10), "by how bad it is", "How urgent it is."),
    row("priority", &[Pushover], Shape::Number(-2, 2), "by how bad it is", "How urgent it is."),
    row("priority", &[Opsgenie], Shape::Choice(&["P1", "P2", "P3", "P4", "P5"]), "by how bad it is", "How urgent it is."),
    must("routing-key", &[PagerDuty], Shape::Text, "The integration key.").secret(),
    row("severity", &[PagerDuty], Shape::Choice(&["critical", "error", "warning", "info"]), "by how bad it is", "How bad it is said to be."),
    must("api-key", &[Opsgenie], Shape::Text, "The key of the API integration.").secret(),
    row("tags", &[Opsgenie], Shape::Words, "none", "The alert's tags."),
    row("method", &[Webhook], Shape::Choice(&["GET", "POST", "PUT", "PATCH"]), "POST", "The method."),
    row("header", &[Webhook], Shape::Headers, "none", "Further headers.").secret(),
    row("body-template", &[Webhook], Shape::Template, "all facts as JSON", "What is sent, as a template."),
    row("content-type", &[Webhook], Shape::Text, "application/json", "What that is."),
    row("hmac-secret", &[Webhook], Shape::Text, "none", "The key of the signature `X-Watchbell-Signature`: `sha256=` and the HMAC-SHA256 of what is sent, in hex.").secret(),
    row("expect-status", &[Webhook], Shape::Statuses, "200 to 299", "Which status means that it was taken."),
    must("server", &[Email], Shape::Host, "The mail server's name."),
    row("port", &[Email], Shape::Number(1, 65535), "587; 465 for `implicit`, 25 for `none`", "Its port."),
    row("tls", &[Email], Shape::Choice(&["starttls", "implicit", "none"]), "starttls", "How it is encrypted. With `starttls` nothing is sent where the server does not offer it."),
    must("from", &[Email], Shape::Address, "The sender."),
    must("to", &[Email], Shape::Addresses, "The recipients."),
    row("cc", &[Email], Shape::Addresses, "none", "Further recipients."),
    row("bcc", &[Email], Shape::Addresses, "none", "Further recipients of whom the others do not know."),
    row("attach", &[Email], Shape::Size, "0", "How much of each stream of the run's output is attached at most."),
    must("directory", &[Save], Shape::Path, "The directory of the files."),
    row("keep", &[Save], Shape::Retention, "all", "How many runs are kept of each job and for how long, as in `history`."),
    row("mode", &[Save], Shape::Mode, "0600", "The permissions of the files."),
    must("command", &[Exec], Shape::Command, "The program and its arguments, run beside the agent without a shell, with the message on its standard input."),
    row("workdir", &[Exec], Shape::Path, "the agent's", "Its working directory."),
];

/// The name of a key as the table has it, in any letter case and with `-` or `_`.
pub fn named(key: &str) -> Option<&'static str> {
    let key = spelling(key);
    CHANNEL_PARAMS.iter().find(|it| it.name == key).map(|it| it.name)
}

/// The key whose value `<key>-file` reads from a file.
pub fn file_key(key: &str) -> Option<&'static str> {
    let key = spelling(key);
    if named(&key).is_some() {
        return None;
    }
    let stem = key.strip_suffix("-file")?;
    CHANNEL_PARAMS.iter().find(|it| it.name == stem && it.secret).map(|it| it.name)
}

/// What a type takes under this name.
pub fn of(kind: ChannelKind, name: &str) -> Option<&'static ChannelParam> {
    CHANNEL_PARAMS.iter().find(|it| it.name == name && it.kinds.contains(&kind))
}

/// All that a type takes.
pub fn all_of(kind: ChannelKind) -> impl Iterator<Item = &'static ChannelParam> {
    CHANNEL_PARAMS.iter().filter(move |it| it.kinds.contains(&kind))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_table_is_in_its_own_spelling_and_says_of_no_type_anything_twice() {
        let mut seen = BTreeSet::new();
        for it in CHANNEL_PARAMS {
            assert_eq!(it.name, spelling(it.name));
            assert!(!it.doc.is_empty() && !it.default.is_empty(), "{}", it.name);
            for kind in it.kinds {
                assert!(seen.insert((it.name, *kind)), "{} of {}", it.name, kind.as_str());
            }
        }
        let all: Vec<ChannelKind> = ChannelKind::NAMES.iter().map(|(_, it)| *it).collect();
        assert_eq!(ALL, all);
    }

    #[test]
    fn no_reason_why_a_secret_is_wrong_can_repeat_it() {
        for it in CHANNEL_PARAMS.iter().filter(|it| it.secret) {
            assert!(matches!(it.shape, Shape::Text | Shape::Url | Shape::Headers), "{}", it.name);
        }
    }

    #[test]
    fn a_file_is_read_for_secrets_only_and_a_key_that_ends_with_file_is_itself() {
        assert_eq!(file_key("Password_File"), Some("password"));
        assert_eq!((file_key("ca-file"), file_key("room-file"), file_key("file")), (None, None, None));
        assert_eq!(named("CA_FILE"), Some("ca-file"));
    }
}
