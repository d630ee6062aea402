//! Stack: the environment's stacks, their resources and events, deploy and destroy.

use jiff::Timestamp;

use super::View;
use crate::console::action::Action;
use crate::console::effect::Effect;
use crate::console::model::Model;
use crate::console::remote::Remote;
use crate::console::table::{Cell, Column, Row, Table};
use crate::console::update::{open, request_plan};
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

    /// Goes one step back: out of a filter, then out of a stack. Whether there was one.
    pub fn back(&mut self) -> bool {
        if !self.table().filter.is_empty() {
            self.table_mut().filter.clear();
            return true;
        }
        self.opened.take().is_some()
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
    let (state, now) = (&model.stack, model.now);
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
    let empty = match (all, state.remote.error()) {
        (1.., _) => "nothing matches the filter; esc shows everything".into(),
        (_, Some(error)) if state.remote.get().is_none() => error.message.clone(),
        _ if state.remote.loading() || (state.opened.is_some() && state.detail.loading()) => "reading …".into(),
        _ => format!("no stack of environment {}; D plans a deploy", model.context.environment),
    };
    View { title, columns: columns.to_vec(), selected: state.table().position(&rows), rows, all, empty }
}

/// What a status means to the theme.
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
        Cell::plain(stack.reason.clone().unwrap_or_default()),
    ];
    Row { key: stack.id.name.clone(), cells, well: stack.status.settled_well() }
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
    let stacks = model.stack.remote.get()?;
    let name = match &model.stack.opened {
        Some(name) => name.clone(),
        None => {
            let view = view(model);
            view.rows.get(view.selected?)?.key.clone()
        }
    };
    stacks.iter().find(|stack| stack.id.name == name)
}

/// Carries out an action of this screen.
pub fn act(model: &mut Model, action: Action) -> Vec<Effect> {
    match action {
        Action::Deploy => request_plan(model, PlanRequest::Deploy { servers: Vec::new() }),
        Action::Destroy => request_plan(model, PlanRequest::Destroy),
        _ => match selected(model).cloned() {
            None => model.refuse("no stack is selected"),
            Some(stack) => on_stack(model, action, &stack),
        },
    }
}

fn on_stack(model: &mut Model, action: Action, stack: &Stack) -> Vec<Effect> {
    use crate::console::describe;
    match action {
        Action::Open if model.stack.opened.is_none() => {
            model.stack.resources = Table::default();
            model.stack.opened = Some(stack.id.name.clone());
            Vec::new()
        }
        Action::Open | Action::StackDescribe => open(model, describe::stack(stack)),
        Action::StackEvents => {
            let dialog = describe::stack_events(&stack.id.name, model.stack.detail.get(), model.now);
            open(model, dialog)
        }
        Action::Copy => vec![Effect::Copy(stack.arn.clone())],
        _ => Vec::new(),
    }
}
