//! What a job of kind `compose` does: its parameters, each with its type → its spec.

use crate::model::{
    compose::{ComposeAction, ComposeSpec, NO_COMPOSE, leads_compose},
    diagnostic::Diagnostic,
    job::Environment,
};

use super::{
    layer::{JobLayer, Text},
    service::Common,
    settle::{Settle, choice},
    sources::ComposeThere,
    value,
    work::paths,
};

impl Settle<'_> {
    /// The Compose command; `None` if a diagnostic says why not.
    pub(super) fn compose(&mut self, layer: &JobLayer, common: Common) -> Option<ComposeSpec> {
        let Common { argv, user, workdir, environment, .. } = common;
        let action = self.read(layer, "action", |text| choice(&value::single(text)?, ComposeAction::NAMES));
        let files = self.read(layer, "file", paths).map(|(list, _)| list).unwrap_or_default();
        let named = self.read(layer, "project", |text| project(&value::single(text)?));
        let services = self.read(layer, "service", services);
        let unread = |name| layer.get(name).is_some();
        let (bad_project, bad_services) =
            (named.is_none() && unread("project"), services.is_none() && unread("service"));
        let services = services.map(|(list, _)| list).unwrap_or_default();
        let (action, origin) = self.required(layer, "action", action)?;
        if self.sources.compose == ComposeThere::No {
            // It stays on the schedule: what is missing may come, and what is due leaves a record.
            self.diagnostics.push(Diagnostic::error(origin.clone(), NO_COMPOSE).about(self.id));
        }
        let home = self.home.and_then(|it| it.on.project()).filter(|it| project(it).is_ok());
        let project = named.map(|(name, _)| name).or_else(|| {
            // Whoever names files means those, whatever else is where the label stands.
            home.filter(|_| files.is_empty()).map(str::to_owned)
        });
        if project.is_none() && files.is_empty() && !bad_project && !unread("file") {
            let place = layer.get("action").map_or(&self.place(), |it| &it.origin).clone();
            self.reject(
                place,
                "project",
                "it is missing: set file to the project's compose files, or project to its name",
            );
            return None;
        }
        let argv =
            if action == ComposeAction::Exec { Some(self.required(layer, "command", argv)?) } else { argv };
        if action.runs_a_command() {
            let one = (services.len() == 1).then_some(());
            if one.is_none() && !bad_services {
                let place = layer
                    .get("service")
                    .or(layer.get("action"))
                    .map_or(&self.place(), |it| &it.origin)
                    .clone();
                let reason = format!(
                    "action={} needs one service, in which the command runs: name it",
                    action.as_str()
                );
                self.reject(place, "service", &reason);
            }
            one?;
        } else {
            if action == ComposeAction::Down && !services.is_empty() {
                let place = layer.get("service").map_or(self.place(), |it| it.origin.clone());
                self.reject(place, "service", "action=down is for the whole project: remove it");
                return None;
            }
            self.check_idle(layer, action);
            self.check_variables(layer, &environment)?;
        }
        let runs = |it: Option<String>| it.filter(|_| action.runs_a_command());
        (!bad_project && !bad_services).then_some(ComposeSpec {
            action,
            files,
            project,
            services,
            argv: argv.filter(|_| action.runs_a_command()),
            user: runs(user),
            workdir: runs(workdir),
            environment,
        })
    }

    /// Warns of what is written for this job and belongs to a command, where none runs.
    fn check_idle(&mut self, layer: &JobLayer, action: ComposeAction) {
        for name in ["command", "shell", "user", "workdir"] {
            let Some(written) = layer.get(name) else { continue };
            // A default is for the jobs with which it can do something.
            if !self.is_default(name, &written.origin) {
                let reason = format!(
                    "it has no effect with action={}, which runs no command: remove it",
                    action.as_str()
                );
                self.warn(written.origin.clone(), name, &reason);
            }
        }
    }

    /// What Compose puts into its files must not lead Compose itself, or a label could say what runs beside the agent.
    fn check_variables(&mut self, layer: &JobLayer, Environment(variables): &Environment) -> Option<()> {
        let Some((name, _)) = variables.iter().find(|(name, _)| leads_compose(name)) else {
            return Some(());
        };
        let place = layer.get("environment").map_or(self.place(), |it| it.origin.clone());
        let reason = format!("{name} leads Compose itself and cannot be set by a job: remove it");
        self.reject(place, "environment", &reason);
        None
    }
}

/// A project's name, as Compose takes it.
fn project(text: &str) -> Result<String, String> {
    let text = text.trim();
    let is_part = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_');
    let begins = text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    if begins && text.chars().all(is_part) {
        return Ok(text.to_owned());
    }
    Err(format!(
        "\"{text}\" is no name of a project: it has lower-case letters, digits, - and _, and begins with a letter or a digit"
    ))
}

/// Names of services.
pub(super) fn services(text: &Text) -> Result<Vec<String>, String> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let names: Vec<String> = value::list(text)?.iter().map(|it| it.trim().to_owned()).collect();
    match names
        .iter()
        .find(|it| !it.starts_with(|c: char| c.is_ascii_alphanumeric()) || !it.chars().all(is_part))
    {
        Some(wrong) => Err(format!(
            "\"{wrong}\" is no name of a service: it has letters, digits, -, _ and ., and begins with a letter or a digit"
        )),
        None => Ok(names),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_compose_takes_and_never_look_like_an_option() {
        assert_eq!(project(" shop_2 "), Ok("shop_2".to_owned()));
        for wrong in ["", "-p", "Shop", "a.b", "a b", "../x"] {
            assert!(project(wrong).is_err(), "{wrong}");
        }
        let list = |text: &str| services(&Text::One(text.into()));
        assert_eq!(list("web\nDb.1").unwrap(), ["web", "Db.1"]);
        for wrong in ["--all", "a b", "[\"\"]", "a,b"] {
            assert!(list(wrong).is_err(), "{wrong}");
        }
    }
}
