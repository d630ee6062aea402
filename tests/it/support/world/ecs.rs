//! ECS: services of every kind, whose deployments go on from tick to tick, and whose reads lag behind. What it
//! refuses, it refuses in the words of AWS.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::super::scripted::Reply;
use super::elb;
use super::{ACCOUNT, REGION, Secret, State, secret_of};

const CLUSTER: &str = "quarterdeck-prod";
/// Tasks of a deployment that fail before the circuit breaker gives it up.
const FAILURES: u32 = 3;

#[derive(Debug, Clone)]
pub struct Service {
    pub name: String,
    pub kind: Kind,
    pub desired: u32,
    /// Revision of the task definition.
    pub revision: u32,
    /// The newest active revision of its family, where that is not the one in force.
    pub registered: u32,
    /// The primary one is the last.
    pub deployments: Vec<Deployment>,
    /// Tasks that have stopped, the newest last.
    pub stopped: Vec<Stopped>,
    /// What ECS says of it, the newest last.
    pub events: Vec<(Timestamp, String)>,
    /// Whether tasks of deployments that begin now fail.
    pub broken: bool,
    /// How they fail.
    pub failure: Failure,
    /// Its service deployments, the newest last.
    pub releases: Vec<Release>,
    /// When its count was raised, and how long ECS takes until it begins to start tasks for that.
    pub raised: Option<(Timestamp, SignedDuration)>,
}

/// A service deployment: the way from one revision to the next, and back.
#[derive(Debug, Clone)]
pub struct Release {
    pub id: String,
    pub made: Timestamp,
    pub status: &'static str,
    pub reason: String,
    /// The revision before it, if there was one.
    from: Option<u32>,
    to: u32,
    /// Whether the circuit breaker has ended it.
    breaker: bool,
}

/// How the tasks of a deployment fail, in the words of ECS.
#[derive(Debug, Clone, Copy)]
pub struct Failure {
    pub code: &'static str,
    pub reason: &'static str,
    /// Seconds for which a task ran.
    pub ran: Option<i64>,
    /// What its container says.
    pub exit: Option<i32>,
    pub container: &'static str,
    /// What it writes before its end, a line an event.
    pub says: &'static str,
}

impl Default for Failure {
    fn default() -> Self {
        let (code, reason) = ("EssentialContainerExited", "Essential container in task exited");
        Self { code, reason, ran: None, exit: None, container: "", says: "" }
    }
}

/// What kind of service it is.
#[derive(Debug, Clone)]
pub struct Kind {
    pub controller: &'static str,
    pub scheduling: &'static str,
    pub strategy: &'static str,
    /// Its target groups. Where requests move between two, the other one is `NAME-green`.
    pub groups: Vec<&'static str>,
    /// A Classic Load Balancer before it.
    pub classic: Option<&'static str>,
    pub alarms: bool,
    /// The zones in which its tasks are started in turn, where a test asks for zones.
    pub zones: Vec<&'static str>,
    /// Ticks for which a full deployment goes on.
    pub bakes: u32,
    pub breaker: bool,
}

impl Default for Kind {
    fn default() -> Self {
        Self {
            controller: "ECS",
            scheduling: "REPLICA",
            strategy: "ROLLING",
            groups: Vec::new(),
            classic: None,
            alarms: false,
            zones: Vec::new(),
            bakes: 0,
            breaker: true,
        }
    }
}

#[derive(Debug, Clone)]
pub struct Deployment {
    pub id: String,
    pub revision: u32,
    pub made: Timestamp,
    pub completed: bool,
    pub tasks: Vec<Task>,
    pub failed: u32,
    pub given_up: bool,
    pub reason: String,
    /// Whether its tasks are in the second one of two target groups.
    pub green: bool,
    baked: u32,
    broken: bool,
    /// The service deployment that it is a part of, and whether it is the way back.
    release: String,
    back: bool,
}

#[derive(Debug, Clone)]
pub struct Task {
    pub id: String,
    pub running: bool,
    /// Whether the load balancer has found it healthy.
    pub healthy: bool,
    /// The clients that it read when it started.
    pub accepts: Vec<String>,
    /// Its zone, where the service has some.
    pub zone: Option<&'static str>,
}

#[derive(Debug, Clone)]
pub struct Stopped {
    pub id: String,
    revision: u32,
    pub at: Timestamp,
    code: &'static str,
    reason: String,
    how: Failure,
}

/// The address of a running task, by its place among those of its color.
pub(super) fn address(green: bool, index: usize) -> String {
    format!("10.0.{}.{}", if green { 32 } else { 16 }, 21 + index)
}

impl Stopped {
    /// The lines that it wrote before its end, with when.
    pub(super) fn lines(&self) -> impl Iterator<Item = (i64, &'static str)> {
        // ECS calls a task stopped some time after its container has ended.
        let ended = self.at.as_millisecond() - 20_000;
        self.how.says.lines().map(move |line| (ended, line))
    }
}

impl Service {
    /// Puts its tasks into these zones, one after another, those that are there and those to come.
    pub fn spread(&mut self, zones: &[&'static str]) {
        self.kind.zones = zones.to_vec();
        let tasks = self.deployments.iter_mut().flat_map(|one| &mut one.tasks);
        tasks.zip(zones.iter().cycle()).for_each(|(task, zone)| task.zone = Some(zone));
    }

    /// The tasks that answer requests.
    pub fn serving(&self) -> Vec<&Task> {
        self.deployments.iter().flat_map(|deployment| &deployment.tasks).filter(|task| task.running).collect()
    }

    fn count(&self, running: bool) -> usize {
        self.deployments.iter().flat_map(|one| &one.tasks).filter(|task| task.running == running).count()
    }

    fn moves(&self) -> bool {
        self.kind.strategy != "ROLLING"
    }

    fn balancers(&self) -> Value {
        let group = |name: &&str| {
            let advanced = json!({ "alternateTargetGroupArn": elb::arn(&format!("{name}-green")) });
            let mut balancer =
                json!({ "targetGroupArn": elb::arn(name), "containerName": self.name, "containerPort": 8080 });
            if self.moves() {
                balancer["advancedConfiguration"] = advanced;
            }
            balancer
        };
        let classic = self.kind.classic.map(|name| json!({ "loadBalancerName": name, "containerPort": 8080 }));
        self.kind.groups.iter().map(group).chain(classic).collect::<Vec<_>>().into()
    }

    fn deployments(&self) -> Vec<Value> {
        let last = self.deployments.len().saturating_sub(1);
        let deployment = |(index, one): (usize, &Deployment)| {
            let running = one.tasks.iter().filter(|task| task.running).count();
            let rollout = match one {
                one if one.given_up => "FAILED",
                one if one.completed => "COMPLETED",
                _ => "IN_PROGRESS",
            };
            let mut told = json!({ "id": one.id, "status": if index == last { "PRIMARY" } else { "ACTIVE" },
                "taskDefinition": definition(&self.name, one.revision), "desiredCount": self.desired,
                "runningCount": running, "pendingCount": one.tasks.len() - running, "failedTasks": one.failed,
                "rolloutState": rollout, "rolloutStateReason": one.reason, "createdAt": seconds(one.made) });
            if let Some((at, _)) = self.raised {
                told["updatedAt"] = json!(seconds(at));
            }
            if self.kind.classic.is_some() {
                // It is not returned behind a Classic Load Balancer (API reference, Deployment).
                told.as_object_mut().unwrap().remove("rolloutState");
            }
            told
        };
        self.deployments.iter().enumerate().rev().map(deployment).collect()
    }

    fn task_sets(&self) -> Vec<Value> {
        let last = self.deployments.len().saturating_sub(1);
        let set = |(index, one): (usize, &Deployment)| {
            let running = one.tasks.iter().filter(|task| task.running).count();
            let healthy = one.tasks.iter().filter(|task| task.running && (task.healthy || self.kind.groups.is_empty()));
            let steady = healthy.count() == self.desired as usize && one.tasks.len() == running;
            json!({ "id": one.id, "status": if index == last { "PRIMARY" } else { "ACTIVE" },
                "taskDefinition": definition(&self.name, one.revision), "computedDesiredCount": self.desired,
                "runningCount": running, "pendingCount": one.tasks.len() - running, "createdAt": seconds(one.made),
                "scale": { "value": 100.0, "unit": "PERCENT" }, "loadBalancers": self.balancers(),
                "stabilityStatus": if steady { "STEADY_STATE" } else { "STABILIZING" } })
        };
        self.deployments.iter().enumerate().rev().map(set).collect()
    }

    fn described(&self) -> Value {
        let events = self.events.iter().rev().map(|(at, text)| json!({ "createdAt": seconds(*at), "message": text }));
        let own = self.kind.controller == "ECS";
        let mut told = json!({ "serviceName": self.name, "status": "ACTIVE", "desiredCount": self.desired,
            "serviceArn": service_arn(&self.name), "runningCount": self.count(true), "pendingCount": self.count(false),
            "deploymentController": { "type": self.kind.controller }, "schedulingStrategy": self.kind.scheduling,
            "deploymentConfiguration": {
                "strategy": self.kind.strategy, "bakeTimeInMinutes": if self.moves() { self.kind.bakes } else { 0 },
                "alarms": { "alarmNames": ["errors"], "enable": self.kind.alarms, "rollback": self.kind.alarms },
                "deploymentCircuitBreaker": { "enable": self.kind.breaker, "rollback": self.kind.breaker } },
            "loadBalancers": if own { self.balancers() } else { json!([]) },
            "deployments": if own { self.deployments() } else { Vec::new() },
            "taskSets": if own { Vec::new() } else { self.task_sets() },
            "events": events.collect::<Vec<_>>(), "taskDefinition": definition(&self.name, self.revision) });
        if self.kind.controller == "EXTERNAL" {
            told.as_object_mut().unwrap().remove("taskDefinition");
        }
        told
    }

    /// Running and stopped tasks as DescribeTasks tells them, with the address that a balancer knows.
    fn tasks(&self) -> Vec<Value> {
        let live = self.deployments.iter().flat_map(|one| one.tasks.iter().map(move |task| (one, task)));
        let mut running = BTreeMap::from([(false, 0_usize), (true, 0)]);
        let live = live.map(|(one, task)| {
            let mut told = json!({ "taskArn": task_arn(&task.id), "group": format!("service:{}", self.name), "startedBy": one.id,
                "taskDefinitionArn": definition(&self.name, one.revision), "desiredStatus": "RUNNING",
                "availabilityZone": task.zone,
                "lastStatus": if task.running { "RUNNING" } else { "PENDING" }, "createdAt": seconds(one.made),
                "containers": [{ "name": self.name, "image": image(&self.name, one.revision),
                    "lastStatus": if task.running { "RUNNING" } else { "PENDING" } }] });
            if task.running {
                let index = running.entry(one.green).or_default();
                told["attachments"] = json!([{ "type": "ElasticNetworkInterface", "status": "ATTACHED",
                    "details": [{ "name": "privateIPv4Address", "value": address(one.green, *index) }] }]);
                *index += 1;
            }
            told
        });
        let stopped = self.stopped.iter().map(|task| {
            let mut told = json!({ "taskArn": task_arn(&task.id), "group": format!("service:{}", self.name),
                "taskDefinitionArn": definition(&self.name, task.revision), "desiredStatus": "STOPPED",
                "lastStatus": "STOPPED", "stoppedAt": seconds(task.at), "stopCode": task.code,
                "stoppedReason": task.reason, "containers": [] });
            if let Some(ran) = task.how.ran {
                told["startedAt"] = json!(seconds(task.at) - ran as f64);
            }
            if let Some(code) = task.how.exit {
                told["containers"] = json!([{ "name": self.name, "lastStatus": "STOPPED", "exitCode": code,
                    "reason": task.how.container }]);
            }
            told
        });
        live.chain(stopped).collect()
    }
}

impl Release {
    fn under_way(&self) -> bool {
        matches!(self.status, "PENDING" | "IN_PROGRESS")
    }

    fn arn(&self, service: &str) -> String {
        format!("arn:aws:ecs:{REGION}:{ACCOUNT}:service-deployment/{CLUSTER}/{service}/{}", self.id)
    }

    fn described(&self, service: &str) -> Value {
        let revision = |number: u32| json!({ "arn": format!("arn:aws:ecs:{REGION}:{ACCOUNT}:service-revision/{CLUSTER}/{service}/{number}") });
        let breaker = if self.breaker { "TRIGGERED" } else { "MONITORING_COMPLETE" };
        json!({ "serviceDeploymentArn": self.arn(service), "status": self.status, "statusReason": self.reason,
            "createdAt": seconds(self.made), "sourceServiceRevisions": self.from.map(revision).into_iter().collect::<Vec<_>>(),
            "targetServiceRevision": revision(self.to), "deploymentCircuitBreaker": { "status": breaker },
            "alarms": { "triggeredAlarmNames": [] } })
    }
}

fn seconds(at: Timestamp) -> f64 {
    at.as_millisecond() as f64 / 1_000.0
}

/// The ARN of a revision of a server's task definition.
pub fn definition(server: &str, revision: u32) -> String {
    format!("arn:aws:ecs:{REGION}:{ACCOUNT}:task-definition/quarterdeck-prod-{server}:{revision}")
}

/// The image that a revision runs.
fn image(server: &str, revision: u32) -> String {
    format!("{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/mcp-{server}:v{revision}")
}

fn service_arn(name: &str) -> String {
    format!("arn:aws:ecs:{REGION}:{ACCOUNT}:service/{CLUSTER}/{name}")
}

fn task_arn(id: &str) -> String {
    format!("arn:aws:ecs:{REGION}:{ACCOUNT}:task/{CLUSTER}/{id}")
}

fn last_part(name: &Value) -> &str {
    name.as_str().unwrap_or_default().rsplit('/').next().unwrap_or_default()
}

fn invalid(message: &str) -> Reply {
    Reply::error(400, "InvalidParameterException", message)
}

/// One page of a list, of at most `most` items.
fn page(items: &[String], body: &Value, key: &str, most: usize) -> Reply {
    let start = body["nextToken"].as_str().and_then(|token| token.parse().ok()).unwrap_or(0_usize);
    let size = body["maxResults"].as_u64().and_then(|size| usize::try_from(size).ok()).unwrap_or(most).min(most);
    let end = (start + size).min(items.len());
    let mut answer = json!({ key: items[start.min(end)..end] });
    if end < items.len() {
        answer["nextToken"] = json!(end.to_string());
    }
    Reply::json(200, answer)
}

impl State {
    /// Starts a service whose tasks run already.
    pub(super) fn make_service(&mut self, name: &str, desired: u32) {
        let service = Service {
            name: name.to_owned(),
            kind: Kind::default(),
            desired,
            revision: 1,
            registered: 1,
            deployments: Vec::new(),
            stopped: Vec::new(),
            events: Vec::new(),
            broken: false,
            failure: Failure::default(),
            releases: Vec::new(),
            raised: None,
        };
        self.services.insert(name.to_owned(), service);
        self.deploy_service(name);
    }

    /// A new deployment of a service.
    pub fn deploy_service(&mut self, name: &str) {
        let (number, made) = (self.id(), self.time());
        let (id, release) = (format!("ecs-svc/{number:04}"), format!("release{number:04}"));
        if let Some(service) = self.services.get_mut(name) {
            // A newer deployment takes the place of one that is under way.
            for old in service.releases.iter_mut().filter(|one| one.under_way()) {
                (old.status, old.reason) = ("STOPPED", "a newer deployment has taken its place".into());
            }
            let from = service.deployments.iter().rev().find(|one| one.completed).map(|one| one.revision);
            let (status, reason, to) = ("IN_PROGRESS", String::new(), service.revision);
            service.releases.push(Release { id: release.clone(), made, status, reason, from, to, breaker: false });
            let green = service.moves() && service.deployments.last().is_some_and(|one| !one.green);
            service.deployments.push(Deployment {
                id,
                revision: service.revision,
                made,
                completed: false,
                tasks: Vec::new(),
                failed: 0,
                given_up: false,
                reason: "ECS deployment in progress.".into(),
                green,
                baked: 0,
                broken: service.broken,
                release,
                back: false,
            });
        }
    }

    pub(super) fn tick_services(&mut self) {
        self.faults.refill();
        let names: Vec<String> = self.services.keys().cloned().collect();
        for name in names {
            self.tick_scaling(&name);
            let accepts = self.secrets.get(&secret_of(&name)).map(Secret::accepted).unwrap_or_default();
            let Some(mut service) = self.services.remove(&name) else { continue };
            if let Some(primary) = service.deployments.pop() {
                self.tick_primary(&mut service, primary, &accepts);
            }
            self.services.insert(name, service);
        }
    }

    fn tick_primary(&mut self, service: &mut Service, mut primary: Deployment, accepts: &[String]) {
        let desired = usize::try_from(service.desired).unwrap_or_default();
        let release = service.releases.iter_mut().find(|one| one.id == primary.release);
        if let Some(release) = release.filter(|one| one.status == "ROLLBACK_REQUESTED") {
            release.status = "ROLLBACK_IN_PROGRESS";
            let from = primary.id.clone();
            service.deployments.push(primary);
            return self.roll_back(service, &from, "ECS deployment was stopped by a user");
        }
        if primary.broken {
            self.crash(service, &mut primary);
        }
        for task in &mut primary.tasks {
            (task.healthy, task.running) = (task.running, true);
        }
        let there = |task: &Task| task.running && (task.healthy || service.kind.groups.is_empty());
        let full = primary.tasks.len() >= desired && primary.tasks.iter().all(there);
        primary.tasks.truncate(desired);
        let starts = service.raised.is_none_or(|(at, wait)| self.time() >= at + wait);
        while starts && primary.tasks.len() < desired {
            let id = format!("{:08x}task{:04}", self.id().wrapping_mul(0x9e37_79b9) & 0xffff_ffff, self.made);
            let zones = &service.kind.zones;
            let zone = zones.get(primary.tasks.len() % zones.len().max(1)).copied();
            primary.tasks.push(Task { id, running: false, healthy: false, accepts: accepts.to_vec(), zone });
        }
        if full && !primary.completed {
            if !service.moves() {
                // All tasks of the new deployment run, so those of the old ones are stopped.
                service.deployments.clear();
            }
            if primary.baked >= service.kind.bakes {
                service.deployments.clear();
                primary.completed = true;
                let status = if primary.back { "ROLLBACK_SUCCESSFUL" } else { "SUCCESSFUL" };
                for one in service.releases.iter_mut().filter(|one| one.id == primary.release) {
                    one.status = status;
                }
                primary.reason = format!("ECS deployment {} completed.", primary.id);
            }
            primary.baked += 1;
        } else if full {
            service.deployments.clear();
        }
        let given_up = primary.broken && primary.failed >= FAILURES && service.kind.breaker;
        let from = primary.id.clone();
        service.deployments.push(primary);
        if given_up {
            let last = service.releases.last_mut();
            if let Some(release) = last.filter(|one| one.under_way()) {
                (release.status, release.breaker) = ("ROLLBACK_IN_PROGRESS", true);
            }
            self.roll_back(service, &from, "ECS deployment circuit breaker");
        }
    }

    /// The tasks of each service, with the deployment that started them.
    pub(super) fn tasks(&self) -> Vec<(String, String, u32, String)> {
        let of = |service: &Service| {
            let name = service.name.clone();
            let tasks = service.deployments.iter().flat_map(|one| one.tasks.iter().map(move |task| (one, task)));
            tasks
                .map(move |(one, task)| (name.clone(), task.id.clone(), one.revision, one.id.clone()))
                .collect::<Vec<_>>()
        };
        self.services.values().flat_map(of).collect()
    }

    /// Shows what became of those of these tasks that are gone, in the words of ECS. They have ended as they were told to.
    pub(super) fn show_stops(&mut self, before: Vec<(String, String, u32, String)>) {
        let (now, at) = (self.tasks(), self.time());
        for (name, id, revision, deployment) in before {
            let Some(service) = self.services.get_mut(&name) else { continue };
            if now.iter().any(|(_, lives, ..)| *lives == id) || service.stopped.iter().any(|one| one.id == id) {
                continue;
            }
            let how = Failure { exit: Some(0), ran: Some(300), ..Failure::default() };
            let reason = format!("Scaling activity initiated by (deployment {deployment})");
            service.stopped.push(Stopped { id, revision, at, code: "ServiceSchedulerInitiated", reason, how });
        }
    }

    /// ECS starts no task of a service any more, since long ago, and says so.
    pub fn starts_none(&mut self, name: &str, words: &str) {
        let at = self.time();
        let service = self.services.get_mut(name).unwrap();
        service.deployments.iter_mut().for_each(|one| one.tasks.clear());
        service.raised = Some((at - SignedDuration::from_mins(40), SignedDuration::from_hours(90)));
        service.events.push((at - SignedDuration::from_mins(20), format!("(service {name}) {words}")));
    }

    /// AWS retires the host of a task. Another task was started before it is stopped, because a service must keep all of
    /// its tasks healthy by default (ECS developer guide, "Task retirement and maintenance").
    pub fn retire(&mut self, name: &str) {
        let at = self.time();
        let service = self.services.get_mut(name).unwrap();
        let (revision, how) = (service.revision, Failure { exit: Some(0), ran: Some(90_000), ..Failure::default() });
        let id = "0123456789abcdef0123456789abcdef".to_owned();
        let reason = "ECS is performing maintenance on the underlying infrastructure hosting the task.".to_owned();
        service.stopped.push(Stopped { id, revision, at, code: "TerminationNotice", reason, how });
    }

    pub(super) fn shift_services(&mut self, by: SignedDuration) {
        for service in self.services.values_mut() {
            let made = service.deployments.iter_mut().map(|one| &mut one.made);
            let made = made.chain(service.releases.iter_mut().map(|one| &mut one.made));
            let stopped = service.stopped.iter_mut().map(|one| &mut one.at);
            let events = service.events.iter_mut().map(|(at, _)| at);
            let raised = service.raised.iter_mut().map(|(at, _)| at);
            made.chain(stopped).chain(events).chain(raised).for_each(|at| *at += by);
        }
    }

    /// The tasks of a deployment that does not work stop as soon as they run.
    fn crash(&mut self, service: &mut Service, primary: &mut Deployment) {
        for task in std::mem::take(&mut primary.tasks) {
            primary.failed += 1;
            let (revision, at) = (primary.revision, self.time());
            let how = service.failure;
            service.stopped.push(Stopped { id: task.id, revision, at, code: how.code, reason: how.reason.into(), how });
        }
    }

    /// ECS gives a deployment up and goes back to the last one that was completed.
    fn roll_back(&mut self, service: &mut Service, failed: &str, why: &str) {
        let (at, id) = (self.time(), format!("ecs-svc/{:04}", self.id()));
        let Some(before) = service.deployments.iter().rev().find(|one| one.completed).cloned() else { return };
        for one in service.deployments.iter_mut().filter(|one| one.id == failed) {
            (one.given_up, one.broken) = (true, false);
            one.reason = format!("{why}: tasks failed to start.");
            one.tasks.clear();
        }
        let name = &service.name;
        service
            .events
            .push((at, format!("(service {name}) (deployment {failed}) deployment failed: tasks failed to start.")));
        let release = service.deployments.iter().find(|one| one.id == failed).map(|one| one.release.clone());
        let release = release.unwrap_or_default();
        for one in service.releases.iter_mut().filter(|one| one.id == release) {
            one.reason = why.to_owned();
        }
        let reason = format!("{why}: rolling back to deploymentId {}.", before.id);
        service.revision = before.revision;
        service.deployments.push(Deployment {
            id,
            made: at,
            completed: false,
            tasks: Vec::new(),
            reason,
            baked: 0,
            broken: false,
            green: !before.green && service.moves(),
            release,
            back: true,
            ..before
        });
    }

    /// What reads show: the state some ticks ago.
    fn seen(&self) -> &BTreeMap<String, Service> {
        self.shown.front().filter(|_| self.setup.lag > 0).unwrap_or(&self.services)
    }

    pub(super) fn ecs_call(&mut self, call: &str, body: &Value, operator: &str) -> Option<Reply> {
        let there = self.stacks.iter().any(|stack| stack.name == "quarterdeck-prod-platform" && stack.exists());
        if ECS.iter().any(|(calls, ..)| calls.contains(&call)) && !self.faults.admit(call) {
            return Some(Reply::error(400, "ThrottlingException", "Rate exceeded"));
        }
        Some(match call {
            "DescribeClusters" if !there => {
                Reply::json(200, json!({ "clusters": [], "failures": [{ "reason": "MISSING" }] }))
            }
            "DescribeClusters" => self.described_cluster(),
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
            "ListServices" => {
                let arns: Vec<String> = self.seen().keys().map(|name| service_arn(name)).collect();
                page(&arns, body, "serviceArns", 100)
            }
            "DescribeServices" => self.describe_services(body),
            "ListTasks" => {
                let status = body["desiredStatus"].as_str().unwrap_or("RUNNING");
                let tasks = self.seen().values().flat_map(Service::tasks);
                let arns = tasks.filter(|task| task["desiredStatus"] == status).map(|task| task["taskArn"].clone());
                let arns: Vec<String> = arns.filter_map(|arn| arn.as_str().map(str::to_owned)).collect();
                page(&arns, body, "taskArns", 100)
            }
            "DescribeTasks" => self.describe_tasks(body),
            "DescribeTaskDefinition" => self.describe_definition(body),
            "ListTaskDefinitions" => self.list_definitions(body),
            "UpdateService" => self.update_service(body, operator),
            "StopTask" => self.stop_task(body, operator),
            "ListServiceDeployments" => {
                let name = last_part(&body["service"]);
                let Some(service) = self.services.get(name) else {
                    return Some(Reply::error(400, "ServiceNotFoundException", "Service not found."));
                };
                let arns = service.releases.iter().rev().map(|one| json!({ "serviceDeploymentArn": one.arn(name) }));
                Reply::json(200, json!({ "serviceDeployments": arns.take(20).collect::<Vec<_>>() }))
            }
            "DescribeServiceDeployments" => self.describe_releases(body),
            "StopServiceDeployment" => self.stop_release(body, operator),
            _ => return None,
        })
    }

    fn described_cluster(&self) -> Reply {
        let arn = format!("arn:aws:ecs:{REGION}:{ACCOUNT}:cluster/{CLUSTER}");
        let tags: Vec<Value> = self.tags.iter().map(|(key, value)| json!({ "key": key, "value": value })).collect();
        let cluster = json!({ "clusterArn": arn, "clusterName": CLUSTER, "status": "ACTIVE", "tags": tags });
        Reply::json(200, json!({ "clusters": [cluster] }))
    }

    fn describe_services(&self, body: &Value) -> Reply {
        let wanted = body["services"].as_array().cloned().unwrap_or_default();
        if wanted.is_empty() || wanted.len() > 10 {
            return invalid("services can have between 1 and 10 items.");
        }
        if let Some(name) =
            wanted.iter().map(last_part).find(|name| self.faults.denied_services.iter().any(|denied| denied == name))
        {
            let why = format!("not authorized to perform: ecs:DescribeServices on resource: {}", service_arn(name));
            return Reply::error(400, "AccessDeniedException", &why);
        }
        let (mut services, mut failures) = (Vec::new(), Vec::new());
        for name in wanted.iter().map(last_part) {
            match (self.seen().get(name), self.faults.failed_services.get(name)) {
                (Some(service), None) => services.push(service.described()),
                (_, why) => {
                    failures.push(json!({ "arn": service_arn(name), "reason": why.map_or("MISSING", String::as_str) }));
                }
            }
        }
        Reply::json(200, json!({ "services": services, "failures": failures }))
    }

    fn describe_tasks(&self, body: &Value) -> Reply {
        let wanted = body["tasks"].as_array().cloned().unwrap_or_default();
        if wanted.is_empty() || wanted.len() > 100 {
            return invalid("tasks can have between 1 and 100 items.");
        }
        let all: Vec<Value> = self.seen().values().flat_map(Service::tasks).collect();
        let known = |arn: &&Value| all.iter().find(|task| last_part(&task["taskArn"]) == last_part(arn));
        let tasks: Vec<&Value> = wanted.iter().filter_map(|arn| known(&arn)).collect();
        let failures = wanted.iter().filter(|arn| known(arn).is_none());
        let failures: Vec<Value> = failures.map(|arn| json!({ "arn": arn, "reason": "MISSING" })).collect();
        Reply::json(200, json!({ "tasks": tasks, "failures": failures }))
    }

    /// The server and the revision of a task definition's ARN or `family:revision`.
    fn named(&self, arn: &Value) -> Option<(String, u32)> {
        let (family, revision) = last_part(arn).split_once(':')?;
        Some((family.strip_prefix("quarterdeck-prod-")?.to_owned(), revision.parse().ok()?))
    }

    fn registered(&self, server: &str) -> u32 {
        self.services.get(server).map_or(0, |service| service.registered.max(service.revision))
    }

    fn describe_definition(&self, body: &Value) -> Reply {
        let found = self.named(&body["taskDefinition"]);
        // The revisions of a server that is gone stay.
        let known = |(server, revision): &(String, u32)| {
            !self.services.contains_key(server) || (1..=self.registered(server)).contains(revision)
        };
        let Some((server, revision)) = found.filter(known) else {
            return Reply::error(400, "ClientException", "Unable to describe task definition.");
        };
        let from = format!(
            "arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{}-AbCdEf:allowed_client_ids::",
            secret_of(&server)
        );
        let secrets = json!([{ "name": "GANGWAY_ALLOWED_CLIENTS", "valueFrom": from }]);
        let mut containers = json!([{ "name": server, "image": image(&server, revision), "secrets": secrets }]);
        if self.lines.contains_key(&server) {
            let options = json!({ "awslogs-group": super::logs::group(&server), "awslogs-region": REGION,
                "awslogs-stream-prefix": server });
            containers[0]["logConfiguration"] = json!({ "logDriver": "awslogs", "options": options });
        }
        let status = if self.faults.inactive.contains(&revision) { "INACTIVE" } else { "ACTIVE" };
        Reply::json(
            200,
            json!({ "taskDefinition": { "taskDefinitionArn": definition(&server, revision), "status": status,
                "family": format!("quarterdeck-prod-{server}"), "revision": revision, "containerDefinitions": containers } }),
        )
    }

    fn list_definitions(&self, body: &Value) -> Reply {
        let family = body["familyPrefix"].as_str().unwrap_or_default();
        let server = family.strip_prefix("quarterdeck-prod-").unwrap_or_default();
        let mut revisions: Vec<u32> =
            (1..=self.registered(server)).filter(|one| !self.faults.inactive.contains(one)).collect();
        if body["sort"] == "DESC" {
            revisions.reverse();
        }
        let arns: Vec<String> = revisions.into_iter().map(|revision| definition(server, revision)).collect();
        page(&arns, body, "taskDefinitionArns", 100)
    }

    fn update_service(&mut self, body: &Value, operator: &str) -> Reply {
        let name = last_part(&body["service"]).to_owned();
        let Some(service) = self.services.get(&name) else {
            return Reply::error(400, "ServiceNotFoundException", "Service not found.");
        };
        let (controller, daemon) = (service.kind.controller, service.kind.scheduling == "DAEMON");
        let force = body["forceNewDeployment"] == true;
        if daemon && body["desiredCount"].is_u64() {
            return invalid(
                "The daemon scheduling strategy does not support a desired count for services. Remove the desired count value and try again",
            );
        }
        if controller != "ECS" && (force || body["taskDefinition"].is_string()) {
            let what = if force { "Cannot force a new deployment" } else { "Unable to update task definition" };
            return invalid(&format!("{what} on services with a {controller} deployment controller."));
        }
        let definition = self.named(&body["taskDefinition"]);
        if let Some((server, revision)) = &definition
            && (*server != name || *revision > self.registered(&name) || self.faults.inactive.contains(revision))
        {
            return Reply::error(400, "ClientException", "TaskDefinition is inactive");
        }
        if let (Some(count), Some(service)) = (body["desiredCount"].as_u64(), self.services.get_mut(&name)) {
            service.desired = u32::try_from(count).unwrap_or_default();
            self.wrote(operator, format!("scale {name} to {count}"));
        }
        if let Some((_, revision)) = definition {
            if let Some(service) = self.services.get_mut(&name) {
                service.registered = service.registered.max(service.revision);
                service.revision = revision;
            }
            self.deploy_service(&name);
            self.wrote(operator, format!("use revision {revision} of {name}"));
        } else if force {
            self.deploy_service(&name);
            self.wrote(operator, format!("restart {name}"));
        }
        Reply::json(200, json!({ "service": self.services[&name].described() }))
    }

    fn describe_releases(&self, body: &Value) -> Reply {
        let wanted = body["serviceDeploymentArns"].as_array().cloned().unwrap_or_default();
        let all = self.services.values().flat_map(|service| service.releases.iter().map(move |one| (service, one)));
        let found = all.filter(|(service, one)| wanted.iter().any(|arn| *arn == json!(one.arn(&service.name))));
        let told: Vec<Value> = found.map(|(service, one)| one.described(&service.name)).collect();
        Reply::json(200, json!({ "serviceDeployments": told, "failures": [] }))
    }

    /// Which states can be stopped: ECS developer guide, "Stopping Amazon ECS service deployments".
    fn stop_release(&mut self, body: &Value, operator: &str) -> Reply {
        let arn = body["serviceDeploymentArn"].as_str().unwrap_or_default();
        let mut all = self.services.values_mut().flat_map(|service| {
            let name = service.name.clone();
            service.releases.iter_mut().map(move |one| (name.clone(), one))
        });
        let Some((name, release)) = all.find(|(name, one)| one.arn(name) == arn) else {
            return Reply::error(400, "ServiceDeploymentNotFoundException", "Service deployment not found.");
        };
        if body["stopType"] != "ROLLBACK" {
            return invalid("stopType must be ROLLBACK.");
        }
        match release.status {
            "PENDING" | "IN_PROGRESS" => {
                release.status = "ROLLBACK_REQUESTED";
                self.wrote(operator, format!("stop the deployment of {name}"));
            }
            "STOP_REQUESTED" | "ROLLBACK_REQUESTED" | "ROLLBACK_IN_PROGRESS" => {
                self.wrote(operator, format!("stop the deployment of {name} again"));
            }
            other => return Reply::error(400, "ConflictException", &format!("the deployment is {other}")),
        }
        Reply::json(200, json!({ "serviceDeploymentArn": arn }))
    }

    fn stop_task(&mut self, body: &Value, operator: &str) -> Reply {
        let id = last_part(&body["task"]).to_owned();
        let reason = body["reason"].as_str().unwrap_or_default().to_owned();
        let at = self.time();
        let mut stopped = None;
        for service in self.services.values_mut() {
            for deployment in &mut service.deployments {
                if let Some(index) = deployment.tasks.iter().position(|task| task.id == id) {
                    let task = deployment.tasks.remove(index);
                    let (revision, reason) = (deployment.revision, reason.clone());
                    let how = Failure::default();
                    service.stopped.push(Stopped { id: task.id, revision, at, code: "UserInitiated", reason, how });
                    stopped = Some(service.name.clone());
                }
            }
        }
        let Some(name) = stopped else {
            return invalid("The referenced task was not found.");
        };
        self.wrote(operator, format!("stop a task of {name}"));
        Reply::json(200, json!({ "task": { "taskArn": task_arn(&id), "desiredStatus": "STOPPED" } }))
    }
}

/// Calls that share a bucket, its size and what is added to it each second (API reference, "Request throttling").
const ECS: &[(&[&str], f64, f64)] = &[
    (&["DescribeClusters"], 50.0, 20.0),
    (&["TagResource", "UntagResource"], 20.0, 10.0),
    (&["ListServices", "DescribeServices"], 100.0, 20.0),
    (&["UpdateService"], 50.0, 5.0),
    (&["ListTasks", "DescribeTasks"], 100.0, 20.0),
    (&["StopTask"], 40.0, 40.0),
    (&["ListServiceDeployments", "DescribeServiceDeployments", "StopServiceDeployment"], 20.0, 5.0),
    (&["DescribeTaskDefinition", "ListTaskDefinitions"], 50.0, 20.0),
];
/// Seconds between two ticks.
const TICK: f64 = 2.0;

/// What goes wrong at ECS and at its load balancers, on purpose.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    /// Services that DescribeServices names among its failures, with the reason.
    pub failed_services: BTreeMap<String, String>,
    /// Services that the caller may not describe, which refuses a call that names one of them.
    pub denied_services: Vec<String>,
    /// Target groups whose targets are unhealthy.
    pub sick_groups: Vec<String>,
    /// What the load balancer says of them, where it says something: a reason and its words.
    pub sick_why: BTreeMap<String, (&'static str, &'static str)>,
    /// Target groups in which ECS registers no task.
    pub unregistered: Vec<String>,
    /// Target groups that are not read.
    pub denied_groups: Vec<String>,
    /// Servers that close connections before their answer has gone out.
    pub broken_off: Vec<String>,
    /// Servers whose log group the caller may not read.
    pub denied_logs: Vec<String>,
    /// Revisions that were deregistered.
    pub inactive: Vec<u32>,
    /// What is taken from the buckets; nothing is counted where it is `None`.
    pub spent: Option<BTreeMap<usize, f64>>,
    /// Calls that were throttled.
    pub throttled: u32,
}

impl Faults {
    /// Takes a token of the call's bucket, if one is left.
    fn admit(&mut self, call: &str) -> bool {
        let bucket = ECS.iter().position(|(calls, ..)| calls.contains(&call));
        let (Some(spent), Some(index)) = (self.spent.as_mut(), bucket) else { return true };
        let taken = spent.entry(index).or_default();
        let admitted = *taken + 1.0 <= ECS[index].1;
        if admitted {
            *taken += 1.0;
        } else {
            self.throttled += 1;
            // The caller waits, and so some tokens come back.
            *taken -= ECS[index].2 / 10.0;
        }
        admitted
    }

    fn refill(&mut self) {
        for (index, taken) in self.spent.iter_mut().flatten() {
            *taken = (*taken - ECS[*index].2 * TICK).max(0.0);
        }
    }

    /// From here on calls are counted, and all buckets are empty.
    pub fn throttle(&mut self) {
        self.spent = Some(ECS.iter().enumerate().map(|(index, bucket)| (index, bucket.1)).collect());
    }
}
