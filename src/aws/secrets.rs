//! Secrets Manager: the Secrets that carry clients' credentials, and their versions.
//!
//! "Secret" with a capital letter is an entry of Secrets Manager; a "secret" is a client's password.

use std::collections::BTreeMap;

use async_trait::async_trait;
use aws_sdk_secretsmanager::types::{Filter, FilterNameStringType, SecretListEntry};
use secrecy::ExposeSecret;

use super::convert::{some_text, text, time};
use super::credentials::{self, Credentials};
use super::{AwsCloud, error};
use crate::cloud::{CloudResult, ErrorKind, Secrets};
use crate::core::client::{Holder, SecretEntry, StoredSecret};
use crate::core::operation::variable::Variables;
use crate::core::operation::work::{LEASE, Label, Version, labelled};

const GET: &str = "secretsmanager:GetSecretValue";
/// The tag that names the client whose credentials a Secret holds.
const CLIENT_TAG: &str = "quarterdeck:client";

/// A Secret of the list, and what it says of the client that it belongs to.
pub(super) struct Entry {
    pub(super) secret: SecretEntry,
    /// Of its tag.
    pub(super) client: Option<String>,
    /// Its description, in which an id may stand.
    pub(super) description: String,
}

fn entry(found: SecretListEntry) -> Option<Entry> {
    let tag = found.tags().iter().find(|tag| tag.key() == Some(CLIENT_TAG));
    let labels = found.secret_versions_to_stages().filter(|versions| !versions.is_empty());
    let labels = labels.map(|versions| versions.values().flatten().any(|label| label != Label::Current.as_str()));
    Some(Entry {
        client: tag.and_then(|tag| some_text(tag.value())),
        description: text(found.description()),
        secret: SecretEntry {
            name: text(Some(found.name()?)),
            current_client: None,
            published: labels,
            changed_at: time(found.last_changed_date().or(found.created_date())),
        },
    })
}

#[async_trait]
impl Secrets for AwsCloud {
    async fn secret_versions(&self, secret: &str) -> CloudResult<BTreeMap<String, Vec<String>>> {
        self.within("secretsmanager:DescribeSecret", self.versions(secret)).await
    }

    async fn stored_secret(&self, secret: &str) -> CloudResult<StoredSecret> {
        self.within(GET, self.read_stored_secret(secret.to_owned())).await
    }

    async fn lease(&self, secret: &str) -> CloudResult<Option<Holder>> {
        let read = async {
            let versions = self.versions(secret).await?;
            match labelled(&versions, LEASE) {
                Some(version) => self.holder(secret, version).await.map(Some),
                None => Ok(None),
            }
        };
        self.within(GET, read).await
    }

    async fn variables(&self, secret: &str) -> CloudResult<Variables> {
        let read = async {
            let call = self.read.secrets.get_secret_value().secret_id(secret).version_stage(Label::Current.as_str());
            let answer = call.send().await.map_err(self.failed(GET))?;
            let missing = |what: &str| error::invalid(GET, format!("secret {secret} {what}"));
            let held = Credentials::parse(secret, answer.secret_string().ok_or_else(|| missing("holds no text"))?)?;
            let version = answer.version_id().ok_or_else(|| missing("has no version"))?.to_owned();
            Ok(Variables { version, keys: held.keys() })
        };
        self.within(GET, read).await
    }

    async fn secret_arn(&self, name: &str) -> CloudResult<Option<String>> {
        const LIST: &str = "secretsmanager:ListSecrets";
        let filter = Filter::builder().key(FilterNameStringType::Name).values(name).build();
        let read = async {
            let pages = self.read.secrets.list_secrets().filters(filter).into_paginator().send();
            let found: Vec<_> = pages.try_collect().await.map_err(self.failed(LIST))?;
            let mut entries = found.into_iter().flat_map(|page| page.secret_list.unwrap_or_default());
            // The filter takes every name that begins so.
            Ok(entries.find(|entry| entry.name() == Some(name)).and_then(|entry| some_text(entry.arn())))
        };
        self.within(LIST, read).await
    }
}

impl AwsCloud {
    /// The credentials that a version holds.
    pub(super) async fn stored_credentials(&self, secret: &str, version: &Version) -> CloudResult<Credentials> {
        let call = self.read.secrets.get_secret_value().secret_id(secret);
        let call = match version {
            Version::Id(id) => call.version_id(id),
            Version::Labelled(label) => call.version_stage(label.as_str()),
        };
        let answer = call.send().await.map_err(self.failed(GET))?;
        let text =
            answer.secret_string().ok_or_else(|| error::invalid(GET, format!("secret {secret} holds no text")))?;
        Credentials::parse(secret, text)
    }

    /// The credentials in `AWSCURRENT`; empty if the Secret has no value yet.
    pub(super) async fn current_credentials(&self, secret: &str) -> CloudResult<Credentials> {
        match self.stored_credentials(secret, &Version::Labelled(Label::Current)).await {
            Err(error) if error.kind == ErrorKind::NotFound => {
                // The Secret itself must exist: its stack creates it.
                self.versions(secret).await?;
                Ok(Credentials::default())
            }
            other => other,
        }
    }

    /// The ids of versions that have labels, with these labels.
    pub(super) async fn versions(&self, secret: &str) -> CloudResult<BTreeMap<String, Vec<String>>> {
        let call = self.read.secrets.describe_secret().secret_id(secret);
        let answer = call.send().await.map_err(self.failed("secretsmanager:DescribeSecret"))?;
        Ok(answer.version_ids_to_stages.unwrap_or_default().into_iter().collect())
    }

    /// Writes a version with a label, which leaves the version that had it, unless this operation has written
    /// it already, and returns its id.
    /// `token` is the same whenever the operation repeats the step.
    ///
    /// `make` is called only if a version must be written, because it may generate a new value.
    pub(super) async fn put_version<F>(&self, secret: &str, token: &str, label: &str, make: F) -> CloudResult<String>
    where
        F: AsyncFnOnce() -> CloudResult<Credentials>,
    {
        let version = credentials::version_id(token, secret);
        if self.versions(secret).await?.contains_key(&version) {
            return Ok(version);
        }
        let json = make().await?.to_json()?;
        let call = self.write.secrets.put_secret_value().secret_id(secret).secret_string(json.expose_secret());
        let call = call.version_stages(label).client_request_token(&version);
        match call.send().await {
            // It was written before and has lost its label since. It stays as it is.
            Err(failure) if failure.as_service_error().is_some_and(|error| error.is_resource_exists_exception()) => {}
            answer => drop(answer.map_err(self.failed("secretsmanager:PutSecretValue"))?),
        }
        Ok(version)
    }

    /// Moves a label from a version to another; without `to` it is taken off. It fails if another version
    /// than `from` has it. With `AWSCURRENT`, AWS moves `AWSPREVIOUS` to the one that had it (API reference,
    /// UpdateSecretVersionStage).
    pub(super) async fn move_label(
        &self,
        secret: &str,
        label: &str,
        from: Option<&str>,
        to: Option<&str>,
    ) -> CloudResult<()> {
        let call = self.write.secrets.update_secret_version_stage().secret_id(secret).version_stage(label);
        let call = call.set_move_to_version_id(to.map(ToOwned::to_owned));
        let call = call.set_remove_from_version_id(from.map(ToOwned::to_owned));
        call.send().await.map(drop).map_err(self.failed("secretsmanager:UpdateSecretVersionStage"))
    }

    /// The Secrets of an environment's machine clients, without a look at their values.
    pub(super) async fn secret_entries(&self, environment: &str) -> CloudResult<Vec<Entry>> {
        let prefix = format!("quarterdeck/{environment}/");
        let filter = Filter::builder().key(FilterNameStringType::Name).values(&prefix).build();
        let pages = self.read.secrets.list_secrets().filters(filter).into_paginator().send();
        let found: Vec<_> = pages.try_collect().await.map_err(self.failed("secretsmanager:ListSecrets"))?;
        let entries = found.into_iter().flat_map(|page| page.secret_list.unwrap_or_default()).filter_map(entry);
        // The filter of ListSecrets ignores case, so the names are compared again here.
        Ok(entries.filter(|entry| entry.secret.name.starts_with(&prefix)).collect())
    }

    pub(super) async fn read_stored_secret(&self, name: String) -> CloudResult<StoredSecret> {
        let call = self.read.secrets.get_secret_value().secret_id(&name).version_stage(Label::Current.as_str());
        let answer = match call.send().await.map_err(self.failed(GET)) {
            Ok(answer) => answer,
            Err(error) if error.kind == ErrorKind::NotFound => {
                let (current_client, allowed_clients) = (None, Vec::new());
                let written_by = None;
                return Ok(StoredSecret {
                    name,
                    current_client,
                    allowed_clients,
                    written_by,
                    has_secret: false,
                    changed_at: None,
                });
            }
            Err(error) => return Err(error),
        };
        // A Secret that we did not make may hold anything.
        let held = answer.secret_string().and_then(|text| Credentials::parse(&name, text).ok()).unwrap_or_default();
        Ok(StoredSecret {
            current_client: held.client_id().map(|id| text(Some(id))),
            has_secret: held.secret().is_some(),
            written_by: held.writer().map(|id| text(Some(id))),
            allowed_clients: held.allowed(),
            changed_at: time(answer.created_date()),
            name,
        })
    }
}
