//! A small fleet and its user pool.

use quarterdeck::core::client::{Client, ClientList, ClientSecret, Details, SecretEntry};
use quarterdeck::core::destination::{Cluster, Profile, SignIn};
use quarterdeck::core::error::{CloudError, ErrorKind};
use quarterdeck::core::fleet::{
    Against, Balancer, Bounds, Compared, Comparison, Container, Deployment, DeploymentStatus, Fleet, Health, Rollout,
    Server, ServiceEvent, ServiceStatus, Setting, Settings, Shape, StopCode, Target, TargetGroup, TargetState, Task,
    TaskDefinition, TaskStatus, Value, What,
};
use quarterdeck::core::identity::{Context, Identity};
use quarterdeck::core::logs::{ContainerLog, Destination, Streams};
use quarterdeck::core::quarantine::Quarantine;
use quarterdeck::core::timeline::History;
use quarterdeck::core::unread::Read;
use quarterdeck::core::user::{Lifetimes, User, UserList};

use super::{World, at, stacks};

/// The caller.
pub fn identity() -> Identity {
    Identity { account: "123456789012".into(), arn: "arn:aws:sts::123456789012:assumed-role/operator/anna".into() }
}

/// A production environment.
pub fn context() -> Context {
    Context {
        region: "eu-west-1".into(),
        environment: "prod".into(),
        cluster: "quarterdeck-prod".into(),
        ..Context::default()
    }
}

/// Two healthy servers.
pub fn world() -> World {
    World {
        said: Vec::new(),
        fleet: Fleet { servers: vec![server("time", 2), server("weather", 3)], ..Fleet::default() },
        stacks: stacks::settled(),
        detail: stacks::settled_detail(),
        clients: clients(),
        users: users(),
        quarantine: Quarantine::default(),
        history: History::default(),
        issues: Some(Vec::new()),
        shifts: None,
        announced: None,
        clusters: clusters(),
        profiles: profiles(),
        measured: None,
        lately: None,
        down: None,
    }
}

/// The clusters of the account: two of ours, and one of others.
pub fn clusters() -> Vec<Cluster> {
    let cluster = |name: &str, services, tasks| Cluster { name: name.into(), services, tasks };
    vec![
        cluster("quarterdeck-prod", Some(2), Some(5)),
        cluster("quarterdeck-staging", Some(1), Some(1)),
        cluster("theirs", None, None),
    ]
}

/// The profiles of the operator.
pub fn profiles() -> Vec<Profile> {
    let profile = |name: &str, region: Option<&str>, sign_in| Profile {
        name: name.into(),
        region: region.map(str::to_owned),
        sign_in,
    };
    vec![
        profile("corp", Some("eu-west-1"), Some(SignIn::Sso)),
        profile("default", None, None),
        profile("lab", Some("us-east-1"), Some(SignIn::Console)),
    ]
}

/// No server, no stack, no client.
pub fn empty() -> World {
    let clients = ClientList { pool: "eu-west-1_AbCdEfGhI".into(), ..ClientList::default() };
    World { clients, ..World::default() }
}

/// A fleet in which a task was killed, one server is being deployed and one is down.
pub fn trouble() -> World {
    let mut weather = server("weather", 3);
    let mut killed = task("weather", 9);
    killed.last_status = TaskStatus::Stopped;
    killed.stopped_at = Some(at(-42));
    killed.stop_code = Some(StopCode::EssentialContainerExited);
    killed.stopped_reason = Some("Essential container in task exited".into());
    killed.containers[0].last_status = TaskStatus::Stopped;
    killed.containers[0].exit_code = Some(137);
    killed.containers[0].reason = Some("OutOfMemoryError: container killed due to memory usage".into());
    let tasks = tasks(&mut weather);
    tasks.retain(|task| !task.arn.ends_with("02"));
    tasks.push(killed);
    weather.running = 2;
    weather.events = vec![event(-40, "(service weather) has started 1 tasks: (task 7c1d).")];
    let mut docs = server("docs", 0);
    docs.desired = 2;
    docs.deployments[0].desired = 2;
    docs.deployments[0].failed = 6;
    docs.deployments[0].rollout = Rollout::Failed;
    docs.deployments[0].rollout_reason = "ECS deployment circuit breaker: tasks failed to start.".into();
    docs.balancers[0].groups[0].targets = unread("elasticloadbalancing:DescribeTargetHealth");
    docs.events = vec![event(-300, "(service docs) was unable to place a task: CannotPullContainerError.")];
    let mut time = server("time", 2);
    time.pending = 1;
    time.desired = 3;
    time.bounds = Read::Known(Some(Bounds { min: 2, max: 6 }));
    time.deployments[0].rollout = Rollout::InProgress;
    World { fleet: Fleet { servers: vec![docs, time, weather], ..Fleet::default() }, ..world() }
}

/// A part that the caller may not read.
pub fn unread<T>(call: &str) -> Read<T> {
    Read::NotRead(CloudError::new(ErrorKind::Denied, call, "access denied"))
}

/// The tasks of a server of the fixtures, to be changed.
pub fn tasks(server: &mut Server) -> &mut Vec<Task> {
    server.tasks.known_mut().expect("read")
}

/// The targets of its first target group.
pub fn targets(server: &mut Server) -> &mut Vec<Target> {
    server.balancers[0].groups[0].targets.known_mut().expect("read")
}

/// A target group of a service with so many targets in these states.
pub fn group(name: &str, states: &[TargetState]) -> TargetGroup {
    let one = |(index, state): (u32, &TargetState)| Target { state: state.clone(), ..target(index) };
    TargetGroup { name: name.into(), targets: Read::Known((0..).zip(states).map(one).collect()), check: None }
}

/// A balancer of the whole service with these groups, of which one is in force.
pub fn balancer(groups: impl IntoIterator<Item = TargetGroup>) -> Balancer {
    Balancer { task_sets: Vec::new(), groups: groups.into_iter().collect() }
}

/// A server that is well.
pub fn server(name: &str, tasks: u32) -> Server {
    let definition = format!("arn:aws:ecs:eu-west-1:123456789012:task-definition/quarterdeck-prod-{name}:7");
    Server {
        name: name.into(),
        arn: format!("arn:aws:ecs:eu-west-1:123456789012:service/quarterdeck-prod/{name}"),
        status: ServiceStatus::Active,
        shape: Shape::default(),
        desired: tasks,
        running: tasks,
        pending: 0,
        task_definition: definition.clone(),
        logs: Read::Known(vec![log(name)]),
        deployments: vec![Deployment {
            id: "ecs-svc/1".into(),
            status: DeploymentStatus::Primary,
            task_definition: definition,
            desired: tasks,
            running: tasks,
            pending: 0,
            failed: 0,
            rollout: Rollout::Completed,
            rollout_reason: String::new(),
            created_at: Some(at(-7_000)),
        }],
        events: vec![event(-6_000, &format!("(service {name}) has reached a steady state."))],
        tasks: Read::Known((0..tasks).map(|index| task(name, index)).collect()),
        balancers: vec![balancer([group(name, &vec![TargetState::Healthy; tasks as usize])])],
        bounds: Read::Known(Some(Bounds { min: 1, max: 6 })),
        grace: None,
        circuit_breaker: true,
        shortfall: None,
    }
}

/// Where our templates let a server log.
pub fn log(server: &str) -> ContainerLog {
    let (group, streams) = (format!("/quarterdeck/prod/{server}"), Streams::Tasks { prefix: server.into() });
    ContainerLog { container: server.into(), to: Destination::Group { group, streams } }
}

/// What a revision of a server sets: each has another image, and the seventh more memory and a variable.
pub fn definition(arn: &str) -> TaskDefinition {
    let (family, revision) = arn.rsplit('/').next().and_then(|name| name.rsplit_once(':')).expect("an ARN");
    let revision: u32 = revision.parse().expect("a revision");
    let container = Some("time".to_owned());
    let shown = |container: &Option<String>, what, value: &str| {
        (Setting { container: container.clone(), what }, Value::Shown(value.to_owned()))
    };
    let image = format!("123456789012.dkr.ecr.eu-west-1.amazonaws.com/mcp-time:v{revision}");
    let mut settings = Settings::from([
        shown(&None, What::Cpu, "256 units"),
        shown(&None, What::Memory, if revision < 7 { "512 MiB" } else { "1024 MiB" }),
        shown(&None, What::Platform, "LINUX/ARM64"),
        shown(&container, What::Image, &image),
        shown(&container, What::Ports, "8080/tcp"),
    ]);
    let variable = |name: &str| Setting { container: container.clone(), what: What::Variable(name.into()) };
    settings.insert(variable("GANGWAY_NAME"), Value::Hidden(1));
    settings.insert(variable("GANGWAY_RESOURCE"), Value::Hidden(u64::from(revision)));
    if revision >= 7 {
        settings.insert(variable("GANGWAY_REQUEST_SECONDS"), Value::Hidden(3));
    }
    TaskDefinition {
        arn: arn.into(),
        family: family.into(),
        revision,
        active: true,
        logs: Vec::new(),
        secrets: Vec::new(),
        registered_at: Some(at(-86_400 * (8 - i64::from(revision)))),
        settings,
    }
}

/// A comparison with the revision that is asked for; before the first there is none.
pub fn compared(asked: &Comparison) -> Compared {
    let now = definition(&asked.now);
    let (family, _) = asked.now.rsplit_once(':').expect("an ARN");
    let before = match &asked.against {
        Some(Against::This(arn)) => Some(definition(arn)),
        Some(Against::Before(limit)) => (*limit > 1).then(|| definition(&format!("{family}:{}", limit - 1))),
        None => (now.revision > 1).then(|| definition(&format!("{family}:{}", now.revision - 1))),
    };
    Compared { now, before }
}

/// A running task.
pub fn task(server: &str, index: u32) -> Task {
    // Ids as ECS makes them differ in their first characters.
    let id = (u128::from(index) + 3).wrapping_mul(0x1f3d_5b79_9a1c_e042_7753_9b1d_0246_8ace) >> 8;
    Task {
        arn: format!("arn:aws:ecs:eu-west-1:123456789012:task/quarterdeck-prod/{id:030x}{index:02}"),
        service: server.into(),
        last_status: TaskStatus::Running,
        desired_status: TaskStatus::Running,
        health: Health::Healthy,
        task_definition: format!("arn:aws:ecs:eu-west-1:123456789012:task-definition/quarterdeck-prod-{server}:7"),
        zone: format!("eu-west-1{}", ["a", "b", "c"][index as usize % 3]),
        address: Some(format!("10.42.{}.{}", index % 3, index + 17)),
        started_at: Some(at(-6_900)),
        created_at: Some(at(-6_930)),
        stopped_at: None,
        stop_code: None,
        stopped_reason: None,
        last_words: None,
        containers: vec![Container {
            name: server.into(),
            image: format!("123456789012.dkr.ecr.eu-west-1.amazonaws.com/mcp-{server}@sha256:9f2c"),
            last_status: TaskStatus::Running,
            exit_code: None,
            reason: None,
            health: Health::Healthy,
            runtime_id: Some(format!("{index:02}7f3d5b799a1ce0427753")),
        }],
    }
}

fn target(index: u32) -> Target {
    Target {
        id: format!("10.42.{}.{}", index % 3, index + 17),
        port: Some(8080),
        state: TargetState::Healthy,
        reason: None,
        description: None,
    }
}

fn event(seconds: i64, message: &str) -> ServiceEvent {
    ServiceEvent { at: at(seconds), message: message.into() }
}

/// Somebody who may sign in, and somebody who may not.
pub fn users() -> UserList {
    let user = |name: &str, enabled| User {
        name: format!("{name}-0a1b2c3d"),
        subject: format!("{name}-0a1b2c3d"),
        email: Some(format!("{name}@example.com")),
        status: "CONFIRMED".into(),
        enabled,
        created_at: Some(at(-86_400 * 40)),
        changed_at: Some(at(-3_600)),
    };
    UserList { pool: "eu-west-1_AbCdEfGhI".into(), users: vec![user("anna", true), user("bert", false)], more: false }
}

/// A machine client that is being rotated, and a public one.
pub fn clients() -> ClientList {
    let details = Details {
        confidential: Some(true),
        flows: vec!["client_credentials".into()],
        scopes: vec!["https://mcp.example.com/weather/mcp/call".into()],
        created_at: Some(at(-90 * 86_400)),
        updated_at: Some(at(-3_600)),
        lifetimes: Lifetimes { access: 1_800, ..Lifetimes::default() },
    };
    let public = Details { confidential: Some(false), flows: vec!["code".into()], ..details.clone() };
    let secret = |id: &str, made: i64| ClientSecret { id: id.into(), created_at: Some(at(made)) };
    let machine = Client {
        id: "5h1kq8machine0weather0id".into(),
        name: "quarterdeck-prod-weather-machine".into(),
        details: Read::Known(details),
        secrets: Read::Known(Some(vec![
            secret("5h1kq8--1792224000", -90 * 86_400),
            secret("5h1kq8--1799996400", -3_600),
        ])),
        stored_in: Read::Known(Some(SecretEntry {
            name: "quarterdeck/prod/weather/machine-client".into(),
            current_client: Some("5h1kq8machine0weather0id".into()),
            published: Some(true),
            changed_at: Some(at(-3_500)),
        })),
    };
    let public = Client {
        id: "2pub0weather0id".into(),
        name: "quarterdeck-prod-weather-public".into(),
        details: Read::Known(public),
        secrets: Read::Known(Some(Vec::new())),
        stored_in: Read::Known(None),
    };
    ClientList { pool: "eu-west-1_AbCdEfGhI".into(), clients: vec![machine, public] }
}
