//! Cognito's app clients, and the ids and dates of their secrets.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use aws_sdk_cognitoidentityprovider::types as sdk;
use futures::{StreamExt, join, stream};
use secrecy::ExposeSecret;

use super::convert::{text, time};
use super::secrets::Entry;
use super::{AwsCloud, error};
use crate::cloud::{Clients, CloudResult, ErrorKind};
use crate::core::client::{Client, ClientList, ClientSecret, Details, SecretEntry};
use crate::core::operation::work::{Label, Version};
use crate::core::unread::Read;
use crate::core::user::Lifetimes;

const DESCRIBE: &str = "cognito-idp:DescribeUserPoolClient";
const SECRETS: &str = "cognito-idp:ListUserPoolClientSecrets";
/// Clients that are read at the same time. Cognito allows an account some fifteen of these calls a second,
/// whoever makes them ("Quotas in Amazon Cognito", UserPoolClientRead).
const TOGETHER: usize = 2;
/// How long a client's description counts. It changes with a deploy only, and what reads it to act on it reads
/// it anew.
const FRESH: Duration = Duration::from_secs(60);

/// A client of a pool, as ListUserPoolClients names it.
#[derive(Clone)]
pub(super) struct Listed {
    pub(super) id: String,
    pub(super) name: String,
}

#[async_trait]
impl Clients for AwsCloud {
    async fn clients(&self, pool: &str, environment: &str) -> CloudResult<ClientList> {
        self.forget_clients();
        self.within("cognito-idp:ListUserPoolClients", self.read_clients(pool, environment)).await
    }

    async fn clients_lately(&self, pool: &str, environment: &str) -> CloudResult<ClientList> {
        self.within("cognito-idp:ListUserPoolClients", self.read_clients(pool, environment)).await
    }

    async fn has_dual_secrets(&self, pool: &str, client: &str) -> CloudResult<bool> {
        let read = self.client_secrets(pool, client);
        Ok(self.within("cognito-idp:ListUserPoolClientSecrets", read).await?.is_some())
    }

    async fn secret_in_force(&self, pool: &str, client: &str, secret: &str) -> CloudResult<Option<String>> {
        self.within(SECRETS, self.read_secret_in_force(pool, client, secret)).await
    }
}

impl AwsCloud {
    pub(super) async fn read_clients(&self, pool: &str, environment: &str) -> CloudResult<ClientList> {
        let stored = async {
            match environment {
                "" => Ok(Vec::new()),
                environment => self.secret_entries(environment).await,
            }
        };
        let (clients, stored) = join!(self.pool_clients(pool), stored);
        let mut clients = clients?;
        match stored {
            Ok(stored) => self.attach(&mut clients, stored).await,
            Err(error) => clients.iter_mut().for_each(|client| client.stored_in = Read::NotRead(error.clone())),
        }
        clients.sort_by(|a, b| (&a.name, b.created_at()).cmp(&(&b.name, a.created_at())));
        Ok(ClientList { pool: pool.to_owned(), clients })
    }

    /// Ids and names of a pool's clients.
    pub(super) async fn listed_clients(&self, pool: &str) -> CloudResult<Vec<Listed>> {
        let call = self.read.cognito.list_user_pool_clients().user_pool_id(pool);
        let pages = call.into_paginator().page_size(60).items().send();
        let found: Vec<_> = pages.try_collect().await.map_err(self.failed("cognito-idp:ListUserPoolClients"))?;
        let listed = found
            .into_iter()
            .filter_map(|found| Some(Listed { id: found.client_id?, name: found.client_name.unwrap_or_default() }));
        Ok(listed.collect())
    }

    async fn pool_clients(&self, pool: &str) -> CloudResult<Vec<Client>> {
        let listed = self.listed_clients(pool).await?;
        let read = stream::iter(listed).map(|listed| self.client(pool, listed));
        let read: Vec<Option<Client>> = read.buffered(TOGETHER).collect().await;
        Ok(read.into_iter().flatten().collect())
    }

    /// A client with everything that could be read about it, its description now or lately; `None` if it was deleted after it was
    /// listed.
    async fn client(&self, pool: &str, listed: Listed) -> Option<Client> {
        let key = (pool.to_owned(), listed.id.clone());
        let lately = |(at, _): &&(Instant, Client)| at.elapsed() < FRESH;
        let known = self.lately().get(&key).filter(lately).map(|(_, client)| client.clone());
        if let Some(mut client) = known {
            // A rotation changes the secrets, which are worth a call where there are any.
            if !client.public() {
                client.secrets = self.client_secrets(pool, &listed.id).await.into();
            }
            return Some(client);
        }
        let client = self.read_client(pool, listed).await?;
        if client.details.known().is_some() && client.secrets.known().is_some() {
            self.lately().insert(key, (Instant::now(), client.clone()));
        }
        Some(client)
    }

    fn lately(&self) -> MutexGuard<'_, HashMap<(String, String), (Instant, Client)>> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads every client anew: somebody acts on it, or has changed one.
    pub(super) fn forget_clients(&self) {
        self.lately().clear();
    }

    async fn read_client(&self, pool: &str, listed: Listed) -> Option<Client> {
        let described = match self.describe_client(pool, &listed.id).await {
            Ok(described) => described,
            Err(error) if error.kind == ErrorKind::NotFound => return None,
            Err(error) => {
                let (details, secrets) = (Read::NotRead(error.clone()), Read::NotRead(error));
                return Some(client(listed, details, secrets));
            }
        };
        // Cognito shows the original secret only, and nothing once that is deleted, so that a client which
        // shows none may have others (AddUserPoolClientSecret).
        let secrets = self.client_secrets(pool, &listed.id).await;
        let details = details(&described, &secrets);
        let secrets = match (details.confidential, secrets) {
            // An endpoint that does not list secrets knows one at most, and this client has none.
            (Some(false), Ok(None)) => Ok(Some(Vec::new())),
            (_, secrets) => secrets,
        };
        let name = text(described.client_name().or(Some(&listed.name)));
        Some(client(Listed { name, ..listed }, Read::Known(details), secrets.into()))
    }

    /// The Secret says it where a rotation has published it. If not, it can be the original secret alone, and
    /// then the value is the one that Cognito shows.
    pub(super) async fn read_secret_in_force(
        &self,
        pool: &str,
        client: &str,
        secret: &str,
    ) -> CloudResult<Option<String>> {
        let stored = self.stored_credentials(secret, &Version::Labelled(Label::Current)).await?;
        let listed = self.client_secrets(pool, client).await?.unwrap_or_default();
        if let Some(id) = stored.secret_id().filter(|id| listed.iter().any(|secret| secret.id == *id)) {
            return Ok(Some(id.to_owned()));
        }
        if let [only] = listed.as_slice() {
            return Ok(Some(only.id.clone()));
        }
        let original = self.describe_client(pool, client).await?.client_secret.unwrap_or_default();
        let is_original = stored.secret().is_some_and(|value| value.expose_secret() == original);
        Ok(listed.first().filter(|_| is_original).map(|oldest| oldest.id.clone()))
    }

    pub(super) async fn describe_client(&self, pool: &str, client: &str) -> CloudResult<sdk::UserPoolClientType> {
        let call = self.read.cognito.describe_user_pool_client().user_pool_id(pool).client_id(client);
        let answer = call.send().await.map_err(self.failed(DESCRIBE))?;
        answer.user_pool_client.ok_or_else(|| error::garbled(DESCRIBE, "the answer holds no client"))
    }

    /// A client's secrets, oldest first; `None` if the endpoint lacks the call. That is remembered, and
    /// the endpoint is not asked again.
    pub(super) async fn client_secrets(&self, pool: &str, client: &str) -> CloudResult<Option<Vec<ClientSecret>>> {
        if self.single_secret.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let (mut secrets, mut token) = (Vec::new(), None);
        // A client has at most two secrets, so a list of more than four pages is not to be believed.
        for _ in 0..4 {
            let call = self.read.cognito.list_user_pool_client_secrets().user_pool_id(pool).client_id(client);
            let answer = match call.set_next_token(token).send().await.map_err(self.failed(SECRETS)) {
                Ok(answer) => answer,
                Err(error) if error.kind == ErrorKind::Unsupported => {
                    self.single_secret.store(true, Ordering::Relaxed);
                    return Ok(None);
                }
                Err(error) => return Err(error),
            };
            secrets.extend(answer.client_secrets().iter().filter_map(client_secret));
            token = answer.next_token.filter(|token| !token.is_empty());
            if token.is_none() {
                secrets.sort_by_key(|secret: &ClientSecret| secret.created_at);
                return Ok(Some(secrets));
            }
        }
        Err(error::garbled(SECRETS, "the list of secrets does not end"))
    }

    /// Gives each client the Secret that holds its credentials: the one whose tag or description names it, or
    /// else by name: `quarterdeck/<environment>/<server>/machine-client` belongs to the client that is called
    /// `<environment>-<server>-machine`. Where several are called so, as while one replaces the other, the value
    /// alone says whose it is.
    async fn attach(&self, clients: &mut [Client], entries: Vec<Entry>) {
        for Entry { mut secret, client, description } in entries {
            let named = client_name(&secret.name);
            let alike = clients.iter().filter(|client| Some(&client.name) == named.as_ref()).count();
            let told = |other: &Client| {
                client.as_ref() == Some(&other.id) || description.split_whitespace().any(|word| word == other.id)
            };
            let read = match clients.iter().position(told).filter(|_| alike < 2) {
                Some(at) => {
                    secret.current_client = Some(clients[at].id.clone());
                    Ok(Some(at))
                }
                None if alike < 2 => Ok(clients.iter().position(|client| Some(&client.name) == named.as_ref())),
                None => self.read_stored_secret(secret.name.clone()).await.map(|held| {
                    secret.current_client = held.current_client;
                    owner(clients, &secret, named.as_ref())
                }),
            };
            match read {
                Ok(Some(at)) => clients[at].stored_in = Read::Known(Some(secret)),
                Ok(None) => {}
                Err(error) => {
                    let these = clients.iter_mut().filter(|client| Some(&client.name) == named.as_ref());
                    these.for_each(|client| client.stored_in = Read::NotRead(error.clone()));
                }
            }
        }
    }
}

/// The client that a Secret of which the value is known belongs to; the newest of the name where its id is
/// that of none.
fn owner(clients: &[Client], secret: &SecretEntry, named: Option<&String>) -> Option<usize> {
    let by_id = clients.iter().position(|client| Some(&client.id) == secret.current_client.as_ref());
    let alike = clients.iter().enumerate().filter(|(_, client)| Some(&client.name) == named);
    by_id.or_else(|| alike.max_by_key(|(_, client)| client.created_at()).map(|(index, _)| index))
}

fn client_secret(found: &sdk::ClientSecretDescriptorType) -> Option<ClientSecret> {
    let id = text(Some(found.client_secret_id()?));
    Some(ClientSecret { id, created_at: time(found.client_secret_create_date()) })
}

/// A client for which no Secret in Secrets Manager is known yet.
fn client(listed: Listed, details: Read<Details>, secrets: Read<Option<Vec<ClientSecret>>>) -> Client {
    let (id, name) = (text(Some(&listed.id)), text(Some(&listed.name)));
    Client { id, name, details, secrets, stored_in: Read::Known(None) }
}

/// Whether a client has a secret, by what its description says; a public client cannot have the grant for
/// machines (RFC 6749, section 4.4). `false` says only that this does not show it.
pub(super) fn shows_secret(found: &sdk::UserPoolClientType) -> bool {
    found.client_secret().is_some_and(|secret| !secret.is_empty())
        || found.allowed_o_auth_flows().contains(&sdk::OAuthFlowType::ClientCredentials)
}

fn details(found: &sdk::UserPoolClientType, secrets: &CloudResult<Option<Vec<ClientSecret>>>) -> Details {
    let flows = found.allowed_o_auth_flows().iter().map(|flow| text(Some(flow.as_str())));
    let scopes = found.allowed_o_auth_scopes().iter().map(|scope| text(Some(scope)));
    Details {
        confidential: match secrets {
            _ if shows_secret(found) => Some(true),
            Ok(listed) => Some(listed.as_ref().is_some_and(|listed| !listed.is_empty())),
            Err(_) => None,
        },
        flows: flows.collect(),
        scopes: scopes.collect(),
        created_at: time(found.creation_date()),
        updated_at: time(found.last_modified_date()),
        lifetimes: lifetimes(found),
    }
}

/// How long the tokens of a client last. The units are hours for access tokens and days for refresh tokens unless
/// the client says otherwise, and a length of zero is the default (API reference, CreateUserPoolClient).
fn lifetimes(found: &sdk::UserPoolClientType) -> Lifetimes {
    let units = found.token_validity_units();
    let seconds = |unit: Option<&sdk::TimeUnitsType>, usual: i64| match unit {
        Some(sdk::TimeUnitsType::Seconds) => 1,
        Some(sdk::TimeUnitsType::Minutes) => 60,
        Some(sdk::TimeUnitsType::Hours) => 3_600,
        Some(sdk::TimeUnitsType::Days) => 86_400,
        _ => usual,
    };
    let usual = Lifetimes::default();
    let access = found.access_token_validity().filter(|length| *length > 0);
    let refresh = Some(found.refresh_token_validity()).filter(|length| *length > 0);
    let access_unit = seconds(units.and_then(|units| units.access_token()), 3_600);
    let refresh_unit = seconds(units.and_then(|units| units.refresh_token()), 86_400);
    Lifetimes {
        access: access.map_or(usual.access, |length| i64::from(length) * access_unit),
        refresh: refresh.map_or(usual.refresh, |length| i64::from(length) * refresh_unit),
    }
}

/// Name of the client for whose credentials a Secret of this name is made.
pub(super) fn client_name(secret: &str) -> Option<String> {
    let (environment, rest) = secret.strip_prefix("quarterdeck/")?.split_once('/')?;
    Some(format!("{environment}-{}-machine", rest.strip_suffix("/machine-client")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(id: &str, name: &str) -> Client {
        client(Listed { id: id.into(), name: name.into() }, not_read(), not_read())
    }

    fn not_read<T>() -> Read<T> {
        Read::NotRead(error::garbled(DESCRIBE, "no answer"))
    }

    fn holds(client: &str) -> SecretEntry {
        let (name, current_client) = ("quarterdeck/prod/time/machine-client".into(), Some(client.into()));
        SecretEntry { name, current_client, published: None, changed_at: None }
    }

    #[test]
    fn a_secret_goes_to_the_client_whose_id_it_holds_or_else_to_one_of_its_name() {
        let clients =
            [named("old", "prod-time-machine"), named("new", "prod-time-machine"), named("u", "prod-time-user")];
        let name = "prod-time-machine".to_owned();
        assert_eq!(owner(&clients, &holds("old"), Some(&name)), Some(0));
        assert_eq!(owner(&clients, &holds("u"), Some(&name)), Some(2));
        assert_eq!(owner(&clients, &holds("gone"), Some(&name)), Some(1));
        assert_eq!(owner(&clients, &holds("gone"), None), None);
    }
}
