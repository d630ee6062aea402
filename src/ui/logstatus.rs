//! The status lines of the log: how the tail stands, what is shown, what was lost.

use jiff::{SignedDuration, Timestamp};
use ratatui::text::{Line, Span};

use super::paint::span;
use super::theme::Theme;
use crate::core::logs::TailState;
use crate::core::model::Model;
use crate::core::screens::logs::{State, Times};
use crate::core::table::Meaning;
use crate::core::text::{age, short_duration};

/// Lines that are looked at for the number of matches; each frame counts them anew.
const COUNTED: usize = 5_000;
/// Silence worth mentioning.
const IDLE: SignedDuration = SignedDuration::from_secs(10);

/// Sources, tail state, idleness.
pub fn tail(model: &Model, theme: &Theme) -> Line<'static> {
    let state = &model.logs;
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
    if let Some(idle) = idle(state, model.now) {
        spans.push(span(format!("  no line for {idle}"), theme.muted()));
    }
    Line::from(spans)
}

/// Whether the view stands still, and what came meanwhile. Shown at the right edge, never left out.
pub fn paused(state: &State, theme: &Theme) -> Line<'static> {
    match (state.paused(), state.unseen) {
        (false, _) => Line::from(span("following ", theme.muted())),
        (true, 0) => Line::from(span(" PAUSED ", theme.flag(Meaning::Warn))),
        (true, unseen) => Line::from(span(format!(" PAUSED, {} new ", thousands(unseen)), theme.flag(Meaning::Warn))),
    }
}

/// Lines shown, kept and dropped; filters; the search.
pub fn shown(state: &State, theme: &Theme) -> Line<'static> {
    let (shown, kept) = (state.index.len() as u64, state.store.len() as u64);
    let mut spans = vec![if shown == kept {
        span(format!("{} lines", thousands(kept)), theme.muted())
    } else {
        span(format!("{} of {} lines", thousands(shown), thousands(kept)), theme.muted())
    }];
    if let Some(gap) = state.gaps.last() {
        spans.push(span(format!("  ▲ {}", gap.words()), theme.of(Meaning::Warn)));
    }
    if state.rate.throttled > 0 {
        let text = format!("  {}/s log reads, throttled {}×", state.rate.calls, thousands(state.rate.throttled));
        spans.push(span(text, theme.muted()));
    }
    if state.store.dropped() > 0 {
        let text = format!("  ▲ {} oldest dropped (memory limit)", thousands(state.store.dropped()));
        spans.push(span(text, theme.of(Meaning::Warn)));
    }
    if let Some(pattern) = &state.search {
        spans.push(span("  search ", theme.muted()));
        spans.push(span(format!("/{}", pattern.text()), theme.key()));
        spans.push(span(format!(" {}", matches(state)), theme.muted()));
    }
    let filters = [("  keep ", "&", &state.filter.keep), ("  hide ", "!", &state.filter.hide)];
    for (name, mark, patterns) in filters {
        for pattern in patterns {
            spans.push(span(name, theme.muted()));
            spans.push(span(format!("{mark}{}", pattern.text()), theme.key()));
        }
    }
    let time = match state.times {
        Times::Local => "",
        Times::Utc => "  times in UTC",
        Times::Relative => "  times as ages",
        Times::Off => "  times off",
    };
    spans.push(span(time, theme.muted()));
    if state.wrap {
        spans.push(span("  wrapped", theme.muted()));
    }
    Line::from(spans)
}

fn sources(state: &State) -> String {
    let name = |group: &String| group.rsplit('/').next().unwrap_or(group).to_owned();
    match (&state.filter.server, state.groups.len()) {
        (Some(server), _) => format!("logs of {server}"),
        (None, 0) => "logs".to_owned(),
        (None, 1..=3) => format!("logs of {}", state.groups.iter().map(name).collect::<Vec<_>>().join(", ")),
        (None, n) => format!("logs of {n} servers"),
    }
}

fn idle(state: &State, now: Timestamp) -> Option<String> {
    let last = Timestamp::from_millisecond(state.last_line?).ok()?;
    (now.duration_since(last) >= IDLE).then(|| age(now, last))
}

/// Matches among the newest lines shown: a frame must not look at a million.
fn matches(state: &State) -> String {
    let Some(pattern) = &state.search else { return String::new() };
    let from = state.index.len().saturating_sub(COUNTED);
    let found =
        (from..state.index.len()).filter(|row| state.line(*row).is_some_and(|line| pattern.matches(line))).count();
    if from == 0 {
        format!("{found} found")
    } else {
        format!("{found} found in the newest {}", thousands(COUNTED as u64))
    }
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
