//! How everyone else asks about channels.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use tokio::sync::watch;

use crate::model::gather::Gather;
use crate::{
    model::{
        channel::Channel,
        diagnostic::{Diagnostic, did_you_mean},
        notification::{Cause, Notification, Streak},
    },
    outward::http::Client,
};

use super::{
    board::{Board, ChannelState},
    courier::Courier,
    email::Reached,
    exec::Beside,
    lane::Deliver,
    message::Message,
    trouble::Trouble,
};

/// A way to ask; cheap to clone.
#[derive(Debug, Clone)]
pub struct Notifications {
    courier: Courier,
    board: Board,
}

/// Why a message for trial did not arrive.
#[derive(Debug)]
pub enum NotTold {
    /// There is no such channel; with the one that was perhaps meant.
    NoChannel(String),
    /// It did not arrive.
    Trouble(Trouble),
}

impl Notifications {
    /// Over these.
    pub fn new(courier: Courier, board: Board) -> Self {
        Self { courier, board }
    }

    /// Where there are no channels: for who is asked about something else.
    pub fn none() -> Self {
        let (client, telling) = (Client::new(&|_| None), watch::channel(Arc::default()).1);
        let courier = Courier::new(client, PathBuf::new(), Beside::default(), telling);
        Self::new(courier, Board::default())
    }

    /// Whether there is a channel at which messages do not arrive.
    pub fn is_failing(&self) -> bool {
        self.board.states().values().any(|it| it.trouble.is_some())
    }

    /// Each channel of the settings and how it does; and those of which messages wait though they are gone.
    pub fn channels(&self) -> BTreeMap<Arc<str>, (Option<Arc<Channel>>, ChannelState)> {
        let mut all: BTreeMap<Arc<str>, (Option<Arc<Channel>>, ChannelState)> =
            self.board.states().into_iter().map(|(name, state)| (name, (None, state))).into_map();
        for (name, channel) in self.courier.telling.borrow().channels.iter() {
            all.entry(name.clone()).or_default().0 = Some(channel.clone());
        }
        all
    }

    /// Where messages do not arrive.
    pub fn problems(&self) -> Vec<Diagnostic> {
        self.board.problems()
    }

    /// The channel with this name.
    pub fn channel(&self, name: &str) -> Result<Arc<Channel>, NotTold> {
        let telling = self.courier.telling.borrow().clone();
        telling.channels.get(name).cloned().ok_or_else(|| {
            let near = did_you_mean(name, telling.channels.keys().map(|it| &**it));
            let near = near.map_or_else(String::new, |it| format!(": {it}"));
            NotTold::NoChannel(format!("there is no channel \"{name}\"{near}"))
        })
    }

    /// Sends a message for trial to a channel, now and once, past what waits for it.
    pub async fn test(&self, name: &str) -> Result<Message, NotTold> {
        let channel = self.channel(name)?;
        let at = self.courier.clock.now();
        let it = Notification {
            id: format!("test.{name}.{}", at.as_nanosecond()).into(),
            channel: channel.name.clone(),
            cause: Cause::Test,
            at,
            job: None,
            kind: None,
            run: None,
            streak: Streak::default(),
            expected: None,
            usual: None,
            text: None,
        };
        let message = self.courier.message(&channel, &it).map_err(NotTold::Trouble)?;
        self.courier.deliver(&channel, &it, &mut Reached::default()).await.map_err(NotTold::Trouble)?;
        self.board.mended(&channel.name);
        Ok(message)
    }

    /// What a channel would be sent.
    pub async fn preview(&self, channel: &Arc<Channel>, mut it: Notification) -> Result<Message, Trouble> {
        let tail = self.courier.tail(Some(channel), &it).await;
        if let Some(run) = &mut it.run {
            run.tail = tail;
        }
        self.courier.message(channel, &it)
    }
}
