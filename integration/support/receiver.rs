//! A receiver of OpenTelemetry's protocol: it reads requests as strictly as their description allows, and answers what a
//! test tells it to.
#![expect(clippy::struct_field_names, reason = "the protocol has these names")]

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU16, Ordering},
    },
    thread::{Builder, JoinHandle},
    time::Duration,
};

use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use serde::{Deserialize, Deserializer, de::Error};

use super::certificates::Certified;

/// So long that only what never comes takes longer.
const LIMIT: Duration = Duration::from_secs(60);

/// Listens until it is dropped.
pub struct Receiver {
    address: SocketAddr,
    scheme: &'static str,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    status: AtomicU16,
    over: AtomicBool,
    /// The method that it takes, where it is not POST, and a further header of its answers.
    method: Mutex<Option<&'static str>>,
    header: Mutex<Option<&'static str>>,
    requests: Mutex<Vec<Received>>,
    news: Condvar,
}

/// A request.
#[derive(Debug, Clone)]
pub struct Received {
    pub path: String,
    pub headers: BTreeMap<String, String>,
    pub body: String,
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::SeqCst);
        // It looks at that when someone comes.
        drop(TcpStream::connect(self.address));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Receiver {
    pub fn new() -> Self {
        Self::at("127.0.0.1:0".parse().unwrap())
    }

    pub fn at(address: SocketAddr) -> Self {
        Self::listen(address, None)
    }

    /// One that speaks TLS and shows this certificate.
    pub fn over_tls(shown: &Certified) -> Self {
        let chain = vec![CertificateDer::from_pem_slice(shown.certificate.as_bytes()).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(shown.key.as_bytes()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap();
        let config = config.with_no_client_auth().with_single_cert(chain, key).unwrap();
        Self::listen("127.0.0.1:0".parse().unwrap(), Some(Arc::new(config)))
    }

    fn listen(address: SocketAddr, tls: Option<Arc<ServerConfig>>) -> Self {
        let scheme = if tls.is_some() { "https" } else { "http" };
        let listener = TcpListener::bind(address).expect("a free port");
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared { status: AtomicU16::new(200), ..Shared::default() });
        let there = shared.clone();
        let listen = move || {
            for stream in listener.incoming() {
                if there.over.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                let received = match &tls {
                    Some(tls) => {
                        let connection = ServerConnection::new(tls.clone()).unwrap();
                        answer(StreamOwned::new(connection, stream), &there)
                    }
                    None => answer(stream, &there),
                };
                if let Some(it) = received {
                    there.requests.lock().unwrap_or_else(PoisonError::into_inner).push(it);
                    there.news.notify_all();
                }
            }
        };
        let thread = Builder::new().spawn(listen).unwrap();
        Self { address, scheme, shared, thread: Some(thread) }
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it answers from now on; other than with 200 it repeats the headers that it was sent.
    pub fn answers(&self, status: u16) {
        self.shared.status.store(status, Ordering::SeqCst);
    }

    /// The method that it takes from now on.
    pub fn takes(&self, method: &'static str) {
        *self.shared.method.lock().unwrap() = Some(method);
    }

    /// A line that stands in its answers from now on.
    pub fn says(&self, header: &'static str) {
        *self.shared.header.lock().unwrap() = Some(header);
    }

    /// Waits for requests until one is found in them.
    pub fn wait_for<T>(&self, what: &str, find: impl Fn(&[Received]) -> Option<T>) -> T {
        let mut found = None;
        let requests = self.shared.requests.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.shared.news.wait_timeout_while(requests, LIMIT, |it| {
            found = find(it);
            found.is_none()
        });
        let (requests, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let all = requests.clone();
        drop(requests);
        found.unwrap_or_else(|| panic!("{what} did not come: {all:#?}"))
    }

    /// Waits for the trace of a run.
    pub fn trace(&self, run: &str) -> Trace {
        let is_it = |it: &Span| it.name == "run" && it.text("watchbell.run") == run;
        self.wait_for(&format!("the trace of {run}"), |requests| {
            let requests = requests.iter().filter(|it| it.path == "/v1/traces");
            requests.map(|it| spans(&it.body)).find(|it| it.spans.iter().any(is_it)).map(|all| {
                let id = all.spans.iter().find(|it| is_it(it)).unwrap().trace_id.clone();
                let spans = all.spans.into_iter().filter(|it| it.trace_id == id).collect();
                Trace { spans, ..all }
            })
        })
    }
}

fn answer(stream: impl Read + Write, shared: &Shared) -> Option<Received> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let method = shared.method.lock().unwrap().unwrap_or("POST");
    let path = line.strip_prefix(method)?.trim_start().split_once(' ')?.0.to_owned();
    let mut headers = BTreeMap::new();
    loop {
        line.clear();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
    let mut body = vec![0; headers.get("content-length")?.parse().ok()?];
    reader.read_exact(&mut body).ok()?;
    let status = shared.status.load(Ordering::SeqCst);
    let said = if status == 200 { "{}".to_owned() } else { format!("{headers:?}") };
    let further = shared.header.lock().unwrap().map_or_else(String::new, |it| format!("{it}\r\n"));
    let answer = format!("HTTP/1.1 {status} x\r\n{further}content-length: {}\r\n\r\n{said}", said.len());
    reader.get_mut().write_all(answer.as_bytes()).ok()?;
    reader.get_mut().flush().ok()?;
    (status == 200).then(|| Received { path, headers, body: String::from_utf8(body).unwrap() })
}

// --- What is sent ---------------------------------------------------------------------------------------------------

macro_rules! message {
    ($(struct $name:ident { $($(#[$of:meta])* $field:ident: $kind:ty,)* })*) => {
        $(
            #[derive(Debug, Clone, Deserialize)]
            #[serde(deny_unknown_fields, rename_all = "camelCase")]
            pub struct $name { $($(#[$of])* pub $field: $kind,)* }
        )*
    };
}

message! {
    struct KeyValue {
        key: String,
        value: AnyValue,
    }
    struct AnyValue {
        string_value: Option<String>,
        #[serde(default, deserialize_with = "some_signed")]
        int_value: Option<i64>,
    }
    struct Resource {
        attributes: Vec<KeyValue>,
    }
    struct Scope {
        name: String,
        version: String,
    }
    struct TracesRequest {
        resource_spans: Vec<ResourceSpans>,
    }
    struct ResourceSpans {
        resource: Resource,
        scope_spans: Vec<ScopeSpans>,
    }
    struct ScopeSpans {
        scope: Scope,
        spans: Vec<Span>,
    }
    struct Span {
        trace_id: String,
        span_id: String,
        #[serde(default)]
        parent_span_id: String,
        name: String,
        kind: u8,
        #[serde(deserialize_with = "number")]
        start_time_unix_nano: u64,
        #[serde(deserialize_with = "number")]
        end_time_unix_nano: u64,
        attributes: Vec<KeyValue>,
        status: Status,
    }
    struct Status {
        #[serde(default)]
        code: u8,
        #[serde(default)]
        message: String,
    }
    struct MetricsRequest {
        resource_metrics: Vec<ResourceMetrics>,
    }
    struct ResourceMetrics {
        resource: Resource,
        scope_metrics: Vec<ScopeMetrics>,
    }
    struct ScopeMetrics {
        scope: Scope,
        metrics: Vec<Metric>,
    }
    struct Metric {
        name: String,
        description: String,
        unit: String,
        gauge: Option<Gauge>,
        sum: Option<Sum>,
        histogram: Option<Histogram>,
    }
    struct Gauge {
        data_points: Vec<NumberPoint>,
    }
    struct Sum {
        data_points: Vec<NumberPoint>,
        aggregation_temporality: u8,
        is_monotonic: bool,
    }
    struct Histogram {
        data_points: Vec<HistogramPoint>,
        aggregation_temporality: u8,
    }
    struct NumberPoint {
        attributes: Vec<KeyValue>,
        #[serde(default, deserialize_with = "some_number")]
        start_time_unix_nano: Option<u64>,
        #[serde(deserialize_with = "number")]
        time_unix_nano: u64,
        as_double: f64,
    }
    struct HistogramPoint {
        attributes: Vec<KeyValue>,
        #[serde(deserialize_with = "number")]
        start_time_unix_nano: u64,
        #[serde(deserialize_with = "number")]
        time_unix_nano: u64,
        #[serde(deserialize_with = "number")]
        count: u64,
        sum: f64,
        #[serde(deserialize_with = "numbers")]
        bucket_counts: Vec<u64>,
        explicit_bounds: Vec<f64>,
    }
}

/// Whole numbers of 64 bits are text.
fn number<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    String::deserialize(from)?.parse().map_err(D::Error::custom)
}

fn some_number<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    number(from).map(Some)
}

fn some_signed<'de, D: Deserializer<'de>>(from: D) -> Result<Option<i64>, D::Error> {
    String::deserialize(from)?.parse().map(Some).map_err(D::Error::custom)
}

fn numbers<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u64>, D::Error> {
    let all = Vec::<String>::deserialize(from)?;
    all.iter().map(|it| it.parse().map_err(D::Error::custom)).collect()
}

/// Attributes by name; whole numbers as text.
pub fn named(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |it: &AnyValue| it.string_value.clone().unwrap_or_else(|| it.int_value.unwrap().to_string());
    let named: BTreeMap<_, _> = attributes.iter().map(|it| (it.key.clone(), text(&it.value))).collect();
    assert_eq!(named.len(), attributes.len(), "no name comes twice: {attributes:?}");
    named
}

/// Spans, and who sends them.
#[derive(Debug)]
pub struct Trace {
    pub resource: BTreeMap<String, String>,
    pub scope: Scope,
    pub spans: Vec<Span>,
}

impl Span {
    pub fn text(&self, attribute: &str) -> String {
        named(&self.attributes).remove(attribute).unwrap_or_default()
    }
}

impl Trace {
    /// The span of the run; all others are its children and lie within it.
    pub fn run(&self) -> &Span {
        let [run] = &self.spans.iter().filter(|it| it.parent_span_id.is_empty()).collect::<Vec<_>>()[..]
        else {
            panic!("{self:#?}")
        };
        let mut ids = std::collections::BTreeSet::new();
        for span in &self.spans {
            assert!(
                span.trace_id.len() == 32 && span.span_id.len() == 16 && ids.insert(&span.span_id),
                "{span:?}"
            );
            assert!(span.span_id.bytes().any(|it| it != b'0') && span.kind == 1, "{span:?}");
            assert!(span.start_time_unix_nano <= span.end_time_unix_nano, "{span:?}");
            assert!(span.parent_span_id.is_empty() || span.parent_span_id == run.span_id, "{span:?}");
            assert!(run.start_time_unix_nano <= span.start_time_unix_nano, "{span:?}");
            assert!(span.end_time_unix_nano <= run.end_time_unix_nano, "{span:?}");
        }
        run
    }

    /// The names of its children, in order; those that failed with an `!`.
    pub fn legs(&self) -> Vec<String> {
        let mut legs: Vec<&Span> = self.spans.iter().filter(|it| !it.parent_span_id.is_empty()).collect();
        legs.sort_by_key(|it| (it.start_time_unix_nano, it.end_time_unix_nano));
        let mark = |it: &Span| if it.status.code == 2 { "!" } else { "" };
        legs.into_iter().map(|it| format!("{}{}", it.name, mark(it))).collect()
    }
}

/// The spans of a request.
pub fn spans(body: &str) -> Trace {
    let mut it: TracesRequest = serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {body}"));
    assert_eq!(it.resource_spans.len(), 1);
    let ResourceSpans { resource, mut scope_spans } = it.resource_spans.remove(0);
    assert_eq!(scope_spans.len(), 1);
    let ScopeSpans { scope, spans } = scope_spans.remove(0);
    Trace { resource: named(&resource.attributes), scope, spans }
}

/// The metrics of a request, and who sends them.
pub fn metrics(body: &str) -> (BTreeMap<String, String>, Scope, Vec<Metric>) {
    let mut it: MetricsRequest = serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {body}"));
    assert_eq!(it.resource_metrics.len(), 1);
    let ResourceMetrics { resource, mut scope_metrics } = it.resource_metrics.remove(0);
    assert_eq!(scope_metrics.len(), 1);
    let ScopeMetrics { scope, metrics } = scope_metrics.remove(0);
    (named(&resource.attributes), scope, metrics)
}
