//! Stacks: settled, in the middle of a deploy, and failed.

use std::collections::BTreeMap;

use quarterdeck::core::stack::{Nested, Stack, StackDetail, StackEvent, StackRef, StackResource, StackStatus};

use super::{World, at, fixtures};

fn stack(part: &str, status: &str, changed: i64) -> Stack {
    let region = if part == "edge" { "us-east-1" } else { "eu-west-1" };
    Stack {
        id: StackRef { name: format!("quarterdeck-prod-{part}"), region: region.into() },
        arn: format!("arn:aws:cloudformation:{region}:123456789012:stack/quarterdeck-prod-{part}/1f3d"),
        status: StackStatus(status.into()),
        reason: None,
        parameters: BTreeMap::from([("Environment".into(), "prod".into())]),
        outputs: BTreeMap::from([("ClusterName".into(), "quarterdeck-prod".into())]),
        updated_at: Some(at(changed)),
        termination_protection: part == "platform",
        differs: None,
    }
}

/// All complete.
pub fn settled() -> Vec<Stack> {
    let parts = ["edge", "network", "platform", "time", "weather"];
    parts.iter().map(|part| stack(part, "UPDATE_COMPLETE", -86_400)).collect()
}

fn resource(name: &str, kind: &str, status: &str, changed: i64) -> StackResource {
    StackResource {
        logical_id: name.into(),
        physical_id: Some(format!("quarterdeck-prod-{}", name.to_lowercase())),
        kind: kind.into(),
        status: StackStatus(status.into()),
        reason: None,
        updated_at: Some(at(changed)),
    }
}

fn event(name: &str, kind: &str, status: &str, seconds: i64, reason: Option<&str>) -> StackEvent {
    StackEvent {
        id: format!("{name}-{seconds}"),
        at: at(seconds),
        logical_id: name.into(),
        kind: kind.into(),
        status: StackStatus(status.into()),
        reason: reason.map(Into::into),
        token: Some("op-deploy".into()),
    }
}

/// What a settled stack holds.
pub fn settled_detail() -> StackDetail {
    StackDetail {
        resources: vec![resource("WebAcl", "AWS::WAFv2::WebACL", "UPDATE_COMPLETE", -86_400)],
        events: vec![event("quarterdeck-prod-edge", "AWS::CloudFormation::Stack", "UPDATE_COMPLETE", -86_400, None)],
        nested: Vec::new(),
    }
}

/// The platform is being updated.
pub fn deploying() -> World {
    let mut stacks = settled();
    stacks[2] = stack("platform", "UPDATE_IN_PROGRESS", -95);
    let detail = StackDetail {
        resources: vec![
            resource("Cluster", "AWS::ECS::Cluster", "UPDATE_COMPLETE", -80),
            resource("Distribution", "AWS::CloudFront::Distribution", "UPDATE_IN_PROGRESS", -40),
            resource("LoadBalancer", "AWS::ElasticLoadBalancingV2::LoadBalancer", "UPDATE_IN_PROGRESS", -60),
            resource("UserPool", "AWS::Cognito::UserPool", "CREATE_COMPLETE", -86_400),
        ],
        events: vec![
            event("Distribution", "AWS::CloudFront::Distribution", "UPDATE_IN_PROGRESS", -40, None),
            event(
                "LoadBalancer",
                "AWS::ElasticLoadBalancingV2::LoadBalancer",
                "UPDATE_IN_PROGRESS",
                -60,
                Some("Resource update initiated"),
            ),
            event("Cluster", "AWS::ECS::Cluster", "UPDATE_COMPLETE", -80, None),
            event(
                "quarterdeck-prod-platform",
                "AWS::CloudFormation::Stack",
                "UPDATE_IN_PROGRESS",
                -95,
                Some("User Initiated"),
            ),
        ],
        nested: Vec::new(),
    };
    World { stacks, detail, ..fixtures::world() }
}

/// The weather stack was rolled back.
pub fn failed() -> World {
    let mut stacks = settled();
    stacks[4] = stack("weather", "UPDATE_ROLLBACK_COMPLETE", -20);
    let service = "AWS::ECS::Service";
    let broken = "Resource handler returned message: \"Error occurred during operation 'ECS Deployment Circuit Breaker \
                  was triggered'.\" (RequestToken: 0c1d, HandlerErrorCode: GeneralServiceException)";
    let detail = StackDetail {
        resources: vec![
            resource("Service", service, "UPDATE_COMPLETE", -25),
            resource("TaskDefinition", "AWS::ECS::TaskDefinition", "UPDATE_COMPLETE", -24),
        ],
        events: vec![
            event("quarterdeck-prod-weather", "AWS::CloudFormation::Stack", "UPDATE_ROLLBACK_COMPLETE", -20, None),
            event("Service", service, "UPDATE_COMPLETE", -25, None),
            event(
                "TargetGroup",
                "AWS::ElasticLoadBalancingV2::TargetGroup",
                "UPDATE_FAILED",
                -99,
                Some("Resource update cancelled"),
            ),
            event("Service", service, "UPDATE_FAILED", -100, Some(broken)),
            event("Service", service, "UPDATE_IN_PROGRESS", -400, None),
        ],
        nested: Vec::new(),
    };
    World { stacks, detail, ..fixtures::world() }
}

/// The way back of the weather stack failed, in it and in a stack that is nested in it.
pub fn rollback_failed() -> World {
    let (name, of, service) = ("quarterdeck-prod-weather", "AWS::CloudFormation::Stack", "AWS::ECS::Service");
    let mut stacks = settled();
    stacks[4] = stack("weather", "UPDATE_ROLLBACK_FAILED", -20);
    let because = |name: &str, kind: &str, why: &str| StackResource {
        reason: Some(why.into()),
        ..resource(name, kind, "UPDATE_FAILED", -30)
    };
    let gone = "Resource handler returned message: \"TaskDefinition is inactive\" (HandlerErrorCode: InvalidRequest)";
    let inner = StackDetail {
        resources: vec![because("Queue", "AWS::SQS::Queue", "the queue does not exist")],
        events: vec![
            event("Queue", "AWS::SQS::Queue", "UPDATE_FAILED", -30, Some("the queue does not exist")),
            event("queues-1A2B", of, "UPDATE_ROLLBACK_IN_PROGRESS", -40, None),
        ],
        nested: Vec::new(),
    };
    let nested = Nested {
        logical_id: "Queues".into(),
        name: "queues-1A2B".into(),
        status: Some(StackStatus("UPDATE_ROLLBACK_FAILED".into())),
        detail: inner,
    };
    let detail = StackDetail {
        resources: vec![
            because("Group", "AWS::EC2::SecurityGroup", "Resource update cancelled"),
            because("Queues", of, "Embedded stack was not successfully updated"),
            because("Service", service, gone),
            resource("TaskDefinition", "AWS::ECS::TaskDefinition", "UPDATE_COMPLETE", -24),
        ],
        events: vec![
            event(name, of, "UPDATE_ROLLBACK_FAILED", -20, None),
            event("Service", service, "UPDATE_FAILED", -30, Some(gone)),
            event("Queues", of, "UPDATE_FAILED", -30, None),
            event(name, of, "UPDATE_ROLLBACK_IN_PROGRESS", -40, None),
            event("Group", "AWS::EC2::SecurityGroup", "UPDATE_FAILED", -41, Some("Resource update cancelled")),
            event("Service", service, "UPDATE_FAILED", -42, Some("no")),
            event(name, of, "UPDATE_IN_PROGRESS", -400, Some("User Initiated")),
        ],
        nested: vec![nested],
    };
    World { stacks, detail, ..fixtures::world() }
}
