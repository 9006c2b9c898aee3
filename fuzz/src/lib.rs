//! What the targets have in common: what must hold of every diagnostic, and how text means the same.

use jiff::Timestamp;
use watchbell::{
    model::{
        container::{Container, ContainerId, ContainerState, Inventory},
        swarm::Services,
        diagnostic::Diagnostic,
        origin::Origin,
    },
    settings::{
        global::layers::Upper,
        ini::Ini,
        layer::{JobLayer, Text},
        params,
        resolve::{Desired, Sources, View, resolve},
        value,
    },
};

/// It stands where a secret stands, and no diagnostic may repeat it.
pub const CANARY: &str = "cAnArY-9d1f";

/// A container that runs, with these labels.
pub fn container(name: &str, labels: impl IntoIterator<Item = (String, String)>) -> Container {
    Container {
        id: ContainerId("0".repeat(64).into()),
        name: name.into(),
        state: ContainerState::Running,
        healthy: None,
        created: 0,
        labels: labels.into_iter().collect(),
    }
}

/// Files and containers put together, as the agent does it.
pub fn settle(file: Ini, containers: Vec<Container>) -> Desired {
    let sources = Sources::new(file, Upper::default(), Vec::new());
    let inventory = Inventory { containers, own: None, services: Services::none() };
    resolve(&sources, View::Observed(&inventory), Timestamp::UNIX_EPOCH)
}

/// Every diagnostic has a place, says something, is short, and keeps the secret.
pub fn check(diagnostics: &[Diagnostic]) {
    for it in diagnostics {
        assert_ne!(it.origin, Origin::Default, "it has no place: {it:?}");
        assert!(!it.reason.trim().is_empty() && it.reason.len() < 8000, "{it:?}");
        assert!(!it.rejects || it.job.is_some(), "it rejects nothing: {it:?}");
        assert!(!format!("{it:?}").contains(CANARY), "it shows the secret: {it:?}");
    }
}

/// What the values of a layer mean, by parameter; a mistake is a mistake.
pub fn meaning(layer: &JobLayer) -> Vec<(&'static str, Option<Vec<String>>)> {
    let text = |name: &str, text: &Text| {
        let (text, _) = value::bare(text);
        match params::find(name) {
            Some(param) if param.shape.is_list() => value::list(&text).ok(),
            _ => value::single(&text).ok().map(|text| vec![text.trim().to_owned()]),
        }
    };
    layer.iter().map(|(name, written)| (name, text(name, &written.text))).collect()
}
