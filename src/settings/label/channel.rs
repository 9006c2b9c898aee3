//! `watchbell.notify.<name>.<key>`: channels, on the agent's own container.

use crate::{
    model::{diagnostic::Diagnostic, origin::Origin},
    settings::{
        channels::{
            From, RawChannel, RawValue, check_channel,
            table::{CHANNEL_PARAMS, file_key, named},
        },
        ini,
        layer::{Text, Written},
    },
};

use super::{PREFIX, Reader, number};

/// What stands behind the prefix.
pub(super) const HEAD: &str = "notify";

impl Reader<'_> {
    /// A label whose parts behind `watchbell.notify` are these.
    pub(super) fn channel(&mut self, key: &str, parts: &[&str], text: &str) {
        let form = format!("{PREFIX}.{HEAD}.<name>.<key>");
        if !self.own {
            // What is wrong with all labels of a channel is told once.
            if self.told.insert(format!("{HEAD}.{}", parts[0])) {
                let reason = format!(
                    "a channel is never taken from another container's label: write [notify \"name\"] in the file, the \
                     variable, or {form} on the agent's own container; jobs can name it here"
                );
                self.error(key, reason);
            }
            return;
        }
        let (name, of, index) = match *parts {
            [name, of] => (name, of, None),
            [name, of, index] => (name, of, Some(index)),
            _ => return self.error(key, format!("a channel's label is {form}")),
        };
        if let Err(reason) = check_channel(name) {
            return self.error(key, reason);
        }
        let origin = self.origin(key);
        if let Err(reason) = self.channel_value(name, of, index, text, &origin) {
            self.error(key, reason);
            if let Some(channel) = self.out.channels.iter_mut().find(|it| *it.name == *name) {
                channel.spoiled = true;
            }
        }
    }

    fn channel_value(
        &mut self,
        name: &str,
        of: &str,
        index: Option<&str>,
        text: &str,
        origin: &Origin,
    ) -> Result<(), String> {
        let at = self.out.channels.iter().position(|it| *it.name == *name).unwrap_or_else(|| {
            self.out.channels.push(RawChannel::new(name, origin.clone()));
            self.out.channels.len() - 1
        });
        let channel = &mut self.out.channels[at];
        let (known, from) = match (named(of), file_key(of)) {
            (Some(known), _) => (known, From::Here),
            (None, Some(known)) => (known, From::Path),
            (None, None) => return Err(ini::channel::unknown(of)),
        };
        let Some(index) = index else {
            if let Some(before) = channel.get(known) {
                return Err(format!(
                    "\"{known}\" is also given at {}: use one of them",
                    before.written.origin
                ));
            }
            let written = Written::new(Text::One(text.into()), origin.clone());
            channel.values.push(RawValue { key: known, written, from });
            return Ok(());
        };
        let is_list = CHANNEL_PARAMS.iter().any(|it| it.name == known && it.shape.is_list());
        let Some(number) = number(index).filter(|_| is_list && from == From::Here) else {
            return Err(format!(
                "\"{known}\" takes no \"{index}\" behind it: write {PREFIX}.{HEAD}.{name}.{known}"
            ));
        };
        let items = self.channel_lists.entry((channel.name.clone(), known)).or_default();
        match items.insert(number, (text.into(), origin.clone())) {
            Some((_, before)) => Err(format!("the same index is also given at {before}")),
            None => Ok(()),
        }
    }

    /// Puts the items of lists together.
    pub(super) fn finish_channels(&mut self) {
        for ((name, key), items) in std::mem::take(&mut self.channel_lists) {
            let Some(channel) = self.out.channels.iter_mut().find(|it| it.name == name) else { continue };
            if let Some(whole) = channel.get(key) {
                let reason =
                    format!("\"{key}\" is given both as a whole and with indexes: use one of the two");
                self.out.diagnostics.push(Diagnostic::error(whole.written.origin.clone(), reason));
                channel.spoiled = true;
                continue;
            }
            let mut items = items.into_values();
            let Some((first, origin)) = items.next() else { continue };
            let mut written = Written::new(Text::Items(vec![first]), origin);
            for (item, origin) in items {
                written.push(item, origin);
            }
            channel.values.push(RawValue { key, written, from: From::Here });
        }
    }
}
