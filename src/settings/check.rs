//! Whether a value is right by itself, wherever it stands: also one that another hides, or that no job takes just now.

use crate::model::{
    diagnostic::Diagnostic,
    schedule::{Schedule, Zone},
};

use super::{
    action, halts,
    ini::Ini,
    layer::{JobLayer, Text},
    notify, options,
    params::{self, Param, Shape},
    policies, project, service, size, value, work,
};

/// What is wrong with a value, in the words with which a job is rejected that takes it.
pub fn check(param: &Param, text: &Text) -> Result<(), String> {
    let (text, _) = value::bare(text);
    let single = || value::single(&text);
    if let Some(checked) = options::check(param, &text) {
        return checked;
    }
    match param.shape {
        Shape::Schedule => {
            Schedule::of_job(&single()?, &Zone::utc(), "").map(drop).map_err(|error| error.to_string())
        }
        Shape::Zone => Zone::parse(&single()?).map(drop).map_err(|error| error.to_string()),
        Shape::Boolean => value::boolean(&single()?).map(drop),
        Shape::Duration if param.name == "timeout" => value::optional_duration(&single()?).map(drop),
        Shape::Duration if param.name == "start-deadline" => value::deadline(&single()?).map(drop),
        Shape::Duration if param.name == "group-wait" => value::wait(&single()?).map(drop),
        Shape::Duration if param.name == "expect-every" => notify::every(&single()?).map(drop),
        Shape::Over => notify::over(&single()?).map(drop),
        Shape::Channels => notify::channels(&text).map(drop),
        Shape::Causes => notify::causes(&text).map(drop),
        Shape::Duration => value::duration(&single()?).map(drop),
        Shape::Size => value::output(&single()?).map(drop),
        Shape::Retention => value::retention(&single()?).map(drop),
        Shape::Count(limit) => value::count(&single()?, limit).map(drop),
        Shape::Number(limit) => value::number(&single()?, limit).map(drop),
        Shape::Choice(words) => value::choice(&single()?, words).map(drop),
        Shape::Shell => value::shell(&single()?).map(drop),
        // Whether a shell reads it is said elsewhere.
        Shape::Command => value::command(&single()?, Some("sh")).map(drop),
        Shape::Map => value::map(&text).map(drop),
        Shape::List => match param.name {
            "network" => work::networks(&text).map(drop),
            "volume" => work::volumes(&text).map(drop),
            "env-file" | "file" => work::paths(&text).map(drop),
            "service" => project::services(&text).map(drop),
            "stop-during" => halts::names(&text).map(drop),
            "mount" => service::mounts(&text).map(drop),
            "secret" => service::secrets(&text).map(drop),
            "config" => service::configs(&text).map(drop),
            "constraint" => service::constraints(&text).map(drop),
            _ => value::list(&text).map(drop),
        },
        Shape::Memory => size::memory(&single()?).map(drop),
        Shape::Cpus => size::cpus(&single()?).map(drop),
        // It is one of the options above.
        Shape::Pids => Ok(()),
        Shape::Names => policies::names(&text).map(drop),
        Shape::Codes => policies::success_codes(&text).map(drop),
        Shape::Text if param.name == "signal" => action::signal(&single()?).map(drop),
        Shape::Text => value::text(&single()?).map(drop),
    }
}

/// What is wrong with the file's defaults: told once, however many jobs take them.
pub(super) fn check_defaults(file: &Ini) -> impl Iterator<Item = Diagnostic> {
    let layers = [&file.defaults].into_iter().chain(file.kind_defaults.values());
    layers.flat_map(JobLayer::iter).filter_map(|(name, written)| {
        let param = params::find(name)?;
        let reason = check(param, &written.text).err()?;
        let reason = format!("{name}: {reason}; jobs that take this default are not on the schedule");
        let place = written.place_of(|item| check(param, item).is_err());
        Some(Diagnostic::error(place.clone(), reason))
    })
}
