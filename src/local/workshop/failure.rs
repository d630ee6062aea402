//! What an engine says when it fails, as errors with a way out.

use std::path::Path;

use crate::core::error::{CloudError, ErrorKind};
use crate::core::text::sanitise;
use crate::local::error::LocalError;

pub(super) fn at(call: &'static str, path: &Path, error: &std::io::Error) -> CloudError {
    classified(call, &format!("{}: {error}", path.display()))
}

pub(super) fn failed(call: &'static str, error: &LocalError) -> CloudError {
    match error {
        LocalError::TooSlow { .. } => CloudError::new(ErrorKind::TimedOut, call, sanitise(&error.to_string())),
        LocalError::Command { what, status, tail, .. } if tail.is_empty() => {
            CloudError::new(ErrorKind::Invalid, call, format!("{what} failed ({status}) without a word"))
        }
        // The last lines say why; those before are what worked.
        LocalError::Command { tail, .. } => classified(
            call,
            &tail[tail.len().saturating_sub(3)..].iter().map(|line| sanitise(line)).collect::<Vec<_>>().join("; "),
        ),
        other => classified(call, &sanitise(&other.to_string())),
    }
}

/// What kind of failure an engine tells of. Both engines pass on what registries say (OCI distribution specification,
/// "Error Codes") and what the system says.
const FAILURES: &[(&[&str], ErrorKind, &str)] = &[
    (
        &["no space left on device", "disk quota exceeded"],
        ErrorKind::Conflict,
        "there is no space left: make some (`podman system prune`, `docker system prune`), then go on",
    ),
    (
        &["tag is immutable", "tags are immutable", "imagetagalreadyexists", "cannot be overwritten"],
        ErrorKind::Conflict,
        "the tag is taken: write the next one into quarterdeck.toml and plan again",
    ),
    (
        &[
            "denied",
            "unauthorized",
            "no basic auth",
            "not authorized",
            "authentication required",
            "403 forbidden",
            "401 ",
        ],
        ErrorKind::Denied,
        "the registry refuses: `quarterdeck iam-policy publish` prints the rights that this takes",
    ),
    (
        &[
            "no such host",
            "connection refused",
            "i/o timeout",
            "network is unreachable",
            "no route to host",
            "connection reset",
            "tls handshake timeout",
            "temporary failure in name resolution",
            "unexpected eof",
            "broken pipe",
            "cannot connect to the docker daemon",
        ],
        ErrorKind::Unreachable,
        "the way to the registry is interrupted: check the network and the proxy; what has arrived is not sent again",
    ),
    (
        &["exec format error"],
        ErrorKind::Invalid,
        "this machine cannot run programs of that processor: install an emulator (qemu-user-static), or build elsewhere",
    ),
    (
        &["manifest unknown", "name unknown", "repository does not exist", "not found", "no such image"],
        ErrorKind::NotFound,
        "check the name",
    ),
];

pub(super) fn classified(call: &'static str, said: &str) -> CloudError {
    let lower = said.to_lowercase();
    let found = FAILURES.iter().find(|(words, ..)| words.iter().any(|word| lower.contains(word)));
    match found {
        Some((_, kind, hint)) => CloudError::new(*kind, call, said).with_hint(*hint),
        None => CloudError::new(ErrorKind::Invalid, call, said),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::local::workshop::PUSH;
    use rstest::rstest;

    #[rstest]
    #[case::podman(
        "Error: writing blob: initiating layer upload to /v2/a/blobs/uploads/ in 127.0.0.1:5000: unauthorized: authentication required",
        ErrorKind::Denied
    )]
    #[case::ecr(
        "denied: User: arn:aws:iam::1:user/x is not authorized to perform: ecr:InitiateLayerUpload",
        ErrorKind::Denied
    )]
    #[case::docker("no basic auth credentials", ErrorKind::Denied)]
    #[case::disk("write /var/tmp/storage1: no space left on device", ErrorKind::Conflict)]
    #[case::moved(
        "tag invalid: The image tag '1' already exists in the 'a' repository and cannot be overwritten because the tag is immutable.",
        ErrorKind::Conflict
    )]
    #[case::name("dial tcp: lookup x.dkr.ecr.eu-west-1.amazonaws.com: no such host", ErrorKind::Unreachable)]
    #[case::route("dial tcp 10.0.0.1:443: connect: no route to host", ErrorKind::Unreachable)]
    #[case::gone("name unknown: The repository with name 'a' does not exist", ErrorKind::NotFound)]
    #[case::emulator("exec /bin/sh: exec format error", ErrorKind::Invalid)]
    #[case::other("something else", ErrorKind::Invalid)]
    fn a_failure_has_its_kind_and_its_way_out(#[case] said: &str, #[case] kind: ErrorKind) {
        let error = classified(PUSH, said);
        assert_eq!(error.kind, kind);
        assert!(error.message == said && (error.hint.is_some() || said == "something else"), "{error:?}");
    }
}
