//! Channels: how they do, a message for trial, and what one would be told of a job.

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode};

use crate::{
    history::query::{Filter, KeptRun},
    model::{
        channel::Channel,
        diagnostic::did_you_mean,
        job::JobSpec,
        name::JobId,
        notification::{Cause, Notification, RunFacts, Streak},
    },
    notify::{board::ChannelState, handle::NotTold, message::Message},
};

use super::{
    api::Api,
    dto::{NothingToSay, ProblemDetails},
    dto_channels::{ChannelFailing, ChannelItem, ChannelList, MessageItem, PreviewQuery},
    problem::{Asked, Named, Problem, Said},
};

impl From<NotTold> for Problem {
    fn from(it: NotTold) -> Self {
        match it {
            NotTold::NoChannel(reason) => Self::not_found(reason),
            NotTold::Trouble(why) => {
                Self::new(StatusCode::BAD_GATEWAY, format!("it did not arrive: {}", why.reason))
            }
        }
    }
}

/// Every channel and how it does; never where it leads.
#[utoipa::path(get, path = "/api/channels", responses((status = 200, description = "All of them", body = ChannelList)))]
pub async fn list_channels(State(api): State<Api>) -> Json<ChannelList> {
    let all = api.notifications.channels();
    Json(ChannelList {
        channels: all.iter().map(|(name, (channel, state))| item(name, channel.as_deref(), state)).collect(),
    })
}

fn item(name: &str, channel: Option<&Channel>, state: &ChannelState) -> ChannelItem {
    let ChannelState { waiting, sent, given_up, last_sent, trouble } = state;
    ChannelItem {
        name: name.to_owned(),
        r#type: channel.map(|it| it.kind.as_str().to_owned()),
        origin: channel.map(|it| it.origin.to_string()),
        notify_on: channel
            .map(|it| it.causes().iter().map(|cause| cause.as_str().to_owned()).collect())
            .unwrap_or_default(),
        waiting: *waiting,
        sent: *sent,
        given_up: *given_up,
        last_sent: last_sent.map(|it| it.to_string()),
        failing: trouble.as_ref().map(|it| ChannelFailing {
            since: it.since.to_string(),
            reason: it.reason.clone(),
            next: it.next.map(|next| next.to_string()),
        }),
    }
}

/// Sends a message for trial, now and once, past what waits for the channel.
#[utoipa::path(
    post, path = "/api/channels/{name}/test", params(("name" = String, Path, description = "The channel's name")),
    request_body = Option<NothingToSay>,
    responses(
        (status = 200, description = "It arrived", body = MessageItem),
        (status = 400, description = "The body makes no sense", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 404, description = "There is no such channel", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 502, description = "It did not arrive, and why", body = ProblemDetails, content_type = "application/problem+json"),
    )
)]
pub async fn test_channel(
    State(api): State<Api>,
    Named(name): Named,
    Said(NothingToSay {}): Said<NothingToSay>,
) -> Result<Json<MessageItem>, Problem> {
    let message = api.notifications.test(&name).await?;
    Ok(Json(said(&name, message)))
}

fn said(channel: &str, it: Message) -> MessageItem {
    MessageItem {
        channel: channel.to_owned(),
        cause: it.cause.as_str().to_owned(),
        title: it.title,
        text: it.text,
        output: it.tail,
        link: it.link,
        data: it.data,
    }
}

/// What a channel would be told of a job, made from its last run, or from one that is made up where there was none.
#[utoipa::path(
    get, path = "/api/jobs/{name}/notification", params(PreviewQuery, ("name" = String, Path, description = "The job's identity")),
    responses(
        (status = 200, description = "The message; nothing is sent", body = MessageItem),
        (status = 400, description = "The question makes no sense", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 404, description = "There is no such job, or no such channel", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 409, description = "The job names no channel", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 502, description = "The channel's words for it cannot be made, and why", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 503, description = "The history cannot be read", body = ProblemDetails, content_type = "application/problem+json"),
    )
)]
pub async fn preview(
    State(api): State<Api>,
    Named(name): Named,
    Asked(query): Asked<PreviewQuery>,
) -> Result<Json<MessageItem>, Problem> {
    let (id, snapshot) = (JobId::plain(&name), api.agent.snapshot());
    let Some(entry) = snapshot.catalog.get(&id) else { return Err(Api::no_job(&snapshot, &name)) };
    let Some(channel) = query.channel.as_deref().or_else(|| first_channel(&entry.spec)) else {
        let detail = "the job names no channel: add notify to it, or name one with channel=";
        return Err(Problem::new(StatusCode::CONFLICT, detail));
    };
    let channel = api.notifications.channel(channel)?;
    let cause = query.cause.as_deref().map(cause).transpose().map_err(Problem::bad)?;
    api.settle().await;
    let filter = Filter { job: Some(id), ..Filter::default() };
    let last = api.read(move |reader| reader.runs(&filter, 20)).await?.unwrap_or_default();
    let last = last.into_iter().find(|it| it.end.is_some());
    let it = notification(&api, &channel, &entry.spec, cause, last.as_ref());
    let message = api.notifications.preview(&channel, it).await.map_err(NotTold::Trouble)?;
    Ok(Json(said(&channel.name, message)))
}

fn first_channel(spec: &JobSpec) -> Option<&str> {
    spec.policies.notify.as_ref()?.channels.first().map(|it| &**it)
}

fn cause(text: &str) -> Result<Cause, String> {
    let found = Cause::NAMES.into_iter().find(|(word, _)| *word == text);
    found.map(|(_, it)| it).ok_or_else(|| {
        let words = Cause::NAMES.map(|(word, _)| word);
        let near = did_you_mean(text, words).unwrap_or_else(|| format!("write one of {}", words.join(", ")));
        format!("cause \"{text}\" is not known: {near}")
    })
}

/// What it is about an outcome that someone is told for.
fn cause_of(outcome: &str) -> Cause {
    match outcome {
        "succeeded" => Cause::Success,
        "timed-out" => Cause::Timeout,
        "stopped" => Cause::Stop,
        "skipped" => Cause::Skip,
        "missed" => Cause::Missed,
        "lost" => Cause::Lost,
        _ => Cause::Failure,
    }
}

/// The outcome of a run that someone would be told of for this.
fn outcome_of(cause: Cause) -> Option<&'static str> {
    match cause {
        Cause::Failure => Some("failed"),
        Cause::Timeout => Some("timed-out"),
        Cause::Lost => Some("lost"),
        Cause::Skip => Some("skipped"),
        Cause::Missed => Some("missed"),
        Cause::Stop => Some("stopped"),
        Cause::Success | Cause::Recovery | Cause::Slow => Some("succeeded"),
        Cause::Start | Cause::Expect | Cause::Digest | Cause::Test => None,
    }
}

fn notification(
    api: &Api,
    channel: &Arc<Channel>,
    spec: &JobSpec,
    cause: Option<Cause>,
    last: Option<&KeptRun>,
) -> Notification {
    let at = api.clock.now();
    let ended = last.and_then(|it| it.end.as_ref());
    let cause = cause.unwrap_or_else(|| ended.map_or(Cause::Failure, |it| cause_of(&it.outcome)));
    let facts = last.map_or_else(|| made_up(cause, at), |it| facts(it, cause));
    let bad = u32::from(matches!(cause, Cause::Failure | Cause::Timeout | Cause::Lost | Cause::Recovery));
    Notification {
        id: format!("preview.{}.{}.{}", spec.id, channel.name, cause.as_str()).into(),
        channel: channel.name.clone(),
        cause,
        at,
        job: Some(spec.id.clone()),
        kind: Some(spec.kind()),
        streak: Streak { failures: bad, since: (bad > 0).then_some(facts.ended).flatten(), folded: 0 },
        usual: facts.duration,
        run: (cause != Cause::Expect).then_some(facts),
        expected: None,
        text: None,
    }
}

/// What is known of a run, as if it had ended so that someone is told for this.
fn facts(it: &KeptRun, cause: Cause) -> RunFacts {
    let end = it.end.as_ref();
    let outcome = outcome_of(cause);
    let as_it_was = end.is_some_and(|end| outcome == Some(&end.outcome) || outcome.is_none());
    RunFacts {
        run: it.run.0.clone(),
        trigger: it.trigger.as_str().into(),
        occurrence: it.occurrence,
        started: it.started,
        ended: end.map(|it| it.at),
        duration: it.duration,
        outcome: outcome.map(Arc::from).or_else(|| end.map(|it| it.outcome.as_str().into())),
        exit_code: end.and_then(|it| it.exit_code).filter(|_| as_it_was),
        reason: end.and_then(|it| it.reason.as_deref()).filter(|_| as_it_was).map(Arc::from),
        container: it.container.as_deref().map(Arc::from),
        attempts: it.attempts,
        and_more: it.and_more,
        tail: None,
    }
}

/// A run that never was, for a job that has not run.
fn made_up(cause: Cause, at: jiff::Timestamp) -> RunFacts {
    let minute = std::time::Duration::from_secs(60);
    let started = at.checked_sub(minute).unwrap_or(at);
    RunFacts {
        run: "00000000000000000000000000".into(),
        trigger: "schedule".into(),
        occurrence: started,
        started: Some(started),
        ended: Some(at),
        duration: Some(minute),
        outcome: outcome_of(cause).map(Arc::from),
        exit_code: (cause == Cause::Failure).then_some(1),
        reason: None,
        container: None,
        attempts: 1,
        and_more: 0,
        tail: None,
    }
}
