//! The trial of a server's image in the plan of a deploy and of a publish: what it shows, what is kept of it with the
//! environment, and what the next plan compares. The engine is scripted; `e2e_trial.rs` has a real one.

use std::sync::Arc;

use crate::support::Console;
use crate::support::engine::{Shelf, config};
use crate::support::operators::Desk;
use crate::support::painted::screen;
use crate::support::world::{Secret, Setup, World};
use quarterdeck::core::environment::{Architecture, Environment};
use quarterdeck::core::image::Source;
use quarterdeck::core::operation::deploy::StackDeploy;
use quarterdeck::core::operation::record::Outcome;
use quarterdeck::core::operation::{Intent, Phase, PlanRequest};
use quarterdeck::core::plan::Plan;
use quarterdeck::core::trial::{Answered, Compared, Fine, Listed, Outcome as Came, Tried, Way};
use rstest::rstest;

const IMAGE: &str = "docker.io/acme/files:2";
const STACK: &str = "quarterdeck-prod-time";

fn deploy() -> PlanRequest {
    PlanRequest::Deploy { servers: Vec::new() }
}

/// An environment whose one server knows nothing of gangway.
fn file(app: &str) -> String {
    format!(
        "environment = 'prod'\nregion = 'eu-central-1'\n[platform]\ngangway_image = 'registry.example.com/gangway:1'\n\
         [[server]]\nname = 'time'\nimage = '{IMAGE}'\nmin = 2\nmax = 2\n[server.app]\ntransport = 'stdio'\n\
         command = ['node', 'a.js']\n{app}"
    )
}

fn say(desk: &mut Desk, file: &str) {
    let environment: Environment = toml::from_str(file).unwrap();
    environment.validate().unwrap();
    desk.session.environment = Some(Arc::new(environment));
}

fn answered(tools: &[(&str, bool)]) -> Tried {
    let tools = tools.iter().map(|(name, reads)| Listed { name: (*name).to_owned(), reads: *reads }).collect();
    Tried::Answered(Answered { revision: "2025-06-18".into(), tools, memory_mib: Some(78), answered_ms: 812 })
}

/// An operator whose engine has the image, and says this of it.
async fn desk(world: &World, app: &str, tried: Tried) -> (Desk, Shelf) {
    let mut desk = Desk::new("alice", world, 512).await;
    say(&mut desk, &file(app));
    let shelf = Shelf::new(world);
    shelf.put(Source::Take(IMAGE.into()), config(Architecture::Arm64, "a"));
    shelf.answers.lock().unwrap().insert("time".into(), tried);
    desk.session.engine = Arc::new(shelf.clone());
    (desk, shelf)
}

fn empty() -> World {
    World::empty(Setup { dual: true, servers: vec!["time"], lag: 0 })
}

fn stack(plan: &Plan) -> StackDeploy {
    let Intent::Deploy(deploy) = &plan.intent else { panic!("{:?}", plan.intent) };
    deploy.stacks.iter().find(|stack| stack.stack.name == STACK).unwrap().clone()
}

fn holding(text: &str) -> Secret {
    let pair = |key: &str, value: &str| [(key.to_owned(), value.to_owned())].into();
    Secret { versions: pair("v1", text), labels: pair("AWSCURRENT", "v1"), complete: false }
}

fn fine(plan: &Plan) -> &Fine {
    let [trial] = plan.trials.as_slice() else { panic!("{:?}", plan.trials) };
    let Came::Fine(fine) = &trial.outcome else { panic!("{trial:?}") };
    fine
}

fn warned(plan: &Plan, words: &str) -> usize {
    plan.warnings.iter().filter(|warning| warning.contains(words)).count()
}

#[tokio::test]
async fn the_list_is_kept_by_the_deploy_and_compared_by_the_next_plan() {
    let world = empty();
    let tools = [("get", true), ("set", false), ("old", true)];
    let (mut desk, shelf) = desk(
        &world,
        "secrets = { KEY = 'arn:aws:secretsmanager:eu-central-1:123456789012:secret:k-AbCdEf' }",
        answered(&tools),
    )
    .await;
    let plan = desk.plan(deploy()).await.unwrap();
    assert_eq!(fine(&plan).compared, Compared::Nothing);
    let kept = stack(&plan).known(None)["AppTools"].clone();
    assert!(kept.ends_with(r#","mib":78,"ms":812,"r":["get","old"],"w":["set"]}"#), "{kept}");
    let tried = shelf.tried.lock().unwrap()[0].clone();
    assert!(tried.image.starts_with("sha256:"), "by its id: {}", tried.image);
    assert_eq!((tried.way, tried.secrets, tried.memory_mib), (Way::Stdio, vec!["KEY".to_owned()], 512));
    let done = desk.agree(desk.propose(deploy()).await.yes()).await;
    assert_eq!(done.phase, Phase::Ended(Outcome::Done));
    assert_eq!(world.state().stacks.iter().find(|stack| stack.name == STACK).unwrap().parameters["AppTools"], kept);

    // Nothing has changed: it is not started again, and nothing is to be deployed.
    let before = shelf.tried.lock().unwrap().len();
    let plan = desk.plan(deploy()).await.unwrap();
    let again = fine(&plan);
    assert!(again.kept && again.compared == Compared::Same && again.memory_mib == Some(78), "{again:?}");
    assert_eq!(again.tools.as_ref().unwrap().len(), 3);
    assert_eq!(shelf.tried.lock().unwrap().len(), before);
    assert!(stack(&plan).keep.contains(&"AppTools".to_owned()));

    // Another image behind the same name.
    shelf.put(Source::Take(IMAGE.into()), config(Architecture::Arm64, "b"));
    let next = answered(&[("get", false), ("set", true), ("new", true)]);
    shelf.answers.lock().unwrap().insert("time".into(), next);
    let plan = desk.plan(deploy()).await.unwrap();
    let Compared::Changed { added, vanished, moved } = &fine(&plan).compared else { panic!("{:?}", plan.trials) };
    assert_eq!((added.join(" "), vanished.join(" "), moved.len()), ("new".into(), "old".into(), 2));
    assert_eq!(warned(&plan, "gone since the last deploy: old"), 1, "{:?}", plan.warnings);
    assert_eq!((warned(&plan, "get needs write now"), warned(&plan, "set needs read now")), (1, 1));
    assert_eq!(warned(&plan, "new since"), 0, "{:?}", plan.warnings);

    // Another setting of the same image, too.
    let before = shelf.tried.lock().unwrap().len();
    say(&mut desk, &file("environment = { LOG = '1' }"));
    desk.plan(deploy()).await.unwrap();
    assert_eq!(shelf.tried.lock().unwrap().len(), before + 1);
}

#[rstest]
#[case::not_tried(Tried::NotTried("no cgroups".into()), "not-tried", 0)]
#[case::failed(Tried::Failed { why: "it ended with exit code 1".into(), said: vec!["no KEY".into()] }, "failed", 1)]
#[case::unknown(Tried::Unknown { why: "no answer".into(), said: Vec::new() }, "unknown", 0)]
#[tokio::test]
async fn a_trial_without_an_answer_holds_nothing_up_and_keeps_nothing(
    #[case] tried: Tried,
    #[case] word: &str,
    #[case] warnings: usize,
) {
    let (desk, _) = desk(&empty(), "", tried).await;
    let plan = desk.plan(deploy()).await.unwrap();
    let told = serde_json::to_value(&plan).unwrap();
    assert_eq!(
        (told["trials"][0]["server"].as_str(), told["trials"][0]["result"].as_str()),
        (Some("time"), Some(word))
    );
    assert_eq!(warned(&plan, "its image did not answer on this machine"), warnings, "{:?}", plan.warnings);
    assert!(!stack(&plan).inputs.contains_key("AppTools"));
}

#[tokio::test]
async fn what_is_not_here_or_is_for_another_processor_is_not_tried() {
    let (desk, shelf) = desk(&empty(), "", answered(&[])).await;
    shelf.put(Source::Take(IMAGE.into()), config(Architecture::X86, "a"));
    let why = |plan: &Plan| match &plan.trials[0].outcome {
        Came::NotTried { why } => why.clone(),
        other => panic!("{other:?}"),
    };
    let plan = desk.plan(deploy()).await.unwrap();
    assert!(why(&plan).contains("is here for linux/amd64, and its tasks run on linux/arm64"), "{}", why(&plan));
    shelf.clear();
    let plan = desk.plan(deploy()).await.unwrap();
    assert!(why(&plan).contains("there is no image"), "{}", why(&plan));
    assert_eq!(shelf.tried.lock().unwrap().len(), 0);
}

#[tokio::test]
async fn a_script_can_leave_it_out_and_what_was_kept_stays() {
    let world = empty();
    let (mut desk, shelf) = desk(&world, "", answered(&[("get", true)])).await;
    desk.agree(desk.propose(deploy()).await.yes()).await;
    let before = shelf.tried.lock().unwrap().len();
    desk.session.trials = false;
    say(&mut desk, &file("environment = { LOG = '1' }"));
    let plan = desk.plan(deploy()).await.unwrap();
    let why = |plan: &Plan| match &plan.trials[0].outcome {
        Came::NotTried { why } => why.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(why(&plan), "it was not wanted");
    desk.session.context.local = true;
    let local = desk.plan(deploy()).await.unwrap();
    assert_eq!(why(&local), "on the local cloud it has gangway in it", "nobody has said that it is not wanted");
    assert_eq!(shelf.tried.lock().unwrap().len(), before);
    assert!(stack(&plan).keep.contains(&"AppTools".to_owned()), "what was kept stays");
}

/// A server that is built on gangway has no trial, and keeps nothing of the one that it was before.
#[tokio::test]
async fn a_server_of_ours_is_not_tried() {
    let world = empty();
    let (mut desk, _) = desk(&world, "", answered(&[("get", true)])).await;
    desk.agree(desk.propose(deploy()).await.yes()).await;
    let ours = "environment = 'prod'\nregion = 'eu-central-1'\n[[server]]\nname = 'time'\nimage = 'mcp-time:1'\ngangway = true\n";
    say(&mut desk, ours);
    let plan = desk.plan(deploy()).await.unwrap();
    assert_eq!((plan.trials.len(), stack(&plan).known(None)["AppTools"].as_str()), (0, ""));
}

#[tokio::test]
async fn the_plan_of_a_publish_tries_what_it_would_push() {
    let world = World::deployed(Setup { dual: true, servers: vec!["time", "weather"], lag: 0 });
    let mut desk = Desk::new("alice", &world, 512).await;
    let text = crate::support::engine::FILE
        .replace("gangway = true\n", "[server.app]\ntransport = 'stdio'\ntools = { hidden = ['raw'] }\n");
    say(&mut desk, &text);
    let shelf = Shelf::new(&world);
    shelf.put(Source::Build("./files".into()), config(Architecture::Arm64, "a"));
    shelf.put(
        Source::Take(crate::support::world::digest(&config(Architecture::Arm64, "a"))),
        config(Architecture::Arm64, "a"),
    );
    shelf.answers.lock().unwrap().insert("files".into(), answered(&[("get", true), ("raw", true)]));
    desk.session.engine = Arc::new(shelf.clone());
    let plan = desk.plan(PlanRequest::Publish { servers: Vec::new(), gangway: false, from: None }).await.unwrap();
    let tools: Vec<String> =
        fine(&plan).tools.as_ref().unwrap().iter().map(|(name, scope)| format!("{name} {scope}")).collect();
    assert_eq!(tools, ["get read", "raw hidden"]);
    assert!(plan.trials[0].unread.as_ref().is_some_and(|why| why.contains("a publish reads no Secret")));
    assert!(shelf.tried.lock().unwrap()[0].image.starts_with("sha256:"));
}

/// A server on a port is asked by gangway, which must be here, too.
#[tokio::test]
async fn a_server_on_a_port_is_asked_by_the_gangway_that_the_file_names() {
    let (mut desk, shelf) = desk(&empty(), "", answered(&[("get", true)])).await;
    say(&mut desk, &file("").replace("'stdio'", "'http'\nport = 3000"));
    let plan = desk.plan(deploy()).await.unwrap();
    let Came::NotTried { why } = &plan.trials[0].outcome else { panic!("{:?}", plan.trials) };
    assert!(why.starts_with("gangway, which asks it: there is no image"), "{why}");
    let front = config(Architecture::Arm64, "gangway");
    shelf.put(Source::Take("registry.example.com/gangway:1".into()), front.clone());
    let plan = desk.plan(deploy()).await.unwrap();
    assert_eq!(fine(&plan).tools.as_ref().unwrap().len(), 1);
    let tried = shelf.tried.lock().unwrap().pop().unwrap();
    assert_eq!(tried.gangway, Some(crate::support::world::digest(&front)));
}

/// A digest says what the image is: one that was tried is not even asked for.
#[tokio::test]
async fn an_image_by_digest_that_was_tried_needs_no_engine() {
    let world = empty();
    let (mut desk, shelf) = desk(&world, "", answered(&[("get", true)])).await;
    let pinned = format!("docker.io/acme/files@sha256:{}", "0".repeat(64));
    say(&mut desk, &file("").replace(IMAGE, &pinned));
    shelf.put(Source::Take(pinned), config(Architecture::Arm64, "a"));
    desk.agree(desk.propose(deploy()).await.yes()).await;
    shelf.clear();
    let plan = desk.plan(deploy()).await.unwrap();
    assert!(fine(&plan).kept, "{:?}", plan.trials);
}

/// What was built and pushed here is here, by the id that its registry tells, and is not pulled.
#[tokio::test]
async fn an_image_of_ecr_is_tried_by_the_id_that_it_has_here() {
    let world = World::deployed(Setup { dual: true, servers: vec!["time", "weather"], lag: 0 });
    let mut desk = Desk::new("alice", &world, 512).await;
    let front = "eu-central-1'\n[platform]\ngangway_image = 'registry.example.com/gangway:1'\n";
    let text = crate::support::engine::FILE.replace("eu-central-1'\n", front);
    say(&mut desk, &text.replace("gangway = true\n", "[server.app]\ntransport = 'stdio'\ncommand = ['node']\n"));
    let shelf = Shelf::new(&world);
    let image = config(Architecture::Arm64, "a");
    shelf.put(Source::Build("./files".into()), image.clone());
    shelf.put(Source::Take(crate::support::world::digest(&image)), image);
    shelf.answers.lock().unwrap().insert("files".into(), answered(&[("get", true)]));
    desk.session.engine = Arc::new(shelf.clone());
    let publish = PlanRequest::Publish { servers: Vec::new(), gangway: false, from: None };
    desk.agree(desk.propose(publish).await.yes()).await;
    let plan = desk.plan(deploy()).await.unwrap();
    assert_eq!(fine(&plan).tools.as_ref().unwrap().len(), 1);
}

/// What `secret set` has set is a placeholder here, and another one that is set is tried anew.
#[tokio::test]
async fn variables_of_the_servers_own_secret_have_placeholders() {
    let world = empty();
    let (mut desk, shelf) = desk(&world, "", answered(&[("get", true)])).await;
    desk.agree(desk.propose(deploy()).await.yes()).await;
    let secret = "quarterdeck/prod/time/app";
    world.state().secrets.insert(secret.into(), holding(r#"{"API_KEY":"hunter2"}"#));
    let before = shelf.tried.lock().unwrap().len();
    let plan = desk.plan(deploy()).await.unwrap();
    assert_eq!(shelf.tried.lock().unwrap().len(), before + 1);
    assert_eq!(shelf.tried.lock().unwrap()[before].secrets, ["API_KEY"]);
    assert_eq!((plan.trials[0].placeholders.join(" "), &plan.trials[0].unread), ("API_KEY".to_owned(), &None));
    let text = serde_json::to_string(&plan).unwrap();
    assert!(!text.contains("hunter2"), "{text}");
    // One that cannot be read is told.
    world.state().secrets.insert(secret.into(), holding("no JSON"));
    say(&mut desk, &file("environment = { LOG = '1' }"));
    let plan = desk.plan(deploy()).await.unwrap();
    assert!(plan.trials[0].unread.as_ref().is_some_and(|why| why.contains(secret)), "{:?}", plan.trials);
}

/// The screen shows it between what changes and what the operator is warned of.
#[tokio::test]
async fn the_plan_on_the_screen_shows_each_tool() {
    let (desk, _) =
        desk(&empty(), "tools = { hidden = ['raw'] }", answered(&[("get", true), ("set", false), ("raw", true)])).await;
    let plan = desk.plan(deploy()).await.unwrap();
    let mut console = Console::new();
    console.planned(Plan { cost: None, changes: Vec::new(), ..plan });
    let shown = screen(&console, (120, 60));
    for part in [
        "images, started once on this machine, without network",
        "time: 3 tools after 812ms, 78 of 512 MiB after its start, revision 2025-06-18",
        "  read    get",
        "  write   set",
        "  hidden  raw",
        "no earlier deploy has kept its tools",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
}
