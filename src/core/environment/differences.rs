//! What is deployed otherwise than `quarterdeck.toml` says.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Environment, stacks};
use crate::core::image::{EcrImage, Reference};
use crate::core::operation::deploy::{ParameterValue, StackDeploy};
use crate::core::stack::Stack;

/// A parameter of a deployed stack that the file gives another value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    pub parameter: String,
    /// The value in force.
    pub deployed: String,
    pub file: String,
}

/// Notes at each stack in what it is not as the file says. A stack that the file does not make is not compared.
///
/// What the file does not say stays as it is deployed, so it is no difference; nor is what another stack gives, what
/// CloudFormation hides, or a name that a deploy has replaced by what it stood for.
pub fn compare(file: &Environment, overrides: &BTreeMap<String, String>, deployed: &mut [Stack]) {
    let planned = stacks(file, overrides, deployed);
    for stack in deployed {
        let plan = planned.iter().find(|plan| plan.stack == stack.id);
        stack.differs = plan.map(|plan| differences(file, plan, stack));
    }
}

fn differences(file: &Environment, plan: &StackDeploy, stack: &Stack) -> Vec<Difference> {
    let server = plan.service.as_ref().and_then(|service| file.server(&service.service));
    let silent = server.and_then(|server| server.app.as_ref()).is_some_and(|app| app.command.is_none());
    let differs = |(key, value): (&String, &ParameterValue)| {
        let (ParameterValue::Value(wanted), Some(there)) = (value, stack.parameters.get(key)) else { return None };
        // Where the file says no command, a deploy gives the image's own.
        let unsaid = key == "AppCommand" && silent;
        (there != HIDDEN && !unsaid && !alike(key, wanted, there)).then(|| Difference {
            parameter: key.clone(),
            deployed: there.clone(),
            file: wanted.clone(),
        })
    };
    plan.inputs.iter().filter_map(differs).collect()
}

/// What CloudFormation shows of a parameter with `NoEcho`.
const HIDDEN: &str = "****";

/// Whether what is deployed may be what the file's value was when it was deployed.
fn alike(parameter: &str, file: &str, there: &str) -> bool {
    let image = || match (EcrImage::parse(file), EcrImage::parse(there)) {
        // A tag is deployed as the digest that it stood for. What it stands for now, the registry alone knows.
        (Some(file), Some(there))
            if matches!((&file.reference, &there.reference), (Reference::Tag(_), Reference::Digest(_))) =>
        {
            (file.host, file.repository) == (there.host, there.repository)
        }
        _ => false,
    };
    file == there
        || match parameter {
            "Image" | "GangwayImage" => image(),
            "SecretArns" => secrets(file) == secrets(there),
            _ if parameter.starts_with("Secret") => match (file.split_once(' '), there.split_once(' ')) {
                (Some((variable, file)), Some((of, there))) => variable == of && same_secret(file, there),
                _ => false,
            },
            _ => false,
        }
}

/// The names of the Secrets of a list.
fn secrets(list: &str) -> BTreeSet<String> {
    list.split(',').map(|place| secret(place).0).collect()
}

fn same_secret(file: &str, there: &str) -> bool {
    // An ARN says which of several Secrets of one name it is.
    if file.starts_with("arn:") { file == there } else { secret(file) == secret(there) }
}

/// The name of a Secret and the key in it. Secrets Manager puts a hyphen and six characters behind a name in its ARN
/// (its user guide, "What's in a Secrets Manager secret?").
fn secret(place: &str) -> (String, String) {
    let parts: Vec<&str> = place.split(':').collect();
    let part = |at: usize| parts.get(at).copied().unwrap_or_default().to_owned();
    match parts.first() {
        Some(&"arn") => {
            let name = part(6);
            let end = name.len().checked_sub(7).filter(|&end| name.as_bytes()[end] == b'-');
            (end.map_or(name.clone(), |end| name[..end].to_owned()), part(7))
        }
        _ => (part(0), part(1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const ECR: &str = "123456789012.dkr.ecr.eu-west-1.amazonaws.com";
    const ARN: &str = "arn:aws:secretsmanager:eu-west-1:123456789012:secret";

    #[rstest]
    #[case::same("Memory", "512", "512", true)]
    #[case::other("Memory", "1024", "512", false)]
    #[case::a_tag_is_deployed_as_its_digest("Image", "ECR/files:1", "ECR/files@sha256:0a", true)]
    #[case::gangway_too("GangwayImage", "ECR/gangway:1", "ECR/gangway@sha256:0a", true)]
    #[case::another_repository("Image", "ECR/files:1", "ECR/notes@sha256:0a", false)]
    #[case::another_digest("Image", "ECR/files@sha256:0b", "ECR/files@sha256:0a", false)]
    #[case::another_tag("Image", "ECR/files:2", "ECR/files:1", false)]
    #[case::a_tag_in_place_of_a_digest("Image", "ECR/files@sha256:0a", "ECR/files:1", false)]
    #[case::elsewhere("Image", "docker.io/files:2", "docker.io/files@sha256:0a", false)]
    #[case::a_secret_by_name("Secret1", "KEY prod/api", "KEY ARN:prod/api-AbCdEf", true)]
    #[case::with_its_key("Secret1", "KEY prod/api:token", "KEY ARN:prod/api-AbCdEf:token::", true)]
    #[case::another_key("Secret1", "KEY prod/api:token", "KEY ARN:prod/api-AbCdEf:other::", false)]
    #[case::another_variable("Secret1", "TOKEN prod/api", "KEY ARN:prod/api-AbCdEf", false)]
    #[case::another_secret("Secret1", "KEY prod/api", "KEY ARN:prod/apis-AbCdEf", false)]
    #[case::another_of_its_name("Secret1", "KEY ARN:prod/api-GhIjKl", "KEY ARN:prod/api-AbCdEf", false)]
    #[case::the_list("SecretArns", "b:key,a", "ARN:a-AbCdEf,ARN:b-AbCdEf", true)]
    #[case::a_shorter_list("SecretArns", "a", "ARN:a-AbCdEf,ARN:b-AbCdEf", false)]
    #[case::nothing_there("Secret1", "KEY prod/api", "", false)]
    fn what_stood_for_something_is_no_difference(
        #[case] parameter: &str,
        #[case] file: &str,
        #[case] there: &str,
        #[case] expected: bool,
    ) {
        let full = |text: &str| text.replace("ECR", ECR).replace("ARN:", &format!("{ARN}:"));
        assert_eq!(alike(parameter, &full(file), &full(there)), expected);
    }
}
