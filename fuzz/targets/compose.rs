//! Any text as a compose file: each mistake has its line, and the labels in it read as labels.
#![no_main]

use libfuzzer_sys::fuzz_target;
use watchbell::{
    model::origin::Origin,
    settings::{compose, ini::Ini},
};
use watchbell_fuzz::{check, settle};

fuzz_target!(|text: &str| {
    let variable = |name: &str| name.starts_with('S').then(|| "a b".to_owned());
    let read = compose::parse("shop/compose.yaml", text, None, &variable);
    let lines = text.split(['\n', '\r']).count() + 1;
    check(&read.diagnostics);
    for it in &read.diagnostics {
        match &it.origin {
            Origin::File { line, .. } => assert!((1..=lines).contains(&(*line as usize)), "{it:?}"),
            Origin::Label { container, label } => {
                assert!(read.places.contains_key(&(container.clone(), label.clone())), "{it:?}");
            }
            Origin::Container(name) => assert!(read.containers.iter().any(|it| it.name == *name), "{it:?}"),
            _ => panic!("not of the file: {it:?}"),
        }
    }
    for (name, label) in read.places.keys() {
        let there = read.containers.iter().any(|it| it.name == *name && it.labels.contains_key(&**label));
        assert!(there, "{name} has no {label}");
    }
    check(&settle(Ini::default(), read.containers).diagnostics);
});
