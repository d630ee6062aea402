//! Deletion protection of an environment's load balancer and user pool, as steps of a deploy and a destroy.
//!
//! CloudFormation cannot take back what is protected: a failed creation would end in ROLLBACK_FAILED, and a
//! deletion in DELETE_FAILED after all servers are gone. So a deploy switches the protection on when everything
//! works, and a destroy switches it off before it deletes anything.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::fact::{Fact, Facts, Known};
use super::steps::Steps;
use super::work::{Check, StackCall, Work};
use crate::core::stack::{ChangeSetRequest, StackRef, TemplateSource};

/// The parameter of the platform's template that decides.
pub const PARAMETER: &str = "DeletionProtection";

/// The stack whose protection is switched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Protection {
    pub stack: StackRef,
    /// Its other parameters, which keep their values.
    pub keep: Vec<String>,
    /// ARN of the role that CloudFormation acts as, if one was given.
    #[serde(default)]
    pub role: Option<String>,
}

/// How it is switched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Switch {
    On,
    Off,
}

impl Protection {
    /// Adds the steps that switch it after the named ones; the index of the last.
    pub(super) fn steps(
        &self,
        switch: Switch,
        steps: &mut Steps,
        operation: &str,
        facts: &Facts,
        after: Vec<usize>,
    ) -> usize {
        let (value, word) = match switch {
            Switch::On => ("true", "on"),
            Switch::Off => ("false", "off"),
        };
        let name = &self.stack.name;
        let token = format!("{operation}-protection");
        let request = Box::new(ChangeSetRequest {
            stack: self.stack.clone(),
            name: format!("quarterdeck-{token}"),
            template: TemplateSource::Deployed,
            parameters: BTreeMap::from([(PARAMETER.to_owned(), value.to_owned())]),
            keep: self.keep.clone(),
            tags: BTreeMap::new(),
            create: false,
            role: self.role.clone(),
        });
        let fact = Fact::ChangeSet(request.draft());
        let draft = StackCall::DraftChangeSet { request: request.clone() };
        let drafted =
            steps.add(format!("make the change set that switches the protection of {name} {word}"), draft, after);
        let (execute, token) = match facts.known(&fact) {
            Known::NotYet => (Work::NotYet(fact), Some(token)),
            Known::Nothing => (Work::Skip(format!("it is {word}")), None),
            Known::This(arn) => {
                let (stack, change_set) = (self.stack.clone(), arn.to_owned());
                let call = StackCall::ExecuteChangeSet { stack, change_set, token: token.clone(), request };
                (call.into(), Some(token))
            }
        };
        let executed = steps.add(format!("switch the deletion protection of {name} {word}"), execute, vec![drafted]);
        let settled = Check::StackSettled { stack: self.stack.clone(), token };
        steps.add(format!("wait until the protection of {name} is {word}"), settled, vec![executed])
    }
}
