//! Compose projects and scaled services, by the labels that Compose gives.

use crate::support::live_engine::{Record, Stage, text};

const EVERY_SECOND: [(&str, &str); 2] = [("schedule", "@every 1s"), ("command", "hostname")];

#[test]
fn two_projects_with_the_same_service_and_job_are_two_jobs_each_in_its_own_container() {
    let stage = Stage::new();
    let projects = ["blue", "green"].map(|it| stage.name(it));
    let jobs = projects.each_ref().map(|project| format!("{project}.web.who"));
    let agent = stage.agent().jobs(&jobs).start();
    let hostnames = ["blue-web", "green-web"].map(|part| {
        let project = stage.name(part.trim_end_matches("-web"));
        let web = stage.worker(part).compose(&project, "web", 1).exec("who", &EVERY_SECOND).start();
        stage.inspect(&web, "{{.Config.Hostname}}")
    });
    for (job, hostname) in jobs.iter().zip(&hostnames) {
        let ended = agent.wait_for_end(job);
        assert_eq!(text(&ended, "outcome"), "succeeded");
        assert_eq!(agent.lines(text(&ended, "run"), "stdout"), std::slice::from_ref(hostname));
        assert_eq!(agent.job_events(job), ["job.added"]);
    }
}

#[test]
fn a_service_scaled_to_three_is_one_job_that_moves_when_its_container_stops() {
    let stage = Stage::new();
    let project = stage.name("shop");
    let [who, hourly] = ["who", "hourly"].map(|job| format!("{project}.web.{job}"));
    let webs = [1, 2, 3].map(|number| {
        stage
            .worker(&format!("web-{number}"))
            .compose(&project, "web", number)
            .exec("who", &EVERY_SECOND)
            .exec("hourly", &[("schedule", "@every 1h"), ("command", "true")])
            .start()
    });
    let agent = stage.agent().jobs([&who, &hourly]).start();
    let added = agent.wait_for_event("job.added", &hourly);
    assert_eq!(text(&added, "container"), webs[0], "the lowest number");
    assert_eq!(text(&agent.wait_for_end(&who), "container"), webs[0]);

    stage.docker(["stop", "-t", "0", &webs[0]]);
    let moved = agent.wait_for_event("job.updated", &hourly);
    assert_eq!(text(&moved, "container"), webs[1]);
    assert_eq!(moved["next"], added["next"], "its next occurrence stays");
    let second = stage.inspect(&webs[1], "{{.Config.Hostname}}");
    agent.wait_for("a run in the second container", |it| {
        it["event"] == "run.output" && it["job"] == *who && it["line"] == *second
    });

    // It stays where it is when the first one comes back: moving costs, and nothing is gained.
    stage.docker(["start", &webs[0]]);
    let sentinel = stage.worker("last").exec("last", &[("schedule", "@yearly"), ("command", "true")]).start();
    agent.wait_for_event("job.added", &format!("{sentinel}.last"));
    for job in [&who, &hourly] {
        assert_eq!(agent.job_events(job), ["job.added", "job.updated"]);
    }
}

#[test]
fn a_one_off_container_of_a_service_is_no_replica() {
    let stage = Stage::new();
    let project = stage.name("shop");
    let job = format!("{project}.web.who");
    let agent = stage.agent().jobs([&job]).start();
    stage
        .worker("web-run-1")
        .compose(&project, "web", 1)
        .label("com.docker.compose.oneoff", "True")
        .exec("who", &EVERY_SECOND)
        .start();
    let sentinel = stage.worker("last").exec("last", &[("schedule", "@yearly"), ("command", "true")]).start();
    agent.wait_for_event("job.added", &format!("{sentinel}.last"));
    assert_eq!(agent.job_events(&job), Vec::<String>::new());
}

#[test]
fn a_job_without_a_running_container_is_skipped_with_the_reason_and_goes_on_when_it_is_back() {
    let stage = Stage::new();
    let job = format!("{}.who", stage.name("web"));
    let agent = stage.agent().jobs([&job]).start();
    let web = stage.worker("web").exec("who", &EVERY_SECOND).start();
    agent.wait_for_end(&job);
    stage.docker(["stop", "-t", "0", &web]);
    let skipped = agent.wait_for_event("run.skipped", &job);
    assert_eq!(text(&skipped, "reason"), format!("container {web} is not running"));
    let runs = agent.records(|it| it["event"] == "run.finished" && it["job"] == *job).len();
    stage.docker(["start", &web]);
    let again = agent.wait_for_nth("a run after that", runs + 1, |it| {
        it["event"] == "run.finished" && it["job"] == *job && it["outcome"] == "succeeded"
    });
    assert_eq!(text(&again, "container"), web);
    assert_eq!(agent.job_events(&job), ["job.added"]);
}

#[test]
fn with_replica_all_each_running_container_of_a_service_has_its_own_run() {
    let stage = Stage::new();
    let project = stage.name("shop");
    let job = format!("{project}.web.who");
    let each = [("schedule", "@every 2s"), ("command", "hostname"), ("replica", "all")];
    let webs = [1, 2, 3].map(|number| {
        stage.worker(&format!("web-{number}")).compose(&project, "web", number).exec("who", &each).start()
    });
    stage.docker(["stop", "-t", "0", &webs[2]]);
    let hostnames = webs.each_ref().map(|web| stage.inspect(web, "{{.Config.Hostname}}"));
    let agent = stage.agent().jobs([&job]).start();

    let ended = |it: &Record| it["event"] == "run.finished" && it["job"] == *job;
    agent.wait_for_nth("both runs of two occurrences", 4, ended);
    let first = text(&agent.records(ended)[0], "occurrence").to_owned();
    let runs = agent.records(|it| ended(it) && it["occurrence"] == *first);
    let mut printed: Vec<(&str, Vec<String>)> =
        runs.iter().map(|it| (text(it, "container"), agent.lines(text(it, "run"), "stdout"))).collect();
    printed.sort();
    let expected = [0, 1].map(|at| (&*webs[at], vec![hostnames[at].clone()]));
    assert_eq!(printed, expected);
    assert!(runs.iter().all(|it| it["outcome"] == "succeeded"));
    assert_ne!(runs[0]["run"], runs[1]["run"]);

    stage.docker(["start", &webs[2]]);
    agent.wait_for("a run in the third", |it| ended(it) && it["container"] == *webs[2]);
    assert_eq!(agent.job_events(&job), ["job.added"]);
}

#[test]
fn by_hand_the_runs_in_all_containers_are_followed_and_one_that_fails_is_no_success() {
    let stage = Stage::new();
    let project = stage.name("shop");
    let job = format!("{project}.web.who");
    let command = "sh -c 'hostname; if [ -e /tmp/fails ]; then exit 7; fi'";
    let each = [("schedule", "@triggered"), ("command", command), ("replica", "all")];
    let webs = [1, 2, 3].map(|number| {
        stage.worker(&format!("web-{number}")).compose(&project, "web", number).exec("who", &each).start()
    });
    let hostnames = webs.each_ref().map(|web| stage.inspect(web, "{{.Config.Hostname}}"));
    stage.docker(["exec", &webs[1], "touch", "/tmp/fails"]);
    let agent = stage.agent().jobs([&job]).start();
    agent.wait_for_event("job.added", &job);
    let (code, printed) = agent.operate(&["run", &job, "--wait"]);
    assert_eq!(
        (code, printed.lines().collect::<Vec<_>>()),
        (Some(7), hostnames.each_ref().map(|it| &**it).to_vec())
    );
    let (code, printed) = agent.operate(&["run", &job]);
    assert_eq!((code, printed.lines().count()), (Some(0), 3), "{printed}");
    for run in printed.lines() {
        agent.wait_for("its end", |it| it["event"] == "run.finished" && it["run"] == *run);
    }
}
