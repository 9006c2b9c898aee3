//! `migrate` and the files of other tools: what is printed, and with which exit code.

use super::{Desk, SECRET};

const FILE: &str =
    "[job-exec \"flush\"]\nschedule = @hourly\ncontainer = nginx\ncommand = /flush.sh\nuser = www-data\n";

#[test]
fn what_migrate_prints_validates_without_a_problem() {
    let desk = Desk::new().file("ofelia.ini", FILE);
    let answer = desk.run(&["migrate", "--from", "ofelia", "ofelia.ini", "--timezone", "Europe/Berlin"]);
    assert_eq!((answer.code, &*answer.err), (0, ""));
    answer.shows("[job-exec \"flush\"]\n# from ofelia.ini:1\n# there: @hourly means @hourly\n");
    answer.shows("# here: @hourly means every hour (Europe/Berlin)\n# next: ");
    let desk = desk.file("config.ini", &answer.out);
    let answer = desk.run(&["validate", "--config", "config.ini"]);
    assert_eq!(answer.code, 0);
    answer.shows("job flush (exec) runs every hour (UTC)\n1 jobs, 0 errors, 0 warnings\n");
}

#[test]
fn what_could_not_be_brought_over_is_told_and_is_the_exit_code() {
    let webhook = format!("[global]\nslack-webhook = https://hooks.example/{SECRET}\n{FILE}");
    let desk = Desk::new().file("ofelia.ini", webhook);
    let answer = desk.run(&["migrate", "--from", "ofelia", "ofelia.ini"]);
    assert_eq!(answer.code, 1);
    answer.shows("# warning: ofelia.ini:2: \"slack-webhook\" is not yet supported here and has no effect");
    assert!(answer.err.contains("warning: ofelia.ini:2: \"slack-webhook\""), "{}", answer.err);
    assert!(!answer.out.contains(SECRET) && !answer.err.contains(SECRET));
    let answer = desk.run(&["migrate", "--from", "deck-chores", "missing"]);
    assert_eq!((answer.code, &*answer.out), (1, ""));
    assert_eq!(desk.run(&["migrate", "--from", "cron", "ofelia.ini"]).code, 2);
    assert_eq!(desk.run(&["migrate", "--from", "ofelia", "ofelia.ini", "--timezone", "Mars"]).code, 2);
}

#[test]
fn a_file_in_which_nothing_of_the_tool_stands_is_no_success() {
    let desk = Desk::new().file("compose.yaml", "name: shop\nservices:\n  web:\n    image: x\n");
    for tool in ["ofelia", "chadburn", "deck-chores", "swarm-cronjob"] {
        let answer = desk.run(&["migrate", "--from", tool, "compose.yaml"]);
        assert_eq!(answer.code, 1);
        assert!(answer.err.contains(&format!("compose.yaml has nothing of {tool}")), "{}", answer.err);
    }
}

#[test]
fn a_path_names_its_dialect_and_label_dialects_names_that_of_the_others() {
    let desk = Desk::new().file("ofelia.ini", FILE);
    for arguments in [
        &["validate", "--config", "ofelia:ofelia.ini"][..],
        &["validate", "--config", "ofelia.ini", "--label-dialects", "deck-chores,ofelia"],
        &["validate", "--config", "ofelia:.", "--label-dialects", "watchbell"],
    ] {
        let answer = desk.run(arguments);
        assert_eq!(answer.code, 0, "{answer:?}");
        answer.shows("job flush (exec) runs every hour (UTC)\n1 jobs, 0 errors, 0 warnings\n");
    }
    let answer = desk.run(&["validate", "--config", "ofelia.ini", "--label-dialects", "ofelai"]);
    assert_eq!(answer.code, 1);
    answer.shows("did you mean \"ofelia\"?");
}

#[test]
fn a_crontab_of_the_system_is_known_by_where_it_lies_or_by_a_switch() {
    let line = "HOME=/\n*/5 * * * * www-data php -f /var/www/cron.php\n";
    let desk = Desk::new();
    std::fs::create_dir(desk.path().join("cron.d")).unwrap();
    let desk = desk.file("cron.d/nextcloud", line).file("crontab", line);
    let is_php = |arguments: &[&str]| {
        let answer = desk.run(&[&["migrate", "--from", "crontab"], arguments].concat());
        (answer.out.contains("[job-local \"php\"]"), answer.err.contains("looks like a user"))
    };
    assert_eq!(is_php(&["cron.d/nextcloud"]), (true, false));
    assert_eq!(is_php(&["crontab", "--system"]), (true, false));
    assert_eq!(is_php(&["cron.d/nextcloud", "--user"]), (false, true));
    assert_eq!(is_php(&["crontab"]), (false, true));
    for wrong in [&["--system", "--user"][..], &["--from", "ofelia", "--user"]] {
        let from: &[&str] = if wrong.contains(&"--from") { &[] } else { &["--from", "crontab"] };
        assert_eq!(desk.run(&[&["migrate", "crontab"], from, wrong].concat()).code, 2);
    }
}

#[test]
fn labels_under_deploy_are_told_of_for_every_tool_that_is_read() {
    let file = "name: shop\nservices:\n  web:\n    deploy:\n      labels:\n        swarm.cronjob.enable: \"true\"\n        \
        swarm.cronjob.schedule: \"* * * * *\"\n  db:\n    deploy:\n      labels: [\"ofelia.enabled=true\", \
        \"swarm.cronjob.enable=true\"]\n";
    let desk = Desk::new().file("compose.yaml", file);
    let answer = desk.run(&["migrate", "--from", "swarm-cronjob", "compose.yaml"]);
    assert_eq!(answer.code, 1);
    for part in
        ["service shop_web (label swarm.cronjob.enable)", "service shop_db (label swarm.cronjob.enable)"]
    {
        assert!(answer.err.contains(part), "{}", answer.err);
    }
    let validate = |dialects: &str| {
        desk.run(&["validate", "--labels", "compose.yaml", "--label-dialects", dialects]).out
    };
    assert_eq!(validate("watchbell,ofelia").matches("labels under \"deploy\"").count(), 1);
    assert_eq!(validate("swarm-cronjob").matches("the labels of swarm-cronjob have no effect").count(), 2);
    assert!(validate("watchbell").contains("0 errors, 0 warnings"));
}

#[test]
fn ofelias_own_service_is_known_by_its_image() {
    let file = "name: shop\nservices:\n  ofelia:\n    image: mcuadros/ofelia:latest\n    labels:\n      \
        ofelia.job-local.my-test-job.schedule: \"@every 5s\"\n      ofelia.job-local.my-test-job.command: \"date\"\n";
    let desk = Desk::new().file("compose.yaml", file);
    let answer = desk.run(&["migrate", "--from", "ofelia", "compose.yaml"]);
    assert_eq!(answer.code, 0, "{answer:?}");
    answer.shows("name: shop\nservices:\n  ofelia:\n    labels:\n      watchbell.enabled: \"true\"\n");
    answer.shows("watchbell.job-local.my-test-job.command: \"date\"");
    let other = Desk::new().file("compose.yaml", file.replace("mcuadros/ofelia", "mcuadros/other"));
    let answer = other.run(&["migrate", "--from", "ofelia", "compose.yaml"]);
    assert_eq!(answer.code, 1);
    assert!(answer.err.contains("ofelia.enabled is not \"true\""), "{}", answer.err);
}
