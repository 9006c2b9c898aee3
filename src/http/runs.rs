//! Runs: a page of them, one with its attempts, and which one is meant.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use axum::{Json, extract::State, http::HeaderMap, response::Response};

use crate::model::gather::Gather;
use crate::{
    history::{
        live::LiveRun,
        query::{Attempt, End, Filter, KeptRun, Phase},
    },
    model::{
        diagnostic::nearest,
        name::JobId,
        run::{Printed, RunId, RunRecord},
    },
};

use super::{
    api::Api,
    dto::ProblemDetails,
    dto_runs::{AttemptRow, HistoryQuery, RunDetails, RunItem, RunList, RunsQuery},
    jobs::page,
    problem::{Asked, Named, Problem, tagged},
};

/// How many runs a page has.
const PAGE: u32 = 50;

/// Among so many of the newest runs a mistyped one is looked for.
const NEAR: u32 = 200;

/// The runs, the newest first.
#[utoipa::path(
    get, path = "/api/runs", params(RunsQuery),
    responses(
        (status = 200, description = "A page; with an ETag", body = RunList),
        (status = 304, description = "It is the one of If-None-Match"),
        (status = 400, description = "The question makes no sense", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 503, description = "The history cannot be read", body = ProblemDetails, content_type = "application/problem+json"),
    )
)]
pub async fn list_runs(
    State(api): State<Api>,
    Asked(query): Asked<RunsQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let RunsQuery { limit, cursor, job, outcome } = query;
    let filter =
        Filter { job: job.as_deref().map(JobId::plain), outcome, before: cursor.as_deref().map(run_id) };
    Ok(tagged(&headers, &list(&api, filter, limit).await?))
}

/// The runs of one job, the newest first; also of a job that has gone.
#[utoipa::path(
    get, path = "/api/jobs/{name}/history", params(HistoryQuery, ("name" = String, Path, description = "The job's identity")),
    responses(
        (status = 200, description = "A page; with an ETag", body = RunList),
        (status = 304, description = "It is the one of If-None-Match"),
        (status = 400, description = "The question makes no sense", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 404, description = "There is no such job, and there are no runs of one", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 503, description = "The history cannot be read", body = ProblemDetails, content_type = "application/problem+json"),
    )
)]
pub async fn job_history(
    State(api): State<Api>,
    Named(name): Named,
    Asked(query): Asked<HistoryQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let HistoryQuery { limit, cursor, outcome } = query;
    let job = JobId::plain(&name);
    let begins = cursor.is_none() && outcome.is_none();
    let filter = Filter { job: Some(job.clone()), outcome, before: cursor.as_deref().map(run_id) };
    let list = list(&api, filter, limit).await?;
    if list.runs.is_empty() && begins {
        let snapshot = api.agent.snapshot();
        if snapshot.catalog.get(&job).is_none() {
            return Err(Api::no_job(&snapshot, &name));
        }
    }
    Ok(tagged(&headers, &list))
}

fn run_id(text: &str) -> RunId {
    RunId(text.to_ascii_uppercase().into())
}

async fn list(api: &Api, filter: Filter, limit: Option<u32>) -> Result<RunList, Problem> {
    let limit = page(limit, PAGE)?;
    // What goes on is known also where nothing is kept.
    let live = if filter.outcome.is_some() { Vec::new() } else { api.keeper.live(filter.job.as_ref()) };
    let before = filter.before.clone();
    api.settle().await;
    let ended_since = ended_since(api, &filter);
    let most = u32::try_from(limit + 1).unwrap_or(u32::MAX);
    let kept = api.read(move |reader| reader.runs(&filter, most)).await?.unwrap_or_default();
    let live = live.iter().filter(|it| before.as_ref().is_none_or(|before| it.admitted.run < *before));
    let mut all: BTreeMap<String, RunItem> = live.map(going).map(|it| (it.run.clone(), it)).into_map();
    all.extend(kept.iter().map(item).map(|it| (it.run.clone(), it)));
    // While the store cannot be written, the records wait for it, and it has rows of runs that have ended since.
    let last = kept.last().filter(|_| kept.len() > limit).map(|it| it.run.clone());
    for record in ended_since {
        if last.as_ref().is_none_or(|last| record.run > *last) {
            all.entry(record.run.to_string())
                .and_modify(|it| settle(it, &record))
                .or_insert_with(|| ended(&record));
        }
    }
    let mut runs: Vec<RunItem> = all.into_values().rev().collect();
    let more = runs.len() > limit;
    runs.truncate(limit);
    let next_cursor = runs.last().filter(|_| more).map(|it| it.run.clone());
    Ok(RunList { runs, next_cursor })
}

/// The records that may not be in the file yet, of those that are asked for.
fn ended_since(api: &Api, filter: &Filter) -> Vec<Arc<RunRecord>> {
    let mut records = api.keeper.ended_beginning("");
    records.retain(|it| {
        filter.job.as_ref().is_none_or(|job| it.job == *job)
            && filter.before.as_ref().is_none_or(|before| it.run < *before)
            && filter.outcome.as_ref().is_none_or(|outcome| it.outcome.as_str() == outcome)
    });
    records
}

/// A row without an end has the one of its record.
fn settle(row: &mut RunItem, record: &RunRecord) {
    if row.outcome.is_none() {
        *row = ended(record);
    }
}

/// One run with its attempts.
#[utoipa::path(
    get, path = "/api/runs/{id}", params(("id" = String, Path, description = "The run's ID, or a beginning that no other has")),
    responses(
        (status = 200, description = "The run", body = RunDetails),
        (status = 400, description = "Several begin like that", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 404, description = "There is no such run", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 503, description = "The history cannot be read", body = ProblemDetails, content_type = "application/problem+json"),
    )
)]
pub async fn get_run(State(api): State<Api>, Named(id): Named) -> Result<Json<RunDetails>, Problem> {
    let run = find(&api, &id).await?;
    Ok(Json(details(&api, &run).await?))
}

/// All that is known of a run.
pub(super) async fn details(api: &Api, run: &RunId) -> Result<RunDetails, Problem> {
    let id = run.clone();
    match api.read(move |reader| reader.run(&id)).await.map(Option::flatten) {
        Ok(Some((kept, attempts))) => {
            let mut run = item(&kept);
            if let Some(record) = api.keeper.ended_beginning(&kept.run.0).first() {
                settle(&mut run, record);
            }
            Ok(RunDetails { run, tries: attempts.iter().map(attempt).collect() })
        }
        other => {
            let live = api.keeper.live_beginning(&run.0).first().map(going);
            let known = live.or_else(|| api.keeper.ended_beginning(&run.0).first().map(|it| ended(it)));
            match known {
                Some(run) => Ok(RunDetails { run, tries: Vec::new() }),
                None => Err(other
                    .err()
                    .unwrap_or_else(|| Problem::not_found(format!("there is no run {run} any more")))),
            }
        }
    }
}

/// The run that is meant: its ID, or a beginning that no other has.
pub(super) async fn find(api: &Api, text: &str) -> Result<RunId, Problem> {
    let prefix = text.to_ascii_uppercase();
    if prefix.is_empty() || !prefix.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err(Problem::bad(format!("\"{text}\" is no run: an ID has letters and digits only")));
    }
    let live = api.keeper.live_beginning(&prefix);
    let mut found: BTreeSet<RunId> = live.into_iter().map(|it| it.admitted.run).collect();
    found.extend(api.keeper.ended_beginning(&prefix).into_iter().map(|it| it.run.clone()));
    api.settle().await;
    let asked = prefix.clone();
    match api.read(move |reader| reader.beginning(&asked)).await {
        Ok(kept) => found.extend(kept.unwrap_or_default()),
        Err(error) if found.is_empty() => return Err(error),
        Err(_) => {}
    }
    if found.len() > 1 {
        let detail = format!("several runs begin with {prefix}: write more of the ID");
        return Err(Problem::bad(detail));
    }
    match found.pop_first() {
        Some(run) => Ok(run),
        None => Err(no_run(api, &prefix).await),
    }
}

async fn no_run(api: &Api, prefix: &str) -> Problem {
    let recent = api.read(|reader| reader.runs(&Filter::default(), NEAR)).await.ok().flatten();
    // Texts are compared in lower case, and IDs are written in upper case.
    let ids: Vec<String> = recent.iter().flatten().map(|it| it.run.0.to_ascii_lowercase()).collect();
    let near = nearest(prefix, ids.iter().map(String::as_str));
    let near = near.map_or_else(String::new, |it| format!(": did you mean \"{}\"?", it.to_ascii_uppercase()));
    Problem::not_found(format!("there is no run {prefix} that is kept{near}"))
}

fn phase(it: Phase) -> String {
    match it {
        Phase::Waiting => "waiting",
        Phase::Running => "running",
        Phase::Ended => "ended",
    }
    .to_owned()
}

/// A run as it was kept.
pub fn item(it: &KeptRun) -> RunItem {
    let Printed { stdout, stderr } = it.printed;
    let end = it.end.as_ref();
    RunItem {
        run: it.run.to_string(),
        job: it.job.to_string(),
        kind: it.kind.to_string(),
        trigger: it.trigger.as_str().to_owned(),
        phase: phase(it.phase),
        occurrence: it.occurrence.to_string(),
        fires: it.fires.to_string(),
        admitted: it.admitted.to_string(),
        started: it.started.map(|it| it.to_string()),
        ended: end.map(|it| it.at.to_string()),
        duration_seconds: it.duration.map(|it| it.as_secs_f64()),
        outcome: end.map(|it| it.outcome.clone()),
        exit_code: end.and_then(|it| it.exit_code),
        reason: end.and_then(|it| it.reason.clone()),
        container: it.container.clone(),
        attempts: it.attempts,
        and_more: it.and_more,
        stdout_bytes: stdout,
        stderr_bytes: stderr,
    }
}

/// A run that goes on or waits.
fn going(it: &LiveRun) -> RunItem {
    let LiveRun { admitted, running, started, attempt } = it.clone();
    let kept = KeptRun {
        run: admitted.run,
        job: admitted.job,
        kind: admitted.kind,
        trigger: admitted.trigger,
        occurrence: admitted.occurrence,
        fires: admitted.fires,
        admitted: admitted.admitted,
        started,
        duration: None,
        phase: if running { Phase::Running } else { Phase::Waiting },
        end: None,
        container: admitted.container,
        and_more: 0,
        attempts: attempt,
        printed: Printed::default(),
    };
    item(&kept)
}

/// A run that has just left its record.
pub(super) fn ended(record: &RunRecord) -> RunItem {
    let it = record.clone();
    let end = End {
        at: it.ended,
        outcome: it.outcome.as_str().to_owned(),
        exit_code: it.outcome.exit_code(),
        reason: it.reason(),
    };
    item(&KeptRun {
        run: it.run,
        job: it.job,
        kind: it.kind,
        trigger: it.trigger,
        occurrence: it.occurrence,
        fires: it.fires,
        admitted: it.admitted,
        started: it.started,
        duration: it.duration,
        phase: Phase::Ended,
        end: Some(end),
        container: it.container,
        and_more: it.and_more,
        attempts: it.attempts,
        printed: it.printed,
    })
}

/// An attempt.
pub fn attempt(it: &Attempt) -> AttemptRow {
    let end = it.end.as_ref();
    AttemptRow {
        number: it.number,
        started: it.started.map(|it| it.to_string()),
        ended: end.map(|it| it.at.to_string()),
        outcome: end.map(|it| it.outcome.clone()),
        exit_code: end.and_then(|it| it.exit_code),
        reason: end.and_then(|it| it.reason.clone()),
    }
}
