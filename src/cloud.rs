//! The wall between the console and whatever answers for AWS.
//!
//! Architecture invariant: only domain types cross it. [`crate::aws`] implements it with the AWS
//! SDK; tests implement it with scripts. A read may be repeated at will. There is one method that
//! writes, [`Writes::apply`], and it takes an [`Approved`] call, which only the operation protocol
//! can make, after the audit has the intent on disk. The one exception is a *draft*: a change set
//! that nobody executes changes no resource, and a plan needs it ([`Drafts`]).
//!
//! Each trait is one service of AWS and is implemented beside the code for that service. Everybody
//! else holds [`dyn Cloud`](Cloud), which has the methods of all of them.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use futures::stream::BoxStream;
use secrecy::SecretString;

use crate::core::client::{ClientList, Holder, StoredSecret};
use crate::core::destination::Cluster;
use crate::core::doctor::{Ask, Heard};
pub use crate::core::error::{CloudError, CloudResult, ErrorKind};
use crate::core::fleet::{Attention, Fleet, ServiceDeployment, Task, TaskDefinition};
use crate::core::identity::Identity;
use crate::core::image::{EcrImage, Found};
use crate::core::logs::insights::{InsightsRequest, InsightsResults};
use crate::core::logs::{LogPage, LogQuery, TailUpdate};
use crate::core::metrics::{Alarm, AlarmChange, Answered, Query};
use crate::core::operation::variable::Variables;
use crate::core::operation::work::TokenProbe;
use crate::core::operation::{Announced, Applied, Approved};
use crate::core::pace::Usage;
use crate::core::quarantine::Quarantine;
use crate::core::reach::{Broken, Reach};
use crate::core::shift::{Shifts, Zone};
use crate::core::stack::{ChangeSetRequest, Drafted, Stack, StackDetail, StackRef};
use crate::core::timeline::scaling::Scaled;
use crate::core::unread::Read;
use crate::core::user::{User, UserList};
use crate::engine::Login;

/// The updates of a live tail session, until it ends or breaks. The first error is the last item.
pub type TailStream = BoxStream<'static, CloudResult<TailUpdate>>;

/// Everything the console asks of AWS.
///
/// Why it exists: behind it the SDK, an emulator and a script of a test look the same, so that
/// plans, operations and screens are tested without AWS. When to use it: every part of the program
/// that reads or writes AWS holds an `Arc<dyn Cloud>`, usually in a
/// [`Session`](crate::run::Session), and never a concrete type.
///
/// Every method has a limit on silence: a read ends when none of its calls was answered for 15 seconds, a page of
/// log events for 30. As long as answers come, it may go on, however slow the line is. No method panics on
/// what comes back. Text from the service is sanitised, except log messages, which the log pipeline sanitises. An error names the call of AWS that failed, and its kind says what may be done.
pub trait Cloud:
    Caller
    + Services
    + Stacks
    + Drafts
    + Images
    + Clients
    + Users
    + Quarantines
    + Zones
    + Secrets
    + Logs
    + Insights
    + Metrics
    + Autoscaling
    + TokenEndpoint
    + PublicAddress
    + Writes
    + Send
    + Sync
    + 'static
{
    /// Number of requests that were sent to AWS so far, repeated attempts included.
    fn calls(&self) -> u64;

    /// How far the clock of AWS is ahead of this machine's, in milliseconds, by the time in its last answer;
    /// negative where it is behind, 0 where both agree within two seconds or nothing was answered yet.
    fn ahead(&self) -> i64 {
        0
    }

    /// How long AWS takes to answer a request, by its last few answers; `None` where none has come.
    fn latency(&self) -> Option<Duration> {
        None
    }
}

/// STS.
#[async_trait]
pub trait Caller {
    /// Who is calling (GetCallerIdentity).
    async fn identity(&self) -> CloudResult<Identity>;
}

/// ECS, with what load balancers and application autoscaling know of its services.
#[async_trait]
pub trait Services {
    /// All services of a cluster with tasks, targets and bounds, sorted by name. Only one of the services
    /// must be readable; others that are not are named, and a part that is not is `Read::NotRead`. A
    /// cluster that does not exist is `ErrorKind::NotFound`.
    ///
    /// It makes a call for each target group. Whoever needs less asks for less: the methods below.
    async fn fleet(&self, cluster: &str) -> CloudResult<Fleet>;

    /// The same of these services alone, by name, ARN or `cluster/service`; those that do not exist are left out. The
    /// number of calls does not depend on the size of the cluster.
    async fn fleet_of(&self, cluster: &str, servers: &[String]) -> CloudResult<Fleet>;

    /// The fleet for who looks at it for long. It reads what is due by its age and by what is looked at, and calls
    /// `told` with the fleet as far as it is known whenever something has come, at most some times a second; the
    /// first time after two round trips: then `listing` says that there are more services. A part that no answer has
    /// brought yet is `ErrorKind::NotYet`; one that fails keeps its last good value for a minute, and `ages` tells why
    /// it is old. Who asks while somebody else's turn is under way waits for that, and reads nothing twice.
    ///
    /// It fails if the list of services was never read, or not one of them can be.
    async fn fleet_in_turn(
        &self,
        cluster: &str,
        attention: &Attention,
        told: &(dyn Fn(Fleet) + Send + Sync),
    ) -> CloudResult<Fleet>;

    /// What is looked at from now on: a turn that is under way, which a slow line may hold up for minutes, goes on with
    /// that.
    fn look(&self, attention: &Attention);

    /// All services of a cluster with their tasks and where they log: what is needed to tell whose a line is. Targets
    /// and bounds are `ErrorKind::NotYet`.
    async fn fleet_logs(&self, cluster: &str) -> CloudResult<Fleet>;

    /// All services of a cluster as ECS describes them, sorted by name, without tasks, targets, bounds and logs,
    /// which are `ErrorKind::NotYet`.
    async fn services(&self, cluster: &str) -> CloudResult<Fleet>;

    /// Names of the services of a cluster, sorted.
    async fn service_names(&self, cluster: &str) -> CloudResult<Vec<String>>;

    /// The tasks of a cluster whose id is this or begins like this, at most 100; a whole id also finds one that has
    /// stopped lately. A whole id, or an ARN, takes one call.
    async fn tasks_named(&self, cluster: &str, id: &str) -> CloudResult<Vec<Task>>;

    /// Tasks of a service that have stopped lately, newest first: also of one that is not there any more, of which they
    /// are all that is left. It reads the stopped tasks of the cluster, which ECS keeps for an hour.
    async fn stopped_tasks(&self, cluster: &str, service: &str) -> CloudResult<Vec<Task>>;

    /// One task definition by ARN or `family:revision`.
    async fn task_definition(&self, arn: &str) -> CloudResult<TaskDefinition>;

    /// ARNs of the newest active task definitions of a family, newest first, at most 20.
    async fn revisions(&self, family: &str) -> CloudResult<Vec<String>>;

    /// ARN of the newest active task definition of a family before this revision, however many newer ones
    /// there are.
    async fn revision_before(&self, family: &str, revision: u32) -> CloudResult<Option<String>>;

    /// One task by ARN; `None` if ECS does not know it, which it forgets an hour after it has stopped.
    async fn task(&self, cluster: &str, arn: &str) -> CloudResult<Option<Task>>;

    /// The newest twenty service deployments of a service, newest first. Services that others than ECS deploy have none.
    async fn service_deployments(&self, cluster: &str, service: &str) -> CloudResult<Vec<ServiceDeployment>>;

    /// One service deployment by its ARN; `None` if ECS does not know it, or not any more.
    async fn service_deployment(&self, arn: &str) -> CloudResult<Option<ServiceDeployment>>;

    /// The operations that are announced on a cluster, by their ids' order, which is that of time. A cluster
    /// that does not exist announces none.
    async fn announced(&self, cluster: &str) -> CloudResult<Vec<Announced>>;

    /// The active clusters of the account and region, sorted by name. Who may list but not describe them gets their names
    /// alone.
    async fn clusters(&self) -> CloudResult<Vec<Cluster>>;

    /// How the budget of each API is used, with its name. AWS keeps one for an account and a region ("Request
    /// throttling for the Amazon ECS API"); this program takes half of it at most.
    fn usage(&self) -> Vec<(&'static str, Usage)>;
}

/// CloudFormation's stacks.
#[async_trait]
pub trait Stacks {
    /// The stack of this name or ARN; `None` if there is none.
    async fn stack(&self, stack: &StackRef) -> CloudResult<Option<Stack>>;

    /// All stacks of a region whose name starts with `prefix`, sorted by name. It pages through all stacks of
    /// the account, so its time limit is for each page. It takes the right to describe every stack.
    async fn stacks(&self, prefix: &str, region: &str) -> CloudResult<Vec<Stack>>;

    /// Resources and events of a stack: those of its newest change, and at least the newest 200; and the same of the
    /// stacks in it that failed with it. Works by ARN for a deleted one.
    async fn stack_detail(&self, stack: &StackRef) -> CloudResult<StackDetail>;
}

/// CloudFormation's change sets that nobody has executed.
#[async_trait]
pub trait Drafts {
    /// Creates a change set and waits, at most three minutes, until it is ready. Executes nothing.
    async fn draft(&self, request: &ChangeSetRequest) -> CloudResult<Drafted>;

    /// Deletes a change set that was not executed, and the empty stack that it may have left in
    /// `REVIEW_IN_PROGRESS`. One that does not exist any more is no error.
    async fn discard(&self, stack: &StackRef, change_set: &str) -> CloudResult<()>;
}

/// ECR.
#[async_trait]
pub trait Images {
    /// What ECR has under a name, in the region and of the account that the name says: the digest, and for which
    /// processors it is. That a repository or an image is not there is no error; `ErrorKind::Denied` says nothing of
    /// either.
    async fn image(&self, image: &EcrImage) -> CloudResult<Found>;

    /// How an engine signs in to the registry of this image, for twelve hours (GetAuthorizationToken).
    async fn registry(&self, image: &EcrImage) -> CloudResult<Login>;
}

/// Cognito's app clients.
#[async_trait]
pub trait Clients {
    /// The app clients of a user pool. `environment` finds the Secrets that carry their credentials
    /// (`quarterdeck/<environment>/<server>/machine-client`); no Secret is looked for if it is empty.
    async fn clients(&self, pool: &str, environment: &str) -> CloudResult<ClientList>;

    /// The same for who only looks: the descriptions, which change with a deploy, may be a minute old. Cognito
    /// allows few of these calls.
    async fn clients_lately(&self, pool: &str, environment: &str) -> CloudResult<ClientList>;

    /// Whether a client can have two secrets at this endpoint: whether ListUserPoolClientSecrets answers.
    async fn has_dual_secrets(&self, pool: &str, client: &str) -> CloudResult<bool>;

    /// The id of the one of a client's secrets that `AWSCURRENT` of a Secret holds; `None` if that cannot be
    /// told. Only the original secret has a value that Cognito shows.
    async fn secret_in_force(&self, pool: &str, client: &str, secret: &str) -> CloudResult<Option<String>>;
}

/// The people of a user pool.
#[async_trait]
pub trait Users {
    /// The users of a pool whose name or, with an `@` in it, address begins so; the first 600 of them
    /// (ListUsers). Sorted by what they are called.
    async fn users(&self, pool: &str, beginning: &str) -> CloudResult<UserList>;

    /// The user of this name or address (AdminGetUser).
    async fn user(&self, pool: &str, name: &str) -> CloudResult<Option<User>>;
}

/// The callers that are kept out of an environment's servers.
#[async_trait]
pub trait Quarantines {
    /// The list in this table (Query, with a consistent read: what was written before is in it).
    async fn quarantine(&self, table: &str) -> CloudResult<Quarantine>;
}

/// Amazon Application Recovery Controller, and the zones of EC2.
#[async_trait]
pub trait Zones {
    /// What keeps requests away from zones of a load balancer, by its ARN (GetManagedResource). One that ARC does not know
    /// is `ErrorKind::NotFound`: `zonal_shift.config.enabled` is off.
    async fn shifts(&self, balancer: &str) -> CloudResult<Shifts>;

    /// The zones of the region, by name and id (DescribeAvailabilityZones).
    async fn zones(&self) -> CloudResult<Vec<Zone>>;
}

/// Secrets Manager, without the values that it keeps.
#[async_trait]
pub trait Secrets {
    /// The labelled versions of a Secret: version id to its labels, such as `AWSCURRENT`.
    async fn secret_versions(&self, secret: &str) -> CloudResult<BTreeMap<String, Vec<String>>>;

    /// What a Secret holds in `AWSCURRENT`, without the value.
    async fn stored_secret(&self, secret: &str) -> CloudResult<StoredSecret>;

    /// Who has reserved a Secret for an operation, if somebody has.
    async fn lease(&self, secret: &str) -> CloudResult<Option<Holder>>;

    /// The names of the variables in a server's Secret, and the version that has them. No value leaves the wall.
    async fn variables(&self, secret: &str) -> CloudResult<Variables>;

    /// The ARN of a Secret of this name in the region; `None` if there is none.
    async fn secret_arn(&self, name: &str) -> CloudResult<Option<String>>;
}

/// CloudWatch Logs.
#[async_trait]
pub trait Logs {
    /// One page of FilterLogEvents. It is asked for once: the caller repeats it, within its budget of calls.
    async fn log_page(&self, query: &LogQuery) -> CloudResult<LogPage>;

    /// Opens StartLiveTail on 1 to 10 log groups of one region, given by identifier. Groups that are missing or
    /// have a class without live tail are named by the first update; if no other is left, it is
    /// `ErrorKind::NotFound`.
    async fn live_tail(&self, groups: &[String], pattern: Option<&str>) -> CloudResult<TailStream>;

    /// Identifiers of the log groups of a region, to choose from: all, or the first thousand where there are
    /// more. `None` is the console's own region.
    async fn log_groups(&self, region: Option<&str>) -> CloudResult<Vec<String>>;
}

/// CloudWatch Logs Insights.
#[async_trait]
pub trait Insights {
    /// Starts a query and returns its id. AWS charges for what it scans.
    async fn insights_start(&self, request: &InsightsRequest) -> CloudResult<String>;

    /// What a query has found so far. A query that failed or was stopped at AWS is `ErrorKind::Service`.
    async fn insights_results(&self, query: &str) -> CloudResult<InsightsResults>;

    /// Stops a query. One that has ended already is no error.
    async fn insights_stop(&self, query: &str) -> CloudResult<()>;
}

/// CloudWatch's metrics and alarms.
#[async_trait]
pub trait Metrics {
    /// The metric alarms whose names begin so, at most some thousands. It takes the right to describe every alarm.
    async fn alarms(&self, prefix: &str) -> CloudResult<Vec<Alarm>>;

    /// The state changes of one metric alarm since then, oldest first. CloudWatch keeps them for thirty days.
    async fn alarm_changes(&self, alarm: &str, since: jiff::Timestamp) -> CloudResult<Vec<AlarmChange>>;

    /// A series for each query, or one for each value of the dimension that it searches, in the order of the queries and
    /// in points of their periods from `from` to `until`. AWS bills each series; 500 queries go into a call. One that is
    /// denied or fails is `Read::NotRead`; one of which CloudWatch has no data has no points. Without a region it is
    /// the console's own.
    async fn measured(
        &self,
        region: Option<&'static str>,
        queries: &[Query],
        from: jiff::Timestamp,
        until: jiff::Timestamp,
    ) -> CloudResult<Vec<Read<Answered>>>;
}

/// Application Auto Scaling, beyond the bounds that belong to a service.
#[async_trait]
pub trait Autoscaling {
    /// What it did since then with the counts of the services of a cluster, or of this one, and what it wanted and could
    /// not do. AWS keeps that for six weeks (DescribeScalingActivities).
    async fn scaled(&self, cluster: &str, service: Option<&str>, since: jiff::Timestamp) -> CloudResult<Scaled>;
}

/// The OAuth 2.0 token endpoint of a user pool.
#[async_trait]
pub trait TokenEndpoint {
    /// Asks for an access token with stored credentials (client_credentials grant, RFC 6749 section 4.4).
    /// An error says nothing about the credentials: the endpoint was not asked, or gave no clear answer.
    async fn token(&self, probe: &TokenProbe) -> CloudResult<TokenAnswer>;

    /// Asks an MCP endpoint with such a token whether it accepts the client. It calls no tool.
    async fn accepted(&self, probe: &TokenProbe, url: &str) -> CloudResult<ServerAnswer>;
}

/// The public address of a server.
#[async_trait]
pub trait PublicAddress {
    /// Asks for the protected resource metadata of an MCP endpoint (RFC 9728), by the endpoint's URL. It takes
    /// no credentials, so whatever keeps the answer back lies on the way.
    async fn reach(&self, resource: &str) -> CloudResult<Reach>;
}

/// Asks addresses outside of AWS, such as any MCP server and its authorization server. It needs no credentials of AWS,
/// so it is not part of [`Cloud`].
#[async_trait]
pub trait Outside: Send + Sync {
    /// Sends one request, with an access token if there is one, and reads the answer: of a stream the first event
    /// that answers, of a long body the first 256 KiB. It follows no redirect, which could send the token to another
    /// host, and takes at most 20 seconds. The error says where on the way the request ended.
    async fn ask(&self, ask: &Ask, token: Option<&SecretString>) -> Result<Heard, Broken>;
}

/// What a server says about a client's token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerAnswer {
    /// It lets the client in.
    Accepted,
    /// It, or the token endpoint before it, does not; in its words.
    Refused(String),
    /// It says neither, such as a load balancer without a healthy task.
    Unclear(String),
}

/// What a token endpoint says about credentials. A rotation deletes the old ones on a refusal, so only the
/// endpoint's own refusal is one: that Secrets Manager denies the stored secret, or that a firewall
/// answers with 403, proves nothing about them.
#[derive(Debug)]
pub enum TokenAnswer {
    /// The credentials are valid: an access token.
    Granted(SecretString),
    /// They are not (`invalid_client`, `unauthorized_client` or `invalid_grant`, RFC 6749 section 5.2), in
    /// the words of the endpoint.
    Refused(String),
}

impl TokenAnswer {
    /// The token, where a refusal is a failure.
    ///
    /// # Errors
    /// `ErrorKind::Denied` if the endpoint refuses.
    pub fn granted(self) -> CloudResult<SecretString> {
        match self {
            Self::Granted(token) => Ok(token),
            Self::Refused(why) => Err(CloudError::new(ErrorKind::Denied, "oauth2:Token", why)
                .with_hint("the token endpoint refuses these credentials")),
        }
    }
}

/// The one way to change something.
#[async_trait]
pub trait Writes {
    /// Carries out a write that was planned, confirmed and recorded in the audit, and returns what came of
    /// it: what it learnt, such as the id of a deployment, or that nothing was written because something is
    /// not as the plan showed it. The request is sent once: a write without an
    /// idempotency token is never repeated by itself.
    async fn apply(&self, approved: Approved) -> CloudResult<Applied>;

    /// Keeps a value that an operator has typed for the operation of this id, in memory alone, until its call
    /// takes it. It changes nothing in the cloud.
    fn hold(&self, operation: &str, value: SecretString);
}
