//! CloudFormation as the console sees it: stacks, resources, events, change sets.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::environment::{Difference, Template};

/// A stack by name and region (the edge stack always lives in us-east-1).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct StackRef {
    pub name: String,
    pub region: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stack {
    #[serde(flatten)]
    pub id: StackRef,
    pub arn: String,
    pub status: StackStatus,
    pub reason: Option<String>,
    /// Parameters in force; `NoEcho` ones read `****`.
    pub parameters: BTreeMap<String, String>,
    pub outputs: BTreeMap<String, String>,
    /// Last change, or creation.
    pub updated_at: Option<Timestamp>,
    /// Whether termination protection is on.
    pub termination_protection: bool,
    /// In what it is not as `quarterdeck.toml` says; `None` where it was not compared, because there is no file, or the
    /// file does not make it.
    #[serde(default)]
    pub differs: Option<Vec<Difference>>,
}

impl Stack {
    /// The output of a server's stack with the ARN of the task definition that it made last.
    pub const DEFINITION: &'static str = "TaskDefinitionArn";

    /// Whether it belongs to the environment. Its name alone does not tell: `quarterdeck-prod-eu-time`
    /// may be the server `eu-time` of `prod`, or `time` of `prod-eu`.
    pub fn is_of(&self, environment: &str) -> bool {
        self.parameters.get("Environment").is_some_and(|name| name == environment)
    }
}

/// A status word of CloudFormation, such as `CREATE_COMPLETE`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StackStatus(pub String);

impl StackStatus {
    /// Something is going on.
    pub fn busy(&self) -> bool {
        self.0.ends_with("_IN_PROGRESS") && self.0 != "REVIEW_IN_PROGRESS"
    }

    /// The last change failed or was rolled back.
    pub fn failed(&self) -> bool {
        self.0.ends_with("_FAILED") || self.0.contains("ROLLBACK")
    }

    /// Why it can only be deleted, if so (CloudFormation user guide, "Stack status codes").
    pub fn dead_end(&self) -> Option<DeadEnd> {
        match self.0.as_str() {
            "CREATE_FAILED" | "ROLLBACK_COMPLETE" | "ROLLBACK_FAILED" => Some(DeadEnd::NeverCreated),
            "DELETE_FAILED" => Some(DeadEnd::HalfDeleted),
            _ => None,
        }
    }

    /// Whether CloudFormation takes a change set for it (its user guide, "Stack status codes").
    pub fn updatable(&self) -> bool {
        !self.absent() && !self.busy() && self.dead_end().is_none() && !self.rollback_failed()
    }

    /// It has resources and takes no change.
    pub fn stuck(&self) -> bool {
        !self.absent() && !self.busy() && !self.updatable()
    }

    /// The stack has no resources: it was never created, or is gone.
    pub fn absent(&self) -> bool {
        matches!(self.0.as_str(), "REVIEW_IN_PROGRESS" | "DELETE_COMPLETE")
    }

    /// An update is under way that can be cancelled (CloudFormation API reference, CancelUpdateStack).
    pub fn cancellable(&self) -> bool {
        self.0 == "UPDATE_IN_PROGRESS"
    }

    /// An update is being taken back, or was.
    pub fn taken_back(&self) -> bool {
        matches!(
            self.0.as_str(),
            "UPDATE_ROLLBACK_IN_PROGRESS" | "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS" | "UPDATE_ROLLBACK_COMPLETE"
        )
    }

    /// The way back from an update failed, and can be gone on with (ContinueUpdateRollback).
    pub fn rollback_failed(&self) -> bool {
        self.0 == "UPDATE_ROLLBACK_FAILED"
    }

    /// The last update failed and was left as it was: whoever began it had switched the way back off (user guide, "Choose
    /// how to handle failures when provisioning resources").
    pub fn half_updated(&self) -> bool {
        self.0 == "UPDATE_FAILED"
    }

    /// The last change succeeded.
    pub fn settled_well(&self) -> bool {
        matches!(self.0.as_str(), "CREATE_COMPLETE" | "UPDATE_COMPLETE" | "IMPORT_COMPLETE")
    }
}

/// Why a stack can only be deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeadEnd {
    /// Its creation failed. Nothing of it was ever in use.
    NeverCreated,
    /// It was in use, and its deletion failed.
    HalfDeleted,
}

/// A resource of a stack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StackResource {
    /// Name in the template.
    pub logical_id: String,
    /// The real thing's id.
    pub physical_id: Option<String>,
    /// Such as `AWS::ECS::Service`.
    pub kind: String,
    pub status: StackStatus,
    pub reason: Option<String>,
    /// Last change.
    pub updated_at: Option<Timestamp>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StackEvent {
    /// Unique within the stack.
    pub id: String,
    pub at: Timestamp,
    /// Name in the template; the stack's own name for the stack.
    pub logical_id: String,
    /// Such as `AWS::ECS::Service`.
    pub kind: String,
    pub status: StackStatus,
    /// CloudFormation's reason, sanitised.
    pub reason: Option<String>,
    /// Token of the operation that caused it, where one was given.
    pub token: Option<String>,
}

/// Resources and events of one stack, read in one refresh. Events are newest first.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct StackDetail {
    pub resources: Vec<StackResource>,
    /// Newest first: those of the newest change, and some before it.
    pub events: Vec<StackEvent>,
    /// Stacks in it that failed with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nested: Vec<Nested>,
}

/// A stack that is a resource of another one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nested {
    /// Its name in the template of the other one.
    pub logical_id: String,
    /// Its own name.
    pub name: String,
    /// `None` where it does not exist any more.
    pub status: Option<StackStatus>,
    pub detail: StackDetail,
}

/// A resource that could not be rolled back, and that CloudFormation may be told to leave as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Skip {
    /// As CloudFormation wants it named: `LogicalId`, or `NestedStackName.LogicalId`.
    pub name: String,
    /// Such as `AWS::ECS::Service`.
    pub kind: String,
    /// Why it could not be rolled back, in CloudFormation's words.
    pub reason: Option<String>,
}

/// The type of a nested stack, and of a stack in its own events.
pub const STACK: &str = "AWS::CloudFormation::Stack";

impl StackDetail {
    /// Whether an event is one of the stack itself, and not of a stack in it.
    pub fn is_own(&self, event: &StackEvent) -> bool {
        event.kind == STACK && self.resources.iter().all(|one| one.logical_id != event.logical_id)
    }

    /// The events of the newest change, newest first; all of them where its beginning was not read.
    pub fn newest_change(&self) -> &[StackEvent] {
        let first = ["CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "DELETE_IN_PROGRESS", "IMPORT_IN_PROGRESS"];
        let begins = |event: &StackEvent| self.is_own(event) && first.contains(&event.status.0.as_str());
        self.events.iter().position(begins).map_or(&self.events, |at| &self.events[..=at])
    }

    /// The resources whose rollback failed, those of nested stacks included. CloudFormation skips only what is in
    /// `UPDATE_FAILED` because the rollback failed, not what failed before it; a nested stack itself only where it is
    /// deleted (API reference, ContinueUpdateRollback, ResourcesToSkip).
    pub fn skips(&self) -> Vec<Skip> {
        self.skips_of(None)
    }

    fn skips_of(&self, nested: Option<&str>) -> Vec<Skip> {
        let change = self.newest_change();
        let began = |event: &StackEvent| self.is_own(event) && event.status.0 == "UPDATE_ROLLBACK_IN_PROGRESS";
        // A rollback that was gone on with begins more than once. Where its beginning was not read, what is failed now is
        // all that is known.
        let since = change.iter().rposition(began).map(|at| &change[..at]);
        let fails = |one: &&StackEvent, id: &str| one.logical_id == id && one.status.0 == "UPDATE_FAILED";
        let in_rollback = |id: &str| since.is_none_or(|events| events.iter().any(|event| fails(&event, id)));
        let gone = |id: &str| {
            let of = self.nested.iter().find(|nested| nested.logical_id == id);
            of.is_some_and(|nested| nested.status.as_ref().is_none_or(|status| status.0.starts_with("DELETE_")))
        };
        let failed = self.resources.iter().filter(|one| one.status.0 == "UPDATE_FAILED");
        let failed = failed.filter(|one| in_rollback(&one.logical_id) && (one.kind != STACK || gone(&one.logical_id)));
        let own = failed.map(|one| Skip {
            name: nested.map_or_else(|| one.logical_id.clone(), |stack| format!("{stack}.{}", one.logical_id)),
            kind: one.kind.clone(),
            reason: one.reason.clone(),
        });
        own.chain(self.nested.iter().flat_map(|one| one.detail.skips_of(Some(&one.name)))).collect()
    }
}

/// What a change set would do to one resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceChange {
    /// Name in the template.
    pub logical_id: String,
    /// Such as `AWS::ECS::Service`.
    pub kind: String,
    pub action: ChangeAction,
    /// Whether the resource is replaced by a new one: its data and its address go.
    pub replacement: Replacement,
    /// Whether what is removed or replaced stays where it is, outside the stack (`DeletionPolicy` and
    /// `UpdateReplacePolicy`).
    pub kept: bool,
    /// Property by property, where it is known.
    pub properties: Vec<PropertyChange>,
}

impl ResourceChange {
    /// Whether the resource that is there now goes.
    pub fn destroys(&self) -> bool {
        !self.kept && (self.replacement == Replacement::Yes || self.action == ChangeAction::Remove)
    }
}

/// What happens to a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChangeAction {
    Add,
    /// It is changed in place or replaced.
    Modify,
    Remove,
    /// Something else that the service named (import, dynamic).
    Other,
}

/// Whether a changed resource is replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Replacement {
    No,
    /// Depends on values known only at deploy time.
    Maybe,
    Yes,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PropertyChange {
    /// Path in the resource, such as `Properties.DesiredCount`.
    pub path: String,
    /// Value before; `None` where there was none or the service does not tell.
    pub before: Option<String>,
    /// Value after; `None` where there is none or the service does not tell.
    pub after: Option<String>,
}

/// The change set to ask CloudFormation for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeSetRequest {
    /// The stack to create or update.
    pub stack: StackRef,
    /// Name of the change set.
    pub name: String,
    pub template: TemplateSource,
    /// Parameters that are given.
    pub parameters: BTreeMap<String, String>,
    /// Parameters that keep the value in force. One that is neither here nor given gets its default.
    pub keep: Vec<String>,
    /// Tags for every resource. Without any, the stack keeps those it has.
    pub tags: BTreeMap<String, String>,
    /// Whether the stack does not exist yet.
    pub create: bool,
    /// ARN of the role that CloudFormation acts as. Without one it acts as it did the last time, or as the
    /// caller.
    pub role: Option<String>,
}

impl ChangeSetRequest {
    /// The name under which its change set is learnt: a deploy may change the parameters of a stack after it
    /// has deployed it.
    pub fn draft(&self) -> String {
        match self.template {
            TemplateSource::Packed(_) => self.stack.name.clone(),
            TemplateSource::Deployed => format!("{}/parameters", self.stack.name),
        }
    }
}

/// Where the text of a change set's template comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TemplateSource {
    /// The packed one. Its text is looked up where it is sent.
    Packed(Template),
    /// The stack keeps the one that it has, and parameters alone change.
    Deployed,
}

/// The result of asking for a change set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Drafted {
    /// Nothing would change, so there is no change set.
    Nothing,
    /// It can be executed.
    Ready(ChangeSet),
}

/// A change set that can be executed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeSet {
    pub arn: String,
    /// Empty where outputs or tags alone change.
    pub changes: Vec<ResourceChange>,
}
