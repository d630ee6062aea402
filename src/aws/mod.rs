//! AWS behind the wall of [`crate::cloud`].
//!
//! Architecture invariant: this is the only place that names `aws_sdk_*`. Nothing but domain types
//! and [`CloudError`] leaves it, and everything that writes hangs below [`Cloud::apply`].
//!
//! There are two sets of clients: one for reads, which the SDK may repeat, and one for writes,
//! which are sent once.

mod change_set;
mod clients;
mod cognito;
mod convert;
mod credentials;
mod draft;
mod ecs;
mod elb;
mod error;
mod fleet;
mod insights;
mod logs;
mod meter;
mod place;
mod scaling;
mod secrets;
mod stacks;
mod tail;
mod token;
mod write;

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use aws_config::{BehaviorVersion, Region};
use secrecy::SecretString;

use crate::cloud::{Cloud, CloudError, CloudResult, ErrorKind, TailStream};
use crate::core::client::ClientList;
use crate::core::environment::Template;
use crate::core::fleet::{Fleet, TaskDefinition};
use crate::core::identity::Identity;
use crate::core::logs::insights::{InsightsRequest, InsightsResults};
use crate::core::logs::{LogPage, LogQuery};
use crate::core::operation::work::TokenProbe;
use crate::core::operation::{Approved, Facts};
use crate::core::stack::{ChangeSetRequest, Drafted, Stack, StackDetail, StackRef};

use clients::{Clients, Regional};
use meter::Meter;

/// Where to find AWS, and as whom.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// Profile of the shared configuration files.
    pub profile: Option<String>,
    /// Region; else the environment's, else the profile's.
    pub region: Option<String>,
    /// Endpoint of an emulator; else `AWS_ENDPOINT_URL`.
    pub endpoint: Option<String>,
    /// Local cloud: the keys `test` and `test` instead of the standard chain.
    pub static_credentials: bool,
}

/// How long the cloud may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// To open a connection.
    pub connect: Duration,
    /// For one attempt of a read.
    pub attempt: Duration,
    /// For a read with all its attempts and pages.
    pub read: Duration,
    /// For a write, which has one attempt.
    pub write: Duration,
    /// For CloudFormation to work out a change set.
    pub draft: Duration,
    /// Between two updates of a live tail; `None` is a minute on AWS, and no limit on an emulator.
    pub silence: Option<Duration>,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(3),
            attempt: Duration::from_secs(5),
            read: Duration::from_secs(15),
            write: Duration::from_secs(30),
            draft: Duration::from_secs(180),
            silence: None,
        }
    }
}

/// [`Cloud`] on the AWS SDK.
pub struct AwsCloud {
    region: String,
    endpoint: Option<String>,
    timeouts: Timeouts,
    read: Clients,
    write: Clients,
    tail: aws_sdk_cloudwatchlogs::Client,
    stacks: Regional,
    http: OnceLock<reqwest::Client>,
    meter: Meter,
    /// Log groups by task definition.
    log_groups: Mutex<HashMap<String, Vec<String>>>,
    /// The endpoint has said that it lacks the calls for a second client secret.
    single_secret: AtomicBool,
    /// The text of a template.
    template_text: fn(Template) -> &'static str,
}

/// Makes the clients. Calls nobody: a wrong region or endpoint is found here, wrong credentials by the first call.
pub async fn connect(options: &Options) -> CloudResult<AwsCloud> {
    connect_with(options, Timeouts::default()).await
}

/// As [`connect`], with other time limits.
pub async fn connect_with(options: &Options, timeouts: Timeouts) -> CloudResult<AwsCloud> {
    let region = place::region(options).await?;
    let mut loader = aws_config::defaults(BehaviorVersion::latest()).region(Region::new(region.clone()));
    if let Some(profile) = &options.profile {
        loader = loader.profile_name(profile);
    }
    if let Some(endpoint) = &options.endpoint {
        loader = loader.endpoint_url(place::endpoint(endpoint)?);
    }
    if options.static_credentials {
        loader = loader.credentials_provider(place::local_credentials());
    }
    let base = loader.load().await;
    let endpoint = base.endpoint_url().map(place::endpoint).transpose()?;
    let meter = Meter::default();
    let (reads, writes) = (clients::for_reads(&base, &timeouts), clients::for_writes(&base, &timeouts));
    Ok(AwsCloud {
        region,
        timeouts,
        read: Clients::new(&reads, &meter),
        write: Clients::new(&writes, &meter),
        tail: clients::for_tail(&reads, &meter),
        stacks: Regional::new(reads, writes, meter.clone()),
        http: OnceLock::new(),
        meter,
        log_groups: Mutex::default(),
        single_secret: AtomicBool::new(false),
        template_text: Template::body,
        endpoint,
    })
}

impl AwsCloud {
    /// With other texts than the packed templates: tests deploy small stacks.
    #[must_use]
    pub fn with_templates(mut self, text: fn(Template) -> &'static str) -> Self {
        self.template_text = text;
        self
    }

    /// The region in force.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// The endpoint override, where one is in force.
    pub fn endpoint(&self) -> Option<&str> {
        self.endpoint.as_deref()
    }

    /// Where calls go, in words.
    fn place(&self) -> String {
        self.endpoint.clone().unwrap_or_else(|| format!("AWS in {}", self.region))
    }

    /// Holds a read with all its pages to the time limit.
    async fn within<T>(&self, call: &'static str, read: impl Future<Output = CloudResult<T>>) -> CloudResult<T> {
        let limit = self.timeouts.read;
        tokio::time::timeout(limit, read).await.unwrap_or_else(|_| {
            let message = format!("no complete answer from {} within {} s", self.place(), limit.as_secs_f32());
            Err(CloudError::new(ErrorKind::TimedOut, call, message))
        })
    }

    async fn read_identity(&self) -> CloudResult<Identity> {
        const CALL: &str = "sts:GetCallerIdentity";
        let caller = self.read.sts.get_caller_identity().send().await.map_err(self.failed(CALL))?;
        let (account, arn) = (convert::text(caller.account()), convert::text(caller.arn()));
        if account.is_empty() || arn.is_empty() {
            return Err(error::garbled(CALL, "the answer names no account or caller"));
        }
        Ok(Identity { account, arn })
    }
}

#[async_trait]
impl Cloud for AwsCloud {
    async fn identity(&self) -> CloudResult<Identity> {
        self.within("sts:GetCallerIdentity", self.read_identity()).await
    }

    async fn fleet(&self, cluster: &str) -> CloudResult<Fleet> {
        self.within("ecs:DescribeServices", self.read_fleet(cluster)).await
    }

    async fn task_definition(&self, arn: &str) -> CloudResult<TaskDefinition> {
        self.within("ecs:DescribeTaskDefinition", self.read_task_definition(arn)).await
    }

    async fn revisions(&self, family: &str) -> CloudResult<Vec<String>> {
        self.within("ecs:ListTaskDefinitions", self.read_revisions(family)).await
    }

    async fn stack(&self, stack: &StackRef) -> CloudResult<Option<Stack>> {
        self.within("cloudformation:DescribeStacks", self.read_stack(stack)).await
    }

    async fn stacks(&self, prefix: &str, region: &str) -> CloudResult<Vec<Stack>> {
        self.within("cloudformation:DescribeStacks", self.read_stacks(prefix, region)).await
    }

    async fn stack_detail(&self, stack: &StackRef) -> CloudResult<StackDetail> {
        self.within("cloudformation:DescribeStackEvents", self.read_stack_detail(stack)).await
    }

    async fn draft(&self, request: &ChangeSetRequest) -> CloudResult<Drafted> {
        self.make_change_set(request).await
    }

    async fn discard(&self, stack: &StackRef, change_set: &str) -> CloudResult<()> {
        self.discard_change_set(stack, change_set).await
    }

    async fn clients(&self, pool: &str, environment: &str) -> CloudResult<ClientList> {
        self.within("cognito-idp:ListUserPoolClients", self.read_clients(pool, environment)).await
    }

    async fn has_dual_secrets(&self, pool: &str, client: &str) -> CloudResult<bool> {
        let read = self.client_secrets(pool, client);
        Ok(self.within("cognito-idp:ListUserPoolClientSecrets", read).await?.is_some())
    }

    async fn secret_versions(&self, secret: &str) -> CloudResult<BTreeMap<String, Vec<String>>> {
        self.within("secretsmanager:DescribeSecret", self.versions(secret)).await
    }

    async fn log_page(&self, query: &LogQuery) -> CloudResult<LogPage> {
        self.within("logs:FilterLogEvents", self.read_log_page(query)).await
    }

    async fn live_tail(&self, groups: &[String], pattern: Option<&str>) -> CloudResult<TailStream> {
        self.within("logs:StartLiveTail", self.open_tail(groups, pattern)).await
    }

    async fn insights_start(&self, request: &InsightsRequest) -> CloudResult<String> {
        self.within("logs:StartQuery", self.start_query(request)).await
    }

    async fn insights_results(&self, query: &str) -> CloudResult<InsightsResults> {
        self.within("logs:GetQueryResults", self.query_results(query)).await
    }

    async fn insights_stop(&self, query: &str) -> CloudResult<()> {
        self.within("logs:StopQuery", self.stop_query(query)).await
    }

    async fn token(&self, probe: &TokenProbe) -> CloudResult<SecretString> {
        self.within("oauth2:Token", self.fetch_token(probe)).await
    }

    async fn apply(&self, approved: Approved) -> CloudResult<Facts> {
        self.carry_out(approved.call()).await
    }

    fn calls(&self) -> u64 {
        self.meter.calls()
    }
}
