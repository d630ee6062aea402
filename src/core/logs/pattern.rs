//! What is searched for: a literal or a regular expression.

use regex::{Regex, RegexBuilder};

/// A literal or regular expression, matched without regard to case unless it has a capital letter.
#[derive(Debug, Clone)]
pub struct Pattern {
    text: String,
    regex: Regex,
}

/// Largest compiled pattern, in bytes: a typed one must not take the memory.
const SIZE_LIMIT: usize = 1 << 20;

impl Pattern {
    /// A pattern for a search; text that is no regular expression is taken literally.
    pub fn new(text: &str) -> Self {
        Self::regex(text).unwrap_or_else(|_| Self::literal(text))
    }

    /// A regular expression.
    ///
    /// # Errors
    /// Why it is none, in one line.
    pub fn regex(text: &str) -> Result<Self, String> {
        let regex = build(text, has_no_capital(text)).map_err(|error| reason(&error))?;
        Ok(Self { text: text.to_owned(), regex })
    }

    /// A regular expression whose letters stand for themselves, small or capital.
    ///
    /// # Errors
    /// Why it is none, in one line.
    pub fn exact(text: &str) -> Result<Self, String> {
        let regex = build(text, false).map_err(|error| reason(&error))?;
        Ok(Self { text: text.to_owned(), regex })
    }

    /// This very text.
    pub fn literal(text: &str) -> Self {
        // An escaped literal within the size limit always compiles; one beyond it matches nothing.
        Self {
            text: text.to_owned(),
            regex: build(&regex::escape(text), has_no_capital(text)).unwrap_or_else(|_| never()),
        }
    }

    /// As it was typed.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it occurs in a text.
    pub fn matches(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }

    /// Where it occurs in a text, as byte ranges.
    pub fn ranges<'a>(&'a self, text: &'a str) -> impl Iterator<Item = std::ops::Range<usize>> + 'a {
        self.regex.find_iter(text).map(|found| found.range()).filter(|range| !range.is_empty())
    }
}

fn has_no_capital(text: &str) -> bool {
    !text.chars().any(char::is_uppercase)
}

fn build(text: &str, any_case: bool) -> Result<Regex, regex::Error> {
    // An event may have several lines: a pattern may reach over them, or stand at the beginning of each.
    let mut builder = RegexBuilder::new(text);
    builder.multi_line(true).dot_matches_new_line(true).size_limit(SIZE_LIMIT);
    builder.case_insensitive(any_case).build()
}

/// The last line of the library's report says what is wrong; those before it draw the pattern.
fn reason(error: &regex::Error) -> String {
    let text = error.to_string();
    text.lines().last().unwrap_or(&text).trim_start_matches("error: ").to_owned()
}

#[allow(clippy::expect_used, reason = "a constant pattern, compiled in a test")]
fn never() -> Regex {
    Regex::new("[^\\s\\S]").expect("a constant pattern")
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_that_is_no_regex_is_searched_literally() {
        assert!(Pattern::new("a[b").matches("xa[by"));
        assert!(Pattern::new("Get").matches("Get") && !Pattern::new("Get").matches("get"));
        assert!(!never().is_match("anything"));
    }

    #[test]
    fn a_pattern_reaches_over_the_lines_of_an_event() {
        let trace = "Traceback\n  File \"a.py\"\nValueError: declined";
        assert!(Pattern::new("Traceback.*declined").matches(trace) && Pattern::new("^ValueError").matches(trace));
    }

    #[test]
    fn why_it_is_no_regex_is_one_line() {
        assert_eq!(Pattern::regex("a[b").map(|_| ()), Err("unclosed character class".to_owned()));
    }
}
