//! Entering and leaving the terminal: raw mode, the alternate screen, paste and mouse, and the way
//! back from a panic.

use std::io::{self, Stdout, stdout};
use std::time::Duration;

use crossterm::event::{DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste, EnableMouseCapture};
use crossterm::execute;
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;

/// The terminal, as it is while the console runs. Dropping it restores what was before.
pub(super) struct Tty {
    /// What is drawn on.
    pub(super) terminal: Terminal<CrosstermBackend<Stdout>>,
}

impl Tty {
    /// Takes the terminal. A panic gives it back before it is reported.
    pub(super) fn enter() -> io::Result<Self> {
        let terminal = ratatui::try_init()?;
        execute!(stdout(), EnableBracketedPaste, EnableMouseCapture)?;
        discard_typed()?;
        let report = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            leave_modes();
            report(info);
        }));
        Ok(Self { terminal })
    }
}

/// What was typed before there was a screen was not meant for it.
fn discard_typed() -> io::Result<()> {
    while crossterm::event::poll(Duration::ZERO)? {
        crossterm::event::read()?;
    }
    Ok(())
}

/// Nothing can be done about a terminal that does not take its modes back.
fn leave_modes() {
    let _ = execute!(stdout(), DisableMouseCapture, DisableBracketedPaste);
}

impl Drop for Tty {
    fn drop(&mut self) {
        leave_modes();
        ratatui::restore();
    }
}
