//! What Compose writes on the containers of its projects.

use serde_json::json;

use super::{client::Engine, error::EngineError};

const PROJECT: &str = "com.docker.compose.project";
const SERVICE: &str = "com.docker.compose.service";
const FILES: &str = "com.docker.compose.project.config_files";
const DIRECTORY: &str = "com.docker.compose.project.working_dir";

/// Where a container says that its project's files are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectFiles {
    /// The container's name.
    pub container: String,
    /// The files, as whoever made the container named them.
    pub files: Vec<String>,
    /// The directory from which they were named.
    pub directory: Option<String>,
}

impl Engine {
    /// What the containers of a project say of its files, whether they run or not; the newest first.
    pub async fn project_files(&self, project: &str) -> Result<Vec<ProjectFiles>, EngineError> {
        let filters = json!({ "label": [format!("{PROJECT}={project}")] });
        let mut list = self.list_containers(true, &filters).await?;
        list.sort_by_key(|it| std::cmp::Reverse(it.created));
        let found = list.into_iter().filter_map(|it| {
            let mut labels = it.labels.unwrap_or_default();
            let names = it.names.unwrap_or_default();
            let files = labels.remove(FILES)?;
            Some(ProjectFiles {
                container: names.first().map_or_else(String::new, |it| it.trim_start_matches('/').to_owned()),
                files: files.split(',').filter(|it| !it.is_empty()).map(str::to_owned).collect(),
                directory: labels.remove(DIRECTORY).filter(|it| !it.is_empty()),
            })
        });
        Ok(found.collect())
    }

    /// Whether a container of a service runs; of any project where none is named.
    pub async fn service_runs(&self, project: Option<&str>, service: &str) -> Result<bool, EngineError> {
        let filters = json!({ "label": of_service(project, service) });
        Ok(!self.list_containers(false, &filters).await?.is_empty())
    }

    /// The IDs of a service's running containers in which commands run; of any project where none is named.
    pub async fn busy_containers(
        &self,
        project: Option<&str>,
        service: &str,
    ) -> Result<Vec<String>, EngineError> {
        let filters = json!({ "label": of_service(project, service) });
        let mut busy = Vec::new();
        for id in self.list_containers(false, &filters).await?.into_iter().filter_map(|it| it.id) {
            // One that has gone meanwhile has no commands.
            let found = self.inspect_container(&id).await;
            if found.is_ok_and(|it| it.exec_ids.is_some_and(|it| !it.is_empty())) {
                busy.push(id);
            }
        }
        Ok(busy)
    }
}

/// The labels of a service's containers.
fn of_service(project: Option<&str>, service: &str) -> Vec<String> {
    let of_project = project.map(|it| format!("{PROJECT}={it}"));
    [format!("{SERVICE}={service}")].into_iter().chain(of_project).collect()
}
