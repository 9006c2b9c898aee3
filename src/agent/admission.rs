//! Which occurrence may begin: overlap within a job, turns within a group, and the cap over all.
//!
//! Nothing is ever dropped: what may not begin now waits its turn, in order, or is skipped with the reason.

use std::{collections::HashMap, num::NonZeroUsize, sync::Arc};

use jiff::Timestamp;

use crate::model::{
    job::Overlap,
    name::{JobId, JobKind},
    policy::Group,
    run::{Admitted, RunId, Trigger},
};

use super::{
    activity::{Activities, Activity, Place},
    line::{Expired, Line},
};

/// An occurrence on its way to a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket {
    /// The run's ID, given when the occurrence came due.
    pub run: RunId,
    /// The job.
    pub job: JobId,
    /// The job's kind, for the record of an occurrence whose job is gone.
    pub kind: JobKind,
    /// Why.
    pub trigger: Trigger,
    /// The moment that the schedule named.
    pub occurrence: Timestamp,
    /// The moment from which it was to begin: with jitter a little later.
    pub fires: Timestamp,
    /// When it came due and was given its run's ID.
    pub admitted: Timestamp,
    /// With whom the job takes turns.
    pub group: Option<Group>,
    /// The one container that it is for, where the occurrence has a run in each of several.
    pub place: Place,
}

impl Ticket {
    /// What is kept of it while it waits.
    pub fn as_admitted(&self) -> Admitted {
        let Self { run, job, kind, trigger, occurrence, fires, admitted, group: _, place } = self.clone();
        let container = place.map(|it| it.to_string());
        Admitted { run, job, kind, trigger, occurrence, fires, admitted, container, terms: None }
    }
}

/// What becomes of an occurrence that came due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// It is in line and begins as soon as the cap allows.
    InLine,
    /// It waits for the job's last run.
    Waits,
    /// It waits for these runs, which are to be stopped; and those, which waited before, are skipped.
    Replaces {
        /// Runs to stop.
        stop: Vec<RunId>,
        /// The occurrences that waited until now.
        instead_of: Vec<Ticket>,
    },
    /// It does not run.
    Skipped {
        /// The occurrence.
        ticket: Ticket,
        /// Why.
        reason: String,
    },
}

/// All that runs and all that waits.
#[derive(Debug)]
pub struct Admission {
    cap: NonZeroUsize,
    running: HashMap<RunId, Running>,
    /// What may run and waits for the cap or its group, in order.
    line: Line,
    jobs: Activities,
}

#[derive(Debug)]
struct Running {
    job: JobId,
    since: Timestamp,
    /// The container in which it goes on, as far as it is known.
    container: Option<Arc<str>>,
}

impl Admission {
    /// From now on at most `cap` runs may go on at once; what goes on already does.
    pub fn set_cap(&mut self, cap: NonZeroUsize) {
        self.cap = cap;
    }

    /// Nothing runs; at most `cap` runs may go on at once.
    pub fn new(cap: NonZeroUsize) -> Self {
        Self { cap, running: HashMap::new(), line: Line::default(), jobs: Activities::default() }
    }

    /// An occurrence came due.
    pub fn offer(&mut self, ticket: Ticket, overlap: Overlap, now: Timestamp) -> Decision {
        let place = self.place_of(&ticket);
        let (running, line) = (&self.running, &self.line);
        let Some(activity) = self.jobs.get_mut(&ticket.job, &place) else {
            self.enqueue(ticket, &place, now);
            return Decision::InLine;
        };
        match overlap {
            Overlap::Allow => {
                self.enqueue(ticket, &place, now);
                Decision::InLine
            }
            Overlap::Skip => {
                let reason = describe(running, line, &ticket, &activity.active, now);
                Decision::Skipped { ticket, reason }
            }
            Overlap::Queue if activity.next.is_some() => {
                let reason = format!(
                    "{}, and an earlier occurrence waits for it already",
                    describe(running, line, &ticket, &activity.active, now)
                );
                Decision::Skipped { ticket, reason }
            }
            Overlap::Queue => {
                activity.next = Some(ticket);
                Decision::Waits
            }
            Overlap::Replace => {
                let stop: Vec<RunId> =
                    activity.active.iter().filter(|run| running.contains_key(run)).cloned().collect();
                // What stands in line has not begun: the new occurrence takes its place there.
                let mut instead_of: Vec<Ticket> =
                    activity.behind.drain(..).chain(activity.next.take()).collect();
                let run = ticket.run.clone();
                match self.line.replace(ticket, &activity.active, now) {
                    Ok(old) => {
                        activity.active.retain(|run| *run != old.run);
                        activity.active.push(run);
                        instead_of.insert(0, old);
                    }
                    Err(ticket) => activity.next = Some(*ticket),
                }
                Decision::Replaces { stop, instead_of }
            }
        }
    }

    /// Missed occurrences run after all, in order and one after the other. None of them is skipped because the job's
    /// last run goes on: they wait for it.
    pub fn line_up(&mut self, tickets: impl IntoIterator<Item = Ticket>, overlap: Overlap, now: Timestamp) {
        for ticket in tickets {
            let place = self.place_of(&ticket);
            let activity = self.jobs.enter(&ticket.job, &place);
            activity.beside = overlap == Overlap::Allow;
            let job = ticket.job.clone();
            activity.behind.push_back(ticket);
            self.follow_up(&job, &place, now);
        }
    }

    /// The next of a gap, if its turn has come.
    fn follow_up(&mut self, job: &JobId, place: &Place, now: Timestamp) {
        let Some(activity) = self.jobs.get_mut(job, place) else { return };
        let free = activity.active.is_empty() || (activity.beside && activity.of_gap.is_none());
        if free && let Some(ticket) = activity.behind.pop_front() {
            activity.of_gap = Some(ticket.run.clone());
            self.enqueue(ticket, place, now);
        }
    }

    /// Where an occurrence belongs among what goes on of its job.
    fn place_of(&mut self, ticket: &Ticket) -> Place {
        let running = &self.running;
        let runs_in = |run: &RunId, name: &str| {
            running.get(run).and_then(|it| it.container.as_deref()).is_some_and(|it| it == name)
        };
        self.jobs.place_of(ticket, runs_in)
    }

    fn enqueue(&mut self, ticket: Ticket, place: &Place, now: Timestamp) {
        self.jobs.enter(&ticket.job, place).active.push(ticket.run.clone());
        self.line.push(ticket, now);
    }

    /// The next occurrence whose turn it is. The caller begins its run with [`Self::begin`] or gives it up with
    /// [`Self::end`].
    pub fn next_in_line(&mut self) -> Option<Ticket> {
        if self.running.len() >= self.cap.get() { None } else { self.line.pop() }
    }

    /// The run is registered, and in which container it will go on; only now may it begin.
    pub fn begin(&mut self, ticket: &Ticket, container: Option<Arc<str>>, now: Timestamp) {
        let running = Running { job: ticket.job.clone(), since: now, container };
        self.running.insert(ticket.run.clone(), running);
    }

    /// A run that the last agent began goes on; `place` is the container in which it does. Whether its job has one run an
    /// occurrence is not known yet: the next one that comes due tells.
    pub fn take_over(
        &mut self,
        run: &RunId,
        job: &JobId,
        place: &Place,
        group: Option<&Group>,
        since: Timestamp,
    ) {
        self.running.insert(run.clone(), Running { job: job.clone(), since, container: place.clone() });
        self.jobs.enter(job, place).active.push(run.clone());
        if let Some(group) = group {
            self.line.take_over(run, group);
        }
    }

    /// A run that goes on turns out to be of this group.
    pub fn joins(&mut self, run: &RunId, group: &Group) {
        self.line.take_over(run, group);
    }

    /// The run has ended, or its turn was given up. What waited for it goes to the end of the line.
    pub fn end(&mut self, job: &JobId, run: &RunId, now: Timestamp) {
        self.running.remove(run);
        self.line.end(run);
        let Some(place) = self.jobs.of_run(job, run) else { return };
        let Some(activity) = self.jobs.get_mut(job, &place) else { return };
        activity.active.retain(|it| it != run);
        activity.of_gap.take_if(|it| it == run);
        // What was missed is older than what waits.
        self.follow_up(job, &place, now);
        let Some(activity) = self.jobs.get_mut(job, &place).filter(|it| it.active.is_empty()) else { return };
        let next = activity.next.take();
        self.jobs.remove(job, &place);
        if let Some(next) = next {
            let place = self.place_of(&next);
            self.enqueue(next, &place, now);
        }
    }

    /// The ticket's job belongs to another group now: it waits for its turn there.
    pub fn change_group(&mut self, ticket: Ticket, group: Option<Group>, now: Timestamp) {
        self.line.end(&ticket.run);
        self.line.push(Ticket { group, ..ticket }, now);
    }

    /// When the next occurrence has waited for its group for as long as it may.
    pub fn deadline(&self) -> Option<Timestamp> {
        self.line.deadline()
    }

    /// Occurrences that have waited for their group for as long as they may, given up, and why.
    pub fn expired(&mut self, now: Timestamp) -> Vec<(Ticket, String)> {
        let mut given_up = Vec::new();
        for Expired { ticket, since, holder } in self.line.expired(now) {
            let group = ticket.group.as_ref().map_or("", |group| &group.name);
            let held = match self.running.get(&holder) {
                Some(it) => format!("run {holder} of {} has held it for {}", it.job, age(it.since, now)),
                None => format!("it is the turn of run {holder}, which waits for room (max-concurrent-runs)"),
            };
            let reason =
                format!("it waited {} for the group \"{group}\" (group-wait): {held}", age(since, now));
            self.end(&ticket.job, &ticket.run, now);
            given_up.push((ticket, reason));
        }
        given_up
    }

    /// An occurrence that waits, whatever for, given up.
    pub fn give_up(&mut self, run: &RunId, now: Timestamp) -> Option<Ticket> {
        let behind = self.jobs.iter_mut().find_map(|activity| {
            let at = activity.behind.iter().position(|it| it.run == *run);
            activity.next.take_if(|it| it.run == *run).or_else(|| activity.behind.remove(at?))
        });
        let ticket = behind.or_else(|| self.line.remove(run))?;
        self.end(&ticket.job, &ticket.run, now);
        Some(ticket)
    }

    /// Everything that waits, given up: nothing begins any more.
    pub fn give_up_waiting(&mut self, now: Timestamp) -> Vec<Ticket> {
        let mut waiting: Vec<Ticket> = self.line.drain();
        for activity in self.jobs.iter_mut() {
            waiting.extend(activity.behind.drain(..).chain(activity.next.take()));
        }
        waiting.sort_by(|a, b| a.run.cmp(&b.run));
        for ticket in &waiting {
            self.end(&ticket.job, &ticket.run, now);
        }
        waiting
    }

    /// The runs that go on.
    pub fn running(&self) -> impl Iterator<Item = &RunId> {
        self.running.keys()
    }

    /// Whether nothing runs, waits or is remembered.
    #[cfg(test)]
    pub fn is_idle(&self) -> bool {
        self.running.is_empty()
            && self.jobs.iter().next().is_none()
            && self.line.is_empty()
            && self.line.deadline().is_none()
    }

    /// How many runs go on.
    pub fn running_count(&self) -> usize {
        self.running.len()
    }

    /// How many occurrences wait their turn.
    pub fn waiting_count(&self) -> usize {
        let waits = |it: &Activity| it.behind.len() + usize::from(it.next.is_some());
        self.line.len() + self.jobs.iter().map(waits).sum::<usize>()
    }
}

/// `run 01J… is still running after 35s`.
fn describe(
    running: &HashMap<RunId, Running>,
    line: &Line,
    ticket: &Ticket,
    active: &[RunId],
    now: Timestamp,
) -> String {
    match (active.iter().find_map(|run| running.get(run).map(|it| (run, it))), &ticket.group) {
        (Some((run, it)), _) => {
            format!("run {run} of {} is still running after {}", it.job, age(it.since, now))
        }
        (None, Some(group)) if active.iter().all(|run| !line.has_turn(run)) => {
            format!("an earlier occurrence still waits its turn in the group \"{}\"", group.name)
        }
        (None, _) => "an earlier occurrence still waits its turn (max-concurrent-runs)".to_owned(),
    }
}

fn age(since: Timestamp, now: Timestamp) -> String {
    let age = now.duration_since(since).as_secs().max(0).unsigned_abs();
    humantime::format_duration(std::time::Duration::from_secs(age)).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticket(job: &str, number: u32) -> Ticket {
        Ticket {
            run: RunId(format!("{number:04}").into()),
            job: JobId::plain(job),
            kind: JobKind::Local,
            trigger: Trigger::Schedule,
            occurrence: Timestamp::UNIX_EPOCH,
            fires: Timestamp::UNIX_EPOCH,
            admitted: Timestamp::UNIX_EPOCH,
            group: None,
            place: None,
        }
    }

    const T0: Timestamp = Timestamp::UNIX_EPOCH;

    fn started(it: &mut Admission) -> Vec<u32> {
        let mut runs = Vec::new();
        while let Some(ticket) = it.next_in_line() {
            it.begin(&ticket, None, T0);
            runs.push(ticket.run.0.parse().unwrap());
        }
        runs
    }

    fn end(it: &mut Admission, job: &str, number: u32) {
        it.end(&JobId::plain(job), &RunId(format!("{number:04}").into()), T0);
    }

    fn replaced(decision: Decision) -> (Vec<RunId>, Vec<RunId>) {
        let Decision::Replaces { stop, instead_of } = decision else { panic!("{decision:?}") };
        (stop, instead_of.into_iter().map(|it| it.run).collect())
    }

    #[test]
    fn the_cap_makes_runs_wait_in_order_and_drops_none() {
        let mut it = Admission::new(NonZeroUsize::new(10).unwrap());
        for number in 0..200 {
            let decision = it.offer(ticket(&format!("j{number}"), number), Overlap::Skip, T0);
            assert_eq!(decision, Decision::InLine);
        }
        let mut order = started(&mut it);
        assert_eq!(order.len(), 10, "the eleventh waits");
        for number in 0..200 {
            end(&mut it, &format!("j{number}"), number);
            order.extend(started(&mut it));
        }
        assert_eq!(order, (0..200).collect::<Vec<_>>());
        assert!(it.is_idle(), "nothing piles up");
    }

    #[test]
    fn skip_names_the_run_that_is_still_going() {
        let mut it = Admission::new(NonZeroUsize::MAX);
        it.offer(ticket("a", 1), Overlap::Skip, T0);
        started(&mut it);
        let later = "1970-01-01T00:00:35Z".parse().unwrap();
        let Decision::Skipped { reason, .. } = it.offer(ticket("a", 2), Overlap::Skip, later) else {
            panic!()
        };
        assert_eq!(reason, "run 0001 of a is still running after 35s");
        end(&mut it, "a", 1);
        assert_eq!(it.offer(ticket("a", 3), Overlap::Skip, T0), Decision::InLine);
    }

    #[test]
    fn queue_lets_one_wait_and_skips_the_next() {
        let mut it = Admission::new(NonZeroUsize::MAX);
        it.offer(ticket("a", 1), Overlap::Queue, T0);
        started(&mut it);
        assert_eq!(it.offer(ticket("a", 2), Overlap::Queue, T0), Decision::Waits);
        assert!(matches!(it.offer(ticket("a", 3), Overlap::Queue, T0), Decision::Skipped { .. }));
        assert_eq!(started(&mut it), Vec::<u32>::new());
        end(&mut it, "a", 1);
        assert_eq!(started(&mut it), [2]);
    }

    #[test]
    fn replace_stops_the_old_and_starts_only_the_newest() {
        let mut it = Admission::new(NonZeroUsize::MAX);
        it.offer(ticket("a", 1), Overlap::Replace, T0);
        started(&mut it);
        let (stop, instead_of) = replaced(it.offer(ticket("a", 2), Overlap::Replace, T0));
        assert_eq!((stop, instead_of), (vec![RunId("0001".into())], vec![]));
        let (_, instead_of) = replaced(it.offer(ticket("a", 3), Overlap::Replace, T0));
        assert_eq!(instead_of, [RunId("0002".into())]);
        end(&mut it, "a", 1);
        assert_eq!(started(&mut it), [3]);
    }

    #[test]
    fn replace_takes_the_place_of_what_stands_in_line() {
        let mut it = Admission::new(NonZeroUsize::MIN);
        it.offer(ticket("b", 1), Overlap::Skip, T0);
        started(&mut it);
        it.offer(ticket("a", 2), Overlap::Replace, T0);
        it.offer(ticket("c", 3), Overlap::Skip, T0);
        let (stop, instead_of) = replaced(it.offer(ticket("a", 4), Overlap::Replace, T0));
        assert_eq!((stop, instead_of), (vec![], vec![RunId("0002".into())]));
        end(&mut it, "b", 1);
        assert_eq!(started(&mut it), [4], "in the old one's place");
        end(&mut it, "a", 4);
        assert_eq!(started(&mut it), [3]);
    }

    #[test]
    fn allow_runs_both() {
        let mut it = Admission::new(NonZeroUsize::MAX);
        it.offer(ticket("a", 1), Overlap::Allow, T0);
        it.offer(ticket("a", 2), Overlap::Allow, T0);
        assert_eq!(started(&mut it), [1, 2]);
    }

    #[test]
    fn what_waits_is_given_up_in_order_at_the_end() {
        let mut it = Admission::new(NonZeroUsize::MIN);
        it.offer(ticket("a", 1), Overlap::Queue, T0);
        started(&mut it);
        it.offer(ticket("a", 2), Overlap::Queue, T0);
        it.offer(ticket("b", 3), Overlap::Queue, T0);
        let runs: Vec<_> = it.give_up_waiting(T0).into_iter().map(|it| it.run.0.to_string()).collect();
        assert_eq!(runs, ["0002", "0003"]);
        end(&mut it, "a", 1);
        assert_eq!((started(&mut it), it.waiting_count()), (vec![], 0));
    }

    #[test]
    fn what_was_missed_runs_one_after_the_other_whatever_the_policy() {
        for overlap in [Overlap::Skip, Overlap::Queue, Overlap::Replace, Overlap::Allow] {
            let mut it = Admission::new(NonZeroUsize::MAX);
            it.line_up([ticket("a", 1), ticket("a", 2), ticket("a", 3)], overlap, T0);
            assert_eq!((started(&mut it), it.waiting_count()), (vec![1], 2), "{overlap:?}");
            end(&mut it, "a", 1);
            assert_eq!(started(&mut it), [2], "{overlap:?}");
            end(&mut it, "a", 2);
            assert_eq!(started(&mut it), [3], "{overlap:?}");
            end(&mut it, "a", 3);
            assert!(it.jobs.iter().next().is_none(), "nothing piles up");
        }
    }

    #[test]
    fn what_was_missed_waits_for_a_run_that_goes_on_and_comes_before_what_waits() {
        let mut it = Admission::new(NonZeroUsize::MAX);
        it.offer(ticket("a", 1), Overlap::Queue, T0);
        started(&mut it);
        it.offer(ticket("a", 2), Overlap::Queue, T0);
        it.line_up([ticket("a", 3), ticket("a", 4)], Overlap::Queue, T0);
        assert_eq!((started(&mut it), it.waiting_count()), (vec![], 3));
        for (ended, begun) in [(1, 3), (3, 4), (4, 2)] {
            end(&mut it, "a", ended);
            assert_eq!(started(&mut it), [begun]);
        }
    }

    #[test]
    fn what_was_missed_waits_for_no_run_where_runs_may_overlap() {
        let mut it = Admission::new(NonZeroUsize::MAX);
        it.offer(ticket("a", 1), Overlap::Allow, T0);
        it.line_up([ticket("a", 2), ticket("a", 3)], Overlap::Allow, T0);
        assert_eq!(started(&mut it), [1, 2]);
        it.offer(ticket("a", 4), Overlap::Allow, T0);
        assert_eq!(started(&mut it), [4]);
        end(&mut it, "a", 2);
        assert_eq!(started(&mut it), [3]);
    }

    #[test]
    fn a_newer_occurrence_that_replaces_takes_the_place_of_all_that_was_missed() {
        let mut it = Admission::new(NonZeroUsize::MAX);
        it.line_up([ticket("a", 1), ticket("a", 2), ticket("a", 3)], Overlap::Replace, T0);
        started(&mut it);
        let (stop, instead_of) = replaced(it.offer(ticket("a", 4), Overlap::Replace, T0));
        assert_eq!(stop, [RunId("0001".into())]);
        assert_eq!(instead_of, [RunId("0002".into()), RunId("0003".into())]);
        end(&mut it, "a", 1);
        assert_eq!(started(&mut it), [4]);
    }
    fn at_place(number: u32, place: &str) -> Ticket {
        Ticket { place: Some(place.into()), ..ticket("a", number) }
    }

    #[test]
    fn runs_in_several_places_overlap_only_where_they_are() {
        for overlap in [Overlap::Skip, Overlap::Queue, Overlap::Replace] {
            let mut it = Admission::new(NonZeroUsize::MAX);
            assert_eq!(it.offer(at_place(1, "x"), overlap, T0), Decision::InLine);
            assert_eq!(it.offer(at_place(2, "y"), overlap, T0), Decision::InLine);
            assert_eq!(started(&mut it), [1, 2]);
            end(&mut it, "a", 1);
            assert_eq!(it.offer(at_place(3, "x"), overlap, T0), Decision::InLine);
            let there = it.offer(at_place(4, "y"), overlap, T0);
            match overlap {
                Overlap::Skip => assert!(matches!(there, Decision::Skipped { .. })),
                Overlap::Queue => assert_eq!(there, Decision::Waits),
                _ => assert_eq!(replaced(there), (vec![RunId("0002".into())], vec![])),
            }
            assert_eq!(started(&mut it), [3]);
            end(&mut it, "a", 2);
            assert_eq!(started(&mut it), if overlap == Overlap::Skip { vec![] } else { vec![4] });
            end(&mut it, "a", 3);
            end(&mut it, "a", 4);
            assert!(it.is_idle());
        }
    }

    #[test]
    fn what_waits_in_several_places_runs_after_all_where_there_is_one_run_from_now_on() {
        let mut it = Admission::new(NonZeroUsize::MAX);
        for (number, place) in [(1, "x"), (2, "y"), (3, "x"), (4, "y")] {
            it.offer(at_place(number, place), Overlap::Queue, T0);
        }
        assert_eq!(started(&mut it), [1, 2]);
        assert!(matches!(it.offer(ticket("a", 5), Overlap::Queue, T0), Decision::Skipped { .. }));
        end(&mut it, "a", 1);
        assert_eq!(started(&mut it), [0; 0], "the other one goes on");
        let mut order = Vec::new();
        for ends in [2, 4] {
            end(&mut it, "a", ends);
            order.extend(started(&mut it));
        }
        assert_eq!(order, [4, 3], "none is lost, and one runs at a time");
        end(&mut it, "a", 3);
        assert!(it.is_idle());
    }

    #[test]
    fn a_run_from_when_there_was_one_a_job_counts_where_it_goes_on() {
        let mut it = Admission::new(NonZeroUsize::MAX);
        it.offer(ticket("a", 1), Overlap::Skip, T0);
        let first = it.next_in_line().unwrap();
        it.begin(&first, Some("x".into()), T0);
        assert!(matches!(it.offer(at_place(2, "x"), Overlap::Skip, T0), Decision::Skipped { .. }));
        assert_eq!(it.offer(at_place(3, "y"), Overlap::Skip, T0), Decision::InLine);
    }
}
