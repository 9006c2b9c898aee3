//! An agent behind a proxy that lets through exactly what `watchbell doctor --grants` prints.

use std::process::Command;

use serde_json::Value;
use watchbell::docker::endpoints::{Allowed, ENDPOINTS};

use crate::support::{
    front::Front,
    live_engine::{Stage, WORKER, text},
};

/// What `doctor --grants` prints with these arguments, as methods and paths.
fn printed(arguments: &[&str]) -> Vec<(String, String)> {
    let mut doctor = Command::new(env!("CARGO_BIN_EXE_watchbell"));
    doctor.env_clear().args(["doctor", "--grants", "--output", "json"]).args(arguments);
    let output = doctor.output().expect("it can be run");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let answer: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let endpoints = answer["endpoints"].as_array().expect("a list");
    endpoints.iter().map(|it| (text(it, "method").to_owned(), text(it, "path").to_owned())).collect()
}

/// The rows of the table that were printed.
fn rows(printed: &[(String, String)]) -> Vec<Allowed> {
    let row = |(method, path): &(String, String)| {
        let row =
            ENDPOINTS.iter().find(|it| it.method == method && it.path == path).expect("it is of the table");
        Allowed { method: row.method, path: row.path, uses: Vec::new() }
    };
    printed.iter().map(row).collect()
}

const CONFIG: &str = "[job-defaults]\nenabled = false\n";

#[test]
fn behind_a_proxy_with_exactly_the_list_of_doctor_all_jobs_work_and_nothing_else_is_asked() {
    let stage = Stage::new();
    let web = stage.worker("web").start();
    let (front_net, back_net) = (stage.network("front"), stage.network("back"));
    let [quick, slow, copy, stuck] = ["quick", "slow", "copy", "stuck"].map(|it| stage.name(it));
    let config = format!(
        "{CONFIG}\
         [job-exec \"{quick}\"]\nschedule = @every 1s\ncontainer = {web}\ncommand = echo through\n\
         [job-exec \"{slow}\"]\nschedule = @every 1s\ncontainer = {web}\ncommand = sleep 1050\ntimeout = 1s\n\
         grace-period = 1s\n\
         [job-run \"{copy}\"]\nschedule = @every 1s\nimage = {WORKER}\ncommand = echo through\n\
         network = {front_net}\nnetwork = {back_net}\n\
         [job-run \"{stuck}\"]\nschedule = @every 1s\nimage = {WORKER}\nnetwork = none\ncommand = sleep 1051\n\
         timeout = 1s\ngrace-period = 1s\n"
    );
    let file = stage.dir().join("jobs.ini");
    std::fs::write(&file, &config).expect("a file");
    let allowed = printed(&["--config", file.to_str().expect("text")]);
    let socket = stage.dir().join("proxy.sock");
    let front = Front::filter(&socket, &rows(&allowed), stage.socket());

    let host = format!("unix://{}", socket.display());
    let jobs = [&quick, &slow, &copy, &stuck];
    let agent = stage.agent().config(&config).host(&host).jobs(jobs).start();
    for (job, outcome) in
        [(&quick, "succeeded"), (&copy, "succeeded"), (&slow, "timed-out"), (&stuck, "timed-out")]
    {
        let ended = agent.wait_for_end(job);
        assert_eq!((text(&ended, "outcome"), text(&ended, "reason")), (outcome, ""), "{ended}");
        if outcome == "succeeded" {
            assert_eq!(agent.lines(text(&ended, "run"), "stdout"), ["through"]);
        }
    }
    assert_eq!(printed(&["--state-dir", agent.state_dir()]), allowed, "the running agent says the same");
    // What it leaves is taken up through the same proxy.
    agent.signal(nix::sys::signal::Signal::SIGKILL);
    agent.wait_for_exit();
    let next = stage.agent().config(&config).host(&host).jobs(jobs).after(&agent).start();
    for job in jobs {
        next.wait_for_end(job);
    }
    // An agent without jobs of services asks an Engine that manages a Swarm for them, and does without where it may not.
    let denied = front.denied();
    let of_jobs: Vec<&String> = denied.iter().filter(|it| *it != "GET /services").collect();
    assert_eq!(of_jobs, [""; 0]);
    assert!(manages_a_swarm(&stage) || denied.is_empty(), "{denied:?}");
}

fn manages_a_swarm(stage: &Stage) -> bool {
    stage.docker(["info", "--format", "{{.Swarm.ControlAvailable}}"]) == "true"
}

#[test]
fn what_a_proxy_denies_is_told_by_its_name_with_the_mend() {
    let stage = Stage::new();
    let web = stage.worker("web").start();
    let job = stage.name("tick");
    let few = ENDPOINTS.iter().filter(|it| it.path != "/containers/{id}/exec");
    let few: Vec<Allowed> =
        few.map(|it| Allowed { method: it.method, path: it.path, uses: Vec::new() }).collect();
    let socket = stage.dir().join("proxy.sock");
    let front = Front::filter(&socket, &few, stage.socket());
    let agent = stage
        .agent()
        .file_job("exec", &job, &[("schedule", "@every 1s"), ("container", &web), ("command", "true")])
        .host(&format!("unix://{}", socket.display()))
        .start();
    let ended = agent.wait_for_end(&job);
    assert_eq!(text(&ended, "outcome"), "not-started", "{ended}");
    let reason = text(&ended, "reason");
    let words = "a proxy before the Engine denies POST /containers/{id}/exec: let it through there";
    assert!(reason.contains(words) && reason.contains("doctor --grants"), "{reason}");
    assert!(front.denied().iter().all(|it| it.ends_with("/exec")), "{:?}", front.denied());
}
