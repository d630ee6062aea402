//! CloudFormation: stacks whose changes go on from tick to tick, and change sets that another change voids.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use jiff::Timestamp;

use super::super::scripted::Reply;
use super::{ACCOUNT, ENVIRONMENT, POOL, REGION, State, definition, secret_of};
use quarterdeck::core::environment::EDGE_REGION;

#[derive(Debug, Clone)]
pub struct Stack {
    pub name: String,
    pub id: String,
    pub status: String,
    pub parameters: BTreeMap<String, String>,
    /// The role that CloudFormation acts as: it is kept until another one is given.
    pub role: Option<String>,
    pub termination_protection: bool,
    /// Its tags.
    tags: Vec<String>,
    made: Timestamp,
    updated: Option<Timestamp>,
    /// The oldest first.
    events: Vec<Event>,
    /// Ticks until the change under way is over.
    left: u32,
    /// Parameters to which a failed update goes back.
    before: Option<BTreeMap<String, String>>,
    /// Clients that the stack made: for machines and for people.
    clients: Option<(String, String)>,
    /// Resources whose protection was switched off by a call of their own.
    unprotected: BTreeSet<&'static str>,
    /// The task definition that it made; `None` leaves the output out.
    pub definition: Option<String>,
    /// The CloudFront distribution that it made, where it tells which.
    pub distribution: Option<&'static str>,
    /// Resources that cannot be rolled back, and why.
    pub stuck: Vec<(&'static str, String)>,
    /// Resources that are not updated, because something else failed before.
    given_up: Vec<&'static str>,
}

#[derive(Debug, Clone)]
struct Event {
    at: Timestamp,
    /// The name in the template and the type of a resource; `None` is the stack itself.
    resource: Option<(&'static str, &'static str)>,
    status: String,
    reason: String,
    token: String,
}

#[derive(Debug, Clone)]
pub(super) struct ChangeSet {
    id: String,
    name: String,
    stack: String,
    parameters: BTreeMap<String, String>,
    role: Option<String>,
    tags: Option<Vec<String>>,
    /// Whether it is empty.
    nothing: bool,
    /// What early validation has found, of which the change set itself only says that there is something.
    invalid: Option<&'static str>,
}

/// Resources of a platform that deletion protection keeps.
const PROTECTED: &[(&str, &str)] =
    &[("LoadBalancer", "AWS::ElasticLoadBalancingV2::LoadBalancer"), ("UserPool", "AWS::Cognito::UserPool")];
/// The id of such a resource: of a load balancer its ARN.
fn physical(name: &str) -> String {
    match name {
        "LoadBalancer" => format!(
            "arn:aws:elasticloadbalancing:{REGION}:{ACCOUNT}:loadbalancer/app/quarterdeck-{ENVIRONMENT}/0123456789abcdef"
        ),
        _ => POOL.to_owned(),
    }
}

/// As Cognito and ELB say it (Cognito developer guide; ELB, "Deletion protection").
const KEPT: &str = "it cannot be deleted because deletion protection is activated";
/// As CloudFormation says it (its user guide, "Validate stack deployments").
const INVALID: &str = "The following hook(s)/validation failed: [AWS::EarlyValidation::ResourceExistenceCheck]. To \
    troubleshoot Early Validation errors, use the DescribeEvents API for detailed failure information.";

impl Stack {
    fn new(name: &str, id: String, status: &str, parameters: BTreeMap<String, String>, made: Timestamp) -> Self {
        Self {
            name: name.to_owned(),
            id,
            status: status.to_owned(),
            parameters,
            role: None,
            termination_protection: false,
            tags: Vec::new(),
            made,
            updated: None,
            events: Vec::new(),
            left: 0,
            before: None,
            clients: None,
            unprotected: BTreeSet::new(),
            definition: None,
            distribution: None,
            stuck: Vec::new(),
            given_up: Vec::new(),
        }
    }

    pub fn tags(&self) -> &[String] {
        &self.tags
    }

    pub fn exists(&self) -> bool {
        self.status != "DELETE_COMPLETE" && self.status != "REVIEW_IN_PROGRESS"
    }

    fn busy(&self) -> bool {
        self.status.ends_with("_IN_PROGRESS") && self.status != "REVIEW_IN_PROGRESS"
    }

    /// Whether its load balancer and its user pool are protected; they are by default.
    pub fn protected(&self) -> bool {
        self.protects().next().is_some()
    }

    /// Its resources that are protected.
    fn protects(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let on = self.parameters.get("DeletionProtection").is_none_or(|on| on == "true");
        let on = self.name.ends_with("-platform") && on;
        PROTECTED.iter().copied().filter(move |(id, _)| on && !self.unprotected.contains(id))
    }

    /// Whether a deletion with this token has failed.
    fn deleted_with(&self, token: &str) -> bool {
        self.events.iter().any(|event| event.token == token && event.status == "DELETE_FAILED")
    }

    fn note(&mut self, at: Timestamp, token: &str) {
        self.note_because(at, token, "");
    }

    fn note_because(&mut self, at: Timestamp, token: &str, reason: &str) {
        let (status, token, reason) = (self.status.clone(), token.to_owned(), reason.to_owned());
        self.events.push(Event { at, resource: None, status, reason, token });
    }

    /// Whether an operation has used this token already.
    fn knows(&self, token: &str) -> bool {
        !token.is_empty() && self.events.iter().any(|event| event.token == token)
    }

    /// A resource fails in the change that is under way.
    fn note_failure(&mut self, at: Timestamp, resource: (&'static str, &'static str), status: &str, reason: &str) {
        let token = self.events.last().map(|event| event.token.clone()).unwrap_or_default();
        let (status, reason) = (status.to_owned(), reason.to_owned());
        self.events.push(Event { at, resource: Some(resource), status, reason, token });
    }

    fn resources(&self) -> String {
        let left = !matches!(self.status.as_str(), "REVIEW_IN_PROGRESS" | "ROLLBACK_COMPLETE" | "DELETE_COMPLETE");
        let kept = matches!(self.status.as_str(), "ROLLBACK_FAILED" | "DELETE_FAILED");
        let row = |(id, kind): &(&str, &str)| {
            let (status, reason) = match (kept, self.updates()) {
                (true, _) => ("DELETE_FAILED", KEPT),
                (false, true) => ("UPDATE_IN_PROGRESS", ""),
                (false, false) => ("CREATE_COMPLETE", ""),
            };
            format!(
                "<member><LogicalResourceId>{id}</LogicalResourceId><PhysicalResourceId>{}</PhysicalResourceId>\
                 <ResourceType>{kind}</ResourceType><LastUpdatedTimestamp>{}</LastUpdatedTimestamp>\
                 <ResourceStatus>{status}</ResourceStatus><ResourceStatusReason>{reason}</ResourceStatusReason></member>",
                physical(id),
                self.made
            )
        };
        let failed = |id: &str, reason: &str| {
            format!(
                "<member><LogicalResourceId>{id}</LogicalResourceId><PhysicalResourceId>{id}</PhysicalResourceId>\
                 <ResourceType>AWS::ECS::Service</ResourceType><LastUpdatedTimestamp>{}</LastUpdatedTimestamp>\
                 <ResourceStatus>UPDATE_FAILED</ResourceStatus><ResourceStatusReason>{reason}</ResourceStatusReason></member>",
                self.made
            )
        };
        let failed = self.stuck.iter().map(|(id, reason)| failed(id, reason));
        let given_up = |id: &&'static str| {
            format!(
                "<member><LogicalResourceId>{id}</LogicalResourceId><ResourceType>AWS::EC2::SecurityGroup</ResourceType>\
                 <LastUpdatedTimestamp>{}</LastUpdatedTimestamp><ResourceStatus>UPDATE_FAILED</ResourceStatus>\
                 <ResourceStatusReason>Resource update cancelled</ResourceStatusReason></member>",
                self.made
            )
        };
        let platform = self.name.ends_with("-platform") && left;
        let own: String = if platform { PROTECTED.iter().map(row).collect() } else { String::new() };
        let service = if self.updates() { row(&("Service", "AWS::ECS::Service")) } else { String::new() };
        own + &service + &failed.chain(self.given_up.iter().map(given_up)).collect::<String>()
    }

    /// Whether it waits for its service.
    fn updates(&self) -> bool {
        self.server().is_some() && self.status == "UPDATE_IN_PROGRESS"
    }

    fn server(&self) -> Option<&str> {
        self.parameters.get("ServerName").map(String::as_str)
    }

    fn described(&self, url: &str) -> String {
        let mut outputs = BTreeMap::new();
        let server = self.server().unwrap_or_default();
        if let Some((machine, people)) = &self.clients {
            outputs.insert("MachineClientId", machine.clone());
            outputs.insert("UserClientId", people.clone());
            outputs.insert("MachineSecretName", secret_of(server));
            outputs.insert("ResourceUrl", format!("{url}/{server}/mcp"));
        }
        outputs.extend(self.distribution.map(|id| ("DistributionId", id.to_owned())));
        outputs.extend(self.definition.iter().map(|arn| ("TaskDefinitionArn", arn.clone())));
        if self.name.ends_with("-platform") {
            outputs.insert("UserPoolId", POOL.to_owned());
            outputs.insert("LoadBalancerFullName", format!("app/quarterdeck-{ENVIRONMENT}/0123456789abcdef"));
            outputs.insert("TokenEndpoint", format!("{url}/oauth2/token"));
        }
        // What other stacks take from this one does not matter here.
        for key in OTHER_OUTPUTS {
            outputs.entry(key).or_insert_with(|| "x".to_owned());
        }
        let pairs = |kind: &str, what: &str, all: &mut dyn Iterator<Item = (String, String)>| {
            let mut text = String::new();
            for (key, value) in all {
                let _ = write!(text, "<member><{kind}Key>{key}</{kind}Key><{kind}Value>{value}</{kind}Value></member>");
            }
            format!("<{what}>{text}</{what}>")
        };
        let parameters = &mut self.parameters.iter().map(|(key, value)| (key.clone(), value.clone()));
        let outputs = &mut outputs.into_iter().map(|(key, value)| (key.to_owned(), value));
        let updated = self.updated.map(|at| format!("<LastUpdatedTime>{at}</LastUpdatedTime>")).unwrap_or_default();
        format!(
            "<member><StackName>{}</StackName><StackId>{}</StackId><StackStatus>{}</StackStatus>\
             <CreationTime>{}</CreationTime>{updated}<EnableTerminationProtection>{}</EnableTerminationProtection>\
             {}{}</member>",
            self.name,
            self.id,
            self.status,
            self.made,
            self.termination_protection,
            pairs("Parameter", "Parameters", parameters),
            pairs("Output", "Outputs", outputs),
        )
    }
}

/// Outputs that some template of the packaged ones takes from another.
const OTHER_OUTPUTS: &[&str] = &[
    "AlarmTopicArn",
    "AuthorizationEndpoint",
    "ClusterName",
    "CognitoDomain",
    "DistributionDomainName",
    "Issuer",
    "KmsKeyArn",
    "ListenerArn",
    "LoadBalancerDnsName",
    "LoadBalancerFullName",
    "LoadBalancerName",
    "OriginGuardSecret",
    "PrivateSubnetIds",
    "PublicBaseUrl",
    "PublicSubnetIds",
    "QuarantineTable",
    "ServiceSecurityGroupId",
    "UserPoolArn",
    "VpcCidr",
    "VpcId",
    "WebAclArn",
];

/// The parameters that tell whether something changes.
const TELLING: [&str; 4] = ["MinCount", "MaxCount", "Memory", "DeletionProtection"];

const STACK_ARN: &str = "arn:aws:cloudformation:eu-central-1:123456789012:stack";

/// Ticks that a change of a stack takes.
const CHANGE: u32 = 2;

fn error(code: &str, message: &str) -> Reply {
    let body = format!("<ErrorResponse><Error><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>");
    Reply::Answer(400, body)
}

fn done(call: &str, inner: &str) -> Reply {
    Reply::Answer(200, format!("<{call}Response><{call}Result>{inner}</{call}Result></{call}Response>"))
}

/// The parameters of a request of the Query protocol.
pub(super) fn form(body: &str) -> BTreeMap<String, String> {
    let pairs = body.split('&').filter_map(|pair| pair.split_once('='));
    // The templates are long, and what is in them does not matter.
    let pairs = pairs.filter(|(key, _)| *key != "TemplateBody");
    pairs.map(|(key, value)| (decoded(key), decoded(value))).collect()
}

fn decoded(text: &str) -> String {
    let (bytes, mut out, mut at) = (text.as_bytes(), Vec::new(), 0);
    while at < bytes.len() {
        match bytes[at] {
            b'+' => out.push(b' '),
            b'%' => {
                out.push(u8::from_str_radix(&text[at + 1..at + 3], 16).unwrap_or(b'?'));
                at += 2;
            }
            other => out.push(other),
        }
        at += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}

impl State {
    /// The environment as a deploy has left it.
    pub(super) fn stand_up(&mut self) {
        for part in ["edge", "network", "platform"] {
            let name = format!("quarterdeck-{ENVIRONMENT}-{part}");
            let protection = (part == "platform").then(|| ("DeletionProtection".to_owned(), "true".to_owned()));
            self.make_stack(&name, protection.into_iter().collect(), "old");
        }
        for server in self.setup.servers.clone() {
            let parameters = BTreeMap::from([
                ("ServerName".to_owned(), server.to_owned()),
                ("MinCount".to_owned(), "2".to_owned()),
                ("MaxCount".to_owned(), "2".to_owned()),
            ]);
            self.make_stack(&format!("quarterdeck-{ENVIRONMENT}-{server}"), parameters, "old");
            let secret = secret_of(server);
            let value = self.secrets[&secret].current().expect("the stack has made it");
            let client = &self.clients[value["client_id"].as_str().expect("an id")];
            let held = serde_json::json!({ "client_id": client.id, "client_secret": client.shown(),
                "allowed_client_ids": value["allowed_client_ids"] });
            let secret = self.secrets.get_mut(&secret).expect("the stack has made it");
            secret.versions.insert("00000000-0000-0000-0000-000000000001".into(), held.to_string());
            secret.labels.insert("AWSCURRENT".into(), "00000000-0000-0000-0000-000000000001".into());
            secret.complete = true;
        }
        (0..6).for_each(|_| self.tick());
    }

    fn make_stack(&mut self, name: &str, mut parameters: BTreeMap<String, String>, token: &str) {
        parameters.insert("Environment".into(), ENVIRONMENT.into());
        let (number, made) = (self.id(), self.time());
        let mut stack =
            Stack::new(name, format!("{STACK_ARN}/{name}/{number}"), "CREATE_IN_PROGRESS", parameters, made);
        stack.left = CHANGE;
        stack.note(made, token);
        if let Some(server) = stack.server().map(str::to_owned) {
            let machine = self.make_client(&format!("{ENVIRONMENT}-{server}-machine"), true);
            let people = self.make_client(&format!("{ENVIRONMENT}-{server}-user"), false);
            let held = serde_json::json!({ "client_id": machine, "allowed_client_ids": format!("{machine} {people}") });
            let secret = self.secrets.entry(secret_of(&server)).or_default();
            let version = format!("00000000-0000-0000-0000-{number:012}");
            secret.versions.insert(version.clone(), held.to_string());
            secret.labels = BTreeMap::from([("AWSCURRENT".to_owned(), version)]);
            let count = stack.parameters.get("MinCount").and_then(|count| count.parse().ok()).unwrap_or(1);
            self.make_service(&server, count);
            stack.clients = Some((machine, people));
        }
        self.stacks.retain(|other| other.name != name || other.exists());
        self.stacks.push(stack);
    }

    /// The change of a stack comes to its end, or to the way back from it.
    fn end_change(&mut self, index: usize) {
        let at = self.time();
        let reason = self.failing.get(&self.stacks[index].name).copied();
        let stack = &mut self.stacks[index];
        let (protected, resource) = (stack.protected(), stack.protects().last().unwrap_or(PROTECTED[1]));
        let token = stack.events.last().map(|event| event.token.clone()).unwrap_or_default();
        let (next, left) = match (stack.status.as_str(), reason) {
            ("CREATE_IN_PROGRESS", Some(reason)) => {
                stack.note_failure(at, ("Broken", "AWS::ECS::Service"), "CREATE_FAILED", reason);
                ("ROLLBACK_IN_PROGRESS", CHANGE)
            }
            ("UPDATE_IN_PROGRESS", Some(reason)) => {
                stack.note_failure(at, ("Broken", "AWS::ECS::Service"), "UPDATE_FAILED", reason);
                ("UPDATE_ROLLBACK_IN_PROGRESS", CHANGE)
            }
            ("ROLLBACK_IN_PROGRESS", _) if protected => {
                stack.note_failure(at, resource, "DELETE_FAILED", KEPT);
                ("ROLLBACK_FAILED", 0)
            }
            ("DELETE_IN_PROGRESS", _) if protected => {
                stack.note_failure(at, resource, "DELETE_FAILED", KEPT);
                ("DELETE_FAILED", 0)
            }
            ("UPDATE_ROLLBACK_IN_PROGRESS", _) if !stack.stuck.is_empty() => {
                for (id, reason) in stack.stuck.clone() {
                    stack.note_failure(at, (id, "AWS::ECS::Service"), "UPDATE_FAILED", &reason);
                }
                ("UPDATE_ROLLBACK_FAILED", 0)
            }
            ("UPDATE_ROLLBACK_IN_PROGRESS", _) => {
                stack.given_up.clear();
                stack.parameters = stack.before.take().unwrap_or_else(|| stack.parameters.clone());
                ("UPDATE_ROLLBACK_COMPLETE", 0)
            }
            ("CREATE_IN_PROGRESS", None) => ("CREATE_COMPLETE", 0),
            ("UPDATE_IN_PROGRESS", None) => ("UPDATE_COMPLETE", 0),
            ("ROLLBACK_IN_PROGRESS", _) => ("ROLLBACK_COMPLETE", 0),
            _ => ("DELETE_COMPLETE", 0),
        };
        (stack.status, stack.left) = (next.to_owned(), left);
        stack.note(at, &token);
        if next == "CREATE_COMPLETE"
            && let Some(repository) = stack.parameters.get("RepositoryName").cloned()
        {
            self.repositories.entry(repository).or_default();
        }
        if matches!(next, "DELETE_COMPLETE" | "ROLLBACK_COMPLETE") {
            self.clear_out(index);
        }
    }

    pub(super) fn shift_stacks(&mut self, by: jiff::SignedDuration) {
        for stack in &mut self.stacks {
            let events = stack.events.iter_mut().map(|event| &mut event.at);
            events.chain(&mut stack.updated).chain([&mut stack.made]).for_each(|at| *at += by);
        }
    }

    /// A part of the environment as somebody's deletion has left it that its protection stopped.
    pub fn half_delete(&mut self, part: &str) {
        let name = format!("quarterdeck-{ENVIRONMENT}-{part}");
        let index = self.stacks.iter().position(|stack| stack.name == name).expect("it is there");
        let at = self.time();
        let stack = &mut self.stacks[index];
        (stack.status, stack.left) = ("DELETE_IN_PROGRESS".into(), 0);
        stack.note(at, "somebody");
        self.end_change(index);
    }

    /// A part of the environment whose last update failed, and whose way back failed, too.
    pub fn stick(&mut self, part: &str, reason: &str) {
        self.stick_because(part, reason, reason);
    }

    /// The same, where the way back failed for another reason than the update.
    pub fn stick_because(&mut self, part: &str, failed: &str, reason: &str) {
        let name = format!("quarterdeck-{ENVIRONMENT}-{part}");
        let index = self.stacks.iter().position(|stack| stack.name == name).expect("it is there");
        let at = self.time();
        let stack = &mut self.stacks[index];
        (stack.status, stack.left) = ("UPDATE_IN_PROGRESS".into(), 0);
        stack.note(at, "somebody");
        stack.note_failure(at, ("Service", "AWS::ECS::Service"), "UPDATE_FAILED", failed);
        // What was not begun yet is given up, and has nothing to be rolled back.
        stack.note_failure(at, ("Group", "AWS::EC2::SecurityGroup"), "UPDATE_FAILED", "Resource update cancelled");
        stack.given_up = vec!["Group"];
        stack.status = "UPDATE_ROLLBACK_IN_PROGRESS".into();
        stack.note(at, "somebody");
        stack.stuck = vec![("Service", reason.to_owned())];
        stack.note_failure(at, ("Service", "AWS::ECS::Service"), "UPDATE_FAILED", reason);
        stack.status = "UPDATE_ROLLBACK_FAILED".into();
        stack.note(at, "somebody");
    }

    /// A change of a part of the environment that somebody made: its own states, and the resources that failed in it, in
    /// this order.
    pub fn changed(&mut self, part: &str, steps: &[Result<&str, (&'static str, &str, &str)>]) {
        let name = format!("quarterdeck-{ENVIRONMENT}-{part}");
        let index = self.stacks.iter().position(|stack| stack.name == name).expect("it is there");
        for step in steps {
            let at = self.time();
            let stack = &mut self.stacks[index];
            match *step {
                Ok(status) => {
                    stack.status = status.to_owned();
                    stack.note(at, "somebody");
                }
                Err((id, status, reason)) => stack.note_failure(at, (id, "AWS::ECS::Service"), status, reason),
            }
        }
        self.stacks[index].left = 0;
    }

    /// An update of a server's stack that waits for its service; its new tasks fail, and nothing ends that.
    pub fn hang(&mut self, server: &str, token: &str) {
        let name = format!("quarterdeck-{ENVIRONMENT}-{server}");
        let index = self.stacks.iter().position(|stack| stack.name == name).expect("it is there");
        let at = self.time();
        let stack = &mut self.stacks[index];
        (stack.status, stack.left, stack.updated) = ("UPDATE_IN_PROGRESS".into(), CHANGE, Some(at));
        stack.note(at, token);
        self.hanging.insert(name);
        let service = self.services.get_mut(server).expect("it is there");
        (service.broken, service.kind.breaker, service.revision) = (true, false, service.revision + 1);
        self.deploy_service(server);
        self.services.get_mut(server).expect("it is there").broken = false;
    }

    /// Whether an update goes on waiting for its service; one whose deployment was taken back fails.
    fn waits(&mut self, index: usize) -> bool {
        let at = self.time();
        let stack = &mut self.stacks[index];
        if !self.hanging.contains(&stack.name) {
            return false;
        }
        let service = stack.server().and_then(|server| self.services.get(server));
        let release = service.and_then(|service| service.releases.last()).map(|release| release.status);
        if stack.status == "UPDATE_ROLLBACK_IN_PROGRESS" {
            return matches!(release, Some("ROLLBACK_REQUESTED" | "ROLLBACK_IN_PROGRESS"));
        }
        if stack.status != "UPDATE_IN_PROGRESS" {
            return false;
        }
        match release {
            Some("ROLLBACK_SUCCESSFUL") => {
                let reason = "Resource handler returned message: the service deployment was rolled back";
                stack.note_failure(at, ("Service", "AWS::ECS::Service"), "UPDATE_FAILED", reason);
                (stack.status, stack.left) = ("UPDATE_ROLLBACK_IN_PROGRESS".into(), CHANGE);
                let token = stack.events.last().map(|event| event.token.clone()).unwrap_or_default();
                stack.note(at, &token);
                true
            }
            Some("SUCCESSFUL") => false,
            _ => true,
        }
    }

    /// The update is cancelled: what is under way of it is taken back (API reference, CancelUpdateStack).
    fn cancel_update(&mut self, at: usize, token: &str, operator: &str) -> Reply {
        let now = self.time();
        let stack = &mut self.stacks[at];
        if stack.knows(token) {
            return error("TokenAlreadyExistsException", "A client request token already exists");
        }
        if stack.status != "UPDATE_IN_PROGRESS" {
            return error("ValidationError", "CancelUpdateStack cannot be called from current stack status");
        }
        let token = match self.keeps_tokens {
            true => stack.events.last().map(|event| event.token.clone()).unwrap_or_default(),
            false => token.to_owned(),
        };
        (stack.status, stack.left) = ("UPDATE_ROLLBACK_IN_PROGRESS".into(), CHANGE);
        stack.note_because(now, &token, "User Initiated");
        let (name, server) = (stack.name.clone(), stack.server().map(str::to_owned));
        let service = server.and_then(|server| self.services.get_mut(&server));
        if let Some(release) = service.and_then(|service| service.releases.last_mut())
            && release.status == "IN_PROGRESS"
        {
            release.status = "ROLLBACK_REQUESTED";
        }
        self.wrote(operator, format!("cancel the update of {name}"));
        done("CancelUpdateStack", "")
    }

    /// A rollback goes on, without what is skipped (API reference, ContinueUpdateRollback).
    fn continue_rollback(&mut self, at: usize, form: &BTreeMap<String, String>, operator: &str) -> Reply {
        let now = self.time();
        let token = form.get("ClientRequestToken").cloned().unwrap_or_default();
        let skips = (1..).map_while(|index| form.get(&format!("ResourcesToSkip.member.{index}")).cloned());
        let skips: Vec<String> = skips.collect();
        let stack = &mut self.stacks[at];
        if stack.knows(&token) {
            return error("TokenAlreadyExistsException", "A client request token already exists");
        }
        if stack.status != "UPDATE_ROLLBACK_FAILED" {
            return error("ValidationError", &format!("Stack [{}] is not in UPDATE_ROLLBACK_FAILED", stack.name));
        }
        if let Some(other) = skips.iter().find(|skip| stack.stuck.iter().all(|(id, _)| id != skip)) {
            return error("ValidationError", &format!("Cannot skip {other}: it did not fail to roll back"));
        }
        stack.stuck.retain(|(id, _)| skips.iter().all(|skip| skip != id));
        (stack.status, stack.left) = ("UPDATE_ROLLBACK_IN_PROGRESS".into(), CHANGE);
        stack.note(now, &token);
        let name = stack.name.clone();
        let without = if skips.is_empty() { String::new() } else { format!(" without {}", skips.join(", ")) };
        self.wrote(operator, format!("continue the rollback of {name}{without}"));
        done("ContinueUpdateRollback", "")
    }

    /// The stack that still has a resource with this id (a load balancer's ARN is one), and the resource's name
    /// in the template.
    fn owner(&mut self, id: &str) -> Option<(&mut Stack, &'static str)> {
        let (name, _) = PROTECTED.iter().find(|(name, _)| id == physical(name))?;
        let stack = self.stacks.iter_mut().find(|stack| stack.name.ends_with("-platform") && stack.exists())?;
        Some((stack, name))
    }

    /// Whether a resource is protected; `None` if there is none with this id.
    pub(super) fn is_protected(&mut self, id: &str) -> Option<bool> {
        self.owner(id).map(|(stack, name)| stack.protects().any(|(protected, _)| protected == name))
    }

    /// Switches the protection of a resource off.
    pub(super) fn unprotect(&mut self, id: &str, operator: &str) {
        let Some((stack, name)) = self.owner(id) else { return };
        stack.unprotected.insert(name);
        self.wrote(operator, format!("unprotect {id}"));
    }

    /// What a stack has made goes with it.
    fn clear_out(&mut self, index: usize) {
        let stack = &self.stacks[index];
        let Some(server) = stack.server().map(str::to_owned) else { return };
        let (machine, people) = stack.clients.clone().unwrap_or_default();
        self.services.remove(&server);
        self.secrets.remove(&secret_of(&server));
        // A client that a rotation has made in its place stays behind, as on AWS.
        self.clients.remove(&machine);
        self.clients.remove(&people);
    }

    pub(super) fn tick_stacks(&mut self) {
        let over: Vec<usize> = (0..self.stacks.len()).filter(|&index| self.stacks[index].busy()).collect();
        for index in over {
            if self.waits(index) {
                continue;
            }
            self.stacks[index].left = self.stacks[index].left.saturating_sub(1);
            if self.stacks[index].left > 0 {
                continue;
            }
            self.end_change(index);
        }
        let gone = |stack: &Stack| stack.status == "DELETE_COMPLETE";
        let names: Vec<String> =
            self.stacks.iter().filter(|stack| gone(stack)).map(|stack| stack.name.clone()).collect();
        // The change sets of a stack go with it.
        self.change_sets.retain(|set| !names.contains(&set.stack));
        if names.iter().any(|name| name.ends_with("-platform")) {
            self.tags.clear();
        }
        self.stacks.retain(|stack| !gone(stack));
    }

    fn find_stack(&self, name: &str) -> Option<usize> {
        self.stacks.iter().position(|stack| stack.id == name || stack.name == name)
    }

    #[allow(clippy::too_many_lines, reason = "one arm for each call of the API")]
    pub(super) fn cloudformation_call(
        &mut self,
        call: &str,
        body: &str,
        operator: &str,
        (region, url): (&str, &str),
    ) -> Option<Reply> {
        if !body.contains("Version=2010-05-15") {
            return None;
        }
        let form = form(body);
        let text = |key: &str| form.get(key).cloned().unwrap_or_default();
        let name = text("StackName");
        let absent = || error("ValidationError", &format!("Stack with id {name} does not exist"));
        let at = self.find_stack(&name);
        Some(match call {
            "DescribeStacks" if name.is_empty() && self.denies_listing => {
                error("AccessDenied", "not authorized to perform: cloudformation:DescribeStacks on resource: *")
            }
            "DescribeStacks" if name.is_empty() => {
                // A region lists its own, and the edge lies in another than the rest.
                let own = |stack: &&Stack| (region == EDGE_REGION) == stack.name.ends_with("-edge");
                let all: String = self.stacks.iter().filter(own).map(|stack| stack.described(url)).collect();
                done(call, &format!("<Stacks>{all}</Stacks>"))
            }
            "DescribeStacks" => match at {
                Some(at) => done(call, &format!("<Stacks>{}</Stacks>", self.stacks[at].described(url))),
                None => absent(),
            },
            "DescribeStackEvents" => {
                let Some(at) = at else { return Some(absent()) };
                let stack = &self.stacks[at];
                let event = |(index, event): (usize, &Event)| {
                    let Event { at, resource, status, reason, token } = event;
                    let (id, kind) = resource.unwrap_or((stack.name.as_str(), "AWS::CloudFormation::Stack"));
                    format!(
                        "<member><EventId>{index}</EventId><StackId>{}</StackId><StackName>{}</StackName>\
                         <LogicalResourceId>{id}</LogicalResourceId><ResourceType>{kind}</ResourceType>\
                         <Timestamp>{at}</Timestamp><ResourceStatus>{status}</ResourceStatus>\
                         <ResourceStatusReason>{reason}</ResourceStatusReason>\
                         <ClientRequestToken>{token}</ClientRequestToken></member>",
                        stack.id, stack.name
                    )
                };
                let events: String = stack.events.iter().enumerate().rev().map(event).collect();
                done(call, &format!("<StackEvents>{events}</StackEvents>"))
            }
            "DescribeEvents" if self.denies_listing => {
                error("AccessDenied", "not authorized to perform: cloudformation:DescribeEvents")
            }
            "DescribeEvents" => {
                // Only the whole ARN of a change set finds its events.
                let wanted = text("ChangeSetName");
                let Some(set) = self.change_sets.iter().find(|set| set.id == wanted) else {
                    return Some(error("ChangeSetNotFound", &wanted));
                };
                let event = set.invalid.map(|why| {
                    format!(
                        "<member><EventId>1</EventId><EventType>VALIDATION_ERROR</EventType>\
                         <LogicalResourceId>LogGroup</LogicalResourceId><ResourceType>AWS::Logs::LogGroup</ResourceType>\
                         <ValidationName>NAME_CONFLICT_VALIDATION</ValidationName><ValidationStatus>FAILED</ValidationStatus>\
                         <ValidationStatusReason>{why}</ValidationStatusReason>\
                         <ValidationPath>/Resources/LogGroup/Properties/LogGroupName</ValidationPath></member>"
                    )
                });
                done(call, &format!("<OperationEvents>{}</OperationEvents>", event.unwrap_or_default()))
            }
            "ListStackResources" => {
                let Some(at) = at else { return Some(absent()) };
                let all = self.stacks[at].resources();
                done(call, &format!("<StackResourceSummaries>{all}</StackResourceSummaries>"))
            }
            "DeleteStack" if at.is_some_and(|at| self.stacks[at].termination_protection) => error(
                "ValidationError",
                &format!("Stack [{name}] cannot be deleted while TerminationProtection is enabled"),
            ),
            "DeleteStack" => {
                if let Some(at) = at.filter(|at| self.stacks[*at].status != "DELETE_IN_PROGRESS") {
                    if self.stacks[at].status == "REVIEW_IN_PROGRESS" {
                        self.stacks.remove(at);
                    } else if self.stacks[at].deleted_with(&text("ClientRequestToken")) {
                        // DeleteStack, "Errors".
                        return Some(error("TokenAlreadyExistsException", "A client request token already exists"));
                    } else {
                        let now = self.time();
                        let stack = &mut self.stacks[at];
                        (stack.status, stack.left) = ("DELETE_IN_PROGRESS".into(), CHANGE);
                        stack.role = form.get("RoleARN").cloned().or_else(|| stack.role.take());
                        stack.note(now, &text("ClientRequestToken"));
                        let id = stack.id.clone();
                        self.wrote(operator, format!("delete stack {id}"));
                    }
                }
                done(call, "")
            }
            "CancelUpdateStack" | "ContinueUpdateRollback" if at.is_none() => absent(),
            "CancelUpdateStack" => self.cancel_update(at?, &text("ClientRequestToken"), operator),
            "ContinueUpdateRollback" => self.continue_rollback(at?, &form, operator),
            "CreateChangeSet" => self.create_change_set(&form, &name, at),
            "DescribeChangeSet" | "ExecuteChangeSet" | "DeleteChangeSet" => {
                let wanted = text("ChangeSetName");
                let found = self
                    .change_sets
                    .iter()
                    .position(|one| one.id == wanted || (one.name == wanted && one.stack == name));
                let Some(found) = found else {
                    let message = format!("ChangeSet [{wanted}] does not exist");
                    return Some(if call == "DeleteChangeSet" {
                        done(call, "")
                    } else {
                        error("ChangeSetNotFound", &message)
                    });
                };
                match call {
                    "DeleteChangeSet" => {
                        self.change_sets.remove(found);
                        done(call, "")
                    }
                    "DescribeChangeSet" => {
                        let set = &self.change_sets[found];
                        let failed = |why: &str| format!("<Status>FAILED</Status><StatusReason>{why}</StatusReason>");
                        let status = match (set.invalid, set.nothing) {
                            (Some(_), _) => failed(INVALID),
                            (None, true) => failed(
                                "The submitted information didn't contain changes. Submit different information to \
                                 create a change set.",
                            ),
                            (None, false) => {
                                "<Status>CREATE_COMPLETE</Status><ExecutionStatus>AVAILABLE</ExecutionStatus>".into()
                            }
                        };
                        let changes = self.changes(set);
                        done(
                            call,
                            &format!("<ChangeSetId>{}</ChangeSetId>{status}<Changes>{changes}</Changes>", set.id),
                        )
                    }
                    _ => self.execute(found, &text("ClientRequestToken"), operator),
                }
            }
            "ListChangeSets" => {
                let of = self.change_sets.iter().filter(|set| set.stack == name);
                let row = |set: &ChangeSet| {
                    format!(
                        "<member><ChangeSetId>{}</ChangeSetId><ChangeSetName>{}</ChangeSetName></member>",
                        set.id, set.name
                    )
                };
                done(call, &format!("<Summaries>{}</Summaries>", of.map(row).collect::<String>()))
            }
            other => error("InvalidAction", other),
        })
    }

    fn create_change_set(&mut self, form: &BTreeMap<String, String>, stack: &str, at: Option<usize>) -> Reply {
        let text = |key: &str| form.get(key).cloned().unwrap_or_default();
        let create = text("ChangeSetType") == "CREATE";
        let exists = at.is_some_and(|at| self.stacks[at].exists());
        if at.is_some_and(|at| self.stacks[at].busy()) || exists == create {
            return error("ValidationError", &format!("Stack [{stack}] is in a state that does not allow this"));
        }
        if create && form.contains_key("UsePreviousTemplate") {
            return error("ValidationError", "TemplateBody or TemplateURL is required");
        }
        let mut parameters = BTreeMap::from([("Environment".to_owned(), ENVIRONMENT.to_owned())]);
        for index in 1.. {
            let Some(key) = form.get(&format!("Parameters.member.{index}.ParameterKey")) else { break };
            let before = at.and_then(|at| self.stacks[at].parameters.get(key).cloned());
            match form.get(&format!("Parameters.member.{index}.UsePreviousValue")) {
                // A parameter that the stack never had takes its default.
                Some(_) => parameters.extend(before.map(|value| (key.clone(), value))),
                None => {
                    drop(parameters.insert(key.clone(), text(&format!("Parameters.member.{index}.ParameterValue"))))
                }
            }
        }
        let tags = |prefix: String| form.get(&format!("{prefix}.Key")).cloned();
        let tags: Vec<String> = (1..).map_while(|index| tags(format!("Tags.member.{index}"))).collect();
        // Only what the tests change is compared; the stacks of the beginning have no other parameters.
        let telling = |all: &BTreeMap<String, String>| TELLING.map(|key| all.get(key).cloned());
        let nothing = at.filter(|_| exists).is_some_and(|at| {
            let now = telling(&self.stacks[at].parameters);
            let new = telling(&parameters);
            now.iter()
                .zip(&new)
                .all(|(now, new)| new.is_none() || now == new || (now.is_none() && new.as_deref() == Some("512")))
        });
        let number = self.id();
        let name = text("ChangeSetName");
        let invalid = self.invalid.take();
        if !exists && at.is_none() {
            let (id, made) = (format!("{STACK_ARN}/{stack}/review{number}"), self.time());
            self.stacks.push(Stack::new(stack, id, "REVIEW_IN_PROGRESS", parameters.clone(), made));
        }
        let id = format!("arn:aws:cloudformation:eu-central-1:123456789012:changeSet/{name}/{number}");
        self.change_sets.push(ChangeSet {
            id: id.clone(),
            name,
            stack: stack.to_owned(),
            parameters,
            role: form.get("RoleARN").cloned(),
            // An empty list takes the tags away; without one they stay.
            tags: (form.contains_key("Tags") || !tags.is_empty()).then_some(tags),
            nothing,
            invalid,
        });
        done("CreateChangeSet", &format!("<Id>{id}</Id>"))
    }

    /// What a change set would do, where a test tells.
    fn changes(&self, set: &ChangeSet) -> String {
        let Some(at) = self.find_stack(&set.stack).filter(|at| self.stacks[*at].exists()) else { return String::new() };
        let differs = |key: &str| self.stacks[at].parameters.get(key) != set.parameters.get(key);
        if !self.stacks[at].parameters.contains_key("ServerName") || !differs("Memory") {
            return String::new();
        }
        // As a task definition is replaced: the old one stays, for a rollback.
        "<member><Type>Resource</Type><ResourceChange><PolicyAction>ReplaceAndRetain</PolicyAction>\
         <Action>Modify</Action><LogicalResourceId>TaskDefinition</LogicalResourceId>\
         <ResourceType>AWS::ECS::TaskDefinition</ResourceType><Replacement>True</Replacement>\
         <Scope><member>Properties</member></Scope></ResourceChange></member>"
            .to_owned()
    }

    fn execute(&mut self, found: usize, token: &str, operator: &str) -> Reply {
        let set = self.change_sets[found].clone();
        let at = self.find_stack(&set.stack);
        if at.is_some_and(|at| self.stacks[at].busy()) || set.nothing || set.invalid.is_some() {
            return error("InvalidChangeSetStatus", "the change set cannot be executed");
        }
        // All change sets of a stack go when one of them is executed.
        self.change_sets.retain(|other| other.stack != set.stack);
        match at.filter(|at| self.stacks[*at].exists()) {
            None => {
                self.stacks.retain(|stack| stack.name != set.stack);
                let protected = set.parameters.get("DeletionProtection").map(|on| format!(", protection {on}"));
                self.make_stack(&set.stack, set.parameters, token);
                let made = self.stacks.last_mut().expect("it was made");
                (made.role, made.tags) = (set.role, set.tags.unwrap_or_default());
                let protected = protected.unwrap_or_default();
                self.wrote(operator, format!("create stack {}{protected}", set.stack));
            }
            Some(at) => {
                let now = self.time();
                let stack = &mut self.stacks[at];
                (stack.status, stack.left, stack.updated) = ("UPDATE_IN_PROGRESS".into(), CHANGE, Some(now));
                stack.note(now, token);
                stack.role = set.role.or_else(|| stack.role.take());
                stack.tags = set.tags.unwrap_or_else(|| std::mem::take(&mut stack.tags));
                let switched = stack.parameters.get("DeletionProtection") != set.parameters.get("DeletionProtection");
                let memory = stack.parameters.get("Memory") != set.parameters.get("Memory");
                let counts =
                    ["MinCount", "MaxCount"].iter().any(|key| stack.parameters.get(*key) != set.parameters.get(*key));
                let protection = set.parameters.get("DeletionProtection").filter(|_| switched);
                let protection = protection.map(|on| format!(", protection {on}")).unwrap_or_default();
                stack.before = Some(std::mem::replace(&mut stack.parameters, set.parameters));
                stack.unprotected.clear();
                let server = stack.server().map(str::to_owned);
                let count = stack.parameters.get("MinCount").and_then(|count| count.parse().ok());
                if let Some(server) = server {
                    if let (true, Some(count), Some(service)) = (counts, count, self.services.get_mut(&server)) {
                        service.desired = count;
                    }
                    if memory {
                        if let Some(service) = self.services.get_mut(&server) {
                            service.revision += 1;
                            let stack = self.stacks.iter_mut().find(|stack| stack.server() == Some(server.as_str()));
                            let named = stack.and_then(|stack| stack.definition.as_mut());
                            named.into_iter().for_each(|named| *named = definition(&server, service.revision));
                        }
                        self.deploy_service(&server);
                    }
                }
                self.wrote(operator, format!("update stack {}{protection}", set.stack));
            }
        }
        done("ExecuteChangeSet", "")
    }
}
