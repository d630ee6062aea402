//! What Fleet reads beside the fleet itself, answered as the console's driver does.

use std::sync::Arc;

use async_trait::async_trait;
use quarterdeck::aws::AwsCloud;
use quarterdeck::console::screens::{Answer, Fetch};
use quarterdeck::core::error::{CloudError, CloudResult, ErrorKind};
use quarterdeck::core::identity::Context;
use quarterdeck::core::image::{LocalImage, Platform, Source};
use quarterdeck::core::metrics::Detail;
use quarterdeck::core::operation::{Applied, Approved};
use quarterdeck::core::trial::{Trial, Tried};
use quarterdeck::engine::{Engine, Login};
use quarterdeck::run::audit::Audit;
use quarterdeck::run::tail::Budget;
use quarterdeck::run::traffic::Watch;
use quarterdeck::run::{Session, metrics, read};

/// The reads of one console.
#[derive(Clone)]
pub struct Reads {
    session: Session,
    watch: Watch,
}

impl Reads {
    pub fn new(cloud: Arc<AwsCloud>, context: Context) -> Self {
        // As on AWS: an emulator has another budget of log pages.
        let watch = Watch::new(Budget::default());
        let session = Session {
            cloud,
            engine: Arc::new(Without),
            context,
            environment: None,
            overrides: Arc::default(),
            audit: Audit::nowhere("a bench writes nothing".to_owned()).expect("an audit"),
            trials: false,
        };
        Self { session, watch }
    }

    /// The answer to what Fleet reads. Another read would be missing in the count, so there is none.
    #[allow(clippy::panic, reason = "a count that misses a read would look well")]
    pub async fn answer(&self, fetch: Fetch) -> Answer {
        let (session, now) = (&self.session, || self.session.now());
        match fetch {
            Fetch::Identity => Answer::Identity(session.cloud.identity().await),
            Fetch::Announced => Answer::Announced(session.cloud.announced(&session.context.cluster).await),
            Fetch::Stacks => Answer::Stacks(read::stacks(session).await),
            Fetch::Measured(servers) => {
                Answer::Measured(metrics::read(session, &servers, Detail::Tools, now()).await.map(Box::new))
            }
            Fetch::Traffic(watched) => Answer::Traffic(Ok(Box::new(self.watch.read(session, &watched, now).await))),
            other => panic!("Fleet reads what is not counted here: {other:?}"),
        }
    }
}

/// A machine without a container engine.
struct Without;

#[async_trait]
impl Engine for Without {
    async fn get(&self, _: &Source, _: &Platform) -> CloudResult<LocalImage> {
        Err(none())
    }

    async fn try_out(&self, _: &Trial) -> Tried {
        Tried::NotTried("there is no engine".to_owned())
    }

    async fn push(&self, _: &Approved, _: &Login) -> CloudResult<Applied> {
        Err(none())
    }
}

fn none() -> CloudError {
    CloudError::new(ErrorKind::NotFound, "engine:Get", "there is no engine")
}
