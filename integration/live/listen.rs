//! The agent in a container that listens over TCP, asked from other containers of its network.

use super::image::{demand_image, wait_for};
use crate::support::live_engine::{IMAGE, Stage, WORKER};

const TOKEN: &str = "hunter2-canary-0123456789";

/// The image holds no program but its own. Jobs of other tests' containers are never due here.
const CONFIG: &str = "[job-defaults]\nenabled = false\n\
                      [job-local \"hello\"]\nschedule = @yearly\ncommand = /watchbell version\nenabled = true\n";

/// Makes the agent, hardened, in this network, where it is also called `other`; the answer is its name.
fn agent(stage: &Stage, network: &str) -> String {
    let (name, volume) = (stage.name("agent"), stage.name("state"));
    stage.docker(["volume", "create", "--label", &stage.label(), &volume]);
    let socket = format!("{}:/var/run/docker.sock", stage.socket());
    let mount = format!("{volume}:/var/lib/watchbell");
    stage.docker(
        ["create", "--name", &name, "--label", &stage.label(), "--network", network]
            .into_iter()
            .chain(["--network-alias", "other", "--read-only", "--cap-drop", "ALL"])
            .chain(["--security-opt", "no-new-privileges:true", "-v", &socket, "-v", &mount])
            .chain(["-e", "WATCHBELL_ADMIN_TOKEN_FILE=/var/lib/watchbell/token"])
            .chain([IMAGE, "daemon", "--config", "/var/lib/watchbell/config.ini"])
            .chain(["--listen", "0.0.0.0:8080", "--allowed-hosts", &name]),
    );
    for (file, content) in [("config.ini", CONFIG), ("token", TOKEN)] {
        let here = stage.dir().join(file);
        std::fs::write(&here, content).expect("the file can be written");
        stage.docker(["cp", here.to_str().expect("text"), &format!("{name}:/var/lib/watchbell/{file}")]);
    }
    stage.docker(["start", &name]);
    name
}

#[test]
fn an_agent_in_a_container_answers_its_network_by_its_name_and_its_token() {
    let stage = Stage::new();
    demand_image(&stage);
    let network = stage.network("net");
    let agent = agent(&stage, &network);
    let listens = wait_for(&stage, &agent, "it listens", |it| it["event"] == "api.listening");
    assert_eq!(listens["address"], "0.0.0.0:8080");
    wait_for(&stage, &agent, "the job is added", |it| it["event"] == "job.added" && it["job"] == "hello");

    let label = stage.label();
    let within = ["run", "--rm", "--network", &network, "--label", &label];
    let bearer = format!("Authorization: Bearer {TOKEN}");
    let asks = |host: &str, path: &str, more: &[&str]| {
        let url = format!("http://{host}:8080{path}");
        let wget = [WORKER, "wget", "-q", "-T", "10", "-O", "-"].into_iter().chain(more.iter().copied());
        stage.try_docker(within.into_iter().chain(wget).chain([&*url]))
    };
    let shown = ["--header", &*bearer];
    assert!(asks(&agent, "/api/jobs", &[]).is_err_and(|it| it.contains("401")));
    let wrong = ["--header", "Authorization: Bearer hunter2-canary-of-nobody"];
    assert!(asks(&agent, "/api/jobs", &wrong).is_err_and(|it| it.contains("401")));
    // By a name that it was not told it has.
    assert!(asks("other", "/api/jobs", &shown).is_err_and(|it| it.contains("403")));
    let jobs = asks(&agent, "/api/jobs?name=hello", &shown).unwrap_or_else(|why| panic!("{why}"));
    assert!(jobs.contains("\"name\":\"hello\""), "{jobs}");
    let address = stage.inspect(&agent, "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}");
    assert_eq!(asks(&address, "/api/jobs?name=hello", &shown).as_deref(), Ok(&*jobs));

    let run = [&shown[..], &["--post-data", ""]].concat();
    let run = asks(&agent, "/api/jobs/hello/run", &run).unwrap_or_else(|why| panic!("{why}"));
    let ended = wait_for(&stage, &agent, "the run ends", |it| it["event"] == "run.finished");
    assert!(
        ended["outcome"] == "succeeded" && run.contains(ended["run"].as_str().expect("an ID")),
        "{ended}"
    );

    // The same image asks too, by the agent's name.
    let (url, token) = (format!("WATCHBELL_URL=http://{agent}:8080"), format!("WATCHBELL_TOKEN={TOKEN}"));
    let history =
        stage.docker(within.into_iter().chain(["-e", &url, "-e", &token, IMAGE, "history", "hello"]));
    assert!(history.contains("succeeded"), "{history}");
    assert!(!stage.docker(["logs", &agent]).contains("canary"));
}
