//! The status lines of the log: the tail's state, what is shown, what was lost.

use std::collections::BTreeSet;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use ratatui::text::{Line, Span};

use super::paint::span;
use super::theme::Theme;
use crate::console::action::Action;
use crate::console::hint;
use crate::console::model::Model;
use crate::console::screens::logs::{State, Times};
use crate::core::logs::TailState;
use crate::core::meaning::Meaning;
use crate::core::text::{age, count, short_duration};

/// A difference between the clocks that is worth mentioning.
const SKEW: SignedDuration = SignedDuration::from_secs(5);
/// Silence worth mentioning.
const IDLE: SignedDuration = SignedDuration::from_secs(10);

/// Sources, tail state, idleness.
pub fn tail(model: &Model, theme: &Theme) -> Line<'static> {
    let state = &model.screens.logs;
    let (symbol, meaning, more) = match &state.tail {
        TailState::Off => ("○", Meaning::Muted, String::new()),
        TailState::Loading(lines) => ("◐", Meaning::Warn, format!(" {} lines so far", thousands(*lines))),
        TailState::Live => ("●", Meaning::Good, String::new()),
        TailState::Sampled => {
            ("▲", Meaning::Warn, ": over 500 lines/s, CloudWatch sends a sample; the rest is fetched".to_owned())
        }
        TailState::Lagging(behind) => {
            let behind = SignedDuration::from_millis(i64::try_from(*behind).unwrap_or(i64::MAX));
            ("▲", Meaning::Warn, format!(": {} behind, fetching", short_duration(behind)))
        }
        TailState::Polling(why) => ("●", Meaning::Good, format!(": {why}")),
        TailState::Reconnecting(why, wait) => {
            let wait = short_duration(SignedDuration::from_millis(i64::try_from(*wait).unwrap_or(i64::MAX)));
            ("▲", Meaning::Warn, format!(" in {wait}: {why}"))
        }
        TailState::Ended(why) => ("✖", Meaning::Bad, format!(": {why}")),
    };
    let mut spans = vec![span(sources(state), theme.title()), Span::raw("  ")];
    spans.push(span(format!("{symbol} {}", state.tail.word()), theme.of(meaning)));
    spans.push(Span::raw(more));
    if let Some(idle) = idle(state, model.now, theme) {
        spans.push(span(format!("  {idle}"), theme.muted()));
    }
    spans.extend(doubts(model).map(|text| span(text, theme.of(Meaning::Warn))));
    Line::from(spans)
}

/// What makes it doubtful that all lines are here: groups that do not exist, logs that are not read, a wrong clock.
fn doubts(model: &Model) -> impl Iterator<Item = String> {
    let state = &model.screens.logs;
    let missing: Vec<&str> = state.missing.iter().map(String::as_str).collect();
    let missing = (!missing.is_empty()).then(|| format!("  ▲ waits for {}, which does not exist", missing.join(", ")));
    let chosen = &state.store.filter().servers;
    let wanted = |server: &str| chosen.is_empty() || chosen.contains(server);
    let elsewhere = state.sources.owners.elsewhere().filter(|one| wanted(&one.server));
    let elsewhere: Vec<String> = elsewhere.map(|one| format!("{}: {}", one.server, one.why)).collect();
    let elsewhere = (!elsewhere.is_empty()).then(|| format!("  ▲ not read: {}", elsewhere.join("; ")));
    let ahead = SignedDuration::from_millis(model.ahead);
    let behind = if model.ahead > 0 { "behind" } else { "ahead of" };
    let clock =
        (ahead.abs() >= SKEW).then(|| format!("  ▲ this clock is {} {behind} AWS's", short_duration(ahead.abs())));
    [clock, missing, elsewhere].into_iter().flatten()
}

/// Whether times need their day: not all lines are of today.
pub fn dated(model: &Model, theme: &Theme) -> bool {
    let state = &model.screens.logs;
    let zone = zone(state, theme);
    let day = |at: Timestamp| at.to_zoned(zone.clone()).date();
    let of = |at: i64| Timestamp::from_millisecond(at).map(day).ok();
    let today = day(model.now);
    state.store.span().is_some_and(|(first, last)| of(first) != Some(today) || of(last) != Some(today))
}

/// Whether the view stands still, and what came meanwhile. Shown at the right edge, never left out.
pub fn paused(state: &State, theme: &Theme) -> Line<'static> {
    let unseen = if state.unseen > 0 { format!(", {} new", thousands(state.unseen)) } else { String::new() };
    match (state.window.detached(), state.paused()) {
        (true, _) => Line::from(span(format!(" IN THE PAST{unseen} "), theme.flag(Meaning::Warn))),
        (false, true) => Line::from(span(format!(" PAUSED{unseen} "), theme.flag(Meaning::Warn))),
        (false, false) => Line::from(span("following ", theme.muted())),
    }
}

/// Lines shown, kept and dropped; what is under way; the search; the filters; how lines are shown.
pub fn shown(model: &Model, theme: &Theme) -> Line<'static> {
    let (state, now) = (&model.screens.logs, model.now);
    let mut spans = vec![counted(state, theme)];
    spans.extend(reads(state).map(|text| span(text, theme.muted())));
    spans.extend(lost(state, now, theme).map(|text| span(text, theme.of(Meaning::Warn))));
    spans.extend(under_way(model).map(|text| span(text, theme.of(Meaning::Accent))));
    if let Some(pattern) = state.store.search() {
        spans.push(span("  search ", theme.muted()));
        spans.push(span(format!("/{}", pattern.text()), theme.key()));
        spans.push(span(format!(" {} found", thousands(state.store.found() as u64)), theme.muted()));
    }
    let filter = state.store.filter();
    let filters = [("  keep ", "&", &filter.keep), ("  hide ", "!", &filter.hide)];
    for (name, mark, expressions) in filters {
        for expression in expressions {
            spans.push(span(name, theme.muted()));
            spans.push(span(format!("{mark}{}", expression.text()), theme.key()));
        }
    }
    let marked = state.store.marked();
    if marked > 0 {
        spans.push(span(format!("  ◆ {} marked", thousands(marked as u64)), theme.muted()));
    }
    spans.push(span(look(state), theme.muted()));
    Line::from(spans)
}

/// What the ring had to drop, and where lines may be missing.
fn lost(state: &State, now: Timestamp, theme: &Theme) -> impl Iterator<Item = String> {
    let dropped = state.store.dropped();
    let dropped = (dropped > 0).then(|| format!("  ▲ {} dropped (memory limit)", thousands(dropped)));
    let gap = state.gaps.last().map(|gap| {
        let words = gap.words_by(|at| clock(at, state, now, theme));
        match state.gaps.len() {
            1 => format!("  ▲ {words}"),
            gaps => format!("  ▲ {gaps} gaps, the last: {words}"),
        }
    });
    [dropped, gap].into_iter().flatten()
}

/// How much of the account's budget of log reads is used, while it is used.
fn reads(state: &State) -> Option<String> {
    let rate = &state.rate;
    let throttled = (rate.throttled > 0).then(|| format!(", throttled {}×", thousands(rate.throttled)));
    let told = rate.calls > 0 || throttled.is_some();
    told.then(|| format!("  {} of {:.1} reads/s{}", rate.calls, rate.allowed, throttled.unwrap_or_default()))
}

fn counted(state: &State, theme: &Theme) -> Span<'static> {
    let (shown, kept) = (state.store.shown() as u64, state.store.len() as u64);
    let text = match state.store.progress() {
        None if shown == kept => format!("{} lines", thousands(kept)),
        _ => format!("{} of {} lines", thousands(shown), thousands(kept)),
    };
    span(text, theme.muted())
}

/// Work that goes on while keys are taken.
fn under_way(model: &Model) -> impl Iterator<Item = String> {
    let state = &model.screens.logs;
    let stops = hint::then(model, Action::Back, "stops it");
    let scanned = state.store.progress().map(|percent| match state.seeking() {
        true => format!("  looking further, {percent} % scanned"),
        false => format!("  {percent} % scanned"),
    });
    let loading = state.window.so_far().map(|lines| match lines {
        0 => format!("  ◐ reading a window{stops}"),
        lines => format!("  ◐ reading a window, {} lines so far{stops}", thousands(lines)),
    });
    let saving = state.saving().then(|| "  ◐ saving".to_owned());
    [scanned, loading, saving].into_iter().flatten()
}

fn look(state: &State) -> String {
    let time = match state.times {
        Times::Local => "",
        Times::Utc => "  times in UTC",
        Times::Relative => "  times as ages",
        Times::Off => "  times off",
    };
    let wrapped = if state.wrap { "  wrapped" } else { "" };
    let without = match state.store.filter().without.len() {
        0 => String::new(),
        tasks => format!("  without {}", count(tasks, "task")),
    };
    format!("{time}{wrapped}{without}")
}

fn sources(state: &State) -> String {
    let (chosen, owners) = (&state.store.filter().servers, state.sources.owners.servers());
    let groups = || state.sources.groups.iter().map(String::as_str).collect();
    let followed = if owners.is_empty() { groups() } else { owners };
    let chosen: BTreeSet<&str> = chosen.iter().map(String::as_str).collect();
    let names: Vec<&str> = if chosen.is_empty() { followed } else { chosen }.into_iter().collect();
    let task = state.store.filter().task.as_deref();
    let task = task.map(|task| format!(", task {}", task.get(..8).unwrap_or(task))).unwrap_or_default();
    match names.len() {
        0 => format!("logs{task}"),
        1..=3 => format!("logs of {}{task}", names.join(", ")),
        n => format!("logs of {n} servers{task}"),
    }
}

/// Since when no line has come; if none ever came, since when the log has been followed.
fn idle(state: &State, now: Timestamp, theme: &Theme) -> Option<String> {
    if !matches!(state.tail, TailState::Live | TailState::Polling(_)) {
        return None;
    }
    let at = state.last_line.unwrap_or(state.window.from());
    let last = Timestamp::from_millisecond(at).ok()?;
    (now.duration_since(last) >= IDLE)
        .then(|| format!("idle since {} ({})", clock(at, state, now, theme), age(now, last)))
}

/// A time to the second, in the zone of the times beside it; with the day where that is not today.
fn clock(at: i64, state: &State, now: Timestamp, theme: &Theme) -> String {
    let zone = zone(state, theme);
    let at = Timestamp::from_millisecond(at).unwrap_or_default().to_zoned(zone.clone());
    let today = now.to_zoned(zone).date() == at.date();
    at.strftime(if today { "%H:%M:%S" } else { "%F %H:%M:%S" }).to_string()
}

fn zone(state: &State, theme: &Theme) -> TimeZone {
    if state.times == Times::Utc { TimeZone::UTC } else { theme.zone().clone() }
}

/// A number with separators.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
