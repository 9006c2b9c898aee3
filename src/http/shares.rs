//! Who has how many of the connections, so that nobody has all of them.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, sleep_until};

use crate::{settings::access::Access, telemetry::report};

use super::peer::Peer;

/// So many does one address have at most.
const OF_ONE_ADDRESS: usize = 32;

/// That some were let go is told no more often than this.
const TELL_EVERY: Duration = Duration::from_secs(60);

/// How many each address has; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Shares {
    taken: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

/// One connection's, given back when dropped.
#[derive(Debug)]
pub struct Share {
    /// `None` for a proxy that is trusted.
    place: Option<IpAddr>,
    of: Shares,
}

impl Shares {
    /// One more for this address, if it has not all that it may have. A proxy that is trusted stands for many.
    pub fn take(&self, access: &Access, address: IpAddr) -> Option<Share> {
        let address = address.to_canonical();
        if access.trusted_proxies.iter().any(|it| it.has(address)) {
            return Some(Share { place: None, of: self.clone() });
        }
        let place = Peer { address, secure: false }.neighbourhood();
        let mut taken = self.lock();
        let count = taken.entry(place).or_default();
        if *count >= OF_ONE_ADDRESS {
            return None;
        }
        *count += 1;
        Some(Share { place: Some(place), of: self.clone() })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let Some(place) = self.place else { return };
        let mut taken = self.of.lock();
        let Some(count) = taken.get_mut(&place) else { return };
        *count -= 1;
        if *count == 0 {
            taken.remove(&place);
        }
    }
}

/// Those that were let go at once.
#[derive(Debug, Default)]
pub struct Refused {
    /// How many since it was told, and where the last came from.
    untold: Option<(u64, IpAddr)>,
    told: Option<Instant>,
}

impl Refused {
    /// One more.
    pub fn add(&mut self, address: IpAddr) {
        let before = self.untold.map_or(0, |(count, _)| count);
        self.untold = Some((before + 1, address.to_canonical()));
    }

    /// Tells of them when it is time; without any it never is.
    pub async fn tell(&mut self) {
        let Some((count, address)) = self.untold else { return std::future::pending().await };
        if let Some(told) = self.told {
            sleep_until(told + TELL_EVERY).await;
        }
        report::api_crowded(count, address);
        (self.untold, self.told) = (None, Some(Instant::now()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::access::networks;

    #[test]
    fn one_address_has_its_share_and_no_more_and_a_trusted_proxy_what_there_is() {
        let access = Access { trusted_proxies: networks("10.0.0.1").unwrap(), ..Access::default() };
        let shares = Shares::default();
        let take = |address: &str| shares.take(&access, address.parse().unwrap());
        for (address, same, other) in [
            ("192.0.2.1", "::ffff:192.0.2.1", "192.0.2.2"),
            ("2001:db8::1", "2001:db8::ffff:1", "2001:db8:0:1::1"),
            ("127.0.0.1", "127.0.0.1", "127.0.0.2"),
        ] {
            let mut all: Vec<Share> = (0..OF_ONE_ADDRESS).map(|_| take(address).unwrap()).collect();
            assert!(take(same).is_none() && take(other).is_some(), "{address}");
            all.pop();
            assert!(take(same).is_some(), "{address}");
        }
        assert!(shares.lock().is_empty());
        let proxied: Vec<Option<Share>> = (0..100).map(|_| take("10.0.0.1")).collect();
        assert!(proxied.iter().all(Option::is_some));
    }

    #[tokio::test(start_paused = true)]
    async fn those_that_were_let_go_are_told_at_once_and_then_once_a_minute() {
        let mut refused = Refused::default();
        let address = "192.0.2.1".parse().unwrap();
        let begun = Instant::now();
        for expected in [Duration::ZERO, TELL_EVERY, TELL_EVERY * 2] {
            refused.add(address);
            refused.add(address);
            assert_eq!(refused.untold, Some((2, address)));
            refused.tell().await;
            assert_eq!((begun.elapsed(), refused.untold), (expected, None));
        }
    }
}
