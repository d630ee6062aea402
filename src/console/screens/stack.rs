//! Stack: the environment's stacks, their resources and events, deploy and destroy.

use jiff::Timestamp;

use super::{FAST, Fetch, Freshness, SLOW, Screen, View, fresh};
use crate::console::action::Action;
use crate::console::describe;
use crate::console::dialogs::Dialog;
use crate::console::dialogs::skips::Skips;
use crate::console::effect::Effect;
use crate::console::hint;
use crate::console::model::Model;
use crate::console::operations;
use crate::console::remote::{Ask as _, Remote};
use crate::console::table::{Cell, Column, Row, Table};
use crate::core::environment::names;
use crate::core::finding::{Finding, drift, in_short};
use crate::core::meaning::Meaning;
use crate::core::operation::PlanRequest;
use crate::core::stack::{Stack, StackDetail, StackRef, StackResource, StackStatus};
use crate::core::text::age;

/// The screen's state.
#[derive(Debug, Clone, Default)]
pub struct State {
    /// All stacks of the environment.
    pub remote: Remote<Vec<Stack>>,
    /// Resources and events of the watched stack.
    pub detail: Remote<StackDetail>,
    /// The stack whose detail is read.
    pub watched: Option<StackRef>,
    /// The stack that is drilled into.
    pub opened: Option<String>,
    stacks: Table,
    resources: Table,
}

impl State {
    /// The table that keys move on.
    pub fn table_mut(&mut self) -> &mut Table {
        if self.opened.is_some() { &mut self.resources } else { &mut self.stacks }
    }

    /// The table that is shown.
    pub fn table(&self) -> &Table {
        if self.opened.is_some() { &self.resources } else { &self.stacks }
    }

    /// Whether any stack is being changed.
    pub fn changing(&self) -> bool {
        self.remote.get().is_some_and(|stacks| stacks.iter().any(|stack| stack.status.busy()))
    }

    /// Reads the detail of this stack from now on.
    pub fn watch(&mut self, stack: &StackRef) {
        if self.watched.as_ref() != Some(stack) {
            self.watched = Some(stack.clone());
            self.detail.reset();
        }
    }
}

/// Seconds between two reads for Fleet.
const SELDOM: i64 = 30;

const STACKS: &[Column] = &[
    Column::text("STACK", 26, 0),
    Column::text("STATUS", 26, 0),
    Column::text("CHANGED", 8, 1),
    Column::text("REGION", 12, 3),
    Column::text("PROTECTED", 9, 4),
    Column::wide("REASON", 16, 2),
];

const RESOURCES: &[Column] = &[
    Column::text("RESOURCE", 22, 0),
    Column::text("STATUS", 22, 0),
    Column::text("TYPE", 30, 2),
    Column::text("CHANGED", 8, 3),
    Column::wide("REASON / ID", 16, 1),
];

/// The table that is shown.
pub fn view(model: &Model) -> View {
    let (state, now) = (&model.screens.stack, model.now);
    let (title, columns, rows) = match &state.opened {
        None => {
            let stacks = state.remote.get().map(Vec::as_slice).unwrap_or_default();
            let rows = stacks.iter().map(|stack| stack_row(stack, now)).collect();
            (format!("stacks of {}", model.context.environment), STACKS, rows)
        }
        Some(name) => {
            let resources = state.detail.get().map(|detail| detail.resources.as_slice()).unwrap_or_default();
            (
                format!("resources of {name}"),
                RESOURCES,
                resources.iter().map(|one| resource_row(one, now)).collect::<Vec<_>>(),
            )
        }
    };
    let all = rows.len();
    let rows: Vec<Row> = state.table().arrange(columns, rows);
    let none = match &state.opened {
        None => {
            let plans = hint::then(model, Action::Deploy, "plans a deploy");
            format!("no stack of environment {}{plans}", model.context.environment)
        }
        Some(name) => format!("{name} has no resource"),
    };
    let missing = if state.opened.is_some() { state.detail.missing() } else { state.remote.missing() };
    let empty = match (all, missing) {
        (1.., _) => hint::nothing_shown(model, model.screens.stack.table(), None),
        (_, Some(why)) => why,
        (_, None) => none,
    };
    View { title, columns: columns.to_vec(), selected: state.table().position(&rows), rows, all, empty }
}

/// The meaning by which a status is coloured.
pub fn meaning(status: &StackStatus) -> Meaning {
    if status.absent() {
        Meaning::Muted
    } else if status.failed() {
        Meaning::Bad
    } else if status.busy() {
        Meaning::Warn
    } else {
        Meaning::Good
    }
}

fn status_cell(status: &StackStatus) -> Cell {
    let symbol = match meaning(status) {
        Meaning::Bad => "✖",
        Meaning::Warn => "◐",
        Meaning::Muted => "○",
        _ => "●",
    };
    Cell::new(format!("{symbol} {}", status.0), meaning(status))
}

fn stack_row(stack: &Stack, now: Timestamp) -> Row {
    let cells = vec![
        Cell::new(&stack.id.name, Meaning::Accent),
        status_cell(&stack.status),
        Cell::plain(stack.updated_at.map(|at| age(now, at)).unwrap_or_default()),
        Cell::muted(&stack.id.region),
        Cell::muted(if stack.termination_protection { "yes" } else { "no" }),
        reason_cell(stack),
    ];
    Row { key: stack.id.name.clone(), cells, well: stack.status.settled_well() }
}

/// Why the stack is as it is; where CloudFormation says nothing, in how much it is not as the file says.
fn reason_cell(stack: &Stack) -> Cell {
    Cell::plain(stack.reason.clone().or_else(|| in_short(stack)).unwrap_or_default())
}

/// What is not as the file says of a stack and, if it is a server's, not as the stack says of its service.
pub fn drifted(model: &Model, stack: &Stack) -> Vec<Finding> {
    let part = stack.id.name.strip_prefix(&names::stack_prefix(&model.context.environment));
    drift(part.and_then(|name| super::fleet::server(model, name)), stack)
}

fn resource_row(resource: &StackResource, now: Timestamp) -> Row {
    let note = resource.reason.clone().filter(|reason| !reason.is_empty()).or_else(|| resource.physical_id.clone());
    let cells = vec![
        Cell::new(&resource.logical_id, Meaning::Accent),
        status_cell(&resource.status),
        Cell::muted(&resource.kind),
        Cell::plain(resource.updated_at.map(|at| age(now, at)).unwrap_or_default()),
        Cell::plain(note.unwrap_or_default()),
    ];
    Row { key: resource.logical_id.clone(), cells, well: !resource.status.failed() }
}

/// The stack that is selected or drilled into.
pub fn selected_stack(model: &Model) -> Option<StackRef> {
    selected(model).map(|stack| stack.id.clone())
}

/// The stack that is selected or drilled into, whole.
pub fn selected(model: &Model) -> Option<&Stack> {
    let stacks = model.screens.stack.remote.get()?;
    let name = match &model.screens.stack.opened {
        Some(name) => name.clone(),
        None => {
            let view = view(model);
            view.selected_key()?.to_owned()
        }
    };
    stacks.iter().find(|stack| stack.id.name == name)
}

/// The server whose stack is selected or drilled into, if it is one's.
pub fn selected_server(model: &Model) -> Option<String> {
    let stack = selected_stack(model)?;
    let name = stack.name.strip_prefix(&names::stack_prefix(&model.context.environment))?;
    super::fleet::knows(model, name).then(|| name.to_owned())
}

/// Seconds between two reads. Fleet needs them only to say why a server is not well.
pub(super) fn pace(model: &Model) -> i64 {
    match model.screen {
        Screen::Fleet => SELDOM,
        _ if model.busy() || model.screens.stack.changing() => FAST,
        _ => SLOW,
    }
}

/// Shows the screen. What was read for another one is read again, if it is older than it may be here.
pub(super) fn show(model: &mut Model) -> Vec<Effect> {
    let remote = &mut model.screens.stack.remote;
    if remote.read_at().is_some_and(|at| model.now.duration_since(at).as_secs() >= SLOW) {
        remote.hasten();
    }
    model.show(Screen::Stack)
}

/// Whether a stack of this name is there, as far as is known.
pub(super) fn may_show(model: &Model, name: &str) -> bool {
    model.screens.stack.remote.get().is_none_or(|stacks| stacks.iter().any(|stack| stack.id.name == name))
}

/// Whether a stack of this name is known to be there, or may be because no stack was read yet and all have such one.
pub(super) fn is_there(model: &Model, name: &str) -> bool {
    let known = model.screens.stack.remote.get();
    known.map_or_else(
        || name == names::stack(&model.context.environment, "platform"),
        |stacks| stacks.iter().any(|stack| stack.id.name == name),
    )
}

/// Shows the resources and events of a stack.
pub(super) fn drill(model: &mut Model, name: &str) -> Vec<Effect> {
    model.screens.stack.resources = Table::default();
    model.screens.stack.opened = Some(name.to_owned());
    show(model)
}

/// All stacks, and the detail of the one that is selected.
pub(super) fn reads(model: &mut Model) -> Vec<Fetch> {
    let mut reads = vec![Fetch::Stacks];
    if let Some(stack) = selected_stack(model) {
        model.screens.stack.watch(&stack);
        reads.push(Fetch::StackDetail(stack));
    }
    reads
}

/// Age of what the table shows: the stacks, or the resources of the one that is opened.
pub(super) fn freshness(model: &Model) -> Option<Freshness> {
    let state = &model.screens.stack;
    if state.opened.is_some() { fresh(&state.detail) } else { fresh(&state.remote) }
}

/// Goes one step back: out of a filter, then out of a stack.
pub(super) fn back(model: &mut Model) -> Option<Vec<Effect>> {
    let state = &mut model.screens.stack;
    (state.table_mut().unfilter() || state.opened.take().is_some()).then(Vec::new)
}

pub(super) fn open(model: &mut Model) -> Vec<Effect> {
    if model.screens.stack.opened.is_some() {
        return describe(model);
    }
    on_selected(model, |model, stack| {
        model.screens.stack.resources = Table::default();
        model.screens.stack.opened = Some(stack.id.name);
        Vec::new()
    })
}

pub(super) fn copy(model: &mut Model) -> Vec<Effect> {
    on_selected(model, |_, stack| vec![Effect::Copy(stack.arn)])
}

/// Asks for a plan that takes the update of the selected stack back.
pub fn cancel_update(model: &mut Model) -> Vec<Effect> {
    on_selected(model, |model, stack| operations::plan(model, PlanRequest::CancelUpdate { stack: stack.id.name }))
}

/// Asks what a rollback that is gone on with leaves as it is, where something could not be rolled back.
pub fn continue_rollback(model: &mut Model) -> Vec<Effect> {
    on_selected(model, |model, stack| {
        let offered = model.screens.stack.detail.get().map(StackDetail::skips).unwrap_or_default();
        if stack.status.rollback_failed() && !offered.is_empty() {
            return model.open(Dialog::Skips(Skips::of(&stack.id.name, offered)));
        }
        operations::plan(model, PlanRequest::ContinueRollback { stack: stack.id.name, skip: Vec::new() })
    })
}

/// Parameters and outputs of the selected stack.
pub fn describe(model: &mut Model) -> Vec<Effect> {
    on_selected(model, |model, stack| model.open(describe::stack(&stack)))
}

pub fn events(model: &mut Model) -> Vec<Effect> {
    on_selected(model, |model, stack| {
        let detail = &model.screens.stack.detail;
        let dialog = match detail.get() {
            Some(detail) => describe::stack_events(&stack.id.name, detail, model.now),
            None => {
                return model.refuse(format!("events of {}: {}", stack.id.name, detail.missing().unwrap_or_default()));
            }
        };
        model.open(dialog)
    })
}

fn on_selected(model: &mut Model, act: impl FnOnce(&mut Model, Stack) -> Vec<Effect>) -> Vec<Effect> {
    match selected(model).cloned() {
        Some(stack) => act(model, stack),
        None => model.refuse("no stack is selected"),
    }
}
