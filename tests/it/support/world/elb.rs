//! Elastic Load Balancing: the target groups of the services, each with the tasks that are registered in it.

use super::super::scripted::Reply;
use super::cloudformation::form;
use super::ecs::address;
use super::{ACCOUNT, REGION, State};

/// The ARN of a target group.
pub(super) fn arn(name: &str) -> String {
    format!("arn:aws:elasticloadbalancing:{REGION}:{ACCOUNT}:{}", named(name))
}

/// A target group as CloudWatch names it.
pub(super) fn named(name: &str) -> String {
    format!("targetgroup/{name}/0123456789abcdef")
}

impl State {
    pub(super) fn elb_call(&mut self, call: &str, body: &str, operator: &str) -> Option<Reply> {
        if call.ends_with("LoadBalancerAttributes") {
            return Some(self.attributes(call, body, operator));
        }
        if call == "DescribeTargetGroups" {
            return Some(groups(&form(body)));
        }
        if call != "DescribeTargetHealth" {
            return None;
        }
        let asked = body.split('&').find_map(|pair| pair.strip_prefix("TargetGroupArn=")).unwrap_or_default();
        let name = asked.split("targetgroup%2F").nth(1).and_then(|path| path.split("%2F").next()).unwrap_or_default();
        if self.faults.denied_groups.iter().any(|group| group == name) {
            return Some(error("AccessDenied", "not authorized to perform: elasticloadbalancing:DescribeTargetHealth"));
        }
        let targets = self.registered_in(name);
        let Some(targets) = targets else {
            return Some(error("TargetGroupNotFound", "One or more target groups not found"));
        };
        let why = self
            .faults
            .sick_why
            .get(name)
            .map(|(reason, words)| format!("<Reason>{reason}</Reason><Description>{words}</Description>"));
        let members: String = targets
            .iter()
            .map(|(address, state)| {
                let why = why.as_deref().filter(|_| matches!(*state, "unhealthy" | "unused")).unwrap_or_default();
                format!(
                    "<member><Target><Id>{address}</Id><Port>8080</Port></Target>\
                     <TargetHealth><State>{state}</State>{why}</TargetHealth></member>"
                )
            })
            .collect();
        Some(Reply::Answer(
            200,
            format!(
                "<DescribeTargetHealthResponse><DescribeTargetHealthResult><TargetHealthDescriptions>{members}\
                 </TargetHealthDescriptions></DescribeTargetHealthResult></DescribeTargetHealthResponse>"
            ),
        ))
    }

    /// DescribeLoadBalancerAttributes and ModifyLoadBalancerAttributes.
    fn attributes(&mut self, call: &str, body: &str, operator: &str) -> Reply {
        let form = form(body);
        let balancer = form.get("LoadBalancerArn").cloned().unwrap_or_default();
        if self.is_protected(&balancer).is_none() {
            return error("LoadBalancerNotFound", "One or more load balancers not found");
        }
        if call.starts_with("Modify") && form.get("Attributes.member.1.Value").is_some_and(|value| value == "false") {
            self.unprotect(&balancer, operator);
        }
        let on = self.is_protected(&balancer).unwrap_or(false);
        let attribute = format!("<member><Key>deletion_protection.enabled</Key><Value>{on}</Value></member>");
        Reply::query(call, &format!("<Attributes>{attribute}</Attributes>"))
    }

    /// Addresses and states of the running tasks in a target group; `None` if no service has it.
    fn registered_in(&self, name: &str) -> Option<Vec<(String, &'static str)>> {
        let (plain, green) = name.strip_suffix("-green").map_or((name, false), |plain| (plain, true));
        if self.faults.unregistered.iter().any(|group| group == name) {
            return Some(Vec::new());
        }
        let owner = self.services.values().find(|service| service.kind.groups.contains(&plain))?;
        let sick = self.faults.sick_groups.iter().any(|group| group == name);
        let tasks = owner.deployments.iter().filter(|one| one.green == green).flat_map(|one| &one.tasks);
        // Targets that get no requests have reasons of their own (API reference, TargetHealth).
        let unused = ["Target.NotInUse", "Target.InvalidState", "Target.IpUnusable"];
        let why = self.faults.sick_why.get(name).map(|(reason, _)| *reason).unwrap_or_default();
        let state = |healthy: bool| match (sick, healthy) {
            (true, _) if unused.contains(&why) => "unused",
            (true, _) => "unhealthy",
            (false, true) => "healthy",
            (false, false) => "initial",
        };
        let running = tasks.filter(|task| task.running).enumerate();
        Some(running.map(|(index, task)| (address(green, index), state(task.healthy))).collect())
    }
}

/// DescribeTargetGroups: each group with the check that our template gives it.
fn groups(form: &std::collections::BTreeMap<String, String>) -> Reply {
    let arns = form.iter().filter(|(key, _)| key.starts_with("TargetGroupArns.member.")).map(|(_, arn)| arn);
    let one = |arn: &String| {
        format!(
            "<member><TargetGroupArn>{arn}</TargetGroupArn><HealthCheckProtocol>HTTP</HealthCheckProtocol>\
             <HealthCheckPath>/healthz</HealthCheckPath><HealthCheckPort>traffic-port</HealthCheckPort>\
             <Matcher><HttpCode>200</HttpCode></Matcher></member>"
        )
    };
    let all: String = arns.map(one).collect();
    Reply::query("DescribeTargetGroups", &format!("<TargetGroups>{all}</TargetGroups>"))
}

fn error(code: &str, message: &str) -> Reply {
    let body = format!(
        "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"
    );
    Reply::Answer(if code == "AccessDenied" { 403 } else { 400 }, body)
}
