//! The words of `iam-policy`.

use clap::{Args, ValueEnum};

use quarterdeck::cloud::ErrorKind;
use quarterdeck::core::environment::is_role;
use quarterdeck::core::error::Refusal;
use quarterdeck::core::rights::calls::Job;
use quarterdeck::run::headless::{RightsOf, RightsOptions};

/// For what `iam-policy` prints the rights.
#[derive(Debug, Clone, Args)]
pub struct RightsFlags {
    /// The job.
    #[arg(value_enum)]
    pub job: RightsJob,
    /// With `deploy` or `publish`: CloudFormation assumes a role, so that the operator needs less; else that of `[deploy] role`.
    #[arg(long, value_name = "ARN", num_args = 0..=1, value_parser = role)]
    pub with_role: Option<Option<String>>,
    /// The account; else that of the caller.
    #[arg(long, value_name = "ID", value_parser = account)]
    pub account: Option<String>,
    /// Print this part of a policy that is too long for IAM.
    #[arg(long, value_name = "N")]
    pub part: Option<usize>,
}

impl RightsFlags {
    /// What the command asks for.
    ///
    /// # Errors
    /// When a role is named for another job than a deploy.
    pub fn options(self) -> Result<RightsOptions, Refusal> {
        let of = match (self.job, self.with_role) {
            (RightsJob::Deploy, Some(role)) => RightsOf::WithRole(Job::Deploy, role),
            (RightsJob::Publish, Some(role)) => RightsOf::WithRole(Job::Publish, role),
            (_, Some(_)) => {
                let why = "--with-role is for deploy and publish: no other job passes a role to CloudFormation";
                return Err(Refusal::new(ErrorKind::Invalid, why));
            }
            (RightsJob::Watch, None) => RightsOf::Job(Job::Watch),
            (RightsJob::Logs, None) => RightsOf::Job(Job::Logs),
            (RightsJob::Scale, None) => RightsOf::Job(Job::Scale),
            (RightsJob::Rotate, None) => RightsOf::Job(Job::Rotate),
            (RightsJob::Deploy, None) => RightsOf::Job(Job::Deploy),
            (RightsJob::Publish, None) => RightsOf::Job(Job::Publish),
            (RightsJob::Cloudformation, None) => RightsOf::CloudFormation,
        };
        Ok(RightsOptions { of, account: self.account, part: self.part })
    }
}

/// A job that takes rights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RightsJob {
    /// Look at everything but log lines.
    Watch,
    /// Read log lines and query them.
    Logs,
    /// Scale, restart, roll back, stop tasks, and take zones out.
    Scale,
    /// Rotate the secrets of clients, print access tokens, sign people out, and keep callers out.
    Rotate,
    /// Plan, deploy and destroy.
    Deploy,
    /// Bring images to their repositories in ECR.
    Publish,
    /// What the role needs that CloudFormation assumes for a deploy.
    Cloudformation,
}

/// The ARN of a role.
fn role(text: &str) -> Result<String, String> {
    if is_role(text) {
        Ok(text.to_owned())
    } else {
        Err("the ARN of a role, such as arn:aws:iam::123456789012:role/deploy".to_owned())
    }
}

/// Parses the id of an account.
fn account(text: &str) -> Result<String, String> {
    match text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit()) {
        true => Ok(text.to_owned()),
        false => Err("an account has twelve digits".to_owned()),
    }
}
