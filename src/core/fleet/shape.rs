//! What kind of service it is, which decides what may be done with it and what proves that it was done.

use serde::Serialize;

use super::word::{Controller, Scheduling, Strategy};

/// Who deploys a service, how its tasks are placed, and what they run on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Shape {
    pub controller: Controller,
    pub scheduling: Scheduling,
    /// Means something only where ECS itself deploys.
    pub strategy: Strategy,
    /// Its launch type, or its capacity providers.
    pub capacity: Vec<String>,
    /// Whether alarms can end a deployment. ECS then watches a full deployment for a time that it works out of
    /// the alarms (developer guide, "How CloudWatch alarms detect Amazon ECS deployment failures").
    pub alarms: bool,
    /// How long both versions run after the requests have moved.
    pub bake_minutes: Option<u32>,
    /// Whether other services reach it through the proxies of Service Connect.
    pub service_connect: bool,
}

impl Default for Shape {
    /// What ECS makes of a service that says nothing.
    fn default() -> Self {
        Self {
            controller: Controller::Ecs,
            scheduling: Scheduling::Replica,
            strategy: Strategy::Rolling,
            capacity: Vec::new(),
            alarms: false,
            bake_minutes: None,
            service_connect: false,
        }
    }
}

impl Shape {
    /// Whether its tasks belong to task sets instead of deployments.
    pub fn task_sets(&self) -> bool {
        self.controller != Controller::Ecs
    }

    /// Why a deployment that is full goes on for some time, if it does.
    pub fn bakes(&self) -> Option<String> {
        if self.controller != Controller::Ecs {
            return None;
        }
        match (&self.strategy, self.bake_minutes) {
            (Strategy::Rolling, _) if self.alarms => {
                Some("ECS watches its alarms for some minutes; how many, it derives from the alarms".to_owned())
            }
            (Strategy::Rolling, _) => None,
            (strategy, Some(minutes @ 1..)) => {
                Some(format!("strategy {strategy}: both versions run for {minutes} min after the requests have moved"))
            }
            (strategy, _) => Some(format!("strategy {strategy}: both versions run until the requests have moved")),
        }
    }

    /// What is not as with most services, in a few words; empty where nothing is.
    pub fn words(&self) -> Vec<String> {
        let mut words = Vec::new();
        if self.controller != Controller::Ecs {
            words.push(format!("deployed by {}", self.controller));
        } else if self.strategy != Strategy::Rolling {
            let bake = self.bake_minutes.map(|minutes| format!(", bakes {minutes} min")).unwrap_or_default();
            words.push(format!("{}{bake}", self.strategy));
        }
        if self.scheduling != Scheduling::Replica {
            words.push(self.scheduling.to_string());
        }
        if self.alarms {
            words.push("deployment alarms".to_owned());
        }
        if self.service_connect {
            words.push("Service Connect".to_owned());
        }
        if !matches!(self.capacity.as_slice(), [] | [_]) || self.capacity.iter().any(|on| on != "FARGATE") {
            words.push(format!("on {}", self.capacity.join(" and ")));
        }
        words
    }
}
