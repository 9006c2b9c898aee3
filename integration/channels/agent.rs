//! What an agent tells of its jobs, from its file to receivers on loopback.

use std::{collections::BTreeMap, net::TcpListener, path::Path};

use jiff::Timestamp;
use jsonschema::JSONSchema;
use nix::sys::signal::Signal;
use serde_json::Value;
use tempfile::TempDir;

use super::CANARY;
use crate::support::{
    beside::Beside,
    certificates::Authority,
    expect,
    live_engine::eventually,
    receiver::{Received, Receiver},
    silent_engine::SilentEngine,
    smtp::{Rules, Smtp},
};

/// Prints what somebody on the way could misread, and a megabyte of it, and fails.
const NASTY: &str = r#"printf '<b>bold</b> & "quoted" \140\140\140 @everyone <!channel> \360\237\224\224\n'
yes 'a line of "output" with <tags> & more' | head -c 1000000
printf '\nthe last words </pre>\n' >&2
exit 3
"#;

fn channel(name: &str, kind: &str, lines: &str) -> String {
    format!("[notify \"{name}\"]\ntype = {kind}\n{lines}\n")
}

/// A job that runs when it is asked to.
fn job(name: &str, lines: &str) -> String {
    format!("[job-local \"{name}\"]\nschedule = @triggered\n{lines}\n")
}

fn sent(agent: &Beside, channel: &str, cause: &str) -> Value {
    let fits = |it: &Value| it["event"] == "notify.sent" && it["channel"] == channel && it["cause"] == cause;
    agent.wait_for(1, fits).remove(0)
}

fn first(receiver: &Receiver) -> Received {
    receiver.wait_for("a message", |it| it.first().cloned())
}

fn body(it: &Received) -> Value {
    serde_json::from_str(&it.body).unwrap_or_else(|error| panic!("{error}: {}", it.body))
}

/// It is as the service's documentation has it.
fn fits(service: &str, sent: &Value) {
    let path = expect::root().join(format!("integration/notify/schemas/{service}.json"));
    let schema: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let schema = JSONSchema::compile(&schema).unwrap();
    if let Err(errors) = schema.validate(sent) {
        let errors: Vec<String> = errors.map(|it| format!("{}: {it}", it.instance_path)).collect();
        panic!("{service}: {errors:#?}\n{sent:#}");
    }
}

/// The lines that each service wants, and the path at which it takes a message.
fn services() -> Vec<(&'static str, &'static str, &'static str)> {
    vec![
        ("slack", "url = URL/services/hunter2", "/services/hunter2"),
        ("discord", "url = URL/api/webhooks/1/hunter2", "/api/webhooks/1/hunter2?wait=true"),
        ("teams", "url = URL/workflows/hunter2", "/workflows/hunter2"),
        ("mattermost", "url = URL/hooks/hunter2", "/hooks/hunter2"),
        ("telegram", "url = URL\ntoken = 1:hunter2\nchat = -100", "/bot1:hunter2/sendMessage"),
        ("ntfy", "url = URL/backups\ntoken = hunter2-token", "/"),
        ("gotify", "url = URL\ntoken = hunter2-token", "/message"),
        ("pushover", "url = URL\ntoken = hunter2-token\nuser = hunter2-user", "/1/messages.json"),
        ("pagerduty", "url = URL\nrouting-key = hunter2hunter2hunter2hunter2hunt", "/v2/enqueue"),
        ("opsgenie", "url = URL\napi-key = hunter2-key", "/v2/alerts"),
        ("webhook", "url = URL/hook/hunter2\nhmac-secret = hunter2-secret", "/hook/hunter2"),
    ]
}

#[test]
fn each_service_gets_what_its_documentation_asks_for_of_a_run_that_failed() {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("nasty.sh"), NASTY).unwrap();
    let receivers: BTreeMap<&str, Receiver> =
        services().into_iter().map(|(name, ..)| (name, Receiver::new())).collect();
    let (health, failed) = (Receiver::new(), receivers.len() + 1);
    let mut ini: String = services()
        .iter()
        .map(|(name, lines, _)| channel(name, name, &lines.replace("URL", &receivers[name].url())))
        .collect();
    ini += &channel("health", "healthchecks", &format!("url = {}/hunter2-uuid", health.url()));
    let names: Vec<&str> = receivers.keys().copied().chain(["health"]).collect();
    let command = format!("command = sh {}/nasty.sh\nnotify = {}", folder.path().display(), names.join(", "));
    let agent = Beside::start(folder.path(), &(ini + &job("nasty", &command)));
    let run = agent.run_to_its_end("nasty");
    agent.wait_for(failed, |it| it["event"] == "notify.sent" && it["cause"] == "failure");
    for (name, _, path) in services() {
        let it = first(&receivers[name]);
        assert_eq!(it.path, path, "{name}");
        let text = &it.body;
        // Discord and others see no more of a megabyte than they take; the end is what matters.
        assert!(text.contains("the last words"), "{name}: {text}");
        assert!(text.contains("nasty failed with exit code 3"), "{name}: {text}");
        if !text.starts_with("token=") {
            fits(name, &body(&it));
        }
        assert_eq!(it.headers["idempotency-key"], format!("{run}:{name}:failure"), "{name}");
    }
    let signature = &first(&receivers["webhook"]).headers["x-watchbell-signature"];
    assert!(signature.starts_with("sha256=") && signature.len() == 71, "{signature}");
    let pings = health.wait_for("both pings", |it| (it.len() == 2).then(|| it.to_vec()));
    assert!(pings[0].path.starts_with("/hunter2-uuid/start?rid="), "{pings:?}");
    let (id, failed) = (&pings[0].path["/hunter2-uuid/start?rid=".len()..], &pings[1]);
    assert_eq!(failed.path, format!("/hunter2-uuid/3?rid={id}"));
    assert!(failed.body.contains("the last words"));
    secret_nowhere(&agent, folder.path(), &[]);
}

#[test]
fn a_room_of_matrix_gets_the_message_once_by_its_transaction() {
    let (folder, receiver) = (TempDir::new().unwrap(), Receiver::new());
    receiver.takes("PUT");
    let lines = format!("url = {}\nroom = !room:example.org\ntoken = hunter2-token", receiver.url());
    let ini = channel("room", "matrix", &lines) + &job("bad", "command = false\nnotify = room");
    let agent = Beside::start(folder.path(), &ini);
    agent.run_to_its_end("bad");
    sent(&agent, "room", "failure");
    let it = first(&receiver);
    assert!(
        it.path.starts_with("/_matrix/client/v3/rooms/%21room:example.org/send/m.room.message/"),
        "{}",
        it.path
    );
    assert_eq!(it.headers["authorization"], "Bearer hunter2-token");
    fits("matrix", &body(&it));
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_files_and_a_command_are_told_as_well() {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("nasty.sh"), NASTY).unwrap();
    let server = Smtp::new(Rules::default()).await;
    let at = folder.path().display();
    let mail = format!(
        "server = 127.0.0.1\nport = {}\ntls = none\nfrom = bell@example.com\nto = ops@example.org\nattach = 64KiB",
        server.address.port()
    );
    let told = folder.path().join("told");
    let ini = channel("mail", "email", &mail)
        + &channel("files", "save", &format!("directory = {at}/saved"))
        + &channel("command", "exec", &format!("command = sh -c 'cat > {}'", told.display()))
        + &job("nasty", &format!("command = sh {at}/nasty.sh\nnotify = mail, files, command"));
    tokio::task::block_in_place(|| {
        let agent = Beside::start(folder.path(), &ini);
        let run = agent.run_to_its_end("nasty");
        for name in ["mail", "files", "command"] {
            sent(&agent, name, "failure");
        }
        let saved = folder.path().join("saved/nasty");
        let stdout = std::fs::read(saved.join(format!("{run}.stdout"))).unwrap();
        let downloaded = agent.get(&format!("/api/runs/{run}/output?stream=stdout")).body;
        assert!(stdout.len() > 900_000 && stdout == downloaded, "{} and {}", stdout.len(), downloaded.len());
        let told = std::fs::read_to_string(&told).unwrap();
        assert!(
            told.starts_with("nasty failed with exit code 3") && told.contains("the last words"),
            "{told}"
        );
    });
    let [mail] = &server.mails()[..] else { panic!("one mail") };
    let parsed = mail_parser::MessageParser::default().parse(&mail.data).unwrap();
    assert_eq!(parsed.subject(), Some("nasty failed with exit code 3"));
    assert_eq!(parsed.attachment_count(), 2);
    assert!(parsed.body_html(0).unwrap().contains("the last words &lt;/pre&gt;"));
}

#[test]
fn what_a_receiver_did_not_take_comes_once_after_a_kill_and_in_order() {
    let (folder, receiver) = (TempDir::new().unwrap(), Receiver::new());
    receiver.answers(503);
    let ini = channel("hook", "webhook", &format!("url = {}/x", receiver.url()))
        + &job("bad", "command = false\nnotify = hook\ncooldown = 0s");
    let agent = Beside::start(folder.path(), &ini);
    let runs = ["bad", "bad"].map(|job| agent.run_to_its_end(job));
    agent.wait_for(1, |it| it["event"] == "notify.failed" && it["channel"] == "hook");
    // A message is on its way to its channel for a moment after its run was told to have ended.
    eventually("both wait", || {
        let channel = &agent.get("/api/channels").json()["channels"][0];
        assert_eq!(channel["sent"], 0, "{channel}");
        channel["waiting"] == 2
    });
    // What was asked for is answered from the store: both records are in it, with their messages.
    assert_eq!(agent.get("/api/runs").json()["runs"].as_array().unwrap().len(), 2);
    agent.end(Signal::SIGKILL);

    receiver.answers(200);
    let agent = Beside::start_as_it_is(folder.path(), &[]);
    agent.wait_for(2, |it| it["event"] == "notify.sent");
    let key = |it: &Received| it.headers["idempotency-key"].clone();
    let got = receiver.wait_for("both", |it| (it.len() >= 2).then(|| it.iter().map(key).collect::<Vec<_>>()));
    assert_eq!(got, runs.map(|run| format!("{run}:hook:failure")));
    agent.end(Signal::SIGTERM);
    // Nothing is left for a third.
    let agent = Beside::start_as_it_is(folder.path(), &[]);
    agent.wait_for(2, |it| it["event"] == "job.added" || it["event"] == "agent.started");
    agent.run_to_its_end("bad");
    sent(&agent, "hook", "failure");
    let got = receiver.wait_for("the third", |it| (it.len() >= 3).then_some(it.len()));
    assert_eq!(got, 3);
}

/// Mistake 54: notifications blocked the scheduler, or one of two channels stayed silent.
#[test]
fn a_receiver_that_never_answers_delays_no_run_and_no_other_channel() {
    let (folder, receiver) = (TempDir::new().unwrap(), Receiver::new());
    // It accepts, by the kernel, and says nothing.
    let hole = TcpListener::bind("127.0.0.1:0").unwrap();
    let ini = channel("hole", "webhook", &format!("url = http://{}/", hole.local_addr().unwrap()))
        + &channel("hook", "webhook", &format!("url = {}/", receiver.url()))
        + &job("bad", "command = false\nnotify = hole, hook\nnotify-on = always\ncooldown = 0s");
    let agent = Beside::start(folder.path(), &ini);
    let runs: Vec<String> = (0..20).map(|_| agent.run_to_its_end("bad")).collect();
    agent.wait_for(20, |it| it["event"] == "notify.sent" && it["cause"] == "failure");
    let got = receiver.wait_for("all", |it| (it.len() == 40).then(|| it.to_vec()));
    let keys: Vec<&str> = got.iter().map(|it| &*it.headers["idempotency-key"]).collect();
    let each: Vec<String> =
        runs.iter().flat_map(|run| ["start", "failure"].map(|cause| format!("{run}:hook:{cause}"))).collect();
    assert_eq!(keys, each);
    let told = agent.wait_for(0, |_| true);
    assert!(told.iter().all(|it| it["event"] != "notify.sent" || it["channel"] == "hook"));
}

#[test]
fn a_receiver_that_asks_for_time_is_left_alone_for_that_long() {
    let (folder, receiver) = (TempDir::new().unwrap(), Receiver::new());
    receiver.answers(429);
    receiver.says("retry-after: 7200");
    let ini = channel("hook", "webhook", &format!("url = {}/", receiver.url()))
        + &job("bad", "command = false\nnotify = hook");
    let agent = Beside::start(folder.path(), &ini);
    agent.run_to_its_end("bad");
    let failed = agent.wait_for(1, |it| it["event"] == "notify.failed").remove(0);
    let at = |field: &str| failed[field].as_str().unwrap().parse::<Timestamp>().unwrap();
    let wait = at("next_attempt").duration_since(at("timestamp")).as_secs();
    assert!((7100..=7200).contains(&wait), "{failed}");
}

/// Mistake 23: a timeout lost the output and the notification.
#[test]
fn a_run_that_took_too_long_is_told_with_what_it_printed_until_then() {
    let (folder, receiver) = (TempDir::new().unwrap(), Receiver::new());
    let ini = channel("hook", "webhook", &format!("url = {}/", receiver.url()))
        + &job("slow", "command = sh -c 'echo as far as here; sleep 60'\ntimeout = 1s\nnotify = hook");
    let agent = Beside::start(folder.path(), &ini);
    agent.run_to_its_end("slow");
    sent(&agent, "hook", "timeout");
    let told = body(&first(&receiver));
    assert_eq!([&told["run"]["outcome"], &told["output"]], ["timed-out", "as far as here"], "{told}");
    let took = told["run"]["duration_seconds"].as_f64().unwrap();
    let said = told["title"].as_str().unwrap().strip_prefix("slow timed out after ").unwrap();
    let said: f64 = said.strip_suffix('s').unwrap().parse().unwrap();
    assert!(took >= 1.0 && (took - 0.1..=took).contains(&said), "{told}");
}

#[test]
fn only_the_last_attempt_of_a_run_is_told_of() {
    let (folder, receiver) = (TempDir::new().unwrap(), Receiver::new());
    let ini = channel("hook", "webhook", &format!("url = {}/", receiver.url()))
        + &job("bad", "command = false\nretries = 2\nretry-delay = 10ms\nnotify = hook");
    let agent = Beside::start(folder.path(), &ini);
    let run = agent.run_to_its_end("bad");
    sent(&agent, "hook", "failure");
    let told = receiver.wait_for("it", |it| (!it.is_empty()).then(|| it.to_vec()));
    assert_eq!((told.len(), &body(&told[0])["run"]["attempts"]), (1, &3.into()), "{told:?}");
    assert_eq!(body(&told[0])["run"]["id"], *run);
}

#[test]
fn what_should_have_succeeded_and_did_not_is_told_once_also_over_a_restart() {
    let (folder, receiver) = (TempDir::new().unwrap(), Receiver::new());
    // Until an Engine has answered there may be jobs that are not known yet.
    let engine = SilentEngine::at(&folder.path().join("engine.sock"));
    let ini = channel("hook", "webhook", &format!("url = {}/", receiver.url()))
        + &job("backup", "command = true\nnotify = hook\nexpect-every = 2s");
    std::fs::write(folder.path().join("config.ini"), ini).unwrap();
    let start = || Beside::start_as_it_is(folder.path(), &["--docker-host", &engine.host()]);
    let agent = start();
    sent(&agent, "hook", "expect");
    let told = body(&first(&receiver));
    assert_eq!((&told["cause"], &told["job"]), (&"expect".into(), &"backup".into()), "{told}");
    agent.end(Signal::SIGKILL);
    let agent = start();
    agent.wait_for_event("job.added", "backup");
    agent.wait_for(1, |it| it["event"] == "agent.ready");
    agent.run_to_its_end("backup");
    sent(&agent, "hook", "recovery");
    let causes = receiver.wait_for("the recovery", |it| {
        let mut all: Vec<(&str, String)> = it
            .iter()
            .map(|it| (&*it.headers["idempotency-key"], body(it)["cause"].as_str().unwrap().to_owned()))
            .collect();
        // One that had arrived as the agent was killed may come once more, by which it is known.
        all.dedup_by_key(|it| it.0);
        let causes: Vec<String> = all.into_iter().map(|it| it.1).collect();
        causes.contains(&"recovery".to_owned()).then_some(causes)
    });
    assert_eq!(causes, ["expect", "recovery"]);
}

/// Mistake 47: secrets in mails, API answers and error strings.
#[test]
fn a_channels_secrets_are_nowhere_also_where_the_receiver_repeats_them() {
    let (folder, receiver) = (TempDir::new().unwrap(), Receiver::new());
    let secret = folder.path().join("secret");
    std::fs::write(&secret, "hunter2-of-a-file\n").unwrap();
    receiver.answers(400);
    let url = receiver.url();
    let ini = channel("a", "webhook", &format!("url = {url}/hunter2-path?x=hunter2-query\nheader = X-Token: hunter2-header"))
        + &channel("b", "gotify", &format!("url = {url}\ntoken-file = {}", secret.display()))
        + &channel("c", "ntfy", &format!("url = {url}/t\nuser = u\npassword = hunter2-password"))
        // Nobody listens there.
        + &channel("d", "slack", "url = http://127.0.0.1:1/hunter2-refused")
        + &channel("e", "exec", "command = sh -c 'echo no >&2; exit 1'")
        + &job("bad", "command = false\nnotify = a, b, c, d, e");
    let agent = Beside::start(folder.path(), &ini);
    agent.run_to_its_end("bad");
    agent.wait_for(3, |it| it["event"] == "notify.given_up");
    agent.wait_for(2, |it| it["event"] == "notify.failed");
    let asked: Vec<String> = ["a", "b", "d"]
        .iter()
        .map(|name| agent.post(&format!("/api/channels/{name}/test"), "").refusal(502))
        .collect();
    assert!(asked[0].contains("status 400"), "{asked:?}");
    secret_nowhere(&agent, folder.path(), &asked);
    for (channel, mend) in [("a", "given up"), ("d", "nobody listens there")] {
        let problems = agent.get("/api/problems").json();
        let found = problems["problems"]
            .as_array()
            .unwrap()
            .iter()
            .find(|it| it["origin"] == format!("channel {channel}"));
        let found = found.unwrap_or_else(|| panic!("{channel}: {problems:#}"));
        assert!(found["reason"].as_str().unwrap().contains(mend), "{found}");
    }
    let health = agent.get("/health").json();
    assert_eq!(health["notifications"]["status"], "degraded", "{health}");
}

#[test]
fn where_the_system_has_no_authorities_those_of_the_agent_are_there() {
    let folder = TempDir::new().unwrap();
    let receiver = Receiver::over_tls(&Authority::new().certify(&["localhost"]));
    let url = receiver.url().replace("127.0.0.1", "localhost");
    let ini =
        channel("hook", "webhook", &format!("url = {url}/")) + &job("bad", "command = false\nnotify = hook");
    std::fs::write(folder.path().join("config.ini"), ini).unwrap();
    // As in an image of nothing but the agent.
    let nowhere = [("SSL_CERT_FILE", "/nowhere.pem"), ("SSL_CERT_DIR", "/nowhere")];
    let agent = Beside::start_with(folder.path(), &["--listen", "none"], &nowhere);
    agent.wait_for_event("job.added", "bad");
    agent.run_to_its_end("bad");
    let failed = agent.wait_for(1, |it| it["event"] == "notify.failed").remove(0);
    let reason = failed["reason"].as_str().unwrap();
    assert!(reason.contains("not signed by anybody who is believed here"), "{reason}");
}

fn secret_nowhere(agent: &Beside, folder: &Path, further: &[String]) {
    let told = agent.wait_for(0, |_| true);
    assert!(told.iter().all(|it| !it.to_string().contains(CANARY)), "the log: {told:#?}");
    for path in
        ["/api/channels", "/api/problems", "/api/config", "/health", "/metrics", "/api/jobs", "/api/audits"]
    {
        let text = agent.get(path).text();
        assert!(!text.contains(CANARY), "{path}: {text}");
    }
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with("watchbell.db") || name.starts_with("history") {
            let bytes = std::fs::read(entry.path()).unwrap();
            assert!(!bytes.windows(CANARY.len()).any(|it| it == CANARY.as_bytes()), "{name}");
        }
    }
    assert!(further.iter().all(|it| !it.contains(CANARY)), "{further:?}");
}

#[test]
fn a_channel_is_tried_and_shown_from_the_command_line() {
    let (folder, receiver) = (TempDir::new().unwrap(), Receiver::new());
    let ini = channel("hook", "webhook", &format!("url = {}/", receiver.url()))
        + &channel("down", "webhook", "url = http://127.0.0.1:1/")
        + &job("bad", "command = sh -c 'echo words; exit 3'\nnotify = hook");
    let agent = Beside::start(folder.path(), &ini);
    agent.run_to_its_end("bad");
    sent(&agent, "hook", "failure");
    let ask = |arguments: &[&str]| {
        let asked = std::process::Command::new(env!("CARGO_BIN_EXE_watchbell"))
            .arg("notify")
            .args(arguments)
            .arg("--state-dir")
            .arg(folder.path())
            .env_clear()
            .output()
            .unwrap();
        let text = [asked.stdout, asked.stderr].map(|it| String::from_utf8(it).unwrap()).concat();
        (asked.status.code(), text)
    };
    assert_eq!(ask(&["test", "hook"]), (Some(0), "the message arrived at hook\n".to_owned()));
    let (code, text) = ask(&["test", "down"]);
    assert!(
        code == Some(1) && text.contains("it did not arrive: http://127.0.0.1:1: nobody listens there"),
        "{text}"
    );
    let (code, text) = ask(&["test", "hok"]);
    assert!(code == Some(1) && text.contains("did you mean \"hook\"?"), "{text}");
    let (code, text) = ask(&["preview", "bad"]);
    assert!(
        code == Some(0) && text.starts_with("bad failed with exit code 3\n") && text.ends_with("words\n"),
        "{text}"
    );
    let (code, text) = ask(&["preview", "bad", "--cause", "recovery", "--channel", "down"]);
    assert!(code == Some(0) && text.starts_with("bad succeeds again"), "{text}");
    let (code, text) = ask(&["preview", "bad", "--cause", "recover"]);
    assert!(code == Some(1) && text.contains("did you mean \"recovery\"?"), "{text}");
    let (code, text) = ask(&["channels"]);
    let [head, down, hook] = &text.lines().collect::<Vec<_>>()[..] else { panic!("{text}") };
    assert!(
        code == Some(0) && head.starts_with("CHANNEL") && down.ends_with("ok") && hook.contains("webhook"),
        "{text}"
    );
    // What was tried does not count.
    assert_eq!(receiver.wait_for("both", |it| (it.len() == 2).then_some(it.len())), 2);
}
