//! Sets a variable of a server whose value is secret, or takes it away.

use serde::{Deserialize, Serialize};

use super::fact::{Fact, Facts};
use super::steps::Steps;
use super::work::{Check, SecretCall, Step};

/// See [`Intent::SetSecret`](super::Intent::SetSecret).
///
/// The value is nowhere in it: it waits in the memory of the process that began the operation until the call
/// takes it, and is gone with that process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetSecret {
    /// The server.
    pub server: String,
    /// Name of its Secret.
    pub secret: String,
    /// Name of the variable.
    pub key: String,
    /// The version that was `AWSCURRENT` when it was planned. If it is another one, nothing is written.
    pub current: String,
    /// Whether the variable is taken away; then there is no value.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unset: bool,
}

/// What a server's Secret holds, without a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variables {
    /// The version that is `AWSCURRENT`.
    pub version: String,
    /// The names, in order.
    pub keys: Vec<String>,
}

impl SetSecret {
    /// One word for the audit.
    pub fn word(&self) -> &'static str {
        if self.unset { "unset-secret" } else { "set-secret" }
    }

    pub(super) fn steps(&self, operation: &str, facts: &Facts) -> Vec<Step> {
        let Self { server, secret, key, current, unset } = self;
        let (verb, is) = if *unset { ("unset", "is not set any more") } else { ("set", "is set") };
        let call = SecretCall::SetVariable {
            secret: secret.clone(),
            key: key.clone(),
            current: current.clone(),
            operation: operation.to_owned(),
            unset: *unset,
        };
        let mut steps = Steps::default();
        steps.then(format!("{verb} {key} of {server}"), call);
        let stored = facts.need(Fact::Published(secret.clone())).map(|version| Check::VariableSet {
            secret: secret.clone(),
            key: key.clone(),
            version,
            unset: *unset,
        });
        steps.then(format!("read back that {key} {is}"), stored);
        steps.done()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::operation::work::{Call, Work};

    #[test]
    fn it_names_the_version_that_the_plan_saw_and_reads_back_the_one_that_it_made() {
        let set = SetSecret {
            server: "files".into(),
            secret: "quarterdeck/prod/files/app".into(),
            key: "API_KEY".into(),
            current: "v1".into(),
            unset: false,
        };
        let steps = set.steps("qd-1", &Facts::new());
        let Work::Apply(Call::Secret(SecretCall::SetVariable { current, operation, .. })) = &steps[0].work else {
            panic!("{steps:?}")
        };
        assert_eq!((current.as_str(), operation.as_str()), ("v1", "qd-1"));
        assert!(matches!(steps[1].work, Work::NotYet(_)));
        let facts = Facts::of(Fact::Published(set.secret.clone()), "v2");
        let Work::Await(Check::VariableSet { version, .. }) = &set.steps("qd-1", &facts)[1].work else { panic!() };
        assert_eq!(version, "v2");
    }
}
