//! How each channel does, for who asks.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use jiff::Timestamp;

use crate::model::{diagnostic::Diagnostic, origin::Origin};

use super::trouble::Trouble;

/// How a channel does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChannelState {
    /// How many messages wait for it.
    pub waiting: usize,
    /// How many arrived since the agent started.
    pub sent: u64,
    /// How many were given up since the agent started.
    pub given_up: u64,
    /// When one last arrived.
    pub last_sent: Option<Timestamp>,
    /// Why the last one did not.
    pub trouble: Option<Failing>,
}

/// Messages do not arrive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failing {
    /// Since when.
    pub since: Timestamp,
    /// Why.
    pub reason: String,
    /// When it is tried again; `None` where nothing waits any more.
    pub next: Option<Timestamp>,
}

/// All of them; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Board(Arc<Mutex<BTreeMap<Arc<str>, ChannelState>>>);

impl Board {
    fn all(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, ChannelState>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Each channel of which there is something to say.
    pub fn states(&self) -> BTreeMap<Arc<str>, ChannelState> {
        self.all().clone()
    }

    /// Where messages do not arrive.
    pub fn problems(&self) -> Vec<Diagnostic> {
        let told = |(name, state): (&Arc<str>, &ChannelState)| {
            let Failing { since, reason, next } = state.trouble.as_ref()?;
            let waiting = match (state.waiting, next) {
                (0, _) => "none waits any more".to_owned(),
                (1, _) => "1 message waits and is tried again".to_owned(),
                (some, _) => format!("{some} messages wait and are tried again in order"),
            };
            let given_up = match state.given_up {
                0 => String::new(),
                some => format!("; {some} were given up since the agent started"),
            };
            let place = Origin::Place(format!("channel {name}").into());
            Some(Diagnostic::error(
                place,
                format!("messages do not arrive since {since:.0}: {reason}; {waiting}{given_up}"),
            ))
        };
        self.all().iter().filter_map(told).collect()
    }

    pub(super) fn waits(&self, channel: &Arc<str>, waiting: usize) {
        self.all().entry(channel.clone()).or_default().waiting = waiting;
    }

    pub(super) fn sent(&self, channel: &Arc<str>, now: Timestamp) {
        let mut all = self.all();
        let state = all.entry(channel.clone()).or_default();
        state.sent += 1;
        state.last_sent = Some(now);
        state.trouble = None;
    }

    /// More come than arrive: the oldest was given up.
    pub(super) fn overflows(&self, channel: &Arc<str>, waiting: usize, now: Timestamp) {
        let mut all = self.all();
        let state = all.entry(channel.clone()).or_default();
        state.given_up += 1;
        state.waiting = waiting;
        let reason =
            || "more messages come than it takes, and the oldest are given up: see why it is slow".to_owned();
        state.trouble.get_or_insert_with(|| Failing { since: now, reason: reason(), next: None });
    }

    /// It is another channel now, or one that was seen to work.
    pub(super) fn mended(&self, channel: &Arc<str>) {
        if let Some(state) = self.all().get_mut(channel).filter(|it| it.waiting == 0) {
            state.trouble = None;
        }
    }

    /// It did not arrive. The answer is whether the one before it did.
    pub(super) fn failed(
        &self,
        channel: &Arc<str>,
        why: &Trouble,
        now: Timestamp,
        next: Option<Timestamp>,
    ) -> bool {
        let mut all = self.all();
        let state = all.entry(channel.clone()).or_default();
        state.given_up += u64::from(next.is_none());
        let since = state.trouble.as_ref().map_or(now, |it| it.since);
        let first = state.trouble.is_none();
        state.trouble = Some(Failing { since, reason: why.reason.clone(), next });
        first
    }

    /// Nobody has to know of it any more.
    pub(super) fn gone(&self, channel: &Arc<str>) {
        self.all().remove(channel);
    }
}
