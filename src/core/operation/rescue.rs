//! Hands for a deploy that is stuck: a service deployment is stopped, the update of a stack is cancelled, a rollback
//! that failed is continued.

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::Operation;
use super::fact::{Fact, Facts};
use super::service::ServiceRef;
use super::steps::Steps;
use super::work::{Check, Promise, ServiceCall, Shown, StackCall, Step, Work};
use crate::core::error::Hand;
use crate::core::stack::StackRef;

/// See [`Intent::StopDeployment`](super::Intent::StopDeployment).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StopDeployment {
    #[serde(flatten)]
    pub service: ServiceRef,
    /// ARN of the service deployment.
    pub deployment: String,
    /// The stack that waits for the deployment. It sees the deployment fail, and goes back, too.
    pub stack: Option<StackRef>,
}

/// See [`Intent::CancelUpdate`](super::Intent::CancelUpdate).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CancelUpdate {
    pub stack: StackRef,
    /// The stack with the update that the plan showed. Another one is not cancelled without asking.
    pub shown: Shown,
    /// The server whose stack it is; `None` where it is one that all share.
    pub server: Option<String>,
    /// Who cancels it, for those who read the events of the stack.
    pub by: String,
}

/// See [`Intent::ContinueRollback`](super::Intent::ContinueRollback).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContinueRollback {
    pub stack: StackRef,
    /// The stack as the plan showed it.
    pub shown: Shown,
    /// Resources that stay as they are, as CloudFormation names them: `LogicalId`, or `NestedStackName.LogicalId`.
    pub skip: Vec<String>,
    /// What the plan showed as what could not be rolled back. Where that has changed, the operator is asked again.
    pub failed: Vec<String>,
    /// The server whose stack it is; `None` where it is one that all share.
    pub server: Option<String>,
    /// Who continues it, for those who read the events of the stack.
    pub by: String,
}

/// Who has taken back what another operation had begun, as far as is known.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct By {
    /// The end of the caller's ARN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
    /// Id of the operation that did it; `None` where it was not quarterdeck, or is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
}

/// The verb of [`Intent::StopDeployment`](super::Intent::StopDeployment).
pub const STOPS: &str = "stop-deployment";
/// What stands between an operation and who carries it out in a client request token.
const WHO: &str = "-by-";
/// How the id of an operation begins.
const OPERATION: &str = "qd-";
/// The longest client request token (CloudFormation API reference, CancelUpdateStack).
const LONGEST: usize = 128;

impl By {
    /// The client request token of an operation on a stack. CloudFormation writes it into the events, where colleagues
    /// read it. A token is made of letters, digits and hyphens.
    pub fn token(operation: &str, who: &str) -> String {
        let fits = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
        let token: String = operation.chars().chain(WHO.chars()).chain(who.chars()).map(fits).collect();
        token.chars().take(LONGEST).collect()
    }

    /// Whose token it is: nobody is known for one that is not quarterdeck's.
    pub fn of_token(token: &str) -> Self {
        if !token.starts_with(OPERATION) {
            return Self::default();
        }
        let (operation, who) = token.split_once(WHO).unwrap_or((token, ""));
        let named = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        Self { who: named(who), operation: named(operation) }
    }
}

impl fmt::Display for By {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.who.as_deref().unwrap_or("someone"))?;
        self.operation.as_ref().map_or(Ok(()), |operation| write!(f, " (operation {operation})"))
    }
}

/// What an operation waits for that long may hang.
const LONG: SignedDuration = SignedDuration::from_mins(30);

/// What takes back what an operation has been waiting for so long that it may hang.
pub fn hands(operation: &Operation, now: Timestamp) -> Vec<Hand> {
    let steps = operation.steps();
    let long = operation.running.iter().filter(|(_, progress)| now.duration_since(progress.since) >= LONG);
    let hand = |work: &Work| match work {
        // A stack waits for the deployment of its service.
        Work::Await(Check::StackSettled { .. }) => Some([Hand::CancelUpdate, Hand::StopDeployment].as_slice()),
        Work::Await(Check::Steady { .. }) => Some([Hand::StopDeployment].as_slice()),
        _ => None,
    };
    let mut all: Vec<Hand> = Vec::new();
    let found = long.filter_map(|(index, _)| hand(&steps.get(*index)?.work)).flatten();
    found.for_each(|hand| {
        if !all.contains(hand) {
            all.push(*hand)
        }
    });
    all
}

/// The last change of a stack that the operator has agreed to find instead of what the plan showed.
pub fn seen_update(stack: &str) -> Fact {
    Fact::Seen(format!("update.{stack}"))
}

/// The resources that could not be rolled back, as the operator has agreed to find them.
pub fn seen_failed(stack: &str) -> Fact {
    Fact::Seen(format!("rollback.{stack}"))
}

impl StopDeployment {
    pub(super) fn steps(&self) -> Vec<Step> {
        let ServiceRef { cluster, service } = &self.service;
        let (cluster, service, deployment) = (cluster.clone(), service.clone(), self.deployment.clone());
        let id = id_of(&self.deployment);
        let mut steps = Steps::default();
        let stop = ServiceCall::StopDeployment { cluster, service: service.clone(), deployment: deployment.clone() };
        steps.then(format!("stop deployment {id} of {service}"), stop);
        steps.then(format!("wait until {service} is back"), Check::DeploymentTakenBack { deployment });
        if let Some(stack) = &self.stack {
            let check = Check::StackTakenBack { stack: stack.clone(), token: None };
            steps.then(format!("wait until {} is back", stack.name), check);
        }
        steps.then(format!("wait until {service} is steady"), self.service.steady(Promise::default()));
        steps.done()
    }
}

impl CancelUpdate {
    pub(super) fn steps(&self, operation: &str, facts: &Facts) -> Vec<Step> {
        let (stack, token) = (self.stack.clone(), By::token(operation, &self.by));
        let shown = facts.get(&seen_update(&stack.name)).map_or_else(|| self.shown.clone(), Shown::from);
        let name = stack.name.clone();
        let mut steps = Steps::default();
        let cancel = StackCall::CancelUpdate { stack: stack.clone(), shown, token };
        steps.then(format!("cancel the update of {name}"), cancel);
        steps.then(format!("wait until {name} is back"), Check::StackTakenBack { stack, token: None });
        steps.done()
    }
}

impl ContinueRollback {
    pub(super) fn steps(&self, operation: &str, facts: &Facts) -> Vec<Step> {
        let (stack, token) = (self.stack.clone(), By::token(operation, &self.by));
        let name = stack.name.clone();
        let seen = facts.get(&seen_failed(&name)).map(|seen| seen.split(", ").map(str::to_owned).collect());
        let call = StackCall::ContinueRollback {
            stack: stack.clone(),
            arn: self.shown.arn.clone(),
            skip: self.skip.clone(),
            failed: seen.unwrap_or_else(|| self.failed.clone()),
            token: token.clone(),
        };
        let mut steps = Steps::default();
        steps.then(format!("continue the rollback of {name}"), call);
        steps.then(format!("wait until {name} is back"), Check::StackTakenBack { stack, token: Some(token) });
        steps.done()
    }
}

/// The id of a service deployment, which stands at the end of its ARN.
pub fn id_of(deployment: &str) -> &str {
    deployment.rsplit('/').next().unwrap_or(deployment)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::operation::work::Call;
    use rstest::rstest;

    #[rstest]
    #[case::a_session("qd-20260131-030000-89abcdef", "alice", "qd-20260131-030000-89abcdef-by-alice", Some("alice"))]
    #[case::an_address("qd-1", "bob@example.com", "qd-1-by-bob-example-com", Some("bob-example-com"))]
    #[case::nobody("qd-1", "", "qd-1-by-", None)]
    fn a_token_tells_who_it_was(
        #[case] operation: &str,
        #[case] who: &str,
        #[case] token: &str,
        #[case] read: Option<&str>,
    ) {
        assert_eq!(By::token(operation, who), token);
        let by = By { who: read.map(str::to_owned), operation: Some(operation.to_owned()) };
        assert_eq!(By::of_token(token), by);
    }

    #[test]
    fn a_long_name_is_cut_and_a_token_of_others_names_nobody() {
        assert_eq!(By::token("qd-1", &"a".repeat(300)).len(), LONGEST);
        for token in ["Console-CancelUpdateStack-0a1b", "", "my-by-hand"] {
            assert_eq!(By::of_token(token), By::default());
        }
        assert_eq!(By::default().to_string(), "someone");
        assert_eq!(By::of_token("qd-1-by-alice").to_string(), "alice (operation qd-1)");
    }

    #[test]
    fn a_deployment_of_a_stack_is_back_when_the_stack_is() {
        let service = ServiceRef { cluster: "c".into(), service: "time".into() };
        let stack = StackRef { name: "quarterdeck-prod-time".into(), region: "eu-west-1".into() };
        let of = |stack: Option<StackRef>| {
            let stop = StopDeployment { service: service.clone(), deployment: "arn:x/c/time/d1".into(), stack };
            stop.steps().into_iter().map(|step| step.title).collect::<Vec<_>>()
        };
        let alone = ["stop deployment d1 of time", "wait until time is back", "wait until time is steady"];
        assert_eq!(of(None), alone);
        let waits = "wait until quarterdeck-prod-time is back";
        assert_eq!(of(Some(stack)), [alone[0], alone[1], waits, alone[2]]);
    }

    #[test]
    fn what_was_agreed_to_takes_the_place_of_what_the_plan_showed() {
        let stack = StackRef { name: "s".into(), region: "eu-west-1".into() };
        let shown = Shown { arn: "arn:s".into(), updated_at: None };
        let go_on = ContinueRollback {
            stack,
            shown,
            skip: vec!["Service".into()],
            failed: vec!["Service".into()],
            server: None,
            by: "alice".into(),
        };
        let failed = |facts: &Facts| match &go_on.steps("qd-1", facts)[0].work {
            Work::Apply(Call::Stack(StackCall::ContinueRollback { failed, .. })) => failed.clone(),
            other => panic!("{other:?}"),
        };
        assert_eq!(failed(&Facts::new()), ["Service"]);
        assert_eq!(failed(&Facts::of(seen_failed("s"), "Service, Task")), ["Service", "Task"]);
    }
}
