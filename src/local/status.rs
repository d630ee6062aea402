//! Which parts of the local cloud run now.

use serde::Serialize;

use super::dirs::Dirs;
use super::down::our_containers;
use super::engine::{Api, describe};
use super::error::LocalError;
use super::fault::Broken;
use super::state_file::StateFile;
use super::{LocalOptions, emulator};

/// The local cloud as it is found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Status {
    /// The emulator that we started, if any.
    pub emulator: Option<EmulatorStatus>,
    /// The container engine that it uses, if it answers.
    pub engine: Option<EngineStatus>,
    /// Our containers, running or not.
    pub containers: Vec<ContainerStatus>,
    /// What was broken on purpose and is not mended.
    pub broken: Vec<BrokenStatus>,
    /// Directory of state and logs.
    pub state_dir: String,
}

/// A fault that was put in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BrokenStatus {
    /// Its name.
    pub fault: &'static str,
    /// What it does.
    pub does: &'static str,
    /// The broken server; `None` for a fault that is no server's.
    pub server: Option<String>,
    /// When it was put in.
    pub since: jiff::Timestamp,
}

impl BrokenStatus {
    /// What is told of a fault.
    pub fn of(broken: &Broken) -> Self {
        let server = Some(broken.server.clone()).filter(|server| !server.is_empty());
        Self { fault: broken.fault.word(), does: broken.fault.what(), server, since: broken.since }
    }
}

/// The emulator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EmulatorStatus {
    /// The id of its process.
    pub pid: u32,
    /// Whether that process runs.
    pub running: bool,
    /// Whether its health page answers.
    pub healthy: bool,
    /// Endpoint for AWS calls.
    pub endpoint: String,
    /// The IP addresses that it listens on.
    pub addresses: Vec<String>,
    /// Version of ministack.
    pub version: String,
    /// Its log file.
    pub log: String,
}

/// A container engine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EngineStatus {
    /// `Docker` or `Podman`.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Where it answers, as `DOCKER_HOST` writes it.
    pub socket: String,
    /// Whether we started it.
    pub ours: bool,
}

/// One of our containers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ContainerStatus {
    /// Its name.
    pub name: String,
    /// Its image.
    pub image: String,
    /// `running`, `exited`, ...
    pub state: String,
}

/// Looks at what runs. Changes nothing.
///
/// # Errors
/// When the state file cannot be read.
pub async fn status(options: &LocalOptions) -> Result<Status, LocalError> {
    let dirs = options.dirs()?;
    let state_file = StateFile::load(&dirs).await?;
    let mut status = Status { state_dir: dirs.state.display().to_string(), ..Status::default() };
    status.broken = state_file.broken.iter().map(BrokenStatus::of).collect();
    if let Some(found) = &state_file.emulator {
        let running = found.process.alive().await;
        status.emulator = Some(EmulatorStatus {
            pid: found.process.pid,
            running,
            healthy: running && emulator::health(found.port).await.is_some(),
            endpoint: format!("http://localhost:{}", found.port),
            addresses: found.addresses.clone(),
            version: found.version.clone(),
            log: emulator::log(&dirs).display().to_string(),
        });
    }
    if let Some(endpoint) = &state_file.engine
        && let Ok(info) = describe(endpoint, state_file.podman.is_some()).await
    {
        let port = state_file.emulator.as_ref().map(|emulator| emulator.port);
        status.containers = containers(&dirs, endpoint, port).await.unwrap_or_default();
        status.engine =
            Some(EngineStatus { name: info.name, version: info.version, socket: info.socket, ours: info.ours });
    }
    Ok(status)
}

async fn containers(dirs: &Dirs, endpoint: &str, port: Option<u16>) -> Result<Vec<ContainerStatus>, LocalError> {
    let found = our_containers(&Api::open(endpoint)?, dirs, port).await?;
    let show = |one: super::EngineContainer| ContainerStatus { name: one.name, image: one.image, state: one.state };
    Ok(found.into_iter().map(show).collect())
}
