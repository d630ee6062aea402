//! Stops what the local cloud has started.

use futures::future::try_join_all;

use super::dirs::Dirs;
use super::engine::{Api, EngineContainer, forget};
use super::error::LocalError;
use super::state_file::{Lock, StateFile};
use super::{DOWN, LocalOptions, LocalProgress, ProgressFn, RunningStep, emulator, fault, stub};

/// What [`down`] has stopped.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stopped {
    /// Whether an emulator was running.
    pub emulator: bool,
    /// How many containers were removed: the emulator's tasks and the stand-in for the weather service.
    pub containers: usize,
    /// Whether Podman's service was running and we had started it.
    pub podman: bool,
}

/// Stops everything that [`up`](super::up()) has started, and nothing else. What takes long to make again
/// stays.
///
/// # Errors
/// When something cannot be stopped; the error names it. The state file still knows it, so the call can be
/// repeated.
pub async fn down(options: &LocalOptions, progress: &mut ProgressFn<'_>) -> Result<Stopped, LocalError> {
    let dirs = options.dirs()?;
    dirs.make().await?;
    let _lock = Lock::take(&dirs).await?;
    let mut state_file = StateFile::load(&dirs).await?;
    let mut stopped = Stopped::default();

    let step = RunningStep::begin(1, DOWN, "emulator", progress);
    fault::forget(&mut state_file).await?;
    let port = state_file.emulator.as_ref().map(|emulator| emulator.port);
    if let Some(emulator) = &state_file.emulator {
        stopped.emulator = emulator.process.alive().await;
        emulator.process.stop("emulator").await?;
    }
    step.done(progress);

    let step = RunningStep::begin(2, DOWN, "containers", progress);
    let removed = remove_containers(&dirs, &state_file, port).await;
    let clean = removed.is_ok();
    match removed {
        Ok(count) => stopped.containers = count,
        // If the engine is gone, its containers are, too, or nobody can remove them.
        Err(error) => progress(LocalProgress::Note(format!("containers could not be removed: {error}"))),
    }
    state_file.emulator = None;
    state_file.save(&dirs).await?;
    step.done(progress);

    let step = RunningStep::begin(3, DOWN, "container engine", progress);
    if let Some(service) = &state_file.podman {
        stopped.podman = service.alive().await;
        service.stop("podman service").await?;
        if clean {
            forget(&dirs).await;
        }
    }
    StateFile::default().save(&dirs).await?;
    step.done(progress);
    Ok(stopped)
}

async fn remove_containers(dirs: &Dirs, state_file: &StateFile, port: Option<u16>) -> Result<usize, LocalError> {
    let Some(endpoint) = &state_file.engine else { return Ok(0) };
    let api = Api::open(endpoint)?;
    let ours = our_containers(&api, dirs, port).await?;
    // Side by side: each waits for a kernel that ends processes and unmounts.
    try_join_all(ours.iter().map(|container| api.remove(&container.id))).await?;
    Ok(ours.len())
}

/// The containers of the emulator's tasks, and those that we started ourselves.
pub(super) async fn our_containers(
    api: &Api,
    dirs: &Dirs,
    port: Option<u16>,
) -> Result<Vec<EngineContainer>, LocalError> {
    let mut ours = api.containers(&[&stub::label(dirs)]).await?;
    if let Some(port) = port {
        ours.extend(api.containers(&[&emulator::instance_label(dirs, port)]).await?);
    }
    Ok(ours)
}
