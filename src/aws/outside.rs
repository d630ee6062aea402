//! Addresses outside of AWS: any MCP server, and its authorization server.

use std::time::Duration;

use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};

use super::error;
use super::reach::silence;
use crate::cloud::{CloudResult, Outside};
use crate::core::doctor::{Ask, Heard};
use crate::core::reach::{Broken, Hop, Reach};
use crate::core::text::sanitise;

/// The longest body that is read, in bytes.
const MAX_BODY: usize = 256 * 1024;
const CONNECT: Duration = Duration::from_secs(5);
/// For a whole request. A stream may go on for ever.
const LIMIT: Duration = Duration::from_secs(20);
/// What is kept of a header, in characters.
const MAX_HEADER: usize = 4_096;

/// An HTTPS client that knows nothing of AWS.
#[derive(Debug, Clone)]
pub struct Prober(reqwest::Client);

impl Prober {
    /// A client that follows no redirect.
    ///
    /// # Errors
    /// When no HTTPS client can be made, such as without the system's certificates.
    pub fn new() -> CloudResult<Self> {
        Self::made(reqwest::Client::builder())
    }

    /// The same for a cloud on this machine, whose containers reach it by names that nobody else knows: what an answer
    /// says at one of these is asked for here.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn beside(names: &[&str]) -> CloudResult<Self> {
        let here = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
        Self::made(names.iter().fold(reqwest::Client::builder(), |builder, name| builder.resolve(name, here)))
    }

    fn made(builder: reqwest::ClientBuilder) -> CloudResult<Self> {
        let builder = builder.connect_timeout(CONNECT).timeout(LIMIT);
        let client = builder.redirect(reqwest::redirect::Policy::none()).build();
        client.map(Self).map_err(|failure| error::invalid("http:Get", format!("no HTTPS client: {failure}")))
    }
}

#[async_trait]
impl Outside for Prober {
    async fn ask(&self, ask: &Ask, token: Option<&SecretString>) -> Result<Heard, Broken> {
        let mut request = match &ask.body {
            Some(body) => self.0.post(&ask.url).body(body.clone()),
            None => self.0.get(&ask.url),
        };
        for (name, value) in &ask.headers {
            request = request.header(*name, value);
        }
        if let Some(token) = token {
            request = request.bearer_auth(token.expose_secret());
        }
        let mut answer = match request.send().await {
            Ok(answer) => answer,
            Err(failure) => return Err(unheard(&failure, &ask.url).await),
        };
        let text = |value: &reqwest::header::HeaderValue| {
            sanitise(&String::from_utf8_lossy(value.as_bytes())).chars().take(MAX_HEADER).collect::<String>()
        };
        let headers = answer.headers().iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect();
        let mut heard = Heard { status: answer.status().as_u16(), headers, body: String::new() };
        let streams = heard.header("content-type").is_some_and(|kind| kind.starts_with("text/event-stream"));
        let mut body = Vec::new();
        while body.len() < MAX_BODY && !(streams && answered(&body)) {
            match answer.chunk().await {
                Ok(Some(chunk)) => body.extend_from_slice(&chunk),
                Ok(None) => break,
                Err(failure) => return Err(unheard(&failure, &ask.url).await),
            }
        }
        heard.body = String::from_utf8_lossy(&body).into_owned();
        Ok(heard)
    }
}

/// Whether the last event of a stream is whole, and answers.
fn answered(body: &[u8]) -> bool {
    let ends = body.ends_with(b"\n\n") || body.ends_with(b"\r\n\r\n");
    let holds = |word: &[u8]| memchr::memmem::find(body, word).is_some();
    ends && (holds(b"\"result\"") || holds(b"\"error\""))
}

/// Where a request ended that was not answered.
async fn unheard(failure: &reqwest::Error, url: &str) -> Broken {
    match silence(failure, url).await {
        Ok(Reach::Broken(broken)) => broken,
        Ok(Reach::Answered) | Err(_) => Broken { hop: Hop::Dns, why: format!("{} is no URL", sanitise(url)) },
    }
}
