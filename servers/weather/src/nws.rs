//! Client of the National Weather Service's API.

use std::time::Duration;

use gangway::{ClientError, http_client, read_limited};
use reqwest::{Client, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// The service itself.
pub const DEFAULT_UPSTREAM: &str = "https://api.weather.gov";
/// The service asks callers to name themselves and a place to reach them.
const USER_AGENT: &str = concat!("mcp-weather/", env!("CARGO_PKG_VERSION"), " (", env!("CARGO_PKG_REPOSITORY"), ")");
/// Largest document that is read; alerts of a large state come to some hundred kilobytes.
const MAX_BYTES: usize = 4 * 1024 * 1024;
const RETRIES: u32 = 2;

/// How long to wait for the service.
///
/// A forecast takes two calls of three attempts each: the defaults keep their
/// sum under the 30 seconds that a request has.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Longest time for one attempt.
    pub attempt: Duration,
    /// Longest pause before the first retry; doubled before the second.
    pub pause: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { attempt: Duration::from_secs(4), pause: Duration::from_millis(400) }
    }
}

/// Why the service gave no usable answer, in words a model can act on.
#[derive(Debug, thiserror::Error)]
pub enum NwsError {
    /// 404.
    #[error("The weather service has nothing there: {0}")]
    NotFound(String),
    /// Any other status that a retry would not change.
    #[error("The weather service refused the request with status {0}: {1}")]
    Refused(u16, String),
    /// No good answer after all attempts.
    #[error("The weather service is not available ({0}). Try again in a minute.")]
    Unavailable(String),
    /// An answer that is not the documented one.
    #[error("The weather service's answer could not be read. Try again in a minute.")]
    Unreadable,
}

/// One failed attempt.
enum Failure {
    /// Worth another attempt.
    Passing(String),
    Lasting(NwsError),
}

/// The service's description of a problem (RFC 9457).
#[derive(Deserialize)]
struct Problem {
    detail: Option<String>,
    title: Option<String>,
}

/// The client.
#[derive(Clone)]
pub struct Nws {
    base: String,
    client: Client,
    patience: Patience,
}

impl Nws {
    /// A client of the service at `base`, a URL without a trailing slash.
    pub fn new(base: &str, patience: Patience) -> Result<Self, ClientError> {
        let client = http_client(USER_AGENT, patience.attempt)?;
        Ok(Self { base: base.to_owned(), client, patience })
    }

    /// Reads the document at `path`, retrying what may pass.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, NwsError> {
        let mut attempt = 0;
        let body = loop {
            match self.attempt(path).await {
                Ok(body) => break body,
                Err(Failure::Lasting(error)) => return Err(error),
                Err(Failure::Passing(why)) if attempt == RETRIES => {
                    return Err(NwsError::Unavailable(why));
                }
                Err(Failure::Passing(_)) => {}
            }
            // Jitter, so that many callers do not come back all at once.
            let longest = self.patience.pause * 2_u32.pow(attempt);
            tokio::time::sleep(longest.mul_f64(rand::random_range(0.5..=1.0))).await;
            attempt += 1;
        };
        serde_json::from_slice(&body).map_err(|_| NwsError::Unreadable)
    }

    async fn attempt(&self, path: &str) -> Result<Vec<u8>, Failure> {
        let passing = |error: ClientError| {
            Failure::Passing(match &error {
                // The cause is a matter of resolvers and sockets, of no use to a model.
                ClientError::Http(error) if error.is_connect() => "no connection".to_owned(),
                error => error.to_string(),
            })
        };
        let request = self.client.get(format!("{}{path}", self.base)).header("accept", "application/geo+json");
        let response = request.send().await.map_err(|error| passing(error.into()))?;
        let status = response.status();
        if status.is_server_error() {
            return Err(Failure::Passing(format!("status {}", status.as_u16())));
        }
        let body = match read_limited(response, MAX_BYTES).await {
            Ok(body) => body,
            Err(ClientError::TooLarge(_)) => return Err(Failure::Lasting(NwsError::Unreadable)),
            Err(error) => return Err(passing(error)),
        };
        match status {
            _ if status.is_success() => Ok(body),
            StatusCode::NOT_FOUND => Err(Failure::Lasting(NwsError::NotFound(detail(&body)))),
            _ => Err(Failure::Lasting(NwsError::Refused(status.as_u16(), detail(&body)))),
        }
    }
}

fn detail(body: &[u8]) -> String {
    let problem: Option<Problem> = serde_json::from_slice(body).ok();
    let text = problem.and_then(|problem| problem.detail.or(problem.title));
    let text = text.unwrap_or_else(|| "no reason given".to_owned());
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}
