//! Environments from text, and the stacks that a deploy of one leaves behind.

use std::collections::BTreeMap;

use super::{Environment, stacks};
use crate::core::operation::deploy::{ParameterValue, StackDeploy};
use crate::core::stack::{Stack, StackStatus};

/// An environment on AWS with the server `time`, which is built on gangway unless the text says otherwise. `text` is what the file says beyond that: `[section]` and
/// its lines; lines of the server come last.
pub(super) fn environment(text: &str) -> Environment {
    parsed(text).unwrap_or_else(|| panic!("{text} is no environment"))
}

/// The same; `None` where a key does not take such a value.
pub(super) fn parsed(text: &str) -> Option<Environment> {
    let (sections, server) = text.split_once("[[server]]").unwrap_or((text, ""));
    let said = server.contains("gangway") || server.contains("[server.app]");
    let ours = if said { "" } else { "gangway = true\n" };
    let server = format!("[[server]]\nname = 'time'\nimage = 'mcp-time:1'\n{ours}{server}");
    toml::from_str(&format!("environment = 'prod'\nregion = 'eu-west-1'\n{sections}\n{server}")).ok()
}

/// What is planned for an environment where these stacks are.
pub(super) fn planned(environment: &Environment, deployed: &[Stack]) -> Vec<StackDeploy> {
    stacks(environment, &BTreeMap::new(), deployed)
}

/// The stacks after a first deploy, each parameter with its value as CloudFormation tells it.
pub(super) fn deployed(environment: &Environment) -> Vec<Stack> {
    planned(environment, &[]).into_iter().map(stack).collect()
}

fn stack(deploy: StackDeploy) -> Stack {
    let defaults = deploy.template.parameters().iter().filter_map(|parameter| {
        let default = parameter.default?;
        Some((parameter.name.to_owned(), default.to_owned()))
    });
    let given = deploy.inputs.iter().map(|(key, input)| match input {
        ParameterValue::Value(value) => (key.clone(), value.clone()),
        ParameterValue::Output { key: output, .. } => (key.clone(), output_value(output).to_owned()),
    });
    let outputs = ["VpcId", "WebAclArn"].map(|key| (key.to_owned(), output_value(key).to_owned()));
    Stack {
        arn: format!("arn:aws:cloudformation:{}:123456789012:stack/{}/1", deploy.stack.region, deploy.stack.name),
        id: deploy.stack.clone(),
        status: StackStatus("CREATE_COMPLETE".into()),
        reason: None,
        parameters: defaults.chain(given).collect(),
        outputs: outputs.into(),
        updated_at: None,
        termination_protection: false,
        differs: None,
    }
}

fn output_value(key: &str) -> &str {
    match key {
        "VpcId" => "vpc-0a",
        "WebAclArn" => "arn:aws:wafv2:us-east-1:123456789012:global/webacl/quarterdeck-prod/1",
        other => other,
    }
}

/// The stack of this part.
pub(super) fn part<'a>(deploys: &'a [StackDeploy], part: &str) -> &'a StackDeploy {
    let name = format!("quarterdeck-prod-{part}");
    deploys.iter().find(|deploy| deploy.stack.name == name).unwrap_or_else(|| panic!("there is no {name}"))
}

/// A deployed stack of this part, to be changed by hand.
pub(super) fn stack_of<'a>(stacks: &'a mut [Stack], part: &str) -> &'a mut Stack {
    let name = format!("quarterdeck-prod-{part}");
    stacks.iter_mut().find(|stack| stack.id.name == name).unwrap_or_else(|| panic!("there is no {name}"))
}
