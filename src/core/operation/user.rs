//! Signs a user out, and says whether they may sign in.

use serde::{Deserialize, Serialize};

use super::steps::Steps;
use super::work::{Check, Step, UserCall};

/// See [`Intent::ChangeUser`](super::Intent::ChangeUser).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeUser {
    pub pool: String,
    /// As Cognito knows them.
    pub user: String,
    /// The `sub` that the plan saw. Somebody else may be made later under the same name, and is left alone.
    pub subject: String,
    pub change: UserChange,
}

/// What is done to a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UserChange {
    /// Their refresh tokens end; what they hold of access tokens runs out.
    SignOut,
    /// The same, and they cannot sign in any more.
    Disable,
    /// They can sign in again.
    Enable,
}

impl UserChange {
    /// In the imperative.
    pub fn verb(self) -> &'static str {
        match self {
            Self::SignOut => "sign out",
            Self::Disable => "disable",
            Self::Enable => "enable",
        }
    }

    /// One word for the audit.
    pub fn word(self) -> &'static str {
        match self {
            Self::SignOut => "sign-out",
            Self::Disable => "disable-user",
            Self::Enable => "enable-user",
        }
    }

    /// Whether a user may sign in after it; `None` where it stays as it is.
    pub fn enabled(self) -> Option<bool> {
        match self {
            Self::SignOut => None,
            Self::Disable => Some(false),
            Self::Enable => Some(true),
        }
    }
}

impl ChangeUser {
    pub(super) fn steps(&self) -> Vec<Step> {
        let Self { pool, user, subject, change } = self;
        let call = |change| UserCall { pool: pool.clone(), user: user.clone(), subject: subject.clone(), change };
        let mut steps = Steps::default();
        if *change == UserChange::Disable {
            // First: nothing in AWS's documents says that somebody who is disabled can be signed out.
            steps.then(format!("sign out {user}"), call(UserChange::SignOut));
        }
        steps.then(format!("{} {user}", change.verb()), call(*change));
        if let Some(enabled) = change.enabled() {
            let check = Check::UserEnabled { pool: pool.clone(), user: user.clone(), enabled };
            steps.then(format!("read back that {user} is {}", if enabled { "enabled" } else { "disabled" }), check);
        }
        steps.done()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::operation::work::{Call, Work};
    use rstest::rstest;

    #[rstest]
    #[case(UserChange::SignOut, &[UserChange::SignOut], None)]
    #[case(UserChange::Disable, &[UserChange::SignOut, UserChange::Disable], Some(false))]
    #[case(UserChange::Enable, &[UserChange::Enable], Some(true))]
    fn what_can_be_read_back_is(#[case] change: UserChange, #[case] calls: &[UserChange], #[case] read: Option<bool>) {
        let change = ChangeUser { pool: "p".into(), user: "u".into(), subject: "s".into(), change };
        let steps = change.steps();
        let applied = steps.iter().filter_map(|step| match &step.work {
            Work::Apply(Call::User(call)) => Some((call.change, call.subject.as_str())),
            _ => None,
        });
        assert_eq!(applied.collect::<Vec<_>>(), calls.iter().map(|call| (*call, "s")).collect::<Vec<_>>());
        let awaited = steps.iter().find_map(|step| match &step.work {
            Work::Await(Check::UserEnabled { enabled, .. }) => Some(*enabled),
            _ => None,
        });
        assert_eq!(awaited, read);
    }
}
