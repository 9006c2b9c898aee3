//! TLS to those who ask: with the files that there are now, and never in the clear instead.

use std::{net::SocketAddr, path::Path};

use crate::support::{
    beside::{Beside, Reply, ask_at, ask_over_tls},
    certificates::Authority,
};

const INI: &str = "[job-local \"hello\"]\nschedule = @yearly\ncommand = echo hello\n";

fn put(folder: &Path, authority: &Authority) {
    let certified = authority.certify(&["localhost"]);
    std::fs::write(folder.join("key.pem"), certified.key).unwrap();
    std::fs::write(folder.join("cert.pem"), certified.certificate).unwrap();
}

fn start(folder: &Path, more: &str) -> Beside {
    let files = ["cert", "key"].map(|it| format!("tls-{it} = {}/{it}.pem\n", folder.display())).concat();
    std::fs::write(folder.join("config.ini"), format!("[global]\n{files}{more}{INI}")).unwrap();
    Beside::start_as_it_is(folder, &["--listen", "127.0.0.1:0"])
}

fn get(address: SocketAddr, authority: &Authority, path: &str) -> Result<Reply, String> {
    ask_over_tls(address, &authority.pem(), ("GET", path), &[], "")
}

#[test]
fn what_is_asked_over_tls_is_answered_and_a_renewed_certificate_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (Authority::new(), Authority::new());
    put(folder.path(), &first);
    let agent = start(folder.path(), "");
    let address = agent.address(1);
    assert_eq!(agent.wait_for(1, |it| it["event"] == "api.listening")[0]["tls"], true);
    assert_eq!(get(address, &first, "/api/jobs").unwrap().status, 200);
    assert!(get(address, &second, "/api/jobs").is_err());

    put(folder.path(), &second);
    agent.wait_for(1, |it| it["event"] == "api.certificate");
    assert_eq!(get(address, &second, "/api/jobs").unwrap().status, 200);
    assert!(get(address, &first, "/api/jobs").is_err());

    // Files that cannot be used are told, and what there was goes on.
    std::fs::write(folder.path().join("cert.pem"), "nonsense").unwrap();
    let told = agent.wait_for(1, |it| it["event"] == "config.rejected").remove(0);
    let reason = told["reason"].as_str().unwrap();
    assert!(reason.contains("cert.pem: it holds no certificate in PEM"), "{told}");
    assert!(reason.contains("the one that was read before goes on"), "{told}");
    assert_eq!(agent.get("/api/problems").json()["problems"][0]["origin"], "setting tls-cert");
    assert_eq!(get(address, &second, "/api/jobs").unwrap().status, 200);
    agent.run_to_its_end("hello");
    put(folder.path(), &first);
    agent.wait_for(2, |it| it["event"] == "api.certificate");
    assert_eq!(get(address, &first, "/api/problems").unwrap().json()["problems"], serde_json::json!([]));
}

#[test]
fn where_there_should_be_tls_nobody_is_answered_in_the_clear() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    put(folder.path(), &authority);
    std::fs::write(folder.path().join("key.pem"), authority.certify(&["localhost"]).key).unwrap();
    let agent = start(folder.path(), "");
    let told = agent.wait_for(1, |it| it["event"] == "config.rejected").remove(0);
    let reason = told["reason"].as_str().unwrap();
    assert!(reason.contains("it does not go together with tls-key"), "{told}");
    assert!(reason.contains("nobody answers over TCP until they are right"), "{told}");
    agent.run_to_its_end("hello");
    for command in ["validate", "doctor"] {
        let asked = std::process::Command::new(env!("CARGO_BIN_EXE_watchbell"))
            .args([command, "--docker-host", "unix:///nowhere.sock", "--config"])
            .arg(folder.path().join("config.ini"))
            .env_clear()
            .output()
            .unwrap();
        let out = String::from_utf8_lossy(&asked.stdout);
        assert!(asked.status.code() == Some(1) && out.contains("does not go together with tls-key"), "{out}");
    }
    put(folder.path(), &authority);
    let address = agent.address(1);
    let plain = std::panic::catch_unwind(|| ask_at(address, ("GET", "/live"), "localhost", &[], ""));
    assert!(plain.is_err(), "it is no answer in the clear");
    assert_eq!(get(address, &authority, "/live").unwrap().status, 200);
}

#[test]
fn over_tls_a_cookie_is_for_tls_alone() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    put(folder.path(), &authority);
    let hash = watchbell::model::password::PasswordHash::of("hunter2", &[5; 16]).unwrap();
    let user = format!("[user \"anna\"]\npassword-hash = {}\nrole = viewer\n", hash.text());
    let agent = start(folder.path(), &user);
    let body = "{\"user\":\"anna\",\"password\":\"hunter2\"}";
    let address = agent.address(1);
    let reply = ask_over_tls(address, &authority.pem(), ("POST", "/api/login"), &[], body).unwrap();
    assert!(reply.status == 200 && reply.header("set-cookie").ends_with("; Secure"), "{reply:?}");
}
