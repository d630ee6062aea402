//! Changes of a task definition that break its tasks.

use serde_json::{Map, Value, json};

/// Changes the definition of a server's container. Fails where it has nothing that could be changed like this.
pub type Change = fn(&mut Value) -> Result<(), String>;

/// What RegisterTaskDefinition takes of what DescribeTaskDefinition gives (ECS API reference).
const KEPT: &[&str] = &[
    "family",
    "taskRoleArn",
    "executionRoleArn",
    "networkMode",
    "containerDefinitions",
    "volumes",
    "requiresCompatibilities",
    "cpu",
    "memory",
    "runtimePlatform",
    "ephemeralStorage",
];
/// An address of documentation (RFC 5737), which no machine has.
const NOWHERE: &str = "192.0.2.1:8080";
/// A port on which nothing listens in a container with one server.
const NO_KEYS: &str = "http://127.0.0.1:9/jwks.json";

/// The same task definition with a change, as RegisterTaskDefinition takes it.
pub(super) fn changed(found: &Value, server: &str, change: Change) -> Result<Value, String> {
    let mut draft = Map::new();
    for key in KEPT {
        if let Some(value) = found.get(*key).filter(|value| !value.is_null() && **value != "") {
            draft.insert((*key).to_owned(), value.clone());
        }
    }
    let containers = draft.get_mut("containerDefinitions").and_then(Value::as_array_mut).into_iter().flatten();
    let container = containers.into_iter().find(|one| one["name"] == server);
    change(container.ok_or_else(|| format!("its task definition has no container {server}"))?)?;
    Ok(Value::Object(draft))
}

/// Sets a variable to what `to` makes of its value.
fn variable(container: &mut Value, name: &str, to: impl FnOnce(&str) -> Option<String>) -> Result<(), String> {
    let all = container["environment"].as_array_mut().into_iter().flatten();
    let found = all.into_iter().find(|one| one["name"] == name);
    let value = found.and_then(|one| Some((to(one["value"].as_str()?)?, one)));
    let (value, one) = value.ok_or_else(|| format!("this server has no {name}"))?;
    one["value"] = json!(value);
    Ok(())
}

/// It listens on an address that it does not have, and ends.
pub(super) fn unbindable(container: &mut Value) -> Result<(), String> {
    variable(container, "GANGWAY_ADDR", |_| Some(NOWHERE.to_owned()))
}

/// The tag of its image is one that nobody made.
pub(super) fn unknown_tag(container: &mut Value) -> Result<(), String> {
    let image = container["image"].as_str().unwrap_or_default();
    let name = image.split('@').next().unwrap_or_default();
    let slash = name.rfind('/').map_or(0, |at| at + 1);
    let end = name[slash..].find(':').map_or(name.len(), |at| slash + at);
    container["image"] = json!(format!("{}:no-such-tag", &name[..end]));
    Ok(())
}

/// Its first secret is read from a JSON key that is not there: `ARN:key::` (ECS developer guide, "Pass Secrets Manager
/// secrets through environment variables").
pub(super) fn unknown_key(container: &mut Value) -> Result<(), String> {
    let secret = container["secrets"].as_array_mut().and_then(|all| all.first_mut());
    let secret = secret.ok_or("this server reads no secret")?;
    let from = secret["valueFrom"].as_str().unwrap_or_default();
    let arn = from.split(':').take(7).collect::<Vec<_>>().join(":");
    secret["valueFrom"] = json!(format!("{arn}:no_such_key::"));
    Ok(())
}

/// The keys of its issuer are where nobody answers.
pub(super) fn unreachable_keys(container: &mut Value) -> Result<(), String> {
    variable(container, "GANGWAY_JWKS_URL", |_| Some(NO_KEYS.to_owned()))
}

/// What it calls is a path of the stand-in that answers 500.
pub(super) fn broken_upstream(container: &mut Value) -> Result<(), String> {
    upstream(container, "/broken")
}

/// What it calls is a path of the stand-in that takes its time.
pub(super) fn slow_upstream(container: &mut Value) -> Result<(), String> {
    upstream(container, "/slow")
}

fn upstream(container: &mut Value, path: &str) -> Result<(), String> {
    variable(container, "UPSTREAM_URL", |url| (!url.is_empty()).then(|| format!("{url}{path}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn found() -> Value {
        json!({
            "taskDefinitionArn": "arn:7", "revision": 7, "status": "ACTIVE", "family": "time", "cpu": "256",
            "taskRoleArn": "", "ephemeralStorage": null,
            "containerDefinitions": [{ "name": "log" }, { "name": "time", "image": "localhost/q/mcp-time:abc",
                "environment": [{ "name": "GANGWAY_ADDR", "value": "0.0.0.0:8080" },
                    { "name": "GANGWAY_JWKS_URL", "value": "http://h:1/k" },
                    { "name": "UPSTREAM_URL", "value": "http://stub:8080" }],
                "secrets": [{ "name": "A", "valueFrom": "arn:aws:secretsmanager:r:1:secret:x-AbC:ids::" }] }],
        })
    }

    #[rstest]
    #[case::exit(unbindable, "/environment/0/value", "192.0.2.1:8080")]
    #[case::tag(unknown_tag, "/image", "localhost/q/mcp-time:no-such-tag")]
    #[case::key(unknown_key, "/secrets/0/valueFrom", "arn:aws:secretsmanager:r:1:secret:x-AbC:no_such_key::")]
    #[case::keys(unreachable_keys, "/environment/1/value", "http://127.0.0.1:9/jwks.json")]
    #[case::broken(broken_upstream, "/environment/2/value", "http://stub:8080/broken")]
    #[case::slow(slow_upstream, "/environment/2/value", "http://stub:8080/slow")]
    fn one_thing_is_changed(#[case] change: Change, #[case] place: &str, #[case] value: &str) {
        let draft = changed(&found(), "time", change).unwrap_or_default();
        let at = format!("/containerDefinitions/1{place}");
        assert_eq!(draft.pointer(&at).and_then(Value::as_str), Some(value));
        let mut back = draft.clone();
        if let (Some(one), Some(was)) = (back.pointer_mut(&at), found().pointer(&at)) {
            *one = was.clone();
        }
        assert_eq!(back["containerDefinitions"], found()["containerDefinitions"], "and nothing else");
        // What only ECS says is not registered.
        let keys: Vec<&str> = draft.as_object().into_iter().flatten().map(|(key, _)| key.as_str()).collect();
        assert_eq!(keys, ["family", "containerDefinitions", "cpu"]);
    }

    #[rstest]
    #[case("localhost:5000/a/b@sha256:00", "localhost:5000/a/b:no-such-tag")]
    #[case("nginx", "nginx:no-such-tag")]
    #[case("h:1/nginx:1", "h:1/nginx:no-such-tag")]
    fn a_port_is_no_tag(#[case] image: &str, #[case] expected: &str) {
        let mut container = json!({ "image": image });
        assert_eq!(unknown_tag(&mut container), Ok(()));
        assert_eq!(container["image"], expected);
    }

    #[rstest]
    #[case::no_container(json!({ "containerDefinitions": [] }), unbindable, "no container time")]
    #[case::no_upstream(json!({ "containerDefinitions": [{ "name": "time", "environment": [
        { "name": "UPSTREAM_URL", "value": "" }] }] }), broken_upstream, "no UPSTREAM_URL")]
    #[case::no_secret(json!({ "containerDefinitions": [{ "name": "time" }] }), unknown_key, "no secret")]
    fn what_is_not_there_cannot_be_broken(#[case] found: Value, #[case] change: Change, #[case] said: &str) {
        let refused = changed(&found, "time", change).err().unwrap_or_default();
        assert!(refused.contains(said), "{refused}");
    }
}
