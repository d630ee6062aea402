//! The plan to delete an environment.

use super::deploy::{failures, named_alike, partition, termination_protected};
use super::{refused, unread};
use crate::cloud::ErrorKind;
use crate::core::environment::names;
use crate::core::error::PlanResult;
use crate::core::operation::deploy::Destroy;
use crate::core::operation::intent::LAYOUT;
use crate::core::operation::protection::{PARAMETER, Protection};
use crate::core::operation::work::Shown;
use crate::core::operation::{Facts, Intent};
use crate::core::plan::{Change, Confirm, Plan, Risk};
use crate::core::stack::{Stack, StackRef, StackResource};
use crate::run::session::{Session, operation_id};

pub(super) async fn destroy(session: &Session) -> PlanResult<Plan> {
    let name = &session.context.environment;
    let (found, unlisted) = named_alike(session).await?;
    if let Some(why) = unlisted {
        return Err(unread("which stacks the environment has", &why));
    }
    let (existing, _) = partition(found, name);
    // Images are no part of what runs, and are what a next deploy starts from.
    let (repositories, existing): (Vec<Stack>, Vec<Stack>) =
        existing.into_iter().partition(|stack| names::is_repository_stack(&stack.id.name));
    deletable(&existing)?;
    let role = session.environment.as_deref().and_then(|environment| environment.deploy.role.clone());
    let unprotect = existing.iter().find_map(|stack| unprotect(stack, role.as_ref()));
    let change = |stack: &Stack| Change {
        subject: stack.id.name.clone(),
        field: "delete".into(),
        before: Some(stack.status.0.clone()),
        after: None,
        risk: Risk::Destructive,
    };
    let off = unprotect.iter().map(|of| {
        Change::value(&of.stack.name, "deletion protection", "on", "off, before anything is deleted")
            .at(Risk::Disruptive)
    });
    // CloudFormation takes no change of these: their load balancer and user pool are asked themselves.
    let stuck: Vec<&Stack> = existing.iter().filter(|stack| protected(stack) && stack.status.stuck()).collect();
    let directly = stuck.iter().map(|stack| {
        let how = format!("off at the load balancer and the user pool: {} takes no change", stack.status.0);
        Change::value(&stack.id.name, "deletion protection", "on", how).at(Risk::Disruptive)
    });
    let tiers = tiers(name, &existing);
    let commands = tiers.iter().flatten().map(command).collect();
    Ok(Plan {
        id: operation_id(),
        title: format!("destroy {name}"),
        target: session.target(format!("stacks {}*", names::stack_prefix(name))).await?,
        changes: off.chain(directly).chain(existing.iter().map(change)).collect(),
        warnings: warnings(session, &existing).await.into_iter().chain(repositories.iter().map(stays)).collect(),
        commands,
        confirm: Confirm::Typed(name.clone()),
        facts: Facts::new(),
        intent: Intent::Destroy(Destroy {
            environment: name.clone(),
            tiers,
            shown: existing.iter().map(|stack| (stack.id.name.clone(), Shown::of(stack))).collect(),
            unprotect,
            directly: stuck.iter().map(|stack| stack.id.name.clone()).collect(),
            role,
        }),
        trials: Vec::new(),
        cost: None,
        layout: LAYOUT,
        drafts: Vec::new(),
    })
}

/// Refuses what CloudFormation would refuse when the servers are gone already.
fn deletable(existing: &[Stack]) -> PlanResult<()> {
    if let Some(busy) = existing.iter().find(|stack| stack.status.busy() && !stack.status.0.starts_with("DELETE")) {
        let message = format!("{} is busy ({})", busy.id.name, busy.status.0);
        return Err(refused(ErrorKind::Conflict, message).with_hint("wait until it is over, then plan again"));
    }
    existing.iter().find(|stack| stack.termination_protection).map_or(Ok(()), |stack| Err(termination_protected(stack)))
}

/// Servers first, then what they share, then what that stands on.
fn tiers(environment: &str, existing: &[Stack]) -> Vec<Vec<StackRef>> {
    let shared = ["platform", "network", "edge"].map(|part| names::stack(environment, part));
    let of = |wanted: &dyn Fn(&String) -> bool| -> Vec<StackRef> {
        existing.iter().map(|stack| stack.id.clone()).filter(|id| wanted(&id.name)).collect()
    };
    let mut tiers = vec![
        of(&|name| !shared.contains(name)),
        of(&|name| *name == shared[0]),
        of(&|name| *name == shared[1] || *name == shared[2]),
    ];
    tiers.retain(|tier| !tier.is_empty());
    tiers
}

fn command(stack: &StackRef) -> String {
    format!("aws cloudformation delete-stack --region {} --stack-name {}", stack.region, stack.name)
}

/// The stack whose deletion protection must go first, if it can be updated.
fn unprotect(stack: &Stack, role: Option<&String>) -> Option<Protection> {
    if !protected(stack) || !stack.status.updatable() {
        return None;
    }
    let keep = stack.parameters.keys().filter(|name| *name != PARAMETER).cloned().collect();
    Some(Protection { stack: stack.id.clone(), keep, role: role.cloned() })
}

fn protected(stack: &Stack) -> bool {
    stack.parameters.get(PARAMETER).is_some_and(|value| value == "true")
}

/// That a repository outlives its environment, and how to delete it.
fn stays(stack: &Stack) -> String {
    let (name, region) = (&stack.id.name, &stack.id.region);
    let repository = stack.parameters.get("RepositoryName").map_or("its repository", String::as_str);
    format!(
        "{name} stays, with the images in {repository}, which cost what they weigh; to delete them: `aws ecr \
         delete-repository --force --region {region} --repository-name {repository}`, then `{}`",
        command(&stack.id)
    )
}

async fn warnings(session: &Session, existing: &[Stack]) -> Vec<String> {
    let mut warnings =
        vec!["every server of the environment stops, and its users, clients and logs are deleted".to_owned()];
    for stack in existing.iter().filter(|stack| stack.status.failed()) {
        let name = &stack.id.name;
        match session.cloud.stack_detail(&StackRef { name: stack.arn.clone(), ..stack.id.clone() }).await {
            Ok(detail) => warnings.extend(failures(name, &detail.resources.iter().collect::<Vec<&StackResource>>())),
            Err(error) => warnings.push(format!("{name}: why it failed was not read: {error}")),
        }
    }
    warnings
}
