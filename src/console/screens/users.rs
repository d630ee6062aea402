//! Users: the people of the environment's user pool, and what may be done about their sign-ins.

use super::{Freshness, View, clients, fresh};
use crate::console::dialogs::Dialog;
use crate::console::effect::Effect;
use crate::console::model::Model;
use crate::console::remote::Remote;
use crate::console::table::{Cell, Column, Row, Table};
use crate::console::{describe, hint, operations};
use crate::core::meaning::Meaning;
use crate::core::operation::PlanRequest;
use crate::core::operation::user::UserChange;
use crate::core::quarantine::Who;
use crate::core::text::age;
use crate::core::user::{User, UserList};

/// The screen's state.
#[derive(Debug, Clone, Default)]
pub struct State {
    pub remote: Remote<UserList>,
    pub table: Table,
}

const COLUMNS: &[Column] = &[
    Column::wide("USER", 24, 0),
    Column::text("STATUS", 22, 2),
    Column::text("SIGN-IN", 8, 0),
    Column::text("AGE", 6, 3),
    Column::text("SUBJECT", 36, 1),
];

pub fn view(model: &Model) -> View {
    let state = &model.screens.users;
    let list = state.remote.get();
    let rows: Vec<Row> =
        list.map(|list| list.users.as_slice()).unwrap_or_default().iter().map(|user| row(user, model)).collect();
    let all = rows.len();
    let rows = state.table.arrange(COLUMNS, rows);
    let empty = match (all, state.remote.missing()) {
        (1.., _) => hint::nothing_shown(model, &model.screens.users.table, None),
        (_, Some(why)) => why,
        (_, None) => "nobody can sign in: the user pool has no user".to_owned(),
    };
    let title = match list {
        Some(list) if list.more => format!("the first {all} users of {}", list.pool),
        Some(list) => format!("users of {}{}", list.pool, clients::kept_out(model)),
        None => "users".to_owned(),
    };
    View { title, columns: COLUMNS.to_vec(), selected: state.table.position(&rows), rows, all, empty }
}

fn row(user: &User, model: &Model) -> Row {
    let out = clients::out(model, &Who::Subject(user.subject.clone()));
    let well = user.enabled && out.is_none();
    let sign_in = if let Some(out) = out {
        out
    } else if user.enabled {
        Cell::plain("yes")
    } else {
        Cell::new("no", Meaning::Warn)
    };
    let cells = vec![
        Cell::new(user.called(), Meaning::Accent),
        Cell::plain(&user.status),
        sign_in,
        Cell::muted(user.created_at.map_or("-".to_owned(), |at| age(model.now, at))),
        Cell::muted(&user.subject),
    ];
    Row { key: user.name.clone(), cells, well }
}

/// The user that is selected.
pub fn selected(model: &Model) -> Option<&User> {
    let view = view(model);
    let key = view.selected_key()?;
    model.screens.users.remote.get()?.users.iter().find(|user| user.name == key)
}

pub(super) fn freshness(model: &Model) -> Option<Freshness> {
    fresh(&model.screens.users.remote)
}

/// Leaves the filter.
pub(super) fn back(model: &mut Model) -> Option<Vec<Effect>> {
    model.screens.users.table.unfilter().then(Vec::new)
}

pub(super) fn open(model: &mut Model) -> Vec<Effect> {
    describe(model)
}

pub(super) fn copy(model: &mut Model) -> Vec<Effect> {
    on_selected(model, |_, user| vec![Effect::Copy(user.subject)])
}

/// Everything known of the selected user.
pub fn describe(model: &mut Model) -> Vec<Effect> {
    on_selected(model, |model, user| {
        let entry = clients::entry(model, &Who::Subject(user.subject.clone()));
        let dialog: Dialog = describe::user(&user, entry.as_ref(), &model.keymap, model.now);
        model.open(dialog)
    })
}

/// Plans a change of the selected user.
pub fn change(model: &mut Model, change: UserChange) -> Vec<Effect> {
    on_selected(model, |model, user| operations::plan(model, PlanRequest::ChangeUser { user: user.name, change }))
}

/// Plans to let the selected user sign in no more, or again.
pub fn switch(model: &mut Model) -> Vec<Effect> {
    let enabled = selected(model).is_none_or(|user| user.enabled);
    change(model, if enabled { UserChange::Disable } else { UserChange::Enable })
}

/// Plans to keep the selected user out of the servers, or to let them in again.
pub fn quarantine(model: &mut Model) -> Vec<Effect> {
    on_selected(model, |model, user| match user.subject.is_empty() {
        true => model.refuse(format!("Cognito does not say by which subject {} calls", user.called())),
        false => {
            let called = user.called().to_owned();
            clients::switch_quarantine(model, Who::Subject(user.subject), called)
        }
    })
}

fn on_selected(model: &mut Model, act: impl FnOnce(&mut Model, User) -> Vec<Effect>) -> Vec<Effect> {
    match selected(model).cloned() {
        Some(user) => act(model, user),
        None => model.refuse("no user is selected"),
    }
}
