//! What other operators do at the same time, as warnings of a plan.

use std::collections::HashSet;

use crate::core::operation::{About, Announced};
use crate::core::plan::Plan;
use crate::run::Session;

/// Warns of each announced operation of others that may meet the plan. It never keeps anybody from
/// planning: what could not be read is a warning, too.
pub(super) async fn warn(session: &Session, plan: &mut Plan) {
    match session.cloud.announced(&session.context.cluster).await {
        Ok(announced) => {
            // Where the audit cannot be read, all are taken for others': a warning too many does no harm.
            let own = session.audit.records().unwrap_or_default();
            let own: HashSet<String> = own.into_iter().map(|record| record.operation).collect();
            let warnings = warnings(&announced, &own, &plan.intent.touched(), &session.context.environment);
            plan.warnings.extend(warnings);
        }
        Err(error) => plan.warnings.push(format!("whether others work on this was not read: {error}")),
    }
}

fn warnings(announced: &[Announced], own: &HashSet<String>, touched: &[About], environment: &str) -> Vec<String> {
    let others = announced.iter().filter(|one| !own.contains(one.operation()) && one.touches(touched));
    others.map(|one| one.noted(environment)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::operation::announcement::key;
    use rstest::rstest;

    #[rstest]
    #[case::the_same_server(About::Server("time".into()), &["alice restarts time (qd-1, since 2026-01-31T10:03:12Z)", "bob deploys prod (qd-3, since 2026-01-31T11:00:00Z)"])]
    #[case::another_server(About::Server("docs".into()), &["bob deploys prod (qd-3, since 2026-01-31T11:00:00Z)"])]
    #[case::all(About::Environment, &["alice restarts time (qd-1, since 2026-01-31T10:03:12Z)", "alice scales weather (qd-2, since 2026-01-31T10:04:00Z)", "bob deploys prod (qd-3, since 2026-01-31T11:00:00Z)"])]
    fn those_that_may_meet_the_plan_are_warned_of(#[case] about: About, #[case] expected: &[&str]) {
        let tags = [
            ("qd-1", "2026-01-31T10:03:12Z restart server/time arn:aws:sts::1:assumed-role/operator/alice"),
            ("qd-2", "2026-01-31T10:04:00Z scale server/weather arn:aws:sts::1:assumed-role/operator/alice"),
            ("qd-3", "2026-01-31T11:00:00Z deploy environment arn:aws:iam::1:user/bob"),
            ("qd-own", "2026-01-31T11:00:00Z deploy environment arn:aws:iam::1:user/me"),
        ];
        let announced: Vec<Announced> =
            tags.iter().map(|(id, value)| Announced::read(&key(id), value).expect("ours")).collect();
        let own = HashSet::from(["qd-own".to_owned()]);
        assert_eq!(warnings(&announced, &own, &[about], "prod"), expected);
    }

    #[test]
    fn one_that_is_not_understood_may_meet_every_plan() {
        let unclear = Announced::Unclear { operation: "qd-9".into(), text: "later".into() };
        let found = warnings(&[unclear], &HashSet::new(), &[About::Server("time".into())], "prod");
        assert!(found.len() == 1 && found[0].contains("qd-9"), "{found:?}");
    }
}
