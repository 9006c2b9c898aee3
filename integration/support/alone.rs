//! Tests that look at what their own process takes: they run in one of their own, where no other test takes anything.

use std::process::Command;

/// Set in the process of a test that runs alone.
const ALONE: &str = "WATCHBELL_TEST_ALONE";

/// Whether this process is the test's own. If it is not, the test `name` (as the test runner calls it) has run in such a
/// process by now, and has passed.
pub fn is_alone(name: &str) -> bool {
    if std::env::var_os(ALONE).is_some_and(|it| it == name) {
        return true;
    }
    let done = Command::new(std::env::current_exe().expect("the tests' program"))
        .args(["--exact", name])
        .env(ALONE, name)
        .output()
        .expect("the tests' program can be run");
    let out = String::from_utf8_lossy(&done.stdout);
    let err = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success() && out.contains("1 passed"), "{name}, alone: {out}{err}");
    false
}
