//! `[token "name"]` and `[user "name"]`: who may ask the agent over the network.

use crate::{
    model::{
        diagnostic::{Diagnostic, did_you_mean},
        origin::Origin,
    },
    settings::params,
};

use super::{Ini, Reader, section::Section, substitute::substitute};

/// How someone shows who he is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallerSort {
    /// By a token.
    Token,
    /// By a password.
    User,
}

impl CallerSort {
    /// The word of its section.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::User => "user",
        }
    }

    /// The keys of its section, the secret one first.
    fn keys(self) -> [&'static str; 2] {
        match self {
            Self::Token => ["token", "role"],
            Self::User => ["password-hash", "role"],
        }
    }
}

/// A section as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawCaller {
    /// How he shows who he is.
    pub sort: CallerSort,
    /// His name.
    pub name: String,
    /// The section's line.
    pub origin: Origin,
    /// What it holds, by the keys that it has.
    pub values: Vec<RawCallerValue>,
}

/// One value of such a section.
#[derive(Clone, PartialEq, Eq)]
pub struct RawCallerValue {
    /// Its key.
    pub key: &'static str,
    /// Its text, which may be a secret.
    pub value: String,
    /// The place.
    pub origin: Origin,
}

impl std::fmt::Debug for RawCallerValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RawCallerValue").field("key", &self.key).finish_non_exhaustive()
    }
}

impl Reader<'_> {
    /// A section of this sort begins.
    pub(super) fn caller(&mut self, sort: CallerSort, name: String, origin: &Origin) {
        let same = |it: &&RawCaller| it.sort == sort && it.name == name;
        if let Some(before) = self.ini.callers.iter().find(same) {
            let reason = format!("[{} \"{name}\"] is also at {}", sort.as_str(), before.origin);
            self.ini.broken.push(Diagnostic::error(origin.clone(), reason));
            return;
        }
        let caller = RawCaller { sort, name: name.clone(), origin: origin.clone(), values: Vec::new() };
        self.ini.callers.push(caller);
        self.section = Section::Caller(sort, name);
    }

    /// A line of it.
    pub(super) fn caller_value(
        &mut self,
        sort: CallerSort,
        key: &str,
        value: &str,
        origin: &Origin,
    ) -> Result<(), String> {
        let [secret, other] = sort.keys();
        let spelt = params::spelling(key);
        let from_file = spelt.strip_suffix("-file") == Some(secret);
        let known = if from_file { secret } else { spelt.as_str() };
        let Some(known) = [secret, other].into_iter().find(|it| *it == known) else {
            let file = format!("{secret}-file");
            let near = did_you_mean(&spelt, [secret, other, &file]);
            let near = near.unwrap_or_else(|| format!("it has {secret}, {file} and {other}"));
            return Err(format!("[{}] has no \"{spelt}\": {near}", sort.as_str()));
        };
        let value = substitute(value, self.outside.variable)?;
        let value = if from_file {
            (self.outside.file)(&value).map_err(|reason| format!("{key}: {reason}"))?
        } else {
            value
        };
        let Some(caller) = self.ini.callers.last_mut() else { return Ok(()) };
        if let Some(before) = caller.values.iter().find(|it| it.key == known) {
            return Err(format!("\"{known}\" is given at {} too: use one of them", before.origin));
        }
        caller.values.push(RawCallerValue { key: known, value, origin: origin.clone() });
        Ok(())
    }
}

impl Ini {
    /// Takes in one of a later file, in the place of one of an earlier file.
    pub(super) fn let_in(&mut self, later: RawCaller) {
        let same = |it: &&mut RawCaller| it.sort == later.sort && it.name == later.name;
        match self.callers.iter_mut().find(same) {
            Some(before) => {
                let reason = format!("it is in force instead of the section at {}", before.origin);
                self.diagnostics.push(Diagnostic::warning(later.origin.clone(), reason));
                *before = later;
            }
            None => self.callers.push(later),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Outside, read};
    use super::*;

    fn ini(text: &str) -> Ini {
        let file = |path: &str| {
            if path == "/run/secrets/it" {
                Ok("hunter2".to_owned())
            } else {
                Err("it cannot be read".to_owned())
            }
        };
        read("config.ini", text, Outside { variable: &|_| None, file: &file })
    }

    #[test]
    fn a_section_has_its_name_its_values_and_their_lines() {
        let ini = ini("[Token \"ci\"]\ntoken_file = /run/secrets/it\nROLE = viewer\n[token b]\ntoken=x\n");
        assert_eq!((ini.broken, ini.diagnostics), (vec![], vec![]));
        let [first, second] = &ini.callers[..] else { panic!("{:?}", ini.callers) };
        let values: Vec<_> =
            first.values.iter().map(|it| (it.key, &*it.value, it.origin.to_string())).collect();
        assert_eq!(
            values,
            [("token", "hunter2", "config.ini:2".to_owned()), ("role", "viewer", "config.ini:3".to_owned())]
        );
        assert_eq!((&*first.name, &*second.name), ("ci", "b"));
        assert!(!format!("{first:?}").contains("hunter2"));
    }

    #[test]
    fn what_is_wrong_with_a_section_keeps_the_agent_from_starting_and_repeats_no_secret() {
        for (text, place, part) in [
            ("[token]\n", "config.ini:1", "needs the token's name"),
            ("[token \"a b\"]\n", "config.ini:1", "the token's name \"a b\""),
            ("[token \"a\"]\n[token \"a\"]\ntoken=hunter2", "config.ini:2", "is also at config.ini:1"),
            ("[token \"a\"]\ntokn=hunter2", "config.ini:2", "did you mean \"token\"?"),
            ("[token \"a\"]\npassword=hunter2", "config.ini:2", "it has token, token-file and role"),
            (
                "[token \"a\"]\ntoken=hunter2\ntoken-file=/run/secrets/it",
                "config.ini:3",
                "given at config.ini:2",
            ),
            ("[token \"a\"]\ntoken-file=/hunter2", "config.ini:2", "it cannot be read"),
            ("[tokn \"a\"]\n", "config.ini:1", "did you mean \"token\"?"),
        ] {
            let ini = ini(text);
            let [it] = &ini.broken[..] else { panic!("{text}: {:?}", ini.broken) };
            assert_eq!(it.origin.to_string(), place, "{text}");
            assert!(it.reason.contains(part) && !it.reason.contains("hunter2"), "{text}: {}", it.reason);
        }
    }

    #[test]
    fn a_later_file_takes_the_place_of_an_earlier_one_and_says_so() {
        let mut first = ini("[token \"a\"]\ntoken=x\n");
        first.over(ini("[token \"a\"]\ntoken=y\n[token \"b\"]\ntoken=z\n"));
        let tokens: Vec<_> = first.callers.iter().map(|it| &*it.values[0].value).collect();
        assert_eq!((tokens, first.diagnostics.len()), (vec!["y", "z"], 1));
    }
}
