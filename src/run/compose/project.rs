//! Which files make a project that is known by its name.

use std::{fs::File, path::Path};

use tokio::task::spawn_blocking;

use crate::{
    docker::{client::Engine, projects::ProjectFiles},
    model::compose::{ComposeCli, ComposeSpec},
};

use super::command::Project;

/// The project of a job; an error says why Compose cannot be told of it.
pub async fn find(spec: &ComposeSpec, cli: &ComposeCli, engine: &Engine) -> Result<Project, String> {
    let name = spec.project.clone();
    if !spec.files.is_empty() {
        if let Some((file, why)) = unreadable(&spec.files).await {
            return Err(format!(
                "the compose file {file} cannot be read beside the agent: {why}: mount its directory, at the same \
                 path as on the machine where the file names paths beside itself"
            ));
        }
        return Ok(Project { files: spec.files.clone(), directory: None, name });
    }
    let Some(name) = name else { return Err("the job names neither a file nor a project".to_owned()) };
    let said = engine.project_files(&name).await;
    let said =
        said.map_err(|error| format!("asking the Engine for the containers of project {name}: {error}"))?;
    let Some(newest) = said.first() else {
        return Err(format!(
            "there is no container of the project {name} that says where its files are: set file to them"
        ));
    };
    let ProjectFiles { container, files, directory } = newest;
    let files: Vec<String> = files.iter().map(|file| beside(file, directory.as_deref())).collect();
    match unreadable(&files).await {
        None => Ok(Project { files, directory: directory.clone(), name: Some(name) }),
        // The plugin asks the containers themselves.
        Some(_) if matches!(cli, ComposeCli::Plugin(_)) && spec.action.needs_no_files() => {
            Ok(Project { name: Some(name), ..Project::default() })
        }
        Some((file, why)) => Err(format!(
            "the file {file} of project {name}, as its container {container} names it, cannot be read beside the \
             agent: {why}: mount its directory at the same path, or set file"
        )),
    }
}

/// A path as it counts from the project's directory.
fn beside(file: &str, directory: Option<&str>) -> String {
    // A path that is absolute takes the place of what it is joined to.
    directory.map_or_else(|| file.to_owned(), |it| Path::new(it).join(file).to_string_lossy().into_owned())
}

/// The first of the files that cannot be read, and why.
async fn unreadable(files: &[String]) -> Option<(String, String)> {
    let files = files.to_vec();
    // A file may lie on a disk that is slow or gone.
    let looked = spawn_blocking(move || {
        files.into_iter().find_map(|file| {
            // Opening anything else could wait for ever.
            let opened = match std::fs::metadata(&file) {
                Ok(found) if found.is_file() => {
                    File::open(&file).map(drop).map_err(|error| error.to_string())
                }
                Ok(_) => Err("it is no file".to_owned()),
                Err(error) => Err(error.to_string()),
            };
            opened.err().map(|why| (file, why))
        })
    });
    looked.await.unwrap_or_else(|error| Some((String::new(), error.to_string())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_counts_from_the_projects_directory_unless_it_is_whole() {
        assert_eq!(beside("docker-compose.yml", Some("/srv/shop")), "/srv/shop/docker-compose.yml");
        assert_eq!(beside("/a/b.yaml", Some("/srv/shop")), "/a/b.yaml");
        assert_eq!(beside("b.yaml", None), "b.yaml");
    }
}
