//! The servers' images: from binaries that are compiled from `servers/`, built only when these changed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::process::Command;

use super::command::{OutputLine, find, run};
use super::engine::{Api, archive};
use super::error::{LocalError, at};
use super::front::GANGWAY;
use super::{LocalProgress, ProgressFn};
use crate::core::environment::Architecture;

/// Binaries that become images, and the packages that they are in.
const BINARIES: [&str; 4] = ["mcp-time", WEATHER, NWS_STUB, GANGWAY];
const PACKAGES: [&str; 3] = ["gangway", "mcp-time", "mcp-weather"];
/// The server that calls the weather service.
pub(super) const WEATHER: &str = "mcp-weather";
/// The binary that stands in for the weather service.
pub(super) const NWS_STUB: &str = "nws-stub";
/// Label of an image that holds the digest of what it was built from.
pub(super) const DIGEST: &str = "quarterdeck.sha256";
const LIMIT: Duration = Duration::from_secs(45 * 60);

/// The folder that holds `servers/`: the one given, else the one this program was built in, else the
/// current one.
pub(super) fn source(given: Option<&Path>) -> Option<PathBuf> {
    let built = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let candidates =
        given.map_or_else(|| [Some(built), std::env::current_dir().ok()], |path| [Some(path.to_owned()), None]);
    candidates.into_iter().flatten().find(|path| path.join("servers/Containerfile").is_file())
}

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
    let Some(source) = source(given) else {
        progress(LocalProgress::Note(
            "there is no servers/ folder here: start in a checkout of the repository to run the example servers"
                .to_owned(),
        ));
        return Ok(BTreeMap::new());
    };
    if !cfg!(target_os = "linux") {
        progress(LocalProgress::Note("images are built on Linux only: no example servers".to_owned()));
        return Ok(BTreeMap::new());
    }
    let containerfile = source.join("servers/Containerfile");
    let recipe = tokio::fs::read(&containerfile).await.map_err(at(&containerfile))?;
    let mut images = BTreeMap::new();
    for (binary, file) in compile(&source, progress).await? {
        let content = tokio::fs::read(&file).await.map_err(at(&file))?;
        let (image, built) = build(api, &binary, &recipe, content).await?;
        if built {
            progress(LocalProgress::Note(format!("{image} built")));
        }
        images.insert(binary, image);
    }
    Ok(images)
}

/// The processor of this machine, for which the binaries are compiled.
pub(super) fn architecture() -> Architecture {
    if cfg!(target_arch = "aarch64") { Architecture::Arm64 } else { Architecture::X86 }
}

/// The references of images that were built before, by binary.
pub(super) async fn found(api: &Api) -> Result<BTreeMap<String, String>, LocalError> {
    let mut images = BTreeMap::new();
    for binary in BINARIES {
        if let Some(digest) = api.image_label(&newest(binary), DIGEST).await? {
            images.insert(binary.to_owned(), pinned(binary, &digest));
        }
    }
    Ok(images)
}

/// Builds an image unless there is one with exactly this content. Returns its reference, and whether it
/// was built.
async fn build(api: &Api, binary: &str, recipe: &[u8], content: Vec<u8>) -> Result<(String, bool), LocalError> {
    let files = tokio::task::spawn_blocking({
        let recipe = recipe.to_owned();
        move || {
            let archive = archive(&[("Containerfile", &recipe), ("server", &content)]);
            (hex(&Sha256::digest(&archive)), archive)
        }
    });
    let failed =
        |error: tokio::task::JoinError| LocalError::Engine { endpoint: binary.to_owned(), reason: error.to_string() };
    let (digest, archive) = files.await.map_err(failed)?;
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

/// Compiles the servers into static binaries. Returns their paths by name.
async fn compile(source: &Path, progress: &mut ProgressFn<'_>) -> Result<BTreeMap<String, PathBuf>, LocalError> {
    let way_out = "it compiles the example servers; install Rust from https://rustup.rs".to_owned();
    let cargo = find("cargo").ok_or(LocalError::Missing { program: "cargo", way_out })?;
    let triple = host_triple(&cargo).await?;
    let (mut found, mut compiled) = (BTreeMap::new(), 0);
    let command = cargo_command(&cargo, source, &triple);
    run("compiling the servers", command, LIMIT, &mut |line| match line {
        OutputLine::Out(line) => found.extend(executable(line)),
        OutputLine::Err(line) => {
            if let Some(crate_name) = line.trim_start().strip_prefix("Compiling ") {
                compiled += 1;
                progress(LocalProgress::Note(format!("compiling {crate_name} ({compiled})")));
            }
        }
    })
    .await?;
    found.retain(|name: &String, _| BINARIES.contains(&name.as_str()));
    Ok(found)
}

fn cargo_command(cargo: &Path, source: &Path, triple: &str) -> Command {
    let mut command = Command::new(cargo);
    command.current_dir(source).args(["build", "--profile", "image", "--target", triple]);
    command.args(["--message-format", "json-render-diagnostics"]);
    command.args(PACKAGES.iter().flat_map(|package| ["-p", package]));
    command.env("RUSTFLAGS", "-C target-feature=+crt-static").env_remove("CARGO_ENCODED_RUSTFLAGS");
    command
}

async fn host_triple(cargo: &Path) -> Result<String, LocalError> {
    let mut triple = None;
    let mut command = Command::new(cargo);
    command.arg("-vV");
    run("cargo -vV", command, Duration::from_secs(60), &mut |line| {
        if let OutputLine::Out(line) = line
            && let Some(host) = line.strip_prefix("host: ")
        {
            triple = Some(host.to_owned());
        }
    })
    .await?;
    triple.ok_or_else(|| LocalError::Command {
        what: "cargo -vV".to_owned(),
        status: "it does not name a host".to_owned(),
        way_out: None,
        tail: Vec::new(),
    })
}

/// Name and path of the program that a message of cargo is about, if it is about one.
fn executable(message: &str) -> Option<(String, PathBuf)> {
    let message: Value = serde_json::from_str(message).ok()?;
    let path = message["executable"].as_str()?;
    Some((message["target"]["name"].as_str()?.to_owned(), PathBuf::from(path)))
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_compiled_statically() {
        let command = cargo_command(Path::new("cargo"), Path::new("/src"), "x86_64-unknown-linux-gnu");
        let arguments: Vec<_> = command.as_std().get_args().filter_map(|argument| argument.to_str()).collect();
        let expected = "build --profile image --target x86_64-unknown-linux-gnu \
                        --message-format json-render-diagnostics -p gangway -p mcp-time -p mcp-weather";
        assert_eq!(arguments.join(" "), expected);
        let flags = command.as_std().get_envs().find(|(name, _)| *name == "RUSTFLAGS").and_then(|(_, value)| value);
        assert_eq!(flags.and_then(|value| value.to_str()), Some("-C target-feature=+crt-static"));
    }

    #[test]
    fn programs_are_picked_from_cargos_messages() {
        let program = r#"{"reason":"compiler-artifact","target":{"name":"mcp-time"},"executable":"/t/mcp-time"}"#;
        assert_eq!(executable(program), Some(("mcp-time".to_owned(), "/t/mcp-time".into())));
        let library = r#"{"reason":"compiler-artifact","target":{"name":"gangway"},"executable":null}"#;
        assert_eq!(executable(library), None);
        assert_eq!(executable("warning: x"), None);
    }
}
