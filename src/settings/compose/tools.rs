//! What a compose file says to the tools whose labels are read, beside the labels themselves.

use crate::settings::dialect::Dialect;

/// The labels of a tool's own image, which Compose never sees: with them the Engine gives the container that runs the
/// tool its switch, and says that it is the tool's own.
pub(super) fn of_image(image: &str) -> Option<[String; 2]> {
    let name = image.split('@').next().unwrap_or_default();
    let (_, last) = name.rsplit_once('/')?;
    let tool = last.split(':').next().filter(|it| matches!(*it, "ofelia" | "chadburn"))?;
    Some([format!("{tool}.enabled"), format!("{tool}.service")])
}

/// The dialect of which a label is.
pub(super) fn dialect_of(label: &str, dialects: &[Dialect]) -> Option<Dialect> {
    let is = |dialect: &&Dialect| {
        let prefix = dialect.prefix();
        let head = label.get(..prefix.len()).filter(|_| label.as_bytes().get(prefix.len()) == Some(&b'.'));
        // Only our own labels are read in any letter case.
        head.is_some_and(|it| {
            it == prefix || (**dialect == Dialect::Watchbell && it.eq_ignore_ascii_case(prefix))
        })
    };
    dialects.iter().find(is).copied()
}

/// Keys of `deploy` that only a Swarm goes by: a file with one of them is a stack's.
pub(super) const OF_STACKS: [&str; 6] =
    ["mode", "placement", "update_config", "rollback_config", "restart_policy", "endpoint_mode"];

/// Whether a dialect's labels on the services of a Swarm are read.
pub(super) fn is_read_on_services(dialect: Dialect) -> bool {
    matches!(dialect, Dialect::Watchbell | Dialect::SwarmCronjob)
}

/// What is to be said of labels under `deploy`, which are read or not.
pub(super) fn under_deploy(read: bool) -> &'static str {
    if read {
        "labels under \"deploy\" are a Swarm service's: docker stack deploy puts them there, and docker compose puts them \
         nowhere; for Compose write them under \"labels\" of the service itself"
    } else {
        "labels under \"deploy\" are a Swarm service's and no container has them: write them under \"labels\" of the \
         service itself"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tools_own_image_is_known_from_any_registry_with_any_tag_or_digest() {
        let labels = |tool: &str| Some([format!("{tool}.enabled"), format!("{tool}.service")]);
        for image in [
            "mcuadros/ofelia:latest",
            "mcuadros/ofelia",
            "r.example:5000/x/ofelia:1@sha256:0",
            "ghcr.io/a/ofelia@sha256:0",
        ] {
            assert_eq!(of_image(image), labels("ofelia"), "{image}");
        }
        assert_eq!(of_image("premoweb/chadburn:1"), labels("chadburn"));
        for image in ["ofelia", "x/not-ofelia", "mcuadros/ofelia/x", "x/y:ofelia", ""] {
            assert_eq!(of_image(image), None, "{image}");
        }
    }
}
