//! `hash-password`: prints what the agent keeps of a password.

use std::{
    io::{self, BufRead, IsTerminal, Write},
    process::ExitCode,
};

use clap::Args;
use ring::rand::{SecureRandom, SystemRandom};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

use crate::model::password::PasswordHash;

use super::{Output, print};

/// How it is printed.
#[derive(Debug, Args)]
pub struct HashPasswordArgs {
    /// Text or JSON.
    #[arg(long, value_enum, default_value_t)]
    pub output: Output,
}

/// A password is no book.
const LONGEST: u64 = 4096;

/// Asks for a password twice on a terminal, or reads one line of standard input; prints its hash.
pub fn run(args: &HashPasswordArgs) -> ExitCode {
    match read().and_then(|password| hash(&password)) {
        Ok(hash) => {
            match args.output {
                Output::Text => print::line(hash),
                Output::Json => print::exactly(format_args!("{}\n", serde_json::json!({ "hash": hash }))),
            }
            ExitCode::SUCCESS
        }
        Err(reason) => {
            print::complain(format_args!("watchbell: {reason}"));
            ExitCode::FAILURE
        }
    }
}

fn hash(password: &str) -> Result<String, String> {
    let mut salt = [0; 16];
    SystemRandom::new().fill(&mut salt).map_err(|_| "this machine has no randomness now".to_owned())?;
    Ok(PasswordHash::of(password, &salt)?.text().to_owned())
}

fn read() -> Result<String, String> {
    let password = if io::stdin().is_terminal() {
        let _quiet = Quiet::new()?;
        let password = ask("Password: ")?;
        if ask("The same again: ")? != password {
            return Err("the two are not the same: start again".to_owned());
        }
        password
    } else {
        line()?
    };
    if password.is_empty() {
        return Err("there is no password: write it into the first line of standard input".to_owned());
    }
    Ok(password)
}

fn ask(question: &str) -> Result<String, String> {
    let mut terminal = io::stderr();
    let _ = write!(terminal, "{question}").and_then(|()| terminal.flush());
    let answer = line();
    // The one that was typed is not shown.
    let _ = writeln!(terminal);
    answer
}

fn line() -> Result<String, String> {
    let mut line = Vec::new();
    let read = io::Read::take(io::stdin().lock(), LONGEST + 2).read_until(b'\n', &mut line);
    read.map_err(|error| format!("the password cannot be read: {error}"))?;
    let line = line.strip_suffix(b"\n").unwrap_or(&line);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.len() as u64 > LONGEST {
        return Err(format!("the password is longer than {LONGEST} bytes: take a shorter one"));
    }
    let line =
        std::str::from_utf8(line).map_err(|_| "the password is no UTF-8: write it as text".to_owned())?;
    Ok(line.to_owned())
}

/// A terminal that shows nothing of what is typed, until this is dropped.
struct Quiet(Termios);

impl Quiet {
    fn new() -> Result<Self, String> {
        let failed = |error| format!("the terminal cannot be kept from showing the password: {error}");
        let was = tcgetattr(io::stdin()).map_err(failed)?;
        let mut quiet = was.clone();
        quiet.local_modes -= LocalModes::ECHO;
        tcsetattr(io::stdin(), OptionalActions::Flush, &quiet).map_err(failed)?;
        Ok(Self(was))
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        let _ = tcsetattr(io::stdin(), OptionalActions::Flush, &self.0);
    }
}
