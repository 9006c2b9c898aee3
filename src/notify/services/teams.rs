//! Workflows of Microsoft Teams ("when a Teams webhook request is received").
//!
//! <https://learn.microsoft.com/en-us/microsoftteams/platform/webhooks-and-connectors/how-to/add-incoming-webhook>,
//! <https://adaptivecards.io/explorer/>: a message with one Adaptive Card, of at most 28 KB. Failures are shown as
//! `Attention`, oddities as `Warning` and what goes well as `Good`.

use serde_json::{Value, json};

use super::{address::Address, text};
use crate::{
    model::channel::Channel,
    notify::{
        message::{Message, Severity},
        request::Request,
    },
};

const TITLE: usize = 1000;
const WORDS: usize = 6000;
const OUTPUT: usize = 16_000;

/// What one line costs beside its characters.
const LINE: usize = 130;

/// What Teams takes.
pub fn request(channel: &Channel, message: &Message) -> Result<Option<Request>, String> {
    let url = Address::of(channel, "url")?.whole();
    let colour = match message.severity {
        Severity::Bad => "Attention",
        Severity::Odd => "Warning",
        Severity::Good => "Good",
    };
    let title = text::title(message, TITLE, text::json_bytes);
    let title =
        json!({"type": "TextRun", "text": title, "size": "Medium", "weight": "Bolder", "color": colour});
    let mut body = vec![json!({"type": "RichTextBlock", "inlines": [title]})];
    body.extend(lines(&text::head(&message.text, WORDS, line_bytes), "Default"));
    body.extend(lines(&text::tail(&message.tail, OUTPUT, line_bytes), "Monospace"));
    let mut card = json!({
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "msteams": {"width": "Full"},
        "body": body,
    });
    // A longer address than this is none that anybody opens.
    if let Some(link) = message.link.as_deref().filter(|it| it.len() <= 2000) {
        card["actions"] = json!([{"type": "Action.OpenUrl", "title": "Open in watchbell", "url": link}]);
    }
    let attachment = json!({
        "contentType": "application/vnd.microsoft.card.adaptive",
        "contentUrl": null,
        "content": card,
    });
    Ok(Some(Request::json(url, &json!({"type": "message", "attachments": [attachment]}))))
}

fn line_bytes(c: char) -> usize {
    if c == '\n' { LINE } else { text::json_bytes(c) }
}

/// Each line by itself: how a card breaks lines within a text differs between clients. A `TextRun`, unlike a
/// `TextBlock`, knows no Markdown.
fn lines(text: &str, font: &'static str) -> impl Iterator<Item = Value> {
    text.lines().enumerate().map(move |(at, line)| {
        let line = if line.is_empty() { " " } else { line };
        json!({
            "type": "RichTextBlock",
            "spacing": if at == 0 { "Medium" } else { "None" },
            "inlines": [{"type": "TextRun", "text": line, "fontType": font}],
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::channel::ChannelKind,
        notify::services::tests::fixtures::{channel, fits, messages},
    };

    #[test]
    fn every_message_fits_into_28_kb() {
        let channel = channel(
            ChannelKind::Teams,
            &[("url", "https://x.logic.azure.com/workflows/1?sig=hunter2&sv=1.0")],
        );
        for message in messages() {
            let request = request(&channel, &message).unwrap().unwrap();
            assert_eq!(request.url, "https://x.logic.azure.com/workflows/1?sig=hunter2&sv=1.0");
            assert!(request.body.len() <= 28_000, "{}", request.body.len());
            let body = fits(include_str!("../../../integration/notify/schemas/teams.json"), &request);
            assert_eq!(body["attachments"][0]["content"].get("actions").is_some(), message.link.is_some());
        }
    }

    #[test]
    fn a_line_costs_no_more_than_is_counted() {
        let one = lines("", "Monospace").chain(lines("x", "Monospace")).chain(lines("x\nx", "Monospace"));
        for line in one {
            assert!(line.to_string().len() < LINE, "{line}");
        }
        for newlines in [1, 500, 100_000] {
            let text = text::tail(&("x".to_owned() + &"\n\nx".repeat(newlines)), OUTPUT, line_bytes);
            let size: usize = lines(&text, "Monospace").map(|it| it.to_string().len() + 1).sum();
            assert!(size <= OUTPUT + LINE, "{size}");
        }
    }
}
