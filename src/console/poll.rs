//! Decides what is read and when: only what the visible screen needs, more often while it changes.

use super::beside;
use super::dialogs::Dialog;
use super::dialogs::choose::Choice;
use super::effect::Effect;
use super::model::Model;
use super::remote::Ask as _;
use super::screens::{Fetch, fleet, remotes, with_pauses};

/// Begins every read that is due for the screen shown. Asked for once, at the end of each step.
pub(super) fn due(model: &mut Model) -> Vec<Effect> {
    if model.place.signing_in() {
        return Vec::new();
    }
    let now = model.now;
    let mut effects = Vec::new();
    for read in wanted(model) {
        let remote = read.remote(model);
        if remote.is_due(now) {
            let generation = remote.begin(now);
            // What is looked at takes work to find out, so it is only done for a read that begins.
            let read = match read {
                Fetch::Fleet(_) => Fetch::Fleet(fleet::attention(model)),
                Fetch::Measured(_) => Fetch::Measured(fleet::measured_servers(model)),
                Fetch::Words(_) => Fetch::Words(fleet::ended(model)),
                Fetch::Traffic(_) => Fetch::Traffic(fleet::watched(model)),
                other => other,
            };
            effects.push(Effect::Fetch(read, generation));
        }
    }
    effects.extend(fleet::looks_elsewhere(model).map(Effect::Look));
    effects.extend(beside::due(model));
    effects
}

fn wanted(model: &mut Model) -> Vec<Fetch> {
    let listed = match model.dialogs.last() {
        Some(Dialog::Choose { choice, .. }) => choice.read(),
        Some(Dialog::Palette { input, .. }) => Choice::of_line(input.text()).and_then(|(choice, _)| choice.read()),
        _ => None,
    };
    if !model.context.chosen() {
        let caller = model.identity.is_empty().then_some(Fetch::Identity);
        return caller.into_iter().chain(listed).collect();
    }
    let mut wanted = (model.screen.info().reads)(model);
    wanted.extend(listed);
    // The list of operations names those of others, over whichever screen it lies.
    if matches!(model.dialogs.last(), Some(Dialog::Operations { .. })) && !wanted.contains(&Fetch::Announced) {
        wanted.push(Fetch::Announced);
    }
    // On every screen the header shows the caller, and header and palette the servers.
    for (read, missing) in
        [(Fetch::Identity, model.identity.is_empty()), (Fetch::ANY_FLEET, model.screens.fleet.remote.is_empty())]
    {
        if missing && !wanted.contains(&read) {
            wanted.insert(0, read);
        }
    }
    wanted
}

/// Reads everything that the screen shows again, as soon as may be. What is being read already is not read twice.
pub fn refresh(model: &mut Model) -> Vec<Effect> {
    model.screens.fleet.anew |= model.screens.fleet.remote.idle();
    with_pauses(model).into_iter().for_each(|(remote, seconds)| remote.refresh(seconds));
    beside::refresh(model);
    Vec::new()
}

/// Marks all data as old after a change, so that it is read again as soon as it is shown.
pub(super) fn hurry(model: &mut Model) {
    model.screens.fleet.anew = true;
    remotes(model).into_iter().for_each(|remote| remote.invalidate());
}
