//! The cause that the first line names, and the way to its server.

use super::{Level, failed, subjects};
use crate::console::action::{Action, Scope};
use crate::console::effect::Effect;
use crate::console::hint;
use crate::console::model::Model;
use crate::console::screens::Screen;
use crate::core::finding::{Common, Subject, common};

/// Whether something may be wrong, as far as it is found out without a judgement of every server.
pub fn suspects(model: &Model) -> bool {
    let traffic = !model.screens.requests.found.is_empty();
    let fleet = &model.screens.fleet;
    fleet.level == Level::Servers && (fleet.unwell || traffic || !failed(model).is_empty())
}

/// What is wrong with each server and with what all share; nothing where all is well, which is most of the time.
pub fn unwell(model: &Model) -> Vec<Subject<'_>> {
    if suspects(model) { subjects(model) } else { Vec::new() }
}

/// The keys that lead to what helps against a cause. Most of them act on the selected server, so where that is another one,
/// the key that selects the right one comes first.
pub fn keys(model: &Model, cause: &Common<'_>, selected: Option<&str>) -> Option<String> {
    let action: Action = cause.finding.remedy?.into();
    let keys = hint::keys(model, action)?;
    let of_selected = action.info().scope == Scope::Screen(Screen::Fleet) || action == Action::Show(Screen::Doctor);
    let elsewhere = cause.server.is_some() && cause.server != selected;
    match hint::keys(model, Action::ToCause).filter(|_| of_selected && elsewhere) {
        Some(first) => Some(format!("{first} {keys}")),
        None => Some(keys),
    }
}

/// Selects the server that the first line names.
pub fn to_cause(model: &mut Model) -> Vec<Effect> {
    let found = unwell(model);
    let server = common(&found).and_then(|cause| cause.server).map(str::to_owned);
    drop(found);
    let Some(server) = server else { return model.refuse("no server is named as the cause") };
    let table = model.screens.fleet.table_mut();
    table.unfilter();
    table.select(&server);
    Vec::new()
}
