//! What is written wrongly, and what a label may not do: told, and without harm to the rest.

use crate::support::live_engine::{Record, Stage, WORKER, text};

fn rejected(job: &str) -> impl Fn(&Record) -> bool {
    move |it| it["event"] == "job.rejected" && it["job"] == job
}

#[test]
fn of_ten_jobs_three_wrong_ones_are_rejected_with_the_mend_and_seven_run() {
    let stage = Stage::new();
    let web = stage.name("web");
    let job = |name: &str| format!("{web}.{name}");
    let good: Vec<String> = (1..=7).map(|number| format!("good{number}")).collect();
    let bad = ["misspelt", "never", "quote"];
    let agent = stage.agent().jobs(good.iter().map(String::as_str).chain(bad).map(job)).start();
    let mut worker = stage
        .worker("web")
        .exec("misspelt", &[("shedule", "@every 2s"), ("command", "true")])
        .exec("never", &[("schedule", "0 0 30 2 *"), ("command", "true")])
        .exec("quote", &[("schedule", "@every 2s"), ("command", "echo 'open")]);
    for name in &good {
        worker = worker.exec(name, &[("schedule", "@every 2s"), ("command", "true")]);
    }
    worker.start();

    for name in &good {
        assert_eq!(text(&agent.wait_for_end(&job(name)), "outcome"), "succeeded");
        assert_eq!(agent.job_events(&job(name)), ["job.added"]);
    }
    for (name, parameter, reasons) in [
        ("misspelt", "shedule", ["unknown parameter \"shedule\"", "did you mean \"schedule\"?"]),
        ("never", "schedule", ["0 0 30 2 *", "never comes"]),
        ("quote", "command", ["command", "quote"]),
    ] {
        let told = agent.wait_for(&format!("{name} is rejected"), rejected(&job(name)));
        assert_eq!(
            text(&told, "origin"),
            format!("container {web} (label watchbell.job-exec.{name}.{parameter})")
        );
        for reason in reasons {
            assert!(text(&told, "reason").contains(reason), "{told}");
        }
        assert_eq!(agent.job_events(&job(name)), ["job.rejected"]);
    }
}

#[test]
fn a_label_aimed_at_another_container_is_refused_with_the_switch() {
    let stage = Stage::new();
    let target = stage.worker("target").start();
    let job = format!("{}.reach", stage.name("web"));
    stage
        .worker("web")
        .exec("reach", &[("schedule", "@every 1s"), ("command", "hostname"), ("container", &target)])
        .start();
    let agent = stage.agent().jobs([&job]).start();
    let told = agent.wait_for("it is refused", rejected(&job));
    assert!(text(&told, "reason").contains(&format!("a command in the container \"{target}\"")), "{told}");
    assert!(text(&told, "reason").contains("allow-from-labels=exec-other"), "{told}");
    assert_eq!(agent.job_events(&job), ["job.rejected"]);
    drop(agent);

    let agent = stage.agent().jobs([&job]).arguments(&["--allow-from-labels", "exec-other"]).start();
    let ended = agent.wait_for_end(&job);
    assert_eq!(text(&ended, "container"), target);
    let hostname = stage.inspect(&target, "{{.Config.Hostname}}");
    assert_eq!(agent.lines(text(&ended, "run"), "stdout"), [hostname]);
}

#[test]
fn new_containers_and_processes_beside_the_agent_are_refused_to_labels_however_they_are_spelt() {
    let stage = Stage::new();
    let web = stage.name("web");
    let image = [("SCHEDULE", "@every 1s"), ("Image", "watchbell-worker:local"), ("command", "true")];
    let process = [("Schedule", "@every 1s"), ("COMMAND", "true")];
    stage.worker("web").job("run", "new", &image).job("local", "beside", &process).start();
    let agent = stage.agent().jobs(["new", "beside"].map(|job| format!("{web}.{job}"))).start();
    for (name, grant) in [("new", "run"), ("beside", "local")] {
        let job = format!("{web}.{name}");
        let told = agent.wait_for("it is refused", rejected(&job));
        assert!(text(&told, "reason").contains(&format!("allow-from-labels={grant}")), "{told}");
        assert_eq!(agent.job_events(&job), ["job.rejected"]);
    }
}

#[test]
fn a_container_labelled_as_if_it_were_the_agent_gains_nothing() {
    let stage = Stage::new();
    let target = stage.worker("target").start();
    let web = stage.name("web");
    stage
        .worker("web")
        .label("watchbell.agent", "0.1.0")
        .label("watchbell.service", "true")
        .label("watchbell.allow-from-labels", "all")
        .label("org.opencontainers.image.title", "watchbell")
        .exec("reach", &[("schedule", "@every 1s"), ("command", "true"), ("container", &target)])
        .exec("own", &[("schedule", "@every 1s"), ("command", "true")])
        .job("local", "beside", &[("schedule", "@every 1s"), ("command", "true")])
        .start();
    let jobs = ["reach", "own", "beside"].map(|job| format!("{web}.{job}"));
    let agent = stage.agent().jobs(&jobs).start();
    for job in [&jobs[0], &jobs[2]] {
        agent.wait_for("it is refused", rejected(job));
        assert_eq!(agent.job_events(job), ["job.rejected"]);
    }
    let told = agent.wait_for("the setting is refused", |it| {
        text(it, "origin").contains(&web) && text(it, "origin").contains("watchbell.allow-from-labels")
    });
    assert!(text(&told, "reason").contains("never taken from another container's label"), "{told}");
    // Its jobs have its name in their identity, and what it may do goes on.
    assert_eq!(text(&agent.wait_for_end(&jobs[1]), "outcome"), "succeeded");
    let plain = agent.records(|it| ["reach", "own", "beside"].contains(&text(it, "job")));
    assert_eq!(plain, Vec::<Record>::new());
}

#[test]
fn a_path_of_the_machine_all_rights_and_a_file_beside_the_agent_need_a_grant_each_and_then_work() {
    let stage = Stage::new();
    let web = stage.name("web");
    let file = stage.dir().join("variables");
    std::fs::write(&file, "# for the job\nSPICE=nutmeg\nSHADOWED=file\n").expect("the file");
    let host = stage.dir().join("host");
    std::fs::create_dir(&host).expect("a directory");
    std::fs::write(host.join("name"), "of the machine\n").expect("the file");
    let file = file.display().to_string();
    let volume = format!("{}:/host:ro", host.display());
    let image = [("schedule", "@every 2s"), ("image", WORKER), ("network", "none")];
    let command = |text: &'static str| ("command", text);
    stage
        .worker("web")
        .job("run", "mount", &[&image[..], &[("VOLUME", &volume), command("cat /host/name")]].concat())
        .job(
            "run",
            "entry",
            &[&image[..], &[("entrypoint", "echo"), ("hostname", "h"), command("said")]].concat(),
        )
        .exec(
            "rights",
            &[image[0], ("Privileged", "yes"), ("shell", "true"), command("grep CapEff /proc/self/status")],
        )
        .exec(
            "file",
            &[
                image[0],
                ("env_file", &file),
                ("environment", "SHADOWED=label"),
                ("shell", "true"),
                command("echo $SPICE $SHADOWED"),
            ],
        )
        .start();
    let job = |name: &str| format!("{web}.{name}");
    let all = ["mount", "rights", "file"];

    let agent = stage.agent().jobs(all.map(job)).arguments(&["--allow-from-labels", "run"]).start();
    for (name, grant) in all.into_iter().zip(["host-mounts", "privileged", "env-file"]) {
        let told = agent.wait_for(&format!("{name} is refused"), rejected(&job(name)));
        assert!(text(&told, "reason").ends_with(&format!("allow-from-labels={grant}")), "{told}");
        assert_eq!(agent.job_events(&job(name)), ["job.rejected"]);
    }
    drop(agent);

    let all = ["mount", "entry", "rights", "file"];
    let agent = stage.agent().jobs(all.map(job)).arguments(&["--allow-from-labels", "all"]).start();
    for (name, line) in [("mount", "of the machine"), ("entry", "said"), ("file", "nutmeg label")] {
        let ended = agent.wait_for_end(&job(name));
        assert_eq!(text(&ended, "outcome"), "succeeded", "{ended}");
        assert_eq!(agent.lines(text(&ended, "run"), "stdout"), [line]);
    }
    // An Engine that has not all rights itself cannot give them; the bare command says which one this is.
    let bare = stage.try_docker(["exec", "--privileged", &web, "grep", "CapEff", "/proc/self/status"]);
    let ended = agent.wait_for_end(&job("rights"));
    let lines = agent.lines(text(&ended, "run"), "stdout");
    if let Ok(rights) = bare {
        assert_eq!(lines, [rights]);
    } else {
        assert_eq!(text(&ended, "outcome"), "failed", "{ended}");
        assert!(lines[0].contains("unable to apply caps"), "{lines:?}");
    }
}
