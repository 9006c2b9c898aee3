//! healthchecks.io, or one of one's own.
//!
//! <https://healthchecks.io/docs/http_api/>: a ping that a run starts (`/start`), succeeds (the address itself), fails
//! (`/fail`, or `/` and the exit code) or that something is worth a note (`/log`), with a run ID (`rid`) that brings
//! the start and the end of a run together. What is sent along is kept up to 100 kB, and up to 10 kB at one of one's own unless its
//! `PING_BODY_LIMIT` says otherwise; of more, the beginning is kept there, so it is cut here.

use bytes::Bytes;
use ulid::Ulid;

use super::{address::Address, text};
use crate::{
    model::{channel::Channel, notification::Cause},
    notify::{message::Message, request::Request},
};

const HOSTED: usize = 100_000;
const OWN: usize = 10_000;

/// What healthchecks.io takes; nothing of a digest.
pub fn request(channel: &Channel, message: &Message) -> Result<Option<Request>, String> {
    let code = message.exit_code.filter(|code| (1..=255).contains(code)).map(|code| code.to_string());
    let end: &[&str] = match message.cause {
        Cause::Start => &["start"],
        Cause::Success | Cause::Recovery => &[],
        Cause::Failure => &[code.as_deref().unwrap_or("fail")],
        // The exit code is what stopping it made of it, if anything.
        Cause::Timeout | Cause::Lost | Cause::Missed | Cause::Expect => &["fail"],
        Cause::Skip | Cause::Slow | Cause::Stop | Cause::Test => &["log"],
        Cause::Digest => return Ok(None),
    };
    let mut url = Address::of(channel, "url")?;
    let limit = if url.host().eq_ignore_ascii_case("hc-ping.com") { HOSTED } else { OWN };
    url = url.path(end);
    if let Some(run) = uuid(&message.run) {
        url = url.query("rid", &run);
    }
    let body = if message.cause == Cause::Start {
        String::new()
    } else {
        text::plain(message, limit, char::len_utf8)
    };
    let headers = vec![("content-type".to_owned(), "text/plain; charset=utf-8".to_owned())];
    let request =
        Request { method: "POST", url: url.whole(), headers, body: Bytes::from(body), expect: Vec::new() };
    Ok(Some(request))
}

/// The run's ID in the only form that a run ID has there: the same 128 bits, written as a UUID.
fn uuid(run: &str) -> Option<String> {
    let digits = format!("{:032x}", u128::from(Ulid::from_string(run).ok()?));
    Some([&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]].join("-"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::channel::ChannelKind,
        notify::services::tests::fixtures::{RUN, channel, matches_fixture, message, messages},
    };

    const CHECK: &str = "https://hc-ping.com/5bf66975-d4c7-4bf5-bcc8-b8d8a82ea278";
    const FIXTURE: &str = include_str!("../../../integration/notify/schemas/healthchecks.json");

    fn sent(url: &str, message: &Message) -> Option<Request> {
        request(&channel(ChannelKind::Healthchecks, &[("url", url)]), message).unwrap()
    }

    #[test]
    fn every_cause_has_its_endpoint() {
        for (cause, end) in [
            (Cause::Start, Some("/start")),
            (Cause::Success, Some("")),
            (Cause::Recovery, Some("")),
            (Cause::Failure, Some("/3")),
            (Cause::Timeout, Some("/fail")),
            (Cause::Lost, Some("/fail")),
            (Cause::Missed, Some("/fail")),
            (Cause::Expect, Some("/fail")),
            (Cause::Skip, Some("/log")),
            (Cause::Slow, Some("/log")),
            (Cause::Stop, Some("/log")),
            (Cause::Test, Some("/log")),
            (Cause::Digest, None),
        ] {
            let request = sent(CHECK, &message(cause));
            let expected = end.map(|end| format!("{CHECK}{end}?rid=01563e3a-b5d3-d676-4c61-ef75cc9815fb"));
            assert_eq!(request.map(|it| it.url), expected, "{cause:?}");
        }
    }

    #[test]
    fn a_code_that_means_success_or_is_none_is_a_failure_all_the_same() {
        for code in [None, Some(0), Some(256), Some(-1)] {
            let failed = Message { exit_code: code, run: String::new(), ..message(Cause::Failure) };
            assert_eq!(
                sent("https://own/ping/key/slug?create=1", &failed).unwrap().url,
                "https://own/ping/key/slug/fail?create=1"
            );
        }
    }

    #[test]
    fn every_message_fits_and_keeps_its_last_line() {
        for (url, limit) in [(CHECK, 100_000), ("https://hc-ping.com.example/ping/x", 10_000)] {
            for message in messages() {
                let Some(request) = sent(url, &message) else { continue };
                matches_fixture(FIXTURE, &request);
                let body = std::str::from_utf8(&request.body).unwrap();
                assert!(body.len() <= limit, "{}", body.len());
                let last = text::clean(&message.tail).lines().last().unwrap_or_default().to_owned();
                if last.len() < 1000 && message.cause != Cause::Start {
                    assert!(body.ends_with(&last));
                }
            }
        }
    }

    #[test]
    fn start_and_end_of_a_run_have_the_same_id() {
        assert_eq!(uuid(RUN).as_deref(), Some("01563e3a-b5d3-d676-4c61-ef75cc9815fb"));
        assert_eq!((uuid(""), uuid("no-ulid")), (None, None));
    }
}
