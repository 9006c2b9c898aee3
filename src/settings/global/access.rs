//! What the settings say of who asks the agent, and where.

use crate::model::{diagnostic::Diagnostic, origin::Origin};

use super::{
    super::{
        access::{self, Role},
        value,
    },
    layers::Settle,
};

impl Settle<'_> {
    /// Half of it would be a listener in the clear where TLS was meant.
    fn tls_files(&mut self) -> Option<access::TlsFiles> {
        let [certificate, key] =
            ["tls-cert", "tls-key"].map(|name| self.value(name, access::tls_file).flatten());
        let (there, missing) = match (certificate, key) {
            (Some(certificate), Some(key)) => return Some(access::TlsFiles { certificate, key }),
            (None, None) => return None,
            (Some(_), None) => ("tls-cert", "tls-key"),
            (None, Some(_)) => ("tls-key", "tls-cert"),
        };
        let written = self.placed.iter().find(|it| it.setting.name == there).and_then(|it| it.written.last());
        let origin = written.map_or(Origin::Default, |raw| raw.origin.clone());
        let reason = format!("there is {there} without {missing}: write both, or none");
        self.diagnostics.push(Diagnostic::error(origin, reason));
        None
    }

    /// Where the agent is asked over the network, and by whom, as far as settings say it.
    pub(super) fn access(&mut self) -> access::Access {
        let usual = access::Access::default();
        let own = [Role::Viewer, Role::Operator, Role::Admin].into_iter().filter_map(|role| {
            let name = access::own_token_name(role);
            let hash = self.value(name, access::token)?;
            let origin = Origin::Place(format!("setting {name}").into());
            Some(access::Token { name: name.to_owned(), hash, role, origin })
        });
        let own = own.collect();
        access::Access {
            tls: self.tls_files(),
            tokens: own,
            users: Vec::new(),
            session_lifetime: self
                .value("session-lifetime", value::duration)
                .unwrap_or(usual.session_lifetime),
            trusted_proxies: self.value("trusted-proxies", access::networks).unwrap_or_default(),
            metrics_auth: self.value("metrics-auth", value::boolean).unwrap_or(false),
            listen: self.value("listen", access::listen).unwrap_or(usual.listen),
            insecure_no_auth: self.value("insecure-no-auth", value::boolean).unwrap_or(false),
            public_url: self.value("public-url", access::public_url).flatten(),
            allowed_hosts: self.value("allowed-hosts", access::hosts).unwrap_or_default(),
        }
    }
}
