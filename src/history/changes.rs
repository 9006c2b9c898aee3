//! Changes of the jobs of the API on their way to the file. Who asks for one waits until it is there, or is told that nothing
//! has changed; then nothing has.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::oneshot, time::timeout};

use crate::model::{
    made::{Made, MadeChange},
    name::JobId,
};

use super::{
    UNANSWERED,
    keeper::{Condition, Keeper},
    store::{Store, StoreError},
};

/// How long a change may take.
const LIMIT: Duration = Duration::from_secs(5);

/// A change, and who waits for it.
#[derive(Debug)]
pub(super) struct Wish {
    change: MadeChange,
    answer: Option<oneshot::Sender<Result<(), String>>>,
}

/// What is to be changed, and what is there.
#[derive(Debug, Default)]
pub(super) struct Changes {
    wishes: Mutex<VecDeque<Wish>>,
    /// As the file has it: a new file, in place of a damaged one, gets it anew.
    there: Mutex<BTreeMap<JobId, Made>>,
}

impl Keeper {
    /// Changes the jobs of the API. When this returns, it is in the file, or nothing has changed and the answer is why.
    pub async fn change(&self, change: MadeChange) -> Result<(), String> {
        match &*self.shared.condition.borrow() {
            Condition::Well => {}
            Condition::Absent => return Err("there is no state directory".to_owned()),
            Condition::Failing { reason } => return Err(reason.clone()),
        }
        let (answer, mut answered) = oneshot::channel();
        self.shared.changes.wishes().push_back(Wish { change, answer: Some(answer) });
        self.shared.news.notify_one();
        if let Ok(answered) = timeout(LIMIT, &mut answered).await {
            return answered.unwrap_or_else(|_| Err(UNANSWERED.to_owned()));
        }
        // Who writes finds that nobody waits any more, and undoes what he did.
        answered.close();
        answered.try_recv().unwrap_or_else(|_| Err(UNANSWERED.to_owned()))
    }
}

impl Changes {
    fn wishes(&self) -> MutexGuard<'_, VecDeque<Wish>> {
        self.wishes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn there(&self) -> MutexGuard<'_, BTreeMap<JobId, Made>> {
        self.there.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// This was found in the file.
    pub fn found(&self, made: &[Made]) {
        self.there().extend(made.iter().map(|it| (it.job.clone(), it.clone())));
    }

    /// The next change that someone waits for.
    pub fn next(&self) -> Option<Wish> {
        self.wishes().pop_front()
    }

    /// None of what waits is done.
    pub fn refuse(&self, reason: &str) {
        self.wishes().drain(..).for_each(|it| it.refuse(reason));
    }

    /// A new file has what the old one had.
    pub fn write_anew(&self, store: &mut Store) -> Result<(), StoreError> {
        let all: Vec<MadeChange> = self.there().values().cloned().map(MadeChange::Put).collect();
        if all.is_empty() { Ok(()) } else { store.change_made(&all) }
    }
}

impl Wish {
    /// Writes it.
    pub fn write(&mut self, store: &mut Store, changes: &Changes) -> Result<(), StoreError> {
        // Nobody waits any more, and was told that nothing has changed.
        if self.answer.as_ref().is_none_or(oneshot::Sender::is_closed) {
            return Ok(());
        }
        store.change_made(std::slice::from_ref(&self.change))?;
        let Some(answer) = self.answer.take() else { return Ok(()) };
        if answer.send(Ok(())).is_err() {
            return store.change_made(&[self.before(changes)]);
        }
        match &self.change {
            MadeChange::Put(it) => drop(changes.there().insert(it.job.clone(), it.clone())),
            MadeChange::Remove(job) => drop(changes.there().remove(job)),
        }
        Ok(())
    }

    /// What leads back to how it was.
    fn before(&self, changes: &Changes) -> MadeChange {
        let job = match &self.change {
            MadeChange::Put(it) => &it.job,
            MadeChange::Remove(job) => job,
        };
        let before = changes.there().get(job).cloned();
        before.map_or_else(|| MadeChange::Remove(job.clone()), MadeChange::Put)
    }

    /// It was not done.
    pub fn refuse(self, reason: &str) {
        // Who asked may have gone.
        let _ = self.answer.map(|it| it.send(Err(reason.to_owned())));
    }
}
