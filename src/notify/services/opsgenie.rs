//! Opsgenie's alerts, and those of Jira Service Management, which takes the same at
//! `https://api.atlassian.com/jsm/ops/integration`.
//!
//! <https://docs.opsgenie.com/docs/alert-api>: a message has at most 130 characters, an alias 512, a description 15,000,
//! an entity 512, all details 8000, tags are at most 20 of 50 characters, a note has 25,000. What goes wrong or is odd opens an
//! alert, with `priority` (P3 unless it is set) or, where it is only odd, at most P4; what goes well closes it. A run that begins
//! or is stopped, and a digest, are no alerts.

use serde_json::{Map, Value, json};

use super::{
    address::{Address, header_value, required},
    text,
};
use crate::{
    model::{channel::Channel, notification::Cause},
    notify::{
        message::{Message, Severity},
        request::Request,
    },
};

const MESSAGE: usize = 130;
const ALIAS: usize = 512;
const DESCRIPTION: usize = 15_000;
const ENTITY: usize = 512;
const TAGS: usize = 20;
const TAG: usize = 50;
const DETAILS: usize = 8000;
const DETAIL: usize = 500;
const SOURCE: &str = "watchbell";

/// What Opsgenie takes; nothing of what is no alert.
pub fn request(channel: &Channel, message: &Message) -> Result<Option<Request>, String> {
    let url = Address::or(channel, "url", "https://api.opsgenie.com")?.path(&["v2", "alerts"]);
    let key = header_value(required(channel, "api-key")?, "api-key")?;
    let alias = text::key(&message.thread, ALIAS);
    let request = match message.cause {
        Cause::Start | Cause::Stop | Cause::Digest => return Ok(None),
        Cause::Recovery | Cause::Success => {
            let url = url.path(&[&alias, "close"]).query("identifierType", "alias");
            let note = text::title(message, MESSAGE, text::units);
            Request::json(url.whole(), &json!({"source": SOURCE, "note": note}))
        }
        Cause::Failure
        | Cause::Timeout
        | Cause::Skip
        | Cause::Missed
        | Cause::Lost
        | Cause::Expect
        | Cause::Slow
        | Cause::Test => Request::json(url.whole(), &alert(channel, message, &alias)),
    };
    Ok(Some(request.header("authorization", format!("GenieKey {key}"))))
}

fn alert(channel: &Channel, message: &Message, alias: &str) -> Value {
    let usual = channel.text("priority").unwrap_or("P3");
    let tags: Vec<String> =
        channel.list("tags").iter().take(TAGS).map(|tag| text::head(tag, TAG, text::units)).collect();
    json!({
        "message": text::title(message, MESSAGE, text::units),
        "alias": alias,
        "description": text::plain(message, DESCRIPTION, text::units),
        "source": SOURCE,
        "entity": text::head(&message.job, ENTITY, text::units),
        "priority": if message.severity == Severity::Bad { usual } else { usual.max("P4") },
        "tags": tags,
        "details": details(message),
    })
}

/// As many facts as there is room for.
fn details(message: &Message) -> Map<String, Value> {
    let facts = message.facts.iter().map(|(name, value)| (*name, value.as_str()));
    let link = message.link.as_deref().filter(|it| it.len() <= 2000);
    let mut left = DETAILS;
    let mut details = Map::new();
    for (name, value) in link.map(|link| ("link", link)).into_iter().chain(facts) {
        let value = if name == "link" { value.to_owned() } else { text::head(value, DETAIL, text::units) };
        let Some(rest) = left.checked_sub(name.len() + value.encode_utf16().count()) else { continue };
        left = rest;
        details.insert(name.to_owned(), json!(value));
    }
    details
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::channel::ChannelKind,
        notify::services::tests::fixtures::{channel, channel_with_list, fits, header, message, messages},
    };

    const SCHEMA: &str = include_str!("../../../integration/notify/schemas/opsgenie.json");

    #[test]
    fn every_message_fits_or_is_no_alert() {
        let tags: Vec<String> = (0..30).map(|at| "😀".repeat(60) + &at.to_string()).collect();
        let values = [("api-key", "hunter2"), ("priority", "P1")];
        let channel = channel_with_list(ChannelKind::Opsgenie, &values, ("tags", &tags));
        for message in messages() {
            let none = matches!(message.cause, Cause::Start | Cause::Stop | Cause::Digest);
            let request = request(&channel, &message).unwrap();
            assert_eq!(request.is_none(), none);
            let Some(request) = request else { continue };
            assert_eq!(header(&request, "authorization"), Some("GenieKey hunter2"));
            let body = fits(SCHEMA, &request);
            let details = body["details"].as_object().into_iter().flatten();
            let sum: usize = details
                .map(|(name, value)| name.len() + value.as_str().unwrap().encode_utf16().count())
                .sum();
            assert!(sum <= 8000);
        }
    }

    #[test]
    fn a_recovery_closes_what_the_failure_opened() {
        let values = [("api-key", "k"), ("url", "https://api.atlassian.com/jsm/ops/integration")];
        let channel = channel(ChannelKind::Opsgenie, &values);
        let sent = |cause| request(&channel, &message(cause)).unwrap().unwrap();
        let failure = sent(Cause::Failure);
        assert_eq!(failure.url, "https://api.atlassian.com/jsm/ops/integration/v2/alerts");
        assert_eq!(fits(SCHEMA, &failure)["alias"], "thread/1");
        let close =
            "https://api.atlassian.com/jsm/ops/integration/v2/alerts/thread%2F1/close?identifierType=alias";
        assert_eq!(sent(Cause::Recovery).url, close);
        assert_eq!(fits(SCHEMA, &sent(Cause::Skip))["priority"], "P4");
    }
}
