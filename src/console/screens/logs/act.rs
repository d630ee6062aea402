//! What keys do on the Logs screen.

use super::pick::{self, Pick};
use super::{Times, window};
use crate::console::action::Action;
use crate::console::dialogs::Dialog;
use crate::console::effect::Effect;
use crate::console::hint;
use crate::console::model::{Model, Prompt, PromptKind};
use crate::console::screens::insights;
use crate::console::table::Move;
use crate::core::logs::moment;
use crate::core::logs::store::{Direction, Seek, Wanted};

pub fn pause(model: &mut Model) -> Vec<Effect> {
    let state = &mut model.screens.logs;
    // Not a move of the selection: if a filter hides every line, there is no row to move to.
    if state.paused() {
        return window::resume(model);
    }
    state.position().into_iter().for_each(|row| state.select_row(row));
    Vec::new()
}

pub fn next_match(model: &mut Model) -> Vec<Effect> {
    seek_match(model, Direction::Forward)
}

pub fn previous_match(model: &mut Model) -> Vec<Effect> {
    seek_match(model, Direction::Back)
}

pub fn next_error(model: &mut Model) -> Vec<Effect> {
    seek(model, Direction::Forward, Wanted::Trouble)
}

pub fn previous_error(model: &mut Model) -> Vec<Effect> {
    seek(model, Direction::Back, Wanted::Trouble)
}

pub fn next_mark(model: &mut Model) -> Vec<Effect> {
    seek(model, Direction::Forward, Wanted::Mark)
}

pub fn previous_mark(model: &mut Model) -> Vec<Effect> {
    seek(model, Direction::Back, Wanted::Mark)
}

pub fn keep(model: &mut Model) -> Vec<Effect> {
    ask(model, PromptKind::Keep)
}

pub fn hide(model: &mut Model) -> Vec<Effect> {
    ask(model, PromptKind::Hide)
}

pub fn jump(model: &mut Model) -> Vec<Effect> {
    ask(model, PromptKind::Jump)
}

fn ask(model: &mut Model, entry: PromptKind) -> Vec<Effect> {
    model.prompt = Some(Prompt::new(entry, ""));
    Vec::new()
}

pub fn times(model: &mut Model) -> Vec<Effect> {
    model.screens.logs.times = next_times(model.screens.logs.times);
    Vec::new()
}

pub fn wrap(model: &mut Model) -> Vec<Effect> {
    model.screens.logs.wrap = !model.screens.logs.wrap;
    Vec::new()
}

pub fn histogram(model: &mut Model) -> Vec<Effect> {
    model.screens.logs.histogram = !model.screens.logs.histogram;
    Vec::new()
}

/// Selects the first line that is shown of the time of a column of the histogram, of so many.
pub fn scrub(model: &mut Model, column: u16, columns: u16) -> Vec<Effect> {
    let state = &mut model.screens.logs;
    if let Some((first, last)) = state.store.span().filter(|_| state.store.shown() > 0) {
        let span = i128::from(last) - i128::from(first) + 1;
        // The first millisecond of the column, as the histogram draws it.
        let columns = i128::from(columns.max(1));
        let after = (span * i128::from(column) + columns - 1) / columns;
        let at = first.saturating_add(i64::try_from(after).unwrap_or(0));
        state.select_row(state.store.row_at(at).min(state.store.shown() - 1));
    }
    Vec::new()
}

/// The selected line as fields.
pub fn open(model: &mut Model) -> Vec<Effect> {
    match model.screens.logs.selected().map(crate::console::describe::line) {
        Some(dialog) => model.open(dialog),
        None => Vec::new(),
    }
}

pub fn copy(model: &mut Model) -> Vec<Effect> {
    let line = model.screens.logs.selected();
    line.map(|line| Effect::Copy(line.text.to_owned())).into_iter().collect()
}

pub fn sources(model: &mut Model) -> Vec<Effect> {
    pick(model, Pick::Sources)
}

pub fn fields(model: &mut Model) -> Vec<Effect> {
    pick(model, Pick::Fields)
}

pub fn save(model: &mut Model) -> Vec<Effect> {
    pick(model, Pick::Save)
}

fn pick(model: &mut Model, pick: Pick) -> Vec<Effect> {
    if pick::rows(model, pick).is_empty() {
        return model.refuse(pick.nothing());
    }
    model.open(Dialog::Pick { pick, selected: 0 })
}

fn next_times(times: Times) -> Times {
    match times {
        Times::Local => Times::Utc,
        Times::Utc => Times::Relative,
        Times::Relative => Times::Off,
        Times::Off => Times::Local,
    }
}

/// Marks the selected line, or removes its mark.
pub fn mark(model: &mut Model) -> Vec<Effect> {
    let state = &mut model.screens.logs;
    if let Some(anchor) = state.current().map(|kept| kept.anchor) {
        state.store.toggle_mark(anchor);
        state.select(Some(anchor));
    }
    Vec::new()
}

/// Goes back one step: out of a window that is being read, the search, the filters, the pause, a window in the past.
pub fn back(model: &mut Model) -> Option<Vec<Effect>> {
    if let Some(effect) = window::stop(model) {
        return Some(vec![effect]);
    }
    if model.screens.logs.back() {
        return Some(Vec::new());
    }
    model.screens.logs.paused().then(|| window::resume(model))
}

/// Moves the selection. Going on past either end reads the window there; reaching the newest line
/// follows again.
pub fn go(model: &mut Model, to: Move) -> Vec<Effect> {
    let state = &mut model.screens.logs;
    state.seeking = None;
    let Some(last) = state.store.shown().checked_sub(1) else { return Vec::new() };
    let now = state.position().unwrap_or(last);
    let row = match to {
        Move::By(rows) => now.saturating_add_signed(rows).min(last),
        Move::First => 0,
        Move::Last => last,
    };
    let down = matches!(to, Move::By(1..) | Move::Last);
    if down && row == last {
        return down_past_the_end(model, to, now == last);
    }
    state.select_row(row);
    // Lines that are not judged yet may still be shown.
    let at_the_top = !down && now == 0 && state.store.progress().is_none();
    if at_the_top { window::older(model) } else { Vec::new() }
}

fn down_past_the_end(model: &mut Model, to: Move, was_last: bool) -> Vec<Effect> {
    match (model.screens.logs.window.detached(), to) {
        (false, _) | (true, Move::Last) => window::resume(model),
        (true, _) if was_last => window::newer(model),
        (true, _) => {
            let last = model.screens.logs.store.shown().saturating_sub(1);
            model.screens.logs.select_row(last);
            Vec::new()
        }
    }
}

fn seek_match(model: &mut Model, direction: Direction) -> Vec<Effect> {
    if model.screens.logs.store.search().is_none() {
        return model.refuse(format!("nothing is searched for{}", hint::then(model, Action::Filter, "searches")));
    }
    seek(model, direction, Wanted::Match)
}

/// Selects the next line that is wanted. Where it may lie among lines not judged yet, the search
/// goes on with [`work`].
fn seek(model: &mut Model, direction: Direction, wanted: Wanted) -> Vec<Effect> {
    let state = &mut model.screens.logs;
    state.seeking = None;
    let Some(from) = state.current().map(|kept| kept.anchor) else { return Vec::new() };
    match state.store.seek(from, direction, wanted) {
        Seek::Found(anchor) => state.select(Some(anchor)),
        Seek::Unknown => {
            state.select(Some(from));
            state.seeking = Some((direction, wanted));
        }
        Seek::Nothing => {
            let what = match wanted {
                Wanted::Match => format!("match of {:?}", state.search_text()),
                Wanted::Trouble => "error or warning".to_owned(),
                Wanted::Mark => "mark".to_owned(),
            };
            return model.refuse(format!("no further {what} in that direction"));
        }
    }
    Vec::new()
}

/// Does the next slice of work that would keep a key waiting if done at once.
pub fn work(model: &mut Model) -> Vec<Effect> {
    let state = &mut model.screens.logs;
    let more = state.store.work(state.toward());
    if let Some((direction, wanted)) = state.seeking {
        return seek(model, direction, wanted);
    }
    if more { Vec::new() } else { super::save::work(model) }
}

/// Takes what was typed for one of this screen's prompts.
///
/// # Errors
/// What is wrong with it.
pub fn submit(model: &mut Model, entry: PromptKind, text: &str) -> Result<Vec<Effect>, String> {
    let state = &mut model.screens.logs;
    match entry {
        PromptKind::Keep => state.add_filter(text, true).map_err(|error| error.to_string())?,
        PromptKind::Hide => state.add_filter(text, false).map_err(|error| error.to_string())?,
        PromptKind::Jump if text.trim().is_empty() => {}
        PromptKind::Jump => {
            let to = moment::parse(text, window::now(model), &model.screens.logs.clock_zone())?;
            return Ok(window::jump(model, to));
        }
        PromptKind::Insights => return Ok(insights::run(model, text)),
        PromptKind::Filter => {}
    }
    Ok(Vec::new())
}
