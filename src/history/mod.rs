//! What outlives the agent: one file in the state directory.
//!
//! [`store`] is the only place that names the database. [`keeper`] takes what is to be kept from the agent without ever
//! making it wait, and writes it behind its back. What goes wrong here is told, and costs no run and delays none.

pub mod keeper;
pub mod store;

use std::{collections::HashMap, path::Path};

use jiff::Timestamp;

use crate::model::{diagnostic::Diagnostic, memory::Memory, name::JobId, origin::Origin};

use self::store::{Store, StoreError};

/// What was found in the state directory.
#[derive(Debug)]
pub struct Opened {
    /// Where it is kept from now on; `None` where that cannot be.
    pub store: Option<Store>,
    /// What the last agent kept of its jobs.
    pub memory: HashMap<JobId, Memory>,
    /// What is wrong.
    pub diagnostics: Vec<Diagnostic>,
}

/// Opens the store in `directory`. A file that is damaged is put aside, and a new one is begun.
pub fn open(directory: &Path, now: Timestamp) -> Opened {
    let mut diagnostics = Vec::new();
    let opened = read(directory).or_else(|error| {
        if !error.is_damage() {
            return Err(error);
        }
        let aside = store::put_aside(directory, now)?;
        let reason = format!(
            "{error}: it was put aside as {aside} and a new one is begun; what was missed while the agent did not run \
             is not known, and @every counts anew"
        );
        diagnostics.push(Diagnostic::error(place(), reason));
        read(directory)
    });
    match opened {
        Ok((store, memory)) => Opened { store: Some(store), memory, diagnostics },
        Err(error) => {
            diagnostics.push(cannot_keep(&error));
            Opened { store: None, memory: HashMap::new(), diagnostics }
        }
    }
}

fn read(directory: &Path) -> Result<(Store, HashMap<JobId, Memory>), StoreError> {
    let store = Store::open(directory)?;
    let memory = store.memory()?;
    Ok((store, memory))
}

fn place() -> Origin {
    Origin::Place("setting state-dir".into())
}

/// What it costs that nothing can be kept, and the mend.
fn cannot_keep(error: &StoreError) -> Diagnostic {
    let reason = format!(
        "{error}; jobs run, but what is missed while the agent does not run is not caught up, and @every counts anew: {}",
        error.mend()
    );
    Diagnostic::error(place(), reason)
}

#[cfg(test)]
mod tests;
