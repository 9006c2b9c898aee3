//! What files, labels and variables come to.

use super::*;
use crate::{
    model::{
        channel::ChannelKind,
        container::{Container, ContainerId, ContainerState},
        notification::{Cause, Causes},
    },
    settings::{channels, ini, label},
};

fn labels(of: &[(&str, &str)]) -> Vec<RawChannel> {
    let container = Container {
        id: ContainerId("x".into()),
        name: "agent".into(),
        state: ContainerState::Running,
        healthy: None,
        created: 0,
        labels: of.iter().map(|(key, it)| (format!("watchbell.notify.{key}"), (*it).to_owned())).collect(),
    };
    let read = label::parse(&container, true);
    assert_eq!(read.diagnostics, []);
    read.channels
}

/// What the three sources make together; labels that are `None` were not seen.
fn all(
    file: &str,
    of_labels: Option<&[(&str, &str)]>,
    environment: &[(&str, &str)],
) -> (Channels, Vec<String>) {
    let ini = ini::parse("f", file, &|_| None);
    assert_eq!(ini.broken, []);
    let of_labels = of_labels.map(labels);
    let variables: Vec<Variable> = environment
        .iter()
        .map(|(name, value)| {
            let whole = format!("WATCHBELL_NOTIFY_{name}");
            channels::variable(&whole, name, value, &|_| Err("none".to_owned()), &|_| false).0
        })
        .collect();
    let files = SecretFiles::new(|path| {
        if path == "/it" { Ok("hunter2".to_owned()) } else { Err("it cannot be read".to_owned()) }
    });
    let layers =
        Layers { file: &ini.channels, labels: of_labels.as_deref(), variables: &variables, files: &files };
    let Settled { channels, diagnostics, .. } = settle(layers);
    let told: Vec<String> = diagnostics
        .into_iter()
        .map(|it| format!("{} {}: {}", it.severity.as_str(), it.origin, it.reason))
        .collect();
    assert!(!format!("{channels:?} {told:?}").contains("hunter2"), "{told:?}");
    (channels, told)
}

fn file(text: &str) -> (Channels, Vec<String>) {
    all(text, Some(&[]), &[])
}

const NTFY: &str = "[notify \"ops\"]\ntype = ntfy\nurl = https://ntfy.sh/ops\n";

#[test]
fn a_section_becomes_a_channel_with_each_value_in_its_one_form() {
    let (channels, told) = file(
        "[notify \"mail\"]\ntype = Email\nserver = smtp.example.org\nport = 25\nfrom = \"a@example.org\"\n\
         to = b@example.org, c@example.org\nattach = 64KiB\ntimeout = 1m\nnotify-on = failure, start\n\
         password = hunter2\nuser = u\n",
    );
    assert_eq!(told, ["warning f:5: from: the value is wrapped in literal quotes: they were taken off"]);
    let it = &channels["mail"];
    assert_eq!(
        (it.kind, it.origin.to_string(), it.from_label),
        (ChannelKind::Email, "f:1".to_owned(), false)
    );
    assert_eq!(it.on, Some(Causes::of(&[Cause::Failure, Cause::Start])));
    assert_eq!(
        (it.text("attach"), it.number("port"), it.duration("timeout")),
        (Some("65536"), Some(25), Some(std::time::Duration::from_secs(60)))
    );
    let to: Vec<&str> = it.list("to").iter().map(|it| &**it).collect();
    assert_eq!((to, it.text("from")), (vec!["b@example.org", "c@example.org"], Some("a@example.org")));
    assert_eq!(it.text("type"), None, "that is its kind");
}

/// Every type with no more than it must have.
#[test]
fn every_type_can_be_written_and_says_what_it_misses() {
    let example = |it: &ChannelParam| match it.shape {
        _ if it.name == "room" => "!x:example.org",
        Shape::Url => "https://example.org/hunter2",
        Shape::Host => "smtp.example.org",
        Shape::Address | Shape::Addresses => "a@example.org",
        Shape::Path => "/x",
        _ => "x",
    };
    for (word, kind) in ChannelKind::NAMES {
        let needs: Vec<_> = table::all_of(kind).filter(|it| it.required && it.name != "type").collect();
        let section = |without: &str| {
            let lines = needs.iter().filter(|it| it.name != without);
            let lines: Vec<String> = lines.map(|it| format!("{} = {}\n", it.name, example(it))).collect();
            let lines = lines.concat();
            format!("[notify \"it\"]\ntype = {word}\n{lines}")
        };
        let (channels, told) = file(&section(""));
        assert_eq!((channels.len(), told), (1, vec![]), "{word}");
        for it in &needs {
            let (channels, told) = file(&section(it.name));
            assert_eq!((channels.len(), told.len()), (0, 1), "{word}: {told:?}");
            let start = format!("error f:1: the channel \"it\" has no \"{}\": add {} = ", it.name, it.name);
            assert!(told[0].starts_with(&start), "{told:?}");
        }
    }
}

#[test]
fn what_is_wrong_is_told_once_with_place_and_mend() {
    for (text, expected) in [
        (
            "[notify \"a\"]\n",
            "error f:1: the channel \"a\" has no \"type\": add type = slack to the section; the types are slack,",
        ),
        ("[notify \"a\"]\ntype = slak\n", "error f:2: type: \"slak\" is none of slack, discord"),
        (
            "[notify \"a\"]\ntype = slack\nurl = https://u:hunter2@x\n",
            "error f:3: url: it has a user or a password before its host",
        ),
        (
            "[notify \"a\"]\ntype = slack\nurl = https://x/hunter2\nserver = hunter2\n",
            "error f:4: a channel of type slack has no \"server\": remove it; slack has type, notify-on",
        ),
        (
            "[notify \"a\"]\ntype = save\ndirectory = x\n",
            "error f:3: directory: \"x\" is no absolute path: begin it with /",
        ),
        ("[notify \"a\"]\ntype = ntfy\nurl = https://ntfy.sh/\n", "error f:3: url: it names no topic"),
        (
            "[notify \"a\"]\ntype = ntfy\nurl = https://ntfy.sh/x\nuser = u\n",
            "error f:4: there is user without password: write both",
        ),
        (
            "[notify \"a\"]\ntype = ntfy\nurl = https://ntfy.sh/x\nuser = u\npassword = hunter2\ntoken = hunter2\n",
            "error f:6: there is token beside user and password",
        ),
        (
            "[notify \"a\"]\ntype = webhook\nurl = https://x/hunter2\nheader = A: b\nheader = hunter2\n",
            "error f:5: header: item 2 is no header: write Name: value",
        ),
        (
            "[notify \"a\"]\ntype = exec\ncommand = x\ntemplate = {% if %}\n",
            "error f:4: template: line 1: unexpected end of block: mend its syntax",
        ),
        (
            "[notify \"a\"]\ntype = email\nserver = x\nfrom = a@b\nto = c@d\ntls = none\nuser = u\npassword = hunter2\n",
            "warning f:8: password: it is sent in the clear",
        ),
        (
            "[notify \"a\"]\ntype = webhook\nurl = https://x/hunter2\ncontent-type = a/b\n",
            "warning f:4: content-type: it has no effect",
        ),
    ] {
        let (channels, told) = file(text);
        assert_eq!(told.len(), 1, "{text}: {told:?}");
        assert!(told[0].starts_with(expected), "{told:?}");
        assert_eq!(channels.len(), usize::from(told[0].starts_with("warning")), "{text}");
    }
}

#[test]
fn every_template_of_a_channel_is_tried_when_it_is_read() {
    let webhook = "[notify \"a\"]\ntype = webhook\nurl = https://x/hunter2\n";
    for key in ["template", "title-template", "body-template"] {
        for (template, reason) in [
            ("{{ tittle }}", "did you mean \"title\"?"),
            ("{% if run %}{% else %}{{ run.exitcode }}{% endif %}", "did you mean \"exit_code\"?"),
            ("{{ job | duration }}", "duration takes a number of seconds"),
            ("{{ job", "mend its syntax"),
        ] {
            let (channels, told) = file(&format!("{webhook}{key} = {template}\n"));
            assert_eq!((channels.len(), told.len()), (0, 1), "{told:?}");
            let begin = format!("error f:4: {key}: ");
            assert!(told[0].starts_with(&begin) && told[0].contains(reason), "{told:?}");
        }
        let good = "{{ title }} {{ text }} {{ run.exit_code | default(\"-\") }} {{ streak.failures }}";
        let (channels, told) = file(&format!("{webhook}{key} = {good}\n"));
        assert_eq!((channels["a"].text(key), told), (Some(good), Vec::<String>::new()));
    }
}

#[test]
fn labels_go_over_the_file_and_the_environment_over_both_key_by_key() {
    let (channels, told) = all(
        NTFY,
        Some(&[
            ("ops.priority", "3"),
            ("ops.url", "https://ntfy.sh/label"),
            ("other.type", "exec"),
            ("other.command", "x"),
        ]),
        &[("OPS_PRIORITY", "5")],
    );
    assert_eq!(told, Vec::<String>::new());
    let it = &channels["ops"];
    assert_eq!(
        (it.number("priority"), it.text("url"), it.from_label),
        (Some(5), Some("https://ntfy.sh/label"), true)
    );
    assert_eq!((it.origin.to_string(), channels.len()), ("f:1".to_owned(), 2));
    let (channels, _) = all(NTFY, Some(&[("ops.priority", "3")]), &[]);
    assert!(!channels["ops"].from_label, "where it leads is the file's word");
}

#[test]
fn a_label_names_a_file_a_list_by_index_and_a_wrong_one_costs_what_labels_made() {
    let (channels, told) = all(
        "",
        Some(&[
            ("m.type", "email"),
            ("m.server", "x"),
            ("m.from", "a@b"),
            ("m.to.1", "d@e"),
            ("m.to.0", "b@c"),
            ("m.user", "u"),
            ("m.password-file", "/it"),
        ]),
        &[],
    );
    assert_eq!(told, Vec::<String>::new());
    assert_eq!(channels["m"].text("password"), Some("hunter2"));
    assert_eq!(channels["m"].list("to").join(" "), "b@c d@e");
    let (channels, told) = all("", Some(&[("a.type", "slack"), ("a.url-file", "/hunter2")]), &[]);
    assert_eq!(
        (channels.len(), told),
        (
            0,
            vec![
                "error container agent (label watchbell.notify.a.url-file): url-file: it cannot be read"
                    .to_owned()
            ]
        )
    );
    let (channels, told) = all("", Some(&[("a.type", "slack")]), &[]);
    assert_eq!(channels.len(), 0);
    assert!(
        told[0].ends_with("has no \"url\": set the label watchbell.notify.a.url, or url-file"),
        "{told:?}"
    );
    // What the operator's file has stands without the label.
    let (channels, told) = all(NTFY, Some(&[("ops.priority", "9")]), &[]);
    assert_eq!((channels["ops"].number("priority"), told.len()), (None, 1));
    assert!(
        told[0].contains("(label watchbell.notify.ops.priority)")
            && told[0].ends_with("stays as it is without its labels"),
        "{told:?}"
    );
}

#[test]
fn a_variable_alone_waits_for_labels_and_is_told_of_once_they_are_seen() {
    let token = [("OPS_TOKEN", "hunter2")];
    assert_eq!(all("", None, &token), (Channels::new(), vec![]));
    let (channels, told) = all("", Some(&[("ops.type", "ntfy"), ("ops.url", "https://ntfy.sh/x")]), &token);
    assert_eq!((channels["ops"].text("token"), told), (Some("hunter2"), vec![]));
    let (channels, told) = all("", Some(&[]), &token);
    assert_eq!(channels.len(), 0);
    let expected = "error environment WATCHBELL_NOTIFY_OPS_TOKEN: the channel \"ops\" has no \"type\": set WATCHBELL_NOTIFY_OPS_TYPE";
    assert!(told[0].starts_with(expected), "{told:?}");
    let (channels, told) = all("", None, &[("OPS_TYPE", "slack"), ("OPS_URL", "https://x/hunter2")]);
    assert_eq!((channels.len(), told), (1, vec![]), "with its type it needs no label");
}
