//! The shapes of OTLP in JSON, as its description has them: names in camel case, IDs in hexadecimal, and whole numbers of
//! 64 bits as text.

use jiff::Timestamp;
use serde_json::{Value, json};
use ulid::Ulid;

use crate::{
    model::run::{RunRecord, Trigger},
    telemetry::{
        legs::{Leg, Legs, Taken},
        metrics::{self, Family},
    },
};

/// A longer reason is cut.
const REASON: usize = 1000;

/// What every request says of the agent.
pub fn resource(attributes: &[(String, String)]) -> String {
    json!({ "attributes": labels(attributes) }).to_string()
}

/// A whole request. `of` is `Spans` or `Metrics`, and `items` are the spans or metrics of it.
pub fn request(of: &str, resource: &str, items: &[&str]) -> String {
    let list = if of == "Spans" { "spans" } else { "metrics" };
    let version = env!("CARGO_PKG_VERSION");
    format!(
        "{{\"resource{of}\":[{{\"resource\":{resource},\"scope{of}\":[{{\"scope\":{{\"name\":\"watchbell\",\
         \"version\":\"{version}\"}},\"{list}\":[{}]}}]}}]}}",
        items.join(",")
    )
}

fn labels(pairs: &[(String, String)]) -> Value {
    pairs.iter().map(|(name, value)| attribute(name, value)).collect()
}

fn attribute(name: &str, value: &str) -> Value {
    json!({ "key": name, "value": { "stringValue": value } })
}

fn number(name: &str, value: i64) -> Value {
    json!({ "key": name, "value": { "intValue": value.to_string() } })
}

fn nanoseconds(at: Timestamp) -> String {
    at.as_nanosecond().max(0).to_string()
}

/// A metric with its series at this moment; `since` is when what is counted began.
pub fn metric(family: &Family, since: Timestamp, now: Timestamp) -> String {
    let spread = matches!(family.points.first().map(|it| &it.value), Some(metrics::Value::Spread { .. }));
    let cumulative = spread || family.grows;
    let points: Vec<Value> =
        family.points.iter().map(|it| point(it, cumulative.then_some(since), now)).collect();
    let mut data = json!({ "dataPoints": points });
    if cumulative {
        data["aggregationTemporality"] = json!(2);
    }
    if family.grows {
        data["isMonotonic"] = json!(true);
    }
    let shape = if spread {
        "histogram"
    } else if family.grows {
        "sum"
    } else {
        "gauge"
    };
    json!({ "name": family.name, "description": family.doc, "unit": family.unit(), shape: data }).to_string()
}

fn point(it: &metrics::Point, since: Option<Timestamp>, now: Timestamp) -> Value {
    let mut point = json!({ "attributes": labels(&it.labels), "timeUnixNano": nanoseconds(now) });
    if let Some(since) = since {
        point["startTimeUnixNano"] = json!(nanoseconds(since.min(now)));
    }
    match &it.value {
        metrics::Value::Number(number) => point["asDouble"] = json!(number),
        metrics::Value::Spread { bounds, counts, sum } => {
            let text: Vec<String> = counts.iter().map(ToString::to_string).collect();
            point["count"] = json!(counts.iter().sum::<u64>().to_string());
            point["sum"] = json!(sum);
            point["explicitBounds"] = json!(bounds);
            point["bucketCounts"] = json!(text);
        }
    }
    point
}

/// The spans of one run's trace, and how many there are. The trace has the ID of the run, which is 128 bits as well.
pub fn trace(record: &RunRecord, legs: &Legs, kept: Timestamp) -> Option<(String, usize)> {
    let id = Ulid::from_string(&record.run.0).ok()?;
    let taken = all(record, legs, kept);
    // Within a trace they only have to differ, and not be nothing.
    let first = u64::from_be_bytes(std::array::from_fn(|it| id.to_bytes()[it + 8]));
    let span = |n: u64| format!("{:016x}", first.wrapping_add(n).max(1));
    let trace = format!("{:032x}", u128::from_be_bytes(id.to_bytes()));
    let began = taken.iter().map(|it| it.began).min().unwrap_or(record.admitted);
    let ended = taken.iter().map(|it| it.ended).max().unwrap_or(record.ended);
    let mut spans = vec![json!({
        "traceId": trace,
        "spanId": span(0),
        "name": "run",
        "kind": 1,
        "startTimeUnixNano": nanoseconds(began),
        "endTimeUnixNano": nanoseconds(ended),
        "attributes": attributes(record),
        "status": status(record),
    })];
    for (n, it) in (1..).zip(&taken) {
        spans.push(json!({
            "traceId": trace,
            "spanId": span(n),
            "parentSpanId": span(0),
            "name": it.leg.as_str(),
            "kind": 1,
            "startTimeUnixNano": nanoseconds(it.began),
            "endTimeUnixNano": nanoseconds(it.ended),
            "attributes": [number("watchbell.attempt", it.attempt.into())],
            "status": if it.failed { json!({ "code": 2 }) } else { json!({}) },
        }));
    }
    let text: Vec<String> = spans.iter().map(Value::to_string).collect();
    Some((text.join(","), text.len()))
}

/// The legs with the first and the last one.
fn all(record: &RunRecord, legs: &Legs, kept: Timestamp) -> Vec<Taken> {
    let mut all = Vec::new();
    if let Some(ended) = legs.began() {
        // What is caught up was due when there was no agent.
        let due = if record.trigger == Trigger::CatchUp { record.admitted } else { record.fires };
        let began = due.min(ended);
        all.push(Taken { leg: Leg::Admission, attempt: 1, began, ended, failed: false });
    }
    all.extend(legs.taken());
    let (began, attempt) = (record.ended, record.attempts);
    all.push(Taken { leg: Leg::Record, attempt, began, ended: kept.max(began), failed: false });
    all
}

fn attributes(it: &RunRecord) -> Vec<Value> {
    let mut all = vec![
        attribute("watchbell.job", it.job.as_str()),
        attribute("watchbell.kind", it.kind.as_str()),
        attribute("watchbell.run", &it.run.0),
        attribute("watchbell.trigger", it.trigger.as_str()),
        attribute("watchbell.outcome", it.outcome.as_str()),
        number("watchbell.attempts", it.attempts.into()),
    ];
    all.extend(it.outcome.exit_code().map(|code| number("watchbell.exit_code", code)));
    all.extend(it.container.as_ref().map(|name| attribute("watchbell.container", name)));
    all
}

fn status(it: &RunRecord) -> Value {
    if !it.outcome.is_bad() {
        return json!({});
    }
    let reason = it.reason().unwrap_or_else(|| it.outcome.as_str().to_owned());
    let reason: String = reason.chars().take(REASON).collect();
    json!({ "code": 2, "message": reason })
}
