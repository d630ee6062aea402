//! The OAuth token endpoint: asks it for a token with stored credentials, which proves that they are valid.

use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::{AwsCloud, error};
use crate::cloud::{CloudError, CloudResult, ErrorKind, TokenEndpoint};
use crate::core::operation::work::TokenProbe;
use crate::core::text::sanitise;

const CALL: &str = "oauth2:Token";
/// The longest answer that is read, in bytes.
const MAX_ANSWER: usize = 256 * 1024;

/// The answer of a token endpoint (RFC 6749, sections 5.1 and 5.2).
#[derive(Deserialize)]
struct TokenResponse {
    access_token: Option<String>,
    error: Option<String>,
    error_description: Option<String>,
}

#[async_trait]
impl TokenEndpoint for AwsCloud {
    async fn token(&self, probe: &TokenProbe) -> CloudResult<SecretString> {
        self.within("oauth2:Token", self.fetch_token(probe)).await
    }
}

impl AwsCloud {
    pub(super) async fn fetch_token(&self, probe: &TokenProbe) -> CloudResult<SecretString> {
        let credentials = self.stored_credentials(&probe.secret, &probe.version).await?;
        let (Some(id), Some(secret)) = (credentials.client_id(), credentials.secret()) else {
            let message = format!("secret {} holds no client id or no client secret", probe.secret);
            return Err(error::invalid(CALL, message));
        };
        let scopes = probe.scopes.join(" ");
        let mut form = vec![("grant_type", "client_credentials")];
        if !scopes.is_empty() {
            form.push(("scope", &scopes));
        }
        let request = self.http()?.post(&probe.endpoint).basic_auth(id, Some(secret.expose_secret())).form(&form);
        let answer = request.send().await.map_err(|error| unanswered(&probe.endpoint, &error))?;
        let status = answer.status().as_u16();
        let body = bounded_body(answer, &probe.endpoint).await?;
        judge(status, &body)
    }

    /// The HTTP client for the token endpoint. It follows no redirect, which could send the credentials
    /// to another host.
    fn http(&self) -> CloudResult<&reqwest::Client> {
        if let Some(client) = self.http.get() {
            return Ok(client);
        }
        let limits = &self.timeouts;
        let builder = reqwest::Client::builder().connect_timeout(limits.connect).timeout(limits.attempt);
        let client = builder.redirect(reqwest::redirect::Policy::none()).build();
        let client = client.map_err(|error| error::invalid(CALL, format!("no HTTPS client: {error}")))?;
        Ok(self.http.get_or_init(|| client))
    }
}

fn unanswered(endpoint: &str, failure: &reqwest::Error) -> CloudError {
    let endpoint = sanitise(endpoint);
    let kind = match () {
        () if failure.is_timeout() => ErrorKind::TimedOut,
        () if failure.is_builder() => ErrorKind::Invalid,
        () if failure.is_body() || failure.is_decode() => ErrorKind::Garbled,
        () => ErrorKind::Unreachable,
    };
    let why = std::error::Error::source(failure).map(|cause| format!(": {cause}")).unwrap_or_default();
    CloudError::new(kind, CALL, sanitise(&format!("no answer from {endpoint}{why}")))
}

async fn bounded_body(mut answer: reqwest::Response, endpoint: &str) -> CloudResult<Vec<u8>> {
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|error| unanswered(endpoint, &error))? {
        body.extend_from_slice(&chunk);
        if body.len() > MAX_ANSWER {
            return Err(error::garbled(CALL, "the answer does not end"));
        }
    }
    Ok(body)
}

/// The token in an answer, or the failure that it means (RFC 6749, section 5.2).
fn judge(status: u16, body: &[u8]) -> CloudResult<SecretString> {
    let answer: Option<TokenResponse> = serde_json::from_slice(body).ok();
    if (200..300).contains(&status) {
        let token = answer.and_then(|answer| answer.access_token).filter(|token| !token.is_empty());
        return token
            .map(SecretString::from)
            .ok_or_else(|| error::garbled(CALL, format!("HTTP {status} without an access token")));
    }
    let (error, description) = answer.map(|answer| (answer.error, answer.error_description)).unwrap_or_default();
    let kind = match (error.as_deref(), status) {
        (Some("invalid_client" | "unauthorized_client" | "access_denied" | "invalid_grant"), _) => ErrorKind::Denied,
        (Some("temporarily_unavailable" | "server_error"), _) => ErrorKind::Service,
        (_, 401 | 403) => ErrorKind::Denied,
        (_, 429) => ErrorKind::Throttled,
        (_, 500..) => ErrorKind::Service,
        (Some(_), _) => ErrorKind::Invalid,
        (None, _) => ErrorKind::Garbled,
    };
    let said = match (error, description) {
        (Some(error), Some(description)) => format!("{error}: {description}"),
        (Some(error), None) => error,
        (None, _) => format!("HTTP {status} without a reason"),
    };
    let failure = CloudError::new(kind, CALL, sanitise(&said));
    Err(if kind == ErrorKind::Denied {
        failure.with_hint("the token endpoint refuses these credentials")
    } else {
        failure
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(400, r#"{"error":"invalid_client"}"#, ErrorKind::Denied)]
    #[case(401, "", ErrorKind::Denied)]
    #[case(400, r#"{"error":"unauthorized_client"}"#, ErrorKind::Denied)]
    #[case(400, r#"{"error":"invalid_scope"}"#, ErrorKind::Invalid)]
    #[case(400, "<html>", ErrorKind::Garbled)]
    #[case(302, "", ErrorKind::Garbled)]
    #[case(404, "", ErrorKind::Garbled)]
    #[case(429, "", ErrorKind::Throttled)]
    #[case(503, "busy", ErrorKind::Service)]
    #[case(200, "{}", ErrorKind::Garbled)]
    #[case(200, "not json", ErrorKind::Garbled)]
    fn an_answer_without_a_token_is_an_error_of_its_kind(
        #[case] status: u16,
        #[case] body: &str,
        #[case] kind: ErrorKind,
    ) {
        let Err(error) = judge(status, body.as_bytes()) else { unreachable!("no token was given") };
        assert_eq!(error.kind, kind, "{error}");
    }

    #[test]
    fn the_access_token_of_an_answer_is_returned() {
        let token = judge(200, br#"{"access_token":"abc","token_type":"Bearer"}"#).expect("granted");
        assert_eq!(token.expose_secret(), "abc");
    }
}
