//! The packed CloudFormation templates.

use regex::Regex;
use serde::{Deserialize, Serialize};

// `build.rs` reads the templates.
include!(concat!(env!("OUT_DIR"), "/templates.rs"));

/// The packed CloudFormation templates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Template {
    /// The CLOUDFRONT web ACL; always in us-east-1.
    Edge,
    Network,
    /// Cluster, load balancer, CloudFront, Cognito.
    Platform,
    Server,
    /// The repository of a server's images.
    Repository,
}

/// What `build.rs` has read in a template.
struct Packed {
    resources: usize,
    web_acl_rules: usize,
    parameters: &'static [Parameter],
}

/// A parameter of a template, and what CloudFormation takes for it.
#[derive(Debug)]
pub struct Parameter {
    pub name: &'static str,
    /// Used where no value is given.
    pub default: Option<&'static str>,
    /// The only values allowed; empty where range or pattern decide.
    pub allowed: &'static [&'static str],
    /// Least and greatest value.
    range: Option<(u64, u64)>,
    /// Regular expression of the whole value, or of each of a list.
    pattern: Option<&'static str>,
    /// What the pattern allows, in words.
    possible: Option<&'static str>,
}

impl Template {
    pub fn body(self) -> &'static str {
        match self {
            Self::Edge => include_str!("../../../stack/edge.yaml"),
            Self::Network => include_str!("../../../stack/network.yaml"),
            Self::Platform => include_str!("../../../stack/platform.yaml"),
            Self::Server => include_str!("../../../stack/server.yaml"),
            Self::Repository => include_str!("../../../stack/repository.yaml"),
        }
    }

    /// Its file in the repository.
    pub fn file(self) -> &'static str {
        match self {
            Self::Edge => "stack/edge.yaml",
            Self::Network => "stack/network.yaml",
            Self::Platform => "stack/platform.yaml",
            Self::Server => "stack/server.yaml",
            Self::Repository => "stack/repository.yaml",
        }
    }

    const fn facts(self) -> &'static Packed {
        match self {
            Self::Edge => &EDGE,
            Self::Network => &NETWORK,
            Self::Platform => &PLATFORM,
            Self::Server => &SERVER,
            Self::Repository => &REPOSITORY,
        }
    }

    pub fn parameters(self) -> &'static [Parameter] {
        self.facts().parameters
    }

    /// The parameter of this name.
    pub fn parameter(self, name: &str) -> Option<&'static Parameter> {
        self.parameters().iter().find(|parameter| parameter.name == name)
    }

    /// The default of a parameter, if it has one.
    pub fn default_of(self, parameter: &str) -> Option<&'static str> {
        self.parameter(parameter)?.default
    }

    /// Whether the template has a parameter of this name.
    pub fn declares(self, parameter: &str) -> bool {
        self.parameter(parameter).is_some()
    }

    /// Number of resources, including those whose condition may not hold.
    pub fn resource_count(self) -> usize {
        self.facts().resources
    }

    /// Whether the platform's template knows which addresses of CloudFront reach a load balancer there.
    pub fn knows_prefix_list(region: &str) -> bool {
        ORIGIN_FACING.contains(&region)
    }

    /// Rules of its web ACL.
    pub fn web_acl_rules(self) -> usize {
        self.facts().web_acl_rules
    }
}

impl Parameter {
    /// Whether CloudFormation accepts this value; for a list, one element of it.
    ///
    /// # Errors
    /// Says what is possible.
    pub fn check(&self, value: &str) -> Result<(), String> {
        if !self.allowed.is_empty() {
            let possible = || format!("one of {}", self.allowed.join(", "));
            return if self.allowed.contains(&value) { Ok(()) } else { Err(refusal(value, &possible())) };
        }
        if let Some((min, max)) = self.range {
            let inside = value.parse().is_ok_and(|number: u64| (min..=max).contains(&number));
            return if inside { Ok(()) } else { Err(refusal(value, &format!("{min} to {max}"))) };
        }
        let Some(pattern) = self.pattern else { return Ok(()) };
        if value.chars().any(char::is_control) {
            return Err(refusal(value, "without line breaks and other control characters"));
        }
        // CloudFormation matches the whole value. A pattern that does not compile here refuses nothing.
        let whole = Regex::new(&format!("^(?:{pattern})$"));
        if whole.is_ok_and(|whole| !whole.is_match(value)) {
            let words = self.possible.map_or_else(|| format!("what matches {pattern}"), ToOwned::to_owned);
            return Err(refusal(value, &words));
        }
        Ok(())
    }
}

fn refusal(value: &str, possible: &str) -> String {
    let quoted = if value.parse::<u64>().is_ok() { value.to_owned() } else { format!("{value:?}") };
    format!("{quoted} is not possible; it must be {possible}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const ALL: [Template; 5] =
        [Template::Edge, Template::Network, Template::Platform, Template::Server, Template::Repository];

    /// Counts in the text agree with what the build has read.
    #[test]
    fn the_generated_constants_agree_with_the_templates() {
        for template in ALL {
            let resources = template.body().matches("\n    Type: AWS::").count();
            assert_eq!(template.resource_count(), resources, "{}", template.file());
            let section = template.body().split("\nResources:").next().unwrap_or_default();
            assert_eq!(template.parameters().len(), section.matches("\n    Type: ").count(), "{}", template.file());
            for parameter in template.parameters() {
                let default = parameter.default.filter(|default| !default.is_empty());
                assert_eq!(default.map_or(Ok(()), |default| each(parameter, default)), Ok(()), "{}", parameter.name);
                assert!(Regex::new(parameter.pattern.unwrap_or_default()).is_ok(), "{}", parameter.name);
            }
        }
        assert_eq!(Template::Edge.web_acl_rules(), Template::Edge.body().matches("\n        - Name: ").count());
        let body = Template::Platform.body();
        let known = |region: &&str| body.contains(&format!("\n    {region}: {{PrefixList: pl-"));
        assert!(ORIGIN_FACING.len() == body.matches("{PrefixList: pl-").count() && ORIGIN_FACING.iter().all(known));
        assert!(Template::knows_prefix_list("eu-west-1") && !Template::knows_prefix_list("us-gov-west-1"));
        assert_eq!(Template::Platform.default_of("Mfa"), Some("ON"));
        assert_eq!(Template::Server.default_of("Image"), None);
        assert!(Template::Server.declares("Image") && !Template::Network.declares("Image"));
    }

    fn each(parameter: &Parameter, list: &str) -> Result<(), String> {
        if parameter.name == "CallbackUrls" {
            return list.split(',').try_for_each(|value| parameter.check(value));
        }
        parameter.check(list)
    }

    #[rstest]
    #[case(Template::Network, "NatMode", "single", "singel", "none, single, per-zone")]
    #[case(Template::Edge, "RateLimitPerIp", "10", "9", "10 to 2000000000")]
    #[case(Template::Network, "VpcCidr", "10.0.0.0/16", "10.0.0.0/8", "from /16 to /19")]
    #[case(Template::Server, "Path", "/time", "/ti me", "matches /")]
    fn a_parameter_refuses_what_cloudformation_would_refuse(
        #[case] template: Template,
        #[case] name: &str,
        #[case] good: &str,
        #[case] bad: &str,
        #[case] possible: &str,
    ) {
        let parameter = template.parameter(name).unwrap();
        assert_eq!(parameter.check(good), Ok(()));
        let why = parameter.check(bad).unwrap_err();
        assert!(why.contains(bad) && why.contains(possible), "{why}");
    }
}
