//! The one task that owns the state: feeds it what happens, and carries its effects out.

use std::{collections::HashMap, sync::Arc, time::Duration};

use futures::FutureExt;
use jiff::Timestamp;
use tokio::{
    sync::watch,
    task::{AbortHandle, Id, JoinError, JoinSet},
    time::Instant,
};

use crate::{
    history::{
        keeper::{Condition, Keeper, Kept},
        outbox::Outbox,
    },
    model::{
        connection::Connection,
        container::Inventory,
        made::Made,
        memory::Memory,
        name::JobId,
        notification::Notification,
        notify_memory::NotifyMemory,
        run::{Outcome, RunId, StopForce, StopRequest},
        unfinished::{GoingOn, Legacy, Unfinished},
    },
    run::{
        leftovers::Sweep,
        order::{JobNow, RunOrder},
        unit::{self, Context, UnitEnd},
    },
    settings::{
        global::Settings,
        made::{MadeJobs, of_kept},
        memo::Memo,
        resolve::Sources,
    },
    shutdown::Stage,
    telemetry::{
        legs::Legs,
        report::{self, RunTags},
    },
    time::Alarm,
};

use tell::{tell, with};
use trace::trace;

use super::{
    handle::{Basis, Ends, Request, Snapshot},
    state::{Answer, Effect, Event, State},
};

mod jobs;
mod kept;
mod left;
mod tell;
mod trace;

/// How long a run's container stays for a record that is not kept yet.
const KEEP_LIMIT: Duration = Duration::from_secs(1);

/// What the last agent kept: of its jobs, of what it had told of them, of its runs, and the jobs of the API.
pub type Remembered = (HashMap<JobId, Memory>, HashMap<JobId, NotifyMemory>, Legacy, Option<Vec<Made>>);

/// What the agent is made of.
#[derive(Debug)]
pub struct Actor {
    state: State,
    sources: watch::Receiver<Arc<Sources>>,
    /// Those that are in force, without the jobs of the API.
    written: Option<Arc<Sources>>,
    /// The jobs of the API; `None` where they cannot be read.
    made: Option<Arc<MadeJobs>>,
    /// The change of them that is being kept: one after the other.
    making: JoinSet<jobs::Settled>,
    /// What was read of them and of labels already.
    memo: Memo,
    /// How long runs may go on after the agent was asked to stop, for who drives the end.
    grace: watch::Sender<Duration>,
    /// The settings in force.
    settings: Option<Arc<Settings>>,
    /// What the jobs follow from.
    basis: Basis,
    context: Context,
    inventory: watch::Receiver<Option<Arc<Inventory>>>,
    connection: watch::Receiver<Connection>,
    stage: watch::Receiver<Stage>,
    ends: Ends,
    keeper: Keeper,
    /// Where what is to be told goes.
    outbox: Outbox,
    condition: watch::Receiver<Condition>,
    alarm: Alarm,
    /// What the last agent left, until it is taken up.
    left: Legacy,
    ready: bool,
    /// When the last plan was carried out.
    reconciled: Option<Instant>,
    draining: bool,
    /// The stage of the end, and since when.
    stage_began: Option<(Stage, Instant)>,
    ids: ulid::Generator,
    runs: JoinSet<Option<UnitEnd>>,
    /// By task, so that even a run that panicked is known by name; and how it is left to the next agent.
    orders: HashMap<Id, (RunOrder, AbortHandle)>,
    /// Runs that another agent began, and what their jobs are now.
    jobs_now: HashMap<RunId, (JobId, u64, watch::Sender<JobNow>)>,
    /// What looks for what earlier agents left.
    sweeping: JoinSet<()>,
    /// The first look of that, for what the store knows nothing of.
    looking: JoinSet<(Sweep, Vec<Unfinished>)>,
    stops: HashMap<RunId, watch::Sender<Option<StopRequest>>>,
    /// What comes after a run: its containers and services are removed, which are whose, and its trace is made.
    removals: JoinSet<()>,
    leftovers: HashMap<Id, RunTags>,
    /// Containers that were stopped for runs and are being started again.
    restoring: JoinSet<()>,
    /// What cannot be started again has changed.
    halted: watch::Receiver<u64>,
    /// Containers that are kept after their runs.
    looks: kept::Looks,
    /// Runs whose commands could not be ended.
    going_on: JoinSet<(JobId, RunId)>,
}

impl Actor {
    /// An agent that knows nothing yet but what the last one kept; what is to be kept of it goes where its runs' does.
    pub fn new(
        sources: watch::Receiver<Arc<Sources>>,
        context: Context,
        (inventory, connection): (watch::Receiver<Option<Arc<Inventory>>>, watch::Receiver<Connection>),
        (stage, grace): (watch::Receiver<Stage>, watch::Sender<Duration>),
        ends: Ends,
        (memory, notify_memory, left, made): Remembered,
    ) -> Self {
        let halted = context.halts.news();
        let cap = sources.borrow().settings.max_concurrent_runs;
        Self {
            state: State::new(cap, memory).with_notices(notify_memory),
            sources,
            written: None,
            made: made.map(|it| Arc::new(of_kept(it))),
            making: JoinSet::new(),
            memo: Memo::default(),
            grace,
            settings: None,
            basis: Basis::default(),
            alarm: Alarm::new(context.clock.clone()),
            condition: context.keeper.condition(),
            keeper: context.keeper.clone(),
            outbox: context.keeper.outbox(),
            context,
            inventory,
            connection,
            stage,
            ends,
            left,
            ready: false,
            reconciled: None,
            draining: false,
            stage_began: None,
            ids: ulid::Generator::new(),
            runs: JoinSet::new(),
            orders: HashMap::new(),
            jobs_now: HashMap::new(),
            sweeping: JoinSet::new(),
            looking: JoinSet::new(),
            stops: HashMap::new(),
            removals: JoinSet::new(),
            leftovers: HashMap::new(),
            looks: kept::Looks::default(),
            going_on: JoinSet::new(),
            restoring: JoinSet::new(),
            halted,
        }
    }

    /// Goes round until the end has come and nothing runs any more.
    pub async fn run(mut self) {
        // Before anything can be due: what the last agent began counts as running.
        self.take_over();
        self.reconcile();
        self.publish();
        loop {
            let stage = *self.stage.borrow();
            let idle = self.runs.is_empty() && self.removals.is_empty() && self.restoring.is_empty();
            let idle = idle && self.making.is_empty();
            if stage >= Stage::Drain && idle {
                break;
            }
            if stage == Stage::Leave {
                self.leave().await;
                break;
            }
            let next = self.state.next_due();
            tokio::select! {
                biased;
                changed = self.stage.changed() => if changed.is_err() { break } else { self.stage_changed() },
                Some(end) = self.runs.join_next_with_id() => self.run_ended(end),
                Some(end) = self.removals.join_next_with_id() => {
                    let id = end.map_or_else(|error| error.id(), |(id, ())| id);
                    self.leftovers.remove(&id);
                }
                Some(_) = self.restoring.join_next() => {}
                Ok(()) = self.halted.changed() => {}
                Some(Ok((job, run))) = self.going_on.join_next() => drop(self.feed(Event::CommandGone { job, run })),
                Some(request) = self.ends.requests.recv() => match request {
                    // Who asked may have gone away meanwhile.
                    Request::Ping(answer) => drop(answer.send(())),
                    Request::Operator(event, answer) => {
                        let answered = self.ask(event);
                        // Who has the answer and asks again sees what it has done.
                        self.publish();
                        drop(answered.map(|it| answer.send(it)));
                    }
                },
                Some(settled) = self.making.join_next() => self.made(settled),
                Some((making, answer)) = self.ends.making.recv(), if self.making.is_empty() => {
                    self.make(making, answer);
                }
                () = self.looks.due() => self.look_at_the_kept(),
                Ok(()) = self.condition.changed() => {}
                Some(found) = self.looking.join_next() => self.found(found),
                () = self.alarm.until(next) => drop(self.feed(Event::Tick)),
                Ok(()) = self.inventory.changed() => self.reconcile(),
                // After that: what was found when it came back is known before anything runs in it.
                Ok(()) = self.connection.changed() => {
                    let answers = !self.connection.borrow_and_update().is_lost();
                    self.feed(Event::Engine { answers });
                }
                Ok(()) = self.sources.changed() => self.reconcile(),
            }
            self.publish();
        }
        self.stage_over(0);
        self.publish();
        let (containers, services) = self.context.halts.names();
        report::halts_left(&containers, &services);
    }

    /// Whether what happens is not kept.
    fn is_forgetful(&self) -> bool {
        matches!(&*self.condition.borrow(), Condition::Failing { .. })
    }

    fn publish(&self) {
        let down = self.context.halts.problems();
        let snapshot = Snapshot {
            ready: self.ready,
            reconciled: self.reconciled.map(Instant::into_std),
            jobs: self.state.catalog().len(),
            running: self.state.running_count(),
            waiting: self.state.waiting_count(),
            problems: self.state.problem_count()
                + usize::from(self.is_forgetful())
                + self.keeper.problems().len()
                + down.len(),
            catalog: self.state.shared_catalog(),
            paused: self.state.paused(),
            anchors: self.state.anchors(),
            diagnostics: with(self.state.diagnostics(), down),
            settings: self.settings.clone(),
            basis: self.basis.clone(),
        };
        self.ends.snapshot.send_if_modified(|last| {
            let news = !snapshot.is_the_same_as(last);
            *last = snapshot;
            news
        });
    }

    fn stage_changed(&mut self) {
        let stage = *self.stage.borrow_and_update();
        // Stages may follow each other so closely that the first is never seen.
        if stage >= Stage::Drain && !self.draining {
            self.draining = true;
            report::agent_stopping(self.state.running_count(), *self.grace.borrow());
            self.feed(Event::Drain);
        }
        match stage {
            Stage::Run | Stage::Drain | Stage::Leave => {}
            Stage::Stop => drop(self.feed(Event::StopAll(StopForce::Stop))),
            Stage::Kill => drop(self.feed(Event::StopAll(StopForce::Kill))),
        }
        let left = if stage > Stage::Drain { self.leave_to_the_next() } else { 0 };
        self.stage_over(left);
        self.stage_began = Some((stage, Instant::now()));
    }

    /// Feeds the state and carries out what follows. The answer is what was to be kept of it.
    fn feed(&mut self, event: Event) -> Kept {
        self.step(event).0
    }

    /// The same, with what is to be answered.
    fn ask(&mut self, event: Event) -> Option<Answer> {
        self.step(event).1
    }

    fn step(&mut self, event: Event) -> (Kept, Option<Answer>) {
        let mut answered = None;
        let now = self.context.clock.now();
        let ids = &mut self.ids;
        let effects = self.state.handle(event, now, &mut || run_id(ids, now));
        let mut kept = Kept::nothing();
        for effect in effects {
            match effect {
                Effect::Tell(told) => tell(&told),
                Effect::Keep(items) => kept = self.keeper.keep(items),
                Effect::Start(order) => self.start(order, kept.clone()),
                Effect::TakeUp(taken) => self.take_up(taken),
                Effect::Await(it) => self.wait_for(it),
                Effect::Stop(run, request) => {
                    if let Some(stop) = self.stops.get(&run) {
                        stop.send_if_modified(|last| request.goes_over(last));
                    }
                }
                Effect::Answer(answer) => answered = Some(answer),
                Effect::Notify(message) => self.put(message, &kept),
            }
        }
        (kept, answered)
    }

    /// What is to be told goes on its way. Where nothing is kept, what finds no room there is nowhere.
    fn put(&self, message: Notification, kept: &Kept) {
        if let Err(refused) = self.outbox.put(message, kept.clone())
            && *self.condition.borrow() == Condition::Absent
        {
            let reason = "too many messages wait, and there is no state directory where it could: set one";
            report::notify_given_up((&*refused).into(), reason);
        }
    }

    fn start(&mut self, order: RunOrder, kept: Kept) {
        let (stop, stopped) = watch::channel(None);
        self.stops.insert(order.run.clone(), stop);
        let run = unit::run(order.clone(), kept, self.context.clone(), stopped);
        let task = self.runs.spawn(run.map(Some));
        self.orders.insert(task.id(), (order, task));
    }

    fn run_ended(&mut self, end: Result<(Id, Option<UnitEnd>), JoinError>) {
        let (id, end) = match end {
            Ok((id, end)) => (id, Ok(end)),
            Err(error) => (error.id(), Err(error)),
        };
        let Some((order, _)) = self.orders.remove(&id) else { return };
        self.stops.remove(&order.run);
        let taken_up = self.jobs_now.remove(&order.run).is_some();
        let end = end.unwrap_or_else(|error| {
            let reason = format!("a mistake of ours ended it: {error}");
            let record = order.record(None, self.context.clock.now(), None, Outcome::Lost { reason });
            Some(UnitEnd { record, leftover: None, goes_on: None, legs: Legs::default() })
        });
        // Without a record it is the next agent's.
        let Some(end) = end else { return };
        let free = self.context.halts.release(&order.run, &self.keeper);
        self.restore(free);
        let UnitEnd { record, leftover, goes_on, legs } = end;
        let traced = report::is_traced().then(|| (record.clone(), legs));
        // The record first: until it is kept, the container of a run is what can still tell.
        let mut kept = self.feed(Event::RunEnded { record: Box::new(record), goes_on: goes_on.is_some() });
        if let Some(traced) = traced {
            self.removals.spawn(trace(traced, kept.clone(), self.context.clock.clone()));
        }
        if let Some(handle) = goes_on {
            let (run, job) = (order.run.clone(), order.job().clone());
            let since = self.context.clock.now();
            self.wait_for(GoingOn { run, job, group: None, container: None, since, handle });
        }
        self.may_be_kept(&order, taken_up);
        if let Some(leftover) = leftover {
            let (engine, whose) = (self.context.engine.clone(), order.tags(1));
            let task = self.removals.spawn(async move {
                kept.within(KEEP_LIMIT).await;
                unit::clear_away(engine, leftover, whose).await;
            });
            self.leftovers.insert(task.id(), order.tags(1));
        }
    }
}

/// IDs sort by the time of admission, and within a millisecond in the order in which they were made.
fn run_id(ids: &mut ulid::Generator, now: Timestamp) -> RunId {
    let time = std::time::SystemTime::from(now);
    let id = match ids.generate_from_datetime(time) {
        Ok(id) => id,
        Err(overflow) => overflow.commit_overflow_increment(),
    };
    RunId(id.to_string().into())
}
