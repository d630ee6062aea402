//! `metrics`: the last hour as CloudWatch has counted it, and alarms.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{Exit, Failure, Output, json as print_json, line, progress, written};
use crate::core::error::ErrorKind;
use crate::core::metrics::{
    AlarmState, Detail, Measure, Measured, OfEdge, OfServer, SERVERS, SPAN, Series, at_edge, by_rule, dollars, rows,
    unread,
};
use crate::core::text::{age, milliseconds};
use crate::core::unread::Read;
use crate::run::{Session, metrics as of_cloudwatch, read};

/// Of which time the newest figures are told.
const LATELY: SignedDuration = SignedDuration::from_mins(5);

/// Prints the figures of servers, of all if none is named, and of their tools, and the alarms. What a read costs is told
/// on stderr. The code is 1 where something could not be read.
///
/// # Errors
/// When there is no such server, or nothing can be read.
pub async fn metrics(session: &Session, servers: &[String], output: Output) -> Result<Exit, Failure> {
    let there = session.cloud.service_names(&session.context.cluster).await?;
    if let Some(unknown) = servers.iter().find(|name| !there.contains(name)) {
        return Err(read::no_server(session, unknown).await.into());
    }
    let wanted = if servers.is_empty() { &there } else { servers };
    let now = session.now();
    let detail = if wanted.len() <= SERVERS { Detail::Tools } else { Detail::Servers };
    let measured = of_cloudwatch::read(session, wanted, detail, now).await?;
    let result = match output {
        Output::Json => print_json(&document(session, &measured, now)),
        Output::Text => line(&text(&measured, now)),
    };
    written(result)?;
    let price = measured.price(session.context.emulated());
    progress(&format!("{} series asked for, {price}", measured.asked));
    if detail == Detail::Servers {
        progress(&format!("tools are read of {SERVERS} servers at most: name them"));
    }
    let gaps = measured.unread();
    gaps.iter().for_each(|gap| progress(&format!("warning: not read: {gap}")));
    Ok(if gaps.is_empty() { Exit::Done } else { Exit::Failed })
}

fn document(session: &Session, measured: &Measured, now: Timestamp) -> Value {
    let servers = measured
        .servers
        .iter()
        .map(|(server, of)| json!({ "server": server, "figures": of.figures, "tools": of.tools }));
    json!({
        "environment": session.context.environment,
        "cluster": session.context.cluster,
        "region": session.context.region,
        "at": now,
        "alarms": measured.alarms,
        "firewall": measured.firewall,
        "edge": measured.edge,
        "servers": servers.collect::<Vec<_>>(),
        "series": measured.asked,
        "dollars": if session.context.emulated() { 0.0 } else { dollars(measured.asked) },
        "gaps": measured.unread(),
    })
}

fn text(measured: &Measured, now: Timestamp) -> String {
    let mut out = format!("{:<16} {:<16} {:>12} {:>12} {:>12}", "SERVER", "FIGURE", "5 MINUTES", "HOUR", "MOST");
    for (server, of) in &measured.servers {
        out.extend(of.figures.iter().filter_map(|(measure, series)| row(server, *measure, series, now)));
    }
    out += &tools(measured, now);
    out.extend(edge(measured, now));
    for (rule, many) in by_rule(&measured.firewall, now, SPAN) {
        out += &format!("\n  firewall: {many:.0} requests blocked in the hour by rule {rule}");
    }
    for alarm in measured.alarms.known().into_iter().flatten() {
        let since = alarm.since.map(|since| format!(" for {}", age(now, since))).unwrap_or_default();
        let mark = if alarm.state == AlarmState::Alarm { "✖" } else { " " };
        out += &format!("\n{mark} alarm {} is {}{since}", alarm.name, alarm.state.word());
    }
    out
}

/// What CloudFront has counted in the hour; `None` where there is no distribution, or nobody asked anything.
fn edge(measured: &Measured, now: Timestamp) -> Option<String> {
    let (refused, errors) =
        (at_edge(&measured.edge, OfEdge::Refused, now, SPAN)?, at_edge(&measured.edge, OfEdge::Errors, now, SPAN)?);
    let (requests, refused, errors) = (refused.requests, refused.of_them, errors.of_them);
    Some(format!("\n  edge: {requests:.0} requests in the hour, {refused:.0} of them 4xx, {errors:.0} of them 5xx"))
}

/// A row of figures; `None` for one that nobody can have there.
fn row(server: &str, measure: Measure, series: &Read<Series>, now: Timestamp) -> Option<String> {
    let head = format!("\n{server:<16} {:<16}", measure.word());
    let series = match series {
        Read::Known(series) => series,
        Read::NotRead(why) if why.kind == ErrorKind::Unsupported => return None,
        Read::NotRead(_) => return Some(format!("{head} {:>12}", "not read")),
    };
    if series.points.is_empty() {
        let words = if measure.absent_is_zero() { "none" } else { "no data" };
        return Some(format!("{head} {words:>12}"));
    }
    let since = |span| now.checked_sub(span).unwrap_or(now);
    let mean = |span| series.mean_since(since(span)).map_or_else(|| "-".to_owned(), |value| measure.told(value));
    let most = series.most_since(Timestamp::MIN).map_or_else(String::new, |value| measure.told(value));
    Some(format!("{head} {:>12} {:>12} {most:>12}", mean(LATELY), mean(SPAN)))
}

/// The tools of the last hour; nothing where none was called.
fn tools(measured: &Measured, now: Timestamp) -> String {
    let all: String = measured.servers.iter().map(|(server, of)| tools_of(server, of, now)).collect();
    match all.is_empty() {
        true => all,
        false => format!("\n{:<16} {:<30} {:>8} {:>8} {:>10}", "SERVER", "TOOL", "CALLS", "ERRORS", "MOST P95") + &all,
    }
}

fn tools_of(server: &str, of: &OfServer, now: Timestamp) -> String {
    let number = |value: Option<f64>| value.map_or_else(|| "?".to_owned(), |value| format!("{value:.0}"));
    let mut out = String::new();
    for row in rows(&of.tools, now) {
        let p95 = row.p95.map_or_else(|| "-".to_owned(), milliseconds);
        let (calls, errors) = (number(row.calls), number(row.errors));
        out += &format!("\n{server:<16} {:<30} {calls:>8} {errors:>8} {p95:>10}", row.name());
    }
    if out.is_empty() && unread(&of.tools).is_some() {
        out = format!("\n{server:<16} {:<30} {:>8}", "(all)", "not read");
    }
    out
}
