//! Finds the region and the profile and checks the endpoint, and has the keys of the local cloud.

use std::sync::OnceLock;

use aws_config::environment::region::EnvironmentVariableRegionProvider;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::ProfileFileRegionProvider;
use aws_sdk_ecs::config::{Credentials, SharedCredentialsProvider};

use super::Access;
use super::profiles::Files;
use crate::cloud::{CloudError, CloudResult, ErrorKind};
use crate::core::destination::{SignIn, is_region};
use crate::core::text::sanitise;

/// What is given, and the configuration files: read when they are needed, and once.
pub(super) struct Configured<'a> {
    access: &'a Access,
    files: OnceLock<Files>,
}

impl<'a> Configured<'a> {
    pub(super) fn new(access: &'a Access) -> Self {
        Self { access, files: OnceLock::new() }
    }

    fn files(&self) -> &Files {
        self.files.get_or_init(Files::read)
    }

    /// The region: as given, else of the environment, else of the profile. The instance metadata service is
    /// not asked, because that is a call over the network.
    pub(super) async fn region(&self) -> CloudResult<String> {
        self.check_profile().await?;
        let region = match &self.access.region {
            Some(region) => region.clone(),
            None => found_region(self.access.profile.as_deref()).await.ok_or_else(|| {
                let profile = self.chosen().unwrap_or_else(|| "default".to_owned());
                let hint = format!("pass --region, or set AWS_REGION or the region of profile `{profile}`");
                invalid("no region is configured").with_hint(sanitise(&hint))
            })?,
        };
        if is_region(&region) {
            return Ok(region);
        }
        let shown = sanitise(&region);
        Err(invalid(format!("`{shown}` is not an AWS region")).with_hint("a region looks like eu-central-1"))
    }

    /// The profile that was chosen, if one was.
    fn chosen(&self) -> Option<String> {
        self.access.profile.clone().or_else(|| variable("AWS_PROFILE"))
    }

    /// An error if a profile was chosen that cannot be used, or something is needed from files that cannot be read.
    async fn check_profile(&self) -> CloudResult<()> {
        if self.access.static_credentials {
            return Ok(());
        }
        match self.chosen() {
            Some(profile) => self.files().usable(&profile),
            None if keys() && (self.access.region.is_some() || environment_region().await.is_some()) => Ok(()),
            None => self.files().readable(),
        }
    }

    /// Whether endpoints of the environment and of the files do not count. The SDK's clients for single services
    /// do not ask that themselves.
    pub(super) fn ignores_endpoints(&self) -> bool {
        if self.access.endpoint.is_some() || self.access.static_credentials {
            return false;
        }
        match variable("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS") {
            Some(value) => value.trim().eq_ignore_ascii_case("true"),
            None => self.files().ignores_endpoints(&self.chosen().unwrap_or_else(|| "default".to_owned())),
        }
    }

    /// The profile that the credentials come from, and how one signs in for it. Keys in the environment come first,
    /// unless only the profile counts.
    pub(super) fn source(&self) -> (Option<String>, Option<SignIn>) {
        if self.access.static_credentials || (keys() && !self.access.only_profile) {
            return (None, None);
        }
        let chosen = self.chosen();
        let sign_in = self.files().sign_in(chosen.as_deref().unwrap_or("default"));
        (chosen, sign_in)
    }
}

/// Whether the environment has keys.
pub(super) fn keys() -> bool {
    variable("AWS_ACCESS_KEY_ID").is_some() && variable("AWS_SECRET_ACCESS_KEY").is_some()
}

/// A variable of the environment. The program has taken out those that are empty; tests may not have.
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.trim().is_empty())
}

async fn environment_region() -> Option<String> {
    RegionProviderChain::first_try(EnvironmentVariableRegionProvider::new()).region().await.map(|it| it.to_string())
}

async fn found_region(profile: Option<&str>) -> Option<String> {
    let mut files = ProfileFileRegionProvider::builder();
    if let Some(profile) = profile {
        files = files.profile_name(profile);
    }
    let chain = RegionProviderChain::first_try(EnvironmentVariableRegionProvider::new()).or_else(files.build());
    chain.region().await.map(|region| region.to_string())
}

/// Checks an endpoint URL and takes the slash at its end off.
pub(super) fn endpoint(url: &str) -> CloudResult<String> {
    let wrong = |why: &str| {
        let shown = sanitise(url);
        invalid(format!("endpoint `{shown}` {why}")).with_hint("an endpoint looks like http://localhost:4566")
    };
    let parsed = reqwest::Url::parse(url).map_err(|_| wrong("is not a URL"))?;
    if !matches!(parsed.scheme(), "http" | "https") {
        return Err(wrong("is neither http nor https"));
    }
    if parsed.host_str().is_none_or(str::is_empty) {
        return Err(wrong("has no host"));
    }
    if !parsed.username().is_empty() || parsed.password().is_some() {
        return Err(invalid("the endpoint carries credentials").with_hint("put them in a profile"));
    }
    if parsed.query().is_some() || parsed.fragment().is_some() {
        return Err(wrong("has a query or a fragment"));
    }
    Ok(url.trim_end_matches('/').to_owned())
}

fn invalid(message: impl Into<String>) -> CloudError {
    CloudError::new(ErrorKind::Invalid, "aws:Configure", message)
}

/// The keys that every emulator accepts.
pub(super) fn local_credentials() -> SharedCredentialsProvider {
    SharedCredentialsProvider::new(Credentials::new("test", "test", None, None, "local cloud"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("http://localhost:4566", Some("http://localhost:4566"))]
    #[case("http://localhost:4566/", Some("http://localhost:4566"))]
    #[case("https://aws.example", Some("https://aws.example"))]
    #[case("localhost:4566", None)]
    #[case("ftp://localhost", None)]
    #[case("http://key:secret@localhost", None)]
    #[case("http://localhost?x=1", None)]
    #[case("http://", None)]
    fn an_endpoint_is_a_plain_http_url(#[case] url: &str, #[case] expected: Option<&str>) {
        assert_eq!(endpoint(url).ok().as_deref(), expected);
    }

    #[test]
    fn credentials_in_an_endpoint_are_not_repeated() {
        let error = endpoint("http://key:hunter2@localhost").expect_err("refused");
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
}
