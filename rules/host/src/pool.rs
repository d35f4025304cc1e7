//! One class of rules at run time: its engines, its lanes and its queue for the
//! compiler. Nothing is shared between classes, so that neither waits for the other.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use wasmtime::Engine;

use crate::artifact::Label;
use crate::class::RuleClass;
use crate::digest::Digest;
use crate::engine::{self, Clock};
use crate::error::HostError;
use crate::lane::Lanes;
use crate::owner::Owners;
use crate::queue::Queue;
use crate::settings::{ClassSettings, HostSettings};
use crate::station::Stations;

pub(crate) struct Pool {
    pub(crate) class: RuleClass,
    pub(crate) settings: ClassSettings,
    pub(crate) stations: Arc<Stations>,
    /// Of the engines.
    pub(crate) fingerprint: [u8; 32],
    /// Where the code of loaded rules lies, in files without a name.
    pub(crate) folder: PathBuf,
    pub(crate) lanes: Arc<Lanes>,
    pub(crate) compilations: Queue,
    pub(crate) owners: Arc<Owners>,
}

impl Pool {
    pub(crate) fn new(class: RuleClass, host: &HostSettings, owners: Arc<Owners>) -> Result<Self, HostError> {
        let settings = match class {
            RuleClass::Small => host.small.clone(),
            RuleClass::Interpreter => host.interpreter.clone(),
        };
        let kept = host.cache.as_ref().map(|cache| cache.folder.clone());
        let folder = kept.unwrap_or_else(std::env::temp_dir);
        Self::open(
            class,
            settings,
            owners,
            folder,
            (host.engines, host.side_calls, host.queue_wait),
        )
    }

    /// What compiled code of a component is sealed for.
    pub(crate) fn label(&self, source: Digest) -> Label {
        Label {
            source,
            engine: self.fingerprint,
        }
    }

    /// Another pool of the same settings, with one engine and one place.
    pub(crate) fn another(&self) -> Result<Self, HostError> {
        let settings = ClassSettings {
            places: 1,
            ..self.settings.clone()
        };
        let owners = Arc::clone(&self.owners);
        let folder = self.folder.clone();
        Self::open(self.class, settings, owners, folder, (1, 1, self.lanes.wait()))
    }

    fn open(
        class: RuleClass,
        settings: ClassSettings,
        owners: Arc<Owners>,
        folder: PathBuf,
        (engines, side_calls, wait): (usize, usize, Duration),
    ) -> Result<Self, HostError> {
        let broken = |error: wasmtime::Error| HostError(format!("{error:#}"));
        let stations = Stations::open(class, &settings, engines).map_err(broken)?;
        let engines: Vec<&Engine> = stations.all().iter().map(|station| &station.engine).collect();
        let clock = Clock::start(&engines).map_err(|error| HostError(error.to_string()))?;
        let lanes = Lanes::new(class, settings.clone(), clock, side_calls, wait);
        Ok(Self {
            class,
            fingerprint: engine::fingerprint(&stations.first().engine),
            stations: Arc::new(stations),
            folder,
            lanes: Arc::new(lanes),
            compilations: Queue::new(
                class.as_str(),
                settings.compile.at_once,
                settings.compile.deadline,
            ),
            owners,
            settings,
        })
    }
}
