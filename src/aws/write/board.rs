//! Announcements of operations, as tags on the cluster.

use aws_sdk_ecs::types::Tag;

use crate::aws::AwsCloud;
use crate::cloud::{CloudResult, ErrorKind};
use crate::core::operation::announcement::key;
use crate::core::operation::{Announcement, BoardCall};

impl AwsCloud {
    pub(super) async fn write_board(&self, call: &BoardCall) -> CloudResult<()> {
        let written = match call {
            BoardCall::Announce { cluster, announcement } => self.announce(cluster, announcement).await,
            BoardCall::Withdraw { cluster, operation } => self.withdraw(cluster, operation).await,
        };
        match written {
            // The cluster went between the look and the call, or the endpoint has no tags at all, so that
            // nobody reads them either.
            Err(error) if matches!(error.kind, ErrorKind::NotFound | ErrorKind::Unsupported) => Ok(()),
            written => written,
        }
    }

    async fn announce(&self, cluster: &str, announcement: &Announcement) -> CloudResult<()> {
        let Some(arn) = self.board(cluster).await? else { return Ok(()) };
        let tag = Tag::builder().key(key(&announcement.operation)).value(announcement.value()).build();
        let call = self.write.ecs.tag_resource().resource_arn(arn).tags(tag);
        call.send().await.map(drop).map_err(self.failed("ecs:TagResource"))
    }

    async fn withdraw(&self, cluster: &str, operation: &str) -> CloudResult<()> {
        let Some(arn) = self.board(cluster).await? else { return Ok(()) };
        let call = self.write.ecs.untag_resource().resource_arn(arn).tag_keys(key(operation));
        call.send().await.map(drop).map_err(self.failed("ecs:UntagResource"))
    }

    /// The ARN of a cluster; `None` if there is none, as before the first deploy and after a destroy.
    async fn board(&self, cluster: &str) -> CloudResult<Option<String>> {
        Ok(self.cluster(cluster, None).await?.and_then(|cluster| cluster.cluster_arn))
    }
}
