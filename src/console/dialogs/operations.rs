//! The list of all operations.

use super::{Dialog, Then, rows};
use crate::console::action::{Action, Scope};
use crate::console::effect::Effect;
use crate::console::input::Input;
use crate::console::keymap::{Key, KeyPress};
use crate::console::model::Model;

pub fn open(model: &mut Model) -> Vec<Effect> {
    model.open(Dialog::Operations { selected: 0 })
}

/// The action on an operation that a key means.
fn acts(model: &Model, press: KeyPress) -> Option<Action> {
    let action = model.keymap.resolve(Scope::Operation, press)?;
    (action.info().scope == Scope::Operation).then_some(action)
}

pub(super) fn press(model: &mut Model, press: KeyPress, selected: usize) -> Option<Then> {
    let last = model.operations.len().saturating_sub(1);
    match press.key {
        Key::Esc | Key::Char('q' | 'o') => {}
        Key::Enter => {
            // The list shows the newest first.
            if let Some(operation) = model.operations.iter().rev().nth(selected) {
                let id = operation.id().to_owned();
                model.open(Dialog::Operation { id, scroll: 0, input: Input::default(), error: None });
            }
        }
        _ if let Some(action) = acts(model, press) => {
            // It acts on the selected one, whose sheet shows what comes of it.
            let id = model.operations.iter().rev().nth(selected).map(|operation| operation.id().to_owned());
            model.dialogs.push(Dialog::Operations { selected });
            if let Some(id) = id {
                model.open(Dialog::Operation { id, scroll: 0, input: Input::default(), error: None });
                return Some(Then::Act(action));
            }
        }
        _ => {
            let rows = rows(model, press).unwrap_or(0);
            model.dialogs.push(Dialog::Operations { selected: selected.saturating_add_signed(rows).min(last) });
        }
    }
    None
}
