//! Commands in running containers: outcomes, and every byte of what they print.
//!
//! These are jobs of the file: no other agent on the Engine knows of them and runs them as well.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::support::live_engine::{LIMIT, Stage, eventually, text};

struct Case {
    name: &'static str,
    command: &'static str,
    outcome: &'static str,
    exit_code: i64,
    stdout: &'static [&'static str],
    stderr: &'static [&'static str],
}

const CASES: &[Case] = &[
    Case {
        name: "no-newline",
        command: r"printf 'first\nlast'",
        outcome: "succeeded",
        exit_code: 0,
        stdout: &["first", "last"],
        stderr: &[],
    },
    Case {
        name: "both-streams",
        command: "echo out; echo err >&2; echo out again",
        outcome: "succeeded",
        exit_code: 0,
        stdout: &["out", "out again"],
        stderr: &["err"],
    },
    Case {
        name: "exit-three",
        command: "echo '' ; exit 3",
        outcome: "failed",
        exit_code: 3,
        stdout: &[""],
        stderr: &[],
    },
    Case {
        name: "quoted",
        command: r#"printf '%s|' 'a b' "c; d" e\ f"#,
        outcome: "succeeded",
        exit_code: 0,
        stdout: &["a b|c; d|e f|"],
        stderr: &[],
    },
    Case {
        name: "killed",
        command: "kill -9 $$$$", // `$$` is how the file writes one `$`
        outcome: "failed",
        exit_code: 137,
        stdout: &[],
        stderr: &[],
    },
];

#[test]
fn a_command_has_the_outcome_and_the_lines_that_it_has_by_hand() {
    let stage = Stage::new();
    let web = stage.worker("web").start();
    let mut agent = stage.agent();
    for case in CASES {
        let parameters =
            [("schedule", "@every 2s"), ("container", &*web), ("shell", "true"), ("command", case.command)];
        agent = agent.file_job("exec", &stage.name(case.name), &parameters);
    }
    let agent = agent.start();
    for case in CASES {
        let ended = agent.wait_for_end(&stage.name(case.name));
        assert_eq!(text(&ended, "outcome"), case.outcome, "{ended}");
        assert_eq!(ended["exit_code"], case.exit_code, "{ended}");
        let run = text(&ended, "run");
        assert_eq!(agent.lines(run, "stdout"), case.stdout, "{}", case.name);
        assert_eq!(agent.lines(run, "stderr"), case.stderr, "{}", case.name);
    }
    let exact = agent.records(|it| it.get("line_base64").is_some());
    assert!(exact.is_empty(), "text is told as text: {exact:?}");
}

#[test]
fn a_command_that_does_not_exist_or_cannot_be_executed_has_failed() {
    let stage = Stage::new();
    let job = |name: &str| stage.name(name);
    // Two commands that fail in one container at the same moment may have each other's words: the Engine's runtime keeps
    // one log for all of a container's.
    let [web, other] = ["web", "other"].map(|it| stage.worker(it).start());
    let parameters =
        |container, command| [("schedule", "@every 2s"), ("container", container), ("command", command)];
    let agent = stage
        .agent()
        .file_job("exec", &job("missing"), &parameters(&*web, "no-such-program --flag"))
        .file_job("exec", &job("denied"), &parameters(&*other, "/etc/passwd"))
        .start();
    for (name, codes) in [("missing", [126, 127]), ("denied", [126, 126])] {
        let ended = agent.wait_for_end(&job(name));
        assert_eq!(text(&ended, "outcome"), "failed", "{ended}");
        assert!(codes.contains(&ended["exit_code"].as_i64().unwrap_or_default()), "{ended}");
        assert!(text(&ended, "reason").contains("its output says"), "{ended}");
        let said = agent.records(|it| it["event"] == "run.output" && it["run"] == ended["run"]);
        assert!(!said.is_empty(), "the Engine's own words are there");
    }
}

#[test]
fn bytes_that_are_no_text_arrive_exactly() {
    let stage = Stage::new();
    let web = stage.worker("web").start();
    let job = stage.name("bytes");
    let parameters = [
        ("schedule", "@every 2s"),
        ("container", &*web),
        ("command", r"printf '\377\000\303(\033[31m tail\nplain\n'"),
    ];
    let agent = stage.agent().file_job("exec", &job, &parameters).start();
    let ended = agent.wait_for_end(&job);
    let told = agent.records(|it| it["event"] == "run.output" && it["run"] == ended["run"]);
    assert_eq!(told.len(), 2, "{told:?}");
    let exact = STANDARD.decode(text(&told[0], "line_base64")).expect("base64");
    assert_eq!(exact, b"\xff\0\xc3(\x1b[31m tail");
    assert!(text(&told[0], "line").ends_with("[31m tail"), "as far as it can be read");
    assert_eq!((text(&told[1], "line"), told[1].get("line_base64")), ("plain", None));
}

#[test]
fn a_line_of_a_hundred_thousand_bytes_comes_in_pieces_and_complete() {
    let stage = Stage::new();
    let web = stage.worker("web").start();
    let job = stage.name("long");
    let command = r"head -c 100000 /dev/zero | tr '\000' x; echo; echo end";
    let parameters =
        [("schedule", "@every 2s"), ("container", &*web), ("shell", "true"), ("command", command)];
    let agent = stage.agent().file_job("exec", &job, &parameters).start();
    let ended = agent.wait_for_end(&job);
    let mut lines = agent.lines(text(&ended, "run"), "stdout");
    assert_eq!(lines.pop().as_deref(), Some("end"));
    assert!(lines.iter().all(|line| line.len() <= 16 * 1024), "pieces of at most 16 KiB");
    assert_eq!(lines.concat(), "x".repeat(100_000));
}

/// Mistake 31.
#[test]
fn two_hundred_megabytes_of_output_arrive_to_the_byte_in_bounded_memory() {
    const BYTES: u64 = 200_000_000;
    const LINE: u64 = 1000;
    // What the product promises above an idle agent, which a debug build keeps as well.
    const ABOVE_IDLE_KIB: u64 = 16 * 1024;
    let stage = Stage::new();
    let idle = stage.agent().start();
    idle.wait_until_ready();
    let usual = idle.peak_memory();
    drop(idle);
    let web = stage.worker("web").start();
    let job = stage.name("flood");
    let line = "y".repeat(usize::try_from(LINE - 1).expect("small"));
    let command = format!("mkdir /tmp/once || exit 0; yes {line} | head -c {BYTES}");
    let parameters =
        [("schedule", "@every 1s"), ("container", &*web), ("shell", "true"), ("command", &*command)];
    let agent = stage.agent().file_job("exec", &job, &parameters).bulk(&job).start();
    let ended = agent.wait_within(LIMIT * 4, "the flood ends", |records| {
        records.iter().find(|it| it["event"] == "run.finished" && it["job"] == *job).cloned()
    });
    let peak = agent.peak_memory();
    assert_eq!(text(&ended, "outcome"), "succeeded", "{ended}");
    let dropped = agent.records(|it| it["event"] == "log.dropped");
    assert_eq!(agent.bulk(), (BYTES / LINE, BYTES - BYTES / LINE), "{ended} {dropped:?}");
    assert!(dropped.is_empty(), "{dropped:?}");
    assert!(peak < usual + ABOVE_IDLE_KIB, "{peak} KiB, and {usual} KiB when idle");
}

/// Mistake 24.
#[test]
fn a_timeout_ends_a_command_that_ignores_the_request_and_all_its_children() {
    let stage = Stage::new();
    let web = stage.worker("web").start();
    let job = stage.name("stubborn");
    // An ignored signal stays ignored in the children.
    let command = "trap '' TERM; echo begun; sleep 4242 & (sleep 4242; sleep 4242) & sleep 4242";
    let parameters = [
        ("schedule", "@every 1s"),
        ("container", &*web),
        ("shell", "true"),
        ("command", command),
        ("timeout", "1s"),
        ("grace-period", "500ms"),
    ];
    let agent = stage.agent().file_job("exec", &job, &parameters).start();
    agent.wait_for_event("run.started", &job);
    eventually("its children run", || stage.has_process(&web, "sleep 4242"));
    let ended = agent.wait_for_end(&job);
    assert_eq!(text(&ended, "outcome"), "timed-out", "{ended}");
    assert_eq!(text(&ended, "reason"), "", "it could be ended");
    assert_eq!(agent.lines(text(&ended, "run"), "stdout"), ["begun"], "output up to then is kept");
    let marked = format!("grep -l WATCHBELL_RUN={} /proc/[0-9]*/environ || true", text(&ended, "run"));
    assert_eq!(stage.docker(["exec", &web, "sh", "-c", &marked]), "", "nothing of it is left");
}

#[test]
fn environment_user_and_working_directory_of_a_command_are_as_labelled() {
    let stage = Stage::new();
    let web = stage.name("web");
    let job = format!("{web}.who");
    stage
        .worker("web")
        .exec(
            "who",
            &[
                ("schedule", "@every 2s"),
                ("command", "echo $FIRST/$SECOND/$(id -u)/$(pwd)"),
                ("shell", "true"),
                ("environment.0", "FIRST=a,b"),
                ("environment.1", "SECOND=c=d"),
                ("user", "nobody"),
                ("workdir", "/tmp"),
            ],
        )
        .start();
    let agent = stage.agent().jobs([&job]).start();
    let ended = agent.wait_for_end(&job);
    assert_eq!(agent.lines(text(&ended, "run"), "stdout"), ["a,b/c=d/65534//tmp"], "{ended}");
}

#[test]
fn a_terminal_has_one_stream_and_its_lines_are_plain() {
    let stage = Stage::new();
    let web = stage.worker("web").start();
    let job = stage.name("terminal");
    let parameters = [
        ("schedule", "@every 1s"),
        ("container", &*web),
        ("shell", "true"),
        ("tty", "true"),
        ("command", r"[ -t 1 ] && echo terminal; echo error >&2; printf 'no\rnewline'; exit 3"),
    ];
    let agent = stage.agent().file_job("exec", &job, &parameters).start();
    let ended = agent.wait_for_end(&job);
    assert_eq!((text(&ended, "outcome"), &ended["exit_code"]), ("failed", &3.into()), "{ended}");
    let run = text(&ended, "run");
    assert_eq!(agent.lines(run, "stdout"), ["terminal", "error", "no\rnewline"]);
    assert_eq!(agent.lines(run, "stderr"), [""; 0]);
}

/// What pauses a container for a moment, as a backup does, costs no occurrence; what pauses it for longer is told.
#[test]
fn a_container_that_is_paused_is_waited_for_a_little() {
    let stage = Stage::new();
    let web = stage.worker("web").start();
    let job = stage.name("sync");
    let parameters = [("schedule", "@every 3s"), ("container", &*web), ("command", "echo here")];
    let agent = stage.agent().file_job("exec", &job, &parameters).start();
    agent.wait_for_end(&job);
    stage.docker(["pause", &web]);
    let reason = format!("container {web} is paused, and still was after 5s");
    agent
        .wait_for(&reason, |it| it["event"] == "run.skipped" && it["job"] == *job && it["reason"] == *reason);
    let ended = || agent.records(|it| it["event"] == "run.finished" && it["job"] == *job);
    let before = ended().len();
    stage.docker(["unpause", &web]);
    let next = agent
        .wait_for_nth("it runs again", before + 1, |it| it["event"] == "run.finished" && it["job"] == *job);
    assert_eq!(text(&next, "outcome"), "succeeded", "{next}");
}
