//! What a job of kind `container` does, each value with its type.

use crate::model::action::{Action, ActionSpec};

use super::{
    layer::JobLayer,
    settle::{DEFAULT_GRACE_PERIOD, Settle, choice},
    value,
};

/// The signals by their names, without the `SIG` that they may begin with.
const SIGNALS: [&str; 32] = [
    "ABRT", "ALRM", "BUS", "CHLD", "CONT", "FPE", "HUP", "ILL", "INT", "IO", "KILL", "PIPE", "POLL", "PROF",
    "PWR", "QUIT", "SEGV", "STKFLT", "STOP", "SYS", "TERM", "TRAP", "TSTP", "TTIN", "TTOU", "URG", "USR1",
    "USR2", "VTALRM", "WINCH", "XCPU", "XFSZ",
];

/// The last of them by number.
const LAST: u8 = 64;

impl Settle<'_> {
    /// What is done to which container; `None` if that cannot be told, which a diagnostic then says.
    pub(super) fn action(&mut self, layer: &JobLayer) -> Option<ActionSpec> {
        let container = self.text(layer, "container");
        if container.is_none() && self.home.is_none() {
            self.required::<()>(layer, "container", None);
        }
        let action = self.read(layer, "action", |text| choice(&value::single(text)?, Action::NAMES));
        let signal = self.read(layer, "signal", |text| signal(&value::single(text)?));
        let grace = self.read(layer, "grace-period", |text| value::duration(&value::single(text)?));
        let action = self.required(layer, "action", action.map(|(action, _)| action))?;
        if let Some((_, origin)) = signal.as_ref().filter(|_| !action.takes_signal()) {
            let reason = format!("it has no effect: {} sends none: remove it", action.as_str());
            self.warn(origin.clone(), "signal", &reason);
        }
        if container.is_none() && self.home.is_none() {
            return None;
        }
        Some(ActionSpec {
            container,
            action,
            signal: signal.map(|(signal, _)| signal).filter(|_| action.takes_signal()),
            // Where a default of the file is wrong, that is told elsewhere.
            grace: layer.get("grace-period").map(|_| grace.map_or(DEFAULT_GRACE_PERIOD, |(grace, _)| grace)),
        })
    }
}

/// A signal by name, in any letter case and with `SIG` or without, or by number.
pub(super) fn signal(text: &str) -> Result<String, String> {
    let name = text.trim().to_ascii_uppercase();
    let name = name.strip_prefix("SIG").unwrap_or(&name);
    let real_time = name.strip_prefix("RTMIN+").or_else(|| name.strip_prefix("RTMAX-"));
    let known = SIGNALS.contains(&name)
        || name.parse::<u8>().is_ok_and(|number| (1..=LAST).contains(&number))
        || matches!(name, "RTMIN" | "RTMAX")
        || real_time.is_some_and(|it| it.parse::<u8>().is_ok_and(|it| it < 31));
    if known {
        return Ok(name.to_owned());
    }
    Err(format!("\"{text}\" is no signal: write its name, such as HUP or USR1, or its number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_is_a_name_with_or_without_sig_or_a_number() {
        for (text, read) in
            [("HUP", "HUP"), ("sigusr1", "USR1"), (" SIGTERM ", "TERM"), ("9", "9"), ("RTMIN+3", "RTMIN+3")]
        {
            assert_eq!(signal(text).as_deref(), Ok(read), "{text}");
        }
        for text in ["", "0", "65", "HUPP", "-9", "SIG", "RTMIN+99"] {
            assert!(signal(text).is_err(), "{text}");
        }
    }
}
