//! Any text as labels, one `key=value` a line and U+0001 for a newline: each mistake names one of them; what is printed
//! reads as the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use watchbell::{
    model::origin::Origin,
    settings::{ini::Ini, label, print},
};
use watchbell_fuzz::{CANARY, check, container, meaning, settle};

fuzz_target!(|text: &str| {
    let pair = |line: &str| {
        let (key, value) = line.split_once('=').unwrap_or((line, ""));
        (key.to_owned(), value.replace('\u{1}', "\n"))
    };
    let secret = |key: &str| (format!("watchbell.{key}"), format!("TOKEN={CANARY}"));
    let secrets = [secret("job-exec.a.environment.7"), secret("job-run.b.environment")];
    let web = container("web", text.lines().map(pair).chain(secrets));
    for own in [false, true] {
        let read = label::parse(&web, own);
        check(&read.diagnostics);
        for it in &read.diagnostics {
            let Origin::Label { container, label } = &it.origin else { panic!("no label: {it:?}") };
            assert!(&**container == "web" && web.labels.contains_key(&**label), "{it:?}");
        }
        for (id, job) in &read.jobs {
            let name = id.as_str().rsplit('.').next().unwrap_or_default();
            let printed = print::labels(job.kind, name, &job.layer);
            let again = label::parse(&container("web", printed), true);
            assert_eq!(again.diagnostics, []);
            let layer = again.jobs.into_values().next().map(|job| job.layer).unwrap_or_default();
            assert_eq!(meaning(&layer), meaning(&job.layer));
        }
    }
    let desired = settle(Ini::default(), vec![web]);
    check(&desired.diagnostics);
    for it in desired.diagnostics.iter().filter(|it| it.rejects) {
        assert!(it.job.as_ref().is_some_and(|job| !desired.jobs.contains_key(job)), "{it:?}");
    }
});
