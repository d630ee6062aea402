//! Writes to Cognito's clients and to their Secrets.
//!
//! The value of a secret goes from the random generator, or from Cognito, straight into Secrets Manager,
//! and from there to Cognito. No fact, no error and no log holds it.

use aws_sdk_cognitoidentityprovider::operation::create_user_pool_client::builders::CreateUserPoolClientFluentBuilder;
use aws_sdk_cognitoidentityprovider::types::UserPoolClientType;
use secrecy::{ExposeSecret, SecretString};

use super::lease::CLAIM;
use super::nothing;
use super::publish::Publication;
use crate::aws::cognito::shows_secret;
use crate::aws::credentials;
use crate::aws::draft::gone;
use crate::aws::{AwsCloud, error};
use crate::cloud::{CloudError, CloudResult, ErrorKind, TokenAnswer, TokenEndpoint};
use crate::core::operation::work::{Hold, Label, Proof, SecretCall, TokenProbe, Version, labelled};
use crate::core::operation::{Applied, Fact, Facts};

const ADD: &str = "cognito-idp:AddUserPoolClientSecret";
const CREATE: &str = "cognito-idp:CreateUserPoolClient";
const STAGE: &str = "secretsmanager:UpdateSecretVersionStage";

impl AwsCloud {
    pub(super) async fn write_secret(&self, call: &SecretCall) -> CloudResult<Applied> {
        let done = match call {
            SecretCall::TakeLease { lease, from, current } => {
                return self.take_lease(lease, from, current.as_deref()).await;
            }
            SecretCall::SealLease { lease } => self.seal_lease(lease).await.map(nothing),
            SecretCall::ReleaseLease { lease } => self.release_lease(lease).await.map(nothing),
            SecretCall::PublishClientSecret { pool, client, users, proof, token } => {
                let order = Publication { pool, client, users: users.as_deref(), proof, token };
                self.publish_client_secret(order).await.map(nothing)
            }
            SecretCall::StageNewSecret { client, secret, token } => self.stage_new_secret(client, secret, token).await,
            SecretCall::AddClientSecret { pool, client, probe, known } => {
                self.add_client_secret(pool, client, probe, known).await
            }
            SecretCall::DeleteClientSecret { pool, client, client_secret, hold } => {
                self.delete_client_secrets(pool, client, &|id| id == client_secret, hold).await.map(nothing)
            }
            SecretCall::DeleteOtherSecrets { pool, client, keep, hold } => {
                self.delete_client_secrets(pool, client, &|id| id != keep, hold).await.map(nothing)
            }
            SecretCall::CopyClient { pool, client, known } => self.copy_client(pool, client, known).await,
            SecretCall::StageClient { pool, client, secret, token, also_allow } => {
                self.stage_client(pool, client, secret, token, also_allow).await
            }
            SecretCall::AllowClients { clients, token, hold, proof } => {
                self.allow_clients(clients, token, hold, proof).await
            }
            SecretCall::Promote { token, client_secret, hold, proof } => {
                self.promote(token, client_secret.as_deref(), hold, proof).await
            }
            SecretCall::Republish { token, hold, proof } => self.republish(token, hold, proof).await,
            SecretCall::SetVariable { secret, key, current, operation, unset } => {
                return self.set_variable(secret, key, current, operation, *unset).await;
            }
            SecretCall::DeleteClient { pool, client, hold } => {
                self.delete_client(pool, client, hold).await.map(nothing)
            }
            SecretCall::DeleteOtherClients { pool, name, known, hold } => {
                self.delete_other_clients(pool, name, known, hold).await.map(nothing)
            }
        };
        done.map(Applied::Done)
    }

    async fn stage_new_secret(&self, client: &str, secret: &str, token: &str) -> CloudResult<Facts> {
        let make = async || {
            Ok(self.current_credentials(secret).await?.with_client(client, credentials::generate()?).written_by(token))
        };
        let version = self.put_version(secret, token, Label::Pending.as_str(), make).await?;
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
            Ok(self
                .current_credentials(secret)
                .await?
                .with_client(client, value)
                .with_allowed(also_allow)
                .written_by(token))
        };
        let version = self.put_version(secret, token, Label::Pending.as_str(), make).await?;
        Ok(pending(secret, version))
    }

    async fn allow_clients(&self, clients: &[String], token: &str, hold: &Hold, proof: &Proof) -> CloudResult<Facts> {
        let allowed = |version: &str| Facts::of(Fact::Allowed(hold.secret.clone()), version);
        let version = credentials::version_id(token, &hold.secret);
        let versions = self.held(hold, Some(&version)).await?;
        if labelled(&versions, Label::Current.as_str()) == Some(&version) {
            return Ok(allowed(&version));
        }
        let stored = self.stored_credentials(&hold.secret, &Version::Id(hold.current.clone())).await?;
        if stored.allowed() == clients {
            return Ok(allowed(&hold.current));
        }
        let made = stored.with_allowed(clients).written_by(&hold.operation);
        let version = self.put_version(&hold.secret, token, CLAIM, async || Ok(made)).await?;
        self.publish(hold, &version, proof).await?;
        Ok(allowed(&version))
    }

    async fn promote(
        &self,
        token: &str,
        client_secret: Option<&str>,
        hold: &Hold,
        proof: &Proof,
    ) -> CloudResult<Facts> {
        let secret = &hold.secret;
        let version = match (client_secret, &proof.probe.version) {
            (None, Version::Id(version)) => version.clone(),
            (Some(id), version) => {
                let make = async || {
                    Ok(self.stored_credentials(secret, version).await?.with_secret_id(id).written_by(&hold.operation))
                };
                self.put_version(secret, token, CLAIM, make).await?
            }
            (None, Version::Labelled(_)) => return Err(error::invalid(STAGE, "a version is published by its id")),
        };
        self.publish(hold, &version, proof).await?;
        Ok([(Fact::Previous(secret.clone()), hold.current.clone()), (Fact::Published(secret.clone()), version)].into())
    }

    async fn republish(&self, token: &str, hold: &Hold, proof: &Proof) -> CloudResult<Facts> {
        let version = credentials::version_id(token, &hold.secret);
        self.held(hold, Some(&version)).await?;
        let make = async || {
            let stored = self.stored_credentials(&hold.secret, &proof.probe.version).await?;
            Ok(stored.written_by(&hold.operation))
        };
        let version = self.put_version(&hold.secret, token, CLAIM, make).await?;
        self.publish(hold, &version, proof).await?;
        Ok(Facts::of(Fact::Republished(hold.secret.clone()), &version))
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

    /// Deletes the secrets of a client that are chosen by their ids. The last one is never among them.
    async fn delete_client_secrets(
        &self,
        pool: &str,
        client: &str,
        chosen: &(dyn Fn(&str) -> bool + Sync),
        hold: &Hold,
    ) -> CloudResult<()> {
        const DELETE: &str = "cognito-idp:DeleteUserPoolClientSecret";
        let listed = self.client_secrets(pool, client).await?.unwrap_or_default();
        let goes: Vec<_> = listed.into_iter().filter(|secret| chosen(&secret.id)).collect();
        if goes.is_empty() {
            return Ok(());
        }
        self.held(hold, None).await?;
        let in_force = self.read_secret_in_force(pool, client, &hold.secret).await?;
        if in_force.is_none_or(|id| goes.iter().any(|secret| secret.id == id)) {
            let why = format!(
                "the secret of client {client} that is in force would go, or it is not known which is: nothing was deleted"
            );
            return Err(CloudError::new(ErrorKind::Conflict, DELETE, why));
        }
        for secret in goes {
            self.held(hold, None).await?;
            let call = self.write.cognito.delete_user_pool_client_secret().user_pool_id(pool).client_id(client);
            let call = call.client_secret_id(secret.id);
            gone(call.send().await.map(drop).map_err(self.failed(DELETE)))?;
        }
        Ok(())
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

    async fn delete_client(&self, pool: &str, client: &str, hold: &Hold) -> CloudResult<()> {
        const DELETE: &str = "cognito-idp:DeleteUserPoolClient";
        self.held(hold, None).await?;
        let current = self.stored_credentials(&hold.secret, &Version::Id(hold.current.clone())).await?;
        if current.client_id() == Some(client) {
            let why = format!(
                "AWSCURRENT of secret {} holds the credentials of client {client}: the client was not deleted",
                hold.secret
            );
            return Err(CloudError::new(ErrorKind::Conflict, DELETE, why));
        }
        let call = self.write.cognito.delete_user_pool_client().user_pool_id(pool).client_id(client);
        gone(call.send().await.map(drop).map_err(self.failed(DELETE)))
    }

    /// Deletes the clients of this name that are not among the known ones.
    async fn delete_other_clients(&self, pool: &str, name: &str, known: &[String], hold: &Hold) -> CloudResult<()> {
        let listed = self.listed_clients(pool).await?;
        for other in listed.iter().filter(|other| other.name == name && !known.contains(&other.id)) {
            self.delete_client(pool, &other.id, hold).await?;
        }
        Ok(())
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
        .with_hint("take this rotation back, which deletes what is not in force, and rotate again")
}

fn pending(secret: &str, version: String) -> Facts {
    Facts::of(Fact::Pending(secret.to_owned()), version)
}

/// Copies every setting of a client to a request for a new one.
fn copied(call: CreateUserPoolClientFluentBuilder, from: UserPoolClientType) -> CreateUserPoolClientFluentBuilder {
    let confidential = shows_secret(&from);
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
