//! Service deployments: how ECS brings a service from one revision to the next, and back (ECS developer guide, "View
//! service history using Amazon ECS service deployments").

use jiff::Timestamp;
use serde::Serialize;

use super::ServiceDeploymentStatus;

/// A service deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ServiceDeployment {
    pub arn: String,
    pub status: ServiceDeploymentStatus,
    /// Why it is in that state, in ECS's words.
    pub reason: Option<String>,
    pub created_at: Option<Timestamp>,
    /// The ids of the service revisions that it replaces.
    pub from: Vec<String>,
    /// The id of the service revision that it brings.
    pub to: Option<String>,
    /// Whether ECS's circuit breaker has ended it; `None` where ECS does not say.
    pub breaker: Option<bool>,
    /// Alarms that have ended it.
    pub alarms: Vec<String>,
}

impl ServiceDeployment {
    /// The id at the end of its ARN.
    pub fn id(&self) -> &str {
        self.arn.rsplit('/').next().unwrap_or(&self.arn)
    }

    /// Whether somebody has stopped it: it goes back, or has, and neither the circuit breaker nor an alarm has done
    /// that. One that a newer deployment replaces only stops.
    pub fn stopped_by_hand(&self) -> bool {
        self.status.back() && !self.status.stops() && self.breaker == Some(false) && self.alarms.is_empty()
    }
}

impl ServiceDeploymentStatus {
    /// It goes forward, and can be stopped (ECS developer guide, "Stopping Amazon ECS service deployments").
    pub fn forward(&self) -> bool {
        matches!(self, Self::Pending | Self::InProgress)
    }

    /// It is on its way back, or stops.
    pub fn going_back(&self) -> bool {
        matches!(self, Self::StopRequested | Self::RollbackRequested | Self::RollbackInProgress)
    }

    /// It stops, or has, without going back.
    fn stops(&self) -> bool {
        matches!(self, Self::StopRequested | Self::Stopped)
    }

    /// It goes back, or has.
    pub fn back(&self) -> bool {
        self.going_back() || matches!(self, Self::Stopped | Self::RollbackSuccessful | Self::RollbackFailed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn one(status: &str, breaker: Option<bool>, alarms: &[&str]) -> ServiceDeployment {
        ServiceDeployment {
            arn: "arn:aws:ecs:eu-west-1:1:service-deployment/c/time/d1".into(),
            status: status.to_owned().into(),
            reason: None,
            created_at: None,
            from: Vec::new(),
            to: None,
            breaker,
            alarms: alarms.iter().map(|name| (*name).to_owned()).collect(),
        }
    }

    #[rstest]
    #[case::asked_for("ROLLBACK_REQUESTED", Some(false), &[], true)]
    #[case::back("ROLLBACK_SUCCESSFUL", Some(false), &[], true)]
    #[case::replaced_by_a_newer_one("STOPPED", Some(false), &[], false)]
    #[case::by_the_breaker("ROLLBACK_SUCCESSFUL", Some(true), &[], false)]
    #[case::by_an_alarm("ROLLBACK_SUCCESSFUL", Some(false), &["errors"], false)]
    #[case::nothing_is_said_of_the_breaker("ROLLBACK_SUCCESSFUL", None, &[], false)]
    #[case::under_way("IN_PROGRESS", Some(false), &[], false)]
    #[case::done("SUCCESSFUL", Some(false), &[], false)]
    #[case::a_new_word("PAUSED", Some(false), &[], false)]
    fn what_nothing_of_ecs_has_ended_somebody_has(
        #[case] status: &str,
        #[case] breaker: Option<bool>,
        #[case] alarms: &[&str],
        #[case] expected: bool,
    ) {
        assert_eq!(one(status, breaker, alarms).stopped_by_hand(), expected);
        assert_eq!(ServiceDeploymentStatus::from(status.to_owned()).word(), status);
        assert_eq!(one(status, breaker, alarms).id(), "d1");
    }
}
