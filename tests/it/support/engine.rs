//! Container engines that are none: images in memory, which are pushed to the registry of a [`World`].

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use quarterdeck::core::environment::Architecture;
use quarterdeck::core::error::{CloudError, CloudResult, ErrorKind};
use quarterdeck::core::image::{LocalImage, Platform, Reference, Source};
use quarterdeck::core::operation::{Applied, Approved, Call, Facts, ImageCall};
use quarterdeck::core::trial::{Trial, Tried};
use quarterdeck::engine::{Engine, Login};
use secrecy::ExposeSecret;

use super::world::{self, World};

/// A machine without an engine.
pub struct Without;

#[async_trait]
impl Engine for Without {
    async fn get(&self, source: &Source, _: &Platform) -> CloudResult<LocalImage> {
        Err(CloudError::new(ErrorKind::NotFound, "engine:Get", format!("there is no engine for {source}")))
    }

    async fn try_out(&self, _: &Trial) -> Tried {
        Tried::NotTried("there is no engine".to_owned())
    }

    async fn push(&self, _: &Approved, _: &Login) -> CloudResult<Applied> {
        Err(CloudError::new(ErrorKind::NotFound, "engine:Push", "there is no engine"))
    }
}

/// An engine with some images.
#[derive(Clone)]
pub struct Shelf {
    world: World,
    /// By where they come from: the text of their configuration.
    images: Arc<Mutex<BTreeMap<String, String>>>,
    /// What goes wrong with the next pushes.
    pub failures: Arc<Mutex<VecDeque<CloudError>>>,
    /// What came of the trial of a server, and what was tried.
    pub answers: Arc<Mutex<BTreeMap<String, Tried>>>,
    pub tried: Arc<Mutex<Vec<Trial>>>,
    /// The names that were pushed.
    pub pushed: Arc<Mutex<Vec<String>>>,
}

/// An environment with one server, whose image is built.
pub const FILE: &str = "environment = 'prod'\nregion = 'eu-central-1'\n[[server]]\nname = 'files'\n\
    image = '123456789012.dkr.ecr.eu-central-1.amazonaws.com/quarterdeck/prod/files:1'\nbuild = './files'\n\
    gangway = true\n";

/// The configuration of an image that differs from others by a word.
pub fn config(architecture: Architecture, word: &str) -> String {
    let platform = architecture.platform();
    format!(r#"{{"architecture":"{}","os":"linux","config":{{"Entrypoint":["/{word}"]}}}}"#, platform.architecture)
}

impl Shelf {
    pub fn new(world: &World) -> Self {
        Self {
            world: world.clone(),
            images: Arc::default(),
            failures: Arc::default(),
            answers: Arc::default(),
            tried: Arc::default(),
            pushed: Arc::default(),
        }
    }

    /// The source has this image from now on.
    pub fn put(&self, source: Source, config: String) {
        self.images.lock().unwrap().insert(source.to_string(), config);
    }

    /// All images are gone.
    pub fn clear(&self) {
        self.images.lock().unwrap().clear();
    }

    /// The next push fails like this.
    pub fn fails(&self, kind: ErrorKind, why: &str) {
        self.failures.lock().unwrap().push_back(CloudError::new(kind, "engine:Push", why));
    }
}

#[async_trait]
impl Engine for Shelf {
    async fn get(&self, source: &Source, _: &Platform) -> CloudResult<LocalImage> {
        let images = self.images.lock().unwrap();
        let config = images
            .get(&source.to_string())
            .ok_or_else(|| CloudError::new(ErrorKind::NotFound, "engine:Get", format!("there is no image {source}")))?;
        let described: serde_json::Value = serde_json::from_str(config).unwrap();
        let text = |key: &str| described[key].as_str().unwrap().to_owned();
        let platform = Platform { os: text("os"), architecture: text("architecture") };
        Ok(LocalImage { id: world::digest(config), platform, size: 7_000_001 })
    }

    async fn try_out(&self, trial: &Trial) -> Tried {
        self.tried.lock().unwrap().push(trial.clone());
        let answers = self.answers.lock().unwrap();
        answers.get(&trial.server).cloned().unwrap_or_else(|| Tried::NotTried("nobody has scripted it".to_owned()))
    }

    async fn push(&self, approved: &Approved, login: &Login) -> CloudResult<Applied> {
        let Call::Image(ImageCall::Push(push)) = approved.call() else { panic!("{:?}", approved.call()) };
        assert_eq!(login.token().expose_secret(), world::TOKEN);
        if let Some(error) = self.failures.lock().unwrap().pop_front() {
            return Err(error);
        }
        let images = self.images.lock().unwrap();
        let Some(config) = images.values().find(|config| world::digest(config) == push.id) else {
            return Ok(Applied::Void(format!("the image {} is not on this machine any more", push.id)));
        };
        let Reference::Tag(tag) = &push.image.reference else { panic!("{push:?}") };
        let mut state = self.world.state();
        let repository = state.repositories.get_mut(&push.image.repository).expect("it was made before");
        let before = repository.insert(tag.clone(), config.clone());
        assert!(before.is_none_or(|before| before == *config), "a tag was moved");
        self.pushed.lock().unwrap().push(push.image.to_string());
        Ok(Applied::Done(Facts::new()))
    }
}
