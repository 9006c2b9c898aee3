//! One job: all that is known of it, where each value comes from, and what its runs come to.

use std::{collections::HashMap, sync::Arc};

use axum::{
    Json,
    extract::State,
    http::header,
    response::{AppendHeaders, IntoResponse, Response},
};
use tokio::task::spawn_blocking;

use crate::model::gather::Gather;
use crate::{
    agent::handle::{Basis, Snapshot},
    history::query::{Filter, KeptRun},
    model::{
        diagnostic::Diagnostic,
        job::JobSpec,
        name::JobId,
        origin::Origin,
        run::{Outcome, Trigger},
        skip::Skip,
    },
    settings::{
        explain::{ChannelRow, Explained, Placed, Row, explain, parameters},
        resolve::View,
    },
    telemetry::report::rfc3339,
};

use super::{
    api::Api,
    dto::{
        JobDetails, JobItem, JobState, Now, ParameterRow, PlacedValue, Previous, ProblemDetails, ProblemRow,
        Statistics,
    },
    dto_runs::ChannelConfig,
    jobs::{Look, last_record, last_run},
    problem::{Named, Problem},
};

/// How many moments and occurrences are told.
const NEAR: usize = 5;

/// How many runs the statistics look at.
const COUNTED: u32 = 1000;

/// The tag of a job that was made over the API.
pub(super) type Tag = AppendHeaders<Option<(header::HeaderName, String)>>;

/// One job: all that is known of it. The `ETag` of one that was made over the API changes with what it is to be, and not with
/// its runs.
#[utoipa::path(
    get, path = "/api/jobs/{name}", params(("name" = String, Path, description = "The job's identity")),
    responses(
        (status = 200, description = "The job; with an ETag if it was made over the API", body = JobDetails),
        (status = 404, description = "There is no such job", body = ProblemDetails, content_type = "application/problem+json"),
    )
)]
pub async fn get_job(State(api): State<Api>, Named(name): Named) -> Result<Response, Problem> {
    let (details, tag) =
        details(&api, &JobId::plain(&name)).await.ok_or_else(|| Api::no_job(&api.agent.snapshot(), &name))?;
    Ok((tag, Json(details)).into_response())
}

/// All that is known of a job, if it is there.
pub(super) async fn details(api: &Api, id: &JobId) -> Option<(JobDetails, Tag)> {
    let (snapshot, going) = (api.agent.snapshot(), api.keeper.going());
    let look = Look { snapshot: &snapshot, going: &going, now: api.clock.now() };
    let entry = snapshot.catalog.get(id);
    let explained = explained(&snapshot, id, entry.map(|it| it.spec.clone()), look.now).await;
    let mut job = match (entry, &explained) {
        (Some(entry), _) => look.item(id, entry),
        (None, Some(explained)) => rejected(id.as_str(), explained),
        (None, None) => return None,
    };
    api.settle().await;
    // What the history does not say now is left out: the rest is worth having.
    let (runs, last_success) = kept(api, id).await.unwrap_or_default();
    job.last = runs.iter().find_map(last_run);
    let recent = api.keeper.ended_beginning("").into_iter().rfind(|it| it.job == *id);
    let newer = recent.filter(|it| job.last.as_ref().is_none_or(|last| *it.run.0 > *last.run));
    job.last = newer.map(|it| last_record(&it)).or(job.last);
    let (parameters, diagnostics): (Vec<_>, Vec<_>) = explained.map_or_else(Default::default, |it| {
        (it.parameters.iter().map(parameter).collect(), it.diagnostics.iter().map(problem).collect())
    });
    if let Some(why) = disabled_by(&parameters).filter(|_| job.state == JobState::Disabled) {
        job.reason = Some(why);
    }
    let zone = entry.map(|entry| entry.spec.schedule.zone().time_zone().clone());
    let statistics = Statistics { last_success, ..statistics(&runs) };
    let details = JobDetails {
        upcoming: entry.map(|entry| look.upcoming(&entry.spec, NEAR)).unwrap_or_default(),
        previous: previous(&runs, &zone.unwrap_or(jiff::tz::TimeZone::UTC)),
        now: now(api, id),
        parameters,
        statistics,
        diagnostics,
        job,
    };
    let made = snapshot.basis.sources.as_ref().and_then(|it| it.made.get(id));
    let tag = made.map(|it| (header::ETAG, format!("\"{}\"", it.revision)));
    Some((details, AppendHeaders(tag)))
}

/// Read anew from what the jobs follow from: that is done seldom, and what it finds is not kept in memory. Of a job that is
/// on the schedule it was said already what is wrong with it, so the others are not read for it.
async fn explained(
    snapshot: &Snapshot,
    id: &JobId,
    spec: Option<Arc<JobSpec>>,
    now: jiff::Timestamp,
) -> Option<Explained> {
    let Basis { sources, inventory } = snapshot.basis.clone();
    let (sources, id) = (sources?, id.clone());
    let known = snapshot.diagnostics.clone();
    let work = spawn_blocking(move || {
        // What is made over the API is seen at once, also by who cannot say yet whether it can run.
        let unseen = if sources.made.contains_key(&id) { View::FilesOnly } else { View::Unknown };
        let view = inventory.as_deref().map_or(unseen, View::Observed);
        let (kind, parameters) = parameters(&sources, view, now, &id, spec.as_deref())?;
        if spec.is_none() {
            return explain(&sources, view, now, &id);
        }
        let diagnostics = known.iter().filter(|it| it.job.as_ref() == Some(&id)).cloned().collect();
        Some(Explained { kind, job: None, parameters, diagnostics })
    });
    work.await.ok().flatten()
}

async fn kept(api: &Api, id: &JobId) -> Result<(Vec<KeptRun>, Option<String>), Problem> {
    let id = id.clone();
    let found = api.read(move |reader| {
        let filter = Filter { job: Some(id.clone()), ..Filter::default() };
        Ok((reader.runs(&filter, COUNTED)?, reader.last_success(&id)?))
    });
    let (runs, success) = found.await?.unwrap_or_default();
    Ok((runs, success.map(|it| it.to_string())))
}

/// A job that was written and that there is not.
fn rejected(name: &str, explained: &Explained) -> JobItem {
    let why = explained.diagnostics.iter().find(|it| it.rejects).map(|it| it.reason.clone());
    let early = "the Engine has not answered yet: until it does, only jobs of kind local are on the schedule";
    let why = why.or_else(|| explained.job.is_some().then(|| early.to_owned()));
    JobItem {
        name: name.to_owned(),
        kind: explained.kind.to_string(),
        state: JobState::Rejected,
        reason: Some(why.unwrap_or_else(|| "what was written makes no job: see its diagnostics".to_owned())),
        paused: None,
        schedule: None,
        next: None,
        container: None,
        origin: None,
        running: 0,
        waiting: 0,
        last: None,
    }
}

fn disabled_by(parameters: &[ParameterRow]) -> Option<String> {
    let enabled = parameters.iter().find(|it| it.name == "enabled")?;
    Some(format!("enabled is {} at {}", enabled.value, enabled.origin))
}

fn now(api: &Api, id: &JobId) -> Vec<Now> {
    let live = api.keeper.live(Some(id)).into_iter();
    let now = live.map(|it| Now {
        run: it.admitted.run.to_string(),
        phase: if it.running { "running" } else { "waiting" }.to_owned(),
        since: it.started.unwrap_or(it.admitted.admitted).to_string(),
    });
    now.collect()
}

fn previous(runs: &[KeptRun], zone: &jiff::tz::TimeZone) -> Vec<Previous> {
    let of_schedule = runs.iter().filter(|it| matches!(it.trigger, Trigger::Schedule | Trigger::CatchUp));
    let previous = of_schedule.take(NEAR).map(|it| Previous {
        occurrence: rfc3339(it.occurrence, zone),
        run: it.run.to_string(),
        outcome: it.end.as_ref().map(|end| end.outcome.clone()),
    });
    previous.collect()
}

/// What runs come to; the newest first.
fn statistics(runs: &[KeptRun]) -> Statistics {
    let mut counted: HashMap<&str, u64> = HashMap::new();
    let ended = || runs.iter().filter_map(|it| Some((it, it.end.as_ref()?)));
    for (_, end) in ended() {
        *counted.entry(&end.outcome).or_default() += 1;
    }
    let mut lengths: Vec<f64> = runs.iter().filter_map(|it| Some(it.duration?.as_secs_f64())).collect();
    lengths.sort_by(f64::total_cmp);
    let middle = lengths.len() / 2;
    let median = match lengths.len() {
        0 => None,
        n if n % 2 == 1 => Some(lengths[middle]),
        _ => Some(f64::midpoint(lengths[middle - 1], lengths[middle])),
    };
    let succeeded = Outcome::Succeeded { exit_code: Some(0) }.as_str();
    let passed_over = [
        Outcome::Skipped { by: Skip::Overlap, reason: String::new() },
        Outcome::Missed { reason: String::new() },
    ];
    let ran = ended().map(|(_, end)| &*end.outcome);
    let ran = ran.filter(|it| !passed_over.iter().any(|other| other.as_str() == *it));
    Statistics {
        runs: counted.values().sum(),
        outcomes: counted.into_iter().map(|(outcome, count)| (outcome.to_owned(), count)).into_map(),
        median_duration_seconds: median,
        success_streak: ran.take_while(|it| *it == succeeded).map(|_| 1).sum(),
        last_success: None,
    }
}

fn placed(it: &Placed) -> PlacedValue {
    PlacedValue { value: it.value.clone(), origin: it.origin.to_string() }
}

/// A parameter or setting.
pub(super) fn parameter(row: &Row) -> ParameterRow {
    ParameterRow {
        name: row.name.to_owned(),
        value: row.is.value.clone(),
        origin: row.is.origin.to_string(),
        refused: row.refused.as_ref().map(placed),
        hides: row.hides.iter().map(placed).collect(),
    }
}

/// A channel with what is written of it.
pub(super) fn channel(it: &ChannelRow) -> ChannelConfig {
    let value = |(name, is): &(&'static str, Placed)| {
        parameter(&Row { name, is: is.clone(), refused: None, hides: Vec::new() })
    };
    ChannelConfig {
        name: it.name.to_string(),
        kind: it.kind.as_str().to_owned(),
        origin: it.origin.to_string(),
        values: it.values.iter().map(value).collect(),
    }
}

/// Something that is wrong.
pub(super) fn problem(it: &Diagnostic) -> ProblemRow {
    ProblemRow {
        severity: it.severity.as_str().to_owned(),
        job: it.job.as_ref().map(ToString::to_string),
        rejects: it.rejects,
        origin: it.origin.to_string(),
        parameter: match &it.origin {
            Origin::Api(Some(key)) => Some(key.to_string()),
            _ => None,
        },
        reason: it.reason.clone(),
    }
}
