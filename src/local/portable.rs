//! A program of this machine with all that it loads, to be put into any image.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::binaries::{self, interpreter};
use super::error::{LocalError, at};

/// A program in a folder of its own, beside what it loads when it starts.
///
/// A static program is one file. Any other brings its libraries and is started by its own loader, so that it runs in
/// an image that has another C library, or none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Portable {
    /// Where it lies in the image, without a slash at the end.
    folder: String,
    /// Contents by path in the image, without a slash at the beginning.
    pub files: BTreeMap<String, Vec<u8>>,
    /// What starts it.
    pub command: Vec<String>,
}

impl Portable {
    /// The program as `name` in `folder`.
    ///
    /// # Errors
    /// When a file cannot be read, or one of its libraries is not on this machine.
    pub async fn of(program: &Path, folder: &str, name: &str) -> Result<Self, LocalError> {
        let content = tokio::fs::read(program).await.map_err(at(program))?;
        let placed = format!("{folder}/{name}");
        let mut this = Self { folder: folder.to_owned(), files: BTreeMap::new(), command: vec![placed.clone()] };
        if let Some(loader) = interpreter(&content) {
            let loader = this.library(&PathBuf::from(loader)).await?;
            // The loader's own option (ld.so(8)); a variable would be inherited by what the program starts.
            this.command = vec![loader, "--library-path".to_owned(), this.libraries(), placed.clone()];
            this.needs(program).await?;
        }
        this.put(&placed, content);
        Ok(this)
    }

    /// Adds what a program or a library loads.
    pub async fn needs(&mut self, file: &Path) -> Result<(), LocalError> {
        for library in binaries::loaded(file).await? {
            self.library(&library).await?;
        }
        Ok(())
    }

    /// Adds a file.
    pub fn put(&mut self, path: &str, content: impl Into<Vec<u8>>) {
        self.files.insert(path.trim_start_matches('/').to_owned(), content.into());
    }

    fn libraries(&self) -> String {
        format!("{}/lib", self.folder)
    }

    /// Adds a library under its own name, by which it is looked for, and returns where.
    async fn library(&mut self, file: &Path) -> Result<String, LocalError> {
        let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let placed = format!("{}/{name}", self.libraries());
        self.put(&placed, tokio::fs::read(file).await.map_err(at(file))?);
        Ok(placed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_static_program_is_one_file() {
        let place = tempfile::tempdir().unwrap_or_else(|error| unreachable!("{error}"));
        let file = place.path().join("gangway");
        assert!(std::fs::write(&file, "static").is_ok());
        let made = Portable::of(&file, "/.gangway", "gangway").await.unwrap_or_else(|error| unreachable!("{error}"));
        assert_eq!(made.command, ["/.gangway/gangway"]);
        assert_eq!(made.files, [(".gangway/gangway".to_owned(), b"static".to_vec())].into());
    }

    /// The command is tried where the files are, with nothing else in the library path.
    #[tokio::test]
    async fn a_dynamic_program_runs_from_its_folder_by_its_own_loader() {
        let Some(program) = super::super::command::find("ls").filter(|_| cfg!(target_os = "linux")) else { return };
        let place = tempfile::tempdir().unwrap_or_else(|error| unreachable!("{error}"));
        let folder = place.path().display().to_string();
        let made = Portable::of(&program, &folder, "bin/ls").await.unwrap_or_else(|error| unreachable!("{error}"));
        for (path, content) in &made.files {
            let path = Path::new("/").join(path);
            assert!(path.parent().is_some_and(|above| std::fs::create_dir_all(above).is_ok()));
            assert!(std::fs::write(&path, content).is_ok());
            let open = <std::fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o755);
            assert!(std::fs::set_permissions(&path, open).is_ok());
        }
        let Some((first, rest)) = made.command.split_first() else { unreachable!("a command") };
        let ran = std::process::Command::new(first).args(rest).arg(&folder).env_clear().output();
        let said = ran.map(|ran| String::from_utf8_lossy(&ran.stdout).into_owned()).unwrap_or_default();
        assert!(said.contains("bin"), "{said} {:?}", made.command);
    }
}
