//! The one scheduler that all reads of ECS, Elastic Load Balancing, Application Auto Scaling and CloudWatch share: a lane
//! for each bucket that AWS keeps, and the attempts of a call.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::{AwsCloud, silence};
use crate::cloud::{CloudError, CloudResult, ErrorKind};
use crate::core::backoff::{Backoff, chance_of};
use crate::core::pace::{Lane, Limits, Ticket, Urgency, Usage, Wait};

/// The part of AWS's rates that this program takes. The rest is for whoever else works in the account.
const SHARE: f64 = 0.5;
/// Attempts of a read.
const ATTEMPTS: u32 = 3;
/// The same while the service says that calls come too fast: each waits for the lane, which is slower every time.
const THROTTLED: u32 = 6;
/// The pause after a failure that is not a throttle; after a throttle the lane itself waits.
const PAUSE: Backoff = Backoff { first: Duration::from_millis(250), longest: Duration::from_millis(500) };

macro_rules! apis {
    ($($(#[$doc:meta])* $api:ident $name:literal $burst:literal $rate:literal;)*) => {
        /// A bucket of calls that AWS keeps for an account and a region.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Api { $($(#[$doc])* $api,)* }

        /// Each with its name, burst and rate a second.
        const APIS: &[(&str, Limits)] = &[$(($name, Limits { burst: $burst, rate: $rate }),)*];
    };
}

// ECS: "Request throttling for the Amazon ECS API". ELB: "Request throttling for the Elastic Load Balancing API".
apis! {
    /// ListServices and DescribeServices.
    Services "ECS services" 100.0 20.0;
    /// ListTasks and DescribeTasks.
    Tasks "ECS tasks" 100.0 20.0;
    /// ListTaskDefinitions and DescribeTaskDefinition.
    Definitions "ECS task definitions" 50.0 20.0;
    /// DescribeClusters.
    Clusters "ECS clusters" 50.0 20.0;
    /// ListServiceDeployments and DescribeServiceDeployments, for which AWS publishes no rate: ours is low.
    Deployments "ECS deployments" 20.0 5.0;
    /// All that describe of Elastic Load Balancing.
    Balancers "load balancers" 40.0 10.0;
    /// DescribeScalableTargets and DescribeScalingActivities, for which AWS publishes no rate: ours is low.
    Scaling "autoscaling" 20.0 5.0;
    /// GetMetricData, of which CloudWatch allows 50 a second ("CloudWatch service quotas").
    Metrics "CloudWatch metrics" 50.0 50.0;
    /// DescribeAlarms, of which it allows 9.
    Alarms "CloudWatch alarms" 9.0 9.0;
}

tokio::task_local! {
    /// How urgent the calls of this future are; where nothing says, an operation or a command waits for them.
    static URGENCY: Urgency;
}

/// Runs reads with this urgency.
pub(super) async fn with<F: Future>(urgency: Urgency, reads: F) -> F::Output {
    URGENCY.scope(urgency, Box::pin(reads)).await
}

/// The budgets of all places in which this process works. AWS counts the calls of an account in a region, whoever makes
/// them, so places with one profile and region share theirs. That two profiles are of one account is not known here; each
/// takes half of the rate at most.
#[derive(Clone, Default)]
pub struct Budgets(Arc<Mutex<HashMap<Payer, Arc<Pacer>>>>);

/// Whose calls are counted together: profile, region, endpoint.
pub(super) type Payer = (Option<String>, String, Option<String>);

impl Budgets {
    /// The one of this payer, made anew for the first that asks.
    pub(super) fn of(&self, payer: Payer, new: impl FnOnce() -> Pacer) -> Arc<Pacer> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.entry(payer).or_insert_with(|| Arc::new(new())).clone()
    }
}

pub(super) struct Pacer {
    begun: Instant,
    lanes: Vec<Queue>,
}

struct Queue {
    lane: Mutex<Lane>,
    /// Somebody came, left or was served.
    changed: Notify,
}

impl Pacer {
    /// `kept` is false on an emulator, which has no budget that others need.
    pub(super) fn new(kept: bool) -> Self {
        let queue = |(_, limits): &(&str, Limits)| Queue {
            lane: Mutex::new(Lane::new(limits.share(SHARE), kept)),
            changed: Notify::new(),
        };
        Self { begun: Instant::now(), lanes: APIS.iter().map(queue).collect() }
    }

    /// How each budget is used, with the name of its API.
    pub(super) fn usage(&self) -> Vec<(&'static str, Usage)> {
        let now = self.now();
        APIS.iter().zip(&self.lanes).map(|((name, _), queue)| (*name, queue.lane().usage(now))).collect()
    }

    /// How many calls there is room for within this time.
    pub(super) fn room(&self, api: Api, time: Duration) -> usize {
        let (now, time) = (self.now(), u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
        self.lanes[api as usize].lane().room(now, time)
    }

    /// Waits until a call may be made, and takes it from the budget.
    async fn turn(&self, api: Api) {
        let queue = &self.lanes[api as usize];
        let urgency = URGENCY.try_with(|urgency| *urgency).unwrap_or(Urgency::Operation);
        let waiting = Waiting { ticket: queue.lane().join(urgency), queue };
        loop {
            // Before the look, or a change in between would not wake it.
            let mut changed = std::pin::pin!(queue.changed.notified());
            changed.as_mut().enable();
            let taken = queue.lane().take(waiting.ticket, self.now());
            match taken {
                Ok(()) => return,
                Err(Wait::Turn) => silence::waits(changed).await,
                Err(Wait::Milliseconds(wait)) => {
                    let time = tokio::time::timeout(Duration::from_millis(wait), changed);
                    // Either way it looks again.
                    let _ = silence::waits(time).await;
                }
            }
        }
    }

    fn throttled(&self, api: Api) {
        let now = self.now();
        let queue = &self.lanes[api as usize];
        queue.lane().throttled(now, chance_of(now));
        queue.changed.notify_waiters();
    }

    fn now(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

impl Queue {
    fn lane(&self) -> MutexGuard<'_, Lane> {
        self.lane.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place in a queue, which is left when it is dropped.
struct Waiting<'a> {
    ticket: Ticket,
    queue: &'a Queue,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.queue.lane().leave(self.ticket);
        self.queue.changed.notify_waiters();
    }
}

impl AwsCloud {
    /// Makes a call within the budget of its API, some times at most. Each attempt is one of the budget, so the
    /// SDK's own, which would come on top, are off for these clients.
    pub(super) async fn paced<T, E, Sent>(
        &self,
        api: Api,
        call: &'static str,
        send: impl Fn() -> Sent,
    ) -> CloudResult<T>
    where
        E: std::error::Error + ProvideErrorMetadata + Send + Sync + 'static,
        Sent: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    {
        let mut attempt = 1;
        loop {
            self.pacer.turn(api).await;
            // The SDK's futures are large, and a turn holds many of them.
            let error = match Box::pin(send()).await.map_err(self.failed(call)) {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let throttled = error.kind == ErrorKind::Throttled;
            if throttled {
                self.pacer.throttled(api);
            }
            if attempt >= (if throttled { THROTTLED } else { ATTEMPTS }) || !passes(&error) {
                return Err(error);
            }
            if !throttled {
                tokio::time::sleep(PAUSE.wait(attempt, chance_of(self.pacer.now()))).await;
            }
            attempt += 1;
        }
    }
}

/// Whether a failure may be gone with the next attempt.
fn passes(error: &CloudError) -> bool {
    use ErrorKind::{Service, Throttled, TimedOut, Unreachable};
    matches!(error.kind, Service | Throttled | TimedOut | Unreachable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_with_one_profile_and_region_share_a_budget() {
        let budgets = Budgets::default();
        let of = |profile: Option<&str>, region: &str| {
            budgets.clone().of((profile.map(str::to_owned), region.to_owned(), None), || Pacer::new(true))
        };
        let first = of(None, "eu-west-1");
        assert!(Arc::ptr_eq(&first, &of(None, "eu-west-1")));
        assert!(!Arc::ptr_eq(&first, &of(None, "us-east-1")));
        assert!(!Arc::ptr_eq(&first, &of(Some("lab"), "eu-west-1")));
    }
}
