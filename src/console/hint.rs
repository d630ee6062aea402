//! What helps, in the console's words: a key where the command line has a command.

use super::action::{Action, Scope};
use super::keymap::Keymap;
use super::model::Model;
use super::screens::Screen;
use super::table::Table;
use crate::core::doctor::Fix;
use crate::core::error::{CloudError, ErrorKind, Hand, Refusal};
use crate::core::finding::Id;
use crate::core::operation::{Operation, rescue};

/// The hint of a refusal, to be put after the reason; empty where there is none.
pub fn after(refusal: &Refusal, model: &Model) -> String {
    let hint = refusal.hint_with(|hand| by_key(hand, model));
    ended(hint.map(|hint| of_kind(refusal.kind, hint, model)))
}

/// The hint of a failed call, in the same way.
pub fn after_error(error: &CloudError, model: &Model) -> String {
    ended(of(error, model))
}

/// What helps where a call failed.
pub fn of(error: &CloudError, model: &Model) -> Option<String> {
    Some(of_kind(error.kind, error.hint.clone()?, model))
}

/// What helps where this was found.
pub fn fix(id: Id, model: &Model) -> String {
    id.fix_with(|hand| by_key(hand, model))
}

/// What takes back what an operation has been waiting for too long, if it has.
pub fn hangs(operation: &Operation, model: &Model) -> Option<String> {
    let hands = rescue::hands(operation, model.now);
    let words = |hand: &Hand| Some(format!("{} {}", by_key(*hand, model)?, action(*hand).info().doc));
    let all: Vec<String> = hands.iter().filter_map(words).collect();
    (!all.is_empty()).then(|| format!("does it hang? {}", all.join("; ")))
}

/// What helps at a link of Doctor's.
pub fn at_link(fix: &Fix, model: &Model) -> String {
    match fix {
        Fix::Finding(id) => self::fix(*id, model),
        Fix::Call(error) => of(error, model).unwrap_or_else(|| fix.to_string()),
        Fix::Words(words) => words.clone(),
        Fix::Ways(..) => fix.with(|hand| by_key(hand, model)),
    }
}

/// What helps where a place beside the one that is shown was not reached or not read. Keys act in the place that is
/// shown, so of them only the one that signs in helps there, where both have their credentials from one profile.
pub fn beside(kind: ErrorKind, hint: &str, profile: Option<&str>, model: &Model) -> String {
    match kind {
        ErrorKind::Expired | ErrorKind::NoCredentials if profile == model.context.profile.as_deref() => {
            of_kind(kind, hint.to_owned(), model)
        }
        ErrorKind::Denied if kind.hint() == Some(hint) => "the role there lacks this permission".to_owned(),
        _ => hint.to_owned(),
    }
}

/// What is pressed from here for an action: its key, behind that of its screen where that is another one; where it has
/// none, its name in the palette. `None` where no key leads to it now.
pub fn keys(model: &Model, action: Action) -> Option<String> {
    let info = action.info();
    if !model.allows(info) {
        return None;
    }
    let first = |action| model.keymap.keys(action).into_iter().next();
    let named = || Some(format!("{}{}", first(Action::Palette)?, info.name));
    let key = first(action).or_else(named)?;
    match info.scope {
        Scope::Screen(screen) if screen != model.screen => Some(format!("{} {key}", first(Action::Show(screen))?)),
        _ => Some(key),
    }
}

/// What a key does, as the end of a sentence: `; D plans a deploy`. Empty where no key does it now.
pub fn then(model: &Model, action: Action, does: &str) -> String {
    keys(model, action).map(|key| format!("; {key} {does}")).unwrap_or_default()
}

/// Why a table that has rows shows none, and what shows them: `faults` is the action that hides what is well.
pub fn nothing_shown(model: &Model, table: &Table, faults: Option<Action>) -> String {
    match faults.filter(|_| table.faults_only && table.filter.trim().is_empty()) {
        Some(faults) => format!("nothing is wrong here{}", then(model, faults, "shows everything")),
        None => format!("nothing matches the filter{}", then(model, Action::Back, "shows everything")),
    }
}

/// How a hand is called by the keys; `None` where no key writes, and the command says more.
fn by_key(hand: Hand, model: &Model) -> Option<String> {
    let action = action(hand);
    model.allows(action.info()).then(|| key(action, &model.keymap))
}

fn ended(hint: Option<String>) -> String {
    hint.map(|hint| format!(" — {hint}")).unwrap_or_default()
}

/// What helps against every failure of a kind can be a key. Whatever knows it more precisely has said it better.
fn of_kind(kind: ErrorKind, hint: String, model: &Model) -> String {
    match kind {
        ErrorKind::Expired | ErrorKind::NoCredentials => match model.context.renewal() {
            Some(command) => format!("{} runs `{}`", key(Action::SignIn, &model.keymap), command.join(" ")),
            None => hint,
        },
        ErrorKind::Denied if !model.context.local && kind.hint() == Some(hint.as_str()) => {
            let profile = key(Action::Profile, &model.keymap);
            format!("the role lacks this permission; {profile} goes to another profile")
        }
        _ => hint,
    }
}

/// The action that is this hand.
fn action(hand: Hand) -> Action {
    match hand {
        Hand::Status => Action::Show(Screen::Fleet),
        Hand::Restart => Action::Restart,
        Hand::Rollback => Action::Rollback,
        Hand::Scale => Action::Scale,
        Hand::StopDeployment => Action::StopDeployment,
        Hand::StopTask => Action::StopTask,
        Hand::Stacks => Action::Show(Screen::Stack),
        Hand::CancelUpdate => Action::CancelUpdate,
        Hand::ContinueRollback => Action::ContinueRollback,
        Hand::Deploy => Action::Deploy,
        Hand::Publish => Action::Publish,
        Hand::Users => Action::Show(Screen::Users),
        Hand::Quarantine => Action::Show(Screen::Clients),
        Hand::ShiftZone => Action::ShiftZone,
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
