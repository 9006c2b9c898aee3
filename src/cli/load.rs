//! Reads the sources that are files, flags and environment. The only place that reads configuration files.

use std::{
    cell::RefCell,
    io,
    os::unix::fs::{MetadataExt, PermissionsExt},
    sync::Arc,
};

use crate::{
    model::{
        compose::{ComposeFinder, ComposePlaces},
        diagnostic::Diagnostic,
        name::environment_name,
        origin::Origin,
    },
    settings::{
        channels::{self, SecretFiles},
        dialect::{self, Dialect},
        env,
        global::{self, layers::Upper},
        ini::{Ini, Outside, RawSetting},
        resolve::{ComposeThere, Sources},
    },
    telemetry::otlp,
    watch::file::{Reader, Reading, SourceFile},
};

use super::{
    Environment,
    args::SettingFlags,
    contexts,
    files::{self, Found, Trouble},
    mounts,
};

/// The file that is read where none is named.
const DEFAULT_FILE: &str = "/etc/watchbell/config.ini";

/// What tells our commands which agent to ask is none of its settings.
const CLIENTS: [&str; 2] = ["URL", "TOKEN"];

/// How everything that `flags` and `environment` name is read, now and whenever a file has changed.
pub fn reader(flags: SettingFlags, environment: Environment) -> Reader {
    let (named, known) = (flags.clone(), environment.clone());
    let (finder, places) = (compose(&environment), compose_places(&environment));
    Reader {
        read: Arc::new(move || {
            let mut reading = load(&flags, &environment);
            reading.sources.compose =
                if finder.find().is_some() { ComposeThere::Yes } else { ComposeThere::No };
            reading
        }),
        paths: Arc::new(move || {
            let paths = paths(&named, &known, &mut Vec::new()).into_iter();
            let paths = paths.map(|(path, _)| dialect::split_path(&path).1.to_owned());
            let programs = places.all().map(|path| path.to_string_lossy().into_owned());
            paths.chain(programs).collect()
        }),
    }
}

/// Finds Compose where this environment has programs and plugins.
pub fn compose(environment: &Environment) -> ComposeFinder {
    let places = compose_places(environment);
    ComposeFinder::new(move || {
        places.find(|path| {
            std::fs::metadata(path).is_ok_and(|it| it.is_file() && it.permissions().mode() & 0o111 != 0)
        })
    })
}

fn compose_places(environment: &Environment) -> ComposePlaces {
    let path = environment.get("PATH").map(String::as_str);
    ComposePlaces::new(path, contexts::docker_folder(environment).as_deref())
}

/// Reads everything that `flags` and `environment` name.
pub fn load(flags: &SettingFlags, environment: &Environment) -> Reading {
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
    let usual = dialect::of_files(&dialects(flags, environment));
    for (path, origin) in paths(flags, environment, &mut diagnostics) {
        let (named, path) = dialect::split_path(&path);
        let contents = files::contents(path);
        let optional = origin == Origin::Default;
        seen.borrow_mut().push(SourceFile { optional, ..SourceFile::new(path, &contents) });
        diagnostics.extend(replaced(path));
        match contents {
            Ok(bytes) => file.over(dialect::read_ini(named.unwrap_or(usual), path, &bytes, outside)),
            Err(error) if error.kind() == io::ErrorKind::NotFound && origin == Origin::Default => {}
            Err(error) => {
                diagnostics.push(Diagnostic::error(origin, format!("{path} cannot be read: {error}")));
            }
        }
    }
    diagnostics.extend(otlp::read(environment).1);
    let mut ours = settings_of(environment, outside, &mut diagnostics);
    let channels = channels_of(environment, outside, &mut diagnostics);
    // Its value is used up here; that it was written is for those who ask where settings come from.
    ours.extend(
        named(flags, environment).map(|(paths, origin)| RawSetting::new("config", paths.join("\n"), origin)),
    );
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
    let mut sources = Sources::new(file, Upper::new(flags.settings(), ours, &variable), overrides);
    sources.diagnostics = diagnostics;
    sources.channels = channels;
    sources.files = SecretFiles::new(|path| files::secret(files::secret_contents(path)));
    Reading { diagnostics: sources.mistakes(), sources, files: seen.into_inner() }
}

/// A file that is mounted by itself, and whose place on the host another file has taken meanwhile.
fn replaced(path: &str) -> Option<Diagnostic> {
    let gone = std::fs::metadata(path).is_ok_and(|file| file.is_file() && file.nlink() == 0);
    (gone || mounts::is_moved(path)).then(|| {
        Diagnostic::warning(
            Origin::Place(format!("file {path}").into()),
            "another file has taken its place on the host, and the one that is mounted here is the old one: \
             mount its directory instead of the file, or start the container again",
        )
    })
}

/// Whose labels and files are read, as far as flags and environment say so. What is wrong with it is told with the other
/// settings.
fn dialects(flags: &SettingFlags, environment: &Environment) -> Vec<Dialect> {
    let named = environment.get("WATCHBELL_LABEL_DIALECTS").or(flags.label_dialects.as_ref());
    named.and_then(|text| Dialect::list(text).ok()).unwrap_or_else(|| vec![Dialect::Watchbell])
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
        if key.starts_with(env::JOB) || of_channel(key).is_some() || key == "CONFIG" || CLIENTS.contains(&key)
        {
            continue;
        }
        match setting(key, value, environment, outside) {
            Ok(it) => settings.push(RawSetting { origin, ..it }),
            Err(reason) => diagnostics.push(Diagnostic::error(origin, reason)),
        }
    }
    settings
}

/// What stands behind the prefix in the name of a channel's variable; some settings begin alike.
fn of_channel(key: &str) -> Option<&str> {
    let is_setting = global::find(key).is_some() || global::file_key(key).is_some();
    key.strip_prefix(channels::PREFIX).filter(|_| !is_setting)
}

/// `WATCHBELL_NOTIFY_<NAME>_<KEY>` and `…_FILE`.
fn channels_of(
    environment: &Environment,
    outside: Outside<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<channels::Variable> {
    let is_set = |name: &str| environment.contains_key(name);
    let mut read = Vec::new();
    for (name, value) in environment {
        let Some(joined) = name.strip_prefix(env::PREFIX).and_then(of_channel) else { continue };
        let (it, reason) = channels::variable(name, joined, value, outside.file, &is_set);
        diagnostics.extend(reason.map(|reason| Diagnostic::error(it.origin.clone(), reason)));
        read.push(it);
    }
    read
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

/// What someone named as files to read, and where; `None` leaves it at the default file.
fn named(flags: &SettingFlags, environment: &Environment) -> Option<(Vec<String>, Origin)> {
    match environment.get("WATCHBELL_CONFIG") {
        Some(text) => Some((
            text.lines().map(str::trim).filter(|it| !it.is_empty()).map(str::to_owned).collect(),
            Origin::Environment("WATCHBELL_CONFIG".into()),
        )),
        None if !flags.config.is_empty() => Some((flags.config.clone(), Origin::Flag("--config".into()))),
        None => None,
    }
}

/// The files to read, in order, and who named them.
fn paths(
    flags: &SettingFlags,
    environment: &Environment,
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<(String, Origin)> {
    let Some((named, origin)) = named(flags, environment) else {
        return vec![(DEFAULT_FILE.to_owned(), Origin::Default)];
    };
    if named.iter().all(String::is_empty) {
        diagnostics.push(Diagnostic::error(
            origin,
            format!("it names no file: write a path, or leave it out for {DEFAULT_FILE}"),
        ));
        return Vec::new();
    }
    let found = named.into_iter().map(|path| (look(&path), path)).map(|(found, path)| (path, found));
    let same = |path: &str| files::identity(dialect::split_path(path).1);
    let (paths, troubles) = files::arrange(found.collect(), same);
    diagnostics.extend(troubles.into_iter().map(|trouble| match trouble {
        Trouble::Wrong(reason) => Diagnostic::error(origin.clone(), reason),
        Trouble::Empty(reason) => Diagnostic::warning(origin.clone(), reason),
    }));
    paths.into_iter().map(|path| (path, origin.clone())).collect()
}

/// What stands where an argument points; the dialect before a path is before all that it stands for.
fn look(argument: &str) -> Found {
    let bare = dialect::split_path(argument).1;
    let prefix = &argument[..argument.len() - bare.len()];
    let with = |paths: Vec<String>| paths.into_iter().map(|path| format!("{prefix}{path}")).collect();
    match files::look(bare) {
        Found::Directory(paths) => Found::Directory(with(paths)),
        Found::Matches(paths) => Found::Matches(with(paths)),
        found @ (Found::File | Found::Unreadable(_)) => found,
    }
}

#[cfg(test)]
mod tests;
