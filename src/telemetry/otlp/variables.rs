//! The variables that say where metrics and traces are exported to, by the names that OpenTelemetry gives them. The
//! documentation comes from here.

/// One variable.
#[derive(Debug, Clone, Copy)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// Whether there is one for each signal as well, which goes over it: `_OTLP_TRACES_` and `_OTLP_METRICS_`.
    pub by_signal: bool,
    /// What can be written, in words.
    pub shape: &'static str,
    /// What holds when nobody writes it.
    pub default: &'static str,
    /// What it does, in one line.
    pub doc: &'static str,
}

const fn row(name: &'static str, shape: &'static str, default: &'static str, doc: &'static str) -> Variable {
    Variable { name, by_signal: false, shape, default, doc }
}

const fn twice(it: Variable) -> Variable {
    Variable { by_signal: true, ..it }
}

/// What each begins with.
pub const ANY: &str = "OTEL_";
pub(super) const PREFIX: &str = "OTEL_EXPORTER_OTLP_";
pub(super) const SERVICE_NAME: &str = "OTEL_SERVICE_NAME";
pub(super) const RESOURCE_ATTRIBUTES: &str = "OTEL_RESOURCE_ATTRIBUTES";
pub(super) const INTERVAL: &str = "OTEL_METRIC_EXPORT_INTERVAL";
pub(super) const DELAY: &str = "OTEL_BSP_SCHEDULE_DELAY";
pub(super) const QUEUE: &str = "OTEL_BSP_MAX_QUEUE_SIZE";
pub(super) const DISABLED: &str = "OTEL_SDK_DISABLED";
pub(super) const TRACES_EXPORTER: &str = "OTEL_TRACES_EXPORTER";
pub(super) const METRICS_EXPORTER: &str = "OTEL_METRICS_EXPORTER";

/// Every variable, in the order of the documentation.
pub const VARIABLES: &[Variable] = &[
    twice(row(
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "`http://` or `https://` address",
        "none",
        "Where the receiver is. `/v1/traces` and `/v1/metrics` are put behind it, and not behind that of one signal. Without it \
         nothing is exported.",
    )),
    twice(row(
        "OTEL_EXPORTER_OTLP_HEADERS",
        "`name=value,…`, percent-encoded",
        "none",
        "What each request has as headers, such as a token. They are never shown.",
    )),
    twice(row("OTEL_EXPORTER_OTLP_PROTOCOL", "`http/json`", "http/json", "What is spoken.")),
    twice(row(
        "OTEL_EXPORTER_OTLP_COMPRESSION",
        "`none`",
        "none",
        "How requests are compressed: they are not.",
    )),
    twice(row("OTEL_EXPORTER_OTLP_TIMEOUT", "milliseconds", "10000", "How long one request may take.")),
    twice(row(
        "OTEL_EXPORTER_OTLP_CERTIFICATE",
        "path",
        "the authorities of this machine",
        "Who may have signed the receiver's certificate, in PEM.",
    )),
    row(SERVICE_NAME, "text", "watchbell", "What the agent is called there."),
    row(
        RESOURCE_ATTRIBUTES,
        "`name=value,…`, percent-encoded",
        "none",
        "What else is said of the agent with everything that is exported.",
    ),
    row(INTERVAL, "milliseconds", "60000", "How often metrics are exported."),
    row(DELAY, "milliseconds", "5000", "How long a trace waits for others that go along with it."),
    row(
        QUEUE,
        "number",
        "2048",
        "How many spans wait at most; those of runs beyond are dropped and counted.",
    ),
    row(DISABLED, "boolean", "false", "Whether nothing is exported, whatever else is said."),
    row(TRACES_EXPORTER, "`otlp` or `none`", "otlp", "Whether traces are exported."),
    row(METRICS_EXPORTER, "`otlp` or `none`", "otlp", "Whether metrics are exported."),
];
