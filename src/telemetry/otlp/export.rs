//! Sends what is to be exported, for as long as the agent lives.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio::{
    sync::watch,
    task::spawn_blocking,
    time::{Instant, sleep, sleep_until},
};

use crate::{
    model::{diagnostic::Diagnostic, origin::Origin},
    outward::http::{Client, Failed},
    telemetry::{
        metrics::{Exposition, Family},
        report,
    },
    time::Clock,
};

use super::{
    Condition, Look,
    config::{Endpoint, Signal},
    json,
    post::post,
    queue::Queue,
};

/// A receiver that does not take traces is tried again after this long, then after twice as long each time, up to the
/// second.
const AGAIN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// So many series go together.
const TOGETHER: usize = 1_000;

/// The way of one signal.
pub(super) struct Outlet {
    pub signal: Signal,
    pub to: Endpoint,
    pub resource: Arc<str>,
    pub client: Client,
    pub clock: Clock,
    pub condition: Condition,
    pub closed: watch::Receiver<bool>,
}

impl Outlet {
    /// Sends it; an error was told. `lost` is what was lost so far, for who reads that it goes well again.
    async fn send(&self, body: String, lost: impl Fn() -> u64) -> Result<usize, Failed> {
        let sent = post(&self.client, &self.to, body, self.clock.now()).await;
        let signal = self.signal.as_str();
        match &sent {
            Ok(_) => {
                if self.condition.set(self.signal, None) {
                    report::export_restored(signal, &self.to.place(), lost());
                }
            }
            Err(Failed { reason, .. }) => {
                let place = self.to.place();
                let what = format!(
                    "{signal} do not arrive at {place}: {reason}; jobs run, and it is tried again and again"
                );
                let problem =
                    Diagnostic::warning(Origin::Environment(self.to.variable.as_str().into()), what);
                let told = self.condition.set(self.signal, Some(problem));
                report::export_failing(self.signal, &place, reason, told);
            }
        }
        sent
    }

    /// Waits for this long; the answer is whether the end came before.
    async fn rest(&mut self, until: impl Future<Output = ()>) -> bool {
        tokio::select! {
            biased;
            // Who would say it has gone.
            _ = self.closed.wait_for(|it| *it) => true,
            () = until => false,
        }
    }
}

/// Traces, several together.
pub(super) async fn traces(mut outlet: Outlet, queue: Arc<Queue>, delay: Duration) {
    let mut closed = false;
    let mut again = AGAIN.0;
    while !closed {
        let enough = async {
            tokio::select! {
                () = sleep(delay) => {}
                () = queue.enough() => {}
            }
        };
        closed = outlet.rest(enough).await;
        while !send_next(&outlet, &queue).await {
            if closed {
                return;
            }
            closed = outlet.rest(sleep(again)).await;
            again = (again * 2).min(AGAIN.1);
        }
        again = AGAIN.0;
    }
}

/// Sends what waits; the answer is whether nothing is left that has to be tried again.
async fn send_next(outlet: &Outlet, queue: &Queue) -> bool {
    loop {
        let next = queue.next();
        if next.is_empty() {
            return true;
        }
        let spans: Vec<&str> = next.iter().map(|it| &*it.json).collect();
        let body = json::request("Spans", &outlet.resource, &spans);
        match outlet.send(body, || queue.goes_well()).await {
            Ok(0) => {}
            Ok(unwanted) => queue.drop_spans(unwanted, "the receiver does not want them"),
            Err(Failed { again: true, .. }) => return false,
            Err(Failed { reason, .. }) => {
                queue.drop_spans(next.iter().map(|it| it.spans).sum(), &reason);
            }
        }
        queue.gone(next.len());
    }
}

/// Metrics, all of them, every time.
pub(super) async fn metrics(mut outlet: Outlet, look: Look, interval: Duration) {
    let since = outlet.clock.now();
    let mut next = Instant::now();
    let mut closed = false;
    while !closed {
        next = (next + interval).max(Instant::now());
        closed = outlet.rest(sleep_until(next)).await;
        send_all(&outlet, &look, since).await;
    }
}

/// What a receiver does not take now is newer the next time.
async fn send_all(outlet: &Outlet, look: &Look, since: Timestamp) {
    let mut exposition: Option<Exposition> = None;
    let mut over = false;
    while !over {
        let (look, before) = (look.clone(), exposition.take());
        // It takes its time where there are many jobs.
        let made = spawn_blocking(move || part(before.unwrap_or_else(|| look())));
        let Ok((families, rest)) = made.await else { return };
        over = rest.is_none();
        exposition = rest;
        let now = outlet.clock.now();
        let metrics: Vec<String> = families.iter().map(|it| json::metric(it, since, now)).collect();
        let metrics: Vec<&str> = metrics.iter().map(String::as_str).collect();
        let body = json::request("Metrics", &outlet.resource, &metrics);
        if outlet.send(body, || 0).await.is_err() {
            return;
        }
    }
}

/// As much as goes together, and what is left.
fn part(mut exposition: Exposition) -> (Vec<Family>, Option<Exposition>) {
    let mut families: Vec<Family> = Vec::new();
    let mut series = 0;
    while series < TOGETHER {
        let Some(piece) = exposition.numbers() else { return (families, None) };
        for family in piece {
            series += family.points.len();
            match families.last_mut().filter(|it| it.name == family.name) {
                Some(last) => last.points.extend(family.points),
                None => families.push(family),
            }
        }
    }
    (families, Some(exposition))
}
