//! The process of the server behind: how it is started, waited for and ended, with all that it started.

use std::collections::HashMap;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use std::{fmt, io};

use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, kill_process, kill_process_group, wait};
use tokio::process::{ChildStderr, ChildStdin, ChildStdout};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

use super::settings::{App, OWN, Secrets, Transport};

/// How long a server has to end after its standard input was closed.
const AFTER_EOF: Duration = Duration::from_secs(2);
/// How long it has after SIGTERM. Both together are what the container has left after the drain.
const AFTER_TERM: Duration = Duration::from_secs(3);

/// How long what it left behind is ended, and the pause between two looks.
const ORPHANS_TIME: Duration = Duration::from_secs(2);
const ORPHANS_PAUSE: Duration = Duration::from_millis(2);

/// How a process ended.
#[derive(Debug, Clone, Copy)]
pub struct End(WaitStatus);

impl fmt::Display for End {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0.exit_status(), self.0.terminating_signal()) {
            (Some(code), _) => write!(out, "exit code {code}"),
            (None, Some(signal)) => write!(out, "signal {signal}"),
            (None, None) => out.write_str("an unknown end"),
        }
    }
}

/// Waits for every process that ends and is a child of this one: those that it started, and those whose parents
/// ended before them. The first process of a container gets the latter; outside of one, Linux is asked for them.
#[derive(Clone, Default)]
pub struct Reaper {
    /// Locked while a process is started, so that its end is not missed.
    waiting: Arc<Mutex<HashMap<Pid, oneshot::Sender<End>>>>,
}

impl Reaper {
    /// Starts to wait.
    ///
    /// # Errors
    /// If the signal handler cannot be installed.
    pub fn start() -> io::Result<Self> {
        #[cfg(target_os = "linux")]
        rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
        let reaper = Self::default();
        let mut ended = signal(SignalKind::child())?;
        let this = reaper.clone();
        tokio::spawn(async move {
            while ended.recv().await.is_some() {
                this.reap();
            }
        });
        Ok(reaper)
    }

    fn reap(&self) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        // One signal may stand for several ends.
        while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
            if let Some(ended) = waiting.remove(&pid) {
                let _ = ended.send(End(status));
            }
        }
    }

    fn spawn(&self, command: &mut Command) -> io::Result<(std::process::Child, Pid, oneshot::Receiver<End>)> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let child = command.spawn()?;
        let pid = Pid::from_child(&child);
        let (sender, receiver) = oneshot::channel();
        waiting.insert(pid, sender);
        Ok((child, pid, receiver))
    }
}

/// A running server.
pub struct Child {
    pid: Pid,
    end: oneshot::Receiver<End>,
    ended: Option<End>,
}

/// Its standard streams.
pub struct Streams {
    /// With [`Transport::Stdio`] alone.
    pub input: Option<ChildStdin>,
    pub output: Option<ChildStdout>,
    pub errors: Option<ChildStderr>,
}

impl Child {
    /// Starts the server in a process group of its own.
    ///
    /// It gets the variables of this process without those that begin with `GANGWAY_`, and its own.
    ///
    /// # Errors
    /// If the program cannot be started.
    pub fn start(app: &App, secrets: &Secrets, reaper: &Reaper) -> io::Result<(Self, Streams)> {
        let (program, arguments) = app.command.split_first().ok_or(io::ErrorKind::NotFound)?;
        let mut command = Command::new(program);
        command.args(arguments).process_group(0);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with(OWN) {
                command.env_remove(name);
            }
        }
        command.envs(&app.environment).envs(secrets.variables());
        let input = if app.transport == Transport::Stdio { Stdio::piped() } else { Stdio::null() };
        command.stdin(input).stdout(Stdio::piped()).stderr(Stdio::piped());
        let (mut child, pid, end) = reaper.spawn(&mut command)?;
        offer(pid);
        let streams = Streams {
            input: child.stdin.take().map(ChildStdin::from_std).transpose()?,
            output: child.stdout.take().map(ChildStdout::from_std).transpose()?,
            errors: child.stderr.take().map(ChildStderr::from_std).transpose()?,
        };
        Ok((Self { pid, end, ended: None }, streams))
    }

    /// Waits until it has ended by itself.
    pub async fn end(&mut self) -> Option<End> {
        if self.ended.is_none() {
            self.ended = (&mut self.end).await.ok();
        }
        self.ended
    }

    async fn ends_within(&mut self, time: Duration) -> bool {
        tokio::time::timeout(time, self.end()).await.is_ok()
    }

    /// Ends it and whatever it started. Its standard input must have been closed.
    pub async fn stop(mut self, reads_input: bool) {
        if !(reads_input && self.ends_within(AFTER_EOF).await) && self.ended.is_none() {
            let _ = kill_process_group(self.pid, Signal::TERM);
            self.ends_within(AFTER_TERM).await;
        }
        self.kill().await;
    }

    /// Ends it and whatever it started, at once.
    pub async fn kill(mut self) {
        let _ = kill_process_group(self.pid, Signal::KILL);
        self.ends_within(AFTER_TERM).await;
        kill_orphans().await;
    }
}

/// Has the kernel end the server, and what it starts from now on, rather than this process where the memory ends: a
/// server is started again, and the log says how it ended. What cannot be written is left as it is (proc(5),
/// `oom_score_adj`: 0 by default, 1000 at most, and everybody may raise it).
fn offer(pid: Pid) {
    let _ = std::fs::write(format!("/proc/{}/oom_score_adj", pid.as_raw_nonzero()), "500");
}

/// Ends the processes that have no other parent than this one. Called when no server runs: they are what one has
/// left behind in process groups of their own.
async fn kill_orphans() {
    // A process that is ended may leave children of its own, and so on: each is seen when its parent is gone.
    let all_gone = async {
        loop {
            let orphans = children();
            if orphans.is_empty() {
                return;
            }
            for orphan in orphans {
                let _ = kill_process(orphan, Signal::KILL);
            }
            tokio::time::sleep(ORPHANS_PAUSE).await;
        }
    };
    // One that nothing ends, or that goes on without an end, keeps nobody.
    let _ = tokio::time::timeout(ORPHANS_TIME, all_gone).await;
}

/// The children of this process that run, where the system tells it.
fn children() -> Vec<Pid> {
    let own = rustix::process::getpid().as_raw_nonzero().get();
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let processes = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let is_child = |pid: &i32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // The second field is the name in brackets, with anything in it. State and parent follow.
        let mut fields = stat.rsplit_once(')').map(|(_, rest)| rest.split_whitespace()).into_iter().flatten();
        let state = fields.next();
        state.is_some_and(|state| state != "Z") && fields.next().and_then(|parent| parent.parse().ok()) == Some(own)
    };
    processes.filter(is_child).filter_map(Pid::from_raw).collect()
}
