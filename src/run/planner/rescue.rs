//! Plans for a deploy that is stuck: stop a service deployment, cancel the update of a stack, continue a rollback.

use jiff::Timestamp;

use super::service::planned_service;
use super::{refused, unread};
use crate::cloud::{CloudResult, ErrorKind};
use crate::core::environment::names;
use crate::core::error::{Hand, PlanError, PlanResult};
use crate::core::fleet::{ServiceDeployment, Wish};
use crate::core::operation::announcement::who;
use crate::core::operation::intent::LAYOUT;
use crate::core::operation::rescue::{CancelUpdate, ContinueRollback, StopDeployment};
use crate::core::operation::work::Shown;
use crate::core::operation::{Facts, Intent};
use crate::core::plan::{Change, Confirm, Place, Plan, Risk};
use crate::core::stack::{Skip, Stack, StackDetail, StackRef};
use crate::core::text::age;
use crate::run::read;
use crate::run::session::{Session, operation_id};

const HOW_FAR: &str = "shows how far it is";

pub(super) async fn stop_deployment(session: &Session, name: &str) -> PlanResult<Plan> {
    let planned = planned_service(session, name).await?;
    planned.allows(Wish::Stop)?;
    let name = planned.server.name.as_str();
    let all = session.cloud.service_deployments(&session.context.cluster, name).await;
    let all = all.map_err(|why| unread(&format!("the deployments of {name}"), &why))?;
    let stack = read::stack_of(session, name).await;
    let found = under_way(name, &all, stack.as_ref().ok().and_then(Option::as_ref))?;
    let (stack, warning) = waiting(stack);
    let intent = StopDeployment { service: planned.service.clone(), deployment: found.arn.clone(), stack };
    let title = format!("stop the deployment of {name}");
    let mut plan = planned.plan(session, title, Intent::StopDeployment(intent)).await?;
    let since = found.created_at.map(|at| format!(", begun {at:.0}")).unwrap_or_default();
    let subject = format!("{name} / deployment {}", found.id());
    let after = format!("taken back, to revision {}", found.from.join(", "));
    plan.changes.push(Change::value(subject, "status", format!("{}{since}", found.status), after).at(Risk::Disruptive));
    plan.warnings.extend(warning);
    plan.commands.push(format!(
        "aws ecs stop-service-deployment --region {} --service-deployment-arn {} --stop-type ROLLBACK",
        session.context.region, found.arn
    ));
    Ok(plan)
}

/// The deployment that can be stopped, or why there is none. One that a newer deployment replaces may still be stopping
/// (`STOP_REQUESTED`) while that one goes forward.
fn under_way<'a>(name: &str, all: &'a [ServiceDeployment], stack: Option<&Stack>) -> PlanResult<&'a ServiceDeployment> {
    let said = |one: &ServiceDeployment| one.reason.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
    let forward = all.iter().find(|one| one.status.forward());
    if let Some(back) = all.iter().find(|one| one.status.going_back()).filter(|_| forward.is_none()) {
        let why = format!("deployment {} of {name} goes back already ({}){}", back.id(), back.status, said(back));
        return Err(refused(ErrorKind::Conflict, why).with_way(
            Hand::Status,
            &format!("quarterdeck status {name}"),
            HOW_FAR,
        ));
    }
    let Some(found) = forward else {
        let last = all.first().map(|one| format!("; the last one is {}{}", one.status, said(one))).unwrap_or_default();
        return Err(refused(ErrorKind::NotFound, format!("{name} has no deployment under way{last}")).with_way(
            Hand::Rollback,
            &format!("quarterdeck rollback {name}"),
            "goes back to the task definition before",
        ));
    };
    if found.from.is_empty() {
        let why = format!("deployment {} of {name} is its first: there is no revision to go back to", found.id());
        let creating = stack.filter(|stack| stack.status.0 == "CREATE_IN_PROGRESS");
        let refusal = refused(ErrorKind::Conflict, why);
        let scale = format!("quarterdeck scale {name} --desired 0");
        return Err(match creating {
            Some(stack) => refusal.with_hint(delete(&stack.id)),
            None => refusal.with_way(Hand::Scale, &scale, "stops its tasks, with 0 as the desired count"),
        });
    }
    Ok(found)
}

/// How a creation is ended: CloudFormation cancels updates alone.
fn delete(StackRef { name, region }: &StackRef) -> String {
    format!(
        "a creation ends when its stack is deleted: aws cloudformation delete-stack --region {region} --stack-name {name}"
    )
}

/// The stack that waits for the deployment, and what becomes of it.
fn waiting(stack: CloudResult<Option<Stack>>) -> (Option<StackRef>, Option<String>) {
    let stack = match stack {
        Ok(Some(stack)) if stack.status.busy() => stack,
        Ok(_) => return (None, None),
        Err(why) => return (None, Some(format!("whether CloudFormation waits for it was not read: {why}"))),
    };
    let (name, status) = (&stack.id.name, &stack.status.0);
    if stack.status.cancellable() {
        let warning = format!(
            "CloudFormation deploys it: {name} is {status}, sees the deployment fail, and takes its whole update back; \
             to cancel the update of that stack takes it back from above"
        );
        return (Some(stack.id), Some(warning));
    }
    let warning =
        format!("{name} is {status}: the deployment may be a part of CloudFormation's way back, which then fails, too");
    (None, Some(warning))
}

pub(super) async fn cancel_update(session: &Session, wanted: &str) -> PlanResult<Plan> {
    let stack = named(session, wanted).await?;
    let name = &stack.id.name;
    if !stack.status.cancellable() {
        return Err(not_cancellable(&stack));
    }
    let target = session.target(&stack.arn).await?;
    let (shown, by) = (Shown::of(&stack), who(&target.caller).to_owned());
    let intent = CancelUpdate { stack: stack.id.clone(), shown, server: server_of(session, &stack), by };
    let since = stack.updated_at.map(|at| format!(", for {}", age(Timestamp::now(), at))).unwrap_or_default();
    let change =
        Change::value(name, "update", format!("{}{since}", stack.status.0), "taken back: as it was before the update");
    let command = format!("aws cloudformation cancel-update-stack --region {} --stack-name {name}", stack.id.region);
    let warnings = match session.cloud.stack_detail(&stack.id).await {
        Ok(detail) => at_work(&detail),
        Err(why) => vec![format!("what it works at was not read: {why}")],
    };
    let title = format!("cancel the update of {name}");
    let (changes, confirm) = (vec![change.at(Risk::Disruptive)], session.confirm());
    Ok(plan(Parts { title, target, changes, warnings, command, confirm }, Intent::CancelUpdate(intent)))
}

/// What CloudFormation works at: each of it is finished or stopped first.
fn at_work(detail: &StackDetail) -> Vec<String> {
    let busy = detail.resources.iter().filter(|one| one.status.0.ends_with("_IN_PROGRESS"));
    let busy: Vec<String> = busy.map(|one| format!("{} ({})", one.logical_id, one.kind)).collect();
    if busy.is_empty() { Vec::new() } else { vec![format!("CloudFormation is at {}", busy.join(", "))] }
}

fn not_cancellable(stack: &Stack) -> PlanError {
    let (name, status) = (&stack.id.name, stack.status.0.as_str());
    let conflict = |why: String| refused(ErrorKind::Conflict, why);
    let alone = "CloudFormation cancels an update that is under way, and nothing else";
    match status {
        "CREATE_IN_PROGRESS" => conflict(format!("{name} is being created: {alone}")).with_hint(delete(&stack.id)),
        "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS" => {
            conflict(format!("the update of {name} is complete, and what it has replaced is being deleted"))
                .with_hint("deploy the file as it was before")
        }
        _ if stack.status.rollback_failed() => {
            conflict(format!("{name} is {status}: its update was taken back, and that failed")).with_way(
                Hand::ContinueRollback,
                &format!("quarterdeck continue-rollback {name}"),
                "goes on with that",
            )
        }
        _ if stack.status.busy() && stack.status.taken_back() => conflict(format!(
            "the update of {name} is being taken back already ({status})"
        ))
        .with_way(Hand::Stacks, &format!("quarterdeck stacks {name}"), HOW_FAR),
        _ => refused(ErrorKind::NotFound, format!("{name} has no update under way ({status})")).with_hint(alone),
    }
}

pub(super) async fn continue_rollback(session: &Session, wanted: &str, skip: &[String]) -> PlanResult<Plan> {
    let stack = named(session, wanted).await?;
    let name = &stack.id.name;
    if !stack.status.rollback_failed() {
        return Err(no_rollback(&stack));
    }
    let detail = session.cloud.stack_detail(&stack.id).await;
    let failed = detail.map_err(|why| unread(&format!("the resources of {name}"), &why))?.skips();
    if let Some(unknown) = skip.iter().find(|wanted| failed.iter().all(|one| one.name != **wanted)) {
        return Err(not_skipped(name, unknown, &failed));
    }
    let target = session.target(&stack.arn).await?;
    let intent = ContinueRollback {
        stack: stack.id.clone(),
        shown: Shown::of(&stack),
        skip: failed.iter().map(|one| one.name.clone()).filter(|name| skip.contains(name)).collect(),
        failed: failed.iter().map(|one| one.name.clone()).collect(),
        server: server_of(session, &stack),
        by: who(&target.caller).to_owned(),
    };
    let (skipped, tried): (Vec<&Skip>, Vec<&Skip>) = failed.iter().partition(|one| skip.contains(&one.name));
    let mut changes =
        vec![Change::value(name, "rollback", stack.status.0.clone(), "gone on with").at(Risk::Disruptive)];
    changes.extend(skipped.iter().map(|one| {
        let before = format!("could not be rolled back{}", because(one));
        let after = "left as it is, and taken for rolled back";
        Change::value(format!("{name} / {}", one.name), "skip", before, after).at(Risk::Disruptive)
    }));
    let skips = intent.skip.iter().map(|name| format!(" {name}")).collect::<String>();
    let skips = if skips.is_empty() { skips } else { format!(" --resources-to-skip{skips}") };
    let region = &stack.id.region;
    let command = format!("aws cloudformation continue-update-rollback --region {region} --stack-name {name}{skips}");
    // What is skipped may cost the stack, so its environment is named.
    let environment = || Confirm::Typed(session.context.environment.clone());
    let confirm = if skipped.is_empty() { session.confirm() } else { environment() };
    let warnings = warnings(name, &skipped, &tried);
    let title = format!("continue the rollback of {name}");
    let parts = Parts { title, target, changes, warnings, command, confirm };
    Ok(plan(parts, Intent::ContinueRollback(intent)))
}

fn because(one: &Skip) -> String {
    one.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default()
}

/// What a skip means, and what of the rest may fail again (API reference, ContinueUpdateRollback).
fn warnings(stack: &str, skipped: &[&Skip], tried: &[&Skip]) -> Vec<String> {
    let skip = |one: &&Skip| {
        format!(
            "{} ({}) is then not what the template of {stack} says; make both agree before the next deploy, or later \
             updates may fail, and the stack be lost",
            one.name, one.kind
        )
    };
    let again = |one: &&Skip| {
        format!(
            "{} ({}) could not be rolled back{}; mend that first, or it fails again; `--skip {}` leaves it as it is",
            one.name,
            one.kind,
            because(one),
            one.name
        )
    };
    tried.iter().map(again).chain(skipped.iter().map(skip)).collect()
}

fn not_skipped(stack: &str, unknown: &str, failed: &[Skip]) -> PlanError {
    let why = format!(
        "{unknown:?} cannot be skipped: CloudFormation skips what is in UPDATE_FAILED because the rollback of {stack} \
         failed, and a nested stack only where it is deleted"
    );
    let names: Vec<&str> = failed.iter().map(|one| one.name.as_str()).collect();
    let hint = if names.is_empty() {
        "there is nothing of that kind; go on without --skip".to_owned()
    } else {
        format!("these can be: {}", names.join(", "))
    };
    refused(ErrorKind::Invalid, why).with_hint(hint)
}

fn no_rollback(stack: &Stack) -> PlanError {
    let (name, status) = (&stack.id.name, &stack.status.0);
    let refusal = refused(ErrorKind::NotFound, format!("{name} is {status}: there is no rollback to go on with"));
    match () {
        () if stack.status.cancellable() => {
            refusal.with_way(Hand::CancelUpdate, &format!("quarterdeck cancel-update {name}"), "takes its update back")
        }
        () if stack.status.half_updated() => refusal.with_hint(format!(
            "its update failed and was left as it is: a deploy goes on with it, or `aws cloudformation rollback-stack \
             --region {} --stack-name {name}` takes it back",
            stack.id.region
        )),
        () if stack.status.dead_end().is_some() => {
            refusal.with_way(Hand::Deploy, "quarterdeck deploy", "deletes what is left of it and makes it anew")
        }
        () => {
            refusal.with_hint("CloudFormation goes on with a rollback in UPDATE_ROLLBACK_FAILED, and in no other state")
        }
    }
}

/// The stack of this name, or of this part of the environment.
async fn named(session: &Session, wanted: &str) -> PlanResult<Stack> {
    let all = read::stacks(session).await?;
    let name = names::stack(&session.context.environment, wanted);
    let found =
        all.iter().find(|stack| [&stack.id.name, &stack.arn].contains(&&wanted.to_owned()) || stack.id.name == name);
    found.cloned().ok_or_else(|| {
        let known: Vec<&str> = all.iter().map(|stack| stack.id.name.as_str()).collect();
        refused(ErrorKind::NotFound, format!("environment {} has no stack {wanted:?}", session.context.environment))
            .with_hint(format!("it has {}", known.join(", ")))
    })
}

/// The server whose stack it is.
fn server_of(session: &Session, stack: &Stack) -> Option<String> {
    let part = stack.id.name.strip_prefix(&names::stack_prefix(&session.context.environment))?;
    stack.parameters.contains_key("ServerName").then(|| part.to_owned())
}

/// What differs between the plans for a stack.
struct Parts {
    title: String,
    target: Place,
    changes: Vec<Change>,
    warnings: Vec<String>,
    command: String,
    confirm: Confirm,
}

fn plan(Parts { title, target, changes, warnings, command, confirm }: Parts, intent: Intent) -> Plan {
    Plan {
        id: operation_id(),
        title,
        target,
        changes,
        warnings,
        commands: vec![command],
        confirm,
        facts: Facts::new(),
        intent,
        cost: None,
        layout: LAYOUT,
        drafts: Vec::new(),
        trials: Vec::new(),
    }
}
