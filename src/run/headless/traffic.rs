//! How the traffic of servers does, for the commands that judge them: what ECS calls well may refuse everybody.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::join;
use jiff::Timestamp;

use crate::cloud::ErrorKind;
use crate::core::finding::{Below, Finding, of_alarms, of_edge, of_firewall, of_metrics};
use crate::core::fleet::{Fleet, Server};
use crate::core::issue::Issue;
use crate::core::logs::tail::Follow;
use crate::core::logs::{Followed, Owners, TailRequest};
use crate::core::metrics::{Detail, Measured};
use crate::run::history::{self, Past};
use crate::run::tail::Budget;
use crate::run::traffic::Counted;
use crate::run::{Session, metrics, traffic};

/// How long the request lines of the last minutes may take: the log of a server that is flooded is long.
const PATIENCE: Duration = Duration::from_secs(20);
/// Most servers whose requests are counted at once: AWS lets all callers of a region read five or ten log groups in a
/// second.
const MOST: usize = 50;

/// What is known of the traffic of servers, and what could not be read.
#[derive(Default)]
pub(super) struct Traffic {
    /// What the request lines of the last minutes say, by server.
    by_server: BTreeMap<String, Vec<Finding>>,
    /// What CloudWatch has counted, and the alarms; `None` where there is none.
    measured: Option<Measured>,
    /// What ails below all servers.
    pub(super) below: Below,
    pub(super) gaps: Vec<String>,
}

impl Traffic {
    /// Reads how the servers of an environment do. Servers of others write no request lines, and their alarms say
    /// nothing of them.
    pub(super) async fn read(session: &Session, fleet: &Fleet) -> Self {
        let mut all = Self::default();
        if session.context.ours().is_none() || fleet.servers.is_empty() {
            all.below = Below::of(&fleet.servers, Vec::new(), session.now());
            return all;
        }
        let (counted, measured, issues) = join!(counted(session, fleet), measured(session, fleet), issues(session));
        let (issues, gap) = issues.map_or_else(|gap| (Vec::new(), Some(gap)), |issues| (issues, None));
        all.below = Below::of(&fleet.servers, issues, session.now());
        match counted {
            Ok((by_server, gaps)) => (all.by_server, all.gaps) = (by_server, gaps),
            Err(gap) => all.gaps.push(gap),
        }
        match measured {
            Ok(measured) => {
                all.gaps.extend(measured.iter().flat_map(Measured::unread));
                all.measured = measured;
            }
            Err(gap) => all.gaps.push(gap),
        }
        all.gaps.extend(gap);
        all
    }

    /// What is wrong with a server's traffic: by its request lines, CloudWatch's figures and its alarms.
    pub(super) fn of(&self, session: &Session, server: &Server, now: Timestamp) -> Vec<Finding> {
        let mut all = self.by_server.get(&server.name).cloned().unwrap_or_default();
        let figures = self.measured.as_ref().and_then(|measured| measured.of(&server.name));
        all.extend(figures.map(|figures| of_metrics(server, figures, now)).unwrap_or_default());
        all.extend(self.raised(session, Some(&server.name)));
        all
    }

    /// The alarms that are raised, of a server, or of what all share.
    pub(super) fn raised(&self, session: &Session, server: Option<&str>) -> Vec<Finding> {
        let Some((environment, measured)) = session.context.ours().zip(self.measured.as_ref()) else {
            return Vec::new();
        };
        let mut all = of_alarms(&measured.alarms_of(environment, server));
        if server.is_none() {
            all.extend(of_firewall(&measured.firewall, session.now()));
            all.extend(of_edge(measured, session.now()));
        }
        all
    }
}

/// Counts the requests of the last minutes: findings by server, and what could not be read.
async fn counted(session: &Session, fleet: &Fleet) -> Result<(BTreeMap<String, Vec<Finding>>, Vec<String>), String> {
    let Some(counted) = lines(session, fleet).await? else { return Ok(Default::default()) };
    let gaps = counted.gaps.iter().map(|gap| format!("requests: {gap}")).collect();
    Ok((traffic::findings(session, &counted.requests, session.now()).await, gaps))
}

/// Counts the requests of the last minutes, where gangway's servers write them. `None` where the environment has no log.
///
/// # Errors
/// In words, when there are too many logs, or they are too long.
pub(super) async fn lines(session: &Session, fleet: &Fleet) -> Result<Option<Counted>, String> {
    let owners = Owners::of(fleet, session.context.ours());
    let groups = owners.groups();
    if groups.is_empty() {
        return Ok(None);
    }
    if groups.len() > MOST {
        return Err(format!("requests: not read of more than {MOST} servers at once; name one"));
    }
    let clock = || session.now();
    let from = clock().as_millisecond().saturating_sub(traffic::LATELY.as_secs() * 1_000);
    let sources = Followed { groups, owners: Arc::new(owners) };
    let request = TailRequest { sources, from, until: None, pattern: None, follow: Follow::No };
    match tokio::time::timeout(PATIENCE, traffic::count(session, request, clock)).await {
        Ok(counted) => Ok(Some(counted)),
        Err(_) => {
            let seconds = PATIENCE.as_secs();
            Err(format!("requests: the log of the last minutes was not read within {seconds} s"))
        }
    }
}

/// What AWS says of its own issues; an environment without an event log is told none.
async fn issues(session: &Session) -> Result<Vec<Issue>, String> {
    let past = Past::new(Budget::at(&session.context));
    match history::issues(session, &past).await {
        Ok(issues) => Ok(issues.unwrap_or_default()),
        Err(why) => Err(format!("issues of AWS: {why}")),
    }
}

/// Reads the figures of the servers, and the environment's alarms. An endpoint without CloudWatch has none.
async fn measured(session: &Session, fleet: &Fleet) -> Result<Option<Measured>, String> {
    let names: Vec<String> = fleet.servers.iter().map(|server| server.name.clone()).collect();
    match metrics::read(session, &names, Detail::Servers, session.now()).await {
        Ok(measured) => Ok(Some(measured)),
        Err(why) if why.kind == ErrorKind::Unsupported => Ok(None),
        Err(why) => Err(format!("figures: {why}")),
    }
}
