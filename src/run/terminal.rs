//! Takes the terminal and gives it back, after a panic too: raw mode, the alternate screen, paste and mouse.

use std::io::{self, Stdout, stdout};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crossterm::cursor::Show;
use crossterm::event::{DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste, EnableMouseCapture};
use crossterm::execute;
use crossterm::terminal::{
    Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use rustix::process::{Pid, Signal, getpgrp, getpid, getsid, kill_current_process_group, kill_process};
use tokio::sync::Notify;

/// Whether the terminal is the console's now. Giving it back twice would move the cursor over what was
/// printed in between.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// The terminal while the console runs. Dropping it gives the terminal back as it was.
pub(super) struct Tty {
    /// What is drawn on.
    pub(super) terminal: Terminal<CrosstermBackend<Stdout>>,
    /// Told when any thread has panicked, because the terminal is given back then.
    pub(super) panicked: Arc<Notify>,
    /// Whether the mouse is taken, too.
    mouse: bool,
}

impl Tty {
    /// Takes the terminal. After a panic it is given back before the panic is reported.
    pub(super) fn enter(mouse: bool) -> io::Result<Self> {
        let terminal = Terminal::new(CrosstermBackend::new(stdout()))?;
        let panicked = Arc::new(Notify::new());
        let (report, told) = (std::panic::take_hook(), panicked.clone());
        std::panic::set_hook(Box::new(move |info| {
            give_back();
            report(info);
            told.notify_one();
        }));
        let mut tty = Self { terminal, panicked, mouse };
        tty.take()?;
        Ok(tty)
    }

    /// Takes the terminal, whatever another program has made of it meanwhile. The next frame is drawn
    /// completely.
    pub(super) fn take(&mut self) -> io::Result<()> {
        TAKEN.store(true, Ordering::SeqCst);
        // crossterm does nothing while it believes that raw mode is on, but a shell that came in between
        // has turned it off.
        disable_raw_mode()?;
        enable_raw_mode()?;
        execute!(stdout(), EnterAlternateScreen, Clear(ClearType::All), EnableBracketedPaste)?;
        if self.mouse {
            execute!(stdout(), EnableMouseCapture)?;
        }
        // A new one, because clearing the old one would ask the terminal where its cursor is, and wait.
        self.terminal = Terminal::new(CrosstermBackend::new(stdout()))?;
        Ok(())
    }

    /// Gives the terminal back until [`take`](Self::take).
    pub(super) fn give_back(&mut self) {
        give_back();
    }

    /// Whether it may be drawn on: after a panic it may not.
    pub(super) fn taken(&self) -> bool {
        TAKEN.load(Ordering::SeqCst)
    }
}

/// Gives the terminal back, if it was taken. If that fails, nothing can be done about it.
fn give_back() {
    if TAKEN.swap(false, Ordering::SeqCst) {
        let _ = execute!(stdout(), DisableMouseCapture, DisableBracketedPaste, LeaveAlternateScreen, Show);
        let _ = disable_raw_mode();
    }
}

impl Drop for Tty {
    fn drop(&mut self) {
        give_back();
    }
}

/// Whom a stop is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// This process: a signal was sent to it.
    Process,
    /// The job that the shell knows, as when the terminal itself sees ctrl-z: `make` above us stops too.
    Job,
}

/// Continues a process that was stopped with this one. If it is gone, there is nothing to continue.
pub(super) fn go_on(id: u32) {
    if let Some(id) = i32::try_from(id).ok().and_then(Pid::from_raw) {
        let _ = kill_process(id, Signal::CONT);
    }
}

/// Whether somebody could continue this process after a stop. In the process group of the session's
/// leader no shell could, and there the kernel ignores ctrl-z as well.
pub(super) fn can_stop() -> bool {
    getsid(None).is_ok_and(|leader| leader != getpgrp())
}

/// Whether the terminal is for this process's job now, as after `fg` and not after `bg`.
pub(super) fn in_foreground() -> bool {
    // Where that cannot be asked, nobody else has the terminal.
    rustix::termios::tcgetpgrp(io::stdin()).map_or(true, |group| group == getpgrp())
}

/// Stops this process or its job. May return before the stop: only SIGCONT says that it is over.
pub(super) fn stop(whom: Stop) -> io::Result<()> {
    // Not SIGTSTP, which this process catches.
    Ok(match whom {
        Stop::Process => kill_process(getpid(), Signal::STOP),
        Stop::Job => kill_current_process_group(Signal::STOP),
    }?)
}
