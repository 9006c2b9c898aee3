//! Everything that is to be told, each message to its channel.
//!
//! What is to be told is in the store before it comes here, and stays there until it has arrived or is given up. So nobody
//! waits for a channel, and no channel for another.

use std::{
    collections::{BTreeMap, HashMap},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use tokio::{
    sync::watch,
    task::{Id, JoinSet, spawn_blocking},
    time::timeout,
};

use crate::{
    history::{
        keeper::{Keeper, Kept},
        outbox::Outbox,
        query::Reader,
    },
    model::{
        channel::{Channel, Telling},
        notification::Notification,
        run::Item,
    },
    telemetry::report,
    time::Clock,
};

use super::{
    board::Board,
    digest::Digests,
    lane::{Deliver, Lane, Queue, over},
    trouble::Trouble,
};

/// How long what is handed over may take to be in the store, and the store to be read.
const FLUSH_LIMIT: Duration = Duration::from_secs(2);
const READ_LIMIT: Duration = Duration::from_secs(10);

/// The owner of all channels.
#[derive(Debug)]
pub struct Notifier<D> {
    outbox: Outbox,
    telling: watch::Receiver<Arc<Telling>>,
    closed: watch::Receiver<bool>,
    board: Board,
    deliver: D,
    keeper: Keeper,
    clock: Clock,
    digests: Digests,
    directory: PathBuf,
    lanes: BTreeMap<Arc<str>, Open>,
    tasks: JoinSet<()>,
    /// Whose task is whose.
    names: HashMap<Id, Arc<str>>,
}

/// A channel that is open.
#[derive(Debug)]
struct Open {
    queue: Arc<Queue>,
    channel: watch::Sender<Option<Arc<Channel>>>,
}

/// What a notifier needs.
#[derive(Debug)]
pub struct Parts<D> {
    /// Where what is to be told comes from.
    pub outbox: Outbox,
    /// The channels.
    pub telling: watch::Receiver<Arc<Telling>>,
    /// Whether the agent ends.
    pub closed: watch::Receiver<bool>,
    /// Where it is written how each channel does.
    pub board: Board,
    /// What sends.
    pub deliver: D,
    /// Where it is kept what has arrived.
    pub keeper: Keeper,
    /// The agent's clock.
    pub clock: Clock,
    /// The daily messages.
    pub digests: Digests,
    /// Where the store is.
    pub directory: PathBuf,
}

impl<D: Deliver> Notifier<D> {
    /// Of these; `waiting` is what the last agent left, in order.
    pub fn new(parts: Parts<D>, waiting: Vec<Notification>) -> Self {
        let Parts { outbox, telling, closed, board, deliver, keeper, clock, digests, directory } = parts;
        let mut notifier = Self {
            outbox,
            telling,
            closed,
            board,
            deliver,
            keeper,
            clock,
            digests,
            directory,
            lanes: BTreeMap::new(),
            tasks: JoinSet::new(),
            names: HashMap::new(),
        };
        for it in waiting {
            notifier.put(it, Kept::nothing());
        }
        notifier
    }

    /// Hands out what there is until the agent ends, and ends once no message is on its way any more.
    pub async fn run(mut self) {
        self.renew();
        let mut closed = self.closed.clone();
        loop {
            tokio::select! {
                biased;
                () = over(&mut closed) => break,
                Ok(()) = self.telling.changed() => self.renew(),
                Some(end) = self.tasks.join_next_with_id() => {
                    let id = end.as_ref().map_or_else(tokio::task::JoinError::id, |(id, ())| *id);
                    self.ended(id, end.is_err());
                }
                id = self.outbox.next_given_up() => self.forget(&id),
                (it, kept) = self.outbox.take() => {
                    self.put(it, kept);
                    if self.outbox.takes_more() {
                        self.take_from_the_store().await;
                    }
                }
                it = self.digests.due() => {
                    let kept = self.keeper.keep([Item::Digested { channel: it.channel.clone(), at: it.at }, Item::Notify(it.clone())]);
                    self.put(it, kept);
                }
            }
        }
        while self.tasks.join_next().await.is_some() {}
    }

    /// What found no room in memory is in the store.
    async fn take_from_the_store(&mut self) {
        // What was decided before is there, whatever has room.
        self.keeper.flush().within(FLUSH_LIMIT).await;
        let directory = self.directory.clone();
        let read = spawn_blocking(move || Reader::open(&directory).ok().flatten()?.waiting().ok());
        for it in timeout(READ_LIMIT, read).await.ok().and_then(Result::ok).flatten().unwrap_or_default() {
            if !self.lanes.get(&it.channel).is_some_and(|open| open.queue.holds(&it.id)) {
                self.put(it, Kept::nothing());
            }
        }
    }

    /// This was given up in the store for newer ones, and told there.
    fn forget(&mut self, id: &str) {
        for (name, open) in &self.lanes {
            if let Some(waiting) = open.queue.forget(id) {
                self.board.overflows(name, waiting, self.clock.now());
            }
        }
    }

    fn put(&mut self, it: Notification, kept: Kept) {
        let name = it.channel.clone();
        let open = self.open(&name);
        let (waiting, over) = open.queue.put(it, kept);
        self.board.waits(&name, waiting.min(super::lane::LIMIT));
        if let Some(over) = over.filter(|it| !self.outbox.is_given_up(&it.id)) {
            let why = format!(
                "more than {} messages wait for its channel: the oldest is given up",
                super::lane::LIMIT
            );
            self.give_up(&over, &Trouble::lasting(why));
        }
    }

    fn give_up(&self, it: &Notification, why: &Trouble) {
        self.board.failed(&it.channel, why, self.clock.now(), None);
        report::notify_given_up(it.into(), &why.reason);
        self.keeper.keep([Item::GivenUp(it.id.clone())]);
    }

    /// The channels are these from now on. One that is gone keeps what waits for it: it may come back.
    fn renew(&mut self) {
        let telling = self.telling.borrow_and_update().clone();
        let closed: Vec<Arc<str>> = self
            .lanes
            .iter()
            .filter(|(name, open)| !telling.channels.contains_key(*name) && open.queue.len() == 0)
            .map(|(name, _)| name.clone())
            .collect();
        for name in closed {
            self.lanes.remove(&name);
            self.board.gone(&name);
        }
        for name in telling.channels.keys() {
            self.open(name);
        }
        for (name, open) in &self.lanes {
            let now = telling.channels.get(name);
            let news = open.channel.send_if_modified(|last| {
                let news = last.as_ref() != now;
                *last = now.cloned();
                news
            });
            if news {
                self.board.mended(name);
            }
        }
        self.digests.renew(&telling);
    }

    /// The channel with this name, open.
    fn open(&mut self, name: &Arc<str>) -> &Open {
        if !self.lanes.contains_key(name) {
            let now = self.telling.borrow().channels.get(name).cloned();
            let open = Open { queue: Arc::default(), channel: watch::channel(now).0 };
            self.board.waits(name, 0);
            self.start(name, &open);
            self.lanes.insert(name.clone(), open);
        }
        &self.lanes[name]
    }

    fn start(&mut self, name: &Arc<str>, open: &Open) {
        let lane = Lane {
            name: name.clone(),
            queue: open.queue.clone(),
            channel: open.channel.subscribe(),
            closed: self.closed.clone(),
            board: self.board.clone(),
            deliver: self.deliver.clone(),
            outbox: self.outbox.clone(),
            keeper: self.keeper.clone(),
            clock: self.clock.clone(),
        };
        let task = self.tasks.spawn(lane.run());
        self.names.insert(task.id(), name.clone());
    }

    /// The task of a channel has ended: it is not wanted any more, or a mistake of ours ended it. Then what it had in
    /// hand is given up, for it would end the next one as well.
    fn ended(&mut self, id: Id, failed: bool) {
        let Some(name) = self.names.remove(&id) else { return };
        let Some(open) = self.lanes.remove(&name) else { return };
        if failed && let Some(it) = open.queue.pop() {
            self.give_up(&it, &Trouble::lasting("a mistake of ours ended it"));
        }
        self.start(&name, &open);
        self.lanes.insert(name, open);
    }
}
