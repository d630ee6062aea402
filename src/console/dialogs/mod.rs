//! Dialogs over the screen, and what keys mean in them. A dialog changes only itself. For anything else
//! it returns a [`Then`], which `update` carries out.

pub mod choose;
pub mod keep_out;
pub mod operation;
pub mod operations;
pub mod palette;
mod pick;
pub mod scale;
pub mod skips;

use self::choose::Choice;
use self::keep_out::KeepOut;
use self::skips::Skips;
use super::action::{Action, Scope};
use super::effect::Effect;
use super::input::Input;
use super::keymap::{Key, KeyPress};
use super::model::Model;
use super::screens::logs::pick::Pick;
use super::table::Cell;
use crate::core::operation::{Event, PlanRequest};

#[derive(Debug, Clone)]
pub enum Dialog {
    /// Keys of the screen.
    Help {
        /// First line shown.
        scroll: usize,
        /// What is searched for.
        input: Input,
    },
    /// Finds a screen, an action or a server by name.
    Palette { input: Input, selected: usize },
    /// Text to read.
    Text {
        title: String,
        lines: Vec<Vec<Cell>>,
        /// First line shown.
        scroll: usize,
    },
    /// Asks for a count or bounds.
    Scale {
        server: String,
        input: Input,
        /// Why what was typed was not taken.
        error: Option<String>,
    },
    /// Asks how long somebody is to be kept out.
    KeepOut(KeepOut),
    /// Asks what a rollback that is gone on with leaves as it is.
    Skips(Skips),
    /// A plan is being made.
    Planning {
        /// What is planned.
        title: String,
    },
    /// A plan to confirm, or an operation to watch.
    Operation {
        id: String,
        /// First line shown.
        scroll: usize,
        input: Input,
        /// Why the answer was not taken.
        error: Option<String>,
    },
    /// A list of the log screen to choose from.
    Pick { pick: Pick, selected: usize },
    /// A list to choose from by typing.
    Choose { choice: Choice, input: Input, selected: usize },
    Operations {
        /// Selected row, newest first.
        selected: usize,
    },
}

/// What a dialog asks for after a key.
#[derive(Debug, Clone, PartialEq)]
pub enum Then {
    Act(Action),
    /// Show the logs of this server.
    ServerLogs(String),
    Plan(PlanRequest),
    /// Take what was chosen, by its name.
    Choose(Choice, String),
    /// Give an operation an event.
    Tell {
        operation: String,
        event: Event,
    },
}

impl Dialog {
    /// The line that is typed in it.
    pub fn input(&mut self) -> Option<&mut Input> {
        match self {
            Self::Palette { input, .. }
            | Self::Scale { input, .. }
            | Self::Operation { input, .. }
            | Self::Choose { input, .. }
            | Self::Help { input, .. } => Some(input),
            Self::KeepOut(KeepOut { input, .. }) => Some(input),
            Self::Text { .. }
            | Self::Planning { .. }
            | Self::Pick { .. }
            | Self::Skips(_)
            | Self::Operations { .. } => None,
        }
    }
}

/// Opens the keys of the screen.
pub fn open_help(model: &mut Model) -> Vec<Effect> {
    model.open(Dialog::Help { scroll: 0, input: Input::default() })
}

/// Takes a key while a dialog is open.
pub(super) fn press(model: &mut Model, press: KeyPress) -> Option<Then> {
    if (press.key, press.ctrl) == (Key::Char('c'), true) {
        return Some(Then::Act(Action::QuitNow));
    }
    // The dialog is taken off the stack while it handles the key, and put back if it stays open.
    match model.dialogs.pop()? {
        Dialog::Help { scroll, input } => help(model, press, scroll, input),
        Dialog::Text { title, lines, scroll } => {
            read(model, press, scroll, |scroll| Dialog::Text { title, lines, scroll })
        }
        Dialog::Palette { input, selected } => palette::press(model, press, input, selected),
        Dialog::Scale { server, input, .. } => scale::press(model, press, server, input),
        Dialog::KeepOut(asked) => keep_out::press(model, press, asked),
        Dialog::Skips(skips) => skips::press(model, press, skips),
        Dialog::Planning { title } => {
            match press.key {
                // An answer to the old generation is dropped when it comes.
                Key::Esc | Key::Char('q') => model.planning += 1,
                _ => model.dialogs.push(Dialog::Planning { title }),
            }
            None
        }
        Dialog::Operations { selected } => operations::press(model, press, selected),
        Dialog::Pick { pick, selected } => pick::press(model, press, pick, selected),
        Dialog::Choose { choice, input, selected } => choose::press(model, press, choice, input, selected),
        Dialog::Operation { id, scroll, input, .. } => {
            operation::press(model, press, operation::Sheet { id, scroll, input })
        }
    }
}

/// The keys: what is typed searches them, so that only keys which type nothing scroll. `?` closes it, as it opened it.
fn help(model: &mut Model, press: KeyPress, scroll: usize, mut input: Input) -> Option<Then> {
    let types = matches!(press.key, Key::Char(_)) && !press.ctrl && !press.alt;
    let searched = !input.text().is_empty();
    match press.key {
        Key::Enter => return None,
        Key::Esc | Key::Char('?') if !searched => return None,
        Key::Esc => model.dialogs.push(Dialog::Help { scroll: 0, input: Input::default() }),
        // It searches everywhere else, and here no other key is needed.
        Key::Char('/') if !searched => model.dialogs.push(Dialog::Help { scroll, input }),
        _ if types || matches!(press.key, Key::Backspace) => {
            input.press(press);
            model.dialogs.push(Dialog::Help { scroll: 0, input });
        }
        _ => {
            let scroll = scrolled(model, press, scroll);
            model.dialogs.push(Dialog::Help { scroll, input });
        }
    }
    None
}

/// A text to read: it scrolls, and any closing key closes it.
fn read(model: &mut Model, press: KeyPress, scroll: usize, back: impl FnOnce(usize) -> Dialog) -> Option<Then> {
    if matches!(press.key, Key::Esc | Key::Enter | Key::Char('q' | '?')) {
        return None;
    }
    let scroll = scrolled(model, press, scroll);
    model.dialogs.push(back(scroll));
    None
}

/// Where a movement key scrolls to, within what was drawn last.
fn scrolled(model: &Model, press: KeyPress, scroll: usize) -> usize {
    let last = model.viewport.last;
    rows(model, press).map_or(scroll, |rows| scroll.min(last).saturating_add_signed(rows).min(last))
}

/// Rows that a movement key asks for.
fn rows(model: &Model, press: KeyPress) -> Option<isize> {
    let page = model.page();
    match model.keymap.resolve(Scope::Global, press)? {
        Action::Down => Some(1),
        Action::Up => Some(-1),
        Action::HalfDown => Some(page / 2),
        Action::HalfUp => Some(-page / 2),
        Action::PageDown => Some(page),
        Action::PageUp => Some(-page),
        Action::Top => Some(isize::MIN),
        Action::Bottom => Some(isize::MAX),
        _ => None,
    }
}
