//! Finds what a rotation did without recording it, because it was cut off between a write and its record.
//! It must be known before the rotation is taken back, so that the right credentials are published again.

use super::refused;
use crate::cloud::ErrorKind;
use crate::core::client::{Client, ClientList};
use crate::core::error::PlanResult;
use crate::core::operation::intent::LAYOUT;
use crate::core::operation::rotate::{Rotation, Strategy};
use crate::core::operation::work::{Label, labelled};
use crate::core::operation::{Fact, Facts};
use crate::core::plan::Plan;
use crate::run::judge::published;
use crate::run::session::Session;

/// Adds to what a rotation had learnt what it did not record.
///
/// # Errors
/// When somebody else has taken the client over, when the old credentials do not exist any more, when it is
/// not clear which version must be published, or when something could not be read.
pub(super) async fn look(session: &Session, rotation: &Rotation, plan: &Plan, learnt: &mut Facts) -> PlanResult<()> {
    let (id, current) = (plan.id.as_str(), plan.layout == LAYOUT);
    let unclear = |why: String| refused(ErrorKind::Conflict, why);
    let held = match session.cloud.lease(&rotation.secret).await? {
        Some(holder) if holder.operation == id => Some(holder.version),
        Some(holder) => {
            return Err(unclear(format!("{} is reserved by {holder}", rotation.name))
                .with_hint("the rotation is overtaken: close it"));
        }
        None if learnt.contains(&Fact::Lease(rotation.secret.clone())) => {
            return Err(unclear(format!("the rotation of {} is over", rotation.name)).with_hint("close it"));
        }
        None if current => {
            return Err(unclear(format!("the rotation of {} had not begun to change anything", rotation.name))
                .with_hint("there is nothing to take back: close it"));
        }
        // An earlier version began it, which reserved nothing.
        None => None,
    };
    // This asks for what the rotation has recorded, so the lease that it did not record comes after it.
    if !published(session, rotation, id, learnt, rotation.current.as_deref()).await? {
        return Err(unclear(format!("other credentials of {} have been published since", rotation.name))
            .with_hint("the rotation is overtaken: close it"));
    }
    if let Some(held) = held {
        learnt.insert(Fact::Lease(rotation.secret.clone()), held);
    }
    let list = session.cloud.clients(&rotation.pool, &session.context.environment).await?;
    if let Some(part) = list.unread().first() {
        return Err(unclear(format!("not everything about the clients could be read: {part}")).with_hint("try again"));
    }
    old_is_left(rotation, &list)?;
    versions(session, rotation, learnt).await
}

/// Refuses if the old credentials do not exist any more: there is nothing to go back to.
fn old_is_left(rotation: &Rotation, list: &ClientList) -> PlanResult<()> {
    let client = list.clients.iter().find(|client| client.id == rotation.client);
    let left = match &rotation.strategy {
        Strategy::DualSecret { old_secret } => {
            client.is_some_and(|client| client.known_secrets().iter().any(|secret| secret.id == *old_secret))
        }
        Strategy::ReplaceClient { .. } => client.is_some_and(|client: &Client| !client.public()),
    };
    if left {
        return Ok(());
    }
    let why = format!("the old credentials of {} are deleted already: there is nothing to go back to", rotation.name);
    Err(refused(ErrorKind::Conflict, why).with_hint("finish the rotation instead"))
}

/// Finds the version with the old credentials. While the rotation has the client reserved, nobody else moves
/// `AWSCURRENT`, so where it is says how far the rotation came.
async fn versions(session: &Session, rotation: &Rotation, learnt: &mut Facts) -> PlanResult<()> {
    let versions = session.cloud.secret_versions(&rotation.secret).await?;
    let current = labelled(&versions, Label::Current.as_str()).map(str::to_owned);
    let unpublished = || refused(ErrorKind::Conflict, format!("secret {}: no version is AWSCURRENT", rotation.secret));
    let current = current.ok_or_else(unpublished)?;
    if learnt.contains(&rotation.previous()) {
        return Ok(());
    }
    // The version from which the new credentials would be published, once it is known that it is in force.
    let before = match (&rotation.strategy, &rotation.left_secret) {
        (Strategy::ReplaceClient { .. }, _) => learnt.get(&rotation.allowed()),
        (Strategy::DualSecret { .. }, Some(_)) => learnt.get(&rotation.republished()),
        (Strategy::DualSecret { .. }, None) => learnt.get(&rotation.current()),
    };
    match before.filter(|before| *before != current).map(str::to_owned) {
        Some(before) => learnt.insert(rotation.previous(), before),
        None => learnt.insert(rotation.current(), current),
    }
    Ok(())
}
