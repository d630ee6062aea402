//! The fleet: services, tasks, targets and bounds, read at the same time and put together.

use std::collections::BTreeMap;
use std::sync::PoisonError;

use async_trait::async_trait;
use futures::{StreamExt, join, stream};

use super::AwsCloud;
use super::ecs::{Described, Service};
use crate::cloud::{CloudResult, ErrorKind, Services};
use crate::core::fleet::{Bounds, Fleet, Server, Task, TaskDefinition};
use crate::core::operation::Announced;

/// Services whose targets are read at the same time.
const TOGETHER: usize = 8;

#[async_trait]
impl Services for AwsCloud {
    async fn fleet(&self, cluster: &str) -> CloudResult<Fleet> {
        self.within("ecs:DescribeServices", self.read_fleet(cluster)).await
    }

    async fn task_definition(&self, arn: &str) -> CloudResult<TaskDefinition> {
        self.within("ecs:DescribeTaskDefinition", self.read_task_definition(arn)).await
    }

    async fn revisions(&self, family: &str) -> CloudResult<Vec<String>> {
        self.within("ecs:ListTaskDefinitions", self.read_revisions(family)).await
    }

    async fn revision_before(&self, family: &str, revision: u32) -> CloudResult<Option<String>> {
        self.within("ecs:ListTaskDefinitions", self.read_revision_before(family, revision)).await
    }

    async fn task(&self, cluster: &str, arn: &str) -> CloudResult<Option<Task>> {
        self.within("ecs:DescribeTasks", self.read_task(cluster, arn)).await
    }

    async fn announced(&self, cluster: &str) -> CloudResult<Vec<Announced>> {
        // An endpoint that lacks clusters announces nothing on them.
        or_none(self.within("ecs:DescribeClusters", self.read_announced(cluster)).await)
    }
}

impl AwsCloud {
    pub(super) async fn read_fleet(&self, cluster: &str) -> CloudResult<Fleet> {
        let (fleet, tasks, bounds) =
            join!(self.services_with_targets(cluster), self.tasks(cluster), self.bounds(cluster));
        let mut fleet = fleet?;
        hand_out(&mut fleet.servers, tasks, &or_none(bounds));
        fleet.part_shared_groups();
        fleet.servers.sort_by(|a, b| a.name.cmp(&b.name));
        fleet.unreadable.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(fleet)
    }

    /// Services with their targets and log groups.
    async fn services_with_targets(&self, cluster: &str) -> CloudResult<Fleet> {
        let Described { services, unreadable } = self.services(cluster).await?;
        let read = stream::iter(services).map(|Service { mut server, balancers }| async move {
            let (balancers, groups) = join!(self.balancers(balancers), self.log_groups_of(&server.task_definition));
            // An endpoint that lacks task definitions has no log groups.
            (server.balancers, server.log_groups) = (balancers, or_none(groups).into());
            server
        });
        Ok(Fleet { servers: read.buffered(TOGETHER).collect().await, unreadable, no_cluster: false })
    }

    /// The log groups in a task definition. A task definition never changes, so each is read once.
    async fn log_groups_of(&self, definition: &str) -> CloudResult<Vec<String>> {
        let known = || self.log_groups.lock().unwrap_or_else(PoisonError::into_inner);
        if definition.is_empty() {
            return Ok(Vec::new());
        }
        if let Some(groups) = known().get(definition) {
            return Ok(groups.clone());
        }
        let groups = self.read_task_definition(definition).await?.log_groups;
        known().insert(definition.to_owned(), groups.clone());
        Ok(groups)
    }
}

/// If the endpoint lacks a call altogether, there is nothing of that kind, rather than something unread.
pub(super) fn or_none<T: Default>(read: CloudResult<T>) -> CloudResult<T> {
    match read {
        Err(error) if error.kind == ErrorKind::Unsupported => Ok(T::default()),
        read => read,
    }
}

/// Gives each server its tasks, newest first, and its bounds.
fn hand_out(servers: &mut [Server], tasks: CloudResult<Vec<Task>>, bounds: &CloudResult<BTreeMap<String, Bounds>>) {
    let mut tasks = tasks.map(by_service);
    for server in servers {
        let ours = tasks.as_mut().map(|tasks| tasks.remove(&server.name).unwrap_or_default());
        server.tasks = ours.map_err(|why| why.clone()).into();
        let ours = bounds.as_ref().map(|bounds| bounds.get(&server.name).copied());
        server.bounds = ours.map_err(Clone::clone).into();
    }
}

fn by_service(mut tasks: Vec<Task>) -> BTreeMap<String, Vec<Task>> {
    tasks.sort_by(|a, b| (b.created_at, &b.arn).cmp(&(a.created_at, &a.arn)));
    let mut by_service: BTreeMap<String, Vec<Task>> = BTreeMap::new();
    for task in tasks {
        by_service.entry(task.service.clone()).or_default().push(task);
    }
    by_service
}
