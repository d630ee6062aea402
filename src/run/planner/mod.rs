//! Makes plans: reads what is there, and says what would change, before anything is changed.

mod deploy;
mod deployments;
mod destroy;
mod image;
mod others;
mod publish;
mod quarantine;
mod rescue;
mod rotate;
mod secret;
mod service;
mod shift;
mod trial;
mod unlearnt;
mod user;

pub use secret::variables;

use super::Session;
use crate::cloud::{CloudError, ErrorKind};
use crate::core::error::{PlanError, PlanResult, Refusal};
use crate::core::operation::PlanRequest;
use crate::core::plan::Plan;

/// Plans what was asked for. Changes nothing; the change sets that it drafts are in [`Plan::drafts`].
///
/// # Errors
/// When something cannot be read, or when what was asked for is not possible. The error then says what
/// is possible.
pub async fn plan(session: &Session, request: PlanRequest) -> PlanResult<Plan> {
    let mut plan = planned(session, request).await?;
    deployments::look(session, &mut plan).await?;
    others::warn(session, &mut plan).await;
    Ok(plan)
}

async fn planned(session: &Session, request: PlanRequest) -> PlanResult<Plan> {
    match request {
        PlanRequest::Scale { server, desired, bounds } => service::scale(session, &server, desired, bounds).await,
        PlanRequest::Restart { server } => service::restart(session, &server).await,
        PlanRequest::Rollback { server, revision } => service::rollback(session, &server, revision).await,
        PlanRequest::StopTask { task } => service::stop_task(session, &task).await,
        PlanRequest::StopDeployment { server } => rescue::stop_deployment(session, &server).await,
        PlanRequest::CancelUpdate { stack } => rescue::cancel_update(session, &stack).await,
        PlanRequest::ContinueRollback { stack, skip } => rescue::continue_rollback(session, &stack, &skip).await,
        PlanRequest::Deploy { servers } => deploy::deploy(session, &servers).await,
        PlanRequest::Destroy => destroy::destroy(session).await,
        PlanRequest::Publish { servers, gangway, from } => publish::publish(session, &servers, gangway, from).await,
        PlanRequest::Rotate { client, grace_seconds } => rotate::rotate(session, &client, grace_seconds).await,
        PlanRequest::SetSecret { server, key } => secret::set(session, &server, &key).await,
        PlanRequest::UnsetSecret { server, key } => secret::unset(session, &server, &key).await,
        PlanRequest::ChangeUser { user, change } => user::change(session, &user, change).await,
        PlanRequest::Quarantine { who, seconds, lately } => quarantine::change(session, who, seconds, lately).await,
        PlanRequest::ShiftZone { zone, seconds } => shift::start(session, &zone, seconds).await,
        PlanRequest::CancelShift => shift::cancel(session).await,
        PlanRequest::UndoRotation { plan, learnt } => rotate::undo(session, *plan, learnt).await,
    }
}

/// The refusal of something that is not possible.
fn refused(kind: ErrorKind, why: impl Into<String>) -> PlanError {
    Refusal::new(kind, why).into()
}

/// The refusal of a plan that needs something which could not be read.
fn unread(what: &str, error: &CloudError) -> PlanError {
    Refusal::unread(what, error).into()
}
