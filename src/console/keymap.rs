//! Keys: parsing, printing, and which action a key means where.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use super::action::{self, Action, Scope};

/// A key press, independent of the terminal library.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyPress {
    pub key: Key,
    /// With Control.
    pub ctrl: bool,
    /// With Alt.
    pub alt: bool,
}

/// A key. Shift is part of the character.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs, reason = "they are what they are called")]
pub enum Key {
    Char(char),
    F(u8),
    Enter,
    Esc,
    Tab,
    BackTab,
    Backspace,
    Delete,
    Up,
    Down,
    Left,
    Right,
    Home,
    End,
    PageUp,
    PageDown,
}

const NAMED: &[(&str, Key)] = &[
    ("space", Key::Char(' ')),
    ("enter", Key::Enter),
    ("esc", Key::Esc),
    ("tab", Key::Tab),
    ("backtab", Key::BackTab),
    ("backspace", Key::Backspace),
    ("delete", Key::Delete),
    ("up", Key::Up),
    ("down", Key::Down),
    ("left", Key::Left),
    ("right", Key::Right),
    ("home", Key::Home),
    ("end", Key::End),
    ("pageup", Key::PageUp),
    ("pagedown", Key::PageDown),
];

impl From<Key> for KeyPress {
    fn from(key: Key) -> Self {
        Self { key, ctrl: false, alt: false }
    }
}

/// An invalid key name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a key; write a character, f1 to f12, or one of {names}, with ctrl- or alt- before it", names = names())]
pub struct BadKey(pub String);

fn names() -> String {
    NAMED.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}

impl FromStr for KeyPress {
    type Err = BadKey;

    fn from_str(text: &str) -> Result<Self, BadKey> {
        let (mut rest, mut ctrl, mut alt) = (text, false, false);
        loop {
            // A lone `-` after the modifier is the key itself.
            match rest.split_once('-') {
                Some(("ctrl", after)) if !after.is_empty() => (rest, ctrl) = (after, true),
                Some(("alt", after)) if !after.is_empty() => (rest, alt) = (after, true),
                _ => break,
            }
        }
        let mut chars = rest.chars();
        let key = match (chars.next(), chars.next()) {
            (Some(c), None) if !c.is_control() => Some(Key::Char(c)),
            _ => named_key(rest),
        };
        key.map(|key| Self { key, ctrl, alt }).ok_or_else(|| BadKey(text.to_owned()))
    }
}

fn named_key(name: &str) -> Option<Key> {
    let function = || name.strip_prefix('f')?.parse().ok().filter(|n| (1..=12).contains(n)).map(Key::F);
    NAMED.iter().find(|(named, _)| *named == name).map(|(_, key)| *key).or_else(function)
}

impl fmt::Display for KeyPress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.ctrl { "ctrl-" } else { "" })?;
        f.write_str(if self.alt { "alt-" } else { "" })?;
        match (self.key, NAMED.iter().find(|(_, key)| *key == self.key)) {
            (_, Some((name, _))) => f.write_str(name),
            (Key::Char(c), None) => write!(f, "{c}"),
            (Key::F(n), None) => write!(f, "f{n}"),
            (other, None) => write!(f, "{other:?}"),
        }
    }
}

/// Which key means what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keymap {
    bindings: BTreeMap<(Scope, KeyPress), Action>,
}

/// An invalid binding.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum BadBinding {
    #[error("keys.{0}: there is no such action; `quarterdeck keys` lists them")]
    UnknownAction(String),
    #[error("keys.{action}: {error}")]
    Key { action: String, error: BadKey },
    #[error("keys.{action}: {key} is already {other} there; bind that elsewhere too")]
    Conflict { action: String, key: String, other: &'static str },
    #[error("keys.{0}: ctrl-z suspends the console, everywhere; choose another key")]
    Suspends(String),
    #[error("keys.{action}: {key} is not a capital letter, and every write must be one")]
    NotCapital { action: String, key: String },
}

impl Default for Keymap {
    fn default() -> Self {
        let parse = |key: &str| key.parse::<KeyPress>().ok();
        let of = |info: &'static action::ActionInfo| {
            info.keys.iter().filter_map(move |key| Some(((info.scope, parse(key)?), info.action)))
        };
        Self { bindings: action::all().flat_map(of).collect() }
    }
}

impl Keymap {
    /// The default keys with some actions bound anew: action name to its keys.
    ///
    /// # Errors
    /// Names the first action or key that is invalid.
    pub fn with(overrides: &BTreeMap<String, Vec<String>>) -> Result<Self, BadBinding> {
        let mut map = Self::default();
        let mut wanted = Vec::new();
        for (name, keys) in overrides {
            let action = Action::named(name).ok_or_else(|| BadBinding::UnknownAction(name.clone()))?;
            map.bindings.retain(|_, bound| *bound != action);
            wanted.push((action, name, keys));
        }
        for (action, name, keys) in wanted {
            for key in keys {
                map.bind(action, name, key)?;
            }
        }
        Ok(map)
    }

    fn bind(&mut self, action: Action, name: &str, key: &str) -> Result<(), BadBinding> {
        let press: KeyPress = key.parse().map_err(|error| BadBinding::Key { action: name.into(), error })?;
        if press == (KeyPress { key: Key::Char('z'), ctrl: true, alt: false }) {
            return Err(BadBinding::Suspends(name.into()));
        }
        let info = action.info();
        let capital = matches!(press.key, Key::Char(c) if c.is_uppercase()) && !press.ctrl && !press.alt;
        if info.writes && !capital {
            return Err(BadBinding::NotCapital { action: name.into(), key: key.into() });
        }
        if let Some(other) = self.bindings.insert((info.scope, press), action) {
            let other = other.info().name;
            return Err(BadBinding::Conflict { action: name.into(), key: key.into(), other });
        }
        Ok(())
    }

    /// What a key means in a scope: the scope's own binding, else the global one.
    pub fn resolve(&self, scope: Scope, press: KeyPress) -> Option<Action> {
        let own = self.bindings.get(&(scope, press));
        own.or_else(|| self.bindings.get(&(Scope::Global, press))).copied()
    }

    /// The keys of an action, printed.
    pub fn keys(&self, action: Action) -> Vec<String> {
        let mut keys: Vec<String> = self
            .bindings
            .iter()
            .filter(|(_, bound)| **bound == action)
            .map(|((_, press), _)| press.to_string())
            .collect();
        keys.sort_by_key(|key| (key.len(), key.clone()));
        keys
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::screens::Screen;
    use proptest::prelude::*;
    use rstest::rstest;

    #[test]
    fn every_default_key_parses_and_none_hides_another() {
        let keys: usize = action::all().map(|info| info.keys.len()).sum();
        assert_eq!(Keymap::default().bindings.len(), keys);
    }

    #[rstest]
    #[case(Scope::Screen(Screen::Fleet), "e", Some(Action::Events))]
    #[case(Scope::Screen(Screen::Logs), "e", Some(Action::NextError))]
    #[case(Scope::Screen(Screen::Clients), "e", None)]
    #[case(Scope::Screen(Screen::Fleet), "S", Some(Action::Scale))]
    #[case(Scope::Screen(Screen::Clients), "S", None)]
    #[case(Scope::Screen(Screen::Logs), "ctrl-c", Some(Action::QuitNow))]
    fn the_scope_comes_before_the_global_keys(#[case] scope: Scope, #[case] key: &str, #[case] action: Option<Action>) {
        assert_eq!(Keymap::default().resolve(scope, key.parse().expect("a key")), action);
    }

    #[rstest]
    #[case("scael", "S", "no such action")]
    #[case("scale", "ctl-s", "is not a key")]
    #[case("scale", "T", "already restart")]
    #[case("scale", "s", "not a capital")]
    fn a_bad_binding_is_named(#[case] action: &str, #[case] key: &str, #[case] part: &str) {
        let overrides = BTreeMap::from([(action.to_owned(), vec![key.to_owned()])]);
        let error = Keymap::with(&overrides).expect_err("must be refused").to_string();
        assert!(error.contains(part) && error.contains(action), "{error}");
    }

    #[test]
    fn two_actions_can_swap_their_keys() {
        let overrides =
            BTreeMap::from([("scale".to_owned(), vec!["T".to_owned()]), ("restart".to_owned(), vec!["S".to_owned()])]);
        let map = Keymap::with(&overrides).expect("a swap is no conflict");
        assert_eq!(map.resolve(Scope::Screen(Screen::Fleet), Key::Char('S').into()), Some(Action::Restart));
    }

    proptest! {
        #[test]
        fn a_printed_key_parses_to_the_same_key(c in "[!-~]", ctrl: bool, alt: bool, f in 1u8..=12) {
            for key in [Key::Char(c.chars().next().expect("one")), Key::F(f), Key::PageUp, Key::Char(' ')] {
                let press = KeyPress { key, ctrl, alt };
                prop_assert_eq!(press.to_string().parse(), Ok(press));
            }
        }
    }
}
