//! Rotation of a client secret: at every moment the old or the new credentials work and are stored.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::fact::{Fact, Facts};
use super::service::{ServiceRef, blank};
use super::steps::Steps;
use super::work::{Check, Hold, Lease, LeaseFrom, Proof, SecretCall, Step, TokenProbe, Version, Work};

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
    /// ARN of the caller; missing in audits of older versions.
    #[serde(default)]
    pub by: Option<String>,
    /// The version that was `AWSCURRENT` when the plan was shown.
    #[serde(default)]
    pub current: Option<String>,
    /// The version with somebody else's lease, which the plan showed and which is taken over.
    #[serde(default)]
    pub takes_over: Option<String>,
    /// Clients of the same name, not in force, that an unfinished rotation has left. They are deleted.
    #[serde(default)]
    pub left_clients: Vec<String>,
    /// A second secret of the client, not in force, that an unfinished rotation has left. It is deleted.
    #[serde(default)]
    pub left_secret: Option<String>,
    /// Ids of the other clients in use, which the servers go on accepting.
    #[serde(default)]
    pub accept: Vec<String>,
}

/// A service that reads the secret when its tasks start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consumer {
    #[serde(flatten)]
    pub service: ServiceRef,
    /// Its primary deployment at planning. It stands in the audit for whoever reads that; no step uses it.
    #[serde(with = "blank")]
    pub deployment: Option<String>,
    /// Its MCP endpoint, where a stack of the environment tells it.
    #[serde(default)]
    pub url: Option<String>,
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
        let lease = self.lease(operation, format!("rotate {}", self.name));
        let take = SecretCall::TakeLease {
            lease: lease.clone(),
            from: facts
                .get(&self.seen_lease())
                .map(str::to_owned)
                .or_else(|| self.takes_over.clone())
                .map_or(LeaseFrom::Nobody, LeaseFrom::Holder),
            current: self.current.clone(),
        };
        steps.then("reserve the client for this operation", take);
        match &self.strategy {
            Strategy::DualSecret { old_secret } => self.dual(&mut steps, operation, facts, old_secret),
            Strategy::ReplaceClient { known_clients, also_allow } => {
                self.replace(&mut steps, operation, facts, known_clients, also_allow);
            }
        }
        steps.then("give the client free for other operations", SecretCall::ReleaseLease { lease });
        steps.done()
    }

    fn dual(&self, steps: &mut Steps, operation: &str, facts: &Facts, old_secret: &str) {
        let version = facts.need(self.pending());
        let mut before = facts.need(self.current());
        if let Some(left) = &self.left_secret {
            // The one that left it there may be about to publish it. After this step it can not.
            let republish = before.clone().map(|before| SecretCall::Republish {
                token: format!("{operation}-allow"),
                hold: self.hold(operation, &before),
                proof: self.proof(Version::Id(before)),
            });
            steps.then("write AWSCURRENT again, so that nothing else is published", republish);
            before = facts.need(self.republished());
            let delete = before.clone().map(|current| SecretCall::DeleteClientSecret {
                pool: self.pool.clone(),
                client: self.client.clone(),
                client_secret: left.clone(),
                hold: self.hold(operation, &current),
            });
            steps.then("delete the secret that an unfinished rotation has left", delete);
        }
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
        self.accepted(steps, &version);
        let added = facts.need(Fact::ClientSecret);
        let promote = added.and_then(|added| self.promote(operation, &version, &before, Some(added)));
        steps.then("publish it: move AWSCURRENT", Work::from(promote));
        let version = facts.need(self.published());
        self.redeploy(steps, facts);
        self.retire(steps, operation, facts);
        let delete = |published: String| SecretCall::DeleteClientSecret {
            pool: self.pool.clone(),
            client: self.client.clone(),
            client_secret: old_secret.to_owned(),
            hold: self.hold(operation, &published),
        };
        steps.then("delete the old secret", version.clone().map(delete));
        steps.then("prove that the old secret is refused", self.refused(facts));
        self.settle(steps, operation, &version, &self.client);
    }

    fn replace(&self, steps: &mut Steps, operation: &str, facts: &Facts, known: &[String], also_allow: &[String]) {
        let (version, new_client) = (facts.need(self.pending()), facts.need(Fact::Client));
        let (before, allowed) = (facts.need(self.current()), facts.need(self.allowed()));
        let both = |new: &String| [&self.client, new].into_iter().chain(also_allow).cloned().collect::<Vec<_>>();
        let (pool, secret) = (&self.pool, &self.secret);
        let copy = SecretCall::CopyClient { pool: pool.clone(), client: self.client.clone(), known: known.to_vec() };
        let stage = |client: String| SecretCall::StageClient {
            pool: pool.clone(),
            secret: secret.clone(),
            token: operation.to_owned(),
            also_allow: both(&client),
            client,
        };
        let allow = |client: &String, before: String| SecretCall::AllowClients {
            clients: both(client),
            token: format!("{operation}-allow"),
            hold: self.hold(operation, &before),
            proof: self.proof(Version::Id(before)),
        };
        let allow = new_client.as_ref().map_err(Clone::clone).and_then(|client| Ok(allow(client, before?)));
        steps.then(format!("create a client identical to {}", self.name), copy);
        steps.then("store its id and secret as AWSPENDING", new_client.clone().map(stage));
        steps.then("prove the new credentials at the token endpoint", self.proven(&version));
        steps.then("let the servers accept both clients", allow);
        self.redeploy(steps, facts);
        self.accepted(steps, &version);
        let promote = self.promote(operation, &version, &allowed, None);
        steps.then("publish the new client: move AWSCURRENT", Work::from(promote));
        let version = facts.need(self.published());
        self.retire(steps, operation, facts);
        let delete = |client: &str| {
            let (pool, client) = (pool.clone(), client.to_owned());
            version.clone().map(|version| SecretCall::DeleteClient {
                pool,
                client,
                hold: self.hold(operation, &version),
            })
        };
        steps.then("delete the old client", delete(&self.client));
        for left in &self.left_clients {
            steps.then(format!("delete client {left}, which an unfinished rotation has left"), delete(left));
        }
        steps.then("prove that the old client is refused", self.refused(facts));
        match new_client {
            Ok(client) => self.settle(steps, operation, &version, &client),
            Err(fact) => drop(steps.then(SETTLE, Work::NotYet(fact))),
        }
    }

    /// The reservation of the Secret for an operation.
    pub fn lease(&self, operation: &str, what: String) -> Lease {
        let (secret, operation) = (self.secret.clone(), operation.to_owned());
        Lease { secret, operation, what, by: self.by.clone().unwrap_or_default(), client: self.name.clone() }
    }

    fn hold(&self, operation: &str, current: &str) -> Hold {
        Hold { secret: self.secret.clone(), operation: operation.to_owned(), current: current.to_owned() }
    }

    /// The consumers read the secret when their tasks start, so they must start anew.
    fn redeploy(&self, steps: &mut Steps, facts: &Facts) {
        self.consumers.iter().for_each(|consumer| consumer.service.read_again(steps, facts, None));
    }

    /// Every server whose address is known accepts these credentials.
    fn accepted(&self, steps: &mut Steps, version: &Result<String, Fact>) {
        for (consumer, url) in self.consumers.iter().filter_map(|consumer| Some((consumer, consumer.url.as_ref()?))) {
            let accepted = |version| Check::Accepted { probe: self.probe(Version::Id(version)), url: url.clone() };
            let title = format!("prove them at server {}", consumer.service.service);
            steps.then(title, Work::from(version.clone().map(accepted)));
        }
    }

    fn retire(&self, steps: &mut Steps, operation: &str, facts: &Facts) {
        let wait = if facts.contains(&Fact::GraceWaived) {
            Work::Skip("waived by the operator".into())
        } else {
            let until = self.grace_until(facts).ok_or(Fact::PromotedAt);
            until.map(|until| Check::GraceOver { until }).into()
        };
        steps.then("grace period: the old credentials still work", wait);
        steps.then("prove the new credentials once more", self.proven(&facts.need(self.published())));
        let lease = self.lease(operation, format!("rotate {}: delete the old credentials", self.name));
        steps.then("from here on it cannot be taken back", SecretCall::SealLease { lease });
    }

    /// Lets the servers accept the clients in use, and no other.
    fn settle(&self, steps: &mut Steps, operation: &str, published: &Result<String, Fact>, client: &str) {
        let clients = [client.to_owned()].into_iter().chain(self.accept.iter().cloned()).collect();
        let settle = |published: String| SecretCall::AllowClients {
            clients,
            token: format!("{operation}-settle"),
            hold: self.hold(operation, &published),
            proof: self.proof(Version::Id(published)),
        };
        steps.then(SETTLE, Work::from(published.clone().map(settle)));
    }

    /// How credentials of this client are proven before they are published.
    pub fn proof(&self, version: Version) -> Proof {
        Proof { probe: self.probe(version), servers: self.consumers.iter().filter_map(|one| one.url.clone()).collect() }
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

    /// The version that took the place of [`Rotation::current`] before the new credentials were published.
    pub fn allowed(&self) -> Fact {
        Fact::Allowed(self.secret.clone())
    }

    /// The version with which the credentials in force were published again.
    pub fn republished(&self) -> Fact {
        Fact::Republished(self.secret.clone())
    }

    /// The lease of somebody else that the operator has agreed to take over.
    fn seen_lease(&self) -> Fact {
        seen_lease(&self.secret)
    }

    /// The version with which the new credentials were published.
    pub fn published(&self) -> Fact {
        Fact::Published(self.secret.clone())
    }

    fn promote(
        &self,
        operation: &str,
        version: &Result<String, Fact>,
        from: &Result<String, Fact>,
        client_secret: Option<String>,
    ) -> Result<SecretCall, Fact> {
        let (version, from) = (version.clone()?, from.clone()?);
        let token = format!("{operation}-publish");
        let (hold, proof) = (self.hold(operation, &from), self.proof(Version::Id(version)));
        Ok(SecretCall::Promote { token, client_secret, hold, proof })
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

    /// The old credentials are in the version that was replaced.
    fn refused(&self, facts: &Facts) -> Work {
        let refused = |version| Check::TokenRefused { probe: self.probe(Version::Id(version)) };
        facts.need(self.previous()).map(refused).into()
    }
}

/// The version with the lease of somebody else on this Secret that the operator has agreed to take over.
pub fn seen_lease(secret: &str) -> Fact {
    Fact::Seen(format!("lease.{secret}"))
}

const SETTLE: &str = "let the servers accept the clients in use, and no other";

/// Takes an unfinished rotation back. Possible until it begins to delete the old credentials.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UndoRotation {
    pub rotation: Rotation,
    pub operation: String,
    /// Facts that the rotation had learnt, and the version to publish when the new credentials go:
    /// the one before ([`Rotation::previous`]), or the one still published ([`Rotation::current`]).
    pub learnt: Facts,
    /// ARN of the caller; missing in audits of older versions.
    #[serde(default)]
    pub by: Option<String>,
}

impl UndoRotation {
    pub(super) fn steps(&self, operation: &str, facts: &Facts) -> Vec<Step> {
        let Self { rotation, learnt, .. } = self;
        let mut steps = Steps::default();
        let lease = Lease {
            by: self.by.clone().unwrap_or_default(),
            ..rotation.lease(operation, format!("take back the rotation of {}", rotation.name))
        };
        let lease_of_rotation = learnt.get(&Fact::Lease(rotation.secret.clone())).map(str::to_owned);
        let from = lease_of_rotation.map_or(LeaseFrom::Nobody, LeaseFrom::Only);
        let take = SecretCall::TakeLease { lease: lease.clone(), from, current: None };
        steps.then("reserve the client for this operation", take);
        let previous = learnt.need(rotation.previous());
        let promoted = previous.is_ok();
        let old = previous.or_else(|_| learnt.need(rotation.current()));
        let republish = |old: String, current: String| SecretCall::Republish {
            token: operation.to_owned(),
            hold: rotation.hold(operation, &current),
            proof: rotation.proof(Version::Id(old)),
        };
        let republish = old.clone().and_then(|old| Ok(republish(old, facts.need(rotation.current())?)));
        steps.then("publish the old credentials again", republish);
        if promoted {
            rotation.redeploy(&mut steps, facts);
        } else {
            steps.then("start the servers anew", Work::Skip("the new credentials were not published".into()));
        }
        let published = facts.need(rotation.republished());
        steps.then("prove the old credentials", rotation.proven(&published));
        steps.then("delete the new credentials", published.clone().map(|current| self.delete_new(operation, &current)));
        rotation.settle(&mut steps, operation, &published, &rotation.client);
        steps.then("give the client free for other operations", SecretCall::ReleaseLease { lease });
        steps.done()
    }

    /// Everything that the rotation made goes, recorded or not: nobody else makes credentials of this client
    /// while it is reserved.
    fn delete_new(&self, operation: &str, current: &str) -> SecretCall {
        let rotation = &self.rotation;
        let (pool, hold) = (rotation.pool.clone(), rotation.hold(operation, current));
        match &rotation.strategy {
            Strategy::DualSecret { old_secret } => {
                SecretCall::DeleteOtherSecrets { pool, client: rotation.client.clone(), keep: old_secret.clone(), hold }
            }
            Strategy::ReplaceClient { known_clients, .. } => {
                let (name, known) = (rotation.name.clone(), known_clients.clone());
                SecretCall::DeleteOtherClients { pool, name, known, hold }
            }
        }
    }
}
