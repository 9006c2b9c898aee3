//! What one source says about one job, before anything has a type; and how layers lie on top of each other.

use std::sync::Arc;

use crate::model::origin::Origin;

use super::params::Param;

/// A value as it was written, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The text.
    pub text: Text,
    /// The place; of several items, the first.
    pub origin: Origin,
    /// The places of the further items, where each has its own.
    pub further: Vec<Origin>,
}

impl Written {
    /// One value, or several at one place.
    pub fn new(text: Text, origin: Origin) -> Self {
        Self { text, origin, further: Vec::new() }
    }

    /// Adds an item with its place.
    pub fn push(&mut self, item: Arc<str>, origin: Origin) {
        self.further.push(origin);
        match &mut self.text {
            Text::Items(items) => items.push(item),
            Text::One(first) => {
                let first = first.clone();
                self.text = Text::Items(vec![first, item]);
            }
        }
    }

    /// The place of the first item that is wrong by itself; else of all.
    pub fn place_of(&self, is_wrong: impl Fn(&Text) -> bool) -> &Origin {
        let Text::Items(items) = &self.text else { return &self.origin };
        if self.further.len() + 1 != items.len() {
            return &self.origin;
        }
        let places = [&self.origin].into_iter().chain(&self.further);
        let wrong = places.zip(items).find(|(_, item)| is_wrong(&Text::Items(vec![(*item).clone()])));
        wrong.map_or(&self.origin, |(place, _)| place)
    }
}

/// One text, or several where the source has a way to write items apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Text {
    /// One value.
    One(Arc<str>),
    /// Items from indexed or repeated keys, in order.
    Items(Vec<Arc<str>>),
}

/// What one source says about one job: parameters by name. Most say two or three things, so a short list, in order of
/// the names, takes a fraction of the memory of a map.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JobLayer {
    values: Vec<(&'static str, Written)>,
}

impl JobLayer {
    fn find(&self, name: &str) -> Result<usize, usize> {
        self.values.binary_search_by(|(known, _)| (*known).cmp(name))
    }

    fn put(&mut self, name: &'static str, written: Written) -> Option<Written> {
        match self.find(name) {
            Ok(at) => Some(std::mem::replace(&mut self.values[at].1, written)),
            Err(at) => {
                self.values.reserve_exact(1);
                self.values.insert(at, (name, written));
                None
            }
        }
    }

    /// Sets a parameter; a value that this layer had before is given back.
    pub fn set(&mut self, param: &'static Param, written: Written) -> Option<Written> {
        self.put(param.name, written)
    }

    /// The value of a parameter.
    pub fn get(&self, name: &str) -> Option<&Written> {
        self.find(name).ok().map(|at| &self.values[at].1)
    }

    /// Adds an item to a list parameter.
    pub fn add_item(&mut self, param: &'static Param, item: Arc<str>, origin: Origin) {
        match self.find(param.name) {
            Ok(at) => self.values[at].1.push(item, origin),
            Err(_) => {
                self.put(param.name, Written::new(Text::Items(vec![item]), origin));
            }
        }
    }

    /// The layer with `upper` on top: a parameter that `upper` has, hides this layer's as a whole, lists included.
    #[must_use]
    pub fn under(mut self, upper: &Self) -> Self {
        for (name, written) in &upper.values {
            self.put(name, written.clone());
        }
        self
    }

    /// Whether the layer says nothing.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Each parameter with its value, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &Written)> {
        self.values.iter().map(|(name, written)| (*name, written))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::params::PARAMS;
    use super::*;

    fn any_layer() -> impl Strategy<Value = JobLayer> {
        prop::collection::btree_map(0..PARAMS.len(), "[a-z]{0,3}", 0..6).prop_map(|values| {
            let mut layer = JobLayer::default();
            for (index, text) in values {
                let written = Written::new(Text::One(text.into()), Origin::Default);
                layer.set(&PARAMS[index], written);
            }
            layer
        })
    }

    proptest! {
        #[test]
        fn merging_is_associative(a in any_layer(), b in any_layer(), c in any_layer()) {
            prop_assert_eq!(
                a.clone().under(&b).under(&c),
                a.under(&b.under(&c))
            );
        }

        #[test]
        fn an_empty_layer_changes_nothing(a in any_layer()) {
            prop_assert_eq!(a.clone().under(&JobLayer::default()), a.clone());
            prop_assert_eq!(JobLayer::default().under(&a), a);
        }
    }
}
