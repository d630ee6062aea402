//! The calls that write. Each looks at what is there before it writes, so that one whose outcome is
//! unknown can be made again without harm. Each request is sent once.

mod board;
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
    /// Carries out an approved call and returns what it learnt. No match on a call, here or in the files
    /// below, has a catch-all arm, so that a call that nobody carries out does not compile.
    pub(super) async fn carry_out(&self, call: &Call) -> CloudResult<Facts> {
        match call {
            Call::Service(call) => self.write_service(call).await,
            Call::Stack(call) => self.write_stack(call).await,
            Call::Secret(call) => self.write_secret(call).await,
            Call::Board(call) => self.write_board(call).await.map(nothing),
        }
    }
}

/// For calls that learn nothing.
fn nothing((): ()) -> Facts {
    Facts::new()
}
