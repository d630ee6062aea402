//! Reads the terminal, and turns its events into messages.

use std::io;
use std::time::Duration;

use crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers, MouseEventKind};

use tokio::sync::mpsc;

use crate::console::keymap::{Key, KeyPress};
use crate::console::msg::Msg;

/// How long the thread that reads outlives its reader.
const LINGER: Duration = Duration::from_millis(500);
/// Longest time for dropping what was typed before there was a screen.
const DROP: Duration = Duration::from_secs(1);

/// The events of the terminal, from now on. Keys that were typed before are dropped: they were not meant
/// for the console. The channel ends when the terminal cannot be read any more.
///
/// A thread of its own reads them: of a terminal that has closed, crossterm reads without an end, and
/// whoever reads then never gets to the signal that says so.
pub(super) fn events() -> io::Result<mpsc::Receiver<Event>> {
    let (out, events) = mpsc::channel(64);
    let (dropped, ready) = std::sync::mpsc::channel();
    std::thread::Builder::new().name("terminal".into()).spawn(move || {
        let mut pending = Ok(());
        while pending.is_ok() && matches!(event::poll(Duration::ZERO), Ok(true)) {
            pending = event::read().map(drop);
        }
        // Whoever has started this may not wait any more.
        let _ = dropped.send(());
        while !out.is_closed() {
            match event::poll(LINGER) {
                Ok(false) => {}
                Ok(true) => {
                    let sent = event::read().is_ok_and(|event| out.blocking_send(event).is_ok());
                    if !sent {
                        return;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return,
            }
        }
    })?;
    // Not waited for without an end, for the reason above.
    let _ = ready.recv_timeout(DROP);
    Ok(events)
}

/// What an event of the terminal means.
#[derive(Debug)]
pub(super) enum Input {
    /// A message for the console.
    Msg(Msg),
    /// ctrl-z. Not a message, because it means the same over every dialog and in every text field.
    Suspend,
}

/// What an event of the terminal means; `None` if nothing here.
pub(super) fn input(event: Event) -> Option<Input> {
    match event {
        Event::Key(KeyEvent { code: KeyCode::Char('z'), modifiers: KeyModifiers::CONTROL, kind, .. })
            if kind != KeyEventKind::Release =>
        {
            Some(Input::Suspend)
        }
        other => message(other).map(Input::Msg),
    }
}

fn message(event: Event) -> Option<Msg> {
    match event {
        Event::Key(key) if key.kind != KeyEventKind::Release => Some(Msg::Key(KeyPress {
            key: translate(key.code)?,
            ctrl: key.modifiers.contains(KeyModifiers::CONTROL),
            alt: key.modifiers.contains(KeyModifiers::ALT),
        })),
        Event::Paste(text) => Some(Msg::Paste(text)),
        Event::Resize(columns, rows) => Some(Msg::Resize(columns, rows)),
        Event::Mouse(mouse) => match mouse.kind {
            MouseEventKind::ScrollDown => Some(Msg::Scroll(3)),
            MouseEventKind::ScrollUp => Some(Msg::Scroll(-3)),
            _ => None,
        },
        _ => None,
    }
}

fn translate(code: KeyCode) -> Option<Key> {
    Some(match code {
        KeyCode::Char(c) => Key::Char(c),
        KeyCode::F(n) => Key::F(n),
        KeyCode::Enter => Key::Enter,
        KeyCode::Esc => Key::Esc,
        KeyCode::Tab => Key::Tab,
        KeyCode::BackTab => Key::BackTab,
        KeyCode::Backspace => Key::Backspace,
        KeyCode::Delete => Key::Delete,
        KeyCode::Up => Key::Up,
        KeyCode::Down => Key::Down,
        KeyCode::Left => Key::Left,
        KeyCode::Right => Key::Right,
        KeyCode::Home => Key::Home,
        KeyCode::End => Key::End,
        KeyCode::PageUp => Key::PageUp,
        KeyCode::PageDown => Key::PageDown,
        _ => return None,
    })
}
