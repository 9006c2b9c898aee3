//! What loading says of files that change, come and go.

use super::*;
use crate::model::{diagnostic::Severity, name::JobId};

struct Folder(tempfile::TempDir);

impl Folder {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        for (name, text) in files {
            folder.write(name, text);
        }
        folder
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.at(name), text).unwrap();
    }

    fn at(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    fn load(&self, variables: &[(&str, &str)]) -> Reading {
        let flags = SettingFlags { config: vec![self.at("")], ..SettingFlags::default() };
        let environment =
            variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        load(&flags, &environment)
    }
}

#[test]
fn all_files_of_a_directory_are_one_configuration_the_later_over_the_earlier() {
    let folder = Folder::new(&[
        ("b.ini", "\u{feff}[job-local \"b\"]\ncommand=x\n[job-defaults]\ntimeout=2m\n"),
        ("a.ini", "[job-defaults]\ntimeout=1m\nuser=x\n[global]\nlog-level=warn\n"),
        ("c.txt", "nonsense"),
    ]);
    let loaded = folder.load(&[]);
    assert_eq!(loaded.diagnostics, []);
    let file = &loaded.sources.file;
    assert!(file.jobs.contains_key(&JobId::plain("b")));
    let place = |name: &str| file.defaults.get(name).unwrap().origin.to_string();
    assert!(place("timeout").ends_with("b.ini:4") && place("user").ends_with("a.ini:3"));
    assert_eq!(loaded.sources.settings.log_level, "warn");
}

#[test]
fn a_file_that_changed_came_or_went_is_seen_and_one_that_did_not_is_not() {
    let folder = Folder::new(&[("a.ini", "[job-local \"a\"]\n")]);
    folder.write("secret", "A=1\n");
    let secret = folder.at("secret");
    folder.write("b.ini", &format!("[job-local \"b\"]\nenvironment-file={secret}\n"));
    let mut before = folder.load(&[]).files;
    assert_eq!(
        before.iter().map(|it| &*it.path).collect::<Vec<_>>(),
        [folder.at("a.ini"), folder.at("b.ini"), secret]
    );
    assert_eq!(folder.load(&[]).files, before);
    let changes: [(&str, &dyn Fn()); 4] = [
        ("in place", &|| folder.write("a.ini", "[job-local \"c\"]\n")),
        ("a secret", &|| folder.write("secret", "A=2\n")),
        ("a new one", &|| folder.write("c.ini", "")),
        ("a missing one", &|| std::fs::remove_file(folder.at("secret")).unwrap()),
    ];
    for (what, change) in changes {
        change();
        let after = folder.load(&[]).files;
        assert_ne!(after, before, "{what}");
        before = after;
    }
    assert_eq!(before.iter().filter(|it| it.digest.is_none()).count(), 1, "the secret is not there");
}

#[test]
fn a_setting_out_of_a_file_has_the_precedence_of_the_place_that_names_it() {
    let folder = Folder::new(&[("level", "debug\n"), ("zone", "Europe/Berlin\r\n")]);
    folder.write("a.ini", &format!("[global]\nlog-level=warn\ntimezone-file={}\n", folder.at("zone")));
    let loaded = folder.load(&[("WATCHBELL_LOG_LEVEL_FILE", &folder.at("level"))]);
    assert_eq!(loaded.diagnostics, []);
    assert_eq!(loaded.sources.settings.log_level, "debug");
    assert_eq!(loaded.sources.settings.timezone.name(), "Europe/Berlin");
}

#[test]
fn the_default_file_may_be_missing_and_an_empty_directory_is_a_warning() {
    let folder = Folder::new(&[]);
    let loaded = folder.load(&[]);
    assert!(!loaded.is_broken());
    let [it] = &loaded.diagnostics[..] else { panic!("{:?}", loaded.diagnostics) };
    assert!(it.severity == Severity::Warning && it.reason.contains("holds no *.ini file"));
}
