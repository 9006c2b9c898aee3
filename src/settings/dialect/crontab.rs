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
        told: false,
        homeless: false,
    };
    for (number, line) in (1_u32..).zip(text.strip_prefix('\u{feff}').unwrap_or(text).split('\n')) {
        let line = line.trim();
        if !line.is_empty() && !line.starts_with('#') {
            reader.line(line, number);
        }
    }
    reader.out
}

/// Accounts whose names are no commands: such a word before a command is a user.
const ACCOUNTS: &[&str] = &[
    "root",
    "www-data",
    "nobody",
    "postgres",
    "nginx",
    "apache",
    "daemon",
    "www",
    "http",
    "nextcloud",
    "gitea",
    "munin",
    "logcheck",
    "debian-spamd",
    "_apt",
];

/// Whether a crontab is one of the system's: by its whole path, or because each of its lines names the user `root`.
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
    /// A line that seems to name a user was told of.
    told: bool,
    /// That no `HOME` is given was told.
    homeless: bool,
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
            if user.is_none() {
                self.user_in_command(command, &origin);
            }
            return self.job(schedule, user, command, number, &origin);
        }
        let form = if self.users { "five fields, a user and a command" } else { "five fields and a command" };
        self.out.lost = true;
        let reason = format!("the line cannot be read: write NAME=value, or {form}");
        self.out.diagnostics.push(Diagnostic::error(origin, reason));
    }

    /// A crontab of the system that was taken for a user's would run its users as programs.
    fn user_in_command(&mut self, command: &str, origin: &Origin) {
        let mut words = command.split_whitespace();
        let is_user = words.next().is_some_and(|word| ACCOUNTS.contains(&word));
        let is_command =
            |word: &str| word.starts_with(|c: char| c.is_ascii_alphabetic() || "/.[".contains(c));
        if !self.told && is_user && words.next().is_some_and(is_command) {
            self.told = true;
            let reason = "the command begins with what looks like a user, as in a crontab of the system: read it with \
                          --system if it is one, or with --user if it is not";
            self.out.diagnostics.push(Diagnostic::warning(origin.clone(), reason));
        }
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
                let reason = format!(
                    "{name} has no effect: write [notify \"name\"] in the file, and its name as notify of the job"
                );
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
        let draft =
            Draft { schedule: Some(schedule.to_owned()), ..Draft::new(JobKind::Local, origin.clone()) };
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
        match self.home.clone() {
            Some((home, place)) => self.put(&id, "workdir", home, &place),
            None => self.without_home(origin),
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

    /// Where a command starts is for the whole file to say, and so it is told once.
    fn without_home(&mut self, origin: &Origin) {
        let reason = "cron starts a command in its user's home, and watchbell in the agent's own directory: write HOME= \
                      above the jobs, or give them a workdir";
        if !std::mem::replace(&mut self.homeless, true) {
            self.out.diagnostics.push(Diagnostic::warning(origin.clone(), reason));
        }
    }

    fn put(&mut self, id: &JobId, name: &str, text: String, origin: &Origin) {
        match (params::look_up(name, JobKind::Local), self.out.jobs.get_mut(id)) {
            (Ok(param), Some(draft)) => {
                let written = Written::new(Text::One(text.into()), origin.clone());
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
        let with_line = [name.clone(), format!("{name}-{number}")].into_iter();
        // That too can be the name of another program.
        let counted = (2..).map(|count: u32| format!("{name}-{number}-{count}"));
        let free = with_line.chain(counted).find(|name| !self.names.contains(name)).unwrap_or(name);
        self.names.insert(free.clone());
        free
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
        let places: Vec<_> = read.diagnostics.iter().map(|it| it.origin.to_string()).collect();
        assert_eq!(places, ["crontab:3", "crontab:6"], "{:?}", read.diagnostics);
    }

    #[test]
    fn where_commands_start_is_told_once_unless_home_says_it() {
        for (text, told) in [("@daily a\n@daily b\n", 1), ("HOME=/srv\n@daily a\n@daily b\n", 0)] {
            let read = read("c", text, false);
            assert_eq!(read.diagnostics.len(), told, "{:?}", read.diagnostics);
            assert!(read.diagnostics.iter().all(|it| it.reason.contains("HOME=") && it.job.is_none()));
        }
    }

    #[test]
    fn what_looks_like_a_user_is_told_once_and_a_command_of_that_name_is_none() {
        let told = |text: &str, users| {
            let read = read("c", &format!("HOME=/\n{text}"), users);
            let users = read.diagnostics.iter().filter(|it| it.reason.contains("looks like a user"));
            users.map(|it| it.origin.to_string()).collect::<Vec<_>>()
        };
        let system = "*/5 * * * * www-data php -f /var/www/cron.php\n0 1 * * * root /x\n";
        assert_eq!(told(system, false), ["c:2"]);
        assert_eq!(told(system, true), Vec::<String>::new());
        assert_eq!(told("0 1 * * * backup now\n0 1 * * * mail -s x\n0 1 * * * root\n", false), [""; 0]);
    }

    #[test]
    fn a_made_up_name_never_takes_another_jobs() {
        let read =
            read("c", "@daily /opt/backup-3.sh\n@daily /opt/backup.sh a\n@daily /opt/backup.sh b\n", false);
        let ids: Vec<&str> = read.jobs.keys().map(JobId::as_str).collect();
        assert_eq!(ids, ["backup", "backup-3", "backup-3-2"]);
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
