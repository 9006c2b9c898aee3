//! Why a container was not made or started, or ended as it did, where neither the Engine's words nor the exit code say it
//! well.

use crate::{
    docker::{
        client::Engine,
        containers::{ContainerFacts, ContainerPhase},
        error::EngineError,
    },
    model::{
        bytes,
        container::{AGENT_LABEL, RUN_LABEL},
        job::RunSpec,
        run::Outcome,
    },
};

use super::{order::RunOrder, unit::Context};

/// The exit code of what was killed.
const KILLED: i64 = 137;

/// Versions of the API that came late for an option: an older Engine would pass over it without a word.
const PLATFORM_SINCE: (u32, u32) = (1, 41);
const GPUS_SINCE: (u32, u32) = (1, 40);
const HOST_GATEWAY_SINCE: (u32, u32) = (1, 41);

/// Why the Engine would not do what was asked for, and not say so.
pub(super) async fn can_do(engine: &Engine, spec: &RunSpec) -> Result<(), String> {
    let Some(options) = &spec.options else { return Ok(()) };
    let gateway = options.extra_hosts.iter().any(|host| host.ends_with(":host-gateway"));
    let needed: Vec<(&str, (u32, u32))> = [
        ("platform", options.platform.is_some(), PLATFORM_SINCE),
        ("gpus", options.gpus.is_some(), GPUS_SINCE),
        ("extra-hosts with host-gateway", gateway, HOST_GATEWAY_SINCE),
    ]
    .into_iter()
    .filter_map(|(name, asked, since)| asked.then_some((name, since)))
    .collect();
    if needed.is_empty() {
        return Ok(());
    }
    let has =
        engine.api_version().await.map_err(|error| format!("asking the Engine for its version: {error}"))?;
    match needed.iter().find(|(_, since)| has < *since) {
        Some((name, since)) => Err(format!(
            "{name} needs an Engine with version {}.{} of the API, and this one has {}.{}: remove it, or use a newer Engine",
            since.0, since.1, has.0, has.1
        )),
        None => Ok(()),
    }
}

/// What comes of a container that could not be made or started.
pub(super) fn not_started(operation: &str, error: &EngineError, image: &str) -> Outcome {
    let mend = match error {
        EngineError::Refused { message, .. } if message.contains("could not select device driver") => {
            ": the Engine has no driver for gpus: install the toolkit of their maker beside it".to_owned()
        }
        EngineError::Refused { message, .. } if message.contains("does not match the specified platform") => {
            format!(": pull it for that platform first (docker pull --platform … {image})")
        }
        _ if error.is_without_image() && is_id(image) => {
            ": the container that it is to be like has an image that was removed: make that container anew"
                .to_owned()
        }
        _ if error.is_without_image() => {
            format!(": pull it first (docker pull {image}), or let it be pulled with pull=missing")
        }
        // When it is started, the same status has other causes.
        EngineError::Refused { status: 409, .. } if operation == "making" => {
            ": this occurrence has a container already and is not run twice".to_owned()
        }
        _ => String::new(),
    };
    Outcome::NotStarted { error: format!("{operation} a container of {image}: {error}{mend}") }
}

/// Whether an image is named by its ID, for which no registry can be asked.
pub(super) fn is_id(image: &str) -> bool {
    image.starts_with("sha256:")
}

/// Why it ended with such a code, where that was for lack of memory.
pub(super) fn lack_of_memory(code: i64, facts: &ContainerFacts) -> Option<String> {
    let what = match code {
        0 => return None,
        KILLED => "killed",
        _ => "something in it was killed",
    };
    let limit = facts
        .memory_limit
        .map_or_else(|| "of the machine".to_owned(), |limit| format!("(limit {})", bytes::written(limit)));
    facts.out_of_memory.then(|| format!("{what} for lack of memory {limit}"))
}

/// Why an occurrence is not run whose container is there already, and whose that is.
pub(super) async fn guard(order: &RunOrder, context: &Context) -> String {
    let name = order.created_name();
    let whose = match context.engine.container_facts(&name).await {
        Ok(Some(facts)) => {
            let run = facts.labels.get(RUN_LABEL).map_or("no run of any agent", String::as_str);
            let ours = facts.labels.get(AGENT_LABEL).is_some_and(|it| **it == *context.installation.id);
            let agent = if ours { "an earlier life of this agent" } else { "another agent" };
            let does = match facts.phase {
                ContainerPhase::Created => "was never started".to_owned(),
                ContainerPhase::Running => "goes on".to_owned(),
                ContainerPhase::Ended { code, .. } => format!("has ended with exit code {code}"),
            };
            format!("{name} of run {run}, which {agent} made, and which {does}")
        }
        Ok(None) | Err(_) => name,
    };
    format!("this occurrence has one already and is not run twice: {whose}")
}
