//! What is known where a store was lost: that it was put aside, and which runs have a row all the same.

use std::{sync::PoisonError, time::Duration};

use tokio::{task::spawn_blocking, time::timeout};

use crate::model::{diagnostic::Diagnostic, run::RunId};

use super::{keeper::Keeper, query::Reader};

/// How long the file may take to tell of one run.
const ANSWER_LIMIT: Duration = Duration::from_secs(2);

impl Keeper {
    /// A damaged file was put aside. That stays a problem until the next start: what it costs goes on.
    pub(super) fn put_aside(&self, problem: Diagnostic) {
        self.shared.aside.lock().unwrap_or_else(PoisonError::into_inner).push(problem);
    }

    /// What is wrong besides the [`condition`](Self::condition).
    pub fn problems(&self) -> Vec<Diagnostic> {
        self.shared.aside.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether the file knows this run. One that cannot be read knows nothing.
    pub async fn has_row(&self, run: RunId) -> bool {
        let Some(directory) = self.shared.directory.clone() else { return false };
        let asked = spawn_blocking(move || {
            let reader = Reader::open(&directory).ok().flatten()?;
            reader.run(&run).ok().flatten()
        });
        matches!(timeout(ANSWER_LIMIT, asked).await, Ok(Ok(Some(_))))
    }
}
