//! The trials of a plan: servers that know nothing of gangway are started once on this machine, and the plan shows which
//! tools they have, with the scope that each will need.
//!
//! A server that has not changed since a deploy kept its tools is not started again. Whatever goes wrong here is told in
//! the plan and keeps it from nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::StreamExt;
use sha2::{Digest, Sha256};

use super::image::Looked;
use crate::cloud::ErrorKind;
use crate::core::environment::{Architecture, Template, Tools, names};
use crate::core::image::{EcrImage, Source};
use crate::core::operation::deploy::{ParameterValue, StackDeploy};
use crate::core::stack::Stack;
use crate::core::trial::{Kept, ServerTrial, Trial, kept};
use crate::run::session::Session;

/// The longest that a plan waits for an image to be pulled.
const PULL: Duration = Duration::from_secs(120);
/// Servers that are tried at a time: each has the memory of its task.
const AT_ONCE: usize = 2;

/// Tries the servers of a deploy, and gives their stacks what is to be kept.
pub(super) async fn deployed(
    session: &Session,
    looked: &Looked,
    deploys: &mut [StackDeploy],
    existing: &[Stack],
) -> Vec<ServerTrial> {
    let mut wanted = Vec::new();
    for deploy in deploys.iter_mut().filter(|deploy| deploy.template == Template::Server) {
        let stack = existing.iter().find(|stack| stack.id == deploy.stack);
        let parameters = deploy.known(stack);
        let before = parameters.get(kept::PARAMETER).cloned().unwrap_or_default();
        match Trial::of(&parameters) {
            Some((trial, tools)) => {
                let architecture = architecture(&parameters);
                let ids = [Some(&trial.image), trial.gangway.as_ref()].map(|name| looked.id(name?, architecture));
                let [image, gangway] = ids;
                let there = stack.is_some_and(|stack| !stack.status.absent());
                let variables = if there { Variables::Asked } else { Variables::None };
                let before = Kept::read(&before);
                let wish = Wish { trial, tools, architecture, image, gangway, before, variables };
                wanted.push((wish, deploy));
            }
            // It checks its callers itself now: what was kept is of another server.
            None if !before.is_empty() => keep(deploy, String::new()),
            None => {}
        }
    }
    let (wishes, mut stacks): (Vec<Wish>, Vec<&mut StackDeploy>) = wanted.into_iter().unzip();
    let tried: Vec<(ServerTrial, Option<String>)> =
        futures::stream::iter(wishes).map(|wish| wish.fulfil(session)).buffered(AT_ONCE).collect().await;
    for ((_, kept), deploy) in tried.iter().zip(&mut stacks) {
        if let Some(kept) = kept {
            keep(deploy, kept.clone());
        }
    }
    tried.into_iter().map(|(trial, _)| trial).collect()
}

/// Tries the image of this id, which a server is to start from once it is published. Nothing is kept of it before the
/// deploy. `None` where the server is built on gangway.
pub(super) async fn published(
    session: &Session,
    id: &str,
    deploy: &StackDeploy,
    existing: &[Stack],
) -> Option<ServerTrial> {
    let parameters = deploy.known(existing.iter().find(|stack| stack.id == deploy.stack));
    let (trial, tools) = Trial::of(&parameters)?;
    let before = parameters.get(kept::PARAMETER).and_then(|text| Kept::read(text));
    let architecture = architecture(&parameters);
    let trial = Trial { image: id.to_owned(), ..trial };
    let (image, variables) = (Some(id.to_owned()), Variables::Closed);
    let wish = Wish { trial, tools, architecture, image, gangway: None, before, variables };
    Some(wish.fulfil(session).await.0)
}

fn keep(deploy: &mut StackDeploy, kept: String) {
    deploy.keep.retain(|key| key != kept::PARAMETER);
    deploy.inputs.insert(kept::PARAMETER.to_owned(), ParameterValue::Value(kept));
}

fn architecture(parameters: &BTreeMap<String, String>) -> Architecture {
    let word = parameters.get("Architecture").map(String::as_str);
    let word = word.or_else(|| Template::Server.default_of("Architecture")).unwrap_or_default();
    word.parse().unwrap_or(Architecture::Arm64)
}

fn digest(text: &str) -> String {
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A trial that is wanted.
struct Wish {
    trial: Trial,
    tools: Tools,
    architecture: Architecture,
    /// The ids that engines give the images, where the registry says them.
    image: Option<String>,
    gangway: Option<String>,
    /// What the last deploy has kept.
    before: Option<Kept>,
    variables: Variables,
}

/// Whether the server may have variables in a Secret of its own, which have placeholders then.
enum Variables {
    /// There is no stack yet, and so no Secret.
    None,
    Asked,
    /// Whoever brings an image to its registry reads no Secret.
    Closed,
}

/// Why no image is started to be tried.
fn unwanted(local: bool) -> &'static str {
    if local { "on the local cloud it has gangway in it" } else { "it was not wanted" }
}

impl Wish {
    /// Tries it; and what the deploy is to keep of it.
    async fn fulfil(mut self, session: &Session) -> (ServerTrial, Option<String>) {
        if session.trials {
            self.ask(session).await;
        }
        let (name, server) = (self.trial.image.clone(), self.trial.server.clone());
        // A name with a digest says what the image is, wherever it is.
        if name.contains('@')
            && let Some(kept) = self.kept(&name)
        {
            return (kept, None);
        }
        if !session.trials {
            return (ServerTrial::not_tried(&server, unwanted(session.context.local)), None);
        }
        match self.here(session, &name, self.image.as_deref()).await {
            Ok(id) => self.trial.image = id,
            Err(why) => return (ServerTrial::not_tried(&server, why), None),
        }
        let what = if name.contains('@') { name } else { self.trial.image.clone() };
        if let Some(kept) = self.kept(&what) {
            return (kept, None);
        }
        if let Some(name) = self.trial.gangway.clone().filter(|_| self.trial.way != crate::core::trial::Way::Stdio) {
            match self.here(session, &name, self.gangway.as_deref()).await {
                Ok(id) => self.trial.gangway = Some(id),
                Err(why) => return (ServerTrial::not_tried(&server, format!("gangway, which asks it: {why}")), None),
            }
        }
        let tried = session.engine.try_out(&self.trial).await;
        let trial = ServerTrial::of(&self.trial, &self.tools, tried, self.before.as_ref(), digest);
        let kept = trial.to_keep(&self.of(&what), digest);
        (trial, kept)
    }

    /// Finds out which variables it has in its Secret.
    async fn ask(&mut self, session: &Session) {
        match self.variables {
            Variables::None => {}
            Variables::Closed => self.trial.unread = Some("a publish reads no Secret".to_owned()),
            Variables::Asked => {
                let secret = names::app_secret(&session.context.environment, &self.trial.server);
                match session.cloud.variables(&secret).await {
                    Ok(found) => self.trial.secrets.extend(found.keys),
                    Err(error) if error.kind == ErrorKind::NotFound => {}
                    Err(error) => self.trial.unread = Some(error.to_string()),
                }
            }
        }
    }

    /// What is tried, in short: the image with all that it is started with.
    fn of(&self, what: &str) -> String {
        digest(&self.trial.settings(&self.tools, what)).chars().take(16).collect()
    }

    fn kept(&self, what: &str) -> Option<ServerTrial> {
        let kept = self.before.as_ref().filter(|kept| kept.of == self.of(what))?;
        Some(ServerTrial::kept(&self.trial, kept))
    }

    /// The id of an image on this machine, which it is pulled to where it is not there.
    async fn here(&self, session: &Session, name: &str, id: Option<&str>) -> Result<String, String> {
        let platform = self.architecture.platform();
        let get = async {
            if let Some(id) = id
                && let Ok(found) = session.engine.get(&Source::Take(id.to_owned()), &platform).await
            {
                return Ok(found);
            }
            session.engine.get(&Source::Take(name.to_owned()), &platform).await
        };
        match tokio::time::timeout(PULL, get).await {
            Ok(Ok(found)) if found.platform != platform => {
                Err(format!("{name} is here for {}, and its tasks run on {platform}", found.platform))
            }
            Ok(Ok(found)) => Ok(found.id),
            Ok(Err(error)) => Err(error.message),
            Err(_) => Err(format!("pulling {name} takes more than {} s; pull it, and plan again", PULL.as_secs())),
        }
    }
}

impl Looked {
    /// The id that engines give an image of ECR, as far as it was read.
    pub(super) fn id(&self, name: &str, architecture: Architecture) -> Option<String> {
        self.variant(&EcrImage::parse(name)?, architecture)?.config
    }
}
