//! Writes to a stack.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::core::stack::{ChangeSetRequest, DeadEnd, Stack, StackRef, StackStatus};

/// A write to a stack.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields bear AWS's own names")]
pub enum StackCall {
    /// CreateChangeSet and wait until it is ready. Yields [`Fact::ChangeSet`](super::Fact::ChangeSet) and [`Fact::Destroys`](super::Fact::Destroys).
    DraftChangeSet { request: Box<ChangeSetRequest> },
    /// ExecuteChangeSet under the client request token. A change set that another change of the stack has
    /// made void is made anew from `request`, and the operator is asked again.
    ExecuteChangeSet { stack: StackRef, change_set: String, token: String, request: Box<ChangeSetRequest> },
    /// DeleteStack, if the stack is the one that was shown.
    DeleteStack(Deletion),
    /// CancelUpdateStack under the client request token, if the update that was shown is under way. One that is being
    /// taken back already is left alone.
    CancelUpdate { stack: StackRef, shown: Shown, token: String },
    /// ContinueUpdateRollback under the client request token for the stack with this ARN, if its rollback has failed
    /// and what `failed` is what was shown. One that goes on already is left alone.
    ContinueRollback { stack: StackRef, arn: String, skip: Vec<String>, failed: Vec<String>, token: String },
}

impl StackCall {
    /// Whether it executes a change set of this stack.
    pub fn executes(&self, of: &StackRef) -> bool {
        matches!(self, Self::ExecuteChangeSet { stack, .. } if stack == of)
    }
}

/// What is deleted, and what was agreed to about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deletion {
    pub stack: StackRef,
    /// What the client request token begins with.
    pub token: String,
    /// The stack as the operator knows it.
    pub shown: Option<Shown>,
    /// ARN of the role that CloudFormation acts as.
    pub role: Option<String>,
    /// Where the stack takes no change, the deletion protection of its resources may be switched off.
    pub unprotects: bool,
}

/// What a client request token has between its operation's part and the time of a repeated deletion.
const AGAIN: &str = "-again-";

impl Deletion {
    /// The client request token for a deletion of a stack in this state. CloudFormation takes each token once
    /// (DeleteStack, TokenAlreadyExists), so a deletion that failed is repeated under another one.
    pub fn attempt(&self, status: &StackStatus, now: Timestamp) -> String {
        let token = &self.token;
        if status.dead_end() == Some(DeadEnd::HalfDeleted) {
            format!("{token}{AGAIN}{}", now.as_second())
        } else {
            token.clone()
        }
    }

    /// Whether an event's token is that of an attempt of the deletion with this token.
    pub fn attempted(token: &str, event: &str) -> bool {
        event.strip_prefix(token).is_some_and(|rest| rest.is_empty() || rest.starts_with(AGAIN))
    }
}

/// A stack as an operator was shown it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    /// The stack's ARN. A stack of the same name that is made later has another one.
    pub arn: String,
    /// Its last change.
    pub updated_at: Option<Timestamp>,
}

impl Shown {
    pub fn of(stack: &Stack) -> Self {
        Self { arn: stack.arn.clone(), updated_at: stack.updated_at }
    }
}

/// As it stands in a fact: the ARN, and the time if it is known.
impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.arn)?;
        self.updated_at.map_or(Ok(()), |at| write!(f, " {at}"))
    }
}

impl From<&str> for Shown {
    fn from(text: &str) -> Self {
        let (arn, at) = text.split_once(' ').unwrap_or((text, ""));
        Self { arn: arn.to_owned(), updated_at: at.parse().ok() }
    }
}
