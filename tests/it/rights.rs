//! The table of calls: it has every call that the code makes, none that it does not make, and for each the jobs
//! in which it is made.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::support::front::Front;
use crate::support::pty;
use crate::support::world::{Setup, World};
use crate::tour::{Part, tour};
use quarterdeck::core::rights::calls::{ApiCall, Job};
use quarterdeck::core::rights::{Scope, Wanted, policy};
use regex::Regex;
use rstest::rstest;
use serde_json::Value;

fn sources(path: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] })
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect()
}

/// The code of the wall, without comments and white space.
fn code() -> String {
    let wall = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/aws");
    let text: String = sources(&wall).iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    let lines = text.lines().map(|line| line.split("//").next().unwrap_or_default());
    lines.flat_map(str::split_whitespace).collect()
}

/// `ListServices` of `list_services`.
fn operation(method: &str) -> String {
    let word = |word: &str| word[..1].to_uppercase() + &word[1..];
    method.split('_').filter(|part| !part.is_empty()).map(word).collect()
}

fn operation_of(call: ApiCall) -> &'static str {
    call.right().name.split(':').nth(1).unwrap()
}

#[test]
fn every_request_that_the_code_builds_is_in_the_table_and_no_other() {
    let client = r"\b(?:ecs|logs|cognito|dynamodb|secrets|elb|scaling|shifts|metrics|sts|read|write|tail|client)\.([a-z][a-z_]+)\(\)";
    let found = Regex::new(client).unwrap();
    let code = code();
    // Methods of other things that have such a name.
    let others = [
        "as_ref",
        "client_id",
        "clone",
        "created_at",
        "dedup",
        "into",
        "into_iter",
        "is_empty",
        "iter",
        "known",
        "known_mut",
        "len",
        "public",
        "result",
        "sort",
        "why",
    ];
    let built: BTreeSet<String> = found
        .captures_iter(&code)
        .map(|found| found[1].to_owned())
        .filter(|method| !others.contains(&method.as_str()))
        .map(|method| operation(&method))
        .collect();
    let known: BTreeSet<String> = ApiCall::ALL
        .iter()
        // Those that are made without an SDK.
        .filter(|call| !matches!(call, ApiCall::Token | ApiCall::ToolsList | ApiCall::Metadata))
        .filter(|call| **call != ApiCall::DescribeAvailabilityZones)
        .map(|call| operation_of(*call).to_owned())
        .collect();
    assert_eq!(built, known);
}

#[test]
fn every_call_that_an_error_names_is_in_the_table() {
    let named = Regex::new(r#""([a-z0-9-]+:[A-Z][A-Za-z]+)""#).unwrap();
    let code = code();
    // What is not asked of AWS.
    let others = ["aws:Configure", "engine:Push", "os:Random"];
    let unknown: BTreeSet<&str> = named
        .captures_iter(&code)
        .map(|found| found.get(1).unwrap().as_str())
        .filter(|name| ApiCall::named(name).is_none() && !others.contains(name))
        // Of the tests beside the code.
        .filter(|name| !["ecs:X", "ssm:GetParameter"].contains(name))
        .collect();
    assert_eq!(unknown, BTreeSet::new());
}

/// Who does a job makes no call for which the policy of the job has no right.
#[rstest]
#[case(Job::Watch, &[Part::Reads])]
#[case(Job::Logs, &[Part::Reads, Part::Logs])]
#[case(Job::Scale, &[Part::Reads, Part::Restart, Part::Scale, Part::StopTask, Part::Zones])]
#[case(Job::Rotate, &[Part::Reads, Part::Secrets, Part::Rotate, Part::Users])]
#[case(Job::Deploy, &[Part::Reads, Part::Secrets, Part::Deploy, Part::Refused, Part::Discard, Part::Destroy, Part::Images])]
#[case(Job::Publish, &[Part::Reads, Part::Images, Part::Publish])]
#[tokio::test]
async fn a_job_makes_no_call_that_its_policy_forbids(#[case] job: Job, #[case] parts: &[Part]) {
    let scope = Scope {
        account: "123456789012".into(),
        region: "eu-central-1".into(),
        environment: "prod".into(),
        cluster: "quarterdeck-prod".into(),
    };
    let allowed: BTreeSet<String> =
        policy(&Wanted::Job(job), &scope).statement.iter().flat_map(|statement| statement.action.clone()).collect();
    for part in parts {
        let (seen, _) = tour(*part, None).await;
        assert!(!seen.is_empty());
        for call in seen {
            let known = ApiCall::ALL.iter().find(|known| operation_of(**known) == call);
            let nothing = matches!(known, Some(ApiCall::GetCallerIdentity)) || call.starts_with('/');
            let right = known.map(|known| known.right().name).unwrap_or_default();
            assert!(nothing || allowed.contains(right), "{part:?} makes {call}, which {job:?} may not");
        }
    }
}

/// `quarterdeck iam-policy …`, with the environment named and no endpoint.
fn printed(args: &[&str]) -> (i32, Value, String) {
    let home = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_quarterdeck"));
    command.args(["-e", "prod", "--region", "eu-west-1", "iam-policy"]).args(args);
    command.current_dir(home.path()).stdin(Stdio::null());
    for name in pty::NOT_INHERITED {
        command.env_remove(name);
    }
    command.envs(pty::homes(home.path())).env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", "test");
    let output = command.output().unwrap();
    let document = serde_json::from_slice(&output.stdout).unwrap_or_default();
    (output.status.code().unwrap(), document, String::from_utf8(output.stderr).unwrap())
}

#[rstest]
#[case(&["watch"])]
#[case(&["logs"])]
#[case(&["scale"])]
#[case(&["rotate"])]
#[case(&["deploy"])]
#[case(&["publish"])]
#[case(&["publish", "--with-role"])]
#[case(&["deploy", "--with-role"])]
#[case(&["deploy", "--with-role", "arn:aws:iam::123456789012:role/ci"])]
#[case(&["deploy", "--part", "1"])]
#[case(&["cloudformation"])]
fn a_policy_is_printed_with_account_region_and_environment(
    #[case] args: &[&str],
    #[values("text", "json")] output: &str,
) {
    let (code, policy, said) = printed(&[args, &["--account", "123456789012", "--output", output]].concat());
    assert_eq!(code, 0, "{said}");
    assert_eq!(policy["Version"], "2012-10-17");
    let text = policy.to_string();
    for part in ["123456789012", "eu-west-1", "quarterdeck-prod"] {
        assert!(text.contains(part), "{text}");
    }
    assert!(!text.contains("${"), "{text}");
}

#[test]
fn the_role_is_that_of_the_configuration_unless_one_is_named() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("quarterdeck.toml");
    let role = "arn:aws:iam::123456789012:role/ops/cloudformation";
    std::fs::write(&file, format!("environment = \"prod\"\nregion = \"eu-west-1\"\n[deploy]\nrole = \"{role}\"\n"))
        .unwrap();
    let args = ["deploy", "--with-role", "--account", "123456789012", "--file", file.to_str().unwrap()];
    let (code, policy, said) = printed(&args);
    assert_eq!(code, 0, "{said}");
    let passed =
        policy["Statement"].as_array().unwrap().iter().find(|one| one["Action"].to_string().contains("iam:PassRole"));
    assert_eq!(passed.unwrap()["Resource"].to_string().matches(role).count(), 1, "{policy}");
}

#[rstest]
#[case(&["watch", "--with-role"], 2, "--with-role is for deploy and publish")]
#[case(&["watch", "--part", "9"], 2, "only 1 to 1")]
#[case(&["watch", "--part", "0"], 2, "only 1 to 1")]
fn a_policy_that_cannot_be_is_refused(#[case] args: &[&str], #[case] code: i32, #[case] why: &str) {
    let (ended, _, said) = printed(&[args, &["--account", "123456789012"]].concat());
    assert_eq!((ended, said.contains(why)), (code, true), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_account_is_that_of_the_caller() {
    let world = World::deployed(Setup { dual: true, servers: vec!["time"], lag: 0 });
    let front = Front::start(&world, None).await;
    let url = front.server.url.clone();
    let (code, policy, said) =
        tokio::task::spawn_blocking(move || printed(&["watch", "--endpoint-url", &url])).await.unwrap();
    assert_eq!(code, 0, "{said}");
    assert!(policy.to_string().contains(":123456789012:"), "{policy}");
    assert_eq!(front.seen(), ["GetCallerIdentity"]);
}
