//! Asks a server's public address for its metadata, without credentials, as any client does first.

use std::error::Error;
use std::io;

use async_trait::async_trait;

use super::{AwsCloud, error};
use crate::cloud::{CloudResult, PublicAddress};
use crate::core::reach::{Answer, Reach, Silence, judge, judge_silence, metadata_url};
use crate::core::text::sanitise;

const CALL: &str = "http:Get";
/// The longest document that is read, in bytes.
const MAX_DOCUMENT: usize = 64 * 1024;

#[async_trait]
impl PublicAddress for AwsCloud {
    async fn reach(&self, resource: &str) -> CloudResult<Reach> {
        self.within(CALL, self.ask_address(resource)).await
    }
}

impl AwsCloud {
    async fn ask_address(&self, resource: &str) -> CloudResult<Reach> {
        let shown = sanitise(resource);
        let url = metadata_url(resource).ok_or_else(|| error::invalid(CALL, format!("{shown} is no URL")))?;
        let mut answer = match self.http()?.get(&url).send().await {
            Ok(answer) => answer,
            Err(failure) => return silence(&failure, &url).await,
        };
        let mut body = Vec::new();
        while body.len() < MAX_DOCUMENT {
            match answer.chunk().await {
                Ok(Some(chunk)) => body.extend_from_slice(&chunk),
                Ok(None) => break,
                Err(failure) => return silence(&failure, &url).await,
            }
        }
        let header = |name: &str| answer.headers().get(name)?.to_str().ok();
        let (server, cache) = (header("server"), header("x-cache"));
        Ok(judge(Answer { status: answer.status().as_u16(), server, cache, body: &body }, resource))
    }
}

/// What it means that there was no answer.
pub(super) async fn silence(failure: &reqwest::Error, url: &str) -> CloudResult<Reach> {
    if failure.is_builder() {
        return Err(error::invalid(CALL, format!("{} is no URL", sanitise(url))));
    }
    let parsed = failure.url().cloned();
    let host = parsed.as_ref().and_then(|url| url.host_str()).unwrap_or(url).to_owned();
    let port = parsed.as_ref().and_then(reqwest::Url::port_or_known_default).unwrap_or(443);
    let why = match io_kind(failure) {
        _ if failure.is_timeout() => Silence::TimedOut,
        Some(io::ErrorKind::ConnectionRefused) => Silence::Refused,
        // rustls tells of a certificate as of data that cannot be right.
        Some(io::ErrorKind::InvalidData) if failure.is_connect() => Silence::Certificate,
        _ if failure.is_connect() && tokio::net::lookup_host((host.as_str(), port)).await.is_err() => Silence::NoName,
        _ => Silence::Broken,
    };
    Ok(Reach::Broken(judge_silence(why, &sanitise(&host))))
}

/// The kind of the I/O error that a failure comes from, if it comes from one.
fn io_kind(failure: &reqwest::Error) -> Option<io::ErrorKind> {
    let mut cause = failure.source();
    let mut found = None;
    while let Some(error) = cause {
        found = error.downcast_ref::<io::Error>().map(innermost).or(found);
        cause = error.source();
    }
    found
}

/// The kind of an I/O error, or of the one that it was made from: its `source` leaves that one out.
fn innermost(error: &io::Error) -> io::ErrorKind {
    error.get_ref().and_then(|inner| inner.downcast_ref::<io::Error>()).map_or_else(|| error.kind(), innermost)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the TLS client wraps what rustls says of a certificate.
    #[test]
    fn an_error_in_an_error_has_the_kind_of_the_inner_one() {
        let inner = io::Error::new(io::ErrorKind::InvalidData, "invalid peer certificate");
        assert_eq!(innermost(&io::Error::other(inner)), io::ErrorKind::InvalidData);
        assert_eq!(innermost(&io::Error::other("something else")), io::ErrorKind::Other);
    }
}
