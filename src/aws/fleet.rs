//! One refresh of the fleet: services, tasks, targets and bounds, read together.

use std::collections::BTreeMap;
use std::sync::PoisonError;

use futures::{StreamExt, join, stream};

use super::AwsCloud;
use super::ecs::Service;
use crate::cloud::{CloudError, CloudResult, ErrorKind};
use crate::core::fleet::{Bounds, Fleet, Server, Task};

/// Services whose targets are read together.
const TOGETHER: usize = 8;

impl AwsCloud {
    pub(super) async fn read_fleet(&self, cluster: &str) -> CloudResult<Fleet> {
        let (services, tasks, bounds) =
            join!(self.services_with_targets(cluster), self.tasks(cluster), self.bounds(cluster));
        let (mut servers, mut gaps) = services?;
        let tasks = tasks.unwrap_or_else(|error| {
            gaps.push(gap("tasks", &error));
            Vec::new()
        });
        let bounds = bounds.unwrap_or_else(|error| {
            if error.kind != ErrorKind::Unsupported {
                gaps.push(gap("autoscaling bounds", &error));
            }
            BTreeMap::new()
        });
        hand_out(&mut servers, tasks, &bounds);
        servers.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Fleet { servers, gaps })
    }

    /// Services with their targets, and what could not be read.
    async fn services_with_targets(&self, cluster: &str) -> CloudResult<(Vec<Server>, Vec<String>)> {
        let services = self.services(cluster).await?;
        let read = stream::iter(services).map(|Service { mut server, target_groups }| async move {
            let error = match self.targets(&target_groups).await {
                Ok(targets) => {
                    server.targets = targets;
                    None
                }
                Err(error) => Some(error),
            };
            (server, error)
        });
        let read: Vec<(Server, Option<CloudError>)> = read.buffered(TOGETHER).collect().await;
        let mut gaps = Vec::new();
        let mut servers = Vec::with_capacity(read.len());
        for (server, error) in read {
            // An emulator without a load balancer is no gap: nothing is hidden by it.
            if let Some(error) = error.filter(|error| error.kind != ErrorKind::Unsupported) {
                gaps.push(gap(&format!("targets of {}", server.name), &error));
            }
            servers.push(server);
        }
        gaps.extend(self.fill_log_groups(&mut servers).await);
        Ok((servers, gaps))
    }

    /// Gives each server the log groups of its task definition; what could not be read.
    async fn fill_log_groups(&self, servers: &mut [Server]) -> Vec<String> {
        let definitions: Vec<String> = servers.iter().map(|server| server.task_definition.clone()).collect();
        let reads = stream::iter(definitions).map(|arn| async move { self.log_groups_of(&arn).await });
        let read: Vec<CloudResult<Vec<String>>> = reads.buffered(TOGETHER).collect().await;
        let mut gaps = Vec::new();
        for (server, groups) in servers.iter_mut().zip(read) {
            match groups {
                Ok(groups) => server.log_groups = groups,
                // An emulator without task definitions: our own names are all there is.
                Err(error) if error.kind == ErrorKind::Unsupported => {}
                Err(error) => gaps.push(gap(&format!("log groups of {}", server.name), &error)),
            }
        }
        gaps
    }

    /// A task definition never changes, so it is read once.
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

/// What could not be read, and why.
pub(super) fn gap(what: &str, error: &CloudError) -> String {
    format!("{what}: {error}")
}

/// Gives each server its tasks, newest first, and its bounds.
fn hand_out(servers: &mut [Server], tasks: Vec<Task>, bounds: &BTreeMap<String, Bounds>) {
    let mut by_service: BTreeMap<String, Vec<Task>> = BTreeMap::new();
    for task in tasks {
        by_service.entry(task.service.clone()).or_default().push(task);
    }
    for server in servers {
        server.tasks = by_service.remove(&server.name).unwrap_or_default();
        server.tasks.sort_by(|a, b| (b.created_at, &b.arn).cmp(&(a.created_at, &a.arn)));
        server.bounds = bounds.get(&server.name).copied();
    }
}
