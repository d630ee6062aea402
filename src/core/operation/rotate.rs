//! Rotation of a client secret: at every moment the old or the new credentials work and are stored.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::fact::{Fact, Facts};
use super::service::{ServiceRef, blank};
use super::steps::Steps;
use super::work::{Check, Label, SecretCall, Step, TokenProbe, Version, Work};

/// A rotation of one client's secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rotation {
    pub pool: String,
    /// Client id before the rotation.
    pub client: String,
    pub name: String,
    /// Name of the secret in Secrets Manager that carries the credentials.
    pub secret: String,
    /// OAuth 2.0 token endpoint that proves credentials.
    pub endpoint: String,
    /// Scopes to prove with; empty asks for all.
    pub scopes: Vec<String>,
    /// How it is done.
    pub strategy: Strategy,
    /// Services that read the secret when their tasks start.
    pub consumers: Vec<Consumer>,
    /// How long the old credentials stay valid after the new ones are published, in seconds.
    pub grace_seconds: i64,
}

/// A service that reads the secret when its tasks start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consumer {
    #[serde(flatten)]
    pub service: ServiceRef,
    /// Its primary deployment at planning. It stands in the audit for whoever reads that; no step uses it.
    #[serde(with = "blank")]
    pub deployment: Option<String>,
}

/// The two ways to have old and new credentials valid at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "strategy", rename_all = "kebab-case")]
pub enum Strategy {
    /// The client gets a second secret (Cognito: at most two; the last cannot be deleted).
    DualSecret {
        /// Id of the secret that is to go.
        old_secret: String,
    },
    /// An identical new client takes the old one's place: for endpoints without the calls for a
    /// second secret. The client id changes too.
    ReplaceClient {
        /// All client ids of the pool at planning. A client of this name with another id is the copy that
        /// the rotation made.
        known_clients: Vec<String>,
        /// Other client ids that the servers must go on accepting.
        also_allow: Vec<String>,
    },
}

/// The facts that end a grace period now.
pub fn grace_waived() -> Facts {
    Facts::of(Fact::GraceWaived, "yes")
}

impl Rotation {
    pub(super) fn steps(&self, operation: &str, facts: &Facts) -> Vec<Step> {
        let mut steps = Steps::default();
        match &self.strategy {
            Strategy::DualSecret { old_secret } => self.dual(&mut steps, operation, facts, old_secret),
            Strategy::ReplaceClient { known_clients, also_allow } => {
                self.replace(&mut steps, operation, facts, known_clients, also_allow);
            }
        }
        steps.done()
    }

    fn dual(&self, steps: &mut Steps, operation: &str, facts: &Facts, old_secret: &str) {
        let version = facts.need(self.pending());
        let stage = SecretCall::StageNewSecret {
            client: self.client.clone(),
            secret: self.secret.clone(),
            token: operation.to_owned(),
        };
        let add = |version| SecretCall::AddClientSecret {
            pool: self.pool.clone(),
            client: self.client.clone(),
            probe: self.probe(Version::Id(version)),
            known: vec![old_secret.to_owned()],
        };
        steps.then("generate a secret and store it as AWSPENDING", stage);
        steps.then(format!("add it to client {} as its second secret", self.name), version.clone().map(add));
        steps.then("prove the new secret at the token endpoint", self.proven(&version));
        steps.then("publish it: move AWSCURRENT", self.promote(&version));
        self.redeploy(steps, facts);
        self.retire(steps, facts);
        let delete = |published| self.delete_secret(old_secret.to_owned(), published);
        steps.then("delete the old secret", version.clone().map(delete));
        steps.then("prove that the old secret is refused", self.refused());
    }

    fn replace(&self, steps: &mut Steps, operation: &str, facts: &Facts, known: &[String], also_allow: &[String]) {
        let (version, new_client) = (facts.need(self.pending()), facts.need(Fact::Client));
        let allowed = |new: &String| [&self.client, new].into_iter().chain(also_allow).cloned().collect::<Vec<_>>();
        let (pool, secret) = (&self.pool, &self.secret);
        let copy = SecretCall::CopyClient { pool: pool.clone(), client: self.client.clone(), known: known.to_vec() };
        let stage = |client: String| SecretCall::StageClient {
            pool: pool.clone(),
            secret: secret.clone(),
            token: operation.to_owned(),
            also_allow: allowed(&client),
            client,
        };
        let allow = |client: String| SecretCall::AllowClients {
            secret: secret.clone(),
            clients: allowed(&client),
            token: format!("{operation}-allow"),
        };
        steps.then(format!("create a client identical to {}", self.name), copy);
        steps.then("store its id and secret as AWSPENDING", new_client.clone().map(stage));
        steps.then("prove the new credentials at the token endpoint", self.proven(&version));
        steps.then("let the servers accept both clients", new_client.map(allow));
        self.redeploy(steps, facts);
        steps.then("publish the new client: move AWSCURRENT", self.promote(&version));
        self.retire(steps, facts);
        steps.then("delete the old client", self.delete_client(self.client.clone()));
        steps.then("prove that the old client is refused", self.refused());
    }

    fn delete_secret(&self, client_secret: String, published: String) -> SecretCall {
        let (pool, client, secret) = (self.pool.clone(), self.client.clone(), self.secret.clone());
        SecretCall::DeleteClientSecret { pool, client, client_secret, secret, published }
    }

    fn delete_client(&self, client: String) -> SecretCall {
        SecretCall::DeleteClient { pool: self.pool.clone(), client, secret: self.secret.clone() }
    }

    /// The consumers read the secret when their tasks start, so they must start anew. The deployment must be
    /// later than the change of the secret: one that somebody else started before it read the old value. So
    /// none is taken for ours, and a step that was cut off is done twice, which does no harm.
    fn redeploy(&self, steps: &mut Steps, facts: &Facts) {
        for Consumer { service, .. } in &self.consumers {
            let name = &service.service;
            steps.then(format!("start a new deployment of {name}"), service.new_deployment(None));
            steps.then(format!("wait until {name} is steady"), service.steady(None, facts));
        }
    }

    fn retire(&self, steps: &mut Steps, facts: &Facts) {
        let wait = if facts.contains(&Fact::GraceWaived) {
            Work::Skip("waived by the operator".into())
        } else {
            let until = self.grace_until(facts).ok_or(Fact::PromotedAt);
            until.map(|until| Check::GraceOver { until }).into()
        };
        steps.then("grace period: the old credentials still work", wait);
        let probe = self.probe(Version::Labelled(Label::Current));
        steps.then("prove the new credentials once more", Check::TokenGranted { probe });
    }

    /// When the old credentials may go; known once the new ones are published.
    pub fn grace_until(&self, facts: &Facts) -> Option<Timestamp> {
        let promoted: Timestamp = facts.get(&Fact::PromotedAt)?.parse().ok()?;
        promoted.checked_add(SignedDuration::from_secs(self.grace_seconds)).ok()
    }

    /// The version with the new credentials.
    pub fn pending(&self) -> Fact {
        Fact::Pending(self.secret.clone())
    }

    /// The version that was `AWSCURRENT` before the new credentials were published.
    pub fn previous(&self) -> Fact {
        Fact::Previous(self.secret.clone())
    }

    /// The version that is `AWSCURRENT` where nothing was published.
    pub fn current(&self) -> Fact {
        Fact::Current(self.secret.clone())
    }

    fn promote(&self, version: &Result<String, Fact>) -> Work {
        let promote = |version| SecretCall::Promote { secret: self.secret.clone(), version };
        version.clone().map(promote).into()
    }

    /// Asks the token endpoint with the credentials in a version.
    pub fn probe(&self, version: Version) -> TokenProbe {
        let (secret, endpoint) = (self.secret.clone(), self.endpoint.clone());
        TokenProbe { secret, version, endpoint, scopes: self.scopes.clone() }
    }

    /// Names the version by its id, because a label can move to another version.
    fn proven(&self, version: &Result<String, Fact>) -> Work {
        let granted = |version| Check::TokenGranted { probe: self.probe(Version::Id(version)) };
        version.clone().map(granted).into()
    }

    /// The old credentials are the version that had `AWSCURRENT` before.
    fn refused(&self) -> Check {
        Check::TokenRefused { probe: self.probe(Version::Labelled(Label::Previous)) }
    }
}

/// Takes an unfinished rotation back. Possible until the old credentials are deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UndoRotation {
    pub rotation: Rotation,
    pub operation: String,
    /// Facts that the rotation had learnt, and the version to publish when the new credentials go:
    /// the one before ([`Rotation::previous`]), or the one still published ([`Rotation::current`]).
    pub learnt: Facts,
}

impl UndoRotation {
    pub(super) fn steps(&self, facts: &Facts) -> Vec<Step> {
        let (rotation, learnt) = (&self.rotation, &self.learnt);
        let mut steps = Steps::default();
        let previous = learnt.need(rotation.previous());
        if previous.is_err() {
            steps.then("AWSCURRENT was not moved", Work::Skip("nothing to move back".into()));
        } else {
            steps.then("publish the old credentials again: move AWSCURRENT back", rotation.promote(&previous));
            rotation.redeploy(&mut steps, facts);
        }
        let old = previous.or_else(|_| learnt.need(rotation.current()));
        steps.then("prove the old credentials", rotation.proven(&old));
        steps.then("delete the new credentials", self.delete_new(old));
        steps.done()
    }

    fn delete_new(&self, published: Result<String, Fact>) -> Work {
        let (rotation, made) = (&self.rotation, |fact| self.learnt.get(&fact).map(str::to_owned));
        let call = match &rotation.strategy {
            Strategy::DualSecret { .. } => {
                made(Fact::ClientSecret).map(|made| published.map(|published| rotation.delete_secret(made, published)))
            }
            Strategy::ReplaceClient { .. } => made(Fact::Client).map(|made| Ok(rotation.delete_client(made))),
        };
        call.map_or_else(|| Work::Skip("none were made".into()), Into::into)
    }
}
