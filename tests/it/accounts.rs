//! Incidents as other people tell them, in the words of AWS: each is played on the AWS with a state, and `why` is asked for
//! the first cause and where to go next.
//!
//! The words are those of the ECS developer guide ("Stopped tasks error messages", "Service event messages"), of the
//! Application Load Balancer guide, of the CloudFormation user guide, and of public bug reports.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::gameday::{ask, fails, multi, never_started, unhealthy, world};
use crate::support::world::{Failure, World};

/// An incident, who has it, what `why` names first, and its next command.
struct Account {
    what: &'static str,
    play: fn(&World),
    subject: &'static str,
    cause: &'static str,
    next: &'static str,
    /// What stands with the cause.
    says: &'static str,
}

/// The tasks of a new revision of `time` never start.
fn unstarted(world: &World, words: &'static str) {
    fails(world, "time", never_started(words));
    ticks(world, 5);
}

/// No task is started any more, since long ago, and ECS says so.
fn starts_none(world: &World, words: &str) {
    world.state().starts_none("time", words);
    world.shift(-SignedDuration::from_mins(25));
}

/// They end by themselves.
fn ends(world: &World, code: i32, container: &'static str) {
    fails(world, "time", Failure { exit: Some(code), ran: Some(2), container, ..Failure::default() });
    ticks(world, 5);
}

fn ticks(world: &World, many: usize) {
    (0..many).for_each(|_| world.tick());
}

/// ECS says this while all tasks run.
fn says(world: &World, words: &str) {
    let mut state = world.state();
    let service = state.services.get_mut("time").unwrap();
    service.events.push((Timestamp::now() - SignedDuration::from_secs(90), format!("(service time) {words}")));
}

/// A deployment of `time` is under way, and does not get on.
fn hangs(world: &World, words: &str) {
    {
        let mut state = world.state();
        state.services.get_mut("time").unwrap().revision = 2;
        state.deploy_service("time");
    }
    says(world, words);
}

/// What ECS says where a secret is not read, of which the end tells why.
const KEY_DISABLED: &str = "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: unable to retrieve secret from asm: service call has been retried 1 time(s): failed to fetch secret arn:aws:secretsmanager:eu-central-1:1:secret:x from secrets manager: DecryptionFailure: Secrets Manager can't decrypt the protected secret text using the provided KMS key.";
const KEY_PENDING: &str = "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: unable to retrieve secrets from ssm: service call has been retried 1 time(s): KMSInvalidStateException: arn:aws:kms:eu-central-1:1:key/k is pending deletion.";
const NO_JSON: &str = "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: unable to retrieve secret from asm: invalid character '\\n' in string literal";
const EMPTY: &str = "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: unable to retrieve secret from asm: unexpected end of JSON input";

/// They end with code 1, and say this before.
fn ends_saying(world: &World, says: &'static str) {
    // So does another task, of something that is not why.
    let line = (Timestamp::now().as_millisecond(), serde_json::json!("Error: of another task"));
    world.state().lines.entry("time".to_owned()).or_default().push(line);
    fails(world, "time", Failure { exit: Some(1), ran: Some(2), says, ..Failure::default() });
    ticks(world, 5);
}

const ACCOUNTS: &[Account] = &[
    // What a program says before its end.
    Account {
        what: "an image for another architecture, whose only word is the kernel's",
        play: |world| ends_saying(world, "exec /usr/local/bin/docker-entrypoint.sh: exec format error"),
        subject: "time",
        cause: "image-architecture",
        next: "quarterdeck deploy time",
        says: "it said last: exec /usr/local/bin/docker-entrypoint.sh: exec format error",
    },
    Account {
        what: "a program that writes where it may not",
        play: |world| {
            ends_saying(
                world,
                "Error: EROFS: read-only file system, mkdir '/app/.cache'\n    at mkdirSync (node:fs:1364)\n\nNode.js v22.3.0",
            )
        },
        subject: "time",
        cause: "not-writable",
        next: "quarterdeck deploy time",
        says: "`writable`",
    },
    Account {
        what: "a folder of another user",
        play: |world| {
            ends_saying(
                world,
                "Traceback (most recent call last):\n  File \"/app/a.py\", line 2, in <module>\nPermissionError: [Errno 13] Permission denied: '/home/app/.cache'",
            )
        },
        subject: "time",
        cause: "not-writable",
        next: "quarterdeck deploy time",
        says: "/home/app/.cache",
    },
    Account {
        what: "a heap that is full before the task's memory is",
        play: |world| {
            ends_saying(world, "FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory")
        },
        subject: "time",
        cause: "out-of-memory",
        next: "quarterdeck deploy time",
        says: "heap",
    },
    Account {
        what: "a port that only root may take is no folder",
        play: |world| {
            ends_saying(
                world,
                "Error: listen EACCES: permission denied 0.0.0.0:80\n    at Server.setupListenHandle (node:net:1811)",
            )
        },
        subject: "time",
        cause: "crash-loop",
        next: "quarterdeck logs time",
        says: "it said last: Error: listen EACCES: permission denied 0.0.0.0:80",
    },
    Account {
        what: "a variable is missing, and the program says so",
        play: |world| ends_saying(world, "starting\nDATABASE_URL is not set"),
        subject: "time",
        cause: "crash-loop",
        next: "quarterdeck logs time",
        says: "it said last: DATABASE_URL is not set",
    },
    // The log.
    Account {
        what: "the log group was deleted",
        play: |world| {
            unstarted(
                world,
                "ResourceInitializationError: failed to validate logger args: create stream has been retried 1 times: failed to create Cloudwatch log stream: ResourceNotFoundException: The specified log group does not exist. : exit status 1",
            )
        },
        subject: "time",
        cause: "log-group-missing",
        next: "quarterdeck deploy time",
        says: "create the log group",
    },
    Account {
        what: "the execution role may not write the log",
        play: |world| {
            unstarted(
                world,
                "ResourceInitializationError: failed to validate logger args: create stream has been retried 1 times: failed to create Cloudwatch log stream: AccessDeniedException: User: arn:aws:sts::1:assumed-role/x is not authorized to perform: logs:CreateLogStream : exit status 1",
            )
        },
        subject: "time",
        cause: "log-denied",
        next: "quarterdeck deploy time",
        says: "logs:CreateLogStream",
    },
    Account {
        what: "CloudWatch Logs cannot be reached",
        play: |world| {
            unstarted(
                world,
                "ResourceInitializationError: failed to validate logger args: create stream has been retried 1 times: failed to create Cloudwatch log stream: RequestError: send request failed caused by: Post \"https://logs.eu-central-1.amazonaws.com/\": dial tcp 3.0.0.1:443: i/o timeout : exit status 1",
            )
        },
        subject: "time",
        cause: "log-no-route",
        next: "quarterdeck stacks",
        says: "endpoint",
    },
    Account {
        what: "AWS does not say whether the log group is missing or cannot be reached",
        play: |world| {
            unstarted(
                world,
                "ResourceInitializationError: failed to validate logger args: The task cannot find the Amazon CloudWatch log group defined in the task definition. There is a connection issue between the task and Amazon CloudWatch. Check your network configuration.",
            )
        },
        subject: "time",
        cause: "log-driver",
        next: "quarterdeck deploy time",
        says: "",
    },
    // Keys, secrets and what is read at the start.
    Account {
        what: "the key of a secret is disabled",
        play: |world| unstarted(world, KEY_DISABLED),
        subject: "time",
        cause: "key-unusable",
        next: "quarterdeck deploy time",
        says: "enable the key",
    },
    Account {
        what: "the key of a parameter is about to be deleted",
        play: |world| unstarted(world, KEY_PENDING),
        subject: "time",
        cause: "key-unusable",
        next: "quarterdeck deploy time",
        says: "cancel its deletion",
    },
    Account {
        what: "a secret of which a key is wanted is no JSON",
        play: |world| unstarted(world, NO_JSON),
        subject: "time",
        cause: "secret-missing",
        next: "quarterdeck deploy time",
        says: "",
    },
    Account {
        what: "a secret of which a key is wanted is empty",
        play: |world| unstarted(world, EMPTY),
        subject: "time",
        cause: "secret-missing",
        next: "quarterdeck deploy time",
        says: "",
    },
    Account {
        what: "an environment file may not be read",
        play: |world| {
            unstarted(
                world,
                "ResourceInitializationError: failed to download env files: service call has been retried 1 time(s): operation error S3: HeadObject, https response error StatusCode: 403, api error Forbidden: Forbidden.",
            )
        },
        subject: "time",
        cause: "environment-file",
        next: "quarterdeck deploy time",
        says: "s3:GetObject",
    },
    Account {
        what: "the network of a task is not set up",
        play: |world| {
            unstarted(
                world,
                "ResourceInitializationError: failed to configure ENI: failed to setup regular eni: netplugin failed with no error message",
            )
        },
        subject: "time",
        cause: "network-interface",
        next: "quarterdeck timeline time",
        says: "",
    },
    Account {
        what: "the image has no valid name",
        play: |world| {
            unstarted(world, "CannotPullContainerError: invalid reference format: repository name must be lowercase")
        },
        subject: "time",
        cause: "image-missing",
        next: "quarterdeck deploy time",
        says: "correct `image`",
    },
    // Ends.
    Account {
        what: "a stdio server ends at once, because nobody holds its stdin",
        play: |world| ends(world, 0, ""),
        subject: "time",
        cause: "ends-itself",
        next: "quarterdeck deploy time",
        says: "stdio",
    },
    Account {
        what: "the program has instructions that the processor does not have",
        play: |world| ends(world, 132, ""),
        subject: "time",
        cause: "instruction-unknown",
        next: "quarterdeck deploy time",
        says: "build the image",
    },
    Account {
        what: "the program uses memory that is not its own",
        play: |world| ends(world, 139, ""),
        subject: "time",
        cause: "crash-loop",
        next: "quarterdeck logs time",
        says: "SIGSEGV",
    },
    Account {
        what: "the command is in the image and may not be run",
        play: |world| ends(world, 126, ""),
        subject: "time",
        cause: "command-missing",
        next: "quarterdeck deploy time",
        says: "126",
    },
    Account {
        what: "the kernel killed the container",
        play: |world| ends(world, 137, "OutOfMemoryError: Container killed due to memory usage"),
        subject: "time",
        cause: "out-of-memory",
        next: "quarterdeck deploy time",
        says: "memory",
    },
    // Events.
    Account {
        what: "ECS may not assume the task's role",
        play: |world| {
            starts_none(
                world,
                "failed to launch a task with (error ECS was unable to assume the role 'arn:aws:iam::1:role/x' that was provided for this task. Please verify that the role being passed has the proper trust relationship and permissions and that your IAM user has permissions to pass this role.).",
            )
        },
        subject: "time",
        cause: "role-not-assumed",
        next: "quarterdeck deploy time",
        says: "ecs-tasks.amazonaws.com",
    },
    Account {
        what: "somebody deregistered the task definition",
        play: |world| starts_none(world, "failed to launch a task with (error TaskDefinition is inactive)."),
        subject: "time",
        cause: "start-failed",
        next: "quarterdeck timeline time",
        says: "TaskDefinition is inactive",
    },
    Account {
        what: "the trust of the role was changed",
        play: |world| {
            starts_none(
                world,
                "IAM trust relationship has been misconfigured or changed, and ECS can no longer maintain your service",
            )
        },
        subject: "time",
        cause: "role-not-assumed",
        next: "quarterdeck deploy time",
        says: "",
    },
    Account {
        what: "the rights of the service's role were changed",
        play: |world| {
            starts_none(
                world,
                "IAM permissions policies have been misconfigured or changed, and ECS can no longer maintain your service",
            )
        },
        subject: "time",
        cause: "service-role",
        next: "quarterdeck timeline time",
        says: "AWSServiceRoleForECS",
    },
    Account {
        what: "the capacity provider has no instance",
        play: |world| {
            starts_none(
                world,
                "was unable to reach steady state. Reason: No Container Instances were found in your capacity provider.",
            )
        },
        subject: "time",
        cause: "capacity",
        next: "quarterdeck timeline time",
        says: "",
    },
    Account {
        what: "the cluster provisions as many tasks as it may",
        play: |world| {
            starts_none(
                world,
                "was unable to place tasks in your cluster because the tasks provisioning capacity limit was exceeded.",
            )
        },
        subject: "time",
        cause: "capacity",
        next: "quarterdeck timeline time",
        says: "",
    },
    Account {
        what: "ECS is throttled",
        play: |world| starts_none(world, "operations are being throttled. Will try again later."),
        subject: "time",
        cause: "ecs-throttled",
        next: "quarterdeck timeline time",
        says: "",
    },
    Account {
        what: "the vCPUs of the account are used up",
        play: |world| {
            starts_none(
                world,
                "was unable to place a task. Reason: You've reached the limit on the number of vCPUs you can run concurrently.",
            )
        },
        subject: "time",
        cause: "quota",
        next: "quarterdeck scale time --desired N",
        says: "Service Quotas",
    },
    Account {
        what: "the deployment may neither stop nor start a task",
        play: |world| {
            hangs(
                world,
                "was unable to stop or start tasks during a deployment because of the service deployment configuration. Update the minimumHealthyPercent or maximumPercent value and try again.",
            )
        },
        subject: "time",
        cause: "deployment-blocked",
        next: "quarterdeck stop-deployment time",
        says: "maximumPercent",
    },
    Account {
        what: "tasks protect themselves from a deployment",
        play: |world| {
            hangs(
                world,
                "was unable to reach steady state because task set (ecs-svc/1) was unable to scale in. Reason: The number of protected tasks are more than the desired count of tasks.",
            )
        },
        subject: "time",
        cause: "tasks-protected",
        next: "quarterdeck timeline time",
        says: "protection",
    },
    Account {
        what: "the tasks are in another VPC than the target group",
        play: |world| {
            world.state().faults.unregistered.push("time".into());
            says(
                world,
                "failed to register targets in (target-group arn:aws:elasticloadbalancing:r:1:targetgroup/t/1) with (error The following targets are not in the target group VPC 'vpc-1': '10.0.0.1')",
            );
        },
        subject: "time",
        cause: "targets-refused",
        next: "quarterdeck timeline time",
        says: "not in the target group VPC",
    },
    Account {
        what: "the load balancer does not serve the tasks' zone",
        play: |world| {
            unhealthy(
                world,
                "time",
                "Target.NotInUse",
                "Target is in an Availability Zone that is not enabled for the load balancer",
            )
        },
        subject: "time",
        cause: "targets-unused",
        next: "quarterdeck stacks",
        says: "not enabled for the load balancer",
    },
    Account {
        what: "the load balancer cannot check its targets",
        play: |world| unhealthy(world, "time", "Elb.InternalError", "Health checks failed due to an internal error"),
        subject: "time",
        cause: "balancer-fails",
        next: "quarterdeck timeline time",
        says: "AWS",
    },
    Account {
        what: "the health check needs a token",
        play: |world| {
            unhealthy(world, "time", "Target.ResponseCodeMismatch", "Health checks failed with these codes: [403]")
        },
        subject: "time",
        cause: "health-check-auth",
        next: "quarterdeck deploy time",
        says: "needs no token",
    },
    // What somebody did.
    Account {
        what: "somebody set the desired count to 0",
        play: |world| {
            world.state().services.get_mut("time").unwrap().desired = 0;
            ticks(world, 3);
        },
        subject: "time",
        cause: "scaled-to-zero",
        next: "quarterdeck scale time --desired N",
        says: "",
    },
    Account {
        what: "the tasks cannot start for an hour, and ECS tries ever more seldom",
        play: |world| {
            {
                let mut state = world.state();
                let service = state.services.get_mut("time").unwrap();
                (service.broken, service.kind.breaker, service.revision) = (true, false, 2);
                service.failure = never_started(
                    "CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to resolve ref 1.dkr.ecr.eu-central-1.amazonaws.com/mcp-time:v9: not found",
                );
                state.deploy_service("time");
            }
            ticks(world, 5);
            starts_none(world, "is unable to consistently start tasks successfully.");
        },
        subject: "time",
        cause: "image-missing",
        next: "quarterdeck rollback time",
        says: "",
    },
    Account {
        what: "an alarm takes a deployment back whose tasks are well",
        play: |world| {
            let mut state = world.state();
            let service = state.services.get_mut("time").unwrap();
            let (now, mut failed) = (Timestamp::now(), service.deployments[0].clone());
            (failed.id, failed.revision, failed.made) = ("ecs-svc/9998".into(), 2, now - SignedDuration::from_mins(3));
            (failed.given_up, failed.completed) = (true, false);
            failed.reason = "ECS deployment ecs-svc/9998 failed.".into();
            failed.tasks.clear();
            let back = service.deployments.last_mut().unwrap();
            (back.id, back.made, back.completed) = ("ecs-svc/9999".into(), now - SignedDuration::from_mins(1), false);
            back.reason = "ECS deployment failed: rolling back to deploymentId ecs-svc/0001.".into();
            service.deployments.insert(0, failed);
            service.events.push((
                now - SignedDuration::from_secs(70),
                "(service time) (deployment ecs-svc/9998) deployment failed: alarm detected.".into(),
            ));
        },
        subject: "time",
        cause: "deployment-alarm",
        next: "quarterdeck timeline time",
        says: "alarm",
    },
    // Stacks.
    Account {
        what: "the way back failed for another reason than the update",
        play: |world| {
            world.state().stick_because(
                "platform",
                "Resource handler returned message: \"Rate exceeded\"",
                "Resource handler returned message: \"The security group 'sg-1' does not exist\"",
            )
        },
        subject: "environment",
        cause: "stack-stuck",
        next: "quarterdeck stacks",
        says: "sg-1",
    },
    Account {
        what: "an update fails some days after another one that failed",
        play: |world| {
            let mut state = world.state();
            state.changed(
                "platform",
                &[
                    Ok("UPDATE_IN_PROGRESS"),
                    Err(("Old", "UPDATE_FAILED", "of last week")),
                    Ok("UPDATE_ROLLBACK_IN_PROGRESS"),
                    Ok("UPDATE_ROLLBACK_COMPLETE"),
                    Ok("UPDATE_IN_PROGRESS"),
                    Ok("UPDATE_COMPLETE"),
                ],
            );
            state.changed(
                "platform",
                &[
                    Ok("UPDATE_IN_PROGRESS"),
                    Err(("New", "UPDATE_FAILED", "of today")),
                    Ok("UPDATE_ROLLBACK_IN_PROGRESS"),
                    Ok("UPDATE_ROLLBACK_COMPLETE"),
                ],
            );
        },
        subject: "environment",
        cause: "stack-failed",
        next: "quarterdeck stacks",
        says: "of today",
    },
    Account {
        what: "a creation failed, and what it had made could not be deleted",
        play: |world| {
            world.state().changed("platform", &[Ok("CREATE_IN_PROGRESS"), Err(("Cluster", "CREATE_FAILED", "Invalid request provided: CreateCluster Invalid Request: Unable to assume the service linked role. Please verify that the ECS service linked role exists.")), Ok("ROLLBACK_IN_PROGRESS"), Err(("UserPool", "DELETE_FAILED", "The user pool cannot be deleted because deletion protection is activated")), Ok("ROLLBACK_FAILED")])
        },
        subject: "environment",
        cause: "stack-stuck",
        next: "quarterdeck stacks",
        says: "deletion protection is activated",
    },
    Account {
        what: "an update failed, and whoever began it had switched the way back off",
        play: |world| {
            world.state().changed(
                "platform",
                &[Ok("UPDATE_IN_PROGRESS"), Err(("Service", "UPDATE_FAILED", "no more room")), Ok("UPDATE_FAILED")],
            )
        },
        subject: "environment",
        cause: "stack-half-updated",
        next: "quarterdeck stacks",
        says: "no more room",
    },
];

/// Its next command, without the endpoint of the test.
fn command(cause: &Value) -> String {
    let next = cause["next"].as_str().unwrap_or_default();
    let words: Vec<&str> =
        next.split(' ').filter(|word| *word != "--endpoint-url" && !word.starts_with("http")).collect();
    words.join(" ")
}

/// The first cause that is told, with its subject.
fn first(told: &Value) -> Option<(String, Value)> {
    let subjects = told["subjects"].as_array().unwrap();
    let with = subjects.iter().find(|one| one["cause"].is_object())?;
    Some((with["server"].as_str().unwrap_or("environment").to_owned(), with["cause"].clone()))
}

#[test]
fn each_account_has_its_cause_first_and_a_way() {
    let runtime = multi();
    let mut wrong = Vec::new();
    for account in ACCOUNTS {
        let world = world();
        (account.play)(&world);
        let told = runtime.block_on(ask(&world, &["why"]));
        let Some((subject, cause)) = first(&told) else {
            wrong.push(format!("{}: nothing is named: {told:#}", account.what));
            continue;
        };
        let (id, next) = (cause["id"].as_str().unwrap(), command(&cause));
        let words = format!("{} {} {}", cause["fact"], cause["evidence"], cause["fix"]);
        let expected = (account.subject, account.cause, account.next);
        if (subject.as_str(), id, next.as_str()) != expected || !words.contains(account.says) {
            wrong.push(format!("{}: {subject} {id} -> {next}: {words}", account.what));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), ACCOUNTS.len(), wrong.join("\n"));
}
