//! How old each part of a server is. A fleet is read in parts, each on its own.

use jiff::Timestamp;

use crate::core::error::CloudError;

/// When a part was read, and why it could not be read again.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Age {
    /// When what is shown was read; `None` if it never was.
    pub at: Option<Timestamp>,
    /// Why the newest attempt failed. What was read before stands for some time.
    pub error: Option<CloudError>,
}

/// How old the parts of one server are.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ages {
    /// What ECS says of the service, on which its verdict rests.
    pub service: Age,
    pub tasks: Age,
    /// The targets of its load balancers, the oldest of them; `None` where it has none.
    pub targets: Option<Age>,
    pub bounds: Age,
}

impl Ages {
    /// The parts in the order in which they are told, with their names.
    pub fn parts(&self) -> impl Iterator<Item = (&'static str, &Age)> {
        let targets = self.targets.as_ref().map(|targets| ("targets", targets));
        [("service", &self.service), ("tasks", &self.tasks)]
            .into_iter()
            .chain(targets)
            .chain([("scaling", &self.bounds)])
    }
}
