//! Who asks the agent, and where.

use std::net::IpAddr;

use tracing::{info, warn};

/// The API answers over TCP.
pub fn api_listening(address: &str, tls: bool) {
    let scheme = if tls { "https" } else { "http" };
    info!(event = "api.listening", address, tls, "the API answers at {scheme}://{address}");
}

/// Another certificate is shown from now on.
pub fn api_certificate() {
    info!(event = "api.certificate", "the certificate was read again");
}

/// Connections were let go at once, so many since this was told last.
pub fn api_crowded(count: u64, from: IpAddr) {
    warn!(event = "api.crowded", count, from = %from, "there were too many connections: {count} were closed, the last from {from}");
}

/// Someone could not log in. What he typed in the place of a name may be a password.
pub fn login_refused(user: Option<&str>, from: Option<IpAddr>) {
    let from = from.map(tracing::field::display);
    warn!(event = "login.refused", user, from, "someone could not log in");
}

/// Someone asked for a change.
pub fn audit_written(caller: &str, from: Option<&str>, method: &str, path: &str, status: u16) {
    info!(event = "audit.written", caller, from, method, path, status, "{caller}: {method} {path}: {status}");
}
