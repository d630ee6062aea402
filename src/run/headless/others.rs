//! The operations that are announced in an environment, as text or JSON.

use std::collections::HashSet;
use std::io;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::progress;
use crate::core::operation::Announced;
use crate::core::unread::{Part, Read, Unread};
use crate::run::Session;

/// What is announced, and which of it is this machine's own.
pub(super) struct Board {
    announced: Read<Vec<Announced>>,
    /// Ids of this machine's audit.
    own: io::Result<HashSet<String>>,
    environment: String,
}

impl Board {
    /// Reads it. What cannot be read is a gap.
    pub(super) async fn read(session: &Session) -> Self {
        let announced = session.cloud.announced(&session.context.cluster).await.into();
        let records = session.audit.records();
        let own = records.map(|records| records.into_iter().map(|record| record.operation).collect());
        Self { announced, own, environment: session.context.environment.clone() }
    }

    /// Whether an operation is in this machine's audit; `None` if that cannot be read.
    fn own(&self, operation: &str) -> Option<bool> {
        self.own.as_ref().ok().map(|own| own.contains(operation))
    }

    /// The value of `operations` in a document.
    pub(super) fn document(&self) -> Value {
        let one = |announced: &Announced| {
            let mut document = match announced {
                Announced::Clear(announcement) => json!(announcement),
                Announced::Unclear { operation, text } => json!({ "operation": operation, "not_understood": text }),
            };
            document["own"] = json!(self.own(announced.operation()));
            document
        };
        let all = self.announced.result().map(|all| all.iter().map(one).collect::<Vec<Value>>());
        json!(Read::from(all.map_err(Clone::clone)))
    }

    /// The gap, if it could not be read.
    pub(super) fn unread(&self) -> Option<Unread> {
        Unread::of(Part::Operations, &self.announced)
    }

    /// One line for each operation.
    pub(super) fn lines(&self, now: Timestamp) -> Vec<String> {
        let whose = |announced: &Announced| match self.own(announced.operation()) {
            Some(true) => ", from this machine",
            Some(false) => "",
            None => ", perhaps from this machine",
        };
        let line = |announced: &Announced| {
            let (told, id) = (announced.told(&self.environment, now), announced.operation());
            format!("operation {id}: {told}{}", whose(announced))
        };
        self.announced.known().map(|all| all.iter().map(line).collect()).unwrap_or_default()
    }

    /// What could not be read.
    pub(super) fn warnings(&self) -> Vec<String> {
        let unread = self.unread().map(|gap| gap.to_string());
        let own = self.own.as_ref().err();
        let own = own.map(|error| format!("which operations are this machine's own was not read: {error}"));
        unread.into_iter().chain(own).collect()
    }

    /// Warns of what could not be read.
    pub(super) fn warn(&self) {
        self.warnings().iter().for_each(|warning| progress(&format!("warning: {warning}")));
    }
}
