//! Whose labels are read: all there are, or those alone that may speak of one job.

use std::sync::Arc;

use crate::model::{container::Container, name::JobId, swarm::Labelled};

use super::{
    memo::{Memo, Read},
    resolve::{Sources, View},
};

/// The labels of every container and service that may define something.
pub(super) fn read_labels<'a>(
    sources: &Sources,
    view: View<'a>,
    memo: &mut Memo,
) -> Vec<(Labelled<'a>, Arc<Read>)> {
    read_labels_of(sources, view, memo, |_| true)
}

/// The labels of those that may define this job, and of the agent's own container, which may say its settings: reading
/// text is what costs, and the identity says on whom a job stands.
pub(super) fn read_labels_about<'a>(
    sources: &Sources,
    view: View<'a>,
    memo: &mut Memo,
    id: &JobId,
) -> Vec<(Labelled<'a>, Arc<Read>)> {
    read_labels_of(sources, view, memo, |it| {
        id.as_str().strip_prefix(&*it.home()).is_some_and(|rest| rest.starts_with('.'))
    })
}

fn read_labels_of<'a>(
    sources: &Sources,
    view: View<'a>,
    memo: &mut Memo,
    wanted: impl Fn(Labelled<'a>) -> bool,
) -> Vec<(Labelled<'a>, Arc<Read>)> {
    let View::Observed(inventory) = view else { return Vec::new() };
    let own = |container: &Container| inventory.own.as_ref() == Some(&container.id);
    let dialects = &sources.settings.label_dialects;
    let containers = inventory.containers.iter().map(|it| (Labelled::Container(it), own(it)));
    let services = inventory.services.list.iter().map(|it| (Labelled::Service(it), false));
    let mut read: Vec<(Labelled<'a>, Arc<Read>)> = Vec::new();
    read.extend(containers.chain(services).filter(|(on, own)| *own || wanted(*on)).map(|(on, own)| {
        let labels = match on {
            Labelled::Container(it) => memo.read(it, own, dialects),
            Labelled::Service(it) => memo.read_service(it, dialects),
        };
        (on, labels)
    }));
    read.retain(|(_, read)| !read.passed_over);
    read
}
