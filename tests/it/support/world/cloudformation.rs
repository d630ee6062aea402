//! CloudFormation: stacks whose changes go on from tick to tick, and change sets that another change voids.

use std::collections::BTreeMap;
use std::fmt::Write;

use jiff::Timestamp;

use super::super::scripted::Reply;
use super::{ENVIRONMENT, POOL, State, secret_of};

#[derive(Debug, Clone)]
pub struct Stack {
    pub name: String,
    pub id: String,
    pub status: String,
    pub parameters: BTreeMap<String, String>,
    made: Timestamp,
    updated: Option<Timestamp>,
    /// Times, statuses and client request tokens, the oldest first.
    events: Vec<(Timestamp, String, String)>,
    /// Ticks until the change under way is over.
    left: u32,
    /// Clients that the stack made: for machines and for people.
    clients: Option<(String, String)>,
}

#[derive(Debug, Clone)]
pub(super) struct ChangeSet {
    id: String,
    name: String,
    stack: String,
    parameters: BTreeMap<String, String>,
    /// Why it is empty, if it is.
    nothing: bool,
}

impl Stack {
    pub fn exists(&self) -> bool {
        self.status != "DELETE_COMPLETE" && self.status != "REVIEW_IN_PROGRESS"
    }

    fn busy(&self) -> bool {
        self.status.ends_with("_IN_PROGRESS") && self.status != "REVIEW_IN_PROGRESS"
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
        if self.name.ends_with("-platform") {
            outputs.insert("UserPoolId", POOL.to_owned());
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
             <CreationTime>{}</CreationTime>{updated}{}{}</member>",
            self.name,
            self.id,
            self.status,
            self.made,
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
    "ServiceSecurityGroupId",
    "UserPoolArn",
    "VpcCidr",
    "VpcId",
    "WebAclArn",
];

/// Ticks that a change of a stack takes.
const CHANGE: u32 = 2;

fn error(code: &str, message: &str) -> Reply {
    let body = format!("<ErrorResponse><Error><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>");
    Reply::Answer(400, body)
}

fn done(call: &str, inner: &str) -> Reply {
    Reply::Answer(200, format!("<{call}Response><{call}Result>{inner}</{call}Result></{call}Response>"))
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
            self.make_stack(&format!("quarterdeck-{ENVIRONMENT}-{part}"), BTreeMap::new(), "old");
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
        let status = "CREATE_IN_PROGRESS".to_owned();
        let mut stack = Stack {
            name: name.to_owned(),
            id: format!("arn:aws:cloudformation:eu-central-1:123456789012:stack/{name}/{number}"),
            events: vec![(made, status.clone(), token.to_owned())],
            status,
            parameters,
            made,
            updated: None,
            left: CHANGE,
            clients: None,
        };
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

    pub(super) fn tick_stacks(&mut self) {
        let over: Vec<usize> = (0..self.stacks.len()).filter(|&index| self.stacks[index].busy()).collect();
        for index in over {
            self.stacks[index].left = self.stacks[index].left.saturating_sub(1);
            if self.stacks[index].left > 0 {
                continue;
            }
            let at = self.time();
            let stack = &mut self.stacks[index];
            stack.status = stack.status.replace("IN_PROGRESS", "COMPLETE");
            let token = stack.events.last().map(|event| event.2.clone()).unwrap_or_default();
            stack.events.push((at, stack.status.clone(), token));
            let (gone, server, clients) =
                (stack.status == "DELETE_COMPLETE", stack.server().map(str::to_owned), stack.clients.clone());
            if let (true, Some(server)) = (gone, server) {
                self.services.remove(&server);
                self.secrets.remove(&secret_of(&server));
                let (machine, people) = clients.unwrap_or_default();
                // A client that a rotation has made in its place stays behind, as on AWS.
                self.clients.remove(&machine);
                self.clients.remove(&people);
            }
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
    pub(super) fn cloudformation_call(&mut self, call: &str, body: &str, operator: &str, url: &str) -> Option<Reply> {
        if !body.contains("Version=2010-05-15") {
            return None;
        }
        let form: BTreeMap<String, String> = body
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            // The templates are long, and what is in them does not matter.
            .filter(|(key, _)| *key != "TemplateBody")
            .map(|(key, value)| (decoded(key), decoded(value)))
            .collect();
        let text = |key: &str| form.get(key).cloned().unwrap_or_default();
        let name = text("StackName");
        let absent = || error("ValidationError", &format!("Stack with id {name} does not exist"));
        let at = self.find_stack(&name);
        Some(match call {
            "DescribeStacks" if name.is_empty() => {
                let all: String = self.stacks.iter().map(|stack| stack.described(url)).collect();
                done(call, &format!("<Stacks>{all}</Stacks>"))
            }
            "DescribeStacks" => match at {
                Some(at) => done(call, &format!("<Stacks>{}</Stacks>", self.stacks[at].described(url))),
                None => absent(),
            },
            "DescribeStackEvents" => {
                let Some(at) = at else { return Some(absent()) };
                let stack = &self.stacks[at];
                let event = |(index, (at, status, token)): (usize, &(Timestamp, String, String))| {
                    format!(
                        "<member><EventId>{index}</EventId><StackId>{}</StackId><StackName>{}</StackName>\
                         <LogicalResourceId>{}</LogicalResourceId><ResourceType>AWS::CloudFormation::Stack</ResourceType>\
                         <Timestamp>{at}</Timestamp><ResourceStatus>{status}</ResourceStatus>\
                         <ClientRequestToken>{token}</ClientRequestToken></member>",
                        stack.id, stack.name, stack.name
                    )
                };
                let events: String = stack.events.iter().enumerate().rev().map(event).collect();
                done(call, &format!("<StackEvents>{events}</StackEvents>"))
            }
            "ListStackResources" => done(call, "<StackResourceSummaries></StackResourceSummaries>"),
            "DeleteStack" => {
                if let Some(at) = at.filter(|at| self.stacks[*at].status != "DELETE_IN_PROGRESS") {
                    if self.stacks[at].status == "REVIEW_IN_PROGRESS" {
                        self.stacks.remove(at);
                    } else {
                        let now = self.time();
                        let stack = &mut self.stacks[at];
                        (stack.status, stack.left) = ("DELETE_IN_PROGRESS".into(), CHANGE);
                        stack.events.push((now, stack.status.clone(), text("ClientRequestToken")));
                        let id = stack.id.clone();
                        self.wrote(operator, format!("delete stack {id}"));
                    }
                }
                done(call, "")
            }
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
                        let status = if set.nothing {
                            "<Status>FAILED</Status><StatusReason>The submitted information didn't contain changes.</StatusReason>"
                        } else {
                            "<Status>CREATE_COMPLETE</Status><ExecutionStatus>AVAILABLE</ExecutionStatus>"
                        };
                        done(call, &format!("<ChangeSetId>{}</ChangeSetId>{status}<Changes></Changes>", set.id))
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
        let mut parameters = BTreeMap::from([("Environment".to_owned(), ENVIRONMENT.to_owned())]);
        for index in 1.. {
            let Some(key) = form.get(&format!("Parameters.member.{index}.ParameterKey")) else { break };
            let kept = form.contains_key(&format!("Parameters.member.{index}.UsePreviousValue"));
            let in_force = at.and_then(|at| self.stacks[at].parameters.get(key).cloned()).unwrap_or_default();
            let given = text(&format!("Parameters.member.{index}.ParameterValue"));
            parameters.insert(key.clone(), if kept { in_force } else { given });
        }
        // Only what the tests change is compared; the stacks of the beginning have no other parameters.
        let telling =
            |all: &BTreeMap<String, String>| ["MinCount", "MaxCount", "Memory"].map(|key| all.get(key).cloned());
        let nothing = at.filter(|_| exists).is_some_and(|at| {
            let now = telling(&self.stacks[at].parameters);
            let new = telling(&parameters);
            now.iter()
                .zip(&new)
                .all(|(now, new)| new.is_none() || now == new || (now.is_none() && new.as_deref() == Some("512")))
        });
        let number = self.id();
        let name = text("ChangeSetName");
        if !exists && at.is_none() {
            let made = self.time();
            self.stacks.push(Stack {
                name: stack.to_owned(),
                id: format!("arn:aws:cloudformation:eu-central-1:123456789012:stack/{stack}/review{number}"),
                status: "REVIEW_IN_PROGRESS".into(),
                parameters: parameters.clone(),
                made,
                updated: None,
                events: Vec::new(),
                left: 0,
                clients: None,
            });
        }
        let id = format!("arn:aws:cloudformation:eu-central-1:123456789012:changeSet/{name}/{number}");
        self.change_sets.push(ChangeSet { id: id.clone(), name, stack: stack.to_owned(), parameters, nothing });
        done("CreateChangeSet", &format!("<Id>{id}</Id>"))
    }

    fn execute(&mut self, found: usize, token: &str, operator: &str) -> Reply {
        let set = self.change_sets[found].clone();
        let at = self.find_stack(&set.stack);
        if at.is_some_and(|at| self.stacks[at].busy()) || set.nothing {
            return error("InvalidChangeSetStatus", "the change set cannot be executed");
        }
        // All change sets of a stack go when one of them is executed.
        self.change_sets.retain(|other| other.stack != set.stack);
        match at.filter(|at| self.stacks[*at].exists()) {
            None => {
                self.stacks.retain(|stack| stack.name != set.stack);
                self.make_stack(&set.stack, set.parameters, token);
                self.wrote(operator, format!("create stack {}", set.stack));
            }
            Some(at) => {
                let now = self.time();
                let stack = &mut self.stacks[at];
                (stack.status, stack.left, stack.updated) = ("UPDATE_IN_PROGRESS".into(), CHANGE, Some(now));
                stack.events.push((now, stack.status.clone(), token.to_owned()));
                let memory = stack.parameters.get("Memory") != set.parameters.get("Memory");
                let counts =
                    ["MinCount", "MaxCount"].iter().any(|key| stack.parameters.get(*key) != set.parameters.get(*key));
                stack.parameters = set.parameters;
                let server = stack.server().map(str::to_owned);
                let count = stack.parameters.get("MinCount").and_then(|count| count.parse().ok());
                if let Some(server) = server {
                    if let (true, Some(count), Some(service)) = (counts, count, self.services.get_mut(&server)) {
                        service.desired = count;
                    }
                    if memory {
                        if let Some(service) = self.services.get_mut(&server) {
                            service.revision += 1;
                        }
                        self.deploy_service(&server);
                    }
                }
                self.wrote(operator, format!("update stack {}", set.stack));
            }
        }
        done("ExecuteChangeSet", "")
    }
}
