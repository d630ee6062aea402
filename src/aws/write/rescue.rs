//! Takes back what is stuck: stops a service deployment, cancels the update of a stack, continues a rollback.

use aws_sdk_ecs::types::StopServiceDeploymentStopType;
use jiff::Timestamp;

use crate::aws::AwsCloud;
use crate::cloud::{CloudError, CloudResult, ErrorKind};
use crate::core::fleet::ServiceDeploymentStatus;
use crate::core::operation::rescue::{id_of, seen_failed, seen_update};
use crate::core::operation::work::Shown;
use crate::core::operation::{Applied, Changed, Facts};
use crate::core::stack::{Skip, Stack, StackRef};

const STOP: &str = "ecs:StopServiceDeployment";
const CANCEL: &str = "cloudformation:CancelUpdateStack";
const CONTINUE: &str = "cloudformation:ContinueUpdateRollback";

impl AwsCloud {
    /// Stops a deployment that goes forward. Whoever has stopped it before has done what was wanted, and so has the
    /// circuit breaker.
    pub(super) async fn stop_deployment(&self, service: &str, arn: &str) -> CloudResult<Applied> {
        if let Some(settled) = self.deployment_settled(service, arn).await? {
            return Ok(settled);
        }
        let stop = self.write.ecs.stop_service_deployment().service_deployment_arn(arn);
        let stop = stop.stop_type(StopServiceDeploymentStopType::Rollback);
        match stop.send().await.map_err(self.failed(STOP)) {
            Ok(_) => Ok(Applied::Done(Facts::new())),
            // It may have ended between the look and the call.
            Err(error) if too_late(&error) => self.deployment_settled(service, arn).await?.ok_or(error),
            Err(error) => Err(error),
        }
    }

    /// What there is to say of a deployment that is not to be stopped any more; `None` if it goes forward.
    async fn deployment_settled(&self, service: &str, arn: &str) -> CloudResult<Option<Applied>> {
        let id = id_of(arn);
        let Some(found) = self.read_service_deployment(arn).await? else {
            return Ok(Some(Applied::Void(format!("ECS does not know deployment {id} of {service} any more"))));
        };
        let over = |how: &str| Some(Applied::Void(format!("deployment {id} of {service} {how} meanwhile")));
        Ok(match &found.status {
            status if status.forward() => None,
            ServiceDeploymentStatus::Successful => over("has completed"),
            ServiceDeploymentStatus::RollbackFailed => over("was taken back, and that failed,"),
            status if status.back() => Some(Applied::Done(Facts::new())),
            status => over(&format!("is {status}")),
        })
    }

    /// Cancels the update that was shown, unless it is being taken back already.
    pub(super) async fn cancel_update(&self, stack: &StackRef, shown: &Shown, token: &str) -> CloudResult<Applied> {
        let found = match self.update_settled(stack, shown).await? {
            Ok(found) => found,
            Err(settled) => return Ok(settled),
        };
        let call = self.cloudformation(stack).write.cancel_update_stack().stack_name(&found.arn);
        match call.client_request_token(token).send().await.map_err(self.failed(CANCEL)) {
            Ok(_) => Ok(Applied::Done(Facts::new())),
            Err(error) if too_late(&error) => match self.update_settled(stack, shown).await? {
                Err(settled) => Ok(settled),
                // CloudFormation takes a token once: an earlier attempt of this call has arrived.
                Ok(_) if error.message.contains("token") => Ok(Applied::Done(Facts::new())),
                Ok(_) => Err(error),
            },
            Err(error) => Err(error),
        }
    }

    /// The stack whose update can be cancelled as it was shown, or what there is to say instead.
    async fn update_settled(&self, stack: &StackRef, shown: &Shown) -> CloudResult<Result<Stack, Applied>> {
        let name = &stack.name;
        let found = match self.same_stack(stack, &shown.arn).await? {
            Ok(found) => found,
            Err(void) => return Ok(Err(void)),
        };
        if found.status.taken_back() {
            return Ok(Err(Applied::Done(Facts::new())));
        }
        if !found.status.cancellable() {
            let why = format!("the update of {name} has ended meanwhile ({})", found.status.0);
            return Ok(Err(Applied::Void(why)));
        }
        let now = Shown::of(&found);
        if now == *shown {
            return Ok(Ok(found));
        }
        let at = |at: Option<Timestamp>| at.map_or("at an unknown time".to_owned(), |at| format!("{at:.0}"));
        Ok(Err(Applied::Changed(Box::new(Changed {
            subject: name.clone(),
            field: "the update".into(),
            planned: format!("begun {}", at(shown.updated_at)),
            now: format!("another one, begun {}", at(now.updated_at)),
            after: "taken back".into(),
            seen: Facts::of(seen_update(name), now.to_string()),
            confirm: None,
        }))))
    }

    /// Goes on with a rollback that failed, unless it goes on already.
    pub(super) async fn continue_rollback(&self, wanted: Rollback<'_>) -> CloudResult<Applied> {
        let Rollback { stack, arn, skip, failed, token } = wanted;
        if let Some(settled) = self.rollback_settled(stack, arn).await? {
            return Ok(settled);
        }
        let detail = self.read_stack_detail(stack).await?;
        // An earlier attempt of this call has arrived, and has failed again.
        if detail.events.iter().any(|event| event.token.as_deref() == Some(token)) {
            return Ok(Applied::Done(Facts::new()));
        }
        let now: Vec<String> = detail.skips().into_iter().map(|Skip { name, .. }| name).collect();
        if let Some(gone) = skip.iter().find(|name| !now.contains(name)) {
            let why = format!("{gone} is none of what could not be rolled back any more; plan it again");
            return Ok(Applied::Void(why));
        }
        if now != failed {
            let words = |names: &[String]| if names.is_empty() { "nothing".to_owned() } else { names.join(", ") };
            return Ok(Applied::Changed(Box::new(Changed {
                subject: stack.name.clone(),
                field: "what could not be rolled back".into(),
                planned: words(failed),
                now: words(&now),
                after: format!("rolled back, without {}", words(skip)),
                seen: Facts::of(seen_failed(&stack.name), now.join(", ")),
                confirm: None,
            })));
        }
        let call = self.cloudformation(stack).write.continue_update_rollback().stack_name(arn);
        let skips = (!skip.is_empty()).then(|| skip.to_vec());
        let call = call.set_resources_to_skip(skips).client_request_token(token);
        match call.send().await.map_err(self.failed(CONTINUE)) {
            Ok(_) => Ok(Applied::Done(Facts::new())),
            Err(error) if too_late(&error) => self.rollback_settled(stack, arn).await?.ok_or(error),
            Err(error) => Err(error),
        }
    }

    /// What there is to say of a stack whose rollback is not to be gone on with; `None` if it is.
    async fn rollback_settled(&self, stack: &StackRef, arn: &str) -> CloudResult<Option<Applied>> {
        Ok(match self.same_stack(stack, arn).await? {
            Err(void) => Some(void),
            Ok(found) if found.status.rollback_failed() => None,
            Ok(found) if found.status.taken_back() => Some(Applied::Done(Facts::new())),
            Ok(found) => Some(Applied::Void(format!(
                "{} is {} now: there is no rollback to go on with",
                stack.name, found.status.0
            ))),
        })
    }

    /// The very stack that was shown, or that it is gone.
    async fn same_stack(&self, stack: &StackRef, arn: &str) -> CloudResult<Result<Stack, Applied>> {
        Ok(match self.read_stack(stack).await? {
            None => Err(Applied::Void(format!("stack {} does not exist any more", stack.name))),
            Some(found) if found.arn != arn => Err(Applied::Void(format!("stack {} was made anew", stack.name))),
            Some(found) => Ok(found),
        })
    }
}

/// What is asked of [`AwsCloud::continue_rollback`], as the call has it.
#[derive(Clone, Copy)]
pub(super) struct Rollback<'a> {
    pub(super) stack: &'a StackRef,
    pub(super) arn: &'a str,
    pub(super) skip: &'a [String],
    pub(super) failed: &'a [String],
    pub(super) token: &'a str,
}

/// Whether a call was refused for the state of what it is about, which is read again then.
fn too_late(error: &CloudError) -> bool {
    matches!(error.kind, ErrorKind::Conflict | ErrorKind::Invalid | ErrorKind::NotFound)
}
