//! The session: what every screen and command works with.

use std::collections::BTreeMap;
use std::sync::Arc;

use rand::Rng;

use super::audit::Audit;
use crate::cloud::{Cloud, CloudResult};
use crate::core::environment::Environment;
use crate::core::identity::Context;
use crate::core::plan::{Confirm, Place};
use crate::engine::Engine;

/// A cloud, the environment in it that is worked on, and the audit.
///
/// Why it exists: a plan, a check and a read need the same things, and must not be able to mix two
/// environments or write without the audit. When to use it: the program makes one when it starts and
/// hands it to everything below. Cheap to clone.
#[derive(Clone)]
pub struct Session {
    /// The cloud.
    pub cloud: Arc<dyn Cloud>,
    /// The container engine of this machine, which pushes images.
    pub engine: Arc<dyn Engine>,
    /// Which environment is worked on: its name, cluster, region and endpoint, and what is allowed.
    pub context: Context,
    /// The environment's file, `quarterdeck.toml`, if there is one.
    pub environment: Option<Arc<Environment>>,
    /// Values for template parameters that the local cloud needs, given to every template that declares
    /// them. Empty on AWS.
    pub overrides: Arc<BTreeMap<String, String>>,
    /// The audit.
    pub audit: Audit,
    /// Whether plans start images of servers on this machine, to see which tools they have.
    pub trials: bool,
}

impl Session {
    /// The target of an operation on `resource`, as its plan shows it.
    ///
    /// # Errors
    /// When AWS does not say who is calling, because a plan must name who carries it out.
    pub async fn target(&self, resource: impl Into<String>) -> CloudResult<Place> {
        let identity = self.cloud.identity().await?;
        Ok(Place {
            account: identity.account,
            caller: identity.arn,
            region: self.context.region.clone(),
            environment: self.context.environment.clone(),
            endpoint: self.context.endpoint.clone(),
            resource: resource.into(),
            cluster: Some(self.context.cluster.clone()),
        })
    }

    /// The time by the clock of AWS, as far as its answers have shown it.
    pub fn now(&self) -> jiff::Timestamp {
        let here = jiff::Timestamp::now();
        here.checked_add(jiff::SignedDuration::from_millis(self.cloud.ahead())).unwrap_or(here)
    }

    /// How a plan that destroys nothing is confirmed: in a protected environment by typing its name.
    pub fn confirm(&self) -> Confirm {
        if self.context.protected { Confirm::Typed(self.context.environment.clone()) } else { Confirm::Yes }
    }
}

/// A new id for an operation: unique, made of letters, digits and hyphens, such as
/// `qd-20260131-030000-89abcdef`. Later ids are greater.
pub fn operation_id() -> String {
    let random: u32 = rand::rng().next_u32();
    format!("qd-{}-{random:08x}", jiff::Timestamp::now().strftime("%Y%m%d-%H%M%S"))
}
