//! The sheet of an operation: its plan to confirm, then its steps to watch.

use super::{Dialog, Then, scrolled};
use crate::console::action::{Action, Scope};
use crate::console::input::{Input, Typed};
use crate::console::keymap::{Key, KeyPress};
use crate::console::model::Model;
use crate::core::operation::{Event, Phase};
use crate::core::plan::Confirm;

/// The dialog, taken off the stack while its key is handled.
pub(super) struct Shown {
    pub(super) id: String,
    pub(super) scroll: usize,
    pub(super) input: Input,
}

impl Shown {
    /// Stays open, and says why what was typed was not taken.
    fn stay(self, model: &mut Model, error: Option<String>) {
        model.dialogs.push(Dialog::Operation { id: self.id, scroll: self.scroll, input: self.input, error });
    }

    fn scroll(mut self, model: &mut Model, press: KeyPress) {
        self.scroll = scrolled(model, press, self.scroll);
        self.stay(model, None);
    }

    fn tell(&self, event: Event) -> Option<Then> {
        Some(Then::Tell { operation: self.id.clone(), event })
    }
}

pub(super) fn press(model: &mut Model, press: KeyPress, shown: Shown) -> Option<Then> {
    let operation = model.operation(&shown.id)?;
    if matches!(operation.phase, Phase::Proposed | Phase::Consent(_)) {
        let confirm = operation.plan.confirm.clone();
        return match confirm {
            Confirm::Typed(name) => type_name(model, press, shown, name),
            Confirm::Yes => answer(model, press, shown),
        };
    }
    match model.keymap.resolve(Scope::Operation, press) {
        Some(action) if action.info().scope == Scope::Operation => {
            shown.stay(model, None);
            Some(Then::Act(action))
        }
        Some(Action::Back | Action::Quit | Action::Open) => None,
        _ => {
            shown.scroll(model, press);
            None
        }
    }
}

fn type_name(model: &mut Model, press: KeyPress, mut shown: Shown, name: String) -> Option<Then> {
    match shown.input.press(press) {
        Typed::Cancel => shown.tell(Event::Refuse("not confirmed".into())),
        Typed::Taken => {
            shown.stay(model, None);
            None
        }
        Typed::Submit if shown.input.text() == name => {
            let then = shown.tell(Event::Answer(name));
            shown.input = Input::default();
            shown.stay(model, None);
            then
        }
        Typed::Submit => {
            let error = format!("that is not {name:?}; type it, or esc to leave everything as it is");
            shown.stay(model, Some(error));
            None
        }
    }
}

fn answer(model: &mut Model, press: KeyPress, shown: Shown) -> Option<Then> {
    match press.key {
        Key::Char('y' | 'Y') if !press.ctrl && !press.alt => {
            let then = shown.tell(Event::Answer("y".into()));
            shown.stay(model, None);
            then
        }
        Key::Esc | Key::Char('n' | 'q') => shown.tell(Event::Refuse("not confirmed".into())),
        _ => {
            shown.scroll(model, press);
            None
        }
    }
}
