//! Wrong inputs, one a case, through the real binary: each gives exactly one diagnostic with its exact place, and the
//! jobs around it are there as if it had never been written.

mod channels;
mod environment;
mod file;
mod flags;
mod labels;
mod start;

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    os::unix::ffi::OsStrExt,
    path::Path,
    process::{Command, Output},
};

use serde_json::{Value, json};

/// The canary: it stands where secrets stand, and must never be seen.
const SECRET: &str = "hunter2-canary";

/// What stands before and behind the wrong text of a file, and must not be touched by it.
const BEFORE: &str = "[job-local \"before\"]\nschedule = @daily\ncommand = echo a; b\nshell = true\n";
const BEHIND: &str = "\n[job-local \"behind\"]\nschedule = @hourly\ncommand = tidy\nenvironment = A=#1;\n";
const LINES_BEFORE: u32 = 4;
const NEIGHBOURS: [&str; 4] = ["before", "behind", "db.good", "web.good"];

/// Everything that one call of the binary is given.
#[derive(Debug, Clone)]
struct Input {
    file: Vec<u8>,
    labels: BTreeMap<String, String>,
    flags: Vec<String>,
    environment: Vec<(OsString, OsString)>,
}

impl Input {
    /// The neighbours, with this between them in the file.
    fn file(wrong: &[u8]) -> Self {
        let file = [BEFORE.as_bytes(), wrong, BEHIND.as_bytes()].concat();
        Self { file, labels: good_labels(), flags: Vec::new(), environment: Vec::new() }
    }

    fn labels(wrong: &[(&str, &str)]) -> Self {
        let mut input = Self::file(b"");
        input.labels.extend(wrong.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
        input
    }

    fn flags(wrong: &[&str]) -> Self {
        Self { flags: wrong.iter().map(ToString::to_string).collect(), ..Self::file(b"") }
    }

    fn environment(wrong: &[(&str, &[u8])]) -> Self {
        let variable = |(name, value): &(&str, &[u8])| ((*name).into(), OsStr::from_bytes(value).to_owned());
        Self { environment: wrong.iter().map(variable).collect(), ..Self::file(b"") }
    }

    fn command(&self, directory: &Path, command: &str) -> Command {
        let mut it = Command::new(env!("CARGO_BIN_EXE_watchbell"));
        std::fs::write(directory.join("config.ini"), &self.file).unwrap();
        it.current_dir(directory).env_clear().arg(command).args(["--config", "config.ini"]).args(&self.flags);
        it.envs(self.environment.iter().map(|(name, value)| (name, value)));
        it
    }

    /// What `validate` says of it.
    fn validate(&self) -> Said {
        let directory = tempfile::tempdir().unwrap();
        let container = |name: &str, labels: &BTreeMap<String, String>| json!({ "Id": name, "Name": name, "Config": { "Labels": labels } });
        let inspected = json!([container("web", &self.labels), container("db", &good_labels())]);
        std::fs::write(directory.path().join("labels.json"), inspected.to_string()).unwrap();
        let mut command = self.command(directory.path(), "validate");
        Said::new(&command.args(["--labels", "labels.json", "--output", "json"]).output().unwrap())
    }
}

fn good_labels() -> BTreeMap<String, String> {
    [("enabled", "true"), ("job-exec.good.schedule", "@daily"), ("job-exec.good.command", "work")]
        .map(|(key, value)| (format!("watchbell.{key}"), value.to_owned()))
        .into()
}

/// What `validate` printed.
#[derive(Debug)]
struct Said {
    jobs: BTreeMap<String, Value>,
    problems: Vec<Value>,
    code: Option<i32>,
    text: String,
}

impl Said {
    fn new(output: &Output) -> Self {
        let text = [&output.stdout[..], &output.stderr[..]].concat();
        let text = String::from_utf8_lossy(&text).into_owned();
        let said: Value =
            serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {text}"));
        let jobs = said["jobs"].as_array().unwrap().iter();
        let jobs = jobs.map(|job| (job["job"].as_str().unwrap().to_owned(), job.clone())).collect();
        Self {
            jobs,
            problems: said["problems"].as_array().unwrap().clone(),
            code: output.status.code(),
            text,
        }
    }
}

/// One wrong input and what is to be said of it.
#[derive(Debug)]
struct Case {
    what: &'static str,
    input: Input,
    origin: String,
    reason: &'static str,
    /// The job that the diagnostic speaks of.
    job: Option<&'static str>,
    /// In a file the caret stands under the value, and not under the key or the section.
    value: bool,
    /// Only a warning: what was written is in force.
    warning: bool,
    /// The neighbours that cannot be there, because the place they stand in as a whole is not taken.
    without: &'static [&'static str],
}

impl Case {
    fn new(what: &'static str, input: Input, origin: impl Into<String>, reason: &'static str) -> Self {
        let origin = origin.into();
        Self { what, input, origin, reason, job: None, value: false, warning: false, without: &[] }
    }

    fn job(self, job: &'static str) -> Self {
        Self { job: Some(job), ..self }
    }

    fn value(self) -> Self {
        Self { value: true, ..self }
    }

    /// File, line and column, where the place is in a file.
    fn place(&self) -> (Value, Value, Value) {
        let Some(line) = self.origin.strip_prefix("config.ini:") else {
            return (Value::Null, Value::Null, Value::Null);
        };
        let line: usize = line.parse().unwrap();
        let text = self.input.file.split(|byte| *byte == b'\n').nth(line - 1).unwrap();
        let text = String::from_utf8_lossy(text);
        let blank = |text: &str| text.chars().take_while(|c| c.is_whitespace()).count();
        let before = match text.split_once('=') {
            Some((key, value)) if self.value => key.chars().count() + 1 + blank(value),
            _ => blank(&text),
        };
        ("config.ini".into(), line.into(), (before + 1).into())
    }

    fn warning(self) -> Self {
        Self { warning: true, ..self }
    }

    fn without(self, without: &'static [&'static str]) -> Self {
        Self { without, ..self }
    }

    fn check(&self, neighbours: &BTreeMap<String, Value>) -> Result<(), String> {
        let said = self.input.validate();
        let fail = |what: &str| Err(format!("{}: {what}: {}", self.what, said.text));
        if said.text.contains(SECRET) {
            return fail("it shows the secret");
        }
        let [problem] = &said.problems[..] else { return fail("not exactly one diagnostic") };
        let severity = if self.warning { "warning" } else { "error" };
        let expected = (severity, self.origin.as_str(), self.job);
        let found = (
            problem["severity"].as_str().unwrap(),
            problem["origin"].as_str().unwrap(),
            problem["job"].as_str(),
        );
        if found != expected {
            return fail(&format!("{found:?} is not {expected:?}"));
        }
        let place = (problem["file"].clone(), problem["line"].clone(), problem["column"].clone());
        if place != self.place() {
            return fail(&format!("{place:?} is not {:?}", self.place()));
        }
        let reason = problem["reason"].as_str().unwrap();
        if !reason.contains(self.reason) || reason.starts_with(char::is_uppercase) {
            return fail(&format!("\"{reason}\" is not \"{}\"", self.reason));
        }
        for (name, job) in neighbours.iter().filter(|(name, _)| !self.without.contains(&name.as_str())) {
            if said.jobs.get(name) != Some(job) {
                return fail(&format!("it disturbs {name}"));
            }
        }
        if said.code != Some(i32::from(!self.warning)) {
            return fail(&format!("exit code {:?}", said.code));
        }
        Ok(())
    }
}

fn check_all(cases: impl IntoIterator<Item = Case>) {
    let good = Input::file(b"").validate();
    assert_eq!((good.problems.len(), good.code), (0, Some(0)), "{}", good.text);
    assert_eq!(good.jobs.keys().collect::<Vec<_>>(), NEIGHBOURS);
    let failures: Vec<String> = cases.into_iter().filter_map(|case| case.check(&good.jobs).err()).collect();
    assert!(failures.is_empty(), "{}:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn a_case_that_says_too_much_too_little_or_touches_a_neighbour_is_seen() {
    let good = Input::file(b"").validate().jobs;
    let wrong =
        |wrong: &[u8], line: &str, reason| Case::new("it", Input::file(wrong), line, reason).check(&good);
    assert!(wrong(b"", "config.ini:5", "").unwrap_err().contains("not exactly one"));
    assert!(wrong(b"[a]\n[b]", "config.ini:5", "").unwrap_err().contains("not exactly one"));
    assert!(wrong(b"[a]", "config.ini:6", "unknown").unwrap_err().contains("is not"));
    assert!(wrong(b"[a]", "config.ini:5", "banana").unwrap_err().contains("banana"));
    assert!(wrong(b"shedule=x", "config.ini:5", "").unwrap_err().contains("is not"));
    let disturbed = Case::new("it", Input::file(b"overlap=x"), "config.ini:5", "").job("before").value();
    assert!(disturbed.check(&good).unwrap_err().contains("it disturbs before"));
    let value = Case::new("it", Input::file(b"[a]\nb = c"), "config.ini:5", "").value();
    assert_eq!(value.check(&good), Ok(()), "a section has no value");
    let value = Case::new("it", Input::file(b"[global]\nb = c"), "config.ini:6", "").value();
    assert!(value.check(&good).unwrap_err().contains("Number(5)"));
    assert_eq!(wrong(b"[a]", "config.ini:5", "unknown section"), Ok(()));
}
