//! What a deploy changes of a server that knows nothing of gangway: key by key, where the change set shows one
//! long text instead of another.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{After, Before};
use crate::core::environment::app::BETWEEN_ARGUMENTS;
use crate::core::environment::{Environment, Template};
use crate::core::operation::deploy::StackDeploy;
use crate::core::plan::{Change, Risk};
use crate::core::stack::Stack;

/// The rows for what is said in `[server.app]`. Secrets are named by their places, and have no values here.
pub fn app_changes(environment: &Environment, planned: &[StackDeploy], deployed: &[Stack]) -> Vec<Change> {
    let before = Before { environment, deployed };
    let servers = planned.iter().filter(|deploy| deploy.template == Template::Server);
    servers.flat_map(|deploy| rows(&After { deploy, stack: before.of(deploy) })).collect()
}

/// Parameters beside `App`, and their keys.
const BESIDE: [(&str, &str); 7] = [
    ("GangwayImage", "gangway image"),
    ("TaskPolicyArns", "policies"),
    ("RegistrySecretArn", "registry_secret"),
    ("SecretKeyArns", "secret_keys"),
    ("User", "user"),
    ("ReadOnlyRoot", "read_only"),
    ("StartSeconds", "start_seconds"),
];
/// Those that have a key together.
const TOGETHER: [(&str, &[&str]); 2] = [
    ("writable", &["WritableA", "WritableB", "WritableC", "WritableD"]),
    ("secrets", &["SecretA", "SecretB", "SecretC", "SecretD", "SecretE", "SecretF", "SecretG", "SecretH"]),
];

fn rows(after: &After<'_>) -> Vec<Change> {
    let app = |value: Option<&str>| value.filter(|value| !value.is_empty()).map(told).unwrap_or_default();
    let (was, will_be) = (app(after.was("App")), app(after.will_be("App")));
    if was.is_empty() && will_be.is_empty() {
        return Vec::new();
    }
    let name = after.will_be("ServerName").unwrap_or_default();
    let row = |field: &str, before: Option<String>, after: Option<String>| Change {
        subject: name.to_owned(),
        field: format!("app {field}"),
        before,
        after,
        // To change who may call what is what an operator must see.
        risk: if field.starts_with("tools") && before_is(&was) { Risk::Disruptive } else { Risk::Safe },
    };
    let keys: BTreeSet<&String> = was.keys().chain(will_be.keys()).collect();
    let changed = keys.into_iter().filter(|key| was.get(*key) != will_be.get(*key));
    let mut all: Vec<Change> = changed.map(|key| row(key, was.get(key).cloned(), will_be.get(key).cloned())).collect();
    let some = |value: String| Some(value).filter(|value| !value.is_empty());
    for (parameter, key) in BESIDE {
        let of = |value: Option<&str>| some(value.unwrap_or_default().to_owned());
        let (before, after) = (of(after.was(parameter)), of(after.will_be(parameter)));
        if before != after {
            all.push(row(key, before, after));
        }
    }
    for (key, parameters) in TOGETHER {
        let of = |value: &dyn Fn(&str) -> Option<String>| {
            some(
                parameters
                    .iter()
                    .filter_map(|one| value(one))
                    .filter(|one| !one.is_empty())
                    .collect::<Vec<_>>()
                    .join(", "),
            )
        };
        let before = of(&|one| after.was(one).map(str::to_owned));
        let after = of(&|one| after.will_be(one).map(str::to_owned));
        if before != after {
            all.push(row(key, before, after));
        }
    }
    all
}

fn before_is(was: &BTreeMap<String, String>) -> bool {
    !was.is_empty()
}

/// What gangway is told, key by key: `environment.LOG_LEVEL`, `tools.write`.
fn told(json: &str) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    // What somebody wrote by hand may be no JSON: it is shown whole.
    match serde_json::from_str::<Value>(json) {
        Ok(value) => flatten("", &value, &mut all),
        Err(_) => drop(all.insert("text".to_owned(), json.to_owned())),
    }
    all
}

fn flatten(key: &str, value: &Value, into: &mut BTreeMap<String, String>) {
    let text = match value {
        Value::Object(map) => {
            for (inner, value) in map {
                let key = if key.is_empty() { inner.clone() } else { format!("{key}.{inner}") };
                flatten(&key, value, into);
            }
            return;
        }
        Value::Array(list) if list.is_empty() => return,
        Value::Array(list) => list.iter().map(plain).collect::<Vec<_>>().join(" "),
        other => plain(other),
    };
    into.insert(key.to_owned(), text.replace(BETWEEN_ARGUMENTS, " "));
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::environment::testing::{deployed, environment, planned};

    fn changes(first: &str, next: &str) -> Vec<String> {
        let next = environment(next);
        next.validate().unwrap();
        let stacks = if first.is_empty() { Vec::new() } else { deployed(&environment(first)) };
        let rows = app_changes(&next, &planned(&next, &stacks), &stacks);
        let text = |value: Option<String>| value.unwrap_or_else(|| "-".into());
        rows.into_iter().map(|row| format!("{}: {} -> {}", row.field, text(row.before), text(row.after))).collect()
    }

    fn file(app: &str) -> String {
        format!("[[server]]\n[server.app]\ntransport = 'stdio'\n{app}")
    }

    #[test]
    fn each_key_that_changes_has_its_row() {
        let first = file("command = ['a', 'b']\nenvironment = { LOG = 'info', OLD = '1' }\ntools = { read = ['x'] }");
        let next = file(
            "command = ['a', 'c']\nenvironment = { LOG = 'debug', NEW = '2' }\ntools = { write = ['x'] }\nuser = '1000'\n\
             writable = ['/tmp', '/cache']",
        );
        let expected = [
            "app command: a b -> a c",
            "app environment.LOG: info -> debug",
            "app environment.NEW: - -> 2",
            "app environment.OLD: 1 -> -",
            "app tools.read: x -> -",
            "app tools.write: - -> x",
            "app user: 65532:65532 -> 1000",
            "app writable: /tmp -> /tmp, /cache",
        ];
        assert_eq!(changes(&first, &next), expected);
        assert_eq!(changes(&first, &first), Vec::<String>::new());
    }

    #[test]
    fn a_server_of_ours_has_no_rows() {
        assert_eq!(changes("", ""), Vec::<String>::new());
        assert_eq!(
            changes("[[server]]\ngangway = true", "[[server]]\ngangway = true\nmemory = 1024"),
            Vec::<String>::new()
        );
    }

    #[test]
    fn a_new_server_shows_what_it_gets_and_a_changed_scope_disturbs() {
        let rows = changes("", &file("command = ['a']"));
        assert!(
            rows.contains(&"app command: - -> a".to_owned()) && rows.contains(&"app sessions: - -> shared".to_owned())
        );
        let (first, next) = (environment(&file("")), environment(&file("tools = { hidden = ['x'] }")));
        let stacks = deployed(&first);
        let rows = app_changes(&next, &planned(&next, &stacks), &stacks);
        assert_eq!(rows.iter().map(|row| row.risk).collect::<Vec<_>>(), [Risk::Disruptive]);
    }
}
