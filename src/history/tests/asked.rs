//! Who asks the agent: kept as long as he may, and no longer.

use super::*;
use crate::model::{secret::TokenHash, session::Session};

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
