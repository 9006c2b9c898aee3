//! A key that somebody wrote → the parameter that it names, or why it names none.

use crate::model::{diagnostic, name::JobKind};

use super::params::{PARAMS, Param, Support};

/// The table's spelling of a key: lower case, `_` as `-`.
pub fn spelling(key: &str) -> String {
    key.to_ascii_lowercase().replace('_', "-")
}

/// The parameter with this name or alias, in any letter case and with `-` or `_`.
pub fn find(key: &str) -> Option<&'static Param> {
    let key = spelling(key);
    PARAMS.iter().find(|param| param.name == key || param.aliases.contains(&&*key))
}

/// What `<parameter>-file` asks to read from a file: a parameter whose value may be a secret.
pub fn file_key(key: &str) -> Option<&'static Param> {
    let key = spelling(key);
    if find(&key).is_some() { None } else { find(key.strip_suffix("-file")?).filter(|param| param.secret) }
}

/// The `<parameter>-file` that an unknown key is a slip in.
pub fn near_file_key(key: &str) -> Option<String> {
    let secrets = PARAMS.iter().filter(|param| param.secret && param.support != Support::Planned);
    let names = secrets.flat_map(|param| param.aliases.iter().chain([&param.name]));
    let keys: Vec<String> =
        names.map(|name| format!("{name}-file")).filter(|it| find(it).is_none()).collect();
    diagnostic::nearest(&spelling(key), keys.iter().map(String::as_str)).map(str::to_owned)
}

/// Why `key` cannot be written for a job of this kind, or the parameter that it names.
pub fn look_up(key: &str, kind: JobKind) -> Result<&'static Param, String> {
    let Some(param) = find(key) else {
        if let Some(param) = file_key(key) {
            return Err(format!(
                "\"{}\" is read from a file only where the operator says so: {key} belongs in a section of the INI file",
                param.name
            ));
        }
        let known = PARAMS.iter().filter(|param| param.works_for(kind));
        let known = known.flat_map(|param| param.aliases.iter().copied().chain([param.name]));
        let hint = diagnostic::did_you_mean(&spelling(key), known)
            .unwrap_or_else(|| "labels-spec.md lists all parameters".to_owned());
        return Err(format!("unknown parameter \"{key}\": {hint}"));
    };
    if !param.kinds.contains(&kind) {
        let kinds: Vec<_> = param.kinds.iter().map(|kind| kind.as_str()).collect();
        return Err(format!(
            "a job of kind {kind} has no parameter \"{}\": it belongs to {}",
            param.name,
            kinds.join(", ")
        ));
    }
    if !param.works_for(kind) {
        return Err(format!(
            "the parameter \"{}\" is not yet supported for a job of kind {kind}: remove it",
            param.name
        ));
    }
    Ok(param)
}

#[cfg(test)]
mod tests {
    use super::*;
    use JobKind::Exec;

    #[test]
    fn letter_case_and_underscores_do_not_matter() {
        assert_eq!(look_up("Grace_Period", Exec).map(|param| param.name), Ok("grace-period"));
    }

    #[test]
    fn a_key_that_cannot_be_taken_says_why() {
        assert!(look_up("shedule", Exec).unwrap_err().contains("did you mean \"schedule\"?"));
        assert!(look_up("image", Exec).unwrap_err().contains("it belongs to run"));
        assert!(look_up("environment_file", Exec).unwrap_err().contains("only where the operator says so"));
    }
}
