//! `AwsCloud` against an emulator: it reads what is there, and what it writes can be read back.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::support::drive::{Driven, drive, first_call, plan};
use crate::support::emulator::{Emulator, REGION};
use futures::StreamExt;
use quarterdeck::aws::{Access, AwsCloud, connect};
use quarterdeck::cloud::*;
use quarterdeck::core::client::{Client, StoredSecret};
use quarterdeck::core::environment::Template;
use quarterdeck::core::logs::insights::InsightsRequest;
use quarterdeck::core::logs::{LogQuery, TailUpdate};
use quarterdeck::core::operation::deploy::{Deploy, Destroy, ParameterValue, Planned, StackDeploy};
use quarterdeck::core::operation::rotate::{Rotation, Strategy, UndoRotation};
use quarterdeck::core::operation::service::{Restart, Rollback, Scale, ServiceRef};
use quarterdeck::core::operation::work::{Label, TokenProbe, Version};
use quarterdeck::core::operation::{Applied, Fact, Facts, Intent, Phase};
use quarterdeck::core::plan::Plan;
use quarterdeck::core::stack::{ChangeAction, ChangeSet, ChangeSetRequest, Drafted, StackRef, TemplateSource};
use serde_json::json;

const STACK: &str = "quarterdeck-test-time";
const SECRET: &str = "quarterdeck/test/time/machine-client";
const GROUP: &str = "/quarterdeck/test/time";

/// A small environment without a network and without tasks that would have to run.
const TEMPLATE: &str = r#"
Parameters:
  Memory: { Type: String, Default: "512" }
  Hidden: { Type: String, NoEcho: true, Default: "x" }
Resources:
  Cluster: { Type: AWS::ECS::Cluster, Properties: { ClusterName: quarterdeck-test } }
  Logs: { Type: AWS::Logs::LogGroup, Properties: { LogGroupName: /quarterdeck/test/time } }
  Task:
    Type: AWS::ECS::TaskDefinition
    Properties:
      Family: quarterdeck-test-time
      Cpu: "256"
      Memory: !Ref Memory
      NetworkMode: bridge
      ContainerDefinitions:
        - Name: time
          Image: time:1
          LogConfiguration:
            LogDriver: awslogs
            Options: { awslogs-group: !Ref Logs, awslogs-region: us-east-1, awslogs-stream-prefix: time }
  Service:
    Type: AWS::ECS::Service
    Properties: { ServiceName: time, Cluster: !Ref Cluster, TaskDefinition: !Ref Task, DesiredCount: 0 }
  Pool: { Type: AWS::Cognito::UserPool, Properties: { UserPoolName: quarterdeck-test } }
  Domain: { Type: AWS::Cognito::UserPoolDomain, Properties: { Domain: quarterdeck-test, UserPoolId: !Ref Pool } }
  Scopes:
    Type: AWS::Cognito::UserPoolResourceServer
    Properties: { UserPoolId: !Ref Pool, Identifier: time, Name: time, Scopes: [{ ScopeName: read, ScopeDescription: r }] }
  Client:
    Type: AWS::Cognito::UserPoolClient
    DependsOn: Scopes
    Properties:
      UserPoolId: !Ref Pool
      ClientName: test-time-machine
      GenerateSecret: true
      AccessTokenValidity: 15
      TokenValidityUnits: { AccessToken: minutes }
      AllowedOAuthFlowsUserPoolClient: true
      AllowedOAuthFlows: [client_credentials]
      AllowedOAuthScopes: [time/read]
  Secret:
    Type: AWS::SecretsManager::Secret
    Properties:
      Name: quarterdeck/test/time/machine-client
      SecretString: !Sub '{"client_id":"${Client}","allowed_client_ids":"${Client} other"}'
Outputs:
  Pool: { Value: !Ref Pool }
  Client: { Value: !Ref Client }
"#;

struct World {
    emulator: Emulator,
    /// The change set that made the stack.
    change_set: String,
    cloud: AwsCloud,
}

/// Used instead of the packed templates: a small one, and one that CloudFormation refuses.
fn templates(template: Template) -> &'static str {
    if template == Template::Server { TEMPLATE } else { "Resources: {A: {Type: No::Such::Thing}}" }
}

async fn empty() -> World {
    let emulator = Emulator::start().await;
    let endpoint = Some(emulator.url.clone());
    let options = Access { region: Some(REGION.into()), endpoint, static_credentials: true, ..Access::default() };
    World { cloud: connect(&options).await.unwrap().with_templates(templates), change_set: String::new(), emulator }
}

fn stack() -> StackRef {
    StackRef { name: STACK.into(), region: REGION.into() }
}

fn request(create: bool, memory: &str) -> ChangeSetRequest {
    ChangeSetRequest {
        stack: stack(),
        name: "quarterdeck-op".into(),
        template: TemplateSource::Packed(Template::Server),
        parameters: BTreeMap::from([("Memory".into(), memory.into())]),
        keep: if create { Vec::new() } else { vec!["Hidden".into()] },
        tags: BTreeMap::from([("quarterdeck:environment".into(), "test".into())]),
        create,
        role: None,
    }
}

fn deploy(create: bool, change_set: &str) -> Intent {
    let stack = StackDeploy {
        stack: stack(),
        template: Template::Server,
        inputs: BTreeMap::new(),
        tags: BTreeMap::new(),
        planned: Planned::ChangeSet(change_set.into()),
        create,
        keep: Vec::new(),
        after: Vec::new(),
        service: None,
        mend: false,
        shown: None,
        role: None,
        before: None,
    };
    Intent::Deploy(Deploy { environment: "test".into(), stacks: vec![stack], protect: None })
}

fn ready(drafted: CloudResult<Drafted>) -> ChangeSet {
    match drafted.unwrap() {
        Drafted::Ready(made) => made,
        Drafted::Nothing => panic!("nothing would change"),
    }
}

fn learnt(applied: Applied) -> Facts {
    match applied {
        Applied::Done(facts) => facts,
        other => panic!("{other:?}"),
    }
}

fn done(driven: &Driven) {
    assert!(driven.trouble().contains("Ended(Done)"), "{}", driven.trouble());
}

impl World {
    /// An emulator with the stack in it.
    async fn deployed() -> Self {
        let mut world = empty().await;
        world.change_set = ready(world.cloud.draft(&request(true, "512")).await).arn;
        done(&drive(&world.cloud, plan("op-create", deploy(true, &world.change_set))).await);
        world
    }

    async fn pool(&self) -> String {
        self.cloud.stack(&stack()).await.unwrap().unwrap().outputs["Pool"].clone()
    }

    async fn clients(&self) -> Vec<Client> {
        let list = self.cloud.clients(&self.pool().await, "test").await.unwrap();
        assert_eq!(list.unread(), []);
        list.clients
    }

    fn probe(&self) -> TokenProbe {
        TokenProbe {
            secret: SECRET.into(),
            version: Version::Labelled(Label::Current),
            endpoint: format!("{}/oauth2/token", self.emulator.url),
            scopes: Vec::new(),
        }
    }
}

#[tokio::test]
async fn a_stack_is_drafted_executed_read_and_deleted() {
    let world = empty().await;
    let cloud = &world.cloud;
    assert_eq!(cloud.identity().await.unwrap().account, "000000000000");
    assert_eq!(cloud.stack(&stack()).await.unwrap(), None);

    // Nothing is left of a draft that is discarded.
    let draft = ready(cloud.draft(&request(true, "512")).await);
    assert_eq!(draft.changes.len(), 9);
    assert!(draft.changes.iter().all(|change| change.action == ChangeAction::Add));
    assert_eq!(cloud.stack(&stack()).await.unwrap().unwrap().status.0, "REVIEW_IN_PROGRESS");
    cloud.discard(&stack(), &draft.arn).await.unwrap();
    cloud.discard(&stack(), &draft.arn).await.unwrap();
    assert!(cloud.stack(&stack()).await.unwrap().is_none_or(|stack| stack.status.absent()));

    // A draft of the same name is replaced; an executed one is not executed again.
    cloud.draft(&request(true, "512")).await.unwrap();
    let draft = ready(cloud.draft(&request(true, "512")).await);
    done(&drive(cloud, plan("op-create", deploy(true, &draft.arn))).await);
    done(&drive(cloud, plan("op-create", deploy(true, &draft.arn))).await);
    let found = cloud.stack(&stack()).await.unwrap().unwrap();
    assert_eq!((found.status.0.as_str(), found.parameters["Memory"].as_str()), ("CREATE_COMPLETE", "512"));
    assert_eq!(cloud.stacks("quarterdeck-test-", REGION).await.unwrap().len(), 1);
    assert!(cloud.stacks("other-", REGION).await.unwrap().is_empty());
    assert!(cloud.stacks("quarterdeck-test-", "eu-west-1").await.unwrap().is_empty());
    let detail = cloud.stack_detail(&stack()).await.unwrap();
    assert_eq!(detail.resources.len(), 9);
    assert!(detail.events.is_sorted_by(|newer, older| newer.at >= older.at));
    assert!(detail.events.iter().any(|event| event.token.as_deref() == Some("op-create")));

    // First nothing changes, then one parameter.
    assert_eq!(cloud.draft(&request(false, "512")).await.unwrap(), Drafted::Nothing);
    let more = ready(cloud.draft(&request(false, "1024")).await);
    assert!(more.changes.iter().any(|change| change.logical_id == "Task" && change.action == ChangeAction::Modify));
    done(&drive(cloud, plan("op-update", deploy(false, &more.arn))).await);
    assert_eq!(cloud.stack(&stack()).await.unwrap().unwrap().parameters["Memory"], "1024");

    let broken = ChangeSetRequest { template: TemplateSource::Packed(Template::Edge), ..request(false, "1") };
    assert_eq!(cloud.draft(&broken).await.unwrap_err().kind, ErrorKind::Invalid);

    let tiers = vec![vec![stack()]];
    let destroy = || {
        let environment = "test".into();
        Intent::Destroy(Destroy {
            environment,
            tiers: tiers.clone(),
            shown: BTreeMap::new(),
            unprotect: None,
            directly: Vec::new(),
            role: None,
        })
    };
    done(&drive(cloud, plan("op-destroy", destroy())).await);
    done(&drive(cloud, plan("op-destroy", destroy())).await);
    // The events of a deleted stack can still be read by its ARN.
    let gone = StackRef { name: found.arn, region: REGION.into() };
    assert!(!cloud.stack_detail(&gone).await.unwrap().events.is_empty());
}

#[tokio::test]
async fn a_fleet_is_read_and_writes_to_its_services_overwrite_nothing_that_was_not_shown() {
    let world = World::deployed().await;
    let cloud = &world.cloud;
    let fleet = cloud.fleet("quarterdeck-test").await.unwrap();
    assert_eq!(fleet.unread(), []);
    let server = fleet.server("time").unwrap();
    assert_eq!((server.desired, server.status.word()), (0, "ACTIVE"));
    let first = server.primary().unwrap().id.clone();
    let definition = cloud.task_definition(&server.task_definition).await.unwrap();
    assert_eq!((definition.family.as_str(), definition.logs[0].group()), ("quarterdeck-test-time", Some(GROUP)));
    assert_eq!(cloud.revisions("quarterdeck-test-time").await.unwrap(), std::slice::from_ref(&server.task_definition));
    assert_eq!(cloud.fleet("no-such-cluster").await.unwrap_err().kind, ErrorKind::NotFound);
    assert_eq!(cloud.task_definition("no-such:1").await.unwrap_err().kind, ErrorKind::Invalid);

    let service = || ServiceRef { cluster: "quarterdeck-test".into(), service: "time".into() };
    let restart = || Intent::Restart(Restart { service: service(), replaces: Some(first.clone()) });
    let made = learnt(cloud.apply(first_call(plan("op", restart()))).await.unwrap());
    assert_ne!(made.need(Fact::Deployment("time".into())), Ok(first.clone()));
    let Applied::Changed(asked) = cloud.apply(first_call(plan("op", restart()))).await.unwrap() else {
        panic!("the deployment is not the one that was shown");
    };
    assert_eq!(asked.planned, first);

    let shown = Some("arn:another:1".to_owned());
    let stale = Rollback { service: service(), task_definition: "arn:older:0".into(), replaces: shown };
    let asked = cloud.apply(first_call(plan("op", Intent::Rollback(stale)))).await.unwrap();
    assert!(matches!(asked, Applied::Changed(_)), "{asked:?}");
    let rollback = Rollback { service: service(), task_definition: definition.arn, replaces: None };
    let same = learnt(cloud.apply(first_call(plan("op", Intent::Rollback(rollback)))).await.unwrap());
    assert_eq!(same, made, "the definition is in force already");

    let stale = Scale { service: service(), desired: Some(3), from: Some(2), bounds: None, bounds_from: None };
    let Applied::Changed(asked) = cloud.apply(first_call(plan("op", Intent::Scale(stale)))).await.unwrap() else {
        panic!("the count is not the one that was shown");
    };
    assert_eq!((asked.planned.as_str(), asked.now.as_str(), asked.after.as_str()), ("2", "0", "3"));
    let scale = Scale { service: service(), desired: Some(0), from: Some(1), bounds: None, bounds_from: None };
    done(&drive(cloud, plan("op", Intent::Scale(scale))).await);
    let missing = ServiceRef { cluster: "quarterdeck-test".into(), service: "nobody".into() };
    let scale =
        Intent::Scale(Scale { service: missing, desired: Some(1), from: None, bounds: None, bounds_from: None });
    assert_eq!(cloud.apply(first_call(plan("op", scale))).await.unwrap_err().kind, ErrorKind::NotFound);
}

#[tokio::test]
async fn log_events_are_read_by_pages_and_by_a_live_tail() {
    let world = World::deployed().await;
    let (cloud, emulator) = (&world.cloud, &world.emulator);
    let body = json!({ "logGroupName": GROUP, "logStreamName": "time/time/1" });
    emulator.call("logs", "Logs_20140328.CreateLogStream", body).await;
    let now = jiff::Timestamp::now().as_millisecond();
    emulator.log(GROUP, "time/time/1", &[(now - 2_000, "one".into()), (now - 1_000, "two \u{1b}[31m".into())]).await;

    let query = |group: &str, until: Option<i64>| LogQuery {
        group: group.into(),
        prefix: None,
        from: now - 2_000,
        until,
        pattern: None,
        token: None,
    };
    let page = cloud.log_page(&query(GROUP, None)).await.unwrap();
    let texts: Vec<&str> = page.events.iter().map(|event| event.message.as_str()).collect();
    assert_eq!((texts.as_slice(), page.next), (["one", "two \u{1b}[31m"].as_slice(), None));
    let page = cloud.log_page(&query(GROUP, Some(now - 1_000))).await.unwrap();
    assert_eq!(page.events.len(), 1, "the end is not part of the window");
    assert_eq!(cloud.log_page(&query("/none", None)).await.unwrap_err().kind, ErrorKind::NotFound);

    assert_eq!(cloud.live_tail(&["/none".into()], None).await.err().unwrap().kind, ErrorKind::NotFound);
    let mut tail = cloud.live_tail(&[GROUP.into()], None).await.unwrap();
    let first = tokio::time::timeout(Duration::from_secs(10), tail.next()).await.unwrap().unwrap().unwrap();
    assert_eq!(first, TailUpdate::Started { absent: Vec::new() });
    emulator.log(GROUP, "time/time/1", &[(now, "three".into())]).await;
    let followed = async {
        loop {
            if let TailUpdate::Events { events, .. } = tail.next().await.unwrap().unwrap()
                && let Some(event) = events.into_iter().next()
            {
                return event;
            }
        }
    };
    let event = tokio::time::timeout(Duration::from_secs(10), followed).await.expect("the event is followed");
    assert_eq!((event.group.as_str(), event.stream.as_str(), event.message.as_str()), (GROUP, "time/time/1", "three"));

    let query = "fields @message | filter @message like /t/ | sort @timestamp asc | limit 5";
    let request = InsightsRequest { groups: vec![GROUP.into()], from: now - 5_000, until: now, query: query.into() };
    let id = cloud.insights_start(&request).await.unwrap();
    let results = cloud.insights_results(&id).await.unwrap();
    assert_eq!((results.running, results.columns), (false, vec!["@message".to_owned()]));
    assert_eq!(results.rows, [["two "], ["three"]], "matched, in order, and safe for the terminal");
}

/// What the Secret holds to which the list gives the client.
async fn stored_in(cloud: &AwsCloud, client: &Client) -> StoredSecret {
    let entry = client.stored_in.known().cloned().flatten().unwrap();
    cloud.stored_secret(&entry.name).await.unwrap()
}

#[tokio::test]
async fn a_client_secret_is_stored_and_the_client_is_rotated_by_replacement() {
    let world = World::deployed().await;
    let cloud = &world.cloud;
    let old = world.clients().await.remove(0);
    let stored = stored_in(cloud, &old).await;
    let details = old.details.known().unwrap();
    assert!(details.confidential == Some(true) && !stored.has_secret);
    assert_eq!(
        (details.flows.as_slice(), details.scopes.as_slice()),
        (["client_credentials".into()].as_slice(), ["time/read".into()].as_slice())
    );
    assert_eq!(stored.allowed_clients, [old.id.clone(), "other".into()]);
    assert!(!cloud.has_dual_secrets(&world.pool().await, &old.id).await.unwrap());
    assert_eq!(cloud.token(&world.probe()).await.err().unwrap().kind, ErrorKind::Invalid);

    publish(&world, &old).await;
    assert!(stored_in(cloud, &world.clients().await[0]).await.has_secret);
    assert!(matches!(cloud.token(&world.probe()).await, Ok(TokenAnswer::Granted(_))));

    let rotation = replace(&world, &old).await;
    done(&drive(cloud, plan("op-1", Intent::Rotate(rotation))).await);
    let clients = world.clients().await;
    assert_eq!(clients.len(), 1, "the old client is deleted");
    let new = &clients[0];
    assert_ne!(new.id, old.id);
    let same = new.details.known().unwrap();
    assert_eq!((&new.name, &same.flows, &same.scopes), (&old.name, &details.flows, &details.scopes));
    assert_eq!(stored_in(cloud, new).await.current_client.as_ref(), Some(&new.id));
    assert!(matches!(cloud.token(&world.probe()).await, Ok(TokenAnswer::Granted(_))));
}

#[tokio::test]
async fn an_unfinished_rotation_by_replacement_is_taken_back() {
    let world = World::deployed().await;
    let cloud = &world.cloud;
    let old = world.clients().await.remove(0);
    publish(&world, &old).await;
    // The proof cannot succeed, because the emulator has no token endpoint at that address.
    let endpoint = "http://127.0.0.1:9/oauth2/token".to_owned();
    let rotation = Rotation { endpoint, ..replace(&world, &old).await };
    let driven = drive_until_stuck(cloud, rotation.clone()).await;
    assert_eq!(world.clients().await.len(), 2);
    let rotation = Rotation { endpoint: world.probe().endpoint, ..rotation };
    let versions = cloud.secret_versions(SECRET).await.unwrap();
    let current = versions.iter().find(|(_, labels)| labels.contains(&"AWSCURRENT".to_owned())).unwrap().0.clone();
    let mut learnt = driven.operation.facts().clone();
    learnt.insert(rotation.current(), current);
    let undo = UndoRotation { rotation, operation: "op-2".into(), learnt, by: None };
    done(&drive(cloud, plan("op-3", Intent::UndoRotation(undo))).await);
    let clients = world.clients().await;
    assert_eq!((clients.len(), clients[0].id.as_str()), (1, old.id.as_str()));
    assert!(matches!(cloud.token(&world.probe()).await, Ok(TokenAnswer::Granted(_))));
}

async fn drive_until_stuck(cloud: &AwsCloud, rotation: Rotation) -> Driven {
    let driven = drive(cloud, plan("op-2", Intent::Rotate(rotation))).await;
    assert!(matches!(driven.operation.phase, Phase::Paused { .. }), "{}", driven.trouble());
    driven
}

/// Stores the client's credentials in its Secret, as a deploy does at its end, and does it again, as after
/// a crash.
async fn publish(world: &World, client: &Client) {
    let output = |key: &str, value: &str| (Fact::Output { stack: STACK.into(), key: key.into() }, value.to_owned());
    let facts = Facts::from([
        output("MachineClientId", &client.id),
        output("MachineSecretName", SECRET),
        output("TokenEndpoint", &world.probe().endpoint),
        output("ResourceUrl", "http://127.0.0.1:9/time/mcp"),
    ]);
    let Intent::Deploy(mut deploy) = deploy(true, &world.change_set) else { unreachable!("it is a deploy") };
    let stack = &mut deploy.stacks[0];
    stack.inputs = BTreeMap::from([("UserPoolId".into(), ParameterValue::Value(world.pool().await))]);
    stack.service = Some(ServiceRef { cluster: "quarterdeck-test".into(), service: "time".into() });
    for id in ["op-create", "op-create"] {
        let plan = Plan { facts: facts.clone(), ..plan(id, Intent::Deploy(deploy.clone())) };
        done(&drive(&world.cloud, plan).await);
    }
}

async fn replace(world: &World, old: &Client) -> Rotation {
    Rotation {
        pool: world.pool().await,
        client: old.id.clone(),
        name: old.name.clone(),
        secret: SECRET.into(),
        endpoint: world.probe().endpoint,
        scopes: Vec::new(),
        strategy: Strategy::ReplaceClient { known_clients: vec![old.id.clone()], also_allow: vec!["other".into()] },
        consumers: Vec::new(),
        grace_seconds: 0,
        by: Some("arn:aws:sts::123456789012:assumed-role/ops/me".into()),
        current: None,
        takes_over: None,
        left_clients: Vec::new(),
        left_secret: None,
        accept: vec!["other".into()],
    }
}
