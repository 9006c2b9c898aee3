//! What holds for every service.

pub mod fixtures;

use self::fixtures::{channel, header, message, messages, usual};
use super::*;
use crate::model::notification::Cause;

#[test]
fn each_kind_is_told_over_http_or_is_none_that_is() {
    for (name, kind) in ChannelKind::NAMES {
        let request = request(&channel(kind, usual(kind)), &message(Cause::Failure)).unwrap();
        assert_eq!(request.is_some(), HTTP.contains(&kind), "{name}");
        let Some(request) = request else { continue };
        assert_eq!(header(&request, "idempotency-key"), Some("key-1"), "{name}");
    }
}

#[test]
fn what_is_sent_can_be_sent() {
    for kind in HTTP {
        for message in messages() {
            let Some(request) = request(&channel(kind, usual(kind)), &message).unwrap() else { continue };
            assert!(request.url.bytes().all(|byte| byte.is_ascii_graphic()), "{}", request.url);
            for (name, value) in &request.headers {
                assert!(address::header_name(name, "").is_ok() && address::header_value(value, "").is_ok());
                assert_eq!(request.headers.iter().filter(|(other, _)| other == name).count(), 1, "{name}");
                assert_eq!(name, &name.to_ascii_lowercase());
            }
        }
    }
}

#[test]
fn no_debug_and_no_error_shows_a_secret() {
    for kind in HTTP {
        let values = usual(kind);
        let whole = channel(kind, values);
        let request = request(&whole, &message(Cause::Failure)).unwrap().unwrap();
        let shown = format!("{request:?} {whole:?} {:?}", whole.values);
        assert!(!shown.contains("hunter2"), "{shown}");
        // It is really there; it is only not shown.
        let sent =
            format!("{} {:?} {}", request.url, request.headers, String::from_utf8_lossy(&request.body));
        assert!(sent.contains("hunter2"), "{sent}");
        for (key, _) in values {
            for bad in ["hunter2\r\nX-Evil: 1", "\u{0}hunter2", "hunter2 \u{1f600}", ""] {
                let broken =
                    values.iter().map(|(name, value)| (*name, if name == key { bad } else { *value }));
                let broken = channel(kind, &broken.collect::<Vec<_>>());
                match super::request(&broken, &message(Cause::Failure)) {
                    Err(error) => {
                        assert!(
                            error.starts_with(&format!("{key}: ")) && !error.contains("hunter2"),
                            "{error}"
                        );
                    }
                    Ok(request) => {
                        let request = request.unwrap();
                        assert!(
                            !request.url.contains(['\r', '\n'])
                                && !format!("{request:?}").contains("hunter2")
                        );
                        let lines =
                            request.headers.iter().any(|(_, value)| value.contains(['\r', '\n', '\0']));
                        assert!(!lines, "{key}");
                    }
                }
            }
        }
    }
}

#[test]
fn a_missing_value_is_told_by_its_key() {
    for kind in HTTP {
        for (key, _) in usual(kind) {
            let rest: Vec<_> = usual(kind).iter().copied().filter(|(name, _)| name != key).collect();
            let error = request(&channel(kind, &rest), &message(Cause::Failure)).unwrap_err();
            assert!(error.starts_with(&format!("{key}: it is missing")), "{kind:?}: {error}");
        }
    }
}
