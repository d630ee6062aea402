//! Who is asking, and where.

use serde::{Deserialize, Serialize};

use super::destination::{DEFAULT_PROFILE, SignIn};
use super::environment::names;

/// The caller as STS names it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Identity {
    /// Twelve-digit account id.
    pub account: String,
    /// ARN of the user or assumed role.
    pub arn: String,
}

impl Identity {
    /// The role or user name, for the header: the ARN's part after the first `/`.
    pub fn short(&self) -> &str {
        self.arn.split_once('/').map_or(self.arn.as_str(), |(_, rest)| rest.split('/').next().unwrap_or(rest))
    }
}

/// Where and as whom the console acts; shown in the header and in every plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Context {
    /// Known once STS has answered.
    pub identity: Option<Identity>,
    pub region: String,
    /// Name of the environment, such as `prod`.
    pub environment: String,
    /// ECS cluster that holds the environment's servers.
    pub cluster: String,
    /// Endpoint override, where one is in force.
    pub endpoint: Option<String>,
    /// Refuses every write.
    pub read_only: bool,
    /// Every write asks for the environment's name.
    pub protected: bool,
    /// Runs on the local cloud.
    pub local: bool,
    /// The profile that the credentials come from; `None` where the standard chain finds them elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// How one signs in for that profile, where one has to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sign_in: Option<SignIn>,
}

impl Context {
    /// Whether it is chosen which cluster is worked on. Until then there is no name, which no cluster has, and nothing
    /// is read but who is calling and which clusters there are.
    pub fn chosen(&self) -> bool {
        !self.cluster.is_empty()
    }

    /// The program that signs in anew, with its arguments, where one can.
    pub fn renewal(&self) -> Option<Vec<String>> {
        Some(self.sign_in?.command(self.profile.as_deref().unwrap_or(DEFAULT_PROFILE)))
    }

    /// The name of the environment, if the cluster is that of an environment that our templates made. Of a
    /// cluster that others made, no name can be derived.
    pub fn ours(&self) -> Option<&str> {
        (self.cluster == names::cluster(&self.environment)).then_some(self.environment.as_str())
    }

    /// This program as a shell calls it to work on the same place, with what a folder's file does not say.
    pub fn program(&self) -> String {
        let mut words = vec!["quarterdeck".to_owned()];
        if self.local {
            words.push("--local".to_owned());
            return words.join(" ");
        }
        words.extend(self.profile.iter().flat_map(|profile| ["--profile".to_owned(), profile.clone()]));
        words.extend(self.endpoint.iter().flat_map(|endpoint| ["--endpoint-url".to_owned(), endpoint.clone()]));
        if self.ours().is_none() {
            words.extend(["--cluster".to_owned(), self.cluster.clone()]);
        }
        words.join(" ")
    }

    /// Whether an emulator answers, where nothing is billed. An override may also name AWS itself, as
    /// an endpoint of a VPC or a FIPS one does.
    pub fn emulated(&self) -> bool {
        self.local || self.endpoint.as_deref().is_some_and(|endpoint| !of_aws(endpoint))
    }
}

/// Whether an endpoint is AWS's own; those for both IP versions have another suffix.
pub fn of_aws(endpoint: &str) -> bool {
    let host = endpoint.split_once("://").map_or(endpoint, |(_, rest)| rest);
    let host = host.split(['/', ':', '?']).next().unwrap_or(host);
    host.contains(".amazonaws.com") || host.ends_with(".api.aws")
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[test]
    fn a_command_to_copy_works_on_the_same_place() {
        let ours = Context {
            identity: None,
            region: "eu-west-1".into(),
            environment: "prod".into(),
            cluster: "quarterdeck-prod".into(),
            endpoint: None,
            read_only: false,
            protected: false,
            local: false,
            profile: None,
            sign_in: None,
        };
        assert_eq!(ours.program(), "quarterdeck");
        assert_eq!(Context { local: true, ..ours.clone() }.program(), "quarterdeck --local");
        assert_eq!(Context { cluster: "c".into(), ..ours.clone() }.program(), "quarterdeck --cluster c");
        let endpoint = Context { profile: Some("p".into()), endpoint: Some("http://e".into()), ..ours };
        assert_eq!(endpoint.program(), "quarterdeck --profile p --endpoint-url http://e");
    }

    #[rstest]
    #[case(None, false)]
    #[case(Some("http://127.0.0.1:4566"), true)]
    #[case(Some("https://ecs-fips.us-east-1.amazonaws.com"), false)]
    #[case(Some("https://vpce-1-ecs.us-east-1.vpce.amazonaws.com"), false)]
    #[case(Some("https://logs.eu-west-1.api.aws"), false)]
    #[case(Some("http://localhost:4566/.api.aws"), true)]
    fn an_endpoint_of_aws_is_no_emulator(#[case] endpoint: Option<&str>, #[case] emulated: bool) {
        let context = Context { endpoint: endpoint.map(str::to_owned), ..Context::default() };
        assert_eq!(context.emulated(), emulated);
    }
}
