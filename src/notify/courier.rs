//! Brings a message to its channel: its facts become words, its words what the service takes, and that is sent.

use std::{path::PathBuf, sync::Arc, time::Duration};

use tokio::{sync::watch, task::spawn_blocking, time::timeout};

use crate::{
    history::query::Reader,
    model::{
        channel::{Channel, ChannelKind, Telling},
        notification::Notification,
        run::{RunId, Stream},
    },
    outward::http::{Answer, Call, Client, UnusableProxy, place},
    time::Clock,
};

use super::{
    email::{self, Reached},
    exec::{self, Beside},
    lane::Deliver,
    message::{self, Message},
    output::{Output, Streams, wants_output},
    printed::{Printed, ends},
    request::Request,
    save, services,
    trouble::Trouble,
};

/// How long one attempt may take, unless the channel says otherwise.
pub const TIMEOUT: Duration = Duration::from_secs(30);

/// How many last lines of what was printed are in a message, unless the channel says otherwise.
pub const LINES: usize = 20;

/// How much of the end of each stream is looked at for them.
const TAIL: u64 = 64 << 10;

/// How long the history may take to give what was printed.
const READ_LIMIT: Duration = Duration::from_secs(10);

/// What is needed to send; cheap to clone.
#[derive(Debug, Clone)]
pub struct Courier {
    /// Speaks HTTP; or why it cannot.
    pub client: Result<Client, UnusableProxy>,
    /// The agent's clock.
    pub clock: Clock,
    /// Where the history is.
    pub directory: PathBuf,
    /// What is to be known of processes beside the agent.
    pub beside: Beside,
    /// The settings.
    pub telling: watch::Receiver<Arc<Telling>>,
}

impl Courier {
    /// One that speaks by `client`, reads what was printed from the history in `directory`, and starts what it must
    /// `beside` the agent.
    pub fn new(
        client: Result<Client, UnusableProxy>,
        directory: PathBuf,
        beside: Beside,
        telling: watch::Receiver<Arc<Telling>>,
    ) -> Self {
        Self { client, clock: Clock::System, directory, beside, telling }
    }

    /// A notification in the words of a channel.
    pub fn message(&self, channel: &Channel, it: &Notification) -> Result<Message, Trouble> {
        let telling = self.telling.borrow().clone();
        message::message(it, channel, telling.public_url.as_deref(), telling.zone.time_zone())
            .map_err(Trouble::lasting)
    }

    async fn call(&self, channel: &Channel, request: Request) -> Result<(), Trouble> {
        let Request { method, url, headers, body, expect } = request;
        let at = place(&url).unwrap_or_else(|| "its address".to_owned());
        let call = Call {
            method,
            url,
            headers,
            body,
            timeout: channel.duration("timeout").unwrap_or(TIMEOUT),
            from_label: channel.from_label,
            authorities: channel.text("ca-file").map(PathBuf::from),
        };
        let client = self.client.as_ref().map_err(|it| Trouble::passing(it.to_string()))?;
        let answer = client.call(call, self.clock.now()).await;
        let named = |reason: String| format!("{at}: {reason}");
        let answer =
            answer.map_err(|it| Trouble { reason: named(it.reason), again: it.again, after: None })?;
        judge(&answer, &expect).map_err(|it| Trouble { reason: named(it.reason), ..it })
    }

    /// As much of what the run printed as is attached.
    async fn output(&self, channel: &Channel, it: &Notification) -> Output {
        let (Some(most), Some(run)) = (wants_output(channel), run_of(it)) else { return Output::default() };
        let Some([(stdout, stdout_dropped), (stderr, stderr_dropped)]) =
            self.read(move |reader| ends(reader, &run, most)).await
        else {
            return Output::default();
        };
        Output { stdout, stderr, stdout_dropped, stderr_dropped }
    }

    fn streams(&self, it: &Notification) -> Streams {
        let Some(run) = run_of(it) else { return Output::default().into() };
        let stream = |it| Box::new(Printed::new(self.directory.clone(), run.clone(), it));
        Streams { stdout: stream(Stream::Stdout), stderr: stream(Stream::Stderr) }
    }

    /// What is in the history of what the run printed.
    async fn read<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Reader) -> Option<T> + Send + 'static,
    ) -> Option<T> {
        let directory = self.directory.clone();
        let read = spawn_blocking(move || look(&Reader::open(&directory).ok().flatten()?));
        timeout(READ_LIMIT, read).await.ok()?.ok()?
    }
}

impl Deliver for Courier {
    type Progress = Reached;

    async fn deliver(
        &self,
        channel: &Arc<Channel>,
        it: &Notification,
        reached: &mut Reached,
    ) -> Result<(), Trouble> {
        let message = self.message(channel, it)?;
        match channel.kind {
            ChannelKind::Email => {
                email::deliver(channel, &message, &self.output(channel, it).await, reached).await
            }
            ChannelKind::Save => save::deliver(channel, &message, self.streams(it)).await,
            ChannelKind::Exec => exec::deliver(channel, &message, &self.beside).await,
            _ => match services::request(channel, &message).map_err(Trouble::lasting)? {
                Some(request) => self.call(channel, request).await,
                // There is nothing that the service would want to know of it.
                None => Ok(()),
            },
        }
    }

    async fn tail(&self, channel: Option<&Arc<Channel>>, it: &Notification) -> Option<Arc<str>> {
        let lines = channel.and_then(|it| it.number("output-lines")).and_then(|it| usize::try_from(it).ok());
        let lines = lines.unwrap_or(LINES);
        let run = run_of(it)?;
        if lines == 0 {
            return None;
        }
        let [(stdout, _), (stderr, _)] = self.read(move |reader| ends(reader, &run, TAIL)).await?;
        let tail = message::tail(&stdout, &stderr, lines);
        (!tail.is_empty()).then(|| tail.into())
    }
}

/// The run that it is about, once it has ended.
fn run_of(it: &Notification) -> Option<RunId> {
    it.run.as_ref().filter(|run| run.ended.is_some()).map(|run| RunId(run.run.clone()))
}

/// What an answer means.
fn judge(answer: &Answer, expect: &[u16]) -> Result<(), Trouble> {
    let status = answer.status;
    let taken = if expect.is_empty() { (200..300).contains(&status) } else { expect.contains(&status) };
    if taken {
        return Ok(());
    }
    let (again, mend) = match status {
        400 | 413 | 415 | 422 => (false, "it does not take this message, which is given up"),
        401 | 403 => (true, "check the channel's token, key or password"),
        404 | 405 | 410 => (true, "check the channel's address"),
        429 => (true, "it wants fewer messages"),
        200..400 if !expect.is_empty() => (true, "check expect-status"),
        _ => (true, "it is tried again"),
    };
    // What it says may repeat what it was sent, in whatever form: that would be a secret in a log.
    let reason = format!("it answers with status {status}: {mend}");
    Err(Trouble { reason, again, after: answer.retry_after })
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        let retry_after = (status == 429).then_some(Duration::from_secs(7));
        Answer { status, retry_after, body: Bytes::copy_from_slice(body.as_bytes()) }
    }

    #[test]
    fn what_a_receiver_will_never_take_is_given_up_and_all_else_is_tried_again_when_it_wants() {
        for (status, again) in
            [(400, false), (401, true), (404, true), (413, false), (422, false), (429, true), (500, true)]
        {
            let why = judge(&answer(status, "no"), &[]).unwrap_err();
            let after = (status == 429).then_some(Duration::from_secs(7));
            assert_eq!((why.again, why.after), (again, after), "{status}");
            assert!(why.reason.contains(&format!("status {status}: ")), "{}", why.reason);
        }
        for (status, expect, taken) in [
            (200, &[][..], true),
            (299, &[], true),
            (200, &[202], false),
            (404, &[404], true),
            (302, &[], false),
        ] {
            assert_eq!(judge(&answer(status, ""), expect).is_ok(), taken, "{status} {expect:?}");
        }
    }

    #[test]
    fn what_it_says_may_be_a_secret_and_is_told_nowhere() {
        let told = judge(&answer(403, "bad token hunter2"), &[]).unwrap_err().reason;
        assert_eq!(told, "it answers with status 403: check the channel's token, key or password");
    }
}
