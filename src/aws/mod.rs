//! AWS, behind the wall of [`crate::cloud`]. This file connects and holds what all services share; each
//! service's part of the wall is in the file of that service.
//!
//! Architecture invariant: this is the only place that names `aws_sdk_*`. Nothing but domain types
//! and [`CloudError`] leaves it, and everything that writes is called by
//! [`Writes::apply`](crate::cloud::Writes::apply).
//!
//! There are two sets of clients: one for reads, which the SDK may repeat, and one for writes,
//! which are sent once.

mod caller;
mod change_set;
mod clients;
mod cognito;
mod convert;
mod credentials;
mod definitions;
mod draft;
mod ecs;
mod elb;
mod error;
mod fleet;
mod held;
mod images;
mod insights;
mod log_configuration;
mod logs;
mod meter;
mod metrics;
mod outside;
mod pacer;
mod place;
mod profiles;
mod quarantine;
mod reach;
mod scaling;
mod secrets;
mod service_deployments;
mod silence;
mod stacks;
mod tail;
mod token;
mod turns;
mod users;
mod validation;
mod write;
mod zones;

use std::collections::HashMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::{BehaviorVersion, Region};

use crate::cloud::{Cloud, CloudError, CloudResult, ErrorKind};
use crate::core::client::Client;
use crate::core::destination::{Profile, SignIn};
use crate::core::environment::Template;
use crate::core::identity::of_aws;

pub use definitions::{ContainerLogs, Keep};

use clients::{Regional, RegionalImages, RegionalLogs, ServiceClients};
use definitions::Definitions;
use meter::Meter;
pub use outside::Prober;
pub use pacer::Budgets;
use pacer::Pacer;
use turns::Turns;

/// Where to find AWS, and with whose credentials.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Access {
    /// Profile of the shared configuration files.
    pub profile: Option<String>,
    /// Region; `None` takes that of the environment, else of the profile.
    pub region: Option<String>,
    /// Endpoint of an emulator; `None` takes `AWS_ENDPOINT_URL`, if it is set, else AWS itself.
    pub endpoint: Option<String>,
    /// Whether the profile alone is asked for credentials, and not what comes before it in the standard chain, such as
    /// keys in the environment: whoever chooses a profile in the console means that one.
    pub only_profile: bool,
    /// Whether to use the keys `test` and `test` of the local cloud instead of the SDK's standard chain.
    pub static_credentials: bool,
}

/// How long the console waits for AWS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// To open a connection.
    pub connect: Duration,
    /// For one attempt of a read.
    pub attempt: Duration,
    /// For silence: how long a read waits for the next answer to any of its calls.
    pub read: Duration,
    /// For one page of log events, which has one attempt here: a filter over a big log group is slow.
    pub logs: Duration,
    /// For a write, which has one attempt.
    pub write: Duration,
    /// For CloudFormation to work out a change set.
    pub draft: Duration,
    /// Between two updates of a live tail; `None` means a minute on AWS and no limit on an emulator.
    pub silence: Option<Duration>,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(3),
            attempt: Duration::from_secs(10),
            read: Duration::from_secs(15),
            logs: Duration::from_secs(30),
            write: Duration::from_secs(30),
            draft: Duration::from_secs(180),
            silence: None,
        }
    }
}

/// [`Cloud`] on the AWS SDK.
pub struct AwsCloud {
    region: String,
    profile: Option<String>,
    sign_in: Option<SignIn>,
    endpoint: Option<String>,
    timeouts: Timeouts,
    read: ServiceClients,
    write: ServiceClients,
    stacks: Regional,
    http: OnceLock<reqwest::Client>,
    meter: Meter,
    /// What signs the calls for which there is no SDK here.
    signer: zones::Signer,
    /// CloudWatch Logs in other regions, to which services may log.
    logs: RegionalLogs,
    /// ECR, in any region.
    images: RegionalImages,
    /// The budget of calls.
    pacer: Arc<Pacer>,
    /// The fleet as it is read in turn.
    turns: Turns,
    /// Where the containers of task definitions log.
    definitions: Definitions,
    /// Clients as they were read lately, and when, by their pool and id.
    clients: Mutex<HashMap<(String, String), (Instant, Client)>>,
    /// Values that operators have typed.
    values: held::Held,
    /// Whether the endpoint has said that it lacks the calls for a second client secret.
    single_secret: AtomicBool,
    /// How to get the text of a template.
    template_text: fn(Template) -> &'static str,
}

/// Makes the clients without a call to AWS: a wrong region or endpoint is found here, wrong
/// credentials by the first call.
///
/// # Errors
/// `ErrorKind::Invalid` if no region is known, the region or the endpoint cannot be one, or the profile is not
/// there or cannot be read.
pub async fn connect(access: &Access) -> CloudResult<AwsCloud> {
    connect_with(access, Timeouts::default()).await
}

/// The profiles of the shared configuration files, sorted by name, as the files are now.
///
/// # Errors
/// `ErrorKind::Invalid` if a file is there and cannot be read, with its name and line.
pub fn profiles() -> CloudResult<Vec<Profile>> {
    profiles::Files::read().profiles()
}

/// Whether the environment has keys, which the standard chain takes before those of any profile.
pub fn keys_in_environment() -> bool {
    place::keys()
}

/// As [`connect`], with other time limits.
///
/// # Errors
/// As [`connect`].
pub async fn connect_with(access: &Access, timeouts: Timeouts) -> CloudResult<AwsCloud> {
    let configured = place::Configured::new(access);
    let region = configured.region().await?;
    let mut loader = aws_config::defaults(BehaviorVersion::latest()).region(Region::new(region.clone()));
    if let Some(profile) = &access.profile {
        loader = loader.profile_name(profile);
        if access.only_profile {
            let of_region = ProviderConfig::without_region().with_region(Some(Region::new(region.clone())));
            let files = ProfileFileCredentialsProvider::builder().configure(&of_region).profile_name(profile);
            loader = loader.credentials_provider(files.build());
        }
    }
    if let Some(endpoint) = &access.endpoint {
        loader = loader.endpoint_url(place::endpoint(endpoint)?);
    }
    if access.static_credentials {
        loader = loader.credentials_provider(place::local_credentials());
    }
    let base = loader.load().await;
    let endpoint = base.endpoint_url().map(place::endpoint).transpose()?;
    let meter = Meter::new(configured.ignores_endpoints());
    let (profile, sign_in) = configured.source();
    let (reads, writes) = (clients::for_reads(&base, &timeouts), clients::for_writes(&base, &timeouts));
    Ok(AwsCloud {
        region,
        profile,
        sign_in,
        timeouts,
        read: ServiceClients::new(&reads, &clients::once(&reads), &meter),
        write: ServiceClients::new(&writes, &writes, &meter),
        pacer: Arc::new(Pacer::new(endpoint.as_deref().is_none_or(of_aws))),
        turns: Turns::default(),
        signer: zones::Signer::new(&base),
        logs: RegionalLogs::new(reads.clone(), meter.clone()),
        images: RegionalImages::new(reads.clone(), meter.clone()),
        stacks: Regional::new(reads, writes, meter.clone()),
        http: OnceLock::new(),
        meter,
        definitions: Definitions::default(),
        clients: Mutex::default(),
        values: held::Held::default(),
        single_secret: AtomicBool::new(false),
        template_text: Template::body,
        endpoint,
    })
}

impl AwsCloud {
    /// The same with other texts than the packed templates: tests deploy small stacks.
    #[must_use]
    pub fn with_templates(mut self, text: fn(Template) -> &'static str) -> Self {
        self.template_text = text;
        self
    }

    /// The same with what runs before have kept of task definitions, which never change; `keep` keeps those of this
    /// run. An emulator begins its revisions anew, so nothing of it is kept.
    #[must_use]
    pub fn with_definitions(mut self, before: ContainerLogs, keep: Keep) -> Self {
        if self.endpoint.as_deref().is_none_or(of_aws) {
            self.definitions = Definitions::kept(before, keep);
        }
        self
    }

    /// The same with the budget of whoever else of these has this profile, region and endpoint.
    #[must_use]
    pub fn sharing(mut self, budgets: &Budgets) -> Self {
        let payer = (self.profile.clone(), self.region.clone(), self.endpoint.clone());
        self.pacer = budgets.of(payer, || Pacer::new(self.endpoint.as_deref().is_none_or(of_aws)));
        self
    }

    /// The same within the budgets of AWS, wherever the endpoint is. Without this, an endpoint that is not AWS's has
    /// none until it throttles.
    #[must_use]
    pub fn within_budgets(mut self) -> Self {
        self.pacer = Arc::new(Pacer::new(true));
        self
    }

    /// The region that calls go to.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// The profile that the credentials come from; `None` where the standard chain finds them without one.
    pub fn profile(&self) -> Option<&str> {
        self.profile.as_deref()
    }

    /// How one signs in for that profile, or for `default` where none was chosen; `None` where nobody has to.
    pub fn sign_in(&self) -> Option<SignIn> {
        self.sign_in
    }

    /// The endpoint that is used instead of AWS, if there is one.
    pub fn endpoint(&self) -> Option<&str> {
        self.endpoint.as_deref()
    }

    /// Where calls go, in words for messages.
    fn place(&self) -> String {
        self.endpoint.clone().unwrap_or_else(|| format!("AWS in {}", self.region))
    }

    /// Runs a read with all its attempts and pages. The limit is for silence: as long as its calls are answered, it
    /// may go on.
    async fn within<T>(&self, call: &'static str, read: impl Future<Output = CloudResult<T>>) -> CloudResult<T> {
        self.within_limit(self.timeouts.read, call, read).await
    }

    async fn within_limit<T>(
        &self,
        limit: Duration,
        call: &'static str,
        read: impl Future<Output = CloudResult<T>>,
    ) -> CloudResult<T> {
        silence::limited(limit, read).await.unwrap_or_else(|| {
            let message = format!("no answer from {} for {} s", self.place(), limit.as_secs_f32());
            Err(CloudError::new(ErrorKind::TimedOut, call, message))
        })
    }
}

impl Cloud for AwsCloud {
    fn calls(&self) -> u64 {
        self.meter.calls()
    }

    fn ahead(&self) -> i64 {
        self.meter.ahead()
    }

    fn latency(&self) -> Option<Duration> {
        self.meter.latency()
    }
}
