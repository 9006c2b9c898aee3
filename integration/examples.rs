//! Promises about `examples/`: each file says what it shows, and the agent takes it as it stands there.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    process::Command as Process,
};

use serde_json::Value;
use watchbell::{
    model::{job::Work, name::JobId},
    settings::resolve::DesiredJob,
};

use crate::endpoints;
use crate::spec::{self, none};
use crate::support::{
    example::{self, Example},
    expect::{self, root},
};

/// What stands in the files that an example asks its reader to make.
const SECRETS: [(&str, &str); 3] = [
    ("grants", "env-file\n"),
    ("restic", "RESTIC_PASSWORD=hunter2\nRCLONE_BWLIMIT=10M\n"),
    ("report", "# For psql.\nPGPASSWORD=hunter2\n"),
];

/// What `migrate` prints is compared with what it prints, below.
const PRINTED: [(&str, &str); 2] = [
    ("examples/ofelia/migrated.yaml", "examples/ofelia/compose.yaml"),
    ("examples/ofelia/migrated.ini", "examples/ofelia/config/config.ini"),
];

/// A file of the examples, by its path from the repository's root.
fn files() -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    let mut folders = vec![root().join("examples")];
    while let Some(folder) = folders.pop() {
        for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else {
                let place = path.strip_prefix(root()).unwrap().display().to_string();
                files.insert(place, std::fs::read_to_string(&path).unwrap());
            }
        }
    }
    files.insert("compose.yaml".to_owned(), spec::read("compose.yaml"));
    files
}

fn is(place: &str, extension: &str) -> bool {
    Path::new(place).extension().is_some_and(|it| it == extension)
}

fn is_printed(place: &str) -> bool {
    PRINTED.iter().any(|(printed, _)| *printed == place)
}

/// The example of a compose file or stack, with the files that its agent's container sees; and which of ours these are.
fn of_compose(place: &str, text: &str) -> Result<(Example, BTreeSet<String>), String> {
    let mut it = Example { place: place.to_owned(), ..Example::default() };
    example::compose(&mut it, text).map_err(|reason| format!("{place}: {reason}"))?;
    let file: Value = serde_saphyr::from_str(text).map_err(|error| error.to_string())?;
    let agent = &file["services"]["watchbell"];
    for secret in texts(&agent["secrets"]) {
        let (_, contents) = SECRETS
            .iter()
            .find(|(name, _)| *name == secret && file["secrets"].get(name).is_some())
            .ok_or(format!("{place}: there is no secret {secret}"))?;
        it.files.insert(format!("/run/secrets/{secret}"), (*contents).to_owned());
    }
    let folder = Path::new(place).parent().unwrap_or(Path::new(""));
    let mut used = BTreeSet::new();
    for mount in texts(&agent["volumes"]) {
        let mut parts = mount.split(':');
        let (Some(source), Some(target)) = (parts.next(), parts.next()) else { continue };
        let Some(source) = source.strip_prefix("./") else { continue };
        for entry in std::fs::read_dir(root().join(folder).join(source)).map_err(|error| error.to_string())? {
            let path = entry.map_err(|error| error.to_string())?.path();
            let text = std::fs::read_to_string(&path).map_err(|error| error.to_string())?;
            it.expected.extend(shown(&text));
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            used.insert(path.strip_prefix(root()).unwrap_or(&path).display().to_string());
            it.files.insert(format!("{target}/{name}"), text);
        }
    }
    Ok((it, used))
}

fn texts(list: &Value) -> Vec<String> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// The diagnostics that a file says the agent has about it.
fn shown(text: &str) -> Vec<String> {
    let comments = text.lines().filter_map(|line| line.strip_prefix("; ").or(line.strip_prefix("# ")));
    comments
        .filter(|it| it.starts_with("warning: ") || it.starts_with("rejected: "))
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_file_of_examples_is_read_without_complaint() {
    let files = files();
    let mut seen = BTreeSet::new();
    let mut failures = Vec::new();
    for (place, text) in files.iter().filter(|(place, _)| is(place, "yaml") && !is_printed(place)) {
        match of_compose(place, text) {
            Ok((it, used)) => {
                seen.extend(used);
                failures.extend(it.check().err());
            }
            Err(reason) => failures.push(reason),
        }
        failures.extend(validated(place).err());
    }
    for (place, text) in &files {
        let result = match Path::new(place).extension().and_then(|it| it.to_str()) {
            Some("yaml") => Ok(()),
            _ if is_printed(place) || seen.contains(place) => Ok(()),
            Some("ini") => Example { place: place.clone(), ini: text.clone(), ..Example::default() }.check(),
            Some("sh") => spec::commands(place, text),
            Some("service") => unit(place, text),
            // Prometheus itself is asked: see `observability`.
            _ if place.starts_with("examples/observability/") => Ok(()),
            _ => Err(format!("{place}: nobody tries it")),
        };
        failures.extend(result.err());
    }
    none(&failures);
}

/// What the command says of a compose file must be nothing, too: it reads compose files as Compose does.
fn validated(place: &str) -> Result<(), String> {
    let dialects = "watchbell,ofelia";
    let arguments =
        ["validate", "--labels", place, "--allow-from-labels", "all", "--label-dialects", dialects];
    let (code, said) = watchbell(&arguments);
    let silent = code == 0 && said.ends_with(" 0 errors, 0 warnings\n");
    if silent { Ok(()) } else { Err(format!("{place}: validate says\n{said}")) }
}

/// Exit code and output of a command in the repository, without our environment.
fn watchbell(arguments: &[&str]) -> (i32, String) {
    let output = Process::new(env!("CARGO_BIN_EXE_watchbell"))
        .args(arguments)
        .env_clear()
        .current_dir(root())
        .output()
        .unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
}

/// A systemd unit: its command, and its variables.
fn unit(place: &str, text: &str) -> Result<(), String> {
    let command = text.lines().find_map(|line| line.strip_prefix("ExecStart=")).ok_or("no ExecStart")?;
    let words = shell_words::split(command).map_err(|error| error.to_string())?;
    let (program, arguments) = words.split_first().ok_or("no program")?;
    if !program.ends_with("/watchbell") {
        return Err(format!("{place}: it starts {program}"));
    }
    example::command_line(arguments).map(drop).map_err(|reason| format!("{place}: {reason}"))
}

#[test]
fn every_file_of_examples_opens_with_what_it_shows_and_the_readme_names_it() {
    let readme = spec::read("README.md");
    let mut failures = Vec::new();
    for (place, text) in files() {
        let first = text.lines().find(|line| !line.starts_with("#!")).unwrap_or_default();
        // JSON has no comments.
        if !first.starts_with("# ") && !first.starts_with("; ") && !is(&place, "json") {
            failures.push(format!("{place}: it does not open with a comment"));
        }
        // A folder is one example.
        let parts: Vec<&str> = place.split('/').take(2).collect();
        if !readme.contains(&format!("({})", parts.join("/"))) {
            failures.push(format!("{place}: the README does not name {}", parts.join("/")));
        }
    }
    none(&failures);
}

/// The jobs of an example, as far as they can be compared: the place where one is written is not the same.
fn meant(jobs: BTreeMap<JobId, DesiredJob>) -> BTreeMap<JobId, (Work, String, String)> {
    let meant = |it: DesiredJob| {
        let spec = &it.spec;
        let rest = format!("{:?} {:?} {:?} {}", spec.overlap, spec.timeout, spec.grace_period, spec.enabled);
        (spec.work.clone(), spec.schedule.words(), rest)
    };
    jobs.into_iter().map(|(id, job)| (id, meant(job))).collect()
}

#[test]
fn the_ofelia_example_shows_what_migrate_prints_and_both_come_to_the_same_jobs() {
    for (printed, source) in PRINTED {
        let (_, text) = watchbell(&["migrate", "--from", "ofelia", source]);
        let path = root().join(printed);
        let stored = std::fs::read_to_string(&path).unwrap_or_default();
        let (wanted, dates) = undated(&text);
        assert_eq!(dates, text.matches("# there: ").count(), "each job has its next occurrences");
        let (same, _) = undated(&stored);
        // The next occurrences are of the day on which it was printed.
        if same != wanted {
            expect::same(&path, &stored, &text).unwrap();
        }
    }
    let files = files();
    let place = "examples/ofelia/compose.yaml";
    let (mut it, _) = of_compose(place, &files[place]).unwrap();
    let (before, _) = it.read().unwrap();
    assert_eq!(before.len(), 4, "two in labels, two in the file");
    // The same containers with our labels, and our file.
    let labels: Value = serde_saphyr::from_str(&files[PRINTED[0].0]).unwrap();
    for (container, old) in &mut it.containers {
        let service = container.strip_prefix("example-").map_or(&**container, |it| it.trim_end_matches("-1"));
        old.retain(|key, _| key.starts_with("com.docker.compose."));
        let new = labels["services"][service]["labels"].as_object().unwrap();
        old.extend(new.iter().map(|(key, value)| (key.clone(), value.as_str().unwrap().to_owned())));
    }
    it.arguments = vec!["daemon".to_owned()];
    it.files = BTreeMap::from([("/etc/watchbell/config.ini".to_owned(), files[PRINTED[1].0].clone())]);
    let (after, problems) = it.read().unwrap();
    assert_eq!(problems, Vec::<String>::new());
    assert_eq!(meant(after), meant(before));
}

/// The text without the lines that tell the next occurrences, and how many of them name five.
fn undated(text: &str) -> (String, usize) {
    let (dates, rest): (Vec<&str>, Vec<&str>) =
        text.lines().partition(|line| line.trim_start().starts_with("# next: "));
    (rest.join("\n"), dates.iter().filter(|line| line.split(", ").count() == 5).count())
}

#[test]
fn the_socket_proxy_of_the_example_lets_through_what_jobs_of_kind_exec_need_and_nothing_else() {
    let file: Value = serde_saphyr::from_str(&spec::read("examples/socket-proxy/compose.yaml")).unwrap();
    let command = texts(&file["services"]["socket-proxy"]["command"]);
    let allowed: Vec<&String> =
        command.iter().filter(|it| it.starts_with("-allow") && !it.starts_with("-allowfrom")).collect();
    let mut wanted: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (method, path) in endpoints::of_exec() {
        wanted.entry(method).or_default().push(path.replace("{id}", "[^/]+"));
    }
    let wanted: Vec<String> =
        wanted.iter().map(|(method, paths)| format!("-allow{method}={}", paths.join("|"))).collect();
    assert_eq!(allowed, wanted.iter().collect::<Vec<_>>());
}

#[test]
fn an_example_that_lacks_a_file_or_says_too_little_is_seen() {
    let place = "examples/secrets/compose.yaml";
    let text = spec::read(place);
    let missing = text.replace("secrets: [grants, restic, report]", "secrets: [grants, report]");
    let failure = of_compose(place, &missing).unwrap().0.check().unwrap_err();
    assert!(failure.contains("environment-file: the file cannot be read"), "{failure}");
    let unknown = text.replace("secrets: [grants, ", "secrets: [grant, ");
    assert!(of_compose(place, &unknown).unwrap_err().contains("there is no secret grant"));
    let ungranted = text.replace("WATCHBELL_ALLOW_FROM_LABELS_FILE", "WATCHBELL_TIMEZONE_FILE");
    assert!(
        of_compose(place, &ungranted).unwrap().0.check().unwrap_err().contains("allow-from-labels=env-file")
    );
    let warned = spec::read("examples/ofelia/config/config.ini");
    assert_eq!((shown(&warned).len(), shown("x\n; y\n").len()), (1, 0));
}
