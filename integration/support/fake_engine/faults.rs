//! What goes wrong, and exactly when: rules on requests that are looked at as each request arrives.

use super::{behaviour::Gate, query::line_matches};

/// Keeps requests waiting until it is released or dropped.
#[derive(Debug)]
pub struct Hold(Gate);

impl Hold {
    /// Lets the requests go on, and those that come later pass.
    pub fn release(self) {
        drop(self);
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.release();
    }
}

/// What happens to one request.
#[derive(Debug, Clone)]
pub enum Verdict {
    Pass,
    Fail { status: u16, message: String },
    HoldRequest(Gate),
    HoldAnswer(Gate),
    LoseAnswer,
}

#[derive(Debug)]
struct Rule {
    pattern: String,
    verdict: Verdict,
    /// How many requests it still applies to; a hold applies until its gate opens.
    left: usize,
}

#[derive(Debug, Default)]
pub struct Faults(Vec<Rule>);

impl Faults {
    /// The next `n` requests that match fail with `status`.
    pub fn fail(&mut self, pattern: &str, n: usize, status: u16, message: &str) {
        let verdict = Verdict::Fail { status, message: message.to_owned() };
        self.0.push(Rule { pattern: pattern.to_owned(), verdict, left: n });
    }

    /// Requests that match are not looked at before the gate opens: their answers are of that moment.
    pub fn hold_requests(&mut self, pattern: &str) -> Hold {
        let gate = Gate::new();
        let verdict = Verdict::HoldRequest(gate.clone());
        self.0.push(Rule { pattern: pattern.to_owned(), verdict, left: usize::MAX });
        Hold(gate)
    }

    /// Requests that match are carried out at once and answered when the gate opens: their answers are stale by then.
    pub fn hold_answers(&mut self, pattern: &str) -> Hold {
        let gate = Gate::new();
        let verdict = Verdict::HoldAnswer(gate.clone());
        self.0.push(Rule { pattern: pattern.to_owned(), verdict, left: usize::MAX });
        Hold(gate)
    }

    /// The next `n` requests that match are carried out, and the connection breaks instead of an answer.
    pub fn lose_answers(&mut self, pattern: &str, n: usize) {
        self.0.push(Rule { pattern: pattern.to_owned(), verdict: Verdict::LoseAnswer, left: n });
    }

    /// The oldest rule that applies decides.
    pub fn judge(&mut self, line: &str) -> Verdict {
        self.0.retain(|rule| match &rule.verdict {
            Verdict::HoldRequest(gate) | Verdict::HoldAnswer(gate) => !gate.is_open(),
            _ => rule.left > 0,
        });
        let Some(rule) = self.0.iter_mut().find(|rule| line_matches(&rule.pattern, line)) else {
            return Verdict::Pass;
        };
        rule.left -= 1;
        rule.verdict.clone()
    }
}
