//! Signs a request to DynamoDB (IAM user guide, "AWS Signature Version 4 for API requests").

use std::fmt::Write;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign as hmac};
use jiff::Timestamp;

use super::credentials::Credentials;

/// The call: version and name.
const TARGET: &str = "DynamoDB_20120810.Query";
const CONTENT_TYPE: &str = "application/x-amz-json-1.0";
const SERVICE: &str = "dynamodb";

/// The headers of a POST of `body` to the root of `host`, with a signature if there are credentials.
pub fn sign(
    credentials: Option<&Credentials>,
    host: &str,
    region: &str,
    body: &str,
    now: Timestamp,
) -> Vec<(&'static str, String)> {
    let mut headers = vec![("content-type", CONTENT_TYPE.to_owned()), ("x-amz-target", TARGET.to_owned())];
    let Some(Credentials { id, secret, token, .. }) = credentials else { return headers };
    let moment = now.strftime("%Y%m%dT%H%M%SZ").to_string();
    let day = moment.get(..8).unwrap_or_default().to_owned();
    headers.push(("x-amz-date", moment.clone()));
    headers.extend(token.clone().map(|token| ("x-amz-security-token", token)));
    // By name; the client adds the host itself.
    let mut signed: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    signed.push(("host", host));
    signed.sort_unstable();
    let names = signed.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
    let lines: String = signed.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
    let request = format!("POST\n/\n\n{lines}\n{names}\n{}", hex(digest(&SHA256, body.as_bytes()).as_ref()));
    let scope = format!("{day}/{region}/{SERVICE}/aws4_request");
    let text = format!("AWS4-HMAC-SHA256\n{moment}\n{scope}\n{}", hex(digest(&SHA256, request.as_bytes()).as_ref()));
    let first = format!("AWS4{secret}").into_bytes();
    let key = [day.as_str(), region, SERVICE, "aws4_request"].into_iter().fold(first, |key, part| keyed(&key, part));
    let signature = hex(&keyed(&key, &text));
    let authorization =
        format!("AWS4-HMAC-SHA256 Credential={id}/{scope}, SignedHeaders={names}, Signature={signature}");
    headers.push(("authorization", authorization));
    headers
}

fn keyed(key: &[u8], text: &str) -> Vec<u8> {
    hmac(&Key::new(HMAC_SHA256, key), text.as_bytes()).as_ref().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign as reference};
    use aws_sigv4::sign::v4;

    /// Signed as AWS's own library does it.
    #[test]
    fn a_signature_is_the_one_that_aws_expects() {
        let now: Timestamp = "2026-11-26T19:24:18Z".parse().unwrap();
        for token in [None, Some("a/session+token==".to_owned())] {
            let credentials = Credentials {
                id: "AKIDEXAMPLE".into(),
                secret: "wJalrXUtnFEMI/K7MDENG+bPxRfi".into(),
                token,
                expiration: None,
            };
            let (host, body) = ("dynamodb.eu-west-1.amazonaws.com", r#"{"TableName":"é"}"#);
            let ours = sign(Some(&credentials), host, "eu-west-1", body, now);
            let identity = aws_credential_types::Credentials::new(
                &credentials.id,
                &credentials.secret,
                credentials.token.clone(),
                None,
                "test",
            )
            .into();
            let parameters = v4::SigningParams::builder()
                .identity(&identity)
                .region("eu-west-1")
                .name(SERVICE)
                .time(std::time::SystemTime::from(now))
                .settings(SigningSettings::default())
                .build()
                .unwrap()
                .into();
            let headers = [("host", host), ("content-type", CONTENT_TYPE), ("x-amz-target", TARGET)];
            let request = SignableRequest::new(
                "POST",
                format!("https://{host}/"),
                headers.into_iter(),
                SignableBody::Bytes(body.as_bytes()),
            )
            .unwrap();
            let (instructions, _) = reference(request, &parameters).unwrap().into_parts();
            let theirs = instructions.headers().find(|(name, _)| *name == "authorization").unwrap().1.to_owned();
            let find = |wanted: &str| ours.iter().find(|(name, _)| *name == wanted).map(|(_, value)| value.clone());
            assert_eq!(find("authorization"), Some(theirs));
            assert_eq!(find("x-amz-security-token"), credentials.token);
        }
    }

    #[test]
    fn nothing_is_signed_without_credentials() {
        let names: Vec<_> = sign(None, "h", "r", "", Timestamp::UNIX_EPOCH).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["content-type", "x-amz-target"]);
    }
}
