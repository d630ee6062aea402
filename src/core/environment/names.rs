//! Names that both the templates and the console derive from environment and server.

use crate::core::error::{ErrorKind, Refusal};

/// A cluster as an operator names it: by its name or by its ARN, which says where it is, too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedCluster {
    pub name: String,
    pub region: Option<String>,
    pub account: Option<String>,
}

impl std::str::FromStr for NamedCluster {
    type Err = Refusal;

    fn from_str(given: &str) -> Result<Self, Refusal> {
        if !given.starts_with("arn:") {
            return Ok(Self { name: given.to_owned(), region: None, account: None });
        }
        let parts: Vec<&str> = given.splitn(6, ':').collect();
        match parts.as_slice() {
            [_, _, "ecs", region, account, resource]
                if let Some(name) = resource.strip_prefix("cluster/").filter(|name| !name.is_empty()) =>
            {
                let said = |part: &str| Some(part.to_owned()).filter(|part| !part.is_empty());
                Ok(Self { name: name.to_owned(), region: said(region), account: said(account) })
            }
            _ => Err(Refusal::new(ErrorKind::Invalid, format!("{given:?} is not the ARN of an ECS cluster"))
                .with_hint("such as arn:aws:ecs:eu-central-1:123456789012:cluster/prod; its name alone works, too")),
        }
    }
}

/// ECS cluster of an environment.
pub fn cluster(environment: &str) -> String {
    format!("quarterdeck-{environment}")
}

/// Prefix of all stack names of an environment.
pub fn stack_prefix(environment: &str) -> String {
    format!("quarterdeck-{environment}-")
}

/// A stack of an environment: `edge`, `network`, `platform` or a server's name.
pub fn stack(environment: &str, part: &str) -> String {
    format!("quarterdeck-{environment}-{part}")
}

/// The stack of the repository of a server, or of gangway. No server has such a name: those are in lower case.
pub fn repository_stack(environment: &str, server: &str) -> String {
    format!("quarterdeck-{environment}-{server}-{REPOSITORY}")
}

/// The server whose stack it is, by its name; `None` of a stack that all share, and of one of a repository.
pub fn server_of<'a>(environment: &str, stack: &'a str) -> Option<&'a str> {
    let part = stack.strip_prefix(&stack_prefix(environment))?;
    (!is_shared(part) && !is_repository_stack(stack)).then_some(part)
}

/// Whether that is what the servers of an environment share, by the last part of the name of its stack.
pub fn is_shared(part: &str) -> bool {
    matches!(part, "edge" | "network" | "platform")
}

/// Whether a stack is that of a repository, by its name. It outlives the environment, as the images in it do.
pub fn is_repository_stack(stack: &str) -> bool {
    stack.rsplit('-').next() == Some(REPOSITORY)
}

/// The last word of the names of such stacks.
const REPOSITORY: &str = "Repository";

/// Repository of the images of a server, or of gangway.
pub fn repository(environment: &str, server: &str) -> String {
    format!("quarterdeck/{environment}/{server}")
}

/// What stands where a server's name does in the names of the repository of gangway's own image.
pub const GANGWAY: &str = "gangway";

/// Log group of a server.
pub fn log_group(environment: &str, server: &str) -> String {
    format!("/quarterdeck/{environment}/{server}")
}

/// Secret that carries a server's machine client.
pub fn machine_secret(environment: &str, server: &str) -> String {
    format!("quarterdeck/{environment}/{server}/machine-client")
}

/// Secret that carries a server's variables whose values are secret.
pub fn app_secret(environment: &str, server: &str) -> String {
    format!("quarterdeck/{environment}/{server}/app")
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("prod", Some(("prod", None, None)))]
    #[case("arn:aws:ecs:eu-west-1:123456789012:cluster/prod", Some(("prod", Some("eu-west-1"), Some("123456789012"))))]
    #[case("arn:aws-cn:ecs:cn-north-1:1:cluster/a-b_c", Some(("a-b_c", Some("cn-north-1"), Some("1"))))]
    #[case("arn:aws:ecs:eu-west-1:1:service/prod/api", None)]
    #[case("arn:aws:eks:eu-west-1:1:cluster/prod", None)]
    #[case("arn:aws:ecs:eu-west-1:1:cluster/", None)]
    #[case("arn:prod", None)]
    fn a_cluster_is_named_by_its_name_or_its_arn(
        #[case] given: &str,
        #[case] expected: Option<(&str, Option<&str>, Option<&str>)>,
    ) {
        let cluster = given.parse::<NamedCluster>().ok();
        let parts = cluster.as_ref().map(|one| (one.name.as_str(), one.region.as_deref(), one.account.as_deref()));
        assert_eq!(parts, expected);
    }
}
