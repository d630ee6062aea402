//! Where the containers of a task definition log, read from their log configurations.

use std::collections::HashMap;

use aws_sdk_ecs::types::{ContainerDefinition, FirelensConfigurationType, LogDriver};

use super::convert::text;
use crate::core::logs::{ContainerLog, Destination, Streams, group};

/// The names that FireLens's plugins for CloudWatch Logs have: two of Fluent Bit, one of Fluentd.
const CLOUDWATCH: &[&str] = &["cloudwatch", "cloudwatch_logs"];

/// Where each container logs; `home` is the region of the task.
pub(super) fn logs(containers: &[ContainerDefinition], home: &str) -> Vec<ContainerLog> {
    let log = |container: &ContainerDefinition| ContainerLog {
        container: text(container.name()),
        to: destination(container, home),
    };
    let mut logs: Vec<ContainerLog> = containers.iter().map(log).collect();
    // A router says nothing of its own where it has no log configuration.
    let router = |log: &ContainerLog| {
        let found = containers.iter().find(|container| text(container.name()) == log.container);
        let typed = found.and_then(|found| found.firelens_configuration()).map(|router| router.r#type());
        matches!(typed, Some(FirelensConfigurationType::Fluentbit | FirelensConfigurationType::Fluentd))
    };
    logs.retain(|log| log.to != Destination::Unset || !router(log));
    logs.sort();
    logs
}

fn destination(container: &ContainerDefinition, home: &str) -> Destination {
    let Some(configuration) = container.log_configuration() else { return Destination::Unset };
    let none = HashMap::new();
    let options = Options(configuration.options().unwrap_or(&none));
    match configuration.log_driver() {
        LogDriver::Awslogs => awslogs(options, home),
        LogDriver::Awsfirelens => firelens(options, home),
        other => Destination::Driver { driver: text(Some(other.as_str())) },
    }
}

#[derive(Clone, Copy)]
struct Options<'a>(&'a HashMap<String, String>);

impl Options<'_> {
    /// The option of this name, which routers take in any case; `None` if it is empty.
    fn of(&self, name: &str) -> Option<String> {
        let found = self.0.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| text(Some(value))).filter(|value| !value.is_empty())
    }
}

fn awslogs(options: Options<'_>, home: &str) -> Destination {
    let Some(name) = options.of("awslogs-group") else { return Destination::Driver { driver: "awslogs".into() } };
    let streams = match (options.of("awslogs-stream"), options.of("awslogs-stream-prefix")) {
        (Some(stream), _) => Streams::Named { stream },
        (None, Some(prefix)) => Streams::Tasks { prefix },
        (None, None) => Streams::Runtime,
    };
    Destination::Group { group: group::id(&name, options.of("awslogs-region").as_deref(), home), streams }
}

/// What the router does with the container's log, as far as the task definition says it. A router may also
/// have a file of its own.
fn firelens(options: Options<'_>, home: &str) -> Destination {
    let output = options.of("Name").or_else(|| options.of("@type"));
    let cloudwatch = output.as_deref().is_some_and(|output| CLOUDWATCH.contains(&output.to_lowercase().as_str()));
    // A name with variables in it is made anew for each record.
    let name = options.of("log_group_name").filter(|name| !name.contains('$'));
    let (true, Some(name), None) = (cloudwatch, name, options.of("log_group_template")) else {
        let made = cloudwatch.then(|| "CloudWatch Logs, to a group whose name the router makes".to_owned());
        return Destination::FireLens { output: made.or(output) };
    };
    let plain = |value: Option<String>| value.filter(|value| !value.contains('$'));
    let streams =
        match (options.of("log_stream_name"), options.of("log_stream_prefix"), options.of("log_stream_template")) {
            (_, _, Some(_)) => Streams::Any,
            (Some(stream), _, None) => plain(Some(stream)).map_or(Streams::Any, |stream| Streams::Named { stream }),
            (None, prefix, None) if plain(prefix.clone()) == prefix => {
                Streams::FireLens { prefix: prefix.unwrap_or_default() }
            }
            _ => Streams::Any,
        };
    Destination::Group { group: group::id(&name, options.of("region").as_deref(), home), streams }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_ecs::types::{FirelensConfiguration, LogConfiguration};
    use rstest::rstest;

    fn container(driver: &str, options: &[(&str, &str)]) -> ContainerDefinition {
        let mut log = LogConfiguration::builder().log_driver(driver.into());
        for (name, value) in options {
            log = log.options(*name, *value);
        }
        ContainerDefinition::builder().name("app").log_configuration(log.build().unwrap()).build()
    }

    fn to(group: &str, streams: Streams) -> Destination {
        Destination::Group { group: group.into(), streams }
    }

    fn tasks(prefix: &str) -> Streams {
        Streams::Tasks { prefix: prefix.into() }
    }

    fn routed(prefix: &str) -> Streams {
        Streams::FireLens { prefix: prefix.into() }
    }

    #[rstest]
    #[case("awslogs", &[("awslogs-group", "/g"), ("awslogs-region", "eu-west-1"), ("awslogs-stream-prefix", "p")], to("/g", tasks("p")))]
    #[case("awslogs", &[("awslogs-group", "/g"), ("awslogs-region", "us-east-1"), ("awslogs-stream-prefix", "p")], to("us-east-1:/g", tasks("p")))]
    #[case("awslogs", &[("awslogs-group", "/g")], to("/g", Streams::Runtime))]
    #[case("awslogs", &[], Destination::Driver { driver: "awslogs".into() })]
    #[case("splunk", &[("splunk-url", "https://s")], Destination::Driver { driver: "splunk".into() })]
    #[case("json-file", &[], Destination::Driver { driver: "json-file".into() })]
    #[case("awsfirelens", &[("Name", "cloudwatch"), ("region", "eu-west-1"), ("log_group_name", "/fl"), ("log_stream_prefix", "app-")], to("/fl", routed("app-")))]
    #[case("awsfirelens", &[("name", "cloudwatch_logs"), ("region", "us-east-1"), ("log_group_name", "/fl")], to("us-east-1:/fl", routed("")))]
    #[case("awsfirelens", &[("@type", "cloudwatch_logs"), ("log_group_name", "/fl"), ("log_stream_name", "all")], to("/fl", Streams::Named { stream: "all".into() }))]
    #[case("awsfirelens", &[("Name", "cloudwatch"), ("log_group_name", "/fl"), ("log_stream_name", "a-$(ecs_task_id)")], to("/fl", Streams::Any))]
    #[case("awsfirelens", &[("Name", "cloudwatch"), ("log_group_name", "/fl/$(ecs_cluster)")], Destination::FireLens { output: Some("CloudWatch Logs, to a group whose name the router makes".into()) })]
    #[case("awsfirelens", &[("Name", "datadog")], Destination::FireLens { output: Some("datadog".into()) })]
    #[case("awsfirelens", &[], Destination::FireLens { output: None })]
    fn a_log_configuration_says_where_the_log_goes(
        #[case] driver: &str,
        #[case] options: &[(&str, &str)],
        #[case] expected: Destination,
    ) {
        let logs = logs(&[container(driver, options)], "eu-west-1");
        assert_eq!(logs, [ContainerLog { container: "app".into(), to: expected }]);
    }

    #[test]
    fn a_router_without_a_log_is_none_of_the_server_s_and_any_other_container_without_one_is_told() {
        let router = FirelensConfiguration::builder().r#type(FirelensConfigurationType::Fluentbit).build().unwrap();
        let router = ContainerDefinition::builder().name("router").firelens_configuration(router).build();
        let silent = ContainerDefinition::builder().name("silent").build();
        let logs = logs(&[router, silent], "eu-west-1");
        assert_eq!(logs, [ContainerLog { container: "silent".into(), to: Destination::Unset }]);
    }
}
