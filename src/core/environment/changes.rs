//! What a deploy cannot change, and what it should not change unseen.
//!
//! CloudFormation would refuse the first after minutes, halfway through, and sometimes not be able to go
//! back. Both are told in the plan, before anything is written.

mod app;
mod front;
mod images;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

pub use app::app_changes;
pub use front::check_front;
pub use images::{Needed, needed_images};

use super::stacks::stands;
use super::{Environment, Template, limits, names, zones};
use crate::core::error::{ErrorKind, Refusal};
use crate::core::operation::deploy::{ParameterValue, StackDeploy};
use crate::core::stack::Stack;

/// Managed login styles of a user pool, one for each client (Cognito quotas; not adjustable).
const MOST_STYLES: usize = 20;
/// Resource servers of a user pool, one for each server (Cognito quotas, L-7CDAF993): by default, and at most.
const USUAL_RESOURCE_SERVERS: usize = 25;
const MOST_RESOURCE_SERVERS: usize = 300;
/// Target groups and rules of a load balancer, one for each server (ELB quotas).
const USUAL_RULES: usize = 100;

/// Refuses a deploy that CloudFormation or a service would refuse halfway through.
///
/// # Errors
/// Says what cannot be changed or is too much, why, and the way out.
pub fn check_changes(environment: &Environment, planned: &[StackDeploy], deployed: &[Stack]) -> Result<(), Refusal> {
    let before = Before { environment, deployed };
    for deploy in planned {
        let Some(stack) = before.of(deploy) else { continue };
        let after = After { deploy, stack: Some(stack) };
        FIXED.iter().filter(|fixed| fixed.template == deploy.template).try_for_each(|fixed| fixed.check(&after))?;
        check_zones(&after)?;
        check_prefix(environment, &after)?;
        before.check_vpc(&after)?;
    }
    check_sizes(&before, planned)?;
    check_routes(&before, planned)?;
    check_counts(&before, planned)
}

/// What the operator should know of before a deploy changes it.
pub fn cautions(environment: &Environment, planned: &[StackDeploy], deployed: &[Stack]) -> Vec<String> {
    let before = Before { environment, deployed };
    let mut all = Vec::new();
    for deploy in planned {
        let after = After { deploy, stack: before.of(deploy) };
        match deploy.template {
            Template::Network => all.extend(network_cautions(environment, &after)),
            Template::Platform => all.extend(platform_cautions(&after)),
            Template::Server => {
                all.extend(path_caution(&after));
                all.extend(front::caution(&after, environment));
                all.extend(front::session_caution(&after, environment));
            }
            Template::Edge | Template::Repository => {}
        }
    }
    all.extend(front::rewritten(&before, planned));
    let servers = before.servers(planned).len();
    if servers > USUAL_RESOURCE_SERVERS {
        all.push(format!(
            "{servers} servers: a user pool has {USUAL_RESOURCE_SERVERS} resource servers unless its quota \
             L-7CDAF993 was raised; the next one is refused"
        ));
    }
    if servers > USUAL_RULES {
        all.push(format!(
            "{servers} servers: a load balancer has {USUAL_RULES} rules and as many target groups unless its quotas \
             were raised"
        ));
    }
    all
}

/// The stacks that there are.
struct Before<'a> {
    environment: &'a Environment,
    deployed: &'a [Stack],
}

/// A stack as it is, and as the deploy leaves it.
struct After<'a> {
    deploy: &'a StackDeploy,
    /// `None` where it is made anew.
    stack: Option<&'a Stack>,
}

impl After<'_> {
    /// A parameter in force; what an earlier template did where the stack is of one that lacks it.
    fn was(&self, parameter: &str) -> Option<&str> {
        let in_force = self.stack?.parameters.get(parameter).map(String::as_str);
        in_force.or_else(|| match parameter {
            "CapacityProviders" => Some("with-cluster"),
            _ => self.deploy.template.default_of(parameter),
        })
    }

    /// What it will be; `None` where another stack gives it.
    fn will_be(&self, parameter: &str) -> Option<&str> {
        match self.deploy.inputs.get(parameter) {
            Some(ParameterValue::Value(value)) => Some(value),
            Some(ParameterValue::Output { .. }) => None,
            None if self.stack.is_some() => self.was(parameter),
            None => self.deploy.template.default_of(parameter),
        }
    }

    /// The value before and after, where both are known and another.
    fn change(&self, parameter: &str) -> Option<(&str, &str)> {
        let (was, will_be) = (self.was(parameter)?, self.will_be(parameter)?);
        (was != will_be).then_some((was, will_be))
    }

    fn name(&self) -> &str {
        &self.deploy.stack.name
    }
}

/// A parameter that is chosen when its stack is made.
struct Fixed {
    template: Template,
    parameter: &'static str,
    /// In `quarterdeck.toml`.
    key: &'static str,
    /// The one change that is refused, from and to; `None` refuses every change.
    only: Option<(&'static str, &'static str)>,
    why: &'static str,
}

const FIXED: [Fixed; 5] = [
    Fixed {
        template: Template::Platform,
        parameter: "OriginMode",
        key: "platform.origin",
        only: None,
        why: "a load balancer cannot become internal or public, its name allows no second one beside it, and the \
              servers' target groups cannot leave it",
    },
    Fixed {
        template: Template::Platform,
        parameter: "Encryption",
        key: "platform.encryption",
        only: Some(("true", "false")),
        why: "the key would be switched off while logs, secrets and alarms still need it",
    },
    Fixed {
        template: Template::Platform,
        parameter: "CapacityProviders",
        key: "platform.capacity_providers",
        only: None,
        why: "capacity providers cannot be taken off a cluster whose services use them",
    },
    Fixed {
        template: Template::Network,
        parameter: "VpcCidr",
        key: "network.cidr",
        only: None,
        why: "a VPC keeps its address range, and everything lives in it",
    },
    Fixed {
        template: Template::Server,
        parameter: "KeepLogs",
        key: "server.keep_logs",
        only: None,
        why: "the log group would have to be there twice, under one name",
    },
];

impl Fixed {
    fn check(&self, after: &After<'_>) -> Result<(), Refusal> {
        match after.change(self.parameter) {
            Some(change) if self.only.is_none_or(|only| only == change) => {
                Err(fixed(after, self.key, change, self.why))
            }
            _ => Ok(()),
        }
    }
}

/// The refusal of a change to what is chosen when the stack is made.
fn fixed(after: &After<'_>, key: &str, (was, will_be): (&str, &str), why: &str) -> Refusal {
    let word = |value: &str| if value.is_empty() { "its default".to_owned() } else { format!("{value:?}") };
    let key = match after.will_be("ServerName") {
        Some(server) => key.replacen("server", &format!("server.{server}"), 1),
        None => key.to_owned(),
    };
    let message = format!("{key} of {} is {} and cannot become {}: {why}", after.name(), word(was), word(will_be));
    let way_out = match after.deploy.template {
        Template::Server => format!("set {key} back, or deploy the server under another name and take this one away"),
        _ => format!(
            "set {key} back, or leave the line out; to have it otherwise, deploy an environment of another name, \
             let clients move there, and destroy this one"
        ),
    };
    Refusal::new(ErrorKind::Invalid, message).with_hint(way_out)
}

/// Subnets cannot move: a zone that is in use stays. A third one may come.
fn check_zones(after: &After<'_>) -> Result<(), Refusal> {
    if after.deploy.template != Template::Network {
        return Ok(());
    }
    let third = after.was("ZoneCount") == Some("3") && after.will_be("ZoneCount") == Some("3");
    let parameters = ["ZoneA", "ZoneB"].into_iter().chain(third.then_some("ZoneC"));
    let key = if after.will_be("ZonesBy") == Some("id") { "network.zone_ids" } else { "network.zone_names" };
    let why = "a subnet stays in its zone, and its addresses are taken while it is there";
    match parameters.filter_map(|parameter| after.change(parameter)).next() {
        Some(change) => Err(fixed(after, key, change, why)),
        None => Ok(()),
    }
}

/// A pool has one domain, so that a second cannot be made before the first goes.
fn check_prefix(environment: &Environment, after: &After<'_>) -> Result<(), Refusal> {
    let Some((was, will_be)) = after.change("CognitoDomainPrefix") else { return Ok(()) };
    let account = after.stack.and_then(|stack| stack.arn.split(':').nth(4)).unwrap_or_default();
    let default = format!("{}-{account}", names::cluster(&environment.environment));
    let full = |prefix: &str| if prefix.is_empty() { default.clone() } else { prefix.to_owned() };
    if full(was) == full(will_be) {
        return Ok(());
    }
    let why = "a user pool has one domain, and the new one would be made before the old one goes";
    Err(fixed(after, "platform.cognito_domain_prefix", (&full(was), &full(will_be)), why))
}

/// Whether Fargate has tasks of the size that the file and what is in force make together.
fn check_sizes(before: &Before<'_>, planned: &[StackDeploy]) -> Result<(), Refusal> {
    for deploy in planned.iter().filter(|deploy| deploy.template == Template::Server) {
        let after = After { deploy, stack: before.of(deploy) };
        let number = |parameter| after.will_be(parameter)?.parse::<u32>().ok();
        let (Some(cpu), Some(memory)) = (number("Cpu"), number("Memory")) else { continue };
        limits::check_size(cpu, memory).map_err(|why| {
            let message = format!("the memory of {} in force: {why}", after.name());
            Refusal::new(ErrorKind::Invalid, message).with_hint("give both cpu and memory of the server")
        })?;
    }
    Ok(())
}

/// What a server has for itself on the listener and in the pool, after the deploy.
struct Place {
    path: String,
    priority: Option<u32>,
    managed_login: bool,
    /// Whether this deploy is about it.
    planned: bool,
}

impl Place {
    fn of(after: &After<'_>, planned: bool) -> Option<(String, Self)> {
        let place = Self {
            path: after.will_be("Path")?.to_owned(),
            priority: after.will_be("Priority").and_then(|text| text.parse().ok()),
            managed_login: after.will_be("ManagedLogin") == Some("true"),
            planned,
        };
        Some((after.will_be("ServerName")?.to_owned(), place))
    }

    /// Whether requests for one of the two would reach the other.
    fn overlaps(&self, other: &Self) -> bool {
        let below = |path: &str, other: &str| path == other || path.starts_with(&format!("{other}/"));
        below(&self.path, &other.path) || below(&other.path, &self.path)
    }
}

impl Before<'_> {
    /// The deployed stack that a deploy updates.
    fn of(&self, deploy: &StackDeploy) -> Option<&Stack> {
        self.deployed.iter().find(|stack| stack.id == deploy.stack && stands(stack))
    }

    /// All servers after the deploy, by name: those that it is about, and those that stay beside them.
    fn servers(&self, planned: &[StackDeploy]) -> BTreeMap<String, Place> {
        let in_force = |stack: &Stack| {
            let value = |key: &str| stack.parameters.get(key);
            let place = Place {
                path: value("Path")?.clone(),
                priority: value("Priority").and_then(|text| text.parse().ok()),
                managed_login: value("ManagedLogin").is_some_and(|word| word == "true"),
                planned: false,
            };
            Some((value("ServerName")?.clone(), place))
        };
        let stay = self.deployed.iter().filter(|stack| stands(stack)).filter_map(in_force);
        let deploys = planned.iter().filter(|deploy| deploy.template == Template::Server);
        let leave = deploys.filter_map(|deploy| Place::of(&After { deploy, stack: self.of(deploy) }, true));
        stay.chain(leave).collect()
    }

    /// A load balancer, its groups and its targets cannot move to another VPC.
    fn check_vpc(&self, after: &After<'_>) -> Result<(), Refusal> {
        let Some(was) = after.was("VpcId").filter(|_| after.deploy.template == Template::Platform) else {
            return Ok(());
        };
        let network = names::stack(&self.environment.environment, "network");
        let made = self.deployed.iter().find(|stack| stack.id.name == network && stands(stack));
        let becomes = match after.deploy.inputs.get("VpcId") {
            Some(ParameterValue::Value(vpc)) => vpc.as_str(),
            Some(ParameterValue::Output { .. }) => match made {
                Some(network) => network.outputs.get("VpcId").map_or(was, String::as_str),
                // Only a network of ours tells its range. Where its stack is gone, there is no way back to it.
                None if after.was("VpcCidr").is_some_and(|range| !range.is_empty()) => was,
                None => "a new one",
            },
            None => was,
        };
        if was == becomes {
            return Ok(());
        }
        let name = after.name();
        let message =
            format!("{name} lives in the VPC {was} and cannot move to {becomes}: a load balancer stays where it is");
        let way_out = match made {
            Some(_) => "leave vpc out under [network]".to_owned(),
            None => format!("set vpc = {was:?} under [network], with its subnets"),
        };
        let other = "to have it otherwise, deploy an environment of another name, and destroy this one";
        Err(Refusal::new(ErrorKind::Invalid, message).with_hint(format!("{way_out}; {other}")))
    }

    /// The server, other than this one, that has the priority now.
    fn holder(&self, server: &str, priority: Option<u32>) -> Option<&str> {
        let wanted = priority?.to_string();
        let holds = |stack: &&Stack| stands(stack) && stack.parameters.get("Priority") == Some(&wanted);
        let names = self.deployed.iter().filter(holds).filter_map(|stack| stack.parameters.get("ServerName"));
        names.map(String::as_str).find(|name| *name != server)
    }
}

/// Each path and each priority belongs to one server, also to one that this deploy is not about.
fn check_routes(before: &Before<'_>, planned: &[StackDeploy]) -> Result<(), Refusal> {
    let all = before.servers(planned);
    for (server, place) in all.iter().filter(|(_, place)| place.planned) {
        let taken = |what: String, owner: &str, key: &str| {
            let message = format!("server {server} cannot have the {what}: {owner} has it");
            let way_out = format!("set server.{server}.{key} to one of its own, or take {owner} away first");
            Err(Refusal::new(ErrorKind::Invalid, message).with_hint(way_out))
        };
        let others = || all.iter().filter(|(name, _)| *name != server);
        if let Some((owner, other)) = others().find(|(_, other)| place.overlaps(other)) {
            return taken(format!("path {} beside {}", place.path, other.path), owner, "path");
        }
        let next = others().find(|(_, other)| place.priority.is_some() && place.priority == other.priority);
        let owner = next.map(|(name, _)| name.as_str()).or_else(|| before.holder(server, place.priority));
        if let Some(owner) = owner {
            return taken(format!("listener priority {}", place.priority.unwrap_or_default()), owner, "priority");
        }
    }
    Ok(())
}

/// What one user pool can hold.
fn check_counts(before: &Before<'_>, planned: &[StackDeploy]) -> Result<(), Refusal> {
    let servers = before.servers(planned);
    let styled = servers.values().filter(|server| server.managed_login).count();
    if styled > MOST_STYLES {
        let message = format!(
            "{styled} servers with managed login pages are not possible: a user pool has at most {MOST_STYLES} styles \
             of them, one for each server, and AWS raises that for nobody"
        );
        return Err(Refusal::new(ErrorKind::Invalid, message).with_hint(
            "set managed_login = false under [platform], for Cognito's classic pages, or move servers into another \
             environment",
        ));
    }
    if servers.len() > MOST_RESOURCE_SERVERS {
        let message = format!(
            "{} servers are not possible: a user pool has at most {MOST_RESOURCE_SERVERS} resource servers, one for \
             each server",
            servers.len()
        );
        return Err(Refusal::new(ErrorKind::Invalid, message).with_hint("move servers into another environment"));
    }
    Ok(())
}

fn network_cautions(environment: &Environment, after: &After<'_>) -> Vec<String> {
    let (name, mut all) = (after.name(), Vec::new());
    let grows = after.change("ZoneCount") == Some(("2", "3"));
    if (after.stack.is_none() || grows) && zones::is_luck(environment) {
        all.push(format!(
            "{name}: a zone of {} lacks Fargate, ARM64 tasks or CloudFront's VPC origins, and names of zones mean \
             another place in each account; name the zones by zone_ids under [network]",
            environment.region
        ));
    }
    if after.change("ZoneCount") == Some(("3", "2")) {
        all.push(format!(
            "{name}: the third zone goes before the servers leave it: tasks there lose their way out while the deploy \
             lasts, and its subnets stay behind, to be deleted by hand"
        ));
    }
    match after.change("NatMode") {
        Some((_, "none")) => all.push(format!(
            "{name}: its NAT gateways go, and with them the way out of running tasks: they reach neither their image \
             nor Cognito, unless VPC endpoints of your own lead there"
        )),
        Some(("none", _)) | None => {}
        Some((was, _)) => all.push(format!(
            "{name}: open connections of the servers to the outside end where they go through another NAT gateway \
             than with nat = {was:?}"
        )),
    }
    all
}

fn platform_cautions(after: &After<'_>) -> Vec<String> {
    let (name, mut all) = (after.name(), Vec::new());
    if after.change("DomainName").is_some() || after.change("PublicBaseUrl").is_some() {
        all.push(format!(
            "{name}: the public address changes, and with it the identifier and the scopes of every server: all \
             clients must be told, and tokens for the old address are refused"
        ));
    }
    let public = after.will_be("OriginMode") == Some("public");
    if public && after.change("OriginGuard") == Some(("true", "false")) {
        all.push(format!(
            "{name}: CloudFront stops sending the header that the servers' rules ask for: each server answers 404 \
             until its own stack is updated"
        ));
    }
    if after.change("WebAclArn").is_some_and(|(_, acl)| acl.is_empty()) {
        all.push(format!("{name}: the web ACL is taken off CloudFront; rates and bodies have no limit there"));
    }
    all
}

fn path_caution(after: &After<'_>) -> Option<String> {
    let (was, becomes) = after.change("Path")?;
    Some(format!(
        "{}: its path changes from {was} to {becomes}, and with it its identifier and its scopes: its clients must \
         be told, and tokens for the old path are refused",
        after.name()
    ))
}
