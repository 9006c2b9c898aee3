//! What happened, for those who ask at the time and those who ask later.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::query::Filters;

/// How many events an Engine remembers. Who was away for longer than this has to list again.
const REMEMBERED: usize = 256;

/// The filters of `/events` that this Engine knows.
pub const FILTERS: &[&str] = &["type", "event", "container", "image", "label"];

/// Something that happened to an object.
#[derive(Debug, Clone)]
pub struct Event {
    /// "container", "network", …
    pub kind: &'static str,
    pub action: String,
    pub id: String,
    pub attributes: BTreeMap<String, String>,
    /// Nanoseconds since 1970.
    pub at: i128,
}

impl Event {
    fn json(&self) -> Value {
        let seconds = i64::try_from(self.at.div_euclid(1_000_000_000)).expect("a timestamp's seconds fit");
        let nanos = i64::try_from(self.at).expect("nanoseconds fit until the year 2262");
        json!({
            "status": self.action,
            "id": self.id,
            "from": self.attributes.get("image"),
            "Type": self.kind,
            "Action": self.action,
            "Actor": { "ID": self.id, "Attributes": self.attributes },
            "scope": "local",
            "time": seconds,
            "timeNano": nanos,
        })
    }

    /// As the Engine does it: `exec_create: ls` and `health_status: healthy` also match by what comes before the colon.
    fn passes(&self, filters: &Filters) -> bool {
        let name = self.action.split(':').next().unwrap_or_default();
        let is = |key: &str, value: &str| self.attributes.get(key).is_some_and(|given| given == value);
        filters.any("type", |kind| kind == self.kind)
            && filters.any("event", |event| event == self.action || event == name)
            && filters.any("container", |container| self.id.starts_with(container) || is("name", container))
            && filters.any("image", |image| is("image", image))
            && filters.labels(&self.attributes)
    }
}

#[derive(Debug)]
struct Subscriber {
    filters: Filters,
    lines: mpsc::UnboundedSender<Bytes>,
    /// The connection is up and nothing comes through.
    wedged: bool,
}

/// The Engine's memory of events, and the open streams of them.
#[derive(Debug, Default)]
pub struct EventLog {
    history: VecDeque<Event>,
    subscribers: Vec<Subscriber>,
    garble_next: bool,
}

impl EventLog {
    /// When the last remembered event happened.
    pub fn last(&self) -> Option<i128> {
        self.history.back().map(|event| event.at)
    }

    pub fn publish(&mut self, event: Event) {
        let line = line(&event);
        let mut delivered = false;
        self.subscribers.retain(|subscriber| {
            if subscriber.wedged || !event.passes(&subscriber.filters) {
                return !subscriber.lines.is_closed();
            }
            delivered = true;
            let garbled =
                self.garble_next.then(|| Bytes::from_static(b"{\"Type\":\"container\",\"Action\":st?rt}\n"));
            subscriber.lines.send(garbled.unwrap_or_else(|| line.clone())).is_ok()
        });
        self.garble_next &= !delivered;
        if self.history.len() == REMEMBERED {
            self.history.pop_front();
        }
        self.history.push_back(event);
    }

    /// A stream of everything remembered since `since` (inclusive), then of what happens from now on.
    pub fn subscribe(&mut self, filters: Filters, since: Option<i128>) -> mpsc::UnboundedReceiver<Bytes> {
        let (lines, receiver) = mpsc::unbounded_channel();
        let replayed = self.history.iter().filter(|event| since.is_some_and(|since| event.at >= since));
        for event in replayed.filter(|event| event.passes(&filters)) {
            lines.send(line(event)).expect("the receiver is at hand");
        }
        self.subscribers.push(Subscriber { filters, lines, wedged: false });
        receiver
    }

    pub fn open_streams(&self) -> usize {
        self.subscribers.iter().filter(|subscriber| !subscriber.lines.is_closed()).count()
    }

    pub fn cut(&mut self) {
        self.subscribers.clear();
    }

    pub fn wedge(&mut self) {
        for subscriber in &mut self.subscribers {
            subscriber.wedged = true;
        }
    }

    pub fn garble_next(&mut self) {
        self.garble_next = true;
    }

    pub fn forget(&mut self) {
        self.history.clear();
    }
}

fn line(event: &Event) -> Bytes {
    Bytes::from(format!("{}\n", event.json()))
}
