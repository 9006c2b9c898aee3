//! Containers, and services of a Swarm, that are stopped while runs go on (`stop-during`), and started again afterwards,
//! whatever happens.
//!
//! What is stopped for which run is in the store before anything is stopped, so that the next agent starts it where this
//! one dies. [`Halts`](super::halts::Halts) knows who needs what; `container` and `service` are how either is stopped
//! and started.

mod container;
mod service;

use std::{collections::HashMap, time::Duration};

use tokio::time::{Instant, sleep};

use crate::{
    docker::{error::EngineError, inventory::OwnIds},
    history::keeper::Condition,
    model::{
        container::{Container, ContainerState, Inventory},
        halt::{Halt, HaltId, StopDuring, Unclear},
        run::{Item, Outcome},
        swarm::Labelled,
    },
    telemetry::report,
};

use super::{
    halts::{Stop, Waiting},
    order::RunOrder,
    unit::{Context, Life},
};

/// How long a run waits until what it stops is in the store.
const KEEP_LIMIT: Duration = Duration::from_secs(5);

/// What cannot be started is tried again after this long, then after twice as long each time, up to the second.
const AGAIN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// The same where the Engine does not answer.
const ASK_AGAIN: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));

/// What somebody asked the Engine to stop, and that still runs, may stop as much later than its own time to.
const STOP_SLACK: Duration = Duration::from_secs(5);

/// Stops what the job wants stopped, unless that was done for this run already. What was stopped before something went
/// wrong is started again when the run has ended, as all of it is.
pub(super) async fn halt(order: &RunOrder, context: &Context, life: &mut Life) -> Result<(), Outcome> {
    let Some(stop) = &order.spec.policies.stop_during else { return Ok(()) };
    let halts = &context.halts;
    if halts.has_all(&order.run) {
        return Ok(());
    }
    let not_started = |error: String| Outcome::NotStarted { error };
    let wanted = wanted(stop, order, context).await.map_err(not_started)?;
    container::can_be_started_again(&wanted, context).await.map_err(not_started)?;
    keep(&wanted, context).await.map_err(not_started)?;
    for it in &wanted {
        let Some(gate) = halts.gate(&it.what) else { continue };
        let stopping = async {
            let _held = gate.lock().await;
            match &it.what {
                HaltId::Container(id) => container::stop(id, it, context).await,
                HaltId::Service(id) => service::stop(id, it, context).await,
            }
        };
        tokio::pin!(stopping);
        // A stop is waited for: one that comes after the start that follows would undo it.
        let mut asked = false;
        let stopped = loop {
            tokio::select! {
                stopped = &mut stopping => break stopped,
                _ = life.interrupts.next(), if !asked => asked = true,
            }
        };
        if asked {
            return Err(life.interrupts.given_up(None));
        }
        let stopped = match (&it.what, stopped) {
            // Nothing undoes what the Swarm was told: a run that is to end need not wait for its tasks.
            (HaltId::Service(id), Ok(())) => tokio::select! {
                stopped = service::until_stopped(id, context) => stopped,
                _ = life.interrupts.next() => return Err(life.interrupts.given_up(None)),
            },
            (_, stopped) => stopped,
        };
        if let Err(error) = stopped {
            return Err(not_started(format!(
                "stopping {} {} before the run: {error}",
                it.what.word(),
                it.name
            )));
        }
    }
    halts.got_all(&order.run);
    Ok(())
}

/// What runs, or is stopped for others, of what is meant.
async fn wanted(stop: &StopDuring, order: &RunOrder, context: &Context) -> Result<Vec<Halt>, String> {
    // Before anything is looked at: what is started again meanwhile is stopped once more.
    let halted = context.halts.all();
    let inventory = inventory(stop, context)
        .await
        .map_err(|error| format!("looking for what is to be stopped before the run: {error}"))?;
    let meant = stop.meant(&inventory).map_err(|error| format!("stop-during: {error}"))?;
    let at = context.clock.now();
    let halt = |what, name: &str, replicas| Halt {
        what,
        name: name.to_owned(),
        replicas,
        run: order.run.clone(),
        job: order.job().clone(),
        place: 0,
        at,
    };
    let mut wanted = Vec::new();
    for it in meant {
        match it {
            Labelled::Container(it) => {
                let what = HaltId::Container(it.id.clone());
                if runs(it) || halted.contains_key(&what) {
                    wanted.push(halt(what, &it.name, None));
                }
            }
            Labelled::Service(it) => {
                let what = HaltId::Service(it.id.clone());
                let known = halted.get(&what).copied().flatten();
                let replicas = service::replicas(it, context).await?;
                // One that wants no tasks is stopped already, by a run or by its owner.
                if let Some(replicas) = if replicas == 0 { known } else { Some(replicas) } {
                    wanted.push(halt(what, &it.name, Some(replicas)));
                }
            }
        }
    }
    for (place, it) in (0..).zip(&mut wanted) {
        it.place = place;
    }
    Ok(wanted)
}

/// What is paused writes nothing, and stays as someone left it; what restarts will run in a moment.
fn runs(it: &Container) -> bool {
    matches!(it.state, ContainerState::Running | ContainerState::Restarting)
}

/// The containers, and where a name may be that of a service of a Swarm, those as well.
async fn inventory(stop: &StopDuring, context: &Context) -> Result<Inventory, EngineError> {
    let engine = &context.engine;
    let (mut inventory, _) = engine.inventory(&OwnIds::default()).await?;
    if stop.of_swarm || matches!(stop.meant(&inventory), Err(Unclear::Nobody(_) | Unclear::OfSwarm { .. })) {
        inventory.services = engine.services(&engine.facts().await?.swarm, None).await;
    }
    Ok(inventory)
}

/// Enters it in the store. Without that nothing is stopped: an agent that dies would leave it stopped.
async fn keep(wanted: &[Halt], context: &Context) -> Result<(), String> {
    if wanted.is_empty() {
        return Ok(());
    }
    if *context.keeper.condition().borrow() == Condition::Absent {
        return Err(not_kept(&Condition::Absent));
    }
    // Claimed first: whoever starts one of them meanwhile leaves it to us.
    context.halts.claim(wanted).map_err(|why| format!("stop-during: {why}"))?;
    keep_rows(wanted, context).await
}

async fn keep_rows(wanted: &[Halt], context: &Context) -> Result<(), String> {
    let keeper = &context.keeper;
    if keeper.keep([Item::Halted(wanted.to_vec())]).within(KEEP_LIMIT).await {
        return Ok(());
    }
    let condition = keeper.condition().borrow().clone();
    Err(not_kept(&condition))
}

fn not_kept(condition: &Condition) -> String {
    let because = match condition {
        Condition::Failing { reason } => format!(": {reason}"),
        Condition::Absent => ": there is no store".to_owned(),
        Condition::Well => String::new(),
    };
    format!(
        "nothing was stopped before the run, because it could not be entered in the store, and an agent that dies \
         would leave it stopped{because}"
    )
}

/// Starts what nobody needs stopped any more, in this order, until all of it runs or is gone. What may still stop, because
/// the Engine was asked for it, holds up nothing else.
pub async fn restore(free: Vec<HaltId>, context: Context) {
    let Context { halts, keeper, .. } = &context;
    let mut stopped: Vec<HaltId> = free.into_iter().filter(|what| halts.takes_in_hand(what)).collect();
    let since = Instant::now();
    // Those that could not be started, and when they are tried again.
    let mut again: HashMap<HaltId, (Instant, Duration)> = HashMap::new();
    let mut ask = ASK_AGAIN.0;
    while !stopped.is_empty() {
        let mut left = Vec::new();
        for what in stopped {
            if again.get(&what).is_some_and(|(at, _)| Instant::now() < *at) {
                left.push(what);
                continue;
            }
            let Some(gate) = halts.gate(&what) else { continue };
            let _held = gate.lock().await;
            let Some(it) = halts.waiting(&what) else { continue };
            match start_again(&what, &it, since, &context).await {
                Ok(Some(found)) => {
                    halts.restored(&what, keeper);
                    if it.stop != Stop::NotAsked {
                        report::restored(&it.job, &what, &it.name, &found);
                    }
                    continue;
                }
                Ok(None) => drop(again.remove(&what)),
                Err(error) if error.is_outage() => drop(again.remove(&what)),
                Err(error) => {
                    halts.failing(&what, &error.to_string());
                    let wait = again.get(&what).map_or(AGAIN.0, |(_, wait)| (*wait * 2).min(AGAIN.1));
                    again.insert(what.clone(), (Instant::now() + wait, wait));
                }
            }
            left.push(what);
        }
        stopped = left;
        again.retain(|it, _| stopped.contains(it));
        let mut next = again.values().map(|(at, _)| at.saturating_duration_since(Instant::now())).min();
        if again.len() < stopped.len() {
            next = Some(next.map_or(ask, |next| next.min(ask)));
            ask = (ask * 2).min(ASK_AGAIN.1);
        }
        if let Some(next) = next {
            sleep(next).await;
        }
    }
}

/// The answer is what there is to say of it; none while a stop that was asked for may still come.
async fn start_again(
    what: &HaltId,
    it: &Waiting,
    since: Instant,
    context: &Context,
) -> Result<Option<String>, EngineError> {
    if it.stop == Stop::NotAsked {
        return Ok(Some("it was not stopped".to_owned()));
    }
    match what {
        HaltId::Container(id) => container::start(id, it.stop, since, context).await,
        HaltId::Service(id) => service::start(id, it, since, context).await,
    }
}
