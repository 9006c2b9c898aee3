//! Environment → where metrics and traces go. A value that makes no sense costs what it is about, and never the agent.

use std::{collections::BTreeMap, fmt, path::PathBuf, time::Duration};

use hyper::{
    Uri,
    header::{HeaderName, HeaderValue},
};

use crate::{
    model::{
        diagnostic::{Diagnostic, did_you_mean},
        origin::Origin,
    },
    outward::{
        self,
        http::{Client, UnusableProxy},
    },
};

use super::variables::{
    DELAY, DISABLED, INTERVAL, METRICS_EXPORTER, PREFIX, QUEUE, RESOURCE_ATTRIBUTES, SERVICE_NAME,
    TRACES_EXPORTER, VARIABLES,
};

/// What is exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Signal {
    /// One trace for each run.
    Traces,
    /// The metrics.
    Metrics,
}

impl Signal {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Traces, Self::Metrics];

    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Traces => "traces",
            Self::Metrics => "metrics",
        }
    }
}

/// Where to, and how.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where traces go, if anywhere.
    pub traces: Option<Endpoint>,
    /// Where metrics go, if anywhere.
    pub metrics: Option<Endpoint>,
    /// What is said of the agent.
    pub resource: Vec<(String, String)>,
    /// How often metrics go.
    pub interval: Duration,
    /// How long a trace waits for others.
    pub delay: Duration,
    /// How many spans wait at most.
    pub queue: usize,
    /// What sends them, by the proxies of the environment.
    pub client: Client,
}

/// A receiver's address.
#[derive(Clone)]
pub struct Endpoint {
    /// The variable that names it.
    pub variable: String,
    /// Whether it is asked over TLS.
    pub tls: bool,
    /// Its host and port, as they were written.
    pub authority: String,
    /// The path.
    pub path: String,
    /// What each request has besides; secrets.
    pub headers: Vec<(String, String)>,
    /// How long a request may take.
    pub timeout: Duration,
    /// Who may have signed its certificate; without one, whom this machine believes.
    pub certificate: Option<PathBuf>,
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint").field("place", &self.place()).finish_non_exhaustive()
    }
}

impl Endpoint {
    /// The place as it may be shown: a path or a question may hold a token.
    pub fn place(&self) -> String {
        format!("{}://{}", if self.tls { "https" } else { "http" }, self.authority)
    }
}

/// Reads the environment. `None`: nothing is exported.
pub fn read(environment: &BTreeMap<String, String>) -> (Option<Config>, Vec<Diagnostic>) {
    let mut it = Reading { environment, wrong: Vec::new() };
    it.unknown();
    let disabled = it.one_of(DISABLED, &["false", "true"]).is_some_and(|it| it == "true");
    let traces = it.signal(Signal::Traces, TRACES_EXPORTER);
    let metrics = it.signal(Signal::Metrics, METRICS_EXPORTER);
    let goes = !disabled && (traces.is_some() || metrics.is_some());
    let client = if goes { it.client() } else { None };
    let resource = it.resource();
    let interval = it.number(INTERVAL, 60_000, Duration::from_millis);
    let delay = it.number(DELAY, 5_000, Duration::from_millis);
    let queue = it.number(QUEUE, 2_048, |it| usize::try_from(it).unwrap_or(usize::MAX));
    let config = |client| Config { traces, metrics, resource, interval, delay, queue, client };
    (client.map(config), it.wrong)
}

struct Reading<'a> {
    environment: &'a BTreeMap<String, String>,
    wrong: Vec<Diagnostic>,
}

impl<'a> Reading<'a> {
    fn wrong(&mut self, variable: &str, reason: impl Into<String>) {
        self.wrong.push(Diagnostic::warning(Origin::Environment(variable.into()), reason));
    }

    /// An empty one counts as none.
    fn text(&self, variable: &str) -> Option<&'a str> {
        self.environment.get(variable).map(|it| it.trim()).filter(|it| !it.is_empty())
    }

    /// What is said for one signal, else what is said for both; with the variable.
    fn of(&self, signal: Signal, what: &str) -> Option<(String, &'a str)> {
        let own = format!("{PREFIX}{}_{what}", signal.as_str().to_ascii_uppercase());
        let names = [own, format!("{PREFIX}{what}")];
        names.into_iter().find_map(|name| self.text(&name).map(|value| (name, value)))
    }

    /// Names of variables that nobody reads.
    fn unknown(&mut self) {
        let known: Vec<String> = VARIABLES.iter().flat_map(names).collect();
        let unknown = self.environment.keys().filter(|it| it.starts_with(PREFIX) && !known.contains(it));
        // Logs are for others to export, who may share the environment.
        for name in
            unknown.filter(|it| !it.starts_with("OTEL_EXPORTER_OTLP_LOGS_")).cloned().collect::<Vec<_>>()
        {
            let hint = did_you_mean(&name, known.iter().map(String::as_str));
            let mend = hint.unwrap_or_else(|| "leave it out".to_owned());
            self.wrong(&name, format!("the variable is not known and has no effect: {mend}"));
        }
    }

    fn one_of(&mut self, variable: &str, words: &[&'static str]) -> Option<&'static str> {
        let text = self.text(variable)?;
        let found = words.iter().find(|it| it.eq_ignore_ascii_case(text)).copied();
        if found.is_none() {
            let mend = words.join(" or ");
            self.wrong(variable, format!("\"{text}\" is not known here and has no effect: write {mend}"));
        }
        found
    }

    fn number<T>(&mut self, variable: &str, usual: u64, make: impl Fn(u64) -> T) -> T {
        let Some(text) = self.text(variable) else { return make(usual) };
        let number = text.parse().ok().filter(|it| (1..=u64::from(u32::MAX)).contains(it));
        if number.is_none() {
            let reason =
                format!("\"{text}\" is no whole number from 1 to {}, and {usual} holds: write one", u32::MAX);
            self.wrong(variable, reason);
        }
        make(number.unwrap_or(usual))
    }

    fn signal(&mut self, signal: Signal, exporter: &str) -> Option<Endpoint> {
        let known = self.one_of(exporter, &["otlp", "none"]);
        // Where something else is to take them, it is not this.
        let elsewhere = known.is_none() && self.text(exporter).is_some();
        let (variable, text) = self.of(signal, "ENDPOINT").filter(|_| known != Some("none") && !elsewhere)?;
        let endpoint = match address(text) {
            Ok(endpoint) => Some(endpoint),
            Err(reason) => {
                self.wrong(&variable, format!("{reason}; no {} are exported", signal.as_str()));
                None
            }
        };
        let spoken = self.is_spoken(signal);
        let headers = self.headers(signal)?;
        let mut endpoint = endpoint.filter(|_| spoken)?;
        if variable == format!("{PREFIX}ENDPOINT") {
            endpoint.path = format!("{}/v1/{}", endpoint.path.trim_end_matches('/'), signal.as_str());
        }
        let timeout = self.of(signal, "TIMEOUT").map(|(name, _)| name);
        let timeout = timeout.map(|name| self.number(&name, 10_000, Duration::from_millis));
        let certificate = self.of(signal, "CERTIFICATE").map(|(_, path)| PathBuf::from(path));
        let timeout = timeout.unwrap_or(endpoint.timeout);
        Some(Endpoint { variable, headers, timeout, certificate, ..endpoint })
    }

    fn is_spoken(&mut self, signal: Signal) -> bool {
        if let Some((variable, text)) = self.of(signal, "COMPRESSION").filter(|(_, it)| *it != "none") {
            self.wrong(
                &variable,
                format!("\"{text}\" is not spoken here, and nothing is compressed: write none"),
            );
        }
        let Some((variable, text)) = self.of(signal, "PROTOCOL").filter(|(_, it)| *it != "http/json") else {
            return true;
        };
        let what = signal.as_str();
        let reason = format!("\"{text}\" is not spoken here, and no {what} are exported: write http/json");
        self.wrong(&variable, reason);
        false
    }

    /// A proxy that makes no sense is no reason to go without one.
    fn client(&mut self) -> Option<Client> {
        let made = Client::new(&|name| self.environment.get(name).cloned());
        let told = |it: &UnusableProxy| (it.variable.clone(), format!("{}; nothing is exported", it.reason));
        if let Err((variable, reason)) = made.as_ref().map_err(told) {
            self.wrong(&variable, reason);
        }
        made.ok().map(|it| it.naming("OTEL_EXPORTER_OTLP_CERTIFICATE"))
    }

    /// What is wrong with them is told without them.
    fn headers(&mut self, signal: Signal) -> Option<Vec<(String, String)>> {
        let Some((variable, text)) = self.of(signal, "HEADERS") else { return Some(Vec::new()) };
        let header = |(name, value): (String, String)| {
            let may_be_sent = HeaderName::try_from(&name).is_ok() && HeaderValue::try_from(&value).is_ok();
            may_be_sent.then_some((name, value))
        };
        let headers = pairs(text).map(|it| it.into_iter().map(header).collect::<Option<Vec<_>>>());
        let headers = headers.flatten();
        if headers.is_none() {
            let what = signal.as_str();
            let reason = format!(
                "it is no list of headers, and no {what} are exported: write name=value, further ones after a comma, with \
                 other characters as %20"
            );
            self.wrong(&variable, reason);
        }
        headers
    }

    fn resource(&mut self) -> Vec<(String, String)> {
        let written = self.text(RESOURCE_ATTRIBUTES).map(pairs);
        if written == Some(None) {
            let mend = "write name=value, further ones after a comma, with other characters as %20";
            self.wrong(RESOURCE_ATTRIBUTES, format!("it is no list of attributes and has no effect: {mend}"));
        }
        let mut all = BTreeMap::from([
            ("service.name".to_owned(), "watchbell".to_owned()),
            ("service.version".to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
        ]);
        all.extend(written.flatten().unwrap_or_default());
        if let Some(name) = self.text(SERVICE_NAME) {
            all.insert("service.name".to_owned(), name.to_owned());
        }
        all.into_iter().collect()
    }
}

/// A variable and those that go over it.
pub fn names(it: &super::Variable) -> Vec<String> {
    let mut names = vec![it.name.to_owned()];
    if let Some(what) = it.name.strip_prefix(PREFIX).filter(|_| it.by_signal) {
        names.extend(["TRACES", "METRICS"].map(|signal| format!("{PREFIX}{signal}_{what}")));
    }
    names
}

/// No reason repeats it: it may hold a password.
fn address(text: &str) -> Result<Endpoint, &'static str> {
    let wrong = "it is no address of a receiver: write http://collector:4318";
    let uri: Uri = text.parse().map_err(|_| wrong)?;
    let tls = match uri.scheme_str() {
        Some("http") => false,
        Some("https") => true,
        _ => return Err(wrong),
    };
    let authority = uri.authority().ok_or(wrong)?;
    if authority.as_str().contains('@') {
        return Err(
            "a user and a password in the address go nowhere: write them into OTEL_EXPORTER_OTLP_HEADERS",
        );
    }
    Ok(Endpoint {
        variable: String::new(),
        tls,
        authority: authority.to_string(),
        path: uri.path_and_query().map_or("/", |it| it.as_str()).to_owned(),
        headers: Vec::new(),
        timeout: Duration::from_secs(10),
        certificate: None,
    })
}

/// `name=value,name=value`, percent-encoded.
fn pairs(text: &str) -> Option<Vec<(String, String)>> {
    let pairs = text.split(',').map(str::trim).filter(|it| !it.is_empty());
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=')?;
        let name = decoded(name.trim()).filter(|it| !it.is_empty())?;
        Some((name, decoded(value.trim())?))
    };
    pairs.map(pair).collect()
}

fn decoded(text: &str) -> Option<String> {
    String::from_utf8(outward::decoded(text)?).ok().filter(|it| !it.contains('\u{fffd}'))
}

#[cfg(test)]
#[path = "config/tests.rs"]
mod tests;
