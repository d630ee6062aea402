//! What is deployed, what the file says next, and what the plan makes of it.

use rstest::rstest;

use super::*;
use crate::core::environment::testing::{deployed, environment, planned, stack_of};
use crate::core::stack::StackStatus;

fn refusal(first: &str, next: &str) -> Option<Refusal> {
    let next = environment(next);
    next.validate().unwrap();
    let deployed = deployed(&environment(first));
    check_changes(&next, &planned(&next, &deployed), &deployed).err()
}

fn told(first: &str, next: &str) -> Vec<String> {
    let next = environment(next);
    let deployed = deployed(&environment(first));
    cautions(&next, &planned(&next, &deployed), &deployed)
}

const OWN_VPC: &str = "[network]\nvpc = 'vpc-0b'\nprivate_subnets = ['subnet-1', 'subnet-2']\n";

#[rstest]
#[case::origin("", "[platform]\norigin = 'public'", "platform.origin", "a load balancer cannot become")]
#[case::origin_back("[platform]\norigin = 'public'", "[platform]\norigin = 'vpc-origin'", "platform.origin", "cannot")]
#[case::key("", "[platform]\nencryption = false", "platform.encryption", "the key would be switched off")]
#[case::prefix("", "[platform]\ncognito_domain_prefix = 'mine'", "\"quarterdeck-prod-123456789012\"", "one domain")]
#[case::prefix_back(
    "[platform]\ncognito_domain_prefix = 'mine'",
    "[platform]\ncognito_domain_prefix = ''",
    "cannot become \"quarterdeck-prod-123456789012\"",
    "one domain"
)]
#[case::providers("", "[platform]\ncapacity_providers = 'with-cluster'", "platform.capacity_providers", "services use")]
#[case::cidr("", "[network]\ncidr = '10.9.0.0/16'", "network.cidr", "keeps its address range")]
#[case::zones("", "[network]\nzone_names = ['eu-west-1b', 'eu-west-1c']", "network.zone_names", "stays in its zone")]
#[case::zone_order(
    "[network]\nzone_ids = ['euw1-az1', 'euw1-az2']",
    "[network]\nzone_ids = ['euw1-az2', 'euw1-az1']",
    "network.zone_ids",
    "stays in its zone"
)]
#[case::third_zone(
    "[network]\nzone_ids = ['euw1-az1', 'euw1-az2', 'euw1-az3']",
    "[network]\nzone_ids = ['euw1-az1', 'euw1-az2', 'euw1-az4']",
    "\"euw1-az3\"",
    "stays in its zone"
)]
#[case::logs("", "[[server]]\nkeep_logs = true", "server.time.keep_logs", "twice, under one name")]
#[case::logs_back("[[server]]\nkeep_logs = true", "[[server]]\nkeep_logs = false", "server.time.keep_logs", "twice")]
#[case::vpc("", OWN_VPC, "vpc-0a and cannot move to vpc-0b", "stays where it is")]
#[case::vpc_back(OWN_VPC, "", "vpc-0b and cannot move to a new one", "stays where it is")]
#[case::size("[[server]]\nmemory = 2048", "[[server]]\ncpu = 4096\nmemory = 8192", "", "")]
fn what_is_chosen_when_a_stack_is_made_cannot_be_changed(
    #[case] first: &str,
    #[case] next: &str,
    #[case] names: &str,
    #[case] why: &str,
) {
    let refusal = refusal(first, next);
    if names.is_empty() {
        assert_eq!(refusal, None);
        return;
    }
    let refusal = refusal.unwrap_or_else(|| panic!("{next} is not refused"));
    assert!(refusal.why.contains(names) && refusal.why.contains(why), "{refusal}");
    assert_eq!(refusal.kind, ErrorKind::Invalid, "it is the file that is not possible");
    let way_out = refusal.hint.unwrap();
    assert!(["another name", "leave vpc out", "set vpc"].iter().any(|words| way_out.contains(words)), "{way_out}");
}

#[test]
fn the_documentation_names_what_is_chosen_once() {
    let text = include_str!("../../../../docs/on-aws.md");
    let rows = text.split("## Chosen once").nth(1).and_then(|rest| rest.split("\n## ").next()).unwrap();
    for fixed in &FIXED {
        assert!(rows.contains(&format!("`{}`", fixed.key)), "{}", fixed.key);
    }
}

#[rstest]
#[case::nothing("", "")]
#[case::the_same_said("", "[platform]\norigin = 'vpc-origin'\nencryption = true\n[[server]]\nkeep_logs = false")]
#[case::not_said(
    "[platform]\norigin = 'public'\nencryption = false\ncapacity_providers = 'with-cluster'\n[[server]]\nkeep_logs = true",
    ""
)]
#[case::a_key_may_come("[platform]\nencryption = false", "[platform]\nencryption = true")]
#[case::the_default_said("", "[platform]\ncognito_domain_prefix = 'quarterdeck-prod-123456789012'")]
#[case::a_third_zone_may_come(
    "[network]\nzone_ids = ['euw1-az1', 'euw1-az2']",
    "[network]\nzone_ids = ['euw1-az1', 'euw1-az2', 'euw1-az3']"
)]
#[case::own_vpc_stays(OWN_VPC, OWN_VPC)]
fn what_may_change_and_what_stays_is_not_refused(#[case] first: &str, #[case] next: &str) {
    assert_eq!(refusal(first, next), None);
}

/// A stack that is made anew has nothing to keep, and nothing to be refused for.
#[test]
fn a_stack_that_can_only_be_deleted_fixes_nothing() {
    let next = environment("[platform]\norigin = 'public'");
    let mut stacks = deployed(&environment(""));
    assert!(check_changes(&next, &planned(&next, &stacks), &stacks).is_err());
    stack_of(&mut stacks, "platform").status = StackStatus("ROLLBACK_COMPLETE".into());
    assert_eq!(check_changes(&next, &planned(&next, &stacks), &stacks), Ok(()));
}

/// Its cluster has the capacity providers by itself, and keeps them so.
#[test]
fn a_platform_of_an_earlier_template_is_deployed_as_it_is() {
    let mut stacks = deployed(&environment(""));
    stack_of(&mut stacks, "platform").parameters.remove("CapacityProviders");
    let check = |text| {
        let next = environment(text);
        check_changes(&next, &planned(&next, &stacks), &stacks)
    };
    assert_eq!(check(""), Ok(()));
    assert!(check("[platform]\ncapacity_providers = 'apart'").is_err());
}

/// An environment with this many more servers beside `time`.
fn with_servers(count: usize, platform: &str) -> Environment {
    let server = |number| format!("[[server]]\nname = 'server-{number}'\nimage = 'mcp:1'\n");
    let more: String = (0..count).map(server).collect();
    let text = format!("environment = 'prod'\nregion = 'eu-west-1'\n[platform]\n{platform}\n{more}");
    let environment: Environment = toml::from_str(&text).unwrap();
    environment.validate().unwrap();
    environment
}

#[rstest]
#[case(20, "", None)]
#[case(21, "", Some("21 servers with managed login pages"))]
#[case(21, "managed_login = false", None)]
#[case(300, "managed_login = false", None)]
#[case(301, "managed_login = false", Some("at most 300 resource servers"))]
fn more_servers_than_a_user_pool_can_hold_are_refused(
    #[case] count: usize,
    #[case] platform: &str,
    #[case] why: Option<&str>,
) {
    let environment = with_servers(count, platform);
    let refusal = check_changes(&environment, &planned(&environment, &[]), &[]).err();
    assert_eq!(refusal.is_some(), why.is_some(), "{refusal:?}");
    if let (Some(refusal), Some(why)) = (refusal, why) {
        assert!(refusal.why.contains(why) && refusal.hint.unwrap().contains("another environment"));
    }
}

/// A deploy of one server alone counts those that it leaves alone, too.
#[test]
fn servers_beside_the_planned_ones_count() {
    let all = with_servers(20, "");
    let stacks = deployed(&all);
    let mut one = with_servers(21, "");
    one.servers.drain(..20);
    let refusal = check_changes(&one, &planned(&one, &stacks), &stacks).unwrap_err();
    assert!(refusal.why.contains("21 servers") && refusal.hint.unwrap().contains("managed_login = false"));
    // What is deployed without them stays so where the file does not say otherwise.
    let plain = deployed(&with_servers(20, "managed_login = false"));
    assert_eq!(check_changes(&one, &planned(&one, &plain), &plain), Ok(()));
}

#[test]
fn quotas_that_aws_raises_on_request_are_told() {
    let tell = |count| {
        let environment = with_servers(count, "managed_login = false");
        cautions(&environment, &planned(&environment, &[]), &[]).join("\n")
    };
    assert_eq!(tell(25), "");
    assert!(tell(26).contains("26 servers") && tell(26).contains("L-7CDAF993"));
    assert!(tell(101).contains("100 rules"));
}

#[rstest]
#[case::path("[[server]]\npath = '/server-0'", "path /server-0", "server.time.path")]
#[case::below("[[server]]\npath = '/server-0/time'", "path /server-0/time", "server.time.path")]
#[case::priority("[[server]]\npriority = 10", "listener priority 10", "server.time.priority")]
fn what_a_deployed_server_has_is_not_given_to_another(#[case] text: &str, #[case] what: &str, #[case] key: &str) {
    let stacks = deployed(&with_servers(1, ""));
    let next = environment(text);
    let refusal = check_changes(&next, &planned(&next, &stacks), &stacks).unwrap_err();
    assert!(refusal.why.contains(what) && refusal.why.contains("server-0"), "{refusal}");
    assert!(refusal.hint.unwrap().contains(key));
}

/// The file says nothing of memory, so that of the stack stays, and Fargate has no task of that size.
#[test]
fn a_size_that_what_is_deployed_makes_impossible_is_refused() {
    let mut stacks = deployed(&environment("[[server]]\ncpu = 1024\nmemory = 8192"));
    let next = environment("[[server]]\ncpu = 256");
    let refusal = check_changes(&next, &planned(&next, &stacks), &stacks).unwrap_err();
    assert!(refusal.why.contains("8192 is not possible with cpu = 256"), "{refusal}");
    stack_of(&mut stacks, "time").parameters.insert("Memory".into(), "1024".into());
    assert_eq!(check_changes(&next, &planned(&next, &stacks), &stacks), Ok(()));
}

/// Any task answers any request, and what one keeps for a caller, the others do not have.
#[rstest]
#[case::several_tasks("per-caller", 1, 2, true)]
#[case::one_task("per-caller", 1, 1, false)]
#[case::nothing_is_kept("per-request", 2, 4, false)]
#[case::shared("shared", 2, 4, false)]
fn sessions_of_callers_at_several_tasks_are_told(
    #[case] sessions: &str,
    #[case] min: u32,
    #[case] max: u32,
    #[case] warned: bool,
) {
    let app = format!("[server.app]\ntransport = 'stdio'\nsessions = '{sessions}'");
    let next = environment(&format!("[[server]]\nmin = {min}\nmax = {max}\n{app}"));
    let all = cautions(&next, &planned(&next, &[]), &[]);
    assert_eq!(all.iter().any(|caution| caution.contains("up to 2 tasks")), warned, "{all:?}");
    assert_eq!(all.len(), 1 + usize::from(warned), "{all:?}");
}

#[rstest]
#[case::fewer_zones("[network]\nzones = 3", "[network]\nzones = 2", "the third zone goes")]
#[case::no_nat("[network]\nnat = 'per-zone'", "[network]\nnat = 'none'", "the way out of running tasks")]
#[case::no_nat_single("", "[network]\nnat = 'none'", "the way out of running tasks")]
#[case::fewer_nat("[network]\nnat = 'per-zone'", "[network]\nnat = 'single'", "open connections")]
#[case::domain(
    "",
    "[platform]\ndomain = 'mcp.example.com'\ncertificate = 'arn:aws:acm:us-east-1:1:certificate/1'",
    "all clients must be told"
)]
#[case::path("", "[[server]]\npath = '/tools'", "from /time to /tools")]
#[case::guard("[platform]\norigin = 'public'", "[platform]\norigin_guard = false", "answers 404")]
#[case::web_acl("", "[edge]\nenabled = false", "the web ACL is taken off")]
fn what_a_change_breaks_for_a_while_is_told(#[case] first: &str, #[case] next: &str, #[case] words: &str) {
    let all = told(first, next);
    assert!(all.iter().any(|caution| caution.contains(words)), "{all:?}");
    assert_eq!(told(first, first), Vec::<String>::new());
}

#[rstest]
#[case("eu-west-1", "", false)]
#[case("us-east-1", "", true)]
#[case("us-east-1", "[network]\nzone_ids = ['use1-az1', 'use1-az2']", false)]
#[case("us-east-1", "[network]\nzone_names = ['us-east-1a', 'us-east-1b']", true)]
#[case("us-west-1", "[platform]\norigin = 'public'", true)]
#[case("us-east-1", "[platform]\norigin = 'public'\n[[server]]\narchitecture = 'X86_64'", false)]
#[case("ca-central-1", "", true)]
fn zones_that_may_lack_something_are_told_when_a_network_is_made(
    #[case] region: &str,
    #[case] text: &str,
    #[case] luck: bool,
) {
    let mut next = environment(text);
    next.region = region.into();
    next.validate().unwrap();
    let all = cautions(&next, &planned(&next, &[]), &[]);
    assert_eq!(all.iter().any(|caution| caution.contains("zone_ids")), luck, "{all:?}");
}
