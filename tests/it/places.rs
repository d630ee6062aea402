//! Going from place to place: what is carried along, what stays behind, and that nothing of one place is ever shown
//! under the name of another.

use crate::support::journey::{Journey, pick};
use crate::support::painted::{ALL, SMALL, body, dark, painted, text};
use crate::support::{Console, World, at, fixtures, logs, plans, stacks};
use proptest::prelude::*;
use quarterdeck::console::effect::Effect;
use quarterdeck::console::keymap::Keymap;
use quarterdeck::console::model::Model;
use quarterdeck::console::msg::Msg;
use quarterdeck::console::place::{Arrival, PlaceId, Renewed};
use quarterdeck::console::screens::{Answer, Fetch, Screen, fleet};
use quarterdeck::core::destination::{Destination, SignIn, Target};
use quarterdeck::core::doctor::News as DoctorNews;
use quarterdeck::core::error::{CloudError, ErrorKind, Refusal};
use quarterdeck::core::identity::{Context, Identity};
use quarterdeck::core::logs::insights::InsightsResults;
use quarterdeck::core::logs::tail::Past;
use quarterdeck::core::logs::{Line, TailState};
use quarterdeck::core::operation::protocol::{Mark, News};
use quarterdeck::core::operation::{Event, Operation, Order, Phase};
use quarterdeck::core::timeline::{History, Kind, Moment};
use rstest::rstest;

/// The context of another region, where the same environment is.
fn ireland_to(region: &str) -> Context {
    Context { region: region.into(), ..fixtures::context() }
}

fn entered(console: &mut Console, effects: &[Effect], context: Context) -> Vec<Effect> {
    let id = effects.iter().find_map(|effect| match effect {
        Effect::Enter(id, _) => Some(*id),
        _ => None,
    });
    let arrival = Arrival { context, unfinished: Vec::new() };
    console.send(Msg::Entered(id.expect("it goes somewhere"), Box::new(Ok(arrival))))
}

fn destination(effects: &[Effect]) -> &Destination {
    match effects {
        [Effect::Enter(_, destination)] => destination,
        other => panic!("{other:?}"),
    }
}

fn expired() -> CloudError {
    CloudError::new(ErrorKind::Expired, "ecs:ListServices", "The security token included in the request is expired")
}

#[rstest]
#[case::region("<ctrl-r>us-east-2<enter>", None, "us-east-2", Some(Target::Environment("prod".into())))]
#[case::profile_with_region("<ctrl-p>lab<enter>", Some("lab"), "us-east-1", Some(Target::Environment("prod".into())))]
#[case::profile_without("<ctrl-p>default<enter>", Some("default"), "eu-west-1", Some(Target::Environment("prod".into())))]
#[case::region_that_is_new("<ctrl-r>eu-west-9<enter>", None, "eu-west-9", Some(Target::Environment("prod".into())))]
#[case::cluster(":cluster theirs<enter>", None, "eu-west-1", Some(Target::Cluster("theirs".into())))]
#[case::environment(":environment stag<enter>", None, "eu-west-1", Some(Target::Environment("staging".into())))]
#[case::cluster_of_ours(":cluster quarterdeck-staging<enter>", None, "eu-west-1", Some(Target::Environment("staging".into())))]
#[case::region_by_name(":region ohio<enter>", None, "us-east-2", Some(Target::Environment("prod".into())))]
#[case::by_action(":environment<enter>stag<enter>", None, "eu-west-1", Some(Target::Environment("staging".into())))]
fn a_place_is_chosen_whole(
    #[case] keys: &str,
    #[case] profile: Option<&str>,
    #[case] region: &str,
    #[case] target: Option<Target>,
) {
    let mut console = Console::new();
    let effects = console.keys(keys);
    let expected = Destination { profile: profile.map(str::to_owned), region: Some(region.into()), target };
    assert_eq!(*destination(&effects), expected);
    assert_eq!(console.model.place.going(), Some(&expected));
    assert_eq!(console.model.context.region, "eu-west-1", "what is shown stays until it is reached");
}

#[rstest]
#[case("<ctrl-r>frankfurt-mars<enter>", "is not an AWS region")]
#[case(":cluster nothing-like-it<enter>", "there is no cluster \"nothing-like-it\" here")]
#[case(":<ctrl-u>cluster<enter>nosuch<enter>", "there is no cluster \"nosuch\" here")]
#[case("<ctrl-r>eu-west-1<enter>", "the console is there already")]
fn what_is_not_there_is_not_gone_to(#[case] keys: &str, #[case] said: &str) {
    let mut console = Console::new();
    assert_eq!(console.keys(keys), []);
    assert!(console.toast().contains(said), "{}", console.toast());
}

#[rstest]
#[case("<ctrl-p>")]
#[case("<ctrl-r>")]
#[case(":cluster<enter>")]
#[case(":environment<enter>")]
fn nothing_leads_away_from_the_local_cloud(#[case] keys: &str) {
    let mut console = Console::silent(Context { local: true, ..fixtures::context() });
    console.answers = true;
    console.keys(keys);
    assert!(console.model.dialogs.is_empty(), "there is nothing to choose");
    assert!(console.toast().contains("the local cloud is one place"), "{}", console.toast());
}

#[test]
fn screen_and_selection_are_kept_where_the_same_name_is_there() {
    let mut console = Console::new();
    console.keys("j<enter>");
    assert_eq!(fleet::opened(&console.model), Some("weather"));
    let effects = console.keys("<ctrl-r>us-east-2<enter>");
    console.answers = false;
    entered(&mut console, &effects, ireland_to("us-east-2"));
    assert_eq!(fleet::opened(&console.model), None, "until it is known to be there");
    console.answers = true;
    console.tick(5);
    let generation = 1;
    console.send(Msg::Loaded(generation, console.world.answer(&Fetch::Fleet(Default::default()))));
    assert_eq!(fleet::opened(&console.model), Some("weather"));

    let mut console = Console::new();
    console.keys("3j");
    let before = quarterdeck::console::screens::stack::selected(&console.model).expect("a stack").id.name.clone();
    let effects = console.keys(":environment staging<enter>");
    console.world.stacks.iter_mut().for_each(|one| one.id.name = one.id.name.replace("prod", "staging"));
    let staging =
        Context { environment: "staging".into(), cluster: "quarterdeck-staging".into(), ..fixtures::context() };
    entered(&mut console, &effects, staging);
    let after = quarterdeck::console::screens::stack::selected(&console.model).expect("a stack").id.name.clone();
    assert_eq!((console.model.screen, after), (Screen::Stack, before.replace("prod", "staging")));
}

#[test]
fn the_log_is_followed_there_too() {
    let mut console = Console::new();
    console.logs(logs::mixed(), TailState::Live);
    let effects = console.keys("<ctrl-r>us-east-2<enter>");
    let effects = entered(&mut console, &effects, ireland_to("us-east-2"));
    let tails = effects.iter().filter(|effect| matches!(effect, Effect::Tail(..))).count();
    assert_eq!((tails, console.model.screens.logs.store.shown()), (1, 0), "{effects:?}");
}

#[test]
fn what_protects_the_new_place_holds_at_once() {
    let mut console = Console::new();
    let effects = console.keys("<ctrl-r>us-east-2<enter>");
    let context = Context { protected: true, read_only: true, ..ireland_to("us-east-2") };
    entered(&mut console, &effects, context);
    assert_eq!(console.keys("T"), [], "no plan is asked for");
    assert!(console.toast().contains("read-only: restart writes"), "{}", console.toast());
    console.planned(plans::scale());
    let shown = body(&console, SMALL);
    assert!(shown.contains("READ-ONLY") && shown.contains("PROTECTED"), "{shown}");
    assert!(console.model.operations[0].read_only);
}

#[test]
fn a_place_that_is_not_reached_changes_nothing() {
    let mut console = Console::new();
    let effects = console.keys("<ctrl-p>lab<enter>");
    let before = body(&console, SMALL);
    let Effect::Enter(id, _) = &effects[0] else { panic!("{effects:?}") };
    let refusal = Refusal::new(ErrorKind::Invalid, "there is no profile `lab`").with_hint("there is corp");
    console.send(Msg::Entered(*id, Box::new(Err(refusal))));
    assert!(console.toast().contains("there is no profile `lab` — there is corp"), "{}", console.toast());
    assert!(before.contains("→ prod us-east-1 lab") && console.model.place.going().is_none(), "{before}");
    assert_eq!(console.model.context, Context { identity: Some(fixtures::identity()), ..fixtures::context() });
}

#[test]
fn only_the_last_place_that_was_asked_for_is_entered() {
    let mut console = Console::new();
    let first = console.keys("<ctrl-r>us-east-1<enter>");
    let second = console.keys("<ctrl-r>us-east-2<enter>");
    entered(&mut console, &first, ireland_to("us-east-1"));
    assert_eq!(console.model.context.region, "eu-west-1");
    entered(&mut console, &second, ireland_to("us-east-2"));
    assert_eq!(console.model.context.region, "us-east-2");
}

#[test]
fn where_nothing_is_chosen_the_clusters_are_offered_and_nothing_else_is_read() {
    let mut console =
        Console::silent(Context { cluster: String::new(), environment: String::new(), ..fixtures::context() });
    let effects = console.tick(0);
    let reads: Vec<&Fetch> = effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Fetch(read, _) => Some(read),
            _ => None,
        })
        .collect();
    assert_eq!(reads, [&Fetch::Identity, &Fetch::Clusters]);
    for size in ALL {
        insta::assert_snapshot!(format!("nowhere-reading@{}x{}", size.0, size.1), body(&console, *size));
    }
    let Effect::Fetch(_, generation) = effects[1] else { panic!("{effects:?}") };
    console.send(Msg::Loaded(generation, Answer::Clusters(Ok(fixtures::clusters()))));
    insta::assert_snapshot!("nowhere@80x24", body(&console, SMALL));
    console.keys("<esc>D3T");
    assert_eq!(console.model.operations.len(), 0);
    insta::assert_snapshot!("nowhere-closed@80x24", body(&console, SMALL));
    let effects = console.keys(":cluster theirs<enter>");
    assert_eq!(destination(&effects).target, Some(Target::Cluster("theirs".into())));
}

#[test]
fn whoever_may_not_list_clusters_can_name_one() {
    let mut console =
        Console::silent(Context { cluster: String::new(), environment: String::new(), ..fixtures::context() });
    let effects = console.tick(0);
    let Effect::Fetch(_, generation) = effects[1] else { panic!("{effects:?}") };
    let denied = CloudError::new(ErrorKind::Denied, "ecs:ListClusters", "not authorized to perform ecs:ListClusters");
    console.send(Msg::Loaded(generation, Answer::Clusters(Err(denied))));
    insta::assert_snapshot!("nowhere-denied@80x24", body(&console, SMALL));
    let effects = console.keys("quarterdeck-prod<enter>");
    assert_eq!(destination(&effects).target, Some(Target::Environment("prod".into())));
}

#[test]
fn the_clusters_are_offered_once_where_the_one_brought_along_is_not() {
    let mut console = Console::new();
    let effects = console.keys("<ctrl-r>us-east-2<enter>");
    console.world.fleet = quarterdeck::core::fleet::Fleet { no_cluster: true, ..Default::default() };
    entered(&mut console, &effects, ireland_to("us-east-2"));
    let shown = body(&console, SMALL);
    assert!(shown.contains("choose a cluster in us-east-2"), "{shown}");
    console.keys("<esc>");
    console.tick(20);
    assert!(console.model.dialogs.is_empty());

    // One that was chosen there is not there yet, and may be deployed.
    let mut console = Console::new();
    let effects = console.keys(":environment staging<enter>");
    console.world.fleet = quarterdeck::core::fleet::Fleet { no_cluster: true, ..Default::default() };
    entered(&mut console, &effects, Context { environment: "staging".into(), ..fixtures::context() });
    assert!(console.model.dialogs.is_empty());
}

/// An operation that is under way.
fn under_way() -> Console {
    let mut console = Console::new();
    console.keys("S2..8<enter>");
    console.planned(plans::scale());
    console.keys("y");
    console.event("op-scale", Event::Recorded(Mark::Intent));
    console.event("op-scale", Event::Recorded(Mark::Started(0)));
    assert_eq!(console.model.operation("op-scale").map(|one| one.phase.clone()), Some(Phase::Running));
    console
}

#[test]
fn an_operation_goes_on_where_it_was_approved() {
    let mut console = under_way();
    let home = console.model.place.shown();
    console.keys("<esc>");
    let effects = console.keys("<ctrl-r>us-east-2<enter>");
    entered(&mut console, &effects, ireland_to("us-east-2"));
    let there = console.model.place.shown();
    assert_ne!(home, there);
    assert!(console.toast().contains("goes on: prod in eu-west-1"), "{}", console.toast());

    // News from the new place is none of it.
    let failed = || Event::Step { step: 0, news: News::Failed(CloudError::new(ErrorKind::Denied, "x", "no")) };
    assert_eq!(console.send(Msg::Of(there, Box::new(Msg::Operation("op-scale".into(), failed())))), []);
    assert!(console.model.operation("op-scale").is_some_and(Operation::active));
    insta::assert_snapshot!("operation-elsewhere@120x40", {
        console.keys("o");
        let shown = body(&console, (120, 40));
        console.keys("<esc>");
        shown.lines().take(6).collect::<Vec<_>>().join("\n")
    });
    // It can be looked at, and gone on with only there.
    console.keys("o<enter>U");
    assert!(console.toast().contains("it belongs to prod in eu-west-1; go there first"), "{}", console.toast());
    console.keys("<esc><esc>");

    let effects = console.send(Msg::Of(home, Box::new(Msg::Operation("op-scale".into(), failed()))));
    assert!(console.toast().contains("(prod in eu-west-1)"), "{}", console.toast());
    let orders: Vec<_> = effects.iter().filter(|effect| !matches!(effect, Effect::Fetch(..))).collect();
    assert!(!orders.is_empty());
    for effect in orders {
        let Effect::Of(place, inner) = effect else { panic!("{effect:?}") };
        assert!(*place == home && matches!(**inner, Effect::Operation(..)), "{effect:?}");
    }
}

#[test]
fn a_plan_that_was_only_proposed_is_refused_where_it_was_made() {
    let mut console = Console::new();
    console.keys("3D");
    let mut plan = plans::deploy();
    plan.drafts = vec![(stacks::settled()[0].id.clone(), "draft".into())];
    let drafts = plan.drafts.clone();
    console.planned(plan.clone());
    let home = console.model.place.shown();
    // The dialog asks; the palette cannot be reached from it, so the place was on its way already.
    let effects = {
        console.keys("<esc>");
        assert!(console.model.operations.is_empty());
        let effects = console.keys("<ctrl-r>us-east-2<enter>");
        console.keys("D");
        console.planned(plan.clone());
        effects
    };
    let effects = entered(&mut console, &effects, ireland_to("us-east-2"));
    let discarded = Effect::Of(home, Box::new(Effect::Discard(drafts.clone())));
    assert!(effects.contains(&discarded) && console.model.operations.is_empty(), "{effects:?}");
    assert!(console.model.dialogs.is_empty());

    // So is one that comes late.
    let late = Msg::Of(home, Box::new(Msg::Planned(console.model.planning, Box::new(Ok(plan)))));
    assert_eq!(console.send(late), [discarded]);
    assert!(console.model.operations.is_empty());
}

fn signed_in_by(sign_in: SignIn) -> Context {
    Context { profile: Some("corp".into()), sign_in: Some(sign_in), ..fixtures::context() }
}

#[rstest]
#[case(SignIn::Sso, "aws sso login --profile corp")]
#[case(SignIn::Console, "aws login --profile corp")]
fn expired_credentials_are_renewed_from_within(#[case] sign_in: SignIn, #[case] command: &str) {
    let mut console = Console::silent(signed_in_by(sign_in));
    console.answers = true;
    console.tick(0);
    console.world.down = Some(expired());
    console.tick(20);
    let shown = text(&painted(&console.model, &dark(), (120, 40)).0);
    assert!(shown.contains("weather") && shown.contains("stale 20s"), "{shown}");
    assert!(shown.contains(&format!("ctrl-l runs `{command}`")), "{shown}");
    if sign_in == SignIn::Sso {
        for size in ALL {
            insta::assert_snapshot!(format!("signed-out@{}x{}", size.0, size.1), body(&console, *size));
        }
    }
    let words: Vec<String> = command.split(' ').map(str::to_owned).collect();
    assert_eq!(console.keys("<ctrl-l>"), [Effect::SignIn(words)]);
    // Until it is known whose credentials they are, nothing is read.
    console.answers = false;
    assert_eq!(console.tick(120), []);
    console.send(Msg::SignedIn(Err("`aws sso login`: exit status: 1".into())));
    assert!(console.toast().contains("not signed in") && console.model.place.signed_out().is_some());

    console.keys("<ctrl-l>");
    (console.world.down, console.answers) = (None, true);
    console.send(Msg::SignedIn(Ok(Renewed::Same)));
    let shown = text(&painted(&console.model, &dark(), (120, 40)).0);
    assert!(!shown.contains("stale") && !shown.contains("not accepted") && shown.contains("weather"), "{shown}");
}

#[test]
fn a_sign_in_to_another_account_is_another_place() {
    let mut console = Console::silent(signed_in_by(SignIn::Console));
    console.answers = true;
    console.tick(0);
    console.keys("<ctrl-l>");
    let before = console.model.place.shown();
    let effects = console.send(Msg::SignedIn(Ok(Renewed::Elsewhere)));
    entered(&mut console, &effects, signed_in_by(SignIn::Console));
    assert_ne!(console.model.place.shown(), before);
}

#[test]
fn an_operation_whose_sign_in_expires_pauses_and_goes_on() {
    let mut console = under_way();
    console.world.down = Some(expired());
    let orders = console.event("op-scale", Event::Step { step: 0, news: News::Failed(expired()) });
    let phase = console.model.operation("op-scale").map(|one| one.phase.clone());
    let Some(Phase::Paused { why, .. }) = phase else { panic!("{phase:?}") };
    assert!(why.contains("is expired") && why.contains("sign in again"), "{why}");
    assert!(orders.iter().any(|order| matches!(order, Order::Record(..))));
    assert!(console.model.place.signed_out().is_some(), "the way out is told");
    assert_eq!(console.model.paused(), 1);
}

#[rstest]
#[case::service("1", "/services/time/health?region=eu-west-1")]
#[case::task("1<enter>", "/ecs/v2/clusters/quarterdeck-prod/tasks/")]
#[case::stack("3", "#/stacks/stackinfo?stackId=")]
#[case::client("4", "/user-pools/eu-west-1_")]
fn the_aws_console_opens_at_the_selection(#[case] keys: &str, #[case] part: &str) {
    let mut console = Console::new();
    console.keys(keys);
    let effects = console.keys("b");
    let [Effect::Browse(url)] = &effects[..] else { panic!("{effects:?}") };
    assert!(url.starts_with("https://") && url.contains(part), "{url}");
}

#[test]
fn an_emulator_has_no_aws_console() {
    let mut console =
        Console::silent(Context { endpoint: Some("http://127.0.0.1:4566".into()), ..fixtures::context() });
    console.answers = true;
    assert_eq!(console.keys("b"), []);
    assert!(console.toast().contains("emulator"));
}

#[test]
fn lists_to_choose_from() {
    let mut console = Console::new();
    for (name, keys) in [("profiles", "<ctrl-p>"), ("regions", "<ctrl-r>"), ("clusters", ":cluster<enter>")] {
        console.keys(keys);
        for size in ALL {
            insta::assert_snapshot!(format!("choose-{name}@{}x{}", size.0, size.1), body(&console, *size));
        }
        console.keys("<esc>");
    }
}

/// What stands in everything that is read in a place, and in nothing that is read in another.
fn mark(place: PlaceId) -> String {
    format!("{place}").replace("place ", "zz") + "zz"
}

/// The world of a place: a server that has the same name in all of them, and one that has not.
fn world_of(mark: &str) -> World {
    let mut world = fixtures::world();
    for server in &mut world.fleet.servers {
        server.arn = format!("{}/{mark}", server.arn);
        server.task_definition = format!("{mark}:7");
    }
    world.fleet.servers.push(fixtures::server(&format!("own-{mark}"), 1));
    for stack in &mut world.stacks {
        (stack.arn, stack.reason) = (format!("arn:{mark}"), Some(format!("because {mark}")));
        stack.id.name = format!("{}-{mark}", stack.id.name);
    }
    for event in &mut world.detail.events {
        event.reason = Some(format!("event {mark}"));
    }
    for client in &mut world.clients.clients {
        (client.id, client.name) = (format!("{mark}-{}", client.id), format!("{}-{mark}", client.name));
    }
    world.clients.pool = format!("eu-west-1_{mark}");
    let moment = |seconds: i64, kind| Moment {
        at: at(-seconds),
        kind,
        subject: "time".into(),
        what: format!("moment {mark}"),
        bad: false,
        finding: None,
        task: None,
        burst: None,
    };
    world.history = History {
        moments: vec![moment(10, Kind::Stack), moment(90, Kind::Operation)],
        gaps: vec![mark.into()],
        ..History::default()
    };
    world.clusters.iter_mut().for_each(|cluster| cluster.name = format!("{}-{mark}", cluster.name));
    world
}

fn context_of(mark: &str, to: &Destination) -> Context {
    Context {
        region: to.region.clone().unwrap_or_default(),
        environment: format!("env-{mark}"),
        cluster: format!("quarterdeck-env-{mark}"),
        profile: to.profile.clone(),
        ..Context::default()
    }
}

/// What happens on a journey.
#[derive(Debug, Clone)]
enum Move {
    Keys(&'static str),
    Pass(i64),
    /// One of the places that were asked for is reached, or not.
    Arrive(usize, bool),
    /// One of the reads that were ever begun, in whichever place, is answered: well, badly, in part, or again.
    Answer(usize, How),
    SignIn(bool),
}

#[derive(Debug, Clone, Copy)]
enum How {
    Well,
    Badly,
    SignedOut,
    InPart,
}

/// What is kept and what is drawn is of one place alone, whatever happens.
struct Alone(Journey);

impl Alone {
    fn new() -> Self {
        let home = Destination { profile: None, region: Some("eu-west-1".into()), target: None };
        let first = mark(PlaceId::default());
        Self(Journey::new(Model::new(context_of(&first, &home), Keymap::default(), at(0), SMALL)))
    }

    fn step(&mut self, step: &Move) {
        self.take(step);
        self.check();
    }

    fn take(&mut self, step: &Move) {
        match step {
            Move::Keys(keys) => self.0.keys(keys),
            Move::Pass(seconds) => self.0.pass(*seconds),
            Move::Arrive(which, well) => {
                let Some((id, to)) = pick(&self.0.enters, *which) else { return };
                let context = context_of(&mark(id), &to);
                let refused = || Refusal::new(ErrorKind::Invalid, "no way leads there");
                let arrival = Arrival { context, unfinished: Vec::new() };
                self.0.send(Msg::Entered(id, Box::new(if *well { Ok(arrival) } else { Err(refused()) })));
            }
            Move::Answer(which, how) => {
                let Some((place, effect)) = pick(&self.0.begun, *which) else { return };
                for msg in answers(&mark(place), &effect, *how) {
                    self.0.send(Msg::Of(place, Box::new(msg)));
                }
            }
            Move::SignIn(same) => {
                self.0.send(Msg::SignedIn(Ok(if *same { Renewed::Same } else { Renewed::Elsewhere })));
            }
        }
    }

    /// Neither what is kept nor what is drawn has anything of another place.
    fn check(&self) {
        let shown = self.0.model.place.shown();
        let kept = format!(
            "{:?}{:?}{:?}{:?}{:?}{:?}{:?}",
            self.0.model.screens,
            self.0.model.identity,
            self.0.model.context,
            self.0.model.place.clusters,
            self.0.model.dialogs,
            self.0.model.toasts,
            self.0.model.operations,
        );
        let drawn = text(&painted(&self.0.model, &dark(), (160, 40)).0);
        let places = self.0.enters.iter().map(|(id, _)| *id).chain([PlaceId::default()]);
        for other in places.filter(|place| *place != shown) {
            let mark = mark(other);
            let at = kept.find(&mark).map(|at| kept[at.saturating_sub(200)..].chars().take(300).collect::<String>());
            assert_eq!(at, None, "of {other} in {shown}");
            assert!(!drawn.contains(&mark), "of {other} in {shown}:\n{drawn}");
        }
    }
}

/// What comes of an effect in the place of this mark.
fn answers(mark: &str, effect: &Effect, how: How) -> Vec<Msg> {
    let error = |kind| CloudError::new(kind, "ecs:ListServices", format!("failed {mark}"));
    let failed = match how {
        How::Badly => Some(error(ErrorKind::Denied)),
        How::SignedOut => Some(error(ErrorKind::Expired)),
        How::Well | How::InPart => None,
    };
    let world = world_of(mark);
    let lines = || -> Vec<Line> { vec![logs::line("time", mark, -5_000, &format!("line {mark}"))] };
    match (effect, failed) {
        (Effect::Fetch(Fetch::Profiles, _), _) => Vec::new(),
        (Effect::Fetch(read, generation), Some(error)) => vec![Msg::Loaded(*generation, read.failed(error))],
        (Effect::Fetch(Fetch::Identity, generation), None) => {
            let identity = Identity { account: format!("account-{mark}"), arn: format!("arn:{mark}/me") };
            vec![Msg::Loaded(*generation, Answer::Identity(Ok(identity)))]
        }
        (Effect::Fetch(Fetch::Fleet(_), generation), None) if matches!(how, How::InPart) => {
            vec![Msg::FleetSoFar(*generation, Box::new(world.fleet))]
        }
        (Effect::Fetch(read, generation), None) => vec![Msg::Loaded(*generation, world.answer(read))],
        (Effect::Tail(generation, _), failed) => {
            let state = failed
                .map_or(TailState::Live, |error| TailState::Ended(quarterdeck::core::logs::tail::End::Failed(error)));
            vec![
                Msg::Lines(*generation, lines()),
                Msg::LogMissing(*generation, format!("/group/{mark}"), true),
                Msg::Tail(*generation, state),
            ]
        }
        (Effect::Older(reading, ..), Some(error)) => vec![Msg::OlderLines(*reading, Err(error))],
        (Effect::Older(reading, ..), None) => vec![Msg::OlderLines(*reading, Ok(Past { lines: lines(), cut: None }))],
        (Effect::Insights(generation, _), Some(error)) => vec![Msg::Insights(*generation, Err(error))],
        (Effect::Insights(generation, _), None) => {
            let results = InsightsResults {
                columns: vec!["x".into()],
                rows: vec![vec![mark.into()]],
                ..InsightsResults::default()
            };
            vec![Msg::Insights(*generation, Ok(results))]
        }
        (Effect::Doctor(generation, _), _) => {
            let begun = DoctorNews::Begun(format!("own-{mark}"));
            vec![Msg::Doctor(*generation, begun), Msg::Doctor(*generation, DoctorNews::Ended)]
        }
        (Effect::Plan(generation, _), failed) => {
            let mut plan = plans::scale();
            (plan.id, plan.title) = (format!("op-{mark}"), format!("scale {mark}"));
            let planned = failed.map_or(Ok(plan), |error| Err(error.into()));
            vec![Msg::Planned(*generation, Box::new(planned)), Msg::Calls(7)]
        }
        _ => Vec::new(),
    }
}

const KEYS: &[&str] = &[
    "1",
    "2",
    "3",
    "4",
    "5",
    "6",
    "m",
    "j",
    "k",
    "<enter>",
    "<esc>",
    "r",
    "l",
    "d",
    "y",
    "e",
    "z",
    "<space>",
    "[",
    "o",
    "/o<enter>",
    "2i<enter>",
    "2e",
    "2s",
    "1T",
    "1l",
    "6a",
    "5w",
    "?",
    "<ctrl-l>",
    ":cluster<enter>",
    "<ctrl-p><esc>",
];
const GOES: &[&str] = &[
    "<esc><esc><esc>:region us-east-1<enter>",
    "<esc><esc><esc>:region us-east-2<enter>",
    "<esc><esc><esc>:region eu-west-1<enter>",
    "<esc><esc><esc>:environment<enter><enter>",
    "<esc><esc><esc><ctrl-r>ap-south-1<enter>",
];

fn moves() -> impl Strategy<Value = Move> {
    let how =
        prop_oneof![5 => Just(How::Well), 1 => Just(How::Badly), 1 => Just(How::SignedOut), 2 => Just(How::InPart)];
    prop_oneof![
        4 => proptest::sample::select(KEYS).prop_map(Move::Keys),
        2 => proptest::sample::select(GOES).prop_map(Move::Keys),
        1 => (1..15_i64).prop_map(Move::Pass),
        2 => (0..4_usize, proptest::bool::weighted(0.8)).prop_map(|(which, well)| Move::Arrive(which, well)),
        8 => (0..24_usize, how).prop_map(|(which, how)| Move::Answer(which, how)),
        1 => any::<bool>().prop_map(Move::SignIn),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn nothing_of_one_place_is_shown_in_another(moves in proptest::collection::vec(moves(), 1..48)) {
        let mut journey = Alone::new();
        moves.iter().for_each(|step| journey.step(step));
    }
}

#[test]
fn a_journey_reads_follows_and_goes() {
    // That the journeys of the test above come about at all.
    let mut journey = Alone::new();
    let home = journey.0.model.place.shown();
    (0..8).for_each(|which| journey.step(&Move::Answer(which, How::Well)));
    assert!(text(&painted(&journey.0.model, &dark(), (160, 40)).0).contains(&mark(home)));
    journey.step(&Move::Keys("2"));
    (0..8).for_each(|which| journey.step(&Move::Answer(which, How::Well)));
    journey.step(&Move::Keys(GOES[0]));
    journey.step(&Move::Arrive(0, true));
    assert_ne!(journey.0.model.place.shown(), home);
    (0..40).for_each(|which| journey.step(&Move::Answer(which, How::Well)));
    let drawn = text(&painted(&journey.0.model, &dark(), (160, 40)).0);
    assert!(drawn.contains(&mark(journey.0.model.place.shown())), "{drawn}");
}
