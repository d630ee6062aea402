//! Podman's API service, started for us alone: own socket, own storage, own network.
//!
//! The containers and images of the user's Podman are in another storage, out of reach.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::process::Command;

use super::api::Api;
use super::subnet;
use crate::local::command::find;
use crate::local::dirs::{Dirs, make};
use crate::local::error::{LocalError, at};
use crate::local::process::Process;

const START: Duration = Duration::from_secs(30);

/// Where the service listens.
pub(super) fn endpoint(dirs: &Dirs) -> String {
    format!("unix://{}", socket(dirs).display())
}

fn socket(dirs: &Dirs) -> PathBuf {
    dirs.state.join("podman.sock")
}

/// Starts the service and waits until it answers.
pub(super) async fn start(dirs: &Dirs, podman: &Path) -> Result<Process, LocalError> {
    let (network, conf) = (dirs.state.join("podman-networks"), dirs.state.join("containers.conf"));
    make(&network).await?;
    subnet::ensure(&network.join("quarterdeck.json"), &dirs.identity()).await?;
    tokio::fs::write(&conf, configuration(&network, is_root(), find("runc").is_some())).await.map_err(at(&conf))?;
    match tokio::fs::remove_file(socket(dirs)).await {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(at(&socket(dirs))(error)),
        _ => {}
    }
    let mut command = Command::new(podman);
    command.args(arguments(dirs, &run_dir(dirs).await?)).env("CONTAINERS_CONF", &conf);
    let log = dirs.state.join("podman.log");
    let process = Process::start(command, &log).await?;
    let api = Api::open(&endpoint(dirs))?;
    let answers = async {
        while process.alive().await && !api.answers().await {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let in_time = tokio::time::timeout(START, answers).await.is_ok();
    if in_time && process.alive().await {
        return Ok(process);
    }
    process.stop("podman service").await?;
    let said = tokio::fs::read_to_string(&log).await.unwrap_or_default();
    let last = said.lines().last().unwrap_or("nothing said").to_owned();
    let reason = format!("Podman's service does not start: {last} (log: {})", log.display());
    Err(LocalError::Engine { endpoint: endpoint(dirs), reason })
}

fn arguments(dirs: &Dirs, run: &Path) -> Vec<String> {
    let path = |path: PathBuf| path.display().to_string();
    vec![
        "--root".into(),
        path(dirs.data.join("podman")),
        "--runroot".into(),
        path(run.join("root")),
        "--tmpdir".into(),
        path(run.join("tmp")),
        "system".into(),
        "service".into(),
        "--time=0".into(),
        endpoint(dirs),
    ]
}

/// A directory for what Podman keeps until the machine stops. It refuses a path of more than 50
/// characters, so this is not below our own; what belongs to one boot must not be found by the next.
async fn run_dir(dirs: &Dirs) -> Result<PathBuf, LocalError> {
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|path| path.is_absolute());
    let base = if is_root() { PathBuf::from("/run") } else { runtime.unwrap_or_else(|| PathBuf::from("/tmp")) };
    let boot = tokio::fs::read_to_string("/proc/sys/kernel/random/boot_id").await.unwrap_or_default();
    let path = base.join(format!("qd-{}-{}", dirs.identity(), boot.get(..8).unwrap_or_default()));
    make(&path).await?;
    let owner = tokio::fs::metadata(&path).await.map_err(at(&path))?.uid();
    if Some(owner) == own_uid() {
        return Ok(path);
    }
    let reason = format!("{} belongs to user {owner}; set XDG_RUNTIME_DIR to a directory of yours", path.display());
    Err(LocalError::Engine { endpoint: endpoint(dirs), reason })
}

/// Our `containers.conf`. As root without CAP_SYS_RESOURCE Podman's own limits are refused, and crun
/// fails where cgroups are hybrid; both are usual inside containers and small virtual machines.
fn configuration(networks: &Path, root: bool, runc: bool) -> String {
    let mut text = String::new();
    if root {
        text += "[containers]\ndefault_ulimits = [\"nofile=1024:1024\", \"nproc=1024:1024\"]\n\n";
    }
    // Locks in shared memory are common to all of Podman's storages.
    text += "[engine]\nlock_type = \"file\"\n";
    if root && runc {
        text += "runtime = \"runc\"\n";
    }
    text += "\n[network]\nnetwork_backend = \"netavark\"\ndefault_network = \"quarterdeck\"\n";
    text + &format!("network_config_dir = {:?}\n", networks.display().to_string())
}

pub(super) fn is_root() -> bool {
    own_uid() == Some(0)
}

fn own_uid() -> Option<u32> {
    std::fs::metadata("/proc/self").ok().map(|data| data.uid())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_in_our_directories() {
        let dirs = Dirs { data: "/d".into(), state: "/s".into() };
        let line = arguments(&dirs, Path::new("/run/qd")).join(" ");
        let expected = "--root /d/podman --runroot /run/qd/root --tmpdir /run/qd/tmp \
                        system service --time=0 unix:///s/podman.sock";
        assert_eq!(line, expected);
    }

    #[test]
    fn limits_and_runtime_are_for_root() {
        let networks = Path::new("/s/podman-networks");
        let root = configuration(networks, true, true);
        assert!(root.contains("nofile=1024:1024") && root.contains("runtime = \"runc\""));
        assert!(!configuration(networks, true, false).contains("runc"));
        let user = configuration(networks, false, true);
        assert!(!user.contains("ulimits") && !user.contains("runc"));
        assert!(user.contains("network_config_dir = \"/s/podman-networks\""));
        assert!(toml::from_str::<toml::Table>(&root).is_ok() && toml::from_str::<toml::Table>(&user).is_ok());
    }
}
