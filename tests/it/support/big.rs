//! An account with as many services as wanted: it counts calls by kind, knows how many are under way, takes its time,
//! and throttles by token buckets as AWS does.
#![allow(dead_code, clippy::unwrap_used, reason = "shared with a bench")]

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

use super::scripted::{Reply, Request, read};

pub const CLUSTER: &str = "quarterdeck-prod";
const PLACE: &str = "eu-central-1:123456789012";

/// What kind of account it is.
#[derive(Debug, Clone)]
pub struct Setup {
    pub services: usize,
    /// Tasks of each service, at most 15.
    pub tasks: usize,
    /// How long each answer takes.
    pub latency: Duration,
    /// Whether it throttles as AWS does.
    pub throttles: bool,
    /// Refuses each so manieth call beyond that; 0 is none.
    pub refuses: u64,
    /// Calls that are never answered.
    pub hangs: &'static [&'static str],
}

impl Setup {
    pub fn of(services: usize) -> Self {
        Self { services, tasks: 4, latency: Duration::ZERO, throttles: false, refuses: 0, hangs: &[] }
    }
}

/// Burst and rate a second, by what AWS counts together ("Request throttling for the Amazon ECS API", "Request
/// throttling for the Elastic Load Balancing API").
const BUCKETS: &[(&[&str], f64, f64)] = &[
    (&["ListServices", "DescribeServices"], 100.0, 20.0),
    (&["ListTasks", "DescribeTasks"], 100.0, 20.0),
    (&["ListTaskDefinitions", "DescribeTaskDefinition"], 50.0, 20.0),
    (&["DescribeClusters"], 50.0, 20.0),
    (&["DescribeTargetHealth", "DescribeTargetGroups", "DescribeLoadBalancers"], 40.0, 10.0),
];

/// How often a call came.
#[derive(Debug, Clone, Default)]
pub struct Came {
    pub all: u64,
    /// In the second with the most.
    pub busiest: usize,
    /// Those of the last second.
    lately: VecDeque<Instant>,
}

impl Came {
    fn once_more(&mut self) {
        self.all += 1;
        self.lately.push_back(Instant::now());
        self.lately.retain(|at| at.elapsed() < Duration::from_secs(1));
        self.busiest = self.busiest.max(self.lately.len());
    }
}

#[derive(Default)]
struct State {
    counts: BTreeMap<String, Came>,
    refused: u64,
    under_way: usize,
    peak: usize,
    /// Tokens of each bucket, and when they were counted.
    buckets: Vec<(f64, Instant)>,
    moving: BTreeSet<usize>,
    /// The services whose targets were told, in order.
    targets: Vec<usize>,
    /// A call that is always refused.
    refused_call: Option<&'static str>,
    total: u64,
}

/// The account; clones share it. It ends with the runtime.
#[derive(Clone)]
pub struct Account {
    pub url: String,
    setup: Setup,
    state: Arc<Mutex<State>>,
}

impl Account {
    pub async fn start(setup: Setup) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let buckets = BUCKETS.iter().map(|(_, burst, _)| (*burst, Instant::now())).collect();
        let state = Arc::new(Mutex::new(State { buckets, ..State::default() }));
        let account = Self { url, setup, state };
        let serving = account.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serving.clone().serve(stream));
            }
        });
        account
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// How many services it has.
    pub fn services(&self) -> usize {
        self.setup.services
    }

    /// How often each call came.
    pub fn counts(&self) -> BTreeMap<String, u64> {
        self.came().into_iter().map(|(call, came)| (call, came.all)).collect()
    }

    /// The same with the busiest second of each.
    pub fn came(&self) -> BTreeMap<String, Came> {
        self.state().counts.clone()
    }

    pub fn calls(&self) -> u64 {
        self.state().total
    }

    /// The services whose targets were told, in order.
    pub fn targets_told(&self) -> Vec<usize> {
        self.state().targets.clone()
    }

    /// Calls that were refused because they came too fast.
    pub fn refused(&self) -> u64 {
        self.state().refused
    }

    /// Most calls that were under way at once.
    pub fn peak(&self) -> usize {
        self.state().peak
    }

    /// Counts from now on.
    pub fn reset(&self) {
        let mut state = self.state();
        state.counts.clear();
        (state.refused, state.peak, state.total) = (0, 0, 0);
    }

    /// Refuses this call from now on, as one that comes too fast.
    pub fn refuse(&self, call: &'static str) {
        self.state().refused_call = Some(call);
    }

    /// A service begins or ends to change.
    pub fn moves(&self, service: usize, moving: bool) {
        let mut state = self.state();
        if moving {
            state.moving.insert(service)
        } else {
            state.moving.remove(&service)
        };
    }

    async fn serve(self, mut stream: TcpStream) {
        while let Some(request) = read(&mut stream).await {
            if self.setup.hangs.contains(&request.call.as_str()) {
                std::future::pending::<()>().await;
            }
            let allowed = self.arrives(&request.call);
            tokio::time::sleep(self.setup.latency).await;
            let reply = if allowed { self.answer(&request) } else { throttled(&request) };
            self.state().under_way -= 1;
            match reply.bytes() {
                Some(bytes) if stream.write_all(&bytes).await.is_ok() => {}
                _ => return,
            }
        }
    }

    /// Counts a call; whether its bucket has a token for it.
    fn arrives(&self, call: &str) -> bool {
        let mut state = self.state();
        state.total += 1;
        state.counts.entry(call.to_owned()).or_default().once_more();
        state.under_way += 1;
        state.peak = state.peak.max(state.under_way);
        let unlucky = self.setup.refuses > 0 && state.total.is_multiple_of(self.setup.refuses);
        let bucket = BUCKETS.iter().position(|(calls, ..)| calls.contains(&call));
        let empty = match bucket {
            Some(at) if self.setup.throttles => {
                let (_, burst, rate) = BUCKETS[at];
                let (tokens, counted) = &mut state.buckets[at];
                *tokens = (*tokens + counted.elapsed().as_secs_f64() * rate).min(burst);
                *counted = Instant::now();
                let empty = *tokens < 1.0;
                if !empty {
                    *tokens -= 1.0;
                }
                empty
            }
            _ => false,
        };
        let refused = empty || unlucky || state.refused_call == Some(call);
        state.refused += u64::from(refused);
        !refused
    }

    fn answer(&self, request: &Request) -> Reply {
        let body: Value = serde_json::from_str(&request.body).unwrap_or_default();
        let all = 0..self.setup.services;
        let reply = match request.call.as_str() {
            "ListServices" => page(&body, "serviceArns", all.map(|at| json!(arn("service", &name(at)))).collect()),
            "DescribeServices" => {
                let found: Vec<Value> =
                    strings(&body["services"]).filter_map(|one| Some(self.service(self.index(one)?))).collect();
                json!({ "services": found, "failures": [] })
            }
            "ListTasks" if body["desiredStatus"] == "STOPPED" => json!({ "taskArns": [] }),
            "ListTasks" => {
                let of = body["serviceName"].as_str().and_then(|name| self.index(name));
                let services = of.map_or(all, |at| at..at + 1);
                let tasks = services.flat_map(|at| (0..self.setup.tasks).map(move |one| json!(task_arn(at, one))));
                page(&body, "taskArns", tasks.collect())
            }
            "DescribeTasks" => {
                json!({ "tasks": strings(&body["tasks"]).map(|one| self.task(one)).collect::<Vec<_>>(), "failures": [] })
            }
            "DescribeTaskDefinition" => definition(body["taskDefinition"].as_str().unwrap_or_default()),
            "ListTaskDefinitions" => {
                let family = body["familyPrefix"].as_str().unwrap_or_default().to_owned();
                json!({ "taskDefinitionArns": [definition_arn(&family, 2), definition_arn(&family, 1)] })
            }
            "DescribeClusters" => json!({ "clusters": [{ "clusterName": CLUSTER, "status": "ACTIVE", "tags": [] }] }),
            "DescribeScalableTargets" => self.bounds(&body),
            "DescribeTargetHealth" => return self.targets(&request.body),
            "DescribeTargetGroups" => return groups(&request.body),
            "GetCallerIdentity" => {
                return Reply::Answer(
                    200,
                    "<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:iam::123456789012:user/alice</Arn>\
                     <UserId>A</UserId><Account>123456789012</Account></GetCallerIdentityResult>\
                     </GetCallerIdentityResponse>"
                        .into(),
                );
            }
            // All of the account, of which some are the environment's.
            "DescribeStacks" if !request.body.contains("StackName=") => return self.stacks(&request.body),
            "DescribeStacks" => {
                return Reply::Answer(
                    400,
                    "<ErrorResponse><Error><Code>ValidationError</Code><Message>Stack with id x does not exist\
                     </Message></Error></ErrorResponse>"
                        .into(),
                );
            }
            "DescribeAlarms" => return Reply::Cbor(200, json!({ "MetricAlarms": [] })),
            "GetMetricData" => return Reply::Cbor(200, json!({ "MetricDataResults": [] })),
            "FilterLogEvents" => json!({ "events": [], "searchedLogStreams": [] }),
            _ => return Reply::error(400, "UnknownOperationException", "not in this account"),
        };
        Reply::json(200, reply)
    }

    /// The number of a service, by its name or ARN.
    fn index(&self, of: &str) -> Option<usize> {
        let at: usize = of.rsplit('/').next()?.strip_prefix("svc-")?.parse().ok()?;
        (at < self.setup.services).then_some(at)
    }

    fn service(&self, at: usize) -> Value {
        let moving = self.state().moving.contains(&at);
        let running = self.setup.tasks - usize::from(moving);
        let definition = definition_arn(&name(at), 2);
        let deployment = json!({ "id": format!("ecs-svc/{at}"), "status": "PRIMARY", "taskDefinition": definition,
            "desiredCount": self.setup.tasks, "runningCount": running, "pendingCount": usize::from(moving),
            "failedTasks": 0, "rolloutState": if moving { "IN_PROGRESS" } else { "COMPLETED" }, "createdAt": 1.8e9 });
        let event = json!({ "id": "e", "createdAt": 1.8e9,
            "message": format!("(service {}) has reached a steady state.", name(at)) });
        let breaker = json!({ "enable": true, "rollback": true });
        json!({ "serviceName": name(at), "serviceArn": arn("service", &name(at)), "status": "ACTIVE",
            "desiredCount": self.setup.tasks, "runningCount": running, "pendingCount": usize::from(moving),
            "taskDefinition": definition, "deployments": [deployment], "events": vec![event; 20],
            "loadBalancers": [{ "targetGroupArn": group_arn(at), "containerName": "app", "containerPort": 8080 }],
            "deploymentConfiguration": { "deploymentCircuitBreaker": breaker } })
    }

    fn task(&self, of: &str) -> Value {
        let number = u64::from_str_radix(of.rsplit('/').next().unwrap_or_default(), 16).unwrap_or_default();
        let at = usize::try_from(number / 16).unwrap_or_default();
        json!({ "taskArn": task_arn(at, usize::try_from(number % 16).unwrap_or_default()),
            "group": format!("service:{}", name(at)), "lastStatus": "RUNNING", "desiredStatus": "RUNNING",
            "taskDefinitionArn": definition_arn(&name(at), 2), "createdAt": 1.8e9, "startedAt": 1.8e9,
            "healthStatus": "HEALTHY", "containers": [{ "name": "app", "image": "app:1", "lastStatus": "RUNNING" }] })
    }

    fn bounds(&self, body: &Value) -> Value {
        let target = |at: usize| {
            json!({ "ServiceNamespace": "ecs", "ResourceId": format!("service/{CLUSTER}/{}", name(at)),
                "ScalableDimension": "ecs:service:DesiredCount", "MinCapacity": 1, "MaxCapacity": 8, "CreationTime": 1.0 })
        };
        let of: Vec<usize> = strings(&body["ResourceIds"]).filter_map(|id| self.index(id)).collect();
        if !of.is_empty() {
            return json!({ "ScalableTargets": of.into_iter().map(target).collect::<Vec<_>>() });
        }
        let from: usize = body["NextToken"].as_str().and_then(|token| token.parse().ok()).unwrap_or(0);
        let until = (from + 50).min(self.setup.services);
        let next = (until < self.setup.services).then(|| until.to_string());
        json!({ "ScalableTargets": (from..until).map(target).collect::<Vec<_>>(), "NextToken": next })
    }

    /// A page of the stacks, one for each service.
    fn stacks(&self, body: &str) -> Reply {
        let from: usize =
            body.split("NextToken=").nth(1).and_then(|rest| rest.split('&').next()?.parse().ok()).unwrap_or(0);
        let until = (from + 100).min(self.setup.services);
        let one = |at: usize| {
            let of = format!("{CLUSTER}-{}", name(at));
            format!(
                "<member><StackName>{of}</StackName><StackId>arn:aws:cloudformation:{PLACE}:stack/{of}/{at}</StackId>\
                 <CreationTime>2026-11-25T10:00:00Z</CreationTime><StackStatus>CREATE_COMPLETE</StackStatus><Parameters>\
                 <member><ParameterKey>Environment</ParameterKey><ParameterValue>prod</ParameterValue></member>\
                 </Parameters></member>"
            )
        };
        let all: String = (from..until).map(one).collect();
        let next = if until < self.setup.services { format!("<NextToken>{until}</NextToken>") } else { String::new() };
        let body = format!(
            "<DescribeStacksResponse><DescribeStacksResult><Stacks>{all}</Stacks>{next}</DescribeStacksResult>\
             </DescribeStacksResponse>"
        );
        Reply::Answer(200, body)
    }

    fn targets(&self, body: &str) -> Reply {
        let at = body.split("svc-").nth(1).and_then(|rest| rest.get(..3)?.parse().ok()).unwrap_or(0);
        self.state().targets.push(at);
        let one = |task: usize| {
            format!(
                "<member><Target><Id>i-{at:03}{task}</Id></Target><TargetHealth><State>healthy</State></TargetHealth></member>"
            )
        };
        let all: String = (0..self.setup.tasks).map(one).collect();
        Reply::Answer(
            200,
            format!(
                "<DescribeTargetHealthResponse><DescribeTargetHealthResult><TargetHealthDescriptions>{all}\
                 </TargetHealthDescriptions></DescribeTargetHealthResult></DescribeTargetHealthResponse>"
            ),
        )
    }
}

/// The name of a service.
pub fn name(at: usize) -> String {
    format!("svc-{at:03}")
}

/// The id of a task of a service.
pub fn task_id(service: usize, task: usize) -> String {
    format!("{:032x}", service * 16 + task)
}

fn arn(kind: &str, name: &str) -> String {
    format!("arn:aws:ecs:{PLACE}:{kind}/{CLUSTER}/{name}")
}

fn task_arn(service: usize, task: usize) -> String {
    arn("task", &task_id(service, task))
}

fn definition_arn(family: &str, revision: usize) -> String {
    format!("arn:aws:ecs:{PLACE}:task-definition/{family}:{revision}")
}

fn group_arn(at: usize) -> String {
    format!("arn:aws:elasticloadbalancing:{PLACE}:targetgroup/{}/0", name(at))
}

fn definition(of: &str) -> Value {
    let (family, revision) = of.rsplit('/').next().unwrap_or_default().split_once(':').unwrap_or(("svc-000", "2"));
    let options = json!({ "awslogs-group": format!("/quarterdeck/prod/{family}"), "awslogs-region": "eu-central-1",
        "awslogs-stream-prefix": "app" });
    json!({ "taskDefinition": { "taskDefinitionArn": definition_arn(family, revision.parse().unwrap_or(2)),
        "family": family, "revision": revision.parse::<u32>().unwrap_or(2), "status": "ACTIVE",
        "containerDefinitions": [{ "name": "app", "image": "app:1",
            "logConfiguration": { "logDriver": "awslogs", "options": options } }] } })
}

/// A page of a list, of a hundred at most.
fn page(body: &Value, key: &str, all: Vec<Value>) -> Value {
    let from: usize = body["nextToken"].as_str().and_then(|token| token.parse().ok()).unwrap_or(0);
    let until = (from + 100).min(all.len());
    let next = (until < all.len()).then(|| until.to_string());
    json!({ key: all[from..until], "nextToken": next })
}

fn strings(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str)
}

fn throttled(request: &Request) -> Reply {
    if request.body.contains("Action=") {
        let body =
            "<ErrorResponse><Error><Code>Throttling</Code><Message>Rate exceeded</Message></Error></ErrorResponse>";
        return Reply::Answer(400, body.into());
    }
    Reply::error(400, "ThrottlingException", "Rate exceeded")
}

/// Target groups with their health checks.
fn groups(body: &str) -> Reply {
    let arns = body.split('&').filter_map(|pair| pair.strip_prefix("TargetGroupArns.member.")?.split_once('='));
    let one = |(_, arn): (&str, &str)| {
        let arn = arn.replace("%3A", ":").replace("%2F", "/");
        format!("<member><TargetGroupArn>{arn}</TargetGroupArn><HealthCheckPath>/healthz</HealthCheckPath></member>")
    };
    let all: String = arns.map(one).collect();
    Reply::query("DescribeTargetGroups", &format!("<TargetGroups>{all}</TargetGroups>"))
}
