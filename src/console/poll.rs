//! What is read when: only what the visible screen needs, more often while something changes.

use super::effect::Effect;
use super::model::{Model, Screen};
use super::msg::{Data, Slot};
use super::remote::Generation;
use crate::core::error::CloudError;

/// Seconds between two reads of what changes slowly.
const SLOW: i64 = 10;
/// Seconds between two reads of health.
const STEADY: i64 = 3;
/// Seconds between two reads while something changes.
const FAST: i64 = 1;

/// Begins every read that is due for the screen shown.
pub fn due(model: &mut Model) -> Vec<Effect> {
    let now = model.now;
    let mut effects = Vec::new();
    let mut fetch = |due: bool, begin: &mut dyn FnMut() -> (Slot, Generation)| {
        if due {
            let (slot, generation) = begin();
            effects.push(Effect::Fetch(slot, generation));
        }
    };
    let identity = &mut model.identity;
    fetch(identity.get().is_none() && identity.is_due(now), &mut || (Slot::Identity, identity.begin()));
    // Header and palette name the servers on every screen, but only Fleet needs them fresh, and
    // Logs lets new servers join.
    let fleet = &mut model.fleet.remote;
    let wanted = matches!(model.screen, Screen::Fleet | Screen::Logs) || fleet.get().is_none();
    fetch(wanted && fleet.is_due(now), &mut || (Slot::Fleet, fleet.begin()));
    if model.screen == Screen::Stack {
        let stacks = &mut model.stack.remote;
        fetch(stacks.is_due(now), &mut || (Slot::Stacks, stacks.begin()));
        if let Some(stack) = super::screens::stack::selected_stack(model) {
            model.stack.watch(&stack);
            let detail = &mut model.stack.detail;
            fetch(detail.is_due(now), &mut || (Slot::StackDetail(stack.clone()), detail.begin()));
        }
    }
    if model.screen == Screen::Clients {
        let clients = &mut model.clients.remote;
        fetch(clients.is_due(now), &mut || (Slot::Clients, clients.begin()));
    }
    effects
}

/// The data of a slot; an answer of another kind is no answer.
macro_rules! take {
    ($result:expr, $variant:path) => {
        match $result {
            Ok($variant(data)) => Ok(data),
            Ok(_) => return Vec::new(),
            Err(error) => Err(error),
        }
    };
}

/// Takes what was read.
pub fn loaded(model: &mut Model, slot: Slot, generation: Generation, result: Result<Data, CloudError>) -> Vec<Effect> {
    let (now, busy) = (model.now, model.busy());
    let steady = if model.screen == Screen::Logs { SLOW } else { STEADY };
    let health = if busy || model.fleet.changing() { FAST } else { steady };
    let stacks = if busy || model.stack.changing() { FAST } else { SLOW };
    match slot {
        Slot::Identity => {
            let identity = take!(result, Data::Identity);
            model.identity.resolve(generation, identity, now, SLOW);
            model.context.identity = model.identity.get().cloned();
        }
        Slot::Fleet => {
            let fleet = take!(result, Data::Fleet);
            model.fleet.remote.resolve(generation, fleet, now, health);
            return crate::console::screens::logs::fleet_read(model);
        }
        Slot::Stacks => {
            let list = take!(result, Data::Stacks);
            model.stack.remote.resolve(generation, list, now, stacks);
        }
        Slot::StackDetail(stack) => {
            if model.stack.watched.as_ref() == Some(&stack) {
                let detail = take!(result, Data::StackDetail);
                model.stack.detail.resolve(generation, detail, now, stacks);
            }
        }
        Slot::Clients => {
            let clients = take!(result, Data::Clients);
            model.clients.remote.resolve(generation, clients, now, if busy { FAST } else { SLOW });
        }
    }
    Vec::new()
}

/// Reads everything that the screen shows again, now.
pub fn refresh(model: &mut Model) -> Vec<Effect> {
    hurry(model);
    if model.identity.get().is_none() {
        model.identity.invalidate();
    }
    due(model)
}

/// Something has changed: what is known is old. The next tick reads it again.
pub fn hurry(model: &mut Model) {
    model.fleet.remote.invalidate();
    model.stack.remote.invalidate();
    model.stack.detail.invalidate();
    model.clients.remote.invalidate();
}
