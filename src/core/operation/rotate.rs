//! Rotation of a client secret: at every moment the old or the new credentials work and are stored.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::intent::{ServiceRef, Steps, fact};
use super::work::{Call, Check, Facts, Stage, Step, TokenProbe, Work};

/// A rotation of one client's secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rotation {
    /// User pool id.
    pub pool: String,
    /// Client id before the rotation.
    pub client: String,
    /// Client name.
    pub name: String,
    /// Name of the secret in Secrets Manager that carries the credentials.
    pub secret: String,
    /// OAuth 2.0 token endpoint that proves credentials.
    pub endpoint: String,
    /// Scopes to prove with; empty asks for all.
    pub scopes: Vec<String>,
    /// How it is done.
    pub strategy: Strategy,
    /// Services that read the secret at start, with the deployment in force at planning.
    pub consumers: Vec<Consumer>,
    /// How long the old credentials stay valid after the new ones are published, in seconds.
    pub grace_seconds: i64,
}

/// A service that reads the secret when its tasks start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consumer {
    /// The service.
    #[serde(flatten)]
    pub service: ServiceRef,
    /// Its primary deployment at planning.
    pub deployment: String,
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
        /// All client ids of the pool at planning; another of the same name is ours.
        known_clients: Vec<String>,
        /// Other client ids that the servers must go on accepting.
        also_allow: Vec<String>,
    },
}

/// Fact set by the operator: the grace period is waived.
pub const GRACE_WAIVED: &str = "grace-waived";
/// Fact set by the protocol when `AWSCURRENT` has moved: the time of it.
pub const PROMOTED_AT: &str = "promoted-at";

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
        let version = fact(facts, &self.pending_fact());
        let stage = Call::StageNewSecret {
            client: self.client.clone(),
            secret: self.secret.clone(),
            token: operation.to_owned(),
        };
        let add = Call::AddClientSecret {
            pool: self.pool.clone(),
            client: self.client.clone(),
            probe: self.probe(&version),
            known: vec![old_secret.to_owned()],
        };
        steps.then("generate a secret and store it as AWSPENDING", Work::Apply(stage));
        steps.then(format!("add it to client {} as its second secret", self.name), Work::Apply(add));
        steps.then("prove the new secret at the token endpoint", self.granted(&version));
        steps.then("publish it: move AWSCURRENT", self.promote(&version));
        self.redeploy(steps, facts);
        self.retire(steps, facts);
        let delete = Call::DeleteClientSecret {
            pool: self.pool.clone(),
            client: self.client.clone(),
            client_secret: old_secret.to_owned(),
            secret: self.secret.clone(),
            published: version,
        };
        steps.then("delete the old secret", Work::Apply(delete));
        steps.then("prove that the old secret is refused", self.refused());
    }

    fn replace(&self, steps: &mut Steps, operation: &str, facts: &Facts, known: &[String], also_allow: &[String]) {
        let (version, new_client) = (fact(facts, &self.pending_fact()), fact(facts, "client"));
        let allowed: Vec<String> = [&self.client, &new_client].into_iter().chain(also_allow).cloned().collect();
        let copy = Call::CopyClient { pool: self.pool.clone(), client: self.client.clone(), known: known.to_vec() };
        let stage = Call::StageClient {
            pool: self.pool.clone(),
            client: new_client,
            secret: self.secret.clone(),
            token: operation.to_owned(),
            also_allow: allowed.clone(),
        };
        let allow =
            Call::AllowClients { secret: self.secret.clone(), clients: allowed, token: format!("{operation}-allow") };
        steps.then(format!("create a client identical to {}", self.name), Work::Apply(copy));
        steps.then("store its id and secret as AWSPENDING", Work::Apply(stage));
        steps.then("prove the new credentials at the token endpoint", self.granted(&version));
        steps.then("let the servers accept both clients", Work::Apply(allow));
        self.redeploy(steps, facts);
        steps.then("publish the new client: move AWSCURRENT", self.promote(&version));
        self.retire(steps, facts);
        let delete =
            Call::DeleteClient { pool: self.pool.clone(), client: self.client.clone(), secret: self.secret.clone() };
        steps.then("delete the old client", Work::Apply(delete));
        steps.then("prove that the old client is refused", self.refused());
    }

    /// The consumers read the secret when their tasks start, so they must start anew.
    fn redeploy(&self, steps: &mut Steps, facts: &Facts) {
        for Consumer { service, deployment } in &self.consumers {
            let name = &service.service;
            steps.then(format!("start a new deployment of {name}"), service.new_deployment(deployment));
            steps.then(format!("wait until {name} is steady"), service.steady(None, facts));
        }
    }

    fn retire(&self, steps: &mut Steps, facts: &Facts) {
        let wait = match (facts.get(GRACE_WAIVED), self.grace_until(facts)) {
            (Some(_), _) => Work::Skip("waived by the operator".into()),
            (None, until) => Work::Await(Check::GraceOver { until: until.unwrap_or(Timestamp::MAX) }),
        };
        steps.then("grace period: the old credentials still work", wait);
        steps.then("prove the new credentials once more", self.granted(Stage::Current.label()));
    }

    /// When the old credentials may go; known once the new ones are published.
    pub fn grace_until(&self, facts: &Facts) -> Option<Timestamp> {
        let promoted: Timestamp = facts.get(PROMOTED_AT)?.parse().ok()?;
        promoted.checked_add(SignedDuration::from_secs(self.grace_seconds)).ok()
    }

    /// The fact that names the version with the new credentials.
    pub fn pending_fact(&self) -> String {
        format!("pending.{}", self.secret)
    }

    /// The fact that names the version that was `AWSCURRENT` before the new credentials were published.
    pub fn previous_fact(&self) -> String {
        format!("previous.{}", self.secret)
    }

    /// The fact that names the version that is `AWSCURRENT` where nothing was published.
    pub fn current_fact(&self) -> String {
        format!("current.{}", self.secret)
    }

    fn promote(&self, version: &str) -> Work {
        Work::Apply(Call::Promote { secret: self.secret.clone(), version: version.to_owned() })
    }

    /// Asks the token endpoint with the credentials in a version.
    pub fn probe(&self, version: &str) -> TokenProbe {
        TokenProbe {
            secret: self.secret.clone(),
            version: version.to_owned(),
            endpoint: self.endpoint.clone(),
            scopes: self.scopes.clone(),
        }
    }

    fn granted(&self, version: &str) -> Work {
        Work::Await(Check::TokenGranted { probe: self.probe(version) })
    }

    /// The old credentials are the version that had `AWSCURRENT` before.
    fn refused(&self) -> Work {
        Work::Await(Check::TokenRefused { probe: self.probe(Stage::Previous.label()) })
    }
}

/// Takes an unfinished rotation back. Possible until the old credentials are deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UndoRotation {
    /// The rotation.
    pub rotation: Rotation,
    /// Its operation id.
    pub operation: String,
    /// What it had learnt, and which version must be published when the new credentials go: the
    /// one before ([`Rotation::previous_fact`]), or the one that still is ([`Rotation::current_fact`]).
    pub learnt: Facts,
}

impl UndoRotation {
    pub(super) fn steps(&self, facts: &Facts) -> Vec<Step> {
        let rotation = &self.rotation;
        let mut steps = Steps::default();
        let previous = fact(&self.learnt, &rotation.previous_fact());
        let old = if previous.is_empty() { fact(&self.learnt, &rotation.current_fact()) } else { previous.clone() };
        if previous.is_empty() {
            steps.then("AWSCURRENT was not moved", Work::Skip("nothing to move back".into()));
        } else {
            steps.then("publish the old credentials again: move AWSCURRENT back", rotation.promote(&previous));
            for Consumer { service, .. } in &rotation.consumers {
                let made = fact(&self.learnt, &super::intent::deployment_fact(&service.service));
                let name = &service.service;
                steps.then(format!("start a new deployment of {name}"), service.new_deployment(&made));
                steps.then(format!("wait until {name} is steady"), service.steady(None, facts));
            }
        }
        // By its id: a label names whatever bears it at the moment.
        steps.then("prove the old credentials", rotation.granted(&old));
        steps.then("delete the new credentials", self.delete_new(old));
        steps.done()
    }

    fn delete_new(&self, published: String) -> Work {
        let Rotation { pool, client, secret, .. } = self.rotation.clone();
        let made = |name: &str| self.learnt.get(name).cloned();
        let call = match &self.rotation.strategy {
            Strategy::DualSecret { .. } => {
                let call = |client_secret| Call::DeleteClientSecret { pool, client, client_secret, secret, published };
                made("client-secret").map(call)
            }
            Strategy::ReplaceClient { .. } => made("client").map(|client| Call::DeleteClient { pool, client, secret }),
        };
        call.map_or_else(|| Work::Skip("none were made".into()), Work::Apply)
    }
}
