//! What `[server.app]` may say, what it refuses, and what gangway is told.

use rstest::rstest;

use super::*;
use crate::core::environment::testing::{environment, parsed};

/// A server `time` whose image is not built on gangway.
fn file(app: &str) -> String {
    format!("[[server]]\n[server.app]\n{app}")
}

const SECRET: &str = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:stripe-AbCdEf";

#[rstest]
#[case::no_port("transport = 'http'", "port", "such as 3000")]
#[case::own_port("transport = 'http'\nport = 8080", "port", "another one")]
#[case::no_such_port("transport = 'http'\nport = 65536", "port", "1 to 65535")]
#[case::port_zero("transport = 'http'\nport = 0", "port", "1 to 65535")]
#[case::port_of_stdio("transport = 'stdio'\nport = 3000", "port", "leave the line out")]
#[case::path_of_stdio("transport = 'stdio'\npath = '/mcp'", "path", "leave the line out")]
#[case::relative("transport = 'http'\nport = 3000\npath = 'mcp'", "path", "such as /mcp")]
#[case::query("transport = 'http'\nport = 3000\npath = '/mcp?a=b'", "path", "without spaces, query")]
#[case::upwards("transport = 'http'\nport = 3000\npath = '/a/../b'", "path", "..")]
#[case::no_program("command = []", "command", "leave the line out")]
#[case::empty_program("command = ['']", "command", "names no program")]
#[case::separator("command = ['a', 'b~|~c']", "command", "into a script")]
#[case::line_break("command = ['sh', '-c', \"a\\nb\"]", "command", "into a script")]
#[case::secret_argument("command = ['a', '--key=sk-0123456789abcdefghijkl']", "command", "secret set time KEY")]
#[case::no_variable("environment = { '1A' = 'x' }", "environment.1A", "no digit first")]
#[case::ours("environment = { GANGWAY_APP = 'x' }", "environment.GANGWAY_APP", "rename it")]
#[case::of_ecs("environment = { ECS_AGENT = 'x' }", "environment.ECS_AGENT", "rename it")]
#[case::secret_name("environment = { API_KEY = 'hunter2' }", "environment.API_KEY", "secret set time API_KEY")]
#[case::secret_value(
    "environment = { DATABASE_URL = 'postgres://a:b@c/d' }",
    "environment.DATABASE_URL",
    "not_secret = [\"DATABASE_URL\"]"
)]
#[case::no_such_variable("not_secret = ['A']", "not_secret", "take it off")]
#[case::pasted("secrets = { A = 'sk-0123456789abcdefghijkl' }", "secrets.A", "no value stands here")]
#[case::half_an_arn("secrets = { A = 'arn:aws:secretsmanager:eu-west-1:1:secret:a' }", "secrets.A", "AbCdEf")]
#[case::twice("environment = { A = 'x' }\nsecrets = { A = 'app/a' }", "secrets.A", "say it once")]
#[case::ours_secret("secrets = { GANGWAY_X = 'app/a' }", "secrets.GANGWAY_X", "rename it")]
#[case::key("secret_keys = ['alias/a']", "secret_keys", "arn:aws:kms")]
#[case::registry("registry_secret = 'hunter2'", "registry_secret", "no value stands here")]
#[case::policy("policies = ['files']", "policies", "arn:aws:iam::123456789012:policy/files")]
#[case::policy_of_a_role("policies = ['arn:aws:iam::123456789012:role/a']", "policies", "not the ARN of a policy")]
#[case::policy_twice(
    "policies = ['arn:aws:iam::aws:policy/A', 'arn:aws:iam::aws:policy/A']",
    "policies",
    "named twice"
)]
#[case::root("user = '0'", "user", "never root")]
#[case::root_group("user = '1000:0'", "user", "never root")]
#[case::by_name("user = 'node'", "user", "1000:1000")]
#[case::three("user = '1:2:3'", "user", "1000:1000")]
#[case::relative_folder("writable = ['tmp']", "writable", "such as /tmp")]
#[case::root_folder("writable = ['/']", "writable", "such as /tmp")]
#[case::folder_upwards("writable = ['/a/../b']", "writable", "without ..")]
#[case::system("writable = ['/proc/x']", "writable", "the system's")]
#[case::own_folder("writable = ['/.gangway']", "writable", "gangway's")]
#[case::nested("writable = ['/a/b', '/a']", "writable", "another folder of the list")]
#[case::folder_twice("writable = ['/a', '/a']", "writable", "is there already")]
#[case::many_folders("writable = ['/a', '/b', '/c', '/d', '/e']", "writable", "4 are")]
#[case::processes("processes = 0", "processes", "1 to 64")]
#[case::many_processes("processes = 65", "processes", "1 to 64")]
#[case::long("request_seconds = 121", "request_seconds", "1 to 120")]
#[case::start("start_seconds = 301", "start_seconds", "1 to 300")]
#[case::body("max_body_kilobytes = 65", "max_body_kilobytes", "what the web ACL lets through")]
#[case::requests("max_requests = 0", "max_requests", "1 to 65536")]
#[case::two_lists("tools = { read = ['a'], write = ['a'] }", "tools.write", "one list, once")]
#[case::twice_in_one("tools = { hidden = ['a', 'a'] }", "tools.hidden", "one list, once")]
#[case::tool_name("tools = { read = ['a b'] }", "tools.read", "without spaces")]
fn what_is_not_possible_is_refused_with_key_limit_and_way_out(
    #[case] app: &str,
    #[case] key: &str,
    #[case] words: &str,
) {
    let transport = if app.contains("transport") { "" } else { "transport = 'stdio'\n" };
    let error = environment(&file(&format!("{transport}{app}"))).validate().unwrap_err();
    assert_eq!(error.key, format!("server.time.app.{key}"), "{error}");
    assert!(error.reason.contains(words), "{error}");
}

/// A value that may be a secret is in no error: errors get into logs.
#[rstest]
#[case("environment = { API_KEY = 'hunter2' }")]
#[case("command = ['a', '--password', 'sk-hunter2-0123456789abcdef']")]
#[case("secrets = { A = 'hunter2 hunter2' }")]
#[case("registry_secret = 'hunter2'")]
fn an_error_does_not_repeat_what_may_be_a_secret(#[case] app: &str) {
    let error = environment(&file(&format!("transport = 'stdio'\n{app}"))).validate().unwrap_err();
    assert!(!error.to_string().contains("hunter2"), "{error}");
}

#[rstest]
#[case("transport = 'stdio'\ntransprot = 'x'")]
#[case("transport = 'sse'")]
#[case("port = 3000")]
#[case("transport = 'stdio'\nsessions = 'sticky'")]
#[case("transport = 'stdio'\ntools = { deny = [] }")]
#[case("transport = 'stdio'\ntools = { default = 'all' }")]
#[case("transport = 'stdio'\nprocesses = -1")]
fn unknown_keys_and_words_are_refused(#[case] app: &str) {
    assert_eq!(parsed(&file(app)), None);
}

#[test]
fn many_secrets_and_long_environments_are_refused() {
    let many: String = (0..9).map(|number| format!("S{number} = 'app/a', ")).collect();
    let error = environment(&file(&format!("transport = 'stdio'\nsecrets = {{ {many} }}"))).validate().unwrap_err();
    assert!(error.reason.contains("8 are") && error.reason.contains("secret set"), "{error}");
    let long = "x".repeat(4_000);
    let error = environment(&file(&format!("transport = 'stdio'\nenvironment = {{ A = '{long}' }}"))).validate();
    let error = error.unwrap_err();
    assert!(error.key == "server.time.app.environment" && error.reason.contains("4096"), "{error}");
    let policies: Vec<String> = (0..11).map(|number| format!("'arn:aws:iam::123456789012:policy/p{number}'")).collect();
    let error = environment(&file(&format!("transport = 'stdio'\npolicies = [{}]", policies.join(", ")))).validate();
    assert!(error.unwrap_err().reason.contains("a role has 10"));
}

#[test]
fn a_server_is_built_on_gangway_or_has_it_in_front() {
    let both = environment("[[server]]\ngangway = true\n[server.app]\ntransport = 'stdio'");
    let error = both.validate().unwrap_err();
    assert!(error.key == "server.time.gangway" && error.reason.contains("one of the two"), "{error}");
}

#[test]
fn everything_that_is_possible_is_accepted_and_told() {
    let text = format!(
        "transport = 'http'\nport = 3000\npath = '/tools/mcp'\ncommand = ['node', 'dist/index.js', '--host=0.0.0.0']\n\
         environment = {{ LOG_LEVEL = 'info', MAX_TOKENS = '4096', TOKEN_KIND = 'plain' }}\nnot_secret = ['TOKEN_KIND']\n\
         secrets = {{ STRIPE_KEY = '{SECRET}', OTHER = '{SECRET}:key', BY_NAME = 'app/stripe:key' }}\n\
         secret_keys = ['arn:aws:kms:eu-west-1:123456789012:key/1']\nregistry_secret = '{SECRET}'\n\
         policies = ['arn:aws:iam::123456789012:policy/files', 'arn:aws:iam::aws:policy/ReadOnlyAccess']\n\
         user = '1000:1000'\nread_only = false\nwritable = ['/tmp', '/home/node/.cache']\nsessions = 'shared'\n\
         processes = 8\nrequest_seconds = 120\nstart_seconds = 90\nmax_body_kilobytes = 32\nmax_requests = 64\n\
         tools = {{ default = 'write', read = ['list'], write = ['move'], hidden = ['raw_sql'] }}"
    );
    let it = environment(&file(&text));
    assert_eq!(it.validate(), Ok(()));
    let told: Value = serde_json::from_str(&it.servers[0].app.as_ref().unwrap().json()).unwrap();
    let expected = json!({
        "transport": "http", "port": 3000, "path": "/tools/mcp",
        "command": ["node", "dist/index.js", "--host=0.0.0.0"],
        "environment": { "LOG_LEVEL": "info", "MAX_TOKENS": "4096", "TOKEN_KIND": "plain" },
        "sessions": "shared", "processes": 8, "request_seconds": 120,
        "tools": { "default": "write", "read": ["list"], "write": ["move"], "hidden": ["raw_sql"] },
    });
    assert_eq!(told, expected);
}

#[test]
fn what_it_does_not_say_is_its_default() {
    let it = environment(&file("transport = 'stdio'"));
    assert_eq!(it.validate(), Ok(()));
    let told: Value = serde_json::from_str(&it.servers[0].app.as_ref().unwrap().json()).unwrap();
    let tools = json!({ "default": "annotations", "read": [], "write": [], "hidden": [] });
    let expected = json!({
        "transport": "stdio", "environment": {}, "sessions": "shared", "processes": 4, "request_seconds": 30,
        "tools": tools,
    });
    assert_eq!(told, expected);
}

#[rstest]
#[case(SECRET, SECRET)]
#[case(&format!("{SECRET}:key"), &format!("{SECRET}:key::"))]
#[case(&format!("{SECRET}:key::"), &format!("{SECRET}:key::"))]
fn the_key_of_a_secret_is_named_as_ecs_wants_it(#[case] place: &str, #[case] from: &str) {
    assert_eq!(value_from(place), from);
    assert_eq!(secret_arn(place), SECRET);
}
