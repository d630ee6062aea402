//! What can be wrong, as a closed table: a stable id, how near it is to the origin, and what helps.

use crate::core::error::Hand;
use serde::{Serialize, Serializer};

use crate::core::identity::Context;

/// How near a finding is to the origin of a fault. A finding explains those of later layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Layer {
    /// What ails below the servers: AWS itself, or a zone. It explains only what it may bring about.
    Below,
    /// Why a task does not start, run or answer, as AWS or the program says it.
    Origin,
    /// What happens to the tasks, where nothing says why.
    Tasks,
    /// What becomes of the deployment.
    Deployment,
    /// What becomes of the service.
    Service,
    /// Why requests are not answered, or refused, as the server's own lines say it.
    Answers,
    /// How its traffic does.
    Traffic,
    /// What is worth knowing, and breaks nothing now.
    Advice,
}

impl Id {
    /// Whether it is what clients do, which does not follow from anything that is wrong with the server.
    pub fn of_clients(self) -> bool {
        matches!(
            self,
            Self::NoToken
                | Self::TokenExpired
                | Self::TokenAudience
                | Self::IdToken
                | Self::TokenIssuer
                | Self::TokenInvalid
                | Self::ScopeMissing
                | Self::BodyTooLarge
                | Self::ClientFloods
        )
    }
}

/// Where an operator goes next with a finding. The console knows the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// The server's log lines.
    Logs,
    Events,
    /// Another desired count, or other bounds.
    Scale,
    /// The task definition before.
    Rollback,
    /// An end of the deployment that is under way.
    Stop,
    /// The environment's stacks, after a correction of the file or of what it names.
    Deploy,
    /// Stacks and their events.
    Stacks,
    /// The same, to go on with a rollback that failed.
    Continue,
    /// The requests that were refused, by why and by client.
    Requests,
    /// The way from a client to an answer, link by link.
    Doctor,
    /// A zone that is taken out for a time.
    Shift,
}

impl Remedy {
    /// The command that does the same there, for a server; for the whole environment where it is empty. `None` where
    /// it needs stacks of ours, and there are none.
    pub fn command(self, context: &Context, server: &str) -> Option<String> {
        let (command, more) = match self {
            Self::Deploy | Self::Stacks | Self::Continue | Self::Shift if context.ours().is_none() => return None,
            Self::Logs => ("logs", ""),
            Self::Events => ("timeline", ""),
            Self::Scale => ("scale", " --desired N"),
            Self::Rollback => ("rollback", ""),
            Self::Stop => ("stop-deployment", ""),
            Self::Deploy => ("deploy", ""),
            Self::Continue if !server.is_empty() => ("continue-rollback", ""),
            Self::Stacks | Self::Continue => return Some(format!("{} stacks", context.program())),
            Self::Shift => return Some(format!("{} zone shift ZONE", context.program())),
            Self::Requests => ("requests", " --by why"),
            Self::Doctor => return Some(format!("{} doctor {server}", context.program()).trim_end().to_owned()),
        };
        let of = if server.is_empty() { String::new() } else { format!(" {server}{more}") };
        Some(format!("{} {command}{of}", context.program()))
    }
}

macro_rules! ids {
    ($($variant:ident $word:literal $layer:ident $remedy:ident $fix:literal;)*) => {
        /// What is wrong. The words are stable: scripts and the operator's guide name them.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Id { $($variant,)* }

        impl Id {
            /// All of them, origins first.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Its stable name.
            pub fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }

            pub fn layer(self) -> Layer {
                match self { $(Self::$variant => Layer::$layer,)* }
            }

            /// What helps, in a sentence.
            pub fn fix(self) -> &'static str {
                match self { $(Self::$variant => $fix,)* }
            }

            /// Where to go next.
            pub fn remedy(self) -> Option<Remedy> {
                match self { $(Self::$variant => ids!(@ $remedy),)* }
            }
        }
    };
    (@ Nowhere) => { None };
    (@ $remedy:ident) => { Some(Remedy::$remedy) };
}

ids! {
    AwsIssue "aws-issue" Below Events
        "wait: AWS mends it; where it is one zone, keep requests away from that (`quarterdeck zone shift ZONE`); start nothing that you need not, because a deployment needs new tasks";
    ZoneAils "zone-ails" Below Shift
        "keep requests away from the zone until it is well (`quarterdeck zone shift ZONE`); start nothing that you need not, because new tasks may come to run there";
    ImageMissing "image-missing" Origin Deploy
        "push the image, or correct `image` in quarterdeck.toml, and deploy; until then go back with a rollback";
    ImageDenied "image-denied" Origin Deploy
        "let the execution role pull from the repository (ecr:BatchGetImage, ecr:GetDownloadUrlForLayer and ecr:GetAuthorizationToken), or correct the image's name";
    ImageArchitecture "image-architecture" Origin Deploy
        "build the image for the architecture of the task definition, such as with docker buildx build --platform linux/arm64, push it and deploy";
    ImageNoRoute "image-no-route" Origin Stacks
        "give the task's subnets a way to the registry: a NAT gateway, a public address, or endpoints for ecr.api, ecr.dkr and S3";
    ImageRateLimit "image-rate-limit" Origin Deploy
        "copy the image to ECR: the registry counts anonymous pulls";
    ImageNoSpace "image-no-space" Origin Deploy
        "make the image smaller, or give the task more ephemeral storage";
    ImagePull "image-pull" Origin Events "read ECS's words: the image was not pulled";
    SecretMissing "secret-missing" Origin Deploy
        "create the secret, or correct its name and JSON key in quarterdeck.toml, and deploy";
    SecretDenied "secret-denied" Origin Deploy
        "let the execution role read the secret (secretsmanager:GetSecretValue, ssm:GetParameters, and kms:Decrypt for a key of your own)";
    SecretNoRoute "secret-no-route" Origin Stacks
        "give the task's subnets a way to Secrets Manager: a NAT gateway, or an endpoint whose security group admits the tasks";
    KeyUnusable "key-unusable" Origin Deploy
        "enable the key in KMS, or cancel its deletion: what it encrypts cannot be read without it";
    EnvironmentFile "environment-file" Origin Deploy
        "let the execution role read the file (s3:GetObject, s3:GetBucketLocation), correct its ARN, and give the task's subnets a way to S3";
    LogGroupMissing "log-group-missing" Origin Deploy
        "create the log group, or correct its name, and deploy";
    LogDenied "log-denied" Origin Deploy
        "let the execution role write to the log group (logs:CreateLogStream, logs:PutLogEvents)";
    LogNoRoute "log-no-route" Origin Stacks
        "give the task's subnets a way to CloudWatch Logs: a NAT gateway, or an endpoint for logs whose security group admits the tasks";
    LogDriver "log-driver" Origin Deploy
        "create the log group, let the execution role write to it (logs:CreateLogStream, logs:PutLogEvents), and give the task's subnets a way to CloudWatch Logs";
    VolumeFailed "volume-failed" Origin Deploy
        "let the task reach the file system: a mount target in its zone that admits it at port 2049, the access point, and the role's right to mount";
    RoleNotAssumed "role-not-assumed" Origin Deploy
        "let ecs-tasks.amazonaws.com assume the role, in its trust policy";
    ServiceRole "service-role" Origin Events
        "give ECS its rights back: those of the role AWSServiceRoleForECS, or of the role that the service names";
    Throttled "ecs-throttled" Origin Events
        "wait: ECS goes on by itself; if it lasts, ask AWS for a higher rate, or start fewer tasks at once";
    NetworkInterface "network-interface" Origin Events
        "wait and look again: ECS tries on; if it lasts, look at the subnet's addresses and the quota of network interfaces";
    SubnetFull "subnet-full" Origin Stacks "use larger subnets, or free addresses";
    Quota "quota" Origin Scale
        "ask for more in Service Quotas (Fargate vCPUs, tasks), or run fewer tasks";
    Capacity "capacity" Origin Events
        "wait, use other zones or sizes, or add instances to the cluster";
    CommandMissing "command-missing" Origin Deploy
        "correct `command` in quarterdeck.toml, or the image's entry point, and deploy";
    AppDown "app-down" Origin Logs
        "read what the server behind said before it ended; correct `[server.app]` in quarterdeck.toml, or the image, and deploy";
    EndsItself "ends-itself" Origin Deploy
        "let the command stay in the foreground; a server that speaks MCP over stdio ends where nobody holds its stdin: with `transport = \"stdio\"` in quarterdeck.toml gangway does";
    InstructionUnknown "instruction-unknown" Origin Deploy
        "build the image for every processor of its architecture (not with -march=native or target-cpu=native), push it and deploy";
    NotWritable "not-writable" Origin Deploy
        "name the folder in `writable` of `[server.app]` in quarterdeck.toml, or let the program write elsewhere, and deploy: the image's own files cannot be changed";
    OutOfMemory "out-of-memory" Origin Deploy
        "give the server more `memory` in quarterdeck.toml and deploy, or find what it keeps";
    HealthCheckAuth "health-check-auth" Origin Deploy
        "point the health check at a path that needs no token: an MCP endpoint answers 401 to a probe";
    HealthCheckPath "health-check-path" Origin Deploy
        "point the health check at a path that the server answers with 200, or widen the codes that it accepts";
    HealthCheckPort "health-check-port" Origin Deploy
        "let the server listen on 0.0.0.0 at the port of the target group";
    HealthCheckSlow "health-check-slow" Origin Deploy
        "give the service a longer health check grace period, or let the server listen sooner";
    HealthCheckTimeout "health-check-timeout" Origin Logs
        "see in the log what keeps the server from answering; admit the load balancer in the tasks' security group";
    HealthCheckErrors "health-check-errors" Origin Logs
        "see in the log why the server answers its health check with an error";
    BalancerFails "balancer-fails" Origin Events
        "wait and look again: the load balancer cannot check its targets, which is AWS's to mend; ask AWS if it lasts";
    TargetsRefused "targets-refused" Origin Events
        "correct what the load balancer refuses: the target group's VPC and its type (`ip`), or the rights of ECS's role; one that was deleted takes a new service";
    TargetsUnused "targets-unused" Origin Stacks
        "let the load balancer serve the zones of the tasks, and a listener send requests to the target group";
    ContainerHealthCheck "container-health-check" Origin Logs
        "see in the log why the check's command fails; it must exist in the image";
    DeploymentBlocked "deployment-blocked" Origin Events
        "raise the service's maximumPercent or lower its minimumHealthyPercent (aws ecs update-service): as they are, no task may be started or stopped";
    StackStuck "stack-stuck" Origin Stacks
        "mend what the first failed resource names, then go on: with `quarterdeck continue-rollback STACK` where the rollback of an update failed, else with a deploy";
    CrashLoop "crash-loop" Tasks Logs "read the last lines before the end; if it began with a deployment, roll back";
    Crash "crash" Tasks Logs "read the last lines before the end";
    StartFailed "start-failed" Tasks Events "read ECS's words: the task never ran";
    SpotTaken "spot-taken" Tasks Events "nothing: ECS starts another; use on-demand capacity if it happens too often";
    Retired "task-retired" Tasks Events "nothing: AWS retires hosts, and ECS starts another task";
    CircuitBreaker "circuit-breaker" Deployment Events
        "correct what let its tasks fail and deploy again: ECS has gone back to the deployment before";
    DeploymentAlarm "deployment-alarm" Deployment Events
        "see which alarm was raised and what it watches, correct that and deploy again: the new tasks ran, and the alarm ended them";
    TasksProtected "tasks-protected" Deployment Events
        "wait until the tasks end their protection, or end it (aws ecs update-task-protection)";
    DeploymentFailed "deployment-failed" Deployment Rollback "roll back, or correct it and deploy again";
    StartFailures "start-failures" Deployment Events "see why the tasks stop, and roll back if it does not pass";
    DeploymentOld "deployment-old" Deployment Events
        "see why it does not become steady; stop it (`quarterdeck stop-deployment SERVER`), or wait if it is known why";
    StackHalfUpdated "stack-half-updated" Deployment Stacks
        "mend what the first failed resource names, and deploy again; or take the update back with `aws cloudformation rollback-stack`";
    StackFailed "stack-failed" Deployment Stacks "mend what the first failed resource names, and deploy again";
    ScaledToZero "scaled-to-zero" Service Scale "raise the desired count, unless it is meant to serve nobody";
    NoTaskSet "no-task-set" Service Events "let the service's deployer make a task set";
    TasksMissing "tasks-missing" Service Events "see in the events why no task is started";
    TargetsEmpty "targets-empty" Service Events "see in the events whether ECS may register targets";
    TargetsShort "targets-short" Service Events "see in the events which tasks are not registered";
    TargetsVouched "targets-vouched" Service Events "see whether the load balancer is the one that is in use";
    ServiceLeaving "service-leaving" Service Events "nothing, if it is meant to go; else deploy it again";
    KeysUnavailable "keys-unavailable" Answers Logs
        "let the tasks reach the issuer's keys: a NAT gateway, or what stands in for it; see whether the issuer answers";
    QuarantineUnread "quarantine-unread" Answers Logs
        "let the tasks read the table: their role, a NAT gateway or the endpoint for DynamoDB; the log has DynamoDB's word";
    UpstreamFailing "upstream-failing" Answers Logs
        "see in the log why the server behind gangway ends, hangs or answers nothing";
    ToolFailing "tool-failing" Answers Logs
        "see in the log why the tool fails; what it asks in turn may be away, or refuse it";
    ToolSlow "tool-slow" Answers Logs
        "look at the tool's own log lines: what it calls in turn may be slow, or it has too little CPU";
    Saturated "saturated" Answers Scale "run more tasks, or see what takes so long";
    AnswersLate "answers-late" Answers Logs
        "see what the tool waits for; if it needs longer, give it more `request_seconds`";
    TokenAudience "token-audience" Answers Requests
        "let the client ask for a token with this server's URL as `resource`, or with a scope of this server";
    IdToken "id-token" Answers Requests "let the client send the access token, not the id token";
    TokenExpired "token-expired" Answers Requests
        "let the client get a new token when it is told 401; look whether its clock is right";
    TokenIssuer "token-issuer" Answers Requests
        "let the client get its token from this environment's user pool; it has one of another";
    ClientNotAllowed "client-not-allowed" Answers Requests
        "let the client ask for an audience, or deploy: the server does not know this client";
    TokenInvalid "token-invalid" Answers Requests
        "see with `quarterdeck doctor token` which check the client's token fails";
    NoToken "no-token" Answers Requests
        "let the client send `Authorization: Bearer` and its token; a proxy on the way may have taken it out";
    ScopeMissing "scope-missing" Answers Requests
        "let the client ask for the scope that the challenge names, and grant it to the client";
    BodyTooLarge "body-too-large" Answers Requests
        "let the client send less, or raise `max_body_kilobytes` of the server and of `[edge]`";
    PlaceRefused "place-refused" Answers Requests
        "add the page's origin to `allowed_origins` in quarterdeck.toml, or let the client ask for the host that is served";
    RequestsRefused "requests-refused" Answers Requests "see by why and by client what is refused";
    ClientFloods "client-floods" Answers Requests
        "find what the client does; limit it with `rate_limit_per_token` or `requests_per_minute`";
    BusyAtMaximum "busy-at-maximum" Answers Scale "raise the maximum, or see what takes the load";
    TargetErrors "target-errors" Traffic Logs "see in the log which requests fail, and why";
    BalancerErrors "balancer-errors" Traffic Doctor
        "see at which link the doctor's way ends, and whether each server has healthy targets: no server's log has these requests";
    EdgeErrors "edge-errors" Traffic Doctor
        "see at which link the doctor's way ends: CloudFront does not reach the load balancer, or waits too short for it";
    FirewallBlocks "firewall-blocks" Traffic Deploy
        "see in the web ACL's log whose requests they are; raise the limit that the finding names in `[edge]` of quarterdeck.toml and deploy, or let the client send less";
    AnswersSlow "answers-slow" Traffic Logs "see in the log which tool takes so long, and what it waits for";
    MemoryNearLimit "memory-near-limit" Traffic Deploy
        "give the server more `memory` in quarterdeck.toml and deploy, before the kernel kills it";
    Alarm "alarm" Traffic Events "see what the alarm watches; it ends by itself when that is well again";
    RequestsFail "requests-fail" Traffic Logs "see in the log which requests fail, and why";
    BoundsOutside "bounds-outside" Advice Scale "set a count within the bounds, or other bounds";
    BoundsAtMaximum "bounds-at-maximum" Advice Scale "raise the maximum, or see what takes the load";
    ZonesUneven "zones-uneven" Advice Events "start a new deployment, or turn zone rebalancing on";
    DaemonWithoutInstance "daemon-without-instance" Advice Events "add an instance that meets its requirements";
    LogFlood "log-flood" Advice Logs
        "see in the log what is written again and again, and let the server write less: a lower level, or no bodies";
    Drift "drift" Advice Deploy "deploy, or take the change into quarterdeck.toml";
    ServiceDrift "service-drift" Advice Events
        "take it into quarterdeck.toml and deploy, or expect the next deploy that changes the server to take it back";
    SecretStillValid "secret-still-valid" Advice Events
        "end the rotation that was left (`quarterdeck operations list`: finish it, or take it back), else delete the secret that nobody uses";
    LogsDropped "logs-dropped" Advice Deploy
        "let the server wait for its log (`log_mode = \"blocking\"` in quarterdeck.toml), give the log driver a larger `max-buffer-size`, or write less; then deploy";
    NoCircuitBreaker "no-circuit-breaker" Advice Nowhere "turn the deployment circuit breaker with rollback on";
}

impl Id {
    /// What helps, with other words for the command in it where there are some.
    pub fn fix_with(self, words: impl FnOnce(Hand) -> Option<String>) -> String {
        match self.way() {
            Some((hand, command)) => hand.called(self.fix(), command, words),
            None => self.fix().to_owned(),
        }
    }

    /// What in that sentence is a command of this program for which the console has a key.
    fn way(self) -> Option<(Hand, &'static str)> {
        match self {
            Self::StackStuck => Some((Hand::ContinueRollback, "quarterdeck continue-rollback STACK")),
            Self::AwsIssue | Self::ZoneAils => Some((Hand::ShiftZone, "quarterdeck zone shift ZONE")),
            Self::DeploymentOld => Some((Hand::StopDeployment, "quarterdeck stop-deployment SERVER")),
            Self::SecretStillValid => Some((Hand::Operations, "quarterdeck operations list")),
            _ => None,
        }
    }

    /// Whether this one, which ails below the servers, may bring that about. AWS's own issues crash no program; a zone in
    /// which the tasks of a server crash, and no others, may.
    pub(super) fn may_bring(self, other: Self) -> bool {
        match other {
            Self::Crash | Self::CrashLoop => self == Self::ZoneAils,
            Self::ImageNoRoute
            | Self::ImagePull
            | Self::SecretNoRoute
            | Self::LogNoRoute
            | Self::LogDriver
            | Self::VolumeFailed
            | Self::Throttled
            | Self::NetworkInterface
            | Self::Capacity
            | Self::HealthCheckTimeout
            | Self::HealthCheckErrors
            | Self::BalancerFails
            | Self::ContainerHealthCheck
            | Self::StartFailed
            | Self::CircuitBreaker
            | Self::DeploymentAlarm
            | Self::DeploymentFailed
            | Self::StartFailures
            | Self::DeploymentOld
            | Self::StackHalfUpdated
            | Self::StackFailed
            | Self::TasksMissing
            | Self::TargetsEmpty
            | Self::TargetsShort
            | Self::KeysUnavailable
            | Self::QuarantineUnread
            | Self::UpstreamFailing
            | Self::ToolFailing
            | Self::ToolSlow
            | Self::AnswersLate
            | Self::TargetErrors
            | Self::BalancerErrors
            | Self::EdgeErrors
            | Self::AnswersSlow
            | Self::Alarm
            | Self::RequestsFail => true,
            _ => false,
        }
    }

    /// Whether a load balancer's check has failed.
    pub(super) fn of_health_check(self) -> bool {
        matches!(
            self,
            Self::HealthCheckAuth
                | Self::HealthCheckPath
                | Self::HealthCheckPort
                | Self::HealthCheckSlow
                | Self::HealthCheckTimeout
                | Self::HealthCheckErrors
        )
    }

    /// Why, in a few words that may stand before what happened; empty where nothing says why.
    pub(super) fn reason(self) -> &'static str {
        match self {
            Self::ImageMissing => "image not found",
            Self::ImageDenied => "image not to be pulled, or not there",
            Self::ImageArchitecture => "image for another architecture",
            Self::ImageNoRoute => "no way to the registry",
            Self::ImageRateLimit => "the registry's limit of pulls",
            Self::ImageNoSpace => "no space for the image",
            Self::ImagePull => "image not pulled",
            Self::SecretMissing => "secret or its key not found",
            Self::SecretDenied => "secret not to be read",
            Self::SecretNoRoute => "no way to Secrets Manager",
            Self::KeyUnusable => "KMS key disabled, or not there",
            Self::EnvironmentFile => "environment file not read",
            Self::LogGroupMissing => "log group not found",
            Self::LogDenied | Self::LogDriver => "log not to be written",
            Self::LogNoRoute => "no way to CloudWatch Logs",
            Self::VolumeFailed => "volume not mounted",
            Self::NotWritable => "a folder cannot be written to",
            Self::RoleNotAssumed => "role not to be assumed",
            Self::ServiceRole => "ECS lacks rights",
            Self::Throttled => "ECS is throttled",
            Self::NetworkInterface => "no network interface",
            Self::SubnetFull => "no free address in the subnet",
            Self::Quota => "quota of the account reached",
            Self::Capacity => "no capacity",
            Self::CommandMissing => "command not found, or not to be run",
            Self::AppDown => "the server behind gangway is down",
            Self::EndsItself => "its command ended without an error",
            Self::InstructionUnknown => "an instruction that the processor does not have",
            Self::OutOfMemory => "out of memory",
            Self::HealthCheckAuth => "health check asked for a token",
            Self::HealthCheckPath => "health check's path not known",
            Self::HealthCheckPort => "nothing at the health check's port",
            Self::HealthCheckSlow => "too slow to listen",
            Self::HealthCheckTimeout => "health check timed out",
            Self::HealthCheckErrors => "health check answered with an error",
            Self::BalancerFails => "the load balancer fails",
            Self::TargetsRefused => "the load balancer refuses the tasks",
            Self::TargetsUnused => "the load balancer sends them nothing",
            Self::DeploymentBlocked => "no task may be stopped or started",
            Self::TasksProtected => "tasks are protected",
            Self::ContainerHealthCheck => "container health check failed",
            Self::CrashLoop => "crash loop",
            Self::SpotTaken => "spot capacity taken back",
            Self::Retired => "host retired by AWS",
            _ => self.reason_of_answers(),
        }
    }

    /// The same of what the servers' own lines say.
    fn reason_of_answers(self) -> &'static str {
        match self {
            Self::KeysUnavailable => "the issuer's keys cannot be read",
            Self::QuarantineUnread => "who is kept out cannot be read",
            Self::UpstreamFailing => "the server behind gangway fails",
            Self::Saturated => "it has too much to do at once",
            Self::AnswersLate => "its answers take too long",
            Self::TokenAudience => "tokens for another server",
            Self::IdToken => "id tokens instead of access tokens",
            Self::TokenExpired => "tokens that have expired",
            Self::TokenIssuer => "tokens of another issuer",
            Self::ClientNotAllowed => "a client that is not allowed here",
            Self::TokenInvalid => "tokens that are not valid",
            Self::NoToken => "requests without a token",
            Self::ScopeMissing => "tokens without the scope that is needed",
            Self::BodyTooLarge => "bodies that are too large",
            Self::PlaceRefused => "an origin or a host that is not served",
            Self::RequestsRefused => "requests that are refused",
            Self::ClientFloods => "a client that asks too often",
            _ => "",
        }
    }

    /// What happened, with why before it, where it is known.
    pub(super) fn because(self, happened: &str) -> String {
        let reason = self.reason();
        if reason.is_empty() { happened.to_owned() } else { format!("{reason}: {happened}") }
    }
}

impl Serialize for Id {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.word())
    }
}
