//! Files of earlier versions: brought along, with what the agents that left them had begun.

use super::*;
use crate::model::{
    container::ContainerId, halt::HaltId, run::WorkHandle, secret::TokenHash, unfinished::Terms,
};

#[test]
fn the_first_version_of_the_file_is_brought_along_with_what_it_remembers() {
    let folder = tempfile::tempdir().unwrap();
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("integration/fixtures/history-v1.db");
    std::fs::copy(fixture, folder.path().join(store::FILE)).unwrap();
    assert!(matches!(Reader::open(folder.path()), Err(StoreError::Older { found: 1, .. })));
    let Opened { memory, diagnostics, .. } = opened(folder.path());
    assert_eq!(diagnostics, []);
    let beat = Memory {
        anchor: "2026-11-22T14:39:48Z".parse().unwrap(),
        schedule: (-6_622_323_125_493_278_568_i64).cast_unsigned(),
        seen: "2026-11-22T14:39:52Z".parse().unwrap(),
        idle: false,
        marks: Marks::default(),
    };
    assert_eq!((memory.len(), memory[&JobId::plain("beat")]), (2, beat));
    let mut store = store(folder.path());
    write(&mut store, vec![succeeded("beat", 1)]);
    assert_eq!(all(folder.path()), [1]);
    let vacuum: u32 = store.told(|it| it.pragma_query_value(None, "auto_vacuum", |row| row.get(0))).unwrap();
    assert_eq!(vacuum, 2, "what is freed can be given back");
}

/// The file is one that the second schema's agent left when it was killed.
#[test]
fn the_runs_that_an_agent_of_the_second_schema_left_are_known_with_what_it_kept_of_them() {
    let folder = tempfile::tempdir().unwrap();
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("integration/fixtures/history-v2.db");
    std::fs::copy(fixture, folder.path().join(store::FILE)).unwrap();
    assert!(matches!(Reader::open(folder.path()), Err(StoreError::Older { found: 2, .. })));
    let Opened { memory, legacy, diagnostics, .. } = opened(folder.path());
    assert_eq!((diagnostics, memory.len(), legacy.runs.len()), (vec![], 2, 1));
    let left = &legacy.runs[0];
    let last = left.last.as_ref().unwrap();
    assert_eq!((left.admitted.job.as_str(), left.begun, last.number), ("long", true, 1));
    assert_eq!(last.handle, Some(WorkHandle::Process { pid: 30_588, start: 570_778 }));
    assert_eq!(left.admitted.terms.as_deref(), Some(&Terms::unknown()), "the built-in defaults");
    assert_eq!(reader(folder.path()).runs(&Filter::default(), 99).unwrap().len(), 7);
}

/// The file is one that an agent left when it was killed, in the fourth schema.
#[test]
fn the_runs_that_an_agent_of_the_fourth_schema_left_are_known_and_it_had_nothing_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("integration/fixtures/history-v4.db");
    std::fs::copy(fixture, folder.path().join(store::FILE)).unwrap();
    assert!(matches!(Reader::open(folder.path()), Err(StoreError::Older { found: 4, .. })));
    let Opened { memory, legacy, halts, diagnostics, .. } = opened(folder.path());
    assert_eq!((diagnostics, memory.len(), legacy.runs.len(), halts), (vec![], 2, 1, vec![]));
    let left = &legacy.runs[0];
    let terms = left.admitted.terms.as_ref().unwrap();
    assert_eq!((left.admitted.job.as_str(), left.begun, terms.retries), ("long", true, 2));
    assert_eq!((terms.timeout, &terms.action), (Some(Duration::from_secs(300)), &None));
    assert_eq!(reader(folder.path()).runs(&Filter::default(), 99).unwrap().len(), 28);
}

/// The file is one that the third schema's agent left when it was killed.
#[test]
fn the_runs_that_an_agent_of_the_third_schema_left_are_known_with_their_terms() {
    let folder = tempfile::tempdir().unwrap();
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("integration/fixtures/history-v3.db");
    std::fs::copy(fixture, folder.path().join(store::FILE)).unwrap();
    assert!(matches!(Reader::open(folder.path()), Err(StoreError::Older { found: 3, .. })));
    let Opened { memory, legacy, diagnostics, .. } = opened(folder.path());
    assert_eq!((diagnostics, memory.len(), legacy.runs.len()), (vec![], 2, 1));
    let left = &legacy.runs[0];
    let last = left.last.as_ref().unwrap();
    assert_eq!((left.admitted.job.as_str(), left.stop, last.timed_out), ("long", None, false));
    assert_eq!(last.handle, Some(WorkHandle::Process { pid: 17_678, start: 284_537 }));
    let terms = left.admitted.terms.as_ref().unwrap();
    let said = (terms.timeout, terms.grace, terms.retries);
    assert_eq!(said, (Some(Duration::from_secs(1200)), Duration::from_secs(3), 2));
    assert_eq!(terms.group.as_ref().unwrap().name.as_ref(), "disk");
    assert_eq!(legacy.going_on, []);
    assert_eq!(reader(folder.path()).runs(&Filter::default(), 99).unwrap().len(), 9);
}

/// The file is one that an agent left when it was killed, in the fifth schema.
#[test]
fn the_runs_that_an_agent_of_the_fifth_schema_left_are_known_and_nobody_had_logged_in() {
    let folder = tempfile::tempdir().unwrap();
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("integration/fixtures/history-v5.db");
    std::fs::copy(fixture, folder.path().join(store::FILE)).unwrap();
    assert!(matches!(Reader::open(folder.path()), Err(StoreError::Older { found: 5, .. })));
    let Opened { memory, legacy, halts, diagnostics, .. } = opened(folder.path());
    assert_eq!((diagnostics, memory.len(), legacy.runs.len(), halts), (vec![], 3, 1, vec![]));
    let left = &legacy.runs[0];
    assert_eq!((left.admitted.job.as_str(), left.begun), ("long", true));
    assert!(memory[&JobId::plain("still")].marks.paused.is_some());
    let reader = reader(folder.path());
    assert_eq!(reader.runs(&Filter::default(), 99).unwrap().len(), 6);
    assert_eq!(reader.sessions().unwrap(), []);
}

/// The file is one that an agent left when it was killed, in the sixth schema.
#[test]
fn who_had_logged_in_to_an_agent_of_the_sixth_schema_is_still_in_and_nothing_was_audited() {
    let folder = tempfile::tempdir().unwrap();
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("integration/fixtures/history-v6.db");
    std::fs::copy(fixture, folder.path().join(store::FILE)).unwrap();
    assert!(matches!(Reader::open(folder.path()), Err(StoreError::Older { found: 6, .. })));
    let Opened { legacy, diagnostics, .. } = opened(folder.path());
    assert_eq!((diagnostics, legacy.runs.len()), (vec![], 1));
    let reader = reader(folder.path());
    let sessions = reader.sessions().unwrap();
    let token = TokenHash::of("a2xnBf_9c8uMlYHg-U5mHCWvBnFfxl7nuRzJRDwr5Fo");
    assert!(sessions.len() == 1 && sessions[0].user == "anna" && sessions[0].hash.is(&token));
    assert_eq!(reader.audits(None, 9).unwrap(), []);
}

/// The file is one that an agent left when it was killed, in the seventh schema.
#[test]
fn what_was_audited_by_an_agent_of_the_seventh_schema_is_known_and_no_job_was_made_over_the_api() {
    let folder = tempfile::tempdir().unwrap();
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("integration/fixtures/history-v7.db");
    std::fs::copy(fixture, folder.path().join(store::FILE)).unwrap();
    assert!(matches!(Reader::open(folder.path()), Err(StoreError::Older { found: 7, .. })));
    let Opened { memory, legacy, made, diagnostics, .. } = opened(folder.path());
    assert_eq!((diagnostics, memory.len(), legacy.runs.len(), made), (vec![], 2, 1, Some(vec![])));
    let left = &legacy.runs[0];
    assert_eq!((left.admitted.job.as_str(), left.begun), ("long", true));
    assert!(memory[&JobId::plain("beat")].marks.paused.is_some());
    let reader = reader(folder.path());
    assert_eq!(reader.runs(&Filter::default(), 99).unwrap().len(), 4);
    assert_eq!((reader.audits(None, 9).unwrap().len(), reader.made().unwrap()), (5, vec![]));
}

/// The file is one that an agent left when it was killed, in the eighth schema.
#[test]
fn the_jobs_that_were_made_with_an_agent_of_the_eighth_schema_are_there_and_it_was_to_tell_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("integration/fixtures/history-v8.db");
    std::fs::copy(fixture, folder.path().join(store::FILE)).unwrap();
    assert!(matches!(Reader::open(folder.path()), Err(StoreError::Older { found: 8, .. })));
    let Opened { memory, legacy, made, notify_memory, waiting, diagnostics, .. } = opened(folder.path());
    assert_eq!((diagnostics, memory.len(), legacy.runs.len()), (vec![], 4, 1));
    assert_eq!((made.unwrap()[0].job.as_str(), notify_memory.len(), waiting), ("made", 0, vec![]));
    let terms = legacy.runs[0].admitted.terms.as_ref().unwrap();
    assert_eq!((terms.timeout, &terms.notify), (Some(Duration::from_secs(1200)), &None));
    assert_eq!(reader(folder.path()).runs(&Filter::default(), 99).unwrap().len(), 38);
}

/// The file is one that an agent left when it was killed in the middle of a run for which a container was stopped, in the
/// ninth schema.
#[test]
fn what_an_agent_of_the_ninth_schema_had_stopped_is_started_again_and_whom_it_was_to_tell_is_known() {
    let folder = tempfile::tempdir().unwrap();
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("integration/fixtures/history-v9.db");
    std::fs::copy(fixture, folder.path().join(store::FILE)).unwrap();
    assert!(matches!(Reader::open(folder.path()), Err(StoreError::Older { found: 9, .. })));
    let Opened { memory, legacy, halts, notify_memory, waiting, diagnostics, .. } = opened(folder.path());
    assert_eq!((diagnostics, memory.len(), notify_memory.len(), waiting.len()), (vec![], 3, 1, 1));
    let left = &legacy.runs[0];
    assert_eq!((legacy.runs.len(), left.admitted.job.as_str(), left.begun), (1, "dump", true));
    let [halt] = &*halts else { panic!("{halts:?}") };
    let id = ContainerId("95f9df471d3499d2565df7e77be74c94199a24c5b095b21f59a8463bd02b2df2".into());
    assert_eq!((&halt.what, &*halt.name, halt.replicas), (&HaltId::Container(id), "v9-app", None));
    assert_eq!((&halt.run, &halt.job), (&left.admitted.run, &left.admitted.job));
    assert_eq!(reader(folder.path()).runs(&Filter::default(), 99).unwrap().len(), 10);
}
