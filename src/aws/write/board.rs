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

/// The outer tests' server. Only the protocol makes an `Approved`, so these calls are tested from inside.
#[cfg(test)]
#[allow(dead_code, clippy::unwrap_used, clippy::disallowed_methods, missing_docs, reason = "it is the outer tests'")]
#[path = "../../../tests/it/support/scripted.rs"]
mod scripted;

/// The outer tests' emulator.
#[cfg(test)]
#[allow(
    dead_code,
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    missing_docs,
    reason = "it is the outer tests'"
)]
#[path = "../../../tests/it/support/emulator.rs"]
mod emulator;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may end at a broken expectation")]
    use super::emulator::{Emulator, REGION};
    use super::scripted::{Reply, Scripted};
    use super::*;
    use crate::aws::{Access, connect};
    use crate::cloud::Services;
    use crate::core::operation::{About, Announced, Call};
    use rstest::rstest;
    use serde_json::{Value, json};

    const ARN: &str = "arn:aws:ecs:eu-central-1:1:cluster/quarterdeck-prod";
    const ID: &str = "qd-20260131-030000-89abcdef";
    const KEY: &str = "quarterdeck:operation:qd-20260131-030000-89abcdef";
    const VALUE: &str = "2026-01-31T03:00:00Z restart server/time arn:aws:sts::1:assumed-role/operator/alice";

    fn cluster(tags: &Value) -> Reply {
        Reply::json(200, json!({ "clusters": [{ "clusterArn": ARN, "status": "ACTIVE", "tags": tags }] }))
    }

    fn announce() -> BoardCall {
        let Some(Announced::Clear(announcement)) = Announced::read(KEY, VALUE) else { panic!("{VALUE}") };
        assert_eq!(announcement.about, About::Server("time".into()));
        BoardCall::Announce { cluster: "quarterdeck-prod".into(), announcement }
    }

    fn withdraw() -> BoardCall {
        BoardCall::Withdraw { cluster: "quarterdeck-prod".into(), operation: ID.into() }
    }

    async fn carried_out(server: &Scripted, call: BoardCall) -> CloudResult<()> {
        let endpoint = Some(server.url.clone());
        let region = Some("eu-central-1".into());
        let cloud = connect(&Access { region, endpoint, static_credentials: true, ..Access::default() }).await?;
        cloud.carry_out(&Call::Board(call), false).await.map(drop)
    }

    fn body(server: &Scripted, call: &str) -> Value {
        serde_json::from_str(&server.requests(call).remove(0).body).unwrap()
    }

    #[tokio::test]
    async fn an_operation_is_announced_and_withdrawn_as_a_tag_on_the_cluster() {
        let done = || vec![Reply::json(200, json!({}))];
        let server = Scripted::script([
            ("DescribeClusters", vec![cluster(&json!([]))]),
            ("TagResource", done()),
            ("UntagResource", done()),
        ])
        .await;
        carried_out(&server, announce()).await.unwrap();
        carried_out(&server, announce()).await.unwrap();
        carried_out(&server, withdraw()).await.unwrap();
        let tags = json!([{ "key": KEY, "value": VALUE }]);
        assert_eq!(body(&server, "TagResource"), json!({ "resourceArn": ARN, "tags": tags }));
        assert_eq!(body(&server, "UntagResource"), json!({ "resourceArn": ARN, "tagKeys": [KEY] }));
        assert_eq!((server.count("TagResource"), server.count("UntagResource")), (2, 1), "twice does no harm");
    }

    #[rstest]
    #[case::missing(Reply::json(200, json!({ "clusters": [], "failures": [{ "reason": "MISSING" }] })))]
    #[case::deleted(Reply::json(200, json!({ "clusters": [{ "clusterArn": ARN, "status": "INACTIVE" }] })))]
    #[case::no_clusters_at_all(Reply::error(400, "UnknownOperationException", "not in the script"))]
    #[tokio::test]
    async fn without_a_cluster_there_is_nothing_to_write_on(#[case] reply: Reply) {
        let server = Scripted::script([("DescribeClusters", vec![reply])]).await;
        for call in [announce(), withdraw()] {
            carried_out(&server, call).await.unwrap();
        }
        assert_eq!((server.count("TagResource"), server.count("UntagResource")), (0, 0));
    }

    #[rstest]
    #[case::it_went_meanwhile(Reply::error(400, "ClusterNotFoundException", "Cluster not found."), None)]
    #[case::no_tags(Reply::error(400, "UnknownOperationException", "no"), None)]
    #[case::denied(Reply::error(400, "AccessDeniedException", "no"), Some(ErrorKind::Denied))]
    #[case::too_many_tags(Reply::error(400, "InvalidParameterException", "50 tags at most"), Some(ErrorKind::Invalid))]
    #[case::throttled(Reply::error(400, "ThrottlingException", "Rate exceeded"), Some(ErrorKind::Throttled))]
    #[case::failing(Reply::error(500, "ServerException", "oops"), Some(ErrorKind::Service))]
    #[tokio::test]
    async fn each_failure_has_its_kind(#[case] reply: Reply, #[case] kind: Option<ErrorKind>) {
        let script = [
            ("DescribeClusters", vec![cluster(&json!([]))]),
            ("TagResource", vec![reply.clone()]),
            ("UntagResource", vec![reply]),
        ];
        let server = Scripted::script(script).await;
        for call in [announce(), withdraw()] {
            assert_eq!(carried_out(&server, call).await.err().map(|error| error.kind), kind);
        }
        assert_eq!((server.count("TagResource"), server.count("UntagResource")), (1, 1), "a write is sent once");
    }

    #[tokio::test]
    async fn a_cluster_that_may_not_be_read_is_a_failure() {
        let denied = Reply::error(400, "AccessDeniedException", "no");
        let server = Scripted::script([("DescribeClusters", vec![denied])]).await;
        let error = carried_out(&server, announce()).await.unwrap_err();
        assert_eq!((error.kind, error.call.as_str()), (ErrorKind::Denied, "ecs:DescribeClusters"));
    }

    #[tokio::test]
    async fn an_emulator_keeps_what_is_announced_until_it_is_withdrawn() {
        let emulator = Emulator::start().await;
        let (region, endpoint) = (Some(REGION.into()), Some(emulator.url.clone()));
        let access = Access { region, endpoint, static_credentials: true, ..Access::default() };
        let cloud = connect(&access).await.unwrap();
        let (announce, withdraw) = (Call::Board(announce()), Call::Board(withdraw()));
        for call in [&announce, &withdraw] {
            cloud.carry_out(call, false).await.expect("there is no cluster, and that is no failure");
        }
        let create = "AmazonEC2ContainerServiceV20141113.CreateCluster";
        emulator.call("ecs", create, json!({ "clusterName": "quarterdeck-prod" })).await;
        for (call, expected) in [(&announce, 1), (&announce, 1), (&withdraw, 0), (&withdraw, 0)] {
            cloud.carry_out(call, false).await.unwrap();
            let read = cloud.announced("quarterdeck-prod").await.unwrap();
            assert_eq!(read.len(), expected, "{call:?}: {read:?}");
            assert!(read.iter().all(|one| Some(one) == Announced::read(KEY, VALUE).as_ref()), "{read:?}");
        }
    }
}
