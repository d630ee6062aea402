//! Runs a Logs Insights query: starts it and reads what it has found, until it ends or is stopped.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use crate::cloud::{Cloud, CloudError, CloudResult, ErrorKind};
use crate::core::logs::insights::{InsightsRequest, InsightsResults};

/// Time between two reads of the results.
const POLL: Duration = Duration::from_millis(700);

/// How many reads in a row may fail before the query is given up.
const MAX_FAILURES: u32 = 8;

/// Runs a query and sends what it has found after every read; the last results have `running: false`.
/// When something is sent to `stop` or its sender is dropped, the query is stopped at AWS, where it would
/// go on and cost money.
///
/// # Errors
/// When it cannot be started or read, fails at AWS, or is stopped.
pub async fn query(
    cloud: Arc<dyn Cloud>,
    request: InsightsRequest,
    stop: oneshot::Receiver<()>,
    out: mpsc::Sender<InsightsResults>,
) -> CloudResult<()> {
    let id = cloud.insights_start(&request).await?;
    tokio::select! {
        ended = read(&*cloud, &id, &out) => ended,
        _ = stop => {
            cloud.insights_stop(&id).await?;
            Err(CloudError::new(ErrorKind::Service, "logs:StopQuery", "the query was stopped"))
        }
    }
}

async fn read(cloud: &dyn Cloud, id: &str, out: &mpsc::Sender<InsightsResults>) -> CloudResult<()> {
    let mut failures = 0;
    loop {
        let results = match cloud.insights_results(id).await {
            // The query goes on at AWS although this read failed.
            Err(error) if error.retryable() && failures < MAX_FAILURES => {
                failures += 1;
                tokio::time::sleep(POLL * failures).await;
                continue;
            }
            other => other?,
        };
        failures = 0;
        let running = results.running;
        if out.send(results).await.is_err() || !running {
            return Ok(());
        }
        tokio::time::sleep(POLL).await;
    }
}
