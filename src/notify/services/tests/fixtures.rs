//! What the services' tests share: messages that are full of what breaks things, and what a request is held against.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use jsonschema::JSONSchema;
use serde_json::{Value as Json, json};

use crate::{
    model::{
        channel::{Channel, ChannelKind, Value},
        notification::Cause,
        origin::Origin,
    },
    notify::{
        message::{Message, Severity},
        request::Request,
    },
};

/// A run's ID; the example of the ULID specification.
pub const RUN: &str = "01ARZ3NDEKTSV4RRFFEQ69G5FV";

const NASTY: &str = "\"quoted\" 'single' \\ back & <b>bold</b> <!channel> <!here|here> <@U123> @everyone @channel \
                     @here ``` ```` `code` *a* _b_ ~c~ |d| # e > f [g](http://h) <script>alert(1)</script> 😀👩‍👩‍👧é\n\
                     second line\r\n\u{1b}[31mred\u{1b}[0m \u{0}\u{7}\ttab {{DATE(2020-01-01)}} </pre></code> %0a";

/// The values that a kind of channel must have.
pub fn usual(kind: ChannelKind) -> &'static [(&'static str, &'static str)] {
    match kind {
        ChannelKind::Matrix => {
            &[("url", "https://matrix.example"), ("room", "!r:example"), ("token", "hunter2")]
        }
        ChannelKind::Telegram => &[("token", "1:hunter2"), ("chat", "-1")],
        ChannelKind::Gotify => &[("url", "https://gotify.example"), ("token", "hunter2")],
        ChannelKind::Pushover => &[("token", "hunter2"), ("user", "hunter2")],
        ChannelKind::PagerDuty => &[("routing-key", "hunter2")],
        ChannelKind::Opsgenie => &[("api-key", "hunter2")],
        ChannelKind::Slack
        | ChannelKind::Discord
        | ChannelKind::Teams
        | ChannelKind::Mattermost
        | ChannelKind::Ntfy
        | ChannelKind::Webhook
        | ChannelKind::Healthchecks => &[("url", "https://service.example/hunter2")],
        ChannelKind::Email | ChannelKind::Save | ChannelKind::Exec => &[],
    }
}

/// A channel.
pub fn channel(kind: ChannelKind, values: &[(&'static str, &str)]) -> Channel {
    let values: BTreeMap<_, _> =
        values.iter().map(|(key, value)| (*key, Value::One(Arc::from(*value)))).collect();
    Channel { name: "ops".into(), kind, on: None, values, origin: Origin::Default, from_label: false }
}

/// A channel with a key that has several values.
pub fn channel_with_list(
    kind: ChannelKind,
    values: &[(&'static str, &str)],
    (key, list): (&'static str, &[String]),
) -> Channel {
    let mut channel = channel(kind, values);
    channel.values.insert(key, Value::List(list.iter().map(|it| Arc::from(it.as_str())).collect()));
    channel
}

/// A short message.
pub fn message(cause: Cause) -> Message {
    let severity = match cause {
        _ if cause.is_bad() => Severity::Bad,
        Cause::Skip | Cause::Slow | Cause::Stop => Severity::Odd,
        _ => Severity::Good,
    };
    Message {
        key: "key-1".into(),
        thread: "thread/1".into(),
        cause,
        severity,
        at: "2026-11-30T13:00:00Z".parse().unwrap(),
        title: "backup failed with exit code 3".to_owned(),
        text: "It ran for 2s.\nIt was tried 3 times.".to_owned(),
        tail: "copying\nno space left on device".to_owned(),
        link: Some("https://cron.example/runs/1?a=b&c=d".to_owned()),
        facts: vec![("job", "shop.web.backup".to_owned()), ("exit code", "3".to_owned())],
        data: json!({"cause": cause.as_str(), "job": "shop.web.backup", "title": "backup failed with exit code 3"}),
        job: "shop.web.backup".to_owned(),
        run: RUN.to_owned(),
        exit_code: Some(3),
        duration: Some(Duration::from_secs(2)),
    }
}

/// Each cause, short, and as long and as hostile as can be; and nothing but what there must be.
pub fn messages() -> Vec<Message> {
    let long = |text: &str, bytes: usize| text.repeat(bytes / text.len() + 1);
    let mut messages = Vec::new();
    for (_, cause) in Cause::NAMES {
        let short = message(cause);
        let nasty = Message {
            title: NASTY.to_owned(),
            text: NASTY.to_owned(),
            tail: format!("{NASTY}\nlast line ```"),
            facts: vec![("job", NASTY.to_owned()), ("reason", NASTY.to_owned())],
            data: json!({"text": NASTY}),
            ..short.clone()
        };
        let bare = Message {
            title: String::new(),
            text: String::new(),
            tail: String::new(),
            link: None,
            facts: Vec::new(),
            data: json!({}),
            job: String::new(),
            run: String::new(),
            exit_code: None,
            duration: None,
            ..short.clone()
        };
        messages.extend([short, nasty, bare]);
    }
    for part in [NASTY, "`", "<", "&", "😀", "\n", "\"", "\u{1}", "_", "\u{1b}[", "x", "@", "line\n"] {
        // A megabyte where it is most like output; elsewhere, to save time, more than any service takes.
        let output = long(part, if part.contains('\n') { 1_000_000 } else { 120_000 }) + "the end";
        let long = long(part, 40_000);
        let facts = ["job", "outcome", "container", "reason"].map(|name| (name, long.clone()));
        messages.push(Message {
            key: "key-1".into(),
            thread: long.as_str().into(),
            title: long.clone(),
            text: long.clone(),
            tail: output,
            facts: facts.to_vec(),
            data: json!({"output": long}),
            job: long,
            ..message(Cause::Failure)
        });
    }
    messages
}

/// A header of a request.
pub fn header<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
    request.headers.iter().find(|(it, _)| it == name).map(|(_, value)| value.as_str())
}

/// The body, which fits a schema.
pub fn fits(schema: &str, request: &Request) -> Json {
    assert_eq!(header(request, "content-type"), Some("application/json"));
    let body: Json = serde_json::from_slice(&request.body).unwrap();
    let schema: Json = serde_json::from_str(schema).unwrap();
    assert!(schema["$comment"].as_str().is_some_and(|it| it.contains("https://")), "where is it documented?");
    let compiled = JSONSchema::compile(&schema).map_err(|error| error.to_string()).unwrap();
    let errors = compiled.validate(&body).err().into_iter().flatten();
    let errors: Vec<String> =
        errors.map(|it| format!("{} at {}", it.schema_path, it.instance_path)).collect();
    assert_eq!(errors, Vec::<String>::new());
    body
}

/// A request whose body is no JSON is described as JSON itself.
pub fn matches_fixture(schema: &str, request: &Request) {
    let body = std::str::from_utf8(&request.body).unwrap();
    let headers: BTreeMap<_, _> =
        request.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let described = json!({"method": request.method, "url": request.url, "headers": headers, "body": body});
    fits(schema, &Request::json("", &described));
}
