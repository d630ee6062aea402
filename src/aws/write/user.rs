//! Signs users out, and lets them sign in or not.

use crate::aws::AwsCloud;
use crate::cloud::CloudResult;
use crate::core::operation::user::UserChange;
use crate::core::operation::{Applied, Facts, UserCall};

impl AwsCloud {
    /// Does to a user what was agreed, if it is still the one that the plan saw.
    pub(super) async fn write_user(&self, call: &UserCall) -> CloudResult<Applied> {
        let UserCall { pool, user, subject, change } = call;
        let Some(found) = self.read_user(pool, user).await? else {
            return Ok(Applied::Void(format!("there is no user {user} in {pool} any more")));
        };
        if found.subject != *subject {
            return Ok(Applied::Void(format!("{user} is somebody else now than when this was planned")));
        }
        let cognito = &self.write.cognito;
        match change {
            UserChange::SignOut => {
                let call = cognito.admin_user_global_sign_out().user_pool_id(pool).username(user);
                call.send().await.map_err(self.failed("cognito-idp:AdminUserGlobalSignOut"))?;
            }
            UserChange::Disable if found.enabled => {
                let call = cognito.admin_disable_user().user_pool_id(pool).username(user);
                call.send().await.map_err(self.failed("cognito-idp:AdminDisableUser"))?;
            }
            UserChange::Enable if !found.enabled => {
                let call = cognito.admin_enable_user().user_pool_id(pool).username(user);
                call.send().await.map_err(self.failed("cognito-idp:AdminEnableUser"))?;
            }
            UserChange::Disable | UserChange::Enable => {}
        }
        Ok(Applied::Done(Facts::new()))
    }
}
