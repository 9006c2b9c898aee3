//! Where someone is told: a channel, as the operator wrote it.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use super::{
    notification::{Cause, Causes},
    origin::Origin,
    schedule::Zone,
    word,
};

/// The service, or the way, of a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChannelKind {
    /// Slack's incoming webhooks.
    Slack,
    /// Discord's webhooks.
    Discord,
    /// Microsoft Teams' workflows.
    Teams,
    /// A room of Matrix.
    Matrix,
    /// Mattermost's incoming webhooks.
    Mattermost,
    /// A bot of Telegram.
    Telegram,
    /// A topic of ntfy.
    Ntfy,
    /// An application of Gotify.
    Gotify,
    /// Pushover.
    Pushover,
    /// An integration of `PagerDuty` (Events API v2).
    PagerDuty,
    /// Opsgenie's alerts.
    Opsgenie,
    /// Any HTTP receiver.
    Webhook,
    /// Mail over SMTP.
    Email,
    /// healthchecks.io, or one of one's own.
    Healthchecks,
    /// Files beside the agent.
    Save,
    /// A command beside the agent.
    Exec,
}

impl ChannelKind {
    /// All of them by their words, in the order of the documentation.
    pub const NAMES: [(&'static str, Self); 16] = [
        ("slack", Self::Slack),
        ("discord", Self::Discord),
        ("teams", Self::Teams),
        ("matrix", Self::Matrix),
        ("mattermost", Self::Mattermost),
        ("telegram", Self::Telegram),
        ("ntfy", Self::Ntfy),
        ("gotify", Self::Gotify),
        ("pushover", Self::Pushover),
        ("pagerduty", Self::PagerDuty),
        ("opsgenie", Self::Opsgenie),
        ("webhook", Self::Webhook),
        ("email", Self::Email),
        ("healthchecks", Self::Healthchecks),
        ("save", Self::Save),
        ("exec", Self::Exec),
    ];

    /// Its word.
    pub fn as_str(self) -> &'static str {
        word::of(Self::NAMES, self)
    }

    /// Of what it is told, unless someone says otherwise.
    pub fn usual(self) -> Causes {
        match self {
            Self::Healthchecks => {
                Causes::of(&[Cause::Start, Cause::Success, Cause::Failure, Cause::Timeout, Cause::Lost])
            }
            Self::Save => Causes::ALWAYS,
            _ => Causes::USUAL,
        }
    }

    /// Whether it wants each run by itself: nothing is counted and told together, and no number of failures waited for.
    pub fn wants_each(self) -> bool {
        matches!(self, Self::Healthchecks | Self::Save)
    }
}

/// A value of a channel.
#[derive(Clone, PartialEq, Eq)]
pub enum Value {
    /// One.
    One(Arc<str>),
    /// Several.
    List(Vec<Arc<str>>),
}

/// It may be secret: it shows none of it.
impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Value(…)")
    }
}

/// One way to tell someone.
#[derive(Clone, PartialEq, Eq)]
pub struct Channel {
    /// Its name.
    pub name: Arc<str>,
    /// What it is.
    pub kind: ChannelKind,
    /// Of what it is told, where the job does not say; `None` is what is usual.
    pub on: Option<Causes>,
    /// Its other values, by the keys of `settings::channels`, which has looked at each of them.
    pub values: BTreeMap<&'static str, Value>,
    /// Where it is written.
    pub origin: Origin,
    /// Whether labels say where it leads: then it does not lead to addresses that only this machine should ask.
    pub from_label: bool,
}

/// Values may be secret: it shows their keys.
impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channel")
            .field("name", &self.name)
            .field("kind", &self.kind)
            .field("on", &self.on)
            .field("values", &self.values.keys())
            .field("origin", &self.origin)
            .finish_non_exhaustive()
    }
}

impl Channel {
    /// Of what it is told, where the job does not say.
    pub fn causes(&self) -> Causes {
        self.on.unwrap_or_else(|| self.kind.usual())
    }

    /// The value of a key.
    pub fn text(&self, key: &str) -> Option<&str> {
        match self.values.get(key)? {
            Value::One(text) => Some(text),
            Value::List(_) => None,
        }
    }

    /// The values of a key that may have several.
    pub fn list(&self, key: &str) -> &[Arc<str>] {
        match self.values.get(key) {
            Some(Value::List(items)) => items,
            Some(Value::One(one)) => std::slice::from_ref(one),
            None => &[],
        }
    }

    /// What must not be seen in what a receiver says back: every value that is long enough to be one's own, and the
    /// parts of addresses behind the host.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        let texts = self.values.values().flat_map(|it| match it {
            Value::One(text) => std::slice::from_ref(text),
            Value::List(items) => items,
        });
        let texts = texts.flat_map(|text| {
            let behind =
                text.split_once("://").and_then(|(_, rest)| rest.split_once('/')).map(|(_, path)| path);
            // Of a header only what stands behind its name.
            let value = text.split_once(": ").map(|(_, value)| value);
            [Some(&**text), behind, value]
        });
        texts.flatten().filter(|it| it.len() >= 6)
    }

    /// What somebody else wrote, without what must not be seen of this channel in it.
    pub fn masked(&self, text: &str) -> String {
        let mut secrets: Vec<&str> = self.secrets().collect();
        // One that is a part of another would leave the rest of it.
        secrets.sort_by_key(|it| std::cmp::Reverse(it.len()));
        secrets.into_iter().fold(text.to_owned(), |text, secret| text.replace(secret, "…"))
    }

    /// A number.
    pub fn number(&self, key: &str) -> Option<i64> {
        self.text(key)?.parse().ok()
    }

    /// A yes or no.
    pub fn flag(&self, key: &str) -> Option<bool> {
        self.text(key)?.parse().ok()
    }

    /// A length of time, as `humantime` writes it.
    pub fn duration(&self, key: &str) -> Option<Duration> {
        humantime::parse_duration(self.text(key)?).ok()
    }
}

/// The channels that there are.
pub type Channels = BTreeMap<Arc<str>, Arc<Channel>>;

/// What the settings say to whoever tells someone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Telling {
    /// The channels.
    pub channels: Arc<Channels>,
    /// How the agent is called from outside, for links.
    pub public_url: Option<String>,
    /// The zone in which times are written.
    pub zone: Zone,
}

impl Default for Telling {
    fn default() -> Self {
        Self { channels: Arc::default(), public_url: None, zone: Zone::utc() }
    }
}
