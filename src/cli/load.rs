//! Reads the sources that are files, flags and environment. The only place that reads configuration files.

use std::{io, path::Path};

use crate::{
    model::{
        diagnostic::{Diagnostic, Severity},
        origin::Origin,
    },
    settings::{
        dialect::{self, Dialect},
        env,
        global::{self, Settings},
        ini::{Ini, RawSetting},
        resolve::Sources,
    },
};

use super::{Environment, args::SettingFlags};

/// The file that is read where none is named.
const DEFAULT_FILE: &str = "/etc/watchbell/config.ini";

/// The sources, and what is wrong with them apart from single jobs.
#[derive(Debug)]
pub struct Loaded {
    /// The sources.
    pub sources: Sources,
    /// What is wrong with files and settings.
    pub diagnostics: Vec<Diagnostic>,
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
    let mut diagnostics = Vec::new();
    let mut file = Ini::default();
    let usual = dialect::of_files(&dialects(flags, environment));
    for (path, origin) in paths(flags, environment, &mut diagnostics) {
        let (named, path) = dialect::split_path(&path);
        match std::fs::read(path) {
            Ok(bytes) => match String::from_utf8(bytes) {
                Ok(text) => file.over(dialect::read_ini(named.unwrap_or(usual), path, &text, &variable)),
                Err(error) => {
                    let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
                    let line = u32::try_from(good.split(|b| *b == b'\n').count()).unwrap_or(u32::MAX);
                    let origin = Origin::File { path: path.into(), line };
                    diagnostics
                        .push(Diagnostic::error(origin, "the line is not UTF-8: save the file as UTF-8"));
                }
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound && origin == Origin::Default => {}
            Err(error) => {
                diagnostics.push(Diagnostic::error(origin, format!("{path} cannot be read: {error}")));
            }
        }
    }
    let ours = settings_of(environment);
    let mut overrides = Vec::new();
    for set in &flags.set {
        match env::parse_set(set) {
            Ok(it) => overrides.push(it),
            Err(reason) => diagnostics.push(Diagnostic::error(Origin::Flag("--set".into()), reason)),
        }
    }
    overrides.extend(env::from_environment(
        environment.iter().map(|(name, value)| (name.as_str(), value.as_str())),
    ));
    let (settings, found): (Settings, _) = global::settle(&file.global, &flags.settings(), &ours, &variable);
    diagnostics.extend(file.broken.iter().cloned());
    diagnostics.extend(found);
    Loaded { sources: Sources { settings, file, overrides }, diagnostics }
}

/// Whose labels and files are read, as far as flags and environment say so. What is wrong with it is told with the other
/// settings.
fn dialects(flags: &SettingFlags, environment: &Environment) -> Vec<Dialect> {
    let named = environment.get("WATCHBELL_LABEL_DIALECTS").or(flags.label_dialects.as_ref());
    named.and_then(|text| Dialect::list(text).ok()).unwrap_or_else(|| vec![Dialect::Watchbell])
}

/// `WATCHBELL_<SETTING>`, but for jobs' parameters and the file's place.
fn settings_of(environment: &Environment) -> Vec<RawSetting> {
    environment
        .iter()
        .filter_map(|(name, value)| {
            let key = name.strip_prefix(env::PREFIX)?;
            (!key.starts_with("JOB_") && key != "CONFIG").then(|| RawSetting {
                key: key.to_owned(),
                value: value.clone(),
                origin: Origin::Environment(name.as_str().into()),
            })
        })
        .collect()
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
    let mut files = Vec::new();
    for path in named {
        let bare = dialect::split_path(&path).1;
        let prefix = &path[..path.len() - bare.len()];
        if !Path::new(bare).is_dir() {
            files.push((path, origin.clone()));
            continue;
        }
        match std::fs::read_dir(bare) {
            Ok(entries) => {
                let mut inside: Vec<String> = entries
                    .filter_map(|entry| entry.ok()?.path().to_str().map(str::to_owned))
                    .filter(|path| Path::new(path).extension().is_some_and(|it| it == "ini"))
                    .collect();
                inside.sort();
                files.extend(inside.into_iter().map(|path| (format!("{prefix}{path}"), origin.clone())));
            }
            Err(error) => {
                diagnostics
                    .push(Diagnostic::error(origin.clone(), format!("{path} cannot be read: {error}")));
            }
        }
    }
    files
}
