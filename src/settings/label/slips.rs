//! Labels that are nearly ours, and those of what did not opt in.

use crate::model::{
    diagnostic::{Diagnostic, nearest},
    name::JobKind,
};

use super::{
    super::{global, params},
    PREFIX, Reader,
};

impl Reader<'_> {
    /// A prefix that is almost ours is a slip; anything else belongs to someone else and is none of our business.
    pub(super) fn near_miss(&mut self, key: &str, head: &str, rest: &str) {
        // The dot after the prefix may be what slipped.
        let joined = params::spelling(head);
        let meant = match joined.strip_prefix(PREFIX).and_then(|tail| tail.strip_prefix('-')) {
            Some(first) if self.is_ours(first) => {
                let tail = if rest.is_empty() { String::new() } else { format!(".{rest}") };
                format!("{first}{tail}")
            }
            _ => {
                let first = params::spelling(rest.split('.').next().unwrap_or_default());
                if !self.is_ours(&first) || nearest(head, [PREFIX]).is_none() {
                    return;
                }
                rest.to_owned()
            }
        };
        self.out.diagnostics.push(Diagnostic::warning(
            self.origin(key),
            format!(
                "the prefix \"{head}\" is not ours and the label has no effect: did you mean \"{PREFIX}.{meant}\"?"
            ),
        ));
    }

    /// Whether something of ours begins with this part, or nearly so.
    fn is_ours(&self, first: &str) -> bool {
        let jobs = first == "job" || first.starts_with("job-") || JobKind::parse(first).is_some();
        jobs || nearest(first, ["enabled"]).is_some() || (self.own && global::find(first).is_some())
    }

    pub(super) fn not_opted_in(&mut self, ours: &[(&str, &str, &str)]) {
        let first = |rest: &str| params::spelling(rest.split('.').next().unwrap_or_default());
        let slip = ours.iter().find(|(_, rest, _)| nearest(rest, ["enabled"]).is_some());
        let (settings, others): (Vec<&(&str, &str, &str)>, Vec<_>) =
            ours.iter().partition(|(_, rest, _)| global::find(&first(rest)).is_some());
        if let Some((key, ..)) = slip {
            let word = self.on.word();
            let reason =
                format!("unknown label, and the {word} is not opted in: did you mean \"watchbell.enabled\"?");
            self.error(key, reason);
        } else if let Some((key, ..)) = others.first() {
            self.out.diagnostics.push(Diagnostic::warning(
                self.origin(key),
                format!("this {}'s labels have no effect: set watchbell.enabled=true on it", self.on.word()),
            ));
        }
        // That they are none of this container's to say holds in any case.
        for (key, rest, text) in settings {
            self.no_job(key, &first(rest), rest.contains('.'), text);
        }
    }
}
