//! The local cloud: an emulator, a container engine and the servers' images, started and stopped by us.
//!
//! Architecture invariants. Everything it keeps is in two directories ([`Dirs`]). It ends only
//! processes that its state file names and whose start time matches, and removes only containers
//! that carry its label; so it works after `kill -9` of the console, and never touches what is not
//! its own. It listens on the loopback and on the one address by which containers reach this
//! machine, nowhere else. Deploying is not its business: it says what to deploy ([`Running`]).

mod command;
mod dirs;
mod emulator;
mod engine;
mod error;
mod images;
mod place;
mod process;
mod python;
mod record;
mod status;
mod stub;
pub mod traffic;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::core::environment::Environment;

pub use dirs::Dirs;
pub use emulator::DEFAULT_PORT;
pub use engine::{Container, EngineInfo};
pub use error::LocalError;
pub use place::{ENVIRONMENT, REGION};
pub use python::{MINISTACK_VARIABLE, MINISTACK_VERSION};
pub use status::{EmulatorStatus, Status, status};

use engine::Api;
use record::{Lock, Record};

/// What the caller may choose.
#[derive(Debug, Clone, Default)]
pub struct Options {
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

impl Options {
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
pub enum Progress {
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
pub type ProgressFn<'a> = dyn FnMut(Progress) + Send + 'a;

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

/// Starts whatever of the local cloud does not run yet.
///
/// # Errors
/// Names what failed and the way out. What was started stays and is known to [`down`] and to the next call.
pub async fn up(options: &Options, progress: &mut ProgressFn<'_>) -> Result<Running, LocalError> {
    let dirs = options.dirs()?;
    dirs.make().await?;
    let _lock = Lock::take(&dirs).await?;
    let mut record = Record::load(&dirs).await?;

    let stage = Stage::begin(1, "container engine", progress);
    let engine = match options.control_plane_only {
        true => None,
        false => engine::ensure(&dirs, &mut record, progress).await?,
    };
    stage.done(progress);

    let stage = Stage::begin(2, "emulator", progress);
    let (emulator, started_here) = ensure_emulator(&dirs, &mut record, options, engine.as_ref(), progress).await?;
    stage.done(progress);

    let engine = engine.filter(|engine| {
        let same = emulator.engine.as_ref() == Some(&engine.socket);
        if !same {
            let text = "the emulator was started without this engine: `quarterdeck local down`, then up, to use it";
            progress(Progress::Note(text.to_owned()));
        }
        same
    });

    let stage = Stage::begin(3, "images of the servers", progress);
    let (images, upstream) = match &engine {
        Some(engine) => servers(&dirs, options, engine, progress).await?,
        None => (BTreeMap::new(), None),
    };
    stage.done(progress);

    Ok(Running {
        endpoint: format!("http://localhost:{}", emulator.port),
        port: emulator.port,
        addresses: emulator.addresses,
        overrides: place::overrides(emulator.port, engine.as_ref()),
        environment: place::environment(&images, upstream.as_deref()),
        engine,
        started_here,
        images,
    })
}

/// The emulator that runs, or a new one; whether it is new.
async fn ensure_emulator(
    dirs: &Dirs,
    record: &mut Record,
    options: &Options,
    engine: Option<&EngineInfo>,
    progress: &mut ProgressFn<'_>,
) -> Result<(record::Emulator, bool), LocalError> {
    if let Some(emulator) = record.emulator.clone()
        && emulator.process.alive().await
    {
        if emulator::health(emulator.port).await.is_some() {
            if options.port.is_some_and(|port| port != emulator.port) {
                progress(Progress::Note(format!("it runs already, on port {}", emulator.port)));
            }
            return Ok((emulator, false));
        }
        progress(Progress::Note(format!("it does not answer on port {}: starting it anew", emulator.port)));
        emulator.process.stop("emulator").await?;
    }
    if let (Some(engine), Some(old)) = (engine, &record.emulator) {
        // The tasks of an emulator that is no more.
        let api = Api::open(&engine.socket)?;
        for container in api.containers(&[&emulator::instance_label(dirs, old.port)]).await? {
            api.remove(&container.id).await?;
        }
    }
    let python = python::ensure(dirs, options.ministack().as_deref(), progress).await?;
    emulator::start(dirs, record, &python, engine, options.port).await.map(|emulator| (emulator, true))
}

/// Images by binary, and the base URL of the stand-in for the weather service.
async fn servers(
    dirs: &Dirs,
    options: &Options,
    engine: &EngineInfo,
    progress: &mut ProgressFn<'_>,
) -> Result<(BTreeMap<String, String>, Option<String>), LocalError> {
    let api = Api::open(&engine.socket)?;
    let images = images::ensure(&api, options.source.as_deref(), progress).await?;
    let upstream = match images.get(images::NWS_STUB) {
        Some(image) => Some(stub::ensure(&api, dirs, image).await?),
        None => None,
    };
    Ok((images, upstream))
}

/// What [`down`] ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stopped {
    /// Whether an emulator ran.
    pub emulator: bool,
    /// Containers that it left behind, and ours.
    pub containers: usize,
    /// Whether Podman's service was ours to stop.
    pub podman: bool,
}

/// Stops everything that [`up`] started, and nothing else. Data that is expensive to make again stays.
///
/// # Errors
/// Names what would not go. The state file keeps what is left, so the call can be repeated.
pub async fn down(options: &Options, progress: &mut ProgressFn<'_>) -> Result<Stopped, LocalError> {
    let dirs = options.dirs()?;
    dirs.make().await?;
    let _lock = Lock::take(&dirs).await?;
    let mut record = Record::load(&dirs).await?;
    let mut stopped = Stopped::default();

    let stage = Stage::begin(1, "emulator", progress);
    let port = record.emulator.as_ref().map(|emulator| emulator.port);
    if let Some(emulator) = &record.emulator {
        stopped.emulator = emulator.process.alive().await;
        emulator.process.stop("emulator").await?;
    }
    stage.done(progress);

    let stage = Stage::begin(2, "containers", progress);
    match remove_containers(&dirs, &record, port).await {
        Ok(count) => stopped.containers = count,
        // With the engine gone there is nothing left to remove, or nobody to remove it.
        Err(error) => progress(Progress::Note(format!("containers were not looked for: {error}"))),
    }
    record.emulator = None;
    record.save(&dirs).await?;
    stage.done(progress);

    let stage = Stage::begin(3, "container engine", progress);
    if let Some(service) = &record.podman {
        stopped.podman = service.alive().await;
        service.stop("podman service").await?;
    }
    Record::default().save(&dirs).await?;
    stage.done(progress);
    Ok(stopped)
}

async fn remove_containers(dirs: &Dirs, record: &Record, port: Option<u16>) -> Result<usize, LocalError> {
    let Some(endpoint) = &record.engine else { return Ok(0) };
    let api = Api::open(endpoint)?;
    let ours = our_containers(&api, dirs, port).await?;
    for container in &ours {
        api.remove(&container.id).await?;
    }
    Ok(ours.len())
}

/// The emulator's tasks, and what we started ourselves.
async fn our_containers(api: &Api, dirs: &Dirs, port: Option<u16>) -> Result<Vec<Container>, LocalError> {
    let mut ours = api.containers(&[&stub::label(dirs)]).await?;
    if let Some(port) = port {
        ours.extend(api.containers(&[&emulator::instance_label(dirs, port)]).await?);
    }
    Ok(ours)
}

/// Steps of `up` and of `down`.
const STEPS: usize = 3;

struct Stage {
    title: &'static str,
    began: Instant,
}

impl Stage {
    fn begin(index: usize, title: &'static str, progress: &mut ProgressFn<'_>) -> Self {
        progress(Progress::Step { title, index, of: STEPS });
        Self { title, began: Instant::now() }
    }

    fn done(self, progress: &mut ProgressFn<'_>) {
        progress(Progress::Done { title: self.title, took: self.began.elapsed() });
    }
}
