//! Discord's webhooks.
//!
//! <https://discord.com/developers/docs/resources/webhook#execute-webhook>,
//! <https://discord.com/developers/docs/resources/message#embed-object-embed-limits>: a title has at most 256
//! characters, a description 4096, all of an embed 6000. Failures are red, oddities yellow and what goes well green.

use serde_json::json;

use super::{address::Address, text};
use crate::{
    model::channel::Channel,
    notify::{message::Message, request::Request},
};

const TITLE: usize = 256;
const DESCRIPTION: usize = 4096;

/// What Discord takes.
pub fn request(channel: &Channel, message: &Message) -> Result<Option<Request>, String> {
    // Without it Discord answers before the message is kept, and a message that is not kept is no error.
    let url = Address::of(channel, "url")?.query("wait", "true").whole();
    let mut description = text::markdown(&text::head(&message.text, DESCRIPTION / 2, text::markdown_units));
    let used = description.encode_utf16().count() + 1;
    let output = text::code_block(&message.tail, DESCRIPTION - used);
    if !output.is_empty() {
        if !description.is_empty() {
            description.push('\n');
        }
        description.push_str(&output);
    }
    let mut embed = json!({
        "title": text::markdown(&text::title(message, TITLE, text::markdown_units)),
        "description": description,
        "color": text::colour(message.severity),
        "timestamp": message.at.to_string(),
    });
    if let Some(link) = &message.link {
        embed["url"] = json!(link);
    }
    // Whatever stands in it: nobody is pinged.
    let body = json!({"embeds": [embed], "allowed_mentions": {"parse": []}});
    Ok(Some(Request::json(url, &body)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::channel::ChannelKind,
        notify::services::tests::fixtures::{channel, fits, messages},
    };

    #[test]
    fn every_message_fits_and_mentions_nobody() {
        let channel = channel(
            ChannelKind::Discord,
            &[("url", "https://discord.com/api/webhooks/1/hunter2?thread_id=5")],
        );
        for message in messages() {
            let request = request(&channel, &message).unwrap().unwrap();
            assert_eq!(request.url, "https://discord.com/api/webhooks/1/hunter2?thread_id=5&wait=true");
            let body = fits(include_str!("../../../integration/notify/schemas/discord.json"), &request);
            let embed = &body["embeds"][0];
            let units = |key: &str| embed[key].as_str().unwrap().encode_utf16().count();
            assert!(units("title") <= 256 && units("description") <= 4096);
            assert!(embed["description"].as_str().unwrap().matches("```").count().is_multiple_of(2));
            assert_eq!(embed["url"].as_str(), message.link.as_deref());
        }
    }
}
