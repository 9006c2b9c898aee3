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

/// What bash offers for what was typed so far.
fn offered(desk: &Desk, typed: &[&str]) -> Vec<String> {
    let words = typed.iter().map(|it| format!("'{it}'")).collect::<Vec<_>>().join(" ");
    let last = typed.len() - 1;
    let ask = format!(
        "source ./script; COMP_WORDS=({words}); COMP_CWORD={last}; _watchbell watchbell '{}' '{}'; \
         printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        typed[last],
        typed[last - 1]
    );
    let output = Command::new("bash").args(["-c", &ask]).current_dir(desk.path()).output().unwrap();
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn bash_offers_each_command_its_flags_and_the_values_of_those() {
    let desk = Desk::new();
    let script = desk.run(&["completions", "bash"]).out;
    let desk = desk.file("script", &script);
    let commands = offered(&desk, &["watchbell", ""]);
    for command in watchbell::cli::args::command().get_subcommands() {
        assert!(commands.iter().any(|it| it == command.get_name()), "{}: {commands:?}", command.get_name());
        let flags = offered(&desk, &["watchbell", command.get_name(), "--"]);
        for flag in command.get_arguments().filter_map(clap::Arg::get_long).map(|it| format!("--{it}")) {
            assert!(flags.contains(&flag), "{} {flag}: {flags:?}", command.get_name());
        }
    }
    assert_eq!(offered(&desk, &["watchbell", "jobs", "--output", ""]), ["text", "json"]);
    assert_eq!(offered(&desk, &["watchbell", "hea"]), ["healthcheck"]);
}
