//! The servers' images, built only when their binaries changed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::binaries::{self, BINARIES};
use super::engine::{Api, archive};
use super::error::{LocalError, at};
use super::front::GANGWAY;
use super::portable::Portable;
use super::units::{self, UNITS};
use super::{LocalProgress, ProgressFn};
use crate::core::environment::Architecture;

/// The server that calls the weather service.
pub(super) const WEATHER: &str = "mcp-weather";
/// Label of an image that holds the digest of what it was built from.
pub(super) const DIGEST: &str = "quarterdeck.sha256";
/// The recipe of the servers' images, the same as for AWS.
const RECIPE: &str = include_str!("../../servers/Containerfile");
/// What a binary that is not static needs besides: what it loads from this machine, in the same places.
const WITH_LIBRARIES: &str = "COPY libraries/ /\n";

/// Where gangway is in its image, and in those derived with it.
pub(super) const FRONT: &str = "/.gangway";

/// The reference of a binary's newest image.
pub(super) fn newest(binary: &str) -> String {
    format!("localhost/quarterdeck/{binary}:local")
}

/// The reference of the image with exactly this content. A changed server has another reference, so that a
/// deploy rolls it out and a rollback finds the earlier image.
pub(super) fn pinned(binary: &str, digest: &str) -> String {
    format!("localhost/quarterdeck/{binary}:{}", digest.get(..12).unwrap_or(digest))
}

/// Builds what changed. Returns image references by binary; none, and a note, if nothing can be built.
pub(super) async fn ensure(
    api: &Api,
    given: Option<&Path>,
    progress: &mut ProgressFn<'_>,
) -> Result<BTreeMap<String, String>, LocalError> {
    let mut images = BTreeMap::new();
    for (binary, file) in binaries::ensure(given, progress).await? {
        let libraries = binaries::libraries(&file).await?;
        let (image, built) = build(api, &binary, context(&file, &libraries).await?).await?;
        if built {
            progress(LocalProgress::Note(format!("{image} built")));
        }
        images.insert(binary, image);
    }
    Ok(images)
}

/// Builds the image of gangway, which others are derived with. Returns its reference; `None` if it cannot be built.
pub(super) async fn front(api: &Api, progress: &mut ProgressFn<'_>) -> Result<Option<String>, LocalError> {
    let Some(file) = binaries::front(None, progress).await? else { return Ok(None) };
    portable(api, GANGWAY, &Portable::of(&file, FRONT, GANGWAY).await?, progress).await.map(Some)
}

/// Builds the image of the server that knows nothing of gangway, with the Python that runs the emulator. Returns its
/// reference.
pub(super) async fn foreign(
    api: &Api,
    python: &Path,
    progress: &mut ProgressFn<'_>,
) -> Result<(String, String), LocalError> {
    let image = portable(api, UNITS, &units::program(python).await?, progress).await?;
    Ok((UNITS.to_owned(), image))
}

/// Builds an image of nothing but a program and what it loads.
async fn portable(
    api: &Api,
    name: &str,
    program: &Portable,
    progress: &mut ProgressFn<'_>,
) -> Result<String, LocalError> {
    let command = serde_json::Value::from(program.command.clone());
    let recipe = format!("FROM scratch\nCOPY files/ /\nUSER 65532:65532\nENTRYPOINT {command}\n");
    let files: Vec<_> = program.files.iter().map(|(path, content)| (format!("files/{path}"), content)).collect();
    let files = files.iter().map(|(path, content)| (path.as_str(), content.as_slice()));
    let all = std::iter::once(("Containerfile", recipe.as_bytes())).chain(files);
    let (image, built) = build(api, name, archive(&all.collect::<Vec<_>>())).await?;
    if built {
        progress(LocalProgress::Note(format!("{image} built")));
    }
    Ok(image)
}

/// Whether a reference is that of an image that is built here.
pub(super) fn is_ours(image: &str) -> bool {
    BINARIES.into_iter().chain([UNITS]).any(|binary| newest(binary) == image)
}

/// The processor of this machine, for which the binaries are compiled.
pub(super) fn architecture() -> Architecture {
    if cfg!(target_arch = "aarch64") { Architecture::Arm64 } else { Architecture::X86 }
}

/// What the engine builds an image from: the recipe, the binary and its libraries, as a tar archive.
async fn context(binary: &Path, libraries: &[PathBuf]) -> Result<Vec<u8>, LocalError> {
    let content = tokio::fs::read(binary).await.map_err(at(binary))?;
    let mut recipe = RECIPE.to_owned();
    let mut files = Vec::new();
    for library in libraries {
        files.push((format!("libraries{}", library.display()), tokio::fs::read(library).await.map_err(at(library))?));
    }
    if !files.is_empty() {
        recipe.push_str(WITH_LIBRARIES);
    }
    let all = [("Containerfile", recipe.as_bytes()), ("server", content.as_slice())];
    let libraries = files.iter().map(|(name, content)| (name.as_str(), content.as_slice()));
    Ok(archive(&all.into_iter().chain(libraries).collect::<Vec<_>>()))
}

/// The references of images that were built before, by binary.
pub(super) async fn found(api: &Api) -> Result<BTreeMap<String, String>, LocalError> {
    let mut images = BTreeMap::new();
    for binary in BINARIES.into_iter().chain([UNITS, GANGWAY]) {
        if let Some(digest) = api.image_label(&newest(binary), DIGEST).await? {
            images.insert(binary.to_owned(), pinned(binary, &digest));
        }
    }
    Ok(images)
}

/// Builds an image from an archive unless there is one with exactly this content. Returns its reference, and
/// whether it was built.
async fn build(api: &Api, binary: &str, archive: Vec<u8>) -> Result<(String, bool), LocalError> {
    let hashed = tokio::task::spawn_blocking(move || (hex(&Sha256::digest(&archive)), archive));
    let failed =
        |error: tokio::task::JoinError| LocalError::Engine { endpoint: binary.to_owned(), reason: error.to_string() };
    let (digest, archive) = hashed.await.map_err(failed)?;
    let (image, newest) = (pinned(binary, &digest), newest(binary));
    let there = api.image_label(&image, DIGEST).await?;
    if there.as_deref() == Some(&digest) && api.image_label(&newest, DIGEST).await? == there {
        return Ok((image, false));
    }
    let labels = serde_json::json!({ DIGEST: digest }).to_string();
    let arguments = serde_json::json!({ "BINARY": "server" }).to_string();
    let params = [
        ("t", image.as_str()),
        ("dockerfile", "Containerfile"),
        ("buildargs", &arguments),
        ("labels", &labels),
        ("rm", "true"),
        ("forcerm", "true"),
    ];
    api.build(archive, &params).await?;
    // With a separate call, because Podman takes only one name from a build.
    api.tag(&image, &newest).await?;
    Ok((image, true))
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `tar -t` lists, and the text of the recipe.
    async fn unpacked(libraries: &[PathBuf]) -> (Vec<String>, String) {
        let place = tempfile::tempdir().unwrap_or_else(|error| unreachable!("{error}"));
        let binary = place.path().join("mcp-time");
        assert!(std::fs::write(&binary, "binary").is_ok());
        let archive = context(&binary, libraries).await.unwrap_or_else(|error| unreachable!("{error}"));
        let file = place.path().join("context.tar");
        assert!(std::fs::write(&file, archive).is_ok());
        let run = |args: &[&str]| {
            let output = std::process::Command::new("tar").args(args).arg(&file).output();
            output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default()
        };
        let recipe = std::process::Command::new("tar").arg("-xOf").arg(&file).arg("Containerfile").output();
        let recipe = recipe.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
        (run(&["-tf"]).lines().map(str::to_owned).collect(), recipe)
    }

    #[tokio::test]
    async fn a_static_binary_is_all_of_its_image() {
        let (files, recipe) = unpacked(&[]).await;
        assert_eq!((files.as_slice(), recipe.as_str()), (&["Containerfile".into(), "server".into()][..], RECIPE));
    }

    #[tokio::test]
    async fn what_a_dynamic_binary_loads_is_in_its_image_in_the_same_place() {
        let (files, recipe) = unpacked(&["/etc/passwd".into()]).await;
        assert_eq!(files, ["Containerfile", "server", "libraries/etc/passwd"]);
        assert!(recipe.starts_with("# ") && recipe.ends_with("COPY libraries/ /\n"), "{recipe}");
        assert!(RECIPE.ends_with('\n'), "the recipe goes on in a line of its own");
    }
}
