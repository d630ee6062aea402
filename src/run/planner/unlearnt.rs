//! Finds what a rotation did without recording it, because it was cut off between a write and its record.
//! It must be known before the rotation is taken back, so that no valid credentials are left behind and
//! none that are in use are deleted.

use super::refused;
use crate::cloud::{CloudResult, ErrorKind, TokenAnswer};
use crate::core::client::{Client, ClientList};
use crate::core::error::PlanResult;
use crate::core::operation::rotate::{Rotation, Strategy};
use crate::core::operation::work::{Label, Version};
use crate::core::operation::{Fact, Facts};
use crate::run::session::Session;

/// Adds to what a rotation had learnt what it did not record.
///
/// # Errors
/// When the old credentials do not exist any more, when it is not clear which version must be published,
/// or when something could not be read.
pub(super) async fn look(session: &Session, rotation: &Rotation, learnt: &mut Facts) -> PlanResult<()> {
    let list = session.cloud.clients(&rotation.pool, &session.context.environment).await?;
    if let Some(part) = list.unread().first() {
        return Err(refused(ErrorKind::Conflict, format!("not everything about the clients could be read: {part}"))
            .with_hint("try again"));
    }
    old_is_left(rotation, &list)?;
    if let Some((fact, id)) = made(session, rotation, &list, learnt).await?
        && !learnt.contains(&fact)
    {
        learnt.insert(fact, id);
    }
    versions(session, rotation, learnt).await
}

/// Refuses if the old credentials do not exist any more: there is nothing to go back to.
fn old_is_left(rotation: &Rotation, list: &ClientList) -> PlanResult<()> {
    let client = list.clients.iter().find(|client| client.id == rotation.client);
    let left = match &rotation.strategy {
        Strategy::DualSecret { old_secret } => {
            client.is_some_and(|client| client.known_secrets().iter().any(|secret| secret.id == *old_secret))
        }
        Strategy::ReplaceClient { .. } => client.is_some(),
    };
    if left {
        return Ok(());
    }
    let why = format!("the old credentials of {} are deleted already: there is nothing to go back to", rotation.name);
    Err(refused(ErrorKind::Conflict, why).with_hint("finish the rotation instead"))
}

/// The secret or client that the rotation made: it exists, it did not when the rotation was planned, and
/// it is ours.
async fn made(
    session: &Session,
    rotation: &Rotation,
    list: &ClientList,
    learnt: &Facts,
) -> PlanResult<Option<(Fact, String)>> {
    match &rotation.strategy {
        Strategy::DualSecret { old_secret } => {
            let client = list.clients.iter().find(|client| client.id == rotation.client);
            let secrets = client.map(Client::known_secrets).unwrap_or_default();
            let Some(new) = secrets.iter().find(|secret| secret.id != *old_secret) else { return Ok(None) };
            let ours = learnt.contains(&Fact::ClientSecret) || opens(session, rotation, learnt).await?;
            Ok(ours.then(|| (Fact::ClientSecret, new.id.clone())))
        }
        Strategy::ReplaceClient { known_clients, .. } => {
            let new = |client: &&Client| client.name == rotation.name && !known_clients.contains(&client.id);
            Ok(list.clients.iter().find(new).map(|client| (Fact::Client, client.id.clone())))
        }
    }
}

/// Whether the token endpoint accepts the value that the rotation stored. If not, another machine has made
/// the client's second secret.
async fn opens(session: &Session, rotation: &Rotation, learnt: &Facts) -> CloudResult<bool> {
    let Some(version) = learnt.get(&rotation.pending()) else { return Ok(false) };
    let answer = session.cloud.token(&rotation.probe(Version::Id(version.to_owned()))).await?;
    Ok(matches!(answer, TokenAnswer::Granted(_)))
}

/// Finds the version that must be published when the new credentials are deleted.
async fn versions(session: &Session, rotation: &Rotation, learnt: &mut Facts) -> PlanResult<()> {
    let versions = session.cloud.secret_versions(&rotation.secret).await?;
    let bears = |label: Label| {
        let labelled = |labels: &Vec<String>| labels.iter().any(|one| one == label.as_str());
        versions.iter().find(|(_, labels)| labelled(labels)).map(|(version, _)| version.clone())
    };
    let unclear = |why: &str| refused(ErrorKind::Conflict, format!("secret {}: {why}", rotation.secret));
    let current = bears(Label::Current).ok_or_else(|| unclear("no version is AWSCURRENT"))?;
    let (pending, previous) = (learnt.get(&rotation.pending()), learnt.get(&rotation.previous()));
    match (pending == Some(current.as_str()), previous) {
        // Either the new version was published and that is known, or an earlier attempt to take the
        // rotation back has moved the label back.
        (true, Some(_)) => {}
        (false, Some(previous)) if previous == current => {}
        (false, Some(_)) => {
            return Err(unclear("AWSCURRENT is a version that this rotation neither made nor replaced"));
        }
        (true, None) => {
            let before = bears(Label::Previous).ok_or_else(|| unclear("no version is AWSPREVIOUS"))?;
            learnt.insert(rotation.previous(), before);
        }
        (false, None) => {
            learnt.insert(rotation.current(), current);
        }
    }
    Ok(())
}
