//! A list of the log screen to choose from.

use super::{Dialog, Then, rows};
use crate::console::keymap::{Key, KeyPress};
use crate::console::model::Model;
use crate::console::screens::logs::pick::{self, Pick};

pub(super) fn press(model: &mut Model, press: KeyPress, pick: Pick, selected: usize) -> Option<Then> {
    let offered = pick::rows(model, pick);
    let last = offered.len().saturating_sub(1);
    let selected = selected.min(last);
    match (press.key, offered.get(selected)) {
        (Key::Esc | Key::Char('q'), _) | (_, None) => {}
        (Key::Enter, _) if pick.toggles() => {}
        (Key::Enter | Key::Char(' '), Some(row)) => {
            if pick.toggles() {
                model.dialogs.push(Dialog::Pick { pick, selected });
            }
            pick::choose(model, row);
        }
        _ => {
            let moved = rows(model, press).unwrap_or(0);
            model.dialogs.push(Dialog::Pick { pick, selected: selected.saturating_add_signed(moved).min(last) });
        }
    }
    None
}
