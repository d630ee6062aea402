//! Several places in one Fleet: each row with its place, none waiting for another, and keys that act where the row is.

use std::collections::BTreeMap;

use crate::support::journey::{Journey, pick};
use crate::support::painted::{ALL, body};
use crate::support::{Console, World, at, fixtures};
use proptest::prelude::*;
use quarterdeck::console::beside;
use quarterdeck::console::effect::Effect;
use quarterdeck::console::keymap::Keymap;
use quarterdeck::console::model::Model;
use quarterdeck::console::msg::Msg;
use quarterdeck::console::place::{Arrival, PlaceId, Renewed};
use quarterdeck::console::screens::{Answer, Fetch, Screen, fleet};
use quarterdeck::core::destination::{Destination, Target};
use quarterdeck::core::error::{CloudError, ErrorKind, Refusal};
use quarterdeck::core::fleet::Fleet;
use quarterdeck::core::identity::Context;
use quarterdeck::core::operation::PlanRequest;
use rstest::rstest;

fn environment(name: &str) -> Destination {
    Destination { profile: None, region: Some("eu-west-1".into()), target: Some(Target::Environment(name.into())) }
}

fn context_of(to: &Destination) -> Context {
    let Some(Target::Environment(name)) = &to.target else { panic!("{to:?}") };
    Context {
        region: to.region.clone().unwrap_or_else(|| "eu-west-1".into()),
        environment: name.clone(),
        cluster: format!("quarterdeck-{name}"),
        profile: to.profile.clone(),
        ..Context::default()
    }
}

/// The servers of an environment: one that has the same name in all of them, and one that has not.
fn fleet_of(name: &str) -> Fleet {
    let mut fleet = fixtures::world().fleet;
    fleet.servers.truncate(1);
    fleet.servers[0].task_definition = format!("{name}:7");
    fleet.servers.push(fixtures::server(&format!("own-{name}"), 2));
    fleet
}

/// A console in `prod` with others beside it.
struct Several {
    console: Console,
    /// Reads that were begun in other places.
    begun: BTreeMap<PlaceId, u64>,
    joins: Vec<(PlaceId, Destination)>,
}

impl Several {
    fn new(others: &[&str]) -> Self {
        let mut console = Console::silent(fixtures::context());
        beside::stand(&mut console.model, others.iter().map(|name| environment(name)).collect());
        console.world = World { fleet: fleet_of("prod"), ..fixtures::world() };
        console.answers = true;
        let mut several = Self { console, begun: BTreeMap::new(), joins: Vec::new() };
        several.tick(0);
        several
    }

    /// Takes note of what others are asked; the rest comes back.
    fn note(&mut self, effects: Vec<Effect>) -> Vec<Effect> {
        let mut rest = Vec::new();
        for effect in effects {
            match effect {
                Effect::Join(id, to) => self.joins.push((id, to)),
                Effect::Of(id, of) => match *of {
                    Effect::Fetch(Fetch::Fleet(_), generation) => drop(self.begun.insert(id, generation)),
                    other => rest.push(other),
                },
                other => rest.push(other),
            }
        }
        rest
    }

    fn tick(&mut self, seconds: i64) -> Vec<Effect> {
        let effects = self.console.tick(seconds);
        self.note(effects)
    }

    fn keys(&mut self, keys: &str) -> Vec<Effect> {
        let effects = self.console.keys(keys);
        self.note(effects)
    }

    fn send(&mut self, msg: Msg) -> Vec<Effect> {
        let effects = self.console.send(msg);
        self.note(effects)
    }

    fn id(&self, name: &str) -> PlaceId {
        self.joins.iter().rev().find(|(_, to)| *to == environment(name)).expect("it is joined").0
    }

    fn join(&mut self, name: &str) {
        let id = self.id(name);
        self.send(Msg::Joined(id, Box::new(Ok(context_of(&environment(name))))));
    }

    fn answer(&mut self, name: &str, fleet: Result<Fleet, CloudError>) {
        let id = self.id(name);
        let generation = self.begun.remove(&id).expect("it is being read");
        self.send(Msg::Of(id, Box::new(Msg::Loaded(generation, Answer::Fleet(fleet)))));
    }

    fn enter(&mut self, effects: &[Effect]) -> Vec<Effect> {
        let (id, to) = effects
            .iter()
            .find_map(|effect| match effect {
                Effect::Enter(id, to) => Some((*id, to.clone())),
                _ => None,
            })
            .expect("it goes somewhere");
        let Some(Target::Environment(name)) = &to.target else { panic!("{to:?}") };
        self.console.world.fleet = fleet_of(name);
        let arrival = Arrival { context: context_of(&to), unfinished: Vec::new() };
        self.send(Msg::Entered(id, Box::new(Ok(arrival))))
    }

    /// The rows: place, server, health, cause.
    fn rows(&self) -> Vec<[String; 4]> {
        let view = fleet::view(&self.console.model);
        let cell = |row: &quarterdeck::console::table::Row, index: usize| row.cells[index].text.clone();
        let last = view.columns.len() - 1;
        view.rows.iter().map(|row| [cell(row, 1), cell(row, 0), cell(row, 2), cell(row, last)]).collect()
    }

    fn select(&mut self, place: &str, server: &str) {
        let row = self.rows().iter().position(|row| row[0] == place && row[1] == server).expect("such a row");
        self.keys(&format!("g{}", "j".repeat(row)));
    }
}

fn plans_of(effects: &[Effect]) -> Vec<&PlanRequest> {
    effects
        .iter()
        .filter_map(|effect| if let Effect::Plan(_, request) = effect { Some(request) } else { None })
        .collect()
}

fn hangs() -> CloudError {
    CloudError::new(ErrorKind::TimedOut, "ecs:ListServices", "no answer from AWS in eu-west-1 for 15 s")
}

#[test]
fn each_row_has_its_place_and_one_that_hangs_keeps_no_other_waiting() {
    let mut several = Several::new(&["staging", "test"]);
    several.join("staging");
    several.join("test");
    several.answer("staging", Ok(fleet_of("staging")));
    let rows = several.rows();
    let row = |place: &str, server: &str| {
        rows.iter().find(|row| row[0] == place && row[1] == server).unwrap_or_else(|| panic!("{rows:?}"))
    };
    assert_eq!(row("prod", "own-prod")[2], "● healthy");
    assert_eq!(row("staging", "own-staging")[2], "● healthy");
    assert_eq!(row("test", "")[2], "reading …");
    for size in ALL {
        insta::assert_snapshot!(format!("beside@{}x{}", size.0, size.1), body(&several.console, *size));
    }
    several.tick(16);
    several.answer("test", Err(hangs()));
    several.tick(17);
    let rows = several.rows();
    let hung = rows.iter().find(|row| row[0] == "test").expect("a row of its own");
    assert_eq!(hung[2], "? not read");
    assert!(hung[3].starts_with(&hangs().message), "{hung:?}");
    assert!(several.begun.contains_key(&several.id("staging")), "the other is read again meanwhile");
}

#[test]
fn what_was_read_stays_with_its_age_where_it_is_not_read_again() {
    let mut several = Several::new(&["staging"]);
    several.join("staging");
    several.answer("staging", Ok(fleet_of("staging")));
    several.tick(8);
    several.answer("staging", Err(hangs()));
    several.tick(50);
    let rows = several.rows();
    assert!(rows.iter().any(|row| row[1] == "own-staging" && row[2] == "● healthy"), "{rows:?}");
    let stale = rows.iter().find(|row| row[0] == "staging" && row[1].is_empty()).expect("a row that says so");
    assert_eq!(stale[2], "stale 50s");
    assert!(stale[3].starts_with(&hangs().message), "{stale:?}");
}

#[test]
fn one_that_cannot_be_reached_says_why_and_is_tried_again_when_asked() {
    let mut several = Several::new(&["staging"]);
    let refusal = Refusal::new(ErrorKind::Invalid, "there is no profile `lab`").with_hint("there is corp");
    several.send(Msg::Joined(several.id("staging"), Box::new(Err(refusal))));
    let rows = several.rows();
    assert!(rows.iter().any(|row| row[3] == "there is no profile `lab` — there is corp"), "{rows:?}");
    several.joins.clear();
    several.tick(60);
    assert_eq!(several.joins, []);
    several.keys("r");
    assert_eq!(several.joins.len(), 1);
}

#[test]
fn others_are_read_only_while_their_rows_are_shown() {
    let mut several = Several::new(&["staging"]);
    several.join("staging");
    several.answer("staging", Ok(fleet_of("staging")));
    several.keys("3");
    several.tick(30);
    assert!(several.begun.is_empty(), "on the Stack screen");
    several.keys("1");
    several.answer("staging", Ok(fleet_of("staging")));
    several.select("prod", "own-prod");
    several.keys("<enter>");
    several.tick(60);
    assert!(several.begun.is_empty(), "in a server");
    several.keys("<esc>");
    assert_eq!(several.begun.len(), 1);
}

#[test]
fn whoever_signs_in_again_reaches_those_anew_that_wanted_it() {
    let mut several = Several::new(&["staging", "test"]);
    several.join("staging");
    several.join("test");
    let expired = CloudError::new(ErrorKind::Expired, "ecs:ListServices", "The security token is expired");
    several.answer("staging", Err(expired));
    several.answer("test", Ok(fleet_of("test")));
    several.joins.clear();
    several.send(Msg::SignedIn(Ok(Renewed::Same)));
    let again: Vec<&Destination> = several.joins.iter().map(|(_, to)| to).collect();
    assert_eq!(again, [&environment("staging")], "the session of the other goes on");
    several.join("staging");
    several.answer("staging", Ok(fleet_of("staging")));
    assert!(several.rows().iter().any(|row| row[1] == "own-staging"), "{:?}", several.rows());
}

#[test]
fn nothing_of_the_account_before_stays_where_somebody_signs_in_to_another() {
    let mut several = Several::new(&["staging"]);
    several.join("staging");
    several.answer("staging", Ok(fleet_of("staging")));
    several.tick(5);
    let (id, asked) = (several.id("staging"), several.begun[&several.id("staging")]);
    several.joins.clear();
    several.send(Msg::SignedIn(Ok(Renewed::Elsewhere)));
    assert_eq!(several.joins.len(), 1, "a session with the new credentials");
    let late = Msg::Loaded(asked, Answer::Fleet(Ok(fleet_of("staging"))));
    several.send(Msg::Of(id, Box::new(late)));
    let rows = several.rows();
    assert!(rows.iter().all(|row| row[1] != "own-staging"), "nor what was asked with those before: {rows:?}");
}

/// Every key that acts on a server acts where the row is: it goes there first, and nothing happens where the console was.
#[rstest]
#[case::open("<enter>")]
#[case::restart("T")]
#[case::roll_back("B")]
#[case::scale("S")]
#[case::logs("l")]
#[case::describe("d")]
#[case::copy("c")]
fn a_key_on_a_row_of_another_place_goes_there_first(#[case] keys: &str) {
    let mut several = Several::new(&["staging"]);
    several.join("staging");
    several.answer("staging", Ok(fleet_of("staging")));
    several.select("staging", "time");
    let effects = several.keys(keys);
    assert!(matches!(effects.as_slice(), [Effect::Enter(_, to)] if *to == environment("staging")), "{effects:?}");
    assert!(several.console.model.dialogs.is_empty());
    assert_eq!(several.console.model.context.environment, "prod", "until it is reached");
    let effects = several.enter(&effects);
    let model = &several.console.model;
    assert_eq!(model.context.environment, "staging");
    match keys {
        "<enter>" => assert_eq!(fleet::opened(model), Some("time")),
        "T" => assert_eq!(plans_of(&effects), [&PlanRequest::Restart { server: "time".into() }]),
        "B" => assert_eq!(plans_of(&effects), [&PlanRequest::Rollback { server: "time".into(), revision: None }]),
        "S" | "d" => assert_eq!(model.dialogs.len(), 1),
        "l" => assert_eq!(model.screen, Screen::Logs),
        _ => assert!(effects.iter().any(|effect| matches!(effect, Effect::Copy(_))), "{effects:?}"),
    }
}

#[test]
fn an_errand_is_dropped_where_the_operator_does_something_else_meanwhile() {
    let mut several = Several::new(&["staging"]);
    several.join("staging");
    several.answer("staging", Ok(fleet_of("staging")));
    several.select("staging", "time");
    let effects = several.keys("T");
    several.keys("3");
    let effects = several.enter(&effects);
    assert_eq!(plans_of(&effects), [] as [&PlanRequest; 0], "not over another screen");

    let mut several = Several::new(&["staging"]);
    several.join("staging");
    several.answer("staging", Ok(fleet_of("staging")));
    several.select("staging", "time");
    several.keys("T");
    // Elsewhere after all: what was to be restarted in staging is not restarted there.
    let elsewhere = several.keys("<ctrl-r>us-east-2<enter>");
    let effects = several.enter(&elsewhere);
    assert_eq!(plans_of(&effects), [] as [&PlanRequest; 0]);
    several.tick(5);
    assert_eq!(several.console.model.context.region, "us-east-2");
    assert!(several.console.model.operations.is_empty());
}

#[test]
fn the_place_that_was_left_stands_in_the_fleet_with_what_was_read_of_it() {
    let mut several = Several::new(&["alpha"]);
    several.join("alpha");
    several.answer("alpha", Ok(fleet_of("alpha")));
    several.select("alpha", "own-alpha");
    let effects = several.keys("<enter>");
    // What is shown at once is what was known, though nothing is answered there yet.
    several.console.answers = false;
    several.enter(&effects);
    assert_eq!(fleet::opened(&several.console.model), Some("own-alpha"));
    several.keys("<esc>");
    let rows = several.rows();
    let places: Vec<(&str, &str)> = rows.iter().map(|row| (row[0].as_str(), row[1].as_str())).collect();
    assert_eq!(
        places,
        [("prod", "time"), ("prod", "own-prod"), ("alpha", "time"), ("alpha", "own-alpha")],
        "in the same order as before"
    );
    several.join("prod");
    several.tick(5);
    assert!(several.begun.contains_key(&several.id("prod")), "and it is read on");
}

#[test]
fn a_place_without_servers_has_a_row_wherever_the_console_is() {
    let mut several = Several::new(&["staging"]);
    several.join("staging");
    several.answer("staging", Ok(Fleet { no_cluster: true, ..Fleet::default() }));
    let nothing = ["staging", "", "no cluster", "nothing is deployed there"].map(str::to_owned);
    assert!(several.rows().contains(&nothing), "{:?}", several.rows());
    several.keys("G");
    let below = body(&several.console, (80, 24));
    let (_, pane) = below.split_once("── servers of staging").expect("the place has a pane of its own");
    assert!(pane.contains("nothing is deployed there"), "{pane}");
    several.console.world.fleet = Fleet::default();
    several.keys("r");
    several.tick(1);
    let own = ["prod", "", "no server", "none is deployed there"].map(str::to_owned);
    assert_eq!(several.rows(), [own, nothing]);
    several.keys("g");
    let below = body(&several.console, (80, 24));
    let (_, pane) = below.split_once("── servers of prod").expect("the place has a pane of its own");
    assert!(pane.contains("none is deployed there"), "{pane}");
    assert!(several.keys("T").is_empty() && several.console.toast().contains("no server"), "there is none to restart");
}

#[test]
fn a_place_is_kept_in_the_fleet_or_not() {
    let mut nowhere =
        Console::silent(Context { cluster: String::new(), environment: String::new(), ..fixtures::context() });
    nowhere.keys("<esc>:pin<enter>");
    assert!(nowhere.toast().contains("no cluster is chosen yet"), "{}", nowhere.toast());
    let mut several = Several::new(&[]);
    let effects = several.keys(":environment staging<enter>");
    several.enter(&effects);
    assert!(several.console.model.place.beside.is_empty(), "it was not to stay");
    several.keys(":pin<enter>");
    let effects = several.keys("<ctrl-r>us-east-2<enter>");
    several.enter(&effects);
    let there: Vec<&Destination> = several.console.model.place.beside.iter().map(|one| one.destination()).collect();
    assert_eq!(there, [&environment("staging")]);
}

#[test]
fn one_that_was_named_twice_stands_there_once() {
    let mut console = Console::silent(fixtures::context());
    let whole = environment("staging");
    let short = Destination { region: None, ..whole.clone() };
    let own = Destination { region: None, ..environment("prod") };
    beside::stand(&mut console.model, vec![whole.clone(), short, own]);
    let effects = console.tick(0);
    let joins: Vec<(PlaceId, Destination)> = effects
        .into_iter()
        .filter_map(|effect| if let Effect::Join(id, to) = effect { Some((id, to)) } else { None })
        .collect();
    assert_eq!(joins.len(), 3);
    for (id, to) in joins {
        console.send(Msg::Joined(id, Box::new(Ok(context_of(&to)))));
    }
    let there: Vec<&Destination> = console.model.place.beside.iter().map(|one| one.destination()).collect();
    assert_eq!(there, [&whole]);
}

#[test]
fn what_is_wrong_elsewhere_is_the_first_line_where_all_is_well_here() {
    let mut several = Several::new(&["staging"]);
    several.join("staging");
    let mut sick = fleet_of("staging");
    sick.servers[1] = fixtures::world().fleet.servers[1].clone();
    sick.servers[1].running = 0;
    several.answer("staging", Ok(sick));
    let shown = body(&several.console, (120, 40));
    let why = shown.lines().find(|line| line.contains("why")).unwrap_or_else(|| panic!("{shown}"));
    assert!(why.contains("in staging, weather:"), "{why}");
}

/// What happens, at random.
#[derive(Debug, Clone)]
enum Move {
    Keys(&'static str),
    Pass(i64),
    Join(usize, bool),
    Enter(usize),
    Answer(usize, bool),
}

/// Reads are answered in any order, each with the data of the place where it was asked.
struct Beside {
    journey: Journey,
    here: BTreeMap<PlaceId, Destination>,
}

impl Beside {
    fn new() -> Self {
        let mut model = Model::new(context_of(&environment("prod")), Keymap::default(), at(0), (120, 40));
        beside::stand(&mut model, vec![environment("staging"), environment("test")]);
        let here = BTreeMap::from([(model.place.shown(), environment("prod"))]);
        Self { journey: Journey::new(model), here }
    }

    fn model(&self) -> &Model {
        &self.journey.model
    }

    fn step(&mut self, step: &Move) {
        match step {
            Move::Keys(keys) => self.journey.keys(keys),
            Move::Pass(seconds) => self.journey.pass(*seconds),
            Move::Join(which, well) => {
                let Some((id, to)) = pick(&self.journey.joins, *which) else { return };
                self.here.insert(id, to.clone());
                let refused = || Refusal::new(ErrorKind::Invalid, "no way leads there");
                let context = if *well { Ok(context_of(&to)) } else { Err(refused()) };
                self.journey.send(Msg::Joined(id, Box::new(context)));
            }
            Move::Enter(which) => {
                let Some((id, to)) = pick(&self.journey.enters, *which) else { return };
                self.here.insert(id, to.clone());
                let arrival = Arrival { context: context_of(&to), unfinished: Vec::new() };
                self.journey.send(Msg::Entered(id, Box::new(Ok(arrival))));
            }
            Move::Answer(which, well) => {
                let Some((place, effect)) = pick(&self.journey.begun, *which) else { return };
                let Effect::Fetch(read, generation) = effect else { return };
                let Some(Target::Environment(name)) = &self.here[&place].target else { return };
                let world = World { fleet: fleet_of(name), ..fixtures::world() };
                let answer = if *well { world.answer(&read) } else { read.failed(hangs()) };
                self.journey.send(Msg::Of(place, Box::new(Msg::Loaded(generation, answer))));
            }
        }
        self.check();
    }

    /// Every row is of the place that it names, and what is kept as the shown place's is of that.
    fn check(&self) {
        let here = &self.model().context.environment;
        let own = self.model().screens.fleet.remote.get().map(|fleet| fleet.servers.as_slice()).unwrap_or_default();
        for server in own {
            assert!(
                server.task_definition == format!("{here}:7") || server.name == format!("own-{here}"),
                "{server:?}"
            );
        }
        let view = fleet::view(self.model());
        if view.columns.get(1).is_none_or(|column| column.title != "PLACE") {
            return;
        }
        for row in &view.rows {
            let (server, place) = (row.cells[0].text.as_str(), row.cells[1].text.as_str());
            assert_eq!(row.cells.len(), view.columns.len(), "{row:?}");
            if let Some(whose) = server.strip_prefix("own-") {
                assert_eq!(whose, place, "{row:?}");
            }
            if server == "time" {
                assert!(row.cells.iter().any(|cell| cell.text == format!("{place}:7")), "{row:?}");
            }
        }
    }
}

const KEYS: &[&str] =
    &["j", "k", "G", "g", "<enter>", "<esc>", "T", "l", "d", "r", "z", "1", "3", "/own<enter>", "<esc><esc><esc>1"];

fn moves() -> impl Strategy<Value = Move> {
    prop_oneof![
        4 => proptest::sample::select(KEYS).prop_map(Move::Keys),
        1 => (1..15_i64).prop_map(Move::Pass),
        2 => (0..4_usize, proptest::bool::weighted(0.8)).prop_map(|(which, well)| Move::Join(which, well)),
        2 => (0..3_usize).prop_map(Move::Enter),
        6 => (0..12_usize, proptest::bool::weighted(0.8)).prop_map(|(which, well)| Move::Answer(which, well)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn every_row_is_of_the_place_that_it_names(moves in proptest::collection::vec(moves(), 1..64)) {
        let mut journey = Beside::new();
        moves.iter().for_each(|step| journey.step(step));
    }
}

#[test]
fn a_journey_goes_to_a_neighbour_and_back() {
    // That the journeys of the test above come about at all.
    let mut journey = Beside::new();
    (0..2).for_each(|which| journey.step(&Move::Join(which, true)));
    (0..12).for_each(|which| journey.step(&Move::Answer(which, true)));
    assert_eq!(fleet::view(journey.model()).rows.len(), 6);
    for there in ["test", "prod"] {
        let key = if there == "test" { "G" } else { "g" };
        journey.step(&Move::Keys(key));
        journey.step(&Move::Keys("<enter>"));
        journey.step(&Move::Enter(0));
        assert_eq!(journey.model().context.environment, there);
        journey.step(&Move::Keys("<esc>"));
    }
}
