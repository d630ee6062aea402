//! CloudWatch Logs' StartLiveTail: a stream of log events as they arrive.

use std::time::Duration;

use aws_sdk_cloudwatchlogs::operation::start_live_tail::StartLiveTailOutput;
use aws_sdk_cloudwatchlogs::types::{
    LiveTailSessionLogEvent, LiveTailSessionUpdate, StartLiveTailResponseStream as Frame,
};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::BeforeTransmitInterceptorContextMut;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use futures::{StreamExt, TryStreamExt, stream};

use super::{AwsCloud, error};
use crate::cloud::{CloudError, CloudResult, ErrorKind, TailStream};
use crate::core::logs::{LogEvent, TailUpdate, group};

const CALL: &str = "logs:StartLiveTail";
/// Most log groups in a session (CloudWatch Logs API reference, StartLiveTail).
const GROUPS: usize = 10;
/// AWS sends an update every second, even an empty one, so a session that is silent for this long is dead.
const SILENCE: Duration = Duration::from_secs(60);

impl AwsCloud {
    pub(super) async fn open_tail(&self, groups: &[String], pattern: Option<&str>) -> CloudResult<TailStream> {
        if groups.is_empty() || groups.len() > GROUPS {
            return Err(error::invalid(
                CALL,
                format!("a live tail takes 1 to {GROUPS} log groups, not {}", groups.len()),
            ));
        }
        let region = group::parts(&groups[0]).0;
        if groups.iter().any(|other| group::parts(other).0 != region) {
            return Err(error::invalid(CALL, "a live tail takes log groups of one region"));
        }
        let arns = stream::iter(groups.to_vec()).map(|group| self.tailed_group(group)).buffered(4);
        let arns: Vec<Result<String, String>> = arns.try_collect().await?;
        let absent: Vec<String> = arns.iter().filter_map(|arn| arn.clone().err()).collect();
        let arns: Vec<String> = arns.into_iter().filter_map(Result::ok).collect();
        if arns.is_empty() {
            let message = format!(
                "there is no log group for a live tail: missing, or of a class without live tail: {}",
                absent.join(", ")
            );
            return Err(error::not_found(CALL, message));
        }
        let call = self.logs.at(region).tail.start_live_tail().set_log_group_identifiers(Some(arns));
        let call = call.set_log_event_filter_pattern(pattern.map(ToOwned::to_owned));
        let session = call.send().await.map_err(self.failed(CALL))?;
        // AWS sends an update every second; an emulator may send none while nothing is written.
        let silence = self.timeouts.silence.or(self.endpoint.is_none().then_some(SILENCE));
        Ok(updates(session, silence, absent, region.map(str::to_owned)).boxed())
    }
}

/// The updates of a session. The stream ends after the first error. `absent` are the groups that the
/// session does not have, which the first update names.
fn updates(
    session: StartLiveTailOutput,
    silence: Option<Duration>,
    absent: Vec<String>,
    region: Option<String>,
) -> impl stream::Stream<Item = CloudResult<TailUpdate>> {
    stream::unfold(Some((session, absent, region)), move |open| async move {
        let (mut session, mut absent, region) = open?;
        loop {
            let received = match silence {
                Some(limit) => tokio::time::timeout(limit, session.response_stream.recv()).await,
                None => Ok(session.response_stream.recv().await),
            };
            let item = match received {
                Ok(Ok(Some(frame))) => update(frame, &mut absent, region.as_deref()).map(Ok),
                Ok(Ok(None)) => return None,
                Ok(Err(failure)) => return Some((Err(broken(&failure)), None)),
                Err(_) => return Some((Err(silent(silence.unwrap_or(SILENCE))), None)),
            };
            if let Some(item) = item {
                return Some((item, Some((session, absent, region))));
            }
        }
    })
}

fn silent(limit: Duration) -> CloudError {
    CloudError::new(ErrorKind::TimedOut, CALL, format!("no update for {} s", limit.as_secs_f32()))
}

/// Why a session broke off. AWS ends every session after three hours: that is a time-out, after which it
/// can be opened again (API reference, SessionTimeoutException).
fn broken<E: ProvideErrorMetadata + std::error::Error, R: std::fmt::Debug>(failure: &SdkError<E, R>) -> CloudError {
    match failure {
        SdkError::ServiceError(failure) => {
            let meta = failure.err().meta();
            let error = error::from_service(CALL, meta.code(), meta.message(), None);
            if meta.code() == Some("SessionTimeoutException") {
                return CloudError { kind: ErrorKind::TimedOut, hint: None, ..error };
            }
            error
        }
        SdkError::TimeoutError(_) => CloudError::new(ErrorKind::TimedOut, CALL, "the session timed out"),
        SdkError::DispatchFailure(_) => CloudError::new(ErrorKind::Unreachable, CALL, "the connection broke"),
        _ => error::garbled(CALL, "the session broke off, or what it sent is not an event stream"),
    }
}

fn update(frame: Frame, absent: &mut Vec<String>, region: Option<&str>) -> Option<TailUpdate> {
    match frame {
        Frame::SessionStart(_) => Some(TailUpdate::Started { absent: std::mem::take(absent) }),
        Frame::SessionUpdate(LiveTailSessionUpdate { session_metadata, session_results, .. }) => {
            let sampled = session_metadata.is_some_and(|metadata| metadata.sampled());
            let found = session_results.unwrap_or_default().into_iter();
            let mut events: Vec<LogEvent> = found.map(|found| log_event(found, region)).collect();
            events.sort_by_key(|event| event.timestamp);
            Some(TailUpdate::Events { events, sampled })
        }
        _ => None,
    }
}

fn log_event(found: LiveTailSessionLogEvent, region: Option<&str>) -> LogEvent {
    let timestamp = found.timestamp.unwrap_or_default();
    LogEvent {
        timestamp,
        ingested: found.ingestion_time.unwrap_or(timestamp),
        group: group::id(group_name(&found.log_group_identifier.unwrap_or_default()), region, ""),
        stream: found.log_stream_name.unwrap_or_default(),
        message: found.message.unwrap_or_default(),
    }
}

/// The group's name in an identifier, which is an ARN, `<account>:<name>`, or the name itself.
fn group_name(identifier: &str) -> &str {
    let name = identifier.split_once(":log-group:").map_or(identifier, |(_, rest)| rest);
    let name = name.strip_suffix(":*").unwrap_or(name);
    match name.split_once(':') {
        Some((account, rest)) if account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit()) => rest,
        _ => name,
    }
}

/// Removes the prefix `stream-` that the SDK puts before the host for StartLiveTail, unless the host is
/// AWS's own. An emulator has no host of that name.
#[derive(Debug)]
pub(super) struct PlainHost;

impl Intercept for PlainHost {
    fn name(&self) -> &'static str {
        "PlainHost"
    }

    fn modify_before_signing(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let request = context.request_mut();
        if let Some(plain) = plain_host(request.uri()) {
            request.set_uri(plain)?;
        }
        Ok(())
    }
}

/// The URI without `stream-` before its host; `None` if there is no such prefix or the host is AWS's.
fn plain_host(uri: &str) -> Option<String> {
    let (scheme, rest) = uri.split_once("://")?;
    let plain = rest.strip_prefix("stream-")?;
    let host = plain.split(['/', ':', '?']).next().unwrap_or(plain);
    let parts: Vec<&str> = host.split('.').collect();
    let of_aws = matches!(
        parts.as_slice(),
        ["logs" | "logs-fips", _, "amazonaws", ..] | ["logs" | "logs-fips", _, "api", "aws"]
    );
    (!of_aws).then(|| format!("{scheme}://{plain}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("http://stream-localhost:4566/", Some("http://localhost:4566/"))]
    #[case("http://localhost:4566/", None)]
    #[case("https://stream-logs.eu-central-1.amazonaws.com/", None)]
    #[case("https://stream-logs.cn-north-1.amazonaws.com.cn/", None)]
    #[case("https://stream-logs.eu-central-1.api.aws/", None)]
    #[case("http://stream-logs.localhost.localstack.cloud:4566/", Some("http://logs.localhost.localstack.cloud:4566/"))]
    #[case("/", None)]
    fn the_prefix_of_a_live_tail_host_is_removed_unless_it_is_on_aws(#[case] uri: &str, #[case] plain: Option<&str>) {
        assert_eq!(plain_host(uri).as_deref(), plain);
    }

    #[rstest]
    #[case("/quarterdeck/prod/time", "/quarterdeck/prod/time")]
    #[case("123456789012:/quarterdeck/prod/time", "/quarterdeck/prod/time")]
    #[case("arn:aws:logs:eu-central-1:123456789012:log-group:/q/prod/time", "/q/prod/time")]
    #[case("arn:aws:logs:eu-central-1:123456789012:log-group:/q/prod/time:*", "/q/prod/time")]
    fn the_name_of_a_group_is_found_in_every_identifier(#[case] identifier: &str, #[case] name: &str) {
        assert_eq!(group_name(identifier), name);
    }
}
