//! One request to a receiver, within its time.

use jiff::Timestamp;

use crate::outward::http::{Answer, Call, Client, Failed};

use super::config::Endpoint;

/// Sends it. The answer is how many spans or points of it the receiver did not want.
pub(super) async fn post(
    client: &Client,
    to: &Endpoint,
    body: String,
    now: Timestamp,
) -> Result<usize, Failed> {
    let mut headers = to.headers.clone();
    headers.push(("content-type".to_owned(), "application/json".to_owned()));
    let call = Call {
        method: "POST",
        url: format!("{}{}", to.place(), to.path),
        headers,
        body: body.into(),
        timeout: to.timeout,
        // The environment is the operator's.
        from_label: false,
        authorities: to.certificate.clone(),
    };
    judge(&client.call(call, now).await?)
}

fn judge(answer: &Answer) -> Result<usize, Failed> {
    let Answer { status, body, .. } = answer;
    if (200..300).contains(status) {
        return Ok(unwanted(body));
    }
    let again = matches!(status, 408 | 429 | 502 | 503 | 504);
    let mend = match status {
        401 | 403 => ": check OTEL_EXPORTER_OTLP_HEADERS",
        404 | 405 => ": check the path of its address",
        415 => ": it has to take http/json",
        _ => "",
    };
    Err(Failed { reason: format!("it answers with status {status}{mend}"), again })
}

/// How many of what it took in it did not want.
fn unwanted(body: &[u8]) -> usize {
    let answer: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let rejected = ["rejectedSpans", "rejectedDataPoints"].iter().find_map(|name| {
        let it = answer.get("partialSuccess")?.get(name)?;
        it.as_u64().or_else(|| it.as_str()?.parse().ok())
    });
    rejected.and_then(|it| usize::try_from(it).ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &'static [u8]) -> Answer {
        Answer { status, retry_after: None, body: body.into() }
    }

    #[test]
    fn what_may_pass_is_tried_again_and_what_does_not_is_told_with_its_mend() {
        for (status, again) in
            [(429, true), (503, true), (400, false), (401, false), (404, false), (500, false)]
        {
            let refusal = judge(&answer(status, b"")).unwrap_err();
            assert_eq!(refusal.again, again, "{status}");
        }
        let refused = judge(&answer(403, b"token hunter2")).unwrap_err().reason;
        assert_eq!(refused, "it answers with status 403: check OTEL_EXPORTER_OTLP_HEADERS");
    }

    #[test]
    fn what_a_receiver_did_not_want_of_a_request_is_counted() {
        assert_eq!(unwanted(br#"{"partialSuccess":{"rejectedSpans":"3","errorMessage":"x"}}"#), 3);
        assert_eq!(unwanted(br#"{"partialSuccess":{"rejectedDataPoints":2}}"#), 2);
        assert_eq!((unwanted(b"{}"), unwanted(b"")), (0, 0));
    }
}
