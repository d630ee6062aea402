//! CloudWatch: figures of the last hour, and alarms.

use std::collections::BTreeMap;

use async_trait::async_trait;
use aws_sdk_cloudwatch::config::{Builder, Region};
use aws_sdk_cloudwatch::types::{
    AlarmHistoryItem, AlarmType, Dimension, HistoryItemType, Metric, MetricAlarm, MetricDataQuery, MetricDataResult,
    MetricStat, ScanBy,
};
use aws_smithy_types::DateTime;
use jiff::Timestamp;

use super::AwsCloud;
use super::convert::{some_text, text, time};
use super::pacer::Api;
use crate::cloud::{CloudError, CloudResult, ErrorKind, Metrics};
use crate::core::metrics::{Alarm, AlarmChange, AlarmState, Answered, Query, SERIES, Series};
use crate::core::unread::Read;

const DATA: &str = "cloudwatch:GetMetricData";
const ALARMS: &str = "cloudwatch:DescribeAlarms";
const HISTORY: &str = "cloudwatch:DescribeAlarmHistory";
/// Most alarms on a page (API reference, DescribeAlarms).
const PAGE: i32 = 100;
/// Pages after which a list is taken for one that does not end.
const PAGES: usize = 100;

#[async_trait]
impl Metrics for AwsCloud {
    async fn alarms(&self, prefix: &str) -> CloudResult<Vec<Alarm>> {
        self.within(ALARMS, self.alarms_named(prefix)).await
    }

    async fn alarm_changes(&self, alarm: &str, since: Timestamp) -> CloudResult<Vec<AlarmChange>> {
        self.within(HISTORY, self.changes_of(alarm, since)).await
    }

    async fn measured(
        &self,
        region: Option<&'static str>,
        queries: &[Query],
        from: Timestamp,
        until: Timestamp,
    ) -> CloudResult<Vec<Read<Answered>>> {
        let mut all = Vec::new();
        for part in queries.chunks(SERIES) {
            all.extend(self.within(DATA, self.metric_data(region, part, from, until)).await?);
        }
        Ok(all)
    }
}

impl AwsCloud {
    async fn alarms_named(&self, prefix: &str) -> CloudResult<Vec<Alarm>> {
        let call = self.read.metrics.describe_alarms().alarm_types(AlarmType::MetricAlarm);
        let call = call.alarm_name_prefix(prefix).max_records(PAGE);
        let (mut alarms, mut token) = (Vec::new(), None);
        for _ in 0..PAGES {
            let call = call.clone().set_next_token(token);
            let page = self.paced(Api::Alarms, ALARMS, || call.clone().send()).await?;
            alarms.extend(page.metric_alarms().iter().map(alarm));
            token = page.next_token.filter(|token| !token.is_empty());
            if token.is_none() {
                return Ok(alarms);
            }
        }
        Err(endless(ALARMS))
    }

    /// The history has one budget with the descriptions, which is low.
    async fn changes_of(&self, alarm: &str, since: Timestamp) -> CloudResult<Vec<AlarmChange>> {
        let call = self.read.metrics.describe_alarm_history().alarm_name(alarm).alarm_types(AlarmType::MetricAlarm);
        let call = call.history_item_type(HistoryItemType::StateUpdate).scan_by(ScanBy::TimestampAscending);
        let call = call.start_date(DateTime::from_secs(since.as_second())).max_records(PAGE);
        let (mut changes, mut token) = (Vec::new(), None);
        for _ in 0..PAGES {
            let call = call.clone().set_next_token(token);
            let page = self.paced(Api::Alarms, HISTORY, || call.clone().send()).await?;
            changes.extend(page.alarm_history_items().iter().filter_map(|item| change(alarm, item)));
            token = page.next_token.filter(|token| !token.is_empty());
            if token.is_none() {
                return Ok(changes);
            }
        }
        Err(endless(HISTORY))
    }

    /// At most [`SERIES`] queries, in their order. One that CloudWatch denies or fails is not read; the others are.
    async fn metric_data(
        &self,
        region: Option<&'static str>,
        queries: &[Query],
        from: Timestamp,
        until: Timestamp,
    ) -> CloudResult<Vec<Read<Answered>>> {
        let asked = queries.iter().enumerate().map(|(index, query)| wire(index, query)).collect();
        let call = self.read.metrics.get_metric_data().set_metric_data_queries(Some(asked));
        let call =
            call.start_time(DateTime::from_secs(from.as_second())).end_time(DateTime::from_secs(until.as_second()));
        let call = call.scan_by(ScanBy::TimestampAscending);
        let mut all: Vec<Read<Answered>> = queries.iter().map(|query| Read::Known(nothing(query))).collect();
        let mut token = None;
        for _ in 0..PAGES {
            let call = call.clone().set_next_token(token);
            let there = |region| Builder::new().region(Region::new(region));
            let send = || {
                let call = call.clone();
                async move {
                    match region {
                        Some(region) => call.customize().config_override(there(region)).send().await,
                        None => call.send().await,
                    }
                }
            };
            let page = self.paced(Api::Metrics, DATA, send).await?;
            for result in page.metric_data_results() {
                let index = result.id().and_then(|id| id.strip_prefix('s')?.parse::<usize>().ok());
                let Some((query, answered)) = index.and_then(|at| queries.get(at).zip(all.get_mut(at))) else {
                    continue;
                };
                match refused(result) {
                    Some(why) => *answered = Read::NotRead(why),
                    None => answered.known_mut().into_iter().for_each(|answered| take(query, answered, result)),
                }
            }
            token = page.next_token.filter(|token| !token.is_empty());
            if token.is_none() {
                all.iter_mut().filter_map(Read::known_mut).for_each(sort);
                return Ok(all);
            }
        }
        Err(endless(DATA))
    }
}

fn nothing(query: &Query) -> Answered {
    match query.each {
        Some(_) => Answered::Each(BTreeMap::new()),
        None => Answered::One(Series::default()),
    }
}

/// Why CloudWatch has not answered a query, if it has not.
fn refused(result: &MetricDataResult) -> Option<CloudError> {
    match result.status_code().map(|code| code.as_str()) {
        // More of it comes on the next page.
        None | Some("Complete" | "PartialData") => None,
        Some("Forbidden") => Some(CloudError::new(ErrorKind::Denied, DATA, "not allowed")),
        Some(_) => {
            let first = result.messages().first();
            let words = first.and_then(|message| message.value());
            let words = words.map_or_else(|| "CloudWatch failed".to_owned(), |words| text(Some(words)));
            // The local emulator knows no searches.
            let unknown = first.and_then(|message| message.code()) == Some("Unsupported");
            let kind = if unknown { ErrorKind::Unsupported } else { ErrorKind::Service };
            Some(CloudError::new(kind, DATA, words))
        }
    }
}

/// Takes the points of a result to those that have come already.
fn take(query: &Query, answered: &mut Answered, result: &MetricDataResult) {
    let series = match answered {
        Answered::One(series) => series,
        Answered::Each(all) => {
            // A search finds by words; what is of another server is not counted as this one's.
            let Some(value) = result.label().and_then(|label| label.strip_prefix(&head(query))) else { return };
            all.entry(text(Some(value))).or_default()
        }
    };
    let times = result.timestamps().iter().map(|at| time(Some(at)));
    let points = times.zip(result.values()).filter_map(|(at, value)| Some((at?, *value)));
    // What is not a number is no value, and nothing is drawn or summed of it.
    series.points.extend(points.filter(|(_, value)| value.is_finite()));
}

fn sort(answered: &mut Answered) {
    match answered {
        Answered::One(series) => series.points.sort_by_key(|(at, _)| *at),
        Answered::Each(all) => all.values_mut().for_each(|series| series.points.sort_by_key(|(at, _)| *at)),
    }
}

fn endless(call: &str) -> CloudError {
    CloudError::new(ErrorKind::TimedOut, call, format!("the answer did not end within {PAGES} pages"))
}

/// A query under the number of its series. An id begins with a small letter (API reference, MetricDataQuery).
fn wire(index: usize, query: &Query) -> MetricDataQuery {
    let of = MetricDataQuery::builder().id(format!("s{index}"));
    if let Some(each) = query.each {
        return of.expression(search(query, each)).label(label(query, each)).build();
    }
    let dimension = |(name, value): &(&str, String)| Dimension::builder().name(*name).value(value).build();
    let metric = Metric::builder().namespace(query.namespace).metric_name(query.metric);
    let metric = metric.set_dimensions(Some(query.dimensions.iter().map(dimension).collect())).build();
    let period = i32::try_from(query.period).unwrap_or(60);
    let stat = MetricStat::builder().metric(metric).period(period).stat(query.statistic).build();
    of.metric_stat(stat).build()
}

/// A search for the metrics of a schema with these values, which finds those that had data within two weeks (CloudWatch
/// user guide, "Search expression syntax", "Use search expressions in graphs"). No name of ours has a quote.
fn search(query: &Query, each: &str) -> String {
    let names = query.dimensions.iter().map(|(name, _)| *name).chain([each]).collect::<Vec<_>>().join(",");
    let terms: String = query.dimensions.iter().map(|(name, value)| format!(" {name}=\"{value}\"")).collect();
    let (namespace, metric, statistic, period) = (query.namespace, query.metric, query.statistic, query.period);
    format!("SEARCH('{{{namespace},{names}}} MetricName=\"{metric}\"{terms}', '{statistic}', {period})")
}

/// By the label it is told which series a search has found: the values of its dimensions, the one that was searched last
/// (CloudWatch user guide, "Use dynamic labels").
fn label(query: &Query, each: &str) -> String {
    let names = query.dimensions.iter().map(|(name, _)| *name).chain([each]);
    names.map(|name| format!("${{PROP('Dim.{name}')}}")).collect::<Vec<_>>().join("/")
}

/// What the label of a series begins with that is meant.
fn head(query: &Query) -> String {
    query.dimensions.iter().map(|(_, value)| format!("{value}/")).collect()
}

/// A state change, as its JSON tells it (CloudWatch user guide, "Alarm history"); `None` of what is none.
fn change(alarm: &str, item: &AlarmHistoryItem) -> Option<AlarmChange> {
    let data: serde_json::Value = serde_json::from_str(item.history_data()?).ok()?;
    let state = |key: &str| Some(AlarmState::from(text(data[key]["stateValue"].as_str()).as_str()));
    data["newState"]["stateValue"].as_str()?;
    Some(AlarmChange {
        alarm: alarm.to_owned(),
        at: time(item.timestamp())?,
        from: state("oldState")?,
        to: state("newState")?,
        reason: some_text(data["newState"]["stateReason"].as_str()),
    })
}

fn alarm(found: &MetricAlarm) -> Alarm {
    let dimension = |one: &Dimension| (text(one.name()), text(one.value()));
    Alarm {
        name: text(found.alarm_name()),
        description: text(found.alarm_description()),
        state: text(found.state_value().map(|state| state.as_str())).as_str().into(),
        reason: text(found.state_reason()),
        since: time(found.state_transitioned_timestamp()).or_else(|| time(found.state_updated_timestamp())),
        metric: text(found.metric_name()),
        dimensions: found.dimensions().iter().map(dimension).collect(),
    }
}
