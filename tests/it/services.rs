//! Services as other people make them, read off the wire and shown by the commands.

use std::process::{Command, Output, Stdio};

use crate::support::scripted::{Reply, Scripted};
use crate::support::{fixtures, pty};
use quarterdeck::aws::{Access, AwsCloud, connect};
use quarterdeck::cloud::{Clients as _, Logs as _, Services as _, Stacks as _};
use quarterdeck::core::fleet::{Controller, Scheduling, Server, Strategy};
use quarterdeck::core::operation::{Check, Order};
use quarterdeck::core::stack::StackRef;
use quarterdeck::run::audit::Audit;
use quarterdeck::run::{Session, operate};
use rstest::rstest;
use serde_json::{Value, json};

const CLUSTER: &str = "arn:aws:ecs:eu-west-1:123456789012:cluster/c";

fn service(name: &str, more: Value) -> Value {
    let definition = format!("arn:aws:ecs:eu-west-1:123456789012:task-definition/{name}:7");
    let mut service = json!({
        "serviceName": name, "serviceArn": format!("arn:aws:ecs:eu-west-1:123456789012:service/c/{name}"),
        "status": "ACTIVE", "desiredCount": 2, "runningCount": 2, "pendingCount": 0, "taskDefinition": definition,
        "deployments": [{ "id": "ecs-svc/1", "status": "PRIMARY", "taskDefinition": definition, "desiredCount": 2,
            "runningCount": 2, "rolloutState": "COMPLETED", "createdAt": 1.0 }],
    });
    service.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    service
}

fn group(name: &str) -> String {
    format!("arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/{name}/1")
}

/// So many healthy targets.
fn healthy(count: usize) -> Reply {
    let one = "<member><Target><Id>i</Id></Target><TargetHealth><State>healthy</State></TargetHealth></member>";
    Reply::Answer(
        200,
        format!(
            "<DescribeTargetHealthResponse><DescribeTargetHealthResult><TargetHealthDescriptions>{}\
             </TargetHealthDescriptions></DescribeTargetHealthResult></DescribeTargetHealthResponse>",
            one.repeat(count)
        ),
    )
}

/// These groups with one and the same check, whichever are asked for.
fn checks(names: &[&str]) -> Reply {
    let one = |name: &&str| {
        format!(
            "<member><TargetGroupArn>{}</TargetGroupArn><HealthCheckProtocol>HTTP</HealthCheckProtocol>\
             <HealthCheckPath>/up</HealthCheckPath><HealthCheckPort>9090</HealthCheckPort>\
             <HealthCheckIntervalSeconds>15</HealthCheckIntervalSeconds>\
             <HealthCheckTimeoutSeconds>4</HealthCheckTimeoutSeconds>\
             <HealthyThresholdCount>2</HealthyThresholdCount><UnhealthyThresholdCount>3</UnhealthyThresholdCount>\
             <Matcher><HttpCode>200,204</HttpCode></Matcher></member>",
            group(name)
        )
    };
    let all: String = names.iter().map(one).collect();
    Reply::query("DescribeTargetGroups", &format!("<TargetGroups>{all}</TargetGroups>"))
}

/// One healthy target, and one that is not.
fn half() -> Reply {
    let one = |state: &str| {
        format!("<member><Target><Id>{state}</Id></Target><TargetHealth><State>{state}</State></TargetHealth></member>")
    };
    Reply::Answer(
        200,
        format!(
            "<DescribeTargetHealthResponse><DescribeTargetHealthResult><TargetHealthDescriptions>{}{}\
             </TargetHealthDescriptions></DescribeTargetHealthResult></DescribeTargetHealthResponse>",
            one("healthy"),
            one("unhealthy")
        ),
    )
}

/// An AWS with these services, and with two healthy targets in the groups that are named.
async fn account(services: Vec<Value>, full: &'static [&'static str]) -> Scripted {
    Scripted::start(move |request| {
        let body = match request.call.as_str() {
            "ListServices" => json!({ "serviceArns": services.iter().map(|one| &one["serviceArn"]).collect::<Vec<_>>() }),
            "DescribeServices" => json!({ "services": services, "failures": [] }),
            "ListTasks" => json!({ "taskArns": [] }),
            "DescribeScalableTargets" => json!({ "ScalableTargets": [] }),
            "DescribeClusters" => json!({ "clusters": [{ "clusterName": "c", "status": "ACTIVE" }] }),
            "DescribeTaskDefinition" => json!({ "taskDefinition": { "family": "f", "revision": 7 } }),
            "DescribeTargetHealth" if request.body.contains("targetgroup%2Fsick%2F") => return half(),
            "DescribeTargetHealth" => {
                return healthy(if full.iter().any(|name| request.body.contains(&format!("targetgroup%2F{name}%2F"))) { 2 } else { 0 });
            }
            "DescribeTargetGroups" => return checks(&["a", "sick"]),
            "GetCallerIdentity" => {
                return Reply::Answer(200, "<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:iam::123456789012:user/ops</Arn>\
                    <UserId>u</UserId><Account>123456789012</Account></GetCallerIdentityResult></GetCallerIdentityResponse>".into());
            }
            _ => return Reply::error(400, "UnknownOperationException", "not in the script"),
        };
        Reply::json(200, body)
    })
    .await
}

async fn cloud(server: &Scripted) -> AwsCloud {
    let access = Access {
        region: Some("eu-west-1".into()),
        endpoint: Some(server.url.clone()),
        static_credentials: true,
        ..Access::default()
    };
    connect(&access).await.unwrap()
}

async fn read(one: Value, full: &'static [&'static str]) -> Server {
    let account = account(vec![one], full).await;
    cloud(&account).await.fleet("c").await.unwrap().servers.remove(0)
}

fn set(id: &str, status: &str, count: u32, groups: Value) -> Value {
    json!({ "id": id, "status": status, "taskDefinition": "arn:aws:ecs:r:1:task-definition/set:9",
        "computedDesiredCount": count, "runningCount": count, "pendingCount": 0, "stabilityStatus": "STEADY_STATE",
        "scale": { "value": 100.0, "unit": "PERCENT" }, "loadBalancers": groups })
}

fn balancer(name: &str) -> Value {
    json!({ "targetGroupArn": group(name), "containerName": "app", "containerPort": 80 })
}

/// The check is asked for where it may say why, and the grace period comes with the service.
#[tokio::test]
async fn the_health_check_of_a_group_that_is_not_well_is_read() {
    let more = json!({ "loadBalancers": [balancer("a"), balancer("sick")], "healthCheckGracePeriodSeconds": 60 });
    let server = read(service("time", more), &["a"]).await;
    assert_eq!(server.grace, Some(60));
    assert!(server.balancers[0].groups[0].check.is_none(), "all of its targets are healthy");
    let check = server.balancers[1].groups[0].check.as_ref().and_then(|check| check.known()).unwrap();
    assert_eq!(check.asks(), "HTTP /up at port 9090, to be answered with 200,204 within 4 s");
    assert_eq!(check.judges(), "every 15 s, healthy after 2, unhealthy after 3 in a row");
    assert_eq!(check.patience(), Some(45));
}

#[rstest]
#[case::one(json!({ "loadBalancers": [balancer("a")] }), "2/2")]
#[case::two(json!({ "loadBalancers": [balancer("a"), balancer("b")] }), "0/2 2/2")]
#[case::the_alternate_one(json!({ "loadBalancers": [{ "targetGroupArn": group("b"), "advancedConfiguration": { "alternateTargetGroupArn": group("a") } }] }), "2/2")]
#[case::of_a_task_set(json!({ "deploymentController": { "type": "CODE_DEPLOY" }, "loadBalancers": [balancer("b")],
    "taskSets": [set("ecs-svc/2", "PRIMARY", 2, json!([balancer("a")]))] }), "2/2")]
#[case::of_the_service_where_its_task_set_names_none(json!({ "deploymentController": { "type": "CODE_DEPLOY" },
    "loadBalancers": [balancer("b"), balancer("a")], "taskSets": [set("ecs-svc/2", "PRIMARY", 2, json!([]))] }), "2/2")]
#[case::of_two_task_sets(json!({ "deploymentController": { "type": "EXTERNAL" }, "taskSets": [
    set("ecs-svc/2", "PRIMARY", 1, json!([balancer("a")])), set("ecs-svc/3", "ACTIVE", 1, json!([balancer("a")]))] }), "2/2")]
#[case::of_one_that_is_leaving(json!({ "deploymentController": { "type": "EXTERNAL" }, "taskSets": [
    set("ecs-svc/2", "PRIMARY", 2, json!([balancer("a")])), set("ecs-svc/3", "DRAINING", 0, json!([balancer("b")]))] }), "2/2")]
#[case::classic(json!({ "loadBalancers": [{ "loadBalancerName": "old" }] }), "?")]
#[case::service_connect_alone(json!({ "deployments": [{ "id": "ecs-svc/1", "status": "PRIMARY", "serviceConnectConfiguration": { "enabled": true } }] }), "-")]
#[tokio::test]
async fn every_kind_of_load_balancer_is_counted_by_itself(#[case] more: Value, #[case] cell: &str) {
    assert_eq!(read(service("web", more), &["a"]).await.target_count(), cell);
}

#[tokio::test]
async fn what_kind_of_service_it_is_is_read() {
    let usual = read(service("web", json!({})), &[]).await.shape;
    assert_eq!(usual.words(), Vec::<String>::new(), "what is not said has the value that ECS gives it");
    let more = json!({ "schedulingStrategy": "DAEMON", "launchType": "EXTERNAL", "deploymentConfiguration": {
        "strategy": "LINEAR", "bakeTimeInMinutes": 7, "alarms": { "alarmNames": ["a"], "enable": true, "rollback": true } } });
    let shape = read(service("web", more), &[]).await.shape;
    assert_eq!(
        (shape.controller.clone(), shape.scheduling.clone(), shape.strategy.clone()),
        (Controller::Ecs, Scheduling::Daemon, Strategy::Linear)
    );
    assert_eq!(shape.words(), ["LINEAR, bakes 7 min", "DAEMON", "deployment alarms", "on EXTERNAL"]);
    let spot = json!({ "capacityProviderStrategy": [{ "capacityProvider": "FARGATE_SPOT", "weight": 3 }, { "capacityProvider": "FARGATE", "base": 1 }] });
    assert_eq!(read(service("web", spot), &[]).await.shape.words(), ["on FARGATE_SPOT and FARGATE"]);
}

#[tokio::test]
async fn a_service_without_a_task_definition_has_that_of_its_task_set() {
    let mut one = service(
        "web",
        json!({ "deploymentController": { "type": "EXTERNAL" }, "deployments": [],
        "taskSets": [set("ecs-svc/2", "PRIMARY", 2, json!([]))] }),
    );
    one.as_object_mut().unwrap().remove("taskDefinition");
    let server = read(one, &[]).await;
    assert_eq!(server.task_definition, "arn:aws:ecs:r:1:task-definition/set:9");
    assert_eq!((server.primary().unwrap().id.as_str(), server.rollout().as_str()), ("ecs-svc/2", "completed"));
}

/// The count of a task set follows that of its service a moment later.
#[tokio::test]
async fn a_task_set_with_another_part_than_its_own_is_under_way() {
    let late = json!({ "deploymentController": { "type": "EXTERNAL" }, "desiredCount": 4,
        "taskSets": [set("ecs-svc/2", "PRIMARY", 2, json!([]))] });
    assert!(read(service("web", late), &[]).await.starting());
}

async fn run(server: &Scripted, args: &[&str]) -> Output {
    let home = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_quarterdeck"));
    command.args(["--endpoint-url", &server.url]).args(args);
    for name in pty::NOT_INHERITED {
        command.env_remove(name);
    }
    command.envs(pty::homes(home.path())).current_dir(home.path()).stdin(Stdio::null());
    command.env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", "test");
    tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap()
}

fn told(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_of_each_balancer_is_told() {
    let two = json!({ "loadBalancers": [balancer("public"), balancer("internal")] });
    let account = account(vec![service("web", two)], &["public"]).await;
    let region = ["--cluster", "c", "--region", "eu-west-1", "status", "web"];
    let text = told(&run(&account, &region).await);
    assert!(text.contains("degraded") && text.contains("0/2 2/2"), "{text}");
    assert!(text.contains("0 of 2 targets healthy in internal: no target is registered"), "{text}");
    let output = run(&account, &[&region[..], &["--output", "json"]].concat()).await;
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    let server = &document["servers"][0];
    assert_eq!(server["targets"], json!({ "healthy": 0, "total": 0, "wanted": 2 }), "the worst one");
    let groups: Vec<_> =
        server["target_groups"].as_array().unwrap().iter().map(|one| (&one["name"], &one["healthy"])).collect();
    assert_eq!(groups, [(&json!("internal"), &json!(0)), (&json!("public"), &json!(2))]);
}

#[rstest]
#[case::a_cluster_by_its_arn(&["--cluster", CLUSTER, "status"], 0, "web  ")]
#[case::and_a_server(&["--cluster", CLUSTER, "status", "arn:aws:ecs:eu-west-1:123456789012:service/c/web"], 0, "web  ")]
#[case::a_server_of_before_2018(&["--cluster", CLUSTER, "status", "arn:aws:ecs:eu-west-1:123456789012:service/web"], 0, "web  ")]
#[case::a_server_with_its_cluster(&["--cluster", CLUSTER, "status", "c/web"], 0, "web  ")]
#[case::a_plan(&["--cluster", CLUSTER, "restart", "c/web"], 4, "restart web\n")]
#[case::a_server_of_another_cluster(&["--cluster", CLUSTER, "status", "other/web"], 3, "there is no server")]
#[case::another_region(&["--cluster", CLUSTER, "--region", "eu-west-2", "status"], 2, "the cluster's ARN says eu-west-1")]
#[case::another_account(&["--cluster", "arn:aws:ecs:eu-west-1:999999999999:cluster/c", "status"], 2, "account 999999999999")]
#[case::no_arn_of_a_cluster(&["--cluster", "arn:aws:ecs:eu-west-1:123456789012:service/c/web", "status"], 2, "is not the ARN of an ECS cluster")]
#[tokio::test(flavor = "multi_thread")]
async fn clusters_and_servers_may_be_named_by_their_arns(
    #[case] args: &[&str],
    #[case] code: i32,
    #[case] words: &str,
) {
    let account = account(vec![service("web", json!({}))], &[]).await;
    let output = run(&account, args).await;
    let told = told(&output);
    assert!(output.status.code() == Some(code) && told.contains(words), "{:?}: {told}", output.status);
    // Names are made of the cluster's name.
    assert!(!told.contains("cluster/c/") && !told.contains("quarterdeck-arn"), "{told}");
    for request in account.requests("ListServices") {
        assert!(request.body.contains("\"cluster\":\"c\""), "{}", request.body);
    }
}

/// Tasks in every state that ECS has, with nothing but a name, and services with less than that.
#[tokio::test(flavor = "multi_thread")]
async fn tasks_and_services_that_say_nothing_are_shown() {
    let states = [
        "PROVISIONING",
        "PENDING",
        "ACTIVATING",
        "RUNNING",
        "DEACTIVATING",
        "STOPPING",
        "DEPROVISIONING",
        "STOPPED",
        "DELETED",
    ];
    let tasks: Vec<Value> = states.iter().enumerate().map(|(index, state)| {
        json!({ "taskArn": format!("arn:aws:ecs:r:1:task/c/{index:032}"), "group": "service:odd", "lastStatus": state })
    }).chain([json!({ "taskArn": "arn:aws:ecs:r:1:task/x", "lastStatus": "RUNNING" }), json!({})]).collect();
    let services = [
        service("odd", json!({ "deployments": [{}], "events": [{ "id": "2" }] })),
        json!({ "serviceName": "bare", "serviceArn": "arn:aws:ecs:r:1:service/bare" }),
    ];
    let account = Scripted::start(move |request| {
        Reply::json(
            200,
            match request.call.as_str() {
                "ListServices" => {
                    json!({ "serviceArns": services.iter().map(|one| &one["serviceArn"]).collect::<Vec<_>>() })
                }
                "DescribeServices" => json!({ "services": services }),
                "ListTasks" => json!({ "taskArns": ["arn:aws:ecs:r:1:task/x"] }),
                "DescribeTasks" => json!({ "tasks": tasks }),
                "DescribeTaskDefinition" => json!({ "taskDefinition": {} }),
                "DescribeClusters" => json!({ "clusters": [{}] }),
                _ => return Reply::error(400, "UnknownOperationException", "not in the script"),
            },
        )
    })
    .await;
    for output in ["text", "json"] {
        let args = ["--cluster", "c", "--region", "eu-west-1", "status", "--output", output];
        let output = run(&account, &args).await;
        let told = told(&output);
        assert!(output.status.success() && told.contains("odd") && told.contains("bare"), "{told}");
        assert!(!told.contains("the service is :"), "{told}");
    }
}

/// A list in pages of one item each.
fn paged(items: &[Value], token: &str, list: &str, given: &str) -> Value {
    let at: usize = given.parse().unwrap_or(0);
    let mut page = json!({ list: [items[at]] });
    if at + 1 < items.len() {
        page[token] = json!((at + 1).to_string());
    }
    page
}

/// Every list that is read comes on several pages, and the last item counts as the first.
#[tokio::test]
async fn every_list_is_read_to_its_last_page() {
    let server = Scripted::start(|request| {
        let body: Value = serde_json::from_str(&request.body).unwrap_or_default();
        let given = |key: &str| body[key].as_str().unwrap_or_default().to_owned();
        let form = request.body.split('&').find_map(|pair| pair.strip_prefix("NextToken=")).unwrap_or_default();
        let three = |make: fn(usize) -> Value| (1..4).map(make).collect::<Vec<Value>>();
        let query = |call: &str, list: &str, member: &str| {
            let at: usize = form.parse().unwrap_or(0);
            let next = if at < 2 { format!("<NextToken>{}</NextToken>", at + 1) } else { String::new() };
            let member = member.replace('#', &(at + 1).to_string());
            Reply::Answer(200, format!("<{call}Response><{call}Result><{list}><member>{member}</member></{list}>{next}</{call}Result></{call}Response>"))
        };
        Reply::json(200, match request.call.as_str() {
            "ListServices" => paged(&three(|n| json!(format!("arn:aws:ecs:r:1:service/c/s{n}"))), "nextToken", "serviceArns", &given("nextToken")),
            "DescribeServices" => {
                let of = |arn: &Value| json!({ "serviceName": arn.as_str().unwrap().rsplit('/').next(), "serviceArn": arn, "status": "ACTIVE" });
                json!({ "services": body["services"].as_array().unwrap().iter().map(of).collect::<Vec<_>>() })
            }
            "ListTasks" if body["desiredStatus"] == "RUNNING" => {
                paged(&three(|n| json!(format!("arn:aws:ecs:r:1:task/c/t{n}"))), "nextToken", "taskArns", &given("nextToken"))
            }
            "ListTasks" => json!({ "taskArns": [] }),
            "DescribeTasks" => {
                let of = |arn: &Value| json!({ "taskArn": arn, "group": "service:s3", "lastStatus": "RUNNING" });
                json!({ "tasks": body["tasks"].as_array().unwrap().iter().map(of).collect::<Vec<_>>() })
            }
            "DescribeScalableTargets" => {
                let of = |n| json!({ "ServiceNamespace": "ecs", "ResourceId": format!("service/c/s{n}"), "ScalableDimension": "ecs:service:DesiredCount",
                    "MinCapacity": 1, "MaxCapacity": n, "RoleARN": "r", "CreationTime": 1 });
                paged(&three(of), "NextToken", "ScalableTargets", &given("NextToken"))
            }
            "ListTaskDefinitions" => paged(&three(|n| json!(format!("arn:aws:ecs:r:1:task-definition/f:{}", 10 - n))), "nextToken", "taskDefinitionArns", &given("nextToken")),
            "ListUserPoolClients" => paged(&three(|n| json!({ "ClientId": format!("c{n}"), "ClientName": format!("c{n}") })), "NextToken", "UserPoolClients", &given("NextToken")),
            "DescribeUserPoolClient" => json!({ "UserPoolClient": { "ClientId": body["ClientId"], "ClientSecret": "hush" } }),
            "ListUserPoolClientSecrets" => paged(&three(|n| json!({ "ClientSecretId": format!("k{n}") })), "NextToken", "ClientSecrets", &given("NextToken")),
            "DescribeLogGroups" => paged(&three(|n| json!({ "logGroupName": format!("/g{n}") })), "nextToken", "logGroups", &given("nextToken")),
            "DescribeStacks" => return query("DescribeStacks", "Stacks", "<StackName>s-#</StackName><StackId>arn:#</StackId><CreationTime>2026-01-01T00:00:00Z</CreationTime><StackStatus>CREATE_COMPLETE</StackStatus>"),
            "ListStackResources" => return query("ListStackResources", "StackResourceSummaries", "<LogicalResourceId>R#</LogicalResourceId><ResourceType>T</ResourceType><ResourceStatus>CREATE_COMPLETE</ResourceStatus><LastUpdatedTimestamp>2026-01-01T00:00:00Z</LastUpdatedTimestamp>"),
            "DescribeStackEvents" => return query("DescribeStackEvents", "StackEvents", "<StackId>a</StackId><EventId>#</EventId><StackName>s</StackName><LogicalResourceId>R#</LogicalResourceId><Timestamp>2026-01-01T00:00:00Z</Timestamp><ResourceStatus>CREATE_COMPLETE</ResourceStatus>"),
            _ => return Reply::error(400, "UnknownOperationException", "not in the script"),
        })
    })
    .await;
    let cloud = cloud(&server).await;
    let fleet = cloud.fleet("c").await.unwrap();
    assert_eq!(fleet.servers.len(), 3);
    let last = fleet.server("s3").unwrap();
    assert_eq!((last.known_tasks().len(), last.bounds.known().unwrap().map(|bounds| bounds.max)), (3, Some(3)));
    assert_eq!(cloud.revisions("f").await.unwrap().len(), 3);
    assert_eq!(cloud.revision_before("f", 8).await.unwrap().as_deref(), Some("arn:aws:ecs:r:1:task-definition/f:7"));
    let clients = cloud.clients("pool", "").await.unwrap().clients;
    assert_eq!((clients.len(), clients[2].known_secrets().len()), (3, 3));
    assert_eq!(cloud.log_groups(None).await.unwrap().len(), 3);
    assert_eq!(cloud.stacks("s-", "eu-west-1").await.unwrap().len(), 3);
    let detail = cloud.stack_detail(&StackRef { name: "s".into(), region: "eu-west-1".into() }).await.unwrap();
    assert_eq!((detail.resources.len(), detail.events.len()), (3, 3));
}

/// Of a change with more events than one page holds, the first failure is on the last page.
#[tokio::test]
async fn all_events_of_the_newest_change_are_read() {
    const FAILED: usize = 640;
    let event = |at: usize| {
        // The newest has the number 0.
        let (status, id, reason) = match at {
            FAILED => ("CREATE_FAILED", "Queue".to_owned(), "the true reason"),
            650 => ("UPDATE_IN_PROGRESS", "s".to_owned(), "begun"),
            641..650 => ("CREATE_IN_PROGRESS", format!("R{at}"), "on its way"),
            _ if at < FAILED => ("CREATE_FAILED", format!("R{at}"), "Resource creation cancelled"),
            _ => ("CREATE_FAILED", format!("Older{at}"), "of an earlier change"),
        };
        let physical = if at == 650 { "arn:s" } else { "x" };
        format!(
            "<member><StackId>arn:s</StackId><EventId>{at}</EventId><StackName>s</StackName><LogicalResourceId>{id}</LogicalResourceId>\
             <PhysicalResourceId>{physical}</PhysicalResourceId><ResourceType>T</ResourceType><Timestamp>2026-01-01T00:00:{:02}Z</Timestamp>\
             <ResourceStatus>{status}</ResourceStatus><ResourceStatusReason>{reason}</ResourceStatusReason></member>",
            59 - at / 20
        )
    };
    let server = Scripted::start(move |request| {
        if request.call != "DescribeStackEvents" {
            return Reply::Answer(200, "<ListStackResourcesResponse><ListStackResourcesResult><StackResourceSummaries/></ListStackResourcesResult></ListStackResourcesResponse>".into());
        }
        let at: usize = request.body.split("NextToken=").nth(1).and_then(|token| token.parse().ok()).unwrap_or(0);
        let members: String = (at..at + 100).map(event).collect();
        Reply::Answer(200, format!("<DescribeStackEventsResponse><DescribeStackEventsResult><StackEvents>{members}</StackEvents>\
            <NextToken>{}</NextToken></DescribeStackEventsResult></DescribeStackEventsResponse>", at + 100))
    })
    .await;
    let stack = StackRef { name: "s".into(), region: "eu-west-1".into() };
    let detail = cloud(&server).await.stack_detail(&stack).await.unwrap();
    assert_eq!((detail.events.len(), server.count("DescribeStackEvents")), (651, 7));
    let cause = quarterdeck::core::operation::verify::root_cause(&detail, None, None);
    assert!(cause.contains("Queue") && cause.contains("the true reason"), "{cause}");
}

/// CloudFormation waits for a deployment that ECS still watches, and the progress of the deploy says so.
#[tokio::test]
async fn a_stack_that_waits_for_a_deployment_says_that_it_bakes() {
    let baking = service(
        "web",
        json!({
            "deploymentConfiguration": { "alarms": { "alarmNames": ["a"], "enable": true, "rollback": true } },
            "deployments": [{ "id": "ecs-svc/2", "status": "PRIMARY", "desiredCount": 2, "runningCount": 2,
                "rolloutState": "IN_PROGRESS", "createdAt": 1.0 }],
        }),
    );
    let account = Scripted::start(move |request| {
        Reply::json(200, match request.call.as_str() {
            "DescribeStacks" => return Reply::Answer(200, "<DescribeStacksResponse><DescribeStacksResult><Stacks><member><StackName>quarterdeck-prod-web</StackName><StackId>arn:s</StackId><CreationTime>2026-01-01T00:00:00Z</CreationTime><StackStatus>UPDATE_IN_PROGRESS</StackStatus></member></Stacks></DescribeStacksResult></DescribeStacksResponse>".into()),
            "ListStackResources" => return Reply::Answer(200, "<ListStackResourcesResponse><ListStackResourcesResult><StackResourceSummaries><member><LogicalResourceId>Service</LogicalResourceId><ResourceType>AWS::ECS::Service</ResourceType><ResourceStatus>UPDATE_IN_PROGRESS</ResourceStatus><LastUpdatedTimestamp>2026-01-01T00:00:00Z</LastUpdatedTimestamp></member></StackResourceSummaries></ListStackResourcesResult></ListStackResourcesResponse>".into()),
            "DescribeStackEvents" => return Reply::Answer(200, "<DescribeStackEventsResponse><DescribeStackEventsResult><StackEvents/></DescribeStackEventsResult></DescribeStackEventsResponse>".into()),
            "ListServices" => json!({ "serviceArns": [baking["serviceArn"]] }),
            "DescribeServices" => json!({ "services": [baking] }),
            "ListTasks" => json!({ "taskArns": [] }),
            "DescribeScalableTargets" => json!({ "ScalableTargets": [] }),
            _ => return Reply::error(400, "UnknownOperationException", "not in the script"),
        })
    })
    .await;
    let home = tempfile::tempdir().unwrap();
    let session = Session {
        cloud: std::sync::Arc::new(cloud(&account).await),
        context: fixtures::context(),
        environment: None,
        engine: std::sync::Arc::new(crate::support::engine::Without),
        overrides: std::sync::Arc::default(),
        audit: Audit::open(home.path()).unwrap(),
        trials: true,
    };
    let stack = StackRef { name: "quarterdeck-prod-web".into(), region: "eu-west-1".into() };
    let order = Order::Check(0, Check::StackSettled { stack, token: None }, 0);
    let told = format!("{:?}", operate::carry_out(session, order).await);
    assert!(told.contains("baking: ECS watches its alarms"), "{told}");
}

/// An answer about another task says nothing of the one that was asked for.
#[tokio::test]
async fn a_task_is_the_one_that_was_asked_for() {
    let server = Scripted::start(|_| {
        Reply::json(200, json!({ "tasks": [{ "taskArn": "arn:aws:ecs:r:1:task/c/other", "lastStatus": "RUNNING" }] }))
    })
    .await;
    let cloud = cloud(&server).await;
    assert_eq!(cloud.task("c", "arn:aws:ecs:r:1:task/c/gone").await.unwrap(), None);
    assert!(cloud.task("c", "arn:aws:ecs:r:1:task/other").await.unwrap().is_some(), "in the format of before 2018");
}
