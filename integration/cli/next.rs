//! `next`: what it answers, what it says beside that, and where it has no answer.

use super::Desk;

const FILE: &str = "[global]
timezone = Nope/X
[job-local \"u\"]
schedule = 0 3 * * *
command = u
";

const FROM: &str = "--from=2026-01-01T00:00:00Z";

/// In UTC it would be a wrong answer, and silently so.
#[test]
fn a_zone_that_is_not_known_is_told_and_no_time_is_shown() {
    let file = Desk::new().file("config.ini", FILE);
    let variable = Desk::new().variable("TZ", "Nope/X");
    for (desk, arguments, told) in [
        (&file, &["next", "u", "--config=config.ini"][..], "config.ini:2: unknown time zone `Nope/X`"),
        (&file, &["next", "0 3 * * *", "--config=config.ini"], "config.ini:2: unknown time zone `Nope/X`"),
        (
            &file,
            &["next", "0 3 * * *", "--config=config.ini", "--dialect=watchbell"],
            "config.ini:2: unknown time zone `Nope/X`",
        ),
        (&variable, &["next", "0 3 * * *"], "environment TZ: unknown time zone `Nope/X`"),
        (&variable, &["next", "0 3 * * *", "--dialect=watchbell"], "environment TZ: unknown time zone"),
    ] {
        let answer = desk.run(&[arguments, &[FROM]].concat());
        assert_eq!((answer.code, &*answer.out), (1, ""), "{arguments:?}: {answer:?}");
        assert!(answer.err.contains(told), "{arguments:?}: {answer:?}");
    }
    let simulated = variable.run(&["simulate", FROM]);
    assert!(simulated.code == 1 && simulated.err.contains("environment TZ: unknown"), "{simulated:?}");
}

#[test]
fn a_zone_that_is_not_known_does_no_harm_where_another_counts() {
    let desk = Desk::new().file("config.ini", FILE).variable("TZ", "Nope/X");
    for arguments in [
        &["next", "TZ=Asia/Tokyo 0 3 * * *"][..],
        &["next", "0 3 * * *", "--timezone=Asia/Tokyo"],
        &["next", "u", "--config=config.ini", "--timezone=Asia/Tokyo"],
    ] {
        let answer = desk.run(&[arguments, &["--count=1", FROM]].concat());
        assert_eq!(
            (answer.code, &*answer.out),
            (0, "2026-01-02T03:00:00+09:00\n"),
            "{arguments:?}: {answer:?}"
        );
    }
}

#[test]
fn a_file_that_is_not_there_is_told_of() {
    let desk = Desk::new();
    for what in ["u", "0 3 * * *", "@daily"] {
        let answer = desk.run(&["next", what, "--config=nofile.ini"]);
        assert_eq!((answer.code, &*answer.out), (1, ""), "{answer:?}");
        assert!(answer.err.contains("nofile.ini cannot be read: No such file"), "{answer:?}");
    }
    let answer = desk.variable("WATCHBELL_CONFIG", "nofile.ini").run(&["next", "u"]);
    assert!(
        answer.code == 1 && answer.err.contains("environment WATCHBELL_CONFIG: nofile.ini"),
        "{answer:?}"
    );
}

#[test]
fn what_is_wrong_elsewhere_keeps_no_schedule_from_its_times() {
    let desk = Desk::new().variable("DOCKER_HOST", "ssh://host").variable("WATCHBELL_LOG_LEVEL", "loud");
    let answer = desk.run(&["next", "0 3 * * *", "--count=1", FROM]);
    assert_eq!((answer.code, &*answer.out), (0, "2026-01-01T03:00:00+00:00\n"), "{answer:?}");
}

#[test]
fn a_job_that_is_rejected_says_why() {
    let file = "[job-local \"u\"]\nschedule = 0 0 30 2 *\ncommand = u\n[job-local \"v\"]\nschedule = @daily\ncommand = v\n";
    let desk = Desk::new().file("config.ini", file);
    let answer = desk.run(&["next", "u", "--config=config.ini"]);
    assert_eq!((answer.code, &*answer.out), (1, ""), "{answer:?}");
    assert!(answer.err.contains("config.ini:2: ") && answer.err.contains("never comes"), "{answer:?}");
    let other = desk.run(&["next", "v", "--config=config.ini"]);
    assert_eq!((other.code, &*other.err), (0, ""), "{other:?}");
}

#[test]
fn a_moment_with_a_zone_in_brackets_is_one_of_that_zone_and_a_doubtful_one_is_told_of() {
    let desk = Desk::new();
    let from = |from: &str| {
        desk.run(&["next", "0 * * * *", "--count=1", "--timezone=Europe/Berlin", "--from", from])
    };
    let there = from("2026-03-29T00:00:00[America/New_York]");
    assert_eq!((&*there.out, &*there.err), ("2026-03-29T07:00:00+02:00\n", ""));
    let gap = from("2026-03-29T02:30:00");
    assert_eq!(gap.out, "2026-03-29T04:00:00+02:00\n");
    assert!(
        gap.err.contains("--from: 2026-03-29T02:30:00 is left out by the clock of Europe/Berlin"),
        "{gap:?}"
    );
    let unknown = from("2026-03-29T00:00:00[Nope/X]");
    assert!(unknown.code == 2 && unknown.err.contains("--from: unknown time zone `Nope/X`"), "{unknown:?}");
    let far = from("9999-12-31T23:59:59Z");
    assert!(far.code == 2 && far.err.contains("to 9999-12-30T22:00:00Z"), "{far:?}");
    let fold =
        ["simulate", "--from=2026-10-25T02:30:00", "--timezone=Europe/Berlin", "--to=2026-10-25T12:00:00"];
    let twice = desk.run(&fold);
    assert!(twice.code == 0 && twice.err.contains("--from: 2026-10-25T02:30:00 comes twice"), "{twice:?}");
}

/// A file of rules with one offset and nothing else.
fn rules(name: &str, offset: i32) -> Vec<u8> {
    let header = |version: u8| {
        let counts = [0_u32, 0, 0, 0, 1, u32::try_from(name.len()).unwrap() + 1];
        let mut bytes = [b"TZif".as_slice(), &[version], &[0; 15]].concat();
        bytes.extend(counts.iter().flat_map(|count| count.to_be_bytes()));
        bytes
    };
    let data = [&offset.to_be_bytes()[..], &[0, 0], name.as_bytes(), &[0]].concat();
    let footer = format!("\n{name}{}\n", -offset / 3600);
    [header(b'2'), data.clone(), header(b'2'), data, footer.into_bytes()].concat()
}

#[test]
fn rules_that_the_system_lacks_or_has_damaged_are_those_that_were_built_in() {
    let desk = Desk::new().variable("TZDIR", "zones");
    std::fs::create_dir_all(desk.path().join("zones/Asia")).unwrap();
    std::fs::create_dir_all(desk.path().join("zones/Europe")).unwrap();
    // The system's own count where they are whole.
    let desk =
        desk.file("zones/Asia/Tokyo", rules("JST", 5 * 3600)).file("zones/Europe/Berlin", "TZif2 damaged");
    for (zone, expected) in [
        ("Asia/Tokyo", "2026-01-02T03:00:00+05:00\n"),
        ("America/New_York", "2026-01-01T03:00:00-05:00\n"),
        ("Europe/Berlin", "2026-01-01T03:00:00+01:00\n"),
    ] {
        let answer = desk.run(&["next", "0 3 * * *", "--count=1", FROM, "--timezone", zone]);
        assert_eq!((&*answer.out, &*answer.err), (expected, ""), "{zone}");
    }
    let unknown = desk.run(&["next", "0 3 * * *", "--timezone=Europe/Pari"]);
    assert!(unknown.code == 2 && unknown.err.contains("did you mean `Europe/Paris`?"), "{unknown:?}");
    let doctor = |zone: &str| {
        let answer = desk.run(&["doctor", "--docker-host=unix:///no/engine.sock", "--timezone", zone]);
        answer.out.lines().filter(|line| line.contains(zone)).collect::<String>()
    };
    assert!(doctor("Asia/Tokyo").contains("its rules are the system's, in zones"));
    assert!(doctor("America/New_York").contains("its rules are those that were built in"));
    let damaged = doctor("Europe/Berlin");
    assert!(
        damaged.contains("those that were built in: zones/Europe/Berlin cannot be read as rules"),
        "{damaged}"
    );
}

#[test]
fn what_the_answer_does_not_know_is_told_beside_it() {
    let file = "[job-local \"u\"]\nschedule = @every 1h\ncommand = u\n";
    let desk = Desk::new().file("config.ini", file);
    for what in ["u", "@every 1h"] {
        let every = desk.run(&["next", what, "--config=config.ini", "--count=1", FROM]);
        assert!(every.code == 0 && every.err.contains("@every counts from --from here"), "{every:?}");
    }
    let zones = |prefix: &str, flag: &str| {
        let schedule = format!("TZ={prefix} 0 3 * * *");
        desk.run(&["next", &schedule, "--count=1", FROM, "--timezone", flag])
    };
    let two = zones("Europe/Berlin", "Asia/Tokyo");
    assert_eq!(two.out, "2026-01-01T03:00:00+01:00\n");
    let told =
        "its prefix says Europe/Berlin, which counts, and --timezone says Asia/Tokyo: remove one of them";
    assert!(two.err.contains(told), "{two:?}");
    assert_eq!(zones("US/Eastern", "America/New_York").err, "");
}
