//! What is not as the file says, and what is not as its stack says.

use super::{Finding, Gravity, Id};
use crate::core::environment::Difference;
use crate::core::fleet::{Rollout, Server};
use crate::core::stack::Stack;
use crate::core::text::count;

/// Most characters of a value that are shown.
const SHORT: usize = 60;

impl Difference {
    /// Both values, where they are short.
    pub fn told(&self) -> String {
        let Self { parameter, deployed, file } = self;
        let long = [deployed, file].iter().any(|value| value.chars().count() > SHORT);
        if long {
            format!("{parameter} differs")
        } else {
            format!("{parameter} is {deployed:?}, the file says {file:?}")
        }
    }
}

/// In what a server's stack is not as the file says, and its service, where there is one, not as its stack says.
pub fn drift(server: Option<&Server>, stack: &Stack) -> Vec<Finding> {
    let of_service = server.and_then(|server| of_service(server, stack));
    of_file(stack).into_iter().chain(of_service).collect()
}

/// In how much a stack is not as the file says, for a row of a table.
pub fn in_short(stack: &Stack) -> Option<String> {
    let differs = stack.differs.as_ref().filter(|all| !all.is_empty())?;
    Some(format!("drift: {}", count(differs.len(), "parameter")))
}

/// In what a stack is not as the file says; `None` where it is, or was not compared.
pub fn of_file(stack: &Stack) -> Option<Finding> {
    let differs = stack.differs.as_ref().filter(|all| !all.is_empty())?;
    let told: Vec<String> = differs.iter().map(Difference::told).collect();
    let fact = format!("stack {} is not as the file says", stack.id.name);
    let finding = Finding::new(Id::Drift, Gravity::Note, fact, told.join("; "));
    Some(Finding { count: differs.len(), ..finding })
}

/// In what a service is not as its stack says, because it was rolled back, scaled, or changed by somebody. CloudFormation
/// compares what it is given with what it has deployed last, and does not look at the service (its user guide, "Detect
/// unmanaged configuration changes to stacks and resources with drift detection").
pub fn of_service(server: &Server, stack: &Stack) -> Option<Finding> {
    // In the middle of a change, and after one that failed, other findings tell.
    let deploys = server.live().any(|one| one.rollout == Rollout::InProgress);
    if !stack.status.settled_well() || deploys {
        return None;
    }
    let told: Vec<String> = [definition(server, stack), tasks(server, stack)].into_iter().flatten().collect();
    let fact = format!("service {} is not as its stack says", server.name);
    let evidence = format!("{}; a deploy that does not change the server leaves it so", told.join("; "));
    let finding = Finding::new(Id::ServiceDrift, Gravity::Note, fact, evidence);
    (!told.is_empty()).then_some(Finding { count: told.len(), ..finding })
}

/// Another task definition than the stack made.
fn definition(server: &Server, stack: &Stack) -> Option<String> {
    let named = stack.outputs.get(Stack::DEFINITION).filter(|named| !named.is_empty())?;
    let short = |arn: &str| arn.rsplit('/').next().unwrap_or(arn).to_owned();
    let runs = &server.task_definition;
    (!runs.is_empty() && runs != named).then(|| format!("it runs {}, its stack names {}", short(runs), short(named)))
}

/// Other bounds of autoscaling than the stack's or, where it has a fixed count, another count.
fn tasks(server: &Server, stack: &Stack) -> Option<String> {
    let number = |key: &str| stack.parameters.get(key)?.parse::<u32>().ok();
    let (min, max) = (number("MinCount")?, number("MaxCount")?);
    if min == max {
        let desired = server.desired;
        // Whoever has stopped it is told of that.
        return (desired != min && desired > 0).then(|| format!("it is to run {desired} tasks, its stack says {min}"));
    }
    let bounds = server.bounds.known().copied().flatten()?;
    let differs = (bounds.min, bounds.max) != (min, max);
    differs.then(|| format!("autoscaling goes {bounds}, its stack says {min}..{max}"))
}
