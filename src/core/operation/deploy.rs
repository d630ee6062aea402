//! Deploying and deleting the stacks of an environment.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::fact::{Fact, Facts, Known};
use super::service::ServiceRef;
use super::steps::Steps;
use super::work::{Check, SecretCall, StackCall, Step, Work};
use crate::core::environment::Template;
use crate::core::stack::{ChangeSetRequest, StackRef};

/// The stacks of an environment, in an order in which each comes after those it needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deploy {
    pub environment: String,
    pub stacks: Vec<StackDeploy>,
}

/// One stack of a deploy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StackDeploy {
    pub stack: StackRef,
    pub template: Template,
    pub inputs: BTreeMap<String, ParameterValue>,
    /// Tags on every resource.
    pub tags: BTreeMap<String, String>,
    /// How it was planned.
    pub planned: Planned,
    /// Whether it does not exist yet.
    pub create: bool,
    /// Parameters that keep the value in force.
    pub keep: Vec<String>,
    /// Indices in [`Deploy::stacks`] that must be settled first.
    pub after: Vec<usize>,
    /// The service it deploys, which must become steady.
    pub service: Option<ServiceRef>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ParameterValue {
    /// Known.
    Value(String),
    /// An output of another stack of the environment.
    Output { stack: String, key: String },
}

/// How a stack was planned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Planned {
    Unchanged,
    /// By this change set, which is what gets executed.
    ChangeSet(String),
    /// From its template, because its inputs do not exist yet. The change set is made when they do.
    Template,
    /// As `Template`; the remains of a failed creation are deleted first.
    TemplateAfterDelete,
}

impl ParameterValue {
    /// The value, or the fact that it waits for.
    pub fn resolve(&self, facts: &Facts) -> Result<String, Fact> {
        match self {
            Self::Value(value) => Ok(value.clone()),
            Self::Output { stack, key } => facts.need(Fact::Output { stack: stack.clone(), key: key.clone() }),
        }
    }
}

impl StackDeploy {
    /// The change set to ask for, with what is known of the inputs.
    pub fn request(&self, operation: &str, facts: &Facts) -> ChangeSetRequest {
        let known = |(key, input): (&String, &ParameterValue)| Some((key.clone(), input.resolve(facts).ok()?));
        ChangeSetRequest {
            stack: self.stack.clone(),
            name: format!("quarterdeck-{operation}"),
            template: self.template,
            parameters: self.inputs.iter().filter_map(known).collect(),
            keep: self.keep.clone(),
            tags: self.tags.clone(),
            create: self.create,
        }
    }

    fn steps(&self, steps: &mut Steps, operation: &str, facts: &Facts, after: Vec<usize>) -> usize {
        let name = &self.stack.name;
        let mut last = after;
        if self.planned == Planned::TemplateAfterDelete {
            let (delete, gone) = deletion(&self.stack, format!("{operation}-remains"));
            let index = steps.add(format!("delete the remains of {name}"), delete, last);
            last = vec![steps.add(format!("wait until the remains of {name} are gone"), gone, vec![index])];
        }
        let draft = Fact::ChangeSet(name.clone());
        let change_set = match &self.planned {
            Planned::ChangeSet(arn) => Known::This(arn),
            _ => {
                let call = StackCall::DraftChangeSet { request: Box::new(self.request(operation, facts)) };
                last = vec![steps.add(format!("make the change set of {name}"), call, last)];
                facts.known(&draft)
            }
        };
        let execute = match change_set {
            Known::NotYet => Work::NotYet(draft),
            Known::Nothing => Work::Skip("nothing changes".into()),
            Known::This(arn) => {
                let (stack, change_set, token) = (self.stack.clone(), arn.to_owned(), operation.to_owned());
                StackCall::ExecuteChangeSet { stack, change_set, token }.into()
            }
        };
        // Where nothing was executed there is no operation of ours to follow, just the state.
        let token = (change_set != Known::Nothing).then(|| operation.to_owned());
        let settled = Check::StackSettled { stack: self.stack.clone(), token };
        let verb = if self.create { "create" } else { "update" };
        let execute = steps.add(format!("{verb} {name}"), execute, last);
        let settled = steps.add(format!("wait until {name} is complete"), settled, vec![execute]);
        self.finish(steps, facts, settled)
    }

    /// A server's stack is complete before its tasks run, and its secret has no value yet.
    fn finish(&self, steps: &mut Steps, facts: &Facts, settled: usize) -> usize {
        let Some(service) = &self.service else { return settled };
        let name = &service.service;
        let published = steps.add(format!("store the client secret of {name}"), self.publish(facts), vec![settled]);
        steps.add(format!("wait until {name} is steady"), service.steady(None, facts), vec![published])
    }

    fn publish(&self, facts: &Facts) -> Result<SecretCall, Fact> {
        let output = |key: &str| Fact::Output { stack: self.stack.name.clone(), key: key.to_owned() };
        let pool = self.inputs.get("UserPoolId");
        Ok(SecretCall::PublishClientSecret {
            pool: pool.map_or_else(|| facts.need(output("UserPoolId")), |input| input.resolve(facts))?,
            client: facts.need(output("MachineClientId"))?,
            secret: facts.need(output("MachineSecretName"))?,
        })
    }
}

/// The call that deletes a stack, and the condition that it is gone.
fn deletion(stack: &StackRef, token: String) -> (StackCall, Check) {
    let gone = Check::StackGone { stack: stack.clone(), token: token.clone() };
    (StackCall::DeleteStack { stack: stack.clone(), token }, gone)
}

impl Deploy {
    pub(super) fn steps(&self, operation: &str, facts: &Facts) -> Vec<Step> {
        let mut steps = Steps::default();
        let mut ends: Vec<Option<usize>> = Vec::new();
        for stack in &self.stacks {
            let after = stack.after.iter().filter_map(|&index| ends.get(index).copied().flatten()).collect();
            let unchanged = stack.planned == Planned::Unchanged;
            ends.push((!unchanged).then(|| stack.steps(&mut steps, operation, facts, after)));
        }
        steps.done()
    }
}

/// The stacks to delete, each after those that use it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Destroy {
    pub environment: String,
    /// Tiers of stacks; all of a tier are deleted at once, the next tier after them.
    pub tiers: Vec<Vec<StackRef>>,
}

impl Destroy {
    pub(super) fn steps(&self, operation: &str) -> Vec<Step> {
        let mut steps = Steps::default();
        let mut before: Vec<usize> = Vec::new();
        for tier in &self.tiers {
            let ends = tier.iter().map(|stack| {
                let (delete, gone) = deletion(stack, operation.to_owned());
                let index = steps.add(format!("delete {}", stack.name), delete, before.clone());
                steps.add(format!("wait until {} is gone", stack.name), gone, vec![index])
            });
            before = ends.collect();
        }
        steps.done()
    }
}
