//! A mail server on loopback: it takes mail as strictly as the protocol asks for, and answers what a test tells it to.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader},
    net::TcpListener,
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;

use super::certificates::Certified;

trait Connection: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Connection for T {}

/// How it is to behave.
#[derive(Default)]
pub struct Rules {
    /// What it shows of itself over TLS.
    pub certified: Option<Certified>,
    /// Whether TLS begins with the first byte.
    pub implicit: bool,
    /// What it says of itself before TLS, and after it, beside its name.
    pub abilities: (Vec<&'static str>, Vec<&'static str>),
    /// Who may log in.
    pub login: Option<(&'static str, &'static str)>,
    /// What it answers to lines that begin so, in place of doing what they say; an empty answer is none for ever. The
    /// greeting is the line ` `.
    pub answers: Vec<(&'static str, &'static str)>,
}

/// A mail that it took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    pub from: String,
    pub to: Vec<String>,
    pub data: Vec<u8>,
    pub protected: bool,
    pub user: Option<String>,
}

#[derive(Default)]
struct Seen {
    mails: Vec<Mail>,
    clear: Vec<String>,
    protected: Vec<String>,
}

/// It listens until it is dropped.
pub struct Smtp {
    pub address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
    rules: Arc<Mutex<Arc<Rules>>>,
    _tasks: JoinSet<()>,
}

impl Smtp {
    pub async fn new(rules: Rules) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().unwrap();
        let (seen, rules) = (Arc::<Mutex<Seen>>::default(), Arc::new(Mutex::new(Arc::new(rules))));
        let mut tasks = JoinSet::new();
        let (its_seen, its_rules) = (seen.clone(), rules.clone());
        tasks.spawn(async move {
            let mut conversations = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let rules = its_rules.lock().unwrap_or_else(PoisonError::into_inner).clone();
                conversations.spawn(converse(Box::new(stream), rules, its_seen.clone()));
            }
        });
        Self { address, seen, rules, _tasks: tasks }
    }

    /// Whoever comes from now on meets these.
    pub fn behaves(&self, rules: Rules) {
        *self.rules.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(rules);
    }

    pub fn mails(&self) -> Vec<Mail> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).mails.clone()
    }

    /// The lines that anybody on the way could have read.
    pub fn in_clear(&self) -> Vec<String> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clear.clone()
    }

    /// The lines that came over TLS.
    pub fn protected(&self) -> Vec<String> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).protected.clone()
    }
}

async fn protect(stream: Box<dyn Connection>, rules: &Rules) -> Option<Box<dyn Connection>> {
    let Certified { certificate, key } = rules.certified.as_ref().expect("a certificate");
    let chain =
        CertificateDer::pem_slice_iter(certificate.as_bytes()).collect::<Result<Vec<_>, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let stream = TlsAcceptor::from(Arc::new(config)).accept(stream).await.ok()?;
    Some(Box::new(stream))
}

async fn converse(mut stream: Box<dyn Connection>, rules: Arc<Rules>, seen: Arc<Mutex<Seen>>) {
    let mut protected = false;
    if rules.implicit {
        let Some(it) = protect(stream, &rules).await else { return };
        (stream, protected) = (it, true);
    }
    let mut talk = Talk { stream: BufReader::new(stream), rules: rules.clone(), seen, protected };
    let greeting = talk.told(" ").map_or("220 mail.example.com ESMTP", |it| it);
    if talk.say(greeting).await.is_none() {
        return;
    }
    while let Some(Next::Protect) = talk.serve().await {
        let stream = talk.stream.into_inner();
        let Some(stream) = protect(stream, &rules).await else { return };
        talk = Talk { stream: BufReader::new(stream), protected: true, ..talk };
    }
}

enum Next {
    Protect,
    Over,
}

struct Talk {
    stream: BufReader<Box<dyn Connection>>,
    rules: Arc<Rules>,
    seen: Arc<Mutex<Seen>>,
    protected: bool,
}

impl Talk {
    fn told(&self, line: &str) -> Option<&'static str> {
        self.rules.answers.iter().find(|(begins, _)| line.starts_with(begins)).map(|(_, answer)| *answer)
    }

    async fn say(&mut self, answer: &str) -> Option<()> {
        if answer.is_empty() {
            std::future::pending::<()>().await;
        }
        self.stream.write_all(format!("{answer}\r\n").as_bytes()).await.ok()?;
        self.stream.flush().await.ok()
    }

    async fn hear(&mut self) -> Option<Vec<u8>> {
        let mut line = Vec::new();
        self.stream.read_until(b'\n', &mut line).await.ok().filter(|it| *it > 0)?;
        assert!(line.ends_with(b"\r\n"), "a line that does not end: {:?}", String::from_utf8_lossy(&line));
        assert!(line.len() <= 1000, "a line of {} bytes", line.len());
        assert!(!line[..line.len() - 2].iter().any(|it| matches!(it, b'\r' | b'\n' | 0)), "{line:?}");
        line.truncate(line.len() - 2);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let heard = String::from_utf8_lossy(&line).into_owned();
        if self.protected {
            seen.protected.push(heard);
        } else {
            seen.clear.push(heard);
        }
        drop(seen);
        Some(line)
    }

    async fn text(&mut self) -> Option<String> {
        self.hear().await.map(|it| String::from_utf8(it).expect("a command is text"))
    }

    /// Serves until TLS is to begin.
    async fn serve(&mut self) -> Option<Next> {
        let (mut from, mut to, mut user) = (None, Vec::new(), None);
        loop {
            let line = self.text().await?;
            let address =
                || line.split_once('<').and_then(|(_, it)| it.strip_suffix('>')).unwrap().to_owned();
            if let Some(answer) = self.told(&line) {
                self.say(answer).await?;
                continue;
            }
            let verb = line.split(' ').next().unwrap().to_owned();
            let needs_login = self.rules.login.is_some() && user.is_none();
            match &*verb {
                "EHLO" => self.say(&self.abilities()).await?,
                "STARTTLS" => {
                    self.say("220 go ahead").await?;
                    assert!(self.stream.buffer().is_empty(), "nobody speaks before TLS has begun");
                    return Some(Next::Protect);
                }
                "AUTH" => {
                    user = self.log_in(&line).await?;
                    let said = if user.is_some() { "235 welcome" } else { "535 5.7.8 wrong" };
                    self.say(said).await?;
                }
                "MAIL" if needs_login => self.say("530 5.7.0 log in first").await?,
                "MAIL" => {
                    from = Some(address());
                    self.say("250 OK").await?;
                }
                "RCPT" if from.is_some() => {
                    to.push(address());
                    self.say("250 OK").await?;
                }
                "DATA" if !to.is_empty() => {
                    self.say("354 go on").await?;
                    let data = self.data().await?;
                    let answer = self.told(".").unwrap_or("250 taken");
                    if answer.starts_with('2') {
                        let from = from.take().unwrap();
                        let to = std::mem::take(&mut to);
                        let mail = Mail { from, to, data, protected: self.protected, user: user.clone() };
                        self.seen.lock().unwrap_or_else(PoisonError::into_inner).mails.push(mail);
                    }
                    self.say(answer).await?;
                }
                "QUIT" => {
                    self.say("221 bye").await?;
                    return Some(Next::Over);
                }
                _ => self.say("503 not now").await?,
            }
        }
    }

    fn abilities(&self) -> String {
        let all = if self.protected { &self.rules.abilities.1 } else { &self.rules.abilities.0 };
        let mut lines = vec!["mail.example.com"];
        lines.extend(all);
        let last = lines.len() - 1;
        let line = |(at, it): (usize, &&str)| format!("250{}{it}", if at == last { ' ' } else { '-' });
        lines.iter().enumerate().map(line).collect::<Vec<_>>().join("\r\n")
    }

    async fn log_in(&mut self, line: &str) -> Option<Option<String>> {
        let read = |it: &str| String::from_utf8(BASE64.decode(it).unwrap()).unwrap();
        let (user, password) = if let Some(both) = line.strip_prefix("AUTH PLAIN ") {
            let both = read(both);
            let mut parts = both.split('\0').skip(1).map(str::to_owned);
            (parts.next().unwrap(), parts.next().unwrap())
        } else {
            assert_eq!(line, "AUTH LOGIN");
            self.say("334 VXNlcm5hbWU6").await?;
            let user = read(&self.text().await?);
            self.say("334 UGFzc3dvcmQ6").await?;
            (user, read(&self.text().await?))
        };
        Some((self.rules.login == Some((&*user, &*password))).then_some(user))
    }

    async fn data(&mut self) -> Option<Vec<u8>> {
        let mut data = Vec::new();
        loop {
            let line = self.hear().await?;
            match &line[..] {
                b"." => return Some(data),
                [b'.', rest @ ..] => data.extend_from_slice(rest),
                line => data.extend_from_slice(line),
            }
            data.extend_from_slice(b"\r\n");
        }
    }
}
