//! A tour that makes every call of the wall, with whatever the AWS answers, and keeps what was said of it.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::support::engine::{self, Shelf};
use crate::support::front::{Front, Spoilt};
use crate::support::operators;
use crate::support::plans::{self, bare};
use crate::support::world::{Setup, User, World};
use futures::StreamExt;
use jiff::{SignedDuration, Timestamp};
use quarterdeck::aws::{Access, connect};
use quarterdeck::core::environment::Architecture;
use quarterdeck::core::fleet::Attention;
use quarterdeck::core::image::{EcrImage, Source};
use quarterdeck::core::logs::LogQuery;
use quarterdeck::core::logs::insights::InsightsRequest;
use quarterdeck::core::metrics::Detail;
use quarterdeck::core::operation::service::StopTask;
use quarterdeck::core::operation::user::UserChange;
use quarterdeck::core::operation::work::{Label, TokenProbe, Version};
use quarterdeck::core::operation::{Intent, Operation, Order, PlanRequest};
use quarterdeck::core::plan::Plan;
use quarterdeck::core::quarantine::Who;
use quarterdeck::core::rights::calls::ApiCall;
use quarterdeck::core::stack::StackRef;
use quarterdeck::run::{Session, metrics, operate, planner};

/// A part of the tour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    Reads,
    Secrets,
    Revisions,
    Logs,
    Restart,
    Scale,
    StopTask,
    Rotate,
    Replace,
    Deploy,
    /// A deploy whose change set fails its early validation.
    Refused,
    Discard,
    Destroy,
    /// A deployment that is stuck is stopped.
    StopDeployment,
    /// An update that is stuck is cancelled.
    CancelUpdate,
    /// A rollback that failed is gone on with.
    ContinueRollback,
    /// A destroy of what an earlier one could not delete, because it is protected.
    Stuck,
    Images,
    Users,
    /// A zone is taken out, and let in again.
    Zones,
    /// An image goes to a repository that is made for it.
    Publish,
}

impl Part {
    /// The part that makes a call. There is no catch-all: a new call must have one.
    pub fn of(call: ApiCall) -> Self {
        use ApiCall as C;
        match call {
            C::GetCallerIdentity | C::ListServices | C::DescribeServices | C::DescribeClusters => Self::Reads,
            C::ListClusters => Self::Reads,
            C::ListTasks | C::DescribeTasks | C::DescribeTaskDefinition => Self::Reads,
            C::DescribeTargetHealth | C::DescribeTargetGroups | C::DescribeScalableTargets => Self::Reads,
            C::DescribeScalingActivities => Self::Reads,
            C::DescribeStacks | C::DescribeStackEvents | C::ListStackResources => Self::Reads,
            C::ListUserPoolClients | C::DescribeUserPoolClient | C::ListUserPoolClientSecrets => Self::Reads,
            C::ListSecrets => Self::Reads,
            C::GetMetricData | C::DescribeAlarms | C::DescribeAlarmHistory => Self::Reads,
            C::DescribeSecret | C::GetSecretValue | C::Token | C::ToolsList => Self::Secrets,
            C::ListTaskDefinitions => Self::Revisions,
            C::DescribeLogGroups | C::FilterLogEvents | C::StartLiveTail => Self::Logs,
            C::StartQuery | C::GetQueryResults | C::StopQuery => Self::Logs,
            C::UpdateService | C::TagCluster | C::UntagCluster => Self::Restart,
            C::RegisterScalableTarget => Self::Scale,
            C::StopTask => Self::StopTask,
            C::ListServiceDeployments | C::DescribeServiceDeployments => Self::StopDeployment,
            C::StopServiceDeployment => Self::StopDeployment,
            C::CancelUpdateStack => Self::CancelUpdate,
            C::ContinueUpdateRollback => Self::ContinueRollback,
            C::AddUserPoolClientSecret | C::DeleteUserPoolClientSecret => Self::Rotate,
            C::PutSecretValue | C::UpdateSecretVersionStage => Self::Rotate,
            C::CreateUserPoolClient | C::DeleteUserPoolClient => Self::Replace,
            C::CreateChangeSet | C::DescribeChangeSet | C::ExecuteChangeSet | C::DeleteChangeSet => Self::Deploy,
            C::Metadata => Self::Deploy,
            C::DescribeEvents => Self::Refused,
            C::ListChangeSets => Self::Discard,
            C::DeleteStack => Self::Destroy,
            C::ListUsers | C::AdminGetUser | C::AdminUserGlobalSignOut => Self::Users,
            C::AdminDisableUser | C::AdminEnableUser => Self::Users,
            C::QueryQuarantine | C::PutQuarantine | C::DeleteQuarantine => Self::Users,
            C::GetManagedResource | C::DescribeAvailabilityZones => Self::Zones,
            C::StartZonalShift | C::CancelZonalShift => Self::Zones,
            C::DescribeUserPool | C::UpdateUserPool => Self::Stuck,
            C::DescribeLoadBalancerAttributes | C::ModifyLoadBalancerAttributes => Self::Stuck,
            C::BatchGetImage | C::GetDownloadUrlForLayer => Self::Images,
            C::GetAuthorizationToken => Self::Publish,
        }
    }
}

/// Makes the calls of a part and returns which came, and everything that was said of them: results, errors,
/// operations and the audit.
pub async fn tour(part: Part, spoilt: Option<Spoilt>) -> (Vec<String>, String) {
    let world = World::deployed(Setup { dual: part != Part::Replace, servers: vec!["time", "weather"], lag: 0 });
    let front = Front::start(&world, spoilt).await;
    let directory = operators::directory();
    // A deploy has something to do.
    let memory = if matches!(part, Part::Deploy | Part::Refused) { 1_024 } else { 512 };
    if part == Part::Refused {
        world.state().invalid = Some("Resource of type 'AWS::Logs::LogGroup' with identifier 'x' already exists.");
    }
    let (mut session, _endpoint) = operators::session("alice", &world, memory, directory.path()).await;
    let access = Access {
        region: Some("eu-central-1".into()),
        endpoint: Some(front.server.url.clone()),
        static_credentials: true,
        ..Access::default()
    };
    session.cloud = std::sync::Arc::new(connect(&access).await.unwrap().with_templates(|_| "Resources: {}"));
    let time = || "time".to_owned();
    let mut said = match part {
        Part::Reads => reads(&session).await,
        Part::Secrets => secrets(&session, &front.server.url).await,
        Part::Revisions => format!("{:?}", session.cloud.revisions("time").await),
        Part::Logs => logs(&session).await,
        Part::Restart => planned(&session, &world, PlanRequest::Restart { server: time() }).await,
        Part::Scale => carried_out(&session, &world, plans::scale()).await,
        Part::StopTask => {
            let (cluster, task) = ("quarterdeck-prod".to_owned(), "0123456789abcdef0123456789abcdef".to_owned());
            let intent = Intent::StopTask(StopTask { cluster, service: Some(time()), task });
            carried_out(&session, &world, bare("qd-stop", intent)).await
        }
        Part::Rotate | Part::Replace => {
            let client = "prod-time-machine".to_owned();
            planned(&session, &world, PlanRequest::Rotate { client, grace_seconds: 0 }).await
        }
        Part::Deploy | Part::Refused => planned(&session, &world, PlanRequest::Deploy { servers: Vec::new() }).await,
        Part::StopDeployment | Part::CancelUpdate | Part::ContinueRollback => taken_back(part, &session, &world).await,
        Part::Discard => discard(&session, &world).await,
        Part::Images => images(&session).await,
        Part::Users => users(&session, &world).await,
        Part::Zones => zones(&session, &world).await,
        Part::Publish => publish(&mut session, &world).await,
        Part::Destroy => planned(&session, &world, PlanRequest::Destroy).await,
        Part::Stuck => {
            world.state().half_delete("platform");
            planned(&session, &world, PlanRequest::Destroy).await
        }
    };
    for file in ["audit.jsonl", "journal.jsonl"] {
        said += &std::fs::read_to_string(directory.path().join(file)).unwrap_or_default();
    }
    (front.seen(), said)
}

/// What is stuck is taken back.
async fn taken_back(part: Part, session: &Session, world: &World) -> String {
    let time = || "time".to_owned();
    let request = match part {
        Part::StopDeployment => {
            world.state().services.get_mut("time").unwrap().broken = true;
            world.state().deploy_service("time");
            PlanRequest::StopDeployment { server: time() }
        }
        Part::CancelUpdate => {
            world.state().hang("time", "somebody");
            PlanRequest::CancelUpdate { stack: time() }
        }
        _ => {
            world.state().stick("time", "it does not go back");
            PlanRequest::ContinueRollback { stack: time(), skip: vec!["Service".to_owned()] }
        }
    };
    planned(session, world, request).await
}

async fn reads(session: &Session) -> String {
    let (cloud, cluster) = (&session.cloud, "quarterdeck-prod");
    let stack = |part: &str| StackRef { name: format!("quarterdeck-prod-{part}"), region: "eu-central-1".into() };
    let mut said = format!(
        "{:?}\n{:?}\n{:?}\n{:?}\n{:?}\n{:?}\n",
        cloud.identity().await,
        cloud.clusters().await,
        cloud.fleet(cluster).await,
        cloud.announced(cluster).await,
        cloud.stacks("quarterdeck-prod-", "eu-central-1").await,
        cloud.stack(&stack("time")).await,
    );
    // How the targets of the selected server are checked is read once the server is known.
    let selected = Attention { selected: Some("time".to_owned()), targets: true, ..Attention::default() };
    for _ in 0..2 {
        said += &format!("{:?}\n", cloud.fleet_in_turn(cluster, &selected, &|_| {}).await);
    }
    said += &format!("{:?}\n", cloud.alarm_changes("quarterdeck-prod-time-5xx", Timestamp::UNIX_EPOCH).await);
    said += &format!("{:?}\n", cloud.scaled(cluster, None, Timestamp::UNIX_EPOCH).await);
    said +=
        &format!("{:?}\n", metrics::read(session, &["time".to_owned()], Detail::Tools, Timestamp::UNIX_EPOCH).await);
    let clients = cloud.clients("eu-central-1_pool", "prod").await;
    said += &format!("{clients:?}\n{:?}\n", serde_json::to_string(&clients.as_ref().ok()));
    said +=
        &format!("{:?}\n{:?}\n", cloud.stack_detail(&stack("time")).await, session.cloud.task_definition("a:1").await);
    said
}

async fn secrets(session: &Session, url: &str) -> String {
    let (cloud, secret) = (&session.cloud, "quarterdeck/prod/time/machine-client");
    let probe = TokenProbe {
        secret: secret.into(),
        version: Version::Labelled(Label::Current),
        endpoint: format!("{url}/oauth2/token"),
        scopes: Vec::new(),
    };
    let mut said = format!("{:?}\n{:?}\n", cloud.stored_secret(secret).await, cloud.secret_versions(secret).await);
    said += &format!("{:?}\n{:?}\n", cloud.variables(secret).await, cloud.secret_arn(secret).await);
    said += &format!("{:?}\n{:?}\n", cloud.lease(secret).await, cloud.has_dual_secrets("p", "client1").await);
    said += &format!("{:?}\n", cloud.accepted(&probe, &format!("{url}/time/mcp")).await);
    said + &format!("{:?}\n", cloud.token(&probe).await.map(|answer| answer.granted().map(drop)))
}

async fn logs(session: &Session) -> String {
    let (cloud, group) = (&session.cloud, "/quarterdeck/prod/time".to_owned());
    let query = LogQuery { group: group.clone(), from: 0, until: None, prefix: None, pattern: None, token: None };
    let asked = InsightsRequest { groups: vec![group.clone()], from: 0, until: 1_000, query: "fields @message".into() };
    let mut said = format!("{:?}\n{:?}\n", cloud.log_groups(None).await, cloud.log_page(&query).await);
    said += &match cloud.live_tail(&[group], None).await {
        Ok(mut tail) => format!("{:?}\n", tail.next().await),
        Err(error) => format!("{error:?}\n"),
    };
    said += &format!("{:?}\n{:?}\n", cloud.insights_start(&asked).await, cloud.insights_results("q-1").await);
    said + &format!("{:?}\n", cloud.insights_stop("q-1").await)
}

async fn images(session: &Session) -> String {
    let name = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/time:1";
    format!("{:?}\n", session.cloud.image(&EcrImage::parse(name).unwrap()).await)
}

async fn users(session: &Session, world: &World) -> String {
    world.state().users.insert("anna".into(), User::new("sub-1"));
    let mut said = format!("{:?}\n", session.cloud.users("pool", "a").await);
    for change in [UserChange::Disable, UserChange::Enable] {
        said += &planned(session, world, PlanRequest::ChangeUser { user: "anna".into(), change }).await;
    }
    let who = Who::Subject("anna".into());
    for seconds in [Some(60), None] {
        said += &planned(session, world, PlanRequest::Quarantine { who: who.clone(), seconds, lately: None }).await;
    }
    said
}

async fn zones(session: &Session, world: &World) -> String {
    let out = PlanRequest::ShiftZone { zone: "eu-central-1b".into(), seconds: 3_600 };
    planned(session, world, out).await + &planned(session, world, PlanRequest::CancelShift).await
}

async fn publish(session: &mut Session, world: &World) -> String {
    let shelf = Shelf::new(world);
    shelf.put(Source::Build("./files".into()), engine::config(Architecture::Arm64, "a"));
    session.engine = Arc::new(shelf);
    session.environment = Some(Arc::new(toml::from_str(engine::FILE).unwrap()));
    planned(session, world, PlanRequest::Publish { servers: Vec::new(), gangway: false, from: None }).await
}

/// A change set of a stack that has nothing else.
async fn discard(session: &Session, world: &World) -> String {
    let review = world.state().stacks.iter_mut().find(|stack| stack.name == "quarterdeck-prod-weather").map(|stack| {
        stack.status = "REVIEW_IN_PROGRESS".into();
        stack.id.clone()
    });
    assert!(review.is_some());
    let stack = StackRef { name: "quarterdeck-prod-weather".into(), region: "eu-central-1".into() };
    format!("{:?}", session.cloud.discard(&stack, "arn:aws:cloudformation:eu-central-1:1:changeSet/x/1").await)
}

async fn planned(session: &Session, world: &World, request: PlanRequest) -> String {
    match planner::plan(session, request).await {
        Ok(plan) => carried_out(session, world, plan).await,
        Err(error) => format!("{error:?} {error}"),
    }
}

/// Agrees to whatever is asked, and goes on until nothing is left to do, or long enough to see every call.
async fn carried_out(session: &Session, world: &World, plan: Plan) -> String {
    const ORDERS: usize = 150;
    let mut said = format!("{plan:?}\n");
    let mut operation = Operation::propose(plan, false);
    let mut orders: VecDeque<Order> = VecDeque::new();
    let mut waits: i64 = 0;
    for _ in 0..ORDERS {
        if operation.asks() {
            orders.extend(operation.handle(operators::yes(&operation), Timestamp::now()));
        }
        let Some(order) = orders.pop_front() else { break };
        let checks = matches!(order, Order::Check(..));
        let done = operation.done.len();
        if let Some(event) = operate::carry_out(session.clone(), order).await {
            said += &format!("{event:?}\n");
            // Two seconds lie between two reads.
            let later = SignedDuration::from_secs(2 * waits);
            orders.extend(operation.handle(event, Timestamp::now() + later));
        }
        if checks {
            world.tick();
            waits = if operation.done.len() > done { 0 } else { waits + 1 };
        }
    }
    said + &format!("{operation:?}\n")
}
