//! What passes from one agent to the next: what the last one left is taken up, and what outlives this one is left.

use std::collections::HashSet;

use tokio::{sync::watch, task::JoinError, time::Instant};

use crate::{
    agent::{
        event::Event,
        takeover::{outlives_the_agent, same_work},
    },
    model::{
        halt::HaltId,
        run::{Outcome, RunId, StopCause},
        unfinished::{GoingOn, Legacy, Unfinished},
    },
    run::{
        halt,
        leftovers::{self, Sweep},
        order::{JobNow, TakenUp},
        takeover,
    },
    shutdown::Stage,
    telemetry::report,
};

use super::{Actor, run_id};

impl Actor {
    /// Takes up what the last agent left, and looks for what nobody waits for.
    pub(super) fn take_over(&mut self) {
        let now = self.context.clock.now();
        let before = run_id(&mut self.ids, now);
        let left = std::mem::take(&mut self.left);
        let begun = left.runs.iter().filter(|it| it.begun).map(|it| it.admitted.run.clone());
        let begun: HashSet<RunId> = begun.collect();
        let free = self.context.halts.left(&begun, &self.keeper);
        self.restore(free);
        let begun = left.runs.iter().map(|it| &it.admitted.run);
        let taken_up = begun.chain(left.going_on.iter().map(|it| &it.run)).cloned().collect();
        // A state directory that begins has left nothing.
        if !self.context.installation.is_new {
            let (engine, installation) = (self.context.engine.clone(), self.context.installation.id.clone());
            self.looks.look();
            let sweep = Sweep { engine, installation, taken_up, before };
            let keeper = self.keeper.clone();
            self.looking.spawn(async move {
                let found = sweep.unknown(&keeper).await;
                (sweep, found)
            });
        }
        if left != Legacy::default() {
            self.feed(Event::Left(left));
        }
    }

    /// What the store knows nothing of is taken up as well; the rest nobody waits for.
    pub(super) fn found(&mut self, found: Result<(Sweep, Vec<Unfinished>), JoinError>) {
        if let Ok((mut sweep, found)) = found {
            sweep.taken_up.extend(found.iter().map(|it| it.admitted.run.clone()));
            self.sweeping.spawn(sweep.sweep());
            if !found.is_empty() {
                self.feed(Event::Found(found));
            }
        }
        self.reconcile();
    }

    /// Starts again what was stopped for runs and is not needed so any more.
    pub(super) fn restore(&mut self, free: Vec<HaltId>) {
        if !free.is_empty() {
            self.restoring.spawn(halt::restore(free, self.context.clone()));
        }
    }

    pub(super) fn take_up(&mut self, taken: TakenUp) {
        let order = taken.order.clone();
        // What the last agent was asked this one goes on with.
        let (stop, stopped) = watch::channel(taken.stop);
        let (job, job_now) = watch::channel(JobNow::Unknown);
        let mut stage = self.stage.clone();
        let end = async move {
            if stage.wait_for(|stage| *stage > Stage::Drain).await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        self.stops.insert(order.run.clone(), stop);
        self.jobs_now.insert(order.run.clone(), (order.job().clone(), taken.terms.shape, job));
        let task = self.runs.spawn(takeover::take_up(taken, job_now, self.context.clone(), stopped, end));
        self.orders.insert(task.id(), (order, task));
    }

    /// Until it has gone, its job counts as running.
    pub(super) fn wait_for(&mut self, it: GoingOn) {
        let engine = self.context.engine.clone();
        self.going_on.spawn(async move {
            leftovers::until_gone(&engine, &it.run, &it.handle).await;
            (it.job, it.run)
        });
    }

    /// All jobs are known: the runs that were taken up hear of theirs.
    pub(super) fn tell_of_jobs(&self) {
        for (job, shape, sender) in self.jobs_now.values() {
            let spec = self.state.catalog().get(job).map(|entry| &entry.spec);
            let there = spec.filter(|spec| same_work(spec, *shape));
            sender.send_replace(there.map_or(JobNow::Changed, |spec| JobNow::There(spec.clone())));
        }
    }

    /// Runs that outlive the agent are nobody's from here on; the answer is how many.
    pub(super) fn leave_to_the_next(&mut self) -> usize {
        let outlive = self.orders.extract_if(|_, (order, _)| outlives_the_agent(&order.spec));
        // Without an entry here the end of the task is nobody's business.
        outlive.map(|(_, (_, task))| task.abort()).count()
    }

    /// Tells of the stage of the end that is over.
    pub(super) fn stage_over(&mut self, left: usize) {
        let Some((stage, since)) = self.stage_began.take() else { return };
        let stage = match stage {
            Stage::Run | Stage::Leave => return,
            Stage::Drain => "drain",
            Stage::Stop => "stop",
            Stage::Kill => "kill",
        };
        report::agent_stage_over(stage, Instant::now() - since, self.runs.len(), left);
    }
    /// Leaves what would not end, and says so.
    pub(super) async fn leave(&mut self) {
        self.runs.abort_all();
        while let Some(end) = self.runs.join_next_with_id().await {
            if let Err(error) = &end
                && let Some((order, _)) = self.orders.remove(&error.id())
            {
                if outlives_the_agent(&order.spec) {
                    continue;
                }
                let by = StopCause::Shutdown;
                let why = "the agent ended before it did".to_owned();
                let outcome = Outcome::Stopped { by, still_running: Some(why) };
                let record = order.record(None, self.context.clock.now(), None, outcome);
                self.feed(Event::RunEnded { record: Box::new(record), goes_on: false });
            } else {
                self.run_ended(end);
            }
        }
        self.restoring.abort_all();
        self.removals.abort_all();
        for tags in self.leftovers.values() {
            report::run_leftover(tags, "the agent ended before the Engine answered");
        }
    }
}
