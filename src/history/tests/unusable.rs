//! Files that cannot be used: damaged, of a later version, removed, and places where there can be none.

use std::sync::Arc;

use rusqlite::Connection;

use super::*;

#[test]
fn a_damaged_file_is_put_aside_and_a_new_one_is_begun() {
    for damage in
        [b"this is no database at all, but it is long enough to be one".to_vec(), vec![0x5a; 4096 * 3]]
    {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("watchbell.db"), &damage).unwrap();
        let clock = Clock::Anchored {
            wall: "2026-11-22T08:48:21Z".parse().unwrap(),
            at: tokio::time::Instant::now() + Duration::from_secs(3600),
            steps: Arc::default(),
        };
        let it = open(folder.path(), MOST, clock);
        assert_eq!((it.memory.len(), it.diagnostics.len()), (0, 1));
        assert_eq!(*it.keeper.condition().borrow(), Condition::Well);
        let aside = "watchbell.db.corrupt-20261122T084821Z";
        assert!(it.diagnostics[0].reason.contains(aside), "{:?}", it.diagnostics);
        assert_eq!(std::fs::read(folder.path().join(aside)).unwrap(), damage);
        drop(it);
        assert_eq!(opened(folder.path()).diagnostics, []);
    }
}

#[test]
fn a_file_that_was_emptied_is_told_and_begun_anew() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("watchbell.db");
    // The first of all is no such one.
    std::fs::write(&path, "").unwrap();
    assert_eq!(opened(folder.path()).diagnostics, []);
    store(folder.path()).write(&remembered(notes(0..3))).unwrap();
    for companion in ["watchbell.db-wal", "watchbell.db-shm"] {
        let _ = std::fs::remove_file(folder.path().join(companion));
    }
    std::fs::write(&path, "").unwrap();
    let told = opened(folder.path()).diagnostics;
    assert!(told.len() == 1 && told[0].reason.contains("was empty"), "{told:?}");
    assert_eq!(opened(folder.path()).diagnostics, []);
}

#[test]
fn a_file_that_was_damaged_in_the_middle_is_found_out_when_it_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("watchbell.db");
    store(folder.path()).write(&remembered(notes(0..2_000))).unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[4096..].fill(0xff);
    std::fs::write(&path, bytes).unwrap();
    let opened = opened(folder.path());
    assert!(opened.diagnostics[0].reason.contains("was put aside"), "{opened:?}");
    assert_eq!(*opened.keeper.condition().borrow(), Condition::Well);
}

fn failing(opened: &Opened) -> String {
    match &*opened.keeper.condition().borrow() {
        Condition::Failing { reason } => reason.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_file_of_a_later_version_is_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("watchbell.db");
    drop(opened(folder.path()));
    // Bytes 60 to 63 of the header are the schema's version.
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[63] = 99;
    std::fs::write(&path, &bytes).unwrap();
    let reason = failing(&opened(folder.path()));
    assert!(reason.contains("a later version") && reason.contains("use that version"), "{reason}");
    assert_eq!(std::fs::read(&path).unwrap(), bytes);
    assert!(matches!(Reader::open(folder.path()), Err(StoreError::Newer { found: 99, .. })));
}

#[test]
fn a_directory_that_cannot_be_made_is_told_with_the_mend() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("file"), "").unwrap();
    let reason = failing(&opened(&folder.path().join("file/state")));
    assert!(reason.contains("make the state directory writable"), "{reason}");
}

#[test]
fn a_file_that_was_removed_while_it_was_open_is_found_out() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = store(folder.path());
    write(&mut store, vec![succeeded("a", 1)]);
    for end in ["", "-wal", "-shm"] {
        std::fs::remove_file(folder.path().join(format!("watchbell.db{end}"))).unwrap();
    }
    let error = store.write(&remembered(notes(0..1))).unwrap_err();
    assert!(matches!(error, StoreError::Replaced { .. }), "{error}");
}

#[test]
fn nobody_reads_a_file_that_is_not_there_and_everybody_one_in_a_directory_that_cannot_be_written() {
    let folder = tempfile::tempdir().unwrap();
    assert!(Reader::open(folder.path()).unwrap().is_none());
    write(&mut store(folder.path()), vec![succeeded("a", 1)]);
    // As from an image of the disk: no file can be made beside it.
    let uri = format!("file:{}?immutable=1", folder.path().join(store::FILE).display());
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY | rusqlite::OpenFlags::SQLITE_OPEN_URI;
    let direct = Connection::open_with_flags(uri, flags).unwrap();
    let rows: u32 = direct.query_row("SELECT count(*) FROM runs", [], |row| row.get(0)).unwrap();
    assert_eq!(rows, 1, "whoever closes it last leaves nothing beside it");
}
