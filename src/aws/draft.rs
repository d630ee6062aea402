//! Makes change sets, waits for them, reads and deletes them. None is executed here.

use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_cloudformation::operation::describe_change_set::DescribeChangeSetOutput;
use aws_sdk_cloudformation::types::{Capability, ChangeSetStatus, ChangeSetType, Parameter, Tag};

use super::convert::text;
use super::{AwsCloud, change_set, error};
use crate::cloud::{CloudError, CloudResult, Drafts, ErrorKind};
use crate::core::backoff::Backoff;
use crate::core::stack::{ChangeSet, ChangeSetRequest, Drafted, StackRef, TemplateSource};

const CREATE: &str = "cloudformation:CreateChangeSet";
const DESCRIBE: &str = "cloudformation:DescribeChangeSet";
/// Pages of changes that are read; a template has at most 500 resources.
const PAGES: usize = 20;

/// How CloudFormation's work on a change set ended.
enum Settled {
    /// It can be executed. Holds its first page.
    Ready(Box<DescribeChangeSetOutput>),
    /// It would change nothing.
    Nothing,
    /// It cannot be made. Holds the reason.
    Refused(String),
}

#[async_trait]
impl Drafts for AwsCloud {
    async fn draft(&self, request: &ChangeSetRequest) -> CloudResult<Drafted> {
        self.make_change_set(request).await
    }

    async fn discard(&self, stack: &StackRef, change_set: &str) -> CloudResult<()> {
        self.discard_change_set(stack, change_set).await
    }
}

impl AwsCloud {
    /// Makes the change set and waits for it. One with the same name is replaced, so that a second
    /// attempt is harmless. If it would change nothing, it is deleted again.
    pub(super) async fn make_change_set(&self, request: &ChangeSetRequest) -> CloudResult<Drafted> {
        self.drop_namesake(request).await?;
        let arn = self.create_change_set(request).await?;
        let limit = self.timeouts.draft;
        let outcome = tokio::time::timeout(limit, self.settled_change_set(&request.stack, &arn)).await;
        let outcome = outcome.unwrap_or_else(|_| {
            let message = format!("the change set was not ready within {} s", limit.as_secs_f32());
            Err(CloudError::new(ErrorKind::TimedOut, CREATE, message))
        })?;
        match outcome {
            Settled::Ready(first) => self.all_changes(&request.stack, arn, *first).await.map(Drafted::Ready),
            Settled::Nothing => {
                self.discard_change_set(&request.stack, &arn).await?;
                Ok(Drafted::Nothing)
            }
            Settled::Refused(reason) => Err(self.refused(&request.stack, &arn, reason).await),
        }
    }

    /// Deletes a change set with the same name that an earlier attempt has left.
    async fn drop_namesake(&self, request: &ChangeSetRequest) -> CloudResult<()> {
        match self.describe_change_set(&request.stack, &request.name, None).await {
            Ok(_) => self.delete_change_set(&request.stack, &request.name).await,
            Err(error) if error.kind == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn create_change_set(&self, request: &ChangeSetRequest) -> CloudResult<String> {
        let given = request.parameters.iter();
        let given = given.map(|(key, value)| Parameter::builder().parameter_key(key).parameter_value(value).build());
        let kept = request.keep.iter().filter(|key| !request.parameters.contains_key(*key));
        let kept = kept.map(|key| Parameter::builder().parameter_key(key).use_previous_value(true).build());
        let tags: Vec<Tag> =
            request.tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build()).collect();
        let kind = if request.create { ChangeSetType::Create } else { ChangeSetType::Update };
        let call = self.cloudformation(&request.stack).write.create_change_set();
        let call = call.stack_name(&request.stack.name).change_set_name(&request.name).change_set_type(kind);
        let call = match request.template {
            TemplateSource::Packed(template) => call.template_body((self.template_text)(template)),
            TemplateSource::Deployed => call.use_previous_template(true),
        };
        let call = call.capabilities(Capability::CapabilityNamedIam).set_role_arn(request.role.clone());
        let call = call.set_parameters(Some(given.chain(kept).collect()));
        // An empty list would take the tags away.
        let call = call.set_tags(Some(tags).filter(|tags| !tags.is_empty()));
        let answer = call.send().await.map_err(self.failed(CREATE))?;
        answer.id.ok_or_else(|| error::garbled(CREATE, "the answer names no change set"))
    }

    /// Reads a change set until it is ready or has failed.
    async fn settled_change_set(&self, stack: &StackRef, arn: &str) -> CloudResult<Settled> {
        const RULE: Backoff = Backoff { first: Duration::from_millis(250), longest: Duration::from_secs(2) };
        for read in 1.. {
            let found = self.describe_change_set(stack, arn, None).await?;
            match found.status() {
                Some(ChangeSetStatus::CreateComplete) => return Ok(Settled::Ready(Box::new(found))),
                Some(ChangeSetStatus::CreatePending | ChangeSetStatus::CreateInProgress) => {}
                Some(ChangeSetStatus::Failed) => {
                    let reason = text(found.status_reason());
                    return Ok(if says_nothing_changes(&reason) { Settled::Nothing } else { Settled::Refused(reason) });
                }
                other => {
                    let word = text(other.map(ChangeSetStatus::as_str));
                    return Err(CloudError::new(ErrorKind::Conflict, DESCRIBE, format!("the change set is {word}")));
                }
            }
            tokio::time::sleep(RULE.wait(read, rand::random())).await;
        }
        Err(error::garbled(DESCRIBE, "the change set does not become ready"))
    }

    /// One page of a change set, with the values of properties if the endpoint has them.
    pub(super) async fn describe_change_set(
        &self,
        stack: &StackRef,
        change_set: &str,
        token: Option<String>,
    ) -> CloudResult<DescribeChangeSetOutput> {
        let client = self.cloudformation(stack).read;
        let call = client.describe_change_set().stack_name(&stack.name).change_set_name(change_set);
        let call = call.set_next_token(token);
        match call.clone().include_property_values(true).send().await.map_err(self.failed(DESCRIBE)) {
            Err(error) if matches!(error.kind, ErrorKind::Invalid | ErrorKind::Unsupported) => {
                call.send().await.map_err(self.failed(DESCRIBE))
            }
            answer => answer,
        }
    }

    async fn all_changes(
        &self,
        stack: &StackRef,
        arn: String,
        first: DescribeChangeSetOutput,
    ) -> CloudResult<ChangeSet> {
        let mut changes: Vec<_> = first.changes().iter().filter_map(change_set::resource_change).collect();
        let mut token = first.next_token;
        for _ in 1..PAGES {
            let Some(next) = token.filter(|token| !token.is_empty()) else { return Ok(ChangeSet { arn, changes }) };
            let page = self.describe_change_set(stack, &arn, Some(next)).await?;
            changes.extend(page.changes().iter().filter_map(change_set::resource_change));
            token = page.next_token;
        }
        Err(error::garbled(DESCRIBE, "the list of changes does not end"))
    }

    /// Deletes a change set, and the stack without resources that it may have left. That stack stays if
    /// it has other change sets.
    pub(super) async fn discard_change_set(&self, stack: &StackRef, change_set: &str) -> CloudResult<()> {
        self.delete_change_set(stack, change_set).await?;
        let found = self.read_stack(stack).await?;
        let empty = found.is_some_and(|stack| stack.status.0 == "REVIEW_IN_PROGRESS");
        if empty && !self.has_other_change_sets(stack, change_set).await? {
            let call = self.cloudformation(stack).write.delete_stack().stack_name(&stack.name);
            gone(call.send().await.map(drop).map_err(self.failed("cloudformation:DeleteStack")))?;
        }
        Ok(())
    }

    async fn delete_change_set(&self, stack: &StackRef, change_set: &str) -> CloudResult<()> {
        let client = self.cloudformation(stack).write;
        let call = client.delete_change_set().stack_name(&stack.name).change_set_name(change_set);
        gone(call.send().await.map(drop).map_err(self.failed("cloudformation:DeleteChangeSet")))
    }

    /// Whether this stack has change sets other than ours: somebody else may be reviewing it too.
    async fn has_other_change_sets(&self, stack: &StackRef, ours: &str) -> CloudResult<bool> {
        let call = self.cloudformation(stack).read.list_change_sets().stack_name(&stack.name);
        let mut pages = call.into_paginator().send();
        let mut other = false;
        while let Some(page) = pages.next().await {
            let page = page.map_err(self.failed("cloudformation:ListChangeSets"))?;
            other |= page.summaries().iter().any(|found| {
                let same = found.change_set_id() == Some(ours) || found.change_set_name() == Some(ours);
                !same && !found.status().is_some_and(|status| status.as_str().starts_with("DELETE_"))
            });
        }
        Ok(other)
    }
}

/// Deleting something that does not exist any more is a success.
pub(super) fn gone(result: CloudResult<()>) -> CloudResult<()> {
    match result {
        Err(error) if error.kind == ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Whether a change set failed only because nothing would change. CloudFormation calls that a failure, and
/// tells it apart by two sentences alone. A reason that merely has such words in it, as that of a hook may, is
/// another one.
fn says_nothing_changes(reason: &str) -> bool {
    const SAME: &str = "The submitted information didn't contain changes.";
    const ADVICE: &str = "Submit different information to create a change set.";
    let reason = reason.trim();
    let same = reason.strip_prefix(SAME).map(str::trim).is_some_and(|rest| rest.is_empty() || rest == ADVICE);
    same || reason.trim_end_matches('.') == "No updates are to be performed"
}

#[cfg(test)]
mod tests {
    use super::says_nothing_changes;
    use rstest::rstest;

    #[rstest]
    #[case(
        "The submitted information didn't contain changes. Submit different information to create a change set.",
        true
    )]
    #[case("The submitted information didn't contain changes.", true)]
    #[case("No updates are to be performed.", true)]
    #[case("No updates are to be performed.\n", true)]
    #[case("Hook acme::guard refused it: no changes may be made on a Friday", false)]
    #[case("Template error: the mapping has no changes for Key", false)]
    #[case("The following hook(s) failed: [A]. No updates are to be performed.", false)]
    #[case("The submitted information didn't contain changes. But a hook failed: [A]", false)]
    #[case("didn't contain changes", false)]
    #[case("", false)]
    fn only_cloudformations_own_sentences_say_that_nothing_changes(#[case] reason: &str, #[case] nothing: bool) {
        assert_eq!(says_nothing_changes(reason), nothing);
    }
}
