//! What a service and its tasks show of a change. Pure.

use std::time::Duration;

use jiff::Timestamp;

use crate::{
    docker::{
        changes::{Mode, Rollout, ServiceNow, TaskOf},
        tasks::TaskState,
    },
    model::{
        run::Outcome,
        service::{Followed, Tasks, Wants},
    },
};

use super::super::tasks::name;

/// How long tasks that the Swarm removes may take to be gone. On a node that is away they stay for a day, and no run can
/// wait for that.
const REMOVAL_LIMIT: Duration = Duration::from_secs(10);

/// How long the Swarm may need to hear that a service wants no tasks any more. What it does not remove by then it keeps as
/// history.
const HEARD_LIMIT: Duration = Duration::from_secs(2);

/// How far it is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// It goes on; why it waits, where that is known.
    Going(Option<String>),
    /// It is over.
    Over(Outcome),
}

/// What is found of a change that another agent was about to make, or had made.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// It is followed like a fresh one.
    GoesOn,
    /// It was certainly not made.
    NotMade,
    /// The service is not there any more.
    Gone,
    /// Nobody can tell what has become of it: why.
    Lost(String),
}

/// What the service, where it is there, and its tasks show of such a change.
pub(super) fn found(now: Option<&ServiceNow>, tasks: &[TaskOf], it: &Followed) -> Found {
    let Some(now) = now else {
        return Found::Gone;
    };
    let untouched = now.version == it.version;
    if let Wants::Running(wanted) = it.wants {
        return match now.mode {
            Mode::Replicated(count) if count == u64::from(wanted) => Found::GoesOn,
            _ if untouched => Found::NotMade,
            mode => Found::Lost(wants_now(mode, wanted)),
        };
    }
    if untouched {
        return Found::NotMade;
    }
    let has_new = tasks.iter().any(|task| task.mark == it.mark);
    let taken_back = matches!(now.rollout, Rollout::Failed(_));
    let lost =
        |what: &str| Found::Lost(format!("{what} while no agent ran, and how it ended cannot be told"));
    match (it.wants, now.mark >= it.mark) {
        // Its tasks are the run's, whatever came after them.
        (Wants::Ended(_), true) => Found::GoesOn,
        (Wants::Ended(_), false) if has_new => Found::GoesOn,
        (_, true) if now.mark == it.mark => Found::GoesOn,
        (_, true) => lost("someone else restarted the service or ran it again"),
        // The Swarm takes a change back that failed, and with it the number.
        (_, false) if has_new && taken_back => Found::GoesOn,
        (_, false) if has_new || taken_back => lost("the service was taken back to what it was before"),
        (_, false) => Found::NotMade,
    }
}

fn wants_now(mode: Mode, wanted: u16) -> String {
    let now = match mode {
        Mode::Replicated(count) => format!("it wants {count} tasks now and not {wanted}"),
        _ => "it has no number of tasks any more".to_owned(),
    };
    format!("the service was changed again while no agent ran: {now}")
}

/// How long a run waits at most until the tasks before it are gone. A Swarm that forgets one just when it begins to update
/// the service makes two in its place (seen on 20.10), and the command would run twice.
pub(super) fn until_settled(mode: Mode, tasks: &[TaskOf]) -> Duration {
    match mode {
        Mode::Replicated(_) if tasks.iter().any(|it| it.leaves) => REMOVAL_LIMIT,
        Mode::Replicated(0) if !tasks.is_empty() => HEARD_LIMIT,
        _ => Duration::ZERO,
    }
}

/// The service is not there any more.
pub(super) fn gone() -> Look {
    Look::Over(Outcome::Lost { reason: "the service was removed".to_owned() })
}

fn done() -> Look {
    Look::Over(Outcome::Succeeded { exit_code: None })
}

/// The first of these tasks that failed makes it failed.
fn failed<'a>(tasks: impl Iterator<Item = &'a TaskOf>) -> Option<Look> {
    let failed = tasks.filter(|it| matches!(it.task.state, TaskState::Failed | TaskState::Rejected));
    let first = failed.min_by_key(|it| it.task.since)?;
    let error = first.task.error.clone().unwrap_or_else(|| "the Swarm does not say why".to_owned());
    let reason = Some(format!("{}: {error}", name(&first.task, Tasks::Replicas(u16::MAX))));
    Some(Look::Over(Outcome::Failed { exit_code: first.task.exit_code, reason }))
}

/// Why the first that does not run yet does not.
fn waits<'a>(mut tasks: impl Iterator<Item = &'a TaskOf>) -> Look {
    let waits = tasks.find(|it| it.wanted && !it.running);
    Look::Going(waits.map(|it| {
        let why = it.task.error.clone().unwrap_or_else(|| "it does not run yet".to_owned());
        format!("{}: {why}", name(&it.task, Tasks::Replicas(u16::MAX)))
    }))
}

/// Whether new tasks have taken the place of all old ones.
pub(super) fn rolled_out(tasks: &[TaskOf], now: &ServiceNow, mark: u64, settled: bool) -> Look {
    let new = || tasks.iter().filter(|it| it.mark == mark);
    if let Some(failed) = failed(new()) {
        return failed;
    }
    match &now.rollout {
        Rollout::Done => done(),
        Rollout::Failed(why) => Look::Over(Outcome::Failed {
            exit_code: None,
            reason: Some(format!("the Swarm stopped it: {why}")),
        }),
        // A service that wants no tasks has nothing to roll out, and the Swarm says nothing of it.
        Rollout::Untold if settled && tasks.iter().all(|it| !it.wanted) => done(),
        Rollout::Untold | Rollout::Going => waits(new()),
    }
}

/// Whether so many tasks run, and no other. Those made after the `newest` that there was before are new.
pub(super) fn running(tasks: &[TaskOf], newest: Option<Timestamp>, wanted: u16) -> Look {
    if let Some(failed) = failed(tasks.iter().filter(|it| Some(it.task.created) > newest)) {
        return failed;
    }
    let is_wanted = |it: &&TaskOf| it.wanted && !it.task.state.is_over();
    let all = tasks.iter().filter(is_wanted).count();
    let run = tasks.iter().filter(is_wanted).filter(|it| it.running).count();
    let others = tasks.iter().filter(|it| !it.wanted && it.running).count();
    let wanted = usize::from(wanted);
    if all == wanted && run == wanted && others == 0 { done() } else { waits(tasks.iter()) }
}

/// Whether tasks of this number may still come, as the service shows.
pub(super) fn may_come(now: Option<&ServiceNow>, mark: u64) -> bool {
    now.is_some_and(|now| now.mark == mark && now.rollout == Rollout::Going)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::docker::tasks::{Place, Task};

    /// A service with so many replicas, of this version and number, whose last change stands so.
    fn service(replicas: u64, version: u64, mark: u64, state: &str) -> ServiceNow {
        let answer = json!({
            "ID": "s",
            "Version": { "Index": version },
            "Spec": {
                "Mode": { "Replicated": { "Replicas": replicas } },
                "TaskTemplate": { "ForceUpdate": mark },
            },
            "UpdateStatus": { "State": state, "Message": "m" },
        });
        ServiceNow::of(&answer).unwrap()
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn task(mark: u64, created: i64, state: TaskState) -> TaskOf {
        let task = Task {
            id: format!("t{created}"),
            place: Place::Slot(1),
            state,
            created: at(created),
            since: at(created),
            error: None,
            exit_code: None,
        };
        let going = state == TaskState::Going;
        TaskOf { task, mark, wanted: going, running: going, leaves: false }
    }

    fn followed(wants: Wants) -> Followed {
        Followed { mark: 5, version: 70, newest: Some(at(9)), wants }
    }

    fn is_lost(it: &Found, words: &str) -> bool {
        matches!(it, Found::Lost(reason) if reason.contains(words))
    }

    const ONE: Wants = Wants::Ended(Tasks::Replicas(1));

    #[test]
    fn a_service_that_nobody_has_changed_since_it_was_read_was_not_changed() {
        for wants in [ONE, Wants::RolledOut, Wants::Running(3)] {
            let now = service(1, 70, 4, "completed");
            assert_eq!(found(Some(&now), &[], &followed(wants)), Found::NotMade, "{wants:?}");
            assert_eq!(found(None, &[], &followed(wants)), Found::Gone, "{wants:?}");
        }
    }

    #[test]
    fn a_forced_change_is_known_by_its_number() {
        let ours = [task(5, 10, TaskState::Going)];
        for (now, tasks, run, restart) in [
            (service(1, 71, 5, "updating"), &ours[..], Ok(Found::GoesOn), Ok(Found::GoesOn)),
            (service(1, 71, 5, ""), &[], Ok(Found::GoesOn), Ok(Found::GoesOn)),
            // Someone has changed something else, and nothing was forced.
            (service(1, 71, 4, "completed"), &[], Ok(Found::NotMade), Ok(Found::NotMade)),
            (service(1, 90, 6, "completed"), &ours, Ok(Found::GoesOn), Err("someone else")),
            // It was taken back: by the Swarm, or by someone who has changed it again since.
            (service(1, 90, 4, "rollback_completed"), &ours, Ok(Found::GoesOn), Ok(Found::GoesOn)),
            (service(1, 90, 4, "completed"), &ours, Ok(Found::GoesOn), Err("taken back")),
            (service(1, 90, 4, "rollback_completed"), &[], Err("taken back"), Err("taken back")),
        ] {
            for (wants, meaning) in [(ONE, run), (Wants::RolledOut, restart)] {
                let found = found(Some(&now), tasks, &followed(wants));
                match meaning {
                    Ok(meaning) => assert_eq!(found, meaning, "{wants:?} {now:?}"),
                    Err(words) => assert!(is_lost(&found, words), "{wants:?} {now:?}: {found:?}"),
                }
            }
        }
    }

    #[test]
    fn a_number_of_tasks_is_followed_for_as_long_as_the_service_wants_it() {
        let it = followed(Wants::Running(3));
        assert_eq!(found(Some(&service(3, 71, 4, "")), &[], &it), Found::GoesOn);
        assert_eq!(found(Some(&service(3, 70, 4, "")), &[], &it), Found::GoesOn, "it had them already");
        assert!(is_lost(&found(Some(&service(2, 71, 4, "")), &[], &it), "wants 2 tasks now and not 3"));
        let other = json!({ "ID": "s", "Version": { "Index": 71 }, "Spec": { "Mode": { "Global": {} } } });
        assert!(is_lost(&found(ServiceNow::of(&other).as_ref(), &[], &it), "no number of tasks"));
    }

    #[test]
    fn tasks_that_were_there_before_may_have_failed() {
        use TaskState::{Failed, Going};
        let newest = Some(at(9));
        let tasks = [task(0, 8, Failed), task(0, 9, Failed), task(0, 10, Going)];
        assert_eq!(running(&tasks, newest, 1), done());
        assert!(matches!(running(&tasks, newest, 2), Look::Going(None)));
        assert!(matches!(running(&tasks, None, 1), Look::Over(Outcome::Failed { .. })), "there were none");
        let tasks = [task(0, 9, Going), task(0, 10, Failed)];
        assert!(matches!(running(&tasks, newest, 1), Look::Over(Outcome::Failed { .. })));
    }

    #[test]
    fn what_the_swarm_removes_is_waited_for_where_it_could_make_two_in_its_place() {
        let leaves = TaskOf { leaves: true, ..task(4, 8, TaskState::Complete) };
        let stays = task(4, 9, TaskState::Complete);
        for (mode, tasks, limit) in [
            (Mode::Replicated(0), &[][..], Duration::ZERO),
            (Mode::Replicated(0), &[stays.clone(), leaves.clone()], REMOVAL_LIMIT),
            (Mode::Replicated(0), std::slice::from_ref(&stays), HEARD_LIMIT),
            // It has them still, or its last ones have ended.
            (Mode::Replicated(1), std::slice::from_ref(&stays), Duration::ZERO),
            (Mode::Replicated(1), &[stays.clone(), leaves.clone()], REMOVAL_LIMIT),
            (Mode::ReplicatedJob(1), std::slice::from_ref(&leaves), Duration::ZERO),
        ] {
            assert_eq!(until_settled(mode, tasks), limit, "{mode:?} {tasks:?}");
        }
    }

    #[test]
    fn tasks_come_only_while_their_own_change_goes_on() {
        let going = service(2, 71, 5, "updating");
        assert!(may_come(Some(&going), 5));
        assert!(!may_come(Some(&going), 4), "another change is at it");
        assert!(!may_come(Some(&service(2, 71, 5, "completed")), 5) && !may_come(None, 5));
    }
}
