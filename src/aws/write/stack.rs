//! Writes to CloudFormation.

use aws_sdk_cloudformation::types::ExecutionStatus;

use crate::aws::draft::gone;
use crate::aws::{AwsCloud, change_set, error};
use crate::cloud::{CloudResult, ErrorKind};
use crate::core::operation::deploy::{change_set_fact, destroys_fact};
use crate::core::operation::work::Facts;
use crate::core::stack::{ChangeSetRequest, StackRef};

const EXECUTE: &str = "cloudformation:ExecuteChangeSet";

impl AwsCloud {
    pub(super) async fn draft_change_set(&self, request: &ChangeSetRequest) -> CloudResult<Facts> {
        let made = self.make_change_set(request).await?;
        let name = &request.stack.name;
        let destroyed = change_set::destroyed(&made.changes).join(", ");
        Ok(Facts::from([(change_set_fact(name), made.arn), (destroys_fact(name), destroyed)]))
    }

    /// One that is being executed, or was, is not executed again.
    pub(super) async fn execute_change_set(&self, stack: &StackRef, arn: &str, token: &str) -> CloudResult<()> {
        if arn.is_empty() {
            return Err(error::invalid(EXECUTE, "no change set is named"));
        }
        match self.describe_change_set(stack, arn, None).await {
            Ok(found) if found.execution_status().is_some_and(begun) => return Ok(()),
            Ok(_) => {}
            // CloudFormation forgets a stack's change sets once one of them is executed.
            Err(error) if error.kind == ErrorKind::NotFound && self.began(stack, token).await? => return Ok(()),
            Err(error) => return Err(error),
        }
        let call = self.cloudformation(stack).write.execute_change_set().stack_name(&stack.name);
        let call = call.change_set_name(arn).client_request_token(token);
        call.send().await.map(drop).map_err(self.failed(EXECUTE))
    }

    /// Whether the stack has events of this operation.
    async fn began(&self, stack: &StackRef, token: &str) -> CloudResult<bool> {
        let detail = self.read_stack_detail(stack).await?;
        Ok(detail.events.iter().any(|event| event.token.as_deref() == Some(token)))
    }

    pub(super) async fn delete_stack(&self, stack: &StackRef, token: &str) -> CloudResult<()> {
        let found = self.read_stack(stack).await?;
        if found.is_none_or(|stack| matches!(stack.status.0.as_str(), "DELETE_COMPLETE" | "DELETE_IN_PROGRESS")) {
            return Ok(());
        }
        let call = self.cloudformation(stack).write.delete_stack().stack_name(&stack.name).client_request_token(token);
        gone(call.send().await.map(drop).map_err(self.failed("cloudformation:DeleteStack")))
    }
}

fn begun(status: &ExecutionStatus) -> bool {
    use ExecutionStatus::{ExecuteComplete, ExecuteFailed, ExecuteInProgress};
    matches!(status, ExecuteInProgress | ExecuteComplete | ExecuteFailed)
}
