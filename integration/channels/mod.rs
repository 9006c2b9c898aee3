//! Channels: what arrives, and what becomes of it where it cannot. Those that are no HTTP by themselves, and all of them
//! through an agent.

mod agent;
mod burden;
mod email;
mod exec;
mod save;

use std::{collections::BTreeMap, sync::Arc};

use watchbell::{
    model::{
        channel::{Channel, ChannelKind, Value},
        notification::Cause,
        origin::Origin,
    },
    notify::message::{Message, Severity},
};

/// Shown by nothing.
const CANARY: &str = "hunter2";

/// A channel of this kind; a value in brackets is a list.
fn channel(kind: ChannelKind, values: &[(&'static str, &str)]) -> Channel {
    let value = |text: &str| match text.strip_prefix('[').and_then(|it| it.strip_suffix(']')) {
        Some(items) => Value::List(items.split('|').map(Arc::from).collect()),
        None => Value::One(text.into()),
    };
    Channel {
        name: "ops".into(),
        kind,
        on: None,
        values: values.iter().map(|(key, text)| (*key, value(text))).collect::<BTreeMap<_, _>>(),
        origin: Origin::Default,
        from_label: false,
    }
}

/// With everything in it that somebody between could misread.
fn message() -> Message {
    Message {
        key: "shop.web.backup/01J00000000000000000000001/ops".into(),
        thread: "shop.web.backup/failure".into(),
        cause: Cause::Failure,
        severity: Severity::Bad,
        at: "2026-11-30T03:00:05Z".parse().unwrap(),
        title: "backup \u{1f514} failed with \"exit code 3\"\r\nBcc: evil@example.com".to_owned(),
        text: "It was tried <b>twice</b> & failed.\n.\nQUIT\n.hidden".to_owned(),
        tail: format!(
            "</pre><script>alert('x')</script>\n..\nFrom nobody\n{}\nnul \0 end",
            "long ".repeat(500)
        ),
        link: Some("https://watchbell.example.com/runs/01J?a=1&b=\"2\"".to_owned()),
        facts: vec![("job", "shop.web.backup".to_owned()), ("exit code", "3 <not> 4".to_owned())],
        data: serde_json::json!({ "job": "shop.web.backup", "exit_code": 3, "title": "\u{1f514}\n" }),
        job: "shop.web.backup".to_owned(),
        run: "01J00000000000000000000001".to_owned(),
        exit_code: Some(3),
        duration: None,
    }
}
