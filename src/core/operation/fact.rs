//! What the steps of an operation learn: ids and ARNs, never a secret's value.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::core::stack::{ChangeSet, Drafted, Stack};

/// The name of something learnt. Its text is the key in the audit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fact {
    /// The new deployment of this service.
    Deployment(String),
    /// The change set of this stack; `None` where nothing changes.
    ChangeSet(String),
    /// What the change set of this stack replaces or removes.
    Destroys(String),
    /// An output of a stack.
    Output { stack: String, key: String },
    /// The version of this Secret with the new credentials.
    Pending(String),
    /// The version of this Secret that was `AWSCURRENT` before the new credentials were published.
    Previous(String),
    /// The version of this Secret that was `AWSCURRENT` when the operation reserved it.
    Current(String),
    /// The version of this Secret with which the operation replaced that one: the same credentials, and
    /// what servers are to accept.
    Allowed(String),
    /// The version of this Secret with which the new credentials were published.
    Published(String),
    /// The version of this Secret with which the old credentials were published again.
    Republished(String),
    /// The version of this Secret that stands for the operation's lease on it.
    Lease(String),
    /// When the new deployment of this service was made, by the clock of ECS.
    DeploymentAt(String),
    /// Whether this server accepts its client: `yes` or `no`.
    Accepts(String),
    /// The digest that the image of this server has in its registry.
    Image(String),
    /// What the operator agreed to find instead of what the plan showed, by what it is about.
    Seen(String),
    /// The client that takes the old one's place.
    Client,
    /// The id of a client's new secret.
    ClientSecret,
    /// The operator has waived the grace period.
    GraceWaived,
    /// When `AWSCURRENT` has moved.
    PromotedAt,
    /// A fact of another version of the program, kept so that its audit stays readable.
    Other(String),
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Deployment(service) => write!(f, "deployment.{service}"),
            Self::ChangeSet(stack) => write!(f, "change-set.{stack}"),
            Self::Destroys(stack) => write!(f, "destroys.{stack}"),
            Self::Output { stack, key } => write!(f, "output.{stack}.{key}"),
            Self::Pending(secret) => write!(f, "pending.{secret}"),
            Self::Previous(secret) => write!(f, "previous.{secret}"),
            Self::Current(secret) => write!(f, "current.{secret}"),
            Self::Allowed(secret) => write!(f, "allowed.{secret}"),
            Self::Published(secret) => write!(f, "published.{secret}"),
            Self::Republished(secret) => write!(f, "republished.{secret}"),
            Self::Lease(secret) => write!(f, "lease.{secret}"),
            Self::DeploymentAt(service) => write!(f, "deployment-at.{service}"),
            Self::Accepts(service) => write!(f, "accepts.{service}"),
            Self::Image(server) => write!(f, "image.{server}"),
            Self::Seen(what) => write!(f, "seen.{what}"),
            Self::Client => f.write_str("client"),
            Self::ClientSecret => f.write_str("client-secret"),
            Self::GraceWaived => f.write_str("grace-waived"),
            Self::PromotedAt => f.write_str("promoted-at"),
            Self::Other(key) => f.write_str(key),
        }
    }
}

impl From<&str> for Fact {
    fn from(text: &str) -> Self {
        let of = |make: fn(String) -> Self, name: &str| make(name.to_owned());
        let known = match (text, text.split_once('.')) {
            ("client", _) => Some(Self::Client),
            ("client-secret", _) => Some(Self::ClientSecret),
            ("grace-waived", _) => Some(Self::GraceWaived),
            ("promoted-at", _) => Some(Self::PromotedAt),
            (_, Some(("deployment", name))) => Some(of(Self::Deployment, name)),
            (_, Some(("change-set", name))) => Some(of(Self::ChangeSet, name)),
            (_, Some(("destroys", name))) => Some(of(Self::Destroys, name)),
            (_, Some(("pending", name))) => Some(of(Self::Pending, name)),
            (_, Some(("previous", name))) => Some(of(Self::Previous, name)),
            (_, Some(("current", name))) => Some(of(Self::Current, name)),
            (_, Some(("allowed", name))) => Some(of(Self::Allowed, name)),
            (_, Some(("published", name))) => Some(of(Self::Published, name)),
            (_, Some(("republished", name))) => Some(of(Self::Republished, name)),
            (_, Some(("lease", name))) => Some(of(Self::Lease, name)),
            (_, Some(("deployment-at", name))) => Some(of(Self::DeploymentAt, name)),
            (_, Some(("accepts", name))) => Some(of(Self::Accepts, name)),
            (_, Some(("image", name))) => Some(of(Self::Image, name)),
            (_, Some(("seen", name))) => Some(of(Self::Seen, name)),
            // A stack's name has no dot.
            (_, Some(("output", name))) => {
                name.split_once('.').map(|(stack, key)| Self::Output { stack: stack.to_owned(), key: key.to_owned() })
            }
            _ => None,
        };
        known.unwrap_or_else(|| Self::Other(text.to_owned()))
    }
}

/// What is known of something that may turn out not to exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known<'a> {
    NotYet,
    Nothing,
    This(&'a str),
}

/// What an operation has learnt so far: ids and ARNs by name, never a secret's value.
///
/// Steps are computed from an [`Intent`](super::Intent) and these facts alone. The facts of each step are
/// written to the audit, so an operation that was interrupted goes on with the ids that it had.
/// `None` is a fact, too: it was looked for, and there is nothing.
///
/// The audit keeps them as a map of strings, in which nothing is the empty string.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "BTreeMap<String, String>", into = "BTreeMap<String, String>")]
pub struct Facts(BTreeMap<Fact, Option<String>>);

impl Facts {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn of(fact: Fact, value: impl Into<String>) -> Self {
        Self::from([(fact, value.into())])
    }

    /// What is learnt from a draft of this stack: its change set, and what that replaces or removes.
    pub fn drafted(stack: &str, drafted: &Drafted) -> Self {
        let (arn, destroyed) = match drafted {
            Drafted::Nothing => (None, String::new()),
            Drafted::Ready(ChangeSet { arn, changes }) => {
                let gone = changes.iter().filter(|change| change.destroys()).map(|change| change.logical_id.as_str());
                (Some(arn.clone()), gone.collect::<Vec<_>>().join(", "))
            }
        };
        let mut facts = Self::of(Fact::Destroys(stack.to_owned()), destroyed);
        facts.0.insert(Fact::ChangeSet(stack.to_owned()), arn);
        facts
    }

    /// The outputs of a stack, as facts.
    pub fn outputs(stack: &Stack) -> Self {
        let of = |key: &String| Fact::Output { stack: stack.id.name.clone(), key: key.clone() };
        stack.outputs.iter().map(|(key, value)| (of(key), value.clone())).collect()
    }

    pub fn insert(&mut self, fact: Fact, value: impl Into<String>) {
        self.extend(Self::of(fact, value));
    }

    /// Later facts replace earlier ones of the same name.
    pub fn extend(&mut self, later: Self) {
        self.0.extend(later.0);
    }

    pub fn get(&self, fact: &Fact) -> Option<&str> {
        self.0.get(fact)?.as_deref()
    }

    pub fn contains(&self, fact: &Fact) -> bool {
        self.get(fact).is_some()
    }

    /// As [`Facts::get`], where the answer may also be that there is nothing.
    pub fn known(&self, fact: &Fact) -> Known<'_> {
        match self.0.get(fact) {
            None => Known::NotYet,
            Some(None) => Known::Nothing,
            Some(Some(value)) => Known::This(value),
        }
    }

    /// The value of a fact that a step needs, or the fact itself if it is missing.
    pub fn need(&self, fact: Fact) -> Result<String, Fact> {
        self.get(&fact).map(str::to_owned).ok_or(fact)
    }

    /// Those that have a value.
    pub fn iter(&self) -> impl Iterator<Item = (&Fact, &str)> {
        self.0.iter().filter_map(|(fact, value)| Some((fact, value.as_deref()?)))
    }
}

impl FromIterator<(Fact, String)> for Facts {
    fn from_iter<T: IntoIterator<Item = (Fact, String)>>(facts: T) -> Self {
        Self(facts.into_iter().map(|(fact, value)| (fact, Some(value).filter(|value| !value.is_empty()))).collect())
    }
}

impl<const N: usize> From<[(Fact, String); N]> for Facts {
    fn from(facts: [(Fact, String); N]) -> Self {
        facts.into_iter().collect()
    }
}

impl From<BTreeMap<String, String>> for Facts {
    fn from(kept: BTreeMap<String, String>) -> Self {
        kept.into_iter().map(|(key, value)| (Fact::from(key.as_str()), value)).collect()
    }
}

impl From<Facts> for BTreeMap<String, String> {
    fn from(facts: Facts) -> Self {
        facts.0.into_iter().map(|(fact, value)| (fact.to_string(), value.unwrap_or_default())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("deployment.time", Fact::Deployment("time".into()))]
    #[case("change-set.quarterdeck-prod-time", Fact::ChangeSet("quarterdeck-prod-time".into()))]
    #[case("destroys.quarterdeck-prod-time", Fact::Destroys("quarterdeck-prod-time".into()))]
    #[case("output.quarterdeck-prod-time.Url", Fact::Output { stack: "quarterdeck-prod-time".into(), key: "Url".into() })]
    #[case("pending.quarterdeck/prod/a.b/c", Fact::Pending("quarterdeck/prod/a.b/c".into()))]
    #[case("previous.s", Fact::Previous("s".into()))]
    #[case("current.s", Fact::Current("s".into()))]
    #[case("allowed.s", Fact::Allowed("s".into()))]
    #[case("published.s", Fact::Published("s".into()))]
    #[case("republished.s", Fact::Republished("s".into()))]
    #[case("lease.s", Fact::Lease("s".into()))]
    #[case("deployment-at.time", Fact::DeploymentAt("time".into()))]
    #[case("accepts.time", Fact::Accepts("time".into()))]
    #[case("image.files", Fact::Image("files".into()))]
    #[case("seen.desired.time", Fact::Seen("desired.time".into()))]
    #[case("client", Fact::Client)]
    #[case("client-secret", Fact::ClientSecret)]
    #[case("grace-waived", Fact::GraceWaived)]
    #[case("promoted-at", Fact::PromotedAt)]
    #[case("output.without-a-key", Fact::Other("output.without-a-key".into()))]
    #[case("a-word.of-another-version", Fact::Other("a-word.of-another-version".into()))]
    fn every_fact_has_its_key(#[case] key: &str, #[case] fact: Fact) {
        assert_eq!(Fact::from(key), fact);
        assert_eq!(fact.to_string(), key);
    }

    #[test]
    fn an_absent_value_is_stored_as_an_empty_string() {
        let json = r#"{"change-set.b":"arn:cs/b","change-set.c":"","client":"x","new-word":"y"}"#;
        let facts: Facts = serde_json::from_str(json).expect("a map of strings");
        let change_set = |stack: &str| facts.known(&Fact::ChangeSet(stack.into()));
        assert_eq!(change_set("a"), Known::NotYet);
        assert_eq!(change_set("b"), Known::This("arn:cs/b"));
        assert_eq!(change_set("c"), Known::Nothing);
        assert_eq!(serde_json::to_string(&facts).expect("a map of strings"), json);
    }
}
