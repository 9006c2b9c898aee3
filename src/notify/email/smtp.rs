//! What is said to a mail server (RFC 5321), one command at a time, and what it answers.

use std::{io, net::SocketAddr};

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use bytes::BytesMut;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{Duration, Instant, timeout_at},
};

use super::dots::stuffed;
use crate::{
    notify::trouble::{Trouble, said},
    outward::Stream,
};

/// A line of an answer is not longer, in bytes; the protocol allows 512.
const LINE_LIMIT: usize = 4096;

/// An answer has not more lines.
const LINES_LIMIT: usize = 100;

/// How long a server may take to say goodbye; by then it has the message.
const GOODBYE: Duration = Duration::from_secs(2);

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// What it means, by three digits.
    pub code: u16,
    /// Its lines without that.
    pub lines: Vec<String>,
}

impl Reply {
    /// It has done what it was told, or is ready for more.
    pub fn is_good(&self) -> bool {
        matches!(self.code, 200..=399)
    }

    /// It may do it another time.
    pub fn passes(&self) -> bool {
        matches!(self.code, 400..=499)
    }
}

/// What a server says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Abilities {
    /// Whether it offers TLS.
    pub starttls: bool,
    /// How one can log in.
    pub logins: Vec<String>,
    /// How many bytes a message may have; `None` is unknown.
    pub size: Option<usize>,
}

impl Abilities {
    fn read(reply: &Reply) -> Self {
        let mut it = Self::default();
        for line in reply.lines.iter().skip(1) {
            let line = line.to_ascii_uppercase();
            let mut words = line.split([' ', '=']);
            match words.next() {
                Some("STARTTLS") => it.starttls = true,
                Some("AUTH") => it.logins.extend(words.map(str::to_owned)),
                // 0 is no limit.
                Some("SIZE") => it.size = words.next().and_then(|it| it.parse().ok()).filter(|it| *it > 0),
                _ => {}
            }
        }
        it
    }
}

/// A conversation over one connection. What is secret goes through it: it shows nothing.
pub struct Session<'a> {
    stream: &'a mut dyn Stream,
    read: BytesMut,
    /// The server, as it is called in errors.
    place: String,
    deadline: Instant,
    /// What an answer may repeat and nobody may read.
    secrets: Vec<String>,
}

impl<'a> Session<'a> {
    /// Begins one that must be over by then.
    pub fn new(stream: &'a mut dyn Stream, place: &str, deadline: Instant) -> Self {
        Self { stream, read: BytesMut::new(), place: place.to_owned(), deadline, secrets: Vec::new() }
    }

    /// Waits for the server's first words.
    pub async fn greeted(&mut self) -> Result<(), Trouble> {
        let reply = self.reply("the greeting").await?;
        if reply.is_good() {
            return Ok(());
        }
        Err(self.refused(&reply, "the connection", "ask whoever runs the server why"))
    }

    /// Says who we are, by the address from which we come: it has no other name that the server could look up.
    pub async fn hello(&mut self, from: SocketAddr) -> Result<Abilities, Trouble> {
        let literal = match from {
            SocketAddr::V4(it) => format!("[{}]", it.ip()),
            SocketAddr::V6(it) => format!("[IPv6:{}]", it.ip()),
        };
        let reply = self.ask("EHLO", &format!("EHLO {literal}")).await?;
        if reply.is_good() {
            return Ok(Abilities::read(&reply));
        }
        Err(self.refused(&reply, "EHLO", "it takes no mail as of today: check server and port"))
    }

    /// Asks for TLS. Then the server waits for it on the bare connection and has said nothing else: what came before TLS
    /// anybody on the way may have written.
    pub async fn starttls(mut self) -> Result<(), Trouble> {
        let reply = self.ask("STARTTLS", "STARTTLS").await?;
        if reply.code != 220 {
            let mend =
                "nothing was sent in clear: ask whoever runs the server, or try tls=implicit with port 465";
            return Err(Trouble { again: true, ..self.refused(&reply, "STARTTLS", mend) });
        }
        if !self.read.is_empty() {
            return Err(Trouble::passing(format!(
                "{} said more in clear after it agreed to TLS, and nothing was sent: somebody between may have \
                 written it; ask whoever runs the server",
                self.place
            )));
        }
        Ok(())
    }

    /// Logs in.
    pub async fn log_in(&mut self, offered: &[String], user: &str, password: &str) -> Result<(), Trouble> {
        let plain = BASE64.encode(format!("\0{user}\0{password}"));
        let (user, secret) = (BASE64.encode(user), BASE64.encode(password));
        self.secrets = vec![password.to_owned(), secret.clone(), plain.clone()];
        let offers = |name: &str| offered.iter().any(|it| it == name);
        let mut reply = if offers("PLAIN") {
            self.ask("AUTH", &format!("AUTH PLAIN {plain}")).await?
        } else if offers("LOGIN") {
            self.ask("AUTH", "AUTH LOGIN").await?
        } else {
            return Err(self.no_login(offered));
        };
        if !offers("PLAIN") {
            for line in [user, secret] {
                if reply.code == 334 {
                    reply = self.ask("AUTH", &line).await?;
                }
            }
        }
        if reply.code == 235 {
            return Ok(());
        }
        // Its words may repeat what it was sent in any shape, and the code says it all.
        let reason = format!("{} refused the login ({}): check user and password", self.place, reply.code);
        Err(Trouble::passing(reason))
    }

    fn no_login(&self, offered: &[String]) -> Trouble {
        let names: Vec<_> = offered.iter().take(8).map(|it| said(it)).collect();
        let reason = if names.is_empty() {
            format!("{} offers no login here: leave out user and password, or check port and tls", self.place)
        } else {
            format!(
                "{} offers the logins {} and neither PLAIN nor LOGIN: let it offer one of them",
                self.place,
                names.join(", ")
            )
        };
        Trouble::passing(reason)
    }

    /// Begins a message.
    pub async fn mail_from(&mut self, address: &str) -> Result<(), Trouble> {
        let reply = self.ask("MAIL FROM", &format!("MAIL FROM:<{address}>")).await?;
        if reply.is_good() {
            return Ok(());
        }
        Err(self.refused(&reply, &format!("the sender {address}"), "check from, user and password"))
    }

    /// Names someone whom it is for; one who is refused is told by the answer.
    pub async fn rcpt_to(&mut self, address: &str) -> Result<Reply, Trouble> {
        self.ask("RCPT TO", &format!("RCPT TO:<{address}>")).await
    }

    /// Sends the message, and returns when the server answers for it.
    pub async fn data(&mut self, message: &[u8]) -> Result<(), Trouble> {
        let mut reply = self.ask("DATA", "DATA").await?;
        if reply.code == 354 {
            self.write("the message", &stuffed(message)).await?;
            reply = self.reply("the message").await?;
        }
        if matches!(reply.code, 200..=299) {
            return Ok(());
        }
        let mend = "check from, attach, and what the server takes from this sender";
        Err(self.refused(&reply, "the message", mend))
    }

    /// Says goodbye. Whether the server answers changes nothing.
    pub async fn quit(mut self) {
        self.deadline = self.deadline.min(Instant::now() + GOODBYE);
        let _ = self.ask("QUIT", "QUIT").await;
        let _ = timeout_at(self.deadline, self.stream.shutdown()).await;
    }

    /// What was refused, with the server's words where they give nothing away.
    pub fn refused(&self, reply: &Reply, what: &str, mend: &str) -> Trouble {
        let reason = format!("{} refused {what} ({}): {mend}", self.place, self.words(reply));
        // These four want a login, which an operator can give.
        let again = reply.passes() || matches!(reply.code, 530 | 534 | 535 | 538);
        Trouble { again, ..Trouble::lasting(reason) }
    }

    /// An answer in one line.
    pub fn words(&self, reply: &Reply) -> String {
        let text = reply.lines.join(" ");
        if text.trim().is_empty() || self.secrets.iter().any(|it| !it.is_empty() && text.contains(&**it)) {
            return reply.code.to_string();
        }
        format!("{} {}", reply.code, said(&text))
    }

    async fn ask(&mut self, step: &str, line: &str) -> Result<Reply, Trouble> {
        // Nothing that comes here has a line's end in it; if it had, it would be a second command.
        if line.contains(['\r', '\n', '\0']) {
            return Err(Trouble::lasting(format!("{step} would be two lines: check the channel's values")));
        }
        self.write(step, format!("{line}\r\n").as_bytes()).await?;
        self.reply(step).await
    }

    async fn write(&mut self, step: &str, bytes: &[u8]) -> Result<(), Trouble> {
        let stream = &mut *self.stream;
        let written = timeout_at(self.deadline, async {
            stream.write_all(bytes).await?;
            stream.flush().await
        });
        match written.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(self.broken(step, &error)),
            Err(_) => Err(self.late(step)),
        }
    }

    async fn reply(&mut self, step: &str) -> Result<Reply, Trouble> {
        let mut reply = Reply { code: 0, lines: Vec::new() };
        loop {
            let line = self.line(step).await?;
            let Some((code, text, last)) = parsed(&line) else { return Err(self.odd(step)) };
            if reply.lines.len() == LINES_LIMIT || (reply.code != code && !reply.lines.is_empty()) {
                return Err(self.odd(step));
            }
            reply.code = code;
            reply.lines.push(text.to_owned());
            if last {
                return Ok(reply);
            }
        }
    }

    async fn line(&mut self, step: &str) -> Result<String, Trouble> {
        loop {
            if let Some(end) = self.read.iter().position(|it| *it == b'\n') {
                let line = self.read.split_to(end + 1);
                return Ok(String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned());
            }
            if self.read.len() > LINE_LIMIT {
                return Err(self.odd(step));
            }
            match timeout_at(self.deadline, self.stream.read_buf(&mut self.read)).await {
                Ok(Ok(0)) => return Err(self.broken(step, &io::ErrorKind::UnexpectedEof.into())),
                Ok(Ok(_)) => {}
                Ok(Err(error)) => return Err(self.broken(step, &error)),
                Err(_) => return Err(self.late(step)),
            }
        }
    }

    fn broken(&self, step: &str, error: &io::Error) -> Trouble {
        let place = &self.place;
        Trouble::passing(if error.kind() == io::ErrorKind::UnexpectedEof {
            format!(
                "{place} closed the connection at {step}: check port and tls, or ask whoever runs the server"
            )
        } else {
            format!("the connection to {place} broke at {step} ({error}): check the network between")
        })
    }

    fn late(&self, step: &str) -> Trouble {
        let place = &self.place;
        Trouble::passing(format!(
            "{place} did not answer in time at {step}: check port and tls (465 is implicit), or raise timeout"
        ))
    }

    fn odd(&self, step: &str) -> Trouble {
        let place = &self.place;
        Trouble::passing(format!("{place} answered {step} with what is no SMTP: check server, port and tls"))
    }
}

/// The code of a line, what it says, and whether it is the answer's last.
fn parsed(line: &str) -> Option<(u16, &str, bool)> {
    let (digits, rest) = line.split_at_checked(3)?;
    let code = digits.bytes().all(|it| it.is_ascii_digit()).then(|| digits.parse().ok())??;
    match (code, rest.split_at_checked(1)) {
        (200..=599, None) => Some((code, "", true)),
        (200..=599, Some((" ", text))) => Some((code, text, true)),
        (200..=599, Some(("-", text))) => Some((code, text, false)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_three_digits_and_says_whether_more_comes() {
        assert_eq!(parsed("250 OK"), Some((250, "OK", true)));
        assert_eq!(parsed("250-SIZE 10"), Some((250, "SIZE 10", false)));
        assert_eq!(parsed("354"), Some((354, "", true)));
        for line in ["", "25", "25a x", "+50 x", "250x", "199 x", "600 x", "HTTP/1.1 400", "2é0 x"] {
            assert_eq!(parsed(line), None, "{line}");
        }
    }

    #[test]
    fn what_a_server_can_is_read_in_any_case_and_in_the_old_spelling() {
        let lines =
            ["mail.example.com", "StartTLS", "auth plain LOGIN", "AUTH=XOAUTH2", "SIZE 1000", "STARTTLSX"];
        let reply = Reply { code: 250, lines: lines.map(str::to_owned).to_vec() };
        let it = Abilities::read(&reply);
        assert_eq!((it.starttls, it.size), (true, Some(1000)));
        assert_eq!(it.logins, ["PLAIN", "LOGIN", "XOAUTH2"]);
        let first_line_is_a_name = Reply { code: 250, lines: vec!["STARTTLS".to_owned()] };
        assert_eq!(Abilities::read(&first_line_is_a_name), Abilities::default());
    }
}
