//! The HTTP client: timeouts, no redirects, nothing read from the image.

use std::time::Duration;

use reqwest::{Certificate, Client, Response};

/// Why there is no response.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No connection, no answer in time, or an answer that broke off.
    #[error("{}", reason(.0))]
    Http(#[from] reqwest::Error),
    /// The body is larger than this many bytes.
    #[error("the response is larger than {0} bytes")]
    TooLarge(usize),
    /// No answer within the time of several requests.
    #[error("no answer in time")]
    Late,
}

/// A client for an image without files: the certificate authorities are in the
/// binary, and names are resolved in Rust, because a static glibc cannot load
/// the modules that its own resolver needs. Redirects are not followed: every
/// address that this process calls is configured.
///
/// `timeout` is for the whole request; connecting takes at most 3 s of it.
///
/// # Errors
/// If TLS or the resolver cannot be set up.
pub fn http_client(user_agent: &str, timeout: Duration) -> Result<Client, ClientError> {
    let roots = webpki_root_certs::TLS_SERVER_ROOT_CERTS
        .iter()
        .map(|der| Certificate::from_der(der))
        .collect::<Result<Vec<_>, _>>()?;
    let client = Client::builder()
        .user_agent(user_agent)
        .connect_timeout(timeout.min(Duration::from_secs(3)))
        .timeout(timeout)
        .redirect(reqwest::redirect::Policy::none())
        .tls_certs_only(roots)
        .no_proxy()
        .hickory_dns(true)
        .build()?;
    Ok(client)
}

/// Reads a body of at most `limit` bytes. A larger one is not read to its end.
///
/// # Errors
/// If it is larger, or breaks off.
pub async fn read_limited(mut response: Response, limit: usize) -> Result<Vec<u8>, ClientError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > limit {
            return Err(ClientError::TooLarge(limit));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// The innermost cause: the outer ones only repeat the URL.
fn reason(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    if error.is_timeout() { "no answer in time".to_owned() } else { cause.to_string() }
}
