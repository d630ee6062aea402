//! What a click means: it selects a row or a tab, and twice at the same place it opens what is selected. On a chart it
//! selects a time, and whoever drags on goes through the times.

use jiff::{SignedDuration, Timestamp};

use super::action::Action;
use super::dialogs::Dialog;
use super::effect::Effect;
use super::keymap::Key;
use super::model::Model;
use super::screens::{Body, Screen, everywhere, logs};
use super::table::Move;
use super::update::{act, key};

/// Where the last frame has what can be clicked on. The driver stores it after each frame, as the room that there was.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hits {
    /// The row of the terminal with the mark of the selection.
    pub selected: Option<u16>,
    /// The tabs, with their first column and the one after their last, in the row of the terminal.
    pub tabs: Vec<(Screen, u16, u16)>,
    /// The row of the tabs.
    pub tabs_row: u16,
    /// The chart of a stretch of time.
    pub chart: Option<Chart>,
}

/// Where a chart is whose columns are a stretch of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chart {
    /// Its first row and the one after its last.
    pub rows: (u16, u16),
    /// The first of its columns, and how many there are.
    pub from: u16,
    pub columns: u16,
}

impl Chart {
    fn has(&self, column: u16, row: u16) -> bool {
        (self.rows.0..self.rows.1).contains(&row) && (self.from..self.from + self.columns).contains(&column)
    }

    /// The column of the chart that is nearest to one of the terminal.
    fn nearest(&self, column: u16) -> u16 {
        column.saturating_sub(self.from).min(self.columns.saturating_sub(1))
    }
}

/// The last click: when, and at which column and row.
pub type Click = (Timestamp, u16, u16);

/// Two clicks within this time are one double click.
const DOUBLE: SignedDuration = SignedDuration::from_millis(500);

/// Takes a click.
pub(super) fn click(model: &mut Model, column: u16, row: u16) -> Vec<Effect> {
    let before = model.clicked.take();
    model.dragging = false;
    let again = |(at, x, y): Click| (x, y) == (column, row) && model.now.duration_since(at) <= DOUBLE;
    // The list may have moved below the pointer since, so what is selected counts, and not what lies there now.
    if before.is_some_and(again) {
        return open(model);
    }
    let tab = model.hits.tabs.iter().find(|(_, from, until)| (*from..*until).contains(&column)).map(|tab| tab.0);
    if let Some(screen) = tab.filter(|_| row == model.hits.tabs_row && model.dialogs.is_empty()) {
        model.prompt = None;
        return (screen.info().shown.run)(model);
    }
    if model.hits.chart.is_some_and(|chart| chart.has(column, row))
        && model.dialogs.is_empty()
        && model.prompt.is_none()
    {
        model.dragging = true;
        return drag(model, column);
    }
    let Some(by) = model.hits.selected.map(|selected| rows_between(selected, row)) else { return Vec::new() };
    if !select(model, by) {
        return Vec::new();
    }
    model.clicked = Some((model.now, column, row));
    Vec::new()
}

/// Takes that the pointer was moved with the button held down: a drag that began on a chart goes on beside it.
pub(super) fn drag(model: &mut Model, column: u16) -> Vec<Effect> {
    let Some(chart) = model.hits.chart.filter(|_| model.dragging && model.screen == Screen::Logs) else {
        return Vec::new();
    };
    logs::act::scrub(model, chart.nearest(column), chart.columns)
}

/// Moves the selection by so many rows, if there is a row to select.
fn select(model: &mut Model, by: isize) -> bool {
    match model.dialogs.last() {
        Some(Dialog::Palette { .. } | Dialog::Choose { .. } | Dialog::Pick { .. } | Dialog::Operations { .. }) => {
            let arrow = if by < 0 { Key::Up } else { Key::Down };
            (0..by.unsigned_abs()).for_each(|_| drop(key(model, arrow.into())));
            return true;
        }
        Some(_) => return false,
        None => {}
    }
    if model.prompt.is_some() {
        return false;
    }
    match model.screen.info().body {
        Body::Table { view, .. } => {
            let view = view(model);
            let (count, selected) = (view.rows.len(), view.selected.unwrap_or(0));
            // The selection stands in the middle of the page, as far as there are rows above and below it.
            let page = model.viewport.rows;
            let top = selected.saturating_sub(page / 2).min(count.saturating_sub(page));
            let Some(wanted) = selected.checked_add_signed(by) else { return false };
            if !(top..count.min(top + page)).contains(&wanted) {
                return false;
            }
        }
        // A line that is wrapped takes several rows, so which one lies there cannot be told.
        Body::Lines { .. } if model.screens.logs.wrap => return false,
        Body::Lines { .. } => {}
    }
    everywhere::go(model, Move::By(by));
    true
}

fn rows_between(from: u16, to: u16) -> isize {
    let (from, to) = (i32::from(from), i32::from(to));
    isize::try_from(to - from).unwrap_or(0)
}

fn open(model: &mut Model) -> Vec<Effect> {
    if model.dialogs.is_empty() { act(model, Action::Open) } else { key(model, Key::Enter.into()) }
}
