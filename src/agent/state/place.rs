//! In how many containers an occurrence runs, and in which one a run.

use jiff::Timestamp;

use crate::{
    agent::{admission::Ticket, event::Effect, state::State},
    model::{
        container::Holder,
        job::{JobSpec, Replica, Work},
        run::RunId,
        skip::Skip,
    },
    plan::Entry,
};

/// What decided that a run does not begin, the container that it is about, and the reason.
type Refusal = (Skip, Option<String>, String);

impl State {
    /// One run for each replica that runs now, each with its own ID, where the job is of each of them. The first keeps
    /// the occurrence's own, and is the only one where no replica runs.
    pub(in crate::agent) fn spread(
        &mut self,
        spec: &JobSpec,
        ticket: Ticket,
        ids: &mut dyn FnMut() -> RunId,
    ) -> Vec<Ticket> {
        let is_of_all = matches!(&spec.work, Work::Exec(exec) if exec.replica == Replica::All);
        let entry = self.catalog.get(&spec.id).filter(|_| is_of_all && ticket.place.is_none());
        let names: Vec<_> = entry
            .into_iter()
            .flat_map(|it| &it.replicas)
            .filter(|it| it.running)
            .map(|it| it.name.clone())
            .collect();
        let mut own = Some(ticket.run.clone());
        let mut tickets = Vec::new();
        for name in names {
            let run = own.take().unwrap_or_else(&mut *ids);
            let one = Ticket { run, place: Some(name), ..ticket.clone() };
            // What was kept of it without its place, in this step or before, is kept anew.
            self.came.retain(|it| it.run != one.run);
            tickets.push(self.came(one));
        }
        if tickets.is_empty() { vec![ticket] } else { tickets }
    }

    /// The same, each of them on its way. The answer is their runs.
    pub(in crate::agent) fn offer_all(
        &mut self,
        spec: &JobSpec,
        ticket: Ticket,
        now: Timestamp,
        ids: &mut dyn FnMut() -> RunId,
        effects: &mut Vec<Effect>,
    ) -> Vec<RunId> {
        let tickets = self.spread(spec, ticket, ids);
        let runs = tickets.iter().map(|it| it.run.clone()).collect();
        for ticket in tickets {
            self.offer(ticket, spec.overlap, now, effects);
        }
        runs
    }

    /// The container in which, on which or like which it runs, if it has one.
    pub(super) fn place(&self, entry: &Entry, ticket: &Ticket) -> Result<Option<Holder>, Refusal> {
        let no_container = || (Skip::Container, None, "the job has no container".to_owned());
        match (&entry.spec.work, &entry.holder) {
            (Work::Exec(exec), holder) => {
                let holder = match &ticket.place {
                    Some(place) => return in_place(entry, exec.replica, place).map(Some),
                    None => holder.as_ref(),
                };
                match holder {
                    Some(holder) if holder.running || holder.passing => Ok(Some(holder.clone())),
                    Some(holder) => Err(not_running(&holder.name)),
                    None => {
                        let name = exec.container.clone();
                        let reason = match (&name, self.nowhere.get(&ticket.job)) {
                            (Some(name), _) => format!("there is no container {name}"),
                            (None, Some(why)) => why.to_string(),
                            (None, None) => return Err(no_container()),
                        };
                        Err((Skip::Container, name, reason))
                    }
                }
            }
            // A container that does not run is what most of them are for.
            (Work::Container(_), Some(holder)) => Ok(Some(holder.clone())),
            // It may never have been started, and no list has it: the Engine is asked by its name.
            (Work::Container(it), None) => {
                it.container.as_ref().map(|name| Some(Holder::called(name))).ok_or_else(no_container)
            }
            (Work::Run(run), holder) => match (&run.like, holder) {
                (None, _) => Ok(None),
                (Some(_), Some(holder)) => Ok(Some(holder.clone())),
                (Some(like), None) => {
                    let name = &like.name;
                    let reason = format!("there is no container or service {name} that it could be like");
                    Err((Skip::Container, None, reason))
                }
            },
            (
                Work::Start(_)
                | Work::Local(_)
                | Work::ServiceRun(_)
                | Work::ServiceAction(_)
                | Work::Compose(_),
                _,
            ) => Ok(None),
        }
    }
}

/// The replica that a run was meant for: in another one the occurrence has its own run. One that was made anew has the
/// same name.
fn in_place(entry: &Entry, replica: Replica, place: &str) -> Result<Holder, Refusal> {
    let of_all = entry.replicas.iter().find(|it| *it.name == *place);
    let found = of_all.or(entry.holder.as_ref().filter(|it| *it.name == *place));
    match (found, replica) {
        (Some(holder), _) if holder.running || holder.passing => Ok(holder.clone()),
        (None, Replica::One) => {
            let reason = "the job runs in one replica now (replica=one), and that is another".to_owned();
            Err((Skip::Container, Some(place.to_owned()), reason))
        }
        _ => Err(not_running(place)),
    }
}

fn not_running(name: &str) -> Refusal {
    (Skip::Container, Some(name.to_owned()), format!("container {name} is not running"))
}
