//! ECS: services whose deployments go on from tick to tick, and whose reads lag behind.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::scripted::Reply;
use super::{ACCOUNT, REGION, Secret, State, secret_of};

#[derive(Debug, Clone)]
pub struct Service {
    pub name: String,
    pub desired: u32,
    /// Revision of the task definition.
    pub revision: u32,
    /// The primary one is the last.
    pub deployments: Vec<Deployment>,
}

#[derive(Debug, Clone)]
pub struct Deployment {
    pub id: String,
    pub revision: u32,
    pub made: Timestamp,
    pub completed: bool,
    pub tasks: Vec<Task>,
}

#[derive(Debug, Clone)]
pub struct Task {
    pub id: String,
    pub running: bool,
    /// The clients that it read when it started.
    pub accepts: Vec<String>,
}

impl Service {
    /// The tasks that answer requests.
    pub fn serving(&self) -> Vec<&Task> {
        self.deployments.iter().flat_map(|deployment| &deployment.tasks).filter(|task| task.running).collect()
    }

    fn count(&self, running: bool) -> usize {
        self.deployments.iter().flat_map(|one| &one.tasks).filter(|task| task.running == running).count()
    }

    fn described(&self) -> Value {
        let last = self.deployments.len().saturating_sub(1);
        let deployment = |(index, one): (usize, &Deployment)| {
            let running = one.tasks.iter().filter(|task| task.running).count();
            json!({ "id": one.id, "status": if index == last { "PRIMARY" } else { "ACTIVE" },
                "taskDefinition": definition(&self.name, one.revision), "desiredCount": self.desired,
                "runningCount": running, "pendingCount": one.tasks.len() - running,
                "rolloutState": if one.completed { "COMPLETED" } else { "IN_PROGRESS" },
                "createdAt": seconds(one.made) })
        };
        json!({ "serviceName": self.name, "status": "ACTIVE", "desiredCount": self.desired,
            "serviceArn": format!("arn:aws:ecs:{REGION}:{ACCOUNT}:service/quarterdeck-prod/{}", self.name),
            "runningCount": self.count(true), "pendingCount": self.count(false),
            "taskDefinition": definition(&self.name, self.revision),
            "deployments": self.deployments.iter().enumerate().rev().map(deployment).collect::<Vec<_>>() })
    }
}

fn seconds(at: Timestamp) -> f64 {
    at.as_millisecond() as f64 / 1_000.0
}

fn definition(server: &str, revision: u32) -> String {
    format!("arn:aws:ecs:{REGION}:{ACCOUNT}:task-definition/quarterdeck-prod-{server}:{revision}")
}

impl State {
    /// Starts a service whose tasks run already.
    pub(super) fn make_service(&mut self, name: &str, desired: u32) {
        self.services
            .insert(name.to_owned(), Service { name: name.to_owned(), desired, revision: 1, deployments: Vec::new() });
        self.deploy_service(name);
    }

    /// A new deployment of a service.
    pub fn deploy_service(&mut self, name: &str) {
        let (id, made) = (format!("ecs-svc/{:04}", self.id()), self.time());
        if let Some(service) = self.services.get_mut(name) {
            let revision = service.revision;
            service.deployments.push(Deployment { id, revision, made, completed: false, tasks: Vec::new() });
        }
    }

    pub(super) fn tick_services(&mut self) {
        let names: Vec<String> = self.services.keys().cloned().collect();
        for name in names {
            let accepts = self.secrets.get(&secret_of(&name)).map(Secret::accepted).unwrap_or_default();
            let mut number = self.made;
            let Some(service) = self.services.get_mut(&name) else { continue };
            let desired = usize::try_from(service.desired).unwrap_or_default();
            let Some(mut primary) = service.deployments.pop() else { continue };
            primary.tasks.iter_mut().for_each(|task| task.running = true);
            let full = primary.tasks.len() >= desired;
            primary.tasks.truncate(desired);
            while primary.tasks.len() < desired {
                number += 1;
                primary.tasks.push(Task { id: format!("task{number}"), running: false, accepts: accepts.clone() });
            }
            if full {
                // All tasks of the new deployment run, so those of the old ones are stopped.
                service.deployments.clear();
                primary.completed = true;
            }
            service.deployments.push(primary);
            self.made = number;
        }
    }

    /// What reads show: the state some ticks ago.
    fn seen(&self) -> &BTreeMap<String, Service> {
        self.shown.front().filter(|_| self.setup.lag > 0).unwrap_or(&self.services)
    }

    #[allow(clippy::too_many_lines, reason = "one arm for each call of the API")]
    pub(super) fn ecs_call(&mut self, call: &str, body: &Value, operator: &str) -> Option<Reply> {
        let text = |key: &str| body[key].as_str().unwrap_or_default().to_owned();
        let cluster_arn = format!("arn:aws:ecs:{REGION}:{ACCOUNT}:cluster/quarterdeck-prod");
        let there = self.stacks.iter().any(|stack| stack.name == "quarterdeck-prod-platform" && stack.exists());
        Some(match call {
            "DescribeClusters" if !there => {
                Reply::json(200, json!({ "clusters": [], "failures": [{ "reason": "MISSING" }] }))
            }
            "DescribeClusters" => {
                let tags: Vec<Value> =
                    self.tags.iter().map(|(key, value)| json!({ "key": key, "value": value })).collect();
                let cluster = json!({ "clusterArn": cluster_arn, "clusterName": "quarterdeck-prod", "status": "ACTIVE", "tags": tags });
                Reply::json(200, json!({ "clusters": [cluster] }))
            }
            "TagResource" => {
                for tag in body["tags"].as_array().into_iter().flatten() {
                    let pair = |key: &str| tag[key].as_str().unwrap_or_default().to_owned();
                    self.tags.insert(pair("key"), pair("value"));
                }
                Reply::json(200, json!({}))
            }
            "UntagResource" => {
                for key in body["tagKeys"].as_array().into_iter().flatten().filter_map(Value::as_str) {
                    self.tags.remove(key);
                }
                Reply::json(200, json!({}))
            }
            "ListServices" if !there => Reply::json(200, json!({ "serviceArns": [] })),
            "ListServices" => Reply::json(200, json!({ "serviceArns": self.seen().keys().collect::<Vec<_>>() })),
            "DescribeServices" => {
                let wanted = body["services"].as_array().cloned().unwrap_or_default();
                let found = wanted.iter().filter_map(|name| self.seen().get(name.as_str()?)).map(Service::described);
                Reply::json(200, json!({ "services": found.collect::<Vec<_>>() }))
            }
            "ListTasks" => Reply::json(200, json!({ "taskArns": [] })),
            "DescribeTasks" => Reply::json(200, json!({ "tasks": [] })),
            "DescribeScalableTargets" => Reply::json(200, json!({ "ScalableTargets": [] })),
            "DescribeTaskDefinition" => {
                let arn = text("taskDefinition");
                let family =
                    arn.rsplit('/').next().unwrap_or_default().split(':').next().unwrap_or_default().to_owned();
                let server = family.strip_prefix("quarterdeck-prod-").unwrap_or_default();
                let revision: u32 = arn.rsplit(':').next().and_then(|revision| revision.parse().ok()).unwrap_or(1);
                let from = format!(
                    "arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{}-AbCdEf:allowed_client_ids::",
                    secret_of(server)
                );
                let secrets = json!([{ "name": "GANGWAY_ALLOWED_CLIENTS", "valueFrom": from }]);
                let containers = json!([{ "name": server, "secrets": secrets }]);
                Reply::json(
                    200,
                    json!({ "taskDefinition": { "taskDefinitionArn": arn, "family": family,
                    "revision": revision, "containerDefinitions": containers } }),
                )
            }
            "UpdateService" => {
                let name = text("service");
                if !self.services.contains_key(&name) {
                    return Some(Reply::error(400, "ServiceNotFoundException", "no such service"));
                }
                if let (Some(count), Some(service)) = (body["desiredCount"].as_u64(), self.services.get_mut(&name)) {
                    service.desired = u32::try_from(count).unwrap_or_default();
                    self.wrote(operator, format!("scale {name} to {count}"));
                }
                if body["forceNewDeployment"] == true {
                    self.deploy_service(&name);
                    self.wrote(operator, format!("restart {name}"));
                }
                Reply::json(200, json!({ "service": self.services[&name].described() }))
            }
            _ => return None,
        })
    }
}
