//! What a job of kind `service-run` does to a service that is there → its spec.

use crate::model::service::{ServiceAction, ServiceActionSpec};

use super::{layer::JobLayer, service::NO_TASK, settle::Settle, value};

/// Parameters of the kind that say what a new service is.
const OF_NEW_SERVICES: [&str; 17] = [
    "command",
    "shell",
    "user",
    "workdir",
    "environment",
    "env-file",
    "image",
    "like",
    "network",
    "mount",
    "memory",
    "cpus",
    "secret",
    "config",
    "constraint",
    "global",
    "with-registry-auth",
];

impl Settle<'_> {
    /// The action; `None` if a diagnostic says why not.
    pub(super) fn service_action(&mut self, layer: &JobLayer) -> Option<ServiceActionSpec> {
        let word = self.read(layer, "action", |text| {
            value::choice(&value::single(text)?, &ServiceAction::WORDS).map(str::to_owned)
        });
        let named = self.read(layer, "service", |text| match &value::list(text)?[..] {
            [one] => value::text(one),
            _ => Err("it is one service to which something is done: write a job for each".to_owned()),
        });
        let own = if layer.get("service").is_none() { self.own_service() } else { None };
        let service = named.map(|(service, _)| service).or(own);
        let service = self.required(layer, "service", service);
        let replicas = self.replicas(layer);
        for name in OF_NEW_SERVICES {
            if let Some(written) = layer.get(name).filter(|it| !self.is_default(name, &it.origin)) {
                let reason = "it has no effect with action, which changes a service that is there: remove it";
                self.warn(written.origin.clone(), name, reason);
            }
        }
        let (word, _) = word?;
        let count = replicas.as_ref().map(|(count, _)| *count);
        let action = match (word.as_str(), count) {
            ("scale", None) => {
                self.required::<()>(layer, "replicas", None);
                return None;
            }
            ("scale", Some(count)) => ServiceAction::Scale(count),
            ("run", Some(0)) => {
                let (_, origin) = replicas?;
                self.reject(origin, "replicas", NO_TASK);
                return None;
            }
            ("run", count) => ServiceAction::Run(count),
            _ => {
                if let Some((_, origin)) = replicas {
                    self.warn(origin, "replicas", "it has no effect with action=restart: remove it");
                }
                ServiceAction::Restart
            }
        };
        Some(ServiceActionSpec { service: service?, action })
    }
}
