//! Installing Podman where we may: as root on a Debian.

use std::time::Duration;

use tokio::process::Command;

use crate::local::LocalProgress;
use crate::local::command::{OutputLine, run};
use crate::local::error::LocalError;

const PACKAGES: [&str; 5] = ["podman", "runc", "netavark", "aardvark-dns", "iptables"];
const LIMIT: Duration = Duration::from_secs(600);

/// What to do where we may not.
pub(super) fn advice() -> String {
    format!("start Docker, or install Podman (Debian and Ubuntu: apt-get install {})", PACKAGES.join(" "))
}

/// Installs Podman and its parts.
pub(super) async fn podman(progress: &mut (dyn FnMut(LocalProgress) + Send)) -> Result<(), LocalError> {
    for arguments in [&["update"][..], &["install", "-y", "--no-install-recommends"][..]] {
        let mut command = Command::new("apt-get");
        command.env("DEBIAN_FRONTEND", "noninteractive").args(arguments);
        if arguments.contains(&"install") {
            command.args(PACKAGES);
        }
        let what = format!("apt-get {}", arguments[0]);
        run(&what, command, LIMIT, &mut |line| {
            if let OutputLine::Out(line) = line {
                progress(LocalProgress::Note(line.to_owned()));
            }
        })
        .await?;
    }
    Ok(())
}
