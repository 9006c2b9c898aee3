//! Slack's incoming webhooks.
//!
//! <https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks>,
//! <https://docs.slack.dev/reference/block-kit/blocks>: a header has at most 150 characters, the text of a section
//! 3000. <https://docs.slack.dev/messaging/formatting-message-text>: `&`, `<` and `>` are escaped, which leaves no
//! `<!channel>`. Failures are red, oddities yellow and what goes well green, by an emoji: blocks have no colour.

use serde_json::json;

use super::{address::Address, text};
use crate::{
    model::channel::Channel,
    notify::{message::Message, request::Request},
};

const TITLE: usize = 150;
const SECTION: usize = 3000;

/// What Slack takes.
pub fn request(channel: &Channel, message: &Message) -> Result<Option<Request>, String> {
    let url = Address::of(channel, "url")?.whole();
    let emoji = text::emoji(message.severity);
    let title = text::title(message, TITLE - emoji.encode_utf16().count() - 1, text::slack_units);
    let title = format!("{emoji} {}", text::slack(&title));

    let mut blocks = vec![json!({"type": "header", "text": {"type": "plain_text", "text": title}})];
    let words = text::slack(&text::head(&message.text, SECTION, text::slack_units));
    if !words.is_empty() {
        blocks
            .push(json!({"type": "section", "text": {"type": "plain_text", "text": words, "emoji": false}}));
    }
    let fences = "```\n\n```".len();
    let output = text::slack(&text::tail(&message.tail, SECTION - fences, text::slack_units));
    if !output.is_empty() {
        let code = format!("```\n{output}\n```");
        // Verbatim: Slack makes no links and mentions of what looks like one.
        blocks.push(json!({"type": "section", "text": {"type": "mrkdwn", "text": code, "verbatim": true}}));
    }
    if let Some(link) =
        message.link.as_deref().filter(|it| it.chars().map(text::slack_units).sum::<usize>() < 2900)
    {
        let link = format!("<{}|Open in watchbell>", text::slack(link).replace('|', "%7C"));
        blocks.push(json!({"type": "section", "text": {"type": "mrkdwn", "text": link, "verbatim": true}}));
    }
    // The text is what a notification shows, and what is read out.
    Ok(Some(Request::json(url, &json!({"text": title, "blocks": blocks}))))
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
        let channel =
            channel(ChannelKind::Slack, &[("url", "https://hooks.slack.com/services/T0/B0/hunter2")]);
        for message in messages() {
            let request = request(&channel, &message).unwrap().unwrap();
            assert_eq!(
                (request.method, request.url.as_str()),
                ("POST", "https://hooks.slack.com/services/T0/B0/hunter2")
            );
            let body = fits(include_str!("../../../integration/notify/schemas/slack.json"), &request);
            let all = body.to_string();
            assert!(!all.contains("<!"), "{all}");
            let texts =
                body["blocks"].as_array().unwrap().iter().filter_map(|it| it["text"]["text"].as_str());
            for text in texts.filter(|it| it.contains("```")) {
                assert_eq!((text.matches("```").count(), text.ends_with("\n```")), (2, true), "{text}");
            }
            assert_eq!(all.contains("|Open in watchbell>"), message.link.is_some());
        }
    }
}
