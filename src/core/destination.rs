//! Where the console can go: profiles, regions and clusters.

use serde::{Deserialize, Serialize};

use super::environment::names;
use super::identity::Context;

/// How a profile gets its credentials, where somebody has to sign in for that now and then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SignIn {
    /// IAM Identity Center: `sso_session` or `sso_start_url` (AWS SDKs and Tools reference guide).
    Sso,
    /// The AWS console: `login_session` (AWS CLI user guide, "Login for AWS local development").
    Console,
}

/// The profile that counts where none is named (AWS SDKs and Tools reference guide, "Shared config and credentials files").
pub const DEFAULT_PROFILE: &str = "default";

impl SignIn {
    /// The program that signs in, and its arguments.
    pub fn command(self, profile: &str) -> Vec<String> {
        let words: &[&str] = match self {
            Self::Sso => &["aws", "sso", "login", "--profile"],
            Self::Console => &["aws", "login", "--profile"],
        };
        words.iter().copied().chain([profile]).map(str::to_owned).collect()
    }

    /// What helps where the credentials of a profile are not accepted any more.
    pub fn hint(self, profile: Option<&str>) -> String {
        format!("sign in again: `{}`", self.command(profile.unwrap_or(DEFAULT_PROFILE)).join(" "))
    }

    /// What kind it is, in a word or two.
    pub fn word(self) -> &'static str {
        match self {
            Self::Sso => "IAM Identity Center",
            Self::Console => "aws login",
        }
    }
}

/// A profile of the AWS configuration files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    pub name: String,
    /// Its region, if it has one.
    pub region: Option<String>,
    /// How one signs in for it; the profile from which it has its credentials counts.
    pub sign_in: Option<SignIn>,
}

/// An ECS cluster, as far as it matters for choosing one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cluster {
    pub name: String,
    /// Services that are active; `None` if that was not read.
    pub services: Option<u32>,
    /// Tasks that run; `None` if that was not read.
    pub tasks: Option<u32>,
}

impl Cluster {
    /// The environment whose cluster it is, if our templates made it.
    pub fn environment(&self) -> Option<&str> {
        self.name.strip_prefix("quarterdeck-").filter(|name| names::cluster(name) == self.name && !name.is_empty())
    }
}

/// What is worked on in an account and a region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    Environment(String),
    /// A cluster that our templates did not make.
    Cluster(String),
}

impl Target {
    /// The target of a cluster's name.
    pub fn of_cluster(name: &str) -> Self {
        let cluster = Cluster { name: name.to_owned(), services: None, tasks: None };
        cluster.environment().map_or_else(|| Self::Cluster(name.to_owned()), |name| Self::Environment(name.to_owned()))
    }
}

/// An environment as an operator names it: `prod`, or `prod@eu-west-1` where it is in another region than the rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedEnvironment {
    pub name: String,
    pub region: Option<String>,
}

impl std::str::FromStr for NamedEnvironment {
    type Err = String;

    fn from_str(given: &str) -> Result<Self, String> {
        let (name, region) = match given.split_once('@') {
            None => (given, None),
            Some((_, region)) if !is_region(region) => {
                return Err(format!("{region:?} is not formed as the name of an AWS region, such as prod@eu-west-1"));
            }
            Some((name, region)) => (name, Some(region.to_owned())),
        };
        if name.is_empty() {
            return Err("it names no environment; say prod, or prod@eu-west-1".to_owned());
        }
        Ok(Self { name: name.to_owned(), region })
    }
}

/// Where the operator wants to go. It is complete, so that what comes of it does not depend on where the console
/// is by then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    /// `None` is the standard chain of credentials without a profile.
    pub profile: Option<String>,
    /// `None` takes that of the profile, else of the environment's variables.
    pub region: Option<String>,
    /// `None` where nothing is chosen yet: then the clusters that are there are offered.
    pub target: Option<Target>,
}

impl Destination {
    /// Where the console is.
    pub fn here(context: &Context) -> Self {
        let target = context.chosen().then(|| match context.ours() {
            Some(environment) => Target::Environment(environment.to_owned()),
            None => Target::Cluster(context.cluster.clone()),
        });
        Self { profile: context.profile.clone(), region: Some(context.region.clone()), target }
    }
}

impl std::fmt::Display for Destination {
    /// What it is, where and with which profile, as far as that is said.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let target = self.target.as_ref().map(|target| match target {
            Target::Environment(name) | Target::Cluster(name) => name,
        });
        let parts = [target, self.region.as_ref(), self.profile.as_ref()];
        f.write_str(&parts.into_iter().flatten().map(String::as_str).collect::<Vec<_>>().join(" "))
    }
}

/// The regions of AWS, with where they are (AWS Regions and Availability Zones, "List of AWS Regions"). A region that
/// is not here can be typed.
pub const REGIONS: &[(&str, &str)] = &[
    ("us-east-1", "N. Virginia"),
    ("us-east-2", "Ohio"),
    ("us-west-1", "N. California"),
    ("us-west-2", "Oregon"),
    ("af-south-1", "Cape Town"),
    ("ap-east-1", "Hong Kong"),
    ("ap-east-2", "Taipei"),
    ("ap-northeast-1", "Tokyo"),
    ("ap-northeast-2", "Seoul"),
    ("ap-northeast-3", "Osaka"),
    ("ap-south-1", "Mumbai"),
    ("ap-south-2", "Hyderabad"),
    ("ap-southeast-1", "Singapore"),
    ("ap-southeast-2", "Sydney"),
    ("ap-southeast-3", "Jakarta"),
    ("ap-southeast-4", "Melbourne"),
    ("ap-southeast-5", "Malaysia"),
    ("ap-southeast-6", "New Zealand"),
    ("ap-southeast-7", "Thailand"),
    ("ca-central-1", "Canada Central"),
    ("ca-west-1", "Calgary"),
    ("eu-central-1", "Frankfurt"),
    ("eu-central-2", "Zurich"),
    ("eu-north-1", "Stockholm"),
    ("eu-south-1", "Milan"),
    ("eu-south-2", "Spain"),
    ("eu-west-1", "Ireland"),
    ("eu-west-2", "London"),
    ("eu-west-3", "Paris"),
    ("il-central-1", "Tel Aviv"),
    ("me-central-1", "UAE"),
    ("me-south-1", "Bahrain"),
    ("mx-central-1", "Mexico Central"),
    ("sa-east-1", "São Paulo"),
    ("cn-north-1", "Beijing"),
    ("cn-northwest-1", "Ningxia"),
    ("us-gov-east-1", "GovCloud East"),
    ("us-gov-west-1", "GovCloud West"),
];

/// The regions of the partition that a region is of: credentials are valid in one partition alone (AWS General
/// Reference, "Partitions").
pub fn neighbours(region: &str) -> impl Iterator<Item = &'static (&'static str, &'static str)> {
    let own = partition(region);
    REGIONS.iter().filter(move |(name, _)| partition(name) == own)
}

/// A partition of AWS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Partition {
    Aws,
    China,
    GovCloud,
    /// One of which nothing is known here, such as an isolated one.
    Other,
}

/// The partition of a region, by its name.
pub fn partition(region: &str) -> Partition {
    match region {
        _ if region.starts_with("cn-") => Partition::China,
        _ if region.starts_with("us-gov-") => Partition::GovCloud,
        _ if region.starts_with("us-iso") || region.starts_with("eu-isoe-") || region.starts_with("eusc-") => {
            Partition::Other
        }
        _ => Partition::Aws,
    }
}

/// Whether it is formed as the name of a region: two or more lower-case words and a number, joined by hyphens.
pub fn is_region(region: &str) -> bool {
    let parts: Vec<&str> = region.split('-').collect();
    let Some((number, words)) = parts.split_last() else { return false };
    let word = |word: &&str| word.len() >= 2 && word.bytes().all(|byte| byte.is_ascii_lowercase());
    let digits = !number.is_empty() && number.len() <= 2 && number.bytes().all(|byte| byte.is_ascii_digit());
    digits && words.len() >= 2 && words.iter().all(word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("eu-central-1", true)]
    #[case("us-gov-west-1", true)]
    #[case("ap-southeast-5", true)]
    #[case("", false)]
    #[case("eu-central", false)]
    #[case("Frankfurt", false)]
    #[case("eu-central-1a", false)]
    #[case("eu_central_1", false)]
    #[case("x/../y-1", false)]
    fn a_region_has_words_and_a_number(#[case] text: &str, #[case] good: bool) {
        assert_eq!(is_region(text), good);
    }

    #[rstest]
    #[case("prod", Ok(("prod", None)))]
    #[case("prod@eu-west-1", Ok(("prod", Some("eu-west-1"))))]
    #[case("", Err("it names no environment"))]
    #[case("@eu-west-1", Err("it names no environment"))]
    #[case("prod@", Err("is not formed as the name of an AWS region"))]
    #[case("prod@ireland", Err("\"ireland\" is not formed"))]
    #[case("prod@eu-west-1@x", Err("is not formed"))]
    fn an_environment_may_say_its_region(#[case] given: &str, #[case] expected: Result<(&str, Option<&str>), &str>) {
        let named: Result<NamedEnvironment, String> = given.parse();
        match (named, expected) {
            (Ok(named), Ok((name, region))) => assert_eq!((&*named.name, named.region.as_deref()), (name, region)),
            (Err(said), Err(part)) => assert!(said.contains(part), "{said}"),
            (named, expected) => panic!("{named:?}, expected {expected:?}"),
        }
    }

    #[test]
    fn every_region_of_the_list_is_one_and_stands_there_once() {
        for (index, (name, _)) in REGIONS.iter().enumerate() {
            assert!(is_region(name), "{name}");
            assert!(REGIONS.iter().skip(index + 1).all(|(other, _)| other != name), "{name}");
        }
        assert!(neighbours("cn-north-1").all(|(name, _)| name.starts_with("cn-")));
        assert!(neighbours("eu-west-1").all(|(name, _)| !name.starts_with("cn-") && !name.starts_with("us-gov-")));
    }

    #[rstest]
    #[case("quarterdeck-prod", Target::Environment("prod".into()))]
    #[case("quarterdeck-", Target::Cluster("quarterdeck-".into()))]
    #[case("theirs", Target::Cluster("theirs".into()))]
    fn a_cluster_of_ours_is_an_environment(#[case] cluster: &str, #[case] target: Target) {
        assert_eq!(Target::of_cluster(cluster), target);
    }

    #[rstest]
    #[case(SignIn::Sso, "aws sso login --profile corp")]
    #[case(SignIn::Console, "aws login --profile corp")]
    fn a_sign_in_has_its_command(#[case] sign_in: SignIn, #[case] command: &str) {
        assert_eq!(sign_in.command("corp").join(" "), command);
    }
}
