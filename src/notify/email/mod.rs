//! Mail over SMTP. Nothing goes out in clear unless the channel says `tls=none`: a server that offers no TLS, or whose
//! certificate is not believed, gets nothing.

mod compose;
mod dots;
mod mime;
mod smtp;

use std::{collections::BTreeSet, io, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use rustls::ClientConfig;
use tokio::time::{Instant, timeout_at};

use self::{
    compose::{Names, compose, note},
    smtp::Session,
};
use super::{message::Message, output::Output, trouble::Trouble};
use crate::{
    model::{channel::Channel, mailbox::Mailbox},
    outward::{self, Stream},
};

/// How long one try may take, unless the channel says otherwise.
const TIMEOUT: Duration = Duration::from_secs(30);

/// When a connection is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tls {
    /// After both have agreed to it in clear.
    Starttls,
    /// From its first byte.
    Implicit,
    /// Never.
    None,
}

/// Who has a message already. Kept from one try to the next, nobody gets it twice because another was refused.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reached(BTreeSet<String>);

/// What a channel says.
struct Plan<'a> {
    server: &'a str,
    port: u16,
    tls: Tls,
    login: Option<(&'a str, &'a str)>,
    names: Names,
    /// For whom the envelope is.
    recipients: Vec<String>,
    from_label: bool,
    authorities: Option<PathBuf>,
    timeout: Duration,
}

/// Sends a message by mail to those who were not reached yet.
pub async fn deliver(
    channel: &Channel,
    message: &Message,
    output: &Output,
    reached: &mut Reached,
) -> Result<(), Trouble> {
    let plan = Plan::read(channel)?;
    let left: Vec<&str> =
        plan.recipients.iter().map(|it| &**it).filter(|it| !reached.0.contains(*it)).collect();
    if left.is_empty() {
        return Ok(());
    }
    let place = format!("{}:{}", plan.server, plan.port);
    let deadline = Instant::now() + plan.timeout;
    let (mut stream, from) = plan.connect(&place, deadline).await?;
    let mut session = Session::new(&mut *stream, &place, deadline);
    if plan.tls != Tls::Starttls {
        session.greeted().await?;
    }
    // What it said in clear before counts for nothing.
    let abilities = session.hello(from).await?;
    if let Some((user, password)) = plan.login {
        session.log_in(&abilities.logins, user, password).await?;
    }
    let mail = written(&plan.names, message, output, abilities.size);
    session.mail_from(&plan.names.from.address).await?;
    let mut refusals = Refusals::default();
    let mut taken = Vec::new();
    for address in left {
        let reply = session.rcpt_to(address).await?;
        if reply.is_good() {
            taken.push(address.to_owned());
        } else {
            refusals.add(address, &session.words(&reply), reply.passes());
        }
    }
    if !taken.is_empty() {
        session.data(&mail).await?;
        // The server answers for it now: whatever comes after, it is not sent to them again.
        reached.0.extend(taken);
    }
    session.quit().await;
    refusals.trouble(&place, !reached.0.is_empty())
}

/// The mail; without files where the server would not take it with them.
fn written(names: &Names, message: &Message, output: &Output, most: Option<usize>) -> Vec<u8> {
    let mail = compose(names, message, output, &note(output));
    match most {
        Some(most) if mail.len() > most => {
            let note = format!("The output is not attached: the mail server takes at most {most} bytes.");
            compose(names, message, &Output::default(), &note)
        }
        _ => mail,
    }
}

/// Recipients whom the server did not take.
#[derive(Default)]
struct Refusals {
    told: Vec<String>,
    again: bool,
}

impl Refusals {
    fn add(&mut self, address: &str, words: &str, again: bool) {
        self.told.push(format!("{address} ({words})"));
        self.again |= again;
    }

    fn trouble(self, place: &str, others: bool) -> Result<(), Trouble> {
        if self.told.is_empty() {
            return Ok(());
        }
        let others = if others { ", and the others have the message" } else { "" };
        let reason = format!("{place} refused {}{others}: check to, cc and bcc", self.told.join(", "));
        Err(Trouble { again: self.again, ..Trouble::lasting(reason) })
    }
}

impl<'a> Plan<'a> {
    fn read(channel: &'a Channel) -> Result<Self, Trouble> {
        let tls = match channel.text("tls") {
            Some("implicit") => Tls::Implicit,
            Some("none") => Tls::None,
            _ => Tls::Starttls,
        };
        let usual = match tls {
            Tls::Starttls => 587,
            Tls::Implicit => 465,
            Tls::None => 25,
        };
        let port = channel.number("port").and_then(|it| u16::try_from(it).ok()).unwrap_or(usual);
        let all = |key: &str| -> Result<Vec<Mailbox>, Trouble> {
            let parsed = channel.list(key).iter().map(|it| Mailbox::parse(it));
            parsed.collect::<Result<_, _>>().map_err(|why| Trouble::lasting(format!("{key}: {why}")))
        };
        let (to, cc, bcc) = (all("to")?, all("cc")?, all("bcc")?);
        let Some(from) = all("from")?.pop() else {
            return Err(Trouble::lasting("the channel has no sender: write from = watchbell@example.com"));
        };
        let mut recipients: Vec<String> = Vec::new();
        for Mailbox { address, .. } in [&to, &cc, &bcc].into_iter().flatten() {
            if !recipients.contains(address) {
                recipients.push(address.clone());
            }
        }
        Ok(Self {
            server: channel.text("server").unwrap_or_default(),
            port,
            tls,
            login: channel.text("user").map(|user| (user, channel.text("password").unwrap_or_default())),
            names: Names { from, to, cc },
            recipients,
            from_label: channel.from_label,
            authorities: channel.text("ca-file").map(PathBuf::from),
            timeout: channel.duration("timeout").unwrap_or(TIMEOUT),
        })
    }

    /// Connects and protects the connection; the address is ours. After STARTTLS it was greeted already.
    async fn connect(
        &self,
        place: &str,
        deadline: Instant,
    ) -> Result<(Box<dyn Stream>, SocketAddr), Trouble> {
        // Whom to believe is known before anybody is asked.
        let tls = match self.tls {
            Tls::None => None,
            Tls::Starttls | Tls::Implicit => Some(self.believing().await?),
        };
        let dialled = timeout_at(deadline, outward::dial(self.server, self.port, self.from_label)).await;
        let reached = dialled.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        let mut stream = reached.map_err(|error| unreached(place, &error))?;
        let from = stream.local_addr().unwrap_or_else(|_| SocketAddr::from(([127, 0, 0, 1], 0)));
        let Some(tls) = tls else { return Ok((Box::new(stream), from)) };
        if self.tls == Tls::Starttls {
            agree(Session::new(&mut stream, place, deadline), from, place).await?;
        }
        let protected = timeout_at(deadline, outward::over_tls(stream, self.server, tls)).await;
        let protected = protected.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        Ok((protected.map_err(|error| unprotected(self.server, place, &error))?, from))
    }

    async fn believing(&self) -> Result<Arc<ClientConfig>, Trouble> {
        let authorities = self.authorities.clone();
        let read = tokio::task::spawn_blocking(move || outward::believing(authorities.as_deref())).await;
        match read {
            Ok(Ok(config)) => Ok(Arc::new(config)),
            Ok(Err(error)) => Err(Trouble::passing(format!(
                "no certificate could be believed ({error}): set ca-file to those of who signed the mail server's"
            ))),
            Err(error) => {
                Err(Trouble::passing(format!("certificates could not be read ({error}): try again")))
            }
        }
    }
}

/// Agrees in clear that TLS begins now.
async fn agree(mut session: Session<'_>, from: SocketAddr, place: &str) -> Result<(), Trouble> {
    session.greeted().await?;
    if session.hello(from).await?.starttls {
        return session.starttls().await;
    }
    session.quit().await;
    Err(Trouble::passing(format!(
        "{place} offers no STARTTLS, and nothing was sent in clear: set tls=implicit with port 465 if it has that, or \
         tls=none if everybody between may read the mail and the password"
    )))
}

/// Why there is no connection.
fn unreached(place: &str, error: &io::Error) -> Trouble {
    if let Some(forbidden) = error.get_ref().and_then(|it| it.downcast_ref::<outward::Forbidden>()) {
        return Trouble::lasting(forbidden);
    }
    Trouble::passing(format!("{place} cannot be reached ({error}): check server and port"))
}

/// Why a connection could not be protected.
fn unprotected(server: &str, place: &str, error: &io::Error) -> Trouble {
    let inner = error.get_ref().and_then(|it| it.downcast_ref::<rustls::Error>());
    Trouble::passing(match inner {
        Some(rustls::Error::InvalidCertificate(_)) => format!(
            "{place} showed a certificate that is not believed for {server}, and nothing was sent ({error}): write the \
             name that is in it as server, or set ca-file to who signed it"
        ),
        _ if error.kind() == io::ErrorKind::TimedOut => {
            format!("{place} did not begin TLS in time, and nothing was sent: check port and tls")
        }
        _ => format!(
            "{place} began no TLS, and nothing was sent ({error}): check port and tls (465 is implicit)"
        ),
    })
}
