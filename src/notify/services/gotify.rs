//! An application of Gotify.
//!
//! <https://gotify.net/docs/pushmsg>, <https://gotify.net/docs/msgextras>: text from elsewhere is sent as `text/plain`,
//! since Markdown of it could load pictures. No limit is documented; what is sent is kept to what a telephone shows.
//! Failures go with priority 8 (sound and vibration), everything else with 5 (sound); `priority` is that of failures,
//! and nothing else goes with a higher one.

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

const ALL: usize = 16_000;
const TITLE: usize = 250;

/// What Gotify takes.
pub fn request(channel: &Channel, message: &Message) -> Result<Option<Request>, String> {
    let url = Address::of(channel, "url")?.path(&["message"]).whole();
    let token = header_value(required(channel, "token")?, "token")?;
    let failures = channel.number("priority").unwrap_or(8);
    let priority = if message.severity == Severity::Bad { failures } else { failures.min(5) };
    let mut extras = json!({"client::display": {"contentType": "text/plain"}});
    if let Some(link) = &message.link {
        extras["client::notification"] = json!({"click": {"url": link}});
    }
    let body = json!({
        "title": text::title(message, TITLE, text::characters),
        "message": text::plain(message, ALL, text::characters),
        "priority": priority,
        "extras": extras,
    });
    Ok(Some(Request::json(url, &body).header("x-gotify-key", token)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::channel::ChannelKind,
        notify::services::tests::fixtures::{channel, fits, header, messages},
    };

    #[test]
    fn every_message_fits() {
        let values = [("url", "https://push.example/gotify/"), ("token", "Ahunter2"), ("priority", "10")];
        let channel = channel(ChannelKind::Gotify, &values);
        for message in messages() {
            let request = request(&channel, &message).unwrap().unwrap();
            assert_eq!(request.url, "https://push.example/gotify/message");
            assert_eq!(header(&request, "x-gotify-key"), Some("Ahunter2"));
            let body = fits(include_str!("../../../integration/notify/schemas/gotify.json"), &request);
            assert_eq!(body["priority"], if message.severity == Severity::Bad { 10 } else { 5 });
        }
    }
}
