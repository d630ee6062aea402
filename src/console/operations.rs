//! The operations that the console holds: planned, proposed, watched, resumed, taken back.

use super::action::Action;
use super::describe;
use super::dialogs::Dialog;
use super::effect::Effect;
use super::input::Input;
use super::model::Model;
use super::msg::Notice;
use super::{hint, place, poll};
use crate::core::error::{CloudError, PlanError, PlanResult, Refusal};
use crate::core::operation::record::Outcome;
use crate::core::operation::{self, Event, Fact, Intent, Offer, Operation, Phase, PlanRequest, Standing, Way};
use crate::core::plan::Plan;
use crate::core::text::count;

/// Asks for a plan; its dialog waits for it.
pub fn plan(model: &mut Model, request: PlanRequest) -> Vec<Effect> {
    if !model.context.chosen() {
        return model.refuse("choose a cluster first");
    }
    model.planning += 1;
    let title = request.title(&model.context.environment);
    model.open(Dialog::Planning { title });
    vec![Effect::Plan(model.planning, request)]
}

/// Proposes a plan that is ready, or says why there is none.
pub(super) fn planned(model: &mut Model, result: PlanResult<Plan>) -> Vec<Effect> {
    if matches!(model.dialogs.last(), Some(Dialog::Planning { .. })) {
        model.dialogs.pop();
    }
    match result {
        Ok(plan) if plan.is_empty() => {
            let title = format!("{}: nothing to do", plan.title);
            let mut effects = vec![Effect::Discard(plan.drafts)];
            // What it leaves as it is may be what the operator wanted to change.
            match plan.warnings.is_empty() {
                true => model.notify(Notice::Good(title)),
                false => effects.extend(model.open(describe::warnings(&title, &plan.warnings))),
            }
            effects
        }
        Ok(plan) => {
            let operation = Operation::propose(plan, model.context.read_only);
            let id = operation.id().to_owned();
            place::bind(model, &id);
            model.operations.push(operation);
            model.open(Dialog::Operation { id, scroll: 0, input: Input::default(), error: None })
        }
        Err(PlanError::Already(how)) => {
            model.notify(Notice::Good(format!("nothing to do: {how}")));
            Vec::new()
        }
        Err(PlanError::Refused(refusal)) => refuse(model, "cannot plan", &refusal),
        Err(PlanError::Cloud(error)) => refuse(model, "cannot plan", &error.into()),
    }
}

/// Says what is not done, why, and which key helps.
pub(super) fn refuse(model: &mut Model, what: &str, refusal: &Refusal) -> Vec<Effect> {
    let hint = hint::after(refusal, model);
    model.refuse(format!("{what}: {}{hint}", refusal.why))
}

/// Passes an event to an operation, and tells the operator when it has ended.
pub(super) fn event(model: &mut Model, id: &str, event: Event) -> Vec<Effect> {
    let now = model.now;
    place::refused(model, id, &event);
    let Some(operation) = model.operations.iter_mut().find(|operation| operation.id() == id) else { return Vec::new() };
    let before = operation.phase.clone();
    let wanted = operation.handle(event, now);
    let (after, title) = (operation.phase.clone(), operation.plan.title.clone());
    let drafts = &operation.plan.drafts;
    let effects = wanted.into_iter().map(|effect| match effect {
        operation::Order::Discard => Effect::Discard(drafts.clone()),
        other => Effect::Operation(id.to_owned(), other),
    });
    let effects = effects.collect::<Vec<_>>();
    let mut effects = place::of_operation(model, id, effects);
    if before != after {
        changed(model, id, &title, &after);
        end_undone(model, id);
        effects.extend(leave_undone(model, id, &before));
    }
    effects
}

/// Leaves a rotation that is being taken back, as soon as that is confirmed.
fn leave_undone(model: &mut Model, id: &str, before: &Phase) -> Vec<Effect> {
    let begins = *before == Phase::Proposed;
    let taken_back = model.operation(id).and_then(|operation| match (&operation.plan.intent, &operation.phase) {
        (Intent::UndoRotation(undo), Phase::Recording) if begins => Some(undo.operation.clone()),
        _ => None,
    });
    taken_back.map(|rotation| event(model, &rotation, Event::Leave("to take it back".into()))).unwrap_or_default()
}

fn changed(model: &mut Model, id: &str, title: &str, phase: &Phase) {
    // Of one that goes on where the console was before, it is told where.
    let elsewhere = model.operation(id).filter(|operation| !place::is_here(model, operation));
    let title = &elsewhere.map_or(title.to_owned(), |operation| format!("{} ({})", title, place::words(operation)));
    let notice = match phase {
        Phase::Ended(Outcome::Done) => {
            let proof = model.operation(id).map(Operation::proof).unwrap_or_default();
            Notice::Good(format!("{title}: {proof}"))
        }
        Phase::Ended(Outcome::Failed { title: step, reason, .. }) => Notice::Bad(format!("{title}: {step}: {reason}")),
        Phase::Ended(Outcome::Cancelled { by, what, .. }) => Notice::Bad(format!("{title}: {by} cancelled it: {what}")),
        Phase::Ended(Outcome::Undone { .. }) => Notice::Good(format!("{title}: taken back")),
        Phase::Ended(Outcome::Closed { reason }) => Notice::Good(format!("{title}: closed: {reason}")),
        Phase::Refused(reason) => Notice::Bad(format!("{title}: {reason}")),
        Phase::Paused { why, .. } => Notice::Bad(format!("{title}: paused: {why}")),
        Phase::Proposed | Phase::Recording | Phase::Running | Phase::Consent(_) | Phase::Offered { .. } => {
            return poll::hurry(model);
        }
    };
    if matches!(phase, Phase::Refused(_)) {
        model.dialogs.retain(|dialog| !matches!(dialog, Dialog::Operation { id: shown, .. } if shown == id));
        model.operations.retain(|operation| operation.id() != id);
    }
    model.notify(notice);
    poll::hurry(model);
}

/// Ends a rotation that was taken back.
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

/// Adds the operations that earlier runs left unfinished.
pub(super) fn unfinished(model: &mut Model, operations: Vec<Operation>) {
    if operations.is_empty() {
        return;
    }
    let count = count(operations.len(), "unfinished operation");
    let what = if model.context.read_only { "shows them" } else { "shows them, to resume or undo" };
    model.notify(Notice::Bad(format!("{count}{}", hint::then(model, Action::Operations, what))));
    operations.iter().for_each(|operation| place::bind(model, operation.id()));
    model.operations.splice(0..0, operations);
}

/// The operation that is shown, by its id.
fn shown(model: &Model) -> Option<String> {
    match model.dialogs.last() {
        Some(Dialog::Operation { id, .. }) => Some(id.clone()),
        _ => None,
    }
}

/// Why an action of the operation dialog does not do anything for this operation now; `None` where it does.
pub fn why_not(model: &Model, operation: &Operation, action: Action) -> Option<String> {
    if !place::is_here(model, operation) {
        return Some(format!("it belongs to {}; go there first", place::words(operation)));
    }
    let rotates = matches!(operation.plan.intent, Intent::Rotate(_));
    let (paused, running) =
        (matches!(operation.phase, Phase::Paused { .. }), matches!(operation.phase, Phase::Running));
    let why = match action {
        Action::Undo if !rotates || !(paused || running) => "only an unfinished rotation can be taken back",
        Action::Undo if operation.writing() => "a write is under way; take it back when its answer is known",
        Action::Undo => return None,
        Action::FinishNow if !rotates => "only a rotation has a grace period to waive",
        Action::FinishNow if !(paused || running) => "it has no grace period to waive now",
        Action::FinishNow if operation.facts().contains(&Fact::GraceWaived) => "its grace period is waived already",
        Action::CloseOperation if !paused => "only a paused operation can be closed",
        Action::Resume if !paused => "it is not paused",
        _ if model.context.read_only => "read-only: nothing can be resumed",
        _ => return elsewhere(model, operation),
    };
    Some(why.to_owned())
}

/// Why this console must not resume an operation of the audit, if so: it may belong to another account,
/// where names are the same.
fn elsewhere(model: &Model, operation: &Operation) -> Option<String> {
    let theirs = &operation.plan.target.account;
    match model.identity.get() {
        Some(identity) if identity.account == *theirs => None,
        Some(identity) => Some(format!("that operation belongs to account {theirs}; this is {}", identity.account)),
        None => Some("the account of this console is not known yet; try again in a moment".to_owned()),
    }
}

/// The operation that is shown, if the action does something for it; else the operator is told why not.
fn act_on(model: &mut Model, action: Action) -> Option<Operation> {
    let operation = shown(model).and_then(|id| model.operation(&id)).cloned()?;
    match why_not(model, &operation, action) {
        None => Some(operation),
        Some(why) => {
            model.refuse(why);
            None
        }
    }
}

/// Asks whether to go on with the operation that is shown, once it is known what it is worth now.
pub fn resume(model: &mut Model) -> Vec<Effect> {
    judge(model, Action::Resume, Way::Resume)
}

/// Asks whether to waive the rest of a grace period, whether the operation is waiting or paused in it.
pub fn finish_now(model: &mut Model) -> Vec<Effect> {
    judge(model, Action::FinishNow, Way::Finish)
}

/// Asks whether to give up an operation that cannot go on.
pub fn close(model: &mut Model) -> Vec<Effect> {
    judge(model, Action::CloseOperation, Way::Close)
}

fn judge(model: &mut Model, action: Action, way: Way) -> Vec<Effect> {
    let Some(operation) = act_on(model, action) else { return Vec::new() };
    model.notify(looking(&operation.plan.title));
    vec![Effect::Judge(Box::new(operation), way)]
}

fn looking(title: &str) -> Notice {
    Notice::Good(format!("{title}: looking at what has changed since"))
}

/// Offers an operation, or says why it cannot be told what it is worth.
pub(super) fn judged(model: &mut Model, id: &str, way: Way, standing: Result<Standing, CloudError>) -> Vec<Effect> {
    // It would lie over the question for some seconds more.
    if let Some(over) = model.operation(id).map(|operation| looking(&operation.plan.title)) {
        model.toasts.retain(|toast| toast.notice != over);
    }
    match standing {
        // Who has closed the sheet meanwhile does not expect a question.
        Ok(_) if shown(model).as_deref() != Some(id) => Vec::new(),
        Ok(standing) => event(model, id, Event::Offer(Offer { way, standing })),
        Err(error) => model.refuse(format!("it could not be read what has changed since: {error}")),
    }
}

/// Plans to take back the rotation that is shown. It goes on until that is confirmed.
pub fn undo(model: &mut Model) -> Vec<Effect> {
    let Some(operation) = act_on(model, Action::Undo) else { return Vec::new() };
    model.dialogs.pop();
    let learnt = operation.facts().clone();
    plan(model, PlanRequest::UndoRotation { plan: Box::new(operation.plan), learnt })
}
