//! An agent as a process beside the test, without an Engine: the file's local jobs are all that runs. It is asked over its
//! socket as anyone would ask it.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpStream},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Condvar, Mutex, PoisonError},
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;

/// So long that only what never comes takes longer.
pub const LIMIT: Duration = Duration::from_secs(60);

/// The agent; it is killed if the test ends before it.
pub struct Beside {
    child: Child,
    state_dir: PathBuf,
    told: Arc<(Mutex<Vec<Value>>, Condvar)>,
}

impl Drop for Beside {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An answer.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// It is a refusal with this status; the answer is its detail.
    pub fn refusal(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{}", self.text());
        assert_eq!(self.header("content-type"), "application/problem+json");
        let json = self.json();
        assert_eq!(json["status"], status);
        json["detail"].as_str().unwrap().to_owned()
    }
}

/// Server-sent events, as they come.
pub struct Sent(BufReader<UnixStream>);

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    pub name: String,
    pub id: String,
    pub data: String,
}

impl Event {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.data).unwrap()
    }
}

impl Iterator for Sent {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        let mut event = Event { name: String::new(), id: String::new(), data: String::new() };
        loop {
            let mut line = String::new();
            if self.0.read_line(&mut line).unwrap() == 0 {
                return None;
            }
            let line = line.trim_end_matches('\n');
            match line.split_once(": ").or(line.split_once(':')) {
                None if event.data.is_empty() => {}
                None => return Some(event),
                Some(("event", name)) => name.clone_into(&mut event.name),
                Some(("id", id)) => id.clone_into(&mut event.id),
                Some(("data", data)) => event.data.push_str(data),
                Some(_) => {}
            }
        }
    }
}

impl Beside {
    /// In a folder, which is its state directory and has its file, with this in it.
    pub fn start(folder: &Path, ini: &str) -> Self {
        std::fs::write(folder.join("config.ini"), ini).unwrap();
        let agent = Self::start_as_it_is(folder, &[]);
        let jobs = ini.matches("[job-local ").count() - ini.matches("# rejected").count();
        agent.wait_for(jobs, |it| it["event"] == "job.added");
        agent
    }

    /// The same with the file that is there already.
    pub fn start_as_it_is(folder: &Path, arguments: &[&str]) -> Self {
        // Nobody listens where others would unless he says so.
        let quiet = if arguments.contains(&"--listen") { &[][..] } else { &["--listen", "none"] };
        Self::start_with(folder, &[quiet, arguments].concat(), &[])
    }

    /// The same; only the file says where it listens.
    pub fn start_by_file(folder: &Path) -> Self {
        Self::start_with(folder, &[], &[])
    }

    /// The same with variables.
    pub fn start_with(folder: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let nowhere = format!("unix://{}", folder.join("no-engine.sock").display());
        let mut child = Command::new(env!("CARGO_BIN_EXE_watchbell"))
            .args(["daemon", "--log-format", "json"])
            .args(["--docker-host", &nowhere].iter().filter(|_| !arguments.contains(&"--docker-host")))
            .arg("--config")
            .arg(folder.join("config.ini"))
            .arg("--state-dir")
            .arg(folder)
            .args(arguments)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let told = Arc::<(Mutex<Vec<Value>>, Condvar)>::default();
        let (stdout, there) = (child.stdout.take().unwrap(), told.clone());
        let read = move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let record = serde_json::from_str(&line).unwrap_or(Value::String(line));
                there.0.lock().unwrap_or_else(PoisonError::into_inner).push(record);
                there.1.notify_all();
            }
        };
        std::thread::Builder::new().spawn(read).unwrap();
        let agent = Self { child, state_dir: folder.to_owned(), told };
        agent.wait_for(1, |it| it["event"] == "agent.started");
        agent.wait_until_it_answers();
        agent
    }

    /// That it listens is told nowhere.
    #[expect(clippy::disallowed_methods, reason = "the agent is another process and lives in real time")]
    pub fn wait_until_it_answers(&self) {
        let begun = std::time::Instant::now();
        // What was read by the time of the answer is there. One that has much to read on a busy machine says that it is
        // not well in between.
        while UnixStream::connect(self.state_dir.join("agent.sock")).is_err()
            || self.get("/live").status != 200
        {
            assert!(begun.elapsed() < LIMIT, "it does not answer");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits until there are `n` records that fit, and gives all of them.
    pub fn wait_for(&self, n: usize, fits: impl Fn(&Value) -> bool) -> Vec<Value> {
        let (records, news) = &*self.told;
        let records = records.lock().unwrap_or_else(PoisonError::into_inner);
        let few = |it: &mut Vec<Value>| it.iter().filter(|it| fits(it)).count() < n;
        let (records, waited) =
            news.wait_timeout_while(records, LIMIT, few).unwrap_or_else(PoisonError::into_inner);
        let all = records.clone();
        drop(records);
        assert!(!waited.timed_out(), "{n} of these were not told: {all:#?}");
        all.into_iter().filter(|it| fits(it)).collect()
    }

    /// Waits for an event of a job.
    pub fn wait_for_event(&self, event: &str, job: &str) -> Value {
        self.wait_for(1, |it| it["event"] == event && it["job"] == job).remove(0)
    }

    /// How much memory it has, in bytes.
    pub fn resident(&self) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|it| it.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() << 10
    }

    pub fn state_dir(&self) -> &Path {
        &self.state_dir
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().try_into().unwrap()), signal).unwrap();
    }

    /// Ends it as Docker would, or as a crash does.
    pub fn end(mut self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().try_into().unwrap()), signal).unwrap();
        self.child.wait().unwrap();
    }

    /// Where it listens, once it does so for the `nth` time.
    pub fn address(&self, nth: usize) -> SocketAddr {
        let told = self.wait_for(nth, |it| it["event"] == "api.listening");
        told[nth - 1]["address"].as_str().unwrap().parse().unwrap()
    }

    /// Asks it something.
    pub fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Reply {
        read(self.open(method, path, headers, body))
    }

    pub fn get(&self, path: &str) -> Reply {
        self.ask("GET", path, &[], "")
    }

    pub fn post(&self, path: &str, body: &str) -> Reply {
        self.ask("POST", path, &[("content-type", "application/json")], body)
    }

    /// The events of a stream.
    pub fn follow(&self, path: &str, headers: &[(&str, &str)]) -> Sent {
        let mut answer = self.open("GET", path, headers, "");
        let (status, headers) = head(&mut answer);
        assert_eq!((status, &*headers["content-type"]), (200, "text/event-stream"), "{path}");
        Sent(answer)
    }

    /// A run of a job that is asked for; its ID.
    pub fn run(&self, job: &str) -> String {
        let reply = self.post(&format!("/api/jobs/{job}/run"), "");
        assert_eq!(reply.status, 202, "{}", reply.text());
        reply.json()["run"].as_str().unwrap().to_owned()
    }

    /// The same, and its end.
    pub fn run_to_its_end(&self, job: &str) -> String {
        let run = self.run(job);
        self.wait_for(1, |it| it["event"] == "run.finished" && it["run"] == *run);
        run
    }

    /// In the version in which a body ends with the connection.
    pub fn open(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> BufReader<UnixStream> {
        open(&self.state_dir, method, path, headers, body)
    }
}

/// Asks over TCP, as someone who calls it by `host`.
pub fn ask_at(
    address: SocketAddr,
    (method, path): (&str, &str),
    host: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Reply {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    send(&mut stream, (method, path), host, headers, body);
    read(BufReader::new(stream))
}

/// The same over TLS, as someone who believes this authority.
pub fn ask_over_tls(
    address: SocketAddr,
    authority: &str,
    (method, path): (&str, &str),
    headers: &[(&str, &str)],
    body: &str,
) -> Result<Reply, String> {
    use rustls::pki_types::{CertificateDer, pem::PemObject};
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = "localhost".try_into().unwrap();
    let client = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    let mut stream = rustls::StreamOwned::new(client, stream);
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock).map_err(|error| error.to_string())?;
    }
    send(&mut stream, (method, path), "localhost", headers, body);
    Ok(read(BufReader::new(stream)))
}

/// The same, where only the status of the answer is of interest, and it may have no end.
pub fn status_at(address: SocketAddr, (method, path): (&str, &str), headers: &[(&str, &str)]) -> u16 {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    send(&mut stream, (method, path), "localhost", headers, "");
    head(&mut BufReader::new(stream)).0
}

/// Asks the agent of a state directory for something.
pub fn ask_in(state_dir: &Path, (method, path): (&str, &str), body: &str) -> Reply {
    read(open(state_dir, method, path, &[("content-type", "application/json")], body))
}

/// Asks the agent of a state directory.
pub fn get(state_dir: &Path, path: &str) -> Reply {
    read(open(state_dir, "GET", path, &[], ""))
}

fn open(
    state_dir: &Path,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> BufReader<UnixStream> {
    let mut stream = UnixStream::connect(state_dir.join("agent.sock")).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    send(&mut stream, (method, path), "agent", headers, body);
    BufReader::new(stream)
}

fn send(
    stream: &mut impl Write,
    (method, path): (&str, &str),
    host: &str,
    headers: &[(&str, &str)],
    body: &str,
) {
    let headers: Vec<String> = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let (headers, length) = (headers.concat(), body.len());
    let head =
        format!("{method} {path} HTTP/1.0\r\nhost: {host}\r\ncontent-length: {length}\r\n{headers}\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    // One who is refused before all of it was read hears of it.
    let _ = stream.write_all(body.as_bytes());
}

/// Reads an answer to its end.
pub fn read(mut answer: impl BufRead) -> Reply {
    let (status, headers) = head(&mut answer);
    let mut body = Vec::new();
    if let Err(error) = answer.read_to_end(&mut body) {
        // The connection is reset where not all that was sent was read; by then the answer had come.
        let whole = headers.get("content-length").is_some_and(|it| *it == body.len().to_string());
        assert!(error.kind() == std::io::ErrorKind::ConnectionReset && whole, "{error}");
    }
    Reply { status, headers, body }
}

fn head(answer: &mut impl BufRead) -> (u16, BTreeMap<String, String>) {
    let mut line = || {
        let mut line = String::new();
        answer.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    };
    let first = line();
    let status = first.split(' ').nth(1).unwrap_or_else(|| panic!("{first}")).parse().unwrap();
    let mut headers = BTreeMap::new();
    loop {
        let header = line();
        let Some((name, value)) = header.split_once(": ") else { return (status, headers) };
        headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
}
