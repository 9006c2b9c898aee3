//! Mattermost's incoming webhooks.
//!
//! <https://developers.mattermost.com/integrate/webhooks/incoming/>: a text of at most 16,383 characters. There is no
//! switch against mentions, and `<!channel>` is one too: an invisible space is put behind each `@` and `<`, and what
//! is in a code block mentions nobody. Failures are red, oddities yellow and what goes well green, by an emoji.

use serde_json::json;

use super::{address::Address, text};
use crate::{
    model::channel::Channel,
    notify::{message::Message, request::Request},
};

const ALL: usize = 16_383;
const TITLE: usize = 500;
const WORDS: usize = 4000;

/// What Mattermost takes.
pub fn request(channel: &Channel, message: &Message) -> Result<Option<Request>, String> {
    let url = Address::of(channel, "url")?.whole();
    let title = text::title(message, TITLE, text::markdown_units);
    let mut all = format!("{} **{}**", text::emoji(message.severity), text::markdown(&title));
    let words = text::markdown(&text::head(&message.text, WORDS, text::markdown_units));
    if !words.is_empty() {
        all = format!("{all}\n{words}");
    }
    if let Some(link) = message.link.as_deref().filter(|it| it.len() <= 2000) {
        all = format!("{all}\n[Open in watchbell]({})", link.replace('(', "%28").replace(')', "%29"));
    }
    // These become mentions before it is known what is code.
    let output = message.tail.replace("<!", "<\u{200b}!").replace("<@", "<\u{200b}@");
    let output = text::code_block(&output, ALL - all.encode_utf16().count() - 1);
    if !output.is_empty() {
        all = format!("{all}\n{output}");
    }
    let mut body = json!({"text": all});
    for key in ["channel", "username"] {
        if let Some(value) = channel.text(key) {
            body[key] = json!(value);
        }
    }
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
        let values = [("url", "https://chat/hooks/hunter2"), ("channel", "ops"), ("username", "watchbell")];
        let channel = channel(ChannelKind::Mattermost, &values);
        for message in messages() {
            let request = request(&channel, &message).unwrap().unwrap();
            let body = fits(include_str!("../../../integration/notify/schemas/mattermost.json"), &request);
            assert_eq!((&body["channel"], &body["username"]), (&json!("ops"), &json!("watchbell")));
            let text = body["text"].as_str().unwrap();
            assert!(!text.contains("<!channel>") && text.matches("```").count().is_multiple_of(2));
            let outside: String = text.split("```").step_by(2).collect();
            assert!(!outside.contains("@everyone") && !outside.contains("@channel"), "{outside}");
        }
    }
}
