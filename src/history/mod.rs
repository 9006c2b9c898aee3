//! What outlives the agent: one file in the state directory, with what is remembered of jobs and with all runs.
//!
//! [`keeper`] takes what is to be kept from the agent without making it wait, and `recorder` from each of its runs, and [`writer`] writes it behind its back.
//! `schema` is the shape of the file, [`store`] opens it, [`write`](mod@write) and [`retain`] change it, and [`query`]
//! reads it, with or without an agent; `unfinished` is what the last agent left, `handles` how it is found, `halts` what it had stopped and `made` the jobs that were made over the API, which `changes` changes, with `terms` of how it is to be ended, and
//! [`installation`] whose it is, `sessions` who has logged in, [`outbox`] what is to be told, with `messages` for its words, and `audits` what was asked to be changed; [`output`] holds what a run prints until it is written, and [`live`] knows what goes on
//! now, and `lost` what is known where the file was lost. What goes wrong here is
//! told, and costs no run and delays none.

mod audits;
mod changes;
mod halts;
mod handles;
pub mod installation;
pub mod keeper;
pub mod live;
mod lost;
mod made;
mod messages;
pub mod outbox;
pub mod output;
pub mod query;
mod recorder;
pub mod retain;
mod schema;
mod sessions;
mod statements;
pub mod store;
mod terms;
mod unfinished;
pub mod write;
pub mod writer;

use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
    sync::Arc,
};

use jiff::Timestamp;
use rusqlite::Connection;

use crate::{
    model::{
        diagnostic::Diagnostic, halt::Halt, made::Made, memory::Memory, name::JobId,
        notification::Notification, notify_memory::NotifyMemory, origin::Origin, unfinished::Legacy,
    },
    time::Clock,
};

use self::{
    installation::Installation,
    keeper::{Condition, Keeper},
    query::Reader,
    store::{Store, StoreError},
    writer::Writer,
};

/// What is told of a disk that hangs.
const UNANSWERED: &str =
    "the state directory does not answer: look after its disk; jobs run, but what happens is not kept";

/// What is told where it is not known which jobs were made over the API.
const UNREAD: &str = "the jobs that were made over the API cannot be read: none of them runs, and none can be made, until the \
                      agent is started again with a state directory that can be read";

/// What was found in the state directory.
#[derive(Debug)]
pub struct Opened {
    /// Where what is to be kept goes from now on.
    pub keeper: Keeper,
    /// Who writes it; a store that could not be opened is tried again there.
    pub writer: Writer,
    /// What the last agent kept of its jobs.
    pub memory: HashMap<JobId, Memory>,
    /// What it remembered of what it had told of them.
    pub notify_memory: HashMap<JobId, NotifyMemory>,
    /// What it was to tell, and what has not arrived, in the order in which it was decided.
    pub waiting: Vec<Notification>,
    /// When it last sent each channel its daily message.
    pub digests: BTreeMap<Arc<str>, Timestamp>,
    /// What it began or let wait, and left without a record, and what it could not end.
    pub legacy: Legacy,
    /// What it had stopped for runs and is to be started again.
    pub halts: Vec<Halt>,
    /// The jobs that were made over the API; `None` where they cannot be read.
    pub made: Option<Vec<Made>>,
    /// What tells this state directory's agent from others on the same Engine.
    pub installation: Installation,
    /// What is wrong besides the keeper's [`Condition`].
    pub diagnostics: Vec<Diagnostic>,
}

/// Opens the store in `directory`, which is kept within `most` bytes. A file that is damaged is put aside, and a new one
/// is begun.
pub fn open(directory: &Path, most: u64, clock: Clock) -> Opened {
    let mut diagnostics = Vec::new();
    let installation = installation::of(directory);
    // A new file is none, and one that was used is not empty: what emptied it is not known.
    if !installation.is_new && store::is_emptied(directory) {
        diagnostics.push(Diagnostic::error(place(), EMPTIED.to_owned()));
    }
    let opened = read(directory, most).or_else(|error| {
        if !error.is_damage() {
            return Err(error);
        }
        let aside = store::put_aside(directory, clock.now())?;
        diagnostics.push(Diagnostic::error(place(), was_put_aside(&error, &aside)));
        read(directory, most)
    });
    let (store, kept, condition) = match opened {
        Ok((store, kept)) => (Some(store), Some(kept), Condition::Well),
        // Where nothing can be written, what was kept can be read all the same.
        Err(error) => {
            let kept = Reader::open(directory).and_then(|it| it.map(|it| it.remembered()).transpose());
            (None, kept.map(Option::unwrap_or_default).ok(), Condition::Failing { reason: failing(&error) })
        }
    };
    if kept.is_none() {
        diagnostics.push(Diagnostic::error(place(), UNREAD));
    }
    let made = kept.as_ref().map(|it| it.made.clone());
    let Remembered { memory, notify_memory, waiting, digests, legacy, halts, made: _ } =
        kept.unwrap_or_default();
    let keeper = Keeper::new(condition, directory);
    for it in &diagnostics {
        keeper.put_aside(it.clone());
    }
    keeper.shared.live.left(&legacy.runs);
    keeper.shared.changes.found(made.as_deref().unwrap_or_default());
    let writer = Writer::new(keeper.clone(), directory.to_owned(), most, clock, store);
    Opened {
        keeper,
        writer,
        memory,
        notify_memory,
        waiting,
        digests,
        legacy,
        halts,
        made,
        installation,
        diagnostics,
    }
}

/// What holds where the state directory did not answer in time: the writer goes on trying.
pub fn unanswered(directory: &Path, most: u64, clock: Clock) -> Opened {
    let keeper = Keeper::new(Condition::Failing { reason: UNANSWERED.to_owned() }, directory);
    let unread = Diagnostic::error(place(), UNREAD);
    keeper.put_aside(unread.clone());
    let writer = Writer::new(keeper.clone(), directory.to_owned(), most, clock, None);
    Opened {
        keeper,
        writer,
        memory: HashMap::new(),
        notify_memory: HashMap::new(),
        waiting: Vec::new(),
        digests: BTreeMap::new(),
        legacy: Legacy::default(),
        halts: Vec::new(),
        made: None,
        installation: installation::unknown(),
        diagnostics: vec![unread],
    }
}

/// What an agent that starts needs to know of the last one: as in [`Opened`].
#[derive(Debug, Default)]
pub(crate) struct Remembered {
    pub memory: HashMap<JobId, Memory>,
    pub notify_memory: HashMap<JobId, NotifyMemory>,
    pub waiting: Vec<Notification>,
    pub digests: BTreeMap<Arc<str>, Timestamp>,
    pub legacy: Legacy,
    pub halts: Vec<Halt>,
    pub made: Vec<Made>,
}

impl Remembered {
    fn read(connection: &Connection) -> rusqlite::Result<Self> {
        Ok(Self {
            memory: store::memory(connection)?,
            notify_memory: outbox::notify_memory(connection)?,
            waiting: outbox::waiting(connection)?,
            digests: outbox::digests(connection)?,
            legacy: unfinished::legacy(connection)?,
            halts: halts::halts(connection)?,
            made: made::made(connection)?,
        })
    }
}

fn read(directory: &Path, most: u64) -> Result<(Store, Remembered), StoreError> {
    let store = Store::open(directory, most)?;
    let kept = store.told(Remembered::read)?;
    Ok((store, kept))
}

fn place() -> Origin {
    Origin::Place("setting state-dir".into())
}

const EMPTIED: &str = "watchbell.db was empty, and a new one is begun: see what emptied it, or bring back a backup; the runs until \
                       now are lost, and so are the jobs that were made over the API, which jobs were paused and what was missed";

fn was_put_aside(error: &StoreError, aside: &str) -> String {
    format!(
        "{error}: it was put aside as {aside} and a new one is begun; the runs until now are there, what was missed \
         while the agent did not run is not known, jobs that were paused are not, those that were made over the API are \
         gone unless the agent knew them, @every counts anew, and of what the last \
         agent began only containers and services are found again"
    )
}

/// What it costs that nothing can be kept, and the mend.
fn failing(error: &StoreError) -> String {
    format!(
        "{error}; jobs run, but no run is kept, what is missed while the agent does not run is not caught up, and \
         @every counts anew: {}",
        error.mend()
    )
}

#[cfg(test)]
mod tests;
