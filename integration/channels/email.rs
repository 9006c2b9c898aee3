//! Mail, to a server that reads it as strictly as the protocol asks for.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use mail_parser::{Address, MessageParser, MimeHeaders};
use tempfile::TempDir;
use watchbell::{
    model::channel::{Channel, ChannelKind},
    notify::{
        email::{Reached, deliver},
        message::Message,
        output::{Output, wants_output},
        trouble::Trouble,
    },
};

use super::{CANARY, channel, message};
use crate::support::{
    certificates::{self, Authority},
    smtp::{Mail, Rules, Smtp},
};

const LOGINS: &[&str] = &["AUTH PLAIN LOGIN"];

/// A folder with whom to believe, and what a server called `localhost` shows.
struct Signed {
    folder: TempDir,
    authority: Authority,
}

impl Signed {
    fn new() -> Self {
        let (folder, authority) = (TempDir::new().unwrap(), Authority::new());
        certificates::put(folder.path(), &authority, None);
        Self { folder, authority }
    }

    fn starttls(&self, name: &str) -> Rules {
        Rules {
            certified: Some(self.authority.certify(&[name])),
            abilities: (vec!["STARTTLS"], LOGINS.to_vec()),
            login: Some(("ops", CANARY)),
            ..Rules::default()
        }
    }

    fn channel(&self, server: &Smtp, further: &[(&'static str, &str)]) -> Channel {
        let (port, ca) = (server.address.port().to_string(), self.folder.path().join("ca.pem"));
        let ca = ca.display().to_string();
        let mut values = vec![
            ("server", "localhost"),
            ("port", &*port),
            ("ca-file", &*ca),
            ("from", "Watchbell, \u{f6}ps <bell@example.com>"),
            ("to", "[Ops <ops@example.org>|dev@example.org]"),
            ("user", "ops"),
            ("password", CANARY),
            ("timeout", "20s"),
        ];
        values.retain(|(key, _)| !further.iter().any(|(it, _)| it == key));
        values.extend(further);
        values.retain(|(_, value)| !value.is_empty());
        channel(ChannelKind::Email, &values)
    }
}

async fn send(channel: &Channel) -> Result<(), Trouble> {
    send_with(channel, &message(), &Output::default()).await
}

/// Whatever goes wrong is told in one line and without the password, in whatever shape.
async fn send_with(channel: &Channel, message: &Message, output: &Output) -> Result<(), Trouble> {
    let sent = deliver(channel, message, output, &mut Reached::default()).await;
    let told = format!("{sent:?} {channel:?}");
    for shape in [CANARY.to_owned(), BASE64.encode(CANARY), BASE64.encode(format!("\0ops\0{CANARY}"))] {
        assert!(!told.contains(&shape), "{told}");
    }
    if let Err(trouble) = &sent {
        assert!(!trouble.reason.contains(char::is_control), "{trouble:?}");
        assert!(
            trouble.reason.contains(": ") && trouble.reason.starts_with(char::is_alphanumeric),
            "{trouble:?}"
        );
    }
    sent
}

fn only(server: &Smtp) -> Mail {
    let [mail] = &server.mails()[..] else { panic!("{:?}", server.mails()) };
    mail.clone()
}

#[tokio::test]
async fn a_mail_goes_over_starttls_and_everything_in_it_arrives_as_it_was() {
    let signed = Signed::new();
    let server = Smtp::new(signed.starttls("localhost")).await;
    let further =
        [("cc", "boss@example.org"), ("bcc", "[audit@example.org|ops@example.org]"), ("attach", "65536")];
    let channel = signed.channel(&server, &further);
    assert_eq!(wants_output(&channel), Some(65_536));
    let stderr = [&b"\xff\0\r\n.\r\nQUIT\r\n"[..], &[b'x'; 5000]].concat();
    let output = Output {
        stdout: ".\n\u{1f514} <b>".into(),
        stderr: stderr.clone(),
        stdout_dropped: 0,
        stderr_dropped: 7,
    };
    let sent = message();
    send_with(&channel, &sent, &output).await.unwrap();

    let mail = only(&server);
    assert_eq!(mail.from, "bell@example.com");
    assert_eq!(mail.to, ["ops@example.org", "dev@example.org", "boss@example.org", "audit@example.org"]);
    assert_eq!((mail.protected, mail.user.as_deref()), (true, Some("ops")));
    assert!(mail.data.is_ascii());
    let clear = server.in_clear();
    assert_eq!(clear, ["EHLO [127.0.0.1]", "STARTTLS"], "nothing else was said in clear");

    let read = MessageParser::default().parse(&mail.data).unwrap();
    assert_eq!(read.subject(), Some(&*sent.title.replace("\r\n", "  ")));
    let first = |it: Option<&Address>| {
        let it = it.unwrap().first().unwrap().clone();
        (it.name.unwrap_or_default().into_owned(), it.address.unwrap().into_owned())
    };
    assert_eq!(first(read.from()), ("Watchbell, \u{f6}ps".to_owned(), "bell@example.com".to_owned()));
    assert_eq!(first(read.to()), ("Ops".to_owned(), "ops@example.org".to_owned()));
    assert_eq!(read.to().unwrap().iter().count(), 2);
    assert_eq!(first(read.cc()).1, "boss@example.org");
    assert!(
        read.bcc().is_none() && !String::from_utf8_lossy(&mail.data).contains("audit@"),
        "unseen by the others"
    );
    assert_eq!(read.date().unwrap().to_rfc3339(), "2026-11-30T03:00:05Z");
    assert_eq!(read.header_raw("X-Watchbell-Key").unwrap().trim(), &*sent.key);
    assert_eq!(read.header_raw("Auto-Submitted").unwrap().trim(), "auto-generated");

    let text = read.body_text(0).unwrap().replace("\r\n", "\n");
    let tail = sent.tail.replace('\0', "\u{fffd}");
    assert!(text.contains(&sent.text) && text.contains(tail.trim_end()), "{text}");
    assert!(text.contains(sent.link.as_ref().unwrap()), "{text}");
    assert!(text.contains("stderr.txt is the end of it: 5013 bytes, without 7 before"), "{text}");
    let html = read.body_html(0).unwrap().into_owned();
    for escaped in [
        "&lt;b&gt;twice&lt;/b&gt; &amp; failed",
        "&lt;/pre&gt;&lt;script&gt;alert(&#39;x&#39;)",
        "3 &lt;not&gt; 4",
    ] {
        assert!(html.contains(escaped), "{html}");
    }
    assert!(!html.contains("<script") && !html.contains("<b>"), "{html}");
    let files: Vec<_> =
        read.attachments().map(|it| (it.attachment_name().unwrap(), it.contents().to_vec())).collect();
    assert_eq!(files, [("stdout.txt", output.stdout), ("stderr.txt", stderr)]);
}

#[tokio::test]
async fn the_same_message_has_the_same_id_and_a_recovery_is_in_the_thread_of_its_failure() {
    let signed = Signed::new();
    let server = Smtp::new(signed.starttls("localhost")).await;
    let channel = signed.channel(&server, &[]);
    let recovery = Message { key: "other\r\nBcc: evil@example.com".into(), ..message() };
    for sent in [&message(), &message(), &recovery] {
        send_with(&channel, sent, &Output::default()).await.unwrap();
    }
    let mails = server.mails();
    let read = mails.iter().map(|it| MessageParser::default().parse(&it.data).unwrap()).collect::<Vec<_>>();
    let ids: Vec<_> = read.iter().map(|it| it.message_id().unwrap()).collect();
    assert_eq!(ids[0], ids[1]);
    assert_ne!(ids[0], ids[2]);
    assert!(ids[0].ends_with("@example.com"), "{ids:?}");
    let thread = read[0].references().as_text().unwrap();
    assert!(
        thread.ends_with("@example.com") && read.iter().all(|it| it.references().as_text() == Some(thread))
    );
    assert!(read.iter().all(|it| it.bcc().is_none()));
}

#[tokio::test]
async fn without_starttls_nothing_is_sent_in_clear_and_the_mend_is_told() {
    let signed = Signed::new();
    let nothing = Rules { abilities: (LOGINS.to_vec(), LOGINS.to_vec()), ..Rules::default() };
    let server = Smtp::new(nothing).await;
    let channel = signed.channel(&server, &[]);
    let trouble = send(&channel).await.unwrap_err();
    assert!(trouble.reason.contains("offers no STARTTLS, and nothing was sent in clear"), "{trouble}");
    assert!(trouble.reason.contains("tls=implicit") && trouble.again, "{trouble:?}");
    assert_eq!(server.in_clear(), ["EHLO [127.0.0.1]", "QUIT"]);

    for answer in ["454 TLS not available", "502 no", "250 OK"] {
        server.behaves(Rules { answers: vec![("STARTTLS", answer)], ..signed.starttls("localhost") });
        let trouble = send(&channel).await.unwrap_err();
        assert!(trouble.reason.contains("refused STARTTLS") && trouble.again, "{trouble:?}");
        assert!(trouble.reason.contains("nothing was sent in clear"), "{trouble:?}");
    }
    let injected = "220 go ahead\r\n250-mail.example.com\r\n250 AUTH PLAIN";
    server.behaves(Rules { answers: vec![("STARTTLS", injected)], ..signed.starttls("localhost") });
    let trouble = send(&channel).await.unwrap_err();
    assert!(trouble.reason.contains("said more in clear after it agreed to TLS"), "{trouble}");
    assert!(trouble.again);
    let heard = server.in_clear();
    assert!(heard.iter().all(|it| it.starts_with("EHLO") || it == "STARTTLS" || it == "QUIT"), "{heard:?}");
    assert_eq!((server.mails(), server.protected()), (vec![], vec![]));
}

#[tokio::test]
async fn a_certificate_that_is_not_believed_is_told_by_the_servers_name_and_nothing_is_sent() {
    let (signed, others) = (Signed::new(), Signed::new());
    let server = Smtp::new(signed.starttls("mail.elsewhere.example")).await;
    for tls in ["starttls", "implicit"] {
        let behaving = |rules: Rules| Rules { implicit: tls == "implicit", ..rules };
        server.behaves(behaving(signed.starttls("mail.elsewhere.example")));
        let channel = signed.channel(&server, &[("tls", tls)]);
        let trouble = send(&channel).await.unwrap_err();
        assert!(trouble.reason.contains("a certificate that is not believed for localhost"), "{trouble}");
        assert!(trouble.reason.contains("mail.elsewhere.example") && trouble.again, "{trouble:?}");
        server.behaves(behaving(others.starttls("localhost")));
        let trouble = send(&channel).await.unwrap_err();
        assert!(trouble.reason.contains("a certificate that is not believed for localhost"), "{trouble}");
        assert!(trouble.reason.contains("ca-file") && trouble.again, "{trouble:?}");
    }
    assert_eq!((server.mails(), server.protected()), (vec![], vec![]));
    let missing = signed.channel(&server, &[("ca-file", "/nowhere/ca.pem")]);
    let trouble = send(&missing).await.unwrap_err();
    assert!(trouble.reason.contains("/nowhere/ca.pem") && trouble.again, "{trouble:?}");
}

#[tokio::test]
async fn implicit_tls_begins_with_the_first_byte_and_none_is_only_what_is_written() {
    let signed = Signed::new();
    let server = Smtp::new(Rules { implicit: true, ..signed.starttls("localhost") }).await;
    send(&signed.channel(&server, &[("tls", "implicit")])).await.unwrap();
    assert_eq!(server.in_clear(), Vec::<String>::new());
    // A server that speaks first in clear is none for implicit TLS.
    server.behaves(signed.starttls("localhost"));
    let trouble = send(&signed.channel(&server, &[("tls", "implicit")])).await.unwrap_err();
    assert!(trouble.reason.contains("began no TLS, and nothing was sent") && trouble.again, "{trouble:?}");

    server.behaves(Rules {
        abilities: (vec!["AUTH LOGIN"], vec![]),
        login: Some(("ops", CANARY)),
        ..Rules::default()
    });
    send(&signed.channel(&server, &[("tls", "none")])).await.unwrap();
    let mails = server.mails();
    assert_eq!(mails.iter().map(|it| it.protected).collect::<Vec<_>>(), [true, false]);
    assert!(mails.iter().all(|it| it.user.as_deref() == Some("ops")), "PLAIN and LOGIN");
}

#[tokio::test]
async fn a_refused_login_can_be_mended_and_shows_nothing_of_it() {
    let signed = Signed::new();
    let server = Smtp::new(signed.starttls("localhost")).await;
    let trouble = send(&signed.channel(&server, &[("user", "nobody")])).await.unwrap_err();
    assert!(trouble.reason.ends_with("refused the login (535): check user and password"), "{trouble}");
    assert!(trouble.again);
    // A server that repeats what it was sent, at the login and after it.
    let repeated =
        Box::leak(format!("535 not {CANARY} {}", BASE64.encode(format!("\0ops\0{CANARY}"))).into_boxed_str());
    server.behaves(Rules { answers: vec![("AUTH", repeated)], ..signed.starttls("localhost") });
    assert!(send(&signed.channel(&server, &[])).await.unwrap_err().again);
    let repeated = "550 not with hunter2";
    server.behaves(Rules { answers: vec![("MAIL", repeated)], ..signed.starttls("localhost") });
    let trouble = send(&signed.channel(&server, &[])).await.unwrap_err();
    assert!(
        trouble.reason.contains("refused the sender bell@example.com (550)") && !trouble.again,
        "{trouble:?}"
    );

    server.behaves(signed.starttls("localhost"));
    let trouble = send(&signed.channel(&server, &[("user", ""), ("password", "")])).await.unwrap_err();
    assert!(trouble.reason.contains("530 5.7.0 log in first") && trouble.again, "{trouble:?}");
    for (offered, told) in
        [(vec![], "offers no login here"), (vec!["AUTH XOAUTH2"], "the logins XOAUTH2 and neither")]
    {
        server.behaves(Rules { abilities: (vec!["STARTTLS"], offered), ..signed.starttls("localhost") });
        let trouble = send(&signed.channel(&server, &[])).await.unwrap_err();
        assert!(trouble.reason.contains(told) && trouble.again, "{trouble:?}");
    }
    assert_eq!(server.mails(), []);
}

#[tokio::test]
async fn what_passes_is_tried_again_and_what_does_not_is_not() {
    let signed = Signed::new();
    let server = Smtp::new(signed.starttls("localhost")).await;
    let channel = signed.channel(&server, &[]);
    for (line, answer, again) in [
        (" ", "421 too busy", true),
        (" ", "554-not\r\n554 from you\u{1b}[31m", false),
        ("EHLO", "421 closing", true),
        ("MAIL", "451 4.3.0 later", true),
        ("MAIL", "550 5.7.1 not from you", false),
        ("RCPT", "450 4.2.1 busy", true),
        ("RCPT", "550 5.1.1 nobody here", false),
        ("DATA", "451 no room", true),
        (".", "452 4.3.1 full", true),
        (".", "554 5.6.0 it is spam", false),
    ] {
        server.behaves(Rules { answers: vec![(line, answer)], ..signed.starttls("localhost") });
        let trouble = send(&channel).await.unwrap_err();
        assert_eq!(trouble.again, again, "{line} {answer}: {trouble:?}");
        assert!(trouble.reason.contains(&answer[..3]), "{trouble:?}");
    }
    assert_eq!(server.mails(), []);
}

#[tokio::test]
async fn who_is_refused_keeps_it_from_nobody_else_and_nobody_gets_it_twice() {
    let signed = Signed::new();
    let refusing =
        |answer| Rules { answers: vec![("RCPT TO:<dev@", answer)], ..signed.starttls("localhost") };
    let server = Smtp::new(refusing("450 4.2.1 the mailbox is busy")).await;
    let channel = signed.channel(&server, &[]);
    let mut reached = Reached::default();
    let (message, output) = (message(), Output::default());
    let trouble = deliver(&channel, &message, &output, &mut reached).await.unwrap_err();
    let told =
        "refused dev@example.org (450 4.2.1 the mailbox is busy), and the others have the message: check to";
    assert!(trouble.reason.contains(told) && trouble.again, "{trouble:?}");
    assert_eq!(only(&server).to, ["ops@example.org"]);
    server.behaves(signed.starttls("localhost"));
    for _ in 0..2 {
        deliver(&channel, &message, &output, &mut reached).await.unwrap();
    }
    let to: Vec<_> = server.mails().into_iter().flat_map(|it| it.to).collect();
    assert_eq!(to, ["ops@example.org", "dev@example.org"]);

    server.behaves(refusing("550 5.1.1 nobody here"));
    let trouble = send(&channel).await.unwrap_err();
    assert!(
        trouble.reason.contains("dev@example.org (550 5.1.1 nobody here)") && !trouble.again,
        "{trouble:?}"
    );
    assert_eq!(server.mails().len(), 3);
}

#[tokio::test]
async fn a_server_that_takes_less_gets_the_message_without_the_files() {
    let signed = Signed::new();
    let abilities = (vec!["STARTTLS"], vec!["SIZE 20000", "AUTH PLAIN"]);
    let server = Smtp::new(Rules { abilities, ..signed.starttls("localhost") }).await;
    let output = Output { stdout: vec![b'x'; 50_000], ..Output::default() };
    send_with(&signed.channel(&server, &[]), &message(), &output).await.unwrap();
    let mail = only(&server);
    let read = MessageParser::default().parse(&mail.data).unwrap();
    assert_eq!(read.attachment_count(), 0);
    assert!(
        read.body_text(0)
            .unwrap()
            .contains("The output is not attached: the mail server takes at most 20000")
    );
}

#[tokio::test]
async fn a_server_that_does_not_answer_or_is_none_costs_no_more_than_the_timeout() {
    let signed = Signed::new();
    let server = Smtp::new(signed.starttls("localhost")).await;
    let channel = signed.channel(&server, &[("timeout", "300ms")]);
    for line in [" ", "EHLO", "AUTH", "MAIL", "RCPT", "DATA", "."] {
        server.behaves(Rules { answers: vec![(line, "")], ..signed.starttls("localhost") });
        let sent = tokio::time::timeout(Duration::from_secs(20), send(&channel)).await;
        let trouble = sent.expect("it ends by itself").unwrap_err();
        assert!(trouble.reason.contains("did not answer in time") && trouble.again, "{line}: {trouble:?}");
    }
    let channel = signed.channel(&server, &[]);
    let endless = Box::leak("x".repeat(100_000).into_boxed_str());
    let many = Box::leak("250-more\r\n".repeat(5000).into_boxed_str());
    for (line, answer) in
        [(" ", "HTTP/1.1 400 Bad Request"), (" ", endless), ("EHLO", many), ("EHLO", "250-a\r\n550 b")]
    {
        server.behaves(Rules { answers: vec![(line, answer)], ..signed.starttls("localhost") });
        let trouble = send(&channel).await.unwrap_err();
        assert!(trouble.reason.contains("is no SMTP") && trouble.again, "{trouble:?}");
    }
    // Once the server has answered for the message, that it does not say goodbye changes nothing.
    server.behaves(Rules { answers: vec![("QUIT", "")], ..signed.starttls("localhost") });
    send(&channel).await.unwrap();
    assert_eq!(server.mails().len(), 1);
    let address = server.address.port().to_string();
    drop(server);
    let away = channel_to(&address);
    let trouble = send(&away).await.unwrap_err();
    assert!(trouble.reason.contains("cannot be reached") && trouble.again, "{trouble:?}");
}

fn channel_to(port: &str) -> Channel {
    let values = [
        ("server", "localhost"),
        ("port", port),
        ("tls", "none"),
        ("from", "a@example.com"),
        ("to", "b@example.com"),
    ];
    channel(ChannelKind::Email, &values)
}

#[tokio::test]
async fn an_address_that_is_two_lines_is_sent_to_nobody() {
    let signed = Signed::new();
    let server = Smtp::new(signed.starttls("localhost")).await;
    let evil = "a@example.com>\r\nRCPT TO:<evil@example.com";
    for key in ["from", "to", "cc", "bcc"] {
        let trouble = send(&signed.channel(&server, &[(key, evil)])).await.unwrap_err();
        assert!(trouble.reason.starts_with(&format!("{key}: ")) && !trouble.again, "{trouble:?}");
    }
    assert_eq!(server.in_clear(), Vec::<String>::new());
}
