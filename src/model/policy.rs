//! What a job does beyond its work: how often it tries, what counts as a success, with whom it takes turns, and which
//! jobs come before and after it.

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use super::{
    halt::StopDuring, name::JobId, notification::Notify, origin::Origin, run::Outcome, share::Recent, word,
};

/// The policies of one job that only some jobs have.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Policies {
    /// How often a run tries again, and when.
    pub retry: Retry,
    /// Exit codes that count as success.
    pub success_codes: SuccessCodes,
    /// With whom it takes turns.
    pub group: Option<Group>,
    /// Which jobs come before and after it.
    pub edges: Vec<Edge>,
    /// What is stopped while it runs.
    pub stop_during: Option<StopDuring>,
    /// Who is told of it; `None` is nobody.
    pub notify: Option<Arc<Notify>>,
}

/// How often a run tries again, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// How many further attempts a run may make after its first.
    pub retries: u16,
    /// How long the first of them waits.
    pub delay: Duration,
    /// How the wait grows.
    pub backoff: Backoff,
    /// No wait is longer than this, save that a longer `delay` stays what it is.
    pub max_delay: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            retries: 0,
            delay: Duration::from_secs(10),
            backoff: Backoff::default(),
            max_delay: Duration::from_secs(300),
        }
    }
}

impl Retry {
    /// How long to wait after the `attempt`-th attempt has failed; `None` where it was the last.
    pub fn delay_after(&self, attempt: u32) -> Option<Duration> {
        if attempt == 0 || attempt > u32::from(self.retries) {
            return None;
        }
        let factor = match self.backoff {
            Backoff::Fixed => 1,
            Backoff::Exponential => 1_u32.checked_shl(attempt - 1).unwrap_or(u32::MAX),
        };
        Some(self.delay.saturating_mul(factor).min(self.max_delay.max(self.delay)))
    }
}

/// How the wait between attempts grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Backoff {
    /// It doubles from each attempt to the next.
    #[default]
    Exponential,
    /// It stays the same.
    Fixed,
}

impl Backoff {
    /// The words for them.
    pub const NAMES: [(&'static str, Self); 2] = [("exponential", Self::Exponential), ("fixed", Self::Fixed)];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        word::of(Self::NAMES, self)
    }
}

/// Exit codes that count as success; sorted. Nearly all jobs have 0 alone, which is kept as none: that takes no room.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SuccessCodes(Vec<u8>);

impl SuccessCodes {
    /// These, in any order; `None` if there are none.
    pub fn new(mut codes: Vec<u8>) -> Option<Self> {
        codes.sort_unstable();
        codes.dedup();
        match &codes[..] {
            [] => None,
            [0] => Some(Self::default()),
            _ => Some(Self(codes)),
        }
    }

    /// They as they would be written.
    pub fn texts(&self) -> Vec<String> {
        self.codes().iter().map(u8::to_string).collect()
    }

    fn codes(&self) -> &[u8] {
        if self.0.is_empty() { &[0] } else { &self.0 }
    }

    /// Whether this exit code is one of them.
    pub fn contains(&self, code: i64) -> bool {
        u8::try_from(code).is_ok_and(|code| self.codes().binary_search(&code).is_ok())
    }

    /// What a command's end means for the job: its exit code decides, and nothing else about it changes.
    pub fn judge(&self, outcome: Outcome) -> Outcome {
        match outcome {
            Outcome::Failed { exit_code: Some(code), .. } if self.contains(code) => {
                Outcome::Succeeded { exit_code: Some(code) }
            }
            Outcome::Succeeded { exit_code: Some(code) } if !self.contains(code) => {
                let reason = format!("{code} is none of the job's success-codes");
                Outcome::Failed { exit_code: Some(code), reason: Some(reason) }
            }
            other => other,
        }
    }
}

/// Jobs that never run at the same time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Its name.
    pub name: Arc<str>,
    /// How long an occurrence waits for its turn at most; `None` for as long as it takes.
    pub wait: Option<Duration>,
}

/// How long an occurrence waits for its group, unless someone says otherwise.
pub const DEFAULT_GROUP_WAIT: Duration = Duration::from_secs(3600);

/// One name in `depends-on`, `on-success` or `on-failure`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edge {
    /// Which of the three.
    pub kind: EdgeKind,
    /// The other job, as it was written.
    pub name: Arc<str>,
    /// Where it was written.
    pub origin: Origin,
}

/// How one job hangs on another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EdgeKind {
    /// It runs only once the other has succeeded since its own last run.
    DependsOn,
    /// The other starts when it has succeeded.
    OnSuccess,
    /// The other starts when it has failed.
    OnFailure,
}

impl EdgeKind {
    /// All three, in the order of the documentation.
    pub const ALL: [Self; 3] = [Self::DependsOn, Self::OnSuccess, Self::OnFailure];

    /// The parameter.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::DependsOn => "depends-on",
            Self::OnSuccess => "on-success",
            Self::OnFailure => "on-failure",
        }
    }
}

impl Policies {
    /// Most jobs have none of their own, or those that a default gives to all: they share one.
    pub fn shared(self) -> Arc<Self> {
        static NONE: LazyLock<Arc<Policies>> = LazyLock::new(Arc::default);
        static RECENT: Recent<Policies> = Recent::new();
        if self == **NONE {
            return NONE.clone();
        }
        // These name places, which are each job's own.
        let own = !self.edges.is_empty() || self.stop_during.is_some();
        if own { Arc::new(self) } else { RECENT.share(self) }
    }

    /// The names of one kind.
    pub fn named(&self, kind: EdgeKind) -> impl Iterator<Item = &Edge> {
        self.edges.iter().filter(move |edge| edge.kind == kind)
    }
}

/// The job that `name` stands for where `job` says it: a job of the same home, else the one with that identity.
/// `there` says which jobs there are.
pub fn meant(job: &JobId, name: &str, there: impl Fn(&JobId) -> bool) -> Option<JobId> {
    let neighbour = job.home().map(|home| JobId::at_home(home, name));
    neighbour.into_iter().chain([JobId::plain(name)]).find(there)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(retry: Retry) -> Vec<u64> {
        (1..).map_while(|attempt| Some(retry.delay_after(attempt)?.as_secs())).collect()
    }

    #[test]
    fn the_wait_doubles_up_to_its_limit_and_the_last_attempt_waits_for_nothing() {
        let retry = Retry { retries: 7, ..Retry::default() };
        assert_eq!(seconds(retry), [10, 20, 40, 80, 160, 300, 300]);
        assert_eq!(seconds(Retry { backoff: Backoff::Fixed, ..retry }), [10; 7]);
        assert_eq!(seconds(Retry::default()), [0; 0]);
        let long = Retry { delay: Duration::from_secs(600), ..retry };
        assert_eq!(seconds(long), [600; 7], "a delay that was written is never cut by a limit that was not");
        let many = Retry { retries: 100, max_delay: Duration::MAX, ..retry };
        assert_eq!(seconds(many).len(), 100, "no number of attempts is too many to compute");
    }

    #[test]
    fn exit_codes_that_count_as_success_replace_the_default() {
        let codes = SuccessCodes::new(vec![24, 1, 24]).unwrap();
        let failed = |code| Outcome::Failed { exit_code: Some(code), reason: None };
        assert_eq!(codes.judge(failed(24)), Outcome::Succeeded { exit_code: Some(24) });
        assert_eq!(codes.judge(failed(2)), failed(2));
        assert!(matches!(
            codes.judge(Outcome::Succeeded { exit_code: Some(0) }),
            Outcome::Failed { exit_code: Some(0), reason: Some(_) }
        ));
        let timed_out = Outcome::TimedOut { still_running: None, waited_for: None };
        assert_eq!(codes.judge(timed_out.clone()), timed_out);
        assert_eq!(codes.texts(), ["1", "24"]);
        assert_eq!(SuccessCodes::new(vec![0]).unwrap(), SuccessCodes::default());
        assert_eq!(SuccessCodes::default().texts(), ["0"]);
        assert_eq!(SuccessCodes::new(vec![]), None);
    }

    #[test]
    fn ten_thousand_jobs_of_which_the_same_people_are_told_share_one() {
        let notify = || Notify { channels: vec!["mail".into()], ..Notify::default() }.shared();
        let of =
            |edges: Vec<Edge>| Policies { notify: Some(notify()), edges, ..Policies::default() }.shared();
        assert!(Arc::ptr_eq(&of(vec![]), &of(vec![])));
        let edge = || Edge { kind: EdgeKind::OnSuccess, name: "b".into(), origin: Origin::Default };
        let (one, other) = (of(vec![edge()]), of(vec![edge()]));
        assert!(Arc::ptr_eq(one.notify.as_ref().unwrap(), other.notify.as_ref().unwrap()));
        let none = Policies::default().shared();
        assert!(Arc::ptr_eq(&none, &Policies::default().shared()) && none.notify.is_none());
    }

    #[test]
    fn a_name_means_a_neighbour_before_it_means_an_identity() {
        let id = JobId::plain;
        let there = |ids: &'static [&str]| move |job: &JobId| ids.contains(&job.as_str());
        let meant = |job, name, ids| meant(&id(job), name, there(ids)).map(|it| it.to_string());
        assert_eq!(meant("shop.db.tidy", "dump", &["dump", "shop.db.dump"]), Some("shop.db.dump".to_owned()));
        assert_eq!(meant("shop.db.tidy", "dump", &["dump"]), Some("dump".to_owned()));
        assert_eq!(
            meant("shop.db.tidy", "shop.web.warm", &["shop.web.warm"]),
            Some("shop.web.warm".to_owned())
        );
        assert_eq!(meant("tidy", "dump", &["shop.db.dump"]), None);
    }
}
