//! Installs Podman where that is allowed: as root on Debian or Ubuntu.

use std::time::Duration;

use tokio::process::Command;

use crate::local::LocalProgress;
use crate::local::command::{OutputLine, run};
use crate::local::error::LocalError;

const PACKAGES: [&str; 5] = ["podman", "runc", "netavark", "aardvark-dns", "iptables"];
const LIMIT: Duration = Duration::from_secs(600);

/// What the operator can do if it is not allowed.
pub(super) fn advice() -> String {
    format!("start Docker, or install Podman (Debian and Ubuntu: apt-get install {})", PACKAGES.join(" "))
}

/// Installs Podman and what it needs.
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
