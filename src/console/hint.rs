//! What helps, in the console's words: a key where the command line has a command.

use super::action::{Action, Scope};
use super::keymap::Keymap;
use super::screens::Screen;
use crate::core::error::{Hand, Refusal};

/// The hint of a refusal, to be put after the reason; empty where there is none.
pub fn after(refusal: &Refusal, keymap: &Keymap) -> String {
    let hint = refusal.hint_with(|hand| key(action(hand), keymap));
    hint.map(|hint| format!(" — {hint}")).unwrap_or_default()
}

/// The action that is this hand.
fn action(hand: Hand) -> Action {
    match hand {
        Hand::Status => Action::Show(Screen::Fleet),
        Hand::Restart => Action::Restart,
        Hand::Rollback => Action::Rollback,
        Hand::Scale => Action::Scale,
        Hand::Stacks => Action::Show(Screen::Stack),
        Hand::CancelUpdate => Action::CancelUpdate,
        Hand::ContinueRollback => Action::ContinueRollback,
        Hand::Deploy => Action::Deploy,
        Hand::Publish => Action::Publish,
        Hand::Users => Action::Show(Screen::Users),
        Hand::Quarantine => Action::Show(Screen::Clients),
        Hand::Operations => Action::Operations,
    }
}

/// How an action is called by the keys as they are bound; where none is, by its name in the palette.
pub fn key(action: Action, keymap: &Keymap) -> String {
    let info = action.info();
    let called = match (keymap.keys(action).first(), keymap.keys(Action::Palette).first()) {
        (Some(key), _) => format!("`{key}`"),
        (None, Some(palette)) => format!("`{palette}{}`", info.name),
        (None, None) => info.name.to_owned(),
    };
    match (action, info.scope) {
        (_, Scope::Screen(screen)) => format!("{called} on {}", screen.info().title),
        (Action::Show(screen), _) => format!("{called} ({})", screen.info().title),
        _ => called,
    }
}
