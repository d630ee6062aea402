//! Callers that are kept out of the servers for a time: planned, written and read back, with colleagues in between.

use crate::support::front::Front;
use crate::support::operators::{Desk, Running};
use crate::support::program::run;
use crate::support::world::{Setup, Stack, User, World};
use jiff::{SignedDuration, Timestamp};
use quarterdeck::core::error::{ErrorKind, PlanError};
use quarterdeck::core::operation::record::Outcome;
use quarterdeck::core::operation::{Operation, Phase, PlanRequest, Way};
use quarterdeck::core::plan::Risk;
use quarterdeck::core::quarantine::Who;
use rstest::rstest;
use serde_json::{Value, json};

const MACHINE: &str = "prod-time-machine";

fn world() -> World {
    let world = World::deployed(Setup { dual: true, servers: vec!["time", "weather"], lag: 0 });
    world.state().users.insert("anna".into(), User::new("sub-1"));
    world
}

fn client(name: &str) -> Who {
    Who::Client(name.into())
}

fn add(who: Who, seconds: i64) -> PlanRequest {
    PlanRequest::Quarantine { who, seconds: Some(seconds), lately: None }
}

fn lift(who: Who) -> PlanRequest {
    PlanRequest::Quarantine { who, seconds: None, lately: None }
}

/// How long each caller is still kept out, in whole minutes, by the table's key.
fn kept(world: &World) -> Vec<(String, i64)> {
    let state = world.state();
    let minutes = |item: &Value| {
        let until: i64 = item["until"]["N"].as_str().unwrap().parse().unwrap();
        // Plans take a moment.
        (until - Timestamp::now().as_second() + 30) / 60
    };
    state.quarantine.iter().map(|(who, item)| (who.clone(), minutes(item))).collect()
}

fn put(world: &World, who: &str, seconds: i64) {
    let until = (Timestamp::now() + SignedDuration::from_secs(seconds)).as_second().to_string();
    world.state().quarantine.insert(who.into(), json!({ "who": { "S": who }, "until": { "N": until } }));
}

fn writes(world: &World) -> usize {
    world.state().log.iter().filter(|line| line.contains(": PutItem") || line.contains(": DeleteItem")).count()
}

fn done(operation: &Operation) {
    assert_eq!(operation.phase, Phase::Ended(Outcome::Done), "{}", operation.plan.title);
}

/// The id of the machine client of `time`.
async fn machine(desk: &Desk) -> String {
    let plan = desk.plan(add(client(MACHINE), 60)).await.unwrap();
    plan.target.resource.split(' ').nth(1).unwrap().to_owned()
}

#[tokio::test]
async fn a_client_is_kept_out_for_longer_and_let_in_again() {
    let world = world();
    let alice = Desk::new("alice", &world, 512).await;
    let key = format!("client#{}", machine(&alice).await);
    let running = alice.propose(add(client(MACHINE), 3_600)).await;
    let plan = running.operation.plan.clone();
    assert!(kept(&world).is_empty(), "a plan changes nothing");
    assert_eq!(plan.title, format!("quarantine client {MACHINE} for 1h00m"));
    assert_eq!(
        (plan.changes[0].subject.as_str(), plan.changes[0].before.as_deref()),
        (format!("client {MACHINE}").as_str(), Some("not kept out"))
    );
    assert!(
        plan.warnings.iter().any(|warning| warning.contains("everything that calls with its credentials")),
        "{:?}",
        plan.warnings
    );
    assert!(plan.commands[0].starts_with("aws dynamodb put-item --region eu-central-1 "), "{:?}", plan.commands);
    done(&alice.agree(running).await);
    assert_eq!(kept(&world), [(key.clone(), 60)]);
    let item = world.state().quarantine[&key].clone();
    assert!(item["by"]["S"].as_str().unwrap().contains("alice") && item["since"]["N"].is_string(), "{item}");
    let plan = alice.plan(add(client(MACHINE), 7_200)).await.unwrap();
    assert!(plan.changes[0].before.as_deref().unwrap().starts_with("kept out until 20"), "{plan:?}");
    done(&alice.agree(alice.propose(add(client(MACHINE), 7_200)).await).await);
    assert_eq!(kept(&world), [(key, 120)]);
    done(&alice.agree(alice.propose(lift(client(MACHINE))).await).await);
    assert!(kept(&world).is_empty());
}

#[rstest]
#[case::by_name("anna", "sub-1", false)]
#[case::by_address("anna@example.com", "sub-1", false)]
#[case::somebody_else("71d4f55f72fa128d", "71d4f55f72fa128d", true)]
#[tokio::test]
async fn a_person_is_kept_out_by_the_subject_of_the_tokens(
    #[case] named: &str,
    #[case] sub: &str,
    #[case] unknown: bool,
) {
    let world = world();
    let alice = Desk::new("alice", &world, 512).await;
    let running = alice.propose(add(Who::Subject(named.into()), 60)).await;
    let warned = running.operation.plan.warnings.iter().any(|warning| warning.contains("is taken as it is"));
    assert_eq!(warned, unknown, "{:?}", running.operation.plan.warnings);
    done(&alice.agree(running).await);
    assert_eq!(kept(&world)[0].0, format!("subject#{sub}"));
}

/// Whom nobody keeps out, there is nothing to let in again; of a name that nobody has, that is perhaps a slip.
#[tokio::test]
async fn to_lift_what_is_not_there_is_nothing_to_do_and_an_unknown_name_is_not_found() {
    let world = world();
    let alice = Desk::new("alice", &world, 512).await;
    let lifted = async |who: Who| alice.plan(lift(who)).await.unwrap_err();
    for who in [client(MACHINE), Who::Subject("anna".into())] {
        let told = lifted(who).await;
        assert!(matches!(&told, PlanError::Already(how) if how.ends_with("is not in quarantine")), "{told:?}");
    }
    for who in [client("nobody"), Who::Subject("nobody".into())] {
        let told = lifted(who).await;
        let PlanError::Refused(refusal) = &told else { panic!("{told:?}") };
        assert_eq!(refusal.kind, ErrorKind::NotFound);
        assert!(refusal.why.contains("is not in quarantine, and the user pool has no"), "{refusal}");
    }
}

#[tokio::test]
async fn what_cannot_be_is_refused_while_planning() {
    let world = world();
    let alice = Desk::new("alice", &world, 512).await;
    let refused = async |request: PlanRequest| match alice.plan(request).await {
        Err(PlanError::Refused(why)) => why.to_string(),
        other => panic!("{other:?}"),
    };
    for seconds in [0, -5, 32 * 86_400, i64::MAX] {
        assert!(refused(add(client(MACHINE), seconds)).await.contains("lasts from a second to 31d"), "{seconds}");
    }
    (0..1_000).for_each(|nth| put(&world, &format!("client#c{nth}"), 60));
    assert!(refused(add(client(MACHINE), 60)).await.contains("1000 entries, the most that it may have"));
    assert!(alice.plan(add(client("c7"), 600)).await.is_ok(), "one that is there may be changed");
    assert_eq!(writes(&world), 0);
}

/// The plan says what it will refuse, which servers will not, and weighs as what it is.
#[tokio::test]
async fn a_plan_says_whom_it_meets_and_which_servers_go_on_serving_them() {
    let world = world();
    let table = "arn:aws:dynamodb:eu-central-1:123456789012:table/quarterdeck-prod-quarantine";
    let reads = |stack: &mut Stack, table: &str| drop(stack.parameters.insert("QuarantineTable".into(), table.into()));
    world.state().stacks.iter_mut().for_each(|stack| reads(stack, table));
    let alice = Desk::new("alice", &world, 512).await;
    let request = PlanRequest::Quarantine { who: client(MACHINE), seconds: Some(60), lately: Some(7) };
    let plan = alice.plan(request).await.unwrap();
    assert!(plan.warnings.iter().any(|warning| warning.ends_with("7 requests in the last 5 minutes")), "{plan:?}");
    assert!(!plan.warnings.iter().any(|warning| warning.contains("do not read the list")), "{:?}", plan.warnings);
    assert_eq!(plan.changes[0].risk, Risk::Disruptive);
    // Deployed before there was a list.
    let time = |stack: &&mut Stack| stack.name == "quarterdeck-prod-time";
    reads(world.state().stacks.iter_mut().find(time).unwrap(), "-");
    let plan = alice.plan(add(client("prod-time-user"), 60)).await.unwrap();
    let blind = "these servers do not read the list and go on serving them: time; deploy them";
    assert!(plan.warnings.iter().any(|warning| warning == blind), "{:?}", plan.warnings);
    assert!(
        plan.warnings.iter().any(|warning| warning.ends_with("everybody who signs in with it is kept out")),
        "{plan:?}"
    );
    let plan = alice.plan(add(Who::Subject("o'neil; rm".into()), 60)).await.unwrap();
    assert!(plan.commands[0].contains(r"subject#o'\''neil; rm"), "{:?}", plan.commands);
    put(&world, "client#gone", 60);
    let lifted = alice.plan(lift(client("gone"))).await.unwrap();
    assert_eq!(lifted.changes[0].risk, Risk::Safe);
    assert_eq!(lifted.warnings, [] as [String; 0], "nothing is kept out by it");
}

/// Cognito says of nobody that they have no subject; if it did, nobody's entry would be written for everybody.
#[tokio::test]
async fn a_user_without_a_subject_is_taken_by_the_word() {
    let world = world();
    world.state().users.insert("bob".into(), User::new(""));
    let alice = Desk::new("alice", &world, 512).await;
    let plan = alice.plan(add(Who::Subject("bob".into()), 60)).await.unwrap();
    assert_eq!(plan.target.resource, "subject bob of prod");
}

/// One that has ended is still in the table for some days.
#[tokio::test]
async fn what_has_ended_is_not_in_the_way() {
    let world = world();
    let alice = Desk::new("alice", &world, 512).await;
    let key = format!("client#{}", machine(&alice).await);
    put(&world, &key, -100);
    assert!(matches!(alice.plan(lift(client(MACHINE))).await, Err(PlanError::Already(_))));
    done(&alice.agree(alice.propose(add(client(MACHINE), 60)).await).await);
    assert_eq!(kept(&world), [(key, 1)]);
}

/// Whatever step it is killed before or after: going on makes what was agreed, once.
#[rstest]
#[tokio::test]
async fn each_goes_on_after_each_kill(#[values(true, false)] lifts: bool, #[values(true, false)] after: bool) {
    for step in 0..2 {
        let world = world();
        let mut alice = Desk::new("alice", &world, 512).await;
        let key = format!("client#{}", machine(&alice).await);
        if lifts {
            put(&world, &key, 600);
        }
        let request = if lifts { lift(client(MACHINE)) } else { add(client(MACHINE), 3_600) };
        let running = alice.propose(request).await;
        let title = running.operation.steps()[step].title.clone();
        let running = running.yes();
        let id = match after {
            true => alice.killed_after(running, &title).await,
            false => alice.killed_before(running, &title).await,
        };
        let offered: Running = alice.offer(&id, Way::Resume).await;
        done(&alice.agree(offered.yes()).await);
        let expected = if lifts { Vec::new() } else { vec![(key, 60)] };
        assert_eq!(kept(&world), expected, "{title}");
        assert_eq!(writes(&world), 1, "{title}");
    }
}

/// A colleague acts after the plan, or even after the call has looked.
#[rstest]
#[case::sets_another_end(false, Some(7_200))]
#[case::sets_an_end_before_it_is_lifted(true, Some(7_200))]
#[case::lifts_it_first(true, None)]
#[tokio::test]
async fn a_colleagues_entry_is_not_wiped(
    #[case] lifts: bool,
    #[case] theirs: Option<i64>,
    #[values(true, false)] on_its_way: bool,
) {
    let world = world();
    let (alice, bob) = (Desk::new("alice", &world, 512).await, Desk::new("bob", &world, 512).await);
    let key = format!("client#{}", machine(&alice).await);
    if lifts {
        put(&world, &key, 600);
    }
    let request = if lifts { lift(client(MACHINE)) } else { add(client(MACHINE), 60) };
    let running = alice.propose(request).await;
    let theirs_request = theirs.map_or_else(|| lift(client(MACHINE)), |seconds| add(client(MACHINE), seconds));
    let ended = if on_its_way {
        let call = if lifts { "DeleteItem" } else { "PutItem" };
        let title = running.operation.steps()[0].title.clone();
        let flight = alice.on_its_way(running.yes(), &title, call).await;
        done(&bob.agree(bob.propose(theirs_request).await).await);
        alice.arrives(flight).await
    } else {
        done(&bob.agree(bob.propose(theirs_request).await).await);
        alice.agree(running).await
    };
    let expected: Vec<_> = theirs.map(|seconds| (key, seconds / 60)).into_iter().collect();
    assert_eq!(kept(&world), expected, "bob's word stands");
    // What both wanted is done; else alice is told.
    let same = lifts && theirs.is_none();
    assert_eq!(ended.phase == Phase::Ended(Outcome::Done), same, "{:?}", ended.phase);
    if !same {
        assert!(format!("{:?}", ended.phase).contains("somebody has changed the entry of client"), "{:?}", ended.phase);
    }
}

#[tokio::test]
async fn two_operators_keep_two_callers_out_at_once() {
    let world = world();
    let (alice, bob) = (Desk::new("alice", &world, 512).await, Desk::new("bob", &world, 512).await);
    let running = alice.propose(add(client("a"), 60)).await;
    let title = running.operation.steps()[0].title.clone();
    let flight = alice.on_its_way(running.yes(), &title, "PutItem").await;
    done(&bob.agree(bob.propose(add(client("b"), 60)).await).await);
    done(&alice.arrives(flight).await);
    assert_eq!(kept(&world), [("client#a".into(), 1), ("client#b".into(), 1)]);
}

/// The operation lay for longer than the caller was to be kept out.
#[tokio::test]
async fn an_end_that_has_passed_is_not_written_any_more() {
    let world = world();
    let mut alice = Desk::new("alice", &world, 512).await;
    let running = alice.propose(add(client("a"), 1)).await;
    let title = running.operation.steps()[0].title.clone();
    let id = alice.killed_before(running.yes(), &title).await;
    let left = alice.left(&id).await;
    while Timestamp::now()
        <= left.plan.changes[0].after.as_deref().unwrap().rsplit(' ').next().unwrap().parse().unwrap()
    {
        tokio::task::yield_now().await;
    }
    let standing = format!("{:?}", alice.standing(&left).await);
    assert!(standing.contains("which is over"), "{standing}");
    assert_eq!(writes(&world), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_adds_lists_and_lifts() {
    let world = world();
    let front = Front::start(&world, None).await;
    let url = front.server.url.clone();
    let ask = async |args: &'static [&'static str]| {
        let url = url.clone();
        tokio::task::spawn_blocking(move || run(&url, &[&["quarantine"], args].concat())).await.unwrap()
    };
    let (code, out, err) = ask(&["list"]).await;
    assert_eq!((code, out.starts_with("nobody is in quarantine")), (0, true), "{out}{err}");
    let (code, _, err) = ask(&["add", "--client", "abc", "--for", "90m"]).await;
    assert_eq!(code, 4, "without a yes nothing is written: {err}");
    assert_eq!(writes(&world), 0);
    let (code, out, err) = ask(&["add", "--client", "abc", "--for", "90m", "--yes"]).await;
    assert_eq!(code, 0, "{out}{err}");
    assert_eq!(kept(&world), [("client#abc".into(), 90)]);
    put(&world, "pool#x", 60);
    put(&world, "client#past", -60);
    let (_, out, err) = ask(&["list", "--output", "json"]).await;
    let document: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(document["entries"].as_array().unwrap().len(), 1, "{out}{err}");
    assert_eq!(
        (&document["entries"][0]["who"], &document["unclear"]),
        (&json!({ "kind": "client", "name": "abc" }), &json!(1))
    );
    let (_, out, err) = ask(&["list"]).await;
    assert!(
        out.contains("client   abc")
            && (out.contains(" 1h29m") || out.contains(" 1h30m"))
            && err.contains("1 more entries"),
        "{out}{err}"
    );
    let (code, out, err) = ask(&["lift", "--client", "abc", "--yes"]).await;
    assert_eq!(code, 0, "{out}{err}");
    assert_eq!(kept(&world).iter().filter(|(who, _)| who == "client#abc").count(), 0);
    for wrong in [&["add"][..], &["add", "--client", "a", "--subject", "b"], &["add", "--client", ""], &["lift"]] {
        let wrong: &'static [&'static str] = Box::leak(wrong.to_vec().into_boxed_slice());
        assert_eq!(ask(wrong).await.0, 2, "{wrong:?}");
    }
}
