//! The local cloud: an emulator, a container engine and the servers' images, started and stopped by us.
//!
//! Architecture invariants. Everything it keeps is in two directories ([`Dirs`]). It ends only
//! processes that its state file names and whose start time matches, and removes only containers
//! that carry its label; so it works after `kill -9` of the console, and never touches what is not
//! its own. It listens on the loopback and on the one address by which containers reach this
//! machine, nowhere else. Deploying is not its business: it says what to deploy ([`Running`]).

mod command;
mod dirs;
mod down;
mod emulator;
mod engine;
mod error;
mod images;
mod place;
mod process;
mod python;
mod state_file;
mod status;
mod stub;
pub mod traffic;
mod up;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::core::environment::Environment;

pub use dirs::Dirs;
pub use down::{Stopped, down};
pub use emulator::DEFAULT_PORT;
pub use engine::{EngineContainer, EngineInfo};
pub use error::LocalError;
pub use place::{ENVIRONMENT, REGION};
pub use python::{MINISTACK_VARIABLE, MINISTACK_VERSION};
pub use status::{EmulatorStatus, Status, status};
pub use up::{attach, up};

/// What the caller may choose.
#[derive(Debug, Clone, Default)]
pub struct LocalOptions {
    /// The emulator's port; `None` is 4666, or a free one where that is taken.
    pub port: Option<u16>,
    /// The folder that holds `servers/`; `None` is where this program was built, or the current folder.
    pub source: Option<PathBuf>,
    /// No container engine, so no tasks: the control plane alone.
    pub control_plane_only: bool,
    /// An installed `ministack` to use; `None` is `QUARTERDECK_MINISTACK`, or one of our own.
    pub ministack: Option<PathBuf>,
    /// Where to keep files; `None` is the user's XDG directories.
    pub dirs: Option<Dirs>,
}

impl LocalOptions {
    fn dirs(&self) -> Result<Dirs, LocalError> {
        self.dirs.clone().map_or_else(Dirs::of_user, Ok)
    }

    fn ministack(&self) -> Option<PathBuf> {
        let named = || std::env::var_os(MINISTACK_VARIABLE).filter(|path| !path.is_empty()).map(PathBuf::from);
        self.ministack.clone().or_else(named)
    }
}

/// What is being done, how far it is, and how long it took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LocalProgress {
    /// A step begins.
    Step {
        /// What.
        title: &'static str,
        /// Which, from 1.
        index: usize,
        /// Of how many.
        of: usize,
    },
    /// Something within the step.
    Note(String),
    /// The step is done.
    Done {
        /// What.
        title: &'static str,
        /// How long it took.
        took: Duration,
    },
}

/// Whoever shows the progress.
pub type ProgressFn<'a> = dyn FnMut(LocalProgress) + Send + 'a;

/// A local cloud that runs, and what to deploy on it.
#[derive(Debug, Clone)]
pub struct Running {
    /// The endpoint for all AWS calls.
    pub endpoint: String,
    /// Its port.
    pub port: u16,
    /// The addresses it listens on.
    pub addresses: Vec<String>,
    /// The container engine; without one there are no tasks.
    pub engine: Option<EngineInfo>,
    /// Whether this call started the emulator, so that its caller may stop it at the end.
    pub started_here: bool,
    /// Template parameters of this place.
    pub overrides: BTreeMap<String, String>,
    /// Image references by binary (`mcp-time`); empty where none could be built.
    pub images: BTreeMap<String, String>,
    /// The environment to deploy.
    pub environment: Environment,
}

/// Steps of `up` and of `down`.
const STEPS: usize = 3;

/// A step that is being done.
struct RunningStep {
    title: &'static str,
    began: Instant,
}

impl RunningStep {
    fn begin(index: usize, title: &'static str, progress: &mut ProgressFn<'_>) -> Self {
        progress(LocalProgress::Step { title, index, of: STEPS });
        Self { title, began: Instant::now() }
    }

    fn done(self, progress: &mut ProgressFn<'_>) {
        progress(LocalProgress::Done { title: self.title, took: self.began.elapsed() });
    }
}
