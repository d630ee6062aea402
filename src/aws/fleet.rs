//! One refresh of the fleet: services, tasks, targets and bounds, read together.

use std::collections::BTreeMap;

use futures::{StreamExt, join, stream};

use super::ecs::Service;
use super::{AwsCloud, meter};
use crate::cloud::{CloudError, CloudResult, ErrorKind};
use crate::core::fleet::{Bounds, Fleet, Server, Task};

/// Services whose targets are read together.
const TOGETHER: usize = 8;

impl AwsCloud {
    pub(super) async fn read_fleet(&self, cluster: &str) -> CloudResult<Fleet> {
        let reads = async { join!(self.services_with_targets(cluster), self.tasks(cluster), self.bounds(cluster)) };
        let ((services, tasks, bounds), api_calls) = meter::counted(reads).await;
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
        Ok(Fleet { servers, api_calls, gaps })
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
        Ok((servers, gaps))
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
