//! What CloudWatch has counted of servers, and the environment's alarms.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::Session;
use crate::cloud::{CloudError, CloudResult, ErrorKind};
use crate::core::environment::{EDGE_REGION, names};
use crate::core::metrics::{
    Answered, Blocked, Detail, Measured, OfServer, Place, Query, SPAN, Series, Wanted, blocked, queries,
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
    let wanted = queries(&servers.iter().map(place).collect::<Vec<_>>(), detail);
    let asked: Vec<Query> = wanted.iter().filter_map(|(_, _, query)| query.as_ref().ok()).cloned().collect();
    let figures = async { if asked.is_empty() { Ok(Vec::new()) } else { figures(session, None, &asked, now).await } };
    let (answered, firewall) = futures::join!(figures, firewall(session, now));
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
    series += firewall.known().map_or(0, Blocked::len);
    Ok(Measured { alarms, servers: all, firewall, asked: series })
}

/// What the web ACL has blocked, where the file has one: which rule it was, no server knows.
async fn firewall(session: &Session, now: Timestamp) -> Read<Blocked> {
    let Some(query) = session.environment.as_deref().and_then(blocked) else {
        let why = "no file names a web ACL of the environment";
        return Read::NotRead(CloudError::new(ErrorKind::Unsupported, "cloudwatch:GetMetricData", why));
    };
    match figures(session, Some(EDGE_REGION), &[query], now).await {
        Ok(mut answered) => answered.pop().unwrap_or_else(|| Read::NotRead(unanswered())).and_then(each),
        Err(why) => Read::NotRead(why),
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

fn unanswered() -> CloudError {
    CloudError::new(ErrorKind::Garbled, "cloudwatch:GetMetricData", "the answer lacks a series that was asked for")
}
