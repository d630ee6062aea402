//! Folders for secrets, for the time of a push.

use std::path::{Path, PathBuf};

use super::PUSH;
use super::failure::at;
use crate::core::error::CloudResult;

/// A folder that is closed to others, and gone when it is dropped.
pub(super) struct Scratch(PathBuf);

/// What the names of such folders begin with; the id of the process follows.
const SCRATCH: &str = "image-";

impl Scratch {
    /// One in `state`, or where this machine keeps what is temporary. What a process that was killed has left is removed.
    pub(super) fn new(state: Option<&Path>, call: &'static str) -> CloudResult<Self> {
        let base = state.map_or_else(std::env::temp_dir, |state| state.join("images"));
        if state.is_some() {
            make(&base).map_err(|error| at(call, &base, &error))?;
            sweep(&base);
        }
        let number: u32 = rand::random();
        let path = base.join(format!("{SCRATCH}{}-{number:08x}", std::process::id()));
        make(&path).map_err(|error| at(call, &path, &error))?;
        Ok(Self(path))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a file that only this user may read.
    pub(super) fn write(&self, path: &Path, text: &str) -> CloudResult<()> {
        use std::io::Write as _;
        use std::os::unix::fs::OpenOptionsExt as _;
        let file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        file.and_then(|mut file| file.write_all(text.as_bytes())).map_err(|error| at(PUSH, path, &error))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // If it cannot be removed now, the next one sweeps it away.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Makes a folder that is closed to others, with those above it.
fn make(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Removes the folders of processes that are gone. One whose number another process has now stays until that one ends.
fn sweep(base: &Path) {
    let Ok(entries) = std::fs::read_dir(base) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let process = name.strip_prefix(SCRATCH).and_then(|rest| rest.split('-').next()?.parse::<i32>().ok());
        let process = process.and_then(rustix::process::Pid::from_raw);
        let gone = process.is_some_and(|process| {
            rustix::process::test_kill_process(process).is_err_and(|error| error == rustix::io::Errno::SRCH)
        });
        if gone {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_folder_for_secrets_is_closed_and_goes_with_its_process() {
        let state = tempfile::tempdir().unwrap();
        let base = state.path().join("images");
        // No process has the greatest number: `pid_max` is at most 2^22 (proc(5)).
        let left = base.join(format!("{SCRATCH}{}-0", i32::MAX));
        std::fs::create_dir_all(&left).unwrap();
        let scratch = Scratch::new(Some(state.path()), PUSH).unwrap();
        let file = scratch.path().join("config.json");
        scratch.write(&file, "{}").unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(scratch.path()), mode(&file)), (0o700, 0o600));
        assert!(!left.exists(), "what was left is gone");
        let other = Scratch::new(Some(state.path()), PUSH).unwrap();
        assert!(scratch.path().exists(), "that of a process that lives stays");
        drop((scratch, other));
        assert_eq!(std::fs::read_dir(base).unwrap().count(), 0);
    }
}
