//! CloudFormation: stacks, their resources and their events.

use std::collections::BTreeMap;

use async_trait::async_trait;
use aws_sdk_cloudformation::types as sdk;
use futures::future::BoxFuture;

use super::AwsCloud;
use super::clients::CloudFormation;
use super::convert::{some_text, text, time};
use crate::cloud::{CloudResult, ErrorKind, Stacks};
use crate::core::stack::{Nested, STACK, Stack, StackDetail, StackEvent, StackRef, StackResource, StackStatus};

/// Events of a stack that are kept in any case: those of the newest change may be fewer.
const EVENTS: usize = 200;
/// Nested stacks that are read of a stack. One that fails takes the others of its stack down with it.
const NESTED: usize = 5;
/// Most pages of events that are read for the newest change.
const PAGES: usize = 20;

#[async_trait]
impl Stacks for AwsCloud {
    async fn stack(&self, stack: &StackRef) -> CloudResult<Option<Stack>> {
        self.within("cloudformation:DescribeStacks", self.read_stack(stack)).await
    }

    async fn stacks(&self, prefix: &str, region: &str) -> CloudResult<Vec<Stack>> {
        // An account may have thousands of stacks: each page has its time limit, the list has none.
        let pages = self.stacks.at(region).read.describe_stacks().into_paginator().items().send();
        let all: Vec<sdk::Stack> = pages.try_collect().await.map_err(self.failed("cloudformation:DescribeStacks"))?;
        let ours = all.iter().filter(|stack| stack.stack_name().is_some_and(|name| name.starts_with(prefix)));
        let mut stacks: Vec<Stack> = ours.map(|stack| domain_stack(stack, region)).collect();
        stacks.sort_by(|a, b| a.id.name.cmp(&b.id.name));
        Ok(stacks)
    }

    async fn stack_detail(&self, stack: &StackRef) -> CloudResult<StackDetail> {
        self.within("cloudformation:DescribeStackEvents", self.read_stack_detail(stack)).await
    }
}

impl AwsCloud {
    /// CloudFormation's clients in the region of this stack.
    pub(super) fn cloudformation(&self, stack: &StackRef) -> CloudFormation {
        self.stacks.at(if stack.region.is_empty() { &self.region } else { &stack.region })
    }

    pub(super) async fn read_stack(&self, stack: &StackRef) -> CloudResult<Option<Stack>> {
        let call = self.cloudformation(stack).read.describe_stacks().stack_name(&stack.name);
        match call.send().await.map_err(self.failed("cloudformation:DescribeStacks")) {
            Ok(answer) => Ok(answer.stacks().first().map(|found| domain_stack(found, &stack.region))),
            Err(error) if error.kind == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) async fn read_stack_detail(&self, stack: &StackRef) -> CloudResult<StackDetail> {
        let (resources, events) = futures::join!(self.resources(stack), self.events(stack));
        let events = events?;
        let resources = match resources {
            // A deleted stack has events, but may have no resources.
            Err(error) if error.kind == ErrorKind::NotFound => Vec::new(),
            other => other?,
        };
        let nested = self.nested(stack, &resources).await?;
        Ok(StackDetail { resources, events, nested })
    }

    /// The nested stacks whose update failed, and theirs: what of them failed is told by nobody else.
    fn nested<'a>(
        &'a self,
        stack: &'a StackRef,
        resources: &'a [StackResource],
    ) -> BoxFuture<'a, CloudResult<Vec<Nested>>> {
        let failed = resources.iter().filter(|one| one.kind == STACK && one.status.0 == "UPDATE_FAILED").take(NESTED);
        let failed: Vec<&StackResource> = failed.collect();
        Box::pin(async move {
            let mut all = Vec::new();
            for one in failed {
                // The id of a nested stack is its ARN, and has its name in the last part but one.
                let Some(arn) = one.physical_id.as_deref() else { continue };
                let Some(name) = arn.rsplit('/').nth(1) else { continue };
                let inner = StackRef { name: arn.to_owned(), region: stack.region.clone() };
                let status = self.read_stack(&inner).await?.map(|found| found.status);
                let detail = self.read_stack_detail(&inner).await?;
                all.push(Nested { logical_id: one.logical_id.clone(), name: name.to_owned(), status, detail });
            }
            Ok(all)
        })
    }

    async fn resources(&self, stack: &StackRef) -> CloudResult<Vec<StackResource>> {
        let call = self.cloudformation(stack).read.list_stack_resources().stack_name(&stack.name);
        let pages = call.into_paginator().items().send();
        let found: Vec<_> = pages.try_collect().await.map_err(self.failed("cloudformation:ListStackResources"))?;
        let mut resources: Vec<StackResource> = found.iter().map(resource).collect();
        resources.sort_by(|a, b| a.logical_id.cmp(&b.logical_id));
        Ok(resources)
    }

    /// The events of the newest change, however many: the first that failed in it says why. And some before it.
    async fn events(&self, stack: &StackRef) -> CloudResult<Vec<StackEvent>> {
        let mut pages =
            self.cloudformation(stack).read.describe_stack_events().stack_name(&stack.name).into_paginator().send();
        let (mut events, mut begun) = (Vec::new(), None);
        for _ in 0..PAGES {
            let Some(page) = pages.next().await else { break };
            let page = page.map_err(self.failed("cloudformation:DescribeStackEvents"))?;
            let before = events.len();
            events.extend(page.stack_events().iter().filter_map(event));
            begun = begun.or(page.stack_events().iter().position(begins).map(|at| before + at + 1));
            if begun.is_some() && events.len() >= EVENTS {
                break;
            }
        }
        // AWS sends the newest first. The sort is stable, so events with the same time keep that order.
        events.sort_by_key(|event: &StackEvent| std::cmp::Reverse(event.at));
        events.truncate(begun.unwrap_or(usize::MAX).max(EVENTS));
        Ok(events)
    }
}

/// Whether a change of a stack begins with this event.
fn begins(event: &sdk::StackEvent) -> bool {
    use sdk::ResourceStatus::{CreateInProgress, DeleteInProgress, ImportInProgress, UpdateInProgress};
    let whole = event.physical_resource_id().is_some() && event.physical_resource_id() == event.stack_id();
    let first = [CreateInProgress, UpdateInProgress, DeleteInProgress, ImportInProgress];
    whole && event.resource_status().is_some_and(|status| first.contains(status))
}

fn status(word: Option<&str>) -> StackStatus {
    StackStatus(text(word))
}

fn domain_stack(found: &sdk::Stack, region: &str) -> Stack {
    let pair = |key: Option<&str>, value: Option<&str>| Some((text(Some(key?)), text(value)));
    let parameters = found.parameters().iter();
    let parameters = parameters.filter_map(|parameter| pair(parameter.parameter_key(), parameter.parameter_value()));
    let outputs = found.outputs().iter().filter_map(|output| pair(output.output_key(), output.output_value()));
    Stack {
        id: StackRef { name: text(found.stack_name()), region: region.to_owned() },
        arn: text(found.stack_id()),
        status: status(found.stack_status().map(sdk::StackStatus::as_str)),
        reason: some_text(found.stack_status_reason()),
        parameters: parameters.collect::<BTreeMap<_, _>>(),
        outputs: outputs.collect::<BTreeMap<_, _>>(),
        updated_at: time(found.last_updated_time().or(found.creation_time())),
        termination_protection: found.enable_termination_protection().unwrap_or(false),
        differs: None,
    }
}

fn resource(found: &sdk::StackResourceSummary) -> StackResource {
    StackResource {
        logical_id: text(found.logical_resource_id()),
        physical_id: some_text(found.physical_resource_id()),
        kind: text(found.resource_type()),
        status: status(found.resource_status().map(sdk::ResourceStatus::as_str)),
        reason: some_text(found.resource_status_reason()),
        updated_at: time(found.last_updated_timestamp()),
    }
}

fn event(found: &sdk::StackEvent) -> Option<StackEvent> {
    Some(StackEvent {
        id: text(found.event_id()),
        at: time(found.timestamp())?,
        logical_id: text(found.logical_resource_id()),
        kind: text(found.resource_type()),
        status: status(found.resource_status().map(sdk::ResourceStatus::as_str)),
        reason: some_text(found.resource_status_reason()),
        token: some_text(found.client_request_token()),
    })
}
