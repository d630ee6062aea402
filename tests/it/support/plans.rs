//! Plans as the planner makes them.

use std::collections::BTreeMap;

use quarterdeck::core::cost::{Cost, Priced};
use quarterdeck::core::environment::{Architecture, Template};
use quarterdeck::core::fleet::Bounds;
use quarterdeck::core::image::EcrImage;
use quarterdeck::core::operation::Intent;
use quarterdeck::core::operation::deploy::{Deploy, Destroy, ParameterValue, Planned, StackDeploy};
use quarterdeck::core::operation::intent::LAYOUT;
use quarterdeck::core::operation::publish::{ImagePublish, Publish};
use quarterdeck::core::operation::quarantine::ChangeQuarantine;
use quarterdeck::core::operation::rescue::{CancelUpdate, ContinueRollback, StopDeployment};
use quarterdeck::core::operation::rotate::{Consumer, Rotation, Strategy, UndoRotation};
use quarterdeck::core::operation::service::{Scale, ServiceRef};
use quarterdeck::core::operation::shift::ChangeShift;
use quarterdeck::core::operation::variable::SetSecret;
use quarterdeck::core::operation::work::{Push, Shown};
use quarterdeck::core::operation::{Call, Check, Fact, Facts, Operation, SecretCall, ServiceCall, StackCall, Work};
use quarterdeck::core::plan::{Change, Confirm, Place, Plan, Risk};
use quarterdeck::core::quarantine::Who;
use quarterdeck::core::shift::Zone;
use quarterdeck::core::stack::StackRef;

use super::fixtures;

/// An intent that is confirmed with `y`; where it acts does not matter.
pub fn bare(id: &str, intent: Intent) -> Plan {
    Plan {
        id: id.into(),
        title: id.into(),
        target: Place::default(),
        changes: Vec::new(),
        warnings: Vec::new(),
        commands: Vec::new(),
        confirm: Confirm::Yes,
        facts: Facts::new(),
        intent,
        trials: Vec::new(),
        cost: None,
        layout: LAYOUT,
        drafts: Vec::new(),
    }
}

fn plan(id: &str, title: &str, resource: &str, intent: Intent) -> Plan {
    let target = Place {
        account: "123456789012".into(),
        region: "eu-west-1".into(),
        caller: fixtures::identity().arn,
        environment: "prod".into(),
        endpoint: None,
        resource: resource.into(),
        cluster: Some("quarterdeck-prod".into()),
    };
    Plan { title: title.into(), target, ..bare(id, intent) }
}

/// What the world of these plans teaches a step that goes well; a draft would replace or remove `gone`.
pub fn learnt(work: &Work, gone: &str) -> Facts {
    let output = |stack: &str, key: &str| Fact::Output { stack: stack.into(), key: key.into() };
    match work {
        Work::Apply(Call::Stack(StackCall::DraftChangeSet { request })) => draft(&request.stack.name, gone),
        Work::Apply(Call::Secret(
            SecretCall::StageNewSecret { secret, .. } | SecretCall::StageClient { secret, .. },
        )) => Facts::of(Fact::Pending(secret.clone()), "v2"),
        Work::Apply(Call::Secret(SecretCall::CopyClient { .. })) => Facts::of(Fact::Client, "new0client"),
        Work::Apply(Call::Secret(SecretCall::AddClientSecret { .. })) => Facts::of(Fact::ClientSecret, "new0secret"),
        Work::Apply(Call::Secret(SecretCall::Promote { hold, .. })) => Facts::from([
            (Fact::Previous(hold.secret.clone()), "v1".into()),
            (Fact::Published(hold.secret.clone()), "v3".into()),
        ]),
        Work::Apply(Call::Secret(SecretCall::TakeLease { lease, .. })) => Facts::from([
            (Fact::Lease(lease.secret.clone()), "l1".into()),
            (Fact::Current(lease.secret.clone()), "v1".into()),
        ]),
        Work::Apply(Call::Secret(SecretCall::AllowClients { hold, .. })) => {
            Facts::of(Fact::Allowed(hold.secret.clone()), "v1b")
        }
        Work::Apply(Call::Secret(SecretCall::Republish { hold, .. })) => {
            Facts::of(Fact::Republished(hold.secret.clone()), "v4")
        }
        Work::Apply(Call::Secret(SecretCall::SetVariable { secret, .. })) => {
            Facts::of(Fact::Published(secret.clone()), "v2")
        }
        Work::Await(Check::Asked { service, .. }) => Facts::of(Fact::Accepts(service.clone()), "yes"),
        Work::Apply(Call::Service(ServiceCall::NewDeployment { service, .. })) => {
            Facts::of(Fact::Deployment(service.clone()), "ecs-svc/2")
        }
        Work::Await(Check::StackSettled { stack, .. }) if stack.name == "quarterdeck-prod-platform" => {
            let endpoint = "https://prod-mcp.auth.eu-west-1.amazoncognito.com/oauth2/token";
            Facts::from([
                (output(&stack.name, "UserPoolId"), "eu-west-1_AbCdEfGhI".into()),
                (output(&stack.name, "TokenEndpoint"), endpoint.into()),
            ])
        }
        Work::Await(Check::StackSettled { stack, .. }) => Facts::from([
            (output(&stack.name, "MachineClientId"), "5h1kq8machine0weather0id".into()),
            (output(&stack.name, "MachineSecretName"), "quarterdeck/prod/weather/machine-client".into()),
            (output(&stack.name, "ResourceUrl"), "https://mcp.example.com/weather/mcp".into()),
        ]),
        _ => Facts::new(),
    }
}

/// What the draft of a stack teaches; it would replace or remove `gone`.
pub fn draft(stack: &str, gone: &str) -> Facts {
    let change_set = (Fact::ChangeSet(stack.into()), format!("arn:cs/{stack}"));
    Facts::from([change_set, (Fact::Destroys(stack.into()), gone.into())])
}

/// The index of the step of this title.
pub fn step(operation: &Operation, title: &str) -> usize {
    let titles = || operation.steps().iter().map(|step| step.title.as_str());
    titles()
        .position(|one| one == title)
        .unwrap_or_else(|| panic!("no {title:?} in {:?}", titles().collect::<Vec<_>>()))
}

/// The service of a server.
pub fn service(name: &str) -> ServiceRef {
    ServiceRef { cluster: "quarterdeck-prod".into(), service: name.into() }
}

/// One plan of each kind.
pub fn every() -> Vec<Plan> {
    vec![
        scale(),
        deploy(),
        destroy(),
        rotate(true),
        rotate(false),
        undo(),
        set_secret(),
        quarantine(),
        zonal_shift(),
        publish(),
        stop_deployment(),
        cancel_update(),
        continue_rollback(),
    ]
}

/// More tasks than autoscaling allows, so its bounds move too.
pub fn scale() -> Plan {
    let intent = Intent::Scale(Scale {
        service: service("time"),
        desired: Some(8),
        from: None,
        bounds: Some(Bounds { min: 2, max: 8 }),
        bounds_from: Some(Bounds { min: 1, max: 6 }),
    });
    let arn = "arn:aws:ecs:eu-west-1:123456789012:service/quarterdeck-prod/time";
    Plan {
        changes: vec![
            Change::value("time", "desired count", 2, 8),
            Change::value("time", "autoscaling", "1..6", "2..8").at(Risk::Disruptive),
        ],
        warnings: vec![
            "the template says 1..6: the next deploy takes this back unless quarterdeck.toml says it too".into(),
        ],
        commands: vec!["aws ecs update-service --cluster quarterdeck-prod --service time --desired-count 8".into()],
        cost: Some(Cost::compare("eu-west-1", false, &[priced("time", 1, 6)], &[priced("time", 2, 8)])),
        ..plan("op-scale", "scale time 2 -> 8", arn, intent)
    }
}

/// A server's stack as its price sees it.
fn priced(server: &str, min: u32, max: u32) -> Priced {
    let sizes = [("Cpu", 256), ("Memory", 512), ("MinCount", min), ("MaxCount", max)];
    let parameters = sizes.map(|(name, value)| (name.to_owned(), value.to_string())).into();
    Priced { name: format!("quarterdeck-prod-{server}"), template: Template::Server, parameters }
}

fn stack(part: &str, template: Template, planned: Planned, after: Vec<usize>, server: bool) -> StackDeploy {
    let region = if part == "edge" { "us-east-1" } else { "eu-west-1" };
    let pool = ParameterValue::Output { stack: "quarterdeck-prod-platform".into(), key: "UserPoolId".into() };
    StackDeploy {
        stack: StackRef { name: format!("quarterdeck-prod-{part}"), region: region.into() },
        template,
        inputs: server.then(|| ("UserPoolId".to_owned(), pool)).into_iter().collect(),
        tags: BTreeMap::new(),
        create: planned == Planned::Template,
        planned,
        keep: Vec::new(),
        after,
        service: server.then(|| service(part)),
        mend: false,
        shown: None,
        role: None,
        before: None,
    }
}

/// The platform is updated, then two servers are created side by side.
pub fn deploy() -> Plan {
    let stacks = vec![
        stack("edge", Template::Edge, Planned::Unchanged, vec![], false),
        stack("platform", Template::Platform, Planned::ChangeSet("arn:cs/platform".into()), vec![0], false),
        stack("time", Template::Server, Planned::Template, vec![1], true),
        stack("weather", Template::Server, Planned::Template, vec![1], true),
    ];
    let created = |part: &str| Change {
        subject: format!("quarterdeck-prod-{part}"),
        field: "stack".into(),
        before: None,
        after: Some("14 resources".into()),
        risk: Risk::Safe,
    };
    Plan {
        changes: vec![
            Change::value("quarterdeck-prod-platform / LoadBalancer", "IdleTimeout", 60, 120),
            Change::value("quarterdeck-prod-platform / UserPoolDomain", "Domain", "prod-mcp", "prod-mcp-2")
                .at(Risk::Destructive),
            created("time"),
            created("weather"),
        ],
        warnings: vec!["the login domain is replaced: clients must sign in at the new address".into()],
        commands: vec!["aws cloudformation execute-change-set --change-set-name arn:cs/platform".into()],
        cost: Some(Cost::compare("eu-west-1", false, &[], &[priced("time", 1, 6), priced("weather", 2, 2)])),
        drafts: vec![(
            StackRef { name: "quarterdeck-prod-platform".into(), region: "eu-west-1".into() },
            "arn:cs/platform".into(),
        )],
        ..plan(
            "op-deploy",
            "deploy prod: 1 update, 2 creates",
            "quarterdeck-prod-*",
            Intent::Deploy(Deploy { environment: "prod".into(), stacks, protect: None }),
        )
    }
}

/// Everything goes; the name must be typed.
pub fn destroy() -> Plan {
    let named = |part: &str| StackRef { name: format!("quarterdeck-prod-{part}"), region: "eu-west-1".into() };
    let tiers = vec![vec![named("time"), named("weather")], vec![named("platform")], vec![named("network")]];
    let gone = |stack: &StackRef| Change {
        subject: stack.name.clone(),
        field: "stack".into(),
        before: Some("14 resources".into()),
        after: None,
        risk: Risk::Destructive,
    };
    Plan {
        changes: tiers.iter().flatten().map(gone).collect(),
        warnings: vec!["the user pool goes, and with it every user and client".into()],
        confirm: Confirm::Typed("prod".into()),
        ..plan(
            "op-destroy",
            "destroy prod",
            "quarterdeck-prod-*",
            Intent::Destroy(Destroy {
                environment: "prod".into(),
                tiers,
                shown: BTreeMap::new(),
                unprotect: None,
                directly: Vec::new(),
                role: None,
            }),
        )
    }
}

/// A rotation of the weather server's machine client.
pub fn rotate(dual: bool) -> Plan {
    let strategy = if dual {
        Strategy::DualSecret { old_secret: "5h1kq8--1792224000".into() }
    } else {
        Strategy::ReplaceClient { known_clients: vec!["5h1kq8machine0weather0id".into()], also_allow: Vec::new() }
    };
    let rotation = Rotation {
        pool: "eu-west-1_AbCdEfGhI".into(),
        client: "5h1kq8machine0weather0id".into(),
        name: "weather-machine".into(),
        secret: "quarterdeck/prod/weather/machine-client".into(),
        endpoint: "https://prod-mcp.auth.eu-west-1.amazoncognito.com/oauth2/token".into(),
        scopes: Vec::new(),
        strategy,
        consumers: vec![Consumer {
            service: service("weather"),
            deployment: Some("ecs-svc/1".into()),
            url: Some("https://mcp.example.com/weather/mcp".into()),
        }],
        grace_seconds: 86_400,
        by: Some("arn:aws:sts::123456789012:assumed-role/ops/me".into()),
        current: Some("v1".into()),
        takes_over: None,
        left_clients: Vec::new(),
        left_secret: None,
        accept: Vec::new(),
    };
    Plan {
        changes: vec![
            Change::value("weather-machine", "secret", "5h1k…, 90 days old", "a new one"),
            Change::value("weather", "deployment", "ecs-svc/1", "a new one").at(Risk::Disruptive),
        ],
        ..plan(
            "op-rotate",
            "rotate weather-machine",
            "eu-west-1_AbCdEfGhI/5h1kq8machine0weather0id",
            Intent::Rotate(rotation),
        )
    }
}

/// Sets a variable that is set already.
pub fn set_secret() -> Plan {
    let secret = "quarterdeck/prod/time/app";
    let set = SetSecret {
        server: "time".into(),
        secret: secret.into(),
        key: "API_KEY".into(),
        current: "v1".into(),
        unset: false,
    };
    let changes = vec![Change::value("time", "secret API_KEY", "set", "another value").at(Risk::Disruptive)];
    Plan { changes, ..plan("op-set", "set API_KEY of time", secret, Intent::SetSecret(set)) }
}

/// Keeps a client out that nobody kept out before.
pub fn quarantine() -> Plan {
    let who = Who::Client("5h1kq8machine0weather0id".into());
    let change = ChangeQuarantine {
        table: "quarterdeck-prod-quarantine".into(),
        who: who.clone(),
        until: Some("2099-01-01T00:00:00Z".parse().unwrap()),
        seen: None,
        by: fixtures::identity().arn,
    };
    let until = "kept out until 2099-01-01T00:00:00Z";
    let changes = vec![Change::value("client weather-machine", "requests", "not kept out", until).at(Risk::Disruptive)];
    Plan {
        changes,
        ..plan("op-quarantine", "quarantine client weather-machine", &who.to_string(), Intent::Quarantine(change))
    }
}

/// Takes a zone out of which none was out before.
pub fn zonal_shift() -> Plan {
    let change = ChangeShift {
        balancer:
            "arn:aws:elasticloadbalancing:eu-west-1:123456789012:loadbalancer/app/quarterdeck-prod/0123456789abcdef"
                .into(),
        zone: Zone { name: "eu-west-1b".into(), id: "euw1-az2".into() },
        until: Some("2099-01-01T03:00:00Z".parse().unwrap()),
        seen: None,
        by: "operator".into(),
    };
    let after = "not sent until 2099-01-01T03:00:00Z";
    let changes = vec![Change::value("zone eu-west-1b (euw1-az2)", "requests", "sent", after).at(Risk::Disruptive)];
    let warnings = vec![
        "2 of 5 tasks (40.0%) get no requests any more, and run on; 3 healthy tasks in the other zones are to take all"
            .into(),
    ];
    Plan {
        changes,
        warnings,
        ..plan(
            "op-shift",
            "take zone eu-west-1b out for 3h00m",
            "load balancer quarterdeck-prod",
            Intent::ZonalShift(change),
        )
    }
}

/// Makes the repository of `files` and pushes its image, and that of `notes`, whose repository is there.
pub fn publish() -> Plan {
    let image = |server: &str, stack: Option<StackDeploy>| {
        let name = format!("123456789012.dkr.ecr.eu-west-1.amazonaws.com/quarterdeck/prod/{server}:1");
        let (image, platform) = (EcrImage::parse(&name).unwrap(), Architecture::Arm64.platform());
        ImagePublish {
            server: server.into(),
            stack,
            push: Some(Push { image, id: "sha256:c".into(), platform, others: Vec::new() }),
        }
    };
    let stack = StackDeploy {
        stack: StackRef { name: "quarterdeck-prod-files-Repository".into(), region: "eu-west-1".into() },
        template: Template::Repository,
        inputs: BTreeMap::new(),
        tags: BTreeMap::new(),
        planned: Planned::ChangeSet("arn:cs/files".into()),
        create: true,
        keep: Vec::new(),
        after: Vec::new(),
        service: None,
        mend: false,
        shown: None,
        role: None,
        before: None,
    };
    let images = vec![image("files", Some(stack)), image("notes", None)];
    let changes = vec![Change::value("files", "image", "built from ./files", "c as quarterdeck/prod/files:1")];
    let publish = Publish { environment: "prod".into(), images };
    Plan { changes, ..plan("op-publish", "publish 2 images of prod", "quarterdeck/prod/*", Intent::Publish(publish)) }
}

/// Stops a deployment for which a stack waits.
pub fn stop_deployment() -> Plan {
    let deployment = "arn:aws:ecs:eu-west-1:123456789012:service-deployment/quarterdeck-prod/weather/d1";
    let stop = StopDeployment { service: service("weather"), deployment: deployment.into(), stack: Some(weather()) };
    let changes = vec![Change::value("weather / deployment d1", "status", "IN_PROGRESS", "taken back")];
    Plan { changes, ..plan("op-stop", "stop the deployment of weather", deployment, Intent::StopDeployment(stop)) }
}

fn weather() -> StackRef {
    StackRef { name: "quarterdeck-prod-weather".into(), region: "eu-west-1".into() }
}

fn shown() -> Shown {
    Shown {
        arn: "arn:aws:cloudformation:eu-west-1:123456789012:stack/quarterdeck-prod-weather/1".into(),
        updated_at: None,
    }
}

/// Cancels the update of a server's stack.
pub fn cancel_update() -> Plan {
    let (stack, shown, server) = (weather(), shown(), Some("weather".to_owned()));
    let cancel = CancelUpdate { stack, shown, server, by: "me".into() };
    let changes = vec![Change::value("quarterdeck-prod-weather", "update", "UPDATE_IN_PROGRESS", "taken back")];
    Plan { changes, ..plan("op-cancel", "cancel the update of weather", "arn:s", Intent::CancelUpdate(cancel)) }
}

/// Goes on with the rollback of a server's stack, without its service.
pub fn continue_rollback() -> Plan {
    let skip = vec!["Service".to_owned()];
    let (stack, shown, server) = (weather(), shown(), Some("weather".to_owned()));
    let go_on = ContinueRollback { stack, shown, failed: skip.clone(), skip, server, by: "me".into() };
    let changes = vec![Change::value("quarterdeck-prod-weather", "rollback", "UPDATE_ROLLBACK_FAILED", "gone on with")];
    let intent = Intent::ContinueRollback(go_on);
    Plan { changes, ..plan("op-continue", "continue the rollback of weather", "arn:s", intent) }
}

/// Takes the rotation of [`rotate`] back.
pub fn undo() -> Plan {
    let Intent::Rotate(rotation) = rotate(true).intent else { unreachable!("it is a rotation") };
    let learnt = Facts::from([
        (Fact::Lease(rotation.secret.clone()), "l1".into()),
        (Fact::Current(rotation.secret.clone()), "v1".into()),
    ]);
    let intent = Intent::UndoRotation(UndoRotation { rotation, operation: "op-rotate".into(), learnt, by: None });
    plan("op-undo", "take back the rotation of weather-machine", "eu-west-1_AbCdEfGhI", intent)
}
