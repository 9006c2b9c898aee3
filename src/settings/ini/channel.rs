//! `[notify "name"]`: where someone is told.

use crate::{
    model::{
        diagnostic::{Diagnostic, did_you_mean},
        origin::Origin,
    },
    settings::{
        channels::{
            From, RawChannel, RawValue,
            table::{CHANNEL_PARAMS, file_key, named},
        },
        layer::{Text, Written},
        params,
    },
};

use super::{Ini, Reader, section::Section, substitute::substitute};

impl Reader<'_> {
    /// A section of this sort begins.
    pub(super) fn channel(&mut self, name: &str, origin: &Origin) {
        if let Some(before) = self.ini.channels.iter().find(|it| *it.name == *name) {
            let reason =
                format!("[notify \"{name}\"] is also at {}: put both into one section", before.origin);
            self.ini.broken.push(Diagnostic::error(origin.clone(), reason));
            return;
        }
        self.ini.channels.push(RawChannel::new(name, origin.clone()));
        self.section = Section::Channel;
    }

    /// A line of it could not be taken.
    pub(super) fn spoil_channel(&mut self) {
        if let (Section::Channel, Some(channel)) = (&self.section, self.ini.channels.last_mut()) {
            channel.spoiled = true;
        }
    }

    /// A line of it.
    pub(super) fn channel_value(&mut self, key: &str, value: &str, origin: &Origin) -> Result<(), String> {
        let (known, from) = match (named(key), file_key(key)) {
            (Some(known), _) => (known, From::Here),
            (None, Some(known)) => (known, From::File),
            (None, None) => return Err(unknown(key)),
        };
        let value = substitute(value, self.outside.variable)?;
        let value = match from {
            From::File => (self.outside.file)(&value).map_err(|reason| format!("{key}: {reason}"))?,
            From::Here | From::Path => value,
        };
        let Some(channel) = self.ini.channels.last_mut() else { return Ok(()) };
        add(channel, known, value, from, origin)
    }
}

/// Adds a value; a key that takes several may come again.
fn add(
    channel: &mut RawChannel,
    key: &'static str,
    value: String,
    from: From,
    origin: &Origin,
) -> Result<(), String> {
    let Some(before) = channel.values.iter_mut().find(|it| it.key == key) else {
        let written = Written::new(Text::One(value.into()), origin.clone());
        channel.values.push(RawValue { key, written, from });
        return Ok(());
    };
    let is_list = CHANNEL_PARAMS.iter().any(|it| it.name == key && it.shape.is_list());
    if !is_list || before.from != from || from != From::Here {
        return Err(format!("\"{key}\" is given at {} too: use one of them", before.written.origin));
    }
    before.written.push(value.into(), origin.clone());
    Ok(())
}

/// Why a key names nothing.
pub(in crate::settings) fn unknown(key: &str) -> String {
    let files: Vec<String> =
        CHANNEL_PARAMS.iter().filter(|it| it.secret).map(|it| format!("{}-file", it.name)).collect();
    let known = CHANNEL_PARAMS.iter().map(|it| it.name).chain(files.iter().map(String::as_str));
    let spelt = params::spelling(key);
    if let Some(stem) = spelt.strip_suffix("-file").filter(|stem| named(stem).is_some()) {
        return format!("\"{stem}\" is no secret and is not read from a file: write {stem} itself");
    }
    let hint = did_you_mean(&spelt, known)
        .unwrap_or_else(|| "labels-spec.md lists all keys under Notifications".to_owned());
    format!("a channel has no \"{spelt}\": {hint}")
}

impl Ini {
    /// Takes in a channel of a later file, in the place of one of an earlier file.
    pub(super) fn let_channel_in(&mut self, later: RawChannel) {
        match self.channels.iter_mut().find(|it| it.name == later.name) {
            Some(before) => {
                let reason = format!("it is in force instead of the section at {}", before.origin);
                self.diagnostics.push(Diagnostic::warning(later.origin.clone(), reason));
                *before = later;
            }
            None => self.channels.push(later),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Outside, read};
    use super::*;

    fn ini(text: &str) -> Ini {
        let file = |path: &str| match path {
            "/run/secrets/it" => Ok("hunter2".to_owned()),
            _ => Err("it cannot be read".to_owned()),
        };
        let variable = |name: &str| (name == "HOOK").then(|| "https://example.org/hunter2".to_owned());
        read("config.ini", text, Outside { variable: &variable, file: &file })
    }

    #[test]
    fn a_section_has_its_name_its_values_and_their_lines_and_shows_none_of_them() {
        let ini = ini(
            "[Notify \"ops\"]\nTYPE = ntfy\nurl = ${HOOK}\nToken_File = /run/secrets/it\nto=a@b\nto=c@d\n",
        );
        assert_eq!((&ini.broken, &ini.diagnostics), (&vec![], &vec![]));
        let [it] = &ini.channels[..] else { panic!("{:?}", ini.channels) };
        let values: Vec<_> =
            it.values.iter().map(|it| (it.key, it.written.origin.to_string(), it.from)).collect();
        assert_eq!(
            values,
            [
                ("type", "config.ini:2".to_owned(), From::Here),
                ("url", "config.ini:3".to_owned(), From::Here),
                ("token", "config.ini:4".to_owned(), From::File),
                ("to", "config.ini:5".to_owned(), From::Here),
            ]
        );
        assert_eq!(it.get("to").unwrap().written.text, Text::Items(vec!["a@b".into(), "c@d".into()]));
        assert!(!format!("{ini:?}").contains("hunter2"));
    }

    #[test]
    fn what_is_wrong_with_a_section_keeps_the_agent_from_starting_and_repeats_no_secret() {
        for (text, place, part) in [
            ("[notify]\n", "config.ini:1", "needs the channel's name"),
            ("[notify \"a b\"]\n", "config.ini:1", "the channel's name \"a b\""),
            ("[notify \"a\"]\n[notify \"a\"]\nurl=hunter2", "config.ini:2", "is also at config.ini:1"),
            ("[notify \"a\"]\nulr=hunter2", "config.ini:2", "did you mean \"url\"?"),
            ("[notify \"a\"]\nurl-fil=hunter2", "config.ini:2", "did you mean \"url-file\"?"),
            ("[notify \"a\"]\nbanana=hunter2", "config.ini:2", "labels-spec.md lists all keys"),
            ("[notify \"a\"]\nurl=hunter2\nurl=x", "config.ini:3", "given at config.ini:2 too"),
            ("[notify \"a\"]\nurl=hunter2\nurl-file=/run/secrets/it", "config.ini:3", "use one of them"),
            ("[notify \"a\"]\nurl-file=/hunter2", "config.ini:2", "url-file: it cannot be read"),
            ("[notify \"a\"]\nurl=${NOWHERE}hunter2", "config.ini:2", "the variable NOWHERE is not set"),
            ("[notfy \"a\"]\n", "config.ini:1", "did you mean \"notify\"?"),
        ] {
            let ini = ini(text);
            let [it] = &ini.broken[..] else { panic!("{text}: {:?}", ini.broken) };
            assert_eq!(it.origin.to_string(), place, "{text}");
            assert!(it.reason.contains(part) && !it.reason.contains("hunter2"), "{text}: {}", it.reason);
        }
    }

    #[test]
    fn a_later_file_takes_the_place_of_an_earlier_one_and_says_so() {
        let mut first = ini("[notify \"a\"]\ntype=slack\nurl=x\n");
        first.over(ini("[notify \"a\"]\ntype=teams\n[notify \"b\"]\ntype=save\n"));
        let counts: Vec<_> = first.channels.iter().map(|it| (&*it.name, it.values.len())).collect();
        assert_eq!((counts, first.diagnostics.len()), (vec![("a", 1), ("b", 1)], 1));
    }
}
