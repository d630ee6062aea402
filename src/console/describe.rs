//! All that is known of one thing, as text for a dialog.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::action::Action;
use super::dialogs::Dialog;
use super::hint;
use super::keymap::Keymap;
use super::model::Model;
use super::screens::fleet::{meaning, selected_task, told};
use super::screens::{Screen, stack};
use super::table::Cell;
use crate::core::client::{Client, Details};
use crate::core::error::CloudError;
use crate::core::fleet::{Server, Target, TargetGroup, Task};
use crate::core::health::Finding;
use crate::core::logs::field::as_text;
use crate::core::logs::{ContainerLog, LineRef};
use crate::core::meaning::Meaning;
use crate::core::quarantine::Entry;
use crate::core::stack::{Stack, StackDetail};
use crate::core::text::{age, sanitise, short_duration};
use crate::core::unread::Read;
use crate::core::user::User;

type Lines = Vec<Vec<Cell>>;

fn text(title: impl Into<String>, lines: Lines) -> Dialog {
    Dialog::Text { title: title.into(), lines, scroll: 0 }
}

/// What is to be known where a plan has nothing to do.
pub(super) fn warnings(title: &str, warnings: &[String]) -> Dialog {
    text(title, warnings.iter().map(|warning| vec![Cell::new("▲ ", Meaning::Warn), Cell::plain(warning)]).collect())
}

fn field(name: &str, value: impl Into<String>) -> Vec<Cell> {
    vec![Cell::muted(format!("{name:<18}")), Cell::plain(value)]
}

fn heading(title: &str) -> Vec<Cell> {
    vec![Cell::new(title, Meaning::Accent)]
}

fn when(now: Timestamp, at: Option<Timestamp>) -> String {
    at.map(|at| format!("{at:.0} ({} ago)", age(now, at))).unwrap_or_else(|| "-".into())
}

/// The selected task, or the server.
pub fn selection(model: &Model, of: &Server) -> Dialog {
    match selected_task(model) {
        Some(one) => task(one, model.now),
        None => server(model, of, &told(model, of)),
    }
}

fn server(model: &Model, server: &Server, found: &[Finding]) -> Dialog {
    let now = model.now;
    let mut lines = vec![
        field("service", &server.name),
        field("arn", &server.arn),
        field("status", server.status.word()),
        field("tasks", format!("{} running, {} pending, {} desired", server.running, server.pending, server.desired)),
        field("kind", kind(server)),
        field("task definition", &server.task_definition),
        field("circuit breaker", if server.circuit_breaker { "on, with rollback" } else { "off" }),
        field("grace period", server.grace.map_or("none".to_owned(), |seconds| format!("{seconds} s after a start"))),
        field("autoscaling", or_none(&server.bounds, ToString::to_string)),
    ];
    lines.extend(logs(server));
    lines.extend(server.tasks.why().map(|why| field("known tasks", not_read(why))));
    lines.push(heading(if server.shape.task_sets() { "task sets" } else { "deployments" }));
    for deployment in &server.deployments {
        let counts = format!(
            "{}/{} running, {} pending, {} failed",
            deployment.running, deployment.desired, deployment.pending, deployment.failed
        );
        lines.push(field(
            &deployment.status.word().to_lowercase(),
            format!("{} {} {counts}", deployment.id, deployment.rollout),
        ));
        lines.push(field("", format!("{} {}", when(now, deployment.created_at), deployment.rollout_reason)));
    }
    lines.push(heading("targets"));
    lines.extend(targets(server));
    lines.push(heading("findings"));
    for finding in found {
        lines.push(vec![Cell::new(finding.fact.clone(), meaning(finding))]);
        lines.push(field("", &finding.evidence));
        lines.push(field("", format!("fix: {}", hint::fix(finding.id, model))));
    }
    text(format!("server {}", server.name), lines)
}

/// Who deploys it, and what else is not as with most services.
fn kind(server: &Server) -> String {
    let words = server.shape.words();
    if words.is_empty() { "a service that ECS deploys".to_owned() } else { words.join(", ") }
}

/// The target groups, each with its targets, or one line that says that there is none or that they were not read.
fn targets(server: &Server) -> Lines {
    let one = |target: &Target| {
        let port = target.port.map(|port| port.to_string()).unwrap_or_default();
        field(target.state.word(), format!("{}:{port} {}", target.id, target.why()))
    };
    let group = |group: &TargetGroup| {
        let mut lines = vec![field("target group", &group.name)];
        lines.extend(check(group));
        lines.extend(match &group.targets {
            Read::Known(targets) if targets.is_empty() => vec![field("", "none registered")],
            Read::Known(targets) => targets.iter().map(one).collect(),
            Read::NotRead(why) => vec![field("", not_read(why))],
        });
        lines
    };
    let lines: Lines = server.balancers.iter().flat_map(|balancer| &balancer.groups).flat_map(group).collect();
    if lines.is_empty() { vec![field("", "no target group")] } else { lines }
}

/// How a target group checks its targets, where somebody has asked.
fn check(group: &TargetGroup) -> Lines {
    match &group.check {
        None => Vec::new(),
        Some(Read::NotRead(why)) => vec![field("health check", not_read(why))],
        Some(Read::Known(check)) => vec![field("health check", check.asks()), field("", check.judges())],
    }
}

fn not_read(why: &CloudError) -> String {
    format!("? not read: {why}")
}

/// A value that may not exist, and may not have been read.
fn or_none<T>(read: &Read<Option<T>>, text: impl FnOnce(&T) -> String) -> String {
    match read.result() {
        Ok(there) => there.as_ref().map_or("none".into(), text),
        Err(why) => not_read(why),
    }
}

/// Where each container logs, one line each.
fn logs(server: &Server) -> Lines {
    let named = |(index, words): (usize, String)| field(if index == 0 { "log" } else { "" }, words);
    match server.logs.result() {
        Ok(logs) if logs.is_empty() => vec![field("log", "none")],
        Ok(logs) => logs.iter().map(ContainerLog::words).enumerate().map(named).collect(),
        Err(why) => vec![field("log", not_read(why))],
    }
}

fn task(task: &Task, now: Timestamp) -> Dialog {
    let mut lines = vec![
        field("task", task.id()),
        field("arn", &task.arn),
        field("status", format!("{} (desired {})", task.last_status, task.desired_status)),
        field("health", task.health.word()),
        field("task definition", &task.task_definition),
        field("zone", &task.zone),
        field("address", task.address.clone().unwrap_or_else(|| "-".into())),
        field("created", when(now, task.created_at)),
        field("started", when(now, task.started_at)),
        field("stopped", when(now, task.stopped_at)),
    ];
    if task.stopped() {
        lines.push(field("reason", task.stop_reason()));
    }
    lines.push(heading("containers"));
    for container in &task.containers {
        let exit = container.exit_code.map(|code| format!(", exit {code}")).unwrap_or_default();
        lines.push(field(&container.name, format!("{}{exit} {}", container.last_status, container.image)));
        lines.extend(container.reason.as_ref().map(|reason| field("", reason)));
        lines.extend(container.runtime_id.as_ref().map(|id| field("runtime id", id)));
    }
    text(format!("task {}", task.short_id()), lines)
}

/// Service events, newest first.
pub fn events(server: &Server, now: Timestamp) -> Dialog {
    let line = |event: &crate::core::fleet::ServiceEvent| {
        vec![Cell::muted(format!("{:>8} ago  ", age(now, event.at))), Cell::plain(&event.message)]
    };
    let mut lines: Lines = server.events.iter().map(line).collect();
    if lines.is_empty() {
        lines.push(vec![Cell::muted("ECS has no event of this service")]);
    }
    text(format!("events of {}", server.name), lines)
}

pub fn json(title: &str, value: &impl Serialize) -> Dialog {
    let pretty = serde_json::to_string_pretty(value).unwrap_or_else(|error| error.to_string());
    text(format!("{title} (JSON)"), pretty.lines().map(|line| vec![Cell::plain(line)]).collect())
}

/// Named values, each with its lines.
pub fn fields(title: &str, named: impl Iterator<Item = (String, String)>) -> Dialog {
    text(title, named.flat_map(|(name, value)| named_lines(&name, &value)).collect())
}

/// A value beside its name: a line of the pane for each of its lines.
fn named_lines(name: &str, value: &str) -> Lines {
    pieces(value).enumerate().map(|(index, piece)| field(if index == 0 { name } else { "" }, piece)).collect()
}

/// A stack's parameters and outputs.
pub fn stack(stack: &Stack) -> Dialog {
    let mut lines = vec![
        field("stack", &stack.id.name),
        field("arn", &stack.arn),
        field("status", &stack.status.0),
        field("reason", stack.reason.clone().unwrap_or_else(|| "-".into())),
        heading("outputs"),
    ];
    let named =
        |(key, value): (&String, &String)| vec![Cell::muted(format!("{key:<26}")), Cell::plain(sanitise(value))];
    lines.extend(stack.outputs.iter().map(named));
    lines.push(heading("parameters"));
    lines.extend(stack.parameters.iter().map(named));
    text(format!("stack {}", stack.id.name), lines)
}

/// A stack's events, newest first.
pub fn stack_events(name: &str, detail: &StackDetail, now: Timestamp) -> Dialog {
    let line = |event: &crate::core::stack::StackEvent| {
        vec![
            Cell::muted(format!("{:>8} ago  ", age(now, event.at))),
            Cell::new(format!("{:<28}", event.status.0), stack::meaning(&event.status)),
            Cell::plain(format!("{} ({}) {}", event.logical_id, event.kind, event.reason.clone().unwrap_or_default())),
        ]
    };
    text(format!("events of {name}"), detail.events.iter().map(line).collect())
}

/// A client, without its secret.
pub fn client(client: &Client, out: Option<&Entry>, now: Timestamp) -> Dialog {
    let mut lines = vec![field("client", &client.name), field("client id", &client.id)];
    lines.extend(out.map(|entry| kept_out(entry, now)));
    match client.details.result() {
        Ok(details) => lines.extend(client_details(details, now)),
        Err(why) => lines.push(field("kind", not_read(why))),
    }
    lines.push(heading("secrets (never shown here)"));
    lines.extend(client.secrets.why().map(|why| field("", not_read(why))));
    lines.extend(client.known_secrets().iter().map(|secret| field(&secret.id, when(now, secret.created_at))));
    lines.push(field("stored in", or_none(&client.stored_in, |stored| stored.name.clone())));
    let stored = client.stored_in.known().and_then(Option::as_ref);
    lines.extend(stored.map(|stored| field("value changed", when(now, stored.changed_at))));
    text(format!("client {}", client.name), lines)
}

fn client_details(details: &Details, now: Timestamp) -> Lines {
    let mut lines = vec![
        field(
            "kind",
            match details.confidential {
                Some(true) => "machine (has a secret)",
                Some(false) => "public (no secret; PKCE)",
                None => "? its secrets were not read",
            },
        ),
        field("grants", details.flows.join(" ")),
        field("created", when(now, details.created_at)),
        field("changed", when(now, details.updated_at)),
        field(
            "access tokens",
            lasts(details.lifetimes.access(), "a server takes one until it ends, whatever happens here"),
        ),
        heading("scopes"),
    ];
    if details.for_people() {
        let words = "refreshed without a sign-in until then; a sign-out ends that";
        lines.insert(lines.len() - 1, field("refresh tokens", lasts(details.lifetimes.refresh(), words)));
    }
    lines.extend(details.scopes.iter().map(|scope| vec![Cell::plain(format!("  {scope}"))]));
    lines
}

/// Everything known of somebody who signs in.
pub fn user(user: &User, out: Option<&Entry>, keymap: &Keymap, now: Timestamp) -> Dialog {
    let requests = hint::key(Action::Show(Screen::Requests), keymap);
    let mut lines = vec![
        field("user", &user.name),
        field("e-mail", user.email.as_deref().unwrap_or("-")),
        field("subject", &user.subject),
        field("status", &user.status),
        field("may sign in", if user.enabled { "yes" } else { "no" }),
        field("made", when(now, user.created_at)),
        field("changed", when(now, user.changed_at)),
        field("last sign-in", format!("? Cognito keeps it in its PLUS plan alone; {requests} shows who calls")),
    ];
    lines.extend(out.map(|entry| kept_out(entry, now)));
    text(format!("user {}", user.called()), lines)
}

fn kept_out(entry: &Entry, now: Timestamp) -> Vec<Cell> {
    let left = short_duration(entry.until.duration_since(now));
    let by = entry.by.as_deref().map(|by| format!(", by {by}")).unwrap_or_default();
    field("kept out", format!("until {:.0}, {left} from now{by}", entry.until))
}

fn lasts(length: SignedDuration, words: &str) -> String {
    format!("last {}: {words}", short_duration(length))
}

/// A log line: its fields if it is JSON, else its whole text.
pub fn line(line: LineRef<'_>) -> Dialog {
    let at = Timestamp::from_millisecond(line.at).map(|at| at.to_string()).unwrap_or_default();
    let mut lines = vec![field("time", at), field("server", line.server), field("task", line.task)];
    lines.push(heading("message"));
    match line.fields() {
        Some(fields) => {
            let one = |(key, value): (&String, &serde_json::Value)| named_lines(&sanitise(key), &as_text(value));
            lines.extend(fields.iter().flat_map(one));
        }
        None => lines.extend(pieces(line.text).map(|piece| vec![Cell::plain(piece)])),
    }
    text("log line", lines)
}

/// The lines of a text, a long one in pieces, so that a megabyte can be scrolled through; at least one.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    text.split('\n').flat_map(|line| {
        let mut rest = Some(line);
        std::iter::from_fn(move || {
            let line = rest.take()?;
            let (piece, after) = line.split_at(line.floor_char_boundary(PIECE.min(line.len())));
            rest = (!after.is_empty()).then_some(after);
            Some(piece)
        })
    })
}

/// Longest piece, in bytes.
const PIECE: usize = 1_024;
