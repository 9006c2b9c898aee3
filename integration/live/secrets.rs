//! What is secret is used and told nowhere.

use std::path::Path;

use crate::support::{
    beside,
    certificates::Authority,
    live_engine::{Agent, Stage, WORKER, text},
    receiver::Receiver,
    smtp::{Rules, Smtp},
};

/// Stands where secrets stand, and must never be told.
const SECRET: &str = "hunter2-canary";

#[test]
fn values_of_variables_are_used_and_appear_in_no_record_however_much_is_logged() {
    let stage = Stage::new();
    let [made, beside] = ["made", "beside"].map(|it| stage.name(it));
    let file = stage.dir().join("secret");
    std::fs::write(&file, format!("KEY={SECRET}\n")).expect("it is written");
    let file = file.display().to_string();
    let check = ("command", "test \"$$KEY\" = \"$$(printf 'hunter2-%s' canary)\"");
    let shell = ("shell", "true");
    let web = stage
        .worker("web")
        .exec(
            "own",
            &[
                ("schedule", "@every 1s"),
                ("environment", &format!("KEY={SECRET}")),
                shell,
                ("command", "test \"$KEY\" = \"$(printf 'hunter2-%s' canary)\""),
            ],
        )
        // A secret that lost its name, and one among what cannot be read.
        .exec("lost", &[("schedule", "@every 1s"), ("environment", SECRET), ("command", "true")])
        .exec(
            "odd",
            &[("schedule", "@every 1s"), ("environment", &format!("[\"KEY={SECRET}\"")), ("command", "true")],
        )
        .start();
    let own = format!("{web}.own");
    let agent = stage
        .agent()
        .file_job(
            "run",
            &made,
            &[
                ("schedule", "@every 1s"),
                ("image", WORKER),
                ("network", "none"),
                ("env-file", &file),
                shell,
                check,
            ],
        )
        .file_job("local", &beside, &[("schedule", "@every 1s"), ("environment-file", &file), shell, check])
        .jobs([&own])
        .arguments(&["--log-level", "trace", "--set", &format!("{own}.enviroment=KEY={SECRET}")])
        .start();
    let rejected =
        agent.wait_for("a slip in a flag is told", |it| it["event"] == "job.rejected" && it["job"] == *own);
    assert!(text(&rejected, "reason").contains("did you mean \"environment\"?"), "{rejected}");
    for job in [&made, &beside] {
        assert_eq!(text(&agent.wait_for_end(job), "outcome"), "succeeded");
    }
    let again = stage.agent().jobs([&own]).arguments(&["--log-level", "trace"]).start();
    assert_eq!(text(&again.wait_for_end(&own), "outcome"), "succeeded");
    for agent in [&agent, &again] {
        // None of the libraries says anything at this level; whatever is said is looked at.
        assert!(agent.records(|_| true).len() > 4, "so much is logged");
        let told = agent.records(|it| it.to_string().contains(SECRET));
        assert!(told.is_empty(), "{told:#?}");
    }
}

/// Everything that a channel keeps to itself; its value always has this in it.
const OF_CHANNELS: &str = "hunter2-channel";

/// An argument of a channel's command, which is shown where settings are explained, as a job's is, and nowhere else.
const ARGUMENT: &str = "hunter2-argument";

/// Channels that reach these, with what each keeps to itself, and one that its receiver refuses, repeating what it was sent.
fn channels(stage: &Stage, taking: &str, refusing: &str, mail: u16) -> String {
    let at = stage.dir().display();
    let secret = format!("{OF_CHANNELS}-token");
    std::fs::write(stage.dir().join("token"), &secret).expect("it is written");
    [
        ("hook", format!("webhook\nurl = {taking}/{OF_CHANNELS}?x={OF_CHANNELS}\nheader = X-Key: {OF_CHANNELS}\nhmac-secret = {OF_CHANNELS}")),
        ("push", format!("gotify\nurl = {taking}\ntoken-file = {at}/token")),
        ("refused", format!("webhook\nurl = {refusing}/{OF_CHANNELS}\nheader = X-Key: {OF_CHANNELS}")),
        ("mail", format!("email\nserver = localhost\nport = {mail}\nca-file = {at}/ca.pem\nuser = ops\npassword = {OF_CHANNELS}\nfrom = bell@example.com\nto = ops@example.org\nattach = 64KiB")),
        ("command", format!("exec\ncommand = sh -c 'cat >{at}/told' {ARGUMENT}")),
        ("fails", format!("exec\ncommand = sh -c 'echo $$0 >&2; exit 1' {ARGUMENT}")),
        ("files", format!("save\ndirectory = {at}/saved")),
    ]
    .map(|(name, lines)| format!("[notify \"{name}\"]\ntype = {lines}\n"))
    .concat()
}

/// All files in a directory and below.
fn files(directory: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = std::fs::read_dir(directory).expect("a directory").flatten();
    let read = |it: std::fs::DirEntry| {
        let (path, kind) = (it.path(), it.file_type().expect("its type"));
        match (kind.is_dir(), kind.is_file()) {
            (true, _) => files(&path),
            (_, true) => vec![(path.display().to_string(), std::fs::read(&path).expect("it can be read"))],
            // A socket.
            _ => Vec::new(),
        }
    };
    entries.flat_map(read).collect()
}

fn is_in(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    text.contains(OF_CHANNELS) || text.contains(ARGUMENT)
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_of_channels_are_in_no_log_answer_mail_message_or_file_of_the_store() {
    let (stage, taking, refusing) = (Stage::new(), Receiver::new(), Receiver::new());
    refusing.answers(403);
    let authority = Authority::new();
    std::fs::write(stage.dir().join("ca.pem"), authority.pem()).expect("it is written");
    let server = Smtp::new(Rules {
        certified: Some(authority.certify(&["localhost"])),
        abilities: (vec!["STARTTLS"], vec!["AUTH PLAIN"]),
        login: Some(("ops", OF_CHANNELS)),
        ..Rules::default()
    })
    .await;
    let config = "[job-defaults]\nenabled = false\n".to_owned()
        + &channels(&stage, &taking.url(), &refusing.url(), server.address.port());
    tokio::task::block_in_place(|| {
        let web = stage.name("web");
        let job = format!("{web}.bad");
        let agent = stage.agent().config(&config).jobs([&job]).arguments(&["--log-level", "trace"]).start();
        let all = "hook, push, refused, mail, command, fails, files";
        let parameters =
            [("schedule", "@every 1s"), ("command", "sh -c 'echo words; exit 3'"), ("notify", all)];
        stage.worker("web").exec("bad", &parameters).start();
        for channel in ["hook", "push", "mail", "command", "files"] {
            agent.wait_for(channel, |it| it["event"] == "notify.sent" && it["channel"] == channel);
        }
        for channel in ["refused", "fails"] {
            agent.wait_for(channel, |it| it["event"] == "notify.failed" && it["channel"] == channel);
        }
        of_channels_is_nowhere(&agent, &job);
        let said = [
            stage.docker(["logs", &web]),
            std::fs::read_to_string(stage.dir().join("told")).expect("it was told"),
        ];
        assert!(said[1].contains("words") && said.iter().all(|it| !is_in(it.as_bytes())), "{said:?}");
        let saved = files(&stage.dir().join("saved"));
        assert!(saved.len() >= 2 && saved.iter().all(|(_, it)| !is_in(it)), "{saved:?}");
    });
    // Whom they are for has them in the address and the headers, and not in what is told.
    let messages = taking.wait_for("both", |it| (it.len() >= 2).then(|| it.to_vec()));
    assert!(messages.iter().any(|it| is_in(it.path.as_bytes())));
    assert!(
        messages.iter().all(|it| it.body.contains("words") && !is_in(it.body.as_bytes())),
        "{messages:#?}"
    );
    let mails = server.mails();
    assert!(
        !mails.is_empty() && mails.iter().all(|it| it.user.as_deref() == Some("ops") && !is_in(&it.data))
    );
}

/// In the log, in what the agent answers, and in its state but for the file that they stand in.
fn of_channels_is_nowhere(agent: &Agent, job: &str) {
    let told = agent.records(|it| is_in(it.to_string().as_bytes()));
    assert!(told.is_empty(), "{told:#?}");
    let state = Path::new(agent.state_dir());
    let preview = format!("/api/jobs/{job}/notification?channel=hook");
    for path in [
        "/api/channels",
        "/api/problems",
        "/api/jobs",
        "/api/runs",
        "/api/audits",
        "/health",
        "/metrics",
        &preview,
    ] {
        let answer = beside::get(state, path);
        assert!(answer.status == 200 && !is_in(&answer.body), "{path}: {}", answer.text());
    }
    let config = beside::get(state, "/api/config").text();
    assert!(config.contains(ARGUMENT) && !config.contains(OF_CHANNELS), "{config}");
    for channel in ["refused", "fails"] {
        let answer = beside::ask_in(state, ("POST", &format!("/api/channels/{channel}/test")), "");
        assert!(answer.status == 502 && !is_in(&answer.body), "{channel}: {}", answer.text());
    }
    let kept = files(state);
    assert!(kept.iter().any(|(name, _)| name.ends_with("watchbell.db")), "the store is there");
    let has: Vec<&String> = kept.iter().filter(|(_, it)| is_in(it)).map(|(name, _)| name).collect();
    assert!(has.iter().all(|it| it.ends_with("/config.ini")), "{has:?}");
}
