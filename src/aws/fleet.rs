//! The fleet: services, tasks, targets and bounds, read at the same time and put together.

use std::collections::BTreeMap;
use std::sync::PoisonError;

use async_trait::async_trait;
use futures::{StreamExt, join, stream};

use super::AwsCloud;
use super::ecs::{Described, Service};
use crate::cloud::{CloudResult, ErrorKind, Services};
use crate::core::fleet::{Bounds, Fleet, Server, Task, TaskDefinition};
use crate::core::logs::ContainerLog;
use crate::core::operation::Announced;

/// Task definitions of a server's tasks, beside the one in force, whose logs are read at most.
const REVISIONS: usize = 5;
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
        fleet.gone = hand_out(&mut fleet.servers, tasks, &or_none(bounds));
        // One that is in the list and could not be read is not gone.
        fleet.gone.retain(|task| fleet.unreadable.iter().all(|one| one.name != task.service));
        let servers = std::mem::take(&mut fleet.servers);
        let with_logs = stream::iter(servers).map(|server| self.with_logs_of_tasks(server)).buffered(TOGETHER);
        fleet.servers = with_logs.collect().await;
        fleet.part_shared_groups();
        fleet.servers.sort_by(|a, b| a.name.cmp(&b.name));
        fleet.unreadable.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(fleet)
    }

    /// Services with their targets and logs.
    async fn services_with_targets(&self, cluster: &str) -> CloudResult<Fleet> {
        let Described { services, unreadable } = self.services(cluster).await?;
        let read = stream::iter(services).map(|Service { mut server, balancers }| async move {
            let (balancers, logs) = join!(self.balancers(balancers), self.logs_of(&server.task_definition));
            // An endpoint that lacks task definitions has no logs.
            (server.balancers, server.logs) = (balancers, or_none(logs).into());
            server
        });
        Ok(Fleet { servers: read.buffered(TOGETHER).collect().await, unreadable, ..Fleet::default() })
    }

    /// A server with the logs of its tasks that have another task definition than the one in force: those of a
    /// deployment before, of one that failed, or of a task set.
    async fn with_logs_of_tasks(&self, mut server: Server) -> Server {
        let others = server.known_tasks().iter().map(|task| task.task_definition.clone());
        let mut others: Vec<String> = others.filter(|one| !one.is_empty() && *one != server.task_definition).collect();
        others.sort();
        others.dedup();
        let Some(logs) = server.logs.known_mut() else { return server };
        for definition in others.iter().rev().take(REVISIONS) {
            // One that cannot be read now is read with the next refresh; the others are true without it.
            logs.extend(self.logs_of(definition).await.unwrap_or_default());
        }
        logs.sort();
        logs.dedup();
        server
    }

    /// Where a task definition's containers log. A task definition never changes, so each is read once.
    async fn logs_of(&self, definition: &str) -> CloudResult<Vec<ContainerLog>> {
        let known = || self.container_logs.lock().unwrap_or_else(PoisonError::into_inner);
        if definition.is_empty() {
            return Ok(Vec::new());
        }
        if let Some(logs) = known().get(definition) {
            return Ok(logs.clone());
        }
        let logs = self.read_task_definition(definition).await?.logs;
        known().insert(definition.to_owned(), logs.clone());
        Ok(logs)
    }
}

/// If the endpoint lacks a call altogether, there is nothing of that kind, rather than something unread.
pub(super) fn or_none<T: Default>(read: CloudResult<T>) -> CloudResult<T> {
    match read {
        Err(error) if error.kind == ErrorKind::Unsupported => Ok(T::default()),
        read => read,
    }
}

/// Gives each server its tasks, newest first, and its bounds. Returns the stopped tasks of services that are gone.
fn hand_out(
    servers: &mut [Server],
    tasks: CloudResult<Vec<Task>>,
    bounds: &CloudResult<BTreeMap<String, Bounds>>,
) -> Vec<Task> {
    let mut tasks = tasks.map(by_service);
    for server in servers {
        let ours = tasks.as_mut().map(|tasks| tasks.remove(&server.name).unwrap_or_default());
        server.tasks = ours.map_err(|why| why.clone()).into();
        let ours = bounds.as_ref().map(|bounds| bounds.get(&server.name).copied());
        server.bounds = ours.map_err(Clone::clone).into();
    }
    // A stand-alone task belongs to no service.
    let left = tasks.into_iter().flat_map(|tasks| tasks.into_iter().filter(|(service, _)| !service.is_empty()));
    left.flat_map(|(_, tasks)| tasks).filter(Task::stopped).collect()
}

fn by_service(mut tasks: Vec<Task>) -> BTreeMap<String, Vec<Task>> {
    tasks.sort_by(|a, b| (b.created_at, &b.arn).cmp(&(a.created_at, &a.arn)));
    let mut by_service: BTreeMap<String, Vec<Task>> = BTreeMap::new();
    for task in tasks {
        by_service.entry(task.service.clone()).or_default().push(task);
    }
    by_service
}
