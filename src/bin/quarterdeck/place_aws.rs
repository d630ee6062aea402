//! Makes sessions with AWS: at the start by flags and files, later by where the operator goes.

use std::sync::Arc;

use async_trait::async_trait;
use quarterdeck::aws;
use quarterdeck::cloud::{CloudResult, ErrorKind};
use quarterdeck::core::destination::{Destination, NamedEnvironment, Profile, Target};
use quarterdeck::core::environment::names::NamedCluster;
use quarterdeck::core::environment::{Environment, names};
use quarterdeck::core::error::{PlanError, Refusal};
use quarterdeck::core::identity::Context;
use quarterdeck::local::Workshop;
use quarterdeck::run::Session;
use quarterdeck::run::audit::Audit;
use quarterdeck::run::definitions::Definitions;
use quarterdeck::run::places::Places;

use crate::Start;
use crate::cli::Global;
use crate::config::{self, Config};
use crate::failure::ProgramFailure;

/// What happens where nothing says which cluster to work on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cluster {
    /// It is an error.
    Named,
    /// The console offers those that are there.
    Offered,
}

/// What is worked on, once everything that says so was read.
struct Work {
    /// Empty where nothing is chosen.
    environment: String,
    /// Empty where nothing is chosen.
    cluster: String,
    file: Option<Environment>,
    local: bool,
}

/// What a session is made from.
#[derive(Clone)]
pub struct Maker {
    global: Global,
    config: Config,
    audit: Audit,
    definitions: Option<Definitions>,
    budgets: aws::Budgets,
    tell: fn(&str),
}

impl Maker {
    pub fn of(start: &Start) -> Self {
        Self {
            global: start.global.clone(),
            config: start.config.clone(),
            audit: start.audit.clone(),
            definitions: start.definitions.clone(),
            budgets: aws::Budgets::default(),
            tell: start.tell,
        }
    }

    /// A session with AWS, by flags and files.
    ///
    /// # Errors
    /// When they contradict each other or say too little, and when AWS's own files cannot be used.
    pub async fn session(&self, missing: Cluster) -> Result<Session, ProgramFailure> {
        let mut environment = config::environment(self.global.file.as_deref())?;
        let named = self.named()?;
        if self.global.file.is_none()
            && let Some(named) = named
        {
            // The file in this folder may describe another environment than the one that was named.
            environment = environment.filter(|file| file.environment == named.name);
        }
        let said = named.and_then(|named| named.region.clone());
        if let (Some(asked), Some(said)) = (&self.global.region, &said)
            && asked != said
        {
            let why = format!("--region says {asked}, and --environment says {said}");
            return Err(Refusal::new(ErrorKind::Invalid, why).into());
        }
        let cluster: Option<NamedCluster> = self.global.cluster.as_deref().map(str::parse).transpose()?;
        let there = cluster.as_ref().and_then(|cluster| cluster.region.clone());
        if let (Some(asked), Some(there)) = (&self.global.region, &there)
            && asked != there
        {
            let why = format!("--region says {asked}, but the cluster's ARN says {there}");
            return Err(Refusal::new(ErrorKind::Invalid, why).into());
        }
        let region = self.global.region.clone().or(said).or(there).or_else(|| self.config.region.clone());
        let access = aws::Access {
            profile: self.profile(),
            region: region.or_else(|| environment.as_ref().map(|environment| environment.region.clone())),
            endpoint: self.global.endpoint_url.clone(),
            ..aws::Access::default()
        };
        let work = self.work(environment, cluster.as_ref().map(|cluster| cluster.name.clone()), missing)?;
        let session = self.build(&access, work).await?;
        if let Some(account) = cluster.and_then(|cluster| cluster.account) {
            let ours = session.cloud.identity().await?.account;
            if ours != account {
                let why = format!("the cluster's ARN is of account {account}, and these credentials are of {ours}");
                return Err(Refusal::new(ErrorKind::Invalid, why).with_hint("choose others with --profile").into());
            }
        }
        Ok(session)
    }

    /// A session with the local cloud.
    ///
    /// # Errors
    /// When the flags contradict the environment's file.
    pub async fn local(&self, access: &aws::Access, environment: Environment) -> Result<Session, ProgramFailure> {
        let cluster: Option<NamedCluster> = self.global.cluster.as_deref().map(str::parse).transpose()?;
        if self.named()?.is_some_and(|named| named.region.is_some()) {
            return Err(Refusal::new(ErrorKind::Invalid, "the local cloud has one region; name no other").into());
        }
        let work = self.work(Some(environment), cluster.map(|cluster| cluster.name), Cluster::Named)?;
        Ok(self.build(access, Work { local: true, ..work }).await?)
    }

    /// The environment that the command line names, for what works on one.
    fn named(&self) -> Result<Option<&NamedEnvironment>, Refusal> {
        match self.global.environment.as_slice() {
            [] => Ok(None),
            [one] => Ok(Some(one)),
            _ => Err(Refusal::new(ErrorKind::Invalid, "it names several environments, and this works on one")
                .with_hint("the console without --local, `status` and `why` take several")),
        }
    }

    /// The places that are to stand in one Fleet: those of the command line, else, where nothing names one environment
    /// or cluster, those of the configuration. Empty where one place is worked on.
    ///
    /// # Errors
    /// When the environment's file cannot be used.
    pub fn fleet(&self) -> Result<Vec<Destination>, ProgramFailure> {
        let (global, config) = (&self.global, &self.config);
        if global.local || global.cluster.is_some() || global.environment.len() == 1 {
            return Ok(Vec::new());
        }
        let file = config::environment(global.file.as_deref())?;
        if global.environment.is_empty() {
            let one = file.is_some() || config.environment.is_some();
            // Each entry was looked at when the file was read.
            return Ok(if one {
                Vec::new()
            } else {
                config.fleet.iter().filter_map(|stand| stand.destination().ok()).collect()
            });
        }
        let place = |named: &NamedEnvironment| {
            let described = file.as_ref().filter(|file| file.environment == named.name).map(|file| file.region.clone());
            let region = named.region.clone().or_else(|| global.region.clone()).or_else(|| config.region.clone());
            let target = Some(Target::Environment(named.name.clone()));
            // Whose credentials count is the same as for one place: keys in the environment come before a profile.
            Destination { profile: None, region: region.or(described), target }
        };
        Ok(global.environment.iter().map(place).collect())
    }

    /// Whether flags or files name an environment or a cluster.
    ///
    /// # Errors
    /// When the environment's file cannot be used.
    pub fn chosen(&self) -> Result<bool, ProgramFailure> {
        let named = self.global.cluster.is_some() || !self.global.environment.is_empty();
        let said = named || self.config.environment.is_some() || self.global.file.is_some();
        Ok(said || config::environment(None)?.is_some())
    }

    /// The profile that flags and files name.
    fn profile(&self) -> Option<String> {
        self.global.profile.clone().or_else(|| self.config.profile.clone())
    }

    fn work(&self, file: Option<Environment>, cluster: Option<String>, missing: Cluster) -> Result<Work, Refusal> {
        let named = self.named()?.map(|named| named.name.clone());
        if let (Some(named), Some(file)) = (&named, &file)
            && *named != file.environment
        {
            let why = format!("--environment says {named:?}, but the environment's file says {:?}", file.environment);
            return Err(Refusal::new(ErrorKind::Invalid, why).with_hint("name the right file with --file"));
        }
        let described = || file.as_ref().map(|file| file.environment.clone());
        let environment = match (named.or_else(described).or_else(|| self.config.environment.clone()), &cluster) {
            (Some(name), _) => name,
            (None, Some(cluster)) => cluster.strip_prefix("quarterdeck-").unwrap_or(cluster).to_owned(),
            (None, None) if missing == Cluster::Offered => {
                return Ok(Work { environment: String::new(), cluster: String::new(), file, local: false });
            }
            (None, None) => {
                return Err(Refusal::new(ErrorKind::Invalid, "nothing says which environment to work on")
                    .with_hint("run where quarterdeck.toml is, or name it with -e ENV, or a cluster with --cluster"));
            }
        };
        let cluster = cluster.unwrap_or_else(|| names::cluster(&environment));
        Ok(Work { environment, cluster, file, local: false })
    }

    /// Builds a session from the cloud, the context and the audit.
    async fn build(&self, access: &aws::Access, work: Work) -> CloudResult<Session> {
        let mut cloud = aws::connect(access).await?.sharing(&self.budgets);
        if let Some(file) = self.definitions.clone() {
            let before = file.load();
            cloud = cloud.with_definitions(before, Arc::new(move |used| file.save(used)));
        }
        let context = Context {
            identity: None,
            region: cloud.region().to_owned(),
            cluster: work.cluster,
            endpoint: cloud.endpoint().map(ToOwned::to_owned),
            // What cannot be recorded must not be done.
            read_only: self.global.read_only || self.config.read_only || self.audit.barred().is_some(),
            protected: work.file.as_ref().is_some_and(|file| file.protected),
            environment: work.environment,
            local: work.local,
            profile: cloud.profile().map(ToOwned::to_owned),
            sign_in: cloud.sign_in(),
        };
        Ok(Session {
            cloud: Arc::new(cloud),
            context,
            environment: work.file.map(Arc::new),
            engine: Arc::new(Workshop::new(config::Places::find().state, self.tell)),
            overrides: Arc::default(),
            audit: self.audit.clone(),
            trials: !self.global.no_trial,
        })
    }

    /// The environment's file, if it describes this environment. It is read anew: what it protects is protected from
    /// now on.
    fn file_of(&self, environment: &str) -> Result<Option<Environment>, Refusal> {
        let unusable = |error: config::ConfigError| Refusal::new(ErrorKind::Invalid, error.to_string());
        let file = config::environment(self.global.file.as_deref()).map_err(unusable)?;
        Ok(file.filter(|file| file.environment == environment))
    }
}

#[async_trait]
impl Places for Maker {
    async fn profiles(&self) -> CloudResult<Vec<Profile>> {
        aws::profiles()
    }

    async fn open(&self, to: &Destination) -> Result<Session, PlanError> {
        let (environment, cluster) = match &to.target {
            Some(Target::Environment(name)) => (name.clone(), names::cluster(name)),
            Some(Target::Cluster(name)) => (name.clone(), name.clone()),
            None => (String::new(), String::new()),
        };
        let file = match &to.target {
            Some(Target::Environment(name)) => self.file_of(name)?,
            Some(Target::Cluster(_)) | None => None,
        };
        let (profile, ours) = (to.profile.clone().or_else(|| self.profile()), to.profile == self.profile());
        let access = aws::Access {
            only_profile: to.profile.is_some() && (!ours || aws::keys_in_environment()),
            profile,
            region: to.region.clone(),
            endpoint: self.global.endpoint_url.clone(),
            ..aws::Access::default()
        };
        Ok(self.build(&access, Work { environment, cluster, file, local: false }).await?)
    }
}
