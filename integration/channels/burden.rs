//! What channels cost the runs of which they tell: nothing.
#![expect(clippy::float_cmp, reason = "counts are whole numbers")]

use std::{collections::BTreeSet, fmt::Write as _, net::TcpListener};

use tempfile::TempDir;

use crate::support::{beside::Beside, exposition::Exposition, live_engine::eventually};

/// So many runs go on at the same time.
const RUNS: u32 = 200;

/// What the metrics say once all of them have ended: those that began, with their delay, and those that succeeded.
fn of_all_at_once(folder: &TempDir, channels: &str, parameters: &str) -> (Beside, [f64; 2]) {
    let mut ini = format!("[global]\nmax-concurrent-runs = {RUNS}\n{channels}");
    for number in 0..RUNS {
        let job = format!("[job-local \"j{number}\"]\nschedule = @triggered\ncommand = sleep 2");
        write!(ini, "{job}\n{parameters}\n").unwrap();
    }
    let agent = Beside::start(folder.path(), &ini);
    for number in 0..RUNS {
        agent.run(&format!("j{number}"));
    }
    let ended = agent.wait_for(RUNS as usize, |it| it["event"] == "run.finished");
    let ran: BTreeSet<&str> = ended.iter().map(|it| it["job"].as_str().unwrap()).collect();
    assert_eq!((ended.len(), ran.len()), (RUNS as usize, RUNS as usize), "each once");
    let metrics = Exposition::read(&agent.get("/metrics").text());
    let began = metrics.get("watchbell_start_delay_seconds_count", &[]);
    let succeeded = metrics.all("watchbell_runs_total", &[("outcome", "succeeded")]);
    let all = succeeded.iter().map(|it| it.value).sum();
    for result in ["sent", "given-up"] {
        let told = metrics.all("watchbell_notifications_total", &[("result", result)]);
        assert!(told.iter().all(|it| it.value == 0.0), "no message has come to its end by then: {told:?}");
    }
    (agent, [began, all])
}

/// Mistake 54: notifications blocked the scheduler.
#[test]
fn two_hundred_runs_at_once_end_while_the_messages_about_them_wait_for_a_receiver_that_never_answers() {
    let [with, without] = [0; 2].map(|_| TempDir::new().unwrap());
    // It accepts, by the kernel, and says nothing.
    let hole = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", hole.local_addr().unwrap());
    // One try takes longer than this test.
    let channel = format!("[notify \"hole\"]\ntype = webhook\nurl = {url}\ntimeout = 10m\n");
    let (agent, of_runs) = of_all_at_once(&with, &channel, "notify = hole\nnotify-on = always");
    // That it begins, and that it succeeded. The last ones are on their way to their channel for a moment.
    eventually("all wait", || {
        let hole = &agent.get("/api/channels").json()["channels"][0];
        assert_eq!(hole["sent"], 0, "{hole}");
        hole["waiting"] == 2 * RUNS
    });
    drop(agent);
    let (_agent, undisturbed) = of_all_at_once(&without, "", "");
    assert_eq!(of_runs, undisturbed);
    assert_eq!(undisturbed, [f64::from(RUNS); 2]);
}
