//! The 55 mistakes of this field: each has a test of ours that names it, in a comment `/// Mistake N`.

use std::{collections::BTreeSet, path::Path};

use crate::support::{expect, source};

const ALL: u32 = 55;

/// Those of parts that are not there yet. A test that names one of them takes it from here.
const TO_COME: &[u32] = &[];

/// The numbers in the comments above tests.
fn named(text: &str) -> BTreeSet<u32> {
    let mut lines = text.lines();
    let mut found = BTreeSet::new();
    while let Some(line) = lines.next() {
        let Some(rest) = line.trim().strip_prefix("/// Mistake") else { continue };
        // A comment about something else, or a list of what a test would be, proves nothing.
        let above = lines.clone().take_while(|line| !line.contains("fn "));
        let tested = above.map(str::trim).any(|line| line.starts_with("#[") && line.contains("test"));
        let in_macro = text.contains("proptest!");
        if tested || in_macro {
            let words = rest.trim_start_matches('s').split(|c: char| !c.is_ascii_digit());
            found.extend(words.filter_map(|it| it.parse::<u32>().ok()).filter(|it| *it <= ALL));
        }
    }
    found
}

#[test]
fn each_mistake_of_this_field_has_a_test_that_names_it() {
    let files = ["src", "integration"].map(|it| source::folder(expect::root(), Path::new(it)));
    let found: BTreeSet<u32> = files.iter().flatten().flat_map(|file| named(&file.text)).collect();
    let wanted: BTreeSet<u32> = (1..=ALL).filter(|it| !TO_COME.contains(it)).collect();
    let missing: Vec<_> = wanted.difference(&found).collect();
    assert!(missing.is_empty(), "no test names {missing:?}");
    let here: Vec<_> = found.difference(&wanted).collect();
    assert!(here.is_empty(), "{here:?} are here: take them from the list of those to come");
}

#[test]
fn a_comment_without_a_test_counts_for_nothing() {
    let text =
        "/// Mistakes 42 and 45: x.\n#[test]\nfn a() {}\n/// Mistake 7.\nfn b() {}\n#[test]\nfn c() {}\n";
    assert_eq!(named(text), BTreeSet::from([42, 45]));
}
