//! A zone that is taken out of the load balancer for a time: planned, written and read back, with colleagues in between.

use crate::support::operators::Desk;
use crate::support::program::run;
use crate::support::world::{Recovery, Setup, World};
use crate::support::{Console, at, fixtures, plans};
use jiff::{SignedDuration, Timestamp};
use quarterdeck::console::dialogs::Dialog;
use quarterdeck::console::effect::Effect;
use quarterdeck::console::remote::Ask as _;
use quarterdeck::core::error::{CloudError, ErrorKind, PlanError};
use quarterdeck::core::operation::record::Outcome;
use quarterdeck::core::operation::{Operation, Phase, PlanRequest, Way};
use quarterdeck::core::plan::Risk;
use quarterdeck::core::shift::{Kind, Other, Shift, Shifts};
use rstest::rstest;
use serde_json::Value;

/// Two servers with four tasks each, in two zones.
fn world() -> World {
    let world = World::deployed(Setup { dual: true, servers: vec!["time", "weather"], lag: 0 });
    let mut state = world.state();
    for (name, service) in &mut state.services {
        service.kind.groups = vec![if name == "time" { "time" } else { "weather" }];
        service.spread(&["eu-central-1a", "eu-central-1b"]);
    }
    drop(state);
    world
}

fn out(zone: &str, seconds: i64) -> PlanRequest {
    PlanRequest::ShiftZone { zone: zone.into(), seconds }
}

fn done(operation: &Operation) {
    assert_eq!(operation.phase, Phase::Ended(Outcome::Done), "{}", operation.plan.title);
}

/// The zone that is out, and for how many whole minutes yet.
fn there(world: &World) -> Option<(String, i64)> {
    let shift = world.state().recovery.shift.clone()?;
    Some((shift.away_from, (shift.until.duration_since(Timestamp::now()).as_secs() + 59) / 60))
}

fn writes(world: &World) -> usize {
    world.state().log.iter().filter(|line| line.contains("ZonalShift")).count()
}

/// A shift that somebody has started by hand.
fn by_hand(world: &World, zone: &str) {
    let now = Timestamp::now();
    world.state().recovery.shift = Some(crate::support::world::Shift {
        id: "by-hand".into(),
        away_from: zone.into(),
        comment: "drill".into(),
        since: now,
        until: now + SignedDuration::from_hours(1),
    });
}

#[rstest]
#[case::by_name("eu-central-1b")]
#[case::by_id("euc1-az3")]
#[tokio::test]
async fn a_zone_is_taken_out_and_let_in_again(#[case] called: &str) {
    let world = world();
    let alice = Desk::new("alice", &world, 512).await;
    let running = alice.propose(out(called, 10_800)).await;
    let plan = running.operation.plan.clone();
    assert_eq!(there(&world), None, "a plan changes nothing");
    assert_eq!(plan.title, "take zone eu-central-1b out for 3h00m");
    let change = &plan.changes[0];
    assert_eq!(
        (change.subject.as_str(), change.field.as_str(), change.before.as_deref(), change.risk),
        ("zone eu-central-1b (euc1-az3)", "requests", Some("sent"), Risk::Disruptive)
    );
    let warned =
        "2 of 4 tasks (50.0%) get no requests any more, and run on; 2 healthy tasks in the other zones are to take all";
    assert_eq!(plan.warnings[0], warned);
    assert!(plan.commands[0].contains(" --away-from euc1-az3 --expires-in 180m "), "{:?}", plan.commands);
    let operation = alice.agree(running).await;
    done(&operation);
    assert_eq!(there(&world), Some(("euc1-az3".into(), 180)));
    let comment = world.state().recovery.shift.clone().unwrap().comment;
    assert_eq!(comment, format!("{} of quarterdeck, by alice", operation.id()));
    let running = alice.propose(PlanRequest::CancelShift).await;
    assert_eq!(running.operation.plan.title, "let zone eu-central-1b in again");
    assert_eq!(running.operation.plan.changes[0].risk, Risk::Safe);
    done(&alice.agree(running).await);
    assert_eq!((there(&world), writes(&world)), (None, 2));
    assert!(matches!(alice.plan(PlanRequest::CancelShift).await, Err(PlanError::Already(_))));
}

#[rstest]
#[case::no_zone_of_it(|_: &World| {}, "eu-central-1d", 3_600, ErrorKind::NotFound, "it is in eu-central-1a (euc1-az2), eu-central-1b")]
#[case::too_short(|_: &World| {}, "eu-central-1b", 59, ErrorKind::Invalid, "for a minute to 3d00h")]
#[case::too_long(|_: &World| {}, "eu-central-1b", 72 * 3_600 + 1, ErrorKind::Invalid, "for a minute to 3d00h")]
#[case::one_is_out(|world: &World| by_hand(world, "euc1-az2"), "eu-central-1b", 3_600, ErrorKind::Conflict, "eu-central-1a (euc1-az2) is taken out until")]
#[case::all_that_is_healthy_is_there(|world: &World| world.state().services.get_mut("time").unwrap().spread(&["eu-central-1b"]), "eu-central-1b", 3_600, ErrorKind::Conflict, "in the other zones no task of time is healthy")]
#[case::not_enabled(|world: &World| world.state().recovery.unknown = true, "eu-central-1b", 3_600, ErrorKind::Unsupported, "zonal_shift.config.enabled is off")]
#[case::may_not_ask(|world: &World| world.state().recovery.denies_zones = true, "euc1-az3", 3_600, ErrorKind::Denied, "zones of the region")]
#[tokio::test]
async fn what_cannot_be_is_refused_while_planning(
    #[case] arrange: fn(&World),
    #[case] zone: &str,
    #[case] seconds: i64,
    #[case] kind: ErrorKind,
    #[case] why: &str,
) {
    let world = world();
    arrange(&world);
    let alice = Desk::new("alice", &world, 512).await;
    let Err(PlanError::Refused(refusal)) = alice.plan(out(zone, seconds)).await else { panic!("no refusal") };
    assert_eq!(refusal.kind, kind);
    assert!(refusal.to_string().contains(why), "{refusal}");
    assert_eq!(writes(&world), 0);
}

#[tokio::test]
async fn a_plan_tells_what_is_not_known_and_what_aws_does_by_itself() {
    let world = world();
    world.state().recovery.autoshift = Some("euc1-az3");
    world.state().faults.denied_groups = vec!["weather".into()];
    let alice = Desk::new("alice", &world, 512).await;
    let plan = alice.plan(out("eu-central-1b", 3_600)).await.unwrap();
    let told = |words: &str| assert!(plan.warnings.iter().any(|one| one.contains(words)), "{words}: {plan:#?}");
    told("an autoshift of AWS is under way, away from the same zone (euc1-az3); this one takes its place");
    told("whether the other zones have healthy tasks of weather is not known");
}

/// Whatever step it is killed before or after: going on makes what was agreed, once.
#[rstest]
#[tokio::test]
async fn each_goes_on_after_each_kill(#[values(true, false)] ends: bool, #[values(true, false)] after: bool) {
    for step in 0..2 {
        let world = world();
        if ends {
            by_hand(&world, "euc1-az3");
        }
        let mut alice = Desk::new("alice", &world, 512).await;
        let running = alice.propose(if ends { PlanRequest::CancelShift } else { out("eu-central-1b", 3_600) }).await;
        let title = running.operation.steps()[step].title.clone();
        let running = running.yes();
        let id = match after {
            true => alice.killed_after(running, &title).await,
            false => alice.killed_before(running, &title).await,
        };
        let offered = alice.offer(&id, Way::Resume).await;
        done(&alice.agree(offered.yes()).await);
        assert_eq!(there(&world), (!ends).then(|| ("euc1-az3".to_owned(), 60)), "{title}");
        assert_eq!(writes(&world), 1, "{title}");
    }
}

/// A colleague acts after the plan, or even after the call has looked: AWS takes one shift at a time.
#[rstest]
#[tokio::test]
async fn a_colleagues_shift_stays(#[values(true, false)] on_its_way: bool) {
    let world = world();
    let (alice, bob) = (Desk::new("alice", &world, 512).await, Desk::new("bob", &world, 512).await);
    let running = alice.propose(out("eu-central-1b", 3_600)).await;
    let theirs = out("eu-central-1a", 7_200);
    let ended = if on_its_way {
        let title = running.operation.steps()[0].title.clone();
        let flight = alice.on_its_way(running.yes(), &title, "StartZonalShift").await;
        done(&bob.agree(bob.propose(theirs).await).await);
        alice.arrives(flight).await
    } else {
        done(&bob.agree(bob.propose(theirs).await).await);
        alice.agree(running).await
    };
    assert_eq!(there(&world), Some(("euc1-az2".into(), 120)), "bob's word stands");
    let phase = format!("{:?}", ended.phase);
    assert!(phase.contains("somebody has started a shift since this was planned, away from euc1-az2"), "{phase}");
}

/// Somebody ended it by hand, and started another one: that is not ours to end.
#[tokio::test]
async fn another_shift_is_not_ended() {
    let world = world();
    by_hand(&world, "euc1-az3");
    let alice = Desk::new("alice", &world, 512).await;
    let running = alice.propose(PlanRequest::CancelShift).await;
    world.state().recovery.shift.as_mut().unwrap().id = "another".into();
    let ended = alice.agree(running).await;
    assert!(format!("{:?}", ended.phase).contains("somebody has started a shift"), "{:?}", ended.phase);
    assert_eq!((writes(&world), there(&world).is_some()), (0, true));
}

/// The operation lay until the time was over.
#[tokio::test]
async fn an_end_that_has_passed_is_not_written_any_more() {
    let world = world();
    let mut alice = Desk::new("alice", &world, 512).await;
    let running = alice.propose(out("eu-central-1b", 60)).await;
    let title = running.operation.steps()[0].title.clone();
    let id = alice.killed_before(running.yes(), &title).await;
    let mut left = alice.left(&id).await;
    let quarterdeck::core::operation::Intent::ZonalShift(change) = &mut left.plan.intent else { panic!() };
    change.until = Some(Timestamp::now() - SignedDuration::from_secs(1));
    let standing = format!("{:?}", alice.standing(&left).await);
    assert!(standing.contains("which is over"), "{standing}");
    assert_eq!(writes(&world), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_shifts_lists_and_cancels() {
    let world = world();
    let endpoint = world.serve("alice").await;
    let url = endpoint.url.clone();
    let ask = async |args: &'static [&'static str]| {
        let url = url.clone();
        tokio::task::spawn_blocking(move || run(&url, args)).await.unwrap()
    };
    let json = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    let (code, out, err) = ask(&["zone", "list", "--output", "json"]).await;
    assert_eq!(code, 0, "{err}");
    let told: Vec<(Value, Value, Value, bool)> = json(&out)["zones"]
        .as_array()
        .unwrap()
        .iter()
        .map(|zone| (zone["name"].clone(), zone["tasks"].clone(), zone["healthy"].clone(), zone["shift"].is_null()))
        .collect();
    let row = |name: &str, tasks: i64| (name.into(), tasks.into(), tasks.into(), true);
    assert_eq!(told, [row("eu-central-1a", 2), row("eu-central-1b", 2), row("eu-central-1c", 0)], "{out}");
    let (code, _, err) = ask(&["zone", "shift", "eu-central-1b", "--for", "90m"]).await;
    assert_eq!(code, 4, "without a yes nothing is written: {err}");
    let (code, _, err) = ask(&["zone", "shift", "eu-central-1b", "--for", "90m", "--yes"]).await;
    assert_eq!(code, 0, "{err}");
    assert_eq!(there(&world), Some(("euc1-az3".into(), 90)));
    let (_, out, _) = ask(&["zone", "list"]).await;
    assert!(out.lines().any(|line| line.contains("eu-central-1b") && line.contains(" left: qd-")), "{out}");
    let (_, out, _) = ask(&["status", "--output", "json"]).await;
    let shift = &json(&out)["zonal_shift"];
    assert_eq!((&shift["away_from"], &shift["zone"]), (&"euc1-az3".into(), &"eu-central-1b".into()), "{out}");
    let (_, out, _) = ask(&["status"]).await;
    assert!(out.contains("zone eu-central-1b (euc1-az3) is taken out for "), "{out}");
    let (code, _, err) = ask(&["zone", "cancel", "--yes"]).await;
    assert_eq!((code, there(&world)), (0, None), "{err}");
    let (_, out, _) = ask(&["status", "--output", "json"]).await;
    assert!(json(&out)["zonal_shift"].is_null(), "{out}");
}

#[rstest]
#[case::may_not_read(|arc: &mut Recovery| arc.denied = true, true, "arc-zonal-shift:GetManagedResource")]
#[case::does_not_know_it(|arc: &mut Recovery| arc.unknown = true, false, "zonal_shift.config.enabled is off")]
#[tokio::test(flavor = "multi_thread")]
async fn where_it_cannot_be_read_status_has_a_gap_and_the_list_says_why(
    #[case] arrange: fn(&mut Recovery),
    #[case] gap: bool,
    #[case] why: &'static str,
) {
    let world = world();
    arrange(&mut world.state().recovery);
    let endpoint = world.serve("alice").await;
    let url = endpoint.url.clone();
    let ask = |args: &'static [&'static str]| {
        let url = url.clone();
        async move { tokio::task::spawn_blocking(move || run(&url, args)).await.unwrap() }
    };
    let (found, _, err) = ask(&["zone", "list"]).await;
    assert_eq!((found, err.contains(why)), (1, true), "{err}");
    let (found, _, err) = ask(&["status"]).await;
    let told = err.contains("not read: zones that are taken out: arc-zonal-shift:GetManagedResource");
    assert_eq!((found, told), (0, gap), "{err}");
}

fn shifts(shift: Option<Shift>) -> Shifts {
    Shifts {
        zones: ["euw1-az1".to_owned(), "euw1-az2".to_owned()].into(),
        shift,
        others: vec![Other { kind: Kind::Practice, away_from: "euw1-az1".into(), since: at(-60) }],
        name: Some("eu-west-1b".into()),
        ..Shifts::default()
    }
}

fn shift() -> Shift {
    Shift {
        id: "s".into(),
        away_from: "euw1-az2".into(),
        since: at(-720),
        until: at(10_080),
        applied: true,
        comment: "c".into(),
    }
}

fn console(found: Option<Shifts>) -> Console {
    Console::with(crate::support::World { shifts: found, ..fixtures::world() })
}

fn requests(effects: Vec<Effect>) -> Vec<PlanRequest> {
    effects
        .into_iter()
        .filter_map(|one| if let Effect::Plan(_, request) = one { Some(request) } else { None })
        .collect()
}

#[test]
fn z_asks_which_zone_and_plans_three_hours() {
    let mut console = console(Some(shifts(None)));
    assert_eq!(requests(console.keys("Z")), []);
    assert!(matches!(console.model.dialogs.last(), Some(Dialog::Choose { .. })));
    insta::assert_snapshot!("zones@100x30", crate::support::painted::body(&console, (100, 30)));
    let request = PlanRequest::ShiftZone { zone: "eu-west-1b".into(), seconds: 10_800 };
    assert_eq!(requests(console.keys("1b<enter>")), [request]);
    console.planned(plans::zonal_shift());
    let shown = crate::support::painted::body(&console, (100, 30));
    assert!(shown.contains("zone eu-west-1b (euw1-az2)  requests  sent → not sent until"), "{shown}");
    insta::assert_snapshot!("zone-plan@100x30", shown);
}

#[test]
fn z_lets_the_zone_in_again_that_is_out() {
    let mut console = console(Some(shifts(Some(shift()))));
    let shown = crate::support::painted::body(&console, (140, 30));
    let line =
        "◐ zone eu-west-1b (euw1-az2) is taken out for 12m00s; it comes back in 2h48m, at 2027-01-15T10:48:00Z → Z";
    assert!(shown.contains(line), "{shown}");
    assert_eq!(requests(console.keys("Z")), [PlanRequest::CancelShift]);
}

/// On the local cloud and on clusters of others there is nothing to shift.
#[test]
fn z_is_offered_only_where_there_is_a_load_balancer_to_shift() {
    let footer = |console: &Console| {
        let here = quarterdeck::console::action::Here::of(&console.model);
        here.leads(quarterdeck::console::action::Action::ShiftZone)
    };
    assert!(footer(&console(Some(shifts(None)))));
    assert!(!footer(&console(None)));
}

#[test]
fn what_may_not_be_read_is_a_gap_on_fleet() {
    let mut console = console(None);
    let why = CloudError::new(ErrorKind::Denied, "arc-zonal-shift:GetManagedResource", "not authorized");
    let generation = console.model.screens.fleet.shifts.begin(at(0));
    let answer = quarterdeck::console::screens::Answer::Shifts(Err(why));
    console.send(quarterdeck::console::msg::Msg::Loaded(generation, answer));
    let shown = crate::support::painted::body(&console, (140, 30));
    assert!(shown.contains("zones that are taken out: arc-zonal-shift:GetManagedResource"), "{shown}");
}

/// The local cloud has no such service, and is asked nothing.
#[tokio::test]
async fn the_local_cloud_says_so() {
    let world = world();
    let mut alice = Desk::new("alice", &world, 512).await;
    alice.session.context.local = true;
    let Err(PlanError::Refused(refusal)) = alice.plan(out("eu-central-1b", 3_600)).await else { panic!("no refusal") };
    assert_eq!(
        (refusal.kind, refusal.to_string().contains("the local cloud has no zones")),
        (ErrorKind::Unsupported, true)
    );
}

/// Where nothing can be taken out, nobody is asked which.
#[test]
fn where_there_are_no_zones_none_is_chosen() {
    let mut console = Console::with(fixtures::world());
    console.tick(5);
    console.keys("Z");
    assert!(console.model.dialogs.is_empty(), "{:?}", console.model.dialogs);
    assert!(console.toast().contains("the local cloud has no zones"), "{}", console.toast());
}
