//! What is to be told waits in the file until it has arrived.

use std::sync::Arc;

use super::*;
use crate::{
    history::outbox::CHANNEL_LIMIT,
    model::{
        notification::{Cause, Notification, RunFacts, Streak},
        notify_memory::{Heard, NotifyMemory},
    },
};

fn failed(n: u32) -> Item {
    Item::Ended(record("a", n, Outcome::Failed { exit_code: Some(3), reason: None }), None)
}

/// That the `n`th run of the job failed.
fn message(channel: &str, n: u32) -> Notification {
    let RunRecord { run, occurrence, ended, .. } = record("a", n, Outcome::Succeeded { exit_code: None });
    Notification {
        id: format!("{run}:{channel}:failure").into(),
        channel: channel.into(),
        cause: Cause::Failure,
        at: ended,
        job: Some(JobId::plain("a")),
        kind: Some(JobKind::Exec),
        run: Some(RunFacts {
            run: run.0,
            trigger: "schedule".into(),
            occurrence,
            started: None,
            ended: Some(ended),
            duration: None,
            outcome: Some("failed".into()),
            exit_code: Some(3),
            reason: None,
            container: None,
            attempts: 1,
            and_more: 0,
            tail: None,
        }),
        streak: Streak { failures: n, since: Some(ended), folded: 0 },
        expected: None,
        usual: None,
        text: None,
    }
}

fn told(n: u32) -> Vec<Item> {
    vec![failed(n), Item::Notify(message("ops", n)), Item::Notify(message("mail", n))]
}

#[test]
fn what_waits_is_there_for_the_next_agent_in_its_order_until_it_has_arrived_or_is_given_up() {
    let folder = tempfile::tempdir().unwrap();
    let memory = NotifyMemory {
        failures: 3,
        since: Some(at(1)),
        heard: [("ops".into(), Heard { of_streak: true, ..Heard::default() })].into(),
        ..NotifyMemory::default()
    };
    let mut first = store(folder.path());
    let remember = |job: &str, memory| (JobId::plain(job), memory);
    let notify_memory =
        [remember("a", Some(Box::new(memory.clone()))), remember("b", Some(Box::default()))].into();
    let items = [9, 3, 7].into_iter().flat_map(told).collect();
    first.write(&Batch { items, notify_memory, ..Batch::default() }).unwrap();
    let tail: Arc<str> = "out of \"memory\" 💥".into();
    write(
        &mut first,
        vec![
            Item::Delivered(message("ops", 9).id),
            Item::GivenUp(message("mail", 3).id),
            Item::Tail { id: message("ops", 7).id, text: tail.clone() },
            Item::NotifyMemory(JobId::plain("b"), None),
        ],
    );
    drop(first);
    let Opened { waiting, notify_memory, .. } = opened(folder.path());
    let mut with_tail = message("ops", 7);
    with_tail.run.as_mut().unwrap().tail = Some(tail);
    assert_eq!(waiting, [message("mail", 9), message("ops", 3), with_tail, message("mail", 7)]);
    assert_eq!(notify_memory, [(JobId::plain("a"), memory)].into());
    assert_eq!(reader(folder.path()).waiting().unwrap(), waiting);
}

/// As where the file did not answer when an agent began, which then records once more what its predecessor had recorded.
#[test]
fn a_record_that_is_written_again_tells_nobody_again_whether_or_not_the_message_has_arrived() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = store(folder.path());
    write(&mut store, told(1));
    write(&mut store, told(1));
    assert_eq!(store.waiting().unwrap(), [message("ops", 1), message("mail", 1)]);
    write(&mut store, vec![Item::Delivered(message("ops", 1).id)]);
    write(&mut store, told(1));
    // It may have another opinion of how the run ended.
    let lost = Notification { cause: Cause::Lost, id: "other".into(), ..message("ops", 1) };
    let again = Item::Ended(record("a", 1, Outcome::Lost { reason: String::new() }), None);
    write(&mut store, vec![again, Item::Notify(lost)]);
    assert_eq!(store.waiting().unwrap(), [message("mail", 1)]);
    // What is told later of a run that was recorded before is news.
    write(&mut store, vec![failed(2), Item::Notify(message("ops", 1))]);
    assert_eq!(store.waiting().unwrap(), [message("mail", 1), message("ops", 1)]);
}

#[test]
fn of_what_waits_for_one_channel_the_oldest_is_given_up_and_named() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = store(folder.path());
    let items = (0..CHANNEL_LIMIT).map(|n| Item::Notify(message("ops", n)));
    let items = items.chain([Item::Notify(message("mail", 0))]).collect();
    assert_eq!(store.write(&Batch { items, ..Batch::default() }).unwrap(), []);
    let items = (0..2).map(|n| Item::Notify(message("ops", CHANNEL_LIMIT + n))).collect();
    let given_up = store.write(&Batch { items, ..Batch::default() }).unwrap();
    let ids: Vec<_> = given_up.iter().map(|it| it.id.clone()).collect();
    assert_eq!(ids, [message("ops", 0).id, message("ops", 1).id]);
    let it = &given_up[0];
    assert_eq!((&*it.channel, it.cause, &it.job), ("ops", Some(Cause::Failure), &Some(JobId::plain("a"))));
    let waiting = store.waiting().unwrap();
    assert_eq!((waiting.len(), &waiting[0]), (CHANNEL_LIMIT as usize + 1, &message("ops", 2)));
}

/// The newest of what is remembered of a job is enough, and of what is to be told nothing is left out.
#[tokio::test]
async fn what_is_to_be_told_goes_with_its_record_through_the_keeper() {
    let folder = tempfile::tempdir().unwrap();
    let Opened { keeper, writer, .. } = opened(folder.path());
    let job = JobId::plain("a");
    let remembered = |failures| NotifyMemory { failures, ..NotifyMemory::default() };
    for n in 1..4 {
        let memory = Item::NotifyMemory(job.clone(), Some(Box::new(remembered(n))));
        keeper.keep(told(n).into_iter().chain([memory]));
    }
    keeper.close();
    writer.run().await;
    let Opened { waiting, notify_memory, .. } = opened(folder.path());
    let expected: Vec<_> = (1..4).flat_map(|n| [message("ops", n), message("mail", n)]).collect();
    assert_eq!((waiting, notify_memory), (expected, [(job, remembered(3))].into()));
}
