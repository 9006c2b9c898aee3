//! From a tracing event to a log line: which events are logged, and how their fields are read.
//!
//! An event's field `event` is its name and `message` its sentence for people; all other fields follow in the order
//! recorded. A field whose name ends in `_json` holds JSON text: the suffix is cut and the value kept as it is.
//! Spans are not used. Nothing in here writes to stdout itself or waits for whoever does.

use std::cell::Cell;
use std::error::Error;
use std::fmt::{self, Debug, Display};
use std::str::FromStr;

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::subscriber::Interest;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use super::line::{Line, Severity, Style, format_into};
pub use super::line::{LogFormat, UnknownLogFormat};
use super::sink::LogSink;
use crate::time::Clock;

/// The target of this crate's own events, and the start of its modules'.
const OWN: &str = "watchbell";

/// From which level on the crate's own events are logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum LogLevel {
    /// Something does not work and will not by itself.
    Error,
    /// Something deserves a look.
    Warn,
    /// What happens to jobs and runs.
    #[default]
    Info,
    /// Why it happens.
    Debug,
    /// All that there is, other crates' events included.
    Trace,
}

/// A log level that does not exist.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown log level \"{0}\": expected error, warn, info, debug or trace")]
pub struct UnknownLogLevel(String);

impl LogLevel {
    fn name(self) -> &'static str {
        severity(self.level()).lower
    }

    fn level(self) -> Level {
        match self {
            Self::Error => Level::ERROR,
            Self::Warn => Level::WARN,
            Self::Info => Level::INFO,
            Self::Debug => Level::DEBUG,
            Self::Trace => Level::TRACE,
        }
    }
}

impl FromStr for LogLevel {
    type Err = UnknownLogLevel;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Error, Self::Warn, Self::Info, Self::Debug, Self::Trace]
            .into_iter()
            .find(|level| level.name().eq_ignore_ascii_case(text))
            .ok_or_else(|| UnknownLogLevel(text.to_owned()))
    }
}

impl Display for LogLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Which events are logged: this crate's from `level` on, other crates' warnings and errors at most. Only
/// [`LogLevel::Trace`] shows all of theirs. To be added to a registry beside [`layer`]; it filters for all layers.
#[derive(Debug, Clone, Copy)]
pub struct LogFilter {
    own: Level,
    others: Level,
}

impl LogFilter {
    /// The filter for a level.
    pub fn new(level: LogLevel) -> Self {
        let own = level.level();
        // A level is the greater the more it lets through.
        let others = if own == Level::TRACE { own } else { own.min(Level::WARN) };
        Self { own, others }
    }

    fn wants(self, metadata: &Metadata<'_>) -> bool {
        let limit = if is_own(metadata.target()) { self.own } else { self.others };
        !metadata.is_span() && *metadata.level() <= limit
    }
}

impl<S: Subscriber> Layer<S> for LogFilter {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if self.wants(metadata) { Interest::always() } else { Interest::never() }
    }

    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        self.wants(metadata)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::from_level(self.own))
    }
}

/// Turns each event into one line of `format`, at the time that `clock` shows, and pushes it to `sink`. Lines that
/// the sink had to drop are told in the same format, as the event `log.dropped`. `colour` matters to
/// [`LogFormat::Pretty`] only.
pub fn layer<S: Subscriber>(
    format: LogFormat,
    clock: Clock,
    sink: LogSink,
    colour: bool,
) -> impl Layer<S> + Send + Sync {
    let style = Style { format, colour };
    let notice_clock = clock.clone();
    sink.tell_dropped(move |lines| dropped_notice(style, &notice_clock, lines));
    LogLayer { style, clock, sink }
}

struct LogLayer {
    style: Style,
    clock: Clock,
    sink: LogSink,
}

impl Buffers {
    /// The line of one event.
    pub(super) fn read(&mut self, style: Style, event: &Event<'_>, clock: &Clock) -> &[u8] {
        let Self { line, scratch } = self;
        line.clear();
        event.record(&mut Fields { style, line, scratch });
        let metadata = event.metadata();
        if !is_own(metadata.target()) {
            // Without it nobody could tell which part of the program speaks.
            line.text(style, "target", metadata.target());
        }
        line.finish(style, clock.now(), severity(*metadata.level()))
    }
}

impl<S: Subscriber> Layer<S> for LogLayer {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        // Taken, not borrowed: a value that logs while it is formatted finds an empty cell and starts afresh.
        let mut buffers = BUFFERS.try_with(Cell::take).unwrap_or_default();
        self.sink.push(buffers.read(self.style, event, &self.clock));
        let _ = BUFFERS.try_with(|cell| cell.set(buffers));
    }
}

#[derive(Default)]
pub(super) struct Buffers {
    pub line: Line,
    scratch: String,
}

thread_local! {
    static BUFFERS: Cell<Box<Buffers>> = Cell::default();
}

/// Puts an event's fields on a line.
struct Fields<'a> {
    style: Style,
    line: &'a mut Line,
    /// For values that only know how to format themselves.
    scratch: &'a mut String,
}

impl Fields<'_> {
    fn formatted(&mut self, field: &Field, value: fmt::Arguments<'_>) {
        format_into(self.scratch, value);
        self.line.text(self.style, field.name(), self.scratch);
    }
}

impl Visit for Fields<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.line.text(self.style, field.name(), value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.line.literal(self.style, field.name(), value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.line.literal(self.style, field.name(), value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.line.literal(self.style, field.name(), value);
    }

    fn record_i128(&mut self, field: &Field, value: i128) {
        self.line.literal(self.style, field.name(), value);
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        self.line.literal(self.style, field.name(), value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.line.float(self.style, field.name(), value);
    }

    /// With its causes: an error names only what failed itself.
    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.formatted(field, format_args!("{}", Chain(value)));
    }

    /// Also what `%` records: the wrapper's `Debug` is the value's `Display`.
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.formatted(field, format_args!("{value:?}"));
    }
}

/// An error and its causes, outermost first.
struct Chain<'a>(&'a (dyn Error + 'static));

impl Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

fn dropped_notice(style: Style, clock: &Clock, lines: u64) -> Vec<u8> {
    let mut line = Line::default();
    line.text(style, "event", "log.dropped");
    line.text(style, "message", "log lines were lost because nobody read them in time");
    line.literal(style, "lines", lines);
    line.finish(style, clock.now(), severity(Level::WARN)).to_vec()
}

pub(super) fn is_own(target: &str) -> bool {
    target.strip_prefix(OWN).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

fn severity(level: Level) -> Severity {
    let (lower, padded, colour) = match level {
        Level::ERROR => ("error", "ERROR", "31"),
        Level::WARN => ("warn", "WARN ", "33"),
        Level::INFO => ("info", "INFO ", "32"),
        Level::DEBUG => ("debug", "DEBUG", "34"),
        Level::TRACE => ("trace", "TRACE", "35"),
    };
    Severity { lower, padded, colour }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::mpsc;
    use std::time::Duration;

    use serde_json::{Value, json};
    use tracing::{debug, error, info, trace, warn};
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;
    use crate::telemetry::sink::HARD_LIMIT;

    fn clock() -> Clock {
        Clock::anchored("2026-03-29T03:00:00Z".parse().unwrap())
    }

    /// What is logged at `level` while `act` runs.
    fn logged(format: LogFormat, level: LogLevel, act: impl FnOnce()) -> String {
        let (sink, log) = LogSink::memory();
        let subscriber = tracing_subscriber::registry()
            .with(layer(format, clock(), sink, false))
            .with(LogFilter::new(level));
        tracing::subscriber::with_default(subscriber, act);
        log.take()
    }

    fn json(act: impl FnOnce()) -> Value {
        let text = logged(LogFormat::Json, LogLevel::Info, act);
        assert_eq!(text.matches('\n').count(), 1, "{text}");
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn each_level_is_read_from_its_name_and_others_are_refused() {
        for name in ["error", "warn", "info", "debug", "trace"] {
            assert_eq!(name.parse::<LogLevel>().unwrap().to_string(), name);
        }
        let error = "loud".parse::<LogLevel>().unwrap_err();
        assert_eq!(
            error.to_string(),
            r#"unknown log level "loud": expected error, warn, info, debug or trace"#
        );
    }

    #[test]
    fn own_events_are_logged_from_the_level_on_and_others_only_as_warnings() {
        let say = || {
            error!("own error");
            warn!("own warn");
            info!("own info");
            debug!("own debug");
            trace!("own trace");
            error!(target: "hyper::client", "other error");
            warn!(target: "watchbellish", "other warn");
            info!(target: "bollard", "other info");
            trace!(target: "bollard", "other trace");
        };
        let said = |level| -> Vec<String> {
            logged(LogFormat::Json, level, say)
                .lines()
                .map(|line| {
                    serde_json::from_str::<Value>(line).unwrap()["message"].as_str().unwrap().to_owned()
                })
                .collect()
        };
        assert_eq!(said(LogLevel::Error), ["own error", "other error"]);
        assert_eq!(said(LogLevel::Warn), ["own error", "own warn", "other error", "other warn"]);
        assert_eq!(said(LogLevel::Info), ["own error", "own warn", "own info", "other error", "other warn"]);
        assert_eq!(said(LogLevel::Debug).len(), 6);
        assert_eq!(said(LogLevel::Trace).len(), 9);
    }

    #[test]
    fn an_event_is_one_line_with_its_keys_in_order() {
        let text = logged(LogFormat::Json, LogLevel::Info, || {
            info!(job = "web.backup", event = "job.added", kind = "exec", "added");
        });
        let (timestamp, rest) = text.split_once(',').unwrap();
        assert!(timestamp.starts_with(r#"{"timestamp":"2026-03-29T03:0"#), "{timestamp}");
        assert_eq!(timestamp.len(), r#"{"timestamp":"2026-03-29T03:00:00.000000Z""#.len());
        assert_eq!(
            rest,
            "\"level\":\"info\",\"event\":\"job.added\",\"message\":\"added\",\"job\":\"web.backup\",\
             \"kind\":\"exec\"}\n"
        );
    }

    #[test]
    fn values_keep_their_types() {
        let line = json(|| {
            info!(
                small = -1_i32,
                big = u64::MAX,
                huge = 7_u128,
                ok = true,
                seconds = 0.25_f64,
                text = "t",
                shown = %"s p",
                debugged = ?Some(1),
                none = Option::<&str>::None,
                some = Some(3),
                empty = "",
            );
        });
        assert_eq!(line["small"], json!(-1));
        assert_eq!(line["big"], json!(u64::MAX));
        assert_eq!(line["huge"], json!(7));
        assert_eq!(line["ok"], json!(true));
        assert_eq!(line["seconds"], json!(0.25));
        assert_eq!(line["text"], json!("t"));
        assert_eq!(line["shown"], json!("s p"));
        assert_eq!(line["debugged"], json!("Some(1)"));
        assert_eq!(line["some"], json!(3));
        assert_eq!(line["event"], json!("log"));
        for absent in ["none", "empty", "message", "target"] {
            assert!(line.get(absent).is_none(), "{absent}");
        }
    }

    #[test]
    fn an_error_is_told_with_its_causes() {
        #[derive(Debug, thiserror::Error)]
        #[error("cannot read the file")]
        struct Outer(#[source] io::Error);
        let error = Outer(io::Error::other("disk on fire"));
        let line = json(|| info!(reason = &error as &(dyn Error + 'static)));
        assert_eq!(line["reason"], "cannot read the file: disk on fire");
    }

    #[test]
    fn another_crates_event_names_its_origin() {
        assert_eq!(json(|| warn!(target: "hyper::proto", "odd"))["target"], "hyper::proto");
    }

    #[test]
    fn a_field_of_json_text_becomes_json() {
        let next = serde_json::to_string(&["2026-03-29T03:00:00Z"]).unwrap();
        let line = json(|| info!(next_json = %next));
        assert_eq!(line["next"], json!(["2026-03-29T03:00:00Z"]));
        assert_eq!(json(|| info!(next_json = "nonsense"))["next"], "nonsense");
    }

    #[test]
    fn a_value_that_logs_while_it_is_formatted_is_logged() {
        struct Chatty;
        impl Display for Chatty {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                info!("inner");
                f.write_str("chatty")
            }
        }
        let text = logged(LogFormat::Logfmt, LogLevel::Info, || info!(job = "a", who = %Chatty, "outer"));
        assert!(text.ends_with("message=outer job=a who=chatty\n"), "{text}");
    }

    #[tokio::test]
    async fn lines_that_were_dropped_are_told_in_the_format_of_the_log() {
        struct Blocked(mpsc::Receiver<()>, mpsc::Sender<Vec<u8>>);
        impl io::Write for Blocked {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                let _ = self.0.recv();
                let _ = self.1.send(bytes.to_vec());
                Ok(bytes.len())
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let (permit, permits) = mpsc::channel();
        let (out, written) = mpsc::channel();
        let sink = LogSink::start(Blocked(permits, out));
        let subscriber =
            tracing_subscriber::registry().with(layer(LogFormat::Json, clock(), sink.clone(), false));
        let long = "x".repeat(16 * 1024);
        tracing::subscriber::with_default(subscriber, || {
            for _ in 0..=HARD_LIMIT / long.len() {
                info!(line = long);
            }
        });
        let lost = sink.dropped();
        assert!(lost > 0);
        drop(permit);
        assert!(sink.flush(Duration::from_secs(60)).await);
        drop(sink);
        // The thread ends and lets go of the channel once all is written.
        let text = String::from_utf8(written.iter().flatten().collect()).unwrap();
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let told: Vec<_> = lines.iter().filter(|line| line["event"] == "log.dropped").collect();
        assert_eq!(told.len(), 1);
        assert_eq!((&told[0]["level"], &told[0]["lines"]), (&json!("warn"), &json!(lost)));
        assert_eq!(lines.len() as u64 - 1 + lost, HARD_LIMIT as u64 / long.len() as u64 + 1);
    }
}
