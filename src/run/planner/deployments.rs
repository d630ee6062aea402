//! What a plan says of the deployments of services that it starts besides what it is about: a deploy and a
//! rotation start them, too.

use crate::core::error::PlanResult;
use crate::core::fleet::{Fleet, Server, Wish};
use crate::core::operation::Intent;
use crate::core::operation::deploy::{ParameterValue, Planned, StackDeploy};
use crate::core::operation::rotate::Rotation;
use crate::core::plan::Plan;
use crate::run::Session;

/// The parameter of a server's template by which alarms end its deployments.
const ALARMS: &str = "RollbackOnAlarm";

/// Warns of deployments that are over only some time after they are full, and refuses a plan that needs one
/// which ECS would refuse.
///
/// # Errors
/// When ECS would refuse the deployment of a service that a rotation must start anew.
pub(super) async fn look(session: &Session, plan: &mut Plan) -> PlanResult<()> {
    let concerned = match &plan.intent {
        Intent::Rotate(rotation) => !rotation.consumers.is_empty(),
        Intent::Deploy(deploy) => deploy.stacks.iter().any(deploys),
        _ => false,
    };
    if !concerned {
        return Ok(());
    }
    let names: Vec<String> = match &plan.intent {
        Intent::Rotate(rotation) => rotation.consumers.iter().map(|one| one.service.service.clone()).collect(),
        Intent::Deploy(deploy) => {
            deploy.stacks.iter().filter_map(|stack| stack.service.as_ref()).map(|one| one.service.clone()).collect()
        }
        _ => Vec::new(),
    };
    let fleet = session.cloud.fleet_of(&session.context.cluster, &names).await.unwrap_or_default();
    let warnings = match &plan.intent {
        Intent::Rotate(rotation) => of_rotation(rotation, &fleet)?,
        Intent::Deploy(deploy) => deploy.stacks.iter().filter_map(|stack| of_stack(stack, &fleet)).collect(),
        _ => Vec::new(),
    };
    plan.warnings.extend(warnings);
    Ok(())
}

fn of_rotation(rotation: &Rotation, fleet: &Fleet) -> PlanResult<Vec<String>> {
    let names = rotation.consumers.iter().map(|consumer| &consumer.service.service);
    let servers: Vec<&Server> = names.filter_map(|name| fleet.server(name)).collect();
    match servers.iter().find_map(|server| server.refuses(Wish::Restart)) {
        Some(refusal) => Err(refusal.into()),
        None => Ok(servers.iter().filter_map(|server| baking(&server.name, server.shape.bakes())).collect()),
    }
}

/// Whether the stack's service may get a new deployment.
fn deploys(stack: &StackDeploy) -> bool {
    stack.service.is_some() && stack.planned != Planned::Unchanged
}

fn of_stack(stack: &StackDeploy, fleet: &Fleet) -> Option<String> {
    let name = stack.service.as_ref().filter(|_| deploys(stack)).map(|service| service.service.as_str())?;
    let mut shape = fleet.server(name).map(|server| server.shape.clone()).unwrap_or_default();
    if let Some(ParameterValue::Value(alarms)) = stack.inputs.get(ALARMS) {
        shape.alarms = alarms == "true";
    }
    baking(name, shape.bakes())
}

/// That a deployment bakes, for a plan.
pub(super) fn baking(name: &str, why: Option<String>) -> Option<String> {
    why.map(|why| format!("baking: a deployment of {name} is over only some time after it is full; {why}"))
}
