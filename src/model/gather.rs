//! Maps and sets of what an iterator gives, put in one by one.
//!
//! `collect` sorts all of it first, which is sooner for many thousands and has code of its own for each type: together that
//! was a twentieth of the binary. So it is left to where many thousands come.

use std::collections::{BTreeMap, BTreeSet};

/// What can be gathered.
pub trait Gather: Iterator + Sized {
    /// Into a map; of one key the last value counts.
    fn into_map<K: Ord, V>(self) -> BTreeMap<K, V>
    where
        Self: Iterator<Item = (K, V)>,
    {
        let mut map = BTreeMap::new();
        map.extend(self);
        map
    }

    /// Into a set.
    fn into_set(self) -> BTreeSet<Self::Item>
    where
        Self::Item: Ord,
    {
        let mut set = BTreeSet::new();
        set.extend(self);
        set
    }
}

impl<I: Iterator> Gather for I {}
