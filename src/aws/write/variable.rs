//! Sets a variable in the Secret of a server, or takes it away.

use secrecy::ExposeSecret;

use super::lease::CLAIM;
use crate::aws::credentials;
use crate::aws::{AwsCloud, error};
use crate::cloud::{CloudResult, ErrorKind};
use crate::core::operation::work::{Label, Version, labelled};
use crate::core::operation::{Applied, Fact, Facts};

/// The longest value of a Secret, in bytes (Secrets Manager quotas).
const LONGEST: usize = 65_536;
const PUT: &str = "secretsmanager:PutSecretValue";

impl AwsCloud {
    /// Writes a version with the variable in it, or without it, and moves `AWSCURRENT` to it, if `current` has that label.
    pub(super) async fn set_variable(
        &self,
        secret: &str,
        key: &str,
        current: &str,
        operation: &str,
        unset: bool,
    ) -> CloudResult<Applied> {
        let token = format!("{operation}-set");
        let version = credentials::version_id(&token, secret);
        let versions = self.versions(secret).await?;
        let done = || Applied::Done(Facts::of(Fact::Published(secret.to_owned()), version.clone()));
        match labelled(&versions, Label::Current.as_str()) {
            Some(published) if published == version => return Ok(done()),
            Some(published) if published == current => {}
            Some(_) => return Ok(overtaken(secret)),
            None => return Ok(Applied::Void(format!("secret {secret} holds nothing any more"))),
        }
        if !versions.contains_key(&version) {
            let value = self.values.get(operation);
            if value.is_none() && !unset {
                let why = format!("the value of {key} was in the memory of the process that began this; set it again");
                return Ok(Applied::Void(why));
            }
            let stored = self.stored_credentials(secret, &Version::Id(current.to_owned())).await?;
            let made = match value {
                Some(value) if !unset => stored.with_variable(key, value),
                _ => stored.without_variable(key),
            };
            if made.to_json()?.expose_secret().len() > LONGEST {
                let why = format!("secret {secret} would be longer than {LONGEST} bytes with {key} in it");
                return Err(error::invalid(PUT, why).with_hint("put what is long into a Secret of its own"));
            }
            self.put_version(secret, &token, CLAIM, async || Ok(made)).await?;
        }
        match self.move_label(secret, Label::Current.as_str(), Some(current), Some(&version)).await {
            Ok(()) => Ok(done()),
            // The label is not where it was: somebody was faster.
            Err(error) if error.kind == ErrorKind::Invalid => Ok(overtaken(secret)),
            Err(error) => Err(error),
        }
    }
}

fn overtaken(secret: &str) -> Applied {
    Applied::Void(format!("somebody has changed secret {secret} since this was planned; plan it again"))
}
