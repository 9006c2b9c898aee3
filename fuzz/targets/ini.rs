//! Any bytes as an INI file: one mistake a line at most, each with its line; what is printed reads as the same.
#![no_main]

use std::collections::BTreeSet;

use libfuzzer_sys::fuzz_target;
use watchbell::{
    model::{diagnostic::Severity, origin::Origin},
    settings::{ini, print},
};
use watchbell_fuzz::{CANARY, check, container, meaning, settle};

fuzz_target!(|bytes: &[u8]| {
    let variable = |name: &str| name.starts_with('S').then(|| "a b".to_owned());
    let tail = format!("\nenvironment = TOKEN={CANARY}\n[job-run \"last\"]\nenvironment = TOKEN={CANARY}\n");
    let text = [bytes, tail.as_bytes()].concat();
    let lines = text.split(|byte| *byte == b'\n').count();
    let ini = ini::parse("f.ini", &text, &variable);
    check(&ini.broken);
    check(&ini.diagnostics);
    let mut told = BTreeSet::new();
    for it in ini.broken.iter().chain(&ini.diagnostics) {
        let Origin::File { path, line } = &it.origin else { panic!("not of the file: {it:?}") };
        assert!(&**path == "f.ini" && (1..=lines).contains(&(*line as usize)), "{it:?}");
        assert!(it.severity == Severity::Warning || told.insert(*line), "told twice of one line: {it:?}");
    }
    for (id, job) in &ini.jobs {
        match print::section(id, job.kind, &job.layer) {
            Ok(printed) => {
                let again = ini::parse("f.ini", &printed, &|_| None);
                assert!(again.broken.is_empty() && again.diagnostics.is_empty(), "{printed}");
                assert_eq!(meaning(&again.jobs[id].layer), meaning(&job.layer), "{printed}");
                assert_eq!(print::section(id, job.kind, &again.jobs[id].layer), Ok(printed));
            }
            // Each dollar becomes two.
            Err(error) => assert_eq!(error.reason, "is longer than a line can be"),
        }
    }
    let spoiled: BTreeSet<_> = ini.broken.iter().filter_map(|it| it.job.clone()).collect();
    let desired = settle(ini, vec![container("web", [])]);
    check(&desired.diagnostics);
    for it in desired.diagnostics.iter().filter(|it| it.rejects) {
        assert!(it.job.as_ref().is_some_and(|job| !desired.jobs.contains_key(job)), "{it:?}");
    }
    assert!(spoiled.iter().all(|job| !desired.jobs.contains_key(job)), "a job without one of its lines");
});
