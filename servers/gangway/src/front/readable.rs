//! Messages that any parser of JSON can read (RFC 7493, I-JSON).
//!
//! A server behind may leave unanswered what its parser refuses, so that the client waits until the time is up, or may
//! end by it, and it serves everybody. RFC 8259 allows more than parsers take: text that is no Unicode, numbers of any
//! length, and lists in lists without an end.

/// The most lists and objects in one another. The servers that are built on this library refuse more (serde_json);
/// Python's `json` ends at a thousand.
pub const DEEPEST: usize = 127;
/// The longest number, in characters. Python reads no whole number of more than 4,300 digits (`sys.set_int_max_str_digits`);
/// no double needs so many.
pub const LONGEST_NUMBER: usize = 1_100;

/// Why a text that is JSON cannot be read everywhere. `None`: it can.
pub fn problem(json: &[u8]) -> Option<String> {
    let (mut depth, mut number) = (0_usize, 0_usize);
    let mut at = 0;
    while let Some(byte) = json.get(at) {
        number = if matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-') { number + 1 } else { 0 };
        if number > LONGEST_NUMBER {
            return Some(format!("a number has more than {LONGEST_NUMBER} characters"));
        }
        match byte {
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            b'"' => match string(json.get(at + 1..).unwrap_or_default()) {
                Some(length) => at += length + 1,
                None => return Some("a text has half of a surrogate pair (RFC 7493 section 2.1)".to_owned()),
            },
            _ => {}
        }
        if depth > DEEPEST {
            return Some(format!("nested more than {DEEPEST} deep"));
        }
        at += 1;
    }
    None
}

/// The length of a text up to its closing quote. `None`: it has an escape that stands for no character.
fn string(text: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        match text.get(at) {
            None | Some(b'"') => return Some(at),
            Some(b'\\') => {
                at += match (escaped(text, at), escaped(text, at + 6)) {
                    (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => 12,
                    (Some(0xd800..=0xdfff), _) => return None,
                    _ => 2,
                }
            }
            Some(_) => at += 1,
        }
    }
}

/// The UTF-16 unit of an escape `\uXXXX` at a place.
fn escaped(text: &[u8], at: usize) -> Option<u16> {
    let digits = text.get(at..at + 6)?.strip_prefix(b"\\u")?;
    u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_every_parser_reads_has_no_problem() {
        let deep = format!("{}{}", "[".repeat(DEEPEST), "]".repeat(DEEPEST));
        let long = "9".repeat(LONGEST_NUMBER);
        let texts = [
            r#"{"a":"\ud83d\ude00 \\ud800 \u00e9 \"[[[ \\","b":[1.5e-3,-0]}"#,
            r#"["\\", "\"[[[", []]"#,
            &deep,
            &long,
            // Not JSON: that is for the parser to say.
            r#"["\u12"#,
            r#""\"#,
        ];
        for text in texts {
            assert_eq!(problem(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn what_some_parser_refuses_has_one() {
        let deep = "[".repeat(DEEPEST + 1);
        let long = format!("[{}]", "1".repeat(LONGEST_NUMBER + 1));
        let cases = [
            (r#"{"a":"\ud800"}"#, "surrogate"),
            (r#"{"\uDFFF":1}"#, "surrogate"),
            (r#"["\ud83dx"]"#, "surrogate"),
            (r#"["\ud83d\ud83d\ude00"]"#, "surrogate"),
            (r#"["\ude00\ud83d"]"#, "surrogate"),
            (&deep, "deep"),
            (&long, "number"),
        ];
        for (text, words) in cases {
            assert!(problem(text.as_bytes()).is_some_and(|problem| problem.contains(words)), "{text}");
        }
    }
}
