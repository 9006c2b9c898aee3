//! The line: occurrences that may run and wait for room, or for the turn of their group, in the order in which they
//! came.
//!
//! Of one group only one has its turn: from the moment at which it is first in the group until its run has ended. The
//! others wait beside the line and hold up nobody; when their turn comes they stand where they would have stood.

use std::{
    collections::{BTreeMap, HashMap, hash_map::Entry},
    sync::Arc,
};

use jiff::Timestamp;

use crate::model::{policy::Group, run::RunId};

use super::admission::Ticket;

/// Who came earlier has the lower number.
type Place = u64;

/// All that waits for room or for a turn.
#[derive(Debug, Default)]
pub struct Line {
    /// The place of who comes next.
    end: Place,
    /// What waits for room only.
    ready: BTreeMap<Place, Ticket>,
    /// A group in which nobody has a turn has no entry.
    groups: HashMap<Arc<str>, Turns>,
    /// Whose turn it is, in which group: what stands in `ready`, and what runs.
    turns: HashMap<RunId, Arc<str>>,
    /// When waiting for a turn ends.
    deadlines: BTreeMap<(Timestamp, Place), Arc<str>>,
}

#[derive(Debug)]
struct Turns {
    holder: RunId,
    waiting: BTreeMap<Place, Waiting>,
}

#[derive(Debug)]
struct Waiting {
    ticket: Ticket,
    since: Timestamp,
    until: Option<Timestamp>,
}

/// An occurrence that has waited for its turn for as long as it may.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expired {
    /// The occurrence.
    pub ticket: Ticket,
    /// Since when it waited.
    pub since: Timestamp,
    /// Whose turn it was.
    pub holder: RunId,
}

impl Line {
    /// To the end of the line, or of those that wait for the group.
    pub fn push(&mut self, ticket: Ticket, now: Timestamp) {
        let place = self.end;
        self.end += 1;
        let Some(group) = &ticket.group else {
            self.ready.insert(place, ticket);
            return;
        };
        match self.groups.entry(group.name.clone()) {
            Entry::Vacant(free) => {
                free.insert(Turns { holder: ticket.run.clone(), waiting: BTreeMap::new() });
                self.turns.insert(ticket.run.clone(), group.name.clone());
                self.ready.insert(place, ticket);
            }
            Entry::Occupied(mut taken) => {
                // A moment past the end of time is none.
                let until = group.wait.and_then(|wait| now.checked_add(wait).ok());
                if let Some(until) = until {
                    self.deadlines.insert((until, place), group.name.clone());
                }
                taken.get_mut().waiting.insert(place, Waiting { ticket, since: now, until });
            }
        }
    }

    /// A run that the last agent began has the turn of its group, if nobody has.
    pub fn take_over(&mut self, run: &RunId, group: &Group) {
        if let Entry::Vacant(free) = self.groups.entry(group.name.clone()) {
            free.insert(Turns { holder: run.clone(), waiting: BTreeMap::new() });
            self.turns.insert(run.clone(), group.name.clone());
        }
    }

    /// The first that waits for room only, taken out; its turn in its group goes on until [`Self::end`].
    pub fn pop(&mut self) -> Option<Ticket> {
        self.ready.pop_first().map(|(_, ticket)| ticket)
    }

    /// A run has ended, or will not be: the next of its group has its turn.
    pub fn end(&mut self, run: &RunId) {
        let Some(group) = self.turns.remove(run) else { return };
        let Entry::Occupied(mut taken) = self.groups.entry(group.clone()) else { return };
        let Some((place, next)) = taken.get_mut().waiting.pop_first() else {
            taken.remove();
            return;
        };
        if let Some(until) = next.until {
            self.deadlines.remove(&(until, place));
        }
        taken.get_mut().holder = next.ticket.run.clone();
        self.turns.insert(next.ticket.run.clone(), group);
        self.ready.insert(place, next.ticket);
    }

    /// Puts `ticket` in the place of the first of `others` that is here, which is given back; or gives `ticket` back.
    pub fn replace(
        &mut self,
        ticket: Ticket,
        others: &[RunId],
        now: Timestamp,
    ) -> Result<Ticket, Box<Ticket>> {
        let Some(old) = self.tickets().find(|it| others.contains(&it.run)).map(|it| it.run.clone()) else {
            return Err(Box::new(ticket));
        };
        let run = ticket.run.clone();
        let found = self.tickets_mut().find(|it| it.run == old);
        match found {
            Some(place) if place.group == ticket.group => {
                let old = std::mem::replace(place, ticket);
                if let Some(group) = self.turns.remove(&old.run) {
                    if let Some(turns) = self.groups.get_mut(&group) {
                        turns.holder = run.clone();
                    }
                    self.turns.insert(run, group);
                }
                Ok(old)
            }
            _ => {
                let taken = self.remove(&old);
                self.push(ticket.clone(), now);
                taken.ok_or_else(|| Box::new(ticket))
            }
        }
    }

    /// Takes one out; its turn, if it had one, goes to the next.
    pub fn remove(&mut self, run: &RunId) -> Option<Ticket> {
        if let Some(place) = self.ready.iter().find(|(_, it)| it.run == *run).map(|(place, _)| *place) {
            let ticket = self.ready.remove(&place);
            self.end(run);
            return ticket;
        }
        let found = self.groups.values_mut().find_map(|turns| {
            let place =
                turns.waiting.iter().find(|(_, it)| it.ticket.run == *run).map(|(place, _)| *place)?;
            turns.waiting.remove(&place).map(|it| (place, it))
        });
        let (place, Waiting { ticket, until, .. }) = found?;
        if let Some(until) = until {
            self.deadlines.remove(&(until, place));
        }
        Some(ticket)
    }

    /// When the next one has waited for as long as it may.
    pub fn deadline(&self) -> Option<Timestamp> {
        self.deadlines.first_key_value().map(|((until, _), _)| *until)
    }

    /// Those that have waited for as long as they may, taken out.
    pub fn expired(&mut self, now: Timestamp) -> Vec<Expired> {
        let mut expired = Vec::new();
        while let Some(first) = self.deadlines.first_entry()
            && first.key().0 <= now
        {
            let ((_, place), group) = first.remove_entry();
            if let Some(turns) = self.groups.get_mut(&group)
                && let Some(Waiting { ticket, since, .. }) = turns.waiting.remove(&place)
            {
                expired.push(Expired { ticket, since, holder: turns.holder.clone() });
            }
        }
        expired
    }

    /// Whether it is this run's turn in its group.
    pub fn has_turn(&self, run: &RunId) -> bool {
        self.turns.contains_key(run)
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.ready.len() + self.groups.values().map(|it| it.waiting.len()).sum::<usize>()
    }

    /// Whether none does.
    pub fn is_empty(&self) -> bool {
        self.ready.is_empty() && self.groups.values().all(|it| it.waiting.is_empty())
    }

    /// All that wait, taken out. Turns of what runs go on.
    pub fn drain(&mut self) -> Vec<Ticket> {
        self.deadlines.clear();
        let waiting = self.groups.values_mut().flat_map(|it| std::mem::take(&mut it.waiting).into_values());
        let waiting: Vec<Ticket> = waiting.map(|it| it.ticket).collect();
        let ready = std::mem::take(&mut self.ready).into_values();
        ready.chain(waiting).collect()
    }

    fn tickets(&self) -> impl Iterator<Item = &Ticket> {
        let waiting = self.groups.values().flat_map(|it| it.waiting.values().map(|it| &it.ticket));
        self.ready.values().chain(waiting)
    }

    fn tickets_mut(&mut self) -> impl Iterator<Item = &mut Ticket> {
        let waiting =
            self.groups.values_mut().flat_map(|it| it.waiting.values_mut()).map(|it| &mut it.ticket);
        self.ready.values_mut().chain(waiting)
    }
}

#[cfg(test)]
mod tests {
    use std::{num::NonZeroUsize, time::Duration};

    use proptest::prelude::*;

    use super::*;
    use crate::{
        agent::admission::{Admission, Decision},
        model::{
            job::Overlap,
            name::{JobId, JobKind},
            policy::Group,
            run::Trigger,
        },
    };

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn ticket(number: usize, job: usize, group: Option<&str>, wait: Option<u64>) -> Ticket {
        Ticket {
            run: RunId(format!("{number:04}").into()),
            job: JobId::plain(&format!("j{job}")),
            kind: JobKind::Local,
            trigger: Trigger::Schedule,
            occurrence: Timestamp::UNIX_EPOCH,
            fires: Timestamp::UNIX_EPOCH,
            admitted: Timestamp::UNIX_EPOCH,
            group: group.map(|name| Group { name: name.into(), wait: wait.map(Duration::from_secs) }),
            place: None,
        }
    }

    fn popped(line: &mut Line) -> Vec<String> {
        std::iter::from_fn(|| line.pop()).map(|it| it.run.to_string()).collect()
    }

    #[test]
    fn who_waits_for_a_group_holds_up_nobody_and_comes_where_it_would_have_stood() {
        let mut line = Line::default();
        for (number, group) in
            [Some("g"), Some("g"), None, Some("h"), Some("g"), None].into_iter().enumerate()
        {
            line.push(ticket(number, number, group, None), at(0));
        }
        let first = line.pop().unwrap();
        assert_eq!(&*first.run.0, "0000");
        line.end(&first.run);
        assert_eq!(
            popped(&mut line),
            ["0001", "0002", "0003", "0005"],
            "1 is before those that came after it"
        );
        line.end(&RunId("0001".into()));
        assert_eq!(popped(&mut line), ["0004"]);
        line.end(&RunId("0004".into()));
        line.end(&RunId("0003".into()));
        assert!(line.groups.is_empty() && line.turns.is_empty() && line.is_empty(), "nothing piles up");
    }

    #[test]
    fn who_has_waited_long_enough_is_given_up_and_told_whose_turn_it_was() {
        let mut line = Line::default();
        line.push(ticket(0, 0, Some("g"), Some(60)), at(0));
        assert_eq!(popped(&mut line), ["0000"]);
        line.push(ticket(1, 1, Some("g"), Some(60)), at(5));
        line.push(ticket(2, 2, Some("g"), Some(10)), at(6));
        line.push(ticket(3, 3, Some("g"), None), at(7));
        assert_eq!(line.deadline(), Some(at(16)), "whose turn it is waits for no group");
        assert_eq!(line.expired(at(15)), []);
        let expired = line.expired(at(16));
        assert_eq!((expired.len(), &*expired[0].ticket.run.0, &*expired[0].holder.0), (1, "0002", "0000"));
        assert_eq!(line.deadline(), Some(at(65)));
        line.end(&RunId("0000".into()));
        assert_eq!(line.deadline(), None, "its turn has come");
        assert_eq!(line.expired(at(1000)), []);
        assert_eq!(line.len(), 2);
    }

    #[derive(Debug, Clone)]
    enum Step {
        Offer { job: usize, overlap: Overlap },
        LineUp { job: usize, count: usize },
        End(usize),
        GiveUp(usize),
        Pass(i64),
    }

    fn any_step() -> impl Strategy<Value = Step> {
        let overlap = prop::sample::select(Overlap::NAMES.map(|(_, overlap)| overlap).to_vec());
        prop_oneof![
            6 => (0_usize..8, overlap).prop_map(|(job, overlap)| Step::Offer { job, overlap }),
            1 => (0_usize..8, 1_usize..4).prop_map(|(job, count)| Step::LineUp { job, count }),
            4 => any::<usize>().prop_map(Step::End),
            1 => (0_usize..60).prop_map(Step::GiveUp),
            2 => (0_i64..40).prop_map(Step::Pass),
        ]
    }

    /// What the state does with the answers, and what became of every occurrence.
    #[derive(Default)]
    struct World {
        made: usize,
        running: Vec<Ticket>,
        records: BTreeMap<String, u32>,
    }

    impl World {
        fn ticket(&mut self, job: usize) -> Ticket {
            self.made += 1;
            // Half of the jobs take turns, in two groups with other patience.
            let group = [None, Some("g"), None, Some("h")][job % 4];
            ticket(self.made, job, group, [Some(30), None][job / 4])
        }

        fn record(&mut self, ticket: &Ticket) {
            *self.records.entry(ticket.run.to_string()).or_default() += 1;
        }

        fn begin(&mut self, it: &mut Admission, cap: usize, now: Timestamp) -> Result<(), TestCaseError> {
            for (ticket, reason) in it.expired(now) {
                prop_assert!(reason.contains("(group-wait)"));
                self.record(&ticket);
            }
            while let Some(ticket) = it.next_in_line() {
                it.begin(&ticket, None, now);
                self.running.push(ticket);
            }
            prop_assert!(self.running.len() <= cap);
            for group in ["g", "h"] {
                let same = |it: &&Ticket| it.group.as_ref().is_some_and(|it| &*it.name == group);
                prop_assert!(self.running.iter().filter(same).count() <= 1, "two of one group");
            }
            let others_wait = it.waiting_count() > 0 && self.running.is_empty();
            prop_assert!(!others_wait, "something waits, and for nothing");
            Ok(())
        }
    }

    proptest! {
        #[test]
        fn every_occurrence_has_one_end_and_no_two_of_a_group_run_at_once(
            cap in 1_usize..4,
            steps in prop::collection::vec(any_step(), 0..120),
        ) {
            let mut it = Admission::new(NonZeroUsize::new(cap).unwrap());
            let (mut world, mut now) = (World::default(), 0);
            for step in steps {
                match step {
                    Step::Offer { job, overlap } => {
                        let ticket = world.ticket(job);
                        match it.offer(ticket, overlap, at(now)) {
                            Decision::InLine | Decision::Waits => {}
                            Decision::Skipped { ticket, .. } => world.record(&ticket),
                            Decision::Replaces { instead_of, .. } => {
                                for it in &instead_of {
                                    world.record(it);
                                }
                            }
                        }
                    }
                    Step::LineUp { job, count } => {
                        let tickets: Vec<Ticket> = (0..count).map(|_| world.ticket(job)).collect();
                        it.line_up(tickets, Overlap::Skip, at(now));
                    }
                    Step::End(which) if !world.running.is_empty() => {
                        let ticket = world.running.remove(which % world.running.len());
                        it.end(&ticket.job, &ticket.run, at(now));
                        world.record(&ticket);
                    }
                    Step::End(_) => {}
                    Step::GiveUp(number) => {
                        if let Some(ticket) = it.give_up(&RunId(format!("{number:04}").into()), at(now)) {
                            world.record(&ticket);
                        }
                    }
                    Step::Pass(seconds) => now += seconds,
                }
                world.begin(&mut it, cap, at(now))?;
            }
            while let Some(ticket) = world.running.pop() {
                it.end(&ticket.job, &ticket.run, at(now));
                world.record(&ticket);
                world.begin(&mut it, cap, at(now))?;
            }
            prop_assert_eq!(it.waiting_count(), 0);
            prop_assert_eq!(world.records.len(), world.made, "nothing is dropped");
            prop_assert!(world.records.values().all(|count| *count == 1), "and nothing has two ends");
            prop_assert!(it.is_idle(), "nothing piles up");
        }
    }
}
