//! What people wrote in files, flags and environment, read and not yet put together with labels.

use std::{collections::BTreeMap, sync::Arc};

use crate::model::gather::Gather;
use crate::model::{channel::Channels, diagnostic::Diagnostic, name::JobId, origin::Origin};

use super::{
    channels::{self, SecretFiles, Variable},
    env::Override,
    global::{
        Settings,
        layers::{self, Upper},
    },
    ini::{Ini, RawSetting},
    label::ContainerLabels,
    made::MadeJobs,
};

/// Whether there is a Compose for jobs of kind `compose`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ComposeThere {
    /// Nobody looked: what is written is read where the agent does not run.
    #[default]
    Unasked,
    /// There is one.
    Yes,
    /// There is none.
    No,
}

/// Everything that people wrote, but for the labels.
#[derive(Debug, Clone)]
pub struct Sources {
    /// The agent's settings, before any label was seen.
    pub settings: Settings,
    /// The layers over the files' `[global]`.
    pub upper: Upper,
    /// The files.
    pub file: Arc<Ini>,
    /// The jobs that were made over the API.
    pub made: Arc<MadeJobs>,
    /// Flags, then environment: the later wins.
    pub overrides: Vec<Override>,
    /// The environment's word on channels.
    pub channels: Vec<Variable>,
    /// Reads the files that labels name.
    pub files: SecretFiles,
    /// What is wrong with flags and files as such.
    pub diagnostics: Vec<Diagnostic>,
    /// Why a later reading of the files is not in force.
    pub refused: Vec<Diagnostic>,
    /// The settings with which the agent was started, once it was: some of them it cannot change.
    pub started: Option<Arc<Settings>>,
    /// Whether there is a Compose beside the agent.
    pub compose: ComposeThere,
    /// Whether the settings are as they are, whatever is written.
    given: bool,
}

/// The labels of the agent's own container.
#[derive(Debug, Clone, Copy)]
pub enum Own<'a> {
    /// Nobody has seen them.
    Unknown,
    /// There are none: the agent runs in no container.
    None,
    /// These.
    Labels(&'a ContainerLabels),
}

impl<'a> Own<'a> {
    fn labels(self) -> Option<&'a ContainerLabels> {
        match self {
            Self::Labels(it) => Some(it),
            Self::Unknown | Self::None => None,
        }
    }

    fn is_known(self) -> bool {
        !matches!(self, Self::Unknown)
    }
}

/// What holds for the agent as a whole.
#[derive(Debug, Clone)]
pub struct Settled {
    /// Its settings.
    pub settings: Settings,
    /// Where someone can be told.
    pub channels: Channels,
    /// What each of the channels is made of, and where that is written.
    pub places: ChannelPlaces,
    /// What is wrong with it.
    pub diagnostics: Vec<Diagnostic>,
}

/// The keys of channels that are in force, and their places.
pub type ChannelPlaces = BTreeMap<Arc<str>, Vec<(&'static str, Origin)>>;

impl Sources {
    /// Takes them in.
    pub fn new(file: Ini, upper: Upper, overrides: Vec<Override>) -> Self {
        let mut settings = layers::settle(&file.global, &[], &upper).0;
        settings.access.take(&file.callers);
        Self {
            settings,
            upper,
            file: Arc::new(file),
            made: Arc::default(),
            overrides,
            channels: Vec::new(),
            files: SecretFiles::default(),
            diagnostics: Vec::new(),
            refused: Vec::new(),
            started: None,
            compose: ComposeThere::default(),
            given: false,
        }
    }

    /// The same with settings that are given, and that nobody wrote.
    pub fn given(settings: Settings, file: Ini) -> Self {
        Self { settings, given: true, ..Self::new(file, Upper::default(), Vec::new()) }
    }

    /// What is written of one job, and of all of them as such, without the others.
    pub(super) fn about(&self, id: &JobId) -> Self {
        let Ini { global, defaults, kind_defaults, jobs, callers: _, channels, diagnostics: _, broken: _ } =
            &*self.file;
        let file = Ini {
            global: global.clone(),
            defaults: defaults.clone(),
            kind_defaults: kind_defaults.clone(),
            jobs: jobs.get(id).map(|it| (id.clone(), it.clone())).into_iter().into_map(),
            channels: channels.clone(),
            ..Ini::default()
        };
        let made: MadeJobs = self.made.get(id).map(|it| (id.clone(), it.clone())).into_iter().into_map();
        Self {
            settings: self.settings.clone(),
            upper: self.upper.clone(),
            file: Arc::new(file),
            made: Arc::new(made),
            overrides: self.overrides.clone(),
            channels: self.channels.clone(),
            files: self.files.clone(),
            diagnostics: Vec::new(),
            refused: Vec::new(),
            started: self.started.clone(),
            compose: self.compose,
            given: self.given,
        }
    }

    /// The same with other jobs of the API.
    #[must_use]
    pub fn with_made(&self, made: Arc<MadeJobs>) -> Self {
        Self { made, ..self.clone() }
    }

    /// What holds with what the agent's own container says, and what is wrong with it.
    pub fn settle(&self, own: Own<'_>) -> Settled {
        let labels = own.labels();
        let layers = channels::Layers {
            file: &self.file.channels,
            labels: own.is_known().then(|| labels.map_or(&[][..], |it| &it.channels)),
            variables: &self.channels,
            files: &self.files,
        };
        let channels = channels::settle(layers);
        let (settings, mut diagnostics) = self.settle_settings(labels.map_or(&[], |it| &it.settings));
        diagnostics.extend(channels.diagnostics);
        Settled { settings, channels: channels.channels, places: channels.places, diagnostics }
    }

    fn settle_settings(&self, labels: &[RawSetting]) -> (Settings, Vec<Diagnostic>) {
        if self.given {
            return (self.settings.clone(), Vec::new());
        }
        let (mut settings, mut diagnostics) = layers::settle(&self.file.global, labels, &self.upper);
        diagnostics.extend(settings.access.take(&self.file.callers));
        if let Some(started) = &self.started {
            let placed = layers::place(&self.file.global, labels, &self.upper).0;
            diagnostics.extend(layers::not_taken(started, &settings, &placed));
        }
        (settings, diagnostics)
    }

    /// Everything that is wrong with the sources themselves, without any single job's.
    pub fn mistakes(&self) -> Vec<Diagnostic> {
        let broken = self.diagnostics.iter().chain(&self.file.broken).cloned();
        broken.chain(self.settle(Own::Unknown).diagnostics).collect()
    }

    /// What is wrong with one setting, and with the `variable` that stands in for it.
    pub fn mistakes_of(&self, setting: &str, variable: &str) -> Vec<Diagnostic> {
        let placed = layers::place(&self.file.global, &[], &self.upper).0;
        let written = placed.iter().filter(|it| it.setting.name == setting).flat_map(|it| &it.written);
        let mut named: Vec<&Origin> = written.map(|raw| &raw.origin).collect();
        let variable = Origin::Environment(variable.into());
        named.push(&variable);
        self.settle(Own::Unknown).diagnostics.into_iter().filter(|it| named.contains(&&it.origin)).collect()
    }
}
