//! The incidents that ECS and MCP meet most often: whether the console names the cause, and leads to what helps, each with the
//! tests that prove it. The table on the page of the game day is made of this one.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::Command;

use quarterdeck::console::action::Action;
use quarterdeck::core::finding::Id;

/// What helps.
enum Fix {
    /// This action, and this command, which do it as an operation.
    Here(Action, &'static [&'static str]),
    /// Nothing that is ours to change.
    Elsewhere(&'static str),
}

struct Incident {
    what: &'static str,
    page: &'static str,
    /// The findings that name it.
    cause: &'static [Id],
    fix: Fix,
    /// Files of tests and their tests, for the cause and for what helps.
    proof: &'static [(&'static str, &'static str)],
}

/// Ordered by how often they are reported.
const INCIDENTS: &[Incident] = &[
    Incident {
        what: "a server crashes again and again",
        page: "crash-loop",
        cause: &[
            Id::CrashLoop,
            Id::OutOfMemory,
            Id::CommandMissing,
            Id::AppDown,
            Id::NotWritable,
            Id::EndsItself,
            Id::InstructionUnknown,
        ],
        fix: Fix::Here(Action::Rollback, &["rollback"]),
        proof: &[
            ("gameday", "each_fault_is_named_first"),
            ("findings", "each_incident_has_its_finding_first"),
            ("accounts", "each_account_has_its_cause_first_and_a_way"),
            ("sagas", "each_is_done_on_each_kind_of_service_and_after_each_kill"),
        ],
    },
    Incident {
        what: "the image cannot be pulled",
        page: "image",
        cause: &[Id::ImageMissing, Id::ImageArchitecture, Id::ImageDenied, Id::ImageNoRoute],
        fix: Fix::Here(Action::Deploy, &["publish"]),
        proof: &[
            ("gameday", "each_fault_is_named_first"),
            ("findings", "each_incident_has_its_finding_first"),
            ("sagas", "a_deployment_that_ecs_rolls_back_has_failed_in_its_words"),
        ],
    },
    Incident {
        what: "a secret, the log or a role is missing at the start",
        page: "secret",
        cause: &[
            Id::SecretMissing,
            Id::SecretDenied,
            Id::SecretNoRoute,
            Id::KeyUnusable,
            Id::LogGroupMissing,
            Id::LogDenied,
            Id::LogNoRoute,
            Id::RoleNotAssumed,
        ],
        fix: Fix::Here(Action::Deploy, &["deploy"]),
        proof: &[
            ("gameday", "each_fault_is_named_first"),
            ("findings", "each_incident_has_its_finding_first"),
            ("accounts", "each_account_has_its_cause_first_and_a_way"),
            ("deploys", "a_first_deploy_that_failed_can_be_repeated"),
        ],
    },
    Incident {
        what: "health checks kill good tasks",
        page: "health-check",
        cause: &[Id::HealthCheckPath, Id::HealthCheckAuth, Id::HealthCheckTimeout, Id::HealthCheckSlow],
        fix: Fix::Here(Action::Deploy, &["deploy"]),
        proof: &[
            ("gameday", "each_fault_is_named_first"),
            ("findings", "a_task_killed_by_the_balancer_takes_its_reason_from_the_events"),
            ("deploys", "a_first_deploy_that_failed_can_be_repeated"),
        ],
    },
    Incident {
        what: "a deploy fails",
        page: "failed-deploy",
        cause: &[Id::CircuitBreaker, Id::DeploymentFailed, Id::DeploymentAlarm, Id::StackFailed],
        fix: Fix::Here(Action::Deploy, &["deploy"]),
        proof: &[
            ("causes", "a_failed_first_deploy_ends_in_its_cause"),
            ("accounts", "each_account_has_its_cause_first_and_a_way"),
            ("findings", "stops_of_a_deployment_that_was_given_up_are_the_cause"),
            ("deploys", "a_first_deploy_that_failed_can_be_repeated"),
        ],
    },
    Incident {
        what: "a deploy hangs, or a stack is stuck",
        page: "stuck-deploy",
        cause: &[Id::DeploymentOld, Id::DeploymentBlocked, Id::StackStuck, Id::StackHalfUpdated],
        fix: Fix::Here(Action::StopDeployment, &["stop-deployment"]),
        proof: &[
            ("gameday", "each_fault_is_named_first"),
            ("findings", "a_deployment_that_hangs_is_stopped"),
            ("accounts", "each_account_has_its_cause_first_and_a_way"),
            ("screens", "a_deploy_that_may_hang_names_what_takes_it_back"),
            ("rescue", "what_is_stuck_goes_back_once_and_after_each_kill"),
        ],
    },
    Incident {
        what: "502, 503 or 504 from the load balancer",
        page: "gateway-errors",
        cause: &[Id::BalancerErrors, Id::TargetErrors, Id::EdgeErrors, Id::UpstreamFailing, Id::AnswersLate],
        fix: Fix::Elsewhere(
            "the load balancer's log names the request; which setting of a foreign server closes early, nobody reports",
        ),
        proof: &[
            ("metrics", "what_figures_say"),
            ("metrics", "errors_that_no_server_sent_are_those_of_the_edge"),
            ("doctor", "each_defect_is_named"),
        ],
    },
    Incident {
        what: "the firewall blocks",
        page: "waf",
        cause: &[Id::FirewallBlocks, Id::BodyTooLarge],
        fix: Fix::Here(Action::Deploy, &["deploy"]),
        proof: &[
            ("metrics", "what_the_firewall_blocks"),
            ("metrics", "the_firewall_is_the_cause_where_nothing_of_the_servers_is_wrong"),
            ("doctor", "each_defect_is_named"),
        ],
    },
    Incident {
        what: "the log lacks lines",
        page: "logs-dropped",
        cause: &[Id::LogsDropped],
        fix: Fix::Here(Action::Deploy, &["deploy"]),
        proof: &[("findings", "lines_that_never_came_are_counted")],
    },
    Incident {
        what: "a server floods its log",
        page: "logs-dropped",
        cause: &[Id::LogFlood],
        fix: Fix::Elsewhere(
            "what a server writes is its program's; where a deployment has changed it, a rollback helps",
        ),
        proof: &[("metrics", "what_figures_say")],
    },
    Incident {
        what: "clients go round in 401 and 403",
        page: "refused",
        cause: &[Id::NoToken, Id::TokenExpired, Id::IdToken, Id::TokenIssuer, Id::TokenInvalid, Id::ScopeMissing],
        fix: Fix::Elsewhere("the client is to send another token; the finding says which"),
        proof: &[
            ("gameday", "each_fault_is_named_first"),
            ("findings", "what_requests_say"),
            ("doctor", "a_token_is_told_which_checks_it_fails_and_is_never_shown"),
        ],
    },
    Incident {
        what: "a token for another server",
        page: "wrong-server",
        cause: &[Id::TokenAudience, Id::ClientNotAllowed],
        fix: Fix::Elsewhere(
            "the client is to ask for this server; only a client that a deploy has not let in yet is let in by one",
        ),
        proof: &[
            ("gameday", "each_fault_is_named_first"),
            ("causes", "a_client_with_tokens_for_another_server_is_the_cause"),
        ],
    },
    Incident {
        what: "what a tool calls fails, or is slow",
        page: "upstream",
        cause: &[Id::ToolFailing, Id::ToolSlow],
        fix: Fix::Elsewhere(
            "what the tool calls is not ours; where a deployment has changed what it calls, a rollback helps",
        ),
        proof: &[
            ("gameday", "each_fault_is_named_first"),
            ("findings", "what_requests_say"),
            ("findings", "a_tool_is_slow_by_what_it_took_before"),
        ],
    },
    Incident {
        what: "a secret was rotated, half done or overwritten",
        page: "rotation",
        cause: &[Id::SecretStillValid],
        fix: Fix::Here(Action::Resume, &["operations"]),
        proof: &[
            ("findings", "an_old_secret_that_is_still_valid_is_told_after_its_grace"),
            ("aws_rotation", "a_value_that_a_stack_update_has_taken_away_comes_back_from_the_version_before"),
            ("killed", "the_second_rotation_of_a_client"),
            ("flows", "a_rotation_goes_on_until_taking_it_back_is_confirmed"),
        ],
    },
    Incident {
        what: "the issuer's keys cannot be reached",
        page: "keys",
        cause: &[Id::KeysUnavailable],
        fix: Fix::Elsewhere(
            "the way from the tasks to the issuer is the network's: a NAT gateway, or what stands in for it",
        ),
        proof: &[("gameday", "each_fault_is_named_first"), ("gameday", "the_status_takes_the_traffic_in")],
    },
    Incident {
        what: "one client floods a server",
        page: "flood",
        cause: &[Id::ClientFloods],
        fix: Fix::Here(Action::QuarantineCaller, &["quarantine", "add"]),
        proof: &[
            ("gameday", "each_fault_is_named_first"),
            ("findings", "a_client_floods_when_it_asks_much_more_than_before"),
            ("quarantine", "a_client_is_kept_out_for_longer_and_let_in_again"),
        ],
    },
    Incident {
        what: "not enough: at the maximum, saturated, or scaled to zero",
        page: "capacity",
        cause: &[Id::BoundsAtMaximum, Id::BusyAtMaximum, Id::Saturated, Id::Quota, Id::ScaledToZero],
        fix: Fix::Here(Action::Scale, &["scale"]),
        proof: &[
            ("findings", "each_incident_has_its_finding_first"),
            ("accounts", "each_account_has_its_cause_first_and_a_way"),
            ("metrics", "what_figures_say"),
            ("sagas", "the_bounds_of_autoscaling_hold_the_count"),
        ],
    },
    Incident {
        what: "a zone or the region ails",
        page: "zone",
        cause: &[Id::AwsIssue, Id::ZoneAils, Id::ZonesUneven, Id::Capacity, Id::SpotTaken],
        fix: Fix::Here(Action::ShiftZone, &["zone", "shift"]),
        proof: &[
            ("shift", "a_zone_is_taken_out_and_let_in_again"),
            ("shift", "each_goes_on_after_each_kill"),
            ("below", "a_zone_ails_where_it_alone_is_sick"),
            ("causes", "an_issue_of_aws_is_the_cause_of_what_it_may_bring_about"),
            ("findings", "tasks_should_be_spread_over_the_zones"),
            ("findings", "each_incident_has_its_finding_first"),
        ],
    },
    Incident {
        what: "it is not as the file says",
        page: "drift",
        cause: &[Id::Drift, Id::ServiceDrift],
        fix: Fix::Here(Action::Deploy, &["deploy"]),
        proof: &[
            ("drift", "drift_is_shown_on_fleet_and_on_stack"),
            ("drift", "a_service_drifts_from_its_stack"),
            ("drift", "a_deploy_warns_of_a_service_that_it_leaves"),
            ("deploys", "a_first_deploy_that_failed_can_be_repeated"),
        ],
    },
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The part of the page of the game day that tells of them.
pub(crate) fn table() -> String {
    let mut table = "\n## The incidents that are met most often\n\n\
        Whether the console names the cause and acts on it. The tests, in `tests/it/`, prove it.\n\n\
        | Incident | Cause | Named by | Fix | By | Tests |\n|---|---|---|---|---|---|\n"
        .to_owned();
    for one in INCIDENTS {
        let named = one.cause.iter().map(|id| format!("`{}`", id.word())).collect::<Vec<_>>().join(", ");
        let (fix, by) = match one.fix {
            Fix::Here(action, command) => {
                let key = action.info().keys.first().copied().unwrap_or("-");
                ("yes", format!("`{key}`, `quarterdeck {}`", command.join(" ")))
            }
            Fix::Elsewhere(why) => ("no", why.to_owned()),
        };
        let tests = one.proof.iter().map(|(file, test)| format!("`{file}::{test}`")).collect::<Vec<_>>().join("<br>");
        let (what, page) = (one.what, one.page);
        let _ = writeln!(table, "| [{what}]({page}.md) | yes | {named} | {fix} | {by} | {tests} |");
    }
    table
}

/// Whether a file of tests has this test: a function with an attribute that makes it one.
fn has_test(file: &str, test: &str) -> bool {
    let Ok(text) = std::fs::read_to_string(root().join("tests/it").join(file).with_extension("rs")) else {
        return false;
    };
    let lines: Vec<&str> = text.lines().collect();
    let made = |line: &str| line.trim_start_matches("async ").starts_with(&format!("fn {test}("));
    let Some(at) = lines.iter().position(|line| made(line)) else { return false };
    let ends = |line: &&&str| line.is_empty() || **line == "}";
    lines[..at]
        .iter()
        .rev()
        .take_while(|line| !ends(line))
        .any(|line| line.starts_with("#[test]") || line.starts_with("#[tokio::test") || line.starts_with("#[rstest"))
}

#[test]
fn every_incident_has_its_tests_its_page_and_its_command() {
    let mut wrong = Vec::new();
    for one in INCIDENTS {
        let missing = one.proof.iter().filter(|(file, test)| !has_test(file, test));
        wrong.extend(missing.map(|(file, test)| format!("{}: there is no test {file}::{test}", one.what)));
        let page = std::fs::read_to_string(root().join("docs/incidents").join(one.page).with_extension("md")).unwrap();
        let unsaid = one.cause.iter().filter(|id| !page.contains(&format!("`{}`", id.word())));
        wrong.extend(unsaid.map(|id| format!("{}: {}.md does not name {}", one.what, one.page, id.word())));
        if let Fix::Here(action, command) = one.fix {
            let help = Command::new(env!("CARGO_BIN_EXE_quarterdeck")).args(command).arg("--help").output().unwrap();
            let unknown =
                !help.status.success() || String::from_utf8_lossy(&help.stdout).starts_with("Terminal operations");
            wrong.extend(unknown.then(|| format!("{}: there is no command {command:?}", one.what)));
            wrong.extend(action.info().keys.is_empty().then(|| format!("{}: {action:?} has no key", one.what)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_test_that_is_not_there_is_missed() {
    assert!(has_test("incidents", "a_test_that_is_not_there_is_missed"));
    assert!(!has_test("incidents", "has_test"), "a function that is no test");
    assert!(!has_test("incidents", "a_test_that_nobody_wrote") && !has_test("nowhere", "table"));
}
