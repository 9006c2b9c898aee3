//! `completions`: scripts that the shells take.

use std::process::Command;

use super::Desk;

#[test]
fn bash_takes_the_script_and_every_command_is_in_it() {
    let desk = Desk::new();
    for shell in ["bash", "zsh", "fish"] {
        let answer = desk.run(&["completions", shell]);
        assert_eq!((answer.code, &*answer.err), (0, ""), "{shell}");
        for word in ["daemon", "validate", "allow-from-labels"] {
            answer.shows(word);
        }
        if shell == "bash" {
            let desk = Desk::new().file("script", &answer.out);
            let status = Command::new("bash").args(["-n", "script"]).current_dir(desk.path()).status();
            assert!(status.unwrap().success());
        }
    }
    assert_eq!(desk.run(&["completions", "cmd"]).code, 2);
}
