//! Who is told in a scenario, and what: the steps that declare it, and a message as a line.

use std::{collections::BTreeMap, sync::Arc};

use watchbell::{
    model::{
        channel::{Channel, ChannelKind},
        duration,
        name::JobId,
        notification::{Cause, Causes, Notification, Notify, Over},
        origin::Origin,
        policy::Policies,
    },
    settings::resolve::Desired,
};

use super::Scenario;

impl Scenario {
    pub(super) fn channel(&mut self, line: &str) -> Result<(), String> {
        let mut words = line.split(' ');
        let name: Arc<str> = words.next().unwrap_or_default().into();
        let kind = words.next().unwrap_or_default();
        let kind = ChannelKind::NAMES.into_iter().find(|(it, _)| *it == kind).ok_or("no such kind")?.1;
        let on = words.next().and_then(|it| it.strip_prefix("on=")).map(causes).transpose()?;
        let (values, origin) = (BTreeMap::new(), Origin::Default);
        let it = Channel { name: name.clone(), kind, on, values, origin, from_label: false };
        self.channels.insert(name, Arc::new(it));
        Ok(())
    }

    pub(super) fn tell(&mut self, line: &str) -> Result<(), String> {
        let mut words = line.split(' ');
        let job = JobId::plain(words.next().unwrap_or_default());
        let mut notify = Notify::default();
        for word in words {
            match word.split_once('=') {
                None => notify.channels = word.split(',').map(Into::into).collect(),
                Some(("on", words)) => notify.on = Some(causes(words)?),
                Some(("after", count)) => notify.after = count.parse().map_err(|_| "no number")?,
                Some(("cooldown", length)) => notify.cooldown = duration::parse(length)?,
                Some(("expect", length)) => notify.expect_every = Some(duration::parse(length)?),
                Some(("over", over)) => {
                    notify.duration_over = Some(match over.strip_suffix('x').map(str::parse::<u32>) {
                        Some(factor) => Over::Median(100 * factor.map_err(|_| "no factor")?),
                        None => Over::Length(duration::parse(over)?),
                    });
                }
                Some(_) => return Err(format!("{word} says nothing about who is told")),
            }
        }
        self.tells.insert(job, notify);
        Ok(())
    }

    /// The channels, and the jobs with who is told of them.
    pub(super) fn with_listeners(&self, mut desired: Desired) -> Desired {
        desired.channels = Arc::new(self.channels.clone());
        for (job, notify) in &self.tells {
            if let Some(it) = desired.jobs.get_mut(job) {
                let spec = Arc::make_mut(&mut it.spec);
                let notify = (!notify.channels.is_empty()).then(|| Arc::new(notify.clone()));
                spec.policies = Policies { notify, ..Policies::clone(&spec.policies) }.shared();
            }
        }
        desired
    }
}

fn causes(words: &str) -> Result<Causes, String> {
    let cause = |word| Cause::NAMES.into_iter().find(|(it, _)| *it == word).map(|(_, it)| it);
    match words {
        "always" => Ok(Causes::ALWAYS),
        "none" => Ok(Causes::default()),
        words => words
            .split(',')
            .map(|word| cause(word).ok_or_else(|| format!("{word} is no cause")))
            .collect::<Result<Vec<_>, _>>()
            .map(|causes| Causes::of(&causes)),
    }
}

pub(super) fn message(it: &Notification) -> String {
    let mut text = format!("notify {} {}", it.channel, it.cause.as_str());
    let mut add = |part: String| text.push_str(&part);
    if let Some(job) = &it.job {
        add(format!(" of {job}"));
    }
    if let Some(run) = &it.run {
        add(format!(", run {}", run.run));
    }
    if let Some(since) = it.streak.since {
        add(format!(", {} in a row since {since}", it.streak.failures));
    }
    if it.streak.folded > 0 {
        add(format!(", and {} more", it.streak.folded));
    }
    if let Some(expected) = &it.expected {
        let last = expected.last_success.map_or_else(|| "never".to_owned(), |at| at.to_string());
        add(format!(", expected every {}, last {last}", humantime::format_duration(expected.every)));
        add(if expected.there { String::new() } else { ", gone".to_owned() });
    }
    if let Some(usual) = it.usual {
        add(format!(", usually {}", humantime::format_duration(usual)));
    }
    text
}
