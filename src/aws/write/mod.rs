//! The calls that write. Each looks at what is there before it writes, so that one whose outcome is
//! unknown can be made again without harm, and one whose plan is out of date changes nothing. Each request
//! is sent once.

mod board;
mod lease;
mod protection;
mod publish;
mod quarantine;
mod rescue;
mod rotation;
mod service;
mod shift;
mod stack;
mod user;
mod variable;

use async_trait::async_trait;
use secrecy::SecretString;

use super::{AwsCloud, error};
use crate::cloud::{CloudResult, Writes};
use crate::core::operation::{Applied, Approved, Call, Facts, ImageCall};

#[async_trait]
impl Writes for AwsCloud {
    async fn apply(&self, approved: Approved) -> CloudResult<Applied> {
        self.carry_out(approved.call(), approved.again()).await
    }

    fn hold(&self, operation: &str, value: SecretString) {
        self.values.keep(operation, value);
    }
}

impl AwsCloud {
    /// Carries out an approved call and returns what came of it. `again`: it may have been sent before. No
    /// match on a call, here or in the files below, has a catch-all arm, so that a call that nobody carries
    /// out does not compile.
    pub(super) async fn carry_out(&self, call: &Call, again: bool) -> CloudResult<Applied> {
        match call {
            Call::Service(call) => self.write_service(call, again).await,
            Call::Stack(call) => self.write_stack(call).await,
            Call::Secret(call) => {
                let written = self.write_secret(call).await;
                self.forget_clients();
                written
            }
            Call::User(call) => self.write_user(call).await,
            Call::Quarantine(call) => self.write_quarantine(call).await,
            Call::Shift(call) => self.write_shift(call).await,
            // The engine has the layers, so `run::operate` brings it there.
            Call::Image(ImageCall::Push(push)) => {
                Err(error::invalid("engine:Push", format!("{} is pushed by the container engine", push.image)))
            }
            Call::Board(call) => self.write_board(call).await.map(nothing).map(Applied::Done),
        }
    }
}

/// For calls that learn nothing.
fn nothing((): ()) -> Facts {
    Facts::new()
}
