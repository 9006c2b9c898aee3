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
    let address = stage.inspect(&agent, "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}");
    // Debian's static busybox ends with a fault where its wget looks a name up, so what it sends is written here.
    let asks = |host: &str, question: &str, headers: &str| {
        let sent = format!("SENT={question} HTTP/1.0\r\nhost: {host}:8080\r\n{headers}\r\n");
        let to = format!("TO={address}");
        // It hangs up when there is no more to send.
        let script = "{ printf %s \"$SENT\"; sleep 2; } | nc -w 10 $TO 8080";
        let worker = ["-e", &sent, "-e", &to, WORKER, "sh", "-c", script];
        stage.docker(within.into_iter().chain(worker))
    };
    let status = |answer: &str| answer.split(' ').nth(1).unwrap_or_default().to_owned();
    let shown = format!("authorization: Bearer {TOKEN}\r\n");
    let wrong = "authorization: Bearer hunter2-canary-of-nobody\r\n";
    for (host, headers, expected) in [
        (&*agent, "", "401"),
        (&agent, wrong, "401"),
        (&agent, &shown, "200"),
        (&address, &shown, "200"),
        // By a name that it was not told it has.
        ("other", &shown, "403"),
    ] {
        let answer = asks(host, "GET /api/jobs?name=hello", headers);
        assert_eq!(status(&answer), expected, "{host}: {answer}");
        assert_eq!(answer.contains("\"name\":\"hello\""), expected == "200", "{answer}");
    }
    let run = asks(&agent, "POST /api/jobs/hello/run", &format!("{shown}content-length: 0\r\n"));
    assert_eq!(status(&run), "202", "{run}");
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
