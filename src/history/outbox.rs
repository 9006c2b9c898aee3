//! What is to be told, until it has arrived: rows for the next agent, and a queue for who delivers now.
//!
//! A message is written with the record that it is about, in one transaction, and its row goes when it has arrived or is given
//! up. Both are bounded: what finds no room in the queue is still in the file, and whoever takes from the queue is told to
//! look there; of what waits there for one channel, the oldest is given up for the newest, which is told.

use std::{
    collections::{BTreeMap, HashMap, HashSet, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use jiff::Timestamp;
use rusqlite::{Connection, params};
use tokio::sync::Notify;

use crate::{
    model::{
        name::{JobId, JobKind},
        notification::{Cause, Notification},
        notify_memory::NotifyMemory,
    },
    telemetry::report::Notice,
};

use super::{
    keeper::Kept,
    messages,
    query::Reader,
    schema::{nanos, time},
    statements::Statements,
    store::{Store, StoreError},
};

/// So many messages wait in the queue.
const QUEUE_LIMIT: usize = 10_000;

/// So many wait in the file for one channel.
pub const CHANNEL_LIMIT: u32 = 1_000;

/// The queue of what was decided and is to be delivered, in order; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Outbox {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<VecDeque<(Notification, Kept)>>,
    news: Notify,
    /// Something found no room.
    more: AtomicBool,
    /// What was given up in the file, and whose end nobody who delivers knows yet.
    given_up: Mutex<HashSet<Arc<str>>>,
    fewer: Notify,
}

/// A message that is given up for newer ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GivenUp {
    /// Its ID.
    pub id: Arc<str>,
    /// Its channel.
    pub channel: Arc<str>,
    /// Why it was to be told, where that can be read.
    pub cause: Option<Cause>,
    /// About which job.
    pub job: Option<JobId>,
    /// The job's kind.
    pub kind: Option<JobKind>,
    /// About which run.
    pub run: Option<Arc<str>>,
}

impl<'a> From<&'a GivenUp> for Notice<'a> {
    fn from(it: &'a GivenUp) -> Self {
        Self {
            channel: &it.channel,
            cause: it.cause,
            job: it.job.as_ref(),
            kind: it.kind,
            run: it.run.as_deref(),
        }
    }
}

impl Outbox {
    /// Puts a message in the queue. One that finds no room comes back: it is in the file alone
    /// ([`takes_more`](Self::takes_more)).
    pub fn put(&self, message: Notification, kept: Kept) -> Result<(), Box<Notification>> {
        let mut queue = self.queue();
        if queue.len() >= QUEUE_LIMIT {
            self.shared.more.store(true, Ordering::SeqCst);
            return Err(Box::new(message));
        }
        queue.push_back((message, kept));
        drop(queue);
        self.shared.news.notify_one();
        Ok(())
    }

    /// The next message, and what was kept with it. May be dropped and asked again at any time.
    pub async fn take(&self) -> (Notification, Kept) {
        loop {
            if let Some(next) = self.queue().pop_front() {
                return next;
            }
            self.shared.news.notified().await;
        }
    }

    /// Whether messages found no room since it was asked last. Once the queue is empty, they are to be read from the file
    /// ([`Reader::waiting`]), where those that were taken and did not arrive yet are as well.
    pub fn takes_more(&self) -> bool {
        self.shared.more.swap(false, Ordering::SeqCst)
    }

    /// Whether this message was given up meanwhile, because too many waited for its channel. It was told, and its row has
    /// gone: nothing is left to be done. It is answered once.
    pub fn is_given_up(&self, id: &str) -> bool {
        self.given_up().remove(id)
    }

    /// The next one that was given up in the file meanwhile, whose row has gone and which was told of. May be dropped and
    /// asked again at any time.
    pub async fn next_given_up(&self) -> Arc<str> {
        loop {
            if let Some(next) = self.one_given_up() {
                return next;
            }
            self.shared.fewer.notified().await;
        }
    }

    fn one_given_up(&self) -> Option<Arc<str>> {
        let mut given_up = self.given_up();
        let next = given_up.iter().next().cloned()?;
        given_up.take(&next)
    }

    pub(crate) fn give_up(&self, id: &Arc<str>) {
        self.given_up().insert(id.clone());
        self.shared.fewer.notify_one();
    }

    fn queue(&self) -> MutexGuard<'_, VecDeque<(Notification, Kept)>> {
        self.shared.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn given_up(&self) -> MutexGuard<'_, HashSet<Arc<str>>> {
        self.shared.given_up.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One more message waits; one that does already stays as it is. The answer is what is given up for it.
pub(super) fn add(work: &mut Statements<'_>, it: &Notification) -> rusqlite::Result<Vec<GivenUp>> {
    let Some(message) = messages::stored(it) else { return Ok(Vec::new()) };
    let tail = it.run.as_ref().and_then(|run| run.tail.as_deref());
    let added = work
        .of("INSERT INTO outbox (id, channel, at, message, tail) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (id) DO NOTHING")?
        .execute(params![&*it.id, &*it.channel, nanos(it.at), message, tail])?;
    if added == 0 {
        return Ok(Vec::new());
    }
    work.of("DELETE FROM outbox WHERE number IN (
            SELECT number FROM outbox WHERE channel = ?1 ORDER BY number DESC LIMIT -1 OFFSET ?2)
         RETURNING id, channel, at, message")?
        .query_map(params![&*it.channel, CHANNEL_LIMIT], |row| {
            let (id, channel): (String, String) = (row.get(0)?, row.get(1)?);
            let read =
                messages::read((id.clone(), channel.clone(), row.get(2)?), &row.get::<_, String>(3)?, None);
            Ok(GivenUp {
                id: id.into(),
                channel: channel.into(),
                cause: read.as_ref().map(|it| it.cause),
                job: read.as_ref().and_then(|it| it.job.clone()),
                kind: read.as_ref().and_then(|it| it.kind),
                run: read.and_then(|it| Some(it.run?.run)),
            })
        })?
        .collect()
}

/// This message waits no more.
pub(super) fn remove(work: &mut Statements<'_>, id: &str) -> rusqlite::Result<()> {
    work.of("DELETE FROM outbox WHERE id = ?1")?.execute([id])?;
    Ok(())
}

/// What its run printed last.
pub(super) fn set_tail(work: &mut Statements<'_>, id: &str, text: &str) -> rusqlite::Result<()> {
    work.of("UPDATE outbox SET tail = ?2 WHERE id = ?1")?.execute([id, text])?;
    Ok(())
}

/// What is remembered of what was told of a job.
pub(super) fn remember(
    work: &mut Statements<'_>,
    job: &JobId,
    memory: Option<&NotifyMemory>,
) -> rusqlite::Result<()> {
    match memory.and_then(messages::stored_memory) {
        Some(memory) => work
            .of("INSERT OR REPLACE INTO notify_memory (job, memory) VALUES (?1, ?2)")?
            .execute([job.as_str(), &memory])?,
        None => work.of("DELETE FROM notify_memory WHERE job = ?1")?.execute([job.as_str()])?,
    };
    Ok(())
}

/// A channel is sent its daily message of this moment.
pub(super) fn digested(work: &mut Statements<'_>, channel: &str, at: Timestamp) -> rusqlite::Result<()> {
    work.of("INSERT OR REPLACE INTO digests (channel, at) VALUES (?1, ?2)")?
        .execute(params![channel, nanos(at)])?;
    Ok(())
}

/// When each channel was last sent its daily message.
pub(super) fn digests(connection: &Connection) -> rusqlite::Result<BTreeMap<Arc<str>, Timestamp>> {
    let mut rows = connection.prepare("SELECT channel, at FROM digests")?;
    let rows = rows.query_map([], |row| Ok((row.get::<_, String>(0)?.into(), time(row.get(1)?))))?;
    rows.collect()
}

/// All that waits, in the order in which it was decided. What nobody could have written is not there.
pub(super) fn waiting(connection: &Connection) -> rusqlite::Result<Vec<Notification>> {
    let mut rows = connection.prepare("SELECT id, channel, at, message, tail FROM outbox ORDER BY number")?;
    let rows = rows.query_map([], |row| {
        let columns = (row.get(0)?, row.get(1)?, row.get(2)?);
        Ok(messages::read(columns, &row.get::<_, String>(3)?, row.get(4)?))
    })?;
    rows.filter_map(Result::transpose).collect()
}

/// What is remembered of what was told of each job.
pub(super) fn notify_memory(connection: &Connection) -> rusqlite::Result<HashMap<JobId, NotifyMemory>> {
    let mut rows = connection.prepare("SELECT job, memory FROM notify_memory")?;
    let rows = rows.query_map([], |row| {
        let (job, memory): (String, String) = (row.get(0)?, row.get(1)?);
        Ok(messages::read_memory(&memory).map(|it| (JobId::plain(&job), it)))
    })?;
    rows.filter_map(Result::transpose).collect()
}

impl Store {
    /// All that waits to be told.
    pub fn waiting(&self) -> Result<Vec<Notification>, StoreError> {
        self.told(waiting)
    }

    /// What is remembered of what was told of each job.
    pub fn notify_memory(&self) -> Result<HashMap<JobId, NotifyMemory>, StoreError> {
        self.told(notify_memory)
    }
}

impl Reader {
    /// All that waits to be told, in the order in which it was decided.
    pub fn waiting(&self) -> Result<Vec<Notification>, StoreError> {
        self.ask(waiting)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::notification::Streak;

    fn message(n: usize) -> Notification {
        Notification {
            id: n.to_string().into(),
            channel: "ops".into(),
            cause: Cause::Test,
            at: Timestamp::UNIX_EPOCH,
            job: None,
            kind: None,
            run: None,
            streak: Streak::default(),
            expected: None,
            usual: None,
            text: None,
        }
    }

    #[tokio::test]
    async fn what_finds_no_room_is_known_to_be_missing_and_the_rest_comes_in_order() {
        let outbox = Outbox::default();
        for n in 0..QUEUE_LIMIT {
            outbox.put(message(n), Kept::nothing()).unwrap();
        }
        assert!(!outbox.takes_more());
        outbox.put(message(QUEUE_LIMIT), Kept::nothing()).unwrap_err();
        for n in 0..QUEUE_LIMIT {
            assert_eq!(*outbox.take().await.0.id, n.to_string());
        }
        assert!(outbox.takes_more() && !outbox.takes_more());
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_is_woken_and_who_gave_up_waiting_has_taken_nothing() {
        let outbox = Outbox::default();
        let gave_up = tokio::time::timeout(Duration::from_secs(1), outbox.take()).await;
        assert!(gave_up.is_err());
        let waits = async { outbox.take().await.0 };
        let puts = async {
            tokio::task::yield_now().await;
            outbox.put(message(1), Kept::nothing())
        };
        let (taken, found_room) = tokio::join!(waits, puts);
        assert_eq!((found_room, taken), (Ok(()), message(1)));
    }

    #[test]
    fn what_is_given_up_is_known_once() {
        let outbox = Outbox::default();
        outbox.give_up(&"a".into());
        assert!(!outbox.is_given_up("b") && outbox.is_given_up("a") && !outbox.is_given_up("a"));
    }
}
