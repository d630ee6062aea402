//! Whose a line is, over clusters of every kind.

use super::*;
use crate::core::error::{CloudError, ErrorKind};
use crate::core::fleet::{Container, Health, Server, ServiceStatus, Shape, Task, TaskStatus};
use rstest::rstest;

const T1: &str = "0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a";
const T2: &str = "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b";

fn tasks(prefix: &str) -> Streams {
    Streams::Tasks { prefix: prefix.into() }
}

fn router(prefix: &str) -> Streams {
    Streams::FireLens { prefix: prefix.into() }
}

fn log(container: &str, group: &str, streams: Streams) -> ContainerLog {
    ContainerLog { container: container.into(), to: Destination::Group { group: group.into(), streams } }
}

fn task(service: &str, id: &str) -> Task {
    let container = Container {
        name: "app".into(),
        image: String::new(),
        last_status: TaskStatus::Running,
        exit_code: None,
        reason: None,
        health: Health::Unknown,
        runtime_id: Some(id.repeat(2)),
    };
    Task {
        arn: format!("arn:aws:ecs:eu-west-1:1:task/c/{id}"),
        service: service.into(),
        last_status: TaskStatus::Running,
        desired_status: TaskStatus::Running,
        health: Health::Unknown,
        task_definition: format!("{service}:1"),
        zone: String::new(),
        address: None,
        started_at: None,
        created_at: None,
        stopped_at: None,
        stop_code: None,
        stopped_reason: None,
        last_words: None,
        containers: vec![container],
    }
}

fn server(name: &str, id: &str, logs: Vec<ContainerLog>) -> Server {
    Server {
        name: name.into(),
        arn: String::new(),
        status: ServiceStatus::Active,
        desired: 1,
        running: 1,
        pending: 0,
        task_definition: format!("{name}:1"),
        logs: Read::Known(logs),
        deployments: Vec::new(),
        events: Vec::new(),
        tasks: Read::Known(vec![task(name, id)]),
        balancers: Vec::new(),
        shape: Shape::default(),
        bounds: Read::Known(None),
        grace: None,
        circuit_breaker: false,
        shortfall: None,
    }
}

fn owners(api: Vec<ContainerLog>, worker: Vec<ContainerLog>) -> Owners {
    let servers = vec![server("api", T1, api), server("worker", T2, worker)];
    Owners::of(&Fleet { servers, ..Fleet::default() }, None)
}

fn event(group: &str, stream: &str) -> LogEvent {
    LogEvent { timestamp: 1, ingested: 2, group: group.into(), stream: stream.into(), message: "m".into() }
}

/// Server (`-` where it cannot be told) and task of a stream of `/g`.
fn told(owners: &Owners, stream: &str) -> (String, String) {
    let origin = owners.origin("/g", stream);
    (origin.server.unwrap_or("-").to_owned(), origin.task.to_owned())
}

#[rstest]
#[case::by_prefix(tasks("api"), "app", tasks("worker"), "app", "api/app/x1", "api", "x1")]
#[case::by_container(tasks("ecs"), "api", tasks("ecs"), "worker", "ecs/worker/x1", "worker", "x1")]
#[case::by_task(tasks("ecs"), "app", tasks("ecs"), "app", &format!("ecs/app/{T2}"), "worker", T2)]
#[case::not_at_all(tasks("ecs"), "app", tasks("ecs"), "app", "ecs/app/x1", "-", "x1")]
#[case::another_prefix(tasks("api"), "app", tasks("worker"), "app", "old/app/x1", "-", "x1")]
#[case::another_prefix_of_a_task(tasks("api"), "app", tasks("worker"), "app", &format!("old/app/{T1}"), "api", T1)]
#[case::a_longer_prefix(tasks("api/v2"), "app", tasks("api"), "v2", "api/v2/app/x1", "api", "x1")]
#[case::a_prefix_of_a_prefix(
    router("app-"),
    "app",
    router("app-worker-"),
    "app",
    "app-worker-app-firelens-0c0c",
    "worker",
    "0c0c"
)]
#[case::a_router(router("app-"), "app", tasks("worker"), "app", &format!("app-firelens-{T1}"), "api", T1)]
#[case::a_router_without_prefix(router(""), "app", router(""), "job", "job-firelens-0c0c", "worker", "0c0c")]
#[case::a_runtime_id(Streams::Runtime, "app", Streams::Runtime, "app", &T2.repeat(2), "worker", T2)]
#[case::an_unknown_runtime_id(Streams::Runtime, "app", Streams::Runtime, "app", &"0c".repeat(32), "-", &"0c".repeat(32))]
#[case::a_named_stream(Streams::Named { stream: "all".into() }, "app", tasks("w"), "app", "all", "api", "all")]
#[case::a_host(tasks("api"), "app", tasks("worker"), "app", "ip-10-0-1-17.internal", "-", "ip-10-0-1-17.internal")]
fn a_line_is_the_server_s_whose_stream_it_is(
    #[case] api: Streams,
    #[case] container: &str,
    #[case] worker: Streams,
    #[case] other: &str,
    #[case] stream: &str,
    #[case] server: &str,
    #[case] task: &str,
) {
    let owners = owners(vec![log(container, "/g", api)], vec![log(other, "/g", worker)]);
    assert_eq!(told(&owners, stream), (server.to_owned(), task.to_owned()));
}

#[test]
fn a_line_of_an_unknown_server_bears_its_group_s_full_name() {
    let owners = owners(vec![log("app", "/ecs/prod", tasks("api"))], vec![]);
    let server = |group: &str, stream: &str| owners.line(&event(group, stream)).map(|line| line.server.to_string());
    assert_eq!(server("/ecs/prod", "api/app/x").as_deref(), Some("api"));
    assert_eq!(server("/ecs/prod", "other").as_deref(), Some("/ecs/prod"));
    assert_eq!(server("us-east-1:/ecs/prod", "api/app/x").as_deref(), Some("us-east-1:/ecs/prod"));
}

#[test]
fn only_the_lines_of_the_servers_that_are_wanted_come() {
    let owners = owners(
        vec![log("app", "/shared", tasks("api")), log("app", "/same", tasks("ecs")), log("app", "/own", tasks("api"))],
        vec![log("app", "/shared", tasks("worker")), log("app", "/same", tasks("ecs"))],
    )
    .only(["api".to_owned()]);
    let wanted = |group: &str, stream: &str| owners.line(&event(group, stream)).is_some();
    assert_eq!(owners.groups(), ["/own", "/same", "/shared"]);
    assert!(wanted("/shared", "api/app/x") && !wanted("/shared", "worker/app/x") && !wanted("/shared", "x"));
    assert!(wanted("/own", "x"), "nobody else of the cluster writes there");
    assert!(!wanted("/same", &format!("ecs/app/{T2}")) && wanted("/same", "ecs/app/unknown"), "it may be wanted");
    let prefix = |group: &str| owners.prefix(group);
    assert_eq!(
        (prefix("/shared").as_deref(), prefix("/own"), prefix("/same").as_deref()),
        (Some("api/app/"), None, Some("ecs/app/"))
    );
    assert_eq!(owners.shared_with().into_iter().collect::<Vec<_>>(), ["worker"]);
    let whole = owners.clone().whole(["/shared".to_owned()]);
    assert!(whole.line(&event("/shared", "worker/app/x")).is_some() && whole.prefix("/shared").is_none());
}

#[test]
fn a_prefix_covers_every_container_and_no_task_of_another_revision() {
    let logs = || vec![log("app", "/g", tasks("api")), log("proxy", "/g", tasks("api"))];
    let worker = || vec![log("app", "/g", tasks("worker"))];
    let of = |servers: Vec<Server>| Owners::of(&Fleet { servers, ..Fleet::default() }, None).only(["api".to_owned()]);
    let api = server("api", T1, logs());
    assert_eq!(of(vec![api.clone(), server("worker", T2, worker())]).prefix("/g").as_deref(), Some("api/"));
    let deploying = Server { task_definition: "api:2".into(), ..api };
    assert_eq!(of(vec![deploying, server("worker", T2, worker())]).prefix("/g"), None);
}

#[rstest]
#[case(Destination::Driver { driver: "splunk".into() }, "container app logs with splunk")]
#[case(Destination::FireLens { output: Some("datadog".into()) }, "container app logs with FireLens to datadog")]
#[case(Destination::Unset, "container app logs with no log driver")]
fn a_log_that_is_not_read_is_named(#[case] to: Destination, #[case] why: &str) {
    let owners = owners(vec![ContainerLog { container: "app".into(), to }], vec![log("app", "/g", tasks("w"))]);
    let elsewhere: Vec<&str> = owners.elsewhere().map(|one| one.why.as_str()).collect();
    assert_eq!(elsewhere, [why]);
    assert!(owners.clone().only(["worker".to_owned()]).elsewhere().next().is_none());
    assert!(owners.only(["api".to_owned()]).groups().is_empty());
}

#[test]
fn a_task_definition_that_was_not_read_means_our_group_in_our_environment_alone() {
    let why = CloudError::new(ErrorKind::Denied, "ecs:DescribeTaskDefinition", "no");
    let unread = Server { logs: Read::NotRead(why), ..server("time", T1, vec![]) };
    let fleet = Fleet { servers: vec![unread], ..Fleet::default() };
    assert_eq!(Owners::of(&fleet, Some("prod")).groups(), ["/quarterdeck/prod/time"]);
    let foreign = Owners::of(&fleet, None);
    assert!(foreign.groups().is_empty());
    assert!(foreign.elsewhere().next().is_some_and(|one| one.why.contains("was not read")));
}

#[rstest]
#[case("/own", true)]
#[case("/same", true)]
#[case("/shared", false)]
fn the_lines_that_may_be_a_server_s_are_found_with_it(#[case] group: &str, #[case] untold: bool) {
    let owners = owners(
        vec![log("app", "/shared", tasks("api")), log("app", "/same", tasks("ecs")), log("app", "/own", tasks("api"))],
        vec![log("app", "/shared", tasks("worker")), log("app", "/same", tasks("ecs"))],
    );
    assert_eq!(owners.untold("api").any(|one| one == group), untold);
}

#[rstest]
#[case("time/time/0123abcd", "0123abcd")]
#[case("a/b/c/0123abcd", "0123abcd")]
#[case("app-firelens-0a0a", "0a0a")]
#[case("2026/11/25/[$LATEST]0123", "2026/11/25/[$LATEST]0123")]
#[case("host.example.com", "host.example.com")]
#[case("my-firelens-router", "my-firelens-router")]
#[case("a/b/", "a/b/")]
fn the_task_is_found_in_a_stream_s_name(#[case] stream: &str, #[case] task: &str) {
    assert_eq!(task_of(stream), task);
}
