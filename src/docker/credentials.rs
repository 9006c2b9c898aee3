//! What is shown to a registry of images: the entry for it in the file that `docker login` writes.
//!
//! Secrets: nothing here has a debug form, and no error repeats what stands in the file.

use std::{collections::HashMap, fmt};

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE},
};
use serde::{Deserialize, Serialize};

/// The name under which the file has Docker's own registry.
const DOCKER_HUB: &str = "https://index.docker.io/v1/";

/// A name and a password, or a token, for one registry.
#[derive(Clone, Serialize)]
#[serde(rename_all = "lowercase")]
pub struct Credentials {
    #[serde(skip_serializing_if = "String::is_empty")]
    username: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    password: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    identitytoken: String,
    serveraddress: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("registry", &self.serveraddress).finish_non_exhaustive()
    }
}

impl Credentials {
    /// The header in which the Engine takes them.
    pub(super) fn header(&self) -> String {
        URL_SAFE.encode(serde_json::to_vec(self).unwrap_or_default())
    }
}

/// The file, as far as it is read.
#[derive(Deserialize)]
struct File {
    #[serde(default)]
    auths: HashMap<String, Entry>,
    #[serde(default, rename = "credsStore")]
    store: String,
    #[serde(default, rename = "credHelpers")]
    helpers: HashMap<String, String>,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(default)]
    auth: String,
    #[serde(default)]
    username: String,
    #[serde(default)]
    password: String,
    #[serde(default)]
    identitytoken: String,
}

/// The registry that an image comes from.
pub fn registry(image: &str) -> &str {
    match image.split_once('/') {
        Some((host, _)) if host.contains(['.', ':']) || host == "localhost" => host,
        _ => "docker.io",
    }
}

/// The credentials for an image in the text of a `config.json`.
pub fn find(config: &str, image: &str) -> Result<Credentials, String> {
    let registry = registry(image);
    let file: File = serde_json::from_str(config).map_err(|error| {
        format!("it is no JSON of the kind that docker login writes (line {})", error.line())
    })?;
    let is_hub = matches!(registry, "docker.io" | "index.docker.io" | "registry-1.docker.io");
    let wanted = |key: &str| {
        let host = key.split_once("://").map_or(key, |(_, rest)| rest);
        let host = host.split('/').next().unwrap_or_default();
        host == registry || (is_hub && (key == DOCKER_HUB || host == "docker.io"))
    };
    let entry = file.auths.iter().find(|(key, entry)| wanted(key) && !entry.is_empty());
    let Some((key, entry)) = entry else {
        let by_helper = !file.store.is_empty() || file.helpers.keys().any(|key| wanted(key));
        return Err(if by_helper {
            format!("it leaves those of {registry} to a helper program, which is not yet supported here")
        } else {
            format!("it has none for {registry}: run docker login {registry}")
        });
    };
    let (username, password) = if entry.auth.is_empty() {
        (entry.username.clone(), entry.password.clone())
    } else {
        let wrong = || format!("its entry for {registry} cannot be read: run docker login {registry} again");
        let bytes = STANDARD.decode(&entry.auth).map_err(|_| wrong())?;
        let text = String::from_utf8(bytes).map_err(|_| wrong())?;
        let (name, password) = text.split_once(':').ok_or_else(wrong)?;
        // Some versions fill up with zeros.
        (name.to_owned(), password.trim_end_matches('\0').to_owned())
    };
    let identitytoken = entry.identitytoken.clone();
    Ok(Credentials { username, password, identitytoken, serveraddress: key.clone() })
}

impl Entry {
    fn is_empty(&self) -> bool {
        self.auth.is_empty() && self.username.is_empty() && self.identitytoken.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"{
        "auths": {
            "registry.example:5000": {"auth": "YW5uYTpodW50ZXIyPz4/"},
            "https://index.docker.io/v1/": {"auth": "YmVuOng6eQ=="},
            "https://old.example/v2/": {"username": "carl", "password": "p", "identitytoken": "t"},
            "kept.elsewhere": {}
        },
        "credHelpers": {"kept.elsewhere": "pass"},
        "HttpHeaders": {}
    }"#;

    #[test]
    fn an_image_has_the_registry_of_its_name() {
        for (image, of) in [
            ("alpine", "docker.io"),
            ("library/alpine:3", "docker.io"),
            ("localhost/x", "localhost"),
            ("registry.example/a/b:1", "registry.example"),
            ("127.0.0.1:5000/a@sha256:0", "127.0.0.1:5000"),
        ] {
            assert_eq!(registry(image), of);
        }
    }

    #[test]
    fn the_entry_of_the_registry_is_found_and_sent_as_engines_read_it() {
        let found = find(FILE, "registry.example:5000/app:1").unwrap();
        assert_eq!((&*found.username, &*found.password), ("anna", "hunter2?>?"));
        let header = found.header();
        assert!(!header.contains(['+', '/']), "{header}");
        let sent: serde_json::Value = serde_json::from_slice(&URL_SAFE.decode(header).unwrap()).unwrap();
        assert_eq!(sent["password"], "hunter2?>?");
        assert_eq!(sent["serveraddress"], "registry.example:5000");
        let found = find(FILE, "alpine").unwrap();
        assert_eq!((&*found.username, &*found.password), ("ben", "x:y"));
        assert_eq!(find(FILE, "old.example/x").unwrap().identitytoken, "t");
    }

    #[test]
    fn what_is_not_there_is_told_without_what_is() {
        for (config, image, part) in [
            (FILE, "other.example/x", "docker login other.example"),
            (FILE, "kept.elsewhere/x", "helper"),
            ("hunter2", "x", "no JSON"),
            (r#"{"auths": {"a.b": {"auth": "hunter2"}}}"#, "a.b/x", "cannot be read"),
        ] {
            let reason = find(config, image).unwrap_err();
            assert!(reason.contains(part) && !reason.contains("hunter2"), "{reason}");
        }
        assert!(!format!("{:?}", find(FILE, "alpine").unwrap()).contains("x:y"));
    }
}
