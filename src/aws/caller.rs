//! STS: who is calling.

use async_trait::async_trait;

use super::{AwsCloud, convert, error};
use crate::cloud::{Caller, CloudResult};
use crate::core::identity::Identity;

const CALL: &str = "sts:GetCallerIdentity";

#[async_trait]
impl Caller for AwsCloud {
    async fn identity(&self) -> CloudResult<Identity> {
        self.within("sts:GetCallerIdentity", self.read_identity()).await
    }
}

impl AwsCloud {
    async fn read_identity(&self) -> CloudResult<Identity> {
        let caller = self.read.sts.get_caller_identity().send().await.map_err(self.failed(CALL))?;
        let (account, arn) = (convert::text(caller.account()), convert::text(caller.arn()));
        if account.is_empty() || arn.is_empty() {
            return Err(error::garbled(CALL, "the answer names no account or caller"));
        }
        Ok(Identity { account, arn })
    }
}
