//! What the environment says of exports, and what is wrong with it.

use super::*;

fn environment(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn config(pairs: &[(&str, &str)]) -> Config {
    let (config, wrong) = read(&environment(pairs));
    assert_eq!(wrong, []);
    config.unwrap()
}

const ENDPOINT: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318/otlp/");

#[test]
fn nothing_is_exported_unless_an_address_is_set_and_nobody_says_otherwise() {
    for off in [
        &[][..],
        &[("OTEL_SERVICE_NAME", "cron"), ("OTEL_EXPORTER_OTLP_ENDPOINT", "")],
        &[ENDPOINT, ("OTEL_SDK_DISABLED", "true")],
        &[ENDPOINT, ("OTEL_TRACES_EXPORTER", "none"), ("OTEL_METRICS_EXPORTER", "none")],
    ] {
        let (config, wrong) = read(&environment(off));
        assert!(config.is_none() && wrong.is_empty(), "{off:?}: {wrong:?}");
    }
}

#[test]
fn each_signal_has_its_path_and_its_own_variables_go_over_those_of_both() {
    let it = config(&[
        ENDPOINT,
        ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "https://[::1]/in?x=1"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20a%2Cb, x-scope = 1"),
        ("OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", "250"),
    ]);
    let (traces, metrics) = (it.traces.unwrap(), it.metrics.unwrap());
    assert_eq!((&*traces.path, traces.tls), ("/otlp/v1/traces", false));
    assert_eq!((&*metrics.path, metrics.tls), ("/in?x=1", true));
    assert_eq!(&*metrics.place(), "https://[::1]");
    assert_eq!((traces.timeout.as_millis(), metrics.timeout.as_millis()), (10_000, 250));
    let headers: Vec<_> =
        traces.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(headers, [("authorization", "Bearer a,b"), ("x-scope", "1")]);
}

#[test]
fn what_is_said_of_the_agent_has_its_name_in_any_case() {
    let named = |pairs: &[(&str, &str)]| {
        let config = config(&[&[ENDPOINT], pairs].concat());
        config.resource.into_iter().collect::<BTreeMap<_, _>>()
    };
    assert_eq!(named(&[])["service.name"], "watchbell");
    let said = ("OTEL_RESOURCE_ATTRIBUTES", "service.name=a,deployment.environment.name=the%20lab");
    assert_eq!(named(&[said])["service.name"], "a");
    let both = named(&[said, ("OTEL_SERVICE_NAME", "b")]);
    assert_eq!((&*both["service.name"], &*both["deployment.environment.name"]), ("b", "the lab"));
}

#[test]
fn a_wrong_value_is_told_with_variable_reason_and_mend_and_never_repeats_a_secret() {
    for (name, value, mend) in [
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "collector:4317/hunter2", "write http://collector:4318"),
        (
            "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
            "http://me:hunter2@there",
            "write them into OTEL_EXPORTER_OTLP_HEADERS",
        ),
        ("OTEL_EXPORTER_OTLP_HEADERS", "authorization hunter2", "write name=value"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "x=%zzhunter2", "write name=value"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "two words=hunter2", "write name=value"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "write http/json"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip", "write none"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s", "write one"),
        ("OTEL_EXPORTER_OTLP_ENDPIONT", "x", "did you mean \"OTEL_EXPORTER_OTLP_ENDPOINT\"?"),
        ("OTEL_RESOURCE_ATTRIBUTES", "a", "write name=value"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "0", "write one"),
        ("OTEL_BSP_SCHEDULE_DELAY", "-1", "write one"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "many", "write one"),
        ("OTEL_SDK_DISABLED", "yes", "write false or true"),
        ("OTEL_TRACES_EXPORTER", "console", "write otlp or none"),
        ("OTEL_METRICS_EXPORTER", "prometheus", "write otlp or none"),
    ] {
        let (_, wrong) = read(&environment(&[ENDPOINT, (name, value)]));
        let told: Vec<String> = wrong.iter().map(|it| format!("{}: {}", it.origin, it.reason)).collect();
        assert!(!told.is_empty(), "{name}={value}");
        for it in told {
            assert!(
                it.contains(name) && it.contains(mend) && !it.contains("hunter2"),
                "{name}={value}: {it}"
            );
        }
    }
}

#[test]
fn a_wrong_value_costs_what_it_is_about_and_no_more() {
    let exported = |pair| {
        let config = read(&environment(&[ENDPOINT, pair])).0;
        config.map_or((false, false), |it| (it.traces.is_some(), it.metrics.is_some()))
    };
    assert_eq!(exported(("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "grpc")), (false, true));
    assert_eq!(exported(("OTEL_METRICS_EXPORTER", "prometheus")), (true, false));
    assert_eq!(exported(("OTEL_EXPORTER_OTLP_HEADERS", "x")), (false, false));
    assert_eq!(exported(("OTEL_METRIC_EXPORT_INTERVAL", "x")), (true, true));
}

#[test]
fn what_is_debugged_shows_no_header() {
    let it = config(&[ENDPOINT, ("OTEL_EXPORTER_OTLP_HEADERS", "x=hunter2")]);
    assert!(!format!("{it:?}").contains("hunter2"));
}

#[test]
fn a_proxy_that_makes_no_sense_is_told_and_nothing_goes_without_it() {
    let (config, wrong) = read(&environment(&[ENDPOINT, ("HTTPS_PROXY", "socks5://user:hunter2@a")]));
    assert!(config.is_none());
    let [wrong] = &wrong[..] else { panic!("{wrong:?}") };
    assert!(wrong.origin.to_string().contains("HTTPS_PROXY"), "{wrong:?}");
    assert!(wrong.reason.ends_with("write http://proxy:3128; nothing is exported"), "{wrong:?}");
    assert!(!format!("{wrong:?}").contains("hunter2"));
    let (config, wrong) = read(&environment(&[("HTTPS_PROXY", "socks5://a")]));
    assert!(config.is_none() && wrong.is_empty(), "whoever exports nothing is not told of it: {wrong:?}");
}
