//! Takes the terminal and gives it back, after a panic too: raw mode, the alternate screen, paste and mouse.

use std::io::{self, Stdout, stdout};
use std::time::Duration;

use crossterm::event::{DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste, EnableMouseCapture};
use crossterm::execute;
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;

/// The terminal while the console runs. Dropping it gives the terminal back as it was.
pub(super) struct Tty {
    /// What is drawn on.
    pub(super) terminal: Terminal<CrosstermBackend<Stdout>>,
}

impl Tty {
    /// Takes the terminal. After a panic it is given back before the panic is reported.
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

/// Drops the keys that were typed before there was a screen: they were not meant for it.
fn discard_typed() -> io::Result<()> {
    while crossterm::event::poll(Duration::ZERO)? {
        crossterm::event::read()?;
    }
    Ok(())
}

/// Turns off paste and mouse. If that fails, nothing can be done about it.
fn leave_modes() {
    let _ = execute!(stdout(), DisableMouseCapture, DisableBracketedPaste);
}

impl Drop for Tty {
    fn drop(&mut self) {
        leave_modes();
        ratatui::restore();
    }
}
