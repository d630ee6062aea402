use super::*;
use rstest::rstest;

#[rstest]
#[case::tag(
    "CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to resolve ref 1.dkr.ecr.eu-west-1.amazonaws.com/mcp-time:v9: 1.dkr.ecr.eu-west-1.amazonaws.com/mcp-time:v9: not found",
    Id::ImageMissing
)]
#[case::old_agent(
    "CannotPullContainerError: Error response from daemon: manifest for nginx:none not found: manifest unknown",
    Id::ImageMissing
)]
#[case::no_repository(
    "CannotPullContainerError: The repository with name 'mcp-tim' does not exist in the registry with id '1'",
    Id::ImageMissing
)]
#[case(
    "CannotPullContainerError: pull access denied for time, repository does not exist or may require 'docker login'",
    Id::ImageDenied
)]
#[case(
    "CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to resolve ref ghcr.io/a/b:1: pulling from host ghcr.io failed with status code [manifests 1]: 403 Forbidden",
    Id::ImageDenied
)]
#[case("CannotPullContainerError: no basic auth credentials", Id::ImageDenied)]
#[case(
    "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: unable to retrieve ecr registry auth: service call has been retried 1 time(s): AccessDeniedException: User: arn:aws:sts::1:assumed-role/x is not authorized to perform: ecr:GetAuthorizationToken on resource: *",
    Id::ImageDenied
)]
#[case(
    "CannotPullContainerError: image Manifest does not contain descriptor matching platform 'linux/amd64'",
    Id::ImageArchitecture
)]
#[case(
    "CannotPullContainerError: no matching manifest for linux/arm64/v8 in the manifest list entries",
    Id::ImageArchitecture
)]
#[case("CannotStartContainerError: OCI runtime create failed: exec /server: exec format error", Id::ImageArchitecture)]
#[case(
    "CannotPullContainerError: inspect image has been retried 5 time(s): failed to resolve reference \"1.dkr.ecr.eu-west-1.amazonaws.com/t:1\": failed to do request: dial tcp 52.0.0.1:443: i/o timeout",
    Id::ImageNoRoute
)]
#[case(
    "CannotPullContainerError: Error response from daemon: Get https://registry-1.docker.io/v2/: net/http: request canceled while waiting for connection (Client.Timeout exceeded while awaiting headers)",
    Id::ImageNoRoute
)]
#[case(
    "ResourceInitializationError: unable to pull secrets or registry auth: The task cannot pull registry auth from Amazon ECR: There is a connection issue between the task and Amazon ECR. Check your task network configuration.",
    Id::ImageNoRoute
)]
#[case("CannotPullContainerError: toomanyrequests: You have reached your pull rate limit", Id::ImageRateLimit)]
#[case("CannotPullContainerError: failed to extract layer: write /var/lib: no space left on device", Id::ImageNoSpace)]
#[case("(service docs) was unable to place a task: CannotPullContainerError.", Id::ImagePull)]
#[case(
    "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: unable to retrieve secret from asm: service call has been retried 1 time(s): failed to fetch secret arn:aws:secretsmanager:eu-west-1:1:secret:x from secrets manager: AccessDeniedException: User: arn:aws:sts::1:assumed-role/x is not authorized to perform: secretsmanager:GetSecretValue",
    Id::SecretDenied
)]
#[case(
    "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: unable to retrieve secret from asm: service call has been retried 5 time(s): failed to fetch secret x from secrets manager: RequestCanceled: request context canceled caused by: context deadline exceeded",
    Id::SecretNoRoute
)]
#[case(
    "ResourceInitializationError: unable to pull secrets or registry auth: unable to retrieve secret from asm: There is a connection issue between the task and AWS Secrets Manager. Check your task network configuration.",
    Id::SecretNoRoute
)]
#[case(
    "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: unable to retrieve secret from asm: ResourceNotFoundException: Secrets Manager can't find the specified secret.",
    Id::SecretMissing
)]
#[case(
    "ResourceInitializationError: unable to pull secrets or registry auth: retrieved secret from Secrets Manager did not contain json key API_KEY",
    Id::SecretMissing
)]
#[case(
    "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: unable to retrieve secrets from ssm: service call has been retried 1 time(s): AccessDeniedException: x is not authorized to perform: ssm:GetParameters",
    Id::SecretDenied
)]
#[case(
    "ResourceInitializationError: unable to pull secrets or registry auth: invalid ssm parameters: invalid parameters: /a/b",
    Id::SecretMissing
)]
#[case(
    "ResourceInitializationError: failed to validate logger args: create stream has been retried 1 times: failed to create Cloudwatch log stream: ResourceNotFoundException: The specified log group does not exist.",
    Id::LogGroupMissing
)]
#[case(
    "ECS was unable to assume the role 'arn:aws:iam::1:role/x' that was provided for this task.",
    Id::RoleNotAssumed
)]
#[case("Timeout waiting for network interface provisioning to complete.", Id::NetworkInterface)]
#[case(
    "Unexpected EC2 error while attempting to Create Network Interface: InsufficientFreeAddressesInSubnet",
    Id::SubnetFull
)]
#[case(
    "(service time) was unable to place a task. Reason: You've reached the limit on the number of vCPUs you can run concurrently.",
    Id::Quota
)]
#[case(
    "(service time) was unable to place a task. Reason: You’ve reached the limit on the number of tasks you can run concurrently.",
    Id::Quota
)]
#[case(
    "(service time) was unable to place a task. Reason: The requested MEMORY configuration is above your limit.",
    Id::Quota
)]
#[case(
    "Capacity is unavailable at this time. Please try again later or in a different availability zone",
    Id::Capacity
)]
#[case(
    "(service time) was unable to place a task because no container instance met all of its requirements. The closest matching (container-instance 1) has insufficient memory available.",
    Id::Capacity
)]
#[case(
    "CannotStartContainerError: failed to create task: exec: \"/srv\": stat /srv: no such file or directory",
    Id::CommandMissing
)]
#[case(
    "CannotStartContainerError: OCI runtime create failed: exec: \"serve\": executable file not found in $PATH",
    Id::CommandMissing
)]
#[case("Essential container in task exited; OutOfMemoryError: Container killed due to memory usage", Id::OutOfMemory)]
#[case("Task failed container health checks", Id::ContainerHealthCheck)]
#[case("ContainerRuntimeTimeoutError: Could not transition to running; timed out after waiting 1m", Id::StartFailed)]
#[case(
    "CannotPullContainerError: The task can't pull the image. Check that the role has the permissions to pull images from the registry.",
    Id::ImageDenied
)]
#[case(
    "CannotPullContainerError: Error response from daemon: denied: requested access to the resource is denied",
    Id::ImageDenied
)]
#[case(
    "CannotPullContainerError: Error response from daemon: denied: Your authorization token has expired. Reauthenticate and try again.",
    Id::ImageDenied
)]
#[case(
    "CannotPullContainerError: The task cannot pull 1.dkr.ecr.eu-west-1.amazonaws.com/t:1 from the Amazon ECR repository t. There is a connection issue between the task and Amazon ECR. Check your task network configuration.",
    Id::ImageNoRoute
)]
#[case(
    "CannotPullContainerError: failed to do request: Head \"https://ghcr.io/v2/a/manifests/1\": dial tcp: lookup ghcr.io on 10.0.0.2:53: server misbehaving",
    Id::ImageNoRoute
)]
#[case("CannotPullContainerError: Get https://ghcr.io/v2/: net/http: TLS handshake timeout", Id::ImageNoRoute)]
#[case(
    "CannotPullContainerError: pull command failed: panic: runtime error: invalid memory address or nil pointer dereference",
    Id::ImageNoRoute
)]
#[case(
    "CannotPullContainerError: unexpected status from HEAD request to https://registry-1.docker.io/v2/a/manifests/1: 429 Too Many Requests",
    Id::ImageRateLimit
)]
#[case(
    "ResourceInitializationError: unable to pull secrets or registry auth: unable to retrieve secret from asm: The task can't retrieve the secret with ARN 'arn:aws:secretsmanager:eu-west-1:1:secret:x' from Secrets Manager. Check whether the secret exists in the specified Region.",
    Id::SecretMissing
)]
#[case(
    "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: unable to retrieve secret from asm: InvalidRequestException: You can't perform this operation on the secret because it was marked for deletion.",
    Id::SecretMissing
)]
#[case(
    "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: unable to retrieve secret from asm: invalid character 'h' looking for beginning of value",
    Id::SecretMissing
)]
#[case(
    "ResourceInitializationError: unable to pull secrets or registry auth: unable to retrieve secret from asm: failed to fetch secret x from secrets manager: AccessDeniedException: Access to KMS is not allowed",
    Id::SecretDenied
)]
#[case(
    "ResourceInitializationError: unable to pull secrets or registry auth: unable to retrieve secrets from ssm: The task cannot pull secrets from AWS Systems Manager. There is a connection issue between the task and AWS Systems Manager Parameter Store. Check your task network configuration.",
    Id::SecretNoRoute
)]
#[case(
    "ResourceInitializationError: The task cannot pull secrets from AWS Systems Manager Parameter Store. Check your network connection between the task and AWS Systems Manager.",
    Id::SecretNoRoute
)]
#[case(
    "Fetching secret data from AWS Secrets Manager in region eu-west-1: secret x: AccessDeniedException: not authorized",
    Id::SecretDenied
)]
#[case(
    "ResourceInitializationError: failed to validate logger args: The task cannot find the Amazon CloudWatch log group defined in the task definition. There is a connection issue between the task and Amazon CloudWatch. Check your network configuration.",
    Id::LogDriver
)]
#[case(
    "ResourceInitializationError: failed to invoke EFS utils commands to set up EFS volumes: stderr: b'mount.nfs4: mounting failed, reason given by server: No such file or directory' : unsuccessful EFS utils command execution; code: 32",
    Id::VolumeFailed
)]
#[case(
    "ResourceInitializationError: failed to invoke EFS utils commands to set up EFS volumes: stderr: Failed to resolve \"fs-1.efs.eu-west-1.amazonaws.com\"",
    Id::VolumeFailed
)]
#[case("CannotCreateVolumeError: mount: permission denied", Id::VolumeFailed)]
#[case("Timeout waiting for EphemeralStorage provisioning to complete.", Id::StartFailed)]
fn the_words_of_ecs_are_told_apart(#[case] words: &str, #[case] expected: Id) {
    assert_eq!(of_stop(words), Some(expected));
}

#[rstest]
#[case::the_task_provisioning_limit(
    "(service time) was unable to place tasks in your cluster because the tasks provisioning capacity limit was exceeded.",
    Some(Unable::Start(Id::Capacity))
)]
#[case::too_few_at_once(
    "(service time) could not launch 3 tasks for deployment ecs-svc/1. Reason: Capacity is unavailable at this time.",
    Some(Unable::Start(Id::Capacity))
)]
#[case::no_instance(
    "(service time) was unable to reach steady state. Reason: No Container Instances were found in your capacity provider.",
    Some(Unable::Start(Id::Capacity))
)]
#[case::of_a_kind(
    "(service time) failed to launch a task with (error CannotPullContainerError: not found).",
    Some(Unable::Start(Id::ImageMissing))
)]
#[case::of_no_kind(
    "(service time) failed to launch a task with (error TaskDefinition is inactive).",
    Some(Unable::Start(Id::StartFailed))
)]
#[case::a_group_that_is_gone(
    "(service time) task set (ecs-svc/1) (task t) is not healthy in target-group (arn) due to TARGET GROUP IS NOT FOUND.",
    Some(Unable::Register(Id::TargetsRefused))
)]
#[case::it_works("(service time) has started 1 tasks: (task 1).", None)]
#[case::it_is_steady("(service time) has reached a steady state.", None)]
#[case::a_check_fails(
    "(service time) (task t) (port 8080) is unhealthy in (target-group arn) due to (reason Request timed out).",
    None
)]
fn what_ecs_cannot_do_is_in_its_events(#[case] words: &str, #[case] expected: Option<Unable>) {
    assert_eq!(of_event(words), expected);
}

#[rstest]
#[case("Essential container in task exited")]
#[case("Scaling activity initiated by (deployment ecs-svc/1)")]
#[case("Task failed ELB health checks in (target-group arn:aws:elasticloadbalancing:eu-west-1:1:targetgroup/t/1)")]
#[case("")]
fn words_without_a_reason_have_none(#[case] words: &str) {
    assert_eq!(of_stop(words), None);
}

#[rstest]
#[case(Some("Target.ResponseCodeMismatch"), "Health checks failed with these codes: [404]", false, Id::HealthCheckPath)]
#[case(Some("Target.ResponseCodeMismatch"), "Health checks failed with these codes: [302]", true, Id::HealthCheckPath)]
#[case(Some("Target.ResponseCodeMismatch"), "Health checks failed with these codes: [401]", true, Id::HealthCheckAuth)]
#[case(
    None,
    "(service time) (port 8080) is unhealthy in (target-group arn) due to (reason Health checks failed with these codes: [403])",
    false,
    Id::HealthCheckAuth
)]
#[case(
    Some("Target.ResponseCodeMismatch"),
    "Health checks failed with these codes: [404, 502]",
    false,
    Id::HealthCheckErrors
)]
#[case(Some("Target.Timeout"), "Request timed out", false, Id::HealthCheckTimeout)]
#[case(Some("Target.Timeout"), "Request timed out", true, Id::HealthCheckSlow)]
#[case(Some("Target.FailedHealthChecks"), "Health checks failed", false, Id::HealthCheckPort)]
#[case(Some("Target.FailedHealthChecks"), "Health checks failed", true, Id::HealthCheckSlow)]
fn the_words_of_the_load_balancer_are_told_apart(
    #[case] reason: Option<&str>,
    #[case] words: &str,
    #[case] young: bool,
    #[case] expected: Id,
) {
    assert_eq!(of_target(reason, words, young), expected);
}
