//! Who has logged in: known here, and kept in the history so that a restart logs nobody out. Of what a browser shows only
//! a hash is known, in both places.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use jiff::{SignedDuration, Timestamp};
use ring::rand::{SecureRandom, SystemRandom};
use tokio::{sync::watch, time::sleep};

use crate::{
    history::keeper::{Keeper, Kept},
    model::{item::Item, secret::TokenHash, session::Session},
    settings::{
        access::{Access, User},
        resolve::Sources,
    },
    time::Clock,
};

use super::api::FLUSH_LIMIT;

/// So many can be logged in; then the oldest session of whoever has most of them goes, so that those who log in again and
/// again log each other out, and nobody who did so once.
const SESSIONS: usize = 1000;

/// So often can one user be: then his own oldest session goes, so that nobody logs others out by logging in.
const OF_ONE_USER: usize = 50;

/// Everyone who has logged in; cheap to clone.
#[derive(Debug, Clone)]
pub struct Sessions {
    known: Arc<Mutex<HashMap<TokenHash, Session>>>,
    ended: watch::Sender<()>,
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
        Self { known: Arc::new(Mutex::new(known)), ended: watch::Sender::new(()), keeper, clock }
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
        self.put(session).within(FLUSH_LIMIT).await;
        Some(Begun { token, until })
    }

    /// What makes room goes for good: a row that stayed would be a session again after a restart.
    fn put(&self, session: Session) -> Kept {
        let mut known = self.lock();
        let mut gone: Vec<TokenHash> =
            known.extract_if(|_, it| it.until <= session.begun).map(|(hash, _)| hash).collect();
        while let Some(hash) = surplus(&known, &session.user) {
            known.remove(&hash);
            gone.push(hash);
        }
        known.insert(session.hash, session.clone());
        self.ended.send_replace(());
        // Under the lock, so that nobody's end comes into the history before his beginning.
        let gone = gone.into_iter().map(Item::LoggedOut);
        self.keeper.keep(gone.chain([Item::LoggedIn(session)]))
    }

    /// Whose session it is, if it goes on, and until when. One that does not is never one again.
    pub fn find<'a>(&self, access: &'a Access, token: &str) -> Option<(&'a User, Timestamp)> {
        let mut known = self.lock();
        let session = known.get(&TokenHash::of(token))?;
        let (hash, until) = (session.hash, session.until);
        let user = in_force(session, access, self.clock.now());
        if user.is_none() {
            known.remove(&hash);
            self.ended.send_replace(());
            self.keeper.keep([Item::LoggedOut(hash)]);
        }
        Some((user?, until))
    }

    /// Ends those that these settings do not let go on: who is written again later has to log in again.
    fn sweep(&self, access: &Access) {
        let now = self.clock.now();
        let mut known = self.lock();
        let gone = known.extract_if(|_, it| in_force(it, access, now).is_none());
        let gone: Vec<Item> = gone.map(|(hash, _)| Item::LoggedOut(hash)).collect();
        if !gone.is_empty() {
            self.ended.send_replace(());
            self.keeper.keep(gone);
        }
    }

    /// Changes when one may have ended before its time.
    pub fn ended(&self) -> watch::Receiver<()> {
        self.ended.subscribe()
    }

    /// Comes to its end when this time is over.
    pub async fn over(&self, until: Option<Timestamp>) {
        let Some(until) = until else { return std::future::pending().await };
        let left = until.duration_since(self.clock.now());
        sleep(Duration::try_from(left).unwrap_or_default()).await;
    }

    /// Does so with these settings and with each change of them.
    pub async fn follow(self, mut sources: watch::Receiver<Arc<Sources>>) {
        loop {
            self.sweep(&sources.borrow_and_update().settings.access);
            if sources.changed().await.is_err() {
                return std::future::pending().await;
            }
        }
    }

    /// He has logged out.
    pub async fn end(&self, token: &str) {
        let hash = TokenHash::of(token);
        let known = self.lock().remove(&hash);
        if known.is_some() {
            self.ended.send_replace(());
            self.keeper.keep([Item::LoggedOut(hash)]).within(FLUSH_LIMIT).await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TokenHash, Session>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Which one goes so that there is room for one more of this user.
fn surplus(known: &HashMap<TokenHash, Session>, user: &str) -> Option<TokenHash> {
    let mut of: HashMap<&str, usize> = HashMap::new();
    for it in known.values() {
        *of.entry(&it.user).or_default() += 1;
    }
    let of = |user: &str| of.get(user).copied().unwrap_or_default();
    let oldest = |it: &&Session| it.begun;
    let first = if of(user) >= OF_ONE_USER {
        known.values().filter(|it| it.user == user).min_by_key(oldest)
    } else if known.len() >= SESSIONS {
        let most = known.values().map(|it| of(&it.user)).max();
        known.values().filter(|it| Some(of(&it.user)) == most).min_by_key(oldest)
    } else {
        None
    };
    first.map(|it| it.hash)
}

/// Whose session it is, if it goes on.
fn in_force<'a>(session: &Session, access: &'a Access, now: Timestamp) -> Option<&'a User> {
    let user = access.users.iter().find(|it| it.name == session.user)?;
    (session.until > now && user.password.mark().is(&session.mark)).then_some(user)
}

/// What a page of ours shows beside the cookie that every page's requests carry: who knows the one can tell the other, and
/// from the other nobody can tell the one.
pub fn csrf(token: &str) -> String {
    let hash = TokenHash::of(&format!("csrf {token}"));
    BASE64_URL_SAFE_NO_PAD.encode(hash.bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{model::password::PasswordHash, settings::access::Role};

    fn user(password: &str) -> User {
        let password = PasswordHash::of(password, &[1; 16]).unwrap();
        User {
            name: "anna".into(),
            password,
            role: Role::Operator,
            origin: crate::model::origin::Origin::Default,
        }
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

    fn session(n: i64, user: String) -> Session {
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        let hash = TokenHash::of(&n.to_string());
        Session { hash, user, mark: hash, begun: at(n), until: at(10_000 + n) }
    }

    #[test]
    fn there_is_room_for_so_many_and_the_oldest_goes_first() {
        let sessions = Sessions::new(vec![], Keeper::none(), Clock::System);
        for n in 0..1200_i64 {
            sessions.put(session(n, format!("user {}", n % 100)));
        }
        let known = sessions.lock();
        assert_eq!(known.len(), SESSIONS);
        assert!(known.contains_key(&TokenHash::of("1199")) && !known.contains_key(&TokenHash::of("100")));
    }

    #[test]
    fn who_logs_in_again_and_again_logs_nobody_else_out() {
        let sessions = Sessions::new(vec![], Keeper::none(), Clock::System);
        sessions.put(session(0, "anna".into()));
        for n in 1..1200 {
            sessions.put(session(n, "ben".into()));
        }
        let known = sessions.lock();
        assert_eq!(known.len(), 1 + OF_ONE_USER);
        assert!(known.contains_key(&TokenHash::of("0")) && known.contains_key(&TokenHash::of("1199")));
    }

    #[test]
    fn many_who_log_in_again_and_again_log_each_other_out_and_nobody_who_did_so_once() {
        let sessions = Sessions::new(vec![], Keeper::none(), Clock::System);
        sessions.put(session(0, "anna".into()));
        for n in 1..3000_i64 {
            sessions.put(session(n, format!("user {}", n % 30)));
        }
        let known = sessions.lock();
        assert_eq!(known.len(), SESSIONS);
        assert!(known.contains_key(&TokenHash::of("0")) && known.contains_key(&TokenHash::of("2999")));
    }

    #[tokio::test]
    async fn what_is_over_does_not_come_back_and_not_with_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let opened = crate::history::open(folder.path(), u64::MAX, Clock::System);
        let mut writers = tokio::task::JoinSet::new();
        writers.spawn(opened.writer.run());
        let keeper = opened.keeper;
        let sessions = Sessions::new(vec![], keeper.clone(), Clock::System);
        let anna = access(user("hunter2"));
        let left = async || {
            assert!(keeper.flush().within(Duration::from_secs(60)).await);
            crate::history::query::Reader::open(folder.path()).unwrap().unwrap().sessions().unwrap().len()
        };
        // Without him, with another password, and both found by nobody who asks.
        for other in [Access::default(), access(user("hunter3"))] {
            let begun = sessions.begin(&anna, &anna.users[0]).await.unwrap();
            assert_eq!(left().await, 1);
            assert!(sessions.find(&other, &begun.token).is_none());
            assert!(sessions.find(&anna, &begun.token).is_none());
            assert_eq!(left().await, 0);
            let begun = sessions.begin(&anna, &anna.users[0]).await.unwrap();
            sessions.sweep(&anna);
            assert!(sessions.find(&anna, &begun.token).is_some());
            sessions.sweep(&other);
            assert!(sessions.find(&anna, &begun.token).is_none());
            assert_eq!(left().await, 0);
        }
        for n in 0..60 {
            sessions.put(session(n, "ben".into()));
        }
        assert_eq!(left().await, OF_ONE_USER);
        keeper.close();
        writers.join_next().await.unwrap().unwrap();
    }
}
