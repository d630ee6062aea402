//! Images of ECR in the plan of a deploy: what is not there, is for another processor or may not be pulled is refused
//! before anything starts.

use std::sync::{Arc, OnceLock};

use crate::support::operators;
use crate::support::scripted::{Reply, Request, Scripted};
use crate::support::world::{Setup, World};
use quarterdeck::aws::{Access, AwsCloud, connect};
use quarterdeck::cloud::{ErrorKind, Images};
use quarterdeck::core::error::PlanResult;
use quarterdeck::core::image::{EcrImage, Found};
use quarterdeck::core::operation::{Intent, PlanRequest};
use quarterdeck::core::plan::Plan;
use quarterdeck::core::unread::Read;
use quarterdeck::run::planner;
use rstest::rstest;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

const HOST: &str = "123456789012.dkr.ecr.eu-central-1.amazonaws.com";
/// The configuration of the image that is for one processor.
const CONFIG: &str =
    r#"{"architecture":"arm64","os":"linux","config":{"Entrypoint":["node"],"Cmd":["a.js","--stdio"]}}"#;
const SIGNATURE: &str = "X-Amz-Signature=hunter2";

fn digest(text: &str) -> String {
    format!("sha256:{}", Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect::<String>())
}

fn single() -> String {
    let config =
        json!({ "mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest(CONFIG), "size": 9 });
    json!({ "schemaVersion": 2, "config": config, "layers": [] }).to_string()
}

fn index() -> String {
    let one = |os: &str, architecture: &str| json!({ "digest": digest(&single()), "platform": { "os": os, "architecture": architecture } });
    json!({ "manifests": [one("linux", "arm64"), one("linux", "amd64"), one("unknown", "unknown")] }).to_string()
}

/// ECR with the repository `files`: `1` is for ARM alone, `both` for both processors, and `odd` and `lost` cannot be read.
fn ecr(request: &Request, url: &str) -> Option<Reply> {
    let body: Value = serde_json::from_str(&request.body).unwrap_or_default();
    match request.call.as_str() {
        "BatchGetImage" => {
            let id = &body["imageIds"][0];
            let wanted = id["imageTag"].as_str().or(id["imageDigest"].as_str()).unwrap_or_default();
            let odd = json!({ "config": { "digest": digest("another") } }).to_string();
            let lost = json!({ "config": { "digest": "sha256:lost" } }).to_string();
            let all = [("1", single()), ("both", index()), ("odd", odd), ("lost", lost), ("none", "x".to_owned())];
            let found = all.iter().find(|(tag, text)| *tag == wanted || digest(text) == wanted);
            Some(match (body["repositoryName"].as_str(), found) {
                (Some("files"), Some((_, text))) => {
                    let image = json!({ "imageId": { "imageDigest": digest(text) }, "imageManifest": text });
                    Reply::json(200, json!({ "images": [image], "failures": [] }))
                }
                (Some("files"), None) => {
                    let code = if wanted == "bad" { "InvalidImageDigest" } else { "ImageNotFound" };
                    Reply::json(200, json!({ "images": [], "failures": [{ "imageId": id, "failureCode": code }] }))
                }
                (Some("secret"), _) => Reply::error(400, "AccessDeniedException", "not authorized"),
                _ => Reply::error(400, "RepositoryNotFoundException", "The repository does not exist"),
            })
        }
        "GetDownloadUrlForLayer" if body["layerDigest"] == "sha256:lost" => {
            Some(Reply::error(400, "AccessDeniedException", "not authorized"))
        }
        "GetDownloadUrlForLayer" => {
            Some(Reply::json(200, json!({ "downloadUrl": format!("{url}/config?{SIGNATURE}") })))
        }
        path if path.starts_with("/config") => Some(Reply::Answer(200, CONFIG.to_owned())),
        _ => None,
    }
}

/// An endpoint with this ECR before a world.
async fn serve(world: &World) -> Scripted {
    let (world, url): (World, Arc<OnceLock<String>>) = (world.clone(), Arc::default());
    let own = url.clone();
    let server = Scripted::start(move |request| {
        let url = own.get().map(String::as_str).unwrap_or_default();
        ecr(request, url).unwrap_or_else(|| world.state().answer(request, "alice", url))
    })
    .await;
    url.set(server.url.clone()).unwrap();
    server
}

async fn cloud(url: &str) -> AwsCloud {
    let access = Access {
        region: Some("eu-central-1".into()),
        endpoint: Some(url.into()),
        static_credentials: true,
        ..Access::default()
    };
    connect(&access).await.unwrap().with_templates(|_| "Resources: {}")
}

fn empty() -> World {
    World::empty(Setup { dual: true, servers: vec!["time"], lag: 0 })
}

#[rstest]
#[case::one_processor("files:1", &["linux/arm64"])]
#[case::by_digest(&format!("files@{}", digest(&single())), &["linux/arm64"])]
#[case::an_index_without_what_is_no_image("files:both", &["linux/arm64", "linux/amd64"])]
#[tokio::test]
async fn an_image_has_its_digest_and_its_processors(#[case] name: &str, #[case] built: &[&str]) {
    let server = serve(&empty()).await;
    let image = EcrImage::parse(&format!("{HOST}/{name}")).unwrap();
    let found = cloud(&server.url).await.image(&image).await.unwrap();
    let platforms = found.platforms().unwrap();
    assert_eq!(platforms.iter().map(ToString::to_string).collect::<Vec<_>>(), built);
    let Found::Image { digest, variants: Read::Known(variants) } = found else { panic!("{found:?}") };
    let command = (built.len() == 1).then(|| ["node", "a.js", "--stdio"].map(str::to_owned).to_vec());
    assert_eq!(variants[0].command, command, "an index does not say it");
    assert!(image.to_string().ends_with(&digest) || digest.starts_with("sha256:"));
    let sent: Value = serde_json::from_str(&server.requests("BatchGetImage")[0].body).unwrap();
    assert_eq!((&sent["registryId"], &sent["repositoryName"]), (&json!("123456789012"), &json!("files")));
    let kinds = sent["acceptedMediaTypes"].as_array().unwrap();
    assert!(
        kinds.contains(&json!("application/vnd.oci.image.index.v1+json")),
        "without them ECR answers with another manifest"
    );
}

#[tokio::test]
async fn what_is_not_there_and_what_was_not_read_are_told_apart() {
    let server = serve(&empty()).await;
    let cloud = cloud(&server.url).await;
    let ask = async |name: &str| cloud.image(&EcrImage::parse(&format!("{HOST}/{name}")).unwrap()).await;
    assert_eq!(ask("files:2").await.unwrap(), Found::NoImage);
    assert_eq!(ask("strange:1").await.unwrap(), Found::NoRepository);
    assert_eq!(ask("secret:1").await.unwrap_err().kind, ErrorKind::Denied);
    let bad = ask("files:bad").await.unwrap_err();
    assert!(bad.kind == ErrorKind::Invalid && bad.message.contains("InvalidImageDigest"), "{bad}");
    assert_eq!(ask("files:none").await.unwrap_err().kind, ErrorKind::Garbled);
    for (name, kind) in [("files:odd", ErrorKind::Garbled), ("files:lost", ErrorKind::Denied)] {
        let Found::Image { variants: Read::NotRead(why), .. } = ask(name).await.unwrap() else { panic!("{name}") };
        assert!(why.kind == kind && !why.to_string().contains("hunter2"), "{name}: {why}");
    }
}

/// The plan of a deploy of `time` with this image and more lines.
async fn plan(world: &World, image: &str, more: &str) -> PlanResult<Plan> {
    let directory = operators::directory();
    let (mut session, _endpoint) = operators::session("alice", world, 512, directory.path()).await;
    let server = serve(world).await;
    session.cloud = Arc::new(cloud(&server.url).await);
    let text = format!(
        "environment = 'prod'\nregion = 'eu-central-1'\n[[server]]\nname = 'time'\nimage = '{image}'\n{more}\n"
    );
    session.environment = Some(Arc::new(toml::from_str(&text).unwrap()));
    planner::plan(&session, PlanRequest::Deploy { servers: Vec::new() }).await
}

/// The value that a plan gives a parameter of the server's stack.
fn given(plan: &Plan, parameter: &str) -> String {
    let Intent::Deploy(deploy) = &plan.intent else { panic!("{:?}", plan.intent) };
    let stack = deploy.stacks.iter().find(|stack| stack.stack.name == "quarterdeck-prod-time").unwrap();
    stack.known(None)[parameter].clone()
}

#[rstest]
#[case::no_repository(
    "strange:1",
    "gangway = true",
    ErrorKind::NotFound,
    "no repository \"strange\" in eu-central-1",
    "linux/arm64"
)]
#[case::no_tag("files:2", "gangway = true", ErrorKind::NotFound, "no image with the tag \"2\"", "describe-images")]
#[case::another_processor(
    "files:1",
    "gangway = true\narchitecture = 'X86_64'",
    ErrorKind::Invalid,
    "is for linux/arm64, and the tasks of time run on X86_64",
    "linux/amd64"
)]
#[case::in_front(
    "files:both",
    "architecture = 'X86_64'\n[server.app]\ntransport = 'stdio'\ncommand = ['a']\n\
    [platform]\ngangway_image = '123456789012.dkr.ecr.eu-central-1.amazonaws.com/files:1'",
    ErrorKind::Invalid,
    "platform.gangway_image",
    "linux/amd64"
)]
#[tokio::test]
async fn what_no_task_could_start_from_is_refused_before_anything_starts(
    #[case] image: &str,
    #[case] more: &str,
    #[case] kind: ErrorKind,
    #[case] why: &str,
    #[case] hint: &str,
) {
    let world = empty();
    let error = plan(&world, &format!("{HOST}/{image}"), more).await.unwrap_err();
    assert!(error.why().contains(why) && error.hint().unwrap_or_default().contains(hint), "{error} {:?}", error.hint());
    let quarterdeck::core::error::PlanError::Refused(refusal) = error else { panic!("{error}") };
    assert_eq!(refusal.kind, kind);
    assert!(world.state().log.is_empty(), "{:?}", world.state().log);
}

#[tokio::test]
async fn another_account_is_refused_because_tasks_have_no_right_there() {
    let name = "999999999999.dkr.ecr.eu-central-1.amazonaws.com/files:1";
    let error = plan(&empty(), name, "gangway = true").await.unwrap_err();
    assert!(error.why().contains("in account 999999999999") && error.hint().is_some(), "{error}");
}

#[tokio::test]
async fn a_tag_is_deployed_by_the_digest_that_it_has_now() {
    let planned = plan(&empty(), &format!("{HOST}/files:1"), "gangway = true").await.unwrap();
    let pinned = format!("{HOST}/files@{}", digest(&single()));
    assert_eq!(given(&planned, "Image"), pinned);
    let row = planned.changes.iter().find(|change| change.field == "image in ECR").unwrap();
    assert_eq!(row.after.as_deref(), Some(&*format!("files {}, for linux/arm64", digest(&single()))));
    assert!(planned.warnings.iter().all(|warning| !warning.contains("could not be read")), "{:?}", planned.warnings);
}

/// ECS takes no command from an image where another program is put in front.
#[rstest]
#[case("files:1")]
#[case("files:both")]
#[tokio::test]
async fn a_server_that_gangway_is_put_in_front_of_keeps_the_command_of_its_image(#[case] image: &str) {
    let more = format!("[server.app]\ntransport = 'stdio'\n[platform]\ngangway_image = '{HOST}/files:both'");
    let planned = plan(&empty(), &format!("{HOST}/{image}"), &more).await.unwrap();
    assert_eq!(given(&planned, "AppCommand"), "node~|~a.js~|~--stdio");
    let row = planned.changes.iter().find(|change| change.field == "app command").unwrap();
    assert_eq!(row.after.as_deref(), Some("node a.js --stdio"));
    let said = more.replace("'stdio'", "'stdio'\ncommand = ['other']");
    let planned = plan(&empty(), &format!("{HOST}/{image}"), &said).await.unwrap();
    assert_eq!(given(&planned, "AppCommand"), "other");
    let unread = plan(&empty(), &format!("{HOST}/files:lost"), &more).await.unwrap_err();
    assert!(unread.why().contains("server.time.app.command"), "{unread}");
}

#[tokio::test]
async fn what_could_not_be_read_is_a_warning_and_stays_as_it_is_named() {
    for image in ["secret:1", "files:none"] {
        let name = format!("{HOST}/{image}");
        let planned = plan(&empty(), &name, "gangway = true").await.unwrap();
        assert_eq!(given(&planned, "Image"), name);
        let told =
            planned.warnings.iter().filter(|warning| warning.contains("server.time.image: it could not be read"));
        assert_eq!(told.count(), 1, "{image}: {:?}", planned.warnings);
    }
    let planned = plan(&empty(), &format!("{HOST}/files:lost"), "gangway = true").await.unwrap();
    let told = planned.warnings.iter().filter(|warning| warning.contains("could not be read for which processor"));
    assert_eq!(told.count(), 1, "{:?}", planned.warnings);
}

/// A deploy of something else is not held up by an image that tasks run from already; but the operator is told.
#[tokio::test]
async fn an_image_that_is_gone_from_under_running_tasks_is_a_warning() {
    let name = format!("{HOST}/files@sha256:gone");
    let world = World::deployed(Setup { dual: true, servers: vec!["time"], lag: 0 });
    for stack in &mut world.state().stacks {
        if stack.name == "quarterdeck-prod-time" {
            stack.parameters.insert("Image".into(), name.clone());
        }
    }
    let planned = plan(&world, &name, "gangway = true\nmemory = 1024").await.unwrap();
    let told = planned.warnings.iter().find(|warning| warning.contains("new tasks of time cannot start"));
    assert!(told.is_some_and(|told| told.contains("sha256:gone")), "{:?}", planned.warnings);
}

#[tokio::test]
async fn images_of_other_registries_are_not_asked_for() {
    let planned = plan(&empty(), "docker.io/acme/notes:2", "gangway = true").await.unwrap();
    assert!(planned.changes.iter().all(|change| change.field != "image in ECR"), "{:?}", planned.changes);
    assert!(planned.warnings.iter().all(|warning| !warning.contains("image")), "{:?}", planned.warnings);
    assert_eq!(given(&planned, "Image"), "docker.io/acme/notes:2");
}
