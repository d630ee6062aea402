//! What keys and messages do to the console, without a terminal, a clock or a cloud.

use std::collections::BTreeMap;

use crate::support::painted::screen;
use crate::support::{Console, NAMED_KEYS, World, at, fixtures, logs, of_operation, plans, stacks};
use quarterdeck::console::dialogs::Dialog;
use quarterdeck::console::effect::Effect;
use quarterdeck::console::keymap::{Key, KeyPress, Keymap};
use quarterdeck::console::model::{Model, Viewport};
use quarterdeck::console::msg::{Msg, Notice};
use quarterdeck::console::screens::Screen;
use quarterdeck::console::screens::{clients, fleet, stack, users};
use quarterdeck::core::destination::SignIn;
use quarterdeck::core::error::{CloudError, ErrorKind, Hand, PlanError, Refusal};
use quarterdeck::core::fleet::Bounds;
use quarterdeck::core::identity::Context;
use quarterdeck::core::logs::TailState;
use quarterdeck::core::operation::PlanRequest;
use quarterdeck::core::operation::record::{Entry, Note, Outcome};
use quarterdeck::core::operation::user::UserChange;
use quarterdeck::core::operation::{
    BoardCall, Call, Event, Fact, Facts, Operation, Order, Phase, SecretCall, Standing, Way, protocol::Mark,
};
use quarterdeck::core::quarantine::{Entry as Kept, Who};
use rstest::rstest;

fn read_only() -> Console {
    let mut context = fixtures::context();
    context.read_only = true;
    let mut console = Console::silent(context);
    console.answers = true;
    console.tick(0);
    console
}

fn request(effects: Vec<Effect>) -> Option<PlanRequest> {
    effects.into_iter().find_map(|effect| match effect {
        Effect::Plan(_, request) => Some(request),
        _ => None,
    })
}

/// What leads to a write, or is one.
fn writes(effect: &Effect) -> bool {
    matches!(effect, Effect::Plan(..) | Effect::Operation(..))
}

fn selected(model: &Model) -> String {
    fleet::selected_server(model).map(|server| server.name.clone()).unwrap_or_default()
}

#[rstest]
#[case("S4<enter>", PlanRequest::Scale { server: "time".into(), desired: Some(4), bounds: None })]
#[case("jS3 2..6<enter>", PlanRequest::Scale { server: "weather".into(), desired: Some(3), bounds: Some(Bounds { min: 2, max: 6 }) })]
#[case("T", PlanRequest::Restart { server: "time".into() })]
#[case("jB", PlanRequest::Rollback { server: "weather".into(), revision: None })]
#[case("3D", PlanRequest::Deploy { servers: Vec::new() })]
#[case("3P", PlanRequest::Publish { servers: Vec::new(), gangway: false, from: None })]
#[case("3K", PlanRequest::Destroy)]
#[case("4O", PlanRequest::Rotate { client: "5h1kq8machine0weather0id".into(), grace_seconds: 86_400 })]
#[case(":restart<enter>", PlanRequest::Restart { server: "time".into() })]
fn a_capital_letter_asks_for_a_plan(#[case] keys: &str, #[case] expected: PlanRequest) {
    let mut console = Console::new();
    assert_eq!(request(console.keys(keys)), Some(expected));
    assert!(matches!(console.model.dialogs.last(), Some(Dialog::Planning { .. })), "the dialog waits for the plan");
    assert!(console.model.operations.is_empty(), "nothing has begun");
}

#[test]
fn the_selected_task_is_stopped() {
    let mut console = Console::new();
    let task = console.model.screens.fleet.remote.get().expect("read").servers[0].known_tasks()[1].arn.clone();
    assert_eq!(request(console.keys("X")), None);
    assert!(console.toast().contains("no task is selected; enter shows"), "{}", console.toast());
    assert_eq!(request(console.keys("<enter>jX")), Some(PlanRequest::StopTask { task }));
}

#[test]
fn an_answer_is_said_once_and_goes_with_the_next_key() {
    let mut console = Console::new();
    console.keys("XXX");
    assert_eq!(console.model.toasts.len(), 1, "the same again is one");
    console.keys("j");
    assert_eq!(console.model.toasts.len(), 1, "whoever holds a key has not read it");
    console.tick(1);
    console.keys("k");
    assert_eq!(console.toast(), "");
    // What nobody asked for stays, whatever is pressed.
    console.send(Msg::Notice(Notice::Bad("no space left".into())));
    console.tick(3);
    console.keys("jk");
    assert_eq!(console.toast(), "no space left");
    console.tick(8);
    assert_eq!(console.toast(), "");
}

#[rstest]
#[case("S-1<enter>", "not a count")]
#[case("S<enter>", "not a count")]
#[case("S6..2<enter>", "wrong way round")]
fn a_bad_count_is_explained_and_plans_nothing(#[case] keys: &str, #[case] why: &str) {
    let mut console = Console::new();
    assert_eq!(request(console.keys(keys)), None);
    let Some(Dialog::Scale { error: Some(error), .. }) = console.model.dialogs.last() else { panic!("it still asks") };
    assert!(error.contains(why), "{error}");
}

#[test]
fn a_public_client_has_nothing_to_rotate() {
    let mut console = Console::new();
    assert_eq!(request(console.keys("4jO")), None);
    assert!(console.toast().contains("public"), "{}", console.toast());
}

#[test]
fn nobody_agrees_to_a_plan_that_a_terminal_is_too_small_to_show() {
    let mut console = Console::new();
    console.keys("T");
    console.planned(plans::scale());
    console.send(Msg::Resize(20, 5));
    assert_eq!(console.keys("y"), Vec::new(), "it is not seen");
    assert_eq!(console.keys("q"), Vec::new());
    console.send(Msg::Resize(80, 24));
    assert!(!console.keys("y").is_empty(), "it still asks");
    console.send(Msg::Resize(20, 5));
    assert!(console.keys("<ctrl-c>").contains(&Effect::Quit), "what ends the console works everywhere");
}

#[test]
fn y_confirms_and_nothing_is_sent_before_the_audit_has_it() {
    let mut console = Console::new();
    console.keys("T");
    assert_eq!(console.planned(plans::scale()), Vec::new(), "a plan alone wants nothing");
    let first: Vec<Order> = console.keys("y").into_iter().filter_map(of_operation).collect();
    let [Order::Record(record, Mark::Intent)] = first.as_slice() else { panic!("{first:?}") };
    assert!(matches!(record.entry, Entry::Intent { .. }));
    let second = console.event("op-scale", Event::Recorded(Mark::Intent));
    let [Order::Tell(_), Order::Record(record, Mark::Started(0))] = second.as_slice() else { panic!("{second:?}") };
    assert!(matches!(record.entry, Entry::Started { step: 0, .. }));
    let third = console.event("op-scale", Event::Recorded(Mark::Started(0)));
    let [Order::Apply(0, approved, _)] = third.as_slice() else { panic!("{third:?}") };
    assert_eq!(approved.operation(), "op-scale");
}

#[rstest]
#[case("<esc>")]
#[case("n")]
#[case("q")]
fn no_leaves_everything_and_discards_the_drafts(#[case] key: &str) {
    let mut console = Console::new();
    console.keys("3D");
    console.planned(plans::deploy());
    assert_eq!(console.keys(key), [Effect::Discard(plans::deploy().drafts)]);
    assert!(console.model.dialogs.is_empty() && console.model.operations.is_empty());
}

#[test]
fn read_only_refuses_a_plan_even_if_one_comes() {
    let mut console = read_only();
    console.planned(plans::scale());
    assert_eq!(console.keys("y"), [Effect::Discard(Vec::new())]);
    assert!(console.toast().contains("read-only"), "{}", console.toast());
    console.send(Msg::Unfinished(vec![paused()]));
    assert!(console.toast().ends_with("o shows them"), "not that it can be resumed: {}", console.toast());
    for key in ["o<enter>R", "U", "X"] {
        assert_eq!(console.keys(key), [], "{key}");
        assert!(console.toast().contains("read-only"), "{}", console.toast());
    }
    assert!(console.toast().contains("read-only"), "{}", console.toast());
}

#[rstest]
#[case("y<enter>", false)]
#[case("pro<enter>", false)]
#[case("PROD<enter>", false)]
#[case("prod <enter>", false)]
#[case("<enter>", false)]
#[case("prod<enter>", true)]
#[case("prof<backspace>d<enter>", true)]
fn a_typed_confirmation_needs_the_exact_name(#[case] keys: &str, #[case] confirmed: bool) {
    let mut console = Console::new();
    console.keys("3K");
    console.planned(plans::destroy());
    let wanted = console.keys(keys);
    assert_eq!(wanted.iter().any(writes), confirmed, "{wanted:?}");
    let phase = &console.model.operation("op-destroy").expect("known").phase;
    assert_eq!(*phase == Phase::Recording, confirmed, "{phase:?}");
}

#[test]
fn a_plan_is_read_to_its_end_while_a_name_is_typed() {
    let mut console = Console::new();
    console.keys("3K");
    console.planned(plans::destroy());
    console.model.viewport = Viewport { rows: 10, last: 41 };
    let scrolled = |console: &mut Console, keys| {
        console.keys(keys);
        let Some(Dialog::Operation { scroll, input, .. }) = console.model.dialogs.last() else { panic!("a plan") };
        (*scroll, input.text().to_owned())
    };
    assert_eq!(scrolled(&mut console, "pr<pagedown><down>"), (11, "pr".into()));
    assert_eq!(scrolled(&mut console, "<pagedown><pagedown><pagedown><pagedown>"), (41, "pr".into()));
    assert_eq!(scrolled(&mut console, "<up>od"), (40, "prod".into()));
    assert!(console.keys("<enter>").iter().any(writes));
}

#[test]
fn a_cancelled_plan_that_comes_late_is_discarded() {
    let mut console = Console::new();
    console.keys("3D");
    let old = console.model.planning;
    console.keys("<esc>1T");
    let drafts = plans::deploy().drafts;
    let effects = console.send(Msg::Planned(old, Box::new(Ok(plans::deploy()))));
    assert_eq!(effects, [Effect::Discard(drafts)]);
    assert!(matches!(console.model.dialogs.last(), Some(Dialog::Planning { .. })), "the newer one is still awaited");
    assert!(console.model.operations.is_empty());
}

#[test]
fn a_plan_that_cannot_be_made_says_why_and_the_way_out() {
    let mut console = Console::new();
    console.keys("T");
    console.send(Msg::Planned(console.model.planning, Box::new(Err(crate::support::unreachable().into()))));
    assert!(console.model.dialogs.is_empty());
    assert!(console.toast().contains("refused — check the network"), "{}", console.toast());
}

/// The console names the key as it is bound, and the palette where none is; the command line names its command.
#[rstest]
#[case::a_key(Hand::Rollback, None, "`B` on Fleet goes back")]
#[case::a_screen(Hand::Stacks, None, "`3` (Stack) goes back")]
#[case::a_screen_of_another(Hand::Users, None, "`u` on Clients goes back")]
#[case::everywhere(Hand::Operations, None, "`o` goes back")]
#[case::bound_anew(Hand::Rollback, Some(("rollback", "W")), "`W` on Fleet goes back")]
#[case::not_bound(Hand::Rollback, Some(("rollback", "")), "`:rollback` on Fleet goes back")]
fn a_refusal_names_the_key_that_helps(#[case] hand: Hand, #[case] bound: Option<(&str, &str)>, #[case] told: &str) {
    let refusal: PlanError = Refusal::new(ErrorKind::Conflict, "no").into();
    let refusal = refusal.with_way(hand, "quarterdeck that time", "goes back");
    assert_eq!(refusal.hint(), Some("`quarterdeck that time` goes back"), "on the command line");
    let mut console = Console::new();
    if let Some((name, key)) = bound {
        let keys = Some(key).filter(|key| !key.is_empty()).map(str::to_owned).into_iter().collect();
        console.model.keymap = Keymap::with(&BTreeMap::from([(name.to_owned(), keys)])).unwrap();
    }
    console.keys("T");
    console.send(Msg::Planned(console.model.planning, Box::new(Err(refusal))));
    assert_eq!(console.toast(), format!("cannot plan: no — {told}"));
}

/// What helps against every failure of a kind is a key where the console has one; what is known more precisely stands.
#[rstest]
#[case::renewed(ErrorKind::Expired, true, None, "`ctrl-l` runs `aws sso login --profile corp`")]
#[case::never_signed_in(ErrorKind::NoCredentials, true, None, "`ctrl-l` runs `aws sso login --profile corp`")]
#[case::issued_elsewhere(
    ErrorKind::Expired,
    false,
    None,
    "sign in again (`aws sso login`) or refresh the session's keys"
)]
#[case::denied(ErrorKind::Denied, false, None, "the role lacks this permission; `ctrl-p` goes to another profile")]
#[case::precisely(ErrorKind::Denied, false, Some("ask for ecr:PutImage"), "ask for ecr:PutImage")]
fn a_failed_call_names_the_key_that_helps(
    #[case] kind: ErrorKind,
    #[case] signs_in: bool,
    #[case] hint: Option<&str>,
    #[case] told: &str,
) {
    let sign_in = signs_in.then_some(SignIn::Sso);
    let mut console = Console::silent(Context { profile: Some("corp".into()), sign_in, ..fixtures::context() });
    let error = CloudError::new(kind, "ecs:DescribeServices", "no");
    let error = hint.map_or(error.clone(), |hint| error.with_hint(hint));
    (console.answers, console.world.down) = (true, Some(error.clone()));
    console.keys("3");
    console.tick(0);
    let shown = screen(&console, (120, 40));
    assert!(shown.contains(&format!("→ {told}")), "{shown}");
    console.send(Msg::Planned(console.model.planning, Box::new(Err(error.into()))));
    assert_eq!(console.toast(), format!("cannot plan: no — {told}"));
}

/// Who searches as everywhere else finds the same as who just types.
#[test]
fn a_slash_begins_the_search_of_the_keys() {
    let found = |keys: &str| {
        let mut console = Console::new();
        console.keys(keys);
        screen(&console, (120, 40))
    };
    let slash = found("?/roll");
    assert!(slash.contains("previous task definition"), "{slash}");
    assert_eq!(slash, found("?roll"));
}

#[test]
fn escape_leaves_one_thing_at_a_time() {
    let mut console = Console::new();
    console.keys("j<enter><enter>/x<enter>");
    for level in ["Containers", "Containers", "Tasks", "Servers"] {
        assert!(
            format!("{:?}", console.model.screens.fleet.level).starts_with(level),
            "{:?}",
            console.model.screens.fleet.level
        );
        console.keys("<esc>");
    }
    assert_eq!(console.model.screens.fleet.level, fleet::Level::Servers);
    assert_eq!(selected(&console.model), "weather", "the selection is where it was");
    assert!(console.keys("<esc>").is_empty() && !console.model.quitting, "escape at the root does nothing");
    assert_eq!(console.keys("3q"), []);
    assert_eq!(console.model.screen, Screen::Fleet);
    assert_eq!(console.keys("q"), [Effect::Quit]);
}

#[test]
fn filters_apply_while_typed_and_the_sort_order_can_be_reversed() {
    let mut console = Console::with(fixtures::trouble());
    console.keys("/health:degr");
    assert_eq!(selected(&console.model), "weather");
    console.keys("<esc>");
    assert_eq!(fleet::view(&console.model).rows.len(), 3);
    console.keys("<f1><f2>");
    let names: Vec<String> = fleet::view(&console.model).rows.into_iter().map(|row| row.key).collect();
    assert_eq!(names, ["weather", "time", "docs"]);
    console.keys("/");
    console.send(Msg::Paste("server:\u{7}docs".into()));
    assert_eq!(selected(&console.model), "docs", "a paste filters at once, without its control characters");
}

#[rstest]
#[case::signed_out("4uO", "anna", UserChange::SignOut)]
#[case::who_may_sign_in_is_disabled("4uX", "anna", UserChange::Disable)]
#[case::who_may_not_is_enabled("4ujX", "bert", UserChange::Enable)]
fn people_are_changed_from_the_clients(#[case] keys: &str, #[case] who: &str, #[case] change: UserChange) {
    let mut console = Console::new();
    let expected = PlanRequest::ChangeUser { user: format!("{who}-0a1b2c3d"), change };
    assert_eq!(request(console.keys(keys)), Some(expected));
    console.keys("<esc><esc>");
    assert_eq!(console.model.screen, Screen::Clients);
}

#[rstest]
#[case::a_deployment(fixtures::trouble(), "H", PlanRequest::StopDeployment { server: "docs".into() })]
#[case::an_update(stacks::deploying(), "3jjC", PlanRequest::CancelUpdate { stack: "quarterdeck-prod-platform".into() })]
#[case::a_rollback_with_nothing_to_skip(
    stacks::failed(),
    "3GR",
    PlanRequest::ContinueRollback { stack: "quarterdeck-prod-weather".into(), skip: vec![] }
)]
fn what_is_stuck_is_taken_back_from_where_it_is_seen(
    #[case] world: World,
    #[case] keys: &str,
    #[case] expected: PlanRequest,
) {
    let mut console = Console::with(world);
    assert_eq!(request(console.keys(keys)), Some(expected));
}

/// What could not be rolled back is offered; nothing is chosen for the operator.
#[rstest]
#[case::none("<enter>", &[])]
#[case::one(" <enter>", &["Service"])]
#[case::of_a_nested_stack("j <enter>", &["queues-1A2B.Queue"])]
#[case::both(" j <enter>", &["Service", "queues-1A2B.Queue"])]
#[case::not_after_all("  <enter>", &[])]
fn a_rollback_is_gone_on_with_without_what_is_chosen(#[case] keys: &str, #[case] skip: &[&str]) {
    let mut console = Console::with(stacks::rollback_failed());
    console.keys("3G");
    console.tick(1);
    assert_eq!(request(console.keys("R")), None, "it asks first");
    let skip = skip.iter().map(|one| (*one).to_owned()).collect();
    let expected = PlanRequest::ContinueRollback { stack: "quarterdeck-prod-weather".into(), skip };
    assert_eq!(request(console.keys(keys)), Some(expected));
}

#[rstest]
#[case::a_client("4Q", Who::Client("5h1kq8machine0weather0id".into()))]
#[case::a_person("4uQ", Who::Subject("anna-0a1b2c3d".into()))]
fn callers_are_kept_out_and_let_in_again_by_one_key(#[case] keys: &str, #[case] who: Who) {
    let mut console = Console::new();
    let kept = |seconds: i64| Some(PlanRequest::Quarantine { who: who.clone(), seconds: Some(seconds), lately: None });
    assert_eq!(request(console.keys(keys)), None, "it asks how long");
    assert_eq!(request(console.keys("<enter>")), kept(3_600));
    console.keys("<esc>");
    console.keys(keys);
    assert_eq!(request(console.keys("32d<enter>")), None);
    assert!(screen(&console, (100, 30)).contains("a time from 1s to 31d"), "{}", screen(&console, (100, 30)));
    console.keys("<ctrl-u>");
    assert_eq!(request(console.keys("90m<enter>")), kept(5_400));
    let mut world = fixtures::world();
    let until = at(600);
    world.quarantine.entries.push(Kept { who: who.clone(), until, by: Some("arn:bob".into()), since: None });
    let mut console = Console::with(world);
    assert_eq!(
        request(console.keys(keys)),
        Some(PlanRequest::Quarantine { who: who.clone(), seconds: None, lately: None })
    );
    // Shown with the time that is left, and who did it; an end that has passed is not.
    console.keys("<esc>");
    let view = if keys == "4Q" { clients::view(&console.model) } else { users::view(&console.model) };
    assert!(view.title.ends_with("; 1 caller in quarantine"), "{}", view.title);
    let row = view.rows.iter().find(|row| row.cells.iter().any(|cell| cell.text == "Q 10m00s")).unwrap();
    assert!(!row.well);
    let mut world = fixtures::world();
    world.quarantine.entries.push(Kept { who: who.clone(), until: at(0), by: None, since: None });
    let mut console = Console::with(world);
    console.keys(keys);
    assert_eq!(request(console.keys("<enter>")), kept(3_600));
}

#[test]
fn the_palette_finds_by_part_of_a_name() {
    let mut console = Console::new();
    console.keys(":clien<enter>");
    assert_eq!(console.model.screen, Screen::Clients);
    console.keys(":logsweather<enter>");
    assert_eq!(
        (console.model.screen, console.model.screens.logs.store.filter().servers.first().map(String::as_str)),
        (Screen::Logs, Some("weather"))
    );
    let screen = console.model.screen;
    console.keys(":theme nope<enter>");
    assert!(console.toast().contains("there is no theme \"nope\" here"), "{}", console.toast());
    assert_eq!(console.model.screen, screen, "whoever means a theme goes nowhere else");
    console.keys(":nothing-like-it<enter>");
    assert!(console.toast().contains("nothing is called"), "{}", console.toast());
    console.keys(":<ctrl-c>");
    assert!(console.model.quitting, "ctrl-c quits from anywhere");
}

/// A rotation that an earlier process left.
fn paused() -> Operation {
    paused_at("publish it: move AWSCURRENT")
}

fn paused_at(title: &str) -> Operation {
    let mut operation = Operation::restore(plans::rotate(true), at(-7_200), "the process ended".into());
    for step in 0..plans::step(&operation, title) {
        let facts = plans::learnt(&operation.steps()[step].work, "");
        operation.was_done(step, facts, Note::Done);
    }
    // The protocol itself learns when the new credentials were published.
    if operation.facts().contains(&Fact::Published("quarterdeck/prod/weather/machine-client".into())) {
        operation.was_agreed(Facts::of(Fact::PromotedAt, at(-3_600).to_string()));
    }
    operation
}

#[test]
fn an_unfinished_operation_is_offered_and_goes_on_where_it_was() {
    let mut console = Console::new();
    console.send(Msg::Unfinished(vec![paused()]));
    assert!(console.toast().contains("1 unfinished operation; o shows them"), "{}", console.toast());
    let asked = console.keys("o<enter>R");
    let [Effect::Judge(operation, Way::Resume)] = asked.as_slice() else { panic!("{asked:?}") };
    let judged = Msg::Judged(operation.id().to_owned(), Way::Resume, Ok(Standing::Resumable));
    assert_eq!(console.send(judged), [], "nothing is done before the answer");
    let wanted: Vec<Order> = console.keys("y").into_iter().filter_map(of_operation).collect();
    let publish = plans::step(&paused(), "publish it: move AWSCURRENT");
    let [Order::Tell(_), Order::Record(record, Mark::Started(begun))] = wanted.as_slice() else { panic!("{wanted:?}") };
    assert_eq!(*begun, publish, "those before it were done");
    assert!(matches!(record.entry, Entry::Started { step, .. } if step == publish));
}

/// A console with a paused rotation of which it was asked how to go on, and was told this.
fn offered(key: &str, standing: Standing) -> Console {
    let mut console = Console::new();
    console.send(Msg::Unfinished(vec![paused()]));
    let asked = console.keys(&format!("o<enter>{key}"));
    let [Effect::Judge(operation, way)] = asked.as_slice() else { panic!("{asked:?}") };
    assert_eq!(console.send(Msg::Judged(operation.id().to_owned(), *way, Ok(standing))), []);
    console
}

#[test]
fn the_list_of_operations_takes_the_keys_of_an_operation() {
    let mut console = Console::new();
    console.send(Msg::Unfinished(vec![paused()]));
    let asked = console.keys("oR");
    assert!(matches!(asked.as_slice(), [Effect::Judge(_, Way::Resume)]), "{asked:?}");
    assert!(matches!(console.model.dialogs.last(), Some(Dialog::Operation { id, .. }) if id == "op-rotate"));
}

fn phase(console: &Console) -> &Phase {
    &console.model.operation("op-rotate").expect("it is known").phase
}

#[rstest]
#[case("R")]
#[case("F")]
#[case("X")]
fn what_is_overtaken_can_be_closed_and_nothing_else(#[case] key: &str) {
    let mut console = offered(key, Standing::Overtaken("bob has rotated it".into()));
    let orders: Vec<Order> = console.keys("y").into_iter().filter_map(of_operation).collect();
    let [Order::Tell(given_free), Order::Tell(withdrawn), Order::Record(record, Mark::Other)] = orders.as_slice()
    else {
        panic!("{orders:?}")
    };
    assert!(matches!(withdrawn.call(), Call::Board(BoardCall::Withdraw { operation, .. }) if operation == "op-rotate"));
    assert!(matches!(given_free.call(), Call::Secret(SecretCall::ReleaseLease { .. })));
    let Entry::Outcome { outcome: Outcome::Closed { reason } } = &record.entry else { panic!("{record:?}") };
    assert_eq!(reason, "overtaken: bob has rotated it");
}

#[rstest]
#[case("R", Standing::Resumable)]
#[case("F", Standing::Resumable)]
#[case("R", Standing::Void("the stack is gone".into()))]
fn no_leaves_an_operation_as_it_was(#[case] key: &str, #[case] standing: Standing) {
    let mut console = offered(key, standing);
    assert!(matches!(phase(&console), Phase::Offered { .. }));
    assert_eq!(console.keys("n"), []);
    assert_eq!(phase(&console), &paused().phase);
    assert!(matches!(console.model.dialogs.last(), Some(Dialog::Operation { .. })), "its sheet stays");
}

#[test]
fn what_another_process_has_ended_is_ended_without_a_word_in_the_audit() {
    let mut console = offered("R", Standing::Ended(Outcome::Done));
    assert_eq!(phase(&console), &Phase::Ended(Outcome::Done));
    assert_eq!(console.keys("y").into_iter().filter_map(of_operation).count(), 0);
}

#[test]
fn what_can_go_on_can_be_given_up() {
    let mut console = offered("X", Standing::Resumable);
    console.keys("y");
    let given_up = Phase::Ended(Outcome::Closed { reason: "given up by the operator".into() });
    assert_eq!(phase(&console), &given_up);
}

#[test]
fn an_operation_whose_plan_asked_for_a_name_asks_for_it_again() {
    let mut console = Console::new();
    console.send(Msg::Unfinished(vec![Operation::restore(plans::destroy(), at(0), "left".into())]));
    console.keys("o<enter>R");
    console.send(Msg::Judged("op-destroy".into(), Way::Resume, Ok(Standing::Resumable)));
    assert_eq!(console.keys("y<enter>"), [], "a letter is no name");
    console.keys("<backspace>");
    let orders: Vec<Order> = console.keys("prod<enter>").into_iter().filter_map(of_operation).collect();
    assert!(
        !orders.is_empty()
            && orders.iter().all(|order| matches!(order, Order::Tell(_) | Order::Record(_, Mark::Started(_)))),
        "{orders:?}"
    );
}

#[test]
fn a_rotation_goes_on_until_taking_it_back_is_confirmed() {
    let mut console = Console::new();
    console.send(Msg::Unfinished(vec![paused_at("grace period: the old credentials still work")]));
    console.keys("o<enter>R");
    console.send(Msg::Judged("op-rotate".into(), Way::Resume, Ok(Standing::Resumable)));
    console.keys("y");
    assert_eq!(phase(&console), &Phase::Running);
    let effects = console.keys("U");
    assert!(request(effects).is_some());
    assert_eq!(phase(&console), &Phase::Running);
    console.planned(plans::undo());
    console.keys("n");
    assert_eq!(phase(&console), &Phase::Running);
    console.keys("o<enter>U");
    console.planned(plans::undo());
    console.keys("y");
    assert!(matches!(phase(&console), Phase::Paused { .. }), "{:?}", phase(&console));
}

#[test]
fn an_operation_of_another_account_is_not_resumed() {
    let mut console = Console::new();
    let mut theirs = paused();
    theirs.plan.target.account = "999999999999".into();
    console.send(Msg::Unfinished(vec![theirs]));
    assert_eq!(console.keys("o<enter>R").into_iter().filter(writes).count(), 0);
    assert!(console.toast().contains("belongs to account 999999999999"), "{}", console.toast());
}

#[test]
fn a_stack_whose_detail_was_not_read_is_not_called_missing() {
    let mut console = Console::new();
    console.keys("3<enter>");
    assert!(stack::view(&console.model).all > 0, "the resources are there");
    console.keys("<esc>");
    console.world.down = Some(crate::support::unreachable());
    console.model.screens.stack.detail.reset();
    console.keys("<enter>");
    let empty = stack::view(&console.model).empty;
    assert!(empty.starts_with("not read: "), "{empty}");
    console.keys("e");
    assert!(console.model.dialogs.is_empty() && console.toast().contains("not read: "), "{}", console.toast());
}

#[test]
fn only_an_unfinished_rotation_can_be_taken_back() {
    let mut console = Console::new();
    console.send(Msg::Unfinished(vec![paused()]));
    let effects = console.keys("o<enter>U");
    let Some(PlanRequest::UndoRotation { plan, .. }) = request(effects) else { panic!("no plan is asked for") };
    assert_eq!(plan.id, "op-rotate");
    let mut console = Console::new();
    console.send(Msg::Unfinished(vec![Operation::restore(plans::scale(), at(0), "left".into())]));
    assert_eq!(request(console.keys("o<enter>U")), None);
    assert_eq!(console.keys("F"), []);
}

#[test]
fn quitting_writes_nothing_and_the_driver_can_leave_what_is_under_way() {
    let mut console = Console::new();
    console.keys("T");
    console.planned(plans::scale());
    console.keys("y");
    console.event("op-scale", Event::Recorded(Mark::Intent));
    assert_eq!(console.keys("<esc><ctrl-c>"), [Effect::Quit]);
    let wanted = console.event("op-scale", Event::Leave("the console was closed".into()));
    let [Order::Record(record, Mark::Other)] = wanted.as_slice() else { panic!("{wanted:?}") };
    assert!(matches!(record.entry, Entry::Paused { .. }));
}

#[test]
fn the_operator_is_told_when_an_operation_is_refused_or_ends() {
    let mut console = Console::new();
    console.keys("T");
    console.planned(plans::scale());
    console.keys("y");
    console.event("op-scale", Event::NotRecorded("no space left on device".into()));
    assert!(console.toast().contains("nothing was done: no space left"), "{}", console.toast());
    assert!(console.model.operations.is_empty());
}

#[test]
fn the_wheel_moves_what_is_on_top() {
    let mut console = Console::new();
    console.keys("?");
    console.send(Msg::Scroll(3));
    assert!(matches!(console.model.dialogs.last(), Some(Dialog::Help { scroll: 3, .. })));
    assert_eq!(selected(&console.model), "time", "the table under it stays");
}

mod properties {
    use super::*;
    use proptest::prelude::*;

    /// Any key but the capital letters; the palette is left out, because a name typed in full and
    /// entered there says as much as a capital letter.
    fn harmless() -> impl Strategy<Value = KeyPress> {
        let typed = "[ -9;-@\\[-~]".prop_map(|c| Key::Char(c.chars().next().expect("one")));
        let key = prop_oneof![6 => typed, 2 => prop::sample::select(NAMED_KEYS)];
        (key, prop::bool::weighted(0.1)).prop_map(|(key, ctrl)| KeyPress { key, ctrl, alt: false })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

        /// The key rule: without a capital letter nothing is ever planned, let alone written.
        #[test]
        fn lower_case_never_writes(keys in prop::collection::vec(harmless(), 0..60)) {
            let mut console = Console::with(fixtures::trouble());
            console.logs(logs::mixed(), TailState::Live);
            console.keys("1");
            for press in keys {
                let effects = console.send(Msg::Key(press));
                prop_assert!(!effects.iter().any(writes), "{press} led to {effects:?}");
            }
        }

        /// Nor does any key at all write without its dialog: capital letters plan, and only that.
        #[test]
        fn no_key_writes_without_a_confirmed_plan(keys in prop::collection::vec("[ -~]", 0..60)) {
            let mut console = Console::new();
            for key in keys {
                let press = KeyPress::from(Key::Char(key.chars().next().expect("one")));
                let effects = console.send(Msg::Key(press));
                prop_assert!(!effects.iter().any(|effect| matches!(effect, Effect::Operation(..))));
            }
        }
    }
}
