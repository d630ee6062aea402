//! A line of text that the operator types.

use tui_input::{Input as Buffer, InputRequest};

use super::keymap::{Key, KeyPress};

/// A line being typed, with its cursor.
#[derive(Debug, Clone, Default)]
pub struct Input(Buffer);

/// What a key did to a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Typed {
    /// It edited the line, or meant nothing to it.
    Taken,
    /// Enter.
    Submit,
    /// Escape.
    Cancel,
}

/// Longest line that can be typed, in bytes.
const MAX: usize = 1_024;

impl Input {
    /// A line with this text, the cursor at its end.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Buffer::new(text.into()))
    }

    pub fn text(&self) -> &str {
        self.0.value()
    }

    /// Cells before the cursor.
    pub fn cursor(&self) -> usize {
        self.0.visual_cursor()
    }

    /// Takes a key.
    pub fn press(&mut self, press: KeyPress) -> Typed {
        use InputRequest as R;
        let request = match (press.key, press.ctrl) {
            (Key::Enter, _) => return Typed::Submit,
            (Key::Esc, _) => return Typed::Cancel,
            (Key::Char('c'), true) => return Typed::Cancel,
            (Key::Char('u'), true) => R::DeleteLine,
            (Key::Char('w'), true) => R::DeletePrevWord,
            (Key::Char('a'), true) | (Key::Home, _) => R::GoToStart,
            (Key::Char('e'), true) | (Key::End, _) => R::GoToEnd,
            (Key::Backspace, _) => R::DeletePrevChar,
            (Key::Delete, _) => R::DeleteNextChar,
            (Key::Left, _) => R::GoToPrevChar,
            (Key::Right, _) => R::GoToNextChar,
            (Key::Char(c), false) if !press.alt && self.text().len() < MAX => R::InsertChar(c),
            _ => return Typed::Taken,
        };
        self.0.handle(request);
        Typed::Taken
    }

    /// Takes pasted text; control characters are left out.
    pub fn paste(&mut self, text: &str) {
        for c in text.chars().filter(|c| !c.is_control()) {
            if self.text().len() < MAX {
                self.0.handle(InputRequest::InsertChar(c));
            }
        }
    }
}
