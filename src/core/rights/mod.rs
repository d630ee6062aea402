//! The least rights that a job needs at AWS, as a policy of IAM. All of it follows from two tables: the calls
//! that the program makes, and what CloudFormation calls for the resources of the templates.

pub mod calls;
mod handlers;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::environment::EDGE_REGION;
use super::timeline::capture;
use calls::{ApiCall, Job, On};
pub use handlers::{HANDLERS, Handler, NO_RESOURCE};

/// For what rights are printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// To do a job. To deploy or publish also takes what CloudFormation calls for the resources, because it does so
    /// with the rights of the caller.
    Job(Job),
    /// To do it where CloudFormation assumes this role.
    With(Job, String),
    /// For that role.
    CloudFormation,
}

/// In place of an environment: all of them.
pub const EVERY: &str = "*";

/// Where the rights hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    pub account: String,
    pub region: String,
    pub environment: String,
    pub cluster: String,
}

/// A policy of IAM.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Policy {
    version: &'static str,
    pub statement: Vec<Statement>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Statement {
    effect: &'static str,
    pub action: Vec<String>,
    pub resource: Vec<String>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub condition: Map<String, Value>,
}

/// The longest managed policy that IAM takes, in characters without white space (IAM user guide, "IAM and AWS
/// STS quotas").
pub const LONGEST: usize = 6_144;

/// Roles that AWS's services make for themselves when they are first used, as the templates' resources do.
const SERVICE_ROLES: &[&str] = &[
    "ecs.amazonaws.com",
    "ecs.application-autoscaling.amazonaws.com",
    "elasticloadbalancing.amazonaws.com",
    "vpcorigin.cloudfront.amazonaws.com",
    "wafv2.amazonaws.com",
];
/// Services that assume the roles in the templates.
const ASSUMES: &[&str] = &["ecs-tasks.amazonaws.com", "vpc-flow-logs.amazonaws.com"];

/// What a publish makes, and a deploy does not.
const REPOSITORY: &str = "AWS::ECR::Repository";
/// What an engine calls when it pushes (Amazon ECR user guide, "IAM permissions for pushing an image").
const PUSHES: [&str; 5] = [
    "ecr:BatchCheckLayerAvailability",
    "ecr:CompleteLayerUpload",
    "ecr:InitiateLayerUpload",
    "ecr:PutImage",
    "ecr:UploadLayerPart",
];

/// The least rights for it.
pub fn policy(wanted: &Wanted, scope: &Scope) -> Policy {
    let mut grants = Grants::default();
    match wanted {
        Wanted::Job(job) => {
            scope.calls(*job, &mut grants);
            match job {
                Job::Deploy => scope.resources(|kind| kind != REPOSITORY, &mut grants),
                Job::Publish => scope.resources(|kind| kind == REPOSITORY, &mut grants),
                Job::Watch | Job::Logs | Job::Scale | Job::Rotate => {}
            }
        }
        Wanted::With(job, role) => {
            scope.calls(*job, &mut grants);
            let assumed = json!({ "StringEquals": { "iam:PassedToService": "cloudformation.amazonaws.com" } });
            grants.add("iam:PassRole", vec![role.clone()], assumed);
        }
        Wanted::CloudFormation => scope.resources(|_| true, &mut grants),
    }
    grants.policy()
}

impl Policy {
    /// How long it is for IAM.
    pub fn length(&self) -> usize {
        serde_json::to_string(self).map_or(usize::MAX, |text| text.len())
    }

    /// The same as several policies that IAM takes, each as long as it may be.
    pub fn parts(&self) -> Vec<Self> {
        let mut parts: Vec<Self> = Vec::new();
        for statement in self.statement.iter().flat_map(Statement::pieces) {
            let fits = parts.last_mut().filter(|part| {
                let mut longer = (*part).clone();
                longer.statement.push(statement.clone());
                longer.length() <= LONGEST
            });
            match fits {
                Some(part) => part.statement.push(statement),
                None => parts.push(Self { version: VERSION, statement: vec![statement] }),
            }
        }
        parts
    }
}

impl Statement {
    /// The same in statements of a few dozen actions.
    fn pieces(&self) -> Vec<Self> {
        self.action.chunks(60).map(|action| Self { action: action.to_vec(), ..self.clone() }).collect()
    }
}

const VERSION: &str = "2012-10-17";

/// Rights by what they are given on: resources and, as text, the condition.
#[derive(Default)]
struct Grants(BTreeMap<(Vec<String>, String), BTreeSet<String>>);

impl Grants {
    fn add(&mut self, action: &str, resources: Vec<String>, condition: Value) {
        self.0.entry((resources, condition.to_string())).or_default().insert(action.to_owned());
    }

    fn policy(self) -> Policy {
        let statement = |((resource, condition), actions): ((Vec<String>, String), BTreeSet<String>)| Statement {
            effect: "Allow",
            action: actions.into_iter().collect(),
            resource,
            condition: serde_json::from_str(&condition).unwrap_or_default(),
        };
        Policy { version: VERSION, statement: self.0.into_iter().map(statement).collect() }
    }
}

fn unconditional() -> Value {
    json!({})
}

impl Scope {
    /// An ARN in the region.
    fn arn(&self, service: &str, rest: &str) -> String {
        self.arn_in(service, &self.region, rest)
    }

    fn arn_in(&self, service: &str, region: &str, rest: &str) -> String {
        format!("arn:{}:{service}:{region}:{}:{rest}", self.partition(), self.account)
    }

    /// The role for CloudFormation, where nobody says which.
    pub fn deploy_role(&self) -> String {
        format!("arn:{}:iam::{}:role/quarterdeck-deploy", self.partition(), self.account)
    }

    fn partition(&self) -> &'static str {
        match self.region.split('-').next() {
            Some("cn") => "aws-cn",
            _ if self.region.starts_with("us-gov-") => "aws-us-gov",
            _ => "aws",
        }
    }

    /// Whether the cluster is that of an environment of ours. Of another one no name is known.
    fn ours(&self) -> bool {
        self.cluster == super::environment::names::cluster(&self.environment)
    }

    /// How a condition compares with the environment. A star stands for any text in ARNs and for this operator, and for
    /// `StringEquals` it is a star (IAM user guide, "IAM JSON policy elements: Condition operators").
    fn matches(&self) -> &'static str {
        if self.environment == EVERY { "StringLike" } else { "StringEquals" }
    }

    /// What a right is given on, and under which condition.
    fn on(&self, on: On) -> Option<(Vec<String>, Value)> {
        let Self { environment, cluster, .. } = self;
        let plain = |arn: String| Some((vec![arn], unconditional()));
        match on {
            On::Nothing => None,
            On::Everything => plain("*".to_owned()),
            On::EverythingOfCluster => {
                let arn = self.arn("ecs", &format!("cluster/{cluster}"));
                Some((vec!["*".to_owned()], json!({ "ArnEquals": { "ecs:cluster": arn } })))
            }
            On::Cluster => plain(self.arn("ecs", &format!("cluster/{cluster}"))),
            On::Services => plain(self.arn("ecs", &format!("service/{cluster}/*"))),
            On::ServiceDeployments => plain(self.arn("ecs", &format!("service-deployment/{cluster}/*"))),
            On::Tasks => plain(self.arn("ecs", &format!("task/{cluster}/*"))),
            On::ScalableTargets => {
                let namespace = json!({ "StringEquals": { "application-autoscaling:service-namespace": "ecs" } });
                Some((vec![self.arn("application-autoscaling", "scalable-target/*")], namespace))
            }
            On::Stacks => {
                let stacks = format!("stack/quarterdeck-{environment}-*/*");
                let mut arns = vec![self.arn("cloudformation", &stacks)];
                if self.region != EDGE_REGION {
                    arns.push(self.arn_in("cloudformation", EDGE_REGION, &stacks));
                }
                Some((arns, unconditional()))
            }
            On::Pools => {
                let tag = json!({ self.matches(): { "aws:ResourceTag/quarterdeck:environment": environment } });
                Some((vec![self.arn("cognito-idp", "userpool/*")], tag))
            }
            On::Quarantine => plain(self.arn("dynamodb", &format!("table/quarterdeck-{environment}-quarantine"))),
            On::Secrets => plain(self.arn("secretsmanager", &format!("secret:quarterdeck/{environment}/*"))),
            On::LoadBalancers => {
                plain(self.arn("elasticloadbalancing", &format!("loadbalancer/app/quarterdeck-{environment}/*")))
            }
            // Images may come from any region.
            On::Repositories => plain(self.arn_in("ecr", "*", "repository/*")),
            On::LogGroups if self.ours() => plain(self.arn("logs", &format!("log-group:/quarterdeck/{environment}/*"))),
            On::LogGroups => plain(self.arn("logs", "log-group:*")),
        }
    }

    /// The rights for the calls of a job. Every job watches.
    fn calls(&self, job: Job, grants: &mut Grants) {
        for right in ApiCall::ALL.iter().map(|call| call.right()) {
            if !right.jobs.contains(&job) && !right.jobs.contains(&Job::Watch) {
                continue;
            }
            if let Some((resources, condition)) = self.on(right.on) {
                grants.add(right.name, resources, condition);
            }
            self.besides(right.call, grants);
        }
        // Whoever looks at a cluster looks at its event log, too, whoever may read the logs of its servers.
        grants.add(ApiCall::FilterLogEvents.right().name, vec![self.event_log()], unconditional());
    }

    /// The log group of the cluster's events, and its streams.
    fn event_log(&self) -> String {
        self.arn("logs", &format!("log-group:{}*", capture::group(&self.cluster)))
    }

    /// What a call takes besides its own right: the environment's key, if it has one, and tags.
    fn besides(&self, call: ApiCall, grants: &mut Grants) {
        let key = match call {
            ApiCall::GetSecretValue => "kms:Decrypt",
            ApiCall::PutSecretValue => "kms:GenerateDataKey",
            ApiCall::GetAuthorizationToken => {
                return PUSHES.iter().for_each(|push| grants.add(push, vec![self.repositories()], unconditional()));
            }
            ApiCall::CreateChangeSet => {
                let stacks = self.on(On::Stacks).map(|(arns, _)| arns).unwrap_or_default();
                grants.add("cloudformation:TagResource", stacks.clone(), unconditional());
                return grants.add("cloudformation:UntagResource", stacks, unconditional());
            }
            _ => return,
        };
        let suffix = if self.partition() == "aws-cn" { "amazonaws.com.cn" } else { "amazonaws.com" };
        let condition = json!({
            "StringEquals": { "kms:ViaService": format!("secretsmanager.{}.{suffix}", self.region) },
            format!("ForAnyValue:{}", self.matches()): { "kms:ResourceAliases": format!("alias/quarterdeck-{}", self.environment) },
        });
        grants.add(key, vec![self.arn("kms", "key/*")], condition);
    }

    /// The repositories of the environment.
    fn repositories(&self) -> String {
        self.arn("ecr", &format!("repository/quarterdeck/{}/*", self.environment))
    }

    /// The rights for the resources of the templates that are of these types.
    fn resources(&self, wanted: impl Fn(&str) -> bool, grants: &mut Grants) {
        for action in HANDLERS.iter().filter(|handler| wanted(handler.kind)).flat_map(|handler| handler.actions) {
            let (resources, condition) = self.of_handler(action);
            grants.add(action, resources, condition);
        }
    }

    /// What an action of CloudFormation's is given on: what is named after the environment, where AWS does not
    /// make the name or the id up.
    fn of_handler(&self, action: &str) -> (Vec<String>, Value) {
        let (environment, cluster) = (&self.environment, &self.cluster);
        let named = |rest: &str| format!("{rest}quarterdeck-{environment}");
        let role = || format!("arn:{}:iam::{}:role/quarterdeck-{environment}-*", self.partition(), self.account);
        let service = action.split(':').next().unwrap_or_default();
        let resources = match (action, service) {
            ("iam:PassRole", _) => {
                return (vec![role()], json!({ "StringEquals": { "iam:PassedToService": ASSUMES } }));
            }
            ("iam:CreateServiceLinkedRole", _) => {
                let arn = format!("arn:{}:iam::{}:role/aws-service-role/*", self.partition(), self.account);
                return (vec![arn], json!({ "StringEquals": { "iam:AWSServiceName": SERVICE_ROLES } }));
            }
            _ if NO_RESOURCE.contains(&action) => vec!["*".to_owned()],
            (_, "iam") => vec![role()],
            (_, "s3") => vec![format!("arn:{}:s3:::quarterdeck-{environment}-*", self.partition())],
            (_, "cloudfront") => vec![format!("arn:{}:cloudfront::{}:*", self.partition(), self.account)],
            (_, "wafv2") => vec![self.arn_in("wafv2", EDGE_REGION, "global/*")],
            (_, "cognito-idp") => vec![self.arn("cognito-idp", "userpool/*")],
            (_, "ecs") => vec![
                self.arn("ecs", &format!("cluster/{cluster}")),
                self.arn("ecs", &format!("service/{cluster}/*")),
                self.arn("ecs", &format!("service-deployment/{cluster}/*")),
                self.arn("ecs", &format!("service-revision/{cluster}/*")),
                self.arn("ecs", &format!("task-definition/quarterdeck-{environment}-*")),
            ],
            (_, "elasticloadbalancing") => ["loadbalancer/app/", "listener/app/", "listener-rule/app/"]
                .map(|kind| self.arn(service, &format!("{}/*", named(kind))))
                .into_iter()
                .chain([self.arn(service, "targetgroup/*")])
                .collect(),
            (_, "dynamodb") => vec![self.arn("dynamodb", &format!("table/{}-quarantine", named("")))],
            (_, "ecr") => vec![self.repositories()],
            (_, "logs") => vec![
                self.arn("logs", &format!("log-group:/quarterdeck/{environment}/*")),
                self.event_log(),
                self.arn_in("logs", EDGE_REGION, &format!("log-group:{}*", named("aws-waf-logs-"))),
            ],
            (_, "events") => vec![self.arn("events", &format!("rule/{}-*", named("")))],
            (_, "cloudwatch") => vec![self.arn("cloudwatch", &format!("{}-*", named("alarm:")))],
            (_, "sns") => vec![self.arn("sns", &format!("{}-*", named("")))],
            (_, "secretsmanager") => vec![self.arn("secretsmanager", &format!("secret:quarterdeck/{environment}/*"))],
            ("kms:CreateAlias" | "kms:DeleteAlias" | "kms:UpdateAlias", _) => {
                vec![self.arn("kms", &named("alias/")), self.arn("kms", "key/*")]
            }
            (_, "kms") => vec![self.arn("kms", "key/*")],
            (_, "application-autoscaling") => vec![self.arn(service, "scalable-target/*")],
            (_, service) => vec![self.arn(service, "*")],
        };
        (resources, unconditional())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn scope() -> Scope {
        Scope {
            account: "123456789012".into(),
            region: "eu-west-1".into(),
            environment: "prod".into(),
            cluster: "quarterdeck-prod".into(),
        }
    }

    fn of(wanted: &Wanted) -> Policy {
        policy(wanted, &scope())
    }

    /// What an action is allowed on.
    fn allowed(policy: &Policy, action: &str) -> Vec<String> {
        let found = policy.statement.iter().filter(|statement| statement.action.iter().any(|one| one == action));
        found.flat_map(|statement| statement.resource.clone()).collect()
    }

    #[rstest]
    #[case(Job::Watch, "ecs:DescribeServices", &["arn:aws:ecs:eu-west-1:123456789012:service/quarterdeck-prod/*"])]
    #[case(Job::Watch, "ecs:UpdateService", &[])]
    #[case(Job::Watch, "secretsmanager:GetSecretValue", &[])]
    #[case(Job::Watch, "cloudformation:DescribeStackEvents", &["arn:aws:cloudformation:eu-west-1:123456789012:stack/quarterdeck-prod-*/*", "arn:aws:cloudformation:us-east-1:123456789012:stack/quarterdeck-prod-*/*"])]
    #[case(Job::Watch, "sts:GetCallerIdentity", &[])]
    #[case(Job::Watch, "cognito-idp:CreateUserPoolClient", &[])]
    #[case(Job::Watch, "logs:FilterLogEvents", &["arn:aws:logs:eu-west-1:123456789012:log-group:/aws/events/ecs/containerinsights/quarterdeck-prod/performance*"])]
    #[case(Job::Watch, "logs:StartLiveTail", &[])]
    #[case(Job::Logs, "logs:StartLiveTail", &["arn:aws:logs:eu-west-1:123456789012:log-group:/quarterdeck/prod/*"])]
    #[case(Job::Logs, "ecs:ListServices", &["*"])]
    #[case(Job::Logs, "secretsmanager:GetSecretValue", &[])]
    #[case(Job::Scale, "ecs:UpdateService", &["arn:aws:ecs:eu-west-1:123456789012:service/quarterdeck-prod/*"])]
    #[case(Job::Scale, "cognito-idp:AddUserPoolClientSecret", &[])]
    #[case(Job::Rotate, "secretsmanager:GetSecretValue", &["arn:aws:secretsmanager:eu-west-1:123456789012:secret:quarterdeck/prod/*"])]
    #[case(Job::Rotate, "kms:Decrypt", &["arn:aws:kms:eu-west-1:123456789012:key/*"])]
    #[case(Job::Rotate, "cloudformation:ExecuteChangeSet", &[])]
    #[case(Job::Rotate, "cognito-idp:DeleteUserPoolClient", &[])]
    #[case(Job::Deploy, "iam:CreateRole", &["arn:aws:iam::123456789012:role/quarterdeck-prod-*"])]
    #[case(Job::Deploy, "ec2:DescribeVpcs", &["*"])]
    #[case(Job::Deploy, "ecr:CreateRepository", &[])]
    #[case(Job::Deploy, "ecr:PutImage", &[])]
    #[case(Job::Publish, "ecr:CreateRepository", &["arn:aws:ecr:eu-west-1:123456789012:repository/quarterdeck/prod/*"])]
    #[case(Job::Publish, "ecr:PutImage", &["arn:aws:ecr:eu-west-1:123456789012:repository/quarterdeck/prod/*"])]
    #[case(Job::Publish, "ecr:GetAuthorizationToken", &["*"])]
    #[case(Job::Publish, "iam:CreateRole", &[])]
    #[case(Job::Publish, "secretsmanager:GetSecretValue", &[])]
    #[case(Job::Deploy, "ec2:CreateVpc", &["arn:aws:ec2:eu-west-1:123456789012:*"])]
    fn an_action_is_allowed_on_no_more_than_it_needs(
        #[case] job: Job,
        #[case] action: &str,
        #[case] resources: &[&str],
    ) {
        assert_eq!(allowed(&of(&Wanted::Job(job)), action), resources);
    }

    #[test]
    fn with_a_role_for_cloudformation_the_operator_needs_the_stacks_alone() {
        let role = "arn:aws:iam::123456789012:role/quarterdeck-deploy".to_owned();
        let operator = of(&Wanted::With(Job::Deploy, role.clone()));
        assert_eq!(allowed(&operator, "iam:PassRole"), [role]);
        for action in ["iam:CreateRole", "ec2:CreateVpc", "cloudfront:CreateDistribution"] {
            assert!(allowed(&operator, action).is_empty(), "{action}");
            assert!(!allowed(&of(&Wanted::CloudFormation), action).is_empty(), "{action}");
        }
        assert!(allowed(&of(&Wanted::CloudFormation), "cloudformation:CreateChangeSet").is_empty());
    }

    #[rstest]
    #[case("eu-west-1", "arn:aws:ecs:")]
    #[case("cn-north-1", "arn:aws-cn:ecs:")]
    #[case("us-gov-west-1", "arn:aws-us-gov:ecs:")]
    fn a_region_is_in_its_partition(#[case] region: &str, #[case] prefix: &str) {
        let scope = Scope { region: region.into(), ..scope() };
        let arns = allowed(&policy(&Wanted::Job(Job::Watch), &scope), "ecs:DescribeClusters");
        assert!(arns.iter().all(|arn| arn.starts_with(prefix)), "{arns:?}");
    }

    /// A condition that compares with a star as a text holds nowhere.
    #[test]
    fn a_star_stands_for_every_environment_in_conditions_too() {
        let every = Scope { environment: EVERY.into(), cluster: "quarterdeck-*".into(), ..scope() };
        let policy = policy(&Wanted::Job(Job::Rotate), &every);
        let conditions: Vec<String> = policy.statement.iter().map(|one| json!(one.condition).to_string()).collect();
        for compared in [
            r#""StringLike":{"aws:ResourceTag/quarterdeck:environment":"*"}"#,
            r#""ForAnyValue:StringLike":{"kms:ResourceAliases":"alias/quarterdeck-*"}"#,
        ] {
            assert!(conditions.iter().any(|one| one.contains(compared)), "{compared}: {conditions:?}");
        }
        let services = allowed(&policy, "ecs:DescribeServices");
        assert_eq!(services, ["arn:aws:ecs:eu-west-1:123456789012:service/quarterdeck-*/*"]);
        for statement in &policy.statement {
            let equal = statement.condition.iter().filter(|(operator, _)| operator.ends_with("StringEquals"));
            let starred = equal.filter(|(_, with)| with.to_string().contains('*')).count();
            assert_eq!(starred, 0, "{statement:?}");
        }
    }

    #[test]
    fn a_cluster_that_is_not_ours_has_log_groups_of_any_name() {
        let scope = Scope { cluster: "shop".into(), environment: "shop".into(), ..scope() };
        let arns = allowed(&policy(&Wanted::Job(Job::Logs), &scope), "logs:StartLiveTail");
        assert_eq!(arns, ["arn:aws:logs:eu-west-1:123456789012:log-group:*"]);
    }

    #[test]
    fn everything_is_allowed_only_where_aws_knows_no_resource() {
        let alone = |action: &str| {
            NO_RESOURCE.contains(&action)
                || ApiCall::named(action)
                    .is_some_and(|call| matches!(call.right().on, On::Everything | On::EverythingOfCluster))
        };
        for wanted in Job::ALL.map(Wanted::Job).iter().chain(&[Wanted::CloudFormation]) {
            for statement in of(wanted).statement.iter().filter(|statement| statement.resource == ["*"]) {
                assert!(statement.action.iter().all(|action| alone(action)), "{:?}", statement.action);
            }
        }
    }

    #[test]
    fn a_policy_that_is_too_long_for_iam_comes_in_parts_that_are_not() {
        let whole = of(&Wanted::Job(Job::Deploy));
        let parts = whole.parts();
        assert!(whole.length() > LONGEST && parts.len() > 1);
        assert!(parts.iter().all(|part| part.length() <= LONGEST));
        let actions = |policy: &Policy| policy.statement.iter().map(|one| one.action.len()).sum::<usize>();
        assert_eq!(parts.iter().map(actions).sum::<usize>(), actions(&whole));
        assert_eq!(of(&Wanted::Job(Job::Watch)).parts().len(), 1);
    }

    #[test]
    fn a_policy_is_json_as_iam_has_it() {
        let json = serde_json::to_value(of(&Wanted::Job(Job::Watch))).expect("JSON");
        assert_eq!(json["Version"], "2012-10-17");
        assert_eq!(json["Statement"][0]["Effect"], "Allow");
        assert!(json["Statement"][0]["Action"].is_array() && json["Statement"][0].get("Condition").is_some());
    }
}
