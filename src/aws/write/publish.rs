//! What a deploy sees to: that `AWSCURRENT` of a server's Secret holds credentials that work.

use std::collections::BTreeMap;

use secrecy::{ExposeSecret, SecretString};

use super::lease::CLAIM;
use crate::aws::cognito::{Listed, client_name};
use crate::aws::credentials::{self, Credentials};
use crate::aws::{AwsCloud, error};
use crate::cloud::{CloudError, CloudResult, ErrorKind, TokenAnswer, TokenEndpoint};
use crate::core::operation::work::{LEASE, Label, Proof, TokenProbe, Version, labelled};

const PUBLISH: &str = "secretsmanager:PutSecretValue";

/// A deploy's order to publish the credentials of a server's machine client.
pub(super) struct Publication<'a> {
    pub(super) pool: &'a str,
    /// The client that the stack made.
    pub(super) client: &'a str,
    /// The client for people that the stack made.
    pub(super) users: Option<&'a str>,
    /// Names the Secret and the token endpoint.
    pub(super) proof: &'a Proof,
    /// The same whenever the operation repeats the step.
    pub(super) token: &'a str,
}

impl AwsCloud {
    /// Does nothing if the stored credentials open the token endpoint and the list of clients is right.
    /// Otherwise it publishes credentials that do, of the client that is stored, or else of the one that the
    /// stack made, or else of the newest one of that name.
    pub(super) async fn publish_client_secret(&self, order: Publication<'_>) -> CloudResult<()> {
        let secret = &order.proof.probe.secret;
        let versions = self.versions(secret).await?;
        let before = labelled(&versions, Label::Current.as_str()).map(str::to_owned);
        let stored = self.current_credentials(secret).await?;
        let listed = self.listed_clients(order.pool).await?;
        let opens = stored.secret().is_some() && self.opens(order.proof, Version::Labelled(Label::Current)).await?;
        if opens {
            let accept = accepted(&order, &listed, &stored, stored.client_id().unwrap_or_default());
            // Whoever has reserved the client sees to the list, too.
            if stored.allowed() == accept || labelled(&versions, LEASE).is_some() {
                return Ok(());
            }
            let made = stored.with_allowed(&accept).written_by(order.token);
            return self.put_in_force(&order, before.as_deref(), "list", made).await;
        }
        let client = chosen(&order, &listed, &stored)?;
        let accept = accepted(&order, &listed, &stored, &client);
        if let Some(value) = self.known_value(&order, &client, &versions).await? {
            let made = stored.with_client(&client, value).with_allowed(&accept).written_by(order.token);
            return self.put_in_force(&order, before.as_deref(), "publish", made).await;
        }
        self.add_value(&order, &client, before.as_deref(), stored.with_allowed(&accept).written_by(order.token)).await
    }

    async fn opens(&self, proof: &Proof, version: Version) -> CloudResult<bool> {
        let answer = self.token(&TokenProbe { version, ..proof.probe.clone() }).await?;
        Ok(matches!(answer, TokenAnswer::Granted(_)))
    }

    /// A secret of the client whose value is known and opens the token endpoint: Cognito's own, or that of a
    /// version which still has a label.
    async fn known_value(
        &self,
        order: &Publication<'_>,
        client: &str,
        versions: &BTreeMap<String, Vec<String>>,
    ) -> CloudResult<Option<SecretString>> {
        let described = self.describe_client(order.pool, client).await?;
        if let Some(value) = described.client_secret.filter(|value| !value.is_empty()) {
            return Ok(Some(value.into()));
        }
        let secret = &order.proof.probe.secret;
        let mut unread = None;
        for version in versions.keys() {
            let version = Version::Id(version.clone());
            let held = match self.stored_credentials(secret, &version).await {
                Ok(held) => held,
                // Another version may hold what is looked for. If none does, nothing is known of this one.
                Err(error) => {
                    unread = Some(error);
                    continue;
                }
            };
            if let Some(value) = held.secret().filter(|_| held.client_id() == Some(client))
                && self.opens(order.proof, version).await?
            {
                return Ok(Some(value.clone()));
            }
        }
        unread.map_or(Ok(None), Err)
    }

    /// Gives the client a further secret, whose value is stored before Cognito gets it.
    async fn add_value(
        &self,
        order: &Publication<'_>,
        client: &str,
        before: Option<&str>,
        stored: Credentials,
    ) -> CloudResult<()> {
        const ADD: &str = "cognito-idp:AddUserPoolClientSecret";
        let secret = &order.proof.probe.secret;
        let make = async || Ok(stored.with_client(client, credentials::generate()?));
        let token = format!("{} add after {}", order.token, before.unwrap_or_default());
        let version = self.put_version(secret, &token, CLAIM, make).await?;
        if !self.opens(order.proof, Version::Id(version.clone())).await? {
            let staged = self.stored_credentials(secret, &Version::Id(version.clone())).await?;
            let value = staged.secret().ok_or_else(|| error::invalid(ADD, "the staged value is gone"))?;
            let call = self.write.cognito.add_user_pool_client_secret().user_pool_id(order.pool).client_id(client);
            let added = call.client_secret(value.expose_secret()).send().await.map_err(self.failed(ADD));
            added.map_err(|error| {
                error.with_hint("the client has two secrets whose values are lost: delete one of them in Cognito")
            })?;
        }
        self.move_proven(order, before, &version).await
    }

    /// Writes a version and publishes it, if its credentials open the token endpoint.
    async fn put_in_force(
        &self,
        order: &Publication<'_>,
        before: Option<&str>,
        what: &str,
        made: Credentials,
    ) -> CloudResult<()> {
        let token = format!("{} {what} after {}", order.token, before.unwrap_or_default());
        let version = self.put_version(&order.proof.probe.secret, &token, CLAIM, async || Ok(made)).await?;
        self.move_proven(order, before, &version).await
    }

    async fn move_proven(&self, order: &Publication<'_>, before: Option<&str>, version: &str) -> CloudResult<()> {
        let secret = &order.proof.probe.secret;
        if !self.opens(order.proof, Version::Id(version.to_owned())).await? {
            // Cognito may take some seconds to know a new secret.
            let why = format!("the token endpoint does not accept the credentials for secret {secret} yet");
            return Err(CloudError::new(ErrorKind::Service, PUBLISH, why));
        }
        self.move_label(secret, Label::Current.as_str(), before, Some(version)).await
    }
}

/// The client whose credentials are to be published.
fn chosen(order: &Publication<'_>, listed: &[Listed], stored: &Credentials) -> CloudResult<String> {
    let exists = |id: &str| listed.iter().any(|client| client.id == id);
    let name = client_name(&order.proof.probe.secret);
    let named = listed.iter().rfind(|client| Some(&client.name) == name.as_ref()).map(|client| client.id.as_str());
    let wanted = stored.client_id().filter(|id| exists(id)).or_else(|| Some(order.client).filter(|id| exists(id)));
    wanted.or(named).map(str::to_owned).ok_or_else(|| {
        let why = format!("client {} of user pool {} does not exist any more", order.client, order.pool);
        error::invalid(PUBLISH, why)
            .with_hint("somebody has deleted it; destroy the server's stack and deploy it again")
    })
}

/// The clients that the server is to accept: the one whose credentials are stored, the one for people, and
/// what is in the list and still exists.
fn accepted(order: &Publication<'_>, listed: &[Listed], stored: &Credentials, client: &str) -> Vec<String> {
    let exists = |id: &String| listed.iter().any(|client| client.id == *id);
    let mut accept: Vec<String> = stored.allowed().into_iter().filter(exists).collect();
    let own = [Some(client), order.users].into_iter().flatten().map(str::to_owned).filter(exists);
    for id in own {
        if !accept.contains(&id) {
            accept.push(id);
        }
    }
    accept
}
