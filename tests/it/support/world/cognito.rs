//! Cognito's app clients and their secrets.

use serde_json::{Value, json};

use super::super::scripted::Reply;
use super::{POOL, State};

#[derive(Debug, Clone)]
pub struct Client {
    pub id: String,
    pub name: String,
    /// Id and value of each secret, the oldest first; none for a public client.
    pub secrets: Vec<(String, String)>,
    /// Its grants, such as `client_credentials`.
    pub flows: Vec<&'static str>,
    /// The secret that was made with the client.
    original: Option<String>,
    made: f64,
}

impl Client {
    /// The value that Cognito shows: of the original secret, and of none once that is deleted
    /// (AddUserPoolClientSecret; seen on AWS).
    pub fn shown(&self) -> Option<&String> {
        self.secrets.iter().find(|(id, _)| Some(id) == self.original.as_ref()).map(|(_, value)| value)
    }

    fn described(&self) -> Value {
        json!({ "ClientId": self.id, "ClientName": self.name, "UserPoolId": POOL, "ClientSecret": self.shown(),
            "AllowedOAuthFlows": self.flows, "AllowedOAuthScopes": ["read"], "CreationDate": self.made })
    }
}

impl State {
    /// Makes a client; a confidential one with a secret of Cognito's.
    pub(super) fn make_client(&mut self, name: &str, confidential: bool) -> String {
        let number = self.id();
        let id = format!("client{number}");
        let original = confidential.then(|| format!("{id}--{number}"));
        let secrets = original.iter().map(|secret| (secret.clone(), format!("cognito-value-{number}"))).collect();
        let made = number as f64;
        let flows = vec![if confidential { "client_credentials" } else { "code" }];
        self.clients
            .insert(id.clone(), Client { id: id.clone(), name: name.to_owned(), secrets, flows, original, made });
        id
    }

    #[allow(clippy::too_many_lines, reason = "one arm for each call of the API")]
    pub(super) fn cognito_call(&mut self, call: &str, body: &Value, operator: &str) -> Option<Reply> {
        let text = |key: &str| body[key].as_str().unwrap_or_default().to_owned();
        let dual = ["ListUserPoolClientSecrets", "AddUserPoolClientSecret", "DeleteUserPoolClientSecret"];
        if dual.contains(&call) && !self.setup.dual {
            return Some(Reply::error(400, "UnknownOperationException", "not here"));
        }
        let id = text("ClientId");
        let absent = || Reply::error(400, "ResourceNotFoundException", "Client does not exist");
        let pool = text("UserPoolId");
        Some(match call {
            "DescribeUserPool" => match self.is_protected(&pool) {
                Some(on) => {
                    let on = if on { "ACTIVE" } else { "INACTIVE" };
                    let invites = json!({ "AllowAdminCreateUserOnly": true, "UnusedAccountValidityDays": 7 });
                    let policies =
                        json!({ "PasswordPolicy": { "MinimumLength": 14, "TemporaryPasswordValidityDays": 3 } });
                    let pool = json!({ "Id": pool, "DeletionProtection": on, "AdminCreateUserConfig": invites,
                        "Policies": policies, "MfaConfiguration": "ON" });
                    Reply::json(200, json!({ "UserPool": pool }))
                }
                None => absent(),
            },
            // As Cognito has it: what is not given is set to its default, and some things exclude each other.
            "UpdateUserPool" => match self.is_protected(&pool) {
                Some(_) if body["AdminCreateUserConfig"]["UnusedAccountValidityDays"].as_u64().unwrap_or(0) > 0 => {
                    let why = "Please use TemporaryPasswordValidityDays in PasswordPolicy instead of UnusedAccountValidityDays";
                    Reply::error(400, "InvalidParameterException", why)
                }
                Some(_) if matches!(body["MfaConfiguration"].as_str(), Some("ON" | "OPTIONAL")) => {
                    let why = "SMS configuration and Auto verification for phone_number are required when MFA is required/optional";
                    Reply::error(400, "InvalidParameterException", why)
                }
                Some(_) => {
                    assert_eq!(
                        body["AdminCreateUserConfig"]["AllowAdminCreateUserOnly"], true,
                        "strangers can sign up"
                    );
                    assert_eq!(body["DeletionProtection"], "INACTIVE");
                    self.unprotect(&pool, operator);
                    Reply::json(200, json!({}))
                }
                None => absent(),
            },
            "ListUserPoolClients" => {
                let row = |client: &Client| json!({ "ClientId": client.id, "ClientName": client.name });
                Reply::json(200, json!({ "UserPoolClients": self.clients.values().map(row).collect::<Vec<_>>() }))
            }
            "DescribeUserPoolClient" => match self.clients.get(&id) {
                Some(client) => Reply::json(200, json!({ "UserPoolClient": client.described() })),
                None => absent(),
            },
            "CreateUserPoolClient" => {
                let made = self.make_client(&text("ClientName"), body["GenerateSecret"] == true);
                self.wrote(operator, format!("create client {made}"));
                Reply::json(200, json!({ "UserPoolClient": self.clients[&made].described() }))
            }
            "DeleteUserPoolClient" => match self.clients.remove(&id) {
                Some(_) => {
                    self.wrote(operator, format!("delete client {id}"));
                    Reply::json(200, json!({}))
                }
                None => absent(),
            },
            "ListUserPoolClientSecrets" => {
                let Some(client) = self.clients.get(&id) else { return Some(absent()) };
                let row = |(index, (secret, _)): (usize, &(String, String))| json!({ "ClientSecretId": secret, "ClientSecretCreateDate": index as f64 + 1.0 });
                Reply::json(
                    200,
                    json!({ "ClientSecrets": client.secrets.iter().enumerate().map(row).collect::<Vec<_>>() }),
                )
            }
            "AddUserPoolClientSecret" => {
                let number = self.id();
                let Some(client) = self.clients.get_mut(&id) else { return Some(absent()) };
                if client.secrets.len() >= 2 {
                    return Some(Reply::error(400, "LimitExceededException", "A client has at most two secrets"));
                }
                let secret = format!("{id}--{number}");
                client.secrets.push((secret.clone(), text("ClientSecret")));
                self.wrote(operator, format!("add secret {secret}"));
                let made = json!({ "ClientSecretId": secret, "ClientSecretCreateDate": number as f64 });
                Reply::json(200, json!({ "ClientSecretDescriptor": made }))
            }
            "DeleteUserPoolClientSecret" => {
                let secret = text("ClientSecretId");
                let Some(client) = self.clients.get_mut(&id) else { return Some(absent()) };
                if !client.secrets.iter().any(|(known, _)| *known == secret) {
                    return Some(Reply::error(400, "ResourceNotFoundException", "no such secret"));
                }
                if client.secrets.len() == 1 {
                    return Some(Reply::error(400, "InvalidParameterException", "The last secret cannot be deleted"));
                }
                client.secrets.retain(|(known, _)| *known != secret);
                self.wrote(operator, format!("delete secret {secret}"));
                Reply::json(200, json!({}))
            }
            _ => return None,
        })
    }
}
