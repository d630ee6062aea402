//! The step of the console: a message in, effects out.

use super::action::{Action, Scope};
use super::dialogs::{self, Then};
use super::effect::Effect;
use super::input::Typed;
use super::keymap::{Key, KeyPress};
use super::model::{Model, Prompt, PromptKind, too_small};
use super::msg::Msg;
use super::screens::{doctor, everywhere, fleet, insights, logs, requests, timeline};
use super::table::Move;
use super::{beside, mouse, operations, place, poll};

/// Takes a message. At the end it begins the reads that are due for the screen then shown.
pub fn update(model: &mut Model, msg: Msg) -> Vec<Effect> {
    let mut effects = step(model, msg);
    effects.extend(poll::due(model));
    effects
}

pub(super) fn step(model: &mut Model, msg: Msg) -> Vec<Effect> {
    match msg {
        Msg::Tick(now) => {
            model.now = now;
            model.toasts.retain(|toast| toast.until > now);
            requests::judge(model);
        }
        Msg::Key(press) => return model.answering(|model| key(model, press)),
        Msg::Paste(text) => paste(model, &text),
        Msg::Click(..) if too_small(model.size) => {}
        Msg::Click(column, row) => return model.answering(|model| mouse::click(model, column, row)),
        Msg::Drag(column) => return mouse::drag(model, column),
        Msg::Scroll(rows) if !model.dialogs.is_empty() => return scroll_dialog(model, rows),
        Msg::Scroll(rows) => return everywhere::go(model, Move::By(rows)),
        Msg::Resize(columns, rows) => model.size = (columns, rows),
        Msg::Loaded(generation, answer) => {
            place::credentials(model, &answer);
            answer.keep(model, generation);
            model.context.identity = model.identity.get().cloned();
            fleet::read(model);
            timeline::gather(model);
            let mut effects = place::settle(model);
            effects.extend(logs::fleet_read(model));
            return effects;
        }
        Msg::FleetSoFar(generation, fleet) => {
            // What is on the screen stays while nobody is signed in: a part that was read long ago is better than none.
            if model.place.signed_out().is_none() && model.screens.fleet.remote.so_far(generation, *fleet, model.now) {
                fleet::read(model);
                timeline::gather(model);
                let mut effects = place::settle(model);
                effects.extend(logs::grant(model));
                return effects;
            }
        }
        Msg::Lines(generation, lines) => return logs::lines(model, generation, lines),
        Msg::Work => return logs::work(model),
        Msg::OlderLines(generation, result) => return logs::older_lines(model, generation, result),
        Msg::Tail(generation, state) => return logs::tail_state(model, generation, state),
        Msg::Insights(generation, result) => return insights::found(model, generation, result),
        Msg::Doctor(generation, news) => return doctor::found(model, generation, news),
        Msg::Gap(generation, gap) => return logs::gap(model, generation, gap),
        Msg::LogMissing(generation, group, missing) => return logs::missing(model, generation, group, missing),
        Msg::OlderSoFar(generation, lines) => return logs::older_so_far(model, generation, lines),
        Msg::LogRate(generation, rate) => return logs::rate(model, generation, rate),
        Msg::Planned(generation, result) if generation == model.planning => return operations::planned(model, *result),
        Msg::Planned(_, result) => return result.map(|plan| vec![Effect::Discard(plan.drafts)]).unwrap_or_default(),
        Msg::Judged(id, way, standing) => return operations::judged(model, &id, way, standing),
        Msg::Operation(id, event) => return operations::event(model, &id, event),
        Msg::Unfinished(operations) => operations::unfinished(model, operations),
        Msg::Of(place, msg) => return place::received(model, place, *msg),
        Msg::Entered(place, arrival) => return place::entered(model, place, *arrival),
        Msg::Joined(place, context) => return beside::joined(model, place, *context),
        Msg::SignedIn(result) => return place::signed_in(model, result),
        Msg::Notice(notice) => model.notify(notice),
        Msg::Calls(calls) => model.calls = calls,
        Msg::Usage(usage) => model.usage = usage,
        Msg::Latency(latency) => model.latency = latency,
        Msg::Ahead(ahead) => model.ahead = ahead,
    }
    Vec::new()
}

pub(super) fn key(model: &mut Model, press: KeyPress) -> Vec<Effect> {
    // Nobody agrees to what cannot be seen. What ends the console works everywhere.
    let ends = model.keymap.resolve(Scope::Global, press) == Some(Action::QuitNow);
    if too_small(model.size) && !ends {
        return Vec::new();
    }
    if !model.dialogs.is_empty() {
        let then = dialogs::press(model, press);
        return then.map(|then| carry_out(model, then)).unwrap_or_default();
    }
    if let Some(prompt) = model.prompt.take() {
        return typed(model, prompt, press);
    }
    match model.keymap.resolve(model.scope(), press) {
        Some(action) => act(model, action),
        None => Vec::new(),
    }
}

/// Carries an action out, where what is selected is.
pub(super) fn act(model: &mut Model, action: Action) -> Vec<Effect> {
    if !model.allows(action.info()) {
        return model.refuse(format!("read-only: {} writes, and this console does not", action.info().name));
    }
    beside::act(model, action).unwrap_or_else(|| (action.info().run)(model))
}

/// Does what a dialog has asked for.
fn carry_out(model: &mut Model, then: Then) -> Vec<Effect> {
    match then {
        Then::Act(action) => act(model, action),
        Then::ServerLogs(server) => logs::follow(model, Some(&server)),
        Then::Choose(choice, name) => dialogs::choose::choose(model, choice, name),
        Then::Plan(request) => operations::plan(model, request),
        Then::Tell { operation, event } => operations::event(model, &operation, event),
    }
}

fn paste(model: &mut Model, text: &str) {
    let input = match model.dialogs.last_mut() {
        Some(dialog) => dialog.input(),
        None => model.prompt.as_mut().map(|prompt| &mut prompt.input),
    };
    if let Some(input) = input {
        input.paste(text);
    }
    // A filter applies while it is typed, so also when it is pasted.
    let filter = model.prompt.as_ref().filter(|prompt| model.dialogs.is_empty() && prompt.kind == PromptKind::Filter);
    if let Some(text) = filter.map(|prompt| prompt.input.text().to_owned()) {
        everywhere::set_filter(model, &text);
    }
}

/// The wheel moves what is on top, as the arrow keys do.
fn scroll_dialog(model: &mut Model, rows: isize) -> Vec<Effect> {
    let arrow = if rows < 0 { Key::Up } else { Key::Down };
    (0..rows.unsigned_abs().min(10)).flat_map(|_| key(model, arrow.into())).collect()
}

fn typed(model: &mut Model, mut prompt: Prompt, press: KeyPress) -> Vec<Effect> {
    let typed = prompt.input.press(press);
    let text = prompt.input.text().to_owned();
    match (prompt.kind, typed) {
        (PromptKind::Filter, Typed::Cancel) => everywhere::set_filter(model, ""),
        (PromptKind::Filter, Typed::Submit) => everywhere::set_filter(model, &text),
        (PromptKind::Filter, Typed::Taken) => {
            everywhere::set_filter(model, &text);
            model.prompt = Some(prompt);
        }
        (_, Typed::Taken) => model.prompt = Some(Prompt { error: None, ..prompt }),
        (_, Typed::Cancel) => {}
        (entry, Typed::Submit) => {
            return logs::submit(model, entry, &text).unwrap_or_else(|error| {
                model.prompt = Some(Prompt { error: Some(error), ..prompt });
                Vec::new()
            });
        }
    }
    Vec::new()
}
