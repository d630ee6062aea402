//! The OAuth token endpoint: asks it for a token with stored credentials, which proves that they are valid.

use async_trait::async_trait;
use secrecy::ExposeSecret;
use serde::Deserialize;

use super::{AwsCloud, error};
use crate::cloud::{CloudError, CloudResult, ErrorKind, ServerAnswer, TokenAnswer, TokenEndpoint};
use crate::core::operation::work::TokenProbe;
use crate::core::text::sanitise;

const CALL: &str = "oauth2:Token";
const ASK: &str = "mcp:ToolsList";
/// The longest answer that is read, in bytes.
const MAX_ANSWER: usize = 256 * 1024;

/// The answer of a token endpoint (RFC 6749, sections 5.1 and 5.2). What it says besides is not read: it may
/// quote the credentials that it was asked with.
#[derive(Deserialize)]
struct TokenResponse {
    access_token: Option<String>,
    error: Option<String>,
}

/// The reasons that a token endpoint may give (RFC 6749, sections 4.1.2.1 and 5.2; RFC 8707, section 2). Another
/// text is not repeated.
const REASONS: &[&str] = &[
    "invalid_request",
    "invalid_client",
    "invalid_grant",
    "unauthorized_client",
    "unsupported_grant_type",
    "invalid_scope",
    "invalid_target",
    "access_denied",
    "server_error",
    "temporarily_unavailable",
];

#[async_trait]
impl TokenEndpoint for AwsCloud {
    async fn token(&self, probe: &TokenProbe) -> CloudResult<TokenAnswer> {
        self.within(CALL, self.fetch_token(probe)).await
    }

    async fn accepted(&self, probe: &TokenProbe, url: &str) -> CloudResult<ServerAnswer> {
        self.within(ASK, self.ask_server(probe, url)).await
    }
}

impl AwsCloud {
    pub(super) async fn fetch_token(&self, probe: &TokenProbe) -> CloudResult<TokenAnswer> {
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

    /// Asks for the list of tools, with a token for the credentials.
    pub(super) async fn ask_server(&self, probe: &TokenProbe, url: &str) -> CloudResult<ServerAnswer> {
        let token = match self.fetch_token(probe).await? {
            TokenAnswer::Granted(token) => token,
            TokenAnswer::Refused(why) => return Ok(ServerAnswer::Refused(format!("the token endpoint: {why}"))),
        };
        let version = "2025-06-18";
        let body = serde_json::json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {} });
        let request = self.http()?.post(url).bearer_auth(token.expose_secret()).json(&body);
        let request = request.header("accept", "application/json, text/event-stream");
        let request = request.header("mcp-protocol-version", version).header("mcp-method", "tools/list");
        let answer = request.send().await.map_err(|error| unanswered(url, &error))?;
        let status = answer.status().as_u16();
        if status == 401 {
            return Ok(ServerAnswer::Refused("401: it does not accept the token".to_owned()));
        }
        // Whatever the status: a load balancer or CloudFront answers too, but only a server that has let the
        // client in answers a JSON-RPC request in kind (MCP, "Transports").
        Ok(match speaks_json_rpc(answer, url).await? {
            true => ServerAnswer::Accepted,
            false => ServerAnswer::Unclear(format!("HTTP {status}, which is not an MCP server's answer")),
        })
    }

    /// The HTTP client for the token endpoint and the servers. It follows no redirect, which could send the
    /// credentials to another host.
    pub(super) fn http(&self) -> CloudResult<&reqwest::Client> {
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

/// Whether an answer, or the stream that it is, holds a JSON-RPC message. It is read no further than that.
async fn speaks_json_rpc(mut answer: reqwest::Response, url: &str) -> CloudResult<bool> {
    const WORD: &[u8] = b"\"jsonrpc\"";
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|error| unanswered(url, &error))? {
        body.extend_from_slice(&chunk);
        if body.windows(WORD.len()).any(|part| part == WORD) {
            return Ok(true);
        }
        if body.len() > MAX_ANSWER {
            break;
        }
    }
    Ok(false)
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

/// What an answer says of the credentials, or the failure that it means (RFC 6749, section 5.2).
fn judge(status: u16, body: &[u8]) -> CloudResult<TokenAnswer> {
    let answer: Option<TokenResponse> = serde_json::from_slice(body).ok();
    if (200..300).contains(&status) {
        let token = answer.and_then(|answer| answer.access_token).filter(|token| !token.is_empty());
        return token
            .map(|token| TokenAnswer::Granted(token.into()))
            .ok_or_else(|| error::garbled(CALL, format!("HTTP {status} without an access token")));
    }
    let given = answer.and_then(|answer| answer.error);
    let error = given.as_ref().and_then(|error| REASONS.iter().find(|reason| *reason == error)).copied();
    let kind = match (error, status) {
        (Some("temporarily_unavailable" | "server_error"), _) => ErrorKind::Service,
        (_, 401 | 403) => ErrorKind::Denied,
        (_, 429) => ErrorKind::Throttled,
        (_, 500..) => ErrorKind::Service,
        (Some(_), _) => ErrorKind::Invalid,
        (None, _) if given.is_some() => ErrorKind::Invalid,
        (None, _) => ErrorKind::Garbled,
    };
    match (error, given) {
        (Some(reason @ ("invalid_client" | "unauthorized_client" | "invalid_grant")), _) => {
            Ok(TokenAnswer::Refused(reason.to_owned()))
        }
        (Some(reason), _) => Err(CloudError::new(kind, CALL, reason)),
        (None, Some(_)) => Err(CloudError::new(kind, CALL, format!("HTTP {status} with a reason that is not known"))),
        (None, None) => Err(CloudError::new(kind, CALL, format!("HTTP {status} without a reason"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(401, "", ErrorKind::Denied)]
    #[case::a_firewall(403, "<html>", ErrorKind::Denied)]
    #[case(400, r#"{"error":"access_denied"}"#, ErrorKind::Invalid)]
    #[case(400, r#"{"error":"invalid_scope"}"#, ErrorKind::Invalid)]
    #[case(400, "<html>", ErrorKind::Garbled)]
    #[case(302, "", ErrorKind::Garbled)]
    #[case(404, "", ErrorKind::Garbled)]
    #[case(429, "", ErrorKind::Throttled)]
    #[case(503, "busy", ErrorKind::Service)]
    #[case(400, r#"{"error":"hunter2"}"#, ErrorKind::Invalid)]
    #[case(400, r#"{"error":"invalid_scope","error_description":"not for hunter2"}"#, ErrorKind::Invalid)]
    #[case(500, "hunter2", ErrorKind::Service)]
    #[case(200, "{}", ErrorKind::Garbled)]
    #[case(200, "not json", ErrorKind::Garbled)]
    fn an_unclear_answer_is_an_error_of_its_kind_and_no_refusal(
        #[case] status: u16,
        #[case] body: &str,
        #[case] kind: ErrorKind,
    ) {
        let error = judge(status, body.as_bytes()).expect_err("neither a token nor a refusal");
        assert_eq!(error.kind, kind, "{error}");
        assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
    }

    #[test]
    fn the_access_token_of_an_answer_is_returned() {
        let answer = judge(200, br#"{"access_token":"abc","token_type":"Bearer"}"#).expect("an answer");
        assert_eq!(answer.granted().expect("granted").expose_secret(), "abc");
    }

    #[rstest]
    #[case(400, "invalid_client")]
    #[case(401, "invalid_client")]
    #[case(400, "unauthorized_client")]
    #[case(400, "invalid_grant")]
    fn a_refusal_is_an_answer(#[case] status: u16, #[case] code: &str) {
        let body = format!(r#"{{"error":"{code}","error_description":"hunter2 is wrong"}}"#);
        let answer = judge(status, body.as_bytes()).expect("an answer");
        assert!(matches!(answer, TokenAnswer::Refused(why) if why == code));
    }
}
