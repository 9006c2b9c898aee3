//! A command beside the agent, with the message on its standard input. It has arrived when the command ends with 0.
//!
//! There is no shell. Standard input is the title, an empty line, the text, and after another one the last lines of what
//! was printed; facts stand in `WATCHBELL_NOTIFY_*`. Nothing that the agent was given for itself is in its environment.

use std::{
    collections::VecDeque,
    io,
    os::unix::process::ExitStatusExt,
    path::Path,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    process::{ChildStdin, Command},
    time::{Instant, sleep_until, timeout},
};

use super::{
    message::Message,
    trouble::{Trouble, said},
};
use crate::{
    model::channel::Channel,
    run::{
        own_variables::OwnVariables,
        reap::{Children, OwnChild},
    },
};

/// How long the command may take, unless the channel says otherwise.
const TIMEOUT: Duration = Duration::from_secs(30);

/// How long it may take to end once it was asked to.
const GRACE: Duration = Duration::from_secs(5);

/// How long what it printed before its end may take to arrive; what it left in the background may hold the pipes open.
const LAST_OUTPUT: Duration = Duration::from_millis(200);

/// The end of what it prints that is looked at for the last line, in bytes.
const LAST_LINE: usize = 4096;

/// What begins the names of its variables.
const PREFIX: &str = "WATCHBELL_NOTIFY_";

/// A variable is not longer, in bytes: the kernel refuses a command with one of 128 KiB.
const VARIABLE_LIMIT: usize = 16 * 1024;

/// What is to be known of processes beside the agent; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Beside {
    /// Those that were started.
    pub children: Children,
    /// The variables that none of them gets.
    pub own_variables: OwnVariables,
}

/// Runs the channel's command, whose words are the values of `command`.
pub async fn deliver(channel: &Channel, message: &Message, beside: &Beside) -> Result<(), Trouble> {
    let limit = channel.duration("timeout").unwrap_or(TIMEOUT);
    let mut own = start(channel, message, beside)?;
    let (ended, last) = follow(&mut own, input(message), limit).await;
    // What it left in the background by itself is its own affair.
    own.kill_group = false;
    let program = program(channel);
    // It may repeat its arguments, and a token may be among them.
    let failed = |status| failed(program, status, &channel.masked(&text(&last)));
    match ended {
        Some(Ok(status)) if status.success() => Ok(()),
        Some(Ok(status)) => Err(failed(status)),
        Some(Err(error)) => Err(Trouble::passing(format!(
            "the end of {program} could not be seen ({error}): look at what it did"
        ))),
        None => {
            let limit = humantime::format_duration(limit);
            Err(Trouble::passing(format!(
                "{program} took longer than {limit} and was ended: raise timeout, or mend it"
            )))
        }
    }
}

/// Hands it what it reads and waits for its end. One that takes too long is ended, and has none of its own; beside it is
/// the end of what it wrote to standard error.
async fn follow(
    own: &mut OwnChild,
    input: Vec<u8>,
    limit: Duration,
) -> (Option<io::Result<ExitStatus>>, VecDeque<u8>) {
    let (stdin, stdout, stderr) = (own.child.stdin.take(), own.child.stdout.take(), own.child.stderr.take());
    let (mut none, mut last) = (VecDeque::new(), VecDeque::new());
    let ended = {
        let read = drained(stderr, &mut last, LAST_LINE);
        let talk = async { tokio::join!(handed(stdin, input), drained(stdout, &mut none, 0), read) };
        tokio::pin!(talk);
        let deadline = Instant::now() + limit;
        let mut talking = true;
        let ended = loop {
            tokio::select! {
                status = own.child.wait() => break Some(status),
                _ = &mut talk, if talking => talking = false,
                () = sleep_until(deadline) => break None,
            }
        };
        if ended.is_none() {
            end(own, &mut talk, talking).await;
        } else if talking {
            // What comes later is not from the command itself any more.
            let _ = timeout(LAST_OUTPUT, &mut talk).await;
        }
        ended
    };
    (ended, last)
}

fn program(channel: &Channel) -> &str {
    channel.list("command").first().map_or("", |it| it)
}

fn start(channel: &Channel, message: &Message, beside: &Beside) -> Result<OwnChild, Trouble> {
    let [program, arguments @ ..] = channel.list("command") else {
        return Err(Trouble::lasting("the command is empty: write command = /usr/local/bin/tell"));
    };
    let mut command = Command::new(&**program);
    command.args(arguments.iter().map(|it| &**it));
    beside.own_variables.leave_out(&mut command);
    command.envs(variables(message));
    let workdir = channel.text("workdir");
    if let Some(workdir) = workdir {
        command.current_dir(workdir);
    }
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    beside.children.spawn(&mut command).map_err(|error| Trouble::passing(why(&error, program, workdir)))
}

/// The facts. One that is not known is empty rather than absent: a script that asks for each of them goes on.
fn variables(message: &Message) -> Vec<(String, String)> {
    let facts = [
        ("KEY", message.key.to_string()),
        ("CAUSE", message.cause.as_str().to_owned()),
        ("JOB", message.job.clone()),
        ("RUN", message.run.clone()),
        ("OUTCOME", fact(message, "outcome")),
        ("EXIT_CODE", message.exit_code.map_or_else(String::new, |it| it.to_string())),
        ("TITLE", message.title.clone()),
        ("LINK", message.link.clone().unwrap_or_default()),
    ];
    facts.map(|(name, value)| (format!("{PREFIX}{name}"), fit(&value))).to_vec()
}

fn fact(message: &Message, name: &str) -> String {
    message.facts.iter().find(|(it, _)| *it == name).map_or_else(String::new, |(_, value)| value.clone())
}

/// The text as a variable can hold it.
fn fit(value: &str) -> String {
    let end = (0..=value.len().min(VARIABLE_LIMIT)).rev().find(|at| value.is_char_boundary(*at)).unwrap_or(0);
    value[..end].replace('\0', "\u{fffd}")
}

/// What it reads.
fn input(message: &Message) -> Vec<u8> {
    let parts = [&*message.title, &*message.text, &*message.tail].map(str::trim_end);
    let parts: Vec<_> = parts.into_iter().filter(|it| !it.is_empty()).collect();
    format!("{}\n", parts.join("\n\n")).into_bytes()
}

/// Hands it what it reads. Whoever reads only the beginning, or nothing, has what he wanted.
async fn handed(stdin: Option<ChildStdin>, bytes: Vec<u8>) {
    if let Some(mut stdin) = stdin {
        let _ = stdin.write_all(&bytes).await;
        let _ = stdin.shutdown().await;
    }
}

/// Reads what it prints, so that it never waits for a reader, and keeps the end of it.
async fn drained(from: Option<impl AsyncRead + Unpin>, last: &mut VecDeque<u8>, keep: usize) {
    let Some(mut from) = from else { return };
    let mut room = [0; 4096];
    while let Ok(length @ 1..) = from.read(&mut room).await {
        last.extend(&room[..length]);
        last.drain(..last.len().saturating_sub(keep));
    }
}

/// Asks its whole group to end, and kills it where it does not.
async fn end(own: &mut OwnChild, talk: &mut (impl Future + Unpin), mut talking: bool) {
    signal(own, Signal::TERM);
    let deadline = Instant::now() + GRACE;
    loop {
        tokio::select! {
            _ = own.child.wait() => break,
            // It may print while it ends.
            _ = &mut *talk, if talking => talking = false,
            () = sleep_until(deadline) => break,
        }
    }
    // Whoever of the group ignored it goes now.
    signal(own, Signal::KILL);
    let _ = own.child.wait().await;
}

fn signal(own: &OwnChild, signal: Signal) {
    if let Some(group) = Pid::from_raw(own.pid) {
        // It may be gone already, which is what is wanted.
        let _ = kill_process_group(group, signal);
    }
}

fn text(bytes: &VecDeque<u8>) -> String {
    let (front, back) = bytes.as_slices();
    String::from_utf8_lossy(&[front, back].concat()).into_owned()
}

fn failed(program: &str, status: ExitStatus, printed: &str) -> Trouble {
    let how = match (status.code(), status.signal()) {
        (Some(code), _) => format!("ended with exit code {code}"),
        (None, Some(number)) => format!("was ended by signal {number}"),
        (None, None) => "ended in an unknown way".to_owned(),
    };
    let line = printed.lines().rev().map(str::trim).find(|it| !it.is_empty());
    let line = line.map_or_else(String::new, |it| format!(" ({})", said(it)));
    Trouble::passing(format!("{program} {how}{line}: mend it, or let it end with 0"))
}

fn why(error: &io::Error, program: &str, workdir: Option<&str>) -> String {
    match (error.kind(), workdir) {
        (io::ErrorKind::NotFound, Some(workdir)) if !Path::new(workdir).is_dir() => {
            format!(
                "the working directory {workdir} does not exist beside the agent: make it, or leave workdir out"
            )
        }
        (io::ErrorKind::NotFound, _) => {
            format!(
                "there is no program {program} beside the agent: check command, or use an image that has it"
            )
        }
        _ => format!("starting {program} failed ({error}): check command and who may run it"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_is_cut_between_characters() {
        assert_eq!(fit(&"\u{f6}".repeat(VARIABLE_LIMIT)).len(), VARIABLE_LIMIT);
        assert_eq!(fit(&format!("x{}", "\u{f6}".repeat(VARIABLE_LIMIT))).len(), VARIABLE_LIMIT - 1);
        assert_eq!(fit("a\0b"), "a\u{fffd}b");
    }
}
