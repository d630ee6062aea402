//! Writes to CloudFormation.

use aws_sdk_cloudformation::types::ExecutionStatus;
use jiff::Timestamp;

use super::protection::Protected;
use super::rescue::Rollback;
use crate::aws::AwsCloud;
use crate::aws::draft::gone;
use crate::cloud::{CloudError, CloudResult, ErrorKind};
use crate::core::operation::deploy::{seen_protection, seen_stack};
use crate::core::operation::protection;
use crate::core::operation::work::{Deletion, Shown};
use crate::core::operation::{Applied, Changed, Facts, StackCall};
use crate::core::stack::{ChangeSetRequest, Drafted, ResourceChange, StackRef};

const EXECUTE: &str = "cloudformation:ExecuteChangeSet";

impl AwsCloud {
    pub(super) async fn write_stack(&self, call: &StackCall) -> CloudResult<Applied> {
        match call {
            StackCall::DraftChangeSet { request } => self.draft_change_set(request).await.map(Applied::Done),
            StackCall::ExecuteChangeSet { stack, change_set, token, request } => {
                self.execute_change_set(stack, change_set, token, request).await
            }
            StackCall::DeleteStack(deletion) => self.delete_stack(deletion).await,
            StackCall::CancelUpdate { stack, shown, token } => self.cancel_update(stack, shown, token).await,
            StackCall::ContinueRollback { stack, arn, skip, failed, token } => {
                self.continue_rollback(Rollback { stack, arn, skip, failed, token }).await
            }
        }
    }

    async fn draft_change_set(&self, request: &ChangeSetRequest) -> CloudResult<Facts> {
        let drafted = self.make_change_set(request).await?;
        Ok(Facts::drafted(&request.draft(), &drafted))
    }

    /// Executes a change set, unless it is being executed or was already.
    async fn execute_change_set(
        &self,
        stack: &StackRef,
        arn: &str,
        token: &str,
        request: &ChangeSetRequest,
    ) -> CloudResult<Applied> {
        match self.describe_change_set(stack, arn, None).await {
            Ok(found) if found.execution_status().is_some_and(begun) => return Ok(Applied::Done(Facts::new())),
            Ok(found) if found.execution_status() == Some(&ExecutionStatus::Obsolete) => {
                return self.made_void(stack, request).await;
            }
            Ok(_) => {}
            // CloudFormation deletes all change sets of a stack when one of them is executed.
            Err(error) if error.kind == ErrorKind::NotFound => {
                if self.began(stack, token).await? {
                    return Ok(Applied::Done(Facts::new()));
                }
                return self.made_void(stack, request).await;
            }
            Err(error) => return Err(error),
        }
        let call = self.cloudformation(stack).write.execute_change_set().stack_name(&stack.name);
        let call = call.change_set_name(arn).client_request_token(token);
        call.send().await.map(|_| Applied::Done(Facts::new())).map_err(self.failed(EXECUTE))
    }

    /// Somebody has changed the stack since the change set was made. Makes it anew, for the operator to
    /// decide on.
    async fn made_void(&self, stack: &StackRef, request: &ChangeSetRequest) -> CloudResult<Applied> {
        let Some(now) = self.read_stack(stack).await? else {
            return Ok(Applied::Void(format!("stack {} does not exist any more", stack.name)));
        };
        if now.status.busy() {
            let why = format!("{} is being changed by somebody else ({})", stack.name, now.status.0);
            return Err(CloudError::new(ErrorKind::Conflict, EXECUTE, why).with_hint("plan it again when that is over"));
        }
        let drafted = self.make_change_set(request).await?;
        let after = match &drafted {
            Drafted::Nothing => "what it is".to_owned(),
            Drafted::Ready(set) => {
                let change =
                    |change: &ResourceChange| format!("{} {:?}", change.logical_id, change.action).to_lowercase();
                let changes: Vec<String> = set.changes.iter().map(change).collect();
                if changes.is_empty() { "new outputs or tags".to_owned() } else { changes.join(", ") }
            }
        };
        let changed_at = now.updated_at.map(|at| format!("changed {at:.0}")).unwrap_or_default();
        Ok(Applied::Changed(Box::new(Changed {
            subject: stack.name.clone(),
            field: "the stack".into(),
            planned: "as the plan showed it".into(),
            now: format!("{} {changed_at}", now.status.0).trim_end().to_owned(),
            after,
            seen: Facts::drafted(&request.draft(), &drafted),
            confirm: None,
        })))
    }

    /// Whether the stack has events that carry the token of this operation.
    async fn began(&self, stack: &StackRef, token: &str) -> CloudResult<bool> {
        // One that is gone is asked for its events in vain.
        if self.read_stack(stack).await?.is_none() {
            return Ok(false);
        }
        let detail = self.read_stack_detail(stack).await?;
        Ok(detail.events.iter().any(|event| event.token.as_deref() == Some(token)))
    }

    /// Deletes a stack, unless it is being deleted or does not exist any more. Only the very stack that was
    /// shown is deleted, by its ARN.
    async fn delete_stack(&self, deletion: &Deletion) -> CloudResult<Applied> {
        let Deletion { stack, shown, role, .. } = deletion;
        let Some(found) = self.read_stack(stack).await? else { return Ok(Applied::Done(Facts::new())) };
        if matches!(found.status.0.as_str(), "DELETE_COMPLETE" | "DELETE_IN_PROGRESS") {
            return Ok(Applied::Done(Facts::new()));
        }
        // Deleted as it is, it would be left in DELETE_FAILED, in which it takes no change any more.
        let on = found.parameters.get(protection::PARAMETER).is_some_and(|value| value == "true");
        if on && !found.status.stuck() {
            let name = &stack.name;
            let why =
                format!("the deletion protection of {name} is on; a new plan to destroy it switches it off first");
            return Ok(Applied::Void(why));
        }
        // A deletion of ours that has failed, or begun and been lost, has changed it, too.
        if let Some(shown) =
            shown.as_ref().filter(|shown| **shown != Shown::of(&found) && found.status.0 != "DELETE_FAILED")
        {
            let known = |at: Option<Timestamp>| at.map_or("at an unknown time".to_owned(), |at| format!("{at:.0}"));
            let another = if shown.arn == found.arn { "changed" } else { "made anew" };
            return Ok(Applied::Changed(Box::new(Changed {
                subject: stack.name.clone(),
                field: "the stack".into(),
                planned: format!("last changed {}", known(shown.updated_at)),
                now: format!("{another} {} ({})", known(found.updated_at), found.status.0),
                after: "deleted, with everything in it".into(),
                seen: Facts::of(seen_stack(&stack.name), Shown::of(&found).to_string()),
                confirm: None,
            })));
        }
        if found.status.stuck()
            && let Some(asks) = self.lift_protection(deletion).await?
        {
            return Ok(Applied::Changed(Box::new(asks)));
        }
        let call = self.cloudformation(stack).write.delete_stack().stack_name(&found.arn).set_role_arn(role.clone());
        let call = call.client_request_token(deletion.attempt(&found.status, Timestamp::now()));
        gone(call.send().await.map(drop).map_err(self.failed("cloudformation:DeleteStack")))?;
        Ok(Applied::Done(Facts::new()))
    }

    /// Switches off what protects the resources of a stack that takes no change, if that was agreed to; else what
    /// the operator is to be asked.
    async fn lift_protection(&self, Deletion { stack, unprotects, .. }: &Deletion) -> CloudResult<Option<Changed>> {
        let protected = self.protected_in(stack).await?;
        if protected.is_empty() {
            return Ok(None);
        }
        if !unprotects {
            let names: Vec<String> = protected.iter().map(Protected::name).collect();
            return Ok(Some(Changed {
                subject: stack.name.clone(),
                field: "the deletion protection".into(),
                planned: "off".into(),
                now: format!("on at {}", names.join(" and ")),
                after: "off, and the stack deleted".into(),
                seen: Facts::of(seen_protection(&stack.name), "on"),
                confirm: None,
            }));
        }
        for one in protected {
            self.unprotect(one).await?;
        }
        Ok(None)
    }
}

/// Whether a change set with this status was given to CloudFormation to execute.
fn begun(status: &ExecutionStatus) -> bool {
    use ExecutionStatus::{ExecuteComplete, ExecuteFailed, ExecuteInProgress};
    matches!(status, ExecuteInProgress | ExecuteComplete | ExecuteFailed)
}
