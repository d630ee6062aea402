//! Deploying and deleting the stacks of an environment.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::fact::{Fact, Facts, Known};
use super::protection::{self, Protection, Switch};
use super::service::ServiceRef;
use super::steps::Steps;
use super::work::{
    Check, Deletion, Label, Promise, Proof, SecretCall, ServiceCall, Shown, StackCall, Step, TokenProbe, Version, Work,
};
use crate::core::environment::{MAX_TASKS, Template};
use crate::core::fleet::Bounds;
use crate::core::stack::{ChangeSetRequest, Stack, StackRef, TemplateSource};

/// The stacks of an environment, in an order in which each comes after those it needs.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Deploy {
    pub environment: String,
    pub stacks: Vec<StackDeploy>,
    /// The stack whose deletion protection is switched on when everything works.
    #[serde(default)]
    pub protect: Option<Protection>,
}

/// One stack of a deploy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StackDeploy {
    pub stack: StackRef,
    pub template: Template,
    pub inputs: BTreeMap<String, ParameterValue>,
    /// Tags on every resource; none leaves those of the stack as they are.
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
    /// Whether the stack stays as it is and something else that a deploy promises is missing.
    #[serde(default)]
    pub mend: bool,
    /// The stack as the plan showed it, where it is deleted first.
    #[serde(default)]
    pub shown: Option<Shown>,
    /// ARN of the role that CloudFormation acts as.
    #[serde(default)]
    pub role: Option<String>,
    /// ARN of the task definition that it names before the deploy; `None` where it names none, or there is no stack.
    #[serde(default)]
    pub before: Option<String>,
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
            template: TemplateSource::Packed(self.template),
            parameters: self.inputs.iter().filter_map(known).collect(),
            keep: self.keep.clone(),
            tags: self.tags.clone(),
            create: self.create,
            role: self.role.clone(),
        }
    }

    /// The parameters after the deploy that are known before it, where this is the stack that is there.
    pub fn known(&self, deployed: Option<&Stack>) -> BTreeMap<String, String> {
        let kept = self.keep.iter().filter_map(|key| Some((key.clone(), deployed?.parameters.get(key)?.clone())));
        let given = self.inputs.iter().filter_map(|(key, input)| match input {
            ParameterValue::Value(value) => Some((key.clone(), value.clone())),
            ParameterValue::Output { .. } => None,
        });
        kept.chain(given).collect()
    }

    /// Its deletion protection, if it is to be switched on later: it is left off for now. What is being created
    /// must be deletable, or a failure could not be taken back.
    pub fn protect_later(&mut self) -> Option<Protection> {
        let wanted = self.inputs.get(protection::PARAMETER) == Some(&ParameterValue::Value("true".into()));
        if !self.create || !wanted {
            return None;
        }
        self.inputs.insert(protection::PARAMETER.into(), ParameterValue::Value("false".into()));
        let others = self.template.parameters().iter().map(|parameter| parameter.name);
        let keep = others.filter(|name| *name != protection::PARAMETER).map(str::to_owned).collect();
        Some(Protection { stack: self.stack.clone(), keep, role: self.role.clone() })
    }

    pub(super) fn steps(&self, steps: &mut Steps, operation: &str, facts: &Facts, after: Vec<usize>) -> Option<usize> {
        match (&self.planned, self.mend) {
            (Planned::Unchanged, false) => None,
            (Planned::Unchanged, true) => Some(self.finish(steps, operation, facts, after)),
            _ => {
                let settled = self.change(steps, operation, facts, after);
                Some(self.finish(steps, operation, facts, vec![settled]))
            }
        }
    }

    fn change(&self, steps: &mut Steps, operation: &str, facts: &Facts, after: Vec<usize>) -> usize {
        let name = &self.stack.name;
        let mut last = after;
        if self.planned == Planned::TemplateAfterDelete {
            let token = format!("{operation}-remains");
            let (delete, gone) = deletion(&self.stack, token, self.shown.as_ref(), self.role.as_ref(), false, facts);
            let index = steps.add(format!("delete the remains of {name}"), delete, last);
            last = vec![steps.add(format!("wait until the remains of {name} are gone"), gone, vec![index])];
        }
        let draft = Fact::ChangeSet(name.clone());
        let request = Box::new(self.request(operation, facts));
        // A change set that was made anew, because the planned one had become void, takes its place.
        let change_set = match (&self.planned, facts.known(&draft)) {
            (Planned::ChangeSet(arn), Known::NotYet) => Known::This(arn),
            (_, known) => known,
        };
        if !matches!(self.planned, Planned::ChangeSet(_)) {
            let call = StackCall::DraftChangeSet { request: request.clone() };
            last = vec![steps.add(format!("make the change set of {name}"), call, last)];
        }
        let execute = match change_set {
            Known::NotYet => Work::NotYet(draft),
            Known::Nothing => Work::Skip("nothing changes".into()),
            Known::This(arn) => {
                let (stack, change_set, token) = (self.stack.clone(), arn.to_owned(), operation.to_owned());
                StackCall::ExecuteChangeSet { stack, change_set, token, request }.into()
            }
        };
        // Where nothing was executed there is no operation of ours to follow, just the state.
        let token = (change_set != Known::Nothing).then(|| operation.to_owned());
        let settled = Check::StackSettled { stack: self.stack.clone(), token };
        let verb = if self.create { "create" } else { "update" };
        let execute = steps.add(format!("{verb} {name}"), execute, last);
        steps.add(format!("wait until {name} is complete"), settled, vec![execute])
    }

    /// What a deploy promises beyond the stack: that the server's client has its secret, that as many
    /// tasks run as were asked for, and that they accept the client.
    fn finish(&self, steps: &mut Steps, operation: &str, facts: &Facts, after: Vec<usize>) -> usize {
        let Some(service) = &self.service else {
            return after.first().copied().unwrap_or_default();
        };
        let name = &service.service;
        // More than asked for is somebody's decision, such as in an incident, and is not taken back.
        let enough = self.count().map(|count| Bounds { max: MAX_TASKS, ..count });
        let promise = Promise { count: enough, task_definition: self.made(facts), ..Promise::default() };
        let stored = steps.add(format!("store the client secret of {name}"), self.publish(operation, facts), after);
        let hold = enough.map_or(Work::Skip("no count is asked for".into()), |bounds| {
            ServiceCall::HoldCount { cluster: service.cluster.clone(), service: name.clone(), bounds }.into()
        });
        steps.add(format!("hold the count of {name}"), hold, vec![stored]);
        steps.then(format!("wait until {name} is steady"), service.steady(promise.clone()));
        let address = self.output(facts, "ResourceUrl");
        let reached = address.map(|url| Check::Reached { url });
        steps.then(format!("ask the public address of {name}"), Work::from(reached));
        let ask = self.proof(facts).map(|(probe, url)| Check::Asked { service: name.clone(), probe, url });
        steps.then(format!("ask {name} whether it accepts its client"), Work::from(ask));
        let accepts = facts.get(&Fact::Accepts(name.clone())) == Some("yes");
        service.read_again(steps, facts, accepts.then_some("it accepts its client"));
        let accepted = self.proof(facts).map(|(probe, url)| Check::Accepted { probe, url });
        steps.then(format!("prove that {name} accepts its client"), Work::from(accepted))
    }

    /// ARN of the task definition that this deploy has made, once the stack names it: that one must be in force in the end.
    /// A service that ECS or somebody takes back to the one before is steady, and not as it was deployed. Where the stack made
    /// none, what the service runs is left alone.
    fn made(&self, facts: &Facts) -> Option<String> {
        let named = self.output(facts, Stack::DEFINITION).ok();
        named.filter(|named| self.planned != Planned::Unchanged && Some(named) != self.before.as_ref())
    }

    /// The counts of tasks that are asked for.
    pub fn count(&self) -> Option<Bounds> {
        let number = |key| match self.inputs.get(key)? {
            ParameterValue::Value(value) => value.parse().ok(),
            ParameterValue::Output { .. } => None,
        };
        Some(Bounds { min: number("MinCount")?, max: number("MaxCount")? })
    }

    fn output(&self, facts: &Facts, key: &str) -> Result<String, Fact> {
        facts.need(Fact::Output { stack: self.stack.name.clone(), key: key.to_owned() })
    }

    /// An output of the stack that has the user pool.
    fn platform(&self, facts: &Facts, key: &str) -> Result<String, Fact> {
        let stack = match self.inputs.get("UserPoolId") {
            Some(ParameterValue::Output { stack, .. }) => stack.clone(),
            _ => self.stack.name.clone(),
        };
        facts.need(Fact::Output { stack, key: key.to_owned() })
    }

    /// How the stored credentials are proven, and where.
    pub fn proof(&self, facts: &Facts) -> Result<(TokenProbe, String), Fact> {
        let probe = TokenProbe {
            secret: self.output(facts, "MachineSecretName")?,
            version: Version::Labelled(Label::Current),
            endpoint: self.platform(facts, "TokenEndpoint")?,
            scopes: Vec::new(),
        };
        Ok((probe, self.output(facts, "ResourceUrl")?))
    }

    fn publish(&self, operation: &str, facts: &Facts) -> Result<SecretCall, Fact> {
        let pool = match self.inputs.get("UserPoolId") {
            Some(input) => input.resolve(facts),
            None => self.output(facts, "UserPoolId"),
        };
        let (probe, _) = self.proof(facts)?;
        Ok(SecretCall::PublishClientSecret {
            pool: pool?,
            client: self.output(facts, "MachineClientId")?,
            users: facts
                .get(&Fact::Output { stack: self.stack.name.clone(), key: "UserClientId".to_owned() })
                .map(str::to_owned),
            proof: Proof { probe, servers: Vec::new() },
            token: operation.to_owned(),
        })
    }
}

/// The call that deletes a stack, and the condition that it is gone.
fn deletion(
    stack: &StackRef,
    token: String,
    shown: Option<&Shown>,
    role: Option<&String>,
    unprotects: bool,
    facts: &Facts,
) -> (StackCall, Check) {
    let gone = Check::StackGone { stack: stack.clone(), token: token.clone() };
    let seen = facts.get(&seen_stack(&stack.name)).map(Shown::from);
    let shown = seen.or_else(|| shown.cloned());
    let unprotects = unprotects || facts.contains(&seen_protection(&stack.name));
    (StackCall::DeleteStack(Deletion { stack: stack.clone(), token, shown, role: role.cloned(), unprotects }), gone)
}

/// A stack as the operator has agreed to find it.
pub fn seen_stack(name: &str) -> Fact {
    Fact::Seen(format!("stack.{name}"))
}

/// That the operator has agreed to switch off the deletion protection of a stack's resources.
pub fn seen_protection(name: &str) -> Fact {
    Fact::Seen(format!("protection.{name}"))
}

impl Deploy {
    pub(super) fn steps(&self, operation: &str, facts: &Facts) -> Vec<Step> {
        let mut steps = Steps::default();
        let mut ends: Vec<Option<usize>> = Vec::new();
        for stack in &self.stacks {
            let after = stack.after.iter().filter_map(|&index| ends.get(index).copied().flatten()).collect();
            ends.push(stack.steps(&mut steps, operation, facts, after));
        }
        if let Some(protection) = &self.protect {
            protection.steps(Switch::On, &mut steps, operation, facts, ends.into_iter().flatten().collect());
        }
        steps.done()
    }
}

/// The stacks to delete, each after those that use it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Destroy {
    pub environment: String,
    /// Tiers of stacks; all of a tier are deleted at once, the next tier after them.
    pub tiers: Vec<Vec<StackRef>>,
    /// The stacks as the plan showed them, by name. Another stack of the same name, or one that was
    /// changed since, is not deleted without asking.
    #[serde(default)]
    pub shown: BTreeMap<String, Shown>,
    /// The stack whose deletion protection is switched off before anything is deleted.
    #[serde(default)]
    pub unprotect: Option<Protection>,
    /// Names of stacks that take no change, the protection of whose resources is switched off at the resources.
    #[serde(default)]
    pub directly: Vec<String>,
    /// ARN of the role that CloudFormation acts as.
    #[serde(default)]
    pub role: Option<String>,
}

impl Destroy {
    pub(super) fn steps(&self, operation: &str, facts: &Facts) -> Vec<Step> {
        let mut steps = Steps::default();
        let switched = self.unprotect.as_ref();
        let switched = switched.map(|of| of.steps(Switch::Off, &mut steps, operation, facts, Vec::new()));
        let mut before: Vec<usize> = switched.into_iter().collect();
        for tier in &self.tiers {
            let ends = tier.iter().map(|stack| {
                let (shown, role) = (self.shown.get(&stack.name), self.role.as_ref());
                let unprotects = self.unprotect.as_ref().is_some_and(|of| of.stack == *stack);
                let unprotects = unprotects || self.directly.contains(&stack.name);
                let (delete, gone) = deletion(stack, operation.to_owned(), shown, role, unprotects, facts);
                let index = steps.add(format!("delete {}", stack.name), delete, before.clone());
                steps.add(format!("wait until {} is gone", stack.name), gone, vec![index])
            });
            before = ends.collect();
        }
        steps.done()
    }
}
