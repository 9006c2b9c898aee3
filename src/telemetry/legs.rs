//! The legs that a run goes through, with their times: what its trace is made of.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

/// A run with ever more attempts has no more legs than these.
pub const MOST: usize = 64;

/// One leg.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leg {
    /// From the moment at which it is due to its first request.
    Admission,
    /// Its image is pulled, or a pull that another run began is waited for.
    Pull,
    /// What it runs in or as is made.
    Create,
    /// Its command is started.
    Start,
    /// Its command goes on.
    Wait,
    /// From its end until its record is kept.
    Record,
}

impl Leg {
    /// Each of them, in the order in which they come.
    pub const ALL: [Self; 6] =
        [Self::Admission, Self::Pull, Self::Create, Self::Start, Self::Wait, Self::Record];

    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Admission => "admission",
            Self::Pull => "pull",
            Self::Create => "create",
            Self::Start => "start",
            Self::Wait => "wait",
            Self::Record => "record",
        }
    }
}

/// A leg that is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// Which.
    pub leg: Leg,
    /// In which attempt.
    pub attempt: u32,
    /// From when.
    pub began: Timestamp,
    /// Until when.
    pub ended: Timestamp,
    /// Whether it is where the attempt failed.
    pub failed: bool,
}

/// The legs of one run so far; clones share them.
#[derive(Debug, Clone, Default)]
pub struct Legs(Arc<Mutex<SoFar>>);

#[derive(Debug, Default)]
struct SoFar {
    began: Option<Timestamp>,
    attempt: u32,
    taken: Vec<Taken>,
    open: Option<(Leg, Timestamp)>,
}

impl Legs {
    fn so_far(&self) -> MutexGuard<'_, SoFar> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An attempt begins.
    pub fn attempt(&self, number: u32, at: Timestamp) {
        let mut it = self.so_far();
        it.began.get_or_insert(at);
        it.attempt = number;
    }

    /// The next leg begins, and with it ends the one before; one that is entered again goes on.
    pub fn enter(&self, leg: Leg, at: Timestamp) {
        let mut it = self.so_far();
        if it.open.is_none_or(|(open, _)| open != leg) {
            it.close(at, false);
            it.open = Some((leg, at));
        }
    }

    /// The attempt ends, and with it the leg that it is in.
    pub fn end(&self, at: Timestamp, failed: bool) {
        self.so_far().close(at, failed);
    }

    /// When the first attempt began; `None` where that was another agent's.
    pub fn began(&self) -> Option<Timestamp> {
        self.so_far().began
    }

    /// Those that are over.
    pub fn taken(&self) -> Vec<Taken> {
        self.so_far().taken.clone()
    }
}

impl SoFar {
    fn close(&mut self, at: Timestamp, failed: bool) {
        if let Some((leg, began)) = self.open.take()
            && self.taken.len() < MOST
        {
            // The clock may have been set back meanwhile.
            self.taken.push(Taken { leg, attempt: self.attempt, began, ended: at.max(began), failed });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_leg_ends_where_the_next_begins_and_the_last_one_fails() {
        let at = |second| Timestamp::new(second, 0).unwrap();
        let legs = Legs::default();
        legs.attempt(1, at(1));
        legs.enter(Leg::Create, at(1));
        legs.enter(Leg::Create, at(2));
        legs.enter(Leg::Start, at(3));
        legs.end(at(2), true);
        legs.end(at(9), true);
        let taken =
            |leg, began, ended, failed| Taken { leg, attempt: 1, began: at(began), ended: at(ended), failed };
        assert_eq!(legs.taken(), [taken(Leg::Create, 1, 3, false), taken(Leg::Start, 3, 3, true)]);
        assert_eq!(legs.began(), Some(at(1)));
    }

    #[test]
    fn a_run_that_is_tried_for_ever_has_a_bounded_number() {
        let legs = Legs::default();
        for number in 1..1000 {
            legs.attempt(number, Timestamp::UNIX_EPOCH);
            legs.enter(Leg::Start, Timestamp::UNIX_EPOCH);
            legs.end(Timestamp::UNIX_EPOCH, true);
        }
        assert_eq!(legs.taken().len(), MOST);
    }
}
