//! How often someone may try a password in vain.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// So many tries from one place in so long a time.
const TRIES: u32 = 10;
const WINDOW: Duration = Duration::from_secs(300);

/// So many places are remembered; of more the oldest is forgotten.
const PLACES: usize = 4096;

/// Tries by place; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Throttle {
    places: Arc<Mutex<HashMap<IpAddr, Tries>>>,
}

#[derive(Debug, Clone, Copy)]
struct Tries {
    since: Instant,
    count: u32,
}

impl Throttle {
    /// One more try; if it is one too many, after what time there may be another.
    pub fn tries(&self, place: IpAddr) -> Result<(), Duration> {
        let now = Instant::now();
        let mut places = self.lock();
        if places.len() >= PLACES && !places.contains_key(&place) {
            places.retain(|_, it| now - it.since < WINDOW);
            let oldest = places.iter().min_by_key(|(_, it)| it.since).map(|(place, _)| *place);
            if let Some(oldest) = oldest.filter(|_| places.len() >= PLACES) {
                places.remove(&oldest);
            }
        }
        let it = places.entry(place).or_insert(Tries { since: now, count: 0 });
        if now - it.since >= WINDOW {
            *it = Tries { since: now, count: 0 };
        }
        if it.count >= TRIES {
            return Err(WINDOW.saturating_sub(now - it.since));
        }
        it.count += 1;
        Ok(())
    }

    /// It was not in vain.
    pub fn succeeded(&self, place: IpAddr) {
        if let Some(it) = self.lock().get_mut(&place) {
            it.count = it.count.saturating_sub(1);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, Tries>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(n: u32) -> IpAddr {
        std::net::Ipv4Addr::from_bits(n).into()
    }

    #[tokio::test(start_paused = true)]
    async fn who_tries_too_often_waits_and_nobody_else_does() {
        let throttle = Throttle::default();
        for _ in 0..TRIES {
            assert_eq!(throttle.tries(place(1)), Ok(()));
        }
        tokio::time::advance(Duration::from_secs(100)).await;
        assert_eq!(throttle.tries(place(1)), Err(Duration::from_secs(200)));
        assert_eq!(throttle.tries(place(2)), Ok(()));
        throttle.succeeded(place(1));
        assert_eq!(throttle.tries(place(1)), Ok(()));
        assert!(throttle.tries(place(1)).is_err());
        tokio::time::advance(Duration::from_secs(200)).await;
        assert_eq!(throttle.tries(place(1)), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_places_are_remembered_than_there_is_room_for() {
        let throttle = Throttle::default();
        for n in 0..10_000 {
            assert_eq!(throttle.tries(place(n)), Ok(()));
        }
        assert!(throttle.lock().len() <= PLACES);
    }
}
