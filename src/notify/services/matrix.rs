//! A room of Matrix.
//!
//! <https://spec.matrix.org/latest/client-server-api/#put_matrixclientv3roomsroomidsendeventtypetxnid>: the
//! transaction ID makes a second try of the same message do nothing. An event has at most 65,536 bytes with all that
//! the server adds; text and output stand in it twice, as text and as HTML. An empty `m.mentions` says that nobody is
//! meant, whatever stands in the text. Failures are red, oddities yellow and what goes well green, by an emoji.

use serde_json::json;

use super::{
    address::{Address, header_value, required},
    text,
};
use crate::{
    model::channel::Channel,
    notify::{message::Message, request::Request},
};

const TITLE: usize = 1000;
const WORDS: usize = 8000;
const OUTPUT: usize = 16_000;

/// What Matrix takes.
pub fn request(channel: &Channel, message: &Message) -> Result<Option<Request>, String> {
    let room = required(channel, "room")?;
    if !room.starts_with('!') {
        return Err(
            "room: it is no room ID, and nothing can be sent to an alias: write the ID, which begins with \
                    \"!\" and stands in the room's settings"
                .to_owned(),
        );
    }
    let token = header_value(required(channel, "token")?, "token")?;
    let id = text::key(&message.key, 255);
    let path = ["_matrix", "client", "v3", "rooms", room, "send", "m.room.message", &id];
    let url = Address::of(channel, "url")?.path(&path).whole();

    let emoji = text::emoji(message.severity);
    let title = text::title(message, TITLE, text::html_json_bytes);
    let words = text::head(&message.text, WORDS, text::html_json_bytes);
    let output = text::tail(&message.tail, OUTPUT, text::html_json_bytes);
    let link = message.link.as_deref().filter(|it| it.len() <= 2000);

    let mut plain = format!("{emoji} {title}");
    let mut html = format!("{emoji} <strong>{}</strong>", text::html(&title));
    if !words.is_empty() {
        plain = format!("{plain}\n{words}");
        html = format!("{html}<br>{}", text::html(&words).replace('\n', "<br>"));
    }
    if !output.is_empty() {
        plain = format!("{plain}\n\n{output}");
        html = format!("{html}<pre><code>{}</code></pre>", text::html(&output));
    }
    if let Some(link) = link {
        plain = format!("{plain}\n\n{link}");
        html = format!("{html}<p><a href=\"{}\">Open in watchbell</a></p>", text::html(link));
    }
    let content = json!({
        "msgtype": "m.text",
        "body": plain,
        "format": "org.matrix.custom.html",
        "formatted_body": html,
        "m.mentions": {},
    });
    let request = Request { method: "PUT", ..Request::json(url, &content) };
    Ok(Some(request.header("authorization", format!("Bearer {token}"))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::channel::ChannelKind,
        notify::services::tests::fixtures::{channel, fits, header, messages},
    };

    const VALUES: [(&str, &str); 3] =
        [("url", "https://matrix.org/"), ("room", "!a/b:matrix.org"), ("token", "hunter2")];

    #[test]
    fn every_message_fits_and_is_well_formed() {
        let channel = channel(ChannelKind::Matrix, &VALUES);
        for message in messages() {
            let request = request(&channel, &message).unwrap().unwrap();
            let path =
                "https://matrix.org/_matrix/client/v3/rooms/%21a%2Fb:matrix.org/send/m.room.message/key-1";
            assert_eq!((request.method, request.url.as_str()), ("PUT", path));
            assert_eq!(header(&request, "authorization"), Some("Bearer hunter2"));
            assert!(request.body.len() < 60_000, "{}", request.body.len());
            let body = fits(include_str!("../../../integration/notify/schemas/matrix.json"), &request);
            let html = body["formatted_body"].as_str().unwrap();
            let tags = [
                "<strong>",
                "</strong>",
                "<br>",
                "<pre><code>",
                "</code></pre>",
                "<p><a href=\"",
                "\">Open in watchbell</a></p>",
            ];
            let rest = tags.iter().fold(html.to_owned(), |html, tag| html.replace(tag, ""));
            assert!(!rest.contains(['<', '>', '"']), "{rest}");
        }
    }

    #[test]
    fn an_alias_is_told_of() {
        let channel = channel(
            ChannelKind::Matrix,
            &[("url", "https://matrix.org"), ("room", "#ops:matrix.org"), ("token", "x")],
        );
        assert!(request(&channel, &messages()[0]).unwrap_err().starts_with("room: "));
    }
}
