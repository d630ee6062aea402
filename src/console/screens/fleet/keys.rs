//! What the keys of the screen do.

use super::{Level, drill, selected_server, selected_task};
use crate::console::action::Action;
use crate::console::dialogs::Dialog;
use crate::console::dialogs::choose::{self, Choice};
use crate::console::effect::Effect;
use crate::console::input::Input;
use crate::console::model::Model;
use crate::console::table::Table;
use crate::console::{describe, hint, operations, screens};
use crate::core::fleet::Server;
use crate::core::operation::PlanRequest;

/// Goes one step back: out of a filter, then out of a drill-in.
pub(in crate::console::screens) fn back(model: &mut Model) -> Option<Vec<Effect>> {
    let state = &mut model.screens.fleet;
    if state.table_mut().unfilter() {
        return Some(Vec::new());
    }
    state.level = match std::mem::take(&mut state.level) {
        Level::Servers => return None,
        Level::Tasks(_) => Level::Servers,
        Level::Containers(server, _) => Level::Tasks(server),
    };
    Some(Vec::new())
}

/// Drills into the selected row.
pub(in crate::console::screens) fn open(model: &mut Model) -> Vec<Effect> {
    match model.screens.fleet.level.clone() {
        Level::Servers => {
            if let Some(name) = selected_server(model).map(|server| server.name.clone()) {
                drill(model, &name);
            }
            Vec::new()
        }
        Level::Tasks(name) => {
            if let Some(arn) = selected_task(model).map(|task| task.arn.clone()) {
                model.screens.fleet.containers = Table::default();
                model.screens.fleet.level = Level::Containers(name, arn);
            }
            Vec::new()
        }
        Level::Containers(..) => describe(model),
    }
}

pub(in crate::console::screens) fn copy(model: &mut Model) -> Vec<Effect> {
    on_server(model, |model, server| {
        vec![Effect::Copy(selected_task(model).map_or(server.arn, |task| task.arn.clone()))]
    })
}

pub fn faults_only(model: &mut Model) -> Vec<Effect> {
    let table = model.screens.fleet.table_mut();
    table.faults_only = !table.faults_only;
    Vec::new()
}

pub fn logs(model: &mut Model) -> Vec<Effect> {
    let task = selected_task(model).map(|task| (task.id().to_owned(), task.stopped_at));
    on_server(model, |model, server| match task {
        Some((task, stopped_at)) => screens::logs::follow_task(model, &server.name, &task, stopped_at),
        None => screens::logs::follow(model, Some(&server.name)),
    })
}

/// Everything known of the selected task, or of the server.
pub fn describe(model: &mut Model) -> Vec<Effect> {
    on_server(model, |model, server| model.open(describe::selection(model, &server)))
}

/// The selected task, or the server, as JSON.
pub fn raw(model: &mut Model) -> Vec<Effect> {
    on_server(model, |model, server| {
        let dialog = match selected_task(model) {
            Some(task) => describe::json(task.id(), task),
            None => describe::json(&server.name, &server),
        };
        model.open(dialog)
    })
}

pub fn events(model: &mut Model) -> Vec<Effect> {
    on_server(model, |model, server| model.open(describe::events(&server, model.now)))
}

pub fn scale(model: &mut Model) -> Vec<Effect> {
    // The field is empty: with a 2 in it, typing 8 would ask for 28.
    on_server(model, |model, server| {
        model.open(Dialog::Scale { server: server.name, input: Input::default(), error: None })
    })
}

/// Asks for a plan that needs only the selected server's name.
pub fn plan(model: &mut Model, request: impl FnOnce(String) -> PlanRequest) -> Vec<Effect> {
    on_server(model, |model, server| operations::plan(model, request(server.name)))
}

/// Asks which zone is to be taken out; where one is, it is let in again.
pub fn shift_zone(model: &mut Model) -> Vec<Effect> {
    match model.screens.fleet.shifts.get() {
        Some(Err(why)) => model.refuse(why.words()),
        Some(Ok(shifts)) if shifts.shift.is_some() => operations::plan(model, PlanRequest::CancelShift),
        _ => choose::open(model, Choice::Zone),
    }
}

pub fn stop_task(model: &mut Model) -> Vec<Effect> {
    on_server(model, |model, _| match selected_task(model).map(|task| (task.arn.clone(), task.stopped())) {
        Some((task, false)) => operations::plan(model, PlanRequest::StopTask { task }),
        Some((_, true)) => model.refuse("that task has stopped already"),
        None => {
            model.refuse(format!("no task is selected{}", hint::then(model, Action::Open, "shows those of the server")))
        }
    })
}

fn on_server(model: &mut Model, act: impl FnOnce(&mut Model, Server) -> Vec<Effect>) -> Vec<Effect> {
    match selected_server(model).cloned() {
        Some(server) => act(model, server),
        None => model.refuse("no server is selected"),
    }
}
