//! What an unfinished operation is worth now. It is read anew whenever the operation is offered, because
//! somebody else may have acted since it was left.

use jiff::{SignedDuration, Timestamp};

use super::{Session, read};
use crate::cloud::{CloudError, CloudResult, ErrorKind};
use crate::core::fleet::Server;
use crate::core::image::Found;
use crate::core::operation::deploy::{Deploy, Destroy, Planned, StackDeploy, seen_stack};
use crate::core::operation::intent::LAYOUT;
use crate::core::operation::publish::Publish;
use crate::core::operation::quarantine::{ChangeQuarantine, Now};
use crate::core::operation::record::{Entry, Outcome};
use crate::core::operation::rescue::{CancelUpdate, ContinueRollback, StopDeployment, id_of, seen_update};
use crate::core::operation::rotate::{Rotation, UndoRotation};
use crate::core::operation::service::{DEPLOYMENT, DESIRED, Restart, Rollback, Scale, ServiceRef, seen};
use crate::core::operation::shift::{self, ChangeShift};
use crate::core::operation::user::ChangeUser;
use crate::core::operation::variable::SetSecret;
use crate::core::operation::work::{Label, Shown, labelled};
use crate::core::operation::{Call, Fact, Facts, Intent, Operation, SecretCall, StackCall, Standing, Work};
use crate::core::stack::{Stack, StackRef};
use crate::core::unread::Read;

/// How far the clock of this machine may be from that of AWS. Requests with a larger difference are refused
/// (IAM user guide, "Signature Version 4").
const SKEW: SignedDuration = SignedDuration::from_mins(5);

/// Reads what an unfinished operation is worth.
///
/// # Errors
/// When it belongs to another account, when a stack that it is about is being changed by somebody else, or
/// when something could not be read.
pub async fn judge(session: &Session, operation: &Operation) -> CloudResult<Standing> {
    let (theirs, ours) = (&operation.plan.target.account, session.cloud.identity().await?.account);
    if *theirs != ours {
        let why = format!("the operation belongs to account {theirs}, and this is {ours}");
        return Err(CloudError::new(ErrorKind::Invalid, "sts:GetCallerIdentity", why));
    }
    if let Some(outcome) = ended(session, operation.id()) {
        return Ok(Standing::Ended(outcome));
    }
    if operation.plan.layout != LAYOUT {
        let why = "an earlier version of quarterdeck began it, whose steps were others; plan it again";
        return Ok(Standing::Overtaken(why.into()));
    }
    match &operation.plan.intent {
        Intent::Scale(scale) => of_scale(session, operation, scale).await,
        Intent::Restart(restart) => of_restart(session, operation, restart).await,
        Intent::Rollback(rollback) => of_rollback(session, rollback).await,
        // A task has its id for itself: nobody else can have made another one of it.
        Intent::StopTask(_) => Ok(Standing::Resumable),
        Intent::StopDeployment(stop) => of_stop(session, operation, stop).await,
        Intent::CancelUpdate(cancel) => of_cancel(session, operation, cancel).await,
        Intent::ContinueRollback(go_on) => of_continue(session, go_on).await,
        Intent::Deploy(deploy) => of_deploy(session, operation, deploy).await,
        Intent::Destroy(destroy) => of_destroy(session, operation, destroy).await,
        Intent::Rotate(rotation) => of_rotation(session, operation, rotation).await,
        Intent::UndoRotation(undo) => of_undo(session, operation, undo).await,
        Intent::SetSecret(set) => of_set(session, operation, set).await,
        Intent::ChangeUser(change) => of_user(session, change).await,
        Intent::Quarantine(change) => of_quarantine(session, change).await,
        Intent::ZonalShift(change) => of_shift(session, operation, change).await,
        Intent::Publish(publish) => of_publish(session, operation, publish).await,
    }
}

/// How another process on this machine has ended it. If the audit cannot be read, nothing can be written.
fn ended(session: &Session, id: &str) -> Option<Outcome> {
    let records = session.audit.records().ok()?;
    records.into_iter().rev().find_map(|record| match record.entry {
        Entry::Outcome { outcome } if record.operation == id => Some(outcome),
        _ => None,
    })
}

/// The service, or that it is gone.
async fn server(session: &Session, service: &ServiceRef) -> CloudResult<Result<Server, Standing>> {
    let gone = || Standing::Void(format!("there is no service {} in {}", service.service, service.cluster));
    match read::server(session, &service.cluster, &service.service).await {
        Err(error) if error.kind == ErrorKind::NotFound => Ok(Err(gone())),
        found => Ok(found?.ok_or_else(gone)),
    }
}

/// The value was in the memory of the process that began it. What is left to do needs it only if nothing was
/// written yet.
async fn of_set(session: &Session, operation: &Operation, set: &SetSecret) -> CloudResult<Standing> {
    if operation.facts().contains(&Fact::Published(set.secret.clone())) || operation.was_sent(0) {
        return Ok(Standing::Resumable);
    }
    match session.cloud.variables(&set.secret).await {
        Err(error) if error.kind == ErrorKind::NotFound => {
            Ok(Standing::Void(format!("secret {} does not exist any more", set.secret)))
        }
        Err(error) => Err(error),
        Ok(found) if found.version != set.current => {
            Ok(Standing::Overtaken(format!("secret {} was changed since", set.secret)))
        }
        Ok(_) if set.unset => Ok(Standing::Resumable),
        Ok(_) => Ok(Standing::Void(format!("the value of {} was not kept; set it again", set.key))),
    }
}

/// The call looks again; whoever has changed the user since wanted something else.
async fn of_user(session: &Session, change: &ChangeUser) -> CloudResult<Standing> {
    Ok(match session.cloud.user(&change.pool, &change.user).await? {
        None => Standing::Void(format!("there is no user {} any more", change.user)),
        Some(found) if found.subject != change.subject => {
            Standing::Void(format!("{} is somebody else now", change.user))
        }
        Some(_) => Standing::Resumable,
    })
}

/// The call looks again. Where nothing was sent, a deployment that has ended leaves nothing to stop.
async fn of_stop(session: &Session, operation: &Operation, stop: &StopDeployment) -> CloudResult<Standing> {
    let id = id_of(&stop.deployment);
    Ok(match session.cloud.service_deployment(&stop.deployment).await? {
        None => Standing::Void(format!("ECS does not know deployment {id} any more")),
        Some(found) if found.status.forward() || found.status.going_back() => Standing::Resumable,
        // It may have ended as it was asked to.
        Some(found) if found.status.back() && operation.was_sent(0) => Standing::Resumable,
        Some(found) => Standing::Overtaken(format!("deployment {id} is {} already", found.status)),
    })
}

async fn of_cancel(session: &Session, operation: &Operation, cancel: &CancelUpdate) -> CloudResult<Standing> {
    let name = &cancel.stack.name;
    let found = match same_stack(session, &cancel.stack, &cancel.shown.arn).await? {
        Ok(found) => found,
        Err(void) => return Ok(void),
    };
    let agreed = operation.facts().get(&seen_update(name)).map(Shown::from);
    let shown = agreed.unwrap_or_else(|| cancel.shown.clone());
    Ok(match () {
        () if found.status.cancellable() && Shown::of(&found) != shown => {
            Standing::Overtaken(format!("another update of {name} is under way"))
        }
        () if found.status.cancellable() || found.status.taken_back() => Standing::Resumable,
        () => Standing::Overtaken(format!("the update of {name} has ended ({})", found.status.0)),
    })
}

async fn of_continue(session: &Session, go_on: &ContinueRollback) -> CloudResult<Standing> {
    Ok(match same_stack(session, &go_on.stack, &go_on.shown.arn).await? {
        Err(void) => void,
        Ok(found) if found.status.rollback_failed() || found.status.taken_back() => Standing::Resumable,
        Ok(found) => Standing::Overtaken(format!("stack {} is {} now", go_on.stack.name, found.status.0)),
    })
}

/// The very stack that a plan showed, or that it is gone.
async fn same_stack(session: &Session, stack: &StackRef, arn: &str) -> CloudResult<Result<Stack, Standing>> {
    let name = &stack.name;
    Ok(match session.cloud.stack(stack).await? {
        None => Err(Standing::Void(format!("stack {name} does not exist any more"))),
        Some(found) if found.arn != arn => Err(Standing::Void(format!("stack {name} was made anew"))),
        Some(found) => Ok(found),
    })
}

/// The call looks again. An end that has passed while the operation lay keeps nobody out.
async fn of_quarantine(session: &Session, change: &ChangeQuarantine) -> CloudResult<Standing> {
    if let Some(until) = change.until.filter(|until| *until <= Timestamp::now()) {
        return Ok(Standing::Void(format!("it was to end at {until:.0}, which is over")));
    }
    Ok(match change.now(&session.cloud.quarantine(&change.table).await?) {
        Now::Done | Now::Untouched => Standing::Resumable,
        Now::Other(Some(end)) => Standing::Overtaken(format!("{} has another end now: {end:.0}", change.who)),
        Now::Other(None) => Standing::Overtaken(format!("{} was let in since", change.who)),
    })
}

/// The call looks again. A shift that was started is this operation's own, or another one.
async fn of_shift(session: &Session, operation: &Operation, change: &ChangeShift) -> CloudResult<Standing> {
    if let Some(until) = change.until.filter(|until| *until <= Timestamp::now()) {
        return Ok(Standing::Void(format!("it was to end at {until:.0}, which is over")));
    }
    Ok(match change.now(&session.cloud.shifts(&change.balancer).await?, operation.id(), false) {
        shift::Now::Done(_) | shift::Now::Untouched | shift::Now::Over => Standing::Resumable,
        shift::Now::Other(other) => {
            Standing::Overtaken(format!("there is another shift now, away from {}", other.away_from))
        }
    })
}

async fn of_scale(session: &Session, operation: &Operation, scale: &Scale) -> CloudResult<Standing> {
    let server = match server(session, &scale.service).await? {
        Ok(server) => server,
        Err(gone) => return Ok(gone),
    };
    let agreed = operation.facts().get(&seen(DESIRED, &scale.service.service)).and_then(|seen| seen.parse().ok());
    if let (Some(wanted), Some(from)) = (scale.desired, agreed.or(scale.from))
        && server.desired != wanted
        && server.desired != from
    {
        return Ok(Standing::Overtaken(format!("the desired count was {from} and is {} now", server.desired)));
    }
    if let (Some(wanted), Some(from), Read::Known(Some(now))) = (scale.bounds, scale.bounds_from, &server.bounds)
        && *now != wanted
        && *now != from
    {
        return Ok(Standing::Overtaken(format!("the autoscaling bounds were {from} and are {now} now")));
    }
    Ok(Standing::Resumable)
}

async fn of_restart(session: &Session, operation: &Operation, restart: &Restart) -> CloudResult<Standing> {
    let service = &restart.service.service;
    let server = match server(session, &restart.service).await? {
        Ok(server) => server,
        Err(gone) => return Ok(gone),
    };
    let made = operation.facts().get(&Fact::Deployment(service.clone()));
    let agreed = operation.facts().get(&seen(DEPLOYMENT, service)).map(str::to_owned);
    // What is read may be older than what was written, so the deployment that it replaced says nothing.
    let expected = [made.map(str::to_owned), agreed, restart.replaces.clone()];
    let Some(primary) = server.primary().filter(|primary| !expected.iter().flatten().any(|id| *id == primary.id))
    else {
        return Ok(Standing::Resumable);
    };
    // ECS may show for some seconds what was there before its own deployment.
    let made_at: Option<Timestamp> =
        operation.facts().get(&Fact::DeploymentAt(service.clone())).and_then(|at| at.parse().ok());
    if made_at.zip(primary.created_at).is_some_and(|(ours, shown)| shown < ours) {
        return Ok(Standing::Resumable);
    }
    // Its own call may have made this one, without an answer.
    let after =
        |at: Timestamp| operation.started.is_some_and(|started| at.saturating_add(SKEW).unwrap_or(at) > started);
    if made.is_none() && operation.was_sent(0) && primary.created_at.is_some_and(after) {
        return Ok(Standing::Resumable);
    }
    let since = primary.created_at.map(|at| format!(" since {at:.0}")).unwrap_or_default();
    Ok(Standing::Overtaken(format!("deployment {} is in force{since}", primary.id)))
}

async fn of_rollback(session: &Session, rollback: &Rollback) -> CloudResult<Standing> {
    let server = match server(session, &rollback.service).await? {
        Ok(server) => server,
        Err(gone) => return Ok(gone),
    };
    let known = [Some(&rollback.task_definition), rollback.replaces.as_ref()];
    let other = |definition: &String| !known.contains(&Some(definition));
    let now = server.primary().map(|primary| primary.task_definition.clone()).filter(other);
    Ok(now.map_or(Standing::Resumable, |now| {
        Standing::Overtaken(format!("it runs {} now", now.rsplit('/').next().unwrap_or(&now)))
    }))
}

async fn of_deploy(session: &Session, operation: &Operation, deploy: &Deploy) -> CloudResult<Standing> {
    for part in deploy.stacks.iter().filter(|part| part.planned != Planned::Unchanged || part.mend) {
        if let Some(standing) = of_stack(session, operation, part).await? {
            return Ok(standing);
        }
    }
    Ok(Standing::Resumable)
}

/// What has been pushed stays; whether somebody else has taken a tag is asked.
async fn of_publish(session: &Session, operation: &Operation, publish: &Publish) -> CloudResult<Standing> {
    for image in &publish.images {
        let stack = image.stack.as_ref().filter(|stack| stack.planned != Planned::Unchanged);
        if let Some(stack) = stack
            && let Some(standing) = of_stack(session, operation, stack).await?
        {
            return Ok(standing);
        }
        let Some(push) = &image.push else { continue };
        let found = session.cloud.image(&push.image).await?;
        if let Found::Image { digest, .. } = &found
            && found.is(&push.id) == Some(false)
        {
            return Ok(Standing::Overtaken(format!("{} is another image now, {digest}", push.image)));
        }
    }
    Ok(Standing::Resumable)
}

/// Why the change of a stack cannot go on; `None` if it can.
async fn of_stack(session: &Session, operation: &Operation, part: &StackDeploy) -> CloudResult<Option<Standing>> {
    let found = session.cloud.stack(&part.stack).await?;
    // The call that executes its change set was begun and did not arrive.
    let reviewed = found.as_ref().is_some_and(|stack| stack.status.0 == "REVIEW_IN_PROGRESS");
    let found = found.filter(|stack| !stack.status.absent());
    let begun = operation.steps().iter().enumerate().any(|(index, step)| {
        let ours = matches!(&step.work, Work::Apply(Call::Stack(call)) if call.executes(&part.stack));
        ours && (operation.done.contains_key(&index) || (operation.was_sent(index) && !reviewed))
    });
    let name = &part.stack.name;
    let Some(stack) = found else {
        if begun || !part.create {
            return Ok(Some(Standing::Void(format!("stack {name} does not exist any more"))));
        }
        return Ok(None);
    };
    Ok(changed_by_others(session, operation, &part.stack, &stack).await?.map(Standing::Overtaken))
}

/// Whether the last change of a stack was the operation's own. It may have several, each with a token that
/// begins with its id.
async fn changed_last(session: &Session, operation: &Operation, id: &StackRef) -> CloudResult<bool> {
    let detail = session.cloud.stack_detail(id).await?;
    let last = detail.events.first().and_then(|event| event.token.as_ref());
    Ok(last.is_some_and(|token| token.starts_with(operation.id())))
}

/// How somebody else has changed a stack since the operation last wrote to it.
async fn changed_by_others(
    session: &Session,
    operation: &Operation,
    id: &StackRef,
    stack: &Stack,
) -> CloudResult<Option<String>> {
    let left = operation.finished.or(operation.started);
    let since = |at: Timestamp| left.is_some_and(|left| at > left);
    let Some(at) = stack.updated_at.filter(|at| since(*at)) else { return Ok(None) };
    if changed_last(session, operation, id).await? {
        return Ok(None);
    }
    let name = &id.name;
    if stack.status.busy() {
        let why = format!("{name} is being changed by somebody else ({})", stack.status.0);
        return Err(CloudError::new(ErrorKind::Conflict, "cloudformation:DescribeStacks", why)
            .with_hint("ask again when that is over"));
    }
    Ok(Some(format!("stack {name} was changed {at:.0} ({})", stack.status.0)))
}

async fn of_destroy(session: &Session, operation: &Operation, destroy: &Destroy) -> CloudResult<Standing> {
    let deletes = operation.steps().iter().enumerate().any(|(index, step)| {
        let ours = matches!(step.work, Work::Apply(Call::Stack(StackCall::DeleteStack(_))));
        ours && (operation.done.contains_key(&index) || operation.was_sent(index))
    });
    // If it has deleted nothing yet, somebody else has deleted what it would unprotect first.
    if let Some(protection) = destroy.unprotect.as_ref().filter(|_| !deletes)
        && session.cloud.stack(&protection.stack).await?.is_none()
    {
        return Ok(Standing::Void(format!("stack {} does not exist any more", protection.stack.name)));
    }
    for id in destroy.tiers.iter().flatten() {
        let Some(stack) = session.cloud.stack(id).await? else { continue };
        if stack.status.0.starts_with("DELETE_") {
            continue;
        }
        let agreed = operation.facts().get(&seen_stack(&id.name)).map(Shown::from);
        let Some(shown) = agreed.or_else(|| destroy.shown.get(&id.name).cloned()) else { continue };
        if shown != Shown::of(&stack) {
            if shown.arn == stack.arn && changed_last(session, operation, id).await? {
                continue;
            }
            let how = if shown.arn == stack.arn { "changed" } else { "made anew" };
            let at = stack.updated_at.map(|at| format!(" {at:.0}")).unwrap_or_default();
            return Ok(Standing::Overtaken(format!("stack {} was {how}{at}", id.name)));
        }
    }
    Ok(Standing::Resumable)
}

async fn of_rotation(session: &Session, operation: &Operation, rotation: &Rotation) -> CloudResult<Standing> {
    of_lease(session, operation, rotation, rotation.current.as_deref(), None).await
}

async fn of_undo(session: &Session, operation: &Operation, undo: &UndoRotation) -> CloudResult<Standing> {
    of_lease(session, operation, &undo.rotation, None, Some(&undo.operation)).await
}

/// An operation on a client goes on as long as it has the client reserved. `current` is the version that must
/// be in force, and `from` the operation from which it takes the client, before it has.
async fn of_lease(
    session: &Session,
    operation: &Operation,
    rotation: &Rotation,
    current: Option<&str>,
    from: Option<&str>,
) -> CloudResult<Standing> {
    let secret = &rotation.secret;
    let holder = match session.cloud.lease(secret).await {
        Err(error) if error.kind == ErrorKind::NotFound => {
            return Ok(Standing::Void(format!("secret {secret} does not exist any more")));
        }
        other => other?,
    };
    let reserved = operation.facts().contains(&Fact::Lease(secret.clone()));
    match holder {
        Some(holder) if holder.operation == operation.id() => {
            return Ok(match published(session, rotation, operation.id(), operation.facts(), current).await? {
                true => Standing::Resumable,
                false => Standing::Overtaken(OTHERS.into()),
            });
        }
        Some(holder) if Some(holder.operation.as_str()) == from && !reserved => return Ok(Standing::Resumable),
        Some(holder) => return Ok(Standing::Overtaken(format!("the client is reserved by {holder}"))),
        None => {}
    }
    let left: Vec<&Work> = operation
        .steps()
        .iter()
        .enumerate()
        .filter(|(index, _)| !operation.done.contains_key(index))
        .map(|(_, step)| &step.work)
        .collect();
    if let [Work::Apply(Call::Secret(SecretCall::ReleaseLease { .. }))] = left.as_slice() {
        return Ok(Standing::Resumable);
    }
    if reserved || from.is_some() {
        return Ok(Standing::Overtaken("the client was given free by somebody else".into()));
    }
    let versions = session.cloud.secret_versions(secret).await?;
    if current.is_some() && labelled(&versions, Label::Current.as_str()) == current {
        return Ok(Standing::Resumable);
    }
    Ok(Standing::Overtaken(OTHERS.into()))
}

const OTHERS: &str = "other credentials have been published since";

/// Whether `AWSCURRENT` is the version that an operation found when it reserved the client, or one that it
/// wrote. A write of somebody else that was under way just then may have landed after it. `planned` is the
/// version that its plan showed, for as long as it has not recorded what it found.
pub(super) async fn published(
    session: &Session,
    rotation: &Rotation,
    id: &str,
    facts: &Facts,
    planned: Option<&str>,
) -> CloudResult<bool> {
    let versions = session.cloud.secret_versions(&rotation.secret).await?;
    let found = labelled(&versions, Label::Current.as_str());
    if !facts.contains(&Fact::Lease(rotation.secret.clone())) {
        return Ok(planned.is_none() || found == planned);
    }
    if found.is_some() && found == facts.get(&rotation.current()) {
        return Ok(true);
    }
    let stored = session.cloud.stored_secret(&rotation.secret).await?;
    Ok(stored.written_by.as_deref() == Some(id))
}
