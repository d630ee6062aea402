//! Client of the National Weather Service's API.

use std::time::{Duration, Instant, SystemTime};

use gangway::{ClientError, http_client, read_limited};
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Client, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::cache::{Cache, lifetime};

/// The service itself.
pub const DEFAULT_UPSTREAM: &str = "https://api.weather.gov";
/// The service asks callers to name themselves and a place to reach them.
const USER_AGENT: &str = concat!("mcp-weather/", env!("CARGO_PKG_VERSION"), " (", env!("CARGO_PKG_REPOSITORY"), ")");
/// Largest document that is read; alerts of a large state come to some hundred kilobytes.
const MAX_BYTES: usize = 4 * 1024 * 1024;
const RETRIES: u32 = 2;

/// How long to wait for the service.
///
/// A forecast takes two documents: the defaults keep their sum under the 30 seconds
/// that a request has.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Longest time for one attempt.
    pub attempt: Duration,
    /// Longest pause before the first retry; doubled before the second.
    pub pause: Duration,
    /// Longest time for all attempts at one document, with the pauses.
    pub total: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { attempt: Duration::from_secs(4), pause: Duration::from_millis(400), total: Duration::from_secs(14) }
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
    #[error("The weather service is not available ({why}). Try again in {}.", in_words(.after))]
    Unavailable {
        /// What happened last.
        why: String,
        /// When to try again: what the service says, or a guess.
        after: Duration,
    },
    /// An answer that is not the documented one.
    #[error("The weather service's answer could not be read. Try again in a minute.")]
    Unreadable,
}

/// Longest `Retry-After` that is believed. More would overflow the time that it is added to.
const LONGEST_WISH: Duration = Duration::from_secs(86_400);
/// When to try again if the service does not say.
const LATER: Duration = Duration::from_secs(60);

fn in_words(after: &Duration) -> String {
    match after.as_secs() {
        60 => "a minute".to_owned(),
        seconds @ ..=120 => format!("{} seconds", seconds.max(1)),
        seconds => format!("{} minutes", seconds.div_ceil(60)),
    }
}

/// A document and how long it may be kept.
struct Answer {
    body: Vec<u8>,
    lifetime: Duration,
}

/// One failed attempt.
enum Failure {
    /// Worth another attempt, after this time if the service says when.
    Passing(String, Option<Duration>),
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
    cache: Cache,
}

impl Nws {
    /// A client of the service at `base`, a URL without a trailing slash.
    pub fn new(base: &str, patience: Patience) -> Result<Self, ClientError> {
        let client = http_client(USER_AGENT, patience.attempt)?;
        Ok(Self { base: base.to_owned(), client, patience, cache: Cache::default() })
    }

    /// Reads the document at `path`, and tries again if the failure may be temporary. A document that may be
    /// cached is asked for again only when it has expired.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, NwsError> {
        let asked = Instant::now();
        if let Some(body) = self.cache.get(path, asked) {
            return parse(&body);
        }
        let answer = self.fetch(path, asked).await?;
        let document = parse(&answer.body)?;
        // Only a document that could be parsed. Counted from the first attempt, so rather too short than too long.
        self.cache.put(path, answer.body, asked, answer.lifetime);
        Ok(document)
    }

    async fn fetch(&self, path: &str, began: Instant) -> Result<Answer, NwsError> {
        let mut attempt = 0;
        loop {
            let (why, wish) = match self.attempt(path).await {
                Ok(answer) => return Ok(answer),
                Err(Failure::Lasting(error)) => return Err(error),
                Err(Failure::Passing(why, wish)) => (why, wish),
            };
            // Jitter, so that many callers do not come back all at once.
            let longest = self.patience.pause * 2_u32.pow(attempt);
            let pause = longest.mul_f64(rand::random_range(0.5..=1.0)) + wish.unwrap_or_default();
            let in_time = began.elapsed() + pause + self.patience.attempt <= self.patience.total;
            if attempt == RETRIES || !in_time {
                return Err(NwsError::Unavailable { why, after: wish.unwrap_or(LATER) });
            }
            tokio::time::sleep(pause).await;
            attempt += 1;
        }
    }

    async fn attempt(&self, path: &str) -> Result<Answer, Failure> {
        let passing = |error: ClientError| {
            let why = match &error {
                // The cause is about resolvers and sockets, which is of no use to a model.
                ClientError::Http(error) if error.is_connect() => "no connection".to_owned(),
                error => error.to_string(),
            };
            Failure::Passing(why, None)
        };
        let request = self.client.get(format!("{}{path}", self.base)).header("accept", "application/geo+json");
        let response = request.send().await.map_err(|error| passing(error.into()))?;
        let status = response.status();
        if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            let why = format!("status {}", status.as_u16());
            return Err(Failure::Passing(why, retry_after(response.headers(), SystemTime::now())));
        }
        let lifetime = lifetime(response.headers());
        let body = match read_limited(response, MAX_BYTES).await {
            Ok(body) => body,
            Err(ClientError::TooLarge(_)) => return Err(Failure::Lasting(NwsError::Unreadable)),
            Err(error) => return Err(passing(error)),
        };
        match status {
            _ if status.is_success() => Ok(Answer { body, lifetime }),
            StatusCode::NOT_FOUND => Err(Failure::Lasting(NwsError::NotFound(detail(&body)))),
            _ => Err(Failure::Lasting(NwsError::Refused(status.as_u16(), detail(&body)))),
        }
    }
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, NwsError> {
    serde_json::from_slice(body).map_err(|_| NwsError::Unreadable)
}

/// How long the service asks to wait: seconds or a date (RFC 9110 section 10.2.3).
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let until = || httpdate::parse_http_date(value).ok().map(|date| date.duration_since(now).unwrap_or_default());
    let wish = value.parse().ok().map(Duration::from_secs).or_else(until)?;
    Some(wish.min(LONGEST_WISH))
}

fn detail(body: &[u8]) -> String {
    let problem: Option<Problem> = serde_json::from_slice(body).ok();
    let text = problem.and_then(|problem| problem.detail.or(problem.title));
    let text = text.unwrap_or_else(|| "no reason given".to_owned());
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_service_may_say_when_to_come_back() {
        let now = httpdate::parse_http_date("Mon, 23 Nov 2026 06:00:00 GMT").unwrap();
        let cases = [
            ("120", Some(120)),
            (" 0 ", Some(0)),
            ("Mon, 23 Nov 2026 06:01:30 GMT", Some(90)),
            ("Mon, 23 Nov 2026 05:00:00 GMT", Some(0)),
            ("18446744073709551615", Some(86_400)),
            ("-1", None),
            ("soon", None),
        ];
        for (value, expected) in cases {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, value.parse().unwrap())]);
            assert_eq!(retry_after(&headers, now), expected.map(Duration::from_secs), "{value}");
        }
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }

    #[test]
    fn waits_are_told_in_words() {
        for (seconds, words) in [(0, "1 seconds"), (60, "a minute"), (90, "90 seconds"), (3601, "61 minutes")] {
            assert_eq!(in_words(&Duration::from_secs(seconds)), words);
        }
    }
}
