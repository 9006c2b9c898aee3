//! Pushover.
//!
//! <https://pushover.net/api>: a message has at most 1024 characters, a title 250, an address 512 and its title 100; a
//! message with priority 2 is repeated until someone says that it was seen, at least every 30 seconds and for at most
//! three hours. `priority` is that of failures (0 unless it is set); nothing else goes with a higher one than 0.

use serde_json::json;

use super::{
    address::{Address, required},
    text,
};
use crate::{
    model::channel::Channel,
    notify::{
        message::{Message, Severity},
        request::Request,
    },
};

const ALL: usize = 1024;
const TITLE: usize = 250;
const LINK: usize = 512;

/// How often, and for how long, a message with priority 2 is repeated, in seconds.
const RETRY: u32 = 60;
const EXPIRE: u32 = 3600;

/// What Pushover takes.
pub fn request(channel: &Channel, message: &Message) -> Result<Option<Request>, String> {
    let url = Address::or(channel, "url", "https://api.pushover.net")?.path(&["1", "messages.json"]).whole();
    let failures = channel.number("priority").unwrap_or(0);
    let priority = if message.severity == Severity::Bad { failures } else { failures.min(0) };
    let mut body = json!({
        "token": required(channel, "token")?,
        "user": required(channel, "user")?,
        "title": text::title(message, TITLE, text::units),
        "message": text::plain(message, ALL, text::units),
        "priority": priority,
        "timestamp": message.at.as_second(),
    });
    if priority == 2 {
        body["retry"] = json!(RETRY);
        body["expire"] = json!(EXPIRE);
    }
    if let Some(device) = channel.text("device") {
        body["device"] = json!(device);
    }
    // A part of an address is none.
    if let Some(link) = message.link.as_deref().filter(|it| it.chars().count() <= LINK) {
        body["url"] = json!(link);
        body["url_title"] = json!("Open in watchbell");
    }
    Ok(Some(Request::json(url, &body)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::{channel::ChannelKind, notification::Cause},
        notify::services::tests::fixtures::{channel, fits, message, messages},
    };

    const SCHEMA: &str = include_str!("../../../integration/notify/schemas/pushover.json");

    #[test]
    fn every_message_fits() {
        for priority in ["-2", "0", "2"] {
            let values = [("token", "hunter2"), ("user", "u"), ("device", "phone"), ("priority", priority)];
            let channel = channel(ChannelKind::Pushover, &values);
            for message in messages() {
                let request = request(&channel, &message).unwrap().unwrap();
                assert_eq!(request.url, "https://api.pushover.net/1/messages.json");
                fits(SCHEMA, &request);
            }
        }
    }

    #[test]
    fn only_a_failure_is_an_emergency() {
        let values = [("token", "t"), ("user", "u"), ("priority", "2")];
        let body = |cause| {
            let request =
                request(&channel(ChannelKind::Pushover, &values), &message(cause)).unwrap().unwrap();
            fits(SCHEMA, &request)
        };
        let (failure, recovery) = (body(Cause::Failure), body(Cause::Recovery));
        assert_eq!(
            (&failure["priority"], &failure["retry"], &failure["expire"]),
            (&json!(2), &json!(60), &json!(3600))
        );
        assert_eq!((&recovery["priority"], recovery.get("retry")), (&json!(0), None));
    }

    #[test]
    fn an_address_is_whole_or_not_there() {
        let mut message = message(Cause::Failure);
        message.link = Some(format!("https://cron.example/{}", "x".repeat(600)));
        let channel = channel(ChannelKind::Pushover, &[("token", "t"), ("user", "u")]);
        let body = fits(SCHEMA, &request(&channel, &message).unwrap().unwrap());
        assert_eq!(body.get("url"), None);
    }
}
