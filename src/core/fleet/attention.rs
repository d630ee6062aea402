//! What of a fleet is looked at.

/// What of a fleet is looked at. What is seen, and what changes, is read often; the rest in turn.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Attention {
    /// Names of the servers that are on the screen.
    pub seen: Vec<String>,
    /// The server that is selected among them.
    pub selected: Option<String>,
    /// The server that is opened, whose tasks are on the screen.
    pub opened: Option<String>,
    /// Whether the targets of load balancers are shown at all.
    pub targets: bool,
    /// Whether the operator, or an operation that has ended, wants all of it read again.
    pub anew: bool,
}

impl Attention {
    /// The server that the operator is at, whose parts are shown one by one: opened, or selected.
    pub fn at(&self) -> Option<&str> {
        self.opened.as_deref().or(self.selected.as_deref())
    }

    /// Whether a server is on the screen.
    pub fn sees(&self, server: &str) -> bool {
        self.at() == Some(server) || self.seen.iter().any(|seen| seen == server)
    }
}
