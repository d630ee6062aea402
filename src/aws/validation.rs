//! Why CloudFormation refuses a change set: its early validation tells in events of their own.
//!
//! The status reason is then only that a validation failed. The events are found by the change set's ARN alone,
//! and go with it (CloudFormation user guide, "Validate stack deployments"; API reference, DescribeEvents).

use aws_sdk_cloudformation::types::{EventFilter, OperationEvent};

use super::convert::{some_text, text};
use super::{AwsCloud, error};
use crate::cloud::{CloudError, CloudResult};
use crate::core::stack::StackRef;

const CREATE: &str = "cloudformation:CreateChangeSet";
const DESCRIBE: &str = "cloudformation:DescribeEvents";
/// Pages of events that are read.
const PAGES: usize = 5;

impl AwsCloud {
    /// The error that a refused change set means, with what its events say. It is deleted, unless its events
    /// could not be read: then it is the only thing that tells.
    pub(super) async fn refused(&self, stack: &StackRef, arn: &str, reason: String) -> CloudError {
        let hidden = names_validation(&reason);
        let found = if hidden { self.failed_validations(stack, arn).await } else { Ok(Vec::new()) };
        match found {
            Ok(found) => {
                if let Err(left) = self.discard_change_set(stack, arn).await {
                    tracing::warn!(%left, arn, "a refused change set was not deleted");
                }
                let whole = if found.is_empty() { reason } else { found.join("; ") };
                error::invalid(CREATE, format!("{}: {whole}", stack.name))
            }
            Err(unread) => error::invalid(CREATE, format!("{}: {reason} (not read: {unread})", stack.name)).with_hint(
                format!("aws cloudformation describe-events --region {} --change-set-name {arn}", stack.region),
            ),
        }
    }

    /// What failed, a sentence each.
    async fn failed_validations(&self, stack: &StackRef, arn: &str) -> CloudResult<Vec<String>> {
        let failed = EventFilter::builder().failed_events(true).build();
        let call = self.cloudformation(stack).read.describe_events().change_set_name(arn).filters(failed);
        let mut pages = call.into_paginator().send();
        let mut found = Vec::new();
        for _ in 0..PAGES {
            let Some(page) = pages.next().await else { break };
            let page = page.map_err(self.failed(DESCRIBE))?;
            found.extend(page.operation_events().iter().filter_map(failure));
        }
        found.dedup();
        Ok(found)
    }
}

/// Whether a reason only says that a validation or a hook failed, and not what is wrong.
fn names_validation(reason: &str) -> bool {
    reason.contains("EarlyValidation") || reason.contains("DescribeEvents") || reason.contains("hook(s)")
}

/// An event that says what is wrong, as a sentence: the resource, where in it, and why.
fn failure(event: &OperationEvent) -> Option<String> {
    let why = some_text(event.validation_status_reason())
        .or_else(|| some_text(event.hook_status_reason()))
        .or_else(|| some_text(event.resource_status_reason()))?;
    let resource = match (some_text(event.logical_resource_id()), some_text(event.resource_type())) {
        (Some(id), Some(kind)) => format!("{id} ({kind})"),
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => text(event.event_type().map(|kind| kind.as_str())),
    };
    let place = some_text(event.validation_path()).map(|path| format!(" {path}")).unwrap_or_default();
    Some(format!("{resource}{place}: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("The following hook(s)/validation failed: [AWS::EarlyValidation::ResourceExistenceCheck].", true)]
    #[case("Validation failed with 1 error(s). Call DescribeEvents to retrieve the details", true)]
    #[case("Template format error: unresolved reference", false)]
    fn a_reason_may_hide_what_is_wrong(#[case] reason: &str, #[case] hides: bool) {
        assert_eq!(names_validation(reason), hides);
    }

    #[test]
    fn an_event_names_the_resource_the_place_and_the_reason() {
        let event = OperationEvent::builder()
            .logical_resource_id("LogGroup")
            .resource_type("AWS::Logs::LogGroup")
            .validation_path("/Resources/LogGroup/Properties/LogGroupName")
            .validation_status_reason("Resource of type 'AWS::Logs::LogGroup' with identifier 'x' already exists.")
            .build();
        assert_eq!(
            failure(&event).expect("a sentence"),
            "LogGroup (AWS::Logs::LogGroup) /Resources/LogGroup/Properties/LogGroupName: Resource of type \
             'AWS::Logs::LogGroup' with identifier 'x' already exists."
        );
    }
}
