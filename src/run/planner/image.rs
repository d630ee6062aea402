//! The images of a deploy, looked up before anything starts. ECS would say minutes later, one task after another,
//! that an image is not there or is for another processor.

use std::collections::BTreeMap;

use futures::future::join_all;

use super::refused;
use crate::cloud::{CloudResult, ErrorKind};
use crate::core::environment::{Architecture, Environment, Needed, ServerSpec, names, needed_images};
use crate::core::error::{Hand, PlanError, PlanResult};
use crate::core::image::{EcrImage, Found, Lack, Platform, Reference, Variant};
use crate::core::operation::deploy::StackDeploy;
use crate::core::plan::{Change, Risk};
use crate::core::stack::Stack;
use crate::run::session::Session;

/// What was found of images, by their names in ECR.
pub(super) struct Looked {
    found: BTreeMap<EcrImage, CloudResult<Found>>,
    /// Whether it was not looked at all: an emulator starts images from elsewhere.
    skipped: bool,
}

/// Looks up the images that the file names, and names those that have a tag by their digest instead: what the plan has
/// seen is then what every task starts from, whoever moves the tag. The file stays as it is.
///
/// ECS drops an image's own command where another program is put in front, so that is read here, where the file says
/// none.
///
/// # Errors
/// Where such a command is none that a template can hold.
pub(super) async fn pinned(
    session: &Session,
    mut environment: Environment,
    deployed: &[Stack],
) -> PlanResult<(Environment, Looked)> {
    let mut looked = Looked { found: BTreeMap::new(), skipped: session.context.emulated() };
    let named = environment.servers.iter().map(|server| &server.image).chain(&environment.platform.gangway_image);
    let names: Vec<EcrImage> = named.filter_map(|name| EcrImage::parse(name)).collect();
    looked.up(session, names).await;
    looked.commands(session, &mut environment, deployed).await?;
    let servers = environment.servers.iter_mut().map(|server| &mut server.image);
    for name in servers.chain(&mut environment.platform.gangway_image) {
        if let Some(pinned) = looked.pin(name) {
            *name = pinned;
        }
    }
    Ok((environment, looked))
}

impl Looked {
    async fn up(&mut self, session: &Session, mut names: Vec<EcrImage>) {
        names.retain(|name| !self.skipped && !self.found.contains_key(name));
        names.sort();
        names.dedup();
        let found = join_all(names.iter().map(|name| session.cloud.image(name))).await;
        self.found.extend(names.into_iter().zip(found));
    }

    /// Gives servers that know nothing of gangway the command of their image, where the file says none.
    async fn commands(
        &mut self,
        session: &Session,
        environment: &mut Environment,
        deployed: &[Stack],
    ) -> PlanResult<()> {
        let (name, mut filled) = (environment.environment.clone(), false);
        let silent = |server: &&mut ServerSpec| server.app.as_ref().is_some_and(|app| app.command.is_none());
        for server in environment.servers.iter_mut().filter(silent) {
            let Some(image) = EcrImage::parse(&server.image) else { continue };
            let architecture = architecture(server, &name, deployed);
            let Some(mut variant) = self.variant(&image, architecture) else { continue };
            if variant.command.is_none() {
                let own = EcrImage { reference: Reference::Digest(variant.digest), ..image };
                self.up(session, vec![own.clone()]).await;
                let Some(found) = self.variant(&own, architecture) else { continue };
                variant = found;
            }
            if let Some(app) = &mut server.app {
                app.command = variant.command.filter(|command| !command.is_empty());
                filled |= app.command.is_some();
            }
        }
        if !filled {
            return Ok(());
        }
        environment.validate().map_err(|why| {
            refused(ErrorKind::Invalid, why.to_string())
                .with_hint("the command is that of the image; the file can say another")
        })
    }

    pub(super) fn variant(&self, image: &EcrImage, architecture: Architecture) -> Option<Variant> {
        self.found.get(image)?.as_ref().ok()?.variant(architecture).cloned()
    }

    /// The name with the digest, which then is known, too.
    fn pin(&mut self, name: &str) -> Option<String> {
        let image = EcrImage::parse(name).filter(|image| matches!(image.reference, Reference::Tag(_)))?;
        let found = self.found.get(&image)?.as_ref().ok()?.clone();
        let Found::Image { digest, .. } = &found else { return None };
        let pinned = image.pinned(digest);
        self.found.insert(EcrImage { reference: Reference::Digest(digest.clone()), ..image }, Ok(found));
        Some(pinned)
    }
}

/// The processor of a server's tasks: what the file says, else what is deployed, else the template's default.
pub(super) fn architecture(server: &ServerSpec, environment: &str, deployed: &[Stack]) -> Architecture {
    let name = names::stack(environment, &server.name);
    let in_force = || {
        let stack = deployed.iter().find(|stack| stack.id.name == name)?;
        (stack.parameters.get("Architecture")? == "X86_64").then_some(Architecture::X86)
    };
    server.architecture.or_else(in_force).unwrap_or(Architecture::Arm64)
}

/// Shows the images that a deploy brings, and warns of what could not be read, and of what the running tasks have but
/// the next would not get.
///
/// # Errors
/// Where a task could not start from what the deploy brings.
pub(super) async fn look(
    session: &Session,
    looked: &mut Looked,
    environment: &Environment,
    planned: &[StackDeploy],
    deployed: &[Stack],
) -> PlanResult<(Vec<Change>, Vec<String>)> {
    let (mut changes, mut warnings) = (Vec::new(), Vec::new());
    let needed = needed_images(environment, planned, deployed);
    let needed: Vec<(Needed, EcrImage)> =
        needed.into_iter().filter_map(|one| Some((EcrImage::parse(&one.image)?, one))).map(|(a, b)| (b, a)).collect();
    if looked.skipped || needed.is_empty() {
        return Ok((changes, warnings));
    }
    looked.up(session, needed.iter().map(|(_, image)| image.clone()).collect()).await;
    let account = session.cloud.identity().await?.account;
    for (needed, image) in &needed {
        if image.account != account {
            let why = no_right(needed, image, &account);
            if needed.new {
                return Err(why);
            }
            warnings.push(why.to_string());
            continue;
        }
        match looked.found.get(image) {
            Some(Ok(found)) => match found.lack(needed.architecture) {
                Some(lack) if needed.new => return Err(lacks(needed, image, &lack)),
                Some(lack) => warnings.push(format!(
                    "new tasks of {} cannot start: {}",
                    needed.server,
                    lacks(needed, image, &lack)
                )),
                None => {
                    changes.extend(row(needed, image, found));
                    warnings.extend(unknown(needed, image, found));
                }
            },
            Some(Err(why)) => warnings.push(format!(
                "{}: it could not be read whether {image} is there and for which processor: {why}",
                needed.key
            )),
            None => {}
        }
    }
    changes.dedup();
    Ok((changes, warnings))
}

/// What a deploy brings, by digest and processor.
fn row(needed: &Needed, image: &EcrImage, found: &Found) -> Option<Change> {
    let Found::Image { digest, .. } = found else { return None };
    let built = found.platforms().map_or_else(|| "?".to_owned(), |platforms| list(&platforms));
    needed.new.then(|| Change {
        subject: needed.server.clone(),
        field: if needed.key.starts_with("platform") { "gangway image in ECR".into() } else { "image in ECR".into() },
        before: None,
        after: Some(format!("{} {digest}, for {built}", image.repository)),
        risk: Risk::Safe,
    })
}

/// Says of an image that is there that nobody knows for which processor.
fn unknown(needed: &Needed, image: &EcrImage, found: &Found) -> Option<String> {
    let Found::Image { variants, .. } = found else { return None };
    let why = variants.why()?;
    Some(format!("{}: it could not be read for which processor {image} is: {why}", needed.key))
}

pub(super) fn list(platforms: &[Platform]) -> String {
    platforms.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ")
}

fn lacks(needed: &Needed, image: &EcrImage, lack: &Lack) -> PlanError {
    let (key, repository, region) = (&needed.key, &image.repository, &image.region);
    let wanted = needed.architecture.platform();
    let publish = |refusal: PlanError, else_: &str| match needed.key.strip_prefix("server.") {
        Some(_) => {
            let then = format!("brings it there, built for {wanted}{else_}");
            refusal.with_way(Hand::Publish, &format!("quarterdeck publish {}", needed.server), &then)
        }
        None => refusal.with_hint(format!("make the repository and push the image for {wanted} to it{else_}")),
    };
    match lack {
        Lack::NoRepository => {
            let why = format!("{key}: {} has no repository {repository:?} in {region}", image.account);
            publish(refused(ErrorKind::NotFound, why), ", or correct the name")
        }
        Lack::NoImage => {
            let what = match &image.reference {
                Reference::Tag(tag) => format!("the tag {tag:?}"),
                Reference::Digest(digest) => format!("the digest {digest}"),
            };
            let why = format!("{key}: the repository {repository} in {region} has no image with {what}");
            let list = format!("aws ecr describe-images --region {region} --repository-name {repository}");
            publish(refused(ErrorKind::NotFound, why), &format!("; `{list}` tells what is there"))
        }
        Lack::Platform(platforms) => {
            let (built, runs) = (list(platforms), needed.architecture);
            let why = format!("{key}: {image} is for {built}, and the tasks of {} run on {runs}", needed.server);
            refused(ErrorKind::Invalid, why).with_hint(format!(
                "build and push it for {wanted}, or set the architecture of server {} to that of the image",
                needed.server
            ))
        }
    }
}

/// The role that tasks are started with may pull from its own account alone (stack/server.yaml, `ExecutionRole`).
fn no_right(needed: &Needed, image: &EcrImage, account: &str) -> PlanError {
    let why = format!(
        "{}: {image} is in account {}, and the tasks may pull from their own account, {account}, alone",
        needed.key, image.account
    );
    refused(ErrorKind::Denied, why)
        .with_hint("push the image to a repository of that account, or let ECR replicate it there")
}
