//! A bot of Telegram.
//!
//! <https://core.telegram.org/bots/api#sendmessage>: at most 4096 characters, counted as UTF-16 units after the markup
//! is gone; here they are counted with it, which is never more than is allowed.
//! <https://core.telegram.org/bots/api#html-style>: `<`, `>`, `&` and `"` are escaped. Failures are red, oddities
//! yellow and what goes well green, by an emoji; what goes well makes no sound.

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

const ALL: usize = 4096;
const TITLE: usize = 300;
const WORDS: usize = 1500;

/// What Telegram takes.
pub fn request(channel: &Channel, message: &Message) -> Result<Option<Request>, String> {
    let token = required(channel, "token")?;
    let chat = required(channel, "chat")?;
    let method = [&format!("bot{token}"), "sendMessage"];
    let url = Address::or(channel, "url", "https://api.telegram.org")?.path(&method).whole();

    let title = text::html(&text::title(message, TITLE, text::html_units));
    let mut all = format!("{} <b>{title}</b>", text::emoji(message.severity));
    let words = text::html(&text::head(&message.text, WORDS, text::html_units));
    if !words.is_empty() {
        all = format!("{all}\n{words}");
    }
    if let Some(link) = message.link.as_deref().filter(|it| it.len() <= 1000) {
        all = format!("{all}\n<a href=\"{}\">Open in watchbell</a>", text::html(link));
    }
    let markup = "\n<pre></pre>".len();
    let room = ALL.saturating_sub(all.encode_utf16().count() + markup);
    let output = text::html(&text::tail(&message.tail, room, text::html_units));
    if !output.is_empty() {
        all = format!("{all}\n<pre>{output}</pre>");
    }
    let mut body = json!({
        // A number is the ID of a chat, everything else a channel's name.
        "chat_id": chat.parse::<i64>().map_or_else(|_| json!(chat), |id| json!(id)),
        "text": all,
        "parse_mode": "HTML",
        "link_preview_options": {"is_disabled": true},
        "disable_notification": message.severity == Severity::Good,
    });
    if let Some(thread) = channel.number("thread") {
        body["message_thread_id"] = json!(thread);
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
    fn every_message_fits_and_is_well_formed() {
        let values = [("token", "12:hunter2"), ("chat", "-100123"), ("thread", "7")];
        let channel = channel(ChannelKind::Telegram, &values);
        for message in messages() {
            let request = request(&channel, &message).unwrap().unwrap();
            assert_eq!(request.url, "https://api.telegram.org/bot12:hunter2/sendMessage");
            let body = fits(include_str!("../../../integration/notify/schemas/telegram.json"), &request);
            assert_eq!((&body["chat_id"], &body["message_thread_id"]), (&json!(-100_123), &json!(7)));
            let text = body["text"].as_str().unwrap();
            assert!(text.encode_utf16().count() <= 4096);
            let tags = ["<b>", "</b>", "<pre>", "</pre>", "<a href=\"", "\">Open in watchbell</a>"];
            let rest = tags.iter().fold(text.to_owned(), |text, tag| text.replace(tag, ""));
            assert!(!rest.contains(['<', '>', '"']), "{rest}");
        }
    }

    #[test]
    fn a_channel_is_named_and_a_token_stays_one_part_of_the_path() {
        let values = [("token", "1:a/../b"), ("chat", "@ops"), ("url", "http://localhost:81/x")];
        let channel = channel(ChannelKind::Telegram, &values);
        let request = request(&channel, &messages()[0]).unwrap().unwrap();
        assert_eq!(request.url, "http://localhost:81/x/bot1:a%2F..%2Fb/sendMessage");
        let body: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
        assert_eq!((&body["chat_id"], body.get("message_thread_id")), (&json!("@ops"), None));
    }
}
