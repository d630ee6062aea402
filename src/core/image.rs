//! Images of containers: what their names say, what a registry has of them, and what a task lacks to start from one.

use std::fmt;

use regex::Regex;
use serde::{Deserialize, Serialize};

use super::environment::Architecture;
use super::unread::Read;

/// An image of ECR, by its name. The audit keeps it as that name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EcrImage {
    /// The registry's host, which is that of an account in a region.
    pub host: String,
    pub account: String,
    pub region: String,
    pub repository: String,
    pub reference: Reference,
}

/// Which image of a repository.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reference {
    /// The one that has this tag now.
    Tag(String),
    /// This one for ever, as `sha256:…`.
    Digest(String),
}

impl EcrImage {
    /// Reads a name such as `123456789012.dkr.ecr.eu-west-1.amazonaws.com/files:1` or, with both versions of IP,
    /// `123456789012.dkr-ecr.eu-west-1.on.aws/files@sha256:…` (Amazon ECR user guide, "Amazon ECR private registry" and
    /// "Getting started with making requests over IPv6"). `None` if it is not of a private registry of ECR. A digest
    /// counts more than a tag beside it; without both it is `latest`.
    pub fn parse(name: &str) -> Option<Self> {
        let (host, path) = name.split_once('/')?;
        let parts: Vec<&str> = host.split('.').collect();
        let (account, region) = match parts[..] {
            [account, "dkr", "ecr" | "ecr-fips", region, _, ..] => (account, region),
            [account, "dkr-ecr" | "dkr-ecr-fips", region, _, ..] => (account, region),
            _ => return None,
        };
        if account.len() != 12 || !account.bytes().all(|byte| byte.is_ascii_digit()) || region.is_empty() {
            return None;
        }
        let (path, digest) = path.split_once('@').map_or((path, None), |(path, digest)| (path, Some(digest)));
        let (repository, tag) = path.split_once(':').unwrap_or((path, "latest"));
        let reference = match digest {
            Some(digest) => Reference::Digest(digest.to_owned()),
            None => Reference::Tag(tag.to_owned()),
        };
        let whole = !repository.is_empty() && !tag.is_empty() && digest != Some("");
        whole.then(|| Self {
            host: host.to_owned(),
            account: account.to_owned(),
            region: region.to_owned(),
            repository: repository.to_owned(),
            reference,
        })
    }

    /// The name of the same image by its digest, which no push can give to another one.
    pub fn pinned(&self, digest: &str) -> String {
        format!("{}/{}@{digest}", self.host, self.repository)
    }
}

impl TryFrom<String> for EcrImage {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        Self::parse(&name).ok_or_else(|| format!("{name:?} is not the name of an image of ECR"))
    }
}

impl From<EcrImage> for String {
    fn from(image: EcrImage) -> Self {
        image.to_string()
    }
}

impl fmt::Display for EcrImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, repository, reference, .. } = self;
        match reference {
            Reference::Tag(tag) => write!(f, "{host}/{repository}:{tag}"),
            Reference::Digest(digest) => write!(f, "{host}/{repository}@{digest}"),
        }
    }
}

/// What a registry has under a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    NoRepository,
    /// The repository is there, and has no such tag or digest.
    NoImage,
    Image {
        /// As `sha256:…`; of an index where it is one for several processors.
        digest: String,
        /// The images that it stands for, one for each platform. Read by other calls than the digest.
        variants: Read<Vec<Variant>>,
    },
}

/// An image for one platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variant {
    pub platform: Platform,
    /// Its own, where it is one of an index.
    pub digest: String,
    /// The program that it starts by itself, and the arguments; empty where it names none. `None` where the index
    /// alone was read, which does not say it.
    pub command: Option<Vec<String>>,
    /// Digest of its configuration, which stays the same wherever the image goes: engines take it for the image's id.
    /// `None` where the index alone was read.
    pub config: Option<String>,
}

/// For what an image was built, in the words of the OCI image specification.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Platform {
    pub os: String,
    pub architecture: String,
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)
    }
}

/// Why no task can start from an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lack {
    NoRepository,
    NoImage,
    /// It is for these alone.
    Platform(Vec<Platform>),
}

impl Architecture {
    /// The platform that a task of this processor starts images of.
    pub fn platform(self) -> Platform {
        let architecture = match self {
            Self::Arm64 => "arm64",
            Self::X86 => "amd64",
        };
        Platform { os: "linux".to_owned(), architecture: architecture.to_owned() }
    }
}

impl Found {
    /// What a task of this processor lacks, as far as it was read.
    pub fn lack(&self, architecture: Architecture) -> Option<Lack> {
        match self {
            Self::NoRepository => Some(Lack::NoRepository),
            Self::NoImage => Some(Lack::NoImage),
            Self::Image { .. } => {
                let platforms = self.platforms()?;
                let fits = platforms.contains(&architecture.platform());
                (!fits).then_some(Lack::Platform(platforms))
            }
        }
    }

    /// Whether it is the image of this id, or stands for it beside others: the digest of its configuration, or of its
    /// manifest where an engine keeps images as a registry does. `None` where that was not read.
    pub fn is(&self, id: &str) -> Option<bool> {
        let Self::Image { digest, variants } = self else { return Some(false) };
        if digest == id {
            return Some(true);
        }
        let variants = variants.known()?;
        if variants.iter().any(|variant| variant.digest == id || variant.config.as_deref() == Some(id)) {
            return Some(true);
        }
        variants.iter().all(|variant| variant.config.is_some()).then_some(false)
    }

    /// Whether it is or stands for all images of these ids. `None` where that was not read.
    pub fn is_all<'a>(&self, ids: impl IntoIterator<Item = &'a str>) -> Option<bool> {
        let each: Vec<_> = ids.into_iter().map(|id| self.is(id)).collect();
        if each.contains(&Some(false)) {
            Some(false)
        } else {
            each.into_iter().collect::<Option<Vec<_>>>().map(|_| true)
        }
    }

    /// What it is for, if that was read.
    pub fn platforms(&self) -> Option<Vec<Platform>> {
        let Self::Image { variants, .. } = self else { return None };
        Some(variants.known()?.iter().map(|variant| variant.platform.clone()).collect())
    }

    /// The image that a task of this processor starts from, if that was read.
    pub fn variant(&self, architecture: Architecture) -> Option<&Variant> {
        let Self::Image { variants, .. } = self else { return None };
        variants.known()?.iter().find(|variant| variant.platform == architecture.platform())
    }
}

/// Where the image of a server comes from, before it is in a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The folder that holds its Containerfile, or Dockerfile.
    Build(String),
    /// An image by its name: one that the engine has, or else pulls.
    Take(String),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Build(folder) => write!(f, "built from {folder}"),
            Self::Take(image) => f.write_str(image),
        }
    }
}

/// An image that an engine has on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalImage {
    /// As `sha256:…`.
    pub id: String,
    pub platform: Platform,
    /// In bytes, unpacked.
    pub size: u64,
}

/// Checks the name of a repository (Amazon ECR API reference, CreateRepository, `repositoryName`).
///
/// # Errors
/// Says what is possible.
pub fn check_repository(name: &str) -> Result<(), String> {
    let pattern = "^(?:[a-z0-9]+(?:[._-][a-z0-9]+)*/)*[a-z0-9]+(?:[._-][a-z0-9]+)*$";
    let fits = (2..=256).contains(&name.len()) && Regex::new(pattern).is_ok_and(|pattern| pattern.is_match(name));
    fits.then_some(()).ok_or_else(|| {
        format!(
            "{name:?} cannot be the name of a repository; lower-case letters and digits, with one of . _ - between them, \
             in parts between /"
        )
    })
}

/// Checks the tag of an image (OCI distribution specification, "Pulling manifests").
///
/// # Errors
/// Says what is possible.
pub fn check_tag(tag: &str) -> Result<(), String> {
    let fits = Regex::new("^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$").is_ok_and(|pattern| pattern.is_match(tag));
    let why =
        || format!("{tag:?} cannot be a tag; letters, digits and . _ - are possible, at most 128, no . or - first");
    fits.then_some(()).ok_or_else(why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::error::{CloudError, ErrorKind};
    use rstest::rstest;

    #[rstest]
    #[case("123456789012.dkr.ecr.eu-west-1.amazonaws.com/files", "eu-west-1", "files", "latest")]
    #[case("123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/files:1", "eu-west-1", "team/files", "1")]
    #[case("123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn/files:a", "cn-north-1", "files", "a")]
    #[case("123456789012.dkr.ecr-fips.us-east-1.amazonaws.com/files:a", "us-east-1", "files", "a")]
    #[case("123456789012.dkr-ecr.eu-west-1.on.aws/files:a", "eu-west-1", "files", "a")]
    #[case("123456789012.dkr.ecr.eu-west-1.amazonaws.com/files@sha256:1", "eu-west-1", "files", "sha256:1")]
    #[case("123456789012.dkr.ecr.eu-west-1.amazonaws.com/files:a@sha256:1", "eu-west-1", "files", "sha256:1")]
    fn names_of_ecr_are_read(
        #[case] name: &str,
        #[case] region: &str,
        #[case] repository: &str,
        #[case] reference: &str,
    ) {
        let image = EcrImage::parse(name).unwrap();
        let (Reference::Tag(found) | Reference::Digest(found)) = &image.reference;
        assert_eq!((&*image.region, &*image.repository, &**found), (region, repository, reference));
        assert_eq!(image.account, "123456789012");
        assert_eq!(EcrImage::parse(&image.to_string()), Some(image.clone()));
        assert!(image.pinned("sha256:2").ends_with(&format!("/{repository}@sha256:2")));
    }

    #[rstest]
    #[case("docker.io/acme/notes:2")]
    #[case("mcp-time:1")]
    #[case("public.ecr.aws/docker/library/node:24")]
    #[case("12345.dkr.ecr.eu-west-1.amazonaws.com/files")]
    #[case("123456789012.dkr.ecr.eu-west-1.amazonaws.com/")]
    #[case("123456789012.dkr.ecr.eu-west-1.amazonaws.com/files:")]
    #[case("123456789012.dkr.ecr.eu-west-1.amazonaws.com/files@")]
    fn other_names_are_none_of_ecr(#[case] name: &str) {
        assert_eq!(EcrImage::parse(name), None);
    }

    #[test]
    fn what_was_not_read_lacks_nothing() {
        let variant = |platform: &Platform| Variant {
            platform: platform.clone(),
            digest: "sha256:2".into(),
            command: None,
            config: None,
        };
        let image = |variants| Found::Image { digest: "sha256:1".into(), variants };
        let (arm, x86) = (Architecture::Arm64.platform(), Architecture::X86.platform());
        let unread = CloudError::new(ErrorKind::Denied, "ecr:GetDownloadUrlForLayer", "no");
        assert_eq!(image(Read::NotRead(unread)).lack(Architecture::X86), None);
        assert_eq!(image(Read::Known(vec![variant(&arm), variant(&x86)])).lack(Architecture::X86), None);
        assert_eq!(image(Read::Known(vec![variant(&arm)])).lack(Architecture::X86), Some(Lack::Platform(vec![arm])));
        assert_eq!(Found::NoImage.lack(Architecture::X86), Some(Lack::NoImage));
        assert_eq!(Found::NoRepository.lack(Architecture::Arm64), Some(Lack::NoRepository));
    }

    #[rstest]
    #[case::by_its_configuration("sha256:c", Some(true))]
    #[case::by_its_manifest("sha256:1", Some(true))]
    #[case::another("sha256:d", Some(false))]
    fn an_image_is_known_by_its_id(#[case] id: &str, #[case] expected: Option<bool>) {
        let platform = Architecture::Arm64.platform();
        let config = Some("sha256:c".to_owned());
        let variant = Variant { platform, digest: "sha256:1".into(), command: None, config };
        let image = |variants| Found::Image { digest: "sha256:1".into(), variants };
        assert_eq!(image(Read::Known(vec![variant])).is(id), expected);
        let unread = CloudError::new(ErrorKind::Denied, "ecr:GetDownloadUrlForLayer", "no");
        assert_eq!(image(Read::NotRead(unread)).is(id), expected.filter(|_| id == "sha256:1"));
        assert_eq!(Found::NoImage.is(id), Some(false));
    }

    #[rstest]
    #[case("quarterdeck/prod/files", true)]
    #[case("files", true)]
    #[case("a--b", false)]
    #[case("Files", false)]
    #[case("a/", false)]
    #[case("a", false)]
    fn a_repository_has_the_shape_that_ecr_takes(#[case] name: &str, #[case] fits: bool) {
        assert_eq!(check_repository(name).is_ok(), fits);
    }

    #[rstest]
    #[case("1.4", true)]
    #[case("v1_a-b", true)]
    #[case("-1", false)]
    #[case("a b", false)]
    #[case("", false)]
    fn a_tag_has_the_shape_that_registries_take(#[case] tag: &str, #[case] fits: bool) {
        assert_eq!(check_tag(tag).is_ok(), fits);
    }

    #[test]
    fn the_audit_keeps_an_image_as_its_name() {
        let name = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/files:1";
        let image = EcrImage::parse(name).unwrap();
        assert_eq!(serde_json::to_string(&image).unwrap(), format!("{name:?}"));
        assert_eq!(serde_json::from_str::<EcrImage>(&format!("{name:?}")).unwrap(), image);
        assert!(serde_json::from_str::<EcrImage>("\"docker.io/a:1\"").is_err());
    }
}
