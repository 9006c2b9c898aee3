//! How a run is to be ended, as it stands in its row until it has.

use serde::{Deserialize, Serialize};

use crate::model::{
    action::Action,
    compose::ComposeAction,
    notification::{Cause, Causes, Notify, Over},
    policy::{EdgeKind, Group, SuccessCodes},
    service::Tasks,
    unfinished::{ComposeTerms, Terms},
};

use super::schema::{duration, length};

/// Lengths of time are nanoseconds. What is not said is none.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Stored {
    #[serde(skip_serializing_if = "Option::is_none")]
    timeout: Option<i64>,
    grace: i64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    codes: Vec<u8>,
    retries: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    group_wait: Option<i64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    on_success: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    on_failure: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    notify: Option<StoredNotify>,
    max_output: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    /// 0 is one on each node.
    #[serde(skip_serializing_if = "Option::is_none")]
    tasks: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    compose: Option<StoredCompose>,
    #[serde(skip_serializing_if = "Option::is_none")]
    action: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signal: Option<String>,
    shape: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct StoredCompose {
    action: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    project: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    service: Option<String>,
}

/// Who is told how it ended.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct StoredNotify {
    channels: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    on: Option<Vec<String>>,
    after: u32,
    cooldown: i64,
    /// In hundredths of the median.
    #[serde(skip_serializing_if = "Option::is_none")]
    over_median: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    over: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expect_every: Option<i64>,
}

impl From<&Notify> for StoredNotify {
    fn from(it: &Notify) -> Self {
        let Notify { channels, on, after, cooldown, duration_over, expect_every } = it;
        Self {
            channels: channels.iter().map(ToString::to_string).collect(),
            on: on.map(|causes| causes.iter().map(|it| it.as_str().to_owned()).collect()),
            after: *after,
            cooldown: length(*cooldown),
            over_median: match duration_over {
                Some(Over::Median(hundredths)) => Some(*hundredths),
                Some(Over::Length(_)) | None => None,
            },
            over: match duration_over {
                Some(Over::Length(over)) => Some(length(*over)),
                Some(Over::Median(_)) | None => None,
            },
            expect_every: expect_every.map(length),
        }
    }
}

impl StoredNotify {
    fn read(self) -> Notify {
        let known = |word: &String| Cause::NAMES.into_iter().find(|(name, _)| name == word);
        let causes = |words: Vec<String>| {
            let causes: Vec<Cause> = words.iter().filter_map(known).map(|(_, it)| it).collect();
            Causes::of(&causes)
        };
        let over = self.over.map(|over| Over::Length(duration(over)));
        Notify {
            channels: self.channels.into_iter().map(Into::into).collect(),
            on: self.on.map(causes),
            after: self.after,
            cooldown: duration(self.cooldown),
            duration_over: over.or(self.over_median.map(Over::Median)),
            expect_every: self.expect_every.map(duration),
        }
    }
}

impl From<&ComposeTerms> for StoredCompose {
    fn from(it: &ComposeTerms) -> Self {
        let ComposeTerms { action, project, service } = it;
        Self { action: action.as_str().to_owned(), project: project.clone(), service: service.clone() }
    }
}

impl StoredCompose {
    fn read(self) -> Option<ComposeTerms> {
        let action = ComposeAction::parse(&self.action)?;
        Some(ComposeTerms { action, project: self.project, service: self.service })
    }
}

/// As text; none where it cannot be written, which does not happen.
pub(super) fn stored(it: &Terms) -> Option<String> {
    let named = |kind| {
        let of_kind = it.edges.iter().filter(move |(edge, _)| *edge == kind);
        of_kind.map(|(_, name)| name.to_string()).collect()
    };
    let codes = it.success_codes.texts().iter().filter_map(|code| code.parse().ok()).collect::<Vec<u8>>();
    let stored = Stored {
        timeout: it.timeout.map(length),
        grace: length(it.grace),
        codes: if codes == [0] { Vec::new() } else { codes },
        retries: it.retries,
        group: it.group.as_ref().map(|group| group.name.to_string()),
        group_wait: it.group.as_ref().and_then(|group| group.wait).map(length),
        on_success: named(EdgeKind::OnSuccess),
        on_failure: named(EdgeKind::OnFailure),
        notify: it.notify.as_deref().map(Into::into),
        max_output: it.max_output,
        user: it.user.clone(),
        tasks: it.tasks.map(|tasks| match tasks {
            Tasks::Replicas(count) => count,
            Tasks::EachNode => 0,
        }),
        compose: it.compose.as_ref().map(Into::into),
        action: it.action.as_ref().map(|(action, _)| action.as_str().to_owned()),
        signal: it.action.as_ref().and_then(|(_, signal)| signal.clone()),
        shape: it.shape,
    };
    serde_json::to_string(&stored).ok()
}

/// Reads it again; what cannot be read is as if nothing had been said.
pub(super) fn read(text: &str) -> Option<Terms> {
    let it: Stored = serde_json::from_slice(text.as_bytes()).ok()?;
    let action = it.action.and_then(|word| Action::NAMES.into_iter().find(|(name, _)| *name == word));
    let edges = |kind, names: Vec<String>| names.into_iter().map(move |name| (kind, name.into()));
    Some(Terms {
        timeout: it.timeout.map(duration),
        grace: duration(it.grace),
        success_codes: SuccessCodes::new(it.codes).unwrap_or_default(),
        retries: it.retries,
        group: it.group.map(|name| Group { name: name.into(), wait: it.group_wait.map(duration) }),
        edges: edges(EdgeKind::OnSuccess, it.on_success)
            .chain(edges(EdgeKind::OnFailure, it.on_failure))
            .collect(),
        notify: it.notify.map(|it| it.read().shared()),
        max_output: it.max_output,
        user: it.user,
        tasks: it.tasks.map(|count| if count == 0 { Tasks::EachNode } else { Tasks::Replicas(count) }),
        compose: it.compose.and_then(StoredCompose::read),
        action: action.map(|(_, action)| (action, it.signal)),
        shape: it.shape,
    })
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use super::*;

    #[test]
    fn what_is_written_reads_back_and_what_cannot_be_read_is_nothing() {
        let all = Terms {
            timeout: Some(Duration::from_millis(1_500)),
            grace: Duration::from_secs(3),
            success_codes: SuccessCodes::new(vec![0, 3]).unwrap_or_default(),
            retries: 2,
            group: Some(Group { name: "disk".into(), wait: Some(Duration::from_secs(60)) }),
            edges: vec![
                (EdgeKind::OnSuccess, "b".into()),
                (EdgeKind::OnSuccess, "c".into()),
                (EdgeKind::OnFailure, "d".into()),
            ],
            notify: Some(Arc::new(Notify {
                channels: vec!["ops".into(), "pager".into()],
                on: Some(Causes::of(&[Cause::Failure, Cause::Start])),
                after: 3,
                cooldown: Duration::from_secs(5),
                duration_over: Some(Over::Median(250)),
                expect_every: Some(Duration::from_secs(93_600)),
            })),
            max_output: 7,
            user: Some("www".to_owned()),
            tasks: Some(Tasks::EachNode),
            compose: Some(ComposeTerms {
                action: ComposeAction::Exec,
                project: None,
                service: Some("web".to_owned()),
            }),
            action: Some((Action::Kill, Some("HUP".to_owned()))),
            shape: u64::MAX,
        };
        let notify =
            Notify { duration_over: Some(Over::Length(Duration::from_secs(9))), ..Notify::default() };
        let told = Terms { notify: Some(Arc::new(notify)), ..Terms::unknown() };
        for it in [all, told, Terms::unknown(), Terms { tasks: Some(Tasks::Replicas(3)), ..Terms::unknown() }]
        {
            assert_eq!(stored(&it).and_then(|text| read(&text)), Some(it));
        }
        assert_eq!(read("{"), None);
    }
}
