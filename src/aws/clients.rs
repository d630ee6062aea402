//! The SDK's clients: one set for reads, one for writes, and CloudFormation by region.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{Region, SdkConfig};

use super::Timeouts;
use super::meter::Meter;
use super::tail::PlainHost;

/// One client for each service but CloudFormation.
pub(super) struct ServiceClients {
    pub(super) ecs: aws_sdk_ecs::Client,
    pub(super) cognito: aws_sdk_cognitoidentityprovider::Client,
    pub(super) dynamodb: aws_sdk_dynamodb::Client,
    pub(super) secrets: aws_sdk_secretsmanager::Client,
    pub(super) elb: aws_sdk_elasticloadbalancingv2::Client,
    pub(super) shifts: aws_sdk_arczonalshift::Client,
    pub(super) scaling: aws_sdk_applicationautoscaling::Client,
    pub(super) metrics: aws_sdk_cloudwatch::Client,
    pub(super) sts: aws_sdk_sts::Client,
}

/// Makes the client of a service; the meter counts its requests.
macro_rules! client {
    ($service:ident, $config:expr, $meter:expr) => {{
        let mut builder = $service::config::Builder::from($config).interceptor($meter.clone());
        if $meter.plain() {
            builder.set_endpoint_url(None);
        }
        $service::Client::from_conf(builder.build())
    }};
}

impl ServiceClients {
    /// `once` is the configuration for the services whose attempts the pacer makes.
    pub(super) fn new(config: &SdkConfig, once: &SdkConfig, meter: &Meter) -> Self {
        Self {
            ecs: client!(aws_sdk_ecs, once, meter),
            cognito: client!(aws_sdk_cognitoidentityprovider, config, meter),
            dynamodb: client!(aws_sdk_dynamodb, config, meter),
            secrets: client!(aws_sdk_secretsmanager, config, meter),
            elb: client!(aws_sdk_elasticloadbalancingv2, once, meter),
            shifts: client!(aws_sdk_arczonalshift, config, meter),
            scaling: client!(aws_sdk_applicationautoscaling, once, meter),
            metrics: client!(aws_sdk_cloudwatch, once, meter),
            sts: client!(aws_sdk_sts, config, meter),
        }
    }
}

/// Longest pause before the second attempt of a read; before the third it is twice as long. The SDK's
/// default of a second is long for somebody who waits, and the console slows down by itself when throttled.
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// The configuration for reads. They may be repeated: three attempts.
pub(super) fn for_reads(base: &SdkConfig, timeouts: &Timeouts) -> SdkConfig {
    let limits = TimeoutConfig::builder()
        .connect_timeout(timeouts.connect)
        .operation_attempt_timeout(timeouts.attempt)
        .operation_timeout(timeouts.read)
        .build();
    let retries = RetryConfig::standard().with_max_attempts(3).with_initial_backoff(FIRST_PAUSE);
    base.clone().into_builder().retry_config(retries).timeout_config(limits).build()
}

/// The same where something else than the SDK repeats them.
pub(super) fn once(reads: &SdkConfig) -> SdkConfig {
    reads.clone().into_builder().retry_config(RetryConfig::disabled()).build()
}

/// The configuration for writes. They are sent once: without an idempotency token, a second attempt
/// could change something twice.
pub(super) fn for_writes(base: &SdkConfig, timeouts: &Timeouts) -> SdkConfig {
    let limits = TimeoutConfig::builder().connect_timeout(timeouts.connect).operation_timeout(timeouts.write).build();
    base.clone().into_builder().retry_config(RetryConfig::disabled()).timeout_config(limits).build()
}

/// CloudWatch Logs' clients in one region.
#[derive(Clone)]
pub(super) struct LogsClients {
    pub(super) read: aws_sdk_cloudwatchlogs::Client,
    pub(super) tail: aws_sdk_cloudwatchlogs::Client,
}

/// CloudWatch Logs' clients by region: a service may log to another one than it runs in.
pub(super) struct RegionalLogs {
    reads: SdkConfig,
    meter: Meter,
    made: Mutex<HashMap<Option<String>, LogsClients>>,
}

impl RegionalLogs {
    pub(super) fn new(reads: SdkConfig, meter: Meter) -> Self {
        Self { reads, meter, made: Mutex::default() }
    }

    /// The clients in a region; `None` is the console's own.
    pub(super) fn at(&self, region: Option<&str>) -> LogsClients {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        made.entry(region.map(str::to_owned)).or_insert_with(|| self.make(region)).clone()
    }

    fn make(&self, region: Option<&str>) -> LogsClients {
        let builder = self.reads.clone().into_builder();
        let here = match region {
            Some(region) => builder.region(Region::new(region.to_owned())).build(),
            None => builder.build(),
        };
        LogsClients { read: client!(aws_sdk_cloudwatchlogs, &here, self.meter), tail: for_tail(&here, &self.meter) }
    }
}

/// ECR's clients by region: tasks start from images of any.
pub(super) struct RegionalImages {
    reads: SdkConfig,
    meter: Meter,
    made: Mutex<HashMap<String, aws_sdk_ecr::Client>>,
}

impl RegionalImages {
    pub(super) fn new(reads: SdkConfig, meter: Meter) -> Self {
        Self { reads, meter, made: Mutex::default() }
    }

    /// The client in a region.
    pub(super) fn at(&self, region: &str) -> aws_sdk_ecr::Client {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let make = || {
            let here = self.reads.clone().into_builder().region(Region::new(region.to_owned())).build();
            client!(aws_sdk_ecr, &here, self.meter)
        };
        made.entry(region.to_owned()).or_insert_with(make).clone()
    }
}

/// The client for live tails. The SDK must not take a quiet stream for a stalled one.
fn for_tail(reads: &SdkConfig, meter: &Meter) -> aws_sdk_cloudwatchlogs::Client {
    let mut config = aws_sdk_cloudwatchlogs::config::Builder::from(reads)
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .interceptor(meter.clone())
        .interceptor(PlainHost);
    if meter.plain() {
        config.set_endpoint_url(None);
    }
    aws_sdk_cloudwatchlogs::Client::from_conf(config.build())
}

/// CloudFormation's clients in one region.
#[derive(Clone)]
pub(super) struct CloudFormation {
    pub(super) read: aws_sdk_cloudformation::Client,
    pub(super) write: aws_sdk_cloudformation::Client,
}

/// CloudFormation's clients by region: the edge stack is not in the region of the others.
pub(super) struct Regional {
    reads: SdkConfig,
    writes: SdkConfig,
    meter: Meter,
    made: Mutex<HashMap<String, CloudFormation>>,
}

impl Regional {
    pub(super) fn new(reads: SdkConfig, writes: SdkConfig, meter: Meter) -> Self {
        Self { reads, writes, meter, made: Mutex::default() }
    }

    /// The clients in a region.
    pub(super) fn at(&self, region: &str) -> CloudFormation {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        made.entry(region.to_owned())
            .or_insert_with(|| CloudFormation {
                read: self.make(&self.reads, region),
                write: self.make(&self.writes, region),
            })
            .clone()
    }

    fn make(&self, config: &SdkConfig, region: &str) -> aws_sdk_cloudformation::Client {
        let here = config.clone().into_builder().region(Region::new(region.to_owned())).build();
        client!(aws_sdk_cloudformation, &here, self.meter)
    }
}
