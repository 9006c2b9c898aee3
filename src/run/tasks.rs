//! What the states of a service's tasks mean for the run. Pure.

use std::collections::{BTreeMap, HashMap};

use crate::{
    docker::tasks::{Place, Task, TaskState},
    model::{policy::SuccessCodes, run::Outcome, service::Tasks},
};

/// The tasks of a run so far, as the lists told of them. A task that was told of is never forgotten: a Swarm that keeps
/// no history drops it the moment that it is over.
#[derive(Debug, Clone, Default)]
pub struct Seen(HashMap<String, Task>);

impl Seen {
    /// Takes in a complete list. What was going and is not there any more has been removed by someone.
    pub fn take(&mut self, list: Vec<Task>) {
        let listed: HashMap<String, Task> = list.into_iter().map(|task| (task.id.clone(), task)).collect();
        for (id, task) in &mut self.0 {
            if !listed.contains_key(id) && !task.state.is_over() {
                task.state = TaskState::Ended;
                task.error.get_or_insert_with(|| "the task was removed".to_owned());
            }
        }
        self.0.extend(listed);
    }

    /// What a task is for.
    pub fn place(&self, id: &str) -> Option<&Place> {
        self.0.get(id).map(|task| &task.place)
    }

    /// The tasks that count: of each place the first, for the Swarm puts one in line for each that fails, and that one
    /// is not to run. In the order of the places.
    fn firsts(&self) -> Vec<&Task> {
        let mut firsts: BTreeMap<&Place, &Task> = BTreeMap::new();
        for task in self.0.values() {
            let first = firsts.entry(&task.place).or_insert(task);
            if (task.created, &task.id) < (first.created, &first.id) {
                *first = task;
            }
        }
        firsts.into_values().collect()
    }

    /// The tasks whose output counts: those that are over.
    pub fn over(&self) -> impl Iterator<Item = &Task> {
        self.firsts().into_iter().filter(|task| task.state.is_over())
    }

    /// Whether nothing of it goes on, whatever was wanted.
    pub fn is_over(&self) -> bool {
        self.firsts().iter().all(|task| task.state.is_over())
    }

    /// What they mean for a run that wants so many of them, each to end with one of these codes.
    pub fn meaning(&self, wanted: Tasks, good: &SuccessCodes) -> Meaning {
        let firsts = self.firsts();
        let complete = match wanted {
            Tasks::Replicas(count) => firsts.len() >= usize::from(count),
            // The Swarm makes them all at once.
            Tasks::EachNode => !firsts.is_empty(),
        };
        let going = firsts.iter().filter(|task| !task.state.is_over());
        let mut pending = going.clone().filter(|task| task.state == TaskState::Pending);
        if !complete || going.clone().next().is_some() {
            let waits_for = if firsts.is_empty() && wanted == Tasks::EachNode {
                Some("there is no node that meets the constraints".to_owned())
            } else {
                pending.find_map(|task| Some(format!("{}: {}", name(task, wanted), task.error.as_ref()?)))
            };
            return Meaning::Going { waits_for };
        }
        Meaning::Over(outcome(&firsts, wanted, good))
    }
}

/// What the tasks mean for the run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Meaning {
    /// It goes on.
    Going {
        /// Why one of them has no node yet, if that is so.
        waits_for: Option<String>,
    },
    /// All of them are over, and so is the run.
    Over(Outcome),
}

fn outcome(firsts: &[&Task], wanted: Tasks, good: &SuccessCodes) -> Outcome {
    let succeeded = |task: &Task| {
        task.state == TaskState::Complete
            || task.exit_code.is_some_and(|code| code != 0 && good.contains(code))
    };
    let mut failed: Vec<&Task> = firsts.iter().copied().filter(|task| !succeeded(task)).collect();
    failed.sort_by_key(|task| task.since);
    let Some(first) = failed.first() else {
        let codes = firsts.iter().filter_map(|task| task.exit_code);
        return Outcome::Succeeded { exit_code: Some(codes.max().unwrap_or(0)) };
    };
    // The first that ran: what never began has no code.
    let code = failed.iter().find_map(|task| Some((*task, task.exit_code.filter(|code| *code != 0)?)));
    let why = |task: &Task| {
        let error = task.error.clone().unwrap_or_else(|| "the Swarm does not say why".to_owned());
        match firsts.len() {
            1 => error,
            all => format!("{} of {all} tasks failed; {}: {error}", failed.len(), name(task, wanted)),
        }
    };
    if let Some((task, exit_code)) = code {
        return Outcome::Failed { exit_code: Some(exit_code), reason: Some(why(task)) };
    }
    if failed.iter().all(|task| task.state == TaskState::Rejected) {
        return Outcome::NotStarted { error: format!("{}{}", why(first), mend(first)) };
    }
    let lost = failed.iter().find(|task| task.state != TaskState::Rejected).unwrap_or(first);
    Outcome::Lost { reason: why(lost) }
}

/// What a person calls a task.
pub(super) fn name(task: &Task, wanted: Tasks) -> String {
    match (&task.place, wanted) {
        (Place::Node(node), _) => format!("the task on node {node}"),
        (Place::Slot(_), Tasks::Replicas(1)) => "the task".to_owned(),
        (Place::Slot(slot), _) => format!("task {slot}"),
    }
}

fn mend(task: &Task) -> &'static str {
    let error = task.error.as_deref().unwrap_or_default();
    if error.contains("No such image") {
        ": pull it on the nodes, or give the Swarm a registry that has it"
    } else {
        ""
    }
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};

    use super::*;

    const THREE: Tasks = Tasks::Replicas(3);

    fn task(slot: i64, state: TaskState, at: i64) -> Task {
        Task {
            id: format!("t{slot}-{at}"),
            place: Place::Slot(slot),
            state,
            created: Timestamp::UNIX_EPOCH + SignedDuration::from_secs(at),
            since: Timestamp::UNIX_EPOCH + SignedDuration::from_secs(at + 1),
            error: None,
            exit_code: (state == TaskState::Complete).then_some(0),
        }
    }

    fn failed(slot: i64, at: i64, code: i64) -> Task {
        let error = Some(format!("task: non-zero exit ({code})"));
        Task { exit_code: Some(code), error, ..task(slot, TaskState::Failed, at) }
    }

    fn rejected(slot: i64, at: i64) -> Task {
        let error = Some("No such image: x:1".to_owned());
        Task { error, ..task(slot, TaskState::Rejected, at) }
    }

    fn meaning(tasks: &[Task], wanted: Tasks) -> Meaning {
        let mut seen = Seen::default();
        seen.take(tasks.to_vec());
        seen.meaning(wanted, &SuccessCodes::default())
    }

    fn going(waits_for: Option<&str>) -> Meaning {
        Meaning::Going { waits_for: waits_for.map(str::to_owned) }
    }

    #[test]
    fn it_goes_on_until_every_task_is_there_and_over() {
        use TaskState::{Complete, Going, Pending};
        assert_eq!(meaning(&[], Tasks::Replicas(1)), going(None));
        assert_eq!(meaning(&[task(0, Complete, 0), task(1, Complete, 0)], THREE), going(None));
        let mixed = [task(0, Complete, 0), task(1, Going, 0), task(2, Pending, 0)];
        assert_eq!(meaning(&mixed, THREE), going(None));
        assert_eq!(
            meaning(&[task(0, Complete, 0)], Tasks::Replicas(1)),
            Meaning::Over(Outcome::Succeeded { exit_code: Some(0) })
        );
        let all = [0, 1, 2].map(|slot| task(slot, Complete, 0));
        assert_eq!(meaning(&all, THREE), Meaning::Over(Outcome::Succeeded { exit_code: Some(0) }));
    }

    #[test]
    fn one_that_failed_does_not_end_it_before_the_others() {
        let tasks = [failed(0, 0, 3), task(1, TaskState::Going, 0), task(2, TaskState::Complete, 0)];
        assert_eq!(meaning(&tasks, THREE), going(None));
    }

    #[test]
    fn the_code_is_that_of_the_first_that_failed() {
        let tasks = [failed(0, 9, 5), failed(1, 4, 3), task(2, TaskState::Complete, 0)];
        let reason = Some("2 of 3 tasks failed; task 1: task: non-zero exit (3)".to_owned());
        assert_eq!(meaning(&tasks, THREE), Meaning::Over(Outcome::Failed { exit_code: Some(3), reason }));
        let reason = Some("task: non-zero exit (3)".to_owned());
        let one = Meaning::Over(Outcome::Failed { exit_code: Some(3), reason });
        assert_eq!(meaning(&[failed(0, 0, 3)], Tasks::Replicas(1)), one);
    }

    /// What the Swarm puts in line for it never runs, and whatever comes of it says nothing of the run.
    #[test]
    fn what_takes_the_place_of_a_failed_task_does_not_count() {
        for next in [task(0, TaskState::Going, 5), task(0, TaskState::Complete, 5), rejected(0, 5)] {
            let Meaning::Over(outcome) = meaning(&[next, failed(0, 0, 3)], Tasks::Replicas(1)) else {
                panic!()
            };
            assert_eq!(outcome.exit_code(), Some(3));
        }
    }

    #[test]
    fn an_image_that_is_not_there_was_not_started_and_has_its_mend() {
        let Meaning::Over(Outcome::NotStarted { error }) = meaning(&[rejected(0, 0)], Tasks::Replicas(1))
        else {
            panic!()
        };
        assert!(error.starts_with("No such image: x:1: pull it on the nodes"), "{error}");
        // One that ran and failed has more to say.
        let tasks = [rejected(0, 0), failed(1, 4, 3), task(2, TaskState::Complete, 0)];
        let Meaning::Over(outcome) = meaning(&tasks, THREE) else { panic!() };
        assert_eq!(outcome.exit_code(), Some(3));
        let tasks = [rejected(0, 0), task(1, TaskState::Complete, 0), task(2, TaskState::Complete, 0)];
        let Meaning::Over(Outcome::NotStarted { error }) = meaning(&tasks, THREE) else { panic!() };
        assert!(error.starts_with("1 of 3 tasks failed; task 0: No such image"), "{error}");
    }

    #[test]
    fn one_that_finds_no_node_says_why_it_waits() {
        let error = Some("no suitable node (scheduling constraints not satisfied on 1 node)".to_owned());
        let waiting = Task { error, ..task(0, TaskState::Pending, 0) };
        let why = "the task: no suitable node (scheduling constraints not satisfied on 1 node)";
        assert_eq!(meaning(std::slice::from_ref(&waiting), Tasks::Replicas(1)), going(Some(why)));
        assert_eq!(meaning(&[], Tasks::EachNode), going(Some("there is no node that meets the constraints")));
    }

    #[test]
    fn one_task_on_each_node_is_over_when_those_that_there_are_have_ended() {
        let on = |node: &str, state| Task {
            id: node.to_owned(),
            place: Place::Node(node.to_owned()),
            ..task(0, state, 0)
        };
        let tasks = [on("a", TaskState::Complete), on("b", TaskState::Going)];
        assert_eq!(meaning(&tasks, Tasks::EachNode), going(None));
        let tasks = [on("a", TaskState::Complete), on("b", TaskState::Complete)];
        assert_eq!(
            meaning(&tasks, Tasks::EachNode),
            Meaning::Over(Outcome::Succeeded { exit_code: Some(0) })
        );
    }

    #[test]
    fn a_task_that_is_over_stays_so_when_the_swarm_forgets_it_and_another_is_lost() {
        let mut seen = Seen::default();
        seen.take(vec![task(0, TaskState::Complete, 0), task(1, TaskState::Going, 0)]);
        assert!(!seen.is_over());
        seen.take(Vec::new());
        assert!(seen.is_over());
        let Meaning::Over(Outcome::Lost { reason }) =
            seen.meaning(Tasks::Replicas(2), &SuccessCodes::default())
        else {
            panic!()
        };
        assert_eq!(reason, "1 of 2 tasks failed; task 1: the task was removed");
        let ended = Task { exit_code: Some(137), ..task(0, TaskState::Ended, 0) };
        let Meaning::Over(outcome) = meaning(&[ended], Tasks::Replicas(1)) else { panic!() };
        assert_eq!(outcome.exit_code(), Some(137), "someone killed it");
    }
}
