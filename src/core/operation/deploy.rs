//! Deploying and deleting the stacks of an environment.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::intent::{ServiceRef, Steps, fact};
use super::work::{Call, Check, Facts, Step, Work};
use crate::core::environment::Template;
use crate::core::stack::{ChangeSetRequest, StackRef};

/// The stacks of an environment, in an order in which each comes after those it needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deploy {
    /// Environment name.
    pub environment: String,
    /// The stacks.
    pub stacks: Vec<StackDeploy>,
}

/// One stack of a deploy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StackDeploy {
    /// Name and region.
    pub stack: StackRef,
    /// Which packed template.
    pub template: Template,
    /// Template parameters.
    pub inputs: BTreeMap<String, Input>,
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

/// A parameter's value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Input {
    /// Known.
    Value(String),
    /// An output of another stack of the environment.
    Output {
        /// Stack name.
        stack: String,
        /// Output key.
        key: String,
    },
}

/// How a stack was planned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Planned {
    /// Nothing changes.
    Unchanged,
    /// By this change set, which is what gets executed.
    ChangeSet(String),
    /// From its template, because its inputs do not exist yet. The change set is made when they do.
    Template,
    /// As `Template`; the remains of a failed creation are deleted first.
    TemplateAfterDelete,
}

/// The fact under which a stack's output is remembered.
pub fn output_fact(stack: &str, key: &str) -> String {
    format!("output.{stack}.{key}")
}

/// The fact under which a stack's change set is remembered.
pub fn change_set_fact(stack: &str) -> String {
    format!("change-set.{stack}")
}

/// The fact that lists what a stack's change set replaces or removes.
pub fn destroys_fact(stack: &str) -> String {
    format!("destroys.{stack}")
}

impl Input {
    /// The value, if it is known.
    pub fn resolve<'a>(&'a self, facts: &'a Facts) -> Option<&'a str> {
        match self {
            Self::Value(value) => Some(value),
            Self::Output { stack, key } => facts.get(&output_fact(stack, key)).map(String::as_str),
        }
    }
}

impl StackDeploy {
    /// The change set to ask for, with what is known of the inputs.
    pub fn request(&self, operation: &str, facts: &Facts) -> ChangeSetRequest {
        let known = |(key, input): (&String, &Input)| Some((key.clone(), input.resolve(facts)?.to_owned()));
        ChangeSetRequest {
            stack: self.stack.clone(),
            name: format!("quarterdeck-{operation}"),
            template: self.template.body().to_owned(),
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
            let token = format!("{operation}-remains");
            let delete = Call::DeleteStack { stack: self.stack.clone(), token: token.clone() };
            let gone = Check::StackGone { stack: self.stack.clone(), token };
            let index = steps.add(format!("delete the remains of {name}"), Work::Apply(delete), last);
            last =
                vec![steps.add(format!("wait until the remains of {name} are gone"), Work::Await(gone), vec![index])];
        }
        let change_set = match &self.planned {
            Planned::ChangeSet(arn) => arn.clone(),
            _ => {
                let request = Box::new(self.request(operation, facts));
                let draft = Work::Apply(Call::DraftChangeSet { request });
                last = vec![steps.add(format!("make the change set of {name}"), draft, last)];
                fact(facts, &change_set_fact(name))
            }
        };
        let nothing = facts.get(&change_set_fact(name)).is_some_and(String::is_empty);
        let execute = self.unless_nothing(nothing, || {
            let (stack, token) = (self.stack.clone(), operation.to_owned());
            Work::Apply(Call::ExecuteChangeSet { stack, change_set, token })
        });
        let settled = Work::Await(Check::StackSettled {
            stack: self.stack.clone(),
            // Where nothing was executed there is no operation of ours to follow, just the state.
            token: if nothing { String::new() } else { operation.to_owned() },
        });
        let verb = if self.create { "create" } else { "update" };
        let execute = steps.add(format!("{verb} {name}"), execute, last);
        let settled = steps.add(format!("wait until {name} is complete"), settled, vec![execute]);
        self.finish(steps, facts, settled)
    }

    fn unless_nothing(&self, nothing: bool, work: impl FnOnce() -> Work) -> Work {
        if nothing { Work::Skip("nothing changes".into()) } else { work() }
    }

    /// A server's stack is complete before its tasks run, and its secret has no value yet.
    fn finish(&self, steps: &mut Steps, facts: &Facts, settled: usize) -> usize {
        let Some(service) = &self.service else { return settled };
        let output = |key: &str| fact(facts, &output_fact(&self.stack.name, key));
        let publish = Call::PublishClientSecret {
            pool: self.inputs.get("UserPoolId").and_then(|input| input.resolve(facts)).unwrap_or_default().to_owned(),
            client: output("MachineClientId"),
            secret: output("MachineSecretName"),
        };
        let name = &service.service;
        let published = steps.add(format!("store the client secret of {name}"), Work::Apply(publish), vec![settled]);
        steps.add(format!("wait until {name} is steady"), service.steady(None, facts), vec![published])
    }
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
    /// Environment name.
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
                let token = operation.to_owned();
                let delete = Call::DeleteStack { stack: stack.clone(), token: token.clone() };
                let gone = Check::StackGone { stack: stack.clone(), token };
                let index = steps.add(format!("delete {}", stack.name), Work::Apply(delete), before.clone());
                steps.add(format!("wait until {} is gone", stack.name), Work::Await(gone), vec![index])
            });
            before = ends.collect();
        }
        steps.done()
    }
}
