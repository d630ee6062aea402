//! What ECS refuses of a kind of service. It is known before ECS is asked, so it is refused while planning, with
//! the way that works (API reference, UpdateService).

use super::{Controller, Scheduling, Server, ServiceStatus};
use crate::core::error::{ErrorKind, Hand, Refusal};

/// What somebody wants of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// Another desired count.
    Count,
    /// Other bounds of autoscaling.
    Bounds,
    /// New tasks of the same task definition.
    Restart,
    /// Another task definition.
    Definition,
    /// An end of the deployment that is under way.
    Stop,
}

impl Server {
    /// Why ECS would refuse it, and what to do instead; `None` if it would not.
    pub fn refuses(&self, wish: Wish) -> Option<Refusal> {
        let name = &self.name;
        let refusal = |why: String, hint: &str| {
            let refusal = Refusal::new(ErrorKind::Invalid, why).with_hint(hint);
            Some(refusal.with_way(Hand::StopTask, "quarterdeck stop TASK"))
        };
        if matches!(self.status, ServiceStatus::Draining | ServiceStatus::Inactive) {
            let why = format!("{name} is {}: ECS changes active services alone", self.status);
            let refusal = Refusal::new(ErrorKind::Conflict, why);
            return Some(refusal.with_hint("it is being deleted; deploy it again once it is gone"));
        }
        let daemon = self.shape.scheduling == Scheduling::Daemon;
        match (&self.shape.controller, wish) {
            (_, Wish::Count | Wish::Bounds) if daemon => refusal(
                format!(
                    "{name} is a DAEMON service: ECS runs one task on each container instance and takes no desired count"
                ),
                "add or drain container instances, or change its placement constraints",
            ),
            (Controller::External, Wish::Bounds) => Some(by_count(name)),
            (Controller::CodeDeploy, Wish::Restart) => refusal(
                format!(
                    "{name} is deployed by CodeDeploy (controller CODE_DEPLOY): ECS refuses to start a deployment of it"
                ),
                "start one in CodeDeploy (`aws ecs deploy`, or `aws deploy create-deployment`) with the task definition in force; or `quarterdeck stop TASK`, task by task: ECS replaces each",
            ),
            (Controller::CodeDeploy, Wish::Definition) => refusal(
                format!(
                    "{name} is deployed by CodeDeploy (controller CODE_DEPLOY): ECS refuses to change its task definition"
                ),
                "while CodeDeploy deploys: `aws deploy stop-deployment --auto-rollback-enabled`; later: a CodeDeploy deployment (`aws ecs deploy`) of the earlier task definition",
            ),
            (Controller::External, Wish::Restart) => refusal(
                format!("{name} is deployed by an EXTERNAL controller: ECS refuses to start a deployment of it"),
                "create another task set (`aws ecs create-task-set`), make it primary (`update-service-primary-task-set`) and delete the old one; or `quarterdeck stop TASK`, task by task: ECS replaces each",
            ),
            (Controller::External, Wish::Definition) => refusal(
                format!(
                    "{name} is deployed by an EXTERNAL controller: its task sets have the task definitions, not the service"
                ),
                "create a task set with the earlier task definition (`aws ecs create-task-set`), make it primary (`update-service-primary-task-set`) and delete the other one",
            ),
            (Controller::CodeDeploy, Wish::Stop) => refusal(
                format!(
                    "{name} is deployed by CodeDeploy (controller CODE_DEPLOY): ECS has no deployment of it to stop"
                ),
                "`aws deploy stop-deployment --auto-rollback-enabled` ends it in CodeDeploy",
            ),
            (Controller::External, Wish::Stop) => refusal(
                format!("{name} is deployed by an EXTERNAL controller: ECS has no deployment of it to stop"),
                "make the earlier task set primary (`aws ecs update-service-primary-task-set`) and delete the other one",
            ),
            (Controller::Other(word), Wish::Restart | Wish::Definition | Wish::Stop) => refusal(
                format!("{name} is deployed by {word}, a controller that quarterdeck does not know"),
                "deploy it the way it was deployed",
            ),
            _ => None,
        }
    }
}

/// Bounds are those of autoscaling, which an external controller does not know.
fn by_count(name: &str) -> Refusal {
    let why = format!("{name} is deployed by an EXTERNAL controller, for which autoscaling does not work");
    let command = "quarterdeck scale SERVER --desired N";
    let hint = format!("`{command}` works; each task set then runs its part of it");
    Refusal::new(ErrorKind::Invalid, why).with_hint(hint).with_way(Hand::Scale, command)
}
