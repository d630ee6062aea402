//! Where the local cloud keeps its files.

use std::path::{Path, PathBuf};

use etcetera::BaseStrategy;
use sha2::{Digest, Sha256};

use super::error::{LocalError, at};

/// Directories of the local cloud; nothing of it lives elsewhere.
#[derive(Debug, Clone)]
pub struct Dirs {
    /// What is expensive to make again: the virtual environment, Podman's images.
    pub data: PathBuf,
    /// What describes this run: state file, logs, sockets.
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

    /// Makes them, for this user alone.
    pub(super) async fn make(&self) -> Result<(), LocalError> {
        make(&self.data).await?;
        make(&self.state).await
    }

    /// A short name that no other state directory on this machine has.
    pub(super) fn identity(&self) -> String {
        let digest = Sha256::digest(self.state.as_os_str().as_encoded_bytes());
        digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Makes a directory and its parents, closed to others.
pub(super) async fn make(path: &Path) -> Result<(), LocalError> {
    let mut builder = tokio::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    builder.mode(0o700);
    builder.create(path).await.map_err(at(path))
}
