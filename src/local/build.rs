//! Images of servers whose file says where they come from, as `publish` brings them to AWS: here the engine of the local
//! cloud builds them, or takes them by their name.

use std::path::Path;

use sha2::{Digest, Sha256};
use tokio::process::Command;

use super::engine::Api;
use super::error::{LocalError, at};
use super::images::{self, DIGEST, hex, pinned};
use super::workshop::RECIPES;
use super::{LocalProgress, ProgressFn, Running};
use crate::core::environment::Environment;
use crate::core::image::Source;

/// Gives each server that has a source an image of the local cloud's engine in place of the name that it has at AWS. A
/// folder that has not changed is not built again.
///
/// # Errors
/// When a folder has no recipe, cannot be read, or its image cannot be built.
pub async fn sources(
    running: &Running,
    environment: &mut Environment,
    progress: &mut ProgressFn<'_>,
) -> Result<(), LocalError> {
    let Some(engine) = &running.engine else { return Ok(()) };
    let api = Api::open(&engine.socket)?;
    for server in &mut environment.servers {
        match server.source() {
            None => continue,
            Some(Source::Take(image)) => server.image = image,
            Some(Source::Build(folder)) => {
                server.image = build(&api, &server.name, Path::new(&folder), progress).await?;
            }
        }
        server.architecture = Some(images::architecture());
    }
    Ok(())
}

/// Builds a folder, unless there is an image of exactly this content. Returns its reference.
async fn build(api: &Api, server: &str, folder: &Path, progress: &mut ProgressFn<'_>) -> Result<String, LocalError> {
    let recipe = RECIPES.into_iter().find(|name| folder.join(name).is_file()).ok_or_else(|| LocalError::Image {
        image: folder.display().to_string(),
        reason: format!("the folder has no {}", RECIPES.join(" and no ")),
        way_out: format!("correct build of server.{server}; the path starts at the folder of quarterdeck.toml"),
    })?;
    let archive = archive(folder).await?;
    let digest = hex(&Sha256::digest(&archive));
    let image = pinned(&format!("built-{server}"), &digest);
    if api.image_label(&image, DIGEST).await?.as_deref() == Some(&digest) {
        return Ok(image);
    }
    let labels = serde_json::json!({ DIGEST: digest }).to_string();
    let params =
        [("t", image.as_str()), ("dockerfile", recipe), ("labels", &labels), ("rm", "true"), ("forcerm", "true")];
    api.build(archive, &params).await?;
    progress(LocalProgress::Note(format!("{image} built from {}", folder.display())));
    Ok(image)
}

/// A folder as a tar archive, the same for the same files.
async fn archive(folder: &Path) -> Result<Vec<u8>, LocalError> {
    let mut command = Command::new("tar");
    command.args(["-cf", "-", "-C"]).arg(folder).arg(".");
    let output = command.kill_on_drop(true).output().await.map_err(at(folder))?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(LocalError::Command {
        what: format!("tar {}", folder.display()),
        status: output.status.to_string(),
        way_out: None,
        tail: said.lines().map(str::to_owned).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_same_files_make_the_same_archive() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("Containerfile"), "FROM scratch\n").unwrap();
        std::fs::write(folder.path().join("a"), "1").unwrap();
        let first = archive(folder.path()).await.unwrap();
        assert_eq!(archive(folder.path()).await.unwrap(), first);
        std::fs::write(folder.path().join("a"), "2").unwrap();
        assert_ne!(archive(folder.path()).await.unwrap(), first);
        let gone = archive(&folder.path().join("none")).await.unwrap_err().to_string();
        assert!(gone.contains("none"), "{gone}");
    }
}
