//! Any HTTP receiver.
//!
//! Without a template it is sent the JSON of [`Message::data`]. A receiver that knows the secret knows by
//! `X-Watchbell-Signature`, the HMAC-SHA256 (RFC 2104) of what is sent, who wrote it; it is made as others make theirs
//! (<https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries>).

use bytes::Bytes;
use ring::hmac;

use super::{
    address::{Address, header_name, header_value},
    text,
};
use crate::{
    model::channel::Channel,
    notify::{message::Message, request::Request, template},
};

/// What HTTP itself writes, where two could make one request look like two, and what is written here.
const WRITTEN: [&str; 7] = [
    "connection",
    "content-length",
    "host",
    "idempotency-key",
    "te",
    "transfer-encoding",
    "x-watchbell-signature",
];

/// What the receiver takes.
pub fn request(channel: &Channel, message: &Message) -> Result<Option<Request>, String> {
    let method = match channel.text("method").unwrap_or("POST") {
        "GET" => "GET",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        _ => {
            return Err(
                "method: it is none that a message is sent by: write GET, POST, PUT or PATCH".to_owned()
            );
        }
    };
    let url = Address::of(channel, "url")?.whole();
    let body = body(channel, message, method)?;
    let mut headers = configured(channel)?;
    if !body.is_empty() && !headers.iter().any(|(name, _)| name == "content-type") {
        let usual = "application/json";
        let kind = channel.text("content-type").filter(|_| channel.text("body-template").is_some());
        headers.push((
            "content-type".to_owned(),
            header_value(kind.unwrap_or(usual), "content-type")?.to_owned(),
        ));
    }
    if let Some(secret) = channel.text("hmac-secret") {
        headers.push(("x-watchbell-signature".to_owned(), signature(secret, &body)));
    }
    Ok(Some(Request { method, url, headers, body, expect: expected(channel)? }))
}

/// Nothing goes with GET: hardly a receiver reads it, and some refuse it.
fn body(channel: &Channel, message: &Message, method: &str) -> Result<Bytes, String> {
    if method == "GET" {
        return Ok(Bytes::new());
    }
    Ok(Bytes::from(match channel.text("body-template") {
        Some(template) => {
            template::render(template, message).map_err(|error| format!("body-template: {error}"))?
        }
        None => message.data.to_string(),
    }))
}

fn configured(channel: &Channel) -> Result<Vec<(String, String)>, String> {
    let headers = channel.list("header").iter().map(|line| {
        let Some((name, value)) = line.split_once(':') else {
            return Err("header: it has no colon: write \"Name: value\"".to_owned());
        };
        let name = header_name(name.trim(), "header")?.to_ascii_lowercase();
        if WRITTEN.contains(&name.as_str()) {
            return Err(format!("header: {name} is written with each request anyway: leave it out"));
        }
        Ok((name, header_value(value.trim(), "header")?.to_owned()))
    });
    headers.collect()
}

fn expected(channel: &Channel) -> Result<Vec<u16>, String> {
    let statuses =
        channel.list("expect-status").iter().map(|it| it.parse().ok().filter(|it| (100..600).contains(it)));
    let statuses: Option<Vec<u16>> = statuses.collect();
    statuses.ok_or_else(|| "expect-status: it is no HTTP status: write numbers of 100 to 599".to_owned())
}

fn signature(secret: &str, body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    format!("sha256={}", text::hex(hmac::sign(&key, body).as_ref()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::{channel::ChannelKind, notification::Cause},
        notify::services::tests::fixtures::{channel, channel_with_list, header, message, messages},
    };

    const URL: (&str, &str) = ("url", "https://hooks.example/x?key=hunter2");

    fn sent(values: &[(&'static str, &str)]) -> Result<Request, String> {
        request(&channel(ChannelKind::Webhook, values), &message(Cause::Failure)).map(Option::unwrap)
    }

    fn with_headers(headers: &[&str]) -> Result<Request, String> {
        let headers: Vec<String> = headers.iter().map(ToString::to_string).collect();
        let channel = channel_with_list(ChannelKind::Webhook, &[URL], ("header", &headers));
        request(&channel, &message(Cause::Failure)).map(Option::unwrap)
    }

    #[test]
    fn the_data_arrives_as_it_is() {
        for message in messages() {
            let request = request(&channel(ChannelKind::Webhook, &[URL]), &message).unwrap().unwrap();
            let body: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
            assert_eq!((request.method, request.url.as_str(), body), ("POST", URL.1, message.data));
            assert_eq!(header(&request, "content-type"), Some("application/json"));
        }
    }

    #[test]
    fn the_signature_is_that_of_the_rfc() {
        // RFC 4231, test case 2.
        let expected = "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(signature("Jefe", b"what do ya want for nothing?"), expected);
        let request = sent(&[URL, ("hmac-secret", "hunter2")]).unwrap();
        let signed = header(&request, "x-watchbell-signature").unwrap();
        assert_eq!(signed, signature("hunter2", &request.body));
    }

    #[test]
    fn a_method_a_template_and_headers_are_as_they_are_written() {
        let written =
            sent(&[URL, ("method", "PUT"), ("body-template", "{{ title }}"), ("content-type", "text/plain")])
                .unwrap();
        assert_eq!((written.method, header(&written, "content-type")), ("PUT", Some("text/plain")));
        assert_eq!(written.body, "backup failed with exit code 3");
        let got = sent(&[URL, ("method", "GET")]).unwrap();
        assert_eq!((got.method, got.body.len(), header(&got, "content-type")), ("GET", 0, None));
        let own = with_headers(&["Content-Type: application/x", "X-Key:  a: b "]).unwrap();
        assert_eq!(
            (header(&own, "content-type"), header(&own, "x-key")),
            (Some("application/x"), Some("a: b"))
        );
        assert_eq!(own.headers.len(), 2);
    }

    #[test]
    fn a_bad_value_is_told_by_its_key_only() {
        for line in [
            "hunter2",
            "X-A: hunter2\r\nX-B: c",
            ": hunter2",
            "Content-Length: 2",
            "IDEMPOTENCY-KEY: hunter2",
            "X A: hunter2",
            "X-A: hünter2",
        ] {
            let error = with_headers(&[line]).unwrap_err();
            assert!(error.starts_with("header: ") && !error.contains("nter2"), "{error}");
        }
        for (key, value) in [("method", "hunter2"), ("expect-status", "hunter2"), ("expect-status", "99")] {
            let error = sent(&[URL, (key, value)]).unwrap_err();
            assert!(error.starts_with(key) && !error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn expected_statuses_are_the_receivers() {
        let statuses = ["204".to_owned(), "301".to_owned()];
        let channel = channel_with_list(ChannelKind::Webhook, &[URL], ("expect-status", &statuses));
        let request = request(&channel, &message(Cause::Failure)).unwrap().unwrap();
        assert_eq!((request.expect, sent(&[URL]).unwrap().expect), (vec![204, 301], vec![]));
    }
}
