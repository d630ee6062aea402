//! Two task definitions of a service.

use futures::try_join;

use super::Session;
use crate::cloud::CloudResult;
use crate::core::fleet::{Against, Compared, Comparison, TaskDefinition};

/// Reads the task definition in force, and the one that it is compared with.
///
/// # Errors
/// When one of them cannot be read.
pub async fn compare(session: &Session, asked: &Comparison) -> CloudResult<Compared> {
    let read = |arn: String| async move { session.cloud.task_definition(&arn).await };
    if let Some(Against::This(other)) = &asked.against {
        let (now, before) = try_join!(read(asked.now.clone()), read(other.clone()))?;
        return Ok(Compared { now, before: Some(before) });
    }
    let now = read(asked.now.clone()).await?;
    let limit = match asked.against {
        Some(Against::Before(revision)) => revision,
        _ => now.revision,
    };
    let before: Option<TaskDefinition> = match session.cloud.revision_before(&now.family, limit).await? {
        Some(arn) => Some(read(arn).await?),
        None => None,
    };
    Ok(Compared { now, before })
}
