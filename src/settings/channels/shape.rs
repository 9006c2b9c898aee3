//! The shapes in which a channel's value can be written, and the one text that each of them becomes.
//!
//! No reason repeats a text, an address or a header: they may be secrets.

use std::sync::Arc;

use crate::{
    model::{
        channel::{ChannelKind, Value},
        notification::Causes,
    },
    notify::template,
    settings::{access, layer::Text, notify, value},
};

/// What can be written as a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// The type of the channel.
    Kind,
    /// Of what it is told.
    Causes,
    /// A text.
    Text,
    /// An address of HTTP.
    Url,
    /// A host's name or address.
    Host,
    /// A number from this to that.
    Number(i64, i64),
    /// One of these words.
    Choice(&'static [&'static str]),
    /// Words, also by comma.
    Words,
    /// `Name: value`, one or several.
    Headers,
    /// Numbers of HTTP, also by comma.
    Statuses,
    /// A mail address.
    Address,
    /// Mail addresses, also by comma.
    Addresses,
    /// An absolute path.
    Path,
    /// A length of time.
    Duration,
    /// A time of day.
    Moment,
    /// A number of bytes.
    Size,
    /// A number of runs, a length of time, or both.
    Retention,
    /// A template.
    Template,
    /// Shell words or a JSON array.
    Command,
    /// Permissions of a file.
    Mode,
}

/// The longest that one try may take: what waits behind it waits as long.
const TIMEOUT_LIMIT: u64 = 600;

/// More than this is attached to no mail: few servers take it.
const ATTACH_LIMIT: u64 = 16 << 20;

impl Shape {
    /// The shape in the words of the documentation.
    pub fn words(self) -> String {
        match self {
            Self::Kind => code(&ChannelKind::NAMES.map(|(word, _)| word)),
            Self::Causes => "list of words, also by comma".into(),
            Self::Text => "text".into(),
            Self::Url => "`http://` or `https://` address".into(),
            Self::Host => "host name".into(),
            Self::Number(least, i64::MAX) => format!("number from {least}"),
            Self::Number(least, most) => format!("number from {least} to {most}"),
            Self::Choice(words) => code(words),
            Self::Words => "list, also by comma".into(),
            Self::Headers => "list of `Name: value`".into(),
            Self::Statuses => "list of numbers from 100 to 599, also by comma".into(),
            Self::Address => "mail address".into(),
            Self::Addresses => "list of mail addresses, also by comma".into(),
            Self::Path => "absolute path".into(),
            Self::Duration => "duration up to 10m".into(),
            Self::Moment => "`HH:MM`, or `none`".into(),
            Self::Size => "size such as `64KiB`, up to 16MiB".into(),
            Self::Retention => "`N runs`, a duration, or both; `none`".into(),
            Self::Template => "template".into(),
            Self::Command => "command".into(),
            Self::Mode => "octal number".into(),
        }
    }

    /// Whether several items can be written, by indexed keys or repeated keys.
    pub fn is_list(self) -> bool {
        matches!(self, Self::Causes | Self::Words | Self::Headers | Self::Statuses | Self::Addresses)
    }

    /// The value in its one form; `None` is as if it were not written.
    pub fn read(self, text: &Text) -> Result<Option<Value>, String> {
        let single = || value::single(text);
        let one = |text: String| Ok(Some(Value::One(text.into())));
        match self {
            Self::Kind => {
                one(value::choice(&single()?, &ChannelKind::NAMES.map(|(word, _)| word))?.to_owned())
            }
            Self::Causes => Ok(Some(list(notify::causes(text)?.words()))),
            Self::Text => one(value::text(&single()?)?),
            Self::Url => one(url(&single()?)?),
            Self::Host => one(host(&single()?)?),
            Self::Number(least, most) => one(number(&single()?, least, most)?.to_string()),
            Self::Choice(words) => one(choice(&single()?, words)?.to_owned()),
            Self::Words => items(text, value::text),
            Self::Headers => headers(text),
            Self::Statuses => items(text, |it| number(it, 100, 599).map(|it| it.to_string())),
            Self::Address => one(address(&single()?)?),
            Self::Addresses => items(text, address),
            Self::Path => one(path(&single()?)?),
            Self::Duration => one(timeout(&single()?)?),
            Self::Moment => moment(&single()?).map(|it| it.map(|it| Value::One(it.into()))),
            Self::Size => one(attach(&single()?)?.to_string()),
            Self::Retention => one(value::retention(&single()?)?.to_string()),
            Self::Template => {
                let text = single()?;
                template::check(&text)?;
                Ok(Some(Value::One(text)))
            }
            Self::Command => Ok(Some(list(value::command(&single()?, None)?.argv))),
            Self::Mode => one(mode(&single()?)?),
        }
    }
}

fn code(words: &[&str]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

fn list(items: Vec<impl Into<Arc<str>>>) -> Value {
    Value::List(items.into_iter().map(Into::into).collect())
}

/// A list of which commas part items as well, unless it is a JSON array.
fn items(text: &Text, read: impl Fn(&str) -> Result<String, String>) -> Result<Option<Value>, String> {
    let whole = matches!(text, Text::One(it) if it.trim_start().starts_with('['));
    let all = value::list(text)?;
    let parts = all.iter().flat_map(|it| it.split(move |c| c == ',' && !whole));
    let parts = parts.map(str::trim).filter(|it| !it.is_empty());
    match parts.map(read).collect::<Result<Vec<String>, String>>()? {
        items if items.is_empty() => Err("the list is empty: write an item, or remove it".to_owned()),
        items => Ok(Some(list(items))),
    }
}

/// As the word is written in the table, in whatever letters it came.
fn choice(text: &str, words: &[&'static str]) -> Result<&'static str, String> {
    let known = words.iter().copied().find(|it| it.eq_ignore_ascii_case(text.trim()));
    known.map_or_else(|| value::choice(text, words), Ok)
}

fn number(text: &str, least: i64, most: i64) -> Result<i64, String> {
    let text = text.trim();
    let read = text.parse().ok().filter(|it| (least..=most).contains(it));
    read.ok_or_else(|| match most {
        i64::MAX => format!("\"{text}\" is no number from {least}: write for example {least}"),
        _ => format!("\"{text}\" is no number from {least} to {most}: write for example {most}"),
    })
}

fn url(text: &str) -> Result<String, String> {
    let text = value::text(text)?;
    let wrong = "it is no address of HTTP: write https://, then the host, and no blank";
    let (scheme, rest) = text.split_once("://").ok_or(wrong)?;
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') {
        return Err("it has a user or a password before its host: take them out, and use the keys for that, user and \
                    password, token or header"
            .to_owned());
    }
    let scheme = scheme.to_ascii_lowercase();
    if !matches!(&*scheme, "http" | "https") || !access::is_authority(authority) || text.contains(' ') {
        return Err(wrong.to_owned());
    }
    Ok(format!("{scheme}://{rest}"))
}

fn host(text: &str) -> Result<String, String> {
    let text = value::text(text)?;
    if text.parse::<core::net::IpAddr>().is_ok()
        || (access::is_authority(&text) && !text.contains([':', '[']))
    {
        return Ok(text);
    }
    Err(format!("\"{text}\" is no name of a host: write for example smtp.example.org, and the port as port"))
}

fn address(text: &str) -> Result<String, String> {
    let text = value::text(text)?;
    let bare = match text.split_once('<') {
        Some((_, rest)) => rest.strip_suffix('>').unwrap_or_default(),
        None => &text,
    };
    let is_one = bare.split_once('@').is_some_and(|(user, host)| {
        !user.is_empty()
            && !host.is_empty()
            && !host.contains('@')
            && !bare.contains([' ', '<', '>', ',', ';'])
    });
    if is_one {
        Ok(text)
    } else {
        Err(format!("\"{text}\" is no mail address: write for example ops@example.org"))
    }
}

fn headers(text: &Text) -> Result<Option<Value>, String> {
    let wrong = "a value that begins with \"[\" must be a JSON array of texts, such as [\"X-Team: ops\"]";
    let all = value::list(text).map_err(|_| wrong.to_owned())?;
    let read = |(index, item): (usize, &String)| {
        let mend = format!("item {} is no header: write Name: value", index + 1);
        let (name, value) = item.split_once(':').ok_or_else(|| mend.clone())?;
        let (name, value) = (name.trim(), value.trim());
        let is_name = |c: u8| c.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&c);
        if name.is_empty() || !name.bytes().all(is_name) || !value.bytes().all(|c| (b' '..=b'~').contains(&c))
        {
            return Err(mend);
        }
        Ok(format!("{name}: {value}"))
    };
    let headers = all.iter().enumerate().map(read).collect::<Result<Vec<String>, String>>()?;
    if headers.is_empty() {
        Err("the list is empty: write Name: value, or remove it".to_owned())
    } else {
        Ok(Some(list(headers)))
    }
}

fn path(text: &str) -> Result<String, String> {
    match value::text(text)? {
        text if text.starts_with('/') => Ok(text),
        text => Err(format!("\"{text}\" is no absolute path: begin it with /")),
    }
}

fn timeout(text: &str) -> Result<String, String> {
    let length = value::duration(text)?;
    if length.is_zero() || length.as_secs() > TIMEOUT_LIMIT {
        return Err(format!("\"{}\" is not more than 0 and up to 10m: write for example 30s", text.trim()));
    }
    Ok(humantime::format_duration(length).to_string())
}

fn moment(text: &str) -> Result<Option<String>, String> {
    let text = text.trim();
    if text.eq_ignore_ascii_case("none") {
        return Ok(None);
    }
    let part = |text: &str, most: u8| {
        let digits = matches!(text.len(), 1 | 2) && text.bytes().all(|it| it.is_ascii_digit());
        text.parse().ok().filter(|it: &u8| digits && *it <= most)
    };
    let read = text.split_once(':').and_then(|(hour, minute)| {
        let minute = part(minute, 59).filter(|_| minute.len() == 2)?;
        Some(format!("{:02}:{minute:02}", part(hour, 23)?))
    });
    read.map(Some).ok_or_else(|| format!("\"{text}\" is no time of day: write for example 07:30, or none"))
}

fn attach(text: &str) -> Result<u64, String> {
    match value::size(text)? {
        size if size > ATTACH_LIMIT => {
            Err(format!("\"{}\" is more than 16MiB, the most that is attached to a mail", text.trim()))
        }
        size => Ok(size),
    }
}

fn mode(text: &str) -> Result<String, String> {
    let text = text.trim();
    let digits = matches!(text.len(), 3 | 4) && text.bytes().all(|it| (b'0'..=b'7').contains(&it));
    let read = u32::from_str_radix(text, 8).ok().filter(|it| digits && *it <= 0o777 && it & 0o200 != 0);
    read.map(|it| format!("{it:04o}")).ok_or_else(|| {
        format!("\"{text}\" are no permissions with which the agent could write: write for example 0640")
    })
}

/// Reads `notify-on` of a channel, once it is known to be right.
pub(super) fn causes(value: &Value) -> Option<Causes> {
    let Value::List(words) = value else { return None };
    notify::causes(&Text::Items(words.clone())).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(shape: Shape, text: &str) -> Result<String, String> {
        shape.read(&Text::One(text.into())).map(|it| match it {
            Some(Value::One(it)) => it.to_string(),
            Some(Value::List(items)) => items.join("|"),
            None => "none".to_owned(),
        })
    }

    #[test]
    fn each_value_has_one_form_however_it_was_written() {
        for (shape, written, meant) in [
            (Shape::Kind, "Slack", "slack"),
            (Shape::Url, "HTTPS://hooks.example.org/a?b=c", "https://hooks.example.org/a?b=c"),
            (Shape::Url, "http://[::1]:8080", "http://[::1]:8080"),
            (Shape::Host, "smtp.example.org", "smtp.example.org"),
            (Shape::Host, "::1", "::1"),
            (Shape::Number(-2, 2), " -2 ", "-2"),
            (Shape::Choice(&["GET", "POST"]), "post", "POST"),
            (Shape::Words, "a, b\nc", "a|b|c"),
            (Shape::Words, "[\"a,b\"]", "a,b"),
            (Shape::Headers, "X-Team:  ops\nX-B: a, b", "X-Team: ops|X-B: a, b"),
            (Shape::Statuses, "200, 204", "200|204"),
            (Shape::Address, "Ada <ada@example.org>", "Ada <ada@example.org>"),
            (Shape::Addresses, "a@b.org, c@d.org", "a@b.org|c@d.org"),
            (Shape::Path, "/var/lib/x", "/var/lib/x"),
            (Shape::Duration, "1m30s", "1m 30s"),
            (Shape::Moment, "7:05", "07:05"),
            (Shape::Moment, "None", "none"),
            (Shape::Size, "64KiB", "65536"),
            (Shape::Retention, "30 days,100 runs", "100 runs, 30days"),
            (Shape::Template, "{{ job }} {% if run %}b{% endif %}", "{{ job }} {% if run %}b{% endif %}"),
            (Shape::Command, "mail -s 'a b'", "mail|-s|a b"),
            (Shape::Mode, "640", "0640"),
            (Shape::Causes, "Timeout, failure", "failure|timeout"),
            (Shape::Causes, "none", "none"),
        ] {
            assert_eq!(read(shape, written), Ok(meant.to_owned()), "{shape:?}");
        }
    }

    #[test]
    fn what_is_wrong_is_told_with_the_mend_and_without_a_secret() {
        for (shape, written, part) in [
            (Shape::Kind, "slak", "did you mean \"slack\"?"),
            (Shape::Url, "hunter2", "write https://"),
            (Shape::Url, "ftp://hunter2", "write https://"),
            (Shape::Url, "https://", "write https://"),
            (Shape::Url, "https:///hunter2", "write https://"),
            (Shape::Url, "https://a b/hunter2", "write https://"),
            (Shape::Url, "https://host:x/hunter2", "write https://"),
            (Shape::Url, "https://user:hunter2@host/x", "user and password"),
            (Shape::Text, "hunter2\u{1b}", "control character"),
            (Shape::Text, "  ", "the value is empty"),
            (Shape::Headers, "hunter2", "item 1 is no header: write Name: value"),
            (Shape::Headers, "X: a\nX Y: hunter2", "item 2 is no header"),
            (Shape::Headers, "[hunter2", "JSON array"),
            (Shape::Host, "smtp.example.org:25", "the port as port"),
            (Shape::Number(1, 5), "6", "from 1 to 5"),
            (Shape::Number(1, i64::MAX), "x", "no number from 1: write"),
            (Shape::Choice(&["P1", "P2"]), "P9", "none of P1, P2"),
            (Shape::Words, ",", "the list is empty"),
            (Shape::Statuses, "200, 99", "\"99\" is no number from 100"),
            (Shape::Address, "ops", "is no mail address"),
            (Shape::Addresses, "a@b, Doe, Jane <j@x>", "\"Doe\" is no mail address"),
            (Shape::Path, "x/y", "begin it with /"),
            (Shape::Duration, "0s", "write for example 30s"),
            (Shape::Duration, "30", "has no unit"),
            (Shape::Moment, "24:00", "write for example 07:30"),
            (Shape::Moment, "7:5", "no time of day"),
            (Shape::Size, "1GiB", "more than 16MiB"),
            (Shape::Template, "{{ job", "mend its syntax"),
            (Shape::Template, "{{ jbo }}", "did you mean \"job\"?"),
            (Shape::Template, "{% if false %}{{ run.exitcode }}{% endif %}", "did you mean \"exit_code\"?"),
            (Shape::Template, "{{ run.duration_seconds | upper }}", "upper takes a text"),
            (Shape::Command, "a 'b", "quote that is not closed"),
            (Shape::Mode, "0400", "write for example 0640"),
            (Shape::Mode, "rw", "write for example 0640"),
            (Shape::Causes, "falure", "did you mean \"failure\"?"),
        ] {
            let reason = read(shape, written).unwrap_err();
            assert!(reason.contains(part) && !reason.contains("hunter2"), "{shape:?} {written}: {reason}");
        }
    }
}
