//! Who has logged in: known here, and kept in the history so that a restart logs nobody out. Of what a browser shows only
//! a hash is known, in both places.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use jiff::{SignedDuration, Timestamp};
use ring::rand::{SecureRandom, SystemRandom};

use crate::{
    history::keeper::Keeper,
    model::{item::Item, secret::TokenHash, session::Session},
    settings::access::{Access, User},
    time::Clock,
};

use super::api::FLUSH_LIMIT;

/// So many can be logged in; then the one whose time is over first has to do it again.
const SESSIONS: usize = 1000;

/// Everyone who has logged in; cheap to clone.
#[derive(Debug, Clone)]
pub struct Sessions {
    known: Arc<Mutex<HashMap<TokenHash, Session>>>,
    keeper: Keeper,
    clock: Clock,
}

/// A session that has just begun.
#[derive(Debug)]
pub struct Begun {
    /// What the browser is to show.
    pub token: String,
    /// When his time is over.
    pub until: Timestamp,
}

impl Sessions {
    /// Those that the last agent left.
    pub fn new(left: Vec<Session>, keeper: Keeper, clock: Clock) -> Self {
        let known = left.into_iter().map(|it| (it.hash, it)).collect();
        Self { known: Arc::new(Mutex::new(known)), keeper, clock }
    }

    /// Someone has logged in; `None` if this machine has no randomness.
    pub async fn begin(&self, access: &Access, user: &User) -> Option<Begun> {
        let mut bytes = [0; 32];
        SystemRandom::new().fill(&mut bytes).ok()?;
        let token = BASE64_URL_SAFE_NO_PAD.encode(bytes);
        let begun = self.clock.now();
        let length = SignedDuration::try_from(access.session_lifetime).unwrap_or(SignedDuration::MAX);
        let until = begun.checked_add(length).unwrap_or(Timestamp::MAX);
        let (hash, mark) = (TokenHash::of(&token), user.password.mark());
        let session = Session { hash, user: user.name.clone(), mark, begun, until };
        self.put(session.clone());
        self.keeper.keep([Item::LoggedIn(session)]).within(FLUSH_LIMIT).await;
        Some(Begun { token, until })
    }

    fn put(&self, session: Session) {
        let mut known = self.lock();
        known.retain(|_, it| it.until > session.begun);
        let first = known.values().min_by_key(|it| it.until).map(|it| it.hash);
        if let Some(first) = first.filter(|_| known.len() >= SESSIONS) {
            known.remove(&first);
        }
        known.insert(session.hash, session);
    }

    /// Whose session it is, if it goes on, and until when.
    pub fn find<'a>(&self, access: &'a Access, token: &str) -> Option<(&'a User, Timestamp)> {
        let session = self.lock().get(&TokenHash::of(token)).cloned()?;
        if session.until <= self.clock.now() {
            return None;
        }
        let user = access.users.iter().find(|it| it.name == session.user)?;
        user.password.mark().is(&session.mark).then_some((user, session.until))
    }

    /// He has logged out.
    pub async fn end(&self, token: &str) {
        let hash = TokenHash::of(token);
        if self.lock().remove(&hash).is_some() {
            self.keeper.keep([Item::LoggedOut(hash)]).within(FLUSH_LIMIT).await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TokenHash, Session>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a page of ours shows beside the cookie that every page's requests carry: who knows the one can tell the other, and
/// from the other nobody can tell the one.
pub fn csrf(token: &str) -> String {
    let hash = TokenHash::of(&format!("csrf {token}"));
    BASE64_URL_SAFE_NO_PAD.encode(hash.bytes())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{model::password::PasswordHash, settings::access::Role};

    fn user(password: &str) -> User {
        let password = PasswordHash::of(password, &[1; 16]).unwrap();
        User { name: "anna".into(), password, role: Role::Operator }
    }

    fn access(user: User) -> Access {
        Access { users: vec![user], session_lifetime: Duration::from_secs(60), ..Access::default() }
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_ends_with_its_time_with_the_password_and_with_the_user() {
        let clock = Clock::anchored("2026-03-29T00:00:00Z".parse().unwrap());
        let sessions = Sessions::new(vec![], Keeper::none(), clock);
        let anna = access(user("hunter2"));
        let begun = sessions.begin(&anna, &anna.users[0]).await.unwrap();
        let is_known = |access: &Access| sessions.find(access, &begun.token).is_some();
        assert_eq!(begun.token.len(), 43);
        assert!(is_known(&anna) && sessions.find(&anna, "other").is_none());
        assert!(!is_known(&access(user("hunter3"))) && !is_known(&Access::default()));
        tokio::time::advance(Duration::from_secs(59)).await;
        assert!(is_known(&anna));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(!is_known(&anna));
        let another = sessions.begin(&anna, &anna.users[0]).await.unwrap();
        sessions.end(&another.token).await;
        assert!(sessions.find(&anna, &another.token).is_none());
        assert!(!format!("{sessions:?}").contains(&another.token));
        assert_ne!(csrf(&another.token), csrf(&begun.token));
    }

    #[test]
    fn there_is_room_for_so_many_and_the_oldest_goes_first() {
        let sessions = Sessions::new(vec![], Keeper::none(), Clock::System);
        for n in 0..1200_i64 {
            let at = |seconds| Timestamp::from_second(seconds).unwrap();
            let hash = TokenHash::of(&n.to_string());
            let (begun, until) = (at(0), at(1000 + n));
            sessions.put(Session { hash, user: "anna".into(), mark: hash, begun, until });
        }
        let known = sessions.lock();
        assert_eq!(known.len(), SESSIONS);
        assert!(known.contains_key(&TokenHash::of("1199")) && !known.contains_key(&TokenHash::of("100")));
    }
}
