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
use crate::config::Env;

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
    /// The first of AWS's variables that says something, in the order of its SDKs. `elsewhere` says that the endpoint is
    /// not AWS's.
    pub fn from_env(env: &Env, elsewhere: bool) -> Self {
        if let (Some(id), Some(secret)) = (env.get("AWS_ACCESS_KEY_ID"), env.get("AWS_SECRET_ACCESS_KEY")) {
            let token = env.get("AWS_SESSION_TOKEN");
            return Self::Given(Credentials { id, secret, token, expiration: None });
        }
        let relative = env.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
        let url = match relative {
            Some(path) => path.starts_with('/').then(|| format!("{ECS}{path}")),
            None => full(env).filter(|(_, allowed)| *allowed).map(|(url, _)| url),
        };
        // Whoever runs the container sets these. What is odd about them must not keep a server from starting: it is
        // told as a list that cannot be read.
        let Some(url) = url else { return if elsewhere { Self::Nobody } else { Self::Missing } };
        let file = env.get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE").map(Authorization::File);
        let token = || env.get("AWS_CONTAINER_AUTHORIZATION_TOKEN").map(Authorization::Token);
        let authorization = file.or_else(token).unwrap_or(Authorization::None);
        Self::Container { url, authorization, known: Arc::default() }
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

/// The endpoint of a whole address, and whether it may be asked: over plain HTTP at AWS's link-local addresses or on
/// the loopback alone.
fn full(env: &Env) -> Option<(String, bool)> {
    let url = env.get("AWS_CONTAINER_CREDENTIALS_FULL_URI")?;
    let uri: Option<Uri> = url.parse().ok();
    let host = uri.as_ref().and_then(Uri::host).unwrap_or_default().trim_matches(['[', ']']);
    let near =
        LOCAL.contains(&host) || host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback());
    let allowed = match uri.as_ref().and_then(Uri::scheme_str) {
        Some("https") => true,
        Some("http") => near,
        _ => false,
    };
    Some((url, allowed))
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

    fn of(variables: &'static [(&str, &str)], elsewhere: bool) -> String {
        let env = Env::from_fn(|name| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).into()));
        match Source::from_env(&env, elsewhere) {
            Source::Container { url, authorization, .. } => {
                let how = match authorization {
                    Authorization::None => "",
                    Authorization::Token(_) => " token",
                    Authorization::File(_) => " file",
                };
                format!("{url}{how}")
            }
            source => format!("{source:?}"),
        }
    }

    #[test]
    fn credentials_come_from_where_the_sdks_take_them() {
        const RELATIVE: (&str, &str) = ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/credentials/1");
        const FULL: &str = "AWS_CONTAINER_CREDENTIALS_FULL_URI";
        const KEY: [(&str, &str); 2] = [("AWS_ACCESS_KEY_ID", "hunter2"), ("AWS_SECRET_ACCESS_KEY", "hunter2")];
        assert_eq!(of(&[], false), "Missing");
        assert_eq!(of(&[], true), "Nobody");
        assert_eq!(of(&KEY, true), "Given", "and nothing of them");
        assert_eq!(of(&[RELATIVE], false), "http://169.254.170.2/v2/credentials/1");
        assert_eq!(of(&[RELATIVE, (FULL, "https://a.example/x")], false), "http://169.254.170.2/v2/credentials/1");
        assert_eq!(of(&[("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", ".evil.example/")], false), "Missing");
        for good in [
            "https://a.example/x",
            "http://127.0.0.1:9/x",
            "http://[::1]/x",
            "http://localhost/x",
            "http://169.254.170.23/v1",
            "http://[fd00:ec2::23]/v1",
        ] {
            assert_eq!(of(Box::leak(Box::new([(FULL, good)])), false), good);
        }
        for bad in ["http://a.example/x", "http://169.254.169.254/x", "ftp://127.0.0.1/x", "127.0.0.1"] {
            assert_eq!(of(Box::leak(Box::new([(FULL, bad)])), false), "Missing", "{bad}");
        }
        let file = ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "/f");
        assert_eq!(
            of(Box::leak(Box::new([(FULL, "https://a/x"), file, ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "t")])), false),
            "https://a/x file"
        );
        assert_eq!(
            of(&[(FULL, "https://a/x"), ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "t")], false),
            "https://a/x token"
        );
        // An emulator asks for none.
        assert_eq!(of(&[(FULL, "http://10.0.0.1:4566/v2/credentials/1")], true), "Nobody");
    }
}
