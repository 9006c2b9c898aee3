//! Commands beside the agent: what they are told, and how they end.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, time::Duration};

use tempfile::TempDir;
use tokio::time::Instant;
use watchbell::{
    model::channel::{Channel, ChannelKind},
    notify::{
        exec::{Beside, deliver},
        message::Message,
        trouble::Trouble,
    },
};

use super::{CANARY, channel, message};

fn script(text: &str, further: &[(&'static str, &str)]) -> Channel {
    let mut it = channel(ChannelKind::Exec, further);
    let words = ["/bin/sh", "-c", text].map(Into::into).to_vec();
    it.values.insert("command", watchbell::model::channel::Value::List(words));
    it
}

async fn run(channel: &Channel, message: &Message) -> Result<(), Trouble> {
    let ran = deliver(channel, message, &Beside::default()).await;
    if let Err(trouble) = &ran {
        assert!(!trouble.reason.contains(char::is_control), "{trouble:?}");
    }
    ran
}

fn read(folder: &Path, name: &str) -> String {
    fs::read_to_string(folder.join(name)).unwrap()
}

#[tokio::test]
async fn the_message_is_on_standard_input_and_its_facts_are_in_the_environment() {
    let folder = TempDir::new().unwrap();
    let at = folder.path().display().to_string();
    let sent = Message { facts: vec![("outcome", "failed".to_owned())], ..message() };
    let channel = script("cat > in; env -0 | tr '\\0' '\\1' > env; pwd > pwd", &[("workdir", &at)]);
    run(&channel, &sent).await.unwrap();
    let wanted = format!("{}\n\n{}\n\n{}\n", sent.title, sent.text, sent.tail);
    assert_eq!(read(folder.path(), "in"), wanted);
    assert_eq!(read(folder.path(), "pwd").trim(), at);
    let env = read(folder.path(), "env");
    let told: Vec<_> = env.split('\u{1}').filter_map(|it| it.strip_prefix("WATCHBELL_NOTIFY_")).collect();
    for wanted in [
        format!("KEY={}", sent.key),
        "CAUSE=failure".to_owned(),
        format!("JOB={}", sent.job),
        format!("RUN={}", sent.run),
        "OUTCOME=failed".to_owned(),
        "EXIT_CODE=3".to_owned(),
        format!("TITLE={}", sent.title),
        format!("LINK={}", sent.link.clone().unwrap()),
    ] {
        assert!(told.contains(&&*wanted), "{wanted}: {told:#?}");
    }
    assert_eq!(told.len(), 8);
}

#[tokio::test]
async fn what_is_not_known_is_empty_and_what_no_variable_can_hold_is_cut() {
    let folder = TempDir::new().unwrap();
    let at = folder.path().display().to_string();
    let bare = Message {
        title: format!("\0{}", "\u{f6}".repeat(1_000_000)),
        link: None,
        exit_code: None,
        job: String::new(),
        facts: Vec::new(),
        ..message()
    };
    let ask = "set -u; cd \"$0\" || exit; echo \"[$WATCHBELL_NOTIFY_JOB$WATCHBELL_NOTIFY_LINK$WATCHBELL_NOTIFY_EXIT_CODE\
               $WATCHBELL_NOTIFY_OUTCOME]\" > out; wc -c > length";
    let ask = ask.replace("\"$0\"", &at);
    run(&script(&ask, &[]), &bare).await.unwrap();
    assert_eq!(read(folder.path(), "out"), "[]\n");
    let length: usize = read(folder.path(), "length").trim().parse().unwrap();
    assert!(length > 2_000_000, "all of it is on standard input: {length}");
}

#[tokio::test]
async fn only_exit_code_zero_is_delivered_and_the_last_line_says_why_not() {
    run(&script("exit 0", &[]), &message()).await.unwrap();
    let trouble =
        run(&script("echo first >&2; echo 'no \u{1b}[31mroom' >&2; echo >&2; exit 3", &[]), &message()).await;
    let trouble = trouble.unwrap_err();
    let told = "/bin/sh ended with exit code 3 (no \\u{1b}[31mroom): mend it, or let it end with 0";
    assert_eq!((&*trouble.reason, trouble.again), (told, true));
    let trouble = run(&script("kill -9 $$", &[]), &message()).await.unwrap_err();
    assert!(trouble.reason.contains("was ended by signal 9") && trouble.again, "{trouble:?}");
    let long =
        run(&script("head -c 100000 /dev/zero | tr '\\0' x >&2; exit 1", &[]), &message()).await.unwrap_err();
    assert!(long.reason.len() < 300, "{long:?}");
}

#[tokio::test]
async fn nobody_has_to_read_the_message_and_nobody_waits_for_what_is_printed() {
    let much = Message { text: "x".repeat(3_000_000), ..message() };
    run(&script("exec < /dev/null; exit 0", &[]), &much).await.unwrap();
    run(&script("head -c 10 > /dev/null", &[]), &much).await.unwrap();
    // More than a pipe holds, before it reads.
    run(&script("head -c 3000000 /dev/zero; head -c 3000000 /dev/zero >&2; cat > /dev/null", &[]), &much)
        .await
        .unwrap();
    // What stays in the background holds the pipes open, and nobody up.
    let began = Instant::now();
    run(&script("sleep 30 & exit 0", &[]), &much).await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn one_that_takes_too_long_is_ended_with_all_that_it_began() {
    let folder = TempDir::new().unwrap();
    let at = folder.path().display();
    let polite = format!("cd {at}; trap 'echo asked > asked; exit 0' TERM; sleep 60 & echo $! > child; wait");
    let began = Instant::now();
    let trouble = run(&script(&polite, &[("timeout", "500ms")]), &message()).await.unwrap_err();
    assert!(
        trouble.reason.contains("took longer than 500ms and was ended: raise timeout") && trouble.again,
        "{trouble:?}"
    );
    assert_eq!(read(folder.path(), "asked"), "asked\n");
    assert!(began.elapsed() < Duration::from_secs(5));
    gone(&read(folder.path(), "child")).await;

    let deaf = format!("cd {at}; trap '' TERM; echo $$ > deaf; while :; do sleep 1; done");
    let trouble = run(&script(&deaf, &[("timeout", "500ms")]), &message()).await.unwrap_err();
    assert!(trouble.reason.contains("was ended"), "{trouble:?}");
    gone(&read(folder.path(), "deaf")).await;
}

/// Waits until a process that was killed has gone; it may be a zombie of the machine's first process for a while.
async fn gone(pid: &str) {
    let deadline = Instant::now() + Duration::from_secs(10);
    let goes_on = || {
        let stat = fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
        stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
    };
    while goes_on() {
        assert!(Instant::now() < deadline, "{pid} goes on");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn one_that_is_given_up_is_killed_with_all_that_it_began() {
    let folder = TempDir::new().unwrap();
    let at = folder.path().display();
    let channel = script(&format!("cd {at}; sleep 60 & echo $! > child; wait"), &[]);
    let sent = message();
    let given_up = tokio::time::timeout(Duration::from_secs(1), run(&channel, &sent)).await;
    assert!(given_up.is_err());
    gone(&read(folder.path(), "child")).await;
}

#[tokio::test]
async fn what_cannot_be_started_is_told_with_the_mend() {
    let trouble =
        run(&channel(ChannelKind::Exec, &[("command", "/nowhere/tell")]), &message()).await.unwrap_err();
    assert!(trouble.reason.contains("there is no program /nowhere/tell beside the agent: ") && trouble.again);
    let trouble = run(&script("true", &[("workdir", "/nowhere")]), &message()).await.unwrap_err();
    assert!(trouble.reason.contains("the working directory /nowhere does not exist") && trouble.again);
    let folder = TempDir::new().unwrap();
    let plain = folder.path().join("plain");
    fs::write(&plain, "").unwrap();
    fs::set_permissions(&plain, fs::Permissions::from_mode(0o644)).unwrap();
    let path = plain.display().to_string();
    let trouble = run(&channel(ChannelKind::Exec, &[("command", &path)]), &message()).await.unwrap_err();
    assert!(trouble.reason.contains("Permission denied") && trouble.again, "{trouble:?}");
    assert!(!run(&channel(ChannelKind::Exec, &[]), &message()).await.unwrap_err().again);
}

#[tokio::test]
async fn what_it_repeats_of_its_arguments_is_not_told() {
    let [token, longer] = [CANARY, "hunter2-and-more"];
    let words = format!("[/bin/sh|-c|echo \"no $0 for $1\" >&2; exit 1|{token}|{longer}]");
    let trouble = run(&channel(ChannelKind::Exec, &[("command", &words)]), &message()).await.unwrap_err();
    assert!(trouble.reason.contains("ended with exit code 1 (no … for …): "), "{trouble}");
}

/// Shell syntax means nothing: there is no shell.
#[tokio::test]
async fn arguments_are_handed_over_as_they_are() {
    let folder = TempDir::new().unwrap();
    let target = folder.path().join("a; echo b");
    let path = target.display().to_string();
    run(&channel(ChannelKind::Exec, &[("command", &format!("[/usr/bin/touch|{path}]"))]), &message())
        .await
        .unwrap();
    assert!(target.exists());
}
