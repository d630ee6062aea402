//! What every command works with: the cloud, the place, the environment, the audit.

use std::collections::BTreeMap;
use std::sync::Arc;

use rand::Rng;

use super::audit::Audit;
use crate::cloud::{Cloud, CloudResult};
use crate::core::environment::Environment;
use crate::core::identity::Context;
use crate::core::plan::{Confirm, Place};

/// A session with a cloud. Cheap to clone.
#[derive(Clone)]
pub struct Session {
    /// The cloud.
    pub cloud: Arc<dyn Cloud>,
    /// Where and as whom.
    pub context: Context,
    /// The environment's file, where there is one.
    pub environment: Option<Arc<Environment>>,
    /// Parameters for every template that declares them: the choices of this place.
    pub overrides: Arc<BTreeMap<String, String>>,
    /// The audit.
    pub audit: Audit,
}

impl Session {
    /// Where an operation on `resource` acts.
    ///
    /// # Errors
    /// The caller must be known: a plan names who will do it.
    pub async fn target(&self, resource: impl Into<String>) -> CloudResult<Place> {
        let identity = self.cloud.identity().await?;
        Ok(Place {
            account: identity.account,
            caller: identity.arn,
            region: self.context.region.clone(),
            environment: self.context.environment.clone(),
            endpoint: self.context.endpoint.clone(),
            resource: resource.into(),
        })
    }

    /// How a plan that destroys nothing is confirmed here.
    pub fn confirm(&self) -> Confirm {
        if self.context.protected { Confirm::Typed(self.context.environment.clone()) } else { Confirm::Yes }
    }
}

/// A new operation id: letters, digits and hyphens, unique, and sorted by time.
pub fn operation_id() -> String {
    let random: u32 = rand::rng().next_u32();
    format!("qd-{}-{random:08x}", jiff::Timestamp::now().strftime("%Y%m%d-%H%M%S"))
}
