//! crontabs, as cron of Debian and cronie read them, for `watchbell migrate`.
//!
//! A line is a comment, `NAME = value`, or a schedule and a command; in the system's crontabs a user stands between the
//! two. A command runs through a shell. In it an unescaped `%` ends the command, and what follows is its standard input,
//! where each further `%` begins a line.

use std::{collections::BTreeSet, sync::Arc};

use crate::model::{
    diagnostic::Diagnostic,
    name::{JobId, JobKind},
    origin::Origin,
};

use super::super::{
    layer::{Text, Written},
    params,
};
use super::table::{Draft, Foreign};

/// Reads a crontab. `users` says that it is one of the system's, with a user in each line.
pub fn read(path: &str, text: &str, users: bool) -> Foreign {
    let mut reader = Reader {
        path: path.into(),
        users,
        out: Foreign::default(),
        shell: "/bin/sh".to_owned(),
        zone: None,
        home: None,
        variables: Vec::new(),
        names: BTreeSet::new(),
    };
    for (number, line) in (1_u32..).zip(text.strip_prefix('\u{feff}').unwrap_or(text).split('\n')) {
        let line = line.trim();
        if !line.is_empty() && !line.starts_with('#') {
            reader.line(line, number);
        }
    }
    reader.out
}

/// Whether a crontab is one of the system's: by its path, or because each of its lines names the user `root`.
pub fn has_users(path: &str, text: &str) -> bool {
    if path == "/etc/crontab" || path.contains("/cron.d/") {
        return true;
    }
    let mut entries = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#') && variable(line).is_none())
        .filter_map(|line| split(line).map(|(_, rest)| rest))
        .peekable();
    entries.peek().is_some() && entries.all(|rest| rest.split_whitespace().next() == Some("root"))
}

/// `NAME = value`, with the quotes around either taken off.
fn variable(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.split_once('=')?;
    let bare = |text| super::super::value::unquote(text).0;
    let name = bare(name);
    let fits = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    fits.then(|| (name, bare(value)))
}

/// The schedule and the rest of a line.
fn split(line: &str) -> Option<(&str, &str)> {
    let count = if line.starts_with('@') { 1 } else { 5 };
    let mut rest = line;
    for _ in 0..count {
        let end = rest.find(char::is_whitespace)?;
        rest = rest[end..].trim_start();
    }
    let schedule = line[..line.len() - rest.len()].trim_end();
    (!rest.is_empty()).then_some((schedule, rest))
}

struct Reader {
    path: Arc<str>,
    users: bool,
    out: Foreign,
    shell: String,
    zone: Option<(String, Origin)>,
    home: Option<(String, Origin)>,
    variables: Vec<(String, String, Origin)>,
    names: BTreeSet<String>,
}

impl Reader {
    fn line(&mut self, line: &str, number: u32) {
        let origin = Origin::File { path: self.path.clone(), line: number };
        if let Some((name, value)) = variable(line) {
            return self.variable(name, value, origin);
        }
        let entry = split(line).and_then(|(schedule, rest)| {
            if !self.users {
                return Some((schedule, None, rest));
            }
            let (user, command) = rest.split_once(char::is_whitespace)?;
            Some((schedule, Some(user), command.trim_start()))
        });
        if let Some((schedule, user, command)) = entry {
            return self.job(schedule, user, command, number, &origin);
        }
        let form = if self.users { "five fields, a user and a command" } else { "five fields and a command" };
        self.out.lost = true;
        let reason = format!("the line cannot be read: write NAME=value, or {form}");
        self.out.diagnostics.push(Diagnostic::error(origin, reason));
    }

    fn variable(&mut self, name: &str, value: &str, origin: Origin) {
        match name {
            "SHELL" => value.clone_into(&mut self.shell),
            "CRON_TZ" => self.zone = Some((value.to_owned(), origin)),
            "HOME" => {
                self.home = Some((value.to_owned(), origin.clone()));
                self.set(name, value, origin);
            }
            "MAILTO" | "MAILFROM" | "CONTENT_TYPE" | "CONTENT_TRANSFER_ENCODING" if value.is_empty() => {}
            "MAILTO" | "MAILFROM" | "CONTENT_TYPE" | "CONTENT_TRANSFER_ENCODING" => {
                let reason = format!("{name} has no effect: watchbell has no notification channels yet");
                self.out.without_effect(None, origin, reason);
            }
            "RANDOM_DELAY" | "CRON_CORRECT_MAIL_HEADER" => {
                self.out.without_effect(
                    None,
                    origin,
                    format!("{name} is not yet supported here and has no effect"),
                );
            }
            _ => self.set(name, value, origin),
        }
    }

    /// A variable counts for the lines below it.
    fn set(&mut self, name: &str, value: &str, origin: Origin) {
        self.variables.retain(|(known, ..)| known != name);
        self.variables.push((name.to_owned(), value.to_owned(), origin));
    }

    fn job(&mut self, schedule: &str, user: Option<&str>, command: &str, number: u32, origin: &Origin) {
        let id = JobId::plain(&self.name(command, number));
        let draft = Draft {
            kind: JobKind::Local,
            layer: super::super::layer::JobLayer::default(),
            origin: origin.clone(),
            schedule: Some(schedule.to_owned()),
        };
        self.out.jobs.insert(id.clone(), draft);
        let (script, input) = percent(command);
        let script = match input {
            // The group is one command, so that the whole of it reads the text.
            Some(input) => format!("{{ {script}\n}} <<'WATCHBELL_INPUT'\n{input}\nWATCHBELL_INPUT"),
            None => script,
        };
        let fields: Vec<&str> = schedule.split_whitespace().collect();
        self.put(&id, "schedule", fields.join(" "), origin);
        self.put(&id, "command", script, origin);
        self.put(&id, "shell", self.shell.clone(), origin);
        // cron starts a command whether or not the last one has ended.
        self.put(&id, "overlap", "allow".to_owned(), origin);
        if let Some((zone, place)) = self.zone.clone() {
            self.put(&id, "timezone", zone, &place);
        }
        if let Some((home, place)) = self.home.clone() {
            self.put(&id, "workdir", home, &place);
        }
        if let Some(user) = user {
            self.put(&id, "user", user.to_owned(), origin);
        }
        if let (Ok(param), Some(draft)) =
            (params::look_up("environment", JobKind::Local), self.out.jobs.get_mut(&id))
        {
            for (name, value, place) in &self.variables {
                draft.layer.add_item(param, format!("{name}={value}").into(), place.clone());
            }
        }
    }

    fn put(&mut self, id: &JobId, name: &str, text: String, origin: &Origin) {
        match (params::look_up(name, JobKind::Local), self.out.jobs.get_mut(id)) {
            (Ok(param), Some(draft)) => {
                let written = Written { text: Text::One(text.into()), origin: origin.clone() };
                draft.layer.set(param, written);
            }
            (Err(_), _) => {
                let reason = format!("the {name} is not yet supported here and has no effect");
                self.out.without_effect(Some(id), origin.clone(), reason);
            }
            _ => {}
        }
    }

    /// A name for a job that has none: its program's, and the line where two are alike.
    fn name(&mut self, command: &str, number: u32) -> String {
        let program = command.split_whitespace().find(|word| !word.contains('=')).unwrap_or_default();
        let program = program.rsplit('/').next().unwrap_or_default();
        let fits = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        let name: String =
            program.split('.').next().unwrap_or_default().chars().filter(fits).take(40).collect();
        let name = name.trim_start_matches(['-', '_']);
        let name = if name.is_empty() { format!("line-{number}") } else { name.to_owned() };
        let name = if self.names.contains(&name) { format!("{name}-{number}") } else { name };
        self.names.insert(name.clone());
        name
    }
}

/// A command, and its standard input if it has one.
fn percent(command: &str) -> (String, Option<String>) {
    let mut parts = vec![String::new()];
    let mut characters = command.chars().peekable();
    while let Some(c) = characters.next() {
        let (c, ends) = match c {
            '\\' if characters.peek() == Some(&'%') => {
                characters.next();
                ('%', false)
            }
            '%' => ('%', true),
            c => (c, false),
        };
        if ends {
            parts.push(String::new());
        } else if let Some(last) = parts.last_mut() {
            last.push(c);
        }
    }
    let script = parts.remove(0);
    let input = (!parts.is_empty()).then(|| parts.join("\n"));
    (script.trim_end().to_owned(), input)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text<'a>(draft: &'a Draft, name: &str) -> &'a str {
        match &draft.layer.get(name).unwrap().text {
            Text::One(text) => text,
            Text::Items(_) => panic!("items"),
        }
    }

    #[test]
    fn a_users_crontab_has_schedule_and_command() {
        let read = read(
            "crontab",
            "# m h dom mon dow command\nSHELL=/bin/bash\nMAILTO = \"root\"\nPATH=/usr/bin:/bin\n\n\
             */15 9-17 * * 1-5  /opt/report.sh --day \\%d | tee x\n@daily backup\n0 0 * * 7 mail -s hi a%line 1%line 2\n",
            false,
        );
        let ids: Vec<&str> = read.jobs.keys().map(JobId::as_str).collect();
        assert_eq!(ids, ["backup", "mail", "report"]);
        let report = &read.jobs[&JobId::plain("report")];
        assert_eq!(text(report, "schedule"), "*/15 9-17 * * 1-5");
        assert_eq!(text(report, "command"), "/opt/report.sh --day %d | tee x");
        assert_eq!((text(report, "shell"), text(report, "overlap")), ("/bin/bash", "allow"));
        assert_eq!(report.layer.get("environment").unwrap().origin.to_string(), "crontab:4");
        let mail = text(&read.jobs[&JobId::plain("mail")], "command");
        assert_eq!(mail, "{ mail -s hi a\n} <<'WATCHBELL_INPUT'\nline 1\nline 2\nWATCHBELL_INPUT");
        assert_eq!(read.diagnostics.len(), 1, "{:?}", read.diagnostics);
    }

    #[test]
    fn the_systems_crontab_names_users() {
        let lines = "17 *\t* * *\troot    cd / && run-parts /etc/cron.hourly\n@reboot root x\n";
        assert!(
            has_users("x", lines)
                && has_users("/etc/cron.d/x", "")
                && !has_users("x", "0 1 * * * backup now")
        );
        let read = read("/etc/crontab", lines, true);
        assert_eq!(text(&read.jobs[&JobId::plain("cd")], "command"), "cd / && run-parts /etc/cron.hourly");
        assert_eq!(text(&read.jobs[&JobId::plain("cd")], "schedule"), "17 * * * *");
        assert_eq!(read.jobs.len(), 2);
    }

    #[test]
    fn a_line_that_cannot_be_read_is_told_and_two_names_alike_are_told_apart() {
        let read = read("c", "0 1 * * *\n0 1 * * * a x\n0 2 * * * a y\n* * * * * \"$X\"\n", false);
        let ids: Vec<&str> = read.jobs.keys().map(JobId::as_str).collect();
        assert_eq!(ids, ["X", "a", "a-3"]);
        assert_eq!(read.diagnostics[0].origin.to_string(), "c:1");
    }

    proptest::proptest! {
        #[test]
        fn no_crontab_makes_it_panic(text in "([0-9*/,@a-z -]{0,20}|\\PC{0,20}|[A-Z]{0,3}=\\PC{0,5}|\n){0,10}") {
            for users in [false, true] {
                read("x", &text, users);
            }
            has_users("x", &text);
        }
    }
}
