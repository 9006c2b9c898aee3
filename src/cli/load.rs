//! Reads the sources that are files, flags and environment. The only place that reads configuration files.

use std::{cell::RefCell, io};

use crate::{
    model::{
        diagnostic::{Diagnostic, Severity},
        name::environment_name,
        origin::Origin,
    },
    settings::{
        env,
        global::{self, Settings},
        ini::{self, Ini, Outside, RawSetting},
        resolve::Sources,
    },
};

use super::{
    Environment,
    args::SettingFlags,
    files::{self, SourceFile, Trouble},
};

/// The file that is read where none is named.
const DEFAULT_FILE: &str = "/etc/watchbell/config.ini";

/// The sources, and what is wrong with them apart from single jobs.
#[derive(Debug)]
pub struct Loaded {
    /// The sources.
    pub sources: Sources,
    /// What is wrong with files and settings.
    pub diagnostics: Vec<Diagnostic>,
    /// Every file that was looked at, in order, those that are missing included: as long as it is equal to what
    /// loading again finds, no file has changed.
    pub files: Vec<SourceFile>,
}

impl Loaded {
    /// Whether an agent must not start with this: a file that cannot be read is never taken for an empty one.
    pub fn is_broken(&self) -> bool {
        self.diagnostics.iter().any(|it| it.severity == Severity::Error)
    }
}

/// Reads everything that `flags` and `environment` name.
pub fn load(flags: &SettingFlags, environment: &Environment) -> Loaded {
    let variable = |name: &str| environment.get(name).cloned();
    let seen = RefCell::new(Vec::new());
    let secret = |path: &str| {
        let contents = files::secret_contents(path);
        seen.borrow_mut().push(SourceFile::new(path, &contents));
        files::secret(contents)
    };
    let outside = Outside { variable: &variable, file: &secret };
    let mut diagnostics = Vec::new();
    let mut file = Ini::default();
    for (path, origin) in paths(flags, environment, &mut diagnostics) {
        let contents = files::contents(&path);
        seen.borrow_mut().push(SourceFile::new(&path, &contents));
        match contents {
            Ok(bytes) => file.over(ini::read(&path, &bytes, outside)),
            Err(error) if error.kind() == io::ErrorKind::NotFound && origin == Origin::Default => {}
            Err(error) => {
                diagnostics.push(Diagnostic::error(origin, format!("{path} cannot be read: {error}")));
            }
        }
    }
    let ours = settings_of(environment, outside, &mut diagnostics);
    let mut overrides = Vec::new();
    for (number, set) in (1..).zip(&flags.set) {
        match env::parse_set(set) {
            Ok(it) => overrides.push(it),
            Err(reason) => {
                // What has no name may be a secret that lost its own: it is told by its place only.
                let origin = Origin::Flag(format!("--set (number {number})").into());
                diagnostics.push(Diagnostic::error(origin, reason));
            }
        }
    }
    overrides.extend(env::from_environment(
        environment.iter().map(|(name, value)| (name.as_str(), value.as_str())),
    ));
    let (settings, found): (Settings, _) = global::settle(&file.global, &flags.settings(), &ours, &variable);
    diagnostics.extend(file.broken.iter().cloned());
    diagnostics.extend(found);
    Loaded { sources: Sources { settings, file, overrides }, diagnostics, files: seen.into_inner() }
}

/// `WATCHBELL_<SETTING>` and `WATCHBELL_<SETTING>_FILE`, but for jobs' parameters and the file's place.
fn settings_of(
    environment: &Environment,
    outside: Outside<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<RawSetting> {
    let mut settings = Vec::new();
    for (name, value) in environment {
        let origin = Origin::Environment(name.as_str().into());
        let Some(key) = name.strip_prefix(env::PREFIX) else {
            diagnostics.extend(env::near_miss(name));
            continue;
        };
        if key.starts_with(env::JOB) || key == "CONFIG" {
            continue;
        }
        match setting(key, value, environment, outside) {
            Ok(it) => settings.push(RawSetting { origin, ..it }),
            Err(reason) => diagnostics.push(Diagnostic::error(origin, reason)),
        }
    }
    settings
}

fn setting(
    key: &str,
    value: &str,
    environment: &Environment,
    outside: Outside<'_>,
) -> Result<RawSetting, String> {
    env::check_text(value)?;
    let Some(setting) = global::file_key(key) else {
        return Ok(RawSetting::new(key, value, Origin::Default));
    };
    if !setting.in_file {
        return Err(format!("the paths are never read from a file: write them in {}CONFIG", env::PREFIX));
    }
    let plain = format!("{}{}", env::PREFIX, environment_name(setting.name));
    if environment.contains_key(&plain) {
        return Err(format!("it is set together with {plain}: use one of them"));
    }
    let value = (outside.file)(value)?;
    Ok(RawSetting { from_file: true, ..RawSetting::new(setting.name, value, Origin::Default) })
}

/// The files to read, in order, and who named them.
fn paths(
    flags: &SettingFlags,
    environment: &Environment,
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<(String, Origin)> {
    let (named, origin): (Vec<String>, _) = match environment.get("WATCHBELL_CONFIG") {
        Some(text) => (
            text.lines().map(str::trim).filter(|it| !it.is_empty()).map(str::to_owned).collect(),
            Origin::Environment("WATCHBELL_CONFIG".into()),
        ),
        None if !flags.config.is_empty() => (flags.config.clone(), Origin::Flag("--config".into())),
        None => return vec![(DEFAULT_FILE.to_owned(), Origin::Default)],
    };
    if named.iter().all(String::is_empty) {
        diagnostics.push(Diagnostic::error(
            origin,
            format!("it names no file: write a path, or leave it out for {DEFAULT_FILE}"),
        ));
        return Vec::new();
    }
    let found = named.into_iter().map(|path| (files::look(&path), path)).map(|(found, path)| (path, found));
    let (paths, troubles) = files::arrange(found.collect(), files::identity);
    diagnostics.extend(troubles.into_iter().map(|trouble| match trouble {
        Trouble::Wrong(reason) => Diagnostic::error(origin.clone(), reason),
        Trouble::Empty(reason) => Diagnostic::warning(origin.clone(), reason),
    }));
    paths.into_iter().map(|path| (path, origin.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::name::JobId;

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

        fn load(&self, variables: &[(&str, &str)]) -> Loaded {
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
}
