//! Writes to Cognito's clients and to their Secrets.
//!
//! The value of a secret goes from the random generator, or from Cognito, straight into Secrets Manager,
//! and from there to Cognito. No fact, no error and no log holds it.

use aws_sdk_cognitoidentityprovider::operation::create_user_pool_client::builders::CreateUserPoolClientFluentBuilder;
use aws_sdk_cognitoidentityprovider::types::UserPoolClientType;
use secrecy::{ExposeSecret, SecretString};

use super::nothing;
use crate::aws::credentials;
use crate::aws::draft::gone;
use crate::aws::{AwsCloud, error};
use crate::cloud::{CloudError, CloudResult, ErrorKind, TokenAnswer, TokenEndpoint};
use crate::core::operation::work::{Label, SecretCall, TokenProbe};
use crate::core::operation::{Fact, Facts};

const ADD: &str = "cognito-idp:AddUserPoolClientSecret";
const CREATE: &str = "cognito-idp:CreateUserPoolClient";

impl AwsCloud {
    pub(super) async fn write_secret(&self, call: &SecretCall) -> CloudResult<Facts> {
        match call {
            SecretCall::PublishClientSecret { pool, client, secret } => {
                self.publish_client_secret(pool, client, secret).await.map(nothing)
            }
            SecretCall::StageNewSecret { client, secret, token } => self.stage_new_secret(client, secret, token).await,
            SecretCall::AddClientSecret { pool, client, probe, known } => {
                self.add_client_secret(pool, client, probe, known).await
            }
            SecretCall::DeleteClientSecret { pool, client, client_secret, secret, published } => {
                self.delete_client_secret(pool, client, client_secret, (secret, published)).await.map(nothing)
            }
            SecretCall::CopyClient { pool, client, known } => self.copy_client(pool, client, known).await,
            SecretCall::StageClient { pool, client, secret, token, also_allow } => {
                self.stage_client(pool, client, secret, token, also_allow).await
            }
            SecretCall::AllowClients { secret, clients, token } => {
                self.allow_clients(secret, clients, token).await.map(nothing)
            }
            SecretCall::Promote { secret, version } => self.promote(secret, version).await,
            SecretCall::DeleteClient { pool, client, secret } => {
                self.delete_client(pool, client, secret).await.map(nothing)
            }
        }
    }

    /// Used after a deploy. The stack has made the client and an empty Secret; this stores the client's
    /// credentials in the Secret.
    async fn publish_client_secret(&self, pool: &str, client: &str, secret: &str) -> CloudResult<()> {
        let current = self.current_credentials(secret).await?;
        if current.secret().is_some() {
            return Ok(());
        }
        let value = self.client_secret_value(pool, client).await?;
        let from = self.version_at(secret, Label::Current).await?.unwrap_or_default();
        let token = format!("publish {client} after {from}");
        let make = async || Ok(current.with_client(client, value));
        self.put_version(secret, &token, Label::Current, make).await.map(drop)
    }

    async fn stage_new_secret(&self, client: &str, secret: &str, token: &str) -> CloudResult<Facts> {
        let make = async || Ok(self.current_credentials(secret).await?.with_client(client, credentials::generate()?));
        let version = self.put_version(secret, token, Label::Pending, make).await?;
        Ok(pending(secret, version))
    }

    async fn stage_client(
        &self,
        pool: &str,
        client: &str,
        secret: &str,
        token: &str,
        also_allow: &[String],
    ) -> CloudResult<Facts> {
        let make = async || {
            let value = self.client_secret_value(pool, client).await?;
            Ok(self.current_credentials(secret).await?.with_client(client, value).with_allowed(also_allow))
        };
        let version = self.put_version(secret, token, Label::Pending, make).await?;
        Ok(pending(secret, version))
    }

    async fn allow_clients(&self, secret: &str, clients: &[String], token: &str) -> CloudResult<()> {
        let make = async || Ok(self.current_credentials(secret).await?.with_allowed(clients));
        self.put_version(secret, token, Label::Current, make).await.map(drop)
    }

    /// If the client has a secret that it did not have when this was planned, an earlier attempt may have
    /// added it. It is ours if the value we stored first opens it; else another machine rotates the same
    /// client, which is a conflict.
    async fn add_client_secret(
        &self,
        pool: &str,
        client: &str,
        probe: &TokenProbe,
        known: &[String],
    ) -> CloudResult<Facts> {
        let secret = &probe.secret;
        if let Some(added) = self.unknown_secret(pool, client, known).await? {
            return match self.token(probe).await? {
                TokenAnswer::Granted(_) => Ok(Facts::of(Fact::ClientSecret, added)),
                TokenAnswer::Refused(_) => Err(not_ours(client, &added)),
            };
        }
        let staged = self.stored_credentials(secret, &probe.version).await?;
        let value =
            staged.secret().ok_or_else(|| error::invalid(ADD, format!("secret {secret} has no staged value")))?;
        let call = self.write.cognito.add_user_pool_client_secret().user_pool_id(pool).client_id(client);
        let answer = call.client_secret(value.expose_secret()).send().await.map_err(self.failed(ADD))?;
        let added = answer.client_secret_descriptor().and_then(|found| found.client_secret_id());
        let added = added.ok_or_else(|| error::garbled(ADD, "the answer names no secret"))?;
        Ok(Facts::of(Fact::ClientSecret, added))
    }

    async fn unknown_secret(&self, pool: &str, client: &str, known: &[String]) -> CloudResult<Option<String>> {
        let secrets = self.client_secrets(pool, client).await?.unwrap_or_default();
        let mut unknown = secrets.into_iter().map(|secret| secret.id).filter(|id| !known.contains(id));
        Ok(unknown.next_back())
    }

    /// Deletes a secret of a client. `published` is a Secret and its version that must be `AWSCURRENT`.
    async fn delete_client_secret(
        &self,
        pool: &str,
        client: &str,
        id: &str,
        published: (&str, &str),
    ) -> CloudResult<()> {
        let listed = match self.client_secrets(pool, client).await {
            Err(error) if error.kind == ErrorKind::NotFound => return Ok(()),
            other => other?,
        };
        if listed.is_some_and(|secrets| !secrets.iter().any(|secret| secret.id == id)) {
            return Ok(());
        }
        self.must_be_published(published).await?;
        let call = self.write.cognito.delete_user_pool_client_secret().user_pool_id(pool).client_id(client);
        let call = call.client_secret_id(id);
        gone(call.send().await.map(drop).map_err(self.failed("cognito-idp:DeleteUserPoolClientSecret")))
    }

    /// An error unless the version is `AWSCURRENT`. Callers read `AWSCURRENT`, so nothing is deleted while
    /// it may hold what would be deleted.
    async fn must_be_published(&self, (secret, version): (&str, &str)) -> CloudResult<()> {
        let current = self.version_at(secret, Label::Current).await?;
        if current.as_deref() == Some(version) {
            return Ok(());
        }
        let current = current.map_or_else(|| "none".to_owned(), |current| format!("version {current:?}"));
        let why = format!("AWSCURRENT of secret {secret} is {current}, not {version:?}: nothing was deleted");
        Err(CloudError::new(ErrorKind::Conflict, "cognito-idp:DeleteUserPoolClientSecret", why)
            .with_hint("somebody else has published another version; look at the secret before you go on"))
    }

    async fn copy_client(&self, pool: &str, client: &str, known: &[String]) -> CloudResult<Facts> {
        let original = self.describe_client(pool, client).await?;
        let name = original.client_name().unwrap_or_default();
        let listed = self.listed_clients(pool).await?;
        let ours = listed.iter().find(|other| other.name == name && other.id != client && !known.contains(&other.id));
        if let Some(ours) = ours {
            return Ok(Facts::of(Fact::Client, &ours.id));
        }
        let call = copied(self.write.cognito.create_user_pool_client().user_pool_id(pool), original);
        let answer = call.send().await.map_err(self.failed(CREATE))?;
        let id = answer.user_pool_client().and_then(|client| client.client_id());
        let id = id.ok_or_else(|| error::garbled(CREATE, "the answer names no client"))?;
        Ok(Facts::of(Fact::Client, id))
    }

    /// Moves `AWSCURRENT` to a version and returns the version that had it. If an earlier attempt has
    /// moved it already, that is the one with `AWSPREVIOUS`.
    async fn promote(&self, secret: &str, version: &str) -> CloudResult<Facts> {
        let current = self.version_at(secret, Label::Current).await?;
        let previous = if current.as_deref() == Some(version) {
            self.version_at(secret, Label::Previous).await?
        } else {
            self.move_current(secret, version, current.as_deref()).await?;
            current
        };
        Ok(previous.map(|previous| Facts::of(Fact::Previous(secret.to_owned()), previous)).unwrap_or_default())
    }

    async fn delete_client(&self, pool: &str, client: &str, secret: &str) -> CloudResult<()> {
        if self.current_credentials(secret).await?.client_id() == Some(client) {
            let why = format!(
                "AWSCURRENT of secret {secret} holds the credentials of client {client}: the client was not deleted"
            );
            return Err(CloudError::new(ErrorKind::Conflict, "cognito-idp:DeleteUserPoolClient", why)
                .with_hint("somebody else has published them again; look at the secret before you go on"));
        }
        let call = self.write.cognito.delete_user_pool_client().user_pool_id(pool).client_id(client);
        gone(call.send().await.map(drop).map_err(self.failed("cognito-idp:DeleteUserPoolClient")))
    }

    /// The client secret that Cognito has generated.
    async fn client_secret_value(&self, pool: &str, client: &str) -> CloudResult<SecretString> {
        const CALL: &str = "cognito-idp:DescribeUserPoolClient";
        let described = self.describe_client(pool, client).await?;
        let value = described.client_secret.filter(|value| !value.is_empty());
        value.map(SecretString::from).ok_or_else(|| error::invalid(CALL, format!("client {client} has no secret")))
    }
}

fn not_ours(client: &str, added: &str) -> CloudError {
    let why = format!("client {client} has a second secret, {added}, which is not the one that was stored for it");
    CloudError::new(ErrorKind::Conflict, ADD, why)
        .with_hint("another machine rotates this client, or Cognito does not know the secret yet; resume in a minute")
}

fn pending(secret: &str, version: String) -> Facts {
    Facts::of(Fact::Pending(secret.to_owned()), version)
}

/// Copies every setting of a client to a request for a new one.
fn copied(call: CreateUserPoolClientFluentBuilder, from: UserPoolClientType) -> CreateUserPoolClientFluentBuilder {
    let confidential = from.client_secret().is_some_and(|secret| !secret.is_empty());
    call.set_client_name(from.client_name)
        .generate_secret(confidential)
        // The SDK writes "not given" as zero.
        .set_refresh_token_validity(Some(from.refresh_token_validity).filter(|days| *days > 0))
        .set_access_token_validity(from.access_token_validity)
        .set_id_token_validity(from.id_token_validity)
        .set_token_validity_units(from.token_validity_units)
        .set_read_attributes(from.read_attributes)
        .set_write_attributes(from.write_attributes)
        .set_explicit_auth_flows(from.explicit_auth_flows)
        .set_supported_identity_providers(from.supported_identity_providers)
        .set_callback_urls(from.callback_urls)
        .set_logout_urls(from.logout_urls)
        .set_default_redirect_uri(from.default_redirect_uri)
        .set_allowed_o_auth_flows(from.allowed_o_auth_flows)
        .set_allowed_o_auth_scopes(from.allowed_o_auth_scopes)
        .set_allowed_o_auth_flows_user_pool_client(from.allowed_o_auth_flows_user_pool_client)
        .set_analytics_configuration(from.analytics_configuration)
        .set_prevent_user_existence_errors(from.prevent_user_existence_errors)
        .set_enable_token_revocation(from.enable_token_revocation)
        .set_enable_propagate_additional_user_context_data(from.enable_propagate_additional_user_context_data)
        .set_auth_session_validity(from.auth_session_validity)
        .set_refresh_token_rotation(from.refresh_token_rotation)
}
