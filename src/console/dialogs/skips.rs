//! What a rollback that is gone on with is to leave as it is.

use std::collections::BTreeSet;

use super::{Dialog, Then, rows};
use crate::console::keymap::{Key, KeyPress};
use crate::console::model::Model;
use crate::core::operation::PlanRequest;
use crate::core::stack::Skip;

/// The list, with what is chosen of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skips {
    /// Name of the stack.
    pub stack: String,
    pub offered: Vec<Skip>,
    /// Names of those that are left as they are.
    pub chosen: BTreeSet<String>,
    pub selected: usize,
}

impl Skips {
    pub fn of(stack: &str, offered: Vec<Skip>) -> Self {
        Self { stack: stack.to_owned(), offered, chosen: BTreeSet::new(), selected: 0 }
    }
}

pub(super) fn press(model: &mut Model, press: KeyPress, mut skips: Skips) -> Option<Then> {
    let last = skips.offered.len().saturating_sub(1);
    match press.key {
        Key::Esc | Key::Char('q') => return None,
        Key::Enter => {
            let skip = skips.chosen.into_iter().collect();
            return Some(Then::Plan(PlanRequest::ContinueRollback { stack: skips.stack, skip }));
        }
        Key::Char(' ') => {
            if let Some(one) = skips.offered.get(skips.selected)
                && !skips.chosen.remove(&one.name)
            {
                skips.chosen.insert(one.name.clone());
            }
        }
        _ => {
            let moved = rows(model, press).unwrap_or(0);
            skips.selected = skips.selected.saturating_add_signed(moved).min(last);
        }
    }
    model.dialogs.push(Dialog::Skips(skips));
    None
}
