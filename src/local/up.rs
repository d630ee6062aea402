//! Starts the parts of the local cloud that do not run yet.

use std::collections::BTreeMap;

use super::dirs::Dirs;
use super::engine::{self, Api, EngineInfo};
use super::error::LocalError;
use super::state_file::{self, Lock, StateFile};
use super::{
    LocalOptions, LocalProgress, ProgressFn, Running, RunningStep, UP, binaries, emulator, images, place, python, stub,
};

/// Starts the parts of the local cloud that do not run yet.
///
/// # Errors
/// When something cannot be started; the error names it and what to do. What was started keeps running;
/// [`down`](super::down()) and the next call know it.
pub async fn up(options: &LocalOptions, progress: &mut ProgressFn<'_>) -> Result<Running, LocalError> {
    let dirs = options.dirs()?;
    dirs.make().await?;
    let _lock = Lock::take(&dirs).await?;
    let mut state_file = StateFile::load(&dirs).await?;

    let step = RunningStep::begin(1, UP, "container engine", progress);
    let engine = match options.control_plane_only {
        true => None,
        false => engine::ensure(&dirs, &mut state_file, progress).await?,
    };
    step.done(progress);

    let step = RunningStep::begin(2, UP, "emulator", progress);
    let (emulator, started_here) = ensure_emulator(&dirs, &mut state_file, options, engine.as_ref(), progress).await?;
    step.done(progress);

    let engine = engine.filter(|engine| {
        let same = emulator.engine.as_ref() == Some(&engine.socket);
        if !same {
            let text = "the emulator was started without this engine: `quarterdeck local down`, then up, to use it";
            progress(LocalProgress::Note(text.to_owned()));
        }
        same
    });

    let step = RunningStep::begin(3, UP, "images of the servers", progress);
    let (images, upstream) = match &engine {
        Some(engine) => servers(&dirs, options, engine, progress).await?,
        None => (BTreeMap::new(), None),
    };
    step.done(progress);

    Ok(running(emulator, engine, images, upstream.as_deref(), started_here))
}

/// The local cloud that runs already; `None` if none does. Starts, compiles and builds nothing.
///
/// # Errors
/// When the state file cannot be read, or the engine does not answer.
pub async fn attach(options: &LocalOptions) -> Result<Option<Running>, LocalError> {
    let dirs = options.dirs()?;
    let state_file = StateFile::load(&dirs).await?;
    let Some(emulator) = state_file.emulator else { return Ok(None) };
    if !emulator.process.alive().await || emulator::health(emulator.port).await.is_none() {
        return Ok(None);
    }
    let Some(socket) = &emulator.engine else {
        return Ok(Some(running(emulator, None, BTreeMap::new(), None, false)));
    };
    let engine = engine::describe(socket, state_file.podman.is_some()).await?;
    let api = Api::open(socket)?;
    let (images, upstream) = (images::found(&api).await?, stub::found(&api, &dirs).await?);
    Ok(Some(running(emulator, Some(engine), images, upstream.as_deref(), false)))
}

fn running(
    emulator: state_file::Emulator,
    engine: Option<EngineInfo>,
    images: BTreeMap<String, String>,
    upstream: Option<&str>,
    started_here: bool,
) -> Running {
    Running {
        endpoint: format!("http://localhost:{}", emulator.port),
        port: emulator.port,
        addresses: emulator.addresses,
        overrides: place::overrides(emulator.port, engine.as_ref()),
        environment: place::environment(&images, upstream),
        upstream: upstream.map(str::to_owned),
        engine,
        started_here,
        images,
    }
}

/// The emulator that runs, or a new one, and whether it is new.
async fn ensure_emulator(
    dirs: &Dirs,
    state_file: &mut StateFile,
    options: &LocalOptions,
    engine: Option<&EngineInfo>,
    progress: &mut ProgressFn<'_>,
) -> Result<(state_file::Emulator, bool), LocalError> {
    if let Some(emulator) = state_file.emulator.clone()
        && emulator.process.alive().await
    {
        if emulator::health(emulator.port).await.is_some() {
            if options.port.is_some_and(|port| port != emulator.port) {
                progress(LocalProgress::Note(format!("the emulator runs already, on port {}", emulator.port)));
            }
            return Ok((emulator, false));
        }
        progress(LocalProgress::Note(format!(
            "the emulator does not answer on port {}: starting another",
            emulator.port
        )));
        emulator.process.stop("emulator").await?;
    }
    if let (Some(engine), Some(old)) = (engine, &state_file.emulator) {
        // The tasks of an emulator that does not run any more.
        let api = Api::open(&engine.socket)?;
        for container in api.containers(&[&emulator::instance_label(dirs, old.port)]).await? {
            api.remove(&container.id).await?;
        }
    }
    let python = python::ensure(dirs, options.ministack().as_deref(), progress).await?;
    let last = state_file.emulator.as_ref().map(|emulator| emulator.port);
    let port = emulator::free_port(options.port, last).await?;
    if let Some(last) = last.filter(|last| *last != port) {
        progress(LocalProgress::Note(format!(
            "the emulator was on port {last} and is on port {port} now: open consoles must be started again, and \
             operations that are unfinished there are not found here"
        )));
    }
    emulator::start(dirs, state_file, &python, engine, port).await.map(|emulator| (emulator, true))
}

/// Images by name, and the base URL of the stand-in for the weather service.
async fn servers(
    dirs: &Dirs,
    options: &LocalOptions,
    engine: &EngineInfo,
    progress: &mut ProgressFn<'_>,
) -> Result<(BTreeMap<String, String>, Option<String>), LocalError> {
    let api = Api::open(&engine.socket)?;
    let mut images = images::ensure(&api, options.source.as_deref(), progress).await?;
    if !images.is_empty() {
        let python = python::ensure(dirs, options.ministack().as_deref(), progress).await?;
        images.extend([images::foreign(&api, &python, progress).await?]);
    }
    let upstream = match images.get(binaries::NWS_STUB) {
        Some(image) => Some(stub::ensure(&api, dirs, image).await?),
        None => None,
    };
    Ok((images, upstream))
}
