//! What the row of a run that another agent began means together with what the Engine, or the kernel, says of it. Pure.

use jiff::{SignedDuration, Timestamp};

use crate::docker::{
    containers::{ContainerFacts, ContainerPhase},
    execs::ExecState,
};

/// What it means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Meaning {
    /// It goes on, and is followed to its end.
    GoesOn,
    /// It ended while no agent ran.
    Ended {
        /// With this exit code.
        code: i64,
        /// When, where that is known.
        at: Option<Timestamp>,
    },
    /// Its command was certainly never started.
    NeverBegan,
    /// How it ended, or whether it began, nobody can tell any more.
    Lost(&'static str),
}

/// The exit code of a command that was killed, and the one that an Engine has of a command whose connection was cut.
const KILLED: i64 = 137;
pub const CUT: i64 = 126;

/// Clocks of agent and Engine may differ by as much.
const SKEW: SignedDuration = SignedDuration::from_secs(2);

/// Why nothing can be told of what has no handle.
pub const AS_IT_BEGAN: &str = "the agent ended as it began, and whether its command was started is not known";

/// Of a new container; `known` is whether the row has its ID. A container is made and entered there before it is
/// started.
pub fn of_container(known: bool, found: Option<&ContainerFacts>) -> Meaning {
    match found.map(|it| it.phase) {
        None if known => Meaning::Lost("its container was removed while no agent ran"),
        // It may lack networks, and what it was to do may have changed: it is not started this late.
        None | Some(ContainerPhase::Created) => Meaning::NeverBegan,
        Some(ContainerPhase::Running) => Meaning::GoesOn,
        Some(ContainerPhase::Ended { code, at }) => Meaning::Ended { code, at },
    }
}

/// Of a container that was there already. `began` is when it was about to be started: what it did before is not the run's.
pub fn of_existing(began: Option<Timestamp>, found: Option<&ContainerFacts>) -> Meaning {
    let Some(facts) = found else { return Meaning::Lost("its container was removed while no agent ran") };
    let began = began.and_then(|it| it.saturating_sub(SKEW).ok());
    let ours = matches!((facts.started, began), (Some(started), Some(began)) if started >= began);
    match facts.phase {
        ContainerPhase::Running if ours => Meaning::GoesOn,
        ContainerPhase::Ended { code, at } if ours => Meaning::Ended { code, at },
        ContainerPhase::Created | ContainerPhase::Running | ContainerPhase::Ended { .. } => {
            Meaning::NeverBegan
        }
    }
}

/// Of a command in a container. `started` is when it was about to begin; `exec` is none where the row has no ID of it,
/// and `Some(None)` where the Engine does not know that.
pub fn of_command(
    started: Option<Timestamp>,
    exec: Option<Option<ExecState>>,
    container: Option<&ContainerFacts>,
) -> Meaning {
    let Some(exec) = exec else { return Meaning::Lost(AS_IT_BEGAN) };
    let Some(container) = container else {
        return Meaning::Lost("its container was removed while no agent ran");
    };
    let restarted = match (container.started, started) {
        (Some(container), Some(command)) => container > command.saturating_add(SKEW).unwrap_or(command),
        _ => false,
    };
    let runs = container.phase == ContainerPhase::Running;
    match exec {
        _ if restarted => Meaning::Lost("its container was started anew while no agent ran"),
        None if runs => Meaning::Lost(
            "the Engine no longer knows the command: it was restarted, or the command ended long ago",
        ),
        Some(ExecState::Ended(None)) if runs => Meaning::NeverBegan,
        Some(ExecState::Ended(Some(KILLED)) | ExecState::Running(_)) | None if !runs => {
            Meaning::Lost("its container was stopped while no agent ran")
        }
        // It may go on: whoever follows it looks for its process.
        Some(ExecState::Ended(Some(CUT))) if runs => Meaning::GoesOn,
        Some(ExecState::Ended(Some(code))) => Meaning::Ended { code, at: None },
        Some(ExecState::Running(_)) => Meaning::GoesOn,
        Some(ExecState::Ended(None)) | None => Meaning::Lost("its container was stopped while no agent ran"),
    }
}

/// Of a one-shot service; `known` is whether the row has its ID. How its tasks did is what it says itself.
pub fn of_service(known: bool, found: bool) -> Meaning {
    match (known, found) {
        (_, true) => Meaning::GoesOn,
        (true, false) => Meaning::Lost("its service was removed while no agent ran"),
        // It is made and started by one request, and only then entered.
        (false, false) => Meaning::Lost(AS_IT_BEGAN),
    }
}

/// Of a process beside the agent; `known` is whether the row has its ID.
pub fn of_process(known: bool, alive: bool) -> Meaning {
    match (known, alive) {
        (true, true) => Meaning::GoesOn,
        (true, false) => Meaning::Lost(
            "its process ended with the agent or after it, and only the agent that began it could have learned how",
        ),
        (false, _) => Meaning::Lost(AS_IT_BEGAN),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn container(phase: ContainerPhase, started: i64) -> ContainerFacts {
        ContainerFacts {
            id: "c".into(),
            phase,
            started: Some(at(started)),
            readable: true,
            labels: std::collections::HashMap::new(),
            paused: false,
            always_restarts: None,
            out_of_memory: false,
            memory_limit: None,
        }
    }

    const ENDED: ContainerPhase = ContainerPhase::Ended { code: 3, at: None };

    fn is_lost(it: &Meaning, words: &str) -> bool {
        matches!(it, Meaning::Lost(reason) if reason.contains(words))
    }

    #[test]
    fn a_container_is_followed_recorded_removed_or_lost() {
        for (known, phase, meaning) in [
            (true, Some(ContainerPhase::Running), Some(Meaning::GoesOn)),
            (false, Some(ContainerPhase::Running), Some(Meaning::GoesOn)),
            (true, Some(ENDED), Some(Meaning::Ended { code: 3, at: None })),
            (true, Some(ContainerPhase::Created), Some(Meaning::NeverBegan)),
            (false, Some(ContainerPhase::Created), Some(Meaning::NeverBegan)),
            (false, None, Some(Meaning::NeverBegan)),
            (true, None, None),
        ] {
            let found = of_container(known, phase.map(|it| container(it, 5)).as_ref());
            match meaning {
                Some(meaning) => assert_eq!(found, meaning, "{known} {phase:?}"),
                None => assert!(is_lost(&found, "removed"), "{known} {phase:?}"),
            }
        }
    }

    #[test]
    fn a_container_that_was_there_counts_from_when_the_run_began() {
        let of = |phase, started| of_existing(Some(at(10)), Some(&container(phase, started)));
        assert_eq!(of(ContainerPhase::Running, 11), Meaning::GoesOn);
        assert_eq!(of(ContainerPhase::Running, 9), Meaning::GoesOn, "clocks may differ");
        assert_eq!(of(ENDED, 11), Meaning::Ended { code: 3, at: None });
        assert_eq!(
            (of(ENDED, 5), of(ContainerPhase::Running, 5)),
            (Meaning::NeverBegan, Meaning::NeverBegan)
        );
        assert!(is_lost(&of_existing(Some(at(10)), None), "removed"));
    }

    #[test]
    fn a_command_is_followed_recorded_or_lost_with_the_reason() {
        let up = || Some(container(ContainerPhase::Running, 5));
        let down = || Some(container(ENDED, 5));
        let again = || Some(container(ContainerPhase::Running, 50));
        let (running, ended) = (ExecState::Running(None), |code| ExecState::Ended(code));
        let table = [
            (None, up(), Err("whether its command was started")),
            (Some(Some(running)), up(), Ok(Meaning::GoesOn)),
            (Some(Some(ended(Some(3)))), up(), Ok(Meaning::Ended { code: 3, at: None })),
            (Some(Some(ended(Some(137)))), up(), Ok(Meaning::Ended { code: 137, at: None })),
            (Some(Some(ended(Some(3)))), down(), Ok(Meaning::Ended { code: 3, at: None })),
            (Some(Some(ended(Some(137)))), down(), Err("stopped")),
            (Some(Some(ended(Some(126)))), up(), Ok(Meaning::GoesOn)),
            (Some(Some(ended(None))), up(), Ok(Meaning::NeverBegan)),
            (Some(Some(ended(None))), down(), Err("stopped")),
            (Some(Some(running)), down(), Err("stopped")),
            (Some(Some(ended(Some(0)))), again(), Err("started anew")),
            (Some(Some(running)), None, Err("removed")),
            (Some(None), up(), Err("no longer knows")),
            (Some(None), down(), Err("stopped")),
        ];
        for (exec, container, meaning) in table {
            let found = of_command(Some(at(10)), exec, container.as_ref());
            match meaning {
                Ok(meaning) => assert_eq!(found, meaning, "{exec:?} {container:?}"),
                Err(words) => assert!(is_lost(&found, words), "{exec:?} {container:?}: {found:?}"),
            }
        }
    }

    #[test]
    fn a_service_and_a_process_are_followed_or_lost() {
        assert_eq!((of_service(true, true), of_service(false, true)), (Meaning::GoesOn, Meaning::GoesOn));
        assert!(is_lost(&of_service(true, false), "removed"));
        assert!(is_lost(&of_service(false, false), "not known"));
        assert_eq!(of_process(true, true), Meaning::GoesOn);
        assert!(is_lost(&of_process(true, false), "only the agent that began it"));
        assert!(is_lost(&of_process(false, false), "not known"));
    }
}
