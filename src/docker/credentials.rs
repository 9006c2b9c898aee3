//! What is shown to a registry of images: the entry for it in the file that `docker login` writes, or the answer of the
//! helper program that the file names.
//!
//! Secrets: nothing here has a debug form, and no error repeats what stands in the file.

use std::{collections::BTreeMap, fmt};

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE},
};
use bollard::{BollardRequest, Docker};
use serde::{Deserialize, Serialize};

/// The name under which the file has Docker's own registry.
const DOCKER_HUB: &str = "https://index.docker.io/v1/";

/// A name and a password, or a token, for one registry.
#[derive(Clone, PartialEq, Eq, Hash, Serialize)]
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

/// Where the credentials for a registry are.
#[derive(Debug)]
pub enum Found {
    /// In the file.
    Here(Credentials),
    /// A program has them.
    Helper(Helper),
}

/// A program that keeps credentials.
#[derive(Debug)]
pub struct Helper {
    program: String,
    registry: String,
    /// What the program calls the registry.
    server: String,
}

impl Helper {
    /// A program, by its path or its name, that keeps those of a registry.
    pub fn at(program: String, registry: &str) -> Self {
        let server = if is_hub(registry) { DOCKER_HUB } else { registry };
        Self { program, registry: registry.to_owned(), server: server.to_owned() }
    }

    /// The program.
    pub fn program(&self) -> &str {
        &self.program
    }

    /// The registry.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// What it is to be asked for.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// What it says.
    pub fn read(&self, said: &[u8]) -> Option<Credentials> {
        let Said { username, secret } = serde_json::from_slice(said).ok()?;
        let serveraddress = self.server.clone();
        let none = String::new;
        Some(if username == "<token>" {
            Credentials { username: none(), password: none(), identitytoken: secret, serveraddress }
        } else {
            Credentials { username, password: secret, identitytoken: none(), serveraddress }
        })
    }
}

/// A helper's answer, as far as it is read.
#[derive(Deserialize)]
struct Said {
    #[serde(rename = "Username")]
    username: String,
    #[serde(rename = "Secret")]
    secret: String,
}

impl Credentials {
    /// Name and password.
    #[cfg(test)]
    pub fn login(&self) -> (&str, &str) {
        (&self.username, &self.password)
    }

    /// The token.
    #[cfg(test)]
    pub fn token(&self) -> &str {
        &self.identitytoken
    }

    /// A client that sends them along with whatever it asks.
    pub(super) fn sent_by(&self, docker: Docker) -> Docker {
        let put = self.put();
        docker.with_request_modifier(move |mut request| {
            put(&mut request);
            request
        })
    }

    /// What puts them into a request.
    pub(super) fn put(&self) -> impl Fn(&mut BollardRequest) + Send + Sync + use<> {
        let header = self.header();
        // The library's own header is in the other of the two alphabets of base64, which an Engine does not read.
        move |request| {
            if let Ok(value) = header.parse() {
                request.headers_mut().insert("x-registry-auth", value);
            }
        }
    }

    /// The header in which the Engine takes them.
    fn header(&self) -> String {
        URL_SAFE.encode(serde_json::to_vec(self).unwrap_or_default())
    }
}

/// The file, as far as it is read.
#[derive(Deserialize)]
struct File {
    #[serde(default)]
    auths: BTreeMap<String, Entry>,
    #[serde(default, rename = "credsStore")]
    store: String,
    #[serde(default, rename = "credHelpers")]
    helpers: BTreeMap<String, String>,
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

/// Where the credentials for an image are, by the text of a `config.json`: with the helper of its registry, in the file, or
/// with the helper for all others.
pub fn find(config: &str, image: &str) -> Result<Found, String> {
    let registry = registry(image);
    let file: File = serde_json::from_str(config).map_err(|error| {
        format!("it is no JSON of the kind that docker login writes (line {})", error.line())
    })?;
    let with_helper = |(_, name): (&String, &String)| helper(name, registry);
    if let Some(found) = best(file.helpers.iter(), registry).map(with_helper) {
        return found;
    }
    let filled = file.auths.iter().filter(|(_, entry)| !entry.is_empty());
    let Some((key, entry)) = best(filled, registry) else {
        return if file.store.is_empty() {
            Err(format!("it has none for {registry}: run docker login {registry}"))
        } else {
            helper(&file.store, registry)
        };
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
    Ok(Found::Here(Credentials { username, password, identitytoken, serveraddress: key.clone() }))
}

fn is_hub(registry: &str) -> bool {
    matches!(registry, "docker.io" | "index.docker.io" | "registry-1.docker.io")
}

/// The entry of a registry: its own name before longer ways to say the same.
fn best<'a, T>(entries: impl Iterator<Item = (&'a String, T)>, registry: &str) -> Option<(&'a String, T)> {
    let canonical = if is_hub(registry) { DOCKER_HUB } else { registry };
    let host = |key: &str| {
        let rest = key.split_once("://").map_or(key, |(_, rest)| rest);
        rest.split('/').next().unwrap_or_default().to_owned()
    };
    let same = |key: &str| host(key) == registry || (is_hub(registry) && is_hub(&host(key)));
    entries.filter(|(key, _)| same(key)).min_by_key(|(key, _)| *key != canonical)
}

fn helper(name: &str, registry: &str) -> Result<Found, String> {
    let sound = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() || !name.chars().all(sound) {
        return Err(format!("the name of the helper program for {registry} is no name of a program"));
    }
    Ok(Found::Helper(Helper::at(format!("docker-credential-{name}"), registry)))
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
        "credHelpers": {"kept.elsewhere": "pass", "odd.example": "../x"},
        "HttpHeaders": {}
    }"#;

    fn here(config: &str, image: &str) -> Credentials {
        match find(config, image) {
            Ok(Found::Here(found)) => found,
            other => panic!("{image}: {other:?}"),
        }
    }

    fn asked(config: &str, image: &str) -> (String, String) {
        match find(config, image) {
            Ok(Found::Helper(it)) => (it.program, it.server),
            other => panic!("{image}: {other:?}"),
        }
    }

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
        let found = here(FILE, "registry.example:5000/app:1");
        assert_eq!((&*found.username, &*found.password), ("anna", "hunter2?>?"));
        let header = found.header();
        assert!(!header.contains(['+', '/']), "{header}");
        let sent: serde_json::Value = serde_json::from_slice(&URL_SAFE.decode(header).unwrap()).unwrap();
        assert_eq!(sent["password"], "hunter2?>?");
        assert_eq!(sent["serveraddress"], "registry.example:5000");
        let found = here(FILE, "alpine");
        assert_eq!((&*found.username, &*found.password), ("ben", "x:y"));
        assert_eq!(here(FILE, "old.example/x").identitytoken, "t");
    }

    #[test]
    fn what_is_not_there_is_told_without_what_is() {
        for (config, image, part) in [
            (FILE, "other.example/x", "docker login other.example"),
            (FILE, "odd.example/x", "no name of a program"),
            ("hunter2", "x", "no JSON"),
            (r#"{"auths": {"a.b": {"auth": "hunter2"}}}"#, "a.b/x", "cannot be read"),
        ] {
            let reason = find(config, image).unwrap_err();
            assert!(reason.contains(part) && !reason.contains("hunter2"), "{reason}");
        }
        assert!(!format!("{:?}", here(FILE, "alpine")).contains("x:y"));
    }

    /// As the `docker` command does it; only that what stands in the file is not hidden by a helper for everything.
    #[test]
    fn the_helper_of_a_registry_goes_before_the_file_and_the_one_for_all_after_it() {
        let both = |program: &str, server: &str| (program.to_owned(), server.to_owned());
        assert_eq!(asked(FILE, "kept.elsewhere/x"), both("docker-credential-pass", "kept.elsewhere"));
        let store = r#"{"auths": {"a.example": {"auth": "YW5uYTp4"}, "b.example": {}}, "credsStore": "desktop",
                        "credHelpers": {"a.example:5000": "ecr-login", "docker.io": "hub"}}"#;
        assert_eq!(here(store, "a.example/x").login(), ("anna", "x"));
        assert_eq!(asked(store, "b.example/x"), both("docker-credential-desktop", "b.example"));
        assert_eq!(asked(store, "a.example:5000/x"), both("docker-credential-ecr-login", "a.example:5000"));
        assert_eq!(asked(store, "x"), both("docker-credential-hub", DOCKER_HUB));
    }

    #[test]
    fn of_two_entries_for_one_registry_its_own_name_counts() {
        let two = r#"{"auths": {"http://r.example/v1/": {"auth": "YTph"}, "r.example": {"auth": "Yjpi"},
                      "index.docker.io": {"auth": "YTph"}, "https://index.docker.io/v1/": {"auth": "Yjpi"}}}"#;
        assert_eq!(here(two, "r.example/x").login(), ("b", "b"));
        assert_eq!(here(two, "x").login(), ("b", "b"));
    }
}
