//! Writes to CloudFormation.

use aws_sdk_cloudformation::types::ExecutionStatus;

use super::nothing;
use crate::aws::AwsCloud;
use crate::aws::draft::gone;
use crate::cloud::{CloudResult, ErrorKind};
use crate::core::operation::{Facts, StackCall};
use crate::core::stack::{ChangeSetRequest, StackRef};

const EXECUTE: &str = "cloudformation:ExecuteChangeSet";

impl AwsCloud {
    pub(super) async fn write_stack(&self, call: &StackCall) -> CloudResult<Facts> {
        match call {
            StackCall::DraftChangeSet { request } => self.draft_change_set(request).await,
            StackCall::ExecuteChangeSet { stack, change_set, token } => {
                self.execute_change_set(stack, change_set, token).await.map(nothing)
            }
            StackCall::DeleteStack { stack, token } => self.delete_stack(stack, token).await.map(nothing),
        }
    }

    async fn draft_change_set(&self, request: &ChangeSetRequest) -> CloudResult<Facts> {
        let drafted = self.make_change_set(request).await?;
        Ok(Facts::drafted(&request.stack.name, &drafted))
    }

    /// Executes a change set, unless it is being executed or was already.
    async fn execute_change_set(&self, stack: &StackRef, arn: &str, token: &str) -> CloudResult<()> {
        match self.describe_change_set(stack, arn, None).await {
            Ok(found) if found.execution_status().is_some_and(begun) => return Ok(()),
            Ok(_) => {}
            // CloudFormation deletes all change sets of a stack when one of them is executed.
            Err(error) if error.kind == ErrorKind::NotFound && self.began(stack, token).await? => return Ok(()),
            Err(error) => return Err(error),
        }
        let call = self.cloudformation(stack).write.execute_change_set().stack_name(&stack.name);
        let call = call.change_set_name(arn).client_request_token(token);
        call.send().await.map(drop).map_err(self.failed(EXECUTE))
    }

    /// Whether the stack has events that carry the token of this operation.
    async fn began(&self, stack: &StackRef, token: &str) -> CloudResult<bool> {
        let detail = self.read_stack_detail(stack).await?;
        Ok(detail.events.iter().any(|event| event.token.as_deref() == Some(token)))
    }

    /// Deletes a stack, unless it is being deleted or does not exist any more.
    async fn delete_stack(&self, stack: &StackRef, token: &str) -> CloudResult<()> {
        let found = self.read_stack(stack).await?;
        if found.is_none_or(|stack| matches!(stack.status.0.as_str(), "DELETE_COMPLETE" | "DELETE_IN_PROGRESS")) {
            return Ok(());
        }
        let call = self.cloudformation(stack).write.delete_stack().stack_name(&stack.name).client_request_token(token);
        gone(call.send().await.map(drop).map_err(self.failed("cloudformation:DeleteStack")))
    }
}

/// Whether a change set with this status was given to CloudFormation to execute.
fn begun(status: &ExecutionStatus) -> bool {
    use ExecutionStatus::{ExecuteComplete, ExecuteFailed, ExecuteInProgress};
    matches!(status, ExecuteInProgress | ExecuteComplete | ExecuteFailed)
}
