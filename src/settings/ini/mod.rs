//! INI text → settings and layers of jobs, with the line of every value.
//!
//! `lines` tells what a line is, `section` what its header opens, `substitute` puts variables in, and
//! `values` takes a key and its value into the section, and `caller` into one that says who may ask the agent, `channel` into one that says where someone is told. A line that cannot be read costs one diagnostic, and nothing
//! else; what follows a header that cannot be taken belongs to no section and is passed over.

mod caller;
pub(super) mod channel;
pub(super) mod lines;
mod section;
mod substitute;
mod values;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::model::{
    diagnostic::Diagnostic,
    name::{JobId, JobKind},
    origin::Origin,
};

use super::{channels::RawChannel, layer::JobLayer};
pub use caller::{CallerSort, RawCaller};
pub use lines::LIMIT as LINE_LIMIT;
use lines::{Line, Unreadable};
use section::{Refused, Section};

/// A setting of the agent as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawSetting {
    /// The key as written.
    pub key: String,
    /// The text.
    pub value: String,
    /// The place.
    pub origin: Origin,
    /// The value came out of a file of secrets: it is never shown.
    pub from_file: bool,
}

impl RawSetting {
    /// A setting whose value stands where its key does.
    pub fn new(key: impl Into<String>, value: impl Into<String>, origin: Origin) -> Self {
        Self { key: key.into(), value: value.into(), origin, from_file: false }
    }
}

/// A job's section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileJob {
    /// The job's kind.
    pub kind: JobKind,
    /// The parameters.
    pub layer: JobLayer,
    /// The section's line.
    pub origin: Origin,
}

/// What the files say together; a later file goes over an earlier one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ini {
    /// `[global]`, in order.
    pub global: Vec<RawSetting>,
    /// `[job-defaults]`.
    pub defaults: JobLayer,
    /// `[job-defaults-<kind>]`.
    pub kind_defaults: BTreeMap<JobKind, JobLayer>,
    /// `[job-<kind> "name"]`.
    pub jobs: BTreeMap<JobId, FileJob>,
    /// `[token "name"]` and `[user "name"]`: who may ask the agent over the network.
    pub callers: Vec<RawCaller>,
    /// `[notify "name"]`: where someone is told.
    pub channels: Vec<RawChannel>,
    /// What could not be taken.
    pub diagnostics: Vec<Diagnostic>,
    /// What the agent does not start with: lines that could not be read at all, and what was meant for the agent
    /// itself. One that names a job rejects it, where the files are only looked at.
    pub broken: Vec<Diagnostic>,
}

/// What a file may ask for that stands outside of it.
#[derive(Clone, Copy)]
pub struct Outside<'a> {
    /// The value of `${NAME}`.
    pub variable: &'a dyn Fn(&str) -> Option<String>,
    /// The content of the file that a key such as `environment-file` names, or why there is none, in words that repeat
    /// neither the path nor the content.
    pub file: &'a dyn Fn(&str) -> Result<String, String>,
}

impl std::fmt::Debug for Outside<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outside").finish_non_exhaustive()
    }
}

/// Reads one file's text where no other file is read. `variable` gives the value of `${NAME}`.
pub fn parse(path: &str, text: impl AsRef<[u8]>, variable: &dyn Fn(&str) -> Option<String>) -> Ini {
    let file = |_: &str| Err("no other file is read here".to_owned());
    read(path, text, Outside { variable, file: &file })
}

/// Reads one file's text.
pub fn read(path: &str, text: impl AsRef<[u8]>, outside: Outside<'_>) -> Ini {
    let path: Arc<str> = path.into();
    let mut reader = Reader {
        ini: Ini::default(),
        section: Section::Before,
        outside,
        from_files: BTreeSet::new(),
        given: BTreeMap::new(),
        told: BTreeSet::new(),
        open: false,
    };
    for (number, line) in lines::numbered(text.as_ref()) {
        let origin = Origin::File { path: path.clone(), line: number };
        reader.line(line, origin, number == 1);
    }
    reader.ini
}

struct Reader<'a> {
    ini: Ini,
    section: Section,
    outside: Outside<'a>,
    /// The lines whose value came out of another file.
    from_files: BTreeSet<Origin>,
    /// Where each setting was first given, by itself and by a file.
    given: BTreeMap<(&'static str, bool), Origin>,
    /// The lines that were told of as giving what another line gives in the other way.
    told: BTreeSet<Origin>,
    /// The last value is a list that its line does not close, which is told of where the value is read.
    open: bool,
}

impl Reader<'_> {
    fn line(&mut self, line: &[u8], origin: Origin, first: bool) {
        let bare = lines::unmark(line);
        if bare.is_some() && !first {
            let reason =
                "a byte order mark stands inside the file, as where files were joined: it was taken off";
            self.ini.diagnostics.push(Diagnostic::warning(origin.clone(), reason));
        }
        let line = bare.unwrap_or(line);
        if self.open && lines::goes_on(line) {
            return;
        }
        match lines::read(line) {
            Ok(Line::Nothing) => {}
            Ok(Line::Header(header)) => self.header(&header, &origin),
            Ok(Line::Value(key, value)) => {
                self.open = lines::is_open(&value);
                self.value(&key, &value, origin);
            }
            Err(Unreadable { is_header, reason }) => {
                let found = match &self.section {
                    // The section as a whole was told of.
                    Section::PassedOver if !is_header => return,
                    Section::Job(id, _) if !is_header => Diagnostic::rejects(id, origin, reason),
                    _ => Diagnostic::error(origin, reason),
                };
                self.ini.broken.push(found);
                if !is_header {
                    self.spoil_channel();
                }
                // What stands before the first section is one mistake, however many lines it has.
                if is_header || self.section == Section::Before {
                    self.section = Section::PassedOver;
                }
            }
        }
    }

    fn header(&mut self, header: &str, origin: &Origin) {
        self.section = Section::PassedOver;
        self.open = false;
        match section::read(header) {
            Ok(Section::Job(id, kind)) => {
                if let Some(before) = self.ini.jobs.get(&id) {
                    let reason = format!("the job is also defined at {}", before.origin);
                    self.ini.diagnostics.push(Diagnostic::rejects(&id, origin.clone(), reason));
                    return;
                }
                let job = FileJob { kind, layer: JobLayer::default(), origin: origin.clone() };
                self.ini.jobs.insert(id.clone(), job);
                self.section = Section::Job(id, kind);
            }
            Ok(Section::Caller(sort, name)) => self.caller(sort, name, origin),
            Ok(Section::NewChannel(name)) => self.channel(&name, origin),
            Ok(section) => self.section = section,
            // What was meant for the agent itself must not be missing without a word.
            Err(Refused::Agent(reason)) => self.ini.broken.push(Diagnostic::error(origin.clone(), reason)),
            Err(Refused::Jobs(reason)) => {
                self.ini.diagnostics.push(Diagnostic::error(origin.clone(), reason));
            }
        }
    }
}

impl Ini {
    /// Whether the files define the job by themselves, rather than give values to one that labels define.
    pub fn defines(&self, id: &JobId, kind: JobKind) -> bool {
        self.jobs.get(id).is_some_and(|job| job.kind == kind && job.layer.get("schedule").is_some())
    }

    /// Lays a later file over this one.
    pub fn over(&mut self, later: Self) {
        let Self { global, defaults, kind_defaults, jobs, callers, channels, diagnostics, broken } = later;
        self.global.extend(global);
        self.defaults = std::mem::take(&mut self.defaults).under(&defaults);
        for (kind, layer) in kind_defaults {
            let lower = self.kind_defaults.entry(kind).or_default();
            *lower = std::mem::take(lower).under(&layer);
        }
        self.diagnostics.extend(diagnostics);
        self.broken.extend(broken);
        for it in callers {
            self.let_in(it);
        }
        for it in channels {
            self.let_channel_in(it);
        }
        for (id, job) in jobs {
            if let Some(before) = self.jobs.get(&id) {
                let reason = format!("it is in force instead of the definition at {}", before.origin);
                self.diagnostics.push(Diagnostic::warning(job.origin.clone(), reason).about(&id));
            }
            self.jobs.insert(id, job);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::layer::Text;
    use super::*;

    fn read(text: impl AsRef<[u8]>) -> Ini {
        let variable = |name: &str| (name == "SET").then(|| "[x]\n#y".to_owned());
        let file = |path: &str| match path {
            "/run/secrets/env" => Ok("TOKEN=hunter2\nB=2".to_owned()),
            "/run/secrets/level" => Ok("warn".to_owned()),
            _ => Err("the file cannot be read: not found".to_owned()),
        };
        super::read("config.ini", text, Outside { variable: &variable, file: &file })
    }

    fn text<'a>(ini: &'a Ini, job: &str, param: &str) -> &'a str {
        match &ini.jobs[&JobId::plain(job)].layer.get(param).unwrap().text {
            Text::One(text) => text,
            Text::Items(_) => panic!("items"),
        }
    }

    #[test]
    fn comment_characters_inside_a_value_stay() {
        let ini =
            read("[job-local \"a\"]\ncommand = sh -c 'a; b' # c\n  ; comment\n# comment\nschedule=@daily");
        assert_eq!(text(&ini, "a", "command"), "sh -c 'a; b' # c");
        assert_eq!((ini.diagnostics, ini.broken), (vec![], vec![]));
    }

    #[test]
    fn every_value_keeps_its_line_and_repeated_keys_make_a_list() {
        let ini = read("\u{feff}[job-run \"a\"]\r\nenvironment=A=1\r\nenvironment=B=2\r\nimage=x\r\n");
        let layer = &ini.jobs[&JobId::plain("a")].layer;
        assert_eq!(layer.get("image").unwrap().origin.to_string(), "config.ini:4");
        assert_eq!(layer.get("environment").unwrap().text, Text::Items(vec!["A=1".into(), "B=2".into()]));
        assert_eq!(text(&ini, "a", "image"), "x");
    }

    #[test]
    fn a_line_that_cannot_be_read_costs_one_diagnostic_with_its_place() {
        let ini = read("[job-local \"a\"]\nschedule\n[job-local \"b\"\ncommand=x\n[glob]\nx=1\ny=2\n");
        let broken: Vec<_> = ini.broken.iter().map(|it| it.origin.to_string()).collect();
        assert_eq!(broken, ["config.ini:2", "config.ini:3", "config.ini:5"]);
        assert_eq!(ini.diagnostics.len(), 0);
        assert!(ini.broken[2].reason.contains("unknown section \"glob\""));
        assert!(read("a=1\nb=2\n[global]\n").broken.len() == 1);
    }

    #[test]
    fn keys_given_twice_and_unknown_keys_reject_their_own_job() {
        let ini = read(
            "[job-local \"a\"]\nschedule=@daily\nSchedule=@hourly\n[job-local \"b\"]\ncomand=x\n[job-local \"c\"]\nschedule=@daily\ncommand=x",
        );
        let rejected: Vec<_> =
            ini.diagnostics.iter().map(|it| (it.job.clone().unwrap(), it.origin.to_string())).collect();
        assert_eq!(
            rejected,
            [(JobId::plain("a"), "config.ini:3".to_owned()), (JobId::plain("b"), "config.ini:5".to_owned())]
        );
    }

    #[test]
    fn variables_are_put_in_after_parsing() {
        let ini = read("[job-local \"a\"]\ncommand=${SET} ${UNSET:-d e} $$ $x\nschedule=${UNSET}\n");
        assert_eq!(text(&ini, "a", "command"), "[x]\n#y d e $ $x");
        assert_eq!(ini.jobs.len(), 1, "a value with a header in it opens no section");
        assert!(ini.diagnostics[0].reason.contains("the variable UNSET is not set"));
    }

    #[test]
    fn a_setting_whose_variable_is_not_set_keeps_the_agent_from_starting() {
        let ini = read("[global]\ndocker-host=${UNSET}\nlog-level=${UNSET:-warn}\n");
        assert_eq!(ini.broken.len(), 1);
        assert!(ini.broken[0].reason.contains("the variable UNSET is not set"));
        assert_eq!(ini.global.len(), 1);
    }

    #[test]
    fn a_line_that_cannot_be_read_rejects_the_job_of_its_section_and_none_around_it() {
        let ini = read(b"[job-local \"a\"]\ncommand=\xff\n[job-local \"b\"\ncommand=x\n[job-local \"c\"]\nschedule=@daily\n");
        let broken: Vec<_> = ini.broken.iter().map(|it| (it.job.clone(), it.origin.to_string())).collect();
        assert_eq!(
            broken,
            [(Some(JobId::plain("a")), "config.ini:2".to_owned()), (None, "config.ini:3".to_owned())]
        );
        assert!(
            ini.jobs[&JobId::plain("a")].layer.is_empty(),
            "what follows a bad header is not the job's before"
        );
        assert_eq!(text(&ini, "c", "schedule"), "@daily");
    }

    #[test]
    fn a_section_that_is_there_twice_goes_on_unless_it_is_a_job() {
        let ini = read(
            "[global]\nlog-level=warn\n[job-defaults]\ntimeout=1m\n[global]\ntimezone=UTC\n[job-defaults]\n\
             overlap=allow\ntimeout=2m\n[job-local \"a\"]\nschedule=@daily\n[job-exec \"a\"]\nnonsense=1\n",
        );
        assert_eq!(ini.global.len(), 2);
        assert!(ini.defaults.get("timeout").is_some() && ini.defaults.get("overlap").is_some());
        let told: Vec<_> = ini.diagnostics.iter().map(|it| format!("{}: {}", it.origin, it.reason)).collect();
        assert_eq!(
            told,
            [
                "config.ini:9: the parameter \"timeout\" is also given at config.ini:4",
                "config.ini:12: the job is also defined at config.ini:10",
            ]
        );
    }

    #[test]
    fn a_section_that_is_not_taken_costs_one_diagnostic_with_all_its_lines() {
        let ini = read(
            "[notify \"a b\"]\npassword=hunter2\nport=${UNSET}\nnonsense\n[job-exce \"c\"]\naction=x\nx\n\
             [job-defaults-exce]\ntimeout=x\n",
        );
        assert_eq!((ini.broken.len(), ini.diagnostics.len()), (1, 2));
        assert!(!format!("{ini:?}").contains("hunter2"));
    }

    #[test]
    fn a_byte_order_mark_is_taken_off_and_told_of_where_files_were_joined() {
        let ini = read("\u{feff}[job-local \"a\"]\ncommand=x\n\u{feff}[job-local \"b\"]\n");
        assert_eq!(ini.jobs.len(), 2);
        let told: Vec<_> = ini.diagnostics.iter().map(|it| it.origin.to_string()).collect();
        assert_eq!(told, ["config.ini:3"]);
    }

    #[test]
    fn a_value_can_come_out_of_a_file_where_it_may_be_a_secret() {
        let ini = read(
            "[global]\nlog-level-file=/run/secrets/level\n[job-local \"a\"]\nenvironment_file=/run/secrets/env\n",
        );
        assert_eq!(
            (&*ini.global[0].key, &*ini.global[0].value, ini.global[0].from_file),
            ("log-level", "warn", true)
        );
        assert_eq!(text(&ini, "a", "environment"), "TOKEN=hunter2\nB=2");
        assert_eq!((ini.diagnostics, ini.broken), (vec![], vec![]));
    }

    #[test]
    fn a_file_that_cannot_be_taken_is_told_once_with_neither_its_path_nor_its_content() {
        for (text, place, part) in [
            (
                "[global]\nlog-level-file=/hunter2\n",
                "config.ini:2",
                "log-level-file: the file cannot be read",
            ),
            (
                "[global]\nlog-level=info\nlog-level-file=/run/secrets/level\n",
                "config.ini:3",
                "use one of them",
            ),
            (
                "[global]\nlog-level-file=/run/secrets/level\nlog-level=info\nlog-level=warn\n",
                "config.ini:3",
                "use one",
            ),
            ("[global]\nconfig-file=/hunter2\n", "config.ini:2", "cannot stand in it"),
            (
                "[job-local \"a\"]\nenvironment-file=/hunter2\n",
                "config.ini:2",
                "environment-file: the file cannot",
            ),
            (
                "[job-local \"a\"]\nenvironment-file=/run/secrets/env\nenvironment=hunter2\nenvironment=B=1\n",
                "config.ini:3",
                "use one",
            ),
            (
                "[job-local \"a\"]\nenvironment=A=1\nenvironment-file=/run/secrets/env\n",
                "config.ini:3",
                "use one",
            ),
            ("[job-local \"a\"]\nschedule-file=/hunter2\n", "config.ini:2", "unknown parameter"),
        ] {
            let ini = read(text);
            let told: Vec<_> = ini.broken.iter().chain(&ini.diagnostics).collect();
            let [it] = told[..] else { panic!("{text}: {told:?}") };
            assert_eq!(it.origin.to_string(), place);
            assert!(it.reason.contains(part) && !it.reason.contains("hunter2"), "{it:?}");
        }
    }

    #[test]
    fn defaults_are_taken_for_every_kind_that_has_them() {
        let ini = read("[job-defaults]\ntimeout=5m\nimage=x\nbanana=1\n[job-defaults-exec]\nuser=www\n");
        assert!(ini.defaults.get("timeout").is_some() && ini.defaults.get("image").is_some());
        assert!(ini.kind_defaults[&JobKind::Exec].get("user").is_some());
        assert_eq!(ini.diagnostics.len(), 1);
    }
}
