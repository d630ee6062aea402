//! Where the local cloud keeps its files.

use std::path::{Path, PathBuf};

use etcetera::BaseStrategy;
use sha2::{Digest, Sha256};

use super::error::{LocalError, at};

/// The directories of the local cloud. It keeps nothing elsewhere, except what Podman needs until the
/// machine stops.
#[derive(Debug, Clone)]
pub struct Dirs {
    /// For what takes long to make again: the virtual environment with the emulator.
    pub data: PathBuf,
    /// For what belongs to what is running: state file, logs, sockets, Podman's storage.
    pub state: PathBuf,
}

impl Dirs {
    /// The XDG directories of the user.
    ///
    /// # Errors
    /// When there is no home directory.
    pub fn of_user() -> Result<Self, LocalError> {
        let base = etcetera::choose_base_strategy().map_err(|_| LocalError::NoHome)?;
        let state = base.state_dir().unwrap_or_else(|| base.data_dir());
        Ok(Self { data: base.data_dir().join("quarterdeck"), state: state.join("quarterdeck/local") })
    }

    /// Makes the directories, closed to other users.
    pub(super) async fn make(&self) -> Result<(), LocalError> {
        make(&self.data).await?;
        make(&self.state).await
    }

    /// A short name for the state directory, eight hexadecimal digits; another directory has another name.
    pub(super) fn identity(&self) -> String {
        let digest = Sha256::digest(self.state.as_os_str().as_encoded_bytes());
        digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Makes a directory and its parents, closed to other users.
pub(super) async fn make(path: &Path) -> Result<(), LocalError> {
    let mut builder = tokio::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    builder.mode(0o700);
    builder.create(path).await.map_err(at(path))
}
