//! Metrics and one trace for each run, exported to a receiver of OpenTelemetry's protocol where the environment names one.
//!
//! It is spoken here in its JSON over HTTP. A receiver that does not answer costs traces, which are counted and told, and
//! never a run.

mod config;
mod export;
mod json;
mod post;
mod queue;
mod variables;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use futures::{FutureExt, future::BoxFuture};
use tokio::sync::watch;

use crate::{model::diagnostic::Diagnostic, time::Clock};

use super::metrics::Exposition;

pub use config::{Config, Endpoint, Signal, names, read};
pub use queue::{Traces, is_on, put};
pub use variables::{ANY as PREFIX, VARIABLES, Variable};

use export::{Outlet, metrics, traces};

/// What there is to count at this moment. May take its time.
pub type Look = Arc<dyn Fn() -> Exposition + Send + Sync>;

/// Which receivers do not take what they are sent, and why; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Condition(Arc<Mutex<BTreeMap<Signal, Diagnostic>>>);

impl Condition {
    /// What is wrong now.
    pub fn problems(&self) -> Vec<Diagnostic> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// What is wrong with a signal now; the answer is whether something was before.
    fn set(&self, signal: Signal, problem: Option<Diagnostic>) -> bool {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match problem {
            Some(problem) => all.insert(signal, problem).is_some(),
            None => all.remove(&signal).is_some(),
        }
    }
}

/// All that is exported.
#[derive(Debug, Default)]
pub struct Export {
    config: Option<Config>,
    traces: Traces,
    condition: Condition,
}

impl Export {
    /// What the environment says; without it nothing.
    pub fn new(config: Option<Config>) -> Self {
        let traces = config.as_ref().filter(|it| it.traces.is_some());
        let traces = traces.map_or_else(Traces::default, |it| Traces::exported(it.queue));
        Self { config, traces, condition: Condition::default() }
    }

    /// Where the traces of runs are put.
    pub fn traces(&self) -> Traces {
        self.traces.clone()
    }

    /// How the receivers do.
    pub fn condition(&self) -> Condition {
        self.condition.clone()
    }

    /// What is to be done all the time. Each sends what is left when `closed` says so, once, and ends.
    pub fn tasks(
        self,
        look: Look,
        clock: &Clock,
        closed: &watch::Receiver<bool>,
    ) -> Vec<BoxFuture<'static, ()>> {
        let Self { config, traces: queue, condition } = self;
        let Some(config) = config else { return Vec::new() };
        let resource: Arc<str> = json::resource(&config.resource).into();
        let outlet = |signal, to| Outlet {
            signal,
            to,
            resource: resource.clone(),
            client: config.client.clone(),
            clock: clock.clone(),
            condition: condition.clone(),
            closed: closed.clone(),
        };
        let mut tasks = Vec::new();
        if let (Some(to), Some(queue)) = (config.traces, queue.queue()) {
            tasks.push(traces(outlet(Signal::Traces, to), queue, config.delay).boxed());
        }
        if let Some(to) = config.metrics {
            let outlet = outlet(Signal::Metrics, to);
            tasks.push(metrics(outlet, look, config.interval).boxed());
        }
        tasks
    }
}
