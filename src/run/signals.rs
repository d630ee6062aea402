//! The signals that a terminal program must know: those that end it, and those of job control.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::headless::Exit;

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// To end, with this exit code.
    End(Exit),
    /// To stop, as with ctrl-z in another program.
    Stop,
    /// Nothing: the process was stopped and goes on.
    Continued,
}

/// The signals that are caught while the console runs.
pub(super) struct Signals {
    hangup: Signal,
    interrupt: Signal,
    quit: Signal,
    terminate: Signal,
    stop: Signal,
    continued: Signal,
}

impl Signals {
    pub(super) fn catch() -> io::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
            terminate: signal(SignalKind::terminate())?,
            stop: signal(SignalKind::from_raw(libc::SIGTSTP))?,
            continued: signal(SignalKind::from_raw(libc::SIGCONT))?,
        })
    }

    /// The next one. None is lost when this is dropped before it ends.
    pub(super) async fn next(&mut self) -> Asked {
        tokio::select! {
            biased;
            _ = self.hangup.recv() => Asked::End(Exit::HungUp),
            _ = self.terminate.recv() => Asked::End(Exit::Terminated),
            _ = self.quit.recv() => Asked::End(Exit::QuitBySignal),
            _ = self.interrupt.recv() => Asked::End(Exit::Interrupted),
            _ = self.continued.recv() => Asked::Continued,
            _ = self.stop.recv() => Asked::Stop,
        }
    }
}
