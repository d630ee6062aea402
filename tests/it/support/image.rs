//! Images made of what this machine has: registries cannot be reached from everywhere.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::cloud::{Done, block_on};

/// A folder that becomes an image.
pub struct Image {
    place: tempfile::TempDir,
    /// Programs and libraries whose own libraries have to come, too.
    binaries: Vec<PathBuf>,
}

impl Image {
    /// An empty one, beside the files that it will take.
    pub fn new(beside: &Path) -> Self {
        Self { place: tempfile::tempdir_in(beside).unwrap(), binaries: Vec::new() }
    }

    /// Puts a file or a folder there, without what has one of these names.
    pub fn put(&mut self, from: &Path, to: &str, without: &[&str]) {
        let to = self.place.path().join("root").join(to.trim_start_matches('/'));
        self.link(from, &to, without);
    }

    fn link(&mut self, from: &Path, to: &Path, without: &[&str]) {
        let data = from.metadata().unwrap_or_else(|error| panic!("{}: {error}", from.display()));
        if data.is_dir() {
            std::fs::create_dir_all(to).unwrap();
            for entry in std::fs::read_dir(from).unwrap().map(|entry| entry.unwrap()) {
                let name = entry.file_name();
                let left_out = without.iter().any(|other| name.to_string_lossy().starts_with(other));
                // A link that leads nowhere is in no image's way.
                if !left_out && entry.path().exists() {
                    self.link(&entry.path(), &to.join(&name), without);
                }
            }
            return;
        }
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        let from = from.canonicalize().unwrap();
        // Some hundred megabytes: they are not copied where they need not be.
        if std::fs::hard_link(&from, to).is_err() {
            std::fs::copy(&from, to).unwrap();
        }
        let name = to.file_name().unwrap().to_string_lossy().into_owned();
        if to.parent().is_some_and(|above| above.ends_with("bin")) || name.contains(".so") {
            self.binaries.push(from);
        }
    }

    /// Puts the libraries of all that is there to their places, the loader among them.
    fn libraries(&mut self) {
        let mut known = BTreeSet::new();
        let mut ldd = Command::new("ldd");
        ldd.args(std::mem::take(&mut self.binaries));
        // It fails on what is no program of this system, and tells of the others.
        for line in Done::of(ldd).out.lines() {
            let path =
                line.split_once(" => ").map_or(line, |(_, path)| path).trim().split(' ').next().unwrap_or_default();
            if path.starts_with('/') && !path.ends_with(':') && known.insert(path.to_owned()) {
                self.put(Path::new(path), path, &[]);
            }
        }
    }

    /// Builds it by the engine's API. `rest` is what the recipe says besides.
    pub fn build(mut self, socket: &str, name: &str, rest: &str) {
        self.libraries();
        let folder = self.place.path();
        std::fs::write(folder.join("Containerfile"), format!("FROM scratch\nCOPY root/ /\n{rest}")).unwrap();
        let archive = folder.join("context.tar");
        let mut tar = Command::new("tar");
        tar.arg("-C").arg(folder).arg("-cf").arg(&archive).args(["Containerfile", "root"]);
        Done::of(tar).with_code(0, &["tar"]);
        build(socket, std::fs::read(&archive).unwrap(), name);
    }
}

/// Builds an image of an archive by the engine's API.
pub fn build(socket: &str, archive: Vec<u8>, name: &str) {
    let path = socket.strip_prefix("unix://").expect("an engine at a socket");
    let http = reqwest::Client::builder().no_proxy().unix_socket(PathBuf::from(path)).build().unwrap();
    let request =
        http.post(format!("http://engine/build?dockerfile=Containerfile&layers=false&t={name}")).body(archive);
    let answer = block_on(async { request.send().await.unwrap().text().await.unwrap() });
    assert!(!answer.contains("\"error\""), "{name}: {answer}");
}
