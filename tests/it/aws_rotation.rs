//! Rotations one after another, where Cognito shows the value of a client's first secret only, and nothing once
//! that is deleted, as AWS does.

use crate::support::operators::Desk;
use crate::support::world::{Setup, World, secret_of};
use quarterdeck::core::operation::record::Outcome;
use quarterdeck::core::operation::{Operation, Phase, PlanRequest};
use rstest::rstest;
use serde_json::json;

const MACHINE: &str = "prod-time-machine";

fn world(dual: bool) -> World {
    World::deployed(Setup { dual, servers: vec!["time", "weather"], lag: 1 })
}

async fn whole(desk: &Desk, request: PlanRequest) -> Operation {
    let operation = desk.agree(desk.propose(request).await.yes()).await;
    assert_eq!(operation.phase, Phase::Ended(Outcome::Done), "{}", operation.plan.title);
    operation
}

async fn rotate(desk: &Desk) {
    whole(desk, PlanRequest::Rotate { client: MACHINE.into(), grace_seconds: 0 }).await;
}

/// The value that `AWSCURRENT` holds.
fn in_force(world: &World) -> String {
    let current = world.state().secrets[&secret_of("time")].current().unwrap();
    current["client_secret"].as_str().unwrap_or_default().to_owned()
}

#[rstest]
#[tokio::test]
async fn a_client_is_rotated_as_often_as_one_likes(#[values(true, false)] dual: bool) {
    let world = world(dual);
    let desk = Desk::new("alice", &world, 512).await;
    let mut values = vec![in_force(&world)];
    for _ in 0..4 {
        rotate(&desk).await;
        desk.check();
        values.push(in_force(&world));
    }
    values.sort();
    values.dedup();
    assert_eq!(values.len(), 5, "each rotation publishes another value");
    let state = world.state();
    let clients: Vec<_> = state.clients.values().filter(|client| client.name == MACHINE).collect();
    assert_eq!((clients.len(), clients[0].secrets.len()), (1, 1));
    assert_eq!(clients[0].shown().is_none(), dual, "with two secrets, Cognito tells no value any more");
}

/// Of a client that Cognito shows no secret of, and that has not the grant for machines, its secrets alone tell.
#[tokio::test]
async fn a_client_is_confidential_by_the_secrets_that_it_has() {
    let world = world(true);
    let desk = Desk::new("alice", &world, 512).await;
    rotate(&desk).await;
    world.state().clients.values_mut().for_each(|client| client.flows = vec!["code"]);
    let list = desk.session.cloud.clients("eu-central-1_pool", "prod").await.unwrap();
    let kinds: Vec<_> = list.clients.iter().map(|client| (client.name.as_str(), client.kind())).collect();
    assert!(kinds.contains(&(MACHINE, "machine".to_owned())), "{kinds:?}");
    assert!(kinds.contains(&("prod-time-user", "public".to_owned())), "{kinds:?}");
    rotate(&desk).await;
    desk.check();
}

/// An update of the stack writes the Secret as it was made. Cognito does not tell the value any more, so it
/// comes from the version before, proven at the token endpoint.
#[tokio::test]
async fn a_value_that_a_stack_update_has_taken_away_comes_back_from_the_version_before() {
    let world = world(true);
    let mut desk = Desk::new("alice", &world, 512).await;
    rotate(&desk).await;
    let before = in_force(&world);
    {
        let mut state = world.state();
        let secret = state.secrets.get_mut(&secret_of("time")).unwrap();
        let mut made = secret.current().unwrap();
        made.as_object_mut().unwrap().retain(|key, _| ["client_id", "allowed_client_ids"].contains(&key.as_str()));
        secret.versions.insert("stack-update".into(), made.to_string());
        let current = secret.labels.insert("AWSCURRENT".into(), "stack-update".into()).unwrap();
        secret.labels.insert("AWSPREVIOUS".into(), current);
    }
    desk.broken = true;
    whole(&desk, PlanRequest::Deploy { servers: Vec::new() }).await;
    desk.broken = false;
    desk.check();
    assert_eq!(in_force(&world), before);
    assert_eq!(world.state().clients.values().filter(|client| client.secrets.len() > 1).count(), 0, "none was added");
    rotate(&desk).await;
}

/// The list of clients is read once for who only looks, but for what changes.
#[tokio::test]
async fn who_only_looks_makes_few_calls() {
    let world = world(true);
    let front = crate::support::front::Front::start(&world, None).await;
    let access = quarterdeck::aws::Access {
        region: Some("eu-central-1".into()),
        endpoint: Some(front.server.url.clone()),
        static_credentials: true,
        ..quarterdeck::aws::Access::default()
    };
    use quarterdeck::cloud::Clients;
    let cloud = quarterdeck::aws::connect(&access).await.unwrap();
    for _ in 0..3 {
        cloud.clients_lately("eu-central-1_pool", "prod").await.unwrap();
    }
    let count = |call: &str| front.server.count(call);
    // Two servers have two clients each, of which one has secrets.
    let told =
        json!([count("ListUserPoolClients"), count("DescribeUserPoolClient"), count("ListUserPoolClientSecrets")]);
    assert_eq!(told, json!([3, 4, 8]));
    cloud.clients("eu-central-1_pool", "prod").await.unwrap();
    assert_eq!(count("DescribeUserPoolClient"), 8, "what acts on them reads them anew");
    assert_eq!(count("GetSecretValue"), 0);
}
