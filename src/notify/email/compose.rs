//! A message as a mail.

use std::fmt::Write;

use jiff::tz::TimeZone;
use ring::digest::{SHA256, digest};

use super::mime::{addresses, attachment, boundary, header, multipart, text};
use crate::{
    model::mailbox::Mailbox,
    notify::{
        message::{Message, Severity},
        output::Output,
    },
};

/// Whose name stands on a mail. Who gets it unseen is on the envelope alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// Who sends it.
    pub from: Mailbox,
    /// For whom it is.
    pub to: Vec<Mailbox>,
    /// Who is to know of it.
    pub cc: Vec<Mailbox>,
}

/// Writes the mail. The same message always has the same `Message-ID`, and those of one thread refer to the same one, so
/// that programs show a recovery below its failure.
pub fn compose(names: &Names, message: &Message, output: &Output, note: &str) -> Vec<u8> {
    let id = digested(&message.key);
    let domain = names.from.domain();
    let thread = format!("<{}@{domain}>", digested(&message.thread));
    let at = message.at.to_zoned(TimeZone::UTC).strftime("%a, %d %b %Y %H:%M:%S +0000").to_string();
    let mut head = [
        addresses("From", std::slice::from_ref(&names.from)),
        addresses("To", &names.to),
        addresses("Cc", &names.cc),
        header("Subject", &message.title),
        header("Date", &at),
        // Too long for a line or not, these are never encoded.
        format!("Message-ID: <{id}@{domain}>\r\n"),
        format!("In-Reply-To: {thread}\r\nReferences: {thread}\r\n"),
        header("X-Watchbell-Key", &message.key),
        header("Auto-Submitted", "auto-generated"),
        header("MIME-Version", "1.0"),
    ]
    .concat();
    let both = [text("plain", &plain(message, note)), text("html", &html(message, note))];
    let both = multipart("alternative", &boundary("both", &id), &both);
    let files = [("stdout.txt", &output.stdout), ("stderr.txt", &output.stderr)];
    let mut parts = vec![both];
    parts.extend(files.iter().filter(|(_, it)| !it.is_empty()).map(|(name, it)| attachment(name, it)));
    match &parts[..] {
        [only] => head.push_str(only),
        several => head.push_str(&multipart("mixed", &boundary("all", &id), several)),
    }
    head.into_bytes()
}

/// What of the output is attached, and what is not.
pub fn note(output: &Output) -> String {
    let streams = [
        ("stdout.txt", output.stdout.len(), output.stdout_dropped),
        ("stderr.txt", output.stderr.len(), output.stderr_dropped),
    ];
    let cut = streams.into_iter().filter(|(_, length, dropped)| *length > 0 && *dropped > 0);
    let lines: Vec<_> = cut
        .map(|(name, length, dropped)| {
            format!("{name} is the end of it: {length} bytes, without {dropped} before")
        })
        .collect();
    lines.join("\n")
}

/// In 128 bits, which is enough for nobody to meet another's.
fn digested(key: &str) -> String {
    let mut out = String::new();
    for byte in &digest(&SHA256, key.as_bytes()).as_ref()[..16] {
        let _ = write!(out, "{byte:02x}");
    }
    out
}

fn plain(message: &Message, note: &str) -> String {
    let Message { title, text, tail, link, .. } = message;
    let link = link.as_deref().unwrap_or_default();
    let parts = [title, text, tail, note, link].map(str::trim_end);
    parts.into_iter().filter(|it| !it.is_empty()).collect::<Vec<_>>().join("\n\n")
}

fn html(message: &Message, note: &str) -> String {
    let colour = match message.severity {
        Severity::Bad => "#b42318",
        Severity::Odd => "#b54708",
        Severity::Good => "#067647",
    };
    let mut out = format!(
        "<!DOCTYPE html>\n<html><body style=\"font-family:sans-serif;font-size:14px\">\n<h2 style=\"font-size:18px;\
         border-left:4px solid {colour};padding-left:8px\">{}</h2>\n",
        Escaped(&message.title)
    );
    if !message.text.trim().is_empty() {
        let _ = writeln!(out, "<p style=\"white-space:pre-wrap\">{}</p>", Escaped(message.text.trim_end()));
    }
    if !message.facts.is_empty() {
        out.push_str("<table style=\"border-collapse:collapse\">\n");
        for (name, value) in &message.facts {
            let _ = writeln!(
                out,
                "<tr><td style=\"padding:2px 12px 2px 0;color:#667085\">{}</td><td style=\"padding:2px 0\">{}</td></tr>",
                Escaped(name),
                Escaped(value)
            );
        }
        out.push_str("</table>\n");
    }
    if !message.tail.is_empty() {
        let _ = writeln!(
            out,
            "<pre style=\"background:#f2f4f7;padding:8px;white-space:pre-wrap\">{}</pre>",
            Escaped(message.tail.trim_end())
        );
    }
    if !note.is_empty() {
        let _ = writeln!(out, "<p style=\"white-space:pre-wrap\">{}</p>", Escaped(note));
    }
    if let Some(link) = &message.link {
        let _ = writeln!(out, "<p><a href=\"{0}\">{0}</a></p>", Escaped(link));
    }
    out + "</body></html>\n"
}

/// Text in HTML, also between quotes.
struct Escaped<'a>(&'a str);

impl std::fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.chars().try_for_each(|c| match c {
            '&' => f.write_str("&amp;"),
            '<' => f.write_str("&lt;"),
            '>' => f.write_str("&gt;"),
            '"' => f.write_str("&quot;"),
            '\'' => f.write_str("&#39;"),
            c => f.write_char(c),
        })
    }
}
