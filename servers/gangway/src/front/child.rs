//! The process of the server behind: how it is started, waited for and ended, with all that it started.

use std::collections::HashMap;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use std::{fmt, io};

use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, kill_process, kill_process_group, wait};
use tokio::process::{ChildStderr, ChildStdin, ChildStdout};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

use super::settings::{App, OWN, Secrets, Sessions, Transport};

/// How long a server has to end after its standard input was closed.
const AFTER_EOF: Duration = Duration::from_secs(2);
/// How long it has after SIGTERM. Both together are what the container has left after the drain.
const AFTER_TERM: Duration = Duration::from_secs(3);

/// How long what it left behind is ended, and the pause between two looks.
const ORPHANS_TIME: Duration = Duration::from_secs(2);
const ORPHANS_PAUSE: Duration = Duration::from_millis(2);
/// The variable by which the processes of one server are told from those of another that runs beside it.
const MARK: &str = "GANGWAY_RUN";

/// How a process ended.
#[derive(Debug, Clone, Copy)]
pub struct End(WaitStatus);

impl End {
    /// Whether a signal ended it.
    pub fn is_by_signal(&self) -> bool {
        self.0.terminating_signal().is_some()
    }
}

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
    started: Arc<AtomicU64>,
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

    /// The processes that have no other parent than this one, and are no servers. They are what servers have left behind
    /// in process groups of their own. While other servers run, only those with this mark: the rest may be theirs.
    fn orphans(&self, mark: u64) -> Vec<Pid> {
        // Held, so that none that is being started is taken for one.
        let servers = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let orphans = children().into_iter().filter(|pid| !servers.contains_key(pid));
        orphans.filter(|pid| servers.is_empty() || has_mark(*pid, mark)).collect()
    }
}

/// Whether a process was started by the server with this mark, or by one that was.
fn has_mark(pid: Pid, mark: u64) -> bool {
    let variables = std::fs::read(format!("/proc/{}/environ", pid.as_raw_nonzero())).unwrap_or_default();
    let marked = format!("{MARK}={mark}");
    variables.split(|byte| *byte == 0).any(|variable| variable == marked.as_bytes())
}

/// A running server.
pub struct Child {
    pid: Pid,
    end: oneshot::Receiver<End>,
    ended: Option<End>,
    reaper: Reaper,
    /// None has that of another.
    mark: u64,
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
    /// It gets the variables of this process without those that begin with `GANGWAY_`, and its own. Where several run at
    /// a time, it gets one more, `GANGWAY_RUN`, a number.
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
        let mark = reaper.started.fetch_add(1, Ordering::Relaxed);
        if app.sessions != Sessions::Shared {
            command.env(MARK, mark.to_string());
        }
        let input = if app.transport == Transport::Stdio { Stdio::piped() } else { Stdio::null() };
        command.stdin(input).stdout(Stdio::piped()).stderr(Stdio::piped());
        let (mut child, pid, end) = reaper.spawn(&mut command)?;
        offer(pid);
        let streams = Streams {
            input: child.stdin.take().map(ChildStdin::from_std).transpose()?,
            output: child.stdout.take().map(ChildStdout::from_std).transpose()?,
            errors: child.stderr.take().map(ChildStderr::from_std).transpose()?,
        };
        Ok((Self { pid, end, ended: None, reaper: reaper.clone(), mark }, streams))
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
        self.kill_orphans().await;
    }

    /// Ends what it has left behind.
    async fn kill_orphans(&self) {
        // A process that is ended may leave children of its own, and so on: each is seen when its parent is gone.
        let all_gone = async {
            loop {
                let orphans = self.reaper.orphans(self.mark);
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
}

/// Has the kernel end the server, and what it starts from now on, rather than this process where the memory ends: a
/// server is started again, and the log says how it ended. What cannot be written is left as it is (proc(5),
/// `oom_score_adj`: 0 by default, 1000 at most, and everybody may raise it).
fn offer(pid: Pid) {
    let _ = std::fs::write(format!("/proc/{}/oom_score_adj", pid.as_raw_nonzero()), "500");
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
