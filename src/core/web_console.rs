//! Addresses of the AWS console, for what is selected.

use super::destination::{Partition, partition};

/// What can be looked at in the AWS console.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Page {
    /// The services of an ECS cluster.
    Cluster {
        cluster: String,
    },
    Service {
        cluster: String,
        service: String,
    },
    Task {
        cluster: String,
        task: String,
    },
    /// A CloudFormation stack, by its ARN or name.
    Stack {
        stack: String,
    },
    /// The stacks whose names begin like this.
    Stacks {
        prefix: String,
    },
    /// Somebody of a Cognito user pool.
    User {
        pool: String,
        user: String,
    },
    /// An app client of a Cognito user pool.
    Client {
        pool: String,
        client: String,
    },
    LogGroup {
        group: String,
    },
}

/// The address of a page in a region; `None` where the partition's console is not known.
///
/// Each region has a host of its own (AWS Management Console getting started guide, "Service endpoints"); the two
/// other public partitions have other domains (AWS General Reference).
pub fn url(page: &Page, region: &str) -> Option<String> {
    let domain = match partition(region) {
        Partition::Aws => "console.aws.amazon.com",
        Partition::China => "console.amazonaws.cn",
        Partition::GovCloud => "console.amazonaws-us-gov.com",
        Partition::Other => return None,
    };
    let base = format!("https://{region}.{domain}");
    let ecs =
        |cluster: &str, rest: String| format!("{base}/ecs/v2/clusters/{}/{rest}?region={region}", encoded(cluster));
    Some(match page {
        Page::Cluster { cluster } => ecs(cluster, "services".into()),
        Page::Service { cluster, service } => ecs(cluster, format!("services/{}/health", encoded(service))),
        Page::Task { cluster, task } => ecs(cluster, format!("tasks/{}", encoded(task))),
        Page::Stack { stack } => {
            format!("{base}/cloudformation/home?region={region}#/stacks/stackinfo?stackId={}", encoded(stack))
        }
        Page::Stacks { prefix } => {
            format!("{base}/cloudformation/home?region={region}#/stacks?filteringText={}", encoded(prefix))
        }
        Page::Client { pool, client } => format!(
            "{base}/cognito/v2/idp/user-pools/{}/applications/app-clients/{}?region={region}",
            encoded(pool),
            encoded(client)
        ),
        Page::User { pool, user } => format!(
            "{base}/cognito/v2/idp/user-pools/{}/user-management/users/details/{}?region={region}",
            encoded(pool),
            encoded(user)
        ),
        Page::LogGroup { group } => {
            // CloudWatch's own way to write a name behind the `#`: encoded twice, with `$` for `%`.
            let group = encoded(&encoded(group)).replace('%', "$");
            format!("{base}/cloudwatch/home?region={region}#logsV2:log-groups/log-group/{group}")
        }
    })
}

/// Percent-encodes all but the unreserved characters (RFC 3986, section 2.3). Names come from AWS, so nothing of
/// them must be able to leave its place in the address.
fn encoded(text: &str) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            other => drop(write!(out, "%{other:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(Page::Cluster { cluster: "c".into() }, "eu-west-1", "https://eu-west-1.console.aws.amazon.com/ecs/v2/clusters/c/services?region=eu-west-1")]
    #[case(Page::Service { cluster: "c".into(), service: "time".into() }, "cn-north-1", "https://cn-north-1.console.amazonaws.cn/ecs/v2/clusters/c/services/time/health?region=cn-north-1")]
    #[case(Page::Task { cluster: "c".into(), task: "0a".into() }, "us-gov-west-1", "https://us-gov-west-1.console.amazonaws-us-gov.com/ecs/v2/clusters/c/tasks/0a?region=us-gov-west-1")]
    #[case(Page::Stack { stack: "arn:aws:cloudformation:eu-west-1:1:stack/a/b".into() }, "eu-west-1", "https://eu-west-1.console.aws.amazon.com/cloudformation/home?region=eu-west-1#/stacks/stackinfo?stackId=arn%3Aaws%3Acloudformation%3Aeu-west-1%3A1%3Astack%2Fa%2Fb")]
    #[case(Page::Stacks { prefix: "quarterdeck-prod-".into() }, "eu-west-1", "https://eu-west-1.console.aws.amazon.com/cloudformation/home?region=eu-west-1#/stacks?filteringText=quarterdeck-prod-")]
    #[case(Page::Client { pool: "eu-west-1_A".into(), client: "7x".into() }, "eu-west-1", "https://eu-west-1.console.aws.amazon.com/cognito/v2/idp/user-pools/eu-west-1_A/applications/app-clients/7x?region=eu-west-1")]
    #[case(Page::User { pool: "eu-west-1_A".into(), user: "a b".into() }, "eu-west-1", "https://eu-west-1.console.aws.amazon.com/cognito/v2/idp/user-pools/eu-west-1_A/user-management/users/details/a%20b?region=eu-west-1")]
    #[case(Page::LogGroup { group: "/quarterdeck/prod/time".into() }, "eu-west-1", "https://eu-west-1.console.aws.amazon.com/cloudwatch/home?region=eu-west-1#logsV2:log-groups/log-group/$252Fquarterdeck$252Fprod$252Ftime")]
    fn a_page_has_its_address(#[case] page: Page, #[case] region: &str, #[case] expected: &str) {
        assert_eq!(url(&page, region).as_deref(), Some(expected));
    }

    #[test]
    fn a_hostile_name_stays_in_its_place() {
        let page = Page::Service { cluster: "c".into(), service: "a/../b?x=1#y z\u{1b}&".into() };
        let url = url(&page, "eu-west-1").expect("a known partition");
        assert!(url.contains("/services/a%2F..%2Fb%3Fx%3D1%23y%20z%1B%26/health?"), "{url}");
    }

    #[test]
    fn of_a_partition_that_is_not_known_there_is_no_address() {
        assert_eq!(url(&Page::Cluster { cluster: "c".into() }, "us-iso-east-1"), None);
    }
}
