//! The state file: names what we started, so that the next run finds it and `down` stops exactly that.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::AsyncWriteExt;

use super::dirs::Dirs;
use super::error::{LocalError, at};
use super::fault::Broken;
use super::process::Process;

/// What we started and have not stopped, as the file `running.json` has it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StateFile {
    /// The emulator.
    pub emulator: Option<Emulator>,
    /// Podman's API service, if we started it.
    pub podman: Option<Process>,
    /// Where the engine answers that runs our containers, as `DOCKER_HOST` writes it.
    pub engine: Option<String>,
    /// What was broken on purpose and is not mended.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub broken: Vec<Broken>,
}

/// A running emulator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Emulator {
    /// Its process.
    pub process: Process,
    /// Its port.
    pub port: u16,
    /// The IP addresses that it listens on.
    pub addresses: Vec<String>,
    /// Where the engine answers that it uses.
    pub engine: Option<String>,
    /// Version of ministack.
    pub version: String,
}

impl StateFile {
    fn path(dirs: &Dirs) -> PathBuf {
        dirs.state.join("running.json")
    }

    /// Reads the file. If it does not exist, nothing was started.
    pub(super) async fn load(dirs: &Dirs) -> Result<Self, LocalError> {
        let path = Self::path(dirs);
        let text = match tokio::fs::read(&path).await {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(source) => return Err(LocalError::File { path, source }),
        };
        serde_json::from_slice(&text).map_err(|error| LocalError::StateFile { path, reason: error.to_string() })
    }

    /// Writes the file completely or not at all.
    pub(super) async fn save(&self, dirs: &Dirs) -> Result<(), LocalError> {
        let (path, draft) = (Self::path(dirs), dirs.state.join("running.json.new"));
        let text = serde_json::to_vec_pretty(self)
            .map_err(|error| LocalError::StateFile { path: path.clone(), reason: error.to_string() })?;
        let mut options = tokio::fs::OpenOptions::new();
        options.create(true).write(true).truncate(true);
        #[cfg(unix)]
        options.mode(0o600);
        let mut file = options.open(&draft).await.map_err(at(&draft))?;
        file.write_all(&text).await.map_err(at(&draft))?;
        file.sync_all().await.map_err(at(&draft))?;
        tokio::fs::rename(&draft, &path).await.map_err(at(&path))
    }
}

/// How often the lock is tried, once in 50 ms.
const PATIENCE: u32 = 20;

/// A lock that keeps a second `quarterdeck` from starting or stopping at the same time. Dropping it
/// frees it.
#[derive(Debug)]
pub(super) struct Lock(#[allow(dead_code, reason = "held for its lock")] std::fs::File);

impl Lock {
    pub(super) async fn take(dirs: &Dirs) -> Result<Self, LocalError> {
        let path = dirs.state.join("lock");
        let mut options = tokio::fs::OpenOptions::new();
        options.create(true).write(true).truncate(true);
        let file = options.open(&path).await.map_err(at(&path))?.into_std().await;
        // A child that another thread is starting holds the lock, too, until it executes its program.
        for _ in 0..PATIENCE {
            match file.try_lock() {
                Ok(()) => return Ok(Self(file)),
                Err(std::fs::TryLockError::WouldBlock) => tokio::time::sleep(Duration::from_millis(50)).await,
                Err(std::fs::TryLockError::Error(source)) => return Err(LocalError::File { path, source }),
            }
        }
        Err(LocalError::Busy(path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dirs(path: &std::path::Path) -> Dirs {
        Dirs { data: path.to_owned(), state: path.to_owned() }
    }

    fn state_file() -> StateFile {
        let process = Process { pid: 7, started: "boot:42".to_owned() };
        let emulator = Emulator {
            process: process.clone(),
            port: 4666,
            addresses: vec!["127.0.0.1".to_owned()],
            engine: None,
            version: "1.5.33".to_owned(),
        };
        StateFile {
            emulator: Some(emulator),
            podman: Some(process),
            engine: Some("unix:///x".to_owned()),
            broken: Vec::new(),
        }
    }

    #[tokio::test]
    async fn a_saved_state_file_is_private_and_can_be_read_back() {
        let place = tempfile::tempdir().unwrap_or_else(|error| unreachable!("{error}"));
        let dirs = dirs(place.path());
        assert_eq!(StateFile::load(&dirs).await.ok(), Some(StateFile::default()));
        assert!(state_file().save(&dirs).await.is_ok());
        assert_eq!(StateFile::load(&dirs).await.ok(), Some(state_file()));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = std::fs::metadata(StateFile::path(&dirs)).map(|data| data.permissions().mode() & 0o777);
            assert_eq!(mode.ok(), Some(0o600));
        }
    }

    #[tokio::test]
    async fn a_state_file_that_cannot_be_understood_is_named_and_kept() {
        let place = tempfile::tempdir().unwrap_or_else(|error| unreachable!("{error}"));
        let dirs = dirs(place.path());
        for text in ["", "{", r#"{"emulator":3}"#, r#"{"unknown":1}"#] {
            assert!(tokio::fs::write(StateFile::path(&dirs), text).await.is_ok());
            let error = StateFile::load(&dirs).await.err().map(|error| error.to_string()).unwrap_or_default();
            assert!(error.contains("running.json"), "{text:?}: {error}");
        }
    }

    #[tokio::test]
    async fn a_second_process_does_not_get_the_lock() {
        let place = tempfile::tempdir().unwrap_or_else(|error| unreachable!("{error}"));
        let dirs = dirs(place.path());
        let first = Lock::take(&dirs).await;
        assert!(first.is_ok());
        assert!(matches!(Lock::take(&dirs).await, Err(LocalError::Busy(_))));
        drop(first);
        assert!(Lock::take(&dirs).await.is_ok());
    }
}
