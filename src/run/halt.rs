//! Containers that are stopped while runs go on (`stop-during`), and started again afterwards, whatever happens.
//!
//! What is stopped for which run is in the store before anything is stopped, so that the next agent starts it where this
//! one dies. [`Halts`](super::halts::Halts) knows who needs what.

use std::{collections::HashMap, time::Duration};

use tokio::time::{Instant, sleep};

use crate::{
    docker::{actions::Stopping, client::Engine, error::EngineError, inventory::OwnIds},
    history::keeper::Condition,
    model::{
        container::{Container, ContainerId, ContainerState},
        halt::{Halt, StopDuring},
        run::{Item, Outcome},
    },
    telemetry::report,
};

use super::{
    halts::Stop,
    order::RunOrder,
    unit::{Context, Life},
};

/// How long a run waits until what it stops is in the store.
const KEEP_LIMIT: Duration = Duration::from_secs(5);

/// A container that cannot be started is tried again after this long, then after twice as long each time, up to the second.
const AGAIN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// The same where the Engine does not answer.
const ASK_AGAIN: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));

/// A container that somebody asked the Engine to stop, and that still runs, may stop as much later than its own time to.
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
    can_be_stopped(&wanted, context).await.map_err(not_started)?;
    keep(&wanted, context).await.map_err(not_started)?;
    for it in &wanted {
        let Some(gate) = halts.gate(&it.container) else { continue };
        let stopping = async {
            let _held = gate.lock().await;
            stop_one(it, context).await
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
        if let Err(error) = stopped {
            return Err(not_started(format!("stopping container {} before the run: {error}", it.name)));
        }
    }
    halts.got_all(&order.run);
    Ok(())
}

/// The containers that run, or are stopped for others, of those that are meant.
async fn wanted(stop: &StopDuring, order: &RunOrder, context: &Context) -> Result<Vec<Halt>, String> {
    let (inventory, _) = context
        .engine
        .inventory(&OwnIds::default())
        .await
        .map_err(|error| format!("looking for what is to be stopped before the run: {error}"))?;
    let meant = stop.meant(&inventory.containers).map_err(|error| format!("stop-during: {error}"))?;
    // What is paused writes nothing, and stays as someone left it; what restarts will run in a moment.
    let running = |it: &&Container| {
        matches!(it.state, ContainerState::Running | ContainerState::Restarting)
            || context.halts.is_halted(&it.id)
    };
    let up = meant.into_iter().filter(running);
    let at = context.clock.now();
    let halt = |(place, it): (u32, &Container)| Halt {
        container: it.id.clone(),
        name: it.name.to_string(),
        run: order.run.clone(),
        job: order.job().clone(),
        place,
        at,
    };
    Ok((0..).zip(up).map(halt).collect())
}

/// Whether each of them would be there afterwards.
async fn can_be_stopped(wanted: &[Halt], context: &Context) -> Result<(), String> {
    for Halt { container, name, .. } in wanted {
        let standing = context.engine.standing(&container.0).await;
        match standing
            .map_err(|error| format!("looking at container {name}, to stop it before the run: {error}"))?
        {
            Some(it) if it.auto_remove => {
                return Err(format!(
                    "stop-during: the Engine removes container {name} once it stops (--rm), and it could not be started \
                     again: make it without --rm, or take it out of the list"
                ));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Enters it in the store. Without that nothing is stopped: an agent that dies would leave it stopped.
async fn keep(wanted: &[Halt], context: &Context) -> Result<(), String> {
    if wanted.is_empty() {
        return Ok(());
    }
    let keeper = &context.keeper;
    let why = |condition: &Condition| {
        let because = match condition {
            Condition::Failing { reason } => format!(": {reason}"),
            Condition::Absent => ": there is no store".to_owned(),
            Condition::Well => String::new(),
        };
        format!(
            "nothing was stopped before the run, because it could not be entered in the store, and an agent that dies \
             would leave it stopped{because}"
        )
    };
    if *keeper.condition().borrow() == Condition::Absent {
        return Err(why(&Condition::Absent));
    }
    // Claimed first: whoever starts one of them meanwhile leaves it to us.
    context.halts.claim(wanted);
    if keeper.keep([Item::Halted(wanted.to_vec())]).within(KEEP_LIMIT).await {
        return Ok(());
    }
    Err(why(&keeper.condition().borrow()))
}

async fn stop_one(it: &Halt, context: &Context) -> Result<(), EngineError> {
    let engine = &context.engine;
    let Some(standing) = engine.standing(&it.container.0).await? else { return Ok(()) };
    if standing.state.is_up() {
        context.halts.is_stopped(&it.container, Stop::Asked);
        engine.stop_standing(&standing, Stopping::default()).await?;
        report::container_halted(&it.job, &it.run, &it.name);
    }
    context.halts.is_stopped(&it.container, Stop::Done);
    Ok(())
}

/// Starts what nobody needs stopped any more, in this order, until all of it runs or is gone. What may still stop, because
/// the Engine was asked for it, holds up nothing else.
pub async fn restore(containers: Vec<ContainerId>, context: Context) {
    let Context { halts, engine, keeper, .. } = &context;
    let mut containers: Vec<ContainerId> =
        containers.into_iter().filter(|container| halts.takes_in_hand(container)).collect();
    let since = Instant::now();
    // Those that could not be started, and when they are tried again.
    let mut again: HashMap<ContainerId, (Instant, Duration)> = HashMap::new();
    let mut ask = ASK_AGAIN.0;
    while !containers.is_empty() {
        let mut left = Vec::new();
        for container in containers {
            if again.get(&container).is_some_and(|(at, _)| Instant::now() < *at) {
                left.push(container);
                continue;
            }
            let Some(gate) = halts.gate(&container) else { continue };
            let _held = gate.lock().await;
            let Some((name, job, stop)) = halts.waiting(&container) else { continue };
            match start_again(engine, &container, stop, since).await {
                Ok(Some(found)) => {
                    halts.restored(&container, keeper);
                    if stop != Stop::NotAsked {
                        report::container_restored(&job, &name, found);
                    }
                    continue;
                }
                Ok(None) => drop(again.remove(&container)),
                Err(error) if error.is_outage() => drop(again.remove(&container)),
                Err(error) => {
                    halts.failing(&container, &error.to_string());
                    let wait = again.get(&container).map_or(AGAIN.0, |(_, wait)| (*wait * 2).min(AGAIN.1));
                    again.insert(container.clone(), (Instant::now() + wait, wait));
                }
            }
            left.push(container);
        }
        containers = left;
        again.retain(|it, _| containers.contains(it));
        let mut next = again.values().map(|(at, _)| at.saturating_duration_since(Instant::now())).min();
        if again.len() < containers.len() {
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
    engine: &Engine,
    container: &ContainerId,
    stop: Stop,
    since: Instant,
) -> Result<Option<&'static str>, EngineError> {
    if stop == Stop::NotAsked {
        return Ok(Some("it was not stopped"));
    }
    let Some(standing) = engine.standing(&container.0).await? else {
        return Ok(Some("it was removed meanwhile; what was made in its place is left as it is"));
    };
    if !standing.state.is_up() {
        engine.start_container(&standing.id).await?;
        return Ok(Some("it was started again"));
    }
    let over = stop == Stop::Done || since.elapsed() > standing.stop_timeout + STOP_SLACK;
    Ok(over.then_some("it runs already"))
}
