//! Processes that outlive the console. They are recognised by their id and their start time.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::process::Command;

use super::error::{LocalError, at};

/// How long a process may take to end after SIGTERM. What ministack removes in that time need not be removed by
/// `down`, which removes the rest; and all of `down` is to end within ten seconds.
const POLITE: Duration = Duration::from_secs(4);
/// How long it may take to end after SIGKILL.
const RUDE: Duration = Duration::from_secs(5);

/// A process that we started. The system uses ids again, so the start time is needed, too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Its id, which is also the id of its process group.
    pub pid: u32,
    /// When it started, as the system writes it; empty if that was not known.
    pub started: String,
}

impl Process {
    /// Starts a program in a new process group. Its output goes to the file `log`.
    pub(super) async fn start(mut command: Command, log: &Path) -> Result<Self, LocalError> {
        let out = private_file(log).await?;
        let error = out.try_clone().map_err(at(log))?;
        command.stdin(Stdio::null()).stdout(out).stderr(error);
        #[cfg(unix)]
        command.process_group(0);
        let program = Path::new(command.as_std().get_program()).to_owned();
        let child = command.spawn().map_err(at(&program))?;
        let pid = child.id().unwrap_or_default();
        let started = started(pid).await.unwrap_or_default();
        Ok(Self { pid, started })
    }

    /// Whether it still runs: a process with this id and this start time exists.
    pub async fn alive(&self) -> bool {
        !self.started.is_empty() && started(self.pid).await.as_deref() == Some(&self.started)
    }

    /// Ends its process group, with SIGTERM first, then with SIGKILL. Does nothing if it has ended.
    pub(super) async fn stop(&self, what: &str) -> Result<(), LocalError> {
        for (signal, patience) in [(libc::SIGTERM, POLITE), (libc::SIGKILL, RUDE)] {
            if !self.alive().await {
                return Ok(());
            }
            signal_group(self.pid, signal);
            self.wait(patience).await;
        }
        if self.alive().await {
            return Err(LocalError::WouldNotStop { pid: self.pid, what: what.to_owned(), limit: RUDE });
        }
        Ok(())
    }

    async fn wait(&self, patience: Duration) {
        let gone = async {
            while self.alive().await {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        // If the time is over, that is no error here: the next signal follows.
        let _ = tokio::time::timeout(patience, gone).await;
    }
}

/// An empty file that only this user can read.
async fn private_file(path: &Path) -> Result<std::fs::File, LocalError> {
    let mut options = tokio::fs::OpenOptions::new();
    options.create(true).write(true).truncate(true);
    #[cfg(unix)]
    options.mode(0o600);
    Ok(options.open(path).await.map_err(at(path))?.into_std().await)
}

/// Start time of a running process; `None` if there is none or it is a zombie.
async fn started(pid: u32) -> Option<String> {
    match tokio::fs::read_to_string("/proc/sys/kernel/random/boot_id").await {
        Ok(boot) => {
            let stat = tokio::fs::read_to_string(format!("/proc/{pid}/stat")).await.ok()?;
            Some(format!("{}:{}", boot.trim(), start_ticks(&stat)?))
        }
        // No procfs (macOS).
        Err(_) => {
            let output = Command::new("ps").args(["-o", "lstart=", "-p", &pid.to_string()]).output().await.ok()?;
            let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
            (!text.is_empty()).then_some(text)
        }
    }
}

/// Field 22 of proc_pid_stat(5). The second field, the name, may hold anything but its last `)`.
fn start_ticks(stat: &str) -> Option<u64> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    (state != "Z").then(|| fields.nth(18))?.and_then(|ticks| ticks.parse().ok())
}

#[allow(unsafe_code)]
fn signal_group(pid: u32, signal: i32) {
    let Ok(group) = i32::try_from(pid) else { return };
    // For kill(2), -0 means our own group and -1 means every process.
    if group > 1 {
        // SAFETY: kill(2) touches no memory of ours. If it fails because the group is gone, that is what we want.
        unsafe { libc::kill(-group, signal) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_start_time_is_found_after_any_program_name() {
        let rest = "S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4242 20 21";
        assert_eq!(start_ticks(&format!("77 (python3) {rest}")), Some(4242));
        assert_eq!(start_ticks(&format!("77 (a) b ) c) {rest}")), Some(4242));
    }

    #[test]
    fn a_zombie_or_nonsense_has_no_start_time() {
        let rest = "Z 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4242 20 21";
        assert_eq!(start_ticks(&format!("77 (python3) {rest}")), None);
        assert_eq!(start_ticks(""), None);
        assert_eq!(start_ticks("77 (python3) S 1 2"), None);
    }

    #[tokio::test]
    async fn another_process_with_the_same_id_is_not_ours() {
        let pid = std::process::id();
        let Some(started) = started(pid).await else { unreachable!("this process runs") };
        assert!(Process { pid, started: started.clone() }.alive().await);
        assert!(!Process { pid, started: format!("{started}0") }.alive().await);
        assert!(!Process { pid, started: String::new() }.alive().await);
    }
}
