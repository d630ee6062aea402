//! What CloudWatch has counted of servers, and the environment's alarms.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{Session, read};
use crate::cloud::{CloudError, CloudResult, ErrorKind};
use crate::core::environment::{EDGE_REGION, names};
use crate::core::metrics::{
    Answered, Blocked, Detail, Edge, Measured, OfEdge, OfServer, Place, Query, SPAN, Series, Wanted, behind, blocked,
    queries,
};
use crate::core::unread::Read;

/// Reads the alarms, and of these servers, and of their tools if that is wanted, the figures of the hour until `now`. What
/// is denied or fails is told for each part; only that no answer came at all is an error.
///
/// # Errors
/// When neither alarms nor figures could be read.
pub async fn read(session: &Session, servers: &[String], detail: Detail, now: Timestamp) -> CloudResult<Measured> {
    let (cloud, context) = (&session.cloud, &session.context);
    let alarms: Read<_> = match context.ours() {
        Some(environment) => cloud.alarms(&names::stack_prefix(environment)).await.into(),
        // Which alarms are about services of others, nothing says.
        None => Read::NotRead(CloudError::new(
            ErrorKind::Unsupported,
            "cloudwatch:DescribeAlarms",
            "only the alarms of an environment are read",
        )),
    };
    let known = alarms.known().map(Vec::as_slice).unwrap_or_default();
    let place = |server: &String| Place::of(server, &context.cluster, context.ours(), known);
    let places: Vec<Place> = servers.iter().map(place).collect();
    let (wanted, behind) = (queries(&places, detail), behind(&places));
    let asked = wanted.iter().filter_map(|(_, _, query)| query.as_ref().ok());
    let asked: Vec<Query> = asked.chain(&behind).cloned().collect();
    let figures = async { if asked.is_empty() { Ok(Vec::new()) } else { figures(session, None, &asked, now).await } };
    let (answered, (firewall, edge)) = futures::join!(figures, edge(session, now));
    let (mut answered, why) = match answered {
        Ok(series) => (series.into_iter(), None),
        Err(why) if alarms.known().is_none() => return Err(why),
        Err(why) => (Vec::new().into_iter(), Some(why)),
    };
    let (mut all, mut series): (BTreeMap<String, OfServer>, usize) = Default::default();
    for (server, wanted, query) in wanted {
        let read = match (query, &why) {
            (Err(unknown), _) => Read::NotRead(unknown),
            (Ok(_), Some(why)) => Read::NotRead(why.clone()),
            (Ok(_), None) => answered.next().unwrap_or_else(|| Read::NotRead(unanswered())),
        };
        series += read.known().map_or(0, Answered::series);
        let of = all.entry(server).or_default();
        match wanted {
            Wanted::Server(measure) => drop(of.figures.insert(measure, read.and_then(one))),
            Wanted::Tools(tool) => drop(of.tools.insert(tool, read.and_then(each))),
        }
    }
    let behind = match (behind, why) {
        (None, _) => Read::NotRead(none("the name of the load balancer is not known")),
        (Some(_), Some(why)) => Read::NotRead(why),
        (Some(_), None) => answered.next().unwrap_or_else(|| Read::NotRead(unanswered())).and_then(one),
    };
    series += usize::from(behind.known().is_some());
    series += firewall.known().map_or(0, Blocked::len) + edge.known().map_or(0, Edge::len);
    Ok(Measured { alarms, servers: all, firewall, edge, behind, asked: series })
}

/// What is counted in front of all servers, in one call: what the web ACL has blocked, where the file has one, which no
/// server knows; and what CloudFront counts, where the platform says which distribution is its own.
async fn edge(session: &Session, now: Timestamp) -> (Read<Blocked>, Read<Edge>) {
    let blocked = session.environment.as_deref().and_then(blocked);
    let distribution = distribution(session).await;
    let of_edge = distribution.iter().flat_map(|id| OfEdge::ALL.map(|of| of.query(id)));
    let asked: Vec<Query> = blocked.iter().cloned().chain(of_edge).collect();
    let read = match asked.is_empty() {
        true => Ok(Vec::new()),
        false => figures(session, Some(EDGE_REGION), &asked, now).await,
    };
    let why = read.as_ref().err().cloned();
    let mut answered = read.unwrap_or_default().into_iter();
    let mut next = || match &why {
        Some(why) => Read::NotRead(why.clone()),
        None => answered.next().unwrap_or_else(|| Read::NotRead(unanswered())),
    };
    let firewall = match blocked {
        Some(_) => next().and_then(each),
        None => Read::NotRead(none("no file names a web ACL of the environment")),
    };
    let edge = match distribution {
        Ok(_) => OfEdge::ALL.into_iter().try_fold(Edge::new(), |mut edge, of| match next().and_then(one) {
            Read::Known(series) => {
                edge.insert(of, series);
                Ok(edge)
            }
            Read::NotRead(why) => Err(why),
        }),
        Err(why) => Err(why),
    };
    (firewall, edge.into())
}

/// The id of the environment's CloudFront distribution. An environment without one, or one that was deployed before its
/// platform said which it is, has none to count.
async fn distribution(session: &Session) -> CloudResult<String> {
    if session.context.ours().is_none() {
        return Err(none("only the distribution of an environment is counted"));
    }
    match read::platform(session).await {
        Ok(platform) => {
            let id = platform.outputs.get("DistributionId").filter(|id| !id.is_empty());
            id.cloned().ok_or_else(|| none("the platform stack names no distribution"))
        }
        Err(why) if why.kind == ErrorKind::NotFound => Err(none("there is no platform stack")),
        Err(why) => Err(why),
    }
}

async fn figures(
    session: &Session,
    region: Option<&'static str>,
    asked: &[Query],
    now: Timestamp,
) -> CloudResult<Vec<Read<Answered>>> {
    let from = now.checked_sub(SPAN).unwrap_or(now);
    session.cloud.measured(region, asked, from, now).await
}

fn one(answered: Answered) -> Read<Series> {
    match answered {
        Answered::One(series) => Read::Known(series),
        Answered::Each(_) => Read::NotRead(unanswered()),
    }
}

fn each(answered: Answered) -> Read<BTreeMap<String, Series>> {
    match answered {
        Answered::Each(all) => Read::Known(all),
        Answered::One(_) => Read::NotRead(unanswered()),
    }
}

/// That there is nothing of the kind to be counted.
fn none(why: &str) -> CloudError {
    CloudError::new(ErrorKind::Unsupported, "cloudwatch:GetMetricData", why)
}

fn unanswered() -> CloudError {
    CloudError::new(ErrorKind::Garbled, "cloudwatch:GetMetricData", "the answer lacks a series that was asked for")
}
