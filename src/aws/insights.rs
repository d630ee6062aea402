//! CloudWatch Logs Insights: StartQuery, GetQueryResults, StopQuery.

use async_trait::async_trait;
use aws_sdk_cloudwatchlogs::types::{QueryStatus, ResultField};

use super::{AwsCloud, convert, error};
use crate::cloud::{CloudError, CloudResult, ErrorKind, Insights};
use crate::core::logs::group;
use crate::core::logs::insights::{InsightsRequest, InsightsResults, MAX_ROWS};
use crate::core::text::sanitise_lines;

/// A field that Insights adds to every row: a pointer to the whole event.
const POINTER: &str = "@ptr";

#[async_trait]
impl Insights for AwsCloud {
    async fn insights_start(&self, request: &InsightsRequest) -> CloudResult<String> {
        self.within("logs:StartQuery", self.start_query(request)).await
    }

    async fn insights_results(&self, query: &str) -> CloudResult<InsightsResults> {
        self.within("logs:GetQueryResults", self.query_results(query)).await
    }

    async fn insights_stop(&self, query: &str) -> CloudResult<()> {
        self.within("logs:StopQuery", self.stop_query(query)).await
    }
}

impl AwsCloud {
    /// Starts a query. Its id bears the region where it runs, as a log group's identifier does.
    pub(super) async fn start_query(&self, request: &InsightsRequest) -> CloudResult<String> {
        const CALL: &str = "logs:StartQuery";
        let region = request.groups.first().and_then(|first| group::parts(first).0);
        if request.groups.iter().any(|other| group::parts(other).0 != region) {
            return Err(error::invalid(CALL, "a query takes log groups of one region").with_hint("name fewer servers"));
        }
        let names = request.groups.iter().map(|id| group::parts(id).1.to_owned()).collect();
        // StartQuery takes whole seconds and includes both ends, so the window is widened to them.
        let call = self.logs.at(region).read.start_query().set_log_group_names(Some(names));
        let call = call.start_time(request.from.div_euclid(1_000)).end_time(request.until.div_euclid(1_000) + 1);
        let call = call.query_string(&request.query).limit(MAX_ROWS);
        let answer = call.send().await.map_err(self.failed(CALL))?;
        let query = answer.query_id.ok_or_else(|| error::garbled(CALL, "the answer names no query"))?;
        Ok(group::id(&query, region, ""))
    }

    pub(super) async fn query_results(&self, query: &str) -> CloudResult<InsightsResults> {
        const CALL: &str = "logs:GetQueryResults";
        let (region, query) = group::parts(query);
        let answer =
            self.logs.at(region).read.get_query_results().query_id(query).send().await.map_err(self.failed(CALL))?;
        let running = match answer.status() {
            Some(QueryStatus::Scheduled | QueryStatus::Running) | None => true,
            Some(QueryStatus::Complete) => false,
            Some(other) => {
                let words = format!("the query ended as {}", convert::text(Some(other.as_str())).to_lowercase());
                return Err(CloudError::new(ErrorKind::Service, CALL, words));
            }
        };
        let statistics = answer.statistics();
        let count = |value: fn(&aws_sdk_cloudwatchlogs::types::QueryStatistics) -> f64| statistics.map_or(0.0, value);
        let (columns, rows) = table(answer.results());
        Ok(InsightsResults {
            running,
            columns,
            rows,
            matched: count(|statistics| statistics.records_matched()),
            scanned: count(|statistics| statistics.records_scanned()),
            bytes: count(|statistics| statistics.bytes_scanned()),
        })
    }

    pub(super) async fn stop_query(&self, query: &str) -> CloudResult<()> {
        const CALL: &str = "logs:StopQuery";
        let (region, query) = group::parts(query);
        match self.logs.at(region).read.stop_query().query_id(query).send().await.map_err(self.failed(CALL)) {
            // The query has ended already.
            Err(error) if matches!(error.kind, ErrorKind::Invalid | ErrorKind::NotFound) => Ok(()),
            other => other.map(drop),
        }
    }
}

/// Columns and rows. AWS names the fields of each row and leaves out those without a value.
fn table(results: &[Vec<ResultField>]) -> (Vec<String>, Vec<Vec<String>>) {
    let mut columns: Vec<String> = Vec::new();
    let fields = |row: &[ResultField]| -> Vec<(String, String)> {
        let named = row.iter().map(|field| {
            let value = field.value().map(sanitise_lines).unwrap_or_default();
            (convert::text(field.field()), value)
        });
        named.filter(|(name, _)| name != POINTER).collect()
    };
    let rows: Vec<Vec<(String, String)>> = results.iter().map(|row| fields(row)).collect();
    for (name, _) in rows.iter().flatten() {
        if !columns.contains(name) {
            columns.push(name.clone());
        }
    }
    let value = |row: &[(String, String)], column: &String| {
        row.iter().find(|(name, _)| name == column).map(|(_, value)| value.clone()).unwrap_or_default()
    };
    let rows = rows.iter().map(|row| columns.iter().map(|column| value(row, column)).collect()).collect();
    (columns, rows)
}
