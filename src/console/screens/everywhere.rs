//! What keys do on every screen: move, filter, sort, open, leave.

use super::Body;
use crate::console::effect::Effect;
use crate::console::model::{Model, Prompt, PromptKind};
use crate::console::table::Move;

/// Moves the selection.
pub fn go(model: &mut Model, to: Move) -> Vec<Effect> {
    match model.screen.info().body {
        Body::Table { view, state } => {
            let rows = view(model).rows;
            state(model).go(&rows, to);
            Vec::new()
        }
        Body::Lines { go, .. } => go(model, to),
    }
}

pub fn down(model: &mut Model) -> Vec<Effect> {
    go(model, Move::By(1))
}

pub fn up(model: &mut Model) -> Vec<Effect> {
    go(model, Move::By(-1))
}

pub fn top(model: &mut Model) -> Vec<Effect> {
    go(model, Move::First)
}

pub fn bottom(model: &mut Model) -> Vec<Effect> {
    go(model, Move::Last)
}

pub fn half_down(model: &mut Model) -> Vec<Effect> {
    go(model, Move::By(model.page() / 2))
}

pub fn half_up(model: &mut Model) -> Vec<Effect> {
    go(model, Move::By(-model.page() / 2))
}

pub fn page_down(model: &mut Model) -> Vec<Effect> {
    go(model, Move::By(model.page()))
}

pub fn page_up(model: &mut Model) -> Vec<Effect> {
    go(model, Move::By(-model.page()))
}

/// Whether there is a row to open.
pub fn any(model: &Model) -> bool {
    match model.screen.info().body {
        Body::Table { view, .. } => !view(model).rows.is_empty(),
        Body::Lines { .. } => model.screens.logs.store.shown() > 0,
    }
}

pub fn open(model: &mut Model) -> Vec<Effect> {
    (model.screen.info().open)(model)
}

pub fn copy(model: &mut Model) -> Vec<Effect> {
    (model.screen.info().copy)(model)
}

/// Leaves the innermost thing: a filter, a drill-in, the screen.
pub fn back(model: &mut Model) -> Vec<Effect> {
    let info = model.screen.info();
    match ((info.back)(model), info.parent) {
        (Some(effects), _) => effects,
        (None, Some(parent)) => model.show(parent),
        (None, None) => Vec::new(),
    }
}

/// As [`back`]; at the root it ends the console.
pub fn quit(model: &mut Model) -> Vec<Effect> {
    let info = model.screen.info();
    match (info.back)(model) {
        Some(effects) => effects,
        None if info.parent.is_none() => quit_now(model),
        None => back(model),
    }
}

/// Ends the console. The driver leaves the operations under way where they are, and the audit says so.
pub fn quit_now(model: &mut Model) -> Vec<Effect> {
    model.quitting = true;
    vec![Effect::Quit]
}

/// Asks for a filter of the table, or what to search the lines for.
pub fn filter(model: &mut Model) -> Vec<Effect> {
    let text = match model.screen.info().body {
        Body::Table { state, .. } => state(model).filter.clone(),
        Body::Lines { search, .. } => search(model),
    };
    model.prompt = Some(Prompt::new(PromptKind::Filter, text));
    Vec::new()
}

/// Filters the table, or searches the lines.
pub fn set_filter(model: &mut Model, text: &str) {
    match model.screen.info().body {
        Body::Table { state, .. } => text.clone_into(&mut state(model).filter),
        Body::Lines { set_search, .. } => set_search(model, text),
    }
}

pub fn sort_next(model: &mut Model) -> Vec<Effect> {
    if let Body::Table { view, state } = model.screen.info().body {
        let columns = view(model).columns.len();
        state(model).sort_next(columns);
    }
    Vec::new()
}

pub fn sort_reverse(model: &mut Model) -> Vec<Effect> {
    if let Body::Table { state, .. } = model.screen.info().body {
        let table = state(model);
        table.descending = !table.descending;
    }
    Vec::new()
}
