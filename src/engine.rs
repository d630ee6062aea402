//! The wall between plans and operations, and the container engine of this machine, which builds images, starts
//! them for a trial, and pushes them to a registry.
//!
//! Architecture invariant: only domain types cross it. [`crate::local`] implements it with Podman and Docker; tests
//! implement it with scripts. There is one method that writes to a registry, [`Engine::push`], and it takes an
//! [`Approved`] call, as [`Writes::apply`](crate::cloud::Writes::apply) does.

use async_trait::async_trait;
use secrecy::SecretString;

use crate::core::error::CloudResult;
use crate::core::image::{LocalImage, Platform, Source};
use crate::core::operation::{Applied, Approved};
use crate::core::trial::{Trial, Tried};

/// A container engine.
#[async_trait]
pub trait Engine: Send + Sync {
    /// Gets an image: builds it for this platform, finds it among those of this machine, or pulls it. Writes nothing
    /// elsewhere. What it gets may be for another platform, which the image says.
    ///
    /// It is `ErrorKind::NotFound` if there is no such image, folder or engine, and `ErrorKind::Invalid` if the build
    /// fails.
    async fn get(&self, source: &Source, platform: &Platform) -> CloudResult<LocalImage>;

    /// Whether it can push several images as one, for tasks of several processors.
    ///
    /// # Errors
    /// Says why not, and what can.
    async fn joins(&self) -> CloudResult<()> {
        Ok(())
    }

    /// Starts a server once, asks it which tools it has, and ends it. It has no network, no more rights and memory than
    /// the trial says, and placeholders instead of secrets. Nothing of it is left, also where the future is dropped or
    /// this process is killed. What goes wrong on the way is [`Tried::NotTried`].
    ///
    /// The image must be here: [`get`](Self::get) brings it.
    async fn try_out(&self, trial: &Trial) -> Tried;

    /// Pushes the image of an approved call to the registry of the login. An image that is not on this machine any more
    /// is [`Applied::Void`]. What has arrived of it when it fails is not sent again.
    ///
    /// The errors: `ErrorKind::Denied` if the registry refuses, `ErrorKind::Unreachable` if it does not answer,
    /// `ErrorKind::Conflict` if the tag is taken, or there is no space on this machine.
    async fn push(&self, approved: &Approved, login: &Login) -> CloudResult<Applied>;
}

/// How an engine signs in to a registry.
#[derive(Debug, Clone)]
pub struct Login {
    /// Host, and port where it is not that of HTTPS.
    registry: String,
    /// Whether the registry speaks plain HTTP. It is on this machine then.
    plain: bool,
    /// User and password, as basic authentication has them (RFC 7617): in base 64, with a colon between.
    token: SecretString,
}

impl Login {
    /// A login for the registry at this URL. `None` if that is none, or one of plain HTTP on another machine, to which no
    /// password goes.
    pub fn new(url: &str, token: SecretString) -> Option<Self> {
        let (scheme, registry) = url.split_once("://")?;
        let registry = registry.trim_end_matches('/');
        let host = registry.rsplit_once(':').map_or(registry, |(host, _)| host);
        let plain = match scheme {
            "https" => false,
            "http" if matches!(host, "localhost" | "127.0.0.1") => true,
            _ => return None,
        };
        let allowed = |c: char| c.is_ascii_alphanumeric() || ".-:".contains(c);
        let whole = registry.starts_with(|c: char| c.is_ascii_alphanumeric()) && registry.chars().all(allowed);
        whole.then(|| Self { registry: registry.to_owned(), plain, token })
    }

    /// Host, and port where it is not that of HTTPS.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// Whether the registry speaks plain HTTP.
    pub fn plain(&self) -> bool {
        self.plain
    }

    /// User and password, in base 64 with a colon between.
    pub fn token(&self) -> &SecretString {
        &self.token
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("https://123456789012.dkr.ecr.eu-west-1.amazonaws.com", Some(("123456789012.dkr.ecr.eu-west-1.amazonaws.com", false)))]
    #[case("http://127.0.0.1:5000/", Some(("127.0.0.1:5000", true)))]
    #[case::a_password_in_the_clear("http://registry.example.com", None)]
    #[case("123456789012.dkr.ecr.eu-west-1.amazonaws.com", None)]
    #[case::a_flag("https://--creds", None)]
    #[case::a_path("https://host/a", None)]
    fn a_password_goes_to_a_registry_over_tls_or_on_this_machine(
        #[case] url: &str,
        #[case] expected: Option<(&str, bool)>,
    ) {
        let login = Login::new(url, SecretString::from("aHVudGVyMg=="));
        assert_eq!(login.as_ref().map(|login| (login.registry(), login.plain())), expected);
        assert!(!format!("{login:?}").contains("aHVudGVyMg"));
    }
}
