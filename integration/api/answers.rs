//! What is answered about jobs and runs, and how what makes no sense is refused.

use std::fmt::Write as _;

use nix::sys::signal::Signal;

use crate::support::beside::Beside;

const INI: &str = "[global]\ntimezone = Europe/Berlin\n\
                   [job-local \"shop.web.sync\"]\nschedule = 30 3 * * *\ncommand = true\n\
                   [job-local \"fails\"]\nschedule = @every 1h\ncommand = sh -c \"exit 3\"\nretries = 1\nretry-delay = 10ms\n\
                   [job-local \"off\"]\nschedule = @daily\ncommand = true\nenabled = no\n\
                   [job-local \"long\"]\nschedule = @yearly\ncommand = sleep 600\ngrace-period = 0s\n";

#[test]
fn a_job_says_its_state_its_moments_its_values_with_their_origins_and_what_its_runs_come_to() {
    let folder = tempfile::tempdir().unwrap();
    let agent = Beside::start(folder.path(), INI);
    for _ in 0..3 {
        agent.run_to_its_end("shop.web.sync");
    }
    let job = agent.get("/api/jobs/shop.web.sync").json();
    assert_eq!([&job["state"], &job["kind"]], ["enabled", "local"]);
    assert_eq!(job["schedule"]["words"], "at 03:30 (Europe/Berlin)");
    let upcoming = job["upcoming"].as_array().unwrap();
    assert!(upcoming.len() == 5 && upcoming.iter().all(|it| it.as_str().unwrap().contains("T03:30:00+0")));
    let statistics = &job["statistics"];
    assert_eq!([&statistics["runs"], &statistics["success_streak"]], [&3, &3]);
    assert_eq!(statistics["outcomes"]["succeeded"], 3);
    assert!(statistics["median_duration_seconds"].as_f64().unwrap() > 0.0);
    assert_eq!(job["last"]["outcome"], "succeeded");
    let parameter = |name: &str| {
        let all = job["parameters"].as_array().unwrap();
        all.iter().find(|it| it["name"] == name).unwrap().clone()
    };
    assert!(parameter("schedule")["origin"].as_str().unwrap().ends_with("config.ini:4"));
    assert_eq!(parameter("timezone")["origin"], "setting timezone");
    assert_eq!(agent.get("/api/jobs/off").json()["state"], "disabled");
    let off = agent.get("/api/jobs/off").json()["reason"].as_str().unwrap().to_owned();
    assert!(off.starts_with("enabled is no at ") && off.ends_with("config.ini:14"), "{off}");

    let failed = agent.run_to_its_end("fails");
    let run = agent.get(&format!("/api/runs/{}", failed.to_lowercase())).json();
    assert_eq!([&run["outcome"], &run["trigger"], &run["phase"]], ["failed", "manual", "ended"]);
    assert_eq!([&run["exit_code"], &run["attempts"]], [&3, &2]);
    assert_eq!(run["tries"].as_array().unwrap().len(), 2);
    assert_eq!(run["tries"][1]["exit_code"], 3);
    assert_eq!(agent.get("/api/jobs/fails").json()["statistics"]["success_streak"], 0);
}

#[test]
fn what_goes_on_is_seen_and_can_be_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let agent = Beside::start(folder.path(), INI);
    let run = agent.run("long");
    let job = agent.get("/api/jobs/long").json();
    assert_eq!([&job["state"], &job["now"][0]["run"]], ["running", &*run]);
    assert_eq!(agent.get("/api/jobs?state=running").json()["total"], 1);
    let again = agent.post("/api/jobs/long/run", "");
    assert!(again.refusal(409).contains("is still running after"));
    assert_ne!(again.json()["run"], *run, "the skipped one has its own record");
    agent.wait_for_event("run.started", "long");
    assert_eq!(agent.post(&format!("/api/runs/{run}/stop"), "").status, 202);
    agent.wait_for(1, |it| it["event"] == "run.finished" && it["run"] == *run);
    let ended = agent.get(&format!("/api/runs/{run}")).json();
    assert_eq!([&ended["outcome"], &ended["reason"]], ["stopped", "an operator stopped it"]);
    let stopped = agent.post(&format!("/api/runs/{run}/stop"), "").refusal(409);
    assert!(stopped.contains("does not go on"), "{stopped}");
    assert_eq!(agent.get("/api/jobs/long").json()["now"].as_array().unwrap().len(), 0);
}

#[test]
fn a_pause_is_answered_and_outlives_a_crash_and_a_resume_ends_it() {
    let folder = tempfile::tempdir().unwrap();
    let agent = Beside::start(folder.path(), INI);
    assert_eq!(agent.post("/api/jobs/fails/pause", "{\"for\":\"2h\"}").status, 200);
    assert_eq!(agent.post("/api/jobs/shop.web.sync/pause", "").status, 200);
    // What was answered may still be on its way to the file; this waits for it.
    agent.get("/api/runs");
    agent.end(Signal::SIGKILL);
    let agent = Beside::start(folder.path(), INI);
    let fails = agent.get("/api/jobs/fails").json();
    assert_eq!(fails["state"], "paused");
    assert!(fails["paused"]["until"].is_string() && fails["next"].is_string(), "{fails}");
    let sync = agent.get("/api/jobs/shop.web.sync").json();
    assert!(sync["paused"]["until"].is_null() && sync["next"].is_null(), "{sync}");
    assert_eq!(agent.post("/api/jobs/fails/resume", "").status, 204);
    assert_eq!(agent.get("/api/jobs/fails").json()["state"], "enabled");
}

#[test]
fn a_list_comes_in_pages_is_filtered_and_says_when_nothing_has_changed() {
    let folder = tempfile::tempdir().unwrap();
    let mut ini = String::new();
    for n in 0..25 {
        let _ = write!(ini, "[job-local \"job-{n:02}\"]\nschedule = @yearly\ncommand = true\n");
    }
    let agent = Beside::start(folder.path(), &ini);
    let (mut names, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = agent.get(&format!("/api/jobs?limit=10{cursor}")).json();
        assert_eq!(page["total"], 25);
        names.extend(page["jobs"].as_array().unwrap().iter().map(|it| it["name"].to_string()));
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!((names.len(), &*names[24]), (25, "\"job-24\""));
    assert_eq!(agent.get("/api/jobs?name=JOB-1").json()["total"], 10);
    assert_eq!(agent.get("/api/jobs?kind=exec").json()["total"], 0);
    assert!(agent.get("/api/jobs?state=happy").refusal(400).contains("happy"));
    assert!(agent.get("/api/jobs?limit=1001").refusal(400).contains("from 1 to 1000"));
    let first = agent.get("/api/jobs");
    let again = agent.ask("GET", "/api/jobs", &[("if-none-match", first.header("etag"))], "");
    assert_eq!((again.status, again.body.len()), (304, 0));
    agent.post("/api/jobs/job-03/pause", "");
    let changed = agent.ask("GET", "/api/jobs", &[("if-none-match", first.header("etag"))], "");
    assert_eq!(changed.status, 200);

    for _ in 0..5 {
        agent.run_to_its_end("job-00");
    }
    let page = agent.get("/api/jobs/job-00/history?limit=3").json();
    let cursor = page["next_cursor"].as_str().unwrap();
    let rest = agent.get(&format!("/api/jobs/job-00/history?limit=3&cursor={cursor}")).json();
    let count = |it: &serde_json::Value| it["runs"].as_array().unwrap().len();
    assert_eq!((count(&page), count(&rest), rest["next_cursor"].is_null()), (3, 2, true));
    assert_eq!(count(&agent.get("/api/runs?outcome=failed").json()), 0);
}

/// Mistake 52.
#[test]
fn what_makes_no_sense_is_refused_in_words_and_names_with_dots_percent_signs_and_other_letters_arrive() {
    let folder = tempfile::tempdir().unwrap();
    let agent = Beside::start(folder.path(), INI);
    assert!(agent.get("/api/nothing").refusal(404).contains("/api/nothing"));
    assert!(agent.get("/").refusal(404).contains("/api/openapi.json"));
    let wrong = agent.ask("PATCH", "/api/jobs/fails", &[], "");
    assert!(wrong.refusal(405).contains("PATCH is not for"));
    assert!(wrong.header("allow").contains("GET"), "{wrong:?}");
    assert!(agent.post("/api/jobs/fails/pause", "{\"til\":1}").refusal(400).contains("til"));
    assert!(agent.post("/api/jobs/fails/pause", "not json").refusal(400).contains("the body is not"));
    for list in ["[]", "[null,null]", "[\"2030-01-01T00:00:00Z\"]", "7", "\"2h\""] {
        assert!(
            agent.post("/api/jobs/fails/pause", list).refusal(400).contains("an object of JSON"),
            "{list}"
        );
    }
    assert_eq!(agent.get("/api/jobs/fails").json()["state"], "enabled");
    assert_eq!(agent.post("/api/jobs/fails/resume", "null").status, 204);
    let both = "{\"for\":\"1h\",\"until\":\"2030-01-01T00:00:00Z\"}";
    assert!(agent.post("/api/jobs/fails/pause", both).refusal(400).contains("write one of them"));
    agent.post("/api/jobs/fails/pause", &" ".repeat(1 << 20)).refusal(413);
    agent.post("/plan", "{}").refusal(422);
    assert_eq!(agent.get("/api/jobs/shop%2eweb.sync").status, 200);
    let refused = agent.get("/api/jobs/caf%C3%A9%25.web%20x.%E5%A4%9C").refusal(404);
    assert_eq!(refused, "there is no job \"café%.web x.夜\" now");
    agent.get("/api/jobs/%ff").refusal(400);
    let near = agent.get("/api/jobs/shop.web.snc").refusal(404);
    assert!(near.ends_with("did you mean \"shop.web.sync\"?"), "{near}");
    let run = agent.run_to_its_end("fails");
    agent.run_to_its_end("fails");
    assert!(agent.get(&format!("/api/runs/{}", &run[..3])).refusal(400).contains("write more of the ID"));
    let slip = format!("{}0", &run[..25]);
    let near = agent.get(&format!("/api/runs/{slip}")).refusal(404);
    assert!(near.contains("did you mean") || slip == run, "{near}");
}

#[test]
fn problems_and_settings_are_told_with_their_places() {
    let folder = tempfile::tempdir().unwrap();
    let ini = "[job-local \"bad\"]\n# rejected\nschedule = now and then\ncommand = true\n";
    let agent = Beside::start(folder.path(), ini);
    agent.wait_for_event("job.rejected", "bad");
    let problems = agent.get("/api/problems").json();
    let found = &problems["problems"][0];
    assert_eq!([&found["severity"], &found["job"]], ["error", "bad"]);
    assert!(found["origin"].as_str().unwrap().ends_with("config.ini:3"), "{found}");
    let bad = agent.get("/api/jobs/bad").json();
    assert_eq!(bad["state"], "rejected");
    assert_eq!(bad["diagnostics"][0]["reason"], bad["reason"]);
    let config = agent.get("/api/config").json();
    let settings = config["settings"].as_array().unwrap();
    let state_dir = settings.iter().find(|it| it["name"] == "state-dir").unwrap();
    assert_eq!(state_dir["origin"], "flag --state-dir");
}
