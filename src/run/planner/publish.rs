//! The plan to bring images to their registry. It gets each image, which may mean to build it, on this machine alone:
//! without, nobody could say whether it fits the tasks that are to start from it.

use super::deploy::{Planner, command, environment, weight};
use super::image::{architecture, list};
use super::{refused, trial};
use crate::cloud::ErrorKind;
use crate::core::environment::{Architecture, Environment, ServerSpec, names, repository, stacks};
use crate::core::error::{PlanError, PlanResult};
use crate::core::image::{EcrImage, Found, LocalImage, Reference, Source, check_repository, check_tag};
use crate::core::operation::deploy::{Planned, StackDeploy};
use crate::core::operation::intent::LAYOUT;
use crate::core::operation::publish::{ImagePublish, Publish};
use crate::core::operation::work::{Part, Push};
use crate::core::operation::{Facts, Intent};
use crate::core::plan::{Change, Plan, Risk};
use crate::core::stack::{Stack, StackRef};
use crate::core::trial::ServerTrial;
use crate::run::session::{Session, operation_id};
use crate::run::{operate, registry};

pub(super) async fn publish(
    session: &Session,
    only: &[String],
    gangway: bool,
    from: Option<String>,
) -> PlanResult<Plan> {
    if session.context.local {
        return Err(refused(
            ErrorKind::Invalid,
            "the local cloud starts images from this machine: nothing is published",
        )
        .with_hint("publish to an environment on AWS; `quarterdeck --local` starts what the file names"));
    }
    let environment = environment(session)?;
    let wanted = if gangway { vec![front(environment, from)?] } else { chosen(environment, only, from)? };
    let goals = goals(session, environment, wanted).await?;
    let existing = existing(session, environment, &goals).await?;
    let mut planner = Planner {
        session,
        existing: &existing,
        id: operation_id(),
        facts: Facts::new(),
        changes: Vec::new(),
        warnings: Vec::new(),
        drafts: Vec::new(),
        protect: None,
    };
    let mut trials = Vec::new();
    let mut images = Vec::new();
    for goal in &goals {
        match planner.image(environment, goal).await {
            Ok(image) => {
                trials.extend(planner.trial(environment, goal, &image).await);
                images.push(image);
            }
            Err(error) => {
                operate::discard(session, &planner.drafts).await;
                return Err(error);
            }
        }
    }
    let title = match goals.as_slice() {
        [goal] => format!("publish {}", goal.image),
        many => format!("publish {} images of {}", many.len(), environment.environment),
    };
    let resource = goals.iter().map(|goal| goal.image.repository.clone()).collect::<Vec<_>>().join(", ");
    Ok(Plan {
        title,
        target: session.target(format!("repositories {resource}")).await?,
        commands: images.iter().flat_map(commands).collect(),
        confirm: weight(session, &planner.changes),
        changes: planner.changes,
        warnings: planner.warnings,
        facts: planner.facts,
        intent: Intent::Publish(Publish { environment: environment.environment.clone(), images }),
        trials,
        cost: None,
        layout: LAYOUT,
        drafts: planner.drafts,
        id: planner.id,
    })
}

/// What is asked for, with names that are possible.
async fn goals<'a>(
    session: &Session,
    environment: &'a Environment,
    wanted: Vec<(What<'a>, Source)>,
) -> PlanResult<Vec<Goal<'a>>> {
    let account = session.cloud.identity().await?.account;
    let goal = |(what, source)| Ok(Goal { what, source, image: target(environment, what, &account)? });
    wanted.into_iter().map(goal).collect()
}

/// The stacks of repositories and of the servers that start from the images, as far as they are there.
async fn existing(session: &Session, environment: &Environment, goals: &[Goal<'_>]) -> PlanResult<Vec<Stack>> {
    let mut names: Vec<String> = Vec::new();
    for goal in goals {
        names.push(names::repository_stack(&environment.environment, goal.what.name()));
        let servers = goal.what.servers(environment).into_iter();
        names.extend(servers.map(|server| names::stack(&environment.environment, &server.name)));
    }
    names.sort_unstable();
    names.dedup();
    let mut found = Vec::new();
    for name in names {
        let stack = StackRef { name, region: session.context.region.clone() };
        found.extend(session.cloud.stack(&stack).await?);
    }
    Ok(found)
}

/// Whose image it is.
#[derive(Clone, Copy)]
enum What<'a> {
    Server(&'a ServerSpec),
    /// gangway's own, which stands in front of others.
    Gangway,
}

impl<'a> What<'a> {
    fn name(self) -> &'a str {
        match self {
            Self::Server(server) => &server.name,
            Self::Gangway => names::GANGWAY,
        }
    }

    /// The key of the file that says the image's name.
    fn key(self) -> String {
        match self {
            Self::Server(server) => format!("server.{}.image", server.name),
            Self::Gangway => "platform.gangway_image".to_owned(),
        }
    }

    /// The servers whose tasks start from it. Before there is one with `[server.app]`, any may become one.
    fn servers(self, environment: &'a Environment) -> Vec<&'a ServerSpec> {
        let all = environment.servers.iter();
        match self {
            Self::Server(server) => vec![server],
            Self::Gangway if all.clone().any(|server| server.app.is_some()) => {
                all.filter(|server| server.app.is_some()).collect()
            }
            Self::Gangway => all.collect(),
        }
    }

    /// The processors of those tasks, each once.
    fn architectures(self, environment: &Environment, deployed: &[Stack]) -> Vec<Architecture> {
        let servers = self.servers(environment).into_iter();
        let mut all = Vec::new();
        for each in servers.map(|server| architecture(server, &environment.environment, deployed)) {
            if !all.contains(&each) {
                all.push(each);
            }
        }
        if all.is_empty() { vec![Architecture::Arm64] } else { all }
    }
}

/// What is to be where.
struct Goal<'a> {
    what: What<'a>,
    source: Source,
    image: EcrImage,
}

impl Goal<'_> {
    /// Whether its repository is the one that we make for it.
    fn ours(&self, environment: &Environment) -> bool {
        let repository = names::repository(&environment.environment, self.what.name());
        self.image.repository == repository && self.image.region == environment.region
    }
}

/// gangway's image, with where it comes from.
fn front<'a>(environment: &Environment, from: Option<String>) -> PlanResult<(What<'a>, Source)> {
    let from = from.or_else(|| environment.platform.gangway_from.clone()).ok_or_else(|| {
        refused(ErrorKind::Invalid, "quarterdeck.toml does not say where the image of gangway comes from")
            .with_hint("say `gangway_from = \"localhost/gangway\"` under [platform], or pass --from IMAGE")
    })?;
    Ok((What::Gangway, Source::Take(from)))
}

/// The servers, and gangway where all are wanted, each with where its image comes from.
fn chosen<'a>(
    environment: &'a Environment,
    only: &[String],
    from: Option<String>,
) -> PlanResult<Vec<(What<'a>, Source)>> {
    if from.is_some() && only.len() != 1 {
        return Err(refused(ErrorKind::Invalid, "--from names one image: name the one server that it is for"));
    }
    let source = |server: &ServerSpec| from.clone().map(Source::Take).or_else(|| server.source());
    if only.is_empty() {
        let servers = environment.servers.iter();
        let mut all: Vec<_> = servers.filter_map(|server| Some((What::Server(server), source(server)?))).collect();
        if environment.platform.gangway_from.is_some() {
            all.push(front(environment, None)?);
        }
        if all.is_empty() {
            return Err(refused(ErrorKind::NotFound, "quarterdeck.toml says of no server where its image comes from")
                .with_hint(SOURCE));
        }
        return Ok(all);
    }
    let mut wanted: Vec<(&ServerSpec, Source)> = Vec::new();
    for name in only {
        let Some(server) = environment.server(name) else {
            let known: Vec<&str> = environment.servers.iter().map(|server| server.name.as_str()).collect();
            let why = format!("quarterdeck.toml has no server {name:?}");
            return Err(refused(ErrorKind::NotFound, why).with_hint(format!("it has {}", known.join(", "))));
        };
        let found = source(server).ok_or_else(|| {
            refused(
                ErrorKind::Invalid,
                format!("server.{name}: quarterdeck.toml does not say where its image comes from"),
            )
            .with_hint(SOURCE)
        })?;
        if !wanted.iter().any(|(other, _)| other.name == server.name) {
            wanted.push((server, found));
        }
    }
    Ok(wanted.into_iter().map(|(server, source)| (What::Server(server), source)).collect())
}

const SOURCE: &str =
    "say `build = \"./folder\"` or `from = \"docker.io/acme/files:2\"` under its [[server]], or pass --from IMAGE";

/// The name that an image is to have in ECR, with a tag.
fn target(environment: &Environment, what: What<'_>, account: &str) -> PlanResult<EcrImage> {
    let (key, region) = (what.key(), &environment.region);
    let repository = names::repository(&environment.environment, what.name());
    let domain = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
    let word = key.rsplit('.').next().unwrap_or_default();
    let example = format!("{word} = \"{account}.dkr.ecr.{region}.{domain}/{repository}:1\"");
    let wrong = |why: String| refused(ErrorKind::Invalid, why).with_hint(format!("such as `{example}`"));
    let name = match what {
        What::Server(server) => &server.image,
        What::Gangway if environment.server(names::GANGWAY).is_some() => {
            let why =
                format!("a server is called {}, and its repository is the one of gangway's image", names::GANGWAY);
            return Err(
                refused(ErrorKind::Invalid, why).with_hint("bring the image there by hand, and name it by its digest")
            );
        }
        What::Gangway => environment.platform.gangway_image.as_ref().ok_or_else(|| {
            wrong(format!("{key}: quarterdeck.toml does not say which name the image of gangway is to have in ECR"))
        })?,
    };
    let image =
        EcrImage::parse(name).ok_or_else(|| wrong(format!("{key}: {name:?} is not the name of an image in ECR")))?;
    if image.account != account {
        return Err(wrong(format!(
            "{key}: {image} is in account {}, and these credentials are of {account}",
            image.account
        )));
    }
    check_repository(&image.repository).map_err(|why| wrong(format!("{key}: {why}")))?;
    match &image.reference {
        Reference::Tag(tag) => check_tag(tag).map_err(|why| wrong(format!("{key}: {why}")))?,
        Reference::Digest(digest) => {
            return Err(wrong(format!(
                "{key}: a digest, {digest}, is known only when the image is there; name a tag, and the deploy pins the \
                 digest that it has"
            )));
        }
    }
    Ok(image)
}

impl Planner<'_> {
    /// Tries an image that is not in its registry yet.
    async fn trial(&mut self, environment: &Environment, goal: &Goal<'_>, image: &ImagePublish) -> Option<ServerTrial> {
        let (push, What::Server(server)) = (image.push.as_ref()?, goal.what) else { return None };
        let name = names::stack(&environment.environment, &server.name);
        let all = stacks(environment, &self.session.overrides, self.existing);
        let deploy = all.iter().find(|deploy| deploy.stack.name == name)?;
        let trial = trial::published(self.session, &push.id, deploy, self.existing).await?;
        self.warnings.extend(trial.warnings());
        Some(trial)
    }

    async fn image(&mut self, environment: &Environment, goal: &Goal<'_>) -> PlanResult<ImagePublish> {
        let (session, owner) = (self.session, goal.what.name());
        let found = registry::image(session, &goal.image).await?;
        let stack = self.repository(environment, goal, &found).await?;
        let architectures = goal.what.architectures(environment, self.existing);
        if architectures.len() > 1 {
            session.engine.joins().await?;
        }
        let mut built = Vec::new();
        for architecture in architectures {
            let local = session.engine.get(&goal.source, &architecture.platform()).await?;
            fits(goal, &local, architecture)?;
            built.push(local);
        }
        let change = |field: &str, before: Option<String>, after: String| Change {
            subject: owner.to_owned(),
            field: field.to_owned(),
            before,
            after: Some(after),
            risk: Risk::Safe,
        };
        let image = ImagePublish { server: owner.to_owned(), stack, push: None };
        if let Found::Image { digest, .. } = &found {
            return match found.is_all(built.iter().map(|local| local.id.as_str())) {
                Some(true) => {
                    self.warnings.push(format!("{} is there already: {digest}", goal.image));
                    Ok(image)
                }
                Some(false) => Err(taken(goal, digest)),
                None => Err(refused(
                    ErrorKind::Denied,
                    format!("{} is there, and it could not be read which image it is", goal.image),
                )
                .with_hint("`quarterdeck iam-policy publish` prints the rights that this takes")),
            };
        }
        self.changes.push(change(
            "image",
            Some(goal.source.to_string()),
            format!("{} as {}", each(&built, |local| short(&local.id).to_owned()), goal.image),
        ));
        let sizes = each(&built, |local| format!("{}, {}", local.platform, megabytes(local.size)));
        self.changes.push(change("built for", None, sizes));
        let starts = match goal.what {
            What::Server(server) => format!("a deploy of {} starts tasks from the image", server.name),
            What::Gangway => "a deploy starts tasks with it, by the digest that it has then".to_owned(),
        };
        self.warnings.push(format!("what runs stays as it is: {starts}"));
        let mut parts = built.into_iter().map(|local| Part { id: local.id, platform: local.platform });
        let push = parts.next().map(|Part { id, platform }| Push {
            image: goal.image.clone(),
            id,
            platform,
            others: parts.collect(),
        });
        Ok(ImagePublish { push, ..image })
    }

    /// The stack of the repository, planned; `None` where the repository is none of ours.
    async fn repository(
        &mut self,
        environment: &Environment,
        goal: &Goal<'_>,
        found: &Found,
    ) -> PlanResult<Option<StackDeploy>> {
        let stack = repository(environment, goal.what.name(), &self.session.overrides, self.existing);
        let there = self.existing.iter().find(|one| one.id == stack.stack).filter(|one| !one.status.absent());
        let name = &goal.image.repository;
        match (there, found) {
            (None, Found::NoImage | Found::Image { .. }) => {
                if goal.ours(environment) {
                    self.warnings.push(format!(
                        "the repository {name} is there without its stack {}; it stays as it is, and nobody says whether \
                         its tags can be moved",
                        stack.stack.name
                    ));
                }
                Ok(None)
            }
            (Some(there), Found::NoRepository) if goal.ours(environment) && there.status.settled_well() => {
                Err(lost(there, name))
            }
            _ if goal.ours(environment) => {
                let planned = self.stack(stack, &[]).await?;
                Ok(Some(planned).filter(|stack| stack.planned != Planned::Unchanged))
            }
            (_, Found::NoRepository) => {
                let why = format!("{}: there is no repository {name} in {}", goal.what.key(), goal.image.region);
                let own = names::repository(&environment.environment, goal.what.name());
                Err(refused(ErrorKind::NotFound, why)
                    .with_hint(format!("make it, or name {own}, which is made here, in {}", environment.region)))
            }
            _ => Ok(None),
        }
    }
}

/// What is said of each image, one after the other.
fn each(images: &[LocalImage], say: impl Fn(&LocalImage) -> String) -> String {
    images.iter().map(say).collect::<Vec<_>>().join(" and ")
}

/// Refuses an image from which no task of the server could start.
fn fits(goal: &Goal<'_>, local: &LocalImage, architecture: Architecture) -> PlanResult<()> {
    let wanted = architecture.platform();
    if local.platform == wanted {
        return Ok(());
    }
    let built = list(std::slice::from_ref(&local.platform));
    let (key, tasks, server) = match goal.what {
        What::Server(ServerSpec { name, .. }) => (format!("server.{name}"), name.as_str(), format!("server {name}")),
        What::Gangway => (goal.what.key(), "servers with [server.app]", "those servers".to_owned()),
    };
    let why = format!("{key}: {} is for {built}, and the tasks of {tasks} run on {architecture}", goal.source);
    Err(refused(ErrorKind::Invalid, why).with_hint(match goal.source {
        Source::Build(_) => format!(
            "build it from a base for {wanted}, which this machine may need an emulator for, or set the architecture of \
             {server} to that of the image"
        ),
        Source::Take(_) => {
            format!("get it for {wanted} (`podman pull --platform {wanted}`), or set the architecture of {server}")
        }
    }))
}

fn taken(goal: &Goal<'_>, digest: &str) -> PlanError {
    let why = format!("{}: {} is another image already, {digest}", goal.what.key(), goal.image);
    refused(ErrorKind::Invalid, why).with_hint(
        "a tag is never moved, so that what a plan has shown is what runs: write the next tag into quarterdeck.toml",
    )
}

/// The stack says that there is a repository, and somebody has deleted it.
fn lost(stack: &Stack, repository: &str) -> PlanError {
    let (name, region) = (&stack.id.name, &stack.id.region);
    let why = format!("{name} made the repository {repository}, and it is gone");
    refused(ErrorKind::Conflict, why).with_hint(format!(
        "delete the stack, and publish again makes both: `aws cloudformation delete-stack --region {region} --stack-name \
         {name}`"
    ))
}

/// The beginning of an id, as engines print it.
fn short(id: &str) -> &str {
    let hex = id.strip_prefix("sha256:").unwrap_or(id);
    hex.get(..12).unwrap_or(hex)
}

fn commands(image: &ImagePublish) -> Vec<String> {
    let stack = image.stack.as_ref().map(command);
    let push = image.push.as_ref().map(|push| {
        let EcrImage { host, region, .. } = &push.image;
        let send = if push.others.is_empty() {
            format!("podman push {} docker://{}", short(&push.id), push.image)
        } else {
            let adds = push.ids().map(|id| format!("podman manifest add all containers-storage:{}", short(id)));
            let adds = adds.collect::<Vec<_>>().join("; ");
            format!("podman manifest create all; {adds}; podman manifest push --all all docker://{}", push.image)
        };
        format!(
            "aws ecr get-login-password --region {region} | podman login --username AWS --password-stdin {host}; {send}"
        )
    });
    stack.into_iter().chain(push).collect()
}

/// A size, in whole megabytes as engines print it.
fn megabytes(size: u64) -> String {
    format!("{} MB", size.div_ceil(1_000_000))
}
