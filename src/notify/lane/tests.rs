//! A channel under a paused clock: a day passes in a moment.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::{task::JoinSet, time::Instant};

use super::*;
use crate::{
    model::{
        channel::{ChannelKind, Telling},
        notification::{Cause, Streak},
        origin::Origin,
    },
    notify::{
        digest::Digests,
        notifier::{Notifier, Parts},
    },
};

/// A receiver that takes or refuses as it is told.
#[derive(Debug, Clone, Default)]
struct Fake(Arc<Inside>);

#[derive(Debug, Default)]
struct Inside {
    refuses: Mutex<Option<Trouble>>,
    hangs: AtomicUsize,
    taken: Mutex<Vec<(Duration, String)>>,
    tried: AtomicUsize,
    began: Mutex<Option<Instant>>,
}

impl Fake {
    fn refuse(&self, why: Option<Trouble>) {
        *self.0.refuses.lock().unwrap() = why;
    }

    /// What it took, and when, in seconds since the first attempt.
    fn taken(&self) -> Vec<(u64, String)> {
        self.0.taken.lock().unwrap().iter().map(|(at, id)| (at.as_secs(), id.clone())).collect()
    }

    fn ids(&self) -> Vec<String> {
        self.taken().into_iter().map(|(_, id)| id).collect()
    }
}

impl Deliver for Fake {
    type Progress = ();

    async fn deliver(&self, _: &Arc<Channel>, it: &Notification, (): &mut ()) -> Result<(), Trouble> {
        let began = *self.0.began.lock().unwrap().get_or_insert_with(Instant::now);
        self.0.tried.fetch_add(1, Ordering::SeqCst);
        if self.0.hangs.load(Ordering::SeqCst) > 0 {
            std::future::pending::<()>().await;
        }
        if let Some(why) = self.0.refuses.lock().unwrap().clone() {
            return Err(why);
        }
        self.0.taken.lock().unwrap().push((began.elapsed(), it.id.to_string()));
        Ok(())
    }

    async fn tail(&self, _: Option<&Arc<Channel>>, _: &Notification) -> Option<Arc<str>> {
        None
    }
}

struct Stage {
    queue: Arc<Queue>,
    channel: watch::Sender<Option<Arc<Channel>>>,
    close: watch::Sender<bool>,
    board: Board,
    fake: Fake,
    clock: Clock,
    tasks: JoinSet<()>,
}

fn channel(name: &str) -> Arc<Channel> {
    Arc::new(Channel {
        name: name.into(),
        kind: ChannelKind::Webhook,
        on: None,
        values: std::collections::BTreeMap::new(),
        origin: Origin::Default,
        from_label: false,
    })
}

fn stage() -> Stage {
    let clock = Clock::anchored("2026-03-29T00:00:00Z".parse().unwrap());
    let (channel, now) = watch::channel(Some(channel("ops")));
    let (close, closed) = watch::channel(false);
    let (queue, board, fake): (Arc<Queue>, Board, Fake) = Default::default();
    let lane = Lane {
        name: "ops".into(),
        queue: queue.clone(),
        channel: now,
        closed,
        board: board.clone(),
        deliver: fake.clone(),
        outbox: Outbox::default(),
        keeper: Keeper::none(),
        clock: clock.clone(),
    };
    let mut tasks = JoinSet::new();
    tasks.spawn(lane.run());
    Stage { queue, channel, close, board, fake, clock, tasks }
}

impl Stage {
    fn put(&self, id: &str) {
        self.queue.put(notification(id, self.clock.now()), Kept::nothing());
    }
}

fn notification(id: &str, at: jiff::Timestamp) -> Notification {
    Notification {
        id: id.into(),
        channel: "ops".into(),
        cause: Cause::Failure,
        at,
        job: None,
        kind: None,
        run: None,
        streak: Streak::default(),
        expected: None,
        usual: None,
        text: None,
    }
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_is_down_for_an_hour_gets_each_message_once_and_in_order() {
    let scene = stage();
    scene.fake.refuse(Some(Trouble::passing("it is down")));
    scene.put("1");
    scene.put("2");
    sleep(Duration::from_secs(3600)).await;
    assert_eq!(scene.fake.ids(), [""; 0]);
    let state = scene.board.states()["ops"].clone();
    assert!(state.trouble.is_some_and(|it| it.reason == "it is down" && it.next.is_some()));
    scene.fake.refuse(None);
    scene.put("3");
    sleep(Duration::from_secs(1100)).await;
    assert_eq!(scene.fake.ids(), ["1", "2", "3"]);
    let state = scene.board.states()["ops"].clone();
    assert_eq!((state.trouble, state.sent, state.waiting), (None, 3, 0));
    // 10 s, 20 s, … 640 s and then a quarter of an hour: no more than a dozen an hour.
    let tried = scene.fake.0.tried.load(Ordering::SeqCst);
    assert!((8..=16).contains(&tried), "{tried}");
}

#[tokio::test(start_paused = true)]
async fn what_does_not_arrive_in_a_day_is_given_up_and_the_next_has_its_turn() {
    let scene = stage();
    scene.fake.refuse(Some(Trouble::passing("it is down")));
    scene.put("old");
    sleep(Duration::from_secs(23 * 3600)).await;
    scene.put("new");
    assert_eq!(scene.board.states()["ops"].given_up, 0);
    sleep(Duration::from_secs(2 * 3600)).await;
    assert_eq!(scene.board.states()["ops"].given_up, 1);
    scene.fake.refuse(None);
    sleep(Duration::from_secs(1200)).await;
    assert_eq!(scene.fake.ids(), ["new"]);
}

#[tokio::test(start_paused = true)]
async fn what_will_never_be_taken_is_given_up_at_once_and_told() {
    let scene = stage();
    scene.fake.refuse(Some(Trouble::lasting("it is no message")));
    scene.put("1");
    sleep(Duration::from_secs(1)).await;
    let state = scene.board.states()["ops"].clone();
    assert_eq!((state.given_up, state.waiting, state.sent), (1, 0, 0));
    let problems = scene.board.problems();
    assert!(
        problems[0].reason.contains("it is no message; none waits any more; 1 were given up"),
        "{problems:?}"
    );
    assert_eq!(scene.fake.0.tried.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_asks_for_time_has_it() {
    let scene = stage();
    let after = Some(Duration::from_secs(1800));
    scene.fake.refuse(Some(Trouble { reason: "too many".into(), again: true, after }));
    scene.put("1");
    sleep(Duration::from_secs(1)).await;
    scene.fake.refuse(None);
    sleep(Duration::from_secs(2000)).await;
    assert_eq!(scene.fake.taken(), [(1800, "1".to_owned())]);
}

#[tokio::test(start_paused = true)]
async fn a_mended_channel_is_tried_at_once_and_one_that_is_gone_keeps_what_waits() {
    let scene = stage();
    scene.fake.refuse(Some(Trouble::passing("wrong token")));
    scene.put("1");
    sleep(Duration::from_secs(300)).await;
    scene.channel.send_replace(None);
    sleep(Duration::from_secs(300)).await;
    let state = scene.board.states()["ops"].clone();
    assert!(state.trouble.unwrap().reason.contains("there is no such channel: write"));
    scene.fake.refuse(None);
    scene.channel.send_replace(Some(channel("ops")));
    sleep(Duration::from_secs(1)).await;
    assert_eq!(scene.fake.ids(), ["1"]);
}

#[tokio::test(start_paused = true)]
async fn more_than_may_wait_gives_up_the_oldest_but_the_one_on_its_way() {
    let scene = stage();
    scene.fake.0.hangs.store(1, Ordering::SeqCst);
    scene.put("0");
    sleep(Duration::from_secs(1)).await;
    for n in 1..LIMIT {
        scene.put(&n.to_string());
    }
    let one = |id: &str| Notification { id: id.into(), ..scene.queue.first().unwrap().0 };
    let (waiting, over) = scene.queue.put(one("last"), Kept::nothing());
    assert_eq!((waiting, over.map(|it| it.id.to_string())), (LIMIT, Some("1".to_owned())));
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_ends_leaves_what_waits_to_the_next() {
    let mut scene = stage();
    scene.fake.refuse(Some(Trouble::passing("it is down")));
    scene.put("1");
    sleep(Duration::from_secs(5)).await;
    scene.close.send_replace(true);
    scene.tasks.join_next().await.unwrap().unwrap();
    assert_eq!((scene.queue.len(), scene.board.states()["ops"].given_up), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn what_the_store_gives_up_for_newer_ones_is_counted_and_told_as_a_problem() {
    let clock = Clock::anchored("2026-03-29T00:00:00Z".parse().unwrap());
    let (outbox, board, fake): (Outbox, Board, Fake) = Default::default();
    fake.0.hangs.store(1, Ordering::SeqCst);
    let channels = [("ops".into(), channel("ops"))].into();
    let telling = Arc::new(Telling { channels: Arc::new(channels), ..Telling::default() });
    let (_close, closed) = watch::channel(false);
    let parts = Parts {
        outbox: outbox.clone(),
        telling: watch::channel(telling).1,
        closed,
        board: board.clone(),
        deliver: fake.clone(),
        keeper: Keeper::none(),
        clock: clock.clone(),
        digests: Digests::new(clock.clone(), "/nowhere".into(), std::collections::BTreeMap::new()),
        directory: "/nowhere".into(),
    };
    let mut tasks = JoinSet::new();
    tasks.spawn(Notifier::new(parts, Vec::new()).run());
    for id in ["1", "2", "3"] {
        outbox.put(notification(id, clock.now()), Kept::nothing()).unwrap();
    }
    sleep(Duration::from_secs(1)).await;
    assert_eq!(board.states()["ops"].waiting, 3);
    // The first is on its way, and may arrive.
    for id in ["1", "2"] {
        outbox.give_up(&id.into());
    }
    sleep(Duration::from_secs(1)).await;
    let state = board.states()["ops"].clone();
    assert_eq!((state.waiting, state.given_up), (2, 1));
    let problems = board.problems();
    assert!(problems[0].reason.contains("the oldest are given up"), "{problems:?}");
    fake.0.hangs.store(0, Ordering::SeqCst);
    board.mended(&"ops".into());
    assert!(board.states()["ops"].trouble.is_some(), "messages wait");
}

#[test]
fn the_wait_doubles_to_a_quarter_of_an_hour_and_hears_what_is_asked() {
    let waits: Vec<u64> = (1..9).map(|it| wait(it, None, 0.5).as_secs()).collect();
    assert_eq!(waits, [10, 20, 40, 80, 160, 320, 640, 900]);
    assert_eq!(wait(30, None, 1.0), LAST.mul_f64(1.2));
    assert_eq!(wait(1, Some(Duration::from_secs(3600)), 0.5), Duration::from_secs(3600));
    assert_eq!(wait(1, Some(Duration::from_secs(99 * 3600)), 0.5), LONGEST);
    assert_eq!(wait(5, Some(Duration::ZERO), 0.5), FIRST);
}
