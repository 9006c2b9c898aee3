//! What is wrong with how the agent is asked over TCP: why nobody is answered where the settings say, and that by a
//! reload everybody is. Emptied files look like any other change; that they take the last token away must not go unseen.

use std::sync::Arc;

use tokio::sync::watch;

use crate::{
    model::{diagnostic::Diagnostic, origin::Origin},
    settings::{
        access::{Access, Role},
        resolve::Sources,
    },
    telemetry::report,
};

/// All of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Concerns {
    /// Why nobody listens where the settings say, or with an old certificate.
    pub obstacle: Option<Diagnostic>,
    /// That nobody has to say who he is any more.
    pub opened: Option<Diagnostic>,
}

/// For those who ask what is wrong.
pub type Told = watch::Sender<Concerns>;

/// Why nobody is answered, or that somebody is again.
pub(super) fn tell_obstacle(told: &Told, now: Option<Diagnostic>) {
    tell(told, now, |it| &mut it.obstacle);
}

fn tell(told: &Told, now: Option<Diagnostic>, part: impl Fn(&mut Concerns) -> &mut Option<Diagnostic>) {
    // Whoever reads of it in the log and asks is answered the same.
    let mut before = None;
    told.send_modify(|it| before = std::mem::replace(part(it), now.clone()));
    if let Some(it) = now.filter(|it| before.as_ref() != Some(it)) {
        report::problem(&it);
    }
}

/// Tells of it with each change of the settings. An agent that was started like that was meant to be like that, and says
/// nothing.
pub(super) async fn follow(mut sources: watch::Receiver<Arc<Sources>>, told: &Told) {
    let mut asked_who = false;
    loop {
        let now = {
            let access = &sources.borrow_and_update().settings.access;
            asked_who |= access.asks_who();
            opened(access).filter(|_| asked_who)
        };
        tell(told, now, |it| &mut it.opened);
        if sources.changed().await.is_err() {
            return std::future::pending().await;
        }
    }
}

/// That whoever reaches the agent's address is let in; not where nobody is answered, which is told as such.
fn opened(access: &Access) -> Option<Diagnostic> {
    let address = access.listen.filter(|_| !access.asks_who() && access.refused().is_none())?;
    let role = access.role_of_anyone();
    let may = if role == Role::Admin { "do everything" } else { "run, pause and stop jobs" };
    let reason = format!(
        "the last token and the last user are gone from the settings while the agent ran: whoever reaches {address} has \
         the role {} now without saying who he is, and may {may}; write a token (admin-token-file) or a [user \"name\"] \
         again, or listen = none; if it is meant, start the agent anew",
        role.as_str()
    );
    Some(Diagnostic::warning(Origin::Place("setting listen".into()), reason))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{
        access::{Token, listen, token},
        global::layers::Upper,
        ini::Ini,
    };

    fn sources(listening: &str, is_closed: bool, insecure_no_auth: bool) -> Arc<Sources> {
        let hash = token("hunter2-canary-0123456789").unwrap();
        let one = Token { name: "ci".into(), hash, role: Role::Viewer, origin: Origin::Default };
        let tokens = if is_closed { vec![one] } else { vec![] };
        let access =
            Access { listen: listen(listening).unwrap(), tokens, insecure_no_auth, ..Access::default() };
        let mut sources = Sources::new(Ini::default(), Upper::default(), vec![]);
        sources.settings.access = access;
        Arc::new(sources)
    }

    #[tokio::test(start_paused = true)]
    async fn that_a_reload_lets_everybody_in_is_told_for_as_long_as_it_does() {
        let told = Told::default();
        let (change, sources_there) = watch::channel(sources("127.0.0.1:1", false, false));
        let following = follow(sources_there, &told);
        tokio::pin!(following);
        let mut role = async |it: Arc<Sources>| {
            change.send_replace(it);
            let paused = tokio::time::sleep(std::time::Duration::from_secs(1));
            tokio::select! { () = &mut following => panic!("it goes on"), () = paused => {} }
            let opened = told.borrow().opened.clone()?;
            let (_, rest) = opened.reason.split_once("has the role ").unwrap();
            Some(rest.split_once(' ').unwrap().0.to_owned())
        };
        let (operator, admin) = (Some("operator".to_owned()), Some("admin".to_owned()));
        for (listening, is_closed, insecure, expected) in [
            // As it was started.
            ("127.0.0.1:1", false, false, None),
            ("127.0.0.1:1", true, false, None),
            ("127.0.0.1:1", false, false, operator.clone()),
            ("127.0.0.1:1", false, true, admin.clone()),
            ("0.0.0.0:1", false, true, admin),
            // There nobody is answered.
            ("0.0.0.0:1", false, false, None),
            ("none", false, false, None),
            ("127.0.0.1:1", false, false, operator),
            ("127.0.0.1:1", true, false, None),
        ] {
            let now = role(sources(listening, is_closed, insecure)).await;
            assert_eq!(now, expected, "{listening} {is_closed} {insecure}");
        }
    }
}
