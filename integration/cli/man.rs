//! The manual pages of `docs/man`: made of what can be typed, as the help is. `UPDATE_EXPECT=1` writes them anew.

use std::{collections::BTreeMap, path::Path, process::Command};

use crate::support::expect::{self, root};

/// Each page by its file's name: one for the whole, and one for each command.
fn pages() -> BTreeMap<String, String> {
    let folder = tempfile::tempdir().unwrap();
    clap_mangen::generate_to(watchbell::cli::args::command(), folder.path()).unwrap();
    texts(folder.path())
}

fn texts(folder: &Path) -> BTreeMap<String, String> {
    let entries = std::fs::read_dir(folder).unwrap().map(|it| it.unwrap().path());
    let named = |path: std::path::PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        (name, std::fs::read_to_string(path).unwrap())
    };
    entries.map(named).collect()
}

#[test]
fn the_manual_pages_are_those_of_the_command_line() {
    let folder = root().join("docs/man");
    std::fs::create_dir_all(&folder).unwrap();
    let (there, wanted) = (texts(&folder), pages());
    assert!(wanted.len() > 20 && wanted.contains_key("watchbell.1"), "{:?}", wanted.keys());
    for (name, wanted) in &wanted {
        let there = there.get(name).map_or("", String::as_str);
        expect::same(&folder.join(name), there, wanted).unwrap();
    }
    let stale: Vec<_> = there.keys().filter(|it| !wanted.contains_key(*it)).collect();
    assert!(stale.is_empty(), "pages of no command, which are to be removed: {stale:?}");
}

#[test]
fn every_command_and_flag_has_its_page_and_its_place_there() {
    let pages = pages();
    let cli = watchbell::cli::args::command();
    for command in cli.get_subcommands() {
        let name = command.get_name();
        // The writer escapes each hyphen.
        let text = pages[&format!("watchbell-{name}.1")].replace("\\-", "-");
        for flag in command.get_arguments().filter_map(clap::Arg::get_long) {
            assert!(text.contains(&format!("--{flag}")), "{name}: --{flag}");
        }
        assert!(pages["watchbell.1"].replace("\\-", "-").contains(&format!("watchbell-{name}(1)")), "{name}");
    }
}

/// Where there is a reader of manual pages, it takes them.
#[test]
fn a_reader_of_manual_pages_takes_them_without_a_word() {
    if Command::new("groff").arg("--version").output().is_err() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in pages() {
        let page = folder.path().join(&name);
        std::fs::write(&page, text).unwrap();
        let output = Command::new("groff").args(["-man", "-Tascii", "-ww"]).arg(&page).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.is_empty(), "{name}: {said}");
    }
}
