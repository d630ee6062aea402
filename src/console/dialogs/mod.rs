//! Dialogs over the screen, and what keys mean in them.

use crate::console::action::{ACTIONS, Action, Scope};
use crate::console::effect::Effect;
use crate::console::input::{Input, Typed};
use crate::console::keymap::{Key, KeyPress};
use crate::console::model::Model;
use crate::console::screens;
use crate::console::screens::logs::pick::{self, Pick};
use crate::console::table::{Cell, fuzzy};
use crate::console::update::{self, request_plan};
use crate::core::fleet::Bounds;
use crate::core::operation::PlanRequest;
use crate::core::operation::{Event, Facts, Intent, Operation, Phase, rotate::grace_waived};
use crate::core::plan::Confirm;

/// A dialog.
#[derive(Debug, Clone)]
pub enum Dialog {
    /// Keys of the screen.
    Help {
        /// First line shown.
        scroll: usize,
    },
    /// Finds a screen, an action or a server by name.
    Palette {
        /// The query.
        input: Input,
        /// Selected match.
        selected: usize,
    },
    /// Text to read.
    Text {
        /// Title.
        title: String,
        /// Lines.
        lines: Vec<Vec<Cell>>,
        /// First line shown.
        scroll: usize,
    },
    /// Asks for a count or bounds.
    Scale {
        /// Server name.
        server: String,
        /// What is typed.
        input: Input,
        /// Why it was not taken.
        error: Option<String>,
    },
    /// A plan is being made.
    Planning {
        /// Of what.
        title: String,
    },
    /// A plan to confirm, or an operation to watch.
    Operation {
        /// Operation id.
        id: String,
        /// First line shown.
        scroll: usize,
        /// The typed answer.
        input: Input,
        /// Why the answer was not taken.
        error: Option<String>,
    },
    /// A list of the log screen to choose from.
    Pick {
        /// What is chosen.
        pick: Pick,
        /// Selected row.
        selected: usize,
    },
    /// All operations.
    Operations {
        /// Selected row, newest first.
        selected: usize,
    },
}

/// What a palette entry does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// An action.
    Act(Action),
    /// A server's logs.
    ServerLogs(String),
}

/// Everything the palette offers, by name.
pub fn choices(model: &Model) -> Vec<(String, Choice)> {
    let scope = model.screen.scope();
    let offered = ACTIONS.iter().filter(|info| info.scope == Scope::Global || info.scope == scope);
    let mut all: Vec<(String, Choice)> =
        offered.map(|info| (format!("{}  {}", info.name, info.doc), Choice::Act(info.action))).collect();
    let servers = model.fleet.remote.get().into_iter().flat_map(|fleet| &fleet.servers);
    all.extend(servers.map(|server| (format!("logs of {}", server.name), Choice::ServerLogs(server.name.clone()))));
    all
}

/// The palette's matches for a query, best first.
pub fn matches(model: &Model, query: &str) -> Vec<(String, Choice)> {
    let all = choices(model);
    let names: Vec<String> = all.iter().map(|(name, _)| name.clone()).collect();
    let found = fuzzy(query, &names);
    found.into_iter().filter_map(|name| all.iter().find(|(other, _)| other == name).cloned()).collect()
}

/// Takes a key while a dialog is open.
pub fn press(model: &mut Model, press: KeyPress) -> Vec<Effect> {
    if (press.key, press.ctrl) == (Key::Char('c'), true) {
        return update::act(model, Action::QuitNow);
    }
    let Some(dialog) = model.dialogs.pop() else { return Vec::new() };
    match dialog {
        Dialog::Help { scroll } => {
            let last = update::available(model).len();
            scrolled(model, press, scroll, |scroll| Dialog::Help { scroll: scroll.min(last) })
        }
        Dialog::Text { title, lines, scroll } => {
            let last = lines.len().saturating_sub(1);
            let rebuild = move |scroll: usize| Dialog::Text {
                title: title.clone(),
                lines: lines.clone(),
                scroll: scroll.min(last),
            };
            scrolled(model, press, scroll, rebuild)
        }
        Dialog::Palette { input, selected } => palette(model, press, input, selected),
        Dialog::Scale { server, input, .. } => scale(model, press, server, input),
        Dialog::Planning { title } => {
            if matches!(press.key, Key::Esc | Key::Char('q')) {
                // An answer to the old generation is dropped when it comes.
                model.planning += 1;
            } else {
                model.dialogs.push(Dialog::Planning { title });
            }
            Vec::new()
        }
        Dialog::Operations { selected } => operations(model, press, selected),
        Dialog::Pick { pick, selected } => choose(model, press, pick, selected),
        Dialog::Operation { id, scroll, input, .. } => operation(model, press, Shown { id, scroll, input }),
    }
}

fn scrolled(model: &mut Model, press: KeyPress, scroll: usize, rebuild: impl Fn(usize) -> Dialog) -> Vec<Effect> {
    if matches!(press.key, Key::Esc | Key::Enter | Key::Char('q' | '?')) {
        return Vec::new();
    }
    let page = model.page();
    let scroll = step(model, press, page).map_or(scroll, |rows| scroll.saturating_add_signed(rows));
    model.dialogs.push(rebuild(scroll));
    Vec::new()
}

/// Rows that a movement key asks for.
fn step(model: &Model, press: KeyPress, page: isize) -> Option<isize> {
    match model.keymap.resolve(Scope::Global, press)? {
        Action::Down => Some(1),
        Action::Up => Some(-1),
        Action::HalfDown => Some(page / 2),
        Action::HalfUp => Some(-page / 2),
        Action::PageDown => Some(page),
        Action::PageUp => Some(-page),
        Action::Top => Some(isize::MIN),
        Action::Bottom => Some(isize::MAX),
        _ => None,
    }
}

fn palette(model: &mut Model, press: KeyPress, mut input: Input, selected: usize) -> Vec<Effect> {
    let found = matches(model, input.text());
    let last = found.len().saturating_sub(1);
    let moved = match (press.key, press.ctrl) {
        (Key::Down | Key::Tab, _) | (Key::Char('n'), true) => Some((selected + 1).min(last)),
        (Key::Up | Key::BackTab, _) | (Key::Char('p'), true) => Some(selected.saturating_sub(1)),
        _ => None,
    };
    if let Some(selected) = moved {
        model.dialogs.push(Dialog::Palette { input, selected });
        return Vec::new();
    }
    match input.press(press) {
        Typed::Cancel => Vec::new(),
        Typed::Taken => {
            model.dialogs.push(Dialog::Palette { input, selected: 0 });
            Vec::new()
        }
        Typed::Submit => match found.into_iter().nth(selected) {
            Some((_, Choice::Act(action))) => update::act(model, action),
            Some((_, Choice::ServerLogs(server))) => screens::logs::open(model, Some(&server)),
            None => model.refuse(format!("nothing is called {:?}", input.text())),
        },
    }
}

fn scale(model: &mut Model, press: KeyPress, server: String, mut input: Input) -> Vec<Effect> {
    match input.press(press) {
        Typed::Cancel => Vec::new(),
        Typed::Taken => {
            model.dialogs.push(Dialog::Scale { server, input, error: None });
            Vec::new()
        }
        Typed::Submit => match parse_scale(input.text()) {
            Ok((desired, bounds)) => request_plan(model, PlanRequest::Scale { server, desired, bounds }),
            Err(error) => {
                model.dialogs.push(Dialog::Scale { server, input, error: Some(error) });
                Vec::new()
            }
        },
    }
}

/// `3` is a desired count, `2..6` are bounds, `3 2..6` is both.
///
/// # Errors
/// Says what was expected, with the limit.
pub fn parse_scale(text: &str) -> Result<(Option<u32>, Option<Bounds>), String> {
    let expected = || {
        format!(
            "{:?} is not a count from 0 to {max} nor bounds such as 2..6",
            text.trim(),
            max = crate::core::environment::MAX_TASKS
        )
    };
    let number = |text: &str| {
        text.parse::<u32>().ok().filter(|n| *n <= crate::core::environment::MAX_TASKS).ok_or_else(expected)
    };
    let (mut desired, mut bounds) = (None, None);
    for word in text.split_whitespace() {
        if let Some((min, max)) = word.split_once("..") {
            let (min, max) = (number(min)?, number(max)?);
            if min > max {
                return Err(format!("the bounds {min}..{max} are the wrong way round"));
            }
            bounds = Some(Bounds { min, max });
        } else {
            desired = Some(number(word)?);
        }
    }
    if desired.is_none() && bounds.is_none() { Err(expected()) } else { Ok((desired, bounds)) }
}

fn operations(model: &mut Model, press: KeyPress, selected: usize) -> Vec<Effect> {
    let last = model.operations.len().saturating_sub(1);
    let page = model.page();
    match press.key {
        Key::Esc | Key::Char('q' | 'o') => {}
        Key::Enter => {
            // The list shows the newest first.
            if let Some(operation) = model.operations.iter().rev().nth(selected) {
                let id = operation.id().to_owned();
                model.dialogs.push(Dialog::Operation { id, scroll: 0, input: Input::default(), error: None });
            }
        }
        _ => {
            let rows = step(model, press, page).unwrap_or(0);
            model.dialogs.push(Dialog::Operations { selected: selected.saturating_add_signed(rows).min(last) });
        }
    }
    Vec::new()
}

fn choose(model: &mut Model, press: KeyPress, pick: Pick, selected: usize) -> Vec<Effect> {
    let rows = pick::rows(model, pick);
    let selected = selected.min(rows.len().saturating_sub(1));
    match (press.key, rows.get(selected)) {
        (Key::Esc | Key::Char('q'), _) | (_, None) => Vec::new(),
        (Key::Enter, _) if pick.toggles() => Vec::new(),
        (Key::Enter | Key::Char(' '), Some(row)) => {
            if pick.toggles() {
                model.dialogs.push(Dialog::Pick { pick, selected });
            }
            pick::choose(model, row)
        }
        _ => {
            let rows_moved = step(model, press, model.page()).unwrap_or(0);
            let selected = selected.saturating_add_signed(rows_moved).min(rows.len().saturating_sub(1));
            model.dialogs.push(Dialog::Pick { pick, selected });
            Vec::new()
        }
    }
}

/// The operation dialog, taken off the stack while its key is handled.
struct Shown {
    id: String,
    scroll: usize,
    input: Input,
}

impl Shown {
    /// Moves the view, by no more lines than the sheet can have.
    fn scroll(&mut self, model: &Model, press: KeyPress) {
        let lines = model.operation(&self.id).map_or(0, |operation| {
            let plan = &operation.plan;
            (operation.steps().len() + plan.changes.len() + plan.warnings.len() + plan.commands.len()) * 2 + 10
        });
        if let Some(rows) = step(model, press, model.page()) {
            self.scroll = self.scroll.saturating_add_signed(rows).min(lines);
        }
    }

    fn put_back(self, model: &mut Model, error: Option<String>) -> Vec<Effect> {
        model.dialogs.push(Dialog::Operation { id: self.id, scroll: self.scroll, input: self.input, error });
        Vec::new()
    }
}

fn operation(model: &mut Model, press: KeyPress, mut shown: Shown) -> Vec<Effect> {
    let Some(operation) = model.operation(&shown.id) else { return Vec::new() };
    let asks = matches!(operation.phase, Phase::Proposed | Phase::Consent(_));
    let confirm = operation.plan.confirm.clone();
    if asks {
        return answer(model, press, shown, &confirm);
    }
    match model.keymap.resolve(Scope::Operation, press) {
        Some(Action::Resume) => resume(model, shown, Facts::new()),
        Some(Action::FinishNow) => finish_now(model, shown),
        Some(Action::Undo) => undo(model, shown),
        Some(Action::Back | Action::Quit | Action::Open) => Vec::new(),
        _ => {
            shown.scroll(model, press);
            shown.put_back(model, None)
        }
    }
}

fn answer(model: &mut Model, press: KeyPress, mut shown: Shown, confirm: &Confirm) -> Vec<Effect> {
    let id = shown.id.clone();
    if let Confirm::Typed(name) = confirm {
        return match shown.input.press(press) {
            Typed::Cancel => update::operation_event(model, &id, Event::Refuse("not confirmed".into())),
            Typed::Taken => shown.put_back(model, None),
            Typed::Submit if confirm.accepts(shown.input.text()) => {
                shown.input = Input::default();
                shown.put_back(model, None);
                update::operation_event(model, &id, Event::Answer(name.clone()))
            }
            Typed::Submit => {
                let error = format!("that is not {name:?}; type it, or esc to leave everything as it is");
                shown.put_back(model, Some(error))
            }
        };
    }
    match press.key {
        Key::Char('y' | 'Y') if !press.ctrl && !press.alt => {
            shown.put_back(model, None);
            update::operation_event(model, &id, Event::Answer("y".into()))
        }
        Key::Esc | Key::Char('n' | 'q') => update::operation_event(model, &id, Event::Refuse("not confirmed".into())),
        _ => {
            shown.scroll(model, press);
            shown.put_back(model, None)
        }
    }
}

fn resume(model: &mut Model, shown: Shown, facts: Facts) -> Vec<Effect> {
    let id = shown.id.clone();
    shown.put_back(model, None);
    if model.context.read_only {
        return model.refuse("read-only: nothing can be resumed");
    }
    if let Some(why) = elsewhere(model, &id) {
        return model.refuse(why);
    }
    update::operation_event(model, &id, Event::Resume(facts))
}

/// Why an operation that the audit kept is not this console's to go on with: names are the same in
/// every account.
fn elsewhere(model: &Model, id: &str) -> Option<String> {
    let theirs = &model.operation(id)?.plan.target.account;
    match model.identity.get() {
        Some(identity) if identity.account == *theirs => None,
        Some(identity) => Some(format!("that operation is of account {theirs}; this is {}", identity.account)),
        None => Some("it is not known yet in which account this console works; try again".to_owned()),
    }
}

/// Waives what is left of a grace period, whether the operation waits in it or was left in it.
fn finish_now(model: &mut Model, shown: Shown) -> Vec<Effect> {
    let id = shown.id.clone();
    let rotates = model.operation(&id).is_some_and(|operation| matches!(operation.plan.intent, Intent::Rotate(_)));
    if !rotates {
        shown.put_back(model, None);
        return model.refuse("only a rotation has a grace period to waive");
    }
    resume(model, shown, grace_waived())
}

fn undo(model: &mut Model, shown: Shown) -> Vec<Effect> {
    let id = shown.id.clone();
    let found = model
        .operation(&id)
        .map(|operation| (operation.plan.clone(), operation.facts().clone(), operation.phase.clone()));
    let Some((plan, learnt, phase)) = found else { return Vec::new() };
    if !matches!((&plan.intent, &phase), (Intent::Rotate(_), Phase::Running | Phase::Paused { .. })) {
        shown.put_back(model, None);
        return model.refuse("only an unfinished rotation can be taken back");
    }
    if model.operation(&id).is_some_and(Operation::writing) {
        shown.put_back(model, None);
        return model.refuse("a write is under way; take it back when its answer is known");
    }
    let mut effects = update::operation_event(model, &id, Event::Leave("to take it back".into()));
    effects.extend(request_plan(model, PlanRequest::UndoRotation { plan: Box::new(plan), learnt }));
    effects
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("3", Ok((Some(3), None)))]
    #[case("2..6", Ok((None, Some(Bounds { min: 2, max: 6 }))))]
    #[case("3 2..6", Ok((Some(3), Some(Bounds { min: 2, max: 6 }))))]
    #[case("0", Ok((Some(0), None)))]
    fn scales(#[case] text: &str, #[case] expected: Result<(Option<u32>, Option<Bounds>), String>) {
        assert_eq!(parse_scale(text), expected);
    }

    #[rstest]
    #[case("-1")]
    #[case("10000")]
    #[case("")]
    #[case("many")]
    #[case("6..2")]
    fn bad_scales_are_explained(#[case] text: &str) {
        assert!(parse_scale(text).is_err());
    }
}
