//! Who is told of a job, and of what: how it is written, and names of channels that there are not.

use std::{sync::Arc, time::Duration};

use crate::model::{
    channel::Channels,
    diagnostic::{Diagnostic, did_you_mean},
    notification::{Cause, Causes, Notify, Over},
    origin::Origin,
};

use super::{
    channels::check_channel,
    check::check,
    global::{Settings, layers},
    label::ContainerLabels,
    layer::{JobLayer, Text},
    param::NOTIFY_AFTER_LIMIT,
    params,
    resolve::{Sources, View},
    settle::Settle,
    value,
};

/// The causes that someone can ask for.
const ASKED: [Cause; 9] = [
    Cause::Failure,
    Cause::Recovery,
    Cause::Timeout,
    Cause::Skip,
    Cause::Missed,
    Cause::Lost,
    Cause::Success,
    Cause::Start,
    Cause::Expect,
];

/// More than this many times the median is no limit that anybody means.
const MEDIAN_LIMIT: u32 = 1000;

impl Settle<'_> {
    /// Who is told of the job.
    pub(super) fn notify(&mut self, layer: &JobLayer) -> Option<Arc<Notify>> {
        let said = self.read(layer, "notify", channels);
        let on = self.read(layer, "notify-on", causes);
        let after =
            self.read(layer, "notify-after", |text| value::number(&value::single(text)?, NOTIFY_AFTER_LIMIT));
        let cooldown = self.read(layer, "cooldown", |text| value::duration(&value::single(text)?));
        let over = self.read(layer, "duration-over", |text| over(&value::single(text)?));
        let every = self.read(layer, "expect-every", |text| every(&value::single(text)?));
        if let Some((names, origin)) = &said {
            self.unknown_channels(names, origin);
        }
        let names = said.map_or_else(|| self.settings.notify.clone(), |(names, _)| names);
        if names.is_empty() {
            self.told_to_nobody(layer);
            return None;
        }
        let usual = Notify::default();
        let notify = Notify {
            channels: names,
            on: on.map(|(on, _)| on).or(self.settings.notify_on),
            after: after.map_or(usual.after, |(after, _)| after.into()),
            cooldown: cooldown.map_or(usual.cooldown, |(cooldown, _)| cooldown),
            duration_over: over.and_then(|(over, _)| over),
            expect_every: every.and_then(|(every, _)| every),
        };
        Some(notify.shared())
    }

    /// What is written for this job and can do nothing, because nobody is told of it.
    fn told_to_nobody(&mut self, layer: &JobLayer) {
        for name in ["notify-on", "notify-after", "cooldown", "duration-over", "expect-every"] {
            let Some(written) = layer.get(name) else { continue };
            // What cannot be read was told of.
            let is_right = params::find(name).is_some_and(|param| check(param, &written.text).is_ok());
            // A default is for the jobs with which it can do something.
            if is_right && !self.is_default(name, &written.origin) {
                let reason = "it has no effect, for nobody is told of the job: name a channel with notify, or remove it";
                self.warn(written.origin.clone(), name, reason);
            }
        }
    }

    fn unknown_channels(&mut self, names: &[Arc<str>], origin: &Origin) {
        // A default is told of once, for all jobs.
        if self.is_default("notify", origin) {
            return;
        }
        let found: Vec<Diagnostic> = unknown(names, origin, self.channels, self.view).collect();
        self.diagnostics.extend(found.into_iter().map(|it| it.about(self.id)));
    }
}

/// The names that the defaults have of channels that there are not: told once, however many jobs take them.
pub(super) fn check_defaults(
    sources: &Sources,
    own: Option<&ContainerLabels>,
    settings: &Settings,
    there: &Channels,
    view: View<'_>,
) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    if settings.notify.iter().any(|name| !there.contains_key(name)) {
        let labels = own.map_or(&[][..], |it| &it.settings);
        let (placed, _) = layers::place(&sources.file.global, labels, &sources.upper);
        let written = placed.iter().find(|it| it.setting.name == "notify").and_then(|it| it.written.last());
        let origin = written.map_or(Origin::Default, |it| it.origin.clone());
        found.extend(unknown(&settings.notify, &origin, there, view));
    }
    let layers = [&sources.file.defaults].into_iter().chain(sources.file.kind_defaults.values());
    for written in layers.filter_map(|layer| layer.get("notify")) {
        if let Ok(names) = channels(&value::bare(&written.text).0) {
            found.extend(unknown(&names, &written.origin, there, view));
        }
    }
    found
}

/// What is to be said of names that no channel has.
fn unknown<'a>(
    names: &'a [Arc<str>],
    origin: &'a Origin,
    there: &'a Channels,
    view: View<'a>,
) -> impl Iterator<Item = Diagnostic> + 'a {
    names.iter().filter(|name| !there.contains_key(*name)).filter_map(move |name| {
        let hint = did_you_mean(name, there.keys().map(|it| &**it));
        match view {
            View::Observed(_) => {
                let mend = hint.unwrap_or_else(|| {
                    let known: Vec<&str> = there.keys().map(|it| &**it).collect();
                    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                    format!("add [notify \"{name}\"], or name one of those that there are ({known})")
                });
                let reason =
                    format!("notify: there is no channel \"{name}\", and nobody is told by it: {mend}");
                Some(Diagnostic::error(origin.clone(), reason))
            }
            // Labels of the agent's own container may have it.
            View::FilesOnly => {
                let mend = hint.unwrap_or_else(|| format!("add [notify \"{name}\"], unless they have it"));
                let reason =
                    format!("notify: no channel \"{name}\" is known without the agent's own labels: {mend}");
                Some(Diagnostic::warning(origin.clone(), reason))
            }
            View::Unknown => None,
        }
    })
}

/// A list of which commas part items as well.
fn words(text: &Text) -> Result<Vec<String>, String> {
    let items = value::list(text)?;
    let words = items.iter().flat_map(|item| item.split(',')).map(str::trim).filter(|it| !it.is_empty());
    Ok(words.map(str::to_owned).collect())
}

/// Reads names of channels: a list, of which commas part items as well; `none` is nobody.
pub(super) fn channels(text: &Text) -> Result<Vec<Arc<str>>, String> {
    let words = words(text)?;
    if let [one] = &words[..]
        && one.eq_ignore_ascii_case("none")
    {
        return Ok(Vec::new());
    }
    if words.is_empty() {
        return Err("there is no name in it: write the name of a channel, or none".to_owned());
    }
    let mut names: Vec<Arc<str>> = Vec::new();
    for word in &words {
        check_channel(word).map_err(|reason| format!("{reason}: write the name of a channel"))?;
        if word.eq_ignore_ascii_case("none") {
            return Err("none stands beside names: write none alone, or the names".to_owned());
        }
        if !names.iter().any(|name| **name == **word) {
            names.push(word.as_str().into());
        }
    }
    Ok(names)
}

/// Reads of what someone is told: a list of words, of which commas part items as well; `none` is nothing.
pub(super) fn causes(text: &Text) -> Result<Causes, String> {
    let words: Vec<String> = words(text)?.iter().map(|word| word.to_ascii_lowercase()).collect();
    let known = || ASKED.into_iter().map(Cause::as_str).chain(["always", "none"]);
    match &words[..] {
        [] => return Err("there is no word in it: write for example failure, recovery; or none".to_owned()),
        [one] if one == "none" => return Ok(Causes::default()),
        words if words.iter().any(|word| word == "none") => {
            return Err("none stands beside other words: write none alone, or the others".to_owned());
        }
        _ => {}
    }
    words.iter().try_fold(Causes::default(), |all, word| {
        if word == "always" {
            return Ok(all.with(Causes::ALWAYS));
        }
        let cause = ASKED.into_iter().find(|it| it.as_str() == word);
        cause.map(|it| all.with(Causes::of(&[it]))).ok_or_else(|| {
            let hint = did_you_mean(word, known()).map(|hint| format!("; {hint}")).unwrap_or_default();
            format!("\"{word}\" is none of {}{hint}", known().collect::<Vec<_>>().join(", "))
        })
    })
}

/// Reads how long is too long: `2x` the median, or a length of time; `none` is however long.
pub(super) fn over(text: &str) -> Result<Option<Over>, String> {
    let text = text.trim();
    if text.eq_ignore_ascii_case("none") {
        return Ok(None);
    }
    let wrong = || format!("\"{text}\" is no measure of a run: write for example 2x, 1.5x, 90s or none");
    let Some(factor) = text.strip_suffix(['x', 'X']) else {
        let length = value::duration(text).map_err(|reason| format!("{reason}, or 2x"))?;
        return if length.is_zero() { Err(wrong()) } else { Ok(Some(Over::Length(length))) };
    };
    let (whole, part) = factor.trim().split_once('.').unwrap_or((factor.trim(), ""));
    let digits = |it: &str| it.bytes().all(|it| it.is_ascii_digit());
    if whole.is_empty() || whole.len() > 4 || part.len() > 2 || !digits(whole) || !digits(part) {
        return Err(wrong());
    }
    let hundredths: u32 = format!("{whole}{part:0<2}").parse().map_err(|_| wrong())?;
    if !(100..=MEDIAN_LIMIT * 100).contains(&hundredths) {
        return Err(format!("\"{text}\" is not from 1x to {MEDIAN_LIMIT}x: write for example 2x"));
    }
    Ok(Some(Over::Median(hundredths)))
}

/// Reads how often there should be a success: `none` is never.
pub(super) fn every(text: &str) -> Result<Option<Duration>, String> {
    if text.trim().eq_ignore_ascii_case("none") {
        return Ok(None);
    }
    match value::duration(text)? {
        length if length < Duration::from_secs(1) => {
            Err(format!("\"{}\" is shorter than 1s: write for example 26h, or none", text.trim()))
        }
        length => Ok(Some(length)),
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::{
        model::{
            container::{Container, ContainerId, ContainerState, Inventory},
            diagnostic::Severity,
            name::JobId,
            swarm::Services,
        },
        settings::{
            global::layers::Upper,
            ini,
            resolve::{Desired, resolve},
        },
    };

    fn one(text: &str) -> Text {
        Text::One(text.into())
    }

    #[test]
    fn lists_are_read_with_commas_and_none_is_nobody_and_nothing() {
        let names = |text| channels(&one(text)).map(|it| it.join(" "));
        assert_eq!(names("ops, mail\nops"), Ok("ops mail".to_owned()));
        assert_eq!(names("[\"ops\"]"), Ok("ops".to_owned()));
        assert_eq!(names("None"), Ok(String::new()));
        for wrong in ["", "a b", "none, ops", "-x"] {
            assert!(names(wrong).is_err(), "{wrong}");
        }
        let words = |text| causes(&one(text)).map(|it| it.words().join(" "));
        assert_eq!(words("Timeout,failure"), Ok("failure timeout".to_owned()));
        assert_eq!(words("always, failure"), Ok("always".to_owned()));
        assert_eq!(words("none"), Ok("none".to_owned()));
        for (wrong, part) in [
            ("falure", "did you mean \"failure\"?"),
            ("", "no word"),
            ("none, failure", "none alone"),
            ("stop", "none of failure"),
        ] {
            assert!(words(wrong).unwrap_err().contains(part), "{wrong}");
        }
    }

    #[test]
    fn how_long_is_too_long_reads_as_it_is_written() {
        for (text, meant) in [
            ("2x", Some(Over::Median(200))),
            ("1.5x", Some(Over::Median(150))),
            ("1.05X", Some(Over::Median(105))),
            ("1h 30m", Some(Over::Length(Duration::from_secs(5400)))),
            ("none", None),
        ] {
            assert_eq!(over(text), Ok(meant), "{text}");
            assert_eq!(over(&meant.map_or("none".to_owned(), |it| it.to_string())), Ok(meant), "{text}");
        }
        for wrong in ["", "x", "2", "0.5x", "1001x", "-2x", "1.234x", "0s", "2x3", "1e3x"] {
            assert!(over(wrong).is_err(), "{wrong}");
        }
        assert_eq!(every("26h"), Ok(Some(Duration::from_secs(26 * 3600))));
        assert!(every("0s").is_err() && every("none") == Ok(None));
    }

    const SLACK: &str = "[notify \"ops\"]\ntype = slack\nurl = https://hooks.example.org/hunter2\n";

    fn inventory(labels: &[(&str, &str)]) -> Inventory {
        let container = Container {
            id: ContainerId("own".into()),
            name: "agent".into(),
            state: ContainerState::Running,
            healthy: None,
            created: 0,
            labels: labels.iter().map(|(key, it)| ((*key).to_owned(), (*it).to_owned())).collect(),
        };
        Inventory {
            containers: vec![container],
            own: Some(ContainerId("own".into())),
            services: Services::none(),
        }
    }

    fn desired(text: &str, view: View<'_>) -> Desired {
        let sources = Sources::new(ini::parse("f", text, &|_| None), Upper::default(), Vec::new());
        resolve(&sources, view, Timestamp::UNIX_EPOCH)
    }

    fn told(desired: &Desired) -> Vec<String> {
        desired
            .diagnostics
            .iter()
            .map(|it| format!("{} {}: {}", it.severity.as_str(), it.origin, it.reason))
            .collect()
    }

    #[test]
    fn a_job_says_who_is_told_and_the_agents_settings_say_it_for_the_others() {
        let text = format!(
            "[global]\nnotify = ops\nnotify-on = failure\n{SLACK}\
             [job-local \"a\"]\nschedule = @daily\ncommand = x\n\
             [job-local \"b\"]\nschedule = @daily\ncommand = x\nnotify = none\n\
             [job-local \"c\"]\nschedule = @daily\ncommand = x\nnotify-on = always\nnotify-after = 3\ncooldown = 0s\n\
             duration-over = 2x\nexpect-every = 26h\n"
        );
        let desired = desired(&text, View::FilesOnly);
        assert_eq!(told(&desired), Vec::<String>::new());
        let of = |job: &str| desired.jobs[&JobId::plain(job)].spec.policies.notify.clone();
        let a = of("a").unwrap();
        assert_eq!(
            (a.channels.join(" "), a.on, a.after),
            ("ops".to_owned(), Some(Causes::of(&[Cause::Failure])), 1)
        );
        assert_eq!(of("b"), None);
        let c = of("c").unwrap();
        assert_eq!((c.on, c.after, c.cooldown), (Some(Causes::ALWAYS), 3, Duration::ZERO));
        assert_eq!(
            (c.duration_over, c.expect_every),
            (Some(Over::Median(200)), Some(Duration::from_secs(26 * 3600)))
        );
    }

    #[test]
    fn a_change_of_who_is_told_is_told_in_words() {
        let job = "[job-local \"a\"]\nschedule = @daily\ncommand = x\n";
        let spec = |lines: &str| {
            let desired = desired(&format!("{SLACK}{job}{lines}"), View::FilesOnly);
            desired.jobs[&JobId::plain("a")].spec.clone()
        };
        let first = spec("notify = ops\n");
        for (lines, differ) in [
            ("notify = ops\n", &[][..]),
            ("notify = mail\n", &["notify"]),
            ("notify = ops\nexpect-every = 1h\ncooldown = 5m\n", &["cooldown", "expect-every"]),
            (
                "notify = ops\nnotify-on = none\nnotify-after = 2\nduration-over = 3x\n",
                &["notify-after", "duration-over", "notify-on"],
            ),
            ("", &["notify", "notify-after", "cooldown"]),
        ] {
            let mut found = first.differences(&spec(lines));
            let mut differ = differ.to_vec();
            found.sort_unstable();
            differ.sort_unstable();
            assert_eq!(found, differ, "{lines}");
        }
    }

    #[test]
    fn a_channel_that_is_not_there_costs_no_run_and_is_told_once_its_labels_can_be_seen() {
        let text = format!(
            "{SLACK}[job-local \"a\"]\nschedule = @daily\ncommand = x\nnotify = osp\n\
             [job-local \"b\"]\nschedule = @daily\ncommand = x\nnotify = pager\n"
        );
        let unknown = desired(&text, View::Unknown);
        assert_eq!((told(&unknown), unknown.jobs.len()), (vec![], 2));
        let files = desired(&text, View::FilesOnly);
        let [slip, unseen] = &files.diagnostics[..] else { panic!("{:?}", told(&files)) };
        for (it, mend) in
            [(slip, "did you mean \"ops\"?"), (unseen, "add [notify \"pager\"], unless they have it")]
        {
            assert!(it.severity == Severity::Warning && it.reason.contains(mend), "{it:?}");
        }
        let none = inventory(&[]);
        let seen = desired(&text, View::Observed(&none));
        assert_eq!((seen.jobs.len(), seen.diagnostics.len()), (2, 2), "{:?}", told(&seen));
        assert!(
            seen.diagnostics
                .iter()
                .all(|it| it.severity == Severity::Error && !it.rejects && it.job.is_some())
        );
        assert!(
            told(&seen)[0].starts_with("error f:7: notify: there is no channel \"osp\""),
            "{:?}",
            told(&seen)
        );
        assert!(told(&seen)[1].contains("add [notify \"pager\"], or name one of those that there are (ops)"));
        let by_label = inventory(&[
            ("watchbell.notify.osp.type", "save"),
            ("watchbell.notify.osp.directory", "/x"),
            ("watchbell.notify.pager.type", "exec"),
            ("watchbell.notify.pager.command", "x"),
        ]);
        assert_eq!(told(&desired(&text, View::Observed(&by_label))), Vec::<String>::new());
    }

    #[test]
    fn a_default_that_names_no_channel_is_told_once_however_many_jobs_take_it() {
        let job = |it: u8| format!("[job-local \"j{it}\"]\nschedule = @daily\ncommand = x\n");
        let jobs = (0..5).map(job).collect::<Vec<String>>().concat();
        let none = inventory(&[]);
        for (head, place) in
            [("[global]\nnotify = pager\n", "f:2"), ("[job-defaults]\nnotify = pager\n", "f:2")]
        {
            let found = told(&desired(&format!("{head}{jobs}"), View::Observed(&none)));
            assert_eq!(found.len(), 1, "{found:?}");
            assert!(
                found[0].starts_with(&format!("error {place}: notify: there is no channel \"pager\"")),
                "{found:?}"
            );
        }
    }

    #[test]
    fn what_has_no_effect_because_nobody_is_told_is_a_warning() {
        let text =
            "[job-local \"a\"]\nschedule = @daily\ncommand = x\nexpect-every = 26h\nnotify-on = always\n";
        let found = desired(text, View::FilesOnly);
        let lines = told(&found);
        assert_eq!((found.jobs.len(), lines.len()), (1, 2), "{lines:?}");
        assert!(
            lines.iter().all(|it| it.starts_with("warning") && it.contains("name a channel with notify")),
            "{lines:?}"
        );
        let defaults =
            "[job-defaults]\nexpect-every = 26h\n[job-local \"a\"]\nschedule = @daily\ncommand = x\n";
        assert_eq!(told(&desired(defaults, View::FilesOnly)), Vec::<String>::new());
    }
}
