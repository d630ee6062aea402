//! A line of text that the operator types.

use tui_input::{Input as Buffer, InputRequest};

use super::keymap::{Key, KeyPress};

/// A line being typed, with its cursor.
#[derive(Debug, Clone, Default)]
pub struct Input(Buffer);

/// What a key did to a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Typed {
    /// It edited the line, or meant nothing to it.
    Taken,
    /// Enter.
    Submit,
    /// Escape.
    Cancel,
}

/// Longest line that can be typed, in bytes.
const MAX: usize = 1_024;

impl Input {
    /// A line with this text, the cursor at its end.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Buffer::new(text.into()))
    }

    pub fn text(&self) -> &str {
        self.0.value()
    }

    /// Cells before the cursor.
    pub fn cursor(&self) -> usize {
        self.0.visual_cursor()
    }

    /// Takes a key.
    pub fn press(&mut self, press: KeyPress) -> Typed {
        use InputRequest as R;
        let request = match (press.key, press.ctrl) {
            (Key::Enter, _) => return Typed::Submit,
            (Key::Esc, _) => return Typed::Cancel,
            (Key::Char('c'), true) => return Typed::Cancel,
            (Key::Char('u'), true) => R::DeleteLine,
            (Key::Char('w'), true) => R::DeletePrevWord,
            (Key::Char('a'), true) | (Key::Home, _) => R::GoToStart,
            (Key::Char('e'), true) | (Key::End, _) => R::GoToEnd,
            (Key::Backspace, _) => R::DeletePrevChar,
            (Key::Delete, _) => R::DeleteNextChar,
            (Key::Left, _) => R::GoToPrevChar,
            (Key::Right, _) => R::GoToNextChar,
            (Key::Char(c), false) if !press.alt && self.text().len() < MAX => R::InsertChar(c),
            _ => return Typed::Taken,
        };
        self.0.handle(request);
        Typed::Taken
    }

    /// Takes pasted text as one line: a space stands for each line break and tab, but for those at the end;
    /// other control characters are left out.
    pub fn paste(&mut self, text: &str) {
        let text = text.trim_end_matches(is_break).replace("\r\n", "\n");
        let one = |c: char| if is_break(c) { Some(' ') } else { (!c.is_control()).then_some(c) };
        for c in text.chars().filter_map(one) {
            if self.text().len() + c.len_utf8() <= MAX {
                self.0.handle(InputRequest::InsertChar(c));
            }
        }
    }
}

/// What would join two words if it were left out.
fn is_break(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\u{b}' | '\u{c}' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("level>=warn\ntool=now", "level>=warn tool=now")]
    #[case("one\r\ntwo\rthree\tfour", "one two three four")]
    #[case("a\u{b}b\u{c}c\u{85}d\u{2028}e\u{2029}f", "a b c d e f")]
    #[case("copied with its end\r\n", "copied with its end")]
    #[case("bell\u{7}and\u{1b}[31mescape", "belland[31mescape")]
    fn pasted_text_is_one_line_whose_words_stay_apart(#[case] pasted: &str, #[case] typed: &str) {
        let mut input = Input::default();
        input.paste(pasted);
        assert_eq!(input.text(), typed);
    }
}
