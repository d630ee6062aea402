//! The task's own credentials, as AWS gives them to a container (SDKs and tools reference guide, "Container credential
//! provider").

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use axum::http::Uri;
use jiff::{SignedDuration, Timestamp};
use reqwest::Client;
use serde::Deserialize;
use tokio::sync::Mutex;

use super::read::ReadError;
use crate::client::{ClientError, read_limited};
use crate::config::{ConfigError, Env};

/// Where ECS answers (ECS developer guide, "Amazon ECS task IAM role").
const ECS: &str = "http://169.254.170.2";
/// Where ECS and EKS answer: the only addresses besides the loopback that may be asked without TLS.
const LOCAL: [&str; 3] = ["169.254.170.2", "169.254.170.23", "fd00:ec2::23"];
/// How long before their end credentials are fetched anew. ECS has new ones by then.
const EARLY: SignedDuration = SignedDuration::from_mins(3);
const MAX_BYTES: usize = 64 * 1024;

/// A key, and the token that goes with it. Nothing of it can be printed.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Credentials {
    #[serde(rename = "AccessKeyId")]
    pub id: String,
    #[serde(rename = "SecretAccessKey")]
    pub secret: String,
    pub token: Option<String>,
    pub expiration: Option<Timestamp>,
}

/// Where credentials come from.
#[derive(Clone)]
pub enum Source {
    /// Variables.
    Given(Credentials),
    /// The container's endpoint, with what it was told last.
    Container { url: String, authorization: Authorization, known: Arc<Mutex<Option<Credentials>>> },
    /// None, at an endpoint that is not AWS's: a local cloud checks none.
    Nobody,
    /// None at all.
    Missing,
}

/// What the container's endpoint wants to see.
#[derive(Clone)]
pub enum Authorization {
    None,
    Token(String),
    /// Read each time: it is changed under way.
    File(String),
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Given(_) => "Given",
            Self::Container { .. } => "Container",
            Self::Nobody => "Nobody",
            Self::Missing => "Missing",
        })
    }
}

impl Source {
    /// The first of AWS's variables that says something, in the order of its SDKs. `elsewhere` is an endpoint that is
    /// not AWS's.
    pub fn from_env(env: &Env, elsewhere: Option<&str>) -> Result<Self, ConfigError> {
        if let (Some(id), Some(secret)) = (env.get("AWS_ACCESS_KEY_ID"), env.get("AWS_SECRET_ACCESS_KEY")) {
            let token = env.get("AWS_SESSION_TOKEN");
            return Ok(Self::Given(Credentials { id, secret, token, expiration: None }));
        }
        let url = match env.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") {
            Some(path) if path.starts_with('/') => Some(format!("{ECS}{path}")),
            Some(_) => {
                let variable = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI";
                return Err(ConfigError::new(variable, "must begin with a slash"));
            }
            None => full(env, elsewhere)?,
        };
        let Some(url) = url else { return Ok(if elsewhere.is_some() { Self::Nobody } else { Self::Missing }) };
        let file = env.get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE").map(Authorization::File);
        let token = || env.get("AWS_CONTAINER_AUTHORIZATION_TOKEN").map(Authorization::Token);
        let authorization = file.or_else(token).unwrap_or(Authorization::None);
        Ok(Self::Container { url, authorization, known: Arc::default() })
    }

    /// The credentials to sign with; `None` where nothing is signed.
    pub async fn get(&self, client: &Client) -> Result<Option<Credentials>, ReadError> {
        match self {
            Self::Given(credentials) => Ok(Some(credentials.clone())),
            Self::Nobody => Ok(None),
            Self::Missing => Err(ReadError::NoCredentials),
            Self::Container { url, authorization, known } => {
                let mut known = known.lock().await;
                let fresh = known
                    .as_ref()
                    .filter(|known| known.expiration.is_none_or(|end| end.duration_since(Timestamp::now()) > EARLY));
                if fresh.is_none() {
                    *known = Some(fetch(client, url, authorization).await?);
                }
                Ok(known.clone())
            }
        }
    }

    /// Forgets what was told: AWS has refused it.
    pub async fn forget(&self) {
        if let Self::Container { known, .. } = self {
            *known.lock().await = None;
        }
    }
}

/// The endpoint of a whole address. Over plain HTTP it may be at AWS's link-local addresses or on the loopback alone; and
/// where an emulator stands for AWS, which gives the credentials that it is asked with.
fn full(env: &Env, elsewhere: Option<&str>) -> Result<Option<String>, ConfigError> {
    let variable = "AWS_CONTAINER_CREDENTIALS_FULL_URI";
    let Some(url) = env.get(variable) else { return Ok(None) };
    let uri: Option<Uri> = url.parse().ok();
    let host = uri.as_ref().and_then(Uri::host).unwrap_or_default().trim_matches(['[', ']']);
    let emulator: Option<Uri> = elsewhere.and_then(|endpoint| endpoint.parse().ok());
    let authority = uri.as_ref().and_then(Uri::authority);
    let emulated = emulator.is_some_and(|emulator| authority.is_some() && emulator.authority() == authority);
    let near = emulated
        || LOCAL.contains(&host)
        || host == "localhost"
        || host.parse().is_ok_and(|address: IpAddr| address.is_loopback());
    match uri.as_ref().and_then(Uri::scheme_str) {
        Some("https") => Ok(Some(url)),
        Some("http") if near => Ok(Some(url)),
        _ => Err(ConfigError::new(variable, "must be https, or http to this machine")),
    }
}

async fn fetch(client: &Client, url: &str, authorization: &Authorization) -> Result<Credentials, ReadError> {
    let token = match authorization {
        Authorization::None => None,
        Authorization::Token(token) => Some(token.clone()),
        Authorization::File(path) => Some(tokio::fs::read_to_string(path).await.map_err(ReadError::TokenFile)?),
    };
    let mut request = client.get(url);
    if let Some(token) = token {
        request = request.header("authorization", token.trim());
    }
    let response = request.send().await.map_err(ClientError::from).map_err(ReadError::Credentials)?;
    let status = response.status();
    let body = read_limited(response, MAX_BYTES).await.map_err(ReadError::Credentials)?;
    if !status.is_success() {
        return Err(ReadError::CredentialsStatus(status.as_u16()));
    }
    // The text of the error could have a part of what was read.
    serde_json::from_slice(&body).map_err(|_| ReadError::CredentialsContent)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &'static [(&str, &str)], elsewhere: Option<&str>) -> String {
        let env = Env::from_fn(|name| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).into()));
        match Source::from_env(&env, elsewhere) {
            Ok(Source::Container { url, authorization, .. }) => {
                let how = match authorization {
                    Authorization::None => "",
                    Authorization::Token(_) => " token",
                    Authorization::File(_) => " file",
                };
                format!("{url}{how}")
            }
            Ok(source) => format!("{source:?}"),
            Err(error) => format!("error {}", error.variable),
        }
    }

    #[test]
    fn credentials_come_from_where_the_sdks_take_them() {
        const RELATIVE: (&str, &str) = ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/credentials/1");
        const FULL: &str = "AWS_CONTAINER_CREDENTIALS_FULL_URI";
        const KEY: [(&str, &str); 2] = [("AWS_ACCESS_KEY_ID", "hunter2"), ("AWS_SECRET_ACCESS_KEY", "hunter2")];
        assert_eq!(of(&[], None), "Missing");
        assert_eq!(of(&[], Some("http://emulator:4566")), "Nobody");
        assert_eq!(of(&KEY, Some("http://emulator:4566")), "Given", "and nothing of them");
        assert_eq!(of(&[RELATIVE], None), "http://169.254.170.2/v2/credentials/1");
        assert_eq!(of(&[RELATIVE, (FULL, "https://a.example/x")], None), "http://169.254.170.2/v2/credentials/1");
        assert_eq!(
            of(&[("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", ".evil.example/")], None).split(' ').next(),
            Some("error")
        );
        for good in [
            "https://a.example/x",
            "http://127.0.0.1:9/x",
            "http://[::1]/x",
            "http://localhost/x",
            "http://169.254.170.23/v1",
            "http://[fd00:ec2::23]/v1",
        ] {
            assert_eq!(of(Box::leak(Box::new([(FULL, good)])), None), good);
        }
        for bad in ["http://a.example/x", "http://169.254.169.254/x", "ftp://127.0.0.1/x", "127.0.0.1"] {
            assert_eq!(of(Box::leak(Box::new([(FULL, bad)])), None), format!("error {FULL}"), "{bad}");
        }
        let file = ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "/f");
        assert_eq!(
            of(Box::leak(Box::new([(FULL, "https://a/x"), file, ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "t")])), None),
            "https://a/x file"
        );
        assert_eq!(of(&[(FULL, "https://a/x"), ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "t")], None), "https://a/x token");
        // Of an emulator that stands for AWS, and of no other host.
        let emulated = [(FULL, "http://emulator:4566/v2/credentials/1")];
        let of_emulator = |at| of(Box::leak(Box::new(emulated)), at);
        assert_eq!(of_emulator(Some("http://emulator:4566")), "http://emulator:4566/v2/credentials/1");
        for other in [None, Some("http://emulator:4567"), Some("http://emulator.example:4566")] {
            assert_eq!(of_emulator(other), format!("error {FULL}"));
        }
    }
}
