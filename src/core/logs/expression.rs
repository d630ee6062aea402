//! What an operator types to keep or hide lines: `tool=get_forecast latency_ms>500 level>=warn "took too long"`.
//!
//! Terms stand beside each other and must all hold; `!` before one negates it. A term is a word
//! (a regular expression over the whole line), a quoted literal, or a field, an operator and a value.

use std::fmt;

use super::field::{Value, lookup};
use super::line::LineRef;
use super::pattern::Pattern;
use super::severity::Severity;

#[derive(Debug, Clone, PartialEq)]
pub struct Expression {
    text: String,
    terms: Vec<Term>,
}

/// An invalid expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("at column {column}: {reason}")]
pub struct BadExpression {
    /// The position of the mistake, in characters from 1.
    pub column: usize,
    /// What is wrong there, and the way out.
    pub reason: String,
}

#[derive(Debug, Clone, PartialEq)]
struct Term {
    negated: bool,
    test: Test,
}

#[derive(Debug, Clone, PartialEq)]
enum Test {
    /// Somewhere in the text.
    Text(Pattern),
    /// The line's own severity, whatever its shape.
    Level(Operator, Severity),
    /// The server or the task that wrote the line, or a field of it.
    Field(String, Operator, Operand),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Is,
    Over,
    AtLeast,
    Under,
    AtMost,
    Like,
}

/// What a field is compared with.
#[derive(Debug, Clone, PartialEq)]
struct Operand {
    text: String,
    number: Option<f64>,
    pattern: Option<Pattern>,
}

impl Expression {
    /// Parses what was typed.
    ///
    /// # Errors
    /// Says where it is invalid, and why.
    pub fn parse(text: &str) -> Result<Self, BadExpression> {
        let mut reader = Cursor { text, at: 0 };
        let mut terms = Vec::new();
        while reader.skip_spaces() {
            terms.push(reader.term()?);
        }
        if terms.is_empty() {
            return Err(reader.bad(0, "the expression is empty; give a word, a \"literal\", or such as level>=warn"));
        }
        Ok(Self { text: text.trim().to_owned(), terms })
    }

    /// That a field has exactly this value, whatever characters the value holds.
    pub fn equals(field: &str, value: &str) -> Self {
        let operand = Operand { text: value.to_owned(), number: None, pattern: None };
        let test = Test::Field(field.to_owned(), Operator::Is, operand);
        Self { text: format!("{field}={value:?}"), terms: vec![Term { negated: false, test }] }
    }

    /// That a line does not have this field.
    pub fn lacks(field: &str) -> Self {
        let operand = Operand { text: String::new(), number: None, pattern: Some(Pattern::new("")) };
        let test = Test::Field(field.to_owned(), Operator::Like, operand);
        Self { text: format!("no {field}"), terms: vec![Term { negated: true, test }] }
    }

    /// As it was typed.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether every term holds for a line.
    pub fn matches(&self, line: LineRef<'_>) -> bool {
        self.terms.iter().all(|term| term.test.holds(line) != term.negated)
    }
}

impl Test {
    fn holds(&self, line: LineRef<'_>) -> bool {
        match self {
            Self::Text(pattern) => pattern.matches(line.text),
            Self::Level(operator, level) => operator.orders(line.severity.cmp(level)),
            Self::Field(name, operator, operand) => match name.as_str() {
                "server" if !line.server.is_empty() => operand.compare(*operator, &Value::Text(line.server.into())),
                "task" => operand.compare(*operator, &Value::Text(line.task.into())),
                // No comparison holds for a line without the field, so `!=` and `!` do.
                _ => lookup(line.text, name).is_some_and(|value| operand.compare(*operator, &value)),
            },
        }
    }
}

impl Operator {
    fn orders(self, ordering: std::cmp::Ordering) -> bool {
        match self {
            Self::Is | Self::Like => ordering.is_eq(),
            Self::Over => ordering.is_gt(),
            Self::AtLeast => ordering.is_ge(),
            Self::Under => ordering.is_lt(),
            Self::AtMost => ordering.is_le(),
        }
    }
}

impl Operand {
    /// Numbers are compared as numbers, all else as text: RFC 3339 times are in order so.
    fn compare(&self, operator: Operator, value: &Value<'_>) -> bool {
        if let Some(pattern) = &self.pattern {
            return value.text().is_some_and(|text| pattern.matches(&text));
        }
        match (self.number, value.number(), value) {
            (Some(wanted), Some(number), _) => number.partial_cmp(&wanted).is_some_and(|order| operator.orders(order)),
            // A word is not over 500.
            (Some(_), None, _) if operator != Operator::Is => false,
            (_, _, value) => value.text().is_some_and(|text| operator.orders((*text).cmp(self.text.as_str()))),
        }
    }
}

struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    /// Whether something follows the spaces.
    fn skip_spaces(&mut self) -> bool {
        self.at = self.text.len() - self.rest().trim_start().len();
        self.at < self.text.len()
    }

    fn take(&mut self, token: &str) -> bool {
        let found = self.rest().starts_with(token);
        self.at += if found { token.len() } else { 0 };
        found
    }

    fn bad(&self, at: usize, reason: impl fmt::Display) -> BadExpression {
        BadExpression { column: self.text[..at].chars().count() + 1, reason: reason.to_string() }
    }

    fn term(&mut self) -> Result<Term, BadExpression> {
        let negated = self.take("!");
        if self.rest().starts_with('"') {
            let literal = self.quoted()?;
            return Ok(Term { negated, test: Test::Text(Pattern::literal(&literal)) });
        }
        let begin = self.at;
        if let Some((name, operator, turned)) = self.comparison() {
            let test = self.test(begin, name, operator)?;
            return Ok(Term { negated: negated != turned, test });
        }
        let word = self.word();
        if word.is_empty() {
            return Err(self.bad(begin, "a word, a \"literal\" or a field is missing after !"));
        }
        Ok(Term { negated, test: Test::Text(self.pattern(begin, word)?) })
    }

    /// A field's name (`None` for the whole line, with `~`), its operator, and whether that is negated.
    fn comparison(&mut self) -> Option<(&'a str, Operator, bool)> {
        const OPERATORS: &[(&str, Operator, bool)] = &[
            ("!=", Operator::Is, true),
            ("!~", Operator::Like, true),
            (">=", Operator::AtLeast, false),
            ("<=", Operator::AtMost, false),
            ("==", Operator::Is, false),
            ("=", Operator::Is, false),
            (">", Operator::Over, false),
            ("<", Operator::Under, false),
            ("~", Operator::Like, false),
        ];
        let rest = self.rest();
        let named = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '@' | '-');
        let name = &rest[..rest.find(|c| !named(c)).unwrap_or(rest.len())];
        let after = rest[name.len()..].trim_start();
        let (token, operator, turned) = OPERATORS.iter().find(|(token, ..)| after.starts_with(token))?;
        // `foo !bar` are two terms, `foo != bar` is one; `<b>` is a word.
        if name.is_empty() && *operator != Operator::Like {
            return None;
        }
        self.at += rest.len() - after.len() + token.len();
        Some((name, *operator, *turned))
    }

    fn test(&mut self, begin: usize, name: &str, operator: Operator) -> Result<Test, BadExpression> {
        let operator_end = self.at;
        if !self.skip_spaces() {
            let said = self.text[begin..operator_end].trim();
            return Err(self.bad(operator_end, format!("a value is missing after {said}")));
        }
        let at = self.at;
        let value = if self.rest().starts_with('"') { self.quoted()? } else { self.word().to_owned() };
        if name.is_empty() {
            return Ok(Test::Text(self.pattern(at, &value)?));
        }
        let number = value.parse::<f64>().ok();
        if matches!(name, "level" | "severity") && operator != Operator::Like && number.is_none() {
            let level = Severity::named(&value).ok_or_else(|| {
                self.bad(at, format!("{value:?} is no level; give debug, info, warn or error, or a number"))
            })?;
            return Ok(Test::Level(operator, level));
        }
        let pattern = if operator == Operator::Like { Some(self.pattern(at, &value)?) } else { None };
        Ok(Test::Field(name.to_owned(), operator, Operand { text: value, number, pattern }))
    }

    fn word(&mut self) -> &'a str {
        let rest = self.rest();
        let word = &rest[..rest.find(char::is_whitespace).unwrap_or(rest.len())];
        self.at += word.len();
        word
    }

    /// Text in quotation marks; `\"` is a quotation mark, `\\` a backslash.
    fn quoted(&mut self) -> Result<String, BadExpression> {
        let (mut value, mut escaped) = (String::new(), false);
        for (at, c) in self.rest().char_indices().skip(1) {
            match c {
                '"' if !escaped => {
                    self.at += at + 1;
                    return Ok(value);
                }
                '\\' if !escaped => escaped = true,
                c => {
                    if escaped && c != '"' && c != '\\' {
                        value.push('\\');
                    }
                    value.push(c);
                    escaped = false;
                }
            }
        }
        Err(self.bad(self.at, "the quotation mark is not closed"))
    }

    fn pattern(&self, at: usize, text: &str) -> Result<Pattern, BadExpression> {
        Pattern::regex(text).map_err(|why| {
            self.bad(
                at,
                format!("{text:?} is no regular expression ({why}); put it in quotation marks to find it literally"),
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    const REQUEST: &str = r#"{"level":"warn","event":"request","tool":"get_forecast","status":502,"latency_ms":612.5,"a":{"b":"x y"},"at":"2026-01-02"}"#;

    fn line(text: &str) -> LineRef<'_> {
        LineRef { at: 0, server: "weather", task: "0123abcd", severity: Severity::of(text), text }
    }

    #[rstest]
    #[case("tool=get_forecast latency_ms>500 level>=warn", true)]
    #[case("tool=get_forecast latency_ms>700", false)]
    #[case("tool == get_forecast", true)]
    #[case("latency_ms <= 612.5", true)]
    #[case("latency_ms<100", false)]
    #[case("tool!=now", true)]
    #[case("nothing!=now", true)]
    #[case("nothing=now", false)]
    #[case("nothing>1", false)]
    #[case("tool>500", false)]
    #[case("at>2026-01-01", true)]
    #[case("status~^5", true)]
    #[case("tool!~fore", false)]
    #[case("a.b=\"x y\"", true)]
    #[case("level=warn", true)]
    #[case("level>warn", false)]
    #[case("level!=info", true)]
    #[case("level<error", true)]
    #[case("server=weather task~^0123", true)]
    #[case("server=time", false)]
    #[case("forecast", true)]
    #[case("Forecast", false)]
    #[case("fore.*502", true)]
    #[case("forecast !502", false)]
    #[case("forecast !404 !\"x  y\"", true)]
    #[case("!tool=now", true)]
    #[case("\"x y\"", true)]
    #[case("~\"x.y\"", true)]
    #[case("\"x.y\"", false)]
    #[case("\"\\\"tool\\\":\"", true)]
    fn an_expression_matches_when_all_terms_hold(#[case] typed: &str, #[case] expected: bool) {
        let expression = Expression::parse(typed).expect("it can be read");
        assert_eq!(expression.matches(line(REQUEST)), expected, "{expression:?}");
    }

    #[test]
    fn fields_of_plain_text_are_found_too() {
        let expression = Expression::parse("tool=now ms>4 level>=warn").expect("it can be read");
        assert!(expression.matches(line("level=error tool=now ms=5")));
        assert!(!expression.matches(line("level=error tool=now ms=3")));
    }

    #[rstest]
    #[case("", 1, "the expression is empty")]
    #[case("latency_ms>", 12, "a value is missing after latency_ms>")]
    #[case("ok tool =  ", 10, "a value is missing after tool =")]
    #[case("tool=now \"open", 10, "not closed")]
    #[case("日本 a[b", 4, "unclosed character class")]
    #[case("tool~(", 6, "no regular expression")]
    #[case("level>=loud", 8, "no level")]
    #[case("ok !", 5, "missing after !")]
    fn a_bad_expression_names_the_place(#[case] typed: &str, #[case] column: usize, #[case] part: &str) {
        let error = Expression::parse(typed).expect_err("it cannot be read");
        assert!(error.column == column && error.reason.contains(part), "{error}");
    }

    proptest! {
        #[test]
        fn no_typed_text_makes_the_parser_fail(typed in "\\PC*|[a-z=<>!~\" \\\\\\[(.]*", text in "\\{?\\PC*") {
            if let Ok(expression) = Expression::parse(&typed) {
                expression.matches(line(&text));
            }
        }
    }
}
