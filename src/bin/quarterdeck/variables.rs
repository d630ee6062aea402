//! The one place where it is decided which variables of the environment are set: an empty one is not.
//!
//! Many programs read them: this one, the AWS SDK, the command line's parser. So what is not set is taken out
//! of the environment before any of them looks. To change the environment of a process that runs is not
//! sound, so the program starts itself anew, in the same process.

use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt as _;
use std::process::Command;

/// Families of variables that are read, by the beginning of their names.
const FAMILIES: &[&str] = &["AWS_", "QUARTERDECK_", "XDG_"];
/// Other variables that are read.
const SINGLE: &[&str] = &["NO_COLOR", "HOME", "DOCKER_HOST"];
/// With this one, no endpoint that the environment or a file names counts (AWS SDKs and Tools reference
/// guide, "Service-specific endpoints").
const IGNORE: &str = "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS";
const ENDPOINTS: &str = "AWS_ENDPOINT_URL";

/// Starts the program anew without the variables that say nothing, if there are any.
pub fn settle() {
    let gone = unset(&std::env::vars_os().collect::<Vec<_>>());
    let Ok(program) = std::env::current_exe() else { return };
    if gone.is_empty() {
        return;
    }
    let mut arguments = std::env::args_os();
    let mut anew = Command::new(program);
    anew.arg0(arguments.next().unwrap_or_default()).args(arguments);
    for name in &gone {
        anew.env_remove(name);
    }
    // It returns only if it fails. Then the variables stay, and what reads them says what is wrong.
    drop(anew.exec());
}

/// The variables that do not count.
fn unset(variables: &[(OsString, OsString)]) -> Vec<OsString> {
    let says_true = |value: &OsStr| value.to_string_lossy().trim().eq_ignore_ascii_case("true");
    let ignore = variables.iter().any(|(name, value)| name == IGNORE && says_true(value));
    let says_nothing = |name: &str, value: &OsStr| {
        let read = SINGLE.contains(&name) || FAMILIES.iter().any(|family| name.starts_with(family));
        read && value.to_string_lossy().trim().is_empty()
    };
    let gone = variables.iter().filter(|(name, value)| {
        let name = name.to_string_lossy();
        says_nothing(&name, value) || (ignore && name.starts_with(ENDPOINTS))
    });
    gone.map(|(name, _)| name.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(&[("AWS_PROFILE", ""), ("AWS_REGION", "eu-west-1")], &["AWS_PROFILE"])]
    #[case(&[("AWS_ENDPOINT_URL_ECS", " "), ("QUARTERDECK_LOG", "\t"), ("XDG_STATE_HOME", "")], &["AWS_ENDPOINT_URL_ECS", "QUARTERDECK_LOG", "XDG_STATE_HOME"])]
    #[case(&[("NO_COLOR", ""), ("HOME", ""), ("LESS", "")], &["NO_COLOR", "HOME"])]
    #[case(&[("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true"), ("AWS_ENDPOINT_URL", "http://a"), ("AWS_ENDPOINT_URL_ECS", "http://b")], &["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_ECS"])]
    #[case(&[("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "false"), ("AWS_ENDPOINT_URL", "http://a")], &[])]
    #[case(&[("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", ""), ("AWS_ENDPOINT_URL", "http://a")], &["AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"])]
    fn a_variable_that_says_nothing_is_not_set(#[case] variables: &[(&str, &str)], #[case] gone: &[&str]) {
        let variables: Vec<_> = variables.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        assert_eq!(unset(&variables), gone);
    }
}
