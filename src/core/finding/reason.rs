//! What ECS's and the load balancer's words mean. They are the only place where AWS says why (ECS developer guide,
//! "Stopped tasks error messages", "Service event messages"; Application Load Balancer guide, "Target health
//! status"), so they are read here and nowhere else.

use super::id::Id;

/// Words that say that something could not be reached.
const NO_ROUTE: &[&str] = &[
    "i/o timeout",
    "deadline exceeded",
    "client.timeout",
    "connection refused",
    "connection reset",
    "connection issue",
    "no such host",
    "network is unreachable",
    "no route to host",
    "request canceled",
    "requestcanceled",
    "context canceled",
    "requesterror",
    "server misbehaving",
    "handshake timeout",
    "connection timed out",
    "check your network connection",
];
/// Words that say that somebody may not.
const DENIED: &[&str] = &[
    "access denied",
    "accessdenied",
    "not authorized",
    "unauthorized",
    "403 forbidden",
    "no basic auth credentials",
    "authentication required",
    "resource is denied",
    "authorization token has expired",
    "has the permissions to",
    "to kms is not allowed",
];
/// Words that say that something is not there.
const MISSING: &[&str] = &[
    "not found",
    "notfound",
    "manifest unknown",
    "does not exist",
    "can't find",
    "did not contain json key",
    "invalid parameters",
    "secret exists in",
    "marked for deletion",
    // What is stored is no JSON, of which a key is wanted.
    "invalid character",
    "unexpected end of json input",
    // There can be no image of such a name.
    "invalid reference format",
];
/// Words that say that a key of KMS is there and may be used, but does not work: it is disabled, or about to be deleted
/// (Secrets Manager API reference, GetSecretValue, `DecryptionFailure`; KMS API reference, `KMSInvalidStateException`).
const KEY_UNUSABLE: &[&str] =
    &["decryptionfailure", "kmsinvalidstate", "kms.disabled", "kmsdisabled", "is pending deletion"];
/// What stands before every failure to read a secret or to log in to a registry, whichever it was.
const EITHER: &str = "unable to pull secrets or registry auth";

/// What the words on a task that never ran or was stopped mean; `None` where they say nothing of a kind.
pub fn of_stop(words: &str) -> Option<Id> {
    let words = words.to_ascii_lowercase().replace(EITHER, "");
    let any = |some: &[&str]| some.iter().any(|one| words.contains(one));
    match () {
        () if any(&["exec format error"]) => Some(Id::ImageArchitecture),
        () if any(KEY_UNUSABLE) => Some(Id::KeyUnusable),
        () if any(&["download env files"]) => Some(Id::EnvironmentFile),
        () if any(&["cannotpull", "failed to resolve ref", "failed to pull image", "cannot pull '"]) => {
            Some(image(&words))
        }
        () if any(&["outofmemory"]) => Some(Id::OutOfMemory),
        () if any(&["efs utils", "mount.nfs", "cannotcreatevolume", "ebs volume"]) => Some(Id::VolumeFailed),
        () if any(&["unable to assume", "cannot assume"]) => Some(Id::RoleNotAssumed),
        () if any(&["reached the limit on the number of", "above your limit", "above a limit", "vcpu limit"]) => {
            Some(Id::Quota)
        }
        () if any(&["not have enough free", "insufficientfreeaddresses", "not enough free ip"]) => Some(Id::SubnetFull),
        () if any(&["network interface", "configure eni", "setup regular eni"]) => Some(Id::NetworkInterface),
        () if any(&["logger args", "logging driver", "log driver", "log stream", "log group"]) => Some(log(&words)),
        () if any(&["ecr auth", "ecr registry auth", "getauthorizationtoken", "registry auth"]) => {
            Some(by_why(&words, [Id::ImageNoRoute, Id::ImageDenied, Id::ImageDenied], Id::ImagePull))
        }
        () if any(&["asm", "secret", "ssm", "parameter", "kms"])
            && any(&["resourceinitialization", "pull", "retriev", "fetching secret"]) =>
        {
            Some(by_why(&words, [Id::SecretNoRoute, Id::SecretDenied, Id::SecretMissing], Id::StartFailed))
        }
        () if any(&["capacity is unavailable", "no container instance", "insufficient capacity"]) => Some(Id::Capacity),
        () if any(&["unable to place a task", "resource:"]) => Some(Id::Capacity),
        () if any(&["executable file not found", "no such file or directory", "permission denied"]) => {
            Some(Id::CommandMissing)
        }
        () if any(&["container health check"]) => Some(Id::ContainerHealthCheck),
        () if any(&[
            "cannotstart",
            "cannotcreate",
            "resourceinitialization",
            "timeouterror",
            "timeout waiting for",
        ]) =>
        {
            Some(Id::StartFailed)
        }
        () => None,
    }
}

/// What a program that ended with an error meant by its last words; `None` where they are its own affair.
pub fn of_last_words(words: &str) -> Option<Id> {
    let words = words.to_ascii_lowercase();
    let any = |some: &[&str]| some.iter().any(|one| words.contains(one));
    // A port or an address is refused in the same words.
    let folder = any(&["mkdir", "open", "errno 13", "write", "filesystem"]) && words.contains('/');
    match () {
        () if any(&["exec format error"]) => Some(Id::ImageArchitecture),
        () if any(&[
            "heap out of memory",
            "outofmemoryerror",
            "memoryerror",
            "cannot allocate memory",
            "bad_alloc",
        ]) =>
        {
            Some(Id::OutOfMemory)
        }
        () if any(&["read-only file system", "erofs"]) => Some(Id::NotWritable),
        () if any(&["permission denied", "eacces", "accessdeniedexception"]) && folder => Some(Id::NotWritable),
        () => None,
    }
}

/// Why the log cannot be written. AWS has a sentence that names two reasons at once, and so neither.
fn log(words: &str) -> Id {
    let both = words.contains("cannot find the amazon cloudwatch log group");
    let why = || by_why(words, [Id::LogNoRoute, Id::LogDenied, Id::LogGroupMissing], Id::LogDriver);
    if both { Id::LogDriver } else { why() }
}

/// Why an image was not pulled.
fn image(words: &str) -> Id {
    let any = |some: &[&str]| some.iter().any(|one| words.contains(one));
    match () {
        () if any(&["platform", "no matching manifest"]) => Id::ImageArchitecture,
        () if any(&["toomanyrequests", "too many requests", "rate limit", "limit exceeded"]) => Id::ImageRateLimit,
        // So it ends where the layers, which lie in S3, cannot be reached (developer guide, "CannotPullContainer task
        // errors").
        () if any(&["nil pointer dereference"]) => Id::ImageNoRoute,
        () if any(&["no space left"]) => Id::ImageNoSpace,
        () => by_why(words, [Id::ImageNoRoute, Id::ImageDenied, Id::ImageMissing], Id::ImagePull),
    }
}

/// Tells what cannot be reached from what may not be read from what is not there.
fn by_why(words: &str, [no_route, denied, missing]: [Id; 3], otherwise: Id) -> Id {
    let any = |some: &[&str]| some.iter().any(|one| words.contains(one));
    match () {
        () if any(NO_ROUTE) => no_route,
        () if any(DENIED) => denied,
        () if any(MISSING) => missing,
        () => otherwise,
    }
}

/// What a service event says that ECS cannot do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unable {
    /// Start a task.
    Start(Id),
    /// Go on with a deployment.
    Deploy(Id),
    /// Register a target.
    Register(Id),
}

/// What ECS's words in a service event say that it cannot do, and why; `None` where they are no complaint of that kind
/// (developer guide, "Amazon ECS service event messages").
pub(super) fn of_event(words: &str) -> Option<Unable> {
    let lower = words.to_ascii_lowercase();
    let any = |some: &[&str]| some.iter().any(|one| lower.contains(one));
    let start = |otherwise| Some(Unable::Start(of_stop(&lower).unwrap_or(otherwise)));
    match () {
        () if any(&["unable to place", "could not launch", "no container instances were found"]) => start(Id::Capacity),
        () if any(&["failed to launch a task"]) => start(Id::StartFailed),
        () if any(&["iam trust relationship"]) => Some(Unable::Start(Id::RoleNotAssumed)),
        () if any(&["iam permissions policies"]) => Some(Unable::Start(Id::ServiceRole)),
        () if any(&["operations are being throttled"]) => Some(Unable::Start(Id::Throttled)),
        () if any(&["because of the service deployment configuration"]) => Some(Unable::Deploy(Id::DeploymentBlocked)),
        () if any(&["number of protected tasks"]) => Some(Unable::Deploy(Id::TasksProtected)),
        () if any(&["failed to register targets", "target group is not found", "unable to describe target health"]) => {
            Some(Unable::Register(Id::TargetsRefused))
        }
        () => None,
    }
}

/// Whether the words on a task that the service's scheduler stopped say that it failed a check. The stop code is the
/// same as for a task that is not wanted any more.
pub fn of_a_check(words: &str) -> bool {
    words.to_ascii_lowercase().contains("health check")
}

/// What the load balancer's words on a target mean. `young` says that the task has just started and never passed a
/// check of its own, so that it may not listen yet.
pub fn of_target(reason: Option<&str>, words: &str, young: bool) -> Id {
    let lower = words.to_ascii_lowercase();
    let codes = codes(&lower);
    let timeout = reason == Some("Target.Timeout") || lower.contains("timed out");
    match () {
        () if reason == Some("Elb.InternalError") || lower.contains("internal error") => Id::BalancerFails,
        () if codes.iter().any(|code| matches!(code, 401 | 403)) => Id::HealthCheckAuth,
        () if codes.iter().any(|code| *code >= 500) => Id::HealthCheckErrors,
        () if !codes.is_empty() || reason == Some("Target.ResponseCodeMismatch") => Id::HealthCheckPath,
        () if young => Id::HealthCheckSlow,
        () if timeout => Id::HealthCheckTimeout,
        () => Id::HealthCheckPort,
    }
}

/// The statuses in `Health checks failed with these codes: [404, 502]`.
fn codes(words: &str) -> Vec<u16> {
    let Some((_, rest)) = words.split_once("codes: [") else { return Vec::new() };
    let inside = rest.split(']').next().unwrap_or_default();
    inside.split(',').filter_map(|code| code.trim().parse().ok()).collect()
}

#[cfg(test)]
mod tests;
