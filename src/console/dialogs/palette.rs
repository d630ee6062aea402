//! The palette: finds a screen, an action or a server by name.

use super::choose::{self, Choice};
use super::{Dialog, Then};
use crate::console::action::{self, Action, Scope};
use crate::console::effect::Effect;
use crate::console::input::{Input, Typed};
use crate::console::keymap::{Key, KeyPress};
use crate::console::model::Model;
use crate::console::table::fuzzy;

/// What the palette offers.
#[derive(Debug, Clone, PartialEq)]
pub struct Offer {
    pub name: String,
    /// One line about it.
    pub doc: &'static str,
    pub choice: OfferKind,
}

/// What choosing an offer does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OfferKind {
    Act(Action),
    ServerLogs(String),
    /// Choose this.
    Choose(Choice, String),
}

pub fn open(model: &mut Model) -> Vec<Effect> {
    model.open(Dialog::Palette { input: Input::default(), selected: 0 })
}

/// Everything that can be chosen now.
fn offers(model: &Model) -> Vec<Offer> {
    let scope = Scope::Screen(model.screen);
    let here = |info: &&action::ActionInfo| info.scope == Scope::Global || info.scope == scope;
    let offered = action::all().filter(here).filter(|info| model.allows(info));
    let act = |info: &action::ActionInfo| Offer {
        name: info.name.into(),
        doc: info.doc,
        choice: OfferKind::Act(info.action),
    };
    let servers = model.screens.fleet.remote.get().into_iter().flat_map(|fleet| &fleet.servers);
    let logs = |server: &crate::core::fleet::Server| Offer {
        name: format!("logs of {}", server.name),
        doc: "",
        choice: OfferKind::ServerLogs(server.name.clone()),
    };
    offered.map(act).chain(servers.map(logs)).collect()
}

/// The offers that match a query, best first.
pub fn matches(model: &Model, query: &str) -> Vec<Offer> {
    // Whoever types `theme nope` means a theme, and nothing else that its letters are found in.
    if let Some((choice, rest)) = Choice::of_line(query) {
        return named(model, choice, rest);
    }
    let all = offers(model);
    let texts: Vec<String> = all.iter().map(|offer| format!("{}  {}", offer.name, offer.doc)).collect();
    fuzzy(query, &texts).into_iter().filter_map(|index| all.get(index).cloned()).collect()
}

/// The offers of a line such as `cluster prod`.
fn named(model: &Model, choice: Choice, rest: &str) -> Vec<Offer> {
    let offer = |name: String| Offer {
        name: format!("{} {name}", choice.word()),
        doc: "",
        choice: OfferKind::Choose(choice, name),
    };
    let found: Vec<Offer> = choose::matches(model, choice, rest).into_iter().map(|row| offer(row.name)).collect();
    match choose::typed(model, choice, rest) {
        Ok(name) if found.is_empty() => vec![offer(name)],
        _ => found,
    }
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
        Typed::Submit => match found.into_iter().nth(selected).map(|offer| offer.choice) {
            Some(OfferKind::Act(action)) => Some(Then::Act(action)),
            Some(OfferKind::ServerLogs(server)) => Some(Then::ServerLogs(server)),
            Some(OfferKind::Choose(choice, name)) => Some(Then::Choose(choice, name)),
            None => {
                let why =
                    Choice::of_line(input.text()).and_then(|(choice, rest)| choose::typed(model, choice, rest).err());
                model.refuse(why.unwrap_or_else(|| format!("nothing is called {:?}", input.text())));
                None
            }
        },
    }
}
