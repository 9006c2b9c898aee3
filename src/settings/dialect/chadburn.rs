//! Chadburn: a fork of Ofelia with a prefix of its own.
//!
//! Relied upon: its documentation and source of 2025. It reads five fields with the minute first; six were the rule
//! before.

use crate::model::name::JobKind::{Compose, Exec, Local, Run, ServiceRun};

use super::{
    ofelia::Tool,
    ofelia_keys::{self, key},
    table::{
        Becomes::{Nothing, Parameter},
        Key, same,
    },
};

/// Chadburn.
pub static CHADBURN: Tool = Tool {
    name: "Chadburn",
    prefix: "chadburn",
    keys: &[ofelia_keys::KEYS, KEYS],
    anywhere: false,
    gcfg: true,
    substitutes: false,
    five_fields: None,
    default_user: None,
};

const ALL: &[crate::model::name::JobKind] = &[Exec, Run, Local, ServiceRun, Compose];
const TOLD: &str = "write [notify \"name\"] in watchbell's own file, and its name as notify of the job";

/// What Chadburn has alone.
static KEYS: &[Key] = &[
    key("workdir", &[Exec], Parameter("workdir", same), "The same."),
    key("gotify-url", ALL, Nothing, TOLD),
    key("gotify-token", ALL, Nothing, TOLD),
    key("gotify-only-on-error", ALL, Nothing, TOLD),
    key("teams-webhook", ALL, Nothing, TOLD),
    key("teams-only-on-error", ALL, Nothing, TOLD),
    key("insecure-skip-verify", ALL, Nothing, TOLD),
    key("gotify-url", &[], Nothing, TOLD),
    key("gotify-token", &[], Nothing, TOLD),
    key("gotify-only-on-error", &[], Nothing, TOLD),
    key("teams-webhook", &[], Nothing, TOLD),
    key("teams-only-on-error", &[], Nothing, TOLD),
    key("insecure-skip-verify", &[], Nothing, TOLD),
];
