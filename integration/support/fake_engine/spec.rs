//! What a test says about containers, and what it can ask about them afterwards.

use std::collections::BTreeMap;

use jiff::Timestamp;

/// A container's health as its check reports it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    Starting,
    Healthy,
    Unhealthy,
}

impl Health {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
        }
    }
}

/// A container that something else than the agent starts.
#[derive(Debug, Clone)]
pub struct ContainerSpec {
    pub(super) name: String,
    pub(super) image: String,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) health: Option<Health>,
    pub(super) networks: Vec<String>,
    pub(super) read_only: bool,
    pub(super) volumes: Vec<String>,
    pub(super) binds: Vec<(String, String)>,
    pub(super) env: Vec<String>,
    pub(super) stop_timeout: Option<i64>,
}

impl ContainerSpec {
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            image: "app:1".into(),
            labels: BTreeMap::new(),
            health: None,
            networks: vec!["bridge".into()],
            read_only: false,
            volumes: Vec::new(),
            binds: Vec::new(),
            env: Vec::new(),
            stop_timeout: None,
        }
    }

    /// Makes its root read-only.
    pub fn read_only(mut self) -> Self {
        self.read_only = true;
        self
    }

    /// A writable volume at this path.
    pub fn volume(mut self, path: &str) -> Self {
        self.volumes.push(path.into());
        self
    }

    /// A path of the machine at this path.
    pub fn bind(mut self, source: &str, target: &str) -> Self {
        self.binds.push((source.into(), target.into()));
        self
    }

    /// A variable, as `NAME=value`.
    pub fn env(mut self, variable: &str) -> Self {
        self.env.push(variable.into());
        self
    }

    /// How many seconds it has to stop before it is killed; with fewer than none it never is.
    pub fn stop_timeout(mut self, seconds: i64) -> Self {
        self.stop_timeout = Some(seconds);
        self
    }

    pub fn image(mut self, image: impl Into<String>) -> Self {
        self.image = image.into();
        self
    }

    pub fn label(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.labels.insert(key.into(), value.into());
        self
    }

    pub fn labels<K: Into<String>, V: Into<String>>(
        mut self,
        labels: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        self.labels.extend(labels.into_iter().map(|(key, value)| (key.into(), value.into())));
        self
    }

    /// Gives the container a health check, with this result.
    pub fn health(mut self, health: Health) -> Self {
        self.health = Some(health);
        self
    }

    pub fn networks<N: Into<String>>(mut self, networks: impl IntoIterator<Item = N>) -> Self {
        self.networks = networks.into_iter().map(Into::into).collect();
        self
    }

    /// The labels that Compose puts on the `number`th container of a service.
    pub fn compose(self, project: &str, service: &str, number: u32) -> Self {
        self.label("com.docker.compose.project", project)
            .label("com.docker.compose.service", service)
            .label("com.docker.compose.container-number", number.to_string())
            .label("com.docker.compose.oneoff", "False")
    }
}

/// An exec as its creator asked for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecRequest {
    /// The ID it will have.
    pub id: String,
    /// The container's name, without slash.
    pub container: String,
    pub container_id: String,
    pub cmd: Vec<String>,
    pub env: Vec<String>,
    pub user: Option<String>,
    pub workdir: Option<String>,
}

/// An exec and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecRecord {
    pub id: String,
    /// The container's name when the exec was created, without slash.
    pub container_name: String,
    pub container_id: String,
    pub cmd: Vec<String>,
    pub env: Vec<String>,
    pub user: Option<String>,
    pub workdir: Option<String>,
    /// When it started; `None` when it was only created.
    pub started: Option<Timestamp>,
    /// When its command ended.
    pub ended: Option<Timestamp>,
    pub exit: Option<i64>,
}

/// A container created through the API, as its creator asked for it.
#[derive(Debug, Clone, PartialEq)]
pub struct CreateRecord {
    pub id: String,
    pub name: String,
    pub image: String,
    pub cmd: Vec<String>,
    pub env: Vec<String>,
    pub labels: BTreeMap<String, String>,
    /// The networks named at creation, then those connected later.
    pub networks: Vec<String>,
    /// The whole body, for what has no field here.
    pub body: serde_json::Value,
}
