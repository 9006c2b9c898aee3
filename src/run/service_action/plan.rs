//! What an action means for a service, by how it has its tasks. Pure.

use crate::{
    docker::changes::Mode,
    model::service::{ServiceAction, Tasks, Wants},
};

/// What is to be changed, and what is waited for then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Plan {
    /// How many tasks it is given, where that is another number.
    pub replicas: Option<u64>,
    /// What is waited for.
    pub wants: Wants,
    /// How many tasks it is given back when the run is over.
    pub back: Option<u64>,
}

/// What an action means for a service that is so; an error is why it means nothing.
pub(super) fn plan(mode: Mode, restarts: bool, action: ServiceAction) -> Result<Plan, String> {
    let forced = |wants| Plan { replicas: None, wants, back: None };
    let fits = |count: u64| u16::try_from(count).map(Tasks::Replicas);
    let many = |_| "it has more tasks than can be followed".to_owned();
    match (action, mode) {
        (ServiceAction::Run(Some(_)), Mode::Global | Mode::GlobalJob | Mode::ReplicatedJob(_)) => {
            Err("only a replicated service is given a number of tasks for a run: remove replicas".to_owned())
        }
        (ServiceAction::Run(_), Mode::Replicated(_) | Mode::Global) if restarts => Err(
            "it restarts its tasks whatever their end, so that a run of it never ends: give it a restart_policy of \
             condition none, or write action=restart"
                .to_owned(),
        ),
        (ServiceAction::Run(asked), Mode::Replicated(count)) => {
            let wanted = asked.map_or(count.max(1), u64::from);
            let changed = (wanted != count).then_some(wanted);
            Ok(Plan {
                replicas: changed,
                back: changed.map(|_| count),
                ..forced(Wants::Ended(fits(wanted).map_err(many)?))
            })
        }
        (ServiceAction::Run(_), Mode::ReplicatedJob(0)) => Err("it wants no tasks".to_owned()),
        (ServiceAction::Run(_), Mode::ReplicatedJob(count)) => {
            Ok(forced(Wants::Ended(fits(count).map_err(many)?)))
        }
        (ServiceAction::Run(_), Mode::Global | Mode::GlobalJob) => Ok(forced(Wants::Ended(Tasks::EachNode))),
        (ServiceAction::Restart, Mode::ReplicatedJob(_) | Mode::GlobalJob) => {
            Err("it is in job mode, and its tasks end by themselves: write action=run".to_owned())
        }
        (ServiceAction::Restart, _) => Ok(forced(Wants::RolledOut)),
        (ServiceAction::Scale(wanted), Mode::Replicated(count)) => Ok(Plan {
            replicas: (u64::from(wanted) != count).then_some(wanted.into()),
            wants: Wants::Running(wanted),
            back: None,
        }),
        (ServiceAction::Scale(_), _) => {
            Err("only a replicated service has a number of tasks that can be changed".to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_gives_back_the_number_of_tasks_that_it_changed() {
        let run = |mode, replicas| plan(mode, false, ServiceAction::Run(replicas)).unwrap();
        let it = run(Mode::Replicated(0), None);
        assert_eq!((it.replicas, it.back, it.wants), (Some(1), Some(0), Wants::Ended(Tasks::Replicas(1))));
        let it = run(Mode::Replicated(2), None);
        assert_eq!((it.replicas, it.back, it.wants.is_forced()), (None, None, true));
        let it = run(Mode::Replicated(2), Some(5));
        assert_eq!((it.replicas, it.back), (Some(5), Some(2)));
        assert_eq!(run(Mode::GlobalJob, None).wants, Wants::Ended(Tasks::EachNode));
    }

    #[test]
    fn what_an_action_cannot_mean_is_told_with_the_mend() {
        for (mode, restarts, action, part) in [
            (Mode::Replicated(1), true, ServiceAction::Run(None), "condition none"),
            (Mode::Global, true, ServiceAction::Run(None), "action=restart"),
            (Mode::ReplicatedJob(0), false, ServiceAction::Run(None), "wants no tasks"),
            (Mode::ReplicatedJob(2), false, ServiceAction::Run(Some(3)), "remove replicas"),
            (Mode::GlobalJob, false, ServiceAction::Restart, "action=run"),
            (Mode::Global, true, ServiceAction::Scale(2), "only a replicated service"),
        ] {
            let why = plan(mode, restarts, action).unwrap_err();
            assert!(why.contains(part), "{why}");
        }
        let same = plan(Mode::Replicated(3), true, ServiceAction::Scale(3)).unwrap();
        assert_eq!((same.replicas, same.wants.is_forced()), (None, false));
    }
}
