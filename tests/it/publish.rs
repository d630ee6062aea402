//! Images on their way to ECR: what is refused before anything is pushed, what is pushed once whatever happens, and
//! the digest by which the next deploy starts tasks from it.

use std::sync::Arc;

use crate::support::engine::{FILE, Shelf, config};
use crate::support::operators::Desk;
use crate::support::world::{self, Setup, World};
use quarterdeck::core::environment::{Architecture, Environment};
use quarterdeck::core::error::{ErrorKind, PlanError};
use quarterdeck::core::image::Source;
use quarterdeck::core::operation::record::Outcome;
use quarterdeck::core::operation::{Fact, Intent, Operation, Phase, PlanRequest, Standing, Way};
use quarterdeck::local::Workshop;
use quarterdeck::run::headless::{Exit, Failure};
use rstest::rstest;

const REPOSITORY: &str = "quarterdeck/prod/files";
const STACK: &str = "quarterdeck-prod-files-Repository";
const IMAGE: &str = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/quarterdeck/prod/files:1";

fn environment(text: &str) -> Option<Arc<Environment>> {
    let environment: Environment = toml::from_str(text).unwrap();
    environment.validate().unwrap();
    Some(Arc::new(environment))
}

/// An operator with this file, whose engine builds an image for ARM.
async fn desk(file: &str) -> (World, Desk, Shelf) {
    let world = World::deployed(Setup { dual: true, servers: vec!["time", "weather"], lag: 0 });
    let mut desk = Desk::new("alice", &world, 512).await;
    let shelf = equip(&mut desk, file);
    (world, desk, shelf)
}

pub fn equip(desk: &mut Desk, file: &str) -> Shelf {
    let shelf = Shelf::new(desk.world());
    shelf.put(Source::Build("./files".into()), config(Architecture::Arm64, "a"));
    desk.session.engine = Arc::new(shelf.clone());
    desk.session.environment = environment(file);
    shelf
}

/// An environment whose server has gangway in front of it, and says where gangway's image comes from.
fn fronted() -> String {
    let front = "region = 'eu-central-1'\n[platform]\ngangway_from = 'localhost/gangway'\n\
                 gangway_image = '123456789012.dkr.ecr.eu-central-1.amazonaws.com/quarterdeck/prod/gangway:7'\n";
    let app = "[server.app]\ntransport = 'stdio'\ncommand = ['node']\n";
    FILE.replace("region = 'eu-central-1'\n", front).replace("gangway = true\n", app)
}

fn gangway(from: Option<&str>) -> PlanRequest {
    PlanRequest::Publish { servers: Vec::new(), gangway: true, from: from.map(str::to_owned) }
}

fn all() -> PlanRequest {
    PlanRequest::Publish { servers: Vec::new(), gangway: false, from: None }
}

fn only(server: &str, from: Option<&str>) -> PlanRequest {
    PlanRequest::Publish { servers: vec![server.into()], gangway: false, from: from.map(str::to_owned) }
}

async fn whole(desk: &Desk, request: PlanRequest) -> Operation {
    desk.agree(desk.propose(request).await.yes()).await
}

fn paused(operation: &Operation) -> &str {
    let Phase::Paused { why, .. } = &operation.phase else { panic!("{:?}", operation.phase) };
    why
}

#[tokio::test]
async fn an_image_is_pushed_to_a_repository_that_is_made_for_it_and_deployed_by_its_digest() {
    let (_, desk, shelf) = desk(FILE).await;
    let planned = desk.plan(all()).await.unwrap();
    let text = serde_json::to_string(&planned.changes).unwrap();
    for part in [STACK, "built from ./files", IMAGE, "linux/arm64, 8 MB"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let done = whole(&desk, all()).await;
    assert_eq!(done.phase, Phase::Ended(Outcome::Done));
    let digest = world::digest(&world::manifest(&config(Architecture::Arm64, "a")));
    assert_eq!(done.facts().get(&Fact::Image("files".into())), Some(&*digest));
    assert_eq!(*shelf.pushed.lock().unwrap(), [IMAGE]);
    let deploy = desk.plan(PlanRequest::Deploy { servers: Vec::new() }).await.unwrap();
    let pinned = format!("{}@{digest}", IMAGE.strip_suffix(":1").unwrap());
    assert!(serde_json::to_string(&deploy.intent).unwrap().contains(&pinned), "{:?}", deploy.intent);
    let row = deploy.changes.iter().find(|change| change.field == "image in ECR").unwrap();
    assert_eq!(row.after.as_deref(), Some(&*format!("{REPOSITORY} {digest}, for linux/arm64")));
    assert!(deploy.warnings.iter().all(|warning| !warning.contains(STACK)), "{:?}", deploy.warnings);
    for text in [std::fs::read_to_string(desk.session.audit.path()).unwrap(), format!("{done:?}")] {
        assert!(text.contains("publish") && !text.contains(world::TOKEN), "{text}");
    }
}

/// The front goes the way that servers go, and each deploy starts tasks with it by the digest that its tag has.
#[tokio::test]
async fn the_image_of_gangway_is_brought_with_the_others_and_alone() {
    let (world, mut desk, shelf) = desk(&fronted()).await;
    shelf.put(Source::Take("localhost/gangway".into()), config(Architecture::Arm64, "gangway"));
    shelf.put(Source::Take("acme/gangway:2".into()), config(Architecture::Arm64, "other"));
    let done = whole(&desk, all()).await;
    assert_eq!(done.phase, Phase::Ended(Outcome::Done));
    let name = IMAGE.replace("files:1", "gangway:7");
    let mut pushed = shelf.pushed.lock().unwrap().clone();
    pushed.sort();
    assert_eq!(pushed, [IMAGE, &name]);
    assert!(world.state().stacks.iter().any(|stack| stack.name == "quarterdeck-prod-gangway-Repository"));
    let digest = world::digest(&world::manifest(&config(Architecture::Arm64, "gangway")));
    assert_eq!(done.facts().get(&Fact::Image("gangway".into())), Some(&*digest));
    let deploy = desk.plan(PlanRequest::Deploy { servers: Vec::new() }).await.unwrap();
    let Intent::Deploy(intent) = &deploy.intent else { panic!("{:?}", deploy.intent) };
    let stack = intent.stacks.iter().find(|stack| stack.stack.name == "quarterdeck-prod-files").unwrap();
    assert_eq!(stack.known(None)["GangwayImage"], format!("{}@{digest}", name.strip_suffix(":7").unwrap()));
    // Alone, by the next tag, from where the command says.
    desk.session.environment = environment(&fronted().replace("gangway:7", "gangway:8"));
    let plan = desk.plan(gangway(Some("acme/gangway:2"))).await.unwrap();
    let Intent::Publish(publish) = &plan.intent else { panic!("{:?}", plan.intent) };
    let servers: Vec<&str> = publish.images.iter().map(|image| image.server.as_str()).collect();
    assert_eq!((servers, plan.trials.len()), (vec!["gangway"], 0));
    assert_eq!(whole(&desk, gangway(Some("acme/gangway:2"))).await.phase, Phase::Ended(Outcome::Done));
    assert_eq!(world.state().repositories["quarterdeck/prod/gangway"]["8"], config(Architecture::Arm64, "other"));
}

#[rstest]
#[case::no_name(
    "gangway_image",
    "# ",
    "which name the image of gangway is to have",
    "gangway_image = \"123456789012.dkr"
)]
#[case::no_source("gangway_from", "# ", "does not say where the image of gangway comes from", "gangway_from = ")]
#[case::a_digest("gangway:7", "gangway@sha256:0", "known only when the image is there", "quarterdeck/prod/gangway:1")]
#[case::another_processor(
    "[server.app]",
    "architecture = 'X86_64'\n[server.app]",
    "is for linux/arm64, and the tasks of servers with [server.app] run on X86_64",
    "podman pull --platform linux/amd64"
)]
#[case::both_processors(
    "[[server]]",
    "[[server]]\nname = 'notes'\nimage = 'n'\narchitecture = 'X86_64'\n[server.app]\ntransport = 'stdio'\n[[server]]",
    "is for linux/arm64, and the tasks of servers with [server.app] run on X86_64",
    "podman pull --platform linux/amd64"
)]
#[case::a_server_of_its_name("name = 'files'", "name = 'gangway'", "a server is called gangway", "by its digest")]
#[tokio::test]
async fn an_image_of_gangway_that_no_task_could_start_is_refused(
    #[case] line: &str,
    #[case] instead: &str,
    #[case] why: &str,
    #[case] hint: &str,
) {
    let (world, desk, shelf) = desk(&fronted().replace(line, instead)).await;
    shelf.put(Source::Take("localhost/gangway".into()), config(Architecture::Arm64, "gangway"));
    let error = desk.plan(gangway(None)).await.unwrap_err();
    assert!(error.why().contains(why) && error.hint().unwrap_or_default().contains(hint), "{error} {:?}", error.hint());
    assert!(shelf.pushed.lock().unwrap().is_empty() && world.state().change_sets() == 0);
}

/// Servers that check their callers themselves do not start from it, whatever they run on.
#[tokio::test]
async fn servers_without_gangway_in_front_do_not_say_what_it_runs_on() {
    let own = "[[server]]\nname = 'own'\nimage = 'n'\narchitecture = 'X86_64'\ngangway = true\n[[server]]";
    let (_, desk, shelf) = desk(&fronted().replace("[[server]]", own)).await;
    shelf.put(Source::Take("localhost/gangway".into()), config(Architecture::Arm64, "gangway"));
    assert!(desk.plan(gangway(None)).await.is_ok());
}

#[tokio::test]
async fn what_is_there_is_not_pushed_again() {
    let (world, desk, shelf) = desk(FILE).await;
    whole(&desk, all()).await;
    let before = world.state().log.clone();
    assert!(desk.plan(all()).await.unwrap().is_empty());
    assert_eq!((shelf.pushed.lock().unwrap().len(), &world.state().log), (1, &before));
}

#[tokio::test]
async fn an_image_is_taken_by_its_name_where_the_file_or_the_command_says_so() {
    let (world, desk, shelf) = desk(&FILE.replace("build = './files'", "from = 'acme/files:2'")).await;
    shelf.put(Source::Take("acme/files:2".into()), config(Architecture::Arm64, "b"));
    shelf.put(Source::Take("acme/files:3".into()), config(Architecture::Arm64, "c"));
    assert_eq!(whole(&desk, only("files", Some("acme/files:3"))).await.phase, Phase::Ended(Outcome::Done));
    assert_eq!(world.state().repositories[REPOSITORY]["1"], config(Architecture::Arm64, "c"));
    let refused = desk.plan(only("files", None)).await.unwrap_err();
    assert!(refused.why().contains("is another image already"), "{refused}");
}

#[rstest]
#[case::another_registry(
    IMAGE,
    "docker.io/acme/files:1",
    ErrorKind::Invalid,
    "not the name of an image in ECR",
    "quarterdeck/prod/files:1"
)]
#[case::another_account(
    "123456789012.dkr",
    "999999999999.dkr",
    ErrorKind::Invalid,
    "in account 999999999999",
    "123456789012.dkr"
)]
#[case::a_digest(":1'", "@sha256:1'", ErrorKind::Invalid, "known only when the image is there", "such as")]
#[case::a_repository_of_nobody(
    "prod/files:1",
    "none:1",
    ErrorKind::NotFound,
    "no repository quarterdeck/none",
    REPOSITORY
)]
#[case::no_repository_at_all(
    "quarterdeck/prod/files:1",
    "a--b:1",
    ErrorKind::Invalid,
    "cannot be the name of a repository",
    "such as"
)]
#[case::no_tag("files:1", "files:1!", ErrorKind::Invalid, "cannot be a tag", "such as")]
#[case::another_processor(
    "gangway",
    "architecture = 'X86_64'\ngangway",
    ErrorKind::Invalid,
    "is for linux/arm64, and the tasks of files run on X86_64",
    "linux/amd64"
)]
#[case::no_source("build = './files'", "", ErrorKind::NotFound, "says of no server", "build =")]
#[tokio::test]
async fn what_could_not_be_deployed_is_refused_before_anything_is_pushed(
    #[case] line: &str,
    #[case] instead: &str,
    #[case] kind: ErrorKind,
    #[case] why: &str,
    #[case] hint: &str,
) {
    let (world, desk, shelf) = desk(&FILE.replace(line, instead)).await;
    let error = desk.plan(all()).await.unwrap_err();
    assert!(error.why().contains(why) && error.hint().unwrap_or_default().contains(hint), "{error} {:?}", error.hint());
    let PlanError::Refused(refusal) = error else { panic!("{error}") };
    assert_eq!(refusal.kind, kind);
    assert!(shelf.pushed.lock().unwrap().is_empty() && world.state().change_sets() == 0);
}

#[rstest]
#[case(only("strange", None), "has no server \"strange\"")]
#[case(PlanRequest::Publish { servers: Vec::new(), gangway: false, from: Some("a".into()) }, "name the one server")]
#[tokio::test]
async fn a_server_is_one_of_the_file(#[case] request: PlanRequest, #[case] why: &str) {
    let (_, desk, _) = desk(FILE).await;
    let error = desk.plan(request).await.unwrap_err();
    assert!(error.why().contains(why), "{error}");
}

#[tokio::test]
async fn the_local_cloud_has_nothing_to_publish_to() {
    let (_, mut desk, _) = desk(FILE).await;
    desk.session.context.local = true;
    let refused = desk.plan(all()).await.unwrap_err();
    assert!(refused.why().contains("nothing is published"));
    assert_eq!(Failure::from(refused).exit(), Exit::Usage, "a request that is not possible");
}

/// A tag that was given to another image stays with it, whoever did that and whenever.
#[tokio::test]
async fn a_tag_is_never_moved() {
    let (world, mut alice, shelf) = desk(FILE).await;
    let other = config(Architecture::Arm64, "other");
    let late = alice.propose(all()).await.yes();
    let late = alice.until(late, "push").await;
    world.state().repositories.get_mut(REPOSITORY).unwrap().insert("1".into(), other.clone());
    let left = alice.killed(late).await;
    let standing = alice.standing(&alice.left(&left).await).await;
    let Standing::Overtaken(why) = standing else { panic!("{standing:?}") };
    assert!(why.contains("is another image now"), "{why}");
    let refused = alice.plan(all()).await.unwrap_err();
    assert!(refused.why().contains("is another image already") && refused.hint().unwrap().contains("next tag"));
    assert!(shelf.pushed.lock().unwrap().is_empty());
    assert_eq!(world.state().repositories[REPOSITORY]["1"], other);
}

#[tokio::test]
async fn somebody_who_takes_the_tag_while_the_push_waits_keeps_it() {
    let (world, alice, shelf) = desk(FILE).await;
    let late = alice.until(alice.propose(all()).await.yes(), "push").await;
    let other = config(Architecture::Arm64, "other");
    world.state().repositories.get_mut(REPOSITORY).unwrap().insert("1".into(), other);
    let ended = alice.rest(late).await;
    assert!(paused(&ended).contains("choose another tag"), "{:?}", ended.phase);
    assert!(shelf.pushed.lock().unwrap().is_empty());
}

#[rstest]
#[case(ErrorKind::Denied, "denied: User is not authorized to perform: ecr:PutImage", 1)]
#[case(ErrorKind::Conflict, "no space left on device", 1)]
#[case(ErrorKind::Unreachable, "dial tcp: no route to host", 4)]
#[tokio::test]
async fn a_push_that_failed_says_why_and_is_gone_on_with(
    #[case] kind: ErrorKind,
    #[case] why: &str,
    #[case] times: usize,
) {
    let (_, mut alice, shelf) = desk(FILE).await;
    (0..times).for_each(|_| shelf.fails(kind, why));
    let left = whole(&alice, all()).await;
    assert!(paused(&left).contains(why), "{:?}", left.phase);
    let id = alice.killed(left.into()).await;
    let done = alice.agree(alice.offer(&id, Way::Resume).await.yes()).await;
    assert_eq!(done.phase, Phase::Ended(Outcome::Done));
    assert_eq!(shelf.pushed.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn an_image_that_is_gone_from_this_machine_is_asked_for_again() {
    let (_, alice, shelf) = desk(FILE).await;
    let running = alice.until(alice.propose(all()).await.yes(), "push").await;
    shelf.clear();
    let ended = alice.rest(running).await;
    assert!(paused(&ended).contains("not on this machine any more"), "{:?}", ended.phase);
}

#[tokio::test]
async fn images_outlive_their_environment() {
    let (world, desk, _) = desk(FILE).await;
    whole(&desk, all()).await;
    let plan = desk.plan(PlanRequest::Destroy).await.unwrap();
    let Intent::Destroy(destroy) = &plan.intent else { panic!("{:?}", plan.intent) };
    assert!(destroy.tiers.iter().flatten().all(|stack| stack.name != STACK), "{:?}", destroy.tiers);
    let told = plan.warnings.iter().find(|warning| warning.contains(STACK)).unwrap();
    assert!(told.contains(REPOSITORY) && told.contains("delete-stack"), "{told}");
    assert_eq!(world.state().repositories[REPOSITORY].len(), 1);
}

#[tokio::test]
async fn a_repository_without_its_stack_stays_as_it_is() {
    let (world, desk, _) = desk(FILE).await;
    world.state().repositories.insert(REPOSITORY.into(), world::Repository::new());
    let done = whole(&desk, all()).await;
    assert_eq!(done.phase, Phase::Ended(Outcome::Done));
    assert!(done.plan.warnings.iter().any(|warning| warning.contains("without its stack")), "{:?}", done.plan.warnings);
    assert!(world.state().stacks.iter().all(|stack| stack.name != STACK));
}

/// A program that takes itself for Docker's and writes down what it was asked, and with which credentials.
fn docker(folder: &std::path::Path) -> std::path::PathBuf {
    use std::os::unix::fs::PermissionsExt as _;
    let program = folder.join("docker");
    let text = format!(
        "#!/bin/sh\necho \"$*\" >>{0}/argv\n[ \"$2\" = inspect ] && \
         echo '[{{\"Id\": \"sha256:ab\", \"Os\": \"linux\", \"Architecture\": \"arm64\", \"Size\": 7}}]'\n\
         [ \"$1\" = --config ] && cp -p \"$2/config.json\" {0}/seen\nexit 0\n",
        folder.display()
    );
    std::fs::write(&program, text).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    program
}

#[tokio::test]
async fn docker_gets_the_credentials_in_a_file_for_this_push_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = tempfile::tempdir().unwrap();
    let (_, mut desk, _) = desk(&FILE.replace("build = './files'", "from = 'acme/files:2'")).await;
    let engine = Workshop::new(Some(place.path().join("state")), |_| {}).with_program(docker(place.path()));
    desk.session.engine = Arc::new(engine);
    desk.until(desk.propose(all()).await.yes(), "read back").await;
    let argv = std::fs::read_to_string(place.path().join("argv")).unwrap();
    assert!(argv.contains(&format!("tag sha256:ab {IMAGE}")) && argv.contains(&format!("push {IMAGE}")), "{argv}");
    assert!(!argv.contains(world::TOKEN) && !argv.contains("hunter2"), "{argv}");
    let seen = place.path().join("seen");
    let text = std::fs::read_to_string(&seen).unwrap();
    assert!(
        text.contains(&format!(r#""123456789012.dkr.ecr.eu-central-1.amazonaws.com":{{"auth":"{}"}}"#, world::TOKEN)),
        "{text}"
    );
    assert_eq!(std::fs::metadata(seen).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(std::fs::read_dir(place.path().join("state/images")).unwrap().count(), 0);
}
