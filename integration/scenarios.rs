//! Promises about what the agent decides, told as text: every file in `scenarios/` is played against the real sources,
//! planner and state. `UPDATE_EXPECT=1` writes the expected effects anew; read the difference before you keep it.

use crate::support::{expect, scenario};

#[test]
fn every_scenario_gives_the_effects_that_stand_in_its_file() {
    let folder = expect::root().join("integration/scenarios");
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|it| it == "txt"))
        .collect();
    files.sort();
    assert!(files.len() >= 12, "only {} scenarios in {}", files.len(), folder.display());
    let failures: Vec<String> = files
        .iter()
        .filter_map(|path| {
            let error = scenario::check(path).err()?;
            Some(format!("{}: {error}", path.file_name()?.display()))
        })
        .collect();
    assert!(failures.is_empty(), "\n{}", failures.join("\n\n"));
}

#[test]
fn a_wrong_expectation_and_a_step_that_does_not_exist_are_seen() {
    let text = "at 2026-01-01T00:00:00Z\nstart\n-> added nothing\n";
    assert_eq!(scenario::play(text).unwrap(), "at 2026-01-01T00:00:00Z\nstart\n");
    assert!(scenario::play("dance\n").unwrap_err().contains("no such step"));
    assert!(scenario::play("observe\n").unwrap_err().contains("write at TIME first"));
}
