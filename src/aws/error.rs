//! Turns every failure of the SDK into a [`CloudError`].

use std::error::Error;
use std::fmt::Write as _;

use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::{DispatchFailure, SdkError};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use super::AwsCloud;
use crate::cloud::{CloudError, ErrorKind};
use crate::core::rights::calls::{Repeat, repeatable};
use crate::core::text::{cut, sanitise};

impl AwsCloud {
    /// Turns the SDK's failure of this call into a [`CloudError`].
    pub(super) fn failed<E>(&self, call: &'static str) -> impl FnOnce(SdkError<E, HttpResponse>) -> CloudError
    where
        E: Error + ProvideErrorMetadata + Send + Sync + 'static,
    {
        let (place, way) = (self.place(), way_to(self.endpoint.as_deref()));
        let renewal = self.sign_in().map(|sign_in| sign_in.hint(self.profile()));
        move |error| {
            let error = from_sdk(call, &place, &error);
            match renewal {
                _ if error.kind == ErrorKind::Unreachable => error.with_hint(way),
                Some(renewal) if error.signed_out() => error.with_hint(renewal),
                _ => error,
            }
        }
    }
}

/// What helps where nothing answers: who gave no endpoint cannot have given a wrong one, and on this machine it is
/// an emulator that does not run.
fn way_to(endpoint: Option<&str>) -> &'static str {
    let host = endpoint.and_then(|endpoint| reqwest::Url::parse(endpoint).ok()?.host_str().map(str::to_owned));
    match host.as_deref() {
        None if endpoint.is_none() => "check the network and the region",
        Some("localhost" | "127.0.0.1" | "[::1]") => {
            "`quarterdeck local up` starts the local cloud; where another emulator is meant, start that one"
        }
        _ => "check the network and the endpoint (--endpoint-url, AWS_ENDPOINT_URL)",
    }
}

/// The answer is not what the API promises.
pub(super) fn garbled(call: &str, message: impl Into<String>) -> CloudError {
    CloudError::new(ErrorKind::Garbled, call, message)
}

/// Something that was asked for does not exist.
pub(super) fn not_found(call: &str, message: impl Into<String>) -> CloudError {
    CloudError::new(ErrorKind::NotFound, call, message)
}

/// The request cannot be made with what was given.
pub(super) fn invalid(call: &str, message: impl Into<String>) -> CloudError {
    CloudError::new(ErrorKind::Invalid, call, message)
}

fn from_sdk<E>(call: &str, place: &str, error: &SdkError<E, HttpResponse>) -> CloudError
where
    E: Error + ProvideErrorMetadata + Send + Sync + 'static,
{
    match error {
        SdkError::ServiceError(failure) => {
            let (meta, status) = (failure.err().meta(), failure.raw().status().as_u16());
            if (200..300).contains(&status) {
                return unreadable(call, place, status, failure.err());
            }
            let plain = meta.code().is_none() && repeatable(call) == Repeat::Text;
            let plain = plain.then(|| plain_words(failure.raw().body().bytes())).flatten();
            from_service(call, meta.code(), meta.message().or(plain.as_deref()), Some(status))
        }
        SdkError::TimeoutError(_) => {
            CloudError::new(ErrorKind::TimedOut, call, format!("no answer from {place} in time"))
        }
        SdkError::DispatchFailure(failure) => from_dispatch(call, place, failure),
        SdkError::ResponseError(failure) => unreadable(call, place, failure.raw().status().as_u16(), error),
        other => from_construction(call, other),
    }
}

/// An answer that is not what the API promises. Not a byte of it is repeated: an answer of a call that
/// succeeded may hold anything, such as a secret or a line of a log, and so may the words of the parser.
fn unreadable(call: &str, place: &str, status: u16, error: &(dyn Error + 'static)) -> CloudError {
    let kind = match kind_of_status(status) {
        ErrorKind::Invalid | ErrorKind::NotFound => ErrorKind::Garbled,
        kind => kind,
    };
    let why = match (broken_connection(error), offset(error)) {
        (true, _) => ": the connection broke".to_owned(),
        (false, Some(at)) => format!(", from byte {at} on"),
        (false, None) => String::new(),
    };
    CloudError::new(kind, call, format!("HTTP {status} from {place} could not be read{why}"))
}

/// Where the parser gave up, as far as it says so. Of its words the number alone is taken.
fn offset(error: &(dyn Error + 'static)) -> Option<u64> {
    causes(error).find_map(|cause| {
        let said = cause.to_string();
        let (_, rest) = said.split_once("at offset ")?;
        rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
    })
}

fn broken_connection(error: &(dyn Error + 'static)) -> bool {
    causes(error).any(<dyn Error>::is::<std::io::Error>)
}

/// An error and its causes, outermost first.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error: &&'a (dyn Error + 'static)| Error::source(*error))
}

/// Longest reason of a service that is repeated, in characters.
const LONGEST: usize = 1_000;

/// A failure that the service reported, with its code, message and HTTP status. What is said of a call that
/// carries secrets may quote them, so of such a call only a code that is known is repeated.
pub(super) fn from_service(call: &str, code: Option<&str>, message: Option<&str>, status: Option<u16>) -> CloudError {
    let kind = classify(code, message.unwrap_or_default(), status);
    let known = code.filter(|code| plain_code(code) && kind_of_code(code, "").is_some());
    let (code, message) = match repeatable(call) {
        Repeat::Code => (known, None),
        Repeat::Reason => (known, message.filter(|_| known.is_some())),
        Repeat::Text => (code, message),
    };
    let said = match (message.filter(|text| !text.trim().is_empty()), code, status) {
        (Some(message), Some(code), _) => format!("{message} ({code})"),
        (Some(message), None, _) => message.to_owned(),
        (None, Some(code), _) => code.to_owned(),
        (None, None, Some(status)) => format!("HTTP {status} without a reason"),
        (None, None, None) => "no reason given".to_owned(),
    };
    CloudError::new(kind, call, cut(&sanitise(&said), LONGEST))
}

/// Whether it can be an error code: AWS's are words of letters, with a dot at most.
fn plain_code(code: &str) -> bool {
    code.len() <= 64 && code.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'.')
}

/// The text of an error that does not have the API's format; `None` if it is a web page.
fn plain_words(body: Option<&[u8]>) -> Option<String> {
    let text = str::from_utf8(body?).ok()?.trim();
    (!text.is_empty() && !text.starts_with('<')).then(|| cut(&sanitise(text), 200))
}

/// The request could not be sent, or no answer came back.
fn from_dispatch(call: &str, place: &str, failure: &DispatchFailure) -> CloudError {
    let source = failure.as_connector_error().map(|error| error as &(dyn Error + 'static));
    if let Some(credentials) = source.and_then(find_credentials_error) {
        return from_credentials(call, credentials);
    }
    if failure.is_timeout() {
        return CloudError::new(ErrorKind::TimedOut, call, format!("no connection to {place} in time"));
    }
    let kind = |cause: &(dyn Error + 'static)| cause.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
    if source.is_some_and(|error| causes(error).any(|cause| kind(cause) == Some(std::io::ErrorKind::ConnectionRefused)))
    {
        return CloudError::new(ErrorKind::Unreachable, call, format!("{place} refuses connections"));
    }
    let why = source.map(chain).unwrap_or_else(|| "no reason given".into());
    CloudError::new(ErrorKind::Unreachable, call, format!("{place}: {why}"))
}

fn from_construction(call: &str, error: &(dyn Error + 'static)) -> CloudError {
    match find_credentials_error(error) {
        Some(credentials) => from_credentials(call, credentials),
        None if repeatable(call) == Repeat::Code => invalid(call, "the request cannot be made from what was given"),
        None => invalid(call, chain(error)),
    }
}

fn from_credentials(call: &str, error: &CredentialsError) -> CloudError {
    let expired = causes(error).any(|cause| cause.to_string().to_ascii_lowercase().contains("expired"));
    let kind = if expired { ErrorKind::Expired } else { ErrorKind::NoCredentials };
    CloudError::new(kind, call, cut(&credentials_chain(error), LONGEST))
}

/// What the chain of credentials says, up to the first answer that it read: such an answer holds keys, and the
/// words of a parser or of the service may quote it.
fn credentials_chain(error: &CredentialsError) -> String {
    /// Words with which the chain says that it could not read an answer.
    const PARSERS: &[&str] = &["parse", "pars", "token '", "offset", "escape", "field in response", "utf-8", "Error {"];
    let mut out = String::new();
    let mut answered = false;
    for cause in causes(error) {
        let said = sanitise(&cause.to_string());
        if answered {
            // `ExpiredTokenException: why` or `unhandled error (AccessDenied)`: the code, without the reason.
            let code = said.split(['(', ')']).nth(1).or_else(|| said.split(':').next()).unwrap_or_default().trim();
            if plain_code(code) && kind_of_code(code, "").is_some() {
                append(&mut out, code);
            }
            break;
        }
        if PARSERS.iter().any(|word| said.contains(word)) && !said.contains("profile") {
            append(&mut out, "what answered could not be read");
            break;
        }
        answered = said == "service error";
        if !out.contains(&said) {
            append(&mut out, &said);
        }
    }
    out
}

fn append(out: &mut String, words: &str) {
    let _ = write!(out, "{}{words}", if out.is_empty() { "" } else { ": " });
}

fn find_credentials_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a CredentialsError> {
    causes(error).find_map(|error| error.downcast_ref())
}

/// An error with its causes. A cause that only repeats what was said is left out.
fn chain(error: &(dyn Error + 'static)) -> String {
    let mut out = String::new();
    for cause in causes(error) {
        let words = sanitise(&cause.to_string());
        if out.is_empty() || !out.contains(&words) {
            append(&mut out, &words);
        }
    }
    cut(&out, LONGEST)
}

/// The kind of failure that a service reported.
fn classify(code: Option<&str>, message: &str, status: Option<u16>) -> ErrorKind {
    // Emulators say in several ways that they lack a whole service.
    if status == Some(501) || message.contains("Unsupported service") {
        return ErrorKind::Unsupported;
    }
    let Some(code) = code.filter(|code| !code.is_empty()) else {
        return status.map_or(ErrorKind::Service, kind_of_nameless);
    };
    kind_of_code(code, message).unwrap_or_else(|| match status.map(kind_of_status) {
        Some(kind) => kind,
        None => ErrorKind::Invalid,
    })
}

/// The kind of failure that an error code means, by the words in it: services have many codes for the same.
fn kind_of_code(code: &str, message: &str) -> Option<ErrorKind> {
    let has = |word: &str| code.contains(word);
    let any = |words: &[&str]| words.iter().any(|word| has(word));
    let kind = if any(&["Throttl", "TooManyRequests", "RequestLimitExceeded", "SlowDown", "RequestThrottled"]) {
        ErrorKind::Throttled
    } else if any(&[
        "ExpiredToken",
        "RequestExpired",
        "UnrecognizedClient",
        "InvalidClientTokenId",
        "TokenRefreshRequired",
    ]) || any(&[
        "SignatureDoesNotMatch",
        "InvalidSignature",
        "InvalidAccessKeyId",
        "AuthFailure",
        "IncompleteSignature",
    ]) {
        ErrorKind::Expired
    } else if any(&["AccessDenied", "Unauthorized", "NotAuthorized", "OptInRequired", "MissingAuthenticationToken"]) {
        ErrorKind::Denied
    } else if any(&[
        "UnknownOperation",
        "InvalidAction",
        "NotImplemented",
        "UnsupportedOperation",
        "UnsupportedFeature",
    ]) {
        ErrorKind::Unsupported
    } else if any(&["AlreadyExists", "InUse", "ResourceExists", "Conflict", "ConcurrentModification", "InProgress"])
        || any(&[
            "InvalidChangeSetStatus",
            "LimitExceeded",
            "NotActive",
            "PreconditionNotMet",
            "InvalidRequestException",
        ])
    {
        ErrorKind::Conflict
    } else if any(&["NotFound", "NotExist", "NoSuch"]) {
        ErrorKind::NotFound
    } else if any(&["Internal", "ServiceUnavailable", "ServerException", "ServiceFailure"]) {
        ErrorKind::Service
    } else if any(&["Validation", "InvalidParameter", "ClientException", "InvalidInput"]) {
        kind_of_words(message)
    } else {
        return None;
    };
    Some(kind)
}

/// The kind of failure by its message: CloudFormation and ECS use one code for several kinds.
fn kind_of_words(message: &str) -> ErrorKind {
    let state = message.contains(" state and can not be ") || message.contains(" state and cannot be ");
    if state || message.contains("_IN_PROGRESS") || message.contains("already exists") {
        ErrorKind::Conflict
    } else if message.contains("does not exist") || message.contains("not found") {
        ErrorKind::NotFound
    } else {
        ErrorKind::Invalid
    }
}

/// The kind of a failure without a code. AWS always sends one, so the answer is probably not from AWS.
fn kind_of_nameless(status: u16) -> ErrorKind {
    match kind_of_status(status) {
        ErrorKind::Invalid | ErrorKind::NotFound => ErrorKind::Garbled,
        kind => kind,
    }
}

fn kind_of_status(status: u16) -> ErrorKind {
    match status {
        401 | 403 => ErrorKind::Denied,
        404 => ErrorKind::NotFound,
        409 => ErrorKind::Conflict,
        429 => ErrorKind::Throttled,
        501 => ErrorKind::Unsupported,
        500.. => ErrorKind::Service,
        400..500 => ErrorKind::Invalid,
        _ => ErrorKind::Garbled,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::aws(None, "check the network and the region", false)]
    #[case::the_local_cloud(Some("http://127.0.0.1:4666"), "`quarterdeck local up`", false)]
    #[case::by_name(Some("http://localhost:4566/"), "`quarterdeck local up`", false)]
    #[case::by_its_other_address(Some("http://[::1]:4566"), "`quarterdeck local up`", false)]
    #[case::in_a_vpc(Some("https://vpce-1-ecs.us-east-1.vpce.amazonaws.com"), "check the network", true)]
    #[case::no_url(Some("localhost"), "check the network", true)]
    fn where_nothing_answers_the_hint_fits_the_place(
        #[case] endpoint: Option<&str>,
        #[case] says: &str,
        #[case] names_the_flag: bool,
    ) {
        let way = way_to(endpoint);
        assert!(way.starts_with(says) && way.contains("--endpoint-url") == names_the_flag, "{way}");
    }

    #[rstest]
    #[case("ThrottlingException", "Rate exceeded", 400, ErrorKind::Throttled)]
    #[case("Throttling", "Rate exceeded", 400, ErrorKind::Throttled)]
    #[case("TooManyRequestsException", "", 400, ErrorKind::Throttled)]
    #[case("RequestLimitExceeded", "", 503, ErrorKind::Throttled)]
    #[case("AccessDeniedException", "User is not authorized", 400, ErrorKind::Denied)]
    #[case("AccessDenied", "", 403, ErrorKind::Denied)]
    #[case("UnauthorizedOperation", "", 403, ErrorKind::Denied)]
    #[case("ExpiredTokenException", "", 400, ErrorKind::Expired)]
    #[case("ExpiredToken", "", 403, ErrorKind::Expired)]
    #[case("UnrecognizedClientException", "", 400, ErrorKind::Expired)]
    #[case("InvalidClientTokenId", "", 403, ErrorKind::Expired)]
    #[case("SignatureDoesNotMatch", "", 403, ErrorKind::Expired)]
    #[case("ClusterNotFoundException", "Cluster not found.", 400, ErrorKind::NotFound)]
    #[case("ServiceNotFoundException", "", 400, ErrorKind::NotFound)]
    #[case("ResourceNotFoundException", "", 400, ErrorKind::NotFound)]
    #[case("ChangeSetNotFound", "", 404, ErrorKind::NotFound)]
    #[case("TargetGroupNotFound", "", 400, ErrorKind::NotFound)]
    #[case("ValidationError", "Stack with id x does not exist", 400, ErrorKind::NotFound)]
    #[case(
        "ValidationError",
        "Stack:arn is in UPDATE_IN_PROGRESS state and can not be updated.",
        400,
        ErrorKind::Conflict
    )]
    #[case("ValidationError", "Parameters: [A] do not exist in the template", 400, ErrorKind::Invalid)]
    #[case("ValidationError", "Template format error", 400, ErrorKind::Invalid)]
    #[case("AlreadyExistsException", "", 400, ErrorKind::Conflict)]
    #[case("ResourceInUseException", "", 400, ErrorKind::Conflict)]
    #[case("ResourceExistsException", "", 400, ErrorKind::Conflict)]
    #[case("LimitExceededException", "at most 2", 400, ErrorKind::Conflict)]
    #[case("ServiceNotActiveException", "", 400, ErrorKind::Conflict)]
    #[case("InvalidChangeSetStatus", "", 400, ErrorKind::Conflict)]
    #[case("UnknownOperationException", "", 404, ErrorKind::Unsupported)]
    #[case("InvalidAction", "Unknown action: X", 400, ErrorKind::Unsupported)]
    #[case("InvalidParameterException", "bad", 400, ErrorKind::Invalid)]
    #[case("InvalidParameterException", "The referenced task was not found.", 400, ErrorKind::NotFound)]
    #[case("ClientException", "Unable to describe task definition.", 400, ErrorKind::Invalid)]
    #[case("ServerException", "", 500, ErrorKind::Service)]
    #[case("InternalFailure", "", 500, ErrorKind::Service)]
    #[case("InternalErrorException", "", 500, ErrorKind::Service)]
    #[case("ServiceUnavailableException", "", 503, ErrorKind::Service)]
    #[case("SomethingNew", "", 400, ErrorKind::Invalid)]
    #[case("SomethingNew", "", 502, ErrorKind::Service)]
    #[case("InternalFailure", "not yet implemented", 501, ErrorKind::Unsupported)]
    fn an_error_code_has_its_kind(
        #[case] code: &str,
        #[case] message: &str,
        #[case] status: u16,
        #[case] kind: ErrorKind,
    ) {
        assert_eq!(classify(Some(code), message, Some(status)), kind);
    }

    #[rstest]
    #[case(400, ErrorKind::Garbled)]
    #[case(403, ErrorKind::Denied)]
    #[case(404, ErrorKind::Garbled)]
    #[case(429, ErrorKind::Throttled)]
    #[case(500, ErrorKind::Service)]
    #[case(501, ErrorKind::Unsupported)]
    #[case(503, ErrorKind::Service)]
    fn a_failure_without_a_code_has_a_kind_by_its_status(#[case] status: u16, #[case] kind: ErrorKind) {
        assert_eq!(classify(None, "", Some(status)), kind);
    }

    #[rstest]
    #[case(r#"{"error": "Unsupported service: x"}"#, Some(r#"{"error": "Unsupported service: x"}"#))]
    #[case("<html>nginx</html>", None)]
    #[case("", None)]
    fn the_text_of_an_unknown_error_is_kept_unless_it_is_a_web_page(#[case] body: &str, #[case] words: Option<&str>) {
        assert_eq!(plain_words(Some(body.as_bytes())).as_deref(), words);
    }

    #[test]
    fn a_hostile_message_is_sanitised() {
        let error = from_service("ecs:X", Some("ClientException"), Some("bad \u{1b}]0;owned\u{7}thing"), Some(400));
        assert_eq!(error.message, "bad thing (ClientException)");
    }
}
