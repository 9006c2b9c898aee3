//! Jobs that were made over the API.

use super::*;
use crate::model::made::{Made, MadeChange};

fn made(job: &str, revision: &str) -> Made {
    let parameters = [("schedule", "@daily"), ("environment", "[\"TOKEN=hunter2\"]")];
    Made {
        job: JobId::plain(job),
        kind: JobKind::Local,
        revision: revision.into(),
        parameters: parameters.map(|(name, text)| (name.to_owned(), text.to_owned())).into(),
    }
}

fn put(job: &str, revision: &str) -> MadeChange {
    MadeChange::Put(made(job, revision))
}

#[tokio::test]
async fn a_job_is_in_the_file_when_it_is_answered_and_none_is_shown_with_what_it_hides() {
    let folder = tempfile::tempdir().unwrap();
    let Opened { keeper, writer, made: found, .. } = opened(folder.path());
    assert_eq!(found, Some(vec![]));
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(writer.run());
    let there = || reader(folder.path()).made().unwrap();
    assert_eq!(keeper.change(put("b", "1")).await, Ok(()));
    assert_eq!(there(), [made("b", "1")]);
    assert_eq!(keeper.change(put("a", "2")).await, Ok(()));
    assert_eq!(keeper.change(put("b", "3")).await, Ok(()));
    assert_eq!(there(), [made("a", "2"), made("b", "3")]);
    assert_eq!(keeper.change(MadeChange::Remove(JobId::plain("a"))).await, Ok(()));
    assert_eq!(keeper.change(MadeChange::Remove(JobId::plain("nobody"))).await, Ok(()));
    assert_eq!(there(), [made("b", "3")]);
    assert_eq!(opened(folder.path()).made, Some(there()));
    assert!(!format!("{:?}", there()).contains("hunter2"));
}

#[tokio::test]
async fn a_new_file_in_place_of_one_that_is_gone_has_them_all_and_what_was_refused_is_not_among_them() {
    let folder = tempfile::tempdir().unwrap();
    let Opened { keeper, writer, .. } = opened(folder.path());
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(writer.run());
    assert_eq!(keeper.change(put("a", "1")).await, Ok(()));
    std::fs::remove_file(folder.path().join(store::FILE)).unwrap();
    let refused = keeper.change(put("b", "2")).await.unwrap_err();
    assert!(refused.contains("was removed or replaced"), "{refused}");
    // As long as it is so, the next is refused at once.
    assert_eq!(keeper.change(put("b", "3")).await, Err(refused));
    keeper.condition().wait_for(|it| *it == Condition::Well).await.unwrap();
    assert_eq!(reader(folder.path()).made().unwrap(), [made("a", "1")]);
}

#[tokio::test]
async fn who_gave_up_waiting_was_told_that_nothing_has_changed_and_nothing_has() {
    let folder = tempfile::tempdir().unwrap();
    let Opened { keeper, writer, .. } = opened(folder.path());
    // Nobody writes yet, and he does not wait for it.
    let wish = tokio::time::timeout(Duration::ZERO, keeper.change(put("a", "1")));
    assert!(wish.await.is_err());
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(writer.run());
    assert_eq!(keeper.change(put("b", "2")).await, Ok(()));
    assert_eq!(reader(folder.path()).made().unwrap(), [made("b", "2")]);
}

#[test]
fn where_there_is_no_telling_which_there_are_that_is_told() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join(store::FILE)).unwrap();
    let Opened { made, diagnostics, keeper, .. } = opened(folder.path());
    assert_eq!((made, diagnostics.len(), keeper.problems().len()), (None, 1, 1));
    assert!(diagnostics[0].reason.contains("made over the API cannot be read"), "{diagnostics:?}");
}
