//! What stands under `deploy`, which is a Swarm's.

use std::{collections::BTreeMap, rc::Rc, sync::Arc};

use crate::{
    model::{
        origin::Origin,
        swarm::{STACK_LABEL, Service},
    },
    settings::dialect::Dialect,
};

use super::{
    Reader, of_places, tools,
    yaml::{Node, Place},
};

impl Reader<'_> {
    /// A Swarm puts the labels of `deploy` on the service; a container never has them.
    pub(super) fn deploy(&mut self, service: &str, node: &Rc<Node>) {
        let entries = self.entries(node);
        let Some((at, node)) = entries.get("labels") else { return };
        let name: Arc<str> = format!("{}_{service}", self.project).into();
        let on = Origin::Service(name.clone());
        let mode = entries.get("mode").and_then(|(_, mode)| self.text(mode));
        let mut labels = self.labels(&on, *at, node);
        let mut first: BTreeMap<Dialect, Place> = BTreeMap::new();
        for label in labels.keys() {
            let place = self.out.places.get(&(of_places(&on), label.as_str().into()));
            if let (Some(dialect), Some(place)) = (tools::dialect_of(label, self.dialects), place) {
                let known = first.entry(dialect).or_insert(place.key);
                *known = place.key.min(*known);
            }
        }
        let of_stack = entries.keys().any(|key| tools::OF_STACKS.contains(&key.as_str()));
        for (dialect, at) in first {
            let read = tools::is_read_on_services(dialect);
            self.out.under_deploy |= !read;
            if !read || !of_stack {
                self.warning(at, tools::under_deploy(read));
            }
        }
        labels.insert(STACK_LABEL.to_owned(), self.project.clone());
        self.out.services.push(Service {
            id: format!("{}#{service}", self.path).into(),
            name,
            created: 0,
            labels,
            is_replicated: mode.is_none_or(|mode| mode == "replicated"),
            here: BTreeMap::new(),
            elsewhere: 0,
        });
    }
}
