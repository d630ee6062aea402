//! The packed CloudFormation templates.

use serde::{Deserialize, Serialize};

/// The packed CloudFormation templates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Template {
    /// The CLOUDFRONT web ACL; always in us-east-1.
    Edge,
    /// VPC.
    Network,
    /// Cluster, load balancer, CloudFront, Cognito.
    Platform,
    /// One MCP server.
    Server,
}

impl Template {
    /// The template's text.
    pub fn body(self) -> &'static str {
        match self {
            Self::Edge => include_str!("../../../stack/edge.yaml"),
            Self::Network => include_str!("../../../stack/network.yaml"),
            Self::Platform => include_str!("../../../stack/platform.yaml"),
            Self::Server => include_str!("../../../stack/server.yaml"),
        }
    }

    /// The default of a parameter, if it has one.
    pub fn default_of(self, parameter: &str) -> Option<String> {
        let (_, rest) = self.body().split_once(&format!("\n  {parameter}:\n"))?;
        let of = rest.lines().take_while(|line| line.starts_with("    "));
        let default = of.filter_map(|line| line.trim().strip_prefix("Default:")).next()?;
        Some(default.trim().trim_matches('\'').to_owned())
    }

    /// Whether the template has a parameter of this name.
    pub fn declares(self, parameter: &str) -> bool {
        let body = self.body();
        let Some(start) = body.find("\nParameters:\n") else { return false };
        body[start + 13..]
            .lines()
            .take_while(|line| line.is_empty() || line.starts_with(' ') || line.starts_with('#'))
            .any(|line| line.strip_prefix("  ").and_then(|line| line.strip_suffix(':')) == Some(parameter))
    }
}
