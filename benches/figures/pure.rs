//! What the pure parts take, without an Engine.

use std::{collections::HashMap, num::NonZeroUsize, sync::Arc};

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;
use watchbell::{
    agent::state::{Effect, Event, State},
    model::{
        container::{Container, ContainerId, ContainerState, Inventory},
        run::RunId,
        swarm::Services,
    },
    plan::{Catalog, plan},
    settings::{
        global::layers::Upper,
        ini,
        memo::Memo,
        resolve::{Desired, Sources, View, resolve, resolve_again},
    },
};

use crate::kit::{Failure, samples::Samples, table::Table};

const ROUNDS: usize = 15;

pub fn measure(table: &mut Table) -> Result<(), Failure> {
    for (key, containers, each) in [("reconcile_1000x10_ms", 1_000, 10), ("reconcile_10000x1_ms", 10_000, 1)]
    {
        let what = format!("no-change reconcile of 10000 jobs on {containers} containers, median");
        table.figure(key, what, reconcile(containers, each)? * 1e3, "ms", 20.0);
    }
    let (took, admitted) = tick();
    table.figure("due_1000_ms", "1000 jobs due in one second, all admitted, median", took * 1e3, "ms", 50.0);
    table.figure("due_1000_dropped", "of them dropped", 1_000.0 - admitted, "", 0.0);
    Ok(())
}

fn now() -> Timestamp {
    Timestamp::from_second(1_767_225_600).unwrap_or_default()
}

fn sources() -> Sources {
    let nothing = |_: &str| None;
    Sources::new(ini::parse("bench.ini", "", &nothing), Upper::default(), Vec::new())
}

/// Containers as Compose makes them, `each` jobs on every one.
fn inventory(containers: usize, each: usize) -> Inventory {
    let container = |number: usize| {
        let mut labels: std::collections::BTreeMap<String, String> = [
            ("com.docker.compose.project", format!("project-{}", number / 10)),
            ("com.docker.compose.service", format!("service-{}", number % 10)),
            ("com.docker.compose.container-number", "1".to_owned()),
            ("com.docker.compose.oneoff", "False".to_owned()),
            ("com.docker.compose.config-hash", format!("{number:064x}")),
            ("org.opencontainers.image.title", "a service".to_owned()),
            ("watchbell.enabled", "true".to_owned()),
        ]
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect();
        for job in 0..each {
            for (parameter, value) in [
                ("schedule", format!("{} 3 * * 1-5", job % 60)),
                ("command", format!("/usr/bin/backup --verbose 'part {job}'")),
                ("user", "nobody".to_owned()),
                ("timeout", "10m".to_owned()),
            ] {
                labels.insert(format!("watchbell.job-exec.job-{job}.{parameter}"), value);
            }
        }
        Container {
            id: ContainerId(format!("{number:064x}").into()),
            name: format!("project-{}-service-{}-1", number / 10, number % 10).into(),
            state: ContainerState::Running,
            healthy: None,
            created: 1_700_000_000,
            labels,
        }
    };
    Inventory { containers: (0..containers).map(container).collect(), own: None, services: Services::none() }
}

/// The same observation again, and the plan that follows, which must be empty. The median in seconds.
fn reconcile(containers: usize, each: usize) -> Result<f64, Failure> {
    let (sources, inventory) = (sources(), inventory(containers, each));
    let (mut catalog, mut memo) = (Catalog::default(), Memo::default());
    for change in plan(&catalog, &resolve_again(&sources, View::Observed(&inventory), now(), &mut memo)) {
        catalog.apply(&change);
    }
    if catalog.len() != 10_000 {
        return Err(format!("there are {} jobs", catalog.len()).into());
    }
    let mut times = Samples::default();
    for _ in 0..ROUNDS {
        // A list is read anew each time; only the text is the same.
        let again = inventory.clone();
        let began = Instant::now();
        let changes = plan(&catalog, &resolve_again(&sources, View::Observed(&again), now(), &mut memo));
        times.push(began.elapsed().as_secs_f64());
        if !changes.is_empty() {
            return Err("there was something to change".into());
        }
    }
    Ok(times.median())
}

/// All due at once. The median in seconds, and how many began in the worst round.
#[expect(clippy::cast_precision_loss, reason = "they are a thousand")]
fn tick() -> (f64, f64) {
    let (sources, mut inventory) = (sources(), inventory(1_000, 1));
    for container in &mut inventory.containers {
        container.labels.insert("watchbell.job-exec.job-0.schedule".to_owned(), "* * * * *".to_owned());
    }
    // Without settings the cap stays that with which the state began: none.
    let desired = Desired { settings: None, ..resolve(&sources, View::Observed(&inventory), now()) };
    let mut times = Samples::default();
    let mut admitted = usize::MAX;
    for _ in 0..ROUNDS {
        let mut state = State::new(NonZeroUsize::MAX, HashMap::new());
        let mut number = 0_u32;
        let mut ids = || {
            number += 1;
            RunId(Arc::from(format!("{number:026}")))
        };
        state.handle(Event::Desired(desired.clone()), now(), &mut ids);
        let due = now() + SignedDuration::from_secs(60);
        let began = Instant::now();
        let effects = state.handle(Event::Tick, due, &mut ids);
        times.push(began.elapsed().as_secs_f64());
        admitted = admitted.min(effects.iter().filter(|it| matches!(it, Effect::Start(_))).count());
    }
    (times.median(), admitted as f64)
}
