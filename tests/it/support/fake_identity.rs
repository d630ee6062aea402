//! Cognito, Secrets Manager and the token endpoint with the rules that matter for a rotation: two
//! secrets a client at most, the last cannot be deleted, and every one of them opens the endpoint.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::{Value, json};

use super::scripted::{Reply, Request};

pub const SECRET: &str = "quarterdeck/prod/time/machine-client";
pub const CLIENT: &str = "client1";

/// What the services hold.
#[derive(Default)]
pub struct State {
    /// Secrets of the one client: id and value.
    pub secrets: Vec<(String, String)>,
    /// Versions of the one Secret: id and text.
    pub versions: BTreeMap<String, String>,
    /// Staging labels and the version that bears each.
    pub stages: BTreeMap<String, String>,
    /// Calls that are carried out but never answered, once each.
    pub lost: HashSet<&'static str>,
    /// The list of secrets shows only the first one.
    pub list_lags: bool,
    made: u32,
}

#[derive(Clone, Default)]
pub struct Identity(Arc<Mutex<State>>);

impl Identity {
    /// A client with one secret that the Secret holds too.
    pub fn new() -> Self {
        let identity = Self::default();
        let mut state = identity.state();
        state.secrets.push((format!("{CLIENT}--1"), "old-value".into()));
        let text = json!({ "client_id": CLIENT, "client_secret": "old-value", "allowed_client_ids": CLIENT });
        state.versions.insert("v1".into(), text.to_string());
        state.stages.insert("AWSCURRENT".into(), "v1".into());
        drop(state);
        identity
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// Carries a request out; loses the answer where it is told to.
    pub fn answer(&self, request: &Request) -> Reply {
        let mut state = self.state();
        let reply = state.carry_out(request);
        let lost = state.lost.iter().copied().find(|call| *call == request.call);
        match lost {
            Some(call) => {
                state.lost.remove(call);
                Reply::Reset
            }
            None => reply,
        }
    }
}

impl State {
    fn carry_out(&mut self, request: &Request) -> Reply {
        let body: Value = serde_json::from_str(&request.body).unwrap_or_default();
        let text = |key: &str| body[key].as_str().unwrap_or_default().to_owned();
        match request.call.as_str() {
            "ListUserPoolClientSecrets" => self.list(),
            "AddUserPoolClientSecret" => self.add(text("ClientSecret")),
            "DeleteUserPoolClientSecret" => self.delete(&text("ClientSecretId")),
            "DescribeSecret" => self.describe(),
            "GetSecretValue" => self.get(&text("VersionId"), &text("VersionStage")),
            "PutSecretValue" => {
                let stage = body["VersionStages"][0].as_str().unwrap_or("AWSCURRENT").to_owned();
                self.put(text("ClientRequestToken"), text("SecretString"), stage)
            }
            "UpdateSecretVersionStage" => {
                self.promote(&text("VersionStage"), &text("MoveToVersionId"), &text("RemoveFromVersionId"))
            }
            "/oauth2/token" => self.token(request),
            _ => Reply::error(400, "UnknownOperationException", "not here"),
        }
    }

    fn list(&self) -> Reply {
        let shown = if self.list_lags { &self.secrets[..1] } else { &self.secrets[..] };
        let secrets = shown.iter().map(|(id, _)| json!({ "ClientSecretId": id, "ClientSecretCreateDate": 1.0 }));
        Reply::json(200, json!({ "ClientSecrets": secrets.collect::<Vec<_>>() }))
    }

    fn add(&mut self, value: String) -> Reply {
        if self.secrets.len() >= 2 {
            return Reply::error(400, "LimitExceededException", "A client has at most two secrets");
        }
        self.made += 1;
        let id = format!("{CLIENT}--{}", 1 + self.made);
        self.secrets.push((id.clone(), value));
        Reply::json(200, json!({ "ClientSecretDescriptor": { "ClientSecretId": id, "ClientSecretCreateDate": 2.0 } }))
    }

    fn delete(&mut self, id: &str) -> Reply {
        if !self.secrets.iter().any(|(known, _)| known == id) {
            return Reply::error(400, "ResourceNotFoundException", "no such secret");
        }
        if self.secrets.len() == 1 {
            return Reply::error(400, "InvalidParameterException", "The last secret cannot be deleted");
        }
        self.secrets.retain(|(known, _)| known != id);
        Reply::json(200, json!({}))
    }

    fn describe(&self) -> Reply {
        let mut stages: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (stage, version) in &self.stages {
            stages.entry(version).or_default().push(stage);
        }
        Reply::json(200, json!({ "Name": SECRET, "VersionIdsToStages": stages }))
    }

    fn get(&self, version: &str, stage: &str) -> Reply {
        let version =
            if version.is_empty() { self.stages.get(stage).cloned().unwrap_or_default() } else { version.into() };
        match self.versions.get(&version) {
            Some(text) => Reply::json(200, json!({ "Name": SECRET, "VersionId": version, "SecretString": text })),
            None => Reply::error(400, "ResourceNotFoundException", "no such version"),
        }
    }

    fn put(&mut self, version: String, text: String, stage: String) -> Reply {
        assert!((32..=64).contains(&version.len()), "{version} is no client request token");
        if self.versions.get(&version).is_some_and(|held| *held != text) {
            return Reply::error(400, "ResourceExistsException", "another value under this token");
        }
        if stage == "AWSCURRENT" {
            let before = self.stages.get("AWSCURRENT").cloned();
            self.stages.extend(before.map(|before| ("AWSPREVIOUS".into(), before)));
        }
        self.versions.insert(version.clone(), text);
        self.stages.insert(stage, version.clone());
        Reply::json(200, json!({ "Name": SECRET, "VersionId": version }))
    }

    fn promote(&mut self, stage: &str, to: &str, from: &str) -> Reply {
        let held = self.stages.get(stage).cloned();
        let known = to.is_empty() || self.versions.contains_key(to);
        if held.as_deref().is_some_and(|held| held != from && held != to) || !known {
            return Reply::error(400, "InvalidParameterException", "that version does not have the label");
        }
        if stage == "AWSCURRENT" {
            self.stages.insert("AWSPREVIOUS".into(), from.into());
        }
        if to.is_empty() {
            self.stages.remove(stage)
        } else {
            self.stages.insert(stage.into(), to.into())
        };
        Reply::json(200, json!({ "Name": SECRET }))
    }

    /// Any of the client's secrets opens the endpoint.
    fn token(&self, request: &Request) -> Reply {
        let given = request.headers.get("authorization").cloned().unwrap_or_default();
        let good = |value: &str| given == super::basic(CLIENT, value);
        if self.secrets.iter().any(|(_, value)| good(value)) {
            return Reply::json(200, json!({ "access_token": "a.b.c", "token_type": "Bearer", "expires_in": 900 }));
        }
        Reply::json(400, json!({ "error": "invalid_client" }))
    }
}
