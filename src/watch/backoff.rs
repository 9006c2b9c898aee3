//! How long to wait before the next attempt.

use std::time::Duration;

/// Doubles from half a second to half a minute.
#[derive(Debug, Default)]
pub struct Backoff {
    failures: u32,
}

const FIRST: Duration = Duration::from_millis(500);
const LAST: Duration = Duration::from_secs(30);

impl Backoff {
    /// The wait after one more failure. `random`, in 0..1, moves it by up to a fifth either way, so that many agents
    /// do not come back in step.
    pub fn next(&mut self, random: f64) -> Duration {
        let wait = FIRST.saturating_mul(1 << self.failures.min(10)).min(LAST);
        self.failures = self.failures.saturating_add(1);
        wait.mul_f64(0.8 + 0.4 * random.clamp(0.0, 1.0)).min(LAST)
    }

    /// An attempt has succeeded.
    pub fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_grows_from_half_a_second_to_half_a_minute_and_starts_again() {
        let mut backoff = Backoff::default();
        let waits: Vec<_> = (0..100).map(|_| backoff.next(0.5)).collect();
        assert_eq!(waits[0], FIRST);
        assert_eq!(waits[1], FIRST * 2);
        assert_eq!(waits[99], LAST);
        assert!(waits.is_sorted());
        backoff.reset();
        assert_eq!(backoff.next(0.0), FIRST.mul_f64(0.8));
    }
}
