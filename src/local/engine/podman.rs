//! Podman's API service, started for the local cloud alone, with a socket, a storage and a network of its
//! own.
//!
//! The containers and images of the user's Podman are in another storage and cannot be touched.

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

/// The folder of images and containers.
fn storage(dirs: &Dirs) -> PathBuf {
    dirs.state.join("podman")
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
    command.args(arguments(dirs, &make_run_dir(dirs).await?)).env("CONTAINERS_CONF", &conf);
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
        path(storage(dirs)),
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

/// The directory for what Podman keeps until the machine stops. Podman refuses a path of more than 50
/// characters, so it is not below our own directories; and Podman remembers the path, so it never changes.
fn run_dir(dirs: &Dirs) -> PathBuf {
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|path| path.is_absolute());
    let base = if is_root() { PathBuf::from("/run") } else { runtime.unwrap_or_else(|| PathBuf::from("/tmp")) };
    base.join(format!("qd-{}", dirs.identity()))
}

/// Makes that directory. What a run before the last start of the machine has left in it is removed.
async fn make_run_dir(dirs: &Dirs) -> Result<PathBuf, LocalError> {
    let path = run_dir(dirs);
    make(&path).await?;
    let owner = tokio::fs::metadata(&path).await.map_err(at(&path))?.uid();
    if Some(owner) != own_uid() {
        let reason = format!("{} belongs to user {owner}; set XDG_RUNTIME_DIR to a directory of yours", path.display());
        return Err(LocalError::Engine { endpoint: endpoint(dirs), reason });
    }
    let (boot, stamp) = (boot().await, path.join("boot"));
    if tokio::fs::read_to_string(&stamp).await.is_ok_and(|text| text == boot) {
        return Ok(path);
    }
    for part in ["root", "tmp"].map(|part| path.join(part)) {
        match tokio::fs::remove_dir_all(&part).await {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(at(&part)(error)),
            _ => {}
        }
    }
    tokio::fs::write(&stamp, boot).await.map_err(at(&stamp))?;
    Ok(path)
}

async fn boot() -> String {
    tokio::fs::read_to_string("/proc/sys/kernel/random/boot_id").await.unwrap_or_default()
}

/// Cleans up after the service when neither it nor any container runs: unmounts what it mounted and
/// removes the run directory. What cannot be removed does no harm, so that is no error.
pub(in crate::local) async fn forget(dirs: &Dirs) {
    if is_root() {
        let mounts = tokio::fs::read_to_string("/proc/self/mounts").await.unwrap_or_default();
        for mount in mounts_below(&mounts, &storage(dirs)) {
            let _ = Command::new("umount").arg(mount).stderr(std::process::Stdio::null()).status().await;
        }
    }
    let _ = tokio::fs::remove_dir_all(run_dir(dirs)).await;
}

/// Mount points below a directory, the last mounted first. In the list, `\040` is a space (fstab(5)).
fn mounts_below(mounts: &str, directory: &Path) -> Vec<PathBuf> {
    let points = mounts.lines().filter_map(|line| line.split(' ').nth(1));
    let points = points.map(|point| PathBuf::from(point.replace("\\040", " ")));
    let mut below: Vec<PathBuf> = points.filter(|point| point.starts_with(directory)).collect();
    below.reverse();
    below
}

/// The text of our `containers.conf`. Inside containers and small virtual machines, root often lacks
/// CAP_SYS_RESOURCE, and then the kernel refuses Podman's default limits; and cgroups are often hybrid, on
/// which crun fails.
fn configuration(networks: &Path, root: bool, runc: bool) -> String {
    let mut text = String::new();
    if root {
        text += "[containers]\ndefault_ulimits = [\"nofile=1024:1024\", \"nproc=1024:1024\"]\n\n";
    }
    // Locks in shared memory would be shared with the user's Podman.
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
    fn podman_keeps_everything_in_our_directories() {
        let dirs = Dirs { data: "/d".into(), state: "/s".into() };
        let line = arguments(&dirs, Path::new("/run/qd")).join(" ");
        let expected = "--root /s/podman --runroot /run/qd/root --tmpdir /run/qd/tmp \
                        system service --time=0 unix:///s/podman.sock";
        assert_eq!(line, expected);
    }

    #[test]
    fn only_what_is_mounted_below_our_storage_is_unmounted() {
        let mounts = "x / ext4 rw 0 0\nx /s/podman/overlay ext4 rw 0 0\nx /s/podman-2 ext4 rw 0 0\n\
                      x /s/podman/a\\040b/merged overlay rw 0 0\n";
        let below = mounts_below(mounts, Path::new("/s/podman"));
        assert_eq!(below, [Path::new("/s/podman/a b/merged"), Path::new("/s/podman/overlay")]);
    }

    #[test]
    fn only_root_gets_other_limits_and_another_runtime() {
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
