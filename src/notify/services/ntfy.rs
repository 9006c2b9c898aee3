//! A topic of ntfy.
//!
//! <https://docs.ntfy.sh/publish/#publish-as-json>: JSON to the server, since headers carry no Unicode.
//! <https://docs.ntfy.sh/publish/#limitations>: a longer message than 4096 bytes becomes an attachment, and the server
//! takes no JSON of more than twice that; so the bytes of the JSON are counted. Failures go with high priority (4),
//! everything else with the usual one (3); `priority` is that of failures, and nothing else goes with a higher one. A
//! tag that is an emoji's name is shown as the emoji.

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::json;

use super::{
    address::{Address, header_value, required},
    text,
};
use crate::{
    model::channel::Channel,
    notify::{
        message::{Message, Severity},
        request::Request,
    },
};

const ALL: usize = 4096;
const TITLE: usize = 250;

/// What ntfy takes.
pub fn request(channel: &Channel, message: &Message) -> Result<Option<Request>, String> {
    let Some((server, topic)) =
        Address::of(channel, "url")?.split_last().filter(|(_, topic)| is_topic(topic))
    else {
        return Err("url: it ends in no topic, which has 1 to 64 letters, digits, \"-\" and \"_\": write the server and \
                    the topic, as in https://ntfy.sh/backups"
            .to_owned());
    };
    let failures = channel.number("priority").unwrap_or(4);
    let (priority, emoji) = match message.severity {
        Severity::Bad => (failures, "rotating_light"),
        Severity::Odd => (failures.min(3), "warning"),
        Severity::Good => (failures.min(3), "white_check_mark"),
    };
    let mut body = json!({
        "topic": topic,
        "title": text::title(message, TITLE, text::json_bytes),
        "message": text::plain(message, ALL, text::json_bytes),
        "priority": priority,
        "tags": [emoji, message.cause.as_str()],
    });
    if let Some(link) = message.link.as_deref().filter(|it| it.len() <= 2000) {
        body["click"] = json!(link);
    }
    let request = Request::json(server.whole(), &body);
    Ok(Some(match credentials(channel)? {
        Some(credentials) => request.header("authorization", credentials),
        None => request,
    }))
}

fn is_topic(text: &str) -> bool {
    text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

fn credentials(channel: &Channel) -> Result<Option<String>, String> {
    if let Some(token) = channel.text("token") {
        return Ok(Some(format!("Bearer {}", header_value(token, "token")?)));
    }
    let Some(user) = channel.text("user") else { return Ok(None) };
    let pair = format!("{user}:{}", required(channel, "password")?);
    Ok(Some(format!("Basic {}", BASE64_STANDARD.encode(pair))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::{channel::ChannelKind, notification::Cause},
        notify::services::tests::fixtures::{channel, fits, header, message, messages},
    };

    fn sent(values: &[(&'static str, &str)], message: &Message) -> Request {
        request(&channel(ChannelKind::Ntfy, values), message).unwrap().unwrap()
    }

    #[test]
    fn every_message_fits() {
        for message in messages() {
            let request = sent(&[("url", "https://ntfy.sh/backups")], &message);
            assert_eq!((request.url.as_str(), header(&request, "authorization")), ("https://ntfy.sh/", None));
            assert!(request.body.len() < 2 * 4096, "{}", request.body.len());
            let body = fits(include_str!("../../../integration/notify/schemas/ntfy.json"), &request);
            assert!(body["message"].as_str().unwrap().len() <= 4096 && body["topic"] == "backups");
        }
    }

    #[test]
    fn a_priority_is_that_of_failures() {
        let priority = |cause: Cause, values: &[(&'static str, &str)]| {
            let body: serde_json::Value =
                serde_json::from_slice(&sent(values, &message(cause)).body).unwrap();
            body["priority"].as_i64().unwrap()
        };
        let url = ("url", "https://ntfy.sh/a");
        assert_eq!((priority(Cause::Failure, &[url]), priority(Cause::Recovery, &[url])), (4, 3));
        let most = [url, ("priority", "5")];
        assert_eq!((priority(Cause::Failure, &most), priority(Cause::Recovery, &most)), (5, 3));
        let least = [url, ("priority", "1")];
        assert_eq!((priority(Cause::Failure, &least), priority(Cause::Skip, &least)), (1, 1));
    }

    #[test]
    fn credentials_are_a_header() {
        let message = message(Cause::Failure);
        let by_token = sent(&[("url", "https://n/x/t"), ("token", "tk_hunter2")], &message);
        assert_eq!(
            (by_token.url.as_str(), header(&by_token, "authorization")),
            ("https://n/x", Some("Bearer tk_hunter2"))
        );
        let by_name = sent(&[("url", "https://n/t"), ("user", "me"), ("password", "pä:s")], &message);
        assert_eq!(header(&by_name, "authorization"), Some("Basic bWU6cMOkOnM="));
    }

    #[test]
    fn an_address_without_a_topic_is_told_of() {
        for url in ["https://ntfy.sh", "https://ntfy.sh/hunter2.x", "https://ntfy.sh/hunter%202"] {
            let error =
                request(&channel(ChannelKind::Ntfy, &[("url", url)]), &message(Cause::Failure)).unwrap_err();
            assert!(error.starts_with("url: ") && !error.contains("hunter"), "{error}");
        }
    }
}
