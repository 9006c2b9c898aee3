//! A key and its value → a setting, or a parameter in a job's layer.

use crate::{
    model::{diagnostic::Diagnostic, name::JobKind, origin::Origin},
    settings::{
        global,
        layer::{JobLayer, Text, Written},
        params::{self, Param},
    },
};

use super::{RawSetting, Reader, section::Section, substitute::substitute};

/// What a key says: what it names, and whether its value is the path of a file that holds the value.
struct Key<T> {
    of: T,
    from_file: bool,
}

impl Reader<'_> {
    pub(super) fn value(&mut self, key: &str, value: &str, origin: Origin) {
        match &self.section {
            // A channel that begins goes on as the last of the channels.
            Section::PassedOver | Section::NewChannel(_) => {}
            Section::Before => {
                let reason = "the line stands before the first section and has no effect: begin with [global] or [job-<kind> \"name\"]";
                self.ini.broken.push(Diagnostic::error(origin, reason));
                self.section = Section::PassedOver;
            }
            Section::Global => {
                // A setting that cannot be read is no default: the agent would do otherwise than was meant.
                if let Err(reason) = self.setting(key, value, &origin) {
                    self.ini.broken.push(Diagnostic::error(origin, reason));
                }
            }
            Section::Caller(sort, _) => {
                if let Err(reason) = self.caller_value(*sort, key, value, &origin) {
                    self.ini.broken.push(Diagnostic::error(origin, reason));
                }
            }
            Section::Channel => {
                if let Err(reason) = self.channel_value(key, value, &origin) {
                    self.ini.broken.push(Diagnostic::error(origin, reason));
                    self.spoil_channel();
                }
            }
            Section::Defaults(_) => {
                if let Err(reason) = self.parameter(key, value, &origin) {
                    self.ini.diagnostics.push(Diagnostic::error(origin, reason));
                }
            }
            Section::Job(id, _) => {
                let id = id.clone();
                if let Err(reason) = self.parameter(key, value, &origin) {
                    self.ini.diagnostics.push(Diagnostic::rejects(&id, origin, reason));
                }
            }
        }
    }

    fn setting(&mut self, key: &str, value: &str, origin: &Origin) -> Result<(), String> {
        let value = substitute(value, self.outside.variable)?;
        let Some(stem) = global::file_key(key) else {
            if let Some(name) = global::find(key).map(|it| it.name) {
                if let Some(before) = self.given_otherwise(name, false) {
                    return self.both_given(name, before);
                }
                self.given.entry((name, false)).or_insert_with(|| origin.clone());
            }
            self.ini.global.push(RawSetting::new(key, value, origin.clone()));
            return Ok(());
        };
        if !stem.in_file {
            return Err(format!(
                "\"{}\" says where the file is and cannot stand in it: use a flag or the environment",
                stem.name
            ));
        }
        if let Some(before) = self.given_otherwise(stem.name, true) {
            return self.both_given(stem.name, before);
        }
        let value = (self.outside.file)(&value).map_err(|reason| format!("{key}: {reason}"))?;
        self.given.entry((stem.name, true)).or_insert_with(|| origin.clone());
        let setting = RawSetting { from_file: true, ..RawSetting::new(stem.name, value, origin.clone()) };
        self.ini.global.push(setting);
        Ok(())
    }

    /// Where this file gives the setting in the other of the two ways.
    fn given_otherwise(&self, name: &str, from_file: bool) -> Option<Origin> {
        let name = global::find(name)?.name;
        self.given.get(&(name, !from_file)).cloned()
    }

    /// One mistake, however many lines it has.
    fn both_given(&mut self, name: &str, before: Origin) -> Result<(), String> {
        let reason =
            format!("\"{name}\" is given at {before} too, and one of the two is a file: use one of them");
        if self.told.insert(before) { Err(reason) } else { Ok(()) }
    }

    fn parameter(&mut self, key: &str, value: &str, origin: &Origin) -> Result<(), String> {
        let kind = match self.section {
            Section::Defaults(kind) => kind,
            Section::Job(_, kind) => Some(kind),
            _ => return Ok(()),
        };
        let Key { of: param, from_file } = parameter(key, kind)?;
        let value = substitute(value, self.outside.variable)?;
        let before = self.layer().and_then(|layer| layer.get(param.name)).map(|it| it.origin.clone());
        if let Some(before) = &before
            && (from_file || self.from_files.contains(before))
        {
            return self.both_given(param.name, before.clone());
        }
        let value = if from_file {
            self.from_files.insert(origin.clone());
            (self.outside.file)(&value).map_err(|reason| format!("{key}: {reason}"))?
        } else {
            value
        };
        let Some(layer) = self.layer() else { return Ok(()) };
        // A single line keeps its text, so that a JSON array or lines can be written in one value.
        if before.is_some() && param.shape.is_list() {
            layer.add_item(param, value.into(), origin.clone());
        } else if let Some(before) = before {
            return Err(format!("the parameter \"{}\" is also given at {before}", param.name));
        } else {
            layer.set(param, Written::new(Text::One(value.into()), origin.clone()));
        }
        Ok(())
    }

    fn layer(&mut self) -> Option<&mut JobLayer> {
        match &self.section {
            Section::Defaults(None) => Some(&mut self.ini.defaults),
            Section::Defaults(Some(kind)) => Some(self.ini.kind_defaults.entry(*kind).or_default()),
            Section::Job(id, _) => self.ini.jobs.get_mut(id).map(|job| &mut job.layer),
            _ => None,
        }
    }
}

/// The parameter that a key names; `None` is a section for jobs of any kind.
fn parameter(key: &str, kind: Option<JobKind>) -> Result<Key<&'static Param>, String> {
    let look_up = |key: &str| match kind {
        Some(kind) => params::look_up(key, kind),
        None => for_any_kind(key),
    };
    if let Some(param) = params::file_key(key) {
        return Ok(Key { of: look_up(param.name)?, from_file: true });
    }
    let of = look_up(key).map_err(|reason| match params::near_file_key(key) {
        Some(near) if params::find(key).is_none() && !reason.contains("did you mean") => {
            format!("unknown parameter \"{key}\": did you mean \"{near}\"?")
        }
        _ => reason,
    })?;
    Ok(Key { of, from_file: false })
}

fn for_any_kind(key: &str) -> Result<&'static Param, String> {
    let results = JobKind::ALL.map(|kind| params::look_up(key, kind));
    let [first, ..] = results.clone();
    results.into_iter().find(Result::is_ok).unwrap_or(first)
}
