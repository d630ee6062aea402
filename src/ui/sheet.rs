//! A sheet of lines that takes the whole body, and how an operation's phase is shown on it.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::describe;
use super::paint::{self, span};
use super::theme::Theme;
use crate::console::model::Viewport;
use crate::core::meaning::Meaning;
use crate::core::operation::Phase;
use crate::core::operation::record::Outcome;
use crate::core::text::width;

/// Columns of the rule before and after its title, and one before the note.
const BESIDE: usize = 5;

/// Draws a sheet: a rule with the title, the lines from `scroll` on, and how many are hidden.
pub fn sheet(
    title: &str,
    note: Line<'static>,
    lines: &[Line<'static>],
    scroll: usize,
    theme: &Theme,
    area: Rect,
    buf: &mut Buffer,
) -> Viewport {
    paint::clear(buf, area);
    let most = if lines.len() >= usize::from(area.height) { describe::more(lines.len(), theme).width() } else { 0 };
    let (head, below) = split(title, usize::from(area.width), note.width() + most + BESIDE);
    paint::rule(buf, area, 0, Line::from(span(head, theme.title())), theme);
    let below: Vec<_> = (1..area.height.div_ceil(2)).zip(below).collect();
    for (index, line) in &below {
        paint::row(buf, area, *index, &Line::from(span(format!("   {line}"), theme.title())));
    }
    let body = paint::band(area, 1 + u16::try_from(below.len()).unwrap_or(0), area.height);
    let height = usize::from(body.height);
    let last = lines.len().saturating_sub(height);
    let from = scroll.min(last);
    for (index, line) in (0..body.height).zip(&lines[from..]) {
        paint::row(buf, body, index, line);
    }
    let hidden = lines.len().saturating_sub(from + height);
    let mut right = vec![Span::raw(" ")];
    right.extend(note.spans);
    if hidden > 0 {
        right.push(describe::more(hidden, theme));
    }
    if right.iter().map(Span::width).sum::<usize>() > 1 {
        paint::right(buf, area, 0, &Line::from(right));
    }
    Viewport { rows: height, last }
}

/// A title as it stands in the rule, beside what takes `taken` columns there, and how it goes on below.
fn split(title: &str, cells: usize, taken: usize) -> (String, Vec<String>) {
    let room = cells.saturating_sub(taken);
    if width(title) <= room {
        return (title.to_owned(), Vec::new());
    }
    let (mut head, mut below) = (String::new(), vec![String::new()]);
    for word in title.split(' ') {
        let joined = |line: &String| if line.is_empty() { word.to_owned() } else { format!("{line} {word}") };
        let last = below.last_mut().filter(|line| line.is_empty() || width(&joined(line)) <= cells.saturating_sub(3));
        match last {
            Some(line) if line.is_empty() && width(&joined(&head)) <= room => head = joined(&head),
            Some(line) => *line = joined(line),
            None => below.push(word.to_owned()),
        }
    }
    (head, below)
}

/// A phase as a symbol, a word and a meaning.
pub fn phase(phase: &Phase) -> (&'static str, &'static str, Meaning) {
    match phase {
        Phase::Proposed => ("?", "proposed", Meaning::Accent),
        Phase::Recording => ("◐", "recording", Meaning::Warn),
        Phase::Running => ("◐", "running", Meaning::Warn),
        Phase::Consent(_) => ("?", "asks", Meaning::Warn),
        Phase::Offered { .. } => ("?", "asks", Meaning::Warn),
        Phase::Paused { .. } => ("‖", "paused", Meaning::Warn),
        Phase::Ended(Outcome::Done) => ("✔", "done", Meaning::Good),
        Phase::Ended(Outcome::Failed { .. }) => ("✖", "failed", Meaning::Bad),
        Phase::Ended(Outcome::Cancelled { .. }) => ("↶", "cancelled", Meaning::Warn),
        Phase::Ended(Outcome::Undone { .. }) => ("↶", "undone", Meaning::Plain),
        Phase::Ended(Outcome::Closed { .. }) => ("×", "closed", Meaning::Plain),
        Phase::Refused(_) => ("✖", "refused", Meaning::Bad),
    }
}

#[cfg(test)]
mod tests {
    use super::split;
    use rstest::rstest;

    #[rstest]
    #[case("scale time 1 -> 2", 80, "scale time 1 -> 2", &[])]
    #[case("quarantine client local-time-machine for 1h00m", 40, "quarantine", &["client local-time-machine for 1h00m"])]
    #[case("roll quarterdeck-prod-platform back to what it was before", 40, "", &["roll quarterdeck-prod-platform back", "to what it was before"])]
    fn a_title_that_is_too_long_goes_on_below(
        #[case] title: &str,
        #[case] cells: usize,
        #[case] head: &str,
        #[case] below: &[&str],
    ) {
        let taken = if head.is_empty() { 38 } else { 28 };
        let (first, rest) = split(title, cells, taken);
        assert_eq!((first.as_str(), rest), (head, below.iter().map(|&line| line.to_owned()).collect()));
    }
}
