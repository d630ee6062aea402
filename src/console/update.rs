//! The step of the console: a message in, effects out.

use super::action::{Action, Scope};
use super::dialogs::{self, Dialog};
use super::effect::Effect;
use super::input::{Input, Typed};
use super::keymap::{Key, KeyPress};
use super::model::{Entry, Model, Prompt, Screen};
use super::msg::{Msg, Notice};
use super::poll;
use super::screens::{clients, fleet, insights, logs, requests, stack};
use super::table::{Move, Table};
use crate::core::error::PlanResult;
use crate::core::operation::PlanRequest;
use crate::core::operation::record::Outcome;
use crate::core::operation::{Event, Intent, Operation, Phase};
use crate::core::plan::Plan;

/// Takes a message.
pub fn update(model: &mut Model, msg: Msg) -> Vec<Effect> {
    match msg {
        Msg::Tick(now) => {
            model.now = now;
            model.toasts.retain(|toast| toast.until > now);
            poll::due(model)
        }
        Msg::Key(press) => key(model, press),
        Msg::Paste(text) => {
            paste(model, &text);
            Vec::new()
        }
        Msg::Scroll(rows) if !model.dialogs.is_empty() => scroll_dialog(model, rows),
        Msg::Scroll(rows) => go(model, Move::By(rows)),
        Msg::Resize(columns, rows) => {
            model.size = (columns, rows);
            Vec::new()
        }
        Msg::Loaded(slot, generation, result) => poll::loaded(model, slot, generation, *result),
        Msg::Lines(generation, lines) => logs::lines(model, generation, lines),
        Msg::Work => logs::work(model),
        Msg::OlderLines(generation, result) => logs::older_lines(model, generation, result),
        Msg::Tail(generation, state) => logs::tail_state(model, generation, state),
        Msg::Insights(generation, result) => insights::found(model, generation, result),
        Msg::Gap(generation, gap) => logs::gap(model, generation, gap),
        Msg::LogRate(generation, rate) => logs::rate(model, generation, rate),
        Msg::Planned(generation, result) if generation == model.planning => planned(model, *result),
        Msg::Planned(_, result) => result.map(|plan| vec![Effect::Discard(plan.drafts)]).unwrap_or_default(),
        Msg::Operation(id, event) => operation_event(model, &id, event),
        Msg::Unfinished(operations) => unfinished(model, operations),
        Msg::Notice(notice) => {
            model.notify(notice);
            Vec::new()
        }
        Msg::Calls(calls) => {
            model.calls = calls;
            Vec::new()
        }
    }
}

fn key(model: &mut Model, press: KeyPress) -> Vec<Effect> {
    if !model.dialogs.is_empty() {
        return dialogs::press(model, press);
    }
    if let Some(prompt) = model.prompt.take() {
        return typed(model, prompt, press);
    }
    match model.keymap.resolve(model.screen.scope(), press) {
        Some(action) => act(model, action),
        None => Vec::new(),
    }
}

fn paste(model: &mut Model, text: &str) {
    let input = match model.dialogs.last_mut() {
        Some(Dialog::Palette { input, .. } | Dialog::Scale { input, .. } | Dialog::Operation { input, .. }) => {
            Some(input)
        }
        Some(_) => None,
        None => model.prompt.as_mut().map(|prompt| &mut prompt.input),
    };
    if let Some(input) = input {
        input.paste(text);
    }
    // A filter holds while it is typed, so also while it is pasted.
    let filter = model.prompt.as_ref().filter(|prompt| model.dialogs.is_empty() && prompt.entry == Entry::Filter);
    if let Some(text) = filter.map(|prompt| prompt.input.text().to_owned()) {
        set_filter(model, &text);
    }
}

/// The wheel moves what is on top, as the arrow keys do.
fn scroll_dialog(model: &mut Model, rows: isize) -> Vec<Effect> {
    let key = if rows < 0 { Key::Up } else { Key::Down };
    (0..rows.unsigned_abs().min(10)).flat_map(|_| dialogs::press(model, key.into())).collect()
}

fn typed(model: &mut Model, mut prompt: Prompt, press: KeyPress) -> Vec<Effect> {
    let typed = prompt.input.press(press);
    let text = prompt.input.text().to_owned();
    match (prompt.entry, typed) {
        (Entry::Filter, Typed::Cancel) => set_filter(model, ""),
        (Entry::Filter, Typed::Submit) => set_filter(model, &text),
        (Entry::Filter, Typed::Taken) => {
            set_filter(model, &text);
            model.prompt = Some(prompt);
        }
        (Entry::Keep | Entry::Hide | Entry::Jump | Entry::Insights, Typed::Taken) => {
            model.prompt = Some(Prompt { error: None, ..prompt })
        }
        (entry @ (Entry::Keep | Entry::Hide | Entry::Jump | Entry::Insights), Typed::Submit) => {
            return logs::submit(model, entry, &text).unwrap_or_else(|error| {
                model.prompt = Some(Prompt { error: Some(error), ..prompt });
                Vec::new()
            });
        }
        (Entry::Keep | Entry::Hide | Entry::Jump | Entry::Insights, Typed::Cancel) => {}
    }
    Vec::new()
}

fn set_filter(model: &mut Model, text: &str) {
    match model.screen {
        Screen::Logs => model.logs.set_search(text),
        _ => {
            if let Some(table) = table(model) {
                table.filter = text.to_owned();
            }
        }
    }
}

/// The table that keys move on, where the screen has one.
fn table(model: &mut Model) -> Option<&mut Table> {
    match model.screen {
        Screen::Fleet => Some(model.fleet.table_mut()),
        Screen::Stack => Some(model.stack.table_mut()),
        Screen::Clients => Some(&mut model.clients.table),
        Screen::Requests => Some(&mut model.requests.table),
        Screen::Insights => Some(&mut model.insights.table),
        Screen::Logs => None,
    }
}

/// Carries out an action.
pub fn act(model: &mut Model, action: Action) -> Vec<Effect> {
    let page = model.page();
    match action {
        Action::Fleet => show(model, Screen::Fleet),
        Action::Logs if model.logs.following() => show(model, Screen::Logs),
        Action::Logs => logs::open(model, None),
        Action::Stack => show(model, Screen::Stack),
        Action::Clients => show(model, Screen::Clients),
        Action::Requests => {
            let server = fleet::selected_server(model).map(|server| server.name.clone());
            let server = server.filter(|_| model.screen == Screen::Fleet);
            requests::open(model, server)
        }
        Action::Down => go(model, Move::By(1)),
        Action::Up => go(model, Move::By(-1)),
        Action::HalfDown => go(model, Move::By(page / 2)),
        Action::HalfUp => go(model, Move::By(-page / 2)),
        Action::PageDown => go(model, Move::By(page)),
        Action::PageUp => go(model, Move::By(-page)),
        Action::Top => go(model, Move::First),
        Action::Bottom => go(model, Move::Last),
        Action::Back => back(model, false),
        Action::Quit => back(model, true),
        Action::QuitNow => quit(model),
        Action::Palette => open(model, Dialog::Palette { input: Input::default(), selected: 0 }),
        Action::Help => open(model, Dialog::Help { scroll: 0 }),
        Action::Operations => open(model, Dialog::Operations { selected: 0 }),
        Action::Filter | Action::Search => filter(model),
        Action::Refresh => poll::refresh(model),
        Action::SortNext | Action::SortReverse => sort(model, action),
        _ => match model.screen {
            Screen::Fleet => fleet::act(model, action),
            Screen::Logs => logs::act(model, action),
            Screen::Stack => stack::act(model, action),
            Screen::Clients => clients::act(model, action),
            Screen::Requests => requests::act(model, action),
            Screen::Insights => insights::act(model, action),
        },
    }
}

/// Opens a dialog.
pub fn open(model: &mut Model, dialog: Dialog) -> Vec<Effect> {
    model.dialogs.push(dialog);
    Vec::new()
}

/// Shows a screen and reads at once what it needs and does not have.
pub fn show(model: &mut Model, screen: Screen) -> Vec<Effect> {
    model.screen = screen;
    model.prompt = None;
    poll::due(model)
}

fn filter(model: &mut Model) -> Vec<Effect> {
    let text = match model.screen {
        Screen::Logs => model.logs.search_text().to_owned(),
        _ => table(model).map(|table| table.filter.clone()).unwrap_or_default(),
    };
    model.prompt = Some(Prompt::new(Entry::Filter, text));
    Vec::new()
}

fn sort(model: &mut Model, action: Action) -> Vec<Effect> {
    let columns = match model.screen {
        Screen::Fleet => fleet::view(model).columns.len(),
        Screen::Stack => stack::view(model).columns.len(),
        Screen::Clients => clients::view(model).columns.len(),
        Screen::Requests => requests::view(model).columns.len(),
        Screen::Insights => insights::view(model).columns.len(),
        Screen::Logs => 0,
    };
    if let Some(table) = table(model) {
        match action {
            Action::SortNext => table.sort_next(columns),
            _ => table.descending = !table.descending,
        }
    }
    Vec::new()
}

fn go(model: &mut Model, to: Move) -> Vec<Effect> {
    match model.screen {
        Screen::Fleet => {
            let rows = fleet::view(model).rows;
            model.fleet.table_mut().go(&rows, to);
        }
        Screen::Stack => {
            let rows = stack::view(model).rows;
            model.stack.table_mut().go(&rows, to);
        }
        Screen::Clients => {
            let rows = clients::view(model).rows;
            model.clients.table.go(&rows, to);
        }
        Screen::Requests => {
            let rows = requests::view(model).rows;
            model.requests.table.go(&rows, to);
        }
        Screen::Insights => {
            let rows = insights::view(model).rows;
            model.insights.table.go(&rows, to);
        }
        Screen::Logs => return logs::go(model, to),
    }
    Vec::new()
}

/// Leaves the innermost thing: a filter, a drill-in, the screen; `quits` at the root ends the console.
fn back(model: &mut Model, quits: bool) -> Vec<Effect> {
    let stepped = match model.screen {
        Screen::Fleet => model.fleet.back(),
        Screen::Stack => model.stack.back(),
        Screen::Clients => std::mem::take(&mut model.clients.table.filter).chars().next().is_some(),
        Screen::Logs => match logs::act::back(model) {
            Some(effects) => return effects,
            None => false,
        },
        Screen::Requests => model.requests.back(),
        Screen::Insights => {
            return insights::back(model).unwrap_or_else(|| show(model, Screen::Logs));
        }
    };
    match (stepped, model.screen) {
        (true, _) => Vec::new(),
        (false, Screen::Fleet) if quits => quit(model),
        (false, Screen::Fleet) => Vec::new(),
        (false, _) => show(model, Screen::Fleet),
    }
}

/// Ends the console. The driver leaves the operations under way where they are, and the audit says so.
fn quit(model: &mut Model) -> Vec<Effect> {
    model.quitting = true;
    vec![Effect::Quit]
}

/// Asks for a plan; its dialog waits for it.
pub fn request_plan(model: &mut Model, request: PlanRequest) -> Vec<Effect> {
    model.planning += 1;
    let title = request.title(&model.context.environment);
    model.dialogs.push(Dialog::Planning { title });
    vec![Effect::Plan(model.planning, request)]
}

fn planned(model: &mut Model, result: PlanResult<Plan>) -> Vec<Effect> {
    if matches!(model.dialogs.last(), Some(Dialog::Planning { .. })) {
        model.dialogs.pop();
    }
    match result {
        Ok(plan) if plan.is_empty() => {
            model.notify(Notice::Good(format!("{}: nothing to do", plan.title)));
            vec![Effect::Discard(plan.drafts)]
        }
        Ok(plan) => {
            let operation = Operation::propose(plan, model.context.read_only);
            let id = operation.id().to_owned();
            model.operations.push(operation);
            open(model, Dialog::Operation { id, scroll: 0, input: Input::default(), error: None })
        }
        Err(error) => {
            let hint = error.hint().map(|hint| format!(" — {hint}")).unwrap_or_default();
            model.refuse(format!("cannot plan: {}{hint}", error.why()))
        }
    }
}

/// Gives an operation an event, and tells the operator how it ended.
pub fn operation_event(model: &mut Model, id: &str, event: Event) -> Vec<Effect> {
    let now = model.now;
    let Some(operation) = model.operations.iter_mut().find(|operation| operation.id() == id) else { return Vec::new() };
    let before = operation.phase.clone();
    let wanted = operation.handle(event, now);
    let (after, title) = (operation.phase.clone(), operation.plan.title.clone());
    let drafts = &operation.plan.drafts;
    let effects = wanted.into_iter().map(|effect| match effect {
        crate::core::operation::Effect::Discard => Effect::Discard(drafts.clone()),
        other => Effect::Operation(id.to_owned(), other),
    });
    let effects = effects.collect();
    if before != after {
        changed(model, id, &title, &after);
        end_undone(model, id);
    }
    effects
}

fn changed(model: &mut Model, id: &str, title: &str, phase: &Phase) {
    let notice = match phase {
        Phase::Ended(Outcome::Done) => Notice::Good(format!("{title}: done and verified")),
        Phase::Ended(Outcome::Failed { step, reason }) => Notice::Bad(format!("{title}: {step}: {reason}")),
        Phase::Ended(Outcome::Undone { .. }) => Notice::Good(format!("{title}: taken back")),
        Phase::Refused(reason) => Notice::Bad(format!("{title}: {reason}")),
        Phase::Paused(reason) => Notice::Bad(format!("{title}: paused: {reason}")),
        Phase::Proposed | Phase::Recording | Phase::Running | Phase::Consent(_) => return poll::hurry(model),
    };
    if matches!(phase, Phase::Refused(_)) {
        model.dialogs.retain(|dialog| !matches!(dialog, Dialog::Operation { id: shown, .. } if shown == id));
        model.operations.retain(|operation| operation.id() != id);
    }
    model.notify(notice);
    poll::hurry(model);
}

/// A rotation that was taken back is over.
fn end_undone(model: &mut Model, id: &str) {
    let taken_back = model.operation(id).and_then(|operation| match (&operation.plan.intent, &operation.phase) {
        (Intent::UndoRotation(undo), Phase::Ended(Outcome::Done)) => Some(undo.operation.clone()),
        _ => None,
    });
    let now = model.now;
    if let Some(rotation) = taken_back.and_then(|of| model.operations.iter_mut().find(|one| one.id() == of)) {
        rotation.undone(id, now);
    }
}

fn unfinished(model: &mut Model, operations: Vec<Operation>) -> Vec<Effect> {
    if operations.is_empty() {
        return Vec::new();
    }
    let keys = model.keymap.keys(Action::Operations).join(" or ");
    let count = crate::core::text::count(operations.len(), "unfinished operation");
    model.notify(Notice::Bad(format!("{count}: press {keys} to see, resume or undo")));
    model.operations.splice(0..0, operations);
    Vec::new()
}

/// The actions that keys lead to now, with their first key, for the footer and the help.
pub fn available(model: &Model) -> Vec<(&'static super::action::ActionInfo, Vec<String>)> {
    let scope = model.scope();
    let offered = super::action::ACTIONS
        .iter()
        .filter(|info| info.scope == scope || (info.scope == Scope::Global && scope != Scope::Operation));
    offered.map(|info| (info, model.keymap.keys(info.action))).filter(|(_, keys)| !keys.is_empty()).collect()
}
