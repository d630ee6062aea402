//! Secrets Manager: versions, and labels that move as the API reference says.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::scripted::Reply;
use super::{ACCOUNT, REGION, State};

/// A Secret: every version stays readable by its id.
#[derive(Debug, Clone, Default)]
pub struct Secret {
    pub versions: BTreeMap<String, String>,
    /// Staging labels and the version that bears each.
    pub labels: BTreeMap<String, String>,
    /// Whether `AWSCURRENT` has ever held a client secret.
    pub complete: bool,
}

impl Secret {
    /// What `AWSCURRENT` holds.
    pub fn current(&self) -> Option<Value> {
        serde_json::from_str(self.versions.get(self.labels.get("AWSCURRENT")?)?).ok()
    }

    /// The clients that a server which reads it accepts.
    pub fn accepted(&self) -> Vec<String> {
        let current = self.current().unwrap_or_default();
        let listed = current["allowed_client_ids"].as_str().unwrap_or_default();
        listed.split_whitespace().map(str::to_owned).collect()
    }

    /// The client secrets in all versions.
    pub fn values(&self) -> Vec<String> {
        let value = |text: &String| {
            let held: Value = serde_json::from_str(text).ok()?;
            held["client_secret"].as_str().map(str::to_owned)
        };
        self.versions.values().filter_map(value).collect()
    }

    fn attach(&mut self, label: &str, version: &str) {
        if label == "AWSCURRENT"
            && let Some(before) = self.labels.get(label).filter(|before| *before != version).cloned()
        {
            self.labels.insert("AWSPREVIOUS".into(), before);
        }
        self.labels.insert(label.into(), version.into());
        self.complete |= self.current().is_some_and(|current| current["client_secret"].is_string());
        // A version that becomes current is no longer the previous one.
        if label == "AWSCURRENT" && self.labels.get("AWSPREVIOUS").is_some_and(|previous| previous == version) {
            self.labels.remove("AWSPREVIOUS");
        }
    }
}

fn invalid(why: impl Into<String>) -> Reply {
    Reply::error(400, "InvalidParameterException", &why.into())
}

impl State {
    #[allow(clippy::too_many_lines, reason = "one arm for each call of the API")]
    pub(super) fn secrets_call(&mut self, call: &str, body: &Value, operator: &str) -> Option<Reply> {
        let text = |key: &str| body[key].as_str().unwrap_or_default().to_owned();
        if call == "ListSecrets" {
            let arn = |name: &String| format!("arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{name}-AbCdEf");
            let entry = |name: &String| json!({ "Name": name, "ARN": arn(name) });
            let names: Vec<Value> = self.secrets.keys().map(entry).collect();
            return Some(Reply::json(200, json!({ "SecretList": names })));
        }
        if !["DescribeSecret", "GetSecretValue", "PutSecretValue", "UpdateSecretVersionStage"].contains(&call) {
            return None;
        }
        let name = text("SecretId");
        let Some(secret) = self.secrets.get_mut(&name) else {
            return Some(Reply::error(
                400,
                "ResourceNotFoundException",
                "Secrets Manager can't find the specified secret.",
            ));
        };
        Some(match call {
            "DescribeSecret" => {
                let mut stages: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
                for (label, version) in &secret.labels {
                    stages.entry(version).or_default().push(label);
                }
                Reply::json(200, json!({ "Name": name, "VersionIdsToStages": stages }))
            }
            "GetSecretValue" => {
                let (id, label) = (text("VersionId"), text("VersionStage"));
                let label = if id.is_empty() && label.is_empty() { "AWSCURRENT".to_owned() } else { label };
                let version = if id.is_empty() { secret.labels.get(&label).cloned() } else { Some(id) };
                match version.and_then(|version| Some((secret.versions.get(&version)?, version.clone()))) {
                    Some((held, version)) => {
                        Reply::json(200, json!({ "Name": name, "VersionId": version, "SecretString": held }))
                    }
                    None => Reply::error(400, "ResourceNotFoundException", "no such version"),
                }
            }
            "PutSecretValue" => {
                let (version, held) = (text("ClientRequestToken"), text("SecretString"));
                assert!((32..=64).contains(&version.len()), "{version} is no client request token");
                match secret.versions.get(&version) {
                    Some(known) if *known != held => {
                        return Some(Reply::error(400, "ResourceExistsException", "another value under this token"));
                    }
                    // The request is ignored: labels that have moved on since stay where they are.
                    Some(_) => return Some(Reply::json(200, json!({ "Name": name, "VersionId": version }))),
                    None => {}
                }
                let labels = body["VersionStages"].as_array().cloned().unwrap_or_else(|| vec![json!("AWSCURRENT")]);
                secret.versions.insert(version.clone(), held);
                let labels: Vec<&str> = labels.iter().filter_map(Value::as_str).collect();
                labels.iter().for_each(|label| secret.attach(label, &version));
                let note = format!("put {labels:?} of {name}: {}", &version[..8]);
                self.wrote(operator, note);
                Reply::json(200, json!({ "Name": name, "VersionId": version }))
            }
            _ => {
                let (label, to, from) = (text("VersionStage"), text("MoveToVersionId"), text("RemoveFromVersionId"));
                let holder = secret.labels.get(&label).cloned();
                if [&to, &from].iter().any(|id| !id.is_empty() && !secret.versions.contains_key(*id)) {
                    return Some(Reply::error(400, "ResourceNotFoundException", "no such version"));
                }
                match (holder, to.is_empty()) {
                    (Some(holder), false) if holder != to && holder != from => {
                        return Some(invalid(format!("{label} is attached to {holder}, not to {from:?}")));
                    }
                    (None, false) if !from.is_empty() => {
                        return Some(invalid(format!("{label} is attached to no version")));
                    }
                    (Some(holder), true) if holder != from => return Some(invalid(format!("{label} is at {holder}"))),
                    (None, true) => return Some(invalid(format!("{label} is attached to no version"))),
                    (_, true) if label == "AWSCURRENT" => return Some(invalid("AWSCURRENT can only be moved")),
                    (_, true) => drop(secret.labels.remove(&label)),
                    (_, false) => secret.attach(&label, &to),
                }
                let note = format!("move {label} of {name} to {:?}", to.get(..8));
                self.wrote(operator, note);
                Reply::json(200, json!({ "Name": name }))
            }
        })
    }
}
