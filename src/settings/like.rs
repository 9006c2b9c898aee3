//! Which container a job of kind `run` is to be like.

use crate::model::{
    container::Container,
    swarm::{Labelled, STACK_LABEL},
};

use super::{
    resolve::{Candidate, Home, View},
    swarm::in_order,
};

/// The containers that `name` means where a job on `home` says it: the job's own, those of a service of its project or stack,
/// the container of that name, those of `<project>.<service>`. Only the first of these that there are; the best first.
pub(super) fn candidates<'a>(
    name: &str,
    home: Option<&Home<'_>>,
    view: View<'a>,
    named: impl Fn(&str) -> &'a [&'a Container],
) -> Vec<Candidate> {
    let View::Observed(inventory) = view else { return Vec::new() };
    // The labels of Compose can be written by anyone; what shares the definition of the job is its own.
    if let Some(own) = home.filter(|home| home.on.is_called(name)) {
        return own.candidates.clone();
    }
    // One that `docker compose run` made has its service's labels, and may be made otherwise.
    let all = || inventory.containers.iter().filter(|it| !it.is_one_off() && !it.is_run());
    let project = home.and_then(|home| match home.on {
        Labelled::Container(it) => it.service().map(|(project, _)| project),
        Labelled::Service(it) => it.labels.get(STACK_LABEL).map(String::as_str),
    });
    let neighbour = project.map(|project| format!("{project}.{name}"));
    // One that has such a name is no service.
    let of = |wanted: &str| all().filter(|it| it.home() == wanted && *it.name != *wanted).collect::<Vec<_>>();
    let mut found = neighbour.map(|it| of(&it)).unwrap_or_default();
    if found.is_empty() {
        found = named(name).to_vec();
    }
    if found.is_empty() {
        found = of(name);
    }
    in_order(found.into_iter().map(|it| (i64::from(it.replica()), it)))
}
