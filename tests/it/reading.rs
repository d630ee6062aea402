//! What is read of AWS, how much of it and in which order, in accounts of every size.

use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::support::big::{Account, CLUSTER, Setup, name, task_id};
use crate::support::cloud::block_on;
use crate::support::{Console, World, at, fixtures, operators, pty};
use proptest::prelude::*;
use quarterdeck::aws::{Access, AwsCloud, Timeouts, connect_with};
use quarterdeck::cloud::{ErrorKind, Services};
use quarterdeck::console::effect::Effect;
use quarterdeck::console::msg::Msg;
use quarterdeck::console::screens::fleet::Level;
use quarterdeck::console::screens::{Answer, Fetch};
use quarterdeck::core::error::CloudError;
use quarterdeck::core::fleet::{Age, Ages, Attention, Fleet};
use quarterdeck::core::identity::Context;
use quarterdeck::core::operation::PlanRequest;
use quarterdeck::run::audit::Audit;
use quarterdeck::run::{Session, planner};
use rstest::rstest;

const LIMITS: Timeouts = Timeouts {
    connect: Duration::from_secs(3),
    attempt: Duration::from_secs(10),
    read: Duration::from_secs(15),
    logs: Duration::from_secs(15),
    write: Duration::from_secs(15),
    draft: Duration::from_secs(15),
    silence: None,
};

async fn cloud_with(account: &Account, limits: Timeouts) -> AwsCloud {
    let access = Access {
        region: Some("eu-central-1".into()),
        endpoint: Some(account.url.clone()),
        static_credentials: true,
        ..Access::default()
    };
    connect_with(&access, limits).await.unwrap()
}

async fn cloud(account: &Account) -> AwsCloud {
    cloud_with(account, LIMITS).await
}

/// What somebody looks at who sees these services.
fn attention(seen: impl IntoIterator<Item = usize>) -> Attention {
    Attention { seen: seen.into_iter().map(name).collect(), targets: true, ..Attention::default() }
}

/// Reads the fleet in turn; the pictures that came, and the fleet at the end.
async fn turn(cloud: &AwsCloud, attention: &Attention) -> (Vec<Fleet>, Fleet) {
    let pictures = Mutex::new(Vec::new());
    let fleet = cloud.fleet_in_turn(CLUSTER, attention, &|fleet| pictures.lock().unwrap().push(fleet)).await.unwrap();
    (pictures.into_inner().unwrap(), fleet)
}

async fn run(account: &Account, args: &[&str]) -> Output {
    let home = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_quarterdeck"));
    command.args(["--environment", "prod", "--region", "eu-central-1", "--endpoint-url", &account.url]).args(args);
    for name in pty::NOT_INHERITED {
        command.env_remove(name);
    }
    command.envs(pty::homes(home.path())).current_dir(home.path()).stdin(Stdio::null());
    command.env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", "test");
    tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap()
}

/// The calls of a command that fails or succeeds with this code.
async fn calls_of(services: usize, args: &[&str], code: i32) -> u64 {
    let account = Account::start(Setup { throttles: true, ..Setup::of(services) }).await;
    let output = run(&account, args).await;
    assert_eq!(output.status.code(), Some(code), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(account.refused(), 0, "{:?}", account.counts());
    account.calls()
}

#[rstest]
// With its log, its alarms and its figures, as `why`, AWS's issues, and the zone that is taken out.
#[case::status(&["status", "svc-003"], 0, 15)]
#[case::by_arn(&["status", "arn:aws:ecs:eu-central-1:123456789012:service/quarterdeck-prod/svc-003"], 0, 15)]
#[case::logs(&["logs", "svc-003", "--since", "1m"], 0, 10)]
// With its log, its alarms, its figures, and AWS's issues.
#[case::why(&["why", "svc-003"], 0, 13)]
#[case::why_by_arn(&["why", "arn:aws:ecs:eu-central-1:123456789012:service/quarterdeck-prod/svc-003"], 0, 13)]
// With its log, its alarms, its counts and its scaling.
#[case::timeline(&["timeline", "svc-003", "--since", "1h"], 0, 13)]
#[case::doctor(&["doctor", "svc-003"], 0, 20)]
#[tokio::test(flavor = "multi_thread")]
async fn a_command_about_one_service_reads_that_service(#[case] args: &[&str], #[case] code: i32, #[case] most: u64) {
    let (few, many) = (calls_of(5, args, code).await, calls_of(500, args, code).await);
    assert_eq!(few, many, "the size of the cluster changes nothing");
    assert!(many <= most, "{many} calls");
}

async fn session(account: &Account) -> (Session, tempfile::TempDir) {
    let directory = operators::directory();
    let session = Session {
        cloud: Arc::new(cloud(account).await),
        context: Context {
            environment: "prod".into(),
            region: "eu-central-1".into(),
            cluster: CLUSTER.into(),
            endpoint: None,
            protected: false,
            local: false,
            ..fixtures::context()
        },
        environment: None,
        engine: Arc::new(crate::support::engine::Without),
        overrides: Arc::default(),
        audit: Audit::open(directory.path()).unwrap(),
        trials: true,
    };
    (session, directory)
}

#[rstest]
#[case::scale(PlanRequest::Scale { server: name(3), desired: Some(5), bounds: None })]
#[case::restart(PlanRequest::Restart { server: name(3) })]
#[case::rollback(PlanRequest::Rollback { server: name(3), revision: None })]
#[case::stop(PlanRequest::StopTask { task: task_id(3, 1) })]
#[tokio::test]
async fn a_plan_for_one_service_reads_that_service(#[case] request: PlanRequest) {
    let mut calls = Vec::new();
    for services in [5, 500] {
        let account = Account::start(Setup { throttles: true, ..Setup::of(services) }).await;
        let (session, _directory) = session(&account).await;
        planner::plan(&session, request.clone()).await.unwrap();
        assert_eq!(account.refused(), 0, "{:?}", account.counts());
        calls.push(account.calls());
    }
    assert!(calls[0] == calls[1] && calls[1] <= 12, "{calls:?}");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_told_with_those_that_are() {
    let account = Account::start(Setup::of(25)).await;
    let (session, _directory) = session(&account).await;
    let error = planner::plan(&session, PlanRequest::Restart { server: "svc-999".into() }).await.unwrap_err();
    assert_eq!(error.why(), "there is no server \"svc-999\" in cluster quarterdeck-prod");
    let hint = error.hint().unwrap();
    assert!(hint.starts_with("it has svc-000, svc-001, ") && hint.ends_with("svc-019 and 5 others"), "{hint}");
}

#[tokio::test]
async fn the_first_rows_come_after_two_round_trips_and_the_rest_fills_in() {
    let account = Account::start(Setup { latency: Duration::from_millis(100), ..Setup::of(10) }).await;
    let (cloud, seen) = (cloud(&account).await, attention(0..10));
    let counts = Mutex::new(None);
    let told = |fleet: Fleet| {
        counts.lock().unwrap().get_or_insert((account.counts(), fleet));
    };
    let fleet = cloud.fleet_in_turn(CLUSTER, &seen, &told).await.unwrap();
    let (before, first) = counts.into_inner().unwrap().unwrap();
    assert!(
        !before.contains_key("DescribeTargetHealth") && !before.contains_key("DescribeTaskDefinition"),
        "{before:?}"
    );
    assert_eq!(first.servers.len(), 10, "all rows");
    let awaited = |server: &quarterdeck::core::fleet::Server| server.targets_unread().map(|why| why.kind);
    assert_eq!(awaited(&first.servers[0]), Some(ErrorKind::NotYet));
    assert!(first.unread().is_empty(), "what is awaited has not failed: {:?}", first.unread());
    let server = &fleet.servers[0];
    assert_eq!((awaited(server), server.target_count().as_str(), server.known_tasks().len()), (None, "4/4", 4));
    assert!(
        server.bounds.known().is_some_and(Option::is_some) && server.logs.known().is_some_and(|logs| logs.len() == 1)
    );
}

/// How targets are checked changes with a deploy, so it is read once, of the server that the operator is at.
#[tokio::test]
async fn the_health_check_of_the_selected_server_is_read_once() {
    let account = Account::start(Setup::of(10)).await;
    let cloud = cloud(&account).await;
    let at = Attention { selected: Some(name(3)), ..attention(0..10) };
    // Which groups it has comes with the first turn, too.
    for _ in 0..3 {
        let (_, fleet) = turn(&cloud, &at).await;
        let of = |server: usize| fleet.servers[server].balancers[0].groups[0].check.as_ref();
        assert_eq!(of(3).and_then(|check| check.known()?.path.as_deref()), Some("/healthz"), "{:?}", of(3));
        assert!(of(4).is_none(), "nobody is at it");
    }
    assert_eq!(account.counts()["DescribeTargetGroups"], 1);
}

/// The pages of the list come one after the other, and nothing waits for the last.
#[tokio::test]
async fn the_first_of_many_rows_come_after_two_round_trips_too() {
    let account = Account::start(Setup { latency: Duration::from_millis(50), ..Setup::of(500) }).await;
    let cloud = cloud(&account).await;
    let first = Mutex::new(None);
    let told = |fleet: Fleet| {
        first.lock().unwrap().get_or_insert((account.counts(), fleet));
    };
    let last = cloud.fleet_in_turn(CLUSTER, &attention(0..20), &told).await.unwrap();
    let (counts, fleet) = first.into_inner().unwrap().unwrap();
    assert!(counts["ListServices"] <= 3, "the list has five pages: {counts:?}");
    assert!(fleet.servers.iter().all(|server| server.name < name(100)), "they are of the first page");
    assert!(fleet.listing && fleet.servers.len() < 100, "it says that there are more than {}", fleet.servers.len());
    assert!(!last.listing && last.servers.len() == 500, "{} at last", last.servers.len());
}

/// A list of all tasks of a large cluster takes a round trip for each hundred.
#[tokio::test]
async fn what_is_opened_while_a_long_list_is_read_does_not_wait_for_it() {
    let account = Account::start(Setup { latency: Duration::from_millis(30), ..Setup::of(300) }).await;
    let (cloud, early) = (cloud(&account).await, Mutex::new(false));
    let told = |fleet: Fleet| {
        cloud.look(&Attention { opened: Some(name(200)), targets: true, ..Attention::default() });
        let known = |at| fleet.server(&name(at)).map(|server| server.tasks.known().map(Vec::len));
        *early.lock().unwrap() |= known(200) == Some(Some(4)) && known(100) == Some(None);
    };
    let fleet = cloud.fleet_in_turn(CLUSTER, &attention(0..20), &told).await.unwrap();
    assert!(*early.lock().unwrap(), "{:?}", account.counts());
    assert!(fleet.servers.iter().all(|server| server.known_tasks().len() == 4), "and the list comes, too");
}

/// A round of target groups takes seconds, eight at a time: what is selected meanwhile does not wait for its end.
#[tokio::test]
async fn the_targets_of_what_is_selected_are_the_next_that_are_read() {
    let account = Account::start(Setup { latency: Duration::from_millis(300), ..Setup::of(100) }).await;
    let cloud = cloud(&account).await;
    let selected = Mutex::new(None);
    let told = |_| {
        let read = account.targets_told().len();
        // In the midst of the round with most of them.
        if read > 16 {
            selected.lock().unwrap().get_or_insert_with(|| {
                cloud.look(&Attention { selected: Some(name(99)), ..attention(0..20) });
                read
            });
        }
    };
    cloud.fleet_in_turn(CLUSTER, &attention(0..20), &told).await.unwrap();
    let selected = selected.into_inner().unwrap().unwrap();
    let order = account.targets_told();
    let at = order.iter().position(|service| *service == 99).unwrap();
    assert!(at - selected <= 18, "after {} others, of which sixteen may have been under way: {order:?}", at - selected);
}

/// Sixty servers, all parts of which were read so many seconds after the start.
fn known_since(second: i64) -> Fleet {
    let servers: Vec<_> = (0..60).map(|at| fixtures::server(&name(at), 2)).collect();
    let age = Age { at: Some(at(second)), error: None };
    let ages = Ages { service: age.clone(), tasks: age.clone(), targets: Some(age.clone()), bounds: age };
    let ages = servers.iter().map(|server| (server.name.clone(), ages.clone())).collect();
    Fleet { servers, ages, ..Fleet::default() }
}

#[rstest]
#[case::old(0, true)]
#[case::young(9, false)]
fn a_server_that_is_selected_is_read_at_once_where_it_is_old(#[case] since: i64, #[case] begins: bool) {
    let mut console = Console::with(World { fleet: known_since(since), ..fixtures::world() });
    console.model.viewport.rows = 10;
    console.tick(10);
    console.tick(11);
    console.answers = false;
    let read = |effects: Vec<Effect>| {
        effects.into_iter().find_map(|effect| match effect {
            Effect::Fetch(Fetch::Fleet(attention), _) => Some(attention.selected),
            _ => None,
        })
    };
    assert_eq!(read(console.keys("j")), begins.then(|| Some(name(1))), "the next read is due in three seconds");
    assert_eq!(read(console.keys("j")), None, "nothing is begun on top of it");
}

#[test]
fn a_server_that_is_selected_while_the_fleet_is_read_is_looked_at_at_once() {
    let mut console = Console::with(World { fleet: known_since(0), ..fixtures::world() });
    console.model.viewport.rows = 10;
    console.answers = false;
    console.tick(10);
    let looked = |effects: Vec<Effect>| {
        effects.into_iter().find_map(|effect| match effect {
            Effect::Look(attention) => Some((attention.selected, attention.seen.len())),
            _ => None,
        })
    };
    assert_eq!(looked(console.keys("j")), Some((Some(name(1)), 10)), "in the same second");
    assert_eq!(looked(console.keys("j")), Some((Some(name(2)), 10)));
    assert_eq!(looked(console.tick(10)), None, "it is told once");
}

#[test]
fn what_is_opened_while_the_fleet_is_read_is_looked_at() {
    let mut console = Console::new();
    console.answers = false;
    console.tick(10);
    let opened = |effects: Vec<Effect>| {
        effects.into_iter().find_map(|effect| match effect {
            Effect::Look(attention) => Some(attention.opened),
            _ => None,
        })
    };
    console.keys("<enter>");
    let server = opened(console.tick(12)).flatten().unwrap();
    assert_eq!(console.model.screens.fleet.level, Level::Tasks(server));
    assert_eq!(opened(console.tick(14)), None, "it is told once");
}

#[tokio::test]
async fn each_part_tells_its_age_and_why_it_is_old() {
    let account = Account::start(Setup::of(3)).await;
    let cloud = cloud(&account).await;
    let before = jiff::Timestamp::now();
    let (_, fleet) = turn(&cloud, &attention(0..3)).await;
    let ages = &fleet.ages[&name(1)];
    let told: Vec<&str> = ages.parts().map(|(name, _)| name).collect();
    assert_eq!(told, ["service", "tasks", "targets", "scaling"]);
    let fresh = |age: &quarterdeck::core::fleet::Age| {
        age.error.is_none() && age.at.is_some_and(|at| at >= before && at <= jiff::Timestamp::now())
    };
    assert!(ages.parts().all(|(_, age)| fresh(age)), "{ages:?}");
    account.refuse("DescribeTargetHealth");
    let anew = Attention { anew: true, ..attention(0..3) };
    let again = async {
        loop {
            let (_, fleet) = turn(&cloud, &anew).await;
            if fleet.ages[&name(1)].targets.as_ref().is_some_and(|targets| targets.error.is_some()) {
                return fleet;
            }
            tokio::task::yield_now().await;
        }
    };
    let later = tokio::time::timeout(Duration::from_secs(60), again).await.unwrap();
    let (old, new) = (&fleet.ages[&name(1)], &later.ages[&name(1)]);
    assert!(new.service.at > old.service.at, "what can be read is read");
    let (was, is) = (old.targets.as_ref().unwrap(), new.targets.as_ref().unwrap());
    assert!(is.error.as_ref().is_some_and(|why| why.kind == ErrorKind::Throttled), "{is:?}");
    let drift = is.at.unwrap().duration_since(was.at.unwrap()).as_millis().abs();
    assert!(drift <= 50, "what was read keeps its age: {drift} ms");
    assert_eq!(later.servers[1].target_count(), "4/4", "and stands for some time");
}

/// Each call is answered in time, and their sum takes much longer than the limit.
#[tokio::test]
async fn a_slow_line_still_shows_everything() {
    let account = Account::start(Setup { latency: Duration::from_millis(400), ..Setup::of(2) }).await;
    let limits = Timeouts { read: Duration::from_millis(1_000), ..LIMITS };
    let cloud = cloud_with(&account, limits).await;
    let fleet = cloud.fleet(CLUSTER).await.unwrap();
    assert_eq!((fleet.servers.len(), fleet.unread().len()), (2, 0), "{:?}", fleet.unread());
    let (_, fleet) = turn(&cloud, &attention(0..2)).await;
    assert_eq!((fleet.servers.len(), fleet.unread().len()), (2, 0), "{:?}", fleet.unread());
}

#[rstest]
#[case::targets(&["DescribeTargetHealth"], 3)]
#[case::tasks(&["ListTasks"], 1)]
#[case::bounds(&["DescribeScalableTargets"], 1)]
#[case::task_definitions(&["DescribeTaskDefinition"], 3)]
#[tokio::test]
async fn a_part_that_does_not_come_takes_nothing_else_away(
    #[case] hangs: &'static [&'static str],
    #[case] unread: usize,
) {
    let account = Account::start(Setup { hangs, ..Setup::of(3) }).await;
    let limits = Timeouts { attempt: Duration::from_millis(200), read: Duration::from_millis(600), ..LIMITS };
    let cloud = cloud_with(&account, limits).await;
    let (pictures, fleet) = turn(&cloud, &attention(0..3)).await;
    assert!(!pictures.is_empty(), "the rest was shown before");
    assert_eq!(fleet.servers.len(), 3);
    let gaps = fleet.unread();
    assert_eq!(gaps.len(), unread, "{gaps:?}");
    assert!(gaps.iter().all(|gap| gap.why.kind == ErrorKind::TimedOut), "{gaps:?}");
}

#[tokio::test]
async fn what_was_read_stays_when_it_cannot_be_read_again() {
    let account = Account::start(Setup { refuses: 3, ..Setup::of(12) }).await;
    let cloud = cloud(&account).await;
    let (mut known, anew) = (0, Attention { anew: true, ..Attention::default() });
    for _ in 0..3 {
        // Every third call is refused, so a turn may end without a list.
        let Ok(fleet) = cloud.fleet_in_turn(CLUSTER, &anew, &drop).await else { continue };
        assert!(fleet.servers.len() >= known, "{} of {known} are left", fleet.servers.len());
        known = fleet.servers.len();
    }
    assert!(known > 0, "{:?}", account.counts());
}

#[tokio::test]
async fn the_budget_is_kept_below_the_rates_of_aws() {
    let account = Account::start(Setup { throttles: true, ..Setup::of(100) }).await;
    let cloud = cloud(&account).await.within_budgets();
    let (_, fleet) = turn(&cloud, &attention(0..20)).await;
    assert_eq!((fleet.servers.len(), account.refused()), (100, 0), "{:?}", account.counts());
    let counts = account.counts();
    let described = counts["DescribeServices"];
    assert!((10..=16).contains(&described), "all once, and what is seen again while targets are read: {described}");
    assert!(counts["DescribeTargetHealth"] <= 41, "a turn ends before the budget does: {counts:?}");
    let shown = |at: usize| fleet.servers[at].targets_unread().is_none();
    assert!((0..20).filter(|at| shown(*at)).count() >= 12, "what is seen comes first");
    assert!((20..100).any(shown), "and the rest is not left out");
    assert!(account.peak() <= 24, "{} at once", account.peak());
}

#[tokio::test]
async fn equal_turns_at_once_are_one() {
    let account = Account::start(Setup { latency: Duration::from_millis(20), ..Setup::of(10) }).await;
    let (cloud, seen) = (cloud(&account).await, attention(0..10));
    turn(&cloud, &seen).await;
    let once = account.counts();
    let other = self::cloud(&account).await;
    account.reset();
    let turns = (0..8).map(|_| other.fleet_in_turn(CLUSTER, &seen, &drop));
    let fleets = futures::future::join_all(turns).await;
    assert!(fleets.iter().all(|fleet| fleet.as_ref().is_ok_and(|fleet| fleet.servers.len() == 10)));
    assert_eq!(account.counts(), once);
}

#[tokio::test]
async fn what_does_not_change_is_read_once_and_what_is_not_shown_not_at_all() {
    let account = Account::start(Setup::of(10)).await;
    let cloud = cloud(&account).await;
    let logs = Attention { anew: true, ..Attention::default() };
    turn(&cloud, &logs).await;
    assert_eq!(account.counts().get("DescribeTargetHealth"), None, "the Logs screen shows no targets");
    turn(&cloud, &Attention { anew: true, ..attention(0..10) }).await;
    assert_eq!(account.counts()["DescribeTaskDefinition"], 10);
}

#[test]
fn a_key_that_is_held_reads_nothing_twice() {
    let mut console = Console::silent(fixtures::context());
    let begun = |effects: &[Effect]| {
        effects.iter().filter(|effect| matches!(effect, Effect::Fetch(Fetch::Fleet(_), _))).count()
    };
    let mut reads = begun(&console.tick(0));
    for _ in 0..60 {
        reads += begun(&console.keys("r"));
    }
    assert_eq!(reads, 1);
}

#[test]
fn the_rows_on_the_screen_are_what_is_looked_at() {
    let servers = (0..60).map(|at| fixtures::server(&name(at), 2)).collect();
    let mut console = Console::with(World { fleet: Fleet { servers, ..Fleet::default() }, ..fixtures::world() });
    console.model.viewport.rows = 10;
    let looked_at = |effects: Vec<Effect>| {
        effects.into_iter().find_map(|effect| match effect {
            Effect::Fetch(Fetch::Fleet(attention), _) => Some(attention),
            _ => None,
        })
    };
    console.answers = false;
    let top = looked_at(console.tick(10)).unwrap();
    assert_eq!((top.seen.first(), top.seen.len(), top.targets), (Some(&name(0)), 10, true));
}

proptest! {
    /// Whatever keys are pressed while answers come late, in parts, twice, out of turn or not at all: one read of the
    /// fleet is under way at most, what is shown is of the newest read that has answered, and never becomes older.
    #[test]
    fn no_answer_of_an_older_read_is_shown(steps in prop::collection::vec((0_u8..9, 0_u8..8), 1..120)) {
        let mut console = Console::silent(fixtures::context());
        let mut begun: Vec<u64> = Vec::new();
        let (mut now, mut answered, mut shown) = (0, 0, 0);
        for (step, which) in steps {
            let at = begun.len().saturating_sub(usize::from(which) + 1);
            let chosen = begun.get(at).copied();
            // The picture of a read is known by its count of servers.
            let picture = |generation: u64| Fleet {
                servers: (0..generation).map(|at| fixtures::server(&format!("s{at}"), 1)).collect(),
                ..Fleet::default()
            };
            let effects = match (step, chosen) {
                (0, _) => console.keys("r"),
                (1, _) => console.keys("2"),
                (2, _) => console.keys("1"),
                (3, _) => console.keys("j"),
                (4, Some(generation)) => console.send(Msg::FleetSoFar(generation, Box::new(picture(generation)))),
                (5, Some(generation)) => {
                    answered = answered.max(generation);
                    console.send(Msg::Loaded(generation, Answer::Fleet(Ok(picture(generation)))))
                }
                (6, Some(generation)) => {
                    answered = answered.max(generation);
                    let throttled = CloudError::new(ErrorKind::Throttled, "ecs:ListServices", "Rate exceeded");
                    console.send(Msg::Loaded(generation, Answer::Fleet(Err(throttled))))
                }
                _ => {
                    now += i64::from(which);
                    console.tick(now)
                }
            };
            for effect in effects {
                if let Effect::Fetch(Fetch::Fleet(_), generation) = effect {
                    prop_assert!(begun.last().is_none_or(|last| answered >= *last), "two reads at once");
                    begun.push(generation);
                }
            }
            let newest = console.model.screens.fleet.remote.get().map_or(0, |fleet| fleet.servers.len());
            prop_assert!(newest >= shown, "{newest} after {shown}");
            shown = newest;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4))]

    /// With a slow endpoint that refuses now and then, and whatever is looked at: the budget is kept, rows do not go,
    /// and after some turns every part of every row was read.
    #[test]
    fn nothing_starves_and_nothing_goes_beyond_the_budget(
        services in 1_usize..12, refuses in prop::sample::select(vec![0_u64, 7, 11]), millis in 0_u64..8,
        looks in prop::collection::vec((0_usize..12, any::<bool>()), 3),
    ) {
        block_on(async {
            let latency = Duration::from_millis(millis);
            let account = Account::start(Setup { latency, refuses, throttles: true, ..Setup::of(services) }).await;
            let cloud = cloud(&account).await.within_budgets();
            let mut rows = 0;
            for (from, anew) in looks {
                let seen = Attention { anew, ..attention(from.min(services)..(from + 5).min(services)) };
                // A list that was refused three times is asked for again with the next turn.
                let Ok(fleet) = cloud.fleet_in_turn(CLUSTER, &seen, &drop).await else { continue };
                assert!(fleet.servers.len() >= rows);
                rows = fleet.servers.len();
            }
            let seen = attention(0..services);
            let fleet = cloud.fleet_in_turn(CLUSTER, &seen, &drop).await.unwrap_or_default();
            if refuses == 0 {
                assert_eq!((fleet.servers.len(), account.refused()), (services, 0));
                let awaited = |server: &&quarterdeck::core::fleet::Server| {
                    server.targets_unread().is_some() || server.tasks.known().is_none()
                };
                assert_eq!(fleet.servers.iter().filter(awaited).count(), 0);
            }
        });
    }
}

#[test]
fn the_header_shows_a_budget_that_is_used_up() {
    use crate::support::painted::screen;
    use quarterdeck::core::pace::Usage;
    let mut console = Console::new();
    let busy = Usage { calls: 4, allowed: Some(2.5), waiting: 21, throttled: 3 };
    console.send(Msg::Usage(vec![("ECS services", Usage::default()), ("load balancers", busy)]));
    let shown = screen(&console, (160, 40));
    assert!(shown.contains("load balancers 4 of 2.5/s, 3 throttled"), "{shown}");
}
