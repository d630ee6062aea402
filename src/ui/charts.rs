//! The last hour of a server, as CloudWatch has counted it: a line for each figure.

use ratatui::text::{Line, Span};

use super::paint::span;
use super::theme::Theme;
use crate::console::model::Model;
use crate::console::screens::fleet;
use crate::core::error::ErrorKind;
use crate::core::meaning::Meaning;
use crate::core::metrics::{AlarmState, Figures, Measure, OfEdge, Row, SPAN, Series, at_edge, rows, unread};
use crate::core::text::{age, cut, milliseconds};
use crate::core::unread::Read;

/// From nothing to the most of the hour.
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// A minute without data.
const ABSENT: char = ' ';
/// What stands beside a chart: its name, and its newest and its highest value.
const BESIDE: usize = 11 + 26;
/// Tools that are told.
const TOOLS: usize = 4;
/// Figures that are drawn, in their order.
const DRAWN: [Measure; 7] = [
    Measure::Requests,
    Measure::Errors,
    Measure::P95,
    Measure::Cpu,
    Measure::Memory,
    Measure::BalancerErrors,
    Measure::ToolErrors,
];

/// The charts of a server, with where they come from and what they cost; fewer where little is known.
pub fn lines(model: &Model, server: &str, cells: usize, theme: &Theme) -> Vec<Line<'static>> {
    let remote = &model.screens.fleet.metrics;
    let muted = |text: String| Line::from(span(text, theme.muted()));
    let mut lines = alarms(model, server, theme);
    if let Some(why) = fleet::traffic_unread(model) {
        let text = cut(&format!("requests   not all read: {why}"), cells);
        lines.push(Line::from(span(text, theme.of(Meaning::Warn))));
    }
    let Some((figures, read_at)) = fleet::figures(model, server) else {
        let words = match remote.error() {
            Some(why) if why.kind == ErrorKind::Unsupported => return lines,
            Some(why) => format!("last hour  not read: {}", why.message),
            None if remote.idle() && !remote.loading() => "last hour  read within half a minute".to_owned(),
            None => "last hour  reading …".to_owned(),
        };
        lines.push(muted(cut(&words, cells)));
        return lines;
    };
    let price = remote.get().map(|measured| measured.price_of_a_day(model.context.emulated())).unwrap_or_default();
    let old = age(model.now, read_at);
    lines.push(muted(cut(&format!("last hour  CloudWatch, read {old} ago; {price}"), cells)));
    let minutes = cells.saturating_sub(BESIDE).clamp(10, 60);
    lines.extend(DRAWN.iter().filter_map(|measure| chart(model, *measure, figures, minutes, theme)));
    lines.extend(edge(model, cells, theme));
    lines
}

/// What CloudFront counts for all servers; `None` where there is no distribution.
fn edge(model: &Model, cells: usize, theme: &Theme) -> Option<Line<'static>> {
    let measured = model.screens.fleet.metrics.get()?;
    let name = span(format!("{:<11}", "edge"), theme.muted());
    if let Some(why) = measured.edge.why() {
        let text = cut(&format!("not read: {}", why.message), cells.saturating_sub(11));
        return (why.kind != ErrorKind::Unsupported)
            .then(|| Line::from(vec![name, span(text, theme.of(Meaning::Warn))]));
    }
    let of = |share| at_edge(&measured.edge, share, model.now, SPAN);
    let Some((refused, errors)) = of(OfEdge::Refused).zip(of(OfEdge::Errors)) else {
        return (!measured.edge.known()?.is_empty()).then(|| Line::from(vec![name, span("no data", theme.muted())]));
    };
    let (requests, refused, errors) = (refused.requests, refused.of_them, errors.of_them);
    let text = format!("{requests:.0} requests of all servers in the hour, {refused:.0} 4xx, {errors:.0} 5xx");
    let meaning = if errors >= 1.0 { theme.of(Meaning::Bad) } else { Default::default() };
    Some(Line::from(vec![name, span(cut(&text, cells.saturating_sub(11)), meaning)]))
}

/// The tools of the last hour, those first that fail, then those that are called most.
pub fn tools(model: &Model, server: &str, cells: usize, theme: &Theme) -> Vec<Line<'static>> {
    let Some(tools) = fleet::tools(model, server) else { return Vec::new() };
    let all = rows(tools, model.now);
    let named = |first: bool| span(if first { "by tool    " } else { "           " }, theme.muted());
    let mut lines: Vec<Line<'static>> = Vec::new();
    for row in all.iter().take(TOOLS) {
        let failed = row.errors.is_some_and(|errors| errors > 0.0);
        let meaning = if failed { theme.of(Meaning::Bad) } else { Default::default() };
        let text = cut(&tool(row), cells.saturating_sub(11));
        lines.push(Line::from(vec![named(lines.is_empty()), span(text, meaning)]));
    }
    if all.len() > TOOLS {
        let more = format!("and {} more: {} metrics {server}", all.len() - TOOLS, model.context.program());
        lines.push(Line::from(vec![named(false), span(cut(&more, cells.saturating_sub(11)), theme.muted())]));
    }
    if let Some(why) = unread(tools) {
        let text = cut(&format!("not all read: {}", why.message), cells.saturating_sub(11));
        lines.push(Line::from(vec![named(lines.is_empty()), span(text, theme.of(Meaning::Warn))]));
    }
    lines
}

/// A tool in a line.
fn tool(row: &Row<'_>) -> String {
    let number = |value: Option<f64>| value.map_or_else(|| "?".to_owned(), |value| format!("{value:.0}"));
    let p95 = row.p95.map(|value| format!(", p95 up to {}", milliseconds(value))).unwrap_or_default();
    format!("{:<24} {:>6} calls, {} failed{p95}", cut(row.name(), 24), number(row.calls), number(row.errors))
}

/// A line for a figure; `None` for one that nobody can have here.
fn chart(model: &Model, measure: Measure, figures: &Figures, minutes: usize, theme: &Theme) -> Option<Line<'static>> {
    let name = span(format!("{:<11}", short(measure)), theme.muted());
    let series = match figures.get(&measure)? {
        Read::Known(series) => series,
        Read::NotRead(why) if why.kind == ErrorKind::Unsupported => return None,
        Read::NotRead(why) => {
            return Some(Line::from(vec![name, span(format!("not read: {}", why.message), theme.of(Meaning::Warn))]));
        }
    };
    if series.points.is_empty() {
        // Of errors there is no data where there was none.
        let words = if measure.absent_is_zero() { "none" } else { "no data" };
        return Some(Line::from(vec![name, span(words, theme.muted())]));
    }
    let most = series.points.iter().map(|(_, value)| *value).fold(0.0, f64::max);
    let bars: String = series.minutes(minutes, model.now).into_iter().map(|value| bar(measure, value, most)).collect();
    let meaning = meaning(measure, series);
    let last = series.last().map(|value| measure.told(value)).unwrap_or_default();
    let told = format!("  {last}, most {}", measure.told(most));
    Some(Line::from(vec![name, span(bars, theme.of(meaning)), Span::raw(told)]))
}

fn bar(measure: Measure, value: Option<f64>, most: f64) -> char {
    let Some(value) = value.or_else(|| measure.absent_is_zero().then_some(0.0)) else { return ABSENT };
    // Percent are drawn of a hundred, all else of the most that there was.
    let full = if measure.unit() == crate::core::metrics::Unit::Percent { 100.0 } else { most };
    let step = if full > 0.0 { (value / full * 7.0).round() } else { 0.0 };
    BARS[(step.clamp(0.0, 7.0)) as usize]
}

fn meaning(measure: Measure, series: &Series) -> Meaning {
    let last = series.last().unwrap_or_default();
    match measure {
        Measure::Errors | Measure::BalancerErrors | Measure::ToolErrors => Meaning::Bad,
        Measure::Cpu | Measure::Memory if last >= 90.0 => Meaning::Bad,
        Measure::Cpu | Measure::Memory if last >= 80.0 => Meaning::Warn,
        _ => Meaning::Accent,
    }
}

/// A name of at most ten cells.
fn short(measure: Measure) -> &'static str {
    match measure {
        Measure::BalancerErrors => "lb errors",
        Measure::ToolErrors => "tool errs",
        other => other.word(),
    }
}

/// The alarms of a server and of what all share, those that are raised first.
fn alarms(model: &Model, server: &str, theme: &Theme) -> Vec<Line<'static>> {
    let Some(environment) = model.context.ours() else { return Vec::new() };
    let Some(measured) = model.screens.fleet.metrics.get() else { return Vec::new() };
    if let Some(why) = measured.alarms.why() {
        let text = format!("alarms     not read: {}", why.message);
        return vec![Line::from(span(text, theme.of(Meaning::Warn)))];
    }
    let all = [measured.alarms_of(environment, Some(server)), measured.alarms_of(environment, None)].concat();
    if all.is_empty() {
        return Vec::new();
    }
    let mut spans = vec![span("alarms     ", theme.muted())];
    let (raised, calm): (Vec<_>, Vec<_>) = all.into_iter().partition(|alarm| alarm.state == AlarmState::Alarm);
    for alarm in raised {
        let since = alarm.since.map(|since| format!(" for {}", age(model.now, since))).unwrap_or_default();
        spans.push(span(format!("✖ {}{since}  ", alarm.name), theme.of(Meaning::Bad)));
    }
    let unsure = calm.iter().filter(|alarm| alarm.state != AlarmState::Ok).count();
    let words = match (calm.len() - unsure, unsure) {
        (ok, 0) => format!("{ok} OK"),
        (ok, unsure) => format!("{ok} OK, {unsure} without data"),
    };
    spans.push(span(words, theme.muted()));
    vec![Line::from(spans)]
}
