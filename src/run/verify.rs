//! Reads a condition back from the cloud; the core judges it.

use jiff::Timestamp;

use super::Session;
use crate::cloud::{CloudError, CloudResult, ErrorKind};
use crate::core::environment::names;
use crate::core::fleet::Fleet;
use crate::core::operation::deploy::output_fact;
use crate::core::operation::protocol::News;
use crate::core::operation::verify::{gone, settled, steady};
use crate::core::operation::work::TokenProbe;
use crate::core::operation::{Check, CheckState, Facts};
use crate::core::stack::{Stack, StackDetail, StackRef};
use crate::core::text::short_duration;

/// The call whose refusal is the token endpoint's.
const TOKEN: &str = "oauth2:Token";

/// Reads a condition once.
pub(super) async fn read(session: &Session, check: &Check) -> News {
    match judge(session, check).await {
        Ok((state, facts)) => News::Checked(state, facts),
        Err(error) => News::Unread(error),
    }
}

async fn judge(session: &Session, check: &Check) -> CloudResult<(CheckState, Facts)> {
    let cloud = &session.cloud;
    let state = match check {
        Check::Steady { cluster, service, desired, deployment } => {
            let fleet = cloud.fleet(cluster).await?;
            match fleet.server(service) {
                Some(server) => steady(server, *desired, deployment.as_deref()),
                None => CheckState::Failed(format!("there is no service {service} in {cluster}")),
            }
        }
        Check::BoundsAre { cluster, service, min, max } => {
            let fleet = cloud.fleet(cluster).await?;
            match fleet.server(service).and_then(|server| server.bounds) {
                Some(bounds) if (bounds.min, bounds.max) == (*min, *max) => CheckState::Holds(format!("{min}..{max}")),
                Some(bounds) => CheckState::Pending(format!("they read {}..{}", bounds.min, bounds.max)),
                None => unread(&fleet, "autoscaling bounds")
                    .unwrap_or_else(|| CheckState::Failed("the service has no autoscaling".into())),
            }
        }
        Check::TaskStopped { cluster, task } => {
            let fleet = cloud.fleet(cluster).await?;
            match fleet.servers.iter().flat_map(|server| &server.tasks).find(|one| &one.arn == task) {
                Some(one) if !one.stopped() => CheckState::Pending(one.last_status.to_lowercase()),
                Some(_) => CheckState::Holds("stopped".into()),
                None => unread(&fleet, "tasks").unwrap_or_else(|| CheckState::Holds("gone".into())),
            }
        }
        Check::StackSettled { stack, token } => {
            let (found, detail) = stack_now(session, stack).await?;
            let state = settled(found.as_ref(), &detail, token);
            return Ok((explain(session, state, stack).await, outputs(found.as_ref())));
        }
        Check::StackGone { stack, token } => {
            let found = cloud.stack(stack).await?;
            let detail = if found.is_some() {
                cloud.stack_detail(stack).await.unwrap_or_default()
            } else {
                StackDetail::default()
            };
            gone(found.as_ref(), &detail, token)
        }
        Check::TokenGranted { probe } => granted(session, probe).await?,
        Check::TokenRefused { probe } => refused(session, probe).await?,
        Check::GraceOver { until } => {
            let left = until.duration_since(Timestamp::now());
            if left.is_positive() {
                CheckState::Pending(format!("{} left, until {until:.0}", short_duration(left)))
            } else {
                CheckState::Holds("over".into())
            }
        }
    };
    Ok((state, Facts::new()))
}

/// What is not there because it was not read is no fact.
fn unread(fleet: &Fleet, part: &str) -> Option<CheckState> {
    let gap = fleet.gaps.iter().find(|gap| gap.starts_with(&format!("{part}: ")))?;
    Some(CheckState::Pending(format!("not read: {gap}")))
}

async fn stack_now(session: &Session, stack: &StackRef) -> CloudResult<(Option<Stack>, StackDetail)> {
    let found = session.cloud.stack(stack).await?;
    // Progress and reasons are worth a second call, but a throttled one must not fail a deploy.
    let detail = session.cloud.stack_detail(stack).await.unwrap_or_default();
    Ok((found, detail))
}

fn outputs(stack: Option<&Stack>) -> Facts {
    let Some(stack) = stack else { return Facts::new() };
    stack.outputs.iter().map(|(key, value)| (output_fact(&stack.id.name, key), value.clone())).collect()
}

/// A server's stack that failed is explained by its stopped tasks, if there are any.
async fn explain(session: &Session, state: CheckState, stack: &StackRef) -> CheckState {
    let CheckState::Failed(reason) = state else { return state };
    let server = stack.name.strip_prefix(&names::stack_prefix(&session.context.environment)).unwrap_or_default();
    let Ok(fleet) = session.cloud.fleet(&session.context.cluster).await else { return CheckState::Failed(reason) };
    let stop = fleet.server(server).and_then(crate::core::operation::verify::latest_stop);
    let stop =
        stop.map(|task| format!("; task {}: {}", task.short_id(), crate::core::operation::verify::stop_reason(task)));
    CheckState::Failed(format!("{reason}{}", stop.unwrap_or_default()))
}

/// A refusal of new credentials is not the last word: Cognito may take seconds to know them.
async fn granted(session: &Session, probe: &TokenProbe) -> CloudResult<CheckState> {
    match session.cloud.token(probe).await {
        Ok(_) => Ok(CheckState::Holds("the token endpoint granted a token".into())),
        Err(error) if error.kind == ErrorKind::Denied && error.call == TOKEN => {
            Ok(CheckState::Pending(format!("refused so far: {}", error.message)))
        }
        Err(error) => Err(error),
    }
}

async fn refused(session: &Session, probe: &TokenProbe) -> CloudResult<CheckState> {
    match session.cloud.token(probe).await {
        Ok(_) => Ok(CheckState::Pending("the old credentials are still accepted".into())),
        // Only the token endpoint's own word: to be denied the stored secret proves nothing.
        Err(CloudError { kind: ErrorKind::Denied, message, call, .. }) if call == TOKEN => {
            Ok(CheckState::Holds(format!("refused: {message}")))
        }
        Err(error) => Err(error),
    }
}
