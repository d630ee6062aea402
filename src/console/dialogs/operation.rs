//! The sheet of an operation: its plan to confirm, then its steps to watch.

use super::{Dialog, Then, scrolled};
use crate::console::action::{Action, Scope};
use crate::console::input::{Input, Typed};
use crate::console::keymap::{Key, KeyPress};
use crate::console::model::Model;
use crate::core::operation::{Event, Phase};
use crate::core::plan::Confirm;

/// The dialog, taken off the stack while its key is handled.
pub(super) struct Sheet {
    pub(super) id: String,
    pub(super) scroll: usize,
    pub(super) input: Input,
}

impl Sheet {
    /// Stays open, and says why what was typed was not taken.
    fn stay(self, model: &mut Model, error: Option<String>) {
        model.dialogs.push(Dialog::Operation { id: self.id, scroll: self.scroll, input: self.input, error });
    }

    fn scroll(mut self, model: &mut Model, press: KeyPress) {
        self.scroll = scrolled(model, press, self.scroll);
        self.stay(model, None);
    }

    /// Says no. The sheet of an operation that was left stays: it is as it was before the question.
    fn refuse(self, model: &mut Model) -> Option<Then> {
        let then = self.tell(Event::Refuse("not confirmed".into()));
        if model.operation(&self.id).is_some_and(|operation| matches!(operation.phase, Phase::Offered { .. })) {
            self.stay(model, None);
        }
        then
    }

    fn tell(&self, event: Event) -> Option<Then> {
        Some(Then::Tell { operation: self.id.clone(), event })
    }
}

pub(super) fn press(model: &mut Model, press: KeyPress, sheet: Sheet) -> Option<Then> {
    let operation = model.operation(&sheet.id)?;
    if operation.asks() {
        let confirm = operation.confirm().clone();
        return match confirm {
            Confirm::Typed(name) => type_name(model, press, sheet, name),
            Confirm::Yes => answer(model, press, sheet),
        };
    }
    match model.keymap.resolve(Scope::Operation, press) {
        Some(action) if action.info().scope == Scope::Operation => {
            sheet.stay(model, None);
            Some(Then::Act(action))
        }
        Some(Action::Back | Action::Quit | Action::Open) => None,
        _ => {
            sheet.scroll(model, press);
            None
        }
    }
}

fn type_name(model: &mut Model, press: KeyPress, mut sheet: Sheet, name: String) -> Option<Then> {
    // Letters are typed, so these keys alone are left to read the plan to its end.
    if matches!(press.key, Key::Up | Key::Down | Key::PageUp | Key::PageDown) {
        sheet.scroll(model, press);
        return None;
    }
    match sheet.input.press(press) {
        Typed::Cancel => sheet.refuse(model),
        Typed::Taken => {
            sheet.stay(model, None);
            None
        }
        Typed::Submit if sheet.input.text() == name => {
            let then = sheet.tell(Event::Answer(name));
            sheet.input = Input::default();
            sheet.stay(model, None);
            then
        }
        Typed::Submit => {
            let error = format!("that is not {name:?}; type it, or esc to leave everything as it is");
            sheet.stay(model, Some(error));
            None
        }
    }
}

fn answer(model: &mut Model, press: KeyPress, sheet: Sheet) -> Option<Then> {
    match press.key {
        Key::Char('y' | 'Y') if !press.ctrl && !press.alt => {
            let then = sheet.tell(Event::Answer("y".into()));
            sheet.stay(model, None);
            then
        }
        Key::Esc | Key::Char('n' | 'q') => sheet.refuse(model),
        _ => {
            sheet.scroll(model, press);
            None
        }
    }
}
