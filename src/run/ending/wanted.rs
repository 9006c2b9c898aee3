//! What is asked of those who look for the processes of a run, and what they answer. Each is a few words, because a
//! shell must be able to read the one and to write the other.

use std::{fmt, str::FromStr};

/// A signal that ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ender {
    /// Asks a process to end.
    Term,
    /// Ends it.
    Kill,
}

impl Ender {
    /// `TERM` or `KILL`, as a shell's `kill` has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Term => "TERM",
            Self::Kill => "KILL",
        }
    }
}

/// A process that cannot be taken for another: numbers are used again, but not in the same moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    /// Its process ID.
    pub pid: i32,
    /// When it began, in hundredths of a second since the machine did.
    pub start: u64,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.pid, self.start)
    }
}

impl FromStr for Target {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (pid, start) = text.split_once(':').ok_or(())?;
        Ok(Self { pid: pid.parse().map_err(drop)?, start: start.parse().map_err(drop)? })
    }
}

/// Which processes are to be signalled, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// `NAME=VALUE`, which is in their environment.
    pub mark: String,
    /// The signal.
    pub signal: Ender,
    /// While the Engine says that the command's first process is there: how old it can be at most, in hundredths of a
    /// second.
    pub age: Option<u64>,
    /// That process's ID as the Engine sees it.
    pub outer: Option<i32>,
    /// What was found before.
    pub known: Vec<Target>,
}

impl Wanted {
    /// The five words.
    pub fn words(&self) -> [String; 5] {
        let known: Vec<String> = self.known.iter().map(ToString::to_string).collect();
        [
            self.mark.clone(),
            self.signal.as_str().to_owned(),
            self.age.map_or_else(|| "-".to_owned(), |age| age.to_string()),
            self.outer.map_or_else(|| "-".to_owned(), |pid| pid.to_string()),
            known.join(" "),
        ]
    }

    /// Reads them again; none where they are not such words.
    pub fn read(words: &[String]) -> Option<Self> {
        let [mark, signal, age, outer, known] = words else { return None };
        let number = |text: &str| if text == "-" { Some(None) } else { text.parse().ok().map(Some) };
        Some(Self {
            mark: mark.clone(),
            signal: [Ender::Term, Ender::Kill].into_iter().find(|it| it.as_str() == signal)?,
            age: number(age)?,
            outer: number(outer)?.and_then(|pid| i32::try_from(pid).ok()),
            known: known.split_whitespace().map(|it| it.parse().ok()).collect::<Option<_>>()?,
        })
    }
}

/// What came of it.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Those that were signalled.
    pub signalled: Vec<Target>,
    /// Those that may not be signalled.
    pub denied: Vec<Target>,
    /// Those that were killed and are still there.
    pub left: Vec<Target>,
}

/// The last word of an answer: without it whoever looked came to no end.
pub const LOOKED: &str = "looked";

impl Answer {
    /// Reads one; an error is the last thing that was said instead.
    pub fn read(text: &str) -> Result<Self, String> {
        let mut answer = Self::default();
        let mut looked = false;
        for line in text.lines() {
            let (word, target) = line.split_once(' ').unwrap_or((line, ""));
            match (word, target.parse()) {
                ("signalled", Ok(target)) => answer.signalled.push(target),
                ("denied", Ok(target)) => answer.denied.push(target),
                ("left", Ok(target)) => answer.left.push(target),
                _ => looked |= line == LOOKED,
            }
        }
        if looked {
            return Ok(answer);
        }
        let said = text.lines().map(str::trim).rfind(|line| !line.is_empty());
        Err(said.map_or_else(|| "it said nothing".to_owned(), |line| line.chars().take(300).collect()))
    }

    /// Everything that was found.
    pub fn found(&self) -> impl Iterator<Item = Target> + '_ {
        self.signalled.iter().chain(&self.denied).copied()
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lists = [("signalled", &self.signalled), ("denied", &self.denied), ("left", &self.left)];
        for (word, targets) in lists {
            for target in targets {
                writeln!(f, "{word} {target}")?;
            }
        }
        writeln!(f, "{LOOKED}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_and_what_is_answered_come_through_as_words() {
        let target = |pid| Target { pid, start: 7 };
        for (age, outer, known) in
            [(None, None, Vec::new()), (Some(40), Some(12), vec![target(5), target(6)])]
        {
            let wanted = Wanted { mark: "A=b c".to_owned(), signal: Ender::Kill, age, outer, known };
            assert_eq!(Wanted::read(&wanted.words()), Some(wanted));
        }
        let answer = Answer { signalled: vec![target(1), target(2)], denied: vec![target(3)], left: vec![] };
        assert_eq!(Answer::read(&answer.to_string()), Ok(answer));
    }

    #[test]
    fn who_did_not_come_to_an_end_has_not_looked_and_its_last_words_say_why() {
        assert_eq!(
            Answer::read("signalled 4:7\nexec: no such file \n\n"),
            Err("exec: no such file".to_owned())
        );
        assert_eq!(Answer::read(""), Err("it said nothing".to_owned()));
    }

    #[test]
    fn words_that_are_none_of_ours_ask_for_nothing() {
        for words in [
            &["m", "HUP", "-", "-", ""][..],
            &["m", "TERM", "x", "-", ""],
            &["m", "TERM", "-", "-", "4"],
            &[],
        ] {
            assert_eq!(Wanted::read(&words.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>()), None);
        }
    }
}
