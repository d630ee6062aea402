//! Reads the terminal, and turns its events into messages.

use std::io;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers, MouseButton, MouseEventKind};

use tokio::sync::{Notify, mpsc};

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
pub(super) fn events() -> io::Result<Keys> {
    let (out, events) = mpsc::channel(64);
    let (dropped, ready) = std::sync::mpsc::channel();
    let (hold, held) = (Arc::new(Hold::default()), Arc::new(Notify::new()));
    let (waits, tells) = (hold.clone(), held.clone());
    std::thread::Builder::new().name("terminal".into()).spawn(move || {
        drop_pending();
        // Whoever has started this may not wait any more.
        let _ = dropped.send(());
        while !out.is_closed() {
            if waits.wait(&tells, || out.is_closed()) {
                drop_pending();
            }
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
    Ok(Keys { events, hold, held })
}

/// Drops what was typed before, which was meant for somebody else.
fn drop_pending() {
    let mut pending = Ok(());
    while pending.is_ok() && matches!(event::poll(Duration::ZERO), Ok(true)) {
        pending = event::read().map(drop);
    }
}

/// The events of the terminal.
pub(super) struct Keys {
    events: mpsc::Receiver<Event>,
    hold: Arc<Hold>,
    held: Arc<Notify>,
}

impl Keys {
    /// The next one; `None` if the terminal cannot be read any more.
    pub(super) async fn recv(&mut self) -> Option<Event> {
        self.events.recv().await
    }

    /// Reads no more until [`resume`](Self::resume): another program has the terminal.
    pub(super) async fn pause(&mut self) {
        self.hold.set(true);
        // The thread may be in the middle of a wait. If it does not answer, it has ended.
        let _ = tokio::time::timeout(2 * LINGER, self.held.notified()).await;
    }

    /// Reads again; what was typed meanwhile is dropped.
    pub(super) fn resume(&mut self) {
        while self.events.try_recv().is_ok() {}
        self.hold.set(false);
    }
}

/// Keeps the thread that reads from reading.
#[derive(Default)]
struct Hold {
    on: Mutex<bool>,
    changed: Condvar,
}

impl Hold {
    fn set(&self, on: bool) {
        *self.on.lock().unwrap_or_else(PoisonError::into_inner) = on;
        self.changed.notify_all();
    }

    /// Waits as long as nothing may be read, and tells that it does. Returns whether it had to.
    fn wait(&self, held: &Notify, over: impl Fn() -> bool) -> bool {
        let mut on = self.on.lock().unwrap_or_else(PoisonError::into_inner);
        if !*on {
            return false;
        }
        held.notify_one();
        while *on && !over() {
            on = self.changed.wait_timeout(on, LINGER).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }
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
            MouseEventKind::Down(MouseButton::Left) => Some(Msg::Click(mouse.column, mouse.row)),
            MouseEventKind::Drag(MouseButton::Left) => Some(Msg::Drag(mouse.column)),
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
