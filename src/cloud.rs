//! The wall between the console and whatever answers for AWS.
//!
//! Architecture invariant: only domain types cross it. [`crate::aws`] implements it with the AWS
//! SDK; tests implement it with scripts. Reads are free to repeat. There is one method that
//! writes, [`Cloud::apply`], and it takes an [`Approved`] call, which only the operation protocol
//! can mint after the audit has the intent on disk. The one exception is a *draft*: a change set
//! that nobody executes changes no resource, and a plan needs it ([`Cloud::draft`]).

use std::collections::BTreeMap;

use async_trait::async_trait;
use futures::stream::BoxStream;
use secrecy::SecretString;

use crate::core::client::ClientList;
pub use crate::core::error::{CloudError, CloudResult, ErrorKind};
use crate::core::fleet::{Fleet, TaskDefinition};
use crate::core::identity::Identity;
use crate::core::logs::insights::{InsightsRequest, InsightsResults};
use crate::core::logs::{LogPage, LogQuery, TailUpdate};
use crate::core::operation::work::TokenProbe;
use crate::core::operation::{Approved, Facts};
use crate::core::stack::{ChangeSetRequest, Drafted, Stack, StackDetail, StackRef};

/// A live tail session.
pub type TailStream = BoxStream<'static, CloudResult<TailUpdate>>;

/// Everything the console asks of AWS.
///
/// Every method honours a time limit of its own (at most 15 seconds for a read) and never panics
/// on what comes back. Text from the service is sanitised, except log messages, which the log
/// pipeline sanitises.
#[async_trait]
pub trait Cloud: Send + Sync + 'static {
    /// Who is calling (STS GetCallerIdentity).
    async fn identity(&self) -> CloudResult<Identity>;

    /// All services of a cluster with tasks, targets and bounds. What cannot be read is a gap, not an error,
    /// as long as the services themselves can.
    async fn fleet(&self, cluster: &str) -> CloudResult<Fleet>;

    /// One task definition by ARN or `family:revision`.
    async fn task_definition(&self, arn: &str) -> CloudResult<TaskDefinition>;

    /// Task definition ARNs of a family, newest first, at most 20.
    async fn revisions(&self, family: &str) -> CloudResult<Vec<String>>;

    /// The stack of this name, if there is one.
    async fn stack(&self, stack: &StackRef) -> CloudResult<Option<Stack>>;

    /// All stacks whose name starts with `prefix`, sorted by name, in the region given.
    async fn stacks(&self, prefix: &str, region: &str) -> CloudResult<Vec<Stack>>;

    /// Resources and the newest events of a stack. Works by ARN for a deleted one.
    async fn stack_detail(&self, stack: &StackRef) -> CloudResult<StackDetail>;

    /// Creates a change set and waits until it is ready. Executes nothing.
    async fn draft(&self, request: &ChangeSetRequest) -> CloudResult<Drafted>;

    /// Deletes a change set that was not executed, and the empty stack that it may have left in
    /// `REVIEW_IN_PROGRESS`.
    async fn discard(&self, stack: &StackRef, change_set: &str) -> CloudResult<()>;

    /// The app clients of a user pool. `environment` finds the secrets that carry their credentials
    /// (`quarterdeck/<environment>/<server>/machine-client`).
    async fn clients(&self, pool: &str, environment: &str) -> CloudResult<ClientList>;

    /// Whether the endpoint has the calls for two secrets a client (ListUserPoolClientSecrets answers).
    async fn has_dual_secrets(&self, pool: &str, client: &str) -> CloudResult<bool>;

    /// The versions of a Secret that bear labels, such as `AWSCURRENT`: version id to labels.
    async fn secret_versions(&self, secret: &str) -> CloudResult<BTreeMap<String, Vec<String>>>;

    /// A page of FilterLogEvents.
    async fn log_page(&self, query: &LogQuery) -> CloudResult<LogPage>;

    /// Opens StartLiveTail on at most ten log groups, by name.
    async fn live_tail(&self, groups: &[String], pattern: Option<&str>) -> CloudResult<TailStream>;

    /// Starts a Logs Insights query; its id.
    async fn insights_start(&self, request: &InsightsRequest) -> CloudResult<String>;

    /// What a Logs Insights query has found so far.
    async fn insights_results(&self, query: &str) -> CloudResult<InsightsResults>;

    /// Stops a Logs Insights query. One that has ended is fine.
    async fn insights_stop(&self, query: &str) -> CloudResult<()>;

    /// Asks the token endpoint with stored credentials (client_credentials grant, RFC 6749 section 4.4).
    /// Refused credentials are `ErrorKind::Denied`.
    async fn token(&self, probe: &TokenProbe) -> CloudResult<SecretString>;

    /// Carries out a write that was planned, confirmed and audited; what it learnt comes back.
    /// It is sent once: a call without an idempotency token is never retried.
    async fn apply(&self, approved: Approved) -> CloudResult<Facts>;

    /// AWS calls made so far.
    fn calls(&self) -> u64;
}
