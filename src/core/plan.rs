//! What the operator sees before anything happens, and confirms.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::identity::Context;
use super::operation::Intent;
use super::operation::fact::Facts;

/// A planned operation: where it acts, what it changes, and at what risk.
///
/// Planning only reads (a draft of a change set aside, which changes no resource). The plan is all that
/// the operator sees before agreeing, on the screen, on the command line and in the audit, so
/// everything that matters for the decision belongs in it. Confirmed, it becomes an
/// [`Operation`](super::operation::Operation).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Operation id: also the idempotency token of its calls.
    pub id: String,
    /// In the imperative, such as `scale time 1 -> 3`.
    pub title: String,
    pub target: Place,
    pub changes: Vec<Change>,
    /// What the operator should know before saying yes.
    pub warnings: Vec<String>,
    /// What it is expected to cost in a month, where the plan changes that.
    #[serde(default)]
    pub cost: Option<super::cost::Cost>,
    /// What servers in any image said when they were started once on this machine.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trials: Vec<super::trial::ServerTrial>,
    /// The same with the AWS CLI.
    pub commands: Vec<String>,
    /// How it is confirmed.
    pub confirm: Confirm,
    /// What is known at the start.
    pub facts: Facts,
    pub intent: Intent,
    /// [`LAYOUT`](super::operation::intent::LAYOUT) of the program that made it.
    #[serde(default)]
    pub layout: u32,
    /// Drafts made for this plan, to be discarded if it is refused: stack and change set ARN.
    pub drafts: Vec<(super::stack::StackRef, String)>,
}

/// Where an operation is at home.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Place {
    pub account: String,
    /// The environment's own, also where what changes lies in another, as the edge does: there it is offered again.
    pub region: String,
    /// ARN of the caller.
    pub caller: String,
    pub environment: String,
    /// Endpoint override, where one is in force.
    pub endpoint: Option<String>,
    /// ARN or name of what changes.
    pub resource: String,
    /// The environment's ECS cluster, on which colleagues see what is under way; missing in audits of older
    /// versions.
    #[serde(default)]
    pub cluster: Option<String>,
}

impl Place {
    /// Whether it is in this environment, region and endpoint. The account is not compared.
    pub fn is_in(&self, here: &Context) -> bool {
        (&self.environment, &self.region, &self.endpoint) == (&here.environment, &here.region, &here.endpoint)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The thing that changes, such as `time` or `quarterdeck-prod-platform / LoadBalancer`.
    pub subject: String,
    /// Its property, or the action on it.
    pub field: String,
    /// Value before, if there was one.
    pub before: Option<String>,
    /// Value after, if there is one.
    pub after: Option<String>,
    /// How much it hurts.
    pub risk: Risk,
}

/// How much a change hurts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Risk {
    /// Adds or changes in place.
    Safe,
    /// Interrupts or replaces something.
    Disruptive,
    Destructive,
}

/// How a plan is confirmed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Confirm {
    /// With `y`.
    Yes,
    /// By typing this name.
    Typed(String),
}

impl Confirm {
    /// Whether this answer confirms.
    pub fn accepts(&self, answer: &str) -> bool {
        match self {
            Self::Yes => answer.eq_ignore_ascii_case("y") || answer.eq_ignore_ascii_case("yes"),
            Self::Typed(name) => answer == name,
        }
    }
}

impl Change {
    /// A change of a value.
    pub fn value(
        subject: impl Into<String>,
        field: impl Into<String>,
        before: impl ToString,
        after: impl ToString,
    ) -> Self {
        Self {
            subject: subject.into(),
            field: field.into(),
            before: Some(before.to_string()),
            after: Some(after.to_string()),
            risk: Risk::Safe,
        }
    }

    /// The same at another risk.
    #[must_use]
    pub fn at(mut self, risk: Risk) -> Self {
        self.risk = risk;
        self
    }
}

impl Plan {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.intent.steps(&self.id, &self.facts).is_empty()
    }

    /// Changes by risk, for a summary line.
    pub fn summary(&self) -> BTreeMap<&'static str, usize> {
        let mut counts = BTreeMap::new();
        for change in &self.changes {
            let word = match change.risk {
                Risk::Safe => "safe",
                Risk::Disruptive => "disruptive",
                Risk::Destructive => "destructive",
            };
            *counts.entry(word).or_default() += 1;
        }
        counts
    }
}
