//! What of `[server.app]` is not possible: which key, why, and what is.

use std::collections::BTreeSet;

use super::{App, BETWEEN_ARGUMENTS, MOST_SECRETS, MOST_WRITABLE, Tools, secretive};
use crate::core::environment::choice::Transport;

/// A key of `[server.app]` and why its value is not possible.
pub(in crate::core::environment) type Fault = (String, String);

/// The port on which gangway listens.
const OWN_PORT: u32 = 8080;
/// The longest value of a template's parameter, in bytes (CloudFormation quotas).
const LONGEST: usize = 4_096;
/// Managed policies of a role, unless the quota was raised (IAM quotas, L-0DA4ABF3).
const MOST_POLICIES: usize = 10;
/// CloudFront waits so long for an answer to begin, with the templates' origin.
const EDGE_SECONDS: u32 = 120;
/// The largest body that the web ACL lets through, in kilobytes (AWS WAF quotas).
const EDGE_KILOBYTES: u32 = 64;
/// The longest start period of a container's health check (ECS API reference, HealthCheck).
const MOST_START: u32 = 300;
/// The longest name of a tool (MCP 2025-11-25, Tools, "Tool Names").
const LONGEST_TOOL: usize = 128;

/// # Errors
/// Names the first impossible key, with its limit and the way out.
pub(in crate::core::environment) fn check(app: &App, server: &str) -> Result<(), Fault> {
    transport(app)?;
    command(app, server)?;
    environment(app, server)?;
    secrets(app)?;
    rights(app)?;
    folders(app)?;
    sizes(app)?;
    tools(&app.tools)?;
    let long = app.json().len();
    if long > LONGEST {
        let why = format!(
            "what gangway is told of it has {long} bytes, and CloudFormation takes {LONGEST}; put long values into a \
             Secret and name it under secrets, or into the image"
        );
        return fault("environment", why);
    }
    Ok(())
}

fn fault<T>(key: impl Into<String>, why: impl Into<String>) -> Result<T, Fault> {
    Err((key.into(), why.into()))
}

fn transport(app: &App) -> Result<(), Fault> {
    match (app.transport, app.port, &app.path) {
        (Transport::Http, None, _) => {
            fault("port", "transport = \"http\" needs the port on which it listens, such as 3000")
        }
        (Transport::Stdio, Some(_), _) => {
            fault("port", "transport = \"stdio\" has no port; leave the line out, or set transport = \"http\"")
        }
        (Transport::Stdio, _, Some(_)) => {
            fault("path", "transport = \"stdio\" has no path; leave the line out, or set transport = \"http\"")
        }
        (Transport::Http, Some(OWN_PORT), _) => {
            fault("port", "8080 is gangway's own, in the same container; let the server listen on another one")
        }
        (Transport::Http, Some(port), _) if !(1..=65_535).contains(&port) => {
            fault("port", format!("{port} is not possible; 1 to 65535 is, but for 8080"))
        }
        (Transport::Http, Some(_), Some(path)) if !is_url_path(path) => fault(
            "path",
            format!("{path:?} is not possible; a path such as /mcp, without spaces, query, fragment and .."),
        ),
        _ => Ok(()),
    }
}

fn is_url_path(path: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "/-._~%!$&'()*+,;=:@".contains(c);
    path.starts_with('/') && path.chars().all(allowed) && !path.split('/').any(|part| part == "..")
}

fn command(app: &App, server: &str) -> Result<(), Fault> {
    let Some(command) = &app.command else { return Ok(()) };
    if command.first().is_none_or(String::is_empty) {
        return fault("command", "it names no program; leave the line out for the image's own");
    }
    for argument in command {
        if argument.contains(BETWEEN_ARGUMENTS) || argument.chars().any(char::is_control) {
            let why = format!(
                "{argument:?} is not possible; no argument has control characters or {BETWEEN_ARGUMENTS} in it: put \
                 it into a script in the image"
            );
            return fault("command", why);
        }
        if argument.starts_with('=') || argument.trim() != argument {
            continue;
        }
        // The argument itself is not repeated.
        if let Some(why) = secretive::text(argument) {
            return fault("command", format!("an argument looks like a secret: {why}; {}", way_out(server, "KEY")));
        }
    }
    let long = app.joined_command().map_or(0, |joined| joined.len());
    if long > LONGEST {
        return fault(
            "command",
            format!("it has {long} bytes, and {LONGEST} are possible; put it into a script in the image"),
        );
    }
    Ok(())
}

/// How a secret gets to a server.
fn way_out(server: &str, key: &str) -> String {
    format!(
        "set it with `quarterdeck secret set {server} {key}`, or name the Secret that has it under secrets; it comes \
         as a variable"
    )
}

/// Whether a variable may have this name (POSIX, "Environment Variables").
fn is_variable(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Refuses a variable that cannot be set, or that ECS or gangway sets.
fn variable(key: &str, name: &str) -> Result<(), Fault> {
    check_variable(name).or_else(|why| fault(key, why))
}

/// Whether a server can be given a variable of this name.
///
/// # Errors
/// Says why not.
pub fn check_variable(name: &str) -> Result<(), String> {
    if !is_variable(name) {
        return Err(format!("{name:?} is not the name of a variable; letters, digits and _ are, no digit first"));
    }
    let taken =
        ["GANGWAY_", "ECS_", "AWS_CONTAINER_", "AWS_EXECUTION_"].iter().find(|prefix| name.starts_with(**prefix));
    match taken {
        Some(prefix) => Err(format!("{name} is not possible: {prefix}* is set by gangway or ECS; rename it")),
        None => Ok(()),
    }
}

fn environment(app: &App, server: &str) -> Result<(), Fault> {
    for (name, value) in &app.environment {
        let key = format!("environment.{name}");
        variable(&key, name)?;
        if value.contains('\0') {
            return fault(key, "it has a NUL in it, which no variable can hold");
        }
        if app.not_secret.contains(name) {
            continue;
        }
        // The value is not repeated.
        if let Some(why) = secretive::variable(name, value) {
            let why = format!(
                "it looks like a secret: {why}; {}. If it is none, say not_secret = [{name:?}]",
                way_out(server, name)
            );
            return fault(key, why);
        }
    }
    match app.not_secret.iter().find(|name| !app.environment.contains_key(*name)) {
        Some(name) => {
            fault("not_secret", format!("{name:?} is not among the variables of environment; take it off the list"))
        }
        None => Ok(()),
    }
}

fn secrets(app: &App) -> Result<(), Fault> {
    if app.secrets.len() > MOST_SECRETS {
        let why = format!(
            "{} are not possible; {MOST_SECRETS} are. Further ones go into the server's own Secret with `quarterdeck secret set`",
            app.secrets.len()
        );
        return fault("secrets", why);
    }
    for (name, place) in &app.secrets {
        let key = format!("secrets.{name}");
        variable(&key, name)?;
        if app.environment.contains_key(name) {
            return fault(key, "environment has it, too; say it once");
        }
        if !is_secret_arn(place) && !is_secret_name(place) {
            // It may be the secret itself: it is not repeated.
            return fault(
                key,
                "it is neither the ARN of a Secret, such as arn:aws:secretsmanager:eu-west-1:123456789012:secret:NAME-AbCdEf, \
                 with :KEY behind it for one key of its JSON, nor a Secret's name; no value stands here",
            );
        }
    }
    let keys = |arn: &&String| !arn_of(arn, "kms").is_some_and(|resource| resource.starts_with("key/"));
    if let Some(arn) = app.secret_keys.iter().find(keys) {
        return fault("secret_keys", format!("{arn:?} is not the ARN of a key, arn:aws:kms:REGION:ACCOUNT:key/ID"));
    }
    match app.registry_secret.as_deref().filter(|arn| !is_secret_arn(arn) || arn.split(':').count() != 7) {
        Some(_) => fault(
            "registry_secret",
            "it is not the ARN of a Secret with username and password in it, such as \
             arn:aws:secretsmanager:eu-west-1:123456789012:secret:NAME-AbCdEf; no value stands here",
        ),
        None => Ok(()),
    }
}

/// The resource of an ARN of this service.
fn arn_of<'a>(arn: &'a str, service: &str) -> Option<&'a str> {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let [arn, partition, of, _, account, resource] = parts[..] else { return None };
    let whole = arn == "arn" && partition.starts_with("aws") && of == service;
    let account = account == "aws" || (account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit()));
    let printable =
        !resource.is_empty() && !resource.contains(|c: char| c.is_whitespace() || c == ',' || c.is_control());
    (whole && account && printable).then_some(resource)
}

/// Whether it is the ARN of a Secret, with what ECS reads after it: `:KEY:STAGE:VERSION`, each of which may be
/// empty (ECS developer guide, "Pass Secrets Manager secrets through Amazon ECS environment variables").
fn is_secret_arn(place: &str) -> bool {
    arn_of(place, "secretsmanager").and_then(|resource| resource.strip_prefix("secret:")).is_some_and(|name| {
        let parts: Vec<&str> = name.split(':').collect();
        let suffix = parts[0].rsplit_once('-').map(|(_, suffix)| suffix);
        let whole =
            suffix.is_some_and(|suffix| suffix.len() == 6 && suffix.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        whole && matches!(parts.len(), 1 | 2 | 4)
    })
}

/// Whether a Secret may have this name (Secrets Manager API reference, CreateSecret), with a path or a hyphen in
/// it, as a secret that somebody pasted has seldom.
fn is_secret_name(place: &str) -> bool {
    let (name, key) = place.split_once(':').unwrap_or((place, "key"));
    let allowed = |c: char| c.is_ascii_alphanumeric() || "/_+=.@-".contains(c);
    (1..=512).contains(&name.len())
        && name.chars().all(allowed)
        && secretive::text(name).is_none()
        && !key.is_empty()
        && key.chars().all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c))
}

fn rights(app: &App) -> Result<(), Fault> {
    if app.policies.len() > MOST_POLICIES {
        let why = format!("{} are not possible; a role has {MOST_POLICIES}: join some of them", app.policies.len());
        return fault("policies", why);
    }
    let policy = |arn: &&String| arn_of(arn, "iam").is_some_and(|resource| resource.starts_with("policy/"));
    if let Some(arn) = app.policies.iter().find(|arn| !policy(arn)) {
        return fault(
            "policies",
            format!("{arn:?} is not the ARN of a policy, such as arn:aws:iam::123456789012:policy/files"),
        );
    }
    if let Some(arn) = repeated(&app.policies) {
        return fault("policies", format!("{arn:?} is named twice"));
    }
    let number = |text: &str| !text.starts_with('0') && text.parse::<u32>().is_ok_and(|number| number < 1 << 31);
    match app.user.as_deref() {
        Some(user) if !user.split(':').all(number) || user.split(':').count() > 2 => fault(
            "user",
            format!(
                "{user:?} is not possible; a number, or two such as 1000:1000, and never root (0): a server needs no root"
            ),
        ),
        _ => Ok(()),
    }
}

fn folders(app: &App) -> Result<(), Fault> {
    let folders = app.folders();
    if folders.len() > MOST_WRITABLE {
        let why =
            format!("{} are not possible; {MOST_WRITABLE} are: choose a folder above some of them", folders.len());
        return fault("writable", why);
    }
    for folder in &folders {
        let parts: Vec<&str> = folder.split('/').skip(1).collect();
        let whole = folder.starts_with('/') && parts.iter().all(|part| !matches!(*part, "" | "." | ".."));
        let plain = folder.chars().all(|c| c.is_ascii_alphanumeric() || "/_.-".contains(c)) && folder.len() <= 80;
        if !whole || !plain {
            return fault(
                "writable",
                format!(
                    "{folder:?} is not possible; a whole path such as /tmp, up to 80 characters, without .. and / at the end"
                ),
            );
        }
        if matches!(parts[0], ".gangway" | ".quarterdeck" | "proc" | "sys" | "dev") {
            return fault(
                "writable",
                format!("{folder:?} is not possible: it is the system's or gangway's; choose another folder"),
            );
        }
    }
    let inside = |one: &String, other: &String| one != other && one.starts_with(&format!("{other}/"));
    let nested = folders.iter().find(|one| folders.iter().any(|other| inside(one, other)));
    match repeated(&folders).or(nested) {
        Some(folder) => {
            fault("writable", format!("{folder:?} is there already, or lies in another folder of the list"))
        }
        None => Ok(()),
    }
}

fn sizes(app: &App) -> Result<(), Fault> {
    let seconds = |most| format!("seconds, 1 to {most}");
    let rows = [
        ("processes", app.processes, 64, "1 to 64, each of which takes its memory out of the task's".to_owned()),
        (
            "request_seconds",
            app.request_seconds,
            EDGE_SECONDS,
            format!("{}, for which CloudFront waits", seconds(EDGE_SECONDS)),
        ),
        (
            "start_seconds",
            app.start_seconds,
            MOST_START,
            format!("{}, the longest that ECS knows", seconds(MOST_START)),
        ),
        (
            "max_body_kilobytes",
            app.max_body_kilobytes,
            EDGE_KILOBYTES,
            format!("1 to {EDGE_KILOBYTES}, what the web ACL lets through"),
        ),
        ("max_requests", app.max_requests, 65_536, "1 to 65536".to_owned()),
    ];
    for (key, given, most, possible) in rows {
        if let Some(value) = given.filter(|value| !(1..=most).contains(value)) {
            return fault(key, format!("{value} is not possible; it must be {possible}"));
        }
    }
    Ok(())
}

fn tools(tools: &Tools) -> Result<(), Fault> {
    let mut seen = BTreeSet::new();
    for (key, names) in [("read", &tools.read), ("write", &tools.write), ("hidden", &tools.hidden)] {
        let key = format!("tools.{key}");
        for name in names {
            if name.is_empty() || name.len() > LONGEST_TOOL || name.chars().any(|c| c.is_control() || c.is_whitespace())
            {
                let why = format!("{name:?} is not the name of a tool: 1 to {LONGEST_TOOL} characters without spaces");
                return fault(key, why);
            }
            if !seen.insert(name) {
                return fault(
                    key,
                    format!("{name:?} is named twice in [server.app.tools]; each tool is in one list, once"),
                );
            }
        }
    }
    Ok(())
}

fn repeated(names: &[String]) -> Option<&String> {
    names.iter().enumerate().find(|(at, name)| names[..*at].contains(name)).map(|(_, name)| name)
}
