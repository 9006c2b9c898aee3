//! The Engine: whether it can be reached, what it is, what time it has, and what it lists.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::timeout;

use crate::{
    docker::{client::Engine, error::EngineError, inventory::EngineFacts},
    model::{container::Inventory, diagnostic::Diagnostic},
    settings::global::Settings,
    time::Clock,
    watch::identity,
};

use super::{
    super::{args::SettingFlags, contexts},
    Check, Environment, container, socket,
};

/// How long the Engine may take to answer here.
const LIMIT: Duration = Duration::from_secs(5);

/// How far two clocks may be apart before it matters to a schedule.
const TOLERANCE: SignedDuration = SignedDuration::from_secs(2);

/// What was seen of the Engine.
pub(super) struct Seen {
    pub checks: Vec<Check>,
    pub inventory: Option<Inventory>,
    pub unclear: Option<Diagnostic>,
    /// Whether it manages a Swarm, if that is known.
    pub manager: Option<bool>,
}

/// Asks the Engine of these settings.
pub(super) async fn look(
    flags: &SettingFlags,
    settings: &Settings,
    environment: &Environment,
    clock: &Clock,
) -> Seen {
    let host = settings.docker_host.as_str();
    let context = contexts::unread(flags, environment, settings);
    let mut checks = vec![address(settings, context)];
    let own = identity::of_this_process();
    if let Some(wrong) = host.strip_prefix("unix://").and_then(socket::check) {
        checks.extend([wrong, no_clock(), container::check(&own, None)]);
        return Seen { checks, inventory: None, unclear: None, manager: None };
    }
    let engine = Engine::at(host, settings.certificates());
    let before = clock.now();
    let facts = ask(engine.facts()).await;
    let after = clock.now();
    let facts = match facts {
        Ok(facts) => facts,
        Err(error) => {
            checks.extend([unreachable(host, &error), no_clock(), container::check(&own, None)]);
            return Seen { checks, inventory: None, unclear: None, manager: None };
        }
    };
    let (inventory, unclear) = match ask(engine.inventory(&own)).await {
        Ok((inventory, unclear)) => {
            let services = engine.services(&facts.swarm, None).await;
            let inventory = Inventory { services, ..inventory };
            let found = format!(
                "version {} answers at {host} and lists {} containers",
                facts.version,
                inventory.containers.len()
            );
            checks.push(Check::ok("engine", found));
            (Some(inventory), unclear)
        }
        Err(error) => {
            let found =
                format!("version {} answers at {host}, and does not list containers: {error}", facts.version);
            let advice = "a proxy in between must let GET /containers/json and GET /events pass";
            checks.push(Check::error("engine", found, advice));
            (None, None)
        }
    };
    checks.push(time(&facts, before, after));
    checks.push(container::check(&own, inventory.as_ref()));
    Seen { checks, inventory, unclear, manager: facts.manager }
}

async fn ask<T>(question: impl Future<Output = Result<T, EngineError>>) -> Result<T, EngineError> {
    timeout(LIMIT, question).await.unwrap_or(Err(EngineError::TimedOut))
}

/// How the Engine is asked, and what may be misread of that.
fn address(settings: &Settings, context: Option<Diagnostic>) -> Check {
    const NAME: &str = "docker-host";
    let host = settings.docker_host.as_str();
    if let Some(context) = context {
        return Check::warning(NAME, format!("{host}; {}", context.origin), context.reason);
    }
    if let Some(directory) = settings.certificates() {
        return Check::ok(NAME, format!("{host}, over TLS with the certificates in {}", directory.display()));
    }
    if host.strip_prefix("tcp://").is_some_and(|it| it.ends_with(":2376")) {
        return Check::warning(
            NAME,
            format!("{host} is the usual port of an Engine that wants TLS, and it is asked without"),
            "set docker-tls-verify, and docker-cert-path to the directory of the certificates",
        );
    }
    if host.starts_with("tcp://") || host.starts_with("http://") {
        return Check::warning(
            NAME,
            format!("{host} is not encrypted"),
            "whoever reaches that port is root on the Engine's machine: have the Engine want TLS and set \
             docker-tls-verify, or keep it to a network of its own",
        );
    }
    Check::ok(NAME, host)
}

fn unreachable(host: &str, error: &EngineError) -> Check {
    let advice = match error {
        EngineError::Refused { .. } => "a proxy in between must let GET /info or GET /version pass",
        EngineError::Malformed(_) => "something else than an Engine listens there: look at docker-host",
        EngineError::Unreachable(_) if host.starts_with("unix://") => {
            "start Docker; in a container, start the agent anew if Docker was: the socket that was mounted is gone"
        }
        EngineError::Unreachable(_) => "look at the address, and whether the Engine listens there",
        EngineError::TimedOut => "look at the Engine's own log: it takes connections and does not answer",
    };
    Check::error("engine", format!("{host}: {error}"), advice)
}

fn no_clock() -> Check {
    Check::warning(
        "clock",
        "the Engine's time is not known, for it does not answer",
        "mend what is wrong with the Engine first",
    )
}

/// The Engine's clock against ours; the question was asked and answered between `before` and `after`.
fn time(facts: &EngineFacts, before: Timestamp, after: Timestamp) -> Check {
    const NAME: &str = "clock";
    let Some(theirs) = facts.time else {
        return Check::ok(NAME, "the Engine does not tell its time");
    };
    let (direction, off) = if theirs < before {
        ("behind", before.duration_since(theirs))
    } else {
        ("ahead", theirs.duration_since(after))
    };
    if off < TOLERANCE {
        return Check::ok(NAME, "the Engine's clock and this one agree");
    }
    Check::warning(
        NAME,
        format!("the Engine's clock is {:.1} s {direction}", off.as_secs_f64()),
        "schedules go by the agent's clock: let both machines keep their time, for example with chrony",
    )
}

#[cfg(test)]
mod tests {
    use super::super::Status;
    use super::*;
    use crate::{
        docker::swarm::Membership,
        model::origin::Origin,
        settings::{
            global::layers::{Upper, settle},
            ini::RawSetting,
        },
    };

    #[test]
    fn a_clock_that_is_two_seconds_off_is_told_and_the_way_of_the_answer_does_not_count() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let (before, after) = (at("2026-01-05T00:00:00Z"), at("2026-01-05T00:00:04Z"));
        let check = |theirs: &str| {
            time(
                &EngineFacts {
                    version: "1".into(),
                    time: Some(at(theirs)),
                    manager: None,
                    swarm: Membership::Untold,
                },
                before,
                after,
            )
        };
        assert_eq!(check("2026-01-05T00:00:05Z").status, Status::Ok);
        assert_eq!(check("2026-01-05T00:00:02Z").status, Status::Ok);
        assert!(check("2026-01-05T00:00:07Z").found.contains("3.0 s ahead"));
        assert!(check("2026-01-04T23:59:58Z").found.contains("2.0 s behind"));
    }

    #[test]
    fn an_address_that_may_be_misread_is_told() {
        let check = |written: &[(&str, &str)]| {
            let flag =
                |(key, value): &(&str, &str)| RawSetting::new(*key, *value, Origin::Flag((*key).into()));
            let upper = Upper::new(written.iter().map(flag).collect(), vec![], &|_| None);
            address(&settle(&[], &[], &upper).0, None)
        };
        assert_eq!(check(&[]).status, Status::Ok);
        assert!(check(&[("docker-host", "tcp://x:2376")]).advice.unwrap().contains("docker-tls-verify"));
        assert!(check(&[("docker-host", "tcp://x:2375")]).found.contains("not encrypted"));
        let tls =
            check(&[("docker-host", "tcp://x"), ("docker-tls-verify", "1"), ("docker-cert-path", "/certs")]);
        assert!(tls.status == Status::Ok && tls.found.contains("over TLS") && tls.found.contains("/certs"));
    }
}
