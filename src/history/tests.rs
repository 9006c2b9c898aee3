//! The store as a file: kept, damaged, locked away and written by a later version.

use std::collections::HashMap;

use jiff::Timestamp;

use super::*;
use crate::model::memory::{Marks, Pause};

fn memory(n: i64) -> Memory {
    let at = |nanos: i64| Timestamp::from_nanosecond(nanos.into()).unwrap();
    Memory {
        anchor: at(n * 1_000_000_007),
        schedule: u64::MAX - n.unsigned_abs(),
        seen: at(n),
        idle: n % 2 == 0,
        marks: Marks {
            ran: (n % 3 == 0).then(|| at(n + 1)),
            succeeded: (n % 5 == 0).then(|| at(n + 2)),
            paused: (n % 7 == 0).then(|| Pause { until: (n % 2 == 0).then(|| at(n + 3)) }),
        },
    }
}

fn notes(of: impl IntoIterator<Item = i64>) -> HashMap<JobId, Option<Memory>> {
    of.into_iter().map(|n| (JobId::plain(&format!("j{n}")), Some(memory(n)))).collect()
}

#[test]
fn what_is_kept_comes_back_to_the_nanosecond() {
    let folder = tempfile::tempdir().unwrap();
    let mut opened = open(folder.path(), Timestamp::UNIX_EPOCH);
    assert_eq!((opened.diagnostics, opened.memory), (vec![], HashMap::new()));
    let store = opened.store.as_mut().unwrap();
    store.keep(&notes(-3..100)).unwrap();
    store.keep(&[(JobId::plain("j7"), None)].into()).unwrap();
    drop(opened.store);
    let again = open(folder.path(), Timestamp::UNIX_EPOCH);
    let expected: HashMap<_, _> =
        notes((-3..100).filter(|n| *n != 7)).into_iter().map(|(job, it)| (job, it.unwrap())).collect();
    assert_eq!((again.diagnostics, again.memory), (vec![], expected));
}

#[test]
fn a_damaged_file_is_put_aside_and_a_new_one_is_begun() {
    for damage in
        [b"this is no database at all, but it is long enough to be one".to_vec(), vec![0x5a; 4096 * 3]]
    {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("watchbell.db"), &damage).unwrap();
        let opened = open(folder.path(), "2026-11-22T08:48:21Z".parse().unwrap());
        assert_eq!((opened.store.is_some(), opened.memory.len(), opened.diagnostics.len()), (true, 0, 1));
        let aside = "watchbell.db.corrupt-20261122T084821Z";
        assert!(opened.diagnostics[0].reason.contains(aside), "{:?}", opened.diagnostics);
        assert_eq!(std::fs::read(folder.path().join(aside)).unwrap(), damage);
        drop(opened.store);
        assert_eq!(open(folder.path(), Timestamp::UNIX_EPOCH).diagnostics, []);
    }
}

#[test]
fn a_file_that_was_damaged_in_the_middle_is_found_out_when_it_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("watchbell.db");
    let mut opened = open(folder.path(), Timestamp::UNIX_EPOCH);
    opened.store.as_mut().unwrap().keep(&notes(0..2_000)).unwrap();
    drop(opened.store);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[4096..].fill(0xff);
    std::fs::write(&path, bytes).unwrap();
    let opened = open(folder.path(), Timestamp::UNIX_EPOCH);
    assert!(opened.store.is_some() && opened.diagnostics[0].reason.contains("was put aside"), "{opened:?}");
}

#[test]
fn a_file_of_a_later_version_is_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("watchbell.db");
    drop(open(folder.path(), Timestamp::UNIX_EPOCH));
    // Bytes 60 to 63 of the header are the schema's version.
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[63] = 99;
    std::fs::write(&path, &bytes).unwrap();
    let opened = open(folder.path(), Timestamp::UNIX_EPOCH);
    assert!(opened.store.is_none());
    let [it] = &opened.diagnostics[..] else { panic!("{:?}", opened.diagnostics) };
    assert!(it.reason.contains("a later version") && it.reason.contains("use that version"), "{it:?}");
    assert_eq!(std::fs::read(&path).unwrap()[63], 99);
}

#[test]
fn a_directory_that_cannot_be_written_is_one_diagnostic_with_the_mend() {
    let folder = tempfile::tempdir().unwrap();
    let opened = open(&folder.path().join("nowhere"), Timestamp::UNIX_EPOCH);
    assert!(opened.store.is_none());
    let [it] = &opened.diagnostics[..] else { panic!("{:?}", opened.diagnostics) };
    assert!(it.reason.contains("make the state directory writable"), "{it:?}");
}
