//! Every call of AWS that the program can make, with the right that it takes and what it carries. The table
//! is closed: `tests/it/rights.rs` compares it with the calls in `src/aws`.

use Job::{Deploy, Logs, Publish, Rotate, Scale, Watch};
use On::{
    Cluster, Everything, EverythingOfCluster, LoadBalancers, LogGroups, Nothing, Pools, Quarantine, Repositories,
    ScalableTargets, Secrets, ServiceDeployments, Services, Stacks, Tasks,
};

/// What somebody wants to do, for which the least rights are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Job {
    /// Look at everything but log lines: `status`, `clients list`, and the screens.
    Watch,
    /// Read log lines and query them.
    Logs,
    /// Scale, restart, roll back, stop tasks, and take zones out.
    Scale,
    /// Rotate the secrets of clients, get access tokens, sign people out, and keep callers out.
    Rotate,
    /// Plan, deploy and destroy.
    Deploy,
    /// Bring images to their repositories.
    Publish,
}

impl Job {
    pub const ALL: [Self; 6] = [Watch, Logs, Scale, Rotate, Deploy, Publish];
}

/// On what a right is given. AWS knows no resource for some calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum On {
    /// The call takes no right.
    Nothing,
    /// AWS knows no resource for it.
    Everything,
    /// AWS knows no resource for it, but a condition for the cluster.
    EverythingOfCluster,
    Cluster,
    Services,
    ServiceDeployments,
    Tasks,
    ScalableTargets,
    Stacks,
    Pools,
    /// The table of the callers that are kept out.
    Quarantine,
    Secrets,
    LogGroups,
    LoadBalancers,
    Repositories,
}

/// A call, and what it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Right {
    pub call: ApiCall,
    /// `service:Operation`, which is what errors name, and what IAM calls the right.
    pub name: &'static str,
    pub on: On,
    /// The jobs that make it. One without a job is made on emulators alone.
    pub jobs: &'static [Job],
}

macro_rules! calls {
    ($($call:ident $name:literal $on:ident [$($job:ident)*];)*) => {
        /// A call of AWS's, or of the token endpoint or a server, which are asked with a secret.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum ApiCall { $($call),* }

        impl ApiCall {
            pub const ALL: &[Self] = &[$(Self::$call),*];

            pub fn right(self) -> Right {
                match self {
                    $(Self::$call => Right { call: self, name: $name, on: $on, jobs: &[$($job),*] },)*
                }
            }
        }
    };
}

// Every job watches, too: its plan shows what is there, and its end is read back.
calls! {
    GetCallerIdentity "sts:GetCallerIdentity" Nothing [Watch];
    ListServices "ecs:ListServices" EverythingOfCluster [Watch];
    DescribeServices "ecs:DescribeServices" Services [Watch];
    DescribeClusters "ecs:DescribeClusters" Cluster [Watch];
    // For choosing one in the console. AWS knows no resource for it.
    ListClusters "ecs:ListClusters" Everything [Watch];
    ListTasks "ecs:ListTasks" EverythingOfCluster [Watch];
    DescribeTasks "ecs:DescribeTasks" Tasks [Watch];
    DescribeTaskDefinition "ecs:DescribeTaskDefinition" Everything [Watch];
    ListTaskDefinitions "ecs:ListTaskDefinitions" Everything [Scale];
    DescribeTargetHealth "elasticloadbalancing:DescribeTargetHealth" Everything [Watch];
    DescribeTargetGroups "elasticloadbalancing:DescribeTargetGroups" Everything [Watch];
    DescribeScalableTargets "application-autoscaling:DescribeScalableTargets" Everything [Watch];
    DescribeScalingActivities "application-autoscaling:DescribeScalingActivities" Everything [Watch];
    // The stacks of an environment are found among all of the account, which AWS allows on everything only.
    DescribeStacks "cloudformation:DescribeStacks" Everything [Watch];
    DescribeStackEvents "cloudformation:DescribeStackEvents" Stacks [Watch];
    ListStackResources "cloudformation:ListStackResources" Stacks [Watch];
    ListUserPoolClients "cognito-idp:ListUserPoolClients" Pools [Watch];
    DescribeUserPoolClient "cognito-idp:DescribeUserPoolClient" Pools [Watch];
    ListUserPoolClientSecrets "cognito-idp:ListUserPoolClientSecrets" Pools [Watch];
    ListSecrets "secretsmanager:ListSecrets" Everything [Watch];
    GetMetricData "cloudwatch:GetMetricData" Everything [Watch];
    DescribeAlarms "cloudwatch:DescribeAlarms" Everything [Watch];
    DescribeAlarmHistory "cloudwatch:DescribeAlarmHistory" Everything [Watch];

    DescribeLogGroups "logs:DescribeLogGroups" Everything [Logs];
    FilterLogEvents "logs:FilterLogEvents" LogGroups [Logs];
    StartLiveTail "logs:StartLiveTail" LogGroups [Logs];
    StartQuery "logs:StartQuery" LogGroups [Logs];
    GetQueryResults "logs:GetQueryResults" LogGroups [Logs];
    StopQuery "logs:StopQuery" Everything [Logs];

    UpdateService "ecs:UpdateService" Services [Scale Rotate];
    StopTask "ecs:StopTask" Tasks [Scale];
    // A deployment that is stuck is stopped, and it is told who has stopped one.
    ListServiceDeployments "ecs:ListServiceDeployments" Services [Scale Deploy];
    DescribeServiceDeployments "ecs:DescribeServiceDeployments" ServiceDeployments [Scale Deploy];
    StopServiceDeployment "ecs:StopServiceDeployment" ServiceDeployments [Scale Deploy];
    RegisterScalableTarget "application-autoscaling:RegisterScalableTarget" ScalableTargets [Scale];
    // Whoever writes tells the others so, by a tag on the cluster.
    TagCluster "ecs:TagResource" Cluster [Scale Rotate Deploy Publish];
    UntagCluster "ecs:UntagResource" Cluster [Scale Rotate Deploy Publish];

    AddUserPoolClientSecret "cognito-idp:AddUserPoolClientSecret" Pools [Rotate Deploy];
    DeleteUserPoolClientSecret "cognito-idp:DeleteUserPoolClientSecret" Pools [Rotate];
    // For an endpoint that lacks the calls for a second secret. AWS has them.
    CreateUserPoolClient "cognito-idp:CreateUserPoolClient" Pools [];
    DeleteUserPoolClient "cognito-idp:DeleteUserPoolClient" Pools [];
    // Whoever rotates is asked about the people, too.
    ListUsers "cognito-idp:ListUsers" Pools [Rotate];
    AdminGetUser "cognito-idp:AdminGetUser" Pools [Rotate];
    AdminUserGlobalSignOut "cognito-idp:AdminUserGlobalSignOut" Pools [Rotate];
    AdminDisableUser "cognito-idp:AdminDisableUser" Pools [Rotate];
    AdminEnableUser "cognito-idp:AdminEnableUser" Pools [Rotate];
    GetManagedResource "arc-zonal-shift:GetManagedResource" LoadBalancers [Watch];
    // Names of zones mean another place in each account.
    DescribeAvailabilityZones "ec2:DescribeAvailabilityZones" Everything [Watch];
    StartZonalShift "arc-zonal-shift:StartZonalShift" LoadBalancers [Scale];
    CancelZonalShift "arc-zonal-shift:CancelZonalShift" LoadBalancers [Scale];
    QueryQuarantine "dynamodb:Query" Quarantine [Watch];
    // One entry of it, by whoever is asked about clients and people.
    PutQuarantine "dynamodb:PutItem" Quarantine [Rotate];
    DeleteQuarantine "dynamodb:DeleteItem" Quarantine [Rotate];
    DescribeSecret "secretsmanager:DescribeSecret" Secrets [Rotate Deploy];
    GetSecretValue "secretsmanager:GetSecretValue" Secrets [Rotate Deploy];
    PutSecretValue "secretsmanager:PutSecretValue" Secrets [Rotate Deploy];
    UpdateSecretVersionStage "secretsmanager:UpdateSecretVersionStage" Secrets [Rotate Deploy];
    Token "oauth2:Token" Nothing [Rotate Deploy];
    ToolsList "mcp:ToolsList" Nothing [Rotate Deploy];
    Metadata "http:Get" Nothing [Deploy];

    // Whether the image of a server is there, and for which processor.
    BatchGetImage "ecr:BatchGetImage" Repositories [Deploy Publish];
    GetDownloadUrlForLayer "ecr:GetDownloadUrlForLayer" Repositories [Deploy Publish];
    // With it the engine signs in to push. The answer is a password.
    GetAuthorizationToken "ecr:GetAuthorizationToken" Everything [Publish];

    CreateChangeSet "cloudformation:CreateChangeSet" Stacks [Deploy Publish];
    DescribeChangeSet "cloudformation:DescribeChangeSet" Stacks [Deploy Publish];
    ExecuteChangeSet "cloudformation:ExecuteChangeSet" Stacks [Deploy Publish];
    DeleteChangeSet "cloudformation:DeleteChangeSet" Stacks [Deploy Publish];
    // Asked by the ARN of a change set, for which AWS documents no resource.
    DescribeEvents "cloudformation:DescribeEvents" Everything [Deploy Publish];
    ListChangeSets "cloudformation:ListChangeSets" Stacks [Deploy Publish];
    DeleteStack "cloudformation:DeleteStack" Stacks [Deploy Publish];
    CancelUpdateStack "cloudformation:CancelUpdateStack" Stacks [Deploy];
    ContinueUpdateRollback "cloudformation:ContinueUpdateRollback" Stacks [Deploy];
    // What is left of a stack whose deletion failed because it is protected takes no change by CloudFormation.
    DescribeUserPool "cognito-idp:DescribeUserPool" Pools [Deploy];
    UpdateUserPool "cognito-idp:UpdateUserPool" Pools [Deploy];
    DescribeLoadBalancerAttributes "elasticloadbalancing:DescribeLoadBalancerAttributes" Everything [Deploy];
    ModifyLoadBalancerAttributes "elasticloadbalancing:ModifyLoadBalancerAttributes" LoadBalancers [Deploy];
}

impl ApiCall {
    /// The call of this name, such as `ecs:DescribeServices`.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|call| call.right().name == name)
    }
}

/// How much of what was answered to a call may be repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Repeat {
    /// The code of an error: the request or the answer holds a secret, which the reason may quote.
    Code,
    /// Also its reason, which comes with the code. An answer without a code may hold anything: a service that
    /// keeps secrets made it.
    Reason,
    /// Also the beginning of an error that has no code, such as that of a proxy.
    Text,
}

/// How much may be repeated of what was answered to a call. One that is not known here may carry anything.
pub fn repeatable(name: &str) -> Repeat {
    use ApiCall::{
        BatchGetImage, DeleteUserPoolClient, DeleteUserPoolClientSecret, DescribeSecret, ListSecrets,
        ListUserPoolClientSecrets, ListUserPoolClients, UpdateSecretVersionStage,
    };
    match (ApiCall::named(name), name.split(':').next().unwrap_or_default()) {
        (
            _,
            "ecs"
            | "elasticloadbalancing"
            | "application-autoscaling"
            | "cloudformation"
            | "cloudwatch"
            | "dynamodb"
            | "arc-zonal-shift"
            | "ec2"
            | "logs",
        ) => Repeat::Text,
        // They name clients, Secrets, versions and images, and hold no value.
        (
            Some(
                BatchGetImage
                | DeleteUserPoolClient
                | DeleteUserPoolClientSecret
                | DescribeSecret
                | ListSecrets
                | ListUserPoolClientSecrets
                | ListUserPoolClients
                | UpdateSecretVersionStage,
            ),
            _,
        ) => Repeat::Reason,
        _ => Repeat::Code,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("secretsmanager:GetSecretValue", Repeat::Code)]
    #[case("secretsmanager:PutSecretValue", Repeat::Code)]
    #[case("cognito-idp:DescribeUserPoolClient", Repeat::Code)]
    #[case("sts:GetCallerIdentity", Repeat::Code)]
    #[case("oauth2:Token", Repeat::Code)]
    #[case("mcp:ToolsList", Repeat::Code)]
    #[case::not_in_the_table("ssm:GetParameter", Repeat::Code)]
    #[case::nor_this("secretsmanager:BatchGetSecretValue", Repeat::Code)]
    #[case("cognito-idp:ListUserPoolClients", Repeat::Reason)]
    #[case("ecs:DescribeServices", Repeat::Text)]
    #[case("logs:FilterLogEvents", Repeat::Text)]
    fn nothing_is_repeated_of_an_answer_that_may_hold_a_secret(#[case] name: &str, #[case] expected: Repeat) {
        assert_eq!(repeatable(name), expected);
    }

    #[test]
    fn names_are_unique_and_found() {
        for call in ApiCall::ALL {
            assert_eq!(ApiCall::named(call.right().name), Some(*call));
        }
    }
}
