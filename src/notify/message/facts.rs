//! What is known, as a table for those services that show one.

use jiff::tz::TimeZone;

use crate::model::notification::{Cause, Notification};

use super::{
    show::{duration, line, moment},
    words::{broken_for, outcome},
};

/// The longest value, in characters.
const VALUE_LIMIT: usize = 300;

/// Each with its name, in the order in which they are shown; what is not known is not among them.
pub fn facts(it: &Notification, zone: &TimeZone) -> Vec<(&'static str, String)> {
    let mut facts = Vec::new();
    let mut add = |name, value: Option<String>| {
        facts.extend(
            value.map(|value| line(&value, VALUE_LIMIT)).filter(|it| !it.is_empty()).map(|it| (name, it)),
        );
    };
    let at = |at| moment(at, zone);
    let more = |number: u32| (number > 0).then(|| number.to_string());
    add("job", it.job.as_ref().map(ToString::to_string));
    add("kind", it.kind.map(|kind| kind.to_string()));
    if let Some(run) = &it.run {
        add("outcome", run.outcome.as_deref().map(outcome));
        add("exit code", run.exit_code.map(|code| code.to_string()));
        add("reason", run.reason.as_deref().map(str::to_owned));
        add("due", Some(at(run.occurrence)));
        add("began", run.started.map(at));
        // Of what never began it is when it was decided, which `due` all but says.
        add("ended", run.started.and(run.ended).map(at));
        add("duration", run.duration.map(duration));
        add("usual duration", it.usual.map(duration));
        add("attempts", more(run.attempts));
        add("container", run.container.as_deref().map(str::to_owned));
        add("trigger", Some(run.trigger.to_string()));
        add("further occurrences", more(run.and_more));
    }
    add("failures in a row", more(it.streak.failures));
    add("failing since", it.streak.since.map(at));
    if it.cause == Cause::Recovery {
        add("broken for", broken_for(it).map(duration));
    }
    if let Some(expected) = &it.expected {
        add("success expected every", Some(duration(expected.every)));
        add("last success", expected.last_success.map(at));
    }
    add("run", it.run.as_ref().map(|run| run.run.to_string()));
    facts
}
