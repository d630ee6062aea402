//! CloudWatch Logs: pages of events, and log groups by name.

use async_trait::async_trait;
use aws_sdk_cloudwatchlogs::config::Config;
use aws_sdk_cloudwatchlogs::config::retry::RetryConfig;
use aws_sdk_cloudwatchlogs::config::timeout::TimeoutConfig;
use aws_sdk_cloudwatchlogs::types::{FilteredLogEvent, LogGroupClass};

use super::convert::text;
use super::{AwsCloud, error};
use crate::cloud::{CloudResult, ErrorKind, Logs, TailStream};
use crate::core::logs::query::PAGE_LIMIT;
use crate::core::logs::{LogEvent, LogPage, LogQuery, group};

/// Most pages, of 50 names, of log groups to choose from.
const GROUP_PAGES: usize = 20;

/// What an answer is called whose events cannot be parsed. Never their text: a log may hold anything.
const UNPARSED: &str = "CloudWatch's answer holds an event that cannot be parsed";

#[async_trait]
impl Logs for AwsCloud {
    async fn log_page(&self, query: &LogQuery) -> CloudResult<LogPage> {
        self.within_limit(self.timeouts.logs, PAGE, self.read_log_page(query)).await
    }

    async fn live_tail(&self, groups: &[String], pattern: Option<&str>) -> CloudResult<TailStream> {
        self.within("logs:StartLiveTail", self.open_tail(groups, pattern)).await
    }

    async fn log_groups(&self, region: Option<&str>) -> CloudResult<Vec<String>> {
        self.within("logs:DescribeLogGroups", self.read_log_groups(region)).await
    }
}

const PAGE: &str = "logs:FilterLogEvents";

impl AwsCloud {
    pub(super) async fn read_log_page(&self, query: &LogQuery) -> CloudResult<LogPage> {
        // FilterLogEvents includes the end of the window; a `LogQuery` does not.
        let until = query.until.map(|until| until.saturating_sub(1));
        if until.is_some_and(|until| until < query.from) {
            return Ok(LogPage::default());
        }
        let (region, name) = group::parts(&query.group);
        let logs = self.logs.at(region).read;
        let call = logs.filter_log_events().log_group_name(name).start_time(query.from.max(0));
        let call = call.set_end_time(until).set_filter_pattern(query.pattern.clone());
        let call = call.set_log_stream_name_prefix(query.prefix.clone());
        let call = call.set_next_token(query.token.clone()).limit(PAGE_LIMIT as i32);
        // The caller repeats a failed call, within the budget of calls.
        let limits = TimeoutConfig::builder()
            .connect_timeout(self.timeouts.connect)
            .operation_attempt_timeout(self.timeouts.logs)
            .operation_timeout(self.timeouts.logs)
            .build();
        let once = Config::builder().retry_config(RetryConfig::disabled()).timeout_config(limits);
        let sent = call.customize().config_override(once).send().await;
        let answer = sent.map_err(self.failed(PAGE)).map_err(|error| match error.kind {
            ErrorKind::Garbled => error::garbled(PAGE, UNPARSED),
            _ => error,
        })?;
        let next = answer.next_token().filter(|token| !token.is_empty()).map(ToOwned::to_owned);
        let mut events: Vec<LogEvent> =
            answer.events.unwrap_or_default().into_iter().map(|event| log_event(&query.group, event)).collect();
        events.sort_by_key(|event| event.timestamp);
        Ok(LogPage { events, next })
    }

    async fn read_log_groups(&self, region: Option<&str>) -> CloudResult<Vec<String>> {
        let mut pages = self.logs.at(region).read.describe_log_groups().into_paginator().send();
        let mut names = Vec::new();
        for _ in 0..GROUP_PAGES {
            let Some(page) = pages.next().await else { break };
            let page = page.map_err(self.failed("logs:DescribeLogGroups"))?;
            let found = page.log_groups().iter().map(|found| text(found.log_group_name()));
            names.extend(found.map(|name| group::id(&name, region, &self.region)));
        }
        Ok(names)
    }

    /// The ARN of a log group for a live tail, without the `:*` that CloudFormation and older calls put
    /// at its end. `Err` with the identifier if the group does not exist or its class has no live tail.
    pub(super) async fn tailed_group(&self, id: String) -> CloudResult<Result<String, String>> {
        const CALL: &str = "logs:DescribeLogGroups";
        let (region, name) = group::parts(&id);
        let call = self.logs.at(region).read.describe_log_groups().log_group_name_prefix(name);
        let answer = call.send().await.map_err(self.failed(CALL))?;
        // Groups are sorted by name, so the one whose name is the prefix itself is on the first page.
        let found = answer.log_groups().iter().find(|group| group.log_group_name() == Some(name));
        let standard = |class: Option<&LogGroupClass>| class.is_none_or(|class| *class == LogGroupClass::Standard);
        let Some(found) = found.filter(|group| standard(group.log_group_class())) else { return Ok(Err(id)) };
        let arn = found.log_group_arn().or(found.arn()).unwrap_or_default();
        let arn = arn.strip_suffix(":*").unwrap_or(arn);
        if arn.is_empty() {
            return Err(error::garbled(CALL, format!("log group {name} has no ARN")));
        }
        Ok(Ok(arn.to_owned()))
    }
}

fn log_event(group: &str, found: FilteredLogEvent) -> LogEvent {
    let timestamp = found.timestamp.unwrap_or_default();
    LogEvent {
        timestamp,
        ingested: found.ingestion_time.unwrap_or(timestamp),
        group: group.to_owned(),
        stream: found.log_stream_name.unwrap_or_default(),
        message: found.message.unwrap_or_default(),
    }
}
