//! Wrong channels, and jobs that name channels wrongly: in the file, the environment and labels.

use super::{Case, Input, LINES_BEFORE, SECRET, check_all};

/// A section of a channel that is wrong in this line of it.
fn at(what: &'static str, section: impl AsRef<str>, line: u32, reason: &'static str) -> Case {
    let text = format!("[notify \"x\"]\n{}", section.as_ref());
    Case::new(what, Input::file(text.as_bytes()), format!("config.ini:{}", LINES_BEFORE + line), reason)
}

/// A job of the file that is right but for one line, its fourth and last, beside a channel `ops`.
fn in_job(what: &'static str, line: &str, reason: &'static str) -> Case {
    let job = "[job-local \"x\"]\nschedule = @daily\ncommand = x\n";
    let ops = "\n[notify \"ops\"]\ntype = exec\ncommand = x";
    let input = Input::file(format!("{job}{line}{ops}").as_bytes());
    Case::new(what, input, format!("config.ini:{}", LINES_BEFORE + 4), reason).job("x")
}

#[test]
fn a_wrong_section_of_a_channel_is_told_once_with_its_line() {
    let slack = |line: &str| format!("type = slack\nurl = https://x/{SECRET}\n{line}");
    let email = |line: &str| format!("type = email\nserver = x\nfrom = a@b\nto = c@d\n{line}");
    let twice = format!("type = slack\nurl = https://x/{SECRET}\n[notify \"x\"]\nurl = {SECRET}");
    check_all([
        at("no type", format!("url = {SECRET}"), 1, "has no \"type\": add type = slack"),
        at(
            "a slip in the type",
            format!("type = slak\nurl = https://x/{SECRET}"),
            2,
            "did you mean \"slack\"?",
        )
        .value(),
        at("no address", "type = slack", 1, "has no \"url\": add url = … to the section, or url-file"),
        at("a slip in a key", format!("type = slack\nulr = {SECRET}"), 3, "did you mean \"url\"?"),
        at("a key of another type", slack("server = x"), 4, "a channel of type slack has no \"server\""),
        at("the section twice", twice, 4, "is also at config.ini:5: put both into one section"),
        at(
            "a password in the address",
            format!("type = gotify\ntoken = t\nurl = https://u:{SECRET}@x"),
            4,
            "take them out",
        ),
        at("no address of HTTP", format!("type = slack\nurl = ftp://{SECRET}"), 3, "write https://"),
        at("no host", format!("type = slack\nurl = https:///{SECRET}"), 3, "write https://"),
        at("a topic that is missing", "type = ntfy\nurl = https://ntfy.sh", 3, "it names no topic"),
        at("no number", email("port = many"), 6, "no number from 1 to 65535").value(),
        at("a number that is too large", email("port = 70000"), 6, "no number from 1 to 65535").value(),
        at("a length without a unit", slack("timeout = 30"), 4, "has no unit").value(),
        at("no time of day", slack("digest = noon"), 4, "write for example 07:30").value(),
        at("a slip in a word", slack("notify-on = falure"), 4, "did you mean \"failure\"?").value(),
        at("a template that is none", slack("template = {{ job"), 4, "mend its syntax").value(),
        at(
            "a name that no message has",
            slack("title-template = {{ tittle }}"),
            4,
            "did you mean \"title\"?",
        )
        .value(),
        at(
            "a header",
            format!("type = webhook\nurl = https://x\nheader = {SECRET}"),
            4,
            "item 1 is no header",
        ),
        at(
            "a room's name",
            format!("type = matrix\nurl = https://x\nroom = #ops:x\ntoken = {SECRET}"),
            4,
            "room: it is no room ID",
        )
        .value(),
        at(
            "a secret that no header has",
            format!("type = gotify\nurl = https://x\ntoken = {SECRET}\u{f6}"),
            4,
            "token: ",
        ),
        at(
            "a header that is written anyway",
            format!("type = webhook\nurl = https://x/{SECRET}\nheader = Content-Length: 5"),
            4,
            "header: ",
        ),
        at("a path", "type = save\ndirectory = x", 3, "begin it with /").value(),
        at("permissions", "type = save\ndirectory = /x\nmode = rw", 4, "write for example 0640").value(),
        at("no mail address", email("cc = ops"), 6, "write for example ops@example.org").value(),
        at("user without password", email("user = u"), 6, "there is user without password"),
        at(
            "a file that is not there",
            format!("type = slack\nurl-file = /{SECRET}"),
            3,
            "url-file: the file cannot be read",
        ),
        at("a file for no secret", "type = matrix\nroom-file = /x", 3, "is no secret"),
        at(
            "a variable that is not set",
            format!("type = slack\nurl = ${{NOWHERE}}{SECRET}"),
            3,
            "is not set",
        ),
        at(
            "a password in the clear",
            email(&format!("user = u\ntls = none\npassword = {SECRET}")),
            8,
            "in the clear",
        )
        .warning(),
    ]);
}

#[test]
fn a_job_that_names_a_channel_wrongly_is_told_once_with_its_line() {
    check_all([
        in_job("no such channel", "notify = osp", "did you mean \"ops\"?").value(),
        in_job("nobody is told", "expect-every = 26h", "name a channel with notify").warning().value(),
        in_job("a name that is none", "notify = a b", "the channel's name \"a b\" contains ' '").value(),
        in_job("a word", "notify-on = falure", "did you mean \"failure\"?").value(),
        in_job("none beside words", "notify-on = none, failure", "write none alone").value(),
        in_job("no number of failures", "notify-after = 0", "no number from 1 to 1000").value(),
        in_job("a length without a unit", "cooldown = 5", "has no unit").value(),
        in_job("half the median", "duration-over = 0.5x", "from 1x to 1000x").value(),
        in_job("an expectation of nothing", "expect-every = 0s", "write for example 26h").value(),
    ]);
}

#[test]
fn a_channel_on_another_container_is_told_once_with_its_label() {
    let labels = [("watchbell.notify.ops.type", "slack"), ("watchbell.notify.ops.url", SECRET)];
    let origin = "container web (label watchbell.notify.ops.type)";
    let setting = Input::labels(&[("watchbell.notify", "ops")]);
    let slip = Case::new(
        "a setting",
        setting,
        "container web (label watchbell.notify)",
        "is never taken from another",
    );
    check_all([
        Case::new("a channel", Input::labels(&labels), origin, "write [notify \"name\"] in the file"),
        slip,
    ]);
}

#[test]
fn a_wrong_variable_of_a_channel_is_told_once_with_its_name() {
    let variables = |of: &[(&str, &str)], wrong: &str, what: &'static str, reason: &'static str| {
        let of: Vec<(&str, &[u8])> = of.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
        Case::new(what, Input::environment(&of), format!("environment {wrong}"), reason)
    };
    let (kind, url) = ("WATCHBELL_NOTIFY_OPS_TYPE", "WATCHBELL_NOTIFY_OPS_URL");
    check_all([
        variables(
            &[("WATCHBELL_NOTIFY_OPS_ULR", SECRET)],
            "WATCHBELL_NOTIFY_OPS_ULR",
            "a key",
            "did you mean \"WATCHBELL_NOTIFY_OPS_URL\"?",
        ),
        variables(&[(url, SECRET)], url, "no type", "set WATCHBELL_NOTIFY_OPS_TYPE"),
        variables(&[(kind, "slack")], kind, "no address", "set WATCHBELL_NOTIFY_OPS_URL"),
        variables(
            &[(kind, "slak"), (url, "https://x")],
            kind,
            "a slip in the type",
            "did you mean \"slack\"?",
        ),
        variables(&[(kind, "slack"), (url, SECRET)], url, "no address of HTTP", "write https://"),
        variables(
            &[(kind, "slack"), ("WATCHBELL_NOTIFY_OPS_URL_FILE", "/nowhere")],
            "WATCHBELL_NOTIFY_OPS_URL_FILE",
            "a file",
            "cannot be read",
        ),
        variables(
            &[("WATCHBEL_NOTIFY_OPS_URL", SECRET)],
            "WATCHBEL_NOTIFY_OPS_URL",
            "a prefix",
            "did you mean \"WATCHBELL_NOTIFY_OPS_URL\"?",
        )
        .warning(),
    ]);
}
