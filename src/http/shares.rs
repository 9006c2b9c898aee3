//! Who has how many of the connections, so that nobody has all of them: no address more than its share, and none of the
//! three from which one can come so many that nothing is left for the two others.

use std::{
    collections::HashMap,
    hash::Hash,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, sleep_until};

use crate::{settings::access::Access, telemetry::report};

use super::peer::Peer;

/// So many ask at once; who comes then is let go at once.
const ALL: usize = 128;

/// So many does one address have at most.
const OF_ONE_ADDRESS: usize = 32;

/// So many do all trusted proxies have together, all of this machine, and all others: one address' share always remains.
const OF_ONE_SIDE: usize = ALL - OF_ONE_ADDRESS;

/// That some were let go is told no more often than this.
const TELL_EVERY: Duration = Duration::from_secs(60);

/// How many each address has; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Shares {
    taken: Arc<Mutex<Taken>>,
}

#[derive(Debug, Default)]
struct Taken {
    addresses: HashMap<IpAddr, usize>,
    sides: HashMap<Side, usize>,
}

/// From where one comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Side {
    /// Through a proxy that is trusted and stands for many: what each of them has, it must know.
    Proxied,
    /// From this machine.
    Here,
    /// From elsewhere.
    Elsewhere,
}

/// One connection's, given back when dropped.
#[derive(Debug)]
pub struct Share {
    /// `None` for a proxy that is trusted.
    place: Option<IpAddr>,
    side: Side,
    of: Shares,
}

impl Shares {
    /// One more for this address, if neither it nor its side has all that it may have.
    pub fn take(&self, access: &Access, address: IpAddr) -> Option<Share> {
        let address = address.to_canonical();
        let is_proxy = access.trusted_proxies.iter().any(|it| it.has(address));
        let side = match () {
            () if is_proxy => Side::Proxied,
            () if address.is_loopback() => Side::Here,
            () => Side::Elsewhere,
        };
        let place = (!is_proxy).then(|| Peer { address, secure: false }.neighbourhood());
        let mut taken = self.lock();
        let Taken { addresses, sides } = &mut *taken;
        let of = |place: &IpAddr| addresses.get(place).copied().unwrap_or_default();
        if sides.values().sum::<usize>() >= ALL
            || sides.get(&side).is_some_and(|it| *it >= OF_ONE_SIDE)
            || place.as_ref().is_some_and(|place| of(place) >= OF_ONE_ADDRESS)
        {
            return None;
        }
        *sides.entry(side).or_default() += 1;
        if let Some(place) = place {
            *addresses.entry(place).or_default() += 1;
        }
        Some(Share { place, side, of: self.clone() })
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut taken = self.of.lock();
        let Taken { addresses, sides } = &mut *taken;
        give_back(sides, &self.side);
        if let Some(place) = &self.place {
            give_back(addresses, place);
        }
    }
}

fn give_back<K: Eq + Hash>(counts: &mut HashMap<K, usize>, of: &K) {
    let Some(count) = counts.get_mut(of) else { return };
    *count -= 1;
    if *count == 0 {
        counts.remove(of);
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
    fn one_address_has_its_share_and_no_more() {
        let (access, shares) = (Access::default(), Shares::default());
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
        let taken = shares.lock();
        assert!(taken.addresses.is_empty() && taken.sides.is_empty());
    }

    #[test]
    fn whatever_proxies_or_strangers_take_there_is_something_left_for_the_others() {
        let access = Access { trusted_proxies: networks("10.0.0.0/8").unwrap(), ..Access::default() };
        let proxies: Vec<String> = (0..200).map(|n| format!("10.0.0.{}", n % 2)).collect();
        let strangers: Vec<String> = (0..200).map(|n| format!("192.0.2.{n}")).collect();
        let here: Vec<String> = (0..200).map(|n| format!("127.0.0.{n}")).collect();
        for (greedy, others) in [(&proxies, [&strangers, &here]), (&strangers, [&proxies, &here])] {
            let shares = Shares::default();
            let take = |from: &[String]| -> Vec<Share> {
                from.iter().filter_map(|it| shares.take(&access, it.parse().unwrap())).collect()
            };
            // A proxy has more than one client's share.
            let held = take(greedy);
            assert_eq!(held.len(), OF_ONE_SIDE);
            for other in others {
                assert_eq!(take(other).len(), OF_ONE_ADDRESS, "{:?} beside {:?}", other[0], greedy[0]);
            }
            let rest = take(others[0]);
            assert!(take(others[1]).is_empty(), "there are no more than {ALL}");
            drop((held, rest));
            assert!(shares.lock().sides.is_empty());
        }
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
