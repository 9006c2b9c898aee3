//! Who asks the agent: kept as long as he may, and no longer.

use super::*;
use crate::{
    history::audits::KEPT,
    model::{audit::Audit, secret::TokenHash, session::Session},
};

#[test]
fn who_has_logged_in_is_read_back_until_he_logs_out_or_his_time_is_over() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = store(folder.path());
    let session = |name: &str, begun, until| Session {
        hash: TokenHash::of(name),
        user: name.to_owned(),
        mark: TokenHash::of("mark"),
        begun: at(begun),
        until: at(until),
    };
    let (anna, ben, cleo) = (session("anna", 1, 10), session("ben", 2, 20), session("cleo", 10, 30));
    write(&mut store, vec![Item::LoggedIn(anna.clone()), Item::LoggedIn(ben.clone())]);
    write(&mut store, vec![Item::LoggedIn(anna.clone())]);
    let known = || {
        let mut known = reader(folder.path()).sessions().unwrap();
        known.sort_by_key(|it| it.begun);
        known
    };
    assert_eq!(known(), [anna, ben.clone()]);
    write(&mut store, vec![Item::LoggedIn(cleo.clone())]);
    assert_eq!(known(), [ben.clone(), cleo.clone()]);
    write(&mut store, vec![Item::LoggedOut(ben.hash), Item::LoggedOut(TokenHash::of("nobody"))]);
    assert_eq!(known(), [cleo]);
}

#[test]
fn the_newest_audit_records_are_kept_and_read_in_pages() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = store(folder.path());
    let audit = |n: i64| Audit {
        at: at(n),
        caller: "user anna".into(),
        from: (n % 2 == 0).then(|| "192.0.2.1".to_owned()),
        method: "POST".to_owned(),
        path: format!("/api/jobs/{n}/run"),
        status: 202,
    };
    write(&mut store, (1..=KEPT + 5).map(|n| Item::Audited(audit(n))).collect());
    let reader = reader(folder.path());
    let newest = reader.audits(None, 2).unwrap();
    assert_eq!(newest, [(KEPT + 5, audit(KEPT + 5)), (KEPT + 4, audit(KEPT + 4))]);
    assert_eq!(reader.audits(Some(KEPT + 4), 1).unwrap()[0].0, KEPT + 3);
    assert_eq!(reader.audits(None, 100_000).unwrap().last().unwrap().0, 6);
}
