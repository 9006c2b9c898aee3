//! What the last agent left: the runs that it began count as running from the first moment on, and the occurrences that
//! waited their turn come to it, or leave their record.

use std::{collections::BTreeMap, sync::Arc};

use jiff::{SignedDuration, Timestamp};

use crate::{
    model::{
        compose::ComposeAction,
        job::{JobSpec, MissedPolicy, Overlap, Work},
        name::{JobId, JobKind},
        run::{Admitted, Outcome, RunId, StopCause, StopForce, StopRequest, Trigger},
        skip::Skip,
        unfinished::{Legacy, Terms, Unfinished, shape},
    },
    run::order::TakenUp,
};

use super::{
    activity::Place,
    admission::Ticket,
    event::Effect,
    gap::LATE_LIMIT,
    records,
    state::{State, needs_engine, told},
};

impl State {
    /// Takes it in. Nothing of it is looked for here.
    pub(super) fn take_over(&mut self, left: Legacy, now: Timestamp, effects: &mut Vec<Effect>) {
        for it in left.going_on {
            let place = it.container.as_deref().map(Arc::from);
            self.admission.take_over(&it.run, &it.job, &place, it.group.as_ref(), it.since);
            effects.push(Effect::Await(it));
        }
        for it in left.runs {
            if !it.begun {
                self.left.push(ticket(it.admitted));
                continue;
            }
            let place = place(&it.admitted);
            let Some(taken) = TakenUp::new(it) else { continue };
            let order = &taken.order;
            let group = order.spec.policies.group.as_ref();
            let since = taken.started.unwrap_or(now);
            self.admission.take_over(&order.run, order.job(), &place, group, since);
            self.admitted.insert(order.run.clone(), order.spec.clone());
            effects.push(Effect::TakeUp(taken));
        }
    }

    /// Runs that the store knows nothing of count as running from here on.
    pub(super) fn found(&mut self, found: Vec<Unfinished>, effects: &mut Vec<Effect>) {
        for Unfinished { admitted, .. } in &found {
            let Admitted { run, job, admitted: since, .. } = admitted;
            self.admission.take_over(run, job, &place(admitted), None, *since);
        }
        self.found.extend(found);
        self.adopt(effects);
    }

    /// They are taken up when all jobs are known: only what its job is now can say how such a run is to be ended.
    pub(super) fn adopt(&mut self, effects: &mut Vec<Effect>) {
        if !self.complete {
            return;
        }
        for mut it in std::mem::take(&mut self.found) {
            let entry = self.catalog.get(&it.admitted.job);
            let spec = entry.map(|entry| &entry.spec).filter(|spec| spec.kind() == it.admitted.kind);
            // Nobody knows how many attempts it has made.
            let terms = Terms { retries: 0, ..spec.map_or_else(Terms::unknown, |spec| Terms::of(spec)) };
            it.admitted.terms = Some(Arc::new(terms));
            let Some(taken) = TakenUp::new(it) else { continue };
            if let Some(group) = &taken.terms.group {
                self.admission.joins(&taken.order.run, group);
            }
            self.admitted.insert(taken.order.run.clone(), taken.order.spec.clone());
            effects.push(Effect::TakeUp(TakenUp { has_row: false, ..taken }));
        }
    }

    /// Occurrences that waited their turn when the last agent ended, once their jobs are known: they run now, after
    /// whatever goes on of their job, or are missed. `complete`: all jobs are known.
    pub(super) fn go_on_with_the_left(
        &mut self,
        complete: bool,
        now: Timestamp,
        ids: &mut dyn FnMut() -> RunId,
        effects: &mut Vec<Effect>,
    ) {
        let mut jobs: BTreeMap<JobId, Vec<Ticket>> = BTreeMap::new();
        for ticket in std::mem::take(&mut self.left) {
            let known = self.catalog.get(&ticket.job).is_some_and(|it| complete || !needs_engine(&it.spec));
            if known || complete {
                jobs.entry(ticket.job.clone()).or_default().push(ticket);
            } else {
                self.left.push(ticket);
            }
        }
        let (mut lined_up, mut to_offer) = (Vec::new(), Vec::new());
        for (job, tickets) in jobs {
            let spec = self.catalog.get(&job).map(|it| it.spec.clone());
            let mut after = Vec::new();
            let (newest, all) = (newest_of_schedule(&tickets), tickets);
            for ticket in all {
                match missed(spec.as_deref(), &ticket, newest, now) {
                    Some(reason) => {
                        let outcome = Outcome::Missed { reason: format!("{ENDED}{reason}") };
                        effects.push(told(records::of(&ticket, None, outcome, now)));
                    }
                    None => after.push(ticket),
                }
            }
            let Some(spec) = spec.filter(|_| !after.is_empty()) else { continue };
            let group = spec.policies.group.clone();
            let after = after.into_iter().map(|it| Ticket { group: group.clone(), ..it });
            // What has its place was past the gate, which the first of them to begin closed behind it.
            let (past, after): (Vec<Ticket>, Vec<Ticket>) = after.partition(|it| it.place.is_some());
            let after = self.past_gate(&spec, after, now, effects);
            // Its runs in further replicas came when it did.
            let spread = after.into_iter().flat_map(|it| {
                let came = it.run.clone();
                self.spread(&spec, it, ids).into_iter().map(move |one| (came.clone(), one))
            });
            let after = past.into_iter().map(|it| (it.run.clone(), it)).chain(spread);
            // What waited for the job's last run keeps the one place that there is for that, or the last run's own.
            let by_policy = |it: &Ticket| {
                it.trigger != Trigger::CatchUp && matches!(spec.overlap, Overlap::Queue | Overlap::Replace)
            };
            for (came, ticket) in after {
                let line = if by_policy(&ticket) { &mut to_offer } else { &mut lined_up };
                line.push((came, ticket, spec.overlap));
            }
        }
        // In the order in which they came, whosever they are.
        lined_up.sort_by(|(a, ..), (b, ..)| a.cmp(b));
        to_offer.sort_by(|(a, ..), (b, ..)| a.cmp(b));
        for (_, ticket, overlap) in lined_up {
            self.admission.line_up([ticket], overlap, now);
        }
        for (_, ticket, overlap) in to_offer {
            self.offer(ticket, overlap, now, effects);
        }
    }

    /// Nothing begins any more, and what waits is given up.
    pub(super) fn drain(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        self.draining = true;
        self.give_up_the_left(now, effects);
        self.give_up_the_unknown(effects);
        for ticket in self.admission.give_up_waiting(now) {
            let reason = "the agent is shutting down and its turn had not come";
            effects.push(told(records::skipped(&ticket, Skip::Shutdown, reason, now)));
        }
        for ticket in self.dependencies.drain() {
            let reason = "the agent is shutting down, and the jobs that it depends on had not succeeded";
            effects.push(told(records::skipped(&ticket, Skip::Shutdown, reason, now)));
        }
        let request = StopRequest { force: StopForce::Finish, cause: StopCause::Shutdown };
        let mut tries: Vec<&RunId> = self
            .admitted
            .iter()
            .filter(|(_, spec)| spec.policies.retry.retries > 0)
            .map(|(run, _)| run)
            .collect();
        tries.sort_unstable();
        effects.extend(tries.into_iter().map(|run| Effect::Stop(run.clone(), request)));
    }

    /// What waits for its job to be known, given up.
    pub(super) fn give_up_the_left(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        for ticket in std::mem::take(&mut self.left) {
            let reason = "the agent is shutting down and its turn had not come";
            effects.push(told(records::skipped(&ticket, Skip::Shutdown, reason, now)));
        }
    }
}

/// What the reasons begin with.
const ENDED: &str = "the agent ended before its turn came, and ";

fn ticket(it: Admitted) -> Ticket {
    let place = place(&it);
    let Admitted { run, job, kind, trigger, occurrence, fires, admitted, container: _, terms: _ } = it;
    Ticket { run, job, kind, trigger, occurrence, fires, admitted, group: None, place }
}

/// The container in which it runs, or is to run as one of several.
fn place(it: &Admitted) -> Place {
    it.container.as_deref().filter(|_| it.kind == JobKind::Exec).map(Arc::from)
}

/// Whether a schedule named it, now or once.
fn is_of_schedule(ticket: &Ticket) -> bool {
    matches!(ticket.trigger, Trigger::Schedule | Trigger::CatchUp)
}

fn newest_of_schedule(tickets: &[Ticket]) -> Option<Timestamp> {
    tickets.iter().filter(|it| is_of_schedule(it)).map(|it| it.fires).max()
}

/// Why an occurrence that waited does not run any more; none where it does. What another job's end started runs however
/// late it is, for nothing else will start it.
fn missed(
    spec: Option<&JobSpec>,
    ticket: &Ticket,
    newest: Option<Timestamp>,
    now: Timestamp,
) -> Option<String> {
    let Some(spec) = spec else { return Some("its job is not there any more".to_owned()) };
    if !spec.enabled {
        return Some("its job is not enabled now".to_owned());
    }
    if records::is_too_late(spec, ticket.fires, now) {
        return Some(records::too_late(spec));
    }
    let late = now.duration_since(ticket.fires) > LATE_LIMIT;
    match (ticket.trigger, spec.missed) {
        (Trigger::Startup, _) => Some("the start of the next one runs it anew".to_owned()),
        (Trigger::Schedule | Trigger::CatchUp, MissedPolicy::Once) if Some(ticket.fires) != newest => {
            Some("a newer one waited as well (missed=once)".to_owned())
        }
        (Trigger::Schedule | Trigger::CatchUp | Trigger::Manual, MissedPolicy::Skip) if late => {
            let late = SignedDuration::from_secs(now.duration_since(ticket.fires).as_secs());
            Some(format!("its moment is {late:#} past (missed=skip)"))
        }
        _ => None,
    }
}

/// Whether the job that there is now does what this run does, so that it may be tried again.
pub(super) fn same_work(spec: &Arc<JobSpec>, as_before: u64) -> bool {
    spec.enabled && shape(&spec.work) == as_before
}

/// Whether a run of the job goes on without the agent, and the next one takes it up.
pub fn outlives_the_agent(spec: &JobSpec) -> bool {
    match &spec.work {
        Work::Run(_) | Work::Start(_) | Work::ServiceRun(_) | Work::ServiceAction(_) => true,
        Work::Compose(compose) => compose.action == ComposeAction::Run,
        Work::Exec(_) | Work::Local(_) | Work::Container(_) => false,
    }
}
