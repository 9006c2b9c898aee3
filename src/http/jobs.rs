//! The list of jobs: a page of what the agent's snapshot has, with the end of each one's newest run.

use std::collections::HashMap;

use axum::{extract::State, http::HeaderMap, response::Response};
use jiff::{SignedDuration, Timestamp};

use crate::{
    agent::handle::Snapshot,
    history::{
        keeper::Condition,
        live::Going,
        query::{Filter, KeptRun, Phase},
    },
    model::{job::JobSpec, name::JobId, run::RunRecord},
    plan::Entry,
    telemetry::report::rfc3339,
};

use super::{
    api::Api,
    dto::{JobItem, JobList, JobState, JobsQuery, LastRun, Paused, ProblemDetails, ScheduleWords},
    problem::{Asked, Problem, tagged},
};

/// How many jobs a page has.
const PAGE: u32 = 100;

/// How many things a page has at most.
const LIMIT: u32 = 1000;

/// The size of a page that was asked for.
pub(super) fn page(asked: Option<u32>, usual: u32) -> Result<usize, Problem> {
    let size = asked.unwrap_or(usual);
    if size == 0 || size > LIMIT {
        return Err(Problem::bad(format!("limit is {size}: write a number from 1 to {LIMIT}")));
    }
    Ok(usize::try_from(size).unwrap_or(usize::MAX))
}

/// The jobs, by name.
#[utoipa::path(
    get, path = "/api/jobs", params(JobsQuery),
    responses(
        (status = 200, description = "A page; with an ETag", body = JobList),
        (status = 304, description = "It is the one of If-None-Match"),
        (status = 400, description = "The question makes no sense", body = ProblemDetails, content_type = "application/problem+json"),
    )
)]
pub async fn list_jobs(
    State(api): State<Api>,
    Asked(query): Asked<JobsQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let limit = page(query.limit, PAGE)?;
    let (snapshot, going) = (api.agent.snapshot(), api.keeper.going());
    let look = Look { snapshot: &snapshot, going: &going, now: api.clock.now() };
    let part = query.name.as_ref().map(|it| it.to_lowercase());
    let fits = |(id, entry): &(&JobId, &Entry)| {
        query.kind.as_ref().is_none_or(|kind| entry.spec.kind().as_str() == kind)
            && part.as_ref().is_none_or(|part| id.as_str().to_lowercase().contains(part))
            && query.state.is_none_or(|state| look.state(&entry.spec) == state)
    };
    let (mut total, mut jobs, mut more) = (0, Vec::new(), false);
    for (id, entry) in snapshot.catalog.iter().filter(fits) {
        total += 1;
        if query.cursor.as_ref().is_some_and(|cursor| id.as_str() <= cursor.as_str()) {
            continue;
        }
        if jobs.len() < limit {
            jobs.push(look.item(id, entry));
        } else {
            more = true;
        }
    }
    add_last(&api, &mut jobs).await;
    let next_cursor = jobs.last().filter(|_| more).map(|it| it.name.clone());
    Ok(tagged(&headers, &JobList { jobs, total, next_cursor }))
}

/// The end of each one's newest run. A history that cannot be read costs those that only it knows.
async fn add_last(api: &Api, jobs: &mut [JobItem]) {
    if *api.keeper.condition().borrow() == Condition::Well {
        add_kept(api, jobs).await;
    }
    let recent = api.keeper.ended_beginning("");
    // The newest of a job comes last.
    let newest: HashMap<&JobId, &RunRecord> = recent.iter().map(|it| (&it.job, &**it)).collect();
    for job in jobs {
        let record = newest.get(&JobId::plain(&job.name));
        let newer = record.filter(|record| job.last.as_ref().is_none_or(|last| *record.run.0 > *last.run));
        if let Some(record) = newer {
            job.last = Some(last_record(record));
        }
    }
}

async fn add_kept(api: &Api, jobs: &mut [JobItem]) {
    let names: Vec<JobId> = jobs.iter().map(|it| JobId::plain(&it.name)).collect();
    let found = api.read(move |reader| {
        let last = names.into_iter().map(|job| {
            let filter = Filter { job: Some(job), ..Filter::default() };
            // One may go on and one may wait.
            Ok(reader.runs(&filter, 3)?.iter().find_map(last_run))
        });
        last.collect::<Result<Vec<_>, _>>()
    });
    for (job, last) in jobs.iter_mut().zip(found.await.ok().flatten().unwrap_or_default()) {
        job.last = last;
    }
}

/// The end of a run, if it has one.
pub(super) fn last_run(it: &KeptRun) -> Option<LastRun> {
    let end = it.end.as_ref().filter(|_| it.phase == Phase::Ended)?;
    Some(LastRun {
        run: it.run.to_string(),
        outcome: end.outcome.clone(),
        exit_code: end.exit_code,
        ended: end.at.to_string(),
        duration_seconds: it.duration.map(|it| it.as_secs_f64()),
    })
}

/// The end of a run whose record may not be in the file yet.
pub(super) fn last_record(it: &RunRecord) -> LastRun {
    LastRun {
        run: it.run.to_string(),
        outcome: it.outcome.as_str().to_owned(),
        exit_code: it.outcome.exit_code(),
        ended: it.ended.to_string(),
        duration_seconds: it.duration.map(|it| it.as_secs_f64()),
    }
}

/// The moments that the schedule of a job names and on which it acts, as long as nothing is changed.
pub(super) fn coming<'a>(
    snapshot: &Snapshot,
    spec: &'a JobSpec,
    now: Timestamp,
) -> impl Iterator<Item = Timestamp> + use<'a> {
    let from = match snapshot.paused.get(&spec.id) {
        _ if !spec.enabled => None,
        None => Some(now),
        // It goes on with that moment.
        Some(Some(until)) => {
            let before = until.saturating_sub(SignedDuration::from_nanos(1)).unwrap_or(*until);
            Some(before.max(now))
        }
        Some(None) => None,
    };
    let anchor = snapshot.anchors.get(&spec.id).copied().unwrap_or(now);
    let first = from.and_then(|from| spec.schedule.next_after(from, anchor));
    std::iter::successors(first, move |at| spec.schedule.next_after(*at, anchor))
}

/// What is seen of jobs at one moment.
pub(super) struct Look<'a> {
    pub snapshot: &'a Snapshot,
    pub going: &'a HashMap<JobId, Going>,
    pub now: Timestamp,
}

impl Look<'_> {
    fn going(&self, id: &JobId) -> Going {
        self.going.get(id).copied().unwrap_or_default()
    }

    pub fn state(&self, spec: &JobSpec) -> JobState {
        let Going { running, waiting } = self.going(&spec.id);
        match () {
            () if running > 0 => JobState::Running,
            () if waiting > 0 => JobState::Waiting,
            () if !spec.enabled => JobState::Disabled,
            () if self.snapshot.paused.contains_key(&spec.id) => JobState::Paused,
            () => JobState::Enabled,
        }
    }

    /// The next moments that the schedule names and on which it acts.
    pub fn upcoming(&self, spec: &JobSpec, count: usize) -> Vec<String> {
        let zone = spec.schedule.zone().time_zone();
        coming(self.snapshot, spec, self.now).take(count).map(|at| rfc3339(at, zone)).collect()
    }

    pub fn item(&self, id: &JobId, entry: &Entry) -> JobItem {
        let spec = &*entry.spec;
        let Going { running, waiting } = self.going(id);
        let paused = self.snapshot.paused.get(id);
        JobItem {
            name: id.to_string(),
            kind: spec.kind().to_string(),
            state: self.state(spec),
            reason: (!spec.enabled).then(|| "its parameter enabled is false".to_owned()),
            paused: paused.map(|until| Paused { until: until.map(|it| it.to_string()) }),
            schedule: Some(ScheduleWords {
                text: spec.schedule.text().to_owned(),
                words: spec.schedule.words(),
                timezone: spec.schedule.zone().name().to_owned(),
            }),
            next: self.upcoming(spec, 1).pop(),
            container: entry.holder.as_ref().map(|it| it.name.to_string()),
            origin: Some(spec.origin.to_string()),
            running,
            waiting,
            last: None,
        }
    }
}
