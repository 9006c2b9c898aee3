//! Equal values that many jobs have: kept once.

use std::sync::{Arc, Mutex, PoisonError, Weak};

/// How many of them are looked at. Thousands of jobs have a default in common; what is each job's own is not worth a
/// longer search.
const KEPT: usize = 16;

/// The last of a sort that were asked for, as long as somebody has them.
#[derive(Debug)]
pub(super) struct Recent<T>(Mutex<Vec<Weak<T>>>);

impl<T: PartialEq> Recent<T> {
    /// None of them yet.
    pub(super) const fn new() -> Self {
        Self(Mutex::new(Vec::new()))
    }

    /// One that is equal and there already, else this.
    pub(super) fn share(&self, it: T) -> Arc<T> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|it| it.strong_count() > 0);
        if let Some(known) = kept.iter().rev().filter_map(Weak::upgrade).find(|known| **known == it) {
            return known;
        }
        if kept.len() >= KEPT {
            kept.remove(0);
        }
        let it = Arc::new(it);
        kept.push(Arc::downgrade(&it));
        it
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_ones_are_one_and_what_nobody_has_is_not_kept() {
        let recent = Recent::new();
        let (one, other) = (recent.share(1), recent.share(2));
        assert!(Arc::ptr_eq(&one, &recent.share(1)) && !Arc::ptr_eq(&one, &other));
        drop(other);
        let _others: Vec<_> = (3..3 + KEPT).map(|it| recent.share(it)).collect();
        assert!(recent.0.lock().unwrap().len() <= KEPT);
        assert!(!Arc::ptr_eq(&one, &recent.share(1)), "the oldest goes, however many there are");
    }
}
