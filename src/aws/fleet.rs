//! The fleet: services, tasks, targets and bounds, read at the same time and put together. [`super::turns`] reads
//! it in turn, for who looks at it for long.

use std::collections::BTreeMap;

use async_trait::async_trait;
use futures::{StreamExt, join, stream};

use super::AwsCloud;
use super::convert::text;
use super::ecs::{Described, Service, last_part};
use crate::cloud::{CloudResult, ErrorKind, Services};
use crate::core::destination::Cluster;
use crate::core::fleet::{Attention, Bounds, Fleet, Server, ServiceDeployment, Task, TaskDefinition};
use crate::core::logs::ContainerLog;
use crate::core::operation::Announced;
use crate::core::pace::Usage;

/// Task definitions of a server's tasks, beside the one in force, whose logs are read at most.
pub(super) const REVISIONS: usize = 5;
/// Services whose targets are read at the same time.
const TOGETHER: usize = 8;
/// So many services by name are read with a list of tasks for each; of more, all tasks of the cluster are.
const ONE_BY_ONE: usize = 5;

#[async_trait]
impl Services for AwsCloud {
    async fn fleet(&self, cluster: &str) -> CloudResult<Fleet> {
        let fleet = self.within("ecs:DescribeServices", self.read_fleet(cluster)).await;
        self.definitions.save().await;
        fleet
    }

    async fn fleet_of(&self, cluster: &str, servers: &[String]) -> CloudResult<Fleet> {
        let fleet = self.within("ecs:DescribeServices", self.read_fleet_of(cluster, servers)).await;
        self.definitions.save().await;
        fleet
    }

    async fn fleet_in_turn(
        &self,
        cluster: &str,
        attention: &Attention,
        told: &(dyn Fn(Fleet) + Send + Sync),
    ) -> CloudResult<Fleet> {
        self.take_turn(cluster, attention, told).await
    }

    fn look(&self, attention: &Attention) {
        self.turns.look(attention);
    }

    async fn fleet_logs(&self, cluster: &str) -> CloudResult<Fleet> {
        let fleet = self.within("ecs:DescribeServices", self.read_fleet_logs(cluster)).await;
        self.definitions.save().await;
        fleet
    }

    async fn services(&self, cluster: &str) -> CloudResult<Fleet> {
        let Described { services, unreadable } = self.within("ecs:DescribeServices", self.described(cluster)).await?;
        let servers = services.into_iter().map(|service| service.server).collect();
        Ok(sorted(Fleet { servers, unreadable, ..Fleet::default() }))
    }

    async fn service_names(&self, cluster: &str) -> CloudResult<Vec<String>> {
        let arns = self.within("ecs:ListServices", self.listed(cluster, &|_| ())).await?;
        let mut names: Vec<String> = arns.iter().map(|arn| text(Some(last_part(arn)))).collect();
        names.sort();
        Ok(names)
    }

    async fn tasks_named(&self, cluster: &str, id: &str) -> CloudResult<Vec<Task>> {
        self.within("ecs:DescribeTasks", self.read_tasks_named(cluster, id)).await
    }

    async fn stopped_tasks(&self, cluster: &str, service: &str) -> CloudResult<Vec<Task>> {
        self.within("ecs:ListTasks", self.read_stopped(cluster, service)).await
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

    async fn clusters(&self) -> CloudResult<Vec<Cluster>> {
        self.within("ecs:ListClusters", self.read_clusters()).await
    }

    async fn service_deployments(&self, cluster: &str, service: &str) -> CloudResult<Vec<ServiceDeployment>> {
        self.within("ecs:ListServiceDeployments", self.read_service_deployments(cluster, service)).await
    }

    async fn service_deployment(&self, arn: &str) -> CloudResult<Option<ServiceDeployment>> {
        self.within("ecs:DescribeServiceDeployments", self.read_service_deployment(arn)).await
    }

    fn usage(&self) -> Vec<(&'static str, Usage)> {
        self.pacer.usage()
    }
}

impl AwsCloud {
    async fn read_fleet(&self, cluster: &str) -> CloudResult<Fleet> {
        let services = async { Ok(self.with_targets(self.described(cluster).await?).await) };
        let (fleet, tasks, bounds) = join!(services, self.tasks(cluster, None), self.bounds(cluster, None));
        let mut fleet: Fleet = fleet?;
        hand_tasks(&mut fleet, tasks);
        let bounds = or_none(bounds);
        fleet.servers.iter_mut().for_each(|server| hand_bounds(server, &bounds));
        let mut fleet = self.with_logs_of_tasks(fleet).await;
        fleet.part_shared_groups();
        Ok(sorted(fleet))
    }

    /// Services with tasks and logs.
    async fn read_fleet_logs(&self, cluster: &str) -> CloudResult<Fleet> {
        let services = async {
            let Described { services, unreadable } = self.described(cluster).await?;
            let read = stream::iter(services).map(|Service { mut server, .. }| async move {
                server.logs = or_none(self.logs_of(&server.task_definition).await).into();
                server
            });
            Ok(Fleet { servers: read.buffered(TOGETHER).collect().await, unreadable, ..Fleet::default() })
        };
        let (fleet, tasks) = join!(services, self.tasks(cluster, None));
        let mut fleet: Fleet = fleet?;
        hand_tasks(&mut fleet, tasks);
        Ok(sorted(self.with_logs_of_tasks(fleet).await))
    }

    /// These services alone. Their names are known, so nothing waits for a list.
    async fn read_fleet_of(&self, cluster: &str, names: &[String]) -> CloudResult<Fleet> {
        let plain: Vec<String> = names.iter().map(|name| last_part(name).to_owned()).collect();
        let services = async { Ok(self.with_targets(self.described_of(cluster, &plain).await?).await) };
        let (fleet, mut tasks, bounds) =
            join!(services, self.tasks_of(cluster, &plain), self.bounds(cluster, Some(&plain)));
        let mut fleet: Fleet = fleet?;
        let bounds = or_none(bounds);
        for server in &mut fleet.servers {
            server.tasks = tasks.remove(&server.name).unwrap_or(Ok(Vec::new())).into();
            hand_bounds(server, &bounds);
        }
        let mut fleet = self.with_logs_of_tasks(fleet).await;
        // Who else uses a target group is not known here.
        fleet.keep_own_targets();
        Ok(sorted(fleet))
    }

    /// The tasks of each of these services.
    async fn tasks_of(&self, cluster: &str, names: &[String]) -> BTreeMap<String, CloudResult<Vec<Task>>> {
        if names.len() > ONE_BY_ONE {
            let all = self.tasks(cluster, None).await.map(by_service);
            let of = |name: &String| all.as_ref().map(|all| all.get(name).cloned().unwrap_or_default());
            return names.iter().map(|name| (name.clone(), of(name).map_err(Clone::clone))).collect();
        }
        let read = stream::iter(names.to_vec()).map(|name| async move {
            let tasks = self.tasks(cluster, Some(&name)).await;
            (name, tasks.map(newest_first))
        });
        read.buffered(ONE_BY_ONE).collect().await
    }

    /// Services with their targets and logs.
    async fn with_targets(&self, Described { services, unreadable }: Described) -> Fleet {
        let read = stream::iter(services).map(|Service { mut server, balancers }| async move {
            let (balancers, logs) = join!(self.balancers(&balancers), self.logs_of(&server.task_definition));
            // An endpoint that lacks task definitions has no logs.
            (server.balancers, server.logs) = (balancers, or_none(logs).into());
            server
        });
        Fleet { servers: read.buffered(TOGETHER).collect().await, unreadable, ..Fleet::default() }
    }

    /// Servers with the logs of their tasks that have another task definition than the one in force: those of a
    /// deployment before, of one that failed, or of a task set.
    async fn with_logs_of_tasks(&self, mut fleet: Fleet) -> Fleet {
        let servers = std::mem::take(&mut fleet.servers);
        let read = stream::iter(servers).map(|mut server| async move {
            let others = other_definitions(&server);
            let Some(logs) = server.logs.known_mut() else { return server };
            for definition in others {
                // One that cannot be read now is read with the next refresh; the others are true without it.
                logs.extend(self.logs_of(&definition).await.unwrap_or_default());
            }
            logs.sort();
            logs.dedup();
            server
        });
        fleet.servers = read.buffered(TOGETHER).collect().await;
        fleet
    }

    /// Where a task definition's containers log. A task definition never changes, so each is read once.
    pub(super) async fn logs_of(&self, definition: &str) -> CloudResult<Vec<ContainerLog>> {
        if let Some(logs) = self.known_logs(definition) {
            return Ok(logs);
        }
        let logs = self.read_task_definition(definition).await?.logs;
        self.definitions.insert(definition.to_owned(), logs.clone());
        Ok(logs)
    }

    /// The same, if it was read; a service without a task definition has no logs.
    pub(super) fn known_logs(&self, definition: &str) -> Option<Vec<ContainerLog>> {
        if definition.is_empty() {
            return Some(Vec::new());
        }
        self.definitions.get(definition)
    }
}

/// The task definitions of a server's tasks beside the one in force, newest first.
pub(super) fn other_definitions(server: &Server) -> Vec<String> {
    let others = server.known_tasks().iter().map(|task| task.task_definition.clone());
    let mut others: Vec<String> = others.filter(|one| !one.is_empty() && *one != server.task_definition).collect();
    others.sort();
    others.dedup();
    others.into_iter().rev().take(REVISIONS).collect()
}

/// If the endpoint lacks a call altogether, there is nothing of that kind, rather than something unread.
pub(super) fn or_none<T: Default>(read: CloudResult<T>) -> CloudResult<T> {
    match read {
        Err(error) if error.kind == ErrorKind::Unsupported => Ok(T::default()),
        read => read,
    }
}

/// Gives each server its tasks, newest first, and keeps the stopped tasks of services that are gone.
fn hand_tasks(fleet: &mut Fleet, tasks: CloudResult<Vec<Task>>) {
    let mut tasks = tasks.map(by_service);
    for server in &mut fleet.servers {
        let ours = tasks.as_mut().map(|tasks| tasks.remove(&server.name).unwrap_or_default());
        server.tasks = ours.map_err(|why| why.clone()).into();
    }
    // A stand-alone task belongs to no service, and one that is in the list and could not be read is not gone.
    let there = |service: &str| service.is_empty() || fleet.unreadable.iter().any(|one| one.name == service);
    let left = tasks.into_iter().flatten().filter(|(service, _)| !there(service));
    fleet.gone = left.flat_map(|(_, tasks)| tasks).filter(Task::stopped).collect();
}

fn hand_bounds(server: &mut Server, bounds: &CloudResult<BTreeMap<String, Bounds>>) {
    let ours = bounds.as_ref().map(|bounds| bounds.get(&server.name).copied());
    server.bounds = ours.map_err(Clone::clone).into();
}

pub(super) fn sorted(mut fleet: Fleet) -> Fleet {
    fleet.servers.sort_by(|a, b| a.name.cmp(&b.name));
    fleet.unreadable.sort_by(|a, b| a.name.cmp(&b.name));
    fleet
}

pub(super) fn newest_first(mut tasks: Vec<Task>) -> Vec<Task> {
    tasks.sort_by(|a, b| (b.created_at, &b.arn).cmp(&(a.created_at, &a.arn)));
    tasks
}

/// The tasks of each service, newest first.
pub(super) fn by_service(tasks: Vec<Task>) -> BTreeMap<String, Vec<Task>> {
    let mut by_service: BTreeMap<String, Vec<Task>> = BTreeMap::new();
    for task in newest_first(tasks) {
        by_service.entry(task.service.clone()).or_default().push(task);
    }
    by_service
}
