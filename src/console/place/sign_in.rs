//! Whether the credentials are still accepted, and how somebody signs in again.

use super::{Renewed, enter};
use crate::console::action::Action;
use crate::console::beside;
use crate::console::effect::Effect;
use crate::console::hint;
use crate::console::model::Model;
use crate::console::msg::Notice;
use crate::console::poll;
use crate::console::screens::{Answer, doctor, insights, logs, remotes};
use crate::core::destination::Destination;
use crate::core::error::CloudError;
use crate::core::operation::Event;
use crate::core::operation::protocol::News;

/// Takes from an operation's news whether the credentials are still accepted.
pub(in crate::console) fn refused(model: &mut Model, id: &str, event: &Event) {
    let Event::Step { news: News::Failed(error) | News::Unread(error), .. } = event else { return };
    if error.signed_out() && model.place.of_operation(id) == model.place.shown {
        model.place.signed_out = Some(error.clone());
    }
}

/// Takes from an answer whether the credentials are still accepted.
pub(in crate::console) fn credentials(model: &mut Model, answer: &Answer) {
    match answer {
        // Read from files.
        Answer::Profiles(_) => {}
        Answer::Fleet(Ok(fleet)) => {
            let why = fleet.ages.values().find_map(|ages| ages.service.error.clone().filter(CloudError::signed_out));
            model.place.signed_out = why;
        }
        other => match other.error() {
            Some(error) if error.signed_out() => model.place.signed_out = Some(error.clone()),
            Some(_) => {}
            None => model.place.signed_out = None,
        },
    }
}

/// Signs in again: the terminal is lent to the program that does it.
pub fn sign_in(model: &mut Model) -> Vec<Effect> {
    if model.busy() {
        return model.refuse("an operation is under way with these credentials; it pauses by itself if they expire");
    }
    match model.context.renewal() {
        Some(command) => {
            // Nothing is read until it is known whose credentials they are then.
            model.place.signing_in = true;
            let stopped = [insights::cancel(model), doctor::stop(model)].into_iter().flatten();
            stopped.chain([Effect::SignIn(command)]).collect()
        }
        None if model.context.emulated() => model.refuse("nobody signs in for an emulator"),
        None => {
            let profile = model.context.profile.as_deref().map(|name| format!(" of profile {name}"));
            let profile = profile.unwrap_or_default();
            let read = hint::then(model, Action::Refresh, "reads again");
            model.refuse(format!(
                "the credentials{profile} are of a kind that nobody signs in for; renew them where they come from{read}"
            ))
        }
    }
}

/// Takes that somebody has signed in again, or why not. What was being read meanwhile will not come.
pub(in crate::console) fn signed_in(model: &mut Model, result: Result<Renewed, String>) -> Vec<Effect> {
    model.place.signing_in = false;
    remotes(model).into_iter().for_each(|remote| remote.abandon());
    match result {
        Ok(Renewed::Same) => {
            model.place.signed_out = None;
            model.notify(Notice::Good("signed in; reading goes on".into()));
            // The role may be another one.
            model.identity.reset();
            beside::signed_in(model);
            let mut effects = poll::refresh(model);
            effects.extend(logs::again(model));
            effects
        }
        // What is on the screen is of the account before.
        Ok(Renewed::Elsewhere) => {
            beside::signed_in_elsewhere(model);
            let here = Destination::here(&model.context);
            enter(model, here)
        }
        Err(why) => {
            let mut effects = model.refuse(format!("not signed in: {why}"));
            effects.extend(logs::again(model));
            effects
        }
    }
}
