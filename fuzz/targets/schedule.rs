//! Any text as a schedule: occurrences come after the moment they are asked for, and a schedule that never comes says so.
#![no_main]

use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;
use watchbell::model::schedule::{Schedule, Zone};

const ZONES: [&str; 4] = ["UTC", "Europe/Berlin", "America/Sao_Paulo", "Australia/Lord_Howe"];
/// The day before the clocks change in Berlin.
const FROM: i64 = 1_774_656_000;

fuzz_target!(|input: (u8, u32, &str)| {
    let (zone, offset, text) = input;
    let zone = Zone::parse(ZONES[usize::from(zone) % ZONES.len()]).expect("a zone that there is");
    let schedule = match Schedule::of_job(text, &zone, "shop.web.sync") {
        Ok(schedule) => schedule,
        Err(error) => {
            let reason = error.to_string();
            assert!(!reason.trim().is_empty());
            return;
        }
    };
    assert!(!schedule.words().is_empty());
    assert!(schedule.warnings().iter().all(|it| !it.is_empty()));
    let again =
        Schedule::of_job(schedule.text(), &zone, "shop.web.sync").expect("what was read is read again");
    assert_eq!(again, schedule);
    let from = Timestamp::from_second(FROM + i64::from(offset % 100_000_000)).expect("a moment");
    if schedule.at_startup() || schedule.only_triggered() {
        // It comes, and no clock says when.
        assert_eq!(schedule.next_after(from, from), None);
        assert!(!schedule.never_fires(from));
        return;
    }
    let mut last = from;
    for _ in 0..3 {
        let Some(next) = schedule.next_after(last, from) else {
            assert!(schedule.never_fires(last), "it comes, and nobody knows when");
            return;
        };
        assert!(next > last, "{next} is not after {last}");
        assert_eq!(again.next_after(last, from), Some(next));
        last = next;
    }
    assert!(!schedule.never_fires(from), "it comes at {last}");
});
