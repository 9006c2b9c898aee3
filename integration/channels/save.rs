//! Files per run: whole, where they belong, and no more of them than are to be kept.

use std::{
    fs, io,
    os::unix::fs::{MetadataExt, PermissionsExt, symlink},
    path::Path,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use tempfile::TempDir;
use watchbell::{
    model::channel::{Channel, ChannelKind},
    notify::{
        message::Message,
        output::{Output, Streams},
        save::deliver,
        trouble::Trouble,
    },
};

use super::{channel, message};
use crate::support::disk::Disk;

fn to(directory: &Path, further: &[(&'static str, &str)]) -> Channel {
    let directory = directory.display().to_string();
    let mut values = vec![("directory", &*directory), ("timeout", "20s")];
    values.extend(further);
    channel(ChannelKind::Save, &values)
}

fn printed(stdout: &str, stderr: &[u8]) -> Streams {
    Output { stdout: stdout.into(), stderr: stderr.to_vec(), ..Output::default() }.into()
}

async fn save(channel: &Channel, message: &Message) -> Result<(), Trouble> {
    deliver(channel, message, printed("out", b"err")).await
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(folder).unwrap().map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

const RUN: &str = "01J00000000000000000000001";

#[tokio::test]
async fn a_run_is_three_files_with_the_mode_that_was_asked_for() {
    let folder = TempDir::new().unwrap();
    let runs = folder.path().join("runs");
    let sent = message();
    deliver(&to(&runs, &[]), &sent, printed("\u{1f514}\n", b"\xff\0")).await.unwrap();
    let job = runs.join("shop.web.backup");
    assert_eq!(names(&job), [".json", ".stderr", ".stdout"].map(|it| format!("{RUN}{it}")));
    let json: serde_json::Value =
        serde_json::from_slice(&fs::read(job.join(format!("{RUN}.json"))).unwrap()).unwrap();
    assert_eq!(json, sent.data);
    assert_eq!(fs::read(job.join(format!("{RUN}.stdout"))).unwrap(), "\u{1f514}\n".as_bytes());
    assert_eq!(fs::read(job.join(format!("{RUN}.stderr"))).unwrap(), b"\xff\0");
    assert_eq!((mode(&runs), mode(&job), mode(&job.join(format!("{RUN}.stdout")))), (0o700, 0o700, 0o600));

    let shared = folder.path().join("shared");
    save(&to(&shared, &[("mode", "0644")]), &sent).await.unwrap();
    let job = shared.join("shop.web.backup");
    assert_eq!((mode(&shared), mode(&job), mode(&job.join(format!("{RUN}.json")))), (0o755, 0o755, 0o644));
    // The same run again takes the place of what is there.
    deliver(&to(&shared, &[("mode", "0640")]), &sent, printed("again", b"")).await.unwrap();
    assert_eq!(fs::read(job.join(format!("{RUN}.stdout"))).unwrap(), b"again");
    assert_eq!(mode(&job.join(format!("{RUN}.json"))), 0o640);
}

#[tokio::test]
async fn what_is_about_no_run_stands_where_its_moment_belongs() {
    let folder = TempDir::new().unwrap();
    let of_agent = Message { job: String::new(), run: String::new(), ..message() };
    deliver(&to(folder.path(), &[]), &of_agent, printed("", b"")).await.unwrap();
    let [name] = &names(&folder.path().join("_agent"))[..] else { panic!() };
    assert!(name.starts_with("01M8") && name.len() == 31, "{name}");
}

#[tokio::test]
async fn no_name_leads_out_of_the_directory() {
    let folder = TempDir::new().unwrap();
    let runs = folder.path().join("runs");
    for (job, run) in [
        ("../../escaped", "../../escaped"),
        ("/etc", "/etc/passwd"),
        ("..", ".."),
        (".", "."),
        ("a/b\\c\0d\n", "a/b\0"),
        ("\u{f6}", "\u{1f514}"),
        (&*"x/".repeat(400), &*"y".repeat(4000)),
    ] {
        let sent = Message { job: job.to_owned(), run: run.to_owned(), ..message() };
        save(&to(&runs, &[]), &sent).await.unwrap();
    }
    assert_eq!(names(folder.path()), ["runs"]);
    let jobs = names(&runs);
    assert_eq!(jobs.len(), 7, "{jobs:?}");
    for job in jobs {
        assert_eq!(names(&runs.join(&job)).len(), 3, "{job}");
    }
}

#[tokio::test]
async fn links_are_not_followed() {
    let folder = TempDir::new().unwrap();
    let (runs, elsewhere) = (folder.path().join("runs"), folder.path().join("elsewhere"));
    fs::create_dir_all(&runs).unwrap();
    fs::create_dir_all(&elsewhere).unwrap();
    let job = runs.join("shop.web.backup");
    symlink(&elsewhere, &job).unwrap();
    let trouble = save(&to(&runs, &[]), &message()).await.unwrap_err();
    assert!(
        trouble.reason.contains("put a folder there, and no link or file") && trouble.again,
        "{trouble:?}"
    );
    assert_eq!(names(&elsewhere), Vec::<String>::new());

    fs::remove_file(&job).unwrap();
    fs::create_dir(&job).unwrap();
    let target = elsewhere.join("target");
    fs::write(&target, "theirs").unwrap();
    symlink(&target, job.join(format!("{RUN}.json"))).unwrap();
    fs::hard_link(&target, job.join(format!("{RUN}.stdout"))).unwrap();
    save(&to(&runs, &[]), &message()).await.unwrap();
    assert_eq!(fs::read(&target).unwrap(), b"theirs");
    assert!(fs::symlink_metadata(job.join(format!("{RUN}.json"))).unwrap().is_file());
}

#[tokio::test]
async fn nobody_sees_half_a_file_and_what_cannot_be_read_to_its_end_leaves_none() {
    let folder = TempDir::new().unwrap();
    let job = folder.path().join("shop.web.backup");
    let seen = job.clone();
    let pieces = (0..3).map(move |at| {
        // The first piece is asked for before there is anything to see.
        let visible = fs::read_dir(&seen).map_or(0, |it| {
            it.filter(|it| !it.as_ref().unwrap().file_name().to_str().unwrap().starts_with('.')).count()
        });
        assert_eq!(visible, 0);
        if at == 2 { Err(io::Error::other("it is gone")) } else { Ok(Bytes::from(vec![b'x'; 100_000])) }
    });
    let streams = Streams { stdout: Box::new(pieces), stderr: Box::new(std::iter::empty()) };
    let trouble = deliver(&to(folder.path(), &[]), &message(), streams).await.unwrap_err();
    assert!(trouble.reason.contains("could not be read (it is gone)") && trouble.again, "{trouble:?}");
    assert_eq!(names(&job), Vec::<String>::new());
}

#[tokio::test]
async fn so_many_runs_are_kept_and_nothing_else_is_removed() {
    let folder = TempDir::new().unwrap();
    let job = folder.path().join("shop.web.backup");
    fs::create_dir(&job).unwrap();
    let theirs = [
        "notes.json",
        "01J00000000000000000000001.txt",
        ".01J00000000000000000000001.json.swp",
        "keep.stdout",
    ];
    for name in theirs {
        fs::write(job.join(name), "theirs").unwrap();
    }
    fs::create_dir(job.join("01J0000000000000000000000Z.json")).unwrap();
    let channel = to(folder.path(), &[("keep", "2 runs")]);
    for number in 1..=4 {
        let run = format!("01J0000000000000000000000{number}");
        save(&channel, &Message { run, ..message() }).await.unwrap();
    }
    let kept = |job: &Path| {
        let runs = names(job).into_iter().filter(|it| it.ends_with(".stdout") && it.starts_with("01J"));
        runs.map(|it| it[25..26].to_owned()).collect::<String>()
    };
    assert_eq!(kept(&job), "34");
    // A message of an older run that comes late is saved all the same.
    save(&channel, &message()).await.unwrap();
    assert_eq!(kept(&job), "14");
    for name in theirs {
        assert!(job.join(name).exists(), "{name}");
    }
    assert!(job.join("01J0000000000000000000000Z.json").is_dir());
}

#[tokio::test]
async fn what_is_older_than_it_may_be_goes_and_so_does_what_was_given_up() {
    let folder = TempDir::new().unwrap();
    let job = folder.path().join("shop.web.backup");
    let channel = to(folder.path(), &[("keep", "30 days")]);
    let now: SystemTime = message().at.into();
    for number in 1..=3 {
        let run = format!("01J0000000000000000000000{number}");
        save(&channel, &Message { run, ..message() }).await.unwrap();
    }
    let aged = |name: &str, days: u64| {
        let file = fs::File::options().append(true).create(true).open(job.join(name)).unwrap();
        file.set_modified(now - Duration::from_secs(days * 86_400)).unwrap();
    };
    for kind in ["json", "stdout", "stderr"] {
        aged(&format!("01J00000000000000000000001.{kind}"), 31);
        aged(&format!("01J00000000000000000000002.{kind}"), 29);
    }
    aged(".01J00000000000000000000001.json.1-1.part", 2);
    aged(".01J00000000000000000000002.json.1-1.part", 0);
    save(&channel, &Message { run: "01J00000000000000000000003".to_owned(), ..message() }).await.unwrap();
    let stems: Vec<_> = names(&job).into_iter().filter(|it| !it.ends_with(".stderr")).collect();
    let wanted = [
        ".01J00000000000000000000002.json.1-1.part",
        "01J00000000000000000000002.json",
        "01J00000000000000000000002.stdout",
        "01J00000000000000000000003.json",
        "01J00000000000000000000003.stdout",
    ];
    assert_eq!(stems, wanted);
}

#[tokio::test]
async fn a_directory_that_cannot_be_is_told_with_the_mend() {
    let folder = TempDir::new().unwrap();
    let trouble = save(&to(&folder.path().join("no/runs"), &[]), &message()).await.unwrap_err();
    assert!(
        trouble.reason.ends_with("make the folder above it, or mount it") && trouble.again,
        "{trouble:?}"
    );
    fs::write(folder.path().join("file"), "").unwrap();
    let trouble = save(&to(&folder.path().join("file"), &[]), &message()).await.unwrap_err();
    assert!(trouble.reason.contains("put a folder there") && trouble.again, "{trouble:?}");
    for (key, value) in [("mode", "0999"), ("mode", "01777"), ("keep", "sometimes"), ("directory", "runs")] {
        let mut channel = to(folder.path(), &[]);
        channel.values.extend(super::channel(ChannelKind::Save, &[(key, value)]).values);
        let trouble = save(&channel, &message()).await.unwrap_err();
        assert!(!trouble.again && trouble.reason.contains(": write"), "{trouble:?}");
    }
    assert_eq!(names(folder.path()), ["file"]);
    assert_eq!(fs::metadata(folder.path().join("file")).unwrap().size(), 0);
}

/// A file system of its own: this needs root, as other tests of disks do.
#[tokio::test]
async fn a_full_or_read_only_disk_is_told_and_what_is_there_stays_whole() {
    let disk = Disk::new("4m");
    let channel = to(disk.path(), &[]);
    save(&channel, &message()).await.unwrap();
    let filler = disk.fill();
    let much = || printed(&"x".repeat(200_000), b"");
    let trouble = deliver(&channel, &message(), much()).await.unwrap_err();
    assert!(trouble.reason.ends_with("make room, or set keep") && trouble.again, "{trouble:?}");
    let job = disk.path().join("shop.web.backup");
    assert_eq!(fs::read(job.join(format!("{RUN}.stdout"))).unwrap(), b"out");
    assert_eq!(names(&job).len(), 3, "what was begun is gone");
    fs::remove_file(filler).unwrap();
    deliver(&channel, &message(), much()).await.unwrap();

    disk.mount(&["-o", "remount,ro"]);
    let trouble = save(&channel, &message()).await.unwrap_err();
    assert!(trouble.reason.ends_with("mount it so that it can be written") && trouble.again, "{trouble:?}");
}

#[tokio::test]
async fn a_disk_that_hangs_costs_no_more_than_the_timeout_and_gets_all_of_it_when_it_goes_on() {
    let disk = Disk::that_can_hang();
    let channel = to(disk.path(), &[]);
    let hurried = to(disk.path(), &[("timeout", "300ms")]);
    save(&channel, &message()).await.unwrap();
    disk.hang();
    for _ in 0..6 {
        let trouble = save(&hurried, &message()).await.unwrap_err();
        assert!(trouble.reason.contains("took nothing for 300ms") && trouble.again, "{trouble:?}");
    }
    disk.go_on();
    deliver(&channel, &message(), printed("after", b"")).await.unwrap();
    let written = disk.path().join("shop.web.backup").join(format!("{RUN}.stdout"));
    assert!(!fs::read(written).unwrap().is_empty());
}
