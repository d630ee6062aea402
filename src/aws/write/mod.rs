//! The calls that write. Each looks before it writes, so that repeating one whose outcome is
//! unknown is harmless, and each is sent once.

mod rotation;
mod service;
mod stack;

use async_trait::async_trait;

use super::AwsCloud;
use crate::cloud::{CloudResult, Writes};
use crate::core::operation::{Approved, Call, Facts};

#[async_trait]
impl Writes for AwsCloud {
    async fn apply(&self, approved: Approved) -> CloudResult<Facts> {
        self.carry_out(approved.call()).await
    }
}

impl AwsCloud {
    /// Carries out an approved call; what it learnt. No match on a call here or below has an arm for
    /// the rest, so that a call that nobody carries out does not compile.
    pub(super) async fn carry_out(&self, call: &Call) -> CloudResult<Facts> {
        match call {
            Call::Service(call) => self.write_service(call).await,
            Call::Stack(call) => self.write_stack(call).await,
            Call::Secret(call) => self.write_secret(call).await,
        }
    }
}

fn nothing((): ()) -> Facts {
    Facts::new()
}
