//! The local cloud: an emulator of AWS, a container engine and the servers' images, on this machine.
//!
//! Architecture invariants. Everything that it keeps is in two directories ([`Dirs`]). It ends only
//! processes that its state file names and whose start time matches, and removes only containers that
//! have its label. So it can be stopped after `kill -9` of the console, and never touches what belongs to
//! others. It listens only on the loopback and on the one address by which containers reach this machine.
//! It does not deploy: it says what can be deployed ([`Running`]).

mod binaries;
mod build;
mod command;
mod dirs;
mod down;
mod emulator;
mod engine;
mod error;
mod fault;
mod front;
mod images;
mod place;
mod portable;
mod process;
mod python;
mod state_file;
mod status;
mod stub;
pub mod traffic;
mod trial;
mod units;
mod up;
mod workshop;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::core::environment::Environment;

pub use build::sources;
pub use dirs::Dirs;
pub use down::{Stopped, down};
pub use emulator::DEFAULT_PORT;
pub use engine::{EngineContainer, EngineInfo, HOST_ALIASES};
pub use error::LocalError;
pub use fault::{BadToken, Broken, CALLING, Fault, Means, Scene, document, forge, inject, mend};
pub use front::in_front;
pub use place::{ENVIRONMENT, REGION};
pub use python::{MINISTACK_VARIABLE, MINISTACK_VERSION};
pub use status::{BrokenStatus, EmulatorStatus, Status, status};
pub use up::{attach, up};
pub use workshop::{ENGINE_VARIABLE, Workshop};

/// What the caller can choose. The default is right for the program; tests choose everything.
#[derive(Debug, Clone, Default)]
pub struct LocalOptions {
    /// The emulator's port; `None` takes 4666, or a free one if that is taken.
    pub port: Option<u16>,
    /// The folder that holds `servers/`, where there are no servers beside the program; `None` takes where this
    /// program was built, or the current folder.
    pub source: Option<PathBuf>,
    /// Whether to start no container engine: then the emulator runs no tasks.
    pub control_plane_only: bool,
    /// An installed `ministack` to use; `None` takes that of `QUARTERDECK_MINISTACK`, or installs one.
    pub ministack: Option<PathBuf>,
    /// Where to keep files; `None` takes the user's XDG directories.
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

/// News from [`up()`] and [`down()`] while they work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LocalProgress {
    /// A step begins.
    Step {
        /// What is done.
        title: &'static str,
        /// Its number, from 1.
        index: usize,
        /// The number of all steps.
        of: usize,
    },
    /// Something that happened within the step.
    Note(String),
    /// The step is done.
    Done {
        /// What was done.
        title: &'static str,
        /// How long it took.
        took: Duration,
    },
}

/// A function that shows the progress.
pub type ProgressFn<'a> = dyn FnMut(LocalProgress) + Send + 'a;

/// A local cloud that runs, and what to deploy on it.
#[derive(Debug, Clone)]
pub struct Running {
    /// The endpoint for all AWS calls, such as `http://localhost:4666`.
    pub endpoint: String,
    /// The emulator's port.
    pub port: u16,
    /// The IP addresses that the emulator listens on.
    pub addresses: Vec<String>,
    /// The container engine; `None` means that no tasks run.
    pub engine: Option<EngineInfo>,
    /// Whether this call started the emulator, so that its caller may stop it at the end.
    pub started_here: bool,
    /// Values of template parameters that the local cloud needs.
    pub overrides: BTreeMap<String, String>,
    /// Image references by name (`mcp-time`); empty where none could be built.
    pub images: BTreeMap<String, String>,
    /// Base URL of the stand-in for the weather service, if it runs.
    pub upstream: Option<String>,
    /// The environment to deploy.
    pub environment: Environment,
}

/// Number of steps until the local cloud is up: those of `up`, and the deploy, which comes last and is the program's.
pub const UP: usize = 4;
/// Number of steps of `down`.
const DOWN: usize = 3;

/// A step that has begun.
struct RunningStep {
    title: &'static str,
    began: Instant,
}

impl RunningStep {
    fn begin(index: usize, of: usize, title: &'static str, progress: &mut ProgressFn<'_>) -> Self {
        progress(LocalProgress::Step { title, index, of });
        Self { title, began: Instant::now() }
    }

    fn done(self, progress: &mut ProgressFn<'_>) {
        progress(LocalProgress::Done { title: self.title, took: self.began.elapsed() });
    }
}
