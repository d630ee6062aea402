//! Text from outside, made safe, measured and cut; and numbers in words.

use std::borrow::Cow;

use jiff::{SignedDuration, Timestamp};
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Longest text that is kept of a message or a name, in bytes.
pub const MAX_TEXT: usize = 16 * 1024;
/// Longest text that is kept of one log line, in bytes: the largest event that CloudWatch Logs takes.
pub const MAX_LINE: usize = 1024 * 1024;
/// Most characters without a width after one that has one: scripts need a few, an attack stacks hundreds.
const MAX_MARKS: usize = 4;

/// Makes text harmless for a terminal and for a table cell.
///
/// Escape sequences are dropped whole; line breaks and tabs become a space; other control characters,
/// bidirectional overrides and zero-width characters are dropped; a text over [`MAX_TEXT`]
/// bytes is cut and says so. The result holds no control character.
pub fn sanitise(raw: &str) -> String {
    sanitise_to(raw, MAX_TEXT, ' ')
}

/// The same for a log event, which may have [`MAX_LINE`] bytes, and whose line breaks of every kind become
/// `\n`, the one control character that is left. [`row`] makes it fit for a table cell.
pub fn sanitise_event(raw: &str) -> String {
    sanitise_to(raw, MAX_LINE, '\n')
}

/// As [`sanitise_event`], for a text of at most [`MAX_TEXT`] bytes.
pub fn sanitise_lines(raw: &str) -> String {
    sanitise_to(raw, MAX_TEXT, '\n')
}

/// What stands in a row for a line break.
pub const BREAK: &str = "↵";

/// A text of [`sanitise_event`] for one row: a mark stands for each line break.
pub fn row(text: &str) -> Cow<'_, str> {
    if memchr::memchr(b'\n', text.as_bytes()).is_none() {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.replace('\n', BREAK))
}

fn sanitise_to(raw: &str, limit: usize, line_break: char) -> String {
    let clean = raw.len() <= limit && raw.bytes().all(|byte| (0x20..0x7f).contains(&byte));
    if clean {
        return raw.trim_end().to_owned();
    }
    let mut out = String::with_capacity(raw.len().min(limit) + 32);
    let mut chars = raw.trim_end().chars().peekable();
    // A mark at the beginning would join the character printed before this text.
    let mut marks = MAX_MARKS;
    while let Some(c) = chars.next() {
        if out.len() >= limit {
            out.push_str(&format!(" …[{} bytes in all]", raw.len()));
            break;
        }
        match c {
            '\u{1b}' => skip_escape(&mut chars),
            '\u{9b}' => skip_csi(&mut chars),
            '\t' => out.push(' '),
            '\r' => {
                // One break, written with two characters.
                chars.next_if_eq(&'\n');
                begin_line(&mut out, line_break, &mut marks);
            }
            '\n' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}' => {
                begin_line(&mut out, line_break, &mut marks);
            }
            c if c.is_control() || invisible(c) => {}
            c if c.is_ascii() || c.width() != Some(0) => {
                marks = 0;
                out.push(c);
            }
            c if marks < MAX_MARKS => {
                marks += 1;
                out.push(c);
            }
            _ => {}
        }
    }
    out
}

fn begin_line(out: &mut String, line_break: char, marks: &mut usize) {
    out.push(line_break);
    // A mark at the beginning of a line would join what stands before the line.
    *marks = MAX_MARKS;
}

type Chars<'a> = std::iter::Peekable<std::str::Chars<'a>>;

/// Skips what follows ESC (ECMA-48): CSI sequences, strings (OSC, DCS, PM, APC, SOS), short escapes.
fn skip_escape(chars: &mut Chars<'_>) {
    match chars.peek() {
        Some('[') => {
            chars.next();
            skip_csi(chars);
        }
        Some(']' | 'P' | '^' | '_' | 'X') => {
            chars.next();
            skip_string(chars);
        }
        Some(_) => {
            while chars.next_if(|c| ('\u{20}'..='\u{2f}').contains(c)).is_some() {}
            chars.next_if(|c| ('\u{30}'..='\u{7e}').contains(c));
        }
        None => {}
    }
}

fn skip_csi(chars: &mut Chars<'_>) {
    while chars.next_if(|c| ('\u{20}'..='\u{3f}').contains(c)).is_some() {}
    chars.next_if(|c| ('\u{40}'..='\u{7e}').contains(c));
}

/// A control string ends with BEL or ST. One that never ends swallows at most 256 characters, so
/// that a stray introducer cannot hide the rest of a line.
fn skip_string(chars: &mut Chars<'_>) {
    let mut ahead = chars.clone();
    for taken in 1..=256 {
        match ahead.next() {
            Some('\u{7}' | '\u{9c}') => return advance(chars, taken),
            Some('\u{1b}') if ahead.peek() == Some(&'\\') => return advance(chars, taken + 1),
            Some(_) => {}
            None => return,
        }
    }
}

fn advance(chars: &mut Chars<'_>, count: usize) {
    for _ in 0..count {
        chars.next();
    }
}

/// Characters that take no cell or turn the direction of what follows (Unicode bidirectional
/// controls, zero-width characters, fillers, line and paragraph separators, tags, variation selectors).
fn invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{3164}' | '\u{ffa0}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e0fff}')
}

/// Width in terminal cells.
pub fn width(text: &str) -> usize {
    text.width()
}

/// The beginning of a text that fills at least `cells`, if it has so many: what lies beyond cannot
/// be seen, and a line may have a megabyte.
pub fn head(text: &str, cells: usize) -> &str {
    if text.len() <= cells {
        return text;
    }
    let mut used = 0;
    let end = text.char_indices().find(|(_, c)| {
        let full = used > cells;
        used += c.width().unwrap_or(0);
        full
    });
    end.map_or(text, |(at, _)| &text[..at])
}

/// The beginning of a text, at most `cells` wide, with `…` where something was cut.
pub fn cut(text: &str, cells: usize) -> String {
    if text.len() <= cells || width(text) <= cells {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut used = 0;
    for grapheme in text.graphemes(true) {
        let w = grapheme.width();
        if used + w + 1 > cells {
            break;
        }
        out.push_str(grapheme);
        used += w;
    }
    if cells > 0 {
        out.push('…');
    }
    out
}

/// The end of a text, at most `cells` wide, with `…` where something was cut.
pub fn cut_front(text: &str, cells: usize) -> String {
    if text.len() <= cells || width(text) <= cells {
        return text.to_owned();
    }
    let (mut kept, mut used) = (Vec::new(), 0);
    for grapheme in text.graphemes(true).rev() {
        used += grapheme.width();
        if used + 1 > cells {
            break;
        }
        kept.push(grapheme);
    }
    let end: String = kept.into_iter().rev().collect();
    if cells > 0 { format!("…{end}") } else { String::new() }
}

/// A duration in the two largest units: `3s`, `4m12s`, `2h05m`, `3d04h`. Negative is `0s`.
pub fn short_duration(duration: SignedDuration) -> String {
    let seconds = duration.as_secs().max(0);
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{}h{:02}m", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!("{}d{:02}h", seconds / 86_400, seconds % 86_400 / 3_600),
    }
}

/// How long ago something was.
pub fn age(now: Timestamp, then: Timestamp) -> String {
    short_duration(now.duration_since(then))
}

/// A plural that reads right: `1 task`, `3 tasks`.
pub fn count(n: usize, noun: &str) -> String {
    if n == 1 { format!("1 {noun}") } else { format!("{n} {noun}s") }
}

/// So many of so many, in percent with one digit. Neither few is none, nor most all: `0`, `<0.1%`, `>99.9%`.
pub fn share(part: u64, of: u64) -> String {
    let percent = part as f64 * 100.0 / of.max(1) as f64;
    match part {
        0 => "0".to_owned(),
        _ if percent < 0.1 => "<0.1%".to_owned(),
        _ if percent > 99.9 && part < of => ">99.9%".to_owned(),
        _ => format!("{percent:.1}%"),
    }
}

/// A number of bytes, in decimal units as AWS bills them: `0 B`, `12.3 kB`, `250 MB`, `1.2 GB`.
pub fn bytes(many: f64) -> String {
    let told = |value: f64, unit: &str| {
        if value < 100.0 { format!("{value:.1} {unit}") } else { format!("{value:.0} {unit}") }
    };
    match many {
        ..1e3 => format!("{many:.0} B"),
        ..1e6 => told(many / 1e3, "kB"),
        ..1e9 => told(many / 1e6, "MB"),
        _ => told(many / 1e9, "GB"),
    }
}

/// A number of milliseconds in at most six cells: `0.64ms`, `12.8ms`, `250ms`, `1.25s`.
pub fn milliseconds(millis: f64) -> String {
    match millis {
        ..10.0 => format!("{millis:.2}ms"),
        ..100.0 => format!("{millis:.1}ms"),
        ..1_000.0 => format!("{millis:.0}ms"),
        _ => format!("{:.2}s", millis / 1_000.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    #[rstest]
    #[case("plain text", "plain text")]
    #[case("a\u{1b}[31mred\u{1b}[0m b", "ared b")]
    #[case("title\u{1b}]0;owned\u{7}after", "titleafter")]
    #[case("st\u{1b}]52;c;ZXZpbA==\u{1b}\\after", "stafter")]
    #[case("c1\u{9b}2Jafter", "c1after")]
    #[case("line\nbreak\tand\rreturn", "line break and return")]
    #[case("a\r\nb\u{b}c\u{c}d\u{85}e\u{2028}f\u{2029}g", "a b c d e f g")]
    #[case("bidi\u{202e}evil", "bidievil")]
    #[case("zero\u{200b}width", "zerowidth")]
    #[case("\u{1b}", "")]
    #[case("\u{1b}]never ends", "never ends")]
    #[case("日本語 ok", "日本語 ok")]
    fn text_is_made_safe_for_the_terminal(#[case] raw: &str, #[case] safe: &str) {
        assert_eq!(sanitise(raw), safe);
    }

    #[rstest]
    #[case(0, 0, "0")]
    #[case(0, 5, "0")]
    #[case(1, 10_000, "<0.1%")]
    #[case(1, 1_000, "0.1%")]
    #[case(1, 24, "4.2%")]
    #[case(999, 1_000, "99.9%")]
    #[case(9_999, 10_000, ">99.9%")]
    #[case(3, 3, "100.0%")]
    fn few_are_not_none_and_most_are_not_all(#[case] part: u64, #[case] of: u64, #[case] shown: &str) {
        assert_eq!(share(part, of), shown);
    }

    #[test]
    fn cuts_a_long_text_and_says_so() {
        let text = "x".repeat(2_000_000);
        for (safe, limit) in [(sanitise(&text), MAX_TEXT), (sanitise_event(&text), MAX_LINE)] {
            assert!(safe.len() < limit + 64);
            assert!(safe.ends_with("[2000000 bytes in all]"), "{}", &safe[limit..]);
        }
    }

    #[test]
    fn combining_marks_are_limited_and_never_join_the_text_before() {
        let stacked = format!("\u{301}a{}b", "\u{301}".repeat(500));
        assert_eq!(sanitise(&stacked), format!("a{}b", "\u{301}".repeat(4)));
    }

    #[rstest]
    #[case("a\rb", "a\nb", "a↵b")]
    #[case("a\r\nb\n\nc", "a\nb\n\nc", "a↵b↵↵c")]
    #[case("a\u{b}b\u{c}c\u{85}d\u{2028}e\u{2029}f", "a\nb\nc\nd\ne\nf", "a↵b↵c↵d↵e↵f")]
    #[case("a\tb\u{7}c\r\n", "a bc", "a bc")]
    #[case("a\n\u{301}b", "a\nb", "a↵b")]
    fn the_line_breaks_of_an_event_are_kept(#[case] raw: &str, #[case] text: &str, #[case] cell: &str) {
        assert_eq!((sanitise_event(raw).as_str(), &*row(text)), (text, cell));
    }

    proptest! {
        #[test]
        fn an_event_keeps_no_control_character_but_line_breaks(raw in "\\PC*|[\u{0}-\u{ff}]*|.*") {
            let text = sanitise_event(&raw);
            prop_assert!(!text.chars().any(|c| c != '\n' && (c.is_control() || invisible(c))));
            prop_assert!(!row(&text).chars().any(char::is_control));
        }

        #[test]
        fn never_leaves_a_control_character(raw in "\\PC*|[\u{0}-\u{ff}]*|.*") {
            prop_assert!(!sanitise(&raw).chars().any(|c| c.is_control() || invisible(c)));
        }

        /// So a row of cells holds a bounded number of bytes, whatever the text.
        #[test]
        fn the_length_of_a_text_is_bounded_by_its_width(raw in "[a\u{301}\u{e31}\u{1161}\u{200d}\u{65e5}]*|\\PC*") {
            let safe = sanitise(&raw);
            prop_assert!(safe.chars().count() <= (MAX_MARKS + 1) * safe.chars().filter(|c| c.width() != Some(0)).count());
        }

        #[test]
        fn a_cut_fits(text in ".*", cells in 0usize..40) {
            prop_assert!(width(&cut(&text, cells)) <= cells);
            prop_assert!(width(&cut_front(&text, cells)) <= cells);
        }
    }

    #[rstest]
    #[case(5, "5s")]
    #[case(252, "4m12s")]
    #[case(7_500, "2h05m")]
    #[case(277_200, "3d05h")]
    #[case(-4, "0s")]
    fn durations_are_written_in_two_units(#[case] seconds: i64, #[case] text: &str) {
        assert_eq!(short_duration(SignedDuration::from_secs(seconds)), text);
    }
}
