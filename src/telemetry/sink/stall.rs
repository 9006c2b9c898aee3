//! When the log stands still. Looks are counted, and not the time: after the whole machine stood still, the first look
//! comes before anything could be written.

use std::time::Duration;

use tokio::time::Instant;

/// So many looks without progress are a stall.
pub(super) const LOOKS: u32 = 24;

/// What was seen so far.
#[derive(Debug, Default)]
pub(super) struct Stall(Option<Seen>);

#[derive(Debug)]
struct Seen {
    written: u64,
    /// How often it was that since, and when this was counted last.
    looks: u32,
    at: Instant,
}

impl Stall {
    /// Looks once more: whether there has been no progress beyond `written` for too long. One look counts in each
    /// `interval`, however many look. What was counted stays for who looks next, and so does the answer.
    pub fn is_there(&mut self, written: u64, interval: Duration) -> bool {
        let now = Instant::now();
        match &mut self.0 {
            Some(seen) if seen.written == written => {
                if now.duration_since(seen.at) >= interval {
                    seen.looks += u32::from(seen.looks < LOOKS);
                    seen.at = now;
                }
                seen.looks == LOOKS
            }
            seen => {
                *seen = Some(Seen { written, looks: 0, at: now });
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const INTERVAL: Duration = Duration::from_millis(100);

    #[tokio::test(start_paused = true)]
    async fn it_is_there_after_so_many_looks_and_until_something_is_written() {
        let mut it = Stall::default();
        for written in [1, 2] {
            for _ in 0..LOOKS {
                assert!(!it.is_there(written, INTERVAL));
                // Others who look in the same interval count for nothing.
                assert!(!it.is_there(written, INTERVAL));
                advance(INTERVAL).await;
            }
            assert!(it.is_there(written, INTERVAL) && it.is_there(written, INTERVAL), "{written}");
        }
        assert!(!it.is_there(3, INTERVAL));
    }

    #[tokio::test(start_paused = true)]
    async fn a_long_time_in_which_nobody_looked_is_one_look() {
        let mut it = Stall::default();
        for _ in 0..LOOKS {
            assert!(!it.is_there(1, INTERVAL));
            advance(INTERVAL * 1_000).await;
        }
        assert!(it.is_there(1, INTERVAL));
    }
}
