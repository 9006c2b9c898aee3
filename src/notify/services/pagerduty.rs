//! An integration of `PagerDuty`, over its Events API v2.
//!
//! <https://developer.pagerduty.com/docs/events-api-v2/trigger-events/>: a summary has at most 1024 characters, a key 255,
//! an event 512 KB. What goes wrong triggers, with `severity` (`error` unless it is set); what is odd triggers as
//! `warning`, or as `severity` where that is less; what goes well resolves. A run that begins or is stopped, and a
//! digest, are no incidents.

use serde_json::{Map, Value, json};

use super::{
    address::{Address, required},
    text,
};
use crate::{
    model::{channel::Channel, notification::Cause},
    notify::{
        message::{Message, Severity},
        request::Request,
    },
};

const SUMMARY: usize = 1024;
const KEY: usize = 255;
const SOURCE: usize = 512;
const DETAIL: usize = 4000;
const OUTPUT: usize = 64_000;

/// What `PagerDuty` takes; nothing of what is no incident.
pub fn request(channel: &Channel, message: &Message) -> Result<Option<Request>, String> {
    let url = Address::or(channel, "url", "https://events.pagerduty.com")?.path(&["v2", "enqueue"]).whole();
    let routing_key = required(channel, "routing-key")?;
    let dedup_key = text::key(&message.thread, KEY);
    let body = match message.cause {
        Cause::Start | Cause::Stop | Cause::Digest => return Ok(None),
        Cause::Recovery | Cause::Success => {
            json!({"routing_key": routing_key, "event_action": "resolve", "dedup_key": dedup_key})
        }
        Cause::Failure
        | Cause::Timeout
        | Cause::Skip
        | Cause::Missed
        | Cause::Lost
        | Cause::Expect
        | Cause::Slow
        | Cause::Test => {
            let mut body = json!({
                "routing_key": routing_key,
                "event_action": "trigger",
                "dedup_key": dedup_key,
                "client": "watchbell",
                "payload": {
                    "summary": text::title(message, SUMMARY, text::units),
                    "source": source(message),
                    "severity": severity(channel, message.severity),
                    "timestamp": message.at.to_string(),
                    "class": message.cause.as_str(),
                    "custom_details": details(message),
                },
            });
            if let Some(link) = &message.link {
                body["client_url"] = json!(link);
                body["links"] = json!([{"href": link, "text": "Open in watchbell"}]);
            }
            body
        }
    };
    Ok(Some(Request::json(url, &body)))
}

fn source(message: &Message) -> String {
    let source = text::head(&message.job, SOURCE, text::units);
    if source.is_empty() { "watchbell".to_owned() } else { source }
}

fn severity(channel: &Channel, severity: Severity) -> &str {
    let bad = channel.text("severity").unwrap_or("error");
    match severity {
        Severity::Bad => bad,
        Severity::Odd if bad == "info" => bad,
        Severity::Odd => "warning",
        Severity::Good => "info",
    }
}

fn details(message: &Message) -> Map<String, Value> {
    let facts = message.facts.iter().map(|(name, value)| ((*name).to_owned(), value.as_str()));
    let mut details: Map<String, Value> =
        facts.map(|(name, value)| (name, json!(text::head(value, DETAIL, text::json_bytes)))).collect();
    for (name, value) in [
        ("text", text::head(&message.text, OUTPUT, text::json_bytes)),
        ("output", text::tail(&message.tail, OUTPUT, text::json_bytes)),
    ] {
        if !value.is_empty() {
            details.insert(name.to_owned(), json!(value));
        }
    }
    details
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::channel::ChannelKind,
        notify::services::tests::fixtures::{channel, fits, message, messages},
    };

    const SCHEMA: &str = include_str!("../../../integration/notify/schemas/pagerduty.json");

    #[test]
    fn every_message_fits_or_is_no_incident() {
        let channel = channel(ChannelKind::PagerDuty, &[("routing-key", "hunter2")]);
        for message in messages() {
            let none = matches!(message.cause, Cause::Start | Cause::Stop | Cause::Digest);
            let request = request(&channel, &message).unwrap();
            assert_eq!(request.is_none(), none);
            let Some(request) = request else { continue };
            assert_eq!(request.url, "https://events.pagerduty.com/v2/enqueue");
            assert!(request.body.len() <= 512_000);
            fits(SCHEMA, &request);
        }
    }

    #[test]
    fn a_recovery_resolves_what_the_failure_triggered() {
        let values = [("routing-key", "k"), ("severity", "critical")];
        let body = |cause| {
            fits(
                SCHEMA,
                &request(&channel(ChannelKind::PagerDuty, &values), &message(cause)).unwrap().unwrap(),
            )
        };
        let (failure, recovery) = (body(Cause::Failure), body(Cause::Recovery));
        assert_eq!(
            (&failure["event_action"], &recovery["event_action"]),
            (&json!("trigger"), &json!("resolve"))
        );
        assert_eq!(failure["dedup_key"], recovery["dedup_key"]);
        assert_eq!(failure["payload"]["severity"], "critical");
        assert_eq!(body(Cause::Skip)["payload"]["severity"], "warning");
        assert_eq!(failure["payload"]["custom_details"]["exit code"], "3");
    }
}
