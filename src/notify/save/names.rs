//! What files and folders are called. A name is one component of a path, whatever a job or a run is called.

use std::fmt::Write;

use jiff::Timestamp;
use ring::digest::{SHA256, digest};
use ulid::Ulid;

/// What a file of ours ends with.
pub const KINDS: [&str; 3] = ["json", "stdout", "stderr"];

/// File systems take names of 255 bytes; a kind and what marks an unfinished file go with it.
const LIMIT: usize = 180;

/// The text as one component: every byte but letters, digits, `-`, `_` and `.` as `%` and two digits, the first one also
/// if it is `.` or `_`. Different texts have different names.
pub fn component(text: &str) -> String {
    let mut out = String::new();
    for (at, byte) in text.bytes().enumerate() {
        let stays = byte.is_ascii_alphanumeric() || byte == b'-' || (at > 0 && matches!(byte, b'_' | b'.'));
        if stays {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    if out.len() > LIMIT {
        out.truncate(LIMIT - 33);
        // Nothing else has a `~`.
        out.push('~');
        for byte in &digest(&SHA256, text.as_bytes()).as_ref()[..16] {
            let _ = write!(out, "{byte:02x}");
        }
    }
    out
}

/// The name of what is about no run: an ID of its moment, so that it stands among runs where it belongs.
pub fn without_run(at: Timestamp, key: &str) -> String {
    let told = digest(&SHA256, key.as_bytes());
    let rest = told.as_ref().iter().take(10).fold(0, |sum: u128, byte| (sum << 8) | u128::from(*byte));
    Ulid::from_parts(u64::try_from(at.as_millisecond()).unwrap_or_default(), rest).to_string()
}

/// What comes before the kind, where the name is one of a file that is written here.
pub fn stem(name: &str) -> Option<&str> {
    let (stem, kind) = name.rsplit_once('.')?;
    (KINDS.contains(&kind) && is_run(stem)).then_some(stem)
}

/// Whether it is a file that was begun here and never finished.
pub fn is_begun(name: &str) -> bool {
    let inner = name.strip_prefix('.').and_then(|it| it.strip_suffix(".part"));
    inner.and_then(|it| it.rsplit_once('.')).is_some_and(|(inner, _)| stem(inner).is_some())
}

/// A ULID.
fn is_run(stem: &str) -> bool {
    let is_digit = |it: u8| it.is_ascii_digit() || (it.is_ascii_uppercase() && !b"ILOU".contains(&it));
    stem.len() == 26 && stem.bytes().all(is_digit)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn whatever_something_is_called_its_name_is_one_component(
            text in prop_oneof![any::<String>(), "[./%~_]{0,6}", "\\PC{100,300}"],
            other in prop_oneof![any::<String>(), "[./%~_]{0,6}"],
        ) {
            let name = component(&text);
            prop_assert!(!name.contains(['/', '\0']) && !name.starts_with(['.', '_']));
            prop_assert!(name.len() <= LIMIT);
            prop_assert_eq!(name == component(&other), text == other);
        }
    }

    #[test]
    fn what_jobs_are_usually_called_stays_readable() {
        assert_eq!(component("shop.web-1.back_up"), "shop.web-1.back_up");
        assert_eq!(component("../../etc/passwd"), "%2E.%2F..%2Fetc%2Fpasswd");
        assert_eq!(component("_agent"), "%5Fagent");
        assert_eq!(component("ö"), "%C3%B6");
    }

    #[test]
    fn only_names_of_our_own_are_ours() {
        let at = "2026-11-30T03:00:05.7Z".parse().unwrap();
        let name = without_run(at, "key");
        assert!(name.starts_with("01M8N6ADE4") && name == without_run(at, "key"), "{name}");
        assert_ne!(name, without_run(at, "other"));
        for stem_of in ["01J00000000000000000000001", &name] {
            let name = format!("{stem_of}.json");
            assert_eq!(stem(&name), Some(stem_of));
            assert!(is_begun(&format!(".{name}.7-1.part")), "{name}");
        }
        for name in [
            "notes.json",
            "01J00000000000000000000001.txt",
            "01J00000000000000000000001",
            "01j00000000000000000000001.json",
            "01J0000000000000000000000I.json",
            ".01J00000000000000000000001.json",
        ] {
            assert!(stem(name).is_none() && !is_begun(name), "{name}");
        }
        assert!(!is_begun(".notes.part") && !is_begun("01J00000000000000000000001.json.1.part"));
    }
}
