//! Kind `container`: an action on a container that is there already.
//!
//! What it came to is what the Engine answers, and then what the container shows: an answer alone does not tell that it
//! runs. Whether it is healthy afterwards is its own affair.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::{
    docker::{
        actions::{Standing, StandingState, Stopping},
        client::Engine,
        error::EngineError,
    },
    model::{
        action::{Action, ActionSpec},
        job::Work,
        run::{Outcome, WorkHandle},
    },
};

use super::{
    adoption,
    order::{RunOrder, TakenUp},
    takeover,
    unit::{Context, Life, Outage},
};

/// A container that was started and ends within this, and not well, was not started for anything.
const STANDS_AFTER: Duration = Duration::from_secs(1);

/// How long a container may take to show what the Engine said, and how often it is looked at.
const SHOW_LIMIT: Duration = Duration::from_secs(5);
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// What a record says of an action whose answer nobody heard.
const UNHEARD: &str =
    "the agent that asked for it had ended before the Engine answered: this is what the container shows";

/// Does it.
pub async fn run(order: &RunOrder, spec: &ActionSpec, context: &Context, life: &mut Life) -> Outcome {
    let Some(holder) = &order.container else {
        return Outcome::NotStarted { error: "the order names no container".to_owned() };
    };
    let (engine, name) = (&context.engine, &*holder.name);
    let not_started = |error: &dyn std::fmt::Display| Outcome::NotStarted {
        error: format!("{} container {name}: {error}", spec.action.doing()),
    };
    let before = match engine.standing(&holder.id.0).await {
        Ok(Some(found)) => found,
        Ok(None) => return Outcome::NotStarted { error: format!("there is no container {name}") },
        Err(error) => return not_started(&error),
    };
    let began = Instant::now();
    if let Some(note) = already(spec, before.state) {
        life.started(began);
        life.note = Some(format!("nothing was to be done: container {name} {note}"));
        return Outcome::Succeeded { exit_code: None };
    }
    if let Some(signal) = spec.signal.as_ref().filter(|_| spec.action != Action::Kill) {
        match engine.takes_stop_signal().await {
            Ok(true) => {}
            Ok(false) => {
                return not_started(&format!(
                    "this Engine stops a container with the container's own signal only, and not with {signal}: remove \
                     the parameter signal, or set stop_signal where the container is made"
                ));
            }
            Err(error) => return not_started(&error),
        }
    }
    life.called(WorkHandle::Action { container: before.id.clone(), started: before.started }).await;
    life.started(began);
    let answer = tokio::select! {
        answer = carry_out(engine, spec, &before) => answer,
        _ = life.interrupts.next() => return interrupted(engine, spec, &before, name, life).await,
    };
    match answer {
        // It may have been done, and only the answer was lost: the container shows.
        Ok(()) => {}
        Err(error) if error.is_outage() && spec.is_seen() => {}
        Err(error) => return not_started(&error),
    }
    tokio::select! {
        outcome = shown(engine, spec, &before, name) => {
            life.note = outcome.1;
            outcome.0
        }
        _ = life.interrupts.next() => interrupted(engine, spec, &before, name, life).await,
    }
}

async fn carry_out(engine: &Engine, spec: &ActionSpec, it: &Standing) -> Result<(), EngineError> {
    let how = Stopping { signal: spec.signal.as_deref(), grace: spec.grace };
    match spec.action {
        Action::Start => engine.start_container(&it.id).await,
        Action::Stop => engine.stop_standing(it, how).await,
        Action::Restart => engine.restart_standing(it, how).await,
        Action::Pause => engine.pause_container(&it.id).await,
        Action::Unpause => engine.unpause_container(&it.id).await,
        Action::Kill => engine.signal_container(&it.id, spec.signal.as_deref().unwrap_or("KILL")).await,
    }
}

/// Why nothing is to be done.
fn already(spec: &ActionSpec, state: StandingState) -> Option<&'static str> {
    match (spec.action, state) {
        (Action::Start, StandingState::Running) => Some("was running already"),
        (Action::Stop | Action::Kill, StandingState::Created | StandingState::Stopped { .. })
            if spec.ends_it() =>
        {
            Some("was not running")
        }
        (Action::Pause, StandingState::Paused) => Some("was paused already"),
        (Action::Unpause, StandingState::Running) => Some("was not paused"),
        _ => None,
    }
}

/// What a container shows of an action.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Shows {
    /// It was done; with what there is to know beyond.
    Done(Option<String>),
    /// It was done and came to nothing, with this exit code.
    Ended(i64),
    /// It was not done, or not yet.
    Not,
}

/// What the container shows; none is one that is gone. `anew` says that it was started since.
fn shows(spec: &ActionSpec, anew: bool, now: Option<&Standing>) -> Shows {
    let Some(now) = now else {
        return match spec.action {
            Action::Pause | Action::Unpause => Shows::Not,
            _ => Shows::Done(Some("the container has ended and is gone".to_owned())),
        };
    };
    match (spec.action, now.state) {
        (Action::Start | Action::Restart, StandingState::Running | StandingState::Paused) if anew => {
            Shows::Done(None)
        }
        (Action::Start | Action::Restart, StandingState::Stopped { code: 0 }) if anew => {
            Shows::Done(Some("it has ended already, with exit code 0".to_owned()))
        }
        (Action::Start | Action::Restart, StandingState::Stopped { code }) if anew => Shows::Ended(code),
        (Action::Stop | Action::Kill, StandingState::Stopped { .. } | StandingState::Created)
        | (Action::Pause, StandingState::Paused)
        | (Action::Unpause, StandingState::Running) => Shows::Done(None),
        _ => Shows::Not,
    }
}

fn outcome(shows: Shows) -> Option<(Outcome, Option<String>)> {
    match shows {
        Shows::Done(note) => Some((Outcome::Succeeded { exit_code: None }, note)),
        Shows::Ended(code) => {
            let reason = Some(format!("the container was started and ended at once, with exit code {code}"));
            Some((Outcome::Failed { exit_code: Some(code), reason }, None))
        }
        Shows::Not => None,
    }
}

/// Waits until the container shows what the Engine said.
async fn shown(
    engine: &Engine,
    spec: &ActionSpec,
    before: &Standing,
    name: &str,
) -> (Outcome, Option<String>) {
    if !spec.is_seen() {
        return (Outcome::Succeeded { exit_code: None }, None);
    }
    if matches!(spec.action, Action::Start | Action::Restart) {
        sleep(STANDS_AFTER).await;
    }
    let mut outage = Outage::default();
    let mut until = Instant::now() + SHOW_LIMIT;
    loop {
        let state = match engine.standing(&before.id).await {
            Ok(now) => {
                outage.over();
                let anew = now.as_ref().is_some_and(|now| now.started != before.started);
                if let Some(outcome) = outcome(shows(spec, anew, now.as_ref())) {
                    return outcome;
                }
                now.map_or("is gone", |now| now.state.words())
            }
            Err(error) if outage.is_too_long(&error) => {
                let reason = format!("how container {name} is now cannot be asked: {error}");
                return (Outcome::Lost { reason }, None);
            }
            Err(_) => {
                until = Instant::now() + SHOW_LIMIT;
                "does not show"
            }
        };
        if Instant::now() >= until {
            let reason = format!(
                "the Engine answered that it was done ({}), and container {name} {state}",
                spec.action.as_str()
            );
            return (Outcome::Failed { exit_code: None, reason: Some(reason) }, None);
        }
        sleep(LOOK_EVERY).await;
    }
}

/// Its timeout has passed, or someone asked for its end. What the Engine was asked for cannot be taken back: the record
/// says how far it has come.
async fn interrupted(
    engine: &Engine,
    spec: &ActionSpec,
    before: &Standing,
    name: &str,
    life: &mut Life,
) -> Outcome {
    let waited = "the Engine had not answered";
    let now = match engine.standing(&before.id).await {
        Ok(now) => {
            let anew = now.as_ref().is_some_and(|now| now.started != before.started);
            let done = outcome(shows(spec, anew, now.as_ref())).filter(|_| spec.is_seen());
            if let Some((outcome, note)) = done {
                life.note = Some(note.unwrap_or_else(|| format!("{waited} yet, and it was done")));
                return outcome;
            }
            format!("container {name} {}", now.map_or("is gone", |now| now.state.words()))
        }
        Err(error) => format!("how container {name} is now cannot be asked: {error}"),
    };
    let said = format!("{} was asked for and {waited}: {now}", spec.action.as_str());
    match life.interrupts.given_up(None) {
        Outcome::TimedOut { .. } => Outcome::TimedOut { still_running: None, waited_for: Some(said) },
        other => {
            life.note = Some(said);
            other
        }
    }
}

/// Takes up the action of a run that another agent began: it is not asked for again, and told as what the container shows.
pub async fn take_up(taken: &TakenUp, context: &Context, life: &mut Life) -> Outcome {
    let (Work::Container(spec), Some(WorkHandle::Action { container, started })) =
        (&taken.order.spec.work, taken.handle())
    else {
        return Outcome::Lost { reason: adoption::AS_IT_BEGAN.to_owned() };
    };
    let name = taken.order.container.as_ref().map_or_else(|| container.clone(), |it| it.name.to_string());
    let engine = &context.engine;
    let since = Instant::now();
    let last = loop {
        let now = tokio::select! {
            now = takeover::answer_of(|| engine.standing(container)) => now,
            _ = life.interrupts.next() => return life.interrupts.given_up(None),
        };
        let now = match now {
            Ok(now) => now,
            Err(error) => break format!("how it is now cannot be asked: {error}"),
        };
        let anew = now.as_ref().is_some_and(|now| now.started > *started);
        let seen = outcome(shows(spec, anew, now.as_ref())).filter(|_| spec.is_seen());
        if let Some((outcome, note)) = seen {
            life.was_begun(taken.began(), "its action was done");
            life.note = Some(note.map_or_else(|| UNHEARD.to_owned(), |note| format!("{note}; {UNHEARD}")));
            return outcome;
        }
        // The Engine may still be at it.
        let grace = spec.grace.or(now.as_ref().map(|now| now.stop_timeout)).unwrap_or_default();
        let patience = if spec.action.takes_signal() { grace + SHOW_LIMIT } else { SHOW_LIMIT };
        if since.elapsed() >= patience || !spec.is_seen() {
            break now.map_or("it is gone".to_owned(), |now| format!("it {}", now.state.words()));
        }
        tokio::select! {
            () = sleep(LOOK_EVERY) => {}
            _ = life.interrupts.next() => return life.interrupts.given_up(None),
        }
    };
    Outcome::Lost {
        reason: format!(
            "the agent ended before the Engine had answered whether {} container {name} was done: {last}",
            spec.action.doing()
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(action: Action, signal: Option<&str>) -> ActionSpec {
        ActionSpec { container: None, action, signal: signal.map(str::to_owned), grace: None }
    }

    fn standing(state: StandingState) -> Standing {
        Standing {
            id: "c".into(),
            state,
            started: None,
            stop_timeout: Duration::from_secs(10),
            auto_remove: false,
        }
    }

    const DOWN: StandingState = StandingState::Stopped { code: 137 };

    #[test]
    fn what_is_so_already_is_not_asked_for() {
        use StandingState::{Created, Paused, Running};
        for (action, signal, state, idle) in [
            (Action::Start, None, Running, true),
            (Action::Start, None, DOWN, false),
            (Action::Start, None, Created, false),
            (Action::Start, None, Paused, false),
            (Action::Stop, None, DOWN, true),
            (Action::Stop, None, Created, true),
            (Action::Stop, None, Paused, false),
            (Action::Restart, None, Running, false),
            (Action::Restart, None, DOWN, false),
            (Action::Pause, None, Paused, true),
            (Action::Unpause, None, Running, true),
            (Action::Unpause, None, DOWN, false),
            (Action::Kill, None, DOWN, true),
            (Action::Kill, Some("HUP"), DOWN, false),
            (Action::Kill, Some("HUP"), Running, false),
        ] {
            assert_eq!(
                already(&spec(action, signal), state).is_some(),
                idle,
                "{action:?} {signal:?} {state:?}"
            );
        }
    }

    #[test]
    fn only_what_the_container_shows_counts_as_done() {
        use StandingState::{Paused, Running};
        let ended = |code| StandingState::Stopped { code };
        for (action, anew, state, done) in [
            (Action::Start, true, Running, Some(true)),
            (Action::Start, true, ended(0), Some(true)),
            (Action::Start, true, ended(3), Some(false)),
            (Action::Start, false, ended(3), None),
            (Action::Restart, false, Running, None),
            (Action::Restart, true, Running, Some(true)),
            (Action::Stop, false, Running, None),
            (Action::Stop, false, DOWN, Some(true)),
            (Action::Pause, false, Running, None),
            (Action::Pause, false, Paused, Some(true)),
            (Action::Unpause, false, Paused, None),
            (Action::Kill, false, DOWN, Some(true)),
        ] {
            let found = outcome(shows(&spec(action, None), anew, Some(&standing(state))));
            let found = found.map(|(outcome, _)| outcome == Outcome::Succeeded { exit_code: None });
            assert_eq!(found, done, "{action:?} {anew} {state:?}");
        }
        assert_eq!(shows(&spec(Action::Pause, None), false, None), Shows::Not);
        assert!(matches!(shows(&spec(Action::Stop, None), false, None), Shows::Done(Some(_))));
    }
}
