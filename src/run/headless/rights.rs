//! `iam-policy`: the least rights for a job.

use serde_json::json;

use super::{Exit, Failure, Output, json as print_json, progress, written};
use crate::core::environment::names;
use crate::core::error::{ErrorKind, Refusal};
use crate::core::rights::calls::Job;
use crate::core::rights::{EVERY, LONGEST, Policy, Scope, Wanted, policy};
use crate::run::Session;

/// Whose rights are printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RightsOf {
    /// Of who does this job.
    Job(Job),
    /// Of who does this job where CloudFormation assumes a role: that of this ARN, or else of the configuration, or
    /// else `quarterdeck-deploy`.
    WithRole(Job, Option<String>),
    /// Of that role.
    CloudFormation,
}

/// What to print.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RightsOptions {
    /// For whom.
    pub of: RightsOf,
    /// The account; `None` asks STS.
    pub account: Option<String>,
    /// One part, from 1, of a policy that is too long for IAM.
    pub part: Option<usize>,
}

/// Prints the least rights for a job as a policy of IAM.
///
/// # Errors
/// When the account is not known, there is no such part, or it cannot be written.
pub async fn rights(session: &Session, options: &RightsOptions, _: Output) -> Result<Exit, Failure> {
    let account = match &options.account {
        Some(account) => account.clone(),
        None => session.cloud.identity().await.map_err(|error| error.with_hint(NO_ACCOUNT))?.account,
    };
    // In IAM a star stands for every environment, where none is named.
    let environment = if session.context.chosen() { session.context.environment.clone() } else { EVERY.to_owned() };
    let cluster = if session.context.chosen() { session.context.cluster.clone() } else { names::cluster(&environment) };
    let scope = Scope { region: session.context.region.clone(), environment, cluster, account };
    let configured = session.environment.as_ref().and_then(|environment| environment.deploy.role.as_deref());
    let whole = policy(&wanted(&options.of, configured, &scope), &scope);
    let parts = whole.parts();
    let shown = match options.part {
        None => &whole,
        Some(part) => part.checked_sub(1).and_then(|index| parts.get(index)).ok_or_else(|| no_such_part(&parts))?,
    };
    // A policy is a document, whatever the output.
    written(print_json(&json!(shown)))?;
    if options.part.is_none() && parts.len() > 1 {
        progress(&format!(
            "quarterdeck: this is too long for a managed policy, which takes {LONGEST} characters: --part 1 to --part {} \
             print it as policies that are not",
            parts.len()
        ));
    }
    Ok(Exit::Done)
}

const NO_ACCOUNT: &str = "name the account with --account, or sign in";

fn no_such_part(parts: &[Policy]) -> Refusal {
    Refusal::new(ErrorKind::Invalid, format!("there is no such part, only 1 to {}", parts.len()))
}

fn wanted(of: &RightsOf, configured: Option<&str>, scope: &Scope) -> Wanted {
    match of {
        RightsOf::Job(job) => Wanted::Job(*job),
        RightsOf::CloudFormation => Wanted::CloudFormation,
        RightsOf::WithRole(job, Some(role)) => Wanted::With(*job, role.clone()),
        RightsOf::WithRole(job, None) => {
            Wanted::With(*job, configured.map_or_else(|| scope.deploy_role(), str::to_owned))
        }
    }
}
