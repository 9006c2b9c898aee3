//! Whether the agent runs in a container, and in which.

use crate::{docker::inventory::OwnIds, model::container::Inventory};

use super::Check;

const NAME: &str = "container";

/// What the kernel says of the container around this process, and whether the Engine has it.
pub(super) fn check(own: &OwnIds, inventory: Option<&Inventory>) -> Check {
    let Some(id) = own.ids.first() else {
        return Check::ok(NAME, "this process runs in no container that it can see");
    };
    let short: String = id.chars().take(12).collect();
    let Some(inventory) = inventory else {
        return Check::ok(
            NAME,
            format!("this process may run in container {short}; the Engine could not be asked"),
        );
    };
    let found = inventory.own.as_ref().and_then(|own| inventory.containers.iter().find(|it| it.id == *own));
    match found {
        Some(it) => Check::ok(NAME, format!("this process runs in container {} ({short})", it.name)),
        None => Check::warning(
            NAME,
            format!("this process may run in container {short}, which this Engine does not have"),
            "labels of the agent's own container are read only where the Engine that is asked is the one that runs it",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Status;
    use super::*;

    #[test]
    fn a_container_that_the_engine_does_not_have_is_told() {
        let inventory =
            Inventory { containers: vec![], own: None, services: crate::model::swarm::Services::none() };
        let own = OwnIds { ids: vec!["a".repeat(64)], certain: true };
        assert_eq!(check(&own, Some(&inventory)).status, Status::Warning);
        assert_eq!(check(&own, None).status, Status::Ok);
        assert!(check(&OwnIds::default(), None).found.contains("no container"));
    }
}
