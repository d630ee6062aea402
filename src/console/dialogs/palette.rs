//! The palette: finds a screen, an action or a server by name.

use super::{Dialog, Then};
use crate::console::action::{self, Action, Scope};
use crate::console::effect::Effect;
use crate::console::input::{Input, Typed};
use crate::console::keymap::{Key, KeyPress};
use crate::console::model::Model;
use crate::console::table::fuzzy;

/// An entry of the palette.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    pub name: String,
    /// One line about it.
    pub doc: &'static str,
    pub choice: Choice,
}

/// What choosing an entry does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    Act(Action),
    ServerLogs(String),
}

pub fn open(model: &mut Model) -> Vec<Effect> {
    model.open(Dialog::Palette { input: Input::default(), selected: 0 })
}

/// Everything that can be chosen now.
fn entries(model: &Model) -> Vec<Entry> {
    let scope = Scope::Screen(model.screen);
    let offered = action::all().filter(|info| info.scope == Scope::Global || info.scope == scope);
    let act =
        |info: &action::ActionInfo| Entry { name: info.name.into(), doc: info.doc, choice: Choice::Act(info.action) };
    let servers = model.screens.fleet.remote.get().into_iter().flat_map(|fleet| &fleet.servers);
    let logs = |server: &crate::core::fleet::Server| Entry {
        name: format!("logs of {}", server.name),
        doc: "",
        choice: Choice::ServerLogs(server.name.clone()),
    };
    offered.map(act).chain(servers.map(logs)).collect()
}

/// The entries that match a query, best first.
pub fn matches(model: &Model, query: &str) -> Vec<Entry> {
    let all = entries(model);
    let texts: Vec<String> = all.iter().map(|entry| format!("{}  {}", entry.name, entry.doc)).collect();
    fuzzy(query, &texts).into_iter().filter_map(|index| all.get(index).cloned()).collect()
}

pub(super) fn press(model: &mut Model, press: KeyPress, mut input: Input, selected: usize) -> Option<Then> {
    let found = matches(model, input.text());
    let last = found.len().saturating_sub(1);
    let moved = match (press.key, press.ctrl) {
        (Key::Down | Key::Tab, _) | (Key::Char('n'), true) => Some((selected + 1).min(last)),
        (Key::Up | Key::BackTab, _) | (Key::Char('p'), true) => Some(selected.saturating_sub(1)),
        _ => None,
    };
    if let Some(selected) = moved {
        model.dialogs.push(Dialog::Palette { input, selected });
        return None;
    }
    match input.press(press) {
        Typed::Cancel => None,
        Typed::Taken => {
            model.dialogs.push(Dialog::Palette { input, selected: 0 });
            None
        }
        Typed::Submit => match found.into_iter().nth(selected).map(|entry| entry.choice) {
            Some(Choice::Act(action)) => Some(Then::Act(action)),
            Some(Choice::ServerLogs(server)) => Some(Then::ServerLogs(server)),
            None => {
                model.refuse(format!("nothing is called {:?}", input.text()));
                None
            }
        },
    }
}
