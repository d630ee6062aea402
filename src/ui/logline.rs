//! One log line as text: time, source, severity, message; the fields of a JSON line instead of its braces.

use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use serde_json::{Map, Value};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::paint::{self, span};
use super::theme::Theme;
use crate::console::screens::logs::Times;
use crate::core::logs::field::as_text;
use crate::core::logs::tag::COLUMN;
use crate::core::logs::{Kept, LineRef, Pattern, Severity};
use crate::core::meaning::Meaning;
use crate::core::text::{age, cut_front, head, row, sanitise};

/// What all lines of a screen share.
pub struct Format<'a> {
    /// The time, for ages.
    pub now: Timestamp,
    /// How times are shown.
    pub times: Times,
    /// With milliseconds: where there is room.
    pub precise: bool,
    /// With the day: where not all lines are of today.
    pub dated: bool,
    /// Cells of the server's name; 0 leaves it out.
    pub server: usize,
    /// What is highlighted.
    pub search: Option<&'a Pattern>,
    /// The fields of JSON lines that come first.
    pub fields: &'a [String],
    /// Cells that can be seen of a line at most.
    pub cells: usize,
    /// Styles and time zone.
    pub theme: &'a Theme,
}

impl Format<'_> {
    /// Cells before the message, the selection's marker included.
    pub fn indent(&self) -> usize {
        let time = match (self.times, self.precise, self.dated) {
            (Times::Off, ..) => 0,
            (Times::Relative, ..) => 8,
            (_, true, false) => 13,
            (_, false, false) => 9,
            (_, true, true) => 24,
            (_, false, true) => 15,
        };
        let server = if self.server > 0 { self.server + 1 } else { 0 };
        2 + time + server + 9 + 2
    }

    /// The whole line.
    pub fn line(&self, kept: Kept<'_>) -> Line<'static> {
        let (theme, line) = (self.theme, kept.line);
        let mark = if kept.marked { span(" ◆", theme.key()) } else { Span::raw("  ") };
        let mut spans = vec![mark];
        if let Some(time) = self.time(line.at) {
            spans.push(span(format!("{time} "), theme.muted()));
        }
        if self.server > 0 {
            // Of a log group's name the end says more.
            let name = if line.server.contains('/') { cut_front(line.server, self.server) } else { line.server.into() };
            spans.push(Span::raw(paint::fit(&name, self.server, false)));
            spans.push(Span::raw(" "));
        }
        spans.push(span(paint::fit(kept.tag, COLUMN, false), theme.task(line.task)));
        // A letter, so that the severity shows without colour.
        let letter = match line.severity {
            Severity::Debug => " d ",
            Severity::Info => "   ",
            Severity::Warn => " W ",
            Severity::Error => " E ",
        };
        spans.push(span(letter, theme.severity(line.severity)));
        spans.extend(self.message(line));
        Line::from(spans)
    }

    fn time(&self, at: i64) -> Option<String> {
        let at = Timestamp::from_millisecond(at).unwrap_or(Timestamp::UNIX_EPOCH);
        let clock = match (self.precise, self.dated) {
            (true, false) => "%H:%M:%S%.3f",
            (false, false) => "%H:%M:%S",
            (true, true) => "%F %H:%M:%S%.3f",
            (false, true) => "%m-%d %H:%M:%S",
        };
        match self.times {
            Times::Local => Some(self.theme.time(at, clock)),
            Times::Utc => Some(at.to_zoned(TimeZone::UTC).strftime(clock).to_string()),
            Times::Relative => Some(paint::fit(&age(self.now, at), 7, true)),
            Times::Off => None,
        }
    }

    fn message(&self, line: LineRef<'_>) -> Vec<Span<'static>> {
        let parts = match line.shown_fields() {
            Some(fields) => self.fields_as_text(&fields, line),
            None => vec![(line.text.to_owned(), self.theme.severity(line.severity))],
        };
        let mut room = self.cells;
        let mut spans = Vec::new();
        for (text, style) in parts {
            spans.extend(self.highlight(head(&text, room), style));
            room = room.saturating_sub(text.len());
            if room == 0 {
                break;
            }
        }
        spans
    }

    fn highlight(&self, text: &str, style: Style) -> Vec<Span<'static>> {
        let Some(pattern) = self.search else { return vec![span(row(text), style)] };
        let (mut spans, mut from) = (Vec::new(), 0);
        for range in pattern.ranges(text) {
            spans.push(span(row(&text[from..range.start]), style));
            spans.push(span(row(&text[range.clone()]), self.theme.found().add_modifier(Modifier::BOLD)));
            from = range.end;
        }
        spans.push(span(row(&text[from..]), style));
        spans
    }
}

/// How far the time in a field may be from the event's own, in milliseconds, to be said by the column already.
const CLOSE: i64 = 60_000;
/// Fields that matter only when one follows a request through the system, and what tells
/// CloudWatch which fields are metrics.
const LAST: &[&str] = &["request_id", "trace_id", "_aws"];
/// Least cells of a field, so that lines of the same kind stand in columns; negative is to the right.
const COLUMNS: &[(&str, isize)] = &[("event", 7), ("method", 10), ("tool", 16), ("status", 3), ("latency_ms", -8)];

impl Format<'_> {
    /// A JSON line as text: the chosen fields first, without their names, the others after them.
    fn fields_as_text(&self, fields: &Map<String, Value>, line: LineRef<'_>) -> Vec<(String, Style)> {
        let (theme, severity) = (self.theme, line.severity);
        let mut parts = Vec::new();
        for name in self.fields {
            let Some(value) = nested(fields, name).map(as_text) else { continue };
            let style = match name.as_str() {
                "latency_ms" => theme.muted(),
                "status" => status(&value, theme),
                "tool" => theme.of(Meaning::Accent),
                _ => theme.severity(severity),
            };
            parts.push((format!("{} ", column(name, value)), style));
        }
        let rest = fields.iter().filter(|(name, value)| {
            let name = name.as_str();
            let chosen = self.fields.iter().any(|chosen| chosen == name);
            !chosen && !LAST.contains(&name) && !self.said(name, value, line)
        });
        parts.extend(rest.map(|(name, value)| (format!("{}={} ", sanitise(name), as_text(value)), Style::new())));
        for name in LAST.iter().filter(|name| !self.fields.iter().any(|chosen| chosen == *name)) {
            let value = fields.get(*name).map(as_text);
            parts.extend(value.map(|value| (format!("{name}={value} "), theme.muted())));
        }
        parts
    }
}

impl Format<'_> {
    /// Whether a column before the message says what a field says.
    fn said(&self, name: &str, value: &Value, line: LineRef<'_>) -> bool {
        match name {
            "ts" | "timestamp" | "time" => {
                let shown = matches!(self.times, Times::Local | Times::Utc);
                shown && moment(value).is_some_and(|at| at.abs_diff(line.at) <= CLOSE.unsigned_abs())
            }
            "level" | "severity" => {
                let named = value.as_str().and_then(Severity::named);
                named.or_else(|| value.as_u64().and_then(Severity::numbered)) == Some(line.severity)
            }
            // Where there is no column, the title names the one server.
            "server" => value.as_str() == Some(line.server),
            _ => false,
        }
    }
}

/// The time that a field says, in milliseconds since the Unix epoch: RFC 3339, or seconds or milliseconds.
fn moment(value: &Value) -> Option<i64> {
    if let Some(text) = value.as_str() {
        return text.parse().ok().map(Timestamp::as_millisecond);
    }
    let number = value.as_f64()?;
    #[allow(clippy::cast_possible_truncation, reason = "compared with a time, from which it is then far away")]
    Some(if number < 1e11 { number * 1_000.0 } else { number } as i64)
}

/// A field by its name, or by its path through objects.
fn nested<'a>(fields: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    fields.get(name).or_else(|| {
        let (first, rest) = name.split_once('.')?;
        nested(fields.get(first)?.as_object()?, rest)
    })
}

/// A value as wide as its column; a longer one stays whole.
fn column(name: &str, value: String) -> String {
    let value = if name == "latency_ms" { format!("{value} ms") } else { value };
    let cells = COLUMNS.iter().find(|(column, _)| *column == name).map_or(0, |(_, cells)| *cells);
    let pad = " ".repeat(cells.unsigned_abs().saturating_sub(crate::core::text::width(&value)));
    if cells < 0 { pad + &value } else { value + &pad }
}

/// An HTTP status.
fn status(status: &str, theme: &Theme) -> Style {
    match status.as_bytes().first() {
        Some(b'5') => theme.of(Meaning::Bad),
        Some(b'4') => theme.of(Meaning::Warn),
        _ => theme.of(Meaning::Good),
    }
}
