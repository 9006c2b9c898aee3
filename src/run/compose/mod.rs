//! Kind `compose`: a command of Compose on a project, as a process beside the agent.
//!
//! What it makes for a command in a new container is followed as any other container of a run as soon as it is there.

mod command;
mod inside;
mod project;

use std::{collections::BTreeMap, io, os::unix::process::ExitStatusExt, process::ExitStatus, time::Duration};

use futures::{FutureExt, StreamExt};
use tokio::{
    process::Command,
    task::spawn_blocking,
    time::{Instant, sleep},
};

use crate::{
    docker::{
        client::Engine,
        containers::{ContainerFacts, ContainerPhase},
        error::EngineError,
        output::Output,
    },
    model::{
        compose::{ComposeAction, ComposeCli, ComposeSpec, NO_COMPOSE},
        container::RUN_LABEL,
        options::Delete,
        run::{Outcome, WorkHandle},
    },
    telemetry::report,
};

use self::inside::{Inside, Reached};
use super::{
    clearing::Leftover,
    ending::Ender,
    new_container::{self, LAST_QUESTION},
    order::{RunOrder, TakenUp},
    outage::Outage,
    process::{self, Started},
    reasons,
    unit::{Context, KindEnd, Life},
};

/// Runs it.
pub async fn run(order: &RunOrder, spec: &ComposeSpec, context: &Context, life: &mut Life) -> KindEnd {
    let finder = context.compose.clone();
    // A disk may be slow or gone.
    let Ok(Some(cli)) = spawn_blocking(move || finder.find()).await else {
        return Outcome::NotStarted { error: NO_COMPOSE.to_owned() }.into();
    };
    let project = match project::find(spec, &cli, &context.engine).await {
        Ok(project) => project,
        Err(error) => return Outcome::NotStarted { error }.into(),
    };
    let labels: BTreeMap<String, String> = new_container::labels(order, context).into_iter().collect();
    let name = order.created_name();
    let mut command = Command::new(cli.program().0);
    context.own_variables.leave_out(&mut command);
    for variable in command::LEFT_OUT {
        command.env_remove(variable);
    }
    command
        .args(command::arguments(&cli, spec, &project, (&order.run, &name), &labels))
        .envs(command::variables(spec, context.engine.host(), context.engine.certificates()))
        // Nothing is found by chance where it stands.
        .current_dir("/");
    let began = Instant::now();
    let mut child = match process::start(&mut command, order, context, life) {
        Ok(child) => child,
        Err(error) => {
            let program = cli.program().0.display();
            return Outcome::NotStarted { error: format!("starting {program}: {error}") }.into();
        }
    };
    life.started(began);
    match (spec.action, spec.service()) {
        (ComposeAction::Run, _) => new(order, &cli, child, context, life).await,
        (ComposeAction::Exec, Some(service)) => {
            let inside = inside(order, spec, service, context);
            let signal = |ender| async move { inside.send(ender).await == Reached::All }.boxed();
            let status = match child.follow(life, Some(&signal)).await {
                Ok(status) => status,
                Err(outcome) => return outcome.into(),
            };
            if let Some(ending) = life.interrupts.ending()
                && let Reached::Stays(why) = inside.send(Ender::Kill).await
            {
                return ending.outcome(Some(why)).into();
            }
            match process::outcome(status, false, life) {
                // docker-compose says nothing of it.
                Outcome::Failed { exit_code: Some(1), reason: None }
                    if !may_run(spec, service, context).await =>
                {
                    let reason = format!("no container of the service {service} is running: start it");
                    Outcome::Failed { exit_code: Some(1), reason: Some(reason) }
                }
                outcome => outcome,
            }
            .into()
        }
        _ => match child.follow(life, None).await {
            Ok(status) => process::outcome(status, false, life).into(),
            Err(outcome) => outcome.into(),
        },
    }
}

/// Takes up the command of a run that another agent began.
pub async fn take_up(taken: &TakenUp, spec: &ComposeSpec, context: &Context, life: &mut Life) -> KindEnd {
    match (spec.action, spec.service()) {
        (ComposeAction::Run, _) => {
            if !matches!(taken.handle(), Some(WorkHandle::Container { .. }))
                // It may be about to make its container.
                && let Some((pid, Some(watched))) = process::left(taken)
                && let Err(outcome) = process::until_ended(taken, (pid, &watched), life, None).await
            {
                return outcome.into();
            }
            new_container::take_up(taken, context, life).await
        }
        (ComposeAction::Exec, Some(service)) => {
            let inside = inside(&taken.order, spec, service, context);
            let signal = |ender| async move { inside.send(ender).await == Reached::All }.boxed();
            let outcome = process::take_up(taken, life, Some(&signal)).await;
            // Without Compose it goes on, and nobody can learn how it ends.
            let reached = inside.send(Ender::Kill).await;
            match (life.interrupts.ending(), outcome, reached) {
                (Some(ending), _, Reached::Stays(why)) => ending.outcome(Some(why)),
                (None, Outcome::Lost { reason }, Reached::All) => Outcome::Lost {
                    reason: format!(
                        "{reason}; what it had begun in the service {service} went on and was ended"
                    ),
                },
                (None, Outcome::Lost { reason }, Reached::Stays(why)) => Outcome::Lost {
                    reason: format!(
                        "{reason}; whether it goes on in the service {service} cannot be told: {why}"
                    ),
                },
                (_, outcome, _) => outcome,
            }
            .into()
        }
        _ => process::take_up(taken, life, None).await.into(),
    }
}

/// Whether the service may have a container that runs: an Engine that does not answer says nothing against it.
async fn may_run(spec: &ComposeSpec, service: &str, context: &Context) -> bool {
    context.engine.service_runs(spec.project.as_deref(), service).await.unwrap_or(true)
}

fn inside<'a>(
    order: &'a RunOrder,
    spec: &'a ComposeSpec,
    service: &'a str,
    context: &'a Context,
) -> Inside<'a> {
    Inside {
        engine: &context.engine,
        program: &context.program,
        run: &order.run,
        user: spec.user.as_deref(),
        project: spec.project.as_deref(),
        service,
    }
}

/// Waits until Compose has made and started a new container, and follows that.
async fn new(
    order: &RunOrder,
    cli: &ComposeCli,
    mut child: Started,
    context: &Context,
    life: &mut Life,
) -> KindEnd {
    let engine = &context.engine;
    // It says there what it has called the container, which we said.
    child.without_stdout();
    let status = child.follow(life, None).await;
    // What was killed may have asked for a container that is still being made.
    let stopped = life.interrupts.ending();
    let found = match made(order, engine, stopped.is_some()).await {
        Ok(found) => found,
        Err(error) => {
            return new_container::lost(life, format!("its container cannot be asked for: {error}"));
        }
    };
    let leftover = || {
        let id = found.as_ref().map(|it| it.id.clone())?;
        Some(Leftover::Container { id, delete: Delete::Always })
    };
    let status = match (status, stopped) {
        (Err(outcome), _) => return KindEnd { leftover: leftover(), ..outcome.into() },
        (Ok(_), Some(ending)) => {
            if let Some(facts) = &found {
                // Removing it does the same; but it is to have ended when its end is recorded.
                let _ = engine.kill_container(&facts.id).await;
            }
            return KindEnd { leftover: leftover(), ..ending.outcome(None).into() };
        }
        (Ok(status), None) => status,
    };
    let how = how(cli, status.as_ref());
    let Some(facts) = &found else {
        if status.is_ok_and(|it| it.success()) {
            return new_container::lost(life, format!("{how}, and the container that it made is not there"));
        }
        // A container of that name which is not this run's is of the same occurrence.
        let guarded = matches!(engine.container_facts(&order.created_name()).await, Ok(Some(_)));
        let error = if guarded {
            format!("{how}: {}", reasons::guard(order, context).await)
        } else {
            format!("{how} and made no container: its output says why")
        };
        return KindEnd { guarded, ..Outcome::NotStarted { error }.into() };
    };
    if facts.phase == ContainerPhase::Created {
        let error = format!("{how} before the container was started: its output says why");
        return KindEnd { leftover: leftover(), ..Outcome::NotStarted { error }.into() };
    }
    life.called(WorkHandle::Container { id: facts.id.clone() }).await;
    let output = output(facts, engine, life).await;
    match new_container::follow(&facts.id, output, context, life).await {
        Outcome::Lost { reason } => new_container::lost(life, reason),
        outcome => KindEnd { leftover: leftover(), ..outcome.into() },
    }
}

/// How Compose ended, in words that go on.
fn how(cli: &ComposeCli, status: Result<&ExitStatus, &io::Error>) -> String {
    let cli = cli.name();
    match status.map(|it| (it.code(), it.signal())) {
        Ok((Some(code), _)) => format!("{cli} ended with exit code {code}"),
        Ok((None, signal)) => {
            format!("{cli} was ended by signal {}", process::signal_name(signal.unwrap_or_default()))
        }
        Err(error) => format!("the end of {cli} could not be seen ({error})"),
    }
}

/// The container of the run. It is known by the label of the run: what has its name may belong to someone else.
async fn made(
    order: &RunOrder,
    engine: &Engine,
    may_come: bool,
) -> Result<Option<ContainerFacts>, EngineError> {
    let label = format!("{RUN_LABEL}={}", order.run);
    let mut outage = Outage::default();
    let mut wait = Duration::from_secs(1);
    loop {
        let found = match engine.container_with_label(&label).await {
            Ok(Some(id)) => engine.container_facts(&id).await,
            Ok(None) => Ok(None),
            Err(error) => Err(error),
        };
        match found {
            Ok(None) if may_come && wait <= LAST_QUESTION => {}
            Ok(found) => return Ok(found),
            Err(error) if outage.is_too_long(&error) => return Err(error),
            Err(_) => {}
        }
        sleep(wait).await;
        wait = (wait * 2).min(LAST_QUESTION * 2);
    }
}

/// What it printed from its beginning; from now on only where the Engine keeps nothing.
async fn output(facts: &ContainerFacts, engine: &Engine, life: &mut Life) -> Output {
    let output = if facts.readable {
        engine.container_output(&facts.id, None)
    } else {
        life.note = Some(
            "what it printed before it could be followed cannot be read, for the service's log driver keeps nothing"
                .to_owned(),
        );
        engine.attach_container(&facts.id).await
    };
    output.unwrap_or_else(|error| {
        report::run_output_missing(life.capture.tags(), &error.to_string());
        futures::stream::empty().boxed()
    })
}
