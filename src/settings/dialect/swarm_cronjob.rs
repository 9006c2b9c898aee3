//! swarm-cronjob: `swarm.cronjob.<key>` on Swarm services, which this version does not run.
//!
//! Its labels on a container are told of, so that nobody waits for a job that never comes. Relied upon: its
//! documentation to version 1.14.

use crate::model::{
    container::Container,
    swarm::{Labelled, Service},
};

use super::table::{self, Becomes::Nothing, Foreign, Key};

/// The name, as its people write it.
pub const NAME: &str = "swarm-cronjob";

const fn key(name: &'static str, doc: &'static str) -> Key {
    Key { name, kinds: &[], becomes: Nothing, doc }
}

/// Every key.
pub static KEYS: &[Key] = &[
    key("enable", "The services of a Swarm are not run yet."),
    key("schedule", "As `enable`."),
    key("skip-running", "As `enable`."),
    key("replicas", "As `enable`."),
    key("registry-auth", "As `enable`."),
    key("query-registry", "As `enable`."),
    key("scaledown", "As `enable`."),
    key("run-once", "As `enable`."),
];

/// Tells of the labels on a container: of those that are known once, of each other one by itself.
pub fn labels(container: &Container, out: &mut Foreign) {
    tell(Labelled::Container(container), "and on a container they never had one", out);
}

/// The same of those on a service.
pub fn service(service: &Service, out: &mut Foreign) {
    tell(Labelled::Service(service), "the service itself is not touched", out);
}

fn tell(on: Labelled<'_>, more: &str, out: &mut Foreign) {
    let mut told = false;
    for label in on.labels().keys() {
        let Some(name) = label.strip_prefix("swarm.cronjob.") else { continue };
        match table::find(NAME, &[KEYS], name, None) {
            Err(reason) => out.without_effect(None, on.label(label), reason),
            Ok(_) if told => {}
            Ok(_) => {
                told = true;
                let reason = format!(
                    "the labels of swarm-cronjob have no effect: jobs that scale the services of a Swarm are not yet \
                     supported, {more}"
                );
                out.without_effect(None, on.label(label), reason);
            }
        }
    }
}
