//! What is secret is used and told nowhere.

use crate::support::live_engine::{Stage, WORKER, text};

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
        assert!(agent.records(|_| true).len() > 10, "so much is logged");
        let told = agent.records(|it| it.to_string().contains(SECRET));
        assert!(told.is_empty(), "{told:#?}");
    }
}
